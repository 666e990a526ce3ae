#include "run/user.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/loop.h"
#include "peer/ice/ice.h"
#include "run/crowd.h"
#include "run/ice_servers.h"
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
    sq_user_mask(user, value);
    /* A story with a line missing for want of memory is better than none. */
    int err = sq_trace_event(&user->trace, run_ms(user, sq_loop_now(user->env->loop)), type, value);
    (void)err;
}

/* A user that this machine had no sockets, ports or memory for is not the service's failure. */
void sq_user_note_starved(struct sq_user *user, int err, int why)
{
    struct sq_tally *tally = user->env->tally;
    if (!user->starved && (err == SQ_ERR_IO || err == SQ_ERR_NOMEM)) {
        user->starved = true;
        tally->starved++;
        tally->starved_errno = err == SQ_ERR_IO ? why : tally->starved_errno;
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
    sq_user_record_transport(user);
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
    char why[SQ_PEER_TEXT_MAX] = "";
    user->row.unfinished = outcome == SQ_OUTCOME_OK && sq_user_steps_unfinished(user, why);
    sq_user_steps_stop(user);
    if (outcome == SQ_OUTCOME_OK && user->group->script && user->peers_len == 0 && !why[0]) {
        user->row.unlinked = true;
        sq_user_script_tell_unlinked(user, why);
    }
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
    if (outcome != SQ_OUTCOME_OK) {
        char masked[SQ_PEER_TEXT_MAX];
        snprintf(masked, sizeof(masked), "%s", text);
        sq_user_mask(user, masked);
        sq_user_network_explain(user, cause, masked, why);
    }
    SQ_RESULT_SET(user->row.message, why);
    sq_user_network_count(user);
    user->row.end_ms = run_ms(user, sq_loop_now(user->env->loop));
    if (outcome == SQ_OUTCOME_OK) {
        tally->ok++;
    } else if (outcome == SQ_OUTCOME_FAILED) {
        tally->failed++;
        tally->failed_by_cause[cause]++;
        sq_user_tell(user, "failed", "%s: %s", sq_failure_name(cause), why);
    } else {
        tally->pending++;
    }
    close_peers(user);
    sq_user_finish_row(user);
    sq_user_slices_end(user);
}

void sq_user_end(struct sq_user *user)
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
        sq_user_end(user);
    } else if (!told) {
        user->group->adapter->leave(user->signal);
    }
}

void sq_user_fail(struct sq_user *user, enum sq_failure cause, const char *text)
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
    } else if (sq_user_is_lost(user, text) || sq_user_is_unheard(user, text)) {
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
    sq_user_end(user);
}

/* ---- Its time ---- */

void sq_user_replay_over(struct sq_user *user, uint64_t now_ns)
{
    if (user->state == SQ_USER_UP) {
        double trips_ns = 2e9 * fmax(0, fmin(user->last_ice_rtt_s, 1));
        sq_timer_start(sq_loop_timers(user->env->loop), &user->timer,
                       now_ns + UNDER_WAY_NS + (uint64_t)trips_ns);
    }
}

uint64_t sq_user_leave_ns(const struct sq_user *user)
{
    uint64_t hold_ns = user->env->plan->hold_ns;
    return hold_ns && user->up_ns ? user->up_ns + hold_ns : SQ_NEVER;
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
        sq_user_set_up_took_too_long(user);
    } else if (user->state == SQ_USER_UP) {
        sq_user_leave(user); /* its recording has been sent */
    } else if (user->state == SQ_USER_AWAY && user->out == SQ_USER_GOES_OUT) {
        sq_user_is_out(user); /* without an answer */
    } else if (user->state == SQ_USER_AWAY) {
        if (!sq_user_waits_for_goodbye(user, now_ns)) {
            try_again(user);
        }
    } else if (user->state == SQ_USER_LEAVING) {
        sq_user_end(user);
    }
}

/* ---- Life ---- */

int sq_user_create(const struct sq_user_env *env, const struct sq_arrival *arrival,
                   uint64_t users_row, struct sq_user **ret_user)
{
    struct sq_user *user = sq_zalloc(sizeof(*user));
    if (!user) {
        return SQ_ERR_NOMEM;
    }
    struct sq_plan_place place;
    sq_plan_place(env->plan, arrival->place, &place);
    user->env = env;
    user->group = place.group;
    user->index = arrival->index;
    user->place = arrival->place;
    user->users_row = (uint32_t)users_row; /* SQ_USERS_ROWS_MAX at most */
    user->ordinal = place.ordinal;
    user->room_no = place.room;
    user->intended_ns = arrival->intended_ns;
    sq_user_host(user);
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
        err =
            sq_user_own_waits(user) && user->group->before->n > 0 ? 0 : sq_user_own_fill(user, why);
        err = sq_user_own_waits(user) && err != SQ_ERR_NOMEM ? 0 : err; /* it fails as it starts */
    }
    err =
        err ? err : sq_slice_user_create(env->slices, &user->row, user->intended_ns, &user->slices);
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
    sq_user_set_up_within(user, user->started_ns + limit_ns);
    int err =
        user->group->adapter->open(user->target, &user->want, &user->host, user, &user->signal);
    if (err) {
        char text[SQ_PEER_TEXT_MAX];
        sq_user_note_starved(user, err, errno);
        snprintf(text, sizeof(text), "the session could not be made: %s", sq_err_name(err));
        sq_user_fail(user, SQ_FAILURE_PROTOCOL, text);
    }
}

void sq_user_start(struct sq_user *user)
{
    user->env->tally->started++;
    sq_user_network_begin(user);
    user->started_ns = sq_loop_now(user->env->loop);
    if (sq_user_steps_before(user)) {
        user->state = SQ_USER_PREPARING;
    } else if (sq_user_own_waits(user)) {
        sq_user_steps_ready(user); /* there are none: what it asks for is there already */
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
    sq_ice_servers_free(user->ice);
    sq_user_network_destroy(user);
    sq_slice_user_destroy(user->slices);
    sq_trace_clear(&user->trace);
    sq_free(user->row.goodbye);
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
