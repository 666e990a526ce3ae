#include "net/udp.h"

#include "base/mem.h"
#include "base/rand.h"
#include "net/udp_int.h"
#include <errno.h>
#include <linux/errqueue.h>
#include <linux/sock_diag.h>
#include <netinet/in.h>
#include <netinet/udp.h>
#include <string.h>
#include <unistd.h>

#ifndef UDP_SEGMENT
#define UDP_SEGMENT 103 /* linux/udp.h */
#endif
#ifndef UDP_GRO
#define UDP_GRO 104
#endif

#define STAMP_AGE_MAX_NS (10 * SQ_NS_PER_SEC)
#define LATE_NS          (5 * SQ_NS_PER_MS)
#define GSO_SEGMENTS_MAX 64 /* UDP_MAX_SEGMENTS of older kernels */

static void on_ready(void *ctx, unsigned ready);

static int set_int(int fd, int level, int option, int value)
{
    return setsockopt(fd, level, option, &value, sizeof(value)) < 0 ? SQ_ERR_IO : 0;
}

static int set_multicast(int fd, const struct sq_udp_options *o)
{
    if (sq_addr_family(o->multicast) != AF_INET || sq_addr_family(&o->interface) != AF_INET) {
        return SQ_ERR_INVALID;
    }
    struct ip_mreqn group = {.imr_multiaddr = o->multicast->in4.sin_addr,
                             .imr_address = o->interface.in4.sin_addr};
    (void)set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1); /* others may not have asked for it */
    int err = set_int(fd, SOL_SOCKET, SO_REUSEADDR, 1);
    if (!err && (setsockopt(fd, IPPROTO_IP, IP_ADD_MEMBERSHIP, &group, sizeof(group)) < 0 ||
                 setsockopt(fd, IPPROTO_IP, IP_MULTICAST_IF, &group, sizeof(group)) < 0)) {
        err = SQ_ERR_IO;
    }
    err = err ? err : set_int(fd, IPPROTO_IP, IP_MULTICAST_TTL, 255);
    return err ? err : set_int(fd, IPPROTO_IP, IP_MULTICAST_LOOP, 1);
}

static int set_options(int fd, const struct sq_udp_options *o)
{
    int family = sq_addr_family(&o->bind);
    int err = 0;
    if (o->recv_buffer_bytes > 0) {
        err = err ? err : set_int(fd, SOL_SOCKET, SO_RCVBUF, o->recv_buffer_bytes);
    }
    if (o->send_buffer_bytes > 0) {
        err = err ? err : set_int(fd, SOL_SOCKET, SO_SNDBUF, o->send_buffer_bytes);
    }
    if (o->reuse_port) {
        err = err ? err : set_int(fd, SOL_SOCKET, SO_REUSEPORT, 1);
    }
    if (o->multicast) {
        err = err ? err : set_multicast(fd, o);
    }
    if (!o->no_timestamps) {
        err = err ? err : set_int(fd, SOL_SOCKET, SO_TIMESTAMPNS, 1);
    }
    if (o->dscp) {
        int level = family == AF_INET ? IPPROTO_IP : IPPROTO_IPV6;
        int option = family == AF_INET ? IP_TOS : IPV6_TCLASS;
        err = err ? err : set_int(fd, level, option, o->dscp << 2);
    }
    if (family == AF_INET6) {
        err = err ? err : set_int(fd, IPPROTO_IPV6, IPV6_V6ONLY, 1);
    }
    if (!o->no_gro) {
        (void)set_int(fd, IPPROTO_UDP, UDP_GRO, 1); /* an older kernel delivers one by one */
    }
    return err;
}

/* Binds to the wanted port, or to a free one of the range, tried from a random place on so that
 * many sockets do not all walk over the taken ones. */
static int bind_port(int fd, const struct sq_udp_options *o)
{
    struct sq_addr addr = o->bind;
    if (o->port_min == 0 || sq_addr_port(&addr) != 0) {
        return bind(fd, &addr.sa, sq_addr_len(&addr)) < 0 ? SQ_ERR_IO : 0;
    }
    uint32_t count = (uint32_t)(o->port_max - o->port_min) + 1;
    uint32_t start;
    sq_rand_secret(&start, sizeof(start));
    for (uint32_t i = 0; i < count; i++) {
        sq_addr_set_port(&addr, (uint16_t)(o->port_min + (start + i) % count));
        if (bind(fd, &addr.sa, sq_addr_len(&addr)) == 0) {
            return 0;
        }
        if (errno != EADDRINUSE) {
            return SQ_ERR_IO;
        }
    }
    return SQ_ERR_IO;
}

static int open_socket(struct sq_udp *udp, const struct sq_udp_options *o)
{
    udp->fd = socket(sq_addr_family(&o->bind), SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (udp->fd < 0) {
        return SQ_ERR_IO;
    }
    int err = set_options(udp->fd, o);
    err = err ? err : bind_port(udp->fd, o);
    if (err) {
        return err;
    }
    socklen_t len = sizeof(udp->local);
    if (getsockname(udp->fd, &udp->local.sa, &len) < 0) {
        return SQ_ERR_IO;
    }
    err = sq_watch_start(udp->loop, &udp->watch, udp->fd, SQ_READ, on_ready, udp);
    udp->watch.gathered = true;
    return err;
}

int sq_udp_open(struct sq_loop *loop, const struct sq_udp_options *options, sq_udp_recv_fn fn,
                void *ctx, struct sq_udp **ret_udp)
{
    int family = sq_addr_family(&options->bind);
    if ((family != AF_INET && family != AF_INET6) || options->port_max < options->port_min ||
        options->dscp > 63) {
        return SQ_ERR_INVALID;
    }
    struct sq_udp *udp = sq_zalloc(sizeof(*udp));
    if (!udp) {
        return SQ_ERR_NOMEM;
    }
    udp->loop = loop;
    udp->fd = -1;
    udp->gso = true;
    udp->read_in = sq_loop_iteration(loop) - 2;
    udp->fn = fn;
    udp->ctx = ctx;
    int err = options->link ? sq_udp_open_port(udp, options->link) : 0;
    err = err ? err : open_socket(udp, options);
    if (err) {
        int saved = errno;
        sq_udp_close(udp);
        errno = saved;
        return err;
    }
    *ret_udp = udp;
    return 0;
}

/* Before the socket, or where it sends to, changes. */
static void flush_queued(const struct sq_udp *udp)
{
    if (udp->queued > 0) {
        sq_udp_batch_flush(udp->loop);
    }
}

void sq_udp_dispose(struct sq_udp *udp)
{
    flush_queued(udp);
    if (udp->fd >= 0) {
        close(udp->fd);
        udp->fd = -1;
    }
    if (!udp->receiving) {
        sq_free(udp);
    }
}

void sq_udp_close(struct sq_udp *udp)
{
    if (!udp) {
        return;
    }
    flush_queued(udp);
    sq_watch_stop(&udp->watch);
    udp->closed = true;
    if (udp->port) {
        sq_link_port_close(udp->port); /* on_link_idle comes, now or later */
    } else {
        sq_udp_dispose(udp);
    }
}

void sq_udp_set_receiver(struct sq_udp *udp, sq_udp_recv_fn fn, void *ctx)
{
    udp->fn = fn;
    udp->ctx = ctx;
}

void sq_udp_set_reads(struct sq_udp *udp, const void *reads)
{
    udp->watch.reads = reads;
}

const struct sq_addr *sq_udp_local(const struct sq_udp *udp)
{
    return &udp->local;
}

int sq_udp_fd(const struct sq_udp *udp)
{
    return udp->fd;
}

int sq_udp_connect(struct sq_udp *udp, const struct sq_addr *remote)
{
    flush_queued(udp);
    if (connect(udp->fd, &remote->sa, sq_addr_len(remote)) < 0) {
        return SQ_ERR_IO;
    }
    udp->connected = true;
    udp->remote = *remote;
    return 0;
}

int sq_udp_disconnect(struct sq_udp *udp)
{
    struct sockaddr none = {.sa_family = AF_UNSPEC};
    flush_queued(udp);
    if (connect(udp->fd, &none, sizeof(none)) < 0) {
        return SQ_ERR_IO;
    }
    udp->connected = false;
    /* The kernel gives up a port that it chose itself: take it again. */
    struct sq_addr now;
    socklen_t len = sizeof(now);
    if (getsockname(udp->fd, &now.sa, &len) < 0) {
        return SQ_ERR_IO;
    }
    if (!sq_addr_equal(&now, &udp->local) &&
        bind(udp->fd, &udp->local.sa, sq_addr_len(&udp->local)) < 0) {
        return SQ_ERR_IO;
    }
    return 0;
}

bool sq_udp_is_connected(const struct sq_udp *udp)
{
    return udp->connected;
}

/* --- receiving --- */

struct control {
    uint64_t recv_ns;
    size_t segment; /* size of the datagrams that GRO merged; 0: one datagram */
};

static struct control read_control(struct sq_udp *udp, struct msghdr *msg)
{
    struct control c = {.recv_ns = sq_loop_now(udp->loop), .segment = 0};
    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        if (h->cmsg_level == SOL_SOCKET && h->cmsg_type == SCM_TIMESTAMPNS) {
            struct timespec ts;
            memcpy(&ts, CMSG_DATA(h), sizeof(ts));
            uint64_t wall = (uint64_t)ts.tv_sec * SQ_NS_PER_SEC + (uint64_t)ts.tv_nsec;
            uint64_t stamp = wall - (uint64_t)sq_loop_wall_offset_ns(udp->loop);
            /* Unless the wall clock has just been set. */
            if (stamp + STAMP_AGE_MAX_NS > c.recv_ns && stamp < c.recv_ns + STAMP_AGE_MAX_NS) {
                c.recv_ns = stamp;
            }
        } else if (h->cmsg_level == IPPROTO_UDP && h->cmsg_type == UDP_GRO) {
            int size;
            memcpy(&size, CMSG_DATA(h), sizeof(size));
            c.segment = size > 0 ? (size_t)size : 0;
        }
    }
    return c;
}

/* Hands over what was read, cut into the datagrams that were sent. */
void sq_udp_deliver(struct sq_udp *udp, const struct sq_addr *from, uint8_t *data, size_t len,
                    struct msghdr *msg)
{
    struct control c = read_control(udp, msg);
    size_t step = c.segment ? c.segment : len;
    size_t at = 0;
    do {
        size_t n = len - at < step ? len - at : step;
        struct sq_datagram d = {.data = data + at, .len = n, .from = from, .recv_ns = c.recv_ns};
        udp->counters.received++;
        udp->counters.received_bytes += n;
        at += n;
        if (udp->fn && sq_udp_passes_down(udp, &d)) {
            udp->fn(udp->ctx, &d);
        }
    } while (at < len && !udp->closed);
}

/* Errors that say that the way there, or its end, does not take datagrams: no fault of this host.
 * On a connected socket they are an ICMP message's about an earlier datagram (ip(7), icmp(7)). */
static bool is_refusal(int error)
{
    return error == ECONNREFUSED || error == EHOSTUNREACH || error == ENETUNREACH ||
           error == EACCES;
}

bool sq_udp_count_refusal(struct sq_udp *udp, int error)
{
    if (!is_refusal(error)) {
        return false;
    }
    if (udp->refused) {
        return true; /* it stands in the error queue, with whom it is about */
    }
    udp->counters.send_refused++;
    udp->counters.refusal = error;
    return true;
}

/* Reads one message into the arena: the sender's address, then the bytes. 0, SQ_ERR_AGAIN when
 * there is nothing, SQ_ERR_NOSPACE when there is no room (it waits in the socket for the next
 * iteration), SQ_ERR_CLOSED when the callback closed the socket. */
static int receive_one(struct sq_udp *udp, struct sq_arena *arena)
{
    if (arena->size - arena->used < SQ_UDP_HEAD_BYTES + SQ_UDP_MESSAGE_MAX) {
        return SQ_ERR_NOSPACE;
    }
    struct sq_addr *from = (struct sq_addr *)(void *)(arena->bytes + arena->used);
    uint8_t *data = (uint8_t *)from + SQ_UDP_HEAD_BYTES;
    struct iovec iov = {.iov_base = data, .iov_len = SQ_UDP_MESSAGE_MAX};
    _Alignas(struct cmsghdr) char control[SQ_UDP_CONTROL_BYTES];
    struct msghdr msg = {.msg_name = from,
                         .msg_namelen = sizeof(*from),
                         .msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    ssize_t n = recvmsg(udp->fd, &msg, 0);
    if (n < 0) {
        return sq_udp_count_refusal(udp, errno) ? 0 : SQ_ERR_AGAIN;
    }
    sq_arena_take(arena, SQ_UDP_HEAD_BYTES + (size_t)n);
    sq_udp_deliver(udp, from, data, (size_t)n, &msg);
    return udp->closed ? SQ_ERR_CLOSED : 0;
}

/* Most sockets have one datagram when they are ready, and finding out that there is no second one
 * costs a third of reading one. At high load a second one within a slot is usual, too, and one in
 * each of two slots. */
bool sq_udp_has_burst(const struct sq_udp *udp)
{
    uint64_t since = sq_loop_iteration(udp->loop) - udp->read_in;
    if (!sq_loop_coalescing(udp->loop)) {
        return since <= 1;
    }
    if (sq_loop_crowded(udp->loop) && (since == 0 || sq_loop_step_ns(udp->loop) >= LATE_NS)) {
        return false; /* where the thread is late each socket has a few */
    }
    return (since == 0 && udp->readiness >= 2) || (since == 1 && udp->streak >= 2);
}

static uint16_t one_more(uint16_t n)
{
    return n < UINT16_MAX ? (uint16_t)(n + 1) : n;
}

void sq_udp_note_ready(struct sq_udp *udp)
{
    uint64_t since = sq_loop_iteration(udp->loop) - udp->read_in;
    udp->readiness = since == 0 ? one_more(udp->readiness) : 1;
    if (since > 0) {
        udp->streak = since == 1 ? one_more(udp->streak) : 1;
    }
    udp->read_in += since;
}

void sq_udp_read(struct sq_udp *udp)
{
    struct sq_arena *arena = sq_loop_arena(udp->loop);
    bool burst = sq_udp_has_burst(udp);
    sq_udp_note_ready(udp);
    int err = receive_one(udp, arena);
    for (int i = 1; err == 0 && burst && i < SQ_UDP_READS_MAX; i++) {
        err = receive_one(udp, arena);
    }
    if (err == SQ_ERR_NOSPACE || (err == 0 && burst)) {
        sq_loop_more(udp->loop);
    }
}

/* ---- Refusals ---- */

static void read_refusal(struct sq_udp *udp, struct msghdr *msg, const struct sq_addr *to)
{
    for (struct cmsghdr *h = CMSG_FIRSTHDR(msg); h; h = CMSG_NXTHDR(msg, h)) {
        struct sock_extended_err e;
        bool ours = (h->cmsg_level == SOL_IP && h->cmsg_type == IP_RECVERR) ||
                    (h->cmsg_level == SOL_IPV6 && h->cmsg_type == IPV6_RECVERR);
        if (!ours || h->cmsg_len < CMSG_LEN(sizeof(e))) {
            continue;
        }
        memcpy(&e, CMSG_DATA(h), sizeof(e));
        bool icmp = e.ee_origin == SO_EE_ORIGIN_ICMP || e.ee_origin == SO_EE_ORIGIN_ICMP6;
        if (icmp && is_refusal((int)e.ee_errno) && udp->refused) {
            udp->refused(udp->ctx, to, (int)e.ee_errno);
        }
    }
}

/* The queue keeps the socket ready until it is empty. */
static void read_refusals(struct sq_udp *udp)
{
    for (int i = 0; i < SQ_UDP_READS_MAX && !udp->closed; i++) {
        struct sq_addr to = {0};
        char data[64]; /* of the datagram that was refused: it is of no use */
        struct iovec iov = {.iov_base = data, .iov_len = sizeof(data)};
        _Alignas(struct cmsghdr) char control[256];
        struct msghdr msg = {.msg_name = &to,
                             .msg_namelen = sizeof(to),
                             .msg_iov = &iov,
                             .msg_iovlen = 1,
                             .msg_control = control,
                             .msg_controllen = sizeof(control)};
        if (recvmsg(udp->fd, &msg, MSG_ERRQUEUE) < 0) {
            break;
        }
        read_refusal(udp, &msg, &to);
    }
}

void sq_udp_set_refused(struct sq_udp *udp, sq_udp_refused_fn fn)
{
    bool ipv4 = sq_addr_family(&udp->local) == AF_INET;
    flush_queued(udp);
    int err =
        set_int(udp->fd, ipv4 ? SOL_IP : SOL_IPV6, ipv4 ? IP_RECVERR : IPV6_RECVERR, fn != NULL);
    udp->refused = err ? NULL : fn;
}

const char *sq_udp_refusal_name(int error)
{
    switch (error) {
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

static void on_ready(void *ctx, unsigned ready)
{
    struct sq_udp *udp = ctx;
    (void)sq_udp_batch_of(udp->loop); /* the next ones of a busy loop are gathered */
    udp->receiving = true;
    if ((ready & SQ_HANGUP) && udp->refused) {
        read_refusals(udp);
    }
    if (!udp->closed) {
        sq_udp_read(udp);
    }
    sq_udp_end_receiving(udp);
}

void sq_udp_end_receiving(struct sq_udp *udp)
{
    udp->receiving = false;
    if (udp->closed && !udp->port) {
        sq_free(udp);
    }
}

/* --- sending --- */

int sq_udp_count_failure(struct sq_udp *udp, int error, size_t datagrams)
{
    if (error == EAGAIN) {
        udp->counters.send_again += datagrams;
        return SQ_ERR_AGAIN;
    }
    if (error == ENOBUFS) {
        udp->counters.send_nobufs += datagrams;
        return SQ_ERR_AGAIN;
    }
    if (is_refusal(error)) {
        udp->counters.send_refused += datagrams;
        udp->counters.refusal = error;
        return SQ_ERR_REFUSED;
    }
    udp->counters.send_errors += datagrams;
    return SQ_ERR_IO;
}

/* A waiting ICMP error of an earlier datagram is told once, in place of sending. Whether it was one
 * shows when the same is tried again. */
static bool may_be_earlier(int error, int *earlier)
{
    if (*earlier || !is_refusal(error)) {
        return false;
    }
    *earlier = error;
    return true;
}

/* The same error twice is one, and about these datagrams. */
static int count_stop(struct sq_udp *udp, int error, int earlier, size_t datagrams)
{
    if (earlier != error) {
        (void)sq_udp_count_refusal(udp, earlier);
    }
    return sq_udp_count_failure(udp, error, datagrams);
}

void sq_udp_count_sent(struct sq_udp *udp, size_t datagrams, size_t bytes)
{
    udp->counters.sent += datagrams;
    udp->counters.sent_bytes += bytes;
    udp->counters.gso_batches += datagrams > 1;
}

/* NULL: goes to the connected remote by itself. */
static const struct sq_addr *effective_to(const struct sq_udp *udp, const struct sq_addr *to)
{
    return udp->connected && (!to || sq_addr_equal(to, &udp->remote)) ? NULL : to;
}

int sq_udp_send_one(struct sq_udp *udp, const struct sq_addr *to, const void *data, size_t len)
{
    struct sq_udp_batch *batch = sq_udp_batch_of(udp->loop);
    to = effective_to(udp, to);
    if (batch && len <= SQ_UDP_GSO_BYTES_MAX) {
        const struct iovec datagram = sq_udp_datagram(data, len);
        sq_udp_batch_queue(batch, udp, to, &datagram, 1);
        return 0;
    }
    flush_queued(udp);
    int earlier = 0;
    ssize_t n;
    do {
        n = to ? sendto(udp->fd, data, len, 0, &to->sa, sq_addr_len(to))
               : send(udp->fd, data, len, 0);
    } while (n < 0 && may_be_earlier(errno, &earlier));
    if (n < 0) {
        return count_stop(udp, errno, earlier, 1);
    }
    (void)sq_udp_count_refusal(udp, earlier);
    sq_udp_count_sent(udp, 1, len);
    return 0;
}

int sq_udp_send(struct sq_udp *udp, const struct sq_addr *to, const void *data, size_t len)
{
    const struct iovec datagram = sq_udp_datagram(data, len);
    return sq_udp_passes_up(udp, to, &datagram) ? sq_udp_send_one(udp, to, data, len) : 0;
}

size_t sq_udp_gso_run(const struct sq_udp *udp, const struct iovec *d, size_t n)
{
    if (!udp->gso || n < SQ_UDP_GSO_MIN || d[0].iov_len == 0) {
        return 1;
    }
    size_t size = d[0].iov_len;
    size_t bytes = size;
    size_t run = 1;
    while (run < n && run < GSO_SEGMENTS_MAX && d[run].iov_len > 0 && d[run].iov_len <= size &&
           bytes + d[run].iov_len <= SQ_UDP_GSO_BYTES_MAX) {
        bytes += d[run].iov_len;
        run++;
        if (d[run - 1].iov_len < size) { /* only the last segment may be shorter */
            break;
        }
    }
    return run >= SQ_UDP_GSO_MIN ? run : 1;
}

void sq_udp_set_gso(struct msghdr *msg, struct sq_udp_gso_control *control, size_t segment)
{
    msg->msg_control = control->bytes;
    msg->msg_controllen = sizeof(control->bytes);
    struct cmsghdr *h = CMSG_FIRSTHDR(msg);
    h->cmsg_level = IPPROTO_UDP;
    h->cmsg_type = UDP_SEGMENT;
    h->cmsg_len = CMSG_LEN(sizeof(uint16_t));
    uint16_t size = (uint16_t)segment;
    memcpy(CMSG_DATA(h), &size, sizeof(size));
}

static size_t bytes_of(const struct iovec *d, size_t n)
{
    size_t bytes = 0;
    for (size_t i = 0; i < n; i++) {
        bytes += d[i].iov_len;
    }
    return bytes;
}

/* Sends at most SQ_UDP_BATCH_MAX datagrams in one system call; sets *ret_sent, and returns the
 * error that stopped it or 0. */
static int send_some(struct sq_udp *udp, const struct sq_addr *to, const struct iovec *datagrams,
                     size_t n, size_t *ret_sent)
{
    struct mmsghdr msgs[SQ_UDP_BATCH_MAX];
    struct sq_udp_gso_control controls[SQ_UDP_BATCH_MAX / SQ_UDP_GSO_MIN];
    unsigned count = 0;
    size_t gso_count = 0;
    for (size_t at = 0; at < n && count < SQ_UDP_BATCH_MAX;) {
        size_t run = gso_count < SQ_UDP_BATCH_MAX / SQ_UDP_GSO_MIN
                         ? sq_udp_gso_run(udp, datagrams + at, n - at)
                         : 1;
        struct msghdr *msg = &msgs[count++].msg_hdr;
        *msg = (struct msghdr){.msg_name = to ? (void *)&to->sa : NULL,
                               .msg_namelen = to ? sq_addr_len(to) : 0,
                               .msg_iov = (struct iovec *)(datagrams + at),
                               .msg_iovlen = run};
        if (run > 1) {
            sq_udp_set_gso(msg, &controls[gso_count++], datagrams[at].iov_len);
        }
        at += run;
    }
    int done = sendmmsg(udp->fd, msgs, count, 0);
    int err = done < 0 ? SQ_ERR_IO : 0;
    size_t sent = 0;
    for (int i = 0; i < done; i++) {
        size_t segments = msgs[i].msg_hdr.msg_iovlen;
        sq_udp_count_sent(udp, segments, bytes_of(datagrams + sent, segments));
        sent += segments;
    }
    *ret_sent = sent;
    return err;
}

size_t sq_udp_send_now(struct sq_udp *udp, int earlier, const struct sq_addr *to,
                       const struct iovec *datagrams, size_t n)
{
    size_t at = 0;
    while (at < n) {
        size_t sent = 0;
        /* sendmmsg tells an error only when its first message met it: the next round finds it. */
        int err = send_some(udp, to, datagrams + at, n - at, &sent);
        at += sent;
        if (err == 0) {
            (void)sq_udp_count_refusal(udp, earlier);
            earlier = 0;
        } else if (may_be_earlier(errno, &earlier)) {
            continue;
        } else if (udp->gso && sq_udp_gso_run(udp, datagrams + at, n - at) > 1 &&
                   (errno == EINVAL || errno == EIO || errno == EOPNOTSUPP)) {
            udp->gso = false; /* this path cannot: one by one from here on */
        } else {
            (void)count_stop(udp, errno, earlier, n - at);
            break;
        }
    }
    return at;
}

size_t sq_udp_send_together(struct sq_udp *udp, const struct sq_addr *to,
                            const struct iovec *datagrams, size_t n)
{
    struct sq_udp_batch *batch = sq_udp_batch_of(udp->loop);
    to = effective_to(udp, to);
    if (!batch) {
        flush_queued(udp);
        return sq_udp_send_now(udp, 0, to, datagrams, n);
    }
    for (size_t at = 0; at < n;) {
        size_t run = sq_udp_gso_run(udp, datagrams + at, n - at);
        sq_udp_batch_queue(batch, udp, to, datagrams + at, run);
        at += run;
    }
    return n;
}

/* Those that the link lets pass at once go on together; the others are on their way, or lost. */
size_t sq_udp_send_batch(struct sq_udp *udp, const struct sq_addr *to,
                         const struct iovec *datagrams, size_t n)
{
    size_t at = 0;
    while (udp->port && at < n) {
        size_t run = 0;
        while (at + run < n && sq_udp_passes_up(udp, to, &datagrams[at + run])) {
            run++;
        }
        size_t sent = run > 0 ? sq_udp_send_together(udp, to, datagrams + at, run) : 0;
        if (sent < run) {
            return at + sent;
        }
        at += run + (at + run < n);
    }
    return udp->port ? n : sq_udp_send_together(udp, to, datagrams, n);
}

void sq_udp_get_counters(const struct sq_udp *udp, struct sq_udp_counters *ret_counters)
{
    flush_queued(udp);
    *ret_counters = udp->counters;
    /* SO_MEMINFO tells the socket's drops whenever asked; SO_RXQ_OVFL would tell them only with the
     * next datagram that gets through. */
    uint32_t info[SK_MEMINFO_VARS];
    socklen_t len = sizeof(info);
    if (getsockopt(udp->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 &&
        len > SK_MEMINFO_DROPS * sizeof(uint32_t)) {
        ret_counters->recv_drops = info[SK_MEMINFO_DROPS];
    }
}

void sq_udp_take_failures(struct sq_udp *udp, struct sq_udp_failures *ret_failures)
{
    struct sq_udp_counters c;
    sq_udp_get_counters(udp, &c);
    const struct sq_udp_failures now = {.send_errors = c.send_again + c.send_nobufs + c.send_errors,
                                        .send_refused = c.send_refused,
                                        .recv_drops = c.recv_drops};
    *ret_failures =
        (struct sq_udp_failures){.send_errors = now.send_errors - udp->taken.send_errors,
                                 .send_refused = now.send_refused - udp->taken.send_refused,
                                 .recv_drops = now.recv_drops - udp->taken.recv_drops};
    udp->taken = now;
}

void sq_udp_buffer_sizes(const struct sq_udp *udp, int *ret_recv_bytes, int *ret_send_bytes)
{
    socklen_t len = sizeof(int);
    (void)getsockopt(udp->fd, SOL_SOCKET, SO_RCVBUF, ret_recv_bytes, &len);
    len = sizeof(int);
    (void)getsockopt(udp->fd, SOL_SOCKET, SO_SNDBUF, ret_send_bytes, &len);
}
