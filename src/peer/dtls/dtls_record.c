/* Protecting and opening records of an established connection. */
#include "peer/dtls/dtls_record.h"
#include "base/wire.h"
#include <openssl/core_names.h>
#include <openssl/kdf.h>
#include <stdio.h>
#include <string.h>

#define VERSION_1_2  0xfefd
#define EPOCH        1u
#define SEQ_END      ((uint64_t)1 << 48)
#define MASTER_BYTES 48
#define RANDOM_BYTES 32
#define LABEL        "key expansion" /* RFC 5246, section 6.3 */
#define LABEL_BYTES  (sizeof(LABEL) - 1)
#define WINDOW       64 /* RFC 6347, section 4.1.2.6 */
#define AAD_BYTES    13
#define IV_BYTES     (RECORD_SALT_BYTES + RECORD_NONCE_BYTES)

int sq_dtls_cipher_make(struct sq_dtls_cipher *cipher)
{
    static const char *const names[] = {"AES-128-GCM", "AES-256-GCM"};
    cipher->prf = EVP_KDF_fetch(NULL, "TLS1-PRF", NULL);
    for (size_t i = 0; i < 2; i++) {
        EVP_CIPHER *gcm = EVP_CIPHER_fetch(NULL, names[i], NULL);
        cipher->gcm[i] = EVP_CIPHER_CTX_new();
        int made =
            gcm && cipher->gcm[i] ? EVP_CipherInit_ex(cipher->gcm[i], gcm, NULL, NULL, NULL, 1) : 0;
        EVP_CIPHER_free(gcm); /* the context has its own hold on it */
        if (made != 1) {
            return SQ_ERR_CRYPTO;
        }
    }
    return cipher->prf ? 0 : SQ_ERR_CRYPTO;
}

void sq_dtls_cipher_free(struct sq_dtls_cipher *cipher)
{
    EVP_CIPHER_CTX_free(cipher->gcm[0]);
    EVP_CIPHER_CTX_free(cipher->gcm[1]);
    EVP_KDF_free(cipher->prf);
}

static uint64_t seq_of(const uint8_t *header)
{
    return (uint64_t)sq_load_u16(header + 5) << 32 | sq_load_u32(header + 7);
}

/* ---- Keys ---- */

void sq_dtls_record_note_sent(struct sq_dtls_record *record, const uint8_t *bytes, size_t len)
{
    struct sq_wire w = sq_wire_reader(bytes, len);
    while (sq_wire_left(&w) > 0) {
        const uint8_t *header = sq_wire_read(&w, RECORD_HEADER_BYTES);
        size_t body_len = header ? sq_load_u16(header + 11) : 0;
        const uint8_t *body = sq_wire_read(&w, body_len);
        if (!header || !body || sq_load_u16(header + 3) != EPOCH || body_len < RECORD_NONCE_BYTES ||
            seq_of(header) < record->send_seq) {
            continue;
        }
        /* OpenSSL begins the nonces at random and counts on from there: so do we, since another
         * way of counting might meet one of its own again. */
        record->send_seq = seq_of(header) + 1;
        record->send_nonce = sq_load_u64(body) + 1;
    }
}

static int expand(const struct sq_dtls_cipher *cipher, const SSL *ssl, uint8_t *out, size_t len)
{
    uint8_t master[MASTER_BYTES];
    uint8_t seed[LABEL_BYTES + 2 * (size_t)RANDOM_BYTES];
    char digest[64] = "";
    const EVP_MD *md = SSL_CIPHER_get_handshake_digest(SSL_get_current_cipher(ssl));
    const SSL_SESSION *session = SSL_get_session(ssl);
    EVP_KDF_CTX *kdf = EVP_KDF_CTX_new(cipher->prf);
    int err = SQ_ERR_CRYPTO;
    memcpy(seed, LABEL, LABEL_BYTES);
    if (md && session && kdf &&
        SSL_get_server_random(ssl, seed + LABEL_BYTES, RANDOM_BYTES) == RANDOM_BYTES &&
        SSL_get_client_random(ssl, seed + LABEL_BYTES + RANDOM_BYTES, RANDOM_BYTES) ==
            RANDOM_BYTES &&
        SSL_SESSION_get_master_key(session, master, sizeof(master)) == sizeof(master)) {
        (void)snprintf(digest, sizeof(digest), "%s", EVP_MD_get0_name(md));
        const OSSL_PARAM params[] = {
            OSSL_PARAM_construct_utf8_string(OSSL_KDF_PARAM_DIGEST, digest, 0),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SECRET, master, sizeof(master)),
            OSSL_PARAM_construct_octet_string(OSSL_KDF_PARAM_SEED, seed, sizeof(seed)),
            OSSL_PARAM_construct_end(),
        };
        err = EVP_KDF_derive(kdf, out, len, params) == 1 ? 0 : SQ_ERR_CRYPTO;
    }
    EVP_KDF_CTX_free(kdf);
    explicit_bzero(master, sizeof(master));
    return err;
}

int sq_dtls_record_derive(struct sq_dtls_record *record, const struct sq_dtls_cipher *cipher,
                          const SSL *ssl, bool is_client)
{
    const SSL_CIPHER *suite = SSL_get_current_cipher(ssl);
    int nid = suite ? SSL_CIPHER_get_cipher_nid(suite) : NID_undef;
    size_t key = nid == NID_aes_128_gcm ? 16 : RECORD_KEY_MAX_BYTES;
    if (nid != NID_aes_128_gcm && nid != NID_aes_256_gcm) {
        return SQ_ERR_UNSUPPORTED;
    }
    if (record->send_seq == 0) {
        return SQ_ERR_CRYPTO; /* its Finished was not seen: cannot be */
    }
    uint8_t block[2 * (RECORD_KEY_MAX_BYTES + RECORD_SALT_BYTES)];
    int err = expand(cipher, ssl, block, 2 * (key + RECORD_SALT_BYTES));
    if (!err) {
        /* The client's key, the server's, the client's salt, the server's. */
        struct sq_dtls_way *client = is_client ? &record->send : &record->receive;
        struct sq_dtls_way *server = is_client ? &record->receive : &record->send;
        const uint8_t *salts = block + 2 * key;
        memcpy(client->key, block, key);
        memcpy(server->key, block + key, key);
        memcpy(client->salt, salts, RECORD_SALT_BYTES);
        memcpy(server->salt, salts + RECORD_SALT_BYTES, RECORD_SALT_BYTES);
        record->key_bytes = (uint32_t)key;
    }
    explicit_bzero(block, sizeof(block));
    return err;
}

/* ---- Records ---- */

/* RFC 5246, section 6.2.3.3: epoch and sequence number, type, version, length of the text. */
static void write_aad(uint8_t *aad, const uint8_t *header, size_t text_len)
{
    memcpy(aad, header + 3, 8);
    memcpy(aad + 8, header, 3);
    sq_store_u16(aad + 11, (uint16_t)text_len);
}

static EVP_CIPHER_CTX *begin(const struct sq_dtls_cipher *cipher,
                             const struct sq_dtls_record *record, const struct sq_dtls_way *way,
                             const uint8_t *nonce, bool sealing)
{
    EVP_CIPHER_CTX *gcm = cipher->gcm[record->key_bytes == RECORD_KEY_MAX_BYTES];
    uint8_t iv[IV_BYTES];
    memcpy(iv, way->salt, RECORD_SALT_BYTES);
    memcpy(iv + RECORD_SALT_BYTES, nonce, RECORD_NONCE_BYTES);
    return EVP_CipherInit_ex(gcm, NULL, NULL, way->key, iv, sealing) == 1 ? gcm : NULL;
}

int sq_dtls_record_seal(struct sq_dtls_record *record, const struct sq_dtls_cipher *cipher,
                        uint8_t type, const uint8_t *text, size_t len, uint8_t *out, size_t room)
{
    if (len > RECORD_TEXT_MAX_BYTES || room < len + RECORD_OVERHEAD_BYTES) {
        return SQ_ERR_NOSPACE;
    }
    if (record->send_seq >= SEQ_END) {
        return SQ_ERR_STATE;
    }
    uint8_t *nonce = out + RECORD_HEADER_BYTES;
    uint8_t *body = nonce + RECORD_NONCE_BYTES;
    uint8_t aad[AAD_BYTES];
    int n;
    out[0] = type;
    sq_store_u16(out + 1, VERSION_1_2);
    sq_store_u64(out + 3, (uint64_t)EPOCH << 48 | record->send_seq);
    sq_store_u16(out + 11, (uint16_t)(len + RECORD_NONCE_BYTES + RECORD_TAG_BYTES));
    sq_store_u64(nonce, record->send_nonce);
    write_aad(aad, out, len);
    /* Used up, whatever comes of it: never twice for two texts. */
    record->send_seq++;
    record->send_nonce++;
    EVP_CIPHER_CTX *gcm = begin(cipher, record, &record->send, nonce, true);
    if (!gcm || EVP_CipherUpdate(gcm, NULL, &n, aad, sizeof(aad)) != 1 ||
        (len > 0 && EVP_CipherUpdate(gcm, body, &n, text, (int)len) != 1) ||
        EVP_CipherFinal_ex(gcm, body + len, &n) != 1 ||
        EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_GET_TAG, RECORD_TAG_BYTES, body + len) != 1) {
        return SQ_ERR_CRYPTO;
    }
    return 0;
}

static bool has_come(const struct sq_dtls_record *record, uint64_t seq)
{
    if (seq >= record->seen_end) {
        return false;
    }
    uint64_t behind = record->seen_end - 1 - seq;
    return behind >= WINDOW || (record->seen >> behind & 1) != 0;
}

static void note_come(struct sq_dtls_record *record, uint64_t seq)
{
    if (seq < record->seen_end) {
        record->seen |= (uint64_t)1 << (record->seen_end - 1 - seq);
        return;
    }
    uint64_t ahead = seq + 1 - record->seen_end;
    record->seen = (ahead < WINDOW ? record->seen << ahead : 0) | 1;
    record->seen_end = seq + 1;
}

int sq_dtls_record_open(struct sq_dtls_record *record, const struct sq_dtls_cipher *cipher,
                        const uint8_t *bytes, size_t len, uint8_t *text, size_t *ret_len)
{
    if (len < RECORD_OVERHEAD_BYTES || len - RECORD_OVERHEAD_BYTES > RECORD_TEXT_MAX_BYTES ||
        sq_load_u16(bytes + 1) != VERSION_1_2 || sq_load_u16(bytes + 3) != EPOCH ||
        sq_load_u16(bytes + 11) != len - RECORD_HEADER_BYTES) {
        return SQ_ERR_FORMAT;
    }
    uint64_t seq = seq_of(bytes);
    if (has_come(record, seq)) {
        return SQ_ERR_REPLAY;
    }
    size_t text_len = len - RECORD_OVERHEAD_BYTES;
    const uint8_t *nonce = bytes + RECORD_HEADER_BYTES;
    const uint8_t *body = nonce + RECORD_NONCE_BYTES;
    uint8_t aad[AAD_BYTES];
    uint8_t tag[RECORD_TAG_BYTES];
    int n;
    write_aad(aad, bytes, text_len);
    memcpy(tag, body + text_len, sizeof(tag));
    EVP_CIPHER_CTX *gcm = begin(cipher, record, &record->receive, nonce, false);
    if (!gcm || EVP_CIPHER_CTX_ctrl(gcm, EVP_CTRL_AEAD_SET_TAG, sizeof(tag), tag) != 1 ||
        EVP_CipherUpdate(gcm, NULL, &n, aad, sizeof(aad)) != 1 ||
        (text_len > 0 && EVP_CipherUpdate(gcm, text, &n, body, (int)text_len) != 1)) {
        return SQ_ERR_CRYPTO;
    }
    uint8_t rest[RECORD_TAG_BYTES]; /* GCM leaves none */
    if (EVP_CipherFinal_ex(gcm, rest, &n) != 1) {
        return SQ_ERR_AUTH;
    }
    note_come(record, seq);
    *ret_len = text_len;
    return 0;
}
