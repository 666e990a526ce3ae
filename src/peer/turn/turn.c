/* A TURN client's life, and what it tells of itself. */
#include "peer/turn/turn.h"

#include "base/mem.h"
#include "peer/turn/turn_int.h"
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>
#include <string.h>

#define SHA1_BYTES 20

void sq_turn_config_init(struct sq_turn_config *config, struct sq_rand *rand)
{
    *config = (struct sq_turn_config){
        .rand = rand,
        .family = AF_INET,
        .rto_ms = 500,
        .rc = 7,
        .rm = 16,
        .stream_timeout_ms = 39500,
        .close_timeout_ms = 1000,
    };
}

int sq_turn_create(const struct sq_turn_config *config, const struct sq_turn_callbacks *callbacks,
                   void *ctx, struct sq_turn **ret_turn)
{
    const char *user = config->user ? config->user : "";
    const char *password = config->password ? config->password : "";
    if (!config->rand || !callbacks->send || config->rc < 1 || config->rc > 16 ||
        strlen(user) > SQ_TURN_CRED_MAX || strlen(password) > SQ_TURN_CRED_MAX ||
        (config->family != AF_INET && config->family != AF_INET6)) {
        return SQ_ERR_INVALID;
    }
    struct sq_turn *turn = sq_zalloc(sizeof(*turn));
    if (!turn) {
        return SQ_ERR_NOMEM;
    }
    turn->cfg = *config;
    turn->cfg.user = turn->cfg.password = NULL;
    turn->cb = callbacks;
    turn->ctx = ctx;
    turn->refresh_ns = turn->close_by_ns = SQ_NEVER;
    turn->user = sq_strdup(user);
    turn->password = sq_strdup(password);
    if (!turn->user || !turn->password) {
        sq_turn_destroy(turn);
        return SQ_ERR_NOMEM;
    }
    *ret_turn = turn;
    return 0;
}

void sq_turn_destroy(struct sq_turn *turn)
{
    if (!turn) {
        return;
    }
    sq_free(turn->user);
    sq_free(turn->password);
    sq_free(turn->realm);
    sq_free(turn->nonce);
    sq_free(turn->peers);
    sq_free(turn);
}

int sq_turn_start(struct sq_turn *turn, uint64_t now_ns)
{
    if (turn->state != TURN_IDLE) {
        return SQ_ERR_STATE;
    }
    turn->state = TURN_ALLOCATING;
    (void)turn_request(turn, now_ns, SQ_STUN_ALLOCATE, TURN_NONE); /* all places are free */
    return 0;
}

void turn_over(struct sq_turn *turn)
{
    turn->state = TURN_OVER;
    memset(turn->tx, 0, sizeof(turn->tx));
    turn->refresh_ns = turn->close_by_ns = SQ_NEVER;
}

/* Whether the server may have granted, or be about to grant, what it has not told yet. A request
 * that it will only challenge grants nothing. */
static bool may_be_granted(const struct sq_turn *turn)
{
    for (size_t i = 0; turn->state == TURN_ALLOCATING && i < TURN_TX_MAX; i++) {
        if (turn->tx[i].method == SQ_STUN_ALLOCATE && (turn->tx[i].signed_ || !turn->user[0])) {
            return true;
        }
    }
    return false;
}

void sq_turn_close(struct sq_turn *turn, uint64_t now_ns)
{
    if (turn->state == TURN_CLOSING) {
        return;
    }
    /* The Refresh goes behind the Allocate, from the same port; 437 says that there is none. */
    bool holds = turn->state == TURN_READY || may_be_granted(turn);
    turn_over(turn);
    if (holds) {
        turn->state = TURN_CLOSING;
        turn->close_by_ns = now_ns + turn->cfg.close_timeout_ms * SQ_NS_PER_MS;
        (void)turn_request(turn, now_ns, SQ_STUN_REFRESH, TURN_NONE);
    } else if (turn->cb->closed) {
        turn->cb->closed(turn->ctx);
    }
}

void sq_turn_refresh(struct sq_turn *turn, uint64_t now_ns)
{
    if (turn->state == TURN_READY && turn->refresh_ns != SQ_NEVER) {
        bool sent = turn_request(turn, now_ns, SQ_STUN_REFRESH, TURN_NONE) != NULL;
        /* Set again by the answer. Without a place it is the next that gets one. */
        turn->refresh_ns = sent ? SQ_NEVER : now_ns;
    }
}

bool sq_turn_is_ready(const struct sq_turn *turn)
{
    return turn->state == TURN_READY;
}

/* ---- Time ---- */

uint64_t sq_turn_next_timeout(const struct sq_turn *turn)
{
    uint64_t next = sq_min_u64(turn_requests_next(turn), turn->close_by_ns);
    if (turn->state == TURN_READY) {
        /* Without a place for it a refresh waits for the end of another request. */
        next = turn_has_room(turn) ? sq_min_u64(next, turn->refresh_ns) : next;
        next = sq_min_u64(next, turn_peers_next(turn));
    }
    return next;
}

void sq_turn_on_timeout(struct sq_turn *turn, uint64_t now_ns)
{
    if (turn->state == TURN_CLOSING && now_ns >= turn->close_by_ns) {
        turn_over(turn);
        if (turn->cb->closed) {
            turn->cb->closed(turn->ctx);
        }
        return;
    }
    turn_requests_timeout(turn, now_ns);
    if (turn->state != TURN_READY) {
        return;
    }
    if (now_ns >= turn->refresh_ns) {
        sq_turn_refresh(turn, now_ns);
    }
    turn_peers_timeout(turn, now_ns);
}

/* ---- What came ---- */

static int receive(struct sq_turn *turn, uint64_t now_ns, const void *buf, size_t len,
                   struct sq_turn_data *ret_data)
{
    const uint8_t *bytes = buf;
    if (turn->state == TURN_IDLE || turn->state == TURN_OVER) {
        return SQ_ERR_STATE;
    }
    if (len >= 4 && bytes[0] >= 0x40 && bytes[0] <= 0x4f) { /* ChannelData: section 12.4 */
        uint16_t index = (uint16_t)(sq_load_u16(bytes) - TURN_CHANNEL_FIRST);
        size_t data_len = sq_load_u16(bytes + 2);
        if (data_len > len - 4) {
            return SQ_ERR_FORMAT;
        }
        if (index >= turn->peers_len || turn->peers[index].channel == GRANT_NONE) {
            return SQ_ERR_NOTFOUND;
        }
        ret_data->from = turn->peers[index].addr;
        ret_data->at = 4;
        ret_data->len = data_len;
        return 1;
    }
    struct sq_stun_msg m;
    if (!sq_stun_is_message(buf, len) || sq_stun_parse(buf, len, &m) ||
        sq_stun_check_fingerprint(&m) == SQ_ERR_FORMAT) {
        return SQ_ERR_FORMAT;
    }
    if (m.cls == SQ_STUN_SUCCESS || m.cls == SQ_STUN_ERROR) {
        return turn_response(turn, now_ns, &m);
    }
    struct sq_view data;
    struct sq_addr from;
    if (m.cls != SQ_STUN_INDICATION || m.method != SQ_STUN_DATA ||
        sq_stun_get_xor_addr(&m, SQ_STUN_XOR_PEER_ADDRESS, &from) ||
        sq_stun_get_text(&m, SQ_STUN_DATA_ATTR, &data)) {
        return SQ_ERR_FORMAT; /* an ICMP error (section 11.5) is of no use to ICE */
    }
    for (uint16_t i = 0; i < turn->peers_len; i++) { /* section 11.4: only with a permission */
        if (turn->peers[i].permission != GRANT_NONE &&
            sq_addr_same_ip(&turn->peers[i].addr, &from)) {
            ret_data->from = from;
            ret_data->at = (size_t)((const uint8_t *)data.at - bytes);
            ret_data->len = data.len;
            return 1;
        }
    }
    return SQ_ERR_NOTFOUND;
}

int sq_turn_receive(struct sq_turn *turn, uint64_t now_ns, const void *buf, size_t len,
                    struct sq_turn_data *ret_data)
{
    int got = receive(turn, now_ns, buf, len, ret_data);
    struct sq_turn_stats *stats = &turn->stats;
    stats->data_received += got == 1;
    stats->unverified += got == SQ_ERR_AUTH;
    stats->strays += got == SQ_ERR_NOTFOUND;
    stats->unreadable +=
        got < 0 && got != SQ_ERR_AUTH && got != SQ_ERR_NOTFOUND && got != SQ_ERR_STATE;
    return got;
}

/* ---- What it shows ---- */

bool sq_turn_tell_unusable(const struct sq_turn *turn, char ret_text[static SQ_TURN_TEXT_MAX])
{
    const struct sq_turn_stats *s = &turn->stats;
    const struct {
        uint32_t n;
        const char *what;
    } kinds[] = {{s->unverified, "with a wrong or missing MESSAGE-INTEGRITY"},
                 {s->unreadable, "that are no TURN or break its rules"},
                 {s->strays, "to what was not asked"}};
    uint32_t all = s->unverified + s->unreadable + s->strays;
    size_t len =
        (size_t)snprintf(ret_text, SQ_TURN_TEXT_MAX,
                         "%u answer%s came, and could not be used:", all, all == 1 ? "" : "s");
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds) && len < SQ_TURN_TEXT_MAX; i++) {
        if (kinds[i].n > 0) {
            bool first = ret_text[len - 1] == ':';
            len += (size_t)snprintf(ret_text + len, SQ_TURN_TEXT_MAX - len, "%s %u %s",
                                    first ? "" : ",", kinds[i].n, kinds[i].what);
        }
    }
    return all > 0;
}

void sq_turn_get_stats(const struct sq_turn *turn, struct sq_turn_stats *ret_stats)
{
    *ret_stats = turn->stats;
    ret_stats->sha256 = turn->sha256_integrity;
    for (uint16_t i = 0; i < turn->peers_len; i++) {
        ret_stats->permissions += turn->peers[i].permission == GRANT_GIVEN;
        ret_stats->channels += turn->peers[i].channel == GRANT_GIVEN;
    }
}

size_t sq_turn_memory_bytes(const struct sq_turn *turn)
{
    size_t sum = sizeof(*turn) + strlen(turn->user) + strlen(turn->password) + 2;
    sum += turn->realm ? strlen(turn->realm) + 1 : 0;
    sum += turn->nonce ? strlen(turn->nonce) + 1 : 0;
    return sum + turn->peers_room * sizeof(struct turn_peer);
}

/* ---- Time-limited credentials ---- */

int sq_turn_rest_credentials(const char *secret, const char *name, uint64_t expiry_unix_s,
                             char *ret_user, size_t user_room,
                             char ret_password[static SQ_TURN_REST_PASSWORD_ROOM])
{
    char user[SQ_TURN_CRED_MAX + 1];
    uint8_t mac[EVP_MAX_MD_SIZE];
    unsigned mac_len = 0;
    int n = snprintf(user, sizeof(user), "%llu%s%s", (unsigned long long)expiry_unix_s,
                     name ? ":" : "", name ? name : "");
    if (n < 0 || (size_t)n >= sizeof(user) || (size_t)n >= user_room) {
        return SQ_ERR_NOSPACE;
    }
    if (!HMAC(EVP_sha1(), secret, (int)strlen(secret), (const uint8_t *)user, (size_t)n, mac,
              &mac_len) ||
        mac_len != SHA1_BYTES) {
        return SQ_ERR_CRYPTO;
    }
    memcpy(ret_user, user, (size_t)n + 1);
    EVP_EncodeBlock((uint8_t *)ret_password, mac, (int)mac_len); /* 28 characters and a NUL */
    return 0;
}
