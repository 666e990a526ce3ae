/* The steps `websocket` and `data`: what goes out, and a message that is waited for. */
#include "base/mem.h"
#include "base/secret.h"
#include "base/time.h"
#include "net/loop.h"
#include "net/ws.h"
#include "run/step_take.h"
#include "run/user_steps_int.h"
#include "signal/session.h"
#include <stdio.h>
#include <string.h>

#define CLOSE_NORMAL 1000 /* RFC 6455, section 7.4.1 */
#define CLOSE_AWAY   1001
#define FULL_BYTES   (1024 * 1024) /* wait on a data channel: no more is sent meanwhile */
#define FULL_WAIT_NS (10 * SQ_NS_PER_MS)
#define AT_ONCE      64 /* messages of a peer until others have their turn */

static void go_on(struct sq_user_steps *s, const struct sq_step *step);

/* ---- What is waited for ---- */

static void wait_until(struct sq_user_steps *s, uint64_t at_ns)
{
    sq_timer_start(sq_loop_timers(s->user->env->loop), &s->timer, at_ns);
}

static void fail_missing(struct sq_user_steps *s, const char *missing, int err)
{
    if (missing[0]) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "there is no value for ${%s}", missing);
    } else {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s", sq_err_name(err));
    }
}

/* The values that its places have to have, filled in: false, and the step has failed. */
static bool fill_values(struct sq_user_steps *s, const struct sq_step_match *match,
                        char *values[static SQ_STEP_MATCHES_MAX])
{
    char missing[SQ_STEP_NAME_MAX + 8] = "";
    int err = 0;
    for (size_t i = 0; !err && i < match->at_len; i++) {
        values[i] = sq_user_step_put(s->user, match->at[i].value, false, &err, missing);
    }
    if (err) {
        fail_missing(s, missing, err);
    }
    return !err;
}

static void take_message(struct sq_user_steps *s, const struct sq_step_talk *t,
                         const struct sq_inbox_message *m)
{
    char why[200] = "";
    const struct sq_http_response as_answer = {.body = m->text, .body_len = m->len};
    int err = sq_user_step_take_all(s, t->takes, t->takes_len, &as_answer, why, sizeof(why));
    if (err) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s", why[0] ? why : sq_err_name(err));
    }
}

/* Looks through what has come. True: the message was there, or the step has failed. */
static bool look(struct sq_user_steps *s, const struct sq_step_talk *t, const char *label,
                 struct sq_inbox *inbox)
{
    char *values[SQ_STEP_MATCHES_MAX] = {NULL};
    bool found = !fill_values(s, &t->match, values);
    struct sq_inbox_message *m = NULL;
    while (!found && (m = sq_inbox_take(inbox))) {
        bool here = !label || strcmp(m->label, label) == 0;
        if (here && sq_step_matches(&t->match, values, m->text, m->len)) {
            take_message(s, t, m);
            found = true;
        }
        s->passed_over += !found && here;
        sq_free(m);
    }
    for (size_t i = 0; i < SQ_STEP_MATCHES_MAX; i++) {
        sq_free(values[i]);
    }
    return found;
}

static uint64_t patience_ns(const struct sq_user_steps *s, const struct sq_step_talk *t)
{
    return t->timeout_ns ? t->timeout_ns : s->user->env->plan->answer_timeout_ns;
}

/* Its time is over. */
static void fail_late(struct sq_user_steps *s, const struct sq_step_talk *t)
{
    char others[64] = "";
    if (s->passed_over) {
        snprintf(others, sizeof(others), "; %llu other%s came", (unsigned long long)s->passed_over,
                 s->passed_over > 1 ? "s" : "");
    }
    sq_user_step_fail(s, SQ_FAILURE_TIMEOUT, "no such message within %.3g s%s",
                      (double)patience_ns(s, t) / 1e9, others);
}

/* Waits for the message. True: nothing is left to wait for. */
static bool expect(struct sq_user_steps *s, const struct sq_step_talk *t, const char *label,
                   struct sq_inbox *inbox)
{
    uint64_t now_ns = sq_loop_now(s->user->env->loop);
    if (!t->expects || look(s, t, label, inbox)) {
        return true;
    }
    if (now_ns >= s->until_ns) {
        fail_late(s, t);
        return true;
    }
    wait_until(s, s->until_ns);
    return false;
}

/* ---- WebSockets ---- */

static struct sq_step_socket *socket_of(struct sq_user_steps *s, const struct sq_step *step)
{
    return &s->sockets[step->talk->number];
}

/* The step at hand is about this WebSocket. */
static bool is_about(const struct sq_step_socket *socket)
{
    const struct sq_user_steps *s = socket->steps;
    return s->list && s->called && sq_user_step(s)->kind == SQ_STEP_WEBSOCKET &&
           &s->sockets[sq_user_step(s)->talk->number] == socket;
}

static void on_open(void *ctx)
{
    struct sq_step_socket *socket = ctx;
    socket->open = true;
    if (is_about(socket)) {
        go_on(socket->steps, sq_user_step(socket->steps));
    }
}

static void on_message(void *ctx, const char *text, size_t len, bool is_text)
{
    struct sq_step_socket *socket = ctx;
    (void)is_text;
    sq_inbox_put(&socket->inbox, NULL, text, len);
    if (is_about(socket) && socket->steps->phase == SQ_TALK_EXPECTING) {
        go_on(socket->steps, sq_user_step(socket->steps));
    }
}

static enum sq_failure cause_of(const struct sq_ws_end *end)
{
    enum sq_cause cause = sq_session_net_cause(end->err, end->during);
    if (end->http_status == 401 || end->http_status == 403) {
        return SQ_FAILURE_AUTH;
    }
    if (!end->err || end->was_open || (end->http_status && end->http_status != 101)) {
        return SQ_FAILURE_SIGNALING;
    }
    return cause < SQ_CAUSE_COUNT ? (enum sq_failure)cause : SQ_FAILURE_CONNECT;
}

static void on_end(void *ctx, const struct sq_ws_end *end)
{
    struct sq_step_socket *socket = ctx;
    struct sq_user_steps *s = socket->steps;
    socket->open = false;
    socket->cause = cause_of(end);
    if (end->err) {
        char body[64];
        bool says = end->body[0] && end->http_status >= 400; /* else it may let in, with a token */
        snprintf(body, sizeof(body), "%.60s", says ? end->body : "");
        sq_user_mask(s->user, body);
        sq_secret_mask_tokens(body, strlen(end->body) > 60);
        snprintf(socket->why, sizeof(socket->why), "%.120s%s%s", end->text,
                 body[0] ? "; it says: " : "", body);
    } else {
        char reason[84];
        snprintf(reason, sizeof(reason), "%.80s", end->reason);
        sq_secret_mask_tokens(reason, strlen(end->reason) > 80);
        snprintf(socket->why, sizeof(socket->why), "the server closed the WebSocket (%u%s%s)",
                 end->code, reason[0] ? ": " : "", reason);
    }
    sq_ws_free(socket->ws);
    socket->ws = NULL;
    if (is_about(socket)) {
        go_on(s, sq_user_step(s));
    }
}

static int make_sockets(struct sq_user_steps *s)
{
    if (!s->sockets) {
        s->sockets = sq_calloc(SQ_STEP_SOCKETS_MAX, sizeof(*s->sockets));
        for (size_t i = 0; s->sockets && i < SQ_STEP_SOCKETS_MAX; i++) {
            s->sockets[i].steps = s;
        }
    }
    return s->sockets ? 0 : SQ_ERR_NOMEM;
}

static void let_go(struct sq_step_socket *socket, unsigned code)
{
    if (socket->open) {
        sq_ws_close(socket->ws, (uint16_t)code, NULL);
    }
    sq_ws_free(socket->ws);
    socket->ws = NULL;
    socket->open = false;
    sq_inbox_clear(&socket->inbox);
}

static void connect_socket(struct sq_user_steps *s, const struct sq_step_talk *t,
                           struct sq_step_socket *socket)
{
    static const struct sq_ws_events events = {
        .on_open = on_open, .on_message = on_message, .on_end = on_end};
    const struct sq_user *user = s->user;
    char missing[SQ_STEP_NAME_MAX + 8] = "";
    char *headers[SQ_STEP_HEADERS_MAX + 2] = {NULL};
    int err = 0;
    let_go(socket, CLOSE_NORMAL);
    char *url = sq_user_step_put(user, t->url, false, &err, missing);
    for (size_t i = 0; !err && i < t->headers_len; i++) {
        headers[i] = sq_user_step_put(user, t->headers[i], false, &err, missing);
    }
    const struct sq_ws_options options = {
        .url = url,
        .subprotocol = t->subprotocol,
        .headers = (const char *const *)headers,
        .tls = {.insecure = user->group->insecure, .ca_file = user->group->ca_file},
        .timeout_ns = patience_ns(s, t),
        .message_max_bytes = SQ_INBOX_BYTES_MAX,
        .link = user->link,
        .through_firewall = true,
    };
    err = err ? err : sq_ws_connect(user->env->loop, &options, &events, socket, &socket->ws);
    for (size_t i = 0; i < SQ_STEP_HEADERS_MAX; i++) {
        sq_free(headers[i]);
    }
    sq_free(url);
    if (err == SQ_ERR_INVALID) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL,
                          "the URL that steps took is no ws:// or wss:// one, or a header has a "
                          "line break");
    } else if (err) {
        fail_missing(s, missing, err);
    }
}

static void send_text(struct sq_user_steps *s, const struct sq_step_talk *t,
                      struct sq_step_socket *socket)
{
    char missing[SQ_STEP_NAME_MAX + 8] = "";
    int err = 0;
    char *text = sq_user_step_put(s->user, t->send, t->json, &err, missing);
    err = err ? err : sq_ws_send_text(socket->ws, text, strlen(text));
    sq_free(text);
    if (err) {
        fail_missing(s, missing, err);
    }
}

static void on_socket(struct sq_user_steps *s, const struct sq_step *step)
{
    const struct sq_step_talk *t = step->talk;
    struct sq_step_socket *socket = socket_of(s, step);
    uint64_t now_ns = sq_loop_now(s->user->env->loop);
    if (s->phase == SQ_TALK_OPENING && socket->ws && !socket->open && now_ns < s->until_ns) {
        wait_until(s, s->until_ns);
        return;
    }
    bool needed = s->phase != SQ_TALK_EXPECTING || !socket->inbox.first;
    if (!socket->open && needed && (s->phase == SQ_TALK_OPENING || t->send || t->expects)) {
        sq_user_step_fail(s, socket->why[0] ? socket->cause : SQ_FAILURE_TIMEOUT, "%s",
                          socket->why[0] ? socket->why : "it is not connected");
        return;
    }
    if (s->phase != SQ_TALK_EXPECTING) {
        s->phase = SQ_TALK_EXPECTING;
        if (t->send) {
            send_text(s, t, socket);
        }
    }
    if (!s->list || !expect(s, t, NULL, &socket->inbox) || !s->list) {
        return;
    }
    if (t->closes) {
        let_go(socket, CLOSE_NORMAL);
    }
    sq_user_step_done(s);
}

/* ---- Data channels ---- */

/* The open channel of that label; NULL, and which there are. */
static struct sq_channel *channel_of(const struct sq_user *user, const char *label,
                                     char *ret_others, size_t room)
{
    size_t len = 0;
    ret_others[0] = '\0';
    for (size_t i = 0; i < user->peers_len; i++) {
        struct sq_peer *rtc =
            user->peers[i].endpoint ? sq_endpoint_peer(user->peers[i].endpoint) : NULL;
        struct sq_channel *channel;
        for (size_t k = 0; rtc && (channel = sq_peer_channel(rtc, k)); k++) {
            const char *name = sq_channel_label(channel);
            if (sq_channel_state(channel) != SQ_CHANNEL_OPEN) {
                continue;
            }
            if (strcmp(name, label) == 0) {
                return channel;
            }
            int n = snprintf(ret_others + len, room - len, "%s'%.40s'", len ? ", " : "", name);
            len = n > 0 && len + (size_t)n < room ? len + (size_t)n : len;
        }
    }
    return NULL;
}

static const char *label_of(const struct sq_user_steps *s, const struct sq_step_talk *t)
{
    return t->name ? t->name : s->user->group->data.channel.label;
}

static size_t from_hex(const char *hex, uint8_t *out)
{
    static const char digits[] = "0123456789abcdef";
    size_t n = strlen(hex) / 2;
    for (size_t i = 0; i < n; i++) {
        size_t high = (size_t)(strchr(digits, hex[2 * i] | 0x20) - digits);
        size_t low = (size_t)(strchr(digits, hex[2 * i + 1] | 0x20) - digits);
        out[i] = (uint8_t)(high << 4 | low);
    }
    return n;
}

/* The message's bytes (sq_free); NULL: *ret_err. */
static char *make_message(struct sq_user_steps *s, const struct sq_step_talk *t, size_t *ret_len,
                          int *ret_err, char missing[static SQ_STEP_NAME_MAX + 8])
{
    char *bytes = NULL;
    if (!t->made_bytes && !t->hex) {
        bytes = sq_user_step_put(s->user, t->send, t->json, ret_err, missing);
        *ret_len = bytes ? strlen(bytes) : 0;
        return bytes;
    }
    bytes = sq_malloc(t->hex ? strlen(t->send) : t->made_bytes);
    *ret_err = bytes ? 0 : SQ_ERR_NOMEM;
    if (bytes && t->hex) {
        *ret_len = from_hex(t->send, (uint8_t *)bytes);
    } else if (bytes) {
        *ret_len = t->made_bytes;
        for (size_t i = 0; i < t->made_bytes; i++) {
            bytes[i] = (char)(i & 0xff);
        }
    }
    return bytes;
}

/* One message. False: the step has failed, or has to wait. */
static bool send_one(struct sq_user_steps *s, const struct sq_step_talk *t,
                     struct sq_channel *channel, uint64_t now_ns)
{
    char missing[SQ_STEP_NAME_MAX + 8] = "";
    size_t len = 0;
    int err = 0;
    if (sq_channel_buffered_bytes(channel) >= FULL_BYTES) {
        wait_until(s, now_ns + FULL_WAIT_NS);
        return false;
    }
    char *bytes = make_message(s, t, &len, &err, missing);
    err = err ? err : sq_channel_send(channel, now_ns, t->hex || t->made_bytes, bytes, len);
    sq_free(bytes);
    const struct sq_peer *rtc = sq_channel_peer(channel);
    if (err == SQ_ERR_INVALID && len > sq_peer_max_message_bytes(rtc)) {
        char limit[SQ_PEER_LIMIT_TEXT_MAX];
        sq_peer_tell_message_limit(rtc, limit);
        sq_user_step_fail(s, SQ_FAILURE_SIGNALING, "%s, and this one has %zu", limit, len);
    } else if (err && !missing[0]) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL,
                          "the data channel '%.40s' does not take %zu bytes: %s", label_of(s, t),
                          len, sq_err_name(err));
    } else if (err) {
        fail_missing(s, missing, err);
    } else {
        sq_user_data_sent(s->user, len);
    }
    return !err;
}

/* True: all of them are out. */
static bool send_all(struct sq_user_steps *s, const struct sq_step_talk *t)
{
    char others[120];
    uint64_t now_ns = sq_loop_now(s->user->env->loop);
    struct sq_channel *channel = channel_of(s->user, label_of(s, t), others, sizeof(others));
    if (!channel) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "the call has no open data channel '%.40s'%s%s",
                          label_of(s, t), others[0] ? "; there is " : "", others);
        return false;
    }
    s->sent_from_ns = s->sent_from_ns ? s->sent_from_ns : now_ns;
    for (unsigned n = 0; s->sent < t->times; n++) {
        uint64_t due_ns = t->rate_per_s > 0
                              ? s->sent_from_ns + (uint64_t)((double)s->sent * 1e9 / t->rate_per_s)
                              : now_ns;
        if (due_ns > now_ns || n == AT_ONCE) {
            wait_until(s, due_ns);
            return false;
        }
        if (!send_one(s, t, channel, now_ns)) {
            return false;
        }
        s->sent++;
    }
    return true;
}

static void on_data(struct sq_user_steps *s, const struct sq_step *step)
{
    const struct sq_step_talk *t = step->talk;
    if (s->user->state != SQ_USER_UP) {
        return; /* it was dropped, and goes on when it is back */
    }
    if (s->phase != SQ_TALK_EXPECTING) {
        if ((t->send || t->made_bytes) && !send_all(s, t)) {
            return;
        }
        s->phase = SQ_TALK_EXPECTING;
        s->until_ns = sq_loop_now(s->user->env->loop) + patience_ns(s, t);
    }
    if (expect(s, t, label_of(s, t), &s->heard) && s->list) {
        sq_user_step_done(s);
    }
}

void sq_user_steps_message(struct sq_user *user, const struct sq_peer_event *event)
{
    struct sq_user_steps *s = user->steps;
    if (!s || !s->hears_data) {
        return;
    }
    sq_inbox_put(&s->heard, sq_channel_label(event->channel), event->data, event->data_len);
    if (s->list && s->called && sq_user_step(s)->kind == SQ_STEP_DATA &&
        s->phase == SQ_TALK_EXPECTING) {
        sq_user_step_soon(s); /* not from within the peer's call-back */
    }
}

/* ---- Both ---- */

static void go_on(struct sq_user_steps *s, const struct sq_step *step)
{
    if (step->kind == SQ_STEP_WEBSOCKET) {
        on_socket(s, step);
    } else {
        on_data(s, step);
    }
}

void sq_user_step_talk_on(struct sq_user_steps *s, const struct sq_step *step)
{
    go_on(s, step);
}

void sq_user_step_talk(struct sq_user_steps *s, const struct sq_step *step)
{
    const struct sq_step_talk *t = step->talk;
    bool socket = step->kind == SQ_STEP_WEBSOCKET;
    s->phase = t->url ? SQ_TALK_OPENING : SQ_TALK_SENDING;
    s->until_ns = sq_loop_now(s->user->env->loop) + patience_ns(s, t);
    s->sent = s->passed_over = s->sent_from_ns = 0;
    if (socket && make_sockets(s) != 0) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s", sq_err_name(SQ_ERR_NOMEM));
        return;
    }
    if (t->url) {
        socket_of(s, step)->why[0] = '\0';
        connect_socket(s, t, socket_of(s, step));
    }
    if (s->list) {
        go_on(s, step);
    }
}

bool sq_user_steps_hear(const struct sq_steps *list)
{
    bool any = false;
    for (size_t i = 0; i < list->n; i++) {
        any = any || (list->items[i].kind == SQ_STEP_DATA && list->items[i].talk->expects);
    }
    return any;
}

void sq_user_step_hang_up(struct sq_user_steps *s)
{
    for (size_t i = 0; s->sockets && i < SQ_STEP_SOCKETS_MAX; i++) {
        let_go(&s->sockets[i], CLOSE_AWAY);
    }
    sq_inbox_clear(&s->heard);
}
