/* squall capacity: how much a service holds. Each level is a run of its own. */
#include "base/mem.h"
#include "base/place.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/capacity_options.h"
#include "cli/capacity_server.h"
#include "cli/capacity_units.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/expect_option.h"
#include "cli/network_option.h"
#include "cli/places.h"
#include "cli/progress.h"
#include "cli/result_head.h"
#include "cli/run_command.h"
#include "cli/run_file.h"
#include "cli/run_limits.h"
#include "cli/run_paths.h"
#include "cli/run_sources.h"
#include "report/capacity.h"
#include "report/text.h"
#include "run/run.h"
#include "run/untested.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define WHY_MAX          512
#define DIR_MAX          3900
#define ARRIVE_S         5.0 /* all peers of a level come within it, but */
#define RATE_MOST        50.0
#define WAIT_MOST_NS     (35 * SQ_NS_PER_SEC) /* for the last to come, once all have begun */
#define LEAVE_A_SECOND   100.0
#define INVALID_AGAIN    1 /* others on this machine may have been in the way for a moment */
#define FAIL_AGAIN       2 /* what failed: a hiccup is no limit (docs/capacity.md has the figures) */
#define OTHERS_PERCENT   10.0 /* of a core: more is worth a word */
#define SPARE_NS         (5 * SQ_NS_PER_SEC)
#define EXPECT_TEXTS_MAX (SQ_RUN_EXPECT_MAX + 1)

struct session {
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
    char why[WHY_MAX];
    char dir[DIR_MAX];

    /* The level that is tried. */
    struct sq_plan plan;
    struct sq_run *run;
    struct sq_result *result;
    struct sq_steady steadiness;
    struct sq_capacity_level *level;
    uint64_t all_there_ns; /* 0: they are not */
    bool finished, leaving, cut;
};

/* ---- While a level runs ---- */

static void leave(struct session *s)
{
    if (!s->leaving) {
        s->leaving = true;
        sq_run_drain(s->run);
    }
}

static bool is_over_time(const struct session *s)
{
    uint64_t limit = s->options.time_limit_ns;
    return limit > 0 && sq_clock_ns() - s->begun_ns >= limit;
}

/* From when all are there until it has been held. */
static void hold(struct session *s, const struct sq_timeline_row *row, uint64_t now_ns)
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
    struct session *s = ctx;
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
    struct session *s = ctx;
    s->finished = true;
    sq_loop_stop(s->loop);
}

static void on_interrupt(void *ctx, unsigned count)
{
    struct session *s = ctx;
    s->interrupts = count;
    s->capacity->end = SQ_CAPACITY_INTERRUPTED;
    if (s->run && count == 1) {
        sq_progress_say(&s->progress, "Interrupted: everyone leaves, what is known is kept. Once "
                                      "more ends it at once.");
        leave(s);
    } else if (s->run) {
        sq_run_abort(s->run);
    } else {
        sq_loop_stop(s->loop);
    }
}

/* ---- A level ---- */

static void plan_level(struct session *s, struct sq_capacity_level *level)
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

static int make_result(struct session *s, struct sq_capacity_level *level)
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

static int judge(struct session *s)
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

static int write_level(struct session *s, struct sq_capacity_level *level)
{
    char dir[DIR_MAX + 80];
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
    struct session *s = ctx;
    (void)now_ns;
    sq_loop_stop(s->loop);
}

/* The service gets some time to forget the last ones. */
static int pause_between(struct session *s)
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

static int run_level(struct session *s)
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
static int beyond_limits(struct session *s, struct sq_capacity_level *level)
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
static int conclude_level(struct session *s, struct sq_capacity_level *level)
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

static int conclude(struct session *s, struct sq_capacity_level *level)
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

static int trial(void *ctx, struct sq_capacity_level *level)
{
    struct session *s = ctx;
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

/* ---- The search ---- */

static uint64_t in_units(const struct session *s, enum sq_grow grow, uint64_t peers)
{
    return sq_capacity_in_units(s->capacity, &s->base, grow, peers);
}

static int search(struct session *s)
{
    static const char *const titles[] = {"How much does the service hold?",
                                         "How big can one room grow?", "How many rooms fit?"};
    int err = 0;
    for (size_t i = 0; i < s->options.grow_len && !err; i++) {
        enum sq_grow grow = s->options.grow[i];
        if (grow == SQ_GROW_ROOMS) {
            s->capacity->room_size = sq_capacity_room_size(s->capacity, &s->base);
        }
        uint64_t least = sq_capacity_least(&s->base, grow);
        const struct sq_search_config config = {
            .least = least,
            .from = sq_max_u64(in_units(s, grow, s->options.from), least),
            .most = sq_max_u64(in_units(s, grow, s->options.most), least),
            .growth = 2,
            .resolution = s->options.resolution,
            .confirms = (unsigned)s->options.confirms,
            .fail_again = FAIL_AGAIN,
            .invalid_again = INVALID_AGAIN};
        if (!s->options.run.quiet) {
            printf("%s%s\n", i > 0 ? "\n" : "", titles[grow]);
            sq_capacity_text_heads(stdout);
            fflush(stdout);
        }
        err = sq_capacity_search(s->capacity, grow, &config, trial, s);
        if (s->capacity->end != SQ_CAPACITY_FOUND) {
            break;
        }
    }
    if (s->capacity->end == SQ_CAPACITY_GONE || s->capacity->end == SQ_CAPACITY_DIED) {
        s->capacity->died_s = (double)(sq_clock_ns() - s->begun_ns) / 1e9;
        const struct sq_capacity_level *last = &s->capacity->levels[s->capacity->levels_len - 1];
        if (s->capacity->end == SQ_CAPACITY_DIED) {
            sq_capacity_note(s->capacity, "From then on nobody could connect: %s", last->example);
        }
    }
    return err;
}

/* ---- Before and after ---- */

static int from_sources(struct session *s,
                        int (*find)(struct sq_run_sources *sources, const struct sq_run_options *o,
                                    struct sq_plan *plan))
{
    int err = find(&s->sources, &s->options.run, &s->base);
    if (err) {
        sq_run_sources_explain(&s->sources, &s->options.run, s->why, sizeof(s->why));
    }
    return err;
}

static int make_head(struct session *s, int argc, char **argv)
{
    const struct sq_run_options *run = &s->options.run;
    int err = sq_result_create(&s->head);
    if (err) {
        return err;
    }
    sq_result_head(s->head);
    s->head->seed = s->base.seed;
    err = sq_run_command("squall capacity", run->target_url, argc, argv, &s->head->command);
    return err ? err : sq_run_options_describe(run, &s->base, s->head);
}

/* Nobody else writes into it: a run, or another search. */
static int lock_results(struct session *s)
{
    pid_t holder = 0;
    int err = sq_place_lock(s->dir, &s->results_lock, &holder);
    if (err == SQ_ERR_STATE) {
        char process[32] = "";
        if (holder > 0) {
            snprintf(process, sizeof(process), ", process %d,", (int)holder);
        }
        snprintf(s->why, sizeof(s->why),
                 "--out %.300s: another run%s writes its results into it: wait for its end, or "
                 "give another folder",
                 s->dir, process);
        return SQ_ERR_INVALID;
    }
    if (err) {
        snprintf(s->why, sizeof(s->why), "--out: cannot open the folder %.300s: %s", s->dir,
                 strerror(errno));
        return SQ_ERR_INVALID;
    }
    return 0;
}

/* A folder of its own: what an earlier search found is not overwritten. */
static int begin_results(struct session *s)
{
    const char *out = s->options.run.out;
    char earlier[DIR_MAX + 32];
    char failed[SQ_PLACE_PATH_MAX];
    struct stat st;
    if (out && strlen(out) >= DIR_MAX) {
        snprintf(s->why, sizeof(s->why), "--out: the path is too long");
        return SQ_ERR_INVALID;
    }
    if (out) {
        snprintf(s->dir, sizeof(s->dir), "%s", out);
    } else {
        snprintf(s->dir, sizeof(s->dir), "squall-results/%s", s->head->run_id);
    }
    snprintf(earlier, sizeof(earlier), "%s/levels", s->dir);
    if (stat(earlier, &st) == 0) {
        snprintf(s->why, sizeof(s->why),
                 "--out %.300s: an earlier search's results are in it (levels); choose another "
                 "folder",
                 s->dir);
        return SQ_ERR_INVALID;
    }
    int err = 0;
    if (sq_place_make_folders(s->dir, failed) ||
        ((err = lock_results(s)) == 0 && sq_place_make_folders(earlier, failed))) {
        snprintf(s->why, sizeof(s->why), "--out: cannot make the folder %.300s: %s", failed,
                 strerror(errno));
        return SQ_ERR_INVALID;
    }
    return err;
}

static int start_server(struct session *s)
{
    s->server.loop = s->loop;
    s->server.url = s->options.server_metrics;
    s->server.pid = s->options.server_pid;
    s->server.lab = s->options.server_pid || s->options.server_metrics ? NULL : s->sources.lab;
    return sq_capacity_server_start(&s->server, s->why, sizeof(s->why));
}

static int prepare(struct session *s, int argc, char **argv)
{
    struct sq_run_options *run = &s->options.run;
    sq_control_let_go();
    int err = sq_run_options_plan(run, &s->base, s->why, sizeof(s->why));
    err = err ? err : from_sources(s, sq_run_sources_open);
    err = err ? err : sq_control_block_signals();
    err = err ? err : sq_loop_new(NULL, &s->loop);
    err = err ? err : sq_control_start_early(&s->control, s->loop);
    err = err ? err : from_sources(s, sq_run_sources_targets);
    err = err ? err : sq_run_paths_find(s->loop, run, &s->paths, &s->base, s->why, sizeof(s->why));
    err = err ? err : sq_capacity_options_grow(&s->options, &s->base, s->why, sizeof(s->why));
    err = err ? err : sq_capacity_options_expect(&s->options, &s->base, s->why, sizeof(s->why));
    err = err ? err : sq_expect_options_plan(&s->options.run, &s->base, s->why, sizeof(s->why));
    err = err ? err : start_server(s);
    err = err ? err : make_head(s, argc, argv);
    err = err ? err : begin_results(s);
    sq_control_stop(&s->control);
    return err;
}

static void add_notes(struct session *s)
{
    struct sq_capacity *c = s->capacity;
    sq_capacity_note(
        c, "Each level is a run of its own, with its results in its folder. What does not "
           "say 'between ramped and draining' is judged on all of it, arrivals included.");
    if (s->options.run.file) {
        sq_capacity_note(c,
                         "Load, single result files, recordings and decoding of the scenario are "
                         "left out: the search makes its own.");
    }
    for (size_t i = 0; i < c->levels_len; i++) {
        if (!c->levels[i].steady && c->levels[i].outcome == SQ_TRIAL_HELD) {
            sq_capacity_note(c, "Some levels held though their figures were not steady within "
                                "--hold-most; their reports show it.");
            break;
        }
    }
    sq_capacity_server_note(&s->server, &s->base, c);
    for (size_t i = 0; i < c->searches_len; i++) {
        const struct sq_capacity_level *limit = sq_capacity_limit(c, i);
        if (limit && limit->outcome == SQ_TRIAL_FAILED && limit->others_percent > OTHERS_PERCENT) {
            sq_capacity_note(
                c,
                "While %llu peers failed, other programs used %.0f %% of a core on the "
                "server's cores: on a quiet machine the number may be higher.",
                (unsigned long long)limit->peers, limit->others_percent);
        }
    }
    if (s->server.unanswered > 0) {
        sq_capacity_note(c, "%llu requests to --server-metrics had no answer with the figures.",
                         (unsigned long long)s->server.unanswered);
    }
}

static int tell(struct session *s)
{
    const char *texts[EXPECT_TEXTS_MAX];
    const struct sq_run_options *run = &s->options.run;
    bool about_peers = false;
    size_t texts_len = run->expectations_len;
    for (size_t i = 0; i < run->expectations_len; i++) {
        texts[i] = sq_expect_text(run->expectations[i]);
        about_peers = about_peers || sq_expect_about_peers(run->expectations[i]);
    }
    if (!about_peers) {
        texts[texts_len++] = SQ_EXPECT_DEFAULT; /* as sq_expect_judge adds it */
    }
    const struct sq_capacity_report report = {.capacity = s->capacity,
                                              .head = s->head,
                                              .expectations = texts,
                                              .expectations_len = texts_len,
                                              .implied_len = about_peers ? 0 : 1,
                                              .expectations_given = s->options.expectations_given};
    struct sq_report_error error;
    if (!run->quiet) {
        sq_capacity_text(&report, stdout);
        fflush(stdout);
    }
    int err = sq_capacity_write(&report, s->dir, &error);
    if (err) {
        snprintf(s->why, sizeof(s->why), "%s", error.message);
    } else if (!run->quiet) {
        printf(
            "\nReport: %s/capacity.html  (capacity.json, capacity.csv and the levels' own results "
            "beside it)\n",
            s->dir);
        fflush(stdout);
    }
    return err;
}

static void clean_up(struct session *s)
{
    sq_timer_stop(&s->pause);
    sq_capacity_server_stop(&s->server);
    sq_run_destroy(s->run);
    sq_run_sources_close(&s->sources);
    sq_loop_free(s->loop);
    sq_result_destroy(s->result);
    sq_result_destroy(s->head);
    sq_capacity_options_free(&s->options);
    sq_free(s->capacity);
    if (s->results_lock >= 0) {
        close(s->results_lock);
    }
}

static int go(struct session *s)
{
    s->capacity->at_least = s->options.at_least;
    s->control.interrupt = on_interrupt;
    s->control.ctx = s;
    s->begun_ns = sq_clock_ns();
    int err = sq_control_start(&s->control, s->loop, false);
    err = err ? err : search(s);
    sq_control_stop(&s->control);
    s->capacity->duration_s = (double)(sq_clock_ns() - s->begun_ns) / 1e9;
    add_notes(s);
    sq_capacity_close(s->capacity);
    int failed = tell(s); /* what is known is kept, whatever ended it */
    return err ? err : failed;
}

int sq_cmd_capacity(int argc, char **argv)
{
    struct session *s = sq_zalloc(sizeof(*s));
    int code = SQ_EXIT_USAGE;
    if (!s) {
        return sq_usage("capacity", "no memory");
    }
    s->results_lock = -1;
    s->capacity = sq_zalloc(sizeof(*s->capacity));
    sq_timer_init(&s->pause, on_pause_over, s);
    int err = s->capacity
                  ? sq_capacity_options_parse(&s->options, argc, argv, s->why, sizeof(s->why))
                  : SQ_ERR_NOMEM;
    if (!err && s->options.help) {
        sq_capacity_options_help();
        code = SQ_EXIT_HELD;
        goto out;
    }
    if (!err && sq_network_option_asks(&s->options.run.networks)) {
        sq_network_option_list(stdout);
        code = SQ_EXIT_HELD;
        goto out;
    }
    err = err ? err : prepare(s, argc, argv);
    if (err) {
        (void)sq_run_usage("capacity", &s->options.run, err, s->why, sizeof(s->why));
        goto out;
    }
    err = go(s);
    code = sq_exit_code(s->capacity->exit_code, err, s->why);
out:
    clean_up(s);
    sq_free(s);
    return code;
}
