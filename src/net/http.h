/* HTTP client on a loop: libcurl's multi interface, one a loop. Connections are kept alive and
 * shared by the loop's requests, or by those of one user only. */
#ifndef SQ_NET_HTTP_H
#define SQ_NET_HTTP_H

#include "base/str.h"
#include "net/loop.h"
#include "net/stream.h"

struct sq_http;
struct sq_http_kept;
struct sq_link;

#define SQ_HTTP_BODY_DEFAULT_BYTES (1024 * 1024)
#define SQ_HTTP_HEADERS_MAX        128
#define SQ_HTTP_TIMEOUT_DEFAULT_NS (30 * SQ_NS_PER_SEC)
#define SQ_HTTP_REDIRECTS_MAX      10

struct sq_http_options {
    const char *method; /* "GET", "POST", "PATCH", "DELETE", … */
    const char *url;
    const char *const *headers; /* nullable; "Name: value" lines, NULL at the end */
    const char *bearer;         /* nullable: Authorization: Bearer …; not sent to another host */
    const void *body;           /* nullable; copied */
    size_t body_len;
    bool no_redirects; /* else followed; 307 and 308 keep method and body (RFC 9110, 15.4),
                          303 becomes GET, 301 and 302 turn POST into GET */
    bool insecure;
    const char *ca_file;         /* nullable: the system's store */
    uint64_t timeout_ns;         /* of the whole; 0: default */
    uint64_t connect_timeout_ns; /* 0: as the whole */
    size_t body_max_bytes;       /* of the answer; 0: default; more is SQ_ERR_NOSPACE */
    struct sq_http_kept *kept;   /* borrowed, nullable: whose connections; NULL: the loop's */
    struct sq_link *link;        /* nullable: it goes over that (net/link.h) and through its
                                    firewall, by no proxy; kept until the connection is closed. With
                                    `kept` of its own, or over a connection of this request alone */
};

struct sq_http_times { /* each phase's own duration; 0 where it did not happen (kept alive) */
    uint64_t dns_ns, connect_ns, tls_ns;
    uint64_t first_byte_ns; /* from the request's start to the answer's first byte */
    uint64_t total_ns;
};

struct sq_http_header {
    const char *name, *value; /* value is trimmed */
};

/* Valid during the callback. */
struct sq_http_response {
    int err; /* 0: an answer came, whatever its status. SQ_ERR_DNS, _REFUSED, _TIMEOUT, _TLS,
                _CLOSED (without an answer), _NOSPACE (body too long), _INVALID (url), _NOMEM, _IO
              */
    enum sq_stream_phase
        during;            /* where it failed: DNS, CONNECT, TLS, OPEN (waiting for the answer) */
    const char *text;      /* one sentence for an error; "" */
    int status;            /* 0 if no answer */
    const char *final_url; /* after redirects */
    unsigned redirects;
    const struct sq_http_header *headers; /* of the last answer */
    size_t header_count;
    const char *body; /* NUL-terminated behind its body_len bytes */
    size_t body_len;
    struct sq_http_times times;
    struct sq_addr remote; /* AF_UNSPEC if unknown */
};

/* Runs once, from the loop, never from inside sq_http_start; the request is gone afterwards. */
typedef void (*sq_http_fn)(void *ctx, const struct sq_http_response *response);

/* Strings are copied. SQ_ERR_NOMEM, SQ_ERR_INVALID. */
int sq_http_start(struct sq_loop *loop, const struct sq_http_options *options, sq_http_fn fn,
                  void *ctx, struct sq_http **ret_request) SQ_MUST_USE;
/* The callback will not run. NULL is allowed; from any callback. */
void sq_http_cancel(struct sq_http *request);

/* Kept-alive connections of one user, as each browser has its own: the first request that is given
 * it opens a connection, and no other user's requests go over that. Of its loop's thread only.
 * SQ_ERR_NOMEM. Some 6 KB besides the connections. */
int sq_http_kept_new(struct sq_http_kept **ret_kept) SQ_MUST_USE;
/* Closes the connections. NULL is allowed; from callbacks, too. Not while another request with it
 * is under way. */
void sq_http_kept_free(struct sq_http_kept *kept);

/* The nth header (0 first) of that name, any case; NULL if there is none. */
const char *sq_http_header(const struct sq_http_response *response, const char *name, size_t nth);

/* Parts of a URL; views into it. port is the scheme's default where none is written. */
struct sq_url {
    struct sq_view scheme, userinfo, host, path, query, fragment; /* host without brackets */
    uint16_t port;
};
/* SQ_ERR_FORMAT. Schemes with a known port: http, https, ws, wss; else port 0. */
int sq_url_parse(const char *text, struct sq_url *ret_url) SQ_MUST_USE;
/* How many of a URL's bytes may be told to people: its query may hold a key. */
int sq_url_shown_len(const char *url);
/* A reference (RFC 3986, section 5.2: "/x", "x?y", "//h/x", an absolute URL), such as a Location or
 * Link header has, made absolute against base. Owned by the caller (sq_free); NULL: no memory or
 * no URL. */
char *sq_url_resolve(const char *base, const char *reference) SQ_MUST_USE;

#endif
