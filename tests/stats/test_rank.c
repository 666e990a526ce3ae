/* The rank test against published tables and against all ways to deal the values, one by one. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"
#include "stats/rank.h"
#include <math.h>
#include <string.h>

static void assert_near(double got, double expected, double off)
{
    if (!(fabs(got - expected) <= off)) {
        fail_msg("%.9g, expected %.9g", got, expected);
    }
}

static struct sq_rank_test test_of(const double *a, size_t n, const double *b, size_t m)
{
    struct sq_rank_test test;
    assert_int_equal(sq_rank_test(a, n, b, m, &test), 0);
    return test;
}

/* Hollander and Wolfe (1973), page 69, permeability of membranes: U = 35, and P of that or more is
 * 0.1272, as R's wilcox.test has it, too. */
static void a_published_example(void **state)
{
    static const double x[] = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
    static const double y[] = {1.15, 0.88, 0.90, 0.74, 1.21};
    (void)state;
    struct sq_rank_test test = test_of(y, 5, x, 10);
    assert_true(test.exact);
    assert_near(test.u, 35, 0);
    assert_near(test.p, 2 * 0.1272, 1e-4);
    assert_near(test_of(x, 10, y, 5).p, test.p, 1e-12);
    assert_near(test_of(x, 10, y, 5).u, 15, 0);
}

/* Two samples of n without ties and with that U: i values of b lie above k of a, and so on. */
static void samples_of(size_t n, size_t u, double *a, double *b)
{
    for (size_t i = 0; i < n; i++) {
        a[i] = (double)(i + 1);
        size_t above = u < n ? u : n; /* of a, below this one */
        b[i] = (double)above + 0.5 + 0.001 * (double)i;
        u -= above;
    }
}

/* The table of critical values of U, two-sided, at 5 %: Mann and Whitney (1947), Milton (1964). */
static void the_table_of_critical_values(void **state)
{
    static const struct {
        size_t n, critical;
    } table[] = {{4, 0},   {5, 2},   {6, 5},   {7, 8},   {8, 13},  {9, 17},
                 {10, 23}, {12, 37}, {15, 64}, {18, 99}, {20, 127}};
    double a[20], b[20];
    (void)state;
    for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++) {
        samples_of(table[i].n, table[i].critical, a, b);
        struct sq_rank_test test = test_of(a, table[i].n, b, table[i].n);
        assert_true(test.exact && test.u == (double)table[i].critical);
        assert_true(test.p <= 0.05);
        samples_of(table[i].n, table[i].critical + 1, a, b);
        assert_true(test_of(a, table[i].n, b, table[i].n).p > 0.05);
    }
}

static double u_of(const double *a, size_t n, const double *b, size_t m)
{
    double u = 0;
    for (size_t i = 0; i < n * m; i++) {
        double x = a[i % n];
        double y = b[i / n];
        u += y > x ? 1 : y == x ? 0.5 : 0;
    }
    return u;
}

/* The share of all ways to choose m of the n + m values in which U is as far from its middle: by
 * the definition, without ranks. */
static double p_of_all_ways(const double *a, size_t n, const double *b, size_t m)
{
    double all[16], x[16], y[16];
    double off = fabs(u_of(a, n, b, m) - (double)(n * m) / 2);
    double far = 0;
    double ways = 0;
    memcpy(all, a, n * sizeof(*a));
    memcpy(all + n, b, m * sizeof(*b));
    for (unsigned mask = 0; mask < 1U << (n + m); mask++) {
        size_t k = 0;
        size_t l = 0;
        if ((size_t)__builtin_popcount(mask) == m) {
            for (size_t i = 0; i < n + m; i++) {
                if (mask >> i & 1) {
                    y[k++] = all[i];
                } else {
                    x[l++] = all[i];
                }
            }
            ways += 1;
            far += fabs(u_of(x, n, y, m) - (double)(n * m) / 2) >= off - 1e-9;
        }
    }
    return far / ways;
}

/* With ties of any kind, and without. */
static void exact_is_what_all_ways_give(void **state)
{
    struct sq_rand rand;
    double a[8], b[8];
    (void)state;
    sq_rand_seed(&rand, 11);
    for (unsigned round = 0; round < 60; round++) {
        size_t n = 1 + sq_rand_below(&rand, 6);
        size_t m = 1 + sq_rand_below(&rand, 6);
        uint32_t kinds = 1 + sq_rand_below(&rand, round % 2 ? 4 : 1000);
        for (size_t i = 0; i < 8; i++) {
            a[i] = sq_rand_below(&rand, kinds);
            b[i] = sq_rand_below(&rand, kinds) + (round % 3 ? 0 : 1.0);
        }
        assert_near(test_of(a, n, b, m).p, p_of_all_ways(a, n, b, m), 1e-12);
        assert_near(test_of(a, n, b, m).u, u_of(a, n, b, m), 1e-12);
    }
}

/* Above the bound: against random ways to deal the same values, ties and all. */
static void the_approximation_is_near(void **state)
{
    enum { N = 30, M = 25, DEALS = 20000 };
    struct sq_rand rand;
    double all[N + M];
    (void)state;
    sq_rand_seed(&rand, 5);
    for (size_t i = 0; i < N + M; i++) {
        all[i] = sq_rand_below(&rand, 12) + (i >= N ? 2.0 : 0);
    }
    struct sq_rank_test test = test_of(all, N, all + N, M);
    assert_false(test.exact);
    double off = fabs(test.u - N * M / 2.0);
    unsigned far = 0;
    for (unsigned deal = 0; deal < DEALS; deal++) {
        for (uint32_t i = N + M - 1; i > 0; i--) {
            uint32_t k = sq_rand_below(&rand, i + 1);
            double swap = all[i];
            all[i] = all[k];
            all[k] = swap;
        }
        far += fabs(u_of(all, N, all + N, M) - N * M / 2.0) >= off;
    }
    double share = (double)far / DEALS;
    assert_true(share > 0.005 && share < 0.5); /* or it would show nothing */
    assert_near(test.p, share, 0.006);
}

static void what_cannot_be_tested(void **state)
{
    static const double ones[50] = {0};
    static const double bad[] = {1, NAN};
    struct sq_rank_test test;
    struct sq_rank_shift shift;
    (void)state;
    assert_int_equal(sq_rank_test(ones, 0, ones, 3, &test), SQ_ERR_INVALID);
    assert_int_equal(sq_rank_test(ones, 2, bad, 2, &test), SQ_ERR_INVALID);
    assert_int_equal(sq_rank_shift(ones, 0, ones, 3, &shift), SQ_ERR_INVALID);
    assert_int_equal(sq_rank_shift(ones, SQ_RANK_SHIFT_MAX + 1, ones, 3, &shift), SQ_ERR_INVALID);
    assert_near(test_of(ones, 4, ones, 4).p, 1, 0);
    assert_near(test_of(ones, 50, ones, 50).p, 1, 0);
    assert_true(isnan(sq_rank_median(NULL, 0)));
}

static void the_least_p(void **state)
{
    (void)state;
    assert_near(sq_rank_least_p(4, 4), 2.0 / 70, 1e-12);
    assert_near(sq_rank_least_p(5, 5), 2.0 / 252, 1e-12);
    assert_near(sq_rank_least_p(3, 3), 0.1, 1e-12);
    assert_near(sq_rank_least_p(1, 1), 1, 0);
    assert_near(sq_rank_least_p(0, 4), 1, 0);
    static const double a[] = {1, 2, 3, 4};
    static const double b[] = {5, 6, 7, 8};
    assert_near(test_of(a, 4, b, 4).p, sq_rank_least_p(4, 4), 1e-12);
}

/* The same membranes: all 50 differences sorted, and the interval begins one after the critical U
 * of 10 and 5 (8, in the table). R 4: estimate 0.305, interval -0.15 to 0.76. */
static void shift_and_interval(void **state)
{
    static const double x[] = {0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46};
    static const double y[] = {1.15, 0.88, 0.90, 0.74, 1.21};
    struct sq_rank_shift shift;
    (void)state;
    assert_int_equal(sq_rank_shift(y, 5, x, 10, &shift), 0);
    assert_near(shift.shift, 0.305, 1e-9);
    assert_near(shift.low, -0.15, 1e-9);
    assert_near(shift.high, 0.76, 1e-9);
    assert_true(shift.confidence >= 0.95 && shift.confidence < 0.97);
    /* Four and four: from the least to the greatest difference, which holds 97 %; three and three
     * hold 90 %, and it says so. */
    assert_int_equal(sq_rank_shift(x, 4, y, 4, &shift), 0);
    assert_near(shift.confidence, 1 - 2.0 / 70, 1e-12);
    assert_int_equal(sq_rank_shift(x, 3, y, 3, &shift), 0);
    assert_near(shift.confidence, 0.9, 1e-12);
}

/* How often the interval has the true shift in it. */
static void the_interval_covers(void **state)
{
    enum { ROUNDS = 4000 };
    struct sq_rand rand;
    (void)state;
    sq_rand_seed(&rand, 3);
    static const size_t sizes[] = {5, 9, 30};
    for (size_t s = 0; s < 3; s++) {
        double a[30], b[30];
        unsigned covered = 0;
        size_t n = sizes[s];
        for (unsigned round = 0; round < ROUNDS / (s == 2 ? 8 : 1); round++) {
            struct sq_rank_shift shift;
            for (size_t i = 0; i < n; i++) {
                a[i] = -log(1 - sq_rand_unit(&rand));
                b[i] = 0.7 - log(1 - sq_rand_unit(&rand));
            }
            assert_int_equal(sq_rank_shift(a, n, b, n, &shift), 0);
            covered += shift.low <= 0.7 && 0.7 <= shift.high;
        }
        double share = (double)covered / (ROUNDS / (s == 2 ? 8.0 : 1.0));
        if (share < (s == 2 ? 0.93 : 0.945) || share > 0.985) {
            fail_msg("%zu and %zu: %.4f of the intervals have it", n, n, share);
        }
    }
}

/* Benjamini and Hochberg (1995), section 3.2: of these fifteen four are rejected at 5 %. */
static void the_published_fifteen(void **state)
{
    static const double given[] = {0.6528, 0.0001, 0.3240, 0.0278, 0.0298, 0.0004, 0.0344, 1.000,
                                   0.0095, 0.0459, 0.4262, 0.0019, 0.5719, 0.7590, 0.0201};
    double p[16];
    unsigned rejected = 0;
    (void)state;
    memcpy(p, given, sizeof(given));
    p[15] = NAN; /* is none of the family */
    assert_int_equal(sq_rank_adjust(p, 16), 0);
    for (size_t i = 0; i < 15; i++) {
        rejected += p[i] <= 0.05;
        assert_true(p[i] >= given[i] && p[i] <= 1);
        assert_true((p[i] <= 0.05) == (given[i] <= 0.0095));
    }
    assert_int_equal(rejected, 4);
    assert_near(p[8], 0.0095 * 15 / 4, 1e-12);
    assert_near(p[14], 0.0201 * 15 / 5, 1e-12);
    assert_near(p[3], 0.0298 * 15 / 7, 1e-12); /* the one above it has less */
    assert_true(isnan(p[15]));
}

static void survives_want_of_memory(void **state)
{
    static const double a[] = {1, 2, 3, 4};
    double p[] = {0.5};
    struct sq_rank_test test;
    struct sq_rank_shift shift;
    (void)state;
    for (size_t nth = 1; nth <= 2; nth++) {
        sq_mem_fail_at(nth);
        assert_int_equal(sq_rank_test(a, 4, a, 4, &test), SQ_ERR_NOMEM);
        sq_mem_fail_at(nth);
        assert_int_equal(sq_rank_shift(a, 4, a, 4, &shift), SQ_ERR_NOMEM);
    }
    sq_mem_fail_at(1);
    assert_int_equal(sq_rank_adjust(p, 1), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_published_example),
        cmocka_unit_test(the_table_of_critical_values),
        cmocka_unit_test(exact_is_what_all_ways_give),
        cmocka_unit_test(the_approximation_is_near),
        cmocka_unit_test(what_cannot_be_tested),
        cmocka_unit_test(the_least_p),
        cmocka_unit_test(shift_and_interval),
        cmocka_unit_test(the_interval_covers),
        cmocka_unit_test(the_published_fifteen),
        cmocka_unit_test(survives_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
