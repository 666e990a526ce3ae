/* This host's addresses. */
#ifndef SQ_NET_IFADDR_H
#define SQ_NET_IFADDR_H

#include "base/addr.h"

#define SQ_IFADDR_NAME_MAX 16

struct sq_ifaddr {
    struct sq_addr addr; /* port 0; IPv6 link-local ones carry their scope id */
    char name[SQ_IFADDR_NAME_MAX];
    bool loopback;
    bool link_local;
};

/* IPv4 and IPv6 addresses of interfaces that are up, in the system's order; at most `max`, the rest
 * is left out. SQ_ERR_IO with errno. */
int sq_ifaddr_list(struct sq_ifaddr *out, size_t max, size_t *ret_n) SQ_MUST_USE;

#endif
