/* --dtmf: each user presses keys once it is up. */
#include "net/loop.h"
#include "run/user_int.h"
#include <stdio.h>
#include <string.h>

static bool press(struct sq_user *user, struct sq_user_peer *peer, uint64_t now_ns,
                  const char *digits)
{
    struct sq_peer *rtc = sq_endpoint_peer(peer->endpoint);
    bool pressed = false;
    for (size_t i = 0; i < sq_peer_track_count(rtc); i++) {
        struct sq_track *track = sq_peer_track(rtc, i);
        if (sq_track_kind(track) == SQ_MEDIA_AUDIO &&
            sq_track_send_dtmf(track, now_ns, digits, 0, 0) == 0) {
            sq_user_tell(user, "dtmf", "%s: presses %s", peer->label, digits);
            pressed = true;
        }
    }
    return pressed;
}

bool sq_user_dtmf_press(struct sq_user *user, const char *digits)
{
    uint64_t now_ns = sq_loop_now(user->env->loop);
    bool pressed = false;
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].endpoint) {
            pressed = press(user, &user->peers[i], now_ns, digits) || pressed;
        }
    }
    return pressed;
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    (void)now_ns;
    struct sq_user *user = ctx;
    if (user->state == SQ_USER_UP && !sq_user_dtmf_press(user, user->group->dtmf)) {
        /* It was asked for, and what the service has behind it is never reached. */
        sq_user_settle(user, SQ_OUTCOME_FAILED, SQ_FAILURE_PROTOCOL, SQ_USER_DTMF_REFUSED);
        sq_user_leave_service(user);
    }
}

void sq_user_dtmf_init(struct sq_user *user)
{
    sq_timer_init(&user->dtmf_timer, on_timer, user);
}

void sq_user_dtmf_begin(struct sq_user *user, uint64_t now_ns)
{
    const struct sq_plan_group *group = user->group;
    if (group->dtmf[0] && group->publishes && group->audio) {
        sq_timer_start(sq_loop_timers(user->env->loop), &user->dtmf_timer,
                       now_ns + group->dtmf_after_ns);
    }
}

void sq_user_dtmf_heard(struct sq_user *user, const char *digits)
{
    char *row = user->row.dtmf;
    size_t len = strlen(row);
    if (digits[0]) {
        snprintf(row + len, sizeof(user->row.dtmf) - len, "%s%s", len ? " " : "", digits);
    }
}
