/* A run: shards are started, told what to do, listened to each second, and their results put
 * together. Lives on the loop of its caller's thread. */
#ifndef SQ_RUN_RUN_H
#define SQ_RUN_RUN_H

#include "run/plan.h"
#include "run/result.h"
#include <stdbool.h>
#include <stdint.h>

struct sq_run;
struct sq_loop;

/* The run as it stands, once a second; borrowed for the call. */
struct sq_run_live {
    const struct sq_plan *plan;
    const struct sq_timeline_row *row; /* the second that is over; counts are since the start */
    uint64_t missed;                   /* arrivals that found no place */
    bool paused, draining;
    double setup_p50_ms,
        setup_p95_ms; /* setup.total since the start, the worst shard's; 0 without */
    struct sq_generator_health health;    /* so far */
    const char *example;                  /* the latest failure's sentence, "" */
    const struct sq_hist_small *setup_ms; /* setup.total since the start, of all shards */
};

struct sq_run_ops {
    void (*second)(void *ctx, const struct sq_run_live *live); /* nullable */
    void (*done)(void *ctx);                                   /* all is over: join may be called */
};

/* `plan` and `loop` are borrowed until destroy. Starts at once. */
int sq_run_start(const struct sq_plan *plan, struct sq_loop *loop, const struct sq_run_ops *ops,
                 void *ctx, struct sq_run **ret_run) SQ_MUST_USE;
void sq_run_set_rate(struct sq_run *run, double rate_per_s);
double sq_run_rate(const struct sq_run *run); /* NAN: it has none */
void sq_run_pause(struct sq_run *run, bool paused);
/* Of a closed model: from now on evenly to `peers` over over_ns, at most plan->peers, whatever the
 * rest of the shape says. Who is too many leaves, the first who came first. Orders within some
 * milliseconds of each other may be heard as one. */
void sq_run_set_peers(struct sq_run *run, uint64_t peers, uint64_t over_ns);
double sq_run_peers(const struct sq_run *run); /* that are to be there now; NAN: it is open */
/* Ends it in good order, before its time: no more arrivals, everyone leaves. */
void sq_run_drain(struct sq_run *run);
/* Ends it at once. */
void sq_run_abort(struct sq_run *run);
/* After `done`: waits for the threads and adds peers, metrics, time line and health to `result`,
 * which already holds what the caller knows. An error (memory, or a file of the run's own that
 * cannot be read any more) is told after all that there is was added. */
int sq_run_collect(struct sq_run *run, struct sq_result *result) SQ_MUST_USE;
/* NULL is allowed. Of one that is not done: aborts and joins; reports that are on their way are
 * freed by the loop's next iteration, and reach nobody. */
void sq_run_destroy(struct sq_run *run);

#endif
