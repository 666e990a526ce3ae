/* What the other files of net/ see of the loop. */
#ifndef SQ_NET_LOOP_INT_H
#define SQ_NET_LOOP_INT_H

#include "net/loop.h"

/* Bump allocator for the datagrams of one iteration: emptied after the flush hooks. */
struct sq_arena {
    uint8_t *bytes;
    size_t size;
    size_t used;
};

struct sq_arena *sq_loop_arena(struct sq_loop *loop);
/* Is work done in slots now? */
bool sq_loop_coalescing(const struct sq_loop *loop);
/* Work was left over: the next iteration comes without a sleep. */
void sq_loop_more(struct sq_loop *loop);
/* Number of the present iteration. */
uint64_t sq_loop_iteration(const struct sq_loop *loop);

/* Services that are made once a loop when first needed, and freed with it. */
enum sq_loop_service { SQ_SERVICE_DNS, SQ_SERVICE_HTTP, SQ_SERVICE_TLS, SQ_SERVICE_COUNT };

void *sq_loop_service(const struct sq_loop *loop, enum sq_loop_service which);
void sq_loop_set_service(struct sq_loop *loop, enum sq_loop_service which, void *service,
                         void (*free_fn)(void *service));

#endif
