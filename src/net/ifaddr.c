#include "net/ifaddr.h"

#include <ifaddrs.h>
#include <net/if.h>
#include <string.h>

static bool usable(const struct ifaddrs *i)
{
    return i->ifa_addr && (i->ifa_flags & IFF_UP) &&
           (i->ifa_addr->sa_family == AF_INET || i->ifa_addr->sa_family == AF_INET6);
}

int sq_ifaddr_list(struct sq_ifaddr *out, size_t max, size_t *ret_n)
{
    struct ifaddrs *all;
    if (getifaddrs(&all) < 0) {
        return SQ_ERR_IO;
    }
    size_t n = 0;
    for (const struct ifaddrs *i = all; i && n < max; i = i->ifa_next) {
        if (!usable(i)) {
            continue;
        }
        struct sq_ifaddr *o = &out[n++];
        memset(o, 0, sizeof(*o));
        if (i->ifa_addr->sa_family == AF_INET) {
            memcpy(&o->addr.in4, i->ifa_addr, sizeof(o->addr.in4));
        } else {
            memcpy(&o->addr.in6, i->ifa_addr, sizeof(o->addr.in6));
        }
        sq_addr_set_port(&o->addr, 0);
        size_t len = strnlen(i->ifa_name, sizeof(o->name) - 1);
        memcpy(o->name, i->ifa_name, len);
        o->loopback = (i->ifa_flags & IFF_LOOPBACK) != 0;
        o->link_local = sq_addr_is_link_local(&o->addr);
    }
    freeifaddrs(all);
    *ret_n = n;
    return 0;
}
