/* What each sender writes in front of a payload: the descriptors of VP8 and VP9, the dependency
 * descriptor of VP9 and AV1, the redundancy of Opus. */
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

/* How many pictures back of a clip lies what a picture refers to: the latest of the layers below,
 * or of the base layer itself. The first of a clip is a key frame, and so is where a sender begins.
 */
static unsigned reaches_back(const struct sq_clip_track *t, uint32_t frame)
{
    unsigned below = t->frames[frame].tid ? t->frames[frame].tid : 1;
    unsigned back = 1;
    while (back < frame && t->frames[frame - back].tid >= below) {
        back++;
    }
    return back;
}

/* Whether a picture with fewer spatial layers than before comes first, or after others of upper
 * temporal layers alone: so long receivers are told, as libwebrtc does. */
static bool layers_changed(const struct sq_source *s, const struct sq_clip_track *t, uint32_t frame,
                           uint32_t slot)
{
    unsigned i = sq_source_top_index(s, slot);
    bool fewer = i + 1 < SQ_SOURCE_TOPS && s->tops[i].sid < s->tops[i + 1].sid;
    if (t->spatial_layers == 1 || !fewer || (t->frames[frame].flags & SQ_CLIP_KEY)) {
        return false;
    }
    uint32_t since = slot - s->tops[i].slot;
    for (uint32_t back = 1; back <= since; back++) {
        if (t->frames[frame - back].tid == 0) {
            return false;
        }
    }
    return true;
}

/* Section 4.2.1: the layers that are sent. */
static void vp9_structure(const struct sq_source *s, const struct sq_clip_track *t, uint32_t slot,
                          struct sq_source_packet *packet)
{
    unsigned top = sq_source_top_at(s, t, slot);
    size_t len = top + 1U == t->spatial_layers ? t->told_len : 1 + 4 * (top + 1);
    uint8_t *at = packet->head + packet->head_len;
    memcpy(at, t->told, len);
    at[0] = (uint8_t)(top << 5 | (t->told[0] & 0x1f));
    packet->head_len = (uint8_t)(packet->head_len + len);
}

/* RFC 9628, section 4.2, in flexible mode, with the bits as libwebrtc sets them. */
static void vp9_head(const struct sq_source *s, const struct sq_clip_track *t,
                     const struct sq_clip_packet *p, uint32_t slot, struct sq_source_packet *packet)
{
    unsigned picture_id = (s->picture_id0 + slot) & 0x7fff;
    bool layers = t->layered || t->spatial_layers > 1;
    bool below = packet->key || !(t->features & SQ_CLIP_KEY_SVC); /* layers refer to that below */
    bool tells = packet->begin &&
                 (packet->key || (packet->tid == 0 && layers_changed(s, t, p->frame, slot)));
    unsigned bits = 0x90;                                          /* I, F */
    bits |= packet->key ? 0 : 0x40;                                /* P */
    bits |= layers ? 0x20 : 0;                                     /* L */
    bits |= p->flags & SQ_CLIP_LAYER_FIRST ? 0x08 : 0;             /* B */
    bits |= p->flags & SQ_CLIP_LAYER_LAST ? 0x04 : 0;              /* E */
    bits |= tells ? 0x02 : 0;                                      /* V */
    bits |= p->sid + 1U == t->spatial_layers || !below ? 0x01 : 0; /* Z */
    packet->head[0] = (uint8_t)bits;
    packet->head[1] = (uint8_t)(0x80 | picture_id >> 8);
    packet->head[2] = (uint8_t)picture_id;
    packet->head_len = 3;
    if (layers) { /* T, U, S, D */
        packet->head[packet->head_len++] =
            (uint8_t)(packet->tid << 5 | 0x10 | p->sid << 1 | (p->sid > 0 && below ? 1 : 0));
    }
    if (!packet->key) { /* P_DIFF */
        packet->head[packet->head_len++] = (uint8_t)(reaches_back(t, p->frame) << 1);
    }
    if (tells) {
        vp9_structure(s, t, slot, packet);
    }
}

/* "RTP Payload Format For AV1", section A.8. Frame numbers count the frames of layers that are left
 * out, too, so that templates hold. */
static void dependency(const struct sq_source *s, const struct sq_clip_track *t,
                       const struct sq_clip_packet *p, uint32_t slot,
                       struct sq_source_packet *packet)
{
    if (t->dd_bits == 0) {
        return;
    }
    bool first = (p->flags & SQ_CLIP_LAYER_FIRST) != 0;
    bool structure = packet->key && packet->begin;
    unsigned active = sq_source_top_at(s, t, slot) + 1;
    bool told = (structure && active < t->spatial_layers) ||
                (first && layers_changed(s, t, p->frame, slot));
    const struct sq_dd_frame f = {
        .frame = &t->frames[p->frame],
        .sid = p->sid,
        .number = (uint16_t)((s->picture_id0 + slot) * t->spatial_layers + p->sid),
        .active_layers = told ? active : 0,
        .begins = first,
        .ends = (p->flags & SQ_CLIP_LAYER_LAST) != 0,
        .structure = structure,
    };
    packet->ext_len = (uint8_t)sq_dd_write(t, &f, packet->ext);
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
        vp9_head(s, t, p, slot, packet);
        dependency(s, t, p, slot, packet);
        break;
    case SQ_CODEC_AV1:
        dependency(s, t, p, slot, packet);
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
