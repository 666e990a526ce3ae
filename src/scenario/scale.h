/* A scenario in small, or in large: the same test with fewer peers and in less time. */
#ifndef SQ_SCENARIO_SCALE_H
#define SQ_SCENARIO_SCALE_H

#include "scenario/scenario.h"

#define SQ_SCENARIO_SCALE_MIN 0.001
#define SQ_SCENARIO_SCALE_MAX 100.0

/* Changes what the file says, once, before options are made of it: peers, rooms and numbers of
 * stages times `factor`, rounded up, and so are all times: of the run, of a stay, of ramps, stages,
 * jitter and thinking, waits of steps, changes of networks, the delay of keys, windows of
 * expectations and delays of those that end a run. Rates of arrival are then as they were, and so
 * are the sizes of rooms, shares, bounds of expectations, and time limits. Where rooms have a size
 * they are filled, and one room keeps somebody of each group. What is no number or time stays as it
 * is written, for its own reader to refuse.
 *
 * SQ_ERR_UNSUPPORTED with a place: load.arrivals, whose file says all times. SQ_ERR_NOMEM: the
 * scenario is scaled in parts, to be freed. */
int sq_scenario_scale(struct sq_scenario *scenario, double factor,
                      struct sq_yaml_error *ret_error) SQ_MUST_USE;

#endif
