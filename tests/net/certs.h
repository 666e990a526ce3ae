/* Certificates for tests: made anew in each run. */
#ifndef TESTS_NET_CERTS_H
#define TESTS_NET_CERTS_H

#include <openssl/ssl.h>

#define CERT_PEM_MAX 4096

struct test_cert {
    char cert_pem[CERT_PEM_MAX];
    char key_pem[CERT_PEM_MAX];
};

/* A self-signed certificate for these names ("DNS:localhost,IP:127.0.0.1"), which is its own CA. */
void test_cert_make(struct test_cert *cert, const char *names);
/* Writes the certificate to a new file in /tmp; the caller unlinks it. */
void test_cert_write(const struct test_cert *cert, char path[static 64]);
/* A server's context with it; aborts where there is none. */
SSL_CTX *test_cert_context(const struct test_cert *cert, const SSL_METHOD *method);

#endif
