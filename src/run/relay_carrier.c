/* What carries a relay's messages: UDP, TCP, TLS or DTLS to its server. */
#include "run/relay_int.h"

#include "base/time.h"
#include <stdio.h>
#include <string.h>

#define STREAM_QUEUE_MAX (256 * 1024) /* then datagrams are lost, as at a full link */
/* Behind them, for what the TURN client asks: over a stream nothing is sent again (RFC 8489,
 * section 6.2.2), and a Refresh that never left would end the allocation. It has 8 requests under
 * way. */
#define CONTROL_QUEUE_BYTES (16 * SQ_TURN_MESSAGE_MAX)
#define STREAM_TIMEOUT_NS   (10 * SQ_NS_PER_SEC)

void relay_close_carrier(struct sq_relay *relay)
{
    sq_udp_close(relay->udp);
    sq_stream_free(relay->stream);
    sq_udp_tls_close(relay->dtls);
    relay->udp = NULL;
    relay->stream = NULL;
    relay->dtls = NULL;
    relay->open = false;
    relay->heard = false;
    relay->stream_bytes = 0;
}

/* ---- What comes ---- */

static void on_bytes(void *ctx, uint8_t *bytes, size_t len, uint64_t recv_ns)
{
    struct sq_relay *relay = ctx;
    struct sq_turn_data data;
    uint64_t now_ns = sq_loop_now(relay->relays->loop);
    if (relay->gone) {
        return;
    }
    relay->heard = true;
    int got = sq_turn_receive(relay->turn, now_ns, bytes, len, &data);
    if (got == 1) {
        if (!relay->closed) {
            relay->events->data(relay->ctx, relay->number, &data.from, bytes + data.at, data.len,
                                recv_ns);
        }
    } else {
        relay_rearm(relay);
    }
}

static void on_datagram(void *ctx, const struct sq_datagram *datagram)
{
    on_bytes(ctx, datagram->data, datagram->len, datagram->recv_ns);
}

static void on_message(void *ctx, const uint8_t *message, size_t len)
{
    struct sq_relay *relay = ctx;
    struct sq_turn_data data;
    uint64_t now_ns = sq_loop_now(relay->relays->loop);
    relay->heard = true;
    if (relay->gone || sq_turn_receive(relay->turn, now_ns, message, len, &data) != 1 ||
        relay->closed) {
        return;
    }
    uint8_t *bytes = sq_keep_copy(relay->relays->cfg.keep, message + data.at, data.len);
    /* As in tcp_path.c: the copy may have worked off batches, and that may have closed the relay.
     */
    if (bytes && !relay->gone && !relay->closed) {
        relay->events->data(relay->ctx, relay->number, &data.from, bytes, data.len, now_ns);
    }
}

static void on_open(void *ctx)
{
    relay_carrier_is_up(ctx);
}

static void on_stream_data(void *ctx, const uint8_t *data, size_t len)
{
    struct sq_relay *relay = ctx;
    relay->stream_bytes = relay->heard ? 0 : relay->stream_bytes + len;
    int err = relay->gone ? 0 : sq_framing_feed(&relay->framing, data, len, on_message, relay);
    if (err && !relay->gone && !relay->again) {
        char sentence[SQ_PEER_TEXT_MAX];
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s sent what is no TURN",
                 relay_name(relay));
        relay_tell_failed(relay, SQ_PEER_CAUSE_PROTOCOL, sentence);
    }
    relay_rearm(relay);
}

static void on_end(void *ctx, const struct sq_stream_end *end)
{
    struct sq_relay *relay = ctx;
    char sentence[SQ_PEER_TEXT_MAX];
    if (relay->again) {
        return; /* it sent us elsewhere, and need not wait for us to go */
    }
    if (end->err) {
        snprintf(sentence, sizeof(sentence), "TURN server %.60s: %.180s", relay_name(relay),
                 end->text);
    } else {
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s closed the connection",
                 relay_name(relay));
    }
    relay_tell_failed(relay, end->err == SQ_ERR_TLS ? SQ_PEER_CAUSE_TLS : SQ_PEER_CAUSE_CONNECT,
                      sentence);
}

/* ---- Opening ---- */

static struct sq_tls_options tls_options(const struct sq_relay *relay)
{
    const struct sq_relays_config *cfg = &relay->relays->cfg;
    return (struct sq_tls_options){
        .insecure = cfg->insecure, .ca_file = cfg->ca_file, .server_name = relay->to->url.host};
}

static int open_stream(struct sq_relay *relay)
{
    static const struct sq_stream_events events = {
        .on_open = on_open, .on_data = on_stream_data, .on_end = on_end};
    const struct sq_turn_url *url = &relay->to->url;
    char ip[SQ_ADDR_TEXT_MAX];
    const struct sq_stream_options options = {
        .host = sq_addr_format_ip(&relay->server, ip),
        .port = sq_addr_port(&relay->server),
        .tls = url->carrier == SQ_TURN_TLS,
        .tls_options = tls_options(relay),
        .timeout_ns = STREAM_TIMEOUT_NS,
        .queue_max_bytes = STREAM_QUEUE_MAX + CONTROL_QUEUE_BYTES,
        .bind = sq_addr_family(&relay->bind) ? &relay->bind : NULL,
        .link = relay->link,
    };
    sq_framing_free(&relay->framing);
    return sq_stream_connect(relay->relays->loop, &options, &events, relay, &relay->stream);
}

static int open_udp(struct sq_relay *relay)
{
    struct sq_udp_options options = {
        .bind = relay->bind,
        .recv_buffer_bytes = SQ_UDP_MEDIA_BYTES,
        .link = relay->link,
    };
    if (!sq_addr_family(&options.bind)) {
        bool v4 = sq_addr_family(&relay->server) == AF_INET;
        int err = sq_addr_parse(v4 ? "0.0.0.0" : "::", 0, &options.bind);
        if (err) {
            return err;
        }
    }
    int err = sq_udp_open(relay->relays->loop, &options, on_datagram, relay, &relay->udp);
    /* Only the server is spoken to: the short way through the kernel, and nobody else is heard. */
    return err ? err : sq_udp_connect(relay->udp, &relay->server);
}

static int open_dtls(struct sq_relay *relay)
{
    static const struct sq_udp_tls_events events = {
        .on_open = on_open, .on_data = on_bytes, .on_end = on_end};
    const struct sq_udp_tls_options options = {
        .remote = relay->server,
        .bind = sq_addr_family(&relay->bind) ? &relay->bind : NULL,
        .tls_options = tls_options(relay),
        .timeout_ns = STREAM_TIMEOUT_NS,
        .recv_buffer_bytes = SQ_UDP_MEDIA_BYTES,
        .link = relay->link,
    };
    return sq_udp_tls_open(relay->relays->loop, &options, &events, relay, &relay->dtls);
}

int relay_open_carrier(struct sq_relay *relay)
{
    switch (relay->to->url.carrier) {
    case SQ_TURN_UDP:
        return open_udp(relay);
    case SQ_TURN_TCP:
    case SQ_TURN_TLS:
        return open_stream(relay);
    case SQ_TURN_DTLS:
        return open_dtls(relay);
    default:
        return SQ_ERR_UNSUPPORTED;
    }
}

/* ---- Sending ---- */

/* What a socket does not take is lost, as on a network: the client sends it again. A stream has
 * room for it, see CONTROL_QUEUE_BYTES. */
void relay_hand_over(void *ctx, const void *buf, size_t len)
{
    struct sq_relay *relay = ctx;
    int err = 0;
    if (relay->udp) {
        err = sq_udp_send(relay->udp, NULL, buf, len);
    } else if (relay->dtls && relay->open) {
        err = sq_udp_tls_send(relay->dtls, buf, len);
    } else if (relay->stream && relay->open) {
        err = sq_stream_send(relay->stream, buf, len);
    }
    (void)err;
}

static size_t send_udp(struct sq_relay *relay, const struct sq_addr *to,
                       const struct sq_dgram *dgrams, size_t n)
{
    struct sq_relays *relays = relay->relays;
    struct iovec iov[SQ_UDP_BATCH_MAX];
    uint64_t now_ns = sq_loop_now(relays->loop);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t *slot = relays->scratch + count * RELAY_SLOT_BYTES;
        size_t len = sq_turn_wrap(relay->turn, now_ns, to, dgrams[i].buf, dgrams[i].len, slot,
                                  RELAY_SLOT_BYTES);
        if (len > 0) {
            iov[count++] = (struct iovec){.iov_base = slot, .iov_len = len};
        }
    }
    if (count == 1) {
        return sq_udp_send(relay->udp, NULL, iov[0].iov_base, iov[0].iov_len) == 0 ? 1 : 0;
    }
    return count ? sq_udp_send_batch(relay->udp, NULL, iov, count) : 0;
}

static size_t send_dtls(struct sq_relay *relay, const struct sq_addr *to,
                        const struct sq_dgram *dgrams, size_t n)
{
    struct sq_relays *relays = relay->relays;
    uint64_t now_ns = sq_loop_now(relays->loop);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = sq_turn_wrap(relay->turn, now_ns, to, dgrams[i].buf, dgrams[i].len,
                                  relays->scratch, RELAY_SLOT_BYTES);
        count += len > 0 && sq_udp_tls_send(relay->dtls, relays->scratch, len) == 0;
    }
    return count;
}

/* One piece for the stream: one write, and with TLS few records. */
static size_t send_stream(struct sq_relay *relay, const struct sq_addr *to,
                          const struct sq_dgram *dgrams, size_t n)
{
    struct sq_relays *relays = relay->relays;
    uint64_t now_ns = sq_loop_now(relays->loop);
    size_t used = 0, count = 0;
    for (size_t i = 0; i < n; i++) {
        size_t len = sq_turn_wrap(relay->turn, now_ns, to, dgrams[i].buf, dgrams[i].len,
                                  relays->scratch + used, RELAY_SCRATCH_BYTES - used);
        used += len;
        count += len > 0;
    }
    if (used == 0 || sq_stream_queued_bytes(relay->stream) + used > STREAM_QUEUE_MAX ||
        sq_stream_send(relay->stream, relays->scratch, used) != 0) {
        return 0;
    }
    return count;
}

size_t sq_relay_send(struct sq_relay *relay, const struct sq_addr *to,
                     const struct sq_dgram *dgrams, size_t n)
{
    size_t sent = 0;
    if (relay->gone || !relay->open) {
        return 0;
    }
    n = n < SQ_UDP_BATCH_MAX ? n : SQ_UDP_BATCH_MAX; /* a peer's batch is no longer */
    if (relay->udp) {
        sent = send_udp(relay, to, dgrams, n);
    } else if (relay->stream) {
        sent = send_stream(relay, to, dgrams, n);
    } else if (relay->dtls) {
        sent = send_dtls(relay, to, dgrams, n);
    }
    /* A request may have gone out ahead, or may wait: its time-out is not later than known. */
    uint64_t next_ns = sq_turn_next_timeout(relay->turn);
    if (!sq_timer_active(&relay->timer) || next_ns < relay->timer.deadline_ns) {
        relay_rearm(relay);
    }
    return sent;
}
