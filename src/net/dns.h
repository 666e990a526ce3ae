/* Names to addresses, on a loop (c-ares). Numeric addresses are answered without a query,
 * /etc/hosts is read first, "localhost" never leaves the host (RFC 6761, section 6.3). */
#ifndef SQ_NET_DNS_H
#define SQ_NET_DNS_H

#include "base/addr.h"
#include "net/loop.h"

#define SQ_DNS_ADDR_MAX           16 /* addresses of one answer; further ones are left out */
#define SQ_DNS_TIMEOUT_DEFAULT_NS (5 * SQ_NS_PER_SEC)

struct sq_dns_query;

struct sq_dns_answer {
    int err; /* 0, SQ_ERR_DNS (no such name, no server), SQ_ERR_TIMEOUT, SQ_ERR_NOMEM */
    const struct sq_addr *addrs; /* with the port asked for; valid during the callback */
    size_t n;
    uint64_t took_ns;
    const char *text; /* "cannot resolve 'x.invalid': Domain name not found"; "" if err is 0 */
};

/* Runs once, from the loop, never from inside sq_dns_resolve; the query is gone afterwards. */
typedef void (*sq_dns_fn)(void *ctx, const struct sq_dns_answer *answer);

/* host may be a name or a numeric address, IPv6 also in brackets. family: AF_UNSPEC, AF_INET or
 * AF_INET6. timeout_ns 0: the default. SQ_ERR_NOMEM, SQ_ERR_INVALID, SQ_ERR_DNS (c-ares will not
 * start). */
int sq_dns_resolve(struct sq_loop *loop, const char *host, uint16_t port, int family,
                   uint64_t timeout_ns, sq_dns_fn fn, void *ctx,
                   struct sq_dns_query **ret_query) SQ_MUST_USE;
/* The callback will not run. NULL is allowed. */
void sq_dns_cancel(struct sq_dns_query *query);
/* Name servers for this loop, "10.0.0.1,10.0.0.2:5353" (a test's own); before or between queries
 * (SQ_ERR_STATE). SQ_ERR_INVALID. */
int sq_dns_set_servers(struct sq_loop *loop, const char *servers_csv) SQ_MUST_USE;

#endif
