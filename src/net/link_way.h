/* One direction of a link: which datagrams get through, and when. Knows no clock and no socket:
 * whoever drives it says what time it is, which never runs backwards (an earlier time counts as the
 * latest). */
#ifndef SQ_NET_LINK_WAY_H
#define SQ_NET_LINK_WAY_H

#include "base/rand.h"
#include "net/held.h"
#include "net/link.h"

/* What each datagram touches stands together. */
struct sq_way {
    struct sq_held_list queue; /* before the bottleneck; the first one is passing it, ... */
    uint64_t first_done_ns;    /* ... until then */
    uint64_t queue_bytes;
    struct sq_held_list flight; /* past it, by due_ns */
    uint64_t last_due_ns;       /* the latest, without what is sent again */
    uint64_t now_ns;
    size_t held; /* in both */
    struct sq_held_pool *pool;
    bool bad;           /* the state of the bursts */
    bool chancy, clear; /* of the settings: some are lost, altered or come twice; nothing is held */
    struct sq_link_counters counters;
    struct sq_link_way config;
    struct sq_rand rand;
};

/* `pool` is borrowed. */
void sq_way_init(struct sq_way *way, const struct sq_link_way *config, uint64_t seed,
                 struct sq_held_pool *pool);
void sq_way_set(struct sq_way *way, const struct sq_link_way *config, uint64_t now_ns);
/* Frees what it holds. */
void sq_way_clear(struct sq_way *way);

/* Nothing would happen to a datagram of now: it may pass without being held. */
bool sq_way_is_clear(const struct sq_way *way);
/* Counts one that passed so. */
void sq_way_pass(struct sq_way *way, size_t wire_bytes);
/* Is the next datagram lost? Draws: once a datagram. */
bool sq_way_loses(struct sq_way *way);
/* Is there room before the bottleneck for one of so many bytes? */
bool sq_way_has_room(struct sq_way *way, size_t wire_bytes, uint64_t now_ns);
/* Takes one in, filled but for due_ns; it is freed if the queue is full (false), unless it is of a
 * stream, which has asked before. */
bool sq_way_enter(struct sq_way *way, struct sq_held *held, uint64_t now_ns);
/* When the next one may be due; SQ_NEVER: it holds nothing. */
uint64_t sq_way_next_ns(const struct sq_way *way);
/* The next one that is due by now, the caller's from here on, who also takes it off its count;
 * NULL: none. */
struct sq_held *sq_way_take(struct sq_way *way, uint64_t now_ns);
/* The same of the next ones that are of one port, `most` of them at most; returns how many. */
size_t sq_way_take_run(struct sq_way *way, uint64_t now_ns, struct sq_held **ret_run, size_t most);
/* Fetches into the cache what sq_way_take_run reads first: at first its own, then the datagram,
 * then what is in it. */
void sq_way_prefetch(const struct sq_way *way, unsigned step);
/* Frees what it holds of this port. */
void sq_way_forget(struct sq_way *way, const struct sq_link_port *port);

#endif
