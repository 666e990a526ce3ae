/* Inside of data channels: shared by datachannel.c and datachannel_stats.c. */
#ifndef SQ_PEER_DATACHANNEL_INT_H
#define SQ_PEER_DATACHANNEL_INT_H

#include "peer/peer_int.h"
#include "peer/sctp/sctp.h"

/* A message of the channel that follows on this stream: see keep in datachannel.c. */
struct sq_channel_kept {
    struct sq_channel_kept *next;
    uint32_t ppid;
    size_t len;
    uint8_t bytes[];
};

struct sq_channel {
    struct sq_peer *peer;
    void *user;
    int id; /* -1: none yet */
    uint8_t state;
    bool unordered, limit_retransmits, limit_lifetime, negotiated, from_remote;
    bool acked;               /* the other side knows it: unordered messages may be */
    bool out_reset, in_reset; /* done */
    bool resetting, above_low;
    uint16_t max_retransmits, max_lifetime_ms, priority;
    size_t low_bytes;
    struct sq_channel_stats stats;
    struct sq_channel_kept *kept, **kept_end; /* owned, in their order */
    size_t kept_bytes;
    char *protocol; /* behind the label, in `text` */
    char text[];
};

struct sq_peer_data {
    struct sq_sctp *sctp; /* NULL until DTLS is up */
    bool negotiated, up;
    bool client;          /* DTLS client: even ids */
    int busy;             /* calls into the association that are under way */
    struct sq_sctp *dead; /* replaced while it was at work */
    struct sq_channel **channels;
    size_t len, room;
    struct sq_channel **gone; /* closed, until nobody holds them */
    size_t gone_len, gone_room;
    uint64_t opened, closed;
    struct sq_channel_stats past; /* of those that are gone */
};

static inline void sq_channel_stats_add(struct sq_channel_stats *sum,
                                        const struct sq_channel_stats *s)
{
    sum->messages_sent += s->messages_sent;
    sum->bytes_sent += s->bytes_sent;
    sum->messages_received += s->messages_received;
    sum->bytes_received += s->bytes_received;
}

#endif
