/* What is written of a comparison on a command line. */
#ifndef SQ_CLI_COMPARE_OPTIONS_H
#define SQ_CLI_COMPARE_OPTIONS_H

#include "report/compare.h"

/* "5" or "7.5%", above 0; `name` is the option's. SQ_ERR_INVALID with a sentence. */
int sq_compare_threshold(const char *name, const char *text, double *ret_percent, char *why,
                         size_t why_room) SQ_MUST_USE;
/* "setup.total.p95": a metric of the service, and an aggregate that results have. The same. */
int sq_compare_metric(const char *text, struct sq_compare_figure *ret_figure, char *why,
                      size_t why_room) SQ_MUST_USE;

#endif
