/* The life of a DTLS connection: start, datagrams, time-outs, end. */
#include "peer/dtls/dtls.h"
#include "base/mem.h"
#include "base/wire.h"
#include "peer/dtls/dtls_int.h"
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>

#define NS_PER_MS 1000000ull
/* At most one answer in this time to handshake records that nobody authenticated. */
#define RESEND_GAP_NS     (10 * NS_PER_MS)
#define ALERT_REASON_BASE SSL_AD_REASON_OFFSET /* OpenSSL's reason of a received alert, less it */
#define ALERT_BYTES       2

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

/* Gives back what only a handshake needs. */
static void ssl_drop(struct sq_dtls *d)
{
    d->mute = true; /* SSL_free may want to speak */
    SSL_free(d->ssl);
    d->mute = false;
    d->ssl = NULL;
    d->ssl_timer = NULL;
    d->timer_ns = SQ_DTLS_NEVER;
    d->deadline_ns = SQ_DTLS_NEVER;
    d->in = NULL;
}

static void end(struct sq_dtls *d, enum sq_dtls_state state)
{
    d->state = state;
    ssl_drop(d);
    explicit_bzero(&d->record, sizeof(d->record));
}

void sq_dtls_destroy(struct sq_dtls *dtls)
{
    if (!dtls) {
        return;
    }
    end(dtls, dtls->state);
    sq_free(dtls->wanted);
    sq_free(dtls->early);
    sq_free(dtls->mismatch);
    sq_free(dtls->last_flight);
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
    end(d, SQ_DTLS_FAILED);
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

static void fail_by_alert(struct sq_dtls *d, const char *what, int alert)
{
    char text[TEXT_BYTES];
    (void)snprintf(text, sizeof(text), "the remote ended the DTLS %s with the alert \"%s\"", what,
                   SSL_alert_desc_string_long(alert));
    fail(d, SQ_ERR_REFUSED, text);
}

/* Tells why OpenSSL gave up. */
static void fail_ssl(struct sq_dtls *d)
{
    char text[TEXT_BYTES];
    unsigned long code = ERR_peek_error();
    int reason = ERR_GET_REASON(code);
    bool from_ssl = ERR_GET_LIB(code) == ERR_LIB_SSL;
    if (d->mismatch) {
        fail(d, SQ_ERR_AUTH, d->mismatch);
        return;
    }
    if (from_ssl && reason >= ALERT_REASON_BASE && reason < ALERT_REASON_BASE + 256) {
        fail_by_alert(d, "handshake", reason - ALERT_REASON_BASE);
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
    (void)snprintf(text, sizeof(text), "the DTLS handshake failed: %s%s",
                   said ? said : "OpenSSL does not say why",
                   lacked && reason != ERR_R_MALLOC_FAILURE ? " (no memory)" : "");
    fail(d, lacked ? SQ_ERR_NOMEM : SQ_ERR_TLS, text);
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
        err = sq_dtls_record_derive(&d->record, &d->ctx->cipher, d->ssl, d->role == SQ_DTLS_CLIENT);
    }
    if (!err) {
        err = last_flight_keep(d, flight);
    }
    if (err && lacked_memory()) {
        err = SQ_ERR_NOMEM;
    }
    if (err) {
        fail(d, err,
             err == SQ_ERR_NOMEM ? "no memory for the DTLS handshake"
                                 : "the keys of the DTLS handshake could not be exported");
        explicit_bzero(&keys, sizeof(keys));
        return;
    }
    ssl_drop(d);
    d->state = SQ_DTLS_CONNECTED;
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

static int send_record(struct sq_dtls *d, uint8_t type, const uint8_t *text, size_t len)
{
    uint8_t out[SQ_DTLS_DATAGRAM_MAX_BYTES];
    int err = sq_dtls_record_seal(&d->record, &d->ctx->cipher, type, text, len, out, sizeof(out));
    if (!err) {
        d->events.send(d->events.user, out, len + RECORD_OVERHEAD_BYTES);
    }
    return err;
}

static void say_goodbye(struct sq_dtls *d)
{
    static const uint8_t close_notify[ALERT_BYTES] = {SSL3_AL_WARNING, SSL3_AD_CLOSE_NOTIFY};
    int err = send_record(d, CONTENT_ALERT, close_notify, sizeof(close_notify));
    (void)err; /* it may be lost on the way, too */
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

/* Warnings are let pass, as RFC 5246, section 7.2.2, leaves it to us. */
static void alert_receive(struct sq_dtls *d, const uint8_t *alert, size_t len)
{
    if (len != ALERT_BYTES) {
        return;
    }
    if (alert[1] == SSL3_AD_CLOSE_NOTIFY) {
        say_goodbye(d); /* RFC 5246, section 7.2.1: answered in kind */
        end(d, SQ_DTLS_CLOSED);
        if (d->events.closed) {
            d->events.closed(d->events.user);
        }
    } else if (alert[0] == SSL3_AL_FATAL) {
        fail_by_alert(d, "connection", alert[1]);
    }
}

/* Records of a connection, framed well. What is not authentic is dropped without a word (RFC 6347,
 * section 4.1.2.7). */
static void records_receive(struct sq_dtls *d, const uint8_t *bytes, size_t len)
{
    uint8_t text[RECORD_TEXT_MAX_BYTES];
    size_t at = 0;
    while (at < len && d->state == SQ_DTLS_CONNECTED) {
        const uint8_t *record = bytes + at;
        size_t n = RECORD_HEADER_BYTES + sq_load_u16(record + RECORD_HEADER_BYTES - 2);
        size_t text_len;
        at += n;
        if (record[0] == CONTENT_HANDSHAKE) {
            resend_last_flight(d);
        } else if (sq_dtls_record_open(&d->record, &d->ctx->cipher, record, n, text, &text_len)) {
            continue;
        } else if (record[0] == CONTENT_ALERT) {
            alert_receive(d, text, text_len);
        } else if (record[0] == CONTENT_DATA && text_len > 0 && d->events.data) {
            d->events.data(d->events.user, text, text_len);
        }
    }
}

static void early_receive(struct sq_dtls *d,
                          void (*receive)(struct sq_dtls *, const uint8_t *, size_t))
{
    struct early *early = d->early;
    d->early = NULL;
    const uint8_t *at = early ? early->bytes : NULL;
    for (size_t i = 0; early && i < early->n; i++) {
        receive(d, at, early->len[i]);
        at += early->len[i];
    }
    sq_free(early);
}

/* Data and alerts that overtook the end of the handshake wait for it: OpenSSL would keep them to
 * itself. */
static void handshake_receive(struct sq_dtls *d, const uint8_t *bytes, size_t len)
{
    size_t before = sq_dtls_handshake_bytes(bytes, len);
    if (before > 0) {
        d->in = bytes;
        d->in_len = before;
        handshake_step(d);
        d->in = NULL;
    }
    if (d->state == SQ_DTLS_CONNECTED) {
        early_receive(d, records_receive);
    }
    if (d->state == SQ_DTLS_CONNECTED) {
        records_receive(d, bytes + before, len - before);
    } else if (d->state == SQ_DTLS_HANDSHAKE && before < len) {
        keep_early(d, bytes + before, len - before);
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
    case SQ_DTLS_HANDSHAKE:
        handshake_receive(dtls, bytes, len);
        return;
    case SQ_DTLS_CONNECTED:
        records_receive(dtls, bytes, len);
        return;
    case SQ_DTLS_CLOSED:
    case SQ_DTLS_FAILED:
        return;
    }
}

static void receive_now(struct sq_dtls *d, const uint8_t *bytes, size_t len)
{
    sq_dtls_receive(d, d->now_ns, bytes, len);
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
    early_receive(dtls, receive_now);
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
    return send_record(dtls, CONTENT_DATA, bytes, len);
}

void sq_dtls_close(struct sq_dtls *dtls)
{
    if (dtls->state == SQ_DTLS_CLOSED || dtls->state == SQ_DTLS_FAILED) {
        return;
    }
    if (dtls->state == SQ_DTLS_CONNECTED) {
        say_goodbye(dtls);
    }
    end(dtls, SQ_DTLS_CLOSED);
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

size_t sq_dtls_memory_bytes(const struct sq_dtls *dtls)
{
    size_t wanted = dtls->wanted ? sizeof(*dtls->wanted) : 0;
    size_t early = dtls->early ? sizeof(*dtls->early) : 0;
    size_t text = dtls->mismatch ? strlen(dtls->mismatch) + 1 : 0;
    return sizeof(*dtls) + wanted + early + text + dtls->last_flight_len;
}
