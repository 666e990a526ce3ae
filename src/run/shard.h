/* A shard: a thread with its own loop, sockets, users and counters. Nothing is shared on the packet
 * path; the run's thread hears of it once a second by a posted message. */
#ifndef SQ_RUN_SHARD_H
#define SQ_RUN_SHARD_H

#include "run/plan.h"
#include "run/result.h"
#include "run/slice.h"
#include "run/user.h"
#include "run/watch.h"
#include <stdatomic.h>

struct sq_shard;

/* What a shard says each second, and for the last time when it is done. Plain copies. */
struct sq_shard_report {
    unsigned shard;
    uint64_t second_no; /* 1 for the first */
    struct sq_second second;
    uint64_t started, connected, ok, failed, pending, missed;
    uint64_t again; /* of a closed model: who were due in the place of those who had left */
    uint64_t failed_by_cause[SQ_FAILURE_COUNT];
    uint64_t lateness_p99_us, lateness_max_us; /* of this second */
    double cpu_percent;                        /* of this second */
    struct sq_carrier_counters counters;       /* since the start */
    uint64_t setup_p50_ms, setup_p95_ms;       /* since the start */
    uint64_t rows_out_ns; /* when first a user was due for whom no row was left; 0: none was */
    bool done;            /* all users are over and no more come */
    char example[256];    /* the latest failure's sentence, "" if none */
};

struct sq_shard_config {
    const struct sq_plan *plan;
    unsigned number; /* 0 … plan->threads - 1: users with index % threads == number are its own */
    uint64_t start_ns;              /* of the run, by sq_clock_ns */
    const struct sq_slices *slices; /* borrowed; what expectations ask for */
    struct sq_run_events *events;   /* borrowed; of all shards */
    atomic_size_t *alive; /* borrowed: users of all shards that are there now; at most plan->peers,
                             but in a closed model, whose places are each one shard's */
    atomic_uint_fast64_t *rows; /* borrowed: rows that users of all shards were given beyond those
                                   of the planned arrivals; where each is given once */
    struct sq_shared *shared;   /* borrowed; values that users of all shards share */
    /* In the shard's thread; the report is borrowed. */
    void (*report)(void *ctx, const struct sq_shard_report *report);
    void *ctx;
};

/* Who has been getting up for so long, and is told to leave, waits for nothing any more: much
 * longer than nearly all others needed. Where nobody got up, there is nobody to compare with. */
uint64_t sq_hung_after_ns(const struct sq_plan *plan, bool any_up, uint64_t setup_p95_ms);

/* What a shard's users take of memory, or somewhat less: it reserves that when it starts. */
size_t sq_shard_bytes(const struct sq_plan *plan);

/* Makes the loop and the thread and starts it. SQ_ERR_IO with errno, SQ_ERR_NOMEM, … */
int sq_shard_start(const struct sq_shard_config *config, struct sq_shard **ret_shard) SQ_MUST_USE;
/* From the run's thread; take effect soon. */
void sq_shard_set_rate(struct sq_shard *shard, uint64_t at_ns, double rate_per_s, bool paused);
void sq_shard_set_peers(struct sq_shard *shard, uint64_t at_ns, uint64_t peers, uint64_t over_ns);
/* No more arrivals; users leave, spread over `over_ns`. Those that have been getting up for
 * `hung_after_ns` have failed. A second order, to be quicker, holds from then on. */
void sq_shard_drain(struct sq_shard *shard, uint64_t over_ns, uint64_t hung_after_ns);
/* Everyone goes at once. */
void sq_shard_abort(struct sq_shard *shard);
/* Waits for the thread; then what it holds may be read. */
void sq_shard_join(struct sq_shard *shard);
const struct sq_tally *sq_shard_tally(const struct sq_shard *shard);
const struct sq_carrier_counters *sq_shard_counters(const struct sq_shard *shard);
/* How long scripts ran on its thread at a stretch at most; where: the shard's. */
uint64_t sq_shard_scripts_ns(const struct sq_shard *shard, const char **ret_place);
/* Seconds in which they took half of its core or more. */
uint64_t sq_shard_scripts_full_seconds(const struct sq_shard *shard);
const struct sq_carrier *sq_shard_carrier(const struct sq_shard *shard);
const struct sq_relays *sq_shard_relays(const struct sq_shard *shard); /* NULL: no TURN servers */
struct sq_slice_tally *sq_shard_slices(struct sq_shard *shard);
/* NULL: no expectation may end the run. While it runs, too. */
struct sq_watch *sq_shard_watch(struct sq_shard *shard);
/* The rows of its users. Borrowed. */
struct sq_ledger *sq_shard_ledger(const struct sq_shard *shard);
double sq_shard_cpu_percent(const struct sq_shard *shard); /* over its life */
void sq_shard_destroy(struct sq_shard *shard);             /* after join; NULL is allowed */

#endif
