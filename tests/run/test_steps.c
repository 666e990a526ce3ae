/* Steps: values out of answers, values that are shared, and users that do them. */
#include "base/mem.h"
#include "run/rig.h"
#include "run/shard_bench.h"
#include "run/shared.h"
#include "run/step_take.h"
#include "scenario/scenario.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- RFC 6901, section 5 ---- */

static void pointers_are_those_of_the_rfc(void **state)
{
    static const struct {
        const char *pointer, *value; /* as JSON; NULL: nothing is there */
    } cases[] = {
        {"/foo", "[\"bar\",\"baz\"]"},
        {"/foo/0", "\"bar\""},
        {"/", "0"},
        {"/a~1b", "1"},
        {"/c%d", "2"},
        {"/e^f", "3"},
        {"/g|h", "4"},
        {"/i\\j", "5"},
        {"/k\"l", "6"},
        {"/ ", "7"},
        {"/m~0n", "8"},
        {"/foo/2", NULL},
        {"/foo/-", NULL},
        {"/foo/00", NULL}, /* section 4: no leading zeros */
        {"/foo/bar", NULL},
        {"/nobody", NULL},
        {"//x", NULL},
        {"foo", NULL},
    };
    (void)state;
    json_t *root = json_loads("{\"foo\": [\"bar\", \"baz\"], \"\": 0, \"a/b\": 1, \"c%d\": 2, "
                              "\"e^f\": 3, \"g|h\": 4, \"i\\\\j\": 5, \"k\\\"l\": 6, \" \": 7, "
                              "\"m~n\": 8}",
                              0, NULL);
    assert_non_null(root);
    assert_ptr_equal(sq_json_at(root, ""), root);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        json_t *at = sq_json_at(root, cases[i].pointer);
        char *text = at ? json_dumps(at, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
        if ((text == NULL) != (cases[i].value == NULL) ||
            (text && strcmp(text, cases[i].value) != 0)) {
            fail_msg("%s: %s, expected %s", cases[i].pointer, text ? text : "nothing",
                     cases[i].value ? cases[i].value : "nothing");
        }
        free(text);
    }
    json_decref(root);
}

/* ---- Shared values ---- */

static void a_value_is_of_its_room(void **state)
{
    struct sq_shared *shared;
    char *text = NULL;
    (void)state;
    assert_int_equal(sq_shared_create(1, &shared), 0);
    assert_int_equal(sq_shared_get(shared, 1, "url", &text), SQ_ERR_NOTFOUND);
    assert_int_equal(sq_shared_set(shared, 1, "url", "a"), 0);
    assert_int_equal(sq_shared_set(shared, SQ_SHARED_TEST, "url", "b"), 0);
    assert_int_equal(sq_shared_set(shared, 1, "url", "c"), 0);
    assert_int_equal(sq_shared_get(shared, 1, "url", &text), 0);
    assert_string_equal(text, "c");
    sq_free(text);
    assert_int_equal(sq_shared_get(shared, SQ_SHARED_TEST, "url", &text), 0);
    assert_string_equal(text, "b");
    sq_free(text);
    assert_int_equal(sq_shared_get(shared, 2, "url", &text), SQ_ERR_NOTFOUND);
    sq_shared_destroy(shared);
}

/* ---- Users ---- */

struct steps_bench {
    struct bench b;
    struct sq_scenario *scenario;
};

static void run(struct steps_bench *s, const char *yaml, unsigned peers, uint64_t duration_ns)
{
    struct sq_yaml_error error = {.message = ""};
    struct bench *b = &s->b;
    if (sq_scenario_parse("t.yaml", yaml, strlen(yaml), NULL, NULL, &s->scenario, &error) != 0) {
        fail_msg("%s", error.message);
    }
    bench_make(b, NULL);
    b->plan.peers = peers;
    b->plan.rate_per_s = 100;
    b->plan.duration_ns = duration_ns;
    b->plan.groups[0].before = &s->scenario->before;
    b->plan.groups[0].steps = &s->scenario->steps;
    b->plan.figures = &s->scenario->figures;
    bench_start(b);
    bench_finish(b);
}

static void finish(struct steps_bench *s)
{
    bench_free(&s->b);
    sq_scenario_free(s->scenario);
}

static const struct sq_timer_row *timer(const struct steps_bench *s, const char *name)
{
    for (size_t i = 0; i < s->b.result->timers_len; i++) {
        if (strcmp(s->b.result->timers[i].name, name) == 0) {
            return &s->b.result->timers[i];
        }
    }
    fail_msg("no timer %s", name);
    return NULL;
}

static void steps_are_done_in_turn(void **state)
{
    struct steps_bench s;
    (void)state;
    run(&s,
        "before: [{timer: {start: up}}, {wait: 100ms}]\n"
        "steps: [{timer: {stop: up}}, {timer: {start: t}}, {wait: 50ms..80ms}, "
        "{timer: {stop: t}}, {count: said}, {count: {name: said, add: 2}}]\n",
        6, SEC);
    const struct sq_result *r = s.b.result;
    assert_int_equal(r->counts.ok, 6);
    assert_int_equal(timer(&s, "before")->figures.count, 6);
    assert_true(timer(&s, "before")->figures.min >= 100 && timer(&s, "before")->figures.avg < 400);
    assert_true(timer(&s, "up")->figures.min >= 100);
    assert_int_equal(timer(&s, "t")->figures.count, 6);
    assert_true(timer(&s, "t")->figures.min >= 50);
    assert_true(timer(&s, "t")->figures.min < timer(&s, "t")->figures.max); /* drawn for each */
    assert_int_equal(r->counters_len, 1);
    assert_int_equal(r->counters[0].count, 18);
    /* What is done before signing in is what a user waits for, too. */
    assert_true(r->peers[0].stage_ms[SQ_STAGE_TOTAL] >= 100);
    finish(&s);
}

static void who_leaves_comes_back(void **state)
{
    struct steps_bench s;
    (void)state;
    run(&s, "steps: [{wait: 100ms}, leave, {wait: 100ms}, rejoin, {count: back}]\n", 4, 2 * SEC);
    assert_int_equal(s.b.result->counts.ok, 4);
    assert_int_equal(s.b.result->counts.dropped, 0);
    assert_int_equal(s.b.result->counters[0].count, 4);
    assert_int_equal(fake_leaves(), 8); /* by the step, and at the end */
    assert_int_equal(fake_sessions(), 0);
    assert_int_equal(bench_samples(&s.b, SQ_METRIC_SETUP_TOTAL), 4); /* of arriving alone */
    finish(&s);
}

/* Nobody is told twice to leave, and an end without a session is as good as one with it. */
static void who_is_out_at_the_end_is_well(void **state)
{
    struct steps_bench s;
    (void)state;
    run(&s, "steps: [{wait: 100ms}, leave]\n", 4, SEC);
    assert_int_equal(s.b.result->counts.ok, 4);
    assert_int_equal(fake_leaves(), 4);
    assert_int_equal(fake_sessions(), 0);
    finish(&s);
}

/* Users of both threads: who waits is woken by what the other thread sets. */
static void values_go_from_thread_to_thread(void **state)
{
    struct steps_bench s;
    (void)state;
    run(&s,
        "before: [{wait: 20ms..200ms}, {set: {name: a, value: '${peer.number}', in: test}}, "
        "{wait_for: {name: a, in: test}}]\n"
        "steps: [{count: up}]\n",
        8, SEC);
    assert_int_equal(s.b.result->counts.ok, 8);
    assert_int_equal(s.b.result->counters[0].count, 8);
    finish(&s);
}

static void what_nobody_sets_is_a_timeout(void **state)
{
    struct steps_bench s;
    (void)state;
    run(&s, "before:\n- wait_for: {name: url, timeout: 200ms}\n", 3, SEC);
    const struct sq_result *r = s.b.result;
    assert_int_equal(r->counts.failed, 3);
    assert_int_equal(r->failures[SQ_FAILURE_TIMEOUT].count, 3);
    assert_string_equal(r->peers[0].message,
                        "t.yaml:2: step 1 of before, wait for url of the room, 200ms at most: "
                        "nobody has set it within 0.2 s");
    finish(&s);
}

/* The run ends while a step waits: the request, the wait and the timer go with their user. */
static void who_still_waits_is_told_where(void **state)
{
    struct steps_bench s;
    (void)state;
    run(&s, "before: [{wait: 1h}]\n", 3, SEC / 2);
    const struct sq_result *r = s.b.result;
    assert_int_equal(r->counts.pending, 3);
    assert_string_equal(r->peers[0].message,
                        "not signed in yet: at step 1 of before (line 1), wait 1h00m");
    finish(&s);
}

static void who_is_muted_sends_nothing(void **state)
{
    struct steps_bench s, loud;
    (void)state;
    run(&loud, "steps: [{count: x}]\n", 2, 3 * SEC);
    run(&s, "steps: [{mute: audio}]\n", 2, 3 * SEC);
    double with = loud.b.result->peers[0].flow[SQ_FLOW_AUDIO_OUT].packets;
    double without = s.b.result->peers[0].flow[SQ_FLOW_AUDIO_OUT].packets;
    assert_true(with > 50);
    assert_true(without < with / 5);
    assert_true(s.b.result->peers[0].flow[SQ_FLOW_VIDEO_OUT].packets >
                loud.b.result->peers[0].flow[SQ_FLOW_VIDEO_OUT].packets / 2);
    finish(&loud);
    finish(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointers_are_those_of_the_rfc),
        cmocka_unit_test(a_value_is_of_its_room),
        cmocka_unit_test(steps_are_done_in_turn),
        cmocka_unit_test(who_leaves_comes_back),
        cmocka_unit_test(who_is_out_at_the_end_is_well),
        cmocka_unit_test(values_go_from_thread_to_thread),
        cmocka_unit_test(what_nobody_sets_is_a_timeout),
        cmocka_unit_test(who_still_waits_is_told_where),
        cmocka_unit_test(who_is_muted_sends_nothing),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
