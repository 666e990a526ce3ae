/* An endpoint's TCP paths (RFC 6544). */
#include "run/endpoint_int.h"
#include <stdio.h>
#include <string.h>

static void on_data(void *ctx, int base, const struct sq_addr *from, uint8_t *buf, size_t len,
                    uint64_t recv_ns)
{
    endpoint_receive(ctx, base, from, buf, len, recv_ns);
}

static void forget(struct endpoint_more *more, const struct sq_tcp_path *path)
{
    for (size_t i = 0; i < more->tcp_len; i++) {
        if (more->tcp[i] == path) {
            more->tcp[i] = more->tcp[--more->tcp_len];
            return;
        }
    }
}

static void on_ended(void *ctx, struct sq_tcp_path *path, const char *text)
{
    struct sq_endpoint *endpoint = ctx;
    char note[SQ_PEER_TEXT_MAX], where[SQ_ADDR_TEXT_MAX];
    snprintf(note, sizeof(note), "TCP with %s: %.180s",
             sq_addr_format(sq_tcp_path_remote(path), where), text);
    forget(endpoint->more, path);
    sq_peer_note(endpoint->peer, note);
}

static const struct sq_tcp_path_events events = {.data = on_data, .ended = on_ended};

/* ---- Passive ---- */

static struct sq_endpoint *find_by_ufrag(const struct sq_carrier *carrier, const char *ufrag)
{
    for (struct sq_endpoint *e = carrier->alive; e; e = e->next) {
        const char *own, *pwd;
        sq_peer_local_ice(e->peer, &own, &pwd);
        if (strcmp(own, ufrag) == 0) {
            return e;
        }
    }
    return NULL;
}

static bool claim(void *ctx, const char *ufrag, struct sq_tcp_path *path,
                  const struct sq_tcp_path_events **ret_events, void **ret_ctx, int *ret_base)
{
    struct sq_carrier *carrier = ctx;
    struct sq_endpoint *endpoint = find_by_ufrag(carrier, ufrag);
    struct endpoint_more *more = endpoint ? endpoint_more(endpoint) : NULL;
    if (!more || more->tcp_len == SQ_TCP_PATHS_MAX) {
        return false;
    }
    more->tcp[more->tcp_len++] = path;
    *ret_events = &events;
    *ret_ctx = endpoint;
    /* Which listener it came by does not matter to ICE but for the pair's base. */
    *ret_base = ENDPOINT_BASE_LISTEN;
    for (size_t i = 1; i < carrier->addrs_len; i++) {
        if (sq_addr_family(&carrier->addrs[i]) == sq_addr_family(sq_tcp_path_remote(path)) &&
            sq_addr_family(&carrier->addrs[0]) != sq_addr_family(sq_tcp_path_remote(path))) {
            *ret_base = ENDPOINT_BASE_LISTEN + (int)i;
            break;
        }
    }
    return true;
}

int endpoint_listen(struct sq_carrier *carrier)
{
    for (size_t i = 0; i < carrier->addrs_len; i++) {
        int err = sq_tcp_listener_open(&carrier->tcp_paths, &carrier->addrs[i], claim, carrier,
                                       &carrier->listeners[i]);
        if (err) {
            return err;
        }
    }
    return 0;
}

int endpoint_add_listeners(struct sq_endpoint *endpoint)
{
    const struct sq_carrier *carrier = endpoint->carrier;
    for (size_t i = 0; i < carrier->addrs_len; i++) {
        int err = sq_peer_add_listener(endpoint->peer, ENDPOINT_BASE_LISTEN + (int)i,
                                       sq_tcp_listener_addr(carrier->listeners[i]));
        if (err) {
            return err;
        }
    }
    return 0;
}

/* ---- Both ---- */

static struct sq_tcp_path *find(const struct endpoint_more *more, int base,
                                const struct sq_addr *to)
{
    for (size_t i = 0; more && i < more->tcp_len; i++) {
        if (sq_tcp_path_base(more->tcp[i]) == base &&
            sq_addr_equal(sq_tcp_path_remote(more->tcp[i]), to)) {
            return more->tcp[i];
        }
    }
    return NULL;
}

/* The first message to a passive candidate opens the connection. */
static struct sq_tcp_path *open_path(struct sq_endpoint *endpoint, int base,
                                     const struct sq_addr *to)
{
    struct endpoint_more *more = endpoint_more(endpoint);
    struct sq_addr local = endpoint_addr(endpoint, (size_t)(base - ENDPOINT_BASE_TCP));
    struct sq_tcp_path *path;
    sq_addr_set_port(&local, 0);
    if (!more || more->tcp_len == SQ_TCP_PATHS_MAX ||
        sq_tcp_path_open(&endpoint->carrier->tcp_paths, base, &local, to, endpoint->link, &events,
                         endpoint, &path) != 0) {
        return NULL;
    }
    more->tcp[more->tcp_len++] = path;
    return path;
}

size_t endpoint_send_tcp(struct sq_endpoint *endpoint, int base, const struct sq_addr *to,
                         const struct sq_dgram *dgrams, size_t n)
{
    struct sq_tcp_path *path = find(endpoint->more, base, to);
    if (!path && base < ENDPOINT_BASE_LISTEN && !endpoint->closed) {
        path = open_path(endpoint, base, to);
    }
    return path ? sq_tcp_path_send(path, dgrams, n) : 0;
}

void endpoint_close_tcp(struct sq_endpoint *endpoint)
{
    struct endpoint_more *more = endpoint->more;
    while (more && more->tcp_len > 0) {
        sq_tcp_path_close(more->tcp[--more->tcp_len]);
    }
}
