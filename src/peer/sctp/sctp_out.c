/* Outgoing streams: messages that wait, and whose turn it is (RFC 8260, section 3: weighted fair
 * queueing by stream; of whole messages where the other side has no interleaving, else of
 * fragments). */
#include "base/mem.h"
#include "peer/sctp/sctp_int.h"

/* Index of the stream, or of where it would be. */
static size_t place_of(const struct sctp_tx *tx, uint16_t id)
{
    size_t low = 0;
    size_t high = tx->streams_len;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (tx->streams[mid]->id < id) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

struct sctp_out *sctp_out_find(const struct sq_sctp *a, uint16_t id)
{
    size_t i = place_of(&a->tx, id);
    return i < a->tx.streams_len && a->tx.streams[i]->id == id ? a->tx.streams[i] : NULL;
}

struct sctp_out *sctp_out_get(struct sq_sctp *a, uint16_t id)
{
    struct sctp_tx *tx = &a->tx;
    size_t i = place_of(tx, id);
    if (i < tx->streams_len && tx->streams[i]->id == id) {
        return tx->streams[i];
    }
    if (tx->streams_len == SQ_SCTP_STREAMS_MAX) {
        return NULL;
    }
    if (tx->streams_len == tx->streams_room) {
        size_t room = tx->streams_room ? tx->streams_room * 2 : 2;
        struct sctp_out **grown = sq_realloc(tx->streams, room * sizeof(struct sctp_out *));
        if (!grown) {
            return NULL;
        }
        tx->streams = grown;
        tx->streams_room = room;
    }
    struct sctp_out *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return NULL;
    }
    s->id = id;
    s->priority = SQ_SCTP_PRIORITY;
    memmove(tx->streams + i + 1, tx->streams + i,
            (tx->streams_len - i) * sizeof(struct sctp_out *));
    tx->streams[i] = s;
    tx->streams_len++;
    return s;
}

void sctp_message_unref(struct sctp_message *m)
{
    if (--m->refs == 0) {
        sq_free(m);
    }
}

static void drop_queue(struct sq_sctp *a, struct sctp_out *s)
{
    while (s->head) {
        struct sctp_message *m = s->head;
        s->head = m->next;
        sctp_message_unref(m);
    }
    s->tail = NULL;
    a->tx.waiting_bytes -= s->waiting_bytes;
    s->waiting_bytes = 0;
}

void sctp_out_remove(struct sq_sctp *a, uint16_t id)
{
    struct sctp_tx *tx = &a->tx;
    size_t i = place_of(tx, id);
    if (i == tx->streams_len || tx->streams[i]->id != id) {
        return;
    }
    struct sctp_out *s = tx->streams[i];
    if (tx->current && tx->current->stream == id) {
        tx->current = NULL;
    }
    drop_queue(a, s);
    tx->drained -= s->drained;
    sq_free(s);
    tx->streams_len--;
    memmove(tx->streams + i, tx->streams + i + 1,
            (tx->streams_len - i) * sizeof(struct sctp_out *));
}

void sctp_out_free(struct sq_sctp *a)
{
    for (size_t i = 0; i < a->tx.streams_len; i++) {
        drop_queue(a, a->tx.streams[i]);
        sq_free(a->tx.streams[i]);
    }
    sq_free(a->tx.streams);
    a->tx.streams = NULL;
    a->tx.streams_len = a->tx.streams_room = a->tx.drained = 0;
    a->tx.current = NULL;
}

int sq_sctp_set_priority(struct sq_sctp *a, uint16_t stream, uint16_t priority)
{
    if (stream > SQ_SCTP_STREAM_MAX || priority == 0) {
        return SQ_ERR_INVALID;
    }
    struct sctp_out *s = sctp_out_get(a, stream);
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    s->priority = priority;
    return 0;
}

size_t sq_sctp_waiting_bytes(const struct sq_sctp *a, uint16_t stream)
{
    const struct sctp_out *s = sctp_out_find(a, stream);
    return s ? s->waiting_bytes : 0;
}

int sq_sctp_send(struct sq_sctp *a, uint64_t now_ns, const struct sq_sctp_message *message)
{
    if (a->over || a->state > SQ_SCTP_ESTABLISHED) {
        return SQ_ERR_STATE;
    }
    if (message->len == 0 || message->len > UINT32_MAX / 2 ||
        message->stream > SQ_SCTP_STREAM_MAX) {
        return SQ_ERR_INVALID;
    }
    if (a->tx.waiting_bytes + message->len > a->config.send_buffer_max_bytes) {
        return SQ_ERR_AGAIN;
    }
    struct sctp_out *s = sctp_out_get(a, message->stream);
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    if (s->reset != RESET_NONE) {
        return SQ_ERR_STATE;
    }
    struct sctp_message *m = sq_malloc(sizeof(*m) + message->len);
    if (!m) {
        return SQ_ERR_NOMEM;
    }
    *m = (struct sctp_message){
        .refs = 1,
        .stream = message->stream,
        .unordered = message->unordered,
        .ppid = message->ppid,
        .len = (uint32_t)message->len,
        .retransmissions_max = message->retransmissions_max,
        .expires_ns = message->lifetime_ns ? now_ns + message->lifetime_ns : SQ_NEVER,
    };
    memcpy(m->bytes, message->bytes, message->len);
    if (!s->head) {
        /* Who was idle does not get what it did not ask for before. */
        s->virtual_time = sq_max_u64(s->virtual_time, a->tx.virtual_time);
        s->head = m;
    } else {
        s->tail->next = m;
    }
    s->tail = m;
    s->waiting_bytes += m->len;
    a->tx.waiting_bytes += m->len;
    a->now_ns = sq_max_u64(now_ns, a->now_ns);
    if (!a->receiving) {
        sctp_pump(a);
    }
    return 0;
}

/* Takes the stream's first message out of the queue. */
static void unqueue(struct sq_sctp *a, struct sctp_out *s)
{
    struct sctp_message *m = s->head;
    uint32_t left = m->len - m->sent;
    s->head = m->next;
    s->tail = s->head ? s->tail : NULL;
    m->next = NULL;
    s->waiting_bytes -= left;
    a->tx.waiting_bytes -= left;
    if (a->tx.current == m) {
        a->tx.current = NULL;
    }
    sctp_message_unref(m);
}

/* Told at the end of sctp_pump: who hears of it may send more. */
static void note_drained(struct sq_sctp *a, struct sctp_out *s)
{
    a->tx.drained += !s->drained;
    s->drained = true;
}

void sctp_tell_drained(struct sq_sctp *a)
{
    uint32_t epoch = a->epoch;
    for (size_t i = 0; epoch == a->epoch && a->tx.drained > 0 && i < a->tx.streams_len; i++) {
        struct sctp_out *s = a->tx.streams[i];
        if (!s->drained) {
            continue;
        }
        s->drained = false;
        a->tx.drained--;
        if (a->events.drained) {
            a->events.drained(a->events.user, s->id, s->waiting_bytes);
            i = (size_t)-1; /* the table may have changed: from the beginning */
        }
    }
}

/* Those whose time is over before they were begun just go (RFC 3758, section 4.1). */
static void expire_heads(struct sq_sctp *a, struct sctp_out *s)
{
    while (s->head && !s->head->begun && sctp_expired(a, s->head)) {
        unqueue(a, s);
        a->counters.messages_abandoned++;
        note_drained(a, s);
    }
}

/* The rest of one that was begun need not be sent when its time is over. */
static void give_up_head(struct sq_sctp *a, struct sctp_out *s)
{
    if (a->partial && s->head && s->head->begun && sctp_expired(a, s->head)) {
        sctp_abandon(a, s->head);
        sctp_move_forward_point(a);
    }
}

struct sctp_message *sctp_out_next(struct sq_sctp *a)
{
    struct sctp_tx *tx = &a->tx;
    if (tx->waiting_bytes == 0) {
        return NULL;
    }
    if (tx->current && !a->interleaving) {
        if (!a->partial || !sctp_expired(a, tx->current)) {
            return tx->current;
        }
        give_up_head(a, sctp_out_find(a, tx->current->stream));
    }
    struct sctp_out *best = NULL;
    for (size_t i = 0; i < tx->streams_len; i++) {
        struct sctp_out *s = tx->streams[i];
        if (s->head && s->head->expires_ns != SQ_NEVER) {
            expire_heads(a, s);
            give_up_head(a, s);
        }
        if (s->head && (!best || s->virtual_time < best->virtual_time)) {
            best = s;
        }
    }
    return best ? best->head : NULL;
}

void sctp_out_took(struct sq_sctp *a, struct sctp_message *m, uint32_t bytes)
{
    struct sctp_out *s = sctp_out_find(a, m->stream);
    a->tx.virtual_time = s->virtual_time;
    s->virtual_time += ((uint64_t)bytes << 16) / s->priority;
    s->waiting_bytes -= bytes;
    a->tx.waiting_bytes -= bytes;
    a->tx.current = m;
    note_drained(a, s);
    if (m->sent == m->len) {
        unqueue(a, s);
    }
}

void sctp_out_drop(struct sq_sctp *a, struct sctp_message *m)
{
    struct sctp_out *s = sctp_out_find(a, m->stream);
    if (s && s->head == m) {
        unqueue(a, s);
        note_drained(a, s);
    }
}

void sctp_out_rewind(struct sq_sctp *a, struct sctp_message *m)
{
    struct sctp_out *s = sctp_out_find(a, m->stream);
    if (!s || m->abandoned) {
        return;
    }
    if (s->head != m) {
        m->refs++;
        m->next = s->head;
        s->tail = s->head ? s->tail : m;
        s->head = m;
    }
    s->waiting_bytes += m->sent;
    a->tx.waiting_bytes += m->sent;
    m->sent = m->fsn = 0;
    m->begun = false;
    s->next_id = s->next_unordered_id = 0;
}
