#include "run/user.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/loop.h"
#include "peer/ice/ice.h"
#include "run/user_int.h"
#include <errno.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define UNDER_WAY_NS (100 * SQ_NS_PER_MS) /* of a replay's last packets, and two round trips */

/* ---- Story ---- */

static double run_ms(const struct sq_user *user, uint64_t at_ns)
{
    return ((double)at_ns - (double)user->env->start_ns) / 1e6;
}

void sq_user_tell(struct sq_user *user, const char *type, const char *fmt, ...)
{
    char value[SQ_PEER_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(value, sizeof(value), fmt, args);
    va_end(args);
    /* A story with a line missing for want of memory is better than none. */
    int err = sq_trace_event(&user->trace, run_ms(user, sq_loop_now(user->env->loop)), type, value);
    (void)err;
}

/* A user that this machine had no sockets, ports or memory for is not the service's failure. */
static void note_starved(struct sq_user *user, int err, int why)
{
    struct sq_tally *tally = user->env->tally;
    if (!user->starved && (err == SQ_ERR_IO || err == SQ_ERR_NOMEM)) {
        user->starved = true;
        tally->starved++;
        tally->starved_errno = err == SQ_ERR_IO ? why : tally->starved_errno;
    }
}

/* ---- Stages ---- */

static void record_stage(struct sq_user *user, enum sq_stage stage, double ms)
{
    user->row.stage_ms[stage] = ms;
    sq_user_record(user, (enum sq_metric_id)(SQ_METRIC_SETUP_DNS + stage), ms);
}

/* Of the peer that tells most: the first one that receives, else the first. NULL: none. */
static const struct sq_peer_times *times_of(const struct sq_user *user)
{
    const struct sq_user_peer *peer = &user->peers[0];
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].endpoint && user->peers[i].media) {
            peer = &user->peers[i];
            break;
        }
    }
    return peer->endpoint ? sq_peer_times(sq_endpoint_peer(peer->endpoint)) : NULL;
}

/* What was passed counts, whether the user got up in the end or not. */
static void record_transport(struct sq_user *user)
{
    const struct sq_peer_times *t = times_of(user);
    if (t && t->ice_connected) {
        record_stage(user, SQ_STAGE_ICE, ((double)t->ice_connected - (double)t->negotiated) / 1e6);
    }
    if (t && t->dtls_connected) {
        record_stage(user, SQ_STAGE_DTLS,
                     ((double)t->dtls_connected - (double)t->ice_connected) / 1e6);
    }
}

/* ---- Ending ---- */

static void close_peers(struct sq_user *user)
{
    uint64_t now_ns = sq_loop_now(user->env->loop);
    sq_user_data_stop(user);
    for (size_t i = 0; i < user->peers_len; i++) {
        struct sq_user_peer *peer = &user->peers[i];
        if (peer->endpoint) {
            sq_user_finish_peer(peer, now_ns);
            sq_endpoint_close(peer->endpoint);
            sq_user_end_record(peer);
            peer->endpoint = NULL;
        }
        sq_free(peer->marks);
        peer->marks = NULL;
        peer->marks_len = 0;
    }
}

/* What it had passed and tried: it was never sampled. */
static void settle_set_up(struct sq_user *user)
{
    record_transport(user);
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].endpoint) {
            sq_user_dump(&user->peers[i], sq_loop_now(user->env->loop));
        }
    }
}

/* It is among the connected ones no more. */
static void count_out(struct sq_user *user)
{
    user->env->tally->connected -= user->counted_up;
    user->counted_up = false;
}

/* The outcome is known: counts it, and lets go of the media. */
void sq_user_settle(struct sq_user *user, enum sq_outcome outcome, enum sq_failure cause,
                    const char *text)
{
    if (user->counted) {
        return;
    }
    user->counted = true;
    struct sq_tally *tally = user->env->tally;
    if (user->state == SQ_USER_UP) {
        sq_user_sample(user, sq_loop_now(user->env->loop)); /* what is left since the last one */
    }
    count_out(user);
    sq_user_steps_stop(user);
    if (user->state == SQ_USER_SETTING_UP && user->up_ns == 0) {
        settle_set_up(user);
    }
    sq_user_slices_event(user, SQ_EVENT_LEAVING);
    sq_user_switch_end(user);
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].endpoint) {
            sq_user_tell_pairs(&user->peers[i]);
        }
    }
    user->row.outcome = outcome;
    user->row.cause = cause;
    SQ_RESULT_SET(user->row.message, text);
    user->row.end_ms = run_ms(user, sq_loop_now(user->env->loop));
    if (outcome == SQ_OUTCOME_OK) {
        tally->ok++;
    } else if (outcome == SQ_OUTCOME_FAILED) {
        tally->failed++;
        tally->failed_by_cause[cause]++;
        sq_user_tell(user, "failed", "%s: %s", sq_failure_name(cause), text);
    } else {
        tally->pending++;
    }
    close_peers(user);
    sq_user_finish_row(user);
    sq_user_slices_end(user);
}

static void finish(struct sq_user *user)
{
    if (user->state == SQ_USER_OVER) {
        return;
    }
    user->state = SQ_USER_OVER;
    sq_timer_stop(&user->timer);
    user->env->done(user->env->ctx, user);
}

/* Tells the service, waits for its answer a little, and is over then. */
void sq_user_leave_service(struct sq_user *user)
{
    bool told = user->state == SQ_USER_AWAY; /* or there is nobody to tell */
    user->state = SQ_USER_LEAVING;
    sq_timer_start(sq_loop_timers(user->env->loop), &user->timer,
                   sq_loop_now(user->env->loop) + SQ_USER_LEAVE_TIMEOUT_NS);
    if (!user->signal || user->session_over) {
        finish(user);
    } else if (!told) {
        user->group->adapter->leave(user->signal);
    }
}

static void fail(struct sq_user *user, enum sq_failure cause, const char *text)
{
    if (user->state != SQ_USER_SETTING_UP && user->state != SQ_USER_UP) {
        return;
    }
    if (!sq_user_comes_back(user, cause, text)) {
        sq_user_settle(user, SQ_OUTCOME_FAILED, cause, text);
        sq_user_leave_service(user);
    }
}

void sq_user_go_away(struct sq_user *user)
{
    count_out(user);
    sq_user_switch_end(user);
    sq_timer_stop(&user->dtmf_timer);
    user->switch_ns = 0;
    user->state = SQ_USER_AWAY;
    close_peers(user);
    sq_user_data_away(user);
    /* A connection was lost and the signalling was not: its server still speaks of peers that are
     * gone, and has to know that this user is, too. */
    if (user->signal && !user->session_over) {
        user->group->adapter->leave(user->signal);
    }
}

/* The run ends before it got up: what it waits for is told. */
static void settle_waiting(struct sq_user *user)
{
    char wait[SQ_PEER_TEXT_MAX];
    char text[SQ_PEER_TEXT_MAX];
    uint64_t from_ns = user->up_ns ? user->started_ns : user->intended_ns;
    uint64_t tried_ns = sq_loop_now(user->env->loop) - from_ns;
    sq_user_tell_wait(user, wait);
    if (tried_ns < user->env->hung_after_ns) {
        sq_user_settle(user, SQ_OUTCOME_PENDING, SQ_FAILURE_NONE, wait);
        return;
    }
    snprintf(text, sizeof(text), "still setting up after %.3g s, when the run ended: %.190s",
             (double)tried_ns / 1e9, wait);
    sq_user_settle(user, SQ_OUTCOME_FAILED, SQ_FAILURE_TIMEOUT, text);
}

static void settle_unfailed(struct sq_user *user)
{
    char text[SQ_PEER_TEXT_MAX];
    if (sq_user_is_dropped(user)) {
        sq_user_tell_away(user, text);
        sq_user_settle(user, SQ_OUTCOME_FAILED, user->away.cause, text);
    } else if (user->out) {
        sq_user_settle(user, SQ_OUTCOME_OK, SQ_FAILURE_NONE, "");
    } else if (user->state != SQ_USER_UP) {
        settle_waiting(user);
    } else if (sq_user_is_lost(user, text)) {
        sq_user_settle(user, SQ_OUTCOME_FAILED, SQ_FAILURE_MEDIA_LOST, text);
    } else {
        sq_user_settle(user, SQ_OUTCOME_OK, SQ_FAILURE_NONE, "");
    }
}

void sq_user_leave(struct sq_user *user)
{
    if (user->state >= SQ_USER_PREPARING && user->state <= SQ_USER_AWAY) {
        settle_unfailed(user);
        sq_user_leave_service(user);
    }
}

void sq_user_abort(struct sq_user *user)
{
    if (user->state >= SQ_USER_PREPARING && user->state <= SQ_USER_AWAY) {
        settle_unfailed(user);
    }
    finish(user);
}

/* ---- Getting up ---- */

static bool wants_media(const struct sq_user_peer *peer)
{
    struct sq_peer *rtc = sq_endpoint_peer(peer->endpoint);
    for (size_t i = 0; i < sq_peer_track_count(rtc); i++) {
        if (sq_track_current_direction(sq_peer_track(rtc, i)) & SQ_DIR_RECVONLY) {
            return true;
        }
    }
    return false;
}

static uint64_t first_media_ns(const struct sq_peer_times *times)
{
    return times->first_audio ? times->first_audio : times->first_frame;
}

static void record_stages(struct sq_user *user, uint64_t now_ns)
{
    const struct sq_peer_times *t = times_of(user);
    uint64_t up_ns = now_ns; /* packet times may lie a little after the loop's */
    record_transport(user);
    if (t) {
        uint64_t media_ns = first_media_ns(t);
        if (media_ns) {
            record_stage(user, SQ_STAGE_MEDIA,
                         fmax(0, ((double)media_ns - (double)t->dtls_connected) / 1e6));
            up_ns = media_ns;
        }
        up_ns = sq_max_u64(up_ns, t->dtls_connected);
    }
    record_stage(user, SQ_STAGE_TOTAL, ((double)up_ns - (double)user->intended_ns) / 1e6);
}

void sq_user_replay_over(struct sq_user *user, uint64_t now_ns)
{
    if (user->state == SQ_USER_UP) {
        double trips_ns = 2e9 * fmax(0, fmin(user->last_ice_rtt_s, 1));
        sq_timer_start(sq_loop_timers(user->env->loop), &user->timer,
                       now_ns + UNDER_WAY_NS + (uint64_t)trips_ns);
    }
}

/* Of a user that is up. One that signed in and was given nothing to connect to (a viewer of an
 * empty room) is not: a peer may come later. */
static void note_connected(struct sq_user *user)
{
    bool any = false;
    for (size_t i = 0; i < user->peers_len; i++) {
        any = any || (user->peers[i].endpoint && user->peers[i].connected);
    }
    if (any && !user->counted_up) {
        user->row.connected = user->counted_up = true;
        user->env->tally->connected++;
    }
}

uint64_t sq_user_leave_ns(const struct sq_user *user)
{
    uint64_t hold_ns = user->env->plan->hold_ns;
    return hold_ns && user->up_ns ? user->up_ns + hold_ns : SQ_NEVER;
}

static void get_up(struct sq_user *user)
{
    uint64_t now_ns = sq_loop_now(user->env->loop);
    bool first = user->up_ns == 0;
    user->state = SQ_USER_UP;
    user->up_ns = first ? now_ns : user->up_ns;
    sq_user_slices_event(user, SQ_EVENT_UP);
    sq_user_begin_samples(user, now_ns);
    sq_user_switch_begin(user, now_ns);
    sq_user_data_begin(user);
    if (first) {
        sq_user_dtmf_begin(user, now_ns);
    }
    note_connected(user);
    if (sq_user_is_dropped(user)) {
        sq_user_is_back(user, now_ns);
    } else if (first && user->row.connected) {
        record_stages(user, now_ns);
        sq_hist_small_record(&user->env->second->setup_ms,
                             (uint64_t)(user->row.stage_ms[SQ_STAGE_TOTAL] + 0.5));
    }
    sq_timer_start(sq_loop_timers(user->env->loop), &user->timer, sq_user_leave_ns(user));
    if (user->replay_end_ns) { /* shorter than the set-up */
        sq_user_replay_over(user, now_ns);
    }
    sq_user_steps_up(user, first);
}

/* One that comes back is not waited for beyond its time to leave. */
static void set_up_within(struct sq_user *user, uint64_t limit_ns)
{
    sq_timer_start(sq_loop_timers(user->env->loop), &user->timer,
                   sq_min_u64(limit_ns, sq_user_leave_ns(user)));
}

static void check_up(struct sq_user *user)
{
    if (user->state != SQ_USER_SETTING_UP || !user->joined) {
        return;
    }
    bool connected = true;
    bool media = true;
    for (size_t i = 0; i < user->peers_len; i++) {
        const struct sq_user_peer *peer = &user->peers[i];
        if (peer->endpoint) {
            connected = connected && peer->connected;
            media =
                media && (peer->media || !wants_media(peer)) && !sq_user_waits_for_channel(peer);
        }
    }
    if (connected && media) {
        get_up(user);
    } else if (connected) {
        set_up_within(user, sq_loop_now(user->env->loop) + user->env->plan->media_timeout_ns);
    }
}

static bool all_connected(const struct sq_user *user)
{
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].endpoint && !user->peers[i].connected) {
            return false;
        }
    }
    return user->peers_len > 0;
}

static void set_up_took_too_long(struct sq_user *user)
{
    char text[SQ_PEER_TEXT_MAX];
    const struct sq_plan *plan = user->env->plan;
    if (user->joined && all_connected(user)) {
        bool channel = false;
        for (size_t i = 0; i < user->peers_len; i++) {
            channel =
                channel || (user->peers[i].endpoint && sq_user_waits_for_channel(&user->peers[i]));
        }
        snprintf(text, sizeof(text), "connected, but %s within %.3g s",
                 channel ? "the data channel did not open" : "no media came",
                 (double)plan->media_timeout_ns / 1e9);
        fail(user, SQ_FAILURE_NO_MEDIA, text);
    } else {
        snprintf(text, sizeof(text), "the set-up was not over after %.3g s (%s)",
                 (double)(sq_loop_now(user->env->loop) - user->started_ns) / 1e9,
                 user->joined ? "signed in, not all peers connected" : "not signed in");
        fail(user, SQ_FAILURE_TIMEOUT, text);
    }
}

/* A new session, as one that has just arrived. */
static void try_again(struct sq_user *user)
{
    sq_user_release(user);
    user->joined = false;
    user->peers_len = 0;
    user->away.tries++;
    sq_user_open_session(user);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_user *user = ctx;
    if (user->state != SQ_USER_LEAVING && now_ns >= sq_user_leave_ns(user)) {
        sq_user_leave(user); /* held as long as it was to, or not back by then */
    } else if (user->state == SQ_USER_SETTING_UP) {
        set_up_took_too_long(user);
    } else if (user->state == SQ_USER_UP) {
        sq_user_leave(user); /* its recording has been sent */
    } else if (user->state == SQ_USER_AWAY && user->out == SQ_USER_GOES_OUT) {
        sq_user_is_out(user); /* without an answer */
    } else if (user->state == SQ_USER_AWAY) {
        try_again(user);
    } else if (user->state == SQ_USER_LEAVING) {
        finish(user);
    }
}

/* ---- The peers' events ---- */

static enum sq_failure cause_of(enum sq_peer_cause cause)
{
    switch (cause) {
    case SQ_PEER_CAUSE_ICE:
        return SQ_FAILURE_ICE;
    case SQ_PEER_CAUSE_DTLS:
        return SQ_FAILURE_DTLS;
    case SQ_PEER_CAUSE_MEDIA_LOST:
        return SQ_FAILURE_MEDIA_LOST;
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
        peer->connected = true;
        user->row.reached = true;
        int err = sq_user_begin_replay(peer);
        if (err) {
            fail(user, SQ_FAILURE_PROTOCOL,
                 err == SQ_ERR_UNSUPPORTED
                     ? "the service did not agree on the codec of the recording"
                     : "the recording cannot be sent: no memory");
            return;
        }
        if (user->state == SQ_USER_UP) {
            note_connected(user);
            sq_user_path_found(user);
        }
        check_up(user);
    } else if (event->state == SQ_PEER_DISCONNECTED) {
        sq_user_path_lost(user);
    } else if (event->state == SQ_PEER_FAILED) {
        fail(user, cause_of(event->cause), event->text);
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
    sq_user_data_event(user, event);
    switch (event->type) {
    case SQ_PEER_EV_STATE:
        on_peer_state(peer, event);
        break;
    case SQ_PEER_EV_CHANNEL_OPEN:
        sq_user_tell(user, "datachannel", "%s, id %d%s", sq_channel_label(event->channel),
                     sq_channel_id(event->channel),
                     event->from_remote ? ", opened by the other side" : "");
        check_up(user);
        break;
    case SQ_PEER_EV_CHANNEL_CLOSED:
        sq_user_tell(user, "datachannelclose", "%s", sq_channel_label(event->channel));
        check_up(user);
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
        check_up(user);
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
                                          .simulcast = group->simulcast,
                                          .bwe = group->bwe,
                                          .connect_timeout_ns = user->env->plan->connect_timeout_ns,
                                          .latency = group->latency,
                                          .capture_time = group->latency,
                                          .accept_data = group->data.on};
    *peer = (struct sq_user_peer){.user = user};
    snprintf(peer->label, sizeof(peer->label), user->sessions > 1 ? "%s.%u" : "%s", label,
             user->sessions);
    /* A replay answers NACK by hand; a recorded peer may be decoded, too. */
    bool recorded = sq_user_is_recorded(user) || group->replay;
    const struct sq_endpoint_ops *ops = recorded                   ? &recorded_ops
                                        : sq_user_is_decoded(user) ? &decoded_ops
                                                                   : &endpoint_ops;
    int err = sq_user_is_recorded(user) ? sq_user_begin_record(peer) : 0;
    err = err ? err
              : sq_endpoint_create_with(user->env->carrier, &config, group->ice_policy, user->link,
                                        ops, peer, &peer->endpoint);
    if (err) {
        note_starved(user, err, errno);
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
        record_stage(user, (enum sq_stage)phase, (double)took_ns / 1e6);
    }
}

static void host_joined(void *ctx)
{
    struct sq_user *user = ctx;
    user->joined = true;
    sq_user_slices_event(user, SQ_EVENT_JOINED);
    check_up(user);
}

static void host_failed(void *ctx, enum sq_cause cause, const char *text)
{
    struct sq_user *user = ctx;
    user->session_over = true;
    if (user->state == SQ_USER_LEAVING) {
        finish(user);
        return;
    }
    if (user->state == SQ_USER_AWAY && user->out == SQ_USER_GOES_OUT) {
        sq_user_is_out(user);
        return;
    }
    if (cause == SQ_CAUSE_EXHAUSTED) {
        note_starved(user, SQ_ERR_NOMEM, 0);
        cause = SQ_CAUSE_CONNECT;
    }
    if ((user->state == SQ_USER_SETTING_UP || user->state == SQ_USER_UP) &&
        !sq_user_comes_back(user, (enum sq_failure)cause, text)) {
        sq_user_settle(user, SQ_OUTCOME_FAILED, (enum sq_failure)cause, text);
        finish(user);
    }
}

static void host_left(void *ctx)
{
    struct sq_user *user = ctx;
    user->session_over = true;
    if (user->state == SQ_USER_AWAY && user->out == SQ_USER_GOES_OUT) {
        sq_user_is_out(user);
    } else if (user->state != SQ_USER_AWAY) { /* that one comes back */
        finish(user);
    }
}

static void host_note(void *ctx, const char *text)
{
    sq_user_tell(ctx, "signaling", "%s", text);
}

static const struct sq_signal_run *group_run(const struct sq_plan_group *group)
{
    return group->script ? &sq_user_script_run : NULL;
}

/* ---- Life ---- */

int sq_user_create(const struct sq_user_env *env, uint64_t index, uint64_t at, uint64_t intended_ns,
                   struct sq_user **ret_user)
{
    struct sq_user *user = sq_zalloc(sizeof(*user));
    if (!user) {
        return SQ_ERR_NOMEM;
    }
    struct sq_plan_place place;
    sq_plan_place(env->plan, at, &place);
    user->env = env;
    user->group = place.group;
    user->index = index;
    user->place = at;
    user->ordinal = place.ordinal;
    user->room_no = place.room;
    user->intended_ns = intended_ns;
    user->host = (struct sq_signal_host){
        .loop = env->loop,
        .make_peer = host_make_peer,
        .phase = host_phase,
        .joined = host_joined,
        .failed = host_failed,
        .left = host_left,
        .note = host_note,
        .run = group_run(place.group),
    };
    sq_timer_init(&user->timer, on_timer, user);
    sq_user_switch_init(user);
    sq_user_dtmf_init(user);
    char why[SQ_PEER_TEXT_MAX];
    int err = sq_user_network_create(user);
    err = err ? err : sq_user_data_create(user);
    err = err ? err : sq_user_own_create(user);
    err = err ? err : sq_user_steps_create(user);
    if (!err) {
        sq_user_describe(user);
        err = sq_user_own_waits(user) ? 0 : sq_user_own_fill(user, why);
    }
    err = err ? err : sq_slice_user_create(env->slices, &user->row, intended_ns, &user->slices);
    if (err) {
        sq_user_steps_destroy(user);
        sq_user_own_destroy(user);
        sq_user_data_destroy(user);
        sq_user_network_destroy(user);
        sq_free(user);
        return err;
    }
    *ret_user = user;
    return 0;
}

void sq_user_open_session(struct sq_user *user)
{
    const struct sq_plan *plan = user->env->plan;
    user->state = SQ_USER_SETTING_UP;
    user->started_ns = sq_loop_now(user->env->loop);
    user->session_over = false;
    user->sessions++;
    uint64_t limit_ns =
        4 * plan->answer_timeout_ns + plan->connect_timeout_ns + plan->media_timeout_ns;
    set_up_within(user, user->started_ns + limit_ns);
    int err =
        user->group->adapter->open(user->target, &user->want, &user->host, user, &user->signal);
    if (err) {
        char text[SQ_PEER_TEXT_MAX];
        note_starved(user, err, errno);
        snprintf(text, sizeof(text), "the session could not be made: %s", sq_err_name(err));
        fail(user, SQ_FAILURE_PROTOCOL, text);
    }
}

void sq_user_start(struct sq_user *user)
{
    user->env->tally->started++;
    sq_user_network_begin(user);
    user->started_ns = sq_loop_now(user->env->loop);
    if (sq_user_steps_before(user)) {
        user->state = SQ_USER_PREPARING;
    } else {
        sq_user_open_session(user);
    }
}

void sq_user_set_slot(struct sq_user *user, size_t slot)
{
    user->slot = slot;
}

size_t sq_user_slot(const struct sq_user *user)
{
    return user->slot;
}

uint64_t sq_user_place(const struct sq_user *user)
{
    return user->place;
}

void sq_user_release(struct sq_user *user)
{
    user->group->adapter->destroy(user->signal);
    user->signal = NULL;
}

void sq_user_destroy(struct sq_user *user)
{
    if (!user) {
        return;
    }
    sq_timer_stop(&user->timer);
    sq_timer_stop(&user->switch_timer);
    sq_timer_stop(&user->dtmf_timer);
    sq_user_steps_destroy(user);
    close_peers(user);
    sq_user_data_destroy(user);
    sq_user_release(user);
    sq_user_script_destroy(user);
    sq_user_own_destroy(user);
    sq_user_network_destroy(user);
    sq_slice_user_destroy(user->slices);
    sq_trace_clear(&user->trace);
    sq_free(user);
}

bool sq_user_is_over(const struct sq_user *user)
{
    return user->state == SQ_USER_OVER;
}

const char *sq_user_failure(const struct sq_user *user)
{
    return user->row.outcome == SQ_OUTCOME_FAILED ? user->row.message : "";
}

int sq_user_report(struct sq_user *user, struct sq_ledger *ledger)
{
    bool dump = user->row.outcome == SQ_OUTCOME_FAILED || user->index < user->env->plan->dumps;
    int err = sq_ledger_add(ledger, user->index, &user->row, dump ? &user->trace : NULL);
    if (!err && !dump) {
        sq_ledger_offer_story(ledger, user->index, &user->row, &user->trace);
    }
    return err;
}
