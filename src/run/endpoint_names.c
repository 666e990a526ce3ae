/* Candidates that hide their address behind a name of multicast DNS, as browsers' do: one resolver
 * a carrier, with a socket on each interface that media leave from. */
#include "base/mem.h"
#include "peer/mdns/mdns.h"
#include "run/endpoint_int.h"
#include <stdio.h>
#include <string.h>

#define ENDPOINT_NAMES_MAX 32 /* asked for at a time */

struct endpoint_name {
    struct endpoint_name *next;
    struct sq_endpoint *endpoint;
    char candidate[]; /* the line */
};

struct carrier_names {
    struct sq_carrier *carrier;
    struct sq_mdns *mdns;
    struct sq_timer timer;
    struct sq_udp *sockets[SQ_CARRIER_ADDRS_MAX];
    struct sq_addr group;
};

static void rearm(struct carrier_names *names)
{
    sq_timer_start(sq_loop_timers(names->carrier->loop), &names->timer,
                   sq_mdns_next_timeout(names->mdns));
}

static void on_send(void *ctx, const void *buf, size_t len)
{
    struct carrier_names *names = ctx;
    for (size_t i = 0; i < SQ_CARRIER_ADDRS_MAX; i++) {
        if (names->sockets[i]) {
            int err = sq_udp_send(names->sockets[i], &names->group, buf, len);
            (void)err; /* it is asked again */
        }
    }
}

static void unlink_name(struct endpoint_name *name)
{
    struct endpoint_name **at = &name->endpoint->more->names;
    while (*at && *at != name) {
        at = &(*at)->next;
    }
    if (*at) {
        *at = name->next;
    }
}

static void on_answer(void *ctx, void *waiter, const struct sq_addr *addr)
{
    struct carrier_names *names = ctx;
    struct endpoint_name *name = waiter;
    struct sq_peer *peer = name->endpoint->peer;
    char note[SQ_PEER_TEXT_MAX], ip[SQ_ADDR_TEXT_MAX];
    struct sq_view host = sq_peer_candidate_host(name->candidate);
    unlink_name(name);
    if (addr) {
        int err =
            sq_peer_add_resolved(peer, sq_loop_now(names->carrier->loop), name->candidate, addr);
        snprintf(note, sizeof(note), "%.*s is %s (mDNS)%s%s",
                 (int)(host.len < 100 ? host.len : 100), host.at, sq_addr_format_ip(addr, ip),
                 err ? ": " : "", err ? sq_err_name(err) : "");
    } else {
        snprintf(note, sizeof(note), "nobody answers for %.*s (mDNS)",
                 (int)(host.len < 100 ? host.len : 100), host.at);
    }
    sq_peer_note(peer, note);
    sq_free(name);
}

static void on_timer(void *ctx, uint64_t now_ns)
{
    struct carrier_names *names = ctx;
    sq_mdns_on_timeout(names->mdns, now_ns);
    rearm(names);
}

static void on_datagram(void *ctx, const struct sq_datagram *datagram)
{
    struct carrier_names *names = ctx;
    int err = sq_mdns_receive(names->mdns, sq_loop_now(names->carrier->loop), datagram->data,
                              datagram->len);
    (void)err; /* of others' making */
    rearm(names);
}

/* An interface that cannot is left out; without any nobody answers. */
static void open_sockets(struct carrier_names *names)
{
    const struct sq_carrier *carrier = names->carrier;
    struct sq_udp_options options = {.multicast = &names->group, .no_timestamps = true};
    if (sq_addr_parse("0.0.0.0", SQ_MDNS_PORT, &options.bind) != 0) {
        return;
    }
    for (size_t i = 0; i < carrier->addrs_len; i++) {
        options.interface = carrier->addrs[i];
        if (sq_addr_family(&options.interface) != AF_INET ||
            sq_udp_open(carrier->loop, &options, on_datagram, names, &names->sockets[i]) != 0) {
            names->sockets[i] = NULL;
        }
    }
}

static struct carrier_names *names_of(struct sq_carrier *carrier)
{
    static const struct sq_mdns_callbacks callbacks = {.send = on_send, .answer = on_answer};
    struct carrier_names *names = carrier->names;
    if (names) {
        return names;
    }
    names = sq_zalloc(sizeof(*names));
    if (!names || sq_addr_parse(SQ_MDNS_GROUP, SQ_MDNS_PORT, &names->group) != 0 ||
        sq_mdns_create(&callbacks, names, &names->mdns) != 0) {
        sq_free(names);
        return NULL;
    }
    names->carrier = carrier;
    sq_timer_init(&names->timer, on_timer, names);
    open_sockets(names);
    carrier->names = names;
    return names;
}

static size_t count(const struct endpoint_name *name)
{
    size_t n = 0;
    for (; name; name = name->next) {
        n++;
    }
    return n;
}

void endpoint_resolve(struct sq_endpoint *endpoint, const char *candidate)
{
    struct sq_view host = sq_peer_candidate_host(candidate);
    struct endpoint_more *more = sq_mdns_is_name(host) ? endpoint_more(endpoint) : NULL;
    struct carrier_names *names = more ? names_of(endpoint->carrier) : NULL;
    if (!names || count(more->names) >= ENDPOINT_NAMES_MAX) {
        return; /* it stays unresolved, and is counted as such */
    }
    size_t len = strlen(candidate);
    struct endpoint_name *name = sq_malloc(sizeof(*name) + len + 1);
    if (!name) {
        return;
    }
    name->endpoint = endpoint;
    memcpy(name->candidate, candidate, len + 1);
    name->next = more->names;
    more->names = name;
    if (sq_mdns_ask(names->mdns, sq_loop_now(endpoint->carrier->loop), host, name) != 0) {
        unlink_name(name);
        sq_free(name);
    }
    rearm(names);
}

void endpoint_forget_names(struct sq_endpoint *endpoint)
{
    while (endpoint->more && endpoint->more->names) {
        struct endpoint_name *name = endpoint->more->names;
        endpoint->more->names = name->next;
        sq_mdns_forget(endpoint->carrier->names->mdns, name);
        sq_free(name);
    }
}

void endpoint_close_names(struct sq_carrier *carrier)
{
    struct carrier_names *names = carrier->names;
    if (!names) {
        return;
    }
    sq_timer_stop(&names->timer);
    for (size_t i = 0; i < SQ_CARRIER_ADDRS_MAX; i++) {
        sq_udp_close(names->sockets[i]);
    }
    sq_mdns_destroy(names->mdns);
    sq_free(names);
    carrier->names = NULL;
}
