#include "cli/compare_options.h"

#include "base/str.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sq_compare_threshold(const char *name, const char *text, double *ret_percent, char *why,
                         size_t why_room)
{
    char *end;
    double percent = strtod(text, &end);
    if (end == text || (strcmp(end, "") != 0 && strcmp(end, "%") != 0) || !(percent > 0) ||
        !isfinite(percent)) {
        snprintf(why, why_room, "--%s %.80s: expected a percentage above 0, such as 5%%", name,
                 text);
        return SQ_ERR_INVALID;
    }
    *ret_percent = percent;
    return 0;
}

int sq_compare_metric(const char *text, struct sq_compare_figure *ret_figure, char *why,
                      size_t why_room)
{
    struct sq_compare_figure figure;
    if (sq_metric_parse(sq_view_of(text), &figure.id, &figure.agg) != 0) {
        const char *near = sq_metric_nearest(sq_view_of(text));
        snprintf(why, why_room,
                 "--metric %.80s: expected the name of a metric, such as setup.total.p95%s%s%s",
                 text, near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
        return SQ_ERR_INVALID;
    }
    if (strncmp(text, "generator.", 10) == 0) {
        snprintf(why, why_room,
                 "--metric %.80s: is of the generator, and not of the service: it makes runs "
                 "INVALID, and is not compared",
                 text);
        return SQ_ERR_INVALID;
    }
    if (!sq_store_has_agg(figure.agg)) {
        snprintf(why, why_room,
                 "--metric %.80s: results have avg, min, max, p50, p90, p95 and p99 of it", text);
        return SQ_ERR_INVALID;
    }
    *ret_figure = figure;
    return 0;
}
