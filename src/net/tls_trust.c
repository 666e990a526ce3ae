/* One SSL_CTX for each way of trusting, kept by the loop: reading the system's store takes some
 * 10 ms. */
#include "base/mem.h"
#include "net/loop_int.h"
#include "net/tls_int.h"
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define CONTEXTS_MAX 64 /* different CA files of one loop */

struct tls_context {
    struct tls_context *next;
    SSL_CTX *ctx;
    enum sq_tls_index index;
    bool insecure;
    char *ca_file; /* nullable */
};

struct tls_service {
    BIO_METHOD *methods[SQ_TLS_KINDS]; /* NULL until the first of its kind */
    struct tls_context *contexts;
    size_t count;
};

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
    for (size_t i = 0; i < SQ_TLS_KINDS; i++) {
        BIO_meth_free(s->methods[i]);
    }
    sq_free(s);
}

static int get_service(struct sq_loop *loop, const struct sq_tls_kind *kind,
                       struct tls_service **ret_service)
{
    struct tls_service *s = sq_loop_service(loop, SQ_SERVICE_TLS);
    if (!s) {
        s = sq_zalloc(sizeof(*s));
        if (!s) {
            return SQ_ERR_NOMEM;
        }
        sq_loop_set_service(loop, SQ_SERVICE_TLS, s, free_service);
    }
    if (!s->methods[kind->index]) {
        s->methods[kind->index] = kind->new_bio_method();
    }
    *ret_service = s;
    return s->methods[kind->index] ? 0 : SQ_ERR_NOMEM;
}

static int new_context(const struct sq_tls_kind *kind, const struct sq_tls_options *o,
                       struct tls_context **ret_context)
{
    struct tls_context *c = sq_zalloc(sizeof(*c));
    if (!c) {
        return SQ_ERR_NOMEM;
    }
    int err = SQ_ERR_NOMEM;
    c->index = kind->index;
    c->insecure = o->insecure;
    if (o->ca_file && !(c->ca_file = sq_strdup(o->ca_file))) {
        goto out;
    }
    err = SQ_ERR_TLS;
    ERR_clear_error();
    c->ctx = SSL_CTX_new(kind->method());
    if (!c->ctx || !SSL_CTX_set_min_proto_version(c->ctx, kind->min_version)) {
        goto out;
    }
    SSL_CTX_set_options(c->ctx, kind->options);
    SSL_CTX_set_mode(c->ctx, kind->mode | SSL_MODE_RELEASE_BUFFERS);
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

static bool is_for(const struct tls_context *c, const struct sq_tls_kind *kind,
                   const struct sq_tls_options *o)
{
    return c->index == kind->index && c->insecure == o->insecure && !c->ca_file == !o->ca_file &&
           (!c->ca_file || strcmp(c->ca_file, o->ca_file) == 0);
}

int sq_tls_get(struct sq_loop *loop, const struct sq_tls_kind *kind,
               const struct sq_tls_options *options, BIO_METHOD **ret_method, SSL_CTX **ret_ctx)
{
    struct tls_service *s;
    int err = get_service(loop, kind, &s);
    if (err) {
        return err;
    }
    struct tls_context *c = s->contexts;
    while (c && !is_for(c, kind, options)) {
        c = c->next;
    }
    if (!c) {
        err = s->count < CONTEXTS_MAX ? new_context(kind, options, &c) : SQ_ERR_NOMEM;
        if (err) {
            return err;
        }
        c->next = s->contexts;
        s->contexts = c;
        s->count++;
    }
    *ret_method = s->methods[kind->index];
    *ret_ctx = c->ctx;
    return 0;
}

int sq_tls_check_ca(const char *ca_file)
{
    struct stat st;
    if (stat(ca_file, &st) != 0 || access(ca_file, R_OK) != 0) {
        return SQ_ERR_IO;
    }
    X509_STORE *store = S_ISREG(st.st_mode) ? X509_STORE_new() : NULL;
    int err = S_ISREG(st.st_mode) && !store                        ? SQ_ERR_NOMEM
              : store && X509_STORE_load_file(store, ca_file) == 1 ? 0
                                                                   : SQ_ERR_FORMAT;
    X509_STORE_free(store);
    ERR_clear_error();
    return err;
}

/* SNI takes names only (RFC 6066, section 3); a certificate for an address names it as such. */
bool sq_tls_set_name(SSL *ssl, const char *name, bool insecure)
{
    struct sq_addr numeric;
    bool is_ip = sq_addr_parse(name, 0, &numeric) == 0;
    if (!is_ip && !SSL_set_tlsext_host_name(ssl, name)) {
        return false;
    }
    if (insecure) {
        return true;
    }
    return is_ip ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
                 : SSL_set1_host(ssl, name) == 1;
}

void sq_tls_explain(const SSL *ssl, int ssl_error, const struct sq_tls_kind *kind, const char *who,
                    const char *name, char *text)
{
    long verify = SSL_get_verify_result(ssl);
    unsigned long code = ERR_peek_error();
    if (verify != X509_V_OK && SSL_get_verify_mode(ssl) != SSL_VERIFY_NONE) {
        snprintf(text, SQ_NET_TEXT_MAX,
                 "%s with %s: its certificate is not accepted: %s (expected one for '%s' from a "
                 "trusted authority)",
                 kind->protocol, who, X509_verify_cert_error_string(verify), name);
    } else if (code) {
        const char *reason = ERR_reason_error_string(code);
        snprintf(text, SQ_NET_TEXT_MAX, "%s with %s failed: %s", kind->protocol, who,
                 reason ? reason : "unknown error");
    } else if (ssl_error == SSL_ERROR_SYSCALL || ssl_error == SSL_ERROR_ZERO_RETURN) {
        snprintf(text, SQ_NET_TEXT_MAX, "%s with %s failed: it closed during the handshake",
                 kind->protocol, who);
    } else {
        snprintf(text, SQ_NET_TEXT_MAX, "%s with %s failed", kind->protocol, who);
    }
}
