/* squall compare: results beside each other, and whether the later ones are worse. */
#include "base/mem.h"
#include "base/str.h"
#include "cli/cli.h"
#include "cli/compare_options.h"
#include "cli/options.h"
#include "cli/places.h"
#include "report/compare.h"
#include "report/report.h"
#include "report/text.h"
#include "store/store.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct session {
    bool help, all, strict, quiet;
    const char *threshold, *html, *json, *junit, *markdown;
    struct sq_option_list metrics, words;
    struct sq_compare_figure figures[SQ_OPTION_LIST_MAX];
    struct sq_store_runs sides[SQ_COMPARE_SIDES_MAX];
    struct sq_compare_options options;
    struct sq_compare *compare;
    struct sq_places places;
    char why[SQ_STORE_WHY_MAX];
};

#define ROWS_MAX 16

static void make_table(struct session *s, struct sq_option rows[static ROWS_MAX])
{
    const struct sq_option all[] = {
        {.name = "What counts", .type = SQ_OPTION_HEADING},
        {"metric", SQ_OPTION_LIST, &s->metrics, "NAME",
         "look at this alone, such as setup.total.p95; may come again", 0, 0},
        {"all", SQ_OPTION_FLAG, &s->all, NULL,
         "look at every metric (average, and p95 where less is better)", 0, 0},
        {"threshold", SQ_OPTION_TEXT, &s->threshold, "P",
         "a change counts from P % on (default 5, and 20 for runs too few to know their noise)", 0,
         0},
        {"strict", SQ_OPTION_FLAG, &s->strict, NULL,
         "refuse runs whose configurations, versions or machines differ", 0, 0},
        {.name = "Results", .type = SQ_OPTION_HEADING},
        {"html", SQ_OPTION_TEXT, &s->html, "FILE", "a page to read, to print and to pass on", 0, 0},
        {"json", SQ_OPTION_TEXT, &s->json, "FILE", "all of it; - is standard output", 0, 0},
        {"markdown", SQ_OPTION_TEXT, &s->markdown, "FILE", "tables for the page of a job", 0, 0},
        {"junit", SQ_OPTION_TEXT, &s->junit, "FILE", "a test case a figure", 0, 0},
        {"quiet", SQ_OPTION_FLAG, &s->quiet, NULL, "one line if it is worse, else nothing", 0, 0},
        {.name = "Other", .type = SQ_OPTION_HEADING},
        {"help", SQ_OPTION_FLAG, &s->help, NULL, "this text", 0, 0},
        {.name = NULL},
    };
    memcpy(rows, all, sizeof(all));
}

static int help(const struct sq_option *rows)
{
    puts("Usage: squall compare BEFORE AFTER [AFTER…] [OPTION…]\n\n"
         "Each is a results directory of squall run, a folder of several repeat runs, or several "
         "with\ncommas in between. The first is what the others are compared with. Four runs of "
         "each or more\ntell a change from noise:\n"
         "  for i in 1 2 3 4 5 6; do squall run TARGET … --out before/$i; done");
    sq_options_help(rows);
    puts("\nExit codes: 0 not worse, 1 worse, 2 usage, 3 a run reached nothing, 4 too few valid "
         "runs.");
    return SQ_EXIT_HELD;
}

static int refuse(struct session *s, const char *what)
{
    snprintf(s->why, sizeof(s->why), "%s", what);
    return SQ_ERR_INVALID;
}

static int check(struct session *s)
{
    static const char *const names[] = {"html", "json", "markdown", "junit"};
    const char *const paths[] = {s->html, s->json, s->markdown, s->junit};
    if (s->words.n < 2) {
        return refuse(s, "compare: expected two results directories, BEFORE and AFTER");
    }
    if (s->words.n > SQ_COMPARE_SIDES_MAX) {
        return refuse(s, "compare: more than 8 sides; several runs of one side are one word, with "
                         "commas in between");
    }
    if (s->all && s->metrics.n > 0) {
        return refuse(s, "--all and --metric contradict each other: give one of them");
    }
    int err = 0;
    for (size_t i = 0; !err && i < sizeof(names) / sizeof(*names); i++) {
        for (size_t k = 0; k < i; k++) {
            if (sq_places_same(paths[i], paths[k])) {
                snprintf(s->why, sizeof(s->why), "--%s and --%s: both are %.200s", names[k],
                         names[i], paths[i]);
                return SQ_ERR_INVALID;
            }
        }
        err = sq_places_check_file(&s->places, names[i], paths[i], s->why, sizeof(s->why));
    }
    return err;
}

static int compare(struct session *s)
{
    struct sq_compare_input inputs[SQ_COMPARE_SIDES_MAX];
    int err = 0;
    s->options = (struct sq_compare_options){
        .threshold_percent = NAN, .strict = s->strict, .all = s->all, .figures = s->figures};
    if (s->threshold) {
        err = sq_compare_threshold("threshold", s->threshold, &s->options.threshold_percent, s->why,
                                   sizeof(s->why));
    }
    for (size_t i = 0; !err && i < s->metrics.n; i++) {
        err = sq_compare_metric(s->metrics.items[i], &s->figures[i], s->why, sizeof(s->why));
        s->options.figures_count++;
    }
    for (size_t i = 0; !err && i < s->words.n; i++) {
        err = sq_store_load(s->words.items[i], &s->sides[i], s->why);
        inputs[i] = (struct sq_compare_input){s->words.items[i], s->sides[i].runs, s->sides[i].n};
    }
    return err ? err : sq_compare_make(inputs, s->words.n, &s->options, &s->compare, s->why);
}

static void put(struct session *s, const char *path,
                void (*render)(const struct sq_compare *, struct sq_buf *), int *err)
{
    struct sq_buf content = {0};
    struct sq_report_error error;
    if (!path) {
        return;
    }
    render(s->compare, &content);
    int failed = sq_report_put(path, &content, &error);
    if (failed && !*err) {
        snprintf(s->why, sizeof(s->why), "%s", error.message);
        *err = failed;
    }
    sq_buf_free(&content);
}

static int tell(struct session *s)
{
    const char *const paths[] = {s->html, s->json, s->markdown, s->junit};
    bool to_stdout = false;
    for (size_t i = 0; i < sizeof(paths) / sizeof(*paths); i++) {
        to_stdout = to_stdout || (paths[i] && strcmp(paths[i], "-") == 0);
    }
    FILE *out = to_stdout ? stderr : stdout;
    int err = 0;
    if (!s->quiet) {
        const struct sq_compare_text_options options = {.color = isatty(fileno(out))};
        struct sq_buf text = {0};
        sq_compare_text(s->compare, &options, &text);
        bool written = !text.err && fwrite(text.text, 1, text.len, out) == text.len;
        sq_buf_free(&text);
        if (!written || fflush(out) != 0) {
            err = SQ_ERR_IO;
            (void)refuse(s, "cannot write the comparison to the terminal");
        }
    } else if (s->compare->exit_code != SQ_EXIT_HELD) {
        fprintf(stderr, "squall: %s: ", sq_compare_verdict_name(s->compare->verdict));
        sq_report_text_words(s->compare->reason, stderr);
        fputc('\n', stderr);
    }
    put(s, s->html, sq_compare_html, &err);
    put(s, s->json, sq_compare_json, &err);
    put(s, s->markdown, sq_compare_markdown, &err);
    put(s, s->junit, sq_compare_junit, &err);
    return err;
}

int sq_cmd_compare(int argc, char **argv)
{
    struct sq_option rows[ROWS_MAX];
    struct session *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return sq_usage("compare", "no memory");
    }
    int code = SQ_EXIT_USAGE;
    make_table(s, rows);
    int err = sq_options_parse(rows, argc, argv, &s->words, s->why, sizeof(s->why));
    if (!err && s->help) {
        code = help(rows);
        goto out;
    }
    err = err ? err : check(s);
    err = err ? err : compare(s);
    if (err) {
        sq_usage("compare", "%s", s->why[0] ? s->why : sq_err_name(err));
        goto out;
    }
    err = tell(s);
    code = sq_exit_code(s->compare->exit_code, err, s->why);
out:
    sq_compare_free(s->compare);
    for (size_t i = 0; i < SQ_COMPARE_SIDES_MAX; i++) {
        sq_store_runs_free(&s->sides[i]);
    }
    sq_places_close(&s->places);
    sq_free(s);
    return code;
}
