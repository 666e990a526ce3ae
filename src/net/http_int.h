/* The HTTP client's two halves: a request (http.c) and libcurl's multi handle on the loop
 * (http_multi.c). */
#ifndef SQ_NET_HTTP_INT_H
#define SQ_NET_HTTP_INT_H

#include "net/http.h"
#include <curl/curl.h>

struct sq_http_multi;

/* The loop's, made at first use. */
int sq_http_multi_get(struct sq_loop *loop, struct sq_http_multi **ret_multi) SQ_MUST_USE;
CURLM *sq_http_multi_handle(struct sq_http_multi *multi);
/* Called by the multi when a request's transfer is done; the easy handle's private pointer is the
 * request. */
void sq_http_transfer_done(struct sq_http *request, CURLcode result);

#endif
