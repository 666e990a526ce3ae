/* An HTTP request. Redirects are followed here and not by libcurl, which would keep a method set by
 * name whatever the status, and could not be asked to keep the token from other hosts. */
#include "base/mem.h"
#include "net/filter_int.h"
#include "net/http_int.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define HEAD_MAX_BYTES 65536 /* of the answer's headers */
#define METHOD_MAX     32
#define LATER_NS       (5 * SQ_NS_PER_MS)

struct sq_http {
    struct sq_loop *loop;
    struct sq_http_multi *multi;
    CURL *easy;
    bool added;      /* to the multi */
    bool delivering; /* freed when the callback has returned */
    sq_http_fn fn;
    void *ctx;

    char method[METHOD_MAX];
    char *url; /* of the present leg */
    char *first_url;
    char **headers; /* copies; NULL at the end */
    char *bearer;
    char *ca_file;
    char *body;
    size_t body_len;
    size_t body_max;
    bool no_redirects, insecure;
    struct sq_http_kept *kept;
    struct sq_link *link; /* held; NULL: none */
    struct sq_http_dial dial;
    uint64_t timeout_ns, connect_timeout_ns;

    struct curl_slist *sent_headers, *connect_to;
    uint64_t start_ns, leg_start_ns;
    unsigned redirects;
    bool too_long;
    int socket_errno;   /* why there was no socket; 0: there was */
    struct sq_buf head; /* the last answer's header lines, each ended by NUL */
    struct sq_buf got;
    struct sq_http_header fields[SQ_HTTP_HEADERS_MAX];
    size_t field_count;
    char curl_text[CURL_ERROR_SIZE];
    char text[SQ_NET_TEXT_MAX];
};

/* --- life --- */

static void free_request(struct sq_http *r)
{
    if (r->added) {
        (void)curl_multi_remove_handle(sq_http_multi_handle(r->multi), r->easy);
    }
    curl_easy_cleanup(r->easy);
    sq_http_dial_drop(&r->dial);
    sq_link_release(r->link);
    curl_slist_free_all(r->sent_headers);
    curl_slist_free_all(r->connect_to);
    for (char **h = r->headers; h && *h; h++) {
        sq_free(*h);
    }
    sq_free(r->headers);
    sq_free(r->url);
    sq_free(r->first_url);
    sq_free(r->bearer);
    sq_free(r->ca_file);
    sq_free(r->body);
    sq_buf_free(&r->head);
    sq_buf_free(&r->got);
    sq_free(r);
}

void sq_http_cancel(struct sq_http *request)
{
    if (request && !request->delivering) {
        free_request(request);
    }
}

/* --- connections of one user --- */

/* A share object of libcurl with nothing but connections in it is all there is to it. */
int sq_http_kept_new(struct sq_http_kept **ret_kept)
{
    CURLSH *share = curl_share_init();
    if (!share) {
        return SQ_ERR_NOMEM;
    }
    if (curl_share_setopt(share, CURLSHOPT_SHARE, CURL_LOCK_DATA_CONNECT) != CURLSHE_OK) {
        (void)curl_share_cleanup(share);
        return SQ_ERR_NOMEM;
    }
    *ret_kept = (struct sq_http_kept *)share;
    return 0;
}

void sq_http_kept_free(struct sq_http_kept *kept)
{
    if (kept) {
        (void)curl_share_cleanup((CURLSH *)kept);
    }
}

/* --- libcurl's callbacks --- */

static size_t on_header(char *line, size_t size, size_t n, void *ctx)
{
    struct sq_http *r = ctx;
    size_t len = size * n;
    struct sq_view v = sq_view_trim((struct sq_view){.at = line, .len = len});
    if (sq_view_starts(v, "HTTP/")) { /* a new answer: after 100 Continue, for one */
        sq_buf_free(&r->head);
        return len;
    }
    if (v.len > 0 && r->head.len + v.len < HEAD_MAX_BYTES) {
        sq_buf_add(&r->head, v.at, v.len);
        sq_buf_add(&r->head, "", 1);
    }
    return r->head.err ? 0 : len;
}

static size_t on_body(char *bytes, size_t size, size_t n, void *ctx)
{
    struct sq_http *r = ctx;
    size_t len = size * n;
    if (len > r->body_max - r->got.len) {
        r->too_long = true;
        return 0; /* ends the transfer */
    }
    sq_buf_add(&r->got, bytes, len);
    return r->got.err ? 0 : len;
}

/* --- setting up a leg --- */

static bool same_origin(const char *a, const char *b)
{
    struct sq_url x;
    struct sq_url y;
    return sq_url_parse(a, &x) == 0 && sq_url_parse(b, &y) == 0 && x.port == y.port &&
           x.scheme.len == y.scheme.len && x.host.len == y.host.len &&
           strncasecmp(x.scheme.at, y.scheme.at, x.scheme.len) == 0 &&
           strncasecmp(x.host.at, y.host.at, x.host.len) == 0;
}

static bool is_secret(const char *line)
{
    return strncasecmp(line, "authorization:", 14) == 0 || strncasecmp(line, "cookie:", 7) == 0;
}

static int add_header(struct sq_http *r, const char *line)
{
    struct curl_slist *longer = curl_slist_append(r->sent_headers, line);
    if (!longer) {
        return SQ_ERR_NOMEM;
    }
    r->sent_headers = longer;
    return 0;
}

/* "Name:" takes a header away that libcurl would add by itself. */
static int build_headers(struct sq_http *r)
{
    curl_slist_free_all(r->sent_headers);
    r->sent_headers = NULL;
    bool home = same_origin(r->first_url, r->url);
    bool has_type = false;
    int err = add_header(r, "Expect:");
    for (char **h = r->headers; h && *h && err == 0; h++) {
        has_type = has_type || strncasecmp(*h, "content-type:", 13) == 0;
        if (home || !is_secret(*h)) {
            err = add_header(r, *h);
        }
    }
    if (err == 0 && !(has_type && r->body_len > 0)) {
        err = has_type ? 0 : add_header(r, "Content-Type:");
    }
    if (err == 0 && r->bearer && home) {
        struct sq_buf line = {0};
        sq_buf_printf(&line, "Authorization: Bearer %s", r->bearer);
        err = line.err ? line.err : add_header(r, line.text);
        sq_buf_free(&line);
    }
    return err;
}

static void set_method(struct sq_http *r)
{
    CURL *e = r->easy;
    if (strcmp(r->method, "HEAD") == 0) {
        (void)curl_easy_setopt(e, CURLOPT_NOBODY, 1L);
        return;
    }
    bool post = strcmp(r->method, "POST") == 0;
    if (post || r->body) {
        (void)curl_easy_setopt(e, CURLOPT_POST, 1L);
        (void)curl_easy_setopt(e, CURLOPT_POSTFIELDS, r->body ? r->body : "");
        (void)curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->body_len);
    } else {
        (void)curl_easy_setopt(e, CURLOPT_HTTPGET, 1L);
    }
    if (!post && strcmp(r->method, "GET") != 0) {
        (void)curl_easy_setopt(e, CURLOPT_CUSTOMREQUEST, r->method);
    }
}

static bool is_loopback(const char *url)
{
    struct sq_url u;
    struct sq_addr a;
    char host[256];
    if (sq_url_parse(url, &u) != 0 || u.host.len >= sizeof(host)) {
        return false;
    }
    memcpy(host, u.host.at, u.host.len);
    host[u.host.len] = '\0';
    return strcasecmp(host, "localhost") == 0 ||
           (sq_addr_parse(host, 0, &a) == 0 && sq_addr_is_loopback(&a));
}

static long ms_left(uint64_t timeout_ns, uint64_t used_ns)
{
    uint64_t left = timeout_ns > used_ns ? timeout_ns - used_ns : 0;
    return left < SQ_NS_PER_MS ? 1L : (long)(left / SQ_NS_PER_MS);
}

/* As libcurl does it by itself, but that it does not tell why it could not. */
static curl_socket_t on_open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct sq_http *r = ctx;
    (void)purpose;
    int fd = socket(addr->family, addr->socktype | SOCK_CLOEXEC, addr->protocol);
    r->socket_errno = fd < 0 ? errno : 0;
    return fd < 0 ? CURL_SOCKET_BAD : fd;
}

/* What is left for connecting over a link. */
static uint64_t least_of(uint64_t connect_ns, uint64_t whole_ns, uint64_t used_ns)
{
    uint64_t left_ns = whole_ns > used_ns ? whole_ns - used_ns : 0;
    left_ns = sq_min_u64(connect_ns, left_ns);
    return sq_max_u64(left_ns, SQ_NS_PER_MS);
}

/* libcurl then connects to the address that stands in *addr. */
static curl_socket_t on_open_over_link(void *ctx, curlsocktype purpose, struct curl_sockaddr *addr)
{
    struct sq_http *r = ctx;
    struct sq_url url;
    struct sq_addr local;
    char host[256];
    curl_socket_t fd = on_open_socket(ctx, purpose, addr);
    if (fd == CURL_SOCKET_BAD) {
        return fd;
    }
    int err = sq_url_parse(r->url, &url);
    snprintf(host, sizeof(host), "%.*s", (int)sq_min_u64(url.host.len, 255), url.host.at);
    const struct sq_stream_options to = {
        .host = host,
        .port = url.port,
        .timeout_ns = least_of(r->connect_timeout_ns, r->timeout_ns, r->leg_start_ns - r->start_ns),
        .link = r->link,
    };
    err = err ? err : sq_http_relay_open(r->loop, &to, &r->dial, fd, &local);
    if (err) {
        r->socket_errno = err == SQ_ERR_NOMEM ? ENOMEM : 0;
        close(fd);
        return CURL_SOCKET_BAD;
    }
    memcpy(&addr->addr, &local.sa, sizeof(addr->addr));
    return fd;
}

/* libcurl is told an address to connect to, so that it resolves nothing; on_open_over_link puts
 * another in its place. */
static int set_link(struct sq_http *r)
{
    CURL *e = r->easy;
    if (!r->connect_to) {
        r->connect_to = curl_slist_append(NULL, "::127.0.0.1:");
    }
    if (!r->connect_to) {
        return SQ_ERR_NOMEM;
    }
    sq_http_dial_drop(&r->dial);
    (void)curl_easy_setopt(e, CURLOPT_CONNECT_TO, r->connect_to);
    (void)curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_over_link);
    if (!r->kept) { /* the loop's connections are nobody's link's */
        (void)curl_easy_setopt(e, CURLOPT_FRESH_CONNECT, 1L);
        (void)curl_easy_setopt(e, CURLOPT_FORBID_REUSE, 1L);
    }
    return 0;
}

static int start_leg(struct sq_http *r)
{
    CURL *e = r->easy;
    r->leg_start_ns = sq_clock_ns();
    curl_easy_reset(e);
    r->field_count = 0; /* they point into head */
    r->socket_errno = 0;
    sq_buf_free(&r->head);
    sq_buf_free(&r->got);
    int err = build_headers(r);
    if (err) {
        return err;
    }
    (void)curl_easy_setopt(e, CURLOPT_PRIVATE, r);
    (void)curl_easy_setopt(e, CURLOPT_ERRORBUFFER, r->curl_text);
    (void)curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    /* HTTP/2 would put all requests to a host on one connection. */
    (void)curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
#if LIBCURL_VERSION_NUM >= 0x075500
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS_STR, "http,https");
#else /* Ubuntu 22.04 */
    (void)curl_easy_setopt(e, CURLOPT_PROTOCOLS, (long)(CURLPROTO_HTTP | CURLPROTO_HTTPS));
#endif
    (void)curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, on_header);
    (void)curl_easy_setopt(e, CURLOPT_HEADERDATA, r);
    (void)curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, on_body);
    (void)curl_easy_setopt(e, CURLOPT_WRITEDATA, r);
    (void)curl_easy_setopt(e, CURLOPT_HTTPHEADER, r->sent_headers);
    (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETFUNCTION, on_open_socket);
    (void)curl_easy_setopt(e, CURLOPT_OPENSOCKETDATA, r);
    uint64_t used = r->leg_start_ns - r->start_ns;
    uint64_t later = r->link ? LATER_NS : 0; /* than the stream, which knows more to tell */
    (void)curl_easy_setopt(e, CURLOPT_TIMEOUT_MS, ms_left(r->timeout_ns + later, used));
    (void)curl_easy_setopt(e, CURLOPT_CONNECTTIMEOUT_MS, ms_left(r->connect_timeout_ns + later, 0));
    if (r->kept) {
        (void)curl_easy_setopt(e, CURLOPT_SHARE, (CURLSH *)r->kept);
    }
    (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYPEER, r->insecure ? 0L : 1L);
    (void)curl_easy_setopt(e, CURLOPT_SSL_VERIFYHOST, r->insecure ? 0L : 2L);
    if (r->ca_file) {
        (void)curl_easy_setopt(e, CURLOPT_CAINFO, r->ca_file);
    }
    if (is_loopback(r->url)) {
        (void)curl_easy_setopt(e, CURLOPT_NOPROXY, "*");
    }
    set_method(r);
    if (r->link && set_link(r) != 0) {
        return SQ_ERR_NOMEM;
    }
    if (curl_easy_setopt(e, CURLOPT_URL, r->url) != CURLE_OK ||
        curl_multi_add_handle(sq_http_multi_handle(r->multi), e) != CURLM_OK) {
        return SQ_ERR_NOMEM;
    }
    r->added = true;
    return 0;
}

/* --- the answer --- */

static void split_headers(struct sq_http *r)
{
    r->field_count = 0;
    char *at = r->head.text;
    char *stop = at ? at + r->head.len : NULL;
    while (at && at < stop && r->field_count < SQ_HTTP_HEADERS_MAX) {
        size_t len = strlen(at);
        char *colon = memchr(at, ':', len);
        if (colon) {
            *colon = '\0';
            char *value = colon + 1;
            while (*value == ' ' || *value == '\t') {
                value++;
            }
            r->fields[r->field_count++] = (struct sq_http_header){.name = at, .value = value};
        }
        at += len + 1;
    }
}

const char *sq_http_header(const struct sq_http_response *response, const char *name, size_t nth)
{
    for (size_t i = 0; i < response->header_count; i++) {
        if (strcasecmp(response->headers[i].name, name) == 0 && nth-- == 0) {
            return response->headers[i].value;
        }
    }
    return NULL;
}

static uint64_t info_ns(CURL *easy, CURLINFO what)
{
    curl_off_t us = 0;
    return curl_easy_getinfo(easy, what, &us) == CURLE_OK && us > 0 ? (uint64_t)us * SQ_NS_PER_US
                                                                    : 0;
}

/* libcurl's times are counted from the leg's start, each the end of its phase. */
static struct sq_http_times read_times(const struct sq_http *r)
{
    struct sq_http_times t = {.total_ns = sq_clock_ns() - r->start_ns};
    uint64_t dns = info_ns(r->easy, CURLINFO_NAMELOOKUP_TIME_T);
    uint64_t connect = info_ns(r->easy, CURLINFO_CONNECT_TIME_T);
    uint64_t tls = info_ns(r->easy, CURLINFO_APPCONNECT_TIME_T);
    uint64_t first = info_ns(r->easy, CURLINFO_STARTTRANSFER_TIME_T);
    long connects = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_NUM_CONNECTS, &connects);
    if (connects > 0 || connect == 0) {
        t.dns_ns = dns;
        t.connect_ns = connect > dns ? connect - dns : 0;
        t.tls_ns = tls > connect ? tls - connect : 0;
    }
    if (r->dial.open_ns) { /* what libcurl took for connecting was nothing */
        uint64_t tls_end_ns = r->leg_start_ns + tls;
        t.dns_ns = r->dial.times.dns_ns;
        t.connect_ns = r->dial.times.connect_ns;
        t.tls_ns = tls && tls_end_ns > r->dial.open_ns ? tls_end_ns - r->dial.open_ns : 0;
    }
    t.first_byte_ns = first ? r->leg_start_ns - r->start_ns + first : 0;
    return t;
}

/* How far a transfer got that ended without an answer. */
static enum sq_stream_phase reached(const struct sq_http *r)
{
    struct sq_url u;
    bool tls = sq_url_parse(r->url, &u) == 0 && sq_view_is_nocase(u.scheme, "https");
    if (r->dial.relay && r->dial.open_ns == 0) {
        return SQ_STREAM_CONNECT;
    }
    if (info_ns(r->easy, CURLINFO_NAMELOOKUP_TIME_T) == 0) {
        return SQ_STREAM_DNS;
    }
    /* libcurl counts TLS into the connect time; the local port is told as soon as TCP stands. */
    long local_port = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_LOCAL_PORT, &local_port);
    if (info_ns(r->easy, CURLINFO_CONNECT_TIME_T) == 0 && local_port <= 0 && !r->dial.open_ns) {
        return SQ_STREAM_CONNECT;
    }
    return tls && info_ns(r->easy, CURLINFO_APPCONNECT_TIME_T) == 0 ? SQ_STREAM_TLS
                                                                    : SQ_STREAM_OPEN;
}

static int map_error(struct sq_http *r, CURLcode code, enum sq_stream_phase *during)
{
    long os_errno = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os_errno);
    *during = reached(r);
    if (code != CURLE_OK && r->dial.err) {
        *during = r->dial.during;
        snprintf(r->curl_text, sizeof(r->curl_text), "%.*s", CURL_ERROR_SIZE - 1, r->dial.text);
        return r->dial.err;
    }
    switch (code) {
    case CURLE_OK:
        return 0;
    case CURLE_COULDNT_RESOLVE_HOST:
    case CURLE_COULDNT_RESOLVE_PROXY:
        *during = SQ_STREAM_DNS;
        return SQ_ERR_DNS;
    case CURLE_COULDNT_CONNECT:
        *during = SQ_STREAM_CONNECT;
        os_errno = r->socket_errno ? r->socket_errno : os_errno;
        return os_errno == 0 ? SQ_ERR_REFUSED : sq_tcp_error((int)os_errno);
    case CURLE_OPERATION_TIMEDOUT:
        return SQ_ERR_TIMEOUT;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_ISSUER_ERROR:
        *during = SQ_STREAM_TLS;
        return SQ_ERR_TLS;
    case CURLE_URL_MALFORMAT:
    case CURLE_UNSUPPORTED_PROTOCOL:
        if (r->redirects > 0) {
            *during = SQ_STREAM_OPEN; /* the server sent it there */
            return SQ_ERR_FORMAT;
        }
        return SQ_ERR_INVALID;
    case CURLE_OUT_OF_MEMORY:
        return SQ_ERR_NOMEM;
    case CURLE_WRITE_ERROR:
        return r->too_long ? SQ_ERR_NOSPACE : SQ_ERR_NOMEM;
    case CURLE_GOT_NOTHING:
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_PARTIAL_FILE:
        *during = SQ_STREAM_OPEN;
        return SQ_ERR_CLOSED;
    case CURLE_WEIRD_SERVER_REPLY:
        return SQ_ERR_FORMAT;
    default:
        return SQ_ERR_IO;
    }
}

static void deliver(struct sq_http *r, int err, enum sq_stream_phase during, CURLcode code)
{
    struct sq_http_response a = {.err = err,
                                 .during = during,
                                 .text = "",
                                 .final_url = r->url,
                                 .redirects = r->redirects,
                                 .headers = r->fields,
                                 .header_count = r->field_count,
                                 .body = r->got.text ? r->got.text : "",
                                 .body_len = r->got.len,
                                 .times = read_times(r)};
    long status = 0;
    long port = 0;
    char *ip = NULL;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    a.status = (int)status;
    if (r->link) {
        a.remote = r->dial.remote;
    } else if (curl_easy_getinfo(r->easy, CURLINFO_PRIMARY_IP, &ip) == CURLE_OK && ip &&
               curl_easy_getinfo(r->easy, CURLINFO_PRIMARY_PORT, &port) == CURLE_OK &&
               sq_addr_parse(ip, (uint16_t)port, &a.remote) != 0) {
        a.remote.sa.sa_family = AF_UNSPEC;
    }
    if (err) {
        const char *why = r->too_long        ? "the answer's body is too long"
                          : r->curl_text[0]  ? r->curl_text
                          : code == CURLE_OK ? sq_err_name(err)
                                             : curl_easy_strerror(code);
        int len = sq_url_shown_len(r->url);
        snprintf(r->text, sizeof(r->text), "%s %.*s: %.170s", r->method, len < 100 ? len : 100,
                 r->url, why);
        a.text = r->text;
    }
    (void)curl_easy_setopt(r->easy, CURLOPT_SHARE, NULL); /* the callback may free r->kept */
    r->delivering = true;
    r->fn(r->ctx, &a);
    free_request(r);
}

/* What the next leg is asked with, RFC 9110, section 15.4. */
static void change_method(struct sq_http *r, long status)
{
    bool post = strcmp(r->method, "POST") == 0;
    bool head = strcmp(r->method, "HEAD") == 0;
    if ((status == 303 && !head) || ((status == 301 || status == 302) && post)) {
        snprintf(r->method, sizeof(r->method), "GET");
        sq_free(r->body);
        r->body = NULL;
        r->body_len = 0;
    }
}

/* 0: the next leg runs; SQ_ERR_STATE: this answer is the last; else an error. */
static int redirect(struct sq_http *r)
{
    long status = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    bool is_redirect =
        status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
    struct sq_http_response look = {.headers = r->fields, .header_count = r->field_count};
    const char *location = sq_http_header(&look, "Location", 0);
    if (!is_redirect || r->no_redirects || !location) {
        return SQ_ERR_STATE;
    }
    if (r->redirects == SQ_HTTP_REDIRECTS_MAX) {
        snprintf(r->curl_text, sizeof(r->curl_text), "more than %d redirects",
                 SQ_HTTP_REDIRECTS_MAX);
        return SQ_ERR_INVALID;
    }
    char *next = sq_url_resolve(r->url, location);
    if (!next) {
        int len = sq_url_shown_len(location);
        snprintf(r->curl_text, sizeof(r->curl_text), "redirected to '%.*s', which is no URL",
                 len < 100 ? len : 100, location);
        return SQ_ERR_FORMAT;
    }
    sq_free(r->url);
    r->url = next;
    r->redirects++;
    change_method(r, status);
    return start_leg(r);
}

void sq_http_transfer_done(struct sq_http *r, CURLcode result)
{
    (void)curl_multi_remove_handle(sq_http_multi_handle(r->multi), r->easy);
    r->added = false;
    split_headers(r);
    enum sq_stream_phase during;
    int err = map_error(r, result, &during);
    if (err == 0) {
        int next = redirect(r);
        if (next == 0) {
            return;
        }
        err = next == SQ_ERR_STATE ? 0 : next;
    }
    deliver(r, err, during, result);
}

/* --- starting --- */

static int copy_text(const char *from, char **to)
{
    *to = from ? sq_strdup(from) : NULL;
    return from && !*to ? SQ_ERR_NOMEM : 0;
}

static int copy_headers(struct sq_http *r, const char *const *headers)
{
    size_t n = 0;
    while (headers && headers[n]) {
        if (strpbrk(headers[n], "\r\n") || !strchr(headers[n], ':')) {
            return SQ_ERR_INVALID;
        }
        n++;
    }
    r->headers = sq_calloc(n + 1, sizeof(*r->headers));
    int err = r->headers ? 0 : SQ_ERR_NOMEM;
    for (size_t i = 0; i < n && err == 0; i++) {
        err = copy_text(headers[i], &r->headers[i]);
    }
    return err;
}

static int copy_options(struct sq_http *r, const struct sq_http_options *o)
{
    int err = copy_headers(r, o->headers);
    err = err ? err : copy_text(o->url, &r->url);
    err = err ? err : copy_text(o->url, &r->first_url);
    err = err ? err : copy_text(o->bearer, &r->bearer);
    err = err ? err : copy_text(o->ca_file, &r->ca_file);
    if (err == 0 && o->body) {
        r->body = sq_strndup(o->body, o->body_len);
        r->body_len = o->body_len;
        err = r->body ? 0 : SQ_ERR_NOMEM;
    }
    snprintf(r->method, sizeof(r->method), "%s", o->method);
    r->body_max = o->body_max_bytes ? o->body_max_bytes : SQ_HTTP_BODY_DEFAULT_BYTES;
    r->no_redirects = o->no_redirects;
    r->insecure = o->insecure;
    r->kept = o->kept;
    r->link = o->link;
    if (r->link) {
        sq_link_retain(r->link);
    }
    r->timeout_ns = o->timeout_ns ? o->timeout_ns : SQ_HTTP_TIMEOUT_DEFAULT_NS;
    r->connect_timeout_ns = o->connect_timeout_ns ? o->connect_timeout_ns : r->timeout_ns;
    return err;
}

int sq_http_start(struct sq_loop *loop, const struct sq_http_options *options, sq_http_fn fn,
                  void *ctx, struct sq_http **ret_request)
{
    struct sq_url url;
    if (!options->method || strlen(options->method) >= METHOD_MAX ||
        strpbrk(options->method, " \r\n") || sq_url_parse(options->url, &url) != 0 ||
        (options->bearer && strpbrk(options->bearer, "\r\n"))) {
        return SQ_ERR_INVALID;
    }
    struct sq_http_multi *multi;
    int err = sq_http_multi_get(loop, &multi);
    if (err) {
        return err;
    }
    struct sq_http *r = sq_zalloc(sizeof(*r));
    if (!r) {
        return SQ_ERR_NOMEM;
    }
    r->loop = loop;
    r->multi = multi;
    r->fn = fn;
    r->ctx = ctx;
    r->start_ns = sq_clock_ns();
    err = copy_options(r, options);
    if (err == 0) {
        r->easy = curl_easy_init();
        err = r->easy ? start_leg(r) : SQ_ERR_NOMEM;
    }
    if (err) {
        free_request(r);
        return err;
    }
    *ret_request = r;
    return 0;
}
