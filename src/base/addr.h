/* A transport address: IPv4 or IPv6 with a port. Plain data, compared and printed here; no sockets.
 */
#ifndef SQ_BASE_ADDR_H
#define SQ_BASE_ADDR_H

#include "base/err.h"
#include <netinet/in.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define SQ_ADDR_TEXT_MAX 64 /* "[ipv6]:port" with its NUL fits */

struct sq_addr {
    union {
        struct sockaddr sa;
        struct sockaddr_in in4;
        struct sockaddr_in6 in6;
    };
};

/* AF_INET, AF_INET6, or AF_UNSPEC (0) for "no address". */
static inline int sq_addr_family(const struct sq_addr *a)
{
    return a->sa.sa_family;
}

socklen_t sq_addr_len(const struct sq_addr *a);
uint16_t sq_addr_port(const struct sq_addr *a); /* host order */
void sq_addr_set_port(struct sq_addr *a, uint16_t port);
/* Address and port equal. */
bool sq_addr_equal(const struct sq_addr *a, const struct sq_addr *b);
/* The address alone is equal. */
bool sq_addr_same_ip(const struct sq_addr *a, const struct sq_addr *b);
bool sq_addr_is_loopback(const struct sq_addr *a);
bool sq_addr_is_link_local(const struct sq_addr *a);
/* Parses a numeric address ("10.0.0.1", "::1", no brackets). SQ_ERR_FORMAT if it is not one. */
int sq_addr_parse(const char *ip, uint16_t port, struct sq_addr *ret_addr) SQ_MUST_USE;
/* Writes "1.2.3.4:5" or "[::1]:5", and the IP alone; return `out`. */
const char *sq_addr_format(const struct sq_addr *a, char out[static SQ_ADDR_TEXT_MAX]);
const char *sq_addr_format_ip(const struct sq_addr *a, char out[static SQ_ADDR_TEXT_MAX]);

#endif
