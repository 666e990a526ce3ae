/* HTTP over a link, on loopback: libcurl's requests meet the link's delay, its firewall and its
 * outages, as everything else of a user does. */
#include "base/mem.h"
#include "net/certs.h"
#include "net/http.h"
#include "net/httpd.h"
#include "net/link.h"
#include "net/until.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/http_rig.h"

#define MS SQ_NS_PER_MS

static const struct sq_link_config open_link = {.up = {.delay_ns = 20 * MS},
                                                .down = {.delay_ns = 10 * MS}};
static const struct sq_link_config shut_link = {
    .up = {.delay_ns = 20 * MS}, .down = {.delay_ns = 10 * MS}, .firewall = SQ_FIREWALL_HTTPS};

static struct sq_link *own_link;
static struct sq_http_kept *kept;
static uint16_t client_port;
static size_t requests;

static void on_request(void *ctx, struct sq_httpd_request *r)
{
    struct sq_addr remote = sq_httpd_remote(r);
    size_t len;
    const char *body = sq_httpd_body(r, &len);
    client_port = sq_addr_port(&remote);
    requests++;
    if (strcmp(sq_httpd_path(r), "/moved") == 0) {
        const char *const headers[] = {"Location: /echo", NULL};
        assert_int_equal(sq_httpd_reply(r, 307, headers, NULL, 0), 0);
        return;
    }
    int err = sq_httpd_reply(r, 200, NULL, body, len);
    assert_true(err == 0 || err == SQ_ERR_NOMEM);
}

static void start_server(const struct test_cert *cert)
{
    serve(cert, 400000, on_request);
}

static int begin(void **state)
{
    int err = setup(state);
    requests = 0;
    start_server(NULL);
    err = err ? err : sq_link_create(loop, &open_link, 1, &own_link);
    return err ? err : sq_http_kept_new(&kept);
}

static int end(void **state)
{
    sq_http_kept_free(kept);
    sq_link_release(own_link);
    sq_httpd_free(server);
    return teardown(state);
}

/* Over the link, unless the options name none and say so. */
static struct result ask_with(struct sq_http_options o, const char *path)
{
    struct result r = {0};
    char url[200];
    struct sq_http *request;
    snprintf(url, sizeof(url), "%s%s", path[0] == '/' ? base : "", path);
    o.method = o.method ? o.method : "POST";
    o.url = url;
    o.body = o.body ? o.body : "hello";
    o.body_len = o.body_len ? o.body_len : 5;
    assert_int_equal(sq_http_start(loop, &o, on_response, &r, &request), 0);
    RUN_UNTIL(loop, r.calls);
    return r;
}

static struct result ask(const char *path)
{
    return ask_with((struct sq_http_options){.link = own_link, .kept = kept}, path);
}

static void each_round_trip_takes_its_time(void **state)
{
    struct result r = ask("/echo");
    assert_int_equal(r.err, 0);
    assert_string_equal(r.body, "hello");
    assert_int_equal(r.times.dns_ns, 0);
    assert_int_equal(r.times.tls_ns, 0);
    assert_true(r.times.connect_ns >= 30 * MS);
    assert_true(r.times.first_byte_ns >= 60 * MS && r.times.total_ns >= 60 * MS);
    assert_int_equal(sq_addr_port(&r.remote), atoi(strrchr(base, ':') + 1));
    uint16_t port = client_port;
    r = ask("/moved"); /* two more, over the same connection */
    assert_int_equal(r.status, 200);
    assert_int_equal(client_port, port);
    assert_int_equal(r.times.connect_ns, 0);
    assert_true(r.times.first_byte_ns >= 60 * MS);
}

static void tls_takes_its_own(void **state)
{
    struct test_cert cert;
    char ca[64];
    sq_httpd_free(server);
    test_cert_make(&cert, "IP:127.0.0.1");
    test_cert_write(&cert, ca);
    start_server(&cert);
    struct result r = ask("/echo");
    assert_int_equal(r.err, SQ_ERR_TLS); /* it is libcurl's to check, as ever */
    assert_int_equal(r.during, SQ_STREAM_TLS);
    r = ask_with((struct sq_http_options){.link = own_link, .kept = kept, .ca_file = ca}, "/echo");
    assert_int_equal(r.err, 0);
    assert_string_equal(r.body, "hello");
    assert_true(r.times.connect_ns >= 30 * MS && r.times.tls_ns >= 30 * MS);
    assert_true(r.times.first_byte_ns >= r.times.connect_ns + r.times.tls_ns + 30 * MS);
    unlink(ca);
}

/* 200,000 bytes at 10 Mbit/s: 0.16 s each way, more than a socket holds. */
static void bodies_have_the_rate_of_the_link(void **state)
{
    static char big[200001];
    const struct sq_link_config slow = {.up = {.rate_bps = 10e6}, .down = {.rate_bps = 10e6}};
    memset(big, 'x', sizeof(big) - 1);
    assert_int_equal(sq_link_set(own_link, &slow), 0);
    struct sq_http_options o = {
        .link = own_link, .kept = kept, .body = big, .body_len = sizeof(big) - 1};
    struct result r = ask_with(o, "/echo");
    assert_int_equal(r.err, 0);
    assert_int_equal(r.len, sizeof(big) - 1);
    assert_true(r.times.total_ns >= 320 * MS);
}

static void the_firewall_holds(void **state)
{
    assert_int_equal(sq_link_set(own_link, &shut_link), 0);
    struct sq_http_options o = {.link = own_link, .kept = kept, .timeout_ns = 100 * MS};
    struct result r = ask_with(o, "/echo");
    assert_int_equal(r.err, SQ_ERR_TIMEOUT);
    assert_int_equal(r.during, SQ_STREAM_CONNECT);
    assert_non_null(strstr(r.text, "cannot connect to 127.0.0.1:"));
    assert_non_null(strstr(r.text, "(its network's firewall stops TCP to that port)"));
    assert_int_equal(requests, 0);
    char port[16];
    snprintf(port, sizeof(port), ":%u", sq_link_stopped_port(own_link));
    assert_non_null(strstr(r.text, port));
    assert_int_equal(sq_link_set(own_link, &open_link), 0);
    assert_int_equal(sq_link_stopped_port(own_link), 0);
}

static void a_firewall_may_close_on_a_connection(void **state)
{
    struct sq_http_options o = {.link = own_link, .kept = kept, .timeout_ns = 200 * MS};
    assert_int_equal(ask("/echo").err, 0);
    assert_int_equal(sq_link_set(own_link, &shut_link), 0);
    struct result r = ask_with(o, "/echo");
    assert_int_equal(r.err, SQ_ERR_TIMEOUT);
    assert_int_equal(r.during, SQ_STREAM_OPEN);
    assert_int_equal(requests, 1);
    assert_int_equal(sq_link_set(own_link, &open_link), 0);
    assert_int_equal(ask("/echo").err, 0);
}

static void an_outage_holds_a_request_up(void **state)
{
    struct sq_link_config out = open_link;
    struct result r = {0};
    struct sq_http *request;
    char url[100];
    out.outage = true;
    assert_int_equal(sq_link_set(own_link, &out), 0);
    snprintf(url, sizeof(url), "%s/echo", base);
    const struct sq_http_options o = {.method = "GET", .url = url, .link = own_link, .kept = kept};
    assert_int_equal(sq_http_start(loop, &o, on_response, &r, &request), 0);
    uint64_t until_ns = sq_clock_ns() + 60 * MS;
    RUN_UNTIL(loop, sq_clock_ns() > until_ns);
    assert_int_equal(requests + (size_t)r.calls, 0);
    assert_int_equal(sq_link_set(own_link, &open_link), 0);
    RUN_UNTIL(loop, r.calls);
    assert_int_equal(r.err, 0);
    assert_true(r.times.connect_ns >= 60 * MS);
}

static void who_is_not_there_is_told(void **state)
{
    struct sq_addr addr;
    socklen_t len = sizeof(addr);
    char url[100];
    int fd = socket(AF_INET, SOCK_STREAM, 0); /* bound, and nobody listens */
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    assert_int_equal(bind(fd, &addr.sa, sq_addr_len(&addr)), 0);
    assert_int_equal(getsockname(fd, &addr.sa, &len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/", sq_addr_port(&addr));
    struct result r = ask(url);
    assert_int_equal(r.err, SQ_ERR_REFUSED);
    assert_int_equal(r.during, SQ_STREAM_CONNECT);
    assert_non_null(strstr(r.text, "Connection refused"));
    r = ask("http://nowhere.invalid/");
    assert_int_equal(r.err, SQ_ERR_DNS);
    assert_int_equal(r.during, SQ_STREAM_DNS);
    close(fd);
}

/* A link's connections are nobody else's, and it takes none of others. */
static void connections_are_not_mixed(void **state)
{
    const struct sq_http_options plain = {.method = NULL};
    const struct sq_http_options once = {.link = own_link};
    struct result r = ask_with(plain, "/echo");
    uint16_t shared = client_port;
    assert_true(r.times.connect_ns < 30 * MS);
    r = ask_with(once, "/echo");
    uint16_t first = client_port;
    assert_true(r.times.connect_ns >= 30 * MS && first != shared);
    r = ask_with(once, "/echo");
    assert_true(r.times.connect_ns >= 30 * MS && client_port != first);
    r = ask_with(plain, "/echo");
    assert_int_equal(client_port, shared);
    assert_int_equal(r.times.connect_ns, 0);
}

/* Sockets but those of the server, which closes its ends in its own time. */
static size_t own_sockets(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 256; fd++) {
        struct sq_addr a;
        socklen_t len = sizeof(a);
        n += getsockname(fd, &a.sa, &len) == 0 && a.sa.sa_family == AF_INET &&
             sq_addr_port(&a) != atoi(strrchr(base, ':') + 1);
    }
    return n;
}

static void nothing_is_left_behind(void **state)
{
    struct result r = {0};
    struct sq_http *request;
    char url[100];
    assert_int_equal(ask_with((struct sq_http_options){.method = NULL}, "/echo").err, 0);
    size_t before = own_sockets();
    assert_int_equal(ask("/echo").err, 0);
    assert_true(own_sockets() > before);
    sq_http_kept_free(kept);
    kept = NULL;
    RUN_UNTIL(loop, own_sockets() == before);
    snprintf(url, sizeof(url), "%s/echo", base);
    const struct sq_http_options o = {.method = "GET", .url = url, .link = own_link};
    for (int steps = 0; steps < 8; steps++) { /* cancelled at each stage */
        assert_int_equal(sq_http_start(loop, &o, on_response, &r, &request), 0);
        for (int i = 0; i < steps; i++) {
            assert_int_equal(sq_loop_run_once(loop, 10 * MS), 0);
        }
        if (!r.calls) {
            sq_http_cancel(request);
        }
        r = (struct result){0};
    }
    RUN_UNTIL(loop, own_sockets() == before);
}

/* The loop ends with a connection kept, and one just being opened. */
static void the_loop_may_end_first(void **state)
{
    struct result r = {0};
    struct sq_http *request;
    char url[100];
    assert_int_equal(ask("/echo").err, 0);
    snprintf(url, sizeof(url), "%s/echo", base);
    const struct sq_http_options o = {.method = "GET", .url = url, .link = own_link};
    assert_int_equal(sq_http_start(loop, &o, on_response, &r, &request), 0);
    assert_int_equal(sq_loop_run_once(loop, MS), 0);
    sq_http_cancel(request);
}

static void no_memory_at_any_point(void **state)
{
    bool done = false;
    for (size_t nth = 1; !done; nth++) {
        struct result r = {0};
        char url[100];
        struct sq_http *request = NULL;
        snprintf(url, sizeof(url), "%s/echo", base);
        const struct sq_http_options o = {
            .method = "GET", .url = url, .link = own_link, .timeout_ns = 400 * MS};
        sq_mem_fail_at(nth);
        int err = sq_http_start(loop, &o, on_response, &r, &request);
        while (err == 0 && !r.calls) {
            assert_int_equal(sq_loop_run_once(loop, MS), 0);
        }
        done = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(!done || (r.err == 0 && r.status == 200));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(each_round_trip_takes_its_time, begin, end),
        cmocka_unit_test_setup_teardown(tls_takes_its_own, begin, end),
        cmocka_unit_test_setup_teardown(bodies_have_the_rate_of_the_link, begin, end),
        cmocka_unit_test_setup_teardown(the_firewall_holds, begin, end),
        cmocka_unit_test_setup_teardown(a_firewall_may_close_on_a_connection, begin, end),
        cmocka_unit_test_setup_teardown(an_outage_holds_a_request_up, begin, end),
        cmocka_unit_test_setup_teardown(who_is_not_there_is_told, begin, end),
        cmocka_unit_test_setup_teardown(connections_are_not_mixed, begin, end),
        cmocka_unit_test_setup_teardown(nothing_is_left_behind, begin, end),
        cmocka_unit_test_setup_teardown(the_loop_may_end_first, begin, end),
        cmocka_unit_test_setup_teardown(no_memory_at_any_point, begin, end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
