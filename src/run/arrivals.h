/* When users begin, and in a closed model when they are to go: a clock of arrivals whose rate or
 * number follows a shape, and may be changed by hand while it runs. Pure arithmetic, no threads:
 * each shard has its own copy, and all hear of a change with the same time, so they agree.
 *
 * With a rate, arrival n is due when the rate's integral reaches n; the first one as soon as the
 * rate is above 0. In a closed model the places 0, 1, 2, … are taken as the number rises, each when
 * it goes beyond that place's number, and given up in the same order as it falls: who came first
 * goes first. So the number that is there is the shape's, rounded up. */
#ifndef SQ_RUN_ARRIVALS_H
#define SQ_RUN_ARRIVALS_H

#include "base/time.h"
#include "scenario/shape.h"
#include <stdbool.h>
#include <stdint.h>

/* Of a shape, and of changes by hand, of which the oldest are forgotten. */
#define SQ_ARRIVALS_PIECES_MAX (SQ_SHAPE_STAGES_MAX + 33)

/* A part of the course: even from `from` to `to`. */
struct sq_arrivals_piece {
    uint64_t at_ns, over_ns; /* over_ns SQ_NEVER: for good, at `from` */
    double from, to;         /* arrivals a second; users, in a closed model */
    double came, gone;       /* arrivals and, in a closed model, departures before it */
    uint64_t first;          /* the number of its first arrival */
};

struct sq_arrivals {
    enum sq_shape_kind kind;
    uint64_t start_ns;
    struct sq_arrivals_piece pieces[SQ_ARRIVALS_PIECES_MAX]; /* the last one is for good */
    size_t pieces_len;
    const uint64_t *times_ns; /* borrowed; SQ_SHAPE_TIMES: from the start on */
    size_t times_len;
    uint64_t changed_ns; /* by hand, the last time */
    double rate_per_s;   /* as it was set last, paused or not; NAN: the shape's */
    bool paused;
};

void sq_arrivals_init(struct sq_arrivals *a, uint64_t start_ns, double rate_per_s);
/* `shape` is of stages or times; times are borrowed. */
void sq_arrivals_init_shape(struct sq_arrivals *a, uint64_t start_ns, const struct sq_shape *shape);

/* By hand, from at_ns on: the rest of the shape is left. A time before the last change counts as
 * that. Of a rate: */
void sq_arrivals_set_rate(struct sq_arrivals *a, uint64_t at_ns, double rate_per_s);
void sq_arrivals_pause(struct sq_arrivals *a, uint64_t at_ns, bool paused);
/* … and of a closed model: evenly to `peers` over over_ns. */
void sq_arrivals_set_peers(struct sq_arrivals *a, uint64_t at_ns, double peers, uint64_t over_ns);

/* Users that are due by now_ns, the one at the very start included. */
uint64_t sq_arrivals_due(const struct sq_arrivals *a, uint64_t now_ns);
/* Those whose time is before end_ns. */
uint64_t sq_arrivals_before(const struct sq_arrivals *a, uint64_t end_ns);
/* The intended start of user `index`: SQ_NEVER if it does not come, as matters stand. */
uint64_t sq_arrivals_time_ns(const struct sq_arrivals *a, uint64_t index);
/* When place `place` of a closed model is given up; SQ_NEVER: it is not. */
uint64_t sq_arrivals_leave_ns(const struct sq_arrivals *a, uint64_t place);
/* What is asked for at that time: users, or arrivals a second; NAN: SQ_SHAPE_TIMES. */
double sq_arrivals_value(const struct sq_arrivals *a, uint64_t now_ns);

#endif
