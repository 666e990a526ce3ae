/* Rooms and groups of a scenario, into the plan. */
#ifndef SQ_CLI_RUN_GROUPS_H
#define SQ_CLI_RUN_GROUPS_H

#include "cli/run_options.h"

/* Sizes of rooms: of the command line or the file. SQ_ERR_INVALID with a sentence. */
int sq_run_rooms_plan(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                      size_t why_room) SQ_MUST_USE;
/* Names, roles and places of the file's groups; what else they are to do is in the plan. */
int sq_run_groups_plan(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                       size_t why_room) SQ_MUST_USE;

#endif
