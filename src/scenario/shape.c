#include "scenario/shape.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define STAGE_TEXT_MAX 64
#define EXAMPLES       "such as 30s:100 or 30s:20/s"
#define COUNT_EPSILON  1e-6 /* of an arrival: what adding up fractions of them may be off by */

/* ---- Text ---- */

static int wrong(struct sq_shape_error *error, size_t column, const char *fmt, ...) SQ_PRINTF(3, 4);

static int wrong(struct sq_shape_error *error, size_t column, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    error->column = column;
    vsnprintf(error->message, sizeof(error->message), fmt, args);
    va_end(args);
    return SQ_ERR_INVALID;
}

static bool copy(struct sq_view view, char out[static STAGE_TEXT_MAX])
{
    snprintf(out, STAGE_TEXT_MAX, SQ_VIEW_FMT, SQ_VIEW_ARG(view));
    return view.len < STAGE_TEXT_MAX;
}

/* "100" or "20/s". */
static int parse_value(struct sq_view view, size_t column, struct sq_shape *shape, double *ret_to,
                       struct sq_shape_error *error)
{
    char text[STAGE_TEXT_MAX];
    uint64_t peers = 0;
    bool whole = copy(view, text);
    bool rate = strchr(text, '/') != NULL;
    enum sq_shape_kind kind = rate ? SQ_SHAPE_RATE : SQ_SHAPE_PEERS;
    if (rate && (!whole || sq_parse_rate(text, ret_to) != 0 || *ret_to > SQ_SHAPE_RATE_MAX)) {
        return wrong(error, column,
                     "'%s' is no rate: expected arrivals a second, a minute or an hour, such as "
                     "20/s, 600/m or 90/h, at most %d/s",
                     text, SQ_SHAPE_RATE_MAX);
    }
    if (!rate && (!whole || sq_view_u64(view, SQ_SHAPE_PEERS_MAX, &peers) != 0)) {
        return wrong(error, column,
                     "'%s': expected a whole number of peers, at most %d, or a rate such as 20/s",
                     text, SQ_SHAPE_PEERS_MAX);
    }
    *ret_to = rate ? *ret_to : (double)peers;
    if (shape->kind != SQ_SHAPE_NONE && shape->kind != kind) {
        return wrong(error, column,
                     "'%s' is %s, and the stages before have %s: expected one kind in all of them",
                     text, rate ? "a rate of arrivals" : "a number of peers",
                     rate ? "numbers of peers" : "rates of arrivals");
    }
    shape->kind = kind;
    return 0;
}

static int parse_time(struct sq_view view, size_t column, uint64_t *ret_ns,
                      struct sq_shape_error *error)
{
    char text[STAGE_TEXT_MAX];
    bool whole = copy(view, text);
    if (!whole || sq_parse_duration(text, ret_ns) != 0 ||
        *ret_ns > SQ_SHAPE_LENGTH_MAX_S * SQ_NS_PER_SEC) {
        return wrong(error, column,
                     "'%s' is no time: expected one with its unit, such as 30s or 5m, a year at "
                     "most, or 0s for a step",
                     text);
    }
    return 0;
}

static size_t column_of(const char *text, struct sq_view view)
{
    return (size_t)(view.at - text) + 1;
}

static int add_stage(struct sq_shape *shape, uint64_t over_ns, double to, size_t column,
                     struct sq_shape_error *error)
{
    if (shape->stages_len == SQ_SHAPE_STAGES_MAX) {
        return wrong(error, column, "at most %d stages", SQ_SHAPE_STAGES_MAX);
    }
    if (over_ns == 0 && shape->stages_len > 0 &&
        shape->stages[shape->stages_len - 1].over_ns == 0) {
        return wrong(error, column,
                     "a step right after a step: what the one before steps to would last no time");
    }
    shape->stages[shape->stages_len++] = (struct sq_shape_stage){.over_ns = over_ns, .to = to};
    return 0;
}

static int parse_stage(const char *text, struct sq_view stage, uint64_t duration_ns, bool alone,
                       struct sq_shape *shape, struct sq_shape_error *error)
{
    size_t column = column_of(text, stage);
    const char *colon = memchr(stage.at, ':', stage.len);
    uint64_t over_ns = duration_ns;
    double to = 0;
    if (!colon && (!alone || duration_ns == 0)) {
        return wrong(error, column, "expected TIME:PEERS or TIME:RATE, " EXAMPLES ", got '%.*s'",
                     (int)(stage.len < STAGE_TEXT_MAX ? stage.len : STAGE_TEXT_MAX), stage.at);
    }
    struct sq_view value = stage;
    int err = 0;
    if (colon) {
        struct sq_view time = sq_view_trim(sq_view_cut(&value, ':'));
        value = sq_view_trim(value);
        err = parse_time(time, column, &over_ns, error);
    }
    err = err ? err : parse_value(value, column_of(text, value), shape, &to, error);
    if (!err && !colon) {
        err = add_stage(shape, 0, to, column, error);
    }
    return err ? err : add_stage(shape, over_ns, to, column, error);
}

/* What each stage says by itself is right; is it a load? */
static int check(const struct sq_shape *shape, struct sq_shape_error *error)
{
    uint64_t length_ns = sq_shape_length_ns(shape);
    double most = 0;
    for (size_t i = 0; i < shape->stages_len; i++) {
        most = fmax(most, shape->stages[i].to);
    }
    if (length_ns == 0) {
        return wrong(error, 0, "it takes no time: add a stage that does, such as 1m:%.0f", most);
    }
    const struct sq_shape_stage *last = &shape->stages[shape->stages_len - 1];
    if (last->over_ns == 0 && last->to > 0) {
        return wrong(error, 0, "it ends with a step: what it steps to would last no time");
    }
    if (length_ns > SQ_SHAPE_LENGTH_MAX_S * SQ_NS_PER_SEC) {
        return wrong(error, 0, "it takes more than a year");
    }
    uint64_t arrivals = sq_shape_arrivals(shape, SQ_NEVER);
    if (most <= 0 || arrivals == 0) {
        return wrong(error, 0, "nobody ever comes: expected a stage above 0");
    }
    if (arrivals > SQ_SHAPE_ARRIVALS_MAX) {
        return wrong(error, 0, "%llu peers would begin; a run keeps the results of %d at most",
                     (unsigned long long)arrivals, SQ_SHAPE_ARRIVALS_MAX);
    }
    return 0;
}

int sq_shape_parse(const char *text, uint64_t duration_ns, struct sq_shape *ret_shape,
                   struct sq_shape_error *ret_error)
{
    struct sq_shape shape = {.kind = SQ_SHAPE_NONE};
    struct sq_view rest = sq_view_of(text);
    bool alone = strchr(text, ',') == NULL;
    *ret_error = (struct sq_shape_error){0};
    do {
        struct sq_view stage = sq_view_trim(sq_view_cut(&rest, ','));
        int err = parse_stage(text, stage, duration_ns, alone, &shape, ret_error);
        if (err) {
            return err;
        }
    } while (rest.at);
    int err = check(&shape, ret_error);
    if (err) {
        return err;
    }
    *ret_shape = shape;
    return 0;
}

int sq_shape_parse_think(const char *text, uint64_t *ret_min_ns, uint64_t *ret_max_ns)
{
    char min[STAGE_TEXT_MAX];
    const char *dots = strstr(text, "..");
    struct sq_view first = {text, dots ? (size_t)(dots - text) : strlen(text)};
    uint64_t min_ns = 0;
    uint64_t max_ns = 0;
    if (!copy(first, min) || sq_parse_duration(min, &min_ns) != 0 ||
        (dots && sq_parse_duration(dots + 2, &max_ns) != 0)) {
        return SQ_ERR_FORMAT;
    }
    max_ns = dots ? max_ns : min_ns;
    if (max_ns < min_ns) {
        return SQ_ERR_FORMAT;
    }
    *ret_min_ns = min_ns;
    *ret_max_ns = max_ns;
    return 0;
}

/* ---- Sums ---- */

void sq_shape_free(struct sq_shape *shape)
{
    sq_free(shape->times_ns);
    *shape = (struct sq_shape){.kind = SQ_SHAPE_NONE};
}

uint64_t sq_shape_length_ns(const struct sq_shape *shape)
{
    uint64_t sum_ns = 0;
    for (size_t i = 0; i < shape->stages_len; i++) {
        sum_ns += shape->stages[i].over_ns;
    }
    return shape->kind == SQ_SHAPE_TIMES ? shape->times_ns[shape->times_len - 1] : sum_ns;
}

static size_t times_before(const struct sq_shape *shape, uint64_t until_ns)
{
    size_t low = 0;
    size_t high = shape->times_len;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        if (shape->times_ns[middle] < until_ns) {
            low = middle + 1;
        } else {
            high = middle;
        }
    }
    return low;
}

/* What begins within the first part_s of a stage that takes over_s. */
static double arrivals_of(enum sq_shape_kind kind, double from, double to, double part_s,
                          double over_s)
{
    if (kind == SQ_SHAPE_PEERS) {
        return over_s > 0 ? fmax(0, to - from) * part_s / over_s : fmax(0, to - from);
    }
    return over_s > 0 ? part_s * (from + (to - from) * part_s / over_s / 2) : 0;
}

uint64_t sq_shape_arrivals(const struct sq_shape *shape, uint64_t until_ns)
{
    if (shape->kind == SQ_SHAPE_TIMES) {
        return times_before(shape, until_ns);
    }
    double sum = 0;
    double from = 0;
    for (size_t i = 0; i < shape->stages_len && until_ns > 0; i++) {
        const struct sq_shape_stage *stage = &shape->stages[i];
        uint64_t part_ns = sq_min_u64(stage->over_ns, until_ns);
        sum += arrivals_of(shape->kind, from, stage->to, (double)part_ns / 1e9,
                           (double)stage->over_ns / 1e9);
        until_ns -= part_ns;
        from = stage->to;
    }
    return (uint64_t)ceil(fmax(0, sum - COUNT_EPSILON));
}

/* The most that begin in any stay_ns. */
static uint64_t most_of_times(const struct sq_shape *shape, uint64_t stay_ns)
{
    size_t most = 0;
    for (size_t first = 0, i = 0; i < shape->times_len; i++) {
        while (shape->times_ns[i] - shape->times_ns[first] >= stay_ns) {
            first++;
        }
        most = i - first + 1 > most ? i - first + 1 : most;
    }
    return most;
}

uint64_t sq_shape_most(const struct sq_shape *shape, uint64_t stay_ns)
{
    double most = 0;
    uint64_t all = sq_shape_arrivals(shape, SQ_NEVER);
    if (shape->kind == SQ_SHAPE_TIMES) {
        return stay_ns == SQ_NEVER ? all : most_of_times(shape, sq_max_u64(stay_ns, 1));
    }
    for (size_t i = 0; i < shape->stages_len; i++) {
        most = fmax(most, shape->stages[i].to);
    }
    if (shape->kind == SQ_SHAPE_PEERS) {
        return (uint64_t)most;
    }
    double within = most * (double)stay_ns / 1e9 + 1;
    return stay_ns == SQ_NEVER || within > (double)all ? all : (uint64_t)ceil(within);
}
