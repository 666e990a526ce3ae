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

#endif
