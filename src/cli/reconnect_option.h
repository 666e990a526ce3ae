/* --reconnect of `squall run`. */
#ifndef SQ_CLI_RECONNECT_OPTION_H
#define SQ_CLI_RECONNECT_OPTION_H

#include "run/plan.h"

/* "now", "backoff" or "backoff:FIRST-MOST" (durations), each also behind "ice+"; NULL: who is
 * dropped has failed. SQ_ERR_INVALID: `why` says what was expected. */
int sq_reconnect_option_parse(const char *text, struct sq_plan_reconnect *ret_reconnect, char *why,
                              size_t why_room) SQ_MUST_USE;

#endif
