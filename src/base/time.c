#include "base/time.h"

#include <time.h>

#define NTP_UNIX_OFFSET_SEC 2208988800ULL /* 1900-01-01 to 1970-01-01, RFC 5905 */

static uint64_t read_clock(clockid_t id)
{
    struct timespec ts;
    clock_gettime(id, &ts);
    return (uint64_t)ts.tv_sec * SQ_NS_PER_SEC + (uint64_t)ts.tv_nsec;
}

uint64_t sq_clock_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

uint64_t sq_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME);
}

uint64_t sq_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

uint64_t sq_ntp_from_wall_ns(uint64_t wall_ns)
{
    uint64_t sec = wall_ns / SQ_NS_PER_SEC + NTP_UNIX_OFFSET_SEC;
    uint64_t fraction = ((wall_ns % SQ_NS_PER_SEC) << 32) / SQ_NS_PER_SEC;
    return sec << 32 | fraction;
}

uint64_t sq_wall_ns_from_ntp(uint64_t ntp)
{
    uint64_t sec = (ntp >> 32) - NTP_UNIX_OFFSET_SEC;
    return sec * SQ_NS_PER_SEC + (((ntp & 0xffffffffULL) * SQ_NS_PER_SEC) >> 32);
}
