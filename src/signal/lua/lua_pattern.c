/* string.find, match, gmatch and gsub for scripts. They do as the manual of Lua 5.4 says (section
 * 6.4.1), and as Lua's own do where it says nothing; but every step of a match counts against the
 * budget of the task, so that a pattern which backtracks for ever is an endless loop as any other.
 */
#include "signal/lua/lua_int.h"

#include <ctype.h>
#include <string.h>

#define ESCAPE      '%'
#define SPECIALS    "^$*+?.([%-"
#define CAPTURES    32
#define DEPTH_MAX   200 /* of items that may be taken back, within each other: of C's stack */
#define LEN_OPEN    (-1)
#define LEN_PLACE   (-2) /* "()" */
#define NO_POSITION (-1)

struct capture {
    const char *at;
    ptrdiff_t len;
};

struct match {
    lua_State *L;
    const char *text, *text_end, *pattern_end;
    int depth, captures;
    struct capture capture[CAPTURES];
};

static const char *run(struct match *m, const char *s, const char *p);

static inline void step(const struct match *m)
{
    sl_spend(m->L, 1);
}

/* ---- Items of a pattern ---- */

/* Where the class that begins at `p` ends: behind a character, "%a", "[set]". */
static const char *class_end(const struct match *m, const char *p)
{
    if (*p == ESCAPE) {
        if (p + 1 == m->pattern_end) {
            luaL_error(m->L, "malformed pattern (ends with '%%')");
        }
        return p + 2;
    }
    if (*p != '[') {
        return p + 1;
    }
    p += p[1] == '^' ? 2 : 1;
    do { /* what stands first is of the set, though it be ']' */
        step(m);
        if (p == m->pattern_end) {
            luaL_error(m->L, "malformed pattern (missing ']')");
        }
        p += *p == ESCAPE && p + 1 < m->pattern_end ? 2 : 1;
    } while (*p != ']');
    return p + 1;
}

static bool is_of_class(int c, int class)
{
    bool is;
    switch (tolower(class)) {
    case 'a':
        is = isalpha(c);
        break;
    case 'c':
        is = iscntrl(c);
        break;
    case 'd':
        is = isdigit(c);
        break;
    case 'g':
        is = isgraph(c);
        break;
    case 'l':
        is = islower(c);
        break;
    case 'p':
        is = ispunct(c);
        break;
    case 's':
        is = isspace(c);
        break;
    case 'u':
        is = isupper(c);
        break;
    case 'w':
        is = isalnum(c);
        break;
    case 'x':
        is = isxdigit(c);
        break;
    case 'z': /* of Lua 5.1 */
        is = c == 0;
        break;
    default:
        return class == c;
    }
    return is != (isupper(class) != 0);
}

static int byte_at(const char *at)
{
    return (unsigned char)*at;
}

/* `p` is at '[', and `last` at its ']'. */
static bool is_of_set(const struct match *m, int c, const char *p, const char *last)
{
    bool wanted = p[1] != '^';
    p += wanted ? 1 : 2;
    while (p < last) {
        step(m);
        if (*p == ESCAPE) {
            if (is_of_class(c, byte_at(p + 1))) {
                return wanted;
            }
            p += 2;
        } else if (p[1] == '-' && p + 2 < last) {
            if (byte_at(p) <= c && c <= byte_at(p + 2)) {
                return wanted;
            }
            p += 3;
        } else if (byte_at(p++) == c) {
            return wanted;
        }
    }
    return !wanted;
}

/* Is the character at `s` of the class from `p` to `end`? */
static bool is_one(const struct match *m, const char *s, const char *p, const char *end)
{
    step(m);
    if (s >= m->text_end) {
        return false;
    }
    switch (*p) {
    case '.':
        return true;
    case ESCAPE:
        return is_of_class(byte_at(s), byte_at(p + 1));
    case '[':
        return is_of_set(m, byte_at(s), p, end - 1);
    default:
        return *p == *s;
    }
}

/* ---- Repetition ---- */

static const char *most(struct match *m, const char *s, const char *p, const char *end)
{
    ptrdiff_t n = 0;
    while (is_one(m, s + n, p, end)) {
        n++;
    }
    for (; n >= 0; n--) {
        const char *to = run(m, s + n, end + 1);
        if (to) {
            return to;
        }
    }
    return NULL;
}

static const char *fewest(struct match *m, const char *s, const char *p, const char *end)
{
    for (;; s++) {
        const char *to = run(m, s, end + 1);
        if (to || !is_one(m, s, p, end)) {
            return to;
        }
    }
}

/* ---- Captures, %b, %f ---- */

static const char *open_capture(struct match *m, const char *s, const char *p, ptrdiff_t len)
{
    if (m->captures >= CAPTURES) {
        luaL_error(m->L, "too many captures");
    }
    m->capture[m->captures++] = (struct capture){s, len};
    const char *to = run(m, s, p);
    m->captures -= !to;
    return to;
}

static const char *close_capture(struct match *m, const char *s, const char *p)
{
    int i = m->captures - 1;
    while (i >= 0 && m->capture[i].len != LEN_OPEN) {
        i--;
    }
    if (i < 0) {
        luaL_error(m->L, "invalid pattern capture");
        return NULL;
    }
    m->capture[i].len = s - m->capture[i].at;
    const char *to = run(m, s, p);
    m->capture[i].len = to ? m->capture[i].len : LEN_OPEN;
    return to;
}

/* What "%1" stands for comes once more: where it ends, or NULL. */
static const char *same_again(struct match *m, const char *s, int digit)
{
    int i = digit - '1';
    if (i < 0 || i >= m->captures || m->capture[i].len == LEN_OPEN) {
        luaL_error(m->L, "invalid capture index %%%d", i + 1);
        return NULL;
    }
    size_t len = (size_t)m->capture[i].len; /* of a place: longer than any text */
    if ((size_t)(m->text_end - s) < len) {
        return NULL;
    }
    sl_spend(m->L, len / SL_BYTES_A_STEP);
    return memcmp(m->capture[i].at, s, len) == 0 ? s + len : NULL;
}

/* "%bxy", `p` at the x. */
static const char *balanced(const struct match *m, const char *s, const char *p)
{
    if (m->pattern_end - p < 2) {
        luaL_error(m->L, "malformed pattern (missing arguments to '%%b')");
    }
    if (s >= m->text_end || *s != *p) {
        return NULL;
    }
    size_t open = 1;
    for (s++; s < m->text_end; s++) {
        step(m);
        if (*s == p[1]) {
            if (--open == 0) {
                return s + 1;
            }
        } else if (*s == *p) {
            open++;
        }
    }
    return NULL;
}

/* "%f[set]", `p` at the set. */
static bool is_frontier(const struct match *m, const char *s, const char *p, const char *end)
{
    int before = s == m->text ? 0 : byte_at(s - 1);
    int here = s < m->text_end ? byte_at(s) : 0;
    return !is_of_set(m, before, p, end - 1) && is_of_set(m, here, p, end - 1);
}

/* ---- A match ---- */

/* "%b", "%f" and "%1" at `*p`, which it passes; `*s` becomes NULL where they do not match. False:
 * it is a class as any other. */
static bool take_special(struct match *m, const char **s, const char **p)
{
    const char *what = *p + 1;
    if (**p != ESCAPE) {
        return false;
    }
    if (*what == 'b') {
        *s = balanced(m, *s, what + 1);
        *p = what + 3;
    } else if (*what == 'f') {
        if (what[1] != '[') {
            luaL_error(m->L, "missing '[' after '%%f' in pattern");
        }
        *p = class_end(m, what + 1);
        *s = is_frontier(m, *s, what + 1, *p) ? *s : NULL;
    } else if (isdigit(byte_at(what))) {
        *s = same_again(m, *s, byte_at(what));
        *p = what + 1;
    } else {
        return false;
    }
    return true;
}

/* A class with or without a suffix. True: it goes on from `*s` and `*p`; false: `*ret_to` is what
 * came of it. */
static bool take_class(struct match *m, const char **s, const char **p, const char **ret_to)
{
    const char *end = class_end(m, *p);
    char suffix = end < m->pattern_end ? *end : '\0';
    *ret_to = NULL;
    if (suffix == '*' || suffix == '-') {
        *ret_to = suffix == '*' ? most(m, *s, *p, end) : fewest(m, *s, *p, end);
        return false;
    }
    bool is = is_one(m, *s, *p, end);
    if (suffix == '+') {
        *ret_to = is ? most(m, *s + 1, *p, end) : NULL;
        return false;
    }
    if (suffix == '?') {
        *ret_to = is ? run(m, *s + 1, end + 1) : NULL;
        *p = end + 1;
        return !*ret_to;
    }
    *s += is;
    *p = end;
    return is;
}

/* Where the match of the pattern from `p` on ends in the text from `s` on; NULL: there is none. */
static const char *run(struct match *m, const char *s, const char *p)
{
    const char *to = NULL;
    if (m->depth-- == 0) {
        luaL_error(m->L, "pattern too complex");
    }
    while (s) {
        step(m);
        if (p == m->pattern_end || (*p == '$' && p + 1 == m->pattern_end)) {
            to = p == m->pattern_end || s == m->text_end ? s : NULL;
            break;
        }
        if (*p == '(') {
            bool place = p[1] == ')';
            to = open_capture(m, s, p + 1 + place, place ? LEN_PLACE : LEN_OPEN);
            break;
        }
        if (*p == ')') {
            to = close_capture(m, s, p + 1);
            break;
        }
        if (!take_special(m, &s, &p) && !take_class(m, &s, &p, &to)) {
            break;
        }
    }
    m->depth++;
    return to;
}

static const char *match_at(struct match *m, const char *s, const char *p)
{
    m->captures = 0;
    m->depth = DEPTH_MAX;
    return run(m, s, p);
}

static struct match match_of(lua_State *L, int text, int pattern)
{
    size_t text_len, pattern_len;
    struct match m = {.L = L};
    m.text = luaL_checklstring(L, text, &text_len);
    m.text_end = m.text + text_len;
    m.pattern_end = luaL_checklstring(L, pattern, &pattern_len);
    m.pattern_end += pattern_len;
    return m;
}

/* Of the i-th capture; from `s` to `to` where the pattern has none. */
static struct capture capture_of(const struct match *m, int i, const char *s, const char *to)
{
    if (i >= m->captures) {
        if (i != 0) {
            luaL_error(m->L, "invalid capture index %%%d", i + 1);
        }
        return (struct capture){s, to - s};
    }
    if (m->capture[i].len == LEN_OPEN) {
        luaL_error(m->L, "unfinished capture");
    }
    return m->capture[i];
}

static void push_capture(const struct match *m, int i, const char *s, const char *to)
{
    struct capture c = capture_of(m, i, s, to);
    if (c.len == LEN_PLACE) {
        lua_pushinteger(m->L, c.at - m->text + 1);
    } else {
        lua_pushlstring(m->L, c.at, (size_t)c.len);
    }
}

/* All of them; `s` NULL: not the whole match where there are none. */
static int push_captures(const struct match *m, const char *s, const char *to)
{
    int n = m->captures == 0 && s ? 1 : m->captures;
    luaL_checkstack(m->L, n, "too many captures");
    for (int i = 0; i < n; i++) {
        push_capture(m, i, s, to);
    }
    return n;
}

/* ---- string.find, match ---- */

/* The argument as an offset from 0 on, which may be behind the end: negative ones from the end. */
static size_t start_of(lua_State *L, int arg, size_t len)
{
    lua_Integer at = luaL_optinteger(L, arg, 1);
    if (at > 0) {
        return (size_t)at - 1;
    }
    return at == 0 || at < -(lua_Integer)len ? 0 : len + (size_t)at;
}

static int find_plain(lua_State *L, const struct match *m, const char *from, const char *what)
{
    size_t len = (size_t)(m->pattern_end - what);
    sl_spend(L, (size_t)(m->text_end - from) / SL_BYTES_A_STEP);
    const char *at = memmem(from, (size_t)(m->text_end - from), what, len);
    if (!at) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, at - m->text + 1);
    lua_pushinteger(L, at - m->text + (lua_Integer)len);
    return 2;
}

static bool is_plain(const struct match *m, const char *p)
{
    for (; p < m->pattern_end; p++) {
        step(m);
        if (*p && strchr(SPECIALS, *p)) {
            return false;
        }
    }
    return true;
}

static int find(lua_State *L, bool places)
{
    struct match m = match_of(L, 1, 2);
    const char *p = lua_tostring(L, 2);
    size_t start = start_of(L, 3, (size_t)(m.text_end - m.text));
    if (start > (size_t)(m.text_end - m.text)) {
        lua_pushnil(L);
        return 1;
    }
    const char *s = m.text + start;
    if (places && (lua_toboolean(L, 4) || is_plain(&m, p))) {
        return find_plain(L, &m, s, p);
    }
    bool anchored = *p == '^';
    p += anchored;
    do {
        const char *to = match_at(&m, s, p);
        if (to && places) {
            lua_pushinteger(L, s - m.text + 1);
            lua_pushinteger(L, to - m.text);
            return push_captures(&m, NULL, NULL) + 2;
        }
        if (to) {
            return push_captures(&m, s, to);
        }
    } while (s++ < m.text_end && !anchored);
    lua_pushnil(L);
    return 1;
}

static int l_find(lua_State *L)
{
    return find(L, true);
}

static int l_match(lua_State *L)
{
    return find(L, false);
}

/* ---- string.gmatch ---- */

/* Upvalues: the text, the pattern, where it goes on, where the last match ended. */
static int next_match(lua_State *L)
{
    struct match m = match_of(L, lua_upvalueindex(1), lua_upvalueindex(2));
    const char *p = lua_tostring(L, lua_upvalueindex(2));
    lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));
    lua_Integer last = lua_tointeger(L, lua_upvalueindex(4));
    for (; at <= m.text_end - m.text; at++) {
        const char *to = match_at(&m, m.text + at, p);
        if (to && to - m.text != last) {
            lua_pushinteger(L, to - m.text);
            lua_copy(L, -1, lua_upvalueindex(3));
            lua_replace(L, lua_upvalueindex(4));
            return push_captures(&m, m.text + at, to);
        }
    }
    return 0;
}

static int l_gmatch(lua_State *L)
{
    struct match m = match_of(L, 1, 2);
    size_t len = (size_t)(m.text_end - m.text);
    size_t start = start_of(L, 3, len);
    lua_settop(L, 2);
    lua_pushinteger(L, (lua_Integer)(start > len ? len + 1 : start));
    lua_pushinteger(L, NO_POSITION);
    lua_pushcclosure(L, next_match, 4);
    return 1;
}

/* ---- string.gsub ---- */

/* The text of a replacement, its "%1" filled in. */
static void add_text(const struct match *m, luaL_Buffer *b, const char *s, const char *to)
{
    size_t len;
    const char *text = lua_tolstring(m->L, 3, &len);
    const char *end = text + len;
    while (text < end) {
        const char *escape = memchr(text, ESCAPE, (size_t)(end - text));
        step(m);
        luaL_addlstring(b, text, (size_t)((escape ? escape : end) - text));
        if (!escape) {
            return;
        }
        text = escape + 2;
        if (escape[1] == ESCAPE) {
            luaL_addchar(b, ESCAPE);
        } else if (escape[1] == '0') {
            luaL_addlstring(b, s, (size_t)(to - s));
        } else if (!isdigit(byte_at(escape + 1))) {
            luaL_error(m->L, "invalid use of '%c' in replacement string", ESCAPE);
        } else {
            push_capture(m, escape[1] - '1', s, to);
            (void)luaL_tolstring(m->L, -1, NULL); /* of a place: its number */
            lua_remove(m->L, -2);
            luaL_addvalue(b);
        }
    }
}

/* What comes in the place of the match; false: it stays as it was. */
static bool add_value(const struct match *m, luaL_Buffer *b, const char *s, const char *to)
{
    lua_State *L = m->L;
    int type = lua_type(L, 3);
    if (type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(m, s, to), 1);
    } else if (type == LUA_TTABLE) {
        push_capture(m, 0, s, to);
        lua_gettable(L, 3);
    } else {
        add_text(m, b, s, to);
        return true;
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(b, s, (size_t)(to - s));
        return false;
    }
    if (!lua_isstring(L, -1)) {
        luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    }
    luaL_addvalue(b);
    return true;
}

static int l_gsub(lua_State *L)
{
    struct match m = match_of(L, 1, 2);
    const char *s = m.text, *p = lua_tostring(L, 2), *last = NULL;
    int type = lua_type(L, 3);
    lua_Integer most_of = luaL_optinteger(L, 4, m.text_end - m.text + 1), n = 0;
    luaL_argexpected(L,
                     type == LUA_TNUMBER || type == LUA_TSTRING || type == LUA_TFUNCTION ||
                         type == LUA_TTABLE,
                     3, "string/function/table");
    bool anchored = *p == '^', changed = false;
    p += anchored;
    luaL_Buffer b;
    luaL_buffinit(L, &b);
    while (n < most_of) {
        const char *to = match_at(&m, s, p);
        if (to && to != last) {
            n++;
            changed = add_value(&m, &b, s, to) || changed;
            s = last = to;
        } else if (s < m.text_end) {
            luaL_addchar(&b, *s++);
        } else {
            break;
        }
        if (anchored) {
            break;
        }
    }
    if (changed) {
        luaL_addlstring(&b, s, (size_t)(m.text_end - s));
        luaL_pushresult(&b);
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, n);
    return 2;
}

const luaL_Reg sl_pattern_functions[] = {
    {"find", l_find}, {"match", l_match}, {"gmatch", l_gmatch}, {"gsub", l_gsub}, {NULL, NULL},
};
