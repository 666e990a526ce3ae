/* The bottom layer of a stream: TCP, tried address by address, or a descriptor that is connected.
 */
#include "base/mem.h"
#include "base/time.h"
#include "net/filter_int.h"
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define ADDR_MAX_NS SQ_NS_PER_SEC

struct tcp {
    struct sq_filter filter; /* first: the stream holds this */
    struct sq_watch watch;
    struct sq_tcp_target target;
    size_t at;           /* the address being tried */
    size_t silent;       /* the first one that did not answer in its time; `n`: none */
    uint64_t give_up_ns; /* on it, when there are others; SQ_NEVER */
    int fd;
    bool last_chance; /* it has come back to that one */
    bool connected;
    bool write_blocked;
    void (*release)(void *ctx);
    void *release_ctx;
};

static struct tcp *of(struct sq_filter *f)
{
    return (struct tcp *)f;
}

static void close_fd(struct tcp *t)
{
    sq_watch_stop(&t->watch);
    if (t->fd >= 0) {
        if (t->release) {
            t->release(t->release_ctx);
        } else {
            close(t->fd);
        }
        t->fd = -1;
    }
}

int sq_tcp_error(int e)
{
    switch (e) {
    case ECONNREFUSED:
        return SQ_ERR_REFUSED;
    case ETIMEDOUT:
        return SQ_ERR_TIMEOUT;
    case EPIPE:
    case ECONNRESET:
        return SQ_ERR_CLOSED;
    case EMFILE:
    case ENFILE:
    case ENOBUFS:
    case ENOMEM:
    case EADDRNOTAVAIL: /* all ports towards it are taken */
        return SQ_ERR_NOMEM;
    default:
        return SQ_ERR_IO;
    }
}

static int tell(struct tcp *t, int e)
{
    char ip[SQ_ADDR_TEXT_MAX];
    snprintf(t->filter.text, SQ_NET_TEXT_MAX, "cannot connect to %s (%s): %s", t->target.who,
             sq_addr_format_ip(&t->target.addrs[t->at], ip), strerror(e));
    return sq_tcp_error(e);
}

/* Starts on address `at`: 0 connected, SQ_ERR_AGAIN, or an error with its text. */
static int start(struct tcp *t)
{
    const struct sq_addr *to = &t->target.addrs[t->at];
    t->fd = socket(sq_addr_family(to), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (t->fd < 0) {
        return tell(t, errno);
    }
    int one = 1; /* signalling messages are small and each is waited for */
    (void)setsockopt(t->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    const struct sq_addr *from = t->target.bind;
    if (from && sq_addr_family(from) == sq_addr_family(to) &&
        bind(t->fd, &from->sa, sq_addr_len(from)) < 0) {
        return tell(t, errno);
    }
    if (connect(t->fd, &to->sa, sq_addr_len(to)) == 0) {
        return 0;
    }
    return errno == EINPROGRESS ? SQ_ERR_AGAIN : tell(t, errno);
}

static int check(struct tcp *t)
{
    int e = 0;
    socklen_t len = sizeof(e);
    struct sockaddr_storage peer;
    socklen_t peer_len = sizeof(peer);
    if (getsockopt(t->fd, SOL_SOCKET, SO_ERROR, &e, &len) < 0) {
        e = errno;
    }
    if (e) {
        return tell(t, e);
    }
    return getpeername(t->fd, (struct sockaddr *)&peer, &peer_len) == 0 ? 0 : SQ_ERR_AGAIN;
}

/* Chooses the address after one that failed: the next, then for the rest of the time the first that
 * only was slow. RFC 8305 would ask several at once, which a load generator does not do to a
 * server. */
static bool next_addr(struct tcp *t)
{
    if (t->at + 1 < t->target.n && !t->last_chance) {
        t->at++;
        return true;
    }
    if (t->last_chance || t->silent == t->target.n) {
        return false;
    }
    t->last_chance = true;
    t->at = t->silent;
    return true;
}

static int try_addr(struct tcp *t)
{
    uint64_t share_ns = t->target.n > 0 ? t->target.timeout_ns / t->target.n : 0;
    bool others = t->at + 1 < t->target.n && !t->last_chance;
    t->give_up_ns =
        others && share_ns > 0 ? sq_clock_ns() + sq_min_u64(share_ns, ADDR_MAX_NS) : SQ_NEVER;
    return start(t);
}

static int tcp_connect(struct sq_filter *f)
{
    struct tcp *t = of(f);
    if (t->connected) {
        return 0;
    }
    int err = t->fd >= 0 ? check(t) : try_addr(t);
    if (err == SQ_ERR_AGAIN && sq_clock_ns() >= t->give_up_ns) {
        t->silent = t->silent < t->target.n ? t->silent : t->at;
        err = tell(t, ETIMEDOUT);
    }
    while (err != 0 && err != SQ_ERR_AGAIN) {
        close_fd(t);
        if (!next_addr(t)) {
            return err;
        }
        err = try_addr(t);
    }
    t->connected = err == 0;
    return err;
}

static ssize_t tcp_send(struct sq_filter *f, const void *data, size_t len)
{
    struct tcp *t = of(f);
    ssize_t n = send(t->fd, data, len, MSG_NOSIGNAL);
    t->write_blocked = n < 0 && (errno == EAGAIN || errno == EINTR);
    if (n >= 0) {
        t->write_blocked = (size_t)n < len;
        return n;
    }
    if (t->write_blocked) {
        return SQ_ERR_AGAIN;
    }
    snprintf(f->text, SQ_NET_TEXT_MAX, "connection to %s broken: %s", t->target.who,
             strerror(errno));
    return sq_tcp_error(errno);
}

static ssize_t tcp_recv(struct sq_filter *f, void *buf, size_t room)
{
    struct tcp *t = of(f);
    ssize_t n = recv(t->fd, buf, room, 0);
    if (n >= 0) {
        return n;
    }
    if (errno == EAGAIN || errno == EINTR) {
        return SQ_ERR_AGAIN;
    }
    snprintf(f->text, SQ_NET_TEXT_MAX, "connection to %s broken: %s", t->target.who,
             strerror(errno));
    return sq_tcp_error(errno);
}

static unsigned tcp_wants(const struct sq_filter *f)
{
    const struct tcp *t = (const struct tcp *)f;
    if (!t->connected) {
        return SQ_WRITE;
    }
    return SQ_READ | (t->write_blocked ? SQ_WRITE : 0U);
}

static void tcp_shutdown(struct sq_filter *f)
{
    if (of(f)->fd >= 0) {
        (void)shutdown(of(f)->fd, SHUT_WR);
    }
}

static void tcp_free(struct sq_filter *f)
{
    close_fd(of(f));
    sq_free(of(f));
}

static const struct sq_filter_ops tcp_ops = {
    .name = "tcp",
    .connect = tcp_connect,
    .send = tcp_send,
    .recv = tcp_recv,
    .wants = tcp_wants,
    .shutdown = tcp_shutdown,
    .free = tcp_free,
};

int sq_tcp_filter_new(const struct sq_tcp_target *target, char *text, struct sq_filter **ret_filter)
{
    struct tcp *t = sq_zalloc(sizeof(*t));
    if (!t) {
        return SQ_ERR_NOMEM;
    }
    t->filter = (struct sq_filter){.ops = &tcp_ops, .text = text};
    t->target = *target;
    t->silent = target->n;
    t->give_up_ns = SQ_NEVER;
    t->fd = -1;
    *ret_filter = &t->filter;
    return 0;
}

int sq_fd_filter_new(int fd, void (*release)(void *ctx), void *release_ctx, char *text,
                     struct sq_filter **ret_filter)
{
    int flags = fcntl(fd, F_GETFL);
    if (flags < 0 || fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0) {
        return SQ_ERR_IO;
    }
    struct sq_tcp_target none = {.who = "the other side"};
    int err = sq_tcp_filter_new(&none, text, ret_filter);
    if (err) {
        return err;
    }
    struct tcp *t = of(*ret_filter);
    t->fd = fd;
    t->connected = true;
    t->release = release;
    t->release_ctx = release_ctx;
    return 0;
}

uint64_t sq_tcp_filter_next_ns(const struct sq_filter *filter)
{
    return ((const struct tcp *)filter)->give_up_ns;
}

int sq_tcp_filter_fd(const struct sq_filter *filter)
{
    return ((const struct tcp *)filter)->fd;
}

struct sq_watch *sq_tcp_filter_watch(struct sq_filter *filter)
{
    return &of(filter)->watch;
}
