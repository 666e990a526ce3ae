/* Runs in which there was nothing to test: no pass, where nothing was expected of what there is,
 * and not the service's fault. */
#ifndef SQ_RUN_UNTESTED_H
#define SQ_RUN_UNTESTED_H

#include "run/plan.h"
#include "run/result.h"

/* Sets result->error where viewers had nobody to watch, or a recording (a group's) was over
 * before a first rate of its media could be taken, or before any came back. `expected`: the user
 * has expectations of figures, not of peers alone. Before the verdict. */
void sq_untested_check(const struct sq_plan *plan, bool expected, struct sq_result *result);

#endif
