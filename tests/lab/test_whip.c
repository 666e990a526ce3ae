/* WHIP, WHEP and the plain pages of the lab, with real loops and sockets on loopback. */
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "lab/rig.h"
#include "net/certs.h"
#include "peer/stun/stun.h"
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define SDP  "application/sdp"
#define FRAG "application/trickle-ice-sdpfrag"

/* A WHIP or WHEP client by hand. */
struct session {
    struct sq_endpoint *endpoint;
    struct sq_peer *peer;
    bool connected, failed;
    char url[512]; /* of the session */
    char etag[32];
};

static void on_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    struct session *s = ctx;
    (void)endpoint;
    if (event->type == SQ_PEER_EV_STATE) {
        s->connected = event->state == SQ_PEER_CONNECTED;
        s->failed = event->state == SQ_PEER_FAILED;
    }
}

static const struct sq_endpoint_ops ops = {.event = on_event};

static char *make_offer(struct session *s, enum sq_direction direction)
{
    const struct sq_peer_config config = {0};
    char *sdp = NULL;
    char why[SQ_PEER_TEXT_MAX];
    bool sends = direction & SQ_DIR_SENDONLY;
    *s = (struct session){0};
    assert_int_equal(sq_endpoint_create(rig_carrier, &config, NULL, &ops, s, &s->endpoint), 0);
    s->peer = sq_endpoint_peer(s->endpoint);
    assert_int_equal(
        sq_peer_add_track(s->peer, SQ_MEDIA_AUDIO, direction, sends ? rig_clip : NULL, NULL), 0);
    assert_int_equal(
        sq_peer_add_track(s->peer, SQ_MEDIA_VIDEO, direction, sends ? rig_clip : NULL, NULL), 0);
    if (sq_peer_create_offer(s->peer, sq_loop_now(rig_loop), false, &sdp, why) != 0) {
        fail_msg("%s", why);
    }
    return sdp;
}

static char *url_of(enum sq_lab_url which, const char *tail)
{
    return sq_strdup(rig_url(which, tail));
}

static struct reply post(struct session *s, const char *url, enum sq_direction direction)
{
    char why[SQ_PEER_TEXT_MAX];
    char *offer = make_offer(s, direction);
    struct reply r = rig_http("POST", url, SDP, offer, NULL);
    sq_free(offer);
    if (r.status == 201) {
        assert_string_equal(r.type, SDP);
        assert_string_equal(r.patch, FRAG);
        assert_non_null(strstr(r.expose, "Location"));
        assert_true(strlen(r.etag) > 2);
        char *absolute = sq_url_resolve(url, r.location);
        snprintf(s->url, sizeof(s->url), "%s", absolute);
        snprintf(s->etag, sizeof(s->etag), "%s", r.etag);
        sq_free(absolute);
        if (sq_peer_set_remote(s->peer, sq_loop_now(rig_loop), SQ_SDP_ANSWER, r.body, why) != 0) {
            fail_msg("%s in %s", why, r.body);
        }
    }
    return r;
}

static void start(struct session *s, enum sq_lab_url which, const char *stream,
                  enum sq_direction direction)
{
    char *url = url_of(which, stream);
    struct reply r = post(s, url, direction);
    if (r.status != 201) {
        fail_msg("%d: %s", r.status, r.body);
    }
    reply_free(&r);
    sq_free(url);
}

static int request(struct session *s, const char *method, const char *type, const char *body,
                   const char *if_match, struct reply *ret_reply)
{
    char line[80];
    const char *const headers[] = {line, NULL};
    snprintf(line, sizeof(line), "If-Match: %s", if_match ? if_match : "");
    struct reply r = rig_http(method, s->url, type, body, if_match ? headers : NULL);
    int status = r.status;
    if (ret_reply) {
        *ret_reply = r;
    } else {
        reply_free(&r);
    }
    return status;
}

static struct sq_inbound_stats hears(const struct session *s, size_t track)
{
    struct sq_inbound_stats in;
    sq_track_inbound_stats(sq_peer_track(s->peer, track), sq_loop_now(rig_loop), &in);
    return in;
}

static void the_echo_gives_back(void **state)
{
    (void)state;
    struct session s;
    start(&s, SQ_LAB_URL_WHIP, "echo", SQ_DIR_SENDRECV);
    RIG_UNTIL(hears(&s, 1).frames_decoded > 10 && hears(&s, 0).packets_received > 20);
    assert_int_equal(hears(&s, 1).packets_lost, 0);
    assert_int_equal(hears(&s, 1).key_frames_decoded, 1);
    struct sq_transport_stats t;
    sq_peer_transport_stats(s.peer, &t);
    assert_string_equal(t.dtls_role, "client");
    assert_int_equal(request(&s, "DELETE", NULL, NULL, NULL, NULL), 200);
    assert_int_equal(request(&s, "DELETE", NULL, NULL, NULL, NULL), 404);
    assert_int_equal(rig_stat("participants"), 0);
    sq_endpoint_close(s.endpoint);
}

static void what_is_published_can_be_watched(void **state)
{
    (void)state;
    struct session pub, viewer, early;
    struct person guest;
    char *whep = url_of(SQ_LAB_URL_WHEP, "show");
    struct reply r = post(&early, whep, SQ_DIR_RECVONLY);
    assert_int_equal(r.status, 409); /* nothing there yet */
    assert_true(r.retry[0] != '\0');
    reply_free(&r);
    sq_endpoint_close(early.endpoint);

    start(&pub, SQ_LAB_URL_WHIP, "show", SQ_DIR_SENDONLY);
    RIG_UNTIL(pub.connected);
    person_come(&guest, "show", "Guest", false, true);
    RIG_UNTIL(person_hears(&guest, SQ_MEDIA_VIDEO).frames > 3);
    start(&viewer, SQ_LAB_URL_WHEP, "show", SQ_DIR_RECVONLY);
    RIG_UNTIL(hears(&viewer, 1).frames_decoded > 10 && hears(&viewer, 0).packets_received > 10);
    assert_int_equal(hears(&viewer, 1).packets_lost, 0);

    /* The publisher goes and comes back: the viewer's session goes on. */
    assert_int_equal(request(&pub, "DELETE", NULL, NULL, NULL, NULL), 200);
    sq_endpoint_close(pub.endpoint);
    start(&pub, SQ_LAB_URL_WHIP, "show", SQ_DIR_SENDONLY);
    uint64_t frames = hears(&viewer, 1).frames_decoded;
    RIG_UNTIL(hears(&viewer, 1).frames_decoded > frames + 10);
    assert_int_equal(hears(&viewer, 1).packets_lost, 0);
    assert_int_equal(request(&viewer, "DELETE", NULL, NULL, NULL, NULL), 200);
    sq_endpoint_close(viewer.endpoint);
    sq_endpoint_close(pub.endpoint);
    person_free(&guest);
    sq_free(whep);
}

static void candidates_trickle_in(void **state)
{
    (void)state;
    struct session s;
    struct reply r;
    char body[256];
    const char *ufrag, *pwd;
    start(&s, SQ_LAB_URL_WHIP, "t", SQ_DIR_SENDONLY);
    sq_peer_local_ice(s.peer, &ufrag, &pwd);
    snprintf(body, sizeof(body),
             "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
             "a=candidate:1 1 udp 2130706431 127.0.0.1 9 typ host\r\na=end-of-candidates\r\n",
             ufrag, pwd);
    assert_int_equal(request(&s, "PATCH", FRAG, body, s.etag, NULL), 204);
    assert_int_equal(request(&s, "PATCH", FRAG, body, "\"99\"", NULL), 412);
    assert_int_equal(request(&s, "PATCH", FRAG, body, NULL, NULL), 428);
    assert_int_equal(request(&s, "PATCH", SDP, body, s.etag, &r), 415);
    assert_string_equal(r.patch, FRAG);
    reply_free(&r);
    assert_int_equal(request(&s, "PATCH", FRAG, "nonsense\r\n", s.etag, NULL), 400);
    assert_int_equal(request(&s, "GET", NULL, NULL, NULL, &r), 405);
    assert_non_null(strstr(r.allow, "PATCH"));
    reply_free(&r);
    RIG_UNTIL(s.connected);
    sq_endpoint_close(s.endpoint);
}

static void view_line(const char *body, const char *prefix, char *out, size_t room)
{
    const char *at = strstr(body, prefix);
    assert_non_null(at);
    at += strlen(prefix);
    snprintf(out, room, "%.*s", (int)strcspn(at, "\r\n"), at);
}

/* Makes the answer that a restart's fragment stands for, out of the first one. */
static void replace_line(char *sdp, size_t room, const char *prefix, const char *value)
{
    struct sq_buf b = {0};
    const char *at = sdp;
    for (const char *hit; (hit = strstr(at, prefix)) != NULL;) {
        sq_buf_add(&b, at, (size_t)(hit - at));
        sq_buf_printf(&b, "%s%s", prefix, value);
        at = hit + strcspn(hit, "\r\n");
    }
    sq_buf_puts(&b, at);
    snprintf(sdp, room, "%s", b.text);
    sq_buf_free(&b);
}

static void ice_restarts_by_patch(void **state)
{
    (void)state;
    struct session s;
    struct reply r;
    char body[512], text[256], why[SQ_PEER_TEXT_MAX];
    static char answer[16384];
    const char *ufrag, *pwd;
    char *url = url_of(SQ_LAB_URL_WHIP, "echo");
    r = post(&s, url, SQ_DIR_SENDRECV);
    assert_int_equal(r.status, 201);
    snprintf(answer, sizeof(answer), "%s", r.body);
    reply_free(&r);
    RIG_UNTIL(hears(&s, 1).frames_decoded > 5);
    assert_int_equal(request(&s, "PATCH", FRAG, "a=ice-ufrag:abcd\r\n", "*", NULL), 400);

    char *offer = NULL;
    assert_int_equal(sq_peer_create_offer(s.peer, sq_loop_now(rig_loop), true, &offer, why), 0);
    sq_peer_local_ice(s.peer, &ufrag, &pwd);
    view_line(offer, "a=candidate:", text, sizeof(text));
    snprintf(body, sizeof(body),
             "a=ice-ufrag:%s\r\na=ice-pwd:%s\r\nm=audio 9 UDP/TLS/RTP/SAVPF 0\r\na=mid:0\r\n"
             "a=candidate:%s\r\n",
             ufrag, pwd, text);
    sq_free(offer);
    assert_int_equal(request(&s, "PATCH", FRAG, body, "*", &r), 200);
    assert_string_equal(r.type, FRAG);
    assert_string_not_equal(r.etag, s.etag);
    char old[64];
    view_line(answer, "a=ice-ufrag:", old, sizeof(old));
    view_line(r.body, "a=ice-ufrag:", text, sizeof(text));
    assert_string_not_equal(text, old);
    replace_line(answer, sizeof(answer), "a=ice-ufrag:", text);
    view_line(r.body, "a=ice-pwd:", text, sizeof(text));
    replace_line(answer, sizeof(answer), "a=ice-pwd:", text);
    assert_non_null(strstr(r.body, "a=candidate:"));
    assert_non_null(strstr(r.body, "m=audio"));
    assert_null(strstr(r.body, "m=video"));
    if (sq_peer_set_remote(s.peer, sq_loop_now(rig_loop), SQ_SDP_ANSWER, answer, why) != 0) {
        fail_msg("%s", why);
    }
    /* The old ETag is no more. */
    assert_int_equal(request(&s, "PATCH", FRAG, body, s.etag, NULL), 412);
    reply_free(&r);
    uint64_t frames = hears(&s, 1).frames_decoded;
    RIG_UNTIL(hears(&s, 1).frames_decoded > frames + 20);
    assert_false(s.failed);
    sq_endpoint_close(s.endpoint);
    sq_free(url);
}

static void wrong_requests_are_told(void **state)
{
    (void)state;
    const struct {
        const char *method, *tail, *type, *body, *header;
        int status;
        const char *say;
    } cases[] = {
        {"POST", "s", "text/plain", "v=0", NULL, 415, "application/sdp"},
        {"POST", "s", NULL, "v=0", NULL, 415, "application/sdp"},
        {"POST", "s", SDP, "v=0", "Accept: text/html", 406, "Accept"},
        {"POST", "s", SDP, "", NULL, 400, "empty"},
        {"POST", "s", SDP, "hello", NULL, 400, "SDP line 1"},
        {"POST", "s", SDP, "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n", NULL, 400, ""},
        {"GET", "s", NULL, NULL, NULL, 405, "GET"},
        {"PUT", "s", SDP, "v=0", NULL, 405, "PUT"},
        {"DELETE", "s", NULL, NULL, NULL, 405, "DELETE"},
        {"POST", "", SDP, "v=0", NULL, 404, "STREAM"},
        {"PATCH", "s/none", FRAG, "", NULL, 404, "no such"},
        {"PATCH", "s/0-abc", FRAG, "", NULL, 404, "no such"},
        {"DELETE", "s/ffffffffffff", NULL, NULL, NULL, 404, "no such"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *const headers[] = {cases[i].header, NULL};
        char *url = url_of(SQ_LAB_URL_WHIP, cases[i].tail);
        struct reply r = rig_http(cases[i].method, url, cases[i].type, cases[i].body, headers);
        if (r.status != cases[i].status || !strstr(r.body, cases[i].say)) {
            fail_msg("case %zu: %d %s", i, r.status, r.body);
        }
        assert_string_equal(r.origin, "*");
        assert_int_equal(r.status == 405, r.allow[0] != '\0');
        reply_free(&r);
        sq_free(url);
    }
    assert_int_equal(rig_stat("participants"), 0);
    assert_int_equal(rig_stat("rooms"), 0);
}

static void a_browser_may_ask_first(void **state)
{
    (void)state;
    char *url = url_of(SQ_LAB_URL_WHIP, "s");
    struct reply r = rig_http("OPTIONS", url, NULL, NULL, NULL);
    assert_int_equal(r.status, 204);
    assert_string_equal(r.post, SDP);
    assert_string_equal(r.origin, "*");
    assert_non_null(strstr(r.allow, "POST"));
    reply_free(&r);
    sq_free(url);
}

static void a_token_is_asked_for(void **state)
{
    (void)state;
    rig_lab_with(&(struct sq_lab_config){.token = "t0ken"});
    static const char *const wrong[] = {"Authorization: Bearer token", NULL};
    static const char *const right[] = {"Authorization: bearer t0ken", NULL};
    char *url = url_of(SQ_LAB_URL_WHIP, "s");
    struct reply r = rig_http("POST", url, SDP, "v=0", NULL);
    assert_int_equal(r.status, 401);
    assert_string_equal(r.auth, "Bearer realm=\"squall lab\"");
    reply_free(&r);
    r = rig_http("POST", url, SDP, "v=0", wrong);
    assert_int_equal(r.status, 401);
    assert_non_null(strstr(r.auth, "invalid_token"));
    reply_free(&r);
    r = rig_http("POST", url, SDP, "v=0", right);
    assert_int_equal(r.status, 400);
    reply_free(&r);
    sq_free(url);
}

static void pages_and_figures(void **state)
{
    (void)state;
    static const struct {
        const char *method, *tail, *type, *say;
        int status;
    } cases[] = {
        {"GET", "", "text/html; charset=utf-8", "Squall lab", 200},
        {"GET", "lab.css", "text/css; charset=utf-8", "{", 200},
        {"GET", "lab.js", "text/javascript; charset=utf-8", "squall-room", 200},
        {"GET", "health", "text/plain; charset=utf-8", "ok", 200},
        {"GET", "nowhere", "text/plain; charset=utf-8", "/whip/STREAM", 404},
        {"GET", "room", "text/plain; charset=utf-8", "squall-room", 426},
        {"DELETE", "stats", "text/plain; charset=utf-8", "DELETE", 405},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *url = url_of(SQ_LAB_URL_PAGE, cases[i].tail);
        struct reply r = rig_http(cases[i].method, url, NULL, NULL, NULL);
        if (r.status != cases[i].status || !strstr(r.body, cases[i].say) ||
            strcmp(r.type, cases[i].type) != 0) {
            fail_msg("/%s: %d %s %s", cases[i].tail, r.status, r.type, r.body);
        }
        reply_free(&r);
        sq_free(url);
    }
}

static void figures_agree_with_the_client(void **state)
{
    (void)state;
    struct person ann;
    person_come(&ann, "echo", "\"Ann\"", true, true);
    RIG_UNTIL(person_hears(&ann, SQ_MEDIA_VIDEO).frames > 10);
    uint64_t sent = person_sent(&ann, SQ_MEDIA_VIDEO);
    json_t *stats = rig_stats();
    uint64_t sent_after = person_sent(&ann, SQ_MEDIA_VIDEO);
    json_t *member = json_array_get(
        json_object_get(json_array_get(json_object_get(stats, "roomList"), 0), "members"), 0);
    assert_non_null(member);
    assert_string_equal(json_string_value(json_object_get(member, "name")), "\"Ann\"");
    assert_string_equal(
        json_string_value(json_object_get(json_object_get(member, "transport"), "state")),
        "connected");
    json_t *video = json_array_get(json_object_get(member, "inbound"), 1);
    assert_string_equal(json_string_value(json_object_get(video, "kind")), "video");
    assert_string_equal(json_string_value(json_object_get(video, "codec")), "VP8");
    json_int_t received = json_integer_value(json_object_get(video, "packetsReceived"));
    assert_in_range(received, sent > 20 ? sent - 20 : 0, sent_after);
    json_t *out = json_array_get(json_object_get(member, "outbound"), 1);
    assert_true(json_integer_value(json_object_get(out, "packetsSent")) > 0);
    json_decref(stats);
    struct sq_lab_counters counters;
    assert_int_equal(sq_lab_get_counters(rig_lab, &counters), 0);
    assert_int_equal(counters.members, 1);
    assert_true(counters.rtp_in > 0 && counters.rtp_out > 0 && counters.cpu_ns > 0);
    person_free(&ann);
}

static void stun_tells_the_address(void **state)
{
    (void)state;
    struct sq_addr server = sq_lab_stun_addr(rig_lab), local, mapped;
    uint8_t buf[SQ_STUN_MESSAGE_MAX], tid[SQ_STUN_TID_BYTES] = "123456789ab";
    size_t len;
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    const struct timeval limit = {.tv_sec = 10};
    assert_true(fd >= 0);
    assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof(limit)), 0);
    assert_int_equal(connect(fd, &server.sa, sq_addr_len(&server)), 0);
    socklen_t local_len = sizeof(local);
    assert_int_equal(getsockname(fd, &local.sa, &local_len), 0);
    for (int round = 0; round < 2; round++) {
        struct sq_stun_writer w =
            sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, SQ_STUN_BINDING, tid);
        if (round == 1) {
            sq_stun_put_u32(&w, 0x7123, 1); /* one that must be understood */
        }
        assert_int_equal(sq_stun_end(&w, &len), 0);
        assert_int_equal(send(fd, "noise", 5, 0), 5);
        assert_int_equal(send(fd, buf, len, 0), len);
        ssize_t got = recv(fd, buf, sizeof(buf), 0);
        assert_true(got > 0);
        struct sq_stun_msg m;
        assert_int_equal(sq_stun_parse(buf, (size_t)got, &m), 0);
        assert_memory_equal(m.tid, tid, sizeof(tid));
        assert_int_equal(sq_stun_check_fingerprint(&m), 0);
        assert_int_equal(m.cls, round ? SQ_STUN_ERROR : SQ_STUN_SUCCESS);
        if (round == 0) {
            assert_int_equal(sq_stun_get_xor_addr(&m, SQ_STUN_XOR_MAPPED_ADDRESS, &mapped), 0);
            assert_true(sq_addr_equal(&mapped, &local));
        } else {
            int code;
            assert_int_equal(sq_stun_get_error(&m, &code, NULL), 0);
            assert_int_equal(code, 420);
        }
    }
    close(fd);
}

static void all_of_it_over_tls(void **state)
{
    (void)state;
    struct test_cert cert;
    struct session s;
    test_cert_make(&cert, "IP:127.0.0.1");
    rig_lab_with(&(struct sq_lab_config){.cert_pem = cert.cert_pem, .key_pem = cert.key_pem});
    assert_non_null(strstr(rig_url(SQ_LAB_URL_PAGE, ""), "https://127.0.0.1:"));
    assert_non_null(strstr(rig_url(SQ_LAB_URL_ROOM, ""), "room+wss://127.0.0.1:"));
    start(&s, SQ_LAB_URL_WHIP, "echo", SQ_DIR_SENDRECV);
    struct person ann = {.user = {.name = "Ann",
                                  .room = "echo",
                                  .send_audio = true,
                                  .send_video = true,
                                  .recv_audio = true,
                                  .recv_video = true,
                                  .insecure = true,
                                  .trickle = true}};
    struct person strict = ann;
    strict.user.insecure = false;
    person_open(&ann, NULL);
    person_open(&strict, NULL);
    RIG_UNTIL(person_hears(&ann, SQ_MEDIA_VIDEO).frames > 3 && hears(&s, 1).frames_decoded > 3);
    RIG_UNTIL(strict.failed); /* nobody vouches for that certificate */
    assert_int_equal(strict.cause, SQ_CAUSE_TLS);
    assert_true(ann.phases & 1U << SQ_PHASE_TLS);
    assert_int_equal(request(&s, "DELETE", NULL, NULL, NULL, NULL), 200);
    sq_endpoint_close(s.endpoint);
    sq_signal_room.leave(ann.signal);
    RIG_UNTIL(ann.left);
    person_free(&ann);
    person_free(&strict);
}

static void a_wrong_certificate_is_told(void **state)
{
    (void)state;
    struct sq_lab *second = NULL;
    char why[256];
    struct test_cert cert, other;
    test_cert_make(&cert, "IP:127.0.0.1");
    test_cert_make(&other, "IP:127.0.0.1");
    const struct sq_lab_config configs[] = {
        {.cert_pem = "nonsense", .key_pem = cert.key_pem},
        {.cert_pem = cert.cert_pem, .key_pem = "nonsense"},
        {.cert_pem = cert.cert_pem, .key_pem = other.key_pem},
    };
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sq_lab_start(&configs[i], &second, why, sizeof(why)), SQ_ERR_TLS);
        assert_non_null(strstr(why, "certificate"));
    }
    const struct sq_lab_config taken = {
        .cert_pem = cert.cert_pem, .key_pem = cert.key_pem, .listen = sq_lab_http_addr(rig_lab)};
    assert_int_equal(sq_lab_start(&taken, &second, why, sizeof(why)), SQ_ERR_IO);
    assert_non_null(strstr(why, "Address already in use"));
}

static void a_port_that_is_taken_is_told(void **state)
{
    (void)state;
    struct sq_lab *second = NULL;
    char why[256];
    const struct sq_lab_config config = {.listen = sq_lab_http_addr(rig_lab)};
    assert_int_equal(sq_lab_start(&config, &second, why, sizeof(why)), SQ_ERR_IO);
    assert_null(second);
    assert_non_null(strstr(why, "Address already in use"));
}

static void a_lab_stops_with_sessions_open(void **state)
{
    (void)state;
    struct session pub, viewer;
    start(&pub, SQ_LAB_URL_WHIP, "s", SQ_DIR_SENDONLY);
    RIG_UNTIL(rig_stat("rtpPacketsIn") > 5);
    start(&viewer, SQ_LAB_URL_WHEP, "s", SQ_DIR_RECVONLY);
    RIG_UNTIL(hears(&viewer, 1).frames_decoded > 3);
    sq_lab_stop(rig_lab);
    rig_lab = NULL;
    sq_endpoint_close(pub.endpoint);
    sq_endpoint_close(viewer.endpoint);
}

#define TEST(f) cmocka_unit_test_setup_teardown(f, rig_up, rig_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(the_echo_gives_back),
        TEST(what_is_published_can_be_watched),
        TEST(candidates_trickle_in),
        TEST(ice_restarts_by_patch),
        TEST(wrong_requests_are_told),
        TEST(a_browser_may_ask_first),
        TEST(a_token_is_asked_for),
        TEST(pages_and_figures),
        TEST(figures_agree_with_the_client),
        TEST(stun_tells_the_address),
        TEST(all_of_it_over_tls),
        TEST(a_wrong_certificate_is_told),
        TEST(a_port_that_is_taken_is_told),
        TEST(a_lab_stops_with_sessions_open),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
