#include "cli/run_tell.h"

#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "cli/run_notes.h"
#include "cli/run_sources.h"
#include "cli/run_tell_int.h"
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#define COLUMN 13 /* of what stands behind a word of the left */

void sq_tell_row(const struct sq_teller *t, const char *word, const char *fmt, ...)
{
    va_list args;
    fprintf(t->out, "%-*s", COLUMN, word);
    va_start(args, fmt);
    vfprintf(t->out, fmt, args);
    va_end(args);
    fputc('\n', t->out);
}

static const char *shown(const struct sq_teller *t, const char *text)
{
    return sq_scenario_shown(t->o->scenario, text);
}

static const char *plural(uint64_t n, const char *one, const char *more)
{
    return n == 1 ? one : more;
}

static const struct sq_run_options *options_of(const struct sq_teller *t, size_t group)
{
    return t->o->groups_len > 0 ? &t->o->groups[group] : t->o;
}

const char *sq_run_rate_text(double per_s, char out[static 32])
{
    bool seconds = per_s >= 1;
    bool minutes = per_s * 60 >= 1;
    snprintf(out, 32, "%.4g%s",
             per_s * (seconds   ? 1
                      : minutes ? 60
                                : 3600),
             seconds   ? "/s"
             : minutes ? "/m"
                       : "/h");
    return out;
}

/* ---- Whereto ---- */

static const char *way_of(const struct sq_target *target)
{
    return strncmp(target->scheme, "whip", 4) == 0    ? "by WHIP"
           : strncmp(target->scheme, "whep", 4) == 0  ? "by WHEP"
           : strncmp(target->scheme, "janus", 5) == 0 ? "by Janus' protocol"
           : strncmp(target->scheme, "lua", 3) == 0   ? "by a script"
                                                      : "by the lab's room protocol";
}

static void tell_targets(struct sq_teller *t)
{
    for (size_t i = 0; i < t->plan->groups_len; i++) {
        const char *url = options_of(t, i)->target_url;
        const struct sq_target *target = t->plan->groups[i].target;
        bool new = true;
        for (size_t k = 0; k < i; k++) {
            new = new && t->plan->groups[k].target != target;
        }
        if (!new) {
            continue;
        }
        const char *written = shown(t, url);
        char *text = written == url ? sq_target_shown(url) : sq_strdup(written);
        sq_tell_row(t, i == 0 ? "Target" : "", "%s, %s%s", text ? text : "***", way_of(target),
                    sq_run_is_lab(url) ? ": a lab that the run starts on this machine" : "");
        sq_free(text);
    }
}

/* ---- Who ---- */

struct count {
    uint64_t peers[SQ_PLAN_GROUPS_MAX];
    uint64_t networks[SQ_PLAN_GROUPS_MAX][SQ_PLAN_NETWORKS_MAX];
    uint64_t rooms;
};

/* Of the users who are there at once, if none is replaced by another one. */
static void count_peers(const struct sq_plan *plan, struct count *ret_count)
{
    *ret_count = (struct count){0};
    for (uint64_t i = 0; i < plan->peers; i++) {
        struct sq_plan_place place;
        sq_plan_place(plan, i, &place);
        size_t group = (size_t)(place.group - plan->groups);
        const struct sq_plan_network *network = sq_plan_network(place.group, place.ordinal);
        ret_count->peers[group]++;
        ret_count->rooms = place.room + 1;
        if (network) {
            ret_count->networks[group][network - place.group->networks]++;
        }
    }
}

static void tell_rooms(struct sq_teller *t, const struct count *count)
{
    const struct sq_plan *plan = t->plan;
    unsigned long long rooms = count->rooms;
    struct sq_buf sizes = {0};
    for (size_t i = 0; i < plan->sizes_len; i++) {
        sq_buf_printf(&sizes, "%s%.4g %% of %llu", i ? ", " : "", plan->sizes[i].share * 100,
                      (unsigned long long)plan->sizes[i].size);
    }
    sq_tell_row(t, "Peers", "%llu%s", (unsigned long long)plan->peers,
                plan->hold_ns ? " at once" : "");
    if (plan->sizes_len > 0) {
        sq_tell_row(t, "Rooms", "%llu: %s", rooms, sizes.text ? sizes.text : "");
    } else if (plan->room_size) {
        sq_tell_row(t, "Rooms", "%llu of %llu", rooms, (unsigned long long)plan->room_size);
    } else {
        sq_tell_row(t, "Rooms", "one for all");
    }
    sq_buf_free(&sizes);
}

static void put_kinds(const struct sq_plan_group *g, struct sq_buf *b)
{
    const char *kinds = g->audio && g->video ? "audio and video"
                        : g->audio           ? "audio"
                        : g->video           ? "video"
                                             : "data";
    const char *does = g->publishes && g->watches ? "send and receive"
                       : g->publishes             ? "send"
                                                  : "receive";
    sq_buf_printf(b, "%s %s", does, kinds);
    if (g->data.on && (g->audio || g->video)) {
        sq_buf_puts(b, " and data");
    }
}

static void put_sent(const struct sq_teller *t, const struct sq_run_options *own,
                     const struct sq_plan_group *g, struct sq_buf *b)
{
    if (!g->publishes) {
        return;
    }
    if (g->audio || g->video) {
        sq_buf_printf(b, "; %s %s", own->replay ? "replay" : "media",
                      shown(t, own->replay ? own->replay : own->media));
    }
    for (size_t i = 0; i < own->codecs.n; i++) {
        sq_buf_printf(b, ", %s", own->codecs.items[i]);
    }
    if (g->simulcast) {
        unsigned layers = sq_run_notes_layers(g);
        if (layers < g->simulcast) {
            sq_buf_printf(b, ", %u of", layers);
        }
        sq_buf_printf(b, "%s%u layers", layers < g->simulcast ? " " : ", ", g->simulcast);
    }
    if (strcmp(own->bwe, "gcc") != 0) {
        sq_buf_printf(b, ", bwe %s", own->bwe);
    }
    if (own->data) {
        sq_buf_printf(b, "; messages %s%s%s", own->data, own->data_mode ? " " : "",
                      own->data_mode ? own->data_mode : "");
    }
    if (own->dtmf && g->audio) {
        sq_buf_printf(b, "; keys %s", own->dtmf);
    }
}

static void put_networks(const struct sq_plan_group *g, const uint64_t counts[], struct sq_buf *b)
{
    for (size_t i = 0; i < g->networks_len; i++) {
        /* A share is behind the name as it was given, and its users say it better. */
        int len = (int)strcspn(g->networks[i].name, "@");
        sq_buf_printf(b, "%s%.*s", i ? ", " : "; network ", len, g->networks[i].name);
        if (g->networks_len > 1) {
            sq_buf_printf(b, " for %llu", (unsigned long long)counts[i]);
        }
    }
}

static void tell_groups(struct sq_teller *t, const struct count *count)
{
    static const char *const policies[] = {"", "; by TURN alone", "; by TURN first"};
    const struct sq_plan *plan = t->plan;
    bool some_each = false; /* and a share is of those who are left */
    for (size_t i = 0; i < plan->groups_len; i++) {
        some_each = some_each || plan->groups[i].per_room != SQ_PLAN_REST;
    }
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *g = &plan->groups[i];
        struct sq_buf b = {0};
        sq_buf_printf(&b, "%s: %llu", sq_plan_role(g), (unsigned long long)count->peers[i]);
        if (plan->groups_len > 1 && g->per_room != SQ_PLAN_REST) {
            sq_buf_printf(&b, sq_plan_has_rooms(plan) ? ", %llu of each room" : ", %llu in all",
                          (unsigned long long)g->per_room);
        } else if (plan->groups_len > 1 && g->share > 0 && g->share < 1) {
            sq_buf_printf(&b, ", %.4g %% of %s", g->share * 100, some_each ? "the others" : "all");
        } else if (plan->groups_len > 1) {
            sq_buf_puts(&b, ", all the others");
        }
        sq_buf_puts(&b, "; ");
        put_kinds(g, &b);
        put_sent(t, options_of(t, i), g, &b);
        put_networks(g, count->networks[i], &b);
        sq_buf_puts(&b, policies[g->ice_policy]);
        sq_tell_row(t, i == 0 ? "Groups" : "", "%s", b.text && !b.err ? b.text : "");
        sq_buf_free(&b);
    }
}

/* ---- Steps ---- */

static void tell_list(struct sq_teller *t, const char *who, const char *phase,
                      const struct sq_steps *steps, bool *first)
{
    for (size_t i = 0; i < steps->n; i++) {
        if (i == 0) {
            sq_tell_row(t, *first ? "Steps" : "", "%s, %s:", who, phase);
        }
        sq_tell_row(t, "", "  %zu. %s", i + 1, steps->items[i].words);
        *first = false;
    }
}

static void tell_steps(struct sq_teller *t)
{
    bool first = true;
    for (size_t i = 0; i < t->plan->groups_len; i++) {
        const struct sq_plan_group *g = &t->plan->groups[i];
        if (g->before) {
            tell_list(t, sq_plan_role(g), "before signing in", g->before, &first);
            tell_list(t, sq_plan_role(g), "once up", g->steps, &first);
        }
    }
}

/* ---- When ---- */

/* "to 100 peers over 30s, 100 for 5m00s, to 0 at once" */
static void put_shape(const struct sq_teller *t, struct sq_buf *b)
{
    const struct sq_shape *shape = t->plan->shape;
    if (shape->kind == SQ_SHAPE_TIMES) {
        sq_buf_printf(b, "at the %zu times of %s", shape->times_len, shown(t, t->o->load.arrivals));
        return;
    }
    double before = 0;
    for (size_t i = 0; i < shape->stages_len; i++) {
        const struct sq_shape_stage *stage = &shape->stages[i];
        char value[32], over[32];
        bool stays = i > 0 && !(stage->to < before) && !(stage->to > before);
        if (shape->kind == SQ_SHAPE_PEERS) {
            snprintf(value, sizeof(value), "%.10g%s", stage->to,
                     i > 0            ? ""
                     : stage->to == 1 ? " peer"
                                      : " peers");
        } else if (stage->to > 0) {
            sq_run_rate_text(stage->to, value);
        } else {
            snprintf(value, sizeof(value), "0/s");
        }
        sq_format_duration(stage->over_ns, over);
        sq_buf_printf(b, "%s%s%s%s%s", i > 0 ? ", " : "", stays ? "" : "to ", value,
                      stage->over_ns == 0 ? " at once"
                      : stays             ? " for "
                                          : " over ",
                      stage->over_ns == 0 ? "" : over);
        before = stage->to;
    }
}

static void tell_load(struct sq_teller *t)
{
    const struct sq_plan *plan = t->plan;
    char hold[32], duration[32], down[32], rate[32];
    struct sq_buf b = {0};
    bool at_once = plan->rate_per_s >= SQ_PLAN_AT_ONCE_PER_S;
    double all_s = (double)plan->peers / plan->rate_per_s;
    sq_format_duration(plan->hold_ns, hold);
    sq_format_duration(plan->duration_ns, duration);
    sq_format_duration(plan->ramp_down_ns, down);
    if (plan->shape) {
        put_shape(t, &b);
        sq_buf_printf(&b, "; the run lasts %s%s%s",
                      plan->duration_ns ? duration : "until all have left",
                      plan->hold_ns ? ", and each stays for " : "", plan->hold_ns ? hold : "");
        sq_tell_row(t, "Load", "%s", b.text && !b.err ? b.text : "");
        sq_buf_free(&b);
        return;
    }
    sq_run_rate_text(plan->rate_per_s, rate);
    size_t digits = strcspn(rate, "/");
    if (at_once) {
        sq_buf_puts(&b, "all begin at once");
    } else {
        sq_buf_printf(&b, "%.*s %s begin%s", (int)digits, rate,
                      rate[digits + 1] == 's'   ? "a second"
                      : rate[digits + 1] == 'm' ? "a minute"
                                                : "an hour",
                      strncmp(rate, "1/", 2) == 0 ? "s" : "");
    }
    if (!at_once && !(plan->hold_ns && plan->duration_ns)) {
        sq_buf_printf(&b, ", all within %.6g s", all_s);
    }
    if (plan->hold_ns && plan->duration_ns) {
        sq_buf_printf(&b, " for %s, and each stays for %s: %llu in all, %llu at once at most",
                      duration, hold, (unsigned long long)sq_plan_arrivals(plan),
                      (unsigned long long)plan->peers);
    } else if (plan->hold_ns) {
        sq_buf_printf(&b, ", and each stays for %s", hold);
    } else {
        bool leave_at_once = at_once && plan->ramp_down_ns == 0;
        sq_buf_printf(&b, "; the run lasts %s, and then they leave %s%s", duration,
                      leave_at_once ? "at once" : "over ", leave_at_once ? "" : down);
    }
    sq_tell_row(t, "Load", "%s", b.text && !b.err ? b.text : "");
    sq_buf_free(&b);
}

/* ---- What for ---- */

static void tell_expectations(struct sq_teller *t)
{
    const struct sq_run_options *o = t->o;
    size_t ending = o->expectations_len - o->abort_on.n; /* those from here on end the run */
    bool of_peers = false;
    for (size_t i = 0; i < o->expectations_len; i++) {
        of_peers = of_peers || sq_expect_names(o->expectations[i], "peers.ok") ||
                   sq_expect_names(o->expectations[i], "peers.failed");
    }
    for (size_t i = 0; i < ending; i++) {
        sq_tell_row(t, i == 0 ? "Expects" : "", "%s", sq_expect_text(o->expectations[i]));
    }
    if (!of_peers) {
        sq_tell_row(t, ending == 0 ? "Expects" : "",
                    SQ_EXPECT_DEFAULT " (by itself: nothing is said of failed peers)");
    }
    for (size_t i = ending; i < o->expectations_len; i++) {
        sq_tell_row(t, i == ending ? "Ends unless" : "", "%s", sq_expect_text(o->expectations[i]));
    }
}

static void tell_output(struct sq_teller *t)
{
    const struct sq_run_options *o = t->o;
    const char *files[] = {o->json, o->junit, o->html, o->markdown};
    struct sq_buf b = {0};
    sq_buf_printf(&b, "%s/", o->out ? shown(t, o->out) : "squall-results/RUN-ID");
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        if (files[i]) {
            sq_buf_printf(&b, ", %s", shown(t, files[i]));
        }
    }
    sq_tell_row(t, "Writes", "%s", b.text && !b.err ? b.text : "");
    sq_buf_free(&b);
    const struct {
        uint64_t n;
        const char *what;
    } kept[] = {{o->record, "recorded"}, {o->decode, "decoded"}, {o->dump, "dumped"}};
    for (size_t i = 0; i < sizeof(kept) / sizeof(*kept); i++) {
        if (kept[i].n > 0) {
            sq_tell_row(t, "", "what the first %llu %s is %s", (unsigned long long)kept[i].n,
                        plural(kept[i].n, "peer receives", "peers receive"), kept[i].what);
        }
    }
}

static void tell_connection(struct sq_teller *t)
{
    const struct sq_run_options *o = t->o;
    for (size_t i = 0; i < o->turn.n; i++) {
        sq_tell_row(t, i == 0 ? "TURN" : "", "%s",
                    strchr(o->turn.items[i], '@') ? "***" : shown(t, o->turn.items[i]));
    }
    for (size_t i = 0; i < o->stun.n; i++) {
        sq_tell_row(t, i == 0 ? "STUN" : "", "%s", shown(t, o->stun.items[i]));
    }
}

void sq_run_tell(const struct sq_run_options *o, const struct sq_plan *plan, FILE *out)
{
    struct sq_teller t = {o, plan, out};
    struct count count;
    count_peers(plan, &count);
    if (o->scenario) {
        sq_tell_row(&t, "Scenario", "%s%s%s%s", o->scenario->file, o->scenario->name[0] ? " (" : "",
                    o->scenario->name, o->scenario->name[0] ? ")" : "");
    }
    if (o->scale) {
        sq_tell_row(&t, "Scale", "%.6g of its peers, rooms and times", o->scale_factor);
    }
    tell_targets(&t);
    tell_rooms(&t, &count);
    if (plan->users) {
        uint64_t rows = sq_users_rows(plan->users);
        sq_tell_row(&t, "Users", "%llu %s of %s, %s", (unsigned long long)rows,
                    plural(rows, "row", "rows"), shown(&t, o->users),
                    o->users_order ? o->users_order : "sequential");
    }
    tell_groups(&t, &count);
    tell_steps(&t);
    tell_load(&t);
    tell_connection(&t);
    sq_tell_rest(&t);
    tell_expectations(&t);
    tell_output(&t);
}
