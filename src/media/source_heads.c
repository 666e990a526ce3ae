/* What each sender writes in front of a payload: the descriptors of VP8 and VP9, the dependency
 * descriptor of AV1, the redundancy of Opus. */
#include "base/wire.h"
#include "media/clip_int.h"
#include "media/source_int.h"
#include <string.h>

static void vp8_head(const struct sq_source *s, const struct sq_clip_track *t,
                     const struct sq_clip_packet *p, uint32_t slot, uint8_t tl0,
                     struct sq_source_packet *packet)
{
    unsigned picture_id = (s->picture_id0 + slot) & 0x7fff;
    bool layers = t->layered || (s->flags & SQ_SOURCE_TL0PICIDX);
    /* RFC 7741, section 4.2: X, N, S at the start of the frame, PID 0; I, L, T; M and the
     * PictureID; TL0PICIDX; TID and Y. */
    packet->head[0] =
        (uint8_t)(0x80 | (p->flags & SQ_CLIP_NONREF ? 0x20 : 0) | (packet->begin ? 0x10 : 0));
    packet->head[1] = layers ? 0xe0 : 0x80;
    packet->head[2] = (uint8_t)(0x80 | picture_id >> 8);
    packet->head[3] = (uint8_t)picture_id;
    packet->head[4] = tl0;
    packet->head[5] = (uint8_t)(packet->tid << 6 | (p->flags & SQ_CLIP_SYNC ? 0x20 : 0));
    packet->head_len = layers ? 6 : 4;
}

/* RFC 9628, section 4.2, in non-flexible mode, with the bits as libwebrtc sets them. */
static void vp9_head(const struct sq_source *s, const struct sq_clip_track *t,
                     const struct sq_clip_packet *p, uint32_t slot, uint8_t tl0,
                     struct sq_source_packet *packet)
{
    unsigned picture_id = (s->picture_id0 + slot) & 0x7fff;
    bool layers = t->layered || t->spatial_layers > 1;
    bool below = packet->key || !(t->features & SQ_CLIP_KEY_SVC); /* layers refer to that below */
    bool tells = packet->key && packet->begin;
    bool top = p->sid + 1U == t->spatial_layers || packet->marker || p->sid >= s->max_sid;
    unsigned bits = 0x80;                              /* I */
    bits |= packet->key ? 0 : 0x40;                    /* P */
    bits |= layers ? 0x20 : 0;                         /* L */
    bits |= p->flags & SQ_CLIP_LAYER_FIRST ? 0x08 : 0; /* B */
    bits |= p->flags & SQ_CLIP_LAYER_LAST ? 0x04 : 0;  /* E */
    bits |= tells ? 0x02 : 0;                          /* V */
    bits |= top || !below ? 0x01 : 0;                  /* Z */
    packet->head[0] = (uint8_t)bits;
    packet->head[1] = (uint8_t)(0x80 | picture_id >> 8);
    packet->head[2] = (uint8_t)picture_id;
    packet->head_len = 3;
    if (layers) { /* T, U, S, D; TL0PICIDX */
        packet->head[3] =
            (uint8_t)(packet->tid << 5 | 0x10 | p->sid << 1 | (p->sid > 0 && below ? 1 : 0));
        packet->head[4] = tl0;
        packet->head_len = 5;
    }
    if (tells) {
        memcpy(packet->head + packet->head_len, t->told, t->told_len);
        packet->head_len = (uint8_t)(packet->head_len + t->told_len);
    }
}

/* "RTP Payload Format For AV1", section A.8: mandatory fields, and the structure with a key frame.
 */
static void av1_ext(const struct sq_source *s, const struct sq_clip_track *t,
                    const struct sq_clip_packet *p, uint32_t slot, struct sq_source_packet *packet)
{
    if (t->told_len == 0) {
        return;
    }
    packet->ext_len = 3;
    if (packet->key && packet->begin) {
        memcpy(packet->ext, t->told, t->told_len);
        packet->ext_len = t->told_len;
    }
    unsigned id = (t->told_id + sq_av1_template(t, &t->frames[p->frame])) & 63;
    packet->ext[0] =
        (uint8_t)((packet->begin ? 0x80 : 0) | (p->flags & SQ_CLIP_LAST ? 0x40 : 0) | id);
    sq_store_u16(packet->ext + 1, (uint16_t)(s->picture_id0 + slot));
}

/* RFC 2198. The packet before stands just before this one in the clip, and so both are one
 * fragment; the first of a loop goes without. */
static void opus_red(const struct sq_source *s, const struct sq_clip_track *t,
                     const struct sq_clip_packet *p, uint32_t slot, struct sq_source_packet *packet)
{
    const struct sq_clip_packet *before = p - 1;
    packet->head_len = 1;
    packet->head[0] = s->red_pt;
    if (p == t->packets || slot == 0 || before->offset + before->len_bytes != p->offset) {
        return;
    }
    uint32_t since = t->frames[p->frame].ticks - t->frames[before->frame].ticks;
    if (since >= 1U << 14 || before->len_bytes >= 1U << 10) {
        return; /* does not fit its fields */
    }
    packet->head[0] = (uint8_t)(0x80 | s->red_pt);
    packet->head[1] = (uint8_t)(since >> 6);
    packet->head[2] = (uint8_t)(since << 2 | before->len_bytes >> 8);
    packet->head[3] = (uint8_t)before->len_bytes;
    packet->head[4] = s->red_pt;
    packet->head_len = 5;
    packet->fragment -= before->len_bytes;
    packet->fragment_len = (uint16_t)(packet->fragment_len + before->len_bytes);
}

void sq_source_heads(const struct sq_source *s, const struct sq_clip_track *t,
                     const struct sq_clip_packet *p, uint32_t slot, uint8_t tl0,
                     struct sq_source_packet *packet)
{
    switch (t->codec) {
    case SQ_CODEC_VP8:
        vp8_head(s, t, p, slot, tl0, packet);
        break;
    case SQ_CODEC_VP9:
        vp9_head(s, t, p, slot, tl0, packet);
        break;
    case SQ_CODEC_AV1:
        av1_ext(s, t, p, slot, packet);
        break;
    case SQ_CODEC_OPUS:
        if (s->red_pt) {
            opus_red(s, t, p, slot, packet);
        }
        break;
    default:
        break;
    }
}
