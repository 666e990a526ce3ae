/* An ICE agent of one data stream and one component, as BUNDLE and rtcp-mux leave it: RFC 8445
 * (full and lite, both roles, regular nomination), RFC 8838 (trickle), RFC 8863 (patience before
 * failing), RFC 7675 (consent). It does no I/O and reads no clock: datagrams go in by
 * sq_ice_receive and come out by the send callback, time is given as now_ns (monotonic).
 *
 * Order of calls: create, add_base (each), add_stun_server (each), gather; set_remote and
 * add_remote before or after that, in any order. Then receive and on_timeout for ever.
 *
 * Callbacks are made from within the calls below. A callback may call the functions that take a
 * const agent; it must not call others, nor destroy the agent. One thread at a time. */
#ifndef SQ_PEER_ICE_ICE_H
#define SQ_PEER_ICE_ICE_H

#include "base/addr.h"
#include "base/err.h"
#include "base/rand.h"
#include "base/str.h"
#include "peer/ice/candidate.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_ICE_BASES_MAX 16
/* With tcp_active each UDP host base N below this gets, once the other side tells a passive TCP
 * candidate, a base N + SQ_ICE_TCP_BASE: what is sent there goes to `to` over a TCP connection that
 * is opened with the first message (RFC 6544). */
#define SQ_ICE_TCP_BASE    8
#define SQ_ICE_SERVERS_MAX 8   /* addresses of STUN servers */
#define SQ_ICE_LOCAL_MAX   48  /* local candidates */
#define SQ_ICE_REMOTE_MAX  64  /* remote candidates, peer-reflexive ones included */
#define SQ_ICE_PAIRS_MAX   100 /* RFC 8445, section 6.1.2.5; the config may lower it */
#define SQ_ICE_CRED_MAX    256 /* characters of a ufrag or password, RFC 8839, section 5.4 */
#define SQ_ICE_UFRAG_CHARS 4   /* of those that an agent makes itself */
#define SQ_ICE_PWD_CHARS   24

struct sq_ice;

/* RTCIceTransportState of W3C webrtc. COMPLETED here means: a pair is nominated. */
enum sq_ice_state {
    SQ_ICE_NEW,
    SQ_ICE_CHECKING,
    SQ_ICE_CONNECTED,    /* a valid pair: data may flow (RFC 8445, section 12) */
    SQ_ICE_COMPLETED,    /* a nominated pair */
    SQ_ICE_DISCONNECTED, /* consent checks stay unanswered; may come back by itself */
    SQ_ICE_FAILED,       /* no pair works, or consent is lost; a restart may mend it */
    SQ_ICE_CLOSED,
    SQ_ICE_STATES
};

/* "new", "checking", …: the W3C names. */
const char *sq_ice_state_name(enum sq_ice_state state);

/* What the agent tells. Each may be NULL, but send. `ctx` is that of sq_ice_create. */
struct sq_ice_callbacks {
    /* A datagram to send from a base; `buf` is valid during the call. It may be dropped. */
    void (*send)(void *ctx, int base_id, const struct sq_addr *to, const void *buf, size_t len);
    /* A new local candidate to signal. */
    void (*local_candidate)(void *ctx, const struct sq_ice_candidate *c);
    /* No more local candidates come: signal end-of-candidates. */
    void (*gathering_done)(void *ctx);
    void (*state)(void *ctx, enum sq_ice_state state);
    /* Data goes by this pair from now on. */
    void (*selected_pair)(void *ctx, int base_id, const struct sq_addr *remote);
    /* RFC 7675, section 5.1: stop sending at once. State FAILED follows. */
    void (*consent_lost)(void *ctx);
};

/* Fill it with sq_ice_config_init, then change what is to differ. */
struct sq_ice_config {
    bool controlling; /* the offerer, RFC 8445, section 6.1.1; ignored when lite */
    bool tcp_active;  /* connects to passive TCP candidates: see SQ_ICE_TCP_BASE */
    bool lite;        /* a lite agent answers checks and makes none (section 2.5) */
    /* Local credentials, copied; NULL: 4 and 24 characters are made up. */
    const char *ufrag;
    const char *pwd;
    /* Tie-breaker, transaction ids, jitter; borrowed for the agent's life. Passwords are not made
     * of it but of sq_rand_secret. */
    struct sq_rand *rand;
    uint32_t ta_ms;              /* Ta, pacing of checks: 50 (RFC 8445, section 14.2) */
    uint32_t nominate_ta_ms;     /* the same before the check that nominates: 5 (same section) */
    uint32_t rto_ms;             /* RTO, the least one: 500 (section 14.3) */
    uint32_t rc;                 /* Rc, sends of one request: 7 (RFC 8489, section 6.2.1) */
    uint32_t rm;                 /* Rm, the last wait in RTOs: 16 (RFC 8489, section 6.2.1) */
    uint32_t max_pairs;          /* 100, at most SQ_ICE_PAIRS_MAX */
    uint32_t gather_timeout_ms;  /* 5000: end-of-candidates at the latest then; while gathering is
                                    held and there is no candidate at all, with the first one */
    uint32_t nomination_wait_ms; /* 200: patience for a better pair, once one is valid */
    uint32_t pac_ms;             /* 39500: not failed before that (RFC 8863, section 4) */
    bool patient;    /* a check that nobody answers is sent on, every Rm times RTO, until a pair is
                        valid: the other side may not know of us for minutes, and NATs forget */
    bool one_remote; /* others may know our credentials, too: who is not the one that
                        sq_ice_set_remote tells is refused (403), and until it does checks wait */
    uint32_t check_timeout_ms;  /* failed without a valid pair after that; 0 (default): never */
    uint32_t consent_ms;        /* 5000, ±20 % (RFC 7675, section 5.1) */
    uint32_t consent_expiry_ms; /* 30000 (RFC 7675, section 5.1) */
    uint32_t disconnected_ms;   /* 7000: a consent check unanswered so long: DISCONNECTED */
    uint32_t keepalive_ms;      /* Tr, 15000 (RFC 8445, section 11) */
    uint32_t restart_grace_ms;  /* 5000: old credentials answered so long after a restart is done */
};

void sq_ice_config_init(struct sq_ice_config *config, struct sq_rand *rand);

/* `config` is copied; `callbacks` and `ctx` are borrowed. The agent is owned by the caller. NOMEM;
 * INVALID for settings or credentials out of range. */
int sq_ice_create(const struct sq_ice_config *config, const struct sq_ice_callbacks *callbacks,
                  void *ctx, struct sq_ice **ret_ice) SQ_MUST_USE;
/* Stops everything; state CLOSED is told. */
void sq_ice_close(struct sq_ice *ice);
/* Tells nothing. NULL is allowed. */
void sq_ice_destroy(struct sq_ice *ice);

/* The credentials to signal: of the present generation, valid until the next restart. */
const char *sq_ice_ufrag(const struct sq_ice *ice);
const char *sq_ice_pwd(const struct sq_ice *ice);
bool sq_ice_controlling(const struct sq_ice *ice);
/* To be called before checks start (else SQ_ERR_STATE): JSEP learns the role by who offers. */
int sq_ice_set_controlling(struct sq_ice *ice, bool controlling) SQ_MUST_USE;

/* ---- Local side ---- */

/* A base: where datagrams leave and arrive. `id` (0 to SQ_ICE_BASES_MAX - 1) is the caller's name
 * for its socket, and comes back in `send`. A relayed base is the TURN allocation: type RELAY, addr
 * the relayed address, related the mapped one. */
struct sq_ice_base {
    int id;
    enum sq_ice_transport transport; /* what is not UDP needs a reliable, framed carrier below */
    enum sq_ice_type type;           /* HOST or RELAY */
    struct sq_addr addr;
    struct sq_addr related; /* AF_UNSPEC for HOST */
    uint16_t local_pref;    /* 0 to 65535, differs between bases (section 5.1.2.1); 0: by order */
    bool no_srflx;          /* do not ask STUN servers from here */
};

/* A UDP host base. INVALID, NOMEM. After sq_ice_gather its candidate is told at once. */
int sq_ice_add_base(struct sq_ice *ice, int base_id, const struct sq_addr *addr) SQ_MUST_USE;
int sq_ice_add_base_full(struct sq_ice *ice, uint64_t now_ns,
                         const struct sq_ice_base *base) SQ_MUST_USE;
/* Before sq_ice_gather. NOMEM past SQ_ICE_SERVERS_MAX. */
int sq_ice_add_stun_server(struct sq_ice *ice, const struct sq_addr *server) SQ_MUST_USE;
/* Tells the host candidates, then asks the STUN servers; gathering_done comes within the call when
 * there is nothing to ask. Again after sq_ice_restart. */
int sq_ice_gather(struct sq_ice *ice, uint64_t now_ns) SQ_MUST_USE;
/* Holds gathering_done back while somebody else (a TURN client) may still add bases; count them. */
void sq_ice_hold_gathering(struct sq_ice *ice);
void sq_ice_release_gathering(struct sq_ice *ice, uint64_t now_ns);
bool sq_ice_gathering_is_done(const struct sq_ice *ice);
bool sq_ice_has_base(const struct sq_ice *ice, int base_id);

/* ---- Remote side ---- */

/* The remote credentials, copied; checks start. Setting the same ones again is harmless; different
 * ones need sq_ice_restart first (else SQ_ERR_STATE). With a lite remote side a full agent takes
 * the controlling role (section 6.1.1). INVALID, NOMEM. */
int sq_ice_set_remote(struct sq_ice *ice, uint64_t now_ns, const char *ufrag, const char *pwd,
                      bool lite) SQ_MUST_USE;
/* A remote candidate, at any time, copied. 0 also for a duplicate and for one that is of no use
 * (another component or transport). NOMEM: the table is full. */
int sq_ice_add_remote(struct sq_ice *ice, uint64_t now_ns,
                      const struct sq_ice_candidate *c) SQ_MUST_USE;
/* The same from its text ("" is end-of-candidates, as browsers say it). Host names are left out
 * with a count (sq_ice_unresolved) and give 0; a "ufrag" extension of another generation gives
 * SQ_ERR_STATE. SQ_ERR_FORMAT. */
int sq_ice_add_remote_line(struct sq_ice *ice, uint64_t now_ns, struct sq_view line) SQ_MUST_USE;
/* No more remote candidates come (RFC 8838, section 14). */
void sq_ice_remote_done(struct sq_ice *ice, uint64_t now_ns);
/* Remote candidates left out because their address is a host name. */
size_t sq_ice_unresolved(const struct sq_ice *ice);
/* One of them was resolved after all, and is added by its address. */
void sq_ice_resolved(struct sq_ice *ice);

/* A restart (RFC 8445, section 9): new local credentials (NULL: made up), no remote ones, all
 * candidates dropped but the bases. Then sq_ice_gather and sq_ice_set_remote again. The selected
 * pair stays selected, with its own consent, until a new one is selected. */
int sq_ice_restart(struct sq_ice *ice, uint64_t now_ns, const char *ufrag,
                   const char *pwd) SQ_MUST_USE;

/* ---- Datagrams and time ---- */

/* A STUN datagram (sq_stun_is_message) that came in on a base. 0 when it was taken; SQ_ERR_FORMAT,
 * SQ_ERR_AUTH, SQ_ERR_NOTFOUND (an answer to nothing), SQ_ERR_STATE (closed), SQ_ERR_INVALID (no
 * such base). Errors need no action: nothing has changed. */
int sq_ice_receive(struct sq_ice *ice, uint64_t now_ns, int base_id, const struct sq_addr *from,
                   const void *buf, size_t len);
/* When sq_ice_on_timeout is due, ns; SQ_NEVER. Changes with every call that is not const. */
uint64_t sq_ice_next_timeout(const struct sq_ice *ice);
void sq_ice_on_timeout(struct sq_ice *ice, uint64_t now_ns);

/* Sends the next consent check now: whoever knows that the path fell silent need not wait for up
 * to 6 s. Nothing without a path, or while a check is unanswered. */
void sq_ice_ask_consent(struct sq_ice *ice, uint64_t now_ns);
/* For how long consent checks have gone unanswered, ns; 0: none is. */
uint64_t sq_ice_unanswered_ns(const struct sq_ice *ice, uint64_t now_ns);

enum sq_ice_state sq_ice_get_state(const struct sq_ice *ice);
/* It has failed because the other side has another (its config one_remote). */
bool sq_ice_refused(const struct sq_ice *ice);
/* When the other side's first check came; 0: none did. */
uint64_t sq_ice_first_check_ns(const struct sq_ice *ice);
/* Where to send data: the selected pair, or before nomination the best valid one. False: do not
 * send (no pair, or no consent). Outputs are untouched then. */
bool sq_ice_selected(const struct sq_ice *ice, int *ret_base_id, struct sq_addr *ret_remote);
/* Whether data from there belongs to the peer: its address sent an authenticated check to this
 * base, or answered one. Cheap for the selected pair. */
bool sq_ice_may_receive(const struct sq_ice *ice, int base_id, const struct sq_addr *from);

/* ---- Statistics ---- */

enum sq_ice_pair_state { /* RTCStatsIceCandidatePairState */
                         SQ_ICE_PAIR_FROZEN,
                         SQ_ICE_PAIR_WAITING,
                         SQ_ICE_PAIR_IN_PROGRESS,
                         SQ_ICE_PAIR_SUCCEEDED,
                         SQ_ICE_PAIR_FAILED,
                         SQ_ICE_PAIR_STATES
};

/* RTCIceCandidatePairStats, in the units named here. */
struct sq_ice_pair_stats {
    uint16_t local;  /* index for sq_ice_local */
    uint16_t remote; /* index for sq_ice_remote */
    enum sq_ice_pair_state state;
    bool nominated;
    bool selected;
    uint64_t priority;
    uint32_t requests_sent; /* retransmissions and consent requests left out, as W3C has it */
    uint32_t responses_received;
    uint32_t requests_received;
    uint32_t responses_sent;
    uint32_t consent_requests_sent;
    uint64_t current_round_trip_ns; /* 0: none yet */
    uint64_t total_round_trip_ns;   /* over round_trips */
    uint32_t round_trips;           /* answers to requests that were sent once only */
};

/* "frozen", "waiting", "in-progress", "succeeded", "failed". */
const char *sq_ice_pair_state_name(enum sq_ice_pair_state state);
size_t sq_ice_local_count(const struct sq_ice *ice);
size_t sq_ice_remote_count(const struct sq_ice *ice);
size_t sq_ice_pair_count(const struct sq_ice *ice);
/* "1 local (IPv6) and 2 remote (IPv4) candidates, no pair of them", for a sentence. */
#define SQ_ICE_WORDS_MAX 120
void sq_ice_words(const struct sq_ice *ice, char ret_text[static SQ_ICE_WORDS_MAX]);
/* Borrowed until the next call that is not const; NULL past the end. */
const struct sq_ice_candidate *sq_ice_local(const struct sq_ice *ice, size_t i);
const struct sq_ice_candidate *sq_ice_remote(const struct sq_ice *ice, size_t i);
/* SQ_ERR_NOTFOUND past the end. */
int sq_ice_pair_stats(const struct sq_ice *ice, size_t i,
                      struct sq_ice_pair_stats *ret_stats) SQ_MUST_USE;
/* The pair that sq_ice_selected gives, with copies of its candidates (each nullable), also while a
 * restart is under way (the indices are 0 then). SQ_ERR_NOTFOUND. */
int sq_ice_selected_stats(const struct sq_ice *ice, struct sq_ice_pair_stats *ret_stats,
                          struct sq_ice_candidate *ret_local,
                          struct sq_ice_candidate *ret_remote) SQ_MUST_USE;
/* What came of asking a STUN server, of all bases and restarts together: the best of it. */
enum sq_ice_asked {
    SQ_ICE_NOT_ASKED,
    SQ_ICE_ASKED,     /* less than a second ago: too early to tell */
    SQ_ICE_ANSWERED,  /* by a mapped address */
    SQ_ICE_REFUSED,   /* by an error, or by nothing that can be used */
    SQ_ICE_UNANSWERED /* for a second or more; browsers fire icecandidateerror 701 */
};
/* Of the server that was added as number i, from 0. */
enum sq_ice_asked sq_ice_server_asked(const struct sq_ice *ice, size_t i, uint64_t now_ns);
/* Bytes that the agent holds on the heap, itself included. */
size_t sq_ice_memory_bytes(const struct sq_ice *ice);

#endif
