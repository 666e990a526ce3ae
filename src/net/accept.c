#include "net/accept.h"

#include <errno.h>
#include <sys/socket.h>

#define BURST 64 /* connections an iteration; then others get their turn */

static bool is_shortage(int error)
{
    return error == EMFILE || error == ENFILE || error == ENOBUFS || error == ENOMEM;
}

static void pause_accepting(struct sq_acceptor *a)
{
    a->pauses++;
    sq_watch_stop(&a->watch);
    sq_timer_start(sq_loop_timers(a->loop), &a->timer, sq_loop_now(a->loop) + SQ_ACCEPT_PAUSE_NS);
}

static void on_ready(void *ctx, unsigned ready)
{
    struct sq_acceptor *a = ctx;
    (void)ready;
    for (int i = 0; i < BURST && a->watch.loop; i++) {
        struct sq_addr remote;
        socklen_t len = sizeof(remote);
        int fd = accept4(a->fd, &remote.sa, &len, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd >= 0) {
            a->fn(a->ctx, fd, &remote);
        } else if (is_shortage(errno)) {
            pause_accepting(a);
            return;
        } else if (errno != ECONNABORTED && errno != EINTR) {
            return;
        }
    }
}

static int resume(struct sq_acceptor *a)
{
    return sq_watch_start(a->loop, &a->watch, a->fd, SQ_READ, on_ready, a);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_acceptor *a = ctx;
    if (resume(a) != 0) {
        sq_timer_start(sq_loop_timers(a->loop), &a->timer, now_ns + SQ_ACCEPT_PAUSE_NS);
    }
}

int sq_acceptor_start(struct sq_acceptor *a, struct sq_loop *loop, int fd, sq_accept_fn fn,
                      void *ctx)
{
    *a = (struct sq_acceptor){.loop = loop, .fd = fd, .fn = fn, .ctx = ctx};
    sq_timer_init(&a->timer, on_timer, a);
    return resume(a);
}

void sq_acceptor_stop(struct sq_acceptor *a)
{
    sq_watch_stop(&a->watch);
    sq_timer_stop(&a->timer);
}
