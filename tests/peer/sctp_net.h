/* Pairs of SCTP associations over a network in virtual time, with delay, jitter, loss, duplication,
 * reordering and a bottleneck. */
#ifndef SQ_TESTS_PEER_SCTP_NET_H
#define SQ_TESTS_PEER_SCTP_NET_H

#include "base/rand.h"
#include "base/time.h"
#include "peer/sctp/sctp.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define MS SQ_NS_PER_MS

struct sctp_net;

struct sctp_link {
    uint64_t delay_ns, jitter_ns;
    double loss, duplicate;
    uint64_t rate_bps; /* 0: none */
    uint64_t queue_ns; /* of the bottleneck; what would wait longer is dropped. 0: no limit */
    bool cut;
    unsigned drop_next; /* so many packets are lost */
};

/* One message that came, in full where keep_bytes is set. */
struct sctp_got {
    uint16_t stream;
    uint32_t ppid;
    uint32_t number; /* its first four bytes */
    uint64_t at_ns;
    size_t len;
};

struct sctp_end {
    struct sctp_net *net;
    struct sctp_end *other;
    struct sq_sctp *a;
    struct sctp_link link; /* outwards */
    uint64_t link_free_ns;
    bool connected, closed;
    int closed_err;
    char closed_text[256];
    struct sctp_got *got;
    size_t got_len, got_room;
    uint64_t bytes_got;
    bool forget;   /* messages are counted, not kept */
    size_t broken; /* messages whose bytes were not those of sctp_fill */
    unsigned in_resets, out_resets;
    uint16_t last_in_reset, last_out_reset;
    int out_reset_err;
    size_t drained_calls, drained_bytes;
    unsigned forward_tsns, data_chunks; /* sent, by type */
    uint64_t packets, packets_lost;
    /* Called for each message, after it was noted; may be NULL. */
    void (*on_message)(struct sctp_end *e, const struct sctp_got *got);
    void (*on_connected)(struct sctp_end *e);
    void (*on_drained)(struct sctp_end *e, uint16_t stream, size_t left);
    void *user;
};

struct sctp_net *sctp_net_new(uint64_t seed);
void sctp_net_free(struct sctp_net *net); /* ends and associations, too */
/* From now on so large a share of packets comes with some bytes changed, and a right checksum. */
void sctp_net_mutate(struct sctp_net *net, double share, uint64_t seed);
uint64_t sctp_net_now(const struct sctp_net *net);
/* Two ends with the same link both ways; configs may be NULL. */
void sctp_net_pair(struct sctp_net *net, const struct sctp_link *link,
                   const struct sq_sctp_config *ca, const struct sq_sctp_config *cb,
                   struct sctp_end **ret_a, struct sctp_end **ret_b);
void sctp_net_run(struct sctp_net *net, uint64_t for_ns);
/* Until done(ctx) is true; false when that took longer than for_ns. */
bool sctp_net_until(struct sctp_net *net, uint64_t for_ns, bool (*done)(void *ctx), void *ctx);
/* Connects both at once and runs until both are up. */
void sctp_net_up(struct sctp_net *net, struct sctp_end *a, struct sctp_end *b);
/* Bytes that depend on number and place; the first four are the number. */
void sctp_fill(uint8_t *bytes, size_t len, uint32_t number);
/* Sends such a message. */
int sctp_put(struct sctp_end *e, uint16_t stream, uint32_t number, size_t len, bool unordered,
             uint32_t retransmissions_max, uint64_t lifetime_ns);

#endif
