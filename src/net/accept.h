/* Takes connections off a listening socket, as they come. Where the process is out of descriptors
 * or the kernel out of memory, the ones that wait would make the socket ready for ever: it is left
 * alone for a while then. */
#ifndef SQ_NET_ACCEPT_H
#define SQ_NET_ACCEPT_H

#include "base/addr.h"
#include "net/loop.h"

#define SQ_ACCEPT_PAUSE_NS (100 * SQ_NS_PER_MS)

/* `fd` is the caller's now, non-blocking and close-on-exec; `remote` is borrowed. */
typedef void (*sq_accept_fn)(void *ctx, int fd, const struct sq_addr *remote);

/* Embedded by the owner. Zero-initialised means not started; its fields are its own. */
struct sq_acceptor {
    struct sq_loop *loop;
    struct sq_watch watch;
    struct sq_timer timer;
    int fd;
    sq_accept_fn fn;
    void *ctx;
    uint64_t pauses; /* for want of descriptors or memory */
};

/* `fd` listens, is non-blocking and stays the caller's. SQ_ERR_IO (errno). */
int sq_acceptor_start(struct sq_acceptor *acceptor, struct sq_loop *loop, int fd, sq_accept_fn fn,
                      void *ctx) SQ_MUST_USE;
/* Before the descriptor is closed. Allowed on one that is not started, and from its callback. */
void sq_acceptor_stop(struct sq_acceptor *acceptor);

#endif
