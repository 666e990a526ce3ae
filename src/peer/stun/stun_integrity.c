/* MESSAGE-INTEGRITY, MESSAGE-INTEGRITY-SHA256, FINGERPRINT, and the keys.
 *
 * The block functions of OpenSSL's SHA are used directly: an EVP context would have to be fetched,
 * allocated and copied for each message, which costs more than the hash of a hundred bytes itself,
 * and a kept one more than a kilobyte a key. They are marked deprecated since 3.0, not removed. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "peer/stun/stun.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <string.h>

#define BLOCK_BYTES        64 /* of SHA-1 and SHA-256 */
#define ATTR_HEADER_BYTES  4
#define SHA256_LEAST_BYTES 16          /* truncation, RFC 8489, section 14.6 */
#define FINGERPRINT_XOR    0x5354554eu /* section 14.7 */

static void sha1_start(SHA_CTX *c, const uint32_t state[5])
{
    memset(c, 0, sizeof(*c));
    c->h0 = state[0];
    c->h1 = state[1];
    c->h2 = state[2];
    c->h3 = state[3];
    c->h4 = state[4];
    c->Nl = BLOCK_BYTES * 8;
}

static void sha1_state(const uint8_t block[BLOCK_BYTES], uint32_t ret_state[5])
{
    SHA_CTX c;
    SHA1_Init(&c);
    SHA1_Update(&c, block, BLOCK_BYTES);
    uint32_t state[5] = {c.h0, c.h1, c.h2, c.h3, c.h4};
    memcpy(ret_state, state, sizeof(state));
}

static void sha256_start(SHA256_CTX *c, const uint32_t state[8])
{
    memset(c, 0, sizeof(*c));
    memcpy(c->h, state, sizeof(c->h));
    c->Nl = BLOCK_BYTES * 8;
    c->md_len = SHA256_DIGEST_LENGTH;
}

static void sha256_state(const uint8_t block[BLOCK_BYTES], uint32_t ret_state[8])
{
    SHA256_CTX c;
    SHA256_Init(&c);
    SHA256_Update(&c, block, BLOCK_BYTES);
    memcpy(ret_state, c.h, sizeof(c.h));
}

/* The first blocks of RFC 2104, section 2. A longer secret is hashed first, by each hash its own.
 */
static void pad_block(const uint8_t *secret, size_t len, uint8_t fill, uint8_t out[BLOCK_BYTES])
{
    memset(out, fill, BLOCK_BYTES);
    for (size_t i = 0; i < len; i++) {
        out[i] ^= secret[i];
    }
}

void sq_stun_key_init(struct sq_stun_key *key, const void *secret, size_t len)
{
    uint8_t short1[SHA_DIGEST_LENGTH];
    uint8_t short256[SHA256_DIGEST_LENGTH];
    const uint8_t *s1 = secret;
    const uint8_t *s256 = secret;
    size_t len1 = len;
    size_t len256 = len;
    if (len > BLOCK_BYTES) {
        SHA1(secret, len, short1);
        SHA256(secret, len, short256);
        s1 = short1;
        s256 = short256;
        len1 = sizeof(short1);
        len256 = sizeof(short256);
    }
    uint8_t block[BLOCK_BYTES];
    pad_block(s1, len1, 0x36, block);
    sha1_state(block, key->sha1_inner);
    pad_block(s1, len1, 0x5c, block);
    sha1_state(block, key->sha1_outer);
    pad_block(s256, len256, 0x36, block);
    sha256_state(block, key->sha256_inner);
    pad_block(s256, len256, 0x5c, block);
    sha256_state(block, key->sha256_outer);
    OPENSSL_cleanse(block, sizeof(block));
}

/* Hash of the texts with ':' between them; `password` may be NULL. */
static int hash_joined(const EVP_MD *md, const char *user, const char *realm, const char *password,
                       uint8_t *out)
{
    int err = SQ_ERR_CRYPTO;
    EVP_MD_CTX *ctx = EVP_MD_CTX_new();
    if (!ctx || !EVP_DigestInit_ex(ctx, md, NULL) || !EVP_DigestUpdate(ctx, user, strlen(user)) ||
        !EVP_DigestUpdate(ctx, ":", 1) || !EVP_DigestUpdate(ctx, realm, strlen(realm))) {
        goto out;
    }
    if (password &&
        (!EVP_DigestUpdate(ctx, ":", 1) || !EVP_DigestUpdate(ctx, password, strlen(password)))) {
        goto out;
    }
    err = EVP_DigestFinal_ex(ctx, out, NULL) ? 0 : SQ_ERR_CRYPTO;
out:
    EVP_MD_CTX_free(ctx);
    return err;
}

int sq_stun_key_long_term(const char *user, const char *realm, const char *password, bool sha256,
                          struct sq_stun_key *ret_key)
{
    uint8_t digest[32];
    int err = hash_joined(sha256 ? EVP_sha256() : EVP_md5(), user, realm, password, digest);
    if (!err) {
        sq_stun_key_init(ret_key, digest, sha256 ? 32 : 16);
    }
    OPENSSL_cleanse(digest, sizeof(digest));
    return err;
}

int sq_stun_userhash(const char *user, const char *realm, uint8_t ret_hash[static 32])
{
    uint8_t digest[32];
    int err = hash_joined(EVP_sha256(), user, realm, NULL, digest);
    if (!err) {
        memcpy(ret_hash, digest, sizeof(digest));
    }
    return err;
}

/* The header as the integrity sees it: its length ends with the integrity attribute itself. */
static void header_for(const uint8_t *buf, size_t attr_end, uint8_t out[SQ_STUN_HEADER_BYTES])
{
    memcpy(out, buf, SQ_STUN_HEADER_BYTES);
    sq_store_u16(out + 2, (uint16_t)(attr_end - SQ_STUN_HEADER_BYTES));
}

static void hmac_sha1(const struct sq_stun_key *key, const uint8_t *buf, size_t at,
                      uint8_t out[SHA_DIGEST_LENGTH])
{
    uint8_t header[SQ_STUN_HEADER_BYTES];
    header_for(buf, at + ATTR_HEADER_BYTES + SHA_DIGEST_LENGTH, header);
    SHA_CTX c;
    sha1_start(&c, key->sha1_inner);
    SHA1_Update(&c, header, sizeof(header));
    SHA1_Update(&c, buf + SQ_STUN_HEADER_BYTES, at - SQ_STUN_HEADER_BYTES);
    SHA1_Final(out, &c);
    sha1_start(&c, key->sha1_outer);
    SHA1_Update(&c, out, SHA_DIGEST_LENGTH);
    SHA1_Final(out, &c);
}

static void hmac_sha256(const struct sq_stun_key *key, const uint8_t *buf, size_t at, size_t len,
                        uint8_t out[SHA256_DIGEST_LENGTH])
{
    uint8_t header[SQ_STUN_HEADER_BYTES];
    header_for(buf, at + ATTR_HEADER_BYTES + len, header);
    SHA256_CTX c;
    sha256_start(&c, key->sha256_inner);
    SHA256_Update(&c, header, sizeof(header));
    SHA256_Update(&c, buf + SQ_STUN_HEADER_BYTES, at - SQ_STUN_HEADER_BYTES);
    SHA256_Final(out, &c);
    sha256_start(&c, key->sha256_outer);
    SHA256_Update(&c, out, SHA256_DIGEST_LENGTH);
    SHA256_Final(out, &c);
}

int sq_stun_check_integrity(const struct sq_stun_msg *m, const struct sq_stun_key *key)
{
    uint8_t mac[SHA256_DIGEST_LENGTH];
    if (m->integrity256_at) {
        const uint8_t *attr = m->buf + m->integrity256_at;
        size_t len = sq_load_u16(attr + 2);
        if (len < SHA256_LEAST_BYTES || len > SHA256_DIGEST_LENGTH || (len & 3)) {
            return SQ_ERR_AUTH;
        }
        hmac_sha256(key, m->buf, m->integrity256_at, len, mac);
        return CRYPTO_memcmp(mac, attr + ATTR_HEADER_BYTES, len) == 0 ? 0 : SQ_ERR_AUTH;
    }
    if (m->integrity_at) {
        const uint8_t *attr = m->buf + m->integrity_at;
        if (sq_load_u16(attr + 2) != SHA_DIGEST_LENGTH) {
            return SQ_ERR_AUTH;
        }
        hmac_sha1(key, m->buf, m->integrity_at, mac);
        return CRYPTO_memcmp(mac, attr + ATTR_HEADER_BYTES, SHA_DIGEST_LENGTH) == 0 ? 0
                                                                                    : SQ_ERR_AUTH;
    }
    return SQ_ERR_NOTFOUND;
}

void sq_stun_put_integrity(struct sq_stun_writer *s, const struct sq_stun_key *key)
{
    size_t at = s->w.pos;
    uint8_t mac[SHA_DIGEST_LENGTH] = {0};
    if (!s->w.err) {
        hmac_sha1(key, s->w.buf, at, mac);
    }
    sq_stun_put(s, SQ_STUN_MESSAGE_INTEGRITY, mac, sizeof(mac));
}

void sq_stun_put_integrity_sha256(struct sq_stun_writer *s, const struct sq_stun_key *key)
{
    size_t at = s->w.pos;
    uint8_t mac[SHA256_DIGEST_LENGTH] = {0};
    if (!s->w.err) {
        hmac_sha256(key, s->w.buf, at, sizeof(mac), mac);
    }
    sq_stun_put(s, SQ_STUN_MESSAGE_INTEGRITY_SHA256, mac, sizeof(mac));
}

/* CRC-32 of ISO 3309, reflected, four bits at a time: the messages are short and rare. */
static uint32_t crc_add(uint32_t crc, const uint8_t *p, size_t n)
{
    static const uint32_t nibble[16] = {
        0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac, 0x76dc4190, 0x6b6b51f4,
        0x4db26158, 0x5005713c, 0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
        0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c,
    };
    for (size_t i = 0; i < n; i++) {
        crc ^= p[i];
        crc = crc >> 4 ^ nibble[crc & 15];
        crc = crc >> 4 ^ nibble[crc & 15];
    }
    return crc;
}

/* Of the message up to the FINGERPRINT attribute at `at`. */
static uint32_t fingerprint(const uint8_t *buf, size_t at)
{
    uint8_t header[SQ_STUN_HEADER_BYTES];
    header_for(buf, at + ATTR_HEADER_BYTES + 4, header);
    uint32_t crc = crc_add(0xffffffffu, header, sizeof(header));
    crc = crc_add(crc, buf + SQ_STUN_HEADER_BYTES, at - SQ_STUN_HEADER_BYTES);
    return ~crc ^ FINGERPRINT_XOR;
}

int sq_stun_check_fingerprint(const struct sq_stun_msg *m)
{
    if (!m->fingerprint_at) {
        return SQ_ERR_NOTFOUND;
    }
    const uint8_t *attr = m->buf + m->fingerprint_at;
    if (sq_load_u16(attr + 2) != 4 ||
        sq_load_u32(attr + ATTR_HEADER_BYTES) != fingerprint(m->buf, m->fingerprint_at)) {
        return SQ_ERR_FORMAT;
    }
    return 0;
}

void sq_stun_put_fingerprint(struct sq_stun_writer *s)
{
    sq_stun_put_u32(s, SQ_STUN_FINGERPRINT, s->w.err ? 0 : fingerprint(s->w.buf, s->w.pos));
}
