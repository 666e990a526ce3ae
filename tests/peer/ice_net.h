/* A small network in virtual time for the tests of the ICE agent: delay, loss, NATs, blocked paths,
 * a STUN server, and signalling between two ends. */
#ifndef SQ_TESTS_PEER_ICE_NET_H
#define SQ_TESTS_PEER_ICE_NET_H

#include "base/rand.h"
#include "base/time.h"
#include "peer/ice/ice.h"

#define ICE_NET_PACKETS 512
#define ICE_NET_NATS    16
#define ICE_NET_BASES   4
#define ICE_NET_LOG     64

struct ice_net;

struct ice_end {
    struct ice_net *net;
    struct ice_end *peer;
    struct sq_ice *ice;
    struct sq_addr base[ICE_NET_BASES];
    int bases;
    const char *nat_ip; /* its bases are behind this NAT; NULL: none */
    bool symmetric;     /* the NAT maps each destination to a port of its own */
    bool deaf;          /* signals nothing of its candidates */
    bool own_srflx_only;
    /* What it told. */
    enum sq_ice_state states[ICE_NET_LOG];
    int n_states;
    int candidates, gathering_done, selections, consent_lost;
    uint64_t state_at_ns[SQ_ICE_STATES]; /* the last time each state was entered */
    uint64_t sent, received;
    int rejected; /* sq_ice_receive gave an error */
};

struct ice_packet {
    uint64_t due_ns; /* 0: free */
    struct sq_addr from, to;
    size_t len;
    uint8_t bytes[640];
    /* Signalling instead of a packet, where this is set. */
    struct ice_end *signal_to;
    struct sq_ice_candidate candidate;
    bool done;
};

struct ice_mapping {
    bool used;
    struct sq_addr inside, outside, to; /* `to` of a symmetric NAT */
    const struct ice_end *end;
};

struct ice_net {
    uint64_t now_ns;
    uint64_t delay_ns, jitter_ns, signal_delay_ns;
    double loss;
    struct sq_rand rand;
    struct sq_addr stun[2]; /* STUN servers; AF_UNSPEC: none */
    bool filter;            /* NATs let in only what they sent to (by address and port) */
    /* A path that swallows packets; NULL: none. */
    bool (*blocked)(const struct ice_net *net, const struct sq_addr *from,
                    const struct sq_addr *to);
    /* Sees each datagram on its way, and may change it. */
    void (*tap)(struct ice_net *net, struct ice_packet *p);
    struct ice_packet packets[ICE_NET_PACKETS];
    struct ice_mapping nats[ICE_NET_NATS];
    struct sq_addr allowed[ICE_NET_PACKETS][2]; /* outside address, where it sent to */
    int n_allowed;
    uint16_t next_port;
    struct ice_end a, b;
    int overflow;
    void *tap_ctx;
};

struct ice_net *ice_net_new(uint64_t seed);
/* Destroys the agents, too. */
void ice_net_free(struct ice_net *net);
struct sq_addr ice_addr(const char *ip, uint16_t port);
/* An end with one base a given IP (NULL ends the list); `config` NULL: the defaults. */
int ice_end_start(struct ice_end *end, const struct sq_ice_config *config, const char *ip1,
                  const char *ip2) SQ_MUST_USE;
/* Credentials both ways, then both gather. */
int ice_net_join(struct ice_net *net) SQ_MUST_USE;
/* Runs until that time; or until `until` says so, then true. */
bool ice_net_run(struct ice_net *net, uint64_t end_ns, bool (*until)(const struct ice_net *));
bool ice_both_completed(const struct ice_net *net);
bool ice_both_failed(const struct ice_net *net);
/* Whether the two selected pairs carry data both ways now (by the network's own rules). */
bool ice_net_talks(struct ice_net *net);
const struct sq_ice_callbacks *ice_net_callbacks(void);
void ice_net_put(struct ice_net *net, const struct sq_addr *from, const struct sq_addr *to,
                 const void *buf, size_t len);

#endif
