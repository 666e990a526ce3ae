#include "peer/ice_puppet.h"

#include "base/time.h"
#include "peer/ice_net.h"
#include "peer/stun/stun.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void must(bool truth)
{
    if (!truth) {
        abort();
    }
}

static void on_send(void *ctx, int base_id, const struct sq_addr *to, const void *buf, size_t len)
{
    struct puppet *p = ctx;
    struct sq_stun_msg m;
    must(sq_stun_parse(buf, len, &m) == 0 && sq_stun_check_fingerprint(&m) == 0);
    if (m.cls == SQ_STUN_ERROR) {
        must(sq_stun_get_error(&m, &p->error, NULL) == 0);
    }
    p->successes += m.cls == SQ_STUN_SUCCESS;
    if (m.cls != SQ_STUN_REQUEST) {
        return;
    }
    if (p->n_sent < PUPPET_KEEP) {
        memcpy(p->sent[p->n_sent], buf, len);
        p->sent_to[p->n_sent++] = *to;
    }
    if (p->requests < PUPPET_KEEP) {
        p->times_ns[p->requests] = p->now_ns;
    }
    p->requests++;
    p->said_controlling = sq_stun_get_u64(&m, SQ_STUN_ICE_CONTROLLING, &p->tie) == 0;
    (void)!sq_stun_get_u64(&m, SQ_STUN_ICE_CONTROLLED, &p->tie);
}

static void on_candidate(void *ctx, const struct sq_ice_candidate *c)
{
    ((struct puppet *)ctx)->candidates++;
}

void puppet_start(struct puppet *p, bool controlling, bool lite, const char *server)
{
    static const struct sq_ice_callbacks callbacks = {.send = on_send,
                                                      .local_candidate = on_candidate};
    struct sq_ice_config c;
    memset(p, 0, sizeof(*p));
    p->now_ns = 50 * SQ_NS_PER_SEC;
    p->answers = true;
    sq_rand_seed(&p->rand, 77);
    sq_ice_config_init(&c, &p->rand);
    c.controlling = controlling;
    c.lite = lite;
    must(sq_ice_create(&c, &callbacks, p, &p->ice) == 0);
    struct sq_addr base = ice_addr("10.0.0.1", 1000);
    must(sq_ice_add_base(p->ice, 0, &base) == 0);
    if (server) {
        struct sq_addr a = ice_addr(server, 3478);
        must(sq_ice_add_stun_server(p->ice, &a) == 0);
    }
    must(sq_ice_gather(p->ice, p->now_ns) == 0);
    must(sq_ice_set_remote(p->ice, p->now_ns, "pupp", PUPPET_PWD, false) == 0);
}

static void answer(struct puppet *p, const uint8_t *tid, const struct sq_addr *to)
{
    uint8_t buf[256];
    size_t len;
    struct sq_stun_key key;
    struct sq_addr mapped = ice_addr("10.0.0.1", 1000);
    sq_stun_key_init(&key, PUPPET_PWD, strlen(PUPPET_PWD));
    struct sq_stun_writer w = sq_stun_begin(
        buf, sizeof(buf), p->answer_error ? SQ_STUN_ERROR : SQ_STUN_SUCCESS, SQ_STUN_BINDING, tid);
    if (p->answer_error) {
        sq_stun_put_error(&w, p->answer_error, NULL);
    } else {
        sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, &mapped);
    }
    p->answer_error = 0;
    sq_stun_put_integrity(&w, &key);
    sq_stun_put_fingerprint(&w);
    must(sq_stun_end(&w, &len) == 0);
    bool other = sq_addr_family(&p->answer_from) != AF_UNSPEC;
    (void)sq_ice_receive(p->ice, p->now_ns, p->base, other ? &p->answer_from : to, buf, len);
}

void puppet_run(struct puppet *p, uint64_t until_ns)
{
    for (;;) {
        for (int i = 0; i < p->n_sent && p->answers; i++) {
            answer(p, p->sent[i] + 8, &p->sent_to[i]);
        }
        p->n_sent = 0;
        uint64_t next = sq_ice_next_timeout(p->ice);
        if (next > until_ns) {
            p->now_ns = until_ns;
            return;
        }
        p->now_ns = sq_max_u64(p->now_ns, next);
        sq_ice_on_timeout(p->ice, p->now_ns);
    }
}

void puppet_candidate(struct puppet *p, const char *foundation, uint32_t priority, uint16_t port)
{
    char line[128];
    snprintf(line, sizeof(line), "candidate:%s 1 udp %u 10.0.0.2 %u typ host", foundation, priority,
             port);
    must(sq_ice_add_remote_line(p->ice, p->now_ns, sq_view_of(line)) == 0);
}

int puppet_check(struct puppet *p, const struct sq_addr *from, uint32_t priority, int how)
{
    uint8_t buf[256], tid[12];
    size_t len;
    char user[32];
    struct sq_stun_key key;
    sq_store_u64(tid, sq_rand_u64(&p->rand));
    sq_store_u32(tid + 8, 5);
    snprintf(user, sizeof(user), "%s:pupp", sq_ice_ufrag(p->ice));
    sq_stun_key_init(&key, sq_ice_pwd(p->ice), strlen(sq_ice_pwd(p->ice)));
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
    if (!(how & PUPPET_NO_USER)) {
        sq_stun_put_text(&w, SQ_STUN_USERNAME, user);
    }
    sq_stun_put_u32(&w, SQ_STUN_PRIORITY, priority);
    sq_stun_put_u64(&w, how & PUPPET_CONTROLLED ? SQ_STUN_ICE_CONTROLLED : SQ_STUN_ICE_CONTROLLING,
                    how & PUPPET_WIN ? UINT64_MAX : 0);
    if (how & PUPPET_USE) {
        sq_stun_put(&w, SQ_STUN_USE_CANDIDATE, NULL, 0);
    }
    if (how & PUPPET_STRANGE_ATTR) {
        sq_stun_put_u32(&w, 0x7abc, 1);
    }
    if (!(how & PUPPET_NO_INTEGRITY)) {
        sq_stun_put_integrity(&w, &key);
    }
    sq_stun_put_fingerprint(&w);
    must(sq_stun_end(&w, &len) == 0);
    return sq_ice_receive(p->ice, p->now_ns, p->base, from, buf, len);
}

bool puppet_selected(struct puppet *p, const struct sq_addr *expected)
{
    int base;
    struct sq_addr remote;
    return sq_ice_selected(p->ice, &base, &remote) && sq_addr_equal(&remote, expected);
}
