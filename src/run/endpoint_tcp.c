/* An endpoint's TCP paths (RFC 6544). */
#include "base/mem.h"
#include "peer/stun/stun.h"
#include "run/endpoint_int.h"
#include <stdio.h>
#include <string.h>

/* After a connection has ended: 0.4, 0.8, 1.6 … s. The first is less than ICE's first RTO (500 ms,
 * RFC 8445, section 14.3), so that the check that is sent again then tries again. */
#define AGAIN_FIRST_NS   (400 * SQ_NS_PER_MS)
#define AGAIN_MAX_NS     (8 * SQ_NS_PER_SEC)
#define END_FORGOTTEN_NS (60 * SQ_NS_PER_SEC) /* what ends after that ends for the first time */

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

static struct endpoint_tcp_end *find_end(const struct endpoint_more *more, int base,
                                         const struct sq_addr *to)
{
    for (size_t i = 0; i < more->tcp_ends_len; i++) {
        if (more->tcp_ends[i].base == base && sq_addr_equal(&more->tcp_ends[i].remote, to)) {
            return &more->tcp_ends[i];
        }
    }
    return NULL;
}

/* A new entry, or the one that ended longest ago; NULL without memory. */
static struct endpoint_tcp_end *new_end(struct endpoint_more *more)
{
    struct endpoint_tcp_end *oldest = more->tcp_ends;
    if (more->tcp_ends_len < SQ_TCP_PATHS_MAX) {
        struct endpoint_tcp_end *grown =
            sq_realloc(more->tcp_ends, (more->tcp_ends_len + 1) * sizeof(*grown));
        if (!grown) {
            return NULL;
        }
        more->tcp_ends = grown;
        return &grown[more->tcp_ends_len++];
    }
    for (size_t i = 1; i < more->tcp_ends_len; i++) {
        oldest = more->tcp_ends[i].ended_ns < oldest->ended_ns ? &more->tcp_ends[i] : oldest;
    }
    return oldest;
}

/* False: it ended lately, too, and that was told. */
static bool remember_end(struct sq_endpoint *endpoint, int base, const struct sq_addr *remote)
{
    struct endpoint_more *more = endpoint->more;
    uint64_t now_ns = sq_loop_now(endpoint->carrier->loop);
    struct endpoint_tcp_end *e = find_end(more, base, remote);
    bool again = e && now_ns < e->ended_ns + END_FORGOTTEN_NS;
    unsigned before = again ? e->ends : 0;
    e = e ? e : new_end(more);
    if (e) {
        uint64_t wait_ns = before < 8 ? AGAIN_FIRST_NS << before : AGAIN_MAX_NS;
        *e = (struct endpoint_tcp_end){
            .remote = *remote,
            .base = base,
            .ends = before + 1,
            .ended_ns = now_ns,
            .again_ns = now_ns + sq_min_u64(wait_ns, AGAIN_MAX_NS),
        };
    }
    return !again;
}

static void on_ended(void *ctx, struct sq_tcp_path *path, const char *text)
{
    struct sq_endpoint *endpoint = ctx;
    char note[SQ_PEER_TEXT_MAX], where[SQ_ADDR_TEXT_MAX];
    int base = sq_tcp_path_base(path);
    snprintf(note, sizeof(note), "TCP with %s: %.180s",
             sq_addr_format(sq_tcp_path_remote(path), where), text);
    forget(endpoint->more, path);
    if (base >= ENDPOINT_BASE_LISTEN || remember_end(endpoint, base, sq_tcp_path_remote(path))) {
        sq_peer_note(endpoint->peer, note);
    }
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

/* The first check of a passive candidate opens the connection, and no other message does: the other
 * side tells by it whose the connection is, and ends one that begins with media. */
static bool may_open(const struct sq_endpoint *endpoint, int base, const struct sq_addr *to,
                     const struct sq_dgram *first)
{
    const struct endpoint_tcp_end *e = endpoint->more ? find_end(endpoint->more, base, to) : NULL;
    return !endpoint->closed && base < ENDPOINT_BASE_LISTEN &&
           sq_stun_is_message(first->buf, first->len) &&
           (!e || sq_loop_now(endpoint->carrier->loop) >= e->again_ns);
}

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
    if (!path && n > 0 && may_open(endpoint, base, to, &dgrams[0])) {
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
    if (more) {
        sq_free(more->tcp_ends);
        more->tcp_ends = NULL;
        more->tcp_ends_len = 0;
    }
}
