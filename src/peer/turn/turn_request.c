/* Requests to the server and their retransmission (RFC 8489, section 6.2). */
#include "peer/turn/turn_int.h"
#include <string.h>

#define TRANSPORT_UDP 17u /* RFC 8656, section 18.7 */
#define FAMILY_IPV6   2u  /* RFC 8656, section 18.6 */

static void put_what(const struct sq_turn *turn, const struct turn_tx *tx, struct sq_stun_writer *w)
{
    switch (tx->method) {
    case SQ_STUN_ALLOCATE:
        sq_stun_put_u32(w, SQ_STUN_REQUESTED_TRANSPORT, TRANSPORT_UDP << 24);
        if (turn->cfg.family == AF_INET6) {
            sq_stun_put_u32(w, SQ_STUN_REQUESTED_ADDRESS_FAMILY, FAMILY_IPV6 << 24);
        }
        if (turn->cfg.lifetime_s) {
            sq_stun_put_u32(w, SQ_STUN_LIFETIME, turn->cfg.lifetime_s);
        }
        break;
    case SQ_STUN_REFRESH:
        if (turn->state == TURN_CLOSING) {
            sq_stun_put_u32(w, SQ_STUN_LIFETIME, 0);
        } else if (turn->cfg.lifetime_s) {
            sq_stun_put_u32(w, SQ_STUN_LIFETIME, turn->cfg.lifetime_s);
        }
        break;
    case SQ_STUN_CHANNEL_BIND:
        sq_stun_put_u32(w, SQ_STUN_CHANNEL_NUMBER, (TURN_CHANNEL_FIRST + (uint32_t)tx->peer) << 16);
        sq_stun_put_xor_addr(w, SQ_STUN_XOR_PEER_ADDRESS, &turn->peers[tx->peer].addr);
        break;
    case SQ_STUN_CREATE_PERMISSION:
        sq_stun_put_xor_addr(w, SQ_STUN_XOR_PEER_ADDRESS, &turn->peers[tx->peer].addr);
        break;
    default:
        break;
    }
}

static void send_request(struct sq_turn *turn, uint64_t now_ns, struct turn_tx *tx)
{
    uint8_t buf[SQ_TURN_MESSAGE_MAX];
    size_t len;
    struct sq_stun_writer w = sq_stun_begin(buf, sizeof(buf), SQ_STUN_REQUEST, tx->method, tx->tid);
    put_what(turn, tx, &w);
    turn_sign(turn, &w);
    tx->signed_ = turn->nonce != NULL;
    tx->sends++;
    if (turn->cfg.stream) {
        tx->due_ns = now_ns + turn->cfg.stream_timeout_ms * SQ_NS_PER_MS;
    } else {
        uint64_t wait_ms = tx->sends < turn->cfg.rc ? (uint64_t)tx->rto_ms << (tx->sends - 1)
                                                    : (uint64_t)tx->rto_ms * turn->cfg.rm;
        tx->due_ns = now_ns + wait_ms * SQ_NS_PER_MS;
    }
    if (sq_stun_end(&w, &len) == 0) {
        turn->cb->send(turn->ctx, buf, len);
    }
}

static void new_tid(struct sq_turn *turn, struct turn_tx *tx)
{
    sq_store_u64(tx->tid, sq_rand_u64(turn->cfg.rand));
    sq_store_u32(tx->tid + 8, sq_rand_u32(turn->cfg.rand));
    tx->sends = 0;
    tx->rto_ms = turn->cfg.rto_ms;
    turn->stats.requests_sent++;
}

bool turn_has_room(const struct sq_turn *turn)
{
    for (size_t i = 0; i < TURN_TX_MAX; i++) {
        if (turn->tx[i].method == 0) {
            return true;
        }
    }
    return false;
}

struct turn_tx *turn_request(struct sq_turn *turn, uint64_t now_ns, uint16_t method, uint16_t peer)
{
    for (size_t i = 0; i < TURN_TX_MAX; i++) {
        struct turn_tx *tx = &turn->tx[i];
        if (tx->method == 0) {
            *tx = (struct turn_tx){.method = method, .peer = peer};
            new_tid(turn, tx);
            send_request(turn, now_ns, tx);
            return tx;
        }
    }
    return NULL;
}

void turn_request_again(struct sq_turn *turn, uint64_t now_ns, struct turn_tx *tx)
{
    new_tid(turn, tx);
    send_request(turn, now_ns, tx);
}

struct turn_tx *turn_find_tx(struct sq_turn *turn, const uint8_t *tid)
{
    for (size_t i = 0; i < TURN_TX_MAX; i++) {
        struct turn_tx *tx = &turn->tx[i];
        if (tx->method && memcmp(tx->tid, tid, SQ_STUN_TID_BYTES) == 0) {
            return tx;
        }
    }
    return NULL;
}

void turn_requests_timeout(struct sq_turn *turn, uint64_t now_ns)
{
    for (size_t i = 0; i < TURN_TX_MAX; i++) {
        struct turn_tx *tx = &turn->tx[i];
        if (tx->method == 0 || now_ns < tx->due_ns) {
            continue;
        }
        if (turn->cfg.stream || tx->sends >= turn->cfg.rc) {
            struct turn_tx gone = *tx;
            tx->method = 0;
            turn_unanswered(turn, now_ns, &gone);
        } else {
            turn->stats.retransmissions++;
            send_request(turn, now_ns, tx);
        }
    }
}

uint64_t turn_requests_next(const struct sq_turn *turn)
{
    uint64_t next = SQ_NEVER;
    for (size_t i = 0; i < TURN_TX_MAX; i++) {
        if (turn->tx[i].method) {
            next = sq_min_u64(next, turn->tx[i].due_ns);
        }
    }
    return next;
}
