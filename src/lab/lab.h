/* The lab: a small complete service to aim at. One thread with a loop of its own serves rooms over
 * WebSocket, WHIP and WHEP, an echo, an SFU, STUN, statistics and a web page. It is honest about
 * being a lab: no accounts, nothing kept, one thread.
 *
 * Paths: / (page), /room (WebSocket), /whip/STREAM, /whep/STREAM, /whip/echo, /stats, /health. */
#ifndef SQ_LAB_LAB_H
#define SQ_LAB_LAB_H

#include "base/addr.h"
#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_LAB_MEMBERS_MAX 20000 /* participants, WHIP and WHEP sessions together */
#define SQ_LAB_URL_MAX     256

struct sq_lab;

struct sq_lab_config {
    struct sq_addr listen;       /* HTTP; family 0: 127.0.0.1; port 0: any */
    const struct sq_addr *media; /* local addresses of media, at most 4; copied; none: the address
                                    of `listen`, or this host's where that is a wildcard */
    size_t media_len;
    const char *cert_pem, *key_pem; /* nullable: HTTPS and WSS with these PEM texts; copied */
    const char *token; /* nullable: a bearer token that joins, WHIP and WHEP must show; copied */
    uint64_t seed;
    uint64_t members_max;        /* whoever comes when so many are there is told that it is full; 0:
                                    SQ_LAB_MEMBERS_MAX */
    bool ice_lite;               /* answer connectivity checks only */
    bool ice_tcp;                /* passive TCP candidates, too (RFC 6544) */
    bool no_udp;                 /* with ice_tcp: those alone */
    bool no_stun;                /* else binding requests are answered on a port of its own */
    uint16_t stun_port;          /* 0: any */
    uint16_t port_min, port_max; /* of media; 0, 0: any */
    bool force_openssl_srtp, prefer_cm;
};

/* Starts the lab in a thread of its own, and returns when it listens. sq_net_init has been called.
 * SQ_ERR_IO (errno: cannot listen), SQ_ERR_TLS, SQ_ERR_NOMEM; `why` (nullable) takes a sentence. */
int sq_lab_start(const struct sq_lab_config *config, struct sq_lab **ret_lab, char *why,
                 size_t why_room) SQ_MUST_USE;
/* Once: from now on nobody is let in, and who is there is sent away ("going"), one after the other
 * over that time. It goes on until it is stopped. */
int sq_lab_drain(struct sq_lab *lab, uint64_t over_ns) SQ_MUST_USE;
/* Says goodbye to everyone, ends the thread and frees it. NULL is allowed. */
void sq_lab_stop(struct sq_lab *lab);

/* Where it listens, with the actual port; any thread. */
struct sq_addr sq_lab_http_addr(const struct sq_lab *lab);
/* Family 0 without a STUN server; any thread. */
struct sq_addr sq_lab_stun_addr(const struct sq_lab *lab);

enum sq_lab_url {
    SQ_LAB_URL_PAGE, /* http://127.0.0.1:8080/ */
    SQ_LAB_URL_ROOM, /* room+ws://127.0.0.1:8080/room, a target */
    SQ_LAB_URL_ECHO, /* whip+http://127.0.0.1:8080/whip/echo, a target */
    SQ_LAB_URL_WHIP, /* http://127.0.0.1:8080/whip/; the stream's name is appended */
    SQ_LAB_URL_WHEP,
};
/* https and wss where the lab has a certificate. Writes at most SQ_LAB_URL_MAX bytes; returns
 * `out`. Any thread. */
const char *sq_lab_url(const struct sq_lab *lab, enum sq_lab_url which,
                       char out[static SQ_LAB_URL_MAX]);

/* Totals since the start; any thread (asks the lab's thread and waits for it). */
struct sq_lab_counters {
    uint64_t members, rooms;       /* now */
    uint64_t joined, left, failed; /* members since the start */
    uint64_t rtp_in, rtp_out;      /* packets taken from publishers; copies sent on */
    uint64_t nacks_answered, nacks_missed;
    uint64_t key_frames_asked;
    uint64_t data_in, data_out; /* messages of data channels; copies sent on */
    uint64_t data_dropped;      /* copies for who took them too slowly, or had closed */
    uint64_t cpu_ns;            /* of the lab's thread */
};
int sq_lab_get_counters(struct sq_lab *lab, struct sq_lab_counters *ret_counters) SQ_MUST_USE;

#endif
