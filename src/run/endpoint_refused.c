/* Who refused what an endpoint sent while ICE looked for a path: for the words of a failure. A
 * check that an ICMP message answers is not given up for it (RFC 8445, section 7.2.5.2.2, lets an
 * agent choose): such a message may be of a moment, where a service opens its ports after its
 * answer, and anybody can forge one. libwebrtc does the same. */
#include "peer/ice/ice.h"
#include "run/endpoint_int.h"
#include <stdio.h>

static bool is_remote(const struct sq_endpoint *endpoint, const struct sq_addr *addr)
{
    const struct sq_ice *ice = sq_peer_ice(endpoint->peer);
    for (size_t i = 0; i < sq_ice_remote_count(ice); i++) {
        if (sq_addr_equal(&sq_ice_remote(ice, i)->addr, addr)) {
            return true;
        }
    }
    return false;
}

static void on_refused(void *ctx, const struct sq_addr *to, int error)
{
    struct path *path = ctx;
    struct sq_endpoint *endpoint = path->endpoint;
    struct endpoint_more *more = is_remote(endpoint, to) ? endpoint_more(endpoint) : NULL;
    if (!more) {
        return;
    }
    if (more->refusal && !sq_addr_equal(to, &more->refused)) {
        more->others_refused = true;
    } else {
        more->refused = *to;
        more->refusal = error;
    }
}

void endpoint_hear_refusals(struct path *path, bool on)
{
    sq_udp_set_refused(path->udp, on ? on_refused : NULL);
}

void endpoint_forget_refusals(struct sq_endpoint *endpoint)
{
    if (endpoint->more) {
        endpoint->more->refusal = 0;
        endpoint->more->others_refused = false;
    }
}

bool endpoint_tell_refusal(const struct sq_endpoint *endpoint, const struct sq_peer_event *event,
                           char ret_text[static SQ_PEER_TEXT_MAX])
{
    const struct endpoint_more *more = endpoint->more;
    char addr[SQ_ADDR_TEXT_MAX];
    if (event->type != SQ_PEER_EV_STATE || event->state != SQ_PEER_FAILED ||
        event->cause != SQ_PEER_CAUSE_ICE || !more || !more->refusal) {
        return false;
    }
    snprintf(ret_text, SQ_PEER_TEXT_MAX, "%.130s; UDP to %s%s was refused: %s", event->text,
             sq_addr_format(&more->refused, addr), more->others_refused ? " and others" : "",
             sq_udp_refusal_name(more->refusal));
    return true;
}
