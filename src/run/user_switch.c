/* --ice relay-first: a user connects by the relay, restarts ICE once media flow, and goes on by a
 * direct path. What that costs in media is measured. */
#include "net/loop.h"
#include "run/user_int.h"

#define SWITCH_AFTER_NS   (2 * SQ_NS_PER_SEC) /* media have settled: their usual gap is known */
#define SWITCH_SETTLE_NS  SQ_NS_PER_SEC       /* watched so long after the change */
#define SWITCH_GIVE_UP_NS (15 * SQ_NS_PER_SEC)

static void start_timer(struct sq_user *user, uint64_t at_ns)
{
    sq_timer_start(sq_loop_timers(user->env->loop), &user->switch_timer, at_ns);
}

static void begin(struct sq_user *user, uint64_t now_ns)
{
    user->switch_ns = now_ns;
    for (size_t i = 0; i < user->peers_len; i++) {
        struct sq_user_peer *peer = &user->peers[i];
        if (peer->endpoint) {
            peer->switching = true;
            peer->direct_ns = 0;
            sq_peer_watch_gap(sq_endpoint_peer(peer->endpoint), now_ns, true);
        }
    }
    start_timer(user, now_ns + SWITCH_GIVE_UP_NS);
    int err = user->group->adapter->restart_ice(user->signal);
    if (err) {
        sq_user_tell(user, "iceswitch", "ICE cannot be restarted: %s", sq_err_name(err));
        sq_user_switch_end(user);
    }
}

static void finish(struct sq_user *user, struct sq_user_peer *peer, uint64_t now_ns, bool lost)
{
    struct sq_peer *rtc = sq_endpoint_peer(peer->endpoint);
    double gap_ms = (double)sq_peer_gap_ns(rtc, now_ns) / 1e6;
    peer->switching = false;
    sq_peer_watch_gap(rtc, now_ns, false);
    if (!peer->direct_ns) {
        sq_user_tell(user, "iceswitch", "%s: %s", peer->label,
                     lost ? "the connection was lost before a direct path was found"
                          : "no direct path was found; it stays with the relay");
        return;
    }
    double took_ms = (double)(peer->direct_ns - user->switch_ns) / 1e6;
    sq_user_record(user, SQ_METRIC_ICE_SWITCH_TIME, took_ms);
    if (peer->media) { /* one that only sends hears no media, and has no gap */
        sq_user_record(user, SQ_METRIC_ICE_SWITCH_GAP, gap_ms);
    }
    sq_user_tell(user, "iceswitch", "%s: direct after %.1f ms, %.1f ms without media", peer->label,
                 took_ms, gap_ms);
}

/* Those that are settled are done; when the next one is, or SQ_NEVER. */
static uint64_t work_off(struct sq_user *user, uint64_t now_ns)
{
    uint64_t next_ns = SQ_NEVER;
    for (size_t i = 0; i < user->peers_len; i++) {
        struct sq_user_peer *peer = &user->peers[i];
        if (!peer->switching || !peer->endpoint) {
            continue;
        }
        uint64_t due_ns = peer->direct_ns ? peer->direct_ns + SWITCH_SETTLE_NS
                                          : user->switch_ns + SWITCH_GIVE_UP_NS;
        if (now_ns >= due_ns) {
            finish(user, peer, now_ns, false);
        } else {
            next_ns = sq_min_u64(next_ns, due_ns);
        }
    }
    return next_ns;
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_user *user = ctx;
    if (user->state != SQ_USER_UP) {
        return;
    }
    if (sq_user_is_dropped(user)) {
        start_timer(user, now_ns + SWITCH_AFTER_NS); /* until its media are back and have settled */
    } else if (user->switch_ns == 0) {
        begin(user, now_ns);
    } else {
        start_timer(user, work_off(user, now_ns));
    }
}

void sq_user_switch_init(struct sq_user *user)
{
    sq_timer_init(&user->switch_timer, on_timer, user);
}

void sq_user_switch_begin(struct sq_user *user, uint64_t now_ns)
{
    const struct sq_plan_group *group = user->group;
    if (group->ice_policy == SQ_ICE_POLICY_RELAY_FIRST && !sq_plan_restart_lacks(group)) {
        start_timer(user, now_ns + SWITCH_AFTER_NS);
    }
}

void sq_user_switch_event(struct sq_user_peer *peer, const struct sq_peer_event *event)
{
    struct sq_user *user = peer->user;
    struct sq_transport_stats stats;
    if (!peer->switching || peer->direct_ns || event->type != SQ_PEER_EV_SELECTED_PAIR ||
        !event->nominated) {
        return;
    }
    sq_peer_transport_stats(sq_endpoint_peer(peer->endpoint), &stats);
    if (stats.local_type[0] == 'r') {
        return; /* relay: the pair of before, or one of the new generation that is no better */
    }
    peer->direct_ns = event->now_ns;
    start_timer(user, work_off(user, event->now_ns));
}

static void finish_all(struct sq_user *user, bool lost)
{
    uint64_t now_ns = sq_loop_now(user->env->loop);
    sq_timer_stop(&user->switch_timer);
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].switching && user->peers[i].endpoint) {
            finish(user, &user->peers[i], now_ns, lost);
        }
    }
}

void sq_user_switch_end(struct sq_user *user)
{
    finish_all(user, false);
}

void sq_user_switch_lost(struct sq_user *user)
{
    if (user->switch_ns) {
        finish_all(user, true);
    }
}
