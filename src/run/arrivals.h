/* When users begin: a clock of arrivals whose rate may change while it runs. Pure arithmetic, no
 * threads: each shard has its own copy, and all hear of a change with the same time, so they agree.
 */
#ifndef SQ_RUN_ARRIVALS_H
#define SQ_RUN_ARRIVALS_H

#include "base/time.h"
#include <stdbool.h>
#include <stdint.h>

struct sq_arrivals {
    uint64_t since_ns; /* the present rate holds since then */
    double before;     /* arrivals until then */
    double rate_per_s;
    double old_rate_per_s; /* until then, 0 while it was paused: changes are told ahead of time */
    bool paused;
};

void sq_arrivals_init(struct sq_arrivals *a, uint64_t start_ns, double rate_per_s);
/* From at_ns on. A time before the last change counts as that. */
void sq_arrivals_set_rate(struct sq_arrivals *a, uint64_t at_ns, double rate_per_s);
void sq_arrivals_pause(struct sq_arrivals *a, uint64_t at_ns, bool paused);
/* Users that are due by now_ns, the one at the very start included. */
uint64_t sq_arrivals_due(const struct sq_arrivals *a, uint64_t now_ns);
/* Those whose time is before end_ns. */
uint64_t sq_arrivals_before(const struct sq_arrivals *a, uint64_t end_ns);
/* The intended start of user `index`: SQ_NEVER while paused or at rate 0. Of one that was due
 * before the last change: by the rate before it, since_ns if there was none. */
uint64_t sq_arrivals_time_ns(const struct sq_arrivals *a, uint64_t index);

#endif
