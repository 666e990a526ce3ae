/* squall capacity: how much a service holds: what is tried, and what is told of it. */
#include "base/mem.h"
#include "base/place.h"
#include "base/time.h"
#include "cli/capacity_session.h"
#include "cli/capacity_units.h"
#include "cli/cli.h"
#include "cli/expect_option.h"
#include "cli/network_option.h"
#include "cli/result_head.h"
#include "cli/run_command.h"
#include "cli/run_file.h"
#include "cli/run_limits.h"
#include "report/capacity.h"
#include "report/text.h"
#include "run/run.h"
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define INVALID_AGAIN    1 /* others on this machine may have been in the way for a moment */
#define FAIL_AGAIN       2 /* what failed: a hiccup is no limit (docs/capacity.md has the figures) */
#define EXPECT_TEXTS_MAX (SQ_RUN_EXPECT_MAX + 1)

/* ---- The search ---- */

static uint64_t in_units(const struct sq_capacity_session *s, enum sq_grow grow, uint64_t peers)
{
    return sq_capacity_in_units(s->capacity, &s->base, grow, peers);
}

static int search(struct sq_capacity_session *s)
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
        err = sq_capacity_search(s->capacity, grow, &config, sq_capacity_session_trial, s);
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

static int from_sources(struct sq_capacity_session *s,
                        int (*find)(struct sq_run_sources *sources, const struct sq_run_options *o,
                                    struct sq_plan *plan))
{
    int err = find(&s->sources, &s->options.run, &s->base);
    if (err) {
        sq_run_sources_explain(&s->sources, &s->options.run, s->why, sizeof(s->why));
    }
    return err;
}

static int make_head(struct sq_capacity_session *s, int argc, char **argv)
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
static int lock_results(struct sq_capacity_session *s)
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
static int begin_results(struct sq_capacity_session *s)
{
    const char *out = s->options.run.out;
    char earlier[SQ_CAPACITY_DIR_MAX + 32];
    char failed[SQ_PLACE_PATH_MAX];
    struct stat st;
    if (out && strlen(out) >= SQ_CAPACITY_DIR_MAX) {
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

static int start_server(struct sq_capacity_session *s)
{
    s->server.loop = s->loop;
    s->server.url = s->options.server_metrics;
    s->server.pid = s->options.server_pid;
    s->server.lab = s->options.server_pid || s->options.server_metrics ? NULL : s->sources.lab;
    return sq_capacity_server_start(&s->server, s->why, sizeof(s->why));
}

static int prepare(struct sq_capacity_session *s, int argc, char **argv)
{
    struct sq_run_options *run = &s->options.run;
    sq_control_let_go();
    int err = sq_run_options_plan(run, &s->base, s->why, sizeof(s->why));
    err = err ? err : sq_run_limits_realtime(&s->base, s->why, sizeof(s->why));
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

static void add_notes(struct sq_capacity_session *s)
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
    sq_capacity_note_others(c);
    if (s->server.unanswered > 0) {
        sq_capacity_note(c, "%llu requests to --server-metrics had no answer with the figures.",
                         (unsigned long long)s->server.unanswered);
    }
}

static int tell(struct sq_capacity_session *s)
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

static void clean_up(struct sq_capacity_session *s)
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

static int go(struct sq_capacity_session *s)
{
    s->capacity->at_least = s->options.at_least;
    s->control.interrupt = sq_capacity_session_interrupt;
    s->control.ctx = s;
    s->begun_ns = sq_clock_ns();
    int err = sq_control_start(&s->control, s->loop, false);
    err = err ? err : search(s);
    sq_control_stop(&s->control);
    s->capacity->duration_s = (double)(sq_clock_ns() - s->begun_ns) / 1e9;
    add_notes(s);
    sq_capacity_close(s->capacity);
    int failed = tell(s); /* what is known is kept, whatever ended it */
    sq_control_let_go();  /* what was pressed meanwhile */
    return err ? err : failed;
}

int sq_cmd_capacity(int argc, char **argv)
{
    struct sq_capacity_session *s = sq_zalloc(sizeof(*s));
    int code = SQ_EXIT_USAGE;
    if (!s) {
        return sq_usage("capacity", "no memory");
    }
    s->capacity = sq_zalloc(sizeof(*s->capacity));
    sq_capacity_session_init(s);
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
