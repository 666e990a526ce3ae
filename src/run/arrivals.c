#include "run/arrivals.h"

#include <math.h>
#include <string.h>

/* Of an arrival: rounding must not hold one back, nor bring one over a border. */
#define EPSILON 1e-6

/* ---- One piece ---- */

static bool is_closed(const struct sq_arrivals *a)
{
    return a->kind == SQ_SHAPE_PEERS;
}

static bool is_for_good(const struct sq_arrivals_piece *p)
{
    return p->over_ns == SQ_NEVER;
}

static uint64_t end_ns(const struct sq_arrivals_piece *p)
{
    return is_for_good(p) ? SQ_NEVER : p->at_ns + p->over_ns;
}

/* Whether anybody begins in it. */
static bool brings(const struct sq_arrivals *a, const struct sq_arrivals_piece *p)
{
    return is_closed(a) ? p->to > p->from : p->over_ns > 0 && (p->from > 0 || p->to > 0);
}

/* From 0 at its beginning to 1 at its end; only of one that ends. */
static double part_at(const struct sq_arrivals_piece *p, uint64_t now_ns)
{
    if (now_ns >= p->at_ns + p->over_ns) {
        return 1;
    }
    return now_ns > p->at_ns ? (double)(now_ns - p->at_ns) / (double)p->over_ns : 0;
}

static double value_at(const struct sq_arrivals_piece *p, uint64_t now_ns)
{
    return is_for_good(p) ? p->to : p->from + (p->to - p->from) * part_at(p, now_ns);
}

static double came_at(const struct sq_arrivals *a, const struct sq_arrivals_piece *p,
                      uint64_t now_ns)
{
    if (is_closed(a)) {
        bool rises = !is_for_good(p) && p->to > p->from;
        return p->came + (rises ? (p->to - p->from) * part_at(p, now_ns) : 0);
    }
    double passed_s = now_ns > p->at_ns ? (double)(now_ns - p->at_ns) / 1e9 : 0;
    if (is_for_good(p)) {
        return p->came + p->from * passed_s;
    }
    double part = part_at(p, now_ns);
    return p->came + (double)p->over_ns / 1e9 * part * (p->from + (p->to - p->from) * part / 2);
}

static double gone_at(const struct sq_arrivals_piece *p, uint64_t now_ns)
{
    bool falls = !is_for_good(p) && p->to < p->from;
    return p->gone + (falls ? (p->from - p->to) * part_at(p, now_ns) : 0);
}

static uint64_t after(const struct sq_arrivals_piece *p, double seconds)
{
    double ns = seconds * 1e9;
    uint64_t most_ns = end_ns(p);
    uint64_t at_ns = ns < 1e18 ? p->at_ns + (uint64_t)(ns + 0.5) : SQ_NEVER;
    return sq_min_u64(at_ns, most_ns);
}

/* When `ahead` arrivals of it are over. */
static uint64_t reaches_ns(const struct sq_arrivals *a, const struct sq_arrivals_piece *p,
                           double ahead)
{
    if (!brings(a, p)) {
        return end_ns(p);
    }
    if (ahead <= 0) {
        return p->at_ns;
    }
    if (is_closed(a)) {
        return after(p, (double)p->over_ns / 1e9 * ahead / (p->to - p->from));
    }
    /* from x + slope x² / 2 = ahead, in the form that has no difference of near numbers. */
    double slope = is_for_good(p) ? 0 : (p->to - p->from) / ((double)p->over_ns / 1e9);
    double root = sqrt(fmax(0, p->from * p->from + 2 * slope * ahead));
    return after(p, 2 * ahead / (p->from + root));
}

/* ---- All of them ---- */

/* The last piece that has begun by then, NULL: none. `before`: strictly. */
static const struct sq_arrivals_piece *piece_at(const struct sq_arrivals *a, uint64_t now_ns,
                                                bool before)
{
    for (size_t i = a->pieces_len; i > 0; i--) {
        const struct sq_arrivals_piece *p = &a->pieces[i - 1];
        if (p->at_ns < now_ns || (!before && p->at_ns == now_ns)) {
            return p;
        }
    }
    return NULL;
}

static uint64_t first_after(const struct sq_arrivals *a, const struct sq_arrivals_piece *p)
{
    const struct sq_arrivals_piece *end = &a->pieces[a->pieces_len];
    return p + 1 < end ? p[1].first : UINT64_MAX;
}

/* Of SQ_SHAPE_TIMES: those at most `ns` after the start, or before that. */
static uint64_t count_times(const struct sq_arrivals *a, uint64_t ns, bool before)
{
    size_t low = 0;
    size_t high = a->times_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        bool in = before ? a->times_ns[middle] < ns : a->times_ns[middle] <= ns;
        low = in ? middle + 1 : low;
        high = in ? high : middle;
    }
    return low;
}

static uint64_t clamp(double count, uint64_t least, uint64_t most)
{
    uint64_t n = count > 0 ? (uint64_t)count : 0;
    return sq_min_u64(sq_max_u64(n, least), most);
}

uint64_t sq_arrivals_due(const struct sq_arrivals *a, uint64_t now_ns)
{
    if (a->kind == SQ_SHAPE_TIMES) {
        return now_ns < a->start_ns ? 0 : count_times(a, now_ns - a->start_ns, false);
    }
    const struct sq_arrivals_piece *p = piece_at(a, now_ns, false);
    if (!p) {
        return a->pieces[0].first;
    }
    if (!brings(a, p)) {
        return p->first;
    }
    /* User 0 begins at the start, user n when n arrivals are over. */
    return clamp(floor(came_at(a, p, now_ns) + EPSILON) + 1, p->first, first_after(a, p));
}

uint64_t sq_arrivals_before(const struct sq_arrivals *a, uint64_t end_ns)
{
    if (a->kind == SQ_SHAPE_TIMES) {
        return end_ns < a->start_ns ? 0 : count_times(a, end_ns - a->start_ns, true);
    }
    const struct sq_arrivals_piece *p = piece_at(a, end_ns, true);
    if (!p) {
        return a->pieces[0].first;
    }
    if (!brings(a, p)) {
        return p->first;
    }
    return clamp(ceil(came_at(a, p, end_ns) - EPSILON), p->first, first_after(a, p));
}

uint64_t sq_arrivals_time_ns(const struct sq_arrivals *a, uint64_t index)
{
    if (a->kind == SQ_SHAPE_TIMES) {
        return index < a->times_len ? a->start_ns + a->times_ns[index] : SQ_NEVER;
    }
    for (size_t i = a->pieces_len; i > 0; i--) {
        const struct sq_arrivals_piece *p = &a->pieces[i - 1];
        if (index >= p->first) {
            return reaches_ns(a, p, (double)index - p->came);
        }
    }
    return a->pieces[0].at_ns;
}

uint64_t sq_arrivals_leave_ns(const struct sq_arrivals *a, uint64_t place)
{
    double left = (double)place + 1; /* so many have gone then */
    for (size_t i = 0; is_closed(a) && i < a->pieces_len; i++) {
        const struct sq_arrivals_piece *p = &a->pieces[i];
        if (p->to < p->from && left <= p->gone + p->from - p->to + EPSILON) {
            double part = fmax(0, left - p->gone) / (p->from - p->to);
            return after(p, (double)p->over_ns / 1e9 * part);
        }
    }
    return SQ_NEVER;
}

double sq_arrivals_value(const struct sq_arrivals *a, uint64_t now_ns)
{
    const struct sq_arrivals_piece *p = piece_at(a, now_ns, false);
    return a->kind == SQ_SHAPE_TIMES ? NAN : p ? value_at(p, now_ns) : 0;
}

/* ---- Making and changing ---- */

/* What goes on behind the last piece. */
struct border {
    uint64_t at_ns;
    double value, came, gone;
    uint64_t first;
};

/* Puts a piece behind the last one; *border is then behind it. */
static void append(struct sq_arrivals *a, struct border *border, uint64_t over_ns, double to)
{
    if (a->pieces_len == SQ_ARRIVALS_PIECES_MAX) {
        memmove(a->pieces, a->pieces + 1, (a->pieces_len - 1) * sizeof(a->pieces[0]));
        a->pieces_len--;
    }
    struct sq_arrivals_piece *p = &a->pieces[a->pieces_len++];
    *p = (struct sq_arrivals_piece){.at_ns = border->at_ns,
                                    .over_ns = over_ns,
                                    .from = is_closed(a) || over_ns > 0 ? border->value : to,
                                    .to = to,
                                    .came = border->came,
                                    .gone = border->gone,
                                    .first = border->first};
    border->value = to;
    if (!is_for_good(p)) {
        border->at_ns = end_ns(p);
        border->came = came_at(a, p, border->at_ns);
        border->gone = gone_at(p, border->at_ns);
        double next = ceil(border->came - EPSILON);
        border->first = sq_max_u64(border->first, next > 0 ? (uint64_t)next : 0);
    }
}

void sq_arrivals_init(struct sq_arrivals *a, uint64_t start_ns, double rate_per_s)
{
    struct border border = {.at_ns = start_ns, .value = rate_per_s};
    *a = (struct sq_arrivals){.kind = SQ_SHAPE_RATE,
                              .start_ns = start_ns,
                              .changed_ns = start_ns,
                              .rate_per_s = rate_per_s};
    append(a, &border, SQ_NEVER, rate_per_s);
}

void sq_arrivals_init_shape(struct sq_arrivals *a, uint64_t start_ns, const struct sq_shape *shape)
{
    struct border border = {.at_ns = start_ns};
    *a = (struct sq_arrivals){.kind = shape->kind,
                              .start_ns = start_ns,
                              .times_ns = shape->times_ns,
                              .times_len = shape->times_len,
                              .changed_ns = start_ns,
                              .rate_per_s = NAN};
    for (size_t i = 0; i < shape->stages_len; i++) {
        append(a, &border, shape->stages[i].over_ns, shape->stages[i].to);
    }
    append(a, &border, SQ_NEVER, border.value);
}

/* Ends the course at at_ns, with what has come and gone by then. */
static void cut(struct sq_arrivals *a, uint64_t at_ns, struct border *ret_border)
{
    at_ns = sq_max_u64(at_ns, a->changed_ns);
    a->changed_ns = at_ns;
    const struct sq_arrivals_piece *p = piece_at(a, at_ns, false);
    p = p ? p : &a->pieces[0];
    *ret_border = (struct border){.at_ns = at_ns,
                                  .value = value_at(p, at_ns),
                                  .came = came_at(a, p, at_ns),
                                  .gone = gone_at(p, at_ns),
                                  .first = sq_arrivals_due(a, at_ns)};
    if (is_closed(a)) { /* whole users have come and gone */
        ret_border->came = (double)ret_border->first;
        ret_border->gone = floor(ret_border->gone + EPSILON);
        ret_border->value = ret_border->came - ret_border->gone;
    }
    while (a->pieces_len > 0 && a->pieces[a->pieces_len - 1].at_ns >= at_ns) {
        a->pieces_len--;
    }
    if (a->pieces_len > 0) {
        struct sq_arrivals_piece *last = &a->pieces[a->pieces_len - 1];
        double to = value_at(last, at_ns);
        if (sq_min_u64(end_ns(last), at_ns) == at_ns) {
            last->to = to;
            last->over_ns = at_ns - last->at_ns;
        }
    }
}

static void go_on(struct sq_arrivals *a, uint64_t at_ns)
{
    struct border border;
    cut(a, at_ns, &border);
    border.value = a->paused ? 0 : a->rate_per_s;
    append(a, &border, SQ_NEVER, border.value);
}

void sq_arrivals_set_rate(struct sq_arrivals *a, uint64_t at_ns, double rate_per_s)
{
    if (a->kind == SQ_SHAPE_RATE) {
        a->rate_per_s = rate_per_s;
        go_on(a, at_ns);
    }
}

void sq_arrivals_pause(struct sq_arrivals *a, uint64_t at_ns, bool paused)
{
    if (a->kind == SQ_SHAPE_RATE) {
        a->rate_per_s = isnan(a->rate_per_s) ? sq_arrivals_value(a, at_ns) : a->rate_per_s;
        a->paused = paused;
        go_on(a, at_ns);
    }
}

void sq_arrivals_set_peers(struct sq_arrivals *a, uint64_t at_ns, double peers, uint64_t over_ns)
{
    if (is_closed(a)) {
        struct border border;
        cut(a, at_ns, &border);
        append(a, &border, over_ns, peers);
        append(a, &border, SQ_NEVER, peers);
    }
}
