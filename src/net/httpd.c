#include "net/httpd.h"

#include "base/mem.h"
#include "base/str.h"
#include <errno.h>
#include <microhttpd.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#define BACKLOG        4096
#define IDLE_DEFAULT_S 60
#define WAIT_MAX_NS    (10 * SQ_NS_PER_SEC)

/* Belongs to its request until the 101 answer is out, then to the WebSocket, until that lets go of
 * the socket. */
struct upgrade {
    struct sq_httpd *httpd;
    struct MHD_UpgradeResponseHandle *handle;
    struct sq_ws_options options;
    sq_httpd_ws_fn fn;
    void *ctx;
};

struct sq_httpd {
    struct sq_loop *loop;
    struct MHD_Daemon *daemon;
    int epoll_fd; /* the daemon's, watched as one descriptor */
    struct sq_watch watch;
    struct sq_timer timer;
    struct sq_addr local;
    sq_httpd_fn fn;
    void *ctx;
    size_t body_max;
    bool tls;
    struct sq_httpd_request *waiting; /* handled, suspended, not answered */
};

enum answer { ANSWER_NONE, ANSWER_REPLY, ANSWER_UPGRADE };

struct sq_httpd_request {
    struct sq_httpd_request *next, **prev; /* prev is NULL while it does not wait */
    struct sq_httpd *httpd;
    struct MHD_Connection *connection;
    char *method, *path;
    struct sq_buf body;
    bool too_long, handled;
    enum answer answer;
    int status;
    struct MHD_Response *response; /* the answer, until it is queued */
    struct upgrade *upgrade;       /* promised and not yet done */
    void (*gone_fn)(void *ctx);
    void *gone_ctx;
};

/* --- driving the daemon --- */

static void kick(struct sq_httpd *h)
{
    sq_timer_start(sq_loop_timers(h->loop), &h->timer, 0);
}

static void run(struct sq_httpd *h)
{
    (void)MHD_run(h->daemon);
    MHD_UNSIGNED_LONG_LONG wait_ms;
    uint64_t wait = WAIT_MAX_NS; /* idle connections are looked at now and then */
    if (MHD_get_timeout(h->daemon, &wait_ms) == MHD_YES) {
        wait = sq_min_u64(wait, wait_ms * SQ_NS_PER_MS);
    }
    /* Not before a kick that stands already. */
    if (!sq_timer_active(&h->timer) || wait == 0) {
        sq_timer_start(sq_loop_timers(h->loop), &h->timer, wait ? sq_clock_ns() + wait : 0);
    }
}

static void on_ready(void *ctx, unsigned ready)
{
    struct sq_httpd *h = ctx;
    sq_timer_stop(&h->timer);
    run(h);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    run(ctx);
}

/* --- requests --- */

static void start_waiting(struct sq_httpd_request *r)
{
    struct sq_httpd *h = r->httpd;
    r->next = h->waiting;
    r->prev = &h->waiting;
    if (r->next) {
        r->next->prev = &r->next;
    }
    h->waiting = r;
}

static void stop_waiting(struct sq_httpd_request *r)
{
    if (r->prev) {
        *r->prev = r->next;
        if (r->next) {
            r->next->prev = r->prev;
        }
        r->prev = NULL;
    }
}

static void free_request(struct sq_httpd_request *r)
{
    stop_waiting(r);
    if (r->upgrade) { /* the client went before it was done */
        r->upgrade->fn(r->upgrade->ctx, NULL);
        sq_free(r->upgrade);
    }
    if (r->response) {
        MHD_destroy_response(r->response);
    }
    sq_free(r->method);
    sq_free(r->path);
    sq_buf_free(&r->body);
    sq_free(r);
}

static void on_completed(void *cls, struct MHD_Connection *connection, void **con_cls,
                         enum MHD_RequestTerminationCode why)
{
    struct sq_httpd_request *r = *con_cls;
    *con_cls = NULL;
    if (!r) {
        return;
    }
    if (r->handled && r->answer == ANSWER_NONE && r->gone_fn) {
        r->gone_fn(r->gone_ctx);
    }
    free_request(r);
}

static struct sq_httpd_request *new_request(struct sq_httpd *h, struct MHD_Connection *connection,
                                            const char *url, const char *method)
{
    struct sq_httpd_request *r = sq_zalloc(sizeof(*r));
    if (!r) {
        return NULL;
    }
    r->httpd = h;
    r->connection = connection;
    r->method = sq_strdup(method);
    r->path = sq_strdup(url);
    if (!r->method || !r->path) {
        free_request(r);
        return NULL;
    }
    return r;
}

static enum MHD_Result send_answer(struct sq_httpd_request *r)
{
    enum MHD_Result ok = MHD_NO; /* closes the connection */
    if (r->response) {
        ok = MHD_queue_response(r->connection, (unsigned)r->status, r->response);
        MHD_destroy_response(r->response);
        r->response = NULL;
    }
    return ok;
}

static void take_body(struct sq_httpd_request *r, const char *bytes, size_t n)
{
    if (n > r->httpd->body_max - r->body.len) {
        r->too_long = true; /* read to its end and refused then: a client must be able to hear it */
    } else if (!r->too_long) {
        sq_buf_add(&r->body, bytes, n);
    }
}

/* libmicrohttpd calls this with the headers, with each piece of body, at the end, and again after a
 * connection was resumed. */
static enum MHD_Result on_access(void *cls, struct MHD_Connection *connection, const char *url,
                                 const char *method, const char *version, const char *data,
                                 size_t *data_len, void **con_cls)
{
    struct sq_httpd *h = cls;
    struct sq_httpd_request *r = *con_cls;
    if (!r) {
        r = new_request(h, connection, url, method);
        *con_cls = r;
        return r ? MHD_YES : MHD_NO;
    }
    if (*data_len > 0) {
        take_body(r, data, *data_len);
        *data_len = 0;
        return MHD_YES;
    }
    if (!r->handled) {
        r->handled = true;
        if (r->too_long || r->body.err) {
            static const char too_long[] = "request body too long\n";
            (void)sq_httpd_reply(r, r->too_long ? 413 : 503, NULL, too_long, sizeof(too_long) - 1);
        } else {
            h->fn(h->ctx, r);
        }
        if (r->answer == ANSWER_NONE) {
            start_waiting(r);
            MHD_suspend_connection(connection);
            return MHD_YES;
        }
    }
    return r->answer == ANSWER_NONE ? MHD_YES : send_answer(r);
}

const char *sq_httpd_method(const struct sq_httpd_request *request)
{
    return request->method;
}

const char *sq_httpd_path(const struct sq_httpd_request *request)
{
    return request->path;
}

struct lookup {
    const char *name;
    const char *value;
};

static enum MHD_Result find_value(void *cls, enum MHD_ValueKind kind, const char *key,
                                  const char *value)
{
    struct lookup *l = cls;
    if (strcmp(key, l->name) != 0) {
        return MHD_YES;
    }
    l->value = value ? value : "";
    return MHD_NO; /* the first one */
}

const char *sq_httpd_query(const struct sq_httpd_request *request, const char *name)
{
    struct lookup l = {.name = name};
    (void)MHD_get_connection_values(request->connection, MHD_GET_ARGUMENT_KIND, find_value, &l);
    return l.value;
}

const char *sq_httpd_header(const struct sq_httpd_request *request, const char *name)
{
    return MHD_lookup_connection_value(request->connection, MHD_HEADER_KIND, name);
}

const char *sq_httpd_body(const struct sq_httpd_request *request, size_t *ret_len)
{
    *ret_len = request->body.len;
    return request->body.text ? request->body.text : "";
}

struct sq_addr sq_httpd_remote(const struct sq_httpd_request *request)
{
    struct sq_addr a = {.sa = {.sa_family = AF_UNSPEC}};
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(request->connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
    if (info && info->client_addr->sa_family == AF_INET) {
        memcpy(&a.in4, info->client_addr, sizeof(a.in4));
    } else if (info && info->client_addr->sa_family == AF_INET6) {
        memcpy(&a.in6, info->client_addr, sizeof(a.in6));
    }
    return a;
}

void sq_httpd_on_gone(struct sq_httpd_request *request, void (*fn)(void *ctx), void *ctx)
{
    request->gone_fn = fn;
    request->gone_ctx = ctx;
}

/* --- answers --- */

static void set_answer(struct sq_httpd_request *r, enum answer answer, int status)
{
    r->answer = answer;
    r->status = status;
    if (r->prev) {
        stop_waiting(r);
        MHD_resume_connection(r->connection);
        kick(r->httpd);
    }
}

static int add_header(struct MHD_Response *response, const char *line)
{
    struct sq_view value = sq_view_of(line);
    struct sq_view name = sq_view_cut(&value, ':');
    struct sq_buf n = {0};
    struct sq_buf v = {0};
    if (!value.at) {
        return SQ_ERR_INVALID;
    }
    value = sq_view_trim(value);
    if (value.len == 0) { /* libmicrohttpd sends no header without a value */
        return 0;
    }
    sq_buf_add(&n, name.at, name.len);
    sq_buf_add(&v, value.at, value.len);
    int err = n.err ? n.err : v.err;
    if (err == 0 && MHD_add_response_header(response, n.text, v.text) != MHD_YES) {
        err = SQ_ERR_INVALID;
    }
    sq_buf_free(&n);
    sq_buf_free(&v);
    return err;
}

int sq_httpd_reply(struct sq_httpd_request *r, int status, const char *const *headers,
                   const void *body, size_t body_len)
{
    if (r->answer != ANSWER_NONE) {
        return SQ_ERR_STATE;
    }
    int err = 0;
    struct MHD_Response *response = MHD_create_response_from_buffer(
        body_len, (void *)(body ? body : ""), MHD_RESPMEM_MUST_COPY);
    err = response ? 0 : SQ_ERR_NOMEM;
    for (size_t i = 0; err == 0 && headers && headers[i]; i++) {
        err = add_header(response, headers[i]);
    }
    if (err && response) {
        MHD_destroy_response(response);
        response = NULL;
    }
    r->response = response;
    set_answer(r, ANSWER_REPLY, status);
    return err;
}

static bool token_in(const char *list, const char *token)
{
    struct sq_view rest = sq_view_of(list ? list : "");
    while (rest.at) {
        if (sq_view_is_nocase(sq_view_trim(sq_view_cut(&rest, ',')), token)) {
            return true;
        }
    }
    return false;
}

bool sq_httpd_is_upgrade(const struct sq_httpd_request *request)
{
    const char *version = sq_httpd_header(request, "Sec-WebSocket-Version");
    const char *key = sq_httpd_header(request, "Sec-WebSocket-Key");
    return strcmp(request->method, "GET") == 0 && key && strlen(key) == 24 && version &&
           strcmp(version, "13") == 0 &&
           token_in(sq_httpd_header(request, "Upgrade"), "websocket") &&
           token_in(sq_httpd_header(request, "Connection"), "upgrade");
}

static void on_release(void *ctx)
{
    struct upgrade *u = ctx;
    struct sq_httpd *h = u->httpd;
    (void)MHD_upgrade_action(u->handle, MHD_UPGRADE_ACTION_CLOSE);
    kick(h);
    sq_free(u);
}

/* libmicrohttpd leaves Nagle's algorithm on: a second message would wait for the client's delayed
 * acknowledgement of the first, 40 ms of nothing. */
static void send_at_once(struct MHD_Connection *connection)
{
    const union MHD_ConnectionInfo *info =
        MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
    const int one = 1;
    if (info) {
        /* A message that is late is all that comes of a failure. */
        (void)setsockopt(info->connect_fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
}

/* The 101 answer is out; libmicrohttpd hands the socket over. */
static void on_upgraded(void *cls, struct MHD_Connection *connection, void *con_cls,
                        const char *extra, size_t extra_len, MHD_socket sock,
                        struct MHD_UpgradeResponseHandle *handle)
{
    struct sq_httpd_request *r = con_cls;
    struct upgrade *u = r->upgrade;
    r->upgrade = NULL;
    struct sq_httpd *h = u->httpd;
    sq_httpd_ws_fn fn = u->fn;
    void *ctx = u->ctx;
    struct sq_ws *ws = NULL;
    u->handle = handle;
    send_at_once(connection);
    struct sq_ws_options options = u->options;
    if (sq_ws_server(h->loop, sock, extra, extra_len, on_release, u, &options, NULL, NULL, &ws) !=
        0) {
        on_release(u);
        ws = NULL;
    }
    fn(ctx, ws);
}

int sq_httpd_upgrade(struct sq_httpd_request *r, const char *subprotocol,
                     const struct sq_ws_options *options, sq_httpd_ws_fn fn, void *ctx)
{
    if (!sq_httpd_is_upgrade(r)) {
        static const char text[] = "this is a WebSocket end point\n";
        (void)sq_httpd_reply(r, 400, NULL, text, sizeof(text) - 1);
        return SQ_ERR_INVALID;
    }
    if (r->httpd->tls) {
        /* libmicrohttpd 0.9.75 passes the bytes of an upgraded TLS connection on through a socket
         * pair, and stalls for good on larger messages when it is driven from outside. */
        static const char text[] = "no WebSocket over TLS here\n";
        (void)sq_httpd_reply(r, 501, NULL, text, sizeof(text) - 1);
        return SQ_ERR_UNSUPPORTED;
    }
    char accept[29];
    sq_ws_accept_value(sq_httpd_header(r, "Sec-WebSocket-Key"), accept);
    struct upgrade *u = sq_zalloc(sizeof(*u));
    struct MHD_Response *response = u ? MHD_create_response_for_upgrade(on_upgraded, NULL) : NULL;
    if (!response ||
        MHD_add_response_header(response, MHD_HTTP_HEADER_UPGRADE, "websocket") != MHD_YES ||
        MHD_add_response_header(response, MHD_HTTP_HEADER_SEC_WEBSOCKET_ACCEPT, accept) !=
            MHD_YES ||
        (subprotocol && MHD_add_response_header(response, MHD_HTTP_HEADER_SEC_WEBSOCKET_PROTOCOL,
                                                subprotocol) != MHD_YES)) {
        if (response) {
            MHD_destroy_response(response);
        }
        sq_free(u);
        (void)sq_httpd_reply(r, 503, NULL, NULL, 0);
        return SQ_ERR_NOMEM;
    }
    *u = (struct upgrade){.httpd = r->httpd, .fn = fn, .ctx = ctx};
    if (options) {
        u->options.message_max_bytes = options->message_max_bytes;
        u->options.queue_max_bytes = options->queue_max_bytes;
    }
    r->upgrade = u;
    r->response = response;
    set_answer(r, ANSWER_UPGRADE, MHD_HTTP_SWITCHING_PROTOCOLS);
    return 0;
}

/* --- the server --- */

static int listen_socket(const struct sq_addr *addr, struct sq_addr *ret_local, int *ret_fd)
{
    int one = 1;
    int fd = socket(sq_addr_family(addr), SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0) {
        return SQ_ERR_IO;
    }
    socklen_t len = sizeof(*ret_local);
    struct sq_addr local;
    if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) < 0 ||
        bind(fd, &addr->sa, sq_addr_len(addr)) < 0 || listen(fd, BACKLOG) < 0 ||
        getsockname(fd, &local.sa, &len) < 0) {
        int saved = errno;
        close(fd);
        errno = saved;
        return SQ_ERR_IO;
    }
    *ret_local = local;
    *ret_fd = fd;
    return 0;
}

static int start_daemon(struct sq_httpd *h, const struct sq_httpd_options *o, int listen_fd)
{
    unsigned flags = MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME | MHD_ALLOW_UPGRADE;
    struct MHD_OptionItem tls[] = {
        {MHD_OPTION_HTTPS_MEM_CERT, 0, (void *)o->cert_pem},
        {MHD_OPTION_HTTPS_MEM_KEY, 0, (void *)o->key_pem},
        {MHD_OPTION_END, 0, NULL},
    };
    struct MHD_OptionItem none[] = {{MHD_OPTION_END, 0, NULL}};
    bool secure = o->cert_pem && o->key_pem;
    h->tls = secure;
    unsigned connections = o->connections_max ? o->connections_max : SQ_HTTPD_CONNECTIONS_MAX;
    unsigned idle = o->idle_timeout_s ? o->idle_timeout_s : IDLE_DEFAULT_S;
    h->daemon = MHD_start_daemon(
        flags | (secure ? (unsigned)MHD_USE_TLS : 0U), 0, NULL, NULL, on_access, h,
        MHD_OPTION_LISTEN_SOCKET, listen_fd, MHD_OPTION_NOTIFY_COMPLETED, on_completed, h,
        MHD_OPTION_CONNECTION_LIMIT, connections, MHD_OPTION_CONNECTION_TIMEOUT, idle,
        MHD_OPTION_ARRAY, secure ? tls : none, MHD_OPTION_END);
    if (!h->daemon) {
        close(listen_fd);
        return secure ? SQ_ERR_TLS : SQ_ERR_NOMEM;
    }
    const union MHD_DaemonInfo *info = MHD_get_daemon_info(h->daemon, MHD_DAEMON_INFO_EPOLL_FD);
    if (!info || info->epoll_fd < 0) {
        return SQ_ERR_UNSUPPORTED;
    }
    h->epoll_fd = info->epoll_fd;
    return sq_watch_start(h->loop, &h->watch, h->epoll_fd, SQ_READ, on_ready, h);
}

int sq_httpd_new(struct sq_loop *loop, const struct sq_httpd_options *options, sq_httpd_fn fn,
                 void *ctx, struct sq_httpd **ret_httpd)
{
    int fd = -1;
    struct sq_httpd *h = sq_zalloc(sizeof(*h));
    if (!h) {
        return SQ_ERR_NOMEM;
    }
    h->loop = loop;
    h->fn = fn;
    h->ctx = ctx;
    h->body_max = options->body_max_bytes ? options->body_max_bytes : SQ_HTTPD_BODY_DEFAULT_BYTES;
    sq_timer_init(&h->timer, on_timer, h);
    int err = listen_socket(&options->listen, &h->local, &fd);
    err = err ? err : start_daemon(h, options, fd);
    if (err) {
        int saved = errno;
        sq_httpd_free(h);
        errno = saved;
        return err;
    }
    kick(h);
    *ret_httpd = h;
    return 0;
}

void sq_httpd_free(struct sq_httpd *httpd)
{
    if (!httpd) {
        return;
    }
    /* A daemon must not be stopped while connections are suspended. */
    for (struct sq_httpd_request *r = httpd->waiting; r; r = r->next) {
        MHD_resume_connection(r->connection);
    }
    sq_watch_stop(&httpd->watch);
    sq_timer_stop(&httpd->timer);
    if (httpd->daemon) {
        MHD_stop_daemon(httpd->daemon);
    }
    sq_free(httpd);
}

struct sq_addr sq_httpd_local(const struct sq_httpd *httpd)
{
    return httpd->local;
}
