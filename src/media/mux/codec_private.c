#include "media/mux/codec_private.h"

#include "base/wire.h"
#include <stdbool.h>
#include <string.h>

#define NAL_SPS  7
#define NAL_PPS  8
#define OBU_SEQ  1
#define OBU_TD   2
#define SETS_MAX 4

void sq_opus_head(uint8_t channels, uint8_t out[static SQ_OPUS_HEAD_BYTES])
{
    memcpy(out, "OpusHead", 8);
    out[8] = 1;
    out[9] = channels;
    out[10] = out[11] = 0;                   /* pre-skip */
    memcpy(out + 12, "\x80\xbb\x00\x00", 4); /* 48,000, little-endian */
    out[16] = out[17] = 0;                   /* gain */
    out[18] = 0;                             /* mapping family */
}

/* ---- H.264 ---- */

struct nal {
    const uint8_t *at;
    size_t len;
};

/* The next NAL unit of a byte stream (ISO/IEC 14496-10, annex B); *from moves on. */
static bool next_nal(const uint8_t *frame, size_t len, size_t *from, struct nal *ret_nal)
{
    size_t i = *from;
    while (i + 3 <= len && !(frame[i] == 0 && frame[i + 1] == 0 && frame[i + 2] == 1)) {
        i++;
    }
    if (i + 3 > len) {
        return false;
    }
    size_t begin = i + 3;
    size_t end = begin;
    while (end < len && !(end + 3 <= len && frame[end] == 0 && frame[end + 1] == 0 &&
                          (frame[end + 2] == 1 || frame[end + 2] == 0))) {
        end++;
    }
    *from = end;
    *ret_nal = (struct nal){frame + begin, end - begin};
    return true;
}

static size_t h264_sample(const uint8_t *frame, size_t len, uint8_t *out, size_t room)
{
    struct sq_wire w = sq_wire_writer(out, room);
    size_t from = 0;
    struct nal nal;
    while (next_nal(frame, len, &from, &nal)) {
        if (nal.len > 0) {
            sq_wire_put_u32(&w, (uint32_t)nal.len);
            sq_wire_put(&w, nal.at, nal.len);
        }
    }
    return w.err ? 0 : w.pos;
}

static int h264_private(const uint8_t *frame, size_t len, uint8_t *out, size_t room,
                        size_t *ret_len)
{
    struct nal sets[2][SETS_MAX]; /* SPS, PPS */
    size_t n[2] = {0};
    size_t from = 0;
    struct nal nal;
    while (next_nal(frame, len, &from, &nal)) {
        unsigned type = nal.len > 0 ? nal.at[0] & 31 : 0;
        if ((type == NAL_SPS || type == NAL_PPS) && n[type - NAL_SPS] < SETS_MAX) {
            sets[type - NAL_SPS][n[type - NAL_SPS]++] = nal;
        }
    }
    if (n[0] == 0 || n[1] == 0 || sets[0][0].len < 4) {
        return SQ_ERR_FORMAT;
    }
    struct sq_wire w = sq_wire_writer(out, room);
    sq_wire_put_u8(&w, 1);
    sq_wire_put(&w, sets[0][0].at + 1, 3); /* profile, compatibility, level */
    sq_wire_put_u8(&w, 0xFC | 3);          /* lengths of four bytes */
    for (size_t kind = 0; kind < 2; kind++) {
        sq_wire_put_u8(&w, (uint8_t)((kind == 0 ? 0xE0 : 0) | n[kind]));
        for (size_t i = 0; i < n[kind]; i++) {
            sq_wire_put_u16(&w, (uint16_t)sets[kind][i].len);
            sq_wire_put(&w, sets[kind][i].at, sets[kind][i].len);
        }
    }
    if (!w.err) {
        *ret_len = w.pos;
    }
    return w.err;
}

/* ---- AV1 (AV1 Bitstream & Decoding Process Specification, section 5.3) ---- */

struct obu {
    unsigned type;
    const uint8_t *at; /* header and all */
    size_t len;
    const uint8_t *body;
    size_t body_len;
};

static bool next_obu(struct sq_wire *w, struct obu *ret_obu)
{
    size_t begin = w->pos;
    uint8_t head = sq_wire_u8(w);
    if (head & 4) {
        sq_wire_skip(w, 1);
    }
    uint64_t size = 0;
    uint8_t byte = 0x80;
    for (unsigned i = 0; (head & 2) && i < 8 && (byte & 0x80); i++) { /* leb128 */
        byte = sq_wire_u8(w);
        size |= (uint64_t)(byte & 0x7f) << 7 * i;
    }
    size = head & 2 ? size : sq_wire_left(w);
    if (w->err || !w->buf || size > sq_wire_left(w)) {
        return false;
    }
    *ret_obu = (struct obu){.type = head >> 3 & 15,
                            .at = w->buf + begin,
                            .body = w->buf + w->pos,
                            .body_len = (size_t)size};
    sq_wire_skip(w, (size_t)size);
    ret_obu->len = w->pos - begin;
    return true;
}

static size_t av1_sample(const uint8_t *frame, size_t len, uint8_t *out, size_t room)
{
    struct sq_wire r = sq_wire_reader(frame, len);
    struct sq_wire w = sq_wire_writer(out, room);
    struct obu obu;
    while (sq_wire_left(&r) > 0 && next_obu(&r, &obu)) {
        if (obu.type != OBU_TD) {
            sq_wire_put(&w, obu.at, obu.len);
        }
    }
    return w.err ? 0 : w.pos;
}

/* The first bits of a sequence header are in reach without a bit reader: profile (3), still (1),
 * reduced (1), then, in streams of WebRTC, no timing info (1), no display delay (1), operating
 * points (5), idc (12), level (5), and the tier (1) above level 7. */
static int av1_private(const uint8_t *frame, size_t len, uint8_t *out, size_t room, size_t *ret_len)
{
    struct sq_wire r = sq_wire_reader(frame, len);
    struct obu obu;
    while (sq_wire_left(&r) > 0 && next_obu(&r, &obu)) {
        if (obu.type != OBU_SEQ || obu.body_len < 5) {
            continue;
        }
        uint64_t bits = (uint64_t)obu.body[0] << 32 | sq_load_u32(obu.body + 1);
        unsigned profile = bits >> 37 & 7;
        bool reduced = bits >> 35 & 1;
        bool timing = !reduced && (bits >> 34 & 1);
        unsigned level = reduced ? bits >> 30 & 31 : timing ? 31 : bits >> 11 & 31;
        unsigned tier = !reduced && !timing && level > 7 ? bits >> 10 & 1 : 0;
        struct sq_wire w = sq_wire_writer(out, room);
        sq_wire_put_u8(&w, 0x81);
        sq_wire_put_u8(&w, (uint8_t)(profile << 5 | level));
        sq_wire_put_u8(&w, (uint8_t)(tier << 7 | 0x0C)); /* 8 bits, 4:2:0 */
        sq_wire_put_u8(&w, 0);
        sq_wire_put(&w, obu.at, obu.len);
        if (!w.err) {
            *ret_len = w.pos;
        }
        return w.err;
    }
    return SQ_ERR_FORMAT;
}

/* ---- All of them ---- */

int sq_codec_private(enum sq_codec codec, const uint8_t *key_frame, size_t len, uint8_t *out,
                     size_t room, size_t *ret_len)
{
    switch (codec) {
    case SQ_CODEC_H264:
        return h264_private(key_frame, len, out, room, ret_len);
    case SQ_CODEC_AV1:
        return av1_private(key_frame, len, out, room, ret_len);
    default:
        *ret_len = 0;
        return 0;
    }
}

size_t sq_codec_sample(enum sq_codec codec, const uint8_t *frame, size_t len, uint8_t *out,
                       size_t room)
{
    switch (codec) {
    case SQ_CODEC_H264:
        return h264_sample(frame, len, out, room);
    case SQ_CODEC_AV1:
        return av1_sample(frame, len, out, room);
    default:
        if (len > room) {
            return 0;
        }
        memcpy(out, frame, len);
        return len;
    }
}
