/* capacity.html: the answer at one glance, the curve, every trial. Plain HTML and SVG. */
#include "report/capacity.h"
#include "report/html_int.h"
#include <math.h>
#include <stdio.h>

#define PLOT_WIDTH  420.0
#define PLOT_HEIGHT 210.0
#define PLOT_LEFT   52.0
#define PLOT_RIGHT  14.0
#define PLOT_TOP    14.0
#define PLOT_FOOT   38.0 /* its labels, and what they count */
#define TICKS_MOST  5
#define MARK        4.5 /* half of its size */

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
    const char *head; /* of its column */
    double (*of)(const struct sq_capacity_level *l);
    bool generator; /* how the load was made, and what it cost: in the second table */
} curves[] = {
    {"Score", "0-10", "Score", score_of, false},
    {"Set-up p95", "ms", "Set-up p95, ms", setup_of, false},
    {"Loss, incoming", "%", "Loss, %", loss_of, false},
    {"Frames", "frames/s", "Frames/s", fps_of, false},
    {"Peers that did not come through", "peers", "Not through", failed_of, false},
    {"Generator: timers late p99", "ms", "Late p99, ms", lateness_of, true},
    {"Generator: CPU of the busiest thread", "%", "CPU, %", cpu_of, true},
    {"Server: CPU", "% of a core", "Server CPU, %", server_cpu_of, true},
    {"Server: memory", "MiB", "Server, MiB", memory_of, true},
};

/* What is drawn: one curve of one kind of search. */
struct plot {
    const struct sq_capacity *c;
    enum sq_grow grow;
    const struct curve *curve;
    double x_step, x_most, y_step, y_most; /* of the grid */
};

/* 1, 2 or 5 of a power of ten, so that few enough of them reach the top. */
static double step_to(double top, bool whole)
{
    double step = pow(10, floor(log10(top / TICKS_MOST)));
    static const double factors[] = {1, 2, 5, 10};
    for (size_t i = 0; i < sizeof(factors) / sizeof(*factors); i++) {
        if (top / (step * factors[i]) <= TICKS_MOST) {
            step *= factors[i];
            break;
        }
    }
    return whole && step < 1 ? 1 : step;
}

static bool is_drawn(const struct plot *p, const struct sq_capacity_level *l)
{
    return l->grow == p->grow && isfinite(p->curve->of(l));
}

static double x_of(const struct plot *p, double peers)
{
    return PLOT_LEFT + (PLOT_WIDTH - PLOT_LEFT - PLOT_RIGHT) * peers / p->x_most;
}

static double y_of(const struct plot *p, double value)
{
    return PLOT_TOP + (PLOT_HEIGHT - PLOT_TOP - PLOT_FOOT) * (1 - value / p->y_most);
}

static void put_axes(const struct plot *p, struct sq_buf *out)
{
    double foot = PLOT_HEIGHT - PLOT_FOOT;
    for (unsigned i = 0; i * p->y_step <= p->y_most * 1.0001; i++) {
        double y = y_of(p, i * p->y_step);
        sq_buf_printf(out,
                      "<line class=\"%s\" x1=\"%g\" y1=\"%.1f\" x2=\"%g\" y2=\"%.1f\"/>"
                      "<text x=\"%g\" y=\"%.1f\" text-anchor=\"end\">",
                      i == 0 ? "axis" : "grid", PLOT_LEFT, y, PLOT_WIDTH - PLOT_RIGHT, y,
                      PLOT_LEFT - 7, y + 4);
        sq_report_human(out, i * p->y_step);
        sq_buf_puts(out, "</text>\n");
    }
    for (unsigned i = 0; i * p->x_step <= p->x_most * 1.0001; i++) {
        double x = x_of(p, i * p->x_step);
        sq_buf_printf(out,
                      "<line class=\"%s\" x1=\"%.1f\" y1=\"%g\" x2=\"%.1f\" y2=\"%g\"/>"
                      "<text x=\"%.1f\" y=\"%g\" text-anchor=\"middle\">",
                      i == 0 ? "axis" : "grid", x, PLOT_TOP, x, foot, x, foot + 16);
        sq_report_human(out, i * p->x_step);
        sq_buf_puts(out, "</text>\n");
    }
    sq_buf_printf(out, "<text x=\"%g\" y=\"%g\" text-anchor=\"end\">peers</text>\n",
                  PLOT_WIDTH - PLOT_RIGHT, PLOT_HEIGHT - 5);
}

/* Of the trials of so many peers that say something of the service; NAN: there is none. */
static double mean_at(const struct plot *p, uint64_t peers)
{
    double sum = 0;
    size_t n = 0;
    for (size_t i = 0; i < p->c->levels_len; i++) {
        const struct sq_capacity_level *l = &p->c->levels[i];
        if (is_drawn(p, l) && l->peers == peers && l->outcome != SQ_TRIAL_INVALID) {
            sum += p->curve->of(l);
            n++;
        }
    }
    return n > 0 ? sum / (double)n : NAN;
}

/* From one number of peers to the next one that was tried. */
static void put_line(const struct plot *p, struct sq_buf *out)
{
    uint64_t at = 0;
    const char *command = "M";
    sq_buf_puts(out, "<path class=\"line\" style=\"stroke:var(--soft)\" d=\"");
    for (;;) {
        uint64_t next = UINT64_MAX;
        for (size_t i = 0; i < p->c->levels_len; i++) {
            const struct sq_capacity_level *l = &p->c->levels[i];
            if (is_drawn(p, l) && l->peers > at && l->peers < next) {
                next = l->peers;
            }
        }
        if (next == UINT64_MAX) {
            break;
        }
        double mean = mean_at(p, next);
        if (!isnan(mean)) {
            sq_buf_printf(out, "%s%.1f %.1f", command, x_of(p, (double)next), y_of(p, mean));
            command = "L";
        }
        at = next;
    }
    sq_buf_puts(out, "\"/>\n");
}

/* Told apart by shape as well: a dot, a cross, a triangle. */
static void put_mark(enum sq_trial_outcome outcome, double x, double y, struct sq_buf *out)
{
    static const char *const colors[] = {"--pass", "--fail", "--warn"};
    const char *color = colors[outcome];
    if (outcome == SQ_TRIAL_HELD) {
        sq_buf_printf(out, "<circle cx=\"%.1f\" cy=\"%.1f\" r=\"%g\" style=\"fill:var(%s)\">", x, y,
                      MARK, color);
    } else if (outcome == SQ_TRIAL_FAILED) {
        sq_buf_printf(out,
                      "<path d=\"M%.1f %.1fl%g %gm0 %gl%g %g\" style=\"fill:none;stroke:var(%s);"
                      "stroke-width:2.4\">",
                      x - MARK, y - MARK, 2 * MARK, 2 * MARK, -2 * MARK, -2 * MARK, 2 * MARK,
                      color);
    } else {
        sq_buf_printf(out, "<path d=\"M%.1f %.1fl%g %gh%gz\" style=\"fill:var(%s)\">", x, y - MARK,
                      MARK, 2 * MARK, -2 * MARK, color);
    }
}

static void put_marks(const struct plot *p, struct sq_buf *out)
{
    static const char *const ends[] = {"circle", "path", "path"};
    for (size_t i = 0; i < p->c->levels_len; i++) {
        const struct sq_capacity_level *l = &p->c->levels[i];
        if (!is_drawn(p, l)) {
            continue;
        }
        put_mark(l->outcome, x_of(p, (double)l->peers), y_of(p, p->curve->of(l)), out);
        sq_buf_puts(out, "<title>");
        sq_capacity_amount(l, out);
        sq_buf_printf(out, ", %s: ", sq_trial_name(l->outcome));
        sq_report_human(out, p->curve->of(l));
        sq_buf_printf(out, "</title></%s>\n", ends[l->outcome]);
    }
}

static void put_curve(const struct sq_capacity *c, enum sq_grow grow, const struct curve *curve,
                      struct sq_buf *out)
{
    struct plot p = {.c = c, .grow = grow, .curve = curve};
    double top = 0;
    double right = 0;
    for (size_t i = 0; i < c->levels_len; i++) {
        const struct sq_capacity_level *l = &c->levels[i];
        if (is_drawn(&p, l)) {
            top = fmax(top, curve->of(l));
            right = fmax(right, (double)l->peers);
        }
    }
    if (right <= 0) {
        return;
    }
    p.y_step = step_to(top > 0 ? top : 1, curve->of == failed_of);
    p.y_most = p.y_step * ceil((top > 0 ? top : 1) / p.y_step);
    p.x_step = step_to(right, true);
    p.x_most = p.x_step * ceil(right / p.x_step);
    sq_buf_printf(out,
                  "<figure class=\"card chart\"><figcaption class=\"chart-head\"><h3>%s</h3>"
                  "<span>%s</span></figcaption>\n<svg class=\"plot\" viewBox=\"0 0 %g %g\" "
                  "role=\"img\" aria-label=\"%s by peers; the same is in the table\">\n",
                  curve->title, curve->unit, PLOT_WIDTH, PLOT_HEIGHT, curve->title);
    put_axes(&p, out);
    put_line(&p, out);
    put_marks(&p, out);
    sq_buf_puts(out, "</svg></figure>\n");
}

static void put_key(struct sq_buf *out)
{
    static const char *const words[] = {"held: all expectations did", "failed: one did not",
                                        "invalid: Squall itself was at its limit"};
    sq_buf_puts(out, "<ul class=\"legend\">");
    for (size_t i = 0; i < 3; i++) {
        static const char *const ends[] = {"circle", "path", "path"};
        sq_buf_puts(out, "<li><svg width=\"12\" height=\"12\" aria-hidden=\"true\">");
        put_mark((enum sq_trial_outcome)i, 6, 6, out);
        sq_buf_printf(out, "</%s></svg>%s</li>", ends[i], words[i]);
    }
    sq_buf_puts(out, "</ul>\n");
}

static void put_curves(const struct sq_capacity *c, size_t search, struct sq_buf *out)
{
    static const char *const titles[] = {"The curve", "The curve: one room",
                                         "The curve: many rooms"};
    sq_buf_printf(out,
                  "<section><h2>%s</h2>\n<p class=\"note\">A mark a trial; the line is the mean of "
                  "those of one size, without the invalid ones.</p>\n",
                  titles[c->grow[search]]);
    put_key(out);
    sq_buf_puts(out, "<div class=\"charts\">\n");
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        put_curve(c, c->grow[search], &curves[i], out);
    }
    sq_buf_puts(out, "</div></section>\n");
}

/* ---- Tables ---- */

static void put_trial(const struct sq_capacity_level *l, bool generator, struct sq_buf *out)
{
    static const char *const classes[] = {"pass", "fail", "invalid"};
    sq_buf_puts(out, "<tr><th scope=\"row\"><a href=\"");
    sq_html_text(out, l->dir);
    sq_buf_puts(out, "/report.html\">");
    sq_capacity_amount(l, out);
    sq_buf_puts(out, "</a></th>");
    if (!generator) {
        sq_buf_printf(out, "<td><span class=\"badge is-%s\">%s</span>%s%s</td>",
                      classes[l->outcome], sq_trial_name(l->outcome),
                      l->probes     ? " is it there?"
                      : !l->counted ? " (does not count)"
                      : l->confirms ? " again"
                                    : "",
                      l->steady ? "" : " (not steady)");
    }
    size_t columns = 2;
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        if (curves[i].generator == generator) {
            sq_html_number_cell(out, curves[i].of(l));
            columns++;
        }
    }
    sq_buf_puts(out, "</tr>\n");
    if (!generator && l->outcome != SQ_TRIAL_HELD) {
        sq_buf_printf(out, "<tr class=\"why\"><td class=\"text\" colspan=\"%zu\">", columns);
        sq_html_text(out, l->reason);
        sq_buf_puts(out, "</td></tr>\n");
    }
}

static void put_table(const struct sq_capacity *c, bool generator, struct sq_buf *out)
{
    const char *title = generator ? "Generator and server, trial by trial" : "Every trial";
    sq_buf_printf(out,
                  "<section><h2>%s</h2>\n<div class=\"card scroll\" tabindex=\"0\" "
                  "role=\"region\" aria-label=\"%s\"><table><thead><tr>"
                  "<th scope=\"col\">Trial of</th>%s",
                  title, title, generator ? "" : "<th scope=\"col\">Outcome</th>");
    for (size_t i = 0; i < sizeof(curves) / sizeof(*curves); i++) {
        if (curves[i].generator == generator) {
            sq_buf_printf(out, "<th scope=\"col\" class=\"n\">%s</th>", curves[i].head);
        }
    }
    sq_buf_puts(out, "</tr></thead><tbody>\n");
    for (size_t i = 0; i < c->levels_len; i++) {
        put_trial(&c->levels[i], generator, out);
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
        sq_buf_puts(out, i + r->implied_len < r->expectations_len
                             ? "</code></li>\n"
                             : "</code> (always, unless peers.ok or peers.failed is expected)"
                               "</li>\n");
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
    put_table(r->capacity, false, out);
    put_table(r->capacity, true, out);
    put_notes(r, out);
    sq_buf_puts(out, "<footer><p><a href=\"capacity.json\">capacity.json</a> · "
                     "<a href=\"capacity.csv\">capacity.csv</a></p>\n<p><code>");
    sq_html_text(out, r->head->command);
    sq_buf_puts(out, "</code></p>\n");
    sq_html_made_by(r->head->tool_version, r->head->tool_commit, out);
    sq_buf_puts(out, "</main>\n</body>\n</html>\n");
}
