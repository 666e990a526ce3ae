/* A UDP socket's end at its link. */
#include "base/mem.h"
#include "net/udp_int.h"

static bool is_ipv6(const struct sq_udp *udp)
{
    return sq_addr_family(&udp->local) == AF_INET6;
}

bool sq_udp_passes_down(struct sq_udp *udp, const struct sq_datagram *d)
{
    const struct sq_link_datagram offered = {
        .data = d->data, .len = d->len, .addr = d->from, .ipv6 = is_ipv6(udp), .at_ns = d->recv_ns};
    return !udp->port || sq_link_offer(udp->port, SQ_DOWN, &offered) == SQ_LINK_PASS;
}

bool sq_udp_passes_up(struct sq_udp *udp, const struct sq_addr *to, const struct iovec *datagram)
{
    const struct sq_link_datagram offered = {.data = datagram->iov_base,
                                             .len = datagram->iov_len,
                                             .addr = to,
                                             .ipv6 = is_ipv6(udp),
                                             .at_ns = sq_loop_now(udp->loop)};
    return !udp->port || sq_link_offer(udp->port, SQ_UP, &offered) == SQ_LINK_PASS;
}

static bool leave_down(void *ctx, struct sq_held *const *run, size_t n)
{
    struct sq_udp *udp = ctx;
    for (size_t i = 0; i < n && udp->fn && !udp->closed; i++) {
        const struct sq_datagram d = {.data = run[i]->data,
                                      .len = run[i]->len,
                                      .from = &run[i]->addr,
                                      .recv_ns = run[i]->due_ns};
        udp->fn(udp->ctx, &d);
    }
    return false;
}

/* Those for one address go together, as what a sender hands over at once: one system call, and as
 * one segmented datagram where they have a size. */
static bool leave_up(void *ctx, struct sq_held *const *run, size_t n)
{
    struct sq_udp *udp = ctx;
    struct iovec datagrams[SQ_LINK_RUN_MAX];
    size_t count;
    for (size_t at = 0; at < n; at += count) {
        const struct sq_addr *addr = &run[at]->addr;
        const struct sq_addr *to = sq_addr_family(addr) != AF_UNSPEC ? addr : NULL;
        for (count = 0; at + count < n; count++) {
            const struct sq_held *held = run[at + count];
            if (count > 0 && !sq_addr_equal(&held->addr, addr)) {
                break;
            }
            datagrams[count] = sq_udp_datagram(held->data, held->len);
        }
        if (count == 1) {
            int err = sq_udp_send_one(udp, to, run[at]->data, run[at]->len);
            (void)err; /* counted, as of any other */
        } else {
            (void)sq_udp_send_together(udp, to, datagrams, count);
        }
    }
    return false;
}

static void on_idle(void *ctx)
{
    struct sq_udp *udp = ctx;
    sq_free(udp->port);
    udp->port = NULL;
    sq_udp_dispose(udp);
}

static const struct sq_link_port_ops port_ops = {
    .leave = {[SQ_UP] = leave_up, [SQ_DOWN] = leave_down}, .idle = on_idle};

int sq_udp_open_port(struct sq_udp *udp, struct sq_link *link)
{
    udp->port = sq_malloc(sizeof(*udp->port));
    if (!udp->port) {
        return SQ_ERR_NOMEM;
    }
    sq_link_port_open(udp->port, link, &port_ops, udp);
    return 0;
}
