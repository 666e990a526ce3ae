/* DTLS, client side, on a UDP socket: OpenSSL with a BIO whose other end is the socket. */
#include "net/udp_tls.h"
#include "base/mem.h"
#include "net/tls_int.h"
#include "net/udp.h"
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/time.h>

#define RETRANSMIT_FIRST_MS 1000 /* RFC 6347, section 4.2.4.1 */
#define US_PER_MS           1000U

struct sq_udp_tls {
    struct sq_loop *loop;
    struct sq_udp *udp;
    SSL *ssl;
    const struct sq_udp_tls_events *events;
    void *ctx;
    struct sq_timer timer; /* of the handshake */
    uint64_t deadline_ns;
    unsigned retransmit_first_us;
    uint8_t *in; /* the datagram being received, or NULL */
    size_t in_len;
    bool open;
    bool over;   /* on_end was called */
    bool heard;  /* anything at all */
    bool busy;   /* one of its own calls is on the stack */
    bool closed; /* by its owner, within one of those */
    char *name;  /* that the certificate must have */
    char who[SQ_ADDR_TEXT_MAX];
};

/* --- OpenSSL's side --- */

static int bio_write(BIO *bio, const char *data, int len)
{
    struct sq_udp_tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    (void)sq_udp_send(t->udp, NULL, data, (size_t)len); /* what is lost is sent again */
    return len;
}

static int bio_read(BIO *bio, char *out, int room)
{
    struct sq_udp_tls *t = BIO_get_data(bio);
    BIO_clear_retry_flags(bio);
    if (!t->in || room <= 0) {
        BIO_set_retry_read(bio);
        return -1;
    }
    /* What a read leaves of a datagram is lost, as with a socket. */
    size_t n = t->in_len < (size_t)room ? t->in_len : (size_t)room;
    memcpy(out, t->in, n);
    t->in = NULL;
    return (int)n;
}

static long bio_ctrl(BIO *bio, int cmd, long number, void *pointer)
{
    switch (cmd) {
    case BIO_CTRL_FLUSH:
        return 1;
    case BIO_CTRL_DGRAM_QUERY_MTU:
    case BIO_CTRL_DGRAM_GET_MTU:
    case BIO_CTRL_DGRAM_GET_FALLBACK_MTU:
        return SQ_UDP_TLS_HANDSHAKE_MTU;
    default:
        return 0;
    }
}

static BIO_METHOD *new_method(void)
{
    BIO_METHOD *m = BIO_meth_new(BIO_TYPE_SOURCE_SINK | BIO_get_new_index(), "udp");
    if (m && (!BIO_meth_set_write(m, bio_write) || !BIO_meth_set_read(m, bio_read) ||
              !BIO_meth_set_ctrl(m, bio_ctrl))) {
        BIO_meth_free(m);
        m = NULL;
    }
    return m;
}

static const struct sq_tls_kind kind = {
    .index = SQ_TLS_OF_DATAGRAMS,
    .protocol = "DTLS",
    .method = DTLS_client_method,
    .min_version = DTLS1_2_VERSION,
    .options = SSL_OP_NO_QUERY_MTU | SSL_OP_NO_RENEGOTIATION,
    .new_bio_method = new_method,
};

/* How long OpenSSL waits for the next flight: 0 before the first. */
static unsigned next_wait_us(SSL *ssl, unsigned wait_us)
{
    const struct sq_udp_tls *t = SSL_get_app_data(ssl);
    return wait_us == 0 ? t->retransmit_first_us : wait_us * 2;
}

/* --- Progress --- */

static void end(struct sq_udp_tls *t, int err, const char *text)
{
    struct sq_stream_end what = {
        .err = err, .during = t->open ? SQ_STREAM_OPEN : SQ_STREAM_TLS, .text = text};
    t->open = false;
    t->over = true;
    sq_timer_stop(&t->timer);
    ERR_clear_error();
    t->events->on_end(t->ctx, &what);
}

/* ICMP said that nobody listens; the kernel tells it at a send or at a read. */
static bool is_refused(const struct sq_udp_tls *t)
{
    struct sq_udp_counters counters;
    sq_udp_get_counters(t->udp, &counters);
    return !t->heard && counters.send_refused > 0;
}

static void end_refused(struct sq_udp_tls *t)
{
    char text[SQ_NET_TEXT_MAX];
    snprintf(text, sizeof(text), "cannot connect to %s: nobody listens for DTLS there", t->who);
    end(t, SQ_ERR_REFUSED, text);
}

static void end_broken(struct sq_udp_tls *t)
{
    char text[SQ_NET_TEXT_MAX];
    const char *reason = ERR_reason_error_string(ERR_peek_error());
    snprintf(text, sizeof(text), "DTLS connection to %s broken: %s", t->who,
             reason ? reason : "closed");
    end(t, SQ_ERR_CLOSED, text);
}

static void end_handshake(struct sq_udp_tls *t, int ssl_error)
{
    char text[SQ_NET_TEXT_MAX];
    sq_tls_explain(t->ssl, ssl_error, &kind, t->who, t->name, text);
    end(t, SQ_ERR_TLS, text);
}

/* OpenSSL's own timer or the handshake's end, whatever is first. */
static void rearm(struct sq_udp_tls *t)
{
    struct timeval left;
    uint64_t at_ns = t->deadline_ns;
    if (DTLSv1_get_timeout(t->ssl, &left) == 1) {
        uint64_t flight_ns = sq_loop_now(t->loop) + (uint64_t)left.tv_sec * SQ_NS_PER_SEC +
                             (uint64_t)left.tv_usec * SQ_NS_PER_US;
        at_ns = flight_ns < at_ns ? flight_ns : at_ns;
    }
    sq_timer_start(sq_loop_timers(t->loop), &t->timer, at_ns);
}

static void handshake(struct sq_udp_tls *t)
{
    ERR_clear_error();
    int r = SSL_do_handshake(t->ssl);
    if (r == 1) {
        t->open = true;
        sq_timer_stop(&t->timer);
        t->events->on_open(t->ctx);
        return;
    }
    int ssl_error = SSL_get_error(t->ssl, r);
    if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE) {
        end_handshake(t, ssl_error);
    } else {
        rearm(t);
    }
}

/* OpenSSL has copied the datagram before it decrypts: what it held goes back to where it lay, one
 * record behind the other. */
static void read_all(struct sq_udp_tls *t, uint8_t *room, size_t len, uint64_t recv_ns)
{
    size_t used = 0;
    while (t->open && !t->closed && used < len) {
        size_t n = 0;
        ERR_clear_error();
        int r = SSL_read_ex(t->ssl, room + used, len - used, &n);
        if (r == 1) {
            t->events->on_data(t->ctx, room + used, n, recv_ns);
            used += n;
            continue;
        }
        int ssl_error = SSL_get_error(t->ssl, r);
        if (ssl_error == SSL_ERROR_ZERO_RETURN) {
            end(t, 0, "");
        } else if (ssl_error != SSL_ERROR_WANT_READ && ssl_error != SSL_ERROR_WANT_WRITE) {
            end_broken(t);
        }
        return;
    }
}

static void destroy(struct sq_udp_tls *t)
{
    sq_timer_stop(&t->timer);
    ERR_clear_error();
    if (t->ssl && t->open) {
        (void)SSL_shutdown(t->ssl);
    }
    SSL_free(t->ssl);
    sq_udp_close(t->udp);
    sq_free(t->name);
    sq_free(t);
}

static void leave(struct sq_udp_tls *t)
{
    t->busy = false;
    if (t->closed) {
        destroy(t);
    }
}

static void on_datagram(void *ctx, const struct sq_datagram *datagram)
{
    struct sq_udp_tls *t = ctx;
    if (t->over || datagram->len == 0) {
        return;
    }
    t->busy = true;
    t->heard = true;
    t->in = datagram->data;
    t->in_len = datagram->len;
    if (!t->open) {
        handshake(t);
    }
    read_all(t, datagram->data, datagram->len, datagram->recv_ns);
    t->in = NULL;
    leave(t);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_udp_tls *t = ctx;
    char text[SQ_NET_TEXT_MAX];
    t->busy = true;
    ERR_clear_error();
    if (now_ns >= t->deadline_ns) {
        snprintf(text, sizeof(text), "DTLS with %s: %s", t->who,
                 t->heard ? "the handshake did not finish in time" : "no answer");
        end(t, SQ_ERR_TIMEOUT, text);
    } else if (DTLSv1_handle_timeout(t->ssl) < 0) {
        end_handshake(t, SSL_ERROR_SSL);
    } else if (is_refused(t)) {
        end_refused(t);
    } else {
        rearm(t);
    }
    leave(t);
}

/* --- Life --- */

static int open_socket(struct sq_udp_tls *t, const struct sq_udp_tls_options *o)
{
    struct sq_udp_options udp = {.recv_buffer_bytes = o->recv_buffer_bytes,
                                 .send_buffer_bytes = o->send_buffer_bytes,
                                 .link = o->link};
    bool v4 = sq_addr_family(&o->remote) == AF_INET;
    int err = sq_addr_parse(v4 ? "0.0.0.0" : "::", 0, &udp.bind);
    if (o->bind && sq_addr_family(o->bind) == sq_addr_family(&o->remote)) {
        udp.bind = *o->bind;
    }
    err = err ? err : sq_udp_open(t->loop, &udp, on_datagram, t, &t->udp);
    return err ? err : sq_udp_connect(t->udp, &o->remote);
}

static int make_ssl(struct sq_udp_tls *t, const struct sq_tls_options *o)
{
    BIO_METHOD *method;
    SSL_CTX *ctx;
    int err = sq_tls_get(t->loop, &kind, o, &method, &ctx);
    if (err) {
        return err;
    }
    t->ssl = SSL_new(ctx);
    BIO *bio = t->ssl ? BIO_new(method) : NULL;
    if (!bio) {
        return SQ_ERR_NOMEM;
    }
    BIO_set_data(bio, t);
    BIO_set_init(bio, 1);
    SSL_set_bio(t->ssl, bio, bio);
    SSL_set_connect_state(t->ssl);
    DTLS_set_timer_cb(t->ssl, next_wait_us);
    bool set = SSL_set_app_data(t->ssl, t) == 1 &&
               SSL_set_mtu(t->ssl, SQ_UDP_TLS_HANDSHAKE_MTU) == SQ_UDP_TLS_HANDSHAKE_MTU &&
               sq_tls_set_name(t->ssl, t->name, o->insecure);
    return set ? 0 : SQ_ERR_TLS;
}

int sq_udp_tls_open(struct sq_loop *loop, const struct sq_udp_tls_options *options,
                    const struct sq_udp_tls_events *events, void *ctx,
                    struct sq_udp_tls **ret_udp_tls)
{
    struct sq_udp_tls *t = sq_zalloc(sizeof(*t));
    if (!t) {
        return SQ_ERR_NOMEM;
    }
    uint64_t timeout_ns = options->timeout_ns ? options->timeout_ns : SQ_STREAM_TIMEOUT_DEFAULT_NS;
    uint32_t first_ms = options->retransmit_first_ms;
    t->loop = loop;
    t->events = events;
    t->ctx = ctx;
    t->retransmit_first_us = (first_ms ? first_ms : RETRANSMIT_FIRST_MS) * US_PER_MS;
    t->deadline_ns = sq_loop_now(loop) + timeout_ns;
    sq_timer_init(&t->timer, on_timer, t);
    sq_addr_format(&options->remote, t->who);
    t->name = sq_strdup(options->tls_options.server_name);
    int err = t->name ? 0 : SQ_ERR_NOMEM;
    err = err ? err : open_socket(t, options);
    err = err ? err : make_ssl(t, &options->tls_options);
    if (!err) {
        ERR_clear_error();
        int r = SSL_do_handshake(t->ssl); /* the ClientHello: there is nothing to read yet */
        err = SSL_get_error(t->ssl, r) == SSL_ERROR_WANT_READ ? 0 : SQ_ERR_TLS;
    }
    ERR_clear_error();
    if (err) {
        destroy(t);
        return err;
    }
    rearm(t);
    *ret_udp_tls = t;
    return 0;
}

int sq_udp_tls_send(struct sq_udp_tls *udp_tls, const void *data, size_t len)
{
    size_t n = 0;
    if (!udp_tls->open) {
        return SQ_ERR_STATE;
    }
    ERR_clear_error();
    return SSL_write_ex(udp_tls->ssl, data, len, &n) == 1 ? 0 : SQ_ERR_TLS;
}

void sq_udp_tls_close(struct sq_udp_tls *udp_tls)
{
    if (udp_tls && udp_tls->busy) {
        udp_tls->closed = true;
    } else if (udp_tls) {
        destroy(udp_tls);
    }
}

struct sq_udp *sq_udp_tls_socket(const struct sq_udp_tls *udp_tls)
{
    return udp_tls->udp;
}
