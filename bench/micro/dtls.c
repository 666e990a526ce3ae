/* What a DTLS handshake costs: CPU a side of sq_dtls against a bare OpenSSL handshake of the same
 * settings in the same program, and the heap an SSL holds at each stage.
 *
 *   cmake --build build --target sq_peer
 *   cc -O2 -D_GNU_SOURCE -Isrc bench/micro/dtls.c build/libsq_peer.a build/libsq_base.a \
 *      -lssl -lcrypto -lIPSec_MB -lm -o build/micro_dtls && build/micro_dtls
 */
#include "peer/dtls/dtls.h"
#include "micro.h"
#include "peer/dtls/cert_int.h"
#include <malloc.h>
#include <openssl/ssl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define HANDSHAKES 200 /* a round */
#define ROUNDS     7
#define HEAP_PEERS 200
#define QUEUE_MAX  16

static void die(const char *what)
{
    (void)fprintf(stderr, "micro_dtls: %s\n", what);
    exit(1);
}

struct queue {
    size_t n;
    size_t len[QUEUE_MAX];
    uint8_t bytes[QUEUE_MAX][1300];
};

struct pair {
    struct sq_dtls *d[2];
    struct queue to[2];
    int connected;
};

struct side {
    struct pair *pair;
    int number;
};

static void on_send(void *user, const uint8_t *bytes, size_t len)
{
    struct side *s = user;
    struct queue *q = &s->pair->to[1 - s->number];
    if (q->n == QUEUE_MAX) {
        die("queue full");
    }
    q->len[q->n] = len;
    memcpy(q->bytes[q->n++], bytes, len);
}

static void on_connected(void *user, const struct sq_dtls_keys *keys)
{
    struct side *s = user;
    (void)keys;
    s->pair->connected++;
}

static void on_failed(void *user, int err, const char *text)
{
    (void)user;
    (void)err;
    die(text);
}

static void pair_make(struct pair *p, struct side sides[2], struct sq_dtls_ctx *ctx,
                      struct sq_cert_pool *pool)
{
    p->to[0].n = 0;
    p->to[1].n = 0;
    p->connected = 0;
    for (int i = 0; i < 2; i++) {
        sides[i] = (struct side){p, i};
        struct sq_dtls_events events = {
            .user = &sides[i], .send = on_send, .connected = on_connected, .failed = on_failed};
        struct sq_dtls_fingerprint f = {
            "sha-256", sq_cert_fingerprint(sq_cert_pool_get(pool, (size_t)(1 - i)))};
        if (sq_dtls_create(ctx, sq_cert_pool_get(pool, (size_t)i), &events, &p->d[i]) ||
            sq_dtls_set_remote(p->d[i], &f, 1)) {
            die("no peer");
        }
    }
}

static void pair_connect(struct pair *p)
{
    if (sq_dtls_start(p->d[1], SQ_DTLS_SERVER, 0) || sq_dtls_start(p->d[0], SQ_DTLS_CLIENT, 0)) {
        die("no start");
    }
    while (p->to[0].n + p->to[1].n > 0) {
        for (int i = 0; i < 2; i++) {
            struct queue *q = &p->to[i];
            for (size_t k = 0; k < q->n; k++) {
                sq_dtls_receive(p->d[i], 0, q->bytes[k], q->len[k]);
            }
            q->n = 0;
        }
    }
    if (p->connected != 2) {
        die("not connected");
    }
}

static void pair_free(struct pair *p)
{
    sq_dtls_destroy(p->d[0]);
    sq_dtls_destroy(p->d[1]);
}

/* ns of both sides together */
static double ours_round(struct sq_dtls_ctx *ctx, struct sq_cert_pool *pool)
{
    static struct pair p;
    struct side sides[2];
    uint64_t began = micro_cpu_ns();
    for (int i = 0; i < HANDSHAKES; i++) {
        pair_make(&p, sides, ctx, pool);
        pair_connect(&p);
        pair_free(&p);
    }
    return (double)(micro_cpu_ns() - began) / HANDSHAKES;
}

static int accept_any(int ok, X509_STORE_CTX *store)
{
    (void)ok;
    (void)store;
    return 1;
}

static SSL_CTX *bare_ctx(void)
{
    SSL_CTX *c = SSL_CTX_new(DTLS_method());
    SSL_CTX_set_options(c, SSL_OP_NO_TICKET);
    SSL_CTX_set_session_cache_mode(c, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_verify(c, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
    SSL_CTX_set_cipher_list(c, "ECDHE-ECDSA-AES128-GCM-SHA256");
    SSL_CTX_set1_groups_list(c, "X25519:P-256");
    SSL_CTX_set_tlsext_use_srtp(c, "SRTP_AEAD_AES_128_GCM");
    return c;
}

/* The simplest there is: two SSL and a pair of memory BIOs. */
static double bare_round(SSL_CTX *ctx, const struct sq_cert_pool *pool)
{
    uint64_t began = micro_cpu_ns();
    for (int i = 0; i < HANDSHAKES; i++) {
        SSL *ssl[2];
        BIO *bio[2] = {BIO_new(BIO_s_mem()), BIO_new(BIO_s_mem())};
        for (int k = 0; k < 2; k++) {
            const struct sq_cert *cert = sq_cert_pool_get(pool, (size_t)k);
            ssl[k] = SSL_new(ctx);
            SSL_use_certificate(ssl[k], cert->x509);
            SSL_use_PrivateKey(ssl[k], cert->key);
            BIO_set_mem_eof_return(bio[k], -1);
            BIO_up_ref(bio[k]);
            BIO_up_ref(bio[1 - k]);
            SSL_set_bio(ssl[k], bio[k], bio[1 - k]);
            SSL_set_options(ssl[k], SSL_OP_NO_QUERY_MTU);
            SSL_set_mtu(ssl[k], 1200);
        }
        SSL_set_connect_state(ssl[0]);
        SSL_set_accept_state(ssl[1]);
        int done = 0;
        for (int turn = 0; turn < 20 && done != 3; turn++) {
            int k = turn & 1;
            done |= SSL_do_handshake(ssl[k]) == 1 ? 1 << k : 0;
        }
        if (done != 3) {
            die("bare OpenSSL did not connect");
        }
        for (int k = 0; k < 2; k++) {
            SSL_free(ssl[k]);
            BIO_free(bio[k]);
        }
    }
    return (double)(micro_cpu_ns() - began) / HANDSHAKES;
}

static double heap_kb(void)
{
    struct mallinfo2 m = mallinfo2();
    return (double)(m.uordblks + m.hblkhd) / 1024;
}

static void heap_report(struct sq_dtls_ctx *ctx, struct sq_cert_pool *pool)
{
    static struct pair pairs[HEAP_PEERS];
    static struct side sides[HEAP_PEERS][2];
    double empty = heap_kb();
    for (size_t i = 0; i < HEAP_PEERS; i++) {
        pair_make(&pairs[i], sides[i], ctx, pool);
    }
    double created = heap_kb();
    for (size_t i = 0; i < HEAP_PEERS; i++) {
        pair_connect(&pairs[i]);
    }
    double connected = heap_kb();
    (void)printf("heap a peer: created %.2f KB, connected %.2f KB\n",
                 (created - empty) / (2 * HEAP_PEERS), (connected - empty) / (2 * HEAP_PEERS));
    for (size_t i = 0; i < HEAP_PEERS; i++) {
        pair_free(&pairs[i]);
    }
}

int main(void)
{
    struct sq_dtls_ctx *ctx;
    struct sq_cert_pool *pool;
    if (sq_dtls_ctx_create(NULL, &ctx) || sq_cert_pool_create(2, 1700000000, &pool)) {
        die("no context");
    }
    SSL_CTX *bare = bare_ctx();
    double best_ours = 1e18;
    double best_bare = 1e18;
    for (int r = 0; r < ROUNDS; r++) { /* by turns, so that a noisy moment hits both */
        double ours = ours_round(ctx, pool);
        double theirs = bare_round(bare, pool);
        best_ours = ours < best_ours ? ours : best_ours;
        best_bare = theirs < best_bare ? theirs : best_bare;
    }
    (void)printf("CPU of a handshake, a side: sq_dtls %.0f us, bare OpenSSL %.0f us, ratio %.2f\n",
                 best_ours / 2000, best_bare / 2000, best_ours / best_bare);
    heap_report(ctx, pool);
    SSL_CTX_free(bare);
    sq_cert_pool_destroy(pool);
    sq_dtls_ctx_destroy(ctx);
    return 0;
}
