/* UDP sockets on a loop. Nothing is allocated per packet: datagrams arrive in the loop's arena.
 *
 * A received datagram may be changed in place, and stays valid until the flush hooks of the present
 * iteration have run, so that packets of many sockets can be worked on in one batch.
 */
#ifndef SQ_NET_UDP_H
#define SQ_NET_UDP_H

#include "base/addr.h"
#include "net/loop.h"
#include <sys/uio.h>

struct sq_udp;

#define SQ_UDP_BATCH_MAX 64 /* datagrams of one sq_udp_send_batch that go into one system call */
#define SQ_UDP_GSO_MIN   3  /* equal segments from which UDP_SEGMENT pays (measured) */
/* What a socket that media comes to may hold, as far as the system allows (net.core.rmem_max): in a
 * room of thirty each somebody new makes all the others send a key frame at once. */
#define SQ_UDP_MEDIA_BYTES (1024 * 1024)
#define SQ_UDP_READS_MAX   64 /* datagrams of a burst read before the next socket's turn */

struct sq_datagram {
    uint8_t *data; /* may be changed; valid until this iteration's flush hooks have run */
    size_t len;    /* up to 65,535: nothing is ever cut off */
    const struct sq_addr *from; /* valid as long as data */
    uint64_t recv_ns;           /* CLOCK_MONOTONIC: the kernel's time-stamp of arrival, which may be
                                     somewhat later than sq_loop_now; or the loop's now; or when it
                                     left the socket's link */
};

/* The socket may be closed in here. */
typedef void (*sq_udp_recv_fn)(void *ctx, const struct sq_datagram *datagram);

struct sq_udp_options {
    struct sq_addr bind;                      /* address; port 0: any, or one of the range below */
    uint16_t port_min, port_max;              /* 0, 0: no range; tried from a random place */
    int recv_buffer_bytes, send_buffer_bytes; /* 0: the system's default */
    bool no_timestamps;              /* recv_ns is the loop's now (saves some 80 ns a packet) */
    bool no_gro;                     /* do not take merged datagrams from the kernel */
    bool reuse_port;                 /* several sockets (threads) on one port */
    const struct sq_addr *multicast; /* nullable: hear this group (IPv4) on the interface that has
                                        `interface`, and share the port with others on this host;
                                        TTL 255 (RFC 6762, section 11) */
    struct sq_addr interface;
    uint8_t dscp;         /* 0..63, RFC 8837; IPv4 TOS or IPv6 traffic class */
    struct sq_link *link; /* nullable: all that is sent and received goes over it (net/link.h) */
};

struct sq_udp_counters {
    uint64_t sent, sent_bytes;
    uint64_t received, received_bytes;
    uint64_t send_again;   /* the socket buffer was full (EAGAIN) */
    uint64_t send_nobufs;  /* ENOBUFS */
    uint64_t send_refused; /* the way there refuses: an ICMP message came back (told on connected
                              sockets only), or there is no route */
    int refusal;           /* errno of the last one: ECONNREFUSED (port unreachable), EHOSTUNREACH,
                              ENETUNREACH, EACCES (prohibited); 0: none */
    uint64_t send_errors;  /* anything else */
    uint64_t recv_drops;   /* dropped by the kernel because the receive buffer was full */
    uint64_t gso_batches;
};

/* SQ_ERR_IO with errno (EADDRINUSE where the whole range is taken), SQ_ERR_INVALID, SQ_ERR_NOMEM.
 * fn may be NULL for a socket that only sends. */
int sq_udp_open(struct sq_loop *loop, const struct sq_udp_options *options, sq_udp_recv_fn fn,
                void *ctx, struct sq_udp **ret_udp) SQ_MUST_USE;
/* NULL is allowed; from any callback. What is on a link still goes out. */
void sq_udp_close(struct sq_udp *udp);
void sq_udp_set_receiver(struct sq_udp *udp, sq_udp_recv_fn fn, void *ctx);
/* 128 bytes that the receiver reads, nullable: fetched into the cache before it is called. */
void sq_udp_set_reads(struct sq_udp *udp, const void *reads);
const struct sq_addr *sq_udp_local(const struct sq_udp *udp);
int sq_udp_fd(const struct sq_udp *udp);

/* An ICMP message came back for a datagram to `to`. error: as `refusal` of the counters. */
typedef void (*sq_udp_refused_fn)(void *ctx, const struct sq_addr *to, int error);
/* Tells of each, with the receiver's ctx, while the socket hears everyone too: those are not in the
 * counters. NULL: not any more. Without the kernel's help nothing is told. Sends go on: such a
 * message may be of a moment, or forged. The socket may be closed within. */
void sq_udp_set_refused(struct sq_udp *udp, sq_udp_refused_fn fn);
/* "port unreachable (ICMP)": a refusal in words. */
const char *sq_udp_refusal_name(int error);

/* From now on only `remote` is heard, and sends to it take the short way through the kernel (send()
 * instead of sendto(): some 15 % less). Datagrams of others that had already arrived are still
 * delivered. SQ_ERR_IO. */
int sq_udp_connect(struct sq_udp *udp, const struct sq_addr *remote) SQ_MUST_USE;
/* Back to hearing everyone; the local port stays. */
int sq_udp_disconnect(struct sq_udp *udp) SQ_MUST_USE;
bool sq_udp_is_connected(const struct sq_udp *udp);

/* What is to be sent: struct iovec has no const, and sending does not write. */
static inline struct iovec sq_udp_datagram(const void *data, size_t len)
{
    union {
        const void *in;
        void *out;
    } cast = {.in = data};
    return (struct iovec){.iov_base = cast.out, .iov_len = len};
}

/* Sends at once, or, while the loop coalesces, a copy within the present iteration, together with
 * those of other sockets. `to` may be NULL or the connected remote when connected; another address
 * is sent to with sendto() even then. A failure is also counted. SQ_ERR_AGAIN (buffer full: the
 * datagram is lost, as on a network), SQ_ERR_REFUSED, SQ_ERR_IO (errno); none of them of what goes
 * with others, whose failure is only counted. */
int sq_udp_send(struct sq_udp *udp, const struct sq_addr *to, const void *data, size_t len);
/* Several datagrams to one destination: runs of SQ_UDP_GSO_MIN or more of equal size (a shorter
 * last one included) as one GSO send each, the rest with sendmmsg. Returns how many were sent (or
 * wait to be, see above), from the first on; the rest is lost and counted. */
size_t sq_udp_send_batch(struct sq_udp *udp, const struct sq_addr *to,
                         const struct iovec *datagrams, size_t n);

/* Of what counters say, what failed since the last time (all of it, the first time): sums over many
 * sockets can be kept without asking all at once. A system call, as sq_udp_get_counters. */
struct sq_udp_failures {
    uint64_t send_errors; /* EAGAIN and ENOBUFS included, refusals not */
    uint64_t send_refused, recv_drops;
};
void sq_udp_take_failures(struct sq_udp *udp, struct sq_udp_failures *ret_failures);
/* Asks the kernel for recv_drops (a system call). */
void sq_udp_get_counters(const struct sq_udp *udp, struct sq_udp_counters *ret_counters);
/* As the kernel has set them (it doubles what was asked, and bounds it by net.core.[rw]mem_max). */
void sq_udp_buffer_sizes(const struct sq_udp *udp, int *ret_recv_bytes, int *ret_send_bytes);

#endif
