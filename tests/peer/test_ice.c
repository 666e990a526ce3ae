/* Two ICE agents over a small network in virtual time: paths, roles, nomination, NATs, failure. */
#include "base/mem.h"
#include "peer/ice_net.h"
#include "peer/stun/stun.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC

static struct sq_ice_candidate selected_local(struct ice_end *end, struct sq_ice_pair_stats *stats,
                                              struct sq_ice_candidate *remote)
{
    struct sq_ice_candidate local;
    assert_int_equal(sq_ice_selected_stats(end->ice, stats, &local, remote), 0);
    return local;
}

static void connect_both(struct ice_net *net)
{
    assert_int_equal(ice_net_join(net), 0);
    assert_true(ice_net_run(net, net->now_ns + 10 * SEC, ice_both_completed));
    assert_true(ice_net_talks(net));
    assert_int_equal(net->overflow, 0);
}

/* ---- Paths ---- */

static void hosts(const char *a, const char *b)
{
    struct ice_net *net = ice_net_new(1);
    uint64_t start = net->now_ns;
    assert_int_equal(ice_end_start(&net->a, NULL, a, NULL), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, b, NULL), 0);
    connect_both(net);
    /* Signalling 30 ms, at most a pace of 50 ms, check and nomination 40 ms each. */
    assert_true(net->now_ns - start <= 250 * SQ_NS_PER_MS);
    const enum sq_ice_state story[] = {SQ_ICE_CHECKING, SQ_ICE_CONNECTED, SQ_ICE_COMPLETED};
    assert_int_equal(net->a.n_states, 3);
    assert_memory_equal(net->a.states, story, sizeof(story));
    assert_int_equal(net->b.n_states, 3);
    assert_memory_equal(net->b.states, story, sizeof(story));
    assert_int_equal(net->a.gathering_done, 1);
    assert_int_equal(net->a.candidates, 1);
    struct sq_ice_pair_stats s;
    struct sq_ice_candidate remote;
    struct sq_ice_candidate local = selected_local(&net->a, &s, &remote);
    assert_int_equal(local.type, SQ_ICE_HOST);
    assert_int_equal(remote.type, SQ_ICE_HOST);
    assert_true(s.nominated && s.selected);
    assert_int_equal(s.state, SQ_ICE_PAIR_SUCCEEDED);
    assert_int_equal(s.requests_sent, s.responses_received);
    assert_true(s.requests_sent >= 2 && s.responses_sent >= 1);
    assert_int_equal(s.responses_sent, s.requests_received);
    assert_int_equal(s.current_round_trip_ns, 40 * SQ_NS_PER_MS);
    assert_int_equal(s.total_round_trip_ns, s.round_trips * 40 * SQ_NS_PER_MS);
    /* Only the peer's address may send to us. */
    struct sq_addr other = ice_addr("10.9.9.9", 9);
    assert_false(sq_ice_may_receive(net->a.ice, 0, &other));
    assert_false(sq_ice_may_receive(net->a.ice, 1, &net->b.base[0]));
    assert_true(sq_ice_may_receive(net->a.ice, 0, &net->b.base[0]));
    ice_net_free(net);
}

static void host_to_host(void **state)
{
    hosts("10.0.0.1", "10.0.0.2");
    hosts("2001:db8::1", "2001:db8::2");
    hosts("fe80::1", "fe80::2");
}

/* IPv6 with IPv6 and IPv4 with IPv4, and no other pairs. */
static void families_do_not_mix(void **state)
{
    struct ice_net *net = ice_net_new(2);
    assert_int_equal(ice_end_start(&net->a, NULL, "2001:db8::1", "10.0.0.1"), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", "2001:db8::2"), 0);
    connect_both(net);
    assert_int_equal(sq_ice_pair_count(net->a.ice), 2);
    assert_int_equal(sq_ice_pair_count(net->b.ice), 2);
    ice_net_free(net);
}

static bool second_is_dead(const struct ice_net *net, const struct sq_addr *from,
                           const struct sq_addr *to)
{
    return sq_addr_equal(to, &net->stun[1]);
}

static void through_nats(bool filter, bool symmetric_b, uint8_t type_a, uint8_t type_b)
{
    struct ice_net *net = ice_net_new(3);
    net->stun[0] = ice_addr("198.51.100.1", 3478);
    net->stun[1] = ice_addr("198.51.100.2", 3478);
    net->filter = filter;
    net->a.nat_ip = "203.0.113.1";
    net->b.nat_ip = "203.0.113.2";
    net->b.symmetric = symmetric_b;
    assert_int_equal(ice_end_start(&net->a, NULL, "192.168.1.5", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "192.168.2.5", NULL), 0);
    connect_both(net);
    struct sq_ice_pair_stats s;
    struct sq_ice_candidate remote;
    assert_int_equal(selected_local(&net->a, &s, &remote).type, type_a);
    assert_int_equal(remote.type, type_b);
    /* Two servers see the same mapping: one candidate (RFC 8445, section 5.1.3). */
    assert_true(ice_net_run(net, net->now_ns + 10 * SEC, NULL) == false);
    assert_int_equal(net->a.candidates, 2);
    assert_int_equal(net->a.gathering_done, 1);
    assert_int_equal(net->b.gathering_done, 1);
    assert_true(ice_net_talks(net));
    ice_net_free(net);
}

/* One answers, one does not, one is of a family that no base has. */
static void servers_that_answer_and_that_do_not(void **state)
{
    (void)state;
    struct ice_net *net = ice_net_new(31);
    struct sq_addr other = ice_addr("2001:db8::9", 3478);
    net->stun[0] = ice_addr("198.51.100.1", 3478);
    net->stun[1] = ice_addr("198.51.100.2", 3478);
    net->blocked = second_is_dead;
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", "10.0.1.1"), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    assert_int_equal(sq_ice_add_stun_server(net->a.ice, &other), 0);
    const struct sq_ice *ice = net->a.ice;
    assert_int_equal(sq_ice_server_asked(ice, 0, net->now_ns), SQ_ICE_NOT_ASKED);
    uint64_t began_ns = net->now_ns;
    assert_int_equal(ice_net_join(net), 0);
    ice_net_run(net, began_ns + 900 * SQ_NS_PER_MS, NULL);
    assert_int_equal(sq_ice_server_asked(ice, 0, net->now_ns), SQ_ICE_ANSWERED);
    assert_int_equal(sq_ice_server_asked(ice, 1, net->now_ns), SQ_ICE_ASKED);
    ice_net_run(net, began_ns + 1500 * SQ_NS_PER_MS, NULL);
    assert_int_equal(sq_ice_server_asked(ice, 1, net->now_ns), SQ_ICE_UNANSWERED);
    /* Connected long ago, and the queries are forgotten: what came of them is not. */
    ice_net_run(net, began_ns + 60 * SEC, NULL);
    assert_true(ice_both_completed(net));
    assert_int_equal(sq_ice_server_asked(ice, 0, net->now_ns), SQ_ICE_ANSWERED);
    assert_int_equal(sq_ice_server_asked(ice, 1, net->now_ns), SQ_ICE_UNANSWERED);
    assert_int_equal(sq_ice_server_asked(ice, 2, net->now_ns), SQ_ICE_NOT_ASKED);
    assert_int_equal(sq_ice_server_asked(ice, 3, net->now_ns), SQ_ICE_NOT_ASKED);
    /* A late answer, to what a restart asks, is one all the same. */
    net->blocked = NULL;
    assert_int_equal(sq_ice_restart(net->a.ice, net->now_ns, NULL, NULL), 0);
    assert_int_equal(sq_ice_gather(net->a.ice, net->now_ns), 0);
    ice_net_run(net, net->now_ns + SEC, NULL);
    assert_int_equal(sq_ice_server_asked(ice, 1, net->now_ns), SQ_ICE_ANSWERED);
    ice_net_free(net);
}

/* A candidate that comes when nothing has been sent for long: its check is due now. Due when the
 * pace would have allowed it, it would count as a late timer. */
static void what_comes_late_is_due_now(void **state)
{
    (void)state;
    struct ice_net *net = ice_net_new(32);
    struct sq_ice_candidate c;
    memset(&c, 0, sizeof(c));
    c.type = SQ_ICE_HOST;
    c.component = 1;
    c.priority = 1000;
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", NULL), 0);
    struct sq_ice *ice = net->a.ice;
    assert_int_equal(sq_ice_gather(ice, net->now_ns), 0);
    assert_int_equal(sq_ice_set_remote(ice, net->now_ns, "abcd", "passwordpasswordpassword", false),
                     0);
    for (uint16_t i = 0; i < 2; i++) {
        c.addr = ice_addr("10.0.0.2", (uint16_t)(5000 + i));
        c.foundation[0] = (char)('1' + i);
        net->now_ns += 300 * SQ_NS_PER_MS; /* Ta is 50 ms, and an answer may take 500 */
        assert_int_equal(sq_ice_add_remote(ice, net->now_ns, &c), 0);
        assert_int_equal(sq_ice_next_timeout(ice), net->now_ns);
        sq_ice_on_timeout(ice, net->now_ns);
        assert_int_equal(net->a.sent, i + 1);
    }
    ice_net_free(net);
}

static void server_reflexive(void **state)
{
    through_nats(false, false, SQ_ICE_SRFLX, SQ_ICE_SRFLX);
    through_nats(true, false, SQ_ICE_SRFLX, SQ_ICE_SRFLX);
}

/* A symmetric NAT shows the peer an address that nobody told: peer-reflexive on its side. A's own
 * filter must let it in, so A's does not filter. */
static void peer_reflexive(void **state)
{
    through_nats(false, true, SQ_ICE_SRFLX, SQ_ICE_PRFLX);
}

/* Only one side signals candidates: the other finds it by its checks, on both ends. */
static void one_sided_signalling(void **state)
{
    struct ice_net *net = ice_net_new(4);
    net->a.nat_ip = "203.0.113.1";
    net->a.deaf = true;
    assert_int_equal(ice_end_start(&net->a, NULL, "192.168.1.5", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "198.51.100.9", NULL), 0);
    connect_both(net);
    struct sq_ice_pair_stats s;
    struct sq_ice_candidate remote;
    assert_int_equal(selected_local(&net->b, &s, &remote).type, SQ_ICE_HOST);
    assert_int_equal(remote.type, SQ_ICE_PRFLX);
    assert_int_equal(selected_local(&net->a, &s, &remote).type, SQ_ICE_PRFLX);
    assert_int_equal(remote.type, SQ_ICE_HOST);
    /* Peer-reflexive candidates are not signalled (RFC 8445, section 7.2.5.3.1). */
    assert_int_equal(net->a.candidates, 1);
    ice_net_free(net);
}

static void gathering_ends_without_answer(void **state)
{
    struct ice_net *net = ice_net_new(5);
    net->stun[0] = ice_addr("198.51.100.1", 3478);
    struct sq_ice_config c;
    sq_ice_config_init(&c, &net->rand);
    assert_int_equal(ice_end_start(&net->a, &c, "10.0.0.1", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, &c, "10.0.0.2", NULL), 0);
    net->loss = 1;
    uint64_t start = net->now_ns;
    assert_int_equal(sq_ice_gather(net->a.ice, net->now_ns), 0);
    assert_int_equal(sq_ice_gather(net->a.ice, net->now_ns), SQ_ERR_STATE);
    ice_net_run(net, start + 4999 * SQ_NS_PER_MS, NULL);
    assert_int_equal(net->a.gathering_done, 0);
    assert_int_equal(net->a.sent, 4); /* at 0, 0.5, 1.5, 3.5 s: RFC 8489, section 6.2.1 */
    ice_net_run(net, start + 5000 * SQ_NS_PER_MS, NULL);
    assert_int_equal(net->a.gathering_done, 1);
    assert_true(sq_ice_gathering_is_done(net->a.ice));
    ice_net_run(net, start + 100 * SEC, NULL);
    assert_int_equal(net->a.sent, 4);
    ice_net_free(net);
}

/* A binding in a NAT is kept open while the peer makes up its mind. */
static void reflexive_keepalive(void **state)
{
    struct ice_net *net = ice_net_new(6);
    net->stun[0] = ice_addr("198.51.100.1", 3478);
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    net->a.nat_ip = "203.0.113.1";
    assert_int_equal(sq_ice_gather(net->a.ice, net->now_ns), 0);
    ice_net_run(net, net->now_ns + 61 * SEC, NULL);
    assert_int_equal(net->a.candidates, 2);
    assert_int_equal(net->a.sent, 1 + 4); /* the request, then every 15 s */
    ice_net_free(net);
}

/* ---- Order of things ---- */

static void late_candidates(void **state)
{
    struct ice_net *net = ice_net_new(7);
    net->a.deaf = net->b.deaf = true;
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    assert_int_equal(ice_net_join(net), 0);
    ice_net_run(net, net->now_ns + 39 * SEC, NULL);
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_CHECKING);
    struct sq_ice_candidate late;
    memcpy(&late, sq_ice_local(net->b.ice, 0), sizeof(late));
    assert_int_equal(sq_ice_add_remote(net->a.ice, net->now_ns, &late), 0);
    assert_true(ice_net_run(net, net->now_ns + SEC, ice_both_completed));
    ice_net_free(net);
}

/* Checks that come in before the credentials of the peer are known are answered, and made up for.
 */
static void checks_before_the_answer(void **state)
{
    struct ice_net *net = ice_net_new(8);
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    struct sq_ice *a = net->a.ice;
    struct sq_ice *b = net->b.ice;
    net->b.deaf = true;
    assert_int_equal(sq_ice_gather(a, net->now_ns), 0);
    assert_int_equal(sq_ice_gather(b, net->now_ns), 0);
    assert_int_equal(sq_ice_set_remote(b, net->now_ns, sq_ice_ufrag(a), sq_ice_pwd(a), false), 0);
    ice_net_run(net, net->now_ns + 2 * SEC, NULL);
    assert_int_equal(sq_ice_get_state(b), SQ_ICE_CONNECTED); /* a answered */
    assert_int_equal(sq_ice_get_state(a), SQ_ICE_NEW);
    assert_int_equal(sq_ice_set_remote(a, net->now_ns, sq_ice_ufrag(b), sq_ice_pwd(b), false), 0);
    assert_true(ice_net_run(net, net->now_ns + SEC, ice_both_completed));
    ice_net_free(net);
}

static bool block_best(const struct ice_net *net, const struct sq_addr *from,
                       const struct sq_addr *to)
{
    return sq_addr_equal(from, &net->a.base[0]) || sq_addr_equal(to, &net->a.base[0]);
}

/* Data may go as soon as a pair is valid (RFC 8445, section 12), here long before the nomination,
 * which waits for a better pair that never answers. */
static void data_before_nomination(void **state)
{
    struct ice_net *net = ice_net_new(9);
    struct sq_ice_config c;
    sq_ice_config_init(&c, &net->rand);
    c.controlling = true;
    c.nomination_wait_ms = 3000;
    assert_int_equal(ice_end_start(&net->a, &c, "10.0.0.1", "10.0.1.1"), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    net->blocked = block_best;
    uint64_t start = net->now_ns;
    assert_int_equal(ice_net_join(net), 0);
    ice_net_run(net, net->now_ns + SEC, NULL);
    assert_int_equal(sq_ice_get_state(net->a.ice), SQ_ICE_CONNECTED);
    assert_int_equal(sq_ice_get_state(net->b.ice), SQ_ICE_CONNECTED);
    assert_true(ice_net_talks(net));
    assert_true(ice_net_run(net, net->now_ns + 5 * SEC, ice_both_completed));
    assert_true(net->now_ns - start >= 3 * SEC);
    ice_net_free(net);
}

/* The best pair is dead: after its patience the controlling side takes what works. */
static void blocked_path(void **state)
{
    struct ice_net *net = ice_net_new(10);
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", "10.0.1.1"), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    net->blocked = block_best;
    uint64_t start = net->now_ns;
    connect_both(net);
    assert_true(net->now_ns - start < 600 * SQ_NS_PER_MS);
    assert_true(net->now_ns - start > 200 * SQ_NS_PER_MS);
    int base;
    struct sq_addr remote;
    assert_true(sq_ice_selected(net->a.ice, &base, &remote));
    assert_int_equal(base, 1);
    ice_net_free(net);
}

static void heavy_loss(void **state)
{
    int connected = 0;
    for (uint64_t seed = 0; seed < 60; seed++) {
        struct ice_net *net = ice_net_new(100 + seed);
        net->stun[0] = ice_addr("198.51.100.1", 3478);
        net->loss = 0.3;
        net->jitter_ns = 30 * SQ_NS_PER_MS; /* which also reorders */
        net->a.nat_ip = "203.0.113.1";
        assert_int_equal(ice_end_start(&net->a, NULL, "192.168.1.5", NULL), 0);
        assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
        assert_int_equal(ice_net_join(net), 0);
        if (ice_net_run(net, net->now_ns + 39 * SEC, ice_both_completed)) {
            assert_true(ice_net_talks(net));
            connected++;
        }
        ice_net_free(net);
    }
    assert_int_equal(connected, 60);
}

/* ---- Roles ---- */

static void role_conflict(bool both)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct ice_net *net = ice_net_new(200 + seed);
        struct sq_ice_config c;
        sq_ice_config_init(&c, &net->rand);
        c.controlling = both;
        assert_int_equal(ice_end_start(&net->a, &c, "10.0.0.1", NULL), 0);
        assert_int_equal(ice_end_start(&net->b, &c, "10.0.0.2", NULL), 0);
        connect_both(net);
        assert_true(sq_ice_controlling(net->a.ice) != sq_ice_controlling(net->b.ice));
        assert_int_equal(sq_ice_set_controlling(net->a.ice, !sq_ice_controlling(net->a.ice)),
                         SQ_ERR_STATE);
        ice_net_free(net);
    }
}

static void both_controlling(void **state)
{
    role_conflict(true);
}

static void both_controlled(void **state)
{
    role_conflict(false);
}

/* ---- Lite ---- */

/* A full agent offers to a lite one; whatever role it was given, it controls. */
static void with_lite(bool full_controlling)
{
    struct ice_net *net = ice_net_new(11);
    struct sq_ice_config full, lite;
    sq_ice_config_init(&full, &net->rand);
    full.controlling = full_controlling;
    sq_ice_config_init(&lite, &net->rand);
    lite.lite = true;
    net->a.nat_ip = "203.0.113.1";
    net->filter = true;
    assert_int_equal(ice_end_start(&net->a, &full, "192.168.1.5", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, &lite, "198.51.100.5", NULL), 0);
    struct sq_ice *a = net->a.ice;
    struct sq_ice *b = net->b.ice;
    assert_int_equal(sq_ice_set_remote(a, net->now_ns, sq_ice_ufrag(b), sq_ice_pwd(b), true), 0);
    assert_int_equal(sq_ice_set_remote(b, net->now_ns, sq_ice_ufrag(a), sq_ice_pwd(a), false), 0);
    assert_int_equal(sq_ice_gather(a, net->now_ns), 0);
    assert_int_equal(sq_ice_gather(b, net->now_ns), 0);
    assert_true(sq_ice_controlling(a));
    assert_true(ice_net_run(net, net->now_ns + 2 * SEC, ice_both_completed));
    assert_true(ice_net_talks(net));
    struct sq_ice_pair_stats s;
    assert_int_equal(sq_ice_selected_stats(b, &s, NULL, NULL), 0);
    assert_int_equal(s.requests_sent, 0); /* a lite agent never checks */
    /* It holds, and the lite side sees it when the other one goes. */
    ice_net_run(net, net->now_ns + 60 * SEC, NULL);
    assert_true(ice_both_completed(net));
    net->loss = 1;
    uint64_t cut = net->now_ns;
    ice_net_run(net, net->now_ns + 60 * SEC, NULL);
    assert_int_equal(sq_ice_get_state(b), SQ_ICE_FAILED);
    assert_int_equal(net->b.consent_lost, 1);
    assert_true(net->b.state_at_ns[SQ_ICE_DISCONNECTED] > cut + 6 * SEC);
    assert_true(net->b.state_at_ns[SQ_ICE_FAILED] >= cut + 23 * SEC);
    assert_true(net->b.state_at_ns[SQ_ICE_FAILED] <= cut + 31 * SEC);
    ice_net_free(net);
}

static void lite_side(void **state)
{
    with_lite(true);
    with_lite(false);
}

/* ---- Failure ---- */

static void no_answer(void **state)
{
    struct ice_net *net = ice_net_new(12);
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    net->loss = 1;
    uint64_t start = net->now_ns;
    assert_int_equal(ice_net_join(net), 0);
    assert_true(ice_net_run(net, net->now_ns + 100 * SEC, ice_both_failed));
    /* 79 RTO of 500 ms after the first check, which waits for signalling: 39.53 s. */
    uint64_t took = net->now_ns - start;
    assert_true(took >= 39500 * SQ_NS_PER_MS && took <= 39700 * SQ_NS_PER_MS);
    assert_int_equal(net->a.sent, 7);
    assert_int_equal(sq_ice_next_timeout(net->a.ice), SQ_NEVER);
    int base;
    struct sq_addr remote;
    assert_false(sq_ice_selected(net->a.ice, &base, &remote));
    ice_net_free(net);
}

static void configured_limit(void **state)
{
    struct ice_net *net = ice_net_new(13);
    struct sq_ice_config c;
    sq_ice_config_init(&c, &net->rand);
    c.check_timeout_ms = 8000;
    assert_int_equal(ice_end_start(&net->a, &c, "10.0.0.1", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, &c, "10.0.0.2", NULL), 0);
    net->loss = 1;
    uint64_t start = net->now_ns;
    assert_int_equal(ice_net_join(net), 0);
    assert_true(ice_net_run(net, net->now_ns + 100 * SEC, ice_both_failed));
    assert_int_equal(net->now_ns - start, 8 * SEC);
    ice_net_free(net);
}

/* No candidate at all ever comes: RFC 8863's patience, then failed. */
static void nothing_to_check(void **state)
{
    struct ice_net *net = ice_net_new(14);
    net->a.deaf = net->b.deaf = true;
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    uint64_t start = net->now_ns;
    assert_int_equal(ice_net_join(net), 0);
    assert_true(ice_net_run(net, net->now_ns + 100 * SEC, ice_both_failed));
    assert_int_equal(net->now_ns - start, 39500 * SQ_NS_PER_MS);
    ice_net_free(net);
}

static void wrong_password(void **state)
{
    struct ice_net *net = ice_net_new(15);
    assert_int_equal(ice_end_start(&net->a, NULL, "10.0.0.1", NULL), 0);
    assert_int_equal(ice_end_start(&net->b, NULL, "10.0.0.2", NULL), 0);
    struct sq_ice *a = net->a.ice;
    struct sq_ice *b = net->b.ice;
    const char *wrong = "wrongwrongwrongwrongwrong";
    assert_int_equal(sq_ice_set_remote(a, net->now_ns, sq_ice_ufrag(b), wrong, false), 0);
    assert_int_equal(sq_ice_set_remote(b, net->now_ns, sq_ice_ufrag(a), wrong, false), 0);
    assert_int_equal(sq_ice_gather(a, net->now_ns), 0);
    assert_int_equal(sq_ice_gather(b, net->now_ns), 0);
    assert_true(ice_net_run(net, net->now_ns + 60 * SEC, ice_both_failed));
    assert_true(net->a.rejected > 0 && net->b.rejected > 0);
    assert_int_equal(net->a.selections, 0);
    ice_net_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(host_to_host),
        cmocka_unit_test(families_do_not_mix),
        cmocka_unit_test(servers_that_answer_and_that_do_not),
        cmocka_unit_test(what_comes_late_is_due_now),
        cmocka_unit_test(server_reflexive),
        cmocka_unit_test(peer_reflexive),
        cmocka_unit_test(one_sided_signalling),
        cmocka_unit_test(gathering_ends_without_answer),
        cmocka_unit_test(reflexive_keepalive),
        cmocka_unit_test(late_candidates),
        cmocka_unit_test(checks_before_the_answer),
        cmocka_unit_test(data_before_nomination),
        cmocka_unit_test(blocked_path),
        cmocka_unit_test(heavy_loss),
        cmocka_unit_test(both_controlling),
        cmocka_unit_test(both_controlled),
        cmocka_unit_test(lite_side),
        cmocka_unit_test(no_answer),
        cmocka_unit_test(configured_limit),
        cmocka_unit_test(nothing_to_check),
        cmocka_unit_test(wrong_password),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
