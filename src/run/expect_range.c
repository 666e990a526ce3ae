/* Between what numbers the figures of a term lie. Beyond them it would hold always, or never. */
#include "run/expect_parse_int.h"
#include <math.h>
#include <stdio.h>

struct range {
    double low, high; /* in the term's unit; INFINITY: it has no end */
};

static struct range range_of_metric(enum sq_metric_id id)
{
    switch (sq_metric_get(id)->unit) {
    case SQ_UNIT_POINTS:
        return (struct range){0, 10};
    case SQ_UNIT_MOS:
        return (struct range){1, 4.5}; /* ITU-T G.107, Annex B */
    case SQ_UNIT_PERCENT:
        /* CPU time and the second that it is of are read from two clocks: it may be a bit more. */
        return (struct range){0, id == SQ_METRIC_GENERATOR_CPU ? INFINITY : 100};
    default:
        return (struct range){0, INFINITY};
    }
}

static struct range range_of_term(const struct sq_expect_node *node)
{
    struct range r = range_of_metric(node->metric);
    if (node->share) {
        return (struct range){0, 100};
    }
    if (node->timed) {
        return (struct range){0, INFINITY};
    }
    switch (node->agg.kind) {
    case SQ_AGG_COUNT:
    case SQ_AGG_RATE:
    case SQ_AGG_TOTAL:
    case SQ_AGG_RSTDDEV:
        return (struct range){0, INFINITY};
    case SQ_AGG_STDDEV:
        return (struct range){0, r.high - r.low};
    default:
        return r;
    }
}

/* "score", "video.in.loss.p95", "timer.login", "time()". */
static void name_term(const struct sq_expect_node *node, char out[static 128])
{
    const char *metric = node->timed ? "time()" : sq_metric_get(node->metric)->name;
    bool own = node->own[0] && !node->timed;
    snprintf(out, 128, "%s%s%s%s%s", metric, own ? "." : "", own ? node->own : "",
             node->agg_text[0] ? "." : "", node->agg_text);
}

int sq_expect_check_range(struct sq_expect_parser *p, const struct sq_expect_node *node,
                          const char *at)
{
    struct range r = range_of_term(node);
    bool plain = node->agg.kind == SQ_AGG_COUNT || node->agg.kind == SQ_AGG_RATE;
    const char *unit = node->share ? "%" : plain ? "" : sq_metric_unit_text(sq_expect_unit(node));
    const char *space = unit[0] ? " " : "";
    char name[128];
    name_term(node, name);
    if (node->number < r.low || node->number > r.high) {
        return isinf(r.high)
                   ? sq_expect_fail(p, SQ_ERR_FORMAT, at,
                                    "%s is never below 0: expected 0 or more, found %.6g%s%s", name,
                                    node->number, space, unit)
                   : sq_expect_fail(p, SQ_ERR_FORMAT, at,
                                    "%s is from %g to %g%s%s: expected a number of these, found "
                                    "%.6g",
                                    name, r.low, r.high, space, unit, node->number);
    }
    return 0;
}
