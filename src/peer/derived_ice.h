/* ICE credentials that follow from a certificate's fingerprint, so that who knows the one knows the
 * others: for signalling that is carried by hand, where each character counts (signal/pair).
 *
 * What it means: RFC 8445, section 5.3 asks for credentials that nobody off the path can guess. A
 * fingerprint is the hash of a fresh random key, so they are as hard to guess as it is. Who has
 * seen the fingerprint, which stands in every description and follows from what DTLS 1.2 sends in
 * the clear, can forge checks: that may break or lead astray a connection, but neither read nor
 * alter media, because DTLS is held to the fingerprint. */
#ifndef SQ_PEER_DERIVED_ICE_H
#define SQ_PEER_DERIVED_ICE_H

#include "base/err.h"
#include <stdint.h>

#define SQ_SHA256_BYTES      32
#define SQ_DERIVED_UFRAG_LEN 8  /* 48 bits; RFC 8839, section 5.4 asks for 24 */
#define SQ_DERIVED_PWD_LEN   24 /* 144 bits; it asks for 128 */

struct sq_derived_ice {
    char ufrag[SQ_DERIVED_UFRAG_LEN + 1];
    char pwd[SQ_DERIVED_PWD_LEN + 1];
};

/* The first characters of base64(SHA-256("squall ice ufrag\n" fingerprint)), and of the same with
 * "pwd". SQ_ERR_CRYPTO. */
int sq_derive_ice(const uint8_t fingerprint[static SQ_SHA256_BYTES],
                  struct sq_derived_ice *ret_ice) SQ_MUST_USE;

/* "AB:CD:…", 32 of them, as sq_cert_fingerprint gives it and SDP carries it (RFC 8122, section 5;
 * either case). SQ_ERR_FORMAT. */
int sq_fingerprint_bytes(const char *text, uint8_t ret_bytes[static SQ_SHA256_BYTES]) SQ_MUST_USE;

#endif
