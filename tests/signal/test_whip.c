/* WHIP and WHEP against scripted servers, with real peers behind them where media is to flow. */
#include "base/mem.h"
#include "net/httpd.h"
#include "net/until.h"
#include "signal/host.h"
#include "signal/sdptext.h"
#include "signal/whip/whip_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#define STEPS_MAX 12
#define ANSWER    ((const char *)1) /* as body: what the far end answers */
#define RESTARTED ((const char *)2) /* the fragment of its answer to a restart */
#define OFFER     ((const char *)3) /* an offer of the far end's own */
#define SILENCE   (-1)              /* as status: no answer at all */

struct step { /* an answer of the server, in the order of requests */
    int status;
    const char *headers[5];
    const char *body;
};

struct seen { /* a request */
    char method[8], path[64], type[64], if_match[64], auth[64];
    uint16_t from;
    char *body;
};

static struct server {
    struct sq_httpd *httpd;
    uint16_t port;
    const struct step *steps;
    size_t steps_len, at;
    struct seen seen[STEPS_MAX];
    struct sq_endpoint *far;
    char *offer; /* of the client */
} server;

static struct sig_host host;
static char url[128];
static bool lenient; /* the server, too, may be without memory */

static const char *header(struct sq_httpd_request *r, const char *name)
{
    const char *value = sq_httpd_header(r, name);
    return value ? value : "";
}

static void see(struct sq_httpd_request *r)
{
    assert_true(server.at < STEPS_MAX);
    struct seen *s = &server.seen[server.at];
    size_t len;
    const char *body = sq_httpd_body(r, &len);
    struct sq_addr remote = sq_httpd_remote(r);
    s->from = sq_addr_port(&remote);
    snprintf(s->method, sizeof(s->method), "%s", sq_httpd_method(r));
    snprintf(s->path, sizeof(s->path), "%s", sq_httpd_path(r));
    snprintf(s->type, sizeof(s->type), "%s", header(r, "Content-Type"));
    snprintf(s->if_match, sizeof(s->if_match), "%s", header(r, "If-Match"));
    snprintf(s->auth, sizeof(s->auth), "%s", header(r, "Authorization"));
    s->body = strndup(body ? body : "", len);
}

/* The far end hears a restart as an offer with new credentials. */
static char *restarted(const char *fragment)
{
    char *offer = NULL;
    char *text = NULL;
    assert_int_equal(sq_sdptext_restart(server.offer, fragment, &offer), 0);
    char *answer = sig_far_answer(server.far, offer);
    assert_non_null(answer);
    assert_int_equal(sq_sdptext_fragment(answer, "", true, true, &text), 0);
    sq_free(answer);
    sq_free(offer);
    return text;
}

static char *own_offer(void)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *offer = NULL;
    struct sq_peer *peer = sq_endpoint_peer(server.far);
    for (int kind = SQ_MEDIA_AUDIO; kind <= SQ_MEDIA_VIDEO; kind++) {
        assert_int_equal(
            sq_peer_add_track(peer, (enum sq_media_kind)kind, SQ_DIR_SENDONLY, sig_clip(), NULL),
            0);
    }
    assert_int_equal(sq_peer_create_offer(peer, sq_loop_now(sig_loop()), false, &offer, why), 0);
    return offer;
}

static void on_request(void *ctx, struct sq_httpd_request *r)
{
    (void)ctx;
    see(r);
    const struct seen *seen = &server.seen[server.at];
    static const struct step bye = {.status = 200};
    const struct step *step = server.at < server.steps_len ? &server.steps[server.at] : &bye;
    server.at++;
    if (step->status == SILENCE) {
        return;
    }
    char *made = NULL;
    if (step->body == ANSWER) {
        free(server.offer);
        server.offer = strdup(seen->body);
        made = sig_far_answer(server.far, seen->body);
        assert_true(made || lenient);
    } else if (step->body == RESTARTED) {
        made = restarted(seen->body);
    } else if (step->body == OFFER) {
        made = own_offer();
    } else if (strcmp(seen->type, WHIP_TYPE_SDP) == 0 && strcmp(seen->method, "PATCH") == 0) {
        char why[SQ_PEER_TEXT_MAX] = "";
        assert_int_equal(sq_peer_set_remote(sq_endpoint_peer(server.far), sq_loop_now(sig_loop()),
                                            SQ_SDP_ANSWER, seen->body, why),
                         0);
    }
    bool lost = step->body == ANSWER && !made;
    const char *body = made ? made : step->body && !lost ? step->body : "";
    int err = sq_httpd_reply(r, lost ? 500 : step->status, step->headers, body, strlen(body));
    assert_true(err == 0 || lenient);
    sq_free(made);
}

static void start(const struct step *steps, size_t n, const char *scheme)
{
    struct sq_httpd_options options = {0};
    memset(&server, 0, sizeof(server));
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &options.listen), 0);
    assert_int_equal(sq_httpd_new(sig_loop(), &options, on_request, NULL, &server.httpd), 0);
    struct sq_addr local = sq_httpd_local(server.httpd);
    server.port = sq_addr_port(&local);
    server.steps = steps;
    server.steps_len = n;
    server.far = sig_far_new();
    sig_host_init(&host);
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u/end/point", scheme, server.port);
}

#define START(steps, scheme) start(steps, sizeof(steps) / sizeof(*(steps)), scheme)

static void stop(void)
{
    sig_host_close(&host);
    sq_endpoint_close(server.far);
    sq_httpd_free(server.httpd);
    for (size_t i = 0; i < STEPS_MAX; i++) {
        free(server.seen[i].body);
    }
    free(server.offer);
    assert_int_equal(sq_loop_run_once(sig_loop(), 0), 0);
}

static void expect_failure(enum sq_cause cause, const char *part)
{
    sig_host_expect_failure(&host, cause, part);
    assert_int_equal(host.joined, 0);
}

#define CREATED                                                                                    \
    .status = 201, .headers = {"Content-Type: application/sdp", "Location: ../session/7?x=1",      \
                               "ETag: \"e1\"", NULL}

/* ---- In good order ---- */

static void whip_echo(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {.status = 201,
         .headers = {"Content-Type: application/sdp", "Location: ../session/7", "ETag: \"e1\"",
                     "Link: <stun:192.0.2.1:3478>; rel=\"ice-server\", <turn:192.0.2.1?transport="
                     "udp>; rel=\"ice-server\"; username=\"u\"; credential=\"p\""},
         .body = ANSWER},
    };
    START(steps, "whip+http");
    host.user.token = "secret";
    sig_host_open(&host, url);
    RUN_UNTIL(sig_loop(), host.joined == 1);
    assert_int_equal(host.peers_len, 1);
    assert_string_equal(server.seen[0].method, "POST");
    assert_string_equal(server.seen[0].path, "/end/point");
    assert_string_equal(server.seen[0].type, "application/sdp");
    assert_string_equal(server.seen[0].auth, "Bearer secret");
    assert_non_null(strstr(server.seen[0].body, "a=sendrecv"));
    assert_non_null(strstr(server.seen[0].body, "a=candidate:")); /* host candidates are there */
    assert_non_null(strstr(server.seen[0].body, "a=end-of-candidates"));
    assert_true(host.phases_told & 1U << SQ_PHASE_CONNECT);
    assert_true(host.phases_told & 1U << SQ_PHASE_SIGNALING);
    assert_false(host.phases_told & 1U << SQ_PHASE_TLS);
    assert_false(host.phases_told & 1U << SQ_PHASE_DNS); /* a number needs none */
    RUN_UNTIL(sig_loop(), host.connected[0] && sig_has_media(sig_host_peer(&host, 0)) &&
                              sig_has_media(sq_endpoint_peer(server.far)));
    assert_non_null(strstr(host.notes, "stun:192.0.2.1:3478"));
    assert_non_null(strstr(host.notes, "not used: --turn"));
    assert_int_equal(server.at, 1); /* nothing was left to trickle */
    sig_host_leave(&host);
    assert_int_equal(server.at, 2);
    assert_string_equal(server.seen[1].method, "DELETE");
    assert_string_equal(server.seen[1].path, "/session/7");
    assert_string_equal(server.seen[1].auth, "Bearer secret");
    stop();
}

static void each_user_has_its_own_connection(void **state)
{
    static const struct step made = {CREATED, .body = ANSWER};
    const struct step steps[] = {made, {.status = 200}, made};
    START(steps, "whip+http");
    for (size_t i = 0; i < 2; i++) {
        sig_host_open(&host, url);
        RUN_UNTIL(sig_loop(), host.joined == 1);
        assert_true(host.phases_told & 1U << SQ_PHASE_CONNECT);
        sig_host_leave(&host);
        sig_host_close(&host);
        sig_host_init(&host);
        sq_endpoint_close(server.far);
        server.far = sig_far_new();
    }
    assert_int_not_equal(server.seen[0].from, server.seen[2].from);
    assert_int_not_equal(server.seen[1].from, server.seen[2].from);
    stop();
}

static void whip_only_sends(void **state)
{
    (void)state;
    static const struct step steps[] = {{CREATED, .body = ANSWER}};
    START(steps, "whip+http");
    host.user.recv_audio = host.user.recv_video = false;
    host.user.send_video = false;
    sig_host_open(&host, url);
    RUN_UNTIL(sig_loop(), host.joined == 1);
    assert_non_null(strstr(server.seen[0].body, "a=sendonly"));
    assert_null(strstr(server.seen[0].body, "m=video"));
    sig_host_leave(&host);
    stop();
}

static void whep_receives(void **state)
{
    (void)state;
    static const struct step steps[] = {{CREATED, .body = ANSWER}};
    START(steps, "whep+http");
    sig_host_open(&host, url);
    RUN_UNTIL(sig_loop(), host.joined == 1);
    assert_string_equal(host.labels[0], "whep");
    assert_non_null(strstr(server.seen[0].body, "a=recvonly"));
    assert_null(strstr(server.seen[0].body, "a=sendrecv"));
    RUN_UNTIL(sig_loop(), host.connected[0] && sig_has_media(sig_host_peer(&host, 0)));
    sig_host_leave(&host);
    stop();
}

static void whep_counter_offer(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {.status = 406,
         .headers = {"Content-Type: application/sdp", "Location: /s/1", "ETag: \"c\"", NULL},
         .body = OFFER},
        {.status = 204},
    };
    START(steps, "whep+http");
    sig_host_open(&host, url);
    RUN_UNTIL(sig_loop(), host.joined == 1 || host.failed);
    assert_int_equal(host.joined, 1);
    assert_string_equal(server.seen[1].method, "PATCH");
    assert_string_equal(server.seen[1].path, "/s/1");
    assert_string_equal(server.seen[1].type, "application/sdp");
    RUN_UNTIL(sig_loop(), host.connected[0] && sig_has_media(sig_host_peer(&host, 0)));
    sig_host_leave(&host);
    stop();
}

static void redirects_are_followed(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {.status = 307, .headers = {"Location: /other?y=2", NULL}},
        {.status = 308, .headers = {"Location: third", NULL}},
        {CREATED, .body = ANSWER},
    };
    START(steps, "whip+http");
    host.user.token = "secret";
    sig_host_open(&host, url);
    RUN_UNTIL(sig_loop(), host.joined == 1);
    assert_string_equal(server.seen[2].method, "POST");
    assert_string_equal(server.seen[2].path, "/third");
    assert_string_equal(server.seen[2].auth, "Bearer secret");
    assert_string_equal(server.seen[2].body, server.seen[0].body);
    sig_host_leave(&host);
    assert_string_equal(server.seen[3].path, "/session/7");
    stop();
}

/* ---- Trickle and restart ---- */

/* Later candidates are made up: on loopback all are there at once. */
static void trickle_waits_for_the_answer_and_goes_in_batches(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {CREATED, .body = ANSWER},
        {.status = 204},
        {.status = 204},
    };
    START(steps, "whip+http");
    sig_host_open(&host, url);
    sig_host_tell_candidate(&host, "candidate:71 1 udp 1 192.0.2.9 1001 typ host");
    sig_host_tell_candidate(&host, "candidate:72 1 udp 1 192.0.2.9 1002 typ host");
    RUN_UNTIL(sig_loop(), host.joined == 1);
    assert_int_equal(server.at, 1); /* none before the answer */
    sig_host_tell_candidate(
        &host,
        "candidate:73 1 udp 1 192.0.2.9 1003 typ host"); /* while the first PATCH is under way */
    sig_host_tell_candidate(&host, "candidate:74 1 udp 1 192.0.2.9 1004 typ host");
    RUN_UNTIL(sig_loop(), server.at == 3);
    const struct seen *first = &server.seen[1];
    const struct seen *second = &server.seen[2];
    assert_string_equal(first->method, "PATCH");
    assert_string_equal(first->path, "/session/7");
    assert_string_equal(first->type, "application/trickle-ice-sdpfrag");
    assert_string_equal(first->if_match, "\"e1\"");
    assert_non_null(strstr(first->body, "a=candidate:71 "));
    assert_non_null(strstr(first->body, "a=candidate:72 "));
    assert_null(strstr(first->body, "a=candidate:73 "));
    assert_non_null(strstr(first->body, "a=ice-ufrag:"));
    assert_non_null(strstr(first->body, "a=mid:0"));
    assert_non_null(strstr(second->body, "a=candidate:73 "));
    assert_non_null(strstr(second->body, "a=candidate:74 "));
    assert_null(strstr(second->body, "a=candidate:71 "));
    sig_host_leave(&host);
    stop();
}

static void a_server_without_patch_is_tolerated(void **state)
{
    (void)state;
    static const struct step steps[] = {{CREATED, .body = ANSWER}, {.status = 405}};
    START(steps, "whip+http");
    sig_host_open(&host, url);
    RUN_UNTIL(sig_loop(), host.joined == 1);
    sig_host_tell_candidate(&host, "candidate:71 1 udp 1 192.0.2.9 1001 typ host");
    RUN_UNTIL(sig_loop(), strstr(host.notes, "405 Method Not Allowed"));
    sig_host_tell_candidate(&host, "candidate:72 1 udp 1 192.0.2.9 1002 typ host");
    assert_int_equal(host.ops->restart_ice(host.signal), SQ_ERR_UNSUPPORTED);
    RUN_UNTIL(sig_loop(), host.connected[0]);
    assert_int_equal(server.at, 2);
    sig_host_leave(&host);
    stop();
}

static void ice_restarts(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {CREATED, .body = ANSWER},
        {.status = 200,
         .headers = {"Content-Type: application/trickle-ice-sdpfrag", "ETag: \"e2\"", NULL},
         .body = RESTARTED},
        {.status = 204},
        {.status = 200,
         .headers = {"Content-Type: application/trickle-ice-sdpfrag", "ETag: \"e3\"", NULL},
         .body = RESTARTED},
    };
    START(steps, "whip+http");
    sig_host_open(&host, url);
    assert_int_equal(host.ops->restart_ice(host.signal), SQ_ERR_STATE);
    RUN_UNTIL(sig_loop(), host.connected[0] && sig_has_media(sig_host_peer(&host, 0)));
    const char *ufrag;
    const char *pwd;
    sq_peer_local_ice(sig_host_peer(&host, 0), &ufrag, &pwd);
    char before[64];
    snprintf(before, sizeof(before), "a=ice-ufrag:%s\r\n", ufrag);
    assert_int_equal(host.ops->restart_ice(host.signal), 0);
    RUN_UNTIL(sig_loop(), strstr(host.notes, "ICE restarted"));
    assert_string_equal(server.seen[1].if_match, "*");
    assert_non_null(strstr(server.seen[0].body, before));
    assert_null(strstr(server.seen[1].body, before));
    assert_non_null(strstr(server.seen[1].body, "a=candidate:"));
    /* The new ETag is in force, and media goes on over the new pair. */
    sig_host_tell_candidate(&host, "candidate:71 1 udp 1 192.0.2.9 1001 typ host");
    RUN_UNTIL(sig_loop(), server.at == 3);
    assert_string_equal(server.seen[2].if_match, "\"e2\"");
    struct sq_transport_stats stats;
    uint64_t until_ns = sq_clock_ns() + 300 * SQ_NS_PER_MS;
    RUN_UNTIL(sig_loop(), sq_clock_ns() > until_ns);
    sq_peer_transport_stats(sig_host_peer(&host, 0), &stats);
    uint64_t packets = stats.packets_received;
    RUN_UNTIL(sig_loop(), (sq_peer_transport_stats(sig_host_peer(&host, 0), &stats),
                           stats.packets_received > packets + 20));
    assert_int_equal(stats.state, SQ_PEER_CONNECTED);
    /* Once more: the answer to the first was put in force. */
    assert_int_equal(host.ops->restart_ice(host.signal), 0);
    RUN_UNTIL(sig_loop(), server.at == 4);
    RUN_UNTIL(sig_loop(), strstr(strstr(host.notes, "ICE restarted") + 1, "ICE restarted"));
    assert_string_not_equal(server.seen[1].body, server.seen[3].body);
    sig_host_leave(&host);
    stop();
}

static void a_refused_restart_keeps_the_session(void **state)
{
    (void)state;
    static const struct step steps[] = {
        {CREATED, .body = ANSWER},
        {.status = 422, .body = "no restarts\nhere"},
        {.status = 200,
         .headers = {"Content-Type: application/trickle-ice-sdpfrag", NULL},
         .body = "garbage"},
    };
    START(steps, "whip+http");
    sig_host_open(&host, url);
    RUN_UNTIL(sig_loop(), host.connected[0]);
    assert_int_equal(host.ops->restart_ice(host.signal), 0);
    RUN_UNTIL(sig_loop(), strstr(host.notes, "422 Unprocessable"));
    assert_non_null(strstr(host.notes, "'no restarts'"));
    assert_int_equal(host.ops->restart_ice(host.signal), 0);
    RUN_UNTIL(sig_loop(), strstr(host.notes, "no new credentials"));
    assert_int_equal(host.failed, 0);
    sig_host_leave(&host);
    stop();
}

static void without_trickle_nothing_is_patched(void **state)
{
    (void)state;
    static const struct step steps[] = {{CREATED, .body = ANSWER}};
    START(steps, "whip+http");
    host.user.trickle = false;
    sig_host_open(&host, url);
    RUN_UNTIL(sig_loop(), host.joined == 1);
    assert_non_null(strstr(server.seen[0].body, "a=end-of-candidates"));
    sig_host_leave(&host);
    assert_string_equal(server.seen[1].method, "DELETE");
    stop();
}

/* ---- Refusals ---- */

static void each_status_is_told(void **state)
{
    (void)state;
    static const struct {
        int status;
        enum sq_cause cause;
        const char *retry;
        const char *part;
    } cases[] = {
        {400, SQ_CAUSE_SIGNALING, NULL, ": 400 Bad Request"},
        {401, SQ_CAUSE_AUTH, NULL, ": 401 Unauthorized"},
        {403, SQ_CAUSE_AUTH, NULL, ": 403 Forbidden"},
        {404, SQ_CAUSE_SIGNALING, NULL, ": 404 Not Found"},
        {405, SQ_CAUSE_SIGNALING, NULL, ": 405 Method Not Allowed"},
        {406, SQ_CAUSE_SIGNALING, NULL, ": 406 Not Acceptable"},
        {409, SQ_CAUSE_SIGNALING, "7", "; Retry-After: 7"},
        {415, SQ_CAUSE_SIGNALING, NULL, ": 415 Unsupported Media Type"},
        {418, SQ_CAUSE_SIGNALING, NULL, ": 418, expected 201"},
        {429, SQ_CAUSE_SIGNALING, "30",
         ": 429 Too Many Requests, expected 201 Created; Retry-After: 30"},
        {500, SQ_CAUSE_SIGNALING, NULL, ": 500 Internal Server Error"},
        {503, SQ_CAUSE_SIGNALING, "5",
         ": 503 Service Unavailable, expected 201 Created; Retry-After: 5"},
        {204, SQ_CAUSE_SIGNALING, NULL, ": 204 No Content, expected 201"},
        {301, SQ_CAUSE_SIGNALING, NULL,
         ": 301 Moved Permanently, expected 201 Created, or a redirect by 307"},
        {302, SQ_CAUSE_SIGNALING, NULL, ": 302 Found"},
        {307, SQ_CAUSE_SIGNALING, NULL, "with a Location"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char retry[32];
        struct step step = {.status = cases[i].status};
        step.body = cases[i].status == 204 ? NULL : "\n  the reason\r\nmore";
        if (cases[i].status == 301 || cases[i].status == 302) {
            step.headers[0] = "Location: /moved"; /* not gone to */
        }
        if (cases[i].retry) {
            snprintf(retry, sizeof(retry), "Retry-After: %s", cases[i].retry);
            step.headers[0] = retry;
        }
        start(&step, 1, "whep+http");
        sig_host_open(&host, url);
        expect_failure(cases[i].cause, cases[i].part);
        assert_non_null(strstr(host.text, "/end/point"));
        assert_int_equal(server.at, 1);
        if (step.body && cases[i].status < 300) {
            assert_non_null(strstr(host.text, "'the reason'"));
        }
        stop();
    }
}

static void the_query_is_not_told(void **state)
{
    const struct step steps[] = {{.status = 307, .headers = {"Location: /moved?key=s3cret"}},
                                 {.status = 404, .body = "no"}};
    start(steps, 2, "whip+http");
    snprintf(url + strlen(url), sizeof(url) - strlen(url), "?key=s3cret");
    sig_host_open(&host, url);
    expect_failure(SQ_CAUSE_SIGNALING, "/moved: 404 Not Found");
    assert_null(strstr(host.notes, "s3cret"));
    assert_null(strstr(host.text, "s3cret"));
    stop();
}

static void broken_answers(void **state)
{
    (void)state;
    static const struct {
        struct step step;
        const char *part;
        bool deletes;
    } cases[] = {
        {{CREATED, .body = "garbage"}, "the answer is of no use: SDP line 1", true},
        {{CREATED, .body = ""}, "the answer is of no use", true},
        {{CREATED, .body = "v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n"},
         "the answer is of no use",
         true},
        {{.status = 201,
          .headers = {"Content-Type: text/html", "Location: /s", NULL},
          .body = "<p>"},
         "content type 'text/html', expected application/sdp",
         true},
        {{.status = 201,
          .headers = {"Content-Type: application/sdp", "Location: ht tp://[", NULL},
          .body = "x"},
         "the answer",
         false},
        {{.status = 201, .headers = {NULL}, .body = "x"}, "content type ''", false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        start(&cases[i].step, 1, "whip+http");
        sig_host_open(&host, url);
        expect_failure(SQ_CAUSE_PROTOCOL, cases[i].part);
        /* A session that the server made is not left behind. */
        if (cases[i].deletes) {
            assert_int_equal(server.at, 2);
            assert_string_equal(server.seen[1].method, "DELETE");
        }
        stop();
    }
}

static void endless_redirects(void **state)
{
    (void)state;
    struct step steps[STEPS_MAX];
    for (size_t i = 0; i < STEPS_MAX; i++) {
        steps[i] = (struct step){.status = 307, .headers = {"Location: /end/point", NULL}};
    }
    START(steps, "whip+http");
    sig_host_open(&host, url);
    expect_failure(SQ_CAUSE_SIGNALING, "more than 10 redirects");
    stop();
}

static void no_answer_in_time(void **state)
{
    (void)state;
    static const struct step steps[] = {{.status = SILENCE}};
    START(steps, "whip+http");
    host.user.timeout_ns = 60 * SQ_NS_PER_MS;
    sig_host_open(&host, url);
    expect_failure(SQ_CAUSE_TIMEOUT, "POST http://127.0.0.1");
    stop();
}

static void no_answer_to_the_delete(void **state)
{
    (void)state;
    static const struct step steps[] = {{CREATED, .body = ANSWER}, {.status = SILENCE}};
    START(steps, "whip+http");
    sig_host_open(&host, url);
    RUN_UNTIL(sig_loop(), host.joined == 1);
    host.user.timeout_ns = 60 * SQ_NS_PER_MS;
    sig_host_leave(&host);
    stop();
}

static void leaving_while_the_offer_is_under_way(void **state)
{
    (void)state;
    static const struct step steps[] = {{CREATED, .body = ANSWER}};
    START(steps, "whip+http");
    sig_host_open(&host, url);
    sig_host_leave(&host); /* the session that the POST made is deleted all the same */
    assert_int_equal(host.joined, 0);
    assert_int_equal(server.at, 2);
    assert_string_equal(server.seen[1].method, "DELETE");
    stop();
}

static void destroyed_at_any_time(void **state)
{
    (void)state;
    static const struct step steps[] = {{CREATED, .body = ANSWER}, {.status = 204}};
    for (int rounds = 0; rounds < 12; rounds++) {
        START(steps, "whip+http");
        sig_host_open(&host, url);
        sig_host_tell_candidate(&host, "candidate:71 1 udp 1 192.0.2.9 1001 typ host");
        for (int i = 0; i < rounds; i++) {
            assert_int_equal(sq_loop_run_once(sig_loop(), SQ_NS_PER_MS), 0);
        }
        stop();
    }
}

static void nobody_listens(void **state)
{
    (void)state;
    static const struct step steps[] = {{.status = 200}};
    START(steps, "whip+http");
    sq_httpd_free(server.httpd);
    server.httpd = NULL;
    sig_host_open(&host, url);
    expect_failure(SQ_CAUSE_CONNECT, "127.0.0.1");
    stop();
}

static void name_without_address(void **state)
{
    (void)state;
    static const struct step steps[] = {{.status = 200}};
    START(steps, "whip+http");
    /* A label of more than 63 bytes is no name: nobody is asked. */
    sig_host_open(&host, "whip+http://a123456789a123456789a123456789a123456789a123456789a123456789"
                         "a123456789.invalid:1/x");
    expect_failure(SQ_CAUSE_DNS, "a123456789");
    stop();
}

static void tls_where_there_is_none(void **state)
{
    (void)state;
    static const struct step steps[] = {{.status = 200}};
    START(steps, "whip+https");
    sig_host_open(&host, url);
    expect_failure(SQ_CAUSE_TLS, "https://127.0.0.1");
    stop();
}

/* Accepts, reads a little and closes. */
static void on_accept(void *ctx, unsigned ready)
{
    int *fd = ctx;
    char buf[4096];
    (void)ready;
    int client = accept(*fd, NULL, NULL);
    if (client >= 0) {
        ssize_t n = recv(client, buf, sizeof(buf), MSG_DONTWAIT);
        (void)n;
        close(client);
    }
}

static void server_closes_without_an_answer(void **state)
{
    (void)state;
    static const struct step steps[] = {{.status = 200}};
    struct sq_addr addr;
    socklen_t len = sizeof(addr.in4);
    struct sq_watch watch = {0};
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    assert_int_equal(bind(fd, &addr.sa, sq_addr_len(&addr)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, &addr.sa, &len), 0);
    assert_int_equal(sq_watch_start(sig_loop(), &watch, fd, SQ_READ, on_accept, &fd), 0);
    START(steps, "whip+http");
    snprintf(url, sizeof(url), "whip+http://127.0.0.1:%u/", sq_addr_port(&addr));
    sig_host_open(&host, url);
    expect_failure(SQ_CAUSE_SIGNALING, "POST http://127.0.0.1");
    stop();
    sq_watch_stop(&watch);
    close(fd);
}

static void nothing_to_do(void **state)
{
    (void)state;
    static const struct step steps[] = {{.status = 200}};
    START(steps, "whip+http");
    host.user.send_audio = host.user.send_video = false;
    sig_host_open(&host, url);
    expect_failure(SQ_CAUSE_PROTOCOL, "WHIP only sends");
    assert_int_equal(server.at, 0);
    stop();
    START(steps, "whep+http");
    host.refuse_peers = true;
    sig_host_open(&host, url);
    expect_failure(SQ_CAUSE_PROTOCOL, "no sockets");
    stop();
}

/* ---- Link headers ---- */

static void links(void **state)
{
    (void)state;
    struct whip_link link;
    struct sq_view rest =
        sq_view_of("<stun:s.example.net>; rel=\"ice-server\", <turn:t.example.net?transport=udp>; "
                   "rel=ice-server; username=\"a;,\\\"b\"; credential=p , <x>");
    assert_true(whip_next_link(&rest, &link));
    assert_true(sq_view_is(link.uri, "stun:s.example.net"));
    assert_true(sq_view_is(link.rel, "ice-server"));
    assert_true(whip_next_link(&rest, &link));
    assert_true(sq_view_is(link.uri, "turn:t.example.net?transport=udp"));
    assert_true(sq_view_is(link.username, "a;,\\\"b"));
    assert_true(whip_next_link(&rest, &link));
    assert_true(sq_view_is(link.uri, "x"));
    assert_false(whip_next_link(&rest, &link));
    static const char *const garbage[] = {
        "", ",", "<", "<a", "a>", ";", "<a>;", "<a>;=", "<a>;b=\"", "<a>;b=\"\\", "<a>;b=,,,"};
    for (size_t i = 0; i < sizeof(garbage) / sizeof(*garbage); i++) {
        char *copy = strdup(garbage[i]); /* for the sanitizer to see an over-read */
        rest = sq_view_of(copy);
        for (int n = 0; n < 8 && whip_next_link(&rest, &link); n++) {
        }
        free(copy);
    }
}

/* ---- Without memory ---- */

/* Each allocation fails once, from the opening until the user has joined: the servers' too, which
 * then answer 500 or nothing. Whatever happens, it is told once and nothing is left behind. */
static void without_memory(void **state)
{
    (void)state;
    static const struct step steps[] = {{CREATED, .body = ANSWER}};
    bool clean = false;
    size_t nth = 0;
    while (!clean) {
        START(steps, "whep+http");
        lenient = true;
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
        lenient = false;
        stop();
        assert_true(nth < 3000);
    }
    assert_true(nth > 100);
    assert_int_equal(host.failed, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(whip_echo),
        cmocka_unit_test(each_user_has_its_own_connection),
        cmocka_unit_test(whip_only_sends),
        cmocka_unit_test(whep_receives),
        cmocka_unit_test(whep_counter_offer),
        cmocka_unit_test(redirects_are_followed),
        cmocka_unit_test(trickle_waits_for_the_answer_and_goes_in_batches),
        cmocka_unit_test(a_server_without_patch_is_tolerated),
        cmocka_unit_test(ice_restarts),
        cmocka_unit_test(a_refused_restart_keeps_the_session),
        cmocka_unit_test(without_trickle_nothing_is_patched),
        cmocka_unit_test(each_status_is_told),
        cmocka_unit_test(the_query_is_not_told),
        cmocka_unit_test(broken_answers),
        cmocka_unit_test(endless_redirects),
        cmocka_unit_test(no_answer_in_time),
        cmocka_unit_test(no_answer_to_the_delete),
        cmocka_unit_test(leaving_while_the_offer_is_under_way),
        cmocka_unit_test(destroyed_at_any_time),
        cmocka_unit_test(nobody_listens),
        cmocka_unit_test(name_without_address),
        cmocka_unit_test(tls_where_there_is_none),
        cmocka_unit_test(server_closes_without_an_answer),
        cmocka_unit_test(nothing_to_do),
        cmocka_unit_test(links),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, sig_setup, sig_teardown);
}
