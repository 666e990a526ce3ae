#include "cli/capacity_session.h"

#include "base/str.h"
#include "base/time.h"
#include "cli/result_head.h"
#include "cli/run_limits.h"
#include "net/loop.h"
#include "report/capacity.h"
#include "report/report.h"
#include "run/run.h"
#include "run/untested.h"
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define ARRIVE_S       5.0 /* all peers of a level come within it, but */
#define RATE_MOST      50.0
#define WAIT_MOST_NS   (35 * SQ_NS_PER_SEC) /* for the last to come, once all have begun */
#define LEAVE_A_SECOND 100.0
#define SPARE_NS       (5 * SQ_NS_PER_SEC)

/* ---- While a level runs ---- */

static void leave(struct sq_capacity_session *s)
{
    if (!s->leaving) {
        s->leaving = true;
        sq_run_drain(s->run);
    }
}

static bool is_over_time(const struct sq_capacity_session *s)
{
    uint64_t limit = s->options.time_limit_ns;
    return limit > 0 && sq_clock_ns() - s->begun_ns >= limit;
}

/* From when all are there until it has been held. */
static void hold(struct sq_capacity_session *s, const struct sq_timeline_row *row, uint64_t now_ns)
{
    bool steady = sq_steady_second(&s->steadiness, row);
    uint64_t held_ns = now_ns - s->all_there_ns;
    s->level->held_s = (double)held_ns / 1e9;
    s->level->steady = steady;
    if (held_ns >= s->options.hold_ns && (steady || held_ns >= s->options.hold_most_ns)) {
        leave(s);
    }
}

static void on_second(void *ctx, const struct sq_run_live *live)
{
    struct sq_capacity_session *s = ctx;
    const struct sq_timeline_row *row = live->row;
    uint64_t now_ns = sq_clock_ns();
    sq_progress_second(&s->progress, live);
    s->reached = s->reached || row->connected > 0;
    sq_capacity_server_second(&s->server);
    if (s->leaving) {
        return;
    }
    s->cut = is_over_time(s);
    if (s->cut || s->server.gone) {
        leave(s);
    } else if (s->all_there_ns > 0) {
        hold(s, row, now_ns);
    } else if (row->started >= s->plan.peers &&
               row->connected + row->ok + row->failed >= s->plan.peers) {
        s->all_there_ns = now_ns;
        s->level->wait_s = row->t_s;
        sq_capacity_server_hold(&s->server);
    }
}

static void on_done(void *ctx)
{
    struct sq_capacity_session *s = ctx;
    s->finished = true;
    sq_loop_stop(s->loop);
}

void sq_capacity_session_interrupt(void *ctx, unsigned count)
{
    struct sq_capacity_session *s = ctx;
    s->interrupts = count;
    s->capacity->end = SQ_CAPACITY_INTERRUPTED;
    if (s->run && count == 1) {
        sq_progress_say(&s->progress, "Interrupted: everyone leaves, what is known is kept. Once "
                                      "more ends it without a goodbye, a third time at once and "
                                      "without results.");
        leave(s);
    } else if (s->run) {
        sq_run_abort(s->run);
    } else {
        sq_loop_stop(s->loop);
    }
}

/* ---- A level ---- */

static void plan_level(struct sq_capacity_session *s, struct sq_capacity_level *level)
{
    struct sq_plan *plan = &s->plan;
    struct sq_plan_place last;
    *plan = s->base;
    plan->peers = level->level;
    if (level->grow == SQ_GROW_ROOM) {
        plan->room_size = 0;
        plan->sizes_len = 0;
    } else if (level->grow == SQ_GROW_ROOMS) {
        plan->room_size = s->capacity->room_size ? s->capacity->room_size : plan->room_size;
        plan->peers = sq_plan_users(plan, level->level);
    }
    level->peers = plan->peers;
    if (sq_plan_has_rooms(plan)) {
        sq_plan_place(plan, plan->peers - 1, &last);
        level->rooms = last.room + 1;
    }
    if (s->options.run.rate_per_s <= 0) {
        plan->rate_per_s = fmin(fmax((double)plan->peers / ARRIVE_S, 1), RATE_MOST);
    }
    double arrive_s = (double)plan->peers / plan->rate_per_s;
    uint64_t wait_ns = plan->answer_timeout_ns + plan->connect_timeout_ns + plan->media_timeout_ns;
    wait_ns = sq_min_u64(wait_ns, WAIT_MOST_NS);
    plan->duration_ns = (uint64_t)(arrive_s * 1e9) + wait_ns + s->options.hold_most_ns + SPARE_NS;
    plan->ramp_down_ns = (uint64_t)((double)plan->peers / LEAVE_A_SECOND * 1e9);
    plan->ramp_down_ns = sq_min_u64(plan->ramp_down_ns, 2 * SQ_NS_PER_SEC);
    if (plan->threads > plan->peers) {
        plan->threads = (unsigned)plan->peers;
    }
}

static int make_result(struct sq_capacity_session *s, struct sq_capacity_level *level)
{
    struct sq_buf command = {0};
    struct sq_run_options run = s->options.run;
    int err = sq_result_create(&s->result);
    if (err) {
        return err;
    }
    sq_result_head(s->result);
    s->result->seed = s->plan.seed;
    sq_buf_printf(&command, "%s # trial %zu: ", s->head->command, s->capacity->levels_len + 1);
    sq_capacity_amount(level, &command);
    err = command.err ? command.err : sq_result_replace_text(&s->result->command, command.text);
    sq_buf_free(&command);
    run.peers = level->peers;
    return err ? err : sq_run_options_describe(&run, &s->plan, s->result);
}

static int judge(struct sq_capacity_session *s)
{
    const struct sq_run_options *run = &s->options.run;
    bool figures = false;
    for (size_t i = 0; i < run->expectations_len; i++) {
        figures = figures || sq_expect_of_figures(run->expectations[i]);
    }
    sq_untested_check(&s->plan, figures, s->result);
    s->result->interrupted = s->interrupts > 0;
    sq_result_tally(s->result);
    return sq_expect_judge(run->expectations, run->expectations_len, s->result);
}

static int write_level(struct sq_capacity_session *s, struct sq_capacity_level *level)
{
    char dir[SQ_CAPACITY_DIR_MAX + 80];
    struct sq_report_error error;
    snprintf(level->dir, sizeof(level->dir), "levels/%04zu-%s-%llu", s->capacity->levels_len + 1,
             sq_grow_name(level->grow), (unsigned long long)level->peers);
    snprintf(dir, sizeof(dir), "%s/%s", s->dir, level->dir);
    int err = sq_report_write(s->result, dir, &error);
    if (err) {
        snprintf(s->why, sizeof(s->why), "%s", error.message);
    }
    return err;
}

static void on_pause_over(void *ctx, uint64_t now_ns)
{
    struct sq_capacity_session *s = ctx;
    (void)now_ns;
    sq_loop_stop(s->loop);
}

/* The service gets some time to forget the last ones. */
static int pause_between(struct sq_capacity_session *s)
{
    if (s->capacity->levels_len == 0 || s->options.pause_ns == 0) {
        return 0;
    }
    sq_timer_start(sq_loop_timers(s->loop), &s->pause, sq_loop_now(s->loop) + s->options.pause_ns);
    int err = 0;
    while (!err && sq_timer_active(&s->pause) && s->interrupts == 0) {
        err = sq_loop_run(s->loop);
    }
    sq_timer_stop(&s->pause);
    return err;
}

static int run_level(struct sq_capacity_session *s)
{
    static const struct sq_run_ops ops = {.second = on_second, .done = on_done};
    s->finished = s->leaving = s->cut = false;
    s->all_there_ns = 0;
    s->steadiness = (struct sq_steady){.seen = 0};
    sq_progress_init(&s->progress, s->result->target, s->options.run.tui,
                     s->options.run.quiet || !isatty(STDERR_FILENO));
    int err = sq_run_start(&s->plan, s->loop, &ops, s, &s->run);
    while (!err && !s->finished) {
        err = sq_loop_run(s->loop);
    }
    sq_progress_end(&s->progress);
    err = err ? err : sq_run_collect(s->run, s->result);
    sq_run_destroy(s->run);
    s->run = NULL;
    sq_capacity_server_read(&s->server, s->level);
    return err;
}

/* What cannot be tried for want of file descriptors is Squall's own limit. */
static int beyond_limits(struct sq_capacity_session *s, struct sq_capacity_level *level)
{
    level->score = level->setup_p95_ms = level->loss_percent = level->fps = NAN;
    level->in_kbps = level->lateness_p99_ms = level->cpu_percent = NAN;
    level->server_cpu_percent = level->server_rss_bytes = level->others_percent = NAN;
    level->outcome = SQ_TRIAL_INVALID;
    snprintf(level->reason, sizeof(level->reason), "%s", s->why);
    s->why[0] = '\0';
    return SQ_TRIAL_TOLD;
}

/* The level counts; what the trial says of the search as a whole. */
static int conclude_level(struct sq_capacity_session *s, struct sq_capacity_level *level)
{
    struct sq_capacity *c = s->capacity;
    if (!s->options.run.quiet) {
        sq_capacity_text_level(level, stdout);
        fflush(stdout);
    }
    if (sq_capacity_server_is_gone(&s->server)) {
        c->end = SQ_CAPACITY_GONE;
        return SQ_TRIAL_LAST;
    }
    if (level->no_sample) {
        c->end = SQ_CAPACITY_NO_SAMPLE;
        sq_capacity_note(c,
                         "All %llu peers came through, and an expectation has nothing to be judged "
                         "by: %.350s. That is of how the search was set up, and not of the "
                         "service: expect what these peers measure.",
                         (unsigned long long)level->peers, level->reason);
        return SQ_TRIAL_LAST;
    }
    return SQ_TRIAL_TOLD;
}

static int conclude(struct sq_capacity_session *s, struct sq_capacity_level *level)
{
    struct sq_capacity *c = s->capacity;
    if (s->interrupts > 0) {
        return SQ_TRIAL_STOP;
    }
    if (s->cut) {
        c->end = SQ_CAPACITY_TIME;
        return SQ_TRIAL_STOP;
    }
    if (s->result->error[0] || (!s->reached && s->result->verdict == SQ_VERDICT_ERROR)) {
        c->end = SQ_CAPACITY_UNREACHED;
        sq_capacity_note(c, "%s", s->result->verdict_reason);
        return SQ_TRIAL_STOP;
    }
    return conclude_level(s, level);
}

int sq_capacity_session_trial(void *ctx, struct sq_capacity_level *level)
{
    struct sq_capacity_session *s = ctx;
    struct sq_run_options *run = &s->options.run;
    int err = pause_between(s);
    if (err) {
        return err;
    }
    if (s->interrupts > 0) {
        return SQ_TRIAL_STOP;
    }
    if (s->server.gone) {
        s->capacity->end = SQ_CAPACITY_GONE;
        return SQ_TRIAL_STOP;
    }
    if (is_over_time(s)) {
        s->capacity->end = SQ_CAPACITY_TIME;
        return SQ_TRIAL_STOP;
    }
    s->level = level;
    plan_level(s, level);
    if (sq_run_limits_raise(run, &s->plan, s->sources.lab != NULL, s->why, sizeof(s->why)) != 0) {
        return beyond_limits(s, level);
    }
    err = make_result(s, level);
    err = err ? err : run_level(s);
    err = err ? err : judge(s);
    err = err ? err : sq_capacity_read(level, run->expectations, run->expectations_len, s->result);
    err = err ? err : write_level(s, level);
    int told = err ? err : conclude(s, level);
    sq_result_destroy(s->result);
    s->result = NULL;
    return told;
}

void sq_capacity_session_init(struct sq_capacity_session *s)
{
    s->results_lock = -1;
    sq_timer_init(&s->pause, on_pause_over, s);
}
