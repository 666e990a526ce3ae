/* How far this machine's wall clock can be trusted, and whether two programs read the same one. */
#ifndef SQ_BASE_WALLCLOCK_H
#define SQ_BASE_WALLCLOCK_H

#include <stdint.h>

#define SQ_CLOCK_ERROR_UNKNOWN UINT64_MAX

/* The bound that the kernel keeps for the error of the wall clock against UTC (RFC 5905's root
 * distance, as the NTP client maintains it: adjtimex(2), maxerror), ns. SQ_CLOCK_ERROR_UNKNOWN
 * where nobody disciplines the clock, or systemd-timesyncd, which keeps no bound. */
uint64_t sq_clock_error_ns(void);

/* The same for all programs of this boot of this machine, whatever their namespaces (network,
 * process); a hash of the kernel's boot id, not 0. 0 where there is none. */
uint32_t sq_clock_id(void);

#endif
