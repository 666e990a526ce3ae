#include "net/ws.h"

#include "base/mem.h"
#include "base/rand.h"
#include "net/http.h"
#include "net/ws_int.h"
#include <stdio.h>
#include <string.h>
#include <wslay/wslay.h>

#define CLOSE_WAIT_NS  (2 * SQ_NS_PER_SEC) /* for the other side's close frame */
#define CONTROL_MAX    125                 /* RFC 6455, section 5.5 */
#define STREAM_QUEUE   (256 * 1024)        /* what libwslay may hand down before it waits */
#define HOST_MAX       256
#define PINGS_MAX      4096 /* whose answers wait: libwslay queues one for each */
#define CODE_NO_STATUS 1005
#define CODE_ABNORMAL  1006
#define CODE_TOO_BIG   1009

struct sq_ws {
    struct sq_loop *loop;
    struct sq_ws_events events;
    void *ctx;
    struct sq_stream *stream;
    struct sq_ws_upgrade *upgrade;  /* client, until open */
    wslay_event_context_ptr frames; /* NULL until open */
    struct sq_timer timer;          /* upgrade time-out, then the wait for the close frame */
    struct sq_rand mask;
    struct sq_stream_times times;
    uint64_t upgrade_start_ns, upgrade_ns;
    uint64_t timeout_ns;
    size_t message_max, queue_max;
    const uint8_t *in; /* bytes that libwslay may read, while on_data runs */
    size_t in_len;
    char *message; /* with room for a NUL */
    size_t message_room;
    bool was_open, open, ended;
    bool blocked; /* the stream's queue is full: it tells when it has drained */
    bool closing; /* a close frame is to follow the queued messages */
    uint16_t close_code;
    char close_reason[CONTROL_MAX - 2 + 1];
    unsigned pings; /* since the queue was empty */
    int busy;
    bool freed;
    char text[SQ_NET_TEXT_MAX];
};

/* --- life --- */

static void free_struct(struct sq_ws *ws)
{
    wslay_event_context_free(ws->frames);
    sq_ws_upgrade_free(ws->upgrade);
    sq_free(ws->message);
    sq_free(ws);
}

static void tear_down(struct sq_ws *ws)
{
    ws->open = false;
    sq_timer_stop(&ws->timer);
    sq_stream_free(ws->stream);
    ws->stream = NULL;
}

void sq_ws_free(struct sq_ws *ws)
{
    if (!ws || ws->freed) {
        return;
    }
    tear_down(ws);
    ws->freed = true;
    if (ws->busy == 0) {
        free_struct(ws);
    }
}

static void leave(struct sq_ws *ws)
{
    ws->busy--;
    if (ws->freed && ws->busy == 0) {
        free_struct(ws);
    }
}

static void end(struct sq_ws *ws, int err, enum sq_stream_phase during)
{
    if (ws->ended || ws->freed) {
        return;
    }
    ws->ended = true;
    uint16_t code = CODE_ABNORMAL;
    if (ws->frames && wslay_event_get_close_received(ws->frames)) {
        code = wslay_event_get_status_code_received(ws->frames);
        code = code ? code : CODE_NO_STATUS;
    }
    struct sq_ws_end e = {
        .err = err,
        .during = during,
        .was_open = ws->was_open,
        .code = code,
        .reason = ws->message && code != CODE_ABNORMAL ? ws->message : "",
        .http_status = ws->upgrade    ? ws->upgrade->status
                       : ws->was_open ? 101
                                      : 0,
        .body = sq_ws_upgrade_body(ws->upgrade),
        .text = err ? ws->text : "",
    };
    tear_down(ws);
    if (ws->events.on_end) {
        ws->events.on_end(ws->ctx, &e);
    }
}

/* --- libwslay's callbacks --- */

static ssize_t on_wslay_recv(wslay_event_context_ptr frames, uint8_t *buf, size_t room, int flags,
                             void *user)
{
    struct sq_ws *ws = user;
    if (ws->freed || ws->in_len == 0) {
        wslay_event_set_error(frames,
                              ws->freed ? WSLAY_ERR_CALLBACK_FAILURE : WSLAY_ERR_WOULDBLOCK);
        return -1;
    }
    size_t n = ws->in_len < room ? ws->in_len : room;
    memcpy(buf, ws->in, n);
    ws->in += n;
    ws->in_len -= n;
    return (ssize_t)n;
}

static ssize_t on_wslay_send(wslay_event_context_ptr frames, const uint8_t *data, size_t len,
                             int flags, void *user)
{
    struct sq_ws *ws = user;
    size_t queued = ws->stream ? sq_stream_queued_bytes(ws->stream) : 0;
    size_t n = STREAM_QUEUE - queued < len ? STREAM_QUEUE - queued : len;
    ws->blocked = n == 0;
    if (!ws->stream || n == 0) {
        wslay_event_set_error(frames,
                              ws->stream ? WSLAY_ERR_WOULDBLOCK : WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    if (sq_stream_send(ws->stream, data, n) != 0) {
        wslay_event_set_error(frames, WSLAY_ERR_CALLBACK_FAILURE);
        return -1;
    }
    return (ssize_t)n;
}

/* RFC 6455, section 10.3, asks for masks that the peer cannot foresee; that guards proxies against
 * scripts, of which there are none here, so a seeded generator is enough and cheap. */
static int on_wslay_mask(wslay_event_context_ptr frames, uint8_t *buf, size_t len, void *user)
{
    struct sq_ws *ws = user;
    for (size_t i = 0; i < len; i += 4) {
        uint32_t r = sq_rand_u32(&ws->mask);
        memcpy(buf + i, &r, len - i < 4 ? len - i : 4);
    }
    return 0;
}

/* Copies the message so that it ends with NUL. */
static int keep_message(struct sq_ws *ws, const uint8_t *data, size_t len)
{
    if (len + 1 > ws->message_room) {
        char *bigger = sq_realloc(ws->message, len + 1);
        if (!bigger) {
            return SQ_ERR_NOMEM;
        }
        ws->message = bigger;
        ws->message_room = len + 1;
    }
    if (len > 0) {
        memcpy(ws->message, data, len);
    }
    ws->message[len] = '\0';
    return 0;
}

static void on_wslay_msg(wslay_event_context_ptr frames,
                         const struct wslay_event_on_msg_recv_arg *m, void *user)
{
    struct sq_ws *ws = user;
    if (ws->freed) {
        return;
    }
    if (m->opcode == WSLAY_PONG) {
        if (ws->events.on_pong) {
            ws->events.on_pong(ws->ctx, m->msg, m->msg_length);
        }
        return;
    }
    ws->pings += m->opcode == WSLAY_PING;
    bool close = m->opcode == WSLAY_CONNECTION_CLOSE;
    if (!close && m->opcode != WSLAY_TEXT_FRAME && m->opcode != WSLAY_BINARY_FRAME) {
        return;
    }
    size_t skip = close && m->msg_length >= 2 ? 2 : 0; /* the status code */
    if (keep_message(ws, m->msg + skip, m->msg_length - skip) != 0) {
        snprintf(ws->text, sizeof(ws->text), "no memory for a message of %zu bytes", m->msg_length);
        wslay_event_set_error(frames, WSLAY_ERR_NOMEM);
        (void)wslay_event_queue_close(frames, CODE_TOO_BIG, NULL, 0);
        return;
    }
    if (!close && ws->events.on_message) {
        ws->events.on_message(ws->ctx, ws->message, m->msg_length, m->opcode == WSLAY_TEXT_FRAME);
    }
}

static const struct wslay_event_callbacks callbacks = {
    .recv_callback = on_wslay_recv,
    .send_callback = on_wslay_send,
    .genmask_callback = on_wslay_mask,
    .on_msg_recv_callback = on_wslay_msg,
};

static int make_frames(struct sq_ws *ws, bool client)
{
    int r = client ? wslay_event_context_client_init(&ws->frames, &callbacks, ws)
                   : wslay_event_context_server_init(&ws->frames, &callbacks, ws);
    if (r != 0) {
        ws->frames = NULL;
        return SQ_ERR_NOMEM;
    }
    wslay_event_config_set_max_recv_msg_length(ws->frames, ws->message_max);
    uint64_t seed;
    sq_rand_secret(&seed, sizeof(seed));
    sq_rand_seed(&ws->mask, seed);
    ws->was_open = true;
    ws->open = true;
    return 0;
}

/* --- frames in and out --- */

/* Hands queued frames down, and the close frame behind the last of them: libwslay itself would send
 * it first. */
static int send_frames(struct sq_ws *ws)
{
    ws->blocked = false;
    for (;;) {
        while (!ws->blocked && wslay_event_want_write(ws->frames)) { /* it stops at a short write */
            int r = wslay_event_send(ws->frames);
            if (r != 0) {
                return r;
            }
        }
        size_t left = wslay_event_get_queued_msg_count(ws->frames);
        ws->pings = left > 0 ? ws->pings : 0;
        if (!ws->closing || left > 0) {
            return 0;
        }
        ws->closing = false;
        (void)wslay_event_queue_close(ws->frames, ws->close_code, (const uint8_t *)ws->close_reason,
                                      strlen(ws->close_reason));
    }
}

/* Sends; ends the WebSocket once both sides have said close. */
static void push(struct sq_ws *ws)
{
    if (ws->ended || ws->freed || !ws->frames || send_frames(ws) != 0) {
        return; /* the stream tells why it ended */
    }
    if (!wslay_event_get_close_sent(ws->frames)) {
        return;
    }
    ws->open = false;
    uint16_t sent = wslay_event_get_status_code_sent(ws->frames);
    bool drained = sq_stream_queued_bytes(ws->stream) == 0;
    if (drained && wslay_event_get_close_received(ws->frames)) {
        end(ws, 0, SQ_STREAM_OPEN);
    } else if (drained && !wslay_event_want_read(ws->frames)) { /* we found a violation */
        if (sent == CODE_TOO_BIG && ws->text[0] == '\0') {
            snprintf(ws->text, sizeof(ws->text),
                     "the other side sent a message longer than %zu bytes", ws->message_max);
        } else if (ws->text[0] == '\0') {
            snprintf(ws->text, sizeof(ws->text),
                     "the other side broke the WebSocket protocol (closed with %u)", sent);
        }
        end(ws, sent == CODE_TOO_BIG ? SQ_ERR_NOSPACE : SQ_ERR_FORMAT, SQ_STREAM_OPEN);
    } else if (!sq_timer_active(&ws->timer)) {
        sq_timer_start(sq_loop_timers(ws->loop), &ws->timer, sq_clock_ns() + CLOSE_WAIT_NS);
    }
}

static void feed(struct sq_ws *ws, const uint8_t *data, size_t len)
{
    ws->in = data;
    ws->in_len = len;
    int r = 0;
    while (r == 0 && ws->in_len > 0 && !ws->freed && wslay_event_want_read(ws->frames)) {
        r = wslay_event_recv(ws->frames);
    }
    ws->in_len = 0;
    if (ws->pings > PINGS_MAX) {
        snprintf(ws->text, sizeof(ws->text), "the other side sent %u pings and reads no answers",
                 ws->pings);
        end(ws, SQ_ERR_NOSPACE, SQ_STREAM_OPEN);
        return;
    }
    push(ws);
}

/* From within a callback of libwslay, frames go out when it has returned. */
static void push_unless_busy(struct sq_ws *ws)
{
    if (ws->busy == 0) {
        ws->busy++;
        push(ws);
        leave(ws);
    }
}

static int queue(struct sq_ws *ws, uint8_t opcode, const void *data, size_t len)
{
    if (!ws->open || wslay_event_get_close_sent(ws->frames)) {
        return SQ_ERR_STATE;
    }
    if (len > ws->queue_max || sq_ws_queued_bytes(ws) > ws->queue_max - len) {
        return SQ_ERR_NOSPACE;
    }
    struct wslay_event_msg m = {.opcode = opcode, .msg = data, .msg_length = len};
    int r = wslay_event_queue_msg(ws->frames, &m);
    if (r != 0) {
        return r == WSLAY_ERR_NOMEM ? SQ_ERR_NOMEM : SQ_ERR_STATE;
    }
    push_unless_busy(ws);
    return 0;
}

int sq_ws_send_text(struct sq_ws *ws, const char *text, size_t len)
{
    return queue(ws, WSLAY_TEXT_FRAME, text, len);
}

int sq_ws_send_binary(struct sq_ws *ws, const void *data, size_t len)
{
    return queue(ws, WSLAY_BINARY_FRAME, data, len);
}

int sq_ws_ping(struct sq_ws *ws, const void *data, size_t len)
{
    return len > CONTROL_MAX ? SQ_ERR_INVALID : queue(ws, WSLAY_PING, data, len);
}

void sq_ws_close(struct sq_ws *ws, uint16_t code, const char *reason)
{
    if (!ws->open) {
        return;
    }
    snprintf(ws->close_reason, sizeof(ws->close_reason), "%s", reason ? reason : "");
    ws->close_code = code;
    ws->closing = true;
    ws->open = false;
    /* From the timer, so that on_end never runs inside this call. */
    sq_timer_start(sq_loop_timers(ws->loop), &ws->timer, sq_clock_ns() + CLOSE_WAIT_NS);
    if (ws->busy == 0) {
        (void)send_frames(ws);
    }
}

size_t sq_ws_queued_bytes(const struct sq_ws *ws)
{
    return (ws->frames ? wslay_event_get_queued_msg_length(ws->frames) : 0) +
           (ws->stream ? sq_stream_queued_bytes(ws->stream) : 0);
}

/* --- the stream's events --- */

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_ws *ws = ctx;
    ws->busy++;
    if (ws->was_open) {
        snprintf(ws->text, sizeof(ws->text), "the other side did not answer the close frame");
        end(ws, SQ_ERR_TIMEOUT, SQ_STREAM_OPEN);
    } else if (ws->upgrade && ws->upgrade->head_end) { /* a refusal whose body never ended */
        snprintf(ws->text, sizeof(ws->text), "the server refused the WebSocket: HTTP %d",
                 ws->upgrade->status);
        end(ws, SQ_ERR_REFUSED, SQ_STREAM_OPEN);
    } else {
        char took[32];
        snprintf(ws->text, sizeof(ws->text), "no answer to the WebSocket upgrade within %s",
                 sq_format_duration(ws->timeout_ns, took));
        end(ws, SQ_ERR_TIMEOUT, SQ_STREAM_OPEN);
    }
    leave(ws);
}

static void on_stream_open(void *ctx)
{
    struct sq_ws *ws = ctx;
    sq_stream_get_times(ws->stream, &ws->times);
    ws->upgrade_start_ns = sq_clock_ns();
    sq_timer_start(sq_loop_timers(ws->loop), &ws->timer, ws->upgrade_start_ns + ws->timeout_ns);
    /* A failure to send shows as the stream's end. */
    int err = sq_stream_send(ws->stream, ws->upgrade->request.text, ws->upgrade->request.len);
    (void)err;
}

/* True when open; the answer took `used` bytes. */
static bool upgrade_step(struct sq_ws *ws, const uint8_t *data, size_t len, size_t *ret_used)
{
    int err = sq_ws_upgrade_feed(ws->upgrade, data, len, ret_used, ws->text);
    if (err == SQ_ERR_AGAIN) {
        if (ws->upgrade->head_end) { /* a refusal: its body need not end */
            sq_timer_start(sq_loop_timers(ws->loop), &ws->timer, sq_clock_ns() + SQ_NS_PER_SEC);
        }
        return false;
    }
    if (err == SQ_ERR_REFUSED) {
        snprintf(ws->text, sizeof(ws->text), "the server refused the WebSocket: HTTP %d",
                 ws->upgrade->status);
    }
    err = err ? err : make_frames(ws, true);
    if (err) {
        end(ws, err, SQ_STREAM_OPEN);
        return false;
    }
    sq_timer_stop(&ws->timer);
    ws->upgrade_ns = sq_clock_ns() - ws->upgrade_start_ns;
    sq_ws_upgrade_free(ws->upgrade);
    ws->upgrade = NULL;
    if (ws->events.on_open) {
        ws->events.on_open(ws->ctx);
    }
    return !ws->freed && !ws->ended;
}

static void on_stream_data(void *ctx, const uint8_t *data, size_t len)
{
    struct sq_ws *ws = ctx;
    size_t used = 0;
    ws->busy++;
    if (ws->frames || upgrade_step(ws, data, len, &used)) {
        feed(ws, data + used, len - used);
    }
    leave(ws);
}

static void on_stream_drained(void *ctx)
{
    push_unless_busy(ctx);
}

static void on_stream_end(void *ctx, const struct sq_stream_end *e)
{
    struct sq_ws *ws = ctx;
    ws->busy++;
    int err = e->err;
    if (ws->frames && wslay_event_get_close_received(ws->frames)) {
        err = 0; /* it closed in order and did not wait */
    } else if (ws->upgrade && ws->upgrade->head_end) {
        err = SQ_ERR_REFUSED;
        snprintf(ws->text, sizeof(ws->text), "the server refused the WebSocket: HTTP %d",
                 ws->upgrade->status);
    } else if (err == 0) {
        err = SQ_ERR_CLOSED;
        snprintf(ws->text, sizeof(ws->text), "the other side closed the connection %s",
                 ws->was_open ? "without a close frame" : "instead of answering the upgrade");
    } else {
        snprintf(ws->text, sizeof(ws->text), "%s", e->text);
    }
    end(ws, err, e->during);
    leave(ws);
}

static const struct sq_stream_events stream_events = {
    .on_open = on_stream_open,
    .on_data = on_stream_data,
    .on_drained = on_stream_drained,
    .on_end = on_stream_end,
};

/* --- making --- */

static struct sq_ws *new_ws(struct sq_loop *loop, const struct sq_ws_options *o,
                            const struct sq_ws_events *events, void *ctx)
{
    struct sq_ws *ws = sq_zalloc(sizeof(*ws));
    if (ws) {
        ws->loop = loop;
        sq_ws_set_events(ws, events, ctx);
        ws->message_max =
            o && o->message_max_bytes ? o->message_max_bytes : SQ_WS_MESSAGE_DEFAULT_BYTES;
        ws->queue_max = o && o->queue_max_bytes ? o->queue_max_bytes : SQ_WS_QUEUE_DEFAULT_BYTES;
        ws->timeout_ns = o && o->timeout_ns ? o->timeout_ns : SQ_STREAM_TIMEOUT_DEFAULT_NS;
        sq_timer_init(&ws->timer, on_timer, ws);
    }
    return ws;
}

int sq_ws_connect(struct sq_loop *loop, const struct sq_ws_options *options,
                  const struct sq_ws_events *events, void *ctx, struct sq_ws **ret_ws)
{
    struct sq_url url;
    char host[HOST_MAX];
    if (sq_url_parse(options->url, &url) != 0 || url.host.len >= sizeof(host) ||
        !(sq_view_is_nocase(url.scheme, "ws") || sq_view_is_nocase(url.scheme, "wss"))) {
        return SQ_ERR_INVALID;
    }
    memcpy(host, url.host.at, url.host.len);
    host[url.host.len] = '\0';
    struct sq_ws *ws = new_ws(loop, options, events, ctx);
    if (!ws) {
        return SQ_ERR_NOMEM;
    }
    struct sq_stream_options so = {
        .host = host,
        .port = url.port,
        .tls = sq_view_is_nocase(url.scheme, "wss"),
        .tls_options = options->tls,
        .timeout_ns = options->timeout_ns,
        .queue_max_bytes = STREAM_QUEUE,
        .link = options->link,
        .past_firewall = !options->through_firewall,
    };
    int err = sq_ws_upgrade_new(options, &ws->upgrade);
    err = err ? err : sq_stream_connect(loop, &so, &stream_events, ws, &ws->stream);
    if (err) {
        sq_ws_free(ws);
        return err;
    }
    *ret_ws = ws;
    return 0;
}

int sq_ws_server(struct sq_loop *loop, int fd, const void *early, size_t early_len,
                 void (*release)(void *ctx), void *release_ctx, const struct sq_ws_options *options,
                 const struct sq_ws_events *events, void *ctx, struct sq_ws **ret_ws)
{
    struct sq_ws *ws = new_ws(loop, options, events, ctx);
    if (!ws) {
        return SQ_ERR_NOMEM;
    }
    int err = make_frames(ws, false);
    err = err ? err
              : sq_stream_from_fd(loop, fd, early, early_len, release, release_ctx, &stream_events,
                                  ws, &ws->stream);
    if (err) {
        sq_ws_free(ws);
        return err;
    }
    *ret_ws = ws;
    return 0;
}

void sq_ws_set_events(struct sq_ws *ws, const struct sq_ws_events *events, void *ctx)
{
    ws->events = events ? *events : (struct sq_ws_events){0};
    ws->ctx = ctx;
}

void sq_ws_get_times(const struct sq_ws *ws, struct sq_stream_times *ret_times,
                     uint64_t *ret_upgrade_ns)
{
    *ret_times = ws->times;
    *ret_upgrade_ns = ws->upgrade_ns;
}
