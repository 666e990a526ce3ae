#include "cli/expect_option.h"

#include "base/mem.h"
#include "cli/run_file.h"
#include "run/slice.h"
#include <stdio.h>

static bool names_latency(const struct sq_expect *e)
{
    return sq_expect_names(e, "audio.in.latency") || sq_expect_names(e, "video.in.latency");
}

/* One of them is turned on by being named, and cannot be with a replay. */
static int check_tagged(const struct sq_run_options *o, const struct sq_expect *e,
                        struct sq_expect_error *ret_error)
{
    bool measured[SQ_METRIC_ALL_COUNT];
    if (!names_latency(e) || !sq_run_options_untagged(o)) {
        return 0;
    }
    for (size_t i = 0; i < SQ_METRIC_ALL_COUNT; i++) {
        measured[i] = i != SQ_METRIC_AUDIO_IN_LATENCY && i != SQ_METRIC_VIDEO_IN_LATENCY;
    }
    (void)sq_expect_unmeasured(e, measured, &ret_error->column);
    snprintf(ret_error->message, sizeof(ret_error->message), "%s", SQ_RUN_UNTAGGED);
    return SQ_ERR_INVALID;
}

/* Of a file the column is one of the file, where the text stands in it letter by letter. */
static int refuse_expect(const struct sq_run_options *o, bool abort, const char *text,
                         const struct sq_expect_error *error, int err, char *why, size_t why_room)
{
    const struct sq_scenario_setting *s =
        o->scenario ? sq_scenario_setting_of(o->scenario, text) : NULL;
    const char *said = error->message[0] ? error->message : sq_err_name(err);
    const char *key = abort ? "abort_on" : "expect";
    if (!s) {
        snprintf(why, why_room, "%s '%s', column %zu: %s", abort ? "--abort-on" : "--expect", text,
                 error->column, said);
    } else if (s->text_column) {
        const struct sq_yaml_place at = {s->at.line, s->text_column + (unsigned)error->column - 1};
        sq_run_file_refuse(o, &at, why, why_room, "%s '%s': %s", key, text, said);
    } else {
        sq_run_file_refuse(o, &s->at, why, why_room, "%s '%s', column %zu: %s", key, text,
                           error->column, said);
    }
    return SQ_ERR_INVALID;
}

static int parse_list(struct sq_run_options *o, bool abort, bool *latency, char *why,
                      size_t why_room)
{
    const struct sq_option_list *list = abort ? &o->abort_on : &o->expect;
    for (size_t i = 0; i < list->n; i++) {
        struct sq_expect_error error = {.column = 1};
        struct sq_expect **at = &o->expectations[o->expectations_len];
        int err = abort ? sq_expect_parse_abort(list->items[i], at, &error)
                        : sq_expect_parse(list->items[i], at, &error);
        if (err) {
            return refuse_expect(o, abort, list->items[i], &error, err, why, why_room);
        }
        *latency = *latency || names_latency(*at);
        o->expectations_len++;
        err = check_tagged(o, *at, &error);
        if (err) {
            return refuse_expect(o, abort, list->items[i], &error, err, why, why_room);
        }
    }
    return 0;
}

int sq_expect_options_parse(struct sq_run_options *o, char *why, size_t why_room)
{
    bool latency = false;
    int err = parse_list(o, false, &latency, why, why_room);
    err = err ? err : parse_list(o, true, &latency, why, why_room);
    if (err) {
        return err;
    }
    o->latency = o->latency || latency;
    for (size_t i = 0; i < o->groups_len; i++) { /* those that have frames to measure */
        o->groups[i].latency |= latency && (o->groups[i].audio || o->groups[i].video);
    }
    return 0;
}

int sq_expect_options_plan(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                           size_t why_room)
{
    struct sq_slices *slices = sq_zalloc(sizeof(*slices));
    if (!slices) {
        return SQ_ERR_NOMEM;
    }
    int many = sq_expect_slices(o->expectations, o->expectations_len, slices);
    sq_free(slices); /* the run makes its own */
    for (size_t i = 0; i < o->expectations_len; i++) {
        struct sq_expect_error error = {.column = 1};
        int err = sq_expect_check(o->expectations[i], plan, &error);
        if (err) {
            bool abort = i >= o->expect.n;
            const char *text =
                (abort ? &o->abort_on : &o->expect)->items[i - (abort ? o->expect.n : 0)];
            return refuse_expect(o, abort, text, &error, err, why, why_room);
        }
    }
    if (many) {
        snprintf(why, why_room,
                 "--expect, --abort-on: together they ask for more than %d windows, groups and "
                 "aggregates of peers, or more than %d tags",
                 SQ_SLICES_MAX, SQ_TAGS_MAX);
        return SQ_ERR_INVALID;
    }
    plan->expects = o->expectations;
    plan->expects_len = o->expectations_len;
    return 0;
}
