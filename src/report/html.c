/* report.html: the page's frame, and the verdict at one glance. Tables and verdict are plain HTML,
 * so that they are there without scripts too; the charts are drawn by share/report/report.js. */
#include "report/html_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

extern const unsigned char sq_asset_report_js[];

static const char timeline_section[] =
    "<section id=\"timeline\" aria-labelledby=\"h-timeline\"><h2 id=\"h-timeline\">Timeline</h2>\n"
    "<p class=\"note\">One point a second, or a step where the run was long. Touch or point at a "
    "chart to read the same moment in all of them.</p>\n"
    "<div id=\"charts\" class=\"charts\"></div>\n"
    "<noscript><p class=\"note\">The charts need JavaScript. The same figures are in timeline.csv."
    "</p></noscript></section>\n";

static const char navigation[] =
    "<nav aria-label=\"Sections\"><ul class=\"wrap\"><li><a href=\"#expectations\">Expectations</a>"
    "</li><li><a href=\"#failures\">Failures</a></li><li><a href=\"#timeline\">Timeline</a></li>"
    "<li><a href=\"#metrics\">Metrics</a></li><li><a href=\"#groups\">Groups</a></li>"
    "<li><a href=\"#peers\">Worst peers</a></li>"
    "<li><a href=\"#generator\">Generator</a></li><li><a href=\"#configuration\">Configuration</a>"
    "</li></ul></nav>\n";

static const char files_beside[] =
    "<p>More of this run: <a href=\"summary.json\">summary.json</a> · "
    "<a href=\"peers.csv\">peers.csv</a> (every peer) · <a href=\"timeline.csv\">timeline.csv</a> "
    "(every second) · <a href=\"junit.xml\">junit.xml</a></p>\n";

static const char *verdict_title(const struct sq_result *r)
{
    static const char *const titles[] = {"PASS: it held", "FAIL: it did not hold",
                                         "INVALID: the generator was the bottleneck",
                                         "ERROR: no peer connected"};
    if (sq_result_is_incomplete(r)) {
        return "INCOMPLETE: it held, and not all results could be written";
    }
    if (r->interrupted && r->verdict == SQ_VERDICT_ERROR) {
        return "Interrupted";
    }
    if (r->cut[0] && r->verdict == SQ_VERDICT_ERROR) {
        return "ERROR: the run ended early";
    }
    if (r->error[0] && r->verdict == SQ_VERDICT_ERROR) {
        return "ERROR: the service was not tested";
    }
    return titles[r->verdict];
}

static void put_head(const struct sq_result *r, struct sq_buf *out)
{
    static const char *const words[] = {"PASS", "FAIL", "INVALID", "ERROR"};
    char title[SQ_RUN_ID_SIZE + 32];
    char what[SQ_RUN_ID_SIZE + 8];
    snprintf(title, sizeof(title), "%s · Squall run %s",
             sq_result_is_incomplete(r) ? "INCOMPLETE" : words[r->verdict], r->run_id);
    snprintf(what, sizeof(what), "run %s", r->run_id);
    sq_html_begin(&(struct sq_html_frame){title, r->target, what, true}, out);
    sq_buf_puts(out, navigation);
}

/* Failed expectations and causes of failure, in words. */
static void put_broke(const struct sq_result *r, struct sq_buf *out)
{
    size_t lines = 0;
    struct sq_buf list = {0};
    for (size_t i = 0; i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        if (!e->ok && e->level == SQ_LEVEL_ERROR) {
            sq_buf_puts(&list, "<li><code>");
            sq_html_text(&list, e->expr);
            sq_buf_puts(&list, "</code>: ");
            sq_html_text(&list, e->message);
            sq_buf_puts(&list, "</li>\n");
            lines++;
        }
    }
    enum sq_failure causes[SQ_FAILURE_COUNT];
    size_t n = sq_report_causes(r, causes);
    for (size_t i = 0; i < n; i++) {
        uint64_t count = r->failures[causes[i]].count;
        sq_buf_printf(&list, "<li><strong>%llu %s</strong> with <code>%s</code>: %s</li>\n",
                      (unsigned long long)count, count == 1 ? "peer failed" : "peers failed",
                      sq_failure_name(causes[i]), sq_failure_words(causes[i]));
        lines++;
    }
    if (lines > 0) {
        sq_buf_printf(out, "<div class=\"broke %s\"><h2>What broke</h2>\n<ul>\n",
                      r->verdict == SQ_VERDICT_PASS ? "is-warn" : "is-fail");
        sq_buf_add(out, list.text, list.len);
        sq_buf_puts(out, "</ul></div>\n");
    }
    out->err = out->err ? out->err : list.err;
    sq_buf_free(&list);
}

static void put_tile(struct sq_buf *out, const char *name, double value, const char *unit, bool bad)
{
    sq_buf_printf(out, "<div%s><dt>%s</dt><dd>", bad ? " class=\"bad\"" : "", name);
    sq_report_human(out, value);
    if (unit[0]) {
        sq_buf_printf(out, " <small>%s</small>", unit);
    }
    sq_buf_puts(out, "</dd></div>\n");
}

/* One figure of a metric, if it has a sample. */
static void put_metric_tile(const struct sq_result *r, struct sq_buf *out, const char *name,
                            enum sq_metric_id id, struct sq_agg agg)
{
    const struct sq_metric_row *m = sq_result_metric(r, id);
    double value = m ? sq_metric_aggregate(m->hist, id, agg) : NAN;
    const char *unit = sq_metric_unit_text(sq_metric_get(id)->unit);
    if (!isfinite(value)) {
        return;
    }
    if (strcmp(unit, "kbit/s") == 0 && value >= 1000) {
        value /= 1000;
        unit = "Mbit/s";
    }
    put_tile(out, name, value, unit, false);
}

static void put_tiles(const struct sq_result *r, struct sq_buf *out)
{
    static const struct sq_agg avg = {SQ_AGG_AVG, 0}, p95 = {SQ_AGG_QUANTILE, 0.95};
    const struct sq_peer_counts *c = &r->counts;
    sq_buf_puts(out, "<dl class=\"tiles\">\n<div><dt>Peers ok</dt><dd>");
    sq_report_human(out, (double)c->ok);
    sq_buf_puts(out, " <small>of ");
    sq_report_human(out, (double)c->started);
    sq_buf_puts(out, "</small></dd></div>\n");
    put_tile(out, "Failed", (double)c->failed, "", c->failed > 0);
    put_tile(out, "Dropped", (double)c->dropped, "", c->dropped > 0);
    if (c->pending > 0) {
        put_tile(out, "Still pending", (double)c->pending, "", false);
    }
    if (isfinite(r->score)) {
        put_tile(out, "Score", r->score, "of 10", false);
    }
    if (isfinite(r->mos)) {
        put_tile(out, "MOS", r->mos, "", false);
    }
    put_metric_tile(r, out, "Set-up p95", SQ_METRIC_SETUP_TOTAL, p95);
    put_metric_tile(r, out, "Video in avg", SQ_METRIC_VIDEO_IN_BITRATE, avg);
    put_metric_tile(r, out, "Video loss p95", SQ_METRIC_VIDEO_IN_LOSS, p95);
    put_metric_tile(r, out, "Audio loss p95", SQ_METRIC_AUDIO_IN_LOSS, p95);
    put_metric_tile(r, out, "RTT p95", SQ_METRIC_VIDEO_IN_RTT, p95);
    put_tile(out, "Duration", r->duration_s, "s", false);
    sq_buf_puts(out, "</dl>\n");
}

static void put_verdict(const struct sq_result *r, struct sq_buf *out)
{
    static const char *const marks[] = {"✓", "✗", "?", "!"};
    enum sq_run_verdict look = sq_result_is_incomplete(r) ? SQ_VERDICT_ERROR : r->verdict;
    sq_buf_printf(out,
                  "<section class=\"card verdict is-%s\" aria-labelledby=\"h-verdict\">"
                  "<div class=\"verdict-head\"><span class=\"mark\" aria-hidden=\"true\">%s</span>"
                  "<div><h1 id=\"h-verdict\">%s</h1>\n<p>",
                  sq_verdict_name(look), marks[look], verdict_title(r));
    sq_html_text(out, r->verdict_reason);
    sq_buf_printf(out, "</p></div></div>\n");
    put_broke(r, out);
    put_tiles(r, out);
    sq_buf_puts(out, "</section>\n");
}

static void put_footer(const struct sq_result *r, const struct sq_report_html_options *options,
                       struct sq_buf *out)
{
    sq_buf_puts(out, "<footer>");
    if (options->in_directory) {
        sq_buf_puts(out, files_beside);
    }
    sq_html_made_by(r->tool_version, r->tool_commit, out);
}

void sq_report_html(const struct sq_result *r, const struct sq_report_html_options *options,
                    struct sq_buf *out)
{
    put_head(r, out);
    sq_buf_puts(out, "<main class=\"wrap\">\n");
    put_verdict(r, out);
    sq_html_expectations(r, out);
    sq_html_failures(r, out);
    sq_buf_puts(out, timeline_section);
    sq_html_metrics(r, out);
    sq_html_own(r, out);
    sq_html_groups(r, out);
    sq_html_worst_peers(r, options, out);
    sq_buf_puts(out, "<div class=\"two\">\n");
    sq_html_generator(r, out);
    sq_html_configuration(r, out);
    sq_buf_puts(out, "</div>\n");
    put_footer(r, options, out);
    sq_buf_puts(out, "</main>\n<script type=\"application/json\" id=\"data\">");
    sq_html_data(r, out);
    sq_buf_puts(out, "</script>\n<script>\n");
    sq_buf_puts(out, (const char *)sq_asset_report_js);
    sq_buf_puts(out, "</script>\n</body>\n</html>\n");
}
