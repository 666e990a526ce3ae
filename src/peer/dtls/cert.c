/* Self-signed P-256 certificates and pools of them. */
#include "peer/dtls/cert.h"
#include "base/mem.h"
#include "base/rand.h"
#include "peer/dtls/cert_int.h"
#include <openssl/ec.h>
#include <stdio.h>
#include <string.h>

#define DAY_S        86400
#define VALID_DAYS   30
#define SERIAL_BYTES 8
#define NAME_BYTES   8

struct sq_cert_pool {
    size_t n;
    struct sq_cert *certs[];
};

void sq_fingerprint_format(const uint8_t *bytes, size_t n,
                           char out[static SQ_FINGERPRINT_TEXT_BYTES])
{
    static const char digits[] = "0123456789ABCDEF";
    char *at = out;
    *at = '\0';
    for (size_t i = 0; i < n; i++) {
        *at++ = digits[bytes[i] >> 4];
        *at++ = digits[bytes[i] & 15];
        *at++ = i + 1 < n ? ':' : '\0'; /* n bytes take 3 n characters with the NUL */
    }
}

static int set_names(X509 *x509)
{
    uint8_t secret[SERIAL_BYTES + NAME_BYTES];
    char name[2 * NAME_BYTES + 1];
    sq_rand_secret(secret, sizeof(secret));
    secret[0] &= 0x7f; /* a serial number is positive */
    for (size_t i = 0; i < NAME_BYTES; i++) {
        (void)snprintf(name + 2 * i, 3, "%02x", secret[SERIAL_BYTES + i]);
    }
    BIGNUM *serial = BN_bin2bn(secret, SERIAL_BYTES, NULL);
    X509_NAME *subject = X509_get_subject_name(x509);
    int ok = serial && BN_to_ASN1_INTEGER(serial, X509_get_serialNumber(x509)) && subject &&
             X509_NAME_add_entry_by_txt(subject, "CN", MBSTRING_ASC, (const uint8_t *)name, -1, -1,
                                        0) == 1 &&
             X509_set_issuer_name(x509, subject) == 1;
    BN_free(serial);
    return ok ? 0 : SQ_ERR_CRYPTO;
}

static int sign(struct sq_cert *cert, int64_t unix_time_s)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int n = 0;
    X509 *x = cert->x509;
    if (X509_set_version(x, X509_VERSION_3) != 1 || set_names(x) ||
        !ASN1_TIME_set(X509_getm_notBefore(x), (time_t)(unix_time_s - DAY_S)) ||
        !ASN1_TIME_set(X509_getm_notAfter(x), (time_t)(unix_time_s + VALID_DAYS * DAY_S)) ||
        X509_set_pubkey(x, cert->key) != 1 || X509_sign(x, cert->key, EVP_sha256()) <= 0 ||
        X509_digest(x, EVP_sha256(), digest, &n) != 1) {
        return SQ_ERR_CRYPTO;
    }
    sq_fingerprint_format(digest, n, cert->fingerprint);
    return 0;
}

int sq_cert_create(int64_t unix_time_s, struct sq_cert **ret_cert)
{
    struct sq_cert *cert = sq_zalloc(sizeof(*cert));
    if (!cert) {
        return SQ_ERR_NOMEM;
    }
    cert->key = EVP_EC_gen("P-256");
    cert->x509 = X509_new();
    int err = cert->key && cert->x509 ? sign(cert, unix_time_s) : SQ_ERR_CRYPTO;
    if (err) {
        sq_cert_destroy(cert);
        return err;
    }
    *ret_cert = cert;
    return 0;
}

void sq_cert_destroy(struct sq_cert *cert)
{
    if (!cert) {
        return;
    }
    X509_free(cert->x509);
    EVP_PKEY_free(cert->key);
    sq_free(cert);
}

const char *sq_cert_fingerprint(const struct sq_cert *cert)
{
    return cert->fingerprint;
}

const char *sq_cert_fingerprint_hash(const struct sq_cert *cert)
{
    (void)cert;
    return "sha-256";
}

int sq_cert_pool_create(size_t n, int64_t unix_time_s, struct sq_cert_pool **ret_pool)
{
    if (n < 1 || n > SQ_CERT_POOL_MAX) {
        return SQ_ERR_INVALID;
    }
    struct sq_cert_pool *pool = sq_zalloc(sizeof(*pool) + n * sizeof(struct sq_cert *));
    if (!pool) {
        return SQ_ERR_NOMEM;
    }
    for (; pool->n < n; pool->n++) {
        int err = sq_cert_create(unix_time_s, &pool->certs[pool->n]);
        if (err) {
            sq_cert_pool_destroy(pool);
            return err;
        }
    }
    *ret_pool = pool;
    return 0;
}

void sq_cert_pool_destroy(struct sq_cert_pool *pool)
{
    if (!pool) {
        return;
    }
    for (size_t i = 0; i < pool->n; i++) {
        sq_cert_destroy(pool->certs[i]);
    }
    sq_free(pool);
}

size_t sq_cert_pool_size(const struct sq_cert_pool *pool)
{
    return pool->n;
}

const struct sq_cert *sq_cert_pool_get(const struct sq_cert_pool *pool, size_t i)
{
    return pool->certs[i % pool->n];
}
