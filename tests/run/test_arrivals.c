/* When users begin: rates that change and pause, and shards that hear of it ahead of time. */
#include "base/rand.h"
#include "base/time.h"
#include "run/arrivals.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS    SQ_NS_PER_MS
#define SEC   SQ_NS_PER_SEC
#define START (100 * SEC)

static void even_from_the_start(void **state)
{
    (void)state;
    struct sq_arrivals a;
    sq_arrivals_init(&a, START, 10);
    assert_int_equal(sq_arrivals_due(&a, START - MS), 0);
    assert_int_equal(sq_arrivals_due(&a, START), 1);
    assert_int_equal(sq_arrivals_due(&a, START + 99 * MS), 1);
    assert_int_equal(sq_arrivals_due(&a, START + 100 * MS), 2);
    assert_int_equal(sq_arrivals_due(&a, START + 60 * SEC), 601);
    assert_int_equal(sq_arrivals_before(&a, START + 60 * SEC), 600);
    assert_int_equal(sq_arrivals_before(&a, START + 60 * SEC + 50 * MS), 601);
    assert_int_equal(sq_arrivals_before(&a, START), 0);
    assert_int_equal(sq_arrivals_before(&a, START - MS), 0);
    for (uint64_t i = 0; i < 1000; i++) { /* every 100 ms to the microsecond: no chance in it */
        assert_in_range(sq_arrivals_time_ns(&a, i), START + i * 100 * MS - 1000,
                        START + i * 100 * MS + 1000);
    }
}

/* A user is due exactly from its intended time on, whatever the rate. */
static void due_and_time_agree(void **state)
{
    (void)state;
    static const double rates[] = {0.013, 1, 3, 7.77, 333.3, 12345.678};
    for (size_t r = 0; r < sizeof(rates) / sizeof(*rates); r++) {
        struct sq_arrivals a;
        sq_arrivals_init(&a, START, rates[r]);
        for (uint64_t i = 0; i < 5000; i += 7) {
            uint64_t at_ns = sq_arrivals_time_ns(&a, i);
            uint64_t slack_ns = (uint64_t)(2e3 / rates[r]) + 2; /* rounding: 1e-6 of a step */
            assert_true(sq_arrivals_due(&a, at_ns + slack_ns) == i + 1);
            assert_true(i == 0 || sq_arrivals_due(&a, at_ns - slack_ns) == i);
        }
    }
}

static void rate_changes(void **state)
{
    (void)state;
    struct sq_arrivals a;
    sq_arrivals_init(&a, START, 10);
    sq_arrivals_set_rate(&a, START + 2 * SEC + 50 * MS, 100); /* 20.5 arrivals are over */
    assert_int_equal(sq_arrivals_due(&a, START + 2 * SEC + 50 * MS), 21);
    /* The half step that is left goes at the new rate. */
    assert_int_equal(sq_arrivals_time_ns(&a, 21), START + 2 * SEC + 55 * MS);
    assert_int_equal(sq_arrivals_due(&a, START + 3 * SEC + 50 * MS), 121);
    sq_arrivals_set_rate(&a, START + 4 * SEC, 0);
    assert_true(sq_arrivals_time_ns(&a, 1000) == SQ_NEVER);
    assert_int_equal(sq_arrivals_due(&a, START + 90 * SEC), sq_arrivals_due(&a, START + 4 * SEC));
    sq_arrivals_set_rate(&a, START + 5 * SEC, 1);
    assert_int_equal(sq_arrivals_due(&a, START + 6 * SEC + MS),
                     sq_arrivals_due(&a, START + 4 * SEC) + 1);
}

static void pause_shifts_what_follows(void **state)
{
    (void)state;
    struct sq_arrivals a;
    sq_arrivals_init(&a, START, 10);
    sq_arrivals_pause(&a, START + SEC, true);
    assert_true(sq_arrivals_time_ns(&a, 11) == SQ_NEVER);
    assert_int_equal(sq_arrivals_due(&a, START + 50 * SEC), 11);
    sq_arrivals_set_rate(&a, START + 20 * SEC, 20); /* a new rate does not end the pause */
    assert_true(sq_arrivals_time_ns(&a, 11) == SQ_NEVER);
    sq_arrivals_pause(&a, START + 31 * SEC, false);
    assert_int_equal(sq_arrivals_due(&a, START + 31 * SEC), 11);
    assert_int_equal(sq_arrivals_time_ns(&a, 11), START + 31 * SEC + 50 * MS);
    assert_int_equal(sq_arrivals_due(&a, START + 32 * SEC), 31);
}

/* A change is told some time before it takes effect: until then the old rate goes on, and nobody is
 * begun before the intended time. */
static void a_change_told_ahead(void **state)
{
    (void)state;
    struct sq_arrivals a;
    struct sq_arrivals old;
    sq_arrivals_init(&a, START, 100);
    old = a;
    sq_arrivals_set_rate(&a, START + SEC, 1000);
    for (uint64_t t = 0; t < 1000; t++) {
        uint64_t now_ns = START + t * MS;
        assert_int_equal(sq_arrivals_due(&a, now_ns), sq_arrivals_due(&old, now_ns));
    }
    for (uint64_t i = 0; i < 2000; i++) {
        assert_true(sq_arrivals_due(&a, sq_arrivals_time_ns(&a, i) + 100) >= i + 1);
        assert_true(i == 0 || sq_arrivals_due(&a, sq_arrivals_time_ns(&a, i) - MS / 2) <= i);
    }
    /* A rate and a pause of the same moment, as the run gives them: the order does not matter. */
    sq_arrivals_init(&a, START, 100);
    sq_arrivals_set_rate(&a, START + SEC, 5);
    sq_arrivals_pause(&a, START + SEC, true);
    assert_int_equal(sq_arrivals_due(&a, START + SEC / 2), 51);
    assert_int_equal(sq_arrivals_due(&a, START + 9 * SEC), 101);
    assert_true(sq_arrivals_time_ns(&a, 101) == SQ_NEVER);
    /* Of the past: counts from the last change. */
    sq_arrivals_pause(&a, START, false);
    assert_int_equal(sq_arrivals_due(&a, START + 3 * SEC), 111);
    /* The end of a pause, told ahead: until then it is one. */
    sq_arrivals_pause(&a, START + 4 * SEC, true);
    sq_arrivals_pause(&a, START + 6 * SEC, false);
    uint64_t due = sq_arrivals_due(&a, START + 6 * SEC);
    for (uint64_t t = 4000; t < 6000; t += 10) {
        assert_int_equal(sq_arrivals_due(&a, START + t * MS), due);
    }
}

/* Shards that look at other times agree on every user, when all hear the same. */
static void shards_agree(void **state)
{
    (void)state;
    struct sq_arrivals shard[3];
    struct sq_rand rand;
    uint64_t next[3] = {0, 1, 2};
    uint64_t at_ns = START;
    sq_rand_seed(&rand, 7);
    for (int i = 0; i < 3; i++) {
        sq_arrivals_init(&shard[i], START, 50);
    }
    for (int change = 0; change < 50; change++) {
        at_ns += (1 + sq_rand_below(&rand, 900)) * MS;
        double rate = sq_rand_below(&rand, 400);
        bool paused = sq_rand_below(&rand, 4) == 0;
        for (int i = 0; i < 3; i++) {
            uint64_t now_ns = at_ns - sq_rand_below(&rand, 20) * MS;
            while (next[i] < sq_arrivals_due(&shard[i], now_ns)) {
                next[i] += 3;
            }
            sq_arrivals_set_rate(&shard[i], at_ns, rate);
            sq_arrivals_pause(&shard[i], at_ns, paused);
        }
        uint64_t due = sq_arrivals_due(&shard[0], at_ns + SEC);
        for (int i = 0; i < 3; i++) {
            assert_int_equal(sq_arrivals_due(&shard[i], at_ns + SEC), due);
            assert_true(sq_arrivals_time_ns(&shard[i], due + 3) ==
                        sq_arrivals_time_ns(&shard[0], due + 3));
            assert_true(next[i] <= due + 3); /* nobody ran ahead */
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(even_from_the_start), cmocka_unit_test(due_and_time_agree),
        cmocka_unit_test(rate_changes),        cmocka_unit_test(pause_shifts_what_follows),
        cmocka_unit_test(a_change_told_ahead), cmocka_unit_test(shards_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
