#include "sim/simnet.h"

#include "base/mem.h"
#include "base/time.h"
#include "peer/rtp/rtp.h"
#include "peer/stun/stun.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define DATAGRAM_MAX 1500
#define START_NS     (100 * SQ_NS_PER_SEC)
#define HOLES_MAX    16   /* destinations that a NAT lets in again */
#define STILL_MAX    1000 /* time-outs of a peer in one moment: more is a busy loop */

enum what { DATAGRAM, TIMER };

/* Ordered by time, then by number, so that equal times keep their order. */
struct item {
    uint64_t at_ns, number;
    enum what what;
    struct simnode *node; /* who receives, or whose time it is */
    struct sq_addr from;
    size_t len;
    uint8_t *buf;
};

struct simnode {
    struct simnet *net;
    struct sq_peer *peer; /* NULL: a STUN server */
    struct sq_peer_ops ops;
    struct sq_addr addr;
    struct sq_addr seen_as; /* addr, or the NAT's */
    bool nat;
    struct sq_addr holes[HOLES_MAX];
    size_t holes_len;
    uint64_t still_ns;
    unsigned still;
    struct simlink link;
    struct simcounters counters;
    simnode_event event;
    void *ctx;
    struct simnode *trickle_to;
    uint64_t timer_ns; /* the one that counts; older ones in the heap are stale */
    uint64_t busy_until_ns, last_arrival_ns;
    enum sq_peer_state state;
    enum sq_peer_cause cause;
    char text[SQ_PEER_TEXT_MAX];
};

struct simnet {
    uint64_t now_ns, numbers;
    struct sq_rand rand;
    struct sq_peer_env *env;
    struct simnode *nodes;
    size_t nodes_len, nodes_max;
    struct item *heap;
    size_t heap_len, heap_room;
    simnet_tap tap;
    void *tap_ctx;
    uint64_t stamp_noise_ns;
};

/* ---- Heap ---- */

static bool before(const struct item *a, const struct item *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->number < b->number;
}

static void push(struct simnet *net, struct item item)
{
    if (net->heap_len == net->heap_room) {
        net->heap_room = net->heap_room ? net->heap_room * 2 : 1024;
        net->heap = realloc(net->heap, net->heap_room * sizeof(*net->heap));
        assert_non_null(net->heap);
    }
    item.number = net->numbers++;
    size_t i = net->heap_len++;
    while (i > 0 && before(&item, &net->heap[(i - 1) / 2])) {
        net->heap[i] = net->heap[(i - 1) / 2];
        i = (i - 1) / 2;
    }
    net->heap[i] = item;
}

static struct item pop(struct simnet *net)
{
    struct item top = net->heap[0];
    struct item last = net->heap[--net->heap_len];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= net->heap_len) {
            break;
        }
        if (child + 1 < net->heap_len && before(&net->heap[child + 1], &net->heap[child])) {
            child++;
        }
        if (!before(&net->heap[child], &last)) {
            break;
        }
        net->heap[i] = net->heap[child];
        i = child;
    }
    if (net->heap_len > 0) {
        net->heap[i] = last;
    }
    return top;
}

/* ---- Links ---- */

static struct simnode *find(struct simnet *net, const struct sq_addr *addr)
{
    /* The port numbers the node. */
    size_t i = sq_addr_port(addr) - 1000U;
    bool there = i < net->nodes_len && sq_addr_equal(&net->nodes[i].seen_as, addr);
    return there ? &net->nodes[i] : NULL;
}

static bool has_hole(const struct simnode *node, const struct sq_addr *addr)
{
    for (size_t i = 0; i < node->holes_len; i++) {
        if (sq_addr_equal(&node->holes[i], addr)) {
            return true;
        }
    }
    return false;
}

static void make_hole(struct simnode *node, const struct sq_addr *addr)
{
    if (node->nat && !has_hole(node, addr)) {
        assert_true(node->holes_len < HOLES_MAX);
        node->holes[node->holes_len++] = *addr;
    }
}

/* When a packet that is sent now has passed the bottleneck; SQ_NEVER when its queue is full. */
static uint64_t through_bottleneck(struct simnode *from, size_t len)
{
    struct simlink *link = &from->link;
    uint64_t now_ns = from->net->now_ns;
    if (!link->rate_bps) {
        return now_ns;
    }
    uint64_t *busy_ns = link->shared ? link->shared : &from->busy_until_ns;
    uint64_t start_ns = sq_max_u64(now_ns, *busy_ns);
    uint64_t waiting_bytes = (start_ns - now_ns) * link->rate_bps / 8 / SQ_NS_PER_SEC;
    if (waiting_bytes + len > link->queue_bytes) {
        return SQ_NEVER;
    }
    *busy_ns = start_ns + (uint64_t)len * 8 * SQ_NS_PER_SEC / link->rate_bps;
    return *busy_ns;
}

static void deliver(struct simnode *from, struct simnode *to, const struct sq_dgram *dgram,
                    uint64_t out_ns)
{
    struct simnet *net = from->net;
    struct simlink *link = &from->link;
    uint64_t at_ns = out_ns + link->delay_ns;
    if (link->jitter_ns) {
        at_ns += (uint64_t)(sq_rand_unit(&net->rand) * (double)link->jitter_ns);
    }
    if (!link->reorder) {
        at_ns = sq_max_u64(at_ns, from->last_arrival_ns);
        from->last_arrival_ns = at_ns;
    }
    struct item item = {
        .at_ns = at_ns, .what = DATAGRAM, .node = to, .from = from->seen_as, .len = dgram->len};
    item.buf = malloc(dgram->len);
    assert_non_null(item.buf);
    memcpy(item.buf, dgram->buf, dgram->len);
    push(net, item);
}

static void send_one(struct simnode *from, const struct sq_addr *to_addr,
                     const struct sq_dgram *dgram)
{
    struct simnet *net = from->net;
    struct simcounters *counters = &from->counters;
    bool rtp = sq_packet_kind(dgram->buf, dgram->len) == SQ_PACKET_RTP;
    assert_in_range(dgram->len, 1, DATAGRAM_MAX);
    counters->sent++;
    counters->rtp_sent += rtp;
    if (net->tap) {
        net->tap(net->tap_ctx, from, dgram);
    }
    make_hole(from, to_addr);
    struct simnode *to = find(net, to_addr);
    if (to && to->nat && !has_hole(to, &from->seen_as)) {
        to = NULL;
    }
    bool dtls = sq_packet_kind(dgram->buf, dgram->len) == SQ_PACKET_DTLS;
    bool data = dtls && *(const uint8_t *)dgram->buf == 23; /* RFC 5246, section 6.2.1 */
    if (!to || from->link.cut || (dtls && from->link.drop_dtls) || (rtp && from->link.drop_rtp) ||
        (data && from->link.drop_data) || sq_rand_unit(&net->rand) < from->link.loss) {
        counters->lost++;
        counters->rtp_lost += rtp;
        return;
    }
    uint64_t out_ns = through_bottleneck(from, dgram->len);
    if (out_ns == SQ_NEVER) {
        counters->dropped_at_queue++;
        counters->rtp_lost += rtp;
        return;
    }
    deliver(from, to, dgram, out_ns);
    if (from->link.duplicate > 0 && sq_rand_unit(&net->rand) < from->link.duplicate) {
        counters->duplicated++;
        deliver(from, to, dgram, out_ns);
    }
}

/* ---- The peers' call-backs ---- */

static void on_send(void *ctx, int base, const struct sq_addr *to, const struct sq_dgram *dgrams,
                    size_t n)
{
    assert_int_equal(base, 0);
    for (size_t i = 0; i < n; i++) {
        send_one(ctx, to, &dgrams[i]);
    }
}

static void on_arm(void *ctx, uint64_t at_ns)
{
    struct simnode *node = ctx;
    node->timer_ns = sq_max_u64(at_ns, node->net->now_ns);
    if (at_ns != SQ_NEVER) {
        push(node->net, (struct item){.at_ns = node->timer_ns, .what = TIMER, .node = node});
    }
}

static void on_event(void *ctx, const struct sq_peer_event *event)
{
    struct simnode *node = ctx;
    if (event->type == SQ_PEER_EV_STATE) {
        node->state = event->state;
        node->cause = event->cause;
        snprintf(node->text, sizeof(node->text), "%s", event->text);
    }
    if (event->type == SQ_PEER_EV_LOCAL_CANDIDATE && node->trickle_to) {
        assert_int_equal(sq_peer_add_candidate(node->trickle_to->peer, event->now_ns, event->text),
                         0);
    }
    if (node->event) {
        node->event(node->ctx, node, event);
    }
}

/* ---- STUN server ---- */

/* The analyzer loses track of whose buffer moves within the heap of events, here and below. */
/* NOLINTBEGIN(clang-analyzer-unix.Malloc) */
static void answer_binding(struct simnode *server, const struct item *item)
{
    struct sq_stun_msg request;
    uint8_t buf[128];
    size_t len;
    if (sq_stun_parse(item->buf, item->len, &request) != 0 || request.cls != SQ_STUN_REQUEST) {
        return;
    }
    struct sq_stun_writer w =
        sq_stun_begin(buf, sizeof(buf), SQ_STUN_SUCCESS, SQ_STUN_BINDING, request.tid);
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_MAPPED_ADDRESS, &item->from);
    sq_stun_put_fingerprint(&w);
    assert_int_equal(sq_stun_end(&w, &len), 0);
    const struct sq_dgram dgram = {buf, len};
    send_one(server, &item->from, &dgram);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

/* ---- Running ---- */

/* A driver that hears of time-outs by `arm` alone must not miss one. */
static void check_armed(const struct simnode *node)
{
    if (!node->peer) {
        return;
    }
    uint64_t due_ns = sq_peer_next_timeout(node->peer);
    if (due_ns != SQ_NEVER && node->timer_ns > sq_max_u64(due_ns, node->net->now_ns)) {
        fail_msg("a time-out at %llu ns was not told, %llu was", (unsigned long long)due_ns,
                 (unsigned long long)node->timer_ns);
    }
}

static void run_timer(struct simnode *node)
{
    uint64_t now_ns = node->net->now_ns;
    node->still = now_ns == node->still_ns ? node->still + 1 : 0;
    node->still_ns = now_ns;
    if (node->still > STILL_MAX) {
        fail_msg("%d time-outs at one moment", STILL_MAX);
    }
    node->timer_ns = SQ_NEVER;
    node->counters.timeouts++;
    sq_peer_on_timeout(node->peer, now_ns);
}

/* The analyzer loses track of whose buffer moves within the heap of events. */
/* NOLINTBEGIN(clang-analyzer-unix.Malloc) */
static void serve(struct simnet *net, struct item *item)
{
    net->now_ns = item->at_ns;
    struct simnode *node = item->node;
    if (item->what == DATAGRAM) {
        node->counters.delivered++;
        if (node->peer) {
            uint64_t past_ns = (uint64_t)((double)net->stamp_noise_ns * sq_rand_unit(&net->rand));
            sq_peer_receive(node->peer, net->now_ns - past_ns, 0, &item->from, item->buf,
                            item->len);
        } else {
            answer_binding(node, item);
        }
    } else if (node->timer_ns == item->at_ns) {
        run_timer(node);
    }
    sq_peer_env_flush(net->env, net->now_ns);
    check_armed(node);
    free(item->buf);
}
/* NOLINTEND(clang-analyzer-unix.Malloc) */

bool simnet_run_until(struct simnet *net, uint64_t until_ns, bool (*done)(void *ctx), void *ctx)
{
    for (size_t i = 0; i < net->nodes_len; i++) {
        check_armed(&net->nodes[i]);
    }
    while (!done || !done(ctx)) {
        if (net->heap_len == 0 || net->heap[0].at_ns > until_ns) {
            net->now_ns = until_ns;
            return done == NULL;
        }
        struct item item = pop(net);
        serve(net, &item);
    }
    return true;
}

void simnet_run(struct simnet *net, uint64_t until_ns)
{
    (void)simnet_run_until(net, until_ns, NULL, NULL);
}

/* ---- Making ---- */

struct simnet *simnet_new(uint64_t seed, size_t nodes_max)
{
    return simnet_new_with(seed, nodes_max, false, false);
}

struct simnet *simnet_new_with(uint64_t seed, size_t nodes_max, bool prefer_cm, bool openssl)
{
    struct simnet *net = calloc(1, sizeof(*net));
    assert_non_null(net);
    net->now_ns = START_NS;
    net->nodes_max = nodes_max;
    net->nodes = calloc(nodes_max, sizeof(*net->nodes));
    assert_non_null(net->nodes);
    sq_rand_seed(&net->rand, seed);
    const struct sq_peer_env_config config = {.seed = seed,
                                              .now_ns = net->now_ns,
                                              .wall_offset_ns = 1700000000LL * 1000000000LL,
                                              .certificates = 2,
                                              .prefer_cm = prefer_cm,
                                              .force_openssl_srtp = openssl};
    assert_int_equal(sq_peer_env_create(&config, &net->env), 0);
    return net;
}

void simnet_free(struct simnet *net)
{
    for (size_t i = 0; i < net->nodes_len; i++) {
        sq_peer_destroy(net->nodes[i].peer);
    }
    sq_peer_env_destroy(net->env);
    for (size_t i = 0; i < net->heap_len; i++) {
        free(net->heap[i].buf);
    }
    free(net->heap);
    free(net->nodes);
    free(net);
}

uint64_t simnet_now(const struct simnet *net)
{
    return net->now_ns;
}

struct sq_peer_env *simnet_env(struct simnet *net)
{
    return net->env;
}

static struct simnode *add_node(struct simnet *net, const char *ip)
{
    assert_true(net->nodes_len < net->nodes_max);
    size_t i = net->nodes_len++;
    struct simnode *node = &net->nodes[i];
    node->net = net;
    node->timer_ns = SQ_NEVER;
    node->link.delay_ns = 5 * SQ_NS_PER_MS;
    assert_int_equal(sq_addr_parse(ip, (uint16_t)(1000 + i), &node->addr), 0);
    node->seen_as = node->addr;
    return node;
}

static int make_peer(struct simnode *node, const struct sq_peer_config *config,
                     const struct sq_peer_ops *ops, simnode_event event, void *ctx)
{
    node->event = event;
    node->ctx = ctx;
    node->ops = (struct sq_peer_ops){.send = on_send,
                                     .arm = on_arm,
                                     .event = on_event,
                                     .rtp = ops ? ops->rtp : NULL,
                                     .sent = ops ? ops->sent : NULL,
                                     .resend = ops ? ops->resend : NULL,
                                     .latency = ops ? ops->latency : NULL};
    int err = sq_peer_create(node->net->env, config, &node->ops, node, &node->peer);
    return err ? err : sq_peer_add_base(node->peer, 0, &node->addr);
}

struct simnode *simnet_add(struct simnet *net, const struct sq_peer_config *config, bool ipv6,
                           simnode_event event, void *ctx)
{
    struct simnode *node = add_node(net, ipv6 ? "2001:db8::1" : "192.0.2.1");
    assert_int_equal(make_peer(node, config, NULL, event, ctx), 0);
    return node;
}

struct simnode *simnet_try_add(struct simnet *net, const struct sq_peer_config *config,
                               const struct sq_peer_ops *ops, simnode_event event, void *ctx)
{
    struct simnode *node = add_node(net, "192.0.2.1");
    return make_peer(node, config, ops, event, ctx) == 0 ? node : NULL;
}

struct simnode *simnet_add_stun(struct simnet *net)
{
    return add_node(net, "192.0.2.1");
}

void simnode_behind_nat(struct simnode *node)
{
    node->nat = true;
    uint16_t port = sq_addr_port(&node->addr);
    assert_int_equal(sq_addr_parse("203.0.113.7", port, &node->seen_as), 0);
}

void *simnode_ctx(struct simnode *node)
{
    return node->ctx;
}

void simnet_set_tap(struct simnet *net, simnet_tap tap, void *ctx)
{
    net->tap = tap;
    net->tap_ctx = ctx;
}

void simnet_set_stamp_noise(struct simnet *net, uint64_t noise_ns)
{
    net->stamp_noise_ns = noise_ns;
}

void simnet_inject(struct simnet *net, struct simnode *to, const struct sq_addr *from,
                   const uint8_t *bytes, size_t len)
{
    struct item item = {
        .at_ns = net->now_ns, .what = DATAGRAM, .node = to, .from = *from, .len = len};
    item.buf = malloc(len);
    assert_non_null(item.buf);
    memcpy(item.buf, bytes, len);
    push(net, item);
}

struct sq_peer *simnode_peer(struct simnode *node)
{
    return node->peer;
}

const struct sq_addr *simnode_addr(const struct simnode *node)
{
    return &node->addr;
}

struct simlink *simnode_link(struct simnode *node)
{
    return &node->link;
}

struct simcounters *simnode_counters(struct simnode *node)
{
    return &node->counters;
}

enum sq_peer_state simnode_state(const struct simnode *node)
{
    return node->state;
}

const char *simnode_text(const struct simnode *node)
{
    return node->text;
}

enum sq_peer_cause simnode_cause(const struct simnode *node)
{
    return node->cause;
}

void simnode_trickle_to(struct simnode *node, struct simnode *other)
{
    node->trickle_to = other;
}

void simnet_negotiate(struct simnet *net, struct simnode *a, struct simnode *b, bool ice_restart)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *offer = NULL;
    char *answer = NULL;
    if (sq_peer_create_offer(a->peer, net->now_ns, ice_restart, &offer, why) != 0 ||
        sq_peer_set_remote(b->peer, net->now_ns, SQ_SDP_OFFER, offer, why) != 0 ||
        sq_peer_create_answer(b->peer, net->now_ns, &answer, why) != 0 ||
        sq_peer_set_remote(a->peer, net->now_ns, SQ_SDP_ANSWER, answer, why) != 0) {
        fail_msg("negotiation failed: %s\n%s\n%s", why, offer ? offer : "", answer ? answer : "");
    }
    sq_free(offer);
    sq_free(answer);
}
