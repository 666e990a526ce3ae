/* One face over the codecs; VP8 and the dependency descriptor are put into its words here. */
#include "media/depacket.h"

#include "base/mem.h"
#include "media/depacket_int.h"
#include "media/vp8.h"

struct sq_depacket_state *sq_depacket_state_get(struct sq_depacket_state **state)
{
    if (!*state) {
        *state = sq_zalloc(sizeof(**state));
    }
    return *state;
}

void sq_depacket_state_free(struct sq_depacket_state *state)
{
    if (state) {
        sq_free(state->gof);
        sq_free(state->templates);
        sq_free(state);
    }
}

static int vp8(const struct sq_media_packet *p, struct sq_part *part)
{
    struct sq_vp8_descriptor d;
    int err = sq_vp8_descriptor_parse(p->payload, p->len, &d);
    if (err) {
        return err;
    }
    part->body_at = d.len_bytes;
    if (d.start && d.partition == 0) {
        struct sq_vp8_frame_header header;
        err = sq_vp8_frame_header_parse(p->payload + d.len_bytes, p->len - d.len_bytes, &header);
        if (err) {
            return err;
        }
        part->flags |= SQ_PART_BEGIN | (header.key ? SQ_PART_KEY : 0);
        part->width = header.width;
        part->height = header.height;
    }
    if (d.picture_id >= 0) {
        part->flags |= SQ_PART_HAS_ID;
        part->id = (uint16_t)d.picture_id;
        part->id_bits = d.wide ? 15 : 7;
    }
    if (d.tl0_pic_idx >= 0 && d.tid >= 0) {
        part->flags |= SQ_PART_HAS_TL0 | (d.layer_sync ? SQ_PART_SYNC : 0);
        part->tl0 = (uint8_t)d.tl0_pic_idx;
        part->tid = (uint8_t)d.tid;
    }
    return 0;
}

/* What the descriptor says counts more than what the payload does: it knows all references. */
static void apply_dd(const struct sq_dd *dd, struct sq_part *part)
{
    part->flags &= (uint8_t) ~(SQ_PART_HAS_TL0 | SQ_PART_HAS_REFS | SQ_PART_SYNC);
    part->flags |= SQ_PART_HAS_ID;
    part->id = dd->frame_number;
    part->id_bits = 16;
    part->tid = dd->tid;
    part->sid = dd->sid;
    part->refs = 0;
    bool known = !dd->more;
    for (unsigned i = 0; i < dd->n_fdiffs; i++) {
        if (dd->fdiffs[i] > SQ_PART_REFS_MAX) {
            known = false;
        } else {
            part->refs |= 1U << (dd->fdiffs[i] - 1);
        }
    }
    part->flags |= known ? SQ_PART_HAS_REFS : 0;
    if (dd->start_of_frame) {
        part->flags |= dd->sid == 0 ? SQ_PART_BEGIN : SQ_PART_MAY_BEGIN;
    } else {
        part->flags &= (uint8_t) ~(SQ_PART_BEGIN | SQ_PART_MAY_BEGIN);
    }
    if (dd->structure && dd->n_fdiffs == 0 && !dd->more) {
        part->flags |= SQ_PART_KEY;
    }
    if (dd->width && dd->start_of_frame) {
        part->width = dd->width;
        part->height = dd->height;
    }
}

int sq_depacket(const struct sq_media_packet *packet, struct sq_depacket_state **state,
                struct sq_part *ret_part)
{
    struct sq_part part = {0};
    int err = SQ_ERR_UNSUPPORTED;
    if (packet->len == 0) {
        return SQ_ERR_TRUNCATED;
    }
    switch (packet->codec) {
    case SQ_CODEC_VP8:
        err = vp8(packet, &part);
        break;
    case SQ_CODEC_VP9:
        err = sq_depacket_vp9(packet, state, &part);
        break;
    case SQ_CODEC_H264:
        err = sq_depacket_h264(packet, &part);
        break;
    case SQ_CODEC_AV1:
        err = sq_depacket_av1(packet, &part);
        break;
    default:
        break;
    }
    struct sq_dd dd;
    if (!err && packet->dd && sq_dd_parse(packet->dd, packet->dd_len, state, &dd) == 0) {
        apply_dd(&dd, &part);
    }
    if (!err) {
        *ret_part = part;
    }
    return err;
}
