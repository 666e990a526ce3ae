/* Certificates for tests, made on the spot. */
#ifndef TESTS_LAB_CERTS_H
#define TESTS_LAB_CERTS_H

#define CERT_PEM_MAX 4096

struct test_cert {
    char cert_pem[CERT_PEM_MAX], key_pem[CERT_PEM_MAX];
};

/* Self-signed; names as in subjectAltName: "IP:127.0.0.1". */
void test_cert_make(struct test_cert *cert, const char *names);

#endif
