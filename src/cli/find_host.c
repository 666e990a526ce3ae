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

/* "HOST", "HOST:PORT", "[IPv6]:PORT", an IPv6 address alone. */
static bool split_host(const char *text, char *host, size_t room, uint64_t *port)
{
    struct sq_addr literal;
    const char *end = text[0] == '[' ? strchr(text, ']') : NULL;
    const char *from = end ? text + 1 : text;
    const char *colon = end ? end + 1 : strrchr(text, ':');
    if (!end && sq_addr_parse(text, 0, &literal) == 0) {
        colon = NULL;
    }
    if (end && *colon != ':') {
        colon = *colon == '\0' ? NULL : end; /* what follows the bracket is no port */
    }
    if (text[0] == '[' && !end) {
        return false;
    }
    size_t len = end ? (size_t)(end - from) : colon ? (size_t)(colon - from) : strlen(from);
    if (len == 0 || len >= room ||
        (colon && (sq_view_u64(sq_view_of(colon + 1), 65535, port) != 0 || *port == 0))) {
        return false;
    }
    memcpy(host, from, len);
    host[len] = '\0';
    return true;
}

int sq_find_stun(struct sq_loop *loop, const char *text, struct sq_addr *ret_addr, char *why,
                 size_t why_room)
{
    char host[256];
    uint64_t port = STUN_PORT;
    const char *from = strncmp(text, "stun:", 5) == 0 ? text + 5 : text;
    if (!split_host(from, host, sizeof(host), &port)) {
        snprintf(why, why_room, "--stun %.200s: expected HOST, HOST:PORT or [IPv6]:PORT", text);
        return SQ_ERR_INVALID;
    }
    if (sq_find_host(loop, host, (uint16_t)port, ret_addr) != 0) {
        snprintf(why, why_room, "--stun %s: the name '%s' cannot be resolved", text, host);
        return SQ_ERR_DNS;
    }
    return 0;
}
