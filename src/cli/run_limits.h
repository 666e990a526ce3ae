/* What the machine has to allow for a run: open files, and threads of real time. */
#ifndef SQ_CLI_RUN_LIMITS_H
#define SQ_CLI_RUN_LIMITS_H

#include "cli/run_options.h"

/* Raises the limit of open files to what the plan's peers need, and makes room for them (see
 * net/rlimit.h); the plan is complete. `lab`: they
 * meet a lab of this process. SQ_ERR_REFUSED: not allowed; `why` says how many are needed. */
int sq_run_limits_raise(const struct sq_run_options *o, const struct sq_plan *plan, bool lab,
                        char *why, size_t why_room) SQ_MUST_USE;

/* SQ_ERR_REFUSED: the plan asks for --realtime, which is not allowed here; `why` says what would
 * allow it. */
int sq_run_limits_realtime(const struct sq_plan *plan, char *why, size_t why_room) SQ_MUST_USE;

#endif
