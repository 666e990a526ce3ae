/* TLS, client side, over any filter: OpenSSL with a BIO whose other end is the layer below. */
#include "base/mem.h"
#include "net/filter_int.h"
#include "net/loop_int.h"
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#define CONTEXTS_MAX 64 /* different CA files of one loop */

/* One SSL_CTX for each way of trusting: reading the system's store takes some 10 ms. */
struct tls_context {
    struct tls_context *next;
    SSL_CTX *ctx;
    bool insecure;
    char *ca_file; /* nullable */
};

struct tls_service {
    BIO_METHOD *method;
    struct tls_context *contexts;
    size_t count;
};

struct tls {
    struct sq_filter filter; /* first */
    SSL *ssl;
    const char *who; /* borrowed from the stream */
    char *name;      /* the name the certificate must have; owned */
    unsigned wants;
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

/* --- contexts of a loop --- */

static void free_context(struct tls_context *c)
{
    SSL_CTX_free(c->ctx);
    sq_free(c->ca_file);
    sq_free(c);
}

static void free_service(void *service)
{
    struct tls_service *s = service;
    while (s->contexts) {
        struct tls_context *c = s->contexts;
        s->contexts = c->next;
        free_context(c);
    }
    BIO_meth_free(s->method);
    sq_free(s);
}

static int get_service(struct sq_loop *loop, struct tls_service **ret_service)
{
    struct tls_service *s = sq_loop_service(loop, SQ_SERVICE_TLS);
    if (!s) {
        s = sq_zalloc(sizeof(*s));
        if (!s) {
            return SQ_ERR_NOMEM;
        }
        s->method = new_method();
        if (!s->method) {
            sq_free(s);
            return SQ_ERR_NOMEM;
        }
        sq_loop_set_service(loop, SQ_SERVICE_TLS, s, free_service);
    }
    *ret_service = s;
    return 0;
}

static int new_context(const struct sq_tls_options *o, struct tls_context **ret_context)
{
    struct tls_context *c = sq_zalloc(sizeof(*c));
    if (!c) {
        return SQ_ERR_NOMEM;
    }
    int err = SQ_ERR_NOMEM;
    c->insecure = o->insecure;
    if (o->ca_file && !(c->ca_file = sq_strdup(o->ca_file))) {
        goto out;
    }
    err = SQ_ERR_TLS;
    ERR_clear_error();
    c->ctx = SSL_CTX_new(TLS_client_method());
    if (!c->ctx || !SSL_CTX_set_min_proto_version(c->ctx, TLS1_2_VERSION)) {
        goto out;
    }
    SSL_CTX_set_options(c->ctx, SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_CTX_set_mode(c->ctx, SSL_MODE_ENABLE_PARTIAL_WRITE | SSL_MODE_RELEASE_BUFFERS |
                                 SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER);
    if (!o->insecure) {
        if (!SSL_CTX_set_default_verify_paths(c->ctx)) {
            goto out;
        }
        SSL_CTX_set_verify(c->ctx, SSL_VERIFY_PEER, NULL);
    }
    if (o->ca_file && !SSL_CTX_load_verify_file(c->ctx, o->ca_file)) {
        goto out;
    }
    *ret_context = c;
    err = 0;
out:
    if (err) {
        free_context(c);
    }
    return err;
}

static int get_context(struct sq_loop *loop, const struct sq_tls_options *o,
                       struct tls_service **ret_service, SSL_CTX **ret_ctx)
{
    struct tls_service *s;
    int err = get_service(loop, &s);
    if (err) {
        return err;
    }
    struct tls_context *c = s->contexts;
    while (c && !(c->insecure == o->insecure && !c->ca_file == !o->ca_file &&
                  (!c->ca_file || strcmp(c->ca_file, o->ca_file) == 0))) {
        c = c->next;
    }
    if (!c) {
        err = s->count < CONTEXTS_MAX ? new_context(o, &c) : SQ_ERR_NOMEM;
        if (err) {
            return err;
        }
        c->next = s->contexts;
        s->contexts = c;
        s->count++;
    }
    *ret_service = s;
    *ret_ctx = c->ctx;
    return 0;
}

int sq_tls_prepare(struct sq_loop *loop, const struct sq_tls_options *options)
{
    struct tls_service *s;
    SSL_CTX *ctx;
    return get_context(loop, options, &s, &ctx);
}

/* --- the filter --- */

static struct tls *of(struct sq_filter *f)
{
    return (struct tls *)f;
}

/* What went wrong in the handshake, in words that say what was expected. */
static int explain(struct tls *t, int ssl_error)
{
    char *text = t->filter.text;
    long verify = SSL_get_verify_result(t->ssl);
    unsigned long code = ERR_peek_error();
    if (verify != X509_V_OK && SSL_get_verify_mode(t->ssl) != SSL_VERIFY_NONE) {
        snprintf(text, SQ_NET_TEXT_MAX,
                 "TLS with %s: its certificate is not accepted: %s (expected one for '%s' from a "
                 "trusted authority)",
                 t->who, X509_verify_cert_error_string(verify), t->name);
    } else if (code) {
        const char *reason = ERR_reason_error_string(code);
        snprintf(text, SQ_NET_TEXT_MAX, "TLS with %s failed: %s", t->who,
                 reason ? reason : "unknown error");
    } else if (ssl_error == SSL_ERROR_SYSCALL || ssl_error == SSL_ERROR_ZERO_RETURN) {
        snprintf(text, SQ_NET_TEXT_MAX, "TLS with %s failed: it closed during the handshake",
                 t->who);
    } else {
        snprintf(text, SQ_NET_TEXT_MAX, "TLS with %s failed", t->who);
    }
    return SQ_ERR_TLS;
}

/* SQ_ERR_AGAIN where the layer below must first read or write. */
static bool must_wait(struct tls *t, int ssl_error)
{
    t->wants = ssl_error == SSL_ERROR_WANT_WRITE ? SQ_READ | SQ_WRITE : SQ_READ;
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
        t->wants = SQ_READ;
        return 0;
    }
    int ssl_error = SSL_get_error(t->ssl, r);
    return must_wait(t, ssl_error) ? SQ_ERR_AGAIN : explain(t, ssl_error);
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
        t->wants = SQ_READ;
        return (ssize_t)n;
    }
    return must_wait(t, SSL_get_error(t->ssl, r)) ? SQ_ERR_AGAIN : broken(t);
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
    return must_wait(t, ssl_error) ? SQ_ERR_AGAIN : broken(t);
}

static unsigned tls_wants(const struct sq_filter *f)
{
    const struct tls *t = (const struct tls *)f;
    return t->wants | f->below->ops->wants(f->below);
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

/* SNI takes names only (RFC 6066, section 3); a certificate for an address names it as such. */
static bool set_name(struct tls *t, bool insecure)
{
    struct sq_addr numeric;
    bool is_ip = sq_addr_parse(t->name, 0, &numeric) == 0;
    if (!is_ip && !SSL_set_tlsext_host_name(t->ssl, t->name)) {
        return false;
    }
    if (insecure) {
        return true;
    }
    return is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(t->ssl), t->name) == 1
                 : SSL_set1_host(t->ssl, t->name) == 1;
}

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
    struct tls_service *service;
    SSL_CTX *ctx;
    int err = get_context(loop, options, &service, &ctx);
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
    t->wants = SQ_READ | SQ_WRITE;
    t->name = sq_strdup(options->server_name ? options->server_name : host);
    t->ssl = SSL_new(ctx);
    BIO *bio = t->ssl ? BIO_new(service->method) : NULL;
    if (!t->name || !bio) {
        BIO_free(bio);
        tls_free(&t->filter);
        return SQ_ERR_NOMEM;
    }
    BIO_set_data(bio, &t->filter);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_connect_state(t->ssl);
    if (!set_name(t, options->insecure) || !set_alpn(t, options->alpn)) {
        tls_free(&t->filter);
        snprintf(text, SQ_NET_TEXT_MAX, "TLS with %s: '%s' cannot be a server's name", who, host);
        return SQ_ERR_TLS;
    }
    *ret_filter = &t->filter;
    return 0;
}
