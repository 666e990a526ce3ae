/* A scenario in small: what becomes of each number and time, and what stays. */
#include "base/mem.h"
#include "scenario/scale.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static const char *env(void *ctx, const char *name)
{
    (void)ctx;
    (void)name;
    return "s3cret";
}

static struct sq_scenario *parsed(const char *text)
{
    struct sq_scenario *s = NULL;
    struct sq_yaml_error error = {.message = ""};
    if (sq_scenario_parse("t.yaml", text, strlen(text), env, NULL, &s, &error) != 0) {
        fail_msg("%s\n%u:%u: %s", text, error.at.line, error.at.column, error.message);
    }
    return s;
}

static struct sq_scenario *scaled(const char *text, double factor)
{
    struct sq_yaml_error error = {.message = ""};
    struct sq_scenario *s = parsed(text);
    if (sq_scenario_scale(s, factor, &error) != 0) {
        fail_msg("%s: %s", text, error.message);
    }
    return s;
}

static const char *value(const struct sq_scenario *s, const char *option)
{
    const struct sq_scenario_setting *found = sq_scenario_setting_for(s, NULL, option);
    assert_non_null(found);
    assert_string_equal(found->shown, found->value);
    return found->value;
}

static void each_value(void **state)
{
    (void)state;
    static const struct {
        const char *text, *option, *wanted; /* at a tenth */
    } cases[] = {
        {"load: {peers: 501}", "peers", "51"},
        {"load: {peers: 10}", "peers", "1"},
        {"load: {peers: 3}", "peers", "1"},
        {"load: {rate: 25/s}", "rate", "25/s"},
        {"load: {duration: 1m}", "duration", "6s"},
        {"load: {duration: 1m30s}", "duration", "9s"},
        {"load: {duration: 35s}", "duration", "3.5s"},
        {"load: {hold: 5s}", "hold", "500ms"},
        {"load: {hold: 1ms}", "hold", "1ms"},
        {"load: {jitter: 2s}", "jitter", "200ms"},
        {"load: {ramp: '10s:5s'}", "ramp", "1s:500ms"},
        {"load: {think: 2s..10s}", "think", "200ms..1s"},
        {"load: {shape: '10s:25, 0s:500, 1m:0'}", "load", "1s:3, 0s:50, 6s:0"},
        {"load: {shape: '10s:25/s, 5m : 600/m'}", "load", "1s:25/s, 30s : 600/m"},
        {"load: {shape: '100'}", "load", "10"},
        {"load: {shape: '20/s'}", "load", "20/s"},
        {"network: Poor 4G", "network", "Poor 4G"},
        {"network: 'rate=1M,queue=200ms,delay=80ms'", "network", "rate=1M,queue=200ms,delay=80ms"},
        {"network: 'wifi, 20s: down 3s, run 1m: delay=80ms, 2m: again'", "network",
         "wifi, 2s: down 300ms, run 6s: delay=80ms, 12s: again"},
        {"dtmf: '42#@2'", "dtmf", "42#@0.2"},
        {"dtmf: '42#'", "dtmf", "42#"},
        {"expect: setup.total.p95 < 2s", "expect", "setup.total.p95 < 2s"},
        {"expect: video.in.fps > 5 between 20s and 1m30s else warn", "expect",
         "video.in.fps > 5 between 2s and 9s else warn"},
        {"expect: video.in.loss < 1 between up and 30s and setup.ice < 1s", "expect",
         "video.in.loss < 1 between up and 3s and setup.ice < 1s"},
        {"abort_on: 'setup.total < 4s @20s'", "abort-on", "setup.total < 4s @2s"},
        {"timeouts: {connect: 20s}", "connect-timeout", "20s"},
        {"load: {peers: many}", "peers", "many"},
        {"load: {duration: 10}", "duration", "10"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_scenario *s = scaled(cases[i].text, 0.1);
        assert_string_equal(value(s, cases[i].option), cases[i].wanted);
        sq_scenario_free(s);
    }
}

static void assert_load(const char *text, double factor, uint64_t rooms, const char *peers)
{
    struct sq_scenario *s = scaled(text, factor);
    assert_int_equal(s->rooms, rooms);
    if (peers) {
        assert_string_equal(value(s, "peers"), peers);
    } else {
        assert_null(sq_scenario_setting_for(s, NULL, "peers"));
    }
    sq_scenario_free(s);
}

static void rooms_stay_as_large_as_they_are(void **state)
{
    (void)state;
    assert_load("rooms: {count: 100, size: 10}", 0.1, 10, NULL);
    assert_load("rooms: {count: 3, size: 10}", 0.1, 1, NULL);
    assert_load("rooms: {count: 3, size: 4}\nload: {peers: 12}", 0.1, 1, "4");
    assert_load("rooms: {size: 4}\nload: {peers: 20}", 0.1, 0, "4");
    assert_load("rooms: {size: 4}\nload: {peers: 20}", 0.3, 0, "8");
    assert_load("rooms: {size: 4}\nload: {peers: 3}", 0.5, 0, "2");
    assert_load("rooms: {count: 4}\nload: {peers: 20}", 0.1, 1, "5");
    assert_load("rooms: {count: 4}\nload: {peers: 20}", 2, 8, "40");
    /* Calls of two, and somebody of each group in the one room. */
    assert_load("groups: {a: {per_room: 1}, b: {per_room: 1}}\nload: {peers: 50}", 0.1, 0, "6");
    assert_load("groups: {a: {per_room: 1}, b: {role: watch}}\nload: {peers: 51}", 0.01, 0, "2");
    /* Sizes say how many there are; with a hold load.peers is the most at once. */
    assert_load("rooms: {count: 20, sizes: {2: 70%, 5: 30%}}\nload: {peers: 58}", 0.1, 2, NULL);
    assert_load("rooms: {count: 20, sizes: {2: 70%, 5: 30%}}\nload: {peers: 58, hold: 5s}", 0.1, 2,
                "6");
}

static void groups_and_steps(void **state)
{
    (void)state;
    struct sq_scenario *s = scaled("groups:\n"
                                   "  a:\n"
                                   "    network: 'wifi, 20s: dsl'\n"
                                   "    before: [{wait_for: {name: b, timeout: 10s}}]\n"
                                   "    steps: [{wait: 2s..30s}]\n"
                                   "steps: [{wait: 1s}, {set: {name: b, value: 20s}}]\n",
                                   0.1);
    const struct sq_scenario_group *a = &s->groups[0];
    const struct sq_scenario_setting *network = sq_scenario_setting_for(s, a, "network");
    assert_string_equal(network->value, "wifi, 2s: dsl");
    assert_int_equal(a->before.items[0].most_ns, 10 * SQ_NS_PER_SEC); /* how long it may take */
    assert_int_equal(a->steps.items[0].least_ns, 200 * SQ_NS_PER_MS);
    assert_int_equal(a->steps.items[0].most_ns, 3 * SQ_NS_PER_SEC);
    assert_string_equal(a->steps.items[0].words, "wait 200ms to 3s");
    assert_int_equal(s->steps.items[0].least_ns, 100 * SQ_NS_PER_MS);
    assert_string_equal(s->steps.items[1].value, "20s");
    sq_scenario_free(s);
}

static void what_is_secret_stays_so(void **state)
{
    (void)state;
    struct sq_scenario *s = scaled("target: 'room+ws://h/${TOKEN}'\nload: {peers: 20}", 0.5);
    const struct sq_scenario_setting *target = sq_scenario_setting_for(s, NULL, "target");
    assert_string_equal(sq_scenario_shown(s, target->value), "room+ws://h/${TOKEN}");
    sq_scenario_free(s);
}

static void arrivals_of_a_file_are_refused(void **state)
{
    (void)state;
    struct sq_yaml_error error = {.message = ""};
    struct sq_scenario *s = parsed("target: lab\nload: {hold: 5s, arrivals: log.csv}\n");
    assert_int_equal(sq_scenario_scale(s, 0.1, &error), SQ_ERR_UNSUPPORTED);
    assert_int_equal(error.at.line, 2);
    assert_int_equal(error.at.column, 28);
    assert_non_null(strstr(error.message, "load.arrivals is a file of times"));
    sq_scenario_free(s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_value),
        cmocka_unit_test(rooms_stay_as_large_as_they_are),
        cmocka_unit_test(groups_and_steps),
        cmocka_unit_test(what_is_secret_stays_so),
        cmocka_unit_test(arrivals_of_a_file_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
