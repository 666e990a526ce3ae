/* OpenSSL's side: the shared context, the BIO that ends in struct sq_dtls, and key export. */
#include "base/mem.h"
#include "peer/dtls/dtls_int.h"
#include <openssl/err.h>
#include <string.h>

#define TIMEOUT_FIRST_MS   50 /* as libwebrtc */
#define TIMEOUT_MAX_MS     3000
#define HANDSHAKE_LIMIT_MS 30000
#define NS_PER_MS          1000000ull
/* An hour: OpenSSL's own timer is never to run out by itself. */
#define SSL_TIMER_US 3600000000u

/* AES-GCM alone: every server since 2015 has it; SQ_DTLS_DATA_MAX_BYTES and dtls_record.c count on
 * it. */
#define CIPHERS                                                                                    \
    "ECDHE-ECDSA-AES128-GCM-SHA256:ECDHE-RSA-AES128-GCM-SHA256:"                                   \
    "ECDHE-ECDSA-AES256-GCM-SHA384:ECDHE-RSA-AES256-GCM-SHA384"

static int bio_write(BIO *bio, const char *bytes, int len)
{
    struct sq_dtls *d = BIO_get_data(bio);
    struct flight *f = d->capture;
    BIO_clear_retry_flags(bio);
    if (len <= 0) {
        return 0;
    }
    if (f && (f->overflow || f->used + 2 + (size_t)len > sizeof(f->bytes))) {
        f->overflow = true;
    } else if (f) {
        f->bytes[f->used] = (uint8_t)(len >> 8);
        f->bytes[f->used + 1] = (uint8_t)len;
        memcpy(f->bytes + f->used + 2, bytes, (size_t)len);
        f->used += 2 + (size_t)len;
    }
    if (!d->mute) {
        sq_dtls_record_note_sent(&d->record, (const uint8_t *)bytes, (size_t)len);
        d->events.send(d->events.user, (const uint8_t *)bytes, (size_t)len);
    }
    return len;
}

static int bio_read(BIO *bio, char *out, int room)
{
    struct sq_dtls *d = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!d->in || room <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    /* What a read leaves of a datagram is lost, as with a socket. */
    size_t n = d->in_len < (size_t)room ? d->in_len : (size_t)room;
    memcpy(out, d->in, n);
    d->in = NULL;
    return (int)n;
}

/* OpenSSL measures its retransmission timer with gettimeofday. It tells the BIO whenever the timer
 * starts (a time) or stops (zero), by a pointer to where the time lies: so we keep our own timer in
 * virtual time beside it, and let OpenSSL's run out by writing there when ours did. */
static long bio_ctrl(BIO *bio, int cmd, long number, void *pointer)
{
    struct sq_dtls *d = BIO_get_data(bio);
    switch (cmd) {
    case BIO_CTRL_DGRAM_SET_NEXT_TIMEOUT:
        d->ssl_timer = pointer;
        if (d->ssl_timer->tv_sec == 0 && d->ssl_timer->tv_usec == 0) {
            d->timer_ns = SQ_DTLS_NEVER;
            d->timeout_ms = d->ctx->config.timeout_first_ms;
        } else {
            d->timer_ns = d->now_ns + d->timeout_ms * NS_PER_MS;
        }
        return 1;
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return SQ_DTLS_DATAGRAM_MAX_BYTES;
    default:
        return 0;
    }
}

static unsigned int ssl_timer(SSL *ssl, unsigned int timer_us)
{
    return SSL_TIMER_US;
}

/* Any certificate will do whose fingerprint fits; neither chain nor dates count (RFC 8827, section
 * 6.5). Deciding here has OpenSSL tell the remote by an alert. */
static int verify(X509_STORE_CTX *store, void *arg)
{
    SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
    struct sq_dtls *d = SSL_get_app_data(ssl);
    if (sq_dtls_wanted_fits(d, X509_STORE_CTX_get0_cert(store))) {
        X509_STORE_CTX_set_error(store, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(store, X509_V_ERR_CERT_REJECTED);
    return 0;
}

static int config_fill(struct sq_dtls_config *c)
{
    if (c->profiles_n == 0) {
        c->profiles[0] = SQ_SRTP_AEAD_AES_128_GCM;
        c->profiles[1] = SQ_SRTP_AES128_CM_SHA1_80;
        c->profiles_n = 2;
    }
    c->timeout_first_ms = c->timeout_first_ms ? c->timeout_first_ms : TIMEOUT_FIRST_MS;
    c->timeout_max_ms = c->timeout_max_ms ? c->timeout_max_ms : TIMEOUT_MAX_MS;
    c->handshake_limit_ms = c->handshake_limit_ms ? c->handshake_limit_ms : HANDSHAKE_LIMIT_MS;
    return c->profiles_n > SQ_DTLS_PROFILES_MAX ? SQ_ERR_INVALID : 0;
}

/* OpenSSL's list of use_srtp profiles, "A:B". */
static int profile_list(const struct sq_dtls_config *c, char *out, size_t room)
{
    static const struct {
        enum sq_srtp_profile profile;
        const char *name;
    } NAMES[] = {
        {SQ_SRTP_AEAD_AES_128_GCM, "SRTP_AEAD_AES_128_GCM"},
        {SQ_SRTP_AES128_CM_SHA1_80, "SRTP_AES128_CM_SHA1_80"},
        {SQ_SRTP_AES128_CM_SHA1_32, "SRTP_AES128_CM_SHA1_32"},
    };
    size_t used = 0;
    for (size_t i = 0; i < c->profiles_n; i++) {
        const char *name = NULL;
        for (size_t k = 0; k < sizeof(NAMES) / sizeof(*NAMES); k++) {
            name = NAMES[k].profile == c->profiles[i] ? NAMES[k].name : name;
        }
        if (!name) {
            return SQ_ERR_INVALID;
        }
        int n = snprintf(out + used, room - used, "%s%s", used > 0 ? ":" : "", name);
        if (n < 0 || (size_t)n >= room - used) {
            return SQ_ERR_NOSPACE;
        }
        used += (size_t)n;
    }
    return 0;
}

static int ssl_ctx_make(struct sq_dtls_ctx *ctx)
{
    char profiles[128];
    int err = profile_list(&ctx->config, profiles, sizeof(profiles));
    if (err) {
        return err;
    }
    SSL_CTX *c = SSL_CTX_new_ex(ctx->lib.context, NULL, DTLS_method());
    ctx->ssl_ctx = c;
    if (!c) {
        return SQ_ERR_CRYPTO;
    }
    /* The fingerprint decides, not the strength that a certificate claims. */
    SSL_CTX_set_security_level(c, 0);
    SSL_CTX_set_options(c, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET | SSL_OP_NO_RENEGOTIATION |
                               SSL_OP_NO_COMPRESSION);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, NULL);
    SSL_CTX_set_cert_verify_callback(c, verify, NULL);
    if (SSL_CTX_set_min_proto_version(c, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set_max_proto_version(c, DTLS1_2_VERSION) != 1 ||
        SSL_CTX_set_cipher_list(c, CIPHERS) != 1 ||
        SSL_CTX_set1_groups_list(c, "X25519:P-256") != 1 ||
        SSL_CTX_set_max_send_fragment(c, SQ_DTLS_DATAGRAM_MAX_BYTES) != 1 ||
        SSL_CTX_set_tlsext_use_srtp(c, profiles) != 0) { /* this one is 0 on success */
        return SQ_ERR_CRYPTO;
    }
    return 0;
}

int sq_dtls_ctx_create(const struct sq_dtls_config *config, struct sq_dtls_ctx **ret_ctx)
{
    struct sq_dtls_ctx *ctx = sq_zalloc(sizeof(*ctx));
    if (!ctx) {
        return SQ_ERR_NOMEM;
    }
    if (config) {
        ctx->config = *config;
    }
    int err = config_fill(&ctx->config);
    err = err ? err : sq_dtls_lib_make(&ctx->lib);
    err = err ? err : ssl_ctx_make(ctx);
    if (!err) {
        ctx->method = BIO_meth_new(BIO_TYPE_SOURCE_SINK, "sq_dtls");
        if (!ctx->method || BIO_meth_set_write(ctx->method, bio_write) != 1 ||
            BIO_meth_set_read(ctx->method, bio_read) != 1 ||
            BIO_meth_set_ctrl(ctx->method, bio_ctrl) != 1) {
            err = SQ_ERR_CRYPTO;
        }
    }
    err = err ? err : sq_dtls_cipher_make(&ctx->cipher);
    ERR_clear_error();
    if (err) {
        sq_dtls_ctx_destroy(ctx);
        return err;
    }
    *ret_ctx = ctx;
    return 0;
}

void sq_dtls_ctx_destroy(struct sq_dtls_ctx *ctx)
{
    if (!ctx) {
        return;
    }
    SSL_CTX_free(ctx->ssl_ctx);
    BIO_meth_free(ctx->method);
    sq_dtls_cipher_free(&ctx->cipher);
    sq_dtls_lib_free(&ctx->lib);
    sq_free(ctx);
}

int sq_dtls_ssl_make(struct sq_dtls *d)
{
    SSL *ssl = SSL_new(d->ctx->ssl_ctx);
    BIO *bio = BIO_new(d->ctx->method);
    if (!ssl || !bio || SSL_use_certificate(ssl, d->cert->x509) != 1 ||
        SSL_use_PrivateKey(ssl, d->cert->key) != 1 || SSL_set_app_data(ssl, d) != 1 ||
        SSL_set_mtu(ssl, SQ_DTLS_DATAGRAM_MAX_BYTES) != SQ_DTLS_DATAGRAM_MAX_BYTES) {
        SSL_free(ssl);
        BIO_free(bio);
        ERR_clear_error();
        return SQ_ERR_CRYPTO;
    }
    BIO_set_data(bio, d);
    BIO_set_init(bio, 1);
    SSL_set_bio(ssl, bio, bio);
    DTLS_set_timer_cb(ssl, ssl_timer);
    if (d->role == SQ_DTLS_CLIENT) {
        SSL_set_connect_state(ssl);
    } else {
        SSL_set_accept_state(ssl);
    }
    d->ssl = ssl;
    return 0;
}

/* RFC 5764, section 4.2: client's key, server's key, client's salt, server's salt. */
int sq_dtls_export_keys(const struct sq_dtls *d, struct sq_dtls_keys *ret_keys)
{
    struct sq_dtls_keys keys = {.profile = SQ_SRTP_NONE,
                                .version = SSL_get_version(d->ssl),
                                .cipher = SSL_get_cipher_name(d->ssl)};
    const SRTP_PROTECTION_PROFILE *chosen = SSL_get_selected_srtp_profile(d->ssl);
    if (!chosen) {
        if (!d->ctx->config.srtp_optional && !d->srtp_optional) {
            return SQ_ERR_UNSUPPORTED;
        }
        *ret_keys = keys;
        return 0;
    }
    static const char label[] = "EXTRACTOR-dtls_srtp";
    uint8_t bytes[2 * (SQ_SRTP_KEY_BYTES + SQ_SRTP_SALT_BYTES)];
    keys.profile = (enum sq_srtp_profile)chosen->id;
    size_t salt = keys.profile == SQ_SRTP_AEAD_AES_128_GCM ? 12 : SQ_SRTP_SALT_BYTES;
    if (SSL_export_keying_material(d->ssl, bytes, 2 * (SQ_SRTP_KEY_BYTES + salt), label,
                                   sizeof(label) - 1, NULL, 0, 0) != 1) {
        return SQ_ERR_CRYPTO;
    }
    struct sq_srtp_master *client = d->role == SQ_DTLS_CLIENT ? &keys.local : &keys.remote;
    struct sq_srtp_master *server = d->role == SQ_DTLS_CLIENT ? &keys.remote : &keys.local;
    const uint8_t *at = bytes;
    memcpy(client->key, at, SQ_SRTP_KEY_BYTES);
    memcpy(server->key, at + SQ_SRTP_KEY_BYTES, SQ_SRTP_KEY_BYTES);
    at += (size_t)2 * SQ_SRTP_KEY_BYTES;
    memcpy(client->salt, at, salt);
    memcpy(server->salt, at + salt, salt);
    explicit_bzero(bytes, sizeof(bytes));
    *ret_keys = keys;
    explicit_bzero(&keys, sizeof(keys));
    return 0;
}
