/* What happens to an ICE agent after it is connected (consent, restarts), and under attack: bad
 * messages, odd peers, missing memory. */
#include "base/mem.h"
#include "peer/ice_fuzz.h"
#include "peer/ice_net.h"
#include "peer/ice_puppet.h"
#include "peer/stun/stun.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC

static struct ice_net *connected_net(uint64_t seed)
{
    struct ice_net *net = ice_net_new(seed);
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", "10.0.1.1"), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    assert_int_equal(ice_net_join(net), 0);
    assert_true(ice_net_run(net, net->now_ns + 10 * SEC, ice_both_completed));
    ice_net_run(net, net->now_ns + SEC, NULL);
    return net;
}

/* ---- Consent ---- */

static void consent_rhythm(void **state)
{
    struct ice_net *net = connected_net(1);
    struct sq_ice_pair_stats s;
    assert_int_equal(sq_ice_selected_stats(net->a.ice, &s, NULL, NULL), 0);
    uint32_t before = s.consent_requests_sent;
    uint64_t sent = net->a.sent;
    ice_net_run(net, net->now_ns + 600 * SEC, NULL);
    assert_int_equal(sq_ice_selected_stats(net->a.ice, &s, NULL, NULL), 0);
    uint32_t checks = s.consent_requests_sent - before;
    assert_in_range(checks, 100, 150); /* every 4 to 6 s */
    assert_in_range(checks, 112, 128); /* 5 s in the mean */
    /* Nothing but those and the answers to the peer's. */
    assert_in_range(net->a.sent - sent, 2 * 110, 2 * 130);
    assert_true(ice_both_completed(net));
    assert_int_equal(net->a.n_states, 3);
    assert_int_equal(s.current_round_trip_ns, 40 * SQ_NS_PER_MS);
    ice_net_free(net);
}

/* Whoever knows that the path fell silent asks at once, and not twice. */
static void consent_is_asked_for(void **state)
{
    (void)state;
    struct ice_net *net = connected_net(9);
    struct sq_ice_pair_stats s;
    assert_int_equal(sq_ice_unanswered_ns(net->a.ice, net->now_ns), 0);
    assert_int_equal(sq_ice_selected_stats(net->a.ice, &s, NULL, NULL), 0);
    uint32_t before = s.consent_requests_sent;
    net->loss = 1;
    sq_ice_ask_consent(net->a.ice, net->now_ns);
    sq_ice_ask_consent(net->a.ice, net->now_ns);
    assert_int_equal(sq_ice_selected_stats(net->a.ice, &s, NULL, NULL), 0);
    assert_int_equal(s.consent_requests_sent, before + 1);
    uint64_t asked_ns = net->now_ns;
    ice_net_run(net, net->now_ns + 2 * SEC, NULL);
    assert_int_equal(sq_ice_unanswered_ns(net->a.ice, net->now_ns), net->now_ns - asked_ns);
    net->loss = 0;
    ice_net_run(net, net->now_ns + 5 * SEC, NULL); /* the next check is answered */
    assert_int_equal(sq_ice_unanswered_ns(net->a.ice, net->now_ns), 0);
    assert_true(ice_both_completed(net));
    ice_net_free(net);
}

/* A short outage disconnects and comes back by itself; a long one loses consent. */
static void consent_outage(void **state)
{
    struct ice_net *net = connected_net(2);
    net->loss = 1;
    uint64_t cut = net->now_ns;
    ice_net_run(net, net->now_ns + 15 * SEC, NULL);
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_DISCONNECTED);
    uint64_t after = net->a.state_at_ns[SQ_ICE_DISCONNECTED] - cut;
    assert_true(after >= 7 * SEC && after <= 13 * SEC);
    int base;
    struct sq_addr remote;
    assert_true(sq_ice_selected(net->a.ice, &base, &remote)); /* consent still holds */
    net->loss = 0;
    assert_true(ice_net_run(net, net->now_ns + 7 * SEC, ice_both_completed));

    net->loss = 1;
    cut = net->now_ns;
    assert_true(ice_net_run(net, net->now_ns + 31 * SEC, ice_both_failed));
    assert_true(net->a.state_at_ns[SQ_ICE_FAILED] >= cut + 23 * SEC);
    assert_int_equal(net->a.consent_lost, 1);
    assert_false(sq_ice_selected(net->a.ice, &base, &remote));
    assert_false(sq_ice_may_receive(net->a.ice, 0, &net->b.base[0]));
    uint64_t sent = net->a.sent;
    net->loss = 0;
    ice_net_run(net, net->now_ns + 60 * SEC, NULL);
    assert_int_equal(net->a.sent, sent); /* RFC 7675, section 5.1: cease */
    assert_int_equal(sq_ice_next_timeout(net->a.ice), SQ_NEVER);
    ice_net_free(net);
}

static void close_stops(void **state)
{
    struct ice_net *net = connected_net(3);
    sq_ice_close(net->a.ice);
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_CLOSED);
    assert_int_equal(net->a.states[net->a.n_states - 1], SQ_ICE_CLOSED);
    uint64_t sent = net->a.sent;
    ice_net_run(net, net->now_ns + 100 * SEC, NULL);
    assert_int_equal(net->a.sent, sent);
    assert_int_equal(sq_ice_get_state(net->b.ice), SQ_ICE_FAILED);
    assert_int_equal(sq_ice_gather(net->a.ice, net->now_ns), SQ_ERR_STATE);
    assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), SQ_ERR_STATE);
    ice_net_free(net);
}

/* ---- Restart ---- */

static bool talks_and_not_done(const struct ice_net *net)
{
    assert_true(ice_net_talks(net->a.net));
    return ice_both_completed(net);
}

static void restart_keeps_the_path(void **state)
{
    struct ice_net *net = connected_net(4);
    char old_ufrag[16];
    snprintf(old_ufrag, sizeof(old_ufrag), "%s", sq_ice_ufrag(net->a.ice));
    assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), 0);
    assert_string_not_equal(sq_ice_ufrag(net->a.ice), old_ufrag);
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_CONNECTED);
    assert_int_equal(sq_ice_pair_count(net->a.ice), 0);
    struct sq_ice_pair_stats s;
    struct sq_ice_candidate local;
    assert_int_equal(sq_ice_selected_stats(net->a.ice, &s, &local, NULL), 0);
    assert_true(s.selected && s.requests_sent > 0);
    /* The answer takes a while: consent goes on, under the old credentials, on both sides. */
    for (int i = 0; i < 60; i++) {
        ice_net_run(net, net->now_ns + SEC, NULL);
        assert_true(ice_net_talks(net));
    }
    assert_int_equal(net->a.consent_lost + net->b.consent_lost, 0);
    assert_int_equal(sq_ice_restart(net->b.ice, net->now_ns, NULL, NULL), 0);
    assert_int_equal(ice_net_join(net), 0);
    assert_true(ice_net_run(net, net->now_ns + 5 * SEC, talks_and_not_done));
    assert_int_equal(sq_ice_selected_stats(net->a.ice, &s, NULL, NULL), 0);
    assert_true(s.nominated);
    assert_true(sq_ice_pair_count(net->a.ice) > 0);
    for (int i = 0; i < 60; i++) {
        ice_net_run(net, net->now_ns + SEC, NULL);
        assert_true(ice_net_talks(net));
    }
    assert_true(ice_both_completed(net));
    ice_net_free(net);
}

static bool block_first(const struct ice_net *net, const struct sq_addr *from,
                        const struct sq_addr *to)
{
    return sq_addr_equal(from, &net->a.base[0]) || sq_addr_equal(to, &net->a.base[0]);
}

/* The path is dead: consent of the old pair is lost while the new generation is still at it. */
static void restart_after_the_path_died(void **state)
{
    struct ice_net *net = connected_net(5);
    net->blocked = block_first;
    ice_net_run(net, net->now_ns + 20 * SEC, NULL);
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_DISCONNECTED);
    assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), 0);
    assert_int_equal(sq_ice_restart(net->b.ice, net->now_ns, NULL, NULL), 0);
    assert_int_equal(ice_net_join(net), 0);
    assert_true(ice_net_run(net, net->now_ns + 5 * SEC, ice_both_completed));
    int base;
    struct sq_addr remote;
    assert_true(sq_ice_selected(net->a.ice, &base, &remote));
    assert_int_equal(base, 1);
    ice_net_free(net);
}

static void restart_after_failure(void **state)
{
    struct ice_net *net = connected_net(6);
    net->loss = 1;
    assert_true(ice_net_run(net, net->now_ns + 40 * SEC, ice_both_failed));
    net->loss = 0;
    for (int i = 0; i < 3; i++) { /* also twice and thrice before anything comes of it */
        assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), 0);
    }
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_NEW);
    assert_int_equal(sq_ice_restart(net->b.ice, net->now_ns, "abcd", NULL), 0);
    assert_string_equal(sq_ice_ufrag(net->b.ice), "abcd");
    assert_int_equal(ice_net_join(net), 0);
    assert_true(ice_net_run(net, net->now_ns + 5 * SEC, ice_both_completed));
    ice_net_free(net);
}

/* Consent is lost while the offer of a restart is out: the answer brings both back. */
static void failure_within_a_restart(void **state)
{
    struct ice_net *net = connected_net(8);
    assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), 0);
    assert_int_equal(sq_ice_gather(net->a.ice, net->now_ns), 0);
    net->loss = 1;
    assert_true(ice_net_run(net, net->now_ns + 40 * SEC, ice_both_failed));
    net->loss = 0;
    assert_int_equal(sq_ice_restart(net->b.ice, net->now_ns, NULL, NULL), 0);
    struct sq_ice *a = net->a.ice, *b = net->b.ice;
    assert_int_equal(sq_ice_set_remote(b, net->now_ns, sq_ice_ufrag(a), sq_ice_pwd(a), false), 0);
    assert_int_equal(sq_ice_gather(b, net->now_ns), 0);
    assert_int_equal(sq_ice_set_remote(a, net->now_ns, sq_ice_ufrag(b), sq_ice_pwd(b), false), 0);
    assert_int_equal(sq_ice_get_state(a), SQ_ICE_CHECKING);
    for (size_t i = 0; i < sq_ice_local_count(a); i++) { /* those of a were told long ago */
        struct sq_ice_candidate c = *sq_ice_local(a, i);
        assert_int_equal(sq_ice_add_remote(b, net->now_ns, &c), 0);
    }
    assert_true(ice_net_run(net, net->now_ns + 5 * SEC, ice_both_completed));
    ice_net_free(net);
}

/* A restart that never gets an answer leaves the pair alone; when that dies, checking goes on. */
static void restart_without_answer(void **state)
{
    struct ice_net *net = connected_net(7);
    assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), 0);
    assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), 0);
    assert_int_equal(sq_ice_gather(net->a.ice, net->now_ns), 0);
    assert_int_equal(
        sq_ice_set_remote(net->a.ice, net->now_ns, "abcd", "passwordpasswordpassword", false), 0);
    ice_net_run(net, net->now_ns + 100 * SEC, NULL);
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_CONNECTED);
    assert_true(ice_net_talks(net));
    net->loss = 1;
    ice_net_run(net, net->now_ns + 31 * SEC, NULL);
    assert_int_equal(net->a.consent_lost, 1);
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_FAILED);
    ice_net_free(net);
}

/* ---- Odd peers ---- */

/* RFC 5245's aggressive nomination: USE-CANDIDATE on every pair; the best one counts. And a browser
 * that changes its mind to a lesser pair, and stops nominating the one before. */
static void aggressive_peer(bool lite)
{
    struct puppet p;
    struct sq_addr low = ice_addr("10.0.0.2", 1), high = ice_addr("10.0.0.3", 1);
    puppet_start(&p, false, lite, NULL);
    assert_int_equal(puppet_check(&p, &low, 1000, PUPPET_USE), 0);
    puppet_run(&p, p.now_ns + SEC / 5);
    assert_true(puppet_selected(&p, &low));
    assert_int_equal(sq_ice_get_state(p.ice), SQ_ICE_COMPLETED);
    assert_int_equal(puppet_check(&p, &high, 2000, PUPPET_USE), 0);
    puppet_run(&p, p.now_ns + SEC / 5);
    assert_true(puppet_selected(&p, &high));
    assert_int_equal(puppet_check(&p, &low, 1000, PUPPET_USE), 0);
    puppet_run(&p, p.now_ns + SEC / 5);
    assert_true(puppet_selected(&p, &high));
    /* The change of mind. */
    assert_int_equal(puppet_check(&p, &high, 2000, 0), 0);
    assert_int_equal(puppet_check(&p, &low, 1000, PUPPET_USE), 0);
    puppet_run(&p, p.now_ns + SEC / 5);
    assert_true(puppet_selected(&p, &low));
    sq_ice_destroy(p.ice);
}

static void nominated_more_than_once(void **state)
{
    aggressive_peer(false);
    aggressive_peer(true);
}

static void refusals(void **state)
{
    struct puppet p;
    struct sq_addr from = ice_addr("10.0.0.2", 1);
    puppet_start(&p, true, false, NULL);
    assert_int_equal(puppet_check(&p, &from, 1, PUPPET_NO_USER), SQ_ERR_AUTH);
    assert_int_equal(p.error, 400);
    assert_int_equal(puppet_check(&p, &from, 1, PUPPET_NO_INTEGRITY), SQ_ERR_AUTH);
    assert_int_equal(p.error, 400);
    assert_int_equal(puppet_check(&p, &from, 1, PUPPET_STRANGE_ATTR | PUPPET_CONTROLLED),
                     SQ_ERR_UNSUPPORTED);
    assert_int_equal(p.error, 420);
    assert_int_equal(sq_ice_remote_count(p.ice), 0);
    /* Both controlling: the greater tie-breaker stays so (RFC 8445, section 7.3.1.1). */
    assert_int_equal(puppet_check(&p, &from, 1, 0), 0);
    assert_int_equal(p.error, 487);
    assert_true(sq_ice_controlling(p.ice));
    assert_int_equal(p.successes, 0);
    assert_int_equal(puppet_check(&p, &from, 1, PUPPET_WIN), 0);
    assert_false(sq_ice_controlling(p.ice));
    assert_int_equal(p.successes, 1);
    assert_int_equal(sq_ice_remote_count(p.ice), 1);
    /* Now both controlled: the lesser one is refused, and we take control from it. */
    p.error = 0;
    assert_int_equal(puppet_check(&p, &from, 1, PUPPET_CONTROLLED | PUPPET_WIN), 0);
    assert_int_equal(p.error, 487);
    assert_false(sq_ice_controlling(p.ice));
    assert_int_equal(puppet_check(&p, &from, 1, PUPPET_CONTROLLED), 0);
    assert_true(sq_ice_controlling(p.ice));
    sq_ice_destroy(p.ice);
}

/* RFC 8445, section 7.2.5.2.1: an answer must come from where the check went. */
static void answer_from_elsewhere(void **state)
{
    struct puppet p;
    puppet_start(&p, true, false, NULL);
    p.answer_from = ice_addr("10.0.0.66", 6);
    assert_int_equal(sq_ice_add_remote_line(p.ice, p.now_ns,
                                            sq_view_of("candidate:1 1 udp 9 10.0.0.2 5 typ host")),
                     0);
    puppet_run(&p, p.now_ns + SEC);
    struct sq_ice_pair_stats s;
    assert_int_equal(sq_ice_pair_stats(p.ice, 0, &s), 0);
    assert_int_equal(s.state, SQ_ICE_PAIR_FAILED);
    assert_int_equal(sq_ice_get_state(p.ice), SQ_ICE_CHECKING);
    sq_ice_destroy(p.ice);
}

static void keeps_the_best_pairs(bool rising)
{
    struct ice_net *net = ice_net_new(8);
    struct sq_ice_config c;
    sq_ice_config_init(&c, &net->rand);
    c.max_pairs = 10;
    assert_int_equal(ice_end_start(&net->a, &c, "10.0.0.1", "10.0.1.1"), 0);
    assert_int_equal(sq_ice_gather(net->a.ice, net->now_ns), 0);
    struct sq_ice_candidate cand;
    memset(&cand, 0, sizeof(cand));
    cand.component = 1;
    cand.foundation[0] = '1';
    int full = 0;
    for (unsigned i = 0; i < 100; i++) {
        cand.addr = ice_addr("10.0.0.2", (uint16_t)(1000 + i));
        cand.priority = rising ? 1000 + i : 2000 - i;
        full += sq_ice_add_remote(net->a.ice, net->now_ns, &cand) == SQ_ERR_NOMEM;
    }
    assert_int_equal(full, 100 - SQ_ICE_REMOTE_MAX);
    assert_int_equal(sq_ice_remote_count(net->a.ice), SQ_ICE_REMOTE_MAX);
    assert_int_equal(sq_ice_pair_count(net->a.ice), 10);
    for (size_t i = 0; i < 10; i++) { /* the best are kept */
        struct sq_ice_pair_stats s;
        assert_int_equal(sq_ice_pair_stats(net->a.ice, i, &s), 0);
        uint32_t least = rising ? 1000 + SQ_ICE_REMOTE_MAX - 5 : 2000 - 4;
        assert_true(sq_ice_remote(net->a.ice, s.remote)->priority >= least);
    }
    ice_net_free(net);
}

static void pairs_have_a_maximum(void **state)
{
    keeps_the_best_pairs(true);
    keeps_the_best_pairs(false);
}

/* ---- Hostile input ---- */

struct picture { /* what must not change */
    enum sq_ice_state state;
    size_t locals, remotes, pairs;
    bool controlling, selected;
    int base;
    struct sq_addr remote;
    struct sq_ice_pair_stats pair[4];
};

static struct picture take(const struct sq_ice *ice)
{
    struct picture p;
    memset(&p, 0, sizeof(p));
    p.state = sq_ice_get_state(ice);
    p.locals = sq_ice_local_count(ice);
    p.remotes = sq_ice_remote_count(ice);
    p.pairs = sq_ice_pair_count(ice);
    p.controlling = sq_ice_controlling(ice);
    p.selected = sq_ice_selected(ice, &p.base, &p.remote);
    for (size_t i = 0; i < 4; i++) {
        struct sq_ice_pair_stats s;
        if (sq_ice_pair_stats(ice, i, &s) == 0) {
            p.pair[i] = s;
        }
    }
    return p;
}

struct attack {
    struct sq_rand rand;
    int forged;
};

static bool is_authentic(const struct sq_ice *ice, const struct sq_ice *sender, const uint8_t *buf,
                         size_t len)
{
    struct sq_stun_msg m;
    struct sq_stun_key key;
    if (sq_stun_parse(buf, len, &m)) {
        return false;
    }
    const char *pwd = sq_ice_pwd(m.cls == SQ_STUN_REQUEST ? ice : sender);
    sq_stun_key_init(&key, pwd, strlen(pwd));
    return sq_stun_check_integrity(&m, &key) == 0;
}

/* Each true datagram is preceded by mutated ones, from its true source and to its destination. */
static void attack_tap(struct ice_net *net, struct ice_packet *packet)
{
    struct attack *attack = net->tap_ctx;
    bool to_a = sq_addr_port(&packet->to) < 2000;
    struct ice_end *victim = to_a ? &net->a : &net->b;
    for (int i = 0; i < 30; i++) {
        size_t len = packet->len;
        uint8_t *copy = malloc(len);
        assert_non_null(copy);
        memcpy(copy, packet->bytes, len);
        for (uint32_t n = 1 + sq_rand_below(&attack->rand, 3); n > 0; n--) {
            copy[sq_rand_below(&attack->rand, (uint32_t)len)] = (uint8_t)sq_rand_u32(&attack->rand);
        }
        if (i == 0) {
            len = 20 + 4 * sq_rand_below(&attack->rand, (uint32_t)(len - 20) / 4);
            sq_store_u16(copy + 2, (uint16_t)(len - 20));
        }
        if (!is_authentic(victim->ice, victim->peer->ice, copy, len)) {
            struct picture before = take(victim->ice);
            uint64_t timeout = sq_ice_next_timeout(victim->ice);
            void (*tap)(struct ice_net *, struct ice_packet *) = net->tap;
            net->tap = NULL; /* error answers go out unharmed */
            for (int base = 0; base < victim->bases; base++) {
                (void)sq_ice_receive(victim->ice, net->now_ns, base, &packet->from, copy, len);
            }
            net->tap = tap;
            struct picture after = take(victim->ice);
            assert_memory_equal(&before, &after, sizeof(before));
            assert_int_equal(sq_ice_next_timeout(victim->ice), timeout);
            attack->forged++;
        }
        free(copy);
    }
}

static void forged_messages_change_nothing(void **state)
{
    struct attack attack = {.forged = 0};
    sq_rand_seed(&attack.rand, 666);
    for (uint64_t seed = 0; seed < 10; seed++) {
        struct ice_net *net = ice_net_new(seed);
        net->tap = attack_tap;
        net->tap_ctx = &attack;
        struct sq_ice_config c;
        sq_ice_config_init(&c, &net->rand);
        c.controlling = seed & 1; /* with conflicts */
        assert_int_equal(ice_end_start(&net->a, &c, "10.0.0.1", "10.0.1.1"), 0);
        assert_int_equal(ice_end_start(&net->b, &c, "10.0.0.2", NULL), 0);
        assert_int_equal(ice_net_join(net), 0);
        assert_true(ice_net_run(net, net->now_ns + 10 * SEC, ice_both_completed));
        ice_net_run(net, net->now_ns + 20 * SEC, NULL);
        assert_true(ice_both_completed(net));
        ice_net_free(net);
    }
    assert_true(attack.forged > 5000);
}

static void random_programs(void **state)
{
    struct sq_rand r;
    uint8_t data[600];
    sq_rand_seed(&r, 42);
    for (int round = 0; round < 3000; round++) {
        size_t len = sq_rand_below(&r, sizeof(data));
        for (size_t i = 0; i < len; i++) {
            data[i] = (uint8_t)sq_rand_u32(&r);
        }
        for (size_t i = 2; i < len; i += 2 + data[i]) {
            data[i] &= 31; /* short pieces, so that there are many */
        }
        ice_fuzz_agent(data, len);
        ice_fuzz_stun(data, len);
    }
}

/* ---- Memory ---- */

static void steady_memory(void **state)
{
    struct ice_net *net = connected_net(9);
    assert_true(sq_ice_memory_bytes(net->a.ice) <= 4096);
    assert_true(sq_ice_memory_bytes(net->b.ice) <= 4096);
    print_message("agent of 2 bases: %zu bytes, of 1 base: %zu bytes\n",
                  sq_ice_memory_bytes(net->a.ice), sq_ice_memory_bytes(net->b.ice));
    ice_net_free(net);
}

/* All that allocates, errors ignored. */
static void whole_life(struct ice_net *net)
{
    net->stun[0] = ice_addr("198.51.100.1", 3478);
    (void)!ice_end_start(&net->a, NULL, "10.0.0.1", "10.0.1.1");
    (void)!ice_end_start(&net->b, NULL, "10.0.0.2", NULL);
    if (!net->a.ice || !net->b.ice) {
        return;
    }
    (void)!ice_net_join(net);
    ice_net_run(net, net->now_ns + SEC, NULL);
    int err = sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL);
    err |= sq_ice_restart(net->b.ice, net->now_ns, NULL, NULL);
    if (!err) {
        (void)!ice_net_join(net);
    }
    ice_net_run(net, net->now_ns + 60 * SEC, NULL);
}

static void memory_runs_out(void **state)
{
    size_t n = 0, used;
    do {
        struct ice_net *net = ice_net_new(10);
        sq_mem_fail_at(++n);
        whole_life(net);
        used = sq_mem_count();
        sq_mem_fail_at(0);
        if (used < n) { /* none failed */
            assert_true(ice_both_completed(net));
        }
        ice_net_free(net);
    } while (used >= n);
    assert_true(n > 20);
}

/* A call that failed for want of memory can be made again. */
static void try_again(void **state)
{
    struct ice_net *net = ice_net_new(11);
    net->stun[0] = ice_addr("198.51.100.1", 3478);
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", "10.0.1.1"), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    sq_mem_fail_at(2);
    assert_int_equal(sq_ice_gather(net->a.ice, net->now_ns), SQ_ERR_NOMEM);
    sq_mem_fail_at(1);
    assert_int_equal(
        sq_ice_set_remote(net->a.ice, net->now_ns, "abcd", "passwordpasswordpassword", false),
        SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_NEW);
    assert_int_equal(ice_net_join(net), 0);
    assert_true(ice_net_run(net, net->now_ns + 10 * SEC, ice_both_completed));
    sq_mem_fail_at(1);
    assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), SQ_ERR_NOMEM);
    sq_mem_fail_at(3);
    assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    assert_true(ice_both_completed(net));
    ice_net_run(net, net->now_ns + 60 * SEC, NULL);
    assert_true(ice_both_completed(net));
    ice_net_free(net);
}

static void settings_out_of_range(void **state)
{
    struct sq_rand rand;
    struct sq_ice_config good, c;
    struct sq_ice *ice = NULL;
    sq_rand_seed(&rand, 1);
    sq_ice_config_init(&good, &rand);
    const struct sq_ice_callbacks *cb = ice_net_callbacks();
    c = good;
    c.rand = NULL;
    assert_int_equal(sq_ice_create(&c, cb, NULL, &ice), SQ_ERR_INVALID);
    c = good;
    c.max_pairs = 101;
    assert_int_equal(sq_ice_create(&c, cb, NULL, &ice), SQ_ERR_INVALID);
    c = good;
    c.ufrag = "abc";
    assert_int_equal(sq_ice_create(&c, cb, NULL, &ice), SQ_ERR_INVALID);
    c.ufrag = "ab:cd";
    assert_int_equal(sq_ice_create(&c, cb, NULL, &ice), SQ_ERR_INVALID);
    c = good;
    c.pwd = "tooshort";
    assert_int_equal(sq_ice_create(&c, cb, NULL, &ice), SQ_ERR_INVALID);
    assert_null(ice);
    assert_int_equal(sq_ice_create(&good, cb, NULL, &ice), 0);
    assert_int_equal(strlen(sq_ice_ufrag(ice)), 4);
    assert_int_equal(strlen(sq_ice_pwd(ice)), 24);
    struct sq_addr a = ice_addr("10.0.0.1", 1);
    assert_int_equal(sq_ice_add_base(ice, SQ_ICE_BASES_MAX, &a), SQ_ERR_INVALID);
    assert_int_equal(sq_ice_add_base(ice, -1, &a), SQ_ERR_INVALID);
    for (int i = 0; i < SQ_ICE_BASES_MAX; i++) {
        assert_int_equal(sq_ice_add_base(ice, i, &a), 0);
    }
    assert_int_equal(sq_ice_add_base(ice, 0, &a), SQ_ERR_INVALID);
    for (int i = 0; i < SQ_ICE_SERVERS_MAX; i++) {
        assert_int_equal(sq_ice_add_stun_server(ice, &a), 0);
    }
    assert_int_equal(sq_ice_add_stun_server(ice, &a), SQ_ERR_NOMEM);
    assert_int_equal(sq_ice_set_remote(ice, 1, "", "x", false), SQ_ERR_INVALID);
    sq_ice_destroy(ice);
    sq_ice_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(consent_rhythm),
        cmocka_unit_test(consent_is_asked_for),
        cmocka_unit_test(consent_outage),
        cmocka_unit_test(close_stops),
        cmocka_unit_test(restart_keeps_the_path),
        cmocka_unit_test(restart_after_the_path_died),
        cmocka_unit_test(restart_after_failure),
        cmocka_unit_test(failure_within_a_restart),
        cmocka_unit_test(restart_without_answer),
        cmocka_unit_test(nominated_more_than_once),
        cmocka_unit_test(refusals),
        cmocka_unit_test(answer_from_elsewhere),
        cmocka_unit_test(pairs_have_a_maximum),
        cmocka_unit_test(forged_messages_change_nothing),
        cmocka_unit_test(random_programs),
        cmocka_unit_test(steady_memory),
        cmocka_unit_test(memory_runs_out),
        cmocka_unit_test(try_again),
        cmocka_unit_test(settings_out_of_range),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
