/* What scripts have in the place of Lua's own functions: they give the same, and end in time. */
#include "signal/lua/lua_int.h"
#include "signal/lua_rig.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* Runs the same call with both, and compares all that comes of it: results, and words of errors. */
static const char compare[] =
    "local stock, ours = ...\n"
    "local count, matched, errors = 0, 0, 0\n"
    "local function show(...)\n"
    "  local t = table.pack(...)\n"
    "  for i = 1, t.n do t[i] = type(t[i]) .. ':' .. tostring(t[i]) end\n"
    "  return table.concat(t, '|')\n"
    "end\n"
    "local function words(...)\n"
    "  local ok, what = ...\n"
    "  if ok then matched = matched + (select('#', ...) > 2 and 1 or 0) return show(...) end\n"
    "  errors = errors + 1\n"
    "  return 'error:' .. tostring(what):gsub(\"to '.-'\", 'to it')\n" /* it knows its own names */
    "end\n"
    "local function same(name, ...)\n"
    "  count = count + 1\n"
    "  local a, b = words(pcall(stock[name], ...)), words(pcall(ours[name], ...))\n"
    "  if a ~= b then\n"
    "    error(string.format('%s(%s): Lua %s, ours %s', name, show(...), a, b))\n"
    "  end\n"
    "end\n"
    "local function all(lib, s, p, init)\n"
    "  local t = {}\n"
    "  for a, b, c in lib.gmatch(s, p, init) do\n"
    "    t[#t + 1] = show(a, b, c)\n"
    "    if #t > 200 then break end\n"
    "  end\n"
    "  return table.concat(t, ';')\n"
    "end\n"
    "local function gmatch(s, p, init)\n"
    "  count = count + 1\n"
    "  local a, b = words(pcall(all, stock, s, p, init)), words(pcall(all, ours, s, p, init))\n"
    "  if a ~= b then\n"
    "    error(string.format('gmatch(%q, %q): Lua %s, ours %s', s, p, a, b))\n"
    "  end\n"
    "end\n"
    "local repls = {'', 'x', '<%0>', '%1', '%2-%1', '%%', '%', '%a', 7,\n"
    "  {a = 'A', ab = false, [1] = 'one', b = 2, c = {}}, function(a) return a end,\n"
    "  function() end, function() return {} end, function(a, b) return b end, true}\n"
    "local function try(s, p)\n"
    "  for _, init in ipairs{1, 2, 0, -1, -3, 99, -99} do\n"
    "    same('find', s, p, init) same('match', s, p, init) gmatch(s, p, init)\n"
    "  end\n"
    "  same('find', s, p, 1, true)\n"
    "  for _, r in ipairs(repls) do same('gsub', s, p, r) end\n"
    "  same('gsub', s, p, '.', 0) same('gsub', s, p, '.', 1) same('gsub', s, p, '%1', -1)\n"
    "end\n"
    "local texts = {'', 'a', 'abc', 'aaab', 'hello world from Lua', '  trim me  ', 'a,b,,c',\n"
    "  'key = value', '(foo(bar)baz)', '((', 'THE (quick) fox', '0x1F -3.5e10', 'a\\0b\\0',\n"
    "  'x=1, y=2', '%d[a]-^$', '\\xff\\xfe\\x80', 'v=0\\r\\na=mid:0\\r\\n', ']]--]'}\n"
    "local patterns = {'', 'a', '.', '^', '$', '^$', 'a*', 'a-', 'a+', 'a?', '^a', 'a$', '.-', "
    "'.*',\n"
    "  '^%s*(.-)%s*$', '(%w+)', '(%w+)%s*=%s*(%w+)', '%b()', '%f[%w]%w+', '%f[%a]', '%f[%z]',\n"
    "  '()', '()a()', '(a)(b)(c)', '(a*(.)%w(%s*))', '(.)%1', '(%a)%1', '[abc]', '[^abc]', "
    "'[a-c]',\n"
    "  '[%a_]', '[]]', '[^]]', '[]-a]', '[a-]', '[-a]', '[%]]', '[%-x]', '[a-%z]', '%a', '%A', "
    "'%d',\n"
    "  '%c', '%g', '%l', '%p', '%s', '%u', '%x', '%X', '%.', '%%', '%z', '%Z', '%q', '[', '[a', "
    "'[^',\n"
    "  '[]', '[%', '[%a', '%', 'a%', '%b', '%bx', '%f', '%fa', '%f[', '(', ')', '(a', 'a)', "
    "'(()',\n"
    "  '())', '%1', '(%1)', '()%1', '(a)%2', '%0', '((.)(.))', '^^', '$$', 'a$b', '*', '+', '-', "
    "'?',\n"
    "  '**', '(*)', '^*', 'a**', 'a+?', '\\0', '[\\0]', '%\\0', '[^\\0]+', '.-b', '(.-),', "
    "'[%w-]+',\n"
    "  ('a?'):rep(30) .. ('a'):rep(3), ('(a)'):rep(33), ('(a?)'):rep(33), ('a?'):rep(250),\n"
    "  ('()'):rep(32), ('[x]?'):rep(199), 'a=(%w+):(%d+)\\r\\n', '\\xff', '[\\x80-\\xff]+'}\n"
    "for _, s in ipairs(texts) do for _, p in ipairs(patterns) do try(s, p) end end\n"
    "try(12, 1) same('find') same('find', 'a') same('match', {}, 'a') same('gsub', 'a', 'a')\n"
    "same('gmatch', 'a') same('gsub', 'a', {}, 'x') same('find', 'a', 'a', 'x')\n"
    "same('find', 'abc', 'b', math.mininteger) same('find', 'abc', '', 4) same('find', 'a', '', "
    "3)\n"
    "same('gsub', ('ab'):rep(1000), 'b', '%0%0') same('find', ('a'):rep(5000), '.-b')\n"
    "local bits = {'a', 'b', 'c', '.', '%a', '%d', '%w', '%s', '(', ')', '()', '[', ']', '^', "
    "'$',\n"
    "  '*', '+', '-', '?', '%1', '%2', '%b()', '%bab', '%f[a]', '%f[%w]', '[ab]', '[^a]', "
    "'[a-c]',\n"
    "  '%', ' ', '1', '%.', '[%a]', '\\0'}\n"
    "local letters = {'a', 'b', 'c', 'a', 'b', ' ', '1', '(', ')', '.', '\\0', 'Z'}\n"
    "local function make(from, most)\n"
    "  local t = {}\n"
    "  for i = 1, math.random(0, most) do t[i] = from[math.random(#from)] end\n"
    "  return table.concat(t)\n"
    "end\n"
    "math.randomseed(20261127)\n"
    "for i = 1, 4000 do try(make(letters, 14), make(bits, 7)) end\n"
    "return count, matched, errors\n";

/* A state of nothing but Lua's own, whose functions see a budget without an end. */
static lua_State *bare_state(struct sl_shard *shard)
{
    lua_State *L = luaL_newstate();
    assert_non_null(L);
    *(struct sl_shard **)lua_getextraspace(L) = shard;
    luaL_openlibs(L);
    return L;
}

static void patterns_do_as_in_lua(void **state)
{
    (void)state;
    struct sl_shard shard = {.cpu_until_ns = UINT64_MAX};
    lua_State *L = bare_state(&shard);
    assert_int_equal(luaL_loadstring(L, compare), LUA_OK);
    lua_getglobal(L, "string");
    lua_newtable(L);
    luaL_setfuncs(L, sl_pattern_functions, 0);
    if (lua_pcall(L, 2, 3, 0) != LUA_OK) {
        fail_msg("%s", lua_tostring(L, -1));
    }
    /* Not all of it is errors, or finds nothing. */
    print_message("%lld calls, %lld with results, %lld errors\n", lua_tointeger(L, -3),
                  lua_tointeger(L, -2), lua_tointeger(L, -1));
    assert_true(lua_tointeger(L, -3) > 100000);
    assert_true(lua_tointeger(L, -2) > 50000);
    assert_true(lua_tointeger(L, -1) > 10000);
    lua_close(L);
}

/* The same for functions of tables: also which elements they read and write, and in which order. */
static const char compare_tables[] =
    "local stock, ours = ...\n"
    "local count, errors, log = 0, 0, nil\n"
    "local function note(...) log[#log + 1] = table.concat({...}, ' ') end\n"
    "local function watched(data)\n"
    "  return setmetatable({}, {\n"
    "    __len = function() note('#') return #data end,\n"
    "    __index = function(_, k) note('get', k) return data[k] end,\n"
    "    __newindex = function(_, k, v) note('set', k, tostring(v)) data[k] = v end})\n"
    "end\n"
    "local function run(lib, name, list, watch, ...)\n"
    "  log = {}\n"
    "  local data = table.move(list, 1, #list, 1, {})\n"
    "  local t = watch and watched(data) or data\n"
    "  local args = table.pack(...)\n"
    "  local to = {}\n"
    "  args[4] = args[4] == 'other' and to or args[4]\n"
    "  local out = table.pack(pcall(lib[name], t, table.unpack(args, 1, args.n)))\n"
    "  errors = errors + (out[1] and 0 or 1)\n"
    "  for i = 1, out.n do out[i] = out[i] == t and 'itself' or out[i] == to and 'other' or "
    "tostring(out[i]) end\n"
    "  for i = -2, 20 do note(i, tostring(data[i]), tostring(to[i])) end\n"
    "  local said = table.concat(out, '|'):gsub(\"#%d to '.-'\", 'to it')\n" /* 5.4.4 errs in one */
    "  return said .. ';' .. table.concat(log, ',')\n"
    "end\n"
    "local function same(name, list, ...)\n"
    "  for _, watch in ipairs{false, true} do\n"
    "    count = count + 1\n"
    "    local a, b = run(stock, name, list, watch, ...), run(ours, name, list, watch, ...)\n"
    "    if a ~= b then error(name .. ': Lua ' .. a .. ', ours ' .. b) end\n"
    "  end\n"
    "end\n"
    "local function all(list)\n"
    "  same('insert', list) same('insert', list, 'x') same('insert', list, 1, 2, 3)\n"
    "  same('insert', list, 'x', 'y') same('insert', list, nil)\n"
    "  same('remove', list) same('remove', list, 'x') same('concat', list, {})\n"
    "  same('concat', list) same('concat', list, '-') same('unpack', list) same('sort', list)\n"
    "  same('sort', list, function(a, b) return tostring(a) > tostring(b) end)\n"
    "  same('move', list, 1) same('move', list, 1, 2, 'x') same('move', list, 1, 2, 3, 4)\n"
    "  same('move', list, -1, math.maxinteger, 2) same('move', list, 1, 2, math.maxinteger)\n"
    "  same('concat', list, '', math.maxinteger, math.maxinteger)\n"
    "  for i = -2, 9 do\n"
    "    same('insert', list, i, 'x') same('remove', list, i) same('concat', list, ',', i)\n"
    "    same('concat', list, ',', 1, i) same('unpack', list, i) same('unpack', list, 1, i)\n"
    "    for j = -2, 9 do for k = -2, 9 do\n"
    "      same('move', list, i, j, k) same('move', list, i, j, k, 'other')\n"
    "    end end\n"
    "  end\n"
    "end\n"
    "all{} all{'a'} all{3, 1, 2} all{'a', 'b', 'c', 1.5, 'e', 7}\n"
    "for _, name in ipairs{'insert', 'remove', 'concat', 'move', 'sort'} do\n"
    "  for _, what in ipairs{7, true, print} do\n"
    "    count = count + 1\n"
    "    local _, a = pcall(stock[name], what, 1, 2, 3)\n"
    "    local _, b = pcall(ours[name], what, 1, 2, 3)\n"
    "    a, b = a:gsub(\"to '.-'\", ''), b:gsub(\"to '.-'\", '')\n"
    "    if a ~= b then error(name .. ': Lua ' .. a .. ', ours ' .. b) end\n"
    "  end\n"
    "end\n"
    "return count, errors\n";

/* Pushes a copy of Lua's table with our functions in it. */
static void push_our_tables(lua_State *L)
{
    lua_newtable(L);
    lua_getglobal(L, "table");
    for (const luaL_Reg *f = sl_bounded_tables; f->name; f++) {
        lua_getfield(L, -1, f->name);
        lua_setfield(L, -3, f->name);
    }
    lua_pop(L, 1);
    sl_bound(L, sl_bounded_tables);
}

static void tables_do_as_in_lua(void **state)
{
    (void)state;
    struct sl_shard shard = {.cpu_until_ns = UINT64_MAX};
    lua_State *L = bare_state(&shard);
    assert_int_equal(luaL_loadstring(L, compare_tables), LUA_OK);
    lua_getglobal(L, "table");
    push_our_tables(L);
    if (lua_pcall(L, 2, 2, 0) != LUA_OK) {
        fail_msg("%s", lua_tostring(L, -1));
    }
    print_message("%lld calls, %lld errors\n", lua_tointeger(L, -2), lua_tointeger(L, -1));
    assert_true(lua_tointeger(L, -2) > 20000);
    assert_true(lua_tointeger(L, -1) > 100 && lua_tointeger(L, -1) < lua_tointeger(L, -2));
    lua_close(L);
}

/* Elements and bytes that one call passes over: each counts, or each sixteenth byte. */
static void what_takes_long_is_paid_for(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t steps;
    } all[] = {
        {"ours.find('x', a)", 5000},
        {"ours.find('x', a, 1, true)", 0},
        {"ours.find(a, 'b', 1, true)", 5000 / SL_BYTES_A_STEP},
        {"t.insert(list, 1, 1)", 5000},
        {"t.insert(list, 1)", 0},
        {"t.insert(list, 4001, 1)", 1000},
        {"t.remove(list, 1)", 4999},
        {"t.remove(list)", 0},
        {"t.move(list, 1, 5000, 2)", 5000},
        {"t.concat(list)", 5000},
        {"t.concat({}, '', 2, 1)", 0},
        {"pcall(t.concat, list, '', 1001, 5001)", 4000},
        {"t.unpack({}, 1, 5000)", 5000},
        {"t.unpack(list)", 5000},
    };
    struct sl_shard shard = {.cpu_until_ns = UINT64_MAX};
    lua_State *L = bare_state(&shard);
    lua_newtable(L);
    luaL_setfuncs(L, sl_pattern_functions, 0);
    lua_setglobal(L, "ours");
    push_our_tables(L);
    lua_setglobal(L, "t");
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        assert_int_equal(luaL_dostring(L, "a = ('a'):rep(5000) list = {} "
                                          "for i = 1, 5000 do list[i] = i end"),
                         LUA_OK);
        shard.steps = 0; /* which a look at the clock would do, after 10,000 */
        if (luaL_dostring(L, all[i].text) != LUA_OK) {
            fail_msg("%s", lua_tostring(L, -1));
        }
        if (shard.steps < all[i].steps || shard.steps > all[i].steps + 10) {
            fail_msg("%s: %zu steps", all[i].text, shard.steps);
        }
    }
    lua_close(L);
}

/* Work of functions of C, which a hook on Lua's instructions does not see. */
static void what_runs_within_c_ends(void **state)
{
    (void)state;
    static const char *const all[] = {
        "string.find(('a'):rep(30000), ('.-'):rep(20) .. 'b')",
        "string.match(('a'):rep(30000), ('.*'):rep(20) .. 'b')",
        "(('a'):rep(30000)):gsub(('a?'):rep(60) .. 'b', '')",
        "for x in (('a'):rep(30000)):gmatch(('(.-)'):rep(20) .. 'b') do end",
        "string.find(('a'):rep(1e6), '[' .. ('x'):rep(1e6) .. ']')",
        "string.find(('('):rep(1e6), '%b()')",
        "string.find(('a'):rep(1e6), '(a-)%1b')",
        "local t, s = {}, ('x'):rep(1e6) for i = 1, 1e5 do t[i] = s .. '' end table.sort(t)",
        "local t = {1} for i = 1, 60 do t = {t, t} end json.encode(t)",
        "while true do pcall(string.rep, 'x', 4e7) end",
        "while true do local s = ('x'):rep(1e6) end",
        "local s = ('x'):rep(1e6) while true do utf8.len(s) end",
        "local s = ('1'):rep(1e6) while true do tonumber(s, 10) end",
        "local s = ('x'):rep(1e6) while true do string.format('%s%s', s, 1) end",
        "local t = {} for i = 1, 1e6 do t[i] = '' end while true do table.concat(t) end",
        "local t = {} for i = 1, 1e6 do t[i] = i end while true do table.insert(t, 1, 1) end",
        "local t = {} for i = 1, 1e6 do t[i] = i end table.sort(t)",
        "table.insert(setmetatable({}, {__len = function() return 1 << 26 end}), 1, 1)",
        "table.remove(setmetatable({}, {__len = function() return 1 << 26 end}), 1)",
        "table.move({}, 1, 1 << 26, 2)",
        "while true do table.unpack({}, 1, 9e5) end",
        "local s = ('a'):rep(1e6) while true do string.find('x', s) end",
        "local s = ('\\0'):rep(6e5) local a, b = s .. 'a', s .. 'b' while a < b do end",
        "table.sort({3, 1, 2}, function() while true do end end)",
        "string.gsub('a', 'a', function() while true do end end)",
        "coroutine.wrap(function() while true do end end)()",
        "coroutine.wrap(function() coroutine.wrap(function() while true do end end)() end)()",
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        uint64_t began_ns = sq_thread_cpu_ns();
        lr_begin(all[i]);
        sig_host_expect_failure(&lr_host, SQ_CAUSE_PROTOCOL,
                                "the script computed for 100 ms without waiting: an endless loop?");
        if (strncmp(lr_host.text, "room.lua:", 9) != 0 || strstr(lr_host.text + 9, "room.lua")) {
            fail_msg("%s: %s", all[i], lr_host.text);
        }
        lr_end();
        uint64_t took_ns = sq_thread_cpu_ns() - began_ns;
        print_message("%5.0f ms: %.60s\n", (double)took_ns / 1e6, all[i]);
        assert_true(took_ns < SQ_NS_PER_SEC); /* with much to spare: it is 0.1 s */
    }
}

static void what_has_no_end_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } all[] = {
        {"table.move({}, 1, 1e15, 2)", "too many elements to move"},
        {"table.insert(setmetatable({}, {__len = function() return 1e15 // 1 | 0 end}), 1, 1)",
         "a table that says it has 1000000000000000 elements"},
        {"table.remove(setmetatable({}, {__len = function() return 1 << 50 end}), 1)",
         "a table that says it has"},
        {"('x'):rep(1e15)", "resulting string too large"},
        {"('x'):rep(math.maxinteger, 'y')", "resulting string too large"},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        lr_begin(all[i].text);
        sig_host_expect_failure(&lr_host, SQ_CAUSE_PROTOCOL, all[i].says);
        lr_end();
    }
    lr_holds("assert((''):rep(1e15) == '' and (''):rep(9, '') == '' and ('a'):rep(-1) == '')\n"
             "assert(('a'):rep(3, ',') == 'a,a,a' and (''):rep(3, ',') == ',,')\n"
             "local t = {3, 1, 2} table.sort(t) assert(table.concat(t, ' ') == '1 2 3')\n"
             "table.sort(t, function(a, b) return a > b end) assert(t[1] == 3)\n"
             "assert(not pcall(table.sort, {1, 'x'}) and not pcall(table.sort, {1}, 7))\n"
             "table.insert(t, 1, 4) assert(table.remove(t) == 1 and #t == 3)\n"
             "assert(select('#', pcall(tonumber, '12')) == 2 and tonumber('ff', 16) == 255)\n"
             "local n = 0\n"
             "local odd = setmetatable({}, {__len = function()\n"
             "  n = n + 1 return n % 2 == 1 and 0 or 1 << 40 end})\n"
             "table.insert(odd, 1, 7) assert(n == 1 and rawget(odd, 1) == 7)\n"
             "n = 0 assert(table.remove(odd, 1) == 7 and n == 1)\n"
             "n = 0 assert(select('#', table.unpack(odd)) == 0 and n == 1)\n"
             "n = 0 assert(table.concat(odd) == '' and n == 1)\n"
             "assert(#('x'):rep(1 << 20) == 1 << 20)\n"
             "local ok, why = pcall(function() string.upper() end) assert(why:find('to "
             "\\'upper\\'', 1, true), why)\n"
             "assert(pcall(function() sleep(0.01) return true end))\n"
             "assert(utf8.len('äö') == 2 and ('x'):byte() == 120)\n");
    sig_host_leave(&lr_host);
    lr_end();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(patterns_do_as_in_lua),       cmocka_unit_test(tables_do_as_in_lua),
        cmocka_unit_test(what_takes_long_is_paid_for), cmocka_unit_test(what_runs_within_c_ends),
        cmocka_unit_test(what_has_no_end_is_refused),
    };
    return cmocka_run_group_tests(tests, lr_setup, lr_teardown);
}
