#include "cli/local_ip.h"

#include "net/udp.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>

/* Nobody's own: any, or a group. Both could be bound to. */
static bool is_nobodys(const struct sq_addr *addr)
{
    if (sq_addr_family(addr) == AF_INET6) {
        return IN6_IS_ADDR_UNSPECIFIED(&addr->in6.sin6_addr) ||
               IN6_IS_ADDR_MULTICAST(&addr->in6.sin6_addr);
    }
    uint32_t ip = ntohl(addr->in4.sin_addr.s_addr);
    return ip == INADDR_ANY || IN_MULTICAST(ip);
}

int sq_local_ip_try(struct sq_loop *loop, const char *name, const char *value,
                    const struct sq_addr *addr, char *why, size_t why_room)
{
    const struct sq_udp_options trial = {.bind = *addr};
    char ip[SQ_ADDR_TEXT_MAX];
    struct sq_udp *udp = NULL;
    bool nobodys = is_nobodys(addr);
    if (nobodys || sq_udp_open(loop, &trial, NULL, NULL, &udp) != 0) {
        snprintf(why, why_room, "--%s %.100s: %s is not an address of this machine%s%s%s", name,
                 value, sq_addr_format_ip(addr, ip), nobodys ? "" : " (",
                 nobodys ? "" : strerror(errno), nobodys ? "" : ")");
        return SQ_ERR_INVALID;
    }
    sq_udp_close(udp);
    return 0;
}
