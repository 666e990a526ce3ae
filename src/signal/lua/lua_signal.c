/* A user's session by a script: its begin, its events, its end. */
#include "signal/lua/lua_signal.h"

#include "signal/lua/lua_int.h"
#include <stdio.h>
#include <string.h>

#define SEED_MIX UINT64_C(0x4c7561) /* other choices of the user have seeds of their own */

/* ---- The end ---- */

static void left(struct sq_signal *p)
{
    sq_timer_stop(&p->bye);
    if (p->bye_text[0] && !p->s.over) {
        p->s.over = true;
        p->s.host->failed(p->s.ctx, p->bye_cause, p->bye_text);
    } else {
        sq_session_left(&p->s);
    }
}

static void on_bye(void *ctx, uint64_t now_ns)
{
    (void)now_ns;
    left(ctx);
}

static int begin_leaving(lua_State *L)
{
    struct sq_signal *p = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, p->env_ref);
    lua_pushliteral(L, "on_leave");
    if (lua_rawget(L, -2) == LUA_TFUNCTION) {
        p->leaver = sl_spawn(L, p, 0);
    }
    return 0;
}

/* Calls a function of ours that may raise, with the user as argument. */
static bool protect(struct sq_signal *p, lua_CFunction fn)
{
    lua_State *L = p->shard->L;
    lua_pushcfunction(L, fn);
    lua_pushlightuserdata(L, p);
    bool ok = lua_pcall(L, 1, 0, 0) == LUA_OK;
    if (!ok) {
        lua_pop(L, 1);
    }
    return ok;
}

/* What runs is stopped; on_leave has its time, and then WebSockets are closed. */
static void start_leaving(struct sq_signal *p)
{
    p->leave_due = false;
    sl_stop_tasks(p);
    sl_pcs_forget(p);
    (void)protect(p, begin_leaving); /* without memory it goes without */
}

/* ---- An ICE restart ---- */

static int begin_restart(lua_State *L)
{
    struct sq_signal *p = lua_touserdata(L, 1);
    lua_rawgeti(L, LUA_REGISTRYINDEX, p->env_ref);
    lua_pushliteral(L, SQ_LUA_RESTART_HANDLER);
    lua_pushboolean(L, lua_rawget(L, -2) == LUA_TFUNCTION);
    if (lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        (void)sl_spawn(L, p, 0);
        lua_pushboolean(L, true);
    }
    return 1;
}

static void restart(struct sq_signal *p)
{
    lua_State *L = p->shard->L;
    p->restart_due = false;
    lua_pushcfunction(L, begin_restart);
    lua_pushlightuserdata(L, p);
    if (lua_pcall(L, 1, 1, 0) != LUA_OK) {
        sq_session_fail(&p->s, SQ_CAUSE_PROTOCOL, SQ_LUA_RESTART_HANDLER ": %.150s",
                        lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "?");
    } else if (!lua_toboolean(L, -1)) {
        sq_session_fail(&p->s, SQ_CAUSE_SIGNALING,
                        "ICE is to be restarted, and " SQ_LUA_RESTART_HANDLER
                        " is no function of the script's");
    }
    lua_pop(L, 1);
}

/* Whoever asks for it may run within a script, that of another user for example: a value which
 * that one set let this one's steps go on. So it begins by itself. */
static int lua_restart_ice(struct sq_signal *p)
{
    if (!p->s.joined || sq_session_is_done(&p->s)) {
        return SQ_ERR_STATE;
    }
    if (!p->s.user->script->restarts_ice) {
        return SQ_ERR_UNSUPPORTED;
    }
    p->restart_due = true;
    sl_run_soon(p);
    return 0;
}

static const char *restart_lacks(const struct sq_lua_script *script)
{
    return script->restarts_ice ? NULL
                                : "the script has no function " SQ_LUA_RESTART_HANDLER
                                  ", which restarts ICE";
}

/* ---- Turns ---- */

static void on_soon(void *ctx, uint64_t now_ns)
{
    (void)now_ns;
    struct sq_signal *p = ctx;
    if (p->s.over) {
        return;
    }
    if (p->leave_due) {
        start_leaving(p);
    } else if (p->restart_due && !p->s.leaving) {
        restart(p);
    }
    if (p->s.over || !sl_run_tasks(p)) {
        return;
    }
    if (p->leave_due) {
        sl_run_soon(p);
    } else if (p->s.leaving && !p->leaver && sl_sockets_close(p)) {
        left(p);
    } else if (!p->s.leaving && !p->main) {
        sq_session_joined(&p->s); /* the script is over, and has nothing to wait for */
    }
}

static void lua_leave(struct sq_signal *p)
{
    if (sq_session_is_done(&p->s)) {
        return;
    }
    struct sq_loop *loop = p->s.host->loop;
    p->s.leaving = p->leave_due = true;
    sq_timer_start(sq_loop_timers(loop), &p->bye, sq_loop_now(loop) + SL_BYE_NS);
    sl_run_soon(p);
}

static void lua_destroy(struct sq_signal *p)
{
    if (!p) {
        return;
    }
    p->s.over = true;
    if (p->watching) {
        int err = p->s.host->run->watch(p->s.ctx, false);
        (void)err; /* taking it back cannot fail */
    }
    sq_timer_stop(&p->bye);
    sl_sockets_leave(p);
    sl_requests_free(p);
    sl_free_tasks(p);
    if (p->shard) {
        luaL_unref(p->shard->L, LUA_REGISTRYINDEX, p->env_ref);
    }
    sl_pcs_free(p);
    sq_free(p);
}

/* ---- The begin ---- */

static int begin(lua_State *L)
{
    struct sq_signal *p = lua_touserdata(L, 1);
    sl_push_env(L, p);
    lua_pushvalue(L, -1);
    p->env_ref = luaL_ref(L, LUA_REGISTRYINDEX);
    sl_push_file(L, &p->s.user->script->files[0]);
    lua_insert(L, -2);
    p->main = sl_spawn(L, p, 1);
    return 0;
}

static int lua_begin(const struct sq_target *target, const struct sq_signal_user *user,
                     const struct sq_signal_host *host, void *ctx, struct sq_signal **ret_signal)
{
    if (!user->script) {
        return SQ_ERR_INVALID;
    }
    struct sq_signal *p = sq_zalloc(sizeof(*p));
    if (!p) {
        return SQ_ERR_NOMEM;
    }
    sq_session_init(&p->s, user, host, ctx);
    p->target = target;
    p->env_ref = LUA_NOREF;
    sq_timer_init(&p->soon, on_soon, p);
    sq_timer_init(&p->bye, on_bye, p);
    sq_rand_seed(&p->rand, user->seed + SEED_MIX);
    p->shard = sl_shard_get(host->loop);
    if (!p->shard || !protect(p, begin)) {
        lua_destroy(p);
        return SQ_ERR_NOMEM;
    }
    *ret_signal = p;
    return 0;
}

static void lua_event(struct sq_signal *p, struct sq_peer *peer, const struct sq_peer_event *event)
{
    if (!sq_session_is_done(&p->s)) {
        sl_pc_event(p, peer, event);
    }
}

static void lua_woken(struct sq_signal *p)
{
    sl_wake(p, &p->watching);
}

static const char *script_name(const struct sq_lua_script *script)
{
    return script->files[0].name;
}

static const char *const lua_schemes[] = {"lua+ws", "lua+wss", "lua+http", "lua+https", NULL};

const struct sq_signal_ops sq_signal_lua = {
    .name = "lua",
    .schemes = lua_schemes,
    .open = lua_begin,
    .peer_event = lua_event,
    .leave = lua_leave,
    .destroy = lua_destroy,
    .restart_ice = lua_restart_ice,
    .woken = lua_woken,
    .script_name = script_name,
    .restart_lacks = restart_lacks,
    .tell_wait = sl_tell_wait,
    .longest_ns = sl_longest_ns,
    .full_seconds = sl_full_seconds,
};
