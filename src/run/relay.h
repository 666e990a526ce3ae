/* Relays: an allocation at a TURN server with the socket or stream that leads there. What the
 * protocol is stands in peer/turn; here are its carriers: UDP, TCP, TLS and DTLS.
 *
 * All calls in the loop's thread. */
#ifndef SQ_RUN_RELAY_H
#define SQ_RUN_RELAY_H

#include "base/addr.h"
#include "net/loop.h"
#include "net/udp.h"
#include "peer/peer.h"
#include "peer/turn/turn_url.h"
#include "run/keep.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_RELAY_SERVERS_MAX 4
#define SQ_RELAY_REST_LIFE_S 86400         /* how long time-limited credentials are good for */
#define SQ_RELAY_PATIENCE_NS 1000000000ULL /* two requests: then a server counts as silent */

struct sq_relay;
struct sq_relays; /* what the relays of a thread share */

struct sq_relay_server {
    const char *text; /* as the user wrote it, for sentences */
    struct sq_turn_url url;
    struct sq_addr addr;         /* of url.host, with the port */
    const char *user, *password; /* nullable: in the place of those below */
};

/* Copied, texts and tables are borrowed. */
struct sq_relays_config {
    const struct sq_relay_server *servers;
    size_t servers_len;
    bool others;                 /* endpoints bring servers of their own, too */
    const char *user, *password; /* nullable */
    const char *secret; /* nullable: time-limited credentials are made of it, with `user` as name */
    bool insecure;      /* do not verify certificates */
    const char *ca_file; /* nullable */
    uint64_t seed;
    struct sq_keep *keep; /* borrowed */
};

int sq_relays_create(struct sq_loop *loop, const struct sq_relays_config *config,
                     struct sq_relays **ret_relays) SQ_MUST_USE;
/* After all relays were closed; those that still wait for their servers' answers go without. */
void sq_relays_destroy(struct sq_relays *relays);
size_t sq_relays_servers(const struct sq_relays *relays);
/* How one server answered those who asked it for a relay. Who went within SQ_RELAY_PATIENCE_NS and
 * without an answer is in `asked` alone. */
struct sq_relay_counts {
    uint64_t asked, relays;         /* allocations wanted, and made */
    uint64_t failed, unanswered;    /* not made: an error, or nothing at all was heard */
    uint64_t lost;                  /* made, and gone before they were given back */
    char example[SQ_PEER_TEXT_MAX]; /* of what went wrong: the latest sentence; "" */
};
/* Of the configuration's servers; SQ_RELAY_SERVERS_MAX: of all others together. */
const struct sq_relay_counts *sq_relays_counts(const struct sq_relays *relays, size_t number);
const struct sq_addr *sq_relays_server(const struct sq_relays *relays, size_t number);
/* Nobody waits for a server any more: all relays are over, or were closed and given back. */
bool sq_relays_idle(const struct sq_relays *relays);
/* Batches were worked off: frees relays that are over. */
void sq_relays_flushed(struct sq_relays *relays);

struct sq_relay_events {
    void (*allocated)(void *ctx, int number, const struct sq_addr *relayed,
                      const struct sq_addr *mapped);
    /* A peer's datagram; may be changed, valid until the batches were worked off. */
    void (*data)(void *ctx, int number, const struct sq_addr *from, uint8_t *buf, size_t len,
                 uint64_t recv_ns);
    /* There is none, or no longer. Nothing follows; the relay may be closed in here. */
    void (*failed)(void *ctx, int number, enum sq_peer_cause cause, const char *text);
    /* Something worth telling: an alternate server, a peer that is not relayed to. */
    void (*note)(void *ctx, int number, const char *text);
};

/* Starts towards server `number`; `bind` (nullable) is the local address, `link` (nullable) is held
 * until the relay is over. SQ_ERR_IO with errno, SQ_ERR_NOMEM; the rest comes by events. */
int sq_relay_open(struct sq_relays *relays, int number, const struct sq_addr *bind,
                  struct sq_link *link, const struct sq_relay_events *events, void *ctx,
                  struct sq_relay **ret_relay) SQ_MUST_USE;
/* The same towards another server than those of the configuration; copied. `number` is for events.
 */
int sq_relay_open_to(struct sq_relays *relays, const struct sq_relay_server *server, int number,
                     const struct sq_addr *bind, struct sq_link *link,
                     const struct sq_relay_events *events, void *ctx,
                     struct sq_relay **ret_relay) SQ_MUST_USE;
/* Datagrams to one peer; how many were sent. */
size_t sq_relay_send(struct sq_relay *relay, const struct sq_addr *to,
                     const struct sq_dgram *dgrams, size_t n);
/* Gives the allocation back; no event comes any more. From any of its callbacks. NULL is allowed.
 */
void sq_relay_close(struct sq_relay *relay);
/* The socket of a relay over UDP or DTLS, for its counters; NULL of any other. */
struct sq_udp *sq_relay_udp(const struct sq_relay *relay);
/* While there is no answer yet: what is known of the server, a sentence that names it. Over UDP a
 * closed port ends the relay by itself (`failed`) when ICMP has refused two requests: RFC 8489,
 * section 6.2.1, takes one hard error for the end of a transaction; one that is asked again half a
 * second later tells a server that just starts from one that is not there. */
void sq_relay_tell_silence(const struct sq_relay *relay, char ret_text[static SQ_PEER_TEXT_MAX]);
/* It has an allocation, and no datagram of a peer ever came by it: a sentence that names the
 * server.
 */
bool sq_relay_tell_nothing_came(const struct sq_relay *relay,
                                char ret_text[static SQ_PEER_TEXT_MAX]);
/* What goes by this relay stays unanswered: asks the server for a sign of life, a Refresh ahead of
 * its time. */
void sq_relay_probe(struct sq_relay *relay);
/* What went by this relay is lost: a sentence that names the server and says whether it still
 * answers. One that has not answered since sq_relay_probe takes the relay with it: it is counted as
 * lost. */
void sq_relay_tell_lost(struct sq_relay *relay, char ret_text[static SQ_PEER_TEXT_MAX]);
/* RFC 8445, section 5.1.2.1: UDP to the server before TCP, TCP before DTLS and TLS. */
uint16_t sq_relay_local_pref(const struct sq_relay *relay);

#endif
