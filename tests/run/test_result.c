#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "run/expect.h"
#include "run/result.h"
#include "signal/signal.h"
#include <math.h>
#include <string.h>

_Static_assert((int)SQ_FAILURE_DNS == (int)SQ_CAUSE_DNS, "same numbers as signalling");
_Static_assert((int)SQ_FAILURE_AUTH == (int)SQ_CAUSE_AUTH, "same numbers as signalling");
_Static_assert((int)SQ_FAILURE_MEDIA_LOST == (int)SQ_CAUSE_MEDIA_LOST,
               "same numbers as signalling");
_Static_assert((int)SQ_FAILURE_COUNT == (int)SQ_CAUSE_COUNT, "same numbers as signalling");
_Static_assert((int)SQ_STAGE_SIGNALING == (int)SQ_PHASE_SIGNALING, "same numbers as signalling");

static struct sq_result *make(void)
{
    struct sq_result *r = NULL;
    assert_int_equal(sq_result_create(&r), 0);
    return r;
}

static struct sq_peer_row *add(struct sq_result *r, enum sq_outcome outcome, bool connected)
{
    struct sq_peer_row *p = sq_result_add_peer(r);
    assert_non_null(p);
    p->outcome = outcome;
    p->connected = connected;
    p->cause = outcome == SQ_OUTCOME_FAILED ? SQ_FAILURE_ICE : SQ_FAILURE_NONE;
    return p;
}

static void assert_networks(const struct sq_result *r, const char *expected)
{
    struct sq_buf note = {0};
    sq_result_network_note(r, &note);
    assert_int_equal(note.err, 0);
    assert_string_equal(note.text ? note.text : "", expected);
    sq_buf_free(&note);
}

/* Each with what all of its peers' links lost, whatever share of them it was given. */
static void networks_are_told_with_what_they_lost(void **state)
{
    static const char *const names[] = {"20packet", "20packet", "wifi@50%", "", "c", "d", "e"};
    static const char *const told[] = {
        "",
        "its peers were in network 20packet, which lost 20 % of what they sent and 15 % of what "
        "came",
        "its peers were in network 20packet, which lost 15 % of what they sent and 7.5 % of what "
        "came",
        "2 of its 3 peers were in network 20packet, which lost 15 % of what they sent and 7.5 % "
        "of what came; 1 of its 3 peers was in network wifi, which lost nothing",
    };
    struct sq_result *r = make();
    (void)state;
    for (size_t i = 0; i < 7; i++) {
        if (i < 4) {
            assert_networks(r, told[i]);
        }
        struct sq_peer_row *p = add(r, SQ_OUTCOME_OK, true);
        SQ_RESULT_SET(p->network, names[i]);
        p->link_up = 1000;
        p->link_down = 2000;
        p->link_up_lost = i == 0 ? 200 : i == 1 ? 100 : 0;
        p->link_down_lost = i == 0 ? 300 : 0;
    }
    assert_networks(r, "2 of its 7 peers were in network 20packet, which lost 15 % of what they "
                       "sent and 7.5 % of what came; 1 of its 7 peers was in network wifi, which "
                       "lost nothing; 1 of its 7 peers was in network c, which lost nothing; 1 of "
                       "its 7 peers was in network d, which lost nothing; 1 more in others");
    sq_result_destroy(r);
    r = make();
    struct sq_peer_row *p = add(r, SQ_OUTCOME_OK, true);
    SQ_RESULT_SET(p->network, "corrupt=5%");
    p->link_up = p->link_down = 1500; /* of these 500 of a stream */
    p->link_up_datagrams = p->link_down_datagrams = 1000;
    p->link_up_altered = 50;
    p->link_down_altered = 40;
    assert_networks(r, "its peers were in network corrupt=5%, which altered 5 % of what they sent "
                       "and 4 % of what came");
    p->link_up_lost = 150;
    assert_networks(r, "its peers were in network corrupt=5%, which lost 10 % of what they sent "
                       "and 0 % of what came, and altered 5 % of what they sent and 4 % of what "
                       "came");
    sq_result_destroy(r);
}

/* docs/exit-codes.md: which wins over which. */
static void verdicts(void **state)
{
    static const struct {
        bool interrupted, starved, unreached, failed, warned;
        int exit_code;
        enum sq_run_verdict verdict;
        const char *reason;
    } cases[] = {
        {0, 0, 0, 0, 0, 0, SQ_VERDICT_PASS, "every expectation held"},
        {0, 0, 0, 0, 1, 0, SQ_VERDICT_PASS, "every expectation held"},
        {0, 0, 0, 1, 0, 1, SQ_VERDICT_FAIL, "an expectation failed: too few"},
        {0, 0, 1, 0, 0, 3, SQ_VERDICT_ERROR,
         "none of 2 peers connected; most failed with cause ice"},
        {0, 0, 1, 1, 0, 3, SQ_VERDICT_ERROR, "none of 2 peers connected"},
        {0, 1, 0, 0, 0, 4, SQ_VERDICT_INVALID, "the generator was the bottleneck"},
        {0, 1, 0, 1, 0, 4, SQ_VERDICT_INVALID, "timers were late"},
        {0, 1, 1, 1, 0, 4, SQ_VERDICT_INVALID, "timers were late"},
        {1, 0, 0, 0, 0, 130, SQ_VERDICT_ERROR, "interrupted before its end"},
        {1, 0, 0, 1, 0, 130, SQ_VERDICT_FAIL, "too few"},
        {1, 1, 0, 1, 0, 130, SQ_VERDICT_INVALID, "timers were late"},
        {1, 0, 1, 0, 0, 130, SQ_VERDICT_ERROR, "none of 2 peers"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sq_result *r = make();
        struct sq_expectation *e = sq_result_add_expectation(r, "peers.ok > 2");
        assert_non_null(e);
        e->ok = !cases[i].failed && !cases[i].warned;
        e->level = cases[i].warned ? SQ_LEVEL_WARN : SQ_LEVEL_ERROR;
        SQ_RESULT_SET(e->message, "too few");
        add(r, cases[i].unreached ? SQ_OUTCOME_FAILED : SQ_OUTCOME_OK, !cases[i].unreached);
        add(r, SQ_OUTCOME_PENDING, false);
        r->interrupted = cases[i].interrupted;
        r->generator.ok = !cases[i].starved;
        SQ_RESULT_SET(r->generator.reason, "timers were late");
        assert_int_equal(sq_verdict(r), cases[i].exit_code);
        assert_int_equal(r->exit_code, cases[i].exit_code);
        assert_int_equal(r->verdict, cases[i].verdict);
        if (!strstr(r->verdict_reason, cases[i].reason)) {
            fail_msg("case %zu: %s", i, r->verdict_reason);
        }
        sq_result_destroy(r);
    }
}

/* No PASS, since nobody knows whether it would have held to the end; and what is known by then
 * stays. */
static void a_run_that_was_cut(void **state)
{
    static const struct {
        bool failed, starved, interrupted;
        int exit_code;
        enum sq_run_verdict verdict;
        const char *reason;
    } cases[] = {
        {0, 0, 0, 3, SQ_VERDICT_ERROR, "the rows ran out; until then every expectation held"},
        {1, 0, 0, 1, SQ_VERDICT_FAIL, "an expectation failed: too few; and the rows ran out"},
        {0, 1, 0, 4, SQ_VERDICT_INVALID, "and the rows ran out"},
        {0, 0, 1, 130, SQ_VERDICT_ERROR, "so far: the rows ran out"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_result *r = make();
        struct sq_expectation *e = sq_result_add_expectation(r, "peers.ok > 2");
        assert_non_null(e);
        e->ok = !cases[i].failed;
        SQ_RESULT_SET(e->message, "too few");
        add(r, SQ_OUTCOME_OK, true);
        SQ_RESULT_SET(r->cut, "the rows ran out");
        r->generator.ok = !cases[i].starved;
        r->interrupted = cases[i].interrupted;
        assert_int_equal(sq_verdict(r), cases[i].exit_code);
        assert_int_equal(r->verdict, cases[i].verdict);
        if (!strstr(r->verdict_reason, cases[i].reason)) {
            fail_msg("case %zu: %s", i, r->verdict_reason);
        }
        sq_result_destroy(r);
    }
}

static void nobody_started(void **state)
{
    struct sq_result *r = make();
    assert_int_equal(sq_verdict(r), SQ_EXIT_UNREACHED);
    assert_string_equal(r->verdict_reason, "no peer was started");
    SQ_RESULT_SET(r->error, "cannot resolve nowhere.test");
    assert_int_equal(sq_verdict(r), SQ_EXIT_UNREACHED);
    assert_string_equal(r->verdict_reason, "cannot resolve nowhere.test");
    sq_result_destroy(r);
}

/* A run in which peers fail does not pass by itself; who allows it says so. */
static void peers_that_fail_count(void **state)
{
    struct sq_expect *e = NULL;
    struct sq_result *r = make();
    add(r, SQ_OUTCOME_OK, true);
    add(r, SQ_OUTCOME_FAILED, false);
    assert_int_equal(sq_expect_judge(NULL, 0, r), 0);
    assert_int_equal(r->expectation_count, 1);
    assert_string_equal(r->expectations[0].expr, SQ_EXPECT_DEFAULT);
    assert_int_equal(r->exit_code, SQ_EXIT_EXPECTATION);
    assert_int_equal(sq_expect_parse("peers.failed <= 50%", &e, NULL), 0);
    assert_int_equal(sq_expect_judge(&e, 1, r), 0);
    assert_int_equal(r->expectation_count, 1);
    assert_int_equal(r->exit_code, SQ_EXIT_HELD);
    sq_expect_destroy(e);
    sq_result_destroy(r);
}

static void tally(void **state)
{
    struct sq_result *r = make();
    r->counts.planned = 9;
    add(r, SQ_OUTCOME_OK, true)->cause = SQ_FAILURE_ICE; /* stale: not a failure */
    add(r, SQ_OUTCOME_PENDING, false);
    add(r, SQ_OUTCOME_FAILED, false);
    SQ_RESULT_SET(add(r, SQ_OUTCOME_FAILED, false)->message, "no pair");
    add(r, SQ_OUTCOME_FAILED, true)->cause = SQ_FAILURE_MEDIA_LOST;
    add(r, SQ_OUTCOME_FAILED, false)->cause = SQ_FAILURE_NONE;
    for (int round = 0; round < 2; round++) { /* again gives the same */
        sq_result_tally(r);
        assert_int_equal(r->counts.planned, 9);
        assert_int_equal(r->counts.started, 6);
        assert_int_equal(r->counts.ok, 1);
        assert_int_equal(r->counts.pending, 1);
        assert_int_equal(r->counts.failed, 4);
        assert_int_equal(r->counts.dropped, 1);
        assert_int_equal(r->failures[SQ_FAILURE_ICE].count, 2);
        assert_int_equal(r->failures[SQ_FAILURE_ICE].example, 3); /* the one with a sentence */
        assert_int_equal(r->failures[SQ_FAILURE_MEDIA_LOST].count, 1);
        assert_int_equal(r->failures[SQ_FAILURE_PROTOCOL].count, 1);
        assert_string_equal(sq_failure_name(r->peers[0].cause), "");
    }
    sq_result_destroy(r);
}

static void texts(void **state)
{
    char id[SQ_RUN_ID_SIZE], small[6];
    sq_result_make_id(1795232701000000000ULL, 0xffab12cd, id);
    assert_string_equal(id, "20261121-034501-ab12cd");
    SQ_RESULT_SET(small, "abcd\xc3\xa9"); /* would end within the character */
    assert_string_equal(small, "abcd");
    SQ_RESULT_SET(small, "abc\xc3\xa9");
    assert_string_equal(small, "abc\xc3\xa9");
    SQ_RESULT_SET(small, NULL);
    assert_string_equal(small, "");
    assert_string_equal(sq_failure_name(SQ_FAILURE_MEDIA_LOST), "media-lost");
    assert_string_equal(sq_failure_name(SQ_FAILURE_PROTOCOL), "protocol");
    assert_string_equal(sq_failure_name((enum sq_failure)99), "");
    assert_string_equal(sq_verdict_name(SQ_VERDICT_INVALID), "invalid");
    assert_string_equal(sq_stage_name(SQ_STAGE_TOTAL), "total");
    assert_string_equal(sq_flow_name(SQ_FLOW_VIDEO_OUT), "video.out");
}

static void new_rows_know_nothing(void **state)
{
    struct sq_result *r = make();
    struct sq_peer_row *p = sq_result_add_peer(r);
    struct sq_timeline_row *t = sq_result_add_second(r);
    struct sq_metric_row *m = sq_result_add_metric(r, SQ_METRIC_VIDEO_IN_RTT);
    struct sq_metric_figures f;
    assert_true(isnan(p->stage_ms[SQ_STAGE_TOTAL]) && isnan(p->flow[SQ_FLOW_VIDEO_IN].fps));
    for (int i = 0; i < SQ_FLOW_COUNT; i++) {
        const struct sq_flow_totals *flow = &p->flow[i];
        const double figures[] = {flow->bitrate_kbps, flow->loss_percent, flow->jitter_ms,
                                  flow->rtt_ms,       flow->latency_ms,   flow->fps,
                                  flow->freeze_ms,    flow->playout_ms,   flow->concealment_percent,
                                  flow->decoded_fps,  flow->alive_percent};
        for (size_t k = 0; k < sizeof(figures) / sizeof(*figures); k++) {
            assert_true(isnan(figures[k]));
        }
        assert_false(flow->agreed);
    }
    assert_int_equal(p->outcome, SQ_OUTCOME_PENDING);
    assert_true(isnan(t->rtt_ms) && isnan(t->bitrate_kbps[SQ_FLOW_AUDIO_OUT]));
    sq_metric_row_figures(m, &f);
    assert_true(f.count == 0 && isnan(f.avg) && isnan(f.p99) && isnan(f.min));
    assert_ptr_equal(sq_result_add_metric(r, SQ_METRIC_VIDEO_IN_RTT), m);
    sq_metric_record(m->hist, SQ_METRIC_VIDEO_IN_RTT, 12.5);
    sq_metric_row_figures(sq_result_metric(r, SQ_METRIC_VIDEO_IN_RTT), &f);
    assert_true(f.count == 1 && f.min == 12.5 && f.max == 12.5 && f.avg == 12.5);
    assert_null(sq_result_metric(r, SQ_METRIC_AUDIO_IN_RTT));
    sq_result_destroy(r);
}

static void traces_have_bounds(void **state)
{
    struct sq_result *r = make();
    struct sq_peer_trace *t = sq_result_add_trace(r, 3);
    for (int i = 0; i < SQ_TRACE_EVENTS_MAX + 5; i++) {
        assert_int_equal(sq_trace_event(t, i, "note", NULL), 0);
    }
    assert_int_equal(t->event_count, SQ_TRACE_EVENTS_MAX);
    assert_int_equal(t->events_dropped, 5);
    for (int i = 0; i < 20; i++) {
        assert_int_equal(sq_trace_value(t, "a", "inbound-rtp", "jitter", 0, 1000, i), 0);
        assert_int_equal(sq_trace_value(t, "b", "inbound-rtp", "jitter", 0, 1000, i), 0);
    }
    assert_int_equal(t->series_count, 2);
    assert_int_equal(t->series[1].n, 20);
    assert_ptr_equal(sq_result_trace(r, 3), t);
    assert_null(sq_result_trace(r, 0));
    sq_result_destroy(r);
}

static int fill_all(struct sq_result *r)
{
    struct sq_peer_trace *t = NULL;
    int err = sq_result_config_text(r, "media", "clip");
    err = err ? err : sq_result_config_number(r, "peers", 3);
    err = err ? err : sq_result_config_flag(r, "tls", true);
    err = err ? err : sq_result_replace_text(&r->command, "squall run lab:");
    err = err ? err : sq_result_replace_text(&r->command, "squall run");
    for (int i = 0; i < 40 && !err; i++) {
        err = sq_result_add_peer(r) && sq_result_add_second(r) ? 0 : SQ_ERR_NOMEM;
    }
    err = err ? err : sq_result_add_metric(r, SQ_METRIC_AUDIO_IN) ? 0 : SQ_ERR_NOMEM;
    err = err ? err : sq_result_add_expectation(r, "x") ? 0 : SQ_ERR_NOMEM;
    if (!err) {
        t = sq_result_add_trace(r, 0);
        err = t ? 0 : SQ_ERR_NOMEM;
    }
    err = err ? err : sq_trace_event(t, 0, "note", "v");
    err = err ? err : sq_trace_value(t, "a", "transport", "bytesSent", 0, 1000, 1);
    return err;
}

static void survives_no_memory(void **state)
{
    for (size_t nth = 1;; nth++) {
        struct sq_result *r = NULL;
        sq_mem_fail_at(nth);
        int err = sq_result_create(&r);
        err = err ? err : fill_all(r);
        bool done = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_int_equal(err, done ? 0 : SQ_ERR_NOMEM);
        sq_result_destroy(r);
        if (done) {
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(verdicts),
        cmocka_unit_test(a_run_that_was_cut),
        cmocka_unit_test(nobody_started),
        cmocka_unit_test(tally),
        cmocka_unit_test(peers_that_fail_count),
        cmocka_unit_test(texts),
        cmocka_unit_test(networks_are_told_with_what_they_lost),
        cmocka_unit_test(new_rows_know_nothing),
        cmocka_unit_test(traces_have_bounds),
        cmocka_unit_test(survives_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
