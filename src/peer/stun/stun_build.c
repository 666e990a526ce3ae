/* Writing STUN messages. */
#include "peer/stun/stun.h"

#include <string.h>

struct sq_stun_writer sq_stun_begin(void *buf, size_t room, enum sq_stun_class cls, uint16_t method,
                                    const uint8_t *tid)
{
    struct sq_stun_writer s = {.w = sq_wire_writer(buf, room)};
    unsigned c = (unsigned)cls;
    unsigned type = (method & 0xfu) | (method & 0x70u) << 1 | (method & 0xf80u) << 2 |
                    (c & 1u) << 4 | (c & 2u) << 7; /* section 5, figure 3 */
    sq_wire_put_u16(&s.w, (uint16_t)type);
    sq_wire_put_u16(&s.w, 0); /* the length: sq_stun_end */
    sq_wire_put_u32(&s.w, SQ_STUN_COOKIE);
    sq_wire_put(&s.w, tid, SQ_STUN_TID_BYTES);
    return s;
}

/* The attribute's header; the value and sq_stun_pad follow. */
static void put_header(struct sq_stun_writer *s, uint16_t type, size_t len)
{
    if (len > UINT16_MAX && !s->w.err) {
        s->w.err = SQ_ERR_INVALID;
    }
    sq_wire_put_u16(&s->w, type);
    sq_wire_put_u16(&s->w, (uint16_t)len);
}

static void put_padding(struct sq_stun_writer *s, size_t len)
{
    static const uint8_t zero[3];
    sq_wire_put(&s->w, zero, -len & 3);
}

void sq_stun_put(struct sq_stun_writer *s, uint16_t type, const void *value, size_t len)
{
    put_header(s, type, len);
    sq_wire_put(&s->w, value, len);
    put_padding(s, len);
}

void sq_stun_put_text(struct sq_stun_writer *s, uint16_t type, const char *text)
{
    sq_stun_put(s, type, text, strlen(text));
}

void sq_stun_put_u32(struct sq_stun_writer *s, uint16_t type, uint32_t n)
{
    put_header(s, type, 4);
    sq_wire_put_u32(&s->w, n);
}

void sq_stun_put_u64(struct sq_stun_writer *s, uint16_t type, uint64_t n)
{
    put_header(s, type, 8);
    sq_wire_put_u64(&s->w, n);
}

static void put_address(struct sq_stun_writer *s, uint16_t type, const struct sq_addr *a,
                        const uint8_t *mask)
{
    bool v6 = sq_addr_family(a) == AF_INET6;
    if ((sq_addr_family(a) != AF_INET && !v6) || s->w.err) {
        s->w.err = s->w.err ? s->w.err : SQ_ERR_INVALID;
        return;
    }
    size_t n = v6 ? 16 : 4;
    const uint8_t *ip = v6 ? (const uint8_t *)&a->in6.sin6_addr : (const uint8_t *)&a->in4.sin_addr;
    uint16_t port = sq_addr_port(a);
    put_header(s, type, 4 + n);
    sq_wire_put_u8(&s->w, 0);
    sq_wire_put_u8(&s->w, v6 ? 2 : 1);
    sq_wire_put_u16(&s->w, mask ? (uint16_t)(port ^ (SQ_STUN_COOKIE >> 16)) : port);
    for (size_t i = 0; i < n; i++) {
        sq_wire_put_u8(&s->w, (uint8_t)(ip[i] ^ (mask ? mask[i] : 0)));
    }
}

void sq_stun_put_addr(struct sq_stun_writer *s, uint16_t type, const struct sq_addr *a)
{
    put_address(s, type, a, NULL);
}

void sq_stun_put_xor_addr(struct sq_stun_writer *s, uint16_t type, const struct sq_addr *a)
{
    put_address(s, type, a, s->w.buf + 4); /* cookie and transaction id, section 14.2 */
}

static const char *usual_reason(int code)
{
    static const struct {
        int code;
        const char *text;
    } reasons[] = {
        {300, "Try Alternate"},
        {400, "Bad Request"},
        {401, "Unauthenticated"},
        {420, "Unknown Attribute"},
        {438, "Stale Nonce"},
        {487, "Role Conflict"},
        {500, "Server Error"},
        {403, "Forbidden"},
        {437, "Allocation Mismatch"},
        {441, "Wrong Credentials"},
        {486, "Allocation Quota"},
        {508, "Insufficient Capacity"},
        {442, "Unsupported Transport Protocol"},
    };
    for (size_t i = 0; i < sizeof(reasons) / sizeof(*reasons); i++) {
        if (reasons[i].code == code) {
            return reasons[i].text;
        }
    }
    return "";
}

void sq_stun_put_error(struct sq_stun_writer *s, int code, const char *reason)
{
    if (code < 300 || code > 699) {
        s->w.err = s->w.err ? s->w.err : SQ_ERR_INVALID;
        return;
    }
    reason = reason ? reason : usual_reason(code);
    size_t len = strlen(reason);
    put_header(s, SQ_STUN_ERROR_CODE, 4 + len);
    sq_wire_put_u16(&s->w, 0);
    sq_wire_put_u8(&s->w, (uint8_t)(code / 100));
    sq_wire_put_u8(&s->w, (uint8_t)(code % 100));
    sq_wire_put(&s->w, reason, len);
    put_padding(s, len);
}

void sq_stun_put_unknown(struct sq_stun_writer *s, const uint16_t *types, size_t n)
{
    put_header(s, SQ_STUN_UNKNOWN_ATTRIBUTES, n * 2);
    for (size_t i = 0; i < n; i++) {
        sq_wire_put_u16(&s->w, types[i]);
    }
    put_padding(s, n * 2);
}

int sq_stun_end(struct sq_stun_writer *s, size_t *ret_len)
{
    if (!s->w.err && s->w.pos - SQ_STUN_HEADER_BYTES > UINT16_MAX) {
        s->w.err = SQ_ERR_INVALID;
    }
    if (s->w.err) {
        return s->w.err;
    }
    sq_store_u16(s->w.buf + 2, (uint16_t)(s->w.pos - SQ_STUN_HEADER_BYTES));
    *ret_len = s->w.pos;
    return 0;
}
