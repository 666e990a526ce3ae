/* SRTP and SRTCP (RFC 3711, RFC 7714) of one peer: both directions of one DTLS-SRTP association.
 * RTP is protected and unprotected in batches that may mix sessions, so that the cipher's lanes are
 * full and the keys of the next packets are on their way from memory. No I/O, no clock, no threads:
 * an engine and the sessions used with it belong to one thread at a time. */
#ifndef SQ_PEER_SRTP_SRTP_H
#define SQ_PEER_SRTP_SRTP_H

#include "base/err.h"
#include <stddef.h>
#include <stdint.h>

/* Protection profiles by their DTLS-SRTP number (RFC 5764, section 4.1.2; RFC 7714, section 14.2).
 */
enum sq_srtp_profile {
    SQ_SRTP_NONE = 0,
    SQ_SRTP_AES128_CM_SHA1_80 = 0x0001,
    SQ_SRTP_AES128_CM_SHA1_32 = 0x0002,
    SQ_SRTP_AEAD_AES_128_GCM = 0x0007,
};

#define SQ_SRTP_KEY_BYTES  16
#define SQ_SRTP_SALT_BYTES 14 /* AEAD_AES_128_GCM uses the first 12 (RFC 7714, section 12) */

/* What protecting adds at most: the room a packet buffer must have behind the packet. */
#define SQ_SRTP_OVERHEAD_MAX_BYTES  16
#define SQ_SRTCP_OVERHEAD_MAX_BYTES 20

/* Streams (SSRCs) of one direction of one session; a further one gives SQ_ERR_NOMEM. What is
 * received takes the place of a stream that was not heard for thousands of packets, if there is
 * one. */
#define SQ_SRTP_STREAMS_MAX 256
#define SQ_SRTP_BATCH_MAX   64 /* packets worked on at once; longer batches are cut up inside */

/* Master key and salt of one direction. */
struct sq_srtp_master {
    uint8_t key[SQ_SRTP_KEY_BYTES];
    uint8_t salt[SQ_SRTP_SALT_BYTES];
};

/* Which library does the work. AUTO: libipsec-mb where it was built in and the processor can, and
 * OpenSSL elsewhere. Forcing one is for tests and benchmarks. */
enum sq_srtp_backend {
    SQ_SRTP_BACKEND_AUTO = 0,
    SQ_SRTP_BACKEND_OPENSSL,
    SQ_SRTP_BACKEND_IPSEC_MB,
};

/* Scratch and cipher state of one thread, shared by all sessions of it (about 250 KB). */
struct sq_srtp_engine;

/* SQ_ERR_NOMEM; SQ_ERR_UNSUPPORTED when a forced backend is not there; SQ_ERR_CRYPTO. The caller
 * owns the engine. */
int sq_srtp_engine_create(enum sq_srtp_backend backend,
                          struct sq_srtp_engine **ret_engine) SQ_MUST_USE;
void sq_srtp_engine_destroy(struct sq_srtp_engine *engine); /* NULL is allowed */
/* "ipsec-mb" or "openssl"; static storage. */
const char *sq_srtp_engine_backend(const struct sq_srtp_engine *engine);

struct sq_srtp;

/* Keys of both directions are copied; `local` protects what is sent, `remote` unprotects what is
 * received. The engine is used during the call only. SQ_ERR_UNSUPPORTED for a profile that is not
 * in the list above; SQ_ERR_NOMEM; SQ_ERR_CRYPTO. */
int sq_srtp_create(struct sq_srtp_engine *engine, enum sq_srtp_profile profile,
                   const struct sq_srtp_master *local, const struct sq_srtp_master *remote,
                   struct sq_srtp **ret_session) SQ_MUST_USE;
void sq_srtp_destroy(struct sq_srtp *session); /* NULL is allowed; keys are wiped */
enum sq_srtp_profile sq_srtp_get_profile(const struct sq_srtp *session);
/* What protecting an RTP packet adds with this profile. */
size_t sq_srtp_overhead_bytes(enum sq_srtp_profile profile);
/* Heap the session holds at present, for the memory budget. */
size_t sq_srtp_memory_bytes(const struct sq_srtp *session);
/* "AEAD_AES_128_GCM" and so on; NULL for an unknown one. */
const char *sq_srtp_profile_name(enum sq_srtp_profile profile);
/* The rollover counter and the highest sequence number of a stream that is sent (local != 0) or
 * received; SQ_ERR_NOTFOUND. */
int sq_srtp_stream_index(const struct sq_srtp *session, int local, uint32_t ssrc, uint32_t *ret_roc,
                         uint16_t *ret_seq) SQ_MUST_USE;
/* Forgets a stream that ended, both its RTP and its RTCP state; unknown ones are ignored. A local
 * SSRC must not be used again in this session: its nonces would repeat. */
void sq_srtp_stream_remove(struct sq_srtp *session, int local, uint32_t ssrc);

/* One RTP packet of a batch, worked on in place. */
struct sq_srtp_job {
    struct sq_srtp *session; /* borrowed */
    uint8_t *pkt;            /* borrowed; whole packet, header first */
    size_t len;              /* bytes of the packet */
    size_t room;             /* bytes of its buffer (protect: >= len + the profile's overhead) */
    size_t ret_len;          /* length afterwards; set only where err is 0 */
    int err;                 /* 0, or why this packet failed */
    void *user;              /* the caller's; never read */
};

/* Protects n RTP packets in the order given. A packet that was sent before (same SSRC and sequence
 * number) may be protected again, from its plain text: the answer to a NACK. With
 * AEAD_AES_128_GCM such a packet must be the same byte for byte, or the nonce is used twice for two
 * texts (RFC 7714, section 8.4). Packets more than 2^15 behind the newest are taken for the next
 * turn of the sequence number (RFC 3711, section 3.3.1).
 * job.err: SQ_ERR_FORMAT (no RTP version 2 header, CSRCs or extension beyond the end),
 * SQ_ERR_NOSPACE, SQ_ERR_NOMEM (more than SQ_SRTP_STREAMS_MAX SSRCs), SQ_ERR_CRYPTO. */
void sq_srtp_protect_batch(struct sq_srtp_engine *engine, struct sq_srtp_job *jobs, size_t n);

/* Checks and decrypts n SRTP packets. Results are those of one by one in the order given: rollover
 * counters, and duplicates within the batch, are right.
 * job.err: SQ_ERR_FORMAT, SQ_ERR_TRUNCATED (no room for header and tag), SQ_ERR_AUTH,
 * SQ_ERR_REPLAY (seen before, or more than 127 behind), SQ_ERR_NOMEM, SQ_ERR_CRYPTO. After an error
 * the packet's bytes are undefined and the session is as before. A stream's state is only made
 * once a packet of it was authentic. */
void sq_srtp_unprotect_batch(struct sq_srtp_engine *engine, struct sq_srtp_job *jobs, size_t n);

/* One (compound) RTCP packet in place; the same errors as above. The packet grows by at most
 * SQ_SRTCP_OVERHEAD_MAX_BYTES. Indices count per session (RFC 3711, section 3.4; unique for each
 * SSRC all the more). */
int sq_srtp_protect_rtcp(struct sq_srtp_engine *engine, struct sq_srtp *session, uint8_t *pkt,
                         size_t len, size_t room, size_t *ret_len) SQ_MUST_USE;
int sq_srtp_unprotect_rtcp(struct sq_srtp_engine *engine, struct sq_srtp *session, uint8_t *pkt,
                           size_t len, size_t *ret_len) SQ_MUST_USE;

#endif
