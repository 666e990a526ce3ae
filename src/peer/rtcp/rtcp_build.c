#include "peer/rtcp/rtcp.h"

#define REMB_IDENTIFIER 0x52454d42u /* "REMB" */
#define SDES_CNAME      1

static void fail(struct sq_wire *w, int err)
{
    w->err = w->err ? w->err : err;
}

/* The header; its length is stored by put_end. Returns where the packet begins. */
static size_t put_begin(struct sq_wire *w, unsigned count, uint8_t type)
{
    size_t start = w->pos;
    sq_wire_put_u8(w, (uint8_t)(0x80 | (count & 0x1f)));
    sq_wire_put_u8(w, type);
    sq_wire_put_u16(w, 0);
    return start;
}

/* A packet whose length is a multiple of 4 already. */
static void put_end(struct sq_wire *w, size_t start)
{
    if (!w->err) {
        sq_store_u16(w->buf + start + 2, (uint16_t)((w->pos - start) / 4 - 1));
    }
}

static void put_zeros(struct sq_wire *w, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sq_wire_put_u8(w, 0);
    }
}

static void put_blocks(struct sq_wire *w, const struct sq_rtcp_block *blocks, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        const struct sq_rtcp_block *b = &blocks[i];
        /* 24 bits, signed: held at the ends of the range (RFC 3550, A.3). */
        int32_t lost = b->cumulative_lost;
        lost = lost > 0x7fffff ? 0x7fffff : lost < -0x800000 ? -0x800000 : lost;
        sq_wire_put_u32(w, b->ssrc);
        sq_wire_put_u8(w, b->fraction_lost);
        sq_wire_put_u24(w, (uint32_t)lost & 0xffffffu);
        sq_wire_put_u32(w, b->highest_seq);
        sq_wire_put_u32(w, b->jitter);
        sq_wire_put_u32(w, b->lsr);
        sq_wire_put_u32(w, b->dlsr);
    }
}

void sq_rtcp_put_sr(struct sq_wire *w, const struct sq_rtcp_report *sr,
                    const struct sq_rtcp_block *blocks, size_t n)
{
    if (n > SQ_RTCP_BLOCKS_MAX) {
        fail(w, SQ_ERR_INVALID);
        return;
    }
    size_t start = put_begin(w, (unsigned)n, SQ_RTCP_SR);
    sq_wire_put_u32(w, sr->ssrc);
    sq_wire_put_u64(w, sr->ntp);
    sq_wire_put_u32(w, sr->rtp_ts);
    sq_wire_put_u32(w, sr->packets);
    sq_wire_put_u32(w, sr->octets);
    put_blocks(w, blocks, n);
    put_end(w, start);
}

void sq_rtcp_put_rr(struct sq_wire *w, uint32_t sender_ssrc, const struct sq_rtcp_block *blocks,
                    size_t n)
{
    if (n > SQ_RTCP_BLOCKS_MAX) {
        fail(w, SQ_ERR_INVALID);
        return;
    }
    size_t start = put_begin(w, (unsigned)n, SQ_RTCP_RR);
    sq_wire_put_u32(w, sender_ssrc);
    put_blocks(w, blocks, n);
    put_end(w, start);
}

void sq_rtcp_put_sdes_cname(struct sq_wire *w, uint32_t ssrc, struct sq_view cname)
{
    if (cname.len == 0 || cname.len > 255) {
        fail(w, SQ_ERR_INVALID);
        return;
    }
    size_t start = put_begin(w, 1, SQ_RTCP_SDES);
    sq_wire_put_u32(w, ssrc);
    sq_wire_put_u8(w, SDES_CNAME);
    sq_wire_put_u8(w, (uint8_t)cname.len);
    sq_wire_put(w, cname.at, cname.len);
    put_zeros(w, 4 - (2 + cname.len) % 4); /* at least one ends the list of items */
    put_end(w, start);
}

void sq_rtcp_put_bye(struct sq_wire *w, const uint32_t *ssrcs, size_t n, struct sq_view reason)
{
    if (n > SQ_RTCP_BLOCKS_MAX || reason.len > 255) {
        fail(w, SQ_ERR_INVALID);
        return;
    }
    size_t start = put_begin(w, (unsigned)n, SQ_RTCP_BYE);
    for (size_t i = 0; i < n; i++) {
        sq_wire_put_u32(w, ssrcs[i]);
    }
    if (reason.len > 0) {
        sq_wire_put_u8(w, (uint8_t)reason.len);
        sq_wire_put(w, reason.at, reason.len);
        put_zeros(w, (4 - (1 + reason.len) % 4) % 4);
    }
    put_end(w, start);
}

static size_t put_feedback(struct sq_wire *w, uint8_t type, unsigned fmt, uint32_t sender_ssrc,
                           uint32_t media_ssrc)
{
    size_t start = put_begin(w, fmt, type);
    sq_wire_put_u32(w, sender_ssrc);
    sq_wire_put_u32(w, media_ssrc);
    return start;
}

void sq_rtcp_put_nack(struct sq_wire *w, uint32_t sender_ssrc, uint32_t media_ssrc,
                      const uint16_t *seqs, size_t n)
{
    if (n == 0 || n > UINT16_MAX) {
        fail(w, SQ_ERR_INVALID);
        return;
    }
    size_t start = put_feedback(w, SQ_RTCP_RTPFB, SQ_RTPFB_NACK, sender_ssrc, media_ssrc);
    size_t i = 0;
    while (i < n && !w->err) {
        uint16_t pid = seqs[i++];
        uint16_t blp = 0;
        for (; i < n; i++) {
            uint16_t ahead = (uint16_t)(seqs[i] - pid);
            if (ahead == 0 || ahead > 16) {
                break;
            }
            blp |= (uint16_t)(1u << (ahead - 1));
        }
        sq_wire_put_u16(w, pid);
        sq_wire_put_u16(w, blp);
    }
    put_end(w, start);
}

void sq_rtcp_put_pli(struct sq_wire *w, uint32_t sender_ssrc, uint32_t media_ssrc)
{
    size_t start = put_feedback(w, SQ_RTCP_PSFB, SQ_PSFB_PLI, sender_ssrc, media_ssrc);
    put_end(w, start);
}

void sq_rtcp_put_fir(struct sq_wire *w, uint32_t sender_ssrc,
                     const struct sq_rtcp_fir_entry *entries, size_t n)
{
    if (n == 0 || n > 255) {
        fail(w, SQ_ERR_INVALID);
        return;
    }
    size_t start = put_feedback(w, SQ_RTCP_PSFB, SQ_PSFB_FIR, sender_ssrc, 0);
    for (size_t i = 0; i < n; i++) {
        sq_wire_put_u32(w, entries[i].ssrc);
        sq_wire_put_u8(w, entries[i].seq);
        sq_wire_put_u24(w, 0);
    }
    put_end(w, start);
}

void sq_rtcp_put_remb(struct sq_wire *w, uint32_t sender_ssrc, uint64_t bitrate_bps,
                      const uint32_t *ssrcs, size_t n)
{
    if (n > SQ_RTCP_REMB_SSRCS_MAX) {
        fail(w, SQ_ERR_INVALID);
        return;
    }
    unsigned exponent = 0;
    while (bitrate_bps >> exponent > 0x3ffff) { /* 18 bits of mantissa */
        exponent++;
    }
    size_t start = put_feedback(w, SQ_RTCP_PSFB, SQ_PSFB_AFB, sender_ssrc, 0);
    sq_wire_put_u32(w, REMB_IDENTIFIER);
    sq_wire_put_u8(w, (uint8_t)n);
    sq_wire_put_u24(w, exponent << 18 | (uint32_t)(bitrate_bps >> exponent));
    for (size_t i = 0; i < n; i++) {
        sq_wire_put_u32(w, ssrcs[i]);
    }
    put_end(w, start);
}
