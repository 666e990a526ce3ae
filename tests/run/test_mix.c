/* Parts that share a row: of the first n each has its share but for less than one (or two), for
 * every n; one more of the row is one more of one part, and the place of any is known by itself. */
#include "base/rand.h"
#include "run/mix.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#include <cmocka.h>

/* Walks the row by its parts alone, and holds their numbers against the shares. */
static void check_row(const struct sq_mix *mix, uint64_t most, double within)
{
    uint64_t given[SQ_MIX_PARTS_MAX] = {0}, counts[SQ_MIX_PARTS_MAX], before;
    double all = 0;
    for (size_t i = 0; i < mix->n; i++) {
        all += mix->shares[i];
    }
    for (uint64_t n = 1; n <= most; n++) {
        size_t part = sq_mix_part(mix, n - 1, &before);
        assert_true(part < mix->n);
        assert_int_equal(before, given[part]);
        given[part]++;
        sq_mix_counts(mix, n, counts);
        for (size_t i = 0; i < mix->n; i++) {
            double off = (double)given[i] - mix->shares[i] / all * (double)n;
            if (counts[i] != given[i] || fabs(off) >= within) {
                fail_msg("of the first %llu part %zu of %zu has %llu (%llu), off by %.3f",
                         (unsigned long long)n, i, mix->n, (unsigned long long)given[i],
                         (unsigned long long)counts[i], off);
            }
        }
    }
}

static void every_beginning_has_the_shares(void **state)
{
    static const struct sq_mix mixes[] = {
        {{1}, 1},
        {{0.5, 0.5}, 2},
        {{0.99, 0.01}, 2},
        {{0.3, 0.3, 0.4}, 3}, /* one after the other by what is left it was off by 1.2 */
        {{0.7, 0.2, 0.1}, 3},
        {{0.3333, 0.3333, 0.3334}, 3},
        {{0.98, 0.01, 0.01}, 3},
        {{1 / 3.0, 1 / 3.0, 1 / 3.0}, 3},
        {{0.4, 0.3, 0.2, 0.1}, 4},
        {{0.01, 0.49, 0.49, 0.01}, 4},
        {{0.1, 0.2, 0.3, 0.25, 0.15}, 5},
        {{0.4, 0.2, 0.2, 0.19, 0.01}, 5},
        {{0.4, 0.4, 0.05, 0.05, 0.05, 0.05}, 6},
        {{1 / 7.0, 1 / 7.0, 1 / 7.0, 1 / 7.0, 1 / 7.0, 1 / 7.0, 1 / 7.0}, 7},
        {{0.9, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01, 0.01}, 11},
        {{0.25, 0.25, 0.25, 0.125, 0.025, 0.025, 0.025, 0.025, 0.025, 0.025}, 10},
        {{0.0625, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625, 0.0625,
          0.0625, 0.0625, 0.0625, 0.0625, 0.0625},
         16},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(mixes) / sizeof(*mixes); i++) {
        check_row(&mixes[i], 2500, 1);
    }
}

/* Weights by lot, of which the shares have a period of some hundred or none at all. */
static void mixes_by_lot(void **state)
{
    struct sq_rand rand;
    (void)state;
    sq_rand_seed(&rand, 3);
    for (unsigned k = 0; k < 60; k++) {
        struct sq_mix mix = {.n = 2 + sq_rand_below(&rand, SQ_MIX_PARTS_MAX - 1)};
        for (size_t i = 0; i < mix.n; i++) {
            unsigned most = sq_rand_below(&rand, 3) ? 4 : 60;
            mix.shares[i] = 1 + sq_rand_below(&rand, most) + (k % 2 ? sq_rand_unit(&rand) : 0);
        }
        check_row(&mix, 400, mix.n > 4 ? 2 : 1);
    }
}

/* No short period, and the place of each of many is had at once all the same. */
static void shares_in_hundredths_of_a_percent(void **state)
{
    (void)state;
    check_row(&(struct sq_mix){{0.6137, 0.1482, 0.0955, 0.0603, 0.0823}, 5}, 100000, 2);
}

static void assert_order(const struct sq_mix *mix, const char *wanted)
{
    char order[32] = "";
    uint64_t before;
    for (uint64_t i = 0; wanted[i]; i++) {
        order[i] = (char)('a' + sq_mix_part(mix, i, &before));
    }
    assert_string_equal(order, wanted);
}

/* As it can be reckoned by hand. */
static void one_order_by_hand(void **state)
{
    (void)state;
    assert_order(&(struct sq_mix){{0.3, 0.3, 0.4}, 3}, "acbcabcacb");
}

/* Rooms of two sizes whose period is the whole row, and the end of a row as long as there is. */
static void the_end_is_exact(void **state)
{
    uint64_t counts[SQ_MIX_PARTS_MAX], before;
    (void)state;
    const struct sq_mix two = {{1.0 / 999983, 999982.0 / 999983}, 2};
    sq_mix_counts(&two, 999983, counts);
    assert_int_equal(counts[0], 1);
    assert_int_equal(counts[1], 999982);
    const struct sq_mix five = {{0.1, 0.2, 0.3, 0.25, 0.15}, 5};
    sq_mix_counts(&five, 1000000, counts);
    assert_int_equal(counts[0], 100000);
    assert_int_equal(counts[3], 250000);
    assert_int_equal(sq_mix_part(&five, 1000000, &before), sq_mix_part(&five, 0, &before));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_beginning_has_the_shares),
        cmocka_unit_test(mixes_by_lot),
        cmocka_unit_test(shares_in_hundredths_of_a_percent),
        cmocka_unit_test(one_order_by_hand),
        cmocka_unit_test(the_end_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
