/* What steps and scripts time and count, in report.html. */
#include "report/html_int.h"

static const char own_head[] =
    "<section id=\"own\" aria-labelledby=\"h-own\"><h2 id=\"h-own\">Timers and counters</h2>\n"
    "<p class=\"note\">What the steps and scripts of this run time and count by themselves.</p>\n";
static const char timers_table[] =
    "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of timers\">"
    "<table class=\"metrics close\"><thead><tr><th scope=\"col\">timer</th>"
    "<th scope=\"col\">unit</th><th scope=\"col\" class=\"n\">avg</th>"
    "<th scope=\"col\" class=\"n\">min</th><th scope=\"col\" class=\"n\">p50</th>"
    "<th scope=\"col\" class=\"n\">p95</th><th scope=\"col\" class=\"n\">p99</th>"
    "<th scope=\"col\" class=\"n\">max</th><th scope=\"col\" class=\"n\">count</th></tr></thead>"
    "<tbody>\n";
static const char counters_table[] =
    "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Table of counters\">"
    "<table class=\"metrics close\"><thead><tr><th scope=\"col\">counter</th>"
    "<th scope=\"col\" class=\"n\">value</th></tr></thead><tbody>\n";
static const char table_end[] = "</tbody></table></div>\n";

/* As expectations name it. */
static void put_name(struct sq_buf *out, const char *kind, const char *name)
{
    sq_buf_printf(out, "<tr><th scope=\"row\"><code>%s.", kind);
    sq_html_text(out, name);
    sq_buf_puts(out, "</code></th>");
}

static void put_timer(const struct sq_timer_row *row, struct sq_buf *out)
{
    const struct sq_metric_figures *f = &row->figures;
    const double figures[] = {f->avg, f->min, f->p50, f->p95, f->p99, f->max};
    put_name(out, "timer", row->name);
    sq_buf_puts(out, "<td>ms</td>");
    for (size_t i = 0; i < sizeof(figures) / sizeof(figures[0]); i++) {
        sq_html_number_cell(out, figures[i]);
    }
    sq_html_number_cell(out, (double)f->count);
    sq_buf_puts(out, "</tr>\n");
}

void sq_html_own(const struct sq_result *r, struct sq_buf *out)
{
    if (r->timers_len == 0 && r->counters_len == 0) {
        return;
    }
    sq_buf_puts(out, own_head);
    sq_buf_puts(out, r->timers_len ? timers_table : "");
    for (size_t i = 0; i < r->timers_len; i++) {
        put_timer(&r->timers[i], out);
    }
    sq_buf_puts(out, r->timers_len ? table_end : "");
    sq_buf_puts(out, r->counters_len ? counters_table : "");
    for (size_t i = 0; i < r->counters_len; i++) {
        put_name(out, "counter", r->counters[i].name);
        sq_html_number_cell(out, (double)r->counters[i].count);
        sq_buf_puts(out, "</tr>\n");
    }
    sq_buf_puts(out, r->counters_len ? table_end : "");
    sq_buf_puts(out, "</section>\n");
}
