/* Endpoints from within: shared by endpoint.c and endpoint_relay.c. */
#ifndef SQ_RUN_ENDPOINT_INT_H
#define SQ_RUN_ENDPOINT_INT_H

#include "net/udp.h"
#include "peer/ice/ice.h"
#include "run/endpoint.h"
#include "run/tcp_path.h"

/* Base numbers of a peer: a socket an address, a relay a TURN server, active TCP from each address,
 * and a listener an address. */
#define ENDPOINT_BASE_RELAY  SQ_CARRIER_ADDRS_MAX
#define ENDPOINT_BASE_TCP    SQ_PEER_TCP_BASE
#define ENDPOINT_BASE_LISTEN (ENDPOINT_BASE_TCP + SQ_CARRIER_ADDRS_MAX)
_Static_assert(ENDPOINT_BASE_RELAY + SQ_RELAY_SERVERS_MAX <= ENDPOINT_BASE_TCP, "bases overlap");
_Static_assert(ENDPOINT_BASE_LISTEN + SQ_CARRIER_ADDRS_MAX <= SQ_PEER_BASES_MAX, "too many bases");

/* A TCP candidate whose connection has ended. */
struct endpoint_tcp_end {
    struct sq_addr remote;
    int base;
    unsigned ends; /* in a row */
    uint64_t ended_ns;
    uint64_t again_ns; /* not opened before that */
};

/* What only some endpoints have. */
struct endpoint_more {
    struct sq_relay *relays[SQ_RELAY_SERVERS_MAX];
    size_t relays_open;                /* that have not failed */
    char relay_note[SQ_PEER_TEXT_MAX]; /* the latest: whom a server does not relay to; "" */
    struct sq_tcp_path *tcp[SQ_TCP_PATHS_MAX];
    size_t tcp_len;
    struct endpoint_tcp_end *tcp_ends; /* owned; NULL until one has ended */
    size_t tcp_ends_len;               /* at most SQ_TCP_PATHS_MAX */
    struct endpoint_name *names;       /* asked for */
    size_t pending;         /* that have neither failed nor allocated: gathering waits for them */
    struct sq_addr refused; /* whom ICMP said so of while ICE looks for a path */
    int refusal;            /* its errno; 0: nobody */
    bool others_refused;
};

struct sq_carrier {
    struct sq_loop *loop;
    struct sq_peer_env *env;
    struct sq_rand rand;
    struct sq_flush_hook hook;
    struct sq_endpoint *alive; /* all that are not closed */
    struct sq_endpoint *dead;  /* closed in this iteration, freed at its end */
    struct sq_addr addrs[SQ_CARRIER_ADDRS_MAX];
    size_t addrs_len;
    uint32_t addr_counts[SQ_CARRIER_ADDRS_MAX]; /* in a row; 1: that one alone */
    uint32_t addr_next, addr_stride;
    struct sq_addr stun_servers[SQ_ICE_SERVERS_MAX];
    size_t stun_servers_len;
    struct sq_stun_counts stun_counts[SQ_ICE_SERVERS_MAX];
    bool hear_all;
    uint16_t port_min, port_max;
    uint64_t settle_ns;
    enum sq_ice_policy ice_policy;
    bool tcp_listen, no_udp;
    struct sq_tcp_listener *listeners[SQ_CARRIER_ADDRS_MAX];
    struct carrier_names *names; /* multicast DNS; NULL until a candidate has a name */
    struct sq_keep keep;
    struct sq_tcp_paths tcp_paths;
    struct sq_relays *relays; /* NULL without TURN servers */
    struct sq_carrier_counters counters;
};

/* A socket of an endpoint; the peer's base number is its index. */
struct path {
    struct sq_endpoint *endpoint;
    struct sq_udp *udp;
};

struct sq_endpoint {
    struct sq_carrier *carrier;
    struct sq_endpoint *next, **prev;
    struct sq_peer *peer;
    struct sq_link *link; /* borrowed: its owner keeps it as long as this endpoint; NULL: none */
    const struct sq_endpoint_ops *ops;
    void *ctx;
    struct sq_timer timer;
    bool closed;
    struct sq_timer settle; /* until the socket of the nominated pair is connected */
    struct sq_addr remote;  /* of the nominated pair, and its path */
    int nominated;
    uint32_t addr_turn; /* which of the addresses in a row are this one's */
    uint8_t ice_policy; /* enum sq_ice_policy */
    bool own_servers;   /* asks other STUN servers than the carrier's */
    bool has_pair;      /* the selected pair, nominated or not yet */
    int pair_base;
    struct sq_addr pair_remote;
    bool others_heard;          /* since the timer was started, from elsewhere than `remote` */
    struct endpoint_more *more; /* NULL for one that has nothing but its UDP sockets */
    int connected; /* index of the path whose socket is connected to the selected remote, or -1 */
    struct path paths[SQ_CARRIER_ADDRS_MAX];
};

/* endpoint.c */
/* This endpoint's local address on a base of its carrier, port 0. */
struct sq_addr endpoint_addr(const struct sq_endpoint *endpoint, size_t i);
int endpoint_open_paths(struct sq_endpoint *endpoint) SQ_MUST_USE;
/* Adds what failed at a socket since the last time to the carrier's counters; NULL is allowed.
 * Before it is closed, too. */
void endpoint_count_failures(struct sq_carrier *carrier, struct sq_udp *udp);
/* A datagram that came in on a base. */
void endpoint_receive(struct sq_endpoint *endpoint, int base, const struct sq_addr *from,
                      uint8_t *buf, size_t len, uint64_t recv_ns);

struct endpoint_more *endpoint_more(struct sq_endpoint *endpoint); /* NULL without memory */

/* endpoint_names.c */
/* A candidate of the other side whose address is a name. */
void endpoint_resolve(struct sq_endpoint *endpoint, const char *candidate);
void endpoint_forget_names(struct sq_endpoint *endpoint);
void endpoint_close_names(struct sq_carrier *carrier);

/* endpoint_tcp.c */
int endpoint_listen(struct sq_carrier *carrier) SQ_MUST_USE;
/* The carrier's listeners as bases. */
int endpoint_add_listeners(struct sq_endpoint *endpoint) SQ_MUST_USE;
void endpoint_close_tcp(struct sq_endpoint *endpoint);
size_t endpoint_send_tcp(struct sq_endpoint *endpoint, int base, const struct sq_addr *to,
                         const struct sq_dgram *dgrams, size_t n);

/* endpoint_refused.c */
/* Hears who refuses what is sent on a path, until its socket is connected. */
void endpoint_hear_refusals(struct path *path, bool on);
/* What was refused before an ICE restart says nothing of what comes. */
void endpoint_forget_refusals(struct sq_endpoint *endpoint);
/* Of an event that ends ICE without a path: true, and its sentence with who refused; else false. */
bool endpoint_tell_refusal(const struct sq_endpoint *endpoint, const struct sq_peer_event *event,
                           char ret_text[static SQ_PEER_TEXT_MAX]);

/* endpoint_relay.c */
/* Starts towards all TURN servers; candidates come later. */
int endpoint_open_relays(struct sq_endpoint *endpoint,
                         const struct sq_endpoint_servers *servers) SQ_MUST_USE;
void endpoint_close_relays(struct sq_endpoint *endpoint);
/* A change of the peer's state while its data go by a relay: asks the relay's server when they stay
 * unanswered; true where they are lost, and a sentence that names the server. */
bool endpoint_relay_state(struct sq_endpoint *endpoint, const struct sq_peer_event *event,
                          char ret_text[static SQ_PEER_TEXT_MAX]);
size_t endpoint_send_relay(struct sq_endpoint *endpoint, int base, const struct sq_addr *to,
                           const struct sq_dgram *dgrams, size_t n);

#endif
