/* Addresses in a row. */
#include "base/str.h"
#include "base/wire.h"
#include "net/ifaddr.h"
#include <stdio.h>
#include <string.h>

#define TEXT_MAX 64

static size_t bytes_of(const struct sq_addr *a, uint8_t out[16])
{
    if (sq_addr_family(a) == AF_INET) {
        memcpy(out, &a->in4.sin_addr, 4);
        return 4;
    }
    memcpy(out, &a->in6.sin6_addr, 16);
    return 16;
}

static void set_bytes(struct sq_addr *a, const uint8_t *bytes, size_t n)
{
    if (n == 4) {
        memcpy(&a->in4.sin_addr, bytes, n);
    } else {
        memcpy(&a->in6.sin6_addr, bytes, n);
    }
}

struct sq_addr sq_addr_step(const struct sq_addr *first, uint32_t n)
{
    struct sq_addr a = *first;
    uint8_t bytes[16];
    size_t len = bytes_of(&a, bytes);
    uint64_t carry = n;
    for (size_t i = len; i > 0 && carry > 0; i--) {
        carry += bytes[i - 1];
        bytes[i - 1] = (uint8_t)carry;
        carry >>= 8;
    }
    set_bytes(&a, bytes, len);
    return a;
}

/* The distance from a to b; UINT64_MAX when it is too far or b lies before a. */
static uint64_t distance(const struct sq_addr *a, const struct sq_addr *b)
{
    uint8_t x[16], y[16];
    size_t len = bytes_of(a, x);
    (void)bytes_of(b, y);
    uint64_t sum = 0;
    for (size_t i = 0; i < len; i++) {
        if (sum > UINT32_MAX) {
            return UINT64_MAX;
        }
        sum = sum * 256 + y[i] - x[i]; /* may wrap on the way, and comes back if b is not before */
    }
    return sum > UINT32_MAX ? UINT64_MAX : sum;
}

static bool is_before(const struct sq_addr *a, const struct sq_addr *b)
{
    uint8_t x[16], y[16];
    size_t len = bytes_of(a, x);
    (void)bytes_of(b, y);
    return memcmp(x, y, len) < 0;
}

static int parse_prefix(struct sq_addr *first, struct sq_view bits_text, uint32_t *ret_count)
{
    uint8_t bytes[16];
    uint64_t bits;
    size_t len = bytes_of(first, bytes);
    if (sq_view_u64(bits_text, len * 8, &bits)) {
        return SQ_ERR_FORMAT;
    }
    uint64_t host_bits = len * 8 - bits;
    for (size_t i = 0; i < len; i++) {
        uint64_t kept = bits > i * 8 ? bits - i * 8 : 0;
        bytes[i] = kept >= 8 ? bytes[i] : (uint8_t)(bytes[i] & (0xff00u >> kept));
    }
    uint64_t count = host_bits >= 21 ? SQ_ADDR_RANGE_MAX + 2 : 1ULL << host_bits;
    set_bytes(first, bytes, len);
    if (len == 4 && host_bits >= 2) {
        *first = sq_addr_step(first, 1);
        count -= 2;
    }
    *ret_count = (uint32_t)(count < SQ_ADDR_RANGE_MAX ? count : SQ_ADDR_RANGE_MAX);
    return 0;
}

/* As it is written. */
struct written {
    char copy[2 * TEXT_MAX];
    const char *dash, *slash; /* what follows the one or the other; NULL: neither is there */
    struct sq_addr first, last;
};

static int read_written(const char *text, struct written *w)
{
    if (strlen(text) >= sizeof(w->copy)) {
        return SQ_ERR_FORMAT;
    }
    memcpy(w->copy, text, strlen(text) + 1);
    char *dash = strchr(w->copy, '-');
    char *cut = dash ? dash : strchr(w->copy, '/');
    w->dash = dash ? dash + 1 : NULL;
    w->slash = !dash && cut ? cut + 1 : NULL;
    if (cut) {
        *cut = '\0';
    }
    int err = sq_addr_parse(w->copy, 0, &w->first);
    return err || !dash ? err : sq_addr_parse(w->dash, 0, &w->last);
}

const char *sq_addr_range_wrong(const char *text, char out[static SQ_ADDR_RANGE_WRONG_MAX])
{
    struct written w;
    out[0] = '\0';
    if (read_written(text, &w) != 0) {
        return out;
    }
    bool v4 = sq_addr_family(&w.first) == AF_INET;
    if (w.slash) {
        snprintf(out, SQ_ADDR_RANGE_WRONG_MAX,
                 "'%.40s' is no length of a prefix of %s: expected 0 to %d", w.slash,
                 v4 ? "IPv4" : "IPv6", v4 ? 32 : 128);
    } else if (w.dash && sq_addr_family(&w.last) != sq_addr_family(&w.first)) {
        snprintf(out, SQ_ADDR_RANGE_WRONG_MAX, "the range begins with IPv%c and ends with IPv%c",
                 v4 ? '4' : '6', v4 ? '6' : '4');
    } else if (w.dash && is_before(&w.last, &w.first)) {
        snprintf(out, SQ_ADDR_RANGE_WRONG_MAX,
                 "the range runs backwards: expected its lower address first, %.60s-%.60s", w.dash,
                 w.copy);
    } else if (w.dash) {
        snprintf(out, SQ_ADDR_RANGE_WRONG_MAX,
                 "the range is too long: expected %d addresses at most", SQ_ADDR_RANGE_MAX);
    }
    return out;
}

int sq_addr_range_parse(const char *text, struct sq_addr *ret_first, uint32_t *ret_count)
{
    struct written w;
    uint32_t count = 1;
    int err = read_written(text, &w);
    if (!err && w.dash) {
        if (sq_addr_family(&w.first) != sq_addr_family(&w.last) ||
            distance(&w.first, &w.last) >= SQ_ADDR_RANGE_MAX) {
            err = SQ_ERR_FORMAT;
        }
        count = err ? 0 : (uint32_t)distance(&w.first, &w.last) + 1;
    } else if (!err && w.slash) {
        err = parse_prefix(&w.first, sq_view_of(w.slash), &count);
    }
    if (err) {
        return SQ_ERR_FORMAT;
    }
    *ret_first = w.first;
    *ret_count = count;
    return 0;
}
