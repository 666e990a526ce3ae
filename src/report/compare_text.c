/* The comparison for people: on a terminal, and in Markdown for a job's page. */
#include "report/compare_int.h"
#include "report/escape.h"
#include "report/report_int.h"
#include "run/result.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_WIDTH 24
#define UNIT_WIDTH 9
#define CELL_WIDTH 10
#define SPAN_WIDTH 20

const char *sq_compare_verdict_name(enum sq_compare_verdict v)
{
    static const char *const names[] = {"not-worse", "worse", "invalid", "error"};
    return names[v];
}

const char *sq_compare_call_name(enum sq_compare_call call)
{
    static const char *const names[] = {"same",      "small",   "better", "worse",
                                        "generator", "unknown", "absent"};
    return names[call];
}

const char *sq_compare_call_words(const struct sq_compare_pair *pair,
                                  const struct sq_compare_row *row)
{
    bool few = !pair->repeated;
    switch (row->call) {
    case SQ_CALL_SAME:
        return row->change == 0 && isnan(row->p) ? "unchanged"
               : few                             ? "no clear difference"
               : row->p <= SQ_COMPARE_ALPHA      ? "not to be told from noise among so many"
                                                 : "no more than noise";
    case SQ_CALL_SMALL:
        return few ? "differs in these runs, too little to count" : "changed, too little to count";
    case SQ_CALL_BETTER:
        return few ? "better in these runs" : "better";
    case SQ_CALL_WORSE:
        return few ? "worse in these runs" : "worse";
    case SQ_CALL_GENERATOR:
        return row->change > 0 ? "not counted: the generator was later by as much"
                               : "not counted: the generator was late by as much before";
    case SQ_CALL_UNKNOWN:
        return !few            ? "not counted: too few runs to tell it from noise"
               : row->of_peers ? "not counted: too few peers to tell it from noise"
                               : "not counted: no peers' figures to tell it from noise";
    case SQ_CALL_ABSENT:
        return "measured on one side only";
    }
    return "";
}

const char *sq_compare_mark(enum sq_compare_call call)
{
    static const char *const marks[] = {"=", "~", "+", "✗", "?", "?", "–"};
    return marks[call];
}

static const char *color_of(enum sq_compare_call call)
{
    static const char *const colors[] = {"2", "0", "32", "31", "33", "33", "2"};
    return colors[call];
}

static void signed_number(struct sq_buf *out, double number)
{
    sq_buf_puts(out, number > 0 ? "+" : "");
    sq_report_human(out, number);
}

/* A change in the unit as one in %, where that says something. */
static void put_delta(const struct sq_compare_row *row, double delta, struct sq_buf *out)
{
    if (isnan(delta)) {
        sq_buf_puts(out, "–");
    } else if (isnan(row->change_percent)) {
        signed_number(out, delta);
    } else {
        signed_number(out, 100 * delta / fabs(row->before));
    }
}

void sq_compare_put_change(const struct sq_compare_row *row, struct sq_buf *out)
{
    put_delta(row, row->change, out);
    if (isnan(row->change)) {
        return;
    }
    if (!isnan(row->change_percent)) {
        sq_buf_puts(out, " %");
    } else if (row->unit[0]) {
        sq_buf_printf(out, " %s", strcmp(row->unit, "%") == 0 ? "points" : row->unit);
    }
}

void sq_compare_put_span(const struct sq_compare_row *row, struct sq_buf *out)
{
    if (isnan(row->low)) {
        sq_buf_puts(out, "–");
        return;
    }
    put_delta(row, row->low, out);
    sq_buf_puts(out, " … ");
    put_delta(row, row->high, out);
}

void sq_compare_put_p(double p, struct sq_buf *out)
{
    if (isnan(p)) {
        sq_buf_puts(out, "–");
    } else if (p < 0.001) {
        sq_buf_puts(out, "<0.001");
    } else {
        sq_buf_printf(out, p < 0.1 ? "%.3f" : "%.2f", p);
    }
}

static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

struct table {
    struct sq_buf *out;
    bool color;
};

static void paint(const struct table *t, const char *code)
{
    if (t->color) {
        sq_buf_printf(t->out, "\033[%sm", code);
    }
}

/* Fills up a cell and frees it. */
static void put_cell(const struct table *t, struct sq_buf *cell, size_t width, bool left)
{
    const char *text = cell->text ? cell->text : "";
    size_t n = width_of(text);
    int fill = (int)(n < width ? width - n : 0);
    sq_buf_printf(t->out, "%*s%s%*s ", left ? 0 : fill, "", text, left ? fill : 0, "");
    sq_buf_free(cell);
}

static void put_text_cell(const struct table *t, const char *text, size_t width, bool left)
{
    struct sq_buf cell = {0};
    sq_escape_terminal(&cell, text);
    put_cell(t, &cell, width, left);
}

static void put_number_cell(const struct table *t, double number)
{
    struct sq_buf cell = {0};
    sq_report_human(&cell, number);
    put_cell(t, &cell, CELL_WIDTH, false);
}

static void put_row(const struct table *t, const struct sq_compare_pair *pair,
                    const struct sq_compare_row *row)
{
    struct sq_buf cell = {0};
    sq_buf_puts(t->out, "  ");
    paint(t, color_of(row->call));
    sq_buf_printf(t->out, "%s ", sq_compare_mark(row->call));
    paint(t, "0");
    put_text_cell(t, row->name, NAME_WIDTH, true);
    put_text_cell(t, row->unit, UNIT_WIDTH, true);
    put_number_cell(t, row->before);
    put_number_cell(t, row->after);
    sq_compare_put_change(row, &cell);
    put_cell(t, &cell, CELL_WIDTH + 3, false);
    if (pair->repeated) {
        sq_compare_put_span(row, &cell);
        put_cell(t, &cell, SPAN_WIDTH, false);
    }
    sq_compare_put_p(row->p_adjusted, &cell);
    put_cell(t, &cell, 7, false);
    sq_buf_printf(t->out, " %s\n", sq_compare_call_words(pair, row));
}

void sq_compare_put_power(const struct sq_compare *c, const struct sq_compare_pair *pair,
                          const char *between, struct sq_buf *out)
{
    if (!pair->repeated) {
        sq_buf_printf(
            out,
            "Judged by peers, as four runs and four are needed to judge by runs: a change counts "
            "from %g %% on, where the runs do not overlap and it is beyond what their peers differ "
            "by (p of a rank test <= %g, corrected for %zu figure%s%s).%s"
            "Peers share the fate of their run: how much runs differ by themselves is not "
            "known from so few.%s"
            "Four runs of each side or more tell better.",
            pair->threshold_percent, c->alpha, pair->tested, pair->tested == 1 ? "" : "s",
            c->pairs_count > 1 ? " of this side" : "", between, between);
        return;
    }
    sq_buf_printf(out,
                  "A change counts from %g %% on, where it is more than runs differ by themselves: "
                  "p <= %g, of a rank test of the runs, corrected for %zu figure%s%s.",
                  pair->threshold_percent, c->alpha, pair->tested, pair->tested == 1 ? "" : "s",
                  c->pairs_count > 1 ? " of this side" : "");
    if (pair->unknown > 0) {
        sq_buf_printf(
            out,
            "%sWhat is marked ? lies apart, and no farther than some of %zu figures do by "
            "chance of so few runs: more runs of each side tell it, or fewer figures "
            "(--metric).",
            between, pair->tested);
    }
}

static void put_pair(const struct table *t, const struct sq_compare *c,
                     const struct sq_compare_pair *pair)
{
    const struct sq_compare_side *before = &c->sides[0];
    const struct sq_compare_side *after = &c->sides[pair->side];
    char word[32];
    sq_buf_puts(t->out, "\n");
    paint(t, "1");
    sq_escape_terminal(t->out, before->name);
    sq_buf_printf(t->out, " (%s) and ", sq_compare_runs_word(before->used, word));
    sq_escape_terminal(t->out, after->name);
    sq_buf_printf(t->out, " (%s)\n", sq_compare_runs_word(after->used, word));
    paint(t, "0");
    sq_buf_printf(t->out, "%*s%*s %*s %*s ", 4 + NAME_WIDTH + 1 + UNIT_WIDTH + 1, "", CELL_WIDTH,
                  "before", CELL_WIDTH, "after", CELL_WIDTH + 3, "change");
    if (pair->repeated) {
        put_text_cell(t, "95 % of it", SPAN_WIDTH, false);
    }
    sq_buf_printf(t->out, "%7s\n", "p");
    for (size_t i = 0; i < pair->rows_count; i++) {
        put_row(t, pair, &pair->rows[i]);
    }
    sq_buf_puts(t->out, "  ");
    sq_compare_put_power(c, pair, "\n  ", t->out);
    sq_buf_puts(t->out, "\n");
}

const char *sq_compare_headline(const struct sq_compare *c)
{
    static const char *const words[] = {"✓ NOT WORSE", "✗ WORSE", "? INVALID", "! ERROR"};
    return sq_compare_cannot_tell(c) ? "? NOT WORSE AS FAR AS CAN BE TOLD" : words[c->verdict];
}

void sq_compare_text(const struct sq_compare *c, const struct sq_compare_text_options *options,
                     struct sq_buf *out)
{
    static const char *const colors[] = {"1;32", "1;31", "1;33", "1;31"};
    const struct table t = {.out = out, .color = options->color};
    sq_buf_puts(out, "\n");
    if (options->part) {
        paint(&t, "1");
        sq_buf_puts(out, "Baseline");
        paint(&t, "0");
        sq_buf_puts(out, "\n  ");
    }
    paint(&t, sq_compare_cannot_tell(c) ? "1;33" : colors[c->verdict]);
    sq_buf_puts(out, sq_compare_headline(c));
    paint(&t, "0");
    sq_buf_puts(out, "  ");
    sq_escape_terminal(out, c->reason);
    if (!options->part) {
        sq_buf_printf(out, "  (exit code %d)", c->exit_code);
    }
    sq_buf_puts(out, "\n");
    for (size_t k = 0; k < c->pairs_count; k++) {
        put_pair(&t, c, &c->pairs[k]);
    }
    for (size_t i = 0; i < c->notes_count; i++) {
        sq_buf_puts(out, i == 0 ? "\n  " : "  ");
        paint(&t, "33");
        sq_buf_puts(out, "!");
        paint(&t, "0");
        sq_buf_puts(out, " ");
        sq_escape_terminal(out, c->notes[i]);
        sq_buf_puts(out, "\n");
    }
}

/* Text of others in Markdown: on one line, and none of it is markup. */
static void put_safe(struct sq_buf *out, const char *text)
{
    struct sq_buf clean = {0};
    sq_escape_terminal(&clean, text);
    for (const char *at = clean.text ? clean.text : ""; *at; at++) {
        if (strchr("\\`*_{}[]<>#|!~&", *at)) {
            sq_buf_puts(out, "\\");
        }
        sq_buf_add(out, at, 1);
    }
    out->err = out->err ? out->err : clean.err;
    sq_buf_free(&clean);
}

static void put_md_pair(const struct sq_compare *c, const struct sq_compare_pair *pair,
                        struct sq_buf *out)
{
    char word[32];
    sq_buf_puts(out, "\n| | | ");
    put_safe(out, c->sides[0].name);
    sq_buf_printf(out, " (%s) | ", sq_compare_runs_word(c->sides[0].used, word));
    put_safe(out, c->sides[pair->side].name);
    sq_buf_printf(out, " (%s) | change | 95 %% of it | p | |\n|---|---|--:|--:|--:|--:|--:|---|\n",
                  sq_compare_runs_word(c->sides[pair->side].used, word));
    for (size_t i = 0; i < pair->rows_count; i++) {
        const struct sq_compare_row *row = &pair->rows[i];
        sq_buf_printf(out, "| %s | `%s` | ", sq_compare_mark(row->call), row->name);
        sq_report_human_unit(out, row->before, row->unit);
        sq_buf_puts(out, " | ");
        sq_report_human_unit(out, row->after, row->unit);
        sq_buf_puts(out, " | ");
        sq_compare_put_change(row, out);
        sq_buf_puts(out, " | ");
        sq_compare_put_span(row, out);
        sq_buf_puts(out, " | ");
        sq_compare_put_p(row->p_adjusted, out);
        sq_buf_printf(out, " | %s |\n", sq_compare_call_words(pair, row));
    }
    sq_buf_puts(out, "\n");
    sq_compare_put_power(c, pair, " ", out);
    sq_buf_puts(out, "\n");
}

void sq_compare_markdown(const struct sq_compare *c, struct sq_buf *out)
{
    sq_buf_printf(out, "### %s\n\n", sq_compare_headline(c));
    put_safe(out, c->reason);
    sq_buf_puts(out, "\n");
    for (size_t k = 0; k < c->pairs_count; k++) {
        put_md_pair(c, &c->pairs[k], out);
    }
    for (size_t i = 0; i < c->notes_count; i++) {
        sq_buf_puts(out, i == 0 ? "\n- " : "- ");
        put_safe(out, c->notes[i]);
        sq_buf_puts(out, "\n");
    }
}
