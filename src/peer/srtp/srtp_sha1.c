/* HMAC-SHA1 from kept inner and outer states. OpenSSL 3 deprecates its low-level SHA-1, but EVP has
 * no way to start from a state: it would allocate or hash two key blocks more for each packet. */
#define OPENSSL_SUPPRESS_DEPRECATED
#include "peer/srtp/srtp_int.h"
#include <openssl/sha.h>
#include <string.h>

#define BLOCK_BITS (SHA_CBLOCK * 8)

static void state_load(SHA_CTX *ctx, const uint32_t state[5])
{
    ctx->h0 = state[0];
    ctx->h1 = state[1];
    ctx->h2 = state[2];
    ctx->h3 = state[3];
    ctx->h4 = state[4];
    ctx->Nl = BLOCK_BITS;
    ctx->Nh = 0;
    ctx->num = 0;
}

static void state_of_block(uint32_t state[5], const uint8_t key[static SHA1_BYTES], uint8_t pad)
{
    uint8_t block[SHA_CBLOCK];
    memset(block, pad, sizeof(block));
    for (size_t i = 0; i < SHA1_BYTES; i++) {
        block[i] ^= key[i];
    }
    SHA_CTX ctx;
    SHA1_Init(&ctx);
    SHA1_Transform(&ctx, block);
    state[0] = ctx.h0;
    state[1] = ctx.h1;
    state[2] = ctx.h2;
    state[3] = ctx.h3;
    state[4] = ctx.h4;
    explicit_bzero(block, sizeof(block));
}

void sq_srtp_hmac_key(struct keys *k, const uint8_t key[static SHA1_BYTES])
{
    state_of_block(k->inner, key, 0x36);
    state_of_block(k->outer, key, 0x5c);
}

void sq_srtp_hmac(const struct keys *k, const uint8_t *data, size_t len, const uint8_t *more,
                  size_t n, uint8_t tag[static SHA1_BYTES])
{
    SHA_CTX ctx;
    uint8_t digest[SHA1_BYTES];
    state_load(&ctx, k->inner);
    SHA1_Update(&ctx, data, len);
    SHA1_Update(&ctx, more, n);
    SHA1_Final(digest, &ctx);
    state_load(&ctx, k->outer);
    SHA1_Update(&ctx, digest, sizeof(digest));
    SHA1_Final(tag, &ctx);
}
