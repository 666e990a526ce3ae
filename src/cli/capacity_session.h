/* A search of squall capacity under way, and its trials: each level is a run of its own. */
#ifndef SQ_CLI_CAPACITY_SESSION_H
#define SQ_CLI_CAPACITY_SESSION_H

#include "cli/capacity_options.h"
#include "cli/capacity_server.h"
#include "cli/control.h"
#include "cli/progress.h"
#include "cli/run_paths.h"
#include "cli/run_sources.h"
#include "net/timer.h"
#include "run/capacity.h"
#include "run/plan.h"
#include "run/search.h"

#define SQ_CAPACITY_WHY_MAX 512
#define SQ_CAPACITY_DIR_MAX 3900

struct sq_capacity_session {
    struct sq_capacity_options options;
    struct sq_plan base; /* of all levels */
    struct sq_run_sources sources;
    struct sq_run_paths paths;
    struct sq_loop *loop;
    struct sq_control control;
    struct sq_progress progress;
    struct sq_capacity_server server;
    struct sq_capacity *capacity;
    struct sq_result *head; /* of the search */
    struct sq_timer pause;
    uint64_t begun_ns;
    unsigned interrupts;
    int results_lock; /* open while the results directory is this search's; -1: none */
    bool reached;     /* a peer connected once */
    char why[SQ_CAPACITY_WHY_MAX];
    char dir[SQ_CAPACITY_DIR_MAX];

    /* The level that is tried. */
    struct sq_plan plan;
    struct sq_run *run;
    struct sq_result *result;
    struct sq_steady steadiness;
    struct sq_capacity_level *level;
    uint64_t all_there_ns; /* 0: they are not */
    bool finished, leaving, cut;
};

/* Of one that is zeroed. */
void sq_capacity_session_init(struct sq_capacity_session *s);
/* Ctrl-C, of struct sq_control: the first ends the search in order. */
void sq_capacity_session_interrupt(void *ctx, unsigned count);
/* One level, for sq_capacity_search: runs it, judges it, and writes its results. */
int sq_capacity_session_trial(void *ctx, struct sq_capacity_level *level);

#endif
