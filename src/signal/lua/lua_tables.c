/* table.insert, remove, move and concat for scripts. They do as the manual of Lua 5.4 says (section
 * 6.6), but each element counts against the budget of the task, and a table is asked for its length
 * once: a __len may say another one each time. sort and unpack are Lua's own, and pay. */
#include "signal/lua/lua_int.h"

#define ELEMENTS_MAX (1LL << 26) /* no table is longer: by SL_STATE_BYTES */

static lua_Integer length_of(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_Integer n = luaL_len(L, 1);
    if (n > ELEMENTS_MAX) {
        luaL_error(L, "a table that says it has %I elements: expected up to %I", (LUAI_UACINT)n,
                   (LUAI_UACINT)ELEMENTS_MAX);
    }
    return n;
}

/* n elements of the first argument from `from` on become those of `table` from `to` on; none is
 * written over before it was read. */
static void copy(lua_State *L, lua_Integer from, lua_Integer n, int table, lua_Integer to)
{
    bool overlaps = to > from && (lua_Unsigned)to - (lua_Unsigned)from < (lua_Unsigned)n;
    bool from_last = overlaps && lua_rawequal(L, 1, table);
    for (lua_Integer i = 0; i < n; i++) {
        lua_Integer at = from_last ? n - 1 - i : i;
        sl_spend(L, 1);
        (void)lua_geti(L, 1, from + at);
        lua_seti(L, table, to + at);
    }
}

/* table.insert(list, at, value), (list, value) */
static int l_insert(lua_State *L)
{
    lua_Integer end = length_of(L) + 1;
    lua_Integer at = end;
    int args = lua_gettop(L);
    if (args != 2 && args != 3) {
        return luaL_error(L, "wrong number of arguments to 'insert'");
    }
    if (args == 3) {
        at = luaL_checkinteger(L, 2);
        luaL_argcheck(L, at >= 1 && at <= end, 2, "position out of bounds");
    }
    copy(L, at, end - at, 1, at + 1);
    lua_seti(L, 1, at);
    return 0;
}

/* table.remove(list, at) */
static int l_remove(lua_State *L)
{
    lua_Integer last = length_of(L);
    lua_Integer at = luaL_optinteger(L, 2, last);
    luaL_argcheck(L, at == last || (at >= 1 && at <= last + 1), 2, "position out of bounds");
    (void)lua_geti(L, 1, at);
    if (at < last) {
        copy(L, at + 1, last - at, 1, at);
        at = last;
    }
    lua_pushnil(L);
    lua_seti(L, 1, at);
    return 1;
}

/* table.move(from, first, last, at, to) */
static int l_move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2);
    lua_Integer last = luaL_checkinteger(L, 3);
    lua_Integer at = luaL_checkinteger(L, 4);
    int to = lua_isnoneornil(L, 5) ? 1 : 5;
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checktype(L, to, LUA_TTABLE);
    if (last >= first) {
        lua_Unsigned others = (lua_Unsigned)last - (lua_Unsigned)first; /* than the first one */
        luaL_argcheck(L, others < ELEMENTS_MAX, 3, "too many elements to move");
        luaL_argcheck(L, at <= LUA_MAXINTEGER - (lua_Integer)others, 4, "destination wrap around");
        copy(L, first, (lua_Integer)others + 1, to, at);
    }
    lua_pushvalue(L, to);
    return 1;
}

/* table.concat(list, separator, first, last) */
static int l_concat(lua_State *L)
{
    size_t len;
    luaL_Buffer b;
    lua_Integer last = length_of(L);
    const char *separator = luaL_optlstring(L, 2, "", &len);
    lua_Integer i = luaL_optinteger(L, 3, 1);
    last = luaL_optinteger(L, 4, last);
    luaL_buffinit(L, &b);
    bool more = i <= last;
    while (more) {
        (void)lua_geti(L, 1, i);
        if (!lua_isstring(L, -1)) {
            return luaL_error(L, "invalid value (%s) at index %I in table for 'concat'",
                              luaL_typename(L, -1), (LUAI_UACINT)i);
        }
        sl_spend(L, 1 + lua_rawlen(L, -1) / SL_BYTES_A_STEP);
        luaL_addvalue(&b);
        more = i < last;
        luaL_addlstring(&b, separator, more ? len : 0);
        i += more;
    }
    luaL_pushresult(&b);
    return 1;
}

/* table.unpack(list, first, last): no more than the stack takes. */
static int l_unpack(lua_State *L)
{
    lua_Integer first = luaL_optinteger(L, 2, 1);
    lua_settop(L, 3);
    if (lua_isnil(L, 3)) {
        lua_pushinteger(L, luaL_len(L, 1));
        lua_replace(L, 3);
    }
    lua_Integer last = luaL_checkinteger(L, 3);
    lua_Unsigned others = (lua_Unsigned)last - (lua_Unsigned)first;
    sl_spend(L, last >= first && others < LUAI_MAXSTACK ? (size_t)others + 1 : 1);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Is the first one less? Upvalue: what compares them; nil: "<". */
static int l_less(lua_State *L)
{
    sl_spend_on_texts(L);
    if (lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
    } else {
        lua_pushvalue(L, lua_upvalueindex(1));
        lua_insert(L, 1);
        lua_call(L, 2, 1);
    }
    return 1;
}

/* table.sort pays for each comparison. */
static int l_sort(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TFUNCTION);
    }
    sl_spend(L, 1);
    lua_settop(L, 2);
    lua_pushcclosure(L, l_less, 1);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

const luaL_Reg sl_bounded_tables[] = {
    {"insert", l_insert}, {"remove", l_remove}, {"move", l_move}, {"concat", l_concat},
    {"unpack", l_unpack}, {"sort", l_sort},     {NULL, NULL},
};
