/* The layers that a stream is made of. */
#ifndef SQ_NET_FILTER_INT_H
#define SQ_NET_FILTER_INT_H

#include "base/addr.h"
#include "net/filter.h"
#include "net/link.h"
#include "net/stream.h"

/* --- the bottom: TCP, or any connected stream descriptor --- */

/* Connects to the addresses in turn; both are borrowed. `who` ("host:port") is for error texts. One
 * that does not answer gets a second while there are others, less where timeout_ns is short, and
 * another chance when those have failed. */
struct sq_tcp_target {
    const struct sq_addr *addrs;
    size_t n;
    uint64_t timeout_ns;        /* of all of them: the owner's */
    const struct sq_addr *bind; /* nullable */
    const char *who;
};

/* What errno says of a connection: SQ_ERR_REFUSED, SQ_ERR_TIMEOUT, SQ_ERR_CLOSED, SQ_ERR_NOMEM
 * where this machine is out of descriptors, ports or memory, else SQ_ERR_IO. */
int sq_tcp_error(int e);
int sq_tcp_filter_new(const struct sq_tcp_target *target, char *text,
                      struct sq_filter **ret_filter) SQ_MUST_USE;
/* Over a connected descriptor, which is made non-blocking. release: see sq_stream_from_fd. */
int sq_fd_filter_new(int fd, void (*release)(void *ctx), void *release_ctx, char *text,
                     struct sq_filter **ret_filter) SQ_MUST_USE;
/* When connecting is to go on though nothing came: with the next address. SQ_NEVER. */
uint64_t sq_tcp_filter_next_ns(const struct sq_filter *filter);
/* The present descriptor, or -1; changes from one address to the next. */
int sq_tcp_filter_fd(const struct sq_filter *filter);
/* The watch on that descriptor, stopped by the filter before it closes it. */
struct sq_watch *sq_tcp_filter_watch(struct sq_filter *filter);

/* --- link emulation (net/link.h) --- */

/* The stream's, called from the loop when it may go on. */
struct sq_filter_ready {
    void (*fn)(void *ctx);
    void *ctx;
};

struct sq_link_side {
    struct sq_link *link;         /* kept until the filter is freed */
    const struct sq_addr *remote; /* its port and family */
    bool past_firewall;
};

/* On top of `below`. */
int sq_link_filter_new(struct sq_loop *loop, const struct sq_link_side *side,
                       struct sq_filter *below, const struct sq_filter_ready *ready,
                       struct sq_filter **ret_filter) SQ_MUST_USE;

/* --- TLS, client side --- */

/* On top of `below`, which stays the stream's. SQ_ERR_TLS: the CA file cannot be read (in text). */
int sq_tls_filter_new(struct sq_loop *loop, const struct sq_tls_options *options, const char *host,
                      const char *who, struct sq_filter *below, char *text,
                      struct sq_filter **ret_filter) SQ_MUST_USE;
/* Only checks and loads what the options name, so that a wrong file is told at once. */
int sq_tls_prepare(struct sq_loop *loop, const struct sq_tls_options *options) SQ_MUST_USE;

#endif
