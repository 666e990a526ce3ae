/* A peer's short history: what it sent and received in each second of its life, in a fixed number
 * of points. When all are taken, each two become one, so that the whole life stays in view, however
 * long it lasts: 1 KB for each peer that is there. */
#ifndef SQ_RUN_STRIP_H
#define SQ_RUN_STRIP_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_STRIP_POINTS_MAX 64 /* even: two become one */

/* Of one second, or of several: means, and freezes that began. */
struct sq_strip_point {
    float in_kbps, out_kbps; /* audio and video together */
    float loss_percent;      /* of what was received; NAN: nothing came */
    uint32_t freezes;
};

/* Zeroed to begin with. */
struct sq_strip {
    double start_ms;    /* of the first second, from the run's start */
    unsigned per_point; /* seconds that make a point: 1, 2, 4, … */
    unsigned in_last;   /* ... and so many the last one has, 1 at least */
    size_t n;
    struct sq_strip_point *points; /* owned; room for SQ_STRIP_POINTS_MAX */
};

/* A further second; `t_ms` is its end. Seconds that were left out before it, as of a peer that was
 * away, count as silent. SQ_ERR_NOMEM: it was not taken. */
int sq_strip_add(struct sq_strip *strip, double t_ms,
                 const struct sq_strip_point *second) SQ_MUST_USE;
/* When the point ends, from the run's start. */
double sq_strip_end_ms(const struct sq_strip *strip, size_t point);
void sq_strip_clear(struct sq_strip *strip);

#endif
