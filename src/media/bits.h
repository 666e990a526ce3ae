/* A reader of bits, most significant first, for the headers of video bitstreams. Like sq_wire its
 * error is sticky: past the end all bits are 0, and a parser checks once, at its end. */
#ifndef SQ_MEDIA_BITS_H
#define SQ_MEDIA_BITS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sq_bits {
    const uint8_t *buf; /* borrowed */
    size_t len_bits;
    size_t pos;
    bool ended; /* something was read past the end */
};

static inline struct sq_bits sq_bits_reader(const uint8_t *buf, size_t len_bytes)
{
    return (struct sq_bits){.buf = buf, .len_bits = len_bytes * 8};
}

/* f(n): up to 32 bits. */
static inline uint32_t sq_bits_get(struct sq_bits *b, unsigned n)
{
    if (b->ended || b->len_bits - b->pos < n) {
        b->ended = true;
        return 0;
    }
    uint32_t value = 0;
    for (; n > 0; n--, b->pos++) {
        value = value << 1 | (b->buf[b->pos / 8] >> (7 - b->pos % 8) & 1U);
    }
    return value;
}

static inline bool sq_bits_flag(struct sq_bits *b)
{
    return sq_bits_get(b, 1) != 0;
}

static inline void sq_bits_skip(struct sq_bits *b, size_t n)
{
    if (b->ended || b->len_bits - b->pos < n) {
        b->ended = true;
    } else {
        b->pos += n;
    }
}

/* ue(v) of ITU-T H.264, section 9.1, and uvlc() of the AV1 specification, section 4.10.3. */
static inline uint32_t sq_bits_ue(struct sq_bits *b)
{
    unsigned zeros = 0;
    while (!b->ended && !sq_bits_flag(b) && zeros < 32) {
        zeros++;
    }
    if (b->ended || zeros >= 32) {
        b->ended = b->ended || zeros > 32;
        return zeros >= 32 ? UINT32_MAX : 0;
    }
    return ((1U << zeros) - 1) + sq_bits_get(b, zeros);
}

/* se(v), section 9.1.1. */
static inline int32_t sq_bits_se(struct sq_bits *b)
{
    uint32_t k = sq_bits_ue(b);
    int32_t half = (int32_t)(k / 2 + k % 2);
    return k % 2 ? half : -half;
}

/* ns(n) of the AV1 specification, section 4.10.7; n > 0. */
static inline uint32_t sq_bits_ns(struct sq_bits *b, uint32_t n)
{
    unsigned w = 0;
    for (uint32_t x = n; x != 0; x >>= 1) {
        w++;
    }
    uint32_t m = (1U << w) - n;
    uint32_t v = sq_bits_get(b, w - 1);
    return v < m ? v : (v << 1) - m + sq_bits_get(b, 1);
}

#endif
