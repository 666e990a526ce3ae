#include "cli/expect_option.h"

#include "base/mem.h"
#include "run/slice.h"
#include <stdio.h>

static bool names_latency(const struct sq_expect *e)
{
    return sq_expect_names(e, "audio.in.latency") || sq_expect_names(e, "video.in.latency");
}

static int refuse_expect(const char *option, const char *text, const struct sq_expect_error *error,
                         int err, char *why, size_t why_room)
{
    snprintf(why, why_room, "%s '%s', column %zu: %s", option, text, error->column,
             error->message[0] ? error->message : sq_err_name(err));
    return SQ_ERR_INVALID;
}

static int parse_list(struct sq_run_options *o, bool abort, char *why, size_t why_room)
{
    const struct sq_option_list *list = abort ? &o->abort_on : &o->expect;
    for (size_t i = 0; i < list->n; i++) {
        struct sq_expect_error error = {.column = 1};
        struct sq_expect **at = &o->expectations[o->expectations_len];
        int err = abort ? sq_expect_parse_abort(list->items[i], at, &error)
                        : sq_expect_parse(list->items[i], at, &error);
        if (err) {
            return refuse_expect(abort ? "--abort-on" : "--expect", list->items[i], &error, err,
                                 why, why_room);
        }
        o->latency = o->latency || names_latency(*at);
        o->expectations_len++;
    }
    return 0;
}

int sq_expect_options_parse(struct sq_run_options *o, char *why, size_t why_room)
{
    int err = parse_list(o, false, why, why_room);
    return err ? err : parse_list(o, true, why, why_room);
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
            return refuse_expect(i < o->expect.n ? "--expect" : "--abort-on",
                                 sq_expect_text(o->expectations[i]), &error, err, why, why_room);
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
