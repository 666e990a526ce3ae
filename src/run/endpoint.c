#include "run/endpoint.h"

#include "base/mem.h"
#include "base/time.h"
#include "base/wallclock.h"
#include "net/ifaddr.h"
#include "net/udp.h"
#include <string.h>

#define IFADDRS_MAX 64
#define SETTLE_NS   (2 * SQ_NS_PER_SEC)

/* What sockets count by themselves. */
struct failures {
    uint64_t send_errors, send_refused, receive_drops;
};

struct sq_carrier {
    struct sq_loop *loop;
    struct sq_peer_env *env;
    struct sq_rand rand;
    struct sq_flush_hook hook;
    struct sq_endpoint *alive; /* all that are not closed */
    struct sq_endpoint *dead;  /* closed in this iteration, freed at its end */
    struct sq_addr addrs[SQ_CARRIER_ADDRS_MAX];
    size_t addrs_len;
    struct sq_addr stun_servers[4];
    size_t stun_servers_len;
    bool hear_all;
    int socket_buffer_bytes;
    uint16_t port_min, port_max;
    uint64_t settle_ns;
    struct sq_carrier_counters counters;
    struct failures closed; /* of sockets that are gone */
};

/* A socket of an endpoint; the peer's base number is its index. */
struct path {
    struct sq_endpoint *endpoint;
    struct sq_udp *udp;
};

struct sq_endpoint {
    struct sq_carrier *carrier;
    struct sq_endpoint *next, **prev;
    struct sq_peer *peer;
    const struct sq_endpoint_ops *ops;
    void *ctx;
    struct sq_timer timer;
    bool closed;
    struct sq_timer settle; /* until the socket of the nominated pair is connected */
    struct sq_addr remote;  /* of the nominated pair, and its path */
    int nominated;
    bool has_pair; /* the selected pair, nominated or not yet */
    int pair_base;
    struct sq_addr pair_remote;
    bool others_heard; /* since the timer was started, from elsewhere than `remote` */
    int connected; /* index of the path whose socket is connected to the selected remote, or -1 */
    struct path paths[SQ_CARRIER_ADDRS_MAX];
};

/* ---- Carrier ---- */

static void free_endpoint(struct sq_endpoint *endpoint)
{
    sq_peer_destroy(endpoint->peer);
    sq_free(endpoint);
}

static void free_dead(struct sq_carrier *carrier)
{
    while (carrier->dead) {
        struct sq_endpoint *endpoint = carrier->dead;
        carrier->dead = endpoint->next;
        free_endpoint(endpoint);
    }
}

static void on_flush(void *ctx)
{
    struct sq_carrier *carrier = ctx;
    sq_peer_env_flush(carrier->env, sq_loop_now(carrier->loop));
    free_dead(carrier);
}

int sq_carrier_create(struct sq_loop *loop, const struct sq_carrier_config *config,
                      struct sq_carrier **ret_carrier)
{
    if (config->addrs_len > SQ_CARRIER_ADDRS_MAX || config->stun_servers_len > 4) {
        return SQ_ERR_INVALID;
    }
    struct sq_carrier *carrier = sq_zalloc(sizeof(*carrier));
    if (!carrier) {
        return SQ_ERR_NOMEM;
    }
    carrier->loop = loop;
    sq_rand_seed(&carrier->rand, config->seed ^ 0x5ca1ab1eULL);
    if (config->addrs_len > 0) {
        memcpy(carrier->addrs, config->addrs, config->addrs_len * sizeof(struct sq_addr));
    }
    carrier->addrs_len = config->addrs_len;
    if (config->stun_servers_len > 0) {
        memcpy(carrier->stun_servers, config->stun_servers,
               config->stun_servers_len * sizeof(struct sq_addr));
    }
    carrier->stun_servers_len = config->stun_servers_len;
    carrier->hear_all = config->hear_all;
    carrier->socket_buffer_bytes = config->socket_buffer_bytes;
    carrier->port_min = config->port_min;
    carrier->port_max = config->port_max;
    carrier->settle_ns = config->settle_ns ? config->settle_ns : SETTLE_NS;
    const struct sq_peer_env_config env = {
        .seed = config->seed,
        .now_ns = sq_loop_now(loop),
        .wall_offset_ns = sq_loop_wall_offset_ns(loop),
        .force_openssl_srtp = config->force_openssl_srtp,
        .prefer_cm = config->prefer_cm,
        .clock_id = sq_clock_id(),
        .clock_error_ns = sq_clock_error_ns(),
    };
    int err = carrier->addrs_len > 0
                  ? 0
                  : sq_carrier_default_addrs(NULL, carrier->addrs, &carrier->addrs_len);
    err = err ? err : sq_peer_env_create(&env, &carrier->env);
    if (err) {
        sq_free(carrier);
        return err;
    }
    sq_loop_on_flush(loop, &carrier->hook, on_flush, carrier);
    *ret_carrier = carrier;
    return 0;
}

void sq_carrier_destroy(struct sq_carrier *carrier)
{
    if (!carrier) {
        return;
    }
    while (carrier->alive) {
        sq_endpoint_close(carrier->alive);
    }
    free_dead(carrier);
    sq_loop_off_flush(&carrier->hook);
    sq_peer_env_destroy(carrier->env);
    sq_free(carrier);
}

struct sq_loop *sq_carrier_loop(const struct sq_carrier *carrier)
{
    return carrier->loop;
}

struct sq_rand *sq_carrier_rand(struct sq_carrier *carrier)
{
    return &carrier->rand;
}

static void add_failures(struct failures *sum, const struct sq_udp *udp)
{
    struct sq_udp_counters counters;
    if (udp) {
        sq_udp_get_counters(udp, &counters);
        sum->send_errors += counters.send_again + counters.send_nobufs + counters.send_errors;
        sum->send_refused += counters.send_refused;
        sum->receive_drops += counters.recv_drops;
    }
}

void sq_carrier_poll(struct sq_carrier *carrier)
{
    struct failures sum = carrier->closed;
    for (struct sq_endpoint *e = carrier->alive; e; e = e->next) {
        for (size_t i = 0; i < carrier->addrs_len; i++) {
            add_failures(&sum, e->paths[i].udp);
        }
    }
    carrier->counters.send_errors = sum.send_errors;
    carrier->counters.send_refused = sum.send_refused;
    carrier->counters.receive_drops = sum.receive_drops;
}

const struct sq_carrier_counters *sq_carrier_counters(const struct sq_carrier *carrier)
{
    return &carrier->counters;
}

int sq_carrier_default_addrs(const struct sq_addr *target, struct sq_addr *ret_addrs,
                             size_t *ret_len)
{
    if (target && sq_addr_is_loopback(target)) {
        ret_addrs[0] = *target;
        sq_addr_set_port(&ret_addrs[0], 0);
        *ret_len = 1;
        return 0;
    }
    struct sq_ifaddr found[IFADDRS_MAX];
    size_t n = 0;
    int err = sq_ifaddr_list(found, IFADDRS_MAX, &n);
    if (err) {
        return err;
    }
    size_t kept = 0;
    for (size_t i = 0; i < n && kept < SQ_CARRIER_ADDRS_MAX; i++) {
        if (!found[i].loopback && !found[i].link_local) {
            ret_addrs[kept++] = found[i].addr;
        }
    }
    if (kept == 0) {
        return SQ_ERR_NOTFOUND;
    }
    *ret_len = kept;
    return 0;
}

/* ---- Endpoint: the peer's call-backs ---- */

/* struct iovec has no const; sending does not write. */
static void *memory_of(const uint8_t *buf)
{
    union {
        const uint8_t *in;
        void *out;
    } cast = {.in = buf};
    return cast.out;
}

/* What the kernel did not take is counted by the sockets: see sq_carrier_poll. */
static void on_peer_send(void *ctx, int base, const struct sq_addr *to,
                         const struct sq_dgram *dgrams, size_t n)
{
    struct sq_endpoint *endpoint = ctx;
    struct sq_carrier_counters *counters = &endpoint->carrier->counters;
    struct sq_udp *udp = endpoint->paths[base].udp;
    size_t sent = 0;
    if (!udp) {
        return;
    }
    if (n == 1) {
        sent = sq_udp_send(udp, to, dgrams[0].buf, dgrams[0].len) == 0 ? 1 : 0;
    } else {
        struct iovec iov[SQ_UDP_BATCH_MAX];
        n = n < SQ_UDP_BATCH_MAX ? n : SQ_UDP_BATCH_MAX; /* a peer's batch is no longer */
        for (size_t i = 0; i < n; i++) {
            iov[i].iov_base = memory_of(dgrams[i].buf);
            iov[i].iov_len = dgrams[i].len;
        }
        sent = sq_udp_send_batch(udp, to, iov, n);
    }
    for (size_t i = 0; i < sent; i++) {
        counters->bytes_sent += dgrams[i].len;
    }
    counters->datagrams_sent += sent;
}

static void on_peer_arm(void *ctx, uint64_t at_ns)
{
    struct sq_endpoint *endpoint = ctx;
    if (!endpoint->closed) {
        sq_timer_start(sq_loop_timers(endpoint->carrier->loop), &endpoint->timer, at_ns);
    }
}

static void disconnect(struct sq_endpoint *endpoint)
{
    sq_timer_stop(&endpoint->settle);
    if (endpoint->connected >= 0 &&
        sq_udp_disconnect(endpoint->paths[endpoint->connected].udp) == 0) {
        endpoint->connected = -1;
    }
}

static void settle(struct sq_endpoint *endpoint, uint64_t now_ns)
{
    endpoint->others_heard = false;
    sq_timer_start(sq_loop_timers(endpoint->carrier->loop), &endpoint->settle,
                   now_ns + endpoint->carrier->settle_ns);
}

static void on_settled(void *ctx, uint64_t now_ns)
{
    struct sq_endpoint *endpoint = ctx;
    if (endpoint->others_heard) {
        settle(endpoint, now_ns);
    } else if (sq_udp_connect(endpoint->paths[endpoint->nominated].udp, &endpoint->remote) == 0) {
        endpoint->connected = endpoint->nominated;
    }
}

/* A connected socket costs the kernel less for each packet, but hears nobody else. The other side
 * may send from another of its addresses all the same: for 100 ms after the nomination, or for good
 * where it nominates several pairs and chooses for itself (Chromium does both). So the socket is
 * connected only once nobody else is heard any more. */
static void follow_pair(struct sq_endpoint *endpoint, const struct sq_peer_event *event)
{
    disconnect(endpoint);
    endpoint->has_pair = true;
    endpoint->pair_base = event->base;
    endpoint->pair_remote = event->remote;
    if (event->nominated && !endpoint->carrier->hear_all) {
        endpoint->nominated = event->base;
        endpoint->remote = event->remote;
        settle(endpoint, event->now_ns);
    }
}

static void on_peer_event(void *ctx, const struct sq_peer_event *event)
{
    struct sq_endpoint *endpoint = ctx;
    if (event->type == SQ_PEER_EV_SELECTED_PAIR) {
        follow_pair(endpoint, event);
    } else if (event->type == SQ_PEER_EV_ICE_RESTART) {
        disconnect(endpoint);
    }
    if (!endpoint->closed && endpoint->ops->event) {
        endpoint->ops->event(endpoint->ctx, endpoint, event);
    }
}

static void on_peer_rtp(void *ctx, struct sq_track *track, const struct sq_rtp_packet *packet,
                        const struct sq_rtp_exts *exts, uint64_t now_ns)
{
    struct sq_endpoint *endpoint = ctx;
    if (!endpoint->closed) {
        endpoint->ops->rtp(endpoint->ctx, endpoint, track, packet, exts, now_ns);
    }
}

static void on_peer_sent(void *ctx, struct sq_track *track, const uint8_t *rtp, size_t len,
                         uint64_t now_ns)
{
    struct sq_endpoint *endpoint = ctx;
    if (!endpoint->closed && endpoint->ops->sent) {
        endpoint->ops->sent(endpoint->ctx, endpoint, track, rtp, len, now_ns);
    }
}

static void on_peer_latency(void *ctx, struct sq_track *track,
                            const struct sq_latency_sample *sample)
{
    struct sq_endpoint *endpoint = ctx;
    if (!endpoint->closed && endpoint->ops->latency) {
        endpoint->ops->latency(endpoint->ctx, track, sample);
    }
}

static bool on_peer_resend(void *ctx, struct sq_track *track, uint32_t cookie,
                           struct sq_rtp_out *ret_out)
{
    struct sq_endpoint *endpoint = ctx;
    return !endpoint->closed &&
           endpoint->ops->resend(endpoint->ctx, endpoint, track, cookie, ret_out);
}

/* ---- Endpoint: life ---- */

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_endpoint *endpoint = ctx;
    sq_peer_on_timeout(endpoint->peer, now_ns);
}

static void on_datagram(void *ctx, const struct sq_datagram *datagram)
{
    struct path *path = ctx;
    struct sq_endpoint *endpoint = path->endpoint;
    struct sq_carrier_counters *counters = &endpoint->carrier->counters;
    counters->datagrams_received++;
    counters->bytes_received += datagram->len;
    if (endpoint->connected < 0 && path == &endpoint->paths[endpoint->nominated] &&
        !sq_addr_equal(datagram->from, &endpoint->remote)) {
        endpoint->others_heard = true;
    }
    sq_peer_receive(endpoint->peer, datagram->recv_ns, (int)(path - endpoint->paths),
                    datagram->from, datagram->data, datagram->len);
}

static void close_sockets(struct sq_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->carrier->addrs_len; i++) {
        add_failures(&endpoint->carrier->closed, endpoint->paths[i].udp);
        sq_udp_close(endpoint->paths[i].udp);
        endpoint->paths[i].udp = NULL;
    }
}

static int open_paths(struct sq_endpoint *endpoint)
{
    struct sq_carrier *carrier = endpoint->carrier;
    for (size_t i = 0; i < carrier->addrs_len; i++) {
        struct path *path = &endpoint->paths[i];
        const struct sq_udp_options options = {
            .bind = carrier->addrs[i],
            .port_min = carrier->port_min,
            .port_max = carrier->port_max,
            .recv_buffer_bytes = carrier->socket_buffer_bytes,
            .send_buffer_bytes = carrier->socket_buffer_bytes,
        };
        path->endpoint = endpoint;
        int err = sq_udp_open(carrier->loop, &options, on_datagram, path, &path->udp);
        err = err ? err : sq_peer_add_base(endpoint->peer, (int)i, sq_udp_local(path->udp));
        if (err) {
            return err;
        }
    }
    return 0;
}

static int make_peer(struct sq_endpoint *endpoint, const struct sq_peer_config *config)
{
    static const struct sq_peer_ops plain = {.send = on_peer_send,
                                             .arm = on_peer_arm,
                                             .event = on_peer_event,
                                             .latency = on_peer_latency};
    static const struct sq_peer_ops listening = {.send = on_peer_send,
                                                 .arm = on_peer_arm,
                                                 .event = on_peer_event,
                                                 .rtp = on_peer_rtp,
                                                 .sent = on_peer_sent,
                                                 .latency = on_peer_latency};
    static const struct sq_peer_ops forwarding = {.send = on_peer_send,
                                                  .arm = on_peer_arm,
                                                  .event = on_peer_event,
                                                  .rtp = on_peer_rtp,
                                                  .sent = on_peer_sent,
                                                  .latency = on_peer_latency,
                                                  .resend = on_peer_resend};
    struct sq_peer_config with_stun = *config;
    with_stun.stun_servers = endpoint->carrier->stun_servers;
    with_stun.stun_servers_len = endpoint->carrier->stun_servers_len;
    const struct sq_peer_ops *ops = endpoint->ops->resend ? &forwarding
                                    : endpoint->ops->rtp  ? &listening
                                                          : &plain;
    return sq_peer_create(endpoint->carrier->env, &with_stun, ops, endpoint, &endpoint->peer);
}

int sq_endpoint_create(struct sq_carrier *carrier, const struct sq_peer_config *config,
                       const struct sq_endpoint_ops *ops, void *ctx,
                       struct sq_endpoint **ret_endpoint)
{
    if (ops->resend && !ops->rtp) {
        return SQ_ERR_INVALID;
    }
    struct sq_endpoint *endpoint = sq_zalloc(sizeof(*endpoint));
    if (!endpoint) {
        return SQ_ERR_NOMEM;
    }
    endpoint->carrier = carrier;
    endpoint->ops = ops;
    endpoint->ctx = ctx;
    endpoint->connected = -1;
    sq_timer_init(&endpoint->timer, on_timer, endpoint);
    sq_timer_init(&endpoint->settle, on_settled, endpoint);
    int err = make_peer(endpoint, config);
    err = err ? err : open_paths(endpoint);
    if (err) {
        sq_timer_stop(&endpoint->timer);
        sq_timer_stop(&endpoint->settle);
        close_sockets(endpoint);
        free_endpoint(endpoint);
        return err;
    }
    endpoint->next = carrier->alive;
    endpoint->prev = &carrier->alive;
    if (endpoint->next) {
        endpoint->next->prev = &endpoint->next;
    }
    carrier->alive = endpoint;
    carrier->counters.endpoints++;
    *ret_endpoint = endpoint;
    return 0;
}

void sq_endpoint_close(struct sq_endpoint *endpoint)
{
    if (!endpoint || endpoint->closed) {
        return;
    }
    struct sq_carrier *carrier = endpoint->carrier;
    endpoint->closed = true;
    sq_peer_close(endpoint->peer, sq_loop_now(carrier->loop));
    sq_timer_stop(&endpoint->timer);
    sq_timer_stop(&endpoint->settle);
    close_sockets(endpoint);
    *endpoint->prev = endpoint->next;
    if (endpoint->next) {
        endpoint->next->prev = endpoint->prev;
    }
    endpoint->next = carrier->dead;
    carrier->dead = endpoint;
    carrier->counters.endpoints--;
}

struct sq_peer *sq_endpoint_peer(const struct sq_endpoint *endpoint)
{
    return endpoint->peer;
}

struct sq_endpoint *sq_endpoint_of(const struct sq_peer *peer)
{
    return sq_peer_ctx(peer);
}

bool sq_endpoint_pair(const struct sq_endpoint *endpoint, struct sq_addr *ret_local,
                      struct sq_addr *ret_remote)
{
    if (!endpoint->has_pair) {
        return false;
    }
    *ret_local = *sq_udp_local(endpoint->paths[endpoint->pair_base].udp);
    *ret_remote = endpoint->pair_remote;
    return true;
}

void *sq_endpoint_ctx(const struct sq_endpoint *endpoint)
{
    return endpoint->ctx;
}
