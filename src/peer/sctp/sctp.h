/* SCTP (RFC 9260) over DTLS (RFC 8261) without I/O and without a clock: one association, one path.
 * Packets go in and out by function, time comes in as now_ns. With partial reliability (RFC 3758,
 * RFC 7496), stream reset (RFC 6525), message interleaving (RFC 8260) and zero checksum (RFC 9653),
 * each used where the other side has it. Times and windows are those of dcsctp, as Chromium has
 * them, and stand in sctp_int.h.
 *
 * Nothing is allocated for streams, windows or messages before they are used, and what traffic
 * needed is given back once it is over. */
#ifndef SQ_PEER_SCTP_SCTP_H
#define SQ_PEER_SCTP_SCTP_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_SCTP_PORT             5000
#define SQ_SCTP_PACKET_MAX_BYTES 1160  /* what fits a DTLS record of 1,163, a multiple of four */
#define SQ_SCTP_STREAM_MAX       65534 /* largest stream id (RFC 8832, section 6) */
#define SQ_SCTP_STREAMS_MAX      1024  /* in use at a time, each way */
#define SQ_SCTP_NO_LIMIT         UINT32_MAX
#define SQ_SCTP_PRIORITY         256 /* of a stream that has none of its own (RFC 8831, 6.4) */

enum sq_sctp_state {
    SQ_SCTP_CLOSED, /* not begun, or over */
    SQ_SCTP_COOKIE_WAIT,
    SQ_SCTP_COOKIE_ECHOED,
    SQ_SCTP_ESTABLISHED,
    SQ_SCTP_SHUTDOWN_PENDING,
    SQ_SCTP_SHUTDOWN_SENT,
    SQ_SCTP_SHUTDOWN_RECEIVED,
    SQ_SCTP_SHUTDOWN_ACK_SENT,
};

/* Zero-initialise for the defaults. */
struct sq_sctp_config {
    uint16_t local_port, remote_port; /* 0: SQ_SCTP_PORT */
    uint32_t message_max_bytes;       /* that may come in; 0: 262,144. A larger one ends it all */
    uint32_t window_bytes;            /* for what comes in; 0: 5 MB, as Chromium */
    uint32_t send_buffer_max_bytes;   /* messages that wait; 0: 16 MB, as Chromium */
    /* So many time-outs in a row end the association (RFC 9260, section 8.1); 0: none do, as with
     * browsers, where ICE's consent decides. */
    uint32_t retransmissions_max;
    bool no_interleaving;     /* do not offer RFC 8260 */
    bool no_zero_checksum;    /* do not offer RFC 9653 */
    bool no_partial_delivery; /* do not offer RFC 3758: all messages are reliable */
};

/* Called from within any function that takes now_ns. A call-back may call any function of this
 * header but sq_sctp_destroy; `send` none at all. `send` is needed, others may be NULL. */
struct sq_sctp_events {
    void *user;
    /* A packet for the other side; borrowed for the call. */
    void (*send)(void *user, const uint8_t *bytes, size_t len);
    void (*connected)(void *user);
    /* A whole message; borrowed for the call. */
    void (*message)(void *user, uint16_t stream, uint32_t ppid, const uint8_t *bytes, size_t len);
    /* So many bytes of the stream's messages wait now; they have become fewer. */
    void (*drained)(void *user, uint16_t stream, size_t waiting_bytes);
    /* The other side reset its outgoing stream: its next message is a new stream's first. */
    void (*incoming_reset)(void *user, uint16_t stream);
    /* Ours was reset; err: the other side would not, or cannot. */
    void (*outgoing_reset)(void *user, uint16_t stream, int err);
    /* The end. err 0: after a shutdown; SQ_ERR_REFUSED: the other side aborted; SQ_ERR_TIMEOUT;
     * SQ_ERR_FORMAT: it broke the rules. `text` is a sentence, borrowed. */
    void (*closed)(void *user, int err, const char *text);
};

struct sq_sctp;
/* config may be NULL. SQ_ERR_NOMEM, SQ_ERR_INVALID (no send). */
int sq_sctp_create(const struct sq_sctp_config *config, const struct sq_sctp_events *events,
                   struct sq_sctp **ret_sctp) SQ_MUST_USE;
void sq_sctp_destroy(struct sq_sctp *a); /* NULL is allowed; sends nothing */

/* Sends INIT. Both sides may do so at once. SQ_ERR_STATE unless CLOSED and never begun. */
int sq_sctp_connect(struct sq_sctp *a, uint64_t now_ns) SQ_MUST_USE;
/* A packet of the other side; one that is broken, or not meant for this association, is dropped. */
void sq_sctp_receive(struct sq_sctp *a, uint64_t now_ns, const uint8_t *bytes, size_t len);
/* SQ_NEVER if none. */
uint64_t sq_sctp_next_timeout(const struct sq_sctp *a);
void sq_sctp_on_timeout(struct sq_sctp *a, uint64_t now_ns);

struct sq_sctp_message {
    uint16_t stream;
    bool unordered;
    uint32_t ppid;
    uint32_t retransmissions_max; /* RFC 7496; SQ_SCTP_NO_LIMIT: reliable */
    uint64_t lifetime_ns;         /* given up after this; 0: no limit */
    const uint8_t *bytes;         /* copied; at least one */
    size_t len;
};
/* Before the association is up messages wait. SQ_ERR_AGAIN: the send buffer is full; SQ_ERR_STATE:
 * it is over, or the stream is being reset; SQ_ERR_INVALID: empty, or no such stream;
 * SQ_ERR_NOMEM. */
int sq_sctp_send(struct sq_sctp *a, uint64_t now_ns,
                 const struct sq_sctp_message *message) SQ_MUST_USE;
/* Its share of what is sent, beside that of others. SQ_ERR_NOMEM, SQ_ERR_INVALID. */
int sq_sctp_set_priority(struct sq_sctp *a, uint16_t stream, uint16_t priority) SQ_MUST_USE;
/* Bytes of messages that were not yet handed to the network. */
size_t sq_sctp_waiting_bytes(const struct sq_sctp *a, uint16_t stream);
/* Resets the outgoing stream once all of it has been sent: told by outgoing_reset. SQ_ERR_STATE
 * unless the association is up; SQ_ERR_NOMEM. A second call while the first is at work is none. */
int sq_sctp_reset(struct sq_sctp *a, uint64_t now_ns, uint16_t stream) SQ_MUST_USE;
/* Ends it once all has been sent and acknowledged: told by closed. */
void sq_sctp_shutdown(struct sq_sctp *a, uint64_t now_ns);
/* Ends it at once, with an ABORT if there is anybody to tell; nothing is called back but send. */
void sq_sctp_abort(struct sq_sctp *a, uint64_t now_ns, const char *reason);

struct sq_sctp_stats {
    enum sq_sctp_state state;
    bool interleaving, zero_checksum, partial_reliability; /* agreed */
    double smoothed_round_trip_time_s;                     /* < 0: not measured */
    double rto_s;
    uint32_t congestion_window_bytes;
    uint32_t slow_start_threshold_bytes;
    uint32_t receiver_window_bytes; /* the other side's */
    uint32_t mtu_bytes;
    uint32_t unack_data; /* DATA chunks under way */
    uint64_t packets_sent, packets_received;
    uint64_t retransmitted_chunks, fast_recoveries, timeouts;
    uint64_t duplicates;         /* DATA chunks that came twice */
    uint64_t messages_abandoned; /* given up for their limit */
    uint64_t discarded;          /* packets */
};
void sq_sctp_stats(const struct sq_sctp *a, struct sq_sctp_stats *ret_stats);
enum sq_sctp_state sq_sctp_get_state(const struct sq_sctp *a);
/* As RTCSctpTransportState: "connecting", "connected", "closed"; static. */
const char *sq_sctp_state_name(enum sq_sctp_state state);
/* Bytes of heap that it holds now. */
size_t sq_sctp_memory_bytes(const struct sq_sctp *a);

/* CRC32c (RFC 9260, appendix A); a packet bears it little-endian. */
uint32_t sq_crc32c(const uint8_t *bytes, size_t len);
/* In steps: begins with ~0, and its result is inverted at the end. */
uint32_t sq_crc32c_step(uint32_t crc, const uint8_t *bytes, size_t len);
/* The same as sq_crc32c without the processor's instruction, to be held against it. */
uint32_t sq_crc32c_by_table(const uint8_t *bytes, size_t len);

#endif
