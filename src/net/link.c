#include "net/link.h"

#include "base/mem.h"
#include "net/link_int.h"
#include "net/loop_int.h"
#include <stdio.h>
#include <string.h>

#define SEGMENT_AGAIN_NS (10 * SQ_NS_PER_MS) /* until a lost one is missed, at least */
#define SEGMENT_TRIES    6
#define CONNECT_TRIES    7 /* tcp_syn_retries of Linux, and the first */

/* What the links of a loop share. */
struct links {
    struct sq_loop *loop;
    struct sq_held_pool pool;
    struct sq_held *spent; /* delivered in this iteration: freed with its flush hooks */
    struct sq_flush_hook hook;
    struct sq_link *all;
};

struct sq_link {
    struct links *links;
    struct sq_link *next, **prev;
    struct sq_link_config config;
    struct sq_way ways[SQ_DIRECTIONS];
    struct sq_timer timer;
    unsigned users;     /* its owner, its ports, and a walk through it */
    uint16_t http_port; /* of the latest connection for HTTP; 0: none */
};

/* ---- Limits ---- */

struct limit {
    const char *name;
    double value, least, most;
};

static int check_way(const struct sq_link_way *c, const char *which, char *why, size_t size)
{
    const double second = (double)SQ_NS_PER_SEC;
    const double longest_s = (double)SQ_LINK_DELAY_MAX_NS / second;
    const struct limit limits[] = {
        {"rate (bit/s)", c->rate_bps, c->rate_bps == 0 ? 0 : SQ_LINK_RATE_MIN_BPS, 1e12},
        {"queue (s)", (double)c->queue_ns / second, 0, longest_s},
        {"queue (bytes)", (double)c->queue_bytes, 0, 1e9},
        {"delay (s)", (double)c->delay_ns / second, 0, longest_s},
        {"jitter (s)", (double)c->jitter_ns / second, 0, longest_s},
        {"loss", c->loss, 0, 1},
        {"probability of the bad state", c->bursts.to_bad, 0, 1},
        {"probability of the good state", c->bursts.to_good, 0, 1},
        {"loss in the good state", c->bursts.loss_good, 0, 1},
        {"loss in the bad state", c->bursts.loss_bad, 0, 1},
        {"duplication", c->duplicate, 0, 1},
        {"corruption", c->corrupt, 0, 1},
    };
    for (size_t i = 0; i < sizeof(limits) / sizeof(limits[0]); i++) {
        const struct limit *l = &limits[i];
        if (!(l->value >= l->least && l->value <= l->most)) {
            snprintf(why, size, "the link's %s %s is %g; expected %g to %g", which, l->name,
                     l->value, l->least, l->most);
            return SQ_ERR_INVALID;
        }
    }
    return 0;
}

int sq_link_check(const struct sq_link_config *config, char *ret_why, size_t size)
{
    int err = check_way(&config->up, "upward", ret_why, size);
    return err ? err : check_way(&config->down, "downward", ret_why, size);
}

/* ---- The loop's ---- */

static void free_spent(void *ctx)
{
    struct links *links = ctx;
    while (links->spent) {
        struct sq_held *held = links->spent;
        links->spent = held->next;
        sq_held_free(&links->pool, held);
    }
}

static void destroy(struct sq_link *link)
{
    sq_timer_stop(&link->timer);
    for (int d = 0; d < SQ_DIRECTIONS; d++) {
        sq_way_clear(&link->ways[d]);
    }
    *link->prev = link->next;
    if (link->next) {
        link->next->prev = link->prev;
    }
    sq_free(link);
}

static void let_go(struct sq_link *link)
{
    if (--link->users == 0) {
        destroy(link);
    }
}

static void let_port_go(struct sq_link_port *port)
{
    struct sq_link *link = port->link;
    if (port->closed && port->held == 0) {
        port->ops->idle(port->ctx);
        let_go(link);
    }
}

/* What they hold stays until the flush hooks have run; their port may be closed meanwhile. */
static void hand_over(struct links *links, struct sq_held *const *run, size_t n,
                      enum sq_direction direction)
{
    struct sq_link_port *port = run[0]->port;
    if (!port->ops->leave[direction](port->ctx, run, n)) {
        for (size_t i = 0; i < n; i++) {
            run[i]->next = links->spent;
            links->spent = run[i];
        }
    }
    port->held -= n;
    let_port_go(port);
}

static void hand_over_due(struct sq_link *link, enum sq_direction direction, uint64_t now_ns)
{
    struct links *links = link->links;
    struct sq_held *run[SQ_LINK_RUN_MAX];
    size_t n;
    while ((n = sq_way_take_run(&link->ways[direction], now_ns, run, SQ_LINK_RUN_MAX)) > 0) {
        hand_over(links, run, n, direction);
    }
}

static void set_timer(struct sq_link *link)
{
    uint64_t up_ns = sq_way_next_ns(&link->ways[SQ_UP]);
    uint64_t next_ns = sq_min_u64(up_ns, sq_way_next_ns(&link->ways[SQ_DOWN]));
    if (!sq_timer_active(&link->timer) || link->timer.deadline_ns != next_ns) {
        sq_timer_start(sq_loop_timers(link->links->loop), &link->timer, next_ns);
    }
}

/* Hands over everything that is due by now. */
static void on_timer(void *ctx, uint64_t now_ns)
{
    struct sq_link *link = ctx;
    link->users++; /* whoever ends in a call-back */
    hand_over_due(link, SQ_UP, now_ns);
    hand_over_due(link, SQ_DOWN, now_ns);
    set_timer(link);
    let_go(link);
}

static void fetch_ahead(const void *reads, unsigned step)
{
    const struct sq_link *link = reads;
    sq_way_prefetch(&link->ways[SQ_UP], step);
    sq_way_prefetch(&link->ways[SQ_DOWN], step);
}

/* The loop goes: what its sockets sent last leaves now, before its time. */
static void free_links(void *service)
{
    struct links *links = service;
    while (links->all) {
        struct sq_link *link = links->all;
        link->users++; /* so that only this ends it */
        hand_over_due(link, SQ_UP, SQ_NEVER / 2);
        destroy(link);
    }
    free_spent(links);
    sq_loop_off_flush(&links->hook);
    sq_held_pool_clear(&links->pool);
    sq_free(links);
}

static struct links *links_of(struct sq_loop *loop)
{
    struct links *links = sq_loop_service(loop, SQ_SERVICE_LINKS);
    if (!links) {
        links = sq_zalloc(sizeof(*links));
        if (!links) {
            return NULL;
        }
        links->loop = loop;
        sq_loop_on_flush(loop, &links->hook, free_spent, links);
        sq_loop_set_service(loop, SQ_SERVICE_LINKS, links, free_links);
    }
    return links;
}

/* ---- Life ---- */

int sq_link_create(struct sq_loop *loop, const struct sq_link_config *config, uint64_t seed,
                   struct sq_link **ret_link)
{
    char why[160];
    if (sq_link_check(config, why, sizeof(why)) != 0) {
        return SQ_ERR_INVALID;
    }
    struct links *links = links_of(loop);
    struct sq_link *link = links ? sq_zalloc(sizeof(*link)) : NULL;
    if (!link) {
        return SQ_ERR_NOMEM;
    }
    link->links = links;
    link->config = *config;
    link->users = 1;
    sq_way_init(&link->ways[SQ_UP], &config->up, seed, &links->pool);
    sq_way_init(&link->ways[SQ_DOWN], &config->down, ~seed, &links->pool);
    sq_timer_init(&link->timer, on_timer, link);
    link->timer.reads = link;
    link->timer.ahead = fetch_ahead;
    link->next = links->all;
    link->prev = &links->all;
    if (links->all) {
        links->all->prev = &link->next;
    }
    links->all = link;
    *ret_link = link;
    return 0;
}

int sq_link_set(struct sq_link *link, const struct sq_link_config *config)
{
    char why[160];
    int err = sq_link_check(config, why, sizeof(why));
    if (err) {
        return err;
    }
    uint64_t now_ns = sq_loop_now(link->links->loop);
    link->config = *config;
    sq_way_set(&link->ways[SQ_UP], &config->up, now_ns);
    sq_way_set(&link->ways[SQ_DOWN], &config->down, now_ns);
    set_timer(link);
    return 0;
}

const struct sq_link_config *sq_link_config(const struct sq_link *link)
{
    return &link->config;
}

void sq_link_get_counters(const struct sq_link *link, struct sq_link_counters *ret_up,
                          struct sq_link_counters *ret_down)
{
    *ret_up = link->ways[SQ_UP].counters;
    *ret_down = link->ways[SQ_DOWN].counters;
}

void sq_link_retain(struct sq_link *link)
{
    link->users++;
}

void sq_link_release(struct sq_link *link)
{
    if (link) {
        let_go(link);
    }
}

bool sq_link_lets_tcp(const struct sq_link *link, uint16_t port)
{
    switch (link->config.firewall) {
    case SQ_FIREWALL_WEB:
        return port == 80 || port == 443;
    case SQ_FIREWALL_HTTPS:
        return port == 443;
    case SQ_FIREWALL_NONE:
    case SQ_FIREWALL_NO_UDP:
        break;
    }
    return true;
}

bool sq_link_lets_udp(const struct sq_link *link)
{
    return link->config.firewall == SQ_FIREWALL_NONE;
}

bool sq_link_is_out(const struct sq_link *link)
{
    return link->config.outage;
}

void sq_link_note_http(struct sq_link *link, uint16_t port)
{
    link->http_port = port;
}

uint16_t sq_link_stopped_port(const struct sq_link *link)
{
    return sq_link_lets_tcp(link, link->http_port) ? 0 : link->http_port;
}

/* ---- Ports ---- */

void sq_link_port_open(struct sq_link_port *port, struct sq_link *link,
                       const struct sq_link_port_ops *ops, void *ctx)
{
    *port = (struct sq_link_port){.link = link, .ops = ops, .ctx = ctx};
    link->users++;
}

void sq_link_port_forget(struct sq_link_port *port)
{
    sq_way_forget(&port->link->ways[SQ_UP], port);
    sq_way_forget(&port->link->ways[SQ_DOWN], port);
}

void sq_link_port_close(struct sq_link_port *port)
{
    port->closed = true;
    sq_way_forget(&port->link->ways[SQ_DOWN], port);
    let_port_go(port);
}

void sq_link_free_held(const struct sq_link_port *port, struct sq_held *held)
{
    sq_held_free(&port->link->links->pool, held);
}

static struct sq_held *hold(struct sq_link_port *port, const void *data, size_t len,
                            uint32_t headers)
{
    struct sq_held *held = sq_held_new(&port->link->links->pool, len);
    if (held) {
        held->port = port;
        held->count = &port->held;
        held->late_ns = 0;
        held->order_ns = NULL;
        held->wire_bytes = (uint32_t)len + headers;
        held->addr = (struct sq_addr){0};
        if (len > 0) {
            memcpy(held->data, data, len);
        }
    }
    return held;
}

static uint32_t headers_of(bool ipv6, uint32_t transport_bytes)
{
    return (ipv6 ? SQ_IPV6_BYTES : SQ_IPV4_BYTES) + transport_bytes;
}

enum sq_link_offer sq_link_offer(struct sq_link_port *port, enum sq_direction direction,
                                 const struct sq_link_datagram *d)
{
    struct sq_link *link = port->link;
    struct sq_way *way = &link->ways[direction];
    uint32_t headers = headers_of(d->ipv6, SQ_UDP_BYTES);
    way->counters.datagrams++;
    if (sq_way_loses(way)) {
        return SQ_LINK_TAKEN;
    }
    if (link->config.outage || !sq_link_lets_udp(link)) {
        way->counters.lost++;
        return SQ_LINK_TAKEN;
    }
    if (sq_way_is_clear(way)) {
        sq_way_pass(way, d->len + headers);
        return SQ_LINK_PASS;
    }
    struct sq_held *held = hold(port, d->data, d->len, headers);
    if (!held) {
        way->counters.queue_dropped++;
        return SQ_LINK_TAKEN;
    }
    if (d->addr) {
        held->addr = *d->addr;
    }
    if (sq_way_enter(way, held, d->at_ns)) {
        set_timer(link);
    }
    return SQ_LINK_TAKEN;
}

/* ---- Streams ---- */

static uint64_t round_trip_ns(const struct sq_link *link)
{
    return link->config.up.delay_ns + link->config.down.delay_ns;
}

bool sq_link_has_room(struct sq_link_port *port, enum sq_direction direction, bool ipv6, size_t len)
{
    struct sq_link *link = port->link;
    struct sq_way *way = &link->ways[direction];
    bool room =
        sq_way_has_room(way, len + headers_of(ipv6, SQ_TCP_BYTES), sq_loop_now(link->links->loop));
    /* A connection has one segment on its way at least, as congestion control leaves it: else those
     * that fill the queue would keep it out for good. */
    return room || (port->held == 0 && way->held < SQ_LINK_HELD_MAX);
}

bool sq_link_offer_segment(struct sq_link_port *port, enum sq_direction direction, bool ipv6,
                           const void *data, size_t len)
{
    struct sq_link *link = port->link;
    struct sq_way *way = &link->ways[direction];
    uint64_t now_ns = sq_loop_now(link->links->loop);
    if (!sq_link_has_room(port, direction, ipv6, len)) {
        return false;
    }
    struct sq_held *held = hold(port, data, len, headers_of(ipv6, SQ_TCP_BYTES));
    if (!held) {
        return false;
    }
    held->order_ns = &port->order_ns[direction];
    for (int again = 0; again < SEGMENT_TRIES && sq_way_loses(way); again++) {
        held->late_ns += sq_max_u64(round_trip_ns(link), SEGMENT_AGAIN_NS);
    }
    if (sq_way_enter(way, held, now_ns)) {
        set_timer(link);
    }
    return true;
}

uint64_t sq_link_room_ns(const struct sq_link_port *port, enum sq_direction direction)
{
    const struct sq_way *way = &port->link->ways[direction];
    uint64_t soon_ns = sq_loop_now(port->link->links->loop) + SQ_TIMER_SLOT_NS;
    return way->queue.first ? sq_max_u64(way->first_done_ns, soon_ns) : soon_ns;
}

uint64_t sq_link_connect_ns(struct sq_link *link)
{
    uint64_t took_ns = round_trip_ns(link);
    uint64_t again_ns = SQ_NS_PER_SEC;
    for (int tries = 0; tries < CONNECT_TRIES; tries++) {
        bool lost = sq_way_loses(&link->ways[SQ_UP]);
        lost = lost || sq_way_loses(&link->ways[SQ_DOWN]);
        if (!lost) {
            return took_ns;
        }
        took_ns += again_ns;
        again_ns *= 2;
    }
    return SQ_NEVER;
}
