/* A stream over a link: a layer between TCP and what is on it. TCP's own reactions are not played:
 * what is lost is late by a round trip, and where the bottleneck has no room, the writer waits. */
#include "base/mem.h"
#include "net/filter_int.h"
#include "net/link_int.h"
#include <netinet/in.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

#define SEGMENT_BYTES 1428                 /* fits an Ethernet frame over IPv6, too */
#define BLOCKED_NS    (100 * SQ_NS_PER_MS) /* until it is tried again */

enum opening { BELOW, HANDSHAKE, OPEN };

struct link_filter {
    struct sq_filter filter; /* first: the stream holds this */
    struct sq_link_port port;
    struct sq_loop *loop;
    struct sq_timer timer; /* until the handshake is over, or there is room again */
    void (*ready)(void *ctx);
    void *ctx;
    enum opening opening;
    uint64_t open_ns;
    uint16_t remote_port;
    bool ipv6, past_firewall;
    bool waits_for_room[SQ_DIRECTIONS];
    struct sq_held_list in;  /* arrived, not read yet; an empty one is the other side's end */
    struct sq_held_list out; /* out of the link, not yet taken below; an empty one is our end */
    size_t in_at, out_at;    /* of the first ones, done with */
    bool ended;              /* the other side's end has come in from below */
    int broken;              /* below; told when all before it has been read */
};

static struct link_filter *of(struct sq_filter *f)
{
    return (struct link_filter *)f;
}

static bool is_blocked(const struct link_filter *l)
{
    const struct sq_link *link = l->port.link;
    return sq_link_is_out(link) || (!l->past_firewall && !sq_link_lets_tcp(link, l->remote_port));
}

static void wake_at(struct link_filter *l, uint64_t at_ns)
{
    if (!sq_timer_active(&l->timer) || at_ns < l->timer.deadline_ns) {
        sq_timer_start(sq_loop_timers(l->loop), &l->timer, at_ns);
    }
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct link_filter *l = ctx;
    (void)now_ns;
    l->waits_for_room[SQ_UP] = l->waits_for_room[SQ_DOWN] = false;
    l->ready(l->ctx);
}

static void wait_for_room(struct link_filter *l, enum sq_direction direction)
{
    l->waits_for_room[direction] = true;
    wake_at(l, is_blocked(l) ? sq_loop_now(l->loop) + BLOCKED_NS
                             : sq_link_room_ns(&l->port, direction));
}

/* ---- Opening ---- */

static int link_connect(struct sq_filter *f)
{
    struct link_filter *l = of(f);
    if (l->opening == BELOW && is_blocked(l)) {
        wake_at(l, sq_loop_now(l->loop) + BLOCKED_NS);
        return SQ_ERR_AGAIN; /* no packet leaves */
    }
    if (l->opening == BELOW) {
        int err = f->below->ops->connect(f->below);
        if (err) {
            return err;
        }
        uint64_t took_ns = sq_link_connect_ns(l->port.link);
        l->open_ns = took_ns == SQ_NEVER ? SQ_NEVER : sq_loop_now(l->loop) + took_ns;
        l->opening = HANDSHAKE;
    }
    if (l->opening == HANDSHAKE && sq_loop_now(l->loop) < l->open_ns) {
        if (l->open_ns != SQ_NEVER) {
            wake_at(l, l->open_ns);
        }
        return SQ_ERR_AGAIN;
    }
    l->opening = OPEN;
    return 0;
}

static unsigned link_wants(const struct sq_filter *f)
{
    const struct link_filter *l = (const struct link_filter *)f;
    if (l->opening == BELOW) {
        return is_blocked(l) ? 0 : f->below->ops->wants(f->below);
    }
    if (l->opening == HANDSHAKE) {
        return 0;
    }
    unsigned wants = f->below->ops->wants(f->below);
    return l->waits_for_room[SQ_DOWN] || l->ended || l->broken ? wants & ~(unsigned)SQ_READ : wants;
}

/* ---- Up ---- */

static bool offer(struct link_filter *l, enum sq_direction direction, const void *data, size_t len)
{
    if (is_blocked(l) || !sq_link_offer_segment(&l->port, direction, l->ipv6, data, len)) {
        wait_for_room(l, direction);
        return false;
    }
    return true;
}

static ssize_t link_send(struct sq_filter *f, const void *data, size_t len)
{
    struct link_filter *l = of(f);
    const uint8_t *at = data;
    size_t taken = 0;
    if (l->broken) {
        return l->broken;
    }
    while (taken < len) {
        size_t n = len - taken < SEGMENT_BYTES ? len - taken : SEGMENT_BYTES;
        if (!offer(l, SQ_UP, at + taken, n)) {
            break;
        }
        taken += n;
    }
    return taken > 0 || len == 0 ? (ssize_t)taken : SQ_ERR_AGAIN;
}

static void drop_first(struct link_filter *l, struct sq_held_list *list, size_t *at)
{
    sq_link_free_held(&l->port, sq_held_take(list));
    *at = 0;
}

/* What has left the link goes to the kernel, as far as that takes it. */
static void push_out(struct link_filter *l)
{
    struct sq_filter *below = l->filter.below;
    while (l->out.first && !l->broken) {
        const struct sq_held *held = l->out.first;
        if (held->len == 0) {
            below->ops->shutdown(below);
            drop_first(l, &l->out, &l->out_at);
            continue;
        }
        ssize_t n = below->ops->send(below, held->data + l->out_at, held->len - l->out_at);
        if (n == SQ_ERR_AGAIN) {
            return;
        }
        if (n < 0) {
            l->broken = (int)n;
            return;
        }
        l->out_at += (size_t)n;
        if (l->out_at == held->len) {
            drop_first(l, &l->out, &l->out_at);
        }
    }
}

static void append_run(struct sq_held_list *list, struct sq_held *const *run, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sq_held_append(list, run[i]);
    }
}

static bool leave_up(void *ctx, struct sq_held *const *run, size_t n)
{
    struct link_filter *l = ctx;
    append_run(&l->out, run, n);
    push_out(l);
    l->ready(l->ctx); /* the kernel may have been full; or it broke */
    return true;
}

static void link_shutdown(struct sq_filter *f)
{
    struct link_filter *l = of(f);
    if (l->opening != OPEN || !offer(l, SQ_UP, NULL, 0)) {
        f->below->ops->shutdown(f->below); /* no room to say it in its turn */
    }
}

/* ---- Down ---- */

/* Takes what has come in below onto the link, as far as there is room. */
static void pull_in(struct link_filter *l)
{
    struct sq_filter *below = l->filter.below;
    uint8_t segment[SEGMENT_BYTES];
    l->waits_for_room[SQ_DOWN] = false;
    while (!l->ended && !l->broken) {
        if (is_blocked(l) || !sq_link_has_room(&l->port, SQ_DOWN, l->ipv6, sizeof(segment))) {
            wait_for_room(l, SQ_DOWN);
            return;
        }
        ssize_t n = below->ops->recv(below, segment, sizeof(segment));
        if (n == SQ_ERR_AGAIN) {
            return;
        }
        if (n < 0) {
            l->broken = (int)n;
            return;
        }
        l->ended = n == 0;
        if (!offer(l, SQ_DOWN, segment, (size_t)n)) {
            l->broken = SQ_ERR_NOMEM; /* there was room */
        }
    }
}

static bool leave_down(void *ctx, struct sq_held *const *run, size_t n)
{
    struct link_filter *l = ctx;
    append_run(&l->in, run, n);
    l->ready(l->ctx);
    return true;
}

static ssize_t link_recv(struct sq_filter *f, void *buf, size_t room)
{
    struct link_filter *l = of(f);
    push_out(l);
    pull_in(l);
    const struct sq_held *held = l->in.first;
    if (!held) {
        return l->broken && l->port.held == 0 ? l->broken : SQ_ERR_AGAIN;
    }
    if (held->len == 0) {
        return 0; /* it stays: the end is the end */
    }
    size_t n = held->len - l->in_at < room ? held->len - l->in_at : room;
    memcpy(buf, held->data + l->in_at, n);
    l->in_at += n;
    if (l->in_at == held->len) {
        drop_first(l, &l->in, &l->in_at);
    }
    return (ssize_t)n;
}

/* ---- Life ---- */

static void on_idle(void *ctx)
{
    struct link_filter *l = ctx;
    sq_free(l);
}

static void link_free(struct sq_filter *f)
{
    struct link_filter *l = of(f);
    sq_timer_stop(&l->timer);
    while (l->in.first) {
        drop_first(l, &l->in, &l->in_at);
    }
    while (l->out.first) {
        drop_first(l, &l->out, &l->out_at);
    }
    sq_link_port_forget(&l->port);
    sq_link_port_close(&l->port);
}

static const struct sq_filter_ops link_ops = {
    .name = "link",
    .connect = link_connect,
    .send = link_send,
    .recv = link_recv,
    .wants = link_wants,
    .shutdown = link_shutdown,
    .free = link_free,
};

static const struct sq_link_port_ops port_ops = {
    .leave = {[SQ_UP] = leave_up, [SQ_DOWN] = leave_down}, .idle = on_idle};

int sq_link_filter_new(struct sq_loop *loop, const struct sq_link_side *side,
                       struct sq_filter *below, const struct sq_filter_ready *ready,
                       struct sq_filter **ret_filter)
{
    struct link_filter *l = sq_zalloc(sizeof(*l));
    if (!l) {
        return SQ_ERR_NOMEM;
    }
    l->filter = (struct sq_filter){.ops = &link_ops, .below = below, .text = below->text};
    l->loop = loop;
    l->ready = ready->fn;
    l->ctx = ready->ctx;
    l->remote_port = sq_addr_port(side->remote);
    l->ipv6 = sq_addr_family(side->remote) == AF_INET6;
    l->past_firewall = side->past_firewall;
    sq_timer_init(&l->timer, on_timer, l);
    sq_link_port_open(&l->port, side->link, &port_ops, l);
    *ret_filter = &l->filter;
    return 0;
}
