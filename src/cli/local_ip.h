/* --local-ip and its like: whether media can be sent from an address. */
#ifndef SQ_CLI_LOCAL_IP_H
#define SQ_CLI_LOCAL_IP_H

#include "base/addr.h"
#include "net/loop.h"

/* Tries to bind to it; `name` is that of the option and `value` what the user wrote.
 * SQ_ERR_INVALID: `why` says what is wrong. */
int sq_local_ip_try(struct sq_loop *loop, const char *name, const char *value,
                    const struct sq_addr *addr, char *why, size_t why_room) SQ_MUST_USE;

#endif
