/* --data and --data-mode of `squall run`. */
#ifndef SQ_CLI_DATA_OPTIONS_H
#define SQ_CLI_DATA_OPTIONS_H

#include "run/plan.h"

/* RATE:SIZE ("10/s:200", "max:16k") and a list of "ordered", "unordered", "retransmits=N",
 * "lifetime=D"; each nullable. On failure `why` says what was expected. SQ_ERR_INVALID. */
int sq_data_options_parse(const char *data, const char *mode, struct sq_plan_data *ret_data,
                          char *why, size_t why_room) SQ_MUST_USE;

#endif
