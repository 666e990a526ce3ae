#include "net/dtls_server.h"

#include <stdlib.h>
#include <string.h>

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static void flush(struct dtls_server *s)
{
    uint8_t bytes[8192];
    int n = BIO_read(s->out, bytes, sizeof(bytes));
    if (n > 0) {
        must(sq_udp_send(s->udp, &s->client, bytes, (size_t)n) == 0);
    }
}

static void echo(struct dtls_server *s)
{
    uint8_t bytes[4096];
    int n;
    while ((n = SSL_read(s->ssl, bytes, sizeof(bytes))) > 0) {
        s->echoed++;
        for (int i = 0; i < (s->twice ? 2 : 1); i++) {
            must(SSL_write(s->ssl, bytes, n) == n);
        }
        flush(s);
    }
    s->closed = SSL_get_shutdown(s->ssl) & SSL_RECEIVED_SHUTDOWN;
}

static void on_datagram(void *ctx, const struct sq_datagram *d)
{
    struct dtls_server *s = ctx;
    bool lost = s->deaf || (s->heard < 32 && (s->lose >> s->heard & 1));
    s->heard++;
    if (lost) {
        return;
    }
    s->client = *d->from;
    must(BIO_write(s->in, d->data, (int)d->len) == (int)d->len);
    if (!s->open) {
        s->longest = d->len > s->longest ? d->len : s->longest;
        s->open = SSL_accept(s->ssl) == 1;
        flush(s);
    }
    if (s->open) {
        echo(s);
    }
}

void dtls_server_start(struct dtls_server *s, struct sq_loop *loop, const struct test_cert *cert)
{
    struct sq_udp_options o = {0};
    memset(s, 0, sizeof(*s));
    must(sq_addr_parse("127.0.0.1", 0, &o.bind) == 0);
    must(sq_udp_open(loop, &o, on_datagram, s, &s->udp) == 0);
    s->ctx = test_cert_context(cert, DTLS_server_method());
    SSL_CTX_set_options(s->ctx, SSL_OP_NO_QUERY_MTU);
    s->ssl = SSL_new(s->ctx);
    s->in = BIO_new(BIO_s_mem());
    s->out = BIO_new(BIO_s_mem());
    must(s->ssl && s->in && s->out);
    BIO_set_mem_eof_return(s->in, -1);
    SSL_set_bio(s->ssl, s->in, s->out);
    SSL_set_accept_state(s->ssl);
    must(SSL_set_mtu(s->ssl, 1200) == 1200);
}

void dtls_server_goodbye(struct dtls_server *s)
{
    (void)SSL_shutdown(s->ssl);
    flush(s);
}

void dtls_server_stop(struct dtls_server *s)
{
    SSL_free(s->ssl);
    SSL_CTX_free(s->ctx);
    sq_udp_close(s->udp);
}
