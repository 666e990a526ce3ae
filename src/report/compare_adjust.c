/* What is left of a chance result where many figures are looked at: of each side by itself, so that
 * what is said of one does not hang on which others stand beside it. */
#include "base/mem.h"
#include "report/compare_int.h"
#include "stats/rank.h"
#include "stats/relabel.h"
#include <math.h>

/* The figure of each run that is used, NAN where it has none; returns how many runs. */
static size_t runs_of(const struct sq_compare_side *side, struct sq_compare_figure f,
                      double *values)
{
    size_t n = 0;
    for (size_t i = 0; i < side->n; i++) {
        if (side->runs[i].used) {
            values[n++] = sq_store_figure(side->runs[i].run, f.id, f.agg);
        }
    }
    return n;
}

/* So far apart on the scale below is what counts, 5 % of a figure and what is of any matter at all:
 * a figure in which runs hardly differ does not hide one in which they do. It is the same whatever
 * threshold is asked for, so that p is, too. */
#define FLOOR (SQ_COMPARE_THRESHOLD / 100)

/* A scale on which times of 10 and 20 ms lie as far apart as 100 and 200, and what is next to
 * nothing by next to nothing: the logarithm, and near 0 a line. */
static double on_scale(double value, double least)
{
    double scaled = log1p(fabs(value) * FLOOR / least);
    return value < 0 ? -scaled : scaled;
}

static int by_runs(const struct sq_compare *c, const struct sq_compare_pair *pair, double *p)
{
    const struct sq_compare_side *before = &c->sides[0];
    const struct sq_compare_side *after = &c->sides[pair->side];
    size_t all = before->used + after->used;
    double *values = sq_calloc(pair->rows_count * all + 1, sizeof(*values));
    int err = values ? 0 : SQ_ERR_NOMEM;
    for (size_t k = 0; !err && k < pair->rows_count; k++) {
        const struct sq_compare_row *row = &pair->rows[k];
        double *at = values + k * all;
        size_t n = runs_of(before, row->figure, at);
        n += runs_of(after, row->figure, at + n);
        for (size_t i = 0; i < n; i++) {
            at[i] = on_scale(at[i], sq_compare_least_change(row)); /* NAN of NAN */
        }
    }
    err =
        err ? err : sq_relabel_test(values, FLOOR, pair->rows_count, before->used, after->used, p);
    sq_free(values);
    return err;
}

int sq_compare_adjust(const struct sq_compare *c, struct sq_compare_pair *pair)
{
    double *p = sq_calloc(pair->rows_count + 1, sizeof(*p));
    if (!p) {
        return SQ_ERR_NOMEM;
    }
    for (size_t i = 0; i < pair->rows_count; i++) {
        p[i] = pair->rows[i].p;
    }
    int err = pair->repeated ? by_runs(c, pair, p) : sq_rank_adjust(p, pair->rows_count);
    for (size_t i = 0; !err && i < pair->rows_count; i++) {
        /* The rank test has to say so too: one wild run does not decide. NAN of NAN. */
        pair->rows[i].p_adjusted = isnan(p[i]) ? NAN : fmax(p[i], pair->rows[i].p);
    }
    sq_free(p);
    return err;
}
