/* What a signalling script asks of the run: the values that users share, its user's row, the
 * figures that results have. */
#include "base/mem.h"
#include "base/str.h"
#include "run/shared.h"
#include "run/user_int.h"
#include <stdio.h>
#include <string.h>

struct sq_user_script {
    struct sq_user *user;
    struct sq_shared_wait wait;
};

static uint64_t scope_of(const struct sq_user *user, bool whole_test)
{
    return whole_test ? SQ_SHARED_TEST : user->room_no;
}

static int set(void *ctx, bool whole_test, const char *name, const char *value)
{
    struct sq_user *user = ctx;
    return sq_shared_set(user->env->shared->shared, scope_of(user, whole_test), name, value);
}

static int get(void *ctx, bool whole_test, const char *name, char **ret_value)
{
    struct sq_user *user = ctx;
    return sq_shared_get(user->env->shared->shared, scope_of(user, whole_test), name, ret_value);
}

static void on_woken(void *ctx)
{
    const struct sq_user_script *s = ctx;
    struct sq_user *user = s->user;
    if (user->signal && user->group->adapter->woken) {
        user->group->adapter->woken(user->signal);
    }
}

static int watch(void *ctx, bool on)
{
    struct sq_user *user = ctx;
    if (!user->script) {
        user->script = sq_zalloc(sizeof(*user->script));
        if (!user->script) {
            return SQ_ERR_NOMEM;
        }
        user->script->user = user;
        user->script->wait.woken = on_woken;
        user->script->wait.ctx = user->script;
    }
    sq_shared_leave(&user->script->wait);
    if (on) {
        sq_shared_wait(user->env->shared, &user->script->wait);
    }
    return 0;
}

static int column(void *ctx, const char *name, char **ret_value)
{
    const struct sq_user *user = ctx;
    const struct sq_plan *plan = user->env->plan;
    char asked[96], column_name[64];
    struct sq_buf b = {0};
    if (!plan->users || strlen(name) >= sizeof(column_name)) {
        return SQ_ERR_NOTFOUND;
    }
    snprintf(asked, sizeof(asked), "${user.%s}", name);
    int err = sq_users_put(plan->users, user->users_row, asked, &b, column_name);
    char *text = err ? NULL : sq_buf_take(&b);
    sq_buf_free(&b);
    if (!text) {
        return err ? err : SQ_ERR_NOMEM;
    }
    *ret_value = text;
    return 0;
}

static bool find(const char *const *names, size_t n, const char *name, size_t *ret_i)
{
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret_i = i;
            return true;
        }
    }
    return false;
}

static bool tell_time(void *ctx, const char *name, uint64_t took_ns)
{
    struct sq_user *user = ctx;
    const struct sq_step_figures *f = user->env->plan->figures;
    size_t i;
    if (!f || !find(f->timers, f->timers_len, name, &i)) {
        return false;
    }
    uint64_t now_ns = sq_loop_now(user->env->loop);
    /* A script may tell a time that is longer than the clock is old. */
    sq_user_record_time(user, i, name, now_ns - (took_ns < now_ns ? took_ns : now_ns), now_ns);
    return true;
}

static bool count(void *ctx, const char *name, uint64_t add)
{
    struct sq_user *user = ctx;
    const struct sq_step_figures *f = user->env->plan->figures;
    size_t i;
    if (!f || !find(f->counters, f->counters_len, name, &i)) {
        return false;
    }
    sq_user_record_count(user, i, name, add);
    return true;
}

static void event(void *ctx, const char *name)
{
    sq_user_mark(ctx, name);
}

const struct sq_signal_run sq_user_script_run = {
    .set = set,
    .get = get,
    .watch = watch,
    .column = column,
    .time = tell_time,
    .count = count,
    .event = event,
};

bool sq_user_script_waits(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX])
{
    const struct sq_signal_ops *adapter = user->group->adapter;
    return user->signal && !user->session_over && adapter->tell_wait &&
           adapter->tell_wait(user->signal, text);
}

void sq_user_script_tell_unlinked(const struct sq_user *user, char text[static SQ_PEER_TEXT_MAX])
{
    char wait[SQ_PEER_TEXT_MAX];
    if (sq_user_script_waits(user, wait)) {
        snprintf(text, SQ_PEER_TEXT_MAX, "%.190s, and had made no connection", wait);
    } else {
        snprintf(text, SQ_PEER_TEXT_MAX, "the script ended without a connection (%.100s)",
                 user->group->adapter->script_name(user->group->script));
    }
}

void sq_user_script_destroy(struct sq_user *user)
{
    if (user->script) {
        sq_shared_leave(&user->script->wait);
        sq_free(user->script);
        user->script = NULL;
    }
}
