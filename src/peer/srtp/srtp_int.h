/* Internals of SRTP: sessions, streams and the engine's ciphers. */
#ifndef SQ_PEER_SRTP_SRTP_INT_H
#define SQ_PEER_SRTP_SRTP_INT_H

#include "base/wire.h"
#include "peer/srtp/srtp.h"
#include <stdbool.h>

#define SHA1_BYTES        20
#define GCM_TAG_BYTES     16
#define GCM_IV_BYTES      12
#define RTP_HEADER_BYTES  12
#define RTCP_CLEAR_BYTES  8 /* header and sender SSRC, never encrypted (RFC 3711, section 3.4) */
#define SRTCP_INDEX_BYTES 4
#define SRTCP_E_FLAG      0x80000000u
#define STREAMS_INLINE    4
/* What the hash in lanes may need behind a packet, see sq_srtp_cm_tags. */
#define ROC_BYTES 4

/* Blocks of 64 indices that a stream remembers beside its newest two. */
#define REPLAY_OLDER 8

/* One SSRC of one direction. For RTP `top` is the highest index (rollover counter << 16 | sequence
 * number), for RTCP the highest SRTCP index. What came before is remembered in blocks of 64
 * indices: bit i of seen[0] is index (top / 64 * 64) + i, seen[1] is the block before. */
struct stream {
    uint64_t top;
    uint32_t ssrc;
    uint32_t heard; /* number of its latest packet among those of the table */
    uint64_t seen[2];
    uint64_t *older; /* block b at b % REPLAY_OLDER; owned, NULL but for RTP that is received */
};

/* A table that is full forgets the stream heard longest ago, unless that was within so many (2^n)
 * packets of the table: those of streams that live are less far apart, and what is forgotten may be
 * replayed. */
#define LATELY_RTP_LOG2  12
#define LATELY_RTCP_LOG2 8

struct stream_table {
    struct stream *at; /* `inline_at`, or owned */
    uint16_t *slots;   /* hash of SSRCs: number in `at` plus 1; NULL while room is small */
    uint32_t slots_mask;
    uint32_t heard; /* packets, counted where the table may forget */
    uint16_t n;
    uint16_t room;
    uint16_t last;       /* the one found last */
    bool remembers;      /* its streams have `older` */
    uint8_t lately_log2; /* LATELY_..._LOG2; 0: it forgets none */
    struct stream inline_at[STREAMS_INLINE];
};

void sq_srtp_table_init(struct stream_table *t);
void sq_srtp_table_free(struct stream_table *t);
struct stream *sq_srtp_table_find(struct stream_table *t, uint32_t ssrc);
/* A packet of the table was authentic; its stream's, where that is known already. */
static inline void sq_srtp_table_heard(struct stream_table *t, struct stream *s)
{
    t->heard++;
    if (s) {
        s->heard = t->heard;
    }
}
/* Adds one that is not there yet, heard now. */
int sq_srtp_table_add(struct stream_table *t, uint32_t ssrc, uint64_t top,
                      struct stream **ret_stream) SQ_MUST_USE;
void sq_srtp_table_remove(struct stream_table *t, uint32_t ssrc);
size_t sq_srtp_table_memory(const struct stream_table *t);

/* SQ_OK or SQ_ERR_REPLAY. */
int sq_srtp_replay_check(const struct stream *s, uint64_t index) SQ_MUST_USE;
void sq_srtp_replay_add(struct stream *s, uint64_t index);
/* Index of a packet with this sequence number (RFC 3711, section 3.3.1). */
uint64_t sq_srtp_index_guess(uint64_t top, uint16_t seq);

/* Session keys of one direction for RTP or RTCP. inner and outer: SHA-1 states after the key's
 * inner and outer block of HMAC (RFC 2104). */
struct keys {
    uint8_t key[SQ_SRTP_KEY_BYTES];
    uint8_t salt[16]; /* padded with zeros */
    uint32_t inner[5];
    uint32_t outer[5];
    void *expanded;       /* libipsec-mb's form, inside block; NULL until it is used */
    void *expanded_block; /* owned */
};

struct direction {
    struct keys rtp;
    struct keys rtcp; /* never expanded: RTCP is rare, and its keys would double a session */
    struct stream_table rtp_streams;
};

struct sq_srtp {
    enum sq_srtp_profile profile;
    bool gcm;
    uint8_t tag_bytes;        /* of RTP */
    uint32_t rtcp_send_index; /* of the next packet */
    struct direction send;
    struct direction receive;
    struct stream_table rtcp_streams; /* received */
};

/* One RTP packet of a batch with AES-CM, between its steps. */
struct cm_item {
    struct sq_srtp_job *job;
    uint64_t index;
    uint32_t ssrc;
    uint16_t header_len;
    bool done; /* err is set, or nothing is left to do */
    uint8_t iv[16];
    uint8_t tag[SHA1_BYTES];      /* computed */
    uint8_t received[SHA1_BYTES]; /* the packet's own */
};

/* Ciphers, see srtp_engine.c. All of them work in place. */
struct sq_srtp_engine;
/* Expanded keys of RTP for libipsec-mb; nothing to do with OpenSSL. */
int sq_srtp_keys_expand(struct sq_srtp_engine *e, const struct sq_srtp *s,
                        struct keys *k) SQ_MUST_USE;
void sq_srtp_keys_prefetch(const struct sq_srtp *s, const struct keys *k, size_t len);
void sq_srtp_keys_wipe(const struct sq_srtp *s, struct keys *k);
/* Heap of one direction's expanded keys. */
size_t sq_srtp_expanded_bytes(const struct sq_srtp *s);
int sq_srtp_gcm_seal(struct sq_srtp_engine *e, const struct keys *k, const uint8_t *iv,
                     const uint8_t *aad, size_t aad_len, uint8_t *data, size_t len,
                     uint8_t *tag) SQ_MUST_USE;
/* SQ_ERR_AUTH when the tag is wrong. */
int sq_srtp_gcm_open(struct sq_srtp_engine *e, const struct keys *k, const uint8_t *iv,
                     const uint8_t *aad, size_t aad_len, uint8_t *data, size_t len,
                     const uint8_t *tag) SQ_MUST_USE;
int sq_srtp_ctr(struct sq_srtp_engine *e, const struct keys *k, const uint8_t *iv, uint8_t *data,
                size_t len) SQ_MUST_USE;
/* HMAC-SHA1 of data and the n bytes of `more`. */
void sq_srtp_hmac(const struct keys *k, const uint8_t *data, size_t len, const uint8_t *more,
                  size_t n, uint8_t tag[static SHA1_BYTES]);
void sq_srtp_hmac_key(struct keys *k, const uint8_t key[static SHA1_BYTES]);
/* Keystream over the payloads of the items that are not done; sets job->err on failure. */
void sq_srtp_cm_cipher(struct sq_srtp_engine *e, struct cm_item *items, size_t n, bool sending);
/* Tags of header, payload (len bytes of the packet) and rollover counter. Where lanes are used, the
 * four bytes behind the packet's `len` are overwritten. */
void sq_srtp_cm_tags(struct sq_srtp_engine *e, struct cm_item *items, const size_t *lens, size_t n,
                     bool sending);
struct cm_item *sq_srtp_engine_items(struct sq_srtp_engine *e);

/* RFC 3711, section 4.3: fills keys of RTP (label 0) or RTCP (label 3) from the master. */
int sq_srtp_derive(struct sq_srtp_engine *e, const struct sq_srtp_master *master, bool gcm,
                   uint8_t label, struct keys *k) SQ_MUST_USE;
/* RFC 7714, sections 8.1 and 9.1; RFC 3711, section 4.1.1. */
void sq_srtp_iv_gcm(uint8_t iv[static GCM_IV_BYTES], const uint8_t *salt, uint32_t ssrc,
                    uint64_t index);
void sq_srtp_iv_cm(uint8_t iv[static 16], const uint8_t *salt, uint32_t ssrc, uint64_t index);

#endif
