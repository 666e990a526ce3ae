/* Files that a scenario names: beside it first, as whoever wrote it sees them, and then in the
 * current directory. */
#include "base/str.h"
#include "scenario/scenario_int.h"
#include <string.h>
#include <unistd.h>

/* default, small and hd are names; what has a dot or a slash is a file, as sq_clip_builtin has it.
 */
static bool is_clip_file(const char *name)
{
    return strpbrk(name, "/.") != NULL;
}

static bool is_relative(const char *text)
{
    return text[0] != '\0' && text[0] != '/' && strcmp(text, "-") != 0;
}

static bool is_file(const struct sq_scenario_setting *s)
{
    return (s->key->where & SQ_SCENARIO_FILE) && !s->part && is_relative(s->value) &&
           (strcmp(s->key->name, "media") != 0 || is_clip_file(s->value));
}

/* Bytes of the scenario's own name that are its folder, with the slash; 0: the current one. */
static int folder_len(const struct sq_scenario *s)
{
    const char *slash = strrchr(s->file, '/');
    return slash ? (int)(slash - s->file) + 1 : 0;
}

/* *text, or the file beside the scenario that it means. */
static int find(struct sq_scenario_reader *r, const char **text)
{
    struct sq_buf b = {0};
    sq_buf_printf(&b, "%.*s%s", folder_len(r->scenario), r->scenario->file, *text);
    int err = b.err;
    if (!err && access(b.text, F_OK) == 0) {
        const char *kept = sq_scenario_keep(r, b.text);
        err = kept ? 0 : SQ_ERR_NOMEM;
        *text = kept ? kept : *text;
    }
    sq_buf_free(&b);
    return err;
}

static int find_all(struct sq_scenario_reader *r, struct sq_scenario_settings *settings)
{
    int err = 0;
    for (size_t i = 0; !err && i < settings->n; i++) {
        struct sq_scenario_setting *s = &settings->items[i];
        if (is_file(s)) {
            err = find(r, &s->value);
            s->shown = s->secret ? s->shown : s->value;
        }
    }
    return err;
}

static int find_shared(struct sq_scenario_reader *r, struct sq_steps *steps)
{
    int err = 0;
    for (size_t i = 0; !err && i < steps->n; i++) {
        struct sq_step *step = &steps->items[i];
        if (step->kind == SQ_STEP_SHARE && is_clip_file(step->name) && is_relative(step->name)) {
            err = find(r, &step->name);
        }
    }
    return err;
}

int sq_scenario_find_files(struct sq_scenario *scenario)
{
    struct sq_scenario_reader r = {.scenario = scenario};
    if (folder_len(scenario) == 0) {
        return 0;
    }
    int err = find_all(&r, &scenario->settings);
    err = err ? err : find_shared(&r, &scenario->steps);
    for (size_t i = 0; !err && i < scenario->groups_len; i++) {
        err = find_all(&r, &scenario->groups[i].settings);
        err = err ? err : find_shared(&r, &scenario->groups[i].steps);
    }
    return err;
}

static void put_looked(const struct sq_scenario *s, const char *value, const char *shown,
                       struct sq_buf *out)
{
    if (folder_len(s) > 0 && access(value, F_OK) != 0) {
        sq_buf_printf(out, " (looked for %.*s%s, and for %s in the current directory)",
                      folder_len(s), s->file, shown, shown);
    }
}

void sq_scenario_put_looked(const struct sq_scenario *scenario,
                            const struct sq_scenario_setting *setting, struct sq_buf *out)
{
    if (is_file(setting)) {
        put_looked(scenario, setting->value, setting->shown, out);
    }
}

void sq_scenario_put_looked_clip(const struct sq_scenario *scenario, const char *name,
                                 struct sq_buf *out)
{
    if (is_clip_file(name) && is_relative(name)) {
        put_looked(scenario, name, name, out);
    }
}
