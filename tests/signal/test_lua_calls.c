/* Scripts in Lua that make calls: their connections, with real peers. */
#include "base/mem.h"
#include "net/until.h"
#include "signal/lua_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
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
        "local s = pc:getStats() assert(s[1].type == 'candidate-pair')\n"
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_call_is_made),
        cmocka_unit_test(two_connections_answer_each_other),
    };
    return cmocka_run_group_tests(tests, lr_setup, lr_teardown);
}
