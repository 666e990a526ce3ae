/* Shapes of a load against an integration of our own: when the n-th begins, how many are there, and
 * who goes; and what changes by hand make of them. */
#include "base/rand.h"
#include "base/time.h"
#include "run/arrivals.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS    SQ_NS_PER_MS
#define SEC   SQ_NS_PER_SEC
#define START (100 * SEC)

static struct sq_arrivals clock_of(const char *text)
{
    struct sq_shape shape;
    struct sq_shape_error error;
    struct sq_arrivals a;
    if (sq_shape_parse(text, 0, &shape, &error) != 0) {
        fail_msg("'%s', column %zu: %s", text, error.column, error.message);
    }
    sq_arrivals_init_shape(&a, START, &shape);
    return a;
}

/* ---- An independent reckoning ---- */

struct knot {
    double t_s, value;
};

/* What the knots say at t_s; at a step what comes after it. */
static double course(const struct knot *knots, size_t n, double t_s)
{
    for (size_t i = n - 1; i > 0; i--) {
        const struct knot *a = &knots[i - 1];
        const struct knot *b = &knots[i];
        if (t_s >= b->t_s) {
            return b->value;
        }
        if (t_s >= a->t_s) {
            return a->value + (b->value - a->value) * (t_s - a->t_s) / (b->t_s - a->t_s);
        }
    }
    return knots[0].value;
}

/* Stages of whole milliseconds, and the same as knots. */
static size_t make_course(struct sq_rand *rand, bool rates, char text[static 512],
                          struct knot *knots)
{
    size_t n = 0;
    size_t len = 0;
    unsigned t_ms = 0;
    bool stepped = false;
    knots[n++] = (struct knot){0, 0};
    for (int i = 0; i < 8; i++) {
        unsigned over_ms =
            !stepped && sq_rand_below(rand, 3) == 0 ? 0 : 1 + sq_rand_below(rand, 9999);
        unsigned value = sq_rand_below(rand, 4) == 0 ? 0 : sq_rand_below(rand, 60);
        stepped = over_ms == 0;
        t_ms += over_ms;
        knots[n++] = (struct knot){t_ms / 1e3, value};
        len += (size_t)snprintf(text + len, 512 - len, "%s%ums:%u%s", i ? "," : "", over_ms, value,
                                rates ? "/s" : "");
    }
    len += (size_t)snprintf(text + len, 512 - len, ",1s:7%s", rates ? "/s" : "");
    knots[n++] = (struct knot){t_ms / 1e3 + 1, 7};
    return n;
}

/* The n-th arrival by adding up the rate, a millisecond at a time: within each the rate is even, so
 * its middle's is its mean. */
static void arrivals_follow_the_integral(void **state)
{
    (void)state;
    struct sq_rand rand;
    sq_rand_seed(&rand, 11);
    for (int i = 0; i < 60; i++) {
        char text[512];
        struct knot knots[16];
        size_t n = make_course(&rand, true, text, knots);
        struct sq_arrivals a = clock_of(text);
        double count = 0;
        uint64_t next = 0;
        unsigned length_ms = (unsigned)lround(knots[n - 1].t_s * 1e3);
        for (unsigned ms = 0; ms < length_ms; ms++) {
            double rate = course(knots, n, (ms + 0.5) / 1e3);
            double before = count;
            count += rate / 1e3;
            /* All that the integral reaches in this millisecond, at the place within it. */
            for (; rate > 0 && (double)next < count - 1e-9; next++) {
                double at_ns = (ms + fmax(0, (double)next - before) / (count - before)) * 1e6;
                double is_ns = (double)(sq_arrivals_time_ns(&a, next) - START);
                if (fabs(is_ns - at_ns) > 2e5) { /* the rate is not even to the last bit */
                    fail_msg("%s: arrival %llu at %.0f ns, expected %.0f", text,
                             (unsigned long long)next, is_ns, at_ns);
                }
            }
            if (ms % 97 == 0 && fabs(count - round(count)) > 1e-3) {
                uint64_t due = sq_arrivals_due(&a, START + (ms + 1ULL) * MS);
                uint64_t earlier = sq_arrivals_before(&a, START + (ms + 1ULL) * MS);
                if (due != next || earlier != next) {
                    fail_msg("%s: after %u ms %llu due and %llu before, expected %llu", text,
                             ms + 1, (unsigned long long)due, (unsigned long long)earlier,
                             (unsigned long long)next);
                }
            }
        }
    }
}

/* A closed form that anybody can check: from 0 to 20/s in 10 s is t², and the 50th comes after
 * 7.07 s. */
static void a_ramp_by_hand(void **state)
{
    (void)state;
    struct sq_arrivals a = clock_of("10s:20/s, 10s:20/s, 10s:0/s");
    assert_int_equal(sq_arrivals_time_ns(&a, 0), START);
    assert_int_equal(sq_arrivals_time_ns(&a, 1), START + SEC);
    assert_int_equal(sq_arrivals_time_ns(&a, 4), START + 2 * SEC);
    assert_in_range(sq_arrivals_time_ns(&a, 50), START + 7071067811ULL, START + 7071067813ULL);
    assert_int_equal(sq_arrivals_time_ns(&a, 100), START + 10 * SEC);
    assert_int_equal(sq_arrivals_time_ns(&a, 200), START + 15 * SEC);
    assert_int_equal(sq_arrivals_time_ns(&a, 375), START + 25 * SEC); /* 75 of the last 100 */
    assert_int_equal(sq_arrivals_before(&a, START + 30 * SEC), 400);
    assert_true(sq_arrivals_time_ns(&a, 400) == SQ_NEVER);
    assert_true(sq_arrivals_value(&a, START + 5 * SEC) == 10);
    assert_true(sq_arrivals_value(&a, START + 25 * SEC) == 10);
    assert_true(sq_arrivals_value(&a, START - 1) == 0);
    /* Nobody comes in a pause, and the first one after it at its end. */
    a = clock_of("0s:10/s, 1s:10/s, 0s:0/s, 10s:0/s, 0s:10/s, 1s:10/s");
    assert_int_equal(sq_arrivals_due(&a, START + 5 * SEC), 10);
    assert_int_equal(sq_arrivals_time_ns(&a, 9), START + 900 * MS);
    assert_int_equal(sq_arrivals_time_ns(&a, 10), START + 11 * SEC);
    assert_int_equal(sq_arrivals_before(&a, START + 12 * SEC), 20);
    a = clock_of("5s:0/s, 0s:2/s, 5s:2/s");
    assert_int_equal(sq_arrivals_due(&a, START + 4 * SEC), 0);
    assert_int_equal(sq_arrivals_time_ns(&a, 0), START + 5 * SEC);
}

/* Counts those who are there, place by place. */
static uint64_t present(const struct sq_arrivals *a, uint64_t now_ns)
{
    uint64_t n = 0;
    for (uint64_t place = 0; sq_arrivals_time_ns(a, place) <= now_ns; place++) {
        n += sq_arrivals_leave_ns(a, place) > now_ns;
    }
    return n;
}

static void the_number_is_the_shapes(void **state)
{
    (void)state;
    struct sq_rand rand;
    sq_rand_seed(&rand, 12);
    for (int i = 0; i < 60; i++) {
        char text[512];
        struct knot knots[16];
        size_t n = make_course(&rand, false, text, knots);
        struct sq_arrivals a = clock_of(text);
        for (double t_s = 0.0051; t_s < knots[n - 1].t_s + 1; t_s += 0.0917) {
            double want = course(knots, n, t_s);
            uint64_t is = present(&a, START + (uint64_t)llround(t_s * 1e9));
            if (fabs(want - round(want)) > 1e-3 ? is != (uint64_t)ceil(want)
                                                : fabs((double)is - want) > 1.01) {
                fail_msg("%s: %llu after %.3f s, expected %.4f", text, (unsigned long long)is, t_s,
                         want);
            }
            assert_true(fabs(sq_arrivals_value(&a, START + (uint64_t)llround(t_s * 1e9)) - want) <
                        1e-3);
        }
        for (uint64_t place = 0; place < 100; place++) { /* who came first goes first */
            assert_true(sq_arrivals_time_ns(&a, place) <= sq_arrivals_time_ns(&a, place + 1));
            assert_true(sq_arrivals_leave_ns(&a, place) <= sq_arrivals_leave_ns(&a, place + 1));
            assert_true(sq_arrivals_time_ns(&a, place) <= sq_arrivals_leave_ns(&a, place));
        }
    }
}

static void places_by_hand(void **state)
{
    (void)state;
    struct sq_arrivals a = clock_of("10s:100, 10s:100, 0s:500, 10s:500, 5s:0");
    assert_int_equal(sq_arrivals_time_ns(&a, 0), START);
    assert_int_equal(sq_arrivals_time_ns(&a, 50), START + 5 * SEC);
    assert_int_equal(sq_arrivals_time_ns(&a, 99), START + 9900 * MS);
    for (uint64_t place = 100; place < 500; place++) {
        assert_int_equal(sq_arrivals_time_ns(&a, place), START + 20 * SEC);
    }
    assert_true(sq_arrivals_time_ns(&a, 500) == SQ_NEVER);
    assert_int_equal(sq_arrivals_leave_ns(&a, 0), START + 30010 * MS);
    assert_int_equal(sq_arrivals_leave_ns(&a, 499), START + 35 * SEC);
    assert_true(sq_arrivals_leave_ns(&a, 500) == SQ_NEVER);
    assert_int_equal(present(&a, START + 19 * SEC), 100);
    assert_int_equal(present(&a, START + 25 * SEC), 500);
    assert_int_equal(present(&a, START + 35 * SEC), 0);
}

/* A rate by hand leaves the shape where it is; what had come by then stays come. */
static void a_rate_by_hand(void **state)
{
    (void)state;
    struct sq_arrivals a = clock_of("10s:20/s, 10s:20/s");
    struct sq_arrivals before = a;
    sq_arrivals_set_rate(&a, START + 5 * SEC, 2); /* 25 have come, the 26th is due then */
    for (uint64_t i = 0; i <= 25; i++) {
        assert_int_equal(sq_arrivals_time_ns(&a, i), sq_arrivals_time_ns(&before, i));
    }
    assert_int_equal(sq_arrivals_time_ns(&a, 26), START + 5500 * MS);
    assert_int_equal(sq_arrivals_due(&a, START + 15 * SEC), 46);
    assert_true(sq_arrivals_value(&a, START + 60 * SEC) == 2);
    /* A pause keeps the rate of its moment. */
    a = before;
    sq_arrivals_pause(&a, START + 5 * SEC, true);
    assert_true(sq_arrivals_time_ns(&a, 26) == SQ_NEVER);
    sq_arrivals_pause(&a, START + 8 * SEC, false);
    assert_int_equal(sq_arrivals_time_ns(&a, 26), START + 8100 * MS);
    /* More changes than are kept: what is now stays right. */
    a = before;
    for (unsigned i = 0; i < 3 * SQ_ARRIVALS_PIECES_MAX; i++) {
        sq_arrivals_set_rate(&a, START + 15 * SEC + i * SEC, 1 + i % 3);
    }
    /* 200 by then, and 97 rounds of 1 + 2 + 3, less the last second. */
    uint64_t last_ns = START + 15 * SEC + (3 * SQ_ARRIVALS_PIECES_MAX - 1) * SEC;
    assert_int_equal(sq_arrivals_due(&a, last_ns), 200 + SQ_ARRIVALS_PIECES_MAX * 6 - 3 + 1);
}

static void a_number_by_hand(void **state)
{
    (void)state;
    struct sq_arrivals a = clock_of("10s:100, 10s:100, 10s:0");
    sq_arrivals_set_peers(&a, START + 4050 * MS, 20, 0); /* 40.5: 41 are there */
    assert_int_equal(present(&a, START + 4049 * MS), 41);
    assert_int_equal(present(&a, START + 4050 * MS), 20);
    assert_int_equal(present(&a, START + 60 * SEC), 20); /* the shape is left */
    assert_int_equal(sq_arrivals_leave_ns(&a, 20), START + 4050 * MS);
    assert_true(sq_arrivals_leave_ns(&a, 21) == SQ_NEVER);
    sq_arrivals_set_peers(&a, START + 30 * SEC, 30, 10 * SEC);
    assert_int_equal(present(&a, START + 34500 * MS), 25);
    assert_int_equal(present(&a, START + 90 * SEC), 30);
    assert_int_equal(sq_arrivals_time_ns(&a, 41), START + 30 * SEC);
    assert_int_equal(sq_arrivals_time_ns(&a, 42), START + 31 * SEC);
    /* In the middle of a fall, and twice at the same time. */
    a = clock_of("0s:100, 10s:100, 10s:0");
    sq_arrivals_set_peers(&a, START + 15050 * MS, 60, 0);
    sq_arrivals_set_peers(&a, START + 15050 * MS, 70, 0);
    assert_int_equal(present(&a, START + 15040 * MS), 50);
    assert_int_equal(present(&a, START + 15050 * MS), 70);
    /* A rate means nothing here, nor a number where there is a rate. */
    sq_arrivals_set_rate(&a, START + 16 * SEC, 5);
    sq_arrivals_pause(&a, START + 16 * SEC, true);
    assert_int_equal(present(&a, START + 17 * SEC), 70);
    a = clock_of("10s:20/s");
    sq_arrivals_set_peers(&a, START + SEC, 5, 0);
    assert_int_equal(sq_arrivals_before(&a, START + 10 * SEC), 100);
}

/* Shards that hear the same give every place the same times. */
static void changes_in_a_row(void **state)
{
    (void)state;
    struct sq_rand rand;
    struct sq_arrivals a = clock_of("10s:100, 10s:100, 10s:0");
    uint64_t at_ns = START;
    sq_rand_seed(&rand, 13);
    for (int i = 0; i < 200; i++) {
        at_ns += sq_rand_below(&rand, 3000) * MS;
        uint64_t peers = sq_rand_below(&rand, 300);
        uint64_t over_ns = sq_rand_below(&rand, 3) ? 0 : sq_rand_below(&rand, 2000) * MS;
        sq_arrivals_set_peers(&a, at_ns, (double)peers, over_ns);
        uint64_t end_ns = at_ns + over_ns;
        assert_int_equal(sq_arrivals_due(&a, end_ns + SEC) -
                             (uint64_t)lround(a.pieces[a.pieces_len - 1].gone),
                         peers);
    }
}

static void times_of_a_file(void **state)
{
    (void)state;
    uint64_t times[] = {0, SEC, SEC, 3 * SEC};
    const struct sq_shape shape = {.kind = SQ_SHAPE_TIMES, .times_ns = times, .times_len = 4};
    struct sq_arrivals a;
    sq_arrivals_init_shape(&a, START, &shape);
    assert_int_equal(sq_arrivals_due(&a, START - 1), 0);
    assert_int_equal(sq_arrivals_due(&a, START), 1);
    assert_int_equal(sq_arrivals_due(&a, START + SEC), 3);
    assert_int_equal(sq_arrivals_before(&a, START + SEC), 1);
    assert_int_equal(sq_arrivals_before(&a, START + 9 * SEC), 4);
    assert_int_equal(sq_arrivals_time_ns(&a, 2), START + SEC);
    assert_true(sq_arrivals_time_ns(&a, 4) == SQ_NEVER);
    assert_true(sq_arrivals_leave_ns(&a, 0) == SQ_NEVER);
    assert_true(isnan(sq_arrivals_value(&a, START)));
    sq_arrivals_set_rate(&a, START, 50);
    sq_arrivals_pause(&a, START, true);
    assert_int_equal(sq_arrivals_due(&a, START + 2 * SEC), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(arrivals_follow_the_integral),
        cmocka_unit_test(a_ramp_by_hand),
        cmocka_unit_test(the_number_is_the_shapes),
        cmocka_unit_test(places_by_hand),
        cmocka_unit_test(a_rate_by_hand),
        cmocka_unit_test(a_number_by_hand),
        cmocka_unit_test(changes_in_a_row),
        cmocka_unit_test(times_of_a_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
