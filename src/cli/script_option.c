#include "cli/script_option.h"

#include "signal/lua/script.h"
#include "signal/target.h"
#include <stdio.h>
#include <string.h>

/* Names that are not there yet. */
static int add_names(const char **names, size_t *len, char *const *more, size_t more_len,
                     const char *what, char *why, size_t why_room)
{
    for (size_t i = 0; i < more_len; i++) {
        size_t k = 0;
        while (k < *len && strcmp(names[k], more[i]) != 0) {
            k++;
        }
        if (k == SQ_STEP_FIGURES_MAX) {
            snprintf(why, why_room, "--script: more than %d %s in all", SQ_STEP_FIGURES_MAX, what);
            return SQ_ERR_INVALID;
        }
        names[k] = more[i];
        *len += k == *len;
    }
    return 0;
}

static int add_figures(struct sq_run_scripts *s, const struct sq_lua_script *script,
                       struct sq_plan *plan, char *why, size_t why_room)
{
    struct sq_step_figures *f = &s->figures;
    if (plan->figures && plan->figures != f) {
        *f = *plan->figures;
    }
    int err = add_names(f->timers, &f->timers_len, script->timers, script->timers_len, "timers",
                        why, why_room);
    err = err ? err
              : add_names(f->counters, &f->counters_len, script->counters, script->counters_len,
                          "counters", why, why_room);
    err = err ? err
              : add_names(f->events, &f->events_len, script->events, script->events_len, "events",
                          why, why_room);
    plan->figures = f;
    plan->tags = f->events;
    plan->tags_len = f->events_len;
    return err;
}

int sq_script_option_open(struct sq_run_scripts *scripts, const char *file, struct sq_plan *plan,
                          struct sq_plan_group *group, char *why, size_t why_room)
{
    char text[512] = "no memory";
    group->script = NULL;
    if (!file) {
        return 0;
    }
    for (size_t i = 0; i < scripts->len; i++) {
        if (strcmp(scripts->files[i], file) == 0) {
            group->script = scripts->scripts[i];
            return 0;
        }
    }
    struct sq_lua_script *script;
    int err = sq_lua_script_load(file, &script, text, sizeof(text));
    if (err) {
        snprintf(why, why_room, "--script: %.400s", text);
        return err;
    }
    scripts->files[scripts->len] = file;
    scripts->scripts[scripts->len++] = script;
    group->script = script;
    return add_figures(scripts, script, plan, why, why_room);
}

int sq_script_option_check(const struct sq_plan_group *group, const char *file, char *why,
                           size_t why_room)
{
    bool lua = strncmp(group->target->scheme, "lua+", 4) == 0;
    if (lua && !file) {
        snprintf(why, why_room,
                 "the target is %s, whose protocol is a script: expected --script FILE.lua",
                 group->target->scheme);
        return SQ_ERR_INVALID;
    }
    if (!lua && file) {
        snprintf(why, why_room,
                 "--script %.100s: the target is %s, which needs none: expected lua+ws://, "
                 "lua+wss://, lua+http:// or lua+https://",
                 file, group->target->scheme);
        return SQ_ERR_INVALID;
    }
    return 0;
}

void sq_script_option_close(struct sq_run_scripts *scripts)
{
    for (size_t i = 0; i < scripts->len; i++) {
        sq_lua_script_free(scripts->scripts[i]);
    }
    memset(scripts, 0, sizeof(*scripts));
}
