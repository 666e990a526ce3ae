#include "signal/pair/pair_code.h"

#include "base/wire.h"
#include <openssl/evp.h>
#include <stdio.h>
#include <string.h>

#define CRC_BYTES  3
#define CRC24_INIT 0xB704CEU /* RFC 4880, section 6.1 */
#define CRC24_POLY 0x864CFBU
#define HEAD_BYTES (2 + SQ_SHA256_BYTES)
#define KINDS      4
#define BAD        0xff
#define SKIP       0xfe

static const char alphabet[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";

/* The kinds of candidates in their order on the wire. */
static const struct {
    int family;
    bool srflx;
    size_t addr_bytes;
} kinds[KINDS] = {
    {AF_INET, false, 4}, {AF_INET6, false, 16}, {AF_INET, true, 4}, {AF_INET6, true, 16}};

static uint32_t crc24(const uint8_t *bytes, size_t n)
{
    uint32_t crc = CRC24_INIT;
    for (size_t i = 0; i < n; i++) {
        crc ^= (uint32_t)bytes[i] << 16;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x800000 ? crc << 1 ^ CRC24_POLY : crc << 1;
        }
    }
    return crc & 0xffffff;
}

int sq_pair_tag(const uint8_t fingerprint[static SQ_SHA256_BYTES], uint8_t *ret_tag)
{
    uint8_t digest[SQ_SHA256_BYTES];
    if (EVP_Digest(fingerprint, SQ_SHA256_BYTES, digest, NULL, EVP_sha256(), NULL) != 1) {
        return SQ_ERR_CRYPTO;
    }
    *ret_tag = digest[0];
    return 0;
}

/* ---- Base32 ---- */

static uint8_t digit_of(char c)
{
    if (c == ' ' || c == '-' || c == '\n' || c == '\r' || c == '\t') {
        return SKIP;
    }
    if (c >= 'a' && c <= 'z') {
        c = (char)(c - 'a' + 'A');
    }
    c = c == 'O' ? '0' : c == 'I' || c == 'L' ? '1' : c;
    const char *at = c ? strchr(alphabet, c) : NULL;
    return at ? (uint8_t)(at - alphabet) : BAD;
}

static void to_text(const uint8_t *bytes, size_t n, char *text)
{
    size_t chars = (n * 8 + 4) / 5;
    for (size_t i = 0; i < chars; i++) {
        size_t bit = i * 5;
        unsigned pair = (unsigned)bytes[bit / 8] << 8;
        pair |= bit / 8 + 1 < n ? bytes[bit / 8 + 1] : 0;
        if (i > 0 && i % SQ_PAIR_GROUP == 0) {
            *text++ = '-';
        }
        *text++ = alphabet[pair >> (11 - bit % 8) & 31];
    }
    *text = '\0';
}

/* Whole bytes; false where the bits left over are not zero. */
static bool to_bytes(const uint8_t *digits, size_t chars, uint8_t *bytes, size_t n)
{
    memset(bytes, 0, n + 1);
    for (size_t i = 0; i < chars; i++) {
        size_t bit = i * 5;
        unsigned pair = (unsigned)digits[i] << (11 - bit % 8);
        bytes[bit / 8] |= (uint8_t)(pair >> 8);
        if (bit / 8 + 1 <= n) {
            bytes[bit / 8 + 1] |= (uint8_t)pair;
        }
    }
    return bytes[n] == 0;
}

/* ---- Writing ---- */

static size_t kind_of(const struct sq_pair_candidate *c)
{
    for (size_t k = 0; k < KINDS; k++) {
        if (kinds[k].family == sq_addr_family(&c->addr) && kinds[k].srflx == c->srflx) {
            return k;
        }
    }
    return KINDS;
}

static void put_candidate(struct sq_wire *w, const struct sq_addr *addr)
{
    if (sq_addr_family(addr) == AF_INET) {
        sq_wire_put(w, &addr->in4.sin_addr, 4);
    } else {
        sq_wire_put(w, &addr->in6.sin6_addr, 16);
    }
    sq_wire_put_u16(w, sq_addr_port(addr));
}

int sq_pair_encode(const struct sq_pair_code *code, char ret_text[static SQ_PAIR_TEXT_MAX])
{
    uint8_t bytes[SQ_PAIR_BYTES_MAX];
    unsigned count[KINDS] = {0};
    unsigned counts = 0;
    if (code->candidates_len == 0 || code->candidates_len > SQ_PAIR_CANDIDATES_MAX) {
        return SQ_ERR_INVALID;
    }
    for (size_t i = 0; i < code->candidates_len; i++) {
        size_t kind = kind_of(&code->candidates[i]);
        if (kind == KINDS || ++count[kind] > SQ_PAIR_EACH_MAX) {
            return SQ_ERR_INVALID;
        }
    }
    for (size_t k = 0; k < KINDS; k++) {
        counts = counts << 2 | count[k];
    }
    struct sq_wire w = sq_wire_writer(bytes, sizeof(bytes));
    sq_wire_put_u8(&w, (uint8_t)(SQ_PAIR_VERSION << 5 | code->answer << 4 | !code->media << 3));
    sq_wire_put_u8(&w, (uint8_t)counts);
    sq_wire_put(&w, code->fingerprint, SQ_SHA256_BYTES);
    if (code->answer) {
        sq_wire_put_u8(&w, code->offer_tag);
    }
    for (size_t k = 0; k < KINDS; k++) {
        for (size_t i = 0; i < code->candidates_len; i++) {
            if (kind_of(&code->candidates[i]) == k) {
                put_candidate(&w, &code->candidates[i].addr);
            }
        }
    }
    sq_wire_put_u24(&w, crc24(bytes, w.pos));
    if (!w.err) {
        to_text(bytes, w.pos, ret_text);
    }
    return w.err;
}

/* ---- Reading ---- */

static bool sum_is_right(const uint8_t *digits, size_t chars)
{
    uint8_t bytes[SQ_PAIR_BYTES_MAX + 2];
    size_t n = chars * 5 / 8;
    return n > CRC_BYTES && (n * 8 + 4) / 5 == chars && to_bytes(digits, chars, bytes, n) &&
           crc24(bytes, n - CRC_BYTES) == sq_load_u24(bytes + n - CRC_BYTES);
}

/* The only single change, or swap of neighbours, that makes the sum right; false when there is
 * none, or more than one. */
static bool find_slip(uint8_t *digits, size_t chars, char why[static SQ_PAIR_WHY_MAX])
{
    unsigned found = 0;
    for (size_t i = 0; i < chars; i++) {
        uint8_t was = digits[i];
        for (uint8_t d = 0; d < 32 && found < 2; d++) {
            digits[i] = d;
            if (d != was && sum_is_right(digits, chars)) {
                found++;
                snprintf(why, SQ_PAIR_WHY_MAX,
                         "the code has a slip: character %zu (group %zu) is '%c', and would be "
                         "right as '%c'",
                         i + 1, i / SQ_PAIR_GROUP + 1, alphabet[was], alphabet[d]);
            }
        }
        digits[i] = was;
        if (i + 1 < chars && digits[i + 1] != was) {
            digits[i] = digits[i + 1];
            digits[i + 1] = was;
            if (sum_is_right(digits, chars)) {
                found++;
                snprintf(
                    why, SQ_PAIR_WHY_MAX,
                    "the code has a slip: characters %zu and %zu (group %zu) seem to be swapped, "
                    "'%c%c' would be right",
                    i + 1, i + 2, i / SQ_PAIR_GROUP + 1, alphabet[digits[i]], alphabet[was]);
            }
            digits[i + 1] = digits[i];
            digits[i] = was;
        }
    }
    return found == 1;
}

static size_t length_of(const uint8_t *bytes)
{
    size_t n = HEAD_BYTES + CRC_BYTES + (bytes[0] >> 4 & 1);
    for (size_t k = 0; k < KINDS; k++) {
        n += (bytes[1] >> (6 - 2 * k) & 3U) * (kinds[k].addr_bytes + 2);
    }
    return n;
}

static int explain(uint8_t *digits, size_t chars, char why[static SQ_PAIR_WHY_MAX])
{
    uint8_t bytes[SQ_PAIR_BYTES_MAX + 2];
    if (find_slip(digits, chars, why)) {
        return SQ_ERR_FORMAT;
    }
    to_bytes(digits, chars, bytes, chars * 5 / 8);
    size_t expected = (length_of(bytes) * 8 + 4) / 5;
    if (chars != expected && bytes[0] >> 5 == SQ_PAIR_VERSION) {
        snprintf(
            why, SQ_PAIR_WHY_MAX,
            "the code has %zu characters, and one that begins like this has %zu (hyphens left out)",
            chars, expected);
    } else {
        snprintf(
            why, SQ_PAIR_WHY_MAX,
            "the code's sum is wrong: more than one character is mistyped, or some are missing");
    }
    return SQ_ERR_FORMAT;
}

static void read_candidates(struct sq_wire *w, struct sq_pair_code *code, uint8_t counts)
{
    for (size_t k = 0; k < KINDS; k++) {
        for (unsigned i = counts >> (6 - 2 * k) & 3U; i > 0; i--) {
            struct sq_pair_candidate *c = &code->candidates[code->candidates_len++];
            const uint8_t *ip = sq_wire_read(w, kinds[k].addr_bytes);
            uint16_t port = sq_wire_u16(w);
            if (w->err) {
                return;
            }
            *c = (struct sq_pair_candidate){.srflx = kinds[k].srflx};
            c->addr.sa.sa_family = (sa_family_t)kinds[k].family;
            memcpy(kinds[k].family == AF_INET ? (void *)&c->addr.in4.sin_addr
                                              : (void *)&c->addr.in6.sin6_addr,
                   ip, kinds[k].addr_bytes);
            sq_addr_set_port(&c->addr, port);
        }
    }
}

static int read_bytes(const uint8_t *bytes, size_t n, struct sq_pair_code *ret_code,
                      char why[static SQ_PAIR_WHY_MAX])
{
    struct sq_wire w = sq_wire_reader(bytes, n - CRC_BYTES);
    struct sq_pair_code code = {0};
    uint8_t head = sq_wire_u8(&w);
    uint8_t counts = sq_wire_u8(&w);
    if (head >> 5 != SQ_PAIR_VERSION || (head & 7) != 0) {
        snprintf(
            why, SQ_PAIR_WHY_MAX,
            "the code is of version %d, and this squall knows version %d: use the same squall on "
            "both machines",
            head >> 5, SQ_PAIR_VERSION);
        return SQ_ERR_UNSUPPORTED;
    }
    code.answer = head >> 4 & 1;
    code.media = !(head >> 3 & 1);
    const uint8_t *fingerprint = sq_wire_read(&w, SQ_SHA256_BYTES);
    if (fingerprint) {
        memcpy(code.fingerprint, fingerprint, SQ_SHA256_BYTES);
    }
    code.offer_tag = code.answer ? sq_wire_u8(&w) : 0;
    read_candidates(&w, &code, counts);
    if (w.err || sq_wire_left(&w) > 0 || code.candidates_len == 0) {
        snprintf(why, SQ_PAIR_WHY_MAX, "this is no code of squall pair");
        return SQ_ERR_FORMAT;
    }
    *ret_code = code;
    return 0;
}

static int bad_character(size_t number, char c, char why[static SQ_PAIR_WHY_MAX])
{
    if (c > ' ' && c < 127) {
        snprintf(why, SQ_PAIR_WHY_MAX, "character %zu is '%c', which no code contains", number, c);
    } else {
        snprintf(why, SQ_PAIR_WHY_MAX, "character %zu is none that a code contains", number);
    }
    return SQ_ERR_FORMAT;
}

int sq_pair_decode(const char *text, struct sq_pair_code *ret_code,
                   char why[static SQ_PAIR_WHY_MAX])
{
    uint8_t digits[SQ_PAIR_CHARS_MAX];
    uint8_t bytes[SQ_PAIR_BYTES_MAX + 2];
    size_t chars = 0;
    for (; *text; text++) {
        uint8_t digit = digit_of(*text);
        if (digit == BAD) {
            return bad_character(chars + 1, *text, why);
        }
        if (digit != SKIP && chars == SQ_PAIR_CHARS_MAX) {
            snprintf(why, SQ_PAIR_WHY_MAX, "the code is too long: it has at most %d characters",
                     SQ_PAIR_CHARS_MAX);
            return SQ_ERR_FORMAT;
        }
        if (digit != SKIP) {
            digits[chars++] = digit;
        }
    }
    if (chars * 5 / 8 < HEAD_BYTES + CRC_BYTES) {
        snprintf(why, SQ_PAIR_WHY_MAX, "the code is too short: %zu characters, the shortest has %d",
                 chars, ((HEAD_BYTES + CRC_BYTES + 6) * 8 + 4) / 5);
        return SQ_ERR_FORMAT;
    }
    if (!sum_is_right(digits, chars)) {
        return explain(digits, chars, why);
    }
    to_bytes(digits, chars, bytes, chars * 5 / 8);
    return read_bytes(bytes, chars * 5 / 8, ret_code, why);
}
