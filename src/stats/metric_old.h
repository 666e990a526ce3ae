/* Names that users bring from testRTC and Loadero, and what they are called here. */
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

/* SQ_ERR_NOTFOUND: not such a name, or none that has one here. Nothing says that the new name is
 * whole: its aggregate is as the user wrote it. */
int sq_metric_from_old(struct sq_view old, struct sq_metric_old *ret_new) SQ_MUST_USE;

#endif
