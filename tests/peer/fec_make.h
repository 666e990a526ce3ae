/* A sender of parity, for tests: RFC 5109 and flexfec-03, written down apart from what reads them.
 */
#ifndef SQ_TESTS_PEER_FEC_MAKE_H
#define SQ_TESTS_PEER_FEC_MAKE_H

#include "base/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct fec_in {
    const uint8_t *at;
    size_t len;
};

struct fec_sum {
    uint8_t first, second, body[1500];
    uint16_t length;
    uint32_t ts;
    size_t body_len;
};

static inline void fec_sum_up(const struct fec_in *packets, size_t n, struct fec_sum *s)
{
    memset(s, 0, sizeof(*s));
    for (size_t i = 0; i < n; i++) {
        const uint8_t *p = packets[i].at;
        size_t len = packets[i].len - 12;
        s->first ^= p[0];
        s->second ^= p[1];
        s->ts ^= sq_load_u32(p + 4);
        s->length = (uint16_t)(s->length ^ len);
        for (size_t k = 0; k < len; k++) {
            s->body[k] ^= p[12 + k];
        }
        s->body_len = len > s->body_len ? len : s->body_len;
    }
}

/* Over `n` packets whose numbers are at most 47 apart; the first is the lowest. Returns its length.
 */
static inline size_t fec_make_ulpfec(const struct fec_in *packets, size_t n, uint8_t *out)
{
    struct fec_sum s;
    fec_sum_up(packets, n, &s);
    uint16_t base = sq_load_u16(packets[0].at + 2);
    uint64_t mask = 0; /* 48 bits */
    for (size_t i = 0; i < n; i++) {
        mask |= 1ULL << (47 - (uint16_t)(sq_load_u16(packets[i].at + 2) - base));
    }
    bool is_long = (mask & 0xffffffffU) != 0;
    out[0] = (uint8_t)((is_long ? 0x40 : 0) | (s.first & 0x3f));
    out[1] = s.second;
    sq_store_u16(out + 2, base);
    sq_store_u32(out + 4, s.ts);
    sq_store_u16(out + 8, s.length);
    sq_store_u16(out + 10, (uint16_t)s.body_len);
    sq_store_u16(out + 12, (uint16_t)(mask >> 32));
    size_t at = 14;
    if (is_long) {
        sq_store_u32(out + 14, (uint32_t)mask);
        at = 18;
    }
    memcpy(out + at, s.body, s.body_len);
    return at + s.body_len;
}

/* The same for flexfec-03: at most 108 apart. */
static inline size_t fec_make_flexfec(const struct fec_in *packets, size_t n, uint8_t *out)
{
    struct fec_sum s;
    fec_sum_up(packets, n, &s);
    uint16_t base = sq_load_u16(packets[0].at + 2);
    uint8_t mask[14] = {0};
    unsigned highest = 0;
    for (size_t i = 0; i < n; i++) {
        unsigned bit = (uint16_t)(sq_load_u16(packets[i].at + 2) - base);
        highest = bit > highest ? bit : highest;
        bit += bit >= 46 ? 3 : bit >= 15 ? 2 : 1; /* behind the k bits */
        mask[bit / 8] |= (uint8_t)(0x80 >> bit % 8);
    }
    size_t mask_len = highest >= 46 ? 14 : highest >= 15 ? 6 : 2;
    mask[mask_len == 14 ? 6 : mask_len == 6 ? 2 : 0] |= 0x80;
    out[0] = s.first & 0x3f;
    out[1] = s.second;
    sq_store_u16(out + 2, s.length);
    sq_store_u32(out + 4, s.ts);
    sq_store_u32(out + 8, 1U << 24);
    memcpy(out + 12, packets[0].at + 8, 4);
    sq_store_u16(out + 16, base);
    memcpy(out + 18, mask, mask_len);
    memcpy(out + 18 + mask_len, s.body, s.body_len);
    return 18 + mask_len + s.body_len;
}

#endif
