/* An endpoint is a peer with its sockets on a loop: what carries a struct sq_peer in a real
 * process. The load generator's users are made of them, and so is the lab's side of the wire.
 *
 * A carrier is what all endpoints of a thread share: the loop, the peers' environment, local
 * addresses and counters. All calls in the loop's thread. */
#ifndef SQ_RUN_ENDPOINT_H
#define SQ_RUN_ENDPOINT_H

#include "base/addr.h"
#include "base/err.h"
#include "net/loop.h"
#include "peer/peer.h"
#include "run/relay.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_CARRIER_ADDRS_MAX 4 /* local addresses, each a socket of every endpoint */

/* RTCIceTransportPolicy, and one more. */
enum sq_ice_policy {
    SQ_ICE_POLICY_ALL,
    SQ_ICE_POLICY_RELAY,      /* relayed candidates only */
    SQ_ICE_POLICY_RELAY_FIRST /* relayed ones until the first ICE restart, all from then on */
};

struct sq_carrier;
struct sq_link;
struct sq_endpoint;

struct sq_carrier_config {
    uint64_t seed;
    bool force_openssl_srtp, prefer_cm;
    const struct sq_addr *addrs; /* to bind to, port 0; copied; none: sq_carrier_default_addrs */
    size_t addrs_len;
    /* Nullable, copied: addrs[i] is the first of so many in a row, of which each endpoint takes
     * the next one; a carrier of several begins at `addr_first` and takes every addr_stride-th. */
    const uint32_t *addr_counts;
    uint32_t addr_first, addr_stride;
    const struct sq_addr *stun_servers; /* copied */
    size_t stun_servers_len;
    bool hear_all; /* never connect sockets: a server's, whose clients may move to another address
                      (browsers do) */
    uint16_t port_min, port_max; /* 0, 0: any */
    enum sq_ice_policy ice_policy;
    bool tcp_listen; /* a passive TCP candidate for each address, by listeners that all share */
    bool no_udp;     /* no UDP sockets: TCP candidates only (with tcp_listen) */
    const struct sq_relays_config *relays; /* TURN servers; copied, its texts are borrowed; NULL:
                                              none. `flush` and `ctx` are the carrier's. */
    uint64_t settle_ns; /* a nominated pair's socket is connected to it once nobody else was heard
                           for so long; 0: 2 s */
};

struct sq_carrier_counters {
    uint64_t endpoints; /* alive now */
    uint64_t datagrams_sent, bytes_sent;
    uint64_t datagrams_received, bytes_received;
    /* Of each endpoint as of when it was last polled, or closed: */
    uint64_t send_errors;   /* datagrams that the kernel did not take, refusals left out */
    uint64_t send_refused;  /* refused on the way or at its end (ICMP), or no route */
    uint64_t receive_drops; /* datagrams lost at full socket buffers */
};

/* How a STUN server answered the endpoints that asked it: of each as of when it was closed. Who was
 * closed within a second without an answer is in `asked` alone. */
struct sq_stun_counts {
    uint64_t asked, answered;
    uint64_t failed, unanswered; /* no address: by an error, or without a word */
};

/* `loop` is borrowed and outlives the carrier. */
int sq_carrier_create(struct sq_loop *loop, const struct sq_carrier_config *config,
                      struct sq_carrier **ret_carrier) SQ_MUST_USE;
/* Nothing is under way any more once its endpoints are closed: TURN servers have taken back what
 * they gave (or did not answer for a second). */
bool sq_carrier_idle(const struct sq_carrier *carrier);
/* After all its endpoints. NULL is allowed. */
void sq_carrier_destroy(struct sq_carrier *carrier);
struct sq_loop *sq_carrier_loop(const struct sq_carrier *carrier);
struct sq_rand *sq_carrier_rand(struct sq_carrier *carrier);
/* Asks the endpoint's sockets for their failures (a system call each), to be counted. Once a second
 * is enough, and thousands of them are better not asked at once. */
void sq_endpoint_poll(struct sq_endpoint *endpoint);
/* All of them. */
void sq_carrier_poll(struct sq_carrier *carrier);
const struct sq_carrier_counters *sq_carrier_counters(const struct sq_carrier *carrier);
/* Of the STUN server with number i in its configuration. */
const struct sq_stun_counts *sq_carrier_stun_counts(const struct sq_carrier *carrier, size_t i);
/* Its relays, for their counts; NULL without TURN servers. */
const struct sq_relays *sq_carrier_relays(const struct sq_carrier *carrier);

/* Addresses to bind to by default so that `target` can be reached: the loopback address for a
 * loopback target; the other usable addresses of this host for any other or for NULL, at most
 * SQ_CARRIER_ADDRS_MAX. */
int sq_carrier_default_addrs(const struct sq_addr *target, struct sq_addr *ret_addrs,
                             size_t *ret_len) SQ_MUST_USE;

/* What an endpoint tells. Borrowed for its life. */
struct sq_endpoint_ops {
    void (*event)(void *ctx, struct sq_endpoint *endpoint, const struct sq_peer_event *event);
    /* See struct sq_peer_ops; both nullable, rtp alone only listens. */
    void (*rtp)(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                const struct sq_rtp_packet *packet, const struct sq_rtp_exts *exts,
                uint64_t now_ns);
    /* See struct sq_peer_ops; nullable, only where rtp is. */
    void (*sent)(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track,
                 const uint8_t *rtp, size_t len, uint64_t now_ns);
    /* A frame's one-way latency (config.latency); nullable. */
    void (*latency)(void *ctx, struct sq_track *track, const struct sq_latency_sample *sample);
    bool (*resend)(void *ctx, struct sq_endpoint *endpoint, struct sq_track *track, uint32_t cookie,
                   struct sq_rtp_out *ret_out);
};

/* Opens a socket on each of the carrier's addresses, and makes the peer with them. stun_servers of
 * `config` are the carrier's. `link` (nullable) is under all that the endpoint opens, but not under
 * connections that come in to it; it is borrowed until the endpoint is closed. SQ_ERR_IO with errno
 * (no more descriptors or ports), SQ_ERR_NOMEM. */
int sq_endpoint_create(struct sq_carrier *carrier, const struct sq_peer_config *config,
                       struct sq_link *link, const struct sq_endpoint_ops *ops, void *ctx,
                       struct sq_endpoint **ret_endpoint) SQ_MUST_USE;
/* ICE servers of one endpoint, in the place of the carrier's; borrowed for the call. The carrier
 * was created with relays->others. */
struct sq_endpoint_servers {
    const struct sq_relay_server *turn;
    size_t turn_len; /* SQ_RELAY_SERVERS_MAX at most */
    const struct sq_addr *stun;
    size_t stun_len;
};
/* With a policy of its own in the place of the carrier's, and with servers of its own (nullable).
 */
int sq_endpoint_create_with(struct sq_carrier *carrier, const struct sq_peer_config *config,
                            enum sq_ice_policy policy, const struct sq_endpoint_servers *servers,
                            struct sq_link *link, const struct sq_endpoint_ops *ops, void *ctx,
                            struct sq_endpoint **ret_endpoint) SQ_MUST_USE;
/* Says goodbye to the other side and closes, from any callback: memory goes with the loop's present
 * iteration, no event comes any more. NULL is allowed. */
void sq_endpoint_close(struct sq_endpoint *endpoint);
struct sq_peer *sq_endpoint_peer(const struct sq_endpoint *endpoint);
/* Relays are its only way to connect and a TURN server has not answered yet: true, and a sentence
 * that names the server and says what is known of it. */
bool sq_endpoint_waits_for_relay(const struct sq_endpoint *endpoint,
                                 char ret_text[static SQ_PEER_TEXT_MAX]);
/* Its path fell silent: asks the other side, and the TURN server where it goes by one. */
void sq_endpoint_ask(struct sq_endpoint *endpoint);
/* The other side does not answer any more (disconnected, or asked for a second and a half): true,
 * and a sentence, which names the TURN server where the connection goes by one; a relay that is
 * gone is counted as lost by this. */
bool sq_endpoint_is_lost(struct sq_endpoint *endpoint, char ret_text[static SQ_PEER_TEXT_MAX]);
/* The endpoint that carries this peer; it must be carried by one. */
struct sq_endpoint *sq_endpoint_of(const struct sq_peer *peer);
/* Both ends of the path that data goes by; false while there is none. */
bool sq_endpoint_pair(const struct sq_endpoint *endpoint, struct sq_addr *ret_local,
                      struct sq_addr *ret_remote);
void *sq_endpoint_ctx(const struct sq_endpoint *endpoint);

#endif
