/* How the samples of each metric are spread: a small histogram each, as inline SVG that needs no
 * script, with its average and percentiles. */
#include "report/html_int.h"
#include <math.h>

#define BINS_MAX  48
#define WIDTH     240 /* of the drawing, in its own units */
#define HEIGHT    56
#define LEAST_BAR 1.2 /* of a bin that holds anything */

/* What of the values is drawn, in the histogram's own steps. */
struct range {
    uint64_t low, high; /* values in low … high */
    unsigned bins;
    bool whole; /* a bin a value */
};

struct percentile {
    const char *name, *css;
    double q;
};

static const struct percentile percentiles[] = {
    {"p50", "q50", 0.5}, {"p95", "q95", 0.95}, {"p99", "q99", 0.99}};

#define PERCENTILES (sizeof(percentiles) / sizeof(percentiles[0]))

/* From zero where that costs little of the width; a long tail is cut off, and told. */
static struct range range_of(const struct sq_hist *h, const struct sq_metric *m)
{
    struct range r = {h->sums.min, h->sums.max, BINS_MAX, false};
    uint64_t p99 = sq_hist_quantile(h, 0.99);
    if (r.low < r.high / 2) {
        r.low = 0;
    }
    if (p99 > r.low && r.high - r.low > 2 * (p99 - r.low)) {
        r.high = p99 + (p99 - r.low) / 4 + 1;
    }
    if (m->scale == 1 && r.high - r.low < BINS_MAX) {
        r.whole = true;
        r.bins = (unsigned)(r.high - r.low + 1);
    }
    return r;
}

static uint64_t edge_of(const struct range *r, unsigned bin)
{
    return r->low + (uint64_t)((double)(r->high - r->low) * bin / r->bins);
}

/* Values of the bin: behind the one before's end, up to its own. */
static uint64_t count_in(const struct sq_hist *h, const struct range *r, unsigned bin)
{
    if (r->whole) {
        uint64_t value = r->low + bin;
        return sq_hist_count_to(h, value) - (value ? sq_hist_count_to(h, value - 1) : 0);
    }
    uint64_t upto = sq_hist_count_to(h, edge_of(r, bin + 1));
    return bin == 0 ? upto : upto - sq_hist_count_to(h, edge_of(r, bin));
}

static double x_of(const struct range *r, uint64_t value)
{
    double span = (double)(r->high - r->low) + (r->whole ? 1 : 0);
    double at = (double)value - (double)r->low + (r->whole ? 0.5 : 0);
    return WIDTH * fmin(1, fmax(0, span > 0 ? at / span : 0.5));
}

/* One path of all bars. */
static void put_bars(const struct sq_hist *h, const struct range *r, struct sq_buf *out)
{
    uint64_t counts[BINS_MAX];
    uint64_t most = 1;
    for (unsigned i = 0; i < r->bins; i++) {
        counts[i] = count_in(h, r, i);
        most = counts[i] > most ? counts[i] : most;
    }
    sq_buf_puts(out, "<path class=\"bars\" d=\"");
    for (unsigned i = 0; i < r->bins; i++) {
        double high = counts[i] ? fmax(LEAST_BAR, HEIGHT * (double)counts[i] / (double)most) : 0;
        double width = (double)WIDTH / r->bins;
        if (high > 0) {
            sq_buf_printf(out, "M%.1f %dv-%.1fh%.1fv%.1fz", i * width, HEIGHT, high, width * 0.9,
                          high);
        }
    }
    sq_buf_puts(out, "\"/>");
}

/* Under the drawing: where it begins and ends, and what lies beyond. */
static void put_ends(const struct sq_metric_row *row, const struct range *r, struct sq_buf *out)
{
    const char *unit = sq_metric_unit_text(sq_metric_get(row->id)->unit);
    uint64_t beyond = row->hist->sums.count - sq_hist_count_to(row->hist, r->high);
    sq_buf_puts(out, "<p class=\"ends\"><span>");
    sq_report_human_unit(out, sq_metric_value(row->id, (double)r->low), unit);
    sq_buf_puts(out, "</span><span>");
    sq_report_human_unit(out, sq_metric_value(row->id, (double)r->high), unit);
    if (beyond > 0) {
        sq_buf_printf(out, " (%llu beyond, up to ", (unsigned long long)beyond);
        sq_report_human_unit(out, sq_metric_value(row->id, (double)row->hist->sums.max), unit);
        sq_buf_puts(out, ")");
    }
    sq_buf_puts(out, "</span></p>");
}

static void put_drawing(const struct sq_metric_row *row, struct sq_buf *out)
{
    const struct sq_hist *h = row->hist;
    const struct range r = range_of(h, sq_metric_get(row->id));
    sq_buf_printf(out,
                  "<svg viewBox=\"0 0 %d %d\" preserveAspectRatio=\"none\" aria-hidden=\"true\">",
                  WIDTH, HEIGHT);
    put_bars(h, &r, out);
    for (size_t i = 0; i < PERCENTILES; i++) {
        double x = x_of(&r, sq_hist_quantile(h, percentiles[i].q));
        sq_buf_printf(out, "<path class=\"%s\" d=\"M%.1f 0V%d\"/>", percentiles[i].css, x, HEIGHT);
    }
    sq_buf_puts(out, "</svg>");
    put_ends(row, &r, out);
}

static void put_figure(struct sq_buf *out, const char *css, const char *name, double value)
{
    sq_buf_printf(out, "<div><dt><i class=\"%s\"></i>%s</dt><dd>", css, name);
    sq_report_human(out, value);
    sq_buf_puts(out, "</dd></div>");
}

static void put_card(const struct sq_metric_row *row, struct sq_buf *out)
{
    const struct sq_metric *m = sq_metric_get(row->id);
    static const struct sq_agg avg = {SQ_AGG_AVG, 0};
    sq_buf_printf(out,
                  "<figure class=\"dist card\"><figcaption><code>%s</code> <span>%s</span>"
                  "</figcaption>",
                  m->name, sq_metric_unit_text(m->unit));
    put_drawing(row, out);
    sq_buf_puts(out, "<dl>");
    put_figure(out, "avg", "avg", sq_metric_aggregate(row->hist, row->id, avg));
    for (size_t i = 0; i < PERCENTILES; i++) {
        const struct sq_agg agg = {SQ_AGG_QUANTILE, percentiles[i].q};
        put_figure(out, percentiles[i].css, percentiles[i].name,
                   sq_metric_aggregate(row->hist, row->id, agg));
    }
    sq_buf_puts(out, "</dl><p class=\"what\">");
    sq_html_text(out, m->text);
    sq_buf_puts(out, "</p></figure>\n");
}

static bool varies(const struct sq_metric_row *row)
{
    return row->hist->sums.min != row->hist->sums.max;
}

/* There is nothing to draw of one value. */
static void put_steady(const struct sq_metric_row *row, bool first, struct sq_buf *out)
{
    const struct sq_metric *m = sq_metric_get(row->id);
    if (first) {
        sq_buf_puts(out, "<p class=\"note\">The same in every sample:</p><ul class=\"steady\">\n");
    }
    sq_buf_puts(out, "<li title=\"");
    sq_html_text(out, m->text);
    sq_buf_printf(out, "\"><code>%s</code> <b>", m->name);
    sq_report_human_unit(out, sq_metric_value(row->id, (double)row->hist->sums.max),
                         sq_metric_unit_text(m->unit));
    sq_buf_puts(out, "</b></li>\n");
}

void sq_html_distributions(const struct sq_result *r, struct sq_buf *out)
{
    unsigned steady = 0;
    sq_buf_puts(out,
                "<p class=\"note\">How the samples of each metric are spread: the higher a bar, "
                "the more of them. The lines stand at p50, p95 and p99.</p>\n"
                "<div class=\"dists\">\n");
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const struct sq_metric_row *row = sq_result_metric(r, (enum sq_metric_id)id);
        if (row && varies(row)) {
            put_card(row, out);
        }
    }
    sq_buf_puts(out, "</div>\n");
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const struct sq_metric_row *row = sq_result_metric(r, (enum sq_metric_id)id);
        if (row && row->hist->sums.count > 0 && !varies(row)) {
            put_steady(row, steady++ == 0, out);
        }
    }
    sq_buf_puts(out, steady ? "</ul>\n" : "");
}
