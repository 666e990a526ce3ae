/* squall run --baseline: the run beside earlier ones. */
#ifndef SQ_CLI_BASELINE_H
#define SQ_CLI_BASELINE_H

#include "cli/options.h"
#include "report/compare.h"
#include "run/result.h"
#include "store/store.h"
#include <stdio.h>

/* Zeroed to begin with. */
struct sq_baseline_option {
    struct sq_store_runs runs;
    double threshold_percent; /* NAN: the usual one */
    struct sq_stored_run *mine;
    struct sq_compare *compare; /* NULL until sq_baseline_judge */
};

/* Before the run: what is wrong with a baseline is told at once, and one that says nothing is
 * refused. Its peers are read, too, as its folder may be the run's own. */
int sq_baseline_load(struct sq_baseline_option *b, const struct sq_option_list *words,
                     const char *threshold, char *why, size_t why_room) SQ_MUST_USE;
/* After the verdict: one that held does not where it is worse than the baseline. Nothing where
 * there is none. */
int sq_baseline_judge(struct sq_baseline_option *b, struct sq_result *r, char *why,
                      size_t why_room) SQ_MUST_USE;
/* The table, for the closing text. */
void sq_baseline_tell(const struct sq_baseline_option *b, bool color, FILE *out);
void sq_baseline_free(struct sq_baseline_option *b);

#endif
