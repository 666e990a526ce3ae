/* Timers: a hierarchical wheel with slots of 1 ms. Start and stop cost the same whatever the number
 * of timers or their distance. A timer is embedded by its owner, so nothing is allocated.
 *
 * A timer never fires early; it fires at the first slot boundary at or after its deadline, so up to
 * 1 ms late by design, and all timers of one slot fire together in the order they were started.
 * The wheel reads no clock: its owner passes `now_ns`. Not thread-safe: one wheel a loop.
 */
#ifndef SQ_NET_TIMER_H
#define SQ_NET_TIMER_H

#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_TIMER_SLOT_NS    SQ_NS_PER_MS
#define SQ_TIMER_LEVELS     6 /* 6 levels of 256 slots: 2^48 ms, more than 64 bits of ns */
#define SQ_TIMER_LEVEL_BITS 8
#define SQ_TIMER_SLOTS      256

struct sq_timer;
/* The timer is stopped when this runs; it may start itself again, stop others, or free its owner.
 */
typedef void (*sq_timer_fn)(void *ctx, uint64_t now_ns);
/* Told for every timer that fires, but those started with deadline 0 ("at once"): how far behind
 * its deadline. */
typedef void (*sq_lateness_fn)(void *ctx, uint64_t lateness_ns);

struct sq_timer_link {
    struct sq_timer_link *next, *prev;
};

/* Embedded by the owner, who must stop it before the memory goes. Zero-initialised or
 * sq_timer_init; its fields are the wheel's. */
struct sq_timer {
    struct sq_timer_link link; /* next is NULL while stopped */
    struct sq_timer_wheel *wheel;
    uint64_t deadline_ns;
    sq_timer_fn fn;
    void *ctx;
    /* The owner's, optional: 128 bytes that fn reads first. With thousands of timers they are not
     * in the cache, and are fetched while those before are at work. What lies behind them, `ahead`
     * fetches: called with `reads` and the steps 0, 1 and 2, a timer apart each. */
    const void *reads;
    void (*ahead)(const void *reads, unsigned step);
};

struct sq_timer_wheel {
    uint64_t tick;   /* the last slot that was processed */
    uint64_t target; /* the last one of the advance at hand, or of the latest */
    size_t count;    /* timers running */
    uint64_t used[SQ_TIMER_LEVELS][SQ_TIMER_SLOTS / 64];
    struct sq_timer_link due; /* deadline was past already when started */
    struct sq_timer_link slots[SQ_TIMER_LEVELS][SQ_TIMER_SLOTS];
};

void sq_timer_wheel_init(struct sq_timer_wheel *wheel, uint64_t now_ns);
/* Fires what is due at now_ns; `lateness` is nullable. A timer that a callback starts with a
 * deadline in the past fires in the next call, not in this one. Returns how many fired. */
size_t sq_timer_wheel_advance(struct sq_timer_wheel *wheel, uint64_t now_ns,
                              sq_lateness_fn lateness, void *lateness_ctx);
/* When sq_timer_wheel_advance must next be called, or SQ_NEVER. May be before the first timer's
 * deadline (never after its slot): far timers move down the levels on the way. */
uint64_t sq_timer_wheel_next_ns(const struct sq_timer_wheel *wheel);

void sq_timer_init(struct sq_timer *timer, sq_timer_fn fn, void *ctx);
/* Starts, or moves a running one. A past deadline fires at the next advance; SQ_NEVER stops it. */
void sq_timer_start(struct sq_timer_wheel *wheel, struct sq_timer *timer, uint64_t deadline_ns);
/* Allowed on a stopped one. */
void sq_timer_stop(struct sq_timer *timer);

static inline bool sq_timer_active(const struct sq_timer *timer)
{
    return timer->link.next != NULL;
}

#endif
