#include "cli/run_limits.h"

#include "base/sched.h"
#include "base/time.h"
#include "cli/record_option.h"
#include "net/rlimit.h"
#include "run/record.h"
#include <stdio.h>
#include <string.h>

#define SPARE_FDS      256 /* files, libraries, the lab's own */
#define FDS_A_PEER     3   /* signalling, and media sockets come on top */
#define LAB_FDS_A_PEER 3

/* Of everybody whom a recorded user hears or sees there is a file. */
static uint64_t recordings(const struct sq_run_options *o, const struct sq_plan *plan)
{
    uint64_t senders = sq_plan_publishers(plan) + (o->record_sent ? 1 : 0);
    uint64_t streams = sq_min_u64(2 * senders, SQ_RECORD_STREAMS_MAX);
    return sq_min_u64(o->record, plan->peers) * streams;
}

/* In Janus' videoroom a user publishes by one peer connection and watches by another. */
static uint64_t endpoints_a_peer(const struct sq_plan *plan)
{
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *g = &plan->groups[i];
        const char *plugin = sq_target_param(g->target, "plugin");
        if (strcmp(g->adapter->name, "janus") == 0 && plugin && strcmp(plugin, "videoroom") == 0) {
            return 2;
        }
    }
    return 1;
}

int sq_run_limits_raise(const struct sq_run_options *o, const struct sq_plan *plan, bool lab,
                        char *why, size_t why_room)
{
    uint64_t media = plan->addrs_len + plan->relays.servers_len + plan->relays.others;
    uint64_t each = FDS_A_PEER + endpoints_a_peer(plan) * media + (lab ? LAB_FDS_A_PEER : 0);
    uint64_t needed = plan->peers * each + recordings(o, plan) + SPARE_FDS;
    uint64_t limit = 0;
    if (sq_raise_fd_limit(needed, &limit) != 0) {
        uint64_t most = limit > SPARE_FDS ? (limit - SPARE_FDS) / each : 0;
        char fewer[64] = "";
        if (most > 0) {
            snprintf(fewer, sizeof(fewer), ", or use fewer peers (at most %llu)",
                     (unsigned long long)most);
        }
        snprintf(why, why_room,
                 "%s%llu%s needs %llu file descriptors, but the limit is %llu and may not "
                 "be raised: run 'ulimit -n %llu' first (as root)%s",
                 plan->shape ? "the load's greatest number of peers at once, " : "--peers ",
                 (unsigned long long)plan->peers, plan->shape ? "," : "",
                 (unsigned long long)needed, (unsigned long long)limit, (unsigned long long)needed,
                 fewer);
        return SQ_ERR_REFUSED;
    }
    sq_reserve_fds(needed);
    return 0;
}

int sq_run_limits_realtime(const struct sq_plan *plan, char *why, size_t why_room)
{
    if (!plan->realtime || sq_thread_may_realtime() == 0) {
        return 0;
    }
    snprintf(
        why, why_room,
        "--realtime: threads of real time are not allowed here; it takes root, CAP_SYS_NICE (a "
        "container: --cap-add=SYS_NICE) or 'ulimit -r 1'");
    return SQ_ERR_REFUSED;
}
