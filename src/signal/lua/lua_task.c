/* Tasks: the coroutines of a user, what they wait for, and how they end. */
#include "signal/lua/lua_int.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define NO_MEMORY "not enough memory" /* Lua's own words */

/* ---- Errors ---- */

static uint64_t hash_of(const char *text)
{
    uint64_t hash = UINT64_C(0xcbf29ce484222325);
    for (; text && *text; text++) {
        hash = (hash ^ (unsigned char)*text) * UINT64_C(0x100000001b3); /* FNV-1a */
    }
    return hash;
}

void sl_note_thrown(lua_State *L, struct sq_signal *p, enum sq_cause cause)
{
    if (lua_type(L, -1) == LUA_TSTRING) {
        p->thrown = hash_of(lua_tostring(L, -1));
        p->thrown_cause = cause;
    } else {
        p->thrown = 0;
        p->thrown_cause = cause;
    }
}

/* The innermost line of the script's own files. False: none. */
static bool find_line(lua_State *L, lua_Debug *ar)
{
    for (int level = 0; lua_getstack(L, level, ar); level++) {
        if (lua_getinfo(L, "Sl", ar) && ar->source[0] == '@' && ar->currentline > 0) {
            return true;
        }
    }
    return false;
}

int sl_raise(lua_State *L, enum sq_cause cause, const char *fmt, ...)
{
    char text[SQ_PEER_TEXT_MAX];
    lua_Debug ar;
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (find_line(L, &ar)) {
        lua_pushfstring(L, "%s:%d: %s", ar.short_src, ar.currentline, text);
    } else {
        lua_pushstring(L, text);
    }
    sl_note_thrown(L, sl_user(L), cause);
    return lua_error(L);
}

void sl_must_live(lua_State *L, const struct sq_signal *p)
{
    if (sq_session_is_done(&p->s)) {
        sl_raise(L, SQ_CAUSE_SIGNALING, "the call is over");
    }
}

/* Does the message begin with "FILE:LINE:" of one of the script's files? */
static bool has_place(const struct sq_signal *p, const char *text)
{
    const struct sq_lua_script *script = p->s.user->script;
    for (size_t i = 0; i < script->files_len; i++) {
        size_t len = strlen(script->files[i].name);
        if (strncmp(text, script->files[i].name, len) == 0 && text[len] == ':') {
            return true;
        }
    }
    return false;
}

/* coroutine.wrap puts its own place before that of an error within: the inner one is where it is.
 */
static const char *innermost(const struct sq_signal *p, const char *words)
{
    while (p->thrown != hash_of(words) && has_place(p, words)) {
        const char *rest = strstr(words, ": ");
        if (!rest || !has_place(p, rest + 2)) {
            break;
        }
        words = rest + 2;
    }
    return words;
}

/* The user fails by what is on top of the coroutine's stack. */
static void fail(struct sl_task *task)
{
    struct sq_signal *p = task->peer;
    lua_State *co = task->co;
    lua_Debug ar;
    char place[sizeof(ar.short_src) + 16] = "";
    char text[SQ_PEER_TEXT_MAX], late[120];
    bool is_text = lua_type(co, -1) == LUA_TSTRING;
    const char *words = is_text ? lua_tostring(co, -1) : NULL;
    enum sq_cause cause = SQ_CAUSE_PROTOCOL;
    words = is_text ? innermost(p, words) : NULL;
    if ((is_text && p->thrown == hash_of(words)) || (!is_text && p->thrown == 0)) {
        cause = p->thrown_cause != SQ_CAUSE_NONE ? p->thrown_cause : SQ_CAUSE_SIGNALING;
    }
    if ((!is_text || !has_place(p, words)) && find_line(co, &ar)) {
        snprintf(place, sizeof(place), "%.59s:%d: ", ar.short_src, ar.currentline);
    }
    bool refused = is_text && strcmp(words, NO_MEMORY) == 0; /* see allocate */
    if (refused && p->shard->too_long) {
        snprintf(late, sizeof(late), SL_TOO_LONG, (int)(SL_CPU_NS / SQ_NS_PER_MS));
        words = late;
    } else if (refused && p->shard->too_wide) {
        words = "a text of more than 1 MiB: none may be longer";
    } else if (refused && p->shard->too_much) {
        words = "the script took too much memory (32 MiB until it waits, 1 GiB of all users of "
                "the thread)";
    }
    if (is_text) {
        snprintf(text, sizeof(text), "%s%.179s", place, words);
    } else {
        snprintf(text, sizeof(text), "%serror with a %s in the place of a text", place,
                 lua_typename(co, lua_type(co, -1)));
    }
    p->broken = true;
    if (!p->s.leaving) {
        sq_session_fail(&p->s, cause, "%s", text);
    } else if (!p->bye_text[0]) { /* told when it has left, in order */
        p->bye_cause = cause;
        memcpy(p->bye_text, text, sizeof(p->bye_text));
    }
}

/* ---- Budget ---- */

static void on_steps(lua_State *L, lua_Debug *ar);

static int too_long(lua_State *L)
{
    sl_shard_of(L)->too_long = true;
    /* Whoever catches it is stopped at its own next instruction. */
    lua_sethook(L, on_steps, LUA_MASKCOUNT, 1);
    return sl_raise(L, SQ_CAUSE_PROTOCOL, SL_TOO_LONG, (int)(SL_CPU_NS / SQ_NS_PER_MS));
}

bool sl_is_too_long(struct sl_shard *shard)
{
    shard->steps = shard->bytes_since = 0;
    shard->too_long = shard->too_long || (shard->task && sq_clock_ns() >= shard->until_ns &&
                                          sq_thread_cpu_ns() >= shard->cpu_until_ns);
    return shard->too_long;
}

void sl_look(lua_State *L)
{
    if (sl_is_too_long(sl_shard_of(L))) {
        too_long(L);
    }
}

static void on_steps(lua_State *L, lua_Debug *ar)
{
    (void)ar;
    sl_look(L);
}

/* ---- Running ---- */

static void on_deadline(void *ctx, uint64_t now_ns)
{
    (void)now_ns;
    struct sl_task *task = ctx;
    task->ready = true;
    sl_run_soon(task->peer);
}

/* What holds up the thread is one stretch, though it be of many scripts: each within its budget. It
 * ends with the loop's iteration: then timers that are due have their turn, however many scripts
 * run in the next one. Other programs have no part in it: it is CPU time. */
static void note_stretch(const struct sl_task *task, uint64_t took_ns)
{
    struct sl_shard *shard = task->peer->shard;
    uint64_t iteration = sq_loop_iteration(task->peer->s.host->loop);
    lua_Debug ar;
    if (iteration != shard->stretch) {
        shard->stretch = iteration;
        shard->stretch_ns = shard->stretch_top_ns = 0;
    }
    shard->stretch_ns += took_ns;
    if (took_ns > shard->stretch_top_ns) {
        shard->stretch_top_ns = took_ns;
        if (took_ns >= SQ_NS_PER_MS) { /* else nobody asks */
            if (find_line(task->co, &ar)) {
                snprintf(shard->stretch_place, sizeof(shard->stretch_place), "%.60s:%d",
                         ar.short_src, ar.currentline);
            } else {
                snprintf(shard->stretch_place, sizeof(shard->stretch_place), "%.60s",
                         task->peer->s.user->script->files[0].name);
            }
        }
    }
    if (shard->stretch_ns > shard->longest_ns) {
        shard->longest_ns = shard->stretch_ns;
        if (shard->stretch_top_ns >= SQ_NS_PER_MS) {
            memcpy(shard->longest_place, shard->stretch_place, sizeof(shard->longest_place));
        }
    }
}

void sl_note_second(struct sl_shard *shard, uint64_t at_ns, uint64_t took_ns)
{
    uint64_t second = at_ns / SQ_NS_PER_SEC;
    if (second != shard->second) {
        shard->second = second;
        shard->second_ns = 0;
    }
    bool was_full = shard->second_ns >= SL_FULL_NS;
    shard->second_ns += took_ns;
    shard->full_seconds += !was_full && shard->second_ns >= SL_FULL_NS;
}

uint64_t sl_full_seconds(const struct sq_loop *loop)
{
    const struct sl_shard *shard = sl_shard_find(loop);
    return shard ? shard->full_seconds : 0;
}

uint64_t sl_longest_ns(const struct sq_loop *loop, const char **ret_place)
{
    const struct sl_shard *shard = sl_shard_find(loop);
    *ret_place = shard ? shard->longest_place : "";
    return shard ? shard->longest_ns : 0;
}

/* False: it ended with an error. */
static bool resume(struct sl_task *task)
{
    struct sl_shard *shard = task->peer->shard;
    int results = 0;
    task->ready = task->waits = false;
    sq_timer_stop(&task->timer);
    shard->task = task;
    shard->too_long = shard->too_much = shard->too_wide = false;
    shard->bytes_at_resume = shard->bytes;
    shard->steps = shard->bytes_since = 0;
    shard->until_ns = sq_clock_ns() + SL_CPU_NS;
    shard->cpu_until_ns = sq_thread_cpu_ns() + SL_CPU_NS;
    lua_sethook(task->co, on_steps, LUA_MASKCOUNT, SL_HOOK_STEPS);
    int args = task->args;
    task->args = 0;
    int status = lua_resume(task->co, NULL, args, &results);
    shard->task = NULL;
    uint64_t took_ns = sq_thread_cpu_ns() + SL_CPU_NS - shard->cpu_until_ns;
    note_stretch(task, took_ns);
    sl_note_second(shard, shard->until_ns - SL_CPU_NS, took_ns);
    if (status == LUA_YIELD) {
        lua_pop(task->co, results);
        if (!task->waits) { /* coroutine.yield(): it goes on with the loop's next turn */
            struct sq_loop *loop = task->peer->s.host->loop;
            sq_timer_start(sq_loop_timers(loop), &task->timer, 0);
        }
        return true;
    }
    task->over = true;
    return status == LUA_OK;
}

static struct sl_task *next_ready(struct sq_signal *p)
{
    struct sl_task *task = p->tasks;
    while (task && !(task->ready && !task->over)) {
        task = task->next;
    }
    return task;
}

static void free_task(struct sl_task *task)
{
    sq_timer_stop(&task->timer);
    luaL_unref(task->peer->shard->L, LUA_REGISTRYINDEX, task->ref);
    sq_free(task);
}

static void sweep(struct sq_signal *p)
{
    struct sl_task **at = &p->tasks;
    while (*at) {
        struct sl_task *task = *at;
        if (task->over) {
            *at = task->next;
            p->main = p->main == task ? NULL : p->main;
            p->leaver = p->leaver == task ? NULL : p->leaver;
            free_task(task);
        } else {
            at = &task->next;
        }
    }
}

bool sl_run_tasks(struct sq_signal *p)
{
    struct sl_task *task;
    unsigned turns = 0;
    while (!p->s.over && !p->leave_due && (task = next_ready(p))) {
        if (!resume(task)) {
            fail(task);
            if (!p->s.leaving) {
                return !p->s.over;
            }
        }
        if (++turns == SL_TASKS_MAX) { /* others have their turn */
            sl_run_soon(p);
            break;
        }
    }
    if (!p->s.over) {
        sweep(p);
    }
    return !p->s.over;
}

void sl_run_soon(struct sq_signal *p)
{
    struct sq_loop *loop = p->s.host->loop;
    if (!sq_timer_active(&p->soon)) {
        sq_timer_start(sq_loop_timers(loop), &p->soon, 0);
    }
}

void sl_wake(struct sq_signal *p, const void *on)
{
    for (struct sl_task *task = p->tasks; task; task = task->next) {
        if (task->waits && task->on == on) {
            task->ready = true;
            sl_run_soon(p);
        }
    }
}

int sl_await(lua_State *L, const void *on, const char *what, uint64_t deadline_ns, lua_KContext ctx,
             lua_KFunction k)
{
    struct sl_task *task = sl_shard_of(L)->task;
    if (task->co != L) {
        return sl_raise(L, SQ_CAUSE_PROTOCOL,
                        "nothing can be waited for within coroutine.create or wrap: expected "
                        "spawn(function)");
    }
    task->on = on;
    task->what = what;
    task->deadline_ns = deadline_ns;
    task->waits = true;
    if (deadline_ns != SQ_NEVER) {
        sq_timer_start(sq_loop_timers(task->peer->s.host->loop), &task->timer, deadline_ns);
    }
    return lua_yieldk(L, 0, ctx, k);
}

bool sl_tell_wait(const struct sq_signal *p, char text[static SQ_PEER_TEXT_MAX])
{
    const struct sl_task *task = p->main;
    lua_Debug ar;
    if (!task || task->over) {
        return false;
    }
    if (find_line(task->co, &ar)) {
        snprintf(text, SQ_PEER_TEXT_MAX, "%.59s:%d: the script was still waiting (%s)",
                 ar.short_src, ar.currentline, task->waits ? task->what : "coroutine.yield");
    } else {
        snprintf(text, SQ_PEER_TEXT_MAX, "%.59s: the script had no turn yet",
                 p->s.user->script->files[0].name);
    }
    return true;
}

bool sl_is_late(lua_State *L)
{
    const struct sl_task *task = sl_shard_of(L)->task;
    return sl_now(task->peer) >= task->deadline_ns;
}

uint64_t sl_deadline(lua_State *L, int arg, uint64_t otherwise_ns)
{
    uint64_t now_ns = sl_now(sl_user(L));
    uint64_t took_ns = otherwise_ns;
    if (lua_type(L, arg) == LUA_TNUMBER) {
        double seconds = lua_tonumber(L, arg);
        if (!(seconds >= 0 && seconds <= 1e7)) {
            luaL_argerror(L, arg, "expected seconds from 0 on");
        }
        took_ns = (uint64_t)(seconds * 1e9);
    } else if (!lua_isnoneornil(L, arg) &&
               sq_parse_duration(luaL_checkstring(L, arg), &took_ns) != 0) {
        luaL_argerror(L, arg, "expected seconds, or a duration such as \"500ms\"");
    }
    return took_ns == SQ_NEVER ? SQ_NEVER : now_ns + took_ns;
}

/* ---- Life ---- */

struct sl_task *sl_spawn(lua_State *L, struct sq_signal *p, int args)
{
    unsigned n = 0;
    for (const struct sl_task *t = p->tasks; t; t = t->next) {
        n++;
    }
    if (n >= SL_TASKS_MAX) {
        luaL_error(L, "more than %d tasks of one user", SL_TASKS_MAX);
    }
    lua_State *co = lua_newthread(L);
    lua_insert(L, -args - 2);
    if (!lua_checkstack(co, args + 1)) {
        luaL_error(L, "too many arguments");
    }
    lua_xmove(L, co, args + 1);
    int ref = luaL_ref(L, LUA_REGISTRYINDEX);
    struct sl_task *task = sq_zalloc(sizeof(*task));
    if (!task) {
        luaL_unref(L, LUA_REGISTRYINDEX, ref);
        luaL_error(L, "not enough memory");
        return NULL;
    }
    task->peer = p;
    task->co = co;
    task->ref = ref;
    task->args = args;
    task->ready = true;
    sq_timer_init(&task->timer, on_deadline, task);
    struct sl_task **last = &p->tasks;
    while (*last) {
        last = &(*last)->next;
    }
    *last = task;
    sl_run_soon(p);
    return task;
}

void sl_stop_tasks(struct sq_signal *p)
{
    for (struct sl_task *task = p->tasks; task; task = task->next) {
        task->over = true;
        sq_timer_stop(&task->timer);
    }
    sweep(p);
}

void sl_free_tasks(struct sq_signal *p)
{
    sl_stop_tasks(p);
    sq_timer_stop(&p->soon);
}

/* ---- Messages ---- */

bool sl_queue_put(struct sl_queue *q, const void *bytes, size_t len, bool is_text)
{
    struct sl_message *m =
        q->bytes + len <= SL_QUEUE_BYTES ? sq_malloc(sizeof(*m) + len + 1) : NULL;
    if (!m) {
        return false;
    }
    *m = (struct sl_message){.len = len, .is_text = is_text};
    if (len > 0) {
        memcpy(m->bytes, bytes, len);
    }
    m->bytes[len] = '\0';
    if (q->last) {
        q->last->next = m;
    } else {
        q->first = m;
    }
    q->last = m;
    q->bytes += len;
    return true;
}

static void drop_first(struct sl_queue *q)
{
    struct sl_message *m = q->first;
    q->first = m->next;
    q->last = q->first ? q->last : NULL;
    q->bytes -= m->len;
    sq_free(m);
}

int sl_queue_push(lua_State *L, struct sl_queue *q)
{
    lua_pushlstring(L, q->first->bytes, q->first->len); /* raises: it stays in the queue */
    lua_pushstring(L, q->first->is_text ? "text" : "binary");
    drop_first(q);
    return 2;
}

void sl_queue_free(struct sl_queue *q)
{
    while (q->first) {
        drop_first(q);
    }
}

void sl_read_headers(lua_State *L, int table, const char *lines[static SL_HEADERS_MAX + 1])
{
    size_t n = 0;
    lines[0] = NULL;
    if (!lua_istable(L, table) || lua_getfield(L, table, "headers") == LUA_TNIL) {
        return;
    }
    luaL_checktype(L, -1, LUA_TTABLE);
    int headers = lua_gettop(L);
    luaL_checkstack(L, SL_HEADERS_MAX + LUA_MINSTACK, "headers"); /* and what comes on top */
    lua_pushnil(L);
    while (lua_next(L, headers)) {
        if (n == SL_HEADERS_MAX || lua_type(L, -2) != LUA_TSTRING || !lua_isstring(L, -1)) {
            luaL_error(L, "headers: expected up to %d names, each with a text", SL_HEADERS_MAX);
        }
        const char *line = lua_pushfstring(L, "%s: %s", lua_tostring(L, -2), lua_tostring(L, -1));
        if (strpbrk(line, "\r\n")) {
            luaL_error(L, "headers: a line break in '%s'", lua_tostring(L, -3));
        }
        lines[n++] = line;
        lines[n] = NULL;
        lua_replace(L, -2); /* the line stays below, the name goes on top for lua_next */
        lua_insert(L, -2);
    }
}
