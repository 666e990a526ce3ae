/* What a metric is, from the tables of src/stats alone. */
#include "cli/explain.h"

#include "run/expect.h"
#include "stats/metric_old.h"
#include "stats/metrics.h"
#include <stdio.h>
#include <string.h>

#define LABEL_WIDTH 11
#define LINE_WIDTH  96
#define NAME_WIDTH  26
#define UNIT_WIDTH  9
#define LIKE_MAX    6 /* names that are told for one that there is not */

/* A label and its text, broken between words. */
static void put_line(struct sq_buf *out, const char *label, const char *text)
{
    size_t column = LABEL_WIDTH;
    sq_buf_printf(out, "  %-*s", LABEL_WIDTH - 2, label);
    while (*text) {
        size_t word = strcspn(text, " ");
        if (column > LABEL_WIDTH && column + 1 + word > LINE_WIDTH) {
            sq_buf_printf(out, "\n%*s", LABEL_WIDTH, "");
            column = LABEL_WIDTH;
        }
        if (column > LABEL_WIDTH) {
            sq_buf_puts(out, " ");
            column++;
        }
        sq_buf_add(out, text, word);
        column += word;
        text += word + (text[word] == ' ');
    }
    sq_buf_puts(out, "\n");
}

static const char *aggregate_text(const struct sq_agg *agg, char *room, size_t size)
{
    switch (agg->kind) {
    case SQ_AGG_AVG:
        return "the mean of all samples: what an expectation without an aggregate is about";
    case SQ_AGG_MIN:
        return "the least of all samples";
    case SQ_AGG_MAX:
        return "the greatest of all samples";
    case SQ_AGG_QUANTILE:
        snprintf(room, size, "%.6g %% of the samples are at or below it", 100 * agg->q);
        return room;
    case SQ_AGG_STDDEV:
        return "the standard deviation of all samples";
    case SQ_AGG_COUNT:
        return "how many samples there are; 0 is an answer here, and no missing one";
    case SQ_AGG_RATE:
        return "the sum of all samples over the seconds of the run";
    case SQ_AGG_LAST:
        return "the latest sample";
    case SQ_AGG_RSTDDEV:
        return "the standard deviation of all samples, in per cent of their mean";
    case SQ_AGG_TOTAL:
        return "the sum of all samples";
    }
    return "";
}

static bool is_channels(const struct sq_metric *m)
{
    static const char *const names[] = {"audio.in", "audio.out", "video.in", "video.out"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (strcmp(m->name, names[i]) == 0) {
            return true;
        }
    }
    return false;
}

/* It may be asked of each peer by itself: the parser knows. */
static bool is_of_peers(const struct sq_metric *m)
{
    char text[80];
    struct sq_expect *e = NULL;
    snprintf(text, sizeof(text), "%s == 1 for 1%% of peers", m->name);
    int err = sq_expect_parse(text, &e, NULL);
    sq_expect_destroy(e);
    return err == 0;
}

static const char *judged_text(const struct sq_metric *m)
{
    if (m->kind == SQ_KIND_COUNTER) {
        return strncmp(m->name, "peers.", 6) == 0
                   ? "counted once for the run; with % it is the share of the peers that were "
                     "started"
                   : "counted once for the run";
    }
    if (is_channels(m)) {
        return "without an aggregate, each connected peer by itself, and the value is the worst "
               "peer's; with one, over all peers; with `for N% of peers`, each peer by itself. "
               "Without any sample it fails";
    }
    return is_of_peers(m) ? "the aggregate over all samples of all peers (avg where none is "
                            "written); with `for N% of peers`, each peer by its own figure. "
                            "Without any sample it fails"
                          : "the aggregate over all samples (avg where none is written). Without "
                            "any sample it fails";
}

static const char *better_text(enum sq_metric_better better)
{
    switch (better) {
    case SQ_BETTER_LOW:
        return "low: look at p95 and p99 for the worst";
    case SQ_BETTER_HIGH:
        return "high: look at p5 and p1 for the worst";
    case SQ_BETTER_NEITHER:
        break;
    }
    return "neither high nor low by itself";
}

/* Metrics that have the word in their names, a few of them; where there is none, who knows all. */
static void put_like(const char *word, char why[static SQ_EXPLAIN_WHY_MAX])
{
    size_t len = strlen(why);
    size_t found = 0;
    for (int id = 0; id < SQ_METRIC_COUNT && found < LIKE_MAX && len < SQ_EXPLAIN_WHY_MAX; id++) {
        const char *name = sq_metric_get((enum sq_metric_id)id)->name;
        if (strlen(word) >= 3 && strstr(name, word)) {
            len += (size_t)snprintf(why + len, SQ_EXPLAIN_WHY_MAX - len, "%s%s",
                                    found++ ? ", " : "; with it in their names: ", name);
        }
    }
    if (found == 0 && len < SQ_EXPLAIN_WHY_MAX) {
        snprintf(why + len, SQ_EXPLAIN_WHY_MAX - len, "; 'squall explain' lists all");
    }
}

/* The parser's own sentence of what is wrong with the name. */
static int refuse(const char *name, char why[static SQ_EXPLAIN_WHY_MAX])
{
    char text[SQ_METRIC_OLD_MAX + 16];
    struct sq_expect *e = NULL;
    struct sq_expect_error error = {0};
    const char *near = sq_metric_nearest(sq_view_of(name));
    snprintf(text, sizeof(text), "%.*s == 1", SQ_METRIC_OLD_MAX, name);
    int err = sq_expect_parse(text, &e, &error);
    sq_expect_destroy(e);
    if (err && error.message[0]) {
        snprintf(why, SQ_EXPLAIN_WHY_MAX, "%s", error.message);
    } else {
        snprintf(why, SQ_EXPLAIN_WHY_MAX, "no metric is called '%.60s'%s%s%s", name,
                 near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
    }
    if (!strstr(why, "did you mean") && strstr(why, "no metric")) {
        put_like(name, why);
    }
    return SQ_ERR_NOTFOUND;
}

static int find(const char *name, enum sq_metric_id *ret_id, struct sq_agg *ret_agg,
                char why[static SQ_EXPLAIN_WHY_MAX])
{
    if (!name[0] || name[strcspn(name, " <>=!()")]) {
        snprintf(why, SQ_EXPLAIN_WHY_MAX,
                 "expected the name of a metric, for example video.in.loss.p95; found '%.60s'",
                 name);
        return SQ_ERR_NOTFOUND;
    }
    if (sq_metric_parse(sq_view_of(name), ret_id, ret_agg) != 0) {
        return refuse(name, why);
    }
    const struct sq_metric *m = sq_metric_get(*ret_id);
    if (m->kind == SQ_KIND_COUNTER && strlen(name) > strlen(m->name)) {
        return refuse(name, why);
    }
    return 0;
}

static void put_unit(const struct sq_metric *m, const struct sq_agg *agg, struct sq_buf *out)
{
    char unit[64];
    const char *text = sq_metric_unit_text(m->unit);
    if (agg->kind == SQ_AGG_RSTDDEV) {
        put_line(out, "unit", "%");
        return;
    }
    if (agg->kind == SQ_AGG_COUNT) {
        text = "";
    }
    snprintf(unit, sizeof(unit), "%s%s", text[0] ? text : "a bare number",
             agg->kind == SQ_AGG_RATE ? ", for each second" : "");
    put_line(out, "unit", unit);
}

/* timer.NAME and counter.NAME are what a scenario's steps time and count: a kind, and no metric of
 * the table. */
static bool explain_own(const char *name, struct sq_buf *out)
{
    bool timer = strncmp(name, "timer.", 6) == 0;
    if (!timer && strncmp(name, "counter.", 8) != 0) {
        return false;
    }
    if (name[strcspn(name, " <>=!()")] || !strchr(name, '.')[1]) {
        return false;
    }
    sq_buf_printf(out, "%s\n", name);
    put_line(out, "what",
             timer ? "A timer of a scenario's steps: how long a peer took from {timer: {start: "
                     "NAME}} to {timer: {stop: NAME}}. timer.before is there by itself: all steps "
                     "before signing in."
                   : "A counter of a scenario's steps: what {count: NAME} has added, over all "
                     "peers.");
    put_line(out, "unit", timer ? "ms" : "a bare number");
    put_line(out, "sampled", timer ? "each time a peer stops it" : "each time a peer comes to it");
    put_line(out, "judged",
             timer ? "the aggregate over all samples of all peers (avg where none is written). "
                     "Without any sample it fails"
                   : "counted once for the run");
    put_line(out, "example",
             timer ? "--expect \"timer.login.p95 < 2s\"" : "--expect \"counter.retries == 0\"");
    return true;
}

int sq_explain(const char *name, struct sq_buf *out, char why[static SQ_EXPLAIN_WHY_MAX])
{
    char text[SQ_EXPLAIN_WHY_MAX];
    struct sq_metric_old old = {.name = ""};
    enum sq_metric_id id = SQ_METRIC_COUNT;
    struct sq_agg agg = {SQ_AGG_AVG, 0};
    bool is_old = sq_metric_from_old(sq_view_of(name), &old) == 0;
    const char *own = is_old ? old.name : name;
    if (explain_own(own, out)) {
        return 0;
    }
    int err = find(own, &id, &agg, why);
    if (err) {
        return err;
    }
    const struct sq_metric *m = sq_metric_get(id);
    const struct sq_metric_note *note = sq_metric_note(id);
    sq_buf_printf(out, "%s\n", own);
    if (is_old) {
        snprintf(text, sizeof(text), "%s in %s.%s%s", name, old.whose, old.note[0] ? " " : "",
                 old.note);
        put_line(out, "known as", text);
    }
    put_line(out, "what", m->text);
    put_unit(m, &agg, out);
    put_line(out, "sampled", sq_metric_sampling_text(m->sampling));
    if (strlen(own) > strlen(m->name)) {
        put_line(out, own + strlen(m->name), aggregate_text(&agg, text, sizeof(text)));
    }
    put_line(out, "W3C", m->w3c[0] ? m->w3c : "has none for it");
    put_line(out, "better", better_text(m->better));
    if (note->good) {
        put_line(out, "good", note->good);
    }
    put_line(out, "judged", judged_text(m));
    if (note->example) {
        snprintf(text, sizeof(text), "--expect \"%s\"", note->example);
        put_line(out, "example", text);
    }
    return 0;
}

/* Its length, without the stop. What stands in brackets does not end it. */
static size_t first_sentence(const char *text)
{
    size_t n = 0;
    for (int depth = 0; text[n]; n++) {
        depth += (text[n] == '(') - (text[n] == ')');
        bool stop = text[n] == ';' || (text[n] == '.' && (text[n + 1] == ' ' || !text[n + 1]));
        if (stop && depth == 0) {
            break;
        }
    }
    return n;
}

void sq_explain_all(struct sq_buf *out)
{
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const struct sq_metric *m = sq_metric_get((enum sq_metric_id)id);
        size_t first = first_sentence(m->text);
        sq_buf_printf(out, "%-*s %-*s %.*s\n", NAME_WIDTH, m->name, UNIT_WIDTH,
                      sq_metric_unit_text(m->unit), (int)first, m->text);
    }
}
