/* HTTP over a link (net/link.h). libcurl connects to a port of ours on the loopback instead of the
 * server; what it writes there goes on by a stream over the link, and the other way round. It
 * resolves nothing itself: the stream does, and tries address by address, with the times that the
 * link makes true. TLS is libcurl's, from end to end. (A socket pair would be simpler, but libcurl
 * 7.88 takes no socket that is connected already, and uses none again that is not of IP.) */
#include "base/mem.h"
#include "net/filter_int.h"
#include "net/http_int.h"
#include "net/loop_int.h"
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

struct sq_http_relay {
    struct sq_http_relay *next, **prev; /* of its loop's */
    struct sq_loop *loop;
    struct sq_http_dial *dial; /* of the request that opened it, while that is there; nullable */
    struct sq_stream *outer;   /* to the server; owned */
    struct sq_stream *inner;   /* to libcurl; owned; NULL until the outer one is open */
    int listener;              /* where libcurl connects to; -1 once it is accepted */
    int curl_fd;               /* libcurl's, until then */
};

/* The loop's; they outlive the requests that opened them, as connections do. */
struct relays {
    struct sq_http_relay *all;
};

static void free_relay(struct sq_http_relay *relay)
{
    if (relay->dial) {
        relay->dial->relay = NULL;
    }
    sq_stream_free(relay->outer);
    sq_stream_free(relay->inner);
    if (relay->listener >= 0) {
        close(relay->listener);
    }
    *relay->prev = relay->next;
    if (relay->next) {
        relay->next->prev = relay->prev;
    }
    sq_free(relay);
}

/* ---- The two streams ---- */

/* What finds no room is more than a request or an answer may be: the connection breaks. */
static void pass(struct sq_http_relay *relay, struct sq_stream *to, const uint8_t *data, size_t len)
{
    if (sq_stream_send(to, data, len) != 0) {
        free_relay(relay);
    }
}

static void on_inner_data(void *ctx, const uint8_t *data, size_t len)
{
    struct sq_http_relay *relay = ctx;
    pass(relay, relay->outer, data, len);
}

static void on_outer_data(void *ctx, const uint8_t *data, size_t len)
{
    struct sq_http_relay *relay = ctx;
    if (relay->inner) { /* else libcurl has closed the connection meanwhile */
        pass(relay, relay->inner, data, len);
    }
}

/* libcurl has closed the connection: what it wrote before still goes. */
static void on_inner_end(void *ctx, const struct sq_stream_end *end)
{
    struct sq_http_relay *relay = ctx;
    (void)end;
    sq_stream_free(relay->inner);
    relay->inner = NULL;
    if (relay->outer) {
        sq_stream_shutdown(relay->outer);
    } else {
        free_relay(relay);
    }
}

static const struct sq_stream_events inner_events = {.on_data = on_inner_data,
                                                     .on_end = on_inner_end};

static uint16_t port_of(int fd, int (*get)(int fd, struct sockaddr *sa, socklen_t *len))
{
    struct sq_addr a = {.sa = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof(a);
    return get(fd, &a.sa, &len) == 0 && a.sa.sa_family == AF_INET ? sq_addr_port(&a) : 0;
}

/* libcurl's connection, and nobody else's who found the port; -1 without one. */
static int accept_own(const struct sq_http_relay *relay)
{
    uint16_t own = port_of(relay->curl_fd, getsockname);
    int fd;
    int one = 1; /* an answer in two parts would wait for an acknowledgement, 40 ms late */
    while ((fd = accept4(relay->listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK)) >= 0) {
        if (own != 0 && port_of(fd, getpeername) == own) {
            break;
        }
        close(fd);
    }
    if (fd >= 0) {
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    }
    return fd;
}

static void on_outer_open(void *ctx)
{
    struct sq_http_relay *relay = ctx;
    int fd = accept_own(relay);
    int err = fd < 0 ? SQ_ERR_IO
                     : sq_stream_from_fd(relay->loop, fd, NULL, 0, NULL, NULL, &inner_events, relay,
                                         &relay->inner);
    if (err) {
        if (fd >= 0) {
            close(fd);
        }
        free_relay(relay);
        return;
    }
    close(relay->listener);
    relay->listener = -1;
    struct sq_http_dial *dial = relay->dial;
    if (dial) {
        dial->open_ns = sq_clock_ns();
        dial->remote = sq_stream_remote(relay->outer);
        sq_stream_get_times(relay->outer, &dial->times);
    }
}

static void on_outer_end(void *ctx, const struct sq_stream_end *end)
{
    struct sq_http_relay *relay = ctx;
    struct sq_http_dial *dial = relay->dial;
    if (dial && dial->open_ns == 0) {
        dial->err = end->err;
        dial->during = end->during;
        snprintf(dial->text, sizeof(dial->text), "%s", end->text);
    }
    sq_stream_free(relay->outer);
    relay->outer = NULL;
    if (relay->inner) { /* libcurl reads to the end, and closes */
        sq_stream_shutdown(relay->inner);
    } else {
        free_relay(relay);
    }
}

static const struct sq_stream_events outer_events = {
    .on_open = on_outer_open, .on_data = on_outer_data, .on_end = on_outer_end};

/* ---- Opening, and what libcurl asks for ---- */

static void free_relays(void *service)
{
    struct relays *relays = service;
    while (relays->all) {
        free_relay(relays->all);
    }
    sq_free(relays);
}

static struct relays *relays_of(struct sq_loop *loop)
{
    struct relays *relays = sq_loop_service(loop, SQ_SERVICE_HTTP_RELAYS);
    if (!relays) {
        relays = sq_zalloc(sizeof(*relays));
        if (relays) {
            sq_loop_set_service(loop, SQ_SERVICE_HTTP_RELAYS, relays, free_relays);
        }
    }
    return relays;
}

static int listen_locally(struct sq_addr *ret_addr)
{
    socklen_t len = sizeof(*ret_addr);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    *ret_addr = (struct sq_addr){.in4 = {.sin_family = AF_INET}};
    ret_addr->in4.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd >= 0 && (bind(fd, &ret_addr->sa, sq_addr_len(ret_addr)) < 0 || listen(fd, 4) < 0 ||
                    getsockname(fd, &ret_addr->sa, &len) < 0)) {
        close(fd);
        return -1;
    }
    return fd;
}

int sq_http_relay_open(struct sq_loop *loop, const struct sq_stream_options *to,
                       struct sq_http_dial *dial, int curl_fd, struct sq_addr *ret_addr)
{
    sq_http_dial_drop(dial);
    struct relays *relays = relays_of(loop);
    if (!relays) {
        return SQ_ERR_NOMEM;
    }
    int listener = listen_locally(ret_addr);
    if (listener < 0) {
        return sq_tcp_error(errno);
    }
    struct sq_http_relay *relay = sq_zalloc(sizeof(*relay));
    int err =
        relay ? sq_stream_connect(loop, to, &outer_events, relay, &relay->outer) : SQ_ERR_NOMEM;
    if (err) {
        sq_free(relay);
        close(listener);
        return err;
    }
    if (to->link) {
        sq_link_note_http(to->link, to->port);
    }
    relay->loop = loop;
    relay->listener = listener;
    relay->curl_fd = curl_fd;
    relay->dial = dial;
    relay->next = relays->all;
    relay->prev = &relays->all;
    if (relays->all) {
        relays->all->prev = &relay->next;
    }
    relays->all = relay;
    *dial = (struct sq_http_dial){.relay = relay};
    return 0;
}

void sq_http_dial_drop(struct sq_http_dial *dial)
{
    struct sq_http_relay *relay = dial->relay;
    if (relay && relay->inner) {
        relay->dial = NULL; /* the connection may be used again */
    } else if (relay) {
        free_relay(relay);
    }
    *dial = (struct sq_http_dial){0};
}
