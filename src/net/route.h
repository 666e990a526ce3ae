/* Which of this host's addresses a packet to somewhere would leave from. */
#ifndef SQ_NET_ROUTE_H
#define SQ_NET_ROUTE_H

#include "base/addr.h"
#include "base/err.h"

/* By the kernel's routing table; nothing is sent. The port of the answer is 0. SQ_ERR_IO with errno
 * when there is no route. */
int sq_route_source(const struct sq_addr *remote, struct sq_addr *ret_local) SQ_MUST_USE;

#endif
