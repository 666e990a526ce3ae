/* A TURN client and a scripted TURN server (RFC 8656, RFC 8489) over a link in virtual time. The
 * server is written from the RFCs by itself; what it is asked wrongly it counts in `wrong`. */
#ifndef SQ_TESTS_PEER_TURN_RIG_H
#define SQ_TESTS_PEER_TURN_RIG_H

#include "base/time.h"
#include "peer/stun/stun.h"
#include "peer/turn/turn.h"

#define RIG_QUEUE 64
#define RIG_PEERS 256

struct rig_packet {
    uint64_t at_ns;
    bool to_server;
    size_t len;
    uint8_t bytes[SQ_TURN_MESSAGE_MAX];
};

struct rig_server {
    const char *user, *password, *realm;
    char nonce[40];
    bool open;         /* asks for no credentials */
    bool rfc8489;      /* offers MD5 and SHA-256 */
    bool hides_list;   /* ... in the nonce, but the list was taken out on the way */
    bool strange_list; /* only an algorithm nobody knows */
    bool no_realm;     /* challenges without realm and nonce */
    bool unsigned_answers;
    bool wrong_key; /* signs with another password */
    bool deaf;
    int stale_every;                                        /* 438 to each so-many-th request */
    int refuse_allocate, refuse_refresh, refuse_permission; /* codes */
    int refuse_channel;                                     /* -1: says nothing */
    struct sq_addr alternate;                               /* of 300 */
    uint32_t lifetime_s;
    struct sq_addr relayed, mapped;
    /* What happened. */
    int allocates, refreshes, permissions, binds, frees, indications, channel_data, wrong;
    int requests;
    bool holds;
    struct sq_addr peer_of_channel[RIG_PEERS];
    uint64_t channel_ns[RIG_PEERS], permit_ns[RIG_PEERS];
    struct sq_addr permitted[RIG_PEERS];
    size_t permitted_len;
    /* The last datagram that would have been relayed. */
    struct sq_addr last_to;
    uint8_t last[1600];
    size_t last_len;
    uint8_t last_tid[12];
};

struct rig {
    uint64_t now_ns, delay_ns;
    struct sq_rand rand;
    double loss;
    int drop_next; /* datagrams to the server */
    struct sq_turn *turn;
    struct sq_turn_config cfg;
    struct rig_server server;
    struct rig_packet queue[RIG_QUEUE];
    size_t queue_len, overflow;
    /* What the client told. */
    int allocated, again, failed, refused_peers, closed, code;
    enum sq_turn_fault fault;
    char text[SQ_TURN_TEXT_MAX];
    struct sq_addr relayed, mapped, again_at;
    bool again_elsewhere;
    /* What came from peers. */
    struct sq_addr data_from;
    uint8_t data[1600];
    size_t data_len;
    int data_count;
};

/* The user "anna", password "secret", realm "example.org", 20 ms each way. */
void rig_init(struct rig *rig, uint64_t seed);
/* Makes the client with rig->cfg and starts it. */
void rig_start(struct rig *rig);
void rig_run(struct rig *rig, uint64_t for_ns);
void rig_free(struct rig *rig);
/* Sends a datagram to a peer through the client; the length that went to the server. */
size_t rig_send(struct rig *rig, const struct sq_addr *to, const void *buf, size_t len);
/* A datagram of a peer: by channel where it has one, else as an indication. */
void rig_from_peer(struct rig *rig, const struct sq_addr *peer, const void *buf, size_t len);
struct sq_addr rig_addr(const char *ip, uint16_t port);

#endif
