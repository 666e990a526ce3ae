/* Series of rows a second, and rates of counters. */
#include "base/mem.h"
#include "base/time.h"
#include "stats/rate.h"
#include "stats/series.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static const char *const names[] = {"peers", "bitrate", "loss"};

static void cells_are_kept_and_gaps_are_nan(void **state)
{
    struct sq_series *s = NULL;
    assert_int_equal(sq_series_new(names, 3, 1000, &s), 0);
    assert_int_equal(sq_series_rows(s), 0);
    assert_int_equal(sq_series_columns(s), 3);
    assert_int_equal(sq_series_find(s, "loss"), 2);
    assert_int_equal(sq_series_find(s, "los"), SQ_ERR_NOTFOUND);
    assert_string_equal(sq_series_name(s, 1), "bitrate");
    assert_null(sq_series_name(s, 3));
    for (size_t row = 0; row < 1000; row += 7) {
        assert_int_equal(sq_series_set(s, row, row % 3, (double)row), 0);
    }
    assert_int_equal(sq_series_rows(s), 995);
    for (size_t row = 0; row < 1000; row++) {
        for (size_t column = 0; column < 3; column++) {
            double found = sq_series_get(s, row, column);
            assert_true(row % 7 == 0 && row % 3 == column ? found == (double)row : isnan(found));
        }
    }
    assert_int_equal(sq_series_add(s, 3, 1, 2.5), 0);
    assert_int_equal(sq_series_add(s, 3, 1, 2.5), 0);
    assert_true(sq_series_get(s, 3, 1) == 5);
    sq_series_free(s);
}

static void rows_far_apart_cost_only_their_chunks(void **state)
{
    struct sq_series *s = NULL;
    assert_int_equal(sq_series_new(names, 3, SQ_SERIES_ROWS_MAX, &s), 0);
    assert_int_equal(sq_series_set(s, SQ_SERIES_ROWS_MAX - 1, 0, 1), 0);
    assert_true(isnan(sq_series_get(s, 12345, 0)));
    assert_true(sq_series_get(s, SQ_SERIES_ROWS_MAX - 1, 0) == 1);
    sq_series_free(s);
}

static void bounds_are_kept(void **state)
{
    struct sq_series *s = NULL;
    const char *const twice[] = {"a", "b", "a"};
    const char *const empty[] = {"a", ""};
    assert_int_equal(sq_series_new(names, 0, 10, &s), SQ_ERR_INVALID);
    assert_int_equal(sq_series_new(names, 3, 0, &s), SQ_ERR_INVALID);
    assert_int_equal(sq_series_new(names, 3, SQ_SERIES_ROWS_MAX + 1, &s), SQ_ERR_INVALID);
    assert_int_equal(sq_series_new(twice, 3, 10, &s), SQ_ERR_INVALID);
    assert_int_equal(sq_series_new(empty, 2, 10, &s), SQ_ERR_INVALID);
    assert_null(s);
    assert_int_equal(sq_series_new(names, 3, 10, &s), 0);
    assert_int_equal(sq_series_set(s, 0, 3, 1), SQ_ERR_INVALID);
    assert_int_equal(sq_series_set(s, 10, 0, 1), SQ_ERR_NOSPACE);
    assert_int_equal(sq_series_rows(s), 0);
    sq_series_free(s);
    sq_series_free(NULL);
}

static int build(void)
{
    struct sq_series *s = NULL;
    int err = sq_series_new(names, 3, 10000, &s);
    for (size_t row = 0; !err && row < 2000; row += 500) {
        err = sq_series_set(s, row, 1, 4);
    }
    sq_series_free(s);
    return err;
}

static void each_allocation_may_fail(void **state)
{
    size_t nth = 1;
    int err;
    do {
        sq_mem_fail_at(nth++);
        err = build();
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
    } while (err);
    sq_mem_fail_at(0);
    assert_true(nth > 8);
}

static void rate_slides_over_its_window(void **state)
{
    struct sq_rate r;
    double rate = -1;
    sq_rate_init(&r, 2 * SQ_NS_PER_SEC);
    assert_false(sq_rate_get(&r, &rate));
    sq_rate_update(&r, 5, 1000);
    assert_false(sq_rate_get(&r, &rate));
    assert_true(rate == -1);
    /* 100 a second for ten seconds, told 50 times a second; then 300 a second. */
    uint64_t total = 1000;
    uint64_t now = 5;
    for (int i = 0; i < 500; i++) {
        now += 20 * SQ_NS_PER_MS;
        total += 2;
        sq_rate_update(&r, now, total);
    }
    assert_true(sq_rate_get(&r, &rate));
    assert_float_equal(rate, 100, 0.01);
    for (int i = 0; i < 150; i++) {
        now += 20 * SQ_NS_PER_MS;
        total += 6;
        sq_rate_update(&r, now, total);
    }
    assert_true(sq_rate_get(&r, &rate));
    assert_float_equal(rate, 300, 0.01);
    /* Told once a second only, the window is still two seconds. */
    for (int i = 0; i < 10; i++) {
        now += SQ_NS_PER_SEC;
        total += i < 7 ? 5000 : 300;
        sq_rate_update(&r, now, total);
    }
    assert_true(sq_rate_get(&r, &rate));
    assert_float_equal(rate, 300, 0.01);
    /* It must not forget the window at once, nor remember beyond it. */
    for (int i = 0; i < 50; i++) {
        now += 20 * SQ_NS_PER_MS;
        sq_rate_update(&r, now, total);
    }
    assert_true(sq_rate_get(&r, &rate));
    assert_float_equal(rate, 150, 50);
}

static void rate_starts_anew_after_a_reset(void **state)
{
    struct sq_rate r;
    double rate;
    sq_rate_init(&r, SQ_NS_PER_SEC);
    sq_rate_update(&r, 0, 5000);
    sq_rate_update(&r, SQ_NS_PER_SEC, 5100);
    assert_true(sq_rate_get(&r, &rate));
    assert_float_equal(rate, 100, 1e-9);
    sq_rate_update(&r, 2 * SQ_NS_PER_SEC, 7);
    assert_false(sq_rate_get(&r, &rate));
    sq_rate_update(&r, 2 * SQ_NS_PER_SEC, 9);
    assert_false(sq_rate_get(&r, &rate));
    sq_rate_update(&r, 3 * SQ_NS_PER_SEC, 17);
    assert_true(sq_rate_get(&r, &rate));
    assert_true(rate >= 8 && rate <= 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(cells_are_kept_and_gaps_are_nan),
        cmocka_unit_test(rows_far_apart_cost_only_their_chunks),
        cmocka_unit_test(bounds_are_kept),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(rate_slides_over_its_window),
        cmocka_unit_test(rate_starts_anew_after_a_reset),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
