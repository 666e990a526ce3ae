/* What dtls.c needs of a certificate. */
#ifndef SQ_PEER_DTLS_CERT_INT_H
#define SQ_PEER_DTLS_CERT_INT_H

#include "peer/dtls/cert.h"
#include <openssl/evp.h>
#include <openssl/x509.h>

struct sq_cert {
    X509 *x509;
    EVP_PKEY *key;
    char fingerprint[SQ_FINGERPRINT_TEXT_BYTES];
};

/* "AB:CD:…" of n bytes, n at most EVP_MAX_MD_SIZE. */
void sq_fingerprint_format(const uint8_t *bytes, size_t n,
                           char out[static SQ_FINGERPRINT_TEXT_BYTES]);

#endif
