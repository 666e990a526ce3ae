/* Names that options give, looked up before anything else begins. */
#ifndef SQ_CLI_FIND_HOST_H
#define SQ_CLI_FIND_HOST_H

#include "base/addr.h"
#include "net/loop.h"

/* The first address of a name, or a numeric address itself; runs the loop until it is known.
 * SQ_ERR_DNS and others. */
int sq_find_host(struct sq_loop *loop, const char *host, uint16_t port,
                 struct sq_addr *ret_addr) SQ_MUST_USE;
/* --stun HOST, HOST:PORT or stun:HOST:PORT; on failure `why` says what is wrong. SQ_ERR_INVALID,
 * SQ_ERR_DNS. */
int sq_find_stun(struct sq_loop *loop, const char *text, struct sq_addr *ret_addr, char *why,
                 size_t why_room) SQ_MUST_USE;

#endif
