/* The event loop: one for each thread, nothing shared between loops. Only sq_loop_post,
 * sq_loop_wake and sq_loop_stop may be called from another thread.
 *
 * An iteration: wait; read the clock once; fire timers; call the watches of ready descriptors; run
 * what other threads posted; run the flush hooks, where batched packets are sent. Datagrams
 * received in an iteration stay valid until its flush hooks have run (see net/udp.h).
 *
 * Coalescing: at low load the loop reacts at once. Where the load is high it sleeps to the next
 * 1 ms slot, so that work comes in batches and each wake-up serves many sockets; datagrams are then
 * received and sent many sockets at a time (net/ring.h) where the kernel has io_uring.
 */
#ifndef SQ_NET_LOOP_H
#define SQ_NET_LOOP_H

#include "base/err.h"
#include "net/timer.h"
#include <stdbool.h>
#include <stdint.h>

struct sq_loop;

enum sq_coalesce { SQ_COALESCE_AUTO, SQ_COALESCE_ON, SQ_COALESCE_OFF };

#define SQ_LOOP_POST_MAX    65536         /* posted calls waiting; then SQ_ERR_NOSPACE */
#define SQ_LOOP_ARENA_BYTES (1024 * 1024) /* default room for datagrams of one iteration */
#define SQ_LOOP_KEPT_MAX    4             /* things of others that hang on a loop */

/* Zero-initialise for the defaults. */
struct sq_loop_options {
    enum sq_coalesce coalesce;
    size_t rx_arena_bytes; /* 0: SQ_LOOP_ARENA_BYTES; at least 128 KiB */
    bool no_uring;         /* a system call a datagram, at high load too */
};

struct sq_loop_stats {
    uint64_t iterations;
    uint64_t coalesced; /* iterations that slept to a slot first */
    uint64_t gathered;  /* system calls that worked for many sockets */
    uint64_t events;    /* ready descriptors served */
    uint64_t timers_fired;
    uint64_t posted;
    uint64_t busy_ns;         /* time not spent waiting (wall clock, not CPU) */
    uint64_t lateness_max_ns; /* of timers, since the loop was made */
    size_t timers;            /* running now */
    size_t watches;           /* now */
};

/* Interest and readiness. SQ_HANGUP is only told (error or peer gone), never asked for. SQ_PEER_END
 * is only asked for: a stream's other side will send no more, told as SQ_HANGUP. */
enum { SQ_READ = 1, SQ_WRITE = 2, SQ_HANGUP = 4, SQ_PEER_END = 8 };

typedef void (*sq_watch_fn)(void *ctx, unsigned ready);
typedef void (*sq_loop_fn)(void *ctx);

/* A watched descriptor; embedded by the owner, who keeps the descriptor and must stop the watch
 * before closing it. Its fields are the loop's. Zero-initialised means not started. */
struct sq_watch {
    struct sq_loop *loop; /* NULL while stopped */
    int fd;
    unsigned interest;
    bool gathered; /* net/udp's alone */
    sq_watch_fn fn;
    void *ctx;
    const void *reads; /* the owner's, optional: 128 bytes that fn reads, as of a sq_timer */
};

/* A function run at the end of every iteration; embedded by the owner. */
struct sq_flush_hook {
    struct sq_flush_hook *next, **prev; /* prev is NULL while off */
    struct sq_loop *loop;
    sq_loop_fn fn;
    void *ctx;
};

/* options NULL: defaults. SQ_ERR_NOMEM, or SQ_ERR_IO with errno. */
int sq_loop_new(const struct sq_loop_options *options, struct sq_loop **ret_loop) SQ_MUST_USE;
/* NULL is allowed. Watches, timers and hooks of others must be stopped before; posted calls that
 * never ran are dropped. */
void sq_loop_free(struct sq_loop *loop);

/* Runs until sq_loop_stop. SQ_ERR_IO if waiting fails. */
int sq_loop_run(struct sq_loop *loop) SQ_MUST_USE;
/* One iteration that waits at most max_wait_ns (0: only what is ready; SQ_NEVER: no bound). */
int sq_loop_run_once(struct sq_loop *loop, uint64_t max_wait_ns) SQ_MUST_USE;
/* Any thread. The present iteration is finished first; the next sq_loop_run runs anew. */
void sq_loop_stop(struct sq_loop *loop);

/* Number of the present iteration. */
uint64_t sq_loop_iteration(const struct sq_loop *loop);
/* CLOCK_MONOTONIC as read at the start of this iteration. */
uint64_t sq_loop_now(const struct sq_loop *loop);
/* Reads the clock again (after long work); returns it. */
uint64_t sq_loop_refresh_now(struct sq_loop *loop);
/* Wall clock minus monotonic clock, in ns; at most 100 ms old. */
int64_t sq_loop_wall_offset_ns(struct sq_loop *loop);
struct sq_timer_wheel *sq_loop_timers(struct sq_loop *loop);
void sq_loop_set_coalesce(struct sq_loop *loop, enum sq_coalesce coalesce);
/* fn may be NULL. */
void sq_loop_on_lateness(struct sq_loop *loop, sq_lateness_fn fn, void *ctx);
void sq_loop_get_stats(const struct sq_loop *loop, struct sq_loop_stats *ret_stats);

/* Watches level-triggered. SQ_ERR_IO (errno) if the kernel refuses. */
int sq_watch_start(struct sq_loop *loop, struct sq_watch *watch, int fd, unsigned interest,
                   sq_watch_fn fn, void *ctx) SQ_MUST_USE;
int sq_watch_set(struct sq_watch *watch, unsigned interest) SQ_MUST_USE;
/* Allowed on a stopped one, and from any callback: no event of it is delivered afterwards. */
void sq_watch_stop(struct sq_watch *watch);

/* Runs fn(ctx) in the loop's thread. From any thread; calls of one thread keep their order.
 * SQ_ERR_NOMEM, SQ_ERR_NOSPACE: fn will not run. */
int sq_loop_post(struct sq_loop *loop, sq_loop_fn fn, void *ctx) SQ_MUST_USE;
/* Ends a wait. Any thread. */
void sq_loop_wake(struct sq_loop *loop);

/* What a room above needs once a thread, made when first needed. `key` is an address that only that
 * room knows. The loop owns `thing` from then on, and frees it with itself: after all that ran on
 * it was stopped, before what net/ has made, the last one first. SQ_ERR_NOSPACE: not taken. */
int sq_loop_keep(struct sq_loop *loop, const void *key, void *thing,
                 void (*free_fn)(void *thing)) SQ_MUST_USE;
/* Borrowed; NULL: there is none. */
void *sq_loop_kept(const struct sq_loop *loop, const void *key);

/* The hook is borrowed until sq_loop_off_flush, which is allowed on one that is not on. */
void sq_loop_on_flush(struct sq_loop *loop, struct sq_flush_hook *hook, sq_loop_fn fn, void *ctx);
void sq_loop_off_flush(struct sq_flush_hook *hook);

#endif
