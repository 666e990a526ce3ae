/* Whole runs over a service of this process, judged by windows, by some of the peers, and while
 * they go on. */
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

#define LIST_MAX 16

struct judged {
    struct bench b;
    struct sq_expect *list[LIST_MAX];
};

static void begin(struct judged *j, enum fake_how (*how)(uint64_t index), const char *const *texts,
                  size_t n)
{
    memset(j, 0, sizeof(*j));
    bench_make(&j->b, how);
    j->b.plan.expects = j->list;
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(sq_expect_parse_abort(texts[i], &j->list[i], NULL), 0);
        j->b.plan.expects_len++;
    }
    j->b.plan.rate_per_s = 100;
}

static void run(struct judged *j)
{
    bench_start(&j->b);
    bench_finish(&j->b);
    assert_int_equal(sq_expect_judge(j->list, j->b.plan.expects_len, j->b.result), 0);
}

static void end(struct judged *j)
{
    for (size_t i = 0; i < LIST_MAX; i++) {
        sq_expect_destroy(j->list[i]);
    }
    bench_free(&j->b);
}

static void all_hold(const struct judged *j)
{
    const struct sq_result *r = j->b.result;
    for (size_t i = 0; i < r->expectation_count; i++) {
        if (!r->expectations[i].ok) {
            fail_msg("%s: %g: %s", r->expectations[i].expr, r->expectations[i].value,
                     r->expectations[i].message);
        }
    }
}

static enum fake_how falls_silent(uint64_t index)
{
    (void)index;
    return FAKE_FALLS_SILENT;
}

/* What comes before and after a mark of each peer differs, and no second is in both. */
static void a_mark_divides_the_run(void **state)
{
    static const char *const texts[] = {
        "video.in.bitrate.min > 20 between up and silent @1m",
        "video.in.bitrate.max == 0 between silent and end @1m",
        "video.in.bitrate.count >= 4 between silent and end @1m",
        "video.in > 0 between up and silent @1m",
        "video.in == 0 between silent and end @1m",
        "video.in.bitrate == 0 for 100% of peers between silent and leaving @1m",
        "audio.in.jitter.count == 0 between silent and end @1m",
        "time(video.in.bitrate > 20).p95 < 3s for 100% of peers @1m",
        "time(video.in.bitrate > 20).p95 < 3s @1m",
        "time(video.in.bitrate == 0).min > 1500ms @1m", /* the silence begins with a whole second */
        "time(video.in.bitrate == 0).max < 4s @1m",
        "video.in.bitrate > 0 between goal and end @1m",
    };
    (void)state;
    struct judged j;
    begin(&j, falls_silent, texts, 12);
    j.b.plan.peers = 4;
    j.b.plan.duration_ns = 4300 * MS;
    run(&j);
    const struct sq_expectation *never = &j.b.result->expectations[11];
    assert_false(never->ok);
    assert_string_equal(never->message, "no sample: 'goal' did not come");
    j.b.result->expectation_count = 11;
    all_hold(&j);
    j.b.result->expectation_count = 13;
    assert_false(j.b.result->stop.on);
    end(&j);
}

/* One every 250 ms: three are up before the last one begins. */
static void ramped_is_when_all_have_begun(void **state)
{
    static const char *const texts[] = {
        "setup.total.count == 3 between start and ramped @1m",
        "setup.total.count == 1 between ramped and end @1m",
        "setup.total.count == 4 between 0s and 1m @1m",
        "setup.total.count == 2 between 0s and 400ms @1m",
        "generator.cpu.count >= 2 between ramped and end @1m",
    };
    (void)state;
    struct judged j;
    begin(&j, NULL, texts, 5);
    j.b.plan.peers = 4;
    j.b.plan.rate_per_s = 4;
    j.b.plan.duration_ns = 2300 * MS;
    run(&j);
    all_hold(&j);
    assert_true(j.b.result->ramped_ms >= 750 && j.b.result->ramped_ms < 2300);
    assert_true(j.b.result->draining_ms >= 2299 && j.b.result->draining_ms < 5000);
    end(&j);
}

static void of_some_of_the_peers(void **state)
{
    static const char *const texts[] = {
        "video.out.bitrate.count == 0 where group is viewer @1m",
        "video.out.bitrate.count > 0 where group is not viewer @1m",
        "peers.ok == 100% where group is viewer @1m",
        "peers.ok == 100% where room is r-1 @1m",
        "video.out.bitrate > 20 for 100% of peers where room is r-0 @1m",
        "video.in > 0 where group is viewer @1m",
        "video.in.bitrate.max > 20 for 100% of peers @1m",
        "video.in.loss == 0 where room is r-0 @1m",
    };
    (void)state;
    struct judged j;
    begin(&j, NULL, texts, 8);
    j.b.plan.peers = 6;
    j.b.plan.room = "r";
    j.b.plan.room_size = 3;
    sq_plan_split(&j.b.plan, 2);
    j.b.plan.duration_ns = 2300 * MS;
    run(&j);
    all_hold(&j);
    end(&j);
}

static enum fake_how half_drops(uint64_t index)
{
    return index % 2 ? FAKE_DROPS : FAKE_WELL;
}

/* It would have gone on for a minute. */
static void hopeless_runs_end(void **state)
{
    static const char *const texts[] = {"peers.ok >= 1@1s", "peers.failed < 10%@1s"};
    (void)state;
    struct judged j;
    begin(&j, half_drops, texts, 2);
    j.b.plan.peers = 10;
    j.b.plan.duration_ns = 60 * SEC;
    run(&j);
    const struct sq_result *r = j.b.result;
    assert_true(r->stop.on);
    assert_int_equal(r->stop.expectation, 1);
    assert_true(r->duration_s < 20 && r->stop.after_s >= 1 && r->stop.after_s < 15);
    assert_int_equal(r->counts.ok, 5); /* in good order */
    assert_int_equal(fake_leaves(), 5);
    assert_true(r->expectations[0].ok);
    assert_false(r->expectations[1].ok);
    assert_int_equal(r->exit_code, SQ_EXIT_EXPECTATION);
    assert_non_null(strstr(r->verdict_reason, "when 'peers.failed < 10%@1s' had become hopeless: "
                                              "peers.failed is 50 %, wanted < 10 %"));
    end(&j);
}

/* By what peers that are there have had so far. */
static void silence_ends_a_run(void **state)
{
    static const char *const texts[] = {"video.in.bitrate > 20 for 90% of peers between silent and "
                                        "end @1s"};
    (void)state;
    struct judged j;
    begin(&j, falls_silent, texts, 1);
    j.b.plan.peers = 4;
    j.b.plan.duration_ns = 60 * SEC;
    run(&j);
    const struct sq_result *r = j.b.result;
    assert_true(r->stop.on);
    assert_true(r->duration_s < 20 && r->stop.after_s >= 3);
    assert_string_equal(r->expectations[0].message, "holds for 0 of 4 peers (0 %), wanted 90 %");
    end(&j);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_mark_divides_the_run), cmocka_unit_test(ramped_is_when_all_have_begun),
        cmocka_unit_test(of_some_of_the_peers),   cmocka_unit_test(hopeless_runs_end),
        cmocka_unit_test(silence_ends_a_run),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
