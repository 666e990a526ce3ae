#include "run/tcp_path.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/accept.h"
#include "net/stream.h"
#include "peer/stun/stun.h"
#include "peer/turn/framing.h"
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define QUEUE_MAX     (256 * 1024) /* then datagrams are lost, as at a full link */
#define WAITING_MAX   2048         /* bytes that wait for the connection */
#define CONNECT_NS    (10 * SQ_NS_PER_SEC)
#define CLAIM_NS      (10 * SQ_NS_PER_SEC) /* for the first check of one that came in */
#define BACKLOG       256
#define UNCLAIMED_MAX 256 /* connections without their first check */
#define UFRAG_MAX     256
#define FRAME_MAX     (SQ_FRAMING_4571_HEADER + SQ_PEER_DATAGRAM_MAX)

struct sq_tcp_path {
    struct sq_tcp_paths *paths;
    struct sq_tcp_listener *listener; /* NULL: active, or claimed */
    struct sq_tcp_path *next, **prev; /* of the unclaimed or the dead ones */
    struct sq_stream *stream;
    struct sq_framing framing;
    struct sq_timer timer; /* for the claim */
    struct sq_addr remote;
    int base;
    const struct sq_tcp_path_events *events;
    void *ctx;
    uint8_t *waiting; /* owned; frames until the connection is open */
    size_t waiting_len;
    bool open, closed;
};

struct sq_tcp_listener {
    struct sq_tcp_paths *paths;
    struct sq_acceptor acceptor;
    struct sq_addr addr;
    sq_tcp_claim_fn claim;
    void *ctx;
    int fd;
    struct sq_tcp_path *unclaimed;
    size_t unclaimed_len;
};

/* ---- Life ---- */

static void leave_listener(struct sq_tcp_path *path)
{
    if (path->listener) {
        *path->prev = path->next;
        if (path->next) {
            path->next->prev = path->prev;
        }
        path->listener->unclaimed_len--;
        path->listener = NULL;
    }
}

static void free_path(struct sq_tcp_path *path)
{
    sq_timer_stop(&path->timer);
    sq_stream_free(path->stream);
    sq_framing_free(&path->framing);
    sq_free(path->waiting);
    sq_free(path);
}

/* It may be in the middle of its stream's call: it goes at the end of the iteration. */
void sq_tcp_path_close(struct sq_tcp_path *path)
{
    if (!path || path->closed) {
        return;
    }
    leave_listener(path);
    path->closed = true;
    path->events = NULL;
    sq_timer_stop(&path->timer);
    path->next = path->paths->dead;
    path->paths->dead = path;
}

void sq_tcp_paths_free_dead(struct sq_tcp_paths *paths)
{
    while (paths->dead) {
        struct sq_tcp_path *path = paths->dead;
        paths->dead = path->next;
        free_path(path);
    }
}

static void end(struct sq_tcp_path *path, const char *text)
{
    const struct sq_tcp_path_events *events = path->events;
    void *ctx = path->ctx;
    if (path->closed) {
        return;
    }
    sq_tcp_path_close(path);
    if (events) {
        events->ended(ctx, path, text);
    }
}

int sq_tcp_path_base(const struct sq_tcp_path *path)
{
    return path->base;
}

const struct sq_addr *sq_tcp_path_remote(const struct sq_tcp_path *path)
{
    return &path->remote;
}

/* ---- The stream ---- */

/* The first message of a connection that came in must be a check: its user name says for whom. */
static void claim(struct sq_tcp_path *path, const uint8_t *message, size_t len)
{
    struct sq_tcp_listener *listener = path->listener;
    struct sq_stun_msg m;
    struct sq_view user;
    char ufrag[UFRAG_MAX + 1];
    if (sq_stun_parse(message, len, &m) || sq_stun_get_text(&m, SQ_STUN_USERNAME, &user)) {
        sq_tcp_path_close(path);
        return;
    }
    struct sq_view local = sq_view_cut(&user, ':');
    if (local.len > UFRAG_MAX) {
        sq_tcp_path_close(path);
        return;
    }
    memcpy(ufrag, local.at, local.len);
    ufrag[local.len] = '\0';
    if (!listener->claim(listener->ctx, ufrag, path, &path->events, &path->ctx, &path->base)) {
        sq_tcp_path_close(path);
        return;
    }
    leave_listener(path);
    sq_timer_stop(&path->timer);
}

static void on_message(void *ctx, const uint8_t *message, size_t len)
{
    struct sq_tcp_path *path = ctx;
    if (path->closed || len == 0) {
        return;
    }
    if (path->listener) {
        claim(path, message, len);
    }
    uint8_t *bytes = path->events ? sq_keep_copy(path->paths->keep, message, len) : NULL;
    /* Room for the copy may have been made by working the batches off, and whoever heard of what
     * was in them may have closed this connection. */
    if (bytes && path->events && len <= SQ_PEER_DATAGRAM_MAX) {
        path->events->data(path->ctx, path->base, &path->remote, bytes, len,
                           sq_loop_now(path->paths->loop));
    }
}

static void on_data(void *ctx, const uint8_t *data, size_t len)
{
    struct sq_tcp_path *path = ctx;
    if (!path->closed && sq_framing_feed(&path->framing, data, len, on_message, path)) {
        end(path, "no memory for what came over TCP");
    }
}

static void on_open(void *ctx)
{
    struct sq_tcp_path *path = ctx;
    path->open = true;
    if (path->waiting_len > 0 && !path->closed) {
        int err = sq_stream_send(path->stream, path->waiting, path->waiting_len);
        (void)err; /* lost, and sent again by whoever cares */
    }
    sq_free(path->waiting);
    path->waiting = NULL;
    path->waiting_len = 0;
}

static void on_end(void *ctx, const struct sq_stream_end *told)
{
    end(ctx, told->err ? told->text : "the other side closed the connection");
}

static const struct sq_stream_events stream_events = {
    .on_open = on_open, .on_data = on_data, .on_end = on_end};

static void on_unclaimed(void *ctx, uint64_t now_ns)
{
    (void)now_ns;
    sq_tcp_path_close(ctx);
}

static struct sq_tcp_path *new_path(struct sq_tcp_paths *paths, const struct sq_addr *remote)
{
    struct sq_tcp_path *path = sq_zalloc(sizeof(*path));
    if (path) {
        path->paths = paths;
        path->remote = *remote;
        path->framing.kind = SQ_FRAMING_RFC4571;
        sq_timer_init(&path->timer, on_unclaimed, path);
    }
    return path;
}

int sq_tcp_path_open(struct sq_tcp_paths *paths, int base, const struct sq_addr *local,
                     const struct sq_addr *remote, struct sq_link *link,
                     const struct sq_tcp_path_events *events, void *ctx,
                     struct sq_tcp_path **ret_path)
{
    struct sq_tcp_path *path = new_path(paths, remote);
    char ip[SQ_ADDR_TEXT_MAX];
    if (!path) {
        return SQ_ERR_NOMEM;
    }
    const struct sq_stream_options options = {
        .host = sq_addr_format_ip(remote, ip),
        .port = sq_addr_port(remote),
        .timeout_ns = CONNECT_NS,
        .queue_max_bytes = QUEUE_MAX,
        .bind = local,
        .link = link,
    };
    path->base = base;
    path->events = events;
    path->ctx = ctx;
    int err = sq_stream_connect(paths->loop, &options, &stream_events, path, &path->stream);
    if (err) {
        free_path(path);
        return err;
    }
    *ret_path = path;
    return 0;
}

/* ---- Sending ---- */

static size_t put_frame(uint8_t *at, const struct sq_dgram *dgram)
{
    sq_store_u16(at, (uint16_t)dgram->len);
    memcpy(at + SQ_FRAMING_4571_HEADER, dgram->buf, dgram->len);
    return SQ_FRAMING_4571_HEADER + dgram->len;
}

static size_t wait_for_open(struct sq_tcp_path *path, const struct sq_dgram *dgrams, size_t n)
{
    if (!path->waiting) {
        path->waiting = sq_malloc(WAITING_MAX);
    }
    size_t kept = 0;
    for (; path->waiting && kept < n; kept++) {
        if (dgrams[kept].len > WAITING_MAX - SQ_FRAMING_4571_HEADER ||
            WAITING_MAX - path->waiting_len < dgrams[kept].len + SQ_FRAMING_4571_HEADER) {
            break;
        }
        path->waiting_len += put_frame(path->waiting + path->waiting_len, &dgrams[kept]);
    }
    return kept;
}

size_t sq_tcp_path_send(struct sq_tcp_path *path, const struct sq_dgram *dgrams, size_t n)
{
    uint8_t frames[16 * FRAME_MAX];
    size_t sent = 0;
    if (path->closed) {
        return 0;
    }
    if (!path->open) {
        return wait_for_open(path, dgrams, n);
    }
    while (sent < n) { /* some frames a write */
        size_t used = 0, count = 0;
        for (; sent + count < n && count < 16; count++) {
            if (dgrams[sent + count].len > SQ_PEER_DATAGRAM_MAX) {
                return sent;
            }
            used += put_frame(frames + used, &dgrams[sent + count]);
        }
        if (sq_stream_send(path->stream, frames, used) != 0) {
            break;
        }
        sent += count;
    }
    return sent;
}

/* ---- Listening ---- */

static void take_connection(void *ctx, int fd, const struct sq_addr *remote)
{
    struct sq_tcp_listener *listener = ctx;
    int one = 1;
    struct sq_tcp_path *path =
        listener->unclaimed_len < UNCLAIMED_MAX ? new_path(listener->paths, remote) : NULL;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    if (!path || sq_stream_from_fd(listener->paths->loop, fd, NULL, 0, NULL, NULL, &stream_events,
                                   path, &path->stream) != 0) {
        close(fd);
        sq_free(path);
        return;
    }
    path->open = true;
    path->listener = listener;
    path->next = listener->unclaimed;
    path->prev = &listener->unclaimed;
    if (path->next) {
        path->next->prev = &path->next;
    }
    listener->unclaimed = path;
    listener->unclaimed_len++;
    sq_timer_start(sq_loop_timers(listener->paths->loop), &path->timer,
                   sq_loop_now(listener->paths->loop) + CLAIM_NS);
}

static int listen_at(struct sq_tcp_listener *listener, const struct sq_addr *addr)
{
    int one = 1;
    listener->fd = socket(sq_addr_family(addr), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener->fd < 0) {
        return SQ_ERR_IO;
    }
    socklen_t len = sizeof(listener->addr);
    if (setsockopt(listener->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(listener->fd, &addr->sa, sq_addr_len(addr)) < 0 || listen(listener->fd, BACKLOG) < 0 ||
        getsockname(listener->fd, &listener->addr.sa, &len) < 0) {
        return SQ_ERR_IO;
    }
    return sq_acceptor_start(&listener->acceptor, listener->paths->loop, listener->fd,
                             take_connection, listener);
}

int sq_tcp_listener_open(struct sq_tcp_paths *paths, const struct sq_addr *addr,
                         sq_tcp_claim_fn claim_fn, void *ctx, struct sq_tcp_listener **ret_listener)
{
    struct sq_tcp_listener *listener = sq_zalloc(sizeof(*listener));
    if (!listener) {
        return SQ_ERR_NOMEM;
    }
    listener->paths = paths;
    listener->claim = claim_fn;
    listener->ctx = ctx;
    listener->fd = -1;
    int err = listen_at(listener, addr);
    if (err) {
        sq_tcp_listener_close(listener);
        return err;
    }
    *ret_listener = listener;
    return 0;
}

const struct sq_addr *sq_tcp_listener_addr(const struct sq_tcp_listener *listener)
{
    return &listener->addr;
}

void sq_tcp_listener_close(struct sq_tcp_listener *listener)
{
    if (!listener) {
        return;
    }
    while (listener->unclaimed) {
        sq_tcp_path_close(listener->unclaimed);
    }
    sq_acceptor_stop(&listener->acceptor);
    if (listener->fd >= 0) {
        close(listener->fd);
    }
    sq_free(listener);
}
