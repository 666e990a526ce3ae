/* The HTTP client's two halves: a request (http.c) and libcurl's multi handle on the loop
 * (http_multi.c). */
#ifndef SQ_NET_HTTP_INT_H
#define SQ_NET_HTTP_INT_H

#include "net/http.h"
#include <curl/curl.h>

struct sq_http_multi;
struct sq_http_relay;

/* The loop's, made at first use. */
int sq_http_multi_get(struct sq_loop *loop, struct sq_http_multi **ret_multi) SQ_MUST_USE;
CURLM *sq_http_multi_handle(struct sq_http_multi *multi);
/* Called by the multi when a request's transfer is done; the easy handle's private pointer is the
 * request. */
void sq_http_transfer_done(struct sq_http *request, CURLcode result);

/* --- http_link.c: over a link --- */

/* What became of a connection over a link that a request opened. Zero-initialise. */
struct sq_http_dial {
    struct sq_http_relay *relay; /* NULL: it is closed, or there was none */
    uint64_t open_ns;            /* when TCP stood, by the clock; 0: not yet */
    struct sq_stream_times times;
    struct sq_addr remote;
    int err; /* why it does not; 0: that is not known yet */
    enum sq_stream_phase during;
    char text[SQ_NET_TEXT_MAX];
};

/* Begins to connect, and gives an address on the loopback. When curl_fd, which is the caller's, is
 * connected to that, at once, it talks with the other side; the connection ends where that cannot
 * be reached. *dial is told of it until it is dropped, and keeps its place. SQ_ERR_NOMEM,
 * SQ_ERR_INVALID, SQ_ERR_IO. */
int sq_http_relay_open(struct sq_loop *loop, const struct sq_stream_options *to,
                       struct sq_http_dial *dial, int curl_fd,
                       struct sq_addr *ret_addr) SQ_MUST_USE;
/* Gives up what is not open yet; an open connection stays as long as libcurl keeps it. */
void sq_http_dial_drop(struct sq_http_dial *dial);

#endif
