/* Link emulation: what lies between a client and the network, in each direction by itself. Sockets
 * that are opened on a link (udp.h, stream.h) send and receive through it; all sockets of a user
 * share one, as the programs on a machine share its access line.
 *
 * A datagram's way: lost or not; into the queue before the bottleneck, if there is room; through it
 * at the link's rate; then on its way for the delay and its jitter; there it may be altered or
 * arrive twice. The same seed and the same datagrams at the same times meet the same fate.
 *
 * Rates and queues count whole IP packets: 28 bytes more than a UDP datagram over IPv4, 48 over
 * IPv6. */
#ifndef SQ_NET_LINK_H
#define SQ_NET_LINK_H

#include "base/err.h"
#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct sq_loop;
struct sq_link;

/* A queue whose size nobody said: so long at the link's rate, and so many bytes at least. */
#define SQ_LINK_QUEUE_DEFAULT_NS  (300 * SQ_NS_PER_MS)
#define SQ_LINK_QUEUE_LEAST_BYTES 7500

#define SQ_LINK_RATE_MIN_BPS 1000
#define SQ_LINK_DELAY_MAX_NS (60 * SQ_NS_PER_SEC)
#define SQ_LINK_HELD_MAX     16384 /* datagrams on their way in one direction; more are dropped */

/* Loss in bursts: two states with a loss each (Gilbert 1960, Elliott 1963). All are probabilities a
 * datagram. Zeros: none. */
struct sq_link_bursts {
    double to_bad, to_good;     /* that the state changes before the datagram */
    double loss_good, loss_bad; /* that it is lost in the state */
};

/* One direction. Zeros: nothing happens to what passes. */
struct sq_link_way {
    double rate_bps;      /* 0: no bottleneck */
    uint64_t queue_bytes; /* that wait before it at most, the packet in it included; 0: queue_ns */
    uint64_t queue_ns;    /* ... by time at the rate; both 0: the default above */
    uint64_t delay_ns;
    uint64_t jitter_ns; /* the delay lies evenly between delay - jitter (0 at least) and delay +
                           jitter */
    bool reorder;       /* one with less delay overtakes; else it waits for those before */
    double loss;        /* a datagram by itself; 0 to 1 */
    struct sq_link_bursts bursts; /* besides */
    double duplicate;             /* arrives a second time, with a jitter of its own */
    double corrupt; /* one bit of the payload is wrong (and the checksum right, as with a broken
                       middlebox: the kernel of the receiver would drop it otherwise) */
};

/* What a firewall lets out. What it does not, vanishes: no answer says so. */
enum sq_firewall {
    SQ_FIREWALL_NONE,
    SQ_FIREWALL_NO_UDP, /* TCP only */
    SQ_FIREWALL_WEB,    /* TCP to ports 80 and 443 only */
    SQ_FIREWALL_HTTPS   /* TCP to port 443 only */
};

struct sq_link_config {
    struct sq_link_way up, down; /* away from the client, and towards it */
    enum sq_firewall firewall;
    bool outage; /* nothing comes onto it, in either direction; what is on its way arrives */
};

struct sq_link_counters {
    uint64_t offered, lost, queue_dropped, duplicated, corrupted, delivered;
    uint64_t bytes;     /* of IP packets, delivered */
    uint64_t datagrams; /* of those offered: the others are of streams, and never altered */
};

/* Is every number in its range? SQ_ERR_INVALID and, in ret_why, a sentence that names it. */
int sq_link_check(const struct sq_link_config *config, char *ret_why, size_t size) SQ_MUST_USE;

/* `config` is copied, `loop` borrowed: it outlives the link. SQ_ERR_NOMEM, SQ_ERR_INVALID. */
int sq_link_create(struct sq_loop *loop, const struct sq_link_config *config, uint64_t seed,
                   struct sq_link **ret_link) SQ_MUST_USE;
/* Holds from now on: what waits before a bottleneck leaves at the new rate, what has passed it
 * keeps its time. SQ_ERR_INVALID leaves all as it was. */
int sq_link_set(struct sq_link *link, const struct sq_link_config *config) SQ_MUST_USE;
const struct sq_link_config *sq_link_config(const struct sq_link *link);
void sq_link_get_counters(const struct sq_link *link, struct sq_link_counters *ret_up,
                          struct sq_link_counters *ret_down);
/* One more owner: as many have to release it. */
void sq_link_retain(struct sq_link *link);
/* An owner lets go of it; it stays until its sockets are closed and what they sent has left. NULL
 * is allowed. */
void sq_link_release(struct sq_link *link);

/* May a client connect by TCP to that port, as far as the firewall goes? */
bool sq_link_lets_tcp(const struct sq_link *link, uint16_t port);
bool sq_link_lets_udp(const struct sq_link *link);
bool sq_link_is_out(const struct sq_link *link);
/* A client connects to that port for HTTP, or tries to. */
void sq_link_note_http(struct sq_link *link, uint16_t port);
/* The port that it last connected to for HTTP, if the firewall stops that; else 0. */
uint16_t sq_link_stopped_port(const struct sq_link *link);

#endif
