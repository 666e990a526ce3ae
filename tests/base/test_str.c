/* Units of the command line, views and the growing buffer. */
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include <inttypes.h>
#include <limits.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void durations_need_a_unit(void **state)
{
    uint64_t ns = 7;
    assert_int_equal(sq_parse_duration("500ms", &ns), 0);
    assert_int_equal(ns, 500 * SQ_NS_PER_MS);
    assert_int_equal(sq_parse_duration("1m30s", &ns), 0);
    assert_int_equal(ns, 90 * SQ_NS_PER_SEC);
    assert_int_equal(sq_parse_duration("1.5s", &ns), 0);
    assert_int_equal(ns, 1500 * SQ_NS_PER_MS);
    const char *bad[] = {"", "10", "s", "10x", "-1s", "1..5s", "1e9s", "10s ", "99999999h"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(sq_parse_duration(bad[i], &ns), SQ_ERR_FORMAT);
    }
    assert_int_equal(ns, 1500 * SQ_NS_PER_MS);
}

static void rates_and_bitrates(void **state)
{
    double rate;
    uint64_t bps;
    assert_int_equal(sq_parse_rate("20/s", &rate), 0);
    assert_float_equal(rate, 20, 1e-9);
    assert_int_equal(sq_parse_rate("90/m", &rate), 0);
    assert_float_equal(rate, 1.5, 1e-9);
    assert_int_equal(sq_parse_rate("20", &rate), SQ_ERR_FORMAT);
    assert_int_equal(sq_parse_bitrate("1.2M", &bps), 0);
    assert_int_equal(bps, 1200000);
    assert_int_equal(sq_parse_bitrate("500k", &bps), 0);
    assert_int_equal(bps, 500000);
    assert_int_equal(sq_parse_bitrate("5q", &bps), SQ_ERR_FORMAT);
}

static void views_cut_and_count(void **state)
{
    struct sq_view v = sq_view_of("a,,b");
    assert_true(sq_view_is(sq_view_cut(&v, ','), "a"));
    assert_true(sq_view_is(sq_view_cut(&v, ','), ""));
    assert_non_null(v.at);
    assert_true(sq_view_is(sq_view_cut(&v, ','), "b"));
    assert_null(v.at);
    uint64_t n;
    assert_int_equal(sq_view_u64(sq_view_of("65535"), 65535, &n), 0);
    assert_int_equal(sq_view_u64(sq_view_of("65536"), 65535, &n), SQ_ERR_FORMAT);
    assert_int_equal(sq_view_u64(sq_view_of("18446744073709551616"), UINT64_MAX, &n),
                     SQ_ERR_FORMAT);
}

static void edits_are_counted(void **state)
{
    (void)state;
    assert_int_equal(sq_edits(sq_view_of("load"), "load"), 0);
    assert_int_equal(sq_edits(sq_view_of("laod"), "load"), 2);
    assert_int_equal(sq_edits(sq_view_of("peer"), "peers"), 1);
    assert_int_equal(sq_edits(sq_view_of("kitten"), "sitting"), 3);
    assert_int_equal(sq_edits(sq_view_of(""), "abc"), 3);
    assert_int_equal(sq_edits(sq_view_of("a text that is longer than forty bytes are"), "a"), 99);
}

static void buffer_grows_and_survives_failure(void **state)
{
    struct sq_buf b = {0};
    for (int i = 0; i < 1000; i++) {
        sq_buf_printf(&b, "%d,", i);
    }
    assert_int_equal(b.err, 0);
    assert_int_equal(b.len, strlen(b.text));
    sq_mem_fail_at(1);
    char big[4096];
    memset(big, 'x', sizeof(big));
    for (int i = 0; i < 4; i++) {
        sq_buf_add(&b, big, sizeof(big));
    }
    assert_int_equal(b.err, SQ_ERR_NOMEM);
    assert_null(sq_buf_take(&b));
    sq_mem_fail_at(0);
}

/* printf itself is the judge: the formats that are written without it, and those that are not. */
#define SAME(...)                                                                                  \
    do {                                                                                           \
        struct sq_buf buf = {0};                                                                   \
        char expected[600];                                                                        \
        sq_buf_puts(&buf, "> ");                                                                   \
        sq_buf_printf(&buf, __VA_ARGS__);                                                          \
        (void)snprintf(expected, sizeof(expected), "> " __VA_ARGS__);                              \
        assert_int_equal(buf.len, strlen(expected));                                               \
        assert_string_equal(buf.text, expected);                                                   \
        sq_buf_free(&buf);                                                                         \
    } while (0)

static void formats_are_those_of_printf(void **state)
{
    (void)state;
    char text[300];
    memset(text, 'x', sizeof(text) - 1);
    text[sizeof(text) - 1] = '\0';
    SAME("a=rtpmap:%u %s/%u\r\n", 96U, "VP8", 90000U);
    SAME("%u %u %u %u", 0U, 9U, 10U, UINT_MAX);
    SAME("%d%d %d %d", 0, -1, INT_MIN, INT_MAX);
    SAME("%s", "");
    SAME("100%% of %s%%", "peers");
    SAME("%s%s", text, "y");
    SAME("%u and %5u, %-3d|%.*s|%x", 1U, 2U, 3, 2, "abc", 255U);
    SAME("%s %" PRIu64, "a", UINT64_MAX);
    SAME("%s %zu %.1f", text, sizeof(text), 0.25);
    SAME("nothing to fill in");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_need_a_unit),
        cmocka_unit_test(rates_and_bitrates),
        cmocka_unit_test(views_cut_and_count),
        cmocka_unit_test(edits_are_counted),
        cmocka_unit_test(formats_are_those_of_printf),
        cmocka_unit_test(buffer_grows_and_survives_failure),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
