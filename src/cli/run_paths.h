/* Addresses, STUN and TURN servers of a run: what takes looking up. */
#ifndef SQ_CLI_RUN_PATHS_H
#define SQ_CLI_RUN_PATHS_H

#include "cli/find_host.h"
#include "cli/run_options.h"
#include "net/loop.h"
#include "run/plan.h"

/* What the plan points to. */
struct sq_run_paths {
    struct sq_addr addrs[SQ_CARRIER_ADDRS_MAX];
    uint32_t addr_counts[SQ_CARRIER_ADDRS_MAX];
    struct sq_stun_list stun;
    struct sq_relay_server turn[SQ_RELAY_SERVERS_MAX];
};

/* Whether addresses and TURN servers are written as such; nothing is looked up. */
int sq_run_paths_check(const struct sq_run_options *options, char *why,
                       size_t why_room) SQ_MUST_USE;
/* Runs `loop` until all names are resolved; the plan has its targets; fills `paths` and the plan's
 * addresses and servers. On failure `why` says what is wrong. */
int sq_run_paths_find(struct sq_loop *loop, const struct sq_run_options *options,
                      struct sq_run_paths *paths, struct sq_plan *plan, char *why,
                      size_t why_room) SQ_MUST_USE;

#endif
