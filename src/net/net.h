/* Start and end of what net/ borrows from libraries with process-wide state (libcurl, c-ares,
 * OpenSSL). Called by the program before its threads start, and after they ended. */
#ifndef SQ_NET_NET_H
#define SQ_NET_NET_H

#include "base/err.h"

/* Also ignores SIGPIPE. SQ_ERR_IO if a library refuses to start. */
int sq_net_init(void) SQ_MUST_USE;
void sq_net_cleanup(void);

#endif
