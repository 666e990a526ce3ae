/* The server's answers: what each means for the allocation and for peers. */
#include "peer/turn/turn_int.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define LIFETIME_DEFAULT_S 600u /* RFC 8656, section 3.2 */
#define LIFETIME_MAX_S     (24 * 3600u)

void turn_fail(struct sq_turn *turn, enum sq_turn_fault fault, int code, const char *fmt, ...)
{
    char text[SQ_TURN_TEXT_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    turn_over(turn);
    if (turn->cb->failed) {
        turn->cb->failed(turn->ctx, fault, code, text);
    }
}

/* A refusal that is being handled. */
struct refusal {
    uint64_t now_ns;
    const struct sq_stun_msg *m;
    struct turn_tx *tx;
    int code;
    char reason[80]; /* printable; the server's phrase or our own */
};

static const char *own_phrase(int code)
{
    static const struct {
        int code;
        const char *phrase;
    } phrases[] = {
        {300, "Try Alternate"},
        {400, "Bad Request"},
        {401, "Unauthenticated"},
        {403, "Forbidden"},
        {420, "Unknown Attribute"},
        {437, "Allocation Mismatch"},
        {438, "Stale Nonce"},
        {440, "Address Family not Supported"},
        {441, "Wrong Credentials"},
        {442, "Unsupported Transport Protocol"},
        {443, "Peer Address Family Mismatch"},
        {486, "Allocation Quota Reached"},
        {500, "Server Error"},
        {508, "Insufficient Capacity"},
    };
    for (size_t i = 0; i < sizeof(phrases) / sizeof(*phrases); i++) {
        if (phrases[i].code == code) {
            return phrases[i].phrase;
        }
    }
    return "no reason given";
}

static void set_reason(struct refusal *r, struct sq_view phrase)
{
    size_t n = 0;
    for (size_t i = 0; i < phrase.len && n + 1 < sizeof(r->reason); i++) {
        if (phrase.at[i] >= ' ' && phrase.at[i] <= '~') {
            r->reason[n++] = phrase.at[i];
        }
    }
    r->reason[n] = '\0';
    if (n == 0) {
        snprintf(r->reason, sizeof(r->reason), "%s", own_phrase(r->code));
    }
}

static const char *method_text(uint16_t method)
{
    switch (method) {
    case SQ_STUN_ALLOCATE:
        return "the allocation";
    case SQ_STUN_REFRESH:
        return "to keep the allocation";
    case SQ_STUN_CHANNEL_BIND:
        return "a channel";
    default:
        return "a permission";
    }
}

static bool is_of_peer(const struct turn_tx *tx)
{
    return tx->method == SQ_STUN_CREATE_PERMISSION || tx->method == SQ_STUN_CHANNEL_BIND;
}

/* ---- Refusals ---- */

static void refused(struct sq_turn *turn, const struct refusal *r, enum sq_turn_fault fault)
{
    struct turn_tx tx = *r->tx;
    r->tx->method = 0;
    if (is_of_peer(&tx)) {
        turn_peers_refused(turn, r->now_ns, tx.method, tx.peer, r->code, r->reason);
    } else if (turn->state == TURN_CLOSING) { /* then it is gone, or the server will drop it */
        turn_over(turn);
        if (turn->cb->closed) {
            turn->cb->closed(turn->ctx);
        }
    } else {
        turn_fail(turn, fault, r->code, "refused %s: %d %s", method_text(tx.method), r->code,
                  r->reason);
    }
}

static void on_challenge(struct sq_turn *turn, struct refusal *r)
{
    switch (turn_take_challenge(turn, r->m)) {
    case CHALLENGE_TAKEN:
        turn_request_again(turn, r->now_ns, r->tx);
        break;
    case CHALLENGE_NOMEM:
        turn_fail(turn, SQ_TURN_FAULT_MEMORY, r->code, "no memory for realm and nonce");
        break;
    case CHALLENGE_NONE:
        turn_fail(turn, SQ_TURN_FAULT_PROTOCOL, r->code,
                  "answered %d %s without the realm and nonce that belong to it (RFC 8489, 9.2.4)",
                  r->code, r->reason);
        break;
    case CHALLENGE_UNKNOWN:
        turn_fail(turn, SQ_TURN_FAULT_AUTH, r->code,
                  "offers no password algorithm that is known here (MD5, SHA-256)");
        break;
    }
}

static void on_401(struct sq_turn *turn, struct refusal *r)
{
    if (!turn->user[0]) {
        turn_fail(turn, SQ_TURN_FAULT_AUTH, r->code,
                  "asks for credentials, and none were given: %d %s", r->code, r->reason);
    } else if (r->tx->signed_ && (turn_same_realm(turn, r->m) || r->tx->stale >= TURN_STALE_MAX)) {
        if (turn->state == TURN_CLOSING) {
            refused(turn, r, SQ_TURN_FAULT_AUTH);
        } else {
            turn_fail(turn, SQ_TURN_FAULT_AUTH, r->code,
                      "refused the credentials of user '%.80s': %d %s", turn->user, r->code,
                      r->reason);
        }
    } else {
        r->tx->stale++;
        on_challenge(turn, r);
    }
}

static void on_438(struct sq_turn *turn, struct refusal *r)
{
    turn->stats.stale_nonces++;
    if (++r->tx->stale > TURN_STALE_MAX) {
        refused(turn, r, SQ_TURN_FAULT_PROTOCOL);
    } else {
        on_challenge(turn, r);
    }
}

static void go_again(struct sq_turn *turn, const struct sq_addr *server)
{
    turn_over(turn);
    turn->state = TURN_IDLE;
    if (server) { /* another server, another realm */
        turn->alternates++;
        turn->sha256_integrity = false;
    } else {
        turn->agains++;
    }
    if (turn->cb->again) {
        turn->cb->again(turn->ctx, server);
    }
}

static void on_300(struct sq_turn *turn, struct refusal *r)
{
    struct sq_addr server;
    if (r->tx->method != SQ_STUN_ALLOCATE ||
        sq_stun_get_addr(r->m, SQ_STUN_ALTERNATE_SERVER, &server) || sq_addr_port(&server) == 0) {
        refused(turn, r, SQ_TURN_FAULT_PROTOCOL);
    } else if (turn->alternates >= SQ_TURN_ALTERNATES_MAX) {
        turn_fail(turn, SQ_TURN_FAULT_REFUSED, r->code,
                  "is the last of %d servers that each sent us to another one (300 Try Alternate)",
                  SQ_TURN_ALTERNATES_MAX + 1);
    } else {
        go_again(turn, &server);
    }
}

/* RFC 8656, section 7.4: on Allocate another local port helps; later the allocation is gone. */
static void on_437(struct sq_turn *turn, struct refusal *r)
{
    if (r->tx->method == SQ_STUN_ALLOCATE && turn->agains < SQ_TURN_AGAIN_MAX) {
        go_again(turn, NULL);
    } else if (r->tx->method != SQ_STUN_ALLOCATE && turn->state == TURN_READY) {
        turn_fail(turn, SQ_TURN_FAULT_REFUSED, r->code, "has no allocation of ours any more: %d %s",
                  r->code, r->reason);
    } else {
        refused(turn, r, SQ_TURN_FAULT_REFUSED);
    }
}

static void on_refusal(struct sq_turn *turn, struct refusal *r)
{
    switch (r->code) {
    case 300:
        on_300(turn, r);
        break;
    case 401:
        on_401(turn, r);
        break;
    case 437:
        on_437(turn, r);
        break;
    case 438:
        on_438(turn, r);
        break;
    case 441:
        refused(turn, r, SQ_TURN_FAULT_AUTH);
        break;
    default:
        refused(turn, r, SQ_TURN_FAULT_REFUSED);
        break;
    }
}

/* ---- Success ---- */

static void set_lifetime(struct sq_turn *turn, uint64_t now_ns, const struct sq_stun_msg *m)
{
    uint32_t lifetime_s;
    if (sq_stun_get_u32(m, SQ_STUN_LIFETIME, &lifetime_s)) {
        lifetime_s = LIFETIME_DEFAULT_S;
    }
    lifetime_s = lifetime_s < LIFETIME_MAX_S ? lifetime_s : LIFETIME_MAX_S;
    turn->stats.lifetime_s = lifetime_s;
    uint32_t wait_s = lifetime_s > 120 ? lifetime_s - 60 : lifetime_s / 2;
    turn->refresh_ns = now_ns + sq_max_u64(wait_s, 1) * SQ_NS_PER_SEC;
}

static void on_allocated(struct sq_turn *turn, uint64_t now_ns, const struct sq_stun_msg *m)
{
    struct sq_addr relayed, mapped;
    if (sq_stun_get_xor_addr(m, SQ_STUN_XOR_RELAYED_ADDRESS, &relayed) ||
        sq_stun_get_xor_addr(m, SQ_STUN_XOR_MAPPED_ADDRESS, &mapped) ||
        sq_addr_port(&relayed) == 0) {
        turn_fail(turn, SQ_TURN_FAULT_PROTOCOL, 0,
                  "granted an allocation without its relayed and mapped address (RFC 8656, 7.3)");
        return;
    }
    turn->state = TURN_READY;
    set_lifetime(turn, now_ns, m);
    if (turn->cb->allocated) {
        turn->cb->allocated(turn->ctx, &relayed, &mapped);
    }
}

static void on_refreshed(struct sq_turn *turn, uint64_t now_ns, const struct sq_stun_msg *m)
{
    if (turn->state == TURN_CLOSING) {
        turn_over(turn);
        if (turn->cb->closed) {
            turn->cb->closed(turn->ctx);
        }
        return;
    }
    turn->stats.refreshes++;
    set_lifetime(turn, now_ns, m);
}

static void on_success(struct sq_turn *turn, uint64_t now_ns, const struct sq_stun_msg *m,
                       const struct turn_tx *tx)
{
    switch (tx->method) {
    case SQ_STUN_ALLOCATE:
        on_allocated(turn, now_ns, m);
        break;
    case SQ_STUN_REFRESH:
        on_refreshed(turn, now_ns, m);
        break;
    default:
        turn_peers_granted(turn, now_ns, tx->method, tx->peer);
        break;
    }
}

int turn_response(struct sq_turn *turn, uint64_t now_ns, const struct sq_stun_msg *m)
{
    struct turn_tx *tx = turn_find_tx(turn, m->tid);
    if (!tx || tx->method != m->method) {
        return SQ_ERR_NOTFOUND;
    }
    int err = turn_check(turn, tx, m);
    if (err) {
        return err;
    }
    turn->stats.responses_received++;
    if (m->cls == SQ_STUN_SUCCESS) {
        struct turn_tx done = *tx;
        tx->method = 0;
        on_success(turn, now_ns, m, &done);
        return 0;
    }
    struct refusal r = {.now_ns = now_ns, .m = m, .tx = tx};
    struct sq_view phrase;
    err = sq_stun_get_error(m, &r.code, &phrase);
    if (!err) {
        set_reason(&r, phrase);
        on_refusal(turn, &r);
    }
    return err;
}

void turn_unanswered(struct sq_turn *turn, uint64_t now_ns, const struct turn_tx *tx)
{
    if (is_of_peer(tx)) {
        turn_peers_refused(turn, now_ns, tx->method, tx->peer, 0, "no answer");
        return;
    }
    char unusable[SQ_TURN_TEXT_MAX];
    if (turn->state == TURN_ALLOCATING && sq_turn_tell_unusable(turn, unusable)) {
        turn_fail(turn, SQ_TURN_FAULT_PROTOCOL, 0, "grants nothing: %s", unusable);
    } else if (turn->state == TURN_ALLOCATING || turn->state == TURN_READY) {
        turn_fail(turn, SQ_TURN_FAULT_SILENT, 0,
                  turn->state == TURN_READY ? "no longer answers" : "does not answer");
    }
}
