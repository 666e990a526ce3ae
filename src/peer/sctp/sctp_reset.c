/* Stream reconfiguration (RFC 6525): data channels are closed by resetting their streams (RFC 8831,
 * section 6.7). Of the requests only that for the sender's own outgoing streams is made, and taken;
 * more streams are granted to who asks, for there is no limit of ours. */
#include "base/mem.h"
#include "peer/sctp/sctp_int.h"

enum result { /* section 4.4 */
              RESULT_NOTHING = 0,
              RESULT_DONE = 1,
              RESULT_DENIED = 2,
              RESULT_WRONG_SEQ = 5,
              RESULT_IN_PROGRESS = 6,
};

void sctp_reset_start(struct sq_sctp *a, uint32_t peer_tsn)
{
    a->reset = (struct sctp_reset){
        .next_seq = a->local_tsn,
        .peer_seq = peer_tsn,
        .again_ns = SQ_NEVER,
    };
}

/* Streams of a request that is given up with its association (the other side began anew) are to be
 * reset still. */
void sctp_reset_free(struct sq_sctp *a)
{
    for (size_t i = 0; a->reset.streams && i < a->reset.streams_len; i++) {
        struct sctp_out *s = sctp_out_find(a, a->reset.streams[i]);
        if (s && s->reset == RESET_SENT) {
            s->reset = RESET_WANTED;
        }
    }
    sq_free(a->reset.streams);
    a->reset.streams = NULL;
    a->reset.streams_len = 0;
    a->reset.under_way = false;
    a->reset.again_ns = SQ_NEVER;
}

/* ---- Ours ---- */

int sq_sctp_reset(struct sq_sctp *a, uint64_t now_ns, uint16_t stream)
{
    if (a->state != SQ_SCTP_ESTABLISHED) {
        return SQ_ERR_STATE;
    }
    if (!a->reconfig) {
        return SQ_ERR_UNSUPPORTED;
    }
    struct sctp_out *s = sctp_out_get(a, stream);
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    if (s->reset == RESET_NONE) {
        s->reset = RESET_WANTED;
    }
    a->now_ns = sq_max_u64(now_ns, a->now_ns);
    sctp_pump(a);
    return 0;
}

static bool ready(const struct sctp_out *s)
{
    return s->reset == RESET_WANTED && !s->head;
}

bool sctp_reset_due(const struct sq_sctp *a)
{
    if (a->reset.under_way || a->state != SQ_SCTP_ESTABLISHED || !a->reconfig) {
        return false;
    }
    for (size_t i = 0; i < a->tx.streams_len; i++) {
        if (ready(a->tx.streams[i])) {
            return true;
        }
    }
    return false;
}

/* Section 4.1 */
static void send_request(struct sq_sctp *a)
{
    struct sctp_reset *r = &a->reset;
    struct sctp_packet p;
    sctp_packet_begin(a, &p, a->peer_tag);
    struct sq_wire *w = sctp_chunk_begin(&p, CHUNK_RECONFIG, 0);
    sq_wire_put_u16(w, PARAM_RESET_OUT);
    sq_wire_put_u16(w, (uint16_t)(16 + 2 * r->streams_len));
    sq_wire_put_u32(w, r->seq);
    sq_wire_put_u32(w, r->peer_seq - 1);
    sq_wire_put_u32(w, r->last_tsn);
    for (size_t i = 0; i < r->streams_len; i++) {
        sq_wire_put_u16(w, r->streams[i]);
    }
    sctp_chunk_end(&p);
    sctp_packet_send(a, &p);
    r->again_ns = a->now_ns + sctp_backoff(a->tx.rto_ns, r->backoff);
}

void sctp_reset_send(struct sq_sctp *a)
{
    struct sctp_reset *r = &a->reset;
    uint16_t *streams = sq_malloc(SCTP_RESETS_MAX * sizeof(*streams));
    if (!streams) {
        return; /* with the next packet */
    }
    size_t n = 0;
    for (size_t i = 0; i < a->tx.streams_len && n < SCTP_RESETS_MAX; i++) {
        struct sctp_out *s = a->tx.streams[i];
        if (ready(s)) {
            s->reset = RESET_SENT;
            streams[n++] = s->id;
        }
    }
    sq_free(r->streams);
    r->streams = streams;
    r->streams_len = n;
    r->seq = r->next_seq++;
    r->last_tsn = a->tx.next_tsn - 1;
    r->under_way = true;
    r->backoff = 0;
    send_request(a);
}

void sctp_on_reset_timer(struct sq_sctp *a)
{
    a->reset.again_ns = SQ_NEVER;
    if (!a->reset.under_way || !sctp_count_error(a)) {
        return;
    }
    a->reset.backoff++;
    send_request(a);
}

static void on_response(struct sq_sctp *a, struct sq_wire *w)
{
    struct sctp_reset *r = &a->reset;
    uint32_t seq = sq_wire_u32(w);
    uint32_t result = sq_wire_u32(w);
    if (w->err || !r->under_way || seq != r->seq) {
        return;
    }
    a->tx.errors = 0;
    if (result == RESULT_IN_PROGRESS) { /* again, as a new request (as dcsctp has it) */
        r->seq = r->next_seq++;
        r->again_ns = a->now_ns + a->tx.rto_ns;
        return;
    }
    int err = result == RESULT_NOTHING || result == RESULT_DONE ? 0 : SQ_ERR_REFUSED;
    uint16_t *streams = r->streams;
    size_t n = r->streams_len;
    uint32_t epoch = a->epoch;
    r->streams = NULL;
    sctp_reset_free(a);
    for (size_t i = 0; i < n; i++) {
        sctp_out_remove(a, streams[i]);
    }
    for (size_t i = 0; epoch == a->epoch && a->events.outgoing_reset && i < n; i++) {
        a->events.outgoing_reset(a->events.user, streams[i], err);
    }
    sq_free(streams);
}

/* ---- The other side's ---- */

static void respond(struct sq_sctp *a, uint32_t seq, uint32_t result)
{
    struct sctp_packet p;
    sctp_packet_begin(a, &p, a->peer_tag);
    struct sq_wire *w = sctp_chunk_begin(&p, CHUNK_RECONFIG, 0);
    sq_wire_put_u16(w, PARAM_RESET_RESPONSE);
    sq_wire_put_u16(w, 12);
    sq_wire_put_u32(w, seq);
    sq_wire_put_u32(w, result);
    sctp_chunk_end(&p);
    sctp_packet_send(a, &p);
}

/* Section 5.2.2. The streams are those in w, all if there are none. */
static void reset_incoming(struct sq_sctp *a, struct sq_wire *w)
{
    uint32_t epoch = a->epoch;
    bool all = sq_wire_left(w) < 2;
    while (epoch == a->epoch && (all ? a->rx.streams_len > 0 : sq_wire_left(w) >= 2)) {
        uint16_t id = all ? a->rx.streams[a->rx.streams_len - 1]->id : sq_wire_u16(w);
        sctp_in_remove(a, id);
        if (a->events.incoming_reset) {
            a->events.incoming_reset(a->events.user, id);
        }
    }
}

static void on_request(struct sq_sctp *a, uint16_t type, struct sq_wire *w)
{
    struct sctp_reset *r = &a->reset;
    uint32_t seq = sq_wire_u32(w);
    uint32_t result = RESULT_DENIED;
    bool anew =
        seq == r->peer_seq || (seq == r->peer_seq - 1 && r->last_result == RESULT_IN_PROGRESS);
    if (w->err) {
        return;
    }
    if (!anew) {
        respond(a, seq, seq == r->peer_seq - 1 ? r->last_result : RESULT_WRONG_SEQ);
        return;
    }
    if (type == PARAM_RESET_OUT) {
        (void)sq_wire_u32(w); /* the response that it may be */
        uint32_t last_tsn = sq_wire_u32(w);
        result = sctp_before(a->rx.cumulative_tsn, last_tsn) ? RESULT_IN_PROGRESS : RESULT_DONE;
    } else if (type == PARAM_ADD_OUT) {
        result = RESULT_DONE; /* usrsctp asks for more */
    }
    if (w->err) {
        return;
    }
    r->peer_seq = seq + 1;
    r->last_result = result;
    respond(a, seq, result);
    if (type == PARAM_RESET_OUT && result == RESULT_DONE) {
        reset_incoming(a, w);
    }
}

void sctp_on_reconfig(struct sq_sctp *a, const struct sctp_chunk *c)
{
    struct sq_wire w = sq_wire_reader(c->bytes, c->len);
    uint16_t type;
    struct sq_wire value;
    uint32_t epoch = a->epoch;
    if (a->state != SQ_SCTP_ESTABLISHED && a->state != SQ_SCTP_SHUTDOWN_PENDING) {
        return;
    }
    for (int n = 0; n < 2 && epoch == a->epoch && sctp_param_next(&w, &type, &value); n++) {
        if (type == PARAM_RESET_RESPONSE) {
            on_response(a, &value);
        } else if (type >= PARAM_RESET_OUT && type <= PARAM_ADD_IN) {
            on_request(a, type, &value);
        }
    }
}
