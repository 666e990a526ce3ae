#include "peer/rtcp/rtcp.h"

#define HEADER_BYTES    4
#define BLOCK_BYTES     24
#define REMB_IDENTIFIER 0x52454d42u /* "REMB" */
#define SDES_END        0
#define SDES_CNAME      1

struct sq_rtcp_iter sq_rtcp_iter(const void *buf, size_t len)
{
    return (struct sq_rtcp_iter){.at = buf, .left = len, .err = 0};
}

static enum sq_rtcp_kind kind_of(const struct sq_rtcp_packet *p)
{
    switch (p->type) {
    case SQ_RTCP_SR:
        return SQ_RTCP_KIND_SR;
    case SQ_RTCP_RR:
        return SQ_RTCP_KIND_RR;
    case SQ_RTCP_SDES:
        return SQ_RTCP_KIND_SDES;
    case SQ_RTCP_BYE:
        return SQ_RTCP_KIND_BYE;
    case SQ_RTCP_RTPFB:
        return p->count == SQ_RTPFB_NACK   ? SQ_RTCP_KIND_NACK
               : p->count == SQ_RTPFB_TWCC ? SQ_RTCP_KIND_TWCC
                                           : SQ_RTCP_KIND_OTHER;
    case SQ_RTCP_PSFB:
        if (p->count == SQ_PSFB_AFB && p->body_bytes >= 12 &&
            sq_load_u32(p->body + 8) == REMB_IDENTIFIER) {
            return SQ_RTCP_KIND_REMB;
        }
        return p->count == SQ_PSFB_PLI   ? SQ_RTCP_KIND_PLI
               : p->count == SQ_PSFB_FIR ? SQ_RTCP_KIND_FIR
                                         : SQ_RTCP_KIND_OTHER;
    default:
        return SQ_RTCP_KIND_OTHER;
    }
}

bool sq_rtcp_next(struct sq_rtcp_iter *it, struct sq_rtcp_packet *ret_pkt)
{
    if (it->err || it->left == 0) {
        return false;
    }
    if (it->left < HEADER_BYTES) {
        it->err = SQ_ERR_TRUNCATED;
        return false;
    }
    const uint8_t *p = it->at;
    size_t bytes = 4 * ((size_t)sq_load_u16(p + 2) + 1);
    if (p[0] >> 6 != 2) {
        it->err = SQ_ERR_FORMAT;
        return false;
    }
    if (bytes > it->left) {
        it->err = SQ_ERR_TRUNCATED;
        return false;
    }
    size_t padding = 0;
    if (p[0] & 0x20) {
        /* Allowed on the last packet of a compound; browsers also pad feedback that others follow.
         */
        padding = p[bytes - 1];
        if (padding == 0 || padding > bytes - HEADER_BYTES) {
            it->err = SQ_ERR_FORMAT;
            return false;
        }
    }
    struct sq_rtcp_packet pkt = {
        .body = p + HEADER_BYTES,
        .body_bytes = bytes - HEADER_BYTES - padding,
        .type = p[1],
        .count = p[0] & 0x1f,
    };
    pkt.kind = kind_of(&pkt);
    it->at += bytes;
    it->left -= bytes;
    *ret_pkt = pkt;
    return true;
}

int sq_rtcp_parse_report(const struct sq_rtcp_packet *p, struct sq_rtcp_report *ret)
{
    if (p->kind != SQ_RTCP_KIND_SR && p->kind != SQ_RTCP_KIND_RR) {
        return SQ_ERR_INVALID;
    }
    struct sq_wire w = sq_wire_reader(p->body, p->body_bytes);
    struct sq_rtcp_report r = {.is_sr = p->kind == SQ_RTCP_KIND_SR, .block_count = p->count};
    r.ssrc = sq_wire_u32(&w);
    if (r.is_sr) {
        r.ntp = sq_wire_u64(&w);
        r.rtp_ts = sq_wire_u32(&w);
        r.packets = sq_wire_u32(&w);
        r.octets = sq_wire_u32(&w);
    }
    r.blocks = sq_wire_read(&w, BLOCK_BYTES * (size_t)r.block_count);
    if (w.err) {
        return w.err;
    }
    *ret = r;
    return 0;
}

struct sq_rtcp_block sq_rtcp_block_at(const struct sq_rtcp_report *r, size_t i)
{
    const uint8_t *p = r->blocks + BLOCK_BYTES * i;
    uint32_t lost = sq_load_u24(p + 5);
    return (struct sq_rtcp_block){
        .ssrc = sq_load_u32(p),
        .fraction_lost = p[4],
        .cumulative_lost = lost < 0x800000u ? (int32_t)lost : (int32_t)lost - 0x1000000,
        .highest_seq = sq_load_u32(p + 8),
        .jitter = sq_load_u32(p + 12),
        .lsr = sq_load_u32(p + 16),
        .dlsr = sq_load_u32(p + 20),
    };
}

/* One chunk: SSRC, items, a NUL, and NULs up to the next 32 bits (RFC 3550, 6.5). */
static void parse_chunk(struct sq_wire *w, struct sq_rtcp_sdes_chunk *chunk)
{
    size_t start = w->pos;
    chunk->ssrc = sq_wire_u32(w);
    chunk->cname = (struct sq_view){0};
    while (!w->err) {
        uint8_t type = sq_wire_u8(w);
        if (type == SDES_END) {
            break;
        }
        size_t len = sq_wire_u8(w);
        const uint8_t *text = sq_wire_read(w, len);
        if (type == SDES_CNAME && text) {
            chunk->cname = (struct sq_view){.at = (const char *)text, .len = len};
        }
    }
    if (!w->err) {
        sq_wire_skip(w, (4 - (w->pos - start) % 4) % 4);
    }
}

int sq_rtcp_parse_sdes(const struct sq_rtcp_packet *p, struct sq_rtcp_sdes_chunk *ret,
                       size_t *ret_count)
{
    if (p->kind != SQ_RTCP_KIND_SDES) {
        return SQ_ERR_INVALID;
    }
    struct sq_rtcp_sdes_chunk chunks[SQ_RTCP_BLOCKS_MAX];
    struct sq_wire w = sq_wire_reader(p->body, p->body_bytes);
    for (size_t i = 0; i < p->count; i++) {
        parse_chunk(&w, &chunks[i]);
        if (w.err) {
            return w.err;
        }
    }
    if (p->count > 0) {
        memcpy(ret, chunks, p->count * sizeof(*chunks));
    }
    *ret_count = p->count;
    return 0;
}

int sq_rtcp_parse_bye(const struct sq_rtcp_packet *p, struct sq_rtcp_bye *ret)
{
    if (p->kind != SQ_RTCP_KIND_BYE) {
        return SQ_ERR_INVALID;
    }
    struct sq_wire w = sq_wire_reader(p->body, p->body_bytes);
    struct sq_rtcp_bye bye = {.count = p->count};
    bye.ssrcs = sq_wire_read(&w, 4 * (size_t)p->count);
    if (!w.err && sq_wire_left(&w) > 0) {
        size_t len = sq_wire_u8(&w);
        const uint8_t *text = sq_wire_read(&w, len);
        bye.reason = (struct sq_view){.at = (const char *)text, .len = len};
    }
    if (w.err) {
        return w.err;
    }
    *ret = bye;
    return 0;
}

int sq_rtcp_parse_nack(const struct sq_rtcp_packet *p, struct sq_rtcp_nack *ret)
{
    if (p->kind != SQ_RTCP_KIND_NACK) {
        return SQ_ERR_INVALID;
    }
    if (p->body_bytes < 12) {
        return SQ_ERR_TRUNCATED;
    }
    if (p->body_bytes % 4) {
        return SQ_ERR_FORMAT;
    }
    *ret = (struct sq_rtcp_nack){
        .sender_ssrc = sq_load_u32(p->body),
        .media_ssrc = sq_load_u32(p->body + 4),
        .pairs = p->body + 8,
        .pair_count = (p->body_bytes - 8) / 4,
    };
    return 0;
}

size_t sq_rtcp_nack_seqs(const struct sq_rtcp_nack *n, uint16_t *ret_seqs, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < n->pair_count; i++) {
        uint16_t pid = sq_load_u16(n->pairs + 4 * i);
        uint32_t wanted = 1u | (uint32_t)sq_load_u16(n->pairs + 4 * i + 2) << 1;
        for (unsigned bit = 0; bit < SQ_RTCP_NACK_PER_PAIR; bit++) {
            if (!(wanted >> bit & 1u)) {
                continue;
            }
            if (count == max) {
                return count;
            }
            ret_seqs[count++] = (uint16_t)(pid + bit);
        }
    }
    return count;
}

int sq_rtcp_parse_pli(const struct sq_rtcp_packet *p, struct sq_rtcp_pli *ret)
{
    if (p->kind != SQ_RTCP_KIND_PLI) {
        return SQ_ERR_INVALID;
    }
    if (p->body_bytes < 8) {
        return SQ_ERR_TRUNCATED;
    }
    *ret = (struct sq_rtcp_pli){.sender_ssrc = sq_load_u32(p->body),
                                .media_ssrc = sq_load_u32(p->body + 4)};
    return 0;
}

int sq_rtcp_parse_fir(const struct sq_rtcp_packet *p, struct sq_rtcp_fir *ret)
{
    if (p->kind != SQ_RTCP_KIND_FIR) {
        return SQ_ERR_INVALID;
    }
    if (p->body_bytes < 16) {
        return SQ_ERR_TRUNCATED;
    }
    if (p->body_bytes % 8) {
        return SQ_ERR_FORMAT;
    }
    /* The media SSRC of the header is 0 and not used: the entries name the sources. */
    *ret = (struct sq_rtcp_fir){
        .sender_ssrc = sq_load_u32(p->body),
        .entries = p->body + 8,
        .entry_count = (p->body_bytes - 8) / 8,
    };
    return 0;
}

struct sq_rtcp_fir_entry sq_rtcp_fir_at(const struct sq_rtcp_fir *f, size_t i)
{
    const uint8_t *p = f->entries + 8 * i;
    return (struct sq_rtcp_fir_entry){.ssrc = sq_load_u32(p), .seq = p[4]};
}

int sq_rtcp_parse_remb(const struct sq_rtcp_packet *p, struct sq_rtcp_remb *ret)
{
    if (p->kind != SQ_RTCP_KIND_REMB) {
        return SQ_ERR_INVALID;
    }
    struct sq_wire w = sq_wire_reader(p->body, p->body_bytes);
    struct sq_rtcp_remb r = {.sender_ssrc = sq_wire_u32(&w)};
    sq_wire_skip(&w, 8); /* media SSRC, always 0, and the identifier */
    r.ssrc_count = sq_wire_u8(&w);
    uint32_t word = sq_wire_u24(&w);
    unsigned exponent = word >> 18;
    uint64_t mantissa = word & 0x3ffff;
    bool fits = mantissa == 0 || exponent + (64 - (unsigned)__builtin_clzll(mantissa)) <= 64;
    r.bitrate_bps = mantissa == 0 ? 0 : fits ? mantissa << exponent : UINT64_MAX;
    r.ssrcs = sq_wire_read(&w, 4 * r.ssrc_count);
    if (w.err) {
        return w.err;
    }
    *ret = r;
    return 0;
}
