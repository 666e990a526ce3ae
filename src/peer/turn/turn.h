/* A TURN client (RFC 8656) without I/O: one allocation at one server, with long-term credentials
 * (RFC 8489, section 9.2; SHA-256 where the server offers it). Messages go out by the send
 * callback, over whatever carries them: UDP, or, with `stream`, TCP or TLS cut into messages by
 * peer/turn/framing.h. Time is given as now_ns (monotonic).
 *
 * Data: sq_turn_wrap puts a datagram for a peer into what the server relays; sq_turn_receive finds
 * the datagram in what came. The first datagram to an address asks for its permission. Checks and
 * other STUN travel in Send indications; the first of anything else (DTLS, media) binds a channel,
 * and from then on a datagram costs 4 bytes. Permissions and channels are kept up while they are in
 * use.
 *
 * Callbacks are made from within the calls below and must not call back into the client, nor
 * destroy it. One thread at a time. */
#ifndef SQ_PEER_TURN_TURN_H
#define SQ_PEER_TURN_TURN_H

#include "base/addr.h"
#include "base/err.h"
#include "base/rand.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_TURN_PEERS_MAX      128  /* addresses that are sent to */
#define SQ_TURN_ALTERNATES_MAX 3    /* servers that send us elsewhere, one after the other */
#define SQ_TURN_AGAIN_MAX      3    /* other local ports tried after 437 */
#define SQ_TURN_TEXT_MAX       256  /* a sentence with its NUL */
#define SQ_TURN_OVERHEAD_MAX   64   /* bytes that sq_turn_wrap adds at most */
#define SQ_TURN_CRED_MAX       512  /* bytes of a user name or password: RFC 8489, section 14.3 */
#define SQ_TURN_MESSAGE_MAX    2200 /* the longest message that is written but for wrapped data */

struct sq_turn;

enum sq_turn_fault {
    SQ_TURN_FAULT_NONE,
    SQ_TURN_FAULT_SILENT,   /* no answer */
    SQ_TURN_FAULT_AUTH,     /* 401 to our credentials, 441, or no way to authenticate */
    SQ_TURN_FAULT_REFUSED,  /* any other refusal: 403, 442, 486, 508, … */
    SQ_TURN_FAULT_PROTOCOL, /* an answer that makes no sense */
    SQ_TURN_FAULT_MEMORY,
};

/* Each may be NULL, but send. */
struct sq_turn_callbacks {
    /* A message for the server; borrowed for the call. */
    void (*send)(void *ctx, const void *buf, size_t len);
    /* The allocation is there: peers see us as `relayed`; the server sees us as `mapped`. */
    void (*allocated)(void *ctx, const struct sq_addr *relayed, const struct sq_addr *mapped);
    /* Call sq_turn_start again over a carrier to `server` (300 Try Alternate), or where that is
     * NULL to the same server from another local port (437 Allocation Mismatch). */
    void (*again)(void *ctx, const struct sq_addr *server);
    /* There is no allocation, or no longer; nothing follows. `text`: a sentence without the
     * server's name ("refused the allocation: 486 Allocation Quota Reached"). */
    void (*failed)(void *ctx, enum sq_turn_fault fault, int code, const char *text);
    /* The server does not relay to this peer (403 and others): what is sent to it is dropped. */
    void (*peer_refused)(void *ctx, const struct sq_addr *peer, int code, const char *text);
    /* After sq_turn_close: the server has answered, or did not in time. */
    void (*closed)(void *ctx);
};

/* Fill it with sq_turn_config_init, then change what is to differ. */
struct sq_turn_config {
    const char *user, *password; /* copied; NULL: the server asks for none */
    struct sq_rand *rand;        /* borrowed */
    bool stream;                 /* a reliable carrier: nothing is sent again, data are padded */
    int family;                  /* of the relayed address: AF_INET (default), AF_INET6 */
    uint32_t lifetime_s;         /* asked for; 0 (default): the server's choice */
    uint32_t rto_ms;             /* 500 (RFC 8489, section 6.2.1) */
    uint32_t rc, rm;             /* 7 and 16 (same) */
    uint32_t stream_timeout_ms;  /* Ti, 39500 (RFC 8489, section 6.2.2) */
    uint32_t close_timeout_ms;   /* 1000: patience after sq_turn_close */
};

void sq_turn_config_init(struct sq_turn_config *config, struct sq_rand *rand);
/* `config` is copied, `callbacks` and `ctx` are borrowed. NOMEM; INVALID for credentials that are
 * too long. */
int sq_turn_create(const struct sq_turn_config *config, const struct sq_turn_callbacks *callbacks,
                   void *ctx, struct sq_turn **ret_turn) SQ_MUST_USE;
/* Tells nothing. NULL is allowed. */
void sq_turn_destroy(struct sq_turn *turn);

/* The carrier is up: asks for the allocation. Again after `again`. SQ_ERR_STATE otherwise. */
int sq_turn_start(struct sq_turn *turn, uint64_t now_ns) SQ_MUST_USE;
/* Gives the allocation back (Refresh with lifetime 0), also one that is being asked for; `closed`
 * comes, at once where there is nothing to give back. Nothing is relayed any more. */
void sq_turn_close(struct sq_turn *turn, uint64_t now_ns);
/* Refreshes the allocation ahead of its time, to see whether the server is still there: it answers,
 * or `failed` comes. Nothing without an allocation, or while that is under way. */
void sq_turn_refresh(struct sq_turn *turn, uint64_t now_ns);
bool sq_turn_is_ready(const struct sq_turn *turn);

/* Puts a datagram for `to` into `out` (len + SQ_TURN_OVERHEAD_MAX bytes): what is to be sent to the
 * server, its length returned. 0: nothing is to be sent (no allocation, the peer is refused, the
 * table of peers is full, or `room` is too small). */
size_t sq_turn_wrap(struct sq_turn *turn, uint64_t now_ns, const struct sq_addr *to,
                    const void *buf, size_t len, uint8_t *out, size_t room);

struct sq_turn_data {
    struct sq_addr from;
    size_t at, len; /* where in the message */
};

/* A message from the server. 1: it holds a datagram of a peer. 0: it was taken. SQ_ERR_FORMAT,
 * SQ_ERR_AUTH, SQ_ERR_NOTFOUND (an answer to nothing, data of nobody we know), SQ_ERR_STATE: it was
 * left aside. */
int sq_turn_receive(struct sq_turn *turn, uint64_t now_ns, const void *buf, size_t len,
                    struct sq_turn_data *ret_data) SQ_MUST_USE;

/* When sq_turn_on_timeout is due, ns; SQ_NEVER. Changes with every call that is not const. */
uint64_t sq_turn_next_timeout(const struct sq_turn *turn);
void sq_turn_on_timeout(struct sq_turn *turn, uint64_t now_ns);

struct sq_turn_stats {
    uint32_t requests_sent, retransmissions, responses_received;
    uint32_t stale_nonces;  /* 438 */
    uint32_t unverified;    /* answers whose MESSAGE-INTEGRITY is missing or wrong: passed over */
    uint32_t unreadable;    /* what is no TURN, or breaks its rules: passed over */
    uint32_t strays;        /* answers to nothing that was asked, and data of nobody we spoke to */
    uint64_t data_received; /* from peers, datagrams */
    uint32_t refreshes;     /* of the allocation, answered */
    uint32_t permissions, channels;                   /* in force */
    uint64_t channel_sent, indications_sent, dropped; /* datagrams */
    uint32_t lifetime_s;
    bool sha256; /* RFC 8489's password algorithms are in use */
};
void sq_turn_get_stats(const struct sq_turn *turn, struct sq_turn_stats *ret_stats);
/* What came and was passed over, in words: "3 answers came, and could not be used: 3 with a wrong
 * or missing MESSAGE-INTEGRITY". False: nothing did. */
bool sq_turn_tell_unusable(const struct sq_turn *turn, char ret_text[static SQ_TURN_TEXT_MAX]);
/* Bytes on the heap, itself included. */
size_t sq_turn_memory_bytes(const struct sq_turn *turn);

/* Time-limited credentials ("TURN REST API", draft-uberti-behave-turn-rest-00): the user name
 * "EXPIRY:NAME" (without ":NAME" where it is NULL), the password base64(HMAC-SHA1(secret, user
 * name)). SQ_ERR_NOSPACE, SQ_ERR_CRYPTO. */
#define SQ_TURN_REST_PASSWORD_ROOM 32
int sq_turn_rest_credentials(const char *secret, const char *name, uint64_t expiry_unix_s,
                             char *ret_user, size_t user_room,
                             char ret_password[static SQ_TURN_REST_PASSWORD_ROOM]) SQ_MUST_USE;

#endif
