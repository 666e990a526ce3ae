/* The TURN client from within. */
#ifndef SQ_PEER_TURN_TURN_INT_H
#define SQ_PEER_TURN_TURN_INT_H

#include "base/time.h"
#include "peer/stun/stun.h"
#include "peer/turn/turn.h"

#define TURN_TX_MAX         8      /* requests under way; others wait */
#define TURN_STALE_MAX      3      /* 438 to one request */
#define TURN_REALM_MAX      763    /* bytes: RFC 8489, sections 14.9 and 14.10 */
#define TURN_ALGORITHMS_MAX 64     /* bytes of PASSWORD-ALGORITHMS that are copied */
#define TURN_CHANNEL_FIRST  0x4000 /* RFC 8656, section 12 */
#define TURN_CHANNEL_LAST   0x4FFF
#define TURN_NONE           UINT16_MAX
/* Permissions last 5 minutes and channels 10 (RFC 8656, sections 9 and 12); binding a channel
 * again keeps up both. */
#define TURN_KEEP_UP_NS (240 * SQ_NS_PER_SEC)

enum turn_state {
    TURN_IDLE,
    TURN_ALLOCATING,
    TURN_READY,
    TURN_CLOSING,
    TURN_OVER, /* failed or closed */
};

enum turn_grant { GRANT_NONE, GRANT_ASKED, GRANT_GIVEN, GRANT_REFUSED };

/* An address that is sent to. Its channel is TURN_CHANNEL_FIRST + its index, so that a number never
 * means two peers (section 12: not within 5 minutes). */
struct turn_peer {
    struct sq_addr addr;
    uint64_t due_ns;                      /* when permission or channel are to be kept up */
    uint64_t used_ns;                     /* the last datagram to it */
    uint8_t permission;                   /* enum turn_grant; shared by all of one IP address */
    uint8_t channel;                      /* enum turn_grant */
    bool wants_permission, wants_channel; /* a request is to be sent as soon as there is room */
};

struct turn_tx { /* method 0: free */
    uint64_t due_ns;
    uint32_t rto_ms;
    uint16_t method;
    uint16_t peer; /* index; TURN_NONE */
    uint8_t sends, stale;
    bool signed_; /* with our credentials */
    uint8_t tid[SQ_STUN_TID_BYTES];
};

struct sq_turn {
    struct sq_turn_config cfg; /* its texts are owned */
    const struct sq_turn_callbacks *cb;
    void *ctx;
    char *user, *password;
    char *realm, *nonce; /* owned; NULL before the server told */
    struct sq_stun_key key;
    bool sha256_integrity; /* the server knows RFC 8489 */
    uint8_t algorithm;     /* 0, or the PASSWORD-ALGORITHM in use */
    uint8_t algorithms[TURN_ALGORITHMS_MAX];
    uint8_t algorithms_len;
    uint8_t alternates, agains;
    enum turn_state state;
    struct turn_tx tx[TURN_TX_MAX];
    struct turn_peer *peers; /* owned */
    uint16_t peers_len, peers_room, last_peer;
    uint64_t refresh_ns; /* of the allocation */
    uint64_t close_by_ns;
    struct sq_turn_stats stats;
};

/* turn_auth.c */
enum turn_challenge { CHALLENGE_TAKEN, CHALLENGE_NOMEM, CHALLENGE_NONE, CHALLENGE_UNKNOWN };
/* Takes realm, nonce and password algorithms out of a 401 or 438. */
enum turn_challenge turn_take_challenge(struct sq_turn *turn, const struct sq_stun_msg *m);
bool turn_same_realm(const struct sq_turn *turn, const struct sq_stun_msg *m);
/* The attributes of an authenticated request, integrity last; nothing before a challenge. */
void turn_sign(const struct sq_turn *turn, struct sq_stun_writer *w);
/* 0; SQ_ERR_AUTH: to be ignored as if it had never come (RFC 8489, section 9.2.5). */
int turn_check(const struct sq_turn *turn, const struct turn_tx *tx, const struct sq_stun_msg *m);

/* turn_request.c */
/* Starts a request; NULL when all places are taken. */
struct turn_tx *turn_request(struct sq_turn *turn, uint64_t now_ns, uint16_t method, uint16_t peer);
/* The same with another transaction id, after a challenge. */
void turn_request_again(struct sq_turn *turn, uint64_t now_ns, struct turn_tx *tx);
void turn_requests_timeout(struct sq_turn *turn, uint64_t now_ns);
uint64_t turn_requests_next(const struct sq_turn *turn);
struct turn_tx *turn_find_tx(struct sq_turn *turn, const uint8_t *tid);
bool turn_has_room(const struct sq_turn *turn);

/* turn_response.c */
int turn_response(struct sq_turn *turn, uint64_t now_ns, const struct sq_stun_msg *m);
/* Nobody answered. */
void turn_unanswered(struct sq_turn *turn, uint64_t now_ns, const struct turn_tx *tx);
void turn_fail(struct sq_turn *turn, enum sq_turn_fault fault, int code, const char *fmt, ...)
    SQ_PRINTF(4, 5);

/* turn_peer.c */
void turn_peers_granted(struct sq_turn *turn, uint64_t now_ns, uint16_t method, uint16_t peer);
void turn_peers_refused(struct sq_turn *turn, uint64_t now_ns, uint16_t method, uint16_t peer,
                        int code, const char *text);
void turn_peers_timeout(struct sq_turn *turn, uint64_t now_ns);
uint64_t turn_peers_next(const struct sq_turn *turn);

/* turn.c */
void turn_over(struct sq_turn *turn);

#endif
