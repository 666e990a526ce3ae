#include "sctp_net.h"
#include "base/mem.h"
#include "base/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PACKET_MAX 1200

struct packet {
    uint64_t at_ns, order;
    struct sctp_end *to;
    size_t len;
    uint8_t bytes[PACKET_MAX];
};

struct sctp_net {
    struct sq_rand rand;
    uint64_t now_ns, order;
    double mutate;
    struct sq_rand mutator;
    struct packet **heap;
    size_t heap_len, heap_room;
    struct sctp_end **ends;
    size_t ends_len, ends_room;
};

/* ---- A heap by time ---- */

static bool sooner(const struct packet *a, const struct packet *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->order < b->order;
}

static void heap_push(struct sctp_net *net, struct packet *p)
{
    if (net->heap_len == net->heap_room) {
        net->heap_room = net->heap_room ? net->heap_room * 2 : 64;
        net->heap = realloc(net->heap, net->heap_room * sizeof(struct packet *));
        assert_non_null(net->heap);
    }
    size_t i = net->heap_len++;
    for (; i > 0 && sooner(p, net->heap[(i - 1) / 2]); i = (i - 1) / 2) {
        net->heap[i] = net->heap[(i - 1) / 2];
    }
    net->heap[i] = p;
}

static struct packet *heap_pop(struct sctp_net *net)
{
    struct packet *top = net->heap[0];
    struct packet *last = net->heap[--net->heap_len];
    size_t i = 0;
    for (;;) {
        size_t child = 2 * i + 1;
        if (child >= net->heap_len) {
            break;
        }
        child += child + 1 < net->heap_len && sooner(net->heap[child + 1], net->heap[child]);
        if (!sooner(net->heap[child], last)) {
            break;
        }
        net->heap[i] = net->heap[child];
        i = child;
    }
    net->heap[i] = last;
    return top;
}

/* ---- Ends ---- */

static void queue(struct sctp_end *e, const uint8_t *bytes, size_t len)
{
    struct sctp_net *net = e->net;
    const struct sctp_link *l = &e->link;
    uint64_t start = sq_max_u64(net->now_ns, e->link_free_ns);
    if (l->rate_bps) {
        if (l->queue_ns && start - net->now_ns > l->queue_ns) {
            e->packets_lost++;
            return;
        }
        /* With the bytes of DTLS, UDP and IP around it. */
        e->link_free_ns = start + (len + 37 + 28) * 8 * SQ_NS_PER_SEC / l->rate_bps;
        start = e->link_free_ns;
    }
    struct packet *p = malloc(sizeof(*p));
    assert_non_null(p);
    assert_true(len <= PACKET_MAX);
    p->to = e->other;
    p->len = len;
    p->order = net->order++;
    memcpy(p->bytes, bytes, len);
    uint64_t jitter =
        l->jitter_ns ? (uint64_t)(sq_rand_unit(&net->rand) * (double)l->jitter_ns) : 0;
    p->at_ns = start + l->delay_ns + jitter;
    heap_push(net, p);
}

static void count_chunks(struct sctp_end *e, const uint8_t *bytes, size_t len)
{
    for (size_t at = 12; at + 4 <= len;) {
        size_t n = sq_load_u16(bytes + at + 2);
        e->forward_tsns += bytes[at] == 192 || bytes[at] == 194;
        e->data_chunks += bytes[at] == 0 || bytes[at] == 64;
        assert_true(n >= 4 && at + n <= len);
        at += (n + 3) & ~(size_t)3;
    }
}

static void on_send(void *user, const uint8_t *bytes, size_t len)
{
    struct sctp_end *e = user;
    assert_true(len <= SQ_SCTP_PACKET_MAX_BYTES && len % 4 == 0);
    count_chunks(e, bytes, len);
    e->packets++;
    if (e->link.drop_next > 0 || e->link.cut || sq_rand_unit(&e->net->rand) < e->link.loss) {
        e->link.drop_next -= e->link.drop_next > 0;
        e->packets_lost++;
        return;
    }
    queue(e, bytes, len);
    if (sq_rand_unit(&e->net->rand) < e->link.duplicate) {
        queue(e, bytes, len);
    }
}

static void on_connected(void *user)
{
    struct sctp_end *e = user;
    assert_false(e->connected);
    e->connected = true;
    if (e->on_connected) {
        e->on_connected(e);
    }
}

static uint8_t byte_of(uint32_t number, size_t i)
{
    return (uint8_t)(number * 31 + i * 7 + (i >> 8) * 13);
}

void sctp_fill(uint8_t *bytes, size_t len, uint32_t number)
{
    for (size_t i = 0; i < len; i++) {
        bytes[i] = byte_of(number, i);
    }
    for (size_t i = 0; i < 4 && i < len; i++) {
        bytes[i] = (uint8_t)(number >> 8 * i);
    }
}

static void on_message(void *user, uint16_t stream, uint32_t ppid, const uint8_t *bytes, size_t len)
{
    struct sctp_end *e = user;
    struct sctp_got got = {stream, ppid, 0, e->net->now_ns, len};
    for (size_t i = 0; i < 4 && i < len; i++) {
        got.number |= (uint32_t)bytes[i] << 8 * i;
    }
    for (size_t i = 4; i < len; i++) {
        if (bytes[i] != byte_of(got.number, i)) {
            e->broken++;
            break;
        }
    }
    e->bytes_got += len;
    if (!e->forget && e->got_len == e->got_room) {
        e->got_room = e->got_room ? 2 * e->got_room : 64;
        e->got = realloc(e->got, e->got_room * sizeof(*e->got));
        assert_non_null(e->got);
    }
    if (!e->forget) {
        e->got[e->got_len] = got;
    }
    e->got_len++;
    if (e->on_message) {
        e->on_message(e, &got);
    }
}

static void on_drained(void *user, uint16_t stream, size_t left)
{
    struct sctp_end *e = user;
    e->drained_calls++;
    e->drained_bytes = left;
    if (e->on_drained) {
        e->on_drained(e, stream, left);
    }
}

static void on_in_reset(void *user, uint16_t stream)
{
    struct sctp_end *e = user;
    e->in_resets++;
    e->last_in_reset = stream;
}

static void on_out_reset(void *user, uint16_t stream, int err)
{
    struct sctp_end *e = user;
    e->out_resets++;
    e->last_out_reset = stream;
    e->out_reset_err = err;
}

static void on_closed(void *user, int err, const char *text)
{
    struct sctp_end *e = user;
    assert_false(e->closed);
    e->closed = true;
    e->closed_err = err;
    snprintf(e->closed_text, sizeof(e->closed_text), "%s", text);
}

static struct sctp_end *add(struct sctp_net *net, const struct sctp_link *link,
                            const struct sq_sctp_config *config)
{
    struct sctp_end *e = calloc(1, sizeof(*e));
    assert_non_null(e);
    e->net = net;
    e->link = *link;
    const struct sq_sctp_events events = {
        .user = e,
        .send = on_send,
        .connected = on_connected,
        .message = on_message,
        .drained = on_drained,
        .incoming_reset = on_in_reset,
        .outgoing_reset = on_out_reset,
        .closed = on_closed,
    };
    assert_int_equal(sq_sctp_create(config, &events, &e->a), 0);
    if (net->ends_len == net->ends_room) {
        net->ends_room = net->ends_room ? 2 * net->ends_room : 8;
        net->ends = realloc(net->ends, net->ends_room * sizeof(struct sctp_end *));
        assert_non_null(net->ends);
    }
    net->ends[net->ends_len++] = e;
    return e;
}

/* ---- The net ---- */

struct sctp_net *sctp_net_new(uint64_t seed)
{
    struct sctp_net *net = calloc(1, sizeof(*net));
    assert_non_null(net);
    sq_rand_seed(&net->rand, seed);
    net->now_ns = SQ_NS_PER_SEC;
    return net;
}

void sctp_net_free(struct sctp_net *net)
{
    for (size_t i = 0; i < net->heap_len; i++) {
        free(net->heap[i]);
    }
    for (size_t i = 0; i < net->ends_len; i++) {
        sq_sctp_destroy(net->ends[i]->a);
        free(net->ends[i]->got);
        free(net->ends[i]);
    }
    free(net->heap);
    free(net->ends);
    free(net);
}

void sctp_net_mutate(struct sctp_net *net, double share, uint64_t seed)
{
    net->mutate = share;
    sq_rand_seed(&net->mutator, seed);
}

/* Not the ports nor the tag: such packets go no further than that. */
static void mutate(struct sctp_net *net, struct packet *p)
{
    for (uint32_t n = 1 + sq_rand_below(&net->mutator, 4); n > 0; n--) {
        uint32_t at = 12 + sq_rand_below(&net->mutator, (uint32_t)p->len - 12);
        p->bytes[at] = (uint8_t)sq_rand_u32(&net->mutator);
    }
    memset(p->bytes + 8, 0, 4);
    uint32_t crc = sq_crc32c(p->bytes, p->len);
    for (int i = 0; i < 4; i++) {
        p->bytes[8 + i] = (uint8_t)(crc >> 8 * i);
    }
}

uint64_t sctp_net_now(const struct sctp_net *net)
{
    return net->now_ns;
}

void sctp_net_pair(struct sctp_net *net, const struct sctp_link *link,
                   const struct sq_sctp_config *ca, const struct sq_sctp_config *cb,
                   struct sctp_end **ret_a, struct sctp_end **ret_b)
{
    *ret_a = add(net, link, ca);
    *ret_b = add(net, link, cb);
    (*ret_a)->other = *ret_b;
    (*ret_b)->other = *ret_a;
}

static struct sctp_end *next_due(struct sctp_net *net, uint64_t *ret_at)
{
    struct sctp_end *due = NULL;
    *ret_at = SQ_NEVER;
    for (size_t i = 0; i < net->ends_len; i++) {
        uint64_t at = sq_sctp_next_timeout(net->ends[i]->a);
        if (at < *ret_at) {
            *ret_at = at;
            due = net->ends[i];
        }
    }
    return due;
}

/* One event; false when none lies before `end_ns`. */
static bool step(struct sctp_net *net, uint64_t end_ns)
{
    uint64_t timer_ns;
    struct sctp_end *due = next_due(net, &timer_ns);
    uint64_t packet_ns = net->heap_len ? net->heap[0]->at_ns : SQ_NEVER;
    if (sq_min_u64(timer_ns, packet_ns) > end_ns) {
        net->now_ns = end_ns;
        return false;
    }
    if (packet_ns <= timer_ns) {
        struct packet *p = heap_pop(net);
        net->now_ns = packet_ns;
        if (net->mutate > 0 && sq_rand_unit(&net->mutator) < net->mutate) {
            mutate(net, p);
        }
        sq_sctp_receive(p->to->a, net->now_ns, p->bytes, p->len);
        free(p);
    } else {
        net->now_ns = sq_max_u64(net->now_ns, timer_ns);
        sq_sctp_on_timeout(due->a, net->now_ns);
        assert_true(sq_sctp_next_timeout(due->a) > net->now_ns); /* progress */
    }
    return true;
}

void sctp_net_run(struct sctp_net *net, uint64_t for_ns)
{
    uint64_t end = net->now_ns + for_ns;
    while (step(net, end)) {
    }
}

bool sctp_net_until(struct sctp_net *net, uint64_t for_ns, bool (*done)(void *ctx), void *ctx)
{
    uint64_t end = net->now_ns + for_ns;
    while (!done(ctx)) {
        if (!step(net, end)) {
            return done(ctx);
        }
    }
    return true;
}

static bool both_up(void *ctx)
{
    struct sctp_end **ends = ctx;
    return ends[0]->connected && ends[1]->connected;
}

void sctp_net_up(struct sctp_net *net, struct sctp_end *a, struct sctp_end *b)
{
    struct sctp_end *ends[2] = {a, b};
    assert_int_equal(sq_sctp_connect(a->a, net->now_ns), 0);
    assert_int_equal(sq_sctp_connect(b->a, net->now_ns), 0);
    assert_true(sctp_net_until(net, 60 * SQ_NS_PER_SEC, both_up, ends));
}

int sctp_put(struct sctp_end *e, uint16_t stream, uint32_t number, size_t len, bool unordered,
             uint32_t retransmissions_max, uint64_t lifetime_ns)
{
    uint8_t *bytes = malloc(len ? len : 1);
    assert_non_null(bytes);
    sctp_fill(bytes, len, number);
    const struct sq_sctp_message m = {
        .stream = stream,
        .unordered = unordered,
        .ppid = 53,
        .retransmissions_max = retransmissions_max,
        .lifetime_ns = lifetime_ns,
        .bytes = bytes,
        .len = len,
    };
    int err = sq_sctp_send(e->a, e->net->now_ns, &m);
    free(bytes);
    return err;
}
