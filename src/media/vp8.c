/* RFC 7741 descriptors, and the front of RFC 6386 frames. */
#include "media/vp8.h"

#include "base/wire.h"

enum { X = 0x80, N = 0x20, S = 0x10, I = 0x80, L = 0x40, T = 0x20, K = 0x10, M = 0x80, Y = 0x20 };

int sq_vp8_descriptor_parse(const uint8_t *payload, size_t len,
                            struct sq_vp8_descriptor *ret_descriptor)
{
    struct sq_wire w = sq_wire_reader(payload, len);
    uint8_t first = sq_wire_u8(&w);
    uint8_t extension = first & X ? sq_wire_u8(&w) : 0;
    struct sq_vp8_descriptor d = {.picture_id = -1,
                                  .tl0_pic_idx = -1,
                                  .tid = -1,
                                  .key_idx = -1,
                                  .partition = first & 7,
                                  .start = (first & S) != 0,
                                  .non_reference = (first & N) != 0};
    if (extension & I) {
        uint8_t id = sq_wire_u8(&w);
        d.wide = (id & M) != 0;
        d.picture_id = d.wide ? (id & 0x7f) << 8 | sq_wire_u8(&w) : id;
    }
    if (extension & L) {
        d.tl0_pic_idx = sq_wire_u8(&w);
    }
    if (extension & (T | K)) {
        uint8_t byte = sq_wire_u8(&w);
        d.tid = extension & T ? (int8_t)(byte >> 6) : -1;
        d.layer_sync = (extension & T) && (byte & Y);
        d.key_idx = extension & K ? (int8_t)(byte & 0x1f) : -1;
    }
    if (w.err || w.pos == len) {
        return SQ_ERR_TRUNCATED;
    }
    d.len_bytes = (uint8_t)w.pos;
    *ret_descriptor = d;
    return 0;
}

size_t sq_vp8_descriptor_write(const struct sq_vp8_descriptor *d,
                               uint8_t out[static SQ_VP8_DESCRIPTOR_MAX])
{
    struct sq_wire w = sq_wire_writer(out, SQ_VP8_DESCRIPTOR_MAX);
    unsigned extension = 0;
    extension |= d->picture_id >= 0 ? I : 0U;
    extension |= d->tl0_pic_idx >= 0 ? L : 0U;
    extension |= d->tid >= 0 ? T : 0U;
    extension |= d->key_idx >= 0 ? K : 0U;
    sq_wire_put_u8(&w, (uint8_t)((extension ? X : 0U) | (d->non_reference ? N : 0U) |
                                 (d->start ? S : 0U) | (d->partition & 7U)));
    if (extension) {
        sq_wire_put_u8(&w, (uint8_t)extension);
    }
    if (extension & I) {
        if (d->wide) {
            sq_wire_put_u16(&w, (uint16_t)(0x8000 | (d->picture_id & 0x7fff)));
        } else {
            sq_wire_put_u8(&w, (uint8_t)(d->picture_id & 0x7f));
        }
    }
    if (extension & L) {
        sq_wire_put_u8(&w, (uint8_t)d->tl0_pic_idx);
    }
    if (extension & (T | K)) {
        unsigned tid = d->tid >= 0 ? (unsigned)d->tid & 3U : 0U;
        unsigned key_idx = d->key_idx >= 0 ? (unsigned)d->key_idx & 0x1fU : 0U;
        sq_wire_put_u8(&w, (uint8_t)(tid << 6 | (d->layer_sync ? Y : 0U) | key_idx));
    }
    return w.pos;
}

int sq_vp8_frame_header_parse(const uint8_t *frame, size_t len,
                              struct sq_vp8_frame_header *ret_header)
{
    if (len < 3) {
        return SQ_ERR_TRUNCATED;
    }
    uint32_t tag = frame[0] | (uint32_t)frame[1] << 8 | (uint32_t)frame[2] << 16;
    struct sq_vp8_frame_header h = {.key = !(tag & 1),
                                    .version = (uint8_t)(tag >> 1 & 7),
                                    .show = (tag >> 4 & 1) != 0,
                                    .first_partition_bytes = tag >> 5};
    if (h.key) {
        if (len < 10) {
            return SQ_ERR_TRUNCATED;
        }
        if (sq_load_u24(frame + 3) != 0x9d012a) {
            return SQ_ERR_FORMAT;
        }
        /* Little-endian, and the two upper bits are a scale that asks for nothing of us. */
        h.width = (uint16_t)((frame[6] | frame[7] << 8) & 0x3fff);
        h.height = (uint16_t)((frame[8] | frame[9] << 8) & 0x3fff);
        if (h.width == 0 || h.height == 0) {
            return SQ_ERR_FORMAT;
        }
    }
    *ret_header = h;
    return 0;
}
