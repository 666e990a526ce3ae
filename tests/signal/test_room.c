/* The room adapter against a server of a few lines, one fault at a time. */
#include "base/mem.h"
#include "net/httpd.h"
#include "signal/host.h"
#include "signal/room/room.h"
#include "signal/room/room_proto.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define CLOSE   "close"
#define SILENCE "silent"

static struct sig_host host;

static struct {
    struct sq_httpd *httpd;
    struct sq_ws *ws;
    char url[128];
    int refuse; /* the upgrade, with this status */
    bool no_subprotocol;
    const char *on_join, *on_answer, *on_leave; /* in the place of the right thing */
    bool binary;                                /* … as a binary message */
    bool lenient;                               /* without memory: closes */
    struct sq_endpoint *far;
    bool client_sends, client_receives; /* what the join said */
    char room[80], name[80], token[80];
    unsigned joins, answers, leaves, candidates, ends, restarts;
    bool answer_complete; /* the last answer has end-of-candidates */
    bool ended;
} fake;

/* ---- The server ---- */

static void tell(const char *text)
{
    int err = !fake.ws      ? SQ_ERR_STATE
              : fake.binary ? sq_ws_send_binary(fake.ws, text, strlen(text))
                            : sq_ws_send_text(fake.ws, text, strlen(text));
    assert_true(!err || fake.lenient);
}

static void tell_msg(const struct sq_room_msg *msg)
{
    char *text = sq_room_write(msg);
    assert_true(text || fake.lenient);
    if (text) {
        tell(text);
    } else {
        sq_ws_close(fake.ws, 1011, NULL);
    }
    sq_free(text);
}

static bool fault(const char *reply)
{
    if (!reply) {
        return false;
    }
    if (strcmp(reply, CLOSE) == 0) {
        sq_ws_close(fake.ws, 1001, "going away");
    } else if (strcmp(reply, SILENCE) != 0) {
        tell(reply);
    }
    return true;
}

static int make_far(void)
{
    fake.far = sig_far_new();
    if (!fake.far) {
        return SQ_ERR_NOMEM;
    }
    struct sq_peer *peer = sq_endpoint_peer(fake.far);
    int err = 0;
    for (int kind = SQ_MEDIA_AUDIO; kind <= SQ_MEDIA_VIDEO; kind++) {
        if (!err && fake.client_sends) {
            err = sq_peer_add_track(peer, (enum sq_media_kind)kind, SQ_DIR_RECVONLY, NULL, NULL);
        }
        if (!err && fake.client_receives) {
            err = sq_peer_add_track(peer, (enum sq_media_kind)kind, SQ_DIR_SENDONLY, sig_clip(),
                                    NULL);
        }
    }
    return err;
}

static void offer(uint32_t seq, bool restart)
{
    char why[SQ_PEER_TEXT_MAX];
    char *sdp = NULL;
    int err = fake.far ? 0 : make_far();
    err = err ? err
              : sq_peer_create_offer(sq_endpoint_peer(fake.far), sq_loop_now(sig_loop()), restart,
                                     &sdp, why);
    assert_true(!err || fake.lenient);
    if (err) {
        sq_ws_close(fake.ws, 1011, NULL);
        return;
    }
    tell_msg(&(struct sq_room_msg){.type = SQ_ROOM_OFFER, .sdp = sdp, .seq = seq});
    sq_free(sdp);
}

static void on_join(const struct sq_room_msg *msg)
{
    fake.joins++;
    fake.client_sends = msg->publish_audio || msg->publish_video;
    fake.client_receives = msg->subscribe;
    snprintf(fake.room, sizeof(fake.room), "%s", msg->room);
    snprintf(fake.name, sizeof(fake.name), "%s", msg->name);
    snprintf(fake.token, sizeof(fake.token), "%s", msg->token);
    if (!fault(fake.on_join)) {
        tell_msg(&(struct sq_room_msg){.type = SQ_ROOM_JOINED, .id = "p1"});
        offer(1, false);
    }
}

static void on_answer(const struct sq_room_msg *msg)
{
    char why[SQ_PEER_TEXT_MAX];
    fake.answers++;
    fake.answer_complete = strstr(msg->sdp, "a=end-of-candidates") != NULL;
    assert_int_equal(msg->seq, fake.answers);
    int err = sq_peer_set_remote(sq_endpoint_peer(fake.far), sq_loop_now(sig_loop()), SQ_SDP_ANSWER,
                                 msg->sdp, why);
    if (err && !fake.lenient) {
        fail_msg("%s in %s", why, msg->sdp);
    }
    (void)fault(fake.on_answer);
}

static void on_message(void *ctx, const char *text, size_t len, bool is_text)
{
    struct sq_room_msg msg;
    char why[SQ_ROOM_WHY_MAX];
    (void)ctx;
    assert_true(is_text);
    if (sq_room_parse(text, len, &msg, why) != 0) {
        assert_true(fake.lenient);
        sq_ws_close(fake.ws, 1011, NULL);
        return;
    }
    switch (msg.type) {
    case SQ_ROOM_JOIN:
        on_join(&msg);
        break;
    case SQ_ROOM_ANSWER:
        on_answer(&msg);
        break;
    case SQ_ROOM_CANDIDATE:
        fake.candidates++;
        fake.ends += msg.candidate[0] == '\0';
        break;
    case SQ_ROOM_RESTART:
        fake.restarts++;
        offer(fake.answers + 1, true);
        break;
    case SQ_ROOM_LEAVE:
        fake.leaves++;
        if (!fault(fake.on_leave)) {
            tell_msg(&(struct sq_room_msg){.type = SQ_ROOM_LEFT});
        }
        break;
    default:
        fail_msg("a client sent %s", sq_room_type_name(msg.type));
    }
    sq_room_msg_free(&msg);
}

static void on_end(void *ctx, const struct sq_ws_end *end)
{
    (void)ctx;
    (void)end;
    fake.ended = true;
    sq_ws_free(fake.ws);
    fake.ws = NULL;
}

static void on_upgraded(void *ctx, struct sq_ws *ws)
{
    static const struct sq_ws_events events = {.on_message = on_message, .on_end = on_end};
    (void)ctx;
    fake.ws = ws;
    if (ws) {
        sq_ws_set_events(ws, &events, NULL);
    }
}

static void on_request(void *ctx, struct sq_httpd_request *request)
{
    (void)ctx;
    if (fake.refuse) {
        (void)sq_httpd_reply(request, fake.refuse, NULL, "not you", 7);
        return;
    }
    assert_string_equal(sq_httpd_header(request, "Sec-WebSocket-Protocol"), SQ_ROOM_SUBPROTOCOL);
    (void)sq_httpd_upgrade(request, fake.no_subprotocol ? NULL : SQ_ROOM_SUBPROTOCOL, NULL,
                           on_upgraded, NULL);
}

static void start(void)
{
    struct sq_httpd_options options = {0};
    memset(&fake, 0, sizeof(fake));
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &options.listen), 0);
    assert_int_equal(sq_httpd_new(sig_loop(), &options, on_request, NULL, &fake.httpd), 0);
    struct sq_addr local = sq_httpd_local(fake.httpd);
    snprintf(fake.url, sizeof(fake.url), "room+ws://127.0.0.1:%u/room", sq_addr_port(&local));
    sig_host_init(&host);
    host.user.room = "r1";
}

static void stop(void)
{
    sig_host_close(&host);
    sq_ws_free(fake.ws);
    sq_endpoint_close(fake.far);
    sq_httpd_free(fake.httpd);
    fake.ws = NULL;
    fake.httpd = NULL;
    fake.far = NULL;
    assert_int_equal(host.after, 0);
    assert_int_equal(sq_loop_run_once(sig_loop(), 0), 0);
}

#define UNTIL(cond)                                                                                \
    do {                                                                                           \
        uint64_t give_up_ = sq_clock_ns() + 20 * SQ_NS_PER_SEC;                                    \
        while (!(cond)) {                                                                          \
            if (sq_clock_ns() > give_up_) {                                                        \
                fail_msg("never came true: %s; %s %s", #cond, host.text, host.notes);              \
            }                                                                                      \
            assert_int_equal(sq_loop_run_once(sig_loop(), 10 * SQ_NS_PER_MS), 0);                  \
        }                                                                                          \
    } while (0)

/* ---- What goes well ---- */

static void joins_talks_and_leaves(void **state)
{
    (void)state;
    start();
    host.user.name = "Ann";
    host.user.token = "t";
    sig_host_open(&host, fake.url);
    UNTIL(host.joined && sig_has_media(sig_host_peer(&host, 0)) &&
          sig_has_media(sq_endpoint_peer(fake.far)));
    assert_string_equal(host.labels[0], "room");
    assert_string_equal(fake.room, "r1");
    assert_string_equal(fake.name, "Ann");
    assert_string_equal(fake.token, "t");
    assert_int_equal(host.phases_told & 1U << SQ_PHASE_SIGNALING, 1U << SQ_PHASE_SIGNALING);
    assert_int_equal(host.phases_told & 1U << SQ_PHASE_TLS, 0);
    assert_int_equal(sq_peer_track_count(sig_host_peer(&host, 0)), 4);
    assert_int_equal(host.peers_len, 1);
    sq_signal_room.leave(host.signal);
    UNTIL(host.left);
    assert_int_equal(fake.leaves, 1);
    assert_int_equal(host.joined, 1);
    assert_int_equal(host.failed, 0);
    stop();
}

static void later_offers_are_answered(void **state)
{
    (void)state;
    start();
    sig_host_open(&host, fake.url);
    UNTIL(host.joined && fake.answers && sig_has_media(sig_host_peer(&host, 0)));
    offer(2, false);
    UNTIL(fake.answers == 2);
    assert_int_equal(sq_signal_room.restart_ice(host.signal), 0);
    UNTIL(fake.restarts == 1 && fake.answers == 3);
    uint64_t packets;
    struct sq_inbound_stats in;
    sq_track_inbound_stats(sq_peer_track(sig_host_peer(&host, 0), 1), sq_loop_now(sig_loop()), &in);
    packets = in.packets_received;
    UNTIL((sq_track_inbound_stats(sq_peer_track(sig_host_peer(&host, 0), 1),
                                  sq_loop_now(sig_loop()), &in),
           in.packets_received > packets + 10));
    assert_int_equal(host.joined, 1); /* told once */
    assert_int_equal(host.failed, 0);
    stop();
}

static void without_trickle_the_answer_is_complete(void **state)
{
    (void)state;
    start();
    host.user.trickle = false;
    sig_host_open(&host, fake.url);
    UNTIL(host.joined && fake.answers);
    assert_true(fake.answer_complete);
    UNTIL(sig_has_media(sig_host_peer(&host, 0)));
    assert_int_equal(fake.candidates, 0);
    stop();
}

static void what_is_of_no_use_is_passed_over(void **state)
{
    (void)state;
    start();
    sig_host_open(&host, fake.url);
    UNTIL(host.joined && fake.answers);
    tell("{\"type\":\"weather\",\"sun\":1}");
    tell("{\"type\":\"candidate\",\"candidate\":\"candidate:garbage\"}");
    tell("{\"type\":\"candidate\",\"candidate\":\"\"}");
    tell("{\"type\":\"joined\",\"id\":\"again\"}");
    offer(2, false);
    UNTIL(fake.answers == 2);
    assert_int_equal(host.failed, 0);
    stop();
}

/* ---- What goes wrong ---- */

static void expect_failure(enum sq_cause cause, const char *say)
{
    sig_host_expect_failure(&host, cause, say);
    stop();
}

static void faults_are_told(void **state)
{
    (void)state;
    static const struct {
        const char *on_join, *on_answer;
        enum sq_cause cause;
        const char *say;
    } cases[] = {
        {"{\"type\":\"error\",\"code\":\"auth\",\"text\":\"who are you?\"}", NULL, SQ_CAUSE_AUTH,
         "who are you?"},
        {"{\"type\":\"error\",\"code\":\"full\",\"text\":\"no place\"}", NULL, SQ_CAUSE_SIGNALING,
         "no place"},
        {"{\"type\":\"error\",\"code\":\"protocol\"}", NULL, SQ_CAUSE_PROTOCOL, "protocol"},
        {CLOSE, NULL, SQ_CAUSE_SIGNALING, "code 1001: going away"},
        {SILENCE, NULL, SQ_CAUSE_TIMEOUT, "\"joined\""},
        {"{\"type\":\"joined\",\"id\":\"p\"}", NULL, SQ_CAUSE_TIMEOUT, "an offer"},
        {"hello", NULL, SQ_CAUSE_PROTOCOL, "not JSON"},
        {"{\"type\":\"joined\"}", NULL, SQ_CAUSE_PROTOCOL, "\"id\""},
        {"{\"type\":\"left\"}", NULL, SQ_CAUSE_SIGNALING, "ended the session"},
        {"{\"type\":\"join\",\"room\":\"r\"}", NULL, SQ_CAUSE_PROTOCOL, "only clients"},
        {NULL, CLOSE, SQ_CAUSE_SIGNALING, "closed the WebSocket"},
        {NULL, "{\"type\":\"offer\",\"seq\":2,\"sdp\":\"nonsense\"}", SQ_CAUSE_PROTOCOL,
         "SDP line 1"},
        {NULL, "{\"type\":\"error\",\"code\":\"media\",\"text\":\"bad answer\"}",
         SQ_CAUSE_SIGNALING, "bad answer"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        start();
        fake.on_join = cases[i].on_join;
        fake.on_answer = cases[i].on_answer;
        host.user.timeout_ns = 300 * SQ_NS_PER_MS;
        sig_host_open(&host, fake.url);
        expect_failure(cases[i].cause, cases[i].say);
    }
}

static void other_faults_are_told(void **state)
{
    (void)state;
    start();
    fake.refuse = 403;
    sig_host_open(&host, fake.url);
    expect_failure(SQ_CAUSE_AUTH, "403");
    start();
    fake.refuse = 500;
    sig_host_open(&host, fake.url);
    expect_failure(SQ_CAUSE_SIGNALING, "500");
    start();
    fake.no_subprotocol = true;
    sig_host_open(&host, fake.url);
    expect_failure(SQ_CAUSE_PROTOCOL, "squall-room");
    start();
    fake.binary = true;
    sig_host_open(&host, fake.url);
    expect_failure(SQ_CAUSE_PROTOCOL, "binary");
    start();
    host.refuse_peers = true;
    sig_host_open(&host, fake.url);
    expect_failure(SQ_CAUSE_SIGNALING, "peer connection");
    start();
    sig_host_open(&host, "room+ws://127.0.0.1:1/");
    expect_failure(SQ_CAUSE_CONNECT, "127.0.0.1:1");
    start();
    host.user.ca_file = "/nowhere/ca.pem";
    sig_host_open(&host, "room+wss://127.0.0.1:1/");
    expect_failure(SQ_CAUSE_TLS, "/nowhere/ca.pem");
}

static void leaving_ends_in_any_case(void **state)
{
    (void)state;
    static const char *const replies[] = {CLOSE, "{\"type\":\"error\",\"code\":\"internal\"}",
                                          "{\"type\":\"offer\",\"seq\":9,\"sdp\":\"late\"}"};
    for (size_t i = 0; i < 3; i++) {
        start();
        fake.on_leave = replies[i];
        sig_host_open(&host, fake.url);
        UNTIL(host.joined);
        sq_signal_room.leave(host.signal);
        sq_signal_room.leave(host.signal); /* twice does no harm */
        UNTIL(host.left);
        assert_int_equal(host.failed, 0);
        stop();
    }
    start(); /* before there was anything to leave */
    sig_host_open(&host, fake.url);
    sq_signal_room.leave(host.signal);
    UNTIL(host.left);
    stop();
}

static void may_be_destroyed_at_any_time(void **state)
{
    (void)state;
    for (unsigned rounds = 0; rounds < 40; rounds++) {
        start();
        sig_host_open(&host, fake.url);
        for (unsigned i = 0; i < rounds / 2; i++) {
            assert_int_equal(sq_loop_run_once(sig_loop(), SQ_NS_PER_MS), 0);
        }
        stop();
    }
}

static void without_memory(void **state)
{
    (void)state;
    bool clean = false;
    size_t nth = 0;
    while (!clean) {
        start();
        fake.lenient = true;
        host.user.timeout_ns = 500 * SQ_NS_PER_MS;
        sq_mem_fail_at(++nth);
        int err = sig_host_try(&host, fake.url);
        for (int i = 0; i < 4000 && !err && !host.joined && !sig_host_over(&host); i++) {
            int ran = sq_loop_run_once(sig_loop(), SQ_NS_PER_MS);
            (void)ran;
        }
        clean = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        /* The server may run short after the client has joined. */
        assert_true(err ||
                    (host.joined + host.failed >= 1 && host.joined <= 1 && host.failed <= 1));
        stop();
        assert_true(nth < 4000);
    }
    assert_true(nth > 50);
    assert_int_equal(host.failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joins_talks_and_leaves),
        cmocka_unit_test(later_offers_are_answered),
        cmocka_unit_test(without_trickle_the_answer_is_complete),
        cmocka_unit_test(what_is_of_no_use_is_passed_over),
        cmocka_unit_test(faults_are_told),
        cmocka_unit_test(other_faults_are_told),
        cmocka_unit_test(leaving_ends_in_any_case),
        cmocka_unit_test(may_be_destroyed_at_any_time),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, sig_setup, sig_teardown);
}
