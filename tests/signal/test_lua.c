/* Scripts in Lua against servers of a few lines, with real peers where media is to flow. */
#include "base/mem.h"
#include "net/httpd.h"
#include "net/until.h"
#include "signal/lua/lua_int.h"
#include "signal/lua_rig.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MANY 5000

static void a_script_that_ends_is_in(void **state)
{
    (void)state;
    lr_holds("log('I am', session.name, session.room, session.index, session.role)\n"
             "assert(session.url:match('^ws://127.0.0.1:%d+/x%?k=1$'), session.url)\n"
             "assert(session.publishes and session.watches and not session.leaving)\n"
             "assert(session.user.stream == 'stream-7' and session.user.other == nil)\n"
             "local t0 = now() sleep(0.02) sleep('10ms') assert(now() - t0 >= 0.03)\n"
             "local seen = {}\n"
             "spawn(function(a, b) seen[1] = a + b end, 2, 3)\n"
             "coroutine.yield()\n"
             "assert(seen[1] == 5)\n");
    assert_non_null(strstr(lr_host.notes, "I am squall-0 1234 0 participant"));
    sig_host_leave(&lr_host);
    lr_end();
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
#ifndef __SANITIZE_THREAD__ /* with it, the time is over before so much is written */
        {"local t = {}\nwhile true do t[#t + 1] = ('x'):rep(1e3):rep(1e3) .. #t end",
         SQ_CAUSE_PROTOCOL, "room.lua:2: the script took too much memory"},
#endif
        {"local t = ('x'):rep(1 << 20)\nt = t .. ('y'):rep(100)", SQ_CAUSE_PROTOCOL,
         "room.lua:2: a text of more than 1 MiB: none may be longer"},
        {"('x'):rep(1e9)", SQ_CAUSE_PROTOCOL, "the script took too much memory"},
        {"coroutine.wrap(function() sleep(1) end)()", SQ_CAUSE_PROTOCOL,
         "room.lua:1: nothing can be waited for within coroutine.create"},
        {"sleep(-1)", SQ_CAUSE_PROTOCOL, "room.lua:1: bad argument #1 to 'sleep'"},
        {"sleep('10')", SQ_CAUSE_PROTOCOL, "a duration such as \"500ms\""},
        {"json.decode('{\"a\":')", SQ_CAUSE_PROTOCOL, "room.lua:1: json: "},
        {"json.decode('[1e400]')", SQ_CAUSE_PROTOCOL,
         "room.lua:1: json: a number that no double holds near '1e400', at byte 6 of '[1e400]'"},
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
        lr_begin(all[i].text);
        sig_host_expect_failure(&lr_host, all[i].cause, all[i].says);
        lr_end();
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
        {"\nrequire('outer')", "broken.lua:3: "},
        {"metric.count('two words')", "room.lua:1: metric.count 'two words"},
    };
    char why[512];
    lr_write_file("broken.lua", "\n\nreturn return");
    lr_write_file("outer.lua", "require 'broken'");
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        assert_int_not_equal(lr_load(all[i].text, why), 0);
        if (strstr(why, all[i].says) != why) { /* the file's name is where it begins */
            fail_msg("%s (expected %s)", why, all[i].says);
        }
    }
    assert_int_equal(sq_lua_script_load("/nowhere/x.lua", &lr_script, why, sizeof(why)), SQ_ERR_IO);
    assert_non_null(strstr(why, "/nowhere/x.lua: No such file"));
}

static void names_of_figures_are_known(void **state)
{
    (void)state;
    lr_must_load("metric.start('a') metric.stop \"a\" metric.timer('b', 1)\n"
                 "metric.count('c', 2) metric.event('d') mymetric.count('no')");
    assert_int_equal(lr_script->timers_len, 2);
    assert_string_equal(lr_script->timers[1], "b");
    assert_int_equal(lr_script->counters_len, 1);
    assert_string_equal(lr_script->counters[0], "c");
    assert_int_equal(lr_script->events_len, 1);
    assert_string_equal(lr_script->events[0], "d");
    sq_lua_script_free(lr_script);
    lr_script = NULL;
}

static void files_beside_it_are_required(void **state)
{
    (void)state;
    lr_write_file("proto.lua", "count = (count or 0) + 1\nreturn {hello = function() return "
                               "'hello ' .. session.name end}");
    lr_holds("local p = require('proto')\nassert(require('proto') == p and count == 1)\n"
             "assert(p.hello() == 'hello squall-0')");
    lr_end();
}

/* A file that requires itself, by way of others as well, or by a tail call, which leaves no trace;
 * a function that does so later is none. */
static void circles_of_files_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *text, *outer, *proto, *says;
    } all[] = {
        {"require 'outer'", "local i = require 'proto'", "\nrequire 'outer'",
         "proto.lua:2: require 'outer': a circle: outer.lua waits for proto.lua, which requires "
         "it"},
        {"require 'proto'", "return require 'proto'", "return require 'outer'",
         "outer.lua:1: require 'proto': a circle: proto.lua waits for outer.lua, which requires "
         "it"},
        {"require 'outer'", "local function f() return (require 'proto') end return f()",
         "local function f() return (require 'outer') end return f()",
         "outer.lua:1: require 'proto': a circle: proto.lua waits for outer.lua, which requires "
         "it"},
        {"require 'outer'", "require 'outer'", "",
         "outer.lua:1: require 'outer': a circle: outer.lua waits for outer.lua, which requires "
         "it"},
        {"require 'room'", "", "",
         "room.lua:1: require 'room': a circle: room.lua waits for room.lua, which requires it"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        lr_write_file("outer.lua", all[i].outer);
        lr_write_file("proto.lua", all[i].proto);
        lr_begin(all[i].text);
        sig_host_expect_failure(&lr_host, SQ_CAUSE_PROTOCOL, all[i].says);
        assert_string_equal(lr_host.text, all[i].says);
        lr_end();
    }
    lr_write_file("outer.lua", "function later() return require 'proto' end");
    lr_write_file("proto.lua", "require 'outer' return 5");
    lr_holds("require 'proto' assert(later() == 5)");
    lr_end();
}

static bool waits_for(const char *says, char text[static SQ_PEER_TEXT_MAX])
{
    return says && lr_host.ops->tell_wait(lr_host.signal, text) && strcmp(text, says) == 0;
}

/* Where a script that is still at work waits, and for what. */
static void what_a_script_waits_for_is_known(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says; /* NULL: it is over */
    } all[] = {
        {"\nsleep(1000)", "room.lua:2: the script was still waiting (sleep)"},
        {"while true do sleep(0) end", "room.lua:1: the script was still waiting (sleep)"},
        {"while true do coroutine.yield() end",
         "room.lua:1: the script was still waiting (coroutine.yield)"},
        {"local function f(s)\n return (s:receive())\nend\nf(ws.connect())",
         "room.lua:2: the script was still waiting (socket:receive)"},
        {"for m in ws.connect():messages() do end",
         "room.lua:1: the script was still waiting (socket:receive)"},
        {"http.get(session.url:gsub('^ws(.-)/x.*', 'http%1/silent'), nil)",
         "room.lua:1: the script was still waiting (http)"},
        {"session:wait_for('room')", "room.lua:1: the script was still waiting (session:wait_for)"},
        {"pc:wait()", "room.lua:1: the script was still waiting (pc:wait)"},
        {"pc:change('new')", "room.lua:1: the script was still waiting (pc:change)"},
        {"pc:datachannel()", "room.lua:1: the script was still waiting (pc:datachannel)"},
        {"pc:icecandidate()", "room.lua:1: the script was still waiting (pc:icecandidate)"},
        {"session:joined()", NULL},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        char text[SQ_PEER_TEXT_MAX] = "";
        lr_begin(all[i].text);
        assert_true(lr_host.ops->tell_wait(lr_host.signal, text));
        assert_string_equal(text, "room.lua: the script had no turn yet");
        RUN_UNTIL(sig_loop(), lr_host.joined || waits_for(all[i].says, text));
        assert_int_equal(lr_host.joined, all[i].says == NULL);
        assert_int_equal(lr_host.ops->tell_wait(lr_host.signal, text), all[i].says != NULL);
        lr_end();
    }
}

static void there_is_a_sandbox(void **state)
{
    (void)state;
    lr_holds("assert(io == nil and load == nil and dofile == nil and debug == nil and "
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
    lr_end();
}

static void users_do_not_see_each_other(void **state)
{
    (void)state;
    static struct sig_host other;
    lr_begin("assert(mine == nil) mine = session.name\n"
             "local a, b = math.random(1000000), math.random()\n"
             "log('drawn', a, b) sleep(0.05) assert(mine == session.name)");
    lr_prepare(&other);
    other.user.name = "squall-1";
    other.user.seed = 8;
    sig_host_open(&other, lr_url_of("lua+ws"));
    RUN_UNTIL(sig_loop(), lr_host.joined && other.joined);
    assert_string_not_equal(lr_host.notes, other.notes);
    sig_host_close(&other);
    lr_prepare(&other); /* the same seed draws the same */
    sig_host_open(&other, lr_url_of("lua+ws"));
    RUN_UNTIL(sig_loop(), other.joined);
    assert_string_equal(lr_host.notes, other.notes);
    sig_host_close(&other);
    lr_end();
}

static void an_endless_loop_stops_its_user_alone(void **state)
{
    (void)state;
    static struct sig_host other;
    lr_begin("if session.name == 'squall-1' then while true do end end\n"
             "for i = 1, 20 do sleep('10ms') end log('went on')");
    lr_prepare(&other);
    other.user.name = "squall-1";
    sig_host_open(&other, lr_url_of("lua+ws"));
    sig_host_expect_failure(&other, SQ_CAUSE_PROTOCOL, "room.lua:1: the script computed for");
    RUN_UNTIL(sig_loop(), lr_host.joined);
    assert_non_null(strstr(lr_host.notes, "went on"));
    sig_host_close(&other);
    lr_end();
}

static void websockets_talk(void **state)
{
    (void)state;
    lr_holds("local w = ws.connect(nil, {headers = {['X-Key'] = 'k-1'}, protocols = {'chat'}})\n"
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
    assert_string_equal(lr_server.header, "k-1");
    assert_true(lr_host.phases_told & 1U << SQ_PHASE_CONNECT);
    lr_end();
}

static void requests_are_answered(void **state)
{
    (void)state;
    lr_holds(
        "local base = session.url:gsub('^ws', 'http')\n"
        "local h = {} for i = 1, 32 do h['H' .. i] = i end local r = http.get(base, {headers = "
        "h})\n"
        "assert(r.status == 207 and r.body == 'GET ' and r.headers['x-two'] == 'a b', r.body)\n"
        "r = http.post(base, 'hi') assert(r.body == 'POST hi')\n"
        "r = http.request{url = base, method = 'PUT', body = 'you'} assert(r.body == 'PUT you')\n"
        "local done = 0\n"
        "for i = 1, 3 do spawn(function() http.get(base) done = done + 1 end) end\n"
        "while done < 3 do sleep('5ms') end\n");
    assert_int_equal(lr_server.requests, 6);
    lr_end();
}

static void json_goes_both_ways(void **state)
{
    (void)state;
    lr_holds("local t = json.decode('{\"a\":[1,2.5,\"x\\\\n\\\\u00e4\"],\"e\":[],\"n\":null,"
             "\"t\":true}')\n"
             "assert(t.a[1] == 1 and math.type(t.a[1]) == 'integer' and t.a[2] == 2.5)\n"
             "assert(t.a[3] == 'x\\n\\u{e4}' and t.n == json.null and t.t == true)\n"
             "assert(json.encode(t.e) == '[]' and json.encode({}) == '{}')\n"
             "assert(json.encode(json.array()) == '[]' and json.encode(json.null) == 'null')\n"
             "assert(json.encode({1, {k = 'q\"\\1'}}) == '[1,{\"k\":\"q\\\\\"\\\\u0001\"}]')\n"
             "assert(json.decode(json.encode(0.1)) == 0.1)\n"
             "t = json.decode('{\"id\":12345678901234567890,\"n\":9223372036854775807}')\n"
             "assert(t.id == '12345678901234567890' and t.n == math.maxinteger)\n"
             "assert(not pcall(json.encode, 0/0) and not pcall(json.encode, {[true] = 1}))\n"
             "assert(not pcall(json.decode, ('['):rep(1e5)))\n");
    lr_end();
}

static void values_are_shared(void **state)
{
    (void)state;
    lr_holds("spawn(function() sleep('20ms') session:set('room', 'r-' .. 9) "
             "session:set('room', 'all', 'test') end)\n"
             "assert(session:get('room') == nil)\n"
             "assert(session:wait_for('room', '5s') == 'r-9')\n"
             "assert(session:wait_for('room', '5s', 'test') == 'all')\n"
             "assert(session:get('room') == 'r-9')\n"
             "metric.start('sign-in') sleep('20ms') metric.stop('sign-in')\n"
             "metric.count('seen') metric.count('seen', 4) metric.event('marked')\n");
    assert_true(lr_run.took_ns >= 20 * SQ_NS_PER_MS && lr_run.took_ns < 5 * SQ_NS_PER_SEC);
    assert_int_equal(lr_run.counted, 5);
    assert_string_equal(lr_run.event, "marked");
    lr_end();
    assert_false(lr_run.watched);
}

static void who_leaves_closes_in_order(void **state)
{
    (void)state;
    lr_begin("local w = ws.connect() w:send('hello') w:receive() session:joined()\n"
             "for m in w:messages() do end error('never told')");
    RUN_UNTIL(sig_loop(), lr_host.joined);
    sig_host_leave(&lr_host);
    RUN_UNTIL(sig_loop(), lr_server.close_code != 0);
    assert_int_equal(lr_server.close_code, 1000);
    lr_end();
    lr_begin("session:joined() function on_leave() while true do end end sleep('1h')");
    RUN_UNTIL(sig_loop(), lr_host.joined);
    lr_host.ops->leave(lr_host.signal);
    sig_host_expect_failure(&lr_host, SQ_CAUSE_PROTOCOL,
                            "room.lua:1: the script computed for 100 ms without waiting");
    lr_end();
    lr_begin("local w = ws.connect() session:joined()\n"
             "function on_leave()\n spawn(error, 'too late') sleep(0.01) error('no bye') end");
    RUN_UNTIL(sig_loop(), lr_host.joined && lr_server.ws);
    lr_host.ops->leave(lr_host.signal);
    sig_host_expect_failure(&lr_host, SQ_CAUSE_SIGNALING, "too late"); /* the first of them */
    RUN_UNTIL(sig_loop(), lr_server.close_code != 0);
    lr_end();
}

/* Whoever stood in the way of all others is known. */
static void how_long_scripts_took_is_known(void **state)
{
    (void)state;
    const char *place;
    lr_begin("sleep(0)\nwhile true do end");
    sig_host_expect_failure(&lr_host, SQ_CAUSE_PROTOCOL, "room.lua:2: the script computed for");
    uint64_t took_ns = lr_host.ops->longest_ns(sig_loop(), &place);
    assert_true(took_ns >= SL_CPU_NS && took_ns < 20 * SL_CPU_NS);
    assert_int_equal(strncmp(place, "room.lua:", 9), 0);
    lr_end();
}

/* A second is full once scripts took half of it. */
static void seconds_full_of_scripts_are_counted(void **state)
{
    static const struct {
        uint64_t at_ms, took_ms, full; /* by then */
    } all[] = {{10100, 400, 0}, {10900, 99, 0},  {10950, 1, 1}, {10990, 300, 1},
               {11000, 499, 1}, {12999, 500, 2}, {13000, 0, 2}, {13001, 2000, 3}};
    struct sl_shard own = {.L = NULL};
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        sl_note_second(&own, all[i].at_ms * SQ_NS_PER_MS, all[i].took_ms * SQ_NS_PER_MS);
        assert_int_equal(own.full_seconds, all[i].full);
    }
    struct sl_shard *shard = sl_shard_get(sig_loop());
    assert_non_null(shard);
    lr_begin("while true do end");
    sig_host_expect_failure(&lr_host, SQ_CAUSE_PROTOCOL, "the script computed for");
    assert_true(shard->second_ns >= SL_CPU_NS && shard->second > 0);
    shard->full_seconds = 7;
    assert_int_equal(lr_host.ops->full_seconds(sig_loop()), 7);
    lr_end();
}

/* Of many short ones, each with a turn of the loop's own, none is in anybody's way, though there be
 * little time between them; those of one turn are. */
static void a_stretch_ends_with_the_loops_turn(void **state)
{
    (void)state;
    const char *place;
    struct sl_shard *shard = sl_shard_get(sig_loop());
    assert_non_null(shard);
    shard->longest_ns = 0; /* other tests had some */
    lr_holds("function work(s) local t = os.clock() while os.clock() - t < s do end end\n"
             "for i = 1, 1000 do work(0.0002) coroutine.yield() end");
    uint64_t took_ns = lr_host.ops->longest_ns(sig_loop(), &place);
    assert_true(took_ns >= 200 * SQ_NS_PER_US && took_ns < 50 * SQ_NS_PER_MS);
    lr_end();
    lr_holds("function work(s) local t = os.clock() while os.clock() - t < s do end end\n"
             "for i = 1, 10 do spawn(work, 0.01) end");
    assert_true(lr_host.ops->longest_ns(sig_loop(), &place) >= 100 * SQ_NS_PER_MS);
    lr_end();
}

/* Its name stands there once, and its cause is the one that it had within. */
static void errors_within_coroutines_have_one_place(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum sq_cause cause;
        const char *says;
    } all[] = {
        {"coroutine.wrap(function() while true do end end)()", SQ_CAUSE_PROTOCOL,
         "room.lua:1: the script computed for 100 ms without waiting: an endless loop?"},
        {"local f = coroutine.wrap(function()\n error('x') end)\nf()", SQ_CAUSE_SIGNALING,
         "room.lua:2: x"},
        {"local f = coroutine.wrap(function()\n local t t.x = 1 end)\nf()", SQ_CAUSE_PROTOCOL,
         "room.lua:2: attempt to index a nil value (local 't')"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        lr_begin(all[i].text);
        sig_host_expect_failure(&lr_host, all[i].cause, all[i].says);
        assert_string_equal(lr_host.text, all[i].says);
        lr_end();
    }
}

static void destroyed_at_any_time(void **state)
{
    (void)state;
    for (int turns = 0; turns < 30; turns++) {
        lr_begin("local w = ws.connect()\n"
                 "spawn(function() http.get(session.url:gsub('^ws', 'http')) end)\n"
                 "pc:setLocalDescription() w:send('x') w:receive() sleep(5)");
        for (int i = 0; i < turns; i++) {
            assert_int_equal(sq_loop_run_once(sig_loop(), SQ_NS_PER_MS), 0);
        }
        lr_end();
    }
}

/* Each allocation fails once. Whatever happens, it is told once and nothing is left behind. */
static void without_memory(void **state)
{
    (void)state;
    assert_non_null(sl_shard_get(sig_loop())); /* which has a test of its own */
    size_t nth = 0;
    bool clean = false;
    while (!clean) {
        lr_must_load("local w = ws.connect() w:send('x') assert(w:receive('1s') == 'x')\n"
                     "local r = http.post(session.url:gsub('^ws(.-)/x.*', 'http%1/y'), 'b', "
                     "{timeout = '1s'})\n"
                     "assert(json.decode(json.encode{r.status})[1] == 207)\n"
                     "session:joined()");
        lr_serve();
        lr_server.lenient = true;
        lr_prepare(&lr_host);
        lr_host.user.timeout_ns = 500 * SQ_NS_PER_MS;
        sq_mem_fail_at(++nth);
        int err = sig_host_try(&lr_host, lr_url_of("lua+ws"));
        for (int i = 0; i < 4000 && !err && !lr_host.joined && !sig_host_over(&lr_host); i++) {
            int ran = sq_loop_run_once(sig_loop(), SQ_NS_PER_MS);
            (void)ran;
        }
        clean = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        assert_true(err || lr_host.joined + lr_host.failed == 1);
        lr_end();
        assert_true(nth < 3000);
    }
    assert_true(nth > 50);
    assert_int_equal(lr_host.failed, 0);
}

/* Lua itself collects and asks again, so that one refusal does no harm; all must be given back. */
static void a_state_without_memory(void **state)
{
    (void)state;
    bool clean = false;
    for (size_t nth = 1; !clean; nth += 7) {
        struct sq_loop *loop;
        assert_int_equal(sq_loop_new(NULL, &loop), 0);
        sq_mem_fail_at(nth);
        struct sl_shard *shard = sl_shard_get(loop);
        clean = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(shard || !clean);
        sq_loop_free(loop);
        assert_true(nth < 10000);
    }
}

/* What a thread has belongs to its loop: two loops of one thread know nothing of each other. */
static void a_loop_has_one_state(void **state)
{
    (void)state;
    struct sq_loop *loops[2];
    struct sl_shard *shards[2];
    for (int i = 0; i < 2; i++) {
        assert_int_equal(sq_loop_new(NULL, &loops[i]), 0);
        shards[i] = sl_shard_get(loops[i]);
        assert_non_null(shards[i]);
        assert_ptr_equal(sl_shard_get(loops[i]), shards[i]);
    }
    assert_ptr_not_equal(shards[0], shards[1]);
    sq_loop_free(loops[0]);
    assert_ptr_equal(sl_shard_get(loops[1]), shards[1]);
    sq_loop_free(loops[1]);
}

/* Whoever begins after one that computed for too long is none of that. Its file is one that takes
 * much at once to be compiled. */
static void who_comes_after_an_endless_loop_begins(void **state)
{
    (void)state;
    struct sq_buf b = {0};
    lr_begin("while true do end");
    sig_host_expect_failure(&lr_host, SQ_CAUSE_PROTOCOL, "the script computed for");
    lr_end();
    sq_buf_puts(&b, "local t = {");
    for (int i = 0; i < 140000; i++) {
        sq_buf_printf(&b, "%d,", 100000 + i);
    }
    sq_buf_puts(&b, "} assert(#t == 140000)");
    assert_int_equal(b.err, 0);
    lr_holds(b.text);
    lr_end();
    sq_buf_free(&b);
}

static struct sig_host *many;

static void thousands_share_a_thread(void **state)
{
    (void)state;
    lr_must_load("local n, socket = 0, {send = function() end}\n"
                 "local function on_message(m) n = n + 1 socket:send(m) end\n"
                 "function on_leave() log('gone') end\n"
                 "while n < 3 do sleep('200ms') on_message('x') end\n"
                 "if session.index == 17 then error('alone') end\n"
                 "session:joined() sleep('1h')");
    lr_serve();
    many = calloc(MANY, sizeof(*many));
    assert_non_null(many);
    size_t before = mallinfo2().uordblks;
    uint64_t cpu_ns = sq_thread_cpu_ns();
    for (size_t i = 0; i < MANY; i++) {
        lr_prepare(&many[i]);
        many[i].user.index = i;
        sig_host_open(&many[i], lr_url_of("lua+ws"));
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
    sq_httpd_free(lr_server.httpd);
    sq_lua_script_free(lr_script);
    lr_script = NULL;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_script_that_ends_is_in),
        cmocka_unit_test(what_fails_names_its_line),
        cmocka_unit_test(what_is_wrong_is_told_before_the_run),
        cmocka_unit_test(names_of_figures_are_known),
        cmocka_unit_test(files_beside_it_are_required),
        cmocka_unit_test(circles_of_files_are_told),
        cmocka_unit_test(what_a_script_waits_for_is_known),
        cmocka_unit_test(there_is_a_sandbox),
        cmocka_unit_test(users_do_not_see_each_other),
        cmocka_unit_test(an_endless_loop_stops_its_user_alone),
        cmocka_unit_test(websockets_talk),
        cmocka_unit_test(requests_are_answered),
        cmocka_unit_test(json_goes_both_ways),
        cmocka_unit_test(values_are_shared),
        cmocka_unit_test(who_leaves_closes_in_order),
        cmocka_unit_test(destroyed_at_any_time),
        cmocka_unit_test(how_long_scripts_took_is_known),
        cmocka_unit_test(seconds_full_of_scripts_are_counted),
        cmocka_unit_test(a_stretch_ends_with_the_loops_turn),
        cmocka_unit_test(errors_within_coroutines_have_one_place),
        cmocka_unit_test(without_memory),
        cmocka_unit_test(a_state_without_memory),
        cmocka_unit_test(a_loop_has_one_state),
        cmocka_unit_test(who_comes_after_an_endless_loop_begins),
        cmocka_unit_test(thousands_share_a_thread),
    };
    return cmocka_run_group_tests(tests, lr_setup, lr_teardown);
}
