/* Which figures an expectation is judged by, and whether a run can have them. */
#include "run/expect_parse_int.h"
#include "run/plan.h"
#include "run/slice.h"
#include "signal/target.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define ROOMS_LOOKED_AT 100000

enum sq_metric_unit sq_expect_unit(const struct sq_expect_node *node)
{
    if (node->has_agg && node->agg.kind == SQ_AGG_RSTDDEV) {
        return SQ_UNIT_PERCENT;
    }
    return node->timed ? SQ_UNIT_MS : sq_metric_get(node->metric)->unit;
}

static bool is_average(const struct sq_expect_node *node)
{
    return !node->has_agg || node->agg.kind == SQ_AGG_AVG;
}

bool sq_expect_slice(const struct sq_expect *e, const struct sq_expect_node *node, bool live,
                     struct sq_slice *ret_slice)
{
    struct sq_slice s = {.metric = node->metric,
                         .track = node->track,
                         .live = live,
                         .window = e->window,
                         .where = e->where};
    memcpy(s.own, node->own, sizeof(s.own));
    if (sq_expect_counts_peers(node->metric) || node->metric == SQ_METRIC_GENERATOR_DROPS) {
        return false;
    }
    if (node->timed) {
        s.kind = SQ_SLICE_TIME;
        s.op = node->time_op;
        s.number = node->time_number;
    } else if (e->by_peer) {
        s.kind = SQ_SLICE_PEER;
        s.agg = node->agg;
        if (!s.window.on && !live && !node->track && is_average(node) &&
            sq_expect_has_peer_value(node->metric)) {
            return false;
        }
    } else if (sq_expect_is_channels(node->metric) && !node->has_agg) {
        s.kind = SQ_SLICE_PEER; /* every peer by itself */
        if (!s.window.on && !live) {
            return false;
        }
    } else if (!s.window.on && s.where.n == 0 && !live && !node->track &&
               !sq_expect_is_own(node->metric)) {
        return false;
    }
    *ret_slice = s;
    return true;
}

static int add_slices(const struct sq_expect *e, bool live, struct sq_slices *slices)
{
    int err = 0;
    for (int i = 0; i < e->node_count && !err; i++) {
        struct sq_slice slice;
        if (e->nodes[i].kind == SQ_EXPECT_TERM && sq_expect_slice(e, &e->nodes[i], live, &slice)) {
            err = sq_slices_add(slices, &slice);
        }
    }
    return err;
}

int sq_expect_slices(struct sq_expect *const *list, size_t n, struct sq_slices *ret_slices)
{
    struct sq_slices *slices = ret_slices;
    int err = 0;
    memset(slices, 0, sizeof(*slices));
    for (size_t i = 0; i < n && !err; i++) {
        err = add_slices(list[i], false, slices);
        err = err || !list[i]->abort ? err : add_slices(list[i], true, slices);
    }
    return err;
}

bool sq_expect_needs_run(const struct sq_expect *e)
{
    bool needs = e->window.on || e->where.n > 0 || e->abort;
    for (int i = 0; i < e->node_count; i++) {
        struct sq_slice slice;
        needs = needs || (e->nodes[i].kind == SQ_EXPECT_TERM &&
                          sq_expect_slice(e, &e->nodes[i], false, &slice));
    }
    return needs;
}

const char *sq_expect_unmeasured(const struct sq_expect *e, const bool *measured,
                                 size_t *ret_column)
{
    for (int i = 0; i < e->node_count; i++) {
        const struct sq_expect_node *node = &e->nodes[i];
        if (node->kind == SQ_EXPECT_TERM && !measured[node->metric]) {
            *ret_column = sq_expect_column(e->text, e->text + node->at);
            return sq_expect_is_own(node->metric) ? node->own : sq_metric_get(node->metric)->name;
        }
    }
    return NULL;
}

bool sq_expect_is_by_peer(const struct sq_expect *e)
{
    return e->by_peer;
}

/* ---- Against the plan ---- */

struct checking {
    const struct sq_expect *e;
    const struct sq_plan *plan;
    struct sq_expect_error *error; /* nullable */
};

static int refuse(const struct checking *c, size_t at, const char *fmt, ...) SQ_PRINTF(3, 4);

static int refuse(const struct checking *c, size_t at, const char *fmt, ...)
{
    char text[sizeof(c->error->message)];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    if (c->error) {
        c->error->column = sq_expect_column(c->e->text, c->e->text + at);
        SQ_RESULT_SET(c->error->message, text);
    }
    return SQ_ERR_INVALID;
}

/* Names that some of the plan's peers have, for the message; a few are enough. */
struct names {
    const char *list[64];
    size_t n;
};

static void add_name(struct names *names, const char *name)
{
    for (size_t i = 0; i < names->n; i++) {
        if (strcmp(names->list[i], name) == 0) {
            return;
        }
    }
    if (names->n < sizeof(names->list) / sizeof(names->list[0])) {
        names->list[names->n++] = name;
    }
}

static void names_of(const struct sq_plan *plan, enum sq_where_field field, struct names *names)
{
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *g = &plan->groups[i];
        if (field == SQ_WHERE_GROUP) {
            add_name(names, sq_plan_role(g));
        } else if (field == SQ_WHERE_TARGET && g->target) {
            add_name(names, g->target->host);
        }
        for (size_t k = 0; field == SQ_WHERE_NETWORK && k < g->networks_len; k++) {
            add_name(names, g->networks[k].name);
        }
    }
}

static bool is_port_of(const struct sq_plan *plan, const char *written)
{
    char name[SQ_WHERE_TEXT_MAX + 1];
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_target *target = plan->groups[i].target;
        if (target) {
            snprintf(name, sizeof(name), "%s:%u", target->host, target->port);
            if (sq_where_names(SQ_WHERE_TARGET, name, written)) {
                return true;
            }
        }
    }
    return false;
}

/* Rooms are many, and are named by number. */
static int check_room(const struct checking *c, size_t i)
{
    char name[SQ_PLAN_ROOM_MAX + 1] = "";
    char first[SQ_PLAN_ROOM_MAX + 1];
    const struct sq_plan *plan = c->plan;
    const char *written = c->e->where.terms[i].text;
    for (size_t k = 0; k < plan->groups_len; k++) {
        if (plan->groups[k].room || plan->groups[k].room_of_target) {
            return 0; /* that of each peer is known when it comes */
        }
    }
    uint64_t step = plan->room_size ? plan->room_size : UINT64_MAX;
    uint64_t peers = sq_plan_arrivals(plan);
    sq_plan_room_name(plan, 0, first);
    uint64_t rooms = plan->room_size ? (peers + step - 1) / step : 1;
    if (rooms > ROOMS_LOOKED_AT) {
        return 0;
    }
    for (uint64_t k = 0; k < rooms; k++) {
        sq_plan_room_name(plan, plan->room_size ? k * step : 0, name);
        if (strcmp(name, written) == 0) {
            return 0;
        }
    }
    return refuse(c, c->e->where_at[i], "no peer of this run is in a room '%s'; expected %s%s%s",
                  written, first, rooms > 1 ? " to " : "", rooms > 1 ? name : "");
}

static int check_name(const struct checking *c, size_t i)
{
    const struct sq_where_term *term = &c->e->where.terms[i];
    struct names names = {.n = 0};
    if (term->field == SQ_WHERE_ROOM) {
        return check_room(c, i);
    }
    names_of(c->plan, term->field, &names);
    for (size_t k = 0; k < names.n; k++) {
        if (sq_where_names(term->field, names.list[k], term->text)) {
            return 0;
        }
    }
    if (term->field == SQ_WHERE_TARGET && is_port_of(c->plan, term->text)) {
        return 0;
    }
    for (size_t k = 0; term->field == SQ_WHERE_TARGET && k < c->plan->groups_len; k++) {
        if (c->plan->groups[k].host_of_user) {
            return 0;
        }
    }
    char list[160] = "";
    size_t len = 0;
    for (size_t k = 0; k < names.n && len + strlen(names.list[k]) + 3 < sizeof(list); k++) {
        len +=
            (size_t)snprintf(list + len, sizeof(list) - len, "%s%s", k ? ", " : "", names.list[k]);
    }
    const char *near = sq_expect_nearest(sq_view_of(term->text), names.list, names.n);
    const char *field = sq_where_field_name(term->field);
    if (names.n == 0) {
        return refuse(c, c->e->where_at[i], "no peer of this run has a %s '%s': it names none",
                      field, term->text);
    }
    return refuse(c, c->e->where_at[i], "no peer of this run has the %s '%s'; there %s %s%s%s%s",
                  field, term->text, names.n > 1 ? "are" : "is", list,
                  near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

static int check_event(const struct checking *c, size_t which)
{
    static const char *const built_in[] = {"start",  "ramped", "draining", "end",
                                           "joined", "up",     "leaving"};
    const struct sq_window *window = &c->e->window;
    const struct sq_event *event = which ? &window->to : &window->from;
    const struct sq_plan *plan = c->plan;
    size_t at = c->e->window_at[which];
    bool shaped = plan->shape && plan->shape->kind != SQ_SHAPE_TIMES;
    if (event->kind == SQ_EVENT_RAMPED && (shaped || (plan->hold_ns && plan->duration_ns))) {
        return refuse(c, at,
                      "with %s peers come until the end: such a run is never ramped; expected a "
                      "time such as 30s",
                      shaped ? "such a load" : "both a hold and a duration");
    }
    if (event->kind == SQ_EVENT_TIME && which == 0 && plan->duration_ns &&
        event->after_ns >= plan->duration_ns) {
        char duration[32];
        return refuse(c, at, "the run is over after %s: it has no %s",
                      sq_format_duration(plan->duration_ns, duration), event->name);
    }
    if (event->kind != SQ_EVENT_TAG) {
        return 0;
    }
    for (size_t i = 0; i < plan->tags_len; i++) {
        if (strcmp(plan->tags[i], event->name) == 0) {
            return 0;
        }
    }
    const char *near = sq_expect_nearest(sq_view_of(event->name), built_in,
                                         sizeof(built_in) / sizeof(built_in[0]));
    near = near ? near : sq_expect_nearest(sq_view_of(event->name), plan->tags, plan->tags_len);
    return refuse(c, at,
                  "no event is called '%s'%s%s%s; there are start, ramped, draining, end, joined, "
                  "up, leaving, times such as 10s, and the tags of steps and scripts",
                  event->name, near ? " (did you mean " : "", near ? near : "", near ? "?)" : "");
}

/* "the steps of this run have" and the like; NULL: it has nothing that measures. */
static const char *who_measures(const struct sq_plan *plan, bool named)
{
    const struct sq_lua_script *script = NULL;
    bool steps = false;
    bool scripts = false; /* more than one */
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *g = &plan->groups[i];
        steps = steps || (g->steps && g->steps->n > 0) || (g->before && g->before->n > 0);
        scripts = scripts || (script && g->script && g->script != script);
        script = script ? script : g->script;
    }
    return steps && scripts   ? "the steps and scripts of this run have"
           : steps && script  ? "the steps and the script of this run have"
           : scripts          ? "the scripts of this run have"
           : script           ? "the script of this run has"
           : (steps || named) ? "the steps of this run have"
                              : NULL;
}

/* A timer or counter is one that steps or a script have. */
static int check_own(const struct checking *c, const struct sq_expect_node *node)
{
    const struct sq_step_figures *f = c->plan->figures;
    bool timer = node->metric == SQ_METRIC_OWN_TIMER;
    const char *what = timer ? "timer" : "counter";
    const char *const *names = f ? timer ? f->timers : f->counters : NULL;
    size_t n = f ? timer ? f->timers_len : f->counters_len : 0;
    char list[200] = "";
    size_t len = 0;
    for (size_t i = 0; i < n; i++) {
        if (strcmp(names[i], node->own) == 0) {
            return 0;
        }
        int put = snprintf(list + len, sizeof(list) - len, "%s%s", i ? ", " : "", names[i]);
        len = put > 0 && len + (size_t)put < sizeof(list) ? len + (size_t)put : len;
        list[len] = '\0';
    }
    const char *who = who_measures(c->plan, n > 0);
    if (n == 0) {
        return refuse(c, node->at, "no %s is called '%s': %s%s", what, node->own,
                      who ? who : "this run has neither steps nor a script that could measure it",
                      who ? " none" : "");
    }
    const char *near = sq_expect_nearest(sq_view_of(node->own), names, n);
    return refuse(c, node->at, "no %s is called '%s'; %s %s%s%s%s", what, node->own, who, list,
                  near ? "; did you mean " : "", near ? near : "", near ? "?" : "");
}

/* One of --abort-on that is looked at when the run is over ends nothing. */
static int check_delay(const struct checking *c)
{
    const struct sq_plan *plan = c->plan;
    uint64_t over_ns = plan->duration_ns + plan->ramp_down_ns;
    if (!c->e->abort || plan->duration_ns == 0 || c->e->abort_after_ns < over_ns ||
        !c->e->abort_after_given) {
        return 0;
    }
    char after[32], over[32];
    const char *at = strrchr(c->e->text, '@');
    return refuse(c, at ? (size_t)(at - c->e->text) : 0,
                  "the run is over after %s: nothing is left to end @%s",
                  sq_format_duration(over_ns, over),
                  sq_format_duration(c->e->abort_after_ns, after));
}

int sq_expect_check(const struct sq_expect *e, const struct sq_plan *plan,
                    struct sq_expect_error *ret_error)
{
    const struct checking c = {.e = e, .plan = plan, .error = ret_error};
    int err = 0;
    for (size_t i = 0; i < e->where.n && !err; i++) {
        err = check_name(&c, i);
    }
    for (size_t i = 0; i < 2 && e->window.on && !err; i++) {
        err = check_event(&c, i);
    }
    err = err ? err : check_delay(&c);
    for (int i = 0; i < e->node_count && !err; i++) {
        bool own = e->nodes[i].kind == SQ_EXPECT_TERM && sq_expect_is_own(e->nodes[i].metric);
        err = own ? check_own(&c, &e->nodes[i]) : 0;
    }
    return err;
}
