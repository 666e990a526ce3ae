/* TLS in front of the lab's HTTP server, for HTTPS and WSS on one port: takes connections, ends
 * their TLS, and passes the bytes on to the plain server on loopback. (libmicrohttpd cannot hand
 * over a WebSocket's socket where it ends TLS itself.) */
#include "base/mem.h"
#include "lab/lab_int.h"
#include "net/accept.h"
#include "net/stream.h"
#include <errno.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <string.h>
#include <unistd.h>

#define CONNECTIONS_MAX 20000
#define BACKLOG         1024
#define WAITING_MAX     (256 * 1024) /* bytes from a client before the server behind is reached */
#define QUEUE_MAX       (4 * 1024 * 1024)

struct sq_lab_tls {
    struct sq_lab *lab;
    SSL_CTX *ctx;
    struct sq_acceptor acceptor;
    int fd;
    struct sq_addr behind;
    struct conn *conns;
    size_t conns_len;
};

struct conn {
    struct sq_lab_tls *front;
    struct conn *next, **prev;
    SSL *ssl;
    BIO *in, *out; /* ssl's: what came from the client, what goes to it */
    struct sq_stream *client, *server;
    bool server_open, shaken;
};

static void close_conn(struct conn *c)
{
    sq_stream_free(c->client);
    sq_stream_free(c->server);
    SSL_free(c->ssl);
    *c->prev = c->next;
    if (c->next) {
        c->next->prev = c->prev;
    }
    c->front->conns_len--;
    sq_free(c);
}

/* Hands on what TLS has for the client. */
static int flush(struct conn *c)
{
    char *bytes;
    long n = BIO_get_mem_data(c->out, &bytes);
    int err = n > 0 ? sq_stream_send(c->client, bytes, (size_t)n) : 0;
    (void)BIO_reset(c->out);
    return err;
}

static int wants_more(const struct conn *c, int result)
{
    int why = SSL_get_error(c->ssl, result);
    ERR_clear_error();
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE ? 0 : SQ_ERR_CLOSED;
}

static int handshake(struct conn *c)
{
    int result = SSL_do_handshake(c->ssl);
    c->shaken = result == 1;
    int err = c->shaken ? 0 : wants_more(c, result);
    int flushed = flush(c); /* an alert, too */
    return err ? err : flushed;
}

static int read_client(struct conn *c)
{
    char bytes[16384];
    int n;
    while ((n = SSL_read(c->ssl, bytes, sizeof(bytes))) > 0) {
        int err = sq_stream_send(c->server, bytes, (size_t)n);
        if (err) {
            return err;
        }
    }
    int err = wants_more(c, n);
    int flushed = flush(c);
    return err ? err : flushed;
}

static int step(struct conn *c)
{
    int err = c->shaken ? 0 : handshake(c);
    if (err || !c->shaken) {
        return err;
    }
    if (!c->server_open) {
        return BIO_ctrl_pending(c->in) > WAITING_MAX ? SQ_ERR_NOSPACE : 0;
    }
    return read_client(c);
}

static void on_client_data(void *ctx, const uint8_t *data, size_t len)
{
    struct conn *c = ctx;
    if (BIO_write(c->in, data, (int)len) != (int)len || step(c) != 0) {
        close_conn(c);
    }
}

static void on_client_end(void *ctx, const struct sq_stream_end *end)
{
    (void)end;
    close_conn(ctx);
}

static void on_server_open(void *ctx)
{
    struct conn *c = ctx;
    c->server_open = true;
    if (step(c) != 0) {
        close_conn(c);
    }
}

static void on_server_data(void *ctx, const uint8_t *data, size_t len)
{
    struct conn *c = ctx;
    if (SSL_write(c->ssl, data, (int)len) != (int)len || flush(c) != 0) {
        close_conn(c);
    }
}

static void on_server_end(void *ctx, const struct sq_stream_end *end)
{
    struct conn *c = ctx;
    (void)end;
    sq_stream_free(c->server);
    c->server = NULL;
    c->server_open = false;
    (void)SSL_shutdown(c->ssl);
    ERR_clear_error();
    if (!c->shaken || flush(c) != 0) {
        close_conn(c);
        return;
    }
    sq_stream_shutdown(c->client); /* its end closes the rest */
}

static int open_streams(struct conn *c, int fd)
{
    static const struct sq_stream_events client = {.on_data = on_client_data,
                                                   .on_end = on_client_end};
    static const struct sq_stream_events server = {
        .on_open = on_server_open, .on_data = on_server_data, .on_end = on_server_end};
    struct sq_loop *loop = c->front->lab->loop;
    char ip[SQ_ADDR_TEXT_MAX];
    const struct sq_stream_options options = {
        .host = sq_addr_format_ip(&c->front->behind, ip),
        .port = sq_addr_port(&c->front->behind),
        .queue_max_bytes = QUEUE_MAX,
    };
    int err = sq_stream_connect(loop, &options, &server, c, &c->server);
    return err ? err : sq_stream_from_fd(loop, fd, NULL, 0, NULL, NULL, &client, c, &c->client);
}

static int make_ssl(struct conn *c)
{
    c->ssl = SSL_new(c->front->ctx);
    c->in = BIO_new(BIO_s_mem());
    c->out = BIO_new(BIO_s_mem());
    if (!c->ssl || !c->in || !c->out) {
        BIO_free(c->in);
        BIO_free(c->out);
        return SQ_ERR_NOMEM;
    }
    BIO_set_mem_eof_return(c->in, -1);
    SSL_set_bio(c->ssl, c->in, c->out);
    SSL_set_accept_state(c->ssl);
    return 0;
}

static void take(void *ctx, int fd, const struct sq_addr *remote)
{
    struct sq_lab_tls *front = ctx;
    (void)remote;
    struct conn *c = front->conns_len < CONNECTIONS_MAX ? sq_zalloc(sizeof(*c)) : NULL;
    if (!c) {
        close(fd);
        return;
    }
    c->front = front;
    c->next = front->conns;
    c->prev = &front->conns;
    if (c->next) {
        c->next->prev = &c->next;
    }
    front->conns = c;
    front->conns_len++;
    int err = make_ssl(c);
    err = err ? err : open_streams(c, fd);
    if (err) {
        close(fd); /* still ours: the client's stream is the last to be made */
        close_conn(c);
    }
}

/* ---- Life ----
 */

static X509 *read_cert(BIO *bio)
{
    return PEM_read_bio_X509(bio, NULL, NULL, NULL);
}

static int use_cert(SSL_CTX *ctx, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    X509 *own = bio ? read_cert(bio) : NULL;
    int err = own && SSL_CTX_use_certificate(ctx, own) == 1 ? 0 : SQ_ERR_TLS;
    X509_free(own);
    for (X509 *next; !err && (next = read_cert(bio)) != NULL;) { /* the chain behind it */
        if (SSL_CTX_add0_chain_cert(ctx, next) != 1) {
            X509_free(next);
            err = SQ_ERR_TLS;
        }
    }
    BIO_free(bio);
    ERR_clear_error();
    return err;
}

static int use_key(SSL_CTX *ctx, const char *pem)
{
    BIO *bio = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = bio ? PEM_read_bio_PrivateKey(bio, NULL, NULL, NULL) : NULL;
    int err = key && SSL_CTX_use_PrivateKey(ctx, key) == 1 && SSL_CTX_check_private_key(ctx) == 1
                  ? 0
                  : SQ_ERR_TLS;
    EVP_PKEY_free(key);
    BIO_free(bio);
    ERR_clear_error();
    return err;
}

/* HTTP/1.1 is all that is spoken behind; a client that insists on another is refused (RFC 7301). */
static int choose_alpn(SSL *ssl, const unsigned char **out, unsigned char *out_len,
                       const unsigned char *in, unsigned in_len, void *ctx)
{
    static const unsigned char ours[] = "\x08http/1.1";
    unsigned char *chosen;
    (void)ssl;
    (void)ctx;
    int found = SSL_select_next_proto(&chosen, out_len, ours, sizeof(ours) - 1, in, in_len);
    *out = chosen;
    return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static int make_ctx(struct sq_lab_tls *front)
{
    front->ctx = SSL_CTX_new(TLS_server_method());
    if (!front->ctx) {
        return SQ_ERR_NOMEM;
    }
    SSL_CTX_set_min_proto_version(front->ctx, TLS1_2_VERSION);
    SSL_CTX_set_alpn_select_cb(front->ctx, choose_alpn, NULL);
    int err = use_cert(front->ctx, front->lab->cert_pem);
    return err ? err : use_key(front->ctx, front->lab->key_pem);
}

static int listen_on(struct sq_lab_tls *front, const struct sq_addr *addr)
{
    int one = 1;
    front->fd = socket(sq_addr_family(addr), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    socklen_t len = sizeof(front->lab->http_addr);
    if (front->fd < 0 || setsockopt(front->fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(front->fd, &addr->sa, sq_addr_len(addr)) != 0 || listen(front->fd, BACKLOG) != 0 ||
        getsockname(front->fd, &front->lab->http_addr.sa, &len) != 0) {
        return SQ_ERR_IO;
    }
    return sq_acceptor_start(&front->acceptor, front->lab->loop, front->fd, take, front);
}

int sq_lab_tls_open(struct sq_lab *lab, const struct sq_addr *listen_addr,
                    const struct sq_addr *behind)
{
    struct sq_lab_tls *front = sq_zalloc(sizeof(*front));
    if (!front) {
        return SQ_ERR_NOMEM;
    }
    lab->tls = front;
    front->lab = lab;
    front->fd = -1;
    front->behind = *behind;
    int err = make_ctx(front);
    return err ? err : listen_on(front, listen_addr);
}

void sq_lab_tls_close(struct sq_lab_tls *front)
{
    if (!front) {
        return;
    }
    sq_acceptor_stop(&front->acceptor);
    while (front->conns) {
        close_conn(front->conns);
    }
    if (front->fd >= 0) {
        close(front->fd);
    }
    SSL_CTX_free(front->ctx);
    sq_free(front);
}
