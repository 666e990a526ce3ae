#include "media/timetag.h"

#include "base/wire.h"
#include "media/timetag_int.h"
#include <string.h>

#define MAGIC         SQ_TIMETAG_MAGIC
#define WALL_MASK     ((UINT64_C(1) << 48) - 1)
#define ERROR_UNKNOWN 0xFF
#define OPUS_PADDED   0x40 /* of the frame count byte, RFC 6716, section 3.2.5 */
#define OPUS_VBR      0x80

static uint16_t crc16(const uint8_t *bytes, size_t n)
{
    uint16_t crc = 0xFFFF;
    for (size_t i = 0; i < n; i++) {
        uint8_t x = (uint8_t)(crc >> 8 ^ bytes[i]);
        x ^= x >> 4;
        crc = (uint16_t)(crc << 8 ^ x << 12 ^ x << 5 ^ x);
    }
    return crc;
}

/* Rounded up, so that a bound stays one. */
static uint8_t code_of_error(uint64_t us)
{
    unsigned shift = 0;
    if (us > UINT64_C(14) << 31) {
        return ERROR_UNKNOWN;
    }
    while (shift < 31 && (us + (UINT64_C(1) << shift) - 1) >> shift > 15) {
        shift++;
    }
    uint64_t mantissa = (us + (UINT64_C(1) << shift) - 1) >> shift;
    return (uint8_t)(shift << 3 | (mantissa < 8 ? 0 : mantissa - 8));
}

void sq_timetag_write(const struct sq_timetag *tag, uint8_t out[static SQ_TIMETAG_BYTES])
{
    out[0] = MAGIC;
    sq_store_u16(out + 1, (uint16_t)(tag->wall_us >> 32));
    sq_store_u32(out + 3, (uint32_t)tag->wall_us);
    sq_store_u16(out + 7, tag->clock);
    out[9] = code_of_error(tag->error_us);
    sq_store_u16(out + 10, crc16(out, 10));
}

bool sq_timetag_read(const uint8_t in[static SQ_TIMETAG_BYTES], struct sq_timetag *ret_tag)
{
    if (in[0] != MAGIC || sq_load_u16(in + 10) != crc16(in, 10)) {
        return false;
    }
    ret_tag->wall_us = (uint64_t)sq_load_u16(in + 1) << 32 | sq_load_u32(in + 3);
    ret_tag->clock = sq_load_u16(in + 7);
    ret_tag->error_us =
        in[9] == ERROR_UNKNOWN ? SQ_TIMETAG_UNKNOWN : (uint64_t)(8 + (in[9] & 7)) << (in[9] >> 3);
    return true;
}

int64_t sq_timetag_age_us(const struct sq_timetag *tag, uint64_t wall_us)
{
    uint64_t age = (wall_us - tag->wall_us) & WALL_MASK;
    return age > WALL_MASK / 2 ? (int64_t)age - (int64_t)WALL_MASK - 1 : (int64_t)age;
}

/* ---- Opus ---- */

/* What a packet of this code grows by: the count byte where it has none, the length of the padding,
 * the tag. One that is padded already is left alone. */
static size_t opus_grows(const uint8_t *payload, size_t len)
{
    if (len < 2) { /* a TOC byte alone is a packet that was lost (DTX) */
        return 0;
    }
    if ((payload[0] & 3) != 3) {
        return 2 + SQ_TIMETAG_BYTES;
    }
    return payload[1] & OPUS_PADDED ? 0 : 1 + SQ_TIMETAG_BYTES;
}

static size_t opus_put(const struct sq_timetag *tag, uint8_t *payload, size_t len)
{
    static const uint8_t counts[] = {1, 2, 2 | OPUS_VBR}; /* by code: one, two equal, two */
    unsigned code = payload[0] & 3;
    size_t head = code == 3 ? 2 : 1;
    memmove(payload + 3, payload + head, len - head);
    payload[1] = (uint8_t)((code == 3 ? payload[1] : counts[code]) | OPUS_PADDED);
    payload[0] |= 3;
    payload[2] = SQ_TIMETAG_BYTES;
    len += 3 - head;
    sq_timetag_write(tag, payload + len);
    return len + SQ_TIMETAG_BYTES;
}

static bool opus_find(const uint8_t *payload, size_t len, struct sq_timetag *ret_tag)
{
    return len >= 3 + SQ_TIMETAG_BYTES && (payload[0] & 3) == 3 && (payload[1] & OPUS_PADDED) &&
           payload[2] == SQ_TIMETAG_BYTES &&
           sq_timetag_read(payload + len - SQ_TIMETAG_BYTES, ret_tag);
}

/* ---- All of them ---- */

size_t sq_timetag_grows(enum sq_codec codec, bool last, const uint8_t *payload, size_t len)
{
    switch (codec) {
    case SQ_CODEC_OPUS:
        return opus_grows(payload, len);
    case SQ_CODEC_VP8:
        return last && len > 0 ? SQ_TIMETAG_BYTES : 0;
    default:
        return 0;
    }
}

size_t sq_timetag_put(enum sq_codec codec, const struct sq_timetag *tag, uint8_t *payload,
                      size_t len)
{
    switch (codec) {
    case SQ_CODEC_OPUS:
        return opus_put(tag, payload, len);
    case SQ_CODEC_VP8:
        sq_timetag_write(tag, payload + len);
        return len + SQ_TIMETAG_BYTES;
    default:
        return len;
    }
}

bool sq_timetag_find(enum sq_codec codec, bool last, const uint8_t *payload, size_t len,
                     struct sq_timetag *ret_tag)
{
    switch (codec) {
    case SQ_CODEC_OPUS:
        return opus_find(payload, len, ret_tag);
    case SQ_CODEC_VP8:
        return last && len > SQ_TIMETAG_BYTES &&
               sq_timetag_read(payload + len - SQ_TIMETAG_BYTES, ret_tag);
    default:
        return sq_timetag_find_room(codec, payload, len, ret_tag);
    }
}
