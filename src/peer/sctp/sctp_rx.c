/* What came in: TSNs, SACKs (RFC 9260, sections 6.2 and 6.7). */
#include "base/mem.h"
#include "peer/sctp/sctp_int.h"

#define WORDS_FIRST 4

void sctp_rx_start(struct sq_sctp *a, uint32_t peer_tsn)
{
    a->rx.cumulative_tsn = a->rx.highest_tsn = peer_tsn - 1;
}

void sctp_rx_free(struct sq_sctp *a)
{
    sctp_in_free(a);
    sq_free(a->rx.ahead);
    a->rx = (struct sctp_rx){.sack_ns = SQ_NEVER};
}

/* ---- TSNs beyond the cumulative one ---- */

static uint64_t *word_of(const struct sctp_rx *rx, uint32_t tsn)
{
    return &rx->ahead[tsn / 64 % rx->ahead_words];
}

static bool is_marked(const struct sctp_rx *rx, uint32_t tsn)
{
    return rx->ahead_words > 0 && !sctp_before(rx->highest_tsn, tsn) &&
           (*word_of(rx, tsn) >> tsn % 64 & 1) != 0;
}

static void clear_mark(const struct sctp_rx *rx, uint32_t tsn)
{
    *word_of(rx, tsn) &= ~(1ULL << tsn % 64);
}

/* So that `tsn` may be marked. */
static bool make_room(struct sctp_rx *rx, uint32_t tsn)
{
    uint32_t ahead = tsn - rx->cumulative_tsn;
    uint32_t words = rx->ahead_words ? rx->ahead_words : WORDS_FIRST;
    if (ahead == 1) {
        return true; /* needs none */
    }
    while (words * 64 <= ahead) {
        words *= 2;
    }
    if (words == rx->ahead_words) {
        return true;
    }
    struct sctp_rx grown = *rx;
    grown.ahead = sq_calloc(words, sizeof(uint64_t));
    grown.ahead_words = words;
    if (!grown.ahead) {
        return false;
    }
    for (uint32_t t = rx->cumulative_tsn + 1; t != rx->highest_tsn + 1; t++) {
        if (is_marked(rx, t)) {
            *word_of(&grown, t) |= 1ULL << t % 64;
        }
    }
    sq_free(rx->ahead);
    *rx = grown;
    return true;
}

static void advance(struct sctp_rx *rx)
{
    while (rx->cumulative_tsn != rx->highest_tsn && is_marked(rx, rx->cumulative_tsn + 1)) {
        rx->cumulative_tsn++;
        clear_mark(rx, rx->cumulative_tsn);
    }
    if (rx->cumulative_tsn == rx->highest_tsn && rx->ahead_words > WORDS_FIRST) {
        sq_free(rx->ahead);
        rx->ahead = NULL;
        rx->ahead_words = 0;
    }
}

void sctp_rx_mark(struct sq_sctp *a, uint32_t tsn)
{
    struct sctp_rx *rx = &a->rx;
    if (sctp_before(rx->highest_tsn, tsn)) {
        rx->highest_tsn = tsn;
    }
    if (tsn == rx->cumulative_tsn + 1) {
        rx->cumulative_tsn = tsn;
    } else if (rx->ahead_words > 0) { /* always: see make_room */
        *word_of(rx, tsn) |= 1ULL << tsn % 64;
    }
    advance(rx);
}

void sctp_rx_forward(struct sq_sctp *a, uint32_t tsn)
{
    struct sctp_rx *rx = &a->rx;
    for (uint32_t t = rx->cumulative_tsn + 1;
         rx->ahead_words > 0 && t != tsn + 1 && t != rx->highest_tsn + 1; t++) {
        clear_mark(rx, t);
    }
    rx->cumulative_tsn = tsn;
    if (sctp_before(rx->highest_tsn, tsn)) {
        rx->highest_tsn = tsn;
    }
    advance(rx);
}

/* ---- SACK ---- */

void sctp_rx_packet_done(struct sq_sctp *a)
{
    struct sctp_rx *rx = &a->rx;
    if (!rx->data_in_packet) {
        return;
    }
    rx->data_in_packet = false;
    rx->unacked_packets++;
    /* Every second packet, a hole, and the very first are answered at once. */
    if (rx->unacked_packets >= 2 || rx->cumulative_tsn != rx->highest_tsn || !rx->acked_first ||
        a->state == SQ_SCTP_SHUTDOWN_SENT) {
        rx->sack_now = true;
    } else if (rx->sack_ns == SQ_NEVER) {
        rx->sack_ns = a->now_ns + sq_min_u64(SCTP_SACK_DELAY_NS, a->tx.rto_ns / 2);
    }
}

static unsigned write_gaps(const struct sctp_rx *rx, struct sq_wire *w)
{
    unsigned n = 0;
    uint32_t past = rx->highest_tsn - rx->cumulative_tsn + 1;
    uint32_t i = 2; /* the next one is missing, or it would be cumulative */
    while (n < SCTP_GAPS_MAX && i < past) {
        while (i < past && !is_marked(rx, rx->cumulative_tsn + i)) {
            i++;
        }
        uint32_t start = i;
        while (i < past && is_marked(rx, rx->cumulative_tsn + i)) {
            i++;
        }
        if (start < i) {
            sq_wire_put_u16(w, (uint16_t)start);
            sq_wire_put_u16(w, (uint16_t)(i - 1));
            n++;
        }
    }
    return n;
}

bool sctp_write_sack(struct sq_sctp *a, struct sctp_packet *p)
{
    struct sctp_rx *rx = &a->rx;
    if (sctp_packet_left(p) < 16 + 4 * SCTP_GAPS_MAX + 4 * SCTP_DUPS_MAX) {
        return false;
    }
    size_t window = a->config.window_bytes;
    struct sq_wire *w = sctp_chunk_begin(p, CHUNK_SACK, 0);
    sq_wire_put_u32(w, rx->cumulative_tsn);
    sq_wire_put_u32(w, (uint32_t)(rx->held_bytes < window ? window - rx->held_bytes : 0));
    size_t counts = w->pos;
    sq_wire_put_u16(w, 0);
    sq_wire_put_u16(w, rx->dups_len);
    sq_store_u16(p->buf + counts, (uint16_t)write_gaps(rx, w));
    for (unsigned i = 0; i < rx->dups_len; i++) {
        sq_wire_put_u32(w, rx->dups[i]);
    }
    sctp_chunk_end(p);
    rx->sack_now = false;
    rx->acked_first = true;
    rx->sack_ns = SQ_NEVER;
    rx->unacked_packets = 0;
    rx->dups_len = 0;
    return true;
}

/* ---- DATA ---- */

static int read_data(const struct sctp_chunk *c, struct sctp_fragment *ret_fragment)
{
    struct sq_wire w = sq_wire_reader(c->bytes, c->len);
    struct sctp_fragment f = {.flags = c->flags};
    f.tsn = sq_wire_u32(&w);
    f.stream = sq_wire_u16(&w);
    if (c->type == CHUNK_I_DATA) { /* RFC 8260, section 2.1 */
        (void)sq_wire_u16(&w);
        f.id = sq_wire_u32(&w);
        uint32_t either = sq_wire_u32(&w);
        f.index = (f.flags & DATA_B) != 0 ? 0 : either;
        f.ppid = (f.flags & DATA_B) != 0 ? either : 0;
    } else {
        f.id = sq_wire_u16(&w);
        f.id = (f.flags & DATA_U) != 0 ? 0 : f.id;
        f.ppid = sq_wire_u32(&w);
        f.index = f.tsn;
    }
    f.len = sq_wire_left(&w);
    f.bytes = sq_wire_read(&w, f.len);
    if (w.err) {
        return w.err;
    }
    *ret_fragment = f;
    return 0;
}

static void note_duplicate(struct sq_sctp *a, uint32_t tsn)
{
    a->counters.duplicates++;
    a->rx.sack_now = true; /* section 6.2: at once */
    if (a->rx.dups_len < SCTP_DUPS_MAX) {
        a->rx.dups[a->rx.dups_len++] = tsn;
    }
}

/* What is sent beyond the window is dropped, but for what fills the first hole: only that may set
 * held fragments free. */
static bool fits_window(struct sq_sctp *a, const struct sctp_fragment *f)
{
    size_t window = a->config.window_bytes;
    if (a->rx.held_bytes + f->len <= window) {
        return true;
    }
    if (a->rx.held_bytes > window + window / 4) {
        sctp_fail(a, CAUSE_OUT_OF_RESOURCE, SQ_ERR_FORMAT,
                  "the other side's unfinished SCTP messages are larger than the window");
        return false;
    }
    return f->tsn == a->rx.cumulative_tsn + 1;
}

void sctp_on_data(struct sq_sctp *a, const struct sctp_chunk *c)
{
    struct sctp_rx *rx = &a->rx;
    struct sctp_fragment f;
    if (!sctp_may_receive_data(a)) {
        return;
    }
    if ((c->type == CHUNK_I_DATA) != a->interleaving || read_data(c, &f)) {
        sctp_fail(a, CAUSE_PROTOCOL, SQ_ERR_FORMAT, "the other side's SCTP DATA is broken");
        return;
    }
    if (f.len == 0) { /* section 6.2 */
        sctp_fail(a, CAUSE_NO_USER_DATA, SQ_ERR_FORMAT, "the other side's SCTP DATA is empty");
        return;
    }
    rx->data_in_packet = true;
    rx->sack_now = rx->sack_now || (f.flags & DATA_I) != 0; /* RFC 7053 */
    if (!sctp_before(rx->cumulative_tsn, f.tsn) || is_marked(rx, f.tsn)) {
        note_duplicate(a, f.tsn);
        return;
    }
    if (f.tsn - rx->cumulative_tsn > SCTP_AHEAD_MAX || !fits_window(a, &f) || a->over ||
        !make_room(rx, f.tsn)) {
        return; /* as if it had been lost */
    }
    if (f.stream > SQ_SCTP_STREAM_MAX) { /* section 6.5: acknowledged, and thrown away */
        sctp_rx_mark(a, f.tsn);
        return;
    }
    sctp_reassemble(a, &f);
}
