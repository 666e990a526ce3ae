/* TLS, client side, over any filter: OpenSSL with a BIO whose other end is the layer below. */
#include "base/mem.h"
#include "net/filter_int.h"
#include "net/tls_int.h"
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

struct tls {
    struct sq_filter filter; /* first */
    SSL *ssl;
    const char *who; /* borrowed from the stream */
    char *name;      /* the name the certificate must have; owned */
};

/* --- the BIO --- */

static int bio_write(BIO *bio, const char *data, int len)
{
    struct sq_filter *f = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = f->below->ops->send(f->below, data, (size_t)len);
    if (n == SQ_ERR_AGAIN) {
        BIO_set_retry_write(bio);
    }
    return n < 0 ? -1 : (int)n;
}

static int bio_read(BIO *bio, char *buf, int room)
{
    struct sq_filter *f = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    ssize_t n = f->below->ops->recv(f->below, buf, (size_t)room);
    if (n == SQ_ERR_AGAIN) {
        BIO_set_retry_read(bio);
    }
    return n < 0 ? -1 : (int)n;
}

static long bio_ctrl(BIO *bio, int cmd, long num, void *ptr)
{
    return cmd == BIO_CTRL_FLUSH ? 1 : 0;
}

static int bio_create(BIO *bio)
{
    BIO_set_init(bio, 1);
    return 1;
}

static BIO_METHOD *new_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "filter");
    if (m && (!BIO_meth_set_write(m, bio_write) || !BIO_meth_set_read(m, bio_read) ||
              !BIO_meth_set_ctrl(m, bio_ctrl) || !BIO_meth_set_create(m, bio_create))) {
        BIO_meth_free(m);
        m = NULL;
    }
    return m;
}

static const struct sq_tls_kind kind = {
    .index = SQ_TLS_OF_STREAMS,
    .protocol = "TLS",
    .method = TLS_client_method,
    .min_version = TLS1_2_VERSION,
    .options = SSL_OP_IGNORE_UNEXPECTED_EOF,
    .mode = SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER,
    .new_bio_method = new_method,
};

int sq_tls_prepare(struct sq_loop *loop, const struct sq_tls_options *options)
{
    BIO_METHOD *method;
    SSL_CTX *ctx;
    return sq_tls_get(loop, &kind, options, &method, &ctx);
}

/* --- the filter --- */

static struct tls *of(struct sq_filter *f)
{
    return (struct tls *)f;
}

/* SQ_ERR_AGAIN where the layer below must first read or write. */
static bool must_wait(int ssl_error)
{
    return ssl_error == SSL_ERROR_WANT_READ || ssl_error == SSL_ERROR_WANT_WRITE;
}

static int tls_connect(struct sq_filter *f)
{
    struct tls *t = of(f);
    int err = f->below->ops->connect(f->below);
    if (err) {
        return err;
    }
    ERR_clear_error();
    int r = SSL_do_handshake(t->ssl);
    if (r == 1) {
        return 0;
    }
    int ssl_error = SSL_get_error(t->ssl, r);
    if (must_wait(ssl_error)) {
        return SQ_ERR_AGAIN;
    }
    sq_tls_explain(t->ssl, ssl_error, &kind, t->who, t->name, t->filter.text);
    return SQ_ERR_TLS;
}

static int broken(struct tls *t)
{
    if (t->filter.text[0] == '\0') { /* the layer below may have said more */
        const char *reason = ERR_reason_error_string(ERR_peek_error());
        snprintf(t->filter.text, SQ_NET_TEXT_MAX, "TLS connection to %s broken: %s", t->who,
                 reason ? reason : "closed");
    }
    return SQ_ERR_CLOSED;
}

static ssize_t tls_send(struct sq_filter *f, const void *data, size_t len)
{
    struct tls *t = of(f);
    size_t n = 0;
    ERR_clear_error();
    int r = SSL_write_ex(t->ssl, data, len, &n);
    if (r == 1) {
        return (ssize_t)n;
    }
    return must_wait(SSL_get_error(t->ssl, r)) ? SQ_ERR_AGAIN : broken(t);
}

static ssize_t tls_recv(struct sq_filter *f, void *buf, size_t room)
{
    struct tls *t = of(f);
    size_t n = 0;
    ERR_clear_error();
    int r = SSL_read_ex(t->ssl, buf, room, &n);
    if (r == 1) {
        return (ssize_t)n;
    }
    int ssl_error = SSL_get_error(t->ssl, r);
    if (ssl_error == SSL_ERROR_ZERO_RETURN) {
        return 0;
    }
    return must_wait(ssl_error) ? SQ_ERR_AGAIN : broken(t);
}

/* What it waits for is what the layer below could not do. */
static unsigned tls_wants(const struct sq_filter *f)
{
    return f->below->ops->wants(f->below);
}

static void tls_shutdown(struct sq_filter *f)
{
    ERR_clear_error();
    if (SSL_is_init_finished(of(f)->ssl)) {
        (void)SSL_shutdown(of(f)->ssl);
    }
    f->below->ops->shutdown(f->below);
}

static void tls_free(struct sq_filter *f)
{
    ERR_clear_error();
    if (of(f)->ssl && SSL_is_init_finished(of(f)->ssl)) {
        (void)SSL_shutdown(of(f)->ssl); /* some servers hear of an end only so */
    }
    SSL_free(of(f)->ssl);
    sq_free(of(f)->name);
    sq_free(of(f));
}

static const struct sq_filter_ops tls_ops = {
    .name = "tls",
    .connect = tls_connect,
    .send = tls_send,
    .recv = tls_recv,
    .wants = tls_wants,
    .shutdown = tls_shutdown,
    .free = tls_free,
};

static bool set_alpn(struct tls *t, const char *alpn)
{
    unsigned char wire[256];
    size_t n = alpn ? strlen(alpn) : 0;
    if (n == 0 || n > 255) {
        return n == 0;
    }
    wire[0] = (unsigned char)n;
    memcpy(wire + 1, alpn, n);
    return SSL_set_alpn_protos(t->ssl, wire, (unsigned)n + 1) == 0;
}

int sq_tls_filter_new(struct sq_loop *loop, const struct sq_tls_options *options, const char *host,
                      const char *who, struct sq_filter *below, char *text,
                      struct sq_filter **ret_filter)
{
    BIO_METHOD *method;
    SSL_CTX *ctx;
    int err = sq_tls_get(loop, &kind, options, &method, &ctx);
    if (err) {
        snprintf(text, SQ_NET_TEXT_MAX, "TLS with %s: cannot read the CA file '%s'", who,
                 options->ca_file ? options->ca_file : "");
        return err;
    }
    struct tls *t = sq_zalloc(sizeof(*t));
    if (!t) {
        return SQ_ERR_NOMEM;
    }
    t->filter = (struct sq_filter){.ops = &tls_ops, .below = below, .text = text};
    t->who = who;
    t->name = sq_strdup(options->server_name ? options->server_name : host);
    t->ssl = SSL_new(ctx);
    BIO *bio = t->ssl ? BIO_new(method) : NULL;
    if (!t->name || !bio) {
        BIO_free(bio);
        tls_free(&t->filter);
        return SQ_ERR_NOMEM;
    }
    BIO_set_data(bio, &t->filter);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_connect_state(t->ssl);
    if (!sq_tls_set_name(t->ssl, t->name, options->insecure) || !set_alpn(t, options->alpn)) {
        tls_free(&t->filter);
        snprintf(text, SQ_NET_TEXT_MAX, "TLS with %s: '%s' cannot be a server's name", who, host);
        return SQ_ERR_TLS;
    }
    *ret_filter = &t->filter;
    return 0;
}
