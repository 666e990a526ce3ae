#include "peer/derived_ice.h"

#include "base/wire.h"
#include <openssl/evp.h>
#include <string.h>

#define LABEL_MAX 32

static int derive(const char *label, const uint8_t *fingerprint, char *out, size_t chars)
{
    uint8_t in[LABEL_MAX + SQ_SHA256_BYTES], digest[SQ_SHA256_BYTES];
    uint8_t text[4 * ((SQ_SHA256_BYTES + 2) / 3) + 1];
    struct sq_wire w = sq_wire_writer(in, sizeof(in));
    sq_wire_put(&w, label, strlen(label));
    sq_wire_put(&w, fingerprint, SQ_SHA256_BYTES);
    if (EVP_Digest(in, w.pos, digest, NULL, EVP_sha256(), NULL) != 1) {
        return SQ_ERR_CRYPTO;
    }
    EVP_EncodeBlock(text, digest, sizeof(digest)); /* base64's alphabet is that of ice-char */
    memcpy(out, text, chars);
    out[chars] = '\0';
    return 0;
}

int sq_derive_ice(const uint8_t fingerprint[static SQ_SHA256_BYTES], struct sq_derived_ice *ret_ice)
{
    struct sq_derived_ice ice;
    int err = derive("squall ice ufrag\n", fingerprint, ice.ufrag, SQ_DERIVED_UFRAG_LEN);
    err = err ? err : derive("squall ice pwd\n", fingerprint, ice.pwd, SQ_DERIVED_PWD_LEN);
    if (!err) {
        *ret_ice = ice;
    }
    return err;
}

static int hex_digit(char c)
{
    return c >= '0' && c <= '9'   ? c - '0'
           : c >= 'A' && c <= 'F' ? c - 'A' + 10
           : c >= 'a' && c <= 'f' ? c - 'a' + 10
                                  : -1;
}

int sq_fingerprint_bytes(const char *text, uint8_t ret_bytes[static SQ_SHA256_BYTES])
{
    uint8_t bytes[SQ_SHA256_BYTES];
    if (strlen(text) != 3 * SQ_SHA256_BYTES - 1) {
        return SQ_ERR_FORMAT;
    }
    for (size_t i = 0; i < SQ_SHA256_BYTES; i++) {
        int high = hex_digit(text[3 * i]);
        int low = hex_digit(text[3 * i + 1]);
        if (high < 0 || low < 0 || (i + 1 < SQ_SHA256_BYTES && text[3 * i + 2] != ':')) {
            return SQ_ERR_FORMAT;
        }
        bytes[i] = (uint8_t)(high << 4 | low);
    }
    memcpy(ret_bytes, bytes, sizeof(bytes));
    return 0;
}
