/* The life of a DTLS connection: start, datagrams, time-outs, release, end. */
#include "peer/dtls/dtls.h"
#include "base/mem.h"
#include "base/wire.h"
#include "peer/dtls/dtls_int.h"
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ull
/* After release, at most one answer in this time to handshake records that nobody authenticated. */
#define RESEND_GAP_NS     (10 * NS_PER_MS)
#define ALERT_REASON_BASE SSL_AD_REASON_OFFSET /* OpenSSL's reason of a received alert, less it */
#define MESSAGE_MAX_BYTES 16384                /* of a record (RFC 6347, section 4.1) */

int sq_dtls_create(struct sq_dtls_ctx *ctx, const struct sq_cert *cert,
                   const struct sq_dtls_events *events, struct sq_dtls **ret_dtls)
{
    if (!ctx || !cert || !events || !events->send) {
        return SQ_ERR_INVALID;
    }
    struct sq_dtls *d = sq_zalloc(sizeof(*d));
    if (!d) {
        return SQ_ERR_NOMEM;
    }
    d->ctx = ctx;
    d->cert = cert;
    d->events = *events;
    d->state = SQ_DTLS_NEW;
    d->timer_ns = SQ_DTLS_NEVER;
    d->deadline_ns = SQ_DTLS_NEVER;
    d->timeout_ms = ctx->config.timeout_first_ms;
    *ret_dtls = d;
    return 0;
}

/* Gives back what only a handshake or a live connection needs. */
static void ssl_drop(struct sq_dtls *d)
{
    SSL_free(d->ssl);
    d->ssl = NULL;
    d->ssl_timer = NULL;
    d->timer_ns = SQ_DTLS_NEVER;
    d->deadline_ns = SQ_DTLS_NEVER;
    d->in = NULL;
}

void sq_dtls_destroy(struct sq_dtls *dtls)
{
    if (!dtls) {
        return;
    }
    dtls->mute = true; /* SSL_free may want to speak */
    ssl_drop(dtls);
    sq_free(dtls->wanted);
    sq_free(dtls->early);
    sq_free(dtls->mismatch);
    sq_free(dtls->last_flight);
    sq_free(dtls->goodbye);
    sq_free(dtls);
}

int sq_dtls_set_remote(struct sq_dtls *dtls, const struct sq_dtls_fingerprint *fingerprints,
                       size_t n)
{
    struct wanted *wanted;
    int err = sq_dtls_wanted_parse(fingerprints, n, &wanted);
    if (err) {
        return err;
    }
    sq_free(dtls->wanted);
    dtls->wanted = wanted;
    return 0;
}

static void fail(struct sq_dtls *d, int err, const char *text)
{
    d->state = SQ_DTLS_FAILED;
    ssl_drop(d);
    ERR_clear_error();
    if (d->events.failed) {
        d->events.failed(d->events.user, err, text);
    }
}

/* Somewhere below what OpenSSL says first it had no memory; or it has none now, and does not say so
 * ("decode error" of a certificate, say). Empties its queue. */
static bool lacked_memory(void)
{
    bool lacked = false;
    unsigned long code;
    while ((code = ERR_get_error())) {
        lacked = lacked || ERR_GET_REASON(code) == ERR_R_MALLOC_FAILURE;
    }
    return lacked || sq_mem_is_short();
}

/* Tells why OpenSSL gave up. */
static void fail_ssl(struct sq_dtls *d)
{
    char text[TEXT_BYTES];
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    bool from_ssl = ERR_GET_LIB(code) == ERR_LIB_SSL;
    const char *what = d->state == SQ_DTLS_HANDSHAKE ? "handshake" : "connection";
    if (d->mismatch) {
        fail(d, SQ_ERR_AUTH, d->mismatch);
        return;
    }
    if (from_ssl && reason >= ALERT_REASON_BASE && reason < ALERT_REASON_BASE + 256) {
        (void)snprintf(text, sizeof(text), "the remote ended the DTLS %s with the alert \"%s\"",
                       what, SSL_alert_desc_string_long(reason - ALERT_REASON_BASE));
        fail(d, SQ_ERR_REFUSED, text);
        return;
    }
    if (from_ssl && reason == SSL_R_PEER_DID_NOT_RETURN_A_CERTIFICATE) {
        fail(d, SQ_ERR_AUTH, "the remote sent no certificate in the DTLS handshake");
        return;
    }
    if (from_ssl && reason == SSL_R_READ_TIMEOUT_EXPIRED) {
        fail(d, SQ_ERR_TIMEOUT, "no answer to the DTLS handshake after twelve attempts");
        return;
    }
    const char *said = ERR_reason_error_string(code);
    bool lacked = lacked_memory();
    (void)snprintf(text, sizeof(text), "the DTLS %s failed: %s%s", what,
                   said ? said : "OpenSSL does not say why",
                   lacked && reason != ERR_R_MALLOC_FAILURE ? " (no memory)" : "");
    fail(d, lacked ? SQ_ERR_NOMEM : SQ_ERR_TLS, text);
}

/* A connected peer keeps OpenSSL's 18 KB of record buffers only while it reads or writes: OpenSSL
 * does that by itself for TLS alone. */
static bool buffers_take(struct sq_dtls *d)
{
    return SSL_alloc_buffers(d->ssl) == 1;
}

static void buffers_drop(struct sq_dtls *d)
{
    if (d->ssl && d->state == SQ_DTLS_CONNECTED && !d->receiving) {
        (void)SSL_free_buffers(d->ssl);
    }
}

static int last_flight_keep(struct sq_dtls *d, const struct flight *flight)
{
    if (d->role != SQ_DTLS_SERVER || flight->overflow || flight->used == 0) {
        return 0;
    }
    d->last_flight = sq_malloc(flight->used);
    if (!d->last_flight) {
        return SQ_ERR_NOMEM;
    }
    memcpy(d->last_flight, flight->bytes, flight->used);
    d->last_flight_len = flight->used;
    return 0;
}

static void handshake_done(struct sq_dtls *d, const struct flight *flight)
{
    struct sq_dtls_keys keys;
    int err = sq_dtls_export_keys(d, &keys);
    if (err == SQ_ERR_UNSUPPORTED) {
        (void)SSL_shutdown(d->ssl); /* so that the remote need not find out by time-out */
        fail(d, err, "the remote has no SRTP profile in common with this side");
        return;
    }
    if (!err) {
        err = last_flight_keep(d, flight);
    }
    if (err) {
        fail(d, err,
             err == SQ_ERR_NOMEM ? "no memory for the DTLS handshake"
                                 : "SRTP keys could not be exported");
        return;
    }
    d->state = SQ_DTLS_CONNECTED;
    d->deadline_ns = SQ_DTLS_NEVER;
    sq_free(d->wanted);
    d->wanted = NULL;
    if (d->events.connected) {
        d->events.connected(d->events.user, &keys);
    }
    explicit_bzero(&keys, sizeof(keys));
}

static void handshake_step(struct sq_dtls *d)
{
    struct flight flight;
    flight.used = 0;
    flight.overflow = false;
    d->capture = &flight;
    ERR_clear_error();
    int ret = SSL_do_handshake(d->ssl);
    d->capture = NULL;
    if (ret == 1) {
        handshake_done(d, &flight);
        return;
    }
    int why = SSL_get_error(d->ssl, ret);
    if (why == SSL_ERROR_ZERO_RETURN) {
        fail(d, SQ_ERR_REFUSED, "the remote closed in the middle of the DTLS handshake");
    } else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
        fail_ssl(d);
    }
}

static void remote_closed(struct sq_dtls *d)
{
    (void)SSL_shutdown(d->ssl); /* RFC 5246, section 7.2.1: answered in kind */
    d->state = SQ_DTLS_CLOSED;
    ssl_drop(d);
    if (d->events.closed) {
        d->events.closed(d->events.user);
    }
}

static void read_all(struct sq_dtls *d)
{
    uint8_t message[MESSAGE_MAX_BYTES];
    while (d->state == SQ_DTLS_CONNECTED) {
        ERR_clear_error();
        int n = SSL_read(d->ssl, message, sizeof(message));
        if (n > 0) {
            if (d->events.data) {
                d->events.data(d->events.user, message, (size_t)n);
            }
            continue;
        }
        int why = SSL_get_error(d->ssl, n);
        if (why == SSL_ERROR_ZERO_RETURN) {
            remote_closed(d);
        } else if (why != SSL_ERROR_WANT_READ && why != SSL_ERROR_WANT_WRITE) {
            fail_ssl(d);
        }
        return;
    }
}

static void keep_early(struct sq_dtls *d, const uint8_t *bytes, size_t len)
{
    if (!d->early) {
        d->early = sq_zalloc(sizeof(*d->early));
    }
    struct early *e = d->early;
    if (!e || e->n == SQ_DTLS_EARLY_DATAGRAMS_MAX || len > sizeof(e->bytes) - e->used) {
        return; /* the remote sends it again */
    }
    memcpy(e->bytes + e->used, bytes, len);
    e->len[e->n++] = len;
    e->used += len;
}

static void resend_last_flight(struct sq_dtls *d)
{
    if (!d->last_flight || (d->resent_ns && d->now_ns < d->resent_ns + RESEND_GAP_NS)) {
        return;
    }
    d->resent_ns = d->now_ns;
    d->retransmissions++;
    struct sq_wire w = sq_wire_reader(d->last_flight, d->last_flight_len);
    while (sq_wire_left(&w) > 0) {
        uint16_t len = sq_wire_u16(&w);
        const uint8_t *bytes = sq_wire_read(&w, len);
        if (bytes) {
            d->events.send(d->events.user, bytes, len);
        }
    }
}

void sq_dtls_receive(struct sq_dtls *dtls, uint64_t now_ns, const uint8_t *bytes, size_t len)
{
    if (!sq_dtls_plausible(bytes, len)) {
        return;
    }
    dtls->now_ns = now_ns;
    dtls->heard++;
    switch (dtls->state) {
    case SQ_DTLS_NEW:
        keep_early(dtls, bytes, len);
        return;
    case SQ_DTLS_RELEASED:
        if (sq_dtls_has_handshake(bytes, len)) {
            resend_last_flight(dtls);
        }
        return;
    case SQ_DTLS_HANDSHAKE:
    case SQ_DTLS_CONNECTED:
        break;
    case SQ_DTLS_CLOSED:
    case SQ_DTLS_FAILED:
        return;
    }
    if (!buffers_take(dtls)) {
        return; /* lost for want of memory, as on the way */
    }
    dtls->in = bytes;
    dtls->in_len = len;
    dtls->receiving = true;
    if (dtls->state == SQ_DTLS_HANDSHAKE) {
        handshake_step(dtls);
    }
    if (dtls->state == SQ_DTLS_CONNECTED) {
        read_all(dtls);
    }
    dtls->in = NULL;
    dtls->receiving = false;
    buffers_drop(dtls);
}

int sq_dtls_start(struct sq_dtls *dtls, enum sq_dtls_role role, uint64_t now_ns)
{
    if (dtls->state != SQ_DTLS_NEW || !dtls->wanted) {
        return SQ_ERR_STATE;
    }
    dtls->role = role;
    dtls->now_ns = now_ns;
    int err = sq_dtls_ssl_make(dtls);
    if (err) {
        return err;
    }
    dtls->state = SQ_DTLS_HANDSHAKE;
    dtls->deadline_ns = now_ns + dtls->ctx->config.handshake_limit_ms * NS_PER_MS;
    handshake_step(dtls);
    struct early *early = dtls->early;
    dtls->early = NULL;
    const uint8_t *at = early ? early->bytes : NULL;
    for (size_t i = 0; early && i < early->n; i++) {
        sq_dtls_receive(dtls, now_ns, at, early->len[i]);
        at += early->len[i];
    }
    sq_free(early);
    return 0;
}

void sq_dtls_set_srtp_optional(struct sq_dtls *dtls, bool optional)
{
    dtls->srtp_optional = optional;
}

uint64_t sq_dtls_next_timeout(const struct sq_dtls *dtls)
{
    return dtls->timer_ns < dtls->deadline_ns ? dtls->timer_ns : dtls->deadline_ns;
}

void sq_dtls_on_timeout(struct sq_dtls *dtls, uint64_t now_ns)
{
    dtls->now_ns = now_ns;
    if (dtls->state == SQ_DTLS_HANDSHAKE && now_ns >= dtls->deadline_ns) {
        fail(dtls, SQ_ERR_TIMEOUT,
             dtls->heard ? "the DTLS handshake did not finish in time"
                         : "the remote answered nothing to the DTLS handshake");
        return;
    }
    if (dtls->state != SQ_DTLS_HANDSHAKE || now_ns < dtls->timer_ns) {
        return;
    }
    uint32_t doubled = dtls->timeout_ms * 2;
    uint32_t most = dtls->ctx->config.timeout_max_ms;
    dtls->timeout_ms = doubled < most ? doubled : most;
    dtls->timer_ns = SQ_DTLS_NEVER; /* OpenSSL starts it anew */
    if (!dtls->ssl_timer || (dtls->ssl_timer->tv_sec == 0 && dtls->ssl_timer->tv_usec == 0)) {
        return;
    }
    dtls->ssl_timer->tv_sec = 1; /* long ago: OpenSSL finds its timer run out */
    dtls->ssl_timer->tv_usec = 0;
    ERR_clear_error();
    int ret = (int)DTLSv1_handle_timeout(dtls->ssl);
    if (ret < 0) {
        fail_ssl(dtls);
    } else if (ret > 0) {
        dtls->retransmissions++;
    }
}

int sq_dtls_send(struct sq_dtls *dtls, const uint8_t *bytes, size_t len)
{
    if (dtls->state != SQ_DTLS_CONNECTED) {
        return SQ_ERR_STATE;
    }
    if (len < 1 || len > SQ_DTLS_DATA_MAX_BYTES) {
        return SQ_ERR_INVALID;
    }
    ERR_clear_error();
    int err = buffers_take(dtls) ? 0 : SQ_ERR_NOMEM;
    if (!err && SSL_write(dtls->ssl, bytes, (int)len) != (int)len) {
        err = SQ_ERR_TLS;
    }
    buffers_drop(dtls);
    return err;
}

void sq_dtls_close(struct sq_dtls *dtls)
{
    if (dtls->state == SQ_DTLS_CLOSED || dtls->state == SQ_DTLS_FAILED) {
        return;
    }
    if (dtls->state == SQ_DTLS_CONNECTED) {
        ERR_clear_error();
        if (buffers_take(dtls)) {
            (void)SSL_shutdown(dtls->ssl);
        }
    } else if (dtls->state == SQ_DTLS_RELEASED && dtls->goodbye_len > 0) {
        dtls->events.send(dtls->events.user, dtls->goodbye, dtls->goodbye_len);
    }
    dtls->mute = true;
    ssl_drop(dtls);
    dtls->mute = false;
    dtls->state = SQ_DTLS_CLOSED;
}

int sq_dtls_release(struct sq_dtls *dtls)
{
    if (dtls->state != SQ_DTLS_CONNECTED) {
        return SQ_ERR_STATE;
    }
    uint8_t *goodbye = sq_malloc(CLOSE_MAX_BYTES);
    if (!goodbye || !buffers_take(dtls)) {
        sq_free(goodbye);
        return SQ_ERR_NOMEM;
    }
    struct flight flight = {.used = 0, .overflow = false};
    dtls->capture = &flight;
    dtls->mute = true;
    ERR_clear_error();
    (void)SSL_shutdown(dtls->ssl);
    dtls->capture = NULL;
    size_t len = flight.used > 2 ? flight.used - 2 : 0;
    if (len > CLOSE_MAX_BYTES) {
        len = 0; /* cannot be with AES-GCM; then there is no goodbye */
    }
    memcpy(goodbye, flight.bytes + 2, len);
    dtls->goodbye = goodbye;
    dtls->goodbye_len = len;
    ssl_drop(dtls);
    dtls->mute = false;
    dtls->state = SQ_DTLS_RELEASED;
    return 0;
}

enum sq_dtls_state sq_dtls_get_state(const struct sq_dtls *dtls)
{
    return dtls->state;
}

const char *sq_dtls_state_name(enum sq_dtls_state state)
{
    static const char *const NAMES[] = {
        [SQ_DTLS_NEW] = "new",
        [SQ_DTLS_HANDSHAKE] = "connecting",
        [SQ_DTLS_CONNECTED] = "connected",
        [SQ_DTLS_RELEASED] = "connected",
        [SQ_DTLS_CLOSED] = "closed",
        [SQ_DTLS_FAILED] = "failed",
    };
    return (size_t)state < sizeof(NAMES) / sizeof(*NAMES) ? NAMES[state] : "unknown";
}

const char *sq_dtls_remote_fingerprint(const struct sq_dtls *dtls)
{
    return dtls->remote_fingerprint;
}

uint32_t sq_dtls_retransmissions(const struct sq_dtls *dtls)
{
    return dtls->retransmissions;
}
