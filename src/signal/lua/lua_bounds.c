/* Functions of Lua's own library that run for as long as their arguments say, within C, where no
 * hook looks at the budget: they pay for their arguments before they begin. What takes memory is
 * looked at where it is taken (lua_state.c). */
#include "signal/lua/lua_int.h"

void sl_spend_on_texts(lua_State *L)
{
    size_t steps = 1;
    for (int i = lua_gettop(L); i > 0; i--) {
        steps += lua_type(L, i) == LUA_TSTRING ? lua_rawlen(L, i) / SL_BYTES_A_STEP : 0;
    }
    sl_spend(L, steps);
}

/* Upvalue: the function, which has none itself. It runs in this one's frame, so that its errors
 * name its arguments, and that pcall finds itself when it goes on. */
static int l_paid(lua_State *L)
{
    sl_spend_on_texts(L);
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

void sl_bound(lua_State *L, const luaL_Reg *functions)
{
    for (; functions->name; functions++) {
        lua_getfield(L, -1, functions->name);
        lua_pushcclosure(L, functions->func, 1);
        lua_setfield(L, -2, functions->name);
    }
}

const luaL_Reg sl_bounded_strings[] = {{"rep", l_rep}, {NULL, NULL}};
