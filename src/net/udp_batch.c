/* Many sockets at a time: at high load, sends of an iteration wait for each other and go in one
 * system call, and ready sockets are read in one. */
#include "base/mem.h"
#include "net/ring.h"
#include "net/udp_int.h"
#include <errno.h>
#include <string.h>

#define SENDS_MAX  32 /* more would wait too long for the first; the gain is had with ten */
#define SEND_BYTES (128 * 1024)
#define SMALL_BYTES                                                                                \
    2048 /* of a message, received where the cache is warm; the rest goes to a tail */
#define SMALL_PITCH                                                                                \
    (SMALL_BYTES + SQ_ARENA_ALIGN) /* no power of two: it would fill few cache sets */

_Static_assert(SENDS_MAX <= SQ_RING_CALLS_MAX && SQ_GATHER_MAX <= SQ_RING_CALLS_MAX,
               "a batch is one call");
_Static_assert(SEND_BYTES >= SQ_UDP_GSO_BYTES_MAX, "one send fits");

struct waiting {
    struct sq_udp *udp;
    size_t segment; /* of a GSO send: size of its datagrams but the last; else of the one */
    size_t datagrams;
    struct msghdr msg;
    struct iovec iov;
    struct sq_addr to;
    struct sq_udp_gso_control control;
};

struct reading {
    struct sq_udp *udp;
    struct msghdr msg;
    struct iovec iov[2];
    struct sq_addr from;
    _Alignas(struct cmsghdr) char control[SQ_UDP_CONTROL_BYTES];
};

struct sq_udp_batch {
    struct sq_loop *loop;
    struct sq_ring *ring; /* NULL once the kernel has refused it */
    struct sq_ring_call calls[SQ_RING_CALLS_MAX];
    struct waiting waiting[SENDS_MAX];
    size_t waiting_len;
    size_t bytes_used;
    struct reading reading[SQ_GATHER_MAX];
    uint8_t bytes[SEND_BYTES]; /* datagrams that wait to be sent */
    uint8_t small[SQ_GATHER_MAX][SMALL_PITCH];
    /* Seldom touched, as only merged ones are long: by itself, so that it stays out of huge pages.
     */
    uint8_t (*tail)[SQ_UDP_MESSAGE_MAX];
};

static void give_up(struct sq_udp_batch *batch)
{
    sq_ring_free(batch->ring);
    batch->ring = NULL;
}

/* ---- Sending ---- */

/* By calls of its own: what the batch could not send tells why, or goes now. */
static void send_alone(const struct waiting *w, int error)
{
    struct iovec datagrams[SQ_UDP_BATCH_MAX];
    uint8_t *bytes = w->iov.iov_base;
    size_t n = 0;
    for (size_t at = 0; n < w->datagrams; at += w->segment) {
        size_t left = w->iov.iov_len - at;
        datagrams[n++] = (struct iovec){.iov_base = bytes + at,
                                        .iov_len = left < w->segment ? left : w->segment};
    }
    (void)sq_udp_send_now(w->udp, error, w->msg.msg_name ? &w->to : NULL, datagrams, n);
}

static void settle_send(const struct waiting *w, int result)
{
    w->udp->queued--;
    if (result >= 0) {
        sq_udp_count_sent(w->udp, w->datagrams, w->iov.iov_len);
    } else if (result == -EAGAIN || result == -ENOBUFS) {
        (void)sq_udp_count_failure(w->udp, -result, w->datagrams);
    } else {
        send_alone(w, -result);
    }
}

static void flush(void *ctx)
{
    struct sq_udp_batch *batch = ctx;
    size_t n = batch->waiting_len;
    if (n == 0) {
        return;
    }
    for (size_t i = 0; i < n; i++) {
        batch->calls[i] = (struct sq_ring_call){.fd = batch->waiting[i].udp->fd,
                                                .msg = &batch->waiting[i].msg,
                                                .result = SQ_RING_UNTRIED};
    }
    if (!batch->ring || sq_ring_sendmsg(batch->ring, batch->calls, n) != 0) {
        give_up(batch);
    }
    for (size_t i = 0; i < n; i++) {
        settle_send(&batch->waiting[i], batch->calls[i].result);
    }
    batch->waiting_len = 0;
    batch->bytes_used = 0;
    sq_loop_count_gathered(batch->loop);
}

void sq_udp_batch_flush(struct sq_loop *loop)
{
    flush(sq_loop_gather_ctx(loop));
}

void sq_udp_batch_queue(struct sq_udp_batch *batch, struct sq_udp *udp, const struct sq_addr *to,
                        const struct iovec *datagrams, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += datagrams[i].iov_len;
    }
    if (batch->waiting_len == SENDS_MAX || bytes > SEND_BYTES - batch->bytes_used) {
        flush(batch);
    }
    struct waiting *w = &batch->waiting[batch->waiting_len++];
    uint8_t *at = batch->bytes + batch->bytes_used;
    w->udp = udp;
    w->segment = datagrams[0].iov_len;
    w->datagrams = n;
    w->iov = (struct iovec){.iov_base = at, .iov_len = bytes};
    w->msg = (struct msghdr){.msg_iov = &w->iov, .msg_iovlen = 1};
    if (to) {
        w->to = *to;
        w->msg.msg_name = &w->to;
        w->msg.msg_namelen = sq_addr_len(to);
    }
    if (n > 1) {
        sq_udp_set_gso(&w->msg, &w->control, w->segment);
    }
    for (size_t i = 0; i < n; i++) {
        memcpy(at, datagrams[i].iov_base, datagrams[i].iov_len);
        at += datagrams[i].iov_len;
    }
    batch->bytes_used += bytes;
    udp->queued++;
}

/* ---- Receiving ---- */

static void prepare(struct sq_udp_batch *batch, size_t i, struct sq_udp *udp)
{
    struct reading *r = &batch->reading[i];
    r->udp = udp;
    r->iov[0] = (struct iovec){.iov_base = batch->small[i], .iov_len = SMALL_BYTES};
    r->iov[1] = (struct iovec){.iov_base = batch->tail[i], .iov_len = SQ_UDP_MESSAGE_MAX};
    r->msg = (struct msghdr){.msg_name = &r->from,
                             .msg_namelen = sizeof(r->from),
                             .msg_iov = r->iov,
                             .msg_iovlen = 2,
                             .msg_control = r->control,
                             .msg_controllen = sizeof(r->control)};
    batch->calls[i] =
        (struct sq_ring_call){.fd = udp->fd, .msg = &r->msg, .result = SQ_RING_UNTRIED};
}

/* Into the arena, where a datagram outlives the batch. */
static void deliver(struct sq_udp_batch *batch, size_t i, size_t len)
{
    struct reading *r = &batch->reading[i];
    struct sq_arena *arena = sq_loop_arena(batch->loop);
    if (arena->size - arena->used < SQ_UDP_HEAD_BYTES + len) {
        sq_loop_flush(batch->loop);
        if (r->udp->closed) {
            return; /* by a hook */
        }
    }
    struct sq_addr *from = (struct sq_addr *)(void *)(arena->bytes + arena->used);
    uint8_t *data = (uint8_t *)from + SQ_UDP_HEAD_BYTES;
    size_t small = len < SMALL_BYTES ? len : SMALL_BYTES;
    *from = r->from;
    memcpy(data, batch->small[i], small);
    memcpy(data + small, batch->tail[i], len - small);
    sq_arena_take(arena, SQ_UDP_HEAD_BYTES + len);
    sq_udp_deliver(r->udp, from, data, len, &r->msg);
}

static void settle_read(struct sq_udp_batch *batch, size_t i, int result)
{
    struct sq_udp *udp = batch->reading[i].udp;
    if (udp->closed) {
        return; /* by the delivery of another */
    }
    if (result >= 0) {
        deliver(batch, i, (size_t)result);
    } else if (result == SQ_RING_UNTRIED) {
        sq_udp_read(udp);
    } else {
        (void)sq_udp_count_refusal(udp, -result);
    }
}

/* A socket that is ready a third time in this iteration has a burst: by itself, until it is empty.
 */
static void ready(void *ctx, struct sq_watch *const *watches, size_t n)
{
    struct sq_udp_batch *batch = ctx;
    struct sq_udp *bursts[SQ_GATHER_MAX];
    size_t bursts_len = 0;
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        struct sq_udp *udp = watches[i]->ctx;
        udp->receiving = true; /* none is freed before the end, whoever closes it */
        if (batch->ring && !sq_udp_has_burst(udp)) {
            sq_udp_note_ready(udp);
            prepare(batch, len++, udp);
        } else {
            bursts[bursts_len++] = udp;
        }
    }
    if (len > 0 && sq_ring_recvmsg(batch->ring, batch->calls, len) != 0) {
        give_up(batch);
    }
    sq_loop_count_gathered(batch->loop);
    int results[SQ_GATHER_MAX]; /* a delivery may send, which needs the calls */
    for (size_t i = 0; i < len; i++) {
        results[i] = batch->calls[i].result;
    }
    for (size_t i = 0; i < len; i++) {
        if (i + 1 < len) {
            __builtin_prefetch(batch->reading[i + 1].udp->ctx);
            sq_watch_prefetch(&batch->reading[i + 1].udp->watch);
        }
        settle_read(batch, i, results[i]);
    }
    for (size_t i = 0; i < bursts_len; i++) {
        if (!bursts[i]->closed) {
            sq_udp_read(bursts[i]);
        }
    }
    for (size_t i = 0; i < n; i++) {
        sq_udp_end_receiving(watches[i]->ctx);
    }
}

/* ---- The batch ---- */

static void free_batch(void *ctx)
{
    struct sq_udp_batch *batch = ctx;
    sq_ring_free(batch->ring);
    sq_free(batch->tail);
    sq_free(batch);
}

static struct sq_udp_batch *make(struct sq_loop *loop)
{
    struct sq_udp_batch *batch = sq_malloc(sizeof(*batch));
    uint8_t(*tail)[SQ_UDP_MESSAGE_MAX] = sq_malloc(SQ_GATHER_MAX * sizeof(*tail));
    if (!batch || !tail) {
        sq_free(batch);
        sq_free(tail);
        return NULL;
    }
    batch->tail = tail;
    batch->loop = loop;
    batch->waiting_len = 0;
    batch->bytes_used = 0;
    if (sq_ring_new(&batch->ring) != 0) {
        sq_free(tail);
        sq_free(batch);
        return NULL;
    }
    return batch;
}

struct sq_udp_batch *sq_udp_batch_of(struct sq_loop *loop)
{
    if (!sq_loop_coalescing(loop)) {
        return NULL;
    }
    if (sq_loop_may_gather(loop)) {
        struct sq_udp_batch *batch = make(loop);
        const struct sq_gather gather = {
            .ready = ready, .flush = flush, .free = free_batch, .ctx = batch};
        sq_loop_set_gather(loop, batch ? &gather : NULL);
    }
    struct sq_udp_batch *batch = sq_loop_gather_ctx(loop);
    return batch && batch->ring ? batch : NULL;
}
