/* The tables of report.html. */
#include "base/time.h"
#include "report/html_int.h"
#include <math.h>
#include <string.h>

static const char expectations_head[] =
    "<section id=\"expectations\" aria-labelledby=\"h-expectations\">"
    "<h2 id=\"h-expectations\">Expectations</h2>\n";
static const char failures_head[] = "<section id=\"failures\" aria-labelledby=\"h-failures\">"
                                    "<h2 id=\"h-failures\">Failures by cause</h2>\n";
static const char metrics_head[] =
    "<section id=\"metrics\" aria-labelledby=\"h-metrics\"><h2 id=\"h-metrics\">Metrics</h2>\n";
static const char metrics_table[] =
    "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of metrics\">"
    "<table class=\"metrics\"><thead><tr><th scope=\"col\">metric</th><th scope=\"col\">unit</th>"
    "<th scope=\"col\" class=\"n\">avg</th><th scope=\"col\" class=\"n\">min</th>"
    "<th scope=\"col\" class=\"n\">p50</th><th scope=\"col\" class=\"n\">p90</th>"
    "<th scope=\"col\" class=\"n\">p95</th><th scope=\"col\" class=\"n\">p99</th>"
    "<th scope=\"col\" class=\"n\">max</th><th scope=\"col\" class=\"n\">samples</th></tr></thead>"
    "<tbody>\n";
static const char generator_head[] =
    "<section id=\"generator\" aria-labelledby=\"h-generator\">"
    "<h2 id=\"h-generator\">Generator health</h2>\n"
    "<p class=\"note\">Whether Squall itself kept up. If it did not, the verdict is invalid, "
    "whatever the service did.</p>\n<div class=\"card\"><dl class=\"pairs\">\n";
static const char configuration_head[] =
    "<section id=\"configuration\" aria-labelledby=\"h-configuration\">"
    "<h2 id=\"h-configuration\">Configuration</h2>\n"
    "<p class=\"note\">What was run, and where. The seed makes it repeatable.</p>\n"
    "<div class=\"card\"><dl class=\"pairs\">\n";

static void put_badge(struct sq_buf *out, const struct sq_expectation *e)
{
    const char *tone = e->ok ? "pass" : e->level == SQ_LEVEL_WARN ? "warn" : "fail";
    const char *words = e->ok ? "✓ held" : e->level == SQ_LEVEL_WARN ? "! warning" : "✗ failed";
    sq_buf_printf(out, "<span class=\"badge is-%s\">%s</span>", tone, words);
}

void sq_html_expectations(const struct sq_result *r, struct sq_buf *out)
{
    sq_buf_puts(out, expectations_head);
    if (r->expectation_count == 0) {
        sq_buf_puts(out, "<p class=\"note\">None were judged.</p></section>\n");
        return;
    }
    sq_buf_puts(out, "<div class=\"card\"><table class=\"stack\"><thead><tr><th scope=\"col\">"
                     "result</th><th scope=\"col\">expected</th><th scope=\"col\" class=\"n\">"
                     "measured</th><th scope=\"col\">in words</th></tr></thead><tbody>\n");
    for (size_t i = 0; i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        sq_buf_puts(out, "<tr><td>");
        put_badge(out, e);
        sq_buf_puts(out, "</td><th scope=\"row\" class=\"expr\"><code>");
        sq_html_text(out, e->expr);
        sq_buf_puts(out, "</code></th><td class=\"n again\">");
        if (e->terms > 1) { /* none of them is the expression's */
            sq_buf_puts(out, "–");
        } else if (isfinite(e->value)) {
            sq_report_human_unit(out, e->value, e->unit);
        } else {
            sq_buf_puts(out, isinf(e->value) ? "never" : "no sample");
        }
        sq_buf_puts(out, "</td><td class=\"text wide\">");
        sq_html_text(out, e->message);
        sq_buf_puts(out, "</td></tr>\n");
    }
    sq_buf_puts(out, "</tbody></table></div></section>\n");
}

/* The bar compares the causes; `most` is the count of the most frequent. */
static void put_failure_row(const struct sq_result *r, enum sq_failure cause, uint64_t most,
                            struct sq_buf *out)
{
    const struct sq_failure_row *f = &r->failures[cause];
    const struct sq_peer_row *p = &r->peers[f->example];
    double share = 100.0 * (double)f->count / (double)(r->counts.started ? r->counts.started : 1);
    sq_buf_printf(out, "<tr><th scope=\"row\"><code>%s</code></th><td class=\"n\">%llu",
                  sq_failure_name(cause), (unsigned long long)f->count);
    sq_buf_puts(out, " <small>(");
    sq_report_human(out, share);
    sq_buf_printf(out,
                  " %%)</small><span class=\"bar\" aria-hidden=\"true\">"
                  "<span style=\"width:%.1f%%\"></span></span></td>"
                  "<td class=\"text wide\">%s</td><td class=\"text wide\"><strong>",
                  100.0 * (double)f->count / (double)most, sq_failure_words(cause));
    sq_html_text(out, p->id);
    sq_buf_puts(out, "</strong> ");
    sq_html_text(out, p->message);
    sq_buf_puts(out, "</td></tr>\n");
}

static void put_note(struct sq_buf *out, const char *of, const char *text)
{
    sq_buf_printf(out, "<p class=\"note\">%s: ", of);
    sq_html_text(out, text);
    sq_buf_puts(out, ".</p>");
}

/* A note that was made for it, if there was anything to note; it is freed. */
static void put_made(struct sq_buf *out, const char *of, struct sq_buf *note)
{
    if (note->text) {
        put_note(out, of, note->text);
    }
    out->err = out->err ? out->err : note->err;
    sq_buf_free(note);
}

static void put_stun_notes(const struct sq_result *r, struct sq_buf *out)
{
    for (size_t i = 0; i < r->stun_count; i++) {
        struct sq_buf note = {0};
        sq_report_stun_note(&r->stun[i], &note);
        put_made(out, "STUN", &note);
    }
}

static void put_turn_notes(const struct sq_result *r, struct sq_buf *out)
{
    for (size_t i = 0; i < r->turn_count; i++) {
        struct sq_buf note = {0};
        sq_report_turn_note(&r->turn[i], &note);
        put_made(out, "TURN", &note);
    }
}

void sq_html_failures(const struct sq_result *r, struct sq_buf *out)
{
    sq_buf_puts(out, failures_head);
    put_stun_notes(r, out);
    put_turn_notes(r, out);
    if (r->counts.failed == 0) {
        sq_buf_puts(out, "<p class=\"note\">No peer failed.</p></section>\n");
        return;
    }
    sq_buf_puts(out, "<div class=\"card\"><table class=\"stack\"><thead><tr><th scope=\"col\">"
                     "cause</th><th scope=\"col\" class=\"n\">peers</th><th scope=\"col\">meaning"
                     "</th><th scope=\"col\">for example</th></tr></thead><tbody>\n");
    enum sq_failure causes[SQ_FAILURE_COUNT];
    size_t n = sq_report_causes(r, causes);
    for (size_t i = 0; i < n; i++) {
        put_failure_row(r, causes[i], r->failures[causes[0]].count, out);
    }
    sq_buf_puts(out, "</tbody></table></div></section>\n");
}

static void put_metric_row(const struct sq_metric_row *row, struct sq_buf *out)
{
    const struct sq_metric *m = sq_metric_get(row->id);
    const char *unit = sq_metric_unit_text(m->unit);
    struct sq_metric_figures f;
    sq_metric_row_figures(row, &f);
    sq_buf_printf(out, "<tr><th scope=\"row\" title=\"");
    sq_html_text(out, m->text);
    sq_buf_printf(out, "\"><code>%s</code></th><td>%s</td>", m->name, unit);
    const double figures[] = {f.avg, f.min, f.p50, f.p90, f.p95, f.p99, f.max};
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        sq_html_number_cell(out, figures[i]);
    }
    sq_html_number_cell(out, (double)f.count);
    sq_buf_puts(out, "</tr>\n");
}

/* Rows in the table's own order, with a line above each group ("video.in", "setup"). */
static void put_metric_rows(const struct sq_result *r, struct sq_buf *out)
{
    char group[16] = "";
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const struct sq_metric_row *row = sq_result_metric(r, (enum sq_metric_id)id);
        if (!row || row->hist->sums.count == 0) {
            continue;
        }
        const char *name = sq_metric_get(row->id)->name;
        size_t len = strcspn(name, ".");
        if (strncmp(name, "audio.", 6) == 0 || strncmp(name, "video.", 6) == 0) {
            len += 1 + strcspn(name + len + 1, ".");
        }
        if (len < sizeof(group) && (strlen(group) != len || strncmp(group, name, len) != 0)) {
            sq_result_set_text(group, sizeof(group), "");
            memcpy(group, name, len);
            group[len] = '\0';
            sq_buf_printf(out,
                          "<tr class=\"group\"><th colspan=\"10\" scope=\"colgroup\">%s</th>"
                          "</tr>\n",
                          group);
        }
        put_metric_row(row, out);
    }
}

/* Medians of the stages: where the time of a set-up goes. */
static void put_median_stages(const struct sq_result *r, struct sq_buf *out)
{
    double stage_ms[SQ_STAGE_COUNT];
    for (int s = 0; s < SQ_STAGE_COUNT; s++) {
        enum sq_metric_id id = (enum sq_metric_id)(SQ_METRIC_SETUP_DNS + s);
        const struct sq_metric_row *m = sq_result_metric(r, id);
        stage_ms[s] =
            m ? sq_metric_aggregate(m->hist, id, (struct sq_agg){SQ_AGG_QUANTILE, 0.5}) : NAN;
    }
    if (isfinite(stage_ms[SQ_STAGE_TOTAL])) {
        sq_buf_puts(out, "<p class=\"note\">Where the time of a set-up goes (medians):</p>\n");
        sq_html_stages(out, stage_ms);
        sq_buf_puts(out, "<p></p>\n");
    }
}

_Static_assert(SQ_METRIC_SETUP_TOTAL - SQ_METRIC_SETUP_DNS == SQ_STAGE_TOTAL,
               "stages and set-up metrics have one order");

void sq_html_metrics(const struct sq_result *r, struct sq_buf *out)
{
    sq_buf_puts(out, metrics_head);
    put_median_stages(r, out);
    sq_html_distributions(r, out);
    sq_buf_puts(out, metrics_table);
    put_metric_rows(r, out);
    sq_buf_puts(out, "</tbody></table></div>");
    if (r->latency_note[0]) {
        put_note(out, "One-way latency", r->latency_note);
    }
    struct sq_buf note = {0};
    for (int what = 0; what < SQ_ASKED_COUNT; what++) {
        sq_report_asked_note(r, (enum sq_asked)what, &note);
        put_made(out, "Negotiation", &note);
        note = (struct sq_buf){0};
    }
    sq_report_arrivals_note(r, &note);
    put_made(out, "Arrivals", &note);
    sq_report_pending_note(r, &note);
    put_made(out, "Not connected", &note);
    sq_report_network_note(r, &note);
    put_made(out, "Networks", &note);
    sq_report_steps_note(r, &note);
    put_made(out, "Steps", &note);
    sq_report_goodbye_note(r, &note);
    put_made(out, "Goodbye", &note);
    sq_report_video_note(r, &note);
    put_made(out, "Video", &note);
    sq_report_still_note(r, &note);
    put_made(out, "Video", &note);
    sq_report_data_note(r, &note);
    put_made(out, "Data channels", &note);
    sq_buf_puts(out, "</section>\n");
}

static void put_pair_unit(struct sq_buf *out, const char *name, double number, const char *unit)
{
    sq_buf_printf(out, "<dt>%s</dt><dd>", name);
    sq_report_human_unit(out, number, unit);
    sq_buf_puts(out, "</dd>\n");
}

static void put_pair(struct sq_buf *out, const char *name, const char *text)
{
    sq_buf_puts(out, "<dt>");
    sq_html_text(out, name);
    sq_buf_puts(out, "</dt><dd>");
    sq_html_text(out, text[0] ? text : "–");
    sq_buf_puts(out, "</dd>\n");
}

void sq_html_generator(const struct sq_result *r, struct sq_buf *out)
{
    const struct sq_generator_health *g = &r->generator;
    sq_buf_puts(out, generator_head);
    sq_buf_printf(out, "<dt>State</dt><dd><span class=\"badge is-%s\">%s</span> ",
                  g->ok ? "pass" : "warn", g->ok ? "✓ within bounds" : "? not trustworthy");
    if (sq_report_stood_still(g)) {
        sq_report_generator_state(g, out);
    }
    sq_html_text(out, g->reason);
    sq_buf_puts(out, "</dd>\n");
    if (g->note[0]) {
        put_pair(out, "Note", g->note);
    }
    put_pair_unit(out, "Timers late, p50", g->lateness_p50_ms, "ms");
    put_pair_unit(out, "Timers late, p99", g->lateness_p99_ms, "ms");
    put_pair_unit(out, "Timers late, max", g->lateness_max_ms, "ms");
    put_pair_unit(out, "CPU, busiest thread", g->cpu_percent, "%");
    put_pair_unit(out, "Threads", g->threads, "");
    put_pair_unit(out, "Send errors", (double)g->send_errors, "");
    put_pair_unit(out, "Receive drops", (double)g->receive_drops, "");
    sq_buf_puts(out, "</dl></div></section>\n");
}

static void put_config_row(const struct sq_config_row *c, struct sq_buf *out)
{
    if (c->type == SQ_CONFIG_STRING) {
        put_pair(out, c->key, c->text);
        return;
    }
    sq_buf_puts(out, "<dt>");
    sq_html_text(out, c->key);
    sq_buf_puts(out, "</dt><dd>");
    if (c->type == SQ_CONFIG_BOOL) {
        sq_buf_puts(out, c->flag ? "yes" : "no");
    } else {
        sq_number_put(out, c->number);
    }
    sq_buf_puts(out, "</dd>\n");
}

void sq_html_configuration(const struct sq_result *r, struct sq_buf *out)
{
    struct sq_buf text = {0};
    sq_buf_puts(out, configuration_head);
    sq_buf_puts(out, "<dt>Command</dt><dd><code>");
    sq_html_text(out, r->command ? r->command : "–");
    sq_buf_puts(out, "</code></dd>\n");
    sq_report_time(&text, r->started_wall_ns);
    put_pair(out, "Started", text.text ? text.text : "");
    out->err = out->err ? out->err : text.err;
    sq_buf_free(&text);
    put_pair_unit(out, "Duration", r->duration_s, "s");
    sq_buf_printf(out, "<dt>Seed</dt><dd>%llu</dd>\n", (unsigned long long)r->seed);
    for (size_t i = 0; i < r->config_count; i++) {
        put_config_row(&r->config[i], out);
    }
    put_pair(out, "Host", r->host.name);
    put_pair(out, "Kernel", r->host.kernel);
    sq_buf_puts(out, "<dt>Processor</dt><dd>");
    sq_html_text(out, r->host.cpu);
    sq_buf_printf(out, ", %u cores</dd>\n", r->host.cores);
    sq_buf_puts(out, "</dl></div></section>\n");
}
