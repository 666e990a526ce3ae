/* A virtual user: signs in by its adapter, connects its peers, sends and receives, stays, and
 * leaves. Each ends in exactly one outcome. All in its shard's thread. */
#ifndef SQ_RUN_USER_H
#define SQ_RUN_USER_H

#include "run/latency.h"
#include "run/ledger.h"
#include "run/plan.h"
#include "run/result.h"
#include "stats/hist.h"
#include "stats/metrics.h"

struct sq_arrival; /* run/crowd.h */
struct sq_loop;
struct sq_shared_port; /* run/shared.h */
struct sq_slice_tally;
struct sq_user;
struct sq_watch;

/* What the users of a shard add up: counters since the start, and samples. */
struct sq_tally {
    uint64_t started, connected, ok, failed, pending; /* connected: now */
    uint64_t failed_by_cause[SQ_FAILURE_COUNT];
    struct sq_hist *metrics[SQ_METRIC_COUNT]; /* owned; NULL until the first sample */
    /* Users for which this machine had no sockets, ports or memory; errno of one, 0: not known. */
    uint64_t starved;
    int starved_errno;
    uint64_t decode_dropped;                  /* packets that found no room before --decode */
    uint64_t sent_messages, skipped_messages; /* on data channels; not sent: the thread was late */
    double last[SQ_METRIC_COUNT];
    uint64_t last_ns[SQ_METRIC_COUNT]; /* when that was */
    const struct sq_loop *loop;        /* borrowed: whose time samples have; NULL: none */
    struct sq_latency_tally latency;
    struct sq_asked_row asked[SQ_ASKED_COUNT];
    /* Of steps (scenario/steps.h). */
    struct sq_hist *timers_us[SQ_STEP_FIGURES_MAX]; /* owned; NULL until the first sample */
    uint64_t counts[SQ_STEP_FIGURES_MAX];
};

/* Records a sample. NAN is none; and without memory for a histogram it is left out. */
void sq_tally_record(struct sq_tally *tally, enum sq_metric_id id, double value);
/* A timer of steps was stopped; without memory it is left out. */
void sq_tally_time(struct sq_tally *tally, size_t timer, uint64_t took_ns);
void sq_tally_merge(struct sq_tally *to, const struct sq_tally *from);
void sq_tally_free(struct sq_tally *tally);
/* Sums of one second over users; gauges are summed with their weights. */
struct sq_second {
    double bits[SQ_FLOW_COUNT];      /* that passed since each user was last looked at */
    uint64_t packets[SQ_FLOW_COUNT]; /* expected in; out: that reports tell of */
    double lost[SQ_FLOW_COUNT];
    double jitter_ms_sum[SQ_FLOW_COUNT];
    uint64_t jitter_n[SQ_FLOW_COUNT];
    double rtt_ms_sum;
    uint64_t rtt_n;
    struct sq_hist_small rtt_us;
    double fps_sum;
    uint64_t fps_n;
    uint64_t freezes;
    struct {
        uint64_t messages_in, messages_out, bytes_in, bytes_out;
        double latency_ms_sum, rtt_ms_sum;
        uint64_t latency_n, rtt_n;
    } data;                             /* of data channels */
    struct sq_hist_small latency_us[2]; /* audio, video */
    double score_sum, mos_sum;          /* of the second alone, of each peer */
    uint64_t score_n, mos_n;
    struct sq_hist_small setup_ms; /* setup.total of those who got up in it */
};

/* What a user needs of its shard. */
struct sq_user_env {
    const struct sq_plan *plan;
    struct sq_loop *loop;
    struct sq_carrier *carrier;
    struct sq_tally *tally;
    struct sq_second *second;
    struct sq_slice_tally *slices; /* what expectations ask for beyond the tally */
    struct sq_watch *watch;        /* nullable */
    struct sq_shared_port *shared; /* of the shard; values that users share */
    uint64_t start_ns;             /* of the run */
    /* Who is told to leave and has tried to get up for so long, while others did within a part of
     * it, has failed (timeout); sooner, it is pending. */
    uint64_t hung_after_ns;
    uint64_t drain_ns; /* when all were told to leave; SQ_NEVER: not yet */
    /* The user is over: its row is final. It is destroyed by the shard, later. */
    void (*done)(void *ctx, struct sq_user *user);
    void *ctx;
};

/* `users_row` is its own of the plan's users; 0 where there are none. Times count from when it was
 * to begin. */
int sq_user_create(const struct sq_user_env *env, const struct sq_arrival *arrival,
                   uint64_t users_row, struct sq_user **ret_user) SQ_MUST_USE;
uint64_t sq_user_place(const struct sq_user *user);
/* The owner's own number. */
void sq_user_set_slot(struct sq_user *user, size_t slot);
size_t sq_user_slot(const struct sq_user *user);
/* Begins; may call `done` at once. */
void sq_user_start(struct sq_user *user);
/* Leaves in good order; `done` comes. One that was not up yet ends as pending. */
void sq_user_leave(struct sq_user *user);
/* At once and without goodbyes: outcome as by leave. */
void sq_user_abort(struct sq_user *user);
/* One that is over gives its signalling back; from outside its call-backs. */
void sq_user_release(struct sq_user *user);
void sq_user_destroy(struct sq_user *user); /* NULL is allowed */

/* Takes the samples of the time since the last call. */
void sq_user_sample(struct sq_user *user, uint64_t now_ns);
/* Once a second: what expectations that may end the run say of it so far. */
void sq_user_watch(struct sq_user *user, uint64_t now_ns);
/* The user passes a mark: an event of that name has come for it, from which on or up to which
 * windows of expectations are. It may come again: a window of two marks opens again. What no window
 * names is told in its story alone. */
void sq_user_mark(struct sq_user *user, const char *name);
bool sq_user_is_over(const struct sq_user *user);
/* Why it failed, a sentence; "" if it did not. */
const char *sq_user_failure(const struct sq_user *user);
/* One that is over: its row goes into the ledger, and its trace if it failed or a dump of it is
 * wanted. SQ_ERR_NOMEM: neither was taken. */
int sq_user_report(struct sq_user *user, struct sq_ledger *ledger) SQ_MUST_USE;

#endif
