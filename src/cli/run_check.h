/* What is wrong with a run, told without running it: squall check. */
#ifndef SQ_CLI_RUN_CHECK_H
#define SQ_CLI_RUN_CHECK_H

#include "cli/baseline.h"
#include "cli/run_options.h"
#include "cli/run_sources.h"

/* Zeroed to begin with, but for sources.dry, which is to be true: nothing is started. */
struct sq_run_check {
    struct sq_run_options options; /* parsed by the caller: sq_run_options_parse */
    struct sq_plan plan;
    struct sq_run_sources sources;
    struct sq_baseline_option baseline;
    char why[512];
};

/* All that a run would refuse before it begins, but for what the network and this machine's
 * addresses say. On failure `why` is a sentence: that of a scenario's value by its place, or one
 * for sq_run_file_explain. */
int sq_run_check(struct sq_run_check *c) SQ_MUST_USE;
void sq_run_check_close(struct sq_run_check *c);

#endif
