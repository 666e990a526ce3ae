/* The engine: OpenSSL's ciphers, and the choice between them and libipsec-mb. */
#include "base/mem.h"
#include "peer/srtp/srtp_engine_int.h"
#include <limits.h>
#include <openssl/crypto.h>
#include <string.h>

#define CACHE_LINE 64u

static int openssl_init(struct sq_srtp_engine *e)
{
    /* Fetched and bound once: a packet then only sets key and nonce. */
    static const uint8_t zeros[16];
    e->gcm = EVP_CIPHER_fetch(NULL, "AES-128-GCM", NULL);
    e->ctr = EVP_CIPHER_fetch(NULL, "AES-128-CTR", NULL);
    e->seal_ctx = EVP_CIPHER_CTX_new();
    e->open_ctx = EVP_CIPHER_CTX_new();
    e->ctr_ctx = EVP_CIPHER_CTX_new();
    if (!e->gcm || !e->ctr || !e->seal_ctx || !e->open_ctx || !e->ctr_ctx ||
        EVP_EncryptInit_ex(e->seal_ctx, e->gcm, NULL, zeros, zeros) != 1 ||
        EVP_DecryptInit_ex(e->open_ctx, e->gcm, NULL, zeros, zeros) != 1 ||
        EVP_EncryptInit_ex(e->ctr_ctx, e->ctr, NULL, zeros, zeros) != 1) {
        return SQ_ERR_CRYPTO;
    }
    return 0;
}

int sq_srtp_engine_create(enum sq_srtp_backend backend, struct sq_srtp_engine **ret_engine)
{
    struct sq_srtp_engine *e = sq_zalloc(sizeof(*e));
    if (!e) {
        return SQ_ERR_NOMEM;
    }
    int err = openssl_init(e);
    if (!err && backend != SQ_SRTP_BACKEND_OPENSSL) {
        err = sq_srtp_mb_create(&e->mb);
        if (err == SQ_ERR_UNSUPPORTED && backend == SQ_SRTP_BACKEND_AUTO) {
            err = 0;
        }
    }
    if (err) {
        sq_srtp_engine_destroy(e);
        return err;
    }
    *ret_engine = e;
    return 0;
}

void sq_srtp_engine_destroy(struct sq_srtp_engine *engine)
{
    if (!engine) {
        return;
    }
    sq_srtp_mb_destroy(engine->mb);
    EVP_CIPHER_CTX_free(engine->seal_ctx);
    EVP_CIPHER_CTX_free(engine->open_ctx);
    EVP_CIPHER_CTX_free(engine->ctr_ctx);
    EVP_CIPHER_free(engine->gcm);
    EVP_CIPHER_free(engine->ctr);
    explicit_bzero(engine, sizeof(*engine));
    sq_free(engine);
}

const char *sq_srtp_engine_backend(const struct sq_srtp_engine *engine)
{
    return engine->mb ? "ipsec-mb" : "openssl";
}

struct cm_item *sq_srtp_engine_items(struct sq_srtp_engine *e)
{
    return e->items;
}

size_t sq_srtp_expanded_bytes(const struct sq_srtp *s)
{
    return sq_srtp_mb_expanded_bytes(s->gcm) + CACHE_LINE - 16; /* malloc aligns to 16 */
}

int sq_srtp_keys_expand(struct sq_srtp_engine *e, const struct sq_srtp *s, struct keys *k)
{
    if (!e->mb || k->expanded) {
        return 0;
    }
    uint8_t *block = sq_malloc(sq_srtp_expanded_bytes(s));
    if (!block) {
        return SQ_ERR_NOMEM;
    }
    k->expanded_block = block;
    k->expanded = block + (-(uintptr_t)block & (CACHE_LINE - 1));
    sq_srtp_mb_expand(e->mb, s->gcm, k, k->expanded);
    return 0;
}

void sq_srtp_keys_wipe(const struct sq_srtp *s, struct keys *k)
{
    if (k->expanded_block) {
        explicit_bzero(k->expanded_block, sq_srtp_expanded_bytes(s));
        sq_free(k->expanded_block);
    }
    k->expanded_block = NULL;
    k->expanded = NULL;
}

void sq_srtp_keys_prefetch(const struct sq_srtp *s, const struct keys *k, size_t len)
{
    const uint8_t *at = k->expanded;
    if (!at) {
        return;
    }
    size_t size = sq_srtp_mb_expanded_bytes(s->gcm);
    size_t rounds = 176; /* AES-128: eleven round keys */
    for (size_t i = 0; i < rounds && i < size; i += CACHE_LINE) {
        __builtin_prefetch(at + i);
    }
    if (!s->gcm) {
        return;
    }
    /* Powers of the hash key: a packet of b blocks needs the b lowest, which stand last. */
    size_t powers = (len / 16 + 2) * 16;
    size_t first = powers < size - rounds ? size - powers : rounds;
    for (size_t i = first & ~(size_t)(CACHE_LINE - 1); i < size; i += CACHE_LINE) {
        __builtin_prefetch(at + i);
    }
}

int sq_srtp_gcm_seal(struct sq_srtp_engine *e, const struct keys *k, const uint8_t *iv,
                     const uint8_t *aad, size_t aad_len, uint8_t *data, size_t len, uint8_t *tag)
{
    if (e->mb) {
        return sq_srtp_mb_gcm(e->mb, true, k, iv, aad, aad_len, data, len, tag);
    }
    int n;
    if (len > INT_MAX || aad_len > INT_MAX ||
        EVP_EncryptInit_ex(e->seal_ctx, NULL, NULL, k->key, iv) != 1 ||
        EVP_EncryptUpdate(e->seal_ctx, NULL, &n, aad, (int)aad_len) != 1 ||
        (len > 0 && EVP_EncryptUpdate(e->seal_ctx, data, &n, data, (int)len) != 1) ||
        EVP_EncryptFinal_ex(e->seal_ctx, data + len, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(e->seal_ctx, EVP_CTRL_AEAD_GET_TAG, GCM_TAG_BYTES, tag) != 1) {
        return SQ_ERR_CRYPTO;
    }
    return 0;
}

int sq_srtp_gcm_open(struct sq_srtp_engine *e, const struct keys *k, const uint8_t *iv,
                     const uint8_t *aad, size_t aad_len, uint8_t *data, size_t len,
                     const uint8_t *tag)
{
    uint8_t want[GCM_TAG_BYTES];
    if (e->mb) {
        int err = sq_srtp_mb_gcm(e->mb, false, k, iv, aad, aad_len, data, len, want);
        if (err) {
            return err;
        }
        return CRYPTO_memcmp(want, tag, GCM_TAG_BYTES) == 0 ? 0 : SQ_ERR_AUTH;
    }
    int n;
    memcpy(want, tag, sizeof(want));
    if (len > INT_MAX || aad_len > INT_MAX ||
        EVP_DecryptInit_ex(e->open_ctx, NULL, NULL, k->key, iv) != 1 ||
        EVP_CIPHER_CTX_ctrl(e->open_ctx, EVP_CTRL_AEAD_SET_TAG, GCM_TAG_BYTES, want) != 1 ||
        EVP_DecryptUpdate(e->open_ctx, NULL, &n, aad, (int)aad_len) != 1 ||
        (len > 0 && EVP_DecryptUpdate(e->open_ctx, data, &n, data, (int)len) != 1)) {
        return SQ_ERR_CRYPTO;
    }
    return EVP_DecryptFinal_ex(e->open_ctx, data + len, &n) == 1 ? 0 : SQ_ERR_AUTH;
}

int sq_srtp_ctr(struct sq_srtp_engine *e, const struct keys *k, const uint8_t *iv, uint8_t *data,
                size_t len)
{
    int n;
    if (len > INT_MAX || EVP_EncryptInit_ex(e->ctr_ctx, NULL, NULL, k->key, iv) != 1 ||
        (len > 0 && EVP_EncryptUpdate(e->ctr_ctx, data, &n, data, (int)len) != 1)) {
        return SQ_ERR_CRYPTO;
    }
    return 0;
}

void sq_srtp_cm_cipher(struct sq_srtp_engine *e, struct cm_item *items, size_t n, bool sending)
{
    if (e->mb) {
        sq_srtp_mb_cm_cipher(e->mb, items, n, sending);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        struct sq_srtp_job *job = items[i].job;
        if (items[i].done) {
            continue;
        }
        size_t tag = sending ? 0 : job->session->tag_bytes;
        job->err =
            sq_srtp_ctr(e, keys_of(&items[i], sending), items[i].iv, job->pkt + items[i].header_len,
                        job->len - tag - items[i].header_len);
        items[i].done = job->err != 0;
    }
}

void sq_srtp_cm_tags(struct sq_srtp_engine *e, struct cm_item *items, const size_t *lens, size_t n,
                     bool sending)
{
    if (e->mb && sq_srtp_mb_lanes_pay(e->mb, lens, n)) {
        sq_srtp_mb_cm_tags(e->mb, items, lens, n, sending);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        if (items[i].done) {
            continue;
        }
        uint8_t roc[ROC_BYTES];
        sq_store_u32(roc, (uint32_t)(items[i].index >> 16));
        sq_srtp_hmac(keys_of(&items[i], sending), items[i].job->pkt, lens[i], roc, sizeof(roc),
                     items[i].tag);
    }
}
