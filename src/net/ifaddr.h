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

/* Addresses in a row: "10.0.0.1", "10.0.0.1-10.0.3.254", "10.0.0.0/22" (network and broadcast
 * address left out where there is room for them), the same for IPv6. At most SQ_ADDR_RANGE_MAX,
 * the rest is left out of a prefix and refused in a range. SQ_ERR_FORMAT. */
#define SQ_ADDR_RANGE_MAX 1048576
int sq_addr_range_parse(const char *text, struct sq_addr *ret_first,
                        uint32_t *ret_count) SQ_MUST_USE;
#define SQ_ADDR_RANGE_WRONG_MAX 256
/* What is wrong with a text that it refuses, where its addresses are right: "the range runs
 * backwards: …"; "" where they are not. Returns out. */
const char *sq_addr_range_wrong(const char *text, char out[static SQ_ADDR_RANGE_WRONG_MAX]);
/* The address `n` behind `first`, with its port. */
struct sq_addr sq_addr_step(const struct sq_addr *first, uint32_t n);

#endif
