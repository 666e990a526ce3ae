#include "run/run.h"

#include "base/mem.h"
#include "base/time.h"
#include "net/loop.h"
#include "run/crowd.h"
#include "run/expect.h"
#include "run/health.h"
#include "run/mailbox.h"
#include "run/shard.h"
#include "run/shared.h"
#include "run/slice.h"
#include "run/spool.h"
#include "run/stun_rows.h"
#include "run/watch.h"
#include <math.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define CHANGE_AHEAD_NS   (20 * SQ_NS_PER_MS) /* shards hear of a new rate before it takes effect */
#define START_AHEAD_NS    (50 * SQ_NS_PER_MS) /* time for the threads to get going */
#define RESERVE_MB_NS     (5 * SQ_NS_PER_MS) /* ... and for a megabyte that each of them reserves */
#define SECONDS_IN_ONE_GO 64                 /* of the time line, written to its file */
#define SECONDS_OPEN      8                  /* seconds that shards may be apart in their reports */

/* A second that not all shards have told of yet. */
struct open_second {
    struct sq_second sum;
    unsigned heard;
    double lateness_p99_us, lateness_max_us, cpu_percent;
};

struct sq_run {
    const struct sq_plan *plan;
    struct sq_loop *loop;
    const struct sq_run_ops *ops;
    void *ctx;
    uint64_t start_ns, end_ns;
    uint64_t closed_ns;  /* nobody arrives from then on */
    uint64_t drained_ns; /* ... and by then all were told to leave; valid while draining */
    struct sq_timer end_timer;
    struct sq_shard *shards[SQ_PLAN_THREADS_MAX];
    unsigned shards_len, shards_done;
    bool joined, draining, paused;
    atomic_size_t alive;         /* users of all shards; theirs */
    atomic_uint_fast64_t rows;   /* likewise: see struct sq_shard_config */
    struct sq_crowd *crowd;      /* owned: of all shards together, and counts only */
    uint64_t due;                /* by it, so far */
    struct sq_slices *slices;    /* owned: what expectations ask for */
    struct sq_run_events events; /* shards' and ours */
    struct sq_result_stop stop;
    struct sq_shard_report latest[SQ_PLAN_THREADS_MAX];
    struct open_second open[SECONDS_OPEN];
    uint64_t seconds;          /* told so far */
    struct sq_spool *timeline; /* owned: rows of the seconds told so far */
    uint64_t send_errors_before, drops_before;
    char example[256];
    struct sq_hist_small setup_ms; /* of the seconds told so far */
    struct sq_mailbox *mailbox;
    struct sq_shared *shared; /* owned */
};

/* ---- Seconds ---- */

static void add_data(struct sq_second *to, const struct sq_second *from)
{
    to->data.messages_in += from->data.messages_in;
    to->data.messages_out += from->data.messages_out;
    to->data.bytes_in += from->data.bytes_in;
    to->data.bytes_out += from->data.bytes_out;
    to->data.latency_ms_sum += from->data.latency_ms_sum;
    to->data.latency_n += from->data.latency_n;
    to->data.rtt_ms_sum += from->data.rtt_ms_sum;
    to->data.rtt_n += from->data.rtt_n;
}

static void add_second(struct sq_second *to, const struct sq_second *from)
{
    for (int i = 0; i < SQ_FLOW_COUNT; i++) {
        to->bits[i] += from->bits[i];
        to->packets[i] += from->packets[i];
        to->lost[i] += from->lost[i];
        to->jitter_ms_sum[i] += from->jitter_ms_sum[i];
        to->jitter_n[i] += from->jitter_n[i];
    }
    to->rtt_ms_sum += from->rtt_ms_sum;
    to->rtt_n += from->rtt_n;
    to->fps_sum += from->fps_sum;
    to->fps_n += from->fps_n;
    to->freezes += from->freezes;
    to->score_sum += from->score_sum;
    to->score_n += from->score_n;
    to->mos_sum += from->mos_sum;
    to->mos_n += from->mos_n;
    add_data(to, from);
    sq_hist_small_merge(&to->rtt_us, &from->rtt_us);
    for (int i = 0; i < 2; i++) {
        if (from->latency_us[i].sums.count > 0) {
            sq_hist_small_merge(&to->latency_us[i], &from->latency_us[i]);
        }
    }
    sq_hist_small_merge(&to->setup_ms, &from->setup_ms);
}

static double ratio(double sum, uint64_t n)
{
    return n > 0 ? sum / (double)n : NAN;
}

/* Counts who is due by then, as the shards should have begun them: before each order, since that
 * changes who comes. */
static void count_due(struct sq_run *run, uint64_t now_ns)
{
    struct sq_arrival arrival;
    while (sq_crowd_come(run->crowd, sq_min_u64(now_ns, run->closed_ns - 1), &arrival)) {
        run->due++;
    }
}

/* In a closed model, those as well who replace others: only shards know when they left. */
static uint64_t planned_by(struct sq_run *run, uint64_t now_ns)
{
    count_due(run, now_ns);
    uint64_t planned = run->due;
    for (unsigned i = 0; i < run->shards_len; i++) {
        planned += run->latest[i].again;
    }
    return planned;
}

static double rate_at(const struct sq_run *run, uint64_t now_ns)
{
    const struct sq_arrivals *a = sq_crowd_arrivals(run->crowd);
    return a->kind != SQ_SHAPE_RATE                 ? NAN
           : isnan(a->rate_per_s)                   ? sq_arrivals_value(a, now_ns)
           : a->rate_per_s >= SQ_PLAN_AT_ONCE_PER_S ? NAN
                                                    : a->rate_per_s;
}

static double peers_at(const struct sq_run *run, uint64_t now_ns)
{
    return sq_crowd_is_closed(run->crowd) ? sq_arrivals_value(sq_crowd_arrivals(run->crowd), now_ns)
                                          : NAN;
}

/* No more arrivals. */
static void close_arrivals(struct sq_run *run)
{
    run->draining = true;
    run->closed_ns = sq_min_u64(run->closed_ns, sq_loop_now(run->loop));
}

static void fill_flows(struct sq_timeline_row *row, const struct sq_second *sum)
{
    for (int i = 0; i < SQ_FLOW_COUNT; i++) {
        row->bitrate_kbps[i] = sum->bits[i] / 1e3;
        row->loss_percent[i] =
            sum->packets[i] ? fmax(0, 100 * sum->lost[i] / (double)sum->packets[i]) : NAN;
        row->jitter_ms[i] = ratio(sum->jitter_ms_sum[i], sum->jitter_n[i]);
    }
    row->rtt_ms = ratio(sum->rtt_ms_sum, sum->rtt_n);
    row->rtt_p95_ms = sum->rtt_n ? (double)sq_hist_small_quantile(&sum->rtt_us, 0.95) / 1e3 : NAN;
    for (int i = 0; i < 2; i++) {
        const struct sq_hist_small *h = &sum->latency_us[i];
        if (h->sums.count > 0) {
            row->latency[i].p50_ms = (double)sq_hist_small_quantile(h, 0.5) / 1e3;
            row->latency[i].p95_ms = (double)sq_hist_small_quantile(h, 0.95) / 1e3;
            row->latency[i].p99_ms = (double)sq_hist_small_quantile(h, 0.99) / 1e3;
        }
    }
    row->data = (struct sq_data_second){
        .messages_in = sum->data.messages_in,
        .messages_out = sum->data.messages_out,
        .in_kbps = (double)sum->data.bytes_in * 8 / 1e3,
        .out_kbps = (double)sum->data.bytes_out * 8 / 1e3,
        .latency_ms = ratio(sum->data.latency_ms_sum, sum->data.latency_n),
        .rtt_ms = ratio(sum->data.rtt_ms_sum, sum->data.rtt_n),
    };
    row->fps_in = ratio(sum->fps_sum, sum->fps_n);
    row->freezes = sum->freezes;
    row->score = ratio(sum->score_sum, sum->score_n);
    row->mos = ratio(sum->mos_sum, sum->mos_n);
    if (sum->setup_ms.sums.count > 0) {
        row->setup_p50_ms = (double)sq_hist_small_quantile(&sum->setup_ms, 0.5);
        row->setup_p95_ms = (double)sq_hist_small_quantile(&sum->setup_ms, 0.95);
    }
}

static void fill_counts(struct sq_run *run, struct sq_timeline_row *row)
{
    uint64_t send_errors = 0;
    uint64_t drops = 0;
    for (unsigned i = 0; i < run->shards_len; i++) {
        const struct sq_shard_report *r = &run->latest[i];
        row->started += r->started;
        row->connected += r->connected;
        row->ok += r->ok;
        row->failed += r->failed;
        for (int c = 0; c < SQ_FAILURE_COUNT; c++) {
            row->failed_by_cause[c] += r->failed_by_cause[c];
        }
        send_errors += r->counters.send_errors;
        drops += r->counters.receive_drops;
    }
    row->send_errors = send_errors - run->send_errors_before;
    row->receive_drops = drops > run->drops_before ? drops - run->drops_before : 0;
    run->send_errors_before = send_errors;
    run->drops_before = sq_max_u64(drops, run->drops_before);
}

static void tell_second(struct sq_run *run, const struct sq_timeline_row *row)
{
    struct sq_run_live live = {
        .plan = run->plan,
        .row = row,
        .paused = run->paused,
        .draining = run->draining,
        .example = run->example,
        .setup_ms = &run->setup_ms,
    };
    for (unsigned i = 0; i < run->shards_len; i++) {
        live.missed += run->latest[i].missed;
        live.setup_p50_ms = fmax(live.setup_p50_ms, (double)run->latest[i].setup_p50_ms);
        live.setup_p95_ms = fmax(live.setup_p95_ms, (double)run->latest[i].setup_p95_ms);
    }
    live.health.lateness_p99_ms = row->lateness_p99_ms;
    live.health.lateness_max_ms = row->lateness_max_ms;
    live.health.cpu_percent = row->cpu_percent;
    live.health.threads = run->shards_len;
    live.health.send_errors = run->send_errors_before;
    live.health.receive_drops = run->drops_before;
    live.health.ok = sq_health_of_second(run->plan, row);
    if (run->ops->second) {
        run->ops->second(run->ctx, &live);
    }
}

static void drain(struct sq_run *run, uint64_t over_ns);

/* When first nobody could begin for want of a row of users; 0: each had one. */
static uint64_t rows_out_ns(const struct sq_run *run)
{
    uint64_t first_ns = 0;
    for (unsigned i = 0; i < run->shards_len; i++) {
        uint64_t ns = run->latest[i].rows_out_ns;
        first_ns = ns && (!first_ns || ns < first_ns) ? ns : first_ns;
    }
    return first_ns;
}

/* Ends the run where an expectation has become hopeless. */
static void watch_second(struct sq_run *run, uint64_t started)
{
    struct sq_watch *watches[SQ_PLAN_THREADS_MAX];
    uint64_t planned = sq_plan_arrivals(run->plan);
    if (run->draining) {
        return;
    }
    for (unsigned i = 0; i < run->shards_len; i++) {
        watches[i] = sq_shard_watch(run->shards[i]);
    }
    if (sq_watch_judge(watches, run->shards_len, (double)run->seconds,
                       planned > started ? planned - started : 0, &run->stop)) {
        drain(run, sq_min_u64(run->plan->ramp_down_ns, SQ_NS_PER_SEC));
    }
}

static void close_second(struct sq_run *run, struct open_second *open)
{
    run->seconds++;
    struct sq_timeline_row row;
    sq_timeline_row_init(&row);
    row.t_s = (double)run->seconds;
    uint64_t end_ns = run->start_ns + run->seconds * SQ_NS_PER_SEC;
    row.planned = planned_by(run, end_ns);
    row.wanted = peers_at(run, end_ns);
    row.rate_per_s = rate_at(run, end_ns);
    fill_counts(run, &row);
    fill_flows(&row, &open->sum);
    row.lateness_p99_ms = open->lateness_p99_us / 1e3;
    row.lateness_max_ms = open->lateness_max_us / 1e3;
    row.cpu_percent = open->cpu_percent;
    sq_hist_small_merge(&run->setup_ms, &open->sum.setup_ms);
    memset(open, 0, sizeof(*open));
    if (run->seconds <= SQ_RESULT_TIMELINE_MAX) {
        int err = sq_spool_add(run->timeline, &row);
        (void)err; /* past the table's end, and where no memory is left, the totals go on */
    }
    watch_second(run, row.started);
    if (!run->draining && rows_out_ns(run)) {
        drain(run, sq_min_u64(run->plan->ramp_down_ns, SQ_NS_PER_SEC)); /* fewer than asked for */
    }
    tell_second(run, &row);
}

static bool shard_is_past(const struct sq_run *run, unsigned i, uint64_t second_no)
{
    return run->latest[i].done || run->latest[i].second_no >= second_no;
}

/* The last second that any shard has told of: once all are done, nothing comes after it. */
static uint64_t newest_second(const struct sq_run *run)
{
    uint64_t newest = 0;
    for (unsigned i = 0; i < run->shards_len; i++) {
        newest = sq_max_u64(newest, run->latest[i].second_no);
    }
    return newest;
}

static void close_seconds(struct sq_run *run)
{
    while (run->seconds < newest_second(run)) {
        for (unsigned i = 0; i < run->shards_len; i++) {
            if (!shard_is_past(run, i, run->seconds + 1)) {
                return;
            }
        }
        close_second(run, &run->open[(run->seconds + 1) % SECONDS_OPEN]);
    }
}

static void take_report(void *ctx, const struct sq_shard_report *report)
{
    struct sq_run *run = ctx;
    struct open_second *open = &run->open[report->second_no % SECONDS_OPEN];
    run->latest[report->shard] = *report;
    add_second(&open->sum, &report->second);
    open->lateness_p99_us = fmax(open->lateness_p99_us, (double)report->lateness_p99_us);
    open->lateness_max_us = fmax(open->lateness_max_us, (double)report->lateness_max_us);
    open->cpu_percent = fmax(open->cpu_percent, report->cpu_percent);
    if (report->example[0]) {
        memcpy(run->example, report->example, sizeof(run->example));
    }
    close_seconds(run);
    if (report->done && ++run->shards_done == run->shards_len) {
        run->end_ns = sq_loop_now(run->loop);
        sq_timer_stop(&run->end_timer);
        run->ops->done(run->ctx);
    }
}

/* ---- Orders ---- */

static void order_rate(struct sq_run *run, double rate_per_s, bool paused)
{
    uint64_t at_ns = sq_loop_now(run->loop) + CHANGE_AHEAD_NS;
    if (run->draining || isnan(rate_per_s)) {
        return; /* nobody arrives any more, or not at a rate */
    }
    count_due(run, sq_loop_now(run->loop));
    sq_crowd_set_rate(run->crowd, at_ns, rate_per_s, paused);
    run->paused = paused;
    for (unsigned i = 0; i < run->shards_len; i++) {
        sq_shard_set_rate(run->shards[i], at_ns, rate_per_s, paused);
    }
}

void sq_run_set_rate(struct sq_run *run, double rate_per_s)
{
    order_rate(run, rate_per_s, run->paused);
}

double sq_run_rate(const struct sq_run *run)
{
    return rate_at(run, sq_loop_now(run->loop));
}

void sq_run_pause(struct sq_run *run, bool paused)
{
    order_rate(run, sq_run_rate(run), paused);
}

void sq_run_set_peers(struct sq_run *run, uint64_t peers, uint64_t over_ns)
{
    uint64_t at_ns = sq_loop_now(run->loop) + CHANGE_AHEAD_NS;
    if (run->draining || !sq_crowd_is_closed(run->crowd)) {
        return;
    }
    peers = sq_min_u64(peers, run->plan->peers);
    count_due(run, sq_loop_now(run->loop));
    sq_crowd_set_peers(run->crowd, at_ns, peers, over_ns);
    for (unsigned i = 0; i < run->shards_len; i++) {
        sq_shard_set_peers(run->shards[i], at_ns, peers, over_ns);
    }
}

double sq_run_peers(const struct sq_run *run)
{
    return peers_at(run, sq_loop_now(run->loop));
}

static uint64_t hung_after_ns(const struct sq_run *run)
{
    uint64_t p95_ms = 0;
    bool any = false;
    for (unsigned i = 0; i < run->shards_len; i++) {
        p95_ms = sq_max_u64(p95_ms, run->latest[i].setup_p95_ms);
        any = any || run->latest[i].connected > 0 || run->latest[i].ok > 0;
    }
    return sq_hung_after_ns(run->plan, any, p95_ms);
}

/* Again, where it is to go quicker now. */
static void drain(struct sq_run *run, uint64_t over_ns)
{
    uint64_t until_ns = sq_loop_now(run->loop) + over_ns;
    if (run->draining && until_ns >= run->drained_ns) {
        return;
    }
    if (!run->draining) {
        atomic_store(&run->events.draining_ns, sq_loop_now(run->loop));
    }
    close_arrivals(run);
    run->drained_ns = until_ns;
    sq_timer_stop(&run->end_timer);
    for (unsigned i = 0; i < run->shards_len; i++) {
        sq_shard_drain(run->shards[i], over_ns, hung_after_ns(run));
    }
}

void sq_run_drain(struct sq_run *run)
{
    drain(run, sq_min_u64(run->plan->ramp_down_ns, SQ_NS_PER_SEC));
}

void sq_run_abort(struct sq_run *run)
{
    close_arrivals(run);
    for (unsigned i = 0; i < run->shards_len; i++) {
        sq_shard_abort(run->shards[i]);
    }
}

static void on_end(void *ctx, uint64_t now_ns)
{
    (void)now_ns;
    struct sq_run *run = ctx;
    drain(run, run->plan->ramp_down_ns);
}

/* ---- Life ---- */

static int start_shards(struct sq_run *run)
{
    for (unsigned i = 0; i < run->plan->threads; i++) {
        const struct sq_shard_config config = {
            .plan = run->plan,
            .number = i,
            .start_ns = run->start_ns,
            .slices = run->slices,
            .events = &run->events,
            .alive = &run->alive,
            .rows = &run->rows,
            .shared = run->shared,
            .report = sq_mailbox_send,
            .ctx = run->mailbox,
        };
        int err = sq_shard_start(&config, &run->shards[i]);
        if (err) {
            return err;
        }
        run->shards_len++;
    }
    return 0;
}

static void join(struct sq_run *run)
{
    for (unsigned i = 0; i < run->shards_len && !run->joined; i++) {
        sq_shard_join(run->shards[i]);
    }
    run->joined = true;
}

int sq_run_start(const struct sq_plan *plan, struct sq_loop *loop, const struct sq_run_ops *ops,
                 void *ctx, struct sq_run **ret_run)
{
    struct sq_run *run = sq_zalloc(sizeof(*run));
    if (!run) {
        return SQ_ERR_NOMEM;
    }
    run->plan = plan;
    run->loop = loop;
    run->ops = ops;
    run->ctx = ctx;
    run->start_ns =
        sq_loop_refresh_now(loop) + START_AHEAD_NS + (sq_shard_bytes(plan) >> 20) * RESERVE_MB_NS;
    run->closed_ns = plan->duration_ns ? run->start_ns + plan->duration_ns : SQ_NEVER;
    const struct sq_crowd_config crowd = {
        .plan = plan, .start_ns = run->start_ns, .stride = 1, .counting = true};
    sq_timer_init(&run->end_timer, on_end, run);
    run->events.start_ns = run->start_ns;
    atomic_init(&run->events.to_ramp, plan->threads);
    run->slices = sq_zalloc(sizeof(*run->slices));
    int err = run->slices ? sq_expect_slices(plan->expects, plan->expects_len, run->slices)
                          : SQ_ERR_NOMEM;
    err = err ? err : sq_mailbox_create(loop, plan->threads, take_report, run, &run->mailbox);
    err = err ? err : sq_crowd_create(&crowd, &run->crowd);
    err = err ? err : sq_shared_create(plan->threads, &run->shared);
    err = err ? err
              : sq_spool_create(sizeof(struct sq_timeline_row), SECONDS_IN_ONE_GO, &run->timeline);
    err = err ? err : start_shards(run);
    if (err) {
        sq_run_destroy(run);
        return err;
    }
    if (plan->duration_ns) {
        sq_timer_start(sq_loop_timers(loop), &run->end_timer, run->start_ns + plan->duration_ns);
    }
    *ret_run = run;
    return 0;
}

void sq_run_destroy(struct sq_run *run)
{
    if (!run) {
        return;
    }
    if (!run->joined) {
        sq_run_abort(run);
        join(run);
    }
    sq_timer_stop(&run->end_timer);
    for (unsigned i = 0; i < run->shards_len; i++) {
        sq_shard_destroy(run->shards[i]);
    }
    sq_free(run->slices);
    sq_spool_destroy(run->timeline);
    sq_crowd_destroy(run->crowd);
    sq_mailbox_close(run->mailbox);
    sq_shared_destroy(run->shared);
    sq_free(run);
}

/* ---- Results ---- */

static int collect_peers(struct sq_run *run, struct sq_result *result)
{
    struct sq_ledger *ledgers[SQ_PLAN_THREADS_MAX];
    for (unsigned i = 0; i < run->shards_len; i++) {
        ledgers[i] = sq_shard_ledger(run->shards[i]);
    }
    return sq_ledger_collect(ledgers, run->shards_len, result);
}

static double event_ms(const struct sq_run *run, uint64_t at_ns)
{
    return at_ns ? ((double)at_ns - (double)run->start_ns) / 1e6 : NAN;
}

static int collect_slices(struct sq_run *run, struct sq_result *result)
{
    struct sq_slice_tally *tallies[SQ_PLAN_THREADS_MAX];
    for (unsigned i = 0; i < run->shards_len; i++) {
        tallies[i] = sq_shard_slices(run->shards[i]);
    }
    return sq_slices_collect(run->slices, tallies, run->shards_len, result);
}

/* Timers and counters of steps: names of the plan, figures of the tally. */
static void collect_steps(const struct sq_step_figures *names, const struct sq_tally *tally,
                          struct sq_result *result)
{
    for (size_t i = 0; names && i < names->timers_len; i++) {
        const struct sq_hist *h = tally->timers_us[i];
        if (!h && i == SQ_STEP_SET_UP_TIMER) {
            continue; /* nobody has steps before signing in */
        }
        struct sq_timer_row *row = &result->timers[result->timers_len++];
        SQ_RESULT_SET(row->name, names->timers[i]);
        sq_timer_row_set(row, h);
    }
    for (size_t i = 0; names && i < names->counters_len; i++) {
        struct sq_counter_row *row = &result->counters[result->counters_len++];
        SQ_RESULT_SET(row->name, names->counters[i]);
        row->count = tally->counts[i];
    }
}

static int collect_metrics(struct sq_tally *tally, struct sq_result *result)
{
    for (int i = 0; i < SQ_METRIC_COUNT; i++) {
        if (!tally->metrics[i]) {
            continue;
        }
        struct sq_metric_row *row = sq_result_add_metric(result, (enum sq_metric_id)i);
        if (!row) {
            return SQ_ERR_NOMEM;
        }
        sq_hist_merge(row->hist, tally->metrics[i]);
        row->last = tally->last[i];
    }
    return 0;
}

static double mean_of(const struct sq_result *result, enum sq_metric_id id)
{
    const struct sq_metric_row *m = sq_result_metric(result, id);
    return m ? sq_metric_aggregate(m->hist, id, (struct sq_agg){SQ_AGG_AVG, 0}) : NAN;
}

static int collect_timeline(struct sq_run *run, struct sq_result *result)
{
    int err = 0;
    for (size_t i = 0; i < sq_spool_count(run->timeline) && !err; i++) {
        struct sq_timeline_row *row = sq_result_add_second(result);
        err = row ? sq_spool_read(run->timeline, i, row) : SQ_ERR_NOMEM;
    }
    return err;
}

static void collect_turn(struct sq_run *run, struct sq_result *result)
{
    const struct sq_relays_config *config = &run->plan->relays;
    _Static_assert(SQ_RESULT_TURN_MAX > SQ_RELAY_SERVERS_MAX, "a row for each server");
    size_t rows = config->servers_len + config->others;
    for (size_t at = 0; at < rows; at++) {
        size_t i = at < config->servers_len ? at : SQ_RELAY_SERVERS_MAX;
        struct sq_turn_row *row = &result->turn[result->turn_count++];
        SQ_RESULT_SET(row->server,
                      at < config->servers_len ? config->servers[i].text : "servers of the steps");
        row->of_steps = at == config->servers_len;
        for (unsigned k = 0; k < run->shards_len; k++) {
            const struct sq_relay_counts *counts =
                sq_relays_counts(sq_shard_relays(run->shards[k]), i);
            row->asked += counts->asked;
            row->relays += counts->relays;
            row->failed += counts->failed;
            row->unanswered += counts->unanswered;
            row->lost += counts->lost;
            if (counts->example[0]) {
                SQ_RESULT_SET(row->example, counts->example);
            }
        }
    }
}

static void collect_stun(struct sq_run *run, struct sq_result *result)
{
    const struct sq_stun_servers servers = {
        .addrs = run->plan->stun_servers,
        .names = run->plan->stun_names,
        .n = run->plan->stun_servers_len,
    };
    for (unsigned i = 0; i < run->shards_len; i++) {
        sq_stun_rows_add(&servers, sq_shard_carrier(run->shards[i]), result);
    }
}

/* The lateness of the thread that was latest; NULL: not known. */
static const struct sq_hist *latest_thread(const struct sq_run *run)
{
    const struct sq_hist *worst = NULL;
    uint64_t worst_us = 0;
    for (unsigned i = 0; i < run->shards_len; i++) {
        const struct sq_hist *h =
            sq_shard_tally(run->shards[i])->metrics[SQ_METRIC_GENERATOR_LATENESS];
        uint64_t p99_us = h ? sq_hist_quantile(h, 0.99) : 0;
        if (h && (!worst || p99_us > worst_us)) {
            worst = h;
            worst_us = p99_us;
        }
    }
    return worst;
}

/* Why it ended early, or could not go on as planned. */
static void collect_cut(const struct sq_run *run, struct sq_result *result)
{
    const struct sq_plan *plan = run->plan;
    uint64_t out_ns = rows_out_ns(run);
    if (out_ns) {
        snprintf(result->cut, sizeof(result->cut),
                 "the rows of %.100s ran out after %.3g s: it has %llu, each for one peer, and one "
                 "more peer was due",
                 plan->users_name ? plan->users_name : "users",
                 (double)(out_ns - sq_min_u64(out_ns, run->start_ns)) / 1e9,
                 (unsigned long long)sq_users_rows(plan->users));
    }
}

int sq_run_collect(struct sq_run *run, struct sq_result *result)
{
    struct sq_tally tally = {0};
    struct sq_health_input health = {.plan = run->plan, .threads = run->shards_len};
    join(run);
    for (unsigned i = 0; i < run->shards_len; i++) {
        sq_tally_merge(&tally, sq_shard_tally(run->shards[i]));
        const struct sq_carrier_counters *counters = sq_shard_counters(run->shards[i]);
        health.datagrams_sent += counters->datagrams_sent;
        health.datagrams_received += counters->datagrams_received;
        health.send_errors += counters->send_errors;
        health.receive_drops += counters->receive_drops;
        const char *place;
        double script_ms = (double)sq_shard_scripts_ns(run->shards[i], &place) / 1e6;
        if (script_ms > health.script_ms) {
            health.script_ms = script_ms;
            health.script_place = place;
        }
        uint64_t full = sq_shard_scripts_full_seconds(run->shards[i]);
        health.script_seconds = sq_max_u64(health.script_seconds, full);
    }
    health.starved = tally.starved;
    health.starved_errno = tally.starved_errno;
    health.sent_messages = tally.sent_messages;
    health.skipped_messages = tally.skipped_messages;
    health.lateness = tally.metrics[SQ_METRIC_GENERATOR_LATENESS];
    health.worst_lateness = latest_thread(run);
    /* What cannot be had keeps nothing else from being told. */
    int errs[5] = {collect_timeline(run, result)};
    health.timeline = result->timeline;
    health.timeline_count = result->timeline_count;
    sq_health_judge(&health, &result->generator);
    result->generator.decode_dropped = tally.decode_dropped;
    sq_tally_record(&tally, SQ_METRIC_GENERATOR_DROPS,
                    (double)(health.send_errors + health.receive_drops));

    /* Ended before its start: by two Ctrl-C while the threads get going. */
    run->end_ns = sq_max_u64(run->end_ns, run->start_ns);
    result->duration_s = (double)(run->end_ns - run->start_ns) / 1e9;
    result->counts.planned = planned_by(run, run->end_ns);
    if (!run->plan->shape && !(run->plan->hold_ns && run->plan->duration_ns)) {
        result->counts.planned = run->plan->peers;
    }
    collect_stun(run, result);
    collect_turn(run, result);
    errs[1] = collect_peers(run, result);
    errs[4] = collect_slices(run, result);
    result->stop = run->stop;
    collect_cut(run, result);
    result->ramped_ms = event_ms(run, atomic_load(&run->events.ramped_ns));
    result->draining_ms = event_ms(run, atomic_load(&run->events.draining_ns));
    /* Who began while the order to end was on its way was due. */
    result->counts.planned = sq_max_u64(result->counts.planned, result->peer_count);
    errs[2] = collect_metrics(&tally, result);
    collect_steps(run->plan->figures, &tally, result);
    memcpy(result->asked, tally.asked, sizeof(result->asked));
    result->score = mean_of(result, SQ_METRIC_SCORE);
    result->mos = mean_of(result, SQ_METRIC_MOS);
    sq_latency_result(&tally.latency, result);
    if (result->latency_note[0]) {
        errs[3] = sq_result_config_text(result, "latency_clocks", result->latency_note);
    }
    sq_tally_free(&tally);
    for (size_t i = 0; i < sizeof(errs) / sizeof(*errs); i++) {
        if (errs[i]) {
            return errs[i];
        }
    }
    return 0;
}
