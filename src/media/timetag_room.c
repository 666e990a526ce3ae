/* Time-tags in VP9, H.264 and AV1: what a clip leaves room with, and where that is in a payload. */
#include "base/wire.h"
#include "media/depacket.h"
#include "media/timetag_int.h"
#include <string.h>

/* Room that nobody has filled: of the magic, and no tag (its sum is wrong). */
static const uint8_t empty[SQ_TIMETAG_BYTES] = {
    SQ_TIMETAG_MAGIC, 's', 'q', 'u', 'a', 'l', 'l', ' ', 't', 'a', 'g', '!'};

/* ---- H.264: ITU-T H.264, sections 7.3.2.3 and D.1.7 ---- */

#define SEI_HEAD    3  /* NAL unit header, payload type and size */
#define UUID_BYTES  16 /* ISO/IEC 11578, version 4 */
#define GUARDED     17 /* a tag with a byte of ones behind each two of its own */
#define SEI_BYTES   (SEI_HEAD + UUID_BYTES + GUARDED + 1)
#define NAL_SEI     6
#define NAL_STAP_A  24
#define SEI_USER    5 /* user_data_unregistered */
#define GUARD       0xFF
#define SEI_TRAILER 0x80

static const uint8_t sei_front[SEI_HEAD + UUID_BYTES] = {NAL_SEI, SEI_USER, UUID_BYTES + GUARDED,
                                                         0x5A,    0xF1,     0x7C,
                                                         0x36,    0x0E,     0xD8,
                                                         0x4B,    0xE2,     0x9B,
                                                         0x61,    0xC4,     0x27,
                                                         0x83,    0xAD,     0x1F,
                                                         0x95};

/* With two zeros in a row at the most, and never a third byte of 3 or less behind them, nothing has
 * to be escaped (section 7.4.1): the tag's length is always the same. */
static void guard(const uint8_t in[static SQ_TIMETAG_BYTES], uint8_t out[static GUARDED])
{
    for (size_t i = 0; i < SQ_TIMETAG_BYTES; i += 2) {
        out[i / 2 * 3] = in[i];
        out[i / 2 * 3 + 1] = in[i + 1];
        if (i + 2 < SQ_TIMETAG_BYTES) {
            out[i / 2 * 3 + 2] = GUARD;
        }
    }
}

static void unguard(const uint8_t in[static GUARDED], uint8_t out[static SQ_TIMETAG_BYTES])
{
    for (size_t i = 0; i < SQ_TIMETAG_BYTES; i++) {
        out[i] = in[i / 2 * 3 + i % 2];
    }
}

static bool is_sei(const uint8_t *nal, size_t len)
{
    return len == SEI_BYTES && (nal[0] & 0x1f) == NAL_SEI &&
           memcmp(nal + 1, sei_front + 1, sizeof(sei_front) - 1) == 0 &&
           nal[SEI_BYTES - 1] == SEI_TRAILER;
}

/* In a NAL unit of its own, or in a STAP-A (RFC 6184, section 5.7.1). */
static size_t h264_at(const uint8_t *payload, size_t len)
{
    if (is_sei(payload, len)) {
        return sizeof(sei_front);
    }
    if (len == 0 || (payload[0] & 0x1f) != NAL_STAP_A) {
        return 0;
    }
    struct sq_wire w = sq_wire_reader(payload, len);
    (void)sq_wire_u8(&w);
    while (sq_wire_left(&w) > 0) {
        size_t n = sq_wire_u16(&w);
        const uint8_t *nal = sq_wire_read(&w, n);
        if (!nal) {
            return 0;
        }
        if (is_sei(nal, n)) {
            return (size_t)(nal - payload) + sizeof(sei_front);
        }
    }
    return 0;
}

/* ---- AV1: AV1 specification, sections 5.8 and 6.7.1 ---- */

#define OBU_METADATA  5
#define METADATA_TYPE 26 /* 6 to 31 are "unregistered user private" */
#define METADATA_BODY (1 + SQ_TIMETAG_BYTES + 1)
#define OBU_TRAILER   0x80 /* trailing_bits(), section 5.3.4 */

/* An element that is the beginning of an OBU, and the whole of it. */
static size_t in_obu(const uint8_t *obu, size_t len)
{
    unsigned type;
    bool has_size;
    uint32_t size;
    size_t head = sq_obu_header(obu, len, &type, &has_size, &size);
    if (head == 0 || type != OBU_METADATA || size != METADATA_BODY || len - head < METADATA_BODY ||
        obu[head] != METADATA_TYPE || obu[head + METADATA_BODY - 1] != OBU_TRAILER) {
        return 0;
    }
    return head + 1;
}

bool sq_timetag_is_obu(const uint8_t *obu, size_t len)
{
    return in_obu(obu, len) > 0;
}

static size_t av1_at(const uint8_t *payload, size_t len)
{
    struct sq_av1_elements e;
    const uint8_t *element;
    size_t n;
    if (sq_av1_elements_begin(payload, len, &e) != 0) {
        return 0;
    }
    bool whole = !e.continues;
    while (sq_av1_elements_next(&e, &element, &n) > 0) {
        size_t at = whole && n > 0 ? in_obu(element, n) : 0;
        if (at) {
            return (size_t)(element - payload) + at;
        }
        whole = true;
    }
    return 0;
}

/* ---- VP9: bitstream specification, annex B ---- */

/* Before the index at the end; 0 where there is none. */
static size_t vp9_at(const uint8_t *frame, size_t len)
{
    uint8_t marker = len > 0 ? frame[len - 1] : 0;
    size_t index = 2 + ((marker & 7U) + 1) * ((marker >> 3 & 3U) + 1);
    if ((marker & 0xe0) != 0xc0 || len <= index + SQ_TIMETAG_BYTES ||
        frame[len - index] != marker) {
        return 0;
    }
    return len - index - SQ_TIMETAG_BYTES;
}

/* ---- All of them ---- */

bool sq_timetag_has_room(enum sq_codec codec)
{
    return codec == SQ_CODEC_VP9 || codec == SQ_CODEC_H264 || codec == SQ_CODEC_AV1;
}

size_t sq_timetag_room(enum sq_codec codec, uint8_t out[static SQ_TIMETAG_ROOM_MAX])
{
    switch (codec) {
    case SQ_CODEC_H264:
        memcpy(out, sei_front, sizeof(sei_front));
        guard(empty, out + sizeof(sei_front));
        out[SEI_BYTES - 1] = SEI_TRAILER;
        return SEI_BYTES;
    case SQ_CODEC_AV1:
        out[0] = METADATA_TYPE;
        memcpy(out + 1, empty, sizeof(empty));
        out[METADATA_BODY - 1] = OBU_TRAILER;
        return METADATA_BODY;
    case SQ_CODEC_VP9:
        memcpy(out, empty, sizeof(empty));
        return sizeof(empty);
    default:
        return 0;
    }
}

static size_t place(enum sq_codec codec, const uint8_t *payload, size_t len)
{
    switch (codec) {
    case SQ_CODEC_H264:
        return h264_at(payload, len);
    case SQ_CODEC_AV1:
        return av1_at(payload, len);
    case SQ_CODEC_VP9:
        return vp9_at(payload, len);
    default:
        return 0;
    }
}

static void bytes_at(enum sq_codec codec, const uint8_t *at, uint8_t out[static SQ_TIMETAG_BYTES])
{
    if (codec == SQ_CODEC_H264) {
        unguard(at, out);
    } else {
        memcpy(out, at, SQ_TIMETAG_BYTES);
    }
}

size_t sq_timetag_room_at(enum sq_codec codec, const uint8_t *payload, size_t len)
{
    uint8_t bytes[SQ_TIMETAG_BYTES];
    size_t at = place(codec, payload, len);
    if (at == 0) {
        return 0;
    }
    bytes_at(codec, payload + at, bytes);
    return memcmp(bytes, empty, sizeof(empty)) == 0 ? at : 0;
}

void sq_timetag_fill(enum sq_codec codec, const struct sq_timetag *tag, uint8_t *at)
{
    uint8_t bytes[SQ_TIMETAG_BYTES];
    sq_timetag_write(tag, bytes);
    if (codec == SQ_CODEC_H264) {
        guard(bytes, at);
    } else {
        memcpy(at, bytes, sizeof(bytes));
    }
}

bool sq_timetag_find_room(enum sq_codec codec, const uint8_t *payload, size_t len,
                          struct sq_timetag *ret_tag)
{
    uint8_t bytes[SQ_TIMETAG_BYTES];
    struct sq_vp9_descriptor d;
    if (codec == SQ_CODEC_VP9) {
        if (sq_vp9_descriptor_parse(payload, len, &d) != 0 || !d.ends) {
            return false;
        }
        payload += d.len_bytes;
        len -= d.len_bytes;
    }
    size_t at = place(codec, payload, len);
    if (at == 0) {
        return false;
    }
    bytes_at(codec, payload + at, bytes);
    return sq_timetag_read(bytes, ret_tag);
}
