/* A network in virtual time: peers with one address each, joined by links with delay, jitter, loss,
 * reordering, duplication and a bottleneck. Everything is driven by one clock that jumps from event
 * to event, so a minute of a thousand peers takes seconds, and the same seed gives the same run
 * (but for keys and passwords, which no seed gives).
 *
 * It drives peers by `arm` alone, and ends the test when that says less than sq_peer_next_timeout
 * does, or when time-outs make no progress. */
#ifndef SQ_TESTS_SIM_SIMNET_H
#define SQ_TESTS_SIM_SIMNET_H

#include "base/addr.h"
#include "base/rand.h"
#include "peer/peer.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct simnet;
struct simnode;

/* One way between two nodes. */
struct simlink {
    uint64_t delay_ns;
    uint64_t jitter_ns; /* uniform, added; with `reorder` packets may overtake each other */
    bool reorder;
    double loss, duplicate; /* 0 to 1 */
    uint64_t rate_bps;      /* bottleneck; 0: none */
    uint64_t queue_bytes;   /* of the bottleneck; more is dropped */
    uint64_t *shared; /* the bottleneck is one with other links: when it is free again; or NULL */
    bool cut;         /* nothing passes */
    bool drop_dtls;   /* all passes but DTLS */
    bool drop_rtp;    /* all passes but RTP */
    bool drop_data;   /* all passes but what DTLS carries: data channels */
};

struct simcounters {
    uint64_t sent, delivered, lost, dropped_at_queue, duplicated;
    uint64_t rtp_sent, rtp_lost; /* of these: by the first two bytes */
    uint64_t timeouts;           /* sq_peer_on_timeout was called */
};

/* What happens to a node's peer; may be NULL. */
typedef void (*simnode_event)(void *ctx, struct simnode *node, const struct sq_peer_event *event);

struct simnet *simnet_new(uint64_t seed, size_t nodes_max);
/* The same with AES-CM before GCM, or without libipsec-mb. */
struct simnet *simnet_new_with(uint64_t seed, size_t nodes_max, bool prefer_cm, bool openssl);
void simnet_free(struct simnet *net);
uint64_t simnet_now(const struct simnet *net);
struct sq_peer_env *simnet_env(struct simnet *net);
/* Runs until the clock shows `until_ns`. */
void simnet_run(struct simnet *net, uint64_t until_ns);
/* Runs until `done` says true, or until the clock shows `until_ns`; false then. */
bool simnet_run_until(struct simnet *net, uint64_t until_ns, bool (*done)(void *ctx), void *ctx);

/* A node with a peer of its own and a base with id 0. `ipv6` picks the family. */
struct simnode *simnet_add(struct simnet *net, const struct sq_peer_config *config, bool ipv6,
                           simnode_event event, void *ctx);
/* The same with call-backs of the test's own for `rtp`, `sent` and `resend`, whose ctx is the node.
 * NULL where the peer could not be made. */
struct simnode *simnet_try_add(struct simnet *net, const struct sq_peer_config *config,
                               const struct sq_peer_ops *ops, simnode_event event, void *ctx);
/* A STUN server; it has an address and a link, and no peer. */
struct simnode *simnet_add_stun(struct simnet *net);
/* Puts a NAT before the node: one public address for all it talks to (endpoint-independent
 * mapping), and only those whom it sent something may answer (address- and port-dependent
 * filtering, RFC 4787). */
void simnode_behind_nat(struct simnode *node);
void *simnode_ctx(struct simnode *node);
/* Every datagram that a node sends, before anything happens to it. */
typedef void (*simnet_tap)(void *ctx, struct simnode *from, const struct sq_dgram *dgram);
void simnet_set_tap(struct simnet *net, simnet_tap tap, void *ctx);
/* A datagram out of nowhere that arrives now. */
void simnet_inject(struct simnet *net, struct simnode *to, const struct sq_addr *from,
                   const uint8_t *bytes, size_t len);
/* Datagrams' times of arrival lie up to so much in the past, each its own. */
void simnet_set_stamp_noise(struct simnet *net, uint64_t noise_ns);
struct sq_peer *simnode_peer(struct simnode *node);
const struct sq_addr *simnode_addr(const struct simnode *node);
/* The link from the node outwards; change it at will. */
struct simlink *simnode_link(struct simnode *node);
struct simcounters *simnode_counters(struct simnode *node);
/* Latest state, and what it said when it failed. */
enum sq_peer_state simnode_state(const struct simnode *node);
const char *simnode_text(const struct simnode *node);
enum sq_peer_cause simnode_cause(const struct simnode *node);
/* Its own candidates go to the other's peer as they come (trickle). */
void simnode_trickle_to(struct simnode *node, struct simnode *other);
/* Offer from a to b and back, at once and without loss; ends the test when one refuses. */
void simnet_negotiate(struct simnet *net, struct simnode *a, struct simnode *b, bool ice_restart);

#endif
