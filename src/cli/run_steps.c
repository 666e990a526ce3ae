#include "cli/run_steps.h"

#include "base/str.h"
#include "cli/run_file.h"
#include "net/link_profile.h"
#include "run/ice_servers.h"
#include <string.h>

void sq_run_steps_plan(const struct sq_run_options *o, struct sq_plan *plan)
{
    const struct sq_scenario *s = o->scenario;
    for (size_t i = 0; s && i < plan->groups_len; i++) {
        const struct sq_scenario_group *from = s->groups_len > 0 ? &s->groups[i] : NULL;
        struct sq_plan_group *group = &plan->groups[i];
        group->before = from && from->before.n > 0 ? &from->before : &s->before;
        group->steps = from && from->steps.n > 0 ? &from->steps : &s->steps;
        group->room = from ? from->room : NULL;
    }
    plan->figures = s ? &s->figures : NULL;
    if (s) {
        plan->tags = s->figures.events;
        plan->tags_len = s->figures.events_len;
    }
}

bool sq_run_steps_any(const struct sq_plan *plan)
{
    bool any = false;
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *g = &plan->groups[i];
        any = any || (g->before && g->before->n + g->steps->n > 0);
    }
    return any;
}

static bool give_ice(const struct sq_steps *steps)
{
    bool any = false;
    for (size_t i = 0; i < steps->n; i++) {
        any = any || steps->items[i].kind == SQ_STEP_ICE_SERVERS;
    }
    return any;
}

bool sq_run_steps_give_ice(const struct sq_run_options *o)
{
    const struct sq_scenario *s = o->scenario;
    bool any = s && (give_ice(&s->before) || give_ice(&s->steps));
    for (size_t i = 0; s && i < s->groups_len; i++) {
        any = any || give_ice(&s->groups[i].before) || give_ice(&s->groups[i].steps);
    }
    return any;
}

/* ---- Columns ---- */

struct check {
    const struct sq_run_options *o;
    const struct sq_plan *plan;
    char *why;
    size_t why_room;
};

static int check_text(const struct check *c, const struct sq_step *step, const char *text)
{
    char name[SQ_STEP_NAME_MAX + 8], asked[SQ_STEP_NAME_MAX + 16], column[64];
    const char *p = text ? text : "";
    while (sq_step_next_mark(&p, name) == 0) {
        struct sq_buf value = {0};
        if (strncmp(name, "user.", 5) != 0) {
            continue;
        }
        if (!c->plan->users) {
            sq_run_file_refuse(c->o, &step->at, c->why, c->why_room,
                               "${%s} asks for a column of users, and there are none: give the "
                               "rows with users.file",
                               name);
            return SQ_ERR_INVALID;
        }
        snprintf(asked, sizeof(asked), "${%s}", name);
        int err = sq_users_put(c->plan->users, 0, asked, &value, column);
        sq_buf_free(&value);
        if (err == SQ_ERR_NOTFOUND) {
            sq_run_file_refuse(c->o, &step->at, c->why, c->why_room,
                               "the rows of users have no column '%s'", column);
        }
        if (err) {
            return err;
        }
    }
    return 0;
}

static int check_network(const struct check *c, const struct sq_step *step)
{
    struct sq_link_config config;
    char why[200];
    int err = sq_link_parse(step->name, &config, why, sizeof(why));
    if (err) {
        sq_run_file_refuse(c->o, &step->at, c->why, c->why_room, "network '%.80s': %s", step->name,
                           why);
    }
    return err;
}

/* Those that are written out; others are known when a step has taken them. */
static int check_ice(const struct check *c, const struct sq_step *step)
{
    char why[200] = "";
    int err = step->json ? sq_ice_servers_check(step->value, why, sizeof(why)) : 0;
    if (err) {
        sq_run_file_refuse(c->o, &step->at, c->why, c->why_room, "ice_servers: %s",
                           why[0] ? why : sq_err_name(err));
    }
    return err;
}

/* What a call has to have for a step. */
static int check_call(const struct sq_run_options *o, const struct sq_plan_group *g,
                      const struct sq_step *step, char *why, size_t why_room)
{
    const char *what = NULL;
    if (step->kind == SQ_STEP_DATA && !g->data.on) {
        what = "data: these peers have no data channel; expected data: open, or a rate and a size, "
               "beside the steps";
    } else if (step->kind == SQ_STEP_SHARE && (!g->publishes || !g->video || g->replay)) {
        what = "share: these peers send no video of a clip";
    } else if (step->kind == SQ_STEP_DTMF && (!g->publishes || !g->audio)) {
        what = "dtmf: these peers send no audio, and keys are pressed in it (RFC 4733)";
    }
    if (what) {
        sq_run_file_refuse(o, &step->at, why, why_room, "%s", what);
    }
    return what ? SQ_ERR_INVALID : 0;
}

static int check_talk(const struct check *c, const struct sq_step *step)
{
    const struct sq_step_talk *t = step->talk;
    int err = check_text(c, step, t->url);
    err = err ? err : check_text(c, step, t->send);
    for (size_t i = 0; !err && i < t->headers_len; i++) {
        err = check_text(c, step, t->headers[i]);
    }
    for (size_t i = 0; !err && i < t->match.at_len; i++) {
        err = check_text(c, step, t->match.at[i].value);
    }
    return err;
}

static int check_steps(const struct check *c, const struct sq_steps *steps)
{
    int err = 0;
    for (size_t i = 0; !err && steps && i < steps->n; i++) {
        const struct sq_step *step = &steps->items[i];
        const struct sq_step_http *http = step->http;
        err = check_text(c, step, step->value);
        err = err || !step->talk ? err : check_talk(c, step);
        err = err || step->kind != SQ_STEP_NETWORK ? err : check_network(c, step);
        err = err || step->kind != SQ_STEP_ICE_SERVERS ? err : check_ice(c, step);
        err = err || !http ? err : check_text(c, step, http->url);
        err = err || !http ? err : check_text(c, step, http->body);
        for (size_t k = 0; !err && http && k < http->headers_len; k++) {
            err = check_text(c, step, http->headers[k]);
        }
    }
    return err;
}

int sq_run_steps_check(const struct sq_run_options *o, const struct sq_plan *plan, char *why,
                       size_t why_room)
{
    const struct check c = {o, plan, why, why_room};
    int err = 0;
    for (size_t i = 0; !err && i < plan->groups_len; i++) {
        err = check_steps(&c, plan->groups[i].before);
        err = err ? err : check_steps(&c, plan->groups[i].steps);
    }
    return err;
}

int sq_run_steps_check_signal(const struct sq_run_options *o, const struct sq_plan_group *group,
                              char *why, size_t why_room)
{
    const char *lacks = sq_plan_restart_lacks(group);
    for (size_t i = 0; group->steps && i < group->steps->n; i++) {
        const struct sq_step *step = &group->steps->items[i];
        int err = check_call(o, group, step, why, why_room);
        if (err) {
            return err;
        }
        if (lacks && step->kind == SQ_STEP_RESTART_ICE) {
            sq_run_file_refuse(o, &step->at, why, why_room, "restart_ice: %s", lacks);
            return SQ_ERR_INVALID;
        }
    }
    return 0;
}

/* ---- Targets ---- */

/* What a whole URL begins with that its kind takes: "room+${url}" is one of a WebSocket. */
static const char *whole_url(const char *text, const char *mark)
{
    size_t len = (size_t)(mark - text);
    bool socket = (len == 5 && strncmp(text, "room+", 5) == 0) ||
                  (len == 6 && strncmp(text, "janus+", 6) == 0);
    return socket ? "wss://step.invalid/x" : "https://step.invalid/x";
}

bool sq_run_steps_give_host(const char *text)
{
    const char *host = strstr(text, "://");
    const char *mark = strchr(text, SQ_STEP_MARK);
    return mark && (!host || mark < host + 3 + strcspn(host + 3, "/?#"));
}

char *sq_run_steps_shown(const char *text)
{
    struct sq_buf out = {0};
    for (const char *p = text; *p; p++) {
        if (*p == SQ_STEP_MARK) {
            sq_buf_puts(&out, "${");
        } else {
            sq_buf_add(&out, *p == SQ_STEP_MARK_END ? "}" : p, 1);
        }
    }
    return sq_buf_take(&out);
}

char *sq_run_steps_probe(const char *text)
{
    struct sq_buf out = {0};
    char name[SQ_STEP_NAME_MAX + 8];
    const char *mark;
    const char *begin = text;
    while ((mark = strchr(text, SQ_STEP_MARK))) {
        bool whole = mark > text && mark[-1] == '+' && text == begin; /* whip+${url} */
        bool port = mark > text && mark[-1] == ':';
        sq_buf_add(&out, text, (size_t)(mark - text));
        sq_buf_puts(&out, whole ? whole_url(begin, mark) : port ? "1" : "x");
        text = mark;
        if (sq_step_next_mark(&text, name) != 0) {
            break;
        }
    }
    sq_buf_puts(&out, text);
    return sq_buf_take(&out);
}
