#include "peer/rtp/fec.h"

#include "base/mem.h"
#include "base/wire.h"
#include "peer/rtp/rtp.h"
#include <string.h>

struct stored {
    uint16_t seq;
    uint16_t len; /* 0: none */
    uint8_t bytes[SQ_FEC_PACKET_MAX];
};

struct pending {
    bool used;
    struct sq_fec_parity parity;
    uint8_t body[SQ_FEC_PACKET_MAX];
};

struct sq_fec {
    bool started;    /* newest is set */
    uint16_t newest; /* the highest sequence number that media or masks named */
    uint8_t waiting; /* of pending, those in use */
    uint64_t discarded;
    struct stored media[SQ_FEC_WINDOW]; /* by sequence number modulo the window */
    struct pending pending[SQ_FEC_PENDING_MAX];
};

/* ---- Reading ---- */

/* `n` bits of a mask, the first in the highest place, to the mask's bits from `at` on. */
static void add_mask(uint64_t mask[2], unsigned at, uint64_t bits, unsigned n)
{
    for (unsigned i = 0; i < n; i++) {
        if (bits >> (n - 1 - i) & 1U) {
            mask[(at + i) / 64] |= 1ULL << ((at + i) % 64);
        }
    }
}

static int finish(const struct sq_wire *w, struct sq_fec_parity *p,
                  struct sq_fec_parity *ret_parity)
{
    if (w->err) {
        return w->err;
    }
    if ((p->mask[0] | p->mask[1]) == 0 || p->body_len > SQ_FEC_PACKET_MAX - SQ_RTP_FIXED_BYTES) {
        return SQ_ERR_FORMAT;
    }
    *ret_parity = *p;
    return 0;
}

/* RFC 5109, sections 7.3 and 7.4. Levels above 0 are left out: no sender is known to use them. */
int sq_fec_read_ulpfec(const uint8_t *payload, size_t len, struct sq_fec_parity *ret_parity)
{
    struct sq_wire w = sq_wire_reader(payload, len);
    struct sq_fec_parity p = {0};
    uint8_t flags = sq_wire_u8(&w);
    p.first = flags & 0x3f;
    p.second = sq_wire_u8(&w);
    p.base = sq_wire_u16(&w);
    p.timestamp = sq_wire_u32(&w);
    p.length = sq_wire_u16(&w);
    if (!w.err && (flags & 0x80)) {
        return SQ_ERR_UNSUPPORTED;
    }
    p.body_len = sq_wire_u16(&w);
    add_mask(p.mask, 0, sq_wire_u16(&w), 16);
    if (flags & 0x40) { /* L: a long mask */
        add_mask(p.mask, 16, sq_wire_u32(&w), 32);
    }
    p.body = sq_wire_read(&w, p.body_len);
    return finish(&w, &p, ret_parity);
}

/* draft-ietf-payload-flexible-fec-scheme-03, section 4.2.2: a set k bit ends the mask. */
int sq_fec_read_flexfec(const uint8_t *payload, size_t len, struct sq_fec_parity *ret_parity)
{
    struct sq_wire w = sq_wire_reader(payload, len);
    struct sq_fec_parity p = {0};
    uint8_t flags = sq_wire_u8(&w);
    p.first = flags & 0x3f;
    p.second = sq_wire_u8(&w);
    p.length = sq_wire_u16(&w);
    p.timestamp = sq_wire_u32(&w);
    uint8_t streams = sq_wire_u8(&w);
    (void)sq_wire_u24(&w); /* reserved */
    if (!w.err && ((flags & 0xc0) || streams != 1)) {
        return SQ_ERR_UNSUPPORTED;
    }
    p.ssrc = sq_wire_u32(&w);
    p.base = sq_wire_u16(&w);
    uint16_t head = sq_wire_u16(&w);
    add_mask(p.mask, 0, head & 0x7fffU, 15);
    if (!(head & 0x8000)) {
        uint32_t more = sq_wire_u32(&w);
        add_mask(p.mask, 15, more & 0x7fffffffU, 31);
        if (!(more & 0x80000000U)) {
            /* The last k bit must be set; libwebrtc refuses the packet otherwise. */
            uint64_t last = sq_wire_u64(&w);
            if (!w.err && !(last >> 63)) {
                return SQ_ERR_FORMAT;
            }
            add_mask(p.mask, 46, last & INT64_MAX, 63);
        }
    }
    size_t left = sq_wire_left(&w);
    p.body_len = left > UINT16_MAX ? UINT16_MAX : (uint16_t)left;
    p.body = sq_wire_read(&w, p.body_len);
    return finish(&w, &p, ret_parity);
}

/* ---- Store ---- */

struct sq_fec *sq_fec_new(void)
{
    return sq_zalloc(sizeof(struct sq_fec));
}

void sq_fec_free(struct sq_fec *f)
{
    sq_free(f);
}

void sq_fec_reset(struct sq_fec *f)
{
    for (size_t i = 0; i < SQ_FEC_WINDOW; i++) {
        f->media[i].len = 0;
    }
    for (size_t i = 0; i < SQ_FEC_PENDING_MAX; i++) {
        f->pending[i].used = false;
    }
    f->waiting = 0;
    f->started = false;
}

/* How far `seq` lies behind the newest; below 0: before it. */
static int age(const struct sq_fec *f, uint16_t seq)
{
    return (int16_t)(uint16_t)(f->newest - seq);
}

static void go_on(struct sq_fec *f, uint16_t seq)
{
    if (!f->started || age(f, seq) < 0) {
        f->started = true;
        f->newest = seq;
    }
}

static struct stored *find(struct sq_fec *f, uint16_t seq)
{
    struct stored *one = &f->media[seq % SQ_FEC_WINDOW];
    return one->len > 0 && one->seq == seq && age(f, seq) < SQ_FEC_WINDOW ? one : NULL;
}

uint8_t *sq_fec_media(struct sq_fec *f, const uint8_t *header, size_t header_len,
                      const uint8_t *rest, size_t rest_len)
{
    if (header_len < SQ_RTP_FIXED_BYTES || header_len > SQ_FEC_PACKET_MAX ||
        rest_len > SQ_FEC_PACKET_MAX - header_len) {
        return NULL;
    }
    uint16_t seq = sq_load_u16(header + 2);
    go_on(f, seq);
    if (age(f, seq) >= SQ_FEC_WINDOW) {
        return NULL;
    }
    struct stored *one = &f->media[seq % SQ_FEC_WINDOW];
    one->seq = seq;
    one->len = (uint16_t)(header_len + rest_len);
    memcpy(one->bytes, header, header_len);
    if (rest_len > 0) {
        memcpy(one->bytes + header_len, rest, rest_len);
    }
    return one->bytes;
}

static bool is_protected(const struct sq_fec_parity *p, unsigned i)
{
    return p->mask[i / 64] >> (i % 64) & 1U;
}

static uint16_t last_of(const struct sq_fec_parity *p)
{
    unsigned i = SQ_FEC_MASK_BITS;
    while (i > 0 && !is_protected(p, i - 1)) {
        i--;
    }
    return (uint16_t)(p->base + (i > 0 ? i - 1 : 0));
}

static void drop(struct sq_fec *f, struct pending *p, bool useful)
{
    p->used = false;
    f->waiting--;
    f->discarded += !useful;
}

/* A free place, or that of the parity whose packets are the oldest. */
static struct pending *place(struct sq_fec *f)
{
    struct pending *oldest = &f->pending[0];
    for (size_t i = 0; i < SQ_FEC_PENDING_MAX; i++) {
        struct pending *p = &f->pending[i];
        if (!p->used) {
            return p;
        }
        oldest = age(f, p->parity.base) > age(f, oldest->parity.base) ? p : oldest;
    }
    drop(f, oldest, false);
    return oldest;
}

void sq_fec_parity(struct sq_fec *f, const struct sq_fec_parity *parity)
{
    /* A mask may name packets that come only now, or were lost at the end, but not the far future:
     * wild numbers must not push what is kept out of the window. */
    uint16_t last = last_of(parity);
    if (f->started && (age(f, parity->base) >= SQ_FEC_WINDOW || age(f, last) <= -SQ_FEC_WINDOW)) {
        f->discarded++;
        return;
    }
    go_on(f, last);
    struct pending *p = place(f);
    p->used = true;
    f->waiting++;
    p->parity = *parity;
    memcpy(p->body, parity->body, parity->body_len);
    p->parity.body = p->body;
}

/* ---- Recovery ---- */

/* What is missing of it: 0, 1 (and which) or 2 for more. */
static unsigned missing(struct sq_fec *f, const struct sq_fec_parity *p, uint16_t *ret_seq)
{
    unsigned n = 0;
    for (unsigned i = 0; i < SQ_FEC_MASK_BITS && n < 2; i++) {
        uint16_t seq = (uint16_t)(p->base + i);
        if (is_protected(p, i) && !find(f, seq)) {
            *ret_seq = seq;
            n++;
        }
    }
    return n;
}

/* RFC 5109, section 9.2; the draft, section 6.3.2. */
static struct stored *rebuild(struct sq_fec *f, const struct sq_fec_parity *p, uint16_t seq,
                              uint32_t ssrc)
{
    uint8_t first = p->first;
    uint8_t second = p->second;
    uint16_t length = p->length;
    uint32_t timestamp = p->timestamp;
    struct stored *out = &f->media[seq % SQ_FEC_WINDOW];
    uint8_t *body = out->bytes + SQ_RTP_FIXED_BYTES;
    out->len = 0;
    memcpy(body, p->body, p->body_len);
    for (unsigned i = 0; i < SQ_FEC_MASK_BITS; i++) {
        uint16_t other = (uint16_t)(p->base + i);
        const struct stored *one = is_protected(p, i) && other != seq ? find(f, other) : NULL;
        if (!one) {
            continue;
        }
        size_t len = one->len - SQ_RTP_FIXED_BYTES;
        first ^= one->bytes[0] & 0x3f;
        second ^= one->bytes[1];
        length ^= (uint16_t)len;
        timestamp ^= sq_load_u32(one->bytes + 4);
        for (size_t k = 0; k < len && k < p->body_len; k++) {
            body[k] ^= one->bytes[SQ_RTP_FIXED_BYTES + k];
        }
    }
    if (length > p->body_len) {
        return NULL; /* more of it than is protected: of no use to anyone */
    }
    out->bytes[0] = (uint8_t)(0x80 | first);
    out->bytes[1] = second;
    sq_store_u16(out->bytes + 2, seq);
    sq_store_u32(out->bytes + 4, timestamp);
    sq_store_u32(out->bytes + 8, ssrc);
    out->seq = seq;
    out->len = (uint16_t)(SQ_RTP_FIXED_BYTES + length);
    return out;
}

bool sq_fec_recover(struct sq_fec *f, uint32_t ssrc, const uint8_t **ret_packet, size_t *ret_len)
{
    for (size_t i = 0; f->waiting > 0 && i < SQ_FEC_PENDING_MAX; i++) {
        struct pending *p = &f->pending[i];
        uint16_t seq = 0;
        if (!p->used) {
            continue;
        }
        /* What has left the window counts as missing, and can't come back. */
        unsigned n = missing(f, &p->parity, &seq);
        if (n != 1 || age(f, seq) >= SQ_FEC_WINDOW) {
            if (n != 2 || age(f, last_of(&p->parity)) >= SQ_FEC_WINDOW) {
                drop(f, p, false);
            }
            continue;
        }
        const struct stored *made = rebuild(f, &p->parity, seq, ssrc);
        drop(f, p, made != NULL);
        if (made) {
            *ret_packet = made->bytes;
            *ret_len = made->len;
            return true;
        }
    }
    return false;
}

uint64_t sq_fec_discarded(const struct sq_fec *f)
{
    return f->discarded;
}
