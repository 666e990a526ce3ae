/* What a user hears: of its peers, and of its session, whose host it is. */
#include "base/mem.h"
#include "base/time.h"
#include "net/loop.h"
#include "run/user_int.h"
#include <errno.h>
#include <stdio.h>

/* ---- The peers' events ---- */

static enum sq_failure cause_of(enum sq_peer_cause cause)
{
    switch (cause) {
    case SQ_PEER_CAUSE_ICE:
        return SQ_FAILURE_ICE;
    case SQ_PEER_CAUSE_DTLS:
    case SQ_PEER_CAUSE_EXHAUSTED:
        return SQ_FAILURE_DTLS;
    case SQ_PEER_CAUSE_MEDIA_LOST:
        return SQ_FAILURE_MEDIA_LOST;
    case SQ_PEER_CAUSE_UNANSWERED:
    case SQ_PEER_CAUSE_REFUSED:
        return SQ_FAILURE_SIGNALING;
    case SQ_PEER_CAUSE_AUTH:
        return SQ_FAILURE_AUTH;
    case SQ_PEER_CAUSE_CONNECT:
        return SQ_FAILURE_CONNECT;
    case SQ_PEER_CAUSE_TLS:
        return SQ_FAILURE_TLS;
    default:
        return SQ_FAILURE_PROTOCOL;
    }
}

static const char *state_name(enum sq_peer_state state)
{
    static const char *const names[] = {"new",          "connecting", "connected",
                                        "disconnected", "failed",     "closed"};
    return names[state];
}

static void on_peer_state(struct sq_user_peer *peer, const struct sq_peer_event *event)
{
    struct sq_user *user = peer->user;
    sq_user_tell(user, "connectionstatechange", "%s%s%s", state_name(event->state),
                 event->text[0] ? ": " : "", event->text);
    if (event->state == SQ_PEER_CONNECTED) {
        bool first = !peer->connected;
        char text[SQ_PEER_TEXT_MAX];
        peer->connected = true;
        user->row.reached = true;
        int err = sq_user_begin_replay(peer);
        if (err) {
            sq_user_fail(user, SQ_FAILURE_PROTOCOL,
                         err == SQ_ERR_UNSUPPORTED
                             ? "the service did not agree on the codec of the recording"
                             : "the recording cannot be sent: no memory");
            return;
        }
        if (first && sq_user_is_refused(peer, text)) {
            sq_user_fail(user, SQ_FAILURE_SIGNALING, text);
            return;
        }
        if (user->state == SQ_USER_UP) {
            sq_user_note_connected(user);
            sq_user_path_found(peer);
            sq_user_record_late(user);
        }
        sq_user_check_up(user);
    } else if (event->state == SQ_PEER_DISCONNECTED) {
        sq_user_path_lost(peer);
    } else if (event->state == SQ_PEER_FAILED) {
        if (event->cause == SQ_PEER_CAUSE_EXHAUSTED) {
            sq_user_note_starved(user, SQ_ERR_NOMEM, 0);
        }
        sq_user_fail(user, cause_of(event->cause), event->text);
    }
}

static void on_event(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    struct sq_user_peer *peer = ctx;
    struct sq_user *user = peer->user;
    char remote[SQ_ADDR_TEXT_MAX];
    if (user->signal && user->state != SQ_USER_LEAVING && user->state != SQ_USER_OVER) {
        user->group->adapter->peer_event(user->signal, sq_endpoint_peer(endpoint), event);
    }
    bool there = peer->endpoint != NULL;
    sq_user_data_event(user, event);
    if (there && !peer->endpoint) {
        return; /* its messages found no taker, and that failed it */
    }
    switch (event->type) {
    case SQ_PEER_EV_STATE:
        on_peer_state(peer, event);
        break;
    case SQ_PEER_EV_CHANNEL_OPEN:
        sq_user_tell(user, "datachannel", "%s, id %d%s", sq_channel_label(event->channel),
                     sq_channel_id(event->channel),
                     event->from_remote ? ", opened by the other side" : "");
        sq_user_check_up(user);
        break;
    case SQ_PEER_EV_CHANNEL_CLOSED:
        sq_user_tell(user, "datachannelclose", "%s", sq_channel_label(event->channel));
        sq_user_check_up(user);
        break;
    case SQ_PEER_EV_SELECTED_PAIR:
        sq_user_tell(user, "selectedcandidatepairchange", "%s %s",
                     sq_addr_format(&event->remote, remote),
                     event->nominated ? "nominated" : "valid");
        sq_user_switch_event(peer, event);
        break;
    case SQ_PEER_EV_NOTE:
        sq_user_tell(user, "path", "%s", event->text);
        break;
    case SQ_PEER_EV_FIRST_MEDIA:
        sq_user_tell(user, "firstmedia", "%s mid %s",
                     sq_track_kind(event->track) == SQ_MEDIA_VIDEO ? "video" : "audio", event->mid);
        peer->media = true;
        sq_user_check_up(user);
        sq_user_record_late(user);
        break;
    default:
        break;
    }
}

static const struct sq_endpoint_ops endpoint_ops = {.event = on_event,
                                                    .latency = sq_user_on_latency};
static const struct sq_endpoint_ops decoded_ops = {
    .event = on_event, .rtp = sq_user_decode_rtp, .latency = sq_user_on_latency};
static const struct sq_endpoint_ops recorded_ops = {.event = on_event,
                                                    .rtp = sq_user_on_rtp,
                                                    .sent = sq_user_on_sent,
                                                    .resend = sq_user_on_resend,
                                                    .latency = sq_user_on_latency};

/* ---- The adapter's host ---- */

static int host_make_peer(void *ctx, const char *label, struct sq_peer **ret_peer)
{
    struct sq_user *user = ctx;
    if (user->peers_len == SQ_USER_PEERS_MAX) {
        return SQ_ERR_NOMEM;
    }
    const struct sq_plan_group *group = user->group;
    struct sq_user_peer *peer = &user->peers[user->peers_len];
    const struct sq_peer_config config = {.audio = group->audio_codecs,
                                          .video = group->video_codecs,
                                          .black = group->black,
                                          .simulcast = group->simulcast,
                                          .bwe = group->bwe,
                                          .connect_timeout_ns = user->env->plan->connect_timeout_ns,
                                          /* a script may wait for an answer for ever */
                                          .clock_from_offer = group->adapter->script_name != NULL,
                                          .latency = group->latency,
                                          .capture_time = group->latency,
                                          .accept_data = group->data.on,
                                          /* a server's goodbye is heard at once, where signalling
                                             has no word for it */
                                          .hear_goodbye = group->reconnect.how != SQ_RECONNECT_NOT};
    *peer = (struct sq_user_peer){.user = user};
    snprintf(peer->label, sizeof(peer->label), user->sessions > 1 ? "%s.%u" : "%s", label,
             user->sessions);
    /* A replay answers NACK by hand; a recorded peer may be decoded, too. */
    bool recorded = sq_user_is_recorded(user) || group->replay;
    const struct sq_endpoint_ops *ops = recorded                   ? &recorded_ops
                                        : sq_user_is_decoded(user) ? &decoded_ops
                                                                   : &endpoint_ops;
    int err = sq_user_is_recorded(user) ? sq_user_begin_record(peer) : 0;
    err = err ? err : sq_user_ice_endpoint(peer, &config, ops);
    if (err) {
        sq_user_note_starved(user, err, errno);
        sq_user_end_record(peer);
        return err;
    }
    user->peers_len++;
    *ret_peer = sq_endpoint_peer(peer->endpoint);
    return 0;
}

static void host_phase(void *ctx, enum sq_phase phase, uint64_t took_ns)
{
    struct sq_user *user = ctx;
    if (user->up_ns == 0) { /* set-up times are those of arriving */
        sq_user_record_stage(user, (enum sq_stage)phase, (double)took_ns / 1e6);
    }
}

static void host_joined(void *ctx)
{
    struct sq_user *user = ctx;
    user->joined = true;
    sq_user_slices_event(user, SQ_EVENT_JOINED);
    sq_user_check_up(user);
}

/* The user is out by a step of its own, or comes back. */
static void old_session_is_over(struct sq_user *user)
{
    if (user->out == SQ_USER_GOES_OUT) {
        sq_user_is_out(user);
    } else if (user->out == SQ_USER_NOT_OUT) {
        sq_user_goodbye_is_said(user);
    }
}

/* The outcome of a user that leaves stands, and so does its sentence; what befell its script then
 * is told beside it. */
static void note_bad_goodbye(struct sq_user *user, const char *text)
{
    char masked[SQ_PEER_TEXT_MAX];
    snprintf(masked, sizeof(masked), "%s", text);
    sq_user_mask(user, masked);
    sq_user_tell(user, "signaling", "%s", masked);
    user->row.left_badly = true;
    if (user->row.outcome != SQ_OUTCOME_FAILED && !user->row.goodbye) {
        user->row.goodbye = sq_strdup(masked);
    }
}

static void host_note(void *ctx, const char *text)
{
    sq_user_tell(ctx, "signaling", "%s", text);
}

/* The session of one that was to stay is over. */
static void session_ended(struct sq_user *user, enum sq_failure cause, const char *said)
{
    char text[SQ_PEER_TEXT_MAX];
    if (sq_user_was_lost_before(user, cause, said, text)) {
        host_note(user, said);
        cause = SQ_FAILURE_MEDIA_LOST;
        said = text;
    }
    if (!sq_user_comes_back(user, cause, said)) {
        sq_user_settle(user, SQ_OUTCOME_FAILED, cause, said);
        sq_user_end(user);
    }
}

static void host_failed(void *ctx, enum sq_cause cause, const char *text)
{
    struct sq_user *user = ctx;
    user->session_over = true;
    if (user->state == SQ_USER_LEAVING || user->state == SQ_USER_AWAY) {
        note_bad_goodbye(user, text);
    }
    if (user->state == SQ_USER_LEAVING) {
        sq_user_end(user);
        return;
    }
    if (user->state == SQ_USER_AWAY) {
        old_session_is_over(user);
        return;
    }
    if (cause == SQ_CAUSE_EXHAUSTED) {
        sq_user_note_starved(user, SQ_ERR_NOMEM, 0);
        cause = SQ_CAUSE_CONNECT;
    }
    if (user->state == SQ_USER_SETTING_UP || user->state == SQ_USER_UP) {
        session_ended(user, (enum sq_failure)cause, text);
    }
}

static void host_left(void *ctx)
{
    struct sq_user *user = ctx;
    user->session_over = true;
    if (user->state == SQ_USER_AWAY) {
        old_session_is_over(user);
    } else {
        sq_user_end(user);
    }
}

void sq_user_host(struct sq_user *user)
{
    user->host = (struct sq_signal_host){
        .loop = user->env->loop,
        .make_peer = host_make_peer,
        .phase = host_phase,
        .joined = host_joined,
        .failed = host_failed,
        .left = host_left,
        .note = host_note,
        .run = user->group->script ? &sq_user_script_run : NULL,
    };
}
