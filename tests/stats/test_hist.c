/* Histograms against sorted exact data, and what merging must keep. */
#include "base/rand.h"
#include "stats/hist.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define VALUES 20000

static int by_value(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a;
    uint64_t y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Log-uniform over the range: every octave is hit. */
static void draw(struct sq_rand *r, uint64_t *values, unsigned bits)
{
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = sq_rand_u64(r) >> (64 - 1 - sq_rand_below(r, bits));
    }
}

static void assert_near(uint64_t found, uint64_t exact, double bound)
{
    double off = fabs((double)found - (double)exact);
    if (off > bound * (double)exact) {
        fail_msg("found %llu, exact %llu", (unsigned long long)found, (unsigned long long)exact);
    }
}

/* Against sorted data: how many do not exceed a value is known as well as a quantile is. */
static void counts_up_to_a_value(void **state)
{
    static struct sq_hist h;
    static struct sq_hist_small s;
    static uint64_t values[VALUES];
    struct sq_rand r;
    sq_rand_seed(&r, 5);
    sq_hist_clear(&h);
    sq_hist_small_clear(&s);
    for (size_t i = 0; i < VALUES; i++) {
        values[i] = sq_rand_below(&r, 100000);
        sq_hist_record(&h, values[i]);
        sq_hist_small_record(&s, values[i]);
    }
    qsort(values, VALUES, sizeof(*values), by_value);
    for (size_t i = 0; i < VALUES; i += 97) {
        uint64_t v = values[i];
        uint64_t least = 0, most = 0, most_small = 0;
        for (size_t k = 0; k < VALUES; k++) {
            least += values[k] <= v;
            most += values[k] <= v + v / 64;
            most_small += values[k] <= v + v / 16;
        }
        assert_true(sq_hist_count_to(&h, v) >= least && sq_hist_count_to(&h, v) <= most);
        assert_true(sq_hist_small_count_to(&s, v) >= least &&
                    sq_hist_small_count_to(&s, v) <= most_small);
    }
    assert_int_equal(sq_hist_count_to(&h, values[VALUES - 1]), VALUES);
    assert_int_equal(sq_hist_small_count_to(&s, UINT64_MAX), VALUES);
    sq_hist_clear(&h);
    assert_int_equal(sq_hist_count_to(&h, 0), 0);
    for (uint64_t i = 0; i < 10; i++) {
        sq_hist_record_n(&h, i, i);
    }
    assert_int_equal(sq_hist_count_to(&h, 4), 10); /* small values have a bucket each */
}

static void quantiles_are_within_their_bound(void **state)
{
    static struct sq_hist h;
    static struct sq_hist_small s;
    static uint64_t values[VALUES];
    const double qs[] = {0.01, 0.05, 0.25, 0.5, 0.75, 0.9, 0.95, 0.99, 0.999};
    for (unsigned round = 0; round < 6; round++) {
        struct sq_rand r;
        sq_rand_seed(&r, round);
        bool small = round % 2;
        draw(&r, values, small ? SQ_HIST_SMALL_BITS : SQ_HIST_BITS);
        sq_hist_clear(&h);
        sq_hist_small_clear(&s);
        for (size_t i = 0; i < VALUES; i++) {
            sq_hist_record(&h, values[i]);
            sq_hist_small_record(&s, values[i]);
        }
        qsort(values, VALUES, sizeof(*values), by_value);
        for (size_t i = 0; i < sizeof(qs) / sizeof(*qs); i++) {
            uint64_t exact = values[(size_t)ceil(qs[i] * VALUES - 1e-6) - 1];
            assert_near(sq_hist_quantile(&h, qs[i]), exact, 0.0079);
            if (small) {
                assert_near(sq_hist_small_quantile(&s, qs[i]), exact, 0.0313);
            }
        }
        assert_int_equal(sq_hist_quantile(&h, 0), values[0]);
        assert_int_equal(sq_hist_quantile(&h, 1), values[VALUES - 1]);
        assert_int_equal(h.sums.count, VALUES);
        assert_int_equal(h.sums.clamped, 0);
    }
}

static void small_numbers_are_exact(void **state)
{
    static struct sq_hist h;
    sq_hist_clear(&h);
    assert_int_equal(sq_hist_quantile(&h, 0.5), 0);
    assert_true(sq_hist_avg(&h.sums) == 0 && sq_hist_stddev(&h.sums) == 0);
    for (uint64_t v = 1; v <= 100; v++) {
        sq_hist_record(&h, v);
    }
    for (unsigned p = 1; p < 100; p++) {
        assert_int_equal(sq_hist_quantile(&h, p / 100.0), p);
    }
    sq_hist_clear(&h);
    sq_hist_record(&h, 3);
    sq_hist_record(&h, 1);
    sq_hist_record(&h, 2);
    assert_int_equal(sq_hist_quantile(&h, 0.5), 2);
    assert_int_equal(sq_hist_quantile(&h, 0.99), 3);
    assert_int_equal(sq_hist_quantile(&h, NAN), 1);
}

/* Great values that lie close together are where a sum of squares in doubles fails. */
static void deviation_does_not_cancel(void **state)
{
    static struct sq_hist h;
    uint64_t base = UINT64_C(1) << 47;
    sq_hist_clear(&h);
    sq_hist_record(&h, 1);
    sq_hist_record(&h, 2); /* the average is no whole number */
    assert_true(fabs(sq_hist_stddev(&h.sums) - 0.5) < 1e-12);
    sq_hist_clear(&h);
    for (int i = 0; i < 1000; i++) {
        sq_hist_record_n(&h, base + 1, 3);
        sq_hist_record_n(&h, base + 5, 1);
    }
    /* Average base + 2; squares 3 * 1 + 1 * 9 over 4. */
    assert_true(fabs(sq_hist_avg(&h.sums) - (double)base - 2) < 0.05);
    assert_true(fabs(sq_hist_stddev(&h.sums) - sqrt(3)) < 1e-12);
}

static void what_is_too_great_is_clamped_and_told(void **state)
{
    static struct sq_hist h;
    static struct sq_hist_small s;
    sq_hist_clear(&h);
    sq_hist_small_clear(&s);
    sq_hist_record(&h, UINT64_MAX);
    sq_hist_record(&h, SQ_HIST_MAX);
    sq_hist_small_record(&s, UINT64_MAX);
    sq_hist_small_record(&s, SQ_HIST_SMALL_MAX);
    assert_int_equal(h.sums.clamped, 1);
    assert_int_equal(h.sums.max, SQ_HIST_MAX);
    assert_int_equal(s.sums.clamped, 1);
    assert_int_equal(s.sums.max, SQ_HIST_SMALL_MAX);
    assert_int_equal(sq_hist_quantile(&h, 0.5), SQ_HIST_MAX);
}

static void merging_is_associative_and_loses_nothing(void **state)
{
    static struct sq_hist part[3];
    static struct sq_hist all;
    static struct sq_hist left;
    static struct sq_hist right;
    static uint64_t values[VALUES];
    struct sq_rand r;
    sq_rand_seed(&r, 9);
    draw(&r, values, SQ_HIST_BITS);
    sq_hist_clear(&all);
    for (size_t i = 0; i < VALUES; i++) {
        sq_hist_record(&part[i * 7 % 3], values[i]);
        sq_hist_record(&all, values[i]);
    }
    left = part[0]; /* (0 + 1) + 2 */
    sq_hist_merge(&left, &part[1]);
    sq_hist_merge(&left, &part[2]);
    right = part[2]; /* (2 + 1) + 0, into an empty one */
    sq_hist_merge(&right, &part[1]);
    static struct sq_hist other;
    sq_hist_merge(&other, &part[0]);
    sq_hist_merge(&other, &right);
    assert_memory_equal(&left, &all, sizeof(all));
    assert_memory_equal(&other, &all, sizeof(all));
}

static void small_ones_merge(void **state)
{
    static struct sq_hist_small a;
    static struct sq_hist_small b;
    sq_hist_small_clear(&a);
    sq_hist_small_clear(&b);
    for (uint64_t v = 0; v < 1000; v++) {
        sq_hist_small_record(v % 2 ? &a : &b, v * v);
    }
    sq_hist_small_merge(&a, &b);
    assert_int_equal(a.sums.count, 1000);
    assert_int_equal(a.sums.max, 999 * 999);
    assert_near(sq_hist_small_quantile(&a, 0.5), 499 * 499, 0.0313);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_up_to_a_value),
        cmocka_unit_test(quantiles_are_within_their_bound),
        cmocka_unit_test(small_numbers_are_exact),
        cmocka_unit_test(deviation_does_not_cancel),
        cmocka_unit_test(what_is_too_great_is_clamped_and_told),
        cmocka_unit_test(merging_is_associative_and_loses_nothing),
        cmocka_unit_test(small_ones_merge),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
