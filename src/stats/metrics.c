#include "stats/metrics.h"

#include <math.h>
#include <string.h>

int sq_metric_find(struct sq_view name)
{
    for (unsigned i = 0; i < SQ_METRIC_COUNT; i++) {
        if (sq_view_is(name, sq_metric_get((enum sq_metric_id)i)->name)) {
            return (int)i;
        }
    }
    return SQ_ERR_NOTFOUND;
}

const char *sq_metric_nearest(struct sq_view name)
{
    const char *best = NULL;
    unsigned least = name.len < 9 ? 3 : 5; /* more edits than that is another word */
    for (unsigned i = 0; i < SQ_METRIC_COUNT; i++) {
        const char *candidate = sq_metric_get((enum sq_metric_id)i)->name;
        unsigned distance = sq_edits(name, candidate);
        if (distance < least) {
            least = distance;
            best = candidate;
        }
    }
    return best;
}

const char *sq_metric_unit_text(enum sq_metric_unit unit)
{
    switch (unit) {
    case SQ_UNIT_COUNT:
        return "";
    case SQ_UNIT_KBPS:
        return "kbit/s";
    case SQ_UNIT_PERCENT:
        return "%";
    case SQ_UNIT_MS:
        return "ms";
    case SQ_UNIT_FPS:
        return "frames/s";
    case SQ_UNIT_PIXELS:
        return "px";
    case SQ_UNIT_POINTS:
        return "points";
    case SQ_UNIT_MOS:
        return "MOS";
    }
    return "";
}

const char *sq_metric_sampling_text(enum sq_metric_sampling sampling)
{
    switch (sampling) {
    case SQ_SAMPLING_PEER_SECOND:
        return "each second of each connected peer, its tracks summed";
    case SQ_SAMPLING_TRACK_SECOND:
        return "each second of each track that carries media";
    case SQ_SAMPLING_MESSAGE:
        return "each message that came on a data channel";
    case SQ_SAMPLING_REPORT:
        return "each report that came in (RTCP) or check that was answered (ICE)";
    case SQ_SAMPLING_PEER_TOTAL:
        return "once a peer, at its end, over its whole call, all tracks together";
    case SQ_SAMPLING_PEER_ONCE:
        return "once a peer, when the phase ends";
    case SQ_SAMPLING_PEER_END:
        return "once a peer, at its end; those that failed or never connected, too";
    case SQ_SAMPLING_RUN:
        return "once, over all peers";
    case SQ_SAMPLING_TIMER:
        return "each timer of the generator that fires";
    case SQ_SAMPLING_FRAME:
        return "each frame (video) or packet (audio) that carries a time-tag";
    case SQ_SAMPLING_RETURN:
        return "each time that a dropped peer came back";
    case SQ_SAMPLING_STEP:
        return "each time that a peer comes to such a step of its scenario";
    case SQ_SAMPLING_THREAD_SECOND:
        return "each second of each generator thread";
    }
    return "";
}

void sq_metric_record(struct sq_hist *h, enum sq_metric_id id, double value)
{
    const struct sq_metric *metric = sq_metric_get(id);
    if (!metric || isnan(value)) {
        return;
    }
    double steps = value * metric->scale;
    if (steps < 0) {
        steps = 0;
    }
    /* Past the histogram's range, it is that one which clamps and counts. */
    sq_hist_record(h, steps >= 0x1p63 ? UINT64_MAX : (uint64_t)(steps + 0.5));
}

double sq_metric_value(enum sq_metric_id id, double steps)
{
    const struct sq_metric *metric = sq_metric_get(id);
    return metric ? steps / metric->scale : NAN;
}

int sq_agg_parse(struct sq_view text, struct sq_agg *ret_agg)
{
    static const struct {
        const char *name;
        enum sq_agg_kind kind;
    } names[] = {
        {"avg", SQ_AGG_AVG},       {"min", SQ_AGG_MIN},     {"max", SQ_AGG_MAX},
        {"stddev", SQ_AGG_STDDEV}, {"count", SQ_AGG_COUNT}, {"rate", SQ_AGG_RATE},
        {"last", SQ_AGG_LAST},     {"total", SQ_AGG_TOTAL}, {"rstddev", SQ_AGG_RSTDDEV},
    };
    static const struct {
        const char *name;
        double q;
    } loadero[] = {{"1st", 0.01},  {"5th", 0.05},  {"25th", 0.25}, {"50th", 0.5},
                   {"75th", 0.75}, {"95th", 0.95}, {"99th", 0.99}};
    for (size_t i = 0; i < sizeof(loadero) / sizeof(*loadero); i++) {
        if (sq_view_is(text, loadero[i].name)) {
            *ret_agg = (struct sq_agg){SQ_AGG_QUANTILE, loadero[i].q};
            return 0;
        }
    }
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (sq_view_is(text, names[i].name)) {
            *ret_agg = (struct sq_agg){names[i].kind, 0};
            return 0;
        }
    }
    /* p1 .. p99, p99.9: two digits at most, not beginning with 0, and two more after a point. */
    if (text.len < 2 || text.at[0] != 'p' || text.at[1] == '0') {
        return SQ_ERR_NOTFOUND;
    }
    struct sq_view rest = {text.at + 1, text.len - 1};
    struct sq_view whole = sq_view_cut(&rest, '.');
    uint64_t percent;
    uint64_t part = 0;
    if (whole.len > 2 || sq_view_u64(whole, 99, &percent) != 0) {
        return SQ_ERR_NOTFOUND;
    }
    if (rest.at && (rest.len < 1 || rest.len > 2 || sq_view_u64(rest, 99, &part) != 0)) {
        return SQ_ERR_NOTFOUND;
    }
    double share = rest.at && rest.len == 2 ? (double)part / 100 : (double)part / 10;
    *ret_agg = (struct sq_agg){SQ_AGG_QUANTILE, ((double)percent + share) / 100};
    return 0;
}

int sq_metric_parse(struct sq_view text, enum sq_metric_id *ret_id, struct sq_agg *ret_agg)
{
    int best = SQ_ERR_NOTFOUND;
    size_t best_len = 0;
    for (unsigned i = 0; i < SQ_METRIC_COUNT; i++) {
        const char *name = sq_metric_get((enum sq_metric_id)i)->name;
        size_t len = strlen(name);
        if (len > best_len && sq_view_starts(text, name) &&
            (text.len == len || text.at[len] == '.')) {
            best = (int)i;
            best_len = len;
        }
    }
    if (best < 0) {
        return best;
    }
    struct sq_agg agg = {SQ_AGG_AVG, 0};
    if (text.len > best_len) {
        struct sq_view rest = {text.at + best_len + 1, text.len - best_len - 1};
        int err = sq_agg_parse(rest, &agg);
        if (err) {
            return err;
        }
    }
    *ret_id = (enum sq_metric_id)best;
    *ret_agg = agg;
    return 0;
}

double sq_metric_aggregate(const struct sq_hist *h, enum sq_metric_id id, struct sq_agg agg)
{
    if (agg.kind == SQ_AGG_COUNT) {
        return (double)h->sums.count;
    }
    if (agg.kind == SQ_AGG_RATE || (agg.kind == SQ_AGG_TOTAL && h->sums.count > 0)) {
        return sq_metric_value(id, sq_hist_sum(&h->sums));
    }
    if (h->sums.count == 0) {
        return NAN;
    }
    switch (agg.kind) {
    case SQ_AGG_AVG:
        return sq_metric_value(id, sq_hist_avg(&h->sums));
    case SQ_AGG_MIN:
        return sq_metric_value(id, (double)h->sums.min);
    case SQ_AGG_MAX:
        return sq_metric_value(id, (double)h->sums.max);
    case SQ_AGG_QUANTILE:
        return sq_metric_value(id, (double)sq_hist_quantile(h, agg.q));
    case SQ_AGG_STDDEV:
        return sq_metric_value(id, sq_hist_stddev(&h->sums));
    case SQ_AGG_RSTDDEV:
        return h->sums.max > 0 ? 100 * sq_hist_stddev(&h->sums) / sq_hist_avg(&h->sums) : NAN;
    default:
        return NAN;
    }
}
