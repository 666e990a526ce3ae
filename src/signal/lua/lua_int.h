/* Inside of the Lua adapter. A thread has one Lua state, which hangs on its loop, and each user in
 * it an environment and its tasks: coroutines. Whoever waits has left a note in its task and
 * yielded; events mark tasks, and a timer of the user resumes them, never from within another's
 * call. No Lua runs but there.
 *
 * A function of the API that fails leaves by lua_error, which jumps: nothing that it owns may be
 * unknown to somebody by then. */
#ifndef SQ_SIGNAL_LUA_LUA_INT_H
#define SQ_SIGNAL_LUA_LUA_INT_H

#include "base/mem.h"
#include "base/rand.h"
#include "base/str.h"
#include "base/time.h"
#include "net/http.h"
#include "net/loop.h"
#include "net/ws.h"
#include "signal/lua/script.h"
#include "signal/session.h"
#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#define SL_FULL_NS      (500 * SQ_NS_PER_MS) /* of a second: most of what a thread does */
#define SL_CPU_NS       (100 * SQ_NS_PER_MS) /* of the thread, until a task waits again */
#define SL_HOOK_STEPS   100                  /* instructions between two looks at that */
#define SL_SPEND_STEPS  10000                /* steps of C functions between two looks */
#define SL_BYTES_A_STEP 16                   /* of text that is passed over at once */
#define SL_LOOK_BYTES   (4UL * 1024 * 1024)  /* taken between two looks */
#define SL_STATE_BYTES  (1024UL * 1024 * 1024)
#define SL_RESUME_BYTES (32UL * 1024 * 1024) /* taken until a task waits again */
/* No text is longer, as no message is: what a single instruction does with it is over soon ("<", or
 * arithmetic), and nothing looks at the budget within one. */
#define SL_TEXT_BYTES   (1024UL * 1024)
#define SL_TASKS_MAX    256
#define SL_QUEUE_BYTES  (4UL * 1024 * 1024) /* messages of a socket that nobody has asked for */
#define SL_HEADERS_MAX  32
#define SL_TIMERS_MAX   16
#define SL_BYE_NS       (2 * SQ_NS_PER_SEC)
#define SL_CAND_MID_MAX 32
#define SL_JSON_DEPTH   64

struct sl_shard {
    lua_State *L;
    struct sl_task *task;      /* that runs; NULL: none */
    struct sl_socket *closing; /* WebSockets of users that are gone, until they are closed */
    size_t bytes, bytes_at_resume;
    size_t bytes_since; /* taken since the last look at the clock, though they be free again */
    size_t steps;       /* of C functions since then */
    /* When the budget is over: never before that by the clock, which is quicker to ask. */
    uint64_t until_ns, cpu_until_ns;
    /* How long scripts ran within one iteration of the loop, whoever's: in that which is `stretch`,
     * and at most, with the place of the longest of them. */
    uint64_t stretch, stretch_ns, stretch_top_ns, longest_ns;
    char stretch_place[80], longest_place[80];
    uint64_t second, second_ns, full_seconds; /* of the clock; what scripts took in it */
    bool too_long, too_much, too_wide;        /* too_wide: a text */
};

struct sl_task {
    struct sl_task *next;
    struct sq_signal *peer;
    lua_State *co;
    int ref, args; /* args: to be passed when it begins */
    struct sq_timer timer;
    const void *on;   /* what it waits for; NULL: its time alone */
    const char *what; /* the same for people: the function of the API */
    uint64_t deadline_ns;
    bool waits, ready, over;
};

struct sl_message {
    struct sl_message *next;
    size_t len;
    bool is_text;
    char bytes[]; /* with a NUL behind them */
};

struct sl_queue {
    struct sl_message *first, *last;
    size_t bytes;
};

struct sl_socket {
    struct sl_socket *next, **prev; /* prev: of one that outlives its user */
    struct sq_signal *peer;         /* ... and has none */
    struct sq_ws *ws;               /* NULL once it has ended */
    struct sl_queue in;
    bool open, ended, flooded;
    enum sq_cause cause; /* NONE: closed in order */
    int code;
    char text[160];
};

struct sl_request {
    struct sl_request *next;
    struct sq_signal *peer;
    struct sq_http *http;
    bool done;
    int err, status;
    enum sq_cause cause;
    char text[160];
    char *body, *headers, *url; /* owned; headers: "name\0value\0…\0" */
    size_t body_len;
};

struct sl_candidate {
    char *text; /* owned */
    char mid[SL_CAND_MID_MAX];
    int mline;
};

struct sl_channel {
    struct sl_channel *next;
    struct sq_signal *peer;
    struct sq_channel *channel; /* NULL once it is closed */
    struct sl_queue in;
    bool open, taken; /* taken: the script has it */
    char label[64];
};

struct sl_pc {
    struct sl_pc *next;
    struct sq_signal *p;
    struct sq_peer *peer; /* NULL: not made yet, or not to be touched any more */
    char label[12];
    bool audio, video, data; /* of the user's, which it takes up */
    struct sl_candidate *candidates;
    size_t candidates_len, candidates_max, given;
    bool gathered, closed, made;
    bool restart, restarting; /* the next offer restarts ICE; the one that is open does */
    unsigned generation;      /* of ICE */
    char *local;              /* the description that was made last */
    const char *local_type, *signaling;
    enum sq_peer_state state;
    struct sl_channel *channels;
};

struct sl_timer {
    const char *name; /* of the script's list */
    uint64_t began_ns;
};

struct sq_signal {
    struct sq_session s;
    const struct sq_target *target;
    struct sl_shard *shard;
    struct sl_task *tasks, *main, *leaver;
    struct sq_timer soon, bye;
    int env_ref;
    struct sl_pc *pcs;
    struct sl_socket *sockets;
    struct sl_request *requests;
    struct sq_rand rand;
    struct sl_timer timers[SL_TIMERS_MAX];
    size_t timers_len;
    uint64_t thrown; /* hash of the words of the error that has a cause */
    enum sq_cause thrown_cause;
    bool leave_due, restart_due, closing, watching, asked, broken;
    enum sq_cause bye_cause;         /* of bye_text */
    char bye_text[SQ_PEER_TEXT_MAX]; /* what befell the script as it left; "" */
};

/* lua_state.c */

/* The state of the loop's thread, made where there is none. The loop's: borrowed. NULL: no memory.
 */
struct sl_shard *sl_shard_get(struct sq_loop *loop);
/* The same; NULL: no script has run on it. */
struct sl_shard *sl_shard_find(const struct sq_loop *loop);
/* Does it compile? SQ_ERR_FORMAT: `why` is "FILE:LINE: what"; SQ_ERR_NOMEM. */
int sl_compile_check(const struct sq_lua_file *file, char *why, size_t why_room) SQ_MUST_USE;
/* Pushes the function of a file, compiled once a state. Raises. */
void sl_push_file(lua_State *L, const struct sq_lua_file *file);
/* Makes the table on top read-only: an empty one in its place looks into it. */
void sl_freeze(lua_State *L);
/* Pushes a new environment of a user. Raises. */
void sl_push_env(lua_State *L, struct sq_signal *p);

/* lua_task.c */

static inline struct sl_shard *sl_shard_of(lua_State *L)
{
    return *(struct sl_shard **)lua_getextraspace(L);
}
/* The user that runs. */
static inline struct sq_signal *sl_user(lua_State *L)
{
    return sl_shard_of(L)->task->peer;
}
static inline uint64_t sl_now(const struct sq_signal *p)
{
    return sq_loop_now(p->s.host->loop);
}
/* Raises "FILE:LINE: words" of the script's line at hand; a user that ends by it has this cause. */
int sl_raise(lua_State *L, enum sq_cause cause, const char *fmt, ...) SQ_PRINTF(3, 4);
/* The user's call is not over; else raises. */
void sl_must_live(lua_State *L, const struct sq_signal *p);
/* A C function that runs for long has done so many steps. Raises once the budget is used up. */
void sl_look(lua_State *L);
/* Is it used up? For whoever must not raise. */
bool sl_is_too_long(struct sl_shard *shard);
#define SL_TOO_LONG "the script computed for %d ms without waiting: an endless loop?"
static inline void sl_spend(lua_State *L, size_t steps)
{
    struct sl_shard *shard = sl_shard_of(L);
    shard->steps += steps;
    if (shard->steps >= SL_SPEND_STEPS) {
        sl_look(L);
    }
}
/* Waits: `k` is called when something befell `on` or the time is over, and looks which. `what`: the
 * API's function, for people; static. */
int sl_await(lua_State *L, const void *on, const char *what, uint64_t deadline_ns, lua_KContext ctx,
             lua_KFunction k);
/* As sq_signal_ops.tell_wait */
bool sl_tell_wait(const struct sq_signal *p, char text[static SQ_PEER_TEXT_MAX]);
bool sl_is_late(lua_State *L);
/* Tasks that wait for it are to look again. */
void sl_wake(struct sq_signal *p, const void *on);
/* A task of function and `args` arguments on top of the stack, which it takes. Raises. */
struct sl_task *sl_spawn(lua_State *L, struct sq_signal *p, int args);
void sl_run_soon(struct sq_signal *p);
/* Runs all tasks that are ready; false: the session is over by it. */
bool sl_run_tasks(struct sq_signal *p);
void sl_stop_tasks(struct sq_signal *p);
void sl_free_tasks(struct sq_signal *p);
/* As sq_signal_ops.longest_ns */
uint64_t sl_longest_ns(const struct sq_loop *loop, const char **ret_place);
/* A script began at this time of the clock and took so long: counts the seconds that scripts fill.
 */
void sl_note_second(struct sl_shard *shard, uint64_t at_ns, uint64_t took_ns);
/* As sq_signal_ops.full_seconds */
uint64_t sl_full_seconds(const struct sq_loop *loop);
/* An argument that is a time: seconds, or "500ms"; none: `otherwise`. Gives when it is over. */
uint64_t sl_deadline(lua_State *L, int arg, uint64_t otherwise_ns);
/* Remembers the cause of the error that is on top of the stack. */
void sl_note_thrown(lua_State *L, struct sq_signal *p, enum sq_cause cause);

/* lua_pattern.c: string.find, match, gmatch, gsub */
extern const luaL_Reg sl_pattern_functions[];

/* lua_bounds.c: pays for the arguments that are texts. */
void sl_spend_on_texts(lua_State *L);
/* Functions of Lua's that stand in the table on top of the stack, and pay for what
 * they do by sl_spend. */
void sl_make_paid(lua_State *L, const char *const *names);
/* Puts functions in the places of others, which they have as upvalue. */
void sl_bound(lua_State *L, const luaL_Reg *functions);
extern const luaL_Reg sl_bounded_strings[];
/* lua_tables.c */
extern const luaL_Reg sl_bounded_tables[];

/* Messages that came. False: no memory, or too many. */
bool sl_queue_put(struct sl_queue *q, const void *bytes, size_t len, bool is_text);
/* Pushes the first one and "text" or "binary", and frees it. Gives 2. */
int sl_queue_push(lua_State *L, struct sl_queue *q);
void sl_queue_free(struct sl_queue *q);
/* A table of headers at `arg`'s field as lines; they stay on the stack. Raises. */
void sl_read_headers(lua_State *L, int table, const char *lines[static SL_HEADERS_MAX + 1]);

/* Each opens a part of the API: leaves a table or a function on the stack. */
void sl_open_session(lua_State *L); /* sets session, metric, sleep, log, … in the table on top */
void sl_open_ws(lua_State *L);
void sl_open_http(lua_State *L);
void sl_open_json(lua_State *L);
void sl_open_pc(lua_State *L);
/* Pushes a new connection of the user. Raises. */
struct sl_pc *sl_push_pc(lua_State *L, struct sq_signal *p, const char *label);
/* The first argument. Raises where it is none. */
struct sl_pc *sl_pc_check(lua_State *L);
/* The same with its peer, which is made when it is first needed, with the user's tracks. Raises
 * where it is closed. */
struct sl_pc *sl_pc_live(lua_State *L);
/* Of its methods: lua_pc_stats.c, lua_channel.c */
int sl_pc_stats(lua_State *L);
int sl_pc_create_channel(lua_State *L);
int sl_pc_channel(lua_State *L);
void sl_open_channel(lua_State *L);
void sl_push_channel(lua_State *L, struct sl_channel *c);
/* Of the connection's events, those of channels. */
void sl_channel_event(struct sl_pc *pc, const struct sq_peer_event *event);
struct sl_channel *sl_channel_add(struct sl_pc *pc, struct sq_channel *channel);

void sl_pc_event(struct sq_signal *p, struct sq_peer *peer, const struct sq_peer_event *event);
/* Those that stand in a description of ours already are told as the others are. */
void sl_pc_keep_candidates(struct sl_pc *pc, const char *sdp);
/* The host has closed them. */
void sl_pcs_forget(struct sq_signal *p);
void sl_pcs_free(struct sq_signal *p);
/* Begins to close; true: none is open any more. */
bool sl_sockets_close(struct sq_signal *p);
/* The user goes. Those that are open are closed in order, and outlive it so long. */
void sl_sockets_leave(struct sq_signal *p);
/* Of users that are gone: at once. */
void sl_sockets_free(struct sl_shard *shard);
void sl_requests_free(struct sq_signal *p);

#endif
