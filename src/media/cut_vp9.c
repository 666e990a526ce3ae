/* VP9 into RTP payloads (RFC 9628). The descriptor is each sender's own but for its scalability
 * structure, which is written here, once. */
#include "base/wire.h"
#include "media/clip_int.h"
#include "media/depacket.h"
#include "media/timetag.h"
#include "media/vp9.h"

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

size_t sq_vp9_index_write(const uint32_t *sizes, unsigned n, uint8_t out[static SQ_VP9_INDEX_MAX])
{
    size_t at = 0;
    out[at++] = (uint8_t)(0xc0 | 3 << 3 | (n - 1)); /* sizes of 4 bytes, the lowest first */
    for (unsigned i = 0; i < n; i++) {
        for (unsigned byte = 0; byte < 4; byte++) {
            out[at++] = (uint8_t)(sizes[i] >> (8 * byte));
        }
    }
    out[at] = out[0];
    return at + 1;
}

/* The frame with room for a time-tag, and the index of a superframe: who puts the layers one behind
 * the other finds all of them by that of the uppermost. */
static void put_tagged(struct sq_cutter *c, uint32_t offset, uint32_t len)
{
    uint8_t room[SQ_TIMETAG_ROOM_MAX];
    uint8_t index[SQ_VP9_INDEX_MAX];
    size_t n = sq_timetag_room(SQ_CODEC_VP9, room);
    uint64_t begin = c->made_bytes;
    sq_cut_put(c, c->bytes + offset, len);
    sq_cut_put(c, room, n);
    if (c->layers_len == SQ_CLIP_LAYERS_MAX) {
        return;
    }
    c->layers[c->layers_len++] = (uint32_t)(len + n);
    sq_cut_put(c, index, sq_vp9_index_write(c->layers, c->layers_len, index));
    c->layers[c->layers_len - 1] =
        (uint32_t)(c->made_bytes - begin); /* as the next layer sees it */
}

void sq_vp9_cut(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags)
{
    bool tells = (flags & SQ_CLIP_KEY) && c->sid == 0;
    size_t most = c->payload_max_bytes - SQ_CLIP_DESCRIPTOR_ROOM;
    size_t first_less = tells ? c->track->told_len : 0;
    if (c->tags) {
        put_tagged(c, offset, len);
        sq_cut_end_even(c, most, first_less);
    } else {
        sq_cut_even(c, offset, len, most, first_less);
    }
}
