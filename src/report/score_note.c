/* The score in words: what it is, how it spreads, and what the points were lost to. */
#include "report/report_int.h"
#include <math.h>

#define LOST_LEAST 0.05 /* of a point, on average: less is not worth a word */

static double fifth_percentile(const struct sq_result *r, enum sq_metric_id id)
{
    const struct sq_metric_row *m = sq_result_metric(r, id);
    const struct sq_agg p5 = {SQ_AGG_QUANTILE, 0.05};
    return m ? sq_metric_aggregate(m->hist, id, p5) : NAN;
}

/* Who is worst, and the part that took most of it. */
static void put_worst(const struct sq_result *r, struct sq_buf *out)
{
    const struct sq_peer_row *worst = NULL;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        if (isfinite(p->score.score) && (!worst || p->score.score < worst->score.score)) {
            worst = p;
        }
    }
    if (!worst) {
        return;
    }
    int most = 0;
    for (int i = 1; i < SQ_SCORE_PARTS; i++) {
        most = worst->score.penalties[i] > worst->score.penalties[most] ? i : most;
    }
    sq_buf_puts(out, "the worst ");
    sq_report_human(out, worst->score.score);
    sq_buf_printf(out, " (%s", worst->id);
    if (worst->score.penalties[most] > 0) {
        sq_buf_printf(out, ": %s", sq_score_part_words((enum sq_score_part)most));
    } else if (worst->score.score == 0) {
        sq_buf_puts(out, worst->connected ? ": failed" : ": never connected");
    }
    sq_buf_puts(out, ")");
}

/* The run's figure, and where most of the peers lie. True: there are several. */
static bool put_spread(const struct sq_result *r, enum sq_metric_id id, double mean, const char *of,
                       struct sq_buf *out)
{
    const struct sq_metric_row *m = sq_result_metric(r, id);
    if (!m || !isfinite(mean)) {
        return false;
    }
    unsigned long long peers = m->hist->sums.count;
    sq_report_human(out, mean);
    sq_buf_printf(out, " of %s over %llu peer%s", of, peers, peers == 1 ? "" : "s");
    if (peers > 1) {
        sq_buf_puts(out, "; 5 % of them have ");
        sq_report_human(out, fifth_percentile(r, id));
        sq_buf_puts(out, " or less");
    }
    return peers > 1;
}

void sq_report_score_note(const struct sq_result *r, struct sq_buf *out)
{
    if (put_spread(r, SQ_METRIC_SCORE, r->score, "10", out)) {
        sq_buf_puts(out, ", ");
        put_worst(r, out);
    }
}

void sq_report_mos_note(const struct sq_result *r, struct sq_buf *out)
{
    (void)put_spread(r, SQ_METRIC_MOS, r->mos, "at most 4.41", out);
}

void sq_report_lost_points(const struct sq_result *r, struct sq_buf *out)
{
    double sums[SQ_SCORE_PARTS] = {0};
    bool told[SQ_SCORE_PARTS] = {false};
    double peers = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_score *s = &r->peers[i].score;
        peers += s->score > 0;
        for (int part = 0; part < SQ_SCORE_PARTS && s->score > 0; part++) {
            sums[part] += s->penalties[part];
        }
    }
    for (int n = 0; n < SQ_SCORE_PARTS && peers > 0; n++) {
        int most = -1;
        for (int part = 0; part < SQ_SCORE_PARTS; part++) {
            if (!told[part] && (most < 0 || sums[part] > sums[most])) {
                most = part;
            }
        }
        told[most] = true;
        if (sums[most] / peers < LOST_LEAST) {
            return;
        }
        sq_buf_printf(out, "%s%s ", n > 0 ? ", " : "",
                      sq_score_part_words((enum sq_score_part)most));
        sq_report_human(out, sums[most] / peers);
    }
}
