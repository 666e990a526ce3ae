/* The records of an established DTLS 1.2 connection (RFC 6347, section 4.1) under AES-GCM
 * (RFC 5288): protected and opened here, so that OpenSSL's state, tens of kilobytes, need not
 * outlive the handshake. There is one epoch, 1: nothing is negotiated anew. */
#ifndef SQ_PEER_DTLS_DTLS_RECORD_H
#define SQ_PEER_DTLS_DTLS_RECORD_H

#include "base/err.h"
#include <openssl/ssl.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define RECORD_HEADER_BYTES   13 /* RFC 6347, section 4.1 */
#define RECORD_NONCE_BYTES    8  /* RFC 5288, section 3: explicit, in each record */
#define RECORD_SALT_BYTES     4
#define RECORD_TAG_BYTES      16
#define RECORD_KEY_MAX_BYTES  32
#define RECORD_OVERHEAD_BYTES (RECORD_HEADER_BYTES + RECORD_NONCE_BYTES + RECORD_TAG_BYTES)
#define RECORD_TEXT_MAX_BYTES 16384 /* RFC 6347, section 4.1 */

/* What the connections of a thread share. */
struct sq_dtls_cipher {
    EVP_CIPHER_CTX *gcm[2]; /* AES-128 and AES-256; keyed anew for each record */
    EVP_KDF *prf;
};

/* SQ_ERR_CRYPTO; what was made is freed by the other one in any case. */
int sq_dtls_cipher_make(struct sq_dtls_cipher *cipher) SQ_MUST_USE;
void sq_dtls_cipher_free(struct sq_dtls_cipher *cipher);

struct sq_dtls_way {
    uint8_t key[RECORD_KEY_MAX_BYTES];
    uint8_t salt[RECORD_SALT_BYTES];
};

/* One connection. Zeros before its handshake. */
struct sq_dtls_record {
    uint64_t send_seq;   /* of the next record sent */
    uint64_t send_nonce; /* its explicit nonce */
    uint64_t seen_end;   /* the highest sequence number that was authentic, plus 1 */
    uint64_t seen;       /* bit i: seen_end - 1 - i has come */
    struct sq_dtls_way send, receive;
    uint32_t key_bytes; /* 16 or 32 */
};

/* What OpenSSL sends in the handshake: its records of epoch 1 use up sequence numbers and nonces.
 */
void sq_dtls_record_note_sent(struct sq_dtls_record *record, const uint8_t *bytes, size_t len);

/* The keys of a handshake that is over. SQ_ERR_UNSUPPORTED (no AES-GCM), SQ_ERR_CRYPTO. */
int sq_dtls_record_derive(struct sq_dtls_record *record, const struct sq_dtls_cipher *cipher,
                          const SSL *ssl, bool is_client) SQ_MUST_USE;

/* Writes a record of `len` + RECORD_OVERHEAD_BYTES bytes. SQ_ERR_NOSPACE, SQ_ERR_CRYPTO;
 * SQ_ERR_STATE when the sequence numbers are used up. */
int sq_dtls_record_seal(struct sq_dtls_record *record, const struct sq_dtls_cipher *cipher,
                        uint8_t type, const uint8_t *text, size_t len, uint8_t *out,
                        size_t room) SQ_MUST_USE;

/* Opens one whole record into `text`, of RECORD_TEXT_MAX_BYTES. SQ_ERR_FORMAT (not of this epoch or
 * version, too short or too long), SQ_ERR_REPLAY (came before, or is more than 63 behind),
 * SQ_ERR_AUTH, SQ_ERR_CRYPTO; after an error everything is as before, but for `text`. */
int sq_dtls_record_open(struct sq_dtls_record *record, const struct sq_dtls_cipher *cipher,
                        const uint8_t *bytes, size_t len, uint8_t *text,
                        size_t *ret_len) SQ_MUST_USE;

#endif
