/* How those fared who had something in common: their part, their network. */
#include "base/mem.h"
#include "report/html_int.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define GROUPS_MAX 24 /* of a table; who belongs to none of them is counted together */

static const char groups_head[] =
    "<section id=\"groups\" aria-labelledby=\"h-groups\"><h2 id=\"h-groups\">Groups and networks"
    "</h2>\n<p class=\"note\">Set-up of those that connected; all else is the mean over them, each "
    "over its whole call.</p>\n";

static const char table_head[] =
    "<th scope=\"col\" class=\"n\">peers</th><th scope=\"col\" class=\"n\">ok</th>"
    "<th scope=\"col\" class=\"n\">failed</th>"
    "<th scope=\"col\" class=\"n\">set-up p50 ms</th><th scope=\"col\" class=\"n\">p95 ms</th>"
    "<th scope=\"col\" class=\"n\">video kbit/s</th>"
    "<th scope=\"col\" class=\"n\">video loss %</th>"
    "<th scope=\"col\" class=\"n\">frames/s</th><th scope=\"col\" class=\"n\">freezes</th>"
    "<th scope=\"col\" class=\"n\">audio loss %</th>"
    "<th scope=\"col\" class=\"n\">RTT ms</th></tr></thead><tbody>\n";

/* Which member of a row tells the group. */
enum by { BY_ROLE, BY_NETWORK };

enum figure { VIDEO_KBPS, VIDEO_LOSS, FPS, FREEZES, AUDIO_LOSS, RTT, FIGURES };

struct group {
    const char *name; /* borrowed from a row */
    uint64_t peers, ok, failed;
    double sum[FIGURES];
    uint64_t n[FIGURES];
};

struct groups {
    const struct sq_result *r;
    enum by by;
    struct group all[GROUPS_MAX];
    size_t n;
};

static const char *name_of(const struct sq_peer_row *p, enum by by)
{
    if (by == BY_NETWORK) {
        return p->network[0] ? p->network : "the machine's own";
    }
    return p->role[0] ? p->role : "peer";
}

static size_t group_of(struct groups *g, const struct sq_peer_row *p)
{
    const char *name = name_of(p, g->by);
    for (size_t i = 0; i < g->n; i++) {
        if (strcmp(g->all[i].name, name) == 0) {
            return i;
        }
    }
    if (g->n == GROUPS_MAX) {
        return GROUPS_MAX - 1;
    }
    g->all[g->n] = (struct group){.name = g->n == GROUPS_MAX - 1 ? "all others" : name};
    return g->n++;
}

static void note(struct group *g, enum figure figure, double value)
{
    if (isfinite(value)) {
        g->sum[figure] += value;
        g->n[figure]++;
    }
}

static void count_peer(struct groups *groups, const struct sq_peer_row *p)
{
    struct group *g = &groups->all[group_of(groups, p)];
    const struct sq_flow_totals *audio = &p->flow[SQ_FLOW_AUDIO_IN];
    const struct sq_flow_totals *video = &p->flow[SQ_FLOW_VIDEO_IN];
    g->peers++;
    g->ok += p->outcome == SQ_OUTCOME_OK;
    g->failed += p->outcome == SQ_OUTCOME_FAILED;
    if (!p->connected) {
        return;
    }
    if (video->tracks > 0) {
        note(g, VIDEO_KBPS, video->bitrate_kbps);
        note(g, VIDEO_LOSS, video->loss_percent);
        note(g, FPS, video->fps);
        note(g, FREEZES, (double)video->freezes);
    }
    if (audio->tracks > 0) {
        note(g, AUDIO_LOSS, audio->loss_percent);
    }
    /* Who only sends measures it on what it sends. */
    double rtt_ms = NAN;
    for (int f = SQ_FLOW_COUNT; f-- > 0;) {
        rtt_ms = isfinite(p->flow[f].rtt_ms) ? p->flow[f].rtt_ms : rtt_ms;
    }
    note(g, RTT, rtt_ms);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a;
    double y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Nearest rank, as in sq_hist_quantile. */
static double quantile(const double *sorted, size_t n, double q)
{
    size_t rank = (size_t)ceil(q * (double)n * (1 - 1e-12));
    return n > 0 ? sorted[rank > 0 ? rank - 1 : 0] : NAN;
}

static void put_set_up(struct groups *groups, size_t group, struct sq_buf *out)
{
    const struct sq_result *r = groups->r;
    double *ms = sq_malloc((size_t)groups->all[group].peers * sizeof(*ms));
    size_t n = 0;
    if (!ms) {
        out->err = SQ_ERR_NOMEM;
        return;
    }
    for (size_t i = 0; i < r->peer_count; i++) {
        double total_ms = r->peers[i].stage_ms[SQ_STAGE_TOTAL];
        if (isfinite(total_ms) && group_of(groups, &r->peers[i]) == group) {
            ms[n++] = total_ms;
        }
    }
    qsort(ms, n, sizeof(*ms), by_value);
    sq_html_number_cell(out, quantile(ms, n, 0.5));
    sq_html_number_cell(out, quantile(ms, n, 0.95));
    sq_free(ms);
}

static void put_group(struct groups *groups, size_t i, struct sq_buf *out)
{
    const struct group *g = &groups->all[i];
    sq_buf_puts(out, "<tr><th scope=\"row\">");
    sq_html_text(out, g->name);
    sq_buf_puts(out, "</th>");
    sq_html_number_cell(out, (double)g->peers);
    sq_html_number_cell(out, (double)g->ok);
    sq_buf_printf(out, "<td class=\"n%s\">", g->failed ? " bad" : "");
    sq_report_human(out, (double)g->failed);
    sq_buf_puts(out, "</td>");
    put_set_up(groups, i, out);
    for (int f = 0; f < FIGURES; f++) {
        sq_html_number_cell(out, g->n[f] ? g->sum[f] / (double)g->n[f] : NAN);
    }
    sq_buf_puts(out, "</tr>\n");
}

static void put_table(const struct sq_result *r, enum by by, const char *title, struct sq_buf *out)
{
    struct groups groups = {.r = r, .by = by};
    for (size_t i = 0; i < r->peer_count; i++) {
        count_peer(&groups, &r->peers[i]);
    }
    sq_buf_printf(out,
                  "<div class=\"card scroll\" tabindex=\"0\" role=\"region\" aria-label=\"Peers by "
                  "%s\"><table class=\"metrics close\"><thead><tr><th scope=\"col\">%s</th>",
                  title, title);
    sq_buf_puts(out, table_head);
    for (size_t i = 0; i < groups.n; i++) {
        put_group(&groups, i, out);
    }
    sq_buf_puts(out, "</tbody></table></div>\n");
}

void sq_html_groups(const struct sq_result *r, struct sq_buf *out)
{
    bool networks = false;
    for (size_t i = 0; i < r->peer_count && !networks; i++) {
        networks = r->peers[i].network[0] != '\0';
    }
    sq_buf_puts(out, groups_head);
    if (r->peer_count == 0) {
        sq_buf_puts(out, "<p class=\"note\">No peer was started.</p>\n");
    } else {
        put_table(r, BY_ROLE, "group", out);
    }
    if (networks) {
        put_table(r, BY_NETWORK, "network", out);
    }
    sq_buf_puts(out, "</section>\n");
}
