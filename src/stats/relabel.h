/* Which of many figures of two groups of runs differ by more than chance: the runs are dealt to the
 * two groups in all ways, each with all of its figures, and a figure counts as far out as it is
 * among the most that any figure gives in those ways (Westfall and Young 1993, step down). What the
 * figures of a run have in common is kept so, and nothing is supposed of how they are distributed;
 * where nothing changed, the chance that any figure at all has p <= alpha is alpha at most. */
#ifndef SQ_STATS_RELABEL_H
#define SQ_STATS_RELABEL_H

#include "base/err.h"
#include <stddef.h>

#define SQ_RELABEL_EXACT_MAX 5000 /* ways, as of 7 and 7 runs; where there are more, */
#define SQ_RELABEL_DRAWN     2000 /* … so many are drawn, always alike */
#define SQ_RELABEL_RUNS_MAX  256  /* of both groups */

/* `figures` rows of n + m values, those of the first group first; NAN: the run has not got it. A
 * figure is as far out as its medians lie apart, over what its runs lie from their own group's
 * median by, on average, and `floor`: what a difference does not matter below, above 0, and on the
 * same scale as all values. In ret_p a figure that is NAN is none of the family and stays so; the
 * others become p, corrected for all of them. SQ_ERR_INVALID: an empty group, or more than
 * SQ_RELABEL_RUNS_MAX runs. */
int sq_relabel_test(const double *values, double floor, size_t figures, size_t n, size_t m,
                    double *ret_p) SQ_MUST_USE;

#endif
