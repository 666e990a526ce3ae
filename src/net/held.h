/* Datagrams that a link holds: what they are kept in, lists of them, and where their memory comes
 * from. */
#ifndef SQ_NET_HELD_H
#define SQ_NET_HELD_H

#include "base/addr.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sq_link_port;

struct sq_held {
    struct sq_held *next, *prev;
    struct sq_link_port *port; /* the socket's end at the link */
    size_t *count;             /* of those of that port that the link holds */
    uint64_t due_ns;           /* leaves the link */
    uint64_t late_ns;          /* of a stream: what making good its loss takes */
    uint64_t *order_ns;        /* of a stream: when the segment before is due; NULL: a datagram */
    uint32_t wire_bytes;       /* of its IP packet */
    uint32_t len;
    struct sq_addr addr; /* where it goes to, or came from; AF_UNSPEC: the connected remote */
    _Alignas(16) uint8_t data[];
};

/* The first one's `prev` says nothing: taking from the front leaves the next one untouched, which
 * is in no cache then. */
struct sq_held_list {
    struct sq_held *first, *last;
};

void sq_held_append(struct sq_held_list *list, struct sq_held *held);
/* Behind all that are due no later. */
void sq_held_insert(struct sq_held_list *list, struct sq_held *held);
void sq_held_remove(struct sq_held_list *list, struct sq_held *held);
/* The first, taken out; NULL: none. */
struct sq_held *sq_held_take(struct sq_held_list *list);

/* Blocks that were given back wait for the next taker, a list a size. */
#define SQ_HELD_SIZES 2
struct sq_held_pool {
    struct sq_held *free[SQ_HELD_SIZES];
    size_t free_len[SQ_HELD_SIZES];
};

/* Room for `len` bytes; only len is set. NULL without memory. */
struct sq_held *sq_held_new(struct sq_held_pool *pool, size_t len);
void sq_held_free(struct sq_held_pool *pool, struct sq_held *held);
void sq_held_pool_clear(struct sq_held_pool *pool);

#endif
