/* Names that steps give values to: which there are, and that nobody asks for one too early. */
#include "scenario/scenario_int.h"
#include <string.h>

/* ---- Which there are ---- */

bool sq_scenario_is_step_name(const struct sq_scenario_reader *r, const char *name, size_t len)
{
    for (size_t i = 0; i < r->names_len; i++) {
        if (strlen(r->names[i]) == len && strncmp(r->names[i], name, len) == 0) {
            return true;
        }
    }
    return false;
}

static int add_name(struct sq_scenario_reader *r, const struct sq_yaml_node *node)
{
    if (!node || node->kind != SQ_YAML_TEXT) {
        return 0; /* told where it is read */
    }
    size_t len = strlen(node->text);
    if (sq_scenario_is_step_name(r, node->text, len)) {
        return 0;
    }
    if (!sq_scenario_is_a_step_name(node->text, len)) {
        return sq_scenario_refuse(
            r, SQ_ERR_FORMAT, node->at,
            "'%.60s' is no name for a value; expected 1 to %d letters, digits "
            "and '_', a letter first",
            node->text, SQ_STEP_NAME_MAX);
    }
    if (r->names_len == SQ_STEP_NAMES_MAX) {
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, node->at, "more than %d names of values",
                                  SQ_STEP_NAMES_MAX);
    }
    const char *kept = sq_scenario_keep(r, node->text);
    r->names[r->names_len] = kept;
    r->names_len += kept != NULL;
    return kept ? 0 : SQ_ERR_NOMEM;
}

static const struct sq_yaml_node *child(const struct sq_yaml_node *node, const char *key)
{
    const struct sq_yaml_node *item = node && node->kind == SQ_YAML_MAP ? node->first : NULL;
    while (item && strcmp(item->key->text, key) != 0) {
        item = item->next;
    }
    return item;
}

static int find_in_step(struct sq_scenario_reader *r, const struct sq_yaml_node *step)
{
    static const char *const taking[] = {"http", "websocket", "data"};
    const struct sq_yaml_node *wait = child(step, "wait_for");
    int err = add_name(r, child(child(step, "set"), "name"));
    err = err ? err : add_name(r, wait && wait->kind == SQ_YAML_MAP ? child(wait, "name") : wait);
    for (size_t i = 0; i < sizeof(taking) / sizeof(*taking); i++) {
        const struct sq_yaml_node *take = child(child(step, taking[i]), "take");
        for (const struct sq_yaml_node *item = take && take->kind == SQ_YAML_MAP ? take->first
                                                                                 : NULL;
             !err && item; item = item->next) {
            err = add_name(r, item->key);
        }
    }
    return err;
}

static int find_in_lists(struct sq_scenario_reader *r, const struct sq_yaml_node *map)
{
    const struct sq_yaml_node *lists[] = {child(map, "before"), child(map, "steps")};
    int err = 0;
    for (size_t i = 0; i < 2; i++) {
        bool list = lists[i] && lists[i]->kind == SQ_YAML_LIST;
        for (const struct sq_yaml_node *step = list ? lists[i]->first : NULL; !err && step;
             step = step->next) {
            err = find_in_step(r, step);
        }
    }
    return err;
}

int sq_scenario_find_names(struct sq_scenario_reader *r, const struct sq_yaml_node *root)
{
    const struct sq_yaml_node *groups = child(root, "groups");
    int err = find_in_lists(r, root);
    for (const struct sq_yaml_node *g = groups ? groups->first : NULL; !err && g; g = g->next) {
        err = find_in_lists(r, g);
    }
    return err;
}

/* ---- In which order ---- */

struct known {
    const char *names[SQ_STEP_NAMES_MAX * 2];
    size_t n;
};

static void learn(struct known *k, const char *name)
{
    if (k->n < SQ_STEP_NAMES_MAX * 2) {
        k->names[k->n++] = name;
    }
}

static bool knows(const struct known *k, const char *name)
{
    bool known = strncmp(name, "user.", 5) == 0 || sq_step_is_of_peer(name);
    for (size_t i = 0; i < k->n && !known; i++) {
        known = strcmp(k->names[i], name) == 0;
    }
    return known;
}

static int check_text(struct sq_scenario_reader *r, const struct known *k, const char *text,
                      struct sq_yaml_place at, const char *when)
{
    char name[SQ_STEP_NAME_MAX + 8];
    const char *p = text ? text : "";
    while (sq_step_next_mark(&p, name) == 0) {
        if (!knows(k, name)) {
            return sq_scenario_refuse(r, SQ_ERR_INVALID, at,
                                      "${%s}: no step %s takes it, waits for it or sets it", name,
                                      when);
        }
    }
    return 0;
}

static const char before_it[] = "before this one";

static int check_headers(struct sq_scenario_reader *r, const struct known *k,
                         const char *const *headers, size_t len, struct sq_yaml_place at)
{
    int err = 0;
    for (size_t i = 0; !err && i < len; i++) {
        err = check_text(r, k, headers[i], at, before_it);
    }
    return err;
}

static void learn_takes(struct known *k, const struct sq_step_take *takes, size_t len)
{
    for (size_t i = 0; i < len; i++) {
        learn(k, takes[i].name);
    }
}

static int check_talk(struct sq_scenario_reader *r, struct known *k, const struct sq_step *step)
{
    const struct sq_step_talk *t = step->talk;
    int err = check_text(r, k, t->url, step->at, before_it);
    err = err ? err : check_text(r, k, t->send, step->at, before_it);
    err = err ? err : check_headers(r, k, t->headers, t->headers_len, step->at);
    for (size_t i = 0; !err && i < t->match.at_len; i++) {
        err = check_text(r, k, t->match.at[i].value, step->at, before_it);
    }
    learn_takes(k, t->takes, t->takes_len);
    return err;
}

static int check_step(struct sq_scenario_reader *r, struct known *k, const struct sq_step *step)
{
    const struct sq_step_http *http = step->http;
    int err = check_text(r, k, step->value, step->at, before_it);
    if (!err && step->talk) {
        err = check_talk(r, k, step);
    }
    if (!err && http) {
        err = check_text(r, k, http->url, step->at, before_it);
        err = err ? err : check_text(r, k, http->body, step->at, before_it);
        err = err ? err : check_headers(r, k, http->headers, http->headers_len, step->at);
        learn_takes(k, http->takes, http->takes_len);
    }
    if (step->kind == SQ_STEP_SET || step->kind == SQ_STEP_WAIT_FOR) {
        learn(k, step->name);
    }
    return err;
}

static int check_steps(struct sq_scenario_reader *r, struct known *k, const struct sq_steps *steps)
{
    int err = 0;
    for (size_t i = 0; !err && i < steps->n; i++) {
        err = check_step(r, k, &steps->items[i]);
    }
    return err;
}

/* Of a group, or of a file without groups. */
static int check_group(struct sq_scenario_reader *r, const struct sq_scenario_group *g)
{
    static const char *const options[] = {"target", "token"};
    static const char when[] = "of before";
    const struct sq_scenario *s = r->scenario;
    struct known k = {.n = 0};
    int err = check_steps(r, &k, g && g->before.n > 0 ? &g->before : &s->before);
    for (size_t i = 0; !err && i < 2; i++) {
        const struct sq_scenario_setting *setting = sq_scenario_setting_for(s, g, options[i]);
        err = setting ? check_text(r, &k, setting->value, setting->at, when) : 0;
    }
    err = err || !g ? err : check_text(r, &k, g->room, g->at, when);
    return err ? err : check_steps(r, &k, g && g->steps.n > 0 ? &g->steps : &s->steps);
}

int sq_scenario_check_names(struct sq_scenario_reader *r)
{
    const struct sq_scenario *s = r->scenario;
    int err = s->groups_len > 0 ? 0 : check_group(r, NULL);
    for (size_t i = 0; !err && i < s->groups_len; i++) {
        err = check_group(r, &s->groups[i]);
    }
    return err;
}
