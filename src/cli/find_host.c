#include "cli/find_host.h"

#include "base/str.h"
#include "base/time.h"
#include "net/dns.h"
#include <stdio.h>
#include <string.h>

#define STUN_PORT 3478 /* RFC 8489, section 8 */

struct lookup {
    bool over;
    int err;
    struct sq_addr addr;
};

static void on_lookup(void *ctx, const struct sq_dns_answer *answer)
{
    struct lookup *lookup = ctx;
    lookup->over = true;
    lookup->err = answer->err;
    if (!answer->err && answer->n > 0) {
        lookup->addr = answer->addrs[0];
    }
}

int sq_find_host(struct sq_loop *loop, const char *host, uint16_t port, struct sq_addr *ret_addr)
{
    struct lookup lookup = {0};
    struct sq_dns_query *query;
    int err = sq_dns_resolve(loop, host, port, AF_UNSPEC, 0, on_lookup, &lookup, &query);
    while (!err && !lookup.over) {
        err = sq_loop_run_once(loop, SQ_NS_PER_SEC);
    }
    err = err ? err : lookup.err;
    if (!err) {
        *ret_addr = lookup.addr;
    }
    return err;
}

int sq_find_stun(struct sq_loop *loop, const char *text, struct sq_addr *ret_addr, char *why,
                 size_t why_room)
{
    char host[256];
    uint64_t port = STUN_PORT;
    const char *from = strncmp(text, "stun:", 5) == 0 ? text + 5 : text;
    const char *colon = strrchr(from, ':');
    size_t len = colon ? (size_t)(colon - from) : strlen(from);
    if (len == 0 || len >= sizeof(host) ||
        (colon && sq_view_u64(sq_view_of(colon + 1), 65535, &port) != 0)) {
        snprintf(why, why_room, "--stun %s: expected HOST or HOST:PORT", text);
        return SQ_ERR_INVALID;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    if (sq_find_host(loop, host, (uint16_t)port, ret_addr) != 0) {
        snprintf(why, why_room, "--stun %s: the name '%s' cannot be resolved", text, host);
        return SQ_ERR_DNS;
    }
    return 0;
}
