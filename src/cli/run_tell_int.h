/* What the files of run_tell share. */
#ifndef SQ_CLI_RUN_TELL_INT_H
#define SQ_CLI_RUN_TELL_INT_H

#include "cli/run_options.h"
#include <stdio.h>

/* All borrowed. */
struct sq_teller {
    const struct sq_run_options *o;
    const struct sq_plan *plan;
    FILE *out;
};

/* A line, with a word on its left. */
void sq_tell_row(const struct sq_teller *t, const char *word, const char *fmt, ...) SQ_PRINTF(3, 4);
/* run_tell_rest.c: settings that no other line tells and that are not as by default. */
void sq_tell_rest(const struct sq_teller *t);

#endif
