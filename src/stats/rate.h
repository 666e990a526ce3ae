/* From a counter that only grows to its rate over a sliding window. */
#ifndef SQ_STATS_RATE_H
#define SQ_STATS_RATE_H

#include <stdbool.h>
#include <stdint.h>

#define SQ_RATE_POINTS 8 /* the window slides in steps of a seventh */

/* 160 bytes. Zero-initialised it is not usable: sq_rate_init. */
struct sq_rate {
    uint64_t window_ns;
    uint64_t at_ns[SQ_RATE_POINTS];
    uint64_t total[SQ_RATE_POINTS];
    uint32_t points;
    uint32_t head; /* index of the newest */
};

/* window_ns > 0; 1 s to 10 s is usual. */
void sq_rate_init(struct sq_rate *r, uint64_t window_ns);
/* Tells the counter's total as it stands at now_ns. Call it as often as is handy. A total below the
 * last one (the source restarted) or a time that runs backwards begins anew. */
void sq_rate_update(struct sq_rate *r, uint64_t now_ns, uint64_t total);
/* Growth a second between the newest point and the oldest one inside the window (or the newest
 * before it, where no other is left). False while there are not two points at different times. */
bool sq_rate_get(const struct sq_rate *r, double *ret_per_second);

#endif
