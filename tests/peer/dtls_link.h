/* One sq_dtls with OpenSSL itself on the other side, record by record. */
#ifndef SQ_TESTS_PEER_DTLS_LINK_H
#define SQ_TESTS_PEER_DTLS_LINK_H

#include "base/wire.h"
#include "peer/dtls/dtls_int.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define NOW         1700000000
#define BYTES_MAX   65536
#define RECORDS_MAX 512

/* What a record is protected with: epoch and sequence number, and the explicit nonce. */
struct use {
    uint64_t number, nonce;
    size_t len;
    uint8_t bytes[200]; /* of the record, to tell a repetition by */
};

struct records {
    size_t n;
    size_t at[RECORDS_MAX + 1];
    uint8_t bytes[BYTES_MAX];
};

/* Ours, and an SSL with a memory BIO each way. */
struct link {
    struct sq_dtls *ours;
    SSL_CTX *real_ctx;
    SSL *real;
    BIO *to_real, *from_real;
    struct records sent; /* by ours, since the last look */
    size_t uses_n;
    struct use
        uses[RECORDS_MAX]; /* by all records of ours under keys, OpenSSL's Finished among them */
    int connected, closed, failed, err;
    char text[TEXT_BYTES];
    size_t data_n;
    size_t data_len;
    uint8_t data[2000];
    uint32_t
        numbers[RECORDS_MAX]; /* the first four bytes of each message, in the order of coming */
};

static struct sq_dtls_ctx *ctx;
static struct sq_cert_pool *pool;

/* ---- Ours ---- */

static inline void note(struct records *r, const uint8_t *bytes, size_t len)
{
    size_t end = r->at[r->n];
    for (size_t i = 0; i < len;) {
        size_t n = RECORD_HEADER_BYTES + sq_load_u16(bytes + i + 11);
        assert_true(i + n <= len && r->n < RECORDS_MAX && end + n <= BYTES_MAX);
        memcpy(r->bytes + end, bytes + i, n);
        end += n;
        i += n;
        r->at[++r->n] = end;
    }
}

/* No sequence number and no nonce serves two records, unless they are the same one. */
static inline void note_use(struct link *l, const uint8_t *bytes, size_t len)
{
    struct use *u = &l->uses[l->uses_n];
    if (sq_load_u16(bytes + 3) == 0) {
        return; /* in clear */
    }
    assert_true(l->uses_n < RECORDS_MAX);
    u->number = sq_load_u64(bytes + 3);
    u->nonce = sq_load_u64(bytes + RECORD_HEADER_BYTES);
    u->len = len;
    size_t kept = len < sizeof(u->bytes) ? len : sizeof(u->bytes);
    memcpy(u->bytes, bytes, kept);
    for (size_t i = 0; i < l->uses_n; i++) {
        const struct use *v = &l->uses[i];
        if (v->number == u->number && v->len == len && memcmp(v->bytes, u->bytes, kept) == 0) {
            return;
        }
        assert_true(v->number != u->number && v->nonce != u->nonce);
    }
    l->uses_n++;
}

static inline void on_send(void *user, const uint8_t *bytes, size_t len)
{
    struct link *l = user;
    assert_true(len <= SQ_DTLS_DATAGRAM_MAX_BYTES);
    size_t i = l->sent.n;
    note(&l->sent, bytes, len);
    for (; i < l->sent.n; i++) {
        note_use(l, l->sent.bytes + l->sent.at[i], l->sent.at[i + 1] - l->sent.at[i]);
    }
}

static inline void on_connected(void *user, const struct sq_dtls_keys *keys)
{
    struct link *l = user;
    l->connected++;
    assert_int_equal(keys->profile, SQ_SRTP_NONE);
}

static inline void on_failed(void *user, int err, const char *text)
{
    struct link *l = user;
    l->failed++;
    l->err = err;
    (void)snprintf(l->text, sizeof(l->text), "%s", text);
}

static inline void on_closed(void *user)
{
    struct link *l = user;
    l->closed++;
}

static inline void on_data(void *user, const uint8_t *bytes, size_t len)
{
    struct link *l = user;
    assert_true(l->data_n < RECORDS_MAX && len <= sizeof(l->data));
    l->numbers[l->data_n++] = len >= 4 ? sq_load_u32(bytes) : 0;
    l->data_len = len;
    memcpy(l->data, bytes, len);
}

static inline const uint8_t *record(const struct records *r, size_t i)
{
    return r->bytes + r->at[i];
}

static inline size_t record_len(const struct records *r, size_t i)
{
    return r->at[i + 1] - r->at[i];
}

static inline void take(struct link *l, const struct records *r, size_t i)
{
    sq_dtls_receive(l->ours, 1, record(r, i), record_len(r, i));
}

/* ---- OpenSSL's ---- */

static inline int any(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    return store != NULL;
}

/* What OpenSSL has to send, by records. */
static inline void real_sent(struct link *l, struct records *ret_records)
{
    static uint8_t bytes[BYTES_MAX];
    memset(ret_records, 0, sizeof(*ret_records));
    int n = BIO_read(l->from_real, bytes, sizeof(bytes));
    note(ret_records, bytes, n > 0 ? (size_t)n : 0);
}

static inline int real_read(struct link *l, const uint8_t *bytes, size_t len, uint8_t *out,
                            size_t room)
{
    if (len > 0) {
        assert_int_equal(BIO_write(l->to_real, bytes, (int)len), len);
    }
    return SSL_read(l->real, out, (int)room);
}

struct setting {
    const char *suite;
    bool is_client;               /* ours */
    bool plain;                   /* without extended master secret (RFC 7627) */
    const struct sq_cert *theirs; /* of OpenSSL's side; NULL: one of the pool */
};

static inline void link_make(struct link *l, const struct setting *how)
{
    const struct sq_cert *theirs = how->theirs ? how->theirs : sq_cert_pool_get(pool, 1);
    struct sq_dtls_events events = {.user = l,
                                    .send = on_send,
                                    .connected = on_connected,
                                    .failed = on_failed,
                                    .closed = on_closed,
                                    .data = on_data};
    struct sq_dtls_fingerprint f = {sq_cert_fingerprint_hash(theirs), sq_cert_fingerprint(theirs)};
    memset(l, 0, sizeof(*l));
    assert_int_equal(sq_dtls_create(ctx, sq_cert_pool_get(pool, 0), &events, &l->ours), 0);
    assert_int_equal(sq_dtls_set_remote(l->ours, &f, 1), 0);
    l->real_ctx = SSL_CTX_new(DTLS_method());
    assert_non_null(l->real_ctx);
    SSL_CTX_set_verify(l->real_ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, any);
    SSL_CTX_set_options(l->real_ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
    if (how->theirs) {
        SSL_CTX_set_security_level(l->real_ctx, 0); /* whatever its strength */
    }
    if (how->plain) {
        SSL_CTX_set_options(l->real_ctx, SSL_OP_NO_EXTENDED_MASTER_SECRET);
    }
    assert_int_equal(SSL_CTX_set_cipher_list(l->real_ctx, how->suite), 1);
    l->real = SSL_new(l->real_ctx);
    l->to_real = BIO_new(BIO_s_mem());
    l->from_real = BIO_new(BIO_s_mem());
    BIO_set_mem_eof_return(l->to_real, -1);
    BIO_set_mem_eof_return(l->from_real, -1);
    SSL_set_bio(l->real, l->to_real, l->from_real);
    assert_int_equal(SSL_use_certificate(l->real, theirs->x509), 1);
    assert_int_equal(SSL_use_PrivateKey(l->real, theirs->key), 1);
    SSL_set_mtu(l->real, 1400);
    if (how->is_client) {
        SSL_set_accept_state(l->real);
    } else {
        SSL_set_connect_state(l->real);
    }
}

static inline void link_free(struct link *l)
{
    sq_dtls_destroy(l->ours);
    SSL_free(l->real);
    SSL_CTX_free(l->real_ctx);
}

/* What ours sent goes to OpenSSL; true when there was anything. */
static inline bool pass(struct link *l)
{
    bool any_sent = l->sent.n > 0;
    if (any_sent) {
        int len = (int)l->sent.at[l->sent.n];
        assert_int_equal(BIO_write(l->to_real, l->sent.bytes, len), len);
        memset(&l->sent, 0, sizeof(l->sent));
    }
    return any_sent;
}

/* Until OpenSSL is connected; its last records are left in `ret_last`, not yet taken by ours where
 * that is the client. */
static inline void handshake(struct link *l, const struct setting *how, struct records *ret_last)
{
    link_make(l, how);
    int err = sq_dtls_start(l->ours, how->is_client ? SQ_DTLS_CLIENT : SQ_DTLS_SERVER, 0);
    assert_int_equal(err, 0);
    for (int turn = 0; turn < 10; turn++) {
        (void)pass(l);
        int done = SSL_do_handshake(l->real);
        real_sent(l, ret_last);
        if (done == 1) {
            return;
        }
        for (size_t i = 0; i < ret_last->n; i++) {
            take(l, ret_last, i);
        }
    }
    fail_msg("no handshake");
}

static inline void connect_with(struct link *l, const struct setting *how)
{
    static struct records last;
    handshake(l, how, &last);
    for (size_t i = 0; i < last.n; i++) {
        take(l, &last, i);
    }
    assert_int_equal(l->connected, 1);
    assert_null(l->ours->ssl); /* its memory is given back at once */
    assert_string_equal(SSL_get_cipher_name(l->real), how->suite);
    memset(&l->sent, 0, sizeof(l->sent));
}

static inline void real_says(struct link *l, uint32_t number, size_t len)
{
    uint8_t message[SQ_DTLS_DATA_MAX_BYTES];
    memset(message, (uint8_t)number, sizeof(message));
    sq_store_u32(message, number);
    assert_int_equal(SSL_write(l->real, message, (int)len), len);
}

static const struct setting CLIENT = {"ECDHE-ECDSA-AES128-GCM-SHA256", true, false, NULL};
static const struct setting SERVER = {"ECDHE-ECDSA-AES128-GCM-SHA256", false, false, NULL};

#endif
