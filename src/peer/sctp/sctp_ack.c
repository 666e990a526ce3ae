/* Acknowledgements, loss and congestion (RFC 9260, sections 6.2.1, 6.3 and 7.2), as dcsctp has
 * them. */
#include "base/mem.h"
#include "peer/sctp/sctp_int.h"

/* What one SACK brought. */
struct ack {
    uint32_t bytes; /* newly acknowledged */
    uint32_t highest_new;
    uint32_t highest_gap;
    bool advanced, some_new, gaps;
    uint64_t rtt_ns; /* 0: none */
};

/* Section 6.3.1 */
static void measure(struct sq_sctp *a, uint64_t rtt_ns)
{
    struct sctp_tx *tx = &a->tx;
    if (tx->srtt_ns == 0) {
        tx->srtt_ns = rtt_ns;
        tx->rttvar_ns = rtt_ns / 2;
    } else {
        uint64_t off = tx->srtt_ns > rtt_ns ? tx->srtt_ns - rtt_ns : rtt_ns - tx->srtt_ns;
        tx->rttvar_ns = (3 * tx->rttvar_ns + off) / 4;
        tx->srtt_ns = (7 * tx->srtt_ns + rtt_ns) / 8;
    }
    uint64_t rto = tx->srtt_ns + 4 * sq_max_u64(tx->rttvar_ns, SCTP_RTT_VAR_MIN_NS);
    tx->rto_ns = sq_min_u64(sq_max_u64(rto, SCTP_RTO_MIN_NS), SCTP_RTO_MAX_NS);
}

static void note_new(struct sq_sctp *a, struct ack *ack, uint32_t tsn, const struct sctp_sent *s)
{
    if (s->state == SENT_ACKED || s->state == SENT_ABANDONED) {
        return;
    }
    ack->bytes += sctp_sent_bytes(a, s);
    ack->highest_new = ack->some_new && sctp_before(tsn, ack->highest_new) ? ack->highest_new : tsn;
    ack->some_new = true;
    if (s->retransmissions == 0 && s->state == SENT_FLYING) { /* Karn's rule */
        ack->rtt_ns = a->now_ns - s->sent_ns;
    }
}

static void take_cumulative(struct sq_sctp *a, struct ack *ack, uint32_t cumulative)
{
    struct sctp_tx *tx = &a->tx;
    while (tx->first_tsn != cumulative + 1) {
        struct sctp_sent *s = sctp_sent_at(tx, tx->first_tsn);
        note_new(a, ack, tx->first_tsn, s);
        sctp_set_state_of_sent(a, s, SENT_ACKED);
        sctp_message_unref(s->message);
        tx->first_tsn++;
        ack->advanced = true;
    }
    if (tx->first_tsn == tx->next_tsn && tx->room > 16) { /* idle: give it back */
        sq_free(tx->sent);
        tx->sent = NULL;
        tx->room = 0;
    }
}

/* Chunks of a block have come. Those that an earlier SACK had, and this one has not, are not taken
 * back here (section 6.2.1, D iii): SACKs overtake each other far more often than anybody reneges;
 * sctp_on_t3 minds those who do. */
static void take_gap(struct sq_sctp *a, struct ack *ack, uint32_t start, uint32_t end)
{
    for (uint32_t tsn = start; tsn != end + 1; tsn++) {
        struct sctp_sent *s = sctp_sent_at(&a->tx, tsn);
        note_new(a, ack, tsn, s);
        if (s->state != SENT_ABANDONED) {
            sctp_set_state_of_sent(a, s, SENT_ACKED);
        }
    }
    ack->gaps = true;
    ack->highest_gap = end;
}

static void take_gaps(struct sq_sctp *a, struct ack *ack, struct sq_wire *w, unsigned n)
{
    struct sctp_tx *tx = &a->tx;
    uint32_t cumulative = tx->first_tsn - 1;
    uint32_t under_way = tx->next_tsn - tx->first_tsn;
    unsigned past = 0;
    while (n-- > 0) {
        uint16_t start = sq_wire_u16(w);
        uint16_t end = sq_wire_u16(w);
        if (w->err || start <= past || start > end || end > under_way) {
            return; /* of what was never sent, or out of order */
        }
        take_gap(a, ack, cumulative + start, cumulative + end);
        past = end;
    }
}

/* Section 7.2.4: three reports that later ones came and this one did not (HTNA; in fast recovery
 * any progress counts). True when a chunk was found to be lost. */
static bool count_missing(struct sq_sctp *a, const struct ack *ack)
{
    struct sctp_tx *tx = &a->tx;
    uint32_t end = tx->recovery && ack->advanced ? ack->highest_gap : ack->highest_new;
    bool lost = false;
    bool progress = ack->some_new || (tx->recovery && ack->advanced); /* else `end` is none */
    if (!ack->gaps || !progress || sctp_before(end, tx->first_tsn)) {
        return false;
    }
    for (uint32_t tsn = tx->first_tsn; tsn != end && tsn != tx->next_tsn; tsn++) {
        struct sctp_sent *s = sctp_sent_at(tx, tsn);
        bool says_nothing = s->retransmissions > 0 &&
                            (!ack->some_new || sctp_before(ack->highest_new, s->again_from));
        if (s->state != SENT_FLYING || says_nothing || ++s->missing < 3) {
            continue;
        }
        lost = true;
        sctp_set_state_of_sent(a, s, SENT_LOST);
        (void)sctp_may_retransmit(a, s);
    }
    return lost;
}

static void enter_recovery(struct sq_sctp *a)
{
    struct sctp_tx *tx = &a->tx;
    uint32_t least = SCTP_CWND_MIN_MTUS * SCTP_MTU;
    tx->ssthresh = tx->cwnd / 2 > least ? tx->cwnd / 2 : least;
    tx->cwnd = tx->ssthresh;
    tx->partial_bytes_acked = 0;
    tx->recovery = true;
    tx->recovery_exit_tsn = tx->next_tsn - 1;
    tx->fast_retransmit = tx->lost > 0;
    a->counters.fast_recoveries++;
}

/* Sections 7.2.1 and 7.2.2. `full`: the window was made use of. */
static void grow_window(struct sctp_tx *tx, uint32_t bytes, bool full)
{
    if (tx->cwnd <= tx->ssthresh) {
        tx->cwnd += full ? (bytes < SCTP_MTU ? bytes : SCTP_MTU) : 0;
        return;
    }
    tx->partial_bytes_acked += bytes;
    if (tx->partial_bytes_acked >= tx->cwnd) {
        if (full) {
            tx->partial_bytes_acked -= tx->cwnd;
            tx->cwnd += SCTP_MTU;
        } else {
            tx->partial_bytes_acked = tx->cwnd;
        }
    }
}

static void after_ack(struct sq_sctp *a, const struct ack *ack, bool full)
{
    struct sctp_tx *tx = &a->tx;
    bool lost = count_missing(a, ack);
    if (tx->recovery && !sctp_before(tx->first_tsn - 1, tx->recovery_exit_tsn)) {
        tx->recovery = false;
    }
    if (lost && !tx->recovery) {
        enter_recovery(a);
    } else if (ack->advanced && !tx->recovery) {
        grow_window(tx, ack->bytes, full);
    }
    if (ack->rtt_ns > 0) {
        measure(a, ack->rtt_ns);
    }
    if (ack->some_new) {
        tx->errors = tx->backoff = 0;
    }
    if (a->partial) {
        sctp_move_forward_point(a);
    }
    if (tx->first_tsn == tx->next_tsn) {
        tx->t3_ns = SQ_NEVER;
    } else if (ack->advanced) {
        sctp_start_t3(a);
    }
}

void sctp_on_sack(struct sq_sctp *a, const struct sctp_chunk *c)
{
    struct sctp_tx *tx = &a->tx;
    struct sq_wire w = sq_wire_reader(c->bytes, c->len);
    uint32_t cumulative = sq_wire_u32(&w);
    uint32_t window = sq_wire_u32(&w);
    unsigned gaps = sq_wire_u16(&w);
    (void)sq_wire_u16(&w); /* duplicates */
    if (w.err || !sctp_may_send_data(a)) {
        return;
    }
    if (sctp_before(cumulative, tx->first_tsn - 1) || sctp_before(tx->next_tsn - 1, cumulative)) {
        a->counters.discarded++; /* late, or of what was never sent */
        return;
    }
    struct ack ack = {0};
    bool full = tx->flight_bytes + SCTP_MTU >= tx->cwnd;
    take_cumulative(a, &ack, cumulative);
    if (!sctp_before(cumulative, tx->forward_tsn)) {
        tx->forward_tsn = cumulative;
    }
    if (gaps > 0 && tx->first_tsn != tx->next_tsn) {
        take_gaps(a, &ack, &w, gaps);
    }
    tx->peer_window_bytes = window;
    after_ack(a, &ack, full);
}

void sctp_on_cumulative(struct sq_sctp *a, uint32_t tsn)
{
    struct ack ack = {0};
    if (sctp_before(tsn, a->tx.first_tsn) || sctp_before(a->tx.next_tsn - 1, tsn)) {
        return;
    }
    take_cumulative(a, &ack, tsn);
    after_ack(a, &ack, false);
}

/* Section 6.3.3 */
void sctp_on_t3(struct sq_sctp *a)
{
    struct sctp_tx *tx = &a->tx;
    uint32_t least = SCTP_CWND_MIN_MTUS * SCTP_MTU;
    tx->t3_ns = SQ_NEVER;
    if (!sctp_count_error(a)) {
        return;
    }
    a->counters.timeouts++;
    tx->backoff++;
    tx->ssthresh = tx->cwnd / 2 > least ? tx->cwnd / 2 : least;
    tx->cwnd = SCTP_MTU;
    tx->partial_bytes_acked = 0;
    tx->recovery = tx->fast_retransmit = false;
    for (uint32_t tsn = tx->first_tsn; tsn != tx->next_tsn; tsn++) {
        struct sctp_sent *s = sctp_sent_at(tx, tsn);
        /* Twice without progress: who said that these had come may have reneged. */
        bool reneged = s->state == SENT_ACKED && tx->backoff > 1;
        if (s->state == SENT_FLYING || reneged) {
            sctp_set_state_of_sent(a, s, SENT_LOST);
            (void)sctp_may_retransmit(a, s);
        }
    }
    if (a->partial) {
        sctp_move_forward_point(a);
        tx->forward_again_ns = 0;
    }
    if (tx->first_tsn != tx->next_tsn) {
        sctp_start_t3(a); /* for a FORWARD-TSN, too (RFC 3758, section 3.5, F2) */
    }
}
