#include "peer/turn_rig.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define PERMISSION_NS (300 * SQ_NS_PER_SEC) /* RFC 8656, section 9 */
#define CHANNEL_NS    (600 * SQ_NS_PER_SEC) /* section 12 */

struct sq_addr rig_addr(const char *ip, uint16_t port)
{
    struct sq_addr a;
    assert_int_equal(sq_addr_parse(ip, port, &a), 0);
    return a;
}

static void post(struct rig *rig, bool to_server, const void *buf, size_t len)
{
    bool dropped = rig->loss > 0 && sq_rand_unit(&rig->rand) < rig->loss;
    if (to_server && rig->drop_next > 0) {
        rig->drop_next--;
        dropped = true;
    }
    if (dropped) {
        return;
    }
    if (rig->queue_len == RIG_QUEUE) {
        rig->overflow++;
        return;
    }
    struct rig_packet *p = &rig->queue[rig->queue_len++];
    p->at_ns = rig->now_ns + rig->delay_ns;
    p->to_server = to_server;
    p->len = len;
    memcpy(p->bytes, buf, len);
}

/* ---- The server ---- */

static void new_nonce(struct rig *rig)
{
    static int count;
    struct rig_server *s = &rig->server;
    /* RFC 8489, section 18.1: bit 0, the most significant one, means password algorithms. */
    snprintf(s->nonce, sizeof(s->nonce), "%snonce-%d",
             s->rfc8489 || s->hides_list || s->strange_list ? "obMatJos2gAAA" : "", ++count);
}

static void key_of(const struct rig_server *s, bool sha256, struct sq_stun_key *ret_key)
{
    assert_int_equal(sq_stun_key_long_term(s->user, s->realm, s->wrong_key ? "not it" : s->password,
                                           sha256, ret_key),
                     0);
}

static void reply(struct rig *rig, struct sq_stun_writer *w, const struct sq_stun_msg *m, bool sign)
{
    struct rig_server *s = &rig->server;
    size_t len;
    struct sq_stun_key key;
    if (sign && !s->unsigned_answers && !s->open) {
        key_of(s, s->rfc8489, &key);
        if (m->integrity256_at) {
            sq_stun_put_integrity_sha256(w, &key);
        } else {
            sq_stun_put_integrity(w, &key);
        }
    }
    sq_stun_put_fingerprint(w);
    assert_int_equal(sq_stun_end(w, &len), 0);
    post(rig, false, w->w.buf, len);
}

static void refuse(struct rig *rig, const struct sq_stun_msg *m, int code, bool challenge)
{
    struct rig_server *s = &rig->server;
    uint8_t buf[1024];
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_ERROR, m->method, m->tid);
    sq_stun_put_error(&w, code, NULL);
    if (code == 300) {
        sq_stun_put_addr(&w, SQ_STUN_ALTERNATE_SERVER, &s->alternate);
    }
    if (challenge && !s->no_realm) {
        static const uint8_t both[] = {0, 1, 0, 0, 0, 2, 0, 0};
        static const uint8_t strange[] = {0, 9, 0, 3, 1, 2, 3, 0};
        sq_stun_put_text(&w, SQ_STUN_REALM, s->realm);
        sq_stun_put_text(&w, SQ_STUN_NONCE, s->nonce);
        if (s->rfc8489) {
            sq_stun_put(&w, SQ_STUN_PASSWORD_ALGORITHMS, both, sizeof(both));
        } else if (s->strange_list) {
            sq_stun_put(&w, SQ_STUN_PASSWORD_ALGORITHMS, strange, sizeof(strange));
        }
    }
    reply(rig, &w, m, !challenge);
}

/* Whether the request bears what RFC 8489, section 9.2.4, asks for; answers it if not. */
static bool admitted(struct rig *rig, const struct sq_stun_msg *m)
{
    struct rig_server *s = &rig->server;
    struct sq_view user, realm, nonce;
    struct sq_stun_key key;
    struct sq_stun_attr a;
    if (s->open) {
        return true;
    }
    if (!m->integrity_at && !m->integrity256_at) {
        refuse(rig, m, 401, true);
        return false;
    }
    if (sq_stun_get_text(m, SQ_STUN_USERNAME, &user) ||
        sq_stun_get_text(m, SQ_STUN_REALM, &realm) || sq_stun_get_text(m, SQ_STUN_NONCE, &nonce)) {
        s->wrong++;
        refuse(rig, m, 400, false);
        return false;
    }
    if (s->stale_every && s->requests % s->stale_every == 0) {
        new_nonce(rig);
    }
    if (!sq_view_is(nonce, s->nonce)) {
        refuse(rig, m, 438, true);
        return false;
    }
    if (s->rfc8489) { /* all of them, and SHA-256 integrity alone */
        bool list = sq_stun_find(m, SQ_STUN_PASSWORD_ALGORITHMS, &a) && a.len == 8;
        bool one = sq_stun_find(m, SQ_STUN_PASSWORD_ALGORITHM, &a) && a.len == 4 && a.value[1] == 2;
        s->wrong += !list || !one || m->integrity_at != 0 || m->integrity256_at == 0;
    }
    struct rig_server truth = *s;
    truth.wrong_key = false;
    key_of(&truth, s->rfc8489, &key);
    if (!sq_view_is(user, s->user) || !sq_view_is(realm, s->realm) ||
        sq_stun_check_integrity(m, &key)) {
        refuse(rig, m, 401, true);
        return false;
    }
    return true;
}

static bool permitted(const struct rig *rig, const struct sq_addr *peer)
{
    const struct rig_server *s = &rig->server;
    for (size_t i = 0; i < s->permitted_len; i++) {
        if (sq_addr_same_ip(&s->permitted[i], peer) &&
            rig->now_ns < s->permit_ns[i] + PERMISSION_NS) {
            return true;
        }
    }
    return false;
}

static void permit(struct rig *rig, const struct sq_addr *peer)
{
    struct rig_server *s = &rig->server;
    for (size_t i = 0; i < s->permitted_len; i++) {
        if (sq_addr_same_ip(&s->permitted[i], peer)) {
            s->permit_ns[i] = rig->now_ns;
            return;
        }
    }
    assert_true(s->permitted_len < RIG_PEERS);
    s->permitted[s->permitted_len] = *peer;
    s->permit_ns[s->permitted_len++] = rig->now_ns;
}

static void succeed(struct rig *rig, const struct sq_stun_msg *m, uint32_t lifetime_s)
{
    struct rig_server *s = &rig->server;
    uint8_t buf[1024];
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_SUCCESS, m->method, m->tid);
    if (m->method == SQ_STUN_ALLOCATE) {
        sq_stun_put_xor_addr(&w, SQ_STUN_XOR_RELAYED_ADDRESS, &s->relayed);
        sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, &s->mapped);
    }
    if (m->method == SQ_STUN_ALLOCATE || m->method == SQ_STUN_REFRESH) {
        sq_stun_put_u32(&w, SQ_STUN_LIFETIME, lifetime_s);
    }
    reply(rig, &w, m, true);
}

static void on_bind(struct rig *rig, const struct sq_stun_msg *m)
{
    struct rig_server *s = &rig->server;
    struct sq_addr peer;
    uint32_t number;
    if (s->refuse_channel < 0) {
        return;
    }
    if (s->refuse_channel) {
        refuse(rig, m, s->refuse_channel, false);
        return;
    }
    if (sq_stun_get_xor_addr(m, SQ_STUN_XOR_PEER_ADDRESS, &peer) ||
        sq_stun_get_u32(m, SQ_STUN_CHANNEL_NUMBER, &number) || number >> 16 < 0x4000 ||
        number >> 16 >= 0x4000 + RIG_PEERS) {
        s->wrong++;
        return;
    }
    size_t i = (number >> 16) - 0x4000;
    bool taken = s->channel_ns[i] && rig->now_ns < s->channel_ns[i] + CHANNEL_NS;
    if (taken && !sq_addr_equal(&s->peer_of_channel[i], &peer)) {
        s->wrong++;
        refuse(rig, m, 400, false);
        return;
    }
    s->binds++;
    s->peer_of_channel[i] = peer;
    s->channel_ns[i] = rig->now_ns;
    permit(rig, &peer);
    succeed(rig, m, 0);
}

static void on_allocate(struct rig *rig, const struct sq_stun_msg *m)
{
    struct rig_server *s = &rig->server;
    uint32_t transport;
    bool again = memcmp(m->tid, s->last_tid, 12) == 0;
    if (sq_stun_get_u32(m, SQ_STUN_REQUESTED_TRANSPORT, &transport) || transport != 17u << 24) {
        s->wrong++;
    }
    if (s->refuse_allocate) {
        refuse(rig, m, s->refuse_allocate, false);
    } else if (s->holds && !again) {
        refuse(rig, m, 437, false);
    } else {
        s->allocates += !again;
        s->holds = true;
        memcpy(s->last_tid, m->tid, 12);
        succeed(rig, m, s->lifetime_s);
    }
}

static void on_request(struct rig *rig, const struct sq_stun_msg *m)
{
    struct rig_server *s = &rig->server;
    struct sq_addr peer;
    uint32_t lifetime_s = s->lifetime_s;
    s->requests++;
    if (m->method == SQ_STUN_ALLOCATE && s->refuse_allocate == 300) {
        refuse(rig, m, 300, false);
        return;
    }
    if (!admitted(rig, m)) {
        return;
    }
    if (m->method == SQ_STUN_ALLOCATE) {
        on_allocate(rig, m);
        return;
    }
    if (!s->holds) {
        refuse(rig, m, 437, false);
        return;
    }
    switch (m->method) {
    case SQ_STUN_REFRESH:
        if (s->refuse_refresh) {
            refuse(rig, m, s->refuse_refresh, false);
            break;
        }
        if (sq_stun_get_u32(m, SQ_STUN_LIFETIME, &lifetime_s) == 0 && lifetime_s == 0) {
            s->frees++;
            s->holds = false;
        } else {
            s->refreshes++;
        }
        succeed(rig, m, lifetime_s);
        break;
    case SQ_STUN_CREATE_PERMISSION:
        if (s->refuse_permission) {
            refuse(rig, m, s->refuse_permission, false);
        } else if (sq_stun_get_xor_addr(m, SQ_STUN_XOR_PEER_ADDRESS, &peer)) {
            s->wrong++;
        } else {
            s->permissions++;
            permit(rig, &peer);
            succeed(rig, m, 0);
        }
        break;
    case SQ_STUN_CHANNEL_BIND:
        on_bind(rig, m);
        break;
    default:
        s->wrong++;
        break;
    }
}

static void relay(struct rig *rig, const struct sq_addr *to, const void *buf, size_t len)
{
    struct rig_server *s = &rig->server;
    if (!permitted(rig, to)) {
        s->wrong++;
        return;
    }
    s->last_to = *to;
    s->last_len = len;
    memcpy(s->last, buf, len);
}

static void server_gets(struct rig *rig, const uint8_t *buf, size_t len)
{
    struct rig_server *s = &rig->server;
    struct sq_stun_msg m;
    struct sq_addr to;
    struct sq_view data;
    if (s->deaf) {
        return;
    }
    if (len >= 4 && buf[0] >= 0x40 && buf[0] <= 0x4f) {
        size_t i = (size_t)sq_load_u16(buf) - 0x4000;
        size_t n = sq_load_u16(buf + 2);
        bool padded = len == 4 + (rig->cfg.stream ? ((n + 3) & ~(size_t)3) : n);
        if (i >= RIG_PEERS || !padded || rig->now_ns >= s->channel_ns[i] + CHANNEL_NS ||
            s->channel_ns[i] == 0) {
            s->wrong++;
            return;
        }
        s->channel_data++;
        relay(rig, &s->peer_of_channel[i], buf + 4, n);
        return;
    }
    if (sq_stun_parse(buf, len, &m)) {
        s->wrong++;
    } else if (m.cls == SQ_STUN_REQUEST) {
        on_request(rig, &m);
    } else if (m.method == SQ_STUN_SEND &&
               sq_stun_get_xor_addr(&m, SQ_STUN_XOR_PEER_ADDRESS, &to) == 0 &&
               sq_stun_get_text(&m, SQ_STUN_DATA_ATTR, &data) == 0) {
        s->indications++;
        relay(rig, &to, data.at, data.len);
    } else {
        s->wrong++;
    }
}

/* ---- The client's callbacks ---- */

static void on_send(void *ctx, const void *buf, size_t len)
{
    post(ctx, true, buf, len);
}

static void on_allocated(void *ctx, const struct sq_addr *relayed, const struct sq_addr *mapped)
{
    struct rig *rig = ctx;
    rig->allocated++;
    rig->relayed = *relayed;
    rig->mapped = *mapped;
}

static void on_again(void *ctx, const struct sq_addr *server)
{
    struct rig *rig = ctx;
    rig->again++;
    rig->again_elsewhere = server != NULL;
    if (server) {
        rig->again_at = *server;
    }
}

static void on_failed(void *ctx, enum sq_turn_fault fault, int code, const char *text)
{
    struct rig *rig = ctx;
    rig->failed++;
    rig->fault = fault;
    rig->code = code;
    snprintf(rig->text, sizeof(rig->text), "%s", text);
}

static void on_peer_refused(void *ctx, const struct sq_addr *peer, int code, const char *text)
{
    struct rig *rig = ctx;
    (void)peer;
    (void)text;
    rig->refused_peers++;
    rig->code = code;
}

static void on_closed(void *ctx)
{
    ((struct rig *)ctx)->closed++;
}

static const struct sq_turn_callbacks callbacks = {
    .send = on_send,
    .allocated = on_allocated,
    .again = on_again,
    .failed = on_failed,
    .peer_refused = on_peer_refused,
    .closed = on_closed,
};

/* ---- The rig ---- */

void rig_init(struct rig *rig, uint64_t seed)
{
    memset(rig, 0, sizeof(*rig));
    rig->now_ns = SQ_NS_PER_SEC;
    rig->delay_ns = 20 * SQ_NS_PER_MS;
    sq_rand_seed(&rig->rand, seed);
    sq_turn_config_init(&rig->cfg, &rig->rand);
    rig->cfg.user = "anna";
    rig->cfg.password = "secret";
    rig->server.user = "anna";
    rig->server.password = "secret";
    rig->server.realm = "example.org";
    rig->server.lifetime_s = 600;
    rig->server.relayed = rig_addr("203.0.113.1", 50000);
    rig->server.mapped = rig_addr("198.51.100.7", 4000);
    rig->server.alternate = rig_addr("203.0.113.2", 3478);
}

void rig_start(struct rig *rig)
{
    new_nonce(rig);
    assert_int_equal(sq_turn_create(&rig->cfg, &callbacks, rig, &rig->turn), 0);
    assert_int_equal(sq_turn_start(rig->turn, rig->now_ns), 0);
}

static void client_gets(struct rig *rig, const uint8_t *buf, size_t len)
{
    struct sq_turn_data data;
    if (sq_turn_receive(rig->turn, rig->now_ns, buf, len, &data) == 1) {
        assert_true(data.at + data.len <= len);
        rig->data_count++;
        rig->data_from = data.from;
        rig->data_len = data.len;
        memcpy(rig->data, buf + data.at, data.len);
    }
}

/* The earliest of packets and the client's time-out; SQ_NEVER packets lie in the order of post. */
static bool step(struct rig *rig, uint64_t until_ns)
{
    uint64_t due_ns = sq_max_u64(sq_turn_next_timeout(rig->turn), rig->now_ns);
    uint64_t packet_ns = rig->queue_len ? rig->queue[0].at_ns : SQ_NEVER;
    uint64_t next_ns = sq_min_u64(due_ns, packet_ns);
    if (next_ns > until_ns) {
        rig->now_ns = until_ns;
        return false;
    }
    rig->now_ns = sq_max_u64(rig->now_ns, next_ns);
    if (packet_ns <= due_ns) {
        static struct rig_packet p;
        p = rig->queue[0];
        rig->queue_len--;
        memmove(rig->queue, rig->queue + 1, rig->queue_len * sizeof(p));
        (p.to_server ? server_gets : client_gets)(rig, p.bytes, p.len);
    } else {
        sq_turn_on_timeout(rig->turn, rig->now_ns);
    }
    return true;
}

void rig_run(struct rig *rig, uint64_t for_ns)
{
    uint64_t until_ns = rig->now_ns + for_ns;
    int steps = 0;
    while (step(rig, until_ns)) {
        assert_true(++steps < 200000); /* else it goes round in circles */
    }
}

size_t rig_send(struct rig *rig, const struct sq_addr *to, const void *buf, size_t len)
{
    uint8_t out[1600 + SQ_TURN_OVERHEAD_MAX];
    size_t n = sq_turn_wrap(rig->turn, rig->now_ns, to, buf, len, out, len + SQ_TURN_OVERHEAD_MAX);
    if (n > 0) {
        post(rig, true, out, n);
    }
    return n;
}

void rig_from_peer(struct rig *rig, const struct sq_addr *peer, const void *buf, size_t len)
{
    struct rig_server *s = &rig->server;
    uint8_t out[1700];
    for (size_t i = 0; i < RIG_PEERS; i++) {
        if (s->channel_ns[i] && sq_addr_equal(&s->peer_of_channel[i], peer)) {
            sq_store_u16(out, (uint16_t)(0x4000 + i));
            sq_store_u16(out + 2, (uint16_t)len);
            memcpy(out + 4, buf, len);
            post(rig, false, out, 4 + len);
            return;
        }
    }
    size_t n;
    struct sq_stun_writer w = sq_stun_begin(out, sizeof(out), SQ_STUN_INDICATION, SQ_STUN_DATA,
                                            (const uint8_t *)"0123456789ab");
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_PEER_ADDRESS, peer);
    sq_stun_put(&w, SQ_STUN_DATA_ATTR, buf, len);
    assert_int_equal(sq_stun_end(&w, &n), 0);
    post(rig, false, out, n);
}

void rig_free(struct rig *rig)
{
    assert_int_equal(rig->overflow, 0);
    sq_turn_destroy(rig->turn);
    rig->turn = NULL;
}
