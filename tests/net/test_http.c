/* The HTTP client against the HTTP server, one loop. */
#include "base/mem.h"
#include "net/certs.h"
#include "net/http.h"
#include "net/httpd.h"
#include "net/net.h"
#include "net/until.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cmocka.h>

#include "net/http_rig.h"

/* --- the server's routes --- */

/* A reply for which there is no memory closes the connection. */
static void reply(struct sq_httpd_request *r, int status, const char *const *headers,
                  const char *body, size_t len)
{
    int err = sq_httpd_reply(r, status, headers, body, len);
    assert_true(err == 0 || err == SQ_ERR_NOMEM);
}

struct later {
    struct sq_timer timer;
    struct sq_httpd_request *request;
    bool gone;
};

static struct later later;

static void reply_later(void *ctx, uint64_t now_ns)
{
    reply(later.request, 200, NULL, "later", 5);
    later.request = NULL;
}

static void on_gone(void *ctx)
{
    later.gone = true;
    later.request = NULL;
}

/* Tells the request back: method, path, two headers and the body. */
static void reply_echo(struct sq_httpd_request *r)
{
    static const char *const headers[] = {"Content-Type: text/plain",
                                          "Link: <a>; rel=\"ice-server\"",
                                          "Link: <b>; rel=\"ice-server\"", "X-Empty:", NULL};
    struct sq_buf out = {0};
    size_t len;
    const char *body = sq_httpd_body(r, &len);
    const char *auth = sq_httpd_header(r, "authorization");
    const char *type = sq_httpd_header(r, "Content-Type");
    const char *q = sq_httpd_query(r, "q");
    sq_buf_printf(&out, "%s %s q=%s auth=%s type=%s ", sq_httpd_method(r), sq_httpd_path(r),
                  q ? q : "-", auth ? auth : "-", type ? type : "-");
    sq_buf_add(&out, body, len);
    reply(r, 201, headers, out.text, out.len);
    sq_buf_free(&out);
}

static void reply_redirect(struct sq_httpd_request *r, const char *path)
{
    char location[128];
    int status = 0;
    assert_int_equal(sscanf(path, "/to/%d", &status), 1);
    const char *host = sq_httpd_query(r, "host");
    if (host) {
        snprintf(location, sizeof(location), "Location: http://%s:%u/echo", host, server_port);
    } else {
        snprintf(location, sizeof(location), "Location: %s",
                 sq_httpd_query(r, "loop")   ? "?loop=1"
                 : sq_httpd_query(r, "file") ? "file:///etc/hostname"
                                             : "../echo?q=moved");
    }
    const char *const headers[] = {location, NULL};
    reply(r, status, headers, NULL, 0);
}

static uint16_t client_port; /* of the latest request */

static void on_request(void *ctx, struct sq_httpd_request *r)
{
    const char *path = sq_httpd_path(r);
    struct sq_addr remote = sq_httpd_remote(r);
    client_port = sq_addr_port(&remote);
    if (strcmp(path, "/echo") == 0) {
        reply_echo(r);
    } else if (strncmp(path, "/to/", 4) == 0) {
        reply_redirect(r, path);
    } else if (strcmp(path, "/later") == 0) {
        later.request = r;
        sq_timer_init(&later.timer, reply_later, NULL);
        sq_timer_start(sq_loop_timers(loop), &later.timer, sq_clock_ns() + 3 * SQ_NS_PER_MS);
    } else if (strcmp(path, "/never") == 0) {
        later.request = r;
        sq_httpd_on_gone(r, on_gone, NULL);
    } else {
        reply(r, 404, NULL, "no such thing", 13);
    }
}

static void start_server(const struct test_cert *cert)
{
    serve(cert, 1000, on_request);
}

static int setup_server(void **state)
{
    memset(&later, 0, sizeof(later));
    start_server(NULL);
    return 0;
}

static int stop_server(void **state)
{
    sq_httpd_free(server);
    return 0;
}

/* --- the client --- */

static struct result ask_with(struct sq_http_options o, const char *method, const char *path)
{
    struct result r = {0};
    char url[200];
    struct sq_http *request;
    snprintf(url, sizeof(url), "%s%s", path[0] == '/' ? base : "", path);
    o.method = method;
    o.url = url;
    assert_int_equal(sq_http_start(loop, &o, on_response, &r, &request), 0);
    assert_int_equal(r.calls, 0);
    RUN_UNTIL(loop, r.calls);
    return r;
}

static struct result ask(const char *method, const char *path, const char *body)
{
    struct sq_http_options o = {.body = body, .body_len = body ? strlen(body) : 0};
    return ask_with(o, method, path);
}

static void methods_bodies_and_headers_arrive(void **state)
{
    struct result r = ask("GET", "/echo?q=a%20b", NULL);
    assert_int_equal(r.err, 0);
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body, "GET /echo q=a b auth=- type=- ");
    assert_string_equal(r.link[0], "<a>; rel=\"ice-server\"");
    assert_string_equal(r.link[1], "<b>; rel=\"ice-server\"");
    assert_false(r.third_link);
    assert_int_equal(sq_addr_port(&r.remote), server_port);
    assert_true(r.times.total_ns >= r.times.first_byte_ns && r.times.first_byte_ns > 0);
    const char *const sdp[] = {"Content-Type: application/sdp", NULL};
    struct sq_http_options o = {.headers = sdp, .body = "v=0", .body_len = 3, .bearer = "secret"};
    r = ask_with(o, "POST", "/echo");
    assert_string_equal(r.body, "POST /echo q=- auth=Bearer secret type=application/sdp v=0");
    r = ask_with(o, "PATCH", "/echo");
    assert_string_equal(r.body, "PATCH /echo q=- auth=Bearer secret type=application/sdp v=0");
    r = ask("DELETE", "/echo", NULL);
    assert_string_equal(r.body, "DELETE /echo q=- auth=- type=- ");
    r = ask("POST", "/echo", NULL);
    assert_string_equal(r.body, "POST /echo q=- auth=- type=- ");
    r = ask("HEAD", "/echo", NULL);
    assert_int_equal(r.status, 201);
    assert_string_equal(r.body, "");
    r = ask("GET", "/nothing", NULL);
    assert_int_equal(r.err, 0);
    assert_int_equal(r.status, 404);
}

static void redirects_keep_or_change_the_method(void **state)
{
    static const struct {
        int status;
        const char *method, *arrives;
    } cases[] = {
        {301, "POST", "GET /echo q=moved auth=- type=- "},
        {302, "POST", "GET /echo q=moved auth=- type=- "},
        {303, "PATCH", "GET /echo q=moved auth=- type=- "},
        {307, "POST", "POST /echo q=moved auth=- type=- body"},
        {308, "PATCH", "PATCH /echo q=moved auth=- type=- body"},
        {302, "DELETE", "DELETE /echo q=moved auth=- type=- body"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char path[32];
        char final[128];
        snprintf(path, sizeof(path), "/to/%d", cases[i].status);
        struct result r = ask(cases[i].method, path, "body");
        assert_int_equal(r.err, 0);
        assert_int_equal(r.redirects, 1);
        assert_string_equal(r.body, cases[i].arrives);
        snprintf(final, sizeof(final), "%s/echo?q=moved", base);
        assert_string_equal(r.url, final);
    }
    struct sq_http_options stay = {.no_redirects = true};
    struct result r = ask_with(stay, "GET", "/to/307");
    assert_int_equal(r.status, 307);
    r = ask("GET", "/to/302?loop=1", NULL);
    assert_int_equal(r.err, SQ_ERR_INVALID);
    assert_int_equal(r.redirects, 10);
    r = ask("GET", "/to/302?file=1", NULL); /* by the server's fault, and not a name's */
    assert_int_equal(r.err, SQ_ERR_FORMAT);
    assert_int_equal(r.during, SQ_STREAM_OPEN);
}

/* Another host, though the same server, must not see the token. */
static void the_token_stays_with_its_host(void **state)
{
    const char *const headers[] = {"Cookie: a=b", NULL};
    struct sq_http_options o = {.bearer = "secret", .headers = headers};
    struct result r = ask_with(o, "GET", "/to/307?host=127.0.0.1");
    assert_string_equal(r.body, "GET /echo q=- auth=Bearer secret type=- ");
    r = ask_with(o, "GET", "/to/307?host=localhost");
    assert_string_equal(r.body, "GET /echo q=- auth=- type=- ");
}

static void deferred_answers_come(void **state)
{
    struct result r = ask("GET", "/later", NULL);
    assert_int_equal(r.err, 0);
    assert_string_equal(r.body, "later");
    assert_true(r.times.first_byte_ns >= 3 * SQ_NS_PER_MS);
}

static void time_outs_and_cancel(void **state)
{
    struct sq_http_options o = {.timeout_ns = 50 * SQ_NS_PER_MS};
    struct result r = ask_with(o, "GET", "/never");
    assert_int_equal(r.err, SQ_ERR_TIMEOUT);
    assert_int_equal(r.during, SQ_STREAM_OPEN);
    assert_int_equal(r.status, 0);
    assert_true(strlen(r.text) > 10);
    struct result none = {0};
    struct sq_http *request;
    char url[100];
    snprintf(url, sizeof(url), "%s/never", base);
    o = (struct sq_http_options){.method = "GET", .url = url};
    assert_int_equal(sq_http_start(loop, &o, on_response, &none, &request), 0);
    later.request = NULL;
    RUN_UNTIL(loop, later.request);
    sq_http_cancel(request);
    sq_http_cancel(NULL);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(none.calls, 0);
    sq_httpd_free(server); /* with an answer outstanding */
    assert_true(later.gone);
    start_server(NULL);
}

static void errors_tell_apart(void **state)
{
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    struct sq_addr addr;
    socklen_t len = sizeof(addr);
    char url[100];
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &addr), 0);
    assert_int_equal(bind(fd, &addr.sa, sizeof(addr.in4)), 0);
    assert_int_equal(getsockname(fd, &addr.sa, &len), 0);
    snprintf(url, sizeof(url), "http://127.0.0.1:%u/x", sq_addr_port(&addr));
    struct result r = ask("GET", url, NULL); /* bound, not listening */
    assert_int_equal(r.err, SQ_ERR_REFUSED);
    assert_int_equal(r.during, SQ_STREAM_CONNECT);
    assert_non_null(strstr(r.text, url));
    assert_int_equal(listen(fd, 1), 0);
    struct sq_http_options o = {.timeout_ns = 30 * SQ_NS_PER_MS};
    snprintf(url, sizeof(url), "https://127.0.0.1:%u/x", sq_addr_port(&addr));
    r = ask_with(o, "GET", url);
    assert_int_equal(r.err, SQ_ERR_TIMEOUT);
    assert_int_equal(r.during, SQ_STREAM_TLS);
    close(fd);
    struct sq_http *request;
    o = (struct sq_http_options){.method = "GET", .url = "not a url"};
    assert_int_equal(sq_http_start(loop, &o, on_response, &r, &request), SQ_ERR_INVALID);
    const char *const bad[] = {"X: y\r\nZ: injected", NULL};
    o = (struct sq_http_options){.method = "GET", .url = base, .headers = bad};
    assert_int_equal(sq_http_start(loop, &o, on_response, &r, &request), SQ_ERR_INVALID);
}

/* Not the server's fault. */
static void a_machine_without_descriptors_is_told_apart(void **state)
{
    struct rlimit before;
    struct result r = {0};
    struct sq_http_kept *kept; /* no connection of before is taken */
    struct sq_http *request;
    assert_int_equal(ask("GET", "/echo", NULL).status, 201); /* what a loop opens once is open */
    assert_int_equal(sq_http_kept_new(&kept), 0);
    const struct sq_http_options o = {.method = "GET", .url = base, .kept = kept};
    assert_int_equal(getrlimit(RLIMIT_NOFILE, &before), 0);
    const struct rlimit none = {.rlim_cur = 3, .rlim_max = before.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &none), 0);
    int err = sq_http_start(loop, &o, on_response, &r, &request);
    while (!err && !r.calls) {
        err = sq_loop_run_once(loop, 20 * SQ_NS_PER_MS);
    }
    assert_int_equal(setrlimit(RLIMIT_NOFILE, &before), 0);
    assert_int_equal(err, 0);
    assert_int_equal(r.err, SQ_ERR_NOMEM);
    assert_int_equal(r.during, SQ_STREAM_CONNECT);
    sq_http_kept_free(kept);
}

static void bodies_have_maxima_both_ways(void **state)
{
    char big[1200];
    memset(big, 'x', sizeof(big) - 1);
    big[sizeof(big) - 1] = '\0';
    struct result r = ask("POST", "/echo", big);
    assert_int_equal(r.status, 413);
    big[900] = '\0';
    struct sq_http_options o = {.body = big, .body_len = 900, .body_max_bytes = 500};
    r = ask_with(o, "POST", "/echo");
    assert_int_equal(r.err, SQ_ERR_NOSPACE);
    o.body_max_bytes = 5000;
    r = ask_with(o, "POST", "/echo");
    assert_int_equal(r.err, 0);
    assert_int_equal(strlen(r.body), strlen("POST /echo q=- auth=- type=- ") + 900);
}

/* Two hundred at once, each with its own answer. */
static size_t open_files(void)
{
    size_t n = 0;
    for (int fd = 0; fd < 256; fd++) {
        n += fcntl(fd, F_GETFD) >= 0;
    }
    return n;
}

/* Who has connections of its own opens one, keeps to it, and leaves it to nobody. */
static void connections_of_ones_own(void **state)
{
    struct sq_http_kept *kept[2];
    uint16_t own[2];
    struct result r = ask("GET", "/echo", NULL);
    uint16_t shared = client_port;
    assert_true(r.times.connect_ns > 0);
    r = ask("GET", "/echo", NULL);
    assert_int_equal(client_port, shared);
    assert_int_equal(r.times.connect_ns, 0);
    size_t before = open_files();
    for (size_t i = 0; i < 2; i++) {
        assert_int_equal(sq_http_kept_new(&kept[i]), 0);
        const struct sq_http_options o = {.kept = kept[i]};
        r = ask_with(o, "POST", "/echo");
        own[i] = client_port;
        assert_true(r.times.connect_ns > 0);
        r = ask_with(o, "GET", "/to/307"); /* and on to /echo */
        assert_int_equal(r.status, 201);
        assert_int_equal(client_port, own[i]);
        assert_int_equal(r.times.connect_ns, 0);
    }
    assert_true(own[0] != own[1] && own[0] != shared && own[1] != shared);
    r = ask("GET", "/echo", NULL);
    assert_int_equal(client_port, shared);
    sq_http_kept_free(kept[0]);
    const struct sq_http_options o = {.kept = kept[1]};
    r = ask_with(o, "GET", "/echo");
    assert_int_equal(client_port, own[1]);
    assert_true(open_files() > before);
    sq_http_kept_free(kept[1]);
    sq_http_kept_free(NULL);
    RUN_UNTIL(loop, open_files() == before); /* both sides closed both */
}

/* What is cancelled takes no part any more: its connections may go at once. */
static void own_connections_go_after_a_cancel(void **state)
{
    struct sq_http_kept *kept;
    struct result none = {0};
    struct sq_http *request;
    char url[100];
    snprintf(url, sizeof(url), "%s/never", base);
    assert_int_equal(sq_http_kept_new(&kept), 0);
    const struct sq_http_options o = {.method = "GET", .url = url, .kept = kept};
    later = (struct later){0};
    assert_int_equal(sq_http_start(loop, &o, on_response, &none, &request), 0);
    RUN_UNTIL(loop, later.request);
    sq_http_cancel(request);
    sq_http_kept_free(kept);
    assert_int_equal(sq_loop_run_once(loop, 0), 0);
    assert_int_equal(none.calls, 0);
    sq_httpd_free(server); /* with the answer outstanding */
    start_server(NULL);
}

static void many_at_once(void **state)
{
    enum { N = 200 };
    static struct result results[N];
    memset(results, 0, sizeof(results));
    for (int i = 0; i < N; i++) {
        char url[128];
        struct sq_http *request;
        snprintf(url, sizeof(url), "%s/echo?q=%d", base, i);
        struct sq_http_options o = {.method = "GET", .url = url};
        assert_int_equal(sq_http_start(loop, &o, on_response, &results[i], &request), 0);
    }
    for (int i = 0; i < N; i++) {
        char expected[64];
        RUN_UNTIL(loop, results[i].calls);
        snprintf(expected, sizeof(expected), "GET /echo q=%d auth=- type=- ", i);
        assert_string_equal(results[i].body, expected);
    }
}

static void tls_is_checked_unless_told_not_to(void **state)
{
    struct test_cert cert;
    char ca[64];
    sq_httpd_free(server);
    test_cert_make(&cert, "DNS:localhost");
    test_cert_write(&cert, ca);
    start_server(&cert);
    struct result r = ask("GET", "/echo", NULL);
    assert_int_equal(r.err, SQ_ERR_TLS);
    assert_int_equal(r.during, SQ_STREAM_TLS);
    struct sq_http_options o = {.insecure = true};
    r = ask_with(o, "GET", "/echo");
    assert_int_equal(r.status, 201);
    assert_true(r.times.tls_ns > 0);
    o = (struct sq_http_options){.ca_file = ca};
    r = ask_with(o, "GET", "/echo"); /* 127.0.0.1 is not in the certificate */
    assert_int_equal(r.err, SQ_ERR_TLS);
    snprintf(base, sizeof(base), "https://localhost:%u", server_port);
    r = ask_with(o, "GET", "/echo");
    assert_int_equal(r.err, 0);
    assert_int_equal(r.status, 201);
    unlink(ca);
}

static void no_memory_at_any_point(void **state)
{
    bool done = false;
    for (size_t nth = 1; !done; nth++) {
        struct result r = {0};
        char url[128];
        struct sq_http *request = NULL;
        snprintf(url, sizeof(url), "%s/to/307", base);
        struct sq_http_options o = {.method = "POST",
                                    .url = url,
                                    .body = "abc",
                                    .body_len = 3,
                                    .bearer = "t",
                                    .timeout_ns = 300 * SQ_NS_PER_MS};
        sq_mem_fail_at(nth);
        int err = sq_http_start(loop, &o, on_response, &r, &request);
        while (err == 0 && !r.calls) { /* client and server: a failed server closes */
            assert_int_equal(sq_loop_run_once(loop, SQ_NS_PER_MS), 0);
        }
        done = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(!done || (r.err == 0 && r.status == 201));
    }
}

static void urls_come_apart(void **state)
{
    struct sq_url u;
    assert_int_equal(sq_url_parse("https://me:pw@[::1]:8443/a/b?x=1&y#frag", &u), 0);
    assert_true(sq_view_is(u.scheme, "https"));
    assert_true(sq_view_is(u.userinfo, "me:pw"));
    assert_true(sq_view_is(u.host, "::1"));
    assert_int_equal(u.port, 8443);
    assert_true(sq_view_is(u.path, "/a/b"));
    assert_true(sq_view_is(u.query, "x=1&y"));
    assert_true(sq_view_is(u.fragment, "frag"));
    assert_int_equal(sq_url_parse("wss://h", &u), 0);
    assert_int_equal(u.port, 443);
    assert_int_equal(u.path.len, 0);
    const char *bad[] = {"",
                         "x",
                         "http:/x",
                         "http://",
                         "http://[::1/",
                         "http://:8",
                         "http://h:0/",
                         "http://h:9999999/",
                         "1x://h/",
                         "http://h/a b",
                         "http://h/\r\nX: y",
                         "http://[::1]x/"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(sq_url_parse(bad[i], &u), SQ_ERR_FORMAT);
    }
    static const char *const pairs[][2] = {
        {"/x", "http://h:81/x"}, {"x", "http://h:81/a/x"},         {"?q", "http://h:81/a/b?q"},
        {"//o/x", "http://o/x"}, {"https://o:1/", "https://o:1/"}, {"../x", "http://h:81/x"},
    };
    for (size_t i = 0; i < sizeof(pairs) / sizeof(*pairs); i++) {
        char *whole = sq_url_resolve("http://h:81/a/b?c", pairs[i][0]);
        assert_string_equal(whole, pairs[i][1]);
        sq_free(whole);
    }
}

#define WITH_SERVER(f) cmocka_unit_test_setup_teardown(f, setup_server, stop_server)

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(urls_come_apart),
        WITH_SERVER(methods_bodies_and_headers_arrive),
        WITH_SERVER(redirects_keep_or_change_the_method),
        WITH_SERVER(the_token_stays_with_its_host),
        WITH_SERVER(deferred_answers_come),
        WITH_SERVER(time_outs_and_cancel),
        WITH_SERVER(errors_tell_apart),
        WITH_SERVER(a_machine_without_descriptors_is_told_apart),
        WITH_SERVER(bodies_have_maxima_both_ways),
        WITH_SERVER(many_at_once),
        WITH_SERVER(connections_of_ones_own),
        WITH_SERVER(own_connections_go_after_a_cancel),
        WITH_SERVER(tls_is_checked_unless_told_not_to),
        WITH_SERVER(no_memory_at_any_point),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
