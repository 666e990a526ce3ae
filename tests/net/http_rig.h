/* A server of HTTP on the tests' loop, and what an answer was. */
#ifndef TESTS_NET_HTTP_RIG_H
#define TESTS_NET_HTTP_RIG_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "net/certs.h"
#include "net/http.h"
#include "net/httpd.h"
#include "net/on_loop.h"
#include <stdio.h>

static struct sq_httpd *server;
static uint16_t server_port;
static char base[64]; /* its URL, without a path */

/* `cert` NULL: without TLS. */
static inline void serve(const struct test_cert *cert, size_t body_max_bytes,
                         void (*on_request)(void *ctx, struct sq_httpd_request *r))
{
    struct sq_httpd_options o = {.body_max_bytes = body_max_bytes};
    if (cert) {
        o.cert_pem = cert->cert_pem;
        o.key_pem = cert->key_pem;
    }
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.listen), 0);
    assert_int_equal(sq_httpd_new(loop, &o, on_request, NULL, &server), 0);
    struct sq_addr local = sq_httpd_local(server);
    server_port = sq_addr_port(&local);
    snprintf(base, sizeof(base), "http%s://127.0.0.1:%u", cert ? "s" : "", server_port);
}

struct result {
    struct sq_http_times times;
    int calls, err, status;
    enum sq_stream_phase during;
    unsigned redirects;
    struct sq_addr remote;
    size_t len;
    bool third_link;
    char text[400], url[200], body[4096], link[2][64];
};

static inline void on_response(void *ctx, const struct sq_http_response *a)
{
    struct result *r = ctx;
    r->calls++;
    r->err = a->err;
    r->status = a->status;
    r->during = a->during;
    r->redirects = a->redirects;
    r->times = a->times;
    r->remote = a->remote;
    r->len = a->body_len;
    snprintf(r->text, sizeof(r->text), "%s", a->text);
    snprintf(r->url, sizeof(r->url), "%s", a->final_url);
    snprintf(r->body, sizeof(r->body), "%s", a->body);
    for (size_t i = 0; i < 2; i++) {
        const char *link = sq_http_header(a, "link", i);
        snprintf(r->link[i], sizeof(r->link[i]), "%s", link ? link : "");
    }
    r->third_link = sq_http_header(a, "link", 2) != NULL;
}

#endif
