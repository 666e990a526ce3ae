/* Functions of Lua's own library that run for as long as their arguments say, within C, where no
 * hook looks at the budget: they pay for their arguments before they begin. What takes memory is
 * looked at where it is taken (lua_state.c). */
#include "signal/lua/lua_int.h"

#define ELEMENTS_MAX (1LL << 26) /* no table is longer: by SL_STATE_BYTES */

/* ---- Functions of texts ---- */

/* Upvalue: the function, which has none itself. It runs in this one's frame, so that its errors
 * name its arguments, and that pcall finds itself when it goes on. */
static int l_paid(lua_State *L)
{
    size_t steps = 1;
    for (int i = lua_gettop(L); i > 0; i--) {
        steps += lua_type(L, i) == LUA_TSTRING ? lua_rawlen(L, i) / SL_BYTES_A_STEP : 0;
    }
    sl_spend(L, steps);
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

void sl_make_paid(lua_State *L, const char *const *names)
{
    for (; *names; names++) {
        lua_getfield(L, -1, *names);
        lua_pushcclosure(L, l_paid, 1);
        lua_setfield(L, -2, *names);
    }
}

/* string.rep: of nothing, Lua's own takes as many turns as it is told. */
static int l_rep(lua_State *L)
{
    size_t len, sep_len;
    (void)luaL_checklstring(L, 1, &len);
    lua_Integer n = luaL_checkinteger(L, 2);
    (void)luaL_optlstring(L, 3, "", &sep_len);
    if (len + sep_len == 0 || n <= 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((lua_Unsigned)n < SL_STATE_BYTES) { /* else it fails at once: for want of memory */
        sl_spend(L, (size_t)n);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* ---- Functions of tables ---- */

/* insert, remove, concat, unpack, sort: as long as the table says that it is. */
static int l_paid_by_length(lua_State *L)
{
    if (lua_istable(L, 1)) {
        lua_Integer n = luaL_len(L, 1);
        if (n > ELEMENTS_MAX) {
            return luaL_error(L, "a table that says it has %I elements: expected up to %I",
                              (LUAI_UACINT)n, (LUAI_UACINT)ELEMENTS_MAX);
        }
        sl_spend(L, n > 0 ? (size_t)n : 1);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int l_move(lua_State *L)
{
    lua_Integer first = luaL_checkinteger(L, 2), last = luaL_checkinteger(L, 3);
    if (last >= first) {
        lua_Unsigned n = (lua_Unsigned)last - (lua_Unsigned)first;
        luaL_argcheck(L, n < ELEMENTS_MAX, 3, "too many elements to move");
        sl_spend(L, (size_t)n + 1);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

/* Is the first one less? Upvalue: what compares them; nil: "<". */
static int l_less(lua_State *L)
{
    size_t steps = 1;
    for (int i = 1; i <= 2; i++) {
        steps += lua_type(L, i) == LUA_TSTRING ? lua_rawlen(L, i) / SL_BYTES_A_STEP : 0;
    }
    sl_spend(L, steps);
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
    if (!lua_isnoneornil(L, 2)) {
        luaL_checktype(L, 2, LUA_TFUNCTION);
    }
    lua_settop(L, 2);
    lua_pushcclosure(L, l_less, 1);
    return l_paid_by_length(L);
}

void sl_bound(lua_State *L, const luaL_Reg *functions)
{
    for (; functions->name; functions++) {
        lua_getfield(L, -1, functions->name);
        lua_pushcclosure(L, functions->func, 1);
        lua_setfield(L, -2, functions->name);
    }
}

const luaL_Reg sl_bounded_strings[] = {{"rep", l_rep}, {NULL, NULL}};
const luaL_Reg sl_bounded_tables[] = {
    {"insert", l_paid_by_length},
    {"remove", l_paid_by_length},
    {"concat", l_paid_by_length},
    {"sort", l_sort},
    {"move", l_move},
    {NULL, NULL},
};
