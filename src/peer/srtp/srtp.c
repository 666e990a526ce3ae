/* Sessions: keys, derivation, what can be asked about them. */
#include "peer/srtp/srtp.h"
#include "base/mem.h"
#include "peer/srtp/srtp_int.h"
#include <string.h>

/* RFC 3711, section 4.3.2: labels of RTP; those of RTCP follow at 3. */
enum { LABEL_KEY = 0, LABEL_AUTH = 1, LABEL_SALT = 2, LABEL_RTCP = 3 };

const char *sq_srtp_profile_name(enum sq_srtp_profile profile)
{
    switch (profile) {
    case SQ_SRTP_AES128_CM_SHA1_80:
        return "AES_CM_128_HMAC_SHA1_80";
    case SQ_SRTP_AES128_CM_SHA1_32:
        return "AES_CM_128_HMAC_SHA1_32";
    case SQ_SRTP_AEAD_AES_128_GCM:
        return "AEAD_AES_128_GCM";
    case SQ_SRTP_NONE:
        break;
    }
    return NULL;
}

size_t sq_srtp_overhead_bytes(enum sq_srtp_profile profile)
{
    switch (profile) {
    case SQ_SRTP_AES128_CM_SHA1_80:
        return 10;
    case SQ_SRTP_AES128_CM_SHA1_32:
        return 4;
    case SQ_SRTP_AEAD_AES_128_GCM:
        return GCM_TAG_BYTES;
    case SQ_SRTP_NONE:
        break;
    }
    return 0;
}

/* AES-CM as a pseudo-random function: keystream at (label << 48) xor salt, times 2^16. */
static int derive_one(struct sq_srtp_engine *e, const struct keys *master, uint8_t label,
                      uint8_t *out, size_t len)
{
    uint8_t iv[16];
    memcpy(iv, master->salt, sizeof(iv));
    iv[7] ^= label;
    memset(out, 0, len);
    return sq_srtp_ctr(e, master, iv, out, len);
}

int sq_srtp_derive(struct sq_srtp_engine *e, const struct sq_srtp_master *master, bool gcm,
                   uint8_t label, struct keys *k)
{
    uint8_t auth[SHA1_BYTES];
    size_t salt_len = gcm ? 12 : SQ_SRTP_SALT_BYTES;
    struct keys from = {.expanded = NULL};
    memcpy(from.key, master->key, sizeof(from.key));
    memcpy(from.salt, master->salt, salt_len);
    *k = (struct keys){.expanded = NULL};

    int err = derive_one(e, &from, (uint8_t)(label + LABEL_KEY), k->key, sizeof(k->key));
    if (!err) {
        err = derive_one(e, &from, (uint8_t)(label + LABEL_SALT), k->salt, salt_len);
    }
    if (!err && !gcm) {
        err = derive_one(e, &from, (uint8_t)(label + LABEL_AUTH), auth, sizeof(auth));
        sq_srtp_hmac_key(k, auth);
    }
    explicit_bzero(auth, sizeof(auth));
    explicit_bzero(&from, sizeof(from));
    return err;
}

static int direction_init(struct sq_srtp_engine *e, bool gcm, const struct sq_srtp_master *master,
                          struct direction *d)
{
    sq_srtp_table_init(&d->rtp_streams);
    int err = sq_srtp_derive(e, master, gcm, 0, &d->rtp);
    return err ? err : sq_srtp_derive(e, master, gcm, LABEL_RTCP, &d->rtcp);
}

int sq_srtp_create(struct sq_srtp_engine *engine, enum sq_srtp_profile profile,
                   const struct sq_srtp_master *local, const struct sq_srtp_master *remote,
                   struct sq_srtp **ret_session)
{
    if (!sq_srtp_profile_name(profile)) {
        return SQ_ERR_UNSUPPORTED;
    }
    struct sq_srtp *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    s->profile = profile;
    s->gcm = profile == SQ_SRTP_AEAD_AES_128_GCM;
    s->tag_bytes = (uint8_t)sq_srtp_overhead_bytes(profile);
    sq_srtp_table_init(&s->rtcp_streams);
    int err = direction_init(engine, s->gcm, local, &s->send);
    sq_srtp_table_init(&s->receive.rtp_streams);
    if (!err) {
        err = direction_init(engine, s->gcm, remote, &s->receive);
        s->receive.rtp_streams.remembers = true;
        s->receive.rtp_streams.lately_log2 = LATELY_RTP_LOG2;
        s->rtcp_streams.lately_log2 = LATELY_RTCP_LOG2;
    }
    if (err) {
        sq_srtp_destroy(s);
        return err;
    }
    *ret_session = s;
    return 0;
}

void sq_srtp_destroy(struct sq_srtp *session)
{
    if (!session) {
        return;
    }
    struct direction *both[] = {&session->send, &session->receive};
    for (size_t i = 0; i < 2; i++) {
        sq_srtp_table_free(&both[i]->rtp_streams);
        sq_srtp_keys_wipe(session, &both[i]->rtp);
    }
    sq_srtp_table_free(&session->rtcp_streams);
    explicit_bzero(session, sizeof(*session));
    sq_free(session);
}

enum sq_srtp_profile sq_srtp_get_profile(const struct sq_srtp *session)
{
    return session->profile;
}

size_t sq_srtp_memory_bytes(const struct sq_srtp *session)
{
    size_t total = sizeof(*session) + sq_srtp_table_memory(&session->rtcp_streams);
    const struct direction *both[] = {&session->send, &session->receive};
    for (size_t i = 0; i < 2; i++) {
        total += sq_srtp_table_memory(&both[i]->rtp_streams);
        total += both[i]->rtp.expanded ? sq_srtp_expanded_bytes(session) : 0;
    }
    return total;
}

int sq_srtp_stream_index(const struct sq_srtp *session, int local, uint32_t ssrc, uint32_t *ret_roc,
                         uint16_t *ret_seq)
{
    const struct stream_table *t =
        local ? &session->send.rtp_streams : &session->receive.rtp_streams;
    for (uint16_t i = 0; i < t->n; i++) {
        if (t->at[i].ssrc == ssrc) {
            *ret_roc = (uint32_t)(t->at[i].top >> 16);
            *ret_seq = (uint16_t)t->at[i].top;
            return 0;
        }
    }
    return SQ_ERR_NOTFOUND;
}

void sq_srtp_stream_remove(struct sq_srtp *session, int local, uint32_t ssrc)
{
    if (local) {
        sq_srtp_table_remove(&session->send.rtp_streams, ssrc);
        return;
    }
    sq_srtp_table_remove(&session->receive.rtp_streams, ssrc);
    sq_srtp_table_remove(&session->rtcp_streams, ssrc);
}

void sq_srtp_iv_gcm(uint8_t iv[static GCM_IV_BYTES], const uint8_t *salt, uint32_t ssrc,
                    uint64_t index)
{
    uint8_t raw[GCM_IV_BYTES] = {0};
    sq_store_u32(raw + 2, ssrc);
    sq_store_u16(raw + 6, (uint16_t)(index >> 32));
    sq_store_u32(raw + 8, (uint32_t)index);
    for (size_t i = 0; i < GCM_IV_BYTES; i++) {
        iv[i] = raw[i] ^ salt[i];
    }
}

void sq_srtp_iv_cm(uint8_t iv[static 16], const uint8_t *salt, uint32_t ssrc, uint64_t index)
{
    uint8_t raw[16] = {0};
    sq_store_u32(raw + 4, ssrc);
    sq_store_u16(raw + 8, (uint16_t)(index >> 32));
    sq_store_u32(raw + 10, (uint32_t)index);
    for (size_t i = 0; i < sizeof(raw); i++) {
        iv[i] = raw[i] ^ salt[i];
    }
}
