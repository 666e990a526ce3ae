/* Scripts in Lua against servers of a few lines, with real peers where media is to flow. */
#include "base/mem.h"
#include "net/httpd.h"
#include "net/until.h"
#include "signal/host.h"
#include "signal/lua/lua_int.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define VALUES_MAX 8
#define MANY       5000

/* ---- A run ---- */

static struct {
    char names[VALUES_MAX][32], texts[VALUES_MAX][64];
    size_t n;
    bool watched;
    uint64_t took_ns, counted;
    char event[32];
} run;

static int fake_set(void *ctx, bool whole_test, const char *name, const char *value)
{
    struct sig_host *h = ctx;
    assert_true(run.n < VALUES_MAX);
    snprintf(run.names[run.n], 32, "%s%.28s", whole_test ? "*" : "", name);
    snprintf(run.texts[run.n++], sizeof(run.texts[0]), "%s", value);
    if (run.watched) {
        h->ops->woken(h->signal);
    }
    return 0;
}

static int fake_get(void *ctx, bool whole_test, const char *name, char **ret_value)
{
    (void)ctx;
    char key[32];
    snprintf(key, sizeof(key), "%s%.28s", whole_test ? "*" : "", name);
    for (size_t i = run.n; i > 0; i--) {
        if (strcmp(run.names[i - 1], key) == 0) {
            *ret_value = sq_strdup(run.texts[i - 1]);
            return *ret_value ? 0 : SQ_ERR_NOMEM;
        }
    }
    return SQ_ERR_NOTFOUND;
}

static int fake_watch(void *ctx, bool on)
{
    (void)ctx;
    run.watched = on;
    return 0;
}

static int fake_column(void *ctx, const char *name, char **ret_value)
{
    (void)ctx;
    *ret_value = strcmp(name, "stream") == 0 ? sq_strdup("stream-7") : NULL;
    return *ret_value ? 0 : SQ_ERR_NOTFOUND;
}

static bool fake_time(void *ctx, const char *name, uint64_t took_ns)
{
    (void)ctx;
    run.took_ns = took_ns;
    return strcmp(name, "sign-in") == 0;
}

static bool fake_count(void *ctx, const char *name, uint64_t add)
{
    (void)ctx;
    run.counted += add;
    return strcmp(name, "seen") == 0;
}

static void fake_event(void *ctx, const char *name)
{
    (void)ctx;
    snprintf(run.event, sizeof(run.event), "%s", name);
}

static const struct sq_signal_run fake_run = {
    .set = fake_set,
    .get = fake_get,
    .watch = fake_watch,
    .column = fake_column,
    .time = fake_time,
    .count = fake_count,
    .event = fake_event,
};

/* ---- A server ---- */

static struct server {
    struct sq_httpd *httpd;
    uint16_t port;
    struct sq_ws *ws;
    struct sq_endpoint *far;
    char header[64], protocol[64], deleted[64];
    unsigned requests;
    int close_code;
    bool lenient;
} server;

static void on_ws_message(void *ctx, const char *text, size_t len, bool is_text)
{
    (void)ctx;
    int err = 0;
    if (len == 3 && memcmp(text, "bye", 3) == 0) {
        sq_ws_close(server.ws, 4001, "as asked");
    } else if (len == 5 && memcmp(text, "flood", 5) == 0) {
        static char big[1024 * 1000];
        for (int i = 0; i < 3; i++) {
            err = err ? err : sq_ws_send_binary(server.ws, big, sizeof(big));
        }
    } else {
        err = is_text ? sq_ws_send_text(server.ws, text, len)
                      : sq_ws_send_binary(server.ws, text, len);
    }
    assert_true(err == 0 || server.lenient);
}

static void on_ws_end(void *ctx, const struct sq_ws_end *end)
{
    (void)ctx;
    server.close_code = end->code;
    sq_ws_free(server.ws);
    server.ws = NULL;
}

static void on_ws(void *ctx, struct sq_ws *ws)
{
    static const struct sq_ws_events events = {.on_message = on_ws_message, .on_end = on_ws_end};
    (void)ctx;
    if (!ws) {
        assert_true(server.lenient);
        return;
    }
    sq_ws_free(server.ws);
    server.ws = ws;
    sq_ws_set_events(ws, &events, NULL);
}

static void reply(struct sq_httpd_request *r, int status, const char *header, const char *body)
{
    const char *const headers[] = {header, NULL};
    int err = sq_httpd_reply(r, status, header ? headers : NULL, body, strlen(body));
    assert_true(err == 0 || server.lenient);
}

static void on_offer(struct sq_httpd_request *r)
{
    size_t len;
    const char *body = sq_httpd_body(r, &len);
    char *offer = strndup(body ? body : "", len);
    server.far = sig_far_new();
    char *answer = server.far ? sig_far_answer(server.far, offer) : NULL;
    assert_true(answer || server.lenient);
    reply(r, answer ? 201 : 500, "Location: /session/1", answer ? answer : "");
    free(offer);
    sq_free(answer);
}

static void on_request(void *ctx, struct sq_httpd_request *r)
{
    (void)ctx;
    const char *path = sq_httpd_path(r);
    server.requests++;
    if (sq_httpd_is_upgrade(r)) {
        const char *header = sq_httpd_header(r, "X-Key");
        const char *protocol = sq_httpd_header(r, "Sec-WebSocket-Protocol");
        snprintf(server.header, sizeof(server.header), "%s", header ? header : "");
        if (strcmp(path, "/forbidden") == 0) {
            reply(r, 403, NULL, "not for you");
            return;
        }
        int err = sq_httpd_upgrade(r, protocol, NULL, on_ws, NULL);
        assert_true(err == 0 || server.lenient);
    } else if (strcmp(path, "/offer") == 0) {
        on_offer(r);
    } else if (strcmp(sq_httpd_method(r), "DELETE") == 0) {
        snprintf(server.deleted, sizeof(server.deleted), "%s", path);
        reply(r, 200, NULL, "");
    } else if (strcmp(path, "/silent") == 0) {
        return;
    } else {
        size_t len;
        const char *body = sq_httpd_body(r, &len);
        char text[128];
        snprintf(text, sizeof(text), "%s %.*s", sq_httpd_method(r), (int)len, body ? body : "");
        reply(r, 207, "X-Two: a b", text);
    }
}

/* ---- Use ---- */

static struct sig_host host;
static struct sq_lua_script *script;
static char folder[] = "/tmp/squall-lua-XXXXXX";

static void write_file(const char *name, const char *text)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
}

static int load(const char *text, char why[static 512])
{
    char path[128];
    write_file("room.lua", text);
    snprintf(path, sizeof(path), "%s/room.lua", folder);
    why[0] = '\0';
    return sq_lua_script_load(path, &script, why, 512);
}

static void must_load(const char *text)
{
    char why[512];
    if (load(text, why) != 0) {
        fail_msg("%s", why);
    }
}

static void serve(void)
{
    struct sq_httpd_options options = {0};
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &options.listen), 0);
    memset(&server, 0, sizeof(server));
    memset(&run, 0, sizeof(run));
    assert_int_equal(sq_httpd_new(sig_loop(), &options, on_request, NULL, &server.httpd), 0);
    struct sq_addr local = sq_httpd_local(server.httpd);
    server.port = sq_addr_port(&local);
}

static void prepare(struct sig_host *h)
{
    sig_host_init(h);
    h->face.run = &fake_run;
    h->user.script = script;
    h->user.seed = 7;
    h->user.role = "participant";
}

static const char *url_of(const char *scheme)
{
    static char url[64];
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u/x?k=1", scheme, server.port);
    return url;
}

static void begin(const char *text)
{
    must_load(text);
    serve();
    prepare(&host);
    sig_host_open(&host, url_of("lua+ws"));
}

static void end(void)
{
    sig_host_close(&host);
    sq_ws_free(server.ws);
    server.ws = NULL;
    sq_endpoint_close(server.far);
    server.far = NULL;
    sq_httpd_free(server.httpd);
    sq_lua_script_free(script);
    script = NULL;
    /* Answers that were under way. */
    assert_int_equal(sq_loop_run_once(sig_loop(), 0), 0);
}

/* Runs a script that asserts what it expects. */
static void holds(const char *text)
{
    begin(text);
    RUN_UNTIL(sig_loop(), host.joined || sig_host_over(&host));
    if (sig_host_over(&host)) {
        fail_msg("%s: %s", sq_cause_name(host.cause), host.text);
    }
}

/* ---- Tests ---- */

static void a_script_that_ends_is_in(void **state)
{
    (void)state;
    holds("log('I am', session.name, session.room, session.index, session.role)\n"
          "assert(session.url:match('^ws://127.0.0.1:%d+/x%?k=1$'), session.url)\n"
          "assert(session.publishes and session.watches and not session.leaving)\n"
          "assert(session.user.stream == 'stream-7' and session.user.other == nil)\n"
          "local t0 = now() sleep(0.02) sleep('10ms') assert(now() - t0 >= 0.03)\n"
          "local seen = {}\n"
          "spawn(function(a, b) seen[1] = a + b end, 2, 3)\n"
          "coroutine.yield()\n"
          "assert(seen[1] == 5)\n");
    assert_non_null(strstr(host.notes, "I am squall-0 1234 0 participant"));
    sig_host_leave(&host);
    end();
}

static void what_fails_names_its_line(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sq_cause cause;
        const char *says;
    } all[] = {
        {"\n\nerror('no seat')", SQ_CAUSE_SIGNALING, "room.lua:3: no seat"},
        {"assert(false, 'not so')", SQ_CAUSE_SIGNALING, "room.lua:1: not so"},
        {"error({code = 1})", SQ_CAUSE_SIGNALING, "room.lua:1: error with a table"},
        {"local t\nt.x = 1", SQ_CAUSE_PROTOCOL, "room.lua:2: attempt to index a nil value"},
        {"spawn(function()\n error('in a task') end) sleep(60)", SQ_CAUSE_SIGNALING,
         "room.lua:2: in a task"},
        {"\nwhile true do end", SQ_CAUSE_PROTOCOL,
         "room.lua:2: the script computed for 100 ms without waiting: an endless loop?"},
        {"while true do\n pcall(function() while true do end end) end", SQ_CAUSE_PROTOCOL,
         "the script computed for 100 ms"},
        {"local co = coroutine.wrap(function() while true do end end)\nco()", SQ_CAUSE_PROTOCOL,
         "the script computed for 100 ms"},
        {"local t = {}\nwhile true do t[#t + 1] = ('x'):rep(1e6) .. #t end", SQ_CAUSE_PROTOCOL,
         "room.lua:2: the script took too much memory"},
        {"('x'):rep(1e9)", SQ_CAUSE_PROTOCOL, "the script took too much memory"},
        {"coroutine.wrap(function() sleep(1) end)()", SQ_CAUSE_PROTOCOL,
         "room.lua:1: nothing can be waited for within coroutine.create"},
        {"sleep(-1)", SQ_CAUSE_PROTOCOL, "room.lua:1: bad argument #1 to 'sleep'"},
        {"sleep('10')", SQ_CAUSE_PROTOCOL, "a duration such as \"500ms\""},
        {"json.decode('{\"a\":')", SQ_CAUSE_PROTOCOL, "room.lua:1: json: "},
        {"local t = {} t[1] = t json.encode(t)", SQ_CAUSE_PROTOCOL, "tables within each other"},
        {"json.encode(print)", SQ_CAUSE_PROTOCOL, "json: a function cannot be written"},
        {"ws.connect('ws://127.0.0.1:1/')", SQ_CAUSE_CONNECT, "room.lua:1: ws.connect: "},
        {"ws.connect('wss://nowhere.invalid/')", SQ_CAUSE_DNS, "room.lua:1: ws.connect: "},
        {"ws.connect('http://127.0.0.1:1/')", SQ_CAUSE_CONNECT, "not one of ws://"},
        {"ws.connect((session.url:gsub('/x.*', '/forbidden')))", SQ_CAUSE_AUTH, "403"},
        {"local w = ws.connect()\nw:send('flood') sleep(0.2) w:send('flood') sleep(0.2)\n"
         "for m in w:messages() do end",
         SQ_CAUSE_PROTOCOL, "4 MiB came that the script did not receive"},
        {"http.get('http://127.0.0.1:1/')", SQ_CAUSE_CONNECT, "room.lua:1: http: "},
        {"http.get('nonsense')", SQ_CAUSE_PROTOCOL, "room.lua:1: http: "},
        {"http.request{url = session.url:gsub('^ws(.-)/x.*', 'http%1/silent'), timeout = '50ms'}",
         SQ_CAUSE_TIMEOUT, "room.lua:1: http: "},
        {"http.get('http://h/', {headers = {['X'] = 'a\\r\\nY: b'}})", SQ_CAUSE_PROTOCOL,
         "a line break"},
        {"session:wait_for('room', '30ms')", SQ_CAUSE_TIMEOUT,
         "room.lua:1: nobody has set 'room' in time"},
        {"metric.stop('sign-in')", SQ_CAUSE_PROTOCOL, "was not started"},
        {"local n = 'other' metric.start(n)", SQ_CAUSE_PROTOCOL, "metric 'other': the name has to"},
        {"local n = 'x' require(n)", SQ_CAUSE_PROTOCOL, "require 'x': the name has to stand"},
        {"pc:setRemoteDescription{type = 'offer', sdp = 'nonsense'}", SQ_CAUSE_PROTOCOL,
         "room.lua:1: setRemoteDescription: "},
        {"pc:setRemoteDescription{type = 'banana', sdp = ''}", SQ_CAUSE_PROTOCOL,
         "type 'banana': expected offer or answer"},
        {"pc:addIceCandidate('candidate:nonsense')", SQ_CAUSE_PROTOCOL, "addIceCandidate"},
        {"pc:createAnswer()", SQ_CAUSE_PROTOCOL, "room.lua:1: createAnswer: "},
        {"pc.onsomething = print", SQ_CAUSE_PROTOCOL, "'onsomething' cannot be set"},
        {"pc:close() pc:createOffer()", SQ_CAUSE_PROTOCOL, "the connection is closed"},
        {"pc:createOffer() pc:wait('connected', '30ms')", SQ_CAUSE_TIMEOUT, "waited for connected"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        begin(all[i].text);
        sig_host_expect_failure(&host, all[i].cause, all[i].says);
        end();
    }
}

static void what_is_wrong_is_told_before_the_run(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } all[] = {
        {"local x = = 1", "room.lua:1: unexpected symbol near '='"},
        {"#!/usr/bin/lua\nfor", "room.lua:2: <name> expected near <eof>"},
        {"while true do\n", "room.lua:2: 'end' expected"},
        {"\nrequire 'missing'", "room.lua:2: require: "},
        {"require '../secret'", "room.lua:1: require '../secret': expected the name of a file"},
        {"require('broken')", "broken.lua:3: "},
        {"metric.count('two words')", "room.lua:1: metric.count 'two words"},
    };
    char why[512];
    write_file("broken.lua", "\n\nreturn return");
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        assert_int_not_equal(load(all[i].text, why), 0);
        if (!strstr(why, all[i].says)) {
            fail_msg("%s (expected %s)", why, all[i].says);
        }
    }
    assert_int_equal(sq_lua_script_load("/nowhere/x.lua", &script, why, sizeof(why)), SQ_ERR_IO);
    assert_non_null(strstr(why, "/nowhere/x.lua: No such file"));
}

static void names_of_figures_are_known(void **state)
{
    (void)state;
    must_load("metric.start('a') metric.stop \"a\" metric.timer('b', 1)\n"
              "metric.count('c', 2) metric.event('d') mymetric.count('no')");
    assert_int_equal(script->timers_len, 2);
    assert_string_equal(script->timers[1], "b");
    assert_int_equal(script->counters_len, 1);
    assert_string_equal(script->counters[0], "c");
    assert_int_equal(script->events_len, 1);
    assert_string_equal(script->events[0], "d");
    sq_lua_script_free(script);
    script = NULL;
}

static void files_beside_it_are_required(void **state)
{
    (void)state;
    write_file("proto.lua", "count = (count or 0) + 1\nreturn {hello = function() return "
                            "'hello ' .. session.name end}");
    holds("local p = require('proto')\nassert(require('proto') == p and count == 1)\n"
          "assert(p.hello() == 'hello squall-0')");
    end();
}

static void there_is_a_sandbox(void **state)
{
    (void)state;
    holds("assert(io == nil and load == nil and dofile == nil and debug == nil and "
          "package == nil and collectgarbage == nil and rawset == nil)\n"
          "assert(os.execute == nil and os.getenv == nil and os.time() > 0)\n"
          "assert(string.dump == nil and ('x'):rep(2) == 'xx')\n"
          "assert(not pcall(function() string.x = 1 end))\n"
          "assert(not pcall(function() session.name = 'other' end))\n"
          "assert(not pcall(function() math.random = nil end))\n"
          "assert(not pcall(setmetatable, {}, {__gc = print}))\n"
          "assert(not pcall(setmetatable, string, {}))\n"
          "assert(getmetatable('') == false and getmetatable(pc) == false)\n"
          "assert(utf8.len('\\u{e4}') == 1 and table.concat({1, 2}, ',') == '1,2')\n"
          "x = 1 assert(_G.x == 1)\n");
    end();
}

static void users_do_not_see_each_other(void **state)
{
    (void)state;
    static struct sig_host other;
    begin("assert(mine == nil) mine = session.name\n"
          "local a, b = math.random(1000000), math.random()\n"
          "log('drawn', a, b) sleep(0.05) assert(mine == session.name)");
    prepare(&other);
    other.user.name = "squall-1";
    other.user.seed = 8;
    sig_host_open(&other, url_of("lua+ws"));
    RUN_UNTIL(sig_loop(), host.joined && other.joined);
    assert_string_not_equal(host.notes, other.notes);
    sig_host_close(&other);
    prepare(&other); /* the same seed draws the same */
    sig_host_open(&other, url_of("lua+ws"));
    RUN_UNTIL(sig_loop(), other.joined);
    assert_string_equal(host.notes, other.notes);
    sig_host_close(&other);
    end();
}

static void an_endless_loop_stops_its_user_alone(void **state)
{
    (void)state;
    static struct sig_host other;
    begin("if session.name == 'squall-1' then while true do end end\n"
          "for i = 1, 20 do sleep('10ms') end log('went on')");
    prepare(&other);
    other.user.name = "squall-1";
    sig_host_open(&other, url_of("lua+ws"));
    sig_host_expect_failure(&other, SQ_CAUSE_PROTOCOL, "room.lua:1: the script computed for");
    RUN_UNTIL(sig_loop(), host.joined);
    assert_non_null(strstr(host.notes, "went on"));
    sig_host_close(&other);
    end();
}

static void websockets_talk(void **state)
{
    (void)state;
    holds("local w = ws.connect(nil, {headers = {['X-Key'] = 'k-1'}, protocols = {'chat'}})\n"
          "w:send('one') w:send_binary('\\0\\1')\n"
          "local text, kind = w:receive('2s') assert(text == 'one' and kind == 'text')\n"
          "text, kind = w:receive(2) assert(text == '\\0\\1' and kind == 'binary')\n"
          "local t0 = now()\n"
          "local none, why = w:receive('30ms')\n"
          "assert(none == nil and why == 'timeout' and now() - t0 >= 0.03)\n"
          "w:send('two') w:send('bye')\n"
          "local n = 0 for m in w:messages() do n = n + 1 assert(m == 'two') end\n"
          "assert(n == 1)\n"
          "assert(not pcall(w.send, w, 'late'))\n");
    assert_string_equal(server.header, "k-1");
    assert_true(host.phases_told & 1U << SQ_PHASE_CONNECT);
    end();
}

static void requests_are_answered(void **state)
{
    (void)state;
    holds("local base = session.url:gsub('^ws', 'http')\n"
          "local h = {} for i = 1, 32 do h['H' .. i] = i end local r = http.get(base, {headers = "
          "h})\n"
          "assert(r.status == 207 and r.body == 'GET ' and r.headers['x-two'] == 'a b', r.body)\n"
          "r = http.post(base, 'hi') assert(r.body == 'POST hi')\n"
          "r = http.request{url = base, method = 'PUT', body = 'you'} assert(r.body == 'PUT you')\n"
          "local done = 0\n"
          "for i = 1, 3 do spawn(function() http.get(base) done = done + 1 end) end\n"
          "while done < 3 do sleep('5ms') end\n");
    assert_int_equal(server.requests, 6);
    end();
}

static void json_goes_both_ways(void **state)
{
    (void)state;
    holds("local t = json.decode('{\"a\":[1,2.5,\"x\\\\n\\\\u00e4\"],\"e\":[],\"n\":null,"
          "\"t\":true}')\n"
          "assert(t.a[1] == 1 and math.type(t.a[1]) == 'integer' and t.a[2] == 2.5)\n"
          "assert(t.a[3] == 'x\\n\\u{e4}' and t.n == json.null and t.t == true)\n"
          "assert(json.encode(t.e) == '[]' and json.encode({}) == '{}')\n"
          "assert(json.encode(json.array()) == '[]' and json.encode(json.null) == 'null')\n"
          "assert(json.encode({1, {k = 'q\"\\1'}}) == '[1,{\"k\":\"q\\\\\"\\\\u0001\"}]')\n"
          "assert(json.decode(json.encode(0.1)) == 0.1)\n"
          "assert(not pcall(json.encode, 0/0) and not pcall(json.encode, {[true] = 1}))\n"
          "assert(not pcall(json.decode, ('['):rep(1e5)))\n");
    end();
}

static void a_call_is_made(void **state)
{
    (void)state;
    begin("pc:setLocalDescription()\n"
          "assert(pc.signalingState == 'have-local-offer')\n"
          "local offer = pc:gathered('5s') assert(offer.type == 'offer')\n"
          "assert(offer.sdp:match('a=candidate:') and pc.iceGatheringState == 'complete')\n"
          "local n = 0 for c in pc:icecandidates() do n = n + 1 assert(c.candidate and c.sdpMid) "
          "end\nassert(n > 0)\n"
          "local r = http.post(session.url:gsub('^ws(.-)/x.*', 'http%1/offer'), offer.sdp)\n"
          "states = {} pc.onconnectionstatechange = function(s) states[#states + 1] = s end\n"
          "pc:setRemoteDescription{type = 'answer', sdp = r.body}\n"
          "pc:wait('connected', '10s')\n"
          "sleep('20ms')\n"
          "local s = pc:getStats() assert(s[1].type == 'candidate-pair')\n"
          "log('states', table.concat(states, ' '))\n"
          "function on_leave()\n"
          "  assert(session.leaving and not pcall(pc.createOffer, pc))\n"
          "  http.request{method = 'DELETE', url = 'http' .. session.url:match('^ws(.-)/x') .. "
          "r.headers.location}\n"
          "end\n");
    RUN_UNTIL(sig_loop(), strstr(host.notes, "states") || sig_host_over(&host));
    assert_string_equal(host.text, "");
    assert_non_null(strstr(host.notes, "connected"));
    assert_int_equal(host.joined, 1);
    RUN_UNTIL(sig_loop(), sig_has_media(sig_host_peer(&host, 0)));
    assert_string_equal(host.labels[0], "pc");
    sig_host_leave(&host);
    assert_string_equal(server.deleted, "/session/1");
    end();
}

static void two_connections_answer_each_other(void **state)
{
    (void)state;
    begin("local a = RTCPeerConnection{label = 'a', audio = false}\n"
          "local b = RTCPeerConnection{label = 'b'}\n"
          "a.onicecandidate = function(c) b:addIceCandidate(c) end\n"
          "local d = a:createDataChannel('chat', {ordered = false, maxRetransmits = 0})\n"
          "assert(d.label == 'chat' and d.readyState == 'connecting')\n"
          "local want = b:createDataChannel('own')\n"
          "a:setLocalDescription(a:createOffer())\n"
          "b:setRemoteDescription(a.localDescription)\n"
          "assert(b.signalingState == 'have-remote-offer')\n"
          "b:setLocalDescription(b:createAnswer())\n"
          "b.onicecandidate = function(c) a:addIceCandidate(c) end\n"
          "a:setRemoteDescription(b.localDescription)\n"
          "a:wait('connected', 10) b:wait('connected', 10)\n"
          "local got\n"
          "b.ondatachannel = function(c) got = c for m in c:messages() do c:send('re ' .. m) end "
          "end\n"
          "d:open() d:send('hello')\n"
          "assert(d:receive('5s') == 're hello')\n"
          "assert(got.label == 'chat')\n"
          "b:close() assert(b.connectionState == 'closed')\n"
          "log('all well')\n");
    RUN_UNTIL(sig_loop(), strstr(host.notes, "all well") || sig_host_over(&host));
    assert_string_equal(host.text, "");
    assert_int_equal(host.peers_len, 2);
    end();
}

static void values_are_shared(void **state)
{
    (void)state;
    holds("spawn(function() sleep('20ms') session:set('room', 'r-' .. 9) "
          "session:set('room', 'all', 'test') end)\n"
          "assert(session:get('room') == nil)\n"
          "assert(session:wait_for('room', '5s') == 'r-9')\n"
          "assert(session:wait_for('room', '5s', 'test') == 'all')\n"
          "assert(session:get('room') == 'r-9')\n"
          "metric.start('sign-in') sleep('20ms') metric.stop('sign-in')\n"
          "metric.count('seen') metric.count('seen', 4) metric.event('marked')\n");
    assert_true(run.took_ns >= 20 * SQ_NS_PER_MS && run.took_ns < 5 * SQ_NS_PER_SEC);
    assert_int_equal(run.counted, 5);
    assert_string_equal(run.event, "marked");
    end();
    assert_false(run.watched);
}

static void who_leaves_closes_in_order(void **state)
{
    (void)state;
    begin("local w = ws.connect() w:send('hello') w:receive() session:joined()\n"
          "for m in w:messages() do end error('never told')");
    RUN_UNTIL(sig_loop(), host.joined);
    sig_host_leave(&host);
    RUN_UNTIL(sig_loop(), server.close_code != 0);
    assert_int_equal(server.close_code, 1000);
    end();
    begin("session:joined() function on_leave() while true do end end sleep('1h')");
    RUN_UNTIL(sig_loop(), host.joined);
    sig_host_leave(&host); /* its loop is stopped, and that is no failure any more */
    end();
}

static void destroyed_at_any_time(void **state)
{
    (void)state;
    for (int turns = 0; turns < 30; turns++) {
        begin("local w = ws.connect()\n"
              "spawn(function() http.get(session.url:gsub('^ws', 'http')) end)\n"
              "pc:setLocalDescription() w:send('x') w:receive() sleep(5)");
        for (int i = 0; i < turns; i++) {
            assert_int_equal(sq_loop_run_once(sig_loop(), SQ_NS_PER_MS), 0);
        }
        end();
    }
}

/* Each allocation fails once. Whatever happens, it is told once and nothing is left behind. */
static void without_memory(void **state)
{
    (void)state;
    static struct sig_host keeper; /* keeps the thread's state, which has a test of its own */
    size_t nth = 0;
    bool clean = false;
    must_load("sleep('1h')");
    struct sq_lua_script *slow = script;
    serve();
    prepare(&keeper);
    sig_host_open(&keeper, url_of("lua+ws"));
    sq_httpd_free(server.httpd);
    while (!clean) {
        must_load("local w = ws.connect() w:send('x') assert(w:receive('1s') == 'x')\n"
                  "local r = http.post(session.url:gsub('^ws(.-)/x.*', 'http%1/y'), 'b', "
                  "{timeout = '1s'})\n"
                  "assert(json.decode(json.encode{r.status})[1] == 207)\n"
                  "session:joined()");
        serve();
        server.lenient = true;
        prepare(&host);
        host.user.timeout_ns = 500 * SQ_NS_PER_MS;
        sq_mem_fail_at(++nth);
        int err = sig_host_try(&host, url_of("lua+ws"));
        for (int i = 0; i < 4000 && !err && !host.joined && !sig_host_over(&host); i++) {
            int ran = sq_loop_run_once(sig_loop(), SQ_NS_PER_MS);
            (void)ran;
        }
        clean = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        assert_true(err || host.joined + host.failed == 1);
        end();
        assert_true(nth < 3000);
    }
    assert_true(nth > 50);
    assert_int_equal(host.failed, 0);
    sig_host_close(&keeper);
    sq_lua_script_free(slow);
}

/* Lua itself collects and asks again, so that one refusal does no harm; all must be given back. */
static void a_state_without_memory(void **state)
{
    (void)state;
    bool clean = false;
    for (size_t nth = 1; !clean; nth += 7) {
        sq_mem_fail_at(nth);
        struct sl_shard *shard = sl_shard_take();
        clean = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        sl_shard_release(shard);
        assert_true(nth < 10000);
    }
}

static struct sig_host *many;

static void thousands_share_a_thread(void **state)
{
    (void)state;
    must_load("local n, socket = 0, {send = function() end}\n"
              "local function on_message(m) n = n + 1 socket:send(m) end\n"
              "function on_leave() log('gone') end\n"
              "while n < 3 do sleep('200ms') on_message('x') end\n"
              "if session.index == 17 then error('alone') end\n"
              "session:joined() sleep('1h')");
    serve();
    many = calloc(MANY, sizeof(*many));
    assert_non_null(many);
    size_t before = mallinfo2().uordblks;
    uint64_t cpu_ns = sq_thread_cpu_ns();
    for (size_t i = 0; i < MANY; i++) {
        prepare(&many[i]);
        many[i].user.index = i;
        sig_host_open(&many[i], url_of("lua+ws"));
    }
    RUN_UNTIL(sig_loop(), many[MANY - 1].joined);
    size_t each = (mallinfo2().uordblks - before) / MANY;
    cpu_ns = sq_thread_cpu_ns() - cpu_ns;
    print_message("%d coroutines: %zu bytes each, %.1f us of CPU each until it was up\n", MANY,
                  each, (double)cpu_ns / 1e3 / MANY);
    size_t joined = 0;
    size_t failed = 0;
    for (size_t i = 0; i < MANY; i++) {
        joined += many[i].joined;
        failed += many[i].failed;
    }
    assert_int_equal(joined, MANY - 1);
    assert_int_equal(failed, 1);
    assert_string_equal(many[17].text, "room.lua:5: alone");
#if !defined(__SANITIZE_ADDRESS__) && !defined(__SANITIZE_THREAD__) /* their heaps count none */
    assert_true(each > 500 && each < 8192);
#endif
    for (size_t i = 0; i < MANY; i++) {
        if (i != 17) {
            many[i].ops->leave(many[i].signal);
        }
    }
    RUN_UNTIL(sig_loop(), many[MANY - 1].left);
    for (size_t i = 0; i < MANY; i++) {
        many[i].ops->destroy(many[i].signal);
        sq_target_free(&many[i].target);
    }
    free(many);
    sq_httpd_free(server.httpd);
    sq_lua_script_free(script);
    script = NULL;
}

static int setup(void **state)
{
    return sig_setup(state) || !mkdtemp(folder);
}

static int teardown(void **state)
{
    static const char *const files[] = {"room.lua", "broken.lua", "proto.lua"};
    char path[128];
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        snprintf(path, sizeof(path), "%s/%s", folder, files[i]);
        (void)unlink(path);
    }
    return rmdir(folder) || sig_teardown(state);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_that_ends_is_in),
        cmocka_unit_test(what_fails_names_its_line),
        cmocka_unit_test(what_is_wrong_is_told_before_the_run),
        cmocka_unit_test(names_of_figures_are_known),
        cmocka_unit_test(files_beside_it_are_required),
        cmocka_unit_test(there_is_a_sandbox),
        cmocka_unit_test(users_do_not_see_each_other),
        cmocka_unit_test(an_endless_loop_stops_its_user_alone),
        cmocka_unit_test(websockets_talk),
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(json_goes_both_ways),
        cmocka_unit_test(a_call_is_made),
        cmocka_unit_test(two_connections_answer_each_other),
        cmocka_unit_test(values_are_shared),
        cmocka_unit_test(who_leaves_closes_in_order),
        cmocka_unit_test(destroyed_at_any_time),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(a_state_without_memory),
        cmocka_unit_test(thousands_share_a_thread),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
