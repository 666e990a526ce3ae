/* Time. Library rooms are given `now_ns`; only net/, run/ and cli/ read the clock. */
#ifndef SQ_BASE_TIME_H
#define SQ_BASE_TIME_H

#include <stdint.h>

#define SQ_NS_PER_US  1000ULL
#define SQ_NS_PER_MS  1000000ULL
#define SQ_NS_PER_SEC 1000000000ULL
#define SQ_NEVER      UINT64_MAX /* a time-out that never comes */

/* CLOCK_MONOTONIC, in ns. */
uint64_t sq_clock_ns(void);
/* Wall clock, ns since 1970-01-01 UTC. */
uint64_t sq_wall_ns(void);
/* CPU time of the calling thread, in ns. */
uint64_t sq_thread_cpu_ns(void);
/* Wall-clock ns since 1970 as a 64-bit NTP time-stamp (RFC 5905, section 6: seconds since 1900 and
 * a binary fraction), and back. */
uint64_t sq_ntp_from_wall_ns(uint64_t wall_ns);
uint64_t sq_wall_ns_from_ntp(uint64_t ntp);

static inline uint64_t sq_min_u64(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

static inline uint64_t sq_max_u64(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

#endif
