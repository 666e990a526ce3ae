/* --reconnect: users that are dropped and come back, over a service of this process. */
#include "run/rig.h"
#include "run/shard_bench.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define USERS 6

static atomic_uint opened[USERS]; /* sessions of each user so far */

static unsigned nth_session(uint64_t index)
{
    return atomic_fetch_add(&opened[index], 1);
}

/* The first session of each is dropped. */
static enum fake_how drops_once(uint64_t index)
{
    return nth_session(index) == 0 ? FAKE_DROPS : FAKE_WELL;
}

/* The service is gone after the first. */
static enum fake_how drops_for_good(uint64_t index)
{
    return nth_session(index) == 0 ? FAKE_DROPS : FAKE_REFUSED;
}

/* The first connection of each is closed, and its signalling is not. */
static enum fake_how hangs_up_once(uint64_t index)
{
    return nth_session(index) == 0 ? FAKE_HANGS_UP : FAKE_WELL;
}

/* It comes back for the third. */
static enum fake_how away_for_two(uint64_t index)
{
    unsigned n = nth_session(index);
    return n == 0 ? FAKE_DROPS : n < 3 ? FAKE_REFUSED : FAKE_WELL;
}

/* Dropped, back at the second attempt, dropped, and back at once. */
static enum fake_how drops_twice(uint64_t index)
{
    static const enum fake_how hows[] = {FAKE_DROPS, FAKE_REFUSED, FAKE_DROPS};
    unsigned n = nth_session(index);
    return n < sizeof(hows) / sizeof(hows[0]) ? hows[n] : FAKE_WELL;
}

static enum fake_how never_there(uint64_t index)
{
    nth_session(index);
    return FAKE_REFUSED;
}

static void run(struct bench *b, enum fake_how (*how)(uint64_t index),
                struct sq_plan_reconnect reconnect, uint64_t duration_ns)
{
    memset(opened, 0, sizeof(opened));
    bench_make(b, how);
    b->plan.peers = USERS;
    b->plan.rate_per_s = 100;
    b->plan.duration_ns = duration_ns;
    b->plan.groups[0].reconnect = reconnect;
    bench_start(b);
    bench_finish(b);
}

static void who_is_dropped_has_failed(void **state)
{
    (void)state;
    struct bench b;
    run(&b, drops_once, (struct sq_plan_reconnect){.how = SQ_RECONNECT_NOT}, 500 * MS);
    assert_int_equal(b.result->counts.failed, USERS);
    assert_int_equal(b.result->counts.dropped, USERS);
    assert_int_equal(b.result->peers[0].drops, 0); /* nobody tried */
    bench_free(&b);
}

static void or_comes_back_at_once(void **state)
{
    (void)state;
    struct bench b;
    struct sq_reconnects all;
    run(&b, drops_once, (struct sq_plan_reconnect){.how = SQ_RECONNECT_NOW}, 1500 * MS);
    assert_int_equal(b.result->counts.ok, USERS);
    assert_int_equal(b.result->counts.dropped, USERS);
    assert_int_equal(bench_samples(&b, SQ_METRIC_PEERS_RECONNECT), USERS);
    /* Times of a set-up are those of who arrives. */
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_TOTAL), USERS);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_SIGNALING), USERS);
    for (size_t i = 0; i < USERS; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_int_equal(atomic_load(&opened[i]), 2);
        assert_int_equal(p->drops, 1);
        assert_int_equal(p->returns, 1);
        assert_true(p->gap_ms >= 0 && p->gap_ms < 1000);
        assert_true(fabs(p->back_ms - p->dropped_ms - p->gap_ms) < 0.01);
        assert_true(p->dropped_ms > p->start_ms && p->back_ms < p->end_ms);
        /* What both sessions received is one sum. */
        assert_true(p->flow[SQ_FLOW_AUDIO_IN].packets > 50);
        /* and its tracks are those that it has now. */
        assert_int_equal(p->flow[SQ_FLOW_AUDIO_IN].tracks, 1);
    }
    const struct sq_metric_row *channels = sq_result_metric(b.result, SQ_METRIC_AUDIO_IN);
    assert_float_equal(
        sq_metric_aggregate(channels->hist, SQ_METRIC_AUDIO_IN, (struct sq_agg){SQ_AGG_MAX, 0}), 1,
        0);
    sq_result_reconnects(b.result, &all);
    assert_int_equal(all.peers, USERS);
    assert_int_equal(all.back, USERS);
    assert_true(all.all_back_ms > all.first_drop_ms);
    assert_int_equal(fake_leaves(), USERS); /* of the second sessions; the first were lost */
    assert_int_equal(fake_sessions(), 0);
    bench_free(&b);
}

static enum fake_how goes_silent_once(uint64_t index)
{
    return nth_session(index) == 0 ? FAKE_FALLS_SILENT : FAKE_WELL;
}

/* The service closes the connection 1.5 s after it was made, when other peers do not listen for its
 * goodbye (DTLS close_notify) any more, and would notice after 30 s. */
static void a_goodbye_in_mid_call_is_heard(void **state)
{
    (void)state;
    struct bench b;
    run(&b, goes_silent_once, (struct sq_plan_reconnect){.how = SQ_RECONNECT_NOW}, 3 * SEC);
    assert_int_equal(b.result->counts.ok, USERS);
    assert_int_equal(b.result->counts.dropped, USERS);
    for (size_t i = 0; i < USERS; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_int_equal(p->returns, 1);
        assert_true(p->dropped_ms > p->start_ms + 1400 && p->gap_ms < 1000);
    }
    bench_free(&b);
}

/* Of a session that goes on without its connection nothing may touch the closed peers; and the
 * service is told, or it would have two of each user. */
static void a_session_that_outlives_its_connection_is_left(void **state)
{
    (void)state;
    struct bench b;
    const struct sq_plan_reconnect reconnect = {
        .how = SQ_RECONNECT_BACK_OFF, .first_ns = 200 * MS, .most_ns = 200 * MS};
    run(&b, hangs_up_once, reconnect, 1500 * MS);
    assert_int_equal(b.result->counts.ok, USERS);
    assert_int_equal(b.result->counts.dropped, USERS);
    assert_int_equal(b.result->peers[0].returns, 1);
    assert_int_equal(fake_leaves(), 2 * USERS);
    assert_int_equal(fake_sessions(), 0);
    bench_free(&b);
}

static enum fake_how hangs_up_mute_once(uint64_t index)
{
    return nth_session(index) == 0 ? FAKE_HANGS_UP_MUTE : FAKE_WELL;
}

/* The new session begins when the service has answered that the old one is left, and not in the
 * midst of it. */
static void the_old_session_is_left_before_the_new_one_begins(void **state)
{
    (void)state;
    struct bench b;
    run(&b, hangs_up_once, (struct sq_plan_reconnect){.how = SQ_RECONNECT_NOW}, 1500 * MS);
    assert_int_equal(b.result->counts.ok, USERS);
    assert_int_equal(fake_leaves(), 2 * USERS);
    assert_int_equal(fake_cut_short(), 0);
    for (size_t i = 0; i < USERS; i++) {
        assert_int_equal(b.result->peers[i].returns, 1);
        assert_true(b.result->peers[i].gap_ms < 1000);
    }
    bench_free(&b);
}

/* One that does not answer is not waited for beyond a second. */
static void but_a_mute_service_is_not_waited_for(void **state)
{
    (void)state;
    struct bench b;
    run(&b, hangs_up_mute_once, (struct sq_plan_reconnect){.how = SQ_RECONNECT_NOW}, 2600 * MS);
    assert_int_equal(b.result->counts.ok, USERS);
    assert_int_equal(fake_cut_short(), USERS);
    for (size_t i = 0; i < USERS; i++) {
        assert_int_equal(b.result->peers[i].returns, 1);
        assert_true(b.result->peers[i].gap_ms >= 1000);
    }
    bench_free(&b);
}

/* The score counts all of the time away, and not the longest of it. */
static void check_time_away(const struct sq_peer_row *p)
{
    const struct sq_flow_totals *video = &p->flow[SQ_FLOW_VIDEO_IN];
    double call_s = (p->end_ms - p->start_ms - p->stage_ms[SQ_STAGE_TOTAL]) / 1e3;
    double pictures = fmax(video->watched_s / call_s, 1);
    double stood_s = (video->freeze_ms + p->away_ms * pictures) / 1e3;
    double stood = (double)video->freezes + 2 * pictures;
    assert_true(p->away_ms > p->gap_ms && p->away_ms < 2 * p->gap_ms);
    assert_float_equal(p->score.penalties[SQ_SCORE_FREEZES],
                       6 * (1 - exp(-0.15 * stood_s - 0.19 * stood)), 1e-9);
}

static void waits_grow_from_attempt_to_attempt(void **state)
{
    (void)state;
    struct bench b;
    const struct sq_plan_reconnect reconnect = {
        .how = SQ_RECONNECT_BACK_OFF, .first_ns = 100 * MS, .most_ns = 200 * MS};
    run(&b, away_for_two, reconnect, 2500 * MS);
    assert_int_equal(b.result->counts.ok, USERS);
    bool apart = false;
    for (size_t i = 0; i < USERS; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_int_equal(atomic_load(&opened[i]), 4);
        assert_int_equal(p->drops, 1); /* attempts that fail are no further drops */
        /* Waits of half to all of 100, 200 and 200 ms. */
        assert_true(p->gap_ms > 250 && p->gap_ms < 1500);
        apart = apart || fabs(p->gap_ms - b.result->peers[0].gap_ms) > 5;
    }
    assert_true(apart); /* they do not all come in one moment */
    bench_free(&b);
}

/* The dump tells sessions apart by the labels of their peers, and so do files of --record. */
static void each_session_has_its_own_label(void **state)
{
    (void)state;
    struct bench b;
    const struct sq_plan_reconnect reconnect = {
        .how = SQ_RECONNECT_BACK_OFF, .first_ns = 50 * MS, .most_ns = 50 * MS};
    run(&b, drops_twice, reconnect, 1500 * MS);
    assert_int_equal(b.result->peers[0].drops, 2);
    assert_int_equal(b.result->peers[0].returns, 2);
    for (size_t i = 0; i < USERS; i++) {
        check_time_away(&b.result->peers[i]);
    }
    assert_int_equal(b.result->trace_count, 1);
    const char *const ids[] = {"T01-peer", "T01-peer.3", "T01-peer.4"};
    for (size_t i = 0; i < sizeof(ids) / sizeof(ids[0]); i++) {
        const struct sq_peer_trace *t = &b.result->traces[0];
        bool found = false;
        for (size_t k = 0; k < t->series_count; k++) {
            found = found || strcmp(t->series[k].id, ids[i]) == 0;
        }
        assert_true(found);
    }
    bench_free(&b);
}

static void who_is_not_back_at_the_end_has_failed(void **state)
{
    (void)state;
    struct bench b;
    struct sq_reconnects all;
    const struct sq_plan_reconnect reconnect = {
        .how = SQ_RECONNECT_BACK_OFF, .first_ns = 50 * MS, .most_ns = 5 * SEC};
    run(&b, drops_for_good, reconnect, SEC);
    assert_true(b.result->duration_s < 3.5); /* nobody is waited for who cannot answer */
    assert_int_equal(b.result->counts.failed, USERS);
    assert_int_equal(b.result->counts.dropped, USERS);
    const struct sq_peer_row *p = &b.result->peers[0];
    assert_int_equal(p->cause, SQ_FAILURE_SIGNALING);
    assert_non_null(strstr(p->message, "dropped, and not back after"));
    assert_non_null(strstr(p->message, "the service said no"));
    assert_true(isnan(p->gap_ms) && p->returns == 0);
    sq_result_reconnects(b.result, &all);
    assert_int_equal(all.back, 0);
    assert_true(isnan(all.all_back_ms));
    bench_free(&b);
}

/* Nothing but their own time ends this run. */
static void who_is_not_back_when_it_is_to_leave_has_failed(void **state)
{
    (void)state;
    struct bench b;
    memset(opened, 0, sizeof(opened));
    bench_make(&b, drops_for_good);
    b.plan.peers = USERS;
    b.plan.rate_per_s = 100;
    b.plan.hold_ns = 600 * MS;
    b.plan.groups[0].reconnect = (struct sq_plan_reconnect){
        .how = SQ_RECONNECT_BACK_OFF, .first_ns = 50 * MS, .most_ns = 60 * SEC};
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.failed, USERS);
    for (size_t i = 0; i < USERS; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_non_null(strstr(p->message, "dropped, and not back after"));
        assert_true(p->end_ms > p->start_ms + 600 && p->end_ms < p->start_ms + 3500);
    }
    bench_free(&b);
}

static void who_never_was_up_is_not_dropped(void **state)
{
    (void)state;
    struct bench b;
    run(&b, never_there, (struct sq_plan_reconnect){.how = SQ_RECONNECT_NOW}, 300 * MS);
    assert_int_equal(b.result->counts.failed, USERS);
    assert_int_equal(b.result->counts.dropped, 0);
    assert_int_equal(atomic_load(&opened[0]), 1);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(who_is_dropped_has_failed),
        cmocka_unit_test(or_comes_back_at_once),
        cmocka_unit_test(a_goodbye_in_mid_call_is_heard),
        cmocka_unit_test(a_session_that_outlives_its_connection_is_left),
        cmocka_unit_test(the_old_session_is_left_before_the_new_one_begins),
        cmocka_unit_test(but_a_mute_service_is_not_waited_for),
        cmocka_unit_test(waits_grow_from_attempt_to_attempt),
        cmocka_unit_test(each_session_has_its_own_label),
        cmocka_unit_test(who_is_not_back_at_the_end_has_failed),
        cmocka_unit_test(who_is_not_back_when_it_is_to_leave_has_failed),
        cmocka_unit_test(who_never_was_up_is_not_dropped),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
