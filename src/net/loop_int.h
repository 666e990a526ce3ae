/* What the other files of net/ see of the loop. */
#ifndef SQ_NET_LOOP_INT_H
#define SQ_NET_LOOP_INT_H

#include "net/loop.h"

#define SQ_ARENA_ALIGN 64

/* Bump allocator for the datagrams of one iteration: emptied after the flush hooks. */
struct sq_arena {
    uint8_t *bytes;
    size_t size;
    size_t used;
};

static inline void sq_arena_take(struct sq_arena *arena, size_t bytes)
{
    arena->used += (bytes + SQ_ARENA_ALIGN - 1) & ~(size_t)(SQ_ARENA_ALIGN - 1);
}

struct sq_arena *sq_loop_arena(struct sq_loop *loop);
/* Is work done in slots now? */
bool sq_loop_coalescing(const struct sq_loop *loop);
/* Work was left over: the next iteration comes without a sleep. */
void sq_loop_more(struct sq_loop *loop);
/* So many watches are ready that asking once more, for all of them, is cheaper than asking each. */
bool sq_loop_crowded(const struct sq_loop *loop);
/* From the beginning of the iteration before to that of the present one. */
uint64_t sq_loop_step_ns(const struct sq_loop *loop);

/* Many sockets at a time: while the loop coalesces, the readiness of `gathered` watches is handed
 * over together. */
struct sq_gather {
    void (*ready)(void *ctx, struct sq_watch *const *watches, size_t n); /* n <= SQ_GATHER_MAX */
    void (*flush)(void *ctx); /* after the flush hooks of every iteration, and before waiting */
    void (*free)(void *ctx);  /* with the loop */
    void *ctx;
};

#define SQ_GATHER_MAX 32

/* NULL: there is none. */
void *sq_loop_gather_ctx(const struct sq_loop *loop);
/* May one be set? Only once, and not where the loop's options exclude it. */
bool sq_loop_may_gather(const struct sq_loop *loop);
/* NULL for good: it does not work here. */
void sq_loop_set_gather(struct sq_loop *loop, const struct sq_gather *gather);
/* One more system call that worked for many sockets. */
void sq_loop_count_gathered(struct sq_loop *loop);
/* Runs the flush hooks in the midst of an iteration, where no datagram is being delivered: the
 * arena is empty afterwards. */
void sq_loop_flush(struct sq_loop *loop);
/* The cache lines that serving `watch` reads, where known. */
void sq_watch_prefetch(const struct sq_watch *watch);

/* Services of this room that are made once a loop when first needed, and freed with it in the
 * reverse of this order; those of others: sq_loop_keep. */
enum sq_loop_service {
    SQ_SERVICE_DNS,
    SQ_SERVICE_HTTP,
    SQ_SERVICE_TLS,
    SQ_SERVICE_LINKS,
    SQ_SERVICE_HTTP_RELAYS, /* behind the links that they go over: freed before them */
    SQ_SERVICE_COUNT
};

void *sq_loop_service(const struct sq_loop *loop, enum sq_loop_service which);
void sq_loop_set_service(struct sq_loop *loop, enum sq_loop_service which, void *service,
                         void (*free_fn)(void *service));

#endif
