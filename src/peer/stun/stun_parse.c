/* Reading STUN messages. */
#include "peer/stun/stun.h"

#include <netinet/in.h>
#include <string.h>

#define ATTR_HEADER_BYTES 4
#define FAMILY_V4         0x01 /* RFC 8489, section 14.1 */
#define FAMILY_V6         0x02

bool sq_stun_is_message(const void *buf, size_t len)
{
    const uint8_t *p = buf;
    return len >= SQ_STUN_HEADER_BYTES && p[0] < 4 && (len & 3) == 0 &&
           sq_load_u32(p + 4) == SQ_STUN_COOKIE;
}

/* The class is cut into the method's bits: RFC 8489, section 5, figure 3. */
static void split_type(uint16_t type, struct sq_stun_msg *m)
{
    m->cls = (enum sq_stun_class)((type >> 7 & 2) | (type >> 4 & 1));
    m->method = (uint16_t)((type & 0xf) | (type >> 1 & 0x70) | (type >> 2 & 0xf80));
}

static size_t padded(size_t len)
{
    return (len + 3) & ~(size_t)3;
}

/* Notes the attributes that end a message. SQ_ERR_FORMAT for something behind the fingerprint,
 * which MUST be the last (section 14.7). */
static int note_attr(struct sq_stun_msg *m, uint16_t type, size_t at)
{
    if (m->fingerprint_at) {
        return SQ_ERR_FORMAT;
    }
    bool first = !m->integrity_at && !m->integrity256_at;
    if (type == SQ_STUN_FINGERPRINT) {
        m->fingerprint_at = at;
    } else if (type == SQ_STUN_MESSAGE_INTEGRITY && first) {
        m->integrity_at = at;
    } else if (type == SQ_STUN_MESSAGE_INTEGRITY_SHA256 && !m->integrity256_at) {
        m->integrity256_at = at;
    } else {
        return 0;
    }
    if (m->attrs_end == m->len) {
        m->attrs_end = at;
    }
    return 0;
}

int sq_stun_parse(const void *buf, size_t len, struct sq_stun_msg *ret_msg)
{
    if (len < SQ_STUN_HEADER_BYTES) {
        return SQ_ERR_TRUNCATED;
    }
    struct sq_wire r = sq_wire_reader(buf, len);
    uint16_t type = sq_wire_u16(&r);
    uint16_t body = sq_wire_u16(&r);
    uint32_t cookie = sq_wire_u32(&r);
    if (type >= 0x4000 || (body & 3) || cookie != SQ_STUN_COOKIE) {
        return SQ_ERR_FORMAT;
    }
    if (len != (size_t)body + SQ_STUN_HEADER_BYTES) {
        return len < (size_t)body + SQ_STUN_HEADER_BYTES ? SQ_ERR_TRUNCATED : SQ_ERR_FORMAT;
    }
    struct sq_stun_msg m = {.buf = buf, .len = len, .attrs_end = len};
    split_type(type, &m);
    m.tid = sq_wire_read(&r, SQ_STUN_TID_BYTES);
    while (sq_wire_left(&r) > 0) {
        size_t at = r.pos;
        uint16_t attr = sq_wire_u16(&r);
        uint16_t n = sq_wire_u16(&r);
        sq_wire_skip(&r, padded(n));
        if (r.err) {
            return SQ_ERR_TRUNCATED;
        }
        int err = note_attr(&m, attr, at);
        if (err) {
            return err;
        }
    }
    *ret_msg = m;
    return 0;
}

bool sq_stun_next(const struct sq_stun_msg *m, size_t *pos, struct sq_stun_attr *ret_attr)
{
    size_t at = *pos < SQ_STUN_HEADER_BYTES ? SQ_STUN_HEADER_BYTES : *pos;
    if (at >= m->attrs_end) {
        return false;
    }
    ret_attr->type = sq_load_u16(m->buf + at);
    ret_attr->len = sq_load_u16(m->buf + at + 2);
    ret_attr->value = m->buf + at + ATTR_HEADER_BYTES;
    *pos = at + ATTR_HEADER_BYTES + padded(ret_attr->len);
    return true;
}

bool sq_stun_find(const struct sq_stun_msg *m, uint16_t type, struct sq_stun_attr *ret_attr)
{
    struct sq_stun_attr a;
    for (size_t pos = 0; sq_stun_next(m, &pos, &a);) {
        if (a.type == type) {
            *ret_attr = a;
            return true;
        }
    }
    return false;
}

/* An attribute whose length must be `len`. */
static int find_sized(const struct sq_stun_msg *m, uint16_t type, size_t len,
                      struct sq_stun_attr *ret_attr)
{
    struct sq_stun_attr a;
    if (!sq_stun_find(m, type, &a)) {
        return SQ_ERR_NOTFOUND;
    }
    if (a.len != len) {
        return SQ_ERR_FORMAT;
    }
    *ret_attr = a;
    return 0;
}

int sq_stun_get_u32(const struct sq_stun_msg *m, uint16_t type, uint32_t *ret_n)
{
    struct sq_stun_attr a;
    int err = find_sized(m, type, 4, &a);
    if (!err) {
        *ret_n = sq_load_u32(a.value);
    }
    return err;
}

int sq_stun_get_u64(const struct sq_stun_msg *m, uint16_t type, uint64_t *ret_n)
{
    struct sq_stun_attr a;
    int err = find_sized(m, type, 8, &a);
    if (!err) {
        *ret_n = sq_load_u64(a.value);
    }
    return err;
}

int sq_stun_get_text(const struct sq_stun_msg *m, uint16_t type, struct sq_view *ret_text)
{
    struct sq_stun_attr a;
    if (!sq_stun_find(m, type, &a)) {
        return SQ_ERR_NOTFOUND;
    }
    *ret_text = (struct sq_view){.at = (const char *)a.value, .len = a.len};
    return 0;
}

/* The address of MAPPED-ADDRESS (section 14.1), or with `mask` (the cookie and the transaction id,
 * 16 bytes) of XOR-MAPPED-ADDRESS (section 14.2). */
static int read_addr(const struct sq_stun_msg *m, uint16_t type, const uint8_t *mask,
                     struct sq_addr *ret_addr)
{
    struct sq_stun_attr at;
    if (!sq_stun_find(m, type, &at)) {
        return SQ_ERR_NOTFOUND;
    }
    if (at.len < 4) {
        return SQ_ERR_FORMAT;
    }
    uint8_t family = at.value[1];
    size_t n = family == FAMILY_V4 ? 4 : 16;
    if ((family != FAMILY_V4 && family != FAMILY_V6) || at.len != 4 + n) {
        return SQ_ERR_FORMAT;
    }
    uint8_t ip[16];
    for (size_t i = 0; i < n; i++) {
        ip[i] = (uint8_t)(at.value[4 + i] ^ (mask ? mask[i] : 0));
    }
    uint16_t port = sq_load_u16(at.value + 2);
    struct sq_addr a;
    memset(&a, 0, sizeof(a));
    if (family == FAMILY_V4) {
        a.in4.sin_family = AF_INET;
        memcpy(&a.in4.sin_addr, ip, 4);
    } else {
        a.in6.sin6_family = AF_INET6;
        memcpy(&a.in6.sin6_addr, ip, 16);
    }
    sq_addr_set_port(&a, mask ? (uint16_t)(port ^ (SQ_STUN_COOKIE >> 16)) : port);
    *ret_addr = a;
    return 0;
}

int sq_stun_get_addr(const struct sq_stun_msg *m, uint16_t type, struct sq_addr *ret_addr)
{
    return read_addr(m, type, NULL, ret_addr);
}

int sq_stun_get_xor_addr(const struct sq_stun_msg *m, uint16_t type, struct sq_addr *ret_addr)
{
    return read_addr(m, type, m->buf + 4, ret_addr); /* cookie and transaction id */
}

int sq_stun_get_error(const struct sq_stun_msg *m, int *ret_code, struct sq_view *ret_reason)
{
    struct sq_stun_attr a;
    if (!sq_stun_find(m, SQ_STUN_ERROR_CODE, &a)) {
        return SQ_ERR_NOTFOUND;
    }
    if (a.len < 4) {
        return SQ_ERR_FORMAT;
    }
    int hundreds = a.value[2] & 7;
    int rest = a.value[3];
    if (hundreds < 3 || hundreds > 6 || rest > 99) { /* section 14.8 */
        return SQ_ERR_FORMAT;
    }
    *ret_code = hundreds * 100 + rest;
    if (ret_reason) {
        *ret_reason = (struct sq_view){.at = (const char *)a.value + 4, .len = a.len - 4u};
    }
    return 0;
}

size_t sq_stun_unknown(const struct sq_stun_msg *m, const uint16_t *known, size_t n_known,
                       uint16_t *out, size_t max)
{
    size_t n = 0;
    struct sq_stun_attr a;
    for (size_t pos = 0; n < max && sq_stun_next(m, &pos, &a);) {
        bool ok = a.type >= 0x8000; /* comprehension-optional, section 14 */
        for (size_t i = 0; i < n_known && !ok; i++) {
            ok = known[i] == a.type;
        }
        if (!ok) {
            out[n++] = a.type;
        }
    }
    return n;
}
