#include "cli/load_option.h"

#include "base/str.h"
#include "base/time.h"
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define JITTER_MAX_NS (3600 * SQ_NS_PER_SEC)
#define LEAVE_EACH_NS (10 * SQ_NS_PER_MS) /* at the end; all of them take so long each, … */
#define LEAVE_ALL_NS  (2 * SQ_NS_PER_SEC) /* … but this at most */

_Static_assert(SQ_SHAPE_ARRIVALS_MAX == SQ_RESULT_PEERS_MAX, "results are kept of all that begin");
_Static_assert(SQ_SHAPE_PEERS_MAX == SQ_PLAN_PEERS_MAX, "a shape asks for no more than a plan may");

void sq_load_option_rows(struct sq_load_option *o, struct sq_option ret_rows[SQ_LOAD_OPTIONS])
{
    const struct sq_option rows[SQ_LOAD_OPTIONS] = {
        {"load", SQ_OPTION_TEXT, &o->load, "STAGES",
         "peers at each stage's end, '30s:100, 5m:100, 0s:300, 30s:0', or arrivals, "
         "'1m:20/s, 5m:20/s'; one value holds for --duration",
         0, 0},
        {"think", SQ_OPTION_TEXT, &o->think, "D|D1..D2",
         "of --load with peers: until one who left after --hold is replaced (default: at once)", 0,
         0},
        {"arrivals", SQ_OPTION_TEXT, &o->arrivals, "FILE",
         "peers begin at the times of this file: one a line, or CSV with a column 'time'", 0, 0},
        {"jitter", SQ_OPTION_DURATION, &o->jitter_ns, "D",
         "each arrival comes up to D later, drawn by the seed", 0, 0},
    };
    for (size_t i = 0; i < SQ_LOAD_OPTIONS; i++) {
        ret_rows[i] = rows[i];
    }
}

static int refuse(char *why, size_t why_room, const char *fmt, ...) SQ_PRINTF(3, 4);

static int refuse(char *why, size_t why_room, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(why, why_room, fmt, args);
    va_end(args);
    return SQ_ERR_INVALID;
}

/* ---- Reading ---- */

static int read_load(struct sq_load_option *o, const struct sq_load_others *others, char *why,
                     size_t why_room)
{
    struct sq_shape_error error;
    uint64_t duration_ns = others->duration_ns ? others->duration_ns : SQ_LOAD_DURATION_DEFAULT_NS;
    int err = sq_shape_parse(o->load, duration_ns, &o->shape, &error);
    if (err && error.column) {
        return refuse(why, why_room, "--load '%.200s', column %zu: %s", o->load, error.column,
                      error.message);
    }
    if (err) {
        return refuse(why, why_room, "--load '%.200s': %s", o->load, error.message);
    }
    return 0;
}

/* Two options that say the same in two ways. */
static int check_twice(const struct sq_load_option *o, const struct sq_load_others *others,
                       char *why, size_t why_room)
{
    const char *own = o->load ? "--load" : "--arrivals";
    const char *other = o->load && o->arrivals   ? "--arrivals"
                        : others->rate_per_s > 0 ? "--rate"
                        : others->ramp           ? "--ramp"
                                                 : NULL;
    if (other) {
        return refuse(why, why_room, "%s and %s both say how peers arrive: give one of them", own,
                      other);
    }
    if (o->shape.kind == SQ_SHAPE_PEERS && others->peers) {
        return refuse(why, why_room,
                      "--load %.100s says how many peers there are, and so does --peers: give one "
                      "of them",
                      o->load);
    }
    if (o->load && strchr(o->load, ':') && others->duration_ns) {
        return refuse(why, why_room,
                      "--load and --duration: the stages of --load say how long the run is; leave "
                      "--duration out, or give one value, such as --load 100");
    }
    return 0;
}

static int check_senseless(const struct sq_load_option *o, const struct sq_load_others *others,
                           char *why, size_t why_room)
{
    if (o->think && (o->shape.kind != SQ_SHAPE_PEERS || !others->hold_ns)) {
        return refuse(why, why_room,
                      "--think is how long a peer's place stays empty once it has left after "
                      "--hold: expected --load with a number of peers, and --hold");
    }
    if (o->arrivals && !others->hold_ns && !others->duration_ns) {
        return refuse(why, why_room,
                      "--arrivals: expected --hold D (how long each stays) or --duration D (when "
                      "the run ends), or both");
    }
    if (o->jitter_ns > JITTER_MAX_NS) {
        return refuse(why, why_room, "--jitter: at most an hour");
    }
    uint64_t length_ns = others->duration_ns ? others->duration_ns
                         : o->load           ? sq_shape_length_ns(&o->shape)
                         : o->arrivals       ? SQ_NEVER
                         : others->hold_ns   ? SQ_NEVER
                                             : SQ_LOAD_DURATION_DEFAULT_NS;
    if (o->jitter_ns >= length_ns) {
        return refuse(why, why_room,
                      "--jitter is as long as the run: expected less, or most peers would never "
                      "begin");
    }
    return 0;
}

int sq_load_option_read(struct sq_load_option *o, const struct sq_load_others *others, char *why,
                        size_t why_room)
{
    if (o->load || o->arrivals) {
        int err = check_twice(o, others, why, why_room);
        if (err) {
            return err;
        }
    }
    sq_load_option_free(o);
    if (o->load) {
        int err = read_load(o, others, why, why_room);
        err = err ? err : check_twice(o, others, why, why_room);
        if (err) {
            return err;
        }
    }
    if (o->arrivals) {
        char text[400];
        int err = sq_shape_read(o->arrivals, &o->shape, text, sizeof(text));
        if (err) {
            (void)refuse(why, why_room, "--arrivals %s", text);
            return err;
        }
    }
    if (o->think && sq_shape_parse_think(o->think, &o->think_min_ns, &o->think_max_ns) != 0) {
        return refuse(why, why_room,
                      "--think %.60s: expected a duration such as 5s, or two for one that is drawn "
                      "between them, such as 2s..10s",
                      o->think);
    }
    return check_senseless(o, others, why, why_room);
}

void sq_load_option_free(struct sq_load_option *o)
{
    sq_shape_free(&o->shape);
}

/* ---- The plan ---- */

/* The longest that one can be there: all its time-outs, the hold, and the leaving. */
static uint64_t longest_stay_ns(const struct sq_plan *plan)
{
    return plan->hold_ns ? plan->hold_ns + 5 * plan->answer_timeout_ns + plan->connect_timeout_ns +
                               plan->media_timeout_ns
                         : SQ_NEVER;
}

void sq_load_option_plan(const struct sq_load_option *o, const struct sq_load_others *others,
                         struct sq_plan *plan)
{
    plan->jitter_ns = o->jitter_ns;
    plan->think_min_ns = o->think_min_ns;
    plan->think_max_ns = o->think_max_ns;
    if (o->shape.kind == SQ_SHAPE_NONE) {
        return;
    }
    plan->shape = &o->shape;
    plan->hold_ns = others->hold_ns;
    plan->duration_ns = o->load ? sq_shape_length_ns(&o->shape) : others->duration_ns;
    /* Nobody is missed, but where a bound was asked for. */
    uint64_t most = sq_shape_most(&o->shape, longest_stay_ns(plan));
    plan->peers = others->peers ? others->peers : sq_min_u64(most, SQ_PLAN_PEERS_MAX);
    plan->rate_per_s = 0;
    plan->ramp_down_ns = sq_min_u64(plan->peers * LEAVE_EACH_NS, LEAVE_ALL_NS);
}

int sq_load_option_describe(const struct sq_load_option *o, struct sq_result *result)
{
    static const char *const models[] = {"", "closed", "open", "open"};
    int err = 0;
    if (o->shape.kind != SQ_SHAPE_NONE) {
        err = sq_result_config_text(result, "load_model", models[o->shape.kind]);
    }
    if (!err && o->load) {
        err = sq_result_config_text(result, "load", o->load);
    }
    if (!err && o->arrivals) {
        err = sq_result_config_text(result, "arrivals", o->arrivals);
        err = err ? err
                  : sq_result_config_number(result, "arrivals_count", (double)o->shape.times_len);
    }
    if (!err && o->think) {
        err = sq_result_config_text(result, "think", o->think);
    }
    if (!err && o->jitter_ns) {
        err = sq_result_config_number(result, "jitter_s", (double)o->jitter_ns / 1e9);
    }
    return err;
}
