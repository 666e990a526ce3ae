/* A thread's Lua state: its memory, what a script may use of Lua's own library, its files. */
#include "signal/lua/lua_int.h"

#include <stdio.h>
#include <string.h>

#define PREFIX "local _ENV = ...; " /* on the first line, whose number it does not change */

#define TEXT_HEAD_BYTES 64 /* what Lua keeps with a text, at most */

static const char key; /* of what hangs on a loop; its address alone is asked for */

/* ---- Memory ---- */

static void *allocate(void *ctx, void *block, size_t old, size_t size)
{
    struct sl_shard *shard = ctx;
    bool is_text = !block && old == LUA_TSTRING; /* what has no size yet is a kind of object */
    old = block ? old : 0;
    if (size == 0) {
        sq_free(block);
        shard->bytes -= old;
        return NULL;
    }
    size_t after = shard->bytes - old + size;
    bool wide = is_text && size > SL_TEXT_BYTES + TEXT_HEAD_BYTES;
    if (wide ||
        (size > old && (after > SL_STATE_BYTES ||
                        (shard->task && after > shard->bytes_at_resume + SL_RESUME_BYTES)))) {
        shard->too_wide = wide;
        shard->too_much = !wide;
        shard->steps = SL_SPEND_STEPS; /* Lua has looked for garbage everywhere: that takes time */
        return NULL;
    }
    shard->bytes_since += size > old ? size - old : 0;
    /* One function of C, or one that is called again and again. Where no task runs, what the last
     * one did is nobody's concern any more. */
    if (size > old && shard->bytes_since > SL_LOOK_BYTES && shard->task && sl_is_too_long(shard)) {
        return NULL;
    }
    void *moved = sq_realloc(block, size);
    moved = !moved && size <= old ? block : moved; /* Lua counts on it that less is to be had */
    shard->bytes = moved ? after : shard->bytes;
    return moved;
}

/* ---- Files ---- */

struct reading {
    const struct sq_lua_file *file;
    unsigned piece;
};

static const char *read_piece(lua_State *L, void *ctx, size_t *ret_len)
{
    (void)L;
    struct reading *r = ctx;
    /* "#!/usr/bin/…" is no Lua. */
    size_t skip = r->file->text[0] == '#' ? strcspn(r->file->text, "\n") : 0;
    if (r->piece == 0) {
        r->piece++;
        *ret_len = strlen(PREFIX);
        return PREFIX;
    }
    *ret_len = r->piece == 1 ? r->file->len - skip : 0;
    return r->piece++ == 1 && *ret_len > 0 ? r->file->text + skip : NULL;
}

/* What it calls its globals is an argument, so that one function serves all users. */
static int load_file(lua_State *L, const struct sq_lua_file *file)
{
    char name[128];
    struct reading r = {.file = file};
    snprintf(name, sizeof(name), "@%.100s", file->name);
    return lua_load(L, read_piece, &r, name, "t");
}

void sl_push_file(lua_State *L, const struct sq_lua_file *file)
{
    lua_getfield(L, LUA_REGISTRYINDEX, "squall.files");
    if (lua_rawgeti(L, -1, (lua_Integer)file->id) != LUA_TFUNCTION) {
        lua_pop(L, 1);
        if (load_file(L, file) != LUA_OK) {
            lua_error(L);
        }
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, (lua_Integer)file->id);
    }
    lua_remove(L, -2);
}

int sl_compile_check(const struct sq_lua_file *file, char *why, size_t why_room)
{
    struct sl_shard shard = {.L = NULL};
    lua_State *L = lua_newstate(allocate, &shard);
    if (!L) {
        return SQ_ERR_NOMEM;
    }
    int status = load_file(L, file); /* raises nothing itself */
    if (status == LUA_ERRSYNTAX) {
        snprintf(why, why_room, "%.300s", lua_tostring(L, -1));
    }
    lua_close(L);
    return status == LUA_OK ? 0 : status == LUA_ERRSYNTAX ? SQ_ERR_FORMAT : SQ_ERR_NOMEM;
}

static int l_require(lua_State *L);

/* A file that requires what waits for it: one that runs already, further down, or more requires
 * within each other than there are files. Raises. */
static void refuse_circle(lua_State *L, const struct sq_signal *p, const struct sq_lua_file *file)
{
    const struct sq_lua_script *script = p->s.user->script;
    char from[LUA_IDSIZE] = "";
    size_t requires = 0;
    bool runs = false;
    lua_Debug ar;
    sl_push_file(L, file);
    for (int level = 0; !runs && lua_getstack(L, level, &ar); level++) {
        lua_getinfo(L, "Sf", &ar);
        requires += lua_tocfunction(L, -1) == l_require;
        runs = lua_rawequal(L, -1, -2);
        if (!from[0] && ar.source[0] == '@') {
            memcpy(from, ar.short_src, sizeof(from));
        }
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    if (runs || requires > script->files_len) {
        sl_raise(L, SQ_CAUSE_PROTOCOL,
                 "require '%.63s': a circle: %s waits for %s, which requires it", file->module,
                 file->name, from);
    }
}

static int l_require(lua_State *L)
{
    struct sq_signal *p = sl_user(L);
    const char *module = luaL_checkstring(L, 1);
    const struct sq_lua_file *file = sq_lua_script_module(p->s.user->script, module);
    if (!file) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL,
                        "require '%s': the name has to stand there as it is, between quotes, so "
                        "that the file is read before the run",
                        module);
    }
    lua_rawgeti(L, LUA_REGISTRYINDEX, p->env_ref);
    lua_pushvalue(L, -1);
    if (lua_rawgetp(L, -1, file) != LUA_TNIL) { /* once a user; its key is no string of Lua's */
        return 1;
    }
    lua_pop(L, 1);
    refuse_circle(L, p, file);
    sl_push_file(L, file);
    lua_pushvalue(L, -3);
    lua_call(L, 1, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, 1);
    }
    lua_pushvalue(L, -1);
    lua_rawsetp(L, -4, file);
    return 1;
}

/* ---- The sandbox ---- */

/* In the place of Lua's, so that an error which a script raises is told from one that befalls it.
 */
static int l_error(lua_State *L)
{
    int level = (int)luaL_optinteger(L, 2, 1);
    lua_settop(L, 1);
    if (lua_type(L, 1) == LUA_TSTRING && level > 0) {
        luaL_where(L, level);
        lua_pushvalue(L, 1);
        lua_concat(L, 2);
    }
    sl_note_thrown(L, sl_user(L), SQ_CAUSE_SIGNALING);
    return lua_error(L);
}

static int l_assert(lua_State *L)
{
    if (lua_toboolean(L, 1)) {
        return lua_gettop(L);
    }
    luaL_checkany(L, 1);
    lua_remove(L, 1);
    if (lua_gettop(L) == 0) {
        lua_pushliteral(L, "assertion failed!");
    }
    lua_settop(L, 1);
    sl_note_thrown(L, sl_user(L), SQ_CAUSE_SIGNALING);
    return lua_error(L);
}

/* Finalizers would run for one user while another one's task does. */
static int l_setmetatable(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, lua_isnoneornil(L, 2) || lua_istable(L, 2), 2, "nil or table");
    if (luaL_getmetafield(L, 1, "__metatable") != LUA_TNIL) {
        return luaL_error(L, "cannot change a protected metatable");
    }
    if (lua_istable(L, 2) && lua_getfield(L, 2, "__gc") != LUA_TNIL) {
        return luaL_error(L, "__gc is not to be had in a script");
    }
    lua_settop(L, 2);
    lua_setmetatable(L, 1);
    return 1;
}

static int l_frozen(lua_State *L)
{
    return luaL_error(L, "all users share this table: it cannot be changed");
}

void sl_freeze(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 3);
    lua_pushvalue(L, -3);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_frozen);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_remove(L, -2);
}

static void drop(lua_State *L, const char *const *names)
{
    for (; *names; names++) {
        lua_pushnil(L);
        lua_setfield(L, -2, *names);
    }
}

/* A library of Lua's own into the globals on top of the stack. */
static void add_library(lua_State *L, const char *name, lua_CFunction open,
                        const char *const *without)
{
    static const char *const texts[] = {"byte",     "char",    "format", "len",    "lower", "pack",
                                        "packsize", "reverse", "sub",    "unpack", "upper", NULL};
    static const char *const letters[] = {"codepoint", "codes", "len", "offset", NULL};
    lua_pushcfunction(L, open);
    lua_pushstring(L, name);
    lua_call(L, 1, 1);
    drop(L, without);
    if (open == luaopen_string) {
        luaL_setfuncs(L, sl_pattern_functions, 0);
        sl_make_paid(L, texts);
        sl_bound(L, sl_bounded_strings);
    } else if (open == luaopen_utf8) {
        sl_make_paid(L, letters);
    } else if (open == luaopen_table) {
        sl_bound(L, sl_bounded_tables);
    }
    sl_freeze(L);
    lua_setfield(L, -2, name);
}

static void keep_only(lua_State *L, const char *const *names)
{
    lua_newtable(L);
    for (; *names; names++) {
        lua_getfield(L, -2, *names);
        lua_setfield(L, -2, *names);
    }
    lua_remove(L, -2);
}

static const luaL_Reg own[] = {
    {"require", l_require},           {"error", l_error}, {"assert", l_assert},
    {"setmetatable", l_setmetatable}, {NULL, NULL},
};

static int open_state(lua_State *L)
{
    static const char *const base[] = {"getmetatable", "ipairs", "next",   "pairs",    "pcall",
                                       "rawequal",     "rawget", "rawlen", "select",   "tonumber",
                                       "tostring",     "type",   "xpcall", "_VERSION", NULL};
    static const char *const dear[] = {"pcall", "tonumber", "xpcall", NULL};
    static const char *const times[] = {"time", "date", "clock", "difftime", NULL};
    static const char *const no_dump[] = {"dump", NULL};
    static const char *const no_random[] = {"random", "randomseed", NULL}; /* our own come */
    static const char *const all[] = {NULL};
    luaL_requiref(L, "_G", luaopen_base, 0);
    keep_only(L, base);
    sl_make_paid(L, dear);
    luaL_setfuncs(L, own, 0);
    add_library(L, "string", luaopen_string, no_dump);
    lua_pushliteral(L, "");
    lua_getmetatable(L, -1); /* ("x"):upper() */
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
    add_library(L, "table", luaopen_table, all);
    add_library(L, "utf8", luaopen_utf8, all);
    add_library(L, "coroutine", luaopen_coroutine, all);
    lua_pushcfunction(L, luaopen_os);
    lua_call(L, 0, 1);
    keep_only(L, times);
    sl_freeze(L);
    lua_setfield(L, -2, "os");
    lua_pushcfunction(L, luaopen_math);
    lua_call(L, 0, 1);
    drop(L, no_random);
    lua_setfield(L, -2, "math"); /* sl_open_session freezes it */
    sl_open_session(L);
    sl_open_ws(L);
    sl_freeze(L);
    lua_setfield(L, -2, "ws");
    sl_open_http(L);
    sl_freeze(L);
    lua_setfield(L, -2, "http");
    sl_open_json(L);
    sl_freeze(L);
    lua_setfield(L, -2, "json");
    sl_open_channel(L);
    sl_open_pc(L);
    lua_getfield(L, -1, "math");
    sl_freeze(L);
    lua_setfield(L, -2, "math");
    lua_newtable(L);
    lua_setfield(L, LUA_REGISTRYINDEX, "squall.files");
    lua_createtable(L, 0, 2); /* of every environment */
    lua_pushvalue(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_setfield(L, LUA_REGISTRYINDEX, "squall.env");
    return 0;
}

void sl_push_env(lua_State *L, struct sq_signal *p)
{
    lua_createtable(L, 0, 4);
    lua_getfield(L, LUA_REGISTRYINDEX, "squall.env");
    lua_setmetatable(L, -2);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "_G");
    (void)sl_push_pc(L, p, "pc");
    lua_setfield(L, -2, "pc");
}

/* ---- The thread's ---- */

static void free_shard(void *thing)
{
    struct sl_shard *shard = thing;
    sl_sockets_free(shard);
    if (shard->L) {
        lua_close(shard->L);
    }
    sq_free(shard);
}

struct sl_shard *sl_shard_find(const struct sq_loop *loop)
{
    return sq_loop_kept(loop, &key);
}

struct sl_shard *sl_shard_get(struct sq_loop *loop)
{
    struct sl_shard *shard = sl_shard_find(loop);
    if (shard) {
        return shard;
    }
    shard = sq_zalloc(sizeof(*shard));
    if (!shard) {
        return NULL;
    }
    shard->L = lua_newstate(allocate, shard);
    if (shard->L) {
        *(struct sl_shard **)lua_getextraspace(shard->L) = shard; /* coroutines get a copy */
        lua_pushcfunction(shard->L, open_state);
    }
    if (!shard->L || lua_pcall(shard->L, 0, 0, 0) != LUA_OK ||
        sq_loop_keep(loop, &key, shard, free_shard) != 0) {
        free_shard(shard);
        return NULL;
    }
    return shard;
}
