/* Many figures of two groups, corrected by all ways to deal the runs: by hand, and by another way
 * to count. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"
#include "stats/relabel.h"
#include <math.h>
#include <stdbool.h>

/* One figure: the ways in which the medians lie as far apart, counted by hand. Of 1 2 | 11 12 that
 * are the way itself and its mirror, of 6; of three figures that lie apart in three ways of 6 each
 * one hides behind those that are farther out. */
static void small_ones_by_hand(void **state)
{
    static const double one[] = {1, 2, 11, 12};
    static const double three[] = {1, 2, 110, 120, 1, 12, 2, 11, 5, 5, NAN, 5};
    double p[3] = {0};
    (void)state;
    assert_int_equal(sq_relabel_test(one, 0.2, 1, 2, 2, p), 0);
    assert_true(fabs(p[0] - 2.0 / 6) < 1e-12);
    p[2] = NAN;
    assert_int_equal(sq_relabel_test(three, 0.2, 3, 2, 2, p), 0);
    assert_true(fabs(p[0] - 2.0 / 6) < 1e-12);
    assert_true(fabs(p[1] - 6.0 / 6) < 1e-12); /* its medians are 6.5 and 6.5 */
    assert_true(isnan(p[2]));
    assert_int_equal(sq_relabel_test(one, 0.2, 1, 0, 4, p), SQ_ERR_INVALID);
    assert_int_equal(sq_relabel_test(one, 0.2, 1, 4, SQ_RELABEL_RUNS_MAX, p), SQ_ERR_INVALID);
}

static double middle_of(const double *v, size_t n)
{
    double sorted[8];
    for (size_t i = 0; i < n; i++) {
        size_t at = i;
        for (; at > 0 && sorted[at - 1] > v[i]; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = v[i];
    }
    return n % 2 ? sorted[n / 2] : (sorted[n / 2 - 1] + sorted[n / 2]) / 2;
}

static double apart(const double *v, unsigned mask, double floor)
{
    double groups[2][8];
    size_t n[2] = {0};
    double spread = 0;
    for (size_t i = 0; i < 8; i++) {
        unsigned b = mask >> i & 1;
        groups[b][n[b]++] = v[i];
    }
    double middles[2] = {middle_of(groups[0], n[0]), middle_of(groups[1], n[1])};
    for (size_t i = 0; i < 8; i++) {
        spread += fabs(v[i] - middles[mask >> i & 1]);
    }
    return fabs(middles[1] - middles[0]) / (spread / 8 + floor);
}

/* As Westfall and Young write it: by masks, and for each figure the most of those not farther out.
 */
static void four_figures_by_another_count(void **state)
{
    struct sq_rand r;
    (void)state;
    sq_rand_seed(&r, 3);
    for (unsigned round = 0; round < 200; round++) {
        double v[4 * 8], p[4] = {0};
        for (size_t i = 0; i < 4 * (size_t)8; i++) {
            v[i] = sq_rand_unit(&r) + (i / 8 == 2 && i % 8 >= 3 ? 0.6 : 0);
        }
        assert_int_equal(sq_relabel_test(v, 0.2, 4, 3, 5, p), 0);
        for (size_t k = 0; k < 4; k++) {
            double most = 0; /* over all that are farther out and itself */
            double own = apart(v + k * 8, 0xf8, 0.2);
            for (size_t j = 0; j < 4; j++) {
                double far = apart(v + j * 8, 0xf8, 0.2);
                unsigned as_far = 0;
                for (unsigned mask = 0; far >= own && mask < 256; mask++) {
                    bool hit = false;
                    for (size_t i = 0; i < 4 && __builtin_popcount(mask) == 5; i++) {
                        hit = hit || (apart(v + i * 8, 0xf8, 0.2) <= far &&
                                      apart(v + i * 8, mask, 0.2) >= far * (1 - 1e-9));
                    }
                    as_far += hit;
                }
                most = fmax(most, as_far / 56.0);
            }
            assert_true(fabs(p[k] - most) < 1e-9);
        }
    }
}

/* More ways than can be gone through are drawn: close to what all of them give (the exact share of
 * one figure alone whose sides do not overlap is 2 of 184,756), and the same each time. */
static void drawn_ways_are_always_alike(void **state)
{
    double v[2 * 20], first[2] = {0}, again[2] = {0};
    struct sq_rand r;
    (void)state;
    sq_rand_seed(&r, 4);
    for (size_t i = 0; i < 40; i++) {
        v[i] = sq_rand_unit(&r) + (i < 20 && i >= 10 ? 3 : 0);
    }
    assert_int_equal(sq_relabel_test(v, 0.2, 2, 10, 10, first), 0);
    assert_int_equal(sq_relabel_test(v, 0.2, 2, 10, 10, again), 0);
    assert_memory_equal(first, again, sizeof(first));
    assert_true(fabs(first[0] - 1.0 / SQ_RELABEL_DRAWN) < 1e-12);
    assert_true(first[1] > 0.05);
}

static void survives_want_of_memory(void **state)
{
    static const double one[] = {1, 2, 11, 12};
    double p[1] = {0};
    (void)state;
    for (size_t nth = 1; nth <= 2; nth++) {
        sq_mem_fail_at(nth);
        assert_int_equal(sq_relabel_test(one, 0.2, 1, 2, 2, p), SQ_ERR_NOMEM);
        sq_mem_fail_at(0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(small_ones_by_hand),
        cmocka_unit_test(four_figures_by_another_count),
        cmocka_unit_test(drawn_ways_are_always_alike),
        cmocka_unit_test(survives_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
