/* What a search for capacity counts in, peers or rooms, and from where on. Pure functions of a
 * plan.
 */
#ifndef SQ_CLI_CAPACITY_UNITS_H
#define SQ_CLI_CAPACITY_UNITS_H

#include "run/capacity.h"
#include "run/plan.h"
#include <stdint.h>

/* Peers of a plan as what grows: levels of rooms are counted in rooms, those begun included. */
uint64_t sq_capacity_in_units(const struct sq_capacity *c, const struct sq_plan *base,
                              enum sq_grow grow, uint64_t peers);
/* The smallest level: so that each peer that watches has somebody to hear. */
uint64_t sq_capacity_least(const struct sq_plan *base, enum sq_grow grow);
/* Rooms of ten, where nobody says: or of as many as one was found to hold. 0: the plan has rooms of
 * several sizes. */
uint64_t sq_capacity_room_size(const struct sq_capacity *c, const struct sq_plan *base);

#endif
