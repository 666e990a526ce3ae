/* When the messages of a steady rate are due. Pure arithmetic. */
#ifndef SQ_RUN_PACE_H
#define SQ_RUN_PACE_H

#include "base/time.h"
#include <stdint.h>

#define SQ_PACE_LATE_MAX_NS (100 * SQ_NS_PER_MS) /* what was due longer ago is not made up for */

struct sq_pace {
    double next_ns; /* when the next one is due; a fraction counts at high rates */
    double gap_ns;
};

/* rate_per_s > 0. */
void sq_pace_init(struct sq_pace *p, uint64_t first_ns, double rate_per_s);
/* How many to send now, all that have come due since the last call; those that are too late are in
 * `ret_skipped`, and were the first. The next one is due after now_ns then. */
uint64_t sq_pace_due(struct sq_pace *p, uint64_t now_ns, uint64_t *ret_skipped);
uint64_t sq_pace_next_ns(const struct sq_pace *p);

#endif
