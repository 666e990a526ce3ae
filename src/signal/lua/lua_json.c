/* json.encode, json.decode, json.null, json.array */
#include "signal/jsontext.h"
#include "signal/lua/lua_int.h"

#include <math.h>
#include <string.h>

#define ARRAY "squall.array" /* metatable of tables that are arrays, though they be empty */
#define VALUE "squall.json"
#define TEXT  "squall.buf"

/* ---- Reading ---- */

static void push_json(lua_State *L, json_t *v)
{
    const char *key;
    json_t *item;
    size_t i;
    luaL_checkstack(L, 8, "JSON");
    switch (json_typeof(v)) {
    case JSON_OBJECT:
        lua_createtable(L, 0, (int)json_object_size(v));
        json_object_foreach(v, key, item)
        {
            push_json(L, item);
            lua_setfield(L, -2, key);
        }
        break;
    case JSON_ARRAY:
        lua_createtable(L, (int)json_array_size(v), 0);
        luaL_setmetatable(L, ARRAY);
        json_array_foreach(v, i, item)
        {
            push_json(L, item);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
        break;
    case JSON_STRING:
        if (sq_jsontext_digits(v)) { /* as a number of Lua's it would be another one */
            lua_pushstring(L, sq_jsontext_digits(v));
            break;
        }
        lua_pushlstring(L, json_string_value(v), json_string_length(v));
        break;
    case JSON_INTEGER:
        lua_pushinteger(L, json_integer_value(v));
        break;
    case JSON_REAL:
        lua_pushnumber(L, json_real_value(v));
        break;
    case JSON_NULL:
        lua_pushlightuserdata(L, NULL);
        break;
    default:
        lua_pushboolean(L, json_is_true(v));
        break;
    }
}

static int l_decode(lua_State *L)
{
    size_t len;
    json_error_t error;
    const char *text = luaL_checklstring(L, 1, &len);
    json_t **box = lua_newuserdatauv(L, sizeof(json_t *), 0); /* freed also where pushing raises */
    *box = NULL;
    luaL_setmetatable(L, VALUE);
    *box = sq_jsontext_parse(text, len, JSON_DECODE_ANY | JSON_REJECT_DUPLICATES, &error);
    if (!*box) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL, "json: %.100s, at byte %d of '%.60s'", error.text,
                        error.position, text);
    }
    push_json(L, *box);
    json_decref(*box);
    *box = NULL;
    return 1;
}

static int l_value_gc(lua_State *L)
{
    json_t **box = lua_touserdata(L, 1);
    json_decref(*box);
    *box = NULL;
    return 0;
}

/* ---- Writing ---- */

static void put_string(struct sq_buf *b, const char *text, size_t len)
{
    sq_buf_puts(b, "\"");
    for (size_t i = 0; i < len; i++) {
        unsigned char c = (unsigned char)text[i];
        if (c == '"' || c == '\\') {
            sq_buf_printf(b, "\\%c", c);
        } else if (c == '\n') {
            sq_buf_puts(b, "\\n");
        } else if (c == '\r') {
            sq_buf_puts(b, "\\r");
        } else if (c < 0x20) {
            sq_buf_printf(b, "\\u%04x", c);
        } else {
            sq_buf_add(b, text + i, 1);
        }
    }
    sq_buf_puts(b, "\"");
}

static void put_value(lua_State *L, struct sq_buf *b, int depth);

static bool is_array(lua_State *L)
{
    bool marked = false;
    if (lua_getmetatable(L, -1)) {
        luaL_getmetatable(L, ARRAY);
        marked = lua_rawequal(L, -1, -2);
        lua_pop(L, 2);
    }
    return marked || lua_rawlen(L, -1) > 0;
}

static void put_table(lua_State *L, struct sq_buf *b, int depth)
{
    const char *sep = "";
    if (is_array(L)) {
        lua_Unsigned n = lua_rawlen(L, -1);
        sq_buf_puts(b, "[");
        for (lua_Unsigned i = 1; i <= n; i++, sep = ",") {
            sq_buf_puts(b, sep);
            lua_rawgeti(L, -1, (lua_Integer)i);
            put_value(L, b, depth + 1);
            lua_pop(L, 1);
        }
        sq_buf_puts(b, "]");
        return;
    }
    sq_buf_puts(b, "{");
    lua_pushnil(L);
    for (; lua_next(L, -2); sep = ",") {
        size_t len;
        if (lua_type(L, -2) != LUA_TSTRING) {
            luaL_error(L, "json: a table with the key %s: expected texts, or 1, 2, … alone",
                       luaL_tolstring(L, -2, NULL));
        }
        const char *key = lua_tolstring(L, -2, &len);
        sq_buf_puts(b, sep);
        put_string(b, key, len);
        sq_buf_puts(b, ":");
        put_value(L, b, depth + 1);
        lua_pop(L, 1);
    }
    sq_buf_puts(b, "}");
}

static void put_value(lua_State *L, struct sq_buf *b, int depth)
{
    size_t len;
    if (depth > SL_JSON_DEPTH) {
        luaL_error(L, "json: more than %d tables within each other", SL_JSON_DEPTH);
    }
    luaL_checkstack(L, 8, "JSON");
    sl_spend(L, 8); /* tables that hold the same ones are written for each */
    switch (lua_type(L, -1)) {
    case LUA_TNIL:
        sq_buf_puts(b, "null");
        break;
    case LUA_TBOOLEAN:
        sq_buf_puts(b, lua_toboolean(L, -1) ? "true" : "false");
        break;
    case LUA_TNUMBER:
        if (lua_isinteger(L, -1)) {
            sq_buf_printf(b, "%lld", (long long)lua_tointeger(L, -1));
        } else if (isfinite(lua_tonumber(L, -1))) {
            sq_buf_printf(b, "%.17g", lua_tonumber(L, -1));
        } else {
            luaL_error(L, "json: a number that is not finite");
        }
        break;
    case LUA_TSTRING: {
        const char *text = lua_tolstring(L, -1, &len);
        sl_spend(L, len);
        put_string(b, text, len);
        break;
    }
    case LUA_TTABLE:
        put_table(L, b, depth);
        break;
    default:
        if (lua_type(L, -1) == LUA_TLIGHTUSERDATA && !lua_touserdata(L, -1)) {
            sq_buf_puts(b, "null");
            break;
        }
        luaL_error(L, "json: a %s cannot be written", luaL_typename(L, -1));
    }
}

static int l_encode(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    struct sq_buf *b = lua_newuserdatauv(L, sizeof(*b), 0);
    memset(b, 0, sizeof(*b));
    luaL_setmetatable(L, TEXT);
    lua_pushvalue(L, 1);
    put_value(L, b, 0);
    if (b->err) {
        return luaL_error(L, "not enough memory");
    }
    lua_pushlstring(L, b->text, b->len);
    sq_buf_free(b);
    return 1;
}

static int l_text_gc(lua_State *L)
{
    sq_buf_free(lua_touserdata(L, 1));
    return 0;
}

/* json.array{…}: is written as an array, though it be empty */
static int l_array(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    luaL_setmetatable(L, ARRAY);
    return 1;
}

static void new_metatable(lua_State *L, const char *name, lua_CFunction gc)
{
    luaL_newmetatable(L, name);
    if (gc) {
        lua_pushcfunction(L, gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_pushboolean(L, 0);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 1);
}

static const luaL_Reg library[] = {
    {"encode", l_encode}, {"decode", l_decode}, {"array", l_array}, {NULL, NULL}};

void sl_open_json(lua_State *L)
{
    new_metatable(L, ARRAY, NULL);
    new_metatable(L, VALUE, l_value_gc);
    new_metatable(L, TEXT, l_text_gc);
    luaL_newlib(L, library);
    lua_pushlightuserdata(L, NULL);
    lua_setfield(L, -2, "null");
}
