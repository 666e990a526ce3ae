/* --expect and --abort-on. */
#ifndef SQ_CLI_EXPECT_OPTION_H
#define SQ_CLI_EXPECT_OPTION_H

#include "cli/run_options.h"

/* Parses them into o->expectations: those that are expected, and then those that end a run. */
int sq_expect_options_parse(struct sq_run_options *o, char *why, size_t why_room) SQ_MUST_USE;
/* Whether the plan, complete but for what the run itself adds, can have what they name; and gives
 * them to it. */
int sq_expect_options_plan(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                           size_t why_room) SQ_MUST_USE;

#endif
