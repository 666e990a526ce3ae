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
/* The interval of the change, in the same: "+46.8 … +286". */
void sq_compare_put_span(const struct sq_compare_row *row, struct sq_buf *out);
/* "0.011", "<0.001"; a dash for NAN. */
void sq_compare_put_p(double p, struct sq_buf *out);
/* How much the comparison can tell, in sentences with `between` between them. */
void sq_compare_put_power(const struct sq_compare *c, const struct sq_compare_pair *pair,
                          const char *between, struct sq_buf *out);
/* "✗" of a figure that is worse. Static. */
const char *sq_compare_mark(enum sq_compare_call call);
/* "✗ WORSE". Static. */
const char *sq_compare_headline(const struct sq_compare *c);
/* Whether a setting of two runs differs in what matters; *ret_a and *ret_b are its values, NULL
 * where it is not set. */
bool sq_compare_setting_differs(const struct sq_stored_run *first,
                                const struct sq_stored_run *other, const char *key,
                                const char **ret_a, const char **ret_b);
/* The figure of each run that is used and has it; returns how many. */
size_t sq_compare_values(const struct sq_compare_side *side, struct sq_compare_figure f,
                         double values[static SQ_STORE_RUNS_MAX]);

/* A change below this, in the unit, is of no matter whatever its share. */
double sq_compare_least_change(const struct sq_compare_row *row);
/* Fills p_adjusted of the rows: p, corrected for the figures of this pair. */
int sq_compare_adjust(const struct sq_compare *c, struct sq_compare_pair *pair) SQ_MUST_USE;

#endif
