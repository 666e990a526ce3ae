/* libipsec-mb: AES-GCM packet by packet with kept hash key powers, AES-CM in bursts, and HMAC-SHA1
 * in the lanes of vector registers. */
#include "peer/srtp/srtp_engine_int.h"

#ifdef SQ_HAVE_IPSEC_MB

#define NO_COMPAT_IMB_API_053 /* its old short names collide with OpenSSL's */
#include "base/mem.h"
#include <intel-ipsec-mb.h>
#include <string.h>

#define AES128_ROUND_KEYS_BYTES 176
/* The library stores to its key data with aligned moves, though its header forgets to say so unless
 * LINUX is defined. */
#define GCM_KEY_ALIGN 64u
#define GCM_KEY_ROOM                                                                               \
    ((sizeof(struct gcm_key_data) + GCM_KEY_ALIGN - 1) & ~(size_t)(GCM_KEY_ALIGN - 1))
/* Below this many packets OpenSSL hashes them faster one by one; with the processor's SHA
 * instructions later, and later still for short ones. Measured with bench/micro/srtp.c. */
#define LANES_MIN             4
#define LANES_MIN_SHANI       8
#define LANES_MIN_SHANI_SHORT 13
#define SHORT_BYTES           400

struct mb {
    IMB_MGR *mgr;
    bool shani;
    struct gcm_key_data *gcm_short;   /* in gcm_block: of keys that are not kept expanded */
    struct gcm_context_data *gcm_ctx; /* in gcm_block, behind it */
    IMB_JOB jobs[SQ_SRTP_BATCH_MAX];
    uint8_t gcm_block[GCM_KEY_ROOM + sizeof(struct gcm_context_data) + GCM_KEY_ALIGN];
};

int sq_srtp_mb_create(struct mb **ret_mb)
{
    struct mb *mb = sq_zalloc(sizeof(*mb));
    if (!mb) {
        return SQ_ERR_NOMEM;
    }
    size_t pad = -(uintptr_t)mb->gcm_block & (GCM_KEY_ALIGN - 1);
    mb->gcm_short = (struct gcm_key_data *)(mb->gcm_block + pad);
    mb->gcm_ctx = (struct gcm_context_data *)(mb->gcm_block + pad + GCM_KEY_ROOM);
    mb->mgr = alloc_mb_mgr(0);
    if (!mb->mgr) {
        sq_srtp_mb_destroy(mb);
        return SQ_ERR_NOMEM;
    }
    IMB_ARCH arch = IMB_ARCH_NONE;
    init_mb_mgr_auto(mb->mgr, &arch);
    if (imb_get_errno(mb->mgr) != 0 || arch == IMB_ARCH_NONE || arch == IMB_ARCH_NOAESNI) {
        sq_srtp_mb_destroy(mb);
        return SQ_ERR_UNSUPPORTED;
    }
    mb->shani = mb->mgr->features & IMB_FEATURE_SHANI;
    *ret_mb = mb;
    return 0;
}

void sq_srtp_mb_destroy(struct mb *mb)
{
    if (!mb) {
        return;
    }
    if (mb->mgr) {
        free_mb_mgr(mb->mgr);
    }
    explicit_bzero(mb, sizeof(*mb));
    sq_free(mb);
}

size_t sq_srtp_mb_expanded_bytes(bool gcm)
{
    return gcm ? sizeof(struct gcm_key_data) : AES128_ROUND_KEYS_BYTES;
}

void sq_srtp_mb_expand(struct mb *mb, bool gcm, const struct keys *k, void *expanded)
{
    if (gcm) {
        IMB_AES128_GCM_PRE(mb->mgr, k->key, (struct gcm_key_data *)expanded);
        return;
    }
    _Alignas(16) uint8_t unused[AES128_ROUND_KEYS_BYTES]; /* the decryption schedule */
    IMB_AES_KEYEXP_128(mb->mgr, k->key, expanded, unused);
    explicit_bzero(unused, sizeof(unused));
}

int sq_srtp_mb_gcm(struct mb *mb, bool sealing, const struct keys *k, const uint8_t *iv,
                   const uint8_t *aad, size_t aad_len, uint8_t *data, size_t len, uint8_t *tag)
{
    const struct gcm_key_data *key = k->expanded;
    if (!key) {
        IMB_AES128_GCM_PRE(mb->mgr, k->key, mb->gcm_short);
        key = mb->gcm_short;
    }
    if (sealing) {
        IMB_AES128_GCM_ENC(mb->mgr, key, mb->gcm_ctx, data, data, len, iv, aad, aad_len, tag,
                           GCM_TAG_BYTES);
    } else {
        IMB_AES128_GCM_DEC(mb->mgr, key, mb->gcm_ctx, data, data, len, iv, aad, aad_len, tag,
                           GCM_TAG_BYTES);
    }
    return 0;
}

void sq_srtp_mb_cm_cipher(struct mb *mb, struct cm_item *items, size_t n, bool sending)
{
    uint32_t used = 0;
    for (size_t i = 0; i < n; i++) {
        const struct cm_item *item = &items[i];
        const struct sq_srtp_job *job = item->job;
        size_t tag = sending ? 0 : job->session->tag_bytes;
        size_t len = job->len - tag - item->header_len;
        if (item->done || len == 0) {
            continue;
        }
        IMB_JOB *at = &mb->jobs[used++];
        at->enc_keys = keys_of(item, sending)->expanded;
        at->dec_keys = at->enc_keys;
        at->key_len_in_bytes = IMB_KEY_128_BYTES;
        at->src = job->pkt;
        at->dst = job->pkt + item->header_len;
        at->cipher_start_src_offset_in_bytes = item->header_len;
        at->msg_len_to_cipher_in_bytes = len;
        at->iv = item->iv;
        at->iv_len_in_bytes = sizeof(item->iv);
        at->cipher_mode = IMB_CIPHER_CNTR;
        at->cipher_direction = IMB_DIR_ENCRYPT;
    }
    if (used > 0) {
        (void)IMB_SUBMIT_CIPHER_BURST_NOCHECK(mb->mgr, mb->jobs, used, IMB_CIPHER_CNTR,
                                              IMB_DIR_ENCRYPT, IMB_KEY_128_BYTES);
    }
}

bool sq_srtp_mb_lanes_pay(const struct mb *mb, const size_t *lens, size_t n)
{
    if (n < LANES_MIN || !mb->shani) {
        return n >= LANES_MIN;
    }
    size_t total = 0;
    for (size_t i = 0; i < n; i++) {
        total += lens[i];
    }
    return n >= (total < n * SHORT_BYTES ? LANES_MIN_SHANI_SHORT : LANES_MIN_SHANI);
}

void sq_srtp_mb_cm_tags(struct mb *mb, struct cm_item *items, const size_t *lens, size_t n,
                        bool sending)
{
    uint32_t used = 0;
    for (size_t i = 0; i < n; i++) {
        struct cm_item *item = &items[i];
        if (item->done) {
            continue;
        }
        /* A lane hashes one run of bytes, so the rollover counter (RFC 3711, section 4.2) goes
         * where the tag will stand or stood. */
        sq_store_u32(item->job->pkt + lens[i], (uint32_t)(item->index >> 16));
        const struct keys *k = keys_of(item, sending);
        IMB_JOB *at = &mb->jobs[used++];
        at->src = item->job->pkt;
        at->hash_start_src_offset_in_bytes = 0;
        at->msg_len_to_hash_in_bytes = lens[i] + ROC_BYTES;
        at->auth_tag_output = item->tag;
        at->auth_tag_output_len_in_bytes = SHA1_BYTES;
        at->u.HMAC._hashed_auth_key_xor_ipad = (const uint8_t *)k->inner;
        at->u.HMAC._hashed_auth_key_xor_opad = (const uint8_t *)k->outer;
        at->hash_alg = IMB_AUTH_HMAC_SHA_1;
    }
    if (used > 0) {
        (void)IMB_SUBMIT_HASH_BURST_NOCHECK(mb->mgr, mb->jobs, used, IMB_AUTH_HMAC_SHA_1);
    }
}

#else /* no libipsec-mb: the engine never gets past the first of these */

int sq_srtp_mb_create(struct mb **ret_mb)
{
    return SQ_ERR_UNSUPPORTED;
}

void sq_srtp_mb_destroy(struct mb *mb)
{
}

size_t sq_srtp_mb_expanded_bytes(bool gcm)
{
    return 0;
}

void sq_srtp_mb_expand(struct mb *mb, bool gcm, const struct keys *k, void *expanded)
{
}

int sq_srtp_mb_gcm(struct mb *mb, bool sealing, const struct keys *k, const uint8_t *iv,
                   const uint8_t *aad, size_t aad_len, uint8_t *data, size_t len, uint8_t *tag)
{
    return SQ_ERR_UNSUPPORTED;
}

void sq_srtp_mb_cm_cipher(struct mb *mb, struct cm_item *items, size_t n, bool sending)
{
}

bool sq_srtp_mb_lanes_pay(const struct mb *mb, const size_t *lens, size_t n)
{
    return false;
}

void sq_srtp_mb_cm_tags(struct mb *mb, struct cm_item *items, const size_t *lens, size_t n,
                        bool sending)
{
}

#endif
