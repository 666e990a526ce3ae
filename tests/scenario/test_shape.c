/* The words of a load: stages and think times, and what is said of those that make no sense. */
#include "base/time.h"
#include "scenario/shape.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC

static struct sq_shape parsed(const char *text, uint64_t duration_ns)
{
    struct sq_shape shape = {.kind = SQ_SHAPE_NONE};
    struct sq_shape_error error;
    if (sq_shape_parse(text, duration_ns, &shape, &error) != 0) {
        fail_msg("'%s', column %zu: %s", text, error.column, error.message);
    }
    return shape;
}

static void peers_by_stages(void **state)
{
    (void)state;
    struct sq_shape s = parsed("30s:100, 1m:100, 0s:500,10s:500 ,1m30s: 0", 0);
    static const uint64_t over_s[] = {30, 60, 0, 10, 90};
    static const double to[] = {100, 100, 500, 500, 0};
    assert_int_equal(s.kind, SQ_SHAPE_PEERS);
    assert_int_equal(s.stages_len, 5);
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(s.stages[i].over_ns, over_s[i] * SEC);
        assert_true(s.stages[i].to == to[i]);
    }
    assert_int_equal(sq_shape_length_ns(&s), 190 * SEC);
    assert_int_equal(sq_shape_arrivals(&s, SQ_NEVER), 500);
    assert_int_equal(sq_shape_arrivals(&s, 15 * SEC), 50);
    assert_int_equal(sq_shape_arrivals(&s, 90 * SEC), 100); /* the step is not before it */
    assert_int_equal(sq_shape_arrivals(&s, 91 * SEC), 500);
    assert_int_equal(sq_shape_most(&s, SEC), 500);
}

static void rates_by_stages(void **state)
{
    (void)state;
    struct sq_shape s = parsed("30s:20/s, 5m:20/s, 30s:0/m", 0);
    assert_int_equal(s.kind, SQ_SHAPE_RATE);
    assert_true(s.stages[0].to == 20 && s.stages[2].to == 0);
    assert_int_equal(sq_shape_arrivals(&s, SQ_NEVER), 300 + 6000 + 300);
    assert_int_equal(sq_shape_arrivals(&s, 15 * SEC), 75); /* a quarter of the first ramp */
    assert_int_equal(sq_shape_most(&s, SQ_NEVER), 6600);
    assert_in_range(sq_shape_most(&s, 10 * SEC), 200, 202);
    s = parsed("1m:90/m", 0);
    assert_true(s.stages[0].to == 1.5);
    s = parsed("0s:0.5/s,1m:0.5/s", 0);
    assert_int_equal(sq_shape_arrivals(&s, SQ_NEVER), 30);
}

/* One value holds for the run. */
static void a_value_alone(void **state)
{
    (void)state;
    struct sq_shape s = parsed("40", 60 * SEC);
    assert_int_equal(s.kind, SQ_SHAPE_PEERS);
    assert_int_equal(s.stages_len, 2);
    assert_int_equal(s.stages[0].over_ns, 0);
    assert_true(s.stages[0].to == 40 && s.stages[1].to == 40);
    assert_int_equal(sq_shape_length_ns(&s), 60 * SEC);
    s = parsed(" 600/m ", 60 * SEC);
    assert_true(s.kind == SQ_SHAPE_RATE && s.stages[1].to == 10);
    assert_int_equal(sq_shape_arrivals(&s, SQ_NEVER), 600);
}

static void wrong_words(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t column;
        const char *says;
    } cases[] = {
        {"", 1, "expected TIME:PEERS or TIME:RATE, such as 30s:100 or 30s:20/s, got ''"},
        {"100", 1, "got '100'"}, /* for how long? */
        {"30s:100, 1m", 10, "got '1m'"},
        {"30s:100,", 9, "got ''"},
        {"30:100", 1, "'30' is no time: expected one with its unit"},
        {":100", 1, "'' is no time"},
        {"fast:100", 1, "'fast' is no time"},
        {"400000h:100", 1, "a year at most"},
        {"30s:", 5, "'': expected a whole number of peers, at most 1000000"},
        {"30s:many", 5, "'many': expected a whole number"},
        {"30s:-5", 5, "'-5': expected a whole number"},
        {"30s:2.5", 5, "'2.5': expected a whole number"},
        {"30s:1000001", 5, "at most 1000000"},
        {"30s:20/x", 5, "'20/x' is no rate: expected arrivals a second"},
        {"30s:/s", 5, "'/s' is no rate"},
        {"30s:1000001/s", 5, "at most 1000000/s"},
        {"30s:-1/s", 5, "'-1/s' is no rate"},
        {"30s:20/s, 30s:100", 15, "'100' is a number of peers, and the stages before have rates"},
        {"30s:100, 30s:20/s", 14, "'20/s' is a rate of arrivals, and the stages before have num"},
        {"1m:100, 0s:500, 0s:100, 1m:100", 17, "a step right after a step"},
        {"0s:100", 0, "it takes no time: add a stage that does, such as 1m:100"},
        {"30s:1, 0s:9", 0, "it ends with a step"},
        {"30s:0, 10s:0", 0, "nobody ever comes"},
        {"30s:0/s", 0, "nobody ever comes"},
        {"0s:1000/s, 1h:1000/s", 0,
         "3600000 peers would begin; a run keeps the results of 2000000"},
        {"5000h:1, 5000h:2", 0, "more than a year"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_shape shape = {.kind = SQ_SHAPE_TIMES};
        struct sq_shape_error error;
        int err = sq_shape_parse(cases[i].text, 0, &shape, &error);
        if (err != SQ_ERR_INVALID || error.column != cases[i].column ||
            !strstr(error.message, cases[i].says)) {
            fail_msg("'%s': %d, column %zu: %s", cases[i].text, err, error.column, error.message);
        }
        assert_int_equal(shape.kind, SQ_SHAPE_TIMES); /* untouched */
    }
}

static void too_many_stages(void **state)
{
    (void)state;
    char text[1024] = "1s:1";
    for (int i = 1; i < SQ_SHAPE_STAGES_MAX; i++) {
        strcat(text, ",1s:1");
    }
    assert_int_equal(parsed(text, 0).stages_len, SQ_SHAPE_STAGES_MAX);
    struct sq_shape shape;
    struct sq_shape_error error;
    strcat(text, ",1s:1");
    assert_int_equal(sq_shape_parse(text, 0, &shape, &error), SQ_ERR_INVALID);
    assert_non_null(strstr(error.message, "at most 64 stages"));
    /* A value that is longer than any sense in it. */
    memset(text, '1', 200);
    memcpy(text, "1s:", 3);
    text[200] = '\0';
    assert_int_equal(sq_shape_parse(text, 0, &shape, &error), SQ_ERR_INVALID);
}

static void think_times(void **state)
{
    (void)state;
    uint64_t min_ns = 1;
    uint64_t max_ns = 1;
    assert_int_equal(sq_shape_parse_think("5s", &min_ns, &max_ns), 0);
    assert_true(min_ns == 5 * SEC && max_ns == 5 * SEC);
    assert_int_equal(sq_shape_parse_think("500ms..1m30s", &min_ns, &max_ns), 0);
    assert_true(min_ns == SEC / 2 && max_ns == 90 * SEC);
    assert_int_equal(sq_shape_parse_think("0s..0s", &min_ns, &max_ns), 0);
    static const char *const bad[] = {"", "5", "..", "5s..", "..5s", "5s...6s", "5s..1s", "1s-2s"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (sq_shape_parse_think(bad[i], &min_ns, &max_ns) != SQ_ERR_FORMAT) {
            fail_msg("'%s' was taken", bad[i]);
        }
    }
    assert_true(min_ns == 0 && max_ns == 0); /* untouched */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(peers_by_stages), cmocka_unit_test(rates_by_stages),
        cmocka_unit_test(a_value_alone),   cmocka_unit_test(wrong_words),
        cmocka_unit_test(too_many_stages), cmocka_unit_test(think_times),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
