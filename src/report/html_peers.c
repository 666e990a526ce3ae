/* The worst peers of report.html, each with its story, and the bar of set-up stages. */
#include "report/html_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static const char peers_head[] =
    "<section id=\"peers\" aria-labelledby=\"h-peers\"><h2 id=\"h-peers\">Worst peers</h2>\n"
    "<p class=\"note\">Those to look at first: failed ones, different causes before alike ones, "
    "then the connected ones with the longest freezes, the most loss and the slowest set-up. Open "
    "one for its story.</p>\n";

#define PAIR_EVENT "candidatepair" /* a pair as it was last; src/run/user_ice.c */

static const char flow_table[] =
    ": media\"><table><thead><tr><th scope=\"col\">direction</th>"
    "<th scope=\"col\" class=\"n\">tracks</th><th scope=\"col\" class=\"n\">kbit/s</th>"
    "<th scope=\"col\" class=\"n\">packets</th><th scope=\"col\" class=\"n\">loss %</th>"
    "<th scope=\"col\" class=\"n\">jitter ms</th><th scope=\"col\" class=\"n\">round trip ms</th>"
    "<th scope=\"col\" class=\"n\">frames/s</th><th scope=\"col\" class=\"n\">freezes</th>"
    "<th scope=\"col\" class=\"n\">frozen ms</th></tr></thead><tbody>\n";

static const char events_before_label[] =
    "<h3>Events</h3><div class=\"events scroll\" tabindex=\"0\" role=\"region\" "
    "aria-label=\"Events of ";
static const char events_after_label[] =
    "\"><table><thead><tr><th scope=\"col\" class=\"n\">s</th><th scope=\"col\">event</th>"
    "<th scope=\"col\">value</th></tr></thead><tbody>\n";

void sq_html_stages(struct sq_buf *out, const double stage_ms[SQ_STAGE_COUNT])
{
    double sum = 0;
    for (int s = 0; s < SQ_STAGE_TOTAL; s++) {
        sum += isfinite(stage_ms[s]) ? stage_ms[s] : 0;
    }
    if (sum <= 0) {
        return;
    }
    sq_buf_puts(out, "<div class=\"stages\" aria-hidden=\"true\">");
    for (int s = 0; s < SQ_STAGE_TOTAL; s++) {
        if (isfinite(stage_ms[s]) && stage_ms[s] > 0) {
            sq_buf_printf(out, "<i class=\"s%d\" style=\"flex:%.4f\"></i>", s + 1,
                          stage_ms[s] / sum);
        }
    }
    sq_buf_puts(out, "</div><ul class=\"keys\">");
    for (int s = 0; s < SQ_STAGE_COUNT; s++) {
        if (!isfinite(stage_ms[s])) {
            continue;
        }
        sq_buf_printf(out, "<li>");
        if (s < SQ_STAGE_TOTAL) {
            sq_buf_printf(out, "<i class=\"s%d\"></i>", s + 1);
        }
        sq_buf_printf(out, "%s <b>", sq_stage_name((enum sq_stage)s));
        sq_report_human_unit(out, stage_ms[s], "ms");
        sq_buf_puts(out, "</b></li>");
    }
    sq_buf_puts(out, "</ul>\n");
}

static void put_flows(const struct sq_peer_row *p, struct sq_buf *out)
{
    bool any = false;
    for (int i = 0; i < SQ_FLOW_COUNT; i++) {
        any = any || p->flow[i].packets > 0;
    }
    if (!any) {
        return;
    }
    sq_buf_puts(out, "<h3>Media</h3><div class=\"scroll\" tabindex=\"0\" role=\"region\" "
                     "aria-label=\"");
    sq_html_text(out, p->id);
    sq_buf_puts(out, flow_table);
    for (int i = 0; i < SQ_FLOW_COUNT; i++) {
        const struct sq_flow_totals *f = &p->flow[i];
        bool picture = i == SQ_FLOW_VIDEO_IN;
        if (f->packets == 0) {
            continue;
        }
        sq_buf_printf(out, "<tr><th scope=\"row\">%s</th><td class=\"n\">%u</td>",
                      sq_flow_name((enum sq_flow)i), f->tracks);
        const double cells[] = {f->bitrate_kbps,
                                (double)f->packets,
                                f->loss_percent,
                                f->jitter_ms,
                                f->rtt_ms,
                                f->fps,
                                picture ? (double)f->freezes : NAN,
                                f->freeze_ms};
        for (size_t k = 0; k < sizeof(cells) / sizeof(cells[0]); k++) {
            sq_html_number_cell(out, cells[k]);
        }
        sq_buf_puts(out, "</tr>\n");
    }
    sq_buf_puts(out, "</tbody></table></div>\n");
}

static void put_path(const struct sq_peer_row *p, struct sq_buf *out)
{
    if (!p->pair[0] && !p->local_candidate[0]) {
        return;
    }
    sq_buf_puts(out, "<h3>Path</h3><code>");
    sq_html_text(out, p->pair);
    sq_buf_puts(out, "</code> (");
    sq_html_text(out, p->local_candidate);
    sq_buf_puts(out, " → ");
    sq_html_text(out, p->remote_candidate);
    sq_buf_puts(out, ")\n");
}

/* A value's first line; descriptions are in the dump. */
static void put_event_value(struct sq_buf *out, const char *value)
{
    char line[161];
    size_t n = 0;
    while (value[n] && value[n] != '\r' && value[n] != '\n') {
        n++;
    }
    snprintf(line, sizeof(line), "%.*s", (int)(n < 156 ? n : 156), value);
    sq_html_text(out, line);
    sq_buf_puts(out, value[n] || n > 156 ? " …" : "");
}

static void put_pairs(const struct sq_peer_trace *t, struct sq_buf *out)
{
    bool any = false;
    for (size_t i = 0; i < t->event_count; i++) {
        if (strcmp(t->events[i].type, PAIR_EVENT) == 0) {
            sq_buf_puts(out, any ? "" : "<h3>Candidate pairs</h3><ul class=\"pairs-list\">\n");
            sq_buf_puts(out, "<li><code>");
            put_event_value(out, t->events[i].value);
            sq_buf_puts(out, "</code></li>\n");
            any = true;
        }
    }
    sq_buf_puts(out, any ? "</ul>\n" : "");
}

static void put_events(const struct sq_peer_trace *t, const char *id, struct sq_buf *out)
{
    size_t put = 0, more = 0;
    if (t->event_count == 0) {
        return;
    }
    sq_buf_puts(out, events_before_label);
    sq_html_text(out, id);
    sq_buf_puts(out, events_after_label);
    for (size_t i = 0; i < t->event_count; i++) {
        const struct sq_trace_event *e = &t->events[i];
        if (strcmp(e->type, PAIR_EVENT) == 0) {
            continue;
        }
        if (put == SQ_HTML_EVENTS_MAX) {
            more++;
            continue;
        }
        put++;
        sq_buf_printf(out, "<tr><td class=\"n\">%.3f</td><th scope=\"row\">", e->t_ms / 1000);
        sq_html_text(out, e->type);
        sq_buf_puts(out, "</th><td class=\"text\">");
        put_event_value(out, e->value);
        sq_buf_puts(out, "</td></tr>\n");
    }
    if (more + t->events_dropped > 0) {
        sq_buf_printf(out, "<tr><td></td><td colspan=\"2\">and %zu more</td></tr>\n",
                      more + t->events_dropped);
    }
    sq_buf_puts(out, "</tbody></table></div>\n");
}

/* One line about a peer that is connected. */
static void put_why(const struct sq_peer_row *p, struct sq_buf *out)
{
    const struct sq_flow_totals *v = &p->flow[SQ_FLOW_VIDEO_IN];
    const char *comma = "";
    if (p->outcome == SQ_OUTCOME_FAILED) {
        sq_html_text(out, p->message[0] ? p->message : sq_failure_words(p->cause));
        return;
    }
    if (p->drops > 0) {
        sq_buf_printf(out, "dropped %u time%s", p->drops, p->drops == 1 ? "" : "s");
        if (isfinite(p->gap_ms)) {
            sq_buf_puts(out, ", ");
            sq_report_human_unit(out, p->gap_ms, "ms");
            sq_buf_puts(out, " without media");
        }
        comma = "; ";
    }
    if (v->freezes > 0) {
        sq_buf_puts(out, comma);
        sq_buf_printf(out, "%llu freezes, ", (unsigned long long)v->freezes);
        sq_report_human_unit(out, v->freeze_ms, "ms");
        sq_buf_puts(out, " frozen");
        comma = "; ";
    }
    if (isfinite(v->loss_percent)) {
        sq_buf_printf(out, "%svideo loss ", comma);
        sq_report_human_unit(out, v->loss_percent, "%");
        comma = "; ";
    }
    if (isfinite(p->stage_ms[SQ_STAGE_TOTAL])) {
        sq_buf_printf(out, "%sset up in ", comma);
        sq_report_human_unit(out, p->stage_ms[SQ_STAGE_TOTAL], "ms");
    }
}

static void put_dump_link(const struct sq_result *r, size_t peer, struct sq_buf *out)
{
    struct sq_buf name = {0};
    if (!sq_result_trace(r, peer)) {
        return;
    }
    sq_report_dump_name(r, peer, &name);
    if (!name.err) {
        sq_buf_puts(out, "<h3>Dump</h3><a href=\"" SQ_REPORT_DUMP_DIR "/");
        sq_html_text(out, name.text);
        sq_buf_puts(out, "\">statistics and events</a>, as chrome://webrtc-internals writes "
                         "them\n");
    }
    out->err = out->err ? out->err : name.err;
    sq_buf_free(&name);
}

static void put_peer(const struct sq_result *r, size_t peer,
                     const struct sq_report_html_options *options, struct sq_buf *out)
{
    const struct sq_peer_row *p = &r->peers[peer];
    const struct sq_peer_trace *t = sq_result_story(r, peer);
    bool failed = p->outcome == SQ_OUTCOME_FAILED;
    sq_buf_puts(out, "<details class=\"peer card\"><summary><strong>");
    sq_html_text(out, p->id);
    sq_buf_printf(out, "</strong> <span class=\"badge is-%s\">%s</span> <span class=\"why\">",
                  failed                        ? "fail"
                  : p->outcome == SQ_OUTCOME_OK ? "pass"
                                                : "warn",
                  failed ? sq_failure_name(p->cause) : sq_outcome_name(p->outcome));
    put_why(p, out);
    sq_buf_puts(out, "</span></summary><div class=\"story\">\n<h3>Who and when</h3>");
    sq_html_text(out, p->role[0] ? p->role : "peer");
    if (p->room[0]) {
        sq_buf_puts(out, " in ");
        sq_html_text(out, p->room);
    }
    sq_buf_puts(out, ", started at ");
    sq_report_human_unit(out, p->start_ms / 1000, "s");
    if (isfinite(p->end_ms)) {
        sq_buf_puts(out, ", ended at ");
        sq_report_human_unit(out, p->end_ms / 1000, "s");
    }
    if (p->network[0]) {
        sq_buf_puts(out, ", over the network ");
        sq_html_text(out, p->network);
    }
    sq_buf_puts(out, "\n<h3>Set-up</h3>");
    sq_html_stages(out, p->stage_ms);
    if (t) {
        sq_html_strip(&t->strip, out);
    }
    put_flows(p, out);
    put_path(p, out);
    if (t) {
        put_pairs(t, out);
        put_events(t, p->id, out);
    }
    if (options->in_directory) {
        put_dump_link(r, peer, out);
    }
    sq_buf_puts(out, "</div></details>\n");
}

void sq_html_worst_peers(const struct sq_result *r, const struct sq_report_html_options *options,
                         struct sq_buf *out)
{
    size_t worst[SQ_REPORT_WORST_MAX];
    size_t n = sq_report_worst(r, worst);
    sq_buf_puts(out, peers_head);
    for (size_t i = 0; i < n; i++) {
        put_peer(r, worst[i], options, out);
    }
    if (n == 0) {
        sq_buf_puts(out, "<p class=\"note\">Nothing stands out.</p>\n");
    }
    sq_buf_puts(out, "</section>\n");
}
