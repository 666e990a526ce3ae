#include "base/rand.h"

#include <stdlib.h>
#include <sys/random.h>
#include <sys/types.h>

/* splitmix64 spreads a small seed over the whole state. */
static uint64_t splitmix(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15ULL);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ULL;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebULL;
    return z ^ (z >> 31);
}

void sq_rand_seed(struct sq_rand *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++) {
        r->s[i] = splitmix(&seed);
    }
}

static uint64_t rotl(uint64_t x, int k)
{
    return x << k | x >> (64 - k);
}

uint64_t sq_rand_u64(struct sq_rand *r)
{
    uint64_t result = rotl(r->s[1] * 5, 7) * 9;
    uint64_t t = r->s[1] << 17;
    r->s[2] ^= r->s[0];
    r->s[3] ^= r->s[1];
    r->s[1] ^= r->s[2];
    r->s[0] ^= r->s[3];
    r->s[2] ^= t;
    r->s[3] = rotl(r->s[3], 45);
    return result;
}

uint32_t sq_rand_u32(struct sq_rand *r)
{
    return (uint32_t)(sq_rand_u64(r) >> 32);
}

uint32_t sq_rand_below(struct sq_rand *r, uint32_t bound)
{
    return (uint32_t)(((uint64_t)sq_rand_u32(r) * bound) >> 32);
}

double sq_rand_unit(struct sq_rand *r)
{
    return (double)(sq_rand_u64(r) >> 11) * 0x1p-53;
}

void sq_rand_ice_chars(struct sq_rand *r, char *out, size_t n)
{
    static const char alphabet[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (size_t i = 0; i < n; i++) {
        out[i] = alphabet[sq_rand_below(r, 64)];
    }
    out[n] = '\0';
}

void sq_rand_secret(void *out, size_t n)
{
    unsigned char *at = out;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got <= 0) {
            abort();
        }
        at += got;
        n -= (size_t)got;
    }
}
