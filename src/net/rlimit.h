/* The limit of open files. */
#ifndef SQ_NET_RLIMIT_H
#define SQ_NET_RLIMIT_H

#include "base/err.h"
#include <stdint.h>

/* Raises RLIMIT_NOFILE to `needed` (the hard limit too, where allowed). *ret_limit is the limit
 * that holds afterwards, also on SQ_ERR_REFUSED (not allowed that many: tell the user before
 * starting). SQ_ERR_IO with errno. */
int sq_raise_fd_limit(uint64_t needed, uint64_t *ret_limit) SQ_MUST_USE;

#endif
