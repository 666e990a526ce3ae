/* Datagrams to a server over DTLS 1.2 (RFC 6347), client side: a UDP socket of its own, and a
 * certificate that is checked for the server's name as TLS does (net/stream.h). What a server's
 * peers do among themselves, with fingerprints and keys for SRTP, is peer/dtls. */
#ifndef SQ_NET_UDP_TLS_H
#define SQ_NET_UDP_TLS_H

#include "base/addr.h"
#include "net/loop.h"
#include "net/stream.h"

struct sq_udp_tls;

/* What a record adds to a datagram: 13 header, 8 nonce, 16 tag of AES-GCM; more with CBC. */
#define SQ_UDP_TLS_OVERHEAD_MAX  85
#define SQ_UDP_TLS_HANDSHAKE_MTU 1200 /* bytes of a datagram of the handshake */

/* Copied, the strings too. */
struct sq_udp_tls_options {
    struct sq_addr remote;
    const struct sq_addr *bind;        /* nullable: local address */
    struct sq_tls_options tls_options; /* server_name is needed, alpn is not looked at */
    uint64_t timeout_ns;               /* of the handshake; 0: SQ_STREAM_TIMEOUT_DEFAULT_NS */
    /* Until the first flight is sent again, then doubled; 0: a second (RFC 6347, 4.2.4.1). */
    uint32_t retransmit_first_ms;
    int recv_buffer_bytes, send_buffer_bytes; /* 0: the system's default */
    struct sq_link *link;                     /* nullable: it goes over that (net/link.h) */
};

/* All run from the loop; it may be closed in each. */
struct sq_udp_tls_events {
    void (*on_open)(void *ctx);
    /* One datagram. May be changed, valid until this iteration's flush hooks have run. */
    void (*on_data)(void *ctx, uint8_t *data, size_t len, uint64_t recv_ns);
    /* Once; nothing follows. err 0: the server closed in order. SQ_ERR_TLS, _TIMEOUT, _REFUSED,
     * _CLOSED; `during` is SQ_STREAM_TLS or SQ_STREAM_OPEN. */
    void (*on_end)(void *ctx, const struct sq_stream_end *end);
};

/* Sends the ClientHello. SQ_ERR_NOMEM, SQ_ERR_IO (errno), SQ_ERR_TLS (the CA file cannot be read,
 * or the name cannot be a server's); the rest comes to on_end. */
int sq_udp_tls_open(struct sq_loop *loop, const struct sq_udp_tls_options *options,
                    const struct sq_udp_tls_events *events, void *ctx,
                    struct sq_udp_tls **ret_udp_tls) SQ_MUST_USE;
/* One datagram; what the kernel does not take is lost, as on a network. SQ_ERR_STATE unless open,
 * SQ_ERR_TLS. */
int sq_udp_tls_send(struct sq_udp_tls *udp_tls, const void *data, size_t len) SQ_MUST_USE;
/* Says close_notify where it is open. No callback. NULL is allowed. */
void sq_udp_tls_close(struct sq_udp_tls *udp_tls);
/* Its socket, for the counters. */
struct sq_udp *sq_udp_tls_socket(const struct sq_udp_tls *udp_tls);

#endif
