/* Data channels: pc:createDataChannel(label, options), pc:datachannel(timeout); send, receive,
 * messages, close */
#include "signal/lua/lua_int.h"

#include <stdio.h>
#include <string.h>

#define META "squall.channel"

static struct sl_channel *check(lua_State *L)
{
    return *(struct sl_channel **)luaL_checkudata(L, 1, META);
}

struct sl_channel *sl_channel_add(struct sl_pc *pc, struct sq_channel *channel)
{
    struct sl_channel *c = sq_zalloc(sizeof(*c));
    if (c) {
        c->peer = pc->p;
        c->channel = channel;
        snprintf(c->label, sizeof(c->label), "%.60s", sq_channel_label(channel));
        struct sl_channel **last = &pc->channels;
        while (*last) {
            last = &(*last)->next;
        }
        *last = c;
    }
    return c;
}

void sl_channel_event(struct sl_pc *pc, const struct sq_peer_event *event)
{
    struct sl_channel *c = pc->channels;
    while (c && c->channel != event->channel) {
        c = c->next;
    }
    if (!c && event->type == SQ_PEER_EV_CHANNEL_OPEN && event->from_remote) {
        c = sl_channel_add(pc, event->channel);
        sl_wake(pc->p, pc);
    }
    if (!c) {
        return; /* the run's own */
    }
    if (event->type == SQ_PEER_EV_CHANNEL_OPEN) {
        c->open = true;
    } else if (event->type == SQ_PEER_EV_CHANNEL_MESSAGE) {
        (void)sl_queue_put(&c->in, event->data, event->data_len, !event->binary);
    } else if (event->type == SQ_PEER_EV_CHANNEL_CLOSED) {
        c->channel = NULL;
        c->open = false;
    }
    sl_wake(pc->p, c);
}

static int l_send(lua_State *L)
{
    struct sl_channel *c = check(L);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    int err = c->channel && c->open
                  ? sq_channel_send(c->channel, sl_now(sl_user(L)), lua_toboolean(L, 3), bytes, len)
                  : SQ_ERR_STATE;
    if (err == SQ_ERR_INVALID) {
        char limit[SQ_PEER_LIMIT_TEXT_MAX];
        sq_peer_tell_message_limit(sq_channel_peer(c->channel), limit);
        return sl_raise(L, SQ_CAUSE_SIGNALING, "data channel '%s': %s, and this one has %d",
                        c->label, limit, (int)len);
    }
    if (err) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL, "data channel '%s': %s", c->label,
                        err == SQ_ERR_STATE ? "it is not open" : sq_err_name(err));
    }
    return 0;
}

static int received(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_channel *c = check(L);
    (void)status;
    if (c->in.first) {
        return sl_queue_push(L, &c->in);
    }
    if (!c->channel || sl_now(sl_user(L)) >= (uint64_t)ctx) {
        lua_pushnil(L);
        lua_pushstring(L, c->channel ? "timeout" : "closed");
        return 2;
    }
    return sl_await(L, c, "channel:receive", (uint64_t)ctx, ctx, received);
}

static int l_receive(lua_State *L)
{
    (void)check(L);
    lua_settop(L, 2);
    return received(L, LUA_OK, (lua_KContext)sl_deadline(L, 2, SQ_NEVER));
}

static int l_next(lua_State *L)
{
    lua_settop(L, 1);
    return received(L, LUA_OK, (lua_KContext)SQ_NEVER);
}

static int l_messages(lua_State *L)
{
    (void)check(L);
    lua_pushcfunction(L, l_next);
    lua_pushvalue(L, 1);
    return 2;
}

static int opened(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_channel *c = check(L);
    (void)status;
    if (c->open) {
        lua_settop(L, 1);
        return 1;
    }
    if (!c->channel || sl_now(sl_user(L)) >= (uint64_t)ctx) {
        return sl_raise(L, c->channel ? SQ_CAUSE_TIMEOUT : SQ_CAUSE_PROTOCOL,
                        "data channel '%s' %s", c->label,
                        c->channel ? "did not open in time" : "was closed");
    }
    return sl_await(L, c, "channel:open", (uint64_t)ctx, ctx, opened);
}

/* channel:open(timeout): until it may send */
static int l_open(lua_State *L)
{
    (void)check(L);
    lua_settop(L, 2);
    return opened(L, LUA_OK, (lua_KContext)sl_deadline(L, 2, sl_user(L)->s.user->timeout_ns));
}

static int l_close(lua_State *L)
{
    struct sl_channel *c = check(L);
    if (c->channel) {
        sq_channel_close(c->channel, sl_now(sl_user(L)));
    }
    return 0;
}

static const luaL_Reg methods[] = {
    {"send", l_send}, {"receive", l_receive}, {"messages", l_messages},
    {"open", l_open}, {"close", l_close},     {NULL, NULL},
};

static int l_index(lua_State *L)
{
    const struct sl_channel *c = check(L);
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "label") == 0) {
        lua_pushstring(L, c->label);
    } else if (strcmp(key, "readyState") == 0) {
        lua_pushstring(L, c->open ? "open" : c->channel ? "connecting" : "closed");
    } else {
        lua_getfield(L, lua_upvalueindex(1), key);
    }
    return 1;
}

void sl_open_channel(lua_State *L)
{
    luaL_newmetatable(L, META);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, l_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

void sl_push_channel(lua_State *L, struct sl_channel *c)
{
    struct sl_channel **box = lua_newuserdatauv(L, sizeof(void *), 0);
    *box = c;
    luaL_setmetatable(L, META);
}

/* ---- Of a connection ---- */

static bool option_flag(lua_State *L, const char *name, bool otherwise)
{
    bool value = lua_getfield(L, 3, name) == LUA_TNIL ? otherwise : lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

/* The number, or -1. */
static lua_Integer option_number(lua_State *L, const char *name)
{
    lua_Integer value = -1;
    if (lua_getfield(L, 3, name) != LUA_TNIL) {
        value = luaL_checkinteger(L, -1);
        if (value < 0 || value > 65534) {
            luaL_error(L, "%s: expected a number from 0 to 65534", name);
        }
    }
    lua_pop(L, 1);
    return value;
}

/* pc:createDataChannel(label, {ordered =, maxRetransmits =, maxPacketLifeTime =, negotiated =, id
 * =, protocol =}) */
int sl_pc_create_channel(lua_State *L)
{
    struct sl_pc *pc = sl_pc_live(L);
    struct sq_channel_config config = {.label = luaL_checkstring(L, 2)};
    lua_settop(L, 3);
    if (lua_istable(L, 3)) {
        lua_Integer tries = option_number(L, "maxRetransmits");
        lua_Integer life_ms = option_number(L, "maxPacketLifeTime");
        lua_Integer id = option_number(L, "id");
        config.unordered = !option_flag(L, "ordered", true);
        config.negotiated = option_flag(L, "negotiated", false);
        config.limit_retransmits = tries >= 0;
        config.max_retransmits = (uint16_t)(tries >= 0 ? tries : 0);
        config.limit_lifetime = life_ms >= 0;
        config.max_lifetime_ms = (uint16_t)(life_ms >= 0 ? life_ms : 0);
        config.id = (uint16_t)(id >= 0 ? id : 0);
        lua_getfield(L, 3, "protocol");
        config.protocol = lua_tostring(L, -1);
    }
    struct sq_channel *channel = NULL;
    int err = sq_peer_add_channel(pc->peer, sl_now(pc->p), &config, &channel);
    struct sl_channel *c = err ? NULL : sl_channel_add(pc, channel);
    if (!c) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL, "createDataChannel: %s",
                        sq_err_name(err ? err : SQ_ERR_NOMEM));
    }
    c->taken = true;
    sl_push_channel(L, c);
    return 1;
}

static int next_channel(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_pc *pc = sl_pc_check(L);
    (void)status;
    for (struct sl_channel *c = pc->channels; c; c = c->next) {
        if (!c->taken) {
            sl_push_channel(L, c);
            c->taken = true;
            return 1;
        }
    }
    if (pc->closed || sl_now(sl_user(L)) >= (uint64_t)ctx) {
        lua_pushnil(L);
        lua_pushstring(L, pc->closed ? "closed" : "timeout");
        return 2;
    }
    return sl_await(L, pc, "pc:datachannel", (uint64_t)ctx, ctx, next_channel);
}

/* pc:datachannel(timeout): the next one that the other side opens */
int sl_pc_channel(lua_State *L)
{
    (void)sl_pc_check(L);
    lua_settop(L, 2);
    return next_channel(L, LUA_OK, (lua_KContext)sl_deadline(L, 2, SQ_NEVER));
}
