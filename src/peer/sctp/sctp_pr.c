/* Partial reliability (RFC 3758; limits by count and by time: RFC 7496; with interleaving: RFC
 * 8260, section 2.3). */
#include "peer/sctp/sctp_int.h"

#define SKIPS_MAX 64 /* streams told in one FORWARD-TSN */

bool sctp_expired(const struct sq_sctp *a, const struct sctp_message *m)
{
    return a->now_ns >= m->expires_ns;
}

/* All of the message that is not known to have come. */
void sctp_abandon(struct sq_sctp *a, struct sctp_message *m)
{
    struct sctp_tx *tx = &a->tx;
    bool rest = m->sent < m->len;
    if (rest && !sctp_sent_room(a)) {
        return; /* another time */
    }
    m->abandoned = true;
    m->refs++;
    a->counters.messages_abandoned++;
    if (rest) {
        /* The other side may have all that was sent: the end of it needs a TSN of its own, or the
         * next message would begin within this one. */
        struct sctp_sent *end = sctp_sent_push(a, m);
        end->flags |= DATA_E;
        end->state = SENT_ABANDONED;
        sctp_out_drop(a, m);
    }
    /* With interleaving others lie between them. */
    uint32_t tsn = sctp_before(m->first_tsn, tx->first_tsn) ? tx->first_tsn : m->first_tsn;
    for (; !sctp_before(m->last_tsn, tsn); tsn++) {
        struct sctp_sent *s = sctp_sent_at(tx, tsn);
        if (s->message == m && s->state != SENT_ACKED) {
            sctp_set_state_of_sent(a, s, SENT_ABANDONED);
        }
    }
    sctp_message_unref(m);
}

bool sctp_may_retransmit(struct sq_sctp *a, const struct sctp_sent *s)
{
    struct sctp_message *m = s->message;
    bool over = s->retransmissions >= m->retransmissions_max || sctp_expired(a, m);
    if (!a->partial || !over) {
        return true;
    }
    sctp_abandon(a, m);
    return !m->abandoned;
}

/* RFC 3758, section 3.5, C2 */
void sctp_move_forward_point(struct sq_sctp *a)
{
    struct sctp_tx *tx = &a->tx;
    uint32_t point = tx->forward_tsn;
    if (sctp_before(point, tx->first_tsn - 1)) {
        point = tx->first_tsn - 1;
    }
    while (point + 1 != tx->next_tsn && sctp_sent_at(tx, point + 1)->state == SENT_ABANDONED) {
        point++;
    }
    if (point != tx->forward_tsn) {
        tx->forward_tsn = point;
        tx->forward_again_ns = 0;
    }
}

bool sctp_forward_due(const struct sq_sctp *a)
{
    return a->partial && sctp_before(a->tx.first_tsn - 1, a->tx.forward_tsn) &&
           a->now_ns >= a->tx.forward_again_ns;
}

struct skip {
    uint16_t stream;
    bool unordered;
    uint32_t id;
};

void sctp_write_forward(struct sq_sctp *a, struct sctp_packet *p)
{
    struct sctp_tx *tx = &a->tx;
    struct skip skips[SKIPS_MAX];
    size_t entry = a->interleaving ? 8 : 4;
    size_t left = sctp_packet_left(p);
    size_t room = left < 8 ? 0 : (left - 8) / entry;
    size_t n = 0;
    uint32_t tsn = tx->first_tsn;
    room = room < SKIPS_MAX ? room : SKIPS_MAX;
    if (left < 8) {
        return; /* in the next packet */
    }
    for (; tsn != tx->forward_tsn + 1; tsn++) {
        const struct sctp_sent *s = sctp_sent_at(tx, tsn);
        const struct sctp_message *m = s->message;
        size_t i = 0;
        if (m->unordered && !a->interleaving) {
            continue;
        }
        while (i < n && !(skips[i].stream == m->stream && skips[i].unordered == m->unordered)) {
            i++;
        }
        if (i == room) {
            break; /* so far for now */
        }
        skips[i] = (struct skip){m->stream, m->unordered, m->id};
        n += i == n;
    }
    struct sq_wire *w =
        sctp_chunk_begin(p, a->interleaving ? CHUNK_I_FORWARD_TSN : CHUNK_FORWARD_TSN, 0);
    sq_wire_put_u32(w, tsn - 1);
    for (size_t i = 0; i < n; i++) {
        sq_wire_put_u16(w, skips[i].stream);
        if (a->interleaving) {
            sq_wire_put_u16(w, skips[i].unordered);
            sq_wire_put_u32(w, skips[i].id);
        } else {
            sq_wire_put_u16(w, (uint16_t)skips[i].id);
        }
    }
    sctp_chunk_end(p);
    uint64_t srtt = tx->srtt_ns ? tx->srtt_ns : SCTP_FORWARD_GAP_NS;
    tx->forward_again_ns = a->now_ns + sq_min_u64(srtt, SCTP_FORWARD_GAP_NS);
    if (tx->t3_ns == SQ_NEVER) {
        sctp_start_t3(a);
    }
}

void sctp_on_forward_tsn(struct sq_sctp *a, const struct sctp_chunk *c)
{
    struct sq_wire w = sq_wire_reader(c->bytes, c->len);
    uint32_t tsn = sq_wire_u32(&w);
    bool interleaved = c->type == CHUNK_I_FORWARD_TSN;
    if (w.err || !a->partial || interleaved != a->interleaving || !sctp_may_receive_data(a)) {
        a->counters.discarded++;
        return;
    }
    a->rx.sack_now = true;
    if (!sctp_before(a->rx.cumulative_tsn, tsn)) {
        return; /* late */
    }
    sctp_rx_forward(a, tsn);
    if (!interleaved) {
        sctp_in_skip_unordered(a, tsn);
    }
    uint32_t epoch = a->epoch;
    size_t entry = interleaved ? 8 : 4;
    while (epoch == a->epoch && sq_wire_left(&w) >= entry) {
        uint16_t stream = sq_wire_u16(&w);
        bool unordered = interleaved && (sq_wire_u16(&w) & 1) != 0;
        uint32_t id = interleaved ? sq_wire_u32(&w) : sq_wire_u16(&w);
        if (stream <= SQ_SCTP_STREAM_MAX) {
            sctp_in_skip(a, stream, unordered, id);
        }
    }
}
