#include "report/compare.h"

#include "base/mem.h"
#include "report/compare_int.h"
#include "report/report_int.h"
#include "stats/rank.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define STALL_MS 50 /* longer than play-out bridges, and what src/run/health.c calls late */

/* What is looked at unless it is said: what users feel, in the order of reading. Each more makes
 * the others harder to tell from noise. The average, unless it says otherwise. */
static const struct sq_compare_figure usual[] = {
    {.id = SQ_METRIC_PEERS_FAILED},
    {.id = SQ_METRIC_PEERS_DROPPED},
    {.id = SQ_METRIC_PEERS_RECONNECT},
    {.id = SQ_METRIC_SCORE},
    {.id = SQ_METRIC_MOS},
    {.id = SQ_METRIC_SETUP_TOTAL},
    {SQ_METRIC_SETUP_TOTAL, {SQ_AGG_QUANTILE, 0.95}},
    {.id = SQ_METRIC_VIDEO_IN_BITRATE},
    {.id = SQ_METRIC_VIDEO_IN_LOSS},
    {.id = SQ_METRIC_VIDEO_IN_JITTER},
    {.id = SQ_METRIC_VIDEO_IN_RTT},
    {.id = SQ_METRIC_VIDEO_IN_FPS},
    {.id = SQ_METRIC_VIDEO_IN_FREEZES},
    {.id = SQ_METRIC_VIDEO_IN_FREEZE},
    {.id = SQ_METRIC_VIDEO_IN_LATENCY},
    {SQ_METRIC_VIDEO_IN_LATENCY, {SQ_AGG_QUANTILE, 0.95}},
    {.id = SQ_METRIC_AUDIO_IN_BITRATE},
    {.id = SQ_METRIC_AUDIO_IN_LOSS},
    {.id = SQ_METRIC_AUDIO_IN_JITTER},
    {.id = SQ_METRIC_AUDIO_IN_RTT},
    {.id = SQ_METRIC_AUDIO_IN_LATENCY},
    {SQ_METRIC_AUDIO_IN_LATENCY, {SQ_AGG_QUANTILE, 0.95}},
    {.id = SQ_METRIC_AUDIO_IN_CONCEALMENT},
    {.id = SQ_METRIC_VIDEO_OUT_BITRATE},
    {.id = SQ_METRIC_VIDEO_OUT_LOSS},
    {.id = SQ_METRIC_VIDEO_OUT_RTT},
    {.id = SQ_METRIC_AUDIO_OUT_BITRATE},
    {.id = SQ_METRIC_AUDIO_OUT_LOSS},
    {.id = SQ_METRIC_AUDIO_OUT_RTT},
    {.id = SQ_METRIC_DATA_IN_THROUGHPUT},
    {.id = SQ_METRIC_DATA_IN_LATENCY},
    {.id = SQ_METRIC_DATA_IN_LOSS},
    {.id = SQ_METRIC_DATA_RTT},
    {.id = SQ_METRIC_VIDEO_IN_DECODED_FPS},
    {.id = SQ_METRIC_VIDEO_IN_MOVING},
    {.id = SQ_METRIC_AUDIO_IN_HEARD},
};

struct comparing {
    struct sq_compare *c;
    const struct sq_compare_options *options;
    struct sq_compare_figure figures[SQ_COMPARE_FIGURES_MAX];
    size_t figures_count;
    size_t side; /* that is compared with the first */
    char *why;
};

static int no_memory(char *why)
{
    snprintf(why, SQ_STORE_WHY_MAX, "no memory");
    return SQ_ERR_NOMEM;
}

/* ---- What is looked at ---- */

static bool is_peers_share(enum sq_metric_id id)
{
    return id == SQ_METRIC_PEERS_OK || id == SQ_METRIC_PEERS_FAILED ||
           id == SQ_METRIC_PEERS_DROPPED;
}

/* How the generator did is not the service's figure. */
static bool is_the_services(enum sq_metric_id id)
{
    return strncmp(sq_metric_get(id)->name, "generator.", 10) != 0;
}

/* The round-trip time is that of the same path for all flows: the first that is there is enough. */
static bool is_rtt(enum sq_metric_id id)
{
    return id == SQ_METRIC_VIDEO_IN_RTT || id == SQ_METRIC_AUDIO_IN_RTT ||
           id == SQ_METRIC_VIDEO_OUT_RTT || id == SQ_METRIC_AUDIO_OUT_RTT;
}

static bool measured(const struct sq_compare_side *side, struct sq_compare_figure f)
{
    for (size_t i = 0; i < side->n; i++) {
        const struct sq_compare_run *run = &side->runs[i];
        if (run->used && !isnan(sq_store_figure(run->run, f.id, f.agg))) {
            return true;
        }
    }
    return false;
}

static void look_at(struct comparing *w, struct sq_compare_figure f)
{
    const struct sq_compare_side *sides = w->c->sides;
    if (w->figures_count < SQ_COMPARE_FIGURES_MAX &&
        (measured(&sides[0], f) || measured(&sides[w->side], f))) {
        w->figures[w->figures_count++] = f;
    }
}

/* Asked for by name, each run has to have it. */
static int check_asked(const struct comparing *w, struct sq_compare_figure f)
{
    const struct sq_compare *c = w->c;
    for (size_t s = 0; s < c->sides_count; s++) {
        for (size_t i = 0; i < c->sides[s].n; i++) {
            const struct sq_compare_run *run = &c->sides[s].runs[i];
            if (run->used && isnan(sq_store_figure(run->run, f.id, f.agg))) {
                snprintf(
                    w->why, SQ_STORE_WHY_MAX,
                    "%.300s/summary.json: key metrics.%s is missing or empty: this run did not "
                    "measure what is asked for",
                    run->run->dir, sq_metric_get(f.id)->name);
                return SQ_ERR_INVALID;
            }
        }
    }
    return 0;
}

/* What a side and the first one measured: what others did alters nothing of it. */
static int choose_figures(struct comparing *w, size_t side)
{
    const struct sq_compare_options *o = w->options;
    bool rtt = false;
    int err = 0;
    w->side = side;
    w->figures_count = 0;
    for (size_t i = 0; !err && i < o->figures_count; i++) {
        err = check_asked(w, o->figures[i]);
        look_at(w, o->figures[i]);
    }
    if (o->figures_count > 0) {
        return err;
    }
    for (unsigned i = 0; o->all && i < SQ_METRIC_COUNT; i++) {
        enum sq_metric_id id = (enum sq_metric_id)i;
        if (is_the_services(id)) {
            look_at(w, (struct sq_compare_figure){.id = id});
        }
        /* Where more is better the bad end is the low one, of which results have no percentile. */
        if (is_the_services(id) && !is_peers_share(id) &&
            sq_metric_get(id)->better == SQ_BETTER_LOW) {
            look_at(w, (struct sq_compare_figure){id, {SQ_AGG_QUANTILE, 0.95}});
        }
    }
    for (size_t i = 0; !o->all && i < sizeof(usual) / sizeof(*usual); i++) {
        size_t before = w->figures_count;
        if (!is_rtt(usual[i].id) || !rtt) {
            look_at(w, usual[i]);
        }
        rtt = rtt || (is_rtt(usual[i].id) && w->figures_count > before);
    }
    return 0;
}

/* ---- One figure of two sides ---- */

size_t sq_compare_values(const struct sq_compare_side *side, struct sq_compare_figure f,
                         double values[static SQ_STORE_RUNS_MAX])
{
    size_t n = 0;
    for (size_t i = 0; i < side->n; i++) {
        double value = sq_store_figure(side->runs[i].run, f.id, f.agg);
        if (side->runs[i].used && !isnan(value)) {
            values[n++] = value;
        }
    }
    return n;
}

/* The peers of all runs that are used, in one heap: *ret_values is the caller's. */
static int peers_of(const struct sq_compare_side *side, enum sq_metric_id id, double **ret_values,
                    size_t *ret_n)
{
    size_t n = 0;
    for (size_t i = 0; i < side->n; i++) {
        n += side->runs[i].used ? side->runs[i].run->peers[id].n : 0;
    }
    double *values = sq_calloc(n + 1, sizeof(*values));
    if (!values) {
        return SQ_ERR_NOMEM;
    }
    size_t at = 0;
    for (size_t i = 0; i < side->n; i++) {
        const struct sq_stored_values *v = &side->runs[i].run->peers[id];
        if (side->runs[i].used && v->n > 0) {
            memcpy(values + at, v->values, v->n * sizeof(*values));
            at += v->n;
        }
    }
    *ret_values = values;
    *ret_n = n;
    return 0;
}

static bool all_alike(const double *a, size_t n, const double *b, size_t m)
{
    for (size_t i = 0; i < n + m; i++) {
        if ((i < n ? a[i] : b[i - n]) != a[0]) {
            return false;
        }
    }
    return true;
}

/* Where all values are one there is nothing to test, and the figure is none of the family that p is
 * corrected for: that depends on the values together, and not on whose they are. So it is where the
 * samples are too small for chance ever to be told apart. */
static int test_values(const double *a, size_t n, const double *b, size_t m, double *ret_p)
{
    struct sq_rank_test test = {.p = NAN};
    int err = 0;
    if (n > 0 && m > 0 && sq_rank_least_p(n, m) <= SQ_COMPARE_ALPHA && !all_alike(a, n, b, m)) {
        err = sq_rank_test(a, n, b, m, &test);
    }
    *ret_p = test.p;
    return err;
}

/* Each of b lies beyond each of a, on the side of `change`. */
static bool lie_apart(const double *a, size_t n, const double *b, size_t m, double change)
{
    const double sign = change < 0 ? -1 : 1;
    double a_most = -INFINITY;
    double b_least = INFINITY;
    for (size_t i = 0; i < n; i++) {
        a_most = fmax(a_most, sign * a[i]);
    }
    for (size_t i = 0; i < m; i++) {
        b_least = fmin(b_least, sign * b[i]);
    }
    return n > 0 && m > 0 && a_most < b_least;
}

static int test_peers(const struct sq_compare_side *before, const struct sq_compare_side *after,
                      struct sq_compare_row *row)
{
    double *a = NULL;
    double *b = NULL;
    size_t n = 0;
    size_t m = 0;
    int err = peers_of(before, row->figure.id, &a, &n);
    err = err ? err : peers_of(after, row->figure.id, &b, &m);
    if (!err) {
        row->of_peers = n > 0 && m > 0;
        row->peers_apart = lie_apart(a, n, b, m, row->change);
        err = test_values(a, n, b, m, &row->p);
    }
    sq_free(a);
    sq_free(b);
    return err;
}

static void name_row(struct sq_compare_row *row)
{
    const struct sq_metric *m = sq_metric_get(row->figure.id);
    struct sq_agg agg = row->figure.agg;
    char suffix[16] = "";
    if (agg.kind == SQ_AGG_QUANTILE) {
        snprintf(suffix, sizeof(suffix), ".p%g", agg.q * 100);
    } else if (agg.kind != SQ_AGG_AVG) {
        snprintf(suffix, sizeof(suffix), agg.kind == SQ_AGG_MIN ? ".min" : ".max");
    }
    snprintf(row->name, sizeof(row->name), "%s%s", m->name, suffix);
    row->unit = is_peers_share(row->figure.id) ? "%" : sq_metric_unit_text(m->unit);
}

/* How far b lies from a, as an interval about the medians that are shown: where all values are
 * above 0 by what factor (so that it ends at -100 %), else by how much. What cannot be below 0
 * cannot fall by more than all of it. The interval of the shift need not hold the change of the
 * medians; it is widened to it, and so says no more than is known. a and b are sorted. */
static int find_interval(double *a, size_t n, double *b, size_t m, struct sq_compare_row *row)
{
    struct sq_rank_shift shift;
    bool factor = a[0] > 0 && b[0] > 0;
    bool never_below = a[0] >= 0 && b[0] >= 0;
    for (size_t i = 0; factor && i < n + m; i++) {
        double *value = i < n ? &a[i] : &b[i - n];
        *value = log(*value);
    }
    int err = sq_rank_shift(a, n, b, m, &shift);
    if (err) {
        return err;
    }
    double low = factor ? row->before * expm1(shift.low) : shift.low;
    double high = factor ? row->before * expm1(shift.high) : shift.high;
    if (never_below) {
        low = fmax(low, -row->before);
        high = fmax(high, -row->before);
    }
    row->low = fmin(low, row->change);
    row->high = fmax(high, row->change);
    row->contrary = shift.shift * row->change < 0;
    return 0;
}

static int measure(const struct sq_compare *c, const struct sq_compare_pair *pair,
                   struct sq_compare_row *row)
{
    double a[SQ_STORE_RUNS_MAX], b[SQ_STORE_RUNS_MAX];
    const struct sq_compare_side *before = &c->sides[0];
    const struct sq_compare_side *after = &c->sides[pair->side];
    size_t n = sq_compare_values(before, row->figure, a);
    size_t m = sq_compare_values(after, row->figure, b);
    int err = 0;
    row->before = sq_rank_median(a, n); /* sorts them */
    row->after = sq_rank_median(b, m);
    row->change = row->after - row->before;
    row->low = row->high = row->p = row->p_adjusted = row->change_percent = NAN;
    if (n == 0 || m == 0) {
        row->call = SQ_CALL_ABSENT;
        return 0;
    }
    row->separated = a[n - 1] < b[0] || b[m - 1] < a[0];
    if (pair->repeated) {
        err = test_values(a, n, b, m, &row->p);
        err = err ? err : find_interval(a, n, b, m, row);
    } else {
        err = test_peers(before, after, row);
    }
    row->change_percent = row->before != 0 ? 100 * row->change / fabs(row->before) : NAN;
    return err;
}

/* ---- What it means ---- */

/* A change below this is of no matter whatever its share: timers are served to the millisecond, and
 * twice next to nothing is next to nothing. */
double sq_compare_least_change(const struct sq_compare_row *row)
{
    if (strcmp(row->unit, "ms") == 0 || strcmp(row->unit, "kbit/s") == 0 ||
        strcmp(row->unit, "px") == 0) {
        return 1;
    }
    return 0.1; /* %, frames/s, a count a peer */
}

/* Median over the runs of how late the generator's timers were. */
static double lateness(const struct sq_compare_side *side, bool worst)
{
    double values[SQ_STORE_RUNS_MAX];
    size_t n = 0;
    for (size_t i = 0; i < side->n; i++) {
        const struct sq_stored_run *run = side->runs[i].run;
        double ms = worst ? run->lateness_max_ms : run->lateness_p99_ms;
        if (side->runs[i].used && !isnan(ms)) {
            values[n++] = ms;
        }
    }
    double median = sq_rank_median(values, n);
    return isnan(median) ? 0 : median;
}

/* What a stall of the generator alone makes of media that came in time. */
static bool is_of_playing(enum sq_metric_id id)
{
    return id == SQ_METRIC_AUDIO_IN_CONCEALMENT || id == SQ_METRIC_VIDEO_IN_FREEZES ||
           id == SQ_METRIC_VIDEO_IN_FREEZE || id == SQ_METRIC_VIDEO_IN_DROPPED;
}

/* Late timers delay what the generator sends and what it answers: a time that grew by no more than
 * twice what most of its timers did is not the service's. In repeated runs a single stall stands
 * for itself; in one it may be all the difference, of what happens once and of what is played. */
static bool generator_explains(const struct sq_compare *c, const struct sq_compare_pair *pair,
                               const struct sq_compare_row *row)
{
    /* The other way round it made the earlier runs look slow. */
    bool grew = row->change > 0;
    const struct sq_compare_side *less = &c->sides[grew ? 0 : pair->side];
    const struct sq_compare_side *more = &c->sides[grew ? pair->side : 0];
    double later = 2 * (lateness(more, false) - lateness(less, false));
    double stall = pair->repeated ? 0 : lateness(more, true) - lateness(less, true);
    if (is_of_playing(row->figure.id)) {
        return stall > STALL_MS;
    }
    if (sq_metric_get(row->figure.id)->sampling == SQ_SAMPLING_PEER_ONCE) {
        later = fmax(later, stall);
    }
    return strcmp(row->unit, "ms") == 0 && fabs(row->change) <= later;
}

/* So many runs or peers could not lie farther apart: where p is too great all the same they are too
 * few, and that it is noise is not known either. */
static bool apart_as_can_be(const struct sq_compare_pair *pair, const struct sq_compare_row *row)
{
    return row->separated && (pair->repeated || row->peers_apart);
}

static enum sq_compare_call call_of(const struct sq_compare *c, const struct sq_compare_pair *pair,
                                    const struct sq_compare_row *row)
{
    double least = sq_compare_least_change(row) * (pair->repeated ? 1 : 5);
    double counts = fmax(least, pair->threshold_percent / 100 * fabs(row->before));
    bool big = fabs(row->change) >= counts;
    bool beyond = pair->repeated || row->separated;
    if (isnan(row->p)) {
        return big && row->separated ? SQ_CALL_UNKNOWN : SQ_CALL_SAME;
    }
    if (row->contrary) {
        return SQ_CALL_SAME; /* the medians and most of the pairs of runs point apart */
    }
    if (!beyond || row->p_adjusted > c->alpha) {
        return big && apart_as_can_be(pair, row) ? SQ_CALL_UNKNOWN : SQ_CALL_SAME;
    }
    if (!big) {
        return SQ_CALL_SMALL;
    }
    enum sq_metric_better better = sq_metric_get(row->figure.id)->better;
    if (generator_explains(c, pair, row)) {
        return SQ_CALL_GENERATOR;
    }
    return (better == SQ_BETTER_HIGH) == (row->change > 0) ? SQ_CALL_BETTER : SQ_CALL_WORSE;
}

static void call_all(struct sq_compare *c)
{
    for (size_t k = 0; k < c->pairs_count; k++) {
        struct sq_compare_pair *pair = &c->pairs[k];
        for (size_t i = 0; i < pair->rows_count; i++) {
            struct sq_compare_row *row = &pair->rows[i];
            row->call = row->call == SQ_CALL_ABSENT ? row->call : call_of(c, pair, row);
            pair->worse += row->call == SQ_CALL_WORSE;
            pair->better += row->call == SQ_CALL_BETTER;
            pair->unknown += row->call == SQ_CALL_UNKNOWN;
            pair->generator += row->call == SQ_CALL_GENERATOR;
            pair->tested += !isnan(row->p);
        }
    }
}

/* ---- The whole ---- */

static int read_peers(const struct sq_compare_side *side, char *why)
{
    int err = 0;
    for (size_t i = 0; !err && i < side->n; i++) {
        err = side->runs[i].used ? sq_store_read_peers(side->runs[i].run, why) : 0;
    }
    return err;
}

static int compare_pair(struct comparing *w, size_t side)
{
    struct sq_compare *c = w->c;
    struct sq_compare_pair *pair = &c->pairs[c->pairs_count++];
    double given = w->options->threshold_percent;
    pair->side = side;
    pair->repeated = sq_rank_least_p(c->sides[0].used, c->sides[side].used) <= c->alpha;
    pair->threshold_percent = !isnan(given)    ? given
                              : pair->repeated ? SQ_COMPARE_THRESHOLD
                                               : SQ_COMPARE_FEW;
    pair->rows = sq_calloc(w->figures_count + 1, sizeof(*pair->rows));
    if (!pair->rows) {
        return no_memory(w->why);
    }
    int err = pair->repeated ? 0 : read_peers(&c->sides[0], w->why);
    err = err || pair->repeated ? err : read_peers(&c->sides[side], w->why);
    if (err) {
        return err;
    }
    for (size_t i = 0; !err && i < w->figures_count; i++) {
        struct sq_compare_row *row = &pair->rows[pair->rows_count++];
        row->figure = w->figures[i];
        name_row(row);
        err = measure(c, pair, row);
    }
    err = err ? err : sq_compare_adjust(c, pair);
    return err ? no_memory(w->why) : 0;
}

bool sq_compare_cannot_tell(const struct sq_compare *c)
{
    for (size_t k = 0; c->verdict == SQ_COMPARE_NOT_WORSE && k < c->pairs_count; k++) {
        for (size_t i = 0; i < c->pairs[k].rows_count; i++) {
            const struct sq_compare_row *row = &c->pairs[k].rows[i];
            bool more_is_worse = sq_metric_get(row->figure.id)->better == SQ_BETTER_LOW;
            if (row->call == SQ_CALL_UNKNOWN && more_is_worse == (row->change > 0)) {
                return true;
            }
        }
    }
    return false;
}

/* Behind what is said in the reason: of how many figures nothing can be. */
static void add_unknown(struct sq_compare *c, size_t unknown, const struct sq_compare_row *first)
{
    struct sq_buf change = {0};
    size_t n = strlen(c->reason);
    sq_compare_put_change(first, &change);
    snprintf(c->reason + n, sizeof(c->reason) - n,
             "; %zu figure%s changed that much, and there is too little to tell whether it is "
             "noise, %s%s: %s",
             unknown, unknown == 1 ? "" : "s", unknown == 1 ? "" : "the first ", first->name,
             change.text ? change.text : "");
    sq_buf_free(&change);
}

static void judge_pairs(struct sq_compare *c)
{
    size_t sides = 0; /* that are worse */
    size_t unknown = 0;
    const struct sq_compare_row *first_unknown = NULL;
    const struct sq_compare_row *first = NULL;
    const struct sq_compare_pair *of = NULL; /* the first of them */
    bool few = false;
    for (size_t k = 0; k < c->pairs_count; k++) {
        sides += c->pairs[k].worse > 0;
        unknown += c->pairs[k].unknown;
        few = few || !c->pairs[k].repeated;
        for (size_t i = 0; i < c->pairs[k].rows_count; i++) {
            const struct sq_compare_row *row = &c->pairs[k].rows[i];
            if (!first && row->call == SQ_CALL_WORSE) {
                first = row;
                of = &c->pairs[k];
            }
            if (!first_unknown && row->call == SQ_CALL_UNKNOWN) {
                first_unknown = row;
            }
        }
    }
    if (first) {
        struct sq_buf change = {0};
        char others[48] = "";
        sq_compare_put_change(first, &change);
        if (sides > 1) {
            snprintf(others, sizeof(others), "; so %s %zu more", sides == 2 ? "is" : "are",
                     sides - 1);
        }
        c->verdict = SQ_COMPARE_WORSE;
        c->exit_code = SQ_EXIT_EXPECTATION;
        snprintf(c->reason, sizeof(c->reason),
                 "%.200s is worse than %.200s%s: %zu figure%s by more than noise and by more than "
                 "%g %%, the first %s: %s%s",
                 c->sides[of->side].name, c->sides[0].name, of->repeated ? "" : " in these runs",
                 of->worse, of->worse == 1 ? "" : "s", of->threshold_percent, first->name,
                 change.text ? change.text : "", others);
        sq_buf_free(&change);
        return;
    }
    snprintf(c->reason, sizeof(c->reason), "%s",
             few ? "nothing is worse in these runs by what counts"
                 : "nothing is worse by more than noise and by what counts");
    if (first_unknown) {
        add_unknown(c, unknown, first_unknown);
    }
}

/* Half of a side's runs at least have to say something. What the generator did to itself is never
 * the service's fault, and no pass either. */
static bool judge_sides(struct sq_compare *c)
{
    for (size_t s = 0; s < c->sides_count; s++) {
        const struct sq_compare_side *side = &c->sides[s];
        bool unreached = side->used == 0;
        char word[32];
        const char *why = "";
        for (size_t i = side->n; i-- > 0;) {
            const struct sq_compare_run *run = &side->runs[i];
            why = run->used ? why : run->why_not;
            unreached = unreached && !run->used && run->run->verdict == SQ_VERDICT_ERROR &&
                        !run->run->interrupted;
        }
        if (side->used > 0 && 2 * side->used >= side->n) {
            continue;
        }
        c->verdict = unreached ? SQ_COMPARE_ERROR : SQ_COMPARE_INVALID;
        c->exit_code = unreached ? SQ_EXIT_UNREACHED : SQ_EXIT_INVALID;
        snprintf(
            c->reason, sizeof(c->reason),
            "nothing can be compared: of %.200s %zu of %s say%s nothing about the service, the "
            "first %.450s",
            side->name, side->n - side->used, sq_compare_runs_word(side->n, word),
            side->n - side->used == 1 ? "s" : "", why);
        return false;
    }
    return true;
}

static int take_sides(struct sq_compare *c, const struct sq_compare_input *inputs, size_t n,
                      char *why)
{
    for (size_t s = 0; s < n; s++) {
        struct sq_compare_side *side = &c->sides[c->sides_count++];
        size_t len = strlen(inputs[s].name);
        while (len > 1 && inputs[s].name[len - 1] == '/') {
            len--;
        }
        side->name = sq_strndup(inputs[s].name, len);
        side->runs = sq_calloc(inputs[s].n + 1, sizeof(*side->runs));
        if (!side->name || !side->runs) {
            return no_memory(why);
        }
        side->n = inputs[s].n;
        for (size_t i = 0; i < side->n; i++) {
            side->runs[i].run = inputs[s].runs[i];
        }
    }
    return 0;
}

/* A run that is counted twice looks like two that agree. */
static int refuse_twice(const struct sq_compare *c, char *why)
{
    for (size_t s = 0; s < c->sides_count; s++) {
        for (size_t i = 0; i < c->sides[s].n; i++) {
            for (size_t k = 0; k < i; k++) {
                const struct sq_stored_run *one = c->sides[s].runs[k].run;
                const struct sq_stored_run *other = c->sides[s].runs[i].run;
                if (strcmp(one->id, other->id) == 0) {
                    snprintf(why, SQ_STORE_WHY_MAX,
                             "%.300s and %.300s are the same run, %s: expected each once", one->dir,
                             other->dir, one->id);
                    return SQ_ERR_INVALID;
                }
            }
        }
    }
    return 0;
}

int sq_compare_make(const struct sq_compare_input *inputs, size_t n,
                    const struct sq_compare_options *options, struct sq_compare **ret_compare,
                    char why[static SQ_STORE_WHY_MAX])
{
    if (n < 2 || n > SQ_COMPARE_SIDES_MAX) {
        snprintf(why, SQ_STORE_WHY_MAX, "expected 2 to %d sides to compare, got %zu",
                 SQ_COMPARE_SIDES_MAX, n);
        return SQ_ERR_INVALID;
    }
    struct comparing *w = sq_zalloc(sizeof(*w));
    struct sq_compare *c = sq_zalloc(sizeof(*c));
    int err = w && c ? take_sides(c, inputs, n, why) : no_memory(why);
    err = err ? err : refuse_twice(c, why);
    if (!err) {
        c->alpha = SQ_COMPARE_ALPHA;
        *w = (struct comparing){.c = c, .options = options, .why = why};
        sq_compare_sort_out(c);
        err = sq_compare_tell_differences(c) ? no_memory(why) : 0;
    }
    if (!err && options->strict && c->differences > 0) {
        snprintf(why, SQ_STORE_WHY_MAX, "--strict: the runs are not alike: %.800s",
                 c->notes[c->notes_count - c->differences]);
        err = SQ_ERR_INVALID;
    }
    if (!err && judge_sides(c)) {
        for (size_t s = 1; !err && s < n; s++) {
            err = choose_figures(w, s);
            err = err ? err : compare_pair(w, s);
        }
        if (!err) {
            call_all(c);
            judge_pairs(c);
        }
    }
    sq_free(w);
    if (err) {
        sq_compare_free(c);
        return err;
    }
    *ret_compare = c;
    return 0;
}

void sq_compare_free(struct sq_compare *c)
{
    if (!c) {
        return;
    }
    for (size_t s = 0; s < c->sides_count; s++) {
        sq_free(c->sides[s].name);
        sq_free(c->sides[s].runs);
    }
    for (size_t k = 0; k < c->pairs_count; k++) {
        sq_free(c->pairs[k].rows);
    }
    for (size_t i = 0; i < c->notes_count; i++) {
        sq_free(c->notes[i]);
    }
    sq_free(c);
}
