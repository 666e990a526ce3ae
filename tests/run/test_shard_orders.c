/* Whole runs over a service of this process that are told to end, to hurry or to stop: what becomes
 * of their users. */
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

static void drain_when_up(struct bench *b)
{
    if (b->connected == b->plan.peers) {
        sq_run_drain(b->run);
        b->each_second = NULL;
    }
}

static void drained_users_are_well(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, NULL);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.plan.ramp_down_ns = 200 * MS;
    b.each_second = drain_when_up; /* there is no other end: neither hold nor duration */
    bench_start(&b);
    bench_finish(&b);
    assert_true(b.draining);
    assert_int_equal(b.result->counts.ok, 10);
    assert_int_equal(fake_leaves(), 10);
    bench_free(&b);
}

static void abort_when_half_is_up(struct bench *b)
{
    if (b->connected == b->plan.peers / 2) {
        sq_run_abort(b->run);
        b->each_second = NULL;
    }
}

static void aborted_users_are_ok_or_pending(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, bench_half_silent);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.each_second = abort_when_half_is_up;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 5);
    assert_int_equal(b.result->counts.pending, 5);
    assert_int_equal(fake_leaves(), 0); /* at once and without goodbyes */
    bench_free(&b);
}

/* Others were up long ago: who still waits when the run ends was let down, and is no pass. */
static void who_hangs_has_failed(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, bench_half_silent);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 1500 * MS;
    b.plan.hung_least_ns = 300 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 5);
    assert_int_equal(b.result->failures[SQ_FAILURE_TIMEOUT].count, 5);
    assert_non_null(strstr(b.result->peers[1].message, "when the run ended: not signed in yet"));
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_EXPECTATION);
    bench_free(&b);
}

static enum fake_how all_silent(uint64_t index)
{
    (void)index;
    return FAKE_SILENT;
}

/* Where nobody got up there is nobody to compare with; and too short a time says nothing. */
static void who_is_early_is_pending(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, all_silent);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 1200 * MS;
    b.plan.hung_least_ns = 300 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.pending, 4);
    assert_int_equal(sq_verdict(b.result), SQ_EXIT_UNREACHED);
    bench_free(&b);
    bench_make(&b, bench_half_silent);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 1200 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.pending, 5);
    bench_free(&b);
}

static void drain_again(struct bench *b)
{
    sq_run_drain(b->run);
}

/* Ctrl-C while people go one after the other over a minute. */
static void a_drain_may_be_hurried(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, NULL);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 500 * MS;
    b.plan.ramp_down_ns = 60 * SEC;
    b.each_second = drain_again;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 10);
    assert_true(b.result->duration_s < 20);
    bench_free(&b);
}

static void drain_twice_then_abort(struct bench *b)
{
    sq_run_drain(b->run);
    sq_run_drain(b->run);
    sq_run_abort(b->run);
}

static enum fake_how never_left(uint64_t index)
{
    (void)index;
    return FAKE_NEVER_LEFT;
}

/* As with Ctrl-C pressed again and again. */
static void orders_in_a_row(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, never_left);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    b.each_second = drain_twice_then_abort;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 4);
    bench_free(&b);
}

static void hurry(struct bench *b)
{
    sq_run_pause(b->run, false);
    sq_run_set_rate(b->run, 200);
    b->each_second = NULL;
}

static void the_rate_may_change(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, NULL);
    b.plan.peers = 20;
    b.plan.rate_per_s = 0.5;
    b.plan.hold_ns = 100 * MS;
    b.each_second = hurry;
    bench_start(&b);
    sq_run_pause(b.run, true);
    assert_true(sq_run_rate(b.run) == 0.5);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 20);
    assert_int_equal(b.result->timeline[0].started, 1); /* the first was due at the start */
    assert_true(b.result->duration_s < 10);
    for (size_t i = 1; i < 20; i++) { /* both shards heard the same: 5 ms apart */
        double step_ms = b.result->peers[i].start_ms - b.result->peers[i - 1].start_ms;
        assert_true(i == 1 || fabs(step_ms - 5) < 0.01);
        assert_true(b.result->peers[i].stage_ms[SQ_STAGE_TOTAL] > 0); /* nobody came too early */
    }
    bench_free(&b);
}

static void faster(struct bench *b)
{
    sq_run_set_rate(b->run, 60);
    b->each_second = NULL;
}

/* What was planned is what came due at the rates that were set, and not at the first one. */
static void planned_goes_with_the_rate(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, bench_empty_room);
    b.plan.peers = 1000;
    b.plan.rate_per_s = 5;
    b.plan.hold_ns = 50 * MS;
    b.plan.duration_ns = 3500 * MS;
    b.each_second = faster;
    bench_start(&b);
    bench_finish(&b);
    const struct sq_peer_counts *c = &b.result->counts;
    const struct sq_timeline_row *last = &b.result->timeline[b.result->timeline_count - 1];
    assert_int_equal(b.missed, 0);
    assert_int_equal(last->planned, c->planned);
    assert_true(last->planned >= last->started);
    assert_in_range(last->started, 18, 5 + 150); /* 18 are planned at the first rate */
    bench_free(&b);
}

static void aborted_before_its_start(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, NULL);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    bench_start(&b);
    sq_run_drain(b.run);
    sq_run_abort(b.run);
    assert_true(rig_until(b.loop, bench_is_done, &b, LIMIT_MS));
    assert_int_equal(sq_run_collect(b.run, b.result), 0);
    assert_true(b.result->duration_s >= 0 && b.result->duration_s < 10);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(drained_users_are_well),
        cmocka_unit_test(aborted_users_are_ok_or_pending),
        cmocka_unit_test(who_hangs_has_failed),
        cmocka_unit_test(who_is_early_is_pending),
        cmocka_unit_test(a_drain_may_be_hurried),
        cmocka_unit_test(orders_in_a_row),
        cmocka_unit_test(the_rate_may_change),
        cmocka_unit_test(planned_goes_with_the_rate),
        cmocka_unit_test(aborted_before_its_start),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
