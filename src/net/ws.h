/* WebSocket (RFC 6455), client and server; framing by libwslay. */
#ifndef SQ_NET_WS_H
#define SQ_NET_WS_H

#include "net/loop.h"
#include "net/stream.h"

struct sq_ws;

#define SQ_WS_MESSAGE_DEFAULT_BYTES (1024 * 1024)
#define SQ_WS_QUEUE_DEFAULT_BYTES   (4 * 1024 * 1024)
#define SQ_WS_HEAD_MAX_BYTES        16384 /* of the server's answer to the upgrade */
#define SQ_WS_BODY_SHOWN_BYTES      200

struct sq_ws_options {
    const char *url;            /* ws://host[:port][/path][?query] or wss://…; client only */
    const char *origin;         /* nullable */
    const char *subprotocol;    /* nullable; then the server must choose it */
    const char *const *headers; /* nullable; "Name: value" lines, NULL at the end */
    struct sq_tls_options tls;
    uint64_t timeout_ns;      /* until open; 0: SQ_STREAM_TIMEOUT_DEFAULT_NS */
    size_t message_max_bytes; /* 0: default; a longer message closes with 1009 */
    size_t queue_max_bytes;   /* unsent messages; 0: default */
    struct sq_link *link;     /* nullable: it goes over that, past its firewall ...; client only */
    bool through_firewall;    /* ... or where that lets it */
};

struct sq_ws_end {
    int err; /* 0: closed in order by either side; SQ_ERR_DNS, _REFUSED (also an answer other than
                101), _TIMEOUT, _TLS, _FORMAT (not WebSocket), _CLOSED (without a close frame), _IO
              */
    enum sq_stream_phase during; /* SQ_STREAM_OPEN also while the upgrade is asked for */
    bool was_open;
    uint16_t code;      /* close code received, 1006 if none came (RFC 6455, section 7.1.5) */
    const char *reason; /* of the close frame; "" */
    int http_status;    /* of an answer to the upgrade, 0 if none */
    const char *body;   /* first SQ_WS_BODY_SHOWN_BYTES of a refusal; "" */
    const char *text;   /* one sentence; valid, as the others, during the callback */
};

/* All nullable but on_end; the WebSocket may be freed in each. */
struct sq_ws_events {
    void (*on_open)(void *ctx);
    /* `text` is NUL-terminated behind its len bytes, valid during the call. Binary messages come
     * here too, with is_text false. Text is valid UTF-8. */
    void (*on_message)(void *ctx, const char *text, size_t len, bool is_text);
    void (*on_pong)(void *ctx, const uint8_t *data, size_t len);
    void (*on_end)(void *ctx, const struct sq_ws_end *end);
};

/* SQ_ERR_INVALID (url), SQ_ERR_NOMEM, SQ_ERR_TLS (ca_file); the rest comes to on_end. */
int sq_ws_connect(struct sq_loop *loop, const struct sq_ws_options *options,
                  const struct sq_ws_events *events, void *ctx, struct sq_ws **ret_ws) SQ_MUST_USE;
/* The server's side on a descriptor for which the 101 answer has been sent. `early`, release: as in
 * sq_stream_from_fd. options: the maxima only; nullable. on_open does not run: it is open. */
int sq_ws_server(struct sq_loop *loop, int fd, const void *early, size_t early_len,
                 void (*release)(void *ctx), void *release_ctx, const struct sq_ws_options *options,
                 const struct sq_ws_events *events, void *ctx, struct sq_ws **ret_ws) SQ_MUST_USE;
/* Sec-WebSocket-Accept for a Sec-WebSocket-Key (RFC 6455, section 4.2.2), with its NUL. */
void sq_ws_accept_value(const char *key, char ret_accept[static 29]);

/* SQ_ERR_STATE: not open (any more); SQ_ERR_NOSPACE: the queue is full; SQ_ERR_NOMEM. */
int sq_ws_send_text(struct sq_ws *ws, const char *text, size_t len) SQ_MUST_USE;
int sq_ws_send_binary(struct sq_ws *ws, const void *data, size_t len) SQ_MUST_USE;
int sq_ws_ping(struct sq_ws *ws, const void *data, size_t len) SQ_MUST_USE; /* len <= 125 */
/* Sends what is queued and a close frame; on_end follows with the other side's code (or after 2 s
 * without). reason is nullable, at most 123 bytes. */
void sq_ws_close(struct sq_ws *ws, uint16_t code, const char *reason);
/* At once; no callback. NULL is allowed; from any callback. */
void sq_ws_free(struct sq_ws *ws);

size_t sq_ws_queued_bytes(const struct sq_ws *ws);
/* dns, connect, tls; and the upgrade's round trip in ns (0 before it is done). */
void sq_ws_get_times(const struct sq_ws *ws, struct sq_stream_times *ret_times,
                     uint64_t *ret_upgrade_ns);
void sq_ws_set_events(struct sq_ws *ws, const struct sq_ws_events *events, void *ctx);

#endif
