/* Who begins when, of the whole run or of one shard's part of it: arrivals with their jitter, and
 * in a closed model places whose users are replaced, and that are given up as the number falls.
 * Reads no clock and knows no users, so that a test runs hours of it in a moment. A shard's part is
 * each stride-th arrival (place, in a closed model): shards share nothing. */
#ifndef SQ_RUN_CROWD_H
#define SQ_RUN_CROWD_H

#include "run/arrivals.h"
#include "run/plan.h"

struct sq_crowd;

struct sq_crowd_config {
    const struct sq_plan *plan; /* borrowed */
    uint64_t start_ns;
    unsigned number, stride; /* arrivals and places with n % stride == number */
    bool counting; /* only who is due is counted: there are no users, and nobody is replaced */
};

struct sq_arrival {
    uint64_t index; /* of all attempts; in a closed model counted by each shard for itself */
    uint64_t place; /* whose room, group and network it has; `index`, but in a closed model */
    uint64_t intended_ns;
    bool again;  /* replaces one who left */
    bool missed; /* it was due, but it cannot begin: no memory, or no place any more */
};

int sq_crowd_create(const struct sq_crowd_config *config, struct sq_crowd **ret_crowd) SQ_MUST_USE;
void sq_crowd_destroy(struct sq_crowd *crowd); /* NULL is allowed */

bool sq_crowd_is_closed(const struct sq_crowd *crowd);
/* The next one that is due by now_ns; false: none. */
bool sq_crowd_come(struct sq_crowd *crowd, uint64_t now_ns, struct sq_arrival *ret_arrival);
/* The next place of a closed model that is to be given up by now_ns; false: none. *ret_user is who
 * is there, NULL: nobody. */
bool sq_crowd_go(struct sq_crowd *crowd, uint64_t now_ns, void **ret_user);
/* When either may have something next; SQ_NEVER: not as matters stand. */
uint64_t sq_crowd_next_ns(const struct sq_crowd *crowd);
/* Nobody comes any more, whatever happens. */
bool sq_crowd_is_over(const struct sq_crowd *crowd);

/* Of a closed model: who has the place of an arrival, and that nobody has it any more; who is to
 * replace him comes after the think time, and after a failure a second later at least.
 * SQ_ERR_NOMEM: nobody will. */
void sq_crowd_took(struct sq_crowd *crowd, uint64_t place, void *user);
int sq_crowd_left(struct sq_crowd *crowd, uint64_t place, bool failed, uint64_t now_ns) SQ_MUST_USE;

/* As of sq_arrivals_…: changes by hand. */
void sq_crowd_set_rate(struct sq_crowd *crowd, uint64_t at_ns, double rate_per_s, bool paused);
void sq_crowd_set_peers(struct sq_crowd *crowd, uint64_t at_ns, uint64_t peers, uint64_t over_ns);
const struct sq_arrivals *sq_crowd_arrivals(const struct sq_crowd *crowd);

#endif
