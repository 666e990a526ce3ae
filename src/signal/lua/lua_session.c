/* What a script knows of its user and of the run: session, metric, sleep, spawn, log, math.random.
 */
#include "signal/lua/lua_int.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

/* ---- session ---- */

static const struct sq_signal_run *run_of(lua_State *L, const struct sq_signal *p)
{
    if (!p->s.host->run) {
        luaL_error(L, "there is no run around the script");
    }
    return p->s.host->run;
}

static bool is_whole_test(lua_State *L, int arg)
{
    static const char *const names[] = {"session", "test", NULL};
    return luaL_checkoption(L, arg, "session", names) == 1;
}

/* session:set(name, value, scope) */
static int l_set(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    const char *name = luaL_checkstring(L, 2);
    lua_settop(L, 4);
    const char *value = luaL_tolstring(L, 3, NULL);
    if (run_of(L, p)->set(p->s.ctx, is_whole_test(L, 4), name, value) != 0) {
        return luaL_error(L, "not enough memory");
    }
    return 0;
}

/* Pushes the value; false: nobody has set it yet. */
static bool push_value(lua_State *L, struct sq_signal *p, const char *name, bool whole_test)
{
    char **text = lua_newuserdatauv(L, sizeof(*text), 0); /* freed also where pushing raises */
    *text = NULL;
    luaL_setmetatable(L, "squall.text");
    int err = run_of(L, p)->get(p->s.ctx, whole_test, name, text);
    if (err == SQ_ERR_NOTFOUND) {
        return false;
    }
    if (err) {
        luaL_error(L, "not enough memory");
    }
    lua_pushstring(L, *text);
    sq_free(*text);
    *text = NULL;
    return true;
}

static int l_text_gc(lua_State *L)
{
    char **text = lua_touserdata(L, 1);
    sq_free(*text);
    *text = NULL;
    return 0;
}

/* session:get(name, scope) */
static int l_get(lua_State *L)
{
    if (!push_value(L, sl_user(L), luaL_checkstring(L, 2), is_whole_test(L, 3))) {
        lua_pushnil(L);
    }
    return 1;
}

static int wait_for(lua_State *L, int status, lua_KContext ctx)
{
    struct sq_signal *p = sl_user(L);
    (void)status;
    const char *name = lua_tostring(L, 2);
    if (push_value(L, p, name, is_whole_test(L, 4))) {
        return 1;
    }
    lua_settop(L, 4);
    uint64_t until_ns = (uint64_t)ctx;
    if (sl_now(p) >= until_ns) {
        return sl_raise(L, SQ_CAUSE_TIMEOUT, "nobody has set '%.60s' in time", name);
    }
    return sl_await(L, &p->watching, "session:wait_for", until_ns, ctx, wait_for);
}

/* session:wait_for(name, timeout, scope) */
static int l_wait_for(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    luaL_checkstring(L, 2);
    lua_settop(L, 4);
    uint64_t until_ns = sl_deadline(L, 3, p->s.user->timeout_ns);
    if (!p->watching && run_of(L, p)->watch(p->s.ctx, true) != 0) {
        return luaL_error(L, "not enough memory");
    }
    p->watching = true;
    return wait_for(L, LUA_OK, (lua_KContext)until_ns);
}

/* session:joined(): it is in, though no connection says so yet. */
static int l_joined(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    sl_must_live(L, p);
    sq_session_joined(&p->s);
    return 0;
}

static int push_or_nil(lua_State *L, const char *text)
{
    if (text) {
        lua_pushstring(L, text);
    } else {
        lua_pushnil(L);
    }
    return 1;
}

static int l_session_index(lua_State *L)
{
    const struct sq_signal *p = sl_user(L);
    const struct sq_signal_user *u = p->s.user;
    const char *key = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : "";
    if (strcmp(key, "index") == 0) {
        lua_pushinteger(L, (lua_Integer)u->index);
    } else if (strcmp(key, "seed") == 0) {
        lua_pushinteger(L, (lua_Integer)(u->seed & INT64_MAX));
    } else if (strcmp(key, "name") == 0) {
        return push_or_nil(L, u->name);
    } else if (strcmp(key, "room") == 0) {
        return push_or_nil(L, u->room);
    } else if (strcmp(key, "role") == 0) {
        return push_or_nil(L, u->role);
    } else if (strcmp(key, "token") == 0) {
        return push_or_nil(L, u->token);
    } else if (strcmp(key, "url") == 0) {
        return push_or_nil(L, p->target->inner);
    } else if (strcmp(key, "leaving") == 0) {
        lua_pushboolean(L, sq_session_is_done(&p->s));
    } else if (strcmp(key, "publishes") == 0) {
        lua_pushboolean(L, u->send_audio || u->send_video || u->send_data);
    } else if (strcmp(key, "watches") == 0) {
        lua_pushboolean(L, u->recv_audio || u->recv_video);
    } else {
        lua_pushvalue(L, 2);
        lua_rawget(L, lua_upvalueindex(1)); /* its functions */
    }
    return 1;
}

/* session.user.COLUMN */
static int l_column(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    const char *name = luaL_checkstring(L, 2);
    char **text = lua_newuserdatauv(L, sizeof(*text), 0);
    *text = NULL;
    luaL_setmetatable(L, "squall.text");
    int err = p->s.host->run ? p->s.host->run->column(p->s.ctx, name, text) : SQ_ERR_NOTFOUND;
    if (err == SQ_ERR_NOTFOUND) {
        lua_pushnil(L);
        return 1;
    }
    if (err) {
        return luaL_error(L, "not enough memory");
    }
    lua_pushstring(L, *text);
    return 1;
}

/* ---- sleep, spawn, log ---- */

static int slept(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    uint64_t until_ns = (uint64_t)ctx;
    return sl_now(sl_user(L)) >= until_ns ? 0 : sl_await(L, NULL, "sleep", until_ns, ctx, slept);
}

static int l_sleep(lua_State *L)
{
    luaL_checkany(L, 1);
    uint64_t until_ns = sl_deadline(L, 1, 0);
    return sl_await(L, NULL, "sleep", until_ns, (lua_KContext)until_ns, slept);
}

static int l_spawn(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    (void)sl_spawn(L, sl_user(L), lua_gettop(L) - 1);
    return 0;
}

static int l_log(lua_State *L)
{
    luaL_Buffer b;
    int n = lua_gettop(L);
    luaL_buffinit(L, &b);
    for (int i = 1; i <= n; i++) {
        if (i > 1) {
            luaL_addchar(&b, ' ');
        }
        (void)luaL_tolstring(L, i, NULL);
        luaL_addvalue(&b);
    }
    luaL_pushresult(&b);
    sq_session_note(&sl_user(L)->s, "%.240s", lua_tostring(L, -1));
    return 0;
}

/* ---- metric ---- */

static int unknown(lua_State *L, const char *name)
{
    return sl_raise(L, SQ_CAUSE_PROTOCOL,
                    "metric '%.60s': the name has to stand in the call as it is, between quotes, "
                    "so that it is known before the run",
                    name);
}

static struct sl_timer *timer_of(lua_State *L, struct sq_signal *p, const char *name)
{
    const struct sq_lua_script *script = p->s.user->script;
    for (size_t i = 0; i < p->timers_len; i++) {
        if (strcmp(p->timers[i].name, name) == 0) {
            return &p->timers[i];
        }
    }
    for (size_t i = 0; i < script->timers_len; i++) {
        if (strcmp(script->timers[i], name) == 0) {
            if (p->timers_len == SL_TIMERS_MAX) {
                luaL_error(L, "more than %d timers of one user", SL_TIMERS_MAX);
            }
            p->timers[p->timers_len] = (struct sl_timer){.name = script->timers[i]};
            return &p->timers[p->timers_len++];
        }
    }
    unknown(L, name);
    return NULL;
}

/* metric.start(name), metric.stop(name) */
static int l_start(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    timer_of(L, p, luaL_checkstring(L, 1))->began_ns = sq_loop_now(p->s.host->loop);
    return 0;
}

static int tell_time(lua_State *L, struct sq_signal *p, const char *name, uint64_t took_ns)
{
    return run_of(L, p)->time(p->s.ctx, name, took_ns) ? 0 : unknown(L, name);
}

static int l_stop(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    struct sl_timer *t = timer_of(L, p, luaL_checkstring(L, 1));
    if (!t->began_ns) {
        return luaL_error(L, "metric '%s' is stopped, and was not started", t->name);
    }
    uint64_t took_ns = sl_now(p) - t->began_ns;
    t->began_ns = 0;
    return tell_time(L, p, t->name, took_ns);
}

/* metric.timer(name, seconds): measured by the script itself */
static int l_timer(lua_State *L)
{
    double seconds = luaL_checknumber(L, 2);
    luaL_argcheck(L, seconds >= 0 && seconds < 1e6, 2, "expected seconds from 0 on");
    return tell_time(L, sl_user(L), luaL_checkstring(L, 1), (uint64_t)(seconds * 1e9));
}

/* metric.count(name, n) */
static int l_count(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    const char *name = luaL_checkstring(L, 1);
    lua_Integer add = luaL_optinteger(L, 2, 1);
    luaL_argcheck(L, add >= 0, 2, "expected a number from 0 on");
    return run_of(L, p)->count(p->s.ctx, name, (uint64_t)add) ? 0 : unknown(L, name);
}

/* metric.event(name) */
static int l_event(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    run_of(L, p)->event(p->s.ctx, luaL_checkstring(L, 1));
    return 0;
}

/* now(): seconds, of the loop's clock */
static int l_clock(lua_State *L)
{
    lua_pushnumber(L, (double)sl_now(sl_user(L)) / 1e9);
    return 1;
}

/* ---- math.random, of the user's seed ---- */

static int l_random(lua_State *L)
{
    struct sq_rand *rand = &sl_user(L)->rand;
    if (lua_gettop(L) == 0) {
        lua_pushnumber(L, sq_rand_unit(rand));
        return 1;
    }
    lua_Integer least = lua_gettop(L) > 1 ? luaL_checkinteger(L, 1) : 1;
    lua_Integer most = luaL_checkinteger(L, lua_gettop(L) > 1 ? 2 : 1);
    luaL_argcheck(L, least <= most, lua_gettop(L) > 1 ? 2 : 1, "interval is empty");
    uint64_t range = (uint64_t)most - (uint64_t)least + 1; /* 0: all of them */
    uint64_t drawn = sq_rand_u64(rand);
    uint64_t sum = (uint64_t)least + (range ? drawn % range : drawn);
    lua_pushinteger(L, (lua_Integer)sum);
    return 1;
}

static int l_seed(lua_State *L)
{
    sq_rand_seed(&sl_user(L)->rand, (uint64_t)luaL_checknumber(L, 1));
    return 0;
}

/* ---- All of it ---- */

static int l_read_only(lua_State *L)
{
    return luaL_error(L, "'%s' cannot be set", luaL_tolstring(L, 2, NULL));
}

/* A table whose fields are looked up by the function on top of the stack, which it takes. */
static void push_looked_up(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_read_only);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

static const luaL_Reg session[] = {
    {"set", l_set}, {"get", l_get}, {"wait_for", l_wait_for}, {"joined", l_joined}, {NULL, NULL},
};
static const luaL_Reg metric[] = {
    {"start", l_start}, {"stop", l_stop},   {"timer", l_timer},
    {"count", l_count}, {"event", l_event}, {NULL, NULL},
};
static const luaL_Reg others[] = {
    {"sleep", l_sleep}, {"spawn", l_spawn}, {"log", l_log},
    {"print", l_log},   {"now", l_clock},   {NULL, NULL},
};
static const luaL_Reg chance[] = {{"random", l_random}, {"randomseed", l_seed}, {NULL, NULL}};
static const luaL_Reg text[] = {{"__gc", l_text_gc}, {NULL, NULL}};

void sl_open_session(lua_State *L)
{
    luaL_newmetatable(L, "squall.text");
    luaL_setfuncs(L, text, 0);
    lua_pop(L, 1);
    luaL_newlib(L, session);
    lua_pushcfunction(L, l_column);
    push_looked_up(L);
    lua_setfield(L, -2, "user");
    lua_pushcclosure(L, l_session_index, 1);
    push_looked_up(L);
    lua_setfield(L, -2, "session");
    luaL_newlib(L, metric);
    sl_freeze(L);
    lua_setfield(L, -2, "metric");
    luaL_setfuncs(L, others, 0);
    lua_getfield(L, -1, "math");
    luaL_setfuncs(L, chance, 0);
    lua_pop(L, 1);
}
