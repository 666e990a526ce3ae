/* capacity.html: the answer at one glance, the curve, every trial. Plain HTML and SVG. */
#include "report/capacity.h"
#include "report/html_int.h"
#include <math.h>
#include <stdio.h>

#define PLOT_WIDTH  420.0
#define PLOT_HEIGHT 170.0
#define PLOT_LEFT   44.0
#define PLOT_FOOT   22.0

static void put_head(const struct sq_capacity_report *r, struct sq_buf *out)
{
    char title[SQ_RUN_ID_SIZE + 32];
    char what[SQ_RUN_ID_SIZE + 16];
    snprintf(title, sizeof(title), "Capacity · Squall %s", r->head->run_id);
    snprintf(what, sizeof(what), "capacity %s", r->head->run_id);
    sq_html_begin(&(struct sq_html_frame){title, r->head->target, what, false}, out);
    sq_buf_puts(out, "<main class=\"wrap\">\n");
}

static void put_limit(const struct sq_capacity_level *limit, struct sq_buf *out)
{
    sq_buf_printf(out, "<div class=\"broke %s\"><h2>%s</h2>\n<ul>\n",
                  limit->outcome == SQ_TRIAL_FAILED ? "is-fail" : "is-warn",
                  limit->outcome == SQ_TRIAL_FAILED ? "What broke first"
                                                    : "Squall's own limit, not the service's");
    if (limit->broke_len == 0) {
        sq_buf_puts(out, "<li>");
        sq_html_text(out, limit->reason);
        sq_buf_puts(out, "</li>\n");
    }
    for (size_t i = 0; i < limit->broke_len; i++) {
        const struct sq_capacity_broke *b = &limit->broke[i];
        sq_buf_puts(out, "<li><code>");
        sq_html_text(out, b->expr);
        sq_buf_puts(out, "</code>: ");
        sq_html_text(out, b->found);
        if (b->who[0]) {
            sq_buf_puts(out, "; for ");
            sq_html_text(out, b->who);
        }
        sq_buf_puts(out, "</li>\n");
    }
    struct sq_buf why = {0};
    sq_capacity_why(limit, &why);
    if (why.len > 0) {
        sq_buf_puts(out, "<li>");
        sq_html_text(out, why.text);
        sq_buf_puts(out, "</li>\n");
    }
    sq_buf_free(&why);
    sq_buf_puts(out, "</ul></div>\n");
}

static void put_answers(const struct sq_capacity_report *r, struct sq_buf *out)
{
    static const char *const questions[] = {"How much does the service hold?",
                                            "How big can one session grow?", "How many users fit?"};
    const struct sq_capacity *c = r->capacity;
    for (size_t i = 0; i < c->searches_len; i++) {
        bool sure = sq_search_is_confirmed(&c->searches[i]);
        const struct sq_capacity_level *limit = sq_capacity_limit(c, i);
        bool own = limit && limit->outcome == SQ_TRIAL_INVALID;
        struct sq_buf answer = {0};
        sq_capacity_answer(c, i, &answer);
        sq_buf_printf(out,
                      "<section class=\"card verdict is-%s\"><div class=\"verdict-head\">"
                      "<span class=\"mark\" aria-hidden=\"true\">%s</span><div><h%d>%s</h%d>\n<p>",
                      sure && !own ? "pass" : "invalid", sure && !own ? "✓" : "?", i == 0 ? 1 : 2,
                      questions[c->grow[i]], i == 0 ? 1 : 2);
        sq_html_text(out, answer.text);
        sq_buf_puts(out, "</p></div></div>\n");
        if (limit) {
            put_limit(limit, out);
        }
        sq_buf_puts(out, "</section>\n");
        sq_buf_free(&answer);
    }
}

/* ---- The curve ---- */

static double score_of(const struct sq_capacity_level *l)
{
    return l->score;
}

static double setup_of(const struct sq_capacity_level *l)
{
    return l->setup_p95_ms;
}

static double loss_of(const struct sq_capacity_level *l)
{
    return l->loss_percent;
}

static double fps_of(const struct sq_capacity_level *l)
{
    return l->fps;
}

static double failed_of(const struct sq_capacity_level *l)
{
    return (double)(l->counts.failed + l->counts.pending);
}

static double lateness_of(const struct sq_capacity_level *l)
{
    return l->lateness_p99_ms;
}

static double cpu_of(const struct sq_capacity_level *l)
{
    return l->cpu_percent;
}

static double server_cpu_of(const struct sq_capacity_level *l)
{
    return l->server_cpu_percent;
}

static double memory_of(const struct sq_capacity_level *l)
{
    return l->server_rss_bytes / (1024 * 1024);
}

static const struct curve {
    const char *title, *unit;
    double (*of)(const struct sq_capacity_level *l);
} curves[] = {
    {"Score", "0-10", score_of},
    {"Set-up p95", "ms", setup_of},
    {"Loss, incoming", "%", loss_of},
    {"Frames", "frames/s", fps_of},
    {"Peers that did not come through", "", failed_of},
    {"Generator: timers late p99", "ms", lateness_of},
    {"Generator: CPU of the busiest thread", "%", cpu_of},
    {"Server: CPU", "% of a core", server_cpu_of},
    {"Server: memory", "MiB", memory_of},
};

static void put_axes(double top, double right, struct sq_buf *out)
{
    sq_buf_printf(out,
                  "<line class=\"axis\" x1=\"%g\" y1=\"%g\" x2=\"%g\" y2=\"%g\"/>"
                  "<text x=\"%g\" y=\"12\" text-anchor=\"end\">",
                  PLOT_LEFT, PLOT_HEIGHT - PLOT_FOOT, PLOT_WIDTH, PLOT_HEIGHT - PLOT_FOOT,
                  PLOT_LEFT - 6);
    sq_report_human(out, top);
    sq_buf_printf(out,
                  "</text><text x=\"%g\" y=\"%g\" text-anchor=\"end\">0</text>"
                  "<text x=\"%g\" y=\"%g\" text-anchor=\"end\">",
                  PLOT_LEFT - 6, PLOT_HEIGHT - PLOT_FOOT, PLOT_WIDTH, PLOT_HEIGHT - 6);
    sq_report_human(out, right);
    sq_buf_puts(out, " peers</text>\n");
}

static void put_curve(const struct sq_capacity *c, enum sq_grow grow, const struct curve *curve,
                      struct sq_buf *out)
{
    static const char *const marks[] = {"--pass", "--fail", "--warn"};
    double top = 0;
    double right = 1;
    bool any = false;
    for (size_t i = 0; i < c->levels_len; i++) {
        const struct sq_capacity_level *l = &c->levels[i];
        if (l->grow == grow && isfinite(curve->of(l))) {
            top = fmax(top, curve->of(l));
            right = fmax(right, (double)l->peers);
            any = true;
        }
    }
    if (!any) {
        return;
    }
    top = top > 0 ? top : 1;
    sq_buf_printf(out,
                  "<figure class=\"card chart\"><figcaption class=\"chart-head\"><h3>%s</h3>"
                  "<span>%s</span></figcaption>\n<svg class=\"plot\" viewBox=\"0 0 %g %g\" "
                  "role=\"img\" aria-label=\"%s by peers; the same is in the table\">\n",
                  curve->title, curve->unit, PLOT_WIDTH, PLOT_HEIGHT, curve->title);
    put_axes(top, right, out);
    for (size_t i = 0; i < c->levels_len; i++) {
        const struct sq_capacity_level *l = &c->levels[i];
        double value = curve->of(l);
        if (l->grow != grow || !isfinite(value)) {
            continue;
        }
        sq_buf_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"4\" style=\"fill:var(%s)\"><title>",
                      PLOT_LEFT + (PLOT_WIDTH - PLOT_LEFT - 6) * (double)l->peers / right,
                      6 + (PLOT_HEIGHT - PLOT_FOOT - 6) * (1 - value / top), marks[l->outcome]);
        sq_capacity_amount(l, out);
        sq_buf_puts(out, ": ");
        sq_report_human(out, value);
        sq_buf_puts(out, "</title></circle>\n");
    }
    sq_buf_puts(out, "</svg></figure>\n");
}

static void put_curves(const struct sq_capacity *c, size_t search, struct sq_buf *out)
{
    static const char *const titles[] = {"The curve", "The curve: one room",
                                         "The curve: many rooms"};
    sq_buf_printf(out,
                  "<section><h2>%s</h2>\n<p class=\"note\">A point a trial: green where all "
                  "expectations held, red where one did not, yellow where Squall itself was at "
                  "its limit.</p>\n<div class=\"charts\">\n",
                  titles[c->grow[search]]);
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        put_curve(c, c->grow[search], &curves[i], out);
    }
    sq_buf_puts(out, "</div></section>\n");
}

/* ---- Tables ---- */

static void put_trial(const struct sq_capacity_level *l, struct sq_buf *out)
{
    static const char *const classes[] = {"pass", "fail", "invalid"};
    sq_buf_puts(out, "<tr><th scope=\"row\"><a href=\"");
    sq_html_text(out, l->dir);
    sq_buf_puts(out, "/report.html\">");
    sq_capacity_amount(l, out);
    sq_buf_printf(out, "</a></th><td><span class=\"badge is-%s\">%s</span>%s%s</td>",
                  classes[l->outcome], sq_trial_name(l->outcome), l->confirms ? " again" : "",
                  l->steady ? "" : " (not steady)");
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        sq_html_number_cell(out, curves[i].of(l));
    }
    sq_buf_puts(out, "</tr>\n");
}

static void put_trials(const struct sq_capacity *c, struct sq_buf *out)
{
    sq_buf_puts(out, "<section><h2>Every trial</h2>\n<div class=\"card scroll\" tabindex=\"0\" "
                     "role=\"region\" aria-label=\"Every trial\"><table><thead><tr>"
                     "<th scope=\"col\">Trial of</th><th scope=\"col\">Outcome</th>");
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        sq_buf_printf(out, "<th scope=\"col\" class=\"n\">%s%s%s</th>", curves[i].title,
                      curves[i].unit[0] ? ", " : "", curves[i].unit);
    }
    sq_buf_puts(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < c->levels_len; i++) {
        put_trial(&c->levels[i], out);
    }
    sq_buf_puts(out, "</tbody></table></div></section>\n");
}

static void put_notes(const struct sq_capacity_report *r, struct sq_buf *out)
{
    sq_buf_printf(out, "<section><h2>Expected of each level%s</h2>\n<ul>\n",
                  r->expectations_given ? "" : ", by default");
    for (size_t i = 0; i < r->expectations_len; i++) {
        sq_buf_puts(out, "<li><code>");
        sq_html_text(out, r->expectations[i]);
        sq_buf_puts(out, "</code></li>\n");
    }
    sq_buf_puts(out, "</ul></section>\n");
    for (size_t i = 0; i < r->capacity->notes_len; i++) {
        sq_buf_puts(out, i == 0 ? "<section><h2>To bear in mind</h2>\n" : "");
        sq_buf_puts(out, "<p class=\"note\">");
        sq_html_text(out, r->capacity->notes[i]);
        sq_buf_puts(out, i + 1 == r->capacity->notes_len ? "</p></section>\n" : "</p>\n");
    }
}

void sq_capacity_html(const struct sq_capacity_report *r, struct sq_buf *out)
{
    put_head(r, out);
    put_answers(r, out);
    for (size_t i = 0; i < r->capacity->searches_len; i++) {
        put_curves(r->capacity, i, out);
    }
    put_trials(r->capacity, out);
    put_notes(r, out);
    sq_buf_puts(out, "<footer><p><a href=\"capacity.json\">capacity.json</a> · "
                     "<a href=\"capacity.csv\">capacity.csv</a></p>\n<p><code>");
    sq_html_text(out, r->head->command);
    sq_buf_puts(out, "</code></p>\n");
    sq_html_made_by(r->head->tool_version, r->head->tool_commit, out);
    sq_buf_puts(out, "</main>\n</body>\n</html>\n");
}
