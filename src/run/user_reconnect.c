/* --reconnect: a user that was up and is dropped comes back by itself, as applications do: at once,
 * after a while that grows, or by an ICE restart first. How long it was without media is measured.
 */
#include "base/rand.h"
#include "net/loop.h"
#include "run/user_int.h"
#include <math.h>
#include <stdio.h>

#define NOW_AGAIN_NS   SQ_NS_PER_SEC /* between attempts of "now", but for the first */
#define TOLD_WITHIN_NS SQ_NS_PER_SEC /* a service answers that a session is left, or is dead */
#define DOUBLINGS_MAX  20
#define BACK_OFF_LEAST                                                                             \
    0.5 /* of the wait: the rest is drawn, so that they do not all come at once */

static const struct sq_plan_reconnect *plan_of(const struct sq_user *user)
{
    return &user->group->reconnect;
}

/* When media last came; 0: never. */
static uint64_t last_of(const struct sq_user_peer *peer)
{
    uint64_t last_ns = 0;
    struct sq_peer *rtc = sq_endpoint_peer(peer->endpoint);
    for (size_t i = 0; i < sq_peer_track_count(rtc); i++) {
        struct sq_inbound_stats in;
        sq_track_inbound_stats(sq_peer_track(rtc, i), sq_loop_now(peer->user->env->loop), &in);
        last_ns = sq_max_u64(last_ns, in.last_packet_ns);
    }
    return last_ns;
}

static uint64_t last_media_ns(const struct sq_user *user)
{
    uint64_t last_ns = 0;
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].endpoint) {
            last_ns = sq_max_u64(last_ns, last_of(&user->peers[i]));
        }
    }
    return last_ns;
}

static bool is_lost(const struct sq_user_peer *peer)
{
    return peer->endpoint && peer->lost_ns;
}

/* Of those connections that were lost: a user may have others that go on. */
static bool lost_ones_hear(const struct sq_user *user)
{
    for (size_t i = 0; i < user->peers_len; i++) {
        if (is_lost(&user->peers[i]) && last_of(&user->peers[i]) > 0) {
            return true;
        }
    }
    return false;
}

static uint64_t first_media_ns(const struct sq_user *user, uint64_t now_ns)
{
    uint64_t first_ns = SQ_NEVER;
    for (size_t i = 0; i < user->peers_len; i++) {
        if (!user->peers[i].endpoint) {
            continue;
        }
        const struct sq_peer_times *t = sq_peer_times(sq_endpoint_peer(user->peers[i].endpoint));
        first_ns = t->first_audio ? sq_min_u64(first_ns, t->first_audio) : first_ns;
        first_ns = t->first_frame ? sq_min_u64(first_ns, t->first_frame) : first_ns;
    }
    return first_ns == SQ_NEVER ? now_ns : first_ns;
}

static double run_ms(const struct sq_user *user, uint64_t at_ns)
{
    return ((double)at_ns - (double)user->env->start_ns) / 1e6;
}

/* One that only sends (last_ns 0) is without its service from when it hears of it. */
static void note_drop(struct sq_user *user, uint64_t last_ns, uint64_t now_ns)
{
    user->away.since_ns = last_ns ? sq_min_u64(last_ns, now_ns) : now_ns;
    user->away.tries = 0;
    if (user->row.drops++ == 0) {
        user->row.dropped_ms = run_ms(user, user->away.since_ns);
    }
}

static void note_back(struct sq_user *user, uint64_t media_ns)
{
    double gap_ms = fmax(0, ((double)media_ns - (double)user->away.since_ns) / 1e6);
    user->row.returns++;
    user->row.back_ms = run_ms(user, media_ns);
    user->row.gap_ms = isnan(user->row.gap_ms) ? gap_ms : fmax(user->row.gap_ms, gap_ms);
    user->row.away_ms = isnan(user->row.away_ms) ? gap_ms : user->row.away_ms + gap_ms;
    sq_user_record(user, SQ_METRIC_PEERS_RECONNECT, gap_ms);
    sq_user_tell(user, "reconnect", "back after %.0f ms without media (attempt %u)", gap_ms,
                 user->away.tries);
    user->away.since_ns = 0;
    for (size_t i = 0; i < user->peers_len; i++) {
        if (is_lost(&user->peers[i])) {
            sq_peer_watch_gap(sq_endpoint_peer(user->peers[i].endpoint), media_ns, false);
            user->peers[i].lost_ns = 0;
        }
    }
}

/* ---- Coming back by a new session ---- */

static uint64_t wait_ns(struct sq_user *user)
{
    const struct sq_plan_reconnect *plan = plan_of(user);
    if (plan->how == SQ_RECONNECT_NOW) {
        return user->away.tries == 0 ? 0 : NOW_AGAIN_NS;
    }
    double doubled_ns =
        ldexp((double)plan->first_ns, (int)sq_min_u64(user->away.tries, DOUBLINGS_MAX));
    double most_ns = fmin(doubled_ns, (double)plan->most_ns);
    struct sq_rand rand;
    sq_rand_seed(&rand, user->env->plan->seed + (user->index << 16) + (user->row.drops << 8) +
                            user->away.tries);
    return (uint64_t)(most_ns * (BACK_OFF_LEAST + (1 - BACK_OFF_LEAST) * sq_rand_unit(&rand)));
}

bool sq_user_comes_back(struct sq_user *user, enum sq_failure cause, const char *text)
{
    bool up = user->state == SQ_USER_UP;
    if (plan_of(user)->how == SQ_RECONNECT_NOT || (!up && !user->away.since_ns)) {
        return false; /* one that was never up has failed */
    }
    uint64_t now_ns = sq_loop_now(user->env->loop);
    if (up && !user->away.since_ns) {
        sq_user_sample(user, now_ns); /* what is left since the last one */
        note_drop(user, last_media_ns(user), now_ns);
    }
    user->away.cause = cause;
    SQ_RESULT_SET(user->away.text, text);
    uint64_t after_ns = wait_ns(user);
    char why[SQ_PEER_TEXT_MAX];
    sq_user_network_explain(user, cause, text, why);
    sq_user_tell(user, "dropped", "%s: %.210s; tries again in %.3g s", sq_failure_name(cause), why,
                 (double)after_ns / 1e9);
    user->away.due_ns = now_ns + after_ns;
    user->away.told_by_ns = now_ns + TOLD_WITHIN_NS;
    sq_user_go_away(user);
    sq_timer_start(sq_loop_timers(user->env->loop), &user->timer,
                   sq_min_u64(user->away.due_ns, sq_user_leave_ns(user)));
    return true;
}

/* Two sessions of one user would meet at the service, and destroying the old one takes back its
 * goodbye. One that does not answer is not waited for. */
bool sq_user_waits_for_goodbye(struct sq_user *user, uint64_t now_ns)
{
    if (!user->signal || user->session_over || now_ns >= user->away.told_by_ns) {
        return false;
    }
    sq_timer_start(sq_loop_timers(user->env->loop), &user->timer,
                   sq_min_u64(user->away.told_by_ns, sq_user_leave_ns(user)));
    return true;
}

void sq_user_goodbye_is_said(struct sq_user *user)
{
    uint64_t now_ns = sq_loop_now(user->env->loop);
    sq_timer_start(sq_loop_timers(user->env->loop), &user->timer,
                   sq_min_u64(sq_max_u64(user->away.due_ns, now_ns), sq_user_leave_ns(user)));
}

void sq_user_is_back(struct sq_user *user, uint64_t now_ns)
{
    note_back(user, first_media_ns(user, now_ns));
}

bool sq_user_is_dropped(const struct sq_user *user)
{
    return user->away.since_ns != 0;
}

void sq_user_tell_away(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX])
{
    double away_s = (double)(sq_loop_now(user->env->loop) - user->away.since_ns) / 1e9;
    snprintf(text, SQ_PEER_TEXT_MAX, "dropped, and not back after %.3g s and %u attempt%s: %.160s",
             away_s, user->away.tries, user->away.tries == 1 ? "" : "s", user->away.text);
}

/* ---- An ICE restart first ---- */

/* From now on its silence is measured. */
static void lose(struct sq_user_peer *peer, uint64_t now_ns)
{
    peer->lost_ns = now_ns;
    sq_peer_watch_gap(sq_endpoint_peer(peer->endpoint), now_ns, true);
}

void sq_user_path_lost(struct sq_user_peer *peer)
{
    struct sq_user *user = peer->user;
    if (!plan_of(user)->ice_first || user->state != SQ_USER_UP || peer->lost_ns ||
        sq_plan_restart_lacks(user->group)) {
        return;
    }
    uint64_t now_ns = sq_loop_now(user->env->loop);
    sq_user_switch_lost(user); /* it measures with the same watch */
    bool first = !user->away.since_ns;
    lose(peer, now_ns);
    if (!first) {
        return; /* ICE is restarted already */
    }
    note_drop(user, last_of(peer), now_ns);
    user->away.tries = 1;
    user->away.cause = SQ_FAILURE_MEDIA_LOST;
    SQ_RESULT_SET(user->away.text, "the connection was lost: consent checks went unanswered");
    int err = user->group->adapter->restart_ice(user->signal);
    sq_user_tell(user, "reconnect", "restarts ICE%s%s", err ? ": " : "",
                 err ? sq_err_name(err) : "");
}

void sq_user_path_found(struct sq_user_peer *peer)
{
    struct sq_user *user = peer->user;
    if (user->state == SQ_USER_UP && user->away.since_ns && is_lost(peer) &&
        !lost_ones_hear(user)) {
        note_back(user, sq_loop_now(user->env->loop));
    }
}

void sq_user_reconnect_sample(struct sq_user *user)
{
    if (user->state != SQ_USER_UP || !user->away.since_ns) {
        return;
    }
    uint64_t first_ns = SQ_NEVER; /* the end of the silence of the one that was heard first */
    for (size_t i = 0; i < user->peers_len; i++) {
        const struct sq_user_peer *peer = &user->peers[i];
        if (is_lost(peer) && last_of(peer) > peer->lost_ns) {
            uint64_t gap_ns = sq_peer_gap_ns(sq_endpoint_peer(peer->endpoint), last_of(peer));
            first_ns = sq_min_u64(first_ns, peer->lost_ns + gap_ns);
        }
    }
    if (first_ns != SQ_NEVER) {
        note_back(user, first_ns);
    }
}
