/* The Janus adapter against a small Janus of the tests' own. */
#include "base/mem.h"
#include "net/until.h"
#include "signal/janus/janus.h"
#include "signal/janus_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* ---- Echo ---- */

static void echotest(void **state)
{
    host.user.token = "tok";
    jr_join(ECHO "&apisecret=s%26s");
    assert_string_equal(janus.seen[0], "create");
    assert_string_equal(janus.seen[1], "attach");
    assert_string_equal(janus.seen[2], "echotest");
    assert_string_equal(jr_member(janus.bodies[1], "plugin"), "janus.plugin.echotest");
    assert_string_equal(jr_member(janus.bodies[2], "token"), "tok");
    assert_string_equal(jr_member(janus.bodies[2], "apisecret"), "s&s");
    json_t *body = json_object_get(janus.bodies[2], "body");
    assert_true(json_is_true(json_object_get(body, "audio")));
    assert_true(json_is_true(json_object_get(body, "video")));
    assert_string_equal(host.labels[0], "echo");
    RUN_UNTIL(sig_loop(), host.connected[0] && sig_has_media(sig_host_peer(&host, 0)) &&
                              sig_has_media(sq_endpoint_peer(janus.far)));
    assert_true(host.phases_told & 1U << SQ_PHASE_CONNECT);
    assert_true(host.phases_told & 1U << SQ_PHASE_SIGNALING);
    sig_host_leave(&host);
    assert_int_equal(fake_count(&janus, "hangup"), 1);
    assert_int_equal(fake_count(&janus, "destroy"), 1);
    RUN_UNTIL(sig_loop(), janus.ended);
}

static void echo_restarts_ice(void **state)
{
    jr_join(ECHO);
    RUN_UNTIL(sig_loop(), host.connected[0]);
    const char *ufrag;
    const char *pwd;
    sq_peer_local_ice(sig_host_peer(&host, 0), &ufrag, &pwd);
    char before[64];
    snprintf(before, sizeof(before), "%s", ufrag);
    assert_int_equal(host.ops->restart_ice(host.signal), 0);
    assert_int_equal(host.ops->restart_ice(host.signal), SQ_ERR_STATE);
    RUN_UNTIL(sig_loop(), fake_count(&janus, "echotest") == 2);
    sq_peer_local_ice(sig_host_peer(&host, 0), &ufrag, &pwd);
    assert_string_not_equal(before, ufrag);
    RUN_UNTIL(sig_loop(), host.connected[0] && sig_has_media(sig_host_peer(&host, 0)));
    sig_host_leave(&host);
}

/* ---- Room ---- */

static void a_room_of_one(void **state)
{
    jr_join(ROOM "&pin=12&room_token=rt");
    json_t *body = json_object_get(fake_last(&janus, "join"), "body");
    assert_int_equal(json_integer_value(json_object_get(body, "room")), 1234);
    assert_string_equal(jr_member(body, "ptype"), "publisher");
    assert_string_equal(jr_member(body, "display"), "squall-0");
    assert_string_equal(jr_member(body, "pin"), "12");
    assert_string_equal(jr_member(body, "token"), "rt");
    assert_int_equal(host.peers_len, 1);
    assert_string_equal(host.labels[0], "pub");
    RUN_UNTIL(sig_loop(), sig_has_media(sq_endpoint_peer(janus.far)));
    assert_int_equal(fake_count(&janus, "attach"), 1); /* nobody to subscribe to */
    sig_host_leave(&host);
    assert_int_equal(fake_count(&janus, "leave"), 1);
}

static void publishes_and_subscribes(void **state)
{
    janus.publishers = TWO;
    jr_join(ROOM);
    assert_int_equal(janus.sub_answers, 1); /* joined comes after the subscriber's answer */
    assert_int_equal(fake_count(&janus, "configure"), 1);
    json_t *body = json_object_get(fake_last(&janus, "join"), "body");
    assert_string_equal(jr_member(body, "ptype"), "subscriber");
    assert_int_equal(json_integer_value(json_object_get(body, "private_id")), 99);
    json_t *streams = json_object_get(body, "streams");
    assert_int_equal(json_array_size(streams), 2);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(streams, 1), "feed")), 8);
    assert_int_equal(host.peers_len, 2);
    RUN_UNTIL(sig_loop(), host.connected[0] && host.connected[1]);
    size_t sub = strcmp(host.labels[0], "sub") == 0 ? 0 : 1;
    RUN_UNTIL(sig_loop(), sig_has_media(sig_host_peer(&host, sub)));
    sig_host_leave(&host);
}

#define NEWCOMER(id)                                                                               \
    "{\"janus\":\"event\",\"sender\":21,\"plugindata\":{\"data\":{\"videoroom\":\"event\","        \
    "\"publishers\":[{\"id\":" id ",\"streams\":[{\"type\":\"audio\",\"mid\":\"0\"}]}]}}}"
#define GONE(how, id)                                                                              \
    "{\"janus\":\"event\",\"sender\":21,\"plugindata\":{\"data\":{\"videoroom\":\"event\",\"" how  \
    "\":" id "}}}"

static const struct sq_channel_config wanted_channel = {.label = "squall"};

static const struct sq_channel *channel_at(struct sq_endpoint *far, size_t i)
{
    return sq_peer_channel(sq_endpoint_peer(far), i);
}

/* Janus relays to those only who have opened a channel: the subscriber opens one of janus.js'
 * label, once, where data is offered. */
static void a_subscriber_opens_a_channel(void **state)
{
    janus.publishers = TWO;
    janus.data = true;
    host.user.data = &wanted_channel;
    jr_join(ROOM);
    RUN_UNTIL(sig_loop(), channel_at(janus.sub_far, 0));
    assert_string_equal(sq_channel_label(channel_at(janus.sub_far, 0)), "JanusDataChannel");
    fake_tell(&janus, NEWCOMER("9"));
    RUN_UNTIL(sig_loop(), janus.sub_answers == 2);
    size_t sub = strcmp(host.labels[0], "sub") == 0 ? 0 : 1;
    assert_non_null(sq_peer_channel(sig_host_peer(&host, sub), 0));
    assert_null(sq_peer_channel(sig_host_peer(&host, sub), 1));
    sig_host_leave(&host);
}

/* Nor does it wait for one where none is offered. */
static void no_channel_where_none_is_offered(void **state)
{
    janus.publishers = TWO;
    host.user.data = &wanted_channel;
    jr_join(ROOM);
    size_t sub = strcmp(host.labels[0], "sub") == 0 ? 0 : 1;
    assert_null(sq_peer_channel(sig_host_peer(&host, sub), 0));
    sig_host_leave(&host);
}

static size_t feeds_asked(void)
{
    size_t asked = 0;
    for (size_t i = 0; i < janus.seen_len; i++) {
        bool asks = strcmp(janus.seen[i], "subscribe") == 0 || strcmp(janus.seen[i], "join") == 0;
        json_t *list = json_object_get(json_object_get(janus.bodies[i], "body"), "streams");
        asked += asks ? json_array_size(list) : 0;
    }
    return asked;
}

/* The fake fails the test if a request comes while its offer has no answer. */
static void publishers_come_and_go_one_change_at_a_time(void **state)
{
    host.user.send_audio = host.user.send_video = false;
    jr_join(ROOM); /* a viewer in an empty room */
    assert_int_equal(host.peers_len, 0);
    assert_int_equal(fake_count(&janus, "configure"), 0);
    fake_tell(&janus, NEWCOMER("31"));
    fake_tell(&janus, NEWCOMER("32"));
    fake_tell(&janus, NEWCOMER("32")); /* told again */
    RUN_UNTIL(sig_loop(), janus.sub_answers >= 1);
    fake_tell(&janus, NEWCOMER("33"));
    fake_tell(&janus, NEWCOMER("34"));
    RUN_UNTIL(sig_loop(), janus.sub_answers >= 2);
    json_t *body = json_object_get(fake_last(&janus, "subscribe"), "body");
    assert_true(json_array_size(json_object_get(body, "streams")) >= 1);
    fake_tell(&janus, GONE("unpublished", "32"));
    fake_tell(&janus, GONE("leaving", "32"));
    RUN_UNTIL(sig_loop(), fake_count(&janus, "unsubscribe") == 1);
    body = json_object_get(fake_last(&janus, "unsubscribe"), "body");
    json_t *streams = json_object_get(body, "streams");
    assert_int_equal(json_array_size(streams), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(streams, 0), "feed")), 32);
    fake_tell(&janus, GONE("leaving", "4711")); /* never heard of */
    fake_tell(&janus, NEWCOMER("32"));          /* it is back */
    /* 31 to 34, and 32 once more */
    RUN_UNTIL(sig_loop(), feeds_asked() == 5 && janus.sub_answers == janus.sub_offers);
    assert_int_equal(fake_count(&janus, "attach"), 2);
    RUN_UNTIL(sig_loop(), host.connected[0]);
    assert_int_equal(host.failed, 0);
    sig_host_leave(&host);
}

/* Told again while it is subscribed to, and gone then: it is not asked for a second time. */
static void a_publisher_told_again_is_not_a_new_one(void **state)
{
    host.user.send_audio = host.user.send_video = false;
    jr_join(ROOM);
    fake_tell(&janus, NEWCOMER("31"));
    RUN_UNTIL(sig_loop(), janus.sub_answers == 1);
    RUN_UNTIL(sig_loop(), host.connected[0]);
    fake_tell(&janus, NEWCOMER("31"));
    fake_tell(&janus, GONE("leaving", "31"));
    RUN_UNTIL(sig_loop(), fake_count(&janus, "unsubscribe") == 1);
    fake_tell(&janus, NEWCOMER("32"));
    RUN_UNTIL(sig_loop(), janus.sub_answers == 2);
    json_t *body = json_object_get(fake_last(&janus, "subscribe"), "body");
    json_t *streams = json_object_get(body, "streams");
    assert_int_equal(json_integer_value(json_object_get(json_array_get(streams, 0), "feed")), 32);
    assert_int_equal(feeds_asked(), 2);
    sig_host_leave(&host);
}

/* It comes back before Janus has answered that it is unsubscribed. */
static void a_publisher_comes_back_at_once(void **state)
{
    host.user.send_audio = host.user.send_video = false;
    jr_join(ROOM);
    fake_tell(&janus, NEWCOMER("31"));
    RUN_UNTIL(sig_loop(), janus.sub_answers == 1);
    janus.fault_on = "unsubscribe";
    janus.fault_reply = FAKE_SILENCE;
    fake_tell(&janus, GONE("unpublished", "31"));
    RUN_UNTIL(sig_loop(), fake_count(&janus, "unsubscribe") == 1);
    fake_tell(&janus, NEWCOMER("31"));
    char reply[256];
    snprintf(reply, sizeof(reply),
             "{\"janus\":\"event\",\"transaction\":\"%s\",\"sender\":22,\"plugindata\":{\"data\":{"
             "\"videoroom\":\"updated\"}}}",
             jr_member(fake_last(&janus, "unsubscribe"), "transaction"));
    fake_tell(&janus, reply);
    RUN_UNTIL(sig_loop(), janus.sub_answers == 2);
    assert_int_equal(feeds_asked(), 2);
    sig_host_leave(&host);
}

static void audio_only_asks_for_audio(void **state)
{
    janus.publishers = TWO;
    janus.string_ids = true;
    host.user.send_video = host.user.recv_video = false;
    host.user.room = "a room";
    host.user.recv_audio = true;
    jr_join("plugin=videoroom");
    json_t *body = json_object_get(fake_last(&janus, "join"), "body");
    assert_string_equal(jr_member(body, "room"), "a room");
    json_t *streams = json_object_get(body, "streams");
    assert_int_equal(json_array_size(streams), 2);
    assert_string_equal(jr_member(json_array_get(streams, 0), "mid"), "0");
    assert_string_equal(jr_member(json_array_get(streams, 1), "mid"), "a");
    body = json_object_get(fake_last(&janus, "configure"), "body");
    assert_true(json_is_false(json_object_get(body, "video")));
    sig_host_leave(&host);
}

static void only_publishing_subscribes_to_nobody(void **state)
{
    janus.publishers = TWO;
    host.user.recv_audio = host.user.recv_video = false;
    jr_join(ROOM);
    assert_int_equal(fake_count(&janus, "attach"), 1);
    sig_host_leave(&host);
}

static void a_missing_room_is_made(void **state)
{
    jr_start();
    janus.room_missing = true;
    host.user.room = "1237"; /* the run counts on from the target's */
    jr_join(ROOM "&create=1&publishers=50&secret=adm");
    json_t *body = json_object_get(fake_last(&janus, "create-room"), "body");
    assert_int_equal(json_integer_value(json_object_get(body, "room")), 1237);
    assert_int_equal(json_integer_value(json_object_get(body, "publishers")), 50);
    assert_string_equal(jr_member(body, "secret"), "adm");
    assert_int_equal(fake_count(&janus, "join"), 2);
    sig_host_leave(&host);
    jr_stop();

    jr_start();
    janus.room_missing = true;
    jr_open(ROOM);
    sig_host_expect_failure(&host, SQ_CAUSE_SIGNALING,
                            "'join of room 1234': 426 No such room (1234); create=1");
    jr_stop();
}

static void another_user_made_the_room(void **state)
{
    janus.fault_on = "create-room";
    janus.fault_reply =
        "{\"janus\":\"event\",\"transaction\":\"%T\",\"sender\":21,\"plugindata\":{\"data\":{"
        "\"error_code\":427,\"error\":\"Room 1234 already exists\"}}}";
    janus.room_missing = true;
    jr_open(ROOM "&create=1");
    RUN_UNTIL(sig_loop(), fake_count(&janus, "create-room") == 1);
    janus.room_missing = false;
    jr_wait_joined();
    sig_host_leave(&host);
}

/* ---- Publishers that left before we could subscribe ---- */

/* A viewer of TWO whose first join as subscriber got no answer yet. */
static void ask_for_two(void)
{
    janus.publishers = TWO;
    host.user.send_audio = host.user.send_video = false;
    jr_open(ROOM);
    RUN_UNTIL(sig_loop(), fake_count(&janus, "attach") == 2);
    janus.fault_on = "join";
    janus.fault_reply = FAKE_SILENCE;
    janus.fault_once = true;
    RUN_UNTIL(sig_loop(), fake_count(&janus, "join") == 2 && !janus.fault_on);
    assert_int_equal(feeds_asked(), 2);
}

static void refuse_join(const char *error)
{
    char reply[256];
    snprintf(reply, sizeof(reply),
             "{\"janus\":\"event\",\"transaction\":\"%s\",\"sender\":22,\"plugindata\":{\"data\":{"
             "\"error_code\":428,\"error\":\"%s\"}}}",
             jr_member(fake_last(&janus, "join"), "transaction"), error);
    fake_tell(&janus, reply);
}

static json_t *last_asked(const char *request)
{
    json_t *body = json_object_get(fake_last(&janus, request), "body");
    return json_object_get(body, "streams");
}

/* Janus refuses the whole list for the sake of one: the others are asked for again. */
static void a_publisher_that_left_too_early(void **state)
{
    ask_for_two();
    refuse_join("No such feed (7)");
    RUN_UNTIL(sig_loop(), fake_count(&janus, "join") == 3);
    assert_int_equal(host.joined, 0); /* the other one is not settled yet */
    jr_wait_joined();
    assert_non_null(strstr(host.notes, "428 No such feed (7)"));
    json_t *streams = last_asked("join");
    assert_int_equal(json_array_size(streams), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(streams, 0), "feed")), 8);
    assert_int_equal(janus.sub_answers, 1);
    fake_tell(&janus, NEWCOMER("31")); /* the handle has joined: a later one is added */
    RUN_UNTIL(sig_loop(), janus.sub_answers == 2);
    assert_int_equal(fake_count(&janus, "subscribe"), 1);
    sig_host_leave(&host);
}

/* The room tells of it before the refusal comes; one that is back by then is asked for again. */
static void a_publisher_that_left_while_asked_for(void **state)
{
    ask_for_two();
    fake_tell(&janus, GONE("leaving", "7"));
    fake_tell(&janus, GONE("unpublished", "8"));
    fake_tell(&janus, NEWCOMER("8"));
    refuse_join("No such mid '0' in feed (7)");
    jr_wait_joined();
    RUN_UNTIL(sig_loop(), janus.sub_answers == 1);
    json_t *streams = last_asked("join");
    assert_int_equal(fake_count(&janus, "join"), 3);
    assert_int_equal(json_array_size(streams), 1);
    assert_int_equal(json_integer_value(json_object_get(json_array_get(streams, 0), "feed")), 8);
    assert_int_equal(fake_count(&janus, "unsubscribe"), 0);
    sig_host_leave(&host);
}

/* A refusal that names none of them, and then one of the last: nothing is asked for ever. */
static void no_publisher_is_left(void **state)
{
    ask_for_two();
    refuse_join("Can't offer an SDP with no stream");
    jr_wait_joined();
    assert_int_equal(fake_count(&janus, "join"), 2);
    fake_tell(&janus, NEWCOMER("31")); /* it is subscribed to by a join */
    RUN_UNTIL(sig_loop(), janus.sub_answers == 1);
    assert_int_equal(fake_count(&janus, "join"), 3);
    sig_host_leave(&host);
}

static void room_restarts_ice(void **state)
{
    janus.publishers = TWO;
    jr_join(ROOM);
    RUN_UNTIL(sig_loop(), host.connected[0] && host.connected[1]);
    struct sq_peer *sub = sig_host_peer(&host, strcmp(host.labels[0], "sub") == 0 ? 0 : 1);
    char before[64];
    const char *ufrag;
    const char *pwd;
    sq_peer_local_ice(sub, &ufrag, &pwd);
    snprintf(before, sizeof(before), "%s", ufrag);
    assert_int_equal(host.ops->restart_ice(host.signal), 0);
    RUN_UNTIL(sig_loop(), fake_count(&janus, "configure") == 3 && janus.sub_answers == 2);
    sq_peer_local_ice(sub, &ufrag, &pwd);
    assert_string_not_equal(before, ufrag);
    RUN_UNTIL(sig_loop(), host.connected[0] && host.connected[1]);
    assert_int_equal(host.failed, 0);
    sig_host_leave(&host);
}

/* ---- Faults ---- */

#define ERROR_REPLY(code, reason)                                                                  \
    "{\"janus\":\"error\",\"transaction\":\"%T\",\"error\":{\"code\":" code                        \
    ",\"reason\":\"" reason "\"}}"
#define PLUGIN_ERROR(code, reason)                                                                 \
    "{\"janus\":\"event\",\"transaction\":\"%T\",\"sender\":21,\"plugindata\":{\"data\":{"         \
    "\"videoroom\":\"event\",\"error_code\":" code ",\"error\":\"" reason "\"}}}"
#define JSEP_REPLY(sdp)                                                                            \
    "{\"janus\":\"event\",\"transaction\":\"%T\",\"sender\":21,\"plugindata\":{\"data\":{"         \
    "\"echotest\":\"event\"}},\"jsep\":{\"type\":\"answer\",\"sdp\":\"" sdp "\"}}"

static void each_fault_is_told(void **state)
{
    static const struct {
        const char *query, *on, *reply;
        enum sq_cause cause;
        const char *part;
    } cases[] = {
        {ECHO, "create", ERROR_REPLY("403", "Unauthorized request"), SQ_CAUSE_AUTH,
         "Janus refused 'create': 403 Unauthorized request"},
        {ECHO, "attach", ERROR_REPLY("460", "No such plugin"), SQ_CAUSE_SIGNALING,
         "Janus refused 'attach': 460"},
        {ECHO, "attach", ERROR_REPLY("405", "not allowed"), SQ_CAUSE_AUTH, "405 not allowed"},
        {ECHO, "echotest", ERROR_REPLY("458", "No such session"), SQ_CAUSE_SIGNALING,
         "458 No such session; Janus has dropped the session"},
        {ECHO, "create", "{\"janus\":\"success\",\"transaction\":\"%T\"}", SQ_CAUSE_PROTOCOL,
         "session without an id"},
        {ECHO, "attach", "{\"janus\":\"success\",\"transaction\":\"%T\",\"data\":[]}",
         SQ_CAUSE_PROTOCOL, "without an id of the handle"},
        {ECHO, "create", "garbage", SQ_CAUSE_PROTOCOL, "not a JSON object"},
        {ECHO, "create", "[1]", SQ_CAUSE_PROTOCOL, "not a JSON object"},
        {ECHO, "create", "{\"janus\":7}", SQ_CAUSE_PROTOCOL, "without \"janus\""},
        {ECHO, "create", FAKE_CLOSE, SQ_CAUSE_SIGNALING,
         "closed the WebSocket in the middle of the session (code 1001: going away)"},
        {ECHO, "echotest", FAKE_CLOSE, SQ_CAUSE_SIGNALING, "code 1001"},
        {ECHO, "create", FAKE_SILENCE, SQ_CAUSE_TIMEOUT, "did not answer 'create' within"},
        {ECHO, "echotest", FAKE_SILENCE, SQ_CAUSE_TIMEOUT, "did not answer 'message' within"},
        {ECHO, "echotest", JSEP_REPLY("garbage"), SQ_CAUSE_PROTOCOL,
         "Janus' answer is of no use: SDP line 1"},
        {ECHO, "echotest", "{\"janus\":\"event\",\"transaction\":\"%T\",\"sender\":21}",
         SQ_CAUSE_PROTOCOL, "without an SDP answer"},
        {ECHO, "echotest", PLUGIN_ERROR("411", "no way"), SQ_CAUSE_SIGNALING,
         "plug-in refused 'echotest': 411 no way"},
        {ECHO, "echotest", "{\"janus\":\"hangup\",\"sender\":21,\"reason\":\"ICE failed\"}",
         SQ_CAUSE_ICE, "Janus hung up the peer connection (echo): ICE failed"},
        {ECHO, "echotest", "{\"janus\":\"hangup\",\"sender\":21,\"reason\":\"DTLS alert\"}",
         SQ_CAUSE_DTLS, "DTLS alert"},
        {ECHO, "echotest", "{\"janus\":\"detached\",\"sender\":21}", SQ_CAUSE_SIGNALING,
         "detached the handle (echo)"},
        {ECHO, "echotest", "{\"janus\":\"timeout\",\"session_id\":11}", SQ_CAUSE_SIGNALING,
         "dropped the session"},
        {ECHO, "echotest", "{\"janus\":\"error\",\"error\":{\"code\":490,\"reason\":\"what\"}}",
         SQ_CAUSE_SIGNALING, "490 what"},
        {ROOM, "join", PLUGIN_ERROR("433", "Unauthorized (wrong pin)"), SQ_CAUSE_AUTH,
         "433 Unauthorized (wrong pin)"},
        {ROOM, "join", PLUGIN_ERROR("429", "Missing mandatory element (pin)"), SQ_CAUSE_AUTH,
         "element (pin)"},
        {ROOM, "join",
         PLUGIN_ERROR("430", "Invalid element type (room should be a positive integer)"),
         SQ_CAUSE_SIGNALING, "room=NUMBER"},
        {ROOM, "join",
         "{\"janus\":\"event\",\"transaction\":\"%T\",\"sender\":21,\"plugindata\":{\"data\":{"
         "\"videoroom\":\"event\"}}}",
         SQ_CAUSE_PROTOCOL, "answered 'join' with 'event'"},
        {ROOM, "configure", PLUGIN_ERROR("432", "Maximum number of publishers reached"),
         SQ_CAUSE_SIGNALING, "432 Maximum"},
        {ROOM, "configure",
         "{\"janus\":\"event\",\"sender\":21,\"plugindata\":{\"data\":{\"videoroom\":\"destroyed\"}"
         "}}",
         SQ_CAUSE_SIGNALING, "room was destroyed"},
        {ROOM, "configure",
         "{\"janus\":\"event\",\"sender\":21,\"plugindata\":{\"data\":{\"videoroom\":\"event\","
         "\"leaving\":\"ok\",\"reason\":\"kicked\"}}}",
         SQ_CAUSE_SIGNALING, "out of the room: kicked"},
        {ROOM, "start", ERROR_REPLY("456", "JSON error"), SQ_CAUSE_SIGNALING,
         "refused 'start': 456"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        jr_start();
        janus.publishers = TWO;
        janus.fault_on = cases[i].on;
        janus.fault_reply = cases[i].reply;
        host.user.timeout_ns =
            cases[i].cause == SQ_CAUSE_TIMEOUT ? 60 * SQ_NS_PER_MS : host.user.timeout_ns;
        jr_open(cases[i].query);
        sig_host_expect_failure(&host, cases[i].cause, cases[i].part);
        assert_int_equal(host.joined, 0);
        jr_stop();
    }
}

static void the_upgrade_is_refused(void **state)
{
    jr_start();
    janus.refuse_upgrade = true;
    jr_open(ECHO);
    sig_host_expect_failure(&host, SQ_CAUSE_AUTH, "403: not for you");
    jr_stop();
    jr_start();
    janus.no_subprotocol = true;
    jr_open(ECHO);
    sig_host_expect_failure(&host, SQ_CAUSE_PROTOCOL, "janus-protocol");
    jr_stop();
    jr_start();
    sq_httpd_free(janus.httpd);
    janus.httpd = NULL;
    jr_open(ECHO);
    sig_host_expect_failure(&host, SQ_CAUSE_CONNECT, "refused");
    jr_stop();
}

static void lost_in_the_middle(void **state)
{
    jr_join(ECHO);
    RUN_UNTIL(sig_loop(), host.connected[0]);
    fake_tell(&janus, "{\"janus\":\"hangup\",\"sender\":21,\"reason\":\"DTLS alert\"}");
    sig_host_expect_failure(&host, SQ_CAUSE_MEDIA_LOST, "hung up");
}

static void leaving_does_not_wait_for_ever(void **state)
{
    jr_start();
    janus.fault_on = "destroy";
    janus.fault_reply = FAKE_SILENCE;
    jr_join(ECHO);
    host.user.timeout_ns = 60 * SQ_NS_PER_MS;
    sig_host_leave(&host);
    jr_stop();
    /* before it is even open */
    jr_start();
    jr_open(ECHO);
    sig_host_leave(&host);
    jr_stop();
    /* and when the server answers an error, or closes instead */
    for (int i = 0; i < 2; i++) {
        jr_start();
        janus.fault_on = "destroy";
        janus.fault_reply = i ? FAKE_CLOSE : ERROR_REPLY("458", "No such session");
        jr_open(ROOM);
        jr_wait_joined();
        sig_host_leave(&host);
        jr_stop();
    }
}

static void destroyed_at_any_time(void **state)
{
    for (int rounds = 0; rounds < 25; rounds++) {
        jr_start();
        janus.publishers = TWO;
        jr_open(ROOM);
        for (int i = 0; i < rounds; i++) {
            assert_int_equal(sq_loop_run_once(sig_loop(), SQ_NS_PER_MS), 0);
        }
        jr_stop();
    }
}

static void parameters_are_checked(void **state)
{
    static const struct {
        const char *query, *part;
    } cases[] = {
        {"", "plug-in is missing"},
        {"plugin=audiobridge", "'audiobridge' is not supported"},
        {"plugin=videoroom&rooms=1", "unknown parameter 'rooms'"},
        {"plugin=videoroom&create=yes", "create=yes"},
        {"plugin=videoroom&room=", "room= is empty"},
        {"plugin=videoroom&publishers=many", "publishers=many"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_target target;
        char why[SQ_PEER_TEXT_MAX] = "";
        char url[128];
        snprintf(url, sizeof(url), "janus+ws://h/?%s", cases[i].query);
        assert_int_equal(sq_target_parse(url, &target, why, sizeof(why)), 0);
        assert_true(sq_signal_janus.check(&target, why) != 0);
        assert_non_null(strstr(why, cases[i].part));
        sq_target_free(&target);
    }
    assert_ptr_equal(sq_signal_find("janus+wss"), &sq_signal_janus);
    assert_string_equal(sq_signal_find("whep+https")->name, "whep");
    assert_null(sq_signal_find("janus"));
}

static void an_echo_of_nothing(void **state)
{
    jr_start();
    host.user.send_audio = host.user.send_video = false;
    jr_open(ECHO);
    sig_host_expect_failure(&host, SQ_CAUSE_PROTOCOL, "this user sends nothing");
    jr_stop();
    jr_start();
    host.refuse_peers = true;
    jr_open(ECHO);
    sig_host_expect_failure(&host, SQ_CAUSE_PROTOCOL, "no sockets");
    jr_stop();
}

static void without_memory(void **state)
{
    bool clean = false;
    size_t nth = 0;
    while (!clean) {
        jr_start();
        char url[256];
        snprintf(url, sizeof(url), "%s?" ROOM, janus.url);
        janus.publishers = TWO;
        janus.lenient = true;
        host.user.timeout_ns = 500 * SQ_NS_PER_MS;
        sq_mem_fail_at(++nth);
        int err = sig_host_try(&host, url);
        for (int i = 0; i < 4000 && !err && !host.joined && !sig_host_over(&host); i++) {
            int ran = sq_loop_run_once(sig_loop(), SQ_NS_PER_MS);
            (void)ran;
        }
        clean = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        assert_true(err || host.joined + host.failed == 1);
        jr_stop();
        assert_true(nth < 6000);
    }
    assert_true(nth > 100);
    assert_int_equal(host.failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        WITH_JANUS(echotest),
        WITH_JANUS(echo_restarts_ice),
        WITH_JANUS(a_room_of_one),
        WITH_JANUS(publishes_and_subscribes),
        WITH_JANUS(a_subscriber_opens_a_channel),
        WITH_JANUS(no_channel_where_none_is_offered),
        WITH_JANUS(publishers_come_and_go_one_change_at_a_time),
        WITH_JANUS(a_publisher_told_again_is_not_a_new_one),
        WITH_JANUS(a_publisher_comes_back_at_once),
        WITH_JANUS(audio_only_asks_for_audio),
        WITH_JANUS(only_publishing_subscribes_to_nobody),
        cmocka_unit_test(a_missing_room_is_made),
        WITH_JANUS(another_user_made_the_room),
        WITH_JANUS(a_publisher_that_left_too_early),
        WITH_JANUS(a_publisher_that_left_while_asked_for),
        WITH_JANUS(no_publisher_is_left),
        WITH_JANUS(room_restarts_ice),
        cmocka_unit_test(each_fault_is_told),
        cmocka_unit_test(the_upgrade_is_refused),
        WITH_JANUS(lost_in_the_middle),
        cmocka_unit_test(leaving_does_not_wait_for_ever),
        cmocka_unit_test(destroyed_at_any_time),
        cmocka_unit_test(parameters_are_checked),
        cmocka_unit_test(an_echo_of_nothing),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, sig_setup, sig_teardown);
}
