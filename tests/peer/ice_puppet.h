/* A puppet peer for the tests of the ICE agent: it sends just the checks it is told to, and answers
 * those of the agent (base 0 at 10.0.0.1:1000) as it is told, without any delay. */
#ifndef SQ_TESTS_PEER_ICE_PUPPET_H
#define SQ_TESTS_PEER_ICE_PUPPET_H

#include "base/rand.h"
#include "peer/ice/ice.h"

#define PUPPET_PWD  "puppetpuppetpuppetpuppet"
#define PUPPET_KEEP 32

struct puppet {
    struct sq_ice *ice;
    struct sq_rand rand;
    uint64_t now_ns;
    int base; /* that its checks come in on */
    bool answers;
    int answer_error;           /* answer so, once; 0: success */
    struct sq_addr answer_from; /* AF_UNSPEC: the address that was asked */
    /* Requests not answered yet. */
    uint8_t sent[PUPPET_KEEP][640];
    struct sq_addr sent_to[PUPPET_KEEP];
    int n_sent;
    /* Since the start. */
    uint64_t times_ns[PUPPET_KEEP]; /* of all requests */
    int requests, successes;
    uint64_t tie; /* of the last request */
    bool said_controlling;
    int error; /* of the last error response */
    int candidates;
};

/* Gathers and sets the remote credentials ("pupp", PUPPET_PWD). `server`: a STUN server, or NULL.
 */
void puppet_start(struct puppet *p, bool controlling, bool lite, const char *server);
/* Answers what the agent has asked, until that time. */
void puppet_run(struct puppet *p, uint64_t until_ns);
/* Tells a remote host candidate 10.0.0.2 with that port. */
void puppet_candidate(struct puppet *p, const char *foundation, uint32_t priority, uint16_t port);

enum puppet_how {
    PUPPET_USE = 1,
    PUPPET_NO_USER = 2,
    PUPPET_NO_INTEGRITY = 4,
    PUPPET_STRANGE_ATTR = 8,
    PUPPET_CONTROLLED = 16, /* says so; else controlling */
    PUPPET_WIN = 32         /* with the greatest tie-breaker; else the least */
};

/* A check from that address; gives what sq_ice_receive gives. */
int puppet_check(struct puppet *p, const struct sq_addr *from, uint32_t priority, int how);
bool puppet_selected(struct puppet *p, const struct sq_addr *expected);

#endif
