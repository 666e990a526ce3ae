/* What is worth knowing before a run begins, and no reason not to begin it. */
#ifndef SQ_CLI_RUN_NOTES_H
#define SQ_CLI_RUN_NOTES_H

#include "cli/run_options.h"
#include <stdio.h>

/* A line each; nothing where there is nothing to tell. */
void sq_run_notes(const struct sq_run_options *o, const struct sq_plan *plan, FILE *out);

/* How many of the layers that --simulcast asks for the group's clip has, in the codec that is
 * preferred; all of them where there is no clip (yet). */
unsigned sq_run_notes_layers(const struct sq_plan_group *group);

#endif
