/* --network of `squall run`. */
#ifndef SQ_CLI_NETWORK_OPTION_H
#define SQ_CLI_NETWORK_OPTION_H

#include "cli/options.h"
#include "run/plan.h"
#include <stdio.h>

/* Each NETWORK[@SHARE%] of the list (net/link_profile.h), into *group, which keeps the texts; those
 * without a share have equal parts of the rest. SQ_ERR_INVALID: `why` says what was expected. */
int sq_network_option_parse(const struct sq_option_list *list, struct sq_plan_group *group,
                            char *why, size_t why_room) SQ_MUST_USE;
/* --network list: which are there? */
bool sq_network_option_asks(const struct sq_option_list *list);
/* The networks that have a name, a line each. */
void sq_network_option_list(FILE *out);

#endif
