#include "run/relay.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/link.h"
#include "net/stream.h"
#include "net/udp_tls.h"
#include "peer/turn/framing.h"
#include "peer/turn/turn.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define SLOT_BYTES        (SQ_PEER_DATAGRAM_MAX + SQ_TURN_OVERHEAD_MAX)
#define SCRATCH_BYTES     ((size_t)SQ_UDP_BATCH_MAX * SLOT_BYTES)
#define STREAM_QUEUE_MAX  (256 * 1024) /* then datagrams are lost, as at a full link */
#define STREAM_TIMEOUT_NS (10 * SQ_NS_PER_SEC)
#define REFUSED_MAX       2                   /* requests that ICMP said nobody listens for */
#define REFUSED_POLL_NS   (50 * SQ_NS_PER_MS) /* how often it is looked for after the first one */

struct sq_relays {
    struct sq_loop *loop;
    struct sq_relays_config cfg;
    struct sq_rand rand;
    struct sq_relay_counts counts[SQ_RELAY_SERVERS_MAX];
    struct sq_relay *alive; /* closed ones that wait for the server's last answer included */
    struct sq_relay *dead;  /* freed when the batches are worked off */
    uint8_t *scratch;       /* SQ_UDP_BATCH_MAX slots for wrapped datagrams */
};

struct sq_relay {
    struct sq_relays *relays;
    struct sq_relay *next, **prev;
    int number;
    uint64_t opened_ns;
    uint64_t probed_ns;      /* 0: never */
    uint64_t refused_before; /* what ICMP had refused by then */
    const struct sq_relay_events *events;
    void *ctx;
    struct sq_turn *turn;
    struct sq_timer timer;
    struct sq_addr server, bind;
    struct sq_udp *udp;       /* one of these */
    struct sq_stream *stream; /* open or opening */
    struct sq_udp_tls *dtls;  /* the same */
    struct sq_link *link;     /* held; NULL: none */
    struct sq_framing framing;
    bool open;   /* the carrier is up */
    bool heard;  /* anything from the server, by the present carrier; since the last probe */
    bool missed; /* counted as lost */
    bool had;    /* an allocation */
    bool again;  /* a new carrier is to be opened, from a clean stack */
    bool closed; /* by its owner */
    bool gone;   /* nothing more is to be done with it */
};

/* ---- Sentences ---- */

static const char *name_of(const struct sq_relay *relay)
{
    return relay->relays->cfg.servers[relay->number].text;
}

static void let_go(struct sq_relay *relay);

static struct sq_relay_counts *counts_of(const struct sq_relay *relay)
{
    return &relay->relays->counts[relay->number];
}

static void tell_failed(struct sq_relay *relay, enum sq_peer_cause cause, const char *text)
{
    bool tell = !relay->closed && !relay->gone;
    let_go(relay);
    if (tell) {
        struct sq_relay_counts *counts = counts_of(relay);
        counts->failed += !relay->had;
        counts->lost += relay->had && !relay->missed;
        snprintf(counts->example, sizeof(counts->example), "%s", text);
        relay->events->failed(relay->ctx, relay->number, cause, text);
    }
}

static enum sq_peer_cause cause_of(enum sq_turn_fault fault)
{
    switch (fault) {
    case SQ_TURN_FAULT_AUTH:
        return SQ_PEER_CAUSE_AUTH;
    case SQ_TURN_FAULT_SILENT:
        return SQ_PEER_CAUSE_CONNECT;
    case SQ_TURN_FAULT_PROTOCOL:
    case SQ_TURN_FAULT_MEMORY:
        return SQ_PEER_CAUSE_PROTOCOL;
    default:
        return SQ_PEER_CAUSE_ICE;
    }
}

/* Requests that were refused on the way while nothing else came back. */
static uint64_t refused_requests(const struct sq_relay *relay)
{
    struct sq_udp_counters counters = {0};
    if (relay->udp && !relay->heard && !relay->had) {
        sq_udp_get_counters(relay->udp, &counters);
    }
    return counters.send_refused;
}

/* Who refused the last one. */
static const char *refusal_of(const struct sq_relay *relay)
{
    struct sq_udp_counters counters = {0};
    const struct sq_udp *udp = sq_relay_udp(relay);
    if (udp) {
        sq_udp_get_counters(udp, &counters);
    }
    switch (counters.refusal) {
    case EHOSTUNREACH:
        return "host unreachable (ICMP, or no route)";
    case ENETUNREACH:
        return "network unreachable (ICMP, or no route)";
    case EACCES:
        return "prohibited on the way (ICMP)";
    default:
        return "port unreachable (ICMP)";
    }
}

void sq_relay_tell_silence(const struct sq_relay *relay, char ret_text[static SQ_PEER_TEXT_MAX])
{
    double waited_s = (double)(sq_loop_now(relay->relays->loop) - relay->opened_ns) / 1e9;
    bool refused = refused_requests(relay) > 0;
    snprintf(ret_text, SQ_PEER_TEXT_MAX, "the TURN server %.120s %s%s for %.3g s", name_of(relay),
             refused ? "cannot be reached: " : "does not answer: ",
             refused ? refusal_of(relay) : "nobody answered", waited_s);
}

static uint64_t refused_sends(const struct sq_relay *relay)
{
    struct sq_udp_counters counters = {0};
    const struct sq_udp *udp = sq_relay_udp(relay);
    if (udp) {
        sq_udp_get_counters(udp, &counters);
    }
    return counters.send_refused;
}

void sq_relay_tell_lost(struct sq_relay *relay, char ret_text[static SQ_PEER_TEXT_MAX])
{
    struct sq_relay_counts *counts = counts_of(relay);
    double waited_s = (double)(sq_loop_now(relay->relays->loop) - relay->probed_ns) / 1e9;
    if (!relay->probed_ns || relay->heard) {
        snprintf(ret_text, SQ_PEER_TEXT_MAX,
                 "the connection was lost: consent checks went unanswered (RFC 7675) by way of the "
                 "TURN server %.100s%s",
                 name_of(relay), relay->probed_ns ? ", which answers itself" : "");
        return;
    }
    bool refused = refused_sends(relay) > relay->refused_before;
    snprintf(ret_text, SQ_PEER_TEXT_MAX,
             "the connection was lost with its relay: the TURN server %.100s %s%s for %.3g s",
             name_of(relay),
             refused ? "cannot be reached any more: " : "does not answer any more: ",
             refused ? refusal_of(relay) : "nobody answered", waited_s);
    if (!relay->missed) {
        relay->missed = true;
        counts->lost++;
        snprintf(counts->example, sizeof(counts->example), "%s", ret_text);
    }
}

/* ---- The client's callbacks ---- */

static void rearm(struct sq_relay *relay)
{
    if (!relay->gone) {
        sq_timer_start(sq_loop_timers(relay->relays->loop), &relay->timer,
                       relay->again ? 0 : sq_turn_next_timeout(relay->turn));
    }
}

/* What the kernel does not take is lost, as on a network: the client sends it again. */
static void on_turn_send(void *ctx, const void *buf, size_t len)
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

static void on_turn_allocated(void *ctx, const struct sq_addr *relayed,
                              const struct sq_addr *mapped)
{
    struct sq_relay *relay = ctx;
    counts_of(relay)->relays += !relay->had && !relay->closed;
    relay->had = true;
    if (!relay->closed) {
        relay->events->allocated(relay->ctx, relay->number, relayed, mapped);
    }
}

static void on_turn_failed(void *ctx, enum sq_turn_fault fault, int code, const char *text)
{
    struct sq_relay *relay = ctx;
    char sentence[SQ_PEER_TEXT_MAX];
    (void)code;
    snprintf(sentence, sizeof(sentence), "the TURN server %.90s %.140s", name_of(relay), text);
    tell_failed(relay, cause_of(fault), sentence);
}

static void on_turn_peer_refused(void *ctx, const struct sq_addr *peer, int code, const char *text)
{
    struct sq_relay *relay = ctx;
    char sentence[SQ_PEER_TEXT_MAX], where[SQ_ADDR_TEXT_MAX];
    snprintf(sentence, sizeof(sentence), "the TURN server %.100s does not relay to %s: %d %.40s",
             name_of(relay), sq_addr_format_ip(peer, where), code, text);
    if (!relay->closed) {
        relay->events->note(relay->ctx, relay->number, sentence);
    }
}

static void on_turn_closed(void *ctx)
{
    let_go(ctx);
}

static void on_turn_again(void *ctx, const struct sq_addr *server)
{
    struct sq_relay *relay = ctx;
    char sentence[SQ_PEER_TEXT_MAX], where[SQ_ADDR_TEXT_MAX];
    if (server) {
        relay->server = *server;
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s sends us to %s (300)",
                 name_of(relay), sq_addr_format(server, where));
    } else {
        snprintf(sentence, sizeof(sentence),
                 "the TURN server %.100s knows our port already (437): from another one",
                 name_of(relay));
    }
    if (!relay->closed) {
        relay->events->note(relay->ctx, relay->number, sentence);
    }
    relay->again = true; /* this is in the middle of the client's call, and of the carrier's */
}

static const struct sq_turn_callbacks turn_callbacks = {
    .send = on_turn_send,
    .allocated = on_turn_allocated,
    .again = on_turn_again,
    .failed = on_turn_failed,
    .peer_refused = on_turn_peer_refused,
    .closed = on_turn_closed,
};

/* ---- Carriers ---- */

static void close_carrier(struct sq_relay *relay)
{
    sq_udp_close(relay->udp);
    sq_stream_free(relay->stream);
    sq_udp_tls_close(relay->dtls);
    relay->udp = NULL;
    relay->stream = NULL;
    relay->dtls = NULL;
    relay->open = false;
    relay->heard = false;
}

/* Nothing more is to be done. It goes, with its carrier, at the end of the loop's iteration: this
 * may be in the middle of a call of either. */
static void let_go(struct sq_relay *relay)
{
    if (relay->gone) {
        return;
    }
    struct sq_relays *relays = relay->relays;
    relay->gone = true;
    sq_timer_stop(&relay->timer);
    *relay->prev = relay->next;
    if (relay->next) {
        relay->next->prev = relay->prev;
    }
    relay->next = relays->dead;
    relays->dead = relay;
}

static void carrier_is_up(struct sq_relay *relay)
{
    relay->open = true;
    int err = sq_turn_start(relay->turn, sq_loop_now(relay->relays->loop));
    (void)err; /* SQ_ERR_STATE alone: it runs already */
    rearm(relay);
}

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
        rearm(relay);
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
    if (bytes) {
        relay->events->data(relay->ctx, relay->number, &data.from, bytes, data.len, now_ns);
    }
}

static void on_open(void *ctx)
{
    carrier_is_up(ctx);
}

static void on_stream_data(void *ctx, const uint8_t *data, size_t len)
{
    struct sq_relay *relay = ctx;
    int err = relay->gone ? 0 : sq_framing_feed(&relay->framing, data, len, on_message, relay);
    if (err && !relay->gone) {
        char sentence[SQ_PEER_TEXT_MAX];
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s sent what is no TURN",
                 name_of(relay));
        tell_failed(relay, SQ_PEER_CAUSE_PROTOCOL, sentence);
    }
    rearm(relay);
}

static void on_end(void *ctx, const struct sq_stream_end *end)
{
    struct sq_relay *relay = ctx;
    char sentence[SQ_PEER_TEXT_MAX];
    if (end->err) {
        snprintf(sentence, sizeof(sentence), "TURN server %.60s: %.180s", name_of(relay),
                 end->text);
    } else {
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s closed the connection",
                 name_of(relay));
    }
    tell_failed(relay, end->err == SQ_ERR_TLS ? SQ_PEER_CAUSE_TLS : SQ_PEER_CAUSE_CONNECT,
                sentence);
}

static struct sq_tls_options tls_options(const struct sq_relay *relay)
{
    const struct sq_relays_config *cfg = &relay->relays->cfg;
    return (struct sq_tls_options){.insecure = cfg->insecure,
                                   .ca_file = cfg->ca_file,
                                   .server_name = cfg->servers[relay->number].url.host};
}

static int open_stream(struct sq_relay *relay)
{
    static const struct sq_stream_events events = {
        .on_open = on_open, .on_data = on_stream_data, .on_end = on_end};
    const struct sq_relays_config *cfg = &relay->relays->cfg;
    const struct sq_turn_url *url = &cfg->servers[relay->number].url;
    char ip[SQ_ADDR_TEXT_MAX];
    const struct sq_stream_options options = {
        .host = sq_addr_format_ip(&relay->server, ip),
        .port = sq_addr_port(&relay->server),
        .tls = url->carrier == SQ_TURN_TLS,
        .tls_options = tls_options(relay),
        .timeout_ns = STREAM_TIMEOUT_NS,
        .queue_max_bytes = STREAM_QUEUE_MAX,
        .bind = sq_addr_family(&relay->bind) ? &relay->bind : NULL,
        .link = relay->link,
    };
    sq_framing_free(&relay->framing);
    return sq_stream_connect(relay->relays->loop, &options, &events, relay, &relay->stream);
}

static int open_udp(struct sq_relay *relay)
{
    const struct sq_relays_config *cfg = &relay->relays->cfg;
    struct sq_udp_options options = {
        .bind = relay->bind,
        .recv_buffer_bytes = cfg->socket_buffer_bytes,
        .send_buffer_bytes = cfg->socket_buffer_bytes,
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
    const struct sq_relays_config *cfg = &relay->relays->cfg;
    const struct sq_udp_tls_options options = {
        .remote = relay->server,
        .bind = sq_addr_family(&relay->bind) ? &relay->bind : NULL,
        .tls_options = tls_options(relay),
        .timeout_ns = STREAM_TIMEOUT_NS,
        .recv_buffer_bytes = cfg->socket_buffer_bytes,
        .send_buffer_bytes = cfg->socket_buffer_bytes,
        .link = relay->link,
    };
    return sq_udp_tls_open(relay->relays->loop, &options, &events, relay, &relay->dtls);
}

static int open_carrier(struct sq_relay *relay)
{
    switch (relay->relays->cfg.servers[relay->number].url.carrier) {
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

static void reopen(struct sq_relay *relay)
{
    relay->again = false;
    close_carrier(relay);
    int err = open_carrier(relay);
    if (err) {
        char sentence[SQ_PEER_TEXT_MAX];
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s cannot be reached: %s",
                 name_of(relay), sq_err_name(err));
        tell_failed(relay, SQ_PEER_CAUSE_CONNECT, sentence);
    } else if (relay->udp) {
        carrier_is_up(relay);
    }
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_relay *relay = ctx;
    if (relay->again) {
        reopen(relay);
        return;
    }
    uint64_t refused = refused_requests(relay);
    if (refused >= REFUSED_MAX && !relay->closed) {
        char sentence[SQ_PEER_TEXT_MAX];
        snprintf(sentence, sizeof(sentence), "the TURN server %.100s cannot be reached: %s",
                 name_of(relay), refusal_of(relay));
        tell_failed(relay, SQ_PEER_CAUSE_CONNECT, sentence);
        return;
    }
    sq_turn_on_timeout(relay->turn, now_ns);
    rearm(relay);
    if (refused > 0 && !relay->gone && relay->timer.deadline_ns > now_ns + REFUSED_POLL_NS) {
        sq_timer_start(sq_loop_timers(relay->relays->loop), &relay->timer,
                       now_ns + REFUSED_POLL_NS);
    }
}

void sq_relay_probe(struct sq_relay *relay)
{
    uint64_t now_ns = sq_loop_now(relay->relays->loop);
    if (relay->gone || relay->closed || !relay->had) {
        return;
    }
    relay->probed_ns = now_ns;
    relay->heard = false;
    relay->refused_before = refused_sends(relay);
    sq_turn_refresh(relay->turn, now_ns);
    rearm(relay);
}

/* ---- Sending ---- */

static size_t send_udp(struct sq_relay *relay, const struct sq_addr *to,
                       const struct sq_dgram *dgrams, size_t n)
{
    struct sq_relays *relays = relay->relays;
    struct iovec iov[SQ_UDP_BATCH_MAX];
    uint64_t now_ns = sq_loop_now(relays->loop);
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t *slot = relays->scratch + count * SLOT_BYTES;
        size_t len =
            sq_turn_wrap(relay->turn, now_ns, to, dgrams[i].buf, dgrams[i].len, slot, SLOT_BYTES);
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
                                  relays->scratch, SLOT_BYTES);
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
                                  relays->scratch + used, SCRATCH_BYTES - used);
        used += len;
        count += len > 0;
    }
    if (used == 0 || sq_stream_send(relay->stream, relays->scratch, used) != 0) {
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
        rearm(relay);
    }
    return sent;
}

/* ---- Life ---- */

int sq_relays_create(struct sq_loop *loop, const struct sq_relays_config *config,
                     struct sq_relays **ret_relays)
{
    if (config->servers_len > SQ_RELAY_SERVERS_MAX) {
        return SQ_ERR_INVALID;
    }
    struct sq_relays *relays = sq_zalloc(sizeof(*relays));
    if (!relays) {
        return SQ_ERR_NOMEM;
    }
    relays->loop = loop;
    relays->cfg = *config;
    sq_rand_seed(&relays->rand, config->seed ^ 0x7e1a9ULL);
    relays->scratch = sq_malloc(SCRATCH_BYTES);
    if (!relays->scratch) {
        sq_free(relays);
        return SQ_ERR_NOMEM;
    }
    *ret_relays = relays;
    return 0;
}

static void free_relay(struct sq_relay *relay)
{
    close_carrier(relay);
    sq_turn_destroy(relay->turn);
    sq_framing_free(&relay->framing);
    sq_link_release(relay->link);
    sq_free(relay);
}

void sq_relays_flushed(struct sq_relays *relays)
{
    while (relays->dead) {
        struct sq_relay *relay = relays->dead;
        relays->dead = relay->next;
        free_relay(relay);
    }
}

void sq_relays_destroy(struct sq_relays *relays)
{
    if (!relays) {
        return;
    }
    while (relays->alive) {
        let_go(relays->alive);
    }
    sq_relays_flushed(relays);
    sq_free(relays->scratch);
    sq_free(relays);
}

bool sq_relays_idle(const struct sq_relays *relays)
{
    return !relays->alive;
}

size_t sq_relays_servers(const struct sq_relays *relays)
{
    return relays->cfg.servers_len;
}

const struct sq_relay_counts *sq_relays_counts(const struct sq_relays *relays, size_t number)
{
    return &relays->counts[number];
}

const struct sq_addr *sq_relays_server(const struct sq_relays *relays, size_t number)
{
    return &relays->cfg.servers[number].addr;
}

static int make_turn(struct sq_relay *relay)
{
    const struct sq_relays_config *cfg = &relay->relays->cfg;
    char user[SQ_TURN_CRED_MAX + 1], password[SQ_TURN_REST_PASSWORD_ROOM];
    struct sq_turn_config turn;
    enum sq_turn_carrier carrier = cfg->servers[relay->number].url.carrier;
    sq_turn_config_init(&turn, &relay->relays->rand);
    turn.user = cfg->user;
    turn.password = cfg->password;
    turn.stream = carrier == SQ_TURN_TCP || carrier == SQ_TURN_TLS;
    turn.family = sq_addr_family(&relay->server);
    if (cfg->secret) {
        uint64_t wall_s = (sq_loop_now(relay->relays->loop) +
                           (uint64_t)sq_loop_wall_offset_ns(relay->relays->loop)) /
                          SQ_NS_PER_SEC;
        int err = sq_turn_rest_credentials(cfg->secret, cfg->user, wall_s + SQ_RELAY_REST_LIFE_S,
                                           user, sizeof(user), password);
        if (err) {
            return err;
        }
        turn.user = user;
        turn.password = password;
    }
    return sq_turn_create(&turn, &turn_callbacks, relay, &relay->turn);
}

int sq_relay_open(struct sq_relays *relays, int number, const struct sq_addr *bind,
                  struct sq_link *link, const struct sq_relay_events *events, void *ctx,
                  struct sq_relay **ret_relay)
{
    struct sq_relay *relay = sq_zalloc(sizeof(*relay));
    if (!relay) {
        return SQ_ERR_NOMEM;
    }
    relay->relays = relays;
    relay->number = number;
    relay->opened_ns = sq_loop_now(relays->loop);
    relay->events = events;
    relay->ctx = ctx;
    relay->server = relays->cfg.servers[number].addr;
    relay->framing.kind = SQ_FRAMING_TURN;
    if (bind) {
        relay->bind = *bind;
    }
    if (link) {
        relay->link = link;
        sq_link_retain(link);
    }
    sq_timer_init(&relay->timer, on_timer, relay);
    int err = make_turn(relay);
    err = err ? err : open_carrier(relay);
    if (err) {
        free_relay(relay);
        return err;
    }
    relay->next = relays->alive;
    relay->prev = &relays->alive;
    if (relay->next) {
        relay->next->prev = &relay->next;
    }
    relays->alive = relay;
    counts_of(relay)->asked++;
    if (relay->udp) {
        carrier_is_up(relay);
    }
    *ret_relay = relay;
    return 0;
}

/* Who waited and goes without an answer. */
static void count_silence(const struct sq_relay *relay)
{
    struct sq_relay_counts *counts = counts_of(relay);
    if (!relay->had &&
        sq_loop_now(relay->relays->loop) >= relay->opened_ns + SQ_RELAY_PATIENCE_NS) {
        counts->unanswered++;
        sq_relay_tell_silence(relay, counts->example);
    }
}

void sq_relay_close(struct sq_relay *relay)
{
    if (!relay || relay->closed) {
        return;
    }
    relay->closed = true;
    if (!relay->gone) {
        count_silence(relay);
        sq_turn_close(relay->turn, sq_loop_now(relay->relays->loop));
        rearm(relay);
    }
}

struct sq_udp *sq_relay_udp(const struct sq_relay *relay)
{
    return relay->dtls ? sq_udp_tls_socket(relay->dtls) : relay->udp;
}

uint16_t sq_relay_local_pref(const struct sq_relays *relays, int number)
{
    static const uint16_t first[] = {[SQ_TURN_UDP] = 0x7fff,
                                     [SQ_TURN_TCP] = 0x5fff,
                                     [SQ_TURN_DTLS] = 0x4fff,
                                     [SQ_TURN_TLS] = 0x3fff};
    return (uint16_t)(first[relays->cfg.servers[number].url.carrier] - number);
}
