/* Bodies for fuzz targets of STUN and ICE, also run by the tests with random bytes. Each takes any
 * bytes and returns 0, as LLVMFuzzerTestOneInput does. */
#ifndef SQ_TESTS_PEER_ICE_FUZZ_H
#define SQ_TESTS_PEER_ICE_FUZZ_H

#include <stddef.h>
#include <stdint.h>

/* Parses a message and reads every attribute in every way. */
int ice_fuzz_stun(const uint8_t *data, size_t len);
/* Parses a candidate line; what is accepted must be the same after writing and reading again. */
int ice_fuzz_candidate(const uint8_t *data, size_t len);
/* Feeds an agent: the first byte of each piece says what it is (a raw datagram, one whose length,
 * integrity and fingerprint are mended so that it gets through, a candidate line, a pause). */
int ice_fuzz_agent(const uint8_t *data, size_t len);

#endif
