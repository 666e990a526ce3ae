/* Candidates between Janus and us, before and after the descriptions that they belong to. */
#include "net/until.h"
#include "peer/ice/ice.h"
#include "signal/janus_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* full_trickle: Janus' candidates come before its answer, and none are in it. */
static void trickle_before_the_answer(void **state)
{
    janus.trickle_first = true;
    jr_join(ECHO);
    RUN_UNTIL(sig_loop(), host.connected[0] && sig_has_media(sig_host_peer(&host, 0)));
    assert_null(strstr(host.notes, "of no use"));
    sig_host_leave(&host);
}

static void our_candidates_go_out(void **state)
{
    jr_join(ECHO);
    sig_host_tell_candidate(&host, "candidate:71 1 udp 1 192.0.2.9 1001 typ host");
    RUN_UNTIL(sig_loop(), fake_count(&janus, "trickle") == 1);
    json_t *message = fake_last(&janus, "trickle");
    json_t *candidate = json_object_get(message, "candidate");
    assert_string_equal(jr_member(candidate, "candidate"),
                        "candidate:71 1 udp 1 192.0.2.9 1001 typ host");
    assert_string_equal(jr_member(candidate, "sdpMid"), "0");
    assert_int_equal(json_integer_value(json_object_get(candidate, "sdpMLineIndex")), 0);
    assert_int_equal(json_integer_value(json_object_get(message, "handle_id")), 21);
    sig_host_leave(&host);
}

static void candidates_of_no_use_are_noted(void **state)
{
    jr_join(ECHO);
    fake_tell(&janus, "{\"janus\":\"trickle\",\"sender\":21,\"candidate\":{\"candidate\":\"x\"}}");
    fake_tell(&janus, "{\"janus\":\"trickle\",\"sender\":21,\"candidate\":7}");
    fake_tell(&janus, "{\"janus\":\"trickle\",\"sender\":21}");
    fake_tell(
        &janus,
        "{\"janus\":\"trickle\",\"sender\":21,\"candidates\":[[],null,{\"completed\":true}]}");
    fake_tell(&janus, "{\"janus\":\"webrtcup\",\"sender\":21}");
    fake_tell(&janus, "{\"janus\":\"slowlink\",\"sender\":21,\"uplink\":true}");
    fake_tell(&janus, "{\"janus\":\"event\",\"sender\":4711}");
    RUN_UNTIL(sig_loop(), strstr(host.notes, "for no handle of ours"));
    assert_non_null(strstr(host.notes, "of no use"));
    assert_non_null(strstr(host.notes, "slowlink"));
    assert_int_equal(host.failed, 0);
    sig_host_leave(&host);
}

/* That Janus told of: what its checks alone taught us is prflx. */
static size_t told_candidates(struct sq_peer *peer)
{
    const struct sq_ice *ice = sq_peer_ice(peer);
    size_t told = 0;
    for (size_t i = 0; i < sq_ice_remote_count(ice); i++) {
        told += sq_ice_remote(ice, i)->type == SQ_ICE_HOST;
    }
    return told;
}

/* full_trickle: candidates of Janus' come before its offer, when there is no peer for them yet. */
static void trickle_before_an_offer(void **state)
{
    janus.publishers = TWO;
    janus.trickle_first = true;
    jr_join(ROOM);
    struct sq_peer *sub = sig_host_peer(&host, strcmp(host.labels[0], "sub") == 0 ? 0 : 1);
    assert_int_equal(janus.sub_answers, 1);
    assert_int_not_equal(told_candidates(sub), 0);
    RUN_UNTIL(sig_loop(), host.connected[0] && host.connected[1]);
    assert_int_equal(host.ops->restart_ice(host.signal), 0); /* and those of the new offer */
    RUN_UNTIL(sig_loop(), janus.sub_answers == 2);
    assert_int_not_equal(told_candidates(sub), 0);
    RUN_UNTIL(sig_loop(), host.connected[0] && host.connected[1]);
    assert_null(strstr(host.notes, "candidate"));
    sig_host_leave(&host);
}

/* A restart that is refused brings no offer: what came is of the connection as it is. */
static void trickle_without_an_offer(void **state)
{
    janus.publishers = TWO;
    host.user.send_audio = host.user.send_video = false;
    jr_join(ROOM);
    struct sq_peer *sub = sig_host_peer(&host, 0);
    RUN_UNTIL(sig_loop(), host.connected[0]);
    size_t before = told_candidates(sub);
    janus.fault_on = "configure";
    janus.fault_reply = FAKE_SILENCE;
    assert_int_equal(host.ops->restart_ice(host.signal), 0);
    fake_tell(&janus, "{\"janus\":\"trickle\",\"sender\":22,\"candidate\":{\"candidate\":"
                      "\"candidate:9 1 udp 2015363839 127.0.0.9 9 typ host\"}}");
    RUN_UNTIL(sig_loop(), fake_count(&janus, "configure") == 1);
    assert_int_equal(told_candidates(sub), before); /* it may be of the new offer */
    char reply[256];
    snprintf(reply, sizeof(reply),
             "{\"janus\":\"event\",\"transaction\":\"%s\",\"sender\":22,\"plugindata\":{\"data\":{"
             "\"error_code\":499,\"error\":\"not now\"}}}",
             jr_member(fake_last(&janus, "configure"), "transaction"));
    fake_tell(&janus, reply);
    RUN_UNTIL(sig_loop(), told_candidates(sub) == before + 1);
    assert_non_null(strstr(host.notes, "restart: 499 not now"));
    sig_host_leave(&host);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_JANUS(our_candidates_go_out),     WITH_JANUS(candidates_of_no_use_are_noted),
        WITH_JANUS(trickle_before_the_answer), WITH_JANUS(trickle_before_an_offer),
        WITH_JANUS(trickle_without_an_offer),
    };
    return cmocka_run_group_tests(tests, sig_setup, sig_teardown);
}
