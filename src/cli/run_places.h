/* Where the results of a run are to go. */
#ifndef SQ_CLI_RUN_PLACES_H
#define SQ_CLI_RUN_PLACES_H

#include "cli/places.h"
#include "cli/run_options.h"

/* --out, --json, --junit and --html: each can be written, and no two are the same. Without `places`
 * readers of FIFOs need not be there yet. SQ_ERR_INVALID with a sentence. */
int sq_run_places_check(const struct sq_run_options *o, struct sq_places *places, char *why,
                        size_t why_room) SQ_MUST_USE;

#endif
