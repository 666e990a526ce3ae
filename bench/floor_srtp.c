/* SRTP with libipsec-mb: AES-128-GCM (RFC 7714) packet by packet, AES-CM with HMAC-SHA1-80 (RFC
 * 3711) in batches over many sessions. Costs as the real thing; keys are not derived and the
 * roll-over counter stays 0, which costs nothing a packet. */
#include "floor.h"

#include "base/mem.h"
#include <intel-ipsec-mb.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#define GCM_TAG   16
#define SHA1_TAG  10
#define SHA1_SIZE 20 /* the library gives 12 or 20 bytes, SRTP takes the first 10 */
#define IV_BYTES  16

struct floor_srtp {
    IMB_MGR *mb;
    bool cm;
    uint8_t iv[FLOOR_BATCH][IV_BYTES];
    uint8_t tag[FLOOR_BATCH][SHA1_SIZE];
};

struct floor_srtp_session {
    uint8_t key[16];
    uint8_t salt[14];
    uint8_t auth_key[20];
    union {
        struct gcm_key_data gcm;
        struct {
            DECLARE_ALIGNED(uint32_t enc[15 * 4], 16);
            DECLARE_ALIGNED(uint32_t dec[15 * 4], 16);
            uint8_t ipad[SHA1_SIZE];
            uint8_t opad[SHA1_SIZE];
        } cm;
    };
};

int floor_srtp_new(bool cm, struct floor_srtp **ret_srtp)
{
    struct floor_srtp *srtp = sq_zalloc(sizeof(*srtp));
    if (!srtp) {
        return SQ_ERR_NOMEM;
    }
    srtp->cm = cm;
    srtp->mb = alloc_mb_mgr(0);
    if (!srtp->mb) {
        sq_free(srtp);
        return SQ_ERR_NOMEM;
    }
    init_mb_mgr_auto(srtp->mb, NULL);
    *ret_srtp = srtp;
    return 0;
}

void floor_srtp_free(struct floor_srtp *srtp)
{
    if (srtp) {
        free_mb_mgr(srtp->mb);
        sq_free(srtp);
    }
}

/* RFC 2104: the state of SHA-1 after the block of the padded key. */
static void hmac_half(IMB_MGR *mb, const uint8_t key[20], uint8_t pad, uint8_t *out)
{
    uint8_t block[64];
    memset(block, pad, sizeof(block));
    for (size_t i = 0; i < 20; i++) {
        block[i] ^= key[i];
    }
    IMB_SHA1_ONE_BLOCK(mb, block, out);
}

int floor_srtp_session_new(struct floor_srtp *srtp, const struct floor_srtp_session *twin,
                           struct floor_srtp_session **ret_session)
{
    /* The library wants its key tables aligned to 64 bytes. */
    size_t size = (sizeof(struct floor_srtp_session) + 63) / 64 * 64;
    struct floor_srtp_session *s = aligned_alloc(64, size);
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    memset(s, 0, size);
    if (twin) {
        memcpy(s, twin, sizeof(*s));
    } else if (getrandom(s->key, 16, 0) != 16 || getrandom(s->salt, 14, 0) != 14 ||
               getrandom(s->auth_key, 20, 0) != 20) {
        free(s);
        return SQ_ERR_IO;
    }
    if (srtp->cm) {
        IMB_AES_KEYEXP_128(srtp->mb, s->key, s->cm.enc, s->cm.dec);
        hmac_half(srtp->mb, s->auth_key, 0x36, s->cm.ipad);
        hmac_half(srtp->mb, s->auth_key, 0x5c, s->cm.opad);
    } else {
        IMB_AES128_GCM_PRE(srtp->mb, s->key, &s->gcm);
    }
    *ret_session = s;
    return 0;
}

void floor_srtp_session_free(struct floor_srtp_session *session)
{
    free(session);
}

/* RFC 7714, section 8.1: 00 00 SSRC ROC SEQ, xor the salt. */
static void gcm_iv(const struct floor_packet *p, uint8_t iv[12])
{
    memset(iv, 0, 12);
    memcpy(iv + 2, p->bytes + 8, 4);
    memcpy(iv + 10, p->bytes + 2, 2);
    for (size_t i = 0; i < 12; i++) {
        iv[i] ^= p->session->salt[i];
    }
}

static void gcm_protect(struct floor_srtp *srtp, struct floor_packet *p)
{
    struct gcm_context_data ctx;
    uint8_t iv[12];
    uint8_t *payload = p->bytes + FLOOR_RTP_HEADER;
    gcm_iv(p, iv);
    IMB_AES128_GCM_ENC(srtp->mb, &p->session->gcm, &ctx, payload, payload,
                       p->len - FLOOR_RTP_HEADER, iv, p->bytes, FLOOR_RTP_HEADER, p->bytes + p->len,
                       GCM_TAG);
    p->len += GCM_TAG;
}

static void gcm_unprotect(struct floor_srtp *srtp, struct floor_packet *p)
{
    struct gcm_context_data ctx;
    uint8_t iv[12];
    uint8_t tag[GCM_TAG];
    uint8_t *payload = p->bytes + FLOOR_RTP_HEADER;
    p->ok = false;
    if (p->len < FLOOR_RTP_HEADER + GCM_TAG) {
        return;
    }
    p->len -= GCM_TAG;
    gcm_iv(p, iv);
    IMB_AES128_GCM_DEC(srtp->mb, &p->session->gcm, &ctx, payload, payload,
                       p->len - FLOOR_RTP_HEADER, iv, p->bytes, FLOOR_RTP_HEADER, tag, GCM_TAG);
    p->ok = memcmp(tag, p->bytes + p->len, GCM_TAG) == 0;
}

/* RFC 3711, section 4.1.1: (salt * 2^16) xor (SSRC * 2^64) xor (index * 2^16); the last two bytes
 * count blocks. */
static void cm_iv(const struct floor_packet *p, uint8_t iv[IV_BYTES])
{
    memcpy(iv, p->session->salt, 14);
    iv[14] = iv[15] = 0;
    for (size_t i = 0; i < 4; i++) {
        iv[4 + i] ^= p->bytes[8 + i];
    }
    iv[12] ^= p->bytes[2];
    iv[13] ^= p->bytes[3];
}

static void cm_submit(struct floor_srtp *srtp, struct floor_packet *p, size_t slot, bool protect)
{
    const struct floor_srtp_session *s = p->session;
    cm_iv(p, srtp->iv[slot]);
    IMB_JOB *job = IMB_GET_NEXT_JOB(srtp->mb);
    job->cipher_mode = IMB_CIPHER_CNTR;
    job->cipher_direction = protect ? IMB_DIR_ENCRYPT : IMB_DIR_DECRYPT;
    job->chain_order = protect ? IMB_ORDER_CIPHER_HASH : IMB_ORDER_HASH_CIPHER;
    job->hash_alg = IMB_AUTH_HMAC_SHA_1;
    job->enc_keys = s->cm.enc;
    job->dec_keys = s->cm.enc;
    job->key_len_in_bytes = 16;
    job->src = p->bytes;
    job->dst = p->bytes + FLOOR_RTP_HEADER;
    job->cipher_start_src_offset_in_bytes = FLOOR_RTP_HEADER;
    job->msg_len_to_cipher_in_bytes = p->len - FLOOR_RTP_HEADER;
    job->hash_start_src_offset_in_bytes = 0;
    job->msg_len_to_hash_in_bytes = p->len + FLOOR_ROC_BYTES;
    job->iv = srtp->iv[slot];
    job->iv_len_in_bytes = IV_BYTES;
    job->auth_tag_output = srtp->tag[slot];
    job->auth_tag_output_len_in_bytes = SHA1_SIZE;
    job->u.HMAC._hashed_auth_key_xor_ipad = s->cm.ipad;
    job->u.HMAC._hashed_auth_key_xor_opad = s->cm.opad;
    (void)IMB_SUBMIT_JOB(srtp->mb);
}

static void cm_flush(struct floor_srtp *srtp)
{
    while (IMB_FLUSH_JOB(srtp->mb)) {
    }
}

static void cm_protect(struct floor_srtp *srtp, struct floor_packet *packets, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        /* The roll-over counter stands where the tag will be. */
        memset(packets[i].bytes + packets[i].len, 0, FLOOR_ROC_BYTES);
        cm_submit(srtp, &packets[i], i, true);
    }
    cm_flush(srtp);
    for (size_t i = 0; i < n; i++) {
        memcpy(packets[i].bytes + packets[i].len, srtp->tag[i], SHA1_TAG);
        packets[i].len += SHA1_TAG;
    }
}

static void cm_unprotect(struct floor_srtp *srtp, struct floor_packet *packets, size_t n)
{
    uint8_t sent[FLOOR_BATCH][SHA1_TAG];
    for (size_t i = 0; i < n; i++) {
        struct floor_packet *p = &packets[i];
        p->ok = p->len > FLOOR_RTP_HEADER + SHA1_TAG;
        if (!p->ok) {
            continue;
        }
        p->len -= SHA1_TAG;
        memcpy(sent[i], p->bytes + p->len, SHA1_TAG);
        memset(p->bytes + p->len, 0, FLOOR_ROC_BYTES);
        cm_submit(srtp, p, i, false);
    }
    cm_flush(srtp);
    for (size_t i = 0; i < n; i++) {
        packets[i].ok = packets[i].ok && memcmp(sent[i], srtp->tag[i], SHA1_TAG) == 0;
    }
}

void floor_srtp_protect(struct floor_srtp *srtp, struct floor_packet *packets, size_t n)
{
    if (srtp->cm) {
        cm_protect(srtp, packets, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        gcm_protect(srtp, &packets[i]);
    }
}

void floor_srtp_unprotect(struct floor_srtp *srtp, struct floor_packet *packets, size_t n)
{
    if (srtp->cm) {
        cm_unprotect(srtp, packets, n);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        gcm_unprotect(srtp, &packets[i]);
    }
}
