#include "run/endpoint.h"

#include "base/mem.h"
#include "base/time.h"
#include "base/wallclock.h"
#include "net/ifaddr.h"
#include "peer/ahead.h"
#include "peer/ice/ice.h"
#include "run/endpoint_int.h"
#include <string.h>

#define IFADDRS_MAX 64
#define SETTLE_NS   (2 * SQ_NS_PER_SEC)

/* ---- Carrier ---- */

static void free_endpoint(struct sq_endpoint *endpoint)
{
    sq_peer_destroy(endpoint->peer);
    sq_free(endpoint->more);
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
    sq_keep_reset(&carrier->keep);
    sq_tcp_paths_free_dead(&carrier->tcp_paths);
    if (carrier->relays) {
        sq_relays_flushed(carrier->relays);
    }
}

static void flush_batches(void *ctx)
{
    struct sq_carrier *carrier = ctx;
    sq_peer_env_flush(carrier->env, sq_loop_now(carrier->loop));
}

static void free_carrier(struct sq_carrier *carrier)
{
    for (size_t i = 0; i < SQ_CARRIER_ADDRS_MAX; i++) {
        sq_tcp_listener_close(carrier->listeners[i]);
    }
    sq_tcp_paths_free_dead(&carrier->tcp_paths);
    endpoint_close_names(carrier);
    sq_relays_destroy(carrier->relays);
    sq_peer_env_destroy(carrier->env);
    sq_keep_free(&carrier->keep);
    sq_free(carrier);
}

static int make_relays(struct sq_carrier *carrier, const struct sq_carrier_config *config)
{
    if (!config->relays || (config->relays->servers_len == 0 && !config->relays->others)) {
        return 0;
    }
    struct sq_relays_config relays = *config->relays;
    relays.keep = &carrier->keep;
    relays.seed = config->seed;
    return sq_relays_create(carrier->loop, &relays, &carrier->relays);
}

int sq_carrier_create(struct sq_loop *loop, const struct sq_carrier_config *config,
                      struct sq_carrier **ret_carrier)
{
    if (config->addrs_len > SQ_CARRIER_ADDRS_MAX || config->stun_servers_len > SQ_ICE_SERVERS_MAX) {
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
    for (size_t i = 0; i < SQ_CARRIER_ADDRS_MAX; i++) {
        bool row = config->addr_counts && i < config->addrs_len && config->addr_counts[i] > 0;
        carrier->addr_counts[i] = row ? config->addr_counts[i] : 1;
    }
    carrier->addr_next = config->addr_first;
    carrier->addr_stride = config->addr_stride ? config->addr_stride : 1;
    if (config->stun_servers_len > 0) {
        memcpy(carrier->stun_servers, config->stun_servers,
               config->stun_servers_len * sizeof(struct sq_addr));
    }
    carrier->stun_servers_len = config->stun_servers_len;
    carrier->hear_all = config->hear_all;
    carrier->port_min = config->port_min;
    carrier->port_max = config->port_max;
    carrier->settle_ns = config->settle_ns ? config->settle_ns : SETTLE_NS;
    carrier->ice_policy = config->ice_policy;
    carrier->tcp_listen = config->tcp_listen;
    carrier->no_udp = config->no_udp && config->tcp_listen;
    carrier->keep.flush = flush_batches;
    carrier->keep.ctx = carrier;
    carrier->tcp_paths.loop = loop;
    carrier->tcp_paths.keep = &carrier->keep;
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
    err = err ? err : make_relays(carrier, config);
    err = err || !config->tcp_listen ? err : endpoint_listen(carrier);
    err = err ? err : sq_peer_env_create(&env, &carrier->env);
    if (err) {
        free_carrier(carrier);
        return err;
    }
    sq_loop_on_flush(loop, &carrier->hook, on_flush, carrier);
    *ret_carrier = carrier;
    return 0;
}

bool sq_carrier_idle(const struct sq_carrier *carrier)
{
    return !carrier->relays || sq_relays_idle(carrier->relays);
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
    free_carrier(carrier);
}

struct sq_loop *sq_carrier_loop(const struct sq_carrier *carrier)
{
    return carrier->loop;
}

struct sq_rand *sq_carrier_rand(struct sq_carrier *carrier)
{
    return &carrier->rand;
}

void endpoint_count_failures(struct sq_carrier *carrier, struct sq_udp *udp)
{
    struct sq_udp_failures failures;
    if (udp) {
        sq_udp_take_failures(udp, &failures);
        carrier->counters.send_errors += failures.send_errors;
        carrier->counters.send_refused += failures.send_refused;
        carrier->counters.receive_drops += failures.recv_drops;
    }
}

void sq_endpoint_poll(struct sq_endpoint *endpoint)
{
    struct sq_carrier *carrier = endpoint->carrier;
    for (size_t i = 0; i < carrier->addrs_len; i++) {
        endpoint_count_failures(carrier, endpoint->paths[i].udp);
    }
    for (size_t i = 0; endpoint->more && i < SQ_RELAY_SERVERS_MAX; i++) {
        if (endpoint->more->relays[i]) {
            endpoint_count_failures(carrier, sq_relay_udp(endpoint->more->relays[i]));
        }
    }
}

void sq_carrier_poll(struct sq_carrier *carrier)
{
    for (struct sq_endpoint *e = carrier->alive; e; e = e->next) {
        sq_endpoint_poll(e);
    }
}

const struct sq_stun_counts *sq_carrier_stun_counts(const struct sq_carrier *carrier, size_t i)
{
    return &carrier->stun_counts[i];
}

const struct sq_relays *sq_carrier_relays(const struct sq_carrier *carrier)
{
    return carrier->relays;
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

/* What the kernel did not take is counted by the sockets: see sq_endpoint_poll. */
static void on_peer_send(void *ctx, int base, const struct sq_addr *to,
                         const struct sq_dgram *dgrams, size_t n)
{
    struct sq_endpoint *endpoint = ctx;
    struct sq_carrier_counters *counters = &endpoint->carrier->counters;
    struct sq_udp *udp = base < SQ_CARRIER_ADDRS_MAX ? endpoint->paths[base].udp : NULL;
    size_t sent = 0;
    if (!udp) {
        sent = base < ENDPOINT_BASE_TCP ? endpoint_send_relay(endpoint, base, to, dgrams, n)
                                        : endpoint_send_tcp(endpoint, base, to, dgrams, n);
    } else if (n == 1) {
        sent = sq_udp_send(udp, to, dgrams[0].buf, dgrams[0].len) == 0 ? 1 : 0;
    } else {
        struct iovec iov[SQ_UDP_BATCH_MAX];
        n = n < SQ_UDP_BATCH_MAX ? n : SQ_UDP_BATCH_MAX; /* a peer's batch is no longer */
        for (size_t i = 0; i < n; i++) {
            iov[i] = sq_udp_datagram(dgrams[i].buf, dgrams[i].len);
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
        return;
    }
    struct path *path = &endpoint->paths[endpoint->nominated];
    endpoint_hear_refusals(path, false);
    if (sq_udp_connect(path->udp, &endpoint->remote) == 0) {
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
    if (event->nominated && !endpoint->carrier->hear_all && event->base < SQ_CARRIER_ADDRS_MAX) {
        endpoint->nominated = event->base;
        endpoint->remote = event->remote;
        settle(endpoint, event->now_ns);
    }
}

/* The restart that leaves the relay: its candidates are gathered right after this. Without sockets
 * for it the call stays where it is. */
static void go_direct(struct sq_endpoint *endpoint)
{
    if (endpoint->ice_policy == SQ_ICE_POLICY_RELAY_FIRST && !endpoint->paths[0].udp) {
        int err = endpoint_open_paths(endpoint);
        (void)err;
    }
}

/* ICE looks for a path again: the one that was nominated hears them no more since it settled. */
static void hear_all_refusals(struct sq_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->carrier->addrs_len; i++) {
        if (endpoint->paths[i].udp) {
            endpoint_hear_refusals(&endpoint->paths[i], true);
        }
    }
}

static void on_peer_event(void *ctx, const struct sq_peer_event *event)
{
    struct sq_endpoint *endpoint = ctx;
    if (event->type == SQ_PEER_EV_SELECTED_PAIR) {
        follow_pair(endpoint, event);
    } else if (event->type == SQ_PEER_EV_ICE_RESTART) {
        disconnect(endpoint);
        endpoint_forget_refusals(endpoint);
        hear_all_refusals(endpoint);
        go_direct(endpoint);
    } else if (event->type == SQ_PEER_EV_CANDIDATE_NAME) {
        endpoint_resolve(endpoint, event->text);
    }
    char text[SQ_PEER_TEXT_MAX];
    struct sq_peer_event told = *event;
    if (event->type == SQ_PEER_EV_STATE && event->state == SQ_PEER_FAILED &&
        event->cause == SQ_PEER_CAUSE_ICE && sq_endpoint_waits_for_relay(endpoint, text)) {
        told.cause = SQ_PEER_CAUSE_CONNECT; /* there was no candidate to check with */
        told.text = text;
    } else if (endpoint_tell_refusal(endpoint, event, text) ||
               (event->type == SQ_PEER_EV_STATE && endpoint_relay_state(endpoint, event, text))) {
        told.text = text;
    }
    if (!endpoint->closed && endpoint->ops->event) {
        endpoint->ops->event(endpoint->ctx, endpoint, &told);
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

void endpoint_receive(struct sq_endpoint *endpoint, int base, const struct sq_addr *from,
                      uint8_t *buf, size_t len, uint64_t recv_ns)
{
    struct sq_carrier_counters *counters = &endpoint->carrier->counters;
    counters->datagrams_received++;
    counters->bytes_received += len;
    sq_peer_receive(endpoint->peer, recv_ns, base, from, buf, len);
}

static void on_datagram(void *ctx, const struct sq_datagram *datagram)
{
    struct path *path = ctx;
    struct sq_endpoint *endpoint = path->endpoint;
    if (endpoint->connected < 0 && path == &endpoint->paths[endpoint->nominated] &&
        !sq_addr_equal(datagram->from, &endpoint->remote)) {
        endpoint->others_heard = true;
    }
    endpoint_receive(endpoint, (int)(path - endpoint->paths), datagram->from, datagram->data,
                     datagram->len, datagram->recv_ns);
}

struct endpoint_more *endpoint_more(struct sq_endpoint *endpoint)
{
    if (!endpoint->more) {
        endpoint->more = sq_zalloc(sizeof(*endpoint->more));
    }
    return endpoint->more;
}

static void close_sockets(struct sq_endpoint *endpoint)
{
    for (size_t i = 0; i < endpoint->carrier->addrs_len; i++) {
        endpoint_count_failures(endpoint->carrier, endpoint->paths[i].udp);
        sq_udp_close(endpoint->paths[i].udp);
        endpoint->paths[i].udp = NULL;
    }
}

struct sq_addr endpoint_addr(const struct sq_endpoint *endpoint, size_t i)
{
    const struct sq_carrier *carrier = endpoint->carrier;
    return carrier->addr_counts[i] > 1
               ? sq_addr_step(&carrier->addrs[i], endpoint->addr_turn % carrier->addr_counts[i])
               : carrier->addrs[i];
}

int endpoint_open_paths(struct sq_endpoint *endpoint)
{
    struct sq_carrier *carrier = endpoint->carrier;
    for (size_t i = 0; i < carrier->addrs_len; i++) {
        struct path *path = &endpoint->paths[i];
        const struct sq_udp_options options = {
            .bind = endpoint_addr(endpoint, i),
            .port_min = carrier->port_min,
            .port_max = carrier->port_max,
            .recv_buffer_bytes = SQ_UDP_MEDIA_BYTES,
            .link = endpoint->link,
        };
        path->endpoint = endpoint;
        int err = sq_udp_open(carrier->loop, &options, on_datagram, path, &path->udp);
        err = err ? err : sq_peer_add_base(endpoint->peer, (int)i, sq_udp_local(path->udp));
        if (err) {
            return err;
        }
        sq_udp_set_reads(path->udp, endpoint->peer);
        endpoint_hear_refusals(path, true);
    }
    return 0;
}

static int make_peer(struct sq_endpoint *endpoint, const struct sq_peer_config *config,
                     const struct sq_endpoint_servers *servers)
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
    with_stun.ice_tcp = !config->ice_lite;
    with_stun.stun_servers = servers ? servers->stun : endpoint->carrier->stun_servers;
    with_stun.stun_servers_len = servers ? servers->stun_len : endpoint->carrier->stun_servers_len;
    const struct sq_peer_ops *ops = endpoint->ops->resend ? &forwarding
                                    : endpoint->ops->rtp  ? &listening
                                                          : &plain;
    return sq_peer_create(endpoint->carrier->env, &with_stun, ops, endpoint, &endpoint->peer);
}

int sq_endpoint_create(struct sq_carrier *carrier, const struct sq_peer_config *config,
                       struct sq_link *link, const struct sq_endpoint_ops *ops, void *ctx,
                       struct sq_endpoint **ret_endpoint)
{
    return sq_endpoint_create_with(carrier, config, carrier->ice_policy, NULL, link, ops, ctx,
                                   ret_endpoint);
}

int sq_endpoint_create_with(struct sq_carrier *carrier, const struct sq_peer_config *config,
                            enum sq_ice_policy policy, const struct sq_endpoint_servers *servers,
                            struct sq_link *link, const struct sq_endpoint_ops *ops, void *ctx,
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
    endpoint->ice_policy = (uint8_t)policy;
    endpoint->own_servers = servers != NULL;
    endpoint->link = link;
    endpoint->ops = ops;
    endpoint->ctx = ctx;
    endpoint->connected = -1;
    endpoint->addr_turn = carrier->addr_next;
    carrier->addr_next += carrier->addr_stride;
    sq_timer_init(&endpoint->timer, on_timer, endpoint);
    sq_timer_init(&endpoint->settle, on_settled, endpoint);
    int err = make_peer(endpoint, config, servers);
    endpoint->timer.reads = endpoint->peer;
    endpoint->timer.ahead = sq_peer_fetch_timeout;
    if (!err && policy == SQ_ICE_POLICY_ALL && !carrier->no_udp) {
        err = endpoint_open_paths(endpoint);
    }
    err = err || !carrier->tcp_listen ? err : endpoint_add_listeners(endpoint);
    err = err || !carrier->relays ? err : endpoint_open_relays(endpoint, servers);
    if (err) {
        sq_timer_stop(&endpoint->timer);
        sq_timer_stop(&endpoint->settle);
        close_sockets(endpoint);
        endpoint_forget_names(endpoint);
        endpoint_close_tcp(endpoint);
        endpoint_close_relays(endpoint);
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

/* What came of asking each STUN server. */
static void count_stun(const struct sq_endpoint *endpoint, uint64_t now_ns)
{
    const struct sq_ice *ice = sq_peer_ice(endpoint->peer);
    for (size_t i = 0; !endpoint->own_servers && i < endpoint->carrier->stun_servers_len; i++) {
        struct sq_stun_counts *counts = &endpoint->carrier->stun_counts[i];
        enum sq_ice_asked asked = sq_ice_server_asked(ice, i, now_ns);
        counts->asked += asked != SQ_ICE_NOT_ASKED;
        counts->answered += asked == SQ_ICE_ANSWERED;
        counts->failed += asked == SQ_ICE_REFUSED;
        counts->unanswered += asked == SQ_ICE_UNANSWERED;
    }
}

void sq_endpoint_close(struct sq_endpoint *endpoint)
{
    if (!endpoint || endpoint->closed) {
        return;
    }
    struct sq_carrier *carrier = endpoint->carrier;
    endpoint->closed = true;
    count_stun(endpoint, sq_loop_now(carrier->loop));
    sq_peer_close(endpoint->peer, sq_loop_now(carrier->loop));
    sq_timer_stop(&endpoint->timer);
    sq_timer_stop(&endpoint->settle);
    close_sockets(endpoint);
    endpoint_forget_names(endpoint);
    endpoint_close_tcp(endpoint);
    endpoint_close_relays(endpoint);
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
    const struct sq_udp *udp = endpoint->pair_base < SQ_CARRIER_ADDRS_MAX
                                   ? endpoint->paths[endpoint->pair_base].udp
                                   : NULL;
    struct sq_ice_pair_stats pair;
    struct sq_ice_candidate local;
    if (udp) {
        *ret_local = *sq_udp_local(udp);
    } else if (sq_ice_selected_stats(sq_peer_ice(endpoint->peer), &pair, &local, NULL) == 0) {
        *ret_local = local.addr; /* a relay's, or a connection's */
    } else {
        return false;
    }
    *ret_remote = endpoint->pair_remote;
    return true;
}

void *sq_endpoint_ctx(const struct sq_endpoint *endpoint)
{
    return endpoint->ctx;
}
