/* Random numbers. The seeded generator makes a run repeatable; secrets (ICE passwords, keys) come
 * from sq_rand_secret. */
#ifndef SQ_BASE_RAND_H
#define SQ_BASE_RAND_H

#include <stddef.h>
#include <stdint.h>

/* xoshiro256**; not for secrets. */
struct sq_rand {
    uint64_t s[4];
};

void sq_rand_seed(struct sq_rand *r, uint64_t seed);
uint64_t sq_rand_u64(struct sq_rand *r);
uint32_t sq_rand_u32(struct sq_rand *r);
/* Uniform in [0, bound); bound > 0. */
uint32_t sq_rand_below(struct sq_rand *r, uint32_t bound);
/* Uniform in [0, 1). */
double sq_rand_unit(struct sq_rand *r);
/* Fills `out` with n characters of the ICE alphabet (RFC 8839, section 5.4: ALPHA, DIGIT, + and /)
 * and ends it with NUL: `out` has room for n + 1. */
void sq_rand_ice_chars(struct sq_rand *r, char *out, size_t n);
/* From the kernel; aborts the program if the kernel has none (it always has). */
void sq_rand_secret(void *out, size_t n);

#endif
