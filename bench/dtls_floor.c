/* bench_dtls_floor: what OpenSSL's own DTLS 1.2 handshake costs each side, as WebRTC does it: P-256
 * certificates of both sides, use_srtp, no cookie, memory BIOs, no sockets. The yardstick for the
 * set-up cost of a peer. Prints one line of JSON: CPU µs a handshake, median and least of many. */
#include "base/err.h"
#include "base/mem.h"
#include "base/time.h"
#include <openssl/evp.h>
#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define MTU_BYTES       1200
#define ROUNDS_DEFAULT  500
#define ROUNDS_MAX      100000
#define STEPS_MAX       20 /* of a handshake; a full one takes five */
#define CERT_LIFE_S     (30L * 24 * 3600)
#define SRTP_PROFILES   "SRTP_AEAD_AES_128_GCM:SRTP_AES128_CM_SHA1_80"
#define KEYING_LABEL    "EXTRACTOR-dtls_srtp" /* RFC 5764, section 4.2 */
#define KEYING_BYTES    56                    /* two keys of 16 and two salts of 12 */
#define DEFAULT_CIPHERS "ECDHE-ECDSA-AES128-GCM-SHA256"
#define DEFAULT_GROUPS  "P-256"

/* Self-signed certificates are the rule; the fingerprint in SDP vouches for them. */
static int accept_any(int preverified, X509_STORE_CTX *store)
{
    (void)preverified;
    (void)store;
    return 1;
}

static X509 *make_certificate(EVP_PKEY *key)
{
    X509 *cert = X509_new();
    if (!cert) {
        return NULL;
    }
    X509_NAME *name = X509_get_subject_name(cert);
    if (X509_set_version(cert, X509_VERSION_3) &&
        ASN1_INTEGER_set(X509_get_serialNumber(cert), 1) &&
        X509_gmtime_adj(X509_getm_notBefore(cert), 0) &&
        X509_gmtime_adj(X509_getm_notAfter(cert), CERT_LIFE_S) &&
        X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"bench", -1, -1,
                                   0) &&
        X509_set_issuer_name(cert, name) && X509_set_pubkey(cert, key) &&
        X509_sign(cert, key, EVP_sha256()) > 0) {
        return cert;
    }
    X509_free(cert);
    return NULL;
}

static SSL_CTX *make_context(const char *groups)
{
    SSL_CTX *ctx = SSL_CTX_new(DTLS_method());
    EVP_PKEY *key = EVP_EC_gen("P-256");
    X509 *cert = key ? make_certificate(key) : NULL;
    /* SSL_CTX_set_tlsext_use_srtp returns 0 on success. */
    bool ok = ctx && cert && SSL_CTX_set_min_proto_version(ctx, DTLS1_2_VERSION) &&
              SSL_CTX_set_cipher_list(ctx, DEFAULT_CIPHERS) &&
              SSL_CTX_set1_groups_list(ctx, groups) && SSL_CTX_use_certificate(ctx, cert) &&
              SSL_CTX_use_PrivateKey(ctx, key) &&
              SSL_CTX_set_tlsext_use_srtp(ctx, SRTP_PROFILES) == 0;
    X509_free(cert);
    EVP_PKEY_free(key);
    if (!ok) {
        SSL_CTX_free(ctx);
        return NULL;
    }
    SSL_CTX_set_verify(ctx, SSL_VERIFY_PEER | SSL_VERIFY_FAIL_IF_NO_PEER_CERT, accept_any);
    SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_options(ctx, SSL_OP_NO_QUERY_MTU | SSL_OP_NO_TICKET);
    return ctx;
}

struct side {
    SSL *ssl;
    uint64_t cpu_ns;
    bool done;
};

/* The SSL takes both BIOs. */
static int side_open(struct side *s, SSL_CTX *ctx, bool client)
{
    uint64_t before_ns = sq_thread_cpu_ns();
    BIO *in = BIO_new(BIO_s_mem());
    BIO *out = BIO_new(BIO_s_mem());
    s->ssl = SSL_new(ctx);
    if (!s->ssl || !in || !out) {
        BIO_free(in);
        BIO_free(out);
        return SQ_ERR_NOMEM;
    }
    BIO_set_mem_eof_return(in, -1);
    BIO_set_mem_eof_return(out, -1);
    SSL_set_bio(s->ssl, in, out);
    SSL_set_mtu(s->ssl, MTU_BYTES);
    if (client) {
        SSL_set_connect_state(s->ssl);
    } else {
        SSL_set_accept_state(s->ssl);
    }
    s->cpu_ns += sq_thread_cpu_ns() - before_ns;
    return 0;
}

static int side_step(struct side *s)
{
    uint64_t before_ns = sq_thread_cpu_ns();
    uint8_t keys[KEYING_BYTES];
    int err = 0;
    int result = s->done ? 1 : SSL_do_handshake(s->ssl);
    if (result == 1 && !s->done) {
        s->done = true;
        if (SSL_export_keying_material(s->ssl, keys, sizeof(keys), KEYING_LABEL,
                                       strlen(KEYING_LABEL), NULL, 0, 0) != 1) {
            err = SQ_ERR_CRYPTO;
        }
    } else if (result != 1 && SSL_get_error(s->ssl, result) != SSL_ERROR_WANT_READ) {
        err = SQ_ERR_TLS;
    }
    s->cpu_ns += sq_thread_cpu_ns() - before_ns;
    return err;
}

static int carry(struct side *from, struct side *to)
{
    char *bytes = NULL;
    long len = BIO_get_mem_data(SSL_get_wbio(from->ssl), &bytes);
    if (len > 0 && BIO_write(SSL_get_rbio(to->ssl), bytes, (int)len) != len) {
        return SQ_ERR_NOMEM;
    }
    (void)BIO_reset(SSL_get_wbio(from->ssl));
    return 0;
}

static int handshake(SSL_CTX *client_ctx, SSL_CTX *server_ctx, double *ret_client_us,
                     double *ret_server_us)
{
    struct side client = {0};
    struct side server = {0};
    int err = side_open(&client, client_ctx, true);
    if (!err) {
        err = side_open(&server, server_ctx, false);
    }
    for (int i = 0; i < STEPS_MAX && !err && !(client.done && server.done); i++) {
        err = side_step(&client);
        err = err ? err : carry(&client, &server);
        err = err ? err : side_step(&server);
        err = err ? err : carry(&server, &client);
    }
    if (!err && !(client.done && server.done)) {
        err = SQ_ERR_TLS;
    }
    if (!err) {
        *ret_client_us = (double)client.cpu_ns / 1000;
        *ret_server_us = (double)server.cpu_ns / 1000;
    }
    SSL_free(client.ssl);
    SSL_free(server.ssl);
    return err;
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(double *client_us, double *server_us, size_t rounds, const char *groups)
{
    qsort(client_us, rounds, sizeof(*client_us), by_value);
    qsort(server_us, rounds, sizeof(*server_us), by_value);
    printf("{\"handshakes\":%zu,\"groups\":\"%s\",\"openssl\":\"%s\","
           "\"client_us\":{\"median\":%.1f,\"min\":%.1f},"
           "\"server_us\":{\"median\":%.1f,\"min\":%.1f}}\n",
           rounds, groups, OpenSSL_version(OPENSSL_VERSION_STRING), client_us[rounds / 2],
           client_us[0], server_us[rounds / 2], server_us[0]);
}

/* bench_dtls_floor [HANDSHAKES [GROUPS]]. GROUPS must hold the certificates' own curve, P-256, but
 * may name another one before it, as X25519:P-256 does. */
int main(int argc, char **argv)
{
    unsigned long rounds = argc > 1 ? strtoul(argv[1], NULL, 10) : ROUNDS_DEFAULT;
    const char *groups = argc > 2 ? argv[2] : DEFAULT_GROUPS;
    if (rounds < 1 || rounds > ROUNDS_MAX) {
        fprintf(stderr, "usage: bench_dtls_floor [HANDSHAKES [GROUPS]]\n");
        return 2;
    }
    int err = 0;
    double *client_us = sq_calloc(rounds, sizeof(*client_us));
    double *server_us = sq_calloc(rounds, sizeof(*server_us));
    SSL_CTX *client = make_context(groups);
    SSL_CTX *server = make_context(groups);
    if (!client_us || !server_us || !client || !server) {
        err = SQ_ERR_CRYPTO;
    }
    for (size_t i = 0; i < rounds && !err; i++) {
        err = handshake(client, server, &client_us[i], &server_us[i]);
    }
    if (err) {
        fprintf(stderr, "bench_dtls_floor: %s\n", sq_err_name(err));
    } else {
        report(client_us, server_us, rounds, groups);
    }
    SSL_CTX_free(client);
    SSL_CTX_free(server);
    sq_free(client_us);
    sq_free(server_us);
    return err ? 1 : 0;
}
