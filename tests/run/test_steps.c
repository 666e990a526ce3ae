/* Steps: values out of answers, values that are shared, and users that do them. */
#include "base/mem.h"
#include "media/clip.h"
#include "run/expect.h"
#include "run/ice_servers.h"
#include "run/inbox.h"
#include "run/rig.h"
#include "run/shard_bench.h"
#include "run/shared.h"
#include "run/step_take.h"
#include "scenario/scenario.h"
#include "signal/jsontext.h"
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

/* ---- Messages ---- */

static void messages_come_in_turn_and_the_oldest_go(void **state)
{
    struct sq_inbox inbox = {.n = 0};
    char text[16];
    (void)state;
    assert_null(sq_inbox_take(&inbox));
    for (int i = 0; i < SQ_INBOX_MESSAGES_MAX + 3; i++) {
        snprintf(text, sizeof(text), "m%d", i);
        sq_inbox_put(&inbox, i % 2 ? "odd" : NULL, text, strlen(text));
    }
    assert_int_equal(inbox.n, SQ_INBOX_MESSAGES_MAX);
    assert_int_equal(inbox.dropped, 3);
    struct sq_inbox_message *m = sq_inbox_take(&inbox);
    assert_string_equal(m->text, "m3");
    assert_string_equal(m->label, "odd");
    sq_free(m);
    char *much = sq_zalloc(SQ_INBOX_BYTES_MAX + 1);
    sq_inbox_put(&inbox, NULL, much, SQ_INBOX_BYTES_MAX + 1); /* there is no room for it at all */
    assert_int_equal(inbox.n, SQ_INBOX_MESSAGES_MAX - 1);
    sq_inbox_put(&inbox, NULL, much, SQ_INBOX_BYTES_MAX); /* … for nothing else */
    assert_int_equal(inbox.n, 1);
    assert_int_equal(inbox.bytes, SQ_INBOX_BYTES_MAX);
    sq_free(much);
    sq_inbox_clear(&inbox);
    assert_int_equal(inbox.n + inbox.bytes, 0);
}

static void a_message_is_known_by_its_places(void **state)
{
    static const struct {
        const char *text;
        bool matches;
    } cases[] = {
        {"{\"type\":\"welcome\",\"n\":3}", true},
        {"{\"n\":3,\"type\":\"welcome\"}", true},
        {"{\"type\":\"welcome\",\"n\":\"3\"}", true},
        {"{\"type\":\"welcome\",\"n\":4}", false},
        {"{\"type\":\"welcome\"}", false},
        {"{\"type\":\"bye\",\"n\":3}", false},
        {"[\"welcome\"]", false},
        {"welcome", false},
        {"", false},
    };
    char welcome[] = "welcome", three[] = "3";
    char *values[] = {welcome, three};
    const struct sq_step_match match = {.at = {{.pointer = "/type"}, {.pointer = "/n"}},
                                        .at_len = 2};
    struct sq_step_match by_regex = {.pattern = "^w.l"};
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *text = cases[i].text;
        if (sq_step_matches(&match, values, text, strlen(text)) != cases[i].matches) {
            fail_msg("%s", text);
        }
    }
    assert_int_equal(regcomp(&by_regex.regex, by_regex.pattern, REG_EXTENDED | REG_NOSUB), 0);
    assert_true(sq_step_matches(&by_regex, NULL, "welcome", 7));
    assert_false(sq_step_matches(&by_regex, NULL, "no welcome", 10));
    regfree(&by_regex.regex);
    assert_true(sq_step_matches(&(struct sq_step_match){.at_len = 0}, NULL, "x", 1));
}

/* An id of more than 64 bits is taken, and waited for, as it stands there. */
static void big_numbers_are_taken_as_they_stand(void **state)
{
    static const char body[] = "{\"token\":\"t\",\"id\":12345678901234567890,\"n\":[-7,1.5]}";
    static const char *const all[][2] = {
        {"/token", "t"}, {"/id", "12345678901234567890"}, {"/n", "[-7,1.5]"}, {"", body}};
    const struct sq_http_response answer = {.body = body, .body_len = strlen(body)};
    json_error_t error;
    (void)state;
    json_t *root = sq_jsontext_parse(body, strlen(body), JSON_DECODE_ANY, &error);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        const struct sq_step_take take = {.name = "x", .how = SQ_STEP_TAKE_JSON, .what = all[i][0]};
        char why[200] = "", *value = NULL;
        int err = sq_step_take(&take, &answer, root, "no JSON", &value, why, sizeof(why));
        if (err || strcmp(value, all[i][1]) != 0) {
            fail_msg("%s: %s", all[i][0], err ? why : value);
        }
        const struct sq_step_match match = {.at = {{.pointer = all[i][0]}}, .at_len = 1};
        assert_true(sq_step_matches(&match, &value, body, strlen(body)));
        value[0] = '9';
        assert_false(sq_step_matches(&match, &value, body, strlen(body)));
        sq_free(value);
    }
    json_decref(root);
}

/* ---- ICE servers ---- */

static void ice_servers_are_those_of_w3c(void **state)
{
    static const char json[] =
        "[{\"urls\":\"stun:stun.example:19302\"},"
        "{\"urls\":[\"turn:t.example?transport=udp\",\"turns:t.example:443?transport=tcp\"],"
        "\"username\":\"1700000000:ann\",\"credential\":\"c2VjcmV0\"},"
        "{\"url\":\"turn:[2001:db8::1]:3479\",\"username\":\"u\",\"credential\":\"c\"},"
        "{\"urls\":\"[\\\"turn:x\\\"]\",\"username\":\"u\",\"credential\":\"c\"},"
        "{\"urls\":\"turn:fifth\",\"username\":\"u\",\"credential\":\"c\"}]";
    struct sq_ice_servers *s = NULL;
    char why[160] = "", whole[sizeof(json) + 32];
    (void)state;
    assert_int_equal(sq_ice_servers_parse(json, strlen(json), &s, why, sizeof(why)), 0);
    assert_int_equal(s->n, 5);
    assert_int_equal(s->left_out, 1); /* a peer asks four TURN servers at most */
    assert_true(s->list[0].stun);
    assert_string_equal(s->list[0].url.host, "stun.example");
    assert_int_equal(s->list[0].url.port, 19302);
    assert_int_equal(s->list[1].url.carrier, SQ_TURN_UDP);
    assert_int_equal(s->list[1].url.port, 3478);
    assert_string_equal(s->list[1].user, "1700000000:ann");
    assert_int_equal(s->list[2].url.carrier, SQ_TURN_TLS);
    assert_string_equal(s->list[2].password, "c2VjcmV0");
    assert_string_equal(s->list[3].url.host, "2001:db8::1");
    assert_string_equal(s->list[4].text, "turn:x");
    sq_ice_servers_free(s);
    /* One server; and all of an RTCConfiguration. */
    snprintf(whole, sizeof(whole), "{\"iceServers\":%s}", json);
    assert_int_equal(sq_ice_servers_parse(whole, strlen(whole), &s, why, sizeof(why)), 0);
    assert_int_equal(s->n, 5);
    sq_ice_servers_free(s);
    static const char one[] = "{\"urls\":\"stun:a\"}";
    assert_int_equal(sq_ice_servers_parse(one, strlen(one), &s, why, sizeof(why)), 0);
    assert_int_equal(s->list[0].url.port, 3478);
    sq_ice_servers_free(s);
}

static void wrong_ice_servers_are_told(void **state)
{
    static const char *const cases[][2] = {
        {"turn:host", "ICE servers are no JSON"},
        {"[]", "expected a list of ICE servers"},
        {"3", "ICE servers are no JSON"},
        {"[3]", "ICE server 1: expected {urls, username, credential}"},
        {"[{\"urls\":\"stun:a\"},{}]", "ICE server 2: no urls"},
        {"[{\"urls\":[]}]", "no urls"},
        {"[{\"urls\":[3]}]", "one of urls is no text"},
        {"[{\"urls\":\"[\"}]", "urls begin with '[', and are no JSON"},
        {"[{\"urls\":\"http://a\"}]", "expected turn:HOST"},
        {"[{\"urls\":\"stun:a?transport=udp\"}]", "expected stun:host"},
        {"[{\"urls\":\"turn:a\"}]", "turn:a without username"},
        {"[{\"urls\":\"turn:a\",\"username\":99999999999999999999}]", "turn:a without username"},
        {"[{\"urls\":\"turn:a\",\"username\":\"u\"}]", "turn:a without credential"},
        {"[{\"urls\":\"stuns:a\"}]", "none of the ICE servers can be used"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_ice_servers *s = NULL;
        char why[160] = "";
        int err = sq_ice_servers_parse(cases[i][0], strlen(cases[i][0]), &s, why, sizeof(why));
        if (err != SQ_ERR_FORMAT || s || !strstr(why, cases[i][1])) {
            fail_msg("%s: %d, %s", cases[i][0], err, why);
        }
    }
}

/* Before the run, with what steps are still to give. */
static void ice_servers_are_checked_before(void **state)
{
    static const struct {
        const char *json, *part; /* NULL: they may be right */
    } cases[] = {
        {"[{\"urls\":\"http://x\"}]", "'http://x': expected turn:HOST"},
        {"[{\"urls\":\"turn:x\"}]", "turn:x without username"},
        {"[{\"urls\":\"http://\1host\2\"}]", "expected turn:HOST"},
        {"[{\"urls\":\"stuns:x\"}]", "none of the ICE servers can be used"},
        {"[{\"urls\":\"turn:\1host\2:\1port\2\",\"username\":\"u\",\"credential\":\"\1c\2\"}]",
         NULL},
        {"{\"urls\":[\"stun:a\",\"\1url\2\"]}", NULL},
        {"[{\"urls\":\"\1list\2\"}]", NULL},
        {"[{\"urls\":\"[\\\"turn:\1host\2\\\"]\"}]", NULL},
        {"[{\"urls\":\"TURNS:\1host\2\"}]", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char why[160] = "";
        int err = sq_ice_servers_check(cases[i].json, why, sizeof(why));
        bool as_expected =
            cases[i].part ? err == SQ_ERR_FORMAT && strstr(why, cases[i].part) : err == 0;
        if (!as_expected) {
            fail_msg("%s: %d, %s", cases[i].json, err, why);
        }
    }
}

/* ---- Users ---- */

struct steps_bench {
    struct bench b;
    struct sq_scenario *scenario;
};

static const struct sq_clip *black; /* of the group; NULL */

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
    b->plan.groups[0].black = black;
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

static bool judged(const struct sq_result *r, const struct sq_expect *e)
{
    struct sq_expectation out = {.ok = false};
    sq_expect_eval(e, r, &out);
    if (!out.ok) {
        print_message("%s: %s\n", sq_expect_text(e), out.message);
    }
    return out.ok;
}

static void timers_and_counters_are_judged(void **state)
{
    static const char *const holding[] = {
        "counter.said == 18",
        "counter.said.total == 18",
        "counter.said.count == 12",
        "counter.said.max == 2",
        "counter.said >= 3 for 100% of peers",
        "counter.never == 0",
        "counter.never == 0 for 100% of peers",
        "counter.said == 12 between leapt and leaving",
        "timer.t.min >= 50ms",
        "timer.t.count == 6",
        "timer.t.p95 < 2s for 100% of peers",
        "timer.t < 2s where group is participant",
    };
    enum { N = sizeof(holding) / sizeof(*holding) };
    struct sq_expect *list[N];
    struct steps_bench s;
    struct sq_yaml_error error = {.message = ""};
    struct bench *b = &s.b;
    static const char yaml[] =
        "steps: [{timer: {start: t}}, {count: said}, {wait: 50ms}, {event: leapt}, "
        "{timer: {stop: t}}, {count: {name: said, add: 2}}, {wait: 1h}, {count: never}]\n";
    (void)state;
    for (size_t i = 0; i < N; i++) {
        struct sq_expect_error wrong = {.column = 0};
        if (sq_expect_parse(holding[i], &list[i], &wrong) != 0) {
            fail_msg("%s: %s", holding[i], wrong.message);
        }
    }
    assert_int_equal(
        sq_scenario_parse("t.yaml", yaml, strlen(yaml), NULL, NULL, &s.scenario, &error), 0);
    bench_make(b, NULL);
    b->plan.peers = 6;
    b->plan.rate_per_s = 100;
    b->plan.duration_ns = SEC;
    b->plan.groups[0].before = &s.scenario->before;
    b->plan.groups[0].steps = &s.scenario->steps;
    b->plan.figures = &s.scenario->figures;
    b->plan.tags = s.scenario->figures.events;
    b->plan.tags_len = s.scenario->figures.events_len;
    b->plan.expects = list;
    b->plan.expects_len = N;
    bench_start(b);
    bench_finish(b);
    unsigned ok = 0;
    for (size_t i = 0; i < N; i++) {
        ok += judged(b->result, list[i]);
    }
    assert_int_equal(ok, N);
    /* Against what the result tells of them by itself. */
    assert_int_equal(timer(&s, "t")->figures.count, 6);
    finish(&s);
    for (size_t i = 0; i < N; i++) {
        sq_expect_destroy(list[i]);
    }
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

static struct sq_scenario *scenario_of(const char *yaml)
{
    struct sq_yaml_error error = {.message = ""};
    struct sq_scenario *scenario;
    if (sq_scenario_parse("t.yaml", yaml, strlen(yaml), NULL, NULL, &scenario, &error) != 0) {
        fail_msg("%s", error.message);
    }
    return scenario;
}

static void use_steps(struct sq_plan_group *group, const struct sq_scenario *scenario)
{
    group->before = &scenario->before;
    group->steps = &scenario->steps;
}

/* One user of eight sets it, in a room of its own. The others wait, in rooms of theirs and on both
 * threads, for a name that their own rooms know as something else; what they took stands in the
 * names of the rooms that they go to. */
static void values_go_from_thread_to_thread(void **state)
{
    enum { USERS = 8 };
    struct bench b;
    (void)state;
    struct sq_scenario *sets = scenario_of(
        "before: [{wait: 150ms}, {set: {name: a, value: 'by-${peer.number}', in: test}}]\n");
    struct sq_scenario *waits = scenario_of("before: [{set: {name: a, value: of-the-room}}, "
                                            "{wait_for: {name: a, in: test, timeout: 10s}}]\n");
    bench_make(&b, NULL);
    b.plan.peers = USERS;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 1500 * MS;
    b.plan.room_size = 1;
    b.plan.groups_len = 2;
    b.plan.groups[1] = b.plan.groups[0];
    b.plan.groups[0].name = "setter";
    b.plan.groups[0].share = 1.0 / USERS;
    use_steps(&b.plan.groups[0], sets);
    b.plan.groups[1].name = "waiter";
    b.plan.groups[1].share = 1 - 1.0 / USERS;
    b.plan.groups[1].room = "went-\x01"
                            "a\x02";
    use_steps(&b.plan.groups[1], waits);
    b.plan.figures = &waits->figures; /* both have the same one: how long "before" takes */
    bench_start(&b);
    bench_finish(&b);
    char taken[32] = "";
    unsigned setters = 0;
    assert_int_equal(b.result->counts.ok, USERS);
    for (size_t i = 0; i < USERS; i++) {
        if (strcmp(b.result->peers[i].role, "setter") == 0) {
            setters++;
            snprintf(taken, sizeof(taken), "went-by-%zu", i);
        }
    }
    assert_int_equal(setters, 1);
    for (size_t i = 0; i < USERS; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        if (strcmp(p->role, "waiter") == 0) {
            assert_string_equal(p->room, taken);
            assert_true(p->stage_ms[SQ_STAGE_TOTAL] > 0);
        }
    }
    bench_free(&b);
    sq_scenario_free(sets);
    sq_scenario_free(waits);
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

/* It is well, and was not done: its row says where it was cut off. */
static void who_is_cut_off_is_told_where(void **state)
{
    struct steps_bench s;
    (void)state;
    run(&s, "steps:\n- count: x\n- wait_for: never\n", 3, 3 * SEC);
    assert_int_equal(s.b.result->counts.ok, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_true(s.b.result->peers[i].unfinished);
        assert_string_equal(
            s.b.result->peers[i].message,
            "cut off at step 2 of steps (line 3), wait for never of the room, 30s at "
            "most");
    }
    finish(&s);
    run(&s, "steps:\n- count: x\n- wait: 100ms\n", 3, 3 * SEC);
    assert_false(s.b.result->peers[0].unfinished);
    assert_string_equal(s.b.result->peers[0].message, "");
    finish(&s);
}

/* Without a step before it, too; what is no name of a room fails its peer. */
static void rooms_are_filled_in_for_each(void **state)
{
    static const char *const rooms[] = {
        "r-\x01peer.number\x02",
        "r-\x01peer.number\x02-0123456789-0123456789-0123456789-0123456789-x"};
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct steps_bench s;
        struct sq_yaml_error error = {.message = ""};
        char name[16];
        assert_int_equal(
            sq_scenario_parse("t.yaml", "name: x\n", 8, NULL, NULL, &s.scenario, &error), 0);
        bench_make(&s.b, NULL);
        s.b.plan.peers = 3;
        s.b.plan.rate_per_s = 100;
        s.b.plan.duration_ns = SEC;
        s.b.plan.groups[0].room = rooms[i];
        s.b.plan.groups[0].before = &s.scenario->before;
        s.b.plan.groups[0].steps = &s.scenario->steps;
        bench_start(&s.b);
        bench_finish(&s.b);
        const struct sq_result *r = s.b.result;
        assert_int_equal(i == 0 ? r->counts.ok : r->counts.failed, 3);
        for (size_t k = 0; i == 0 && k < 3; k++) {
            snprintf(name, sizeof(name), "r-%zu", k);
            assert_string_equal(r->peers[k].room, name);
        }
        if (i == 1) {
            assert_non_null(strstr(r->peers[0].message, "is too long: expected 47 bytes"));
        }
        finish(&s);
    }
}

static void who_is_muted_sends_silence(void **state)
{
    struct steps_bench s, loud;
    (void)state;
    run(&loud, "steps: [{count: x}]\n", 2, 3 * SEC);
    run(&s, "steps: [{mute: audio}]\n", 2, 3 * SEC);
    const struct sq_flow_totals *with = &loud.b.result->peers[0].flow[SQ_FLOW_AUDIO_OUT];
    const struct sq_flow_totals *without = &s.b.result->peers[0].flow[SQ_FLOW_AUDIO_OUT];
    assert_true(with->packets > 50);
    assert_true(without->packets > with->packets / 2); /* at the same pace, as browsers do */
    assert_true(without->bytes < with->bytes / 4);
    assert_true(s.b.result->peers[0].flow[SQ_FLOW_VIDEO_OUT].packets >
                loud.b.result->peers[0].flow[SQ_FLOW_VIDEO_OUT].packets / 2);
    finish(&loud);
    finish(&s);
}

/* As many frames a second as the clip has, and what takes next to nothing is held against no
 * target. */
static void a_muted_video_is_black(void **state)
{
    struct steps_bench s;
    struct sq_clip *clip;
    char why[SQ_CLIP_WHY_MAX];
    const struct sq_clip_opts opts = {.fps_milli = 15000};
    (void)state;
    assert_int_equal(
        sq_clip_open_with(SQ_SOURCE_DIR "/share/clips/black.sqclip", &opts, &clip, why), 0);
    run(&s, "steps: [{count: x}]\n", 2, 3 * SEC);
    assert_false(isnan(s.b.result->peers[0].flow[SQ_FLOW_VIDEO_IN].target_share));
    finish(&s);
    black = clip;
    run(&s, "steps: [{mute: video}]\n", 2, 3 * SEC);
    black = NULL;
    const struct sq_flow_totals *out = &s.b.result->peers[0].flow[SQ_FLOW_VIDEO_OUT];
    assert_true(out->frames > 30); /* of 45 */
    assert_true(out->bytes < 10000);
    assert_true(isnan(s.b.result->peers[0].flow[SQ_FLOW_VIDEO_IN].target_share));
    finish(&s);
    sq_clip_close(clip);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pointers_are_those_of_the_rfc),
        cmocka_unit_test(a_value_is_of_its_room),
        cmocka_unit_test(messages_come_in_turn_and_the_oldest_go),
        cmocka_unit_test(a_message_is_known_by_its_places),
        cmocka_unit_test(big_numbers_are_taken_as_they_stand),
        cmocka_unit_test(ice_servers_are_those_of_w3c),
        cmocka_unit_test(wrong_ice_servers_are_told),
        cmocka_unit_test(ice_servers_are_checked_before),
        cmocka_unit_test(steps_are_done_in_turn),
        cmocka_unit_test(timers_and_counters_are_judged),
        cmocka_unit_test(who_leaves_comes_back),
        cmocka_unit_test(who_is_out_at_the_end_is_well),
        cmocka_unit_test(values_go_from_thread_to_thread),
        cmocka_unit_test(what_nobody_sets_is_a_timeout),
        cmocka_unit_test(who_still_waits_is_told_where),
        cmocka_unit_test(who_is_cut_off_is_told_where),
        cmocka_unit_test(rooms_are_filled_in_for_each),
        cmocka_unit_test(who_is_muted_sends_silence),
        cmocka_unit_test(a_muted_video_is_black),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
