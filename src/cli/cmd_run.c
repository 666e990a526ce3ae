/* squall run: from the command line to the verdict. */
#include "base/mem.h"
#include "base/place.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/baseline.h"
#include "cli/cli.h"
#include "cli/control.h"
#include "cli/dtmf_option.h"
#include "cli/expect_option.h"
#include "cli/network_option.h"
#include "cli/places.h"
#include "cli/progress.h"
#include "cli/record_option.h"
#include "cli/result_head.h"
#include "cli/run_command.h"
#include "cli/run_file.h"
#include "cli/run_limits.h"
#include "cli/run_metrics.h"
#include "cli/run_notes.h"
#include "cli/run_options.h"
#include "cli/run_paths.h"
#include "cli/run_places.h"
#include "cli/run_sources.h"
#include "report/report.h"
#include "report/text.h"
#include "run/decode.h"
#include "run/replay.h"
#include "run/run.h"
#include "run/untested.h"
#include "stats/metrics.h"
#include <errno.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define WHY_MAX 512
#define DIR_MAX 4096

struct session {
    struct sq_run_options options;
    struct sq_plan plan;
    struct sq_run_sources sources;
    struct sq_loop *loop;
    struct sq_run *run;
    struct sq_control control;
    struct sq_progress progress;
    struct sq_run_metrics metrics;
    struct sq_result *result;
    struct sq_record_option record;
    struct sq_baseline_option baseline;
    struct sq_run_paths paths;
    size_t known; /* so much of result->incomplete the files say */
    char why[WHY_MAX];
    bool finished, interrupted, paused;
    bool written;            /* the results directory is whole */
    bool no_html;            /* --html FILE is missing */
    int collected;           /* an error: the result is not complete */
    struct sq_places places; /* of --json and its like */
    int results_lock;        /* open while the results directory is this run's; -1: none */
};

static int refuse(struct session *s, int err, const char *fmt, ...) SQ_PRINTF(3, 4);

static int refuse(struct session *s, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, args);
    va_end(args);
    return err;
}

/* ---- Getting ready ---- */

static int make_result(struct session *s, int argc, char **argv)
{
    int err = sq_result_create(&s->result);
    if (err) {
        return err;
    }
    sq_result_head(s->result);
    s->result->seed = s->plan.seed;
    err = sq_run_command("squall run", s->options.target_url, argc, argv, &s->result->command);
    return err ? err : sq_run_options_describe(&s->options, &s->plan, s->result);
}

/* ---- While it runs ---- */

static void on_second(void *ctx, const struct sq_run_live *live)
{
    struct session *s = ctx;
    sq_progress_second(&s->progress, live);
    sq_run_metrics_second(&s->metrics, live);
}

static void on_done(void *ctx)
{
    struct session *s = ctx;
    s->finished = true;
    sq_loop_stop(s->loop);
}

/* Of the rate, or of the number of peers in a closed model; arrivals from a file have neither. */
static void change_load(struct session *s, double step)
{
    double rate = sq_run_rate(s->run);
    double peers = sq_run_peers(s->run);
    if (!isnan(peers)) {
        sq_run_set_peers(s->run, (uint64_t)ceil(fmax(0, peers + step) - 1e-6), 0);
    } else if (!isnan(rate)) {
        sq_run_set_rate(s->run, fmax(0, rate + step));
    }
}

static void on_key(void *ctx, char key)
{
    struct session *s = ctx;
    static const struct {
        char key;
        double step;
    } steps[] = {{'+', 1}, {'-', -1}, {'*', 10}, {'/', -10}};
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        if (key == steps[i].key) {
            change_load(s, steps[i].step);
        }
    }
    if (key == 'p' && !isnan(sq_run_rate(s->run))) {
        s->paused = !s->paused;
        sq_run_pause(s->run, s->paused);
    } else if (key == 'q') {
        sq_run_drain(s->run);
    }
}

static void on_interrupt(void *ctx, unsigned count)
{
    struct session *s = ctx;
    s->interrupted = true;
    if (count == 1) {
        sq_progress_say(
            &s->progress,
            "Interrupted: everyone leaves, results are kept. Once more ends it without a goodbye, "
            "a third time at once and without results.");
        sq_run_drain(s->run);
    } else {
        sq_run_abort(s->run);
    }
}

static int execute(struct session *s)
{
    static const struct sq_run_ops ops = {.second = on_second, .done = on_done};
    sq_progress_init(&s->progress, s->result->target, s->options.tui, s->options.quiet);
    s->control.key = on_key;
    s->control.interrupt = on_interrupt;
    s->control.ctx = s;
    int err = sq_run_start(&s->plan, s->loop, &ops, s, &s->run);
    if (err) {
        return refuse(s, err, "the run cannot start: %s%s%s", sq_err_name(err),
                      err == SQ_ERR_IO ? ": " : "", err == SQ_ERR_IO ? strerror(errno) : "");
    }
    err = sq_control_start(&s->control, s->loop, !s->options.quiet);
    while (!err && !s->finished) {
        err = sq_loop_run(s->loop);
    }
    sq_progress_end(&s->progress);
    sq_control_stop(&s->control);
    s->collected = err ? 0 : sq_run_collect(s->run, s->result);
    return err;
}

/* ---- Results ---- */

/* Some of the results are not there: the closing text and the files say so, and the exit code that
 * it comes to. *err keeps the first failure, as s->why does. */
static void miss(struct session *s, int failed, const char *what, int *err)
{
    sq_verdict_incomplete(s->result, what);
    if (!*err) {
        *err = refuse(s, failed, "%s", what);
    }
}

static void write_one(struct session *s, enum sq_report_kind kind, const char *path, int *err)
{
    struct sq_report_error error;
    int failed = sq_report_write_file(s->result, kind, path, &error);
    if (failed) {
        s->no_html = s->no_html || kind == SQ_REPORT_HTML;
        miss(s, failed, error.message, err);
    }
}

struct single {
    enum sq_report_kind kind;
    const char *path; /* NULL: not asked for */
};

#define SINGLES 4

static void find_singles(const struct session *s, struct single ret_singles[static SINGLES])
{
    const struct sq_run_options *o = &s->options;
    ret_singles[0] = (struct single){SQ_REPORT_JSON, o->json};
    ret_singles[1] = (struct single){SQ_REPORT_JUNIT, o->junit};
    ret_singles[2] = (struct single){SQ_REPORT_HTML, o->html};
    ret_singles[3] = (struct single){SQ_REPORT_MARKDOWN, o->markdown};
}

/* Files, and then what may make us wait for its reader. */
static void write_others(struct session *s, bool waiting, int *err)
{
    struct single all[SINGLES];
    find_singles(s, all);
    for (size_t i = 0; i < SINGLES; i++) {
        if (all[i].path && sq_place_waits(all[i].path) == waiting) {
            write_one(s, all[i].kind, all[i].path, err);
        }
    }
}

static void results_dir(const struct session *s, char dir[static DIR_MAX])
{
    if (s->options.out) {
        snprintf(dir, DIR_MAX, "%s", s->options.out);
    } else {
        snprintf(dir, DIR_MAX, "squall-results/%s", s->result->run_id);
    }
}

/* Where people will find the report: what files and job pages say of it. */
static int name_report(struct session *s, const char *dir)
{
    const struct sq_run_options *o = &s->options;
    bool file = o->html && strcmp(o->html, "-") != 0;
    struct sq_buf path = {0};
    sq_buf_puts(&path, o->report_url ? o->report_url : file ? o->html : dir);
    sq_buf_puts(&path, o->report_url || file ? "" : "/report.html");
    int err = path.err ? path.err : sq_result_replace_text(&s->result->report, path.text);
    sq_buf_free(&path);
    return err;
}

static void tell_github(const struct session *s, FILE *out)
{
    const char *actions = getenv("GITHUB_ACTIONS");
    bool there = actions && strcmp(actions, "true") == 0 && !s->options.quiet;
    struct sq_buf lines = {0};
    if (s->options.github || there) {
        sq_report_github(s->result, &lines);
        fputs(lines.text ? lines.text : "", out);
        fflush(out);
    }
    sq_buf_free(&lines);
}

/* A page that is not there is not named. */
static void forget_report(struct session *s, const char *dir)
{
    const struct sq_run_options *o = &s->options;
    bool file = o->html && strcmp(o->html, "-") != 0;
    struct sq_buf path = {0};
    sq_buf_printf(&path, "%s/report.html", dir);
    if (file ? s->no_html : !path.err && access(path.text, F_OK) != 0) {
        sq_free(s->result->report);
        s->result->report = NULL;
    }
    sq_buf_free(&path);
}

/* Once something is missing that the files which were written before do not know of. */
static void keep_true(struct session *s, const char *dir)
{
    static const enum sq_report_kind tell[] = {SQ_REPORT_HTML, SQ_REPORT_JUNIT, SQ_REPORT_JSON};
    struct single all[SINGLES];
    size_t missing = strlen(s->result->incomplete);
    if (missing == s->known) {
        return;
    }
    s->known = missing;
    find_singles(s, all);
    for (size_t i = 0; i < sizeof(tell) / sizeof(*tell); i++) {
        sq_report_rewrite(s->result, tell[i], dir);
        if (tell[i] == SQ_REPORT_HTML) {
            forget_report(s, dir);
        }
    }
    for (size_t i = 0; i < SINGLES; i++) {
        if (all[i].path && !sq_place_waits(all[i].path)) {
            sq_report_rewrite_file(s->result, all[i].kind, all[i].path);
        }
    }
}

/* What is wrong with them has been told. */
static void tell_recorded(struct session *s, FILE *out)
{
    char why[sizeof(s->why)];
    int err = sq_record_option_tell(&s->record, out, why, sizeof(why));
    (void)err;
}

/* Before the closing text, which is to say what came of them. What cannot be written is told, and
 * does not keep the rest from being written. */
static int write_files(struct session *s, const char *dir)
{
    struct sq_report_error error;
    char why[sizeof(s->why)];
    int err = 0;
    if (s->collected) {
        snprintf(why, sizeof(why), "the results are not complete: %s", sq_err_name(s->collected));
        miss(s, s->collected, why, &err);
    } else {
        int failed = sq_record_option_tell(&s->record, NULL, why, sizeof(why));
        if (failed) {
            miss(s, failed, why, &err);
        }
    }
    s->known = strlen(s->result->incomplete);
    int failed = sq_report_write(s->result, dir, &error);
    s->written = !failed;
    if (failed) {
        if (err) {
            fprintf(stderr, "squall: %s\n", s->why); /* both are told */
            err = 0;
        }
        miss(s, failed, error.message, &err);
    }
    write_others(s, false, &err);
    keep_true(s, dir);
    return err;
}

static int write_results(struct session *s)
{
    char dir[DIR_MAX];
    results_dir(s, dir);
    int err = name_report(s, dir);
    if (err) {
        return refuse(s, err, "no memory");
    }
    err = write_files(s, dir);
    bool to_stdout = (s->options.json && strcmp(s->options.json, "-") == 0) ||
                     (s->options.markdown && strcmp(s->options.markdown, "-") == 0);
    FILE *out = to_stdout ? stderr : stdout;
    if (!s->options.quiet) {
        const struct sq_report_text_options text = {.color = isatty(fileno(out)),
                                                    .all = s->options.verbose};
        sq_report_text(s->result, &text, out);
        tell_recorded(s, out);
        sq_baseline_tell(&s->baseline, text.color, out);
        sq_dtmf_option_tell(&s->plan, s->result, out);
        errno = 0;
        if ((fflush(out) != 0 || ferror(out)) && !err) {
            char why[sizeof(s->why)];
            snprintf(why, sizeof(why), "cannot write the closing text: %s", strerror(errno));
            miss(s, SQ_ERR_IO, why, &err);
        }
    } else {
        sq_report_text_notes(s->result, stderr);
    }
    if (s->options.quiet && s->result->exit_code != SQ_EXIT_HELD) {
        fprintf(stderr, "squall: %s: ", sq_result_word(s->result));
        sq_report_text_words(s->result->verdict_reason, stderr);
        fputc('\n', stderr);
    }
    tell_github(s, out);
    if (s->written && !s->options.quiet) {
        sq_report_text_place(dir, out);
        fflush(out);
    }
    sq_control_let_go();
    write_others(s, true, &err);
    keep_true(s, dir);
    return err;
}

static int judge(struct session *s)
{
    bool figures = false;
    for (size_t i = 0; i < s->options.expectations_len; i++) {
        figures = figures || sq_expect_of_figures(s->options.expectations[i]);
    }
    sq_untested_check(&s->plan, figures, s->result);
    s->result->interrupted = s->interrupted;
    sq_result_tally(s->result);
    int err = sq_expect_judge(s->options.expectations, s->options.expectations_len, s->result);
    return err ? err : sq_baseline_judge(&s->baseline, s->result, s->why, sizeof(s->why));
}

/* A thread of its own, so that decoding disturbs no shard. */
static int start_decoding(struct session *s)
{
    if (s->plan.decode == 0) {
        return 0;
    }
    int err = sq_decode_thread_create(&s->plan.decode_thread);
    if (err == SQ_ERR_UNSUPPORTED) {
        return refuse(s, SQ_ERR_INVALID, "--decode: this squall was built without libavcodec");
    }
    return err;
}

/* The last thing before the run: what an earlier one has left is deleted. */
static int begin_results(struct session *s, char dir[static DIR_MAX])
{
    struct sq_report_error error;
    results_dir(s, dir);
    const char *kept = s->sources.replays_len > 0 ? s->sources.replays[0].file : NULL;
    int err = sq_report_begin(dir, kept, &s->results_lock, &error);
    return !err             ? 0
           : s->options.out ? refuse(s, err, "--out %.100s: %.400s", s->options.out, error.message)
                            : refuse(s, err, "%s (--out DIR writes elsewhere)", error.message);
}

static int start_record(struct session *s)
{
    char dir[DIR_MAX];
    int err = begin_results(s, dir);
    err = err ? err : sq_record_option_start(&s->record, &s->options, dir, s->why, sizeof(s->why));
    s->plan.record = s->record.writer ? &s->record.plan : NULL;
    return err;
}

static int from_sources(struct session *s,
                        int (*find)(struct sq_run_sources *sources, const struct sq_run_options *o,
                                    struct sq_plan *plan))
{
    int err = find(&s->sources, &s->options, &s->plan);
    if (err) {
        sq_run_sources_explain(&s->sources, &s->options, s->why, sizeof(s->why));
    }
    return err;
}

static int prepare(struct session *s, int argc, char **argv)
{
    sq_control_let_go();
    int err = sq_run_options_plan(&s->options, &s->plan, s->why, sizeof(s->why));
    err = err ? err : sq_run_limits_realtime(&s->plan, s->why, sizeof(s->why));
    err = err ? err : sq_record_option_check(&s->options, s->why, sizeof(s->why));
    err = err ? err : sq_run_places_check(&s->options, &s->places, s->why, sizeof(s->why));
    err = err ? err
              : sq_run_metrics_check(s->options.prometheus, s->options.prometheus_push, s->why,
                                     sizeof(s->why));
    err = err ? err
              : sq_baseline_load(&s->baseline, &s->options.baselines, s->options.baseline_threshold,
                                 s->why, sizeof(s->why));
    err = err ? err : from_sources(s, sq_run_sources_open);
    err = err ? err : sq_control_block_signals();
    err = err ? err : sq_loop_new(NULL, &s->loop);
    err = err ? err : sq_control_start_early(&s->control, s->loop);
    err = err ? err : from_sources(s, sq_run_sources_targets);
    err =
        err ? err
            : sq_run_paths_find(s->loop, &s->options, &s->paths, &s->plan, s->why, sizeof(s->why));
    err = err ? err : sq_expect_options_plan(&s->options, &s->plan, s->why, sizeof(s->why));
    err = err ? err
              : sq_run_limits_raise(&s->options, &s->plan, s->sources.lab != NULL, s->why,
                                    sizeof(s->why));
    err = err ? err : start_decoding(s);
    err = err ? err : make_result(s, argc, argv);
    err = err ? err
              : sq_run_metrics_start(&s->metrics, s->loop, s->options.prometheus,
                                     s->options.prometheus_push, s->result, s->why, sizeof(s->why));
    err = err ? err : start_record(s);
    sq_control_stop(&s->control);
    return err;
}

static void clean_up(struct session *s)
{
    sq_places_close(&s->places);
    if (s->results_lock >= 0) {
        close(s->results_lock);
    }
    sq_run_destroy(s->run);
    sq_decode_thread_destroy(s->plan.decode_thread);
    sq_record_option_free(&s->record);
    sq_baseline_free(&s->baseline);
    sq_run_sources_close(&s->sources);
    sq_run_metrics_stop(&s->metrics);
    sq_loop_free(s->loop);
    sq_result_destroy(s->result);
    sq_run_options_free(&s->options);
}

int sq_cmd_run(int argc, char **argv)
{
    struct session *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return sq_usage("run", "no memory");
    }
    int code = SQ_EXIT_USAGE;
    s->results_lock = -1;
    int err = sq_run_options_parse(&s->options, argc, argv, s->why, sizeof(s->why));
    if (!err && s->options.help) {
        sq_run_options_help();
        code = SQ_EXIT_HELD;
        goto out;
    }
    if (!err && sq_network_option_asks(&s->options.networks)) {
        sq_network_option_list(stdout);
        code = SQ_EXIT_HELD;
        goto out;
    }
    err = err ? err : prepare(s, argc, argv);
    if (err) {
        (void)sq_run_usage("run", &s->options, err, s->why, sizeof(s->why));
        goto out;
    }
    if (!s->options.quiet) {
        sq_run_notes(&s->options, &s->plan, stderr);
        sq_run_metrics_tell(&s->metrics, stderr);
    }
    err = execute(s);
    err = err ? err : judge(s);
    if (!err) {
        code = s->result->exit_code;
        err = write_results(s);
        sq_run_metrics_finish(&s->metrics, s->result, s->options.quiet ? NULL : stderr);
    }
    code = sq_exit_code(code, err, s->why);
out:
    clean_up(s);
    sq_free(s);
    return code;
}
