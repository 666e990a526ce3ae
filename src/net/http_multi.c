/* libcurl's multi handle, with its sockets and its timer on the loop. */
#include "base/mem.h"
#include "net/http_int.h"
#include "net/loop_int.h"

#define KEPT_CONNECTIONS_MAX 512L

struct curl_watch {
    struct curl_watch *next, **prev;
    struct sq_http_multi *multi;
    struct sq_watch watch;
    curl_socket_t fd;
};

struct sq_http_multi {
    struct sq_loop *loop;
    CURLM *multi;
    struct sq_timer timer;
    struct curl_watch *watches;
};

/* Hands finished transfers to their requests. Each may start or cancel others. */
static void reap(struct sq_http_multi *m)
{
    CURLMsg *msg;
    int left;
    while ((msg = curl_multi_info_read(m->multi, &left))) {
        if (msg->msg == CURLMSG_DONE) {
            CURLcode result = msg->data.result; /* msg is gone once the handle is removed */
            struct sq_http *request = NULL;
            if (curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, &request) == CURLE_OK) {
                sq_http_transfer_done(request, result);
            }
        }
    }
}

static void act(struct sq_http_multi *m, curl_socket_t fd, int bits)
{
    int running;
    (void)curl_multi_socket_action(m->multi, fd, bits, &running);
    reap(m);
}

static void on_curl_ready(void *ctx, unsigned ready)
{
    struct curl_watch *w = ctx;
    act(w->multi, w->fd,
        (ready & SQ_READ ? CURL_CSELECT_IN : 0) | (ready & SQ_WRITE ? CURL_CSELECT_OUT : 0) |
            (ready & SQ_HANGUP ? CURL_CSELECT_ERR : 0));
}

static void on_curl_timer(void *ctx, uint64_t now_ns)
{
    act(ctx, CURL_SOCKET_TIMEOUT, 0);
}

static void drop_watch(struct curl_watch *w)
{
    sq_watch_stop(&w->watch);
    *w->prev = w->next;
    if (w->next) {
        w->next->prev = w->prev;
    }
    sq_free(w);
}

/* A failure is not told to libcurl, which would give up all transfers for the one: this one times
 * out. */
static void watch_new(struct sq_http_multi *m, curl_socket_t fd, unsigned interest)
{
    struct curl_watch *w = sq_zalloc(sizeof(*w));
    if (!w) {
        return;
    }
    w->multi = m;
    w->fd = fd;
    if (sq_watch_start(m->loop, &w->watch, fd, interest, on_curl_ready, w) != 0) {
        sq_free(w);
        return;
    }
    w->next = m->watches;
    w->prev = &m->watches;
    if (w->next) {
        w->next->prev = &w->next;
    }
    m->watches = w;
    (void)curl_multi_assign(m->multi, fd, w);
}

static int on_curl_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    struct sq_http_multi *m = ctx;
    struct curl_watch *w = socket_ctx;
    if (what == CURL_POLL_REMOVE) {
        if (w) {
            drop_watch(w);
        }
        return 0;
    }
    unsigned interest =
        (what & CURL_POLL_IN ? SQ_READ : 0U) | (what & CURL_POLL_OUT ? SQ_WRITE : 0U);
    if (w) {
        int err = sq_watch_set(&w->watch, interest);
        (void)err; /* as in watch_new */
    } else {
        watch_new(m, fd, interest);
    }
    return 0;
}

static int on_curl_timeout(CURLM *multi, long timeout_ms, void *ctx)
{
    struct sq_http_multi *m = ctx;
    sq_timer_start(sq_loop_timers(m->loop), &m->timer,
                   timeout_ms < 0    ? SQ_NEVER
                   : timeout_ms == 0 ? 0
                                     : sq_clock_ns() + (uint64_t)timeout_ms * SQ_NS_PER_MS);
    return 0;
}

static void free_multi(void *service)
{
    struct sq_http_multi *m = service;
    curl_multi_cleanup(m->multi);
    sq_timer_stop(&m->timer);
    while (m->watches) {
        drop_watch(m->watches);
    }
    sq_free(m);
}

int sq_http_multi_get(struct sq_loop *loop, struct sq_http_multi **ret_multi)
{
    struct sq_http_multi *m = sq_loop_service(loop, SQ_SERVICE_HTTP);
    if (!m) {
        m = sq_zalloc(sizeof(*m));
        if (!m) {
            return SQ_ERR_NOMEM;
        }
        m->loop = loop;
        sq_timer_init(&m->timer, on_curl_timer, m);
        m->multi = curl_multi_init();
        if (!m->multi) {
            sq_free(m);
            return SQ_ERR_NOMEM;
        }
        (void)curl_multi_setopt(m->multi, CURLMOPT_SOCKETFUNCTION, on_curl_socket);
        (void)curl_multi_setopt(m->multi, CURLMOPT_SOCKETDATA, m);
        (void)curl_multi_setopt(m->multi, CURLMOPT_TIMERFUNCTION, on_curl_timeout);
        (void)curl_multi_setopt(m->multi, CURLMOPT_TIMERDATA, m);
        (void)curl_multi_setopt(m->multi, CURLMOPT_MAXCONNECTS, KEPT_CONNECTIONS_MAX);
        sq_loop_set_service(loop, SQ_SERVICE_HTTP, m, free_multi);
    }
    *ret_multi = m;
    return 0;
}

CURLM *sq_http_multi_handle(struct sq_http_multi *multi)
{
    return multi->multi;
}
