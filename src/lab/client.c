/* Clients of rooms: WebSockets that speak the room protocol. */
#include "base/mem.h"
#include "base/time.h"
#include "lab/lab_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define JOIN_TIMEOUT_NS  (15 * SQ_NS_PER_SEC) /* from the upgrade to the join */
#define PING_INTERVAL_NS (20 * SQ_NS_PER_SEC)
#define SILENCE_MAX_NS   (70 * SQ_NS_PER_SEC) /* three pings went unanswered */
#define CLOSE_NORMAL     1000                 /* RFC 6455, section 7.4.1 */
#define CLOSE_GOING      1001
#define CLOSE_POLICY     1008

int sq_lab_client_send(struct sq_lab_client *client, const struct sq_room_msg *msg)
{
    if (!client->ws || client->closing) {
        return SQ_ERR_STATE;
    }
    char *text = sq_room_write(msg);
    if (!text) {
        return SQ_ERR_NOMEM;
    }
    int err = sq_ws_send_text(client->ws, text, strlen(text));
    sq_free(text);
    return err;
}

void sq_lab_client_free(struct sq_lab_client *client)
{
    if (!client) {
        return;
    }
    struct sq_lab_member *member = client->member;
    client->member = NULL;
    if (member) {
        member->client = NULL;
        sq_lab_member_free(member);
    }
    sq_timer_stop(&client->timer);
    sq_ws_free(client->ws);
    *client->prev = client->next;
    if (client->next) {
        client->next->prev = client->prev;
    }
    sq_free(client);
}

/* The member goes at once; the WebSocket when its goodbye is done. */
static void close_client(struct sq_lab_client *client, uint16_t code)
{
    struct sq_lab_member *member = client->member;
    client->closing = true;
    client->member = NULL;
    if (member) {
        member->client = NULL;
        sq_lab_member_free(member);
    }
    /* From the timer: a close frame would overtake a message that still waits for the end of this
     * call-back. */
    client->close_code = code;
    sq_timer_start(sq_loop_timers(client->lab->loop), &client->timer, 0);
}

void sq_lab_client_fail(struct sq_lab_client *client, const char *code, const char *fmt, ...)
{
    char text[SQ_ROOM_TEXT_MAX];
    if (client->closing) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    /* If it cannot be told, closing says enough. */
    int err = sq_lab_client_send(
        client, &(struct sq_room_msg){.type = SQ_ROOM_ERROR, .code = code, .text = text});
    (void)err;
    close_client(client, strcmp(code, SQ_ROOM_CODE_GOING) == 0 ? CLOSE_GOING : CLOSE_POLICY);
}

static void start_timer(struct sq_lab_client *client, uint64_t after_ns)
{
    sq_timer_start(sq_loop_timers(client->lab->loop), &client->timer,
                   sq_lab_now(client->lab) + after_ns);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_lab_client *client = ctx;
    if (client->closing) {
        sq_ws_close(client->ws, client->close_code, NULL);
        return;
    }
    if (!client->member) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_TIMEOUT, "no \"join\" within %llu s",
                           (unsigned long long)(JOIN_TIMEOUT_NS / SQ_NS_PER_SEC));
        return;
    }
    if (now_ns > client->heard_ns + SILENCE_MAX_NS) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_TIMEOUT, "nothing was heard of you");
        return;
    }
    int err = sq_ws_ping(client->ws, NULL, 0);
    (void)err; /* an end that comes of it is told */
    start_timer(client, PING_INTERVAL_NS);
}

/* ---- Messages ---- */

static void on_join(struct sq_lab_client *client, const struct sq_room_msg *msg)
{
    struct sq_lab *lab = client->lab;
    struct sq_lab_member *member;
    if (client->member) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_PROTOCOL, "\"join\" came twice");
        return;
    }
    if (!sq_lab_token_is_right(lab, msg->token)) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_AUTH, "the token is %s",
                           msg->token[0] ? "wrong" : "missing");
        return;
    }
    const struct sq_lab_join join = {.kind = SQ_LAB_ROOM,
                                     .room = msg->room,
                                     .name = msg->name,
                                     .publish_audio = msg->publish_audio,
                                     .publish_video = msg->publish_video,
                                     .data = msg->publish_data,
                                     .subscribe = msg->subscribe,
                                     .simulcast = msg->simulcast,
                                     .layer_limit = msg->layer_limit};
    int err = sq_lab_member_new(lab, &join, &member);
    if (err) {
        sq_lab_client_fail(
            client, err == SQ_ERR_NOSPACE ? SQ_ROOM_CODE_FULL : SQ_ROOM_CODE_INTERNAL,
            "there is no place: %s",
            err == SQ_ERR_NOSPACE ? "as many are here as are let in" : sq_err_name(err));
        return;
    }
    client->member = member;
    member->client = client;
    err =
        sq_lab_client_send(client, &(struct sq_room_msg){.type = SQ_ROOM_JOINED, .id = member->id});
    if (err) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_INTERNAL, "%s", sq_err_name(err));
        return;
    }
    start_timer(client, PING_INTERVAL_NS);
    sq_lab_negotiate_now(member);
}

static void on_answer(struct sq_lab_client *client, const struct sq_room_msg *msg)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    if (sq_lab_on_answer(client->member, msg->sdp, msg->seq, why) != 0) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_MEDIA, "the answer cannot be taken: %s", why);
    }
}

static void dispatch(struct sq_lab_client *client, const struct sq_room_msg *msg)
{
    if (msg->type == SQ_ROOM_JOIN) {
        on_join(client, msg);
        return;
    }
    if (!client->member) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_PROTOCOL, "expected \"join\", got \"%s\"",
                           sq_room_type_name(msg->type));
        return;
    }
    switch (msg->type) {
    case SQ_ROOM_ANSWER:
        on_answer(client, msg);
        break;
    case SQ_ROOM_CANDIDATE: {
        /* One that is of no use to us does not end the session. */
        int err =
            sq_peer_add_candidate(client->member->peer, sq_lab_now(client->lab), msg->candidate);
        (void)err;
        break;
    }
    case SQ_ROOM_RESTART:
        client->member->restart = true;
        sq_lab_negotiate_soon(client->member);
        break;
    case SQ_ROOM_LEAVE: {
        int err = sq_lab_client_send(client, &(struct sq_room_msg){.type = SQ_ROOM_LEFT});
        (void)err;
        close_client(client, CLOSE_NORMAL);
        break;
    }
    default:
        sq_lab_client_fail(client, SQ_ROOM_CODE_PROTOCOL, "\"%s\" is not for a client to send",
                           sq_room_type_name(msg->type));
        break;
    }
}

/* ---- The WebSocket ---- */

static void on_message(void *ctx, const char *text, size_t len, bool is_text)
{
    struct sq_lab_client *client = ctx;
    struct sq_room_msg msg;
    char why[SQ_ROOM_WHY_MAX];
    if (client->closing) {
        return;
    }
    client->heard_ns = sq_lab_now(client->lab);
    if (!is_text) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_PROTOCOL, "expected text, got a binary message");
        return;
    }
    if (sq_room_parse(text, len, &msg, why) != 0) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_PROTOCOL, "%s", why);
        return;
    }
    dispatch(client, &msg);
    sq_room_msg_free(&msg);
}

static void on_pong(void *ctx, const uint8_t *data, size_t len)
{
    struct sq_lab_client *client = ctx;
    (void)data;
    (void)len;
    client->heard_ns = sq_lab_now(client->lab);
}

static void on_end(void *ctx, const struct sq_ws_end *end)
{
    (void)end;
    sq_lab_client_free(ctx);
}

static const struct sq_ws_events events = {
    .on_message = on_message, .on_pong = on_pong, .on_end = on_end};

static void on_upgraded(void *ctx, struct sq_ws *ws)
{
    struct sq_lab_client *client = ctx;
    if (!ws) {
        sq_lab_client_free(client);
        return;
    }
    client->ws = ws;
    sq_ws_set_events(ws, &events, client);
    client->heard_ns = sq_lab_now(client->lab);
    start_timer(client, JOIN_TIMEOUT_NS);
    if (client->lab->stopping) {
        sq_lab_client_fail(client, SQ_ROOM_CODE_GOING, "the lab stops");
    }
}

void sq_lab_client_upgrade(struct sq_lab *lab, struct sq_httpd_request *request)
{
    const struct sq_ws_options options = {.message_max_bytes = SQ_ROOM_MESSAGE_MAX};
    const char *offered = sq_httpd_header(request, "Sec-WebSocket-Protocol");
    struct sq_lab_client *client = sq_zalloc(sizeof(*client));
    if (!client) {
        sq_lab_http_say(request, 503, NULL, "no memory");
        return;
    }
    client->lab = lab;
    client->next = lab->clients;
    client->prev = &lab->clients;
    if (client->next) {
        client->next->prev = &client->next;
    }
    lab->clients = client;
    sq_timer_init(&client->timer, on_timer, client);
    if (sq_httpd_upgrade(request, offered ? SQ_ROOM_SUBPROTOCOL : NULL, &options, on_upgraded,
                         client) != 0) {
        sq_lab_client_free(client); /* the request was answered with what was wrong */
    }
}
