/* An association's life: packets in, time-outs, heartbeats, and its end (RFC 9260, sections 8, 9).
 */
#include "base/mem.h"
#include "base/rand.h"
#include "peer/sctp/sctp_int.h"
#include <stdio.h>

#define WINDOW_BYTES      (5u << 20)
#define SEND_BUFFER_BYTES (16u << 20)
#define MESSAGE_BYTES     262144

/* ---- Life ---- */

int sq_sctp_create(const struct sq_sctp_config *config, const struct sq_sctp_events *events,
                   struct sq_sctp **ret_sctp)
{
    if (!events || !events->send) {
        return SQ_ERR_INVALID;
    }
    struct sq_sctp *a = sq_zalloc(sizeof(*a));
    if (!a) {
        return SQ_ERR_NOMEM;
    }
    if (config) {
        a->config = *config;
    }
    struct sq_sctp_config *c = &a->config;
    c->local_port = c->local_port ? c->local_port : SQ_SCTP_PORT;
    c->remote_port = c->remote_port ? c->remote_port : SQ_SCTP_PORT;
    c->message_max_bytes = c->message_max_bytes ? c->message_max_bytes : MESSAGE_BYTES;
    c->window_bytes = c->window_bytes ? c->window_bytes : WINDOW_BYTES;
    c->send_buffer_max_bytes =
        c->send_buffer_max_bytes ? c->send_buffer_max_bytes : SEND_BUFFER_BYTES;
    a->events = *events;
    uint32_t fresh[2];
    sq_rand_secret(fresh, sizeof(fresh));
    sq_rand_secret(a->key, sizeof(a->key));
    a->local_tag = fresh[0] ? fresh[0] : 1;
    a->local_tsn = fresh[1];
    a->t1_ns = a->heartbeat_ns = a->tx.t3_ns = a->rx.sack_ns = a->reset.again_ns = SQ_NEVER;
    a->tx.rto_ns = SCTP_RTO_INITIAL_NS;
    *ret_sctp = a;
    return 0;
}

static void give_back(struct sq_sctp *a)
{
    sctp_tx_free(a);
    sctp_out_free(a);
    sctp_rx_free(a);
    sctp_reset_free(a);
    sq_free(a->cookie);
    a->cookie = NULL;
    a->cookie_due = a->cookie_ack_due = false;
    a->t1_ns = a->heartbeat_ns = SQ_NEVER;
}

void sq_sctp_destroy(struct sq_sctp *a)
{
    if (!a) {
        return;
    }
    give_back(a);
    sq_free(a);
}

int sq_sctp_connect(struct sq_sctp *a, uint64_t now_ns)
{
    if (a->state != SQ_SCTP_CLOSED || a->begun) {
        return SQ_ERR_STATE;
    }
    a->now_ns = now_ns;
    a->begun = true;
    a->state = SQ_SCTP_COOKIE_WAIT;
    sctp_send_init(a);
    return 0;
}

/* ---- The end ---- */

static void be_over(struct sq_sctp *a)
{
    a->state = SQ_SCTP_CLOSED;
    a->begun = a->over = true;
    a->epoch++;
    give_back(a);
}

void sctp_end(struct sq_sctp *a, int err, const char *text)
{
    if (a->over) {
        return;
    }
    be_over(a);
    if (a->events.closed) {
        a->events.closed(a->events.user, err, text);
    }
}

static void send_abort(struct sq_sctp *a, enum sctp_cause cause, const char *text)
{
    if (a->peer_tag == 0 || a->state == SQ_SCTP_CLOSED) {
        return;
    }
    struct sctp_packet p;
    sctp_packet_begin(a, &p, a->peer_tag);
    struct sq_wire *w = sctp_chunk_begin(&p, CHUNK_ABORT, 0);
    size_t len = strlen(text);
    len = len < 200 ? len : 200;
    sq_wire_put_u16(w, (uint16_t)cause);
    sq_wire_put_u16(w, (uint16_t)(4 + len));
    sq_wire_put(w, text, len);
    sctp_chunk_end(&p);
    sctp_packet_send(a, &p);
}

void sctp_fail(struct sq_sctp *a, enum sctp_cause cause, int err, const char *text)
{
    send_abort(a, cause, text);
    sctp_end(a, err, text);
}

void sq_sctp_abort(struct sq_sctp *a, uint64_t now_ns, const char *reason)
{
    if (a->over) {
        return;
    }
    a->now_ns = now_ns;
    send_abort(a, CAUSE_USER_ABORT, reason);
    be_over(a);
}

/* Section 9.2: goes on with a shutdown once all has been sent and acknowledged. */
void sctp_check_shutdown(struct sq_sctp *a)
{
    bool done = a->tx.waiting_bytes == 0 && a->tx.next_tsn == a->tx.first_tsn;
    if (!done) {
        return;
    }
    if (a->state == SQ_SCTP_SHUTDOWN_PENDING || a->state == SQ_SCTP_SHUTDOWN_SENT) {
        struct sctp_packet p;
        sctp_packet_begin(a, &p, a->peer_tag);
        sq_wire_put_u32(sctp_chunk_begin(&p, CHUNK_SHUTDOWN, 0), a->rx.cumulative_tsn);
        sctp_chunk_end(&p);
        sctp_packet_send(a, &p);
        if (a->state == SQ_SCTP_SHUTDOWN_PENDING) {
            a->state = SQ_SCTP_SHUTDOWN_SENT;
            a->t1_backoff = 0;
            a->t1_ns = a->now_ns + SCTP_T2_NS;
        }
    } else if (a->state == SQ_SCTP_SHUTDOWN_RECEIVED) {
        a->state = SQ_SCTP_SHUTDOWN_ACK_SENT;
        sctp_send_bare(a, CHUNK_SHUTDOWN_ACK, 0, a->peer_tag);
        a->t1_backoff = 0;
        a->t1_ns = a->now_ns + SCTP_T2_NS;
    }
}

void sq_sctp_shutdown(struct sq_sctp *a, uint64_t now_ns)
{
    a->now_ns = now_ns;
    if (a->state == SQ_SCTP_COOKIE_WAIT || a->state == SQ_SCTP_COOKIE_ECHOED) {
        sctp_fail(a, CAUSE_USER_ABORT, 0, "closed before it was up");
    } else if (a->state == SQ_SCTP_ESTABLISHED) {
        a->state = SQ_SCTP_SHUTDOWN_PENDING;
        sctp_check_shutdown(a);
    }
}

static void on_shutdown(struct sq_sctp *a, const struct sctp_chunk *c)
{
    if (c->len < 4 || a->state < SQ_SCTP_ESTABLISHED) {
        return;
    }
    uint32_t epoch = a->epoch;
    sctp_on_cumulative(a, sq_load_u32(c->bytes));
    if (epoch != a->epoch) {
        return;
    }
    if (a->state == SQ_SCTP_SHUTDOWN_SENT) { /* both at once */
        a->state = SQ_SCTP_SHUTDOWN_ACK_SENT;
        sctp_send_bare(a, CHUNK_SHUTDOWN_ACK, 0, a->peer_tag);
    } else if (a->state == SQ_SCTP_ESTABLISHED || a->state == SQ_SCTP_SHUTDOWN_PENDING) {
        a->state = SQ_SCTP_SHUTDOWN_RECEIVED;
    }
}

static void on_shutdown_ack(struct sq_sctp *a)
{
    if (a->state == SQ_SCTP_SHUTDOWN_SENT || a->state == SQ_SCTP_SHUTDOWN_ACK_SENT) {
        sctp_send_bare(a, CHUNK_SHUTDOWN_COMPLETE, 0, a->peer_tag);
        sctp_end(a, 0, "the SCTP association was shut down");
    }
}

static void on_abort(struct sq_sctp *a, const struct sctp_chunk *c)
{
    char text[200] = "the other side aborted the SCTP association";
    struct sq_wire w = sq_wire_reader(c->bytes, c->len);
    uint16_t type;
    struct sq_wire value;
    if (sctp_param_next(&w, &type, &value)) {
        size_t n = sq_wire_left(&value);
        const char *why = (const char *)sq_wire_read(&value, n);
        char said[100] = "";
        n = n < sizeof(said) - 1 ? n : sizeof(said) - 1;
        for (size_t i = 0; (type == CAUSE_USER_ABORT || type == CAUSE_PROTOCOL) && i < n; i++) {
            said[i] = why[i] >= ' ' && why[i] < 127 ? why[i] : '.';
        }
        (void)snprintf(text, sizeof(text),
                       "the other side aborted the SCTP association (cause %u%s%s)", type,
                       said[0] ? ": " : "", said);
    }
    sctp_end(a, SQ_ERR_REFUSED, text);
}

/* ---- Heartbeats and errors (section 8) ---- */

uint64_t sctp_backoff(uint64_t first_ns, unsigned times)
{
    uint64_t ns = first_ns << (times < 8 ? times : 8);
    /* A round trip may well be longer than what libwebrtc grants for all timers. */
    return sq_max_u64(sq_min_u64(ns, SCTP_BACKOFF_MAX_NS), first_ns);
}

bool sctp_count_error(struct sq_sctp *a)
{
    a->tx.errors++;
    if (a->config.retransmissions_max && a->tx.errors > a->config.retransmissions_max) {
        sctp_fail(a, CAUSE_PROTOCOL, SQ_ERR_TIMEOUT, "the other side's SCTP does not answer");
        return false;
    }
    return true;
}

static void send_heartbeat(struct sq_sctp *a)
{
    struct sctp_packet p;
    sctp_packet_begin(a, &p, a->peer_tag);
    struct sq_wire *w = sctp_chunk_begin(&p, CHUNK_HEARTBEAT, 0);
    sq_wire_put_u16(w, PARAM_HEARTBEAT_INFO);
    sq_wire_put_u16(w, 12);
    sq_wire_put_u64(w, a->now_ns);
    sctp_chunk_end(&p);
    sctp_packet_send(a, &p);
}

static void on_heartbeat_timer(struct sq_sctp *a)
{
    a->heartbeat_ns = a->now_ns + SCTP_HEARTBEAT_NS + a->tx.rto_ns;
    if (a->state != SQ_SCTP_ESTABLISHED) {
        return;
    }
    if (a->heartbeat_open && !sctp_count_error(a)) {
        return;
    }
    a->heartbeat_open = true;
    send_heartbeat(a);
}

static void on_heartbeat(struct sq_sctp *a, const struct sctp_chunk *c)
{
    struct sctp_packet p;
    if (c->len > SCTP_MTU - SCTP_HEADER_BYTES - SCTP_CHUNK_BYTES || a->peer_tag == 0) {
        return;
    }
    sctp_packet_begin(a, &p, a->peer_tag);
    sq_wire_put(sctp_chunk_begin(&p, CHUNK_HEARTBEAT_ACK, 0), c->bytes, c->len);
    sctp_chunk_end(&p);
    sctp_packet_send(a, &p);
}

/* ---- Packets ---- */

/* Section 3.2: what the two highest bits of an unknown type ask for. False: stop here. */
static bool on_unknown(struct sq_sctp *a, const struct sctp_chunk *c)
{
    if ((c->type & 0x40) != 0 && a->peer_tag != 0) {
        struct sctp_packet p;
        size_t n = c->len < 64 ? c->len : 64;
        sctp_packet_begin(a, &p, a->peer_tag);
        struct sq_wire *w = sctp_chunk_begin(&p, CHUNK_ERROR, 0);
        sq_wire_put_u16(w, CAUSE_UNRECOGNIZED_CHUNK);
        sq_wire_put_u16(w, (uint16_t)(8 + n));
        sq_wire_put_u8(w, c->type);
        sq_wire_put_u8(w, c->flags);
        sq_wire_put_u16(w, (uint16_t)(4 + n));
        sq_wire_put(w, c->bytes, n);
        sctp_chunk_end(&p);
        sctp_packet_send(a, &p);
    }
    return (c->type & 0x80) != 0;
}

static void on_error(struct sq_sctp *a, const struct sctp_chunk *c)
{
    struct sq_wire w = sq_wire_reader(c->bytes, c->len);
    uint16_t type;
    struct sq_wire value;
    while (sctp_param_next(&w, &type, &value)) {
        if (type == CAUSE_STALE_COOKIE) {
            sctp_on_stale_cookie(a);
            return;
        }
    }
}

/* Chunks of an association that is being set up, or is there. False: leave the rest alone. */
static bool take(struct sq_sctp *a, const struct sctp_chunk *c, uint32_t tag)
{
    switch (c->type) {
    case CHUNK_DATA:
    case CHUNK_I_DATA:
        sctp_on_data(a, c);
        return true;
    case CHUNK_SACK:
        sctp_on_sack(a, c);
        return true;
    case CHUNK_INIT_ACK:
        sctp_on_init_ack(a, c);
        return true;
    case CHUNK_COOKIE_ECHO:
        sctp_on_cookie_echo(a, c, tag);
        return tag == a->local_tag;
    case CHUNK_COOKIE_ACK:
        sctp_on_cookie_ack(a);
        return true;
    case CHUNK_HEARTBEAT:
        on_heartbeat(a, c);
        return true;
    case CHUNK_HEARTBEAT_ACK:
        a->heartbeat_open = false;
        a->tx.errors = 0;
        return true;
    case CHUNK_ABORT:
        on_abort(a, c);
        return false;
    case CHUNK_SHUTDOWN:
        on_shutdown(a, c);
        return true;
    case CHUNK_SHUTDOWN_ACK:
        on_shutdown_ack(a);
        return true;
    case CHUNK_SHUTDOWN_COMPLETE:
        if (a->state == SQ_SCTP_SHUTDOWN_ACK_SENT) {
            sctp_end(a, 0, "the SCTP association was shut down");
        }
        return true;
    case CHUNK_ERROR:
        on_error(a, c);
        return true;
    case CHUNK_RECONFIG:
        sctp_on_reconfig(a, c);
        return true;
    case CHUNK_FORWARD_TSN:
    case CHUNK_I_FORWARD_TSN:
        sctp_on_forward_tsn(a, c);
        return true;
    default:
        return on_unknown(a, c);
    }
}

/* Section 8.5: whose packet is it? */
static bool tag_fits(const struct sq_sctp *a, const struct sctp_packet_in *packet, uint8_t type,
                     uint8_t flags)
{
    switch (type) {
    case CHUNK_INIT:
        return packet->tag == 0;
    case CHUNK_COOKIE_ECHO:
        return true; /* the cookie tells */
    case CHUNK_ABORT:
    case CHUNK_SHUTDOWN_COMPLETE:
        return packet->tag == ((flags & 1) != 0 ? a->peer_tag : a->local_tag) && packet->tag != 0;
    default:
        return packet->tag == a->local_tag;
    }
}

static void go_on_with_shutdown(struct sq_sctp *a, uint32_t epoch)
{
    bool begun = a->state == SQ_SCTP_SHUTDOWN_PENDING || a->state == SQ_SCTP_SHUTDOWN_RECEIVED;
    if (epoch == a->epoch && begun) {
        sctp_check_shutdown(a);
    }
}

static void finish_packet(struct sq_sctp *a)
{
    a->receiving = false;
    if (a->over) {
        return;
    }
    bool data = a->rx.data_in_packet;
    uint32_t epoch = a->epoch;
    sctp_rx_packet_done(a);
    if (data && a->state == SQ_SCTP_SHUTDOWN_SENT) {
        sctp_check_shutdown(a); /* section 9.2: DATA is answered by a SHUTDOWN, too */
    }
    sctp_pump(a);
    go_on_with_shutdown(a, epoch);
}

void sq_sctp_receive(struct sq_sctp *a, uint64_t now_ns, const uint8_t *bytes, size_t len)
{
    struct sctp_packet_in packet;
    struct sctp_chunk c;
    if (a->over || a->receiving) {
        return;
    }
    a->now_ns = now_ns;
    int err = sctp_packet_open(bytes, len, !a->config.no_zero_checksum, &packet);
    if (err || packet.from_port != a->config.remote_port ||
        packet.to_port != a->config.local_port ||
        !tag_fits(a, &packet, bytes[SCTP_HEADER_BYTES], bytes[SCTP_HEADER_BYTES + 1])) {
        a->counters.discarded++;
        return;
    }
    a->counters.packets_received++;
    a->receiving = true;
    uint32_t tag = packet.tag;
    bool first = true;
    bool more = true;
    while (more && !a->over && sctp_chunk_next(&packet, &c)) {
        if (c.type == CHUNK_INIT) { /* section 4: never beside another chunk */
            if (first && sq_wire_left(&packet.chunks) == 0) {
                sctp_on_init(a, &c, tag);
            }
            more = false;
        } else {
            more = take(a, &c, tag);
        }
        first = false;
    }
    finish_packet(a);
}

/* ---- Time ---- */

uint64_t sq_sctp_next_timeout(const struct sq_sctp *a)
{
    if (a->over) {
        return SQ_NEVER;
    }
    uint64_t at = sq_min_u64(a->t1_ns, a->heartbeat_ns);
    at = sq_min_u64(at, a->tx.t3_ns);
    at = sq_min_u64(at, a->rx.sack_ns);
    return sq_min_u64(at, a->reset.again_ns);
}

void sq_sctp_on_timeout(struct sq_sctp *a, uint64_t now_ns)
{
    if (a->over) {
        return;
    }
    a->now_ns = now_ns;
    uint32_t epoch = a->epoch;
    if (a->t1_ns <= now_ns) {
        sctp_on_t1(a);
    }
    if (epoch == a->epoch && a->rx.sack_ns <= now_ns) {
        a->rx.sack_ns = SQ_NEVER;
        a->rx.sack_now = true;
    }
    if (epoch == a->epoch && a->tx.t3_ns <= now_ns) {
        sctp_on_t3(a);
    }
    if (epoch == a->epoch && a->reset.again_ns <= now_ns) {
        sctp_on_reset_timer(a);
    }
    if (epoch == a->epoch && a->heartbeat_ns <= now_ns) {
        on_heartbeat_timer(a);
    }
    if (epoch == a->epoch) {
        sctp_pump(a);
        go_on_with_shutdown(a, epoch);
    }
}

/* ---- Statistics ---- */

void sq_sctp_stats(const struct sq_sctp *a, struct sq_sctp_stats *ret_stats)
{
    struct sq_sctp_stats s = a->counters;
    s.state = a->state;
    s.interleaving = a->interleaving;
    s.zero_checksum = a->zero_checksum;
    s.partial_reliability = a->partial;
    s.smoothed_round_trip_time_s = a->tx.srtt_ns ? (double)a->tx.srtt_ns / 1e9 : -1;
    s.rto_s = (double)a->tx.rto_ns / 1e9;
    s.congestion_window_bytes = a->tx.cwnd;
    s.slow_start_threshold_bytes = a->tx.ssthresh;
    s.receiver_window_bytes = a->tx.peer_window_bytes;
    s.mtu_bytes = SCTP_MTU;
    s.unack_data = a->tx.next_tsn - a->tx.first_tsn;
    *ret_stats = s;
}

enum sq_sctp_state sq_sctp_get_state(const struct sq_sctp *a)
{
    return a->state;
}

const char *sq_sctp_state_name(enum sq_sctp_state state)
{
    switch (state) {
    case SQ_SCTP_CLOSED:
        return "closed";
    case SQ_SCTP_COOKIE_WAIT:
    case SQ_SCTP_COOKIE_ECHOED:
        return "connecting";
    default:
        return "connected";
    }
}

size_t sq_sctp_memory_bytes(const struct sq_sctp *a)
{
    size_t n = sizeof(*a) + a->cookie_len * (a->cookie != NULL);
    n += a->tx.streams_room * sizeof(struct sctp_out *) +
         a->tx.streams_len * sizeof(struct sctp_out);
    n += a->tx.room * sizeof(struct sctp_sent) + a->tx.waiting_bytes;
    n += a->rx.ahead_words * sizeof(uint64_t);
    return n + sctp_in_heap(a) + a->reset.streams_len * sizeof(*a->reset.streams);
}
