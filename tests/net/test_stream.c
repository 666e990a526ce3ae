/* DNS and streams: TCP and TLS on loopback. */
#include "base/mem.h"
#include "net/certs.h"
#include "net/dns.h"
#include "net/httpd.h"
#include "net/link.h"
#include "net/net.h"
#include "net/on_loop.h"
#include "net/stream.h"
#include "net/until.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

/* --- DNS --- */

struct resolved {
    int calls, err;
    size_t n;
    struct sq_addr addrs[SQ_DNS_ADDR_MAX];
    char text[400];
};

static void on_answer(void *ctx, const struct sq_dns_answer *a)
{
    struct resolved *r = ctx;
    r->calls++;
    r->err = a->err;
    r->n = a->n;
    memcpy(r->addrs, a->addrs, a->n * sizeof(*a->addrs));
    strncpy(r->text, a->text, sizeof(r->text) - 1);
}

static struct resolved resolve(const char *host, int family, uint64_t timeout_ns)
{
    struct resolved r = {0};
    struct sq_dns_query *q;
    assert_int_equal(sq_dns_resolve(loop, host, 443, family, timeout_ns, on_answer, &r, &q), 0);
    assert_int_equal(r.calls, 0);
    RUN_UNTIL(loop, r.calls);
    assert_int_equal(r.calls, 1);
    return r;
}

static void assert_addr(const struct sq_addr *a, const char *expected)
{
    char text[SQ_ADDR_TEXT_MAX];
    assert_string_equal(sq_addr_format(a, text), expected);
}

static void numeric_addresses_need_no_server(void **state)
{
    struct resolved r = resolve("192.0.2.7", AF_UNSPEC, 0);
    assert_int_equal(r.err, 0);
    assert_int_equal(r.n, 1);
    assert_addr(&r.addrs[0], "192.0.2.7:443");
    r = resolve("[2001:db8::1]", AF_UNSPEC, 0);
    assert_addr(&r.addrs[0], "[2001:db8::1]:443");
    r = resolve("192.0.2.7", AF_INET6, 0);
    assert_int_equal(r.err, SQ_ERR_DNS);
}

static void localhost_stays_here(void **state)
{
    struct resolved r = resolve("localhost", AF_INET, 0);
    assert_int_equal(r.n, 1);
    assert_addr(&r.addrs[0], "127.0.0.1:443");
    r = resolve("web.LocalHost.", AF_UNSPEC, 0);
    assert_int_equal(r.n, 2);
    assert_addr(&r.addrs[1], "[::1]:443");
}

static void unknown_names_fail_with_a_sentence(void **state)
{
    struct resolved r = resolve("nothing.invalid", AF_UNSPEC, 0);
    assert_int_equal(r.err, SQ_ERR_DNS);
    assert_non_null(strstr(r.text, "nothing.invalid"));
    struct sq_dns_query *q;
    assert_int_equal(sq_dns_resolve(loop, "", 1, 0, 0, on_answer, &r, &q), SQ_ERR_INVALID);
}

/* A name server that never answers: a bound socket that nobody reads. */
static void silent_servers_time_out(void **state)
{
    struct sq_addr addr;
    socklen_t len = sizeof(addr);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    int fd = socket(AF_INET, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, &addr.sa, sizeof(addr.in4)), 0);
    assert_int_equal(getsockname(fd, &addr.sa, &len), 0);
    char text[SQ_ADDR_TEXT_MAX];
    assert_int_equal(sq_dns_set_servers(loop, sq_addr_format(&addr, text)), 0);
    struct resolved r = resolve("example.test", AF_UNSPEC, 40 * SQ_NS_PER_MS);
    assert_int_equal(r.err, SQ_ERR_TIMEOUT);
    assert_non_null(strstr(r.text, "example.test"));
    /* A cancelled one is not heard of again. */
    struct resolved none = {0};
    struct sq_dns_query *q;
    assert_int_equal(sq_dns_resolve(loop, "example.test", 1, 0, 0, on_answer, &none, &q), 0);
    sq_dns_cancel(q);
    assert_int_equal(sq_dns_resolve(loop, "10.1.1.1", 1, 0, 0, on_answer, &none, &q), 0);
    sq_dns_cancel(q);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(none.calls, 0);
    close(fd);
}

/* Answers one query with an A record (RFC 1035, section 4.1). */
static size_t dns_reply(uint8_t *msg, size_t len)
{
    static const uint8_t answer[] = {0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 203, 0, 113, 9};
    size_t end = 12;
    while (msg[end] != 0) {
        end += msg[end] + 1U;
    }
    end += 5;
    bool is_a = msg[end - 3] == 1;
    msg[2] = 0x81; /* a response */
    msg[3] = 0x80;
    msg[7] = is_a;         /* answers */
    memset(msg + 8, 0, 4); /* no authority, no additional records */
    memcpy(msg + end, answer, sizeof(answer));
    return end + (is_a ? sizeof(answer) : 0);
}

static void on_dns_server(void *ctx, unsigned ready)
{
    uint8_t msg[600];
    struct sockaddr_storage from;
    socklen_t len = sizeof(from);
    int fd = *(int *)ctx;
    ssize_t n = recvfrom(fd, msg, 512, 0, (struct sockaddr *)&from, &len);
    assert_true(n > 12);
    size_t reply = dns_reply(msg, (size_t)n);
    assert_true(sendto(fd, msg, reply, 0, (struct sockaddr *)&from, len) > 0);
}

struct dns_server {
    struct sq_watch watch;
    int fd;
};

static void start_dns(struct dns_server *d)
{
    struct sq_addr addr;
    socklen_t len = sizeof(addr);
    char text[SQ_ADDR_TEXT_MAX];
    *d = (struct dns_server){.fd = socket(AF_INET, SOCK_DGRAM | SOCK_NONBLOCK, 0)};
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    assert_int_equal(bind(d->fd, &addr.sa, sizeof(addr.in4)), 0);
    assert_int_equal(getsockname(d->fd, &addr.sa, &len), 0);
    assert_int_equal(sq_watch_start(loop, &d->watch, d->fd, SQ_READ, on_dns_server, &d->fd), 0);
    assert_int_equal(sq_dns_set_servers(loop, sq_addr_format(&addr, text)), 0);
}

static void stop_dns(struct dns_server *d)
{
    sq_watch_stop(&d->watch);
    close(d->fd);
}

static void names_are_asked_of_the_server(void **state)
{
    struct dns_server dns;
    start_dns(&dns);
    struct resolved r = resolve("sfu.example.test", AF_UNSPEC, 0);
    assert_int_equal(r.err, 0);
    assert_int_equal(r.n, 1);
    assert_addr(&r.addrs[0], "203.0.113.9:443");
    stop_dns(&dns);
}

/* --- streams --- */

struct client {
    struct sq_stream *stream;
    bool opened, ended, drained, free_at_once;
    int err;
    enum sq_stream_phase during;
    size_t got, echoed;
    char text[400];
    char data[4096];
    struct sq_stream_times times;
};

static void on_open(void *ctx)
{
    struct client *c = ctx;
    c->opened = true;
    sq_stream_get_times(c->stream, &c->times);
}

static void on_data(void *ctx, const uint8_t *data, size_t len)
{
    struct client *c = ctx;
    for (size_t i = 0; i < len && c->got + i < sizeof(c->data); i++) {
        c->data[c->got + i] = (char)data[i];
    }
    c->got += len;
    if (c->free_at_once) {
        sq_stream_free(c->stream);
        c->stream = NULL;
    }
}

static void on_drained(void *ctx)
{
    ((struct client *)ctx)->drained = true;
}

static void on_end(void *ctx, const struct sq_stream_end *e)
{
    struct client *c = ctx;
    c->ended = true;
    c->err = e->err;
    c->during = e->during;
    strncpy(c->text, e->text, sizeof(c->text) - 1);
}

static const struct sq_stream_events events = {on_open, on_data, on_drained, on_end};

static int listener(const char *ip, uint16_t *ret_port)
{
    struct sq_addr addr;
    socklen_t len = sizeof(addr);
    assert_int_equal(sq_addr_parse(ip, 0, &addr), 0);
    int fd = socket(sq_addr_family(&addr), SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(bind(fd, &addr.sa, sq_addr_len(&addr)), 0);
    assert_int_equal(listen(fd, 4), 0);
    assert_int_equal(getsockname(fd, &addr.sa, &len), 0);
    *ret_port = sq_addr_port(&addr);
    return fd;
}

static void connect_to(struct client *c, const char *host, uint16_t port)
{
    memset(c, 0, sizeof(*c));
    struct sq_stream_options o = {.host = host, .port = port};
    assert_int_equal(sq_stream_connect(loop, &o, &events, c, &c->stream), 0);
}

/* A question and its answer take a round trip of the link. (The firewall stops what follows: no
 * packet leaves this machine.) */
static void names_are_asked_over_the_link(void **state)
{
    const struct sq_link_config config = {.up = {.delay_ns = 40 * SQ_NS_PER_MS},
                                          .down = {.delay_ns = 20 * SQ_NS_PER_MS},
                                          .firewall = SQ_FIREWALL_HTTPS};
    struct sq_link *over;
    struct dns_server dns;
    struct client c = {0};
    start_dns(&dns);
    assert_int_equal(sq_link_create(loop, &config, 1, &over), 0);
    struct sq_stream_options o = {
        .host = "sfu.example.test", .port = 80, .link = over, .timeout_ns = 150 * SQ_NS_PER_MS};
    assert_int_equal(sq_stream_connect(loop, &o, &events, &c, &c.stream), 0);
    RUN_UNTIL(loop, c.ended);
    sq_stream_get_times(c.stream, &c.times);
    assert_int_equal(c.err, SQ_ERR_TIMEOUT);
    assert_int_equal(c.during, SQ_STREAM_CONNECT);
    assert_true(c.times.dns_ns >= 60 * SQ_NS_PER_MS);
    sq_stream_free(c.stream);
    o.timeout_ns = 50 * SQ_NS_PER_MS; /* too little for it */
    c = (struct client){0};
    assert_int_equal(sq_stream_connect(loop, &o, &events, &c, &c.stream), 0);
    RUN_UNTIL(loop, c.ended);
    assert_int_equal(c.during, SQ_STREAM_DNS);
    sq_stream_free(c.stream);
    sq_link_release(over);
    stop_dns(&dns);
}

static int accepted;

static bool try_accept(int fd)
{
    accepted = accept4(fd, NULL, NULL, SOCK_NONBLOCK);
    return accepted >= 0;
}

/* "localhost" has two addresses and the server listens on one: the other must be tried too. */
static void tcp_both_ways(const char *listen_ip)
{
    struct client a;
    struct client b = {0};
    uint16_t port;
    int fd = listener(listen_ip, &port);
    connect_to(&a, "localhost", port);
    RUN_UNTIL(loop, a.opened);
    assert_true(a.times.connect_ns > 0);
    assert_int_equal(a.times.tls_ns, 0);
    RUN_UNTIL(loop, try_accept(fd));
    assert_int_equal(
        sq_stream_from_fd(loop, accepted, "early", 5, NULL, NULL, &events, &b, &b.stream), 0);
    assert_int_equal(sq_stream_send(a.stream, " hello", 6), 0);
    RUN_UNTIL(loop, b.got == 11);
    assert_memory_equal(b.data, "early hello", 11);
    struct sq_addr remote = sq_stream_remote(a.stream);
    assert_int_equal(sq_addr_port(&remote), port);
    /* More than the kernel takes at once: queued, drained, complete; the maximum holds. */
    size_t big = 900000;
    char *bytes = sq_zalloc(big);
    int err = 0;
    size_t sent = 0;
    while (err == 0) {
        err = sq_stream_send(a.stream, bytes, big);
        sent += err == 0 ? big : 0;
    }
    assert_int_equal(err, SQ_ERR_NOSPACE);
    assert_true(sq_stream_queued_bytes(a.stream) <= SQ_STREAM_QUEUE_DEFAULT_BYTES);
    RUN_UNTIL(loop, b.got == 11 + sent);
    RUN_UNTIL(loop, a.drained);
    sq_free(bytes);
    sq_stream_shutdown(a.stream);
    assert_int_equal(sq_stream_send(a.stream, "x", 1), SQ_ERR_STATE);
    RUN_UNTIL(loop, b.ended);
    assert_int_equal(b.err, 0);
    sq_stream_free(b.stream);
    RUN_UNTIL(loop, a.ended);
    assert_int_equal(a.err, 0);
    sq_stream_free(a.stream);
    close(fd);
}

static void tcp_ipv4(void **state)
{
    tcp_both_ways("127.0.0.1");
}

static void tcp_ipv6(void **state)
{
    tcp_both_ways("::1");
}

static void a_refusal_names_host_port_and_address(void **state)
{
    struct client c;
    uint16_t port;
    close(listener("127.0.0.1", &port));
    connect_to(&c, "127.0.0.1", port);
    RUN_UNTIL(loop, c.ended);
    assert_int_equal(c.err, SQ_ERR_REFUSED);
    assert_int_equal(c.during, SQ_STREAM_CONNECT);
    char expected[64];
    snprintf(expected, sizeof(expected), "cannot connect to 127.0.0.1:%u", port);
    assert_non_null(strstr(c.text, expected));
    assert_non_null(strstr(c.text, "refused"));
    sq_stream_free(c.stream);
    connect_to(&c, "server.invalid", 80);
    RUN_UNTIL(loop, c.ended);
    assert_int_equal(c.err, SQ_ERR_DNS);
    assert_int_equal(c.during, SQ_STREAM_DNS);
    sq_stream_free(c.stream);
}

static void a_stream_may_be_freed_in_its_callback(void **state)
{
    int fds[2];
    struct client c = {.free_at_once = true};
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, fds), 0);
    assert_int_equal(sq_stream_from_fd(loop, fds[0], "ab", 2, NULL, NULL, &events, &c, &c.stream),
                     0);
    RUN_UNTIL(loop, c.got == 2);
    assert_null(c.stream);
    assert_false(c.ended);
    sq_stream_free(NULL);
    close(fds[1]);
}

#define FULL_MAX 16

/* A listener of IPv4 whose queue is full: the kernel drops what comes then. */
struct full {
    int fd, waiting[FULL_MAX];
    size_t n;
    uint16_t port;
};

static void fill(struct full *f)
{
    struct sq_addr to;
    struct sockaddr_storage peer;
    bool through = true;
    f->fd = listener("127.0.0.1", &f->port);
    f->n = 0;
    assert_int_equal(sq_addr_parse("127.0.0.1", f->port, &to), 0);
    while (through) {
        socklen_t len = sizeof(peer);
        assert_true(f->n < FULL_MAX);
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0);
        (void)connect(fd, &to.sa, sq_addr_len(&to));
        through = getpeername(fd, (struct sockaddr *)&peer, &len) == 0;
        f->waiting[f->n++] = fd;
    }
}

static void empty(struct full *f)
{
    while (f->n > 0) {
        close(f->waiting[--f->n]);
    }
    close(f->fd);
}

/* Of two addresses the first does not answer: it has half of the time, and then it is the other's
 * turn. */
static void a_silent_address_gives_way(void **state)
{
    struct full full;
    int fd = -1;
    for (int tries = 0; fd < 0; tries++) { /* one port for both families */
        struct sq_addr addr;
        assert_true(tries < 20);
        fill(&full);
        assert_int_equal(sq_addr_parse("::1", full.port, &addr), 0);
        fd = socket(AF_INET6, SOCK_STREAM | SOCK_NONBLOCK, 0);
        if (bind(fd, &addr.sa, sq_addr_len(&addr)) < 0 || listen(fd, 4) < 0) {
            close(fd);
            empty(&full);
            fd = -1;
        }
    }
    struct client c = {0};
    struct sq_stream_options o = {
        .host = "localhost", .port = full.port, .timeout_ns = 400 * SQ_NS_PER_MS};
    uint64_t began_ns = sq_clock_ns();
    assert_int_equal(sq_stream_connect(loop, &o, &events, &c, &c.stream), 0);
    RUN_UNTIL(loop, c.opened || c.ended);
    assert_true(c.opened);
    assert_true(sq_clock_ns() - began_ns >= 200 * SQ_NS_PER_MS);
    struct sq_addr remote = sq_stream_remote(c.stream);
    assert_int_equal(sq_addr_family(&remote), AF_INET6);
    sq_stream_free(c.stream);
    close(fd);
    /* Nobody is at the other either: the rest of the time is the first one's. */
    memset(&c, 0, sizeof(c));
    o.timeout_ns = 60 * SQ_NS_PER_MS;
    assert_int_equal(sq_stream_connect(loop, &o, &events, &c, &c.stream), 0);
    RUN_UNTIL(loop, c.ended);
    assert_int_equal(c.err, SQ_ERR_TIMEOUT);
    assert_int_equal(c.during, SQ_STREAM_CONNECT);
    assert_non_null(strstr(c.text, "60ms"));
    sq_stream_free(c.stream);
    empty(&full);
}

/* A full listener's backlog does not answer; the time-out must. */
static void a_silent_server_times_out(void **state)
{
    uint16_t port;
    struct client c = {0};
    int fd = listener("127.0.0.1", &port);
    struct sq_stream_options o = {
        .host = "127.0.0.1", .port = port, .tls = true, .timeout_ns = 30 * SQ_NS_PER_MS};
    assert_int_equal(sq_stream_connect(loop, &o, &events, &c, &c.stream), 0);
    RUN_UNTIL(loop, c.ended);
    assert_int_equal(c.err, SQ_ERR_TIMEOUT);
    assert_int_equal(c.during, SQ_STREAM_TLS);
    assert_non_null(strstr(c.text, "30ms"));
    sq_stream_free(c.stream);
    close(fd);
}

/* --- TLS --- */

static struct test_cert cert;

static void serve_hello(void *ctx, struct sq_httpd_request *request)
{
    assert_int_equal(sq_httpd_reply(request, 200, NULL, "hello", 5), 0);
}

static struct sq_httpd *tls_server(const char *names, uint16_t *ret_port)
{
    struct sq_httpd *h;
    test_cert_make(&cert, names);
    struct sq_httpd_options o = {.cert_pem = cert.cert_pem, .key_pem = cert.key_pem};
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.listen), 0);
    assert_int_equal(sq_httpd_new(loop, &o, serve_hello, NULL, &h), 0);
    struct sq_addr local = sq_httpd_local(h);
    *ret_port = sq_addr_port(&local);
    return h;
}

static void connect_tls(struct client *c, const char *host, uint16_t port,
                        const struct sq_tls_options *tls)
{
    memset(c, 0, sizeof(*c));
    struct sq_stream_options o = {.host = host, .port = port, .tls = true, .tls_options = *tls};
    assert_int_equal(sq_stream_connect(loop, &o, &events, c, &c->stream), 0);
    RUN_UNTIL(loop, c->opened || c->ended);
}

static void expect_hello(struct client *c)
{
    static const char get[] = "GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n";
    assert_true(c->opened);
    assert_true(c->times.tls_ns > 0 && c->times.connect_ns > 0);
    assert_int_equal(sq_stream_send(c->stream, get, sizeof(get) - 1), 0);
    RUN_UNTIL(loop, c->ended);
    assert_int_equal(c->err, 0);
    assert_non_null(strstr(c->data, "\r\n\r\nhello"));
    sq_stream_free(c->stream);
}

static void expect_refusal(struct client *c, const char *why)
{
    assert_false(c->opened);
    assert_int_equal(c->err, SQ_ERR_TLS);
    assert_int_equal(c->during, SQ_STREAM_TLS);
    assert_non_null(strstr(c->text, why));
    sq_stream_free(c->stream);
}

static void tls_trusts_whom_it_is_told_to(void **state)
{
    struct client c;
    uint16_t port;
    char ca[64];
    struct sq_httpd *h = tls_server("DNS:localhost,IP:127.0.0.1", &port);
    test_cert_write(&cert, ca);
    struct sq_tls_options system = {0};
    struct sq_tls_options own = {.ca_file = ca};
    struct sq_tls_options any = {.insecure = true};
    struct sq_tls_options wrong = {.ca_file = ca, .server_name = "other.example"};
    connect_tls(&c, "localhost", port, &system);
    expect_refusal(&c, "self-signed");
    connect_tls(&c, "localhost", port, &own);
    expect_hello(&c);
    connect_tls(&c, "127.0.0.1", port, &own);
    expect_hello(&c);
    connect_tls(&c, "localhost", port, &any);
    expect_hello(&c);
    connect_tls(&c, "127.0.0.1", port, &wrong);
    expect_refusal(&c, "hostname mismatch");
    wrong.server_name = "192.0.2.1";
    connect_tls(&c, "localhost", port, &wrong);
    expect_refusal(&c, "IP address mismatch");
    struct sq_stream_options o = {.host = "localhost", .port = port, .tls = true};
    o.tls_options.ca_file = "/nonexistent/ca.pem";
    assert_int_equal(sq_stream_connect(loop, &o, &events, &c, &c.stream), SQ_ERR_TLS);
    unlink(ca);
    sq_httpd_free(h);
}

static void tls_with_a_plain_server_is_told(void **state)
{
    struct client c;
    uint16_t port;
    struct sq_httpd *h;
    struct sq_httpd_options o = {0};
    struct sq_tls_options any = {.insecure = true};
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &o.listen), 0);
    assert_int_equal(sq_httpd_new(loop, &o, serve_hello, NULL, &h), 0);
    struct sq_addr local = sq_httpd_local(h);
    port = sq_addr_port(&local);
    connect_tls(&c, "localhost", port, &any);
    expect_refusal(&c, "TLS with localhost");
    sq_httpd_free(h);
}

static void no_memory_at_any_point(void **state)
{
    uint16_t port;
    int fd = listener("127.0.0.1", &port);
    struct sq_stream_options o = {.host = "127.0.0.1",
                                  .port = port,
                                  .tls_options = {.ca_file = "x", .server_name = "y", .alpn = "z"}};
    bool done = false;
    for (size_t nth = 1; !done; nth++) {
        struct client c = {0};
        sq_mem_fail_at(nth);
        int err = sq_stream_connect(loop, &o, &events, &c, &c.stream);
        for (int i = 0; err == 0 && i < 100 && !c.opened && !c.ended; i++) {
            assert_int_equal(sq_loop_run_once(loop, 10 * SQ_NS_PER_MS), 0);
        }
        done = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(c.opened || err == SQ_ERR_NOMEM || c.err == SQ_ERR_NOMEM);
        sq_stream_free(c.stream);
    }
    close(fd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_memory_at_any_point), /* first: the resolver is not there yet */
        cmocka_unit_test(numeric_addresses_need_no_server),
        cmocka_unit_test(localhost_stays_here),
        cmocka_unit_test(unknown_names_fail_with_a_sentence),
        cmocka_unit_test(silent_servers_time_out),
        cmocka_unit_test(names_are_asked_of_the_server),
        cmocka_unit_test(names_are_asked_over_the_link),
        cmocka_unit_test(tcp_ipv4),
        cmocka_unit_test(tcp_ipv6),
        cmocka_unit_test(a_refusal_names_host_port_and_address),
        cmocka_unit_test(a_stream_may_be_freed_in_its_callback),
        cmocka_unit_test(a_silent_address_gives_way),
        cmocka_unit_test(a_silent_server_times_out),
        cmocka_unit_test(tls_trusts_whom_it_is_told_to),
        cmocka_unit_test(tls_with_a_plain_server_is_told),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
