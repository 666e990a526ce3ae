/* sendmsg and recvmsg for many sockets in one system call: io_uring (Linux 5.19 or newer,
 * liburing).
 *
 * A socket a peer makes one system call a packet; where entering the kernel is dear (virtual
 * machines, processors with page-table isolation) that is up to half of what a packet costs.
 * Nothing is left in flight: every call has ended, as a call of its own would have, when
 * sq_ring_sendmsg or sq_ring_recvmsg returns.
 */
#ifndef SQ_NET_RING_H
#define SQ_NET_RING_H

#include "base/err.h"
#include <stddef.h>
#include <sys/socket.h>

#define SQ_RING_CALLS_MAX 64

struct sq_ring;

struct sq_ring_call {
    int fd;
    struct msghdr *msg; /* borrowed; as sendmsg(2) and recvmsg(2) take it */
    int result;         /* out: bytes, or -errno (-EAGAIN where it would have blocked) */
};

/* To be used by the calling thread alone. SQ_ERR_UNSUPPORTED where the kernel, its settings
 * (kernel.io_uring_disabled, a container's seccomp profile) or this build has none; SQ_ERR_NOMEM.
 */
int sq_ring_new(struct sq_ring **ret_ring) SQ_MUST_USE;
/* NULL is allowed. From any thread. */
void sq_ring_free(struct sq_ring *ring);
/* In order, n <= SQ_RING_CALLS_MAX, never blocking. SQ_ERR_IO: the kernel refuses the ring from now
 * on, and those whose result is SQ_RING_UNTRIED were not tried. */
#define SQ_RING_UNTRIED (-65536)
int sq_ring_sendmsg(struct sq_ring *ring, struct sq_ring_call *calls, size_t n) SQ_MUST_USE;
int sq_ring_recvmsg(struct sq_ring *ring, struct sq_ring_call *calls, size_t n) SQ_MUST_USE;

#endif
