#include "run/slice.h"

#include "base/mem.h"
#include "base/time.h"
#include "run/spool.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define VALUES_IN_ONE_GO 64
#define TIME_ID          SQ_METRIC_SETUP_TOTAL /* ms, as times until something holds are */
#define KBPS_STEPS       64 /* a peer's histogram reaches 67,000 units: 4.3 Gbit/s in such steps */

/* A peer's part of a slice. */
struct cell {
    uint64_t n;
    double mean, squares; /* Welford: the sum of squared distances from the mean */
    double sum, min, max, last;
    double part, whole;         /* of a metric that is told once a peer */
    struct sq_hist_small *hist; /* owned; for a percentile */
    uint64_t reached_ns;        /* SQ_SLICE_TIME; 0: not yet */
    uint32_t held, missed;      /* ... samples of this second */
};

struct sq_slice_user {
    uint64_t intended_ns, joined_ns, up_ns, leaving_ns;
    uint64_t matches;                /* slices whose peers it belongs to */
    uint64_t tag_ns[SQ_TAGS_MAX];    /* the latest of each */
    unsigned char at[SQ_SLICES_MAX]; /* of each slice that is celled and matches: its cell */
    size_t cells_len;
    struct cell cells[];
};

static uint64_t bit(size_t i)
{
    return UINT64_C(1) << i;
}

/* ---- Metrics ---- */

bool sq_slice_is_total(enum sq_metric_id id)
{
    return sq_metric_get(id)->sampling == SQ_SAMPLING_PEER_TOTAL;
}

bool sq_slice_has_parts(enum sq_metric_id id)
{
    return sq_slice_is_total(id) && id != SQ_METRIC_AUDIO_IN_DECODED_FAILED &&
           id != SQ_METRIC_AUDIO_IN_DECODED_DROPPED && id != SQ_METRIC_VIDEO_IN_DECODED_FAILED &&
           id != SQ_METRIC_VIDEO_IN_DECODED_DROPPED;
}

bool sq_slice_has_seconds(enum sq_metric_id id)
{
    switch (sq_metric_get(id)->sampling) {
    case SQ_SAMPLING_PEER_SECOND:
    case SQ_SAMPLING_TRACK_SECOND:
    case SQ_SAMPLING_REPORT:
    case SQ_SAMPLING_MESSAGE:
    case SQ_SAMPLING_FRAME:
        return true;
    default:
        return false;
    }
}

/* The share of a whole, in per cent; else a number. */
static bool is_share(enum sq_metric_id id)
{
    return sq_metric_get(id)->unit == SQ_UNIT_PERCENT;
}

static bool is_channels(enum sq_metric_id id)
{
    return id == SQ_METRIC_AUDIO_IN || id == SQ_METRIC_AUDIO_OUT || id == SQ_METRIC_VIDEO_IN ||
           id == SQ_METRIC_VIDEO_OUT;
}

/* ---- The set ---- */

/* By the second: what comes once a peer is known at its end alone. */
static bool by_parts(const struct sq_slice *s)
{
    return sq_slice_is_total(s->metric) && (s->window.on || s->live || s->kind == SQ_SLICE_PEER);
}

static int add_tag(struct sq_slices *slices, const struct sq_event *e)
{
    for (size_t i = 0; i < slices->tags_len; i++) {
        if (strcmp(slices->tags[i], e->name) == 0) {
            return 0;
        }
    }
    if (slices->tags_len == SQ_TAGS_MAX) {
        return SQ_ERR_NOSPACE;
    }
    memcpy(slices->tags[slices->tags_len++], e->name, sizeof(e->name));
    return 0;
}

int sq_slices_add(struct sq_slices *slices, const struct sq_slice *slice)
{
    for (size_t i = 0; i < slices->n; i++) {
        if (sq_slice_same(&slices->list[i], slice)) {
            return 0;
        }
    }
    if (slices->n == SQ_SLICES_MAX) {
        return SQ_ERR_NOSPACE;
    }
    const struct sq_event *events[] = {&slice->window.from, &slice->window.to};
    for (size_t i = 0; i < 2; i++) {
        bool tag = slice->window.on && events[i]->kind == SQ_EVENT_TAG;
        int err = tag ? add_tag(slices, events[i]) : 0;
        if (err) {
            return err;
        }
    }
    uint64_t own = bit(slices->n);
    slices->list[slices->n++] = *slice;
    slices->of_metric[slice->metric] |= own;
    slices->celled |= slice->kind != SQ_SLICE_POOLED || by_parts(slice) ? own : 0;
    slices->live |= slice->live ? own : 0;
    slices->timed |= slice->kind == SQ_SLICE_TIME ? own : 0;
    return 0;
}

/* ---- A shard's part ---- */

static size_t record_bytes(const struct sq_slices *slices)
{
    return offsetof(struct sq_slice_record, values) + slices->n * sizeof(double);
}

/* Slices of which each peer's value is kept. */
static bool keeps_values(const struct sq_slices *slices)
{
    for (size_t i = 0; i < slices->n; i++) {
        if (slices->list[i].kind != SQ_SLICE_POOLED && !slices->list[i].live) {
            return true;
        }
    }
    return false;
}

int sq_slice_tally_init(struct sq_slice_tally *t, const struct sq_slices *slices,
                        const struct sq_run_events *events)
{
    *t = (struct sq_slice_tally){.slices = slices && slices->n ? slices : NULL, .events = events};
    for (size_t i = 0; i < SQ_SLICES_MAX; i++) {
        t->sums[i].last = NAN;
    }
    if (!t->slices || !keeps_values(slices)) {
        return 0;
    }
    return sq_spool_create(record_bytes(slices), VALUES_IN_ONE_GO, &t->values);
}

void sq_slice_tally_free(struct sq_slice_tally *t)
{
    for (size_t i = 0; i < SQ_SLICES_MAX; i++) {
        sq_free(t->sums[i].hist);
        sq_free(t->sums[i].building);
        sq_free(t->sums[i].swept);
    }
    sq_spool_destroy(t->values);
    *t = (struct sq_slice_tally){.slices = NULL};
}

/* Without memory for a histogram a sample is left out, as in the tally. */
static struct sq_hist *hist_of(struct sq_hist **at)
{
    if (!*at) {
        *at = sq_zalloc(sizeof(struct sq_hist));
    }
    return *at;
}

static void record_value(struct sq_hist **at, const struct sq_slice *s, double value)
{
    struct sq_hist *h = isnan(value) ? NULL : hist_of(at);
    if (h && isinf(value)) {
        sq_hist_record(h, SQ_HIST_MAX);
    } else if (h) {
        sq_metric_record(h, s->kind == SQ_SLICE_TIME ? TIME_ID : s->metric, value);
    }
}

/* ---- A peer's part ---- */

static bool needs_hist(const struct sq_slice *s)
{
    return s->kind == SQ_SLICE_PEER && s->agg.kind == SQ_AGG_QUANTILE;
}

static int make_hists(const struct sq_slice_tally *t, struct sq_slice_user *user)
{
    for (size_t i = 0; i < t->slices->n; i++) {
        bool own = user->matches & t->slices->celled & bit(i);
        if (own && needs_hist(&t->slices->list[i])) {
            struct cell *cell = &user->cells[user->at[i]];
            cell->hist = sq_zalloc(sizeof(*cell->hist));
            if (!cell->hist) {
                return SQ_ERR_NOMEM;
            }
        }
    }
    return 0;
}

int sq_slice_user_create(const struct sq_slice_tally *t, const struct sq_peer_row *row,
                         uint64_t intended_ns, struct sq_slice_user **ret_user)
{
    *ret_user = NULL;
    if (!t->slices) {
        return 0;
    }
    uint64_t matches = 0;
    size_t cells = 0;
    unsigned char at[SQ_SLICES_MAX] = {0};
    for (size_t i = 0; i < t->slices->n; i++) {
        if (sq_where_matches(&t->slices->list[i].where, row)) {
            matches |= bit(i);
            at[i] = (unsigned char)cells;
            cells += (t->slices->celled & bit(i)) != 0;
        }
    }
    struct sq_slice_user *user = sq_zalloc(sizeof(*user) + cells * sizeof(struct cell));
    if (!user) {
        return SQ_ERR_NOMEM;
    }
    user->intended_ns = intended_ns;
    user->matches = matches;
    user->cells_len = cells;
    memcpy(user->at, at, sizeof(at));
    if (make_hists(t, user) != 0) {
        sq_slice_user_destroy(user);
        return SQ_ERR_NOMEM;
    }
    *ret_user = user;
    return 0;
}

void sq_slice_user_destroy(struct sq_slice_user *user)
{
    for (size_t i = 0; user && i < user->cells_len; i++) {
        sq_free(user->cells[i].hist);
    }
    sq_free(user);
}

void sq_slice_user_event(struct sq_slice_user *user, enum sq_event_kind kind, uint64_t now_ns)
{
    if (!user) {
        return;
    }
    uint64_t *at = kind == SQ_EVENT_JOINED ? &user->joined_ns
                   : kind == SQ_EVENT_UP   ? &user->up_ns
                                           : &user->leaving_ns;
    *at = *at ? *at : now_ns;
}

void sq_slice_user_tag(const struct sq_slice_tally *t, struct sq_slice_user *user, const char *name,
                       uint64_t now_ns)
{
    for (size_t i = 0; user && i < t->slices->tags_len; i++) {
        if (strcmp(t->slices->tags[i], name) == 0) {
            user->tag_ns[i] = now_ns;
        }
    }
}

/* ---- Windows ---- */

/* When it came; 0: not yet, or of a peer where there is none. */
static uint64_t time_of(const struct sq_slice_tally *t, const struct sq_slice_user *user,
                        const struct sq_event *e)
{
    switch (e->kind) {
    case SQ_EVENT_TIME:
    case SQ_EVENT_START:
        return t->events->start_ns + e->after_ns;
    case SQ_EVENT_RAMPED:
        return atomic_load_explicit(&t->events->ramped_ns, memory_order_relaxed);
    case SQ_EVENT_DRAINING:
        return atomic_load_explicit(&t->events->draining_ns, memory_order_relaxed);
    case SQ_EVENT_JOINED:
        return user ? user->joined_ns : 0;
    case SQ_EVENT_UP:
        return user ? user->up_ns : 0;
    case SQ_EVENT_LEAVING:
        return user ? user->leaving_ns : 0;
    case SQ_EVENT_TAG:
        break;
    }
    for (size_t i = 0; user && i < t->slices->tags_len; i++) {
        if (strcmp(t->slices->tags[i], e->name) == 0) {
            return user->tag_ns[i];
        }
    }
    return 0;
}

/* All of that time lies within the window. */
static bool is_inside(const struct sq_slice_tally *t, const struct sq_slice_user *user,
                      const struct sq_window *window, uint64_t from_ns, uint64_t to_ns)
{
    if (!window->on) {
        return true;
    }
    uint64_t begin_ns = time_of(t, user, &window->from);
    uint64_t end_ns = time_of(t, user, &window->to);
    if (!begin_ns || begin_ns > from_ns) {
        return false;
    }
    /* A mark from before is the end of an earlier window of the same marks. */
    bool earlier = end_ns < begin_ns && window->to.kind == SQ_EVENT_TAG;
    return !end_ns || earlier || to_ns <= end_ns;
}

/* ---- Samples ---- */

/* A peer's histogram is a small one: its steps are coarser for bit rates, which are large. */
static double small_steps(enum sq_metric_id id)
{
    double scale = sq_metric_get(id)->scale;
    return sq_metric_get(id)->unit == SQ_UNIT_KBPS ? scale / KBPS_STEPS : scale;
}

static void add_to_cell(struct cell *cell, const struct sq_slice *s, double value)
{
    double away = value - cell->mean;
    cell->min = cell->n == 0 || value < cell->min ? value : cell->min;
    cell->max = cell->n == 0 || value > cell->max ? value : cell->max;
    cell->n++;
    cell->mean += away / (double)cell->n;
    cell->squares += away * (value - cell->mean);
    cell->sum += value;
    cell->last = value;
    if (s->kind == SQ_SLICE_TIME) {
        bool holds = sq_op_holds(value, s->op, s->number);
        cell->held += holds;
        cell->missed += !holds;
    }
    if (cell->hist) {
        double steps = fmax(0, value) * small_steps(s->metric);
        sq_hist_small_record(cell->hist, steps >= (double)SQ_HIST_SMALL_MAX
                                             ? SQ_HIST_SMALL_MAX
                                             : (uint64_t)(steps + 0.5));
    }
}

static void sample(struct sq_slice_tally *t, struct sq_slice_user *user, enum sq_metric_id id,
                   const char *own, bool track, double value, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t left = t->slices ? t->slices->of_metric[id] : 0;
    if (isnan(value)) {
        return;
    }
    for (left &= user ? user->matches : ~UINT64_C(0); left; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);
        const struct sq_slice *s = &t->slices->list[i];
        bool celled = t->slices->celled & bit(i);
        if (s->track != track || strcmp(s->own, own) != 0 || (celled && (!user || by_parts(s))) ||
            !is_inside(t, user, &s->window, from_ns, to_ns)) {
            continue;
        }
        if (celled) {
            add_to_cell(&user->cells[user->at[i]], s, value);
        } else {
            struct sq_slice_sums *sums = &t->sums[i];
            record_value(&sums->hist, s, value);
            sums->last = to_ns >= sums->last_ns ? value : sums->last;
            sums->last_ns = to_ns >= sums->last_ns ? to_ns : sums->last_ns;
        }
    }
}

void sq_slices_sample(struct sq_slice_tally *t, struct sq_slice_user *user, enum sq_metric_id id,
                      double value, uint64_t from_ns, uint64_t to_ns)
{
    sample(t, user, id, "", false, value, from_ns, to_ns);
}

void sq_slices_track(struct sq_slice_tally *t, struct sq_slice_user *user, enum sq_metric_id id,
                     double value, uint64_t from_ns, uint64_t to_ns)
{
    sample(t, user, id, "", true, value, from_ns, to_ns);
}

void sq_slices_own(struct sq_slice_tally *t, struct sq_slice_user *user, enum sq_metric_id id,
                   const char *name, double value, uint64_t from_ns, uint64_t to_ns)
{
    sample(t, user, id, name, false, value, from_ns, to_ns);
}

void sq_slices_part(struct sq_slice_tally *t, struct sq_slice_user *user, enum sq_metric_id id,
                    double part, double whole, uint64_t from_ns, uint64_t to_ns)
{
    uint64_t left = user ? t->slices->of_metric[id] & t->slices->celled & user->matches : 0;
    for (; left; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);
        const struct sq_slice *s = &t->slices->list[i];
        struct cell *cell = &user->cells[user->at[i]];
        if (!by_parts(s) || !is_inside(t, user, &s->window, from_ns, to_ns)) {
            continue;
        }
        cell->n++;
        cell->part = is_channels(id) ? fmax(cell->part, part) : cell->part + part;
        cell->whole += whole;
    }
}

void sq_slices_second(struct sq_slice_tally *t, struct sq_slice_user *user, uint64_t now_ns)
{
    uint64_t left = user ? t->slices->timed & user->matches : 0;
    for (; left; left &= left - 1) {
        struct cell *cell = &user->cells[user->at[__builtin_ctzll(left)]];
        if (!cell->reached_ns && cell->held > 0 && cell->missed == 0) {
            cell->reached_ns = now_ns;
        }
        cell->held = cell->missed = 0;
    }
}

/* ---- Values ---- */

static double total_of(const struct cell *cell, enum sq_metric_id id)
{
    if (cell->n == 0) {
        return NAN;
    }
    if (is_share(id)) {
        return cell->whole > 0 ? 100 * fmax(0, cell->part) / cell->whole : NAN;
    }
    return fmax(0, cell->part);
}

static double aggregate_of(const struct cell *cell, const struct sq_slice *s)
{
    double deviation = cell->n ? sqrt(fmax(0, cell->squares) / (double)cell->n) : NAN;
    if (s->agg.kind == SQ_AGG_COUNT) {
        return (double)cell->n;
    }
    if (s->agg.kind == SQ_AGG_TOTAL) {
        return cell->n > 0 || s->metric == SQ_METRIC_OWN_COUNTER ? cell->sum : NAN;
    }
    if (cell->n == 0) {
        return NAN;
    }
    switch (s->agg.kind) {
    case SQ_AGG_AVG:
        return cell->mean;
    case SQ_AGG_MIN:
        return cell->min;
    case SQ_AGG_MAX:
        return cell->max;
    case SQ_AGG_LAST:
        return cell->last;
    case SQ_AGG_STDDEV:
        return deviation;
    case SQ_AGG_RSTDDEV:
        return cell->mean > 0 ? 100 * deviation / cell->mean : NAN;
    case SQ_AGG_QUANTILE: /* the least and the greatest are exact, and no percentile is beyond */
        return fmin(cell->max,
                    fmax(cell->min, (double)sq_hist_small_quantile(cell->hist, s->agg.q) /
                                        small_steps(s->metric)));
    default:
        return NAN;
    }
}

/* Whoever was there to get there and did not. */
static double time_value(const struct cell *cell, const struct sq_slice_user *user,
                         const struct sq_peer_row *row, uint64_t now_ns)
{
    bool ended = !isnan(row->end_ms);
    if (cell->reached_ns) {
        return ((double)cell->reached_ns - (double)user->intended_ns) / 1e6;
    }
    if (cell->n == 0 && row->outcome != SQ_OUTCOME_FAILED) {
        return NAN;
    }
    return ended ? INFINITY : ((double)now_ns - (double)user->intended_ns) / 1e6;
}

void sq_slices_values(const struct sq_slice_tally *t, const struct sq_slice_user *user,
                      const struct sq_peer_row *row, uint64_t now_ns,
                      double ret_values[static SQ_SLICES_MAX])
{
    for (size_t i = 0; i < SQ_SLICES_MAX; i++) {
        ret_values[i] = NAN;
    }
    uint64_t left = user ? t->slices->celled & user->matches : 0;
    for (; left; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);
        const struct sq_slice *s = &t->slices->list[i];
        const struct cell *cell = &user->cells[user->at[i]];
        ret_values[i] = s->kind == SQ_SLICE_TIME ? time_value(cell, user, row, now_ns)
                        : by_parts(s)            ? total_of(cell, s->metric)
                                                 : aggregate_of(cell, s);
    }
}

/* Each peer's value is a sample of the distribution. */
static bool pools_values(const struct sq_slice *s)
{
    return s->kind == SQ_SLICE_TIME || by_parts(s);
}

static void note_window(struct sq_slice_tally *t, const struct sq_slice_user *user, size_t i)
{
    const struct sq_window *window = &t->slices->list[i].window;
    uint64_t begin_ns = window->on ? time_of(t, user, &window->from) : 1;
    t->sums[i].peers++;
    t->sums[i].opened += begin_ns != 0 && begin_ns <= user->leaving_ns;
}

static void keep_values(struct sq_slice_tally *t, uint64_t index,
                        const double values[static SQ_SLICES_MAX])
{
    struct sq_slice_record record = {.index = index};
    memcpy(record.values, values, t->slices->n * sizeof(double));
    if (t->values && sq_spool_add(t->values, &record) != 0) {
        t->left_out++;
    }
}

void sq_slices_end(struct sq_slice_tally *t, struct sq_slice_user *user, uint64_t index,
                   const struct sq_peer_row *row)
{
    double values[SQ_SLICES_MAX];
    if (!user) {
        return;
    }
    sq_slices_values(t, user, row, user->leaving_ns, values);
    for (uint64_t left = user->matches; left; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);
        const struct sq_slice *s = &t->slices->list[i];
        note_window(t, user, i);
        if ((t->slices->celled & bit(i)) && pools_values(s) && row->outcome != SQ_OUTCOME_PENDING) {
            record_value(&t->sums[i].hist, s, values[i]);
            t->sums[i].never += isinf(values[i]) != 0;
            t->sums[i].last = isnan(values[i]) ? t->sums[i].last : values[i];
        }
    }
    keep_values(t, index, values);
}

/* ---- While it runs ---- */

void sq_slices_sweep(struct sq_slice_tally *t, const struct sq_slice_user *user,
                     const double values[static SQ_SLICES_MAX])
{
    uint64_t left = user ? t->slices->live & t->slices->celled & user->matches : 0;
    for (; left; left &= left - 1) {
        size_t i = (size_t)__builtin_ctzll(left);
        if (pools_values(&t->slices->list[i])) {
            record_value(&t->sums[i].building, &t->slices->list[i], values[i]);
        }
    }
}

void sq_slices_swept(struct sq_slice_tally *t)
{
    for (uint64_t left = t->slices ? t->slices->live : 0; left; left &= left - 1) {
        struct sq_slice_sums *sums = &t->sums[__builtin_ctzll(left)];
        struct sq_hist *done = sums->building;
        sums->building = sums->swept;
        sums->swept = done;
        if (sums->building) {
            sq_hist_clear(sums->building);
        }
    }
}

uint64_t sq_slices_show(const struct sq_slice_tally *t, size_t slice, struct sq_hist *to)
{
    const struct sq_slice_sums *sums = &t->sums[slice];
    if (sums->hist) {
        sq_hist_merge(to, sums->hist);
    }
    if (sums->swept) {
        sq_hist_merge(to, sums->swept);
    }
    return sums->never;
}
