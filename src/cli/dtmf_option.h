/* --dtmf of `squall run`. */
#ifndef SQ_CLI_DTMF_OPTION_H
#define SQ_CLI_DTMF_OPTION_H

#include "run/plan.h"
#include "run/result.h"
#include <stdio.h>

/* DIGITS[@SECONDS], such as 1234# or 55,66@2.5, into *group, which keeps its text. On failure `why`
 * says what was expected. SQ_ERR_INVALID. NULL is allowed. */
int sq_dtmf_option_parse(const char *text, struct sq_plan_group *group, char *why,
                         size_t why_room) SQ_MUST_USE;
/* Says so where peers that were connected could press none. */
void sq_dtmf_option_tell(const struct sq_plan *plan, const struct sq_result *result, FILE *out);

#endif
