/* The options parser: each type, and errors that name the option and what was expected. */
#include "base/time.h"
#include "cli/options.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct values {
    bool flag, on;
    uint64_t count, duration_ns, short_ns;
    double rate, number;
    const char *text;
    struct sq_option_list list;
};

#define TABLE(v)                                                                                   \
    {                                                                                              \
        {.name = "Group", .type = SQ_OPTION_HEADING},                                              \
            {"flag", SQ_OPTION_FLAG, &(v)->flag, NULL, "a flag", 0, 0},                            \
            {"no-on", SQ_OPTION_NO_FLAG, &(v)->on, NULL, "not on", 0, 0},                          \
            {"count", SQ_OPTION_COUNT, &(v)->count, "N", "a count", 1, 1000},                      \
            {"text", SQ_OPTION_TEXT, &(v)->text, "TEXT", "a text", 0, 0},                          \
            {"list", SQ_OPTION_LIST, &(v)->list, "ITEM", "a list", 0, 0},                          \
            {"duration", SQ_OPTION_DURATION, &(v)->duration_ns, "D", "a duration", 0, 0},          \
            {"short", SQ_OPTION_DURATION, &(v)->short_ns, "D", "a short one", 0, 90000000000},     \
            {"rate", SQ_OPTION_RATE, &(v)->rate, "R", "a rate", 0, 0},                             \
            {"number", SQ_OPTION_NUMBER, &(v)->number, "X", "a number", 0, 0}, {.name = NULL},     \
    }

#define ARGV_MAX 200

/* Parses words divided by blanks ("''" is an empty word). */
static int parse(const char *line, struct values *v, struct sq_option_list *rest, char why[256])
{
    static char buf[4096];
    static char *argv[ARGV_MAX];
    const struct sq_option table[] = TABLE(v);
    int argc = 0;
    *v = (struct values){.on = true, .count = 7};
    *rest = (struct sq_option_list){.n = 0};
    why[0] = '\0';
    snprintf(buf, sizeof(buf), "%s", line);
    for (char *word = strtok(buf, " "); word && argc < ARGV_MAX; word = strtok(NULL, " ")) {
        argv[argc++] = strcmp(word, "''") == 0 ? word + 2 : word;
    }
    return sq_options_parse(table, argc, argv, rest, why, 256);
}

static void every_type(void **state)
{
    (void)state;
    struct values v;
    struct sq_option_list rest;
    char why[256];
    assert_int_equal(parse("here --flag --no-on --count 42 --text=a=b --list x --list=y "
                           "--duration 1500ms --rate 90/m --number -2.5 there",
                           &v, &rest, why),
                     0);
    assert_true(v.flag);
    assert_false(v.on);
    assert_int_equal(v.count, 42);
    assert_string_equal(v.text, "a=b");
    assert_int_equal(v.list.n, 2);
    assert_string_equal(v.list.items[0], "x");
    assert_string_equal(v.list.items[1], "y");
    assert_int_equal(v.duration_ns, 1500 * SQ_NS_PER_MS);
    assert_true(v.rate == 1.5);
    assert_true(v.number == -2.5);
    assert_int_equal(rest.n, 2);
    assert_string_equal(rest.items[1], "there");
}

static void nothing_given_nothing_changed(void **state)
{
    (void)state;
    struct values v;
    struct sq_option_list rest;
    char why[256];
    assert_int_equal(parse("", &v, &rest, why), 0);
    assert_false(v.flag);
    assert_true(v.on);
    assert_int_equal(v.count, 7);
    assert_null(v.text);
    assert_int_equal(rest.n, 0);
}

static void two_dashes_end_the_options(void **state)
{
    (void)state;
    struct values v;
    struct sq_option_list rest;
    char why[256];
    assert_int_equal(parse("--flag -- --count -x -", &v, &rest, why), 0);
    assert_int_equal(rest.n, 3);
    assert_string_equal(rest.items[0], "--count");
    assert_int_equal(parse("-", &v, &rest, why), 0); /* a lone dash is a name: standard input */
    assert_int_equal(rest.n, 1);
}

static void an_option_may_take_what_looks_like_one(void **state)
{
    (void)state;
    struct values v;
    struct sq_option_list rest;
    char why[256];
    assert_int_equal(parse("--text --flag", &v, &rest, why), 0);
    assert_string_equal(v.text, "--flag");
    assert_false(v.flag);
    assert_int_equal(parse("--text=", &v, &rest, why), 0);
    assert_string_equal(v.text, "");
}

static void errors_name_the_option(void **state)
{
    (void)state;
    static const struct {
        const char *line, *option, *expected;
    } cases[] = {
        {"--bogus", "--bogus", "unknown option"},
        {"--bogus=3", "--bogus", "unknown option"},
        {"--Group", "--Group", "unknown option"}, /* a heading is none */
        {"--fla", "--fla", "unknown option"},
        {"--durations 3", "--durations", "did you mean --duration?"},
        {"--coun=3", "--coun", "did you mean --count?"},
        {"--co", "--co", "unknown option"},
        {"-h", "-h", "two dashes"}, /* this table has no --help */
        {"--", NULL, NULL},         /* no error */
        {"-f", "-f", "two dashes"},
        {"--flag=yes", "--flag", "takes no value"},
        {"--no-on=no", "--no-on", "takes no value"},
        {"--count", "--count", "expected a value (N)"},
        {"--duration", "--duration", "expected a value (D)"},
        {"--count 0", "--count 0", "whole number from 1 to 1000"},
        {"--count 1001", "--count 1001", "whole number from 1 to 1000"},
        {"--count -1", "--count -1", "whole number from 1 to 1000"},
        {"--count 1.5", "--count 1.5", "whole number from 1 to 1000"},
        {"--count=", "--count ", "whole number from 1 to 1000"},
        {"--count 99999999999999999999999", "--count", "whole number from 1 to 1000"},
        {"--duration 10", "--duration 10", "with its unit"},
        {"--duration 10x", "--duration 10x", "with its unit"},
        {"--duration 0s", "--duration 0s", "above 0"},
        {"--duration 3d", "--duration 3d: 'd' is no unit; expected", "one of us, ms, s, m and h"},
        {"--duration 1h30M", "--duration 1h30M", "'M' is no unit"},
        {"--duration 999999999999h", "999999999999h: too large", "a duration of 277777h at most"},
        {"--duration 99999999999999999999999999999999999s", "too large", "277777h at most"},
        {"--duration 277777h99999999999s", "too large", "277777h at most"},
        {"--short 91s", "--short 91s: too large", "a duration of 90s at most"},
        {"--short 2x", "--short 2x", "'x' is no unit"},
        {"--rate 0/s", "--rate 0/s", "above 0"},
        {"--duration ''", "--duration ", "with its unit"},
        {"--rate 5", "--rate 5", "with its unit"},
        {"--rate fast", "--rate fast", "with its unit"},
        {"--number 1,5", "--number 1,5", "expected a number"},
        {"--number nan", "--number nan", "expected a number"},
        {"--number 1e999", "--number 1e999", "expected a number"},
        {"--number ''", "--number ", "expected a number"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct values v;
        struct sq_option_list rest;
        char why[256];
        int err = parse(cases[i].line, &v, &rest, why);
        if (!cases[i].option) {
            assert_int_equal(err, 0);
            continue;
        }
        assert_int_equal(err, SQ_ERR_INVALID);
        if (!strstr(why, cases[i].option) || !strstr(why, cases[i].expected)) {
            fail_msg("'%s' gives '%s', which should hold '%s' and '%s'", cases[i].line, why,
                     cases[i].option, cases[i].expected);
        }
    }
}

static void repeat(const char *word, size_t times, char *out, size_t room)
{
    size_t len = strlen(word);
    assert_true(len * times < room);
    for (size_t i = 0; i < times; i++) {
        memcpy(out + i * len, word, len);
    }
    out[len * times] = '\0';
}

static void tables_have_their_end(void **state)
{
    (void)state;
    struct values v;
    struct sq_option_list rest;
    char why[256];
    char line[1024];
    repeat("--list=x ", SQ_OPTION_LIST_MAX, line, sizeof(line));
    assert_int_equal(parse(line, &v, &rest, why), 0);
    assert_int_equal(v.list.n, SQ_OPTION_LIST_MAX);
    repeat("--list=x ", SQ_OPTION_LIST_MAX + 1, line, sizeof(line));
    assert_int_equal(parse(line, &v, &rest, why), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "--list"));
    repeat("x ", SQ_OPTION_LIST_MAX + 5, line, sizeof(line));
    (void)!parse(line, &v, &rest, why); /* more words than there is room for: no overflow */
    assert_int_equal(rest.n, SQ_OPTION_LIST_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type),
        cmocka_unit_test(nothing_given_nothing_changed),
        cmocka_unit_test(two_dashes_end_the_options),
        cmocka_unit_test(an_option_may_take_what_looks_like_one),
        cmocka_unit_test(errors_name_the_option),
        cmocka_unit_test(tables_have_their_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
