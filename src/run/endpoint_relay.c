/* An endpoint's relays: candidates by TURN, and media over them. */
#include "run/endpoint_int.h"
#include <stdio.h>
#include <string.h>

#define UNANSWERED_NS (1500 * SQ_NS_PER_MS) /* longer than the round trip of any network here */

/* Each relay that has its answer lets gathering end a little sooner. */
static void settled(struct sq_endpoint *endpoint)
{
    endpoint->more->pending--;
    sq_peer_release_gathering(endpoint->peer, sq_loop_now(endpoint->carrier->loop));
}

static void on_allocated(void *ctx, int number, const struct sq_addr *relayed,
                         const struct sq_addr *mapped)
{
    struct sq_endpoint *endpoint = ctx;
    struct sq_carrier *carrier = endpoint->carrier;
    char text[SQ_PEER_TEXT_MAX], where[SQ_ADDR_TEXT_MAX], seen[SQ_ADDR_TEXT_MAX];
    bool late = sq_ice_gathering_is_done(sq_peer_ice(endpoint->peer));
    int err =
        sq_peer_add_relay(endpoint->peer, sq_loop_now(carrier->loop), ENDPOINT_BASE_RELAY + number,
                          relayed, mapped, sq_relay_local_pref(endpoint->more->relays[number]));
    snprintf(text, sizeof(text), "relay %s for %s%s%s", sq_addr_format(relayed, where),
             sq_addr_format(mapped, seen), err || late ? ": " : "",
             err    ? sq_err_name(err)
             : late ? "too late to be told, behind end-of-candidates"
                    : "");
    sq_peer_note(endpoint->peer, text);
    settled(endpoint);
}

static void on_data(void *ctx, int number, const struct sq_addr *from, uint8_t *buf, size_t len,
                    uint64_t recv_ns)
{
    endpoint_receive(ctx, ENDPOINT_BASE_RELAY + number, from, buf, len, recv_ns);
}

static void on_failed(void *ctx, int number, enum sq_peer_cause cause, const char *text)
{
    struct sq_endpoint *endpoint = ctx;
    struct endpoint_more *more = endpoint->more;
    uint64_t now_ns = sq_loop_now(endpoint->carrier->loop);
    bool waited = !sq_peer_has_base(endpoint->peer, ENDPOINT_BASE_RELAY + number);
    endpoint_count_failures(endpoint->carrier, sq_relay_udp(more->relays[number]));
    sq_relay_close(more->relays[number]);
    more->relays[number] = NULL;
    more->relays_open--;
    sq_peer_note(endpoint->peer, text);
    /* Nothing else to connect by: say why, instead of waiting for checks that nobody makes. */
    if (more->relays_open == 0 && !endpoint->paths[0].udp) {
        sq_peer_give_up(endpoint->peer, now_ns, cause, text);
    }
    if (waited) {
        settled(endpoint);
    }
}

static void on_note(void *ctx, int number, const char *text)
{
    struct sq_endpoint *endpoint = ctx;
    (void)number;
    snprintf(endpoint->more->relay_note, sizeof(endpoint->more->relay_note), "%s", text);
    sq_peer_note(endpoint->peer, text);
}

static const struct sq_relay_events events = {
    .allocated = on_allocated, .data = on_data, .failed = on_failed, .note = on_note};

/* The local address that leads to a server; false: the kernel chooses. */
static bool bind_for(const struct sq_endpoint *endpoint, const struct sq_addr *server,
                     struct sq_addr *ret_bind)
{
    const struct sq_carrier *carrier = endpoint->carrier;
    for (size_t i = 0; i < carrier->addrs_len; i++) {
        const struct sq_addr *addr = &carrier->addrs[i];
        if (sq_addr_family(addr) == sq_addr_family(server) &&
            (!sq_addr_is_loopback(addr) || sq_addr_is_loopback(server))) {
            *ret_bind = endpoint_addr(endpoint, i);
            return true;
        }
    }
    return false;
}

int endpoint_open_relays(struct sq_endpoint *endpoint, const struct sq_endpoint_servers *servers)
{
    struct sq_relays *relays = endpoint->carrier->relays;
    struct endpoint_more *more = endpoint_more(endpoint);
    if (!more) {
        return SQ_ERR_NOMEM;
    }
    size_t n = servers ? servers->turn_len : sq_relays_servers(relays);
    for (size_t i = 0; i < n; i++) {
        struct sq_addr local;
        const struct sq_addr *to = servers ? &servers->turn[i].addr : sq_relays_server(relays, i);
        const struct sq_addr *bind = bind_for(endpoint, to, &local) ? &local : NULL;
        int err = servers ? sq_relay_open_to(relays, &servers->turn[i], (int)i, bind,
                                             endpoint->link, &events, endpoint, &more->relays[i])
                          : sq_relay_open(relays, (int)i, bind, endpoint->link, &events, endpoint,
                                          &more->relays[i]);
        if (err) {
            return err;
        }
        more->relays_open++;
        more->pending++;
        sq_peer_hold_gathering(endpoint->peer);
    }
    return 0;
}

bool sq_endpoint_waits_for_relay(const struct sq_endpoint *endpoint,
                                 char ret_text[static SQ_PEER_TEXT_MAX])
{
    const struct endpoint_more *more = endpoint->more;
    for (int i = 0; more && !endpoint->paths[0].udp && i < SQ_RELAY_SERVERS_MAX; i++) {
        if (more->relays[i] && !sq_peer_has_base(endpoint->peer, ENDPOINT_BASE_RELAY + i)) {
            sq_relay_tell_silence(more->relays[i], ret_text);
            return more->relays_open == more->pending; /* no other one has an allocation */
        }
    }
    return false;
}

/* The relay that its pair goes by; NULL: none. */
static struct sq_relay *relay_in_use(const struct sq_endpoint *endpoint)
{
    int number = endpoint->pair_base - ENDPOINT_BASE_RELAY;
    return endpoint->more && endpoint->has_pair && number >= 0 && number < SQ_RELAY_SERVERS_MAX
               ? endpoint->more->relays[number]
               : NULL;
}

/* Relays are its only way, and it failed: what is known of them. */
static bool tell_relays(const struct sq_endpoint *endpoint, char ret_text[static SQ_PEER_TEXT_MAX])
{
    const struct endpoint_more *more = endpoint->more;
    if (more->relay_note[0]) {
        snprintf(ret_text, SQ_PEER_TEXT_MAX, "%s", more->relay_note);
        return true;
    }
    for (int i = 0; i < SQ_RELAY_SERVERS_MAX; i++) {
        if (more->relays[i] && sq_relay_tell_nothing_came(more->relays[i], ret_text)) {
            return true;
        }
    }
    return false;
}

bool endpoint_relay_state(struct sq_endpoint *endpoint, const struct sq_peer_event *event,
                          char ret_text[static SQ_PEER_TEXT_MAX])
{
    struct sq_relay *relay = relay_in_use(endpoint);
    char why[SQ_PEER_TEXT_MAX];
    if (event->state == SQ_PEER_FAILED && event->cause == SQ_PEER_CAUSE_ICE && endpoint->more &&
        !endpoint->paths[0].udp && tell_relays(endpoint, why)) {
        snprintf(ret_text, SQ_PEER_TEXT_MAX, "%.90s; %.160s", event->text, why);
        return true;
    }
    if (relay && event->state == SQ_PEER_DISCONNECTED) {
        sq_relay_probe(relay);
    } else if (relay && event->state == SQ_PEER_FAILED &&
               event->cause == SQ_PEER_CAUSE_MEDIA_LOST) {
        sq_relay_tell_lost(relay, ret_text);
        return true;
    }
    return false;
}

void sq_endpoint_ask(struct sq_endpoint *endpoint)
{
    struct sq_relay *relay = relay_in_use(endpoint);
    sq_peer_ask_consent(endpoint->peer, sq_loop_now(endpoint->carrier->loop));
    if (relay) {
        sq_relay_probe(relay);
    }
}

bool sq_endpoint_is_lost(struct sq_endpoint *endpoint, char ret_text[static SQ_PEER_TEXT_MAX])
{
    struct sq_relay *relay = relay_in_use(endpoint);
    uint64_t now_ns = sq_loop_now(endpoint->carrier->loop);
    uint64_t unanswered_ns = sq_ice_unanswered_ns(sq_peer_ice(endpoint->peer), now_ns);
    if (sq_peer_state(endpoint->peer) != SQ_PEER_DISCONNECTED && unanswered_ns < UNANSWERED_NS) {
        return false;
    }
    if (relay) {
        sq_relay_tell_lost(relay, ret_text);
    } else {
        snprintf(ret_text, SQ_PEER_TEXT_MAX,
                 "the connection was lost: consent checks went unanswered (RFC 7675)");
    }
    return true;
}

void endpoint_close_relays(struct sq_endpoint *endpoint)
{
    struct endpoint_more *more = endpoint->more;
    for (size_t i = 0; more && i < SQ_RELAY_SERVERS_MAX; i++) {
        if (more->relays[i]) {
            endpoint_count_failures(endpoint->carrier, sq_relay_udp(more->relays[i]));
            sq_relay_close(more->relays[i]);
            more->relays[i] = NULL;
        }
    }
}

size_t endpoint_send_relay(struct sq_endpoint *endpoint, int base, const struct sq_addr *to,
                           const struct sq_dgram *dgrams, size_t n)
{
    struct sq_relay *relay =
        endpoint->more ? endpoint->more->relays[base - ENDPOINT_BASE_RELAY] : NULL;
    return relay ? sq_relay_send(relay, to, dgrams, n) : 0;
}
