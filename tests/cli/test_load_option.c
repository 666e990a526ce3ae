/* --load, --arrivals, --think and --jitter: the plan that comes of them, and what is said where
 * they make no sense together. */
#include "base/time.h"
#include "cli/run_options.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC

static char why[512];
static char buf[2048];
static struct sq_run_options options;
static struct sq_plan plan;
static char path[] = "/tmp/squall-load-XXXXXX";

static int make_file(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    static const char text[] = "user,time\na,1\nb,1.5\nc,1.5\nd,9\n";
    bool ok = fd >= 0 && write(fd, text, sizeof(text) - 1) == (ssize_t)sizeof(text) - 1;
    return ok ? close(fd) : -1;
}

static int drop_file(void **state)
{
    (void)state;
    return unlink(path);
}

/* Words are divided by '|'; %s is the file. */
static int take(const char *line)
{
    static char *argv[64];
    int argc = 0;
    why[0] = '\0';
    sq_run_options_free(&options);
    memset(&options, 0, sizeof(options));
    char *file = strstr(line, "%s") ? path : NULL;
    snprintf(buf, sizeof(buf), "%.*s%s%s", (int)(file ? strstr(line, "%s") - line : 2000), line,
             file ? file : "", file ? strstr(line, "%s") + 2 : "");
    for (char *word = strtok(buf, "|"); word; word = strtok(NULL, "|")) {
        argv[argc++] = word;
    }
    int err = sq_run_options_parse(&options, argc, argv, why, sizeof(why));
    return err ? err : sq_run_options_plan(&options, &plan, why, sizeof(why));
}

static void taken(const char *line)
{
    int err = take(line);
    if (err) {
        fail_msg("%s: %d: %s", line, err, why);
    }
}

static void shapes_make_plans(void **state)
{
    (void)state;
    taken("lab:|--load|30s:100, 1m:100, 0s:500, 10s:500, 30s:0|--hold|20s|--think|1s..3s");
    assert_int_equal(plan.shape->kind, SQ_SHAPE_PEERS);
    assert_int_equal(plan.duration_ns, 130 * SEC);
    assert_int_equal(plan.peers, 500);
    assert_int_equal(plan.hold_ns, 20 * SEC);
    assert_true(plan.think_min_ns == SEC && plan.think_max_ns == 3 * SEC);
    assert_int_equal(sq_plan_arrivals(&plan), UINT64_MAX);
    assert_in_range(plan.threads, 1, 500);
    taken("lab:|--load|10s:7");
    assert_int_equal(sq_plan_arrivals(&plan), 7);
    assert_int_equal(plan.hold_ns, 0);
    taken("lab:|--load|40"); /* for as long as a run is */
    assert_int_equal(plan.duration_ns, 30 * SEC);
    assert_int_equal(plan.peers, 40);
    taken("lab:|--load|90/m|--duration|2m|--jitter|5s");
    assert_int_equal(plan.shape->kind, SQ_SHAPE_RATE);
    assert_int_equal(plan.duration_ns, 120 * SEC);
    assert_int_equal(plan.jitter_ns, 5 * SEC);
    assert_int_equal(sq_plan_arrivals(&plan), 180);
    assert_int_equal(plan.peers, 180); /* all of them stay */
    /* With a hold, as many as can be there: it, and the longest set-up. */
    taken("lab:|--load|10m:20/s, 10m:20/s|--hold|10s|--answer-timeout|1s|--connect-timeout|1s|"
          "--media-timeout|1s");
    assert_in_range(plan.peers, 20 * 17, 20 * 17 + 2);
    taken("lab:|--load|1m:20/s|--hold|10s|--peers|30");
    assert_int_equal(plan.peers, 30);
    taken("lab:|--arrivals|%s|--hold|5s");
    assert_int_equal(plan.shape->kind, SQ_SHAPE_TIMES);
    assert_int_equal(plan.shape->times_len, 4);
    assert_int_equal(plan.duration_ns, 0);
    assert_int_equal(sq_plan_arrivals(&plan), 4);
    taken("lab:|--arrivals|%s|--duration|5s");
    assert_int_equal(sq_plan_arrivals(&plan), 3);
    /* Jitter by itself is of any load. */
    taken("lab:|--peers|10|--jitter|2s");
    assert_null(plan.shape);
    assert_int_equal(plan.jitter_ns, 2 * SEC);
    assert_int_equal(plan.peers, 10);
    taken("lab:");
    assert_int_equal(plan.peers, 1);
}

static void what_makes_no_sense(void **state)
{
    (void)state;
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"lab:|--load|30s:100|--rate|5/s", "--load and --rate both say how peers arrive: give one"},
        {"lab:|--load|30s:100|--ramp|5s", "--load and --ramp both say how peers arrive"},
        {"lab:|--load|30s:100|--arrivals|%s", "--load and --arrivals both say how peers arrive"},
        {"lab:|--arrivals|%s|--hold|1s|--rate|5/s", "--arrivals and --rate both say"},
        {"lab:|--load|30s:100|--peers|5", "says how many peers there are, and so does --peers"},
        {"lab:|--load|30s:100|--duration|5s", "the stages of --load say how long the run is"},
        {"lab:|--load|30s:1/s|--duration|5s", "the stages of --load say how long the run is"},
        {"lab:|--load|30s:100, 1m", "--load '30s:100, 1m', column 10: expected TIME:PEERS or"},
        {"lab:|--load|30s:0", "--load '30s:0': nobody ever comes"},
        {"lab:|--load|30s:100|--think|1s", "expected --load with a number of peers, and --hold"},
        {"lab:|--load|30s:1/s|--hold|5s|--think|1s", "expected --load with a number of peers"},
        {"lab:|--think|1s", "expected --load with a number of peers, and --hold"},
        {"lab:|--load|30s:9|--hold|5s|--think|1", "--think 1: expected a duration such as 5s"},
        {"lab:|--load|30s:9|--hold|5s|--think|3s..1s", "--think 3s..1s: expected a duration"},
        {"lab:|--arrivals|%s", "--arrivals: expected --hold D (how long each stays) or --duration"},
        {"lab:|--arrivals|/no/such|--hold|1s", "--arrivals /no/such: No such file or directory"},
        {"lab:|--load|10s:5|--jitter|10s", "--jitter is as long as the run"},
        {"lab:|--peers|5|--jitter|30s", "--jitter is as long as the run"},
        {"lab:|--arrivals|%s|--hold|1s|--jitter|2h", "--jitter: at most an hour"},
        {"lab:|--jitter|5", "--jitter"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int err = take(cases[i].line);
        if (!err || !strstr(why, cases[i].says)) {
            fail_msg("%s: %d: %s", cases[i].line, err, why);
        }
    }
    sq_run_options_free(&options);
}

static const char *config_of(const struct sq_result *result, const char *key)
{
    for (size_t i = 0; i < result->config_count; i++) {
        if (strcmp(result->config[i].key, key) == 0) {
            return result->config[i].text ? result->config[i].text : "";
        }
    }
    return NULL;
}

static void the_configuration_tells_the_shape(void **state)
{
    (void)state;
    struct sq_result *result;
    taken("lab:|--load|30s:100, 1m:0|--hold|20s|--think|1s..3s|--jitter|2s");
    assert_int_equal(sq_result_create(&result), 0);
    assert_int_equal(sq_run_options_describe(&options, &plan, result), 0);
    assert_string_equal(config_of(result, "load"), "30s:100, 1m:0");
    assert_string_equal(config_of(result, "load_model"), "closed");
    assert_string_equal(config_of(result, "think"), "1s..3s");
    assert_non_null(config_of(result, "jitter_s"));
    assert_null(config_of(result, "rate_per_s"));
    sq_result_destroy(result);
    taken("lab:|--arrivals|%s|--hold|5s");
    assert_int_equal(sq_result_create(&result), 0);
    assert_int_equal(sq_run_options_describe(&options, &plan, result), 0);
    assert_string_equal(config_of(result, "arrivals"), path);
    assert_string_equal(config_of(result, "load_model"), "open");
    sq_result_destroy(result);
    sq_run_options_free(&options);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(shapes_make_plans),
        cmocka_unit_test(what_makes_no_sense),
        cmocka_unit_test(the_configuration_tells_the_shape),
    };
    return cmocka_run_group_tests(tests, make_file, drop_file);
}
