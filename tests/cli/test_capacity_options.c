/* What `squall capacity` is given: its own words, and what holds where none are. */
#include "base/time.h"
#include "cli/capacity_options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC

static char why[512];

static int parse(const char *line, struct sq_capacity_options *o)
{
    static char buf[1024];
    static char *argv[64];
    int argc = 0;
    why[0] = '\0';
    snprintf(buf, sizeof(buf), "%s", line);
    for (char *word = strtok(buf, " "); word; word = strtok(NULL, " ")) {
        argv[argc++] = word;
    }
    return sq_capacity_options_parse(o, argc, argv, why, sizeof(why));
}

/* Who comes last begins at 300 kbit/s and half of the frames, for a second or two. In a level that
 * is held for 5 s that is more than the fifth of its frames that may be missing. */
static void a_level_outlives_the_start_of_the_last_one(void **state)
{
    (void)state;
    struct sq_capacity_options o;
    assert_int_equal(parse("whip+http://127.0.0.1:1/whip/a", &o), 0);
    const double start_s = 2, start_fps = 12.6, fps = 25; /* of the default clip's lower steps */
    double hold_s = (double)o.hold_ns / 1e9;
    assert_true((start_s * start_fps + (hold_s - start_s) * fps) / hold_s > 0.8 * fps * 1.1);
    assert_int_equal(o.hold_most_ns, 20 * SEC);
    assert_int_equal(o.confirms, 1);
    sq_capacity_options_free(&o);
}

static void what_is_said_holds(void **state)
{
    (void)state;
    struct sq_capacity_options o;
    assert_int_equal(
        parse("whip+http://127.0.0.1:1/whip/a --hold 3s --hold-most=4s --resolution 2% "
              "--confirm 2 --rate 27/s",
              &o),
        0);
    assert_int_equal(o.hold_ns, 3 * SEC);
    assert_int_equal(o.hold_most_ns, 4 * SEC);
    assert_float_equal(o.resolution, 0.02, 1e-9);
    assert_int_equal(o.confirms, 2);
    assert_float_equal(o.run.rate_per_s, 27, 1e-9);
    sq_capacity_options_free(&o);
    assert_int_equal(parse("whip+http://127.0.0.1:1/whip/a --hold 30s", &o), 0);
    assert_int_equal(o.hold_most_ns, 30 * SEC);
    sq_capacity_options_free(&o);
    assert_int_equal(parse("whip+http://127.0.0.1:1/whip/a --hold-most 4s", &o), 0);
    assert_int_equal(o.hold_ns, 4 * SEC);
    sq_capacity_options_free(&o);
}

static void what_contradicts_itself_is_told(void **state)
{
    (void)state;
    struct sq_capacity_options o;
    assert_int_not_equal(parse("whip+http://127.0.0.1:1/whip/a --hold 5s --hold-most 4s", &o), 0);
    assert_string_equal(why, "--hold: expected no more than --hold-most, which is 4 s");
    sq_capacity_options_free(&o);
    assert_int_not_equal(parse("whip+http://127.0.0.1:1/whip/a --resolution 0%", &o), 0);
    assert_non_null(strstr(why, "--resolution 0%: expected per cent above 0"));
    sq_capacity_options_free(&o);
}

#define WHIP "whip+http://127.0.0.1:1/whip/a "

/* Before anything is connected to, with what was expected. */
static void what_cannot_be_is_told_before_the_search(void **state)
{
    (void)state;
    static const struct {
        const char *line, *why;
    } cases[] = {
        {WHIP "--at-least 8 --most 2",
         "--at-least 8: expected no more than --most, which is 2: no level above that is tried"},
        {WHIP "--at-least 10001",
         "--at-least 10001: expected no more than --most, which is 10000: no level above that is "
         "tried"},
        {WHIP "--resolution 200%",
         "--resolution 200%: expected per cent above 0 and up to 100, such as 5%"},
        {WHIP "--server-metrics foo",
         "--server-metrics foo: expected the URL of the server's Prometheus end point, "
         "http://HOST:PORT/PATH"},
        {WHIP "--server-metrics localhost:9090/metrics", "http://HOST:PORT/PATH"},
        {WHIP "--server-metrics ftp://localhost/metrics", "http://HOST:PORT/PATH"},
        {WHIP "--server-metrics http:///metrics", "http://HOST:PORT/PATH"},
        {WHIP "--server-metrics http://localhost:99999/metrics", "http://HOST:PORT/PATH"},
    };
    struct sq_capacity_options o;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_not_equal(parse(cases[i].line, &o), 0);
        if (!strstr(why, cases[i].why)) {
            fail_msg("'%s' gives '%s'", cases[i].line, why);
        }
        sq_capacity_options_free(&o);
    }
    /* A key in the query is not told. */
    assert_int_not_equal(parse(WHIP "--server-metrics ftp://host/x?key=secret", &o), 0);
    assert_null(strstr(why, "secret"));
    sq_capacity_options_free(&o);
    static const char *const good[] = {
        WHIP "--at-least 2 --most 2",
        WHIP "--resolution 100%",
        WHIP "--server-metrics http://127.0.0.1:9090/metrics?name=a",
        WHIP "--server-metrics HTTPS://[::1]/metrics",
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        if (parse(good[i], &o) != 0) {
            fail_msg("'%s' gives '%s'", good[i], why);
        }
        sq_capacity_options_free(&o);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_outlives_the_start_of_the_last_one),
        cmocka_unit_test(what_is_said_holds),
        cmocka_unit_test(what_contradicts_itself_is_told),
        cmocka_unit_test(what_cannot_be_is_told_before_the_search),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
