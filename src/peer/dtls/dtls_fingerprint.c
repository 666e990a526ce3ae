/* Fingerprints of signalling (RFC 8122) against the certificate of the remote. */
#include "base/mem.h"
#include "base/str.h"
#include "peer/dtls/dtls_int.h"
#include <string.h>
#include <strings.h>

/* RFC 8122, section 5: the hash functions, the most preferred first. MD5 and MD2 are left out, as
 * that section demands. */
static const struct hash {
    const char *name;
    const EVP_MD *(*md)(void);
} HASHES[] = {
    {"sha-512", EVP_sha512}, {"sha-384", EVP_sha384}, {"sha-256", EVP_sha256},
    {"sha-224", EVP_sha224}, {"sha-1", EVP_sha1},
};
#define HASHES_N (sizeof(HASHES) / sizeof(*HASHES))

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9') {
        return c - '0';
    }
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* "AB:CD:…" of exactly n bytes. */
static int parse_value(const char *text, size_t n, uint8_t *ret_digest)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    for (size_t i = 0; i < n; i++) {
        int high = hex_digit(text[0]);
        int low = high < 0 ? -1 : hex_digit(text[1]);
        if (low < 0 || text[2] != (i + 1 < n ? ':' : '\0')) {
            return SQ_ERR_FORMAT;
        }
        digest[i] = (uint8_t)(high << 4 | low);
        text += 3;
    }
    memcpy(ret_digest, digest, n);
    return 0;
}

static const struct hash *strongest(const struct sq_dtls_fingerprint *fingerprints, size_t n)
{
    for (size_t h = 0; h < HASHES_N; h++) {
        for (size_t i = 0; i < n; i++) {
            if (fingerprints[i].hash && strcasecmp(fingerprints[i].hash, HASHES[h].name) == 0) {
                return &HASHES[h];
            }
        }
    }
    return NULL;
}

int sq_dtls_wanted_parse(const struct sq_dtls_fingerprint *fingerprints, size_t n,
                         struct wanted **ret_wanted)
{
    if (n == 0) {
        return SQ_ERR_INVALID;
    }
    const struct hash *hash = strongest(fingerprints, n);
    if (!hash) {
        return SQ_ERR_UNSUPPORTED;
    }
    struct wanted *w = sq_zalloc(sizeof(*w));
    if (!w) {
        return SQ_ERR_NOMEM;
    }
    w->md = hash->md();
    w->hash = hash->name;
    size_t size = (size_t)EVP_MD_get_size(w->md);
    for (size_t i = 0; i < n && w->n < SQ_DTLS_FINGERPRINTS_MAX; i++) {
        if (!fingerprints[i].hash || strcasecmp(fingerprints[i].hash, hash->name) != 0) {
            continue;
        }
        if (!fingerprints[i].value || parse_value(fingerprints[i].value, size, w->digests[w->n])) {
            sq_free(w);
            return SQ_ERR_FORMAT;
        }
        w->n++;
    }
    *ret_wanted = w;
    return 0;
}

static void say_mismatch(struct sq_dtls *d, const uint8_t *digest, size_t size)
{
    char seen[SQ_FINGERPRINT_TEXT_BYTES];
    char want[SQ_FINGERPRINT_TEXT_BYTES];
    struct sq_buf text = {0};
    const struct wanted *w = d->wanted;
    sq_fingerprint_format(digest, size, seen);
    sq_buf_printf(&text, "the remote's certificate has the fingerprint %s %s, but signalling gave",
                  w->hash, seen);
    for (size_t i = 0; i < w->n; i++) {
        sq_fingerprint_format(w->digests[i], size, want);
        sq_buf_printf(&text, "%s %s %s", i > 0 ? " or" : "", w->hash, want);
    }
    sq_free(d->mismatch);
    d->mismatch = sq_buf_take(&text);
    if (!d->mismatch) {
        d->mismatch = sq_strdup("the remote's certificate has another fingerprint");
    }
}

bool sq_dtls_wanted_fits(struct sq_dtls *d, X509 *cert)
{
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int size = 0;
    char text[SQ_FINGERPRINT_TEXT_BYTES];
    if (!cert || !d->wanted || X509_digest(cert, EVP_sha256(), digest, &size) != 1) {
        return false;
    }
    sq_fingerprint_format(digest, size, text);
    memcpy(d->remote_fingerprint, text, sizeof(d->remote_fingerprint));
    if (d->wanted->md != EVP_sha256() && X509_digest(cert, d->wanted->md, digest, &size) != 1) {
        return false;
    }
    for (size_t i = 0; i < d->wanted->n; i++) {
        if (memcmp(d->wanted->digests[i], digest, size) == 0) {
            return true;
        }
    }
    say_mismatch(d, digest, size);
    return false;
}
