/* Messages at a steady rate from timers that come once a millisecond, and late. */
#include "run/pace.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define START (1000000 * SQ_NS_PER_SEC) /* as a machine's that has been up for days */

/* Timers fire in slots of a millisecond: every rate is kept all the same, to the message. */
static void every_rate_is_kept(void **state)
{
    (void)state;
    static const double rates[] = {0.5, 3, 50, 1000, 64000, 100000, 333333};
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct sq_pace p;
        uint64_t sent = 0;
        sq_pace_init(&p, START, rates[i]);
        for (uint64_t ms = 0; ms < 10000; ms++) {
            uint64_t skipped;
            sent += sq_pace_due(&p, START + ms * SQ_NS_PER_MS, &skipped);
            assert_int_equal(skipped, 0);
            assert_true(sq_pace_next_ns(&p) > START + ms * SQ_NS_PER_MS);
        }
        assert_in_range(sent, (uint64_t)(9.999 * rates[i]), (uint64_t)(10 * rates[i]) + 1);
    }
}

/* What came due while the thread stood still is sent, or counted. */
static void nothing_vanishes(void **state)
{
    (void)state;
    struct sq_pace p;
    uint64_t skipped;
    sq_pace_init(&p, START, 1000);
    assert_int_equal(sq_pace_due(&p, START - 1, &skipped), 0);
    assert_int_equal(sq_pace_due(&p, START, &skipped), 1);
    assert_int_equal(sq_pace_due(&p, START + 90 * SQ_NS_PER_MS, &skipped), 90);
    assert_int_equal(skipped, 0);
    assert_int_equal(sq_pace_due(&p, START + 1090 * SQ_NS_PER_MS, &skipped), 100);
    assert_int_equal(skipped, 900);
    assert_int_equal(sq_pace_next_ns(&p), START + 1091 * SQ_NS_PER_MS);
    sq_pace_init(&p, START, 2); /* a rare one is never too late to be sent */
    assert_int_equal(sq_pace_due(&p, START + SQ_NS_PER_SEC, &skipped), 1);
    assert_int_equal(skipped, 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_rate_is_kept),
        cmocka_unit_test(nothing_vanishes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
