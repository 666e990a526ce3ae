#include "net/ring.h"

#include "base/mem.h"
#include <errno.h>
#include <stdbool.h>

#ifdef SQ_HAVE_URING
#include <liburing.h>

struct sq_ring {
    struct io_uring uring;
};

int sq_ring_new(struct sq_ring **ret_ring)
{
    /* Completions are taken by the thread that submits, without interrupting it: 6.1, 5.19, older.
     */
    static const unsigned kinds[] = {IORING_SETUP_SINGLE_ISSUER | IORING_SETUP_DEFER_TASKRUN,
                                     IORING_SETUP_COOP_TASKRUN, 0};
    struct sq_ring *ring = sq_zalloc(sizeof(*ring));
    if (!ring) {
        return SQ_ERR_NOMEM;
    }
    int err = -EINVAL;
    for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]) && err == -EINVAL; i++) {
        err = io_uring_queue_init(SQ_RING_CALLS_MAX, &ring->uring, kinds[i]);
    }
    if (err) {
        sq_free(ring);
        return err == -ENOMEM ? SQ_ERR_NOMEM : SQ_ERR_UNSUPPORTED;
    }
    *ret_ring = ring;
    return 0;
}

void sq_ring_free(struct sq_ring *ring)
{
    if (ring) {
        io_uring_queue_exit(&ring->uring);
        sq_free(ring);
    }
}

/* Takes completions until `n` calls have theirs. */
static int complete(struct sq_ring *ring, struct sq_ring_call *calls, size_t n)
{
    size_t done = 0;
    while (done < n) {
        struct io_uring_cqe *cqe;
        int err = io_uring_wait_cqe(&ring->uring, &cqe);
        if (err == -EINTR) {
            continue;
        }
        if (err) {
            return SQ_ERR_IO;
        }
        unsigned head;
        unsigned seen = 0;
        io_uring_for_each_cqe(&ring->uring, head, cqe)
        {
            calls[cqe->user_data].result = cqe->res;
            seen++;
        }
        io_uring_cq_advance(&ring->uring, seen);
        done += seen;
    }
    return 0;
}

static int run(struct sq_ring *ring, struct sq_ring_call *calls, size_t n, bool send)
{
    for (size_t i = 0; i < n; i++) {
        calls[i].result = SQ_RING_UNTRIED;
    }
    for (size_t i = 0; i < n; i++) {
        struct io_uring_sqe *sqe = io_uring_get_sqe(&ring->uring);
        if (!sqe) {
            return SQ_ERR_IO;
        }
        struct msghdr *msg = calls[i].msg;
        if (send && !msg->msg_name && msg->msg_controllen == 0 && msg->msg_iovlen == 1) {
            /* As send(2) is: less for the kernel to copy and check. */
            io_uring_prep_send(sqe, calls[i].fd, msg->msg_iov->iov_base, msg->msg_iov->iov_len,
                               MSG_DONTWAIT);
        } else if (send) {
            io_uring_prep_sendmsg(sqe, calls[i].fd, msg, MSG_DONTWAIT);
        } else {
            io_uring_prep_recvmsg(sqe, calls[i].fd, msg, MSG_DONTWAIT);
        }
        sqe->user_data = i;
    }
    size_t submitted = 0;
    while (submitted < n) {
        int count = io_uring_submit(&ring->uring);
        if (count == -EINTR) {
            continue;
        }
        if (count <= 0) {
            (void)complete(ring, calls, submitted); /* what those came to is not lost */
            return SQ_ERR_IO;
        }
        submitted += (size_t)count;
    }
    return complete(ring, calls, n);
}

int sq_ring_sendmsg(struct sq_ring *ring, struct sq_ring_call *calls, size_t n)
{
    return run(ring, calls, n, true);
}

int sq_ring_recvmsg(struct sq_ring *ring, struct sq_ring_call *calls, size_t n)
{
    return run(ring, calls, n, false);
}

#else

int sq_ring_new(struct sq_ring **ret_ring)
{
    (void)ret_ring;
    return SQ_ERR_UNSUPPORTED;
}

void sq_ring_free(struct sq_ring *ring)
{
    (void)ring;
}

int sq_ring_sendmsg(struct sq_ring *ring, struct sq_ring_call *calls, size_t n)
{
    (void)ring, (void)calls, (void)n;
    return SQ_ERR_UNSUPPORTED;
}

int sq_ring_recvmsg(struct sq_ring *ring, struct sq_ring_call *calls, size_t n)
{
    (void)ring, (void)calls, (void)n;
    return SQ_ERR_UNSUPPORTED;
}

#endif
