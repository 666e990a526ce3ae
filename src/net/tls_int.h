/* What the clients of TLS (tls.c) and DTLS (udp_tls.c) share: whom they trust, and the words for
 * what went wrong. */
#ifndef SQ_NET_TLS_INT_H
#define SQ_NET_TLS_INT_H

#include "net/loop.h"
#include "net/stream.h"
#include <openssl/ssl.h>

enum sq_tls_index { SQ_TLS_OF_STREAMS, SQ_TLS_OF_DATAGRAMS, SQ_TLS_KINDS };

struct sq_tls_kind {
    enum sq_tls_index index;
    const char *protocol; /* "TLS" */
    const SSL_METHOD *(*method)(void);
    int min_version;
    uint64_t options;
    long mode;
    BIO_METHOD *(*new_bio_method)(void); /* NULL without memory */
};

/* The loop's context for these options, made with the first call; both results are the loop's.
 * SQ_ERR_TLS: the CA file cannot be read; SQ_ERR_NOMEM. */
int sq_tls_get(struct sq_loop *loop, const struct sq_tls_kind *kind,
               const struct sq_tls_options *options, BIO_METHOD **ret_method,
               SSL_CTX **ret_ctx) SQ_MUST_USE;
/* The name that the certificate must have, and that the server is told. */
bool sq_tls_set_name(SSL *ssl, const char *name, bool insecure);
/* What went wrong in the handshake, in words that say what was expected: SQ_NET_TEXT_MAX bytes. */
void sq_tls_explain(const SSL *ssl, int ssl_error, const struct sq_tls_kind *kind, const char *who,
                    const char *name, char *text);

#endif
