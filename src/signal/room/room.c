#include "signal/room/room.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "net/loop.h"
#include "net/ws.h"
#include "peer/sdp/sdp.h"
#include "signal/room/room_proto.h"
#include "signal/sdptext.h"
#include "signal/session.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ANSWER_TIMEOUT_DEFAULT_NS (10 * SQ_NS_PER_SEC)
#define PING_INTERVAL_NS          (15 * SQ_NS_PER_SEC)
#define LEAVE_TIMEOUT_NS          (2 * SQ_NS_PER_SEC)

enum state { CONNECTING, JOINING, ANSWERING, IN, LEAVING, OVER };

/* What stands in the way of the next answer of the server, for a time-out's sentence. */
static const char *const waits_for[] = {
    "the WebSocket to open", "\"joined\"", "an offer", "", "\"left\"", "",
};

struct sq_signal {
    const struct sq_target *target;
    const struct sq_signal_user *user;
    const struct sq_signal_host *host;
    void *host_ctx;
    struct sq_ws *ws;
    struct sq_peer *peer; /* the host's */
    struct sq_timer timer;
    enum state state;
    bool told_in;                   /* joined() was called */
    struct sq_track *audio, *video; /* sections that carry our media; NULL: not yet */
    uint64_t opened_ns;             /* when the WebSocket began to be an open one */
    uint32_t seq;                   /* of the offer being answered */
    char *held;                     /* an answer that waits for the last candidate; owned */
    struct sq_buf gathered;         /* candidates for it, a line each (ICE bounds their number) */
    enum sq_cause pending_cause;    /* told from the timer: open() itself must not fail for it */
    char pending_text[SQ_PEER_TEXT_MAX];
};

/* ---- Ends ---- */

static void let_go(struct sq_signal *s)
{
    s->state = OVER;
    sq_timer_stop(&s->timer);
    sq_ws_free(s->ws);
    s->ws = NULL;
}

static void fail(struct sq_signal *s, enum sq_cause cause, const char *fmt, ...) SQ_PRINTF(3, 4);

static void fail(struct sq_signal *s, enum sq_cause cause, const char *fmt, ...)
{
    char text[SQ_PEER_TEXT_MAX];
    if (s->state == OVER) {
        return;
    }
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    let_go(s);
    s->host->failed(s->host_ctx, cause, text);
}

static void gone(struct sq_signal *s)
{
    if (s->state != OVER) {
        let_go(s);
        s->host->left(s->host_ctx);
    }
}

static void note(struct sq_signal *s, const char *fmt, ...) SQ_PRINTF(2, 3);

static void note(struct sq_signal *s, const char *fmt, ...)
{
    char text[SQ_PEER_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (s->host->note) {
        s->host->note(s->host_ctx, text);
    }
}

/* ---- Time ---- */

static uint64_t now(const struct sq_signal *s)
{
    return sq_loop_now(s->host->loop);
}

static uint64_t answer_timeout(const struct sq_signal *s)
{
    return s->user->timeout_ns ? s->user->timeout_ns : ANSWER_TIMEOUT_DEFAULT_NS;
}

static void wait_for(struct sq_signal *s, uint64_t timeout_ns)
{
    sq_timer_start(sq_loop_timers(s->host->loop), &s->timer, now(s) + timeout_ns);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_signal *s = ctx;
    (void)now_ns;
    if (s->pending_cause != SQ_CAUSE_NONE) {
        fail(s, s->pending_cause, "%s", s->pending_text);
    } else if (s->state == LEAVING) {
        gone(s);
    } else if (s->state == IN) {
        /* A connection that nobody uses for long is cut by routers on the way. */
        int err = sq_ws_ping(s->ws, NULL, 0);
        (void)err;
        wait_for(s, PING_INTERVAL_NS);
    } else {
        fail(s, SQ_CAUSE_TIMEOUT, "room: %s: waited %.3g s for %s", s->target->inner,
             (double)answer_timeout(s) / 1e9, waits_for[s->state]);
    }
}

/* ---- Messages out ---- */

static void send_msg(struct sq_signal *s, const struct sq_room_msg *msg)
{
    char *text = sq_room_write(msg);
    int err = text ? sq_ws_send_text(s->ws, text, strlen(text)) : SQ_ERR_NOMEM;
    sq_free(text);
    if (err) {
        fail(s, sq_session_cause(err, SQ_CAUSE_SIGNALING), "room: \"%s\" cannot be sent: %s",
             sq_room_type_name(msg->type), sq_err_name(err));
    }
}

static void send_join(struct sq_signal *s)
{
    const struct sq_signal_user *user = s->user;
    s->state = JOINING;
    wait_for(s, answer_timeout(s));
    send_msg(s, &(struct sq_room_msg){.type = SQ_ROOM_JOIN,
                                      .room = user->room,
                                      .name = user->name,
                                      .token = user->token,
                                      .publish_audio = user->send_audio,
                                      .publish_video = user->send_video,
                                      .publish_data = user->data != NULL,
                                      .subscribe = user->recv_audio || user->recv_video,
                                      .simulcast = user->simulcast && user->send_video});
}

/* ---- Answering ---- */

static void answered(struct sq_signal *s)
{
    if (s->told_in || s->state == OVER) {
        return;
    }
    s->told_in = true;
    s->state = IN;
    wait_for(s, PING_INTERVAL_NS);
    s->host->phase(s->host_ctx, SQ_PHASE_SIGNALING, now(s) - s->opened_ns);
    s->host->joined(s->host_ctx);
}

static void send_answer(struct sq_signal *s, const char *sdp)
{
    send_msg(s, &(struct sq_room_msg){.type = SQ_ROOM_ANSWER, .sdp = sdp, .seq = s->seq});
    answered(s);
}

static void send_held(struct sq_signal *s)
{
    char *sdp = NULL;
    int err =
        sq_sdptext_add_candidates(s->held, s->gathered.text ? s->gathered.text : "", true, &sdp);
    sq_free(s->held);
    s->held = NULL;
    if (err) {
        fail(s, sq_session_cause(err, SQ_CAUSE_SIGNALING),
             "room: the answer cannot be made complete: %s", sq_err_name(err));
        return;
    }
    send_answer(s, sdp);
    sq_free(sdp);
}

/* Our own media goes to the first section of its kind in which the server receives; what is not to
 * be received is declined. */
static int prepare_section(struct sq_signal *s, struct sq_track *track, bool server_receives,
                           bool server_sends)
{
    const struct sq_signal_user *user = s->user;
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    struct sq_track **ours = video ? &s->video : &s->audio;
    bool wants_send = (video ? user->send_video : user->send_audio) && server_receives;
    bool wants_receive = (video ? user->recv_video : user->recv_audio) && server_sends;
    bool sends = wants_send && (!*ours || *ours == track);
    int err = 0;
    if (sends && *ours != track) {
        *ours = track;
        err = sq_track_set_media(track, user->clip);
    }
    return err ? err
               : sq_track_set_direction(track,
                                        (enum sq_direction)((sends ? SQ_DIR_SENDONLY : 0) |
                                                            (wants_receive ? SQ_DIR_RECVONLY : 0)));
}

static int prepare_sections(struct sq_signal *s, const char *offer, char why[SQ_PEER_TEXT_MAX])
{
    struct sq_sdp *sdp;
    struct sq_sdp_error error = {0};
    int err = sq_sdp_parse(offer, strlen(offer), &sdp, &error);
    if (err) {
        snprintf(why, SQ_PEER_TEXT_MAX, "%s", error.text);
        return err;
    }
    for (size_t i = 0; !err && i < sdp->n_media; i++) {
        const struct sq_sdp_media *media = &sdp->media[i];
        char mid[SQ_ROOM_NAME_MAX];
        snprintf(mid, sizeof(mid), SQ_VIEW_FMT, SQ_VIEW_ARG(sq_sdp_value(&media->section, "mid")));
        struct sq_track *track = sq_peer_track_by_mid(s->peer, mid);
        if (!track || media->port == 0) {
            continue;
        }
        enum sq_sdp_direction theirs = sq_sdp_direction_of(sdp, media);
        err = prepare_section(s, track, (theirs & SQ_SDP_RECVONLY) != 0,
                              (theirs & SQ_SDP_SENDONLY) != 0);
    }
    sq_sdp_free(sdp);
    if (err) {
        snprintf(why, SQ_PEER_TEXT_MAX, "%s", sq_err_name(err));
    }
    return err;
}

static bool make_peer(struct sq_signal *s)
{
    int err = s->peer ? 0 : s->host->make_peer(s->host_ctx, "room", &s->peer);
    if (err) {
        fail(s, sq_session_cause(err, SQ_CAUSE_SIGNALING),
             "room: a peer connection cannot be made: %s", sq_err_name(err));
    }
    return err == 0;
}

static void on_offer(struct sq_signal *s, const struct sq_room_msg *msg)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *sdp = NULL;
    if (!make_peer(s)) {
        return;
    }
    int err = sq_peer_set_remote(s->peer, now(s), SQ_SDP_OFFER, msg->sdp, why);
    err = err ? err : prepare_sections(s, msg->sdp, why);
    if (!err && !s->told_in) {
        err = sq_session_add_channel(s->user, s->peer, now(s));
    }
    err = err ? err : sq_peer_create_answer(s->peer, now(s), &sdp, why);
    if (err) {
        fail(s,
             sq_session_cause(err, err == SQ_ERR_FORMAT ? SQ_CAUSE_PROTOCOL : SQ_CAUSE_SIGNALING),
             "room: the server's offer cannot be answered: %s", why);
        return;
    }
    s->seq = msg->seq;
    /* Without trickle the first answer waits until it has all candidates. */
    bool complete = strstr(sdp, "a=end-of-candidates") != NULL;
    if (!s->user->trickle && !complete && !s->told_in) {
        sq_free(s->held);
        s->held = sdp;
        return;
    }
    send_answer(s, sdp);
    sq_free(sdp);
}

/* ---- Messages in ---- */

static void on_error_msg(struct sq_signal *s, const struct sq_room_msg *msg)
{
    static const struct {
        const char *code;
        enum sq_cause cause;
    } causes[] = {
        {SQ_ROOM_CODE_AUTH, SQ_CAUSE_AUTH},
        {SQ_ROOM_CODE_PROTOCOL, SQ_CAUSE_PROTOCOL},
        {SQ_ROOM_CODE_TIMEOUT, SQ_CAUSE_TIMEOUT},
    };
    enum sq_cause cause = SQ_CAUSE_SIGNALING;
    for (size_t i = 0; i < sizeof(causes) / sizeof(*causes); i++) {
        if (strcmp(msg->code, causes[i].code) == 0) {
            cause = causes[i].cause;
        }
    }
    fail(s, cause, "room: the server says \"%.40s\": %.180s", msg->code, msg->text);
}

static void dispatch(struct sq_signal *s, const struct sq_room_msg *msg)
{
    switch (msg->type) {
    case SQ_ROOM_JOINED:
        if (s->state == JOINING) {
            s->state = ANSWERING;
            wait_for(s, answer_timeout(s));
            note(s, "room: joined %s as %s", s->user->room, msg->id);
        }
        break;
    case SQ_ROOM_OFFER:
        if (s->state == ANSWERING || s->state == IN) {
            note(s, "room: offer %u", msg->seq);
            on_offer(s, msg);
        }
        break;
    case SQ_ROOM_CANDIDATE:
        if (s->peer) {
            /* One that is of no use to us does not end the session. */
            int err = sq_peer_add_candidate(s->peer, now(s), msg->candidate);
            (void)err;
        }
        break;
    case SQ_ROOM_LEFT:
        if (s->state == LEAVING) {
            gone(s);
        } else {
            fail(s, SQ_CAUSE_SIGNALING, "room: the server ended the session");
        }
        break;
    case SQ_ROOM_ERROR:
        if (s->state == LEAVING) {
            gone(s);
        } else {
            on_error_msg(s, msg);
        }
        break;
    default:
        fail(s, SQ_CAUSE_PROTOCOL, "room: the server sent \"%s\", which only clients send",
             sq_room_type_name(msg->type));
        break;
    }
}

static void on_message(void *ctx, const char *text, size_t len, bool is_text)
{
    struct sq_signal *s = ctx;
    struct sq_room_msg msg;
    char why[SQ_ROOM_WHY_MAX];
    if (!is_text) {
        fail(s, SQ_CAUSE_PROTOCOL, "room: the server sent a binary message; expected JSON text");
        return;
    }
    int err = sq_room_parse(text, len, &msg, why);
    if (err == SQ_ERR_UNSUPPORTED) { /* of a later version */
        note(s, "room: %s", why);
        return;
    }
    if (err) {
        fail(s, sq_session_cause(err, SQ_CAUSE_PROTOCOL),
             "room: the server sent a message that %s: %s",
             err == SQ_ERR_NOMEM ? "cannot be read" : "makes no sense", why);
        return;
    }
    dispatch(s, &msg);
    sq_room_msg_free(&msg);
}

/* ---- The WebSocket ---- */

static void on_open(void *ctx)
{
    struct sq_signal *s = ctx;
    struct sq_stream_times times;
    uint64_t upgrade_ns;
    sq_ws_get_times(s->ws, &times, &upgrade_ns);
    s->host->phase(s->host_ctx, SQ_PHASE_DNS, times.dns_ns);
    s->host->phase(s->host_ctx, SQ_PHASE_CONNECT, times.connect_ns);
    if (s->target->secure) {
        s->host->phase(s->host_ctx, SQ_PHASE_TLS, times.tls_ns);
    }
    s->opened_ns = now(s) - sq_min_u64(upgrade_ns, now(s)); /* the upgrade is signalling, too */
    send_join(s);
}

static enum sq_cause cause_of_end(const struct sq_ws_end *end)
{
    if (end->http_status == 401 || end->http_status == 403) {
        return SQ_CAUSE_AUTH;
    }
    return sq_session_net_cause(end->err, end->during);
}

static void on_end(void *ctx, const struct sq_ws_end *end)
{
    struct sq_signal *s = ctx;
    if (s->state == LEAVING) {
        gone(s);
    } else if (end->was_open && end->err == 0) {
        fail(s, SQ_CAUSE_SIGNALING, "room: %.80s: the server closed the WebSocket (code %u%s%.80s)",
             s->target->inner, end->code, end->reason[0] ? ": " : "", end->reason);
    } else {
        fail(s, cause_of_end(end), "room: %.80s: %s", s->target->inner, end->text);
    }
}

static const struct sq_ws_events ws_events = {
    .on_open = on_open, .on_message = on_message, .on_end = on_end};

/* ---- The adapter ---- */

static int check(const struct sq_target *target, char why[SQ_PEER_TEXT_MAX])
{
    const char *room = sq_target_param(target, "room");
    if (room && strlen(room) > SQ_ROOM_NAME_MAX) {
        snprintf(why, SQ_PEER_TEXT_MAX, "a room's name has at most %d bytes", SQ_ROOM_NAME_MAX);
        return SQ_ERR_INVALID;
    }
    return 0;
}

static int open_session(const struct sq_target *target, const struct sq_signal_user *user,
                        const struct sq_signal_host *host, void *host_ctx,
                        struct sq_signal **ret_signal)
{
    struct sq_signal *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    s->target = target;
    s->user = user;
    s->host = host;
    s->host_ctx = host_ctx;
    sq_timer_init(&s->timer, on_timer, s);
    const struct sq_ws_options options = {
        .url = target->inner,
        .subprotocol = SQ_ROOM_SUBPROTOCOL,
        .tls = {.insecure = user->insecure, .ca_file = user->ca_file},
        .timeout_ns = answer_timeout(s),
        .message_max_bytes = SQ_ROOM_MESSAGE_MAX,
        .link = user->link,
    };
    int err = sq_ws_connect(host->loop, &options, &ws_events, s, &s->ws);
    if (err == SQ_ERR_NOMEM) {
        sq_free(s);
        return err;
    }
    if (err) {
        s->pending_cause = err == SQ_ERR_TLS ? SQ_CAUSE_TLS : SQ_CAUSE_SIGNALING;
        snprintf(s->pending_text, sizeof(s->pending_text), "room: %.100s: %s%.100s", target->inner,
                 err == SQ_ERR_TLS ? "the file of trusted certificates cannot be read: "
                                   : sq_err_name(err),
                 err == SQ_ERR_TLS && user->ca_file ? user->ca_file : "");
        sq_timer_start(sq_loop_timers(host->loop), &s->timer, 0);
    } else {
        wait_for(s, answer_timeout(s) + SQ_NS_PER_SEC); /* the WebSocket tells first */
    }
    *ret_signal = s;
    return 0;
}

static void peer_event(struct sq_signal *s, struct sq_peer *peer, const struct sq_peer_event *event)
{
    bool end = event->type == SQ_PEER_EV_GATHERING_DONE;
    if (peer != s->peer || s->state == OVER || s->state == LEAVING ||
        (!end && event->type != SQ_PEER_EV_LOCAL_CANDIDATE)) {
        return;
    }
    if (s->user->trickle) {
        if (s->told_in) { /* what came before stands in the answer */
            send_msg(s, &(struct sq_room_msg){.type = SQ_ROOM_CANDIDATE,
                                              .candidate = end ? "" : event->text});
        }
    } else if (!end) {
        if (s->held) { /* without memory for it, the others must do */
            sq_buf_printf(&s->gathered, "%s\n", event->text);
        }
    } else if (s->held) {
        send_held(s);
    }
}

static void leave(struct sq_signal *s)
{
    if (s->state == OVER) {
        return;
    }
    bool said = s->state == JOINING || s->state == ANSWERING || s->state == IN;
    s->state = LEAVING;
    s->peer = NULL; /* the host's alone from now on */
    if (!said) {
        gone(s);
        return;
    }
    wait_for(s, LEAVE_TIMEOUT_NS);
    char *text = sq_room_write(&(struct sq_room_msg){.type = SQ_ROOM_LEAVE});
    int err = text ? sq_ws_send_text(s->ws, text, strlen(text)) : SQ_ERR_NOMEM;
    sq_free(text);
    if (err) {
        gone(s);
    }
}

static void destroy(struct sq_signal *s)
{
    if (!s) {
        return;
    }
    let_go(s);
    sq_buf_free(&s->gathered);
    sq_free(s->held);
    sq_free(s);
}

static int restart_ice(struct sq_signal *s)
{
    if (s->state != IN) {
        return SQ_ERR_STATE;
    }
    send_msg(s, &(struct sq_room_msg){.type = SQ_ROOM_RESTART});
    return 0;
}

static const char *const schemes[] = {"room+ws", "room+wss", NULL};

const struct sq_signal_ops sq_signal_room = {
    .name = "room",
    .schemes = schemes,
    .check = check,
    .open = open_session,
    .peer_event = peer_event,
    .leave = leave,
    .destroy = destroy,
    .restart_ice = restart_ice,
};
