#include "net/tls_front.h"

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct tls_front {
    pthread_t thread;
    SSL_CTX *ctx;
    int listener;
    struct sockaddr_in plain;
};

static void must(bool ok)
{
    if (!ok) {
        abort();
    }
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t w = send(fd, bytes, n, MSG_NOSIGNAL);
        if (w <= 0) {
            return false;
        }
        bytes += w;
        n -= (size_t)w;
    }
    return true;
}

/* Both ways until one side ends. The test's messages are small enough for blocking writes: what the
 * other side has not read yet fits into the socket buffers. */
static void pass_on(SSL *ssl, int tls_fd, int plain_fd)
{
    char buf[16384];
    for (;;) {
        struct pollfd p[2] = {{.fd = tls_fd, .events = POLLIN}, {.fd = plain_fd, .events = POLLIN}};
        if (SSL_pending(ssl) == 0 && poll(p, 2, -1) < 0) {
            return;
        }
        if (SSL_pending(ssl) > 0 || p[0].revents) {
            int n = SSL_read(ssl, buf, sizeof(buf));
            if (n <= 0 || !write_all(plain_fd, buf, (size_t)n)) {
                return;
            }
        }
        if (p[1].revents) {
            ssize_t n = recv(plain_fd, buf, sizeof(buf), 0);
            if (n <= 0 || SSL_write(ssl, buf, (int)n) <= 0) {
                return;
            }
        }
    }
}

static void serve(struct tls_front *f, int fd)
{
    SSL *ssl = SSL_new(f->ctx);
    must(ssl && SSL_set_fd(ssl, fd));
    if (SSL_accept(ssl) == 1) {
        int plain = socket(AF_INET, SOCK_STREAM, 0);
        must(connect(plain, (struct sockaddr *)&f->plain, sizeof(f->plain)) == 0);
        pass_on(ssl, fd, plain);
        close(plain);
    }
    SSL_free(ssl);
    close(fd);
}

static void *run(void *ctx)
{
    struct tls_front *f = ctx;
    int fd;
    while ((fd = accept(f->listener, NULL, NULL)) >= 0) { /* until shut down */
        serve(f, fd);
    }
    return NULL;
}

struct tls_front *tls_front_start(const struct test_cert *cert, uint16_t plain_port,
                                  uint16_t *ret_port)
{
    struct tls_front *f = calloc(1, sizeof(*f));
    must(f != NULL);
    f->ctx = test_cert_context(cert, TLS_server_method());
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(a);
    f->plain = a;
    f->plain.sin_port = htons(plain_port);
    f->listener = socket(AF_INET, SOCK_STREAM, 0);
    must(bind(f->listener, (struct sockaddr *)&a, sizeof(a)) == 0 && listen(f->listener, 4) == 0 &&
         getsockname(f->listener, (struct sockaddr *)&a, &len) == 0);
    *ret_port = ntohs(a.sin_port);
    must(pthread_create(&f->thread, NULL, run, f) == 0);
    return f;
}

void tls_front_stop(struct tls_front *f)
{
    shutdown(f->listener, SHUT_RDWR); /* ends the accept */
    pthread_join(f->thread, NULL);
    close(f->listener);
    SSL_CTX_free(f->ctx);
    free(f);
}
