/* pc and RTCPeerConnection: a peer connection under W3C's names. */
#include "signal/lua/lua_int.h"

#include "signal/sdptext.h"
#include <stdio.h>
#include <string.h>

#define META      "squall.pc"
#define PEERS_MAX 8

struct sl_pc *sl_pc_check(lua_State *L)
{
    return *(struct sl_pc **)luaL_checkudata(L, 1, META);
}

static const char *state_name(const struct sl_pc *pc)
{
    static const char *const names[] = {"new",          "connecting", "connected",
                                        "disconnected", "failed",     "closed"};
    return pc->closed ? "closed" : names[pc->state];
}

/* ---- Its birth ---- */

struct sl_pc *sl_push_pc(lua_State *L, struct sq_signal *p, const char *label)
{
    const struct sq_signal_user *u = p->s.user;
    struct sl_pc **box = lua_newuserdatauv(L, sizeof(void *), 0);
    *box = NULL;
    luaL_setmetatable(L, META);
    struct sl_pc *pc = sq_zalloc(sizeof(*pc));
    if (!pc) {
        luaL_error(L, "not enough memory");
        return NULL;
    }
    pc->p = p;
    pc->audio = sq_session_direction(u, SQ_MEDIA_AUDIO) != SQ_DIR_INACTIVE;
    pc->video = sq_session_direction(u, SQ_MEDIA_VIDEO) != SQ_DIR_INACTIVE;
    pc->data = u->data != NULL;
    pc->signaling = "stable";
    snprintf(pc->label, sizeof(pc->label), "%s", label);
    pc->next = p->pcs;
    p->pcs = pc;
    *box = pc;
    return pc;
}

/* RTCPeerConnection{label =, audio =, video =, data =} */
static int l_new(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    char label[12];
    unsigned n = 0;
    for (const struct sl_pc *pc = p->pcs; pc; pc = pc->next) {
        n++;
    }
    luaL_argexpected(L, lua_isnoneornil(L, 1) || lua_istable(L, 1), 1, "table");
    snprintf(label, sizeof(label), "pc%u", n + 1);
    lua_settop(L, 1);
    struct sl_pc *pc = sl_push_pc(L, p, label);
    if (lua_istable(L, 1)) {
        if (lua_getfield(L, 1, "label") == LUA_TSTRING) {
            snprintf(pc->label, sizeof(pc->label), "%.11s", lua_tostring(L, -1));
        }
        pc->audio = pc->audio && (lua_getfield(L, 1, "audio") == LUA_TNIL || lua_toboolean(L, -1));
        pc->video = pc->video && (lua_getfield(L, 1, "video") == LUA_TNIL || lua_toboolean(L, -1));
        pc->data = pc->data && (lua_getfield(L, 1, "data") == LUA_TNIL || lua_toboolean(L, -1));
        lua_settop(L, 2);
    }
    return 1;
}

static int add_track(struct sl_pc *pc, enum sq_media_kind kind)
{
    const struct sq_signal_user *u = pc->p->s.user;
    bool wanted = kind == SQ_MEDIA_VIDEO ? pc->video : pc->audio;
    return wanted ? sq_peer_add_track(pc->peer, kind, sq_session_direction(u, kind), u->clip, NULL)
                  : 0;
}

struct sl_pc *sl_pc_live(lua_State *L)
{
    struct sl_pc *pc = sl_pc_check(L);
    struct sq_signal *p = pc->p;
    sl_must_live(L, p);
    if (pc->closed) {
        sl_raise(L, SQ_CAUSE_PROTOCOL, "the connection is closed (InvalidStateError)");
    }
    if (!pc->made) {
        int err = p->s.host->make_peer(p->s.ctx, pc->label, &pc->peer);
        if (err) {
            pc->peer = NULL;
            sl_raise(L, SQ_CAUSE_PROTOCOL, "no sockets for the connection: %s", sq_err_name(err));
        }
        pc->made = true;
        err = add_track(pc, SQ_MEDIA_AUDIO);
        err = err ? err : add_track(pc, SQ_MEDIA_VIDEO);
        err = err || !pc->data ? err : sq_session_add_channel(p->s.user, pc->peer, sl_now(p));
        if (err) {
            sl_raise(L, SQ_CAUSE_PROTOCOL, "its tracks cannot be added: %s", sq_err_name(err));
        }
    }
    return pc;
}

/* ---- Descriptions ---- */

static void push_description(lua_State *L, const char *type, const char *sdp)
{
    lua_createtable(L, 0, 2);
    lua_pushstring(L, type);
    lua_setfield(L, -2, "type");
    lua_pushstring(L, sdp);
    lua_setfield(L, -2, "sdp");
}

static void keep_local(struct sl_pc *pc, const char *type, char *sdp)
{
    sq_free(pc->local);
    pc->local = sdp;
    pc->local_type = type;
    sl_pc_keep_candidates(pc, sdp);
}

static int refuse(lua_State *L, const char *what, int err, const char *why)
{
    return sl_raise(L, SQ_CAUSE_PROTOCOL, "%s: %.200s", what, why[0] ? why : sq_err_name(err));
}

/* Takes the open offer back. A restart that it was to make, or that was asked for since, is still
 * asked for. */
static int take_back(struct sl_pc *pc)
{
    int err = sq_peer_rollback(pc->peer);
    if (!err) {
        pc->restart = pc->restart || pc->restarting;
        pc->restarting = false;
        pc->signaling = "stable";
    }
    return err;
}

static void make_offer(lua_State *L, struct sl_pc *pc, bool restart)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *sdp = NULL;
    if (strcmp(pc->signaling, "have-local-offer") == 0) {
        return; /* asked for again */
    }
    bool again = restart || pc->restart;
    int err = sq_peer_create_offer(pc->peer, sl_now(pc->p), again, &sdp, why);
    if (err) {
        refuse(L, "createOffer", err, why);
    }
    pc->restarting = pc->restart;
    pc->restart = false;
    keep_local(pc, "offer", sdp);
    pc->signaling = "have-local-offer";
    sl_must_live(L, pc->p);
}

static void make_answer(lua_State *L, struct sl_pc *pc)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *sdp = NULL;
    if (pc->local_type && strcmp(pc->local_type, "answer") == 0 &&
        strcmp(pc->signaling, "stable") == 0) {
        return;
    }
    int err = sq_peer_create_answer(pc->peer, sl_now(pc->p), &sdp, why);
    if (err) {
        refuse(L, "createAnswer", err, why);
    }
    keep_local(pc, "answer", sdp);
    pc->signaling = "stable";
    sl_must_live(L, pc->p);
    sq_session_joined(&pc->p->s);
    sl_must_live(L, pc->p);
}

/* pc:createOffer{iceRestart = true} */
static int l_create_offer(lua_State *L)
{
    struct sl_pc *pc = sl_pc_live(L);
    bool restart = false;
    if (lua_istable(L, 2)) {
        lua_getfield(L, 2, "iceRestart");
        restart = lua_toboolean(L, -1);
    }
    make_offer(L, pc, restart);
    push_description(L, "offer", pc->local);
    return 1;
}

/* pc:restartIce(): the next offer does it */
static int l_restart(lua_State *L)
{
    sl_pc_live(L)->restart = true;
    return 0;
}

static int l_create_answer(lua_State *L)
{
    struct sl_pc *pc = sl_pc_live(L);
    make_answer(L, pc);
    push_description(L, "answer", pc->local);
    return 1;
}

/* A description at index 2, {type =, sdp =}; both stay on the stack. */
static const char *read_description(lua_State *L, const char **ret_sdp)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "sdp");
    *ret_sdp = lua_isstring(L, -1) ? lua_tostring(L, -1) : NULL;
    lua_getfield(L, 2, "type");
    const char *type = lua_tostring(L, -1);
    if (!type) {
        luaL_argerror(L, 2, "expected a description: {type = \"offer\", sdp = \"v=0…\"}");
    }
    return type;
}

/* What createOffer and createAnswer make is in force already; without an argument it makes the one
 * that is due, as W3C's does. */
static int l_set_local(lua_State *L)
{
    struct sl_pc *pc = sl_pc_live(L);
    const char *sdp = NULL;
    if (lua_isnoneornil(L, 2)) {
        if (strcmp(pc->signaling, "have-remote-offer") == 0) {
            make_answer(L, pc);
        } else {
            make_offer(L, pc, false);
        }
        return 0;
    }
    const char *type = read_description(L, &sdp);
    if (strcmp(type, "rollback") == 0) {
        int err = take_back(pc);
        return err ? refuse(L, "setLocalDescription", err, "there is no offer to take back") : 0;
    }
    if (!pc->local_type || strcmp(type, pc->local_type) != 0) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL,
                        "setLocalDescription: expected the one of createOffer or createAnswer");
    }
    return 0;
}

static int l_set_remote(lua_State *L)
{
    struct sl_pc *pc = sl_pc_live(L);
    char why[SQ_PEER_TEXT_MAX] = "";
    const char *sdp;
    const char *type = read_description(L, &sdp);
    bool offer = strcmp(type, "offer") == 0;
    if (!offer && strcmp(type, "answer") != 0) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL,
                        "setRemoteDescription: type '%.20s': expected offer or answer", type);
    }
    if (!sdp) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL, "setRemoteDescription: the %s has no sdp", type);
    }
    int err = 0;
    if (offer && strcmp(pc->signaling, "have-local-offer") == 0) { /* RFC 8829, 4.1.8.2 */
        err = take_back(pc);
    }
    err = err ? err
              : sq_peer_set_remote(pc->peer, sl_now(pc->p), offer ? SQ_SDP_OFFER : SQ_SDP_ANSWER,
                                   sdp, why);
    if (err) {
        return refuse(L, "setRemoteDescription", err, why);
    }
    sl_must_live(L, pc->p);
    pc->signaling = offer ? "have-remote-offer" : "stable";
    if (offer) {
        pc->local_type = NULL;
    } else {
        sq_session_joined(&pc->p->s);
        sl_must_live(L, pc->p);
    }
    return 0;
}

/* ---- Candidates ---- */

/* pc:addIceCandidate{candidate =, …}, its text, or nil: that was all */
static int l_add_candidate(lua_State *L)
{
    struct sl_pc *pc = sl_pc_live(L);
    lua_settop(L, 2);
    bool no_end = true;
    if (lua_istable(L, 2)) {
        lua_getfield(L, 2, "candidate");
        no_end = !lua_isnil(L, -1) && lua_type(L, -1) != LUA_TLIGHTUSERDATA;
    } else {
        no_end = !lua_isnil(L, 2) && lua_type(L, 2) != LUA_TLIGHTUSERDATA; /* json.null */
    }
    const char *text = no_end ? luaL_checkstring(L, -1) : "";
    int err = sq_peer_add_candidate(pc->peer, sl_now(pc->p), text);
    if (err) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL, "addIceCandidate '%.80s': %s", text,
                        err == SQ_ERR_STATE
                            ? "no remote description, or of other credentials (InvalidStateError)"
                            : sq_err_name(err));
    }
    sl_must_live(L, pc->p);
    return 0;
}

static int candidate(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_pc *pc = sl_pc_check(L);
    (void)status;
    if (pc->given < pc->candidates_len) {
        const struct sl_candidate *c = &pc->candidates[pc->given];
        lua_createtable(L, 0, 3);
        lua_pushstring(L, c->text);
        lua_setfield(L, -2, "candidate");
        lua_pushstring(L, c->mid);
        lua_setfield(L, -2, "sdpMid");
        lua_pushinteger(L, c->mline);
        lua_setfield(L, -2, "sdpMLineIndex");
        pc->given++;
        return 1;
    }
    if (pc->gathered || pc->closed || sl_now(sl_user(L)) >= (uint64_t)ctx) {
        lua_pushnil(L);
        lua_pushstring(L, pc->gathered || pc->closed ? "complete" : "timeout");
        return 2;
    }
    return sl_await(L, pc, "pc:icecandidate", (uint64_t)ctx, ctx, candidate);
}

/* pc:icecandidate(timeout): the next one; nil and "complete", "timeout" */
static int l_candidate(lua_State *L)
{
    (void)sl_pc_check(L);
    lua_settop(L, 2);
    return candidate(L, LUA_OK, (lua_KContext)sl_deadline(L, 2, SQ_NEVER));
}

static int l_next_candidate(lua_State *L)
{
    lua_settop(L, 1);
    return candidate(L, LUA_OK, (lua_KContext)SQ_NEVER);
}

/* for c in pc:icecandidates() do … end */
static int l_candidates(lua_State *L)
{
    (void)sl_pc_check(L);
    lua_pushcfunction(L, l_next_candidate);
    lua_pushvalue(L, 1);
    return 2;
}

/* The local description with the candidates that were found since. */
static int push_local(lua_State *L, struct sl_pc *pc)
{
    struct sq_buf b = {0};
    char *whole = NULL;
    if (!pc->local) {
        lua_pushnil(L);
        return 1;
    }
    for (size_t i = 0; i < pc->candidates_len; i++) {
        if (!strstr(pc->local, pc->candidates[i].text)) {
            sq_buf_printf(&b, "%s\n", pc->candidates[i].text);
        }
    }
    int err = b.err;
    if (!err && (b.len > 0 || (pc->gathered && !strstr(pc->local, "a=end-of-candidates")))) {
        err = sq_sdptext_add_candidates(pc->local, b.text ? b.text : "", pc->gathered, &whole);
    }
    sq_buf_free(&b);
    if (err) {
        return luaL_error(L, "not enough memory");
    }
    if (whole) { /* so that nothing is lost where pushing raises */
        sq_free(pc->local);
        pc->local = whole;
    }
    push_description(L, pc->local_type ? pc->local_type : "answer", pc->local);
    return 1;
}

static int gathered(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_pc *pc = sl_pc_check(L);
    (void)status;
    if (pc->gathered || pc->closed || sl_now(sl_user(L)) >= (uint64_t)ctx) {
        return push_local(L, pc);
    }
    return sl_await(L, pc, "pc:gathered", (uint64_t)ctx, ctx, gathered);
}

/* pc:gathered(timeout) -> the description with all candidates in it */
static int l_gathered(lua_State *L)
{
    (void)sl_pc_live(L);
    lua_settop(L, 2);
    return gathered(L, LUA_OK, (lua_KContext)sl_deadline(L, 2, sl_user(L)->s.user->timeout_ns));
}

/* ---- State ---- */

static int reached(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_pc *pc = sl_pc_check(L);
    const char *wanted = lua_tostring(L, 2);
    (void)status;
    if (strcmp(state_name(pc), wanted) == 0) {
        return 0;
    }
    if (pc->closed || sl_now(sl_user(L)) >= (uint64_t)ctx) {
        return sl_raise(L, SQ_CAUSE_TIMEOUT, "waited for %s, and the connection is %s", wanted,
                        state_name(pc));
    }
    return sl_await(L, pc, "pc:wait", (uint64_t)ctx, ctx, reached);
}

/* pc:wait(state, timeout): until connectionState is that */
static int l_wait(lua_State *L)
{
    static const char *const names[] = {"connecting", "connected", "disconnected",
                                        "failed",     "closed",    NULL};
    (void)sl_pc_check(L);
    lua_settop(L, 3);
    int i = luaL_checkoption(L, 2, "connected", names);
    lua_pushstring(L, names[i]);
    lua_replace(L, 2);
    return reached(L, LUA_OK, (lua_KContext)sl_deadline(L, 3, SQ_NEVER));
}

static int changed(lua_State *L, int status, lua_KContext ctx)
{
    struct sl_pc *pc = sl_pc_check(L);
    (void)status;
    if (strcmp(state_name(pc), lua_tostring(L, 2)) != 0 || pc->closed) {
        lua_pushstring(L, state_name(pc));
        return 1;
    }
    return sl_await(L, pc, "pc:change", SQ_NEVER, ctx, changed);
}

/* pc:change(state): until it is another one, which it gives */
static int l_change(lua_State *L)
{
    (void)sl_pc_check(L);
    (void)luaL_checkstring(L, 2);
    return changed(L, LUA_OK, 0);
}

static int l_close(lua_State *L)
{
    struct sl_pc *pc = sl_pc_check(L);
    struct sq_signal *p = pc->p;
    if (pc->peer && !sq_session_is_done(&p->s)) {
        struct sq_peer *peer = pc->peer;
        pc->closed = true;
        sq_peer_close(peer, sl_now(p));
        pc->state = SQ_PEER_CLOSED;
    }
    pc->closed = true;
    sl_wake(p, pc);
    return 0;
}

/* ---- Fields ---- */

static const luaL_Reg methods[] = {
    {"createOffer", l_create_offer},
    {"createAnswer", l_create_answer},
    {"restartIce", l_restart},
    {"setLocalDescription", l_set_local},
    {"setRemoteDescription", l_set_remote},
    {"addIceCandidate", l_add_candidate},
    {"icecandidate", l_candidate},
    {"icecandidates", l_candidates},
    {"gathered", l_gathered},
    {"wait", l_wait},
    {"change", l_change},
    {"getStats", sl_pc_stats},
    {"createDataChannel", sl_pc_create_channel},
    {"datachannel", sl_pc_channel},
    {"close", l_close},
    {NULL, NULL},
};

static int l_index(lua_State *L)
{
    struct sl_pc *pc = sl_pc_check(L);
    const char *key = luaL_checkstring(L, 2);
    if (strcmp(key, "connectionState") == 0) {
        lua_pushstring(L, state_name(pc));
    } else if (strcmp(key, "signalingState") == 0) {
        lua_pushstring(L, pc->closed ? "closed" : pc->signaling);
    } else if (strcmp(key, "iceGatheringState") == 0) {
        lua_pushstring(L, pc->gathered ? "complete" : pc->local ? "gathering" : "new");
    } else if (strcmp(key, "localDescription") == 0) {
        return push_local(L, pc);
    } else {
        lua_getfield(L, lua_upvalueindex(1), key);
    }
    return 1;
}

static int l_generation(lua_State *L)
{
    lua_pushinteger(L, sl_pc_check(L)->generation);
    return 1;
}

static int gathers_again(lua_State *L, int status, lua_KContext ctx)
{
    const struct sl_pc *pc = sl_pc_check(L);
    (void)status;
    if (pc->closed || pc->generation != (unsigned)lua_tointeger(L, 2)) {
        lua_pushboolean(L, !pc->closed);
        return 1;
    }
    return sl_await(L, pc, "pc.onicecandidate", SQ_NEVER, ctx, gathers_again);
}

/* Waits for an ICE restart; false: none comes any more. */
static int l_gathers_again(lua_State *L)
{
    return gathers_again(L, LUA_OK, 0);
}

/* pc.onicecandidate = f and the like: a task that waits for what it is to be told, and calls f. */
static const char handlers[] =
    "local generation, gathers_again = ...\n"
    "local H = {}\n"
    "function H.onicecandidate(pc, f)\n"
    "  local n\n"
    "  repeat\n"
    "    for c in pc:icecandidates() do f(c) end\n"
    "    n = generation(pc)\n"
    "    f(nil)\n"
    "  until not gathers_again(pc, n)\n"
    "end\n"
    "function H.ondatachannel(pc, f) for c in pc.datachannel, pc do f(c) end end\n"
    "function H.onconnectionstatechange(pc, f)\n"
    "  local s = pc.connectionState\n"
    "  repeat s = pc:change(s) f(s) until s == 'closed'\n"
    "end\n"
    "return H\n";

static int l_newindex(lua_State *L)
{
    struct sl_pc *pc = sl_pc_check(L);
    const char *key = luaL_checkstring(L, 2);
    if (lua_getfield(L, lua_upvalueindex(1), key) != LUA_TFUNCTION) {
        return luaL_error(L,
                          "'%s' cannot be set: expected onicecandidate, ondatachannel or "
                          "onconnectionstatechange",
                          key);
    }
    luaL_checktype(L, 3, LUA_TFUNCTION);
    lua_pushvalue(L, 1);
    lua_pushvalue(L, 3);
    (void)sl_spawn(L, pc->p, 2);
    return 0;
}

/* Into the globals on top of the stack. */
void sl_open_pc(lua_State *L)
{
    luaL_newmetatable(L, META);
    luaL_newlib(L, methods);
    lua_pushcclosure(L, l_index, 1);
    lua_setfield(L, -2, "__index");
    if (luaL_loadbufferx(L, handlers, strlen(handlers), "=squall", "t") != LUA_OK) {
        lua_error(L);
    }
    lua_pushcfunction(L, l_generation);
    lua_pushcfunction(L, l_gathers_again);
    lua_call(L, 2, 1);
    lua_pushcclosure(L, l_newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
    lua_pushcfunction(L, l_new);
    lua_setfield(L, -2, "RTCPeerConnection");
}
