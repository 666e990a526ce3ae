#include "net/dns.h"

#include "base/mem.h"
#include "base/str.h"
#include "net/loop_int.h"
#include <ares.h>
#include <netdb.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <sys/time.h>

#define HOST_MAX       256   /* RFC 1035, section 2.3.4: 255 octets */
#define QUERIES_MAX    20000 /* a loop */
#define TRY_TIMEOUT_MS 1500
#define TRIES          3
#define TEXT_MAX       (HOST_MAX + 96)

/* A socket of c-ares, watched as it asks. */
struct ares_watch {
    struct ares_watch *next;
    struct dns *dns;
    struct sq_watch watch;
    int fd;
};

struct dns {
    struct sq_loop *loop;
    ares_channel channel;
    bool channel_open;
    struct ares_watch *watches;
    struct sq_timer timer; /* c-ares' own time-outs */
    size_t queries;        /* with those that c-ares has not let go of yet */
    size_t live;           /* without those */
};

struct sq_dns_query {
    struct dns *dns;
    struct sq_timer timer; /* the time-out, then the delivery */
    sq_dns_fn fn;
    void *ctx;
    uint64_t start_ns;
    uint64_t timeout_ns;
    bool in_ares;   /* c-ares will still call back */
    bool done;      /* the answer stands below */
    bool abandoned; /* cancelled or delivered: free when c-ares lets go */
    int err;
    uint16_t port;
    struct sq_addr addrs[SQ_DNS_ADDR_MAX];
    size_t n;
    char host[HOST_MAX];
    char text[TEXT_MAX];
};

static void arm(struct dns *dns)
{
    struct timeval tv;
    if (!ares_timeout(dns->channel, NULL, &tv)) {
        sq_timer_stop(&dns->timer);
        return;
    }
    uint64_t wait = (uint64_t)tv.tv_sec * SQ_NS_PER_SEC + (uint64_t)tv.tv_usec * SQ_NS_PER_US;
    sq_timer_start(sq_loop_timers(dns->loop), &dns->timer, sq_clock_ns() + wait);
}

static void on_ares_timer(void *ctx, uint64_t now_ns)
{
    struct dns *dns = ctx;
    ares_process_fd(dns->channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    arm(dns);
}

static void on_ares_ready(void *ctx, unsigned ready)
{
    struct ares_watch *w = ctx;
    struct dns *dns = w->dns;
    int fd = w->fd; /* w may go while c-ares works */
    ares_process_fd(dns->channel, ready & (SQ_READ | SQ_HANGUP) ? fd : ARES_SOCKET_BAD,
                    ready & (SQ_WRITE | SQ_HANGUP) ? fd : ARES_SOCKET_BAD);
    arm(dns);
}

static void on_ares_socket(void *data, ares_socket_t fd, int readable, int writable)
{
    struct dns *dns = data;
    struct ares_watch **at = &dns->watches;
    while (*at && (*at)->fd != fd) {
        at = &(*at)->next;
    }
    struct ares_watch *w = *at;
    unsigned interest = (readable ? SQ_READ : 0U) | (writable ? SQ_WRITE : 0U);
    if (interest == 0) {
        if (w) {
            *at = w->next;
            sq_watch_stop(&w->watch);
            sq_free(w);
        }
        return;
    }
    if (w) {
        int err = sq_watch_set(&w->watch, interest);
        (void)err; /* if the kernel refuses, the query times out */
        return;
    }
    w = sq_zalloc(sizeof(*w));
    if (!w) {
        return; /* the query times out */
    }
    w->dns = dns;
    w->fd = fd;
    if (sq_watch_start(dns->loop, &w->watch, fd, interest, on_ares_ready, w) != 0) {
        sq_free(w);
        return;
    }
    w->next = dns->watches;
    dns->watches = w;
}

static void free_dns(void *service)
{
    struct dns *dns = service;
    if (dns->channel_open) {
        ares_destroy(dns->channel); /* calls back for what is under way: frees abandoned ones */
    }
    sq_timer_stop(&dns->timer);
    while (dns->watches) {
        struct ares_watch *w = dns->watches;
        dns->watches = w->next;
        sq_watch_stop(&w->watch);
        sq_free(w);
    }
    sq_free(dns);
}

/* The loop's resolver, made at first use. */
static int get_dns(struct sq_loop *loop, struct dns **ret_dns)
{
    struct dns *dns = sq_loop_service(loop, SQ_SERVICE_DNS);
    if (!dns) {
        dns = sq_zalloc(sizeof(*dns));
        if (!dns) {
            return SQ_ERR_NOMEM;
        }
        dns->loop = loop;
        sq_timer_init(&dns->timer, on_ares_timer, dns);
        char lookups[] = "fb"; /* files, then DNS */
        struct ares_options o = {.timeout = TRY_TIMEOUT_MS,
                                 .tries = TRIES,
                                 .lookups = lookups,
                                 .sock_state_cb = on_ares_socket,
                                 .sock_state_cb_data = dns};
        int status = ares_init_options(&dns->channel, &o,
                                       ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS |
                                           ARES_OPT_SOCK_STATE_CB);
        if (status != ARES_SUCCESS) {
            free_dns(dns);
            return status == ARES_ENOMEM ? SQ_ERR_NOMEM : SQ_ERR_DNS;
        }
        dns->channel_open = true;
        sq_loop_set_service(loop, SQ_SERVICE_DNS, dns, free_dns);
    }
    *ret_dns = dns;
    return 0;
}

int sq_dns_set_servers(struct sq_loop *loop, const char *servers_csv)
{
    struct dns *dns;
    int err = get_dns(loop, &dns);
    if (err) {
        return err;
    }
    if (dns->live > 0) {
        return SQ_ERR_STATE;
    }
    ares_cancel(dns->channel); /* those that nobody waits for would stand in the way */
    int status = ares_set_servers_ports_csv(dns->channel, servers_csv);
    return status == ARES_SUCCESS ? 0 : SQ_ERR_INVALID;
}

static void let_go(struct sq_dns_query *q)
{
    sq_timer_stop(&q->timer);
    q->dns->live -= !q->abandoned;
    q->abandoned = true;
    if (!q->in_ares) {
        q->dns->queries--;
        sq_free(q);
    }
}

void sq_dns_cancel(struct sq_dns_query *query)
{
    if (query) {
        let_go(query);
    }
}

/* Delivers from the loop: the answer, or the time-out. */
static void on_query_timer(void *ctx, uint64_t now_ns)
{
    struct sq_dns_query *q = ctx;
    if (!q->done) {
        char took[32];
        q->err = SQ_ERR_TIMEOUT;
        snprintf(q->text, sizeof(q->text), "cannot resolve '%s': no answer within %s", q->host,
                 sq_format_duration(q->timeout_ns, took));
    }
    struct sq_dns_answer answer = {.err = q->err,
                                   .addrs = q->addrs,
                                   .n = q->err ? 0 : q->n,
                                   .took_ns = sq_clock_ns() - q->start_ns,
                                   .text = q->text};
    sq_dns_fn fn = q->fn;
    void *fn_ctx = q->ctx;
    q->fn = NULL;
    fn(fn_ctx, &answer);
    let_go(q);
}

static void finish(struct sq_dns_query *q, int err, const char *why)
{
    q->done = true;
    q->err = err;
    if (err) {
        snprintf(q->text, sizeof(q->text), "cannot resolve '%s': %s", q->host, why);
    }
    sq_timer_start(sq_loop_timers(q->dns->loop), &q->timer, 0);
}

static void add_addr(struct sq_dns_query *q, const struct sockaddr *sa)
{
    if (q->n == SQ_DNS_ADDR_MAX) {
        return;
    }
    struct sq_addr *a = &q->addrs[q->n];
    if (sa->sa_family == AF_INET) {
        memcpy(&a->in4, sa, sizeof(a->in4));
    } else if (sa->sa_family == AF_INET6) {
        memcpy(&a->in6, sa, sizeof(a->in6));
    } else {
        return;
    }
    sq_addr_set_port(a, q->port);
    q->n++;
}

static void on_ares_answer(void *arg, int status, int timeouts, struct ares_addrinfo *result)
{
    struct sq_dns_query *q = arg;
    q->in_ares = false;
    if (q->abandoned || status == ARES_EDESTRUCTION) {
        ares_freeaddrinfo(result); /* NULL is allowed */
        let_go(q);
        return;
    }
    if (status == ARES_SUCCESS) {
        for (const struct ares_addrinfo_node *n = result->nodes; n; n = n->ai_next) {
            add_addr(q, n->ai_addr);
        }
    }
    ares_freeaddrinfo(result);
    if (status == ARES_SUCCESS && q->n > 0) {
        finish(q, 0, "");
    } else if (status == ARES_ETIMEOUT) {
        finish(q, SQ_ERR_TIMEOUT, "the name server did not answer");
    } else if (status == ARES_ENOMEM) {
        finish(q, SQ_ERR_NOMEM, "no memory");
    } else {
        finish(q, SQ_ERR_DNS, status == ARES_SUCCESS ? "no address" : ares_strerror(status));
    }
}

static bool ends_with(const char *host, const char *label)
{
    size_t n = strlen(host);
    size_t m = strlen(label);
    if (n > 0 && host[n - 1] == '.') {
        n--;
    }
    return n >= m && strncasecmp(host + n - m, label, m) == 0 && (n == m || host[n - m - 1] == '.');
}

/* Numeric addresses and the names that RFC 6761 keeps off the network. True if that was all. */
static bool answer_at_once(struct sq_dns_query *q, int family)
{
    struct sq_addr a;
    if (sq_addr_parse(q->host, q->port, &a) == 0) {
        if (family == AF_UNSPEC || family == sq_addr_family(&a)) {
            q->addrs[q->n++] = a;
            finish(q, 0, "");
        } else {
            finish(q, SQ_ERR_DNS, "a numeric address of the other family");
        }
        return true;
    }
    if (ends_with(q->host, "invalid")) { /* RFC 6761, section 6.4 */
        finish(q, SQ_ERR_DNS, "names under .invalid never exist");
        return true;
    }
    if (ends_with(q->host, "localhost")) { /* section 6.3 */
        const char *loopback[] = {"127.0.0.1", "::1"};
        for (int i = 0; i < 2; i++) {
            if (sq_addr_parse(loopback[i], q->port, &a) == 0 &&
                (family == AF_UNSPEC || family == sq_addr_family(&a))) {
                q->addrs[q->n++] = a;
            }
        }
        finish(q, 0, "");
        return true;
    }
    return false;
}

int sq_dns_resolve(struct sq_loop *loop, const char *host, uint16_t port, int family,
                   uint64_t timeout_ns, sq_dns_fn fn, void *ctx, struct sq_dns_query **ret_query)
{
    size_t len = strlen(host);
    bool brackets = len > 2 && host[0] == '[' && host[len - 1] == ']';
    if (len == 0 || len >= HOST_MAX ||
        (family != AF_UNSPEC && family != AF_INET && family != AF_INET6)) {
        return SQ_ERR_INVALID;
    }
    struct dns *dns;
    int err = get_dns(loop, &dns);
    if (err) {
        return err;
    }
    struct sq_dns_query *q = dns->queries < QUERIES_MAX ? sq_zalloc(sizeof(*q)) : NULL;
    if (!q) {
        return SQ_ERR_NOMEM;
    }
    dns->queries++;
    dns->live++;
    q->dns = dns;
    q->fn = fn;
    q->ctx = ctx;
    q->port = port;
    q->start_ns = sq_clock_ns();
    q->timeout_ns = timeout_ns ? timeout_ns : SQ_DNS_TIMEOUT_DEFAULT_NS;
    memcpy(q->host, host + (brackets ? 1 : 0), len - (brackets ? 2 : 0));
    sq_timer_init(&q->timer, on_query_timer, q);
    if (!answer_at_once(q, family)) {
        sq_timer_start(sq_loop_timers(loop), &q->timer, q->start_ns + q->timeout_ns);
        q->in_ares = true;
        struct ares_addrinfo_hints hints = {.ai_family = family, .ai_socktype = SOCK_STREAM};
        ares_getaddrinfo(dns->channel, q->host, NULL, &hints, on_ares_answer, q);
        arm(dns);
    }
    *ret_query = q;
    return 0;
}
