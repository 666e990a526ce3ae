/* One cursor for reading and writing bytes of the wire. Its error is sticky: after the first
 * failure reads give 0 and writes do nothing, so a parser checks once, at its end. Numbers are
 * big-endian. */
#ifndef SQ_BASE_WIRE_H
#define SQ_BASE_WIRE_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct sq_wire {
    uint8_t *buf; /* borrowed; a reader never writes through it */
    size_t len;   /* bytes that may be read, or room to write */
    size_t pos;
    int err; /* 0, or the first error */
};

static inline struct sq_wire sq_wire_reader(const void *buf, size_t len)
{
    return (struct sq_wire){.buf = (uint8_t *)buf, .len = len, .pos = 0, .err = 0};
}

static inline struct sq_wire sq_wire_writer(void *buf, size_t room)
{
    return (struct sq_wire){.buf = buf, .len = room, .pos = 0, .err = 0};
}

static inline size_t sq_wire_left(const struct sq_wire *w)
{
    return w->err ? 0 : w->len - w->pos;
}

/* Claims `n` bytes for reading (err_code SQ_ERR_TRUNCATED) or writing (SQ_ERR_NOSPACE); NULL when
 * there is no room or an error stands. */
static inline uint8_t *sq_wire_claim(struct sq_wire *w, size_t n, int err_code)
{
    if (w->err || w->len - w->pos < n) {
        w->err = w->err ? w->err : err_code;
        return NULL;
    }
    uint8_t *at = w->buf + w->pos;
    w->pos += n;
    return at;
}

/* Pointer to the next n bytes, which are skipped; NULL on error. */
static inline const uint8_t *sq_wire_read(struct sq_wire *w, size_t n)
{
    return sq_wire_claim(w, n, SQ_ERR_TRUNCATED);
}

static inline void sq_wire_skip(struct sq_wire *w, size_t n)
{
    (void)sq_wire_claim(w, n, SQ_ERR_TRUNCATED);
}

static inline uint16_t sq_load_u16(const uint8_t *p)
{
    return (uint16_t)((unsigned)p[0] << 8 | p[1]);
}

static inline uint32_t sq_load_u24(const uint8_t *p)
{
    return (uint32_t)p[0] << 16 | (uint32_t)p[1] << 8 | p[2];
}

static inline uint32_t sq_load_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static inline uint64_t sq_load_u64(const uint8_t *p)
{
    return (uint64_t)sq_load_u32(p) << 32 | sq_load_u32(p + 4);
}

static inline void sq_store_u16(uint8_t *p, uint16_t v)
{
    p[0] = (uint8_t)(v >> 8);
    p[1] = (uint8_t)v;
}

static inline void sq_store_u24(uint8_t *p, uint32_t v)
{
    p[0] = (uint8_t)(v >> 16);
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)v;
}

static inline void sq_store_u32(uint8_t *p, uint32_t v)
{
    sq_store_u16(p, (uint16_t)(v >> 16));
    sq_store_u16(p + 2, (uint16_t)v);
}

static inline void sq_store_u64(uint8_t *p, uint64_t v)
{
    sq_store_u32(p, (uint32_t)(v >> 32));
    sq_store_u32(p + 4, (uint32_t)v);
}

static inline uint8_t sq_wire_u8(struct sq_wire *w)
{
    const uint8_t *p = sq_wire_read(w, 1);
    return p ? *p : 0;
}

static inline uint16_t sq_wire_u16(struct sq_wire *w)
{
    const uint8_t *p = sq_wire_read(w, 2);
    return p ? sq_load_u16(p) : 0;
}

static inline uint32_t sq_wire_u24(struct sq_wire *w)
{
    const uint8_t *p = sq_wire_read(w, 3);
    return p ? sq_load_u24(p) : 0;
}

static inline uint32_t sq_wire_u32(struct sq_wire *w)
{
    const uint8_t *p = sq_wire_read(w, 4);
    return p ? sq_load_u32(p) : 0;
}

static inline uint64_t sq_wire_u64(struct sq_wire *w)
{
    const uint8_t *p = sq_wire_read(w, 8);
    return p ? sq_load_u64(p) : 0;
}

static inline void sq_wire_put_u8(struct sq_wire *w, uint8_t v)
{
    uint8_t *p = sq_wire_claim(w, 1, SQ_ERR_NOSPACE);
    if (p) {
        *p = v;
    }
}

static inline void sq_wire_put_u16(struct sq_wire *w, uint16_t v)
{
    uint8_t *p = sq_wire_claim(w, 2, SQ_ERR_NOSPACE);
    if (p) {
        sq_store_u16(p, v);
    }
}

static inline void sq_wire_put_u24(struct sq_wire *w, uint32_t v)
{
    uint8_t *p = sq_wire_claim(w, 3, SQ_ERR_NOSPACE);
    if (p) {
        sq_store_u24(p, v);
    }
}

static inline void sq_wire_put_u32(struct sq_wire *w, uint32_t v)
{
    uint8_t *p = sq_wire_claim(w, 4, SQ_ERR_NOSPACE);
    if (p) {
        sq_store_u32(p, v);
    }
}

static inline void sq_wire_put_u64(struct sq_wire *w, uint64_t v)
{
    uint8_t *p = sq_wire_claim(w, 8, SQ_ERR_NOSPACE);
    if (p) {
        sq_store_u64(p, v);
    }
}

static inline void sq_wire_put(struct sq_wire *w, const void *bytes, size_t n)
{
    uint8_t *p = sq_wire_claim(w, n, SQ_ERR_NOSPACE);
    if (p && n > 0) {
        memcpy(p, bytes, n);
    }
}

#endif
