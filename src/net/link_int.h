/* A link as sockets see it: each has a port, through which all that it sends and receives goes. */
#ifndef SQ_NET_LINK_INT_H
#define SQ_NET_LINK_INT_H

#include "net/held.h"
#include "net/link.h"
#include "net/link_way.h"

enum sq_direction { SQ_UP, SQ_DOWN, SQ_DIRECTIONS };

/* Headers of IP and what is in it. */
#define SQ_IPV4_BYTES 20
#define SQ_IPV6_BYTES 40
#define SQ_UDP_BYTES  8
#define SQ_TCP_BYTES  32 /* with time-stamps, as Linux sends them */

#define SQ_LINK_RUN_MAX 64 /* that leave together; more are the next run */

struct sq_link_port_ops {
    /* These, in their order, left the link together in this direction: what is due by one time goes
     * on as a batch. Borrowed until this iteration's flush hooks have run, unless this returns
     * true: then they are the port's, for sq_link_free_held. The port may be closed in here. */
    bool (*leave[SQ_DIRECTIONS])(void *ctx, struct sq_held *const *run, size_t n);
    /* The port was closed, and nothing of it is left on the link: it may be freed. */
    void (*idle)(void *ctx);
};

/* Embedded by the socket. */
struct sq_link_port {
    struct sq_link *link; /* NULL: none */
    const struct sq_link_port_ops *ops;
    void *ctx;
    uint64_t order_ns[SQ_DIRECTIONS]; /* of a stream: see struct sq_held */
    size_t held; /* of it on the link, the one that is being delivered included */
    bool closed;
};

void sq_link_port_open(struct sq_link_port *port, struct sq_link *link,
                       const struct sq_link_port_ops *ops, void *ctx);
/* What it has on the link, in either direction, is lost. */
void sq_link_port_forget(struct sq_link_port *port);
/* Nothing comes in any more; what was sent still goes out, and then ops->idle is called: at once
 * where there is nothing. */
void sq_link_port_close(struct sq_link_port *port);

enum sq_link_offer {
    SQ_LINK_PASS, /* it may go on now: the link holds nothing */
    SQ_LINK_TAKEN /* a copy is on its way, or it is lost */
};

struct sq_link_datagram {
    const void *data;
    size_t len;
    const struct sq_addr *addr; /* nullable: the connected remote */
    bool ipv6;
    uint64_t at_ns; /* when it came to the link */
};

/* A segment of a stream: not lost, but late by what making good its loss takes. False: there is no
 * room before the bottleneck, or no memory; try again at sq_link_room_ns. */
bool sq_link_offer_segment(struct sq_link_port *port, enum sq_direction direction, bool ipv6,
                           const void *data, size_t len) SQ_MUST_USE;
/* Is there room for a segment of so many bytes? The firewall is the caller's to ask. */
bool sq_link_has_room(struct sq_link_port *port, enum sq_direction direction, bool ipv6,
                      size_t len);
uint64_t sq_link_room_ns(const struct sq_link_port *port, enum sq_direction direction);
/* How long the three packets take that open a TCP connection, lost ones sent again after a second,
 * two, four, ... (RFC 6298); SQ_NEVER: it will not open. */
uint64_t sq_link_connect_ns(struct sq_link *link);
void sq_link_free_held(const struct sq_link_port *port, struct sq_held *held);

enum sq_link_offer sq_link_offer(struct sq_link_port *port, enum sq_direction direction,
                                 const struct sq_link_datagram *datagram) SQ_MUST_USE;

#endif
