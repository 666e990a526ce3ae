/* Steps of a scenario file: what they are read as, and what is wrong with them. */
#include "base/time.h"
#include "scenario/scenario.h"
#include "scenario/wrong.h"
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
    return strcmp(name, "KEY") == 0   ? "k\"1"
           : strcmp(name, "API") == 0 ? "https://api"
           : strcmp(name, "WS") == 0  ? "wss://api"
                                      : NULL;
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

static void a_request_is_read(void **state)
{
    (void)state;
    struct sq_scenario *s = parsed("before:\n"
                                   "- http:\n"
                                   "    method: PUT\n"
                                   "    url: ${API}/t?u=${user.id}\n"
                                   "    headers: {X-Key: \"${KEY}\"}\n"
                                   "    json: {a: 1, b: \"1\", c: [true, null, -1.5e3, 007], "
                                   "d: {k: \"${KEY} ${peer.name}\"}}\n"
                                   "    expect: 2xx\n"
                                   "    timeout: 3s\n"
                                   "    take: {token: /t~1x/0, id: {regex: 'id=([0-9]+)'}, "
                                   "where: {header: Location}}\n"
                                   "- http: https://host/${token}\n"
                                   "target: whip+https://host/${id}\n"
                                   "token: ${token}\n");
    assert_int_equal(s->before.n, 2);
    const struct sq_step_http *h = s->before.items[0].http;
    assert_string_equal(h->method, "PUT");
    assert_string_equal(h->url, "https://api/t?u=\x01user.id\x02");
    assert_string_equal(h->headers[0], "X-Key: k\"1");
    assert_string_equal(h->headers[1], "Content-Type: application/json");
    assert_null(h->headers[2]);
    assert_string_equal(h->body, "{\"a\":1,\"b\":\"1\",\"c\":[true,null,-1.5e3,\"007\"],"
                                 "\"d\":{\"k\":\"k\\\"1 \x01peer.name\x02\"}}");
    assert_true(h->json);
    assert_int_equal(h->status_least, 200);
    assert_int_equal(h->status_most, 299);
    assert_true(h->timeout_ns == 3 * SQ_NS_PER_SEC);
    assert_int_equal(h->takes_len, 3);
    assert_string_equal(h->takes[0].what, "/t~1x/0");
    assert_int_equal(h->takes[1].how, SQ_STEP_TAKE_REGEX);
    assert_int_equal(h->takes[2].how, SQ_STEP_TAKE_HEADER);
    /* The URL is told as it is written, and without what is behind it. */
    assert_string_equal(s->before.items[0].words, "http PUT ${API}/t");
    assert_string_equal(s->before.items[1].http->method, "GET");
    assert_int_equal(s->before.items[1].at.line, 10);
    const struct sq_scenario_setting *token = sq_scenario_setting_for(s, NULL, "token");
    assert_string_equal(token->value, "\x01token\x02");
    assert_string_equal(sq_scenario_shown(s, token->value), "${token}");
    sq_scenario_free(s);
}

static void each_kind_is_read(void **state)
{
    static const char *const words[] = {
        "wait 1s to 3s", "start timer talk",     "mute audio",
        "unmute all",    "network Poor 4G",      "restart ICE",
        "leave",         "wait 500ms",           "rejoin",
        "press 12#",     "stop timer talk",      "count said",
        "event over",    "set url for the test", "wait for url of the test, 5s at most"};
    (void)state;
    struct sq_scenario *s = parsed("steps:\n"
                                   "- wait: 1s..3s\n- timer: {start: talk}\n- mute: audio\n"
                                   "- unmute: all\n- network: Poor 4G\n- restart_ice\n- leave\n"
                                   "- wait: 500ms\n- rejoin: {}\n- dtmf: '12#'\n"
                                   "- timer: {stop: talk}\n- count: {name: said, add: 3}\n"
                                   "- event: over\n"
                                   "- set: {name: url, value: 'x${peer.number}', in: test}\n"
                                   "- wait_for: {name: url, in: test, timeout: 5s}\n");
    assert_int_equal(s->steps.n, sizeof(words) / sizeof(*words));
    for (size_t i = 0; i < s->steps.n; i++) {
        assert_string_equal(s->steps.items[i].words, words[i]);
        assert_int_equal(s->steps.items[i].at.line, i + 2);
    }
    assert_true(s->steps.items[0].least_ns == SQ_NS_PER_SEC);
    assert_true(s->steps.items[0].most_ns == 3 * SQ_NS_PER_SEC);
    assert_true(s->steps.items[3].audio && s->steps.items[3].video);
    assert_string_equal(s->steps.items[4].name, "Poor 4G");
    assert_int_equal(s->steps.items[11].add, 3);
    /* The first timer is Squall's own. */
    assert_int_equal(s->figures.timers_len, 2);
    assert_string_equal(s->figures.timers[1], "talk");
    assert_int_equal(s->figures.counters_len, 1);
    sq_scenario_free(s);
}

static void messages_are_read(void **state)
{
    static const char *const words[] = {
        "websocket connect ${WS}/chat, send, expect /type /n",
        "websocket expect id=",
        "websocket close",
        "data send",
        "data send 100 bytes 5 times at 2/s",
        "data send",
        "data expect bye",
        "share hd",
        "share no more",
        "take ICE servers",
    };
    (void)state;
    struct sq_scenario *s =
        parsed("steps:\n"
               "- websocket: {url: '${WS}/chat?k=${KEY}', headers: {A: b}, subprotocol: chat.1, "
               "json: {name: '${peer.name}'}, expect: {/type: welcome, /n: 3}, take: {sid: /sid}, "
               "timeout: 3s}\n"
               "- websocket: {expect: 'id=', take: {id: {regex: 'id=([0-9]+)'}}}\n"
               "- websocket: {close: true}\n"
               "- data: 'hello ${sid}'\n"
               "- data: {channel: chat, bytes: 100, times: 5, rate: 2/s}\n"
               "- data: {hex: 00ff10}\n"
               "- data: {expect: {regex: bye}, timeout: 4s}\n"
               "- share: hd\n- unshare\n"
               "- ice_servers: [{urls: 'turn:${id}', username: u, credential: '${sid}'}]\n");
    assert_int_equal(s->steps.n, sizeof(words) / sizeof(*words));
    for (size_t i = 0; i < s->steps.n; i++) {
        assert_string_equal(s->steps.items[i].words, words[i]);
    }
    const struct sq_step_talk *t = s->steps.items[0].talk;
    assert_string_equal(t->url, "wss://api/chat?k=k\"1");
    assert_string_equal(t->headers[0], "A: b");
    assert_string_equal(t->subprotocol, "chat.1");
    assert_string_equal(t->send, "{\"name\":\"\x01peer.name\x02\"}");
    assert_true(t->json && t->expects && !t->closes && t->timeout_ns == 3 * SQ_NS_PER_SEC);
    assert_int_equal(t->match.at_len, 2);
    assert_string_equal(t->match.at[1].pointer, "/n");
    assert_string_equal(t->match.at[1].value, "3");
    assert_int_equal(s->steps.items[1].talk->number, t->number);
    assert_int_equal(s->steps.items[4].talk->made_bytes, 100);
    assert_int_equal(s->steps.items[4].talk->times, 5);
    assert_string_equal(s->steps.items[4].talk->name, "chat");
    assert_true(s->steps.items[5].talk->hex);
    assert_string_equal(s->steps.items[9].value,
                        "[{\"urls\":\"turn:\x01id\x02\",\"username\":\"u\",\"credential\":"
                        "\"\x01sid\x02\"}]");
    assert_true(s->steps.items[9].json);
    sq_scenario_free(s);
}

#define HTTP "before: [{http: {"
#define WS   "before: [{websocket: {"
#define DATA "steps: [{data: {"

static void refuses(const struct wrong *wrong)
{
    struct sq_scenario *s = NULL;
    struct sq_yaml_error error = {.message = ""};
    check_wrong(wrong,
                sq_scenario_parse("t.yaml", wrong->text, strlen(wrong->text), env, NULL, &s, &error),
                &error);
}

static void what_is_wrong_is_told_with_its_place(void **state)
{
    static const struct wrong cases[] = {
        {"steps: []\n", 1, 8, "expected a list of 1 to 256 steps"},
        {"steps: leave\n", 1, 8, "expected a list"},
        {"steps: [[]]\n", 1, 9, "one step: a word and what it needs"},
        {"steps: [{wait: 1s, mute: audio}]\n", 1, 9, "one step"},
        {"steps: [{wiat: 1s}]\n", 1, 10, "did you mean wait?"},
        {"steps: [wait]\n", 1, 9, "'wait' alone: expected what it needs"},
        {"steps: [{wait: 3}]\n", 1, 16, "wait: '3'; expected a duration"},
        {"steps: [{wait: 3s..1s}]\n", 1, 16, "a range such as 1s..3s"},
        {"steps: [{mute: sound}]\n", 1, 16, "expected audio, video or all"},
        {"steps: [{network: {rate: 1M}}]\n", 1, 19, "expected a network"},
        {"steps: [{dtmf: 12x}]\n", 1, 16, "expected keys"},
        {"steps: [{leave: now}]\n", 1, 17, "expected nothing behind it"},
        {"steps: [rejoin]\n", 1, 9, "rejoin without leave"},
        {"steps: [leave, leave]\n", 1, 16, "leave after leave: expected rejoin"},
        {"steps: [leave, {mute: audio}]\n", 1, 16, "mute after leave"},
        {"before: [{mute: audio}]\n", 1, 10, "mute before signing in"},
        {"before: [leave]\n", 1, 10, "leave before signing in"},
        {"steps: [{timer: a}]\n", 1, 17, "{start: NAME} or {stop: NAME}"},
        {"steps: [{timer: {start: a, stop: b}}]\n", 1, 17, "start and stop in one step"},
        {"steps: [{timer: {start: before}}]\n", 1, 25, "is Squall's own"},
        {"steps: [{timer: {start: 1a}}]\n", 1, 25, "expected a name"},
        {"steps: [{count: {add: 2}}]\n", 1, 17, "count without a name"},
        {"steps: [{count: {name: a, add: 0}}]\n", 1, 32, "a whole number from 1"},
        {"steps: [{event: 'a b'}]\n", 1, 17, "expected a name"},
        {"steps: [{event: leaving}]\n", 1, 17, "is Squall's own"},
        {"steps: [{set: {name: a}}]\n", 1, 15, "set without a value"},
        {"steps: [{set: {value: a}}]\n", 1, 15, "set without a name"},
        {"steps: [{set: {name: a, value: b, in: world}}]\n", 1, 39, "expected room or test"},
        {"steps: [{wait_for: {in: test}}]\n", 1, 20, "wait_for without a name"},
        {"steps: [{wait_for: {name: a, timeout: 3}}]\n", 1, 39, "expected a duration"},
        {"steps: [{wait_for: 'a b'}]\n", 1, 20, "no name for a value"},
        {HTTP "method: GET}}]\n", 1, 17, "http without a url"},
        {HTTP "url: ftp://x}}]\n", 1, 23, "begins with http:// or https://"},
        {HTTP "url: 'http://x', method: get}}]\n", 1, 43, "expected GET, POST"},
        {HTTP "url: 'http://x', expect: 20}}]\n", 1, 43, "a status such as 200"},
        {HTTP "url: 'http://x', expect: 300-200}}]\n", 1, 43, "a status such as 200"},
        {HTTP "url: 'http://x', timeout: 5}}]\n", 1, 44, "expected a duration"},
        {HTTP "url: 'http://x', headers: {'a b': c}}}]\n", 1, 45, "no name of a header"},
        {HTTP "url: 'http://x', json: {}, body: x}}]\n", 1, 45, "json and body"},
        {HTTP "url: 'http://x', take: /t}}]\n", 1, 41, "names and where their values are"},
        {HTTP "url: 'http://x', take: {a: t}}}]\n", 1, 45, "expected a JSON pointer"},
        {HTTP "url: 'http://x', take: {a: /~2}}}]\n", 1, 45, "expected a JSON pointer"},
        {HTTP "url: 'http://x', take: {a-b: /t}}}]\n", 1, 42, "no name for a value"},
        {HTTP "url: 'http://x', take: {a: {regex: '(a'}}}}]\n", 1, 53, "regex '(a':"},
        {HTTP "url: 'http://x', take: {a: {regex: 'a'}}}}]\n", 1, 53, "it has 0 groups"},
        {HTTP "url: 'http://x', take: {a: {xpath: 'a'}}}}]\n", 1, 46, "json, regex or header"},
        {HTTP "url: 'http://x', retry: 3}}]\n", 1, 35, "expected method, url"},
        {"before: [http: 'http://x/${NOBODY}']\n", 1, 26, "no step takes a value of that name"},
        {"before: [http: 'http://x/${peer.id}']\n", 1, 26, "expected ${peer.name}"},
        {"before: [http: 'http://x/${']\n", 1, 26, "'${' without a name"},
        {"before:\n- http: 'http://x/${t}'\n- http: {url: 'http://y', take: {t: /t}}\n", 2, 3,
         "${t}: no step before this one takes it"},
        {"token: ${t}\nsteps: [http: {url: 'http://y', take: {t: /t}}]\n", 1, 8,
         "${t}: no step of before takes it"},
        {"rooms: {name: '${t}'}\nbefore: [http: {url: 'http://y', take: {t: /t}}]\n", 1, 16,
         "rooms.name"},
        {"groups: {a: {room: '${t}'}, b: {before: [http: {url: 'http://y', take: {t: /t}}]}}\n", 1,
         10, "${t}: no step of before takes it"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        refuses(&cases[i]);
    }
}

static void wrong_messages_are_told_with_their_place(void **state)
{
    static const struct wrong cases[] = {
        {WS "url: http://x}}]\n", 1, 28, "begins with ws:// or wss://"},
        {WS "urll: ws://x}}]\n", 1, 23, "did you mean url?"},
        {WS "timeout: 3s}}]\n", 1, 22, "websocket with nothing to do"},
        {WS "send: hello}}]\n", 1, 22, "no step before this one connects the WebSocket"},
        {WS "headers: {a: b}, send: x}}]\n", 1, 22, "headers without a url"},
        {WS "url: 'ws://x', name: 'a b'}}]\n", 1, 44, "expected a name"},
        {WS "url: 'ws://x', send: a, json: {}}}]\n", 1, 47, "json besides another message"},
        {WS "url: 'ws://x', expect: '(a'}}]\n", 1, 46, "regex '(a':"},
        {WS "url: 'ws://x', expect: {type: a}}}]\n", 1, 47, "expected a JSON pointer"},
        {WS "url: 'ws://x', expect: {/type: [a]}}}]\n", 1, 54, "what stands there"},
        {WS "url: 'ws://x', expect: []}}]\n", 1, 46, "a regex, or JSON pointers"},
        {WS "url: 'ws://x', take: {a: {header: b}}}}]\n", 1, 49, "expected json"},
        {WS "url: 'ws://x', take: {a: b}}}]\n", 1, 48, "expected a JSON pointer"},
        {WS "url: 'ws://x', close: yes}}]\n", 1, 45, "expected true"},
        {WS "url: 'ws://x', timeout: 5}}]\n", 1, 47, "expected a duration"},
        {"before: [websocket: []]\n", 1, 21, "expected {url:"},
        {"before: [data: hello]\n", 1, 10, "data before signing in"},
        {"steps: [data: []]\n", 1, 15, "expected a text"},
        {DATA "channel: a}}]\n", 1, 16, "data with nothing to do"},
        {DATA "expect: a, times: 3}}]\n", 1, 16, "times without a message"},
        {DATA "send: a, bytes: 3}}]\n", 1, 26, "bytes besides another message"},
        {DATA "hex: 0g}}]\n", 1, 22, "bytes in hexadecimal digits"},
        {DATA "bytes: 262145}}]\n", 1, 24, "262144"},
        {DATA "bytes: 3, times: 0}}]\n", 1, 34, "a whole number from 1"},
        {DATA "bytes: 3, rate: 10}}]\n", 1, 33, "a rate such as 10/s"},
        {DATA "send: '${x}'}}]\n", 1, 24, "no step takes a value of that name"},
        {"steps: [{share: {a: b}}]\n", 1, 17, "expected a clip"},
        {"steps: [unshare: 3]\n", 1, 18, "expected nothing behind it"},
        {"before: [{share: hd}]\n", 1, 10, "share before signing in"},
        {"before: [ice_servers: turn]\n", 1, 23, "expected ICE servers"},
        {"before: [ice_servers: []]\n", 1, 23, "expected ICE servers"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        refuses(&cases[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_request_is_read),
        cmocka_unit_test(each_kind_is_read),
        cmocka_unit_test(messages_are_read),
        cmocka_unit_test(what_is_wrong_is_told_with_its_place),
        cmocka_unit_test(wrong_messages_are_told_with_their_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
