/* How the STUN servers of a run answered, as rows of its result. */
#ifndef SQ_RUN_STUN_ROWS_H
#define SQ_RUN_STUN_ROWS_H

#include "run/endpoint.h"
#include "run/result.h"

/* The servers that a carrier was given, in its order. */
struct sq_stun_servers {
    const struct sq_addr *addrs;
    const char *const *names; /* as the user gave them, one an address; nullable */
    size_t n;                 /* at most SQ_RESULT_STUN_MAX */
};

/* Adds what a carrier has counted to the rows, which are made by the first. */
void sq_stun_rows_add(const struct sq_stun_servers *servers, const struct sq_carrier *carrier,
                      struct sq_result *result);

#endif
