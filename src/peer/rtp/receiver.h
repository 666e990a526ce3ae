/* What one remote SSRC sent: sequence numbers, loss, jitter, duplicates, missing packets and when
 * to ask for them. RFC 3550 (A.1, A.3, A.8), RFC 4585 (NACK). Names follow the W3C identifiers for
 * WebRTC statistics (packets_received is packetsReceived). A plain struct, which allocates only for
 * a large gap. */
#ifndef SQ_PEER_RTP_RECEIVER_H
#define SQ_PEER_RTP_RECEIVER_H

#include "base/time.h"
#include "peer/rtcp/rtcp.h"
#include "peer/rtp/rtp.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_RTP_WINDOW         1024 /* sequence numbers behind the highest of which is known what came */
#define SQ_RTP_MISSING_MAX    64   /* packets that are being asked for at one time ... */
#define SQ_RTP_MISSING_MOST   1000 /* ... and with memory on top (libwebrtc's kMaxNackPackets) */
#define SQ_RTP_DROPOUT_MAX    3000 /* a larger step forward may be a restart (RFC 3550, A.1) */
#define SQ_RTP_NACK_TRIES     10
#define SQ_RTP_NACK_REORDER   2  /* newer packets before a hole counts as lost ... */
#define SQ_RTP_NACK_WAIT_MS   10 /* ... or this long, whichever is first */
#define SQ_RTP_NACK_REPEAT_MS 20 /* the least time between two requests for a packet */
#define SQ_RTP_NACK_GIVEUP_MS                                                                      \
    500 /* no request after it, or three round trips where that is more (2 s at most) */

/* Result of sq_rtp_receiver_on_packet. NEW alone is the ordinary case. */
enum sq_rtp_rx {
    SQ_RTP_RX_NEW = 1u << 0,           /* seen for the first time: deliver it */
    SQ_RTP_RX_DUPLICATE = 1u << 1,     /* came before */
    SQ_RTP_RX_LATE = 1u << 2,          /* with NEW: behind the highest, network reordering */
    SQ_RTP_RX_RETRANSMITTED = 1u << 3, /* with NEW: it was asked for and fills its hole */
    SQ_RTP_RX_TOO_OLD = 1u << 4,       /* behind the window; counts as discarded */
    SQ_RTP_RX_RESTART = 1u << 5,       /* with NEW: the source began anew at this place */
    SQ_RTP_RX_SUSPECT = 1u << 6, /* a wild sequence number; counted if the next one follows it */
    SQ_RTP_RX_GAP = 1u << 7      /* with NEW: packets are missing before it */
};

/* A packet being asked for. Times are ms since sq_rtp_receiver.missing_epoch_ns. */
struct sq_rtp_missing {
    uint16_t seq;
    uint16_t seen_by; /* the packet that showed the hole */
    uint32_t born_ms;
    uint16_t asked_after_ms; /* last request, since born */
    uint8_t tries;
};

/* Read the counters freely; write them only where it is said so. */
struct sq_rtp_receiver {
    uint32_t ssrc;
    uint32_t clock_rate; /* Hz */
    enum sq_rtp_kind kind;
    bool nack;
    bool started;
    bool key_frame_needed; /* more is missing than can be asked for: the caller asks for a key frame
                              and clears it */

    /* Counters since the start; a restart of the source does not reset them. */
    uint64_t packets_received; /* all, with duplicates and retransmissions */
    uint64_t packets_duplicated;
    uint64_t packets_too_old;       /* came behind the window: not known whether seen before */
    uint64_t packets_discarded;     /* written by the caller: too late or early for its buffer */
    uint64_t bytes_received;        /* payload */
    uint64_t header_bytes_received; /* headers and padding */
    uint64_t packets_late;          /* reordered: arrived behind a newer one, not asked for */
    uint64_t retransmitted_packets_received; /* filled a hole that was asked for */
    uint64_t retransmitted_bytes_received;   /* their payload */
    uint64_t packets_repaired_elsewhere;     /* of them: by sq_rtp_receiver_on_repair */
    uint64_t packets_recovered;              /* by sq_rtp_receiver_on_recovered */
    uint64_t packets_suspect;                /* wild ones that no successor confirmed */
    uint64_t restarts;
    uint64_t packets_abandoned; /* given up: requests without result, or no room to ask */
    uint64_t nack_packets;      /* sequence numbers asked for, repeats counted */
    uint32_t nack_count;        /* NACK messages sent */
    uint32_t pli_count;         /* written by the caller, who sends them */
    uint32_t fir_count;         /* the same */
    uint64_t last_packet_received_ns;

    /* Sequence: extended numbers start at 65536 + the first one. */
    uint64_t highest_ext;
    uint64_t expected_before;           /* expected of the times before the last restart */
    uint64_t first_ext;                 /* lowest of the present run */
    uint64_t seen[SQ_RTP_WINDOW / 64];  /* by extended number modulo the window */
    uint64_t asked[SQ_RTP_WINDOW / 64]; /* was ever asked for */
    uint64_t first_at_ns;               /* arrival of the first packet */
    uint32_t highest_ts;                /* time-stamp of the highest */
    uint32_t bad_seq;              /* what would confirm a suspect packet; above 65535 = none */
    uint16_t suspect_header_bytes; /* of the suspect packet, counted when it is confirmed */
    uint16_t suspect_payload_bytes;

    /* Jitter, RFC 3550 A.8. */
    double jitter_units; /* RTP time-stamp units */
    double units_per_ns;
    uint64_t jitter_at_ns; /* arrival of the last packet that counted */
    uint32_t jitter_ts;
    bool jitter_started;

    /* Report intervals, A.3. */
    uint64_t expected_prior;
    uint64_t received_prior;

    /* Sender reports: mapping of the clocks, and remote-outbound-rtp. */
    uint64_t sr_ntp;        /* 0 = none yet */
    uint64_t sr_arrival_ns; /* our clock */
    uint32_t sr_rtp_ts;
    uint32_t sr_count;       /* reportsSent */
    uint64_t remote_packets; /* unwrapped from 32 bits */
    uint64_t remote_bytes;

    /* Missing packets, oldest first. */
    uint64_t missing_epoch_ns;
    uint64_t nack_next_ns; /* earliest time at which something may be due; SQ_NEVER = nothing */
    uint64_t rtt_ns;       /* as last told */
    uint16_t missing_most; /* SQ_RTP_MISSING_MOST, or less by the owner's will */
    uint16_t missing_count;
    uint16_t unasked_count;      /* those with tries == 0 stand at the end of the list */
    struct sq_rtp_missing *more; /* the list since it grew too long for the next field, until it is
                                    empty; NULL otherwise. Owned. */
    struct sq_rtp_missing missing[SQ_RTP_MISSING_MAX];
};

void sq_rtp_receiver_init(struct sq_rtp_receiver *r, uint32_t ssrc, uint32_t clock_rate,
                          enum sq_rtp_kind kind, bool nack);
/* Frees what it holds; r itself is the caller's. */
void sq_rtp_receiver_close(struct sq_rtp_receiver *r);

/* Counts a packet; now_ns is its arrival. Returns bits of enum sq_rtp_rx. Jitter leaves out
 * duplicates and retransmissions (their delay is not the network's). Otherwise each packet of audio
 * counts, in order of arrival; of video the first in order of each time-stamp, for the others of a
 * frame wait for one another at the sender (as in libwebrtc's StreamStatistician). */
unsigned sq_rtp_receiver_on_packet(struct sq_rtp_receiver *r, uint64_t now_ns,
                                   const struct sq_rtp_packet *pkt);

/* A packet that was repaired in another way (RTX on its own SSRC): fills the hole of `seq`.
 * Counts retransmitted_packets_received; the bytes belong to the other SSRC. Returns the same bits.
 */
unsigned sq_rtp_receiver_on_repair(struct sq_rtp_receiver *r, uint64_t now_ns, uint16_t seq,
                                   size_t payload_bytes);
/* The same of one that was not sent again, but made again out of others (FEC): packets_recovered
 * counts it. */
unsigned sq_rtp_receiver_on_recovered(struct sq_rtp_receiver *r, uint64_t now_ns,
                                      const struct sq_rtp_packet *pkt);

/* Gives the sequence numbers to ask for now, oldest first (up to max; call once for a NACK message,
 * it counts one where it returns > 0). rtt_ns: 0 = not known yet (100 ms are taken). Gives up what
 * is too old, silently (as libwebrtc's NackRequester): who plays the stream knows whether it lacks
 * anything. */
size_t sq_rtp_receiver_nacks(struct sq_rtp_receiver *r, uint64_t now_ns, uint64_t rtt_ns,
                             uint16_t *ret_seqs, size_t max);
/* When to call sq_rtp_receiver_nacks next; SQ_NEVER without missing packets. */
static inline uint64_t sq_rtp_receiver_next_ns(const struct sq_rtp_receiver *r)
{
    return r->nack_next_ns;
}
/* Nothing before seq is of use any more: what is missing there is no longer asked for. */
void sq_rtp_receiver_forget_before(struct sq_rtp_receiver *r, uint16_t seq);

/* A sender report of this SSRC arrived. */
void sq_rtp_receiver_on_sr(struct sq_rtp_receiver *r, uint64_t now_ns,
                           const struct sq_rtcp_report *sr);
/* The sender's NTP time of an RTP time-stamp; false before the first SR. */
bool sq_rtp_receiver_ntp_of(const struct sq_rtp_receiver *r, uint32_t ts, uint64_t *ret_ntp);
/* The report block for this source, and the start of the next interval (fraction lost is since the
 * last call). False, and nothing written, before the first packet. */
bool sq_rtp_receiver_report(struct sq_rtp_receiver *r, uint64_t now_ns,
                            struct sq_rtcp_block *ret_block);

/* Packets that should have come, from sequence numbers. */
static inline uint64_t sq_rtp_receiver_expected(const struct sq_rtp_receiver *r)
{
    return r->started ? r->expected_before + r->highest_ext - r->first_ext + 1 : 0;
}

/* inbound-rtp of W3C webrtc-stats, with loss told apart. */
struct sq_rtp_inbound_stats {
    uint32_t ssrc;
    uint64_t packets_expected; /* from sequence numbers */
    uint64_t packets_received; /* packetsReceived */
    int64_t packets_lost; /* packetsLost, RFC 3550 6.4.1: expected less received; duplicates can
                             make it negative */
    uint64_t packets_lost_network;  /* lost by the network, whether repaired or not */
    uint64_t packets_lost_residual; /* those that no retransmission repaired */
    uint64_t packets_duplicated;    /* packetsDuplicated */
    uint64_t packets_discarded;     /* packetsDiscarded */
    uint64_t packets_late;
    uint64_t packets_abandoned;
    uint64_t bytes_received;        /* bytesReceived */
    uint64_t header_bytes_received; /* headerBytesReceived */
    uint64_t retransmitted_packets_received;
    uint64_t retransmitted_bytes_received;
    uint64_t packets_recovered;
    double jitter_s;       /* jitter, seconds */
    uint32_t jitter_units; /* as in reports */
    uint32_t nack_count;   /* nackCount */
    uint32_t pli_count;
    uint32_t fir_count;
    uint64_t restarts;
    uint64_t last_packet_received_ns; /* lastPacketReceivedTimestamp, our clock */
};
void sq_rtp_receiver_stats(const struct sq_rtp_receiver *r, struct sq_rtp_inbound_stats *ret_stats);

/* remote-outbound-rtp, from sender reports. */
struct sq_rtp_remote_outbound_stats {
    uint32_t ssrc;
    uint64_t packets_sent; /* packetsSent */
    uint64_t bytes_sent;   /* bytesSent */
    uint32_t reports_sent; /* reportsSent */
    uint64_t remote_ntp;   /* remoteTimestamp, 64-bit NTP; 0 = no report yet */
};
void sq_rtp_receiver_remote_stats(const struct sq_rtp_receiver *r,
                                  struct sq_rtp_remote_outbound_stats *ret_stats);

#endif
