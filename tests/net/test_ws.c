/* WebSocket: our client against our server, and against servers that misbehave. */
#include "base/mem.h"
#include "base/str.h"
#include "net/certs.h"
#include "net/httpd.h"
#include "net/net.h"
#include "net/on_loop.h"
#include "net/tls_front.h"
#include "net/until.h"
#include "net/ws.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

struct side {
    struct sq_ws *ws;
    bool echo, free_at_once, close_at_once;
    int opens, messages, pongs, ends;
    size_t last_len;
    bool last_is_text;
    char last[300];
    struct {
        int err, http_status;
        uint16_t code;
        bool was_open;
        char reason[128], body[SQ_WS_BODY_SHOWN_BYTES + 8], text[400];
    } end;
};

static void on_open(void *ctx)
{
    ((struct side *)ctx)->opens++;
}

static void on_message(void *ctx, const char *text, size_t len, bool is_text)
{
    struct side *s = ctx;
    s->messages++;
    s->last_len = len;
    s->last_is_text = is_text;
    assert_int_equal(text[len], '\0');
    snprintf(s->last, sizeof(s->last), "%s", text);
    if (s->echo) {
        int err = is_text ? sq_ws_send_text(s->ws, text, len) : sq_ws_send_binary(s->ws, text, len);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
    }
    if (s->close_at_once) {
        sq_ws_close(s->ws, 4001, "that was all");
    }
    if (s->free_at_once) {
        sq_ws_free(s->ws);
        s->ws = NULL;
    }
}

static void on_pong(void *ctx, const uint8_t *data, size_t len)
{
    struct side *s = ctx;
    s->pongs++;
    assert_int_equal(len, 2);
    assert_memory_equal(data, "hi", 2);
}

static void on_end(void *ctx, const struct sq_ws_end *e)
{
    struct side *s = ctx;
    s->ends++;
    s->end.err = e->err;
    s->end.code = e->code;
    s->end.was_open = e->was_open;
    s->end.http_status = e->http_status;
    snprintf(s->end.reason, sizeof(s->end.reason), "%s", e->reason);
    snprintf(s->end.body, sizeof(s->end.body), "%s", e->body);
    snprintf(s->end.text, sizeof(s->end.text), "%s", e->text);
}

static const struct sq_ws_events events = {on_open, on_message, on_pong, on_end};

/* --- our own server --- */

static struct sq_httpd *httpd;
static struct side served; /* the server's side of the last connection */
static struct sq_ws_options served_options;
static char url[100];
static char seen_auth[64], seen_origin[64];

static void on_upgraded(void *ctx, struct sq_ws *ws)
{
    served.ws = ws;
    if (ws) {
        served.opens++;
        sq_ws_set_events(ws, &events, &served);
    }
}

static void on_request(void *ctx, struct sq_httpd_request *r)
{
    static const char body[] = "go away, please";
    const char *auth = sq_httpd_header(r, "Authorization");
    const char *origin = sq_httpd_header(r, "Origin");
    snprintf(seen_auth, sizeof(seen_auth), "%s", auth ? auth : "");
    snprintf(seen_origin, sizeof(seen_origin), "%s", origin ? origin : "");
    if (strcmp(sq_httpd_path(r), "/no") == 0) {
        assert_int_equal(sq_httpd_reply(r, 403, NULL, body, sizeof(body) - 1), 0);
        return;
    }
    const char *protocol = sq_httpd_header(r, "Sec-WebSocket-Protocol");
    int err =
        sq_httpd_upgrade(r, protocol ? "janus-protocol" : NULL, &served_options, on_upgraded, NULL);
    assert_true(err == 0 || err == SQ_ERR_NOMEM || err == SQ_ERR_UNSUPPORTED);
}

static void start_server(const struct test_cert *cert)
{
    struct sq_httpd_options o = {0};
    if (cert) {
        o.cert_pem = cert->cert_pem;
        o.key_pem = cert->key_pem;
    }
    memset(&served, 0, sizeof(served));
    memset(&served_options, 0, sizeof(served_options));
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.listen), 0);
    assert_int_equal(sq_httpd_new(loop, &o, on_request, NULL, &httpd), 0);
    struct sq_addr local = sq_httpd_local(httpd);
    snprintf(url, sizeof(url), "%s://127.0.0.1:%u", cert ? "wss" : "ws", sq_addr_port(&local));
}

static int start_plain(void **state)
{
    start_server(NULL);
    return 0;
}

static int stop(void **state)
{
    sq_ws_free(served.ws);
    sq_httpd_free(httpd);
    return 0;
}

static void connect_with(struct side *c, struct sq_ws_options o)
{
    memset(c, 0, sizeof(*c));
    o.url = o.url ? o.url : url;
    assert_int_equal(sq_ws_connect(loop, &o, &events, c, &c->ws), 0);
    RUN_UNTIL(loop, c->opens || c->ends);
}

static void connect_both(struct side *c, struct sq_ws_options o)
{
    connect_with(c, o);
    assert_int_equal(c->opens, 1);
    RUN_UNTIL(loop, served.opens);
}

static void messages_and_pings_go_both_ways(void **state)
{
    struct side c;
    const char *const headers[] = {"Authorization: Bearer t0ken", NULL};
    connect_both(&c, (struct sq_ws_options){.headers = headers,
                                            .origin = "https://example.org",
                                            .subprotocol = "janus-protocol"});
    assert_string_equal(seen_auth, "Bearer t0ken");
    assert_string_equal(seen_origin, "https://example.org");
    served.echo = true;
    assert_int_equal(sq_ws_send_text(c.ws, "{\"a\":1}", 7), 0);
    RUN_UNTIL(loop, c.messages == 1);
    assert_string_equal(c.last, "{\"a\":1}");
    assert_true(c.last_is_text);
    assert_int_equal(sq_ws_send_binary(c.ws, "\1\2\3", 3), 0);
    assert_int_equal(sq_ws_send_text(c.ws, "", 0), 0);
    RUN_UNTIL(loop, c.messages == 3);
    assert_int_equal(c.last_len, 0);
    size_t big = 900000; /* more than the socket takes at once, both ways */
    char *text = sq_malloc(big);
    memset(text, 'x', big);
    assert_int_equal(sq_ws_send_text(c.ws, text, big), 0);
    RUN_UNTIL(loop, c.messages == 4);
    assert_int_equal(c.last_len, big);
    sq_free(text);
    assert_int_equal(sq_ws_ping(c.ws, "hi", 2), 0);
    assert_int_equal(sq_ws_ping(served.ws, "hi", 2), 0);
    RUN_UNTIL(loop, c.pongs == 1 && served.pongs == 1);
    struct sq_stream_times times;
    uint64_t upgrade_ns;
    sq_ws_get_times(c.ws, &times, &upgrade_ns);
    assert_true(times.connect_ns > 0 && upgrade_ns > 0);
    sq_ws_close(c.ws, 1000, "bye");
    assert_int_equal(sq_ws_send_text(c.ws, "x", 1), SQ_ERR_STATE);
    RUN_UNTIL(loop, c.ends && served.ends);
    assert_int_equal(served.end.err, 0);
    assert_int_equal(served.end.code, 1000);
    assert_string_equal(served.end.reason, "bye");
    assert_int_equal(c.end.err, 0);
    assert_int_equal(c.end.code, 1000);
    sq_ws_free(c.ws);
}

static void the_server_may_close_with_its_own_code(void **state)
{
    struct side c;
    connect_both(&c, (struct sq_ws_options){0});
    assert_int_equal(sq_ws_send_text(served.ws, "last words", 10), 0);
    sq_ws_close(served.ws, 4001, "kicked");
    RUN_UNTIL(loop, c.ends && served.ends);
    assert_int_equal(c.messages, 1);
    assert_int_equal(c.end.code, 4001);
    assert_string_equal(c.end.reason, "kicked");
    sq_ws_free(c.ws);
}

/* Also from within a callback, where nothing is sent before its end. */
static void a_close_frame_overtakes_no_message(void **state)
{
    static char text[200000];
    struct side c;
    connect_both(&c, (struct sq_ws_options){0});
    served.echo = served.close_at_once = true;
    memset(text, 'x', sizeof(text) - 1);
    assert_int_equal(sq_ws_send_text(c.ws, text, sizeof(text) - 1), 0);
    RUN_UNTIL(loop, c.ends && served.ends);
    assert_int_equal(c.messages, 1);
    assert_int_equal(c.last_len, sizeof(text) - 1);
    assert_int_equal(c.end.err, 0);
    assert_int_equal(c.end.code, 4001);
    assert_string_equal(c.end.reason, "that was all");
    sq_ws_free(c.ws);
}

static void a_server_that_vanishes_is_told(void **state)
{
    struct side c;
    connect_both(&c, (struct sq_ws_options){0});
    sq_ws_free(served.ws);
    served.ws = NULL;
    RUN_UNTIL(loop, c.ends);
    assert_int_equal(c.end.err, SQ_ERR_CLOSED);
    assert_int_equal(c.end.code, 1006);
    assert_true(c.end.was_open);
    assert_non_null(strstr(c.end.text, "close frame"));
    sq_ws_free(c.ws);
}

static void a_side_may_free_itself_while_receiving(void **state)
{
    struct side c;
    connect_both(&c, (struct sq_ws_options){0});
    c.free_at_once = true;
    assert_int_equal(sq_ws_send_text(served.ws, "1", 1), 0);
    assert_int_equal(sq_ws_send_text(served.ws, "2", 1), 0);
    RUN_UNTIL(loop, served.ends);
    assert_int_equal(c.messages, 1);
    assert_int_equal(c.ends, 0);
    sq_ws_free(NULL);
}

static void too_long_a_message_closes_with_1009(void **state)
{
    struct side c;
    char text[2000];
    memset(text, 'x', sizeof(text));
    served_options.message_max_bytes = 1000;
    connect_both(&c, (struct sq_ws_options){0});
    assert_int_equal(sq_ws_send_text(c.ws, text, 1000), 0);
    RUN_UNTIL(loop, served.messages == 1);
    assert_int_equal(sq_ws_send_text(c.ws, text, 1001), 0);
    RUN_UNTIL(loop, c.ends && served.ends);
    assert_int_equal(served.messages, 1);
    assert_int_equal(served.end.err, SQ_ERR_NOSPACE);
    assert_int_equal(c.end.code, 1009);
    sq_ws_free(c.ws);
}

static void the_queue_has_an_end(void **state)
{
    struct side c;
    static char text[60000];
    memset(text, 'x', sizeof(text));
    connect_both(&c, (struct sq_ws_options){.queue_max_bytes = 100000});
    int err = 0;
    int taken = 0;
    while (err == 0 && taken < 10000) {
        err = sq_ws_send_text(c.ws, text, sizeof(text));
        taken += err == 0;
    }
    assert_int_equal(err, SQ_ERR_NOSPACE);
    assert_true(sq_ws_queued_bytes(c.ws) <= 100000);
    RUN_UNTIL(loop, served.messages == taken);
    assert_int_equal(sq_ws_send_text(c.ws, "again", 5), 0);
    RUN_UNTIL(loop, served.messages == taken + 1);
    sq_ws_free(c.ws);
}

static void a_refusal_shows_status_and_body(void **state)
{
    struct side c;
    char no[120];
    snprintf(no, sizeof(no), "%s/no", url);
    connect_with(&c, (struct sq_ws_options){.url = no});
    assert_int_equal(c.end.err, SQ_ERR_REFUSED);
    assert_int_equal(c.end.http_status, 403);
    assert_string_equal(c.end.body, "go away, please");
    assert_non_null(strstr(c.end.text, "403"));
    assert_false(c.end.was_open);
    sq_ws_free(c.ws);
}

static void over_tls(void **state)
{
    struct side c;
    struct test_cert cert;
    uint16_t port;
    test_cert_make(&cert, "DNS:localhost");
    struct sq_addr plain = sq_httpd_local(httpd);
    struct tls_front *front = tls_front_start(&cert, sq_addr_port(&plain), &port);
    snprintf(url, sizeof(url), "wss://127.0.0.1:%u", port);
    connect_with(&c, (struct sq_ws_options){0});
    assert_int_equal(c.end.err, SQ_ERR_TLS);
    sq_ws_free(c.ws);
    connect_both(&c, (struct sq_ws_options){.tls = {.insecure = true}});
    served.echo = true;
    size_t big = 900000;
    char *text = sq_malloc(big);
    memset(text, 'x', big);
    assert_int_equal(sq_ws_send_text(c.ws, text, big), 0);
    RUN_UNTIL(loop, c.messages == 1);
    assert_int_equal(c.last_len, big);
    sq_free(text);
    sq_ws_close(c.ws, 1000, NULL);
    RUN_UNTIL(loop, c.ends && served.ends);
    assert_int_equal(c.end.err, 0);
    sq_ws_free(c.ws);
    tls_front_stop(front);
}

/* The server itself has no WebSocket over TLS, and says so. */
static void upgrades_of_a_tls_server_are_refused(void **state)
{
    struct side c;
    struct test_cert cert;
    sq_httpd_free(httpd);
    test_cert_make(&cert, "DNS:localhost");
    start_server(&cert);
    connect_with(&c, (struct sq_ws_options){.tls = {.insecure = true}});
    assert_int_equal(c.end.err, SQ_ERR_REFUSED);
    assert_int_equal(c.end.http_status, 501);
    sq_ws_free(c.ws);
}

/* --- raw servers --- */

struct raw {
    struct sq_stream *stream;
    struct sq_watch watch;
    int listener;
    const char *answer; /* "%s" stands for the right Sec-WebSocket-Accept */
    const char *then;   /* frames sent after the answer, in the same write */
    size_t then_len;
    bool close;
    char request[4096];
    size_t request_len;
    bool ended;
};

static void on_raw_data(void *ctx, const uint8_t *data, size_t len)
{
    struct raw *r = ctx;
    if (r->request_len + len >= sizeof(r->request)) {
        return;
    }
    memcpy(r->request + r->request_len, data, len);
    r->request_len += len;
    r->request[r->request_len] = '\0';
    char *key = strstr(r->request, "Sec-WebSocket-Key: ");
    if (!strstr(r->request, "\r\n\r\n") || !key || !r->answer) {
        return;
    }
    char value[25] = {0};
    char accept[29];
    memcpy(value, key + 19, 24);
    sq_ws_accept_value(value, accept);
    struct sq_buf out = {0};
    for (const char *at = r->answer; *at; at++) {
        if (at[0] == '%' && at[1] == 's') {
            sq_buf_puts(&out, accept);
            at++;
        } else {
            sq_buf_add(&out, at, 1);
        }
    }
    sq_buf_add(&out, r->then, r->then_len);
    assert_int_equal(sq_stream_send(r->stream, out.text, out.len), 0);
    sq_buf_free(&out);
    r->answer = NULL;
    if (r->close) {
        sq_stream_shutdown(r->stream);
    }
}

static void on_raw_end(void *ctx, const struct sq_stream_end *e)
{
    ((struct raw *)ctx)->ended = true;
}

static void on_raw_accept(void *ctx, unsigned ready)
{
    static const struct sq_stream_events raw_events = {.on_data = on_raw_data,
                                                       .on_end = on_raw_end};
    struct raw *r = ctx;
    int fd = accept(r->listener, NULL, NULL);
    assert_true(fd >= 0);
    assert_int_equal(sq_stream_from_fd(loop, fd, NULL, 0, NULL, NULL, &raw_events, r, &r->stream),
                     0);
}

/* The client against a server that answers just so. */
static struct side against(struct raw *r, struct sq_ws_options o)
{
    struct sq_addr addr;
    socklen_t len = sizeof(addr);
    char raw_url[64];
    struct side c;
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    r->listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(r->listener, &addr.sa, sizeof(addr.in4)), 0);
    assert_int_equal(listen(r->listener, 4), 0);
    assert_int_equal(getsockname(r->listener, &addr.sa, &len), 0);
    assert_int_equal(sq_watch_start(loop, &r->watch, r->listener, SQ_READ, on_raw_accept, r), 0);
    snprintf(raw_url, sizeof(raw_url), "ws://127.0.0.1:%u/p?q", sq_addr_port(&addr));
    o.url = raw_url;
    memset(&c, 0, sizeof(c));
    assert_int_equal(sq_ws_connect(loop, &o, &events, &c, &c.ws), 0);
    RUN_UNTIL(loop, c.ends);
    sq_ws_free(c.ws);
    sq_stream_free(r->stream);
    sq_watch_stop(&r->watch);
    close(r->listener);
    return c;
}

#define GOOD                                                                                       \
    "HTTP/1.1 101 Switching Protocols\r\nUpgrade: WebSocket\r\nConnection: keep-alive, "           \
    "Upgrade\r\n"                                                                                  \
    "Sec-WebSocket-Accept: %s\r\n"

static void wrong_answers_are_told(void **state)
{
    static const struct {
        const char *answer;
        int err;
        const char *text;
    } cases[] = {
        {"HTTP/1.1 101 OK\r\nUpgrade: websocket\r\nConnection: upgrade\r\n"
         "Sec-WebSocket-Accept: AAAAAAAAAAAAAAAAAAAAAAAAAAA=\r\n\r\n",
         SQ_ERR_FORMAT, "Sec-WebSocket-Accept"},
        {"HTTP/1.1 101 OK\r\nConnection: upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
         SQ_ERR_FORMAT, "Upgrade"},
        {GOOD "Sec-WebSocket-Protocol: mine\r\n\r\n", SQ_ERR_FORMAT, "sub-protocol"},
        {GOOD "Sec-WebSocket-Extensions: permessage-deflate\r\n\r\n", SQ_ERR_FORMAT, "extension"},
        {"SSH-2.0-OpenSSH\r\n\r\n", SQ_ERR_FORMAT, "not HTTP"},
        {"HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nbad", SQ_ERR_REFUSED, "503"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct raw r = {.answer = cases[i].answer};
        struct side c = against(&r, (struct sq_ws_options){0});
        assert_int_equal(c.end.err, cases[i].err);
        assert_non_null(strstr(c.end.text, cases[i].text));
        assert_int_equal(c.opens, 0);
        assert_non_null(strstr(r.request, "GET /p?q HTTP/1.1\r\nHost: 127.0.0.1:"));
    }
    struct raw r = {.answer = GOOD "\r\n"};
    struct side c = against(&r, (struct sq_ws_options){.subprotocol = "janus-protocol"});
    assert_int_equal(c.end.err, SQ_ERR_FORMAT);
    assert_non_null(strstr(c.end.text, "janus-protocol"));
}

static void silence_and_early_ends_are_told(void **state)
{
    struct raw quiet = {0};
    struct side c = against(&quiet, (struct sq_ws_options){.timeout_ns = 40 * SQ_NS_PER_MS});
    assert_int_equal(c.end.err, SQ_ERR_TIMEOUT);
    assert_non_null(strstr(c.end.text, "40ms"));
    struct raw half = {.answer = "HTTP/1.1 101", .close = true};
    c = against(&half, (struct sq_ws_options){0});
    assert_int_equal(c.end.err, SQ_ERR_CLOSED);
    char endless[SQ_WS_HEAD_MAX_BYTES + 100];
    memset(endless, 'a', sizeof(endless) - 1);
    endless[sizeof(endless) - 1] = '\0';
    struct raw wordy = {.answer = endless};
    c = against(&wordy, (struct sq_ws_options){0});
    assert_int_equal(c.end.err, SQ_ERR_FORMAT);
    struct raw open_ended = {.answer = "HTTP/1.1 401 No\r\n\r\nwho are you", .close = true};
    c = against(&open_ended, (struct sq_ws_options){0});
    assert_int_equal(c.end.http_status, 401);
    assert_string_equal(c.end.body, "who are you");
}

/* Frames that come with the answer, in pieces, with a ping between (RFC 6455, section 5.4). */
static void fragments_are_put_together(void **state)
{
    static const char frames[] = "\x01\x03Hel\x89\x00\x80\x02lo\x88\x02\x03\xe8";
    struct raw r = {.answer = GOOD "\r\n", .then = frames, .then_len = sizeof(frames) - 1};
    struct side c = against(&r, (struct sq_ws_options){0});
    assert_int_equal(c.messages, 1);
    assert_string_equal(c.last, "Hello");
    assert_int_equal(c.end.err, 0);
    assert_int_equal(c.end.code, 1000);
}

/* RFC 9110, section 15.2: any number of them may come before the answer. */
static void interim_answers_are_passed_over(void **state)
{
    static const char bye[] = "\x88\x02\x03\xe8";
    struct raw r = {.answer = "HTTP/1.1 100 Continue\r\n\r\n"
                              "HTTP/1.1 103 Early Hints\r\nLink: </x>\r\n\r\n" GOOD "\r\n",
                    .then = bye,
                    .then_len = sizeof(bye) - 1};
    struct side c = against(&r, (struct sq_ws_options){0});
    assert_int_equal(c.opens, 1);
    assert_int_equal(c.end.err, 0);
    assert_int_equal(c.end.code, 1000);
    struct raw refusing = {.answer = "HTTP/1.1 100 Continue\r\n\r\n"
                                     "HTTP/1.1 503 No\r\nContent-Length: 3\r\n\r\nbad"};
    c = against(&refusing, (struct sq_ws_options){0});
    assert_int_equal(c.end.err, SQ_ERR_REFUSED);
    assert_int_equal(c.end.http_status, 503);
    assert_string_equal(c.end.body, "bad");
    /* More of them than one head may have bytes. */
    struct sq_buf many = {0};
    while (many.len < 2 * SQ_WS_HEAD_MAX_BYTES) {
        sq_buf_puts(&many, "HTTP/1.1 102 Processing\r\n\r\n");
    }
    sq_buf_puts(&many, GOOD "\r\n");
    struct raw busy = {.answer = many.text, .then = bye, .then_len = sizeof(bye) - 1};
    c = against(&busy, (struct sq_ws_options){0});
    assert_int_equal(c.opens, 1);
    assert_int_equal(c.end.err, 0);
    sq_buf_free(&many);
    struct raw cut = {.answer = "HTTP/1.1 100 Continue\r\n\r\n", .close = true};
    c = against(&cut, (struct sq_ws_options){0});
    assert_int_equal(c.end.err, SQ_ERR_CLOSED);
    assert_int_equal(c.end.http_status, 0);
}

/* Pings are answered, each; but not so many that the answers pile up. */
static void pings_without_end(void **state)
{
    static char frames[2 * 20000 + 4];
    for (size_t n = 1000; n <= 20000; n += 19000) {
        for (size_t i = 0; i < n; i++) {
            memcpy(frames + 2 * i, "\x89\x00", 2);
        }
        memcpy(frames + 2 * n, "\x88\x02\x03\xe8", 4);
        struct raw r = {.answer = GOOD "\r\n", .then = frames, .then_len = 2 * n + 4};
        struct side c = against(&r, (struct sq_ws_options){0});
        assert_int_equal(c.opens, 1);
        assert_int_equal(c.end.err, n == 1000 ? 0 : SQ_ERR_NOSPACE);
        assert_true(n == 1000 || strstr(c.end.text, "pings"));
    }
}

static void hostile_frames_end_it(void **state)
{
    static const struct {
        const char *frames;
        size_t len;
        int err;
    } cases[] = {
        {"\x81\x02\xc3\x28", 4, SQ_ERR_FORMAT}, /* not UTF-8 */
        {"\x83\x00", 2, SQ_ERR_FORMAT},         /* unknown opcode */
        {"\xc1\x00", 2, SQ_ERR_FORMAT},         /* reserved bit */
        {"\x89\x7e\x00\x80", 4, SQ_ERR_FORMAT}, /* ping too long */
        {"\x80\x01x", 3, SQ_ERR_FORMAT},        /* nothing to continue */
        {"\x81\x7f\x7f\xff\xff\xff\xff\xff\xff\xff"
         "x",
         11, SQ_ERR_NOSPACE}, /* 2^63 - 1 bytes */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct raw r = {.answer = GOOD "\r\n", .then = cases[i].frames, .then_len = cases[i].len};
        struct side c = against(&r, (struct sq_ws_options){0});
        assert_int_equal(c.opens, 1);
        assert_int_equal(c.messages, 0);
        assert_int_equal(c.end.err, cases[i].err);
    }
}

/* RFC 6455, section 1.3. */
static void the_accept_value_of_the_rfc(void **state)
{
    char accept[29];
    sq_ws_accept_value("dGhlIHNhbXBsZSBub25jZQ==", accept);
    assert_string_equal(accept, "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=");
}

static void wrong_options_are_refused(void **state)
{
    struct sq_ws *ws;
    struct side c = {0};
    const char *const bad_header[] = {"A: b\r\nC: d", NULL};
    struct sq_ws_options cases[] = {
        {.url = "http://h/"},
        {.url = "ws://"},
        {.url = "ws://h/", .headers = bad_header},
        {.url = "ws://h/", .origin = "a\nb"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(sq_ws_connect(loop, &cases[i], &events, &c, &ws), SQ_ERR_INVALID);
    }
}

static void no_memory_at_any_point(void **state)
{
    bool done = false;
    for (size_t nth = 1; !done; nth++) {
        struct side c = {0};
        struct sq_ws_options o = {.url = url, .subprotocol = "p", .timeout_ns = SQ_NS_PER_SEC / 4};
        o.subprotocol = "janus-protocol";
        memset(&served, 0, sizeof(served));
        served.echo = true;
        sq_mem_fail_at(nth);
        int err = sq_ws_connect(loop, &o, &events, &c, &c.ws);
        bool sent = false;
        while (err == 0 && !c.ends && !c.messages && !served.ends) {
            assert_int_equal(sq_loop_run_once(loop, SQ_NS_PER_MS), 0);
            if (c.opens && !sent) {
                sent = sq_ws_send_text(c.ws, "x", 1) == 0;
            }
        }
        done = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(!done || c.messages == 1);
        sq_ws_free(c.ws);
        sq_ws_free(served.ws);
        served.ws = NULL;
    }
}

#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, start_plain, stop)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_accept_value_of_the_rfc),
        cmocka_unit_test(wrong_options_are_refused),
        WITH_SERVER(messages_and_pings_go_both_ways),
        WITH_SERVER(the_server_may_close_with_its_own_code),
        WITH_SERVER(a_close_frame_overtakes_no_message),
        WITH_SERVER(a_server_that_vanishes_is_told),
        WITH_SERVER(a_side_may_free_itself_while_receiving),
        WITH_SERVER(too_long_a_message_closes_with_1009),
        WITH_SERVER(the_queue_has_an_end),
        WITH_SERVER(a_refusal_shows_status_and_body),
        WITH_SERVER(over_tls),
        WITH_SERVER(upgrades_of_a_tls_server_are_refused),
        cmocka_unit_test(wrong_answers_are_told),
        cmocka_unit_test(silence_and_early_ends_are_told),
        cmocka_unit_test(fragments_are_put_together),
        cmocka_unit_test(interim_answers_are_passed_over),
        cmocka_unit_test(pings_without_end),
        cmocka_unit_test(hostile_frames_end_it),
        WITH_SERVER(no_memory_at_any_point),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
