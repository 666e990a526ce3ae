#include "net/stream.h"

#include "base/mem.h"
#include "base/str.h"
#include "net/dns.h"
#include "net/filter_int.h"
#include "net/link_int.h"
#include <stdio.h>
#include <string.h>

#define READ_BYTES 16384
#define READS_MAX  64 /* of one ready event; the rest comes in the next iteration */
#define LINGER_NS  (2 * SQ_NS_PER_SEC) /* for the other side's end after ours */
#define WHO_MAX    280
#define QUEUE_STEP 4096

struct sq_stream {
    struct sq_loop *loop;
    struct sq_stream_events events;
    void *ctx;
    enum sq_stream_phase phase;
    char *host;
    char *ca_file, *server_name, *alpn; /* nullable */
    struct sq_tls_options tls_options;  /* points to them */
    bool tls;
    uint16_t port;
    uint64_t timeout_ns;
    struct sq_addr bind;
    struct sq_addr addrs[SQ_DNS_ADDR_MAX];
    size_t addr_count; /* 0: not resolved yet */
    struct sq_dns_query *query;
    struct sq_filter *bottom; /* tcp */
    struct sq_filter *top;    /* tcp, or what is on it: a link's emulation, TLS */
    struct sq_link *link;     /* held; NULL: none */
    bool past_firewall;
    struct sq_timer timer; /* the set-up's time-out; then the linger */
    struct sq_timer again; /* goes on at once in the next iteration */
    struct sq_stream_times times;
    uint64_t phase_start_ns;
    bool shutting; /* our end is to be sent, or was */
    bool shut;     /* it was */
    int busy;      /* callbacks under way: the memory stays until they return */
    bool freed;
    int pending_err; /* found by a send; told from the loop */

    uint8_t *early; /* bytes to deliver first */
    size_t early_len;
    uint8_t *queue; /* [head, head + len) is unsent */
    size_t head, len, room, max;

    char who[WHO_MAX];
    char text[SQ_NET_TEXT_MAX];
};

static void progress(struct sq_stream *s);

/* Frees everything but the struct. */
static void tear_down(struct sq_stream *s)
{
    s->phase = SQ_STREAM_CLOSED;
    sq_timer_stop(&s->timer);
    sq_timer_stop(&s->again);
    sq_dns_cancel(s->query);
    s->query = NULL;
    while (s->top) {
        struct sq_filter *below = s->top->below;
        s->top->ops->free(s->top);
        s->top = below;
    }
    s->bottom = NULL;
    sq_link_release(s->link);
    s->link = NULL;
    sq_free(s->queue);
    sq_free(s->early);
    s->queue = NULL;
    s->early = NULL;
    s->len = s->head = s->room = 0;
}

static void free_struct(struct sq_stream *s)
{
    sq_free(s->host);
    sq_free(s->ca_file);
    sq_free(s->server_name);
    sq_free(s->alpn);
    sq_free(s);
}

void sq_stream_free(struct sq_stream *stream)
{
    if (!stream || stream->freed) {
        return;
    }
    tear_down(stream);
    stream->freed = true;
    if (stream->busy == 0) {
        free_struct(stream);
    }
}

static void enter(struct sq_stream *s)
{
    s->busy++;
}

/* False if the stream is gone. */
static bool leave(struct sq_stream *s)
{
    s->busy--;
    if (s->freed && s->busy == 0) {
        free_struct(s);
        return false;
    }
    return !s->freed;
}

/* The last thing that happens to a stream. */
static void end(struct sq_stream *s, int err, enum sq_stream_phase during)
{
    struct sq_stream_end e = {.err = err, .during = during, .text = err ? s->text : ""};
    if (err && s->text[0] == '\0') {
        snprintf(s->text, sizeof(s->text), "connection to %s: %s", s->who, sq_err_name(err));
    }
    tear_down(s);
    if (s->events.on_end) {
        s->events.on_end(s->ctx, &e);
    }
}

static void end_phase(struct sq_stream *s, uint64_t *duration, enum sq_stream_phase next)
{
    uint64_t now = sq_clock_ns();
    *duration = now - s->phase_start_ns;
    s->phase_start_ns = now;
    s->phase = next;
}

static void on_ready(void *ctx, unsigned ready)
{
    progress(ctx);
}

static void progress_of(void *ctx)
{
    progress(ctx);
}

static void on_again(void *ctx, uint64_t now_ns)
{
    progress(ctx);
}

static void go_on_soon(struct sq_stream *s)
{
    sq_timer_start(sq_loop_timers(s->loop), &s->again, 0);
}

/* Keeps the watch on the filter's descriptor, with what the filters want. */
static int update_watch(struct sq_stream *s)
{
    struct sq_watch *w = sq_tcp_filter_watch(s->bottom);
    unsigned wants = s->top->ops->wants(s->top);
    if (wants == 0 || sq_tcp_filter_fd(s->bottom) < 0) {
        sq_watch_stop(w); /* a layer waits for something else: it says when to go on */
        return 0;
    }
    if (w->loop) {
        return sq_watch_set(w, wants);
    }
    return sq_watch_start(s->loop, w, sq_tcp_filter_fd(s->bottom), wants, on_ready, s);
}

static void on_timeout(void *ctx, uint64_t now_ns)
{
    static const char *const doing[] = {
        [SQ_STREAM_DNS] = "resolve",
        [SQ_STREAM_CONNECT] = "connect to",
        [SQ_STREAM_TLS] = "finish the TLS handshake with",
    };
    struct sq_stream *s = ctx;
    enter(s);
    if (s->phase == SQ_STREAM_OPEN) { /* the linger */
        end(s, 0, SQ_STREAM_OPEN);
    } else {
        char took[32];
        bool stopped = s->link && !s->past_firewall && !sq_link_lets_tcp(s->link, s->port);
        snprintf(s->text, sizeof(s->text), "cannot %s %.180s: no answer within %s%s",
                 doing[s->phase], s->who, sq_format_duration(s->timeout_ns, took),
                 stopped ? " (its network's firewall stops TCP to that port)" : "");
        end(s, SQ_ERR_TIMEOUT, s->phase);
    }
    (void)leave(s);
}

/* --- sending --- */

static int grow_queue(struct sq_stream *s, size_t more)
{
    if (s->head > 0 && s->head + s->len + more > s->room) {
        memmove(s->queue, s->queue + s->head, s->len);
        s->head = 0;
    }
    size_t need = s->len + more;
    if (need > s->room) {
        size_t room = s->room ? s->room : QUEUE_STEP;
        while (room < need) {
            room *= 2;
        }
        uint8_t *bigger = sq_realloc(s->queue, room);
        if (!bigger) {
            return SQ_ERR_NOMEM;
        }
        s->queue = bigger;
        s->room = room;
    }
    return 0;
}

/* Sends what is queued; 0 also when some stays. *ret_drained: it was not empty and is now. */
static int flush(struct sq_stream *s, bool *ret_drained)
{
    bool had = s->len > 0;
    while (s->len > 0) {
        ssize_t n = s->top->ops->send(s->top, s->queue + s->head, s->len);
        if (n == SQ_ERR_AGAIN) {
            break;
        }
        if (n < 0) {
            return (int)n;
        }
        s->head += (size_t)n;
        s->len -= (size_t)n;
    }
    if (s->len == 0) {
        s->head = 0;
        if (s->shutting && !s->shut) {
            s->shut = true;
            s->top->ops->shutdown(s->top);
        }
    }
    *ret_drained = had && s->len == 0;
    return 0;
}

int sq_stream_send(struct sq_stream *s, const void *data, size_t len)
{
    if (s->phase != SQ_STREAM_OPEN || s->shutting || s->pending_err) {
        return SQ_ERR_STATE;
    }
    if (len > s->max - s->len) {
        return SQ_ERR_NOSPACE;
    }
    size_t taken = 0;
    /* TLS must be offered the same bytes again after a short write: all go through the queue. */
    while (s->len == 0 && s->top == s->bottom && taken < len) {
        ssize_t n = s->top->ops->send(s->top, (const uint8_t *)data + taken, len - taken);
        if (n == SQ_ERR_AGAIN) {
            break;
        }
        if (n < 0) {
            s->pending_err = (int)n;
            go_on_soon(s);
            return SQ_ERR_CLOSED;
        }
        taken += (size_t)n;
    }
    if (taken == len) {
        return 0;
    }
    int err = grow_queue(s, len - taken);
    if (err == 0) {
        memcpy(s->queue + s->head + s->len, (const uint8_t *)data + taken, len - taken);
        s->len += len - taken;
    } else if (taken > 0) { /* a part is out: the stream cannot go on */
        s->pending_err = err;
        go_on_soon(s);
        return err;
    } else {
        return err;
    }
    bool drained;
    err = s->top != s->bottom ? flush(s, &drained) : 0;
    err = err ? err : update_watch(s);
    if (err) {
        s->pending_err = err;
        go_on_soon(s);
    }
    return 0;
}

size_t sq_stream_queued_bytes(const struct sq_stream *stream)
{
    return stream->len;
}

void sq_stream_shutdown(struct sq_stream *s)
{
    if (s->phase == SQ_STREAM_CLOSED || s->shutting) {
        return;
    }
    s->shutting = true;
    sq_timer_start(sq_loop_timers(s->loop), &s->timer, sq_clock_ns() + LINGER_NS);
    go_on_soon(s);
}

/* --- progress --- */

/* Delivers; false if the stream is gone or closed. */
static bool deliver(struct sq_stream *s, const uint8_t *data, size_t len)
{
    if (s->events.on_data) {
        s->events.on_data(s->ctx, data, len);
    }
    return s->phase == SQ_STREAM_OPEN;
}

static void read_some(struct sq_stream *s)
{
    uint8_t buf[READ_BYTES];
    if (s->early) {
        uint8_t *early = s->early;
        s->early = NULL;
        bool open = deliver(s, early, s->early_len);
        sq_free(early);
        if (!open) {
            return;
        }
    }
    for (int i = 0; i < READS_MAX; i++) {
        ssize_t n = s->top->ops->recv(s->top, buf, sizeof(buf));
        if (n == SQ_ERR_AGAIN) {
            return;
        }
        if (n <= 0) {
            end(s, (int)n, SQ_STREAM_OPEN);
            return;
        }
        if (!deliver(s, buf, (size_t)n)) {
            return;
        }
    }
    go_on_soon(s); /* TLS may hold bytes that no event would tell of */
}

static void progress_open(struct sq_stream *s)
{
    bool drained = false;
    int err = s->pending_err ? s->pending_err : flush(s, &drained);
    if (err) {
        end(s, err, SQ_STREAM_OPEN);
        return;
    }
    if (drained && s->events.on_drained) {
        s->events.on_drained(s->ctx);
    }
    if (s->phase == SQ_STREAM_OPEN) {
        read_some(s);
    }
    if (s->phase == SQ_STREAM_OPEN) {
        err = update_watch(s);
        if (err) {
            end(s, err, SQ_STREAM_OPEN);
        }
    }
}

static void opened(struct sq_stream *s)
{
    sq_timer_stop(&s->timer);
    if (s->events.on_open) {
        s->events.on_open(s->ctx);
    }
}

/* One step of connecting: 0 if the next may be tried, SQ_ERR_AGAIN, or the error. */
static int connect_step(struct sq_stream *s)
{
    int err = s->top->ops->connect(s->top);
    if (err) {
        return err;
    }
    if (s->phase == SQ_STREAM_CONNECT && s->tls) {
        end_phase(s, &s->times.connect_ns, SQ_STREAM_TLS);
        return sq_tls_filter_new(s->loop, &s->tls_options, s->host, s->who, s->top, s->text,
                                 &s->top);
    }
    end_phase(s, s->phase == SQ_STREAM_TLS ? &s->times.tls_ns : &s->times.connect_ns,
              SQ_STREAM_OPEN);
    return 0;
}

static int begin_connect(struct sq_stream *s);

static void progress(struct sq_stream *s)
{
    enter(s);
    int begun = s->phase == SQ_STREAM_DNS && s->addr_count > 0 ? begin_connect(s) : 0;
    if (begun) {
        end(s, begun, SQ_STREAM_DNS);
    }
    if (s->phase == SQ_STREAM_CONNECT || s->phase == SQ_STREAM_TLS) {
        int err = 0;
        while (err == 0 && s->phase != SQ_STREAM_OPEN) {
            err = connect_step(s);
        }
        if (err == 0) {
            s->text[0] = '\0'; /* what addresses before this one said */
            opened(s);
        } else {
            if (err == SQ_ERR_AGAIN && s->phase == SQ_STREAM_CONNECT) {
                sq_timer_start(sq_loop_timers(s->loop), &s->again,
                               sq_tcp_filter_next_ns(s->bottom));
            }
            err = err == SQ_ERR_AGAIN ? update_watch(s) : err;
            if (err) {
                end(s, err, s->phase);
            }
        }
    }
    if (s->phase == SQ_STREAM_OPEN && s->top) {
        progress_open(s);
    }
    (void)leave(s);
}

static int put_link_on(struct sq_stream *s)
{
    const struct sq_filter_ready ready = {.fn = progress_of, .ctx = s};
    const struct sq_link_side side = {
        .link = s->link, .remote = &s->addrs[0], .past_firewall = s->past_firewall};
    return sq_link_filter_new(s->loop, &side, s->bottom, &ready, &s->top);
}

/* An address, and not a name. */
static bool is_numeric(const struct sq_stream *s)
{
    struct sq_addr a;
    return sq_addr_parse(s->host, 0, &a) == 0;
}

static int begin_connect(struct sq_stream *s)
{
    end_phase(s, &s->times.dns_ns, SQ_STREAM_CONNECT);
    if (is_numeric(s)) {
        s->times.dns_ns = 0;
    }
    struct sq_tcp_target target = {.addrs = s->addrs,
                                   .n = s->addr_count,
                                   .timeout_ns = s->timeout_ns,
                                   .bind = sq_addr_family(&s->bind) ? &s->bind : NULL,
                                   .who = s->who};
    int err = sq_tcp_filter_new(&target, s->text, &s->bottom);
    s->top = s->bottom;
    return err || !s->link ? err : put_link_on(s);
}

/* A question and its answer over the link, lost ones asked again as connections are. The machine
 * itself knows its own address. */
static uint64_t lookup_ns(const struct sq_stream *s)
{
    bool own = is_numeric(s) || sq_addr_is_loopback(&s->addrs[0]);
    return s->link && !own ? sq_link_connect_ns(s->link) : 0;
}

static void on_resolved(void *ctx, const struct sq_dns_answer *answer)
{
    struct sq_stream *s = ctx;
    s->query = NULL;
    if (answer->err) {
        enter(s);
        snprintf(s->text, sizeof(s->text), "%s", answer->text);
        end(s, answer->err, SQ_STREAM_DNS);
        (void)leave(s);
        return;
    }
    memcpy(s->addrs, answer->addrs, answer->n * sizeof(*s->addrs));
    s->addr_count = answer->n;
    uint64_t more_ns = lookup_ns(s);
    if (more_ns == 0) {
        progress(s);
    } else if (more_ns != SQ_NEVER) { /* else it times out */
        sq_timer_start(sq_loop_timers(s->loop), &s->again, sq_loop_now(s->loop) + more_ns);
    }
}

/* --- making --- */

static struct sq_stream *new_stream(struct sq_loop *loop, const struct sq_stream_events *events,
                                    void *ctx)
{
    struct sq_stream *s = sq_zalloc(sizeof(*s));
    if (s) {
        s->loop = loop;
        s->events = events ? *events : (struct sq_stream_events){0};
        s->ctx = ctx;
        s->max = SQ_STREAM_QUEUE_DEFAULT_BYTES;
        sq_timer_init(&s->timer, on_timeout, s);
        sq_timer_init(&s->again, on_again, s);
    }
    return s;
}

static int copy_text(const char *from, char **to)
{
    *to = from ? sq_strdup(from) : NULL;
    return from && !*to ? SQ_ERR_NOMEM : 0;
}

static int copy_options(struct sq_stream *s, const struct sq_stream_options *o)
{
    int err = copy_text(o->host, &s->host);
    err = err ? err : copy_text(o->tls_options.ca_file, &s->ca_file);
    err = err ? err : copy_text(o->tls_options.server_name, &s->server_name);
    err = err ? err : copy_text(o->tls_options.alpn, &s->alpn);
    s->tls_options = (struct sq_tls_options){.insecure = o->tls_options.insecure,
                                             .ca_file = s->ca_file,
                                             .server_name = s->server_name,
                                             .alpn = s->alpn};
    s->tls = o->tls;
    s->port = o->port;
    s->timeout_ns = o->timeout_ns ? o->timeout_ns : SQ_STREAM_TIMEOUT_DEFAULT_NS;
    s->max = o->queue_max_bytes ? o->queue_max_bytes : s->max;
    if (o->bind) {
        s->bind = *o->bind;
    }
    if (o->link) {
        s->link = o->link;
        s->past_firewall = o->past_firewall;
        sq_link_retain(s->link);
    }
    snprintf(s->who, sizeof(s->who), strchr(o->host, ':') ? "[%s]:%u" : "%s:%u", o->host, o->port);
    return err;
}

int sq_stream_connect(struct sq_loop *loop, const struct sq_stream_options *options,
                      const struct sq_stream_events *events, void *ctx,
                      struct sq_stream **ret_stream)
{
    if (!options->host || options->host[0] == '\0' || options->port == 0) {
        return SQ_ERR_INVALID;
    }
    struct sq_stream *s = new_stream(loop, events, ctx);
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    int err = copy_options(s, options);
    if (err == 0 && s->tls) {
        err = sq_tls_prepare(loop, &s->tls_options);
    }
    uint64_t now = sq_clock_ns();
    s->phase_start_ns = now;
    if (err == 0) {
        err = sq_dns_resolve(loop, s->host, s->port, AF_UNSPEC, s->timeout_ns, on_resolved, s,
                             &s->query);
    }
    if (err) {
        sq_stream_free(s);
        return err;
    }
    sq_timer_start(sq_loop_timers(loop), &s->timer, now + s->timeout_ns);
    *ret_stream = s;
    return 0;
}

int sq_stream_from_fd(struct sq_loop *loop, int fd, const void *early, size_t early_len,
                      void (*release)(void *ctx), void *release_ctx,
                      const struct sq_stream_events *events, void *ctx,
                      struct sq_stream **ret_stream)
{
    struct sq_stream *s = new_stream(loop, events, ctx);
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    snprintf(s->who, sizeof(s->who), "the other side");
    int err = 0;
    if (early_len > 0) {
        s->early = sq_malloc(early_len);
        err = s->early ? 0 : SQ_ERR_NOMEM;
        if (s->early) {
            memcpy(s->early, early, early_len);
            s->early_len = early_len;
        }
    }
    err = err ? err : sq_fd_filter_new(fd, release, release_ctx, s->text, &s->bottom);
    if (err) {
        sq_stream_free(s);
        return err;
    }
    s->top = s->bottom;
    s->phase = SQ_STREAM_OPEN;
    go_on_soon(s); /* starts watching, too */
    *ret_stream = s;
    return 0;
}

void sq_stream_set_events(struct sq_stream *stream, const struct sq_stream_events *events,
                          void *ctx)
{
    stream->events = events ? *events : (struct sq_stream_events){0};
    stream->ctx = ctx;
}

void sq_stream_get_times(const struct sq_stream *stream, struct sq_stream_times *ret_times)
{
    *ret_times = stream->times;
}

static struct sq_addr address(const struct sq_stream *s,
                              int (*get)(int fd, struct sockaddr *sa, socklen_t *len))
{
    struct sq_addr a = {.sa = {.sa_family = AF_UNSPEC}};
    socklen_t len = sizeof(a);
    if (!s->bottom || get(sq_tcp_filter_fd(s->bottom), &a.sa, &len) < 0 ||
        (a.sa.sa_family != AF_INET && a.sa.sa_family != AF_INET6)) {
        a.sa.sa_family = AF_UNSPEC;
    }
    return a;
}

struct sq_addr sq_stream_remote(const struct sq_stream *stream)
{
    return address(stream, getpeername);
}

struct sq_addr sq_stream_local(const struct sq_stream *stream)
{
    return address(stream, getsockname);
}
