/* DTLS 1.2 (RFC 6347) of one peer, with SRTP keys out of it (RFC 5764), without I/O and without a
 * clock. The handshake is OpenSSL's, whose memory is given back when it is over; the records that
 * follow are protected and opened here, with some 200 bytes a peer: datagrams go in and out by
 * function, time comes in as now_ns. The remote's certificate is trusted when its fingerprint is
 * one of those that signalling gave (RFC 8122). */
#ifndef SQ_PEER_DTLS_DTLS_H
#define SQ_PEER_DTLS_DTLS_H

#include "base/err.h"
#include "peer/dtls/cert.h"
#include "peer/srtp/srtp.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_DTLS_DATAGRAM_MAX_BYTES  1200 /* of every datagram sent */
#define SQ_DTLS_DATA_MAX_BYTES      1163 /* of sq_dtls_send: less 13 header, 8 nonce, 16 tag */
#define SQ_DTLS_FINGERPRINTS_MAX    8    /* kept of the remote's; further ones are ignored */
#define SQ_DTLS_EARLY_DATAGRAMS_MAX 4    /* kept before start */
#define SQ_DTLS_EARLY_BYTES_MAX     2048
#define SQ_DTLS_PROFILES_MAX        4
#define SQ_DTLS_NEVER               UINT64_MAX

enum sq_dtls_role {
    SQ_DTLS_CLIENT, /* a=setup:active, sends the ClientHello */
    SQ_DTLS_SERVER, /* a=setup:passive */
};

enum sq_dtls_state {
    SQ_DTLS_NEW,       /* waits for sq_dtls_start; keeps an early flight */
    SQ_DTLS_HANDSHAKE, /* RTCDtlsTransportState "connecting" */
    SQ_DTLS_CONNECTED,
    SQ_DTLS_CLOSED,
    SQ_DTLS_FAILED,
};

/* Settings of a shard's context; zero-initialise for the defaults. */
struct sq_dtls_config {
    /* SRTP profiles to offer and accept, best first; none given: GCM, then CM with SHA1-80. */
    enum sq_srtp_profile profiles[SQ_DTLS_PROFILES_MAX];
    size_t profiles_n;
    /* A remote without an SRTP profile in common is an error, unless this is set: for peers that
     * have data channels alone. keys.profile is SQ_SRTP_NONE then. */
    bool srtp_optional;
    uint32_t timeout_first_ms;   /* first retransmission; 0: 50, as libwebrtc; then doubled */
    uint32_t timeout_max_ms;     /* the doubling's end; 0: 3000 */
    uint32_t handshake_limit_ms; /* failed with SQ_ERR_TIMEOUT after this; 0: 30000 */
};

/* What all peers of a shard share. Used by one thread at a time. */
struct sq_dtls_ctx;
/* config: copied, may be NULL. SQ_ERR_INVALID, SQ_ERR_NOMEM, SQ_ERR_CRYPTO. */
int sq_dtls_ctx_create(const struct sq_dtls_config *config,
                       struct sq_dtls_ctx **ret_ctx) SQ_MUST_USE;
/* NULL is allowed; no sq_dtls may still use it. */
void sq_dtls_ctx_destroy(struct sq_dtls_ctx *ctx);

/* The outcome of a handshake. Whoever is the client protects with `client` and unprotects with
 * `server`; local and remote say the same for this side. */
struct sq_dtls_keys {
    enum sq_srtp_profile profile;
    struct sq_srtp_master local;  /* = client's if this side is the client */
    struct sq_srtp_master remote; /* = server's if this side is the client */
    const char *version;          /* "DTLSv1.2"; static */
    const char *cipher;           /* OpenSSL's name; static */
};

/* Called from within start, receive, on_timeout, send and close. A callback may call any function
 * of this header but sq_dtls_destroy; `send` none at all. `send` is needed, the others may be
 * NULL. */
struct sq_dtls_events {
    void *user;
    /* A datagram for the remote; bytes are borrowed for the call. */
    void (*send)(void *user, const uint8_t *bytes, size_t len);
    /* Once. `keys` is wiped after the call. */
    void (*connected)(void *user, const struct sq_dtls_keys *keys);
    /* At most once, instead of connected or after it. err: SQ_ERR_AUTH (fingerprint),
     * SQ_ERR_TIMEOUT, SQ_ERR_UNSUPPORTED (no common SRTP profile), SQ_ERR_REFUSED (the remote's
     * alert), SQ_ERR_TLS (anything else), SQ_ERR_NOMEM. `text` is a sentence, borrowed. */
    void (*failed)(void *user, int err, const char *text);
    /* The remote sent close_notify. */
    void (*closed)(void *user);
    /* One message of application data (an SCTP packet), borrowed. */
    void (*data)(void *user, const uint8_t *bytes, size_t len);
};

/* A fingerprint as signalling has it: a=fingerprint:HASH VALUE. Texts are copied. */
struct sq_dtls_fingerprint {
    const char *hash;  /* "sha-1", "sha-224", "sha-256", "sha-384", "sha-512"; any case */
    const char *value; /* hexadecimal with colons, any case */
};

struct sq_dtls;
/* ctx and cert are borrowed and outlive it. SQ_ERR_NOMEM, SQ_ERR_INVALID (no send). */
int sq_dtls_create(struct sq_dtls_ctx *ctx, const struct sq_cert *cert,
                   const struct sq_dtls_events *events, struct sq_dtls **ret_dtls) SQ_MUST_USE;
void sq_dtls_destroy(struct sq_dtls *dtls); /* NULL is allowed; sends nothing */

/* What the remote's certificate must match: one of those with the strongest known hash among them
 * (RFC 8122, section 5). Replaces earlier ones. SQ_ERR_UNSUPPORTED when no hash is known,
 * SQ_ERR_FORMAT when a value does not fit its hash, SQ_ERR_INVALID when there is none. */
int sq_dtls_set_remote(struct sq_dtls *dtls, const struct sq_dtls_fingerprint *fingerprints,
                       size_t n) SQ_MUST_USE;

/* Of this one alone, as srtp_optional of the config is of all; before the handshake is over. */
void sq_dtls_set_srtp_optional(struct sq_dtls *dtls, bool optional);

/* Begins the handshake; fingerprints must be set. Early datagrams are worked off. What goes wrong
 * in the handshake is told by `failed`. SQ_ERR_STATE, SQ_ERR_NOMEM, SQ_ERR_CRYPTO. */
int sq_dtls_start(struct sq_dtls *dtls, enum sq_dtls_role role, uint64_t now_ns) SQ_MUST_USE;

/* A datagram whose first byte is 20 to 63 (RFC 7983). Anything that is no DTLS is dropped. Before
 * sq_dtls_start it is kept, within the limits above. */
void sq_dtls_receive(struct sq_dtls *dtls, uint64_t now_ns, const uint8_t *bytes, size_t len);

/* When sq_dtls_on_timeout wants to be called; SQ_DTLS_NEVER if not at all. */
uint64_t sq_dtls_next_timeout(const struct sq_dtls *dtls);
void sq_dtls_on_timeout(struct sq_dtls *dtls, uint64_t now_ns);

/* One message of 1 to SQ_DTLS_DATA_MAX_BYTES bytes. SQ_ERR_STATE unless connected, SQ_ERR_INVALID,
 * SQ_ERR_CRYPTO. */
int sq_dtls_send(struct sq_dtls *dtls, const uint8_t *bytes, size_t len) SQ_MUST_USE;

/* Sends close_notify where there is a connection, and ends. Nothing is called back afterwards. */
void sq_dtls_close(struct sq_dtls *dtls);

enum sq_dtls_state sq_dtls_get_state(const struct sq_dtls *dtls);
/* "new", "connecting", "connected", "closed", "failed" as W3C names them; static storage. */
const char *sq_dtls_state_name(enum sq_dtls_state state);
/* The remote's certificate by SHA-256 ("AB:CD:…"), once seen; "" before. */
const char *sq_dtls_remote_fingerprint(const struct sq_dtls *dtls);
/* Flights this side sent again since start: the last one, too, when the remote shows by a handshake
 * record that it missed it (RFC 6347, section 4.2.4). */
uint32_t sq_dtls_retransmissions(const struct sq_dtls *dtls);
/* Heap it holds at present, for the memory budget; OpenSSL's, in the handshake, is not in it. */
size_t sq_dtls_memory_bytes(const struct sq_dtls *dtls);

#endif
