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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_level_outlives_the_start_of_the_last_one),
        cmocka_unit_test(what_is_said_holds),
        cmocka_unit_test(what_contradicts_itself_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
