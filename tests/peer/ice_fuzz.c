#include "peer/ice_fuzz.h"

#include "base/time.h"
#include "peer/ice/ice.h"
#include "peer/stun/stun.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(int truth)
{
    if (!truth) {
        abort();
    }
}

static void read_all(const struct sq_stun_msg *m)
{
    struct sq_stun_attr a;
    unsigned sum = 0;
    for (size_t pos = 0; sq_stun_next(m, &pos, &a);) {
        struct sq_addr addr;
        struct sq_view text;
        uint32_t n32;
        uint64_t n64;
        for (size_t i = 0; i < a.len; i++) {
            sum += a.value[i];
        }
        (void)!sq_stun_get_addr(m, a.type, &addr);
        (void)!sq_stun_get_xor_addr(m, a.type, &addr);
        (void)!sq_stun_get_text(m, a.type, &text);
        (void)!sq_stun_get_u32(m, a.type, &n32);
        (void)!sq_stun_get_u64(m, a.type, &n64);
    }
    volatile unsigned sink = sum; /* keeps the reads */
    (void)sink;
}

int ice_fuzz_stun(const uint8_t *data, size_t len)
{
    struct sq_stun_msg m;
    struct sq_stun_key key;
    uint16_t unknown[4];
    int code;
    struct sq_view reason;
    sq_stun_key_init(&key, "secret", 6);
    if (sq_stun_parse(data, len, &m)) {
        return 0;
    }
    must(m.attrs_end <= m.len);
    read_all(&m);
    (void)!sq_stun_get_error(&m, &code, &reason);
    (void)!sq_stun_check_integrity(&m, &key);
    (void)!sq_stun_check_fingerprint(&m);
    (void)sq_stun_unknown(&m, NULL, 0, unknown, 4);
    return 0;
}

int ice_fuzz_candidate(const uint8_t *data, size_t len)
{
    struct sq_ice_candidate c, again;
    struct sq_view ufrag;
    char text[SQ_ICE_CANDIDATE_TEXT];
    struct sq_view line = {.at = (const char *)data, .len = len};
    if (sq_ice_candidate_parse(line, &c, &ufrag)) {
        return 0;
    }
    sq_ice_candidate_format(&c, text);
    must(sq_ice_candidate_parse(sq_view_of(text), &again, NULL) == 0);
    must(sq_addr_equal(&c.addr, &again.addr) && c.priority == again.priority &&
         c.type == again.type && c.transport == again.transport &&
         strcmp(c.foundation, again.foundation) == 0);
    return 0;
}

/* ---- An agent ---- */

#define PIECE_MAX 255

struct fuzz {
    struct sq_ice *ice;
    uint64_t now_ns;
    uint8_t last[640]; /* the last datagram it sent, of which answers are made */
    size_t last_len;
};

static void keep_sent(void *ctx, int base_id, const struct sq_addr *to, const void *buf, size_t len)
{
    struct fuzz *f = ctx;
    must(len <= sizeof(f->last));
    memcpy(f->last, buf, len);
    f->last_len = len;
}

/* The attributes of a piece in a message of the given class, with all that makes it get through. */
static void feed_mended(struct fuzz *f, const uint8_t *piece, size_t len, enum sq_stun_class cls,
                        const struct sq_addr *from)
{
    uint8_t buf[768];
    size_t n;
    struct sq_stun_key key;
    static const uint8_t none[SQ_STUN_TID_BYTES];
    const uint8_t *tid = f->last_len >= 20 ? f->last + 8 : none;
    const char *pwd = cls == SQ_STUN_REQUEST ? sq_ice_pwd(f->ice) : "remote-password-remote";
    sq_stun_key_init(&key, pwd, strlen(pwd));
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), cls, SQ_STUN_BINDING, tid);
    if (cls == SQ_STUN_REQUEST) {
        char user[64];
        snprintf(user, sizeof(user), "%s:rfrg", sq_ice_ufrag(f->ice));
        sq_stun_put_text(&w, SQ_STUN_USERNAME, user);
    } else if (len > 0 && (piece[0] & 1)) {
        sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, from);
    }
    while (len >= 2) { /* one byte of type, one of length, the value */
        static const uint16_t types[] = {SQ_STUN_PRIORITY,           SQ_STUN_USE_CANDIDATE,
                                         SQ_STUN_ICE_CONTROLLED,     SQ_STUN_ICE_CONTROLLING,
                                         SQ_STUN_ERROR_CODE,         SQ_STUN_MAPPED_ADDRESS,
                                         SQ_STUN_XOR_MAPPED_ADDRESS, SQ_STUN_REALM};
        size_t value = piece[1] & 31;
        value = value < len - 2 ? value : len - 2;
        sq_stun_put(&w, types[piece[0] & 7], piece + 2, value);
        piece += 2 + value;
        len -= 2 + value;
    }
    sq_stun_put_integrity(&w, &key);
    sq_stun_put_fingerprint(&w);
    if (sq_stun_end(&w, &n) == 0) {
        (void)sq_ice_receive(f->ice, f->now_ns, 0, from, buf, n);
    }
}

static void feed(struct fuzz *f, unsigned kind, const uint8_t *piece, size_t len)
{
    struct sq_addr from;
    char ip[] = "10.0.0.1";
    ip[7] = (char)('1' + (kind >> 3 & 7));
    must(sq_addr_parse(ip, 2000, &from) == 0);
    switch (kind & 7) {
    case 0:
        (void)sq_ice_receive(f->ice, f->now_ns, 0, &from, piece, len);
        break;
    case 1:
    case 2:
        feed_mended(f, piece, len, SQ_STUN_REQUEST, &from);
        break;
    case 3:
        feed_mended(f, piece, len, SQ_STUN_SUCCESS, &from);
        break;
    case 4:
        feed_mended(f, piece, len, SQ_STUN_ERROR, &from);
        break;
    case 5:
        (void)!sq_ice_add_remote_line(f->ice, f->now_ns,
                                      (struct sq_view){.at = (const char *)piece, .len = len});
        break;
    case 6:
        f->now_ns += (len ? piece[0] : 1) * 10 * SQ_NS_PER_MS;
        break;
    default:
        if (len > 3 && sq_ice_restart(f->ice, f->now_ns, NULL, NULL) == 0) {
            (void)!sq_ice_gather(f->ice, f->now_ns);
            (void)!sq_ice_set_remote(f->ice, f->now_ns, "rfrg", "remote-password-remote", false);
        }
        break;
    }
    for (int i = 0; i < 20 && sq_ice_next_timeout(f->ice) <= f->now_ns; i++) {
        must(i < 19);
        sq_ice_on_timeout(f->ice, f->now_ns);
    }
}

int ice_fuzz_agent(const uint8_t *data, size_t len)
{
    static const struct sq_ice_callbacks callbacks = {.send = keep_sent};
    struct sq_rand rand;
    struct sq_ice_config c;
    struct fuzz f = {.now_ns = SQ_NS_PER_SEC};
    struct sq_addr base;
    sq_rand_seed(&rand, 1);
    sq_ice_config_init(&c, &rand);
    c.pwd = "local-password-local-pw";
    c.controlling = len > 0 && (data[0] & 1);
    c.lite = len > 0 && (data[0] & 6) == 6;
    must(sq_addr_parse("10.0.0.100", 1000, &base) == 0);
    if (sq_ice_create(&c, &callbacks, &f, &f.ice)) {
        return 0;
    }
    must(sq_ice_add_base(f.ice, 0, &base) == 0);
    must(sq_ice_gather(f.ice, f.now_ns) == 0);
    must(sq_ice_set_remote(f.ice, f.now_ns, "rfrg", "remote-password-remote",
                           len > 0 && (data[0] & 8)) == 0);
    (void)!sq_ice_add_remote_line(
        f.ice, f.now_ns, sq_view_of("candidate:1 1 udp 2130706431 10.0.0.1 2000 typ host"));
    size_t pos = 1;
    while (pos + 2 <= len) {
        size_t n = data[pos + 1];
        n = n < len - pos - 2 ? n : len - pos - 2;
        feed(&f, data[pos], data + pos + 2, n);
        pos += 2 + n;
    }
    sq_ice_destroy(f.ice);
    return 0;
}
