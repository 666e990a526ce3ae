/* How an association begins: INIT, INIT ACK, COOKIE ECHO, COOKIE ACK (RFC 9260, section 5). */
#include "base/mem.h"
#include "base/rand.h"
#include "peer/sctp/sctp_int.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>

#define INIT_BYTES   16 /* the fixed part of INIT and INIT ACK */
#define COOKIE_TEXT  48 /* what is signed */
#define COOKIE_MAC   32
#define STREAMS_TOLD 65535 /* as Chromium: neither side keeps room for them */

/* What INIT and INIT ACK say about their sender. */
struct init {
    uint32_t tag, window, tsn;
    uint16_t out, in;
    bool interleaving, partial, reconfig, zero_checksum;
    const uint8_t *cookie;
    size_t cookie_len;
};

/* ---- Reading ---- */

static void read_extensions(struct sq_wire *w, struct init *init)
{
    bool data = false;
    while (sq_wire_left(w) > 0) {
        switch (sq_wire_u8(w)) {
        case CHUNK_RECONFIG:
            init->reconfig = true;
            break;
        case CHUNK_FORWARD_TSN:
            init->partial = true;
            break;
        case CHUNK_I_DATA:
            data = true;
            break;
        default: /* I-FORWARD-TSN goes with I-DATA */
            break;
        }
    }
    init->interleaving = data;
}

static int read_init(const struct sctp_chunk *c, struct init *ret_init)
{
    struct sq_wire w = sq_wire_reader(c->bytes, c->len);
    struct init init = {0};
    init.tag = sq_wire_u32(&w);
    init.window = sq_wire_u32(&w);
    init.out = sq_wire_u16(&w);
    init.in = sq_wire_u16(&w);
    init.tsn = sq_wire_u32(&w);
    if (w.err) {
        return w.err;
    }
    uint16_t type;
    struct sq_wire value;
    while (sctp_param_next(&w, &type, &value)) {
        if (type == PARAM_COOKIE) {
            init.cookie_len = sq_wire_left(&value);
            init.cookie = sq_wire_read(&value, init.cookie_len);
        } else if (type == PARAM_FORWARD_TSN) {
            init.partial = true;
        } else if (type == PARAM_EXTENSIONS) {
            read_extensions(&value, &init);
        } else if (type == PARAM_ZERO_CHECKSUM) {
            init.zero_checksum = sq_wire_u32(&value) == 1; /* DTLS (RFC 9653, section 9) */
        }
    }
    /* Section 3.3.2: a tag of 0 or no streams at all. */
    if (w.err || init.tag == 0 || init.out == 0 || init.in == 0) {
        return SQ_ERR_FORMAT;
    }
    *ret_init = init;
    return 0;
}

/* ---- Writing ---- */

static void write_params(const struct sq_sctp *a, struct sq_wire *w, bool zero_checksum)
{
    uint8_t extensions[4];
    size_t n = 0;
    extensions[n++] = CHUNK_RECONFIG;
    if (!a->config.no_partial_delivery) {
        sq_wire_put_u16(w, PARAM_FORWARD_TSN);
        sq_wire_put_u16(w, 4);
        extensions[n++] = CHUNK_FORWARD_TSN;
    }
    if (!a->config.no_interleaving) {
        extensions[n++] = CHUNK_I_DATA;
        extensions[n++] = CHUNK_I_FORWARD_TSN;
    }
    if (zero_checksum && !a->config.no_zero_checksum) {
        sq_wire_put_u16(w, PARAM_ZERO_CHECKSUM);
        sq_wire_put_u16(w, 8);
        sq_wire_put_u32(w, 1);
    }
    static const uint8_t zeros[4];
    sq_wire_put_u16(w, PARAM_EXTENSIONS);
    sq_wire_put_u16(w, (uint16_t)(4 + n));
    sq_wire_put(w, extensions, n);
    sq_wire_put(w, zeros, sctp_padded(n) - n);
}

static void write_init(const struct sq_sctp *a, struct sq_wire *w, uint32_t tag, uint32_t tsn)
{
    sq_wire_put_u32(w, tag);
    sq_wire_put_u32(w, a->config.window_bytes);
    sq_wire_put_u16(w, STREAMS_TOLD);
    sq_wire_put_u16(w, STREAMS_TOLD);
    sq_wire_put_u32(w, tsn);
}

void sctp_send_init(struct sq_sctp *a)
{
    struct sctp_packet p;
    sctp_packet_begin(a, &p, 0);
    struct sq_wire *w = sctp_chunk_begin(&p, CHUNK_INIT, 0);
    write_init(a, w, a->local_tag, a->local_tsn);
    /* A peer that drops what has parameters it does not know (Pion's sctp 1.8.6 does, against RFC
     * 9260, section 3.2.1) is asked again without the youngest of them. */
    write_params(a, w, a->t1_backoff == 0);
    sctp_chunk_end(&p);
    sctp_packet_send(a, &p);
    a->t1_ns = a->now_ns + sctp_backoff(SCTP_T1_NS, a->t1_backoff);
}

/* ---- The cookie ---- */

/* All that INIT and our answer to it said, so that nothing need be kept until it comes back (RFC
 * 9260, section 5.1.3). */
struct cookie {
    uint32_t local_tag, peer_tag, local_tsn, peer_tsn, window;
    uint32_t tie_local, tie_peer; /* section 5.2.2 */
    uint64_t made_ns;
    uint32_t flags; /* interleaving 1, partial 2, reconfig 4, zero checksum 8 */
};

static bool sign(const struct sq_sctp *a, const uint8_t *text, uint8_t mac[static COOKIE_MAC])
{
    unsigned len = COOKIE_MAC;
    return HMAC(EVP_sha256(), a->key, sizeof(a->key), text, COOKIE_TEXT, mac, &len) != NULL;
}

static bool write_cookie(const struct sq_sctp *a, const struct cookie *c,
                         uint8_t out[static SCTP_COOKIE_BYTES])
{
    memset(out, 0, COOKIE_TEXT);
    struct sq_wire w = sq_wire_writer(out, COOKIE_TEXT);
    sq_wire_put_u32(&w, c->local_tag);
    sq_wire_put_u32(&w, c->peer_tag);
    sq_wire_put_u32(&w, c->local_tsn);
    sq_wire_put_u32(&w, c->peer_tsn);
    sq_wire_put_u32(&w, c->window);
    sq_wire_put_u32(&w, c->tie_local);
    sq_wire_put_u32(&w, c->tie_peer);
    sq_wire_put_u64(&w, c->made_ns);
    sq_wire_put_u32(&w, c->flags);
    return sign(a, out, out + COOKIE_TEXT);
}

static int read_cookie(const struct sq_sctp *a, const uint8_t *bytes, size_t len,
                       struct cookie *ret_cookie)
{
    uint8_t mac[COOKIE_MAC];
    if (len != SCTP_COOKIE_BYTES || !sign(a, bytes, mac)) {
        return SQ_ERR_FORMAT;
    }
    uint8_t differs = 0;
    for (size_t i = 0; i < COOKIE_MAC; i++) {
        differs |= mac[i] ^ bytes[COOKIE_TEXT + i];
    }
    if (differs) {
        return SQ_ERR_AUTH;
    }
    struct sq_wire w = sq_wire_reader(bytes, COOKIE_TEXT);
    struct cookie c;
    c.local_tag = sq_wire_u32(&w);
    c.peer_tag = sq_wire_u32(&w);
    c.local_tsn = sq_wire_u32(&w);
    c.peer_tsn = sq_wire_u32(&w);
    c.window = sq_wire_u32(&w);
    c.tie_local = sq_wire_u32(&w);
    c.tie_peer = sq_wire_u32(&w);
    c.made_ns = sq_wire_u64(&w);
    c.flags = sq_wire_u32(&w);
    *ret_cookie = c;
    return 0;
}

/* ---- Agreement ---- */

static uint32_t agree(const struct sq_sctp *a, const struct init *init)
{
    return (init->interleaving && !a->config.no_interleaving ? 1U : 0) |
           (init->partial && !a->config.no_partial_delivery ? 2U : 0) | (init->reconfig ? 4U : 0) |
           (init->zero_checksum ? 8U : 0);
}

static void establish(struct sq_sctp *a, uint32_t peer_tag, uint32_t peer_tsn, uint32_t window,
                      uint32_t flags)
{
    a->peer_tag = peer_tag;
    a->interleaving = (flags & 1) != 0;
    a->partial = (flags & 2) != 0;
    a->reconfig = (flags & 4) != 0;
    a->zero_checksum = (flags & 8) != 0;
    sctp_tx_start(a, window);
    sctp_rx_start(a, peer_tsn);
    sctp_reset_start(a, peer_tsn);
}

/* Both sides of the handshake come here: the association is up. */
static void connected(struct sq_sctp *a)
{
    a->state = SQ_SCTP_ESTABLISHED;
    a->begun = true;
    a->t1_ns = SQ_NEVER;
    a->t1_backoff = 0;
    sq_free(a->cookie);
    a->cookie = NULL;
    a->cookie_due = false;
    a->heartbeat_ns = a->now_ns + SCTP_HEARTBEAT_NS;
    if (a->events.connected) {
        a->events.connected(a->events.user);
    }
}

/* ---- Chunks ---- */

static void answer_init(struct sq_sctp *a, const struct init *init, uint32_t local_tag,
                        uint32_t local_tsn, bool tie)
{
    const struct cookie cookie = {
        .local_tag = local_tag,
        .peer_tag = init->tag,
        .local_tsn = local_tsn,
        .peer_tsn = init->tsn,
        .window = init->window,
        .tie_local = tie ? a->local_tag : 0,
        .tie_peer = tie ? a->peer_tag : 0,
        .made_ns = a->now_ns,
        .flags = agree(a, init),
    };
    uint8_t bytes[SCTP_COOKIE_BYTES];
    if (!write_cookie(a, &cookie, bytes)) {
        return;
    }
    struct sctp_packet p;
    sctp_packet_begin(a, &p, init->tag);
    struct sq_wire *w = sctp_chunk_begin(&p, CHUNK_INIT_ACK, 0);
    write_init(a, w, local_tag, local_tsn);
    sq_wire_put_u16(w, PARAM_COOKIE);
    sq_wire_put_u16(w, 4 + SCTP_COOKIE_BYTES);
    sq_wire_put(w, bytes, sizeof(bytes));
    write_params(a, w, init->zero_checksum); /* where the peer knows it */
    sctp_chunk_end(&p);
    p.keep_crc = true; /* what was agreed begins after it */
    sctp_packet_send(a, &p);
}

void sctp_on_init(struct sq_sctp *a, const struct sctp_chunk *c, uint32_t tag)
{
    struct init init;
    if (tag != 0 || read_init(c, &init)) { /* section 8.5.1 */
        a->counters.discarded++;
        return;
    }
    switch (a->state) {
    case SQ_SCTP_CLOSED:
    case SQ_SCTP_COOKIE_WAIT: /* section 5.2.1: both began at once; the same tag as in our INIT */
    case SQ_SCTP_COOKIE_ECHOED:
        answer_init(a, &init, a->local_tag, a->local_tsn, a->state == SQ_SCTP_COOKIE_ECHOED);
        break;
    case SQ_SCTP_SHUTDOWN_ACK_SENT: /* section 9.2 */
        sctp_send_bare(a, CHUNK_SHUTDOWN_ACK, 0, a->peer_tag);
        break;
    default: { /* section 5.2.2: a restart, or an INIT that was late */
        uint32_t fresh[2];
        sq_rand_secret(fresh, sizeof(fresh));
        answer_init(a, &init, fresh[0] ? fresh[0] : 1, fresh[1], true);
        break;
    }
    }
}

void sctp_on_init_ack(struct sq_sctp *a, const struct sctp_chunk *c)
{
    struct init init;
    if (a->state != SQ_SCTP_COOKIE_WAIT) { /* section 5.2.3 */
        return;
    }
    if (read_init(c, &init) || !init.cookie || init.cookie_len > SCTP_COOKIE_MAX) {
        sctp_fail(a, CAUSE_PROTOCOL, SQ_ERR_FORMAT, "the other side's SCTP INIT ACK is broken");
        return;
    }
    uint8_t *cookie = sq_malloc(init.cookie_len ? init.cookie_len : 1);
    if (!cookie) {
        return; /* as if it had been lost */
    }
    memcpy(cookie, init.cookie, init.cookie_len);
    sq_free(a->cookie);
    a->cookie = cookie;
    a->cookie_len = init.cookie_len;
    a->cookie_due = true;
    a->state = SQ_SCTP_COOKIE_ECHOED;
    establish(a, init.tag, init.tsn, init.window, agree(a, &init));
    a->t1_backoff = 0;
    a->t1_ns = a->now_ns + SCTP_T1_NS;
}

static void send_stale(struct sq_sctp *a, const struct cookie *c, uint64_t late_ns)
{
    struct sctp_packet p;
    sctp_packet_begin(a, &p, c->peer_tag);
    struct sq_wire *w = sctp_chunk_begin(&p, CHUNK_ERROR, 0);
    sq_wire_put_u16(w, CAUSE_STALE_COOKIE);
    sq_wire_put_u16(w, 8);
    sq_wire_put_u32(w, (uint32_t)sq_min_u64(late_ns / SQ_NS_PER_US, UINT32_MAX));
    sctp_chunk_end(&p);
    sctp_packet_send(a, &p);
}

/* Section 5.2.4.1: the other side has begun anew. What was under way is lost. */
static void restart(struct sq_sctp *a, const struct cookie *c)
{
    sctp_tx_rewind(a);
    sctp_rx_free(a);
    sctp_reset_free(a);
    a->epoch++;
    a->local_tag = c->local_tag;
    a->local_tsn = c->local_tsn;
}

void sctp_on_cookie_echo(struct sq_sctp *a, const struct sctp_chunk *chunk, uint32_t tag)
{
    struct cookie c;
    if (read_cookie(a, chunk->bytes, chunk->len, &c) || tag != c.local_tag) {
        a->counters.discarded++;
        return;
    }
    bool local = c.local_tag == a->local_tag;
    bool peer =
        a->state != SQ_SCTP_CLOSED && a->state != SQ_SCTP_COOKIE_WAIT && c.peer_tag == a->peer_tag;
    if (a->now_ns > c.made_ns + SCTP_COOKIE_LIFE_NS && !(local && peer)) {
        send_stale(a, &c, a->now_ns - c.made_ns - SCTP_COOKIE_LIFE_NS);
        return;
    }
    bool waiting = a->state == SQ_SCTP_CLOSED || a->state == SQ_SCTP_COOKIE_WAIT ||
                   a->state == SQ_SCTP_COOKIE_ECHOED;
    if (local && peer) {           /* table 12, D: ours crossed with it, or it was sent again */
    } else if (local && waiting) { /* B: nothing is lost by taking the cookie's word */
        sctp_tx_rewind(a);
        sctp_rx_free(a);
        sctp_reset_free(a);
        establish(a, c.peer_tag, c.peer_tsn, c.window, c.flags);
    } else if (!local && !peer && c.tie_local == a->local_tag && c.tie_peer == a->peer_tag &&
               !waiting && a->state != SQ_SCTP_SHUTDOWN_ACK_SENT) { /* A */
        restart(a, &c);
        establish(a, c.peer_tag, c.peer_tsn, c.window, c.flags);
        a->state = SQ_SCTP_ESTABLISHED;
    } else { /* C, and what fits nothing */
        a->counters.discarded++;
        return;
    }
    a->cookie_ack_due = true;
    if (waiting) {
        connected(a);
    }
}

void sctp_on_cookie_ack(struct sq_sctp *a)
{
    if (a->state == SQ_SCTP_COOKIE_ECHOED) {
        connected(a);
    }
}

void sctp_on_stale_cookie(struct sq_sctp *a)
{
    if (a->state != SQ_SCTP_COOKIE_ECHOED) {
        return;
    }
    sctp_tx_rewind(a); /* section 5.2.6: from the beginning */
    sctp_rx_free(a);
    sctp_reset_free(a);
    sq_free(a->cookie);
    a->cookie = NULL;
    a->cookie_due = false;
    a->state = SQ_SCTP_COOKIE_WAIT;
    sctp_send_init(a);
}

static void again(struct sq_sctp *a, uint64_t first_ns)
{
    a->t1_backoff++;
    a->t1_ns = a->now_ns + sctp_backoff(first_ns, a->t1_backoff);
}

void sctp_on_t1(struct sq_sctp *a)
{
    a->t1_ns = SQ_NEVER;
    if (!sctp_count_error(a)) {
        return;
    }
    switch (a->state) {
    case SQ_SCTP_COOKIE_WAIT:
        a->t1_backoff++;
        sctp_send_init(a);
        break;
    case SQ_SCTP_COOKIE_ECHOED:
        a->cookie_due = true;
        again(a, SCTP_T1_NS);
        break;
    case SQ_SCTP_SHUTDOWN_SENT:
    case SQ_SCTP_SHUTDOWN_ACK_SENT:
        again(a, SCTP_T2_NS);
        if (a->state == SQ_SCTP_SHUTDOWN_ACK_SENT) {
            sctp_send_bare(a, CHUNK_SHUTDOWN_ACK, 0, a->peer_tag);
        } else {
            sctp_check_shutdown(a);
        }
        break;
    default:
        break;
    }
}
