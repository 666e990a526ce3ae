/* Two associations and the network between them, in a few words for the tests. */
#ifndef TESTS_PEER_SCTP_PAIR_H
#define TESTS_PEER_SCTP_PAIR_H

#include "sctp_net.h"

struct pair {
    struct sctp_net *net;
    struct sctp_end *a, *b;
};

static inline struct pair make(uint64_t seed, const struct sctp_link *link,
                               const struct sq_sctp_config *ca, const struct sq_sctp_config *cb)
{
    struct pair p = {.net = sctp_net_new(seed)};
    sctp_net_pair(p.net, link, ca, cb, &p.a, &p.b);
    return p;
}

/* And connected. */
static inline struct pair up(uint64_t seed, const struct sctp_link *link,
                             const struct sq_sctp_config *c)
{
    struct pair p = make(seed, link, c, c);
    sctp_net_up(p.net, p.a, p.b);
    return p;
}

static inline struct sq_sctp_stats stats(const struct sctp_end *e)
{
    struct sq_sctp_stats s;
    sq_sctp_stats(e->a, &s);
    return s;
}

/* Ordered and reliable. */
static inline int put(struct sctp_end *e, uint16_t stream, uint32_t number, size_t len)
{
    return sctp_put(e, stream, number, len, false, SQ_SCTP_NO_LIMIT, 0);
}

#endif
