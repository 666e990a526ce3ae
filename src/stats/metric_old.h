/* Names that users bring from testRTC and Loadero, and what they are called here; names that have
 * no metric, and why. docs/expectations.md has both as tables. */
#ifndef SQ_STATS_METRIC_OLD_H
#define SQ_STATS_METRIC_OLD_H

#include "base/err.h"
#include "base/str.h"

#define SQ_METRIC_OLD_MAX 96

struct sq_metric_old {
    char name[SQ_METRIC_OLD_MAX]; /* "video.in.loss.p95" */
    const char *whose;            /* "testRTC", "Loadero"; static */
    const char *note;             /* how the two differ: a sentence; static, "" */
};

/* What is asked for in vain: such a name, or one that lies near, that has no metric here. A phrase
 * that says why, and what there is in its place; static. NULL: nothing is known of it. */
const char *sq_metric_absent(struct sq_view name);
/* SQ_ERR_NOTFOUND: not such a name, or none that has one here. Nothing says that the new name is
 * whole: its aggregate is as the user wrote it. */
int sq_metric_from_old(struct sq_view old, struct sq_metric_old *ret_new) SQ_MUST_USE;

#endif
