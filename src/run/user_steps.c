/* Steps of a scenario: a user's own small program. It never blocks: a step that waits leaves a
 * timer, a request or a place among those who wait, and goes on from there. */
#include "base/mem.h"
#include "base/time.h"
#include "net/link_profile.h"
#include "net/loop.h"
#include "run/user_steps_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define SEED_MIX UINT64_C(0x53746570) /* other choices of the user have seeds of their own */

/* ---- Values ---- */

int sq_user_step_keep(struct sq_user_steps *s, const char *name, char *text)
{
    for (size_t i = 0; i < s->values_len; i++) {
        if (strcmp(s->values[i].name, name) == 0) {
            sq_free(s->values[i].text);
            s->values[i].text = text;
            return 0;
        }
    }
    if (s->values_len == SQ_STEP_NAMES_MAX) {
        sq_free(text);
        return SQ_ERR_NOMEM;
    }
    s->values[s->values_len++] = (struct sq_step_value){name, text};
    return 0;
}

/* Of the user's row; SQ_ERR_NOTFOUND: there is none. */
static int put_column(const struct sq_user *user, const char *name, struct sq_buf *out)
{
    const struct sq_plan *plan = user->env->plan;
    char asked[SQ_STEP_NAME_MAX + 16], column[64];
    if (!plan->users) {
        return SQ_ERR_NOTFOUND;
    }
    snprintf(asked, sizeof(asked), "${%s}", name);
    return sq_users_put(plan->users, user->users_row, asked, out, column);
}

static int put_value(const struct sq_user *user, const char *name, struct sq_buf *out)
{
    const struct sq_user_steps *s = user->steps;
    if (strncmp(name, "user.", 5) == 0) {
        return put_column(user, name, out);
    }
    if (strcmp(name, "peer.name") == 0) {
        sq_buf_puts(out, user->name);
        return 0;
    }
    if (strcmp(name, "peer.room") == 0) {
        sq_buf_puts(out, user->room);
        return 0;
    }
    if (strcmp(name, "peer.number") == 0) {
        sq_buf_printf(out, "%llu", (unsigned long long)user->index);
        return 0;
    }
    for (size_t i = 0; s && i < s->values_len; i++) {
        if (strcmp(s->values[i].name, name) == 0) {
            sq_buf_puts(out, s->values[i].text);
            return 0;
        }
    }
    return SQ_ERR_NOTFOUND;
}

/* Within a JSON string (RFC 8259, section 7). */
static void put_escaped(struct sq_buf *out, const char *text)
{
    for (; *text; text++) {
        unsigned char c = (unsigned char)*text;
        if (c == '"' || c == '\\') {
            sq_buf_printf(out, "\\%c", c);
        } else if (c < 0x20) {
            sq_buf_printf(out, "\\u%04x", c);
        } else {
            sq_buf_add(out, text, 1);
        }
    }
}

char *sq_user_step_put(const struct sq_user *user, const char *text, bool json, int *ret_err,
                       char missing[static SQ_STEP_NAME_MAX + 8])
{
    struct sq_buf out = {0};
    char name[SQ_STEP_NAME_MAX + 8];
    const char *p = text;
    const char *mark;
    int err = 0;
    while (!err && (mark = strchr(p, SQ_STEP_MARK))) {
        struct sq_buf value = {0};
        sq_buf_add(&out, p, (size_t)(mark - p));
        p = mark;
        err = sq_step_next_mark(&p, name);
        err = err ? err : put_value(user, name, &value);
        if (err == SQ_ERR_NOTFOUND) {
            snprintf(missing, SQ_STEP_NAME_MAX + 8, "%s", name);
        }
        if (json) {
            put_escaped(&out, value.text ? value.text : "");
        } else {
            sq_buf_puts(&out, value.text ? value.text : "");
        }
        err = err ? err : value.err;
        sq_buf_free(&value);
    }
    sq_buf_puts(&out, p);
    char *put = err ? NULL : sq_buf_take(&out);
    sq_buf_free(&out);
    *ret_err = err ? err : put ? 0 : SQ_ERR_NOMEM;
    return put;
}

/* ---- Where it is ---- */

const struct sq_step *sq_user_step(const struct sq_user_steps *s)
{
    return &s->list->items[s->at];
}

static void run_soon(struct sq_user_steps *s)
{
    struct sq_loop *loop = s->user->env->loop;
    sq_timer_start(sq_loop_timers(loop), &s->timer, sq_loop_now(loop));
}

void sq_user_step_soon(struct sq_user_steps *s)
{
    run_soon(s);
}

void sq_user_step_done(struct sq_user_steps *s)
{
    s->called = false;
    s->at++;
    run_soon(s);
}

static void stop(struct sq_user_steps *s)
{
    sq_timer_stop(&s->timer);
    sq_http_cancel(s->request);
    s->request = NULL;
    sq_shared_leave(&s->wait);
    sq_user_step_hang_up(s);
    sq_user_step_ice_stop(s);
    s->list = NULL;
}

void sq_user_step_fail(struct sq_user_steps *s, enum sq_failure cause, const char *fmt, ...)
{
    char why[SQ_PEER_TEXT_MAX], text[2 * SQ_PEER_TEXT_MAX];
    const struct sq_step *step = sq_user_step(s);
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, sizeof(why), fmt, args);
    va_end(args);
    sq_user_mask(s->user, why);
    const char *slash = strrchr(s->list->file, '/');
    snprintf(text, sizeof(text), "%.60s:%u: step %zu of %s, %.90s: %s",
             slash ? slash + 1 : s->list->file, step->at.line, s->at + 1, s->list->phase,
             step->words, why);
    stop(s);
    sq_user_step_failed(s->user, cause, text);
}

void sq_user_steps_tell(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX])
{
    const struct sq_user_steps *s = user->steps;
    if (s && s->list && s->at < s->list->n) {
        const struct sq_step *step = sq_user_step(s);
        snprintf(text, SQ_PEER_TEXT_MAX, "not signed in yet: at step %zu of %s (line %u), %.120s",
                 s->at + 1, s->list->phase, step->at.line, step->words);
    }
}

bool sq_user_steps_unfinished(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX])
{
    const struct sq_user_steps *s = user->steps;
    if (!s || s->list != user->group->steps || s->at >= s->list->n) {
        return false;
    }
    const struct sq_step *step = sq_user_step(s);
    snprintf(text, SQ_PEER_TEXT_MAX, "cut off at step %zu of %s (line %u), %.120s", s->at + 1,
             s->list->phase, step->at.line, step->words);
    return true;
}

/* ---- Steps ---- */

static void do_wait(struct sq_user_steps *s, const struct sq_step *step)
{
    struct sq_loop *loop = s->user->env->loop;
    double range_ns = (double)(step->most_ns - step->least_ns);
    uint64_t wait_ns = step->least_ns + (uint64_t)(range_ns * sq_rand_unit(&s->rand));
    sq_timer_start(sq_loop_timers(loop), &s->timer, sq_loop_now(loop) + wait_ns);
}

static uint64_t scope_of(const struct sq_user_steps *s, const struct sq_step *step)
{
    return step->whole_test ? SQ_SHARED_TEST : s->user->room_no;
}

static void on_woken(void *ctx)
{
    run_soon(ctx);
}

/* Also when it was woken, and when its time is over. */
static void do_wait_for(struct sq_user_steps *s, const struct sq_step *step)
{
    struct sq_loop *loop = s->user->env->loop;
    struct sq_shared_port *port = s->user->env->shared;
    char *text = NULL;
    uint64_t now_ns = sq_loop_now(loop);
    bool first = s->give_up_ns == 0;
    if (first) {
        s->give_up_ns = now_ns + step->most_ns;
        sq_shared_wait(port, &s->wait); /* before it looks: what is set meanwhile wakes it */
    }
    int err = sq_shared_get(port->shared, scope_of(s, step), step->name, &text);
    if (err == SQ_ERR_NOTFOUND && now_ns < s->give_up_ns) {
        sq_timer_start(sq_loop_timers(loop), &s->timer, s->give_up_ns);
        return;
    }
    sq_shared_leave(&s->wait);
    s->give_up_ns = 0;
    err = err ? err : sq_user_step_keep(s, step->name, text);
    if (err == SQ_ERR_NOTFOUND) {
        sq_user_step_fail(s, SQ_FAILURE_TIMEOUT, "nobody has set it within %.3g s",
                          (double)step->most_ns / 1e9);
    } else if (err) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s", sq_err_name(err));
    } else {
        sq_user_step_done(s);
    }
}

static void do_set(struct sq_user_steps *s, const struct sq_step *step)
{
    char missing[SQ_STEP_NAME_MAX + 8] = "";
    int err = 0;
    char *text = sq_user_step_put(s->user, step->value, false, &err, missing);
    err = err ? err
              : sq_shared_set(s->user->env->shared->shared, scope_of(s, step), step->name, text);
    if (err) {
        sq_free(text);
    } else {
        err = sq_user_step_keep(s, step->name, text);
    }
    if (missing[0]) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "there is no value for ${%s}", missing);
    } else if (err) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s", sq_err_name(err));
    }
}

/* What is sent, of all its peers. */
static unsigned apply_mute(struct sq_user_steps *s)
{
    unsigned tracks = 0;
    struct sq_user *user = s->user;
    uint64_t now_ns = sq_loop_now(user->env->loop);
    for (size_t i = 0; i < user->peers_len; i++) {
        struct sq_peer *rtc =
            user->peers[i].endpoint ? sq_endpoint_peer(user->peers[i].endpoint) : NULL;
        for (size_t k = 0; rtc && k < sq_peer_track_count(rtc); k++) {
            struct sq_track *track = sq_peer_track(rtc, k);
            sq_track_set_enabled(track, now_ns, !s->muted[sq_track_kind(track)]);
            tracks++;
        }
    }
    return tracks;
}

/* The video of all its peers. SQ_ERR_NOTFOUND: there is none. */
static int apply_share(struct sq_user_steps *s)
{
    struct sq_user *user = s->user;
    const struct sq_clip *clip = s->shared ? s->shared : user->group->clip;
    uint64_t now_ns = sq_loop_now(user->env->loop);
    int err = SQ_ERR_NOTFOUND;
    for (size_t i = 0; i < user->peers_len; i++) {
        struct sq_peer *rtc =
            user->peers[i].endpoint ? sq_endpoint_peer(user->peers[i].endpoint) : NULL;
        for (size_t k = 0; rtc && k < sq_peer_track_count(rtc); k++) {
            struct sq_track *track = sq_peer_track(rtc, k);
            if (sq_track_kind(track) == SQ_MEDIA_VIDEO &&
                (sq_track_current_direction(track) & SQ_DIR_SENDONLY)) {
                int bad = sq_track_share(track, now_ns, clip);
                err = bad ? bad : err == SQ_ERR_NOTFOUND ? 0 : err;
            }
        }
    }
    return err;
}

static void do_mute(struct sq_user_steps *s, const struct sq_step *step)
{
    bool mutes = step->kind == SQ_STEP_MUTE;
    if (step->audio) {
        s->muted[SQ_MEDIA_AUDIO] = mutes;
    }
    if (step->video) {
        s->muted[SQ_MEDIA_VIDEO] = mutes;
    }
    (void)apply_mute(s);
}

/* The clip of a name that the plan has open. */
static const struct sq_clip *clip_of(const struct sq_plan *plan, const char *name)
{
    for (size_t i = 0; i < plan->shares_len; i++) {
        if (strcmp(plan->shares[i].name, name) == 0) {
            return plan->shares[i].clip;
        }
    }
    return NULL;
}

/* What its video tracks send from now on. */
static void do_share(struct sq_user_steps *s, const struct sq_step *step)
{
    struct sq_user *user = s->user;
    s->shared = step->kind == SQ_STEP_SHARE ? clip_of(user->env->plan, step->name) : NULL;
    int err = apply_share(s);
    if (err) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s",
                          err == SQ_ERR_UNSUPPORTED
                              ? "the clip has nothing in the codec that was agreed on for video"
                          : err == SQ_ERR_NOTFOUND ? "the call sends no video"
                                                   : sq_err_name(err));
    }
}

static void do_network(struct sq_user_steps *s, const struct sq_step *step)
{
    struct sq_user *user = s->user;
    sq_timer_stop(&user->network_timer); /* what the step says holds from now on */
    struct sq_link_config config;
    char why[200] = "";
    int err = sq_link_parse(step->name, &config, why, sizeof(why));
    err = err ? err : sq_user_network_set(user, &config, step->name);
    if (err) {
        sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s", why[0] ? why : sq_err_name(err));
    } else {
        sq_user_tell(user, "network", "%s", step->name);
    }
}

static void do_restart(struct sq_user_steps *s)
{
    struct sq_user *user = s->user;
    const char *lacks = sq_plan_restart_lacks(user->group);
    if (lacks) {
        sq_user_step_fail(s, SQ_FAILURE_SIGNALING, "%s", lacks);
        return;
    }
    int err = user->group->adapter->restart_ice(user->signal);
    if (err) {
        sq_user_step_fail(s, SQ_FAILURE_SIGNALING, "%s", sq_err_name(err));
    }
}

static void do_timer(struct sq_user_steps *s, const struct sq_step *step)
{
    uint64_t now_ns = sq_loop_now(s->user->env->loop);
    uint64_t *began_ns = &s->timers_ns[step->figure];
    if (step->start) {
        *began_ns = now_ns;
    } else if (*began_ns) {
        sq_user_record_time(s->user, step->figure, step->name, *began_ns, now_ns);
        *began_ns = 0;
    } else {
        sq_user_tell(s->user, "step", "timer %s is stopped, and was not started", step->name);
    }
}

static bool needs_a_call(enum sq_step_kind kind)
{
    return kind == SQ_STEP_MUTE || kind == SQ_STEP_UNMUTE || kind == SQ_STEP_RESTART_ICE ||
           kind == SQ_STEP_LEAVE || kind == SQ_STEP_DTMF || kind == SQ_STEP_DATA ||
           kind == SQ_STEP_SHARE || kind == SQ_STEP_UNSHARE;
}

/* True: something else says when it is over. */
static bool lasts(enum sq_step_kind kind)
{
    return kind == SQ_STEP_HTTP || kind == SQ_STEP_WAIT || kind == SQ_STEP_WAIT_FOR ||
           kind == SQ_STEP_LEAVE || kind == SQ_STEP_REJOIN || kind == SQ_STEP_WEBSOCKET ||
           kind == SQ_STEP_DATA || kind == SQ_STEP_ICE_SERVERS;
}

static void begin(struct sq_user_steps *s, const struct sq_step *step)
{
    switch (step->kind) {
    case SQ_STEP_HTTP:
        sq_user_step_http(s, step);
        break;
    case SQ_STEP_WAIT:
        do_wait(s, step);
        break;
    case SQ_STEP_WAIT_FOR:
        do_wait_for(s, step);
        break;
    case SQ_STEP_SET:
        do_set(s, step);
        break;
    case SQ_STEP_MUTE:
    case SQ_STEP_UNMUTE:
        do_mute(s, step);
        break;
    case SQ_STEP_NETWORK:
        do_network(s, step);
        break;
    case SQ_STEP_RESTART_ICE:
        do_restart(s);
        break;
    case SQ_STEP_LEAVE:
        sq_user_step_out(s->user);
        break;
    case SQ_STEP_REJOIN:
        sq_user_step_back(s->user);
        break;
    case SQ_STEP_DTMF:
        if (!sq_user_dtmf_press(s->user, step->value)) {
            sq_user_step_fail(s, SQ_FAILURE_PROTOCOL, "%s", SQ_USER_DTMF_REFUSED);
        }
        break;
    case SQ_STEP_TIMER:
        do_timer(s, step);
        break;
    case SQ_STEP_COUNT:
        sq_user_record_count(s->user, step->figure, step->name, step->add);
        break;
    case SQ_STEP_EVENT:
        sq_user_mark(s->user, step->name);
        break;
    case SQ_STEP_WEBSOCKET:
    case SQ_STEP_DATA:
        sq_user_step_talk(s, step);
        break;
    case SQ_STEP_ICE_SERVERS:
        sq_user_step_ice(s, step);
        break;
    case SQ_STEP_SHARE:
    case SQ_STEP_UNSHARE:
        do_share(s, step);
        break;
    }
}

/* ---- One after the other ---- */

static void all_done(struct sq_user_steps *s)
{
    struct sq_user *user = s->user;
    s->list = NULL;
    if (user->state == SQ_USER_PREPARING) {
        sq_user_record_time(user, SQ_STEP_SET_UP_TIMER, SQ_STEP_SET_UP_NAME, user->started_ns,
                            sq_loop_now(user->env->loop));
        sq_user_steps_ready(user);
    }
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    (void)now_ns;
    struct sq_user_steps *s = ctx;
    if (s->list && s->called) { /* a step that waits by the timer */
        const struct sq_step *step = sq_user_step(s);
        if (step->kind == SQ_STEP_WAIT) {
            s->called = false;
            s->at++;
        } else {
            if (step->kind == SQ_STEP_WAIT_FOR) {
                do_wait_for(s, step);
            } else if (step->kind == SQ_STEP_WEBSOCKET || step->kind == SQ_STEP_DATA) {
                sq_user_step_talk_on(s, step);
            }
            return;
        }
    }
    while (s->list && s->at < s->list->n) {
        const struct sq_step *step = sq_user_step(s);
        if (needs_a_call(step->kind) && s->user->state != SQ_USER_UP) {
            return; /* it was dropped, and goes on when it is back */
        }
        if (step->kind != SQ_STEP_HTTP && step->kind != SQ_STEP_EVENT &&
            step->kind != SQ_STEP_NETWORK) {
            sq_user_tell(s->user, "step", "%.120s", step->words);
        }
        s->called = lasts(step->kind);
        begin(s, step);
        if (!s->list || lasts(step->kind)) {
            return; /* it waits, or has failed */
        }
        s->at++;
    }
    if (s->list) {
        all_done(s);
    }
}

static void begin_list(struct sq_user_steps *s, const struct sq_steps *list)
{
    s->list = list;
    s->at = 0;
    s->called = false;
    run_soon(s);
}

bool sq_user_steps_before(struct sq_user *user)
{
    if (!user->steps || user->group->before->n == 0) {
        return false;
    }
    begin_list(user->steps, user->group->before);
    return true;
}

void sq_user_steps_up(struct sq_user *user, bool first)
{
    struct sq_user_steps *s = user->steps;
    if (!s) {
        return;
    }
    if (first) {
        if (user->group->steps->n > 0) {
            begin_list(s, user->group->steps);
        }
        return;
    }
    if (s->muted[SQ_MEDIA_AUDIO] || s->muted[SQ_MEDIA_VIDEO]) {
        (void)apply_mute(s); /* its new session does not send what the old one did not */
    }
    if (s->shared && apply_share(s) != 0) {
        sq_user_tell(user, "step", "what was shared is not shared in the new session");
    }
    if (s->list && s->at < s->list->n && s->called && sq_user_step(s)->kind == SQ_STEP_REJOIN) {
        sq_user_step_done(s);
    } else if (s->list && s->at < s->list->n &&
               (!s->called || sq_user_step(s)->kind == SQ_STEP_DATA)) {
        run_soon(s);
    }
}

void sq_user_steps_left(struct sq_user *user)
{
    struct sq_user_steps *s = user->steps;
    if (s && s->list && s->called && sq_user_step(s)->kind == SQ_STEP_LEAVE) {
        sq_user_step_done(s);
    }
}

/* ---- Life ---- */

static bool changes_network(const struct sq_steps *list)
{
    bool any = false;
    for (size_t i = 0; i < list->n; i++) {
        any = any || list->items[i].kind == SQ_STEP_NETWORK;
    }
    return any;
}

int sq_user_steps_create(struct sq_user *user)
{
    const struct sq_plan_group *group = user->group;
    if (!group->before || group->before->n + group->steps->n == 0) {
        return 0;
    }
    struct sq_user_steps *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    user->steps = s;
    s->user = user;
    s->wait.woken = on_woken;
    s->wait.ctx = s;
    sq_timer_init(&s->timer, on_timer, s);
    s->hears_data = sq_user_steps_hear(group->before) || sq_user_steps_hear(group->steps);
    sq_rand_seed(&s->rand, user->env->plan->seed + (user->index << 16) + SEED_MIX);
    if (!user->link && (changes_network(group->before) || changes_network(group->steps))) {
        static const struct sq_link_config open;
        return sq_link_create(user->env->loop, &open, user->env->plan->seed + user->index,
                              &user->link);
    }
    return 0;
}

bool sq_user_steps_mute(const struct sq_user *user, enum sq_media_kind kind)
{
    return user->steps && user->steps->muted[kind];
}

void sq_user_steps_stop(struct sq_user *user)
{
    if (user->steps) {
        stop(user->steps);
    }
}

void sq_user_steps_destroy(struct sq_user *user)
{
    struct sq_user_steps *s = user->steps;
    if (s) {
        stop(s);
        for (size_t i = 0; i < s->values_len; i++) {
            sq_free(s->values[i].text);
        }
        sq_free(s->sockets);
        sq_free(s);
        user->steps = NULL;
    }
}
