/* Time for micro-benchmarks: CPU time of the calling thread, the least of several rounds. */
#ifndef SQ_BENCH_MICRO_H
#define SQ_BENCH_MICRO_H

#include <stdint.h>
#include <time.h>

static inline uint64_t micro_cpu_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &t);
    return (uint64_t)t.tv_sec * 1000000000ull + (uint64_t)t.tv_nsec;
}

#endif
