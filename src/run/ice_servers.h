/* ICE servers as W3C's RTCConfiguration has them ("iceServers"), out of what a service says: JSON
 * text. They come from the network: nothing in them is trusted. */
#ifndef SQ_RUN_ICE_SERVERS_H
#define SQ_RUN_ICE_SERVERS_H

#include "base/addr.h"
#include "run/relay.h"

#define SQ_ICE_SERVERS_URLS_MAX 16

struct sq_ice_server {
    bool stun;              /* else TURN */
    char *text;             /* the URL; owned, as the others */
    char *user, *password;  /* NULL: none */
    struct sq_turn_url url; /* of STUN: host and port */
    struct sq_addr addr;    /* once looked up; AF_UNSPEC before */
};

struct sq_ice_servers {
    struct sq_ice_server list[SQ_ICE_SERVERS_URLS_MAX];
    size_t n;
    unsigned left_out; /* URLs past what there is room for, and stuns: */
};

/* A list of servers, or one; `urls` (or `url`, as it was once called) is a text or a list of texts,
 * also a list in a text. TURN needs username and credential (W3C WebRTC, section 4.2.4).
 * SQ_ERR_FORMAT: `why` says what was expected; SQ_ERR_NOMEM. */
int sq_ice_servers_parse(const char *json, size_t len, struct sq_ice_servers **ret_servers,
                         char *why, size_t why_room) SQ_MUST_USE;
/* The same before a run, of what a step has: values that are to come are marks in it
 * (scenario/steps.h), and a URL of which one is the host, or the whole, may be any. */
int sq_ice_servers_check(const char *json, char *why, size_t why_room) SQ_MUST_USE;
void sq_ice_servers_free(struct sq_ice_servers *servers); /* NULL is allowed */

#endif
