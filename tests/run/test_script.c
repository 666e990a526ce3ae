/* Scripts in Lua within a run: two users of two threads call each other, and no server is between
 * them but the values that they share. */
#include "base/mem.h"
#include "run/expect.h"
#include "run/rig.h"
#include "run/shard_bench.h"
#include "scenario/scenario.h"
#include "scenario/users.h"
#include "signal/lua/lua_signal.h"
#include "signal/lua/script.h"
#include "signal/target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char call[] =
    "local first = session.index % 2 == 0\n"
    "metric.start('met')\n"
    "if first then\n"
    "  pc:setLocalDescription()\n"
    "  session:set('offer', json.encode(pc:gathered()))\n"
    "  session:set('who', session.user.name, 'test')\n"
    "  pc:setRemoteDescription(json.decode(session:wait_for('answer', '10s')))\n"
    "else\n"
    "  pc:setRemoteDescription(json.decode(session:wait_for('offer', '10s')))\n"
    "  pc:setLocalDescription()\n"
    "  session:set('answer', json.encode(pc:gathered()))\n"
    "  assert(session:get('who', 'test') == 'ann' and session.user.name == 'bob')\n"
    "end\n"
    "metric.stop('met')\n"
    "pc:wait('connected', '10s')\n"
    "metric.count('met', 3) metric.event('met')\n"
    "if session.index == 3 then sleep('300ms') error('enough') end\n";

struct script_bench {
    struct bench b;
    struct sq_lua_script *script;
    struct sq_target target;
    struct sq_users *users;
    struct sq_step_figures figures;
};

static void make(struct script_bench *s, const char *text)
{
    static const char rows[] = "name\nann\nbob\n";
    char path[] = "/tmp/squall-script-XXXXXX";
    char why[512] = "";
    struct sq_yaml_error error;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    assert_int_equal(close(fd), 0);
    memset(s, 0, sizeof(*s));
    bench_make(&s->b, NULL);
    if (sq_lua_script_load(path, &s->script, why, sizeof(why)) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(unlink(path), 0);
    assert_int_equal(sq_target_parse("lua+ws://127.0.0.1:1/", &s->target, why, sizeof(why)), 0);
    assert_int_equal(sq_users_parse(rows, strlen(rows), &s->users, &error), 0);
    for (size_t i = 0; i < s->script->timers_len; i++) {
        s->figures.timers[s->figures.timers_len++] = s->script->timers[i];
    }
    for (size_t i = 0; i < s->script->counters_len; i++) {
        s->figures.counters[s->figures.counters_len++] = s->script->counters[i];
    }
    struct sq_plan *plan = &s->b.plan;
    plan->groups[0].adapter = &sq_signal_lua;
    plan->groups[0].target = &s->target;
    plan->groups[0].script = s->script;
    plan->users = s->users;
    plan->figures = &s->figures;
    plan->rate_per_s = 100;
    plan->room_size = 2;
}

static void finish(struct script_bench *s)
{
    bench_free(&s->b);
    sq_users_free(s->users);
    sq_lua_script_free(s->script);
    sq_target_free(&s->target);
}

static void users_call_each_other(void **state)
{
    struct script_bench s;
    (void)state;
    make(&s, call);
    s.b.plan.peers = 4;
    s.b.plan.duration_ns = 3 * SEC;
    bench_start(&s.b);
    bench_finish(&s.b);
    const struct sq_result *r = s.b.result;
    assert_int_equal(r->counts.failed, 2); /* one by its script, and whom it called by that */
    assert_int_equal(r->counts.ok, 2);
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *row = &r->peers[i];
        assert_int_equal(row->outcome == SQ_OUTCOME_FAILED, bench_index_of(row) >= 2);
        if (bench_index_of(row) == 3) {
            assert_int_equal(row->cause, SQ_FAILURE_SIGNALING);
            assert_non_null(strstr(row->message, ":17: enough"));
        }
        assert_true(row->connected);
    }
    assert_int_equal(r->timers_len, 1);
    assert_string_equal(r->timers[0].name, "met");
    assert_int_equal(r->timers[0].figures.count, 4);
    assert_int_equal(r->counters_len, 1);
    assert_int_equal(r->counters[0].count, 12);
    finish(&s);
}

/* All that a user of them has: a time, what it counts before and after an event, and a time that it
 * tells by itself. */
static const char measures[] = "metric.start('wait-in')\n"
                               "metric.count('said')\n"
                               "metric.event('leapt')\n"
                               "metric.start('rest')\n"
                               "sleep('50ms')\n"
                               "metric.stop('wait-in')\n"
                               "metric.stop('rest')\n"
                               "metric.count('said', 2)\n"
                               "if session.index == 3 then metric.timer('own', 2.5) end\n"
                               "session:joined()\n"
                               "function on_leave() metric.count('bye') end\n"
                               "sleep('60s')\n"
                               "metric.count('never')\n";

/* Judges the run by these; what its scripts name is known to it, as the command line asks. */
static void run_judged(struct script_bench *s, const char *const *texts, struct sq_expect **list,
                       size_t n)
{
    struct sq_plan *plan = &s->b.plan;
    for (size_t i = 0; i < s->script->events_len; i++) {
        s->figures.events[s->figures.events_len++] = s->script->events[i];
    }
    plan->tags = s->figures.events;
    plan->tags_len = s->figures.events_len;
    for (size_t i = 0; i < n; i++) {
        struct sq_expect_error wrong = {.column = 0};
        int err = strchr(texts[i], '@') ? sq_expect_parse_abort(texts[i], &list[i], &wrong)
                                        : sq_expect_parse(texts[i], &list[i], &wrong);
        if (err || sq_expect_check(list[i], plan, &wrong) != 0) {
            fail_msg("%s: %s", texts[i], wrong.message);
        }
    }
    plan->expects = list;
    plan->expects_len = n;
    bench_start(&s->b);
    bench_finish(&s->b);
    assert_int_equal(sq_expect_judge(list, n, s->b.result), 0);
    for (size_t i = 0; i < n; i++) {
        sq_expect_destroy(list[i]);
    }
}

static void timers_and_counters_are_judged(void **state)
{
    static const char *const holding[] = {
        "timer.wait-in.min >= 50ms",
        "timer.wait-in.count == 4",
        "timer.wait-in.p95 < 10s for 100% of peers",
        "timer.own.max == 2.5s",
        "timer.own >= 2500ms for 25% of peers where group is participant",
        "counter.said == 12",
        "counter.said.count == 8",
        "counter.said.max == 2",
        "counter.said == 3 for 100% of peers",
        "counter.never == 0",
        "counter.never == 0 for 100% of peers",
        "counter.said == 8 between leapt and leaving",
        "counter.said == 2 for 100% of peers between leapt and 1m",
        "counter.bye == 4",
        "counter.bye == 0 for 100% of peers", /* told when it had been judged */
        "timer.rest.count == 4 between leapt and leaving",
        "timer.rest >= 50ms for 100% of peers between leapt and end",
    };
    enum { N = sizeof(holding) / sizeof(*holding) };
    struct sq_expect *list[N];
    struct script_bench s;
    (void)state;
    make(&s, measures);
    s.b.plan.peers = 4;
    s.b.plan.duration_ns = SEC;
    run_judged(&s, holding, list, N);
    const struct sq_result *r = s.b.result;
    unsigned held = 0;
    for (size_t i = 0; i < N; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        held += e->ok;
        if (!e->ok) {
            print_message("%s: %s\n", e->expr, e->message);
        }
    }
    assert_int_equal(held, N);
    /* Against what the result tells of them by itself. */
    assert_int_equal(r->timers_len, 3);
    assert_int_equal(r->counters_len, 3);
    assert_int_equal(r->timers[0].figures.count, 4);
    assert_int_equal(r->counters[0].count, 12);
    assert_false(r->stop.on);
    finish(&s);
}

/* They would have gone on for long. */
static void what_scripts_measure_ends_a_run(void **state)
{
    static const char *const texts[] = {
        "counter.said <= 11@1s",
        "timer.own < 2s@1s",
        "timer.wait-in < 20ms for 50% of peers@1s",
        "counter.said == 0 between leapt and leaving@1s",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        struct sq_expect *list[1];
        struct script_bench s;
        make(&s, measures);
        s.b.plan.peers = 4;
        s.b.plan.duration_ns = 20 * SEC; /* below LIMIT_MS: without an end it fails by its words */
        run_judged(&s, &texts[i], list, 1);
        const struct sq_result *r = s.b.result;
        assert_true(r->stop.on);
        assert_true(r->stop.after_s >= 1 && r->duration_s < 15);
        assert_int_equal(r->stop.expectation, 0);
        assert_false(r->expectations[0].ok);
        finish(&s);
    }
}

static void a_loop_is_its_own_users_end(void **state)
{
    struct script_bench s;
    (void)state;
    make(&s, "if session.index == 1 then while true do end end\n"
             "session:joined() while true do sleep('10ms') end");
    s.b.plan.peers = 4;
    s.b.plan.threads = 1;
    s.b.plan.duration_ns = 3 * SEC; /* a busy machine gives no 100 ms of CPU within one */
    bench_start(&s.b);
    bench_finish(&s.b);
    assert_int_equal(s.b.result->counts.ok, 3);
    assert_int_equal(s.b.result->counts.failed, 1);
    finish(&s);
}

/* Peers that were well otherwise, and made no connection: both are told. */
static void what_scripts_left_undone_is_told(void **state)
{
    struct script_bench s;
    (void)state;
    make(&s, "function on_leave() error('no bye') end\n");
    s.b.plan.peers = 2;
    s.b.plan.duration_ns = SEC;
    bench_start(&s.b);
    bench_finish(&s.b);
    struct sq_result *r = s.b.result;
    assert_int_equal(r->counts.ok, 2);
    assert_true(r->peers[0].left_badly && r->peers[1].left_badly);
    assert_non_null(strstr(r->peers[0].goodbye, ":1: no bye"));
    assert_non_null(strstr(r->peers[0].message, "the script ended without a connection"));
    finish(&s);

    make(&s, "");
    s.b.plan.peers = 2;
    s.b.plan.duration_ns = SEC;
    bench_start(&s.b);
    bench_finish(&s.b);
    r = s.b.result;
    assert_int_equal(r->counts.ok, 2);
    assert_int_equal(sq_expect_judge(NULL, 0, r), 0);
    assert_int_equal(r->exit_code, SQ_EXIT_UNREACHED);
    assert_non_null(
        strstr(r->verdict_reason,
               "none of 2 peers connected: the script ended without a connection (squall-script-"));
    finish(&s);

    /* One that is in, and goes on, has not ended. */
    make(&s, "session:joined()\nwhile true do sleep('10ms') end");
    s.b.plan.peers = 2;
    s.b.plan.duration_ns = SEC;
    bench_start(&s.b);
    bench_finish(&s.b);
    r = s.b.result;
    assert_int_equal(r->counts.ok, 2);
    assert_int_equal(sq_expect_judge(NULL, 0, r), 0);
    assert_non_null(strstr(r->verdict_reason, "none of 2 peers connected: squall-script-"));
    assert_non_null(strstr(r->verdict_reason, ":2: the script was still waiting (sleep), and had "
                                              "made no connection"));
    finish(&s);
}

/* What the script waited for is why nobody connected, and not its goodbye. */
static void a_bad_goodbye_is_not_why_nobody_connected(void **state)
{
    char waits[SQ_PEER_TEXT_MAX];
    struct script_bench s;
    (void)state;
    make(&s, "local socket\n"
             "function on_leave() socket:send('bye') end\n"
             "sleep('60s')\n");
    snprintf(waits, sizeof(waits), "not signed in yet: %s:3: the script was still waiting (sleep)",
             s.script->files[0].name);
    s.b.plan.peers = 2;
    s.b.plan.duration_ns = SEC;
    bench_start(&s.b);
    bench_finish(&s.b);
    struct sq_result *r = s.b.result;
    assert_int_equal(r->counts.pending, 2);
    assert_int_equal(sq_expect_judge(NULL, 0, r), 0);
    assert_int_equal(r->exit_code, SQ_EXIT_UNREACHED);
    assert_non_null(strstr(r->verdict_reason, waits));
    for (size_t i = 0; i < 2; i++) {
        assert_true(r->peers[i].left_badly);
        assert_string_equal(r->peers[i].message, waits);
        assert_non_null(strstr(r->peers[i].goodbye, ":2: attempt to index a nil value"));
    }
    finish(&s);
}

/* It leaves badly, comes back, and its end is well: what befell it is kept all the same. */
static void a_bad_goodbye_of_before_is_kept(void **state)
{
    static const char yaml[] = "steps: [{wait: 100ms}, leave, {wait: 100ms}, rejoin]\n";
    struct script_bench s;
    struct sq_scenario *scenario;
    struct sq_yaml_error error = {.message = ""};
    (void)state;
    make(&s, "function on_leave()\n"
             "  if not session:get('left') then session:set('left', '1') error('no bye') end\n"
             "end\n"
             "local other = RTCPeerConnection{}\n"
             "pc:setLocalDescription()\n"
             "other:setRemoteDescription(pc:gathered())\n"
             "other:setLocalDescription()\n"
             "pc:setRemoteDescription(other:gathered())\n"
             "pc:wait('connected', '10s')\n");
    assert_int_equal(sq_scenario_parse("t.yaml", yaml, strlen(yaml), NULL, NULL, &scenario, &error),
                     0);
    s.b.plan.groups[0].before = &scenario->before;
    s.b.plan.groups[0].steps = &scenario->steps;
    s.b.plan.peers = 1;
    s.b.plan.threads = 1;
    s.b.plan.duration_ns = 3 * SEC;
    bench_start(&s.b);
    bench_finish(&s.b);
    const struct sq_peer_row *row = &s.b.result->peers[0];
    assert_int_equal(s.b.result->counts.ok, 1);
    assert_true(row->left_badly && !row->unfinished && !row->unlinked);
    assert_string_equal(row->message, "");
    assert_non_null(row->goodbye);
    assert_non_null(strstr(row->goodbye, ":2: no bye"));
    finish(&s);
    sq_scenario_free(scenario);
}

/* That nobody answers an offer is the signalling's fault, not that of ICE; who ends before says so.
 */
static void an_offer_that_nobody_answers_fails(void **state)
{
    (void)state;
    for (unsigned late = 0; late < 2; late++) {
        struct script_bench s;
        make(&s, "pc:setLocalDescription()\n"
                 "session:joined()\n"
                 "sleep('1m')\n");
        s.b.plan.peers = 1;
        s.b.plan.threads = 1;
        s.b.plan.connect_timeout_ns = late ? SEC : 200 * MS;
        s.b.plan.duration_ns = 500 * MS;
        bench_start(&s.b);
        bench_finish(&s.b);
        const struct sq_peer_row *row = &s.b.result->peers[0];
        if (late) {
            assert_non_null(
                strstr(row->message, "the other side's session description did not come"));
            assert_int_equal(row->outcome, SQ_OUTCOME_PENDING);
        } else {
            assert_string_equal(row->message,
                                "the other side's session description did not come within 0.2 s");
            assert_int_equal(row->cause, SQ_FAILURE_SIGNALING);
        }
        finish(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_call_each_other),
        cmocka_unit_test(timers_and_counters_are_judged),
        cmocka_unit_test(what_scripts_measure_ends_a_run),
        cmocka_unit_test(a_loop_is_its_own_users_end),
        cmocka_unit_test(what_scripts_left_undone_is_told),
        cmocka_unit_test(a_bad_goodbye_is_not_why_nobody_connected),
        cmocka_unit_test(a_bad_goodbye_of_before_is_kept),
        cmocka_unit_test(an_offer_that_nobody_answers_fails),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
