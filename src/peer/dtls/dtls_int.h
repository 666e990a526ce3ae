/* Internals of DTLS. */
#ifndef SQ_PEER_DTLS_DTLS_INT_H
#define SQ_PEER_DTLS_DTLS_INT_H

#include "peer/dtls/cert_int.h"
#include "peer/dtls/dtls.h"
#include "peer/dtls/dtls_record.h"
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <sys/time.h>

#define FRAGMENT_HEADER_BYTES 12 /* RFC 6347, section 4.2.2 */
#define FLIGHT_MAX_BYTES      1024
#define TEXT_BYTES            512

enum content_type {
    CONTENT_CCS = 20,
    CONTENT_ALERT = 21,
    CONTENT_HANDSHAKE = 22,
    CONTENT_DATA = 23,
};

/* OpenSSL's library context of a sq_dtls_ctx. */
struct sq_dtls_lib {
    OSSL_LIB_CTX *context;   /* owned; NULL: the process's */
    OSSL_PROVIDER *provider; /* owned */
};

struct sq_dtls_ctx {
    struct sq_dtls_config config; /* defaults filled in */
    struct sq_dtls_lib lib;
    SSL_CTX *ssl_ctx;
    BIO_METHOD *method;
    struct sq_dtls_cipher cipher;
};

/* Fingerprints of one hash; of several, the strongest. */
struct wanted {
    const EVP_MD *md;
    const char *hash; /* "sha-256" */
    size_t n;
    uint8_t digests[SQ_DTLS_FINGERPRINTS_MAX][EVP_MAX_MD_SIZE];
};

struct early {
    size_t n;
    size_t used;
    size_t len[SQ_DTLS_EARLY_DATAGRAMS_MAX];
    uint8_t bytes[SQ_DTLS_EARLY_BYTES_MAX];
};

/* Datagrams one after the other, a length of two bytes before each. */
struct flight {
    size_t used;
    bool overflow;
    uint8_t bytes[FLIGHT_MAX_BYTES];
};

struct sq_dtls {
    struct sq_dtls_ctx *ctx;    /* borrowed */
    const struct sq_cert *cert; /* borrowed */
    struct sq_dtls_events events;
    enum sq_dtls_state state;
    enum sq_dtls_role role;
    SSL *ssl;              /* owned; there from start until the handshake is over */
    struct wanted *wanted; /* owned; NULL before sq_dtls_set_remote and once connected */
    struct early *early;   /* owned, mostly NULL: what came before its time */

    const uint8_t *in; /* the datagram being received, or NULL */
    size_t in_len;
    bool srtp_optional;
    struct flight *capture; /* where datagrams sent are noted, or NULL */
    bool mute;              /* OpenSSL is freed, and is to say no more */

    struct timeval *ssl_timer; /* inside `ssl`: OpenSSL's own timer, see sq_dtls_bio_ctrl */
    uint64_t now_ns;           /* of the call under way */
    uint64_t timer_ns;         /* next retransmission, or SQ_DTLS_NEVER */
    uint64_t deadline_ns;      /* of the handshake */
    uint32_t timeout_ms;       /* present retransmission time-out */
    uint32_t retransmissions;
    uint64_t heard;       /* datagrams received that look like DTLS */
    uint64_t resent_ns;   /* when last_flight was resent */
    char *mismatch;       /* owned: why the certificate was refused, or NULL */
    uint8_t *last_flight; /* owned, as in struct flight; the server's alone */
    size_t last_flight_len;
    struct sq_dtls_record record; /* of the connection, once the handshake is over */
    char remote_fingerprint[96];  /* SHA-256: 32 * 3 */
};

/* True when every record of the datagram is framed well, and its unencrypted handshake fragments
 * are; OpenSSL would end the handshake over some that are not. */
bool sq_dtls_plausible(const uint8_t *bytes, size_t len);
/* Bytes before the first record that is not of the handshake: data, or an alert under its keys; of
 * a plausible datagram. */
size_t sq_dtls_handshake_bytes(const uint8_t *bytes, size_t len);

int sq_dtls_wanted_parse(const struct sq_dtls_fingerprint *fingerprints, size_t n,
                         struct wanted **ret_wanted) SQ_MUST_USE;
/* Compares the remote's certificate; on a mismatch says so in d->mismatch. True when it fits. */
bool sq_dtls_wanted_fits(struct sq_dtls *d, X509 *cert);

/* A context whose handshakes cost less, or zeros when the process's own has to do. SQ_ERR_CRYPTO.
 */
int sq_dtls_lib_make(struct sq_dtls_lib *ret_lib) SQ_MUST_USE;
/* Zeros are allowed; nothing made in it may be left. */
void sq_dtls_lib_free(struct sq_dtls_lib *lib);

/* Makes d->ssl with a BIO that ends in d. */
int sq_dtls_ssl_make(struct sq_dtls *d) SQ_MUST_USE;
int sq_dtls_export_keys(const struct sq_dtls *d, struct sq_dtls_keys *ret_keys) SQ_MUST_USE;

#endif
