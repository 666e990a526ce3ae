/* Peers of an allocation: permissions (RFC 8656, section 9), channels (section 12), and datagrams
 * to them. */
#include "base/mem.h"
#include "peer/turn/turn_int.h"
#include <string.h>

static uint16_t find_peer(struct sq_turn *turn, const struct sq_addr *addr)
{
    if (turn->last_peer < turn->peers_len &&
        sq_addr_equal(&turn->peers[turn->last_peer].addr, addr)) {
        return turn->last_peer;
    }
    for (uint16_t i = 0; i < turn->peers_len; i++) {
        if (sq_addr_equal(&turn->peers[i].addr, addr)) {
            turn->last_peer = i;
            return i;
        }
    }
    return TURN_NONE;
}

/* One that was sent to least lately, has no channel, and is not being asked for. */
static uint16_t oldest_without_channel(const struct sq_turn *turn)
{
    uint16_t oldest = TURN_NONE;
    for (uint16_t i = 0; i < turn->peers_len; i++) {
        const struct turn_peer *p = &turn->peers[i];
        bool free = p->channel == GRANT_NONE && p->permission != GRANT_ASKED;
        if (free && (oldest == TURN_NONE || p->used_ns < turn->peers[oldest].used_ns)) {
            oldest = i;
        }
    }
    return oldest;
}

static uint16_t add_peer(struct sq_turn *turn, const struct sq_addr *addr)
{
    uint16_t index = turn->peers_len;
    if (index == SQ_TURN_PEERS_MAX) {
        index = oldest_without_channel(turn);
        if (index == TURN_NONE) {
            return TURN_NONE;
        }
    } else if (index == turn->peers_room) {
        uint16_t room = index < 2 ? 2 : (uint16_t)(index * 2);
        struct turn_peer *grown = sq_realloc(turn->peers, room * sizeof(*grown));
        if (!grown) {
            return TURN_NONE;
        }
        turn->peers = grown;
        turn->peers_room = room;
    }
    struct turn_peer fresh = {.addr = *addr, .due_ns = SQ_NEVER};
    for (uint16_t i = 0; i < turn->peers_len; i++) { /* a permission is one of the IP address */
        const struct turn_peer *p = &turn->peers[i];
        if (i != index && p->permission != GRANT_NONE && sq_addr_same_ip(&p->addr, addr)) {
            fresh.permission = p->permission;
            fresh.due_ns = p->permission == GRANT_GIVEN ? p->due_ns : SQ_NEVER;
        }
    }
    turn->peers[index] = fresh;
    turn->peers_len += index == turn->peers_len;
    turn->last_peer = index;
    return index;
}

/* ---- Asking ---- */

static void ask(struct sq_turn *turn, uint64_t now_ns, uint16_t index, bool channel)
{
    struct turn_peer *p = &turn->peers[index];
    bool sent = turn_request(turn, now_ns,
                             channel ? SQ_STUN_CHANNEL_BIND : SQ_STUN_CREATE_PERMISSION, index);
    if (channel) {
        p->wants_channel = !sent;
        p->channel = p->channel == GRANT_NONE ? GRANT_ASKED : p->channel;
    } else {
        p->wants_permission = !sent;
        p->permission = p->permission == GRANT_NONE ? GRANT_ASKED : p->permission;
    }
}

void turn_peers_granted(struct sq_turn *turn, uint64_t now_ns, uint16_t method, uint16_t peer)
{
    struct turn_peer *granted = &turn->peers[peer];
    if (method == SQ_STUN_CHANNEL_BIND) {
        granted->channel = GRANT_GIVEN;
        granted->due_ns = now_ns + TURN_KEEP_UP_NS;
    }
    for (uint16_t i = 0; i < turn->peers_len; i++) { /* binding grants the permission, too */
        struct turn_peer *p = &turn->peers[i];
        if (sq_addr_same_ip(&p->addr, &granted->addr)) {
            p->permission = GRANT_GIVEN;
            /* A channel is kept up by its own request. */
            p->due_ns = p->channel == GRANT_GIVEN ? p->due_ns : now_ns + TURN_KEEP_UP_NS;
        }
    }
}

void turn_peers_refused(struct sq_turn *turn, uint64_t now_ns, uint16_t method, uint16_t peer,
                        int code, const char *text)
{
    struct turn_peer *p = &turn->peers[peer];
    struct sq_addr addr = p->addr;
    if (method == SQ_STUN_CHANNEL_BIND) { /* indications serve as well */
        p->channel = GRANT_REFUSED;
        if (p->permission == GRANT_GIVEN && p->due_ns == SQ_NEVER) {
            p->due_ns = now_ns; /* the channel kept the permission up, which runs out otherwise */
        }
    }
    if (method == SQ_STUN_CREATE_PERMISSION || code == 403 || code == 443) {
        for (uint16_t i = 0; i < turn->peers_len; i++) {
            if (sq_addr_same_ip(&turn->peers[i].addr, &addr)) {
                turn->peers[i].permission = GRANT_REFUSED;
                turn->peers[i].due_ns = SQ_NEVER;
            }
        }
        if (turn->cb->peer_refused) {
            turn->cb->peer_refused(turn->ctx, &addr, code, text);
        }
    }
}

/* Whether another entry of the same IP address keeps the permission up. */
static bool kept_by_other(const struct sq_turn *turn, uint64_t now_ns, uint16_t index)
{
    for (uint16_t i = 0; i < turn->peers_len; i++) {
        const struct turn_peer *p = &turn->peers[i];
        bool first = i < index || p->channel == GRANT_GIVEN;
        if (i != index && first && p->permission == GRANT_GIVEN &&
            now_ns < p->used_ns + TURN_KEEP_UP_NS &&
            sq_addr_same_ip(&p->addr, &turn->peers[index].addr)) {
            return true;
        }
    }
    return false;
}

static void keep_up(struct sq_turn *turn, uint64_t now_ns, uint16_t index)
{
    struct turn_peer *p = &turn->peers[index];
    bool bound = p->channel == GRANT_GIVEN;
    if (now_ns >= p->used_ns + TURN_KEEP_UP_NS) { /* nobody uses it: it runs out at the server */
        p->due_ns = SQ_NEVER;
        p->permission = GRANT_NONE;
        p->channel = bound ? GRANT_NONE : p->channel;
    } else if (!bound && kept_by_other(turn, now_ns, index)) {
        p->due_ns = now_ns + TURN_KEEP_UP_NS;
    } else {
        p->due_ns = SQ_NEVER; /* set by the answer */
        ask(turn, now_ns, index, bound);
    }
}

void turn_peers_timeout(struct sq_turn *turn, uint64_t now_ns)
{
    for (uint16_t i = 0; i < turn->peers_len; i++) {
        struct turn_peer *p = &turn->peers[i];
        if (now_ns >= p->due_ns) {
            keep_up(turn, now_ns, i);
        }
        if (p->wants_permission && turn_has_room(turn)) {
            ask(turn, now_ns, i, false);
        }
        if (p->wants_channel && turn_has_room(turn)) {
            ask(turn, now_ns, i, true);
        }
    }
}

uint64_t turn_peers_next(const struct sq_turn *turn)
{
    uint64_t next = SQ_NEVER;
    bool waits = false;
    for (uint16_t i = 0; i < turn->peers_len; i++) {
        next = sq_min_u64(next, turn->peers[i].due_ns);
        waits = waits || turn->peers[i].wants_permission || turn->peers[i].wants_channel;
    }
    return waits && turn_has_room(turn) ? 0 : next;
}

/* ---- Datagrams to peers ---- */

/* RFC 7983: STUN begins with 0 to 3. Checks try many addresses, and a channel for each is waste. */
static bool is_data(const uint8_t *buf, size_t len)
{
    return len > 0 && buf[0] > 3;
}

static size_t wrap_indication(struct sq_turn *turn, uint16_t index, const void *buf, size_t len,
                              uint8_t *out, size_t room)
{
    uint8_t tid[SQ_STUN_TID_BYTES];
    size_t written;
    sq_store_u64(tid, sq_rand_u64(turn->cfg.rand));
    sq_store_u32(tid + 8, sq_rand_u32(turn->cfg.rand));
    struct sq_stun_writer w = sq_stun_begin(out, room, SQ_STUN_INDICATION, SQ_STUN_SEND, tid);
    sq_stun_put_xor_addr(&w, SQ_STUN_XOR_PEER_ADDRESS, &turn->peers[index].addr);
    sq_stun_put(&w, SQ_STUN_DATA_ATTR, buf, len);
    if (sq_stun_end(&w, &written)) {
        return 0;
    }
    turn->stats.indications_sent++;
    return written;
}

static size_t wrap_slowly(struct sq_turn *turn, uint64_t now_ns, uint16_t index, const void *buf,
                          size_t len, uint8_t *out, size_t room)
{
    struct turn_peer *p = &turn->peers[index];
    if (p->permission == GRANT_REFUSED) {
        return 0;
    }
    /* The server works off one client's messages in their order: what follows the request finds
     * the permission there. */
    if (p->permission == GRANT_NONE) {
        ask(turn, now_ns, index, false);
    }
    if (p->channel == GRANT_NONE && is_data(buf, len)) {
        ask(turn, now_ns, index, true);
    }
    return wrap_indication(turn, index, buf, len, out, room);
}

size_t sq_turn_wrap(struct sq_turn *turn, uint64_t now_ns, const struct sq_addr *to,
                    const void *buf, size_t len, uint8_t *out, size_t room)
{
    uint16_t index = turn->state == TURN_READY ? find_peer(turn, to) : TURN_NONE;
    if (index == TURN_NONE && turn->state == TURN_READY) {
        index = add_peer(turn, to);
    }
    size_t padding = turn->cfg.stream ? -len & 3 : 0; /* section 12.5 */
    if (index == TURN_NONE || len > UINT16_MAX || room < len + padding + 4) {
        turn->stats.dropped++;
        return 0;
    }
    struct turn_peer *p = &turn->peers[index];
    p->used_ns = now_ns;
    if (p->channel != GRANT_GIVEN) {
        size_t n = wrap_slowly(turn, now_ns, index, buf, len, out, room);
        turn->stats.dropped += n == 0;
        return n;
    }
    sq_store_u16(out, (uint16_t)(TURN_CHANNEL_FIRST + index));
    sq_store_u16(out + 2, (uint16_t)len);
    memcpy(out + 4, buf, len);
    memset(out + 4 + len, 0, padding);
    turn->stats.channel_sent++;
    return 4 + len + padding;
}
