/* Chunks under way, and packets that carry them: what goes out when (RFC 9260, sections 6.1 and 7).
 */
#include "base/mem.h"
#include "peer/sctp/sctp_int.h"

#define ROOM_FIRST 16 /* kept while idle: half a kilobyte */

/* ---- The ring of chunks under way ---- */

void sctp_tx_start(struct sq_sctp *a, uint32_t peer_window_bytes)
{
    struct sctp_tx *tx = &a->tx;
    tx->first_tsn = tx->next_tsn = a->local_tsn;
    tx->forward_tsn = a->local_tsn - 1;
    tx->peer_window_bytes = peer_window_bytes;
    tx->cwnd = SCTP_CWND_INITIAL_MTUS * SCTP_MTU;
    tx->ssthresh = peer_window_bytes; /* section 7.2.1 */
    tx->partial_bytes_acked = tx->flight_bytes = 0;
    tx->lost = 0;
    tx->recovery = tx->fast_retransmit = false;
    tx->srtt_ns = tx->rttvar_ns = 0;
    tx->rto_ns = SCTP_RTO_INITIAL_NS;
    tx->t3_ns = SQ_NEVER;
    tx->errors = tx->backoff = 0;
}

void sctp_tx_free(struct sq_sctp *a)
{
    struct sctp_tx *tx = &a->tx;
    for (; tx->first_tsn != tx->next_tsn; tx->first_tsn++) {
        sctp_message_unref(sctp_sent_at(tx, tx->first_tsn)->message);
    }
    sq_free(tx->sent);
    tx->sent = NULL;
    tx->room = 0;
    tx->lost = 0;
    tx->flight_bytes = 0;
    tx->t3_ns = SQ_NEVER;
    tx->forward_tsn = tx->next_tsn - 1;
}

void sctp_tx_rewind(struct sq_sctp *a)
{
    struct sctp_tx *tx = &a->tx;
    tx->current = NULL;
    for (uint32_t tsn = tx->next_tsn; tsn != tx->first_tsn;) {
        struct sctp_message *m = sctp_sent_at(tx, --tsn)->message;
        if (m->begun) { /* not put back yet */
            sctp_out_rewind(a, m);
        }
    }
    sctp_tx_free(a);
}

bool sctp_sent_room(struct sq_sctp *a)
{
    struct sctp_tx *tx = &a->tx;
    uint32_t used = tx->next_tsn - tx->first_tsn;
    if (used < tx->room) {
        return true;
    }
    if (tx->room >= SCTP_OUTSTANDING_MAX) {
        return false;
    }
    uint32_t room = tx->room ? tx->room * 2 : ROOM_FIRST;
    struct sctp_sent *grown = sq_malloc(room * sizeof(*grown));
    if (!grown) {
        return false;
    }
    for (uint32_t tsn = tx->first_tsn; tsn != tx->next_tsn; tsn++) {
        grown[tsn & (room - 1)] = *sctp_sent_at(tx, tsn);
    }
    sq_free(tx->sent);
    tx->sent = grown;
    tx->room = room;
    return true;
}

struct sctp_sent *sctp_sent_push(struct sq_sctp *a, struct sctp_message *m)
{
    uint32_t tsn = a->tx.next_tsn++;
    struct sctp_sent *s = sctp_sent_at(&a->tx, tsn);
    m->refs++;
    m->first_tsn = m->fsn == 0 ? tsn : m->first_tsn;
    m->last_tsn = tsn;
    *s = (struct sctp_sent){.message = m, .sent_ns = a->now_ns, .offset = m->sent, .fsn = m->fsn++};
    s->flags = m->unordered ? DATA_U : 0;
    return s;
}

void sctp_set_state_of_sent(struct sq_sctp *a, struct sctp_sent *s, enum sctp_sent_state state)
{
    struct sctp_tx *tx = &a->tx;
    if (s->state == state) {
        return;
    }
    uint32_t bytes = sctp_sent_bytes(a, s);
    tx->flight_bytes -= s->state == SENT_FLYING ? bytes : 0;
    tx->flight_bytes += state == SENT_FLYING ? bytes : 0;
    tx->lost -= s->state == SENT_LOST;
    tx->lost += state == SENT_LOST;
    s->state = (uint8_t)state;
}

void sctp_start_t3(struct sq_sctp *a)
{
    a->tx.t3_ns = a->now_ns + sctp_backoff(a->tx.rto_ns, a->tx.backoff);
}

/* ---- Chunks into packets ---- */

static void write_data(struct sq_sctp *a, struct sctp_packet *p, uint32_t tsn)
{
    const struct sctp_sent *s = sctp_sent_at(&a->tx, tsn);
    const struct sctp_message *m = s->message;
    struct sq_wire *w = sctp_chunk_begin(p, a->interleaving ? CHUNK_I_DATA : CHUNK_DATA, s->flags);
    sq_wire_put_u32(w, tsn);
    sq_wire_put_u16(w, m->stream);
    if (a->interleaving) { /* RFC 8260, section 2.1 */
        sq_wire_put_u16(w, 0);
        sq_wire_put_u32(w, m->id);
        sq_wire_put_u32(w, (s->flags & DATA_B) != 0 ? m->ppid : s->fsn);
    } else {
        sq_wire_put_u16(w, (uint16_t)m->id);
        sq_wire_put_u32(w, m->ppid);
    }
    sq_wire_put(w, m->bytes + s->offset, s->len);
    sctp_chunk_end(p);
}

/* Section 6.1, B: no more than cwnd under way, which may be overrun by less than a packet. */
static bool cwnd_open(const struct sq_sctp *a)
{
    return a->tx.flight_bytes < a->tx.cwnd;
}

/* Chunks that were lost come before new ones (section 6.1, C). False: nothing was written. */
static bool write_lost(struct sq_sctp *a, struct sctp_packet *p)
{
    struct sctp_tx *tx = &a->tx;
    bool some = false;
    for (uint32_t tsn = tx->first_tsn; tx->lost > 0 && tsn != tx->next_tsn; tsn++) {
        struct sctp_sent *s = sctp_sent_at(tx, tsn);
        if (s->state != SENT_LOST) {
            continue;
        }
        if (!sctp_may_retransmit(a, s)) { /* its time ran out meanwhile */
            sctp_move_forward_point(a);
            continue;
        }
        if ((!tx->fast_retransmit && !cwnd_open(a) && tx->flight_bytes > 0) ||
            sctp_packet_left(p) < sctp_sent_bytes(a, s)) {
            break;
        }
        sctp_set_state_of_sent(a, s, SENT_FLYING);
        s->missing = 0;
        s->retransmissions++;
        s->again_from = tx->next_tsn;
        s->sent_ns = a->now_ns;
        write_data(a, p, tsn);
        a->counters.retransmitted_chunks++;
        some = true;
        if (tsn == tx->first_tsn) {
            sctp_start_t3(a); /* section 6.3.2, and 7.2.4 (4) */
        }
    }
    return some;
}

/* How much of the message the packet takes; 0: wait for the next one. */
static uint32_t cut(const struct sq_sctp *a, const struct sctp_packet *p,
                    const struct sctp_message *m)
{
    size_t header = sctp_data_header(a);
    size_t whole = SCTP_MTU - SCTP_HEADER_BYTES - header;
    size_t room = sctp_packet_left(p);
    size_t left = m->len - m->sent;
    if (room <= header) {
        return 0;
    }
    room -= header;
    if (left <= room) {
        return (uint32_t)left;
    }
    /* What fits a packet of its own is not cut in two. */
    if (room < SCTP_FRAGMENT_LEAST || (left <= whole && m->sent == 0)) {
        return 0;
    }
    return (uint32_t)(room & ~(size_t)3);
}

static bool write_new(struct sq_sctp *a, struct sctp_packet *p)
{
    struct sctp_tx *tx = &a->tx;
    bool some = false;
    while (cwnd_open(a)) {
        struct sctp_message *m = sctp_out_next(a);
        uint32_t len = m ? cut(a, p, m) : 0;
        /* A closed window is probed with one chunk at a time (section 6.1, A). */
        bool window = tx->flight_bytes + len <= tx->peer_window_bytes || tx->flight_bytes == 0;
        if (len == 0 || !window || !sctp_sent_room(a)) {
            break;
        }
        if (!m->begun) {
            struct sctp_out *stream = sctp_out_find(a, m->stream);
            m->begun = true;
            if (!m->unordered) {
                m->id = stream->next_id++;
            } else if (a->interleaving) {
                m->id = stream->next_unordered_id++;
            }
        }
        uint32_t tsn = tx->next_tsn;
        struct sctp_sent *s = sctp_sent_push(a, m);
        s->len = (uint16_t)len;
        s->flags |= (m->sent == 0 ? DATA_B : 0) | (m->sent + len == m->len ? DATA_E : 0);
        tx->flight_bytes += sctp_sent_bytes(a, s);
        write_data(a, p, tsn);
        m->sent += len;
        sctp_out_took(a, m, len);
        some = true;
    }
    return some;
}

/* A lone COOKIE ECHO may bear data, but no second packet may follow before its answer (section
 * 5.1, D). */
static bool data_allowed(const struct sq_sctp *a, bool with_cookie)
{
    return sctp_may_send_data(a) && (a->state != SQ_SCTP_COOKIE_ECHOED || with_cookie);
}

static bool data_ready(const struct sq_sctp *a)
{
    const struct sctp_tx *tx = &a->tx;
    return tx->fast_retransmit || ((tx->lost > 0 || tx->waiting_bytes > 0) && cwnd_open(a));
}

/* Control chunks go first in a packet (section 6.10). */
static bool write_control(struct sq_sctp *a, struct sctp_packet *p, bool data)
{
    bool cookie = a->cookie_due;
    if (cookie) {
        sq_wire_put(sctp_chunk_begin(p, CHUNK_COOKIE_ECHO, 0), a->cookie, a->cookie_len);
        sctp_chunk_end(p);
        a->cookie_due = false;
    }
    if (a->cookie_ack_due) {
        sctp_chunk_begin(p, CHUNK_COOKIE_ACK, 0);
        sctp_chunk_end(p);
        a->cookie_ack_due = false;
    }
    if (a->rx.sack_now || (data && a->rx.unacked_packets > 0)) {
        sctp_write_sack(a, p);
    }
    if (sctp_forward_due(a)) {
        sctp_write_forward(a, p);
    }
    return cookie;
}

static bool write_all_data(struct sq_sctp *a, struct sctp_packet *p)
{
    struct sctp_tx *tx = &a->tx;
    bool lost = tx->lost > 0 && write_lost(a, p);
    tx->fast_retransmit = false;
    bool fresh = tx->lost == 0 && write_new(a, p);
    /* Without memory for what is under way nothing was sent: tried again by the same timer. */
    bool stuck = tx->waiting_bytes > 0 && tx->first_tsn == tx->next_tsn;
    if ((lost || fresh || stuck) && tx->t3_ns == SQ_NEVER) {
        sctp_start_t3(a);
    }
    return lost || fresh;
}

void sctp_pump(struct sq_sctp *a)
{
    if (a->pumping || a->receiving || a->over || a->peer_tag == 0 ||
        a->state < SQ_SCTP_COOKIE_ECHOED) {
        return;
    }
    struct sctp_packet p;
    bool data = true;
    a->pumping = true;
    for (int burst = 0; data && burst < SCTP_BURST_PACKETS; burst++) {
        sctp_packet_begin(a, &p, a->peer_tag);
        bool ready = data_ready(a);
        bool cookie = write_control(a, &p, ready && sctp_may_send_data(a));
        data = ready && data_allowed(a, cookie) && write_all_data(a, &p);
        if (sctp_forward_due(a)) { /* a message was given up just now */
            sctp_write_forward(a, &p);
        }
        sctp_packet_send(a, &p);
        if (data) {
            a->heartbeat_ns = a->now_ns + SCTP_HEARTBEAT_NS + a->tx.rto_ns; /* not idle */
        }
    }
    if (sctp_reset_due(a)) {
        sctp_reset_send(a);
    }
    a->pumping = false;
    if (a->tx.drained > 0) {
        sctp_tell_drained(a);
    }
}
