/* Transport-wide feedback messages, draft-holmer-rmcat-transport-wide-cc-extensions-01,
 * section 3.1.
 */
#include "peer/rtcp/rtcp.h"

#define FIXED_BYTES 16 /* SSRCs, base, count, reference time, message count */
#define RUN_MAX     8191
#define VECTOR_1BIT 14
#define VECTOR_2BIT 7

enum symbol { NOT_RECEIVED = 0, SMALL_DELTA = 1, LARGE_DELTA = 2, RESERVED = 3 };

static unsigned chunk_symbols(uint16_t chunk)
{
    if (!(chunk & 0x8000)) {
        return chunk & 0x1fff; /* run length, 3.1.3 */
    }
    return chunk & 0x4000 ? VECTOR_2BIT : VECTOR_1BIT; /* 3.1.4 */
}

static enum symbol chunk_symbol(uint16_t chunk, unsigned i)
{
    if (!(chunk & 0x8000)) {
        return (enum symbol)(chunk >> 13 & 3);
    }
    if (chunk & 0x4000) {
        return (enum symbol)(chunk >> (12 - 2 * i) & 3);
    }
    return chunk >> (13 - i) & 1 ? SMALL_DELTA : NOT_RECEIVED;
}

static size_t delta_size(enum symbol s)
{
    return s == SMALL_DELTA ? 1 : s == LARGE_DELTA ? 2 : 0;
}

/* Bytes of deltas that the first n symbols of a chunk ask for; SQ_ERR_FORMAT for a reserved one. */
static int chunk_deltas(uint16_t chunk, unsigned n, size_t *bytes)
{
    if (!(chunk & 0x8000)) {
        enum symbol s = chunk_symbol(chunk, 0);
        *bytes += n * delta_size(s);
        return s == RESERVED ? SQ_ERR_FORMAT : 0;
    }
    for (unsigned i = 0; i < n; i++) {
        enum symbol s = chunk_symbol(chunk, i);
        if (s == RESERVED) {
            return SQ_ERR_FORMAT;
        }
        *bytes += delta_size(s);
    }
    return 0;
}

int sq_rtcp_parse_twcc(const struct sq_rtcp_packet *p, struct sq_rtcp_twcc *ret)
{
    if (p->kind != SQ_RTCP_KIND_TWCC) {
        return SQ_ERR_INVALID;
    }
    struct sq_wire w = sq_wire_reader(p->body, p->body_bytes);
    struct sq_rtcp_twcc fb = {.sender_ssrc = sq_wire_u32(&w)};
    fb.media_ssrc = sq_wire_u32(&w);
    fb.base_seq = sq_wire_u16(&w);
    fb.status_count = sq_wire_u16(&w);
    uint32_t reference = sq_wire_u24(&w);
    fb.reference_time = reference < 0x800000u ? (int32_t)reference : (int32_t)reference - 0x1000000;
    fb.fb_count = sq_wire_u8(&w);
    if (w.err) {
        return w.err;
    }
    if (fb.status_count == 0) {
        return SQ_ERR_FORMAT;
    }
    size_t covered = 0;
    while (covered < fb.status_count) {
        uint16_t chunk = sq_wire_u16(&w);
        unsigned n = chunk_symbols(chunk);
        size_t rest = fb.status_count - covered;
        if (w.err) {
            return w.err;
        }
        if (n == 0 || chunk_deltas(chunk, n < rest ? n : (unsigned)rest, &fb.delta_bytes) != 0) {
            return SQ_ERR_FORMAT; /* an empty run would never end */
        }
        covered += n;
    }
    fb.chunks = p->body + FIXED_BYTES;
    fb.chunk_bytes = w.pos - FIXED_BYTES;
    fb.deltas = sq_wire_read(&w, fb.delta_bytes);
    if (w.err) {
        return w.err;
    }
    *ret = fb;
    return 0;
}

struct sq_rtcp_twcc_iter sq_rtcp_twcc_iter(const struct sq_rtcp_twcc *fb)
{
    return (struct sq_rtcp_twcc_iter){
        .fb = fb, .at_ticks = fb->reference_time * (int64_t)(SQ_TWCC_REF_NS / SQ_TWCC_TICK_NS)};
}

bool sq_rtcp_twcc_next(struct sq_rtcp_twcc_iter *it, struct sq_rtcp_twcc_status *ret)
{
    const struct sq_rtcp_twcc *fb = it->fb;
    if (it->done == fb->status_count) {
        return false;
    }
    if (it->chunk_left == 0) {
        it->chunk = sq_load_u16(fb->chunks + it->chunk_pos);
        it->chunk_pos += 2;
        it->chunk_left = (uint16_t)chunk_symbols(it->chunk);
    }
    enum symbol s = chunk_symbol(it->chunk, chunk_symbols(it->chunk) - it->chunk_left);
    it->chunk_left--;
    ret->seq = (uint16_t)(fb->base_seq + it->done++);
    ret->received = s != NOT_RECEIVED;
    if (s == SMALL_DELTA) {
        it->at_ticks += fb->deltas[it->delta_pos];
    } else if (s == LARGE_DELTA) {
        it->at_ticks += (int16_t)sq_load_u16(fb->deltas + it->delta_pos);
    }
    it->delta_pos += delta_size(s);
    ret->at_ticks = it->at_ticks;
    return true;
}

static enum symbol symbol_of(const struct sq_rtcp_twcc_mark *m)
{
    if (!m->received) {
        return NOT_RECEIVED;
    }
    return m->delta_ticks >= 0 && m->delta_ticks <= 255 ? SMALL_DELTA : LARGE_DELTA;
}

/* The chunk for the symbols from marks[0] on; returns how many it covers. */
static size_t make_chunk(const struct sq_rtcp_twcc_mark *marks, size_t n, uint16_t *ret_chunk)
{
    enum symbol first = symbol_of(&marks[0]);
    size_t run = 1;
    while (run < n && run < RUN_MAX && symbol_of(&marks[run]) == first) {
        run++;
    }
    if (run == n || run >= VECTOR_1BIT || (first == LARGE_DELTA && run >= VECTOR_2BIT)) {
        *ret_chunk = (uint16_t)((unsigned)first << 13 | run);
        return run;
    }
    size_t plain = 0; /* symbols that a vector of single bits can hold */
    while (plain < n && plain < VECTOR_1BIT && symbol_of(&marks[plain]) != LARGE_DELTA) {
        plain++;
    }
    unsigned chunk = 0x8000;
    if (plain == n || plain == VECTOR_1BIT) {
        for (size_t i = 0; i < plain; i++) {
            chunk |= (unsigned)symbol_of(&marks[i]) << (13 - i);
        }
        *ret_chunk = (uint16_t)chunk;
        return plain;
    }
    size_t some = n < VECTOR_2BIT ? n : VECTOR_2BIT;
    chunk |= 0x4000;
    for (size_t i = 0; i < some; i++) {
        chunk |= (unsigned)symbol_of(&marks[i]) << (12 - 2 * i);
    }
    *ret_chunk = (uint16_t)chunk;
    return some;
}

void sq_rtcp_put_twcc(struct sq_wire *w, const struct sq_rtcp_twcc *fb,
                      const struct sq_rtcp_twcc_mark *marks, size_t n)
{
    if (n == 0 || n > UINT16_MAX) {
        w->err = w->err ? w->err : SQ_ERR_INVALID;
        return;
    }
    size_t start = w->pos;
    uint8_t *header = sq_wire_claim(w, 4, SQ_ERR_NOSPACE);
    sq_wire_put_u32(w, fb->sender_ssrc);
    sq_wire_put_u32(w, fb->media_ssrc);
    sq_wire_put_u16(w, fb->base_seq);
    sq_wire_put_u16(w, (uint16_t)n);
    sq_wire_put_u24(w, (uint32_t)fb->reference_time & 0xffffffu);
    sq_wire_put_u8(w, fb->fb_count);
    for (size_t done = 0; done < n && !w->err;) {
        uint16_t chunk = 0;
        done += make_chunk(marks + done, n - done, &chunk);
        sq_wire_put_u16(w, chunk);
    }
    for (size_t i = 0; i < n && !w->err; i++) {
        enum symbol s = symbol_of(&marks[i]);
        if (s == SMALL_DELTA) {
            sq_wire_put_u8(w, (uint8_t)marks[i].delta_ticks);
        } else if (s == LARGE_DELTA) {
            sq_wire_put_u16(w, (uint16_t)marks[i].delta_ticks);
        }
    }
    /* Padded as Chromium does it: zeros, the last byte counts them, and P is set. */
    size_t padding = (4 - (w->pos - start) % 4) % 4;
    for (size_t i = 1; i <= padding; i++) {
        sq_wire_put_u8(w, i == padding ? (uint8_t)padding : 0);
    }
    if (!w->err && (w->pos - start) / 4 - 1 > UINT16_MAX) {
        w->err = SQ_ERR_INVALID;
    }
    if (!w->err) {
        header[0] = (uint8_t)(0x80 | (padding ? 0x20 : 0) | SQ_RTPFB_TWCC);
        header[1] = SQ_RTCP_RTPFB;
        sq_store_u16(header + 2, (uint16_t)((w->pos - start) / 4 - 1));
    }
}
