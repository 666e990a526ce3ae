/* SRTCP (RFC 3711, section 3.4; RFC 7714, section 9), one packet at a time. */
#include "peer/srtp/srtp_int.h"
#include <openssl/crypto.h>
#include <string.h>

#define RTCP_TAG_BYTES 10 /* of both HMAC profiles (RFC 5764, section 4.1.2) */
#define AAD_BYTES      (RTCP_CLEAR_BYTES + SRTCP_INDEX_BYTES)

static int rtcp_check(const uint8_t *pkt, size_t len, size_t more)
{
    if (len < RTCP_CLEAR_BYTES + more) {
        return SQ_ERR_TRUNCATED;
    }
    return pkt[0] >> 6 == 2 ? 0 : SQ_ERR_FORMAT;
}

static int seal_gcm(struct sq_srtp_engine *e, const struct keys *k, uint8_t *pkt, size_t len,
                    uint32_t word)
{
    uint8_t iv[GCM_IV_BYTES];
    uint8_t aad[AAD_BYTES];
    memcpy(aad, pkt, RTCP_CLEAR_BYTES);
    sq_store_u32(aad + RTCP_CLEAR_BYTES, word);
    sq_srtp_iv_gcm(iv, k->salt, sq_load_u32(pkt + 4), word & ~SRTCP_E_FLAG);
    sq_store_u32(pkt + len + GCM_TAG_BYTES, word);
    return sq_srtp_gcm_seal(e, k, iv, aad, sizeof(aad), pkt + RTCP_CLEAR_BYTES,
                            len - RTCP_CLEAR_BYTES, pkt + len);
}

static int seal_cm(struct sq_srtp_engine *e, const struct keys *k, uint8_t *pkt, size_t len,
                   uint32_t word)
{
    uint8_t iv[16];
    uint8_t tag[SHA1_BYTES];
    sq_srtp_iv_cm(iv, k->salt, sq_load_u32(pkt + 4), word & ~SRTCP_E_FLAG);
    int err = sq_srtp_ctr(e, k, iv, pkt + RTCP_CLEAR_BYTES, len - RTCP_CLEAR_BYTES);
    if (err) {
        return err;
    }
    sq_store_u32(pkt + len, word);
    sq_srtp_hmac(k, pkt, len + SRTCP_INDEX_BYTES, NULL, 0, tag);
    memcpy(pkt + len + SRTCP_INDEX_BYTES, tag, RTCP_TAG_BYTES);
    return 0;
}

int sq_srtp_protect_rtcp(struct sq_srtp_engine *engine, struct sq_srtp *session, uint8_t *pkt,
                         size_t len, size_t room, size_t *ret_len)
{
    size_t more = SRTCP_INDEX_BYTES + (session->gcm ? GCM_TAG_BYTES : RTCP_TAG_BYTES);
    int err = rtcp_check(pkt, len, 0);
    if (err) {
        return SQ_ERR_FORMAT;
    }
    if (room < len || room - len < more) {
        return SQ_ERR_NOSPACE;
    }
    if (session->rtcp_send_index & SRTCP_E_FLAG) {
        return SQ_ERR_STATE; /* 2^31 packets: a nonce must not come twice */
    }
    uint32_t word = SRTCP_E_FLAG | session->rtcp_send_index++;
    const struct keys *k = &session->send.rtcp;
    err = session->gcm ? seal_gcm(engine, k, pkt, len, word) : seal_cm(engine, k, pkt, len, word);
    if (!err) {
        *ret_len = len + more;
    }
    return err;
}

/* `len` is that of the plain packet in both. */
static int open_gcm(struct sq_srtp_engine *e, const struct keys *k, uint8_t *pkt, size_t len,
                    uint32_t word)
{
    uint8_t iv[GCM_IV_BYTES];
    uint8_t tag[GCM_TAG_BYTES];
    uint8_t aad[AAD_BYTES];
    memcpy(tag, pkt + len, sizeof(tag));
    sq_srtp_iv_gcm(iv, k->salt, sq_load_u32(pkt + 4), word & ~SRTCP_E_FLAG);
    if (!(word & SRTCP_E_FLAG)) {
        /* Authentic but in clear: all of the packet and the index word (RFC 7714, section 9.3). */
        sq_store_u32(pkt + len, word);
        return sq_srtp_gcm_open(e, k, iv, pkt, len + SRTCP_INDEX_BYTES, pkt + len, 0, tag);
    }
    memcpy(aad, pkt, RTCP_CLEAR_BYTES);
    sq_store_u32(aad + RTCP_CLEAR_BYTES, word);
    return sq_srtp_gcm_open(e, k, iv, aad, sizeof(aad), pkt + RTCP_CLEAR_BYTES,
                            len - RTCP_CLEAR_BYTES, tag);
}

static int open_cm(struct sq_srtp_engine *e, const struct keys *k, uint8_t *pkt, size_t len,
                   uint32_t word)
{
    uint8_t iv[16];
    uint8_t tag[SHA1_BYTES];
    sq_srtp_hmac(k, pkt, len + SRTCP_INDEX_BYTES, NULL, 0, tag);
    if (CRYPTO_memcmp(tag, pkt + len + SRTCP_INDEX_BYTES, RTCP_TAG_BYTES) != 0) {
        return SQ_ERR_AUTH;
    }
    if (!(word & SRTCP_E_FLAG)) {
        return 0;
    }
    sq_srtp_iv_cm(iv, k->salt, sq_load_u32(pkt + 4), word & ~SRTCP_E_FLAG);
    return sq_srtp_ctr(e, k, iv, pkt + RTCP_CLEAR_BYTES, len - RTCP_CLEAR_BYTES);
}

int sq_srtp_unprotect_rtcp(struct sq_srtp_engine *engine, struct sq_srtp *session, uint8_t *pkt,
                           size_t len, size_t *ret_len)
{
    size_t tag_bytes = session->gcm ? GCM_TAG_BYTES : RTCP_TAG_BYTES;
    size_t more = SRTCP_INDEX_BYTES + tag_bytes;
    int err = rtcp_check(pkt, len, more);
    if (err) {
        return err;
    }
    size_t plain_len = len - more;
    uint32_t ssrc = sq_load_u32(pkt + 4);
    /* GCM has the index word behind the tag, CM before it. */
    uint32_t word = sq_load_u32(session->gcm ? pkt + len - SRTCP_INDEX_BYTES : pkt + plain_len);
    uint32_t index = word & ~SRTCP_E_FLAG;
    struct stream *stream = sq_srtp_table_find(&session->rtcp_streams, ssrc);
    err = stream ? sq_srtp_replay_check(stream, index) : 0;
    if (err) {
        return err;
    }
    const struct keys *k = &session->receive.rtcp;
    err = session->gcm ? open_gcm(engine, k, pkt, plain_len, word)
                       : open_cm(engine, k, pkt, plain_len, word);
    if (!err) {
        sq_srtp_table_heard(&session->rtcp_streams, stream);
    }
    if (!err && !stream) {
        err = sq_srtp_table_add(&session->rtcp_streams, ssrc, index, &stream);
    }
    if (!err) {
        sq_srtp_replay_add(stream, index);
        *ret_len = plain_len;
    }
    return err;
}
