/* How a user gets up: the stages of its set-up, and when it is over. */
#include "base/time.h"
#include "net/loop.h"
#include "run/user_int.h"
#include <math.h>
#include <stdio.h>

/* ---- Stages ---- */

void sq_user_record_stage(struct sq_user *user, enum sq_stage stage, double ms)
{
    user->row.stage_ms[stage] = ms;
    sq_user_record(user, (enum sq_metric_id)(SQ_METRIC_SETUP_DNS + stage), ms);
}

/* The peer that tells most: the first one that receives, else the first. NULL: none. */
static struct sq_peer *telling_peer(const struct sq_user *user)
{
    const struct sq_user_peer *peer = &user->peers[0];
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].endpoint && user->peers[i].media) {
            peer = &user->peers[i];
            break;
        }
    }
    return peer->endpoint ? sq_endpoint_peer(peer->endpoint) : NULL;
}

/* When media first came, of whatever kind; 0: none has. */
static uint64_t first_media_ns(const struct sq_peer_times *times)
{
    uint64_t first_ns = times->first_audio ? times->first_audio : SQ_NEVER;
    first_ns = times->first_frame ? sq_min_u64(first_ns, times->first_frame) : first_ns;
    return first_ns == SQ_NEVER ? 0 : first_ns;
}

/* Since when it may hear of somebody: the longest-standing agreement of those in force. 0: none. */
static uint64_t agreed_ns(struct sq_peer *peer, uint64_t now_ns)
{
    uint64_t first_ns = SQ_NEVER;
    for (size_t i = 0; i < sq_peer_track_count(peer); i++) {
        const struct sq_track *track = sq_peer_track(peer, i);
        struct sq_inbound_stats in;
        if (sq_track_current_direction(track) & SQ_DIR_RECVONLY) {
            sq_track_inbound_stats(track, now_ns, &in);
            first_ns =
                in.receiving_since_ns ? sq_min_u64(first_ns, in.receiving_since_ns) : first_ns;
        }
    }
    return first_ns == SQ_NEVER ? 0 : first_ns;
}

static void record_once(struct sq_user *user, enum sq_stage stage, double ms)
{
    if (isnan(user->row.stage_ms[stage])) {
        sq_user_record_stage(user, stage, ms);
    }
}

/* Who found nobody waited for others to come, and not for the service: its time runs from when it
 * was told of somebody. */
static void record_media(struct sq_user *user, struct sq_peer *peer)
{
    const struct sq_peer_times *t = sq_peer_times(peer);
    uint64_t media_ns = first_media_ns(t);
    if (media_ns) {
        uint64_t from_ns =
            sq_max_u64(t->dtls_connected, agreed_ns(peer, sq_loop_now(user->env->loop)));
        record_once(user, SQ_STAGE_MEDIA, fmax(0, ((double)media_ns - (double)from_ns) / 1e6));
    }
}

/* What was passed counts, whether the user got up in the end or not. */
void sq_user_record_transport(struct sq_user *user)
{
    struct sq_peer *peer = telling_peer(user);
    const struct sq_peer_times *t = peer ? sq_peer_times(peer) : NULL;
    if (t && t->ice_connected) {
        record_once(user, SQ_STAGE_ICE, ((double)t->ice_connected - (double)t->negotiated) / 1e6);
    }
    if (t && t->dtls_connected) {
        record_once(user, SQ_STAGE_DTLS,
                    ((double)t->dtls_connected - (double)t->ice_connected) / 1e6);
        record_media(user, peer);
    }
}

/* Set-up times are those of arriving: of the first session. */
void sq_user_record_late(struct sq_user *user)
{
    if (user->state == SQ_USER_UP && user->sessions == 1) {
        sq_user_record_transport(user);
    }
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

/* Who was agreed nothing to receive has nothing to wait for but its connection: it is over then,
 * and what others bring later is no part of it. */
static void record_stages(struct sq_user *user, uint64_t now_ns)
{
    const struct sq_peer *peer = telling_peer(user);
    uint64_t up_ns = now_ns; /* packet times may lie a little after the loop's */
    sq_user_record_transport(user);
    if (peer) {
        const struct sq_peer_times *t = sq_peer_times(peer);
        uint64_t media_ns = first_media_ns(t);
        up_ns = sq_max_u64(media_ns ? media_ns : up_ns, t->dtls_connected);
    }
    sq_user_record_stage(user, SQ_STAGE_TOTAL, ((double)up_ns - (double)user->intended_ns) / 1e6);
}

/* Of a user that is up. One that signed in and was given nothing to connect to (a viewer of an
 * empty room) is not: a peer may come later. */
void sq_user_note_connected(struct sq_user *user)
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

static void get_up(struct sq_user *user)
{
    uint64_t now_ns = sq_loop_now(user->env->loop);
    bool first = user->up_ns == 0;
    user->state = SQ_USER_UP;
    user->up_session = user->sessions;
    user->up_ns = first ? now_ns : user->up_ns;
    sq_user_slices_event(user, SQ_EVENT_UP);
    sq_user_begin_samples(user, now_ns);
    sq_user_switch_begin(user, now_ns);
    sq_user_data_begin(user);
    if (first) {
        sq_user_dtmf_begin(user, now_ns);
    }
    sq_user_note_connected(user);
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
void sq_user_set_up_within(struct sq_user *user, uint64_t limit_ns)
{
    sq_timer_start(sq_loop_timers(user->env->loop), &user->timer,
                   sq_min_u64(limit_ns, sq_user_leave_ns(user)));
}

void sq_user_check_up(struct sq_user *user)
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
        sq_user_set_up_within(user,
                              sq_loop_now(user->env->loop) + user->env->plan->media_timeout_ns);
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

void sq_user_set_up_took_too_long(struct sq_user *user)
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
        sq_user_fail(user, SQ_FAILURE_NO_MEDIA, text);
    } else {
        snprintf(text, sizeof(text), "the set-up was not over after %.3g s (%s)",
                 (double)(sq_loop_now(user->env->loop) - user->started_ns) / 1e9,
                 user->joined ? "signed in, not all peers connected" : "not signed in");
        sq_user_fail(user, SQ_FAILURE_TIMEOUT, text);
    }
}
