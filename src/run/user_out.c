/* What steps change of a user's life: it signs in with what they took, leaves, comes back, fails.
 */
#include "net/loop.h"
#include "run/user_int.h"
#include <stdio.h>

void sq_user_step_out(struct sq_user *user)
{
    uint64_t now_ns = sq_loop_now(user->env->loop);
    sq_user_sample(user, now_ns); /* what is left since the last one */
    user->out = SQ_USER_GOES_OUT;
    sq_timer_start(sq_loop_timers(user->env->loop), &user->timer,
                   now_ns + SQ_USER_LEAVE_TIMEOUT_NS);
    sq_user_go_away(user); /* and tells its service */
}

void sq_user_is_out(struct sq_user *user)
{
    user->out = SQ_USER_IS_OUT;
    sq_timer_start(sq_loop_timers(user->env->loop), &user->timer, sq_user_leave_ns(user));
    sq_user_steps_left(user);
}

/* Token, target and room of its own, and then a session with them. */
static void open_own_session(struct sq_user *user)
{
    char why[SQ_PEER_TEXT_MAX], text[SQ_PEER_TEXT_MAX + 64];
    if (sq_user_own_fill(user, why) == 0) {
        sq_user_open_session(user);
        return;
    }
    snprintf(text, sizeof(text), "what is put in for this peer is not what was expected: %s", why);
    sq_user_step_failed(user, SQ_FAILURE_PROTOCOL, text);
}

void sq_user_step_back(struct sq_user *user)
{
    sq_user_release(user);
    user->joined = false;
    user->peers_len = 0;
    user->out = SQ_USER_NOT_OUT;
    open_own_session(user);
}

void sq_user_step_failed(struct sq_user *user, enum sq_failure cause, const char *text)
{
    sq_user_settle(user, SQ_OUTCOME_FAILED, cause, text);
    sq_user_leave_service(user);
}

void sq_user_steps_ready(struct sq_user *user)
{
    open_own_session(user);
}
