/* Relays from within: shared by relay.c (an allocation's life, and what is said of it) and
 * relay_carrier.c (the socket or stream that leads to its server). */
#ifndef SQ_RUN_RELAY_INT_H
#define SQ_RUN_RELAY_INT_H

#include "net/stream.h"
#include "net/udp_tls.h"
#include "peer/turn/framing.h"
#include "peer/turn/turn.h"
#include "run/relay.h"

#define RELAY_SLOT_BYTES    (SQ_PEER_DATAGRAM_MAX + SQ_TURN_OVERHEAD_MAX)
#define RELAY_SCRATCH_BYTES ((size_t)SQ_UDP_BATCH_MAX * RELAY_SLOT_BYTES)

struct sq_relays {
    struct sq_loop *loop;
    struct sq_relays_config cfg;
    struct sq_rand rand;
    struct sq_relay_counts counts[SQ_RELAY_SERVERS_MAX + 1];
    struct sq_relay *alive; /* closed ones that wait for the server's last answer included */
    struct sq_relay *dead;  /* freed when the batches are worked off */
    uint8_t *scratch;       /* SQ_UDP_BATCH_MAX slots for wrapped datagrams */
};

struct sq_relay {
    struct sq_relays *relays;
    struct sq_relay *next, **prev;
    int number;
    const struct sq_relay_server *to; /* the configuration's, or `own` */
    struct sq_relay_server *own;      /* owned, with its texts */
    uint64_t opened_ns;
    uint64_t probed_ns;      /* 0: never */
    uint64_t refused_before; /* what ICMP had refused by then */
    const struct sq_relay_events *events;
    void *ctx;
    struct sq_turn *turn;
    struct sq_timer timer;
    struct sq_addr server, bind;
    struct sq_link *link;     /* held; NULL: none */
    struct sq_udp *udp;       /* one of these */
    struct sq_stream *stream; /* open or opening */
    struct sq_udp_tls *dtls;  /* the same */
    struct sq_framing framing;
    uint64_t stream_bytes; /* that came by the present stream, with no message in them yet */
    bool open;             /* the carrier is up */
    bool heard;  /* anything from the server, by the present carrier; since the last probe */
    bool missed; /* counted as lost */
    bool had;    /* an allocation */
    bool again;  /* a new carrier is to be opened, from a clean stack */
    bool closed; /* by its owner */
    bool gone;   /* nothing more is to be done with it */
};

/* As the user wrote the server. */
static inline const char *relay_name(const struct sq_relay *relay)
{
    return relay->to->text;
}

/* relay.c */
void relay_tell_failed(struct sq_relay *relay, enum sq_peer_cause cause, const char *text);
/* Sets the timer to what is due next. */
void relay_rearm(struct sq_relay *relay);
/* Asks for the allocation. */
void relay_carrier_is_up(struct sq_relay *relay);

/* relay_carrier.c */
/* With UDP it is up at once; else relay_carrier_is_up follows, or relay_tell_failed. */
int relay_open_carrier(struct sq_relay *relay) SQ_MUST_USE;
void relay_close_carrier(struct sq_relay *relay);
/* A message of the TURN client, whose call-back this is. */
void relay_hand_over(void *ctx, const void *buf, size_t len);

#endif
