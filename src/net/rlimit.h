/* Open files: their limit, and the room that the kernel has for them. */
#ifndef SQ_NET_RLIMIT_H
#define SQ_NET_RLIMIT_H

#include "base/err.h"
#include <stdint.h>

/* Raises RLIMIT_NOFILE to `needed` (the hard limit too, where allowed). *ret_limit is the limit
 * that holds afterwards, also on SQ_ERR_REFUSED (not allowed that many: tell the user before
 * starting). SQ_ERR_IO with errno. */
int sq_raise_fd_limit(uint64_t needed, uint64_t *ret_limit) SQ_MUST_USE;

/* Has the kernel make room for `count` descriptors now, or for as many as the limit allows: its
 * table grows by doubling, and in a process with threads each time waits for a grace period of RCU,
 * in which the thread does nothing else (10 to 25 ms, measured). Best called before there are
 * threads. An attempt: without it timers are late later on, no more. */
void sq_reserve_fds(uint64_t count);

#endif
