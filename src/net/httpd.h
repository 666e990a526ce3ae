/* HTTP server on a loop: libmicrohttpd without threads of its own. */
#ifndef SQ_NET_HTTPD_H
#define SQ_NET_HTTPD_H

#include "base/addr.h"
#include "net/loop.h"
#include "net/ws.h"

struct sq_httpd;
struct sq_httpd_request;

#define SQ_HTTPD_BODY_DEFAULT_BYTES (1024 * 1024)
#define SQ_HTTPD_CONNECTIONS_MAX    20000

struct sq_httpd_options {
    struct sq_addr listen;          /* port 0: any, see sq_httpd_local */
    const char *cert_pem, *key_pem; /* nullable: TLS with these PEM texts (not files); copied */
    size_t body_max_bytes;          /* 0: default; more is answered 413 */
    unsigned connections_max;       /* 0: SQ_HTTPD_CONNECTIONS_MAX */
    unsigned idle_timeout_s;        /* of kept-alive connections; 0: 60 */
};

/* A complete request with its body. The handler answers with sq_httpd_reply or sq_httpd_upgrade,
 * now or later (from the loop's thread): the request lives until it is answered. */
typedef void (*sq_httpd_fn)(void *ctx, struct sq_httpd_request *request);

/* SQ_ERR_IO (errno: cannot listen), SQ_ERR_TLS, SQ_ERR_NOMEM. */
int sq_httpd_new(struct sq_loop *loop, const struct sq_httpd_options *options, sq_httpd_fn fn,
                 void *ctx, struct sq_httpd **ret_httpd) SQ_MUST_USE;
/* Requests not answered yet are dropped and must not be used afterwards. WebSockets made by
 * sq_httpd_upgrade must have been freed. NULL is allowed. Not from inside a handler. */
void sq_httpd_free(struct sq_httpd *httpd);
/* With the actual port. */
struct sq_addr sq_httpd_local(const struct sq_httpd *httpd);

const char *sq_httpd_method(const struct sq_httpd_request *request);
/* Percent-decoded, without the query. */
const char *sq_httpd_path(const struct sq_httpd_request *request);
/* A query parameter, decoded, or NULL; "" if it has no value. */
const char *sq_httpd_query(const struct sq_httpd_request *request, const char *name);
/* A header, or NULL; any case. Valid until the answer. */
const char *sq_httpd_header(const struct sq_httpd_request *request, const char *name);
/* NUL-terminated behind its bytes. */
const char *sq_httpd_body(const struct sq_httpd_request *request, size_t *ret_len);
struct sq_addr sq_httpd_remote(const struct sq_httpd_request *request);
/* Told when the server ends before the answer; the request is gone then. A client that goes away
 * while its answer is deferred is only noticed when the answer is sent. fn may be NULL. */
void sq_httpd_on_gone(struct sq_httpd_request *request, void (*fn)(void *ctx), void *ctx);

/* Answers and ends the request. headers: nullable "Name: value" lines with NULL at the end; body is
 * copied. SQ_ERR_NOMEM: the connection is closed; the request is gone in any case. */
int sq_httpd_reply(struct sq_httpd_request *request, int status, const char *const *headers,
                   const void *body, size_t body_len);
/* Is it a WebSocket upgrade (RFC 6455, section 4.2.1)? */
bool sq_httpd_is_upgrade(const struct sq_httpd_request *request);
/* Given with the server's side once the 101 answer has gone out; ws is owned by the callee (who
 * sets events and context with sq_ws_set_events), NULL if it failed. */
typedef void (*sq_httpd_ws_fn)(void *ctx, struct sq_ws *ws);
/* Answers 101. subprotocol: nullable. options: nullable, the maxima. The request is gone
 * afterwards. SQ_ERR_INVALID: not an upgrade (answered 400). */
int sq_httpd_upgrade(struct sq_httpd_request *request, const char *subprotocol,
                     const struct sq_ws_options *options, sq_httpd_ws_fn fn, void *ctx);

#endif
