#include "base/mem.h"
#include "run/user.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define FPS SQ_METRIC_VIDEO_IN_FPS

static void no_sample_is_none(void **state)
{
    struct sq_tally tally = {0}, sum = {0};
    sq_tally_record(&tally, FPS, NAN);
    assert_null(tally.metrics[FPS]);
    sq_tally_merge(&sum, &tally);
    assert_null(sum.metrics[FPS]);
    sq_tally_record(&tally, FPS, 25);
    sq_tally_record(&tally, FPS, NAN);
    assert_int_equal(tally.metrics[FPS]->sums.count, 1);
    assert_true(tally.last[FPS] == 25);
    sq_tally_free(&tally);
    sq_tally_free(&sum);
}

/* Whichever shard it comes from, and in whatever order they are added up. */
static void the_newest_is_the_last(void **state)
{
    struct sq_tally shards[3] = {0};
    for (int i = 0; i < 3; i++) {
        sq_tally_record(&shards[i], FPS, 10 * (i + 1));
    }
    shards[0].last_ns[FPS] = 5;
    shards[1].last_ns[FPS] = 9;
    shards[2].last_ns[FPS] = 7;
    for (int first = 0; first < 3; first++) {
        struct sq_tally sum = {0};
        for (int i = 0; i < 3; i++) {
            sq_tally_merge(&sum, &shards[(first + i) % 3]);
        }
        assert_int_equal(sum.metrics[FPS]->sums.count, 3);
        assert_true(sum.last[FPS] == 20);
        sq_tally_free(&sum);
    }
    for (int i = 0; i < 3; i++) {
        sq_tally_free(&shards[i]);
    }
}

static void without_memory_it_is_left_out(void **state)
{
    struct sq_tally tally = {0}, sum = {0};
    sq_mem_fail_at(1);
    sq_tally_record(&tally, FPS, 25);
    sq_mem_fail_at(0);
    assert_null(tally.metrics[FPS]);
    sq_tally_record(&tally, FPS, 25);
    sq_mem_fail_at(1);
    sq_tally_merge(&sum, &tally);
    sq_mem_fail_at(0);
    assert_null(sum.metrics[FPS]);
    sq_tally_free(&tally);
    sq_tally_free(&sum);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_sample_is_none),
        cmocka_unit_test(the_newest_is_the_last),
        cmocka_unit_test(without_memory_it_is_left_out),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
