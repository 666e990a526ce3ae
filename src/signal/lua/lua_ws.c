/* ws.connect(url, options) -> socket: send, receive, messages, close */
#include "signal/lua/lua_int.h"

#include <stdio.h>
#include <string.h>

#define META        "squall.ws"
#define CODE_BROKEN 1011 /* RFC 6455, 7.4.1: an unexpected condition */

static struct sl_socket *check(lua_State *L)
{
    return *(struct sl_socket **)luaL_checkudata(L, 1, META);
}

/* ---- Events ---- */

static void on_open(void *ctx)
{
    struct sl_socket *s = ctx;
    struct sq_signal *p = s->peer;
    struct sq_stream_times t;
    uint64_t upgrade_ns;
    s->open = true;
    if (!p->asked) {
        p->asked = true;
        sq_ws_get_times(s->ws, &t, &upgrade_ns);
        p->s.asked_ns = sq_clock_ns();
        p->s.asked_ns -= p->s.asked_ns > upgrade_ns ? upgrade_ns : 0;
        sq_session_phases(&p->s, t.dns_ns, t.connect_ns, t.tls_ns);
    }
    sl_wake(p, s);
}

static void on_message(void *ctx, const char *bytes, size_t len, bool is_text)
{
    struct sl_socket *s = ctx;
    if (!sl_queue_put(&s->in, bytes, len, is_text)) {
        s->flooded = true;
    }
    sl_wake(s->peer, s);
}

static void on_end(void *ctx, const struct sq_ws_end *end)
{
    struct sl_socket *s = ctx;
    struct sq_signal *p = s->peer;
    sq_ws_free(s->ws);
    s->ws = NULL;
    s->ended = true;
    s->open = false;
    s->code = end->code;
    s->cause = SQ_CAUSE_NONE;
    if (end->err) {
        s->cause = end->http_status == 401 || end->http_status == 403
                       ? SQ_CAUSE_AUTH
                       : sq_session_net_cause(end->err, end->during);
    }
    snprintf(s->text, sizeof(s->text), "%.150s", end->text ? end->text : "");
    sl_wake(p, s);
    if (p->closing) {
        sl_run_soon(p);
    }
}

static const struct sq_ws_events events = {
    .on_open = on_open, .on_message = on_message, .on_end = on_end};

/* ---- connect ---- */

static int connected(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_socket *s = *(struct sl_socket **)lua_touserdata(L, -1);
    (void)status;
    if (s->open) {
        return 1;
    }
    if (s->ended) {
        return sl_raise(L, s->cause ? s->cause : SQ_CAUSE_SIGNALING, "ws.connect: %s", s->text);
    }
    /* sq_ws has a time-out of its own. */
    return sl_await(L, s, "ws.connect", SQ_NEVER, ctx, connected);
}

/* The one that is asked for: protocol = "x", protocols = {"x"}. */
static const char *read_protocol(lua_State *L, int options)
{
    if (!lua_istable(L, options)) {
        return NULL;
    }
    if (lua_getfield(L, options, "protocol") == LUA_TNIL) {
        if (lua_getfield(L, options, "protocols") == LUA_TTABLE) {
            if (luaL_len(L, -1) > 1) {
                luaL_error(L, "protocols: expected one at most");
            }
            lua_rawgeti(L, -1, 1);
        }
    }
    return lua_isnil(L, -1) ? NULL : luaL_checkstring(L, -1);
}

static uint64_t read_timeout(lua_State *L, const struct sq_signal *p, int options)
{
    uint64_t took_ns = p->s.user->timeout_ns;
    if (lua_istable(L, options)) {
        lua_getfield(L, options, "timeout");
        took_ns = sl_deadline(L, lua_gettop(L), took_ns) - sl_now(p);
    }
    return took_ns;
}

static int l_connect(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    const char *lines[SL_HEADERS_MAX + 1];
    sl_must_live(L, p);
    lua_settop(L, 2);
    luaL_argexpected(L, lua_isnil(L, 2) || lua_istable(L, 2), 2, "table");
    const char *url = luaL_optstring(L, 1, p->target->inner);
    sl_read_headers(L, 2, lines);
    const struct sq_ws_options options = {
        .url = url,
        .subprotocol = read_protocol(L, 2),
        .headers = lines,
        .tls = {.insecure = p->s.user->insecure, .ca_file = p->s.user->ca_file},
        .timeout_ns = read_timeout(L, p, 2),
        .link = p->s.user->link,
    };
    struct sl_socket **box = lua_newuserdatauv(L, sizeof(void *), 0);
    *box = NULL;
    luaL_setmetatable(L, META);
    struct sl_socket *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return luaL_error(L, "not enough memory");
    }
    s->peer = p;
    s->next = p->sockets;
    p->sockets = s;
    *box = s;
    int err = sq_ws_connect(p->s.host->loop, &options, &events, s, &s->ws);
    if (err) {
        s->ended = true;
        return sl_raise(L, SQ_CAUSE_CONNECT, "ws.connect: %s",
                        err == SQ_ERR_INVALID ? "the URL is not one of ws:// or wss://"
                                              : sq_err_name(err));
    }
    return connected(L, LUA_OK, 0);
}

/* ---- The socket ---- */

static int send_bytes(lua_State *L, bool is_text)
{
    struct sl_socket *s = check(L);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    int err = !s->ws    ? SQ_ERR_STATE
              : is_text ? sq_ws_send_text(s->ws, bytes, len)
                        : sq_ws_send_binary(s->ws, bytes, len);
    if (err) {
        return sl_raise(L, SQ_CAUSE_SIGNALING, "ws: cannot send: %s%s",
                        err == SQ_ERR_STATE ? "the connection is over: " : sq_err_name(err),
                        err == SQ_ERR_STATE ? s->text : "");
    }
    return 0;
}

static int l_send(lua_State *L)
{
    return send_bytes(L, true);
}

static int l_send_binary(lua_State *L)
{
    return send_bytes(L, false);
}

static int received(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_socket *s = check(L);
    (void)status;
    uint64_t until_ns = (uint64_t)ctx;
    if (s->in.first) {
        return sl_queue_push(L, &s->in);
    }
    if (s->flooded) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL,
                        "ws: more than %lu MiB came that the script did not receive",
                        SL_QUEUE_BYTES >> 20);
    }
    if (s->ended && s->cause != SQ_CAUSE_NONE) {
        return sl_raise(L, s->cause, "ws: %s", s->text);
    }
    if (s->ended || sl_now(sl_user(L)) >= until_ns) {
        lua_pushnil(L);
        lua_pushstring(L, s->ended ? "closed" : "timeout");
        return 2;
    }
    return sl_await(L, s, "socket:receive", until_ns, ctx, received);
}

/* socket:receive(timeout) -> text, kind; or nil and "timeout", "closed" */
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

/* for text in socket:messages() do … end */
static int l_messages(lua_State *L)
{
    (void)check(L);
    lua_pushcfunction(L, l_next);
    lua_pushvalue(L, 1);
    return 2;
}

/* socket:close(code, reason) */
static int l_close(lua_State *L)
{
    struct sl_socket *s = check(L);
    lua_Integer code = luaL_optinteger(L, 2, 1000);
    const char *reason = luaL_optstring(L, 3, NULL);
    luaL_argcheck(L, code == 1000 || (code >= 3000 && code < 5000), 2,
                  "expected 1000, or 3000 to 4999");
    luaL_argcheck(L, !reason || strlen(reason) <= 123, 3, "expected at most 123 bytes");
    if (s->ws) {
        sq_ws_close(s->ws, (uint16_t)code, reason);
    }
    return 0;
}

static const luaL_Reg methods[] = {
    {"send", l_send},       {"send_binary", l_send_binary},
    {"receive", l_receive}, {"messages", l_messages},
    {"close", l_close},     {NULL, NULL},
};
static const luaL_Reg library[] = {{"connect", l_connect}, {NULL, NULL}};

void sl_open_ws(lua_State *L)
{
    luaL_newmetatable(L, META);
    luaL_newlib(L, methods);
    sl_freeze(L);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    luaL_newlib(L, library);
}

bool sl_sockets_close(struct sq_signal *p)
{
    bool any = false;
    for (struct sl_socket *s = p->sockets; s; s = s->next) {
        if (s->ws && s->open) {
            any = true;
            if (!p->closing) {
                sq_ws_close(s->ws, 1000, NULL);
            }
        }
    }
    p->closing = true;
    return !any;
}

/* ---- After the user ---- */

static void free_socket(struct sl_socket *s)
{
    sq_ws_free(s->ws);
    sl_queue_free(&s->in);
    sq_free(s);
}

static void end_late(struct sl_socket *s)
{
    *s->prev = s->next;
    if (s->next) {
        s->next->prev = s->prev;
    }
    free_socket(s);
}

static void on_late_end(void *ctx, const struct sq_ws_end *end)
{
    (void)end;
    end_late(ctx);
}

static void close_late(struct sl_shard *shard, struct sl_socket *s, bool broken)
{
    static const struct sq_ws_events late = {.on_end = on_late_end};
    s->peer = NULL;
    sl_queue_free(&s->in);
    s->prev = &shard->closing;
    s->next = shard->closing;
    if (s->next) {
        s->next->prev = &s->next;
    }
    shard->closing = s;
    sq_ws_set_events(s->ws, &late, s);
    sq_ws_close(s->ws, broken ? CODE_BROKEN : 1000, broken ? "the script failed" : NULL);
}

void sl_sockets_leave(struct sq_signal *p)
{
    while (p->sockets) {
        struct sl_socket *s = p->sockets;
        p->sockets = s->next;
        if (s->ws && s->open) {
            close_late(p->shard, s, p->broken);
        } else {
            free_socket(s);
        }
    }
}

void sl_sockets_free(struct sl_shard *shard)
{
    while (shard->closing) {
        end_late(shard->closing);
    }
}
