/* Scripts in Lua that make calls: their connections, with real peers. */
#include "base/mem.h"
#include "net/link.h"
#include "net/until.h"
#include "signal/lua_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void a_call_is_made(void **state)
{
    (void)state;
    lr_begin(
        "pc:setLocalDescription()\n"
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
        "log('states', table.concat(states, ' '))\n"
        "function on_leave()\n"
        "  assert(session.leaving and not pcall(pc.createOffer, pc))\n"
        "  http.request{method = 'DELETE', url = 'http' .. session.url:match('^ws(.-)/x') .. "
        "r.headers.location}\n"
        "end\n");
    RUN_UNTIL(sig_loop(), strstr(lr_host.notes, "states") || sig_host_over(&lr_host));
    assert_string_equal(lr_host.text, "");
    assert_non_null(strstr(lr_host.notes, "connected"));
    assert_int_equal(lr_host.joined, 1);
    RUN_UNTIL(sig_loop(), sig_has_media(sig_host_peer(&lr_host, 0)));
    assert_string_equal(lr_host.labels[0], "pc");
    sig_host_leave(&lr_host);
    assert_string_equal(lr_server.deleted, "/session/1");
    lr_end();
}

/* What getStats says of a call whose media flow both ways, at two moments; told is what was heard
 * at the second. */
static void statistics_grow(void **state)
{
    (void)state;
    lr_begin(
        "pc:setLocalDescription()\n"
        "local base = 'http' .. session.url:match('^ws(.-)/x')\n"
        "local r = http.post(base .. '/offer', pc:gathered('5s').sdp)\n"
        "pc:setRemoteDescription{type = 'answer', sdp = r.body}\n"
        "pc:wait('connected', '10s')\n"
        "local function now()\n"
        "  local seen = {}\n"
        "  for i, row in ipairs(pc:getStats()) do\n"
        "    assert((row.type == 'candidate-pair') == (i == 1) and not (i == 1 and row.kind))\n"
        "    local key = row.type .. ' ' .. (row.kind or '')\n"
        "    assert(not seen[key], key) seen[key] = row\n"
        "  end\n"
        "  return seen\n"
        "end\n"
        "local function more(a, b, name, n) return b[name] >= a[name] + n end\n"
        "local first, again = now()\n"
        "repeat\n"
        "  sleep('20ms') again = now()\n"
        "  local all = true\n"
        "  for _, kind in ipairs{'audio', 'video'} do\n"
        "    local in0, in1 = first['inbound-rtp ' .. kind], again['inbound-rtp ' .. kind]\n"
        "    local out0, out1 = first['outbound-rtp ' .. kind], again['outbound-rtp ' .. kind]\n"
        "    all = all and more(in0, in1, 'packetsReceived', 10) and\n"
        "      more(in0, in1, 'bytesReceived', 100) and more(out0, out1, 'packetsSent', 10) and\n"
        "      more(out0, out1, 'bytesSent', 100)\n"
        "  end\n"
        "until all and again['inbound-rtp video'].framesReceived > 2\n"
        "local pair, heard = again['candidate-pair '], 0\n"
        "for _, kind in ipairs{'audio', 'video'} do\n"
        "  heard = heard + again['inbound-rtp ' .. kind].packetsReceived\n"
        "end\n"
        "assert(pair.packetsReceived >= heard, pair.packetsReceived .. ' ' .. heard)\n"
        "assert(pair.packetsSent > 0 and pair.bytesSent > 0 and pair.bytesReceived > 0)\n"
        "log('heard', heard)\n");
    RUN_UNTIL(sig_loop(), strstr(lr_host.notes, "heard ") || sig_host_over(&lr_host));
    assert_string_equal(lr_host.text, "");
    /* The same counters without Lua in between: what was told has come, and not much more since. */
    uint64_t told = strtoull(strstr(lr_host.notes, "heard ") + strlen("heard "), NULL, 10);
    uint64_t came = 0;
    struct sq_peer *peer = sig_host_peer(&lr_host, 0);
    for (size_t i = 0; i < sq_peer_track_count(peer); i++) {
        struct sq_inbound_stats in;
        sq_track_inbound_stats(sq_peer_track(peer, i), sq_clock_ns(), &in);
        came += in.packets_received;
    }
    assert_true(told >= 20 && told <= came && came < told + 200);
    lr_end();
}

static void two_connections_answer_each_other(void **state)
{
    (void)state;
    lr_begin(
        "local a = RTCPeerConnection{label = 'a', audio = false}\n"
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
    RUN_UNTIL(sig_loop(), strstr(lr_host.notes, "all well") || sig_host_over(&lr_host));
    assert_string_equal(lr_host.text, "");
    assert_int_equal(lr_host.peers_len, 2);
    lr_end();
}

/* As in a browser, whose send() throws; it may be caught. */
static void a_message_above_the_limit_is_an_error(void **state)
{
    (void)state;
    lr_begin("local a, b = RTCPeerConnection{label = 'a'}, RTCPeerConnection{label = 'b'}\n"
             "local d, own = a:createDataChannel('chat'), b:createDataChannel('own')\n"
             "a:setLocalDescription(a:createOffer())\n"
             "b:setRemoteDescription(a:gathered('5s'))\n"
             "b:setLocalDescription(b:createAnswer())\n"
             "local answer = b:gathered('5s').sdp:gsub('a=max%-message%-size:%d+\\r\\n', '')\n"
             "a:setRemoteDescription{type = 'answer', sdp = answer}\n"
             "d:open('10s')\n"
             "local ok, why = pcall(d.send, d, ('x'):rep(65537))\n"
             "assert(not ok)\n"
             "log(why)\n"
             "d:send(('x'):rep(65536))\n"
             "d:send(('x'):rep(65538))\n");
    RUN_UNTIL(sig_loop(), sig_host_over(&lr_host));
    static const char limit[] = "data channel 'chat': the other side takes messages of 65536 bytes "
                                "at most (it has no a=max-message-size, RFC 8841), and this one "
                                "has 6553";
    const char *caught = strstr(lr_host.notes, limit), *thrown = strstr(lr_host.text, limit);
    assert_true(caught && caught[strlen(limit)] == '7');
    assert_true(thrown && thrown[strlen(limit)] == '8');
    assert_int_equal(lr_host.cause, SQ_CAUSE_SIGNALING);
    lr_end();
}

/* Without handlers: each candidate, state and channel when it is asked for, and why there is none.
 */
static void what_comes_is_waited_for(void **state)
{
    (void)state;
    lr_begin("local a, b = RTCPeerConnection{label = 'a'}, RTCPeerConnection{label = 'b'}\n"
             "local first, second = a:createDataChannel('first'), a:createDataChannel('second')\n"
             "local own = b:createDataChannel('own')\n"
             "local states = {}\n"
             "local function watch()\n"
             "  local s = a.connectionState\n"
             "  assert(s == 'new', s)\n"
             "  repeat s = a:change(s) states[#states + 1] = s until s == 'closed'\n"
             "end\n"
             "spawn(watch)\n"
             "local none, early = b:datachannel('5ms')\n"
             "assert(none == nil and early == 'timeout', early)\n"
             "none, early = b:icecandidate('5ms')\n" /* it gathers nothing yet */
             "assert(none == nil and early == 'timeout', early)\n"
             "a:setLocalDescription(a:createOffer())\n"
             "b:setRemoteDescription(a.localDescription)\n"
             "b:setLocalDescription(b:createAnswer())\n"
             "a:setRemoteDescription(b.localDescription)\n"
             "local function pass(from, to)\n"
             "  local n = 0\n"
             "  while true do\n"
             "    local c, why = from:icecandidate('5s')\n"
             "    if not c then assert(why == 'complete', why) to:addIceCandidate() return n end\n"
             "    assert(c.candidate:match('^candidate:') and c.sdpMid and c.sdpMLineIndex == 0)\n"
             "    to:addIceCandidate(c) n = n + 1\n"
             "  end\n"
             "end\n"
             "assert(pass(a, b) > 0 and pass(b, a) > 0)\n"
             "a:wait('connected', '10s') b:wait('connected', '10s')\n"
             "for _, label in ipairs{'first', 'second'} do\n"
             "  local c = b:datachannel('5s')\n"
             "  assert(c and c.label == label, label)\n"
             "  c:send('to ' .. label)\n"
             "end\n"
             "assert(a:datachannel('5s').label == 'own')\n"
             "assert(first:receive('5s') == 'to first' and second:receive('5s') == 'to second')\n"
             "none, early = a:datachannel('5ms')\n"
             "assert(none == nil and early == 'timeout', early)\n"
             "a:close() sleep('5ms')\n"
             "none, early = a:datachannel()\n"
             "assert(none == nil and early == 'closed', early)\n"
             "none, early = a:icecandidate()\n"
             "assert(none == nil and early == 'complete', early)\n"
             "assert(a:change('connected') == 'closed')\n"
             "log('went', table.concat(states, ' '))\n");
    RUN_UNTIL(sig_loop(), strstr(lr_host.notes, "went ") || sig_host_over(&lr_host));
    assert_string_equal(lr_host.text, "");
    assert_non_null(strstr(lr_host.notes, "went connecting connected closed"));
    lr_end();
}

/* The seed is that of its random choices: with it they come once more. */
static void a_script_knows_its_token_and_its_seed(void **state)
{
    (void)state;
    lr_must_load("assert(session.token == 'sesame-7', session.token)\n"
                 "assert(session.seed == 7, session.seed)\n"
                 "local r = http.post('http' .. session.url:match('^ws(.-)/x') .. '/echo', 'x',\n"
                 "  {bearer = session.token})\n"
                 "assert(r.status == 207)\n"
                 "math.randomseed(session.seed)\n"
                 "local a, b = math.random(), math.random()\n"
                 "math.randomseed(session.seed)\n"
                 "assert(a ~= b and math.random() == a and math.random() == b)\n");
    lr_serve();
    lr_prepare(&lr_host);
    lr_host.user.token = "sesame-7";
    sig_host_open(&lr_host, lr_url_of("lua+ws"));
    RUN_UNTIL(sig_loop(), lr_host.joined || sig_host_over(&lr_host));
    assert_string_equal(lr_host.text, "");
    assert_string_equal(lr_server.authorization, "Bearer sesame-7");
    lr_end();
}

/* A far side that takes restarts: each offer is answered by the same peer. */
#define CALLS                                                                                      \
    "local base = 'http' .. session.url:match('^ws(.-)/x')\n"                                      \
    "local function negotiate()\n"                                                                 \
    "  pc:setLocalDescription()\n"                                                                 \
    "  local offer = pc:gathered('5s')\n"                                                          \
    "  local r = http.post(base .. '/offer', offer.sdp)\n"                                         \
    "  pc:setRemoteDescription{type = 'answer', sdp = r.body}\n"                                   \
    "  return offer.sdp:match('a=ice%-ufrag:(%S+)'), offer.sdp\n"                                  \
    "end\n"

static void ice_is_restarted_by_the_script(void **state)
{
    (void)state;
    lr_begin(CALLS
             "local told, ends = {}, 0\n"
             "pc.onicecandidate = function(c)\n"
             "  if c then told[#told + 1] = c.candidate else ends = ends + 1 end\n"
             "end\n"
             "local first, sdp = negotiate()\n"
             "pc:wait('connected', '10s')\n"
             "function on_restart_ice()\n"
             "  local before = #told\n"
             "  assert(ends == 1 and before > 0)\n"
             "  pc:restartIce()\n"
             "  local second, again = negotiate()\n"
             "  assert(second ~= first, 'the same credentials')\n"
             "  local _, n = sdp:gsub('a=candidate:', '')\n"
             "  local _, m = again:gsub('a=candidate:', '')\n"
             "  assert(n == m, again)\n"
             "  sleep('50ms') assert(ends == 2 and #told == 2 * before, #told)\n"
             "  pc:wait('connected', '10s')\n"
             "  log('restarted', pc:createOffer().sdp:match('a=ice%-ufrag:(%S+)') == second)\n"
             "end\n");
    assert_int_equal(lr_host.ops->restart_ice(lr_host.signal), SQ_ERR_STATE); /* not in yet */
    RUN_UNTIL(sig_loop(), sig_host_over(&lr_host) || lr_host.connected[0]);
    assert_string_equal(lr_host.text, "");
    struct sq_transport_stats stats;
    RUN_UNTIL(sig_loop(), sig_has_media(sig_host_peer(&lr_host, 0)));
    assert_int_equal(lr_host.ops->restart_ice(lr_host.signal), 0);
    RUN_UNTIL(sig_loop(), strstr(lr_host.notes, "restarted") || sig_host_over(&lr_host));
    assert_string_equal(lr_host.text, "");
    assert_non_null(strstr(lr_host.notes, "restarted true"));
    sq_peer_transport_stats(sig_host_peer(&lr_host, 0), &stats);
    uint64_t heard = stats.packets_received;
    RUN_UNTIL(sig_loop(), (sq_peer_transport_stats(sig_host_peer(&lr_host, 0), &stats),
                           stats.packets_received > heard + 20));
    sig_host_leave(&lr_host);
    lr_end();
}

static void who_cannot_restart_ice_says_so(void **state)
{
    (void)state;
    lr_holds("sleep('1ms')");
    assert_int_equal(lr_host.ops->restart_ice(lr_host.signal), SQ_ERR_UNSUPPORTED);
    lr_end();
    lr_holds("-- on_restart_ice is not written yet");
    assert_int_equal(lr_host.ops->restart_ice(lr_host.signal), 0);
    sig_host_expect_failure(&lr_host, SQ_CAUSE_SIGNALING,
                            "on_restart_ice is no function of the script's");
    lr_end();
    lr_holds("function on_restart_ice()\n error('not now') end");
    assert_int_equal(lr_host.ops->restart_ice(lr_host.signal), 0);
    sig_host_expect_failure(&lr_host, SQ_CAUSE_SIGNALING, "room.lua:2: not now");
    lr_end();
    lr_holds("function on_restart_ice() end sleep('1ms')");
    lr_host.ops->leave(lr_host.signal);
    assert_int_equal(lr_host.ops->restart_ice(lr_host.signal), SQ_ERR_STATE);
    lr_end();
}

/* An offer that restarts ICE and is taken back leaves the wish as it was. */
static void a_restart_that_is_taken_back_is_asked_for_again(void **state)
{
    (void)state;
    lr_begin(CALLS "local first = negotiate()\n"
                   "pc:wait('connected', '10s')\n"
                   "local function ufrag() return pc:createOffer().sdp:match('ufrag:(%S+)') end\n"
                   "pc:restartIce()\n"
                   "local second = ufrag() assert(second ~= first)\n"
                   "pc:setLocalDescription{type = 'rollback'}\n"
                   "local third = ufrag() assert(third ~= first and third ~= second)\n"
                   "log('all well')\n");
    RUN_UNTIL(sig_loop(), strstr(lr_host.notes, "all well") || sig_host_over(&lr_host));
    assert_string_equal(lr_host.text, "");
    lr_end();
    /* Also one that was asked for while an offer was open, whoever took that back. */
    lr_begin("local a, b, c = RTCPeerConnection{}, RTCPeerConnection{}, RTCPeerConnection{}\n"
             "local function ufrag(x) return x:createOffer().sdp:match('ufrag:(%S+)') end\n"
             "local first = ufrag(a) a:restartIce() assert(ufrag(a) == first)\n"
             "a:setLocalDescription{type = 'rollback'}\n"
             "assert(ufrag(a) ~= first, 'no restart after a rollback')\n"
             "first = ufrag(b) b:restartIce()\n"
             "b:setRemoteDescription(c:createOffer()) b:createAnswer()\n"
             "assert(ufrag(b) ~= first, 'no restart after glare')\n"
             "log('all well')\n");
    RUN_UNTIL(sig_loop(), strstr(lr_host.notes, "all well") || sig_host_over(&lr_host));
    assert_string_equal(lr_host.text, "");
    lr_end();
}

/* ---- WebSockets of users that are gone ---- */

static void who_fails_closes_its_websockets(void **state)
{
    (void)state;
    static const char script[] = "local w = ws.connect() w:send('x') w:receive() error('no seat')";
    lr_begin(script);
    sig_host_expect_failure(&lr_host, SQ_CAUSE_SIGNALING, "no seat");
    sig_host_close(&lr_host);
    RUN_UNTIL(sig_loop(), lr_server.close_code != 0);
    assert_int_equal(lr_server.close_code, 1011);
    assert_string_equal(lr_server.close_reason, "the script failed");
    lr_end();
    /* Also where the frame is still on its way when the user is gone, and with it its network. */
    lr_must_load(script);
    lr_serve();
    lr_prepare(&lr_host);
    const struct sq_link_config slow = {.up.delay_ns = 50 * SQ_NS_PER_MS};
    assert_int_equal(sq_link_create(sig_loop(), &slow, 1, &lr_host.user.link), 0);
    sig_host_open(&lr_host, lr_url_of("lua+ws"));
    sig_host_expect_failure(&lr_host, SQ_CAUSE_SIGNALING, "no seat");
    sig_host_close(&lr_host);
    sq_link_release(lr_host.user.link);
    assert_int_equal(lr_server.close_code, 0);
    RUN_UNTIL(sig_loop(), lr_server.close_code != 0);
    assert_int_equal(lr_server.close_code, 1011);
    lr_end();
}

static void who_is_sent_away_closes_its_websockets(void **state)
{
    (void)state;
    lr_holds("local w = ws.connect() w:send('x') w:receive() session:joined() sleep('1h')");
    sig_host_close(&lr_host);
    RUN_UNTIL(sig_loop(), lr_server.close_code != 0);
    assert_int_equal(lr_server.close_code, 1000);
    lr_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_made),
        cmocka_unit_test(statistics_grow),
        cmocka_unit_test(two_connections_answer_each_other),
        cmocka_unit_test(a_message_above_the_limit_is_an_error),
        cmocka_unit_test(what_comes_is_waited_for),
        cmocka_unit_test(a_script_knows_its_token_and_its_seed),
        cmocka_unit_test(ice_is_restarted_by_the_script),
        cmocka_unit_test(who_cannot_restart_ice_says_so),
        cmocka_unit_test(a_restart_that_is_taken_back_is_asked_for_again),
        cmocka_unit_test(who_fails_closes_its_websockets),
        cmocka_unit_test(who_is_sent_away_closes_its_websockets),
    };
    return cmocka_run_group_tests(tests, lr_setup, lr_teardown);
}
