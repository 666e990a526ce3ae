/* What a run would do, in plain words: `squall check`. */
#ifndef SQ_CLI_RUN_TELL_H
#define SQ_CLI_RUN_TELL_H

#include "cli/run_options.h"
#include <stdio.h>

/* The plan has its targets and clips. Secrets, and what variables of the environment hold, are not
 * told. */
void sq_run_tell(const struct sq_run_options *o, const struct sq_plan *plan, FILE *out);

/* "20/s", "10/h": in a unit in which it is no small fraction. Returns out. */
const char *sq_run_rate_text(double per_s, char out[static 32]);

#endif
