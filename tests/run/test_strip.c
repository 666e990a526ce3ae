#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "run/strip.h"
#include <math.h>

static void add(struct sq_strip *strip, unsigned second, float in_kbps)
{
    const struct sq_strip_point point = {.in_kbps = in_kbps,
                                         .out_kbps = 2 * in_kbps,
                                         .loss_percent = second % 2 ? NAN : 4,
                                         .freezes = second % 10 == 0};
    assert_int_equal(sq_strip_add(strip, 5000 + 1000.0 * (second + 1), &point), 0);
}

/* What a reader of the whole life sees, however many seconds it had: mean, and all freezes. */
static void check_whole(const struct sq_strip *strip, unsigned seconds)
{
    double in = 0, out = 0, covered_s = 0;
    unsigned freezes = 0;
    for (size_t i = 0; i < strip->n; i++) {
        double from_ms = i ? sq_strip_end_ms(strip, i - 1) : strip->start_ms;
        double s = (sq_strip_end_ms(strip, i) - from_ms) / 1000;
        in += s * (double)strip->points[i].in_kbps;
        out += s * (double)strip->points[i].out_kbps;
        freezes += strip->points[i].freezes;
        covered_s += s;
    }
    assert_true(covered_s == seconds);
    assert_true(fabs(in / seconds - (seconds - 1) / 2.0) < 1e-3 * seconds);
    assert_true(fabs(out - 2 * in) < 1e-3 * in + 1e-6);
    assert_int_equal(freezes, (seconds + 9) / 10);
}

static void the_whole_life_stays_in_view(void **state)
{
    static const unsigned lives[] = {1, 2, 63, 64, 65, 127, 128, 129, 1000, 86400};
    for (size_t k = 0; k < sizeof(lives) / sizeof(lives[0]); k++) {
        struct sq_strip strip = {0};
        for (unsigned i = 0; i < lives[k]; i++) {
            add(&strip, i, (float)i);
        }
        assert_true(strip.n <= SQ_STRIP_POINTS_MAX);
        assert_true(lives[k] < SQ_STRIP_POINTS_MAX || strip.n >= SQ_STRIP_POINTS_MAX / 2);
        assert_true(strip.start_ms == 5000);
        check_whole(&strip, lives[k]);
        sq_strip_clear(&strip);
        assert_null(strip.points);
    }
}

/* The loss of a second in which nothing came is not known, and no part of a mean. */
static void what_is_not_known_weighs_nothing(void **state)
{
    struct sq_strip strip = {0};
    for (unsigned i = 0; i < 2 * SQ_STRIP_POINTS_MAX; i++) {
        add(&strip, i, 1);
    }
    for (size_t i = 0; i < strip.n; i++) {
        assert_true(strip.points[i].loss_percent == 4);
    }
    sq_strip_clear(&strip);
}

/* Who was away for a while was silent then, and is not younger for it. A second that is told a
 * little late is no gap. */
static void who_was_away_was_silent(void **state)
{
    struct sq_strip strip = {0};
    const struct sq_strip_point point = {.in_kbps = 10, .loss_percent = NAN};
    static const double ends_ms[] = {1000, 2030, 2990, 8010, 8600};
    static const float rates[] = {10, 10, 10, 0, 0, 0, 0, 10, 10};
    for (size_t i = 0; i < sizeof(ends_ms) / sizeof(ends_ms[0]); i++) {
        assert_int_equal(sq_strip_add(&strip, ends_ms[i], &point), 0);
    }
    assert_int_equal(strip.n, 9);
    for (size_t i = 0; i < strip.n; i++) {
        assert_true(strip.points[i].in_kbps == rates[i]);
    }
    assert_true(sq_strip_end_ms(&strip, 8) == 9000);
    sq_strip_clear(&strip);
}

/* One allocation, at the first second; none after it. */
static void memory(void **state)
{
    struct sq_strip strip = {0};
    const struct sq_strip_point point = {.in_kbps = 1};
    sq_mem_fail_at(1);
    assert_int_equal(sq_strip_add(&strip, 1000, &point), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    assert_int_equal(sq_strip_add(&strip, 1000, &point), 0);
    sq_mem_fail_at(0);
    for (unsigned i = 0; i < 1000; i++) {
        add(&strip, i, 1);
    }
    assert_int_equal(sq_mem_count(), 0);
    sq_strip_clear(&strip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_whole_life_stays_in_view),
        cmocka_unit_test(what_is_not_known_weighs_nothing),
        cmocka_unit_test(who_was_away_was_silent),
        cmocka_unit_test(memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
