/* What `squall run` is given, as results tell it. */
#include "base/mem.h"
#include "base/str.h"
#include "cli/run_options.h"
#include <stdio.h>
#include <string.h>

/* Rows of a run, or of one of a scenario's groups: their keys have its name before them. */
struct rows {
    struct sq_result *result;
    const struct sq_scenario *scenario; /* nullable */
    const char *group;                  /* NULL: of the run */
    int err;                            /* the first one */
};

static const char *key_of(const struct rows *r, const char *key, char out[static 80])
{
    snprintf(out, 80, "%s%s%s%s", r->group ? "groups." : "", r->group ? r->group : "",
             r->group ? "." : "", key);
    return out;
}

/* A text that a variable of the environment is in is told as it is written: it may be a secret. */
static void put_text(struct rows *r, const char *key, const char *text)
{
    char full[80];
    if (!r->err) {
        r->err = sq_result_config_text(r->result, key_of(r, key, full),
                                       sq_scenario_shown(r->scenario, text));
    }
}

static void put_number(struct rows *r, const char *key, double number)
{
    char full[80];
    r->err = r->err ? r->err : sq_result_config_number(r->result, key_of(r, key, full), number);
}

static void put_flag(struct rows *r, const char *key, bool flag)
{
    char full[80];
    r->err = r->err ? r->err : sq_result_config_flag(r->result, key_of(r, key, full), flag);
}

static void put_list(struct rows *r, const char *key, const struct sq_option_list *list)
{
    struct sq_buf b = {0};
    for (size_t i = 0; i < list->n; i++) {
        sq_buf_printf(&b, "%s%s", i ? "," : "", sq_scenario_shown(r->scenario, list->items[i]));
    }
    r->err = r->err ? r->err : b.err;
    if (list->n > 0) {
        put_text(r, key, b.text ? b.text : "");
    }
    sq_buf_free(&b);
}

/* Where a variable of the environment is in it, as it is written; else without what may be secret.
 * Owned by the caller. */
static char *shown_target(const struct sq_run_options *o, const struct sq_scenario *scenario)
{
    const char *text = sq_scenario_shown(scenario, o->target_url);
    return text == o->target_url ? sq_target_shown(text) : sq_strdup(text);
}

static void put_target(struct rows *r, const struct sq_run_options *o)
{
    char *shown = shown_target(o, r->scenario);
    r->err = r->err ? r->err : shown ? 0 : SQ_ERR_NOMEM;
    if (!r->err) {
        put_text(r, "target", shown);
        r->err = r->err || r->group ? r->err : sq_result_replace_text(&r->result->target, shown);
    }
    sq_free(shown);
}

/* The words of a step: of a URL neither its query, which they lack in any case, nor a password. */
static void put_step_words(const char *words, struct sq_buf *b)
{
    const char *scheme = strstr(words, "://");
    const char *host = scheme ? scheme + 3 : words;
    size_t before_path = strcspn(host, "/ ");
    const char *at = scheme ? memchr(host, '@', before_path) : NULL;
    sq_buf_add(b, words, (size_t)(host - words));
    sq_buf_puts(b, at ? at + 1 : host);
}

/* What else an HTTP step is, by names alone: values may be secret. */
static void put_step_http(const struct sq_step_http *http, struct sq_buf *b)
{
    for (size_t i = 0; i < http->headers_len; i++) {
        sq_buf_printf(b, "%s%.*s", i ? "," : " with ", (int)strcspn(http->headers[i], ":"),
                      http->headers[i]);
    }
    sq_buf_puts(b, !http->body ? "" : http->json ? " and a body of JSON" : " and a body");
    sq_buf_printf(b, ", status %d", http->status_least);
    if (http->status_most != http->status_least) {
        sq_buf_printf(b, "-%d", http->status_most);
    }
    for (size_t i = 0; i < http->takes_len; i++) {
        sq_buf_printf(b, "%s%s", i ? "," : ", takes ", http->takes[i].name);
    }
}

static void put_steps(struct rows *r, const char *key, const struct sq_steps *steps)
{
    struct sq_buf b = {0};
    for (size_t i = 0; steps && i < steps->n; i++) {
        const struct sq_step *step = &steps->items[i];
        sq_buf_puts(&b, i ? "; " : "");
        put_step_words(step->words, &b);
        if (step->http) {
            put_step_http(step->http, &b);
        }
        if (step->add > 1) {
            sq_buf_printf(&b, " by %llu", (unsigned long long)step->add);
        }
    }
    r->err = r->err ? r->err : b.err;
    if (b.len > 0) {
        put_text(r, key, b.text);
    }
    sq_buf_free(&b);
}

/* What users send and receive, and how. */
static void put_group(struct rows *r, const struct sq_run_options *o,
                      const struct sq_plan_group *group)
{
    put_flag(r, "listen", group->watches);
    put_text(r, o->replay ? "replay" : "media", o->replay ? o->replay : o->media);
    put_list(r, "codec", &o->codecs);
    put_number(r, "simulcast", (double)group->simulcast);
    put_text(r, "bwe", o->bwe);
    put_flag(r, "audio", group->audio);
    put_flag(r, "video", group->video);
    if (o->data) {
        put_text(r, "data", o->data);
    }
    if (o->dtmf) {
        put_text(r, "dtmf", o->dtmf);
    }
    if (o->data_mode) {
        put_text(r, "data_mode", o->data_mode);
    }
    put_flag(r, "trickle", group->trickle);
    put_flag(r, "latency", group->latency);
    put_flag(r, "insecure", group->insecure);
    put_flag(r, "echo", o->echo);
    if (o->ca_file) {
        put_text(r, "ca", o->ca_file);
    }
    if (o->script) {
        put_text(r, "script", o->script);
    }
    put_list(r, "network", &o->networks);
    if (o->reconnect) {
        put_text(r, "reconnect", o->reconnect);
    }
    put_text(r, "ice", sq_run_ice_words[group->ice_policy]);
    put_steps(r, "before", group->before);
    put_steps(r, "steps", group->steps);
}

static void put_groups(struct rows *r, const struct sq_run_options *o, const struct sq_plan *plan)
{
    for (size_t i = 0; o->scenario && i < o->groups_len; i++) {
        const struct sq_scenario_group *from = &o->scenario->groups[i];
        r->group = from->name;
        put_target(r, &o->groups[i]);
        put_text(r, "role", sq_scenario_roles[from->role]);
        if (from->per_room) {
            put_number(r, "per_room", (double)from->per_room);
        } else {
            put_number(r, "share_percent", from->share * 100);
        }
        put_flag(r, "publishes", plan->groups[i].publishes);
        put_group(r, &o->groups[i], &plan->groups[i]);
    }
    r->group = NULL;
}

static void put_sizes(struct rows *r, const struct sq_plan *plan)
{
    struct sq_buf b = {0};
    for (size_t i = 0; i < plan->sizes_len; i++) {
        sq_buf_printf(&b, "%s%llu: %.4g%%", i ? ", " : "", (unsigned long long)plan->sizes[i].size,
                      plan->sizes[i].share * 100);
    }
    r->err = r->err ? r->err : b.err;
    if (plan->sizes_len > 0) {
        put_text(r, "room_sizes", b.text ? b.text : "");
    } else if (plan->room_size) {
        put_number(r, "room_size", (double)plan->room_size);
    }
    sq_buf_free(&b);
}

static void put_load(struct rows *r, const struct sq_run_options *o, const struct sq_plan *plan)
{
    put_number(r, "peers", (double)plan->peers);
    if (!plan->shape && plan->rate_per_s >= SQ_PLAN_AT_ONCE_PER_S) {
        put_number(r, "ramp_up_s", 0);
    } else if (!plan->shape) {
        put_number(r, "rate_per_s", plan->rate_per_s);
    }
    r->err = r->err ? r->err : sq_load_option_describe(&o->load, r->result);
    put_number(r, "hold_s", (double)plan->hold_ns / 1e9);
    put_number(r, "duration_s", (double)plan->duration_ns / 1e9);
    put_number(r, "ramp_down_s", (double)plan->ramp_down_ns / 1e9);
    put_number(r, "threads", plan->threads);
    put_flag(r, "realtime", plan->realtime);
}

int sq_run_options_describe(const struct sq_run_options *o, const struct sq_plan *plan,
                            struct sq_result *result)
{
    struct rows rows = {.result = result, .scenario = o->scenario};
    struct rows *r = &rows;
    const struct sq_plan_group *first = &plan->groups[0];
    bool all = first->publishes && plan->groups_len == 1;
    if (o->scenario && o->scenario->name[0]) {
        put_text(r, "scenario", o->scenario->name);
    }
    if (o->scale) {
        put_number(r, "scale", o->scale_factor);
    }
    put_target(r, o);
    put_load(r, o, plan);
    if (o->users) {
        put_text(r, "users", o->users);
        put_text(r, "users_order", o->users_order ? o->users_order : "sequential");
    }
    put_text(r, "room", plan->room);
    put_sizes(r, plan);
    if (o->groups_len > 0) {
        put_groups(r, o, plan);
    } else {
        if (!all) {
            put_number(r, "publishers", first->publishes ? (double)first->per_room : 0);
        }
        put_group(r, o, first);
    }
    put_text(r, "srtp", o->srtp);
    put_number(r, "dump", (double)plan->dumps);
    put_number(r, "decode", (double)plan->decode);
    put_list(r, "stun", &o->stun);
    put_list(r, "local_ip", &o->local_ips);
    put_list(r, "turn", &o->turn);
    put_number(r, "answer_timeout_s", (double)plan->answer_timeout_ns / 1e9);
    put_number(r, "connect_timeout_s", (double)plan->connect_timeout_ns / 1e9);
    put_number(r, "media_timeout_s", (double)plan->media_timeout_ns / 1e9);
    put_number(r, "lateness_max_ms", plan->lateness_p99_max_ms);
    return r->err;
}
