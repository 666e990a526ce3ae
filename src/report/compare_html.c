/* The comparison as a page: the verdict at one glance, each figure of both sides with the runs it
 * is made of, and what differs besides the service. Plain HTML and SVG. */
#include "base/mem.h"
#include "report/compare_int.h"
#include "report/html_int.h"
#include "run/result.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define DOTS_WIDTH 240.0
#define DOTS_EDGE  7.0  /* left free at both ends, so that a dot is whole */
#define DOTS_MOST  120  /* of a side: more peers than that are drawn at even steps by rank */
#define ROW_A      11.0 /* y of the dots of what was before */
#define ROW_B      31.0
#define NARROW     0.001 /* values that differ by less of their size are drawn as one */

struct dots {
    double a[DOTS_MOST], b[DOTS_MOST];
    size_t n, m;
};

static const char *tone_of(enum sq_compare_call call)
{
    static const char *const tones[] = {"is-same", "is-same", "is-pass", "is-fail",
                                        "is-warn", "is-warn", "is-same"};
    return tones[call];
}

/* ---- The verdict ---- */

static size_t count_calls(const struct sq_compare *c, enum sq_compare_call call)
{
    size_t n = 0;
    for (size_t k = 0; k < c->pairs_count; k++) {
        for (size_t i = 0; i < c->pairs[k].rows_count; i++) {
            n += c->pairs[k].rows[i].call == call;
        }
    }
    return n;
}

static void put_tile(const char *name, size_t n, bool bad, struct sq_buf *out)
{
    sq_buf_printf(out, "<div%s><dt>%s</dt><dd>%zu</dd></div>\n",
                  bad && n > 0 ? " class=\"bad\"" : "", name, n);
}

static void put_tiles(const struct sq_compare *c, struct sq_buf *out)
{
    size_t open = count_calls(c, SQ_CALL_GENERATOR) + count_calls(c, SQ_CALL_UNKNOWN);
    sq_buf_puts(out, "<dl class=\"tiles\">\n");
    put_tile("Worse", count_calls(c, SQ_CALL_WORSE), true, out);
    put_tile("Better", count_calls(c, SQ_CALL_BETTER), false, out);
    put_tile("Too little to count", count_calls(c, SQ_CALL_SMALL), false, out);
    put_tile("No more than noise", count_calls(c, SQ_CALL_SAME), false, out);
    put_tile("Not counted", open, false, out);
    if (count_calls(c, SQ_CALL_ABSENT) > 0) {
        put_tile("On one side only", count_calls(c, SQ_CALL_ABSENT), false, out);
    }
    put_tile("Exit code", (size_t)c->exit_code, true, out);
    sq_buf_puts(out, "</dl>\n");
}

/* All figures of which one thing is said, by name and change. */
static void put_list(const struct sq_compare *c, enum sq_compare_call call, const char *title,
                     struct sq_buf *out)
{
    if (count_calls(c, call) == 0) {
        return;
    }
    sq_buf_printf(out, "<div class=\"broke %s\"><h2>%s</h2>\n<ul>\n", tone_of(call), title);
    for (size_t k = 0; k < c->pairs_count; k++) {
        for (size_t i = 0; i < c->pairs[k].rows_count; i++) {
            const struct sq_compare_row *row = &c->pairs[k].rows[i];
            if (row->call != call) {
                continue;
            }
            sq_buf_printf(out, "<li><code>%s</code>", row->name);
            if (c->pairs_count > 1) {
                sq_buf_puts(out, " of ");
                sq_html_text(out, c->sides[c->pairs[k].side].name);
            }
            sq_buf_puts(out, ": ");
            sq_compare_put_change(row, out);
            sq_buf_puts(out, " (");
            sq_report_human_unit(out, row->before, row->unit);
            sq_buf_puts(out, " before, ");
            sq_report_human_unit(out, row->after, row->unit);
            sq_buf_puts(out, " after)</li>\n");
        }
    }
    sq_buf_puts(out, "</ul></div>\n");
}

static void put_verdict(const struct sq_compare *c, struct sq_buf *out)
{
    static const char *const tones[] = {"pass", "fail", "invalid", "error"};
    static const char *const marks[] = {"✓", "✗", "?", "!"};
    static const char *const titles[] = {"NOT WORSE", "WORSE",
                                         "INVALID: too few runs say something",
                                         "ERROR: a side's runs reached nothing"};
    bool unsure = sq_compare_cannot_tell(c);
    sq_buf_printf(out,
                  "<section class=\"card verdict is-%s\" aria-labelledby=\"h-verdict\">"
                  "<div class=\"verdict-head\"><span class=\"mark\" aria-hidden=\"true\">%s</span>"
                  "<div><h1 id=\"h-verdict\">%s</h1>\n<p>",
                  unsure ? "invalid" : tones[c->verdict], unsure ? "?" : marks[c->verdict],
                  unsure ? "NOT WORSE AS FAR AS CAN BE TOLD" : titles[c->verdict]);
    sq_html_text(out, c->reason);
    sq_buf_puts(out, "</p></div></div>\n");
    put_list(c, SQ_CALL_WORSE, "What is worse", out);
    put_list(c, SQ_CALL_BETTER, "What is better", out);
    put_tiles(c, out);
    sq_buf_puts(out, "</section>\n");
}

/* ---- The picture of a figure ---- */

static int by_size(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

static size_t thin_out(double *values, size_t n, double out[static DOTS_MOST])
{
    size_t shown = n < DOTS_MOST ? n : DOTS_MOST;
    if (n > 1) {
        qsort(values, n, sizeof(*values), by_size);
    }
    for (size_t i = 0; i < shown; i++) {
        out[i] = shown == n ? values[i] : values[i * (n - 1) / (shown - 1)];
    }
    return shown;
}

/* A side's values: of its runs, or of its peers where those are what is compared. */
static size_t side_dots(const struct sq_compare_side *side, const struct sq_compare_pair *pair,
                        const struct sq_compare_row *row, double ret_dots[static DOTS_MOST])
{
    double runs[SQ_STORE_RUNS_MAX];
    size_t n = 0;
    enum sq_metric_id id = row->figure.id;
    for (size_t i = 0; !pair->repeated && i < side->n; i++) {
        n += side->runs[i].used ? side->runs[i].run->peers[id].n : 0;
    }
    double *peers =
        n > 0 && row->figure.agg.kind == SQ_AGG_AVG ? sq_calloc(n, sizeof(*peers)) : NULL;
    if (!peers) {
        n = sq_compare_values(side, row->figure, runs);
        return thin_out(runs, n, ret_dots);
    }
    n = 0;
    for (size_t i = 0; i < side->n; i++) {
        const struct sq_stored_values *v = &side->runs[i].run->peers[id];
        for (size_t k = 0; side->runs[i].used && k < v->n; k++) {
            peers[n++] = v->values[k];
        }
    }
    n = thin_out(peers, n, ret_dots);
    sq_free(peers);
    return n;
}

struct scale {
    double least, most;
};

static double x_of(const struct scale *s, double value)
{
    double wide = s->most - s->least;
    double at = wide > 0 ? (value - s->least) / wide : 0.5;
    return DOTS_EDGE + (DOTS_WIDTH - 2 * DOTS_EDGE) * at;
}

static void put_side(const struct scale *s, const double *values, size_t n, double middle, double y,
                     const char *css, struct sq_buf *out)
{
    sq_buf_printf(out, "<path class=\"rail\" d=\"M%g %gH%g\"/>", DOTS_EDGE, y,
                  DOTS_WIDTH - DOTS_EDGE);
    for (size_t i = 0; i < n; i++) {
        sq_buf_printf(out, "<circle class=\"%s\" cx=\"%.1f\" cy=\"%g\" r=\"4\"/>", css,
                      x_of(s, values[i]), y);
    }
    if (isfinite(middle)) {
        sq_buf_printf(out, "<path class=\"middle\" d=\"M%.1f %gv14\"/>", x_of(s, middle), y - 7);
    }
}

static void put_range(const char *name, const double *values, size_t n, const char *unit,
                      struct sq_buf *out)
{
    sq_buf_puts(out, name);
    if (n == 0) {
        sq_buf_puts(out, " none");
        return;
    }
    sq_buf_printf(out, " %zu from ", n);
    sq_report_human_unit(out, values[0], unit);
    sq_buf_puts(out, " to ");
    sq_report_human_unit(out, values[n - 1], unit);
}

static void put_dots(const struct sq_compare *c, const struct sq_compare_pair *pair,
                     const struct sq_compare_row *row, struct sq_buf *out)
{
    struct dots d;
    d.n = side_dots(&c->sides[0], pair, row, d.a);
    d.m = side_dots(&c->sides[pair->side], pair, row, d.b);
    struct scale s = {INFINITY, -INFINITY};
    for (size_t i = 0; i < d.n + d.m; i++) {
        double value = i < d.n ? d.a[i] : d.b[i - d.n];
        s.least = fmin(s.least, value);
        s.most = fmax(s.most, value);
    }
    /* A share of peers is that of a run: its peers are all or nothing. */
    double before = row->before >= s.least && row->before <= s.most ? row->before : NAN;
    double after = row->after >= s.least && row->after <= s.most ? row->after : NAN;
    double size = fmax(fabs(s.least), fabs(s.most));
    if (s.most - s.least < NARROW * size) {
        double middle = (s.least + s.most) / 2;
        s = (struct scale){middle - NARROW * size, middle + NARROW * size};
    }
    sq_buf_printf(out,
                  "<svg class=\"dots\" viewBox=\"0 0 %g 42\" role=\"img\" aria-label=\"%s of both "
                  "sides: ",
                  DOTS_WIDTH, row->name);
    put_range("before", d.a, d.n, row->unit, out);
    put_range(", after", d.b, d.m, row->unit, out);
    sq_buf_puts(out, "\">");
    put_side(&s, d.a, d.n, before, ROW_A, "before", out);
    put_side(&s, d.b, d.m, after, ROW_B, "after", out);
    sq_buf_puts(out, "</svg>");
    double least = d.n > 0 ? d.a[0] : INFINITY;
    double most = d.n > 0 ? d.a[d.n - 1] : -INFINITY;
    least = d.m > 0 ? fmin(least, d.b[0]) : least;
    most = d.m > 0 ? fmax(most, d.b[d.m - 1]) : most;
    sq_buf_puts(out, "<span class=\"ends\"><span>");
    sq_report_human_unit(out, least, row->unit);
    sq_buf_puts(out, "</span><span>");
    sq_report_human_unit(out, most, row->unit);
    sq_buf_puts(out, "</span></span>");
}

/* ---- The table ---- */

static void put_row(const struct sq_compare *c, const struct sq_compare_pair *pair,
                    const struct sq_compare_row *row, struct sq_buf *out)
{
    sq_buf_printf(out, "<tr class=\"%s\"><th scope=\"row\" class=\"wide\" title=\"",
                  tone_of(row->call));
    sq_html_text(out, sq_metric_get(row->figure.id)->text);
    sq_buf_printf(out,
                  "\"><code>%s</code><br><span class=\"badge %s\"><span aria-hidden=\"true\">%s "
                  "</span>%s</span></th>",
                  row->name, tone_of(row->call), sq_compare_mark(row->call),
                  sq_compare_call_words(pair, row));
    sq_buf_puts(out, "<td class=\"n\"><small class=\"what\">before </small>");
    sq_report_human_unit(out, row->before, row->unit);
    sq_buf_puts(out, "</td><td class=\"n\"><small class=\"what\">after </small>");
    sq_report_human_unit(out, row->after, row->unit);
    sq_buf_puts(out, "</td><td class=\"n change\"><small class=\"what\">change </small>");
    sq_compare_put_change(row, out);
    if (pair->repeated) {
        sq_buf_puts(out, "</td><td class=\"n\"><small class=\"what\">95 % of it </small>");
        sq_compare_put_span(row, out);
    }
    sq_buf_puts(out, "</td><td class=\"n\"><small class=\"what\">p </small>");
    sq_compare_put_p(row->p_adjusted, out);
    sq_buf_puts(out, "</td><td class=\"wide\">");
    put_dots(c, pair, row, out);
    sq_buf_puts(out, "</td></tr>\n");
}

static void put_names(const struct sq_compare *c, const struct sq_compare_pair *pair,
                      struct sq_buf *out)
{
    char word[32];
    sq_html_text(out, c->sides[0].name);
    sq_buf_printf(out, " (%s) and ", sq_compare_runs_word(c->sides[0].used, word));
    sq_html_text(out, c->sides[pair->side].name);
    sq_buf_printf(out, " (%s)", sq_compare_runs_word(c->sides[pair->side].used, word));
}

static void put_figures(const struct sq_compare *c, const struct sq_compare_pair *pair,
                        struct sq_buf *out)
{
    const char *unit = pair->repeated ? "run" : "peer";
    sq_buf_puts(out, "<section><h2>");
    put_names(c, pair, out);
    sq_buf_puts(out, "</h2>\n<p class=\"note\">");
    sq_compare_put_power(c, pair, " ", out);
    sq_buf_printf(out,
                  "</p>\n<ul class=\"keys\"><li><i class=\"before\"></i>a %s before</li>"
                  "<li><i class=\"after\"></i>a %s after</li><li>A line across is the figure that "
                  "is compared: the median of the runs.</li></ul>\n"
                  "<div class=\"card\"><table class=\"stack compared\"><thead><tr>"
                  "<th scope=\"col\">figure</th><th scope=\"col\" class=\"n\">before</th>"
                  "<th scope=\"col\" class=\"n\">after</th>"
                  "<th scope=\"col\" class=\"n\">change</th>",
                  unit, unit);
    if (pair->repeated) {
        sq_buf_puts(out, "<th scope=\"col\" class=\"n\">95 % of it</th>");
    }
    sq_buf_printf(out,
                  "<th scope=\"col\" class=\"n\">p</th><th scope=\"col\">each %s</th></tr></thead>"
                  "<tbody>\n",
                  unit);
    for (size_t i = 0; i < pair->rows_count; i++) {
        put_row(c, pair, &pair->rows[i], out);
    }
    sq_buf_puts(out, "</tbody></table></div></section>\n");
}

/* ---- What differs, and what was compared ---- */

static void put_difference(const char *what, const char *a, const char *b, struct sq_buf *out)
{
    sq_buf_puts(out, "<tr><th scope=\"row\" class=\"wide\"><code>");
    sq_html_text(out, what);
    sq_buf_puts(out, "</code></th><td class=\"text wide\"><small class=\"what\">before </small>");
    sq_html_text(out, a ? a : "not set");
    sq_buf_puts(out, "</td><td class=\"text wide\"><small class=\"what\">after </small>");
    sq_html_text(out, b ? b : "not set");
    sq_buf_puts(out, "</td></tr>\n");
}

/* Rows of what differs between the first run of a side and that of the first side. */
static size_t put_differences(const struct sq_stored_run *first, const struct sq_stored_run *other,
                              struct sq_buf *out)
{
    size_t n = 0;
    const char *a = NULL;
    const char *b = NULL;
    for (size_t i = 0; i < first->config_count + other->config_count; i++) {
        bool ours = i < first->config_count;
        const char *key = ours ? first->config[i].key : other->config[i - first->config_count].key;
        if ((ours || !sq_store_setting(first, key)) &&
            sq_compare_setting_differs(first, other, key, &a, &b)) {
            put_difference(key, a, b, out);
            n++;
        }
    }
    if (strcmp(first->version, other->version) != 0) {
        put_difference("version of Squall", first->version, other->version, out);
        n++;
    }
    if (strcmp(first->host, other->host) != 0) {
        put_difference("machine", first->host, other->host, out);
        n++;
    }
    return n;
}

/* Returns how many differences of the sides' first runs were told. */
static size_t put_configuration(const struct sq_compare *c, struct sq_buf *out)
{
    size_t all = 0;
    sq_buf_puts(out, "<section><h2>What differs besides the service</h2>\n");
    for (size_t s = 1; s < c->sides_count; s++) {
        if (c->sides[0].n == 0 || c->sides[s].n == 0) {
            continue;
        }
        struct sq_buf rows = {0};
        size_t n = put_differences(c->sides[0].runs[0].run, c->sides[s].runs[0].run, &rows);
        if (n > 0) {
            sq_buf_puts(out, "<div class=\"card\"><table class=\"stack\"><thead><tr>"
                             "<th scope=\"col\">setting</th><th scope=\"col\">");
            sq_html_text(out, c->sides[0].name);
            sq_buf_puts(out, "</th><th scope=\"col\">");
            sq_html_text(out, c->sides[s].name);
            sq_buf_puts(out, "</th></tr></thead><tbody>\n");
            sq_buf_add(out, rows.text, rows.len);
            sq_buf_puts(out, "</tbody></table></div>\n");
        } else {
            sq_buf_puts(out, "<p class=\"note\">Nothing between ");
            sq_html_text(out, c->sides[0].name);
            sq_buf_puts(out, " and ");
            sq_html_text(out, c->sides[s].name);
            sq_buf_puts(out, ": settings, version and machine are the same.</p>\n");
        }
        out->err = out->err ? out->err : rows.err;
        sq_buf_free(&rows);
        all += n;
    }
    sq_buf_puts(out, "</section>\n");
    return all;
}

/* What is in no table: runs that were left out, and differences within a side. */
static void put_notes(const struct sq_compare *c, size_t told, struct sq_buf *out)
{
    size_t n = c->differences > told ? c->notes_count : c->notes_count - c->differences;
    if (n == 0) {
        return;
    }
    sq_buf_puts(out, "<section><h2>To bear in mind</h2>\n<ul>\n");
    for (size_t i = 0; i < n; i++) {
        sq_buf_puts(out, "<li>");
        sq_html_text(out, c->notes[i]);
        sq_buf_puts(out, "</li>\n");
    }
    sq_buf_puts(out, "</ul></section>\n");
}

static void put_run(const struct sq_compare_side *side, const struct sq_compare_run *run,
                    struct sq_buf *out)
{
    static const char *const words[] = {"PASS", "FAIL", "INVALID", "ERROR"};
    const struct sq_stored_run *r = run->run;
    sq_buf_puts(out, "<tr><th scope=\"row\" class=\"wide text\">");
    sq_html_text(out, r->dir);
    sq_buf_puts(out, "</th><td class=\"text wide\"><small class=\"what\">side </small>");
    sq_html_text(out, side->name);
    sq_buf_puts(out, "</td><td class=\"wide\"><small class=\"what\">began </small>");
    sq_html_text(out, r->started);
    sq_buf_printf(out,
                  "</td><td><span class=\"badge is-%s\">%s</span></td><td class=\"n\">"
                  "<small class=\"what\">peers ok </small>%llu of %llu</td>"
                  "<td class=\"text wide\">",
                  sq_verdict_name(r->verdict), words[r->verdict], (unsigned long long)r->counts.ok,
                  (unsigned long long)r->counts.started);
    sq_html_text(out, run->used ? "compared" : "left out: it ");
    sq_html_text(out, run->why_not);
    sq_buf_puts(out, "</td></tr>\n");
}

static void put_runs(const struct sq_compare *c, struct sq_buf *out)
{
    sq_buf_puts(out, "<section><h2>The runs</h2>\n<div class=\"card\"><table class=\"stack\">"
                     "<thead><tr><th scope=\"col\">results</th><th scope=\"col\">side</th>"
                     "<th scope=\"col\">began</th><th scope=\"col\">verdict</th>"
                     "<th scope=\"col\" class=\"n\">peers ok</th><th scope=\"col\">used</th></tr>"
                     "</thead><tbody>\n");
    for (size_t s = 0; s < c->sides_count; s++) {
        for (size_t i = 0; i < c->sides[s].n; i++) {
            put_run(&c->sides[s], &c->sides[s].runs[i], out);
        }
    }
    sq_buf_puts(out, "</tbody></table></div></section>\n");
}

void sq_compare_html(const struct sq_compare *c, struct sq_buf *out)
{
    struct sq_buf title = {0};
    struct sq_buf what = {0};
    sq_buf_printf(&title, "%s · Squall", sq_compare_headline(c));
    for (size_t s = 0; s < c->sides_count; s++) {
        sq_buf_printf(&what, "%s%s", s > 0 ? " and " : "comparison of ", c->sides[s].name);
    }
    out->err = out->err ? out->err : title.err ? title.err : what.err;
    if (!out->err) {
        sq_html_begin(&(struct sq_html_frame){title.text, NULL, what.text, false}, out);
    }
    sq_buf_free(&title);
    sq_buf_free(&what);
    sq_buf_puts(out, "<main class=\"wrap\">\n");
    put_verdict(c, out);
    for (size_t k = 0; k < c->pairs_count; k++) {
        put_figures(c, &c->pairs[k], out);
    }
    size_t told = put_configuration(c, out);
    put_notes(c, told, out);
    put_runs(c, out);
    sq_buf_puts(out, "<footer>");
    sq_html_made_by(SQ_VERSION, NULL, out);
    sq_buf_puts(out, "</main>\n</body>\n</html>\n");
}
