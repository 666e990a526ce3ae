#include "cli/run_metrics.h"

#include "base/time.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

#define PATH             "/metrics"
#define LISTEN_DEFAULT   "127.0.0.1"
#define CONNECTIONS_MAX  32
#define PUSH_EVERY_NS    (5 * SQ_NS_PER_SEC)
#define PUSH_EARLY_NS    (SQ_NS_PER_SEC / 2) /* a second is told some ms early or late */
#define PUSH_TIMEOUT_NS  (4 * SQ_NS_PER_SEC)
#define LAST_WAIT_NS     (3 * SQ_NS_PER_SEC)
#define WAIT_STEP_NS     (50 * SQ_NS_PER_MS)
#define PUSH_DEFAULT_JOB "/metrics/job/squall"

/* ---- Options ---- */

/* [ADDR:]PORT */
static int parse_listen(const char *text, struct sq_addr *ret_addr)
{
    char ip[SQ_ADDR_TEXT_MAX];
    uint64_t port;
    const char *colon = strrchr(text, ':');
    struct sq_view host = {text, colon ? (size_t)(colon - text) : 0};
    if (host.len >= sizeof(ip) ||
        sq_view_u64(sq_view_of(colon ? colon + 1 : text), 65535, &port) != 0) {
        return SQ_ERR_FORMAT;
    }
    if (host.len >= 2 && host.at[0] == '[' && host.at[host.len - 1] == ']') {
        host = (struct sq_view){host.at + 1, host.len - 2};
    } else if (memchr(host.at, ':', host.len)) {
        return SQ_ERR_FORMAT; /* IPv6 stands in brackets */
    }
    snprintf(ip, sizeof(ip), SQ_VIEW_FMT, SQ_VIEW_ARG(host));
    return sq_addr_parse(host.len ? ip : LISTEN_DEFAULT, (uint16_t)port, ret_addr);
}

/* Without a path of its own it is the job "squall". */
static int make_push_url(const char *url, char *out, size_t room)
{
    struct sq_url parts;
    if (sq_url_parse(url, &parts) != 0 || parts.host.len == 0 ||
        !(sq_view_is(parts.scheme, "http") || sq_view_is(parts.scheme, "https"))) {
        return SQ_ERR_FORMAT;
    }
    bool bare = parts.path.len <= 1;
    size_t len = strlen(url);
    if (bare && (parts.query.len || parts.fragment.len)) {
        return SQ_ERR_FORMAT;
    }
    len -= bare && url[len - 1] == '/';
    int n = snprintf(out, room, "%.*s%s", (int)len, url, bare ? PUSH_DEFAULT_JOB : "");
    return n > 0 && (size_t)n < room ? 0 : SQ_ERR_FORMAT;
}

int sq_run_metrics_check(const char *listen, const char *push_url, char *why, size_t why_room)
{
    struct sq_addr addr;
    char url[sizeof(((struct sq_run_metrics *)0)->push_url)];
    if (listen && parse_listen(listen, &addr) != 0) {
        snprintf(why, why_room,
                 "--prometheus %.100s: expected [ADDR:]PORT, such as 9464 or 0.0.0.0:9464", listen);
        return SQ_ERR_INVALID;
    }
    if (push_url && make_push_url(push_url, url, sizeof(url)) != 0) {
        snprintf(why, why_room,
                 "--prometheus-push %.*s: expected the URL of a Pushgateway, such as "
                 "http://HOST:9091 or http://HOST:9091/metrics/job/NAME",
                 sq_url_shown_len(push_url), push_url);
        return SQ_ERR_INVALID;
    }
    return 0;
}

/* ---- The end point ---- */

static void reply(struct sq_httpd_request *request, int status, const char *type, const char *body)
{
    char header[128];
    snprintf(header, sizeof(header), "Content-Type: %s", type);
    const char *const headers[] = {header, "Cache-Control: no-store", NULL};
    /* Without memory the connection is closed, and the next scrape comes. */
    int err = sq_httpd_reply(request, status, headers, body, strlen(body));
    (void)err;
}

static void on_request(void *ctx, struct sq_httpd_request *request)
{
    const struct sq_run_metrics *m = ctx;
    const char *method = sq_httpd_method(request);
    struct sq_buf text = {0};
    if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0) {
        reply(request, 405, "text/plain", "GET " PATH "\n");
    } else if (strcmp(sq_httpd_path(request), PATH) != 0) {
        reply(request, 404, "text/plain", "The figures are at " PATH "\n");
    } else {
        sq_prometheus_render(&m->figures, &text);
        reply(request, text.err ? 503 : 200, SQ_PROMETHEUS_TYPE,
              text.err || !text.text ? "" : text.text);
        sq_buf_free(&text);
    }
}

int sq_run_metrics_start(struct sq_run_metrics *m, struct sq_loop *loop, const char *listen,
                         const char *push_url, const struct sq_result *head, char *why,
                         size_t why_room)
{
    struct sq_httpd_options options = {.connections_max = CONNECTIONS_MAX};
    m->loop = loop;
    sq_prometheus_begin(&m->figures, head);
    int err = sq_run_metrics_check(listen, push_url, why, why_room);
    if (!err && push_url) {
        err = make_push_url(push_url, m->push_url, sizeof(m->push_url));
    }
    if (err || !listen) {
        return err;
    }
    err = parse_listen(listen, &options.listen);
    err = err ? err : sq_httpd_new(loop, &options, on_request, m, &m->httpd);
    if (err) {
        snprintf(why, why_room, "--prometheus %.100s: cannot listen there: %s", listen,
                 err == SQ_ERR_IO ? strerror(errno) : sq_err_name(err));
    }
    return err;
}

void sq_run_metrics_tell(const struct sq_run_metrics *m, FILE *out)
{
    if (m->httpd) {
        char text[SQ_ADDR_TEXT_MAX];
        struct sq_addr addr = sq_httpd_local(m->httpd);
        fprintf(out, "squall: metrics at http://%s" PATH "\n", sq_addr_format(&addr, text));
    }
}

/* ---- Pushing ---- */

static void on_pushed(void *ctx, const struct sq_http_response *response)
{
    struct sq_run_metrics *m = ctx;
    m->push = NULL;
    if (response->err || response->status < 200 || response->status > 299) {
        m->failures++;
        if (response->err) {
            snprintf(m->why, sizeof(m->why), "%.200s",
                     response->text[0] ? response->text : sq_err_name(response->err));
        } else {
            snprintf(m->why, sizeof(m->why), "it answered %d", response->status);
        }
    }
}

/* PUT replaces all that the job had: what this run does not know any more is gone. */
static void push(struct sq_run_metrics *m)
{
    static const char *const headers[] = {"Content-Type: " SQ_PROMETHEUS_TYPE, NULL};
    struct sq_buf text = {0};
    sq_prometheus_render(&m->figures, &text);
    const struct sq_http_options options = {.method = "PUT",
                                            .url = m->push_url,
                                            .headers = headers,
                                            .body = text.text,
                                            .body_len = text.len,
                                            .timeout_ns = PUSH_TIMEOUT_NS};
    m->pushed_ns = sq_loop_now(m->loop);
    m->pushes++;
    int err = text.err ? text.err : sq_http_start(m->loop, &options, on_pushed, m, &m->push);
    if (err) {
        m->failures++;
        m->push = NULL;
        snprintf(m->why, sizeof(m->why), "%s", sq_err_name(err));
    }
    sq_buf_free(&text);
}

void sq_run_metrics_second(struct sq_run_metrics *m, const struct sq_run_live *live)
{
    if (!m->httpd && !m->push_url[0]) {
        return;
    }
    sq_prometheus_second(&m->figures, live);
    if (m->push_url[0] && !m->push &&
        (m->pushes == 0 || sq_loop_now(m->loop) + PUSH_EARLY_NS >= m->pushed_ns + PUSH_EVERY_NS)) {
        push(m);
    }
}

void sq_run_metrics_finish(struct sq_run_metrics *m, const struct sq_result *result, FILE *out)
{
    m->figures.result = result;
    if (!m->push_url[0]) {
        return;
    }
    sq_http_cancel(m->push); /* the last one has all of it */
    m->push = NULL;
    uint64_t until_ns = sq_loop_refresh_now(m->loop) + LAST_WAIT_NS;
    push(m);
    while (m->push && sq_loop_now(m->loop) < until_ns) {
        if (sq_loop_run_once(m->loop, WAIT_STEP_NS) != 0) {
            break;
        }
    }
    if (m->push) {
        sq_http_cancel(m->push);
        m->push = NULL;
        m->failures++;
        snprintf(m->why, sizeof(m->why), "no answer in %d s", (int)(LAST_WAIT_NS / SQ_NS_PER_SEC));
    }
    if (m->failures > 0 && out) {
        fprintf(out, "squall: note: %llu of %llu pushes to the Pushgateway failed: %s\n",
                (unsigned long long)m->failures, (unsigned long long)m->pushes, m->why);
    }
}

void sq_run_metrics_stop(struct sq_run_metrics *m)
{
    sq_http_cancel(m->push);
    m->push = NULL;
    sq_httpd_free(m->httpd);
    m->httpd = NULL;
}
