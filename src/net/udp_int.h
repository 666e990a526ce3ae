/* What udp.c and udp_batch.c share. */
#ifndef SQ_NET_UDP_INT_H
#define SQ_NET_UDP_INT_H

#include "net/link_int.h"
#include "net/loop_int.h"
#include "net/udp.h"
#include <time.h>

#define SQ_UDP_MESSAGE_MAX   65536 /* a UDP datagram, or what GRO has merged, fits */
#define SQ_UDP_GSO_BYTES_MAX 65000
#define SQ_UDP_CONTROL_BYTES (CMSG_SPACE(sizeof(struct timespec)) + CMSG_SPACE(sizeof(int)))
/* In the arena, an address stands before its datagram. */
#define SQ_UDP_HEAD_BYTES ((sizeof(struct sq_addr) + 15) & ~(size_t)15)

/* What receiving and sending touch stands first. */
struct sq_udp {
    struct sq_watch watch;
    struct sq_loop *loop;
    sq_udp_recv_fn fn;
    void *ctx;
    uint64_t read_in;          /* iteration of the last read */
    uint16_t readiness;        /* how often it was ready in that iteration */
    uint16_t streak;           /* iterations in a row in which it was ready, that one included */
    unsigned queued;           /* sends that wait in the loop's batch */
    struct sq_link_port *port; /* at its link; NULL: it has none */
    int fd;
    bool connected;
    bool gso;       /* until the kernel says it cannot */
    bool receiving; /* whoever delivers frees the socket if it was closed meanwhile */
    bool closed;
    sq_udp_refused_fn refused; /* NULL: ICMP is told as the kernel does it by itself */
    struct sq_udp_counters counters;
    struct sq_udp_failures taken;
    struct sq_addr local, remote;
};

struct sq_udp_gso_control {
    _Alignas(struct cmsghdr) char bytes[CMSG_SPACE(sizeof(uint16_t))];
};

/* ---- Receiving ---- */

/* The socket is ready: reads once, or until it is empty where it was ready in the iterations before
 * too. It may be closed then, but is not freed. */
void sq_udp_read(struct sq_udp *udp);
/* It is ready more often than sockets are that get a datagram now and then: to be read until it is
 * empty. */
bool sq_udp_has_burst(const struct sq_udp *udp);
/* Whoever set `receiving` is done with it: a closed one may be gone after. */
void sq_udp_end_receiving(struct sq_udp *udp);
/* That it is ready, once more in this iteration. */
void sq_udp_note_ready(struct sq_udp *udp);
/* `from` and `data` lie in the arena and hold what recvmsg told in `msg`. */
void sq_udp_deliver(struct sq_udp *udp, const struct sq_addr *from, uint8_t *data, size_t len,
                    struct msghdr *msg);
/* recvmsg failed with `error` (errno). True: it only told that an earlier send was refused. */
bool sq_udp_count_refusal(struct sq_udp *udp, int error);

/* ---- Sending ---- */

/* How many of the datagrams may go as one GSO send; 1 if it would not pay. */
size_t sq_udp_gso_run(const struct sq_udp *udp, const struct iovec *datagrams, size_t n);
void sq_udp_set_gso(struct msghdr *msg, struct sq_udp_gso_control *control, size_t segment);
void sq_udp_count_sent(struct sq_udp *udp, size_t datagrams, size_t bytes);
/* Returns the error for the caller. */
int sq_udp_count_failure(struct sq_udp *udp, int error, size_t datagrams);
/* sq_udp_send_batch with system calls of its own. `to` NULL: the connected remote. `earlier`: what
 * a call before it met in their place, which may have been about an earlier datagram; 0: nothing.
 */
size_t sq_udp_send_now(struct sq_udp *udp, int earlier, const struct sq_addr *to,
                       const struct iovec *datagrams, size_t n);

/* As sq_udp_send and sq_udp_send_batch, past the link. */
int sq_udp_send_one(struct sq_udp *udp, const struct sq_addr *to, const void *data,
                    size_t len) SQ_MUST_USE;
size_t sq_udp_send_together(struct sq_udp *udp, const struct sq_addr *to,
                            const struct iovec *datagrams, size_t n);
/* Closes the descriptor, and frees the socket unless it is being delivered to. */
void sq_udp_dispose(struct sq_udp *udp);

/* ---- udp_link.c ---- */

int sq_udp_open_port(struct sq_udp *udp, struct sq_link *link) SQ_MUST_USE;
/* It came off the network and is to come over the socket's link, or may pass. */
bool sq_udp_passes_down(struct sq_udp *udp, const struct sq_datagram *datagram);
/* The same of what is to be sent. */
bool sq_udp_passes_up(struct sq_udp *udp, const struct sq_addr *to, const struct iovec *datagram);

/* ---- udp_batch.c ---- */

struct sq_udp_batch;

/* The loop's batch while it coalesces, made when first asked for; NULL where there is none. */
struct sq_udp_batch *sq_udp_batch_of(struct sq_loop *loop);
/* Copies a datagram, or a run of `n` that go as one GSO send, to be sent with the batch. Datagrams
 * of one socket keep their order. `to` NULL: the connected remote. */
void sq_udp_batch_queue(struct sq_udp_batch *batch, struct sq_udp *udp, const struct sq_addr *to,
                        const struct iovec *datagrams, size_t n);
/* Sends what waits now. */
void sq_udp_batch_flush(struct sq_loop *loop);

#endif
