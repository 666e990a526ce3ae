/* Long-term credentials (RFC 8489, section 9.2): challenges, signing, checking of answers. */
#include "base/mem.h"
#include "peer/turn/turn_int.h"
#include <string.h>

/* RFC 8489, sections 14.12 and 18.5. */
#define ALGORITHM_MD5    1
#define ALGORITHM_SHA256 2

/* RFC 8489, section 9.2: a nonce that begins with this tells, in the 4 base64 characters behind it,
 * what the server can do (section 18.1). */
#define NONCE_COOKIE "obMatJos2"

static char *text_of(const struct sq_stun_msg *m, uint16_t type)
{
    struct sq_view text;
    if (sq_stun_get_text(m, type, &text) || text.len == 0 || text.len > TURN_REALM_MAX ||
        memchr(text.at, '\0', text.len)) {
        return NULL;
    }
    return sq_strndup(text.at, text.len);
}

bool turn_same_realm(const struct sq_turn *turn, const struct sq_stun_msg *m)
{
    struct sq_view realm;
    return turn->realm && sq_stun_get_text(m, SQ_STUN_REALM, &realm) == 0 &&
           sq_view_is(realm, turn->realm);
}

/* Whether the nonce says that password algorithms are offered. The RFC numbers its bits from the
 * most significant one, and its own example (B.1) from the least: both are understood. */
static bool nonce_promises_algorithms(const char *nonce)
{
    size_t cookie = strlen(NONCE_COOKIE);
    if (strncmp(nonce, NONCE_COOKIE, cookie) != 0 || strlen(nonce) < cookie + 4) {
        return false;
    }
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const char *first = strchr(digits, nonce[cookie]);
    const char *last = strchr(digits, nonce[cookie + 3]);
    return (first && *first && ((first - digits) & 0x20)) ||
           (last && *last && ((last - digits) & 1));
}

/* The best algorithm of the server's list; 0: none that we know. */
static uint8_t choose_algorithm(const struct sq_stun_attr *a)
{
    struct sq_wire w = sq_wire_reader(a->value, a->len);
    uint8_t best = 0;
    while (sq_wire_left(&w) >= 4) {
        uint16_t algorithm = sq_wire_u16(&w);
        size_t params = sq_wire_u16(&w);
        sq_wire_skip(&w, (params + 3) & ~(size_t)3);
        bool known = algorithm == ALGORITHM_MD5 || algorithm == ALGORITHM_SHA256;
        if (!w.err && known && algorithm > best) {
            best = (uint8_t)algorithm;
        }
    }
    return best;
}

enum turn_challenge turn_take_challenge(struct sq_turn *turn, const struct sq_stun_msg *m)
{
    struct sq_stun_attr list;
    bool offers = sq_stun_find(m, SQ_STUN_PASSWORD_ALGORITHMS, &list);
    uint8_t algorithm = offers ? choose_algorithm(&list) : 0;
    if (!sq_stun_has(m, SQ_STUN_NONCE) || (!turn->realm && !sq_stun_has(m, SQ_STUN_REALM))) {
        return CHALLENGE_NONE;
    }
    char *nonce = text_of(m, SQ_STUN_NONCE);
    char *realm =
        sq_stun_has(m, SQ_STUN_REALM) ? text_of(m, SQ_STUN_REALM) : sq_strdup(turn->realm);
    enum turn_challenge result = CHALLENGE_NOMEM;
    struct sq_stun_key key;
    if (!nonce || !realm) {
        goto out;
    }
    /* A list that was promised and is not there was taken out on the way; one without an algorithm
     * that we know leaves no way to answer (section 9.2.5). */
    result = CHALLENGE_UNKNOWN;
    if (offers ? algorithm == 0 || list.len > TURN_ALGORITHMS_MAX
               : nonce_promises_algorithms(nonce)) {
        goto out;
    }
    result = CHALLENGE_NOMEM;
    if (sq_stun_key_long_term(turn->user, realm, turn->password, algorithm == ALGORITHM_SHA256,
                              &key)) {
        goto out;
    }
    sq_free(turn->realm);
    sq_free(turn->nonce);
    turn->realm = realm;
    turn->nonce = nonce;
    turn->key = key;
    turn->sha256_integrity = offers;
    turn->algorithm = algorithm;
    turn->algorithms_len = offers ? (uint8_t)list.len : 0;
    if (offers) {
        memcpy(turn->algorithms, list.value, list.len);
    }
    return CHALLENGE_TAKEN;
out:
    sq_free(nonce);
    sq_free(realm);
    return result;
}

void turn_sign(const struct sq_turn *turn, struct sq_stun_writer *w)
{
    if (!turn->nonce) {
        return;
    }
    sq_stun_put_text(w, SQ_STUN_USERNAME, turn->user);
    sq_stun_put_text(w, SQ_STUN_REALM, turn->realm);
    sq_stun_put_text(w, SQ_STUN_NONCE, turn->nonce);
    if (!turn->sha256_integrity) {
        sq_stun_put_integrity(w, &turn->key);
        return;
    }
    const uint8_t algorithm[4] = {0, turn->algorithm, 0, 0};
    sq_stun_put(w, SQ_STUN_PASSWORD_ALGORITHMS, turn->algorithms, turn->algorithms_len);
    sq_stun_put(w, SQ_STUN_PASSWORD_ALGORITHM, algorithm, sizeof(algorithm));
    sq_stun_put_integrity_sha256(w, &turn->key);
}

int turn_check(const struct sq_turn *turn, const struct turn_tx *tx, const struct sq_stun_msg *m)
{
    if (!tx->signed_) {
        return 0;
    }
    int code = 0;
    if (m->cls == SQ_STUN_ERROR && sq_stun_get_error(m, &code, NULL)) {
        return SQ_ERR_FORMAT;
    }
    int err = sq_stun_check_integrity(m, &turn->key);
    /* Refusals need not be signed (401, 438), and servers differ over the rest of them. */
    bool refusal = m->cls == SQ_STUN_ERROR && (err == SQ_ERR_NOTFOUND || code == 401);
    return err == 0 || refusal ? 0 : SQ_ERR_AUTH;
}
