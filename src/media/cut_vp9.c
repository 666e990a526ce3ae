/* VP9 into RTP payloads (RFC 9628). The descriptor is each sender's own but for its scalability
 * structure, which is written here, once. */
#include "base/wire.h"
#include "media/clip_int.h"
#include "media/depacket.h"

int sq_vp9_look(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look)
{
    struct sq_vp9_frame_header h;
    if (len < 1 || (bytes[0] & 0x38)) { /* profile 0, and not a frame shown again */
        return SQ_ERR_FORMAT;
    }
    int err = sq_vp9_frame_header_parse(bytes, len, &h);
    if (!err) {
        *ret_look = (struct sq_clip_look){.key = h.key, .width = h.width, .height = h.height};
    }
    return err;
}

/* Section 4.2.1: the pictures of a group in turn, as libwebrtc describes its three patterns. */
static const struct gof {
    uint8_t count;
    struct {
        uint8_t tid, diff;
    } at[4];
} gofs[] = {
    {1, {{0, 1}}},
    {2, {{0, 2}, {1, 1}}},
    {4, {{0, 4}, {2, 1}, {1, 2}, {2, 1}}},
};

void sq_vp9_tell(struct sq_clip_track *t)
{
    struct sq_wire w = sq_wire_writer(t->told, sizeof(t->told));
    unsigned layers = t->spatial_layers;
    bool known = t->temporal_layers <= sizeof(gofs) / sizeof(*gofs);
    /* N_S, Y: sizes follow, G: a group of pictures follows */
    sq_wire_put_u8(&w, (uint8_t)((layers - 1) << 5 | 0x10 | (known ? 0x08 : 0)));
    for (unsigned sid = 0; sid < layers; sid++) {
        unsigned shift = layers - 1 - sid; /* each layer is twice the one below */
        sq_wire_put_u16(&w, (uint16_t)((t->width + (1U << shift) - 1) >> shift));
        sq_wire_put_u16(&w, (uint16_t)((t->height + (1U << shift) - 1) >> shift));
    }
    if (known) {
        const struct gof *gof = &gofs[t->temporal_layers - 1];
        sq_wire_put_u8(&w, gof->count);
        for (unsigned i = 0; i < gof->count; i++) {
            /* T, U: switching up is possible everywhere, R: one reference */
            sq_wire_put_u8(&w, (uint8_t)(gof->at[i].tid << 5 | 0x10 | 1 << 2));
            sq_wire_put_u8(&w, gof->at[i].diff);
        }
    }
    t->told_len = (uint8_t)w.pos;
}

void sq_vp9_cut(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags)
{
    bool tells = (flags & SQ_CLIP_KEY) && c->sid == 0;
    sq_cut_even(c, offset, len, c->payload_max_bytes - SQ_CLIP_DESCRIPTOR_ROOM,
                tells ? c->track->told_len : 0);
}
