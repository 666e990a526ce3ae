/* RTP in batches. AES-GCM is done packet by packet while the keys of those to come are fetched;
 * AES-CM in steps over the whole batch, so that the lanes of the hash are full. */
#include "peer/srtp/srtp_int.h"
#include <openssl/crypto.h>
#include <string.h>

#define AHEAD_SESSION 6 /* packets ahead that a session is fetched from memory, */
#define AHEAD_KEYS    3 /* and then its keys */

/* RFC 3550, section 5.1. The extension's words count as header: they are sent in clear. */
static int rtp_parse(const uint8_t *pkt, size_t len, size_t *ret_header_len)
{
    if (len < RTP_HEADER_BYTES || pkt[0] >> 6 != 2) {
        return len < RTP_HEADER_BYTES ? SQ_ERR_TRUNCATED : SQ_ERR_FORMAT;
    }
    size_t header = RTP_HEADER_BYTES + (size_t)(pkt[0] & 0x0f) * 4;
    if (pkt[0] & 0x10) {
        if (len < header + 4) {
            return SQ_ERR_FORMAT;
        }
        header += 4 + (size_t)sq_load_u16(pkt + header + 2) * 4;
    }
    if (len < header) {
        return SQ_ERR_FORMAT;
    }
    *ret_header_len = header;
    return 0;
}

static void prefetch(const struct sq_srtp_job *jobs, size_t n, size_t i, bool sending)
{
    if (i + AHEAD_SESSION < n) {
        const struct sq_srtp *s = jobs[i + AHEAD_SESSION].session;
        const struct direction *d = sending ? &s->send : &s->receive;
        __builtin_prefetch(s);
        __builtin_prefetch(&d->rtp);
        __builtin_prefetch((const uint8_t *)&d->rtp + 64);
        __builtin_prefetch(&d->rtp_streams);
        __builtin_prefetch(d->rtp_streams.inline_at);
        __builtin_prefetch(jobs[i + AHEAD_SESSION].pkt);
    }
    if (i + AHEAD_KEYS < n) {
        const struct sq_srtp_job *job = &jobs[i + AHEAD_KEYS];
        const struct sq_srtp *s = job->session;
        sq_srtp_keys_prefetch(s, sending ? &s->send.rtp : &s->receive.rtp, job->len);
    }
}

/* The index this packet is sent with, kept in its stream. */
static int send_index(struct sq_srtp *s, uint32_t ssrc, uint16_t seq, uint64_t *ret_index)
{
    struct stream *stream = sq_srtp_table_find(&s->send.rtp_streams, ssrc);
    if (!stream) {
        int err = sq_srtp_table_add(&s->send.rtp_streams, ssrc, seq, &stream);
        if (err) {
            return err;
        }
    }
    uint64_t index = sq_srtp_index_guess(stream->top, seq);
    if (index > stream->top) {
        stream->top = index;
    }
    *ret_index = index;
    return 0;
}

/* Seals a packet of GCM, or fills `item` for one of CM (item->job is set then). */
static int protect_one(struct sq_srtp_engine *e, struct sq_srtp_job *job, struct cm_item *item)
{
    struct sq_srtp *s = job->session;
    size_t header_len;
    uint64_t index;
    int err = rtp_parse(job->pkt, job->len, &header_len);
    if (err) {
        return SQ_ERR_FORMAT;
    }
    if (job->room < job->len || job->room - job->len < s->tag_bytes) {
        return SQ_ERR_NOSPACE;
    }
    err = sq_srtp_keys_expand(e, s, &s->send.rtp);
    if (err) {
        return err;
    }
    uint32_t ssrc = sq_load_u32(job->pkt + 8);
    err = send_index(s, ssrc, sq_load_u16(job->pkt + 2), &index);
    if (err) {
        return err;
    }
    if (s->gcm) {
        uint8_t iv[GCM_IV_BYTES];
        sq_srtp_iv_gcm(iv, s->send.rtp.salt, ssrc, index);
        return sq_srtp_gcm_seal(e, &s->send.rtp, iv, job->pkt, header_len, job->pkt + header_len,
                                job->len - header_len, job->pkt + job->len);
    }
    item->job = job;
    item->index = index;
    item->header_len = (uint16_t)header_len;
    item->done = false;
    sq_srtp_iv_cm(item->iv, s->send.rtp.salt, ssrc, index);
    return 0;
}

static void protect_chunk(struct sq_srtp_engine *e, struct sq_srtp_job *jobs, size_t n)
{
    struct cm_item *items = sq_srtp_engine_items(e);
    size_t lens[SQ_SRTP_BATCH_MAX];
    size_t cm = 0;
    for (size_t i = 0; i < n; i++) {
        struct sq_srtp_job *job = &jobs[i];
        prefetch(jobs, n, i, true);
        items[cm].job = NULL;
        job->err = protect_one(e, job, &items[cm]);
        if (!job->err) {
            job->ret_len = job->len + job->session->tag_bytes;
        }
        if (items[cm].job) {
            lens[cm++] = job->len;
        }
    }
    if (cm == 0) {
        return;
    }
    sq_srtp_cm_cipher(e, items, cm, true);
    sq_srtp_cm_tags(e, items, lens, cm, true);
    for (size_t i = 0; i < cm; i++) {
        if (!items[i].done) {
            memcpy(items[i].job->pkt + lens[i], items[i].tag, items[i].job->session->tag_bytes);
        }
    }
}

void sq_srtp_protect_batch(struct sq_srtp_engine *engine, struct sq_srtp_job *jobs, size_t n)
{
    while (n > 0) {
        size_t part = n < SQ_SRTP_BATCH_MAX ? n : SQ_SRTP_BATCH_MAX;
        protect_chunk(engine, jobs, part);
        jobs += part;
        n -= part;
    }
}

static uint64_t receive_index(struct sq_srtp *s, uint32_t ssrc, uint16_t seq,
                              struct stream **ret_stream)
{
    *ret_stream = sq_srtp_table_find(&s->receive.rtp_streams, ssrc);
    return *ret_stream ? sq_srtp_index_guess((*ret_stream)->top, seq) : seq;
}

/* Takes an authentic packet into its stream, which is made where it is new. */
static int receive_commit(struct sq_srtp *s, struct stream *stream, uint32_t ssrc, uint64_t index)
{
    sq_srtp_table_heard(&s->receive.rtp_streams, stream);
    if (!stream) {
        int err = sq_srtp_table_add(&s->receive.rtp_streams, ssrc, index, &stream);
        if (err) {
            return err;
        }
    }
    sq_srtp_replay_add(stream, index);
    return 0;
}

static int open_gcm(struct sq_srtp_engine *e, struct sq_srtp_job *job, size_t header_len)
{
    struct sq_srtp *s = job->session;
    struct stream *stream;
    uint8_t iv[GCM_IV_BYTES];
    uint32_t ssrc = sq_load_u32(job->pkt + 8);
    uint64_t index = receive_index(s, ssrc, sq_load_u16(job->pkt + 2), &stream);
    int err = stream ? sq_srtp_replay_check(stream, index) : 0;
    if (err) {
        return err;
    }
    size_t len = job->len - GCM_TAG_BYTES;
    sq_srtp_iv_gcm(iv, s->receive.rtp.salt, ssrc, index);
    err = sq_srtp_gcm_open(e, &s->receive.rtp, iv, job->pkt, header_len, job->pkt + header_len,
                           len - header_len, job->pkt + len);
    return err ? err : receive_commit(s, stream, ssrc, index);
}

/* Opens a packet of GCM, or fills `item` for one of CM with a first guess of its index. */
static int unprotect_one(struct sq_srtp_engine *e, struct sq_srtp_job *job, struct cm_item *item)
{
    struct sq_srtp *s = job->session;
    struct stream *stream;
    size_t header_len;
    int err = rtp_parse(job->pkt, job->len, &header_len);
    if (err) {
        return err;
    }
    if (job->len < header_len + s->tag_bytes) {
        return SQ_ERR_TRUNCATED;
    }
    err = sq_srtp_keys_expand(e, s, &s->receive.rtp);
    if (err) {
        return err;
    }
    if (s->gcm) {
        return open_gcm(e, job, header_len);
    }
    item->job = job;
    item->ssrc = sq_load_u32(job->pkt + 8);
    item->index = receive_index(s, item->ssrc, sq_load_u16(job->pkt + 2), &stream);
    item->header_len = (uint16_t)header_len;
    item->done = false;
    memcpy(item->received, job->pkt + job->len - s->tag_bytes, s->tag_bytes);
    return 0;
}

/* Checks the hashed packet against its stream as packets before it in the batch have left it. */
static int unprotect_settle(struct cm_item *item)
{
    struct sq_srtp_job *job = item->job;
    struct sq_srtp *s = job->session;
    struct keys *k = &s->receive.rtp;
    struct stream *stream;
    uint64_t index = receive_index(s, item->ssrc, sq_load_u16(job->pkt + 2), &stream);
    int err = stream ? sq_srtp_replay_check(stream, index) : 0;
    if (err) {
        return err;
    }
    if (index >> 16 != item->index >> 16) {
        /* An earlier packet of the batch moved the rollover counter: once in 65,536 packets. */
        uint8_t roc[ROC_BYTES];
        sq_store_u32(roc, (uint32_t)(index >> 16));
        sq_srtp_hmac(k, job->pkt, job->len - s->tag_bytes, roc, sizeof(roc), item->tag);
    }
    if (CRYPTO_memcmp(item->tag, item->received, s->tag_bytes) != 0) {
        return SQ_ERR_AUTH;
    }
    sq_srtp_iv_cm(item->iv, k->salt, item->ssrc, index);
    return receive_commit(s, stream, item->ssrc, index);
}

static void unprotect_chunk(struct sq_srtp_engine *e, struct sq_srtp_job *jobs, size_t n)
{
    struct cm_item *items = sq_srtp_engine_items(e);
    size_t lens[SQ_SRTP_BATCH_MAX];
    size_t cm = 0;
    for (size_t i = 0; i < n; i++) {
        struct sq_srtp_job *job = &jobs[i];
        prefetch(jobs, n, i, false);
        items[cm].job = NULL;
        job->err = unprotect_one(e, job, &items[cm]);
        if (items[cm].job) {
            lens[cm++] = job->len - job->session->tag_bytes;
        } else if (!job->err) {
            job->ret_len = job->len - GCM_TAG_BYTES;
        }
    }
    if (cm == 0) {
        return;
    }
    sq_srtp_cm_tags(e, items, lens, cm, false);
    for (size_t i = 0; i < cm; i++) {
        items[i].job->err = unprotect_settle(&items[i]);
        items[i].done = items[i].job->err != 0;
    }
    sq_srtp_cm_cipher(e, items, cm, false);
    for (size_t i = 0; i < cm; i++) {
        if (!items[i].done) {
            items[i].job->ret_len = lens[i];
        }
    }
}

void sq_srtp_unprotect_batch(struct sq_srtp_engine *engine, struct sq_srtp_job *jobs, size_t n)
{
    while (n > 0) {
        size_t part = n < SQ_SRTP_BATCH_MAX ? n : SQ_SRTP_BATCH_MAX;
        unprotect_chunk(engine, jobs, part);
        jobs += part;
        n -= part;
    }
}
