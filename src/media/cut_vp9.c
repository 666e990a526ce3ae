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

/* The scalability structure of all layers, as libwebrtc writes it: N_S, Y and sizes; no group of
 * pictures, for the flexible mode needs none. */
void sq_vp9_tell(struct sq_clip_track *t)
{
    struct sq_wire w = sq_wire_writer(t->told, sizeof(t->told));
    unsigned layers = t->spatial_layers;
    sq_wire_put_u8(&w, (uint8_t)((layers - 1) << 5 | 0x10));
    for (unsigned sid = 0; sid < layers; sid++) {
        sq_wire_put_u16(&w, (uint16_t)sq_clip_layer_size(t, sid, t->width));
        sq_wire_put_u16(&w, (uint16_t)sq_clip_layer_size(t, sid, t->height));
    }
    t->told_len = (uint8_t)w.pos;
}

size_t sq_vp9_index_write(const uint32_t *sizes, unsigned n, uint8_t out[static SQ_VP9_INDEX_MAX])
{
    size_t at = 0;
    unsigned frames = n < SQ_VP9_FRAMES_MAX ? n : SQ_VP9_FRAMES_MAX;
    out[at++] = (uint8_t)(0xc0 | 3 << 3 | (frames - 1)); /* sizes of 4 bytes, the lowest first */
    for (unsigned i = 0; i < frames; i++) {
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
    if (c->layers_len >= SQ_CLIP_LAYERS_MAX) {
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
    size_t first_less = tells ? c->track->told_len : 0U;
    if (tells && c->track->spatial_layers > 1) { /* a long dependency descriptor, too */
        first_less += (c->track->dd_bits + 7U) / 8;
    }
    if (c->tags) {
        put_tagged(c, offset, len);
        sq_cut_end_even(c, most, first_less);
    } else {
        sq_cut_even(c, offset, len, most, first_less);
    }
}
