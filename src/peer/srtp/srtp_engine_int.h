/* What one thread's SRTP engine holds; for the files that drive a cipher library. */
#ifndef SQ_PEER_SRTP_SRTP_ENGINE_INT_H
#define SQ_PEER_SRTP_SRTP_ENGINE_INT_H

#include "peer/srtp/srtp_int.h"
#include <openssl/evp.h>

/* libipsec-mb's part, see srtp_mb.c; NULL where OpenSSL does all. */
struct mb;
int sq_srtp_mb_create(struct mb **ret_mb) SQ_MUST_USE;
void sq_srtp_mb_destroy(struct mb *mb);
size_t sq_srtp_mb_expanded_bytes(bool gcm);
/* From k->key into `expanded`, 64-byte aligned, of the size above. */
void sq_srtp_mb_expand(struct mb *mb, bool gcm, const struct keys *k, void *expanded);
/* `k` need not be expanded: short-lived keys are expanded on the way. */
int sq_srtp_mb_gcm(struct mb *mb, bool sealing, const struct keys *k, const uint8_t *iv,
                   const uint8_t *aad, size_t aad_len, uint8_t *data, size_t len,
                   uint8_t *tag) SQ_MUST_USE;
void sq_srtp_mb_cm_cipher(struct mb *mb, struct cm_item *items, size_t n, bool sending);
/* True where hashing n packets of these lengths in lanes is faster than one by one. */
bool sq_srtp_mb_lanes_pay(const struct mb *mb, const size_t *lens, size_t n);
void sq_srtp_mb_cm_tags(struct mb *mb, struct cm_item *items, const size_t *lens, size_t n,
                        bool sending);

struct sq_srtp_engine {
    struct mb *mb; /* owned; NULL: OpenSSL */
    EVP_CIPHER *gcm;
    EVP_CIPHER *ctr;
    EVP_CIPHER_CTX *seal_ctx;
    EVP_CIPHER_CTX *open_ctx;
    EVP_CIPHER_CTX *ctr_ctx;
    struct cm_item items[SQ_SRTP_BATCH_MAX];
};

static inline struct keys *keys_of(const struct cm_item *item, bool sending)
{
    struct sq_srtp *s = item->job->session;
    return sending ? &s->send.rtp : &s->receive.rtp;
}

#endif
