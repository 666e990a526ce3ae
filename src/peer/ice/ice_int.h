/* The ICE agent from within. */
#ifndef SQ_PEER_ICE_ICE_INT_H
#define SQ_PEER_ICE_ICE_INT_H

#include "base/time.h"
#include "peer/ice/ice.h"
#include "peer/stun/stun.h"

#define ICE_COMPONENT    1
#define ICE_MESSAGE_MAX  640 /* a check with USERNAME of 513 characters fits */
#define ICE_STRANGER     403 /* Forbidden (RFC 8656, section 18.4): we have another remote side */
#define ICE_CONSENT_RING 8   /* unanswered consent checks whose answers still count */
#define ICE_HELD_MAX     8   /* checks that wait until it is known whose they should be */
#define ICE_NONE         UINT16_MAX

/* Credentials of one generation (RFC 8445, section 9). */
struct ice_gen {
    char *local_ufrag; /* owned, all four */
    char *local_pwd;
    char *remote_ufrag; /* NULL until they are known, so is remote_pwd */
    char *remote_pwd;
    struct sq_stun_key local_key;
    struct sq_stun_key remote_key;
};

struct ice_local {
    struct sq_ice_candidate c;
    uint8_t base; /* index */
};

struct ice_bind { /* a base */
    struct sq_ice_base b;
    uint16_t local; /* index of its own candidate; ICE_NONE before it is made */
};

enum ice_pair_flag {
    PAIR_VALID = 1,     /* in the valid list, section 7.2.5.3.2 */
    PAIR_NOMINATED = 2, /* section 7.2.5.3.4 */
    PAIR_TRIGGERED = 4, /* in the triggered-check queue, section 6.1.4.1 */
    PAIR_NOMINATE = 8,  /* controlling: its next check carries USE-CANDIDATE; controlled: nominated
                           as soon as it is valid, section 7.3.1.5 */
    PAIR_HEARD = 16,    /* an authenticated check came in on it */
    PAIR_USE_LAST = 32, /* the last check that came in carried USE-CANDIDATE */
    PAIR_TX = 64,       /* tid is that of a transaction whose answer counts */
    PAIR_TX_USE = 128,  /* that transaction carries USE-CANDIDATE */
    PAIR_TX_CONTROL = 256, /* that transaction says ICE-CONTROLLING */
    PAIR_TX_AGAIN = 512    /* a triggered check has sent it once more */
};

struct ice_pair {
    uint64_t priority;
    uint64_t sent_ns;      /* the last send of the transaction */
    uint64_t due_ns;       /* its next send, or its end */
    uint64_t nominated_ns; /* the last USE-CANDIDATE that came in */
    uint64_t current_rtt_ns;
    uint64_t total_rtt_ns;
    uint32_t queue_no; /* order in the triggered-check queue */
    uint32_t rto_ms;
    uint32_t requests_sent, responses_received, requests_received, responses_sent;
    uint32_t consent_sent, round_trips;
    uint16_t local;  /* index of the candidate, as the peer sees it once it is valid */
    uint16_t remote; /* index */
    uint16_t flags;  /* enum ice_pair_flag */
    uint8_t base;    /* index */
    uint8_t state;   /* enum sq_ice_pair_state */
    uint8_t sends;
    uint8_t tid[SQ_STUN_TID_BYTES];
};

enum ice_query_state { QUERY_WAITING, QUERY_SENT, QUERY_DONE, QUERY_FAILED };

/* A STUN server, and what came of asking it: of all bases and generations together. */
struct ice_server {
    struct sq_addr addr;
    uint64_t asked_ns; /* the first request; 0: none yet */
    bool answered, refused;
};

/* A Binding request to a STUN server from a base. */
struct ice_query {
    uint64_t due_ns;
    uint8_t tid[SQ_STUN_TID_BYTES];
    uint8_t base, server; /* indices */
    uint8_t state;        /* enum ice_query_state */
    uint8_t sends;
};

/* A check that came before the other side was told (config one_remote). */
struct ice_held {
    struct sq_addr from;
    uint16_t len;
    uint8_t base; /* index */
    uint8_t bytes[ICE_MESSAGE_MAX];
};

/* Where data goes, with its consent (RFC 7675). */
struct ice_path {
    bool on;
    bool old; /* of the generation before the restart */
    uint8_t base_id;
    uint16_t pair; /* index; not with `old` */
    struct sq_addr remote;
    uint64_t next_ns;     /* the next consent check, or keep-alive when lite */
    uint64_t answered_ns; /* the last answer; when lite the last check that came in */
    uint64_t silent_ns;   /* the first unanswered check after that; 0: none */
    struct {
        uint64_t sent_ns; /* 0: free */
        uint8_t tid[SQ_STUN_TID_BYTES];
    } ring[ICE_CONSENT_RING];
    uint8_t ring_at;
};

/* What a restart keeps of the generation before it. */
struct ice_old {
    struct ice_gen gen;
    uint64_t until_ns; /* SQ_NEVER while the new one has no pair */
    bool has_pair;
    struct ice_pair pair;
    struct sq_ice_candidate local, remote;
};

enum ice_event {
    EV_START,     /* checks may begin */
    EV_VALID,     /* a pair works, but none is nominated */
    EV_NOMINATED, /* the nominated pair works */
    EV_SILENT,    /* consent checks stay unanswered */
    EV_UNPATHED,  /* the pair in use is gone, others may still work */
    EV_DEAD,      /* nothing works, or consent is lost */
    EV_RESTART,
    EV_CLOSE,
    EV_COUNT
};

/* A growing array: `n` used of `room` items. */
struct ice_array {
    void *items;
    uint16_t n, room;
};

struct sq_ice {
    struct sq_ice_config cfg; /* its texts are not kept */
    const struct sq_ice_callbacks *cb;
    void *ctx;
    uint64_t tie_breaker;
    enum sq_ice_state state;
    uint64_t first_check_ns; /* the other side's first check that is authentic; 0: none yet */
    bool controlling;
    bool remote_lite;
    bool remote_done;
    bool gathering;     /* sq_ice_gather was called in this generation */
    bool gather_late;   /* gather_timeout_ms is over */
    bool gathered;      /* gathering_done was told */
    bool refused;       /* the other side has another */
    uint16_t holds;     /* sq_ice_hold_gathering */
    uint16_t nominated; /* index of a pair, ICE_NONE */
    uint32_t queue_no;
    uint32_t unresolved;
    struct ice_gen gen;
    struct ice_old *old; /* owned; NULL but around a restart */
    struct ice_path path;
    struct ice_array bases;   /* struct ice_bind */
    struct ice_array servers; /* struct ice_server */
    struct ice_array locals;  /* struct ice_local */
    struct ice_array remotes; /* struct sq_ice_candidate */
    struct ice_array pairs;   /* struct ice_pair */
    struct ice_array queries; /* struct ice_query */
    struct ice_array held;    /* struct ice_held */
    uint64_t paced_ns;        /* the last new transaction; 0: none yet */
    uint64_t started_ns;      /* checks began; SQ_NEVER before */
    uint64_t fresh_ns;        /* the last remote candidate, or the start */
    uint64_t valid_ns;        /* the first valid pair; SQ_NEVER before */
    uint64_t gather_end_ns;   /* SQ_NEVER when not gathering */
    uint64_t timeout_ns;      /* what sq_ice_next_timeout gives */
};

/* Typed access; the index must be in range. */
static inline struct ice_bind *ice_base_at(const struct sq_ice *ice, size_t i)
{
    return (struct ice_bind *)ice->bases.items + i;
}
static inline struct ice_server *ice_server_at(const struct sq_ice *ice, size_t i)
{
    return (struct ice_server *)ice->servers.items + i;
}
static inline struct ice_local *ice_local_at(const struct sq_ice *ice, size_t i)
{
    return (struct ice_local *)ice->locals.items + i;
}
static inline struct sq_ice_candidate *ice_remote_at(const struct sq_ice *ice, size_t i)
{
    return (struct sq_ice_candidate *)ice->remotes.items + i;
}
static inline struct ice_pair *ice_pair_at(const struct sq_ice *ice, size_t i)
{
    return (struct ice_pair *)ice->pairs.items + i;
}
static inline struct ice_query *ice_query_at(const struct sq_ice *ice, size_t i)
{
    return (struct ice_query *)ice->queries.items + i;
}
static inline uint16_t ice_pair_index(const struct sq_ice *ice, const struct ice_pair *p)
{
    return (uint16_t)(p - (const struct ice_pair *)ice->pairs.items);
}
static inline const struct sq_addr *ice_pair_remote(const struct sq_ice *ice,
                                                    const struct ice_pair *p)
{
    return &ice_remote_at(ice, p->remote)->addr;
}
static inline uint64_t ice_ms(uint32_t ms)
{
    return (uint64_t)ms * SQ_NS_PER_MS;
}

/* ice.c */
void ice_fire(struct sq_ice *ice, enum ice_event event);
/* To be called at the end of whatever may change the agent: draws the conclusions (path,
 * nomination, failure) and sets the next time-out. */
void ice_conclude(struct sq_ice *ice, uint64_t now_ns);
void ice_set_role(struct sq_ice *ice, bool controlling);
void ice_new_tie_breaker(struct sq_ice *ice);
void ice_drop_old(struct sq_ice *ice);
void ice_gen_clear(struct ice_gen *gen);

/* ice_table.c: bases, candidates, pairs */
/* A new zeroed item, or NULL at the maximum or without memory. Pointers into the array change. */
void *ice_array_add(struct ice_array *a, size_t item_bytes, size_t max);
void ice_array_free(struct ice_array *a);
int ice_base_index(const struct sq_ice *ice, int base_id); /* or -1 */
/* Index of a local candidate of this base with this address, ICE_NONE. */
uint16_t ice_find_local(const struct sq_ice *ice, uint8_t base, const struct sq_addr *addr);
/* Adds a local candidate and tells it, unless it is peer-reflexive. ICE_NONE when full. */
uint16_t ice_add_local(struct sq_ice *ice, uint8_t base, enum sq_ice_type type,
                       const struct sq_addr *addr, const struct sq_addr *server);
/* A candidate of the base itself; pairs with all remote ones. */
int ice_publish_base(struct sq_ice *ice, uint8_t base);
/* UDP and TCP candidates may share an address. */
uint16_t ice_find_remote(const struct sq_ice *ice, const struct sq_addr *addr, bool tcp);
/* RFC 6544: an active TCP base beside each UDP host base, once there is a passive candidate. */
int ice_add_tcp_bases(struct sq_ice *ice, uint64_t now_ns, int family) SQ_MUST_USE;
uint32_t ice_base_priority(const struct sq_ice_base *b, enum sq_ice_type type);
/* Adds without pairing; ICE_NONE when full. */
uint16_t ice_push_remote(struct sq_ice *ice, const struct sq_ice_candidate *c);
struct ice_pair *ice_find_pair(const struct sq_ice *ice, uint8_t base, uint16_t remote);
/* Whether a pair of the two is worth a check. One that a check came in on needs no asking. */
bool ice_may_pair(const struct sq_ice_base *base, const struct sq_ice_candidate *remote);
/* The pair, made if it is not there; NULL when there is no room for it. */
struct ice_pair *ice_add_pair(struct sq_ice *ice, uint8_t base, uint16_t remote);
void ice_set_priorities(struct sq_ice *ice);
bool ice_same_foundation(const struct sq_ice *ice, const struct ice_pair *a,
                         const struct ice_pair *b);

/* ice_held.c */
/* A check that bears our credentials, but is not of the one that was told. */
bool ice_is_stranger(const struct sq_ice *ice, const struct sq_stun_msg *m);
/* Keeps a check until ice_serve_held. */
void ice_hold(struct sq_ice *ice, uint8_t base, const struct sq_addr *from,
              const struct sq_stun_msg *m);
void ice_serve_held(struct sq_ice *ice, uint64_t now_ns);

/* ice_gather.c */
int ice_ask_servers(struct sq_ice *ice, uint8_t base);
/* Whether a query wants its first send. */
bool ice_query_waits(const struct sq_ice *ice);
void ice_query_start(struct sq_ice *ice, uint64_t now_ns);
void ice_queries_timeout(struct sq_ice *ice, uint64_t now_ns);
uint64_t ice_queries_next(const struct sq_ice *ice);
/* The query a response belongs to, or NULL. */
struct ice_query *ice_find_query(const struct sq_ice *ice, const uint8_t *tid);
int ice_query_response(struct sq_ice *ice, uint64_t now_ns, struct ice_query *q,
                       const struct sq_addr *from, uint8_t base, const struct sq_stun_msg *m);
void ice_check_gathered(struct sq_ice *ice, uint64_t now_ns);

/* ice_check.c */
void ice_trigger(struct sq_ice *ice, struct ice_pair *p);
bool ice_check_waits(const struct sq_ice *ice);
/* Whether the next check is the one that nominates, on a pair that works already. */
bool ice_check_nominates(const struct sq_ice *ice);
void ice_check_start(struct sq_ice *ice, uint64_t now_ns);
void ice_checks_timeout(struct sq_ice *ice, uint64_t now_ns);
uint64_t ice_checks_next(const struct sq_ice *ice);
int ice_response(struct sq_ice *ice, uint64_t now_ns, uint8_t base, const struct sq_addr *from,
                 const struct sq_stun_msg *m);
void ice_make_valid(struct sq_ice *ice, uint64_t now_ns, struct ice_pair *p);
/* Controlling: nominates when it is time. */
void ice_nominate(struct sq_ice *ice, uint64_t now_ns);
uint64_t ice_nominate_next(const struct sq_ice *ice);
/* A pair is nominated: checks of the others stop. */
void ice_quiet_others(struct sq_ice *ice);
bool ice_anything_open(const struct sq_ice *ice);
void ice_new_tid(struct sq_ice *ice, uint8_t tid[SQ_STUN_TID_BYTES]);
/* A Binding request of a generation; the length, 0 when it does not fit. */
size_t ice_write_check(const struct sq_ice *ice, const struct ice_gen *gen,
                       const struct ice_bind *base, const uint8_t *tid, bool use_candidate,
                       uint8_t buf[static ICE_MESSAGE_MAX]);

/* ice_request.c */
int ice_request(struct sq_ice *ice, uint64_t now_ns, uint8_t base, const struct sq_addr *from,
                const struct sq_stun_msg *m);
/* A check that was held and has passed all but the question whose it is. */
void ice_request_late(struct sq_ice *ice, uint64_t now_ns, uint8_t base, const struct sq_addr *from,
                      const struct sq_stun_msg *m);

/* ice_path.c */
/* The controlled side, or a lite one: this pair was nominated. */
void ice_nominated_by_peer(struct sq_ice *ice, uint64_t now_ns, struct ice_pair *p);
void ice_update_path(struct sq_ice *ice, uint64_t now_ns);
void ice_path_heard(struct sq_ice *ice, uint64_t now_ns);
/* Whether the response belongs to a consent check (then *ret_err says what came of it). */
bool ice_consent_response(struct sq_ice *ice, uint64_t now_ns, uint8_t base,
                          const struct sq_addr *from, const struct sq_stun_msg *m, int *ret_err);
void ice_path_timeout(struct sq_ice *ice, uint64_t now_ns);
uint64_t ice_path_next(const struct sq_ice *ice);

static inline void ice_send(struct sq_ice *ice, int base_id, const struct sq_addr *to,
                            const void *buf, size_t len)
{
    if (len > 0) {
        ice->cb->send(ice->ctx, base_id, to, buf, len);
    }
}

#endif
