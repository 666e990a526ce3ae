#include "cli/baseline.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/compare_options.h"
#include "report/report.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static int refuse(int err, const char *inner, char *why, size_t why_room)
{
    snprintf(why, why_room, "--baseline: %s", inner);
    return err;
}

int sq_baseline_load(struct sq_baseline_option *b, const struct sq_option_list *words,
                     const char *threshold, char *why, size_t why_room)
{
    char inner[SQ_STORE_WHY_MAX] = "";
    const char *unusable = NULL;
    size_t usable = 0;
    int err = 0;
    b->threshold_percent = NAN;
    if (threshold) {
        err = sq_compare_threshold("baseline-threshold", threshold, &b->threshold_percent, why,
                                   why_room);
    }
    if (err || words->n == 0) {
        return err;
    }
    for (size_t i = 0; !err && i < words->n; i++) {
        err = sq_store_load(words->items[i], &b->runs, inner);
    }
    for (size_t i = 0; !err && i < b->runs.n; i++) {
        const char *what = sq_compare_unusable(b->runs.runs[i]);
        err = sq_store_read_peers(b->runs.runs[i], inner);
        usable += !what;
        unusable = what ? what : unusable;
    }
    if (!err && 2 * usable < b->runs.n) {
        snprintf(inner, sizeof(inner),
                 "%.300s %s: expected runs that went to their end and are "
                 "valid",
                 words->items[0], unusable);
        err = SQ_ERR_INVALID;
    }
    return err ? refuse(err, inner, why, why_room) : 0;
}

/* The run as it will be stored, so that it is read as the others are. */
static int store(const struct sq_result *r, struct sq_stored_run **ret_run, char *why)
{
    struct sq_buf text = {0};
    struct sq_stored_run *run = NULL;
    sq_report_render(r, SQ_REPORT_JSON, &text);
    int err = text.err ? text.err : sq_store_parse("this run", text.text, text.len, &run, why);
    sq_buf_free(&text);
    if (!err) {
        sq_report_render(r, SQ_REPORT_PEERS, &text);
        err = text.err ? text.err : sq_store_parse_peers(run, text.text, text.len, why);
        sq_buf_free(&text);
    }
    if (err) {
        sq_store_close(run);
        return err;
    }
    *ret_run = run;
    return 0;
}

/* What summary.json and junit.xml tell of it. */
static int keep(const struct sq_compare *c, size_t runs, struct sq_result *r)
{
    const struct sq_compare_pair *pair = c->pairs_count > 0 ? &c->pairs[0] : NULL;
    size_t n = pair ? pair->rows_count : 0;
    struct sq_baseline *kept = sq_zalloc(sizeof(*kept) + n * sizeof(kept->rows[0]));
    if (!kept) {
        return SQ_ERR_NOMEM;
    }
    SQ_RESULT_SET(kept->name, c->sides[0].name);
    SQ_RESULT_SET(kept->verdict, sq_compare_verdict_name(c->verdict));
    SQ_RESULT_SET(kept->reason, c->reason);
    kept->runs = runs;
    kept->worse = c->verdict == SQ_COMPARE_WORSE;
    kept->rows_count = n;
    for (size_t i = 0; i < n; i++) {
        const struct sq_compare_row *from = &pair->rows[i];
        struct sq_baseline_row *to = &kept->rows[i];
        SQ_RESULT_SET(to->figure, from->name);
        SQ_RESULT_SET(to->unit, from->unit);
        SQ_RESULT_SET(to->call, sq_compare_call_name(from->call));
        to->before = from->before;
        to->after = from->after;
        to->change_percent = from->change_percent;
        to->p_adjusted = from->p_adjusted;
    }
    sq_free(r->baseline);
    r->baseline = kept;
    return 0;
}

int sq_baseline_judge(struct sq_baseline_option *b, struct sq_result *r, char *why, size_t why_room)
{
    char inner[SQ_STORE_WHY_MAX] = "";
    if (b->runs.n == 0) {
        return 0;
    }
    const struct sq_compare_options options = {.threshold_percent = b->threshold_percent};
    int err = r->peer_count > 0 ? store(r, &b->mine, inner) : SQ_ERR_STATE;
    if (err == SQ_ERR_STATE) {
        return 0; /* nothing was begun: its verdict says so */
    }
    if (!err) {
        const struct sq_compare_input inputs[] = {{"the baseline", b->runs.runs, b->runs.n},
                                                  {"this run", &b->mine, 1}};
        err = sq_compare_make(inputs, 2, &options, &b->compare, inner);
    }
    err = err ? err : keep(b->compare, b->runs.n, r);
    if (err) {
        return refuse(err, inner[0] ? inner : sq_err_name(err), why, why_room);
    }
    if (r->baseline->worse && r->exit_code == SQ_EXIT_HELD) {
        r->verdict = SQ_VERDICT_FAIL;
        r->exit_code = SQ_EXIT_EXPECTATION;
        SQ_RESULT_SET(r->verdict_reason, b->compare->reason);
    }
    return 0;
}

void sq_baseline_tell(const struct sq_baseline_option *b, bool color, FILE *out)
{
    struct sq_buf text = {0};
    if (!b->compare) {
        return;
    }
    const struct sq_compare_text_options options = {.color = color, .part = true};
    sq_compare_text(b->compare, &options, &text);
    if (!text.err) {
        (void)fwrite(text.text, 1, text.len, out);
    }
    sq_buf_free(&text);
}

void sq_baseline_free(struct sq_baseline_option *b)
{
    sq_compare_free(b->compare);
    sq_store_close(b->mine);
    sq_store_runs_free(&b->runs);
}
