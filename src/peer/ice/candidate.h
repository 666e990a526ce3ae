/* ICE candidates: priorities and foundations (RFC 8445, section 5.1) and the candidate attribute
 * (RFC 8839, section 5.1; RFC 6544 for TCP). Plain data; nothing allocates. */
#ifndef SQ_PEER_ICE_CANDIDATE_H
#define SQ_PEER_ICE_CANDIDATE_H

#include "base/addr.h"
#include "base/err.h"
#include "base/str.h"
#include <stddef.h>
#include <stdint.h>

#define SQ_ICE_FOUNDATION_MAX 32  /* RFC 8839, section 5.1 */
#define SQ_ICE_CANDIDATE_TEXT 256 /* room that a formatted candidate never exceeds */

enum sq_ice_type {
    SQ_ICE_HOST,
    SQ_ICE_SRFLX,
    SQ_ICE_PRFLX,
    SQ_ICE_RELAY,
};

enum sq_ice_transport {
    SQ_ICE_UDP,
    SQ_ICE_TCP_ACTIVE, /* RFC 6544 */
    SQ_ICE_TCP_PASSIVE,
    SQ_ICE_TCP_SO,
};

struct sq_ice_candidate {
    struct sq_addr addr;
    struct sq_addr related; /* raddr and rport; AF_UNSPEC where there is none */
    uint32_t priority;
    uint8_t type;      /* enum sq_ice_type */
    uint8_t transport; /* enum sq_ice_transport */
    uint16_t component;
    char foundation[SQ_ICE_FOUNDATION_MAX + 1];
};

/* "host", "srflx", "prflx", "relay"; W3C RTCIceCandidateType. */
const char *sq_ice_type_name(enum sq_ice_type type);
/* RFC 8445, section 5.1.2.1, with the recommended type preferences 126, 110, 100, 0. */
uint32_t sq_ice_priority(enum sq_ice_type type, uint16_t local_preference, uint16_t component);
/* RFC 6544, section 4.2: of a host or peer-reflexive candidate over TCP. Below UDP's, and passive
 * or active told apart in the upper bits of the local preference. */
uint32_t sq_ice_priority_tcp(enum sq_ice_type type, enum sq_ice_transport transport,
                             uint16_t local_preference, uint16_t component);
/* Foundation (section 5.1.1.3): same type, base address, transport and server give the same text.
 * `server` is NULL for host candidates. */
void sq_ice_foundation(enum sq_ice_type type, enum sq_ice_transport transport,
                       const struct sq_addr *base, const struct sq_addr *server,
                       char out[static SQ_ICE_FOUNDATION_MAX + 1]);

/* Reads "candidate:…", with or without "a=" before it (also "" + the value alone). Unknown
 * extensions are left out. `ret_ufrag` (nullable) gets the "ufrag" extension that browsers add,
 * length 0 where there is none: a view of `line`. SQ_ERR_FORMAT; SQ_ERR_UNSUPPORTED for another
 * transport than UDP and TCP, or an unknown candidate type; SQ_ERR_DNS for a host name (mDNS
 * ".local" or other), which somebody must resolve first. */
int sq_ice_candidate_parse(struct sq_view line, struct sq_ice_candidate *ret_candidate,
                           struct sq_view *ret_ufrag) SQ_MUST_USE;
/* Writes "candidate:…" and a NUL, without "a=". Returns out. */
const char *sq_ice_candidate_format(const struct sq_ice_candidate *c,
                                    char out[static SQ_ICE_CANDIDATE_TEXT]);

#endif
