#include "base/addr.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>

socklen_t sq_addr_len(const struct sq_addr *a)
{
    return sq_addr_family(a) == AF_INET6 ? sizeof(a->in6) : sizeof(a->in4);
}

uint16_t sq_addr_port(const struct sq_addr *a)
{
    return ntohs(sq_addr_family(a) == AF_INET6 ? a->in6.sin6_port : a->in4.sin_port);
}

void sq_addr_set_port(struct sq_addr *a, uint16_t port)
{
    if (sq_addr_family(a) == AF_INET6) {
        a->in6.sin6_port = htons(port);
    } else {
        a->in4.sin_port = htons(port);
    }
}

bool sq_addr_same_ip(const struct sq_addr *a, const struct sq_addr *b)
{
    if (sq_addr_family(a) != sq_addr_family(b)) {
        return false;
    }
    if (sq_addr_family(a) == AF_INET6) {
        return memcmp(&a->in6.sin6_addr, &b->in6.sin6_addr, sizeof(a->in6.sin6_addr)) == 0;
    }
    return a->in4.sin_addr.s_addr == b->in4.sin_addr.s_addr;
}

bool sq_addr_equal(const struct sq_addr *a, const struct sq_addr *b)
{
    return sq_addr_same_ip(a, b) && sq_addr_port(a) == sq_addr_port(b);
}

bool sq_addr_is_loopback(const struct sq_addr *a)
{
    if (sq_addr_family(a) == AF_INET6) {
        return IN6_IS_ADDR_LOOPBACK(&a->in6.sin6_addr);
    }
    return (ntohl(a->in4.sin_addr.s_addr) >> 24) == 127;
}

bool sq_addr_is_link_local(const struct sq_addr *a)
{
    if (sq_addr_family(a) == AF_INET6) {
        return IN6_IS_ADDR_LINKLOCAL(&a->in6.sin6_addr);
    }
    return (ntohl(a->in4.sin_addr.s_addr) >> 16) == 0xa9fe; /* 169.254/16, RFC 3927 */
}

int sq_addr_parse(const char *ip, uint16_t port, struct sq_addr *ret_addr)
{
    struct sq_addr a;
    memset(&a, 0, sizeof(a));
    if (inet_pton(AF_INET, ip, &a.in4.sin_addr) == 1) {
        a.in4.sin_family = AF_INET;
    } else if (inet_pton(AF_INET6, ip, &a.in6.sin6_addr) == 1) {
        a.in6.sin6_family = AF_INET6;
    } else {
        return SQ_ERR_FORMAT;
    }
    sq_addr_set_port(&a, port);
    *ret_addr = a;
    return 0;
}

const char *sq_addr_format_ip(const struct sq_addr *a, char out[static SQ_ADDR_TEXT_MAX])
{
    const void *ip = sq_addr_family(a) == AF_INET6 ? (const void *)&a->in6.sin6_addr
                                                   : (const void *)&a->in4.sin_addr;
    if (sq_addr_family(a) == AF_UNSPEC ||
        !inet_ntop(sq_addr_family(a), ip, out, SQ_ADDR_TEXT_MAX)) {
        snprintf(out, SQ_ADDR_TEXT_MAX, "-");
    }
    return out;
}

const char *sq_addr_format(const struct sq_addr *a, char out[static SQ_ADDR_TEXT_MAX])
{
    char ip[SQ_ADDR_TEXT_MAX];
    sq_addr_format_ip(a, ip);
    bool v6 = sq_addr_family(a) == AF_INET6;
    snprintf(out, SQ_ADDR_TEXT_MAX, v6 ? "[%.46s]:%u" : "%.46s:%u", ip, sq_addr_port(a));
    return out;
}
