/* TURN URIs (RFC 7065): "turn:host[:port][?transport=udp|tcp]", and "turns:" over TLS or, with
 * udp, DTLS. Credentials are no part of them. */
#ifndef SQ_PEER_TURN_TURN_URL_H
#define SQ_PEER_TURN_TURN_URL_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_TURN_HOST_MAX 256 /* with its NUL */

enum sq_turn_carrier { SQ_TURN_UDP, SQ_TURN_TCP, SQ_TURN_TLS, SQ_TURN_DTLS };

struct sq_turn_url {
    char host[SQ_TURN_HOST_MAX];  /* name or address, without brackets */
    uint16_t port;                /* 3478, or 5349 with turns:, unless given */
    enum sq_turn_carrier carrier; /* turn: UDP unless said, turns: TLS unless said */
};

/* SQ_ERR_FORMAT; `why` then takes a sentence ("expected turn: or turns:"). */
int sq_turn_url_parse(const char *text, struct sq_turn_url *ret_url, char *why,
                      size_t why_room) SQ_MUST_USE;
/* "udp", "tcp", "tls", "dtls": relayProtocol of W3C's RTCIceCandidateStats. */
const char *sq_turn_carrier_name(enum sq_turn_carrier carrier);

#endif
