/* A byte stream to a server: TCP, or TLS over TCP, with each phase timed. */
#ifndef SQ_NET_STREAM_H
#define SQ_NET_STREAM_H

#include "base/addr.h"
#include "net/filter.h"
#include "net/loop.h"

struct sq_stream;
struct sq_link;

#define SQ_STREAM_QUEUE_DEFAULT_BYTES (1024 * 1024)
#define SQ_STREAM_TIMEOUT_DEFAULT_NS  (10 * SQ_NS_PER_SEC)

enum sq_stream_phase {
    SQ_STREAM_DNS,
    SQ_STREAM_CONNECT,
    SQ_STREAM_TLS,
    SQ_STREAM_OPEN,
    SQ_STREAM_CLOSED
};

struct sq_tls_options {
    bool insecure;           /* neither chain nor name are checked */
    const char *ca_file;     /* PEM; nullable: the system's store. Added to the system's store. */
    const char *server_name; /* nullable: the host that was connected to */
    const char *alpn;        /* nullable: "http/1.1" and the like, one name */
};

/* Whether a file can serve as `ca_file`: 0, SQ_ERR_IO with errno, SQ_ERR_FORMAT where it holds no
 * certificate in PEM, SQ_ERR_NOMEM. */
int sq_tls_check_ca(const char *ca_file) SQ_MUST_USE;

struct sq_stream_options {
    const char *host; /* name or numeric address */
    uint16_t port;
    bool tls;
    struct sq_tls_options tls_options;
    uint64_t timeout_ns;        /* whole of dns + connect + tls; 0: the default */
    size_t queue_max_bytes;     /* of bytes not yet taken by the kernel; 0: the default */
    const struct sq_addr *bind; /* nullable: local address */
    struct sq_link *link;       /* nullable: all of it goes over that (net/link.h), ... */
    bool past_firewall;         /* ... whose firewall lets it through */
};

/* Duration of each phase, 0 for one that did not happen (numeric address, no TLS). */
struct sq_stream_times {
    uint64_t dns_ns, connect_ns, tls_ns;
};

/* Told once. err 0: the other side ended in order. */
struct sq_stream_end {
    int err; /* SQ_ERR_DNS, _REFUSED, _TIMEOUT, _TLS, _CLOSED, _IO, 0; _NOMEM: this
                machine has no more sockets, ports or memory */
    enum sq_stream_phase during; /* where it happened */
    const char *text; /* one sentence: "cannot connect to example.org:443 (10.0.0.1): Connection
                         refused"; valid during the callback */
};

/* All nullable but on_end; all run from the loop; the stream may be freed in each. */
struct sq_stream_events {
    void (*on_open)(void *ctx);
    void (*on_data)(void *ctx, const uint8_t *data, size_t len); /* valid during the call */
    void (*on_drained)(void *ctx); /* the send queue was not empty and is empty now */
    void (*on_end)(void *ctx, const struct sq_stream_end *end);
};

/* Starts resolving and connecting; every address of the name is tried in turn. Strings are copied.
 * SQ_ERR_NOMEM, SQ_ERR_INVALID, SQ_ERR_TLS (ca_file cannot be read); all later troubles come to
 * on_end. */
int sq_stream_connect(struct sq_loop *loop, const struct sq_stream_options *options,
                      const struct sq_stream_events *events, void *ctx,
                      struct sq_stream **ret_stream) SQ_MUST_USE;
/* An open stream over a connected descriptor (accepted, or one that a library hands over). `early`
 * bytes, copied, are delivered first, from the loop. When the stream is freed, release(release_ctx)
 * runs instead of close(fd), if not NULL. On failure the descriptor stays the caller's. */
int sq_stream_from_fd(struct sq_loop *loop, int fd, const void *early, size_t early_len,
                      void (*release)(void *ctx), void *release_ctx,
                      const struct sq_stream_events *events, void *ctx,
                      struct sq_stream **ret_stream) SQ_MUST_USE;
/* Copies what the kernel does not take at once. SQ_ERR_NOSPACE: the queue would exceed its maximum
 * and nothing was taken. SQ_ERR_STATE: not open. */
int sq_stream_send(struct sq_stream *stream, const void *data, size_t len) SQ_MUST_USE;
size_t sq_stream_queued_bytes(const struct sq_stream *stream);
/* Sends what is queued, then closes in order; on_end comes with err 0. */
void sq_stream_shutdown(struct sq_stream *stream);
/* Closes at once; no callback. NULL is allowed; from any callback. */
void sq_stream_free(struct sq_stream *stream);

void sq_stream_set_events(struct sq_stream *stream, const struct sq_stream_events *events,
                          void *ctx);
void sq_stream_get_times(const struct sq_stream *stream, struct sq_stream_times *ret_times);
/* Of the connected socket; family AF_UNSPEC before. */
struct sq_addr sq_stream_remote(const struct sq_stream *stream);
struct sq_addr sq_stream_local(const struct sq_stream *stream);

#endif
