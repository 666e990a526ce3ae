/* Certificates of peers: self-signed, ECDSA on P-256, as browsers make them (RFC 8827,
 * section 6.5). Making one costs near a millisecond, so a shard makes a pool and its peers share
 * it. */
#ifndef SQ_PEER_DTLS_CERT_H
#define SQ_PEER_DTLS_CERT_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

#define SQ_CERT_POOL_MAX     256
#define SQ_CERT_POOL_DEFAULT 8
/* "AB:CD:…" of 64 bytes (SHA-512) and NUL. */
#define SQ_FINGERPRINT_TEXT_BYTES 192

/* One certificate with its key. Read-only once made: any thread may use it. */
struct sq_cert;

/* A certificate with a random subject, valid from a day ago for thirty days after `unix_time_s`.
 * SQ_ERR_NOMEM, SQ_ERR_CRYPTO. */
int sq_cert_create(int64_t unix_time_s, struct sq_cert **ret_cert) SQ_MUST_USE;
void sq_cert_destroy(struct sq_cert *cert); /* NULL is allowed */
/* SHA-256 fingerprint as SDP has it, upper-case hexadecimal with colons (RFC 8122, section 5);
 * lives as long as the certificate. */
const char *sq_cert_fingerprint(const struct sq_cert *cert);
/* The hash of sq_cert_fingerprint: "sha-256". */
const char *sq_cert_fingerprint_hash(const struct sq_cert *cert);
/* "AB:CD:…" of n bytes, at most 64. */
void sq_fingerprint_format(const uint8_t *bytes, size_t n,
                           char out[static SQ_FINGERPRINT_TEXT_BYTES]);

/* n certificates; 1 to SQ_CERT_POOL_MAX, else SQ_ERR_INVALID. */
struct sq_cert_pool;
int sq_cert_pool_create(size_t n, int64_t unix_time_s, struct sq_cert_pool **ret_pool) SQ_MUST_USE;
void sq_cert_pool_destroy(
    struct sq_cert_pool *pool); /* NULL is allowed; no peer may still use it */
size_t sq_cert_pool_size(const struct sq_cert_pool *pool);
/* Certificate number i modulo the size; owned by the pool. */
const struct sq_cert *sq_cert_pool_get(const struct sq_cert_pool *pool, size_t i);

#endif
