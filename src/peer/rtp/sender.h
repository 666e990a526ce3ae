/* What one local SSRC sends: sequence numbers, counters, sender reports, a history to answer NACK
 * from, and what the other side reports of it. RFC 3550 sections 6.4 and 6.4.1; names follow the
 * W3C identifiers for WebRTC statistics. */
#ifndef SQ_PEER_RTP_SENDER_H
#define SQ_PEER_RTP_SENDER_H

#include "base/time.h"
#include "peer/rtcp/rtcp.h"
#include "peer/rtp/rtp.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_RTP_HISTORY_MAX 32768      /* half the sequence space */
#define SQ_RTP_NO_COOKIE   UINT32_MAX /* a packet that can't be sent again (padding) */

struct sq_rtp_history_entry {
    uint32_t cookie; /* the caller's: which packet of the clip */
    uint32_t ts;
};

struct sq_rtp_sender {
    uint32_t ssrc;
    uint32_t clock_rate; /* Hz */
    enum sq_rtp_kind kind;
    uint16_t next_seq;
    uint16_t first_seq; /* of the first packet sent */
    uint32_t ts_base;   /* random start of the time-stamps; the caller adds its media time */

    /* outbound-rtp. */
    uint64_t packets_sent;      /* packetsSent, with retransmissions */
    uint64_t numbers_skipped;   /* of sequence numbers that were never sent */
    uint64_t bytes_sent;        /* bytesSent: payload, with retransmissions */
    uint64_t header_bytes_sent; /* headerBytesSent: headers and padding */
    uint64_t retransmitted_packets_sent;
    uint64_t retransmitted_bytes_sent;
    uint64_t nack_misses;     /* asked for, but no longer in the history */
    uint64_t nack_suppressed; /* asked for again within a round trip of its retransmission */
    uint32_t nack_count;      /* NACK messages received */
    uint32_t pli_count;
    uint32_t fir_count;
    uint32_t frames_sent;     /* written by the caller */
    uint32_t key_frames_sent; /* the same: keyFramesEncoded's place */
    uint64_t last_packet_sent_ns;

    /* Mapping of media time for SR: the time-stamp last sent and when it was first sent. */
    uint64_t ts_at_ns;
    uint32_t ts_last;
    bool started;
    bool fir_started;
    uint8_t fir_seq;
    uint32_t sr_count;

    /* remote-inbound-rtp. */
    uint32_t reports_received;
    uint8_t remote_fraction_lost; /* 1/256 */
    int32_t remote_packets_lost;
    uint32_t remote_jitter; /* time-stamp units */
    uint32_t remote_highest_seq;
    uint64_t reported_expected; /* over the intervals of all blocks: RFC 3550, A.3 */
    int64_t reported_lost;
    uint64_t remote_report_ns; /* when the last report came, our clock */
    uint64_t rtt_ns;           /* last measured; valid where rtt_measurements > 0 */
    uint64_t rtt_at_ns;        /* when, our clock */
    uint64_t rtt_min_ns;
    uint64_t rtt_total_ns;
    uint32_t rtt_measurements;

    /* History. */
    uint32_t history_room; /* a power of two, or 0 */
    uint32_t history_used;
    struct sq_rtp_history_entry *history; /* owned */
    uint16_t *resent_ms; /* owned: ms modulo 2^16 when it was last given to be resent, 0 = never */
};

/* Zero-initialised is closed. history_packets is 0 or a power of two up to SQ_RTP_HISTORY_MAX, else
 * SQ_ERR_INVALID; SQ_ERR_NOMEM. */
int sq_rtp_sender_init(struct sq_rtp_sender *s, uint32_t ssrc, uint16_t first_seq, uint32_t ts_base,
                       uint32_t clock_rate, enum sq_rtp_kind kind,
                       uint32_t history_packets) SQ_MUST_USE;
/* Frees the history. NULL and half-built ones are allowed. */
void sq_rtp_sender_close(struct sq_rtp_sender *s);

/* A packet leaves: takes its sequence number, counts it, remembers it. now_ns is when it leaves;
 * the first packet of a time-stamp ties media time to our clock. header_bytes with padding. */
static inline uint16_t sq_rtp_sender_take(struct sq_rtp_sender *s, uint64_t now_ns, uint32_t ts,
                                          size_t header_bytes, size_t payload_bytes,
                                          uint32_t cookie)
{
    uint16_t seq = s->next_seq++;
    s->packets_sent++;
    s->bytes_sent += payload_bytes;
    s->header_bytes_sent += header_bytes;
    s->last_packet_sent_ns = now_ns;
    if (!s->started || ts != s->ts_last) {
        s->started = true;
        s->ts_last = ts;
        s->ts_at_ns = now_ns;
    }
    if (s->history) {
        uint32_t at = seq & (s->history_room - 1);
        s->history[at] = (struct sq_rtp_history_entry){.cookie = cookie, .ts = ts};
        s->resent_ms[at] = 0;
        s->history_used += s->history_used < s->history_room;
    }
    return seq;
}

/* The same with a sequence number of the caller's: ahead of the next one, what is skipped was never
 * sent and can't be asked for; behind it, a hole is filled late, and the count goes on from where
 * it was. Returns seq. */
uint16_t sq_rtp_sender_take_at(struct sq_rtp_sender *s, uint64_t now_ns, uint16_t seq, uint32_t ts,
                               size_t header_bytes, size_t payload_bytes, uint32_t cookie);

/* What a NACK asks to be sent again. */
struct sq_rtp_resend {
    uint16_t seq;
    uint32_t ts;
    uint32_t cookie;
};

/* A NACK message for this SSRC arrived: counts it, and gives what to send again (up to max; with
 * room for SQ_RTCP_NACK_PER_PAIR * pair_count none is left out). A packet given less than a round
 * trip and 5 ms ago (rtt_ns; 0 = not known) is not given again, as libwebrtc does; so a packet that
 * is named twice comes once. The caller sends each and then calls
 * sq_rtp_sender_resent. */
size_t sq_rtp_sender_on_nack(struct sq_rtp_sender *s, uint64_t now_ns, uint64_t rtt_ns,
                             const struct sq_rtcp_nack *nack, struct sq_rtp_resend *ret_packets,
                             size_t max);
/* SQ_ERR_NOTFOUND when it is not in the history any more, or never was. */
int sq_rtp_sender_find(const struct sq_rtp_sender *s, uint16_t seq,
                       struct sq_rtp_resend *ret_packet) SQ_MUST_USE;
/* A packet was sent again on this SSRC: counts it. (With RTX the other SSRC's sender counts it.) */
void sq_rtp_sender_resent(struct sq_rtp_sender *s, uint64_t now_ns, size_t header_bytes,
                          size_t payload_bytes);
/* True where this FIR is a new command (RFC 5104, 4.3.1.2): send a key frame. PLI: count it with
 * pli_count. */
bool sq_rtp_sender_on_fir(struct sq_rtp_sender *s, uint8_t command_seq);

/* The sender's part of an SR: for put_sr, blocks excluded. now_ns is our clock, ntp_now the same
 * moment as 64-bit NTP (sq_ntp_from_wall_ns). Counts the report. False before the first packet. */
bool sq_rtp_sender_report(struct sq_rtp_sender *s, uint64_t now_ns, uint64_t ntp_now,
                          struct sq_rtcp_report *ret_sr);
/* The time-stamp that media of this moment has. */
uint32_t sq_rtp_sender_ts_at(const struct sq_rtp_sender *s, uint64_t now_ns);

/* A report block of this SSRC came. ntp_now by the same clock as the SRs. The round trip is A - LSR
 * - DLSR (RFC 3550, 6.4.1), left out where LSR is 0 or the sum makes no sense. */
void sq_rtp_sender_on_block(struct sq_rtp_sender *s, uint64_t now_ns, uint64_t ntp_now,
                            const struct sq_rtcp_block *block);
/* A - LSR - DLSR in ns; false where it can't be. The times are middle 32 bits of NTP. */
bool sq_rtcp_rtt(uint64_t ntp_now, uint32_t lsr, uint32_t dlsr, uint64_t *ret_rtt_ns);

struct sq_rtp_outbound_stats {
    uint32_t ssrc;
    uint64_t packets_sent;               /* packetsSent */
    uint64_t bytes_sent;                 /* bytesSent */
    uint64_t header_bytes_sent;          /* headerBytesSent */
    uint64_t retransmitted_packets_sent; /* retransmittedPacketsSent */
    uint64_t retransmitted_bytes_sent;   /* retransmittedBytesSent */
    uint32_t nack_count;                 /* nackCount */
    uint32_t pli_count;                  /* pliCount */
    uint32_t fir_count;                  /* firCount */
    uint32_t frames_sent;                /* framesSent */
    uint32_t key_frames_sent;
};
void sq_rtp_sender_stats(const struct sq_rtp_sender *s, struct sq_rtp_outbound_stats *ret_stats);

/* remote-inbound-rtp, from report blocks. */
struct sq_rtp_remote_inbound_stats {
    uint32_t ssrc;
    uint32_t reports_received;
    double fraction_lost; /* fractionLost, 0 to 1, of the last interval */
    int64_t packets_lost; /* packetsLost */
    /* Not of W3C: what the blocks' intervals cover, by the highest sequence number of each, and
     * what of it was lost: 0 <= reported_lost <= reported_expected. It falls when late packets fill
     * what was lost before. */
    uint64_t reported_expected;
    int64_t reported_lost;
    double jitter_s;                       /* jitter, seconds */
    double round_trip_time_s;              /* roundTripTime, the last one */
    double round_trip_time_min_s;          /* the smallest so far */
    double total_round_trip_time_s;        /* totalRoundTripTime */
    uint32_t round_trip_time_measurements; /* roundTripTimeMeasurements; 0 = no round trip known */
};
void sq_rtp_sender_remote_stats(const struct sq_rtp_sender *s,
                                struct sq_rtp_remote_inbound_stats *ret_stats);

#endif
