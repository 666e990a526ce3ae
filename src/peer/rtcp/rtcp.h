/* RTCP: a walk over compound packets, typed views of the packets, and their builders.
 * RFC 3550 section 6 (SR, RR, SDES, BYE), RFC 4585 (NACK, PLI), RFC 5104 (FIR), RFC 5506 (reduced
 * size), draft-alvestrand-rmcat-remb-03 (REMB), draft-holmer-rmcat-transport-wide-cc-extensions-01.
 * Nothing allocates; views lie in the bytes they were parsed from. */
#ifndef SQ_PEER_RTCP_RTCP_H
#define SQ_PEER_RTCP_RTCP_H

#include "base/err.h"
#include "base/str.h"
#include "base/wire.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Packet types and feedback message types (FMT). */
enum sq_rtcp_type {
    SQ_RTCP_SR = 200,
    SQ_RTCP_RR = 201,
    SQ_RTCP_SDES = 202,
    SQ_RTCP_BYE = 203,
    SQ_RTCP_APP = 204,
    SQ_RTCP_RTPFB = 205,
    SQ_RTCP_PSFB = 206,
    SQ_RTCP_XR = 207
};
#define SQ_RTPFB_NACK 1  /* RFC 4585, 6.2.1 */
#define SQ_RTPFB_TWCC 15 /* transport-cc draft, 3.1 */
#define SQ_PSFB_PLI   1  /* RFC 4585, 6.3.1 */
#define SQ_PSFB_SLI   2
#define SQ_PSFB_FIR   4  /* RFC 5104, 4.3.1 */
#define SQ_PSFB_AFB   15 /* application layer feedback: REMB */

#define SQ_RTCP_BLOCKS_MAX     31  /* report blocks, chunks or sources of a packet: 5 bits */
#define SQ_RTCP_NACK_PER_PAIR  17  /* PID and the 16 bits of BLP */
#define SQ_RTCP_REMB_SSRCS_MAX 255 /* 8 bits */

/* What a packet is, folded from type and FMT. */
enum sq_rtcp_kind {
    SQ_RTCP_KIND_OTHER, /* XR, APP, SLI and anything unknown: skip it */
    SQ_RTCP_KIND_SR,
    SQ_RTCP_KIND_RR,
    SQ_RTCP_KIND_SDES,
    SQ_RTCP_KIND_BYE,
    SQ_RTCP_KIND_NACK,
    SQ_RTCP_KIND_TWCC,
    SQ_RTCP_KIND_PLI,
    SQ_RTCP_KIND_FIR,
    SQ_RTCP_KIND_REMB
};

struct sq_rtcp_packet {
    const uint8_t *body; /* behind the 4-byte header, padding taken off */
    size_t body_bytes;
    enum sq_rtcp_kind kind;
    uint8_t type;  /* enum sq_rtcp_type, or another number */
    uint8_t count; /* RC, SC or FMT, 5 bits */
};

struct sq_rtcp_iter {
    const uint8_t *at;
    size_t left;
    int err; /* 0, or why the walk ended early: what came before is still good */
};

/* Any packet may come first (RFC 5506). An empty buffer gives nothing. */
struct sq_rtcp_iter sq_rtcp_iter(const void *buf, size_t len);
/* False at the end, or at a packet whose version, length or padding is wrong (then it->err). */
bool sq_rtcp_next(struct sq_rtcp_iter *it, struct sq_rtcp_packet *ret_pkt);

/* A report block, RFC 3550 section 6.4.1. */
struct sq_rtcp_block {
    uint32_t ssrc;           /* the source it reports on */
    uint8_t fraction_lost;   /* 1/256 */
    int32_t cumulative_lost; /* 24 bits, signed */
    uint32_t highest_seq;    /* cycles << 16 | highest sequence number */
    uint32_t jitter;         /* RTP time-stamp units */
    uint32_t lsr;            /* middle 32 bits of the last SR's NTP time; 0 = none */
    uint32_t dlsr;           /* 1/65536 s */
};

/* SR and RR: of an RR only ssrc and the blocks are set. */
struct sq_rtcp_report {
    uint32_t ssrc;
    uint64_t ntp;
    uint32_t rtp_ts;
    uint32_t packets;
    uint32_t octets; /* payload only */
    bool is_sr;
    uint8_t block_count;
    const uint8_t *blocks; /* view; read with sq_rtcp_block_at */
};

/* Each sq_rtcp_parse_ expects a packet of its kind: SQ_ERR_INVALID otherwise, SQ_ERR_TRUNCATED or
 * SQ_ERR_FORMAT where the bytes are wrong. */
int sq_rtcp_parse_report(const struct sq_rtcp_packet *p, struct sq_rtcp_report *ret) SQ_MUST_USE;
/* i < block_count. */
struct sq_rtcp_block sq_rtcp_block_at(const struct sq_rtcp_report *r, size_t i);

struct sq_rtcp_sdes_chunk {
    uint32_t ssrc;
    struct sq_view cname; /* empty where the chunk has none; not NUL-terminated */
};
/* `ret` has room for SQ_RTCP_BLOCKS_MAX chunks. Items other than CNAME are passed over. */
int sq_rtcp_parse_sdes(const struct sq_rtcp_packet *p, struct sq_rtcp_sdes_chunk *ret,
                       size_t *ret_count) SQ_MUST_USE;

struct sq_rtcp_bye {
    uint8_t count;
    const uint8_t *ssrcs; /* count * 4 bytes: sq_load_u32(ssrcs + 4 * i) */
    struct sq_view reason;
};
int sq_rtcp_parse_bye(const struct sq_rtcp_packet *p, struct sq_rtcp_bye *ret) SQ_MUST_USE;

struct sq_rtcp_nack {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;
    const uint8_t *pairs; /* pair_count * 4 bytes */
    size_t pair_count;
};
int sq_rtcp_parse_nack(const struct sq_rtcp_packet *p, struct sq_rtcp_nack *ret) SQ_MUST_USE;
/* Writes up to max sequence numbers in the order of the message; returns how many. */
size_t sq_rtcp_nack_seqs(const struct sq_rtcp_nack *n, uint16_t *ret_seqs, size_t max);

struct sq_rtcp_pli {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;
};
int sq_rtcp_parse_pli(const struct sq_rtcp_packet *p, struct sq_rtcp_pli *ret) SQ_MUST_USE;

struct sq_rtcp_fir_entry {
    uint32_t ssrc;
    uint8_t seq; /* command number: a repeated one is the same command */
};
struct sq_rtcp_fir {
    uint32_t sender_ssrc;
    const uint8_t *entries; /* entry_count * 8 bytes */
    size_t entry_count;
};
int sq_rtcp_parse_fir(const struct sq_rtcp_packet *p, struct sq_rtcp_fir *ret) SQ_MUST_USE;
struct sq_rtcp_fir_entry sq_rtcp_fir_at(const struct sq_rtcp_fir *f, size_t i);

struct sq_rtcp_remb {
    uint32_t sender_ssrc;
    uint64_t bitrate_bps; /* UINT64_MAX where mantissa and exponent pass 64 bits */
    const uint8_t *ssrcs; /* ssrc_count * 4 bytes */
    size_t ssrc_count;
};
int sq_rtcp_parse_remb(const struct sq_rtcp_packet *p, struct sq_rtcp_remb *ret) SQ_MUST_USE;

/* Transport-wide congestion control feedback. */
#define SQ_TWCC_TICK_NS 250000ULL   /* unit of a receive delta */
#define SQ_TWCC_REF_NS  64000000ULL /* unit of the reference time */

struct sq_rtcp_twcc {
    uint32_t sender_ssrc;
    uint32_t media_ssrc;
    uint16_t base_seq;
    uint16_t status_count;  /* 1 to 65535 */
    int32_t reference_time; /* 24 bits, signed, 64 ms */
    uint8_t fb_count;
    const uint8_t *chunks;
    size_t chunk_bytes;
    const uint8_t *deltas;
    size_t delta_bytes; /* exactly what the chunks ask for */
};
/* Walks the chunks once, so that the iterator below can't run past the end. */
int sq_rtcp_parse_twcc(const struct sq_rtcp_packet *p, struct sq_rtcp_twcc *ret) SQ_MUST_USE;

struct sq_rtcp_twcc_status {
    uint16_t seq;
    bool received;
    int64_t at_ticks; /* arrival, 250 us, from the reference time's zero; of received ones */
};
struct sq_rtcp_twcc_iter {
    const struct sq_rtcp_twcc *fb;
    size_t chunk_pos, delta_pos;
    int64_t at_ticks;
    uint32_t done;       /* statuses given so far */
    uint16_t chunk;      /* the chunk in hand */
    uint16_t chunk_left; /* symbols still in it */
};
/* `fb` came from sq_rtcp_parse_twcc and outlives the iterator. */
struct sq_rtcp_twcc_iter sq_rtcp_twcc_iter(const struct sq_rtcp_twcc *fb);
bool sq_rtcp_twcc_next(struct sq_rtcp_twcc_iter *it, struct sq_rtcp_twcc_status *ret);

/* Builders. Each appends one packet; errors are sticky in w: SQ_ERR_NOSPACE, or SQ_ERR_INVALID for
 * more entries than the format holds. After an error drop the whole compound. */
void sq_rtcp_put_sr(struct sq_wire *w, const struct sq_rtcp_report *sr,
                    const struct sq_rtcp_block *blocks, size_t n);
void sq_rtcp_put_rr(struct sq_wire *w, uint32_t sender_ssrc, const struct sq_rtcp_block *blocks,
                    size_t n);
/* One chunk with a CNAME of 1 to 255 bytes. */
void sq_rtcp_put_sdes_cname(struct sq_wire *w, uint32_t ssrc, struct sq_view cname);
/* reason may be empty; at most 255 bytes. */
void sq_rtcp_put_bye(struct sq_wire *w, const uint32_t *ssrcs, size_t n, struct sq_view reason);
/* Ascending sequence numbers (modulo 2^16) pack best. n > 0. */
void sq_rtcp_put_nack(struct sq_wire *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                      const uint16_t *seqs, size_t n);
void sq_rtcp_put_pli(struct sq_wire *w, uint32_t sender_ssrc, uint32_t media_ssrc);
void sq_rtcp_put_fir(struct sq_wire *w, uint32_t sender_ssrc,
                     const struct sq_rtcp_fir_entry *entries, size_t n);
void sq_rtcp_put_remb(struct sq_wire *w, uint32_t sender_ssrc, uint64_t bitrate_bps,
                      const uint32_t *ssrcs, size_t n);

/* One packet's status for the feedback builder. */
struct sq_rtcp_twcc_mark {
    bool received;
    int16_t
        delta_ticks; /* 250 us since the one received before (the first: since reference_time) */
};
/* Statuses from base_seq on; n is 1 to 65535. Of `fb` the SSRCs, base_seq, reference_time and
 * fb_count are read. */
void sq_rtcp_put_twcc(struct sq_wire *w, const struct sq_rtcp_twcc *fb,
                      const struct sq_rtcp_twcc_mark *marks, size_t n);

#endif
