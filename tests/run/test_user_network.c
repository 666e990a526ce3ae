/* Users whose network changes: when, on which clock, and that it is told. */
#include "run/rig.h"
#include "run/shard_bench.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void in_network(struct bench *b, const char *text)
{
    char why[200] = "";
    bench_make(b, NULL);
    if (sq_plan_add_network(&b->plan.groups[0], text, text, 1, why, sizeof(why)) != 0) {
        fail_msg("%s", why);
    }
    b->plan.peers = 2;
    b->plan.rate_per_s = 2; /* the second comes half a second later */
    b->plan.duration_ns = 1600 * MS;
    b->plan.dumps = 2;
    bench_start(b);
    bench_finish(b);
    assert_int_equal(b->result->trace_count, 2);
}

/* The story of user `index` says that at that time of the run, to within what a busy machine is
 * late. */
static void assert_told(const struct bench *b, unsigned index, double at_ms, const char *value)
{
    for (size_t i = 0; i < b->result->trace_count; i++) {
        const struct sq_peer_trace *t = &b->result->traces[i];
        if (bench_index_of(&b->result->peers[t->peer]) != index) {
            continue;
        }
        for (size_t k = 0; k < t->event_count; k++) {
            const struct sq_trace_event *e = &t->events[k];
            if (strcmp(e->type, "network") == 0 && strcmp(e->value, value) == 0) {
                assert_true(e->t_ms >= at_ms && e->t_ms < at_ms + 300);
                return;
            }
        }
    }
    fail_msg("user %u is not told of '%s'", index, value);
}

static void each_has_its_own_clock(void **state)
{
    (void)state;
    struct bench b;
    in_network(&b, "delay=1ms, 300ms: delay=3ms, 600ms: down 200ms");
    for (unsigned i = 0; i < 2; i++) {
        assert_told(&b, i, 500.0 * i, "delay=1ms, 300ms: delay=3ms, 600ms: down 200ms");
        assert_told(&b, i, 500.0 * i + 300, "delay=3ms");
        assert_told(&b, i, 500.0 * i + 600, "down 200ms");
        assert_told(&b, i, 500.0 * i + 800, "up");
    }
    /* A fifth of a second of fifty packets a second, each way. */
    const struct sq_peer_row *p = &b.result->peers[0];
    assert_true(p->flow[SQ_FLOW_AUDIO_IN].lost >= 9);
    /* By RTP's own numbers: what is missing was lost on the one's way up or the other's down. */
    for (int i = 0; i < 2; i++) {
        const struct sq_peer_row *in = &b.result->peers[i];
        const struct sq_peer_row *out = &b.result->peers[!i];
        assert_true((int64_t)(in->link_down_lost + out->link_up_lost) >=
                    in->flow[SQ_FLOW_AUDIO_IN].lost);
        assert_true(in->link_down_lost >= 9 && in->link_down_lost < in->link_down);
        assert_true(in->link_up > in->flow[SQ_FLOW_AUDIO_OUT].packets);
    }
    bench_free(&b);
}

/* Who comes later finds what holds by then. */
static void all_may_have_the_runs(void **state)
{
    (void)state;
    struct bench b;
    in_network(&b, "delay=1ms, run 250ms: delay=3ms, run 900ms: delay=2ms");
    assert_told(&b, 0, 250, "delay=3ms");
    assert_told(&b, 1, 500, "delay=3ms");
    for (unsigned i = 0; i < 2; i++) {
        assert_told(&b, i, 900, "delay=2ms");
    }
    bench_free(&b);
}

static void a_course_goes_round(void **state)
{
    (void)state;
    struct bench b;
    in_network(&b, "delay=1ms, 400ms: delay=3ms, 700ms: again");
    assert_told(&b, 0, 400, "delay=3ms");
    assert_told(&b, 0, 700, "again");
    assert_int_equal(b.result->peers[0].link_up_lost + b.result->peers[0].link_down_lost, 0);
    bench_free(&b);
}

/* ---- Whose fault it is ---- */

static void fails_in(struct bench *b, const char *text, enum fake_how (*how)(uint64_t index))
{
    char why[200] = "";
    bench_make(b, how);
    assert_int_equal(sq_plan_add_network(&b->plan.groups[0], text, text, 1, why, sizeof(why)), 0);
    b->plan.peers = 2;
    b->plan.rate_per_s = 50;
    b->plan.duration_ns = 1500 * MS;
    b->plan.connect_timeout_ns = 700 * MS;
    bench_start(b);
    bench_finish(b);
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text);
    return n >= strlen(end) && strcmp(text + n - strlen(end), end) == 0;
}

/* Who fails by its own network is told that, in its row and in the reason of the run: nobody
 * looks for it at the server. */
static void its_own_network_is_to_blame(void **state)
{
    static const struct {
        const char *network, *fault;
    } cases[] = {
        {"UDP blocked", "; its own network, UDP blocked, lets no UDP out"},
        {"HTTPS only", "; its own network, HTTPS only, lets no UDP out"},
        {"wifi, 1ms: down", "; its own network, down, is down"},
        {"100packet", "; its own network, 100packet, lost 100 % of what it sent and 100 % of what "
                      "came"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bench b;
        fails_in(&b, cases[i].network, NULL);
        const struct sq_result *r = b.result;
        assert_int_equal(r->counts.failed, 2);
        assert_int_equal(r->failures[SQ_FAILURE_ICE].count, 2);
        if (strcmp(cases[i].network, "100packet") == 0) {
            assert_true(r->peers[0].link_up > 0 && r->peers[0].link_down > 0);
            assert_int_equal(r->peers[0].link_up_lost, r->peers[0].link_up);
            assert_int_equal(r->peers[0].link_down_lost, r->peers[0].link_down);
        }
        if (!ends_with(r->peers[0].message, cases[i].fault)) {
            fail_msg("%s: %s", cases[i].network, r->peers[0].message);
        }
        assert_int_equal(sq_verdict(b.result), 3);
        assert_non_null(strstr(r->verdict_reason, cases[i].fault));
        bench_free(&b);
    }
}

/* Nothing is lost, and nothing is through in time. */
static void a_slow_network_is_named(void **state)
{
    struct bench b;
    (void)state;
    fails_in(&b, "gprs", NULL);
    assert_int_equal(b.result->failures[SQ_FAILURE_ICE].count, 2);
    if (!ends_with(b.result->peers[0].message,
                   "; its own network, gprs, is slow: 20 kbit/s up, 80 kbit/s down, 1300 ms there "
                   "and back")) {
        fail_msg("%s", b.result->peers[0].message);
    }
    bench_free(&b);
}

/* Checks, or the handshake behind one that got through, that nobody can read. */
static void a_network_that_alters_is_named(void **state)
{
    struct bench b;
    (void)state;
    fails_in(&b, "corrupt=100%", NULL);
    const struct sq_peer_row *p = &b.result->peers[0];
    assert_int_equal(b.result->counts.failed, 2);
    assert_int_equal(p->link_up_altered, p->link_up);
    assert_int_equal(p->link_up_lost + p->link_down_lost, 0);
    if (!ends_with(p->message, "; its own network, corrupt=100%, altered 100 % of what it sent and "
                               "100 % of what came")) {
        fail_msg("%s", p->message);
    }
    bench_free(&b);
    fails_in(&b, "up.corrupt=100%", NULL);
    assert_non_null(
        strstr(b.result->peers[0].message, "altered 100 % of what it sent and 0 % of what came"));
    bench_free(&b);
}

static enum fake_how first_stopped(uint64_t index)
{
    return index == 0 ? FAKE_STOPPED : FAKE_SILENT;
}

/* The firewall stops the request itself, and the run ends before its time-out says so. */
static void a_firewall_before_the_service_is_named(void **state)
{
    struct bench b;
    (void)state;
    fails_in(&b, "HTTPS only", first_stopped);
    const char *stopped = b.result->peers[0].message;
    const char *silent = b.result->peers[1].message;
    if (!ends_with(stopped, "has not answered; its own network, HTTPS only, lets no TCP out to "
                            "port 8841")) {
        fail_msg("%s", stopped);
    }
    if (!ends_with(silent, "the signalling server has not answered")) {
        fail_msg("%s", silent);
    }
    bench_free(&b);
    fails_in(&b, "UDP blocked", first_stopped);
    assert_null(strstr(b.result->peers[0].message, "its own network"));
    bench_free(&b);
}

static enum fake_how refused(uint64_t index)
{
    return index == 0 ? FAKE_REFUSED_AT_ONCE : FAKE_NOBODY_THERE;
}

/* A server's no is its own, however bad the network; and a network that loses next to nothing
 * explains nothing. */
static void the_servers_fault_stays_its_own(void **state)
{
    struct bench b;
    (void)state;
    fails_in(&b, "20packet", refused);
    assert_int_equal(b.result->peers[0].cause, SQ_FAILURE_AUTH);
    assert_null(strstr(b.result->peers[0].message, "its own network"));
    bench_free(&b);
    fails_in(&b, "delay=1ms", refused);
    assert_int_equal(b.result->peers[1].cause, SQ_FAILURE_ICE);
    assert_null(strstr(b.result->peers[1].message, "its own network"));
    bench_free(&b);
}

/* A share that has no place behind a long name is left out whole. */
static void a_long_name_loses_its_share(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        {"rate=1M,delay=10ms,up.loss=2%,up.queue=200ms", "@50%"},    /* 44 bytes: "@50" had room */
        {"rate=1M,delay=100ms,up.loss=2%,up.queue=1200ms", "@50%"},  /* 46: "@" had */
        {"rate=1M,delay=100ms,up.loss=20%,up.queue=1200ms", "@50%"}, /* 47: nothing had */
        {"rate=1M,delay=10ms,loss=2%,up.queue=200ms", "@50%"},       /* 41: all of it has */
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct bench b;
        char why[200] = "";
        char name[80];
        char told[80];
        snprintf(name, sizeof(name), "%s%s", names[i][0], names[i][1]);
        snprintf(told, sizeof(told), "%s", strlen(name) <= 47 ? name : names[i][0]);
        bench_make(&b, NULL);
        assert_int_equal(
            sq_plan_add_network(&b.plan.groups[0], name, names[i][0], 1, why, sizeof(why)), 0);
        b.plan.peers = 1;
        b.plan.rate_per_s = 20;
        b.plan.duration_ns = 200 * MS;
        bench_start(&b);
        bench_finish(&b);
        assert_int_equal(b.result->peer_count, 1);
        assert_string_equal(b.result->peers[0].network, told);
        bench_free(&b);
    }
}

static void a_group_has_room_for_so_many(void **state)
{
    (void)state;
    static struct sq_plan_group group;
    char why[200];
    for (int i = 0; i < SQ_PLAN_NETWORKS_MAX; i++) {
        assert_int_equal(sq_plan_add_network(&group, "n", "wifi, 1s: dsl, 2s: wifi, 3s: down 1s",
                                             0.1, why, sizeof(why)),
                         0);
        assert_int_equal(group.networks[i].changes_at, 4 * i);
    }
    assert_int_equal(group.network_changes_len, SQ_PLAN_CHANGES_MAX);
    assert_int_equal(sq_plan_add_network(&group, "n", "wifi", 0.1, why, sizeof(why)),
                     SQ_ERR_NOSPACE);
    group.networks_len--; /* room for a network, and for no change */
    assert_int_equal(sq_plan_add_network(&group, "n", "wifi, 1s: dsl", 0.1, why, sizeof(why)),
                     SQ_ERR_FORMAT);
    assert_int_equal(group.networks_len, SQ_PLAN_NETWORKS_MAX - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_has_its_own_clock),
        cmocka_unit_test(all_may_have_the_runs),
        cmocka_unit_test(a_course_goes_round),
        cmocka_unit_test(its_own_network_is_to_blame),
        cmocka_unit_test(a_slow_network_is_named),
        cmocka_unit_test(a_network_that_alters_is_named),
        cmocka_unit_test(a_firewall_before_the_service_is_named),
        cmocka_unit_test(the_servers_fault_stays_its_own),
        cmocka_unit_test(a_long_name_loses_its_share),
        cmocka_unit_test(a_group_has_room_for_so_many),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
