/* What the files of the comparison share. */
#ifndef SQ_REPORT_COMPARE_INT_H
#define SQ_REPORT_COMPARE_INT_H

#include "report/compare.h"

/* A note; past SQ_COMPARE_NOTES_MAX it is dropped. */
int sq_compare_note(struct sq_compare *c, const char *fmt, ...) SQ_PRINTF(2, 3) SQ_MUST_USE;
/* Which runs say something of the service, and why the others do not. */
void sq_compare_sort_out(struct sq_compare *c);
/* Notes about runs that are left out, and about what differs between the sides besides the service:
 * settings, versions, machines. */
int sq_compare_tell_differences(struct sq_compare *c) SQ_MUST_USE;
/* "5 runs", "1 run". Returns out. */
const char *sq_compare_runs_word(size_t n, char out[static 32]);
/* The change for people: "+12.3 %", or in the unit where it was 0. */
void sq_compare_put_change(const struct sq_compare_row *row, struct sq_buf *out);

#endif
