/* A DTLS 1.2 server on the test's own loop, with OpenSSL over memory: one client, whose datagrams
 * it sends back. */
#ifndef TESTS_NET_DTLS_SERVER_H
#define TESTS_NET_DTLS_SERVER_H

#include "net/certs.h"
#include "net/udp.h"
#include <openssl/ssl.h>

struct dtls_server {
    struct sq_udp *udp;
    SSL_CTX *ctx;
    SSL *ssl;
    BIO *in, *out;
    struct sq_addr client;
    unsigned lose; /* bit n: datagram n from the client never came */
    bool deaf;     /* hears and answers nothing */
    bool twice;    /* sends each datagram back in two records of one datagram */
    unsigned heard, echoed;
    size_t longest; /* datagram that the client sent until the handshake was over */
    bool open, closed;
};

void dtls_server_start(struct dtls_server *server, struct sq_loop *loop,
                       const struct test_cert *cert);
/* close_notify. */
void dtls_server_goodbye(struct dtls_server *server);
void dtls_server_stop(struct dtls_server *server);

#endif
