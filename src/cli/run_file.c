#include "cli/run_file.h"

#include "base/mem.h"
#include "base/str.h"
#include "cli/run_table.h"
#include "net/link_profile.h"
#include "scenario/keys.h"
#include "scenario/scale.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool sq_run_file_is(const char *word)
{
    size_t len = strlen(word);
    bool url = strstr(word, "://") != NULL;
    return !url && ((len > 5 && strcmp(word + len - 5, ".yaml") == 0) ||
                    (len > 4 && strcmp(word + len - 4, ".yml") == 0));
}

/* ---- Values into options ---- */

static int apply(const struct sq_run_options *o, const struct sq_scenario_group *group,
                 const struct sq_scenario_settings *settings, struct sq_run_table *table, char *why,
                 size_t why_room)
{
    sq_options_begin(table->rows, NULL);
    for (size_t i = 0; i < settings->n; i++) {
        const struct sq_scenario_setting *s = &settings->items[i];
        if (s->part) {
            continue;
        }
        if (strcmp(s->key->option, "target") == 0) {
            table->options->target_url = s->value;
            continue;
        }
        int err = sq_option_set(table->rows, s->key->option, s->value, why, why_room);
        if (err) {
            (void)sq_run_file_explain(o, group, why, why_room);
            return err;
        }
    }
    return 0;
}

/* Defaults, the whole file, the group (nullable), the command line: each wins over those before. */
static int layer(const struct sq_run_options *o, const struct sq_scenario_group *group, int argc,
                 char **argv, struct sq_run_options *ret_o, char *why, size_t why_room)
{
    const struct sq_scenario *scenario = o->scenario;
    struct sq_run_table table;
    struct sq_option_list rest = {0};
    sq_run_table_defaults(ret_o);
    sq_run_table_make(ret_o, &table);
    int err = apply(o, NULL, &scenario->settings, &table, why, why_room);
    err = err || !group ? err : apply(o, group, &group->settings, &table, why, why_room);
    sq_options_begin(table.rows, "expect"); /* what else is expected comes on top */
    err = err ? err : sq_options_parse(table.rows, argc, argv, &rest, why, why_room);
    for (size_t i = 0; !err && i < rest.n; i++) {
        if (!sq_run_file_is(rest.items[i])) {
            ret_o->target_url = rest.items[i];
        }
    }
    return err;
}

/* What the group says alone, to see whether it makes sense for its role. */
static int own_options(const struct sq_run_options *o, const struct sq_scenario_group *group,
                       struct sq_run_options *ret_own, char *why, size_t why_room)
{
    struct sq_run_table table;
    sq_run_table_defaults(ret_own);
    sq_run_table_make(ret_own, &table);
    return apply(o, group, &group->settings, &table, why, why_room);
}

/* Keys of the group's own, which its role or the whole file leaves no audio for. */
static int check_keys(const struct sq_run_options *g, enum sq_scenario_role role, char *why,
                      size_t why_room)
{
    if (!sq_scenario_role_speaks(role)) {
        snprintf(why, why_room,
                 "--dtmf: keys are pressed in audio, and role: %s has none: leave it out",
                 sq_scenario_roles[role]);
        return SQ_ERR_INVALID;
    }
    if (!g->audio) {
        snprintf(why, why_room,
                 "--dtmf: keys are pressed in audio, and there is none: leave it out");
        return SQ_ERR_INVALID;
    }
    return 0;
}

static int read_group(struct sq_run_options *o, size_t i, int argc, char **argv, char *why,
                      size_t why_room)
{
    const struct sq_scenario_group *group = &o->scenario->groups[i];
    struct sq_run_options *g = &o->groups[i];
    struct sq_run_options own;
    int err = layer(o, group, argc, argv, g, why, why_room);
    err = err ? err : own_options(o, group, &own, why, why_room);
    if (err) {
        return err;
    }
    if (!g->target_url) {
        sq_run_file_refuse(o, &group->at, why, why_room,
                           "group '%s' has no target, and nor has the file; expected target: lab, "
                           "or target: whip+https://host/path and the like",
                           group->name);
        return SQ_ERR_INVALID;
    }
    own.target_url = g->target_url;
    own.publishers = sq_scenario_role_sends(group->role) ? UINT64_MAX : 0;
    own.in_group = true;
    err = sq_run_options_check(&own, why, why_room);
    err = err || !own.dtmf ? err : check_keys(g, group->role, why, why_room);
    if (err) {
        (void)sq_run_file_explain(o, group, why, why_room);
        return err;
    }
    sq_run_options_finish(g);
    return 0;
}

/* Options that groups say better, or that say nothing about any of them. */
static int check_line(const struct sq_run_options *o, char *why, size_t why_room)
{
    const struct sq_scenario *s = o->scenario;
    bool same = true;
    for (size_t i = 0; i < s->groups_len; i++) {
        const struct sq_scenario_setting *target =
            sq_scenario_setting_for(s, &s->groups[i], "target");
        const struct sq_scenario_setting *first =
            sq_scenario_setting_for(s, &s->groups[0], "target");
        same &= (target ? target->value : NULL) == (first ? first->value : NULL);
    }
    if (s->groups_len > 0 && (o->publishers != UINT64_MAX || !o->listen)) {
        snprintf(why, why_room,
                 "%s: the groups of %s say who publishes and who watches; leave it out",
                 o->listen ? "--publishers" : "--no-listen", s->file);
        return SQ_ERR_INVALID;
    }
    if (o->line_target && !same) {
        snprintf(why, why_room,
                 "the groups of %s have targets of their own: expected none on the command line",
                 s->file);
        return SQ_ERR_INVALID;
    }
    if (o->room_size > 0 && s->sizes_len > 0) {
        snprintf(why, why_room, "--room-size: rooms.sizes of %s says it; leave it out", s->file);
        return SQ_ERR_INVALID;
    }
    return 0;
}

static int read_groups(struct sq_run_options *o, int argc, char **argv, char *why, size_t why_room)
{
    size_t n = o->scenario->groups_len;
    if (n == 0) {
        return 0;
    }
    o->groups = sq_calloc(n, sizeof(*o->groups));
    if (!o->groups) {
        return SQ_ERR_NOMEM;
    }
    o->groups_len = n;
    int err = 0;
    for (size_t i = 0; !err && i < n; i++) {
        err = read_group(o, i, argc, argv, why, why_room);
    }
    return err;
}

static int scale_file(const struct sq_run_options *o, struct sq_scenario *scenario,
                      struct sq_yaml_error *error)
{
    return o->scale ? sq_scenario_scale(scenario, o->scale_factor, error) : 0;
}

/* The time that a run lasts of which neither file nor line says anything. */
static void scale_default(struct sq_run_options *o)
{
    bool said = o->duration_ns || o->hold_ns || o->load.arrivals ||
                (o->load.load && strchr(o->load.load, ':'));
    if (o->scale && !said) {
        o->duration_ns = (uint64_t)((double)SQ_LOAD_DURATION_DEFAULT_NS * o->scale_factor);
    }
}

int sq_run_file_read(struct sq_run_options *o, const char *file, int argc, char **argv, char *why,
                     size_t why_room)
{
    struct sq_yaml_error error = {.message = ""};
    struct sq_scenario *scenario = NULL;
    o->file = file;
    int err = sq_scenario_load(file, &scenario, &error);
    if (err == SQ_ERR_IO) {
        snprintf(why, why_room, "%s: %s", file, error.message);
        return err;
    }
    o->scenario = scenario;
    err = err ? err : scale_file(o, scenario, &error);
    if (err) {
        snprintf(why, why_room, "%s:%u:%u: %s", file, error.at.line, error.at.column,
                 error.message[0] ? error.message : sq_err_name(err));
        return err;
    }
    bool line_target = o->target_url != NULL;
    struct sq_run_options whole = {0};
    err = layer(o, NULL, argc, argv, &whole, why, why_room);
    if (err) {
        return err;
    }
    whole.scale_factor = o->scale_factor;
    scale_default(&whole);
    whole.scenario = scenario;
    whole.file = file;
    whole.line_target = line_target;
    *o = whole;
    if (!o->target_url && scenario->groups_len == 0) {
        sq_run_file_refuse(o, NULL, why, why_room,
                           "no target; expected target: lab, or target: whip+https://host/path and "
                           "the like");
        return SQ_ERR_INVALID;
    }
    err = check_line(o, why, why_room);
    err = err ? err : read_groups(o, argc, argv, why, why_room);
    if (!err && !o->target_url) {
        o->target_url = o->groups[0].target_url;
    }
    return err;
}

/* ---- What is wrong, and where ---- */

void sq_run_file_refuse(const struct sq_run_options *o, const struct sq_yaml_place *at, char *why,
                        size_t why_room, const char *fmt, ...)
{
    char text[512];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    snprintf(why, why_room, "%s:%u:%u: %s", o->scenario->file, at ? at->line : 1,
             at ? at->column : 1, text);
}

/* The option at "--", if it is one that the file has a key for: "--room-size 0" is rooms.size. */
static const struct sq_scenario_key *key_at(const char *text, size_t *ret_len)
{
    char name[32];
    size_t len = strspn(text + 2, "abcdefghijklmnopqrstuvwxyz-");
    if (len == 0 || len >= sizeof(name)) {
        return NULL;
    }
    memcpy(name, text + 2, len);
    name[len] = '\0';
    *ret_len = len + 2;
    return sq_scenario_key_of(name);
}

/* A number, a time or a flag that the file says is what the row has. What cannot be read was not
 * taken from anywhere else. */
static bool is_same(const struct sq_option *row, const char *value)
{
    union {
        uint64_t count;
        double number;
        bool flag;
    } now = {0}, said = {0};
    struct sq_option rows[2] = {*row, {.name = NULL}};
    char why[200];
    bool flag = row->type == SQ_OPTION_FLAG || row->type == SQ_OPTION_NO_FLAG;
    size_t size = flag ? sizeof(bool) : sizeof(uint64_t);
    rows[0].to = &said;
    memcpy(&now, row->to, size);
    sq_options_begin(rows, NULL);
    return sq_option_set(rows, row->name, value, why, sizeof(why)) != 0 ||
           memcmp(&now, &said, size) == 0;
}

/* The value that the options have of this setting is still the file's. */
static bool holds(const struct sq_run_options *o, const struct sq_scenario_setting *setting)
{
    struct sq_run_options copy = *o; /* the table wants something to point to */
    struct sq_run_table table;
    sq_run_table_make(&copy, &table);
    for (const struct sq_option *row = table.rows; row->name; row++) {
        if (row->type == SQ_OPTION_HEADING || strcmp(row->name, setting->key->option) != 0) {
            continue;
        }
        if (row->type == SQ_OPTION_TEXT) {
            return *(const char **)row->to == setting->value;
        }
        const struct sq_option_list *list = row->to;
        for (size_t i = 0; row->type == SQ_OPTION_LIST && i < list->n; i++) {
            if (list->items[i] == setting->value) {
                return true;
            }
        }
        return row->type != SQ_OPTION_LIST && is_same(row, setting->value);
    }
    return true;
}

/* Of several values of an option the one that the sentence quotes, or the first. */
static const struct sq_scenario_setting *quoted(const struct sq_scenario *s,
                                                const struct sq_scenario_group *group,
                                                const struct sq_scenario_setting *last,
                                                const char *why)
{
    const struct sq_scenario_settings *of = &s->settings;
    const struct sq_scenario_setting *found = NULL;
    if (group && group->settings.n > 0 && last >= group->settings.items &&
        last < group->settings.items + group->settings.n) {
        of = &group->settings;
    }
    for (const struct sq_scenario_setting *one = of->items; one <= last; one++) {
        if (one->key != last->key || one->part) {
            continue;
        }
        if (strstr(why, one->value)) {
            return one;
        }
        found = found ? found : one;
    }
    return found;
}

/* A network that is made of several settings: the first of them that is wrong by itself. (Bursts
 * are not, beside a loss.) */
static struct sq_yaml_place place_of(const struct sq_scenario *s,
                                     const struct sq_scenario_group *group,
                                     const struct sq_scenario_setting *setting)
{
    const struct sq_scenario_settings *of[] = {group ? &group->settings : &s->settings,
                                               &s->settings};
    for (size_t k = 0; k < 2; k++) {
        size_t i = 0;
        while (i < of[k]->n && &of[k]->items[i] != setting) {
            i++;
        }
        size_t first = i < of[k]->n ? i : 0;
        while (first > 0 && of[k]->items[first - 1].part) {
            first--;
        }
        for (; i < of[k]->n && first < i; first++) {
            const struct sq_link_config lossy = {.up.loss = 0.5, .down.loss = 0.5};
            struct sq_link_config config;
            char what[200];
            if (sq_link_parse_change(sq_view_of(of[k]->items[first].value), &lossy, &config, what,
                                     sizeof(what)) != 0) {
                return of[k]->items[first].at;
            }
        }
    }
    return setting->at;
}

/* Values that a variable of the environment is in are told as they are written. */
static void hide(const struct sq_scenario_settings *settings, struct sq_buf *text)
{
    for (size_t i = 0; i < settings->n; i++) {
        const struct sq_scenario_setting *s = &settings->items[i];
        const char *at =
            s->secret && s->value[0] && text->text ? strstr(text->text, s->value) : NULL;
        if (at) {
            struct sq_buf hidden = {0};
            size_t before = (size_t)(at - text->text);
            sq_buf_add(&hidden, text->text, before);
            sq_buf_puts(&hidden, s->shown);
            sq_buf_puts(&hidden, at + strlen(s->value));
            hidden.err = hidden.err ? hidden.err : text->err;
            sq_buf_free(text);
            *text = hidden;
        }
    }
}

/* Sentences about a target that name no option. */
static bool is_of_target(const char *why)
{
    return strncmp(why, "target ", 7) == 0 || strncmp(why, "target:", 7) == 0 ||
           strncmp(why, "the target is ", 14) == 0;
}

/* The sentence with keys in the place of options, and *ret_setting, the first that the file has. */
static void put_keys(const struct sq_run_options *o, const struct sq_scenario_group *group,
                     const char *why, struct sq_buf *out,
                     const struct sq_scenario_setting **ret_setting)
{
    const struct sq_scenario *s = o->scenario;
    const struct sq_run_options *own = group ? &o->groups[group - s->groups] : o;
    for (const char *p = why; *p;) {
        char path[48];
        size_t len = 0;
        bool command = (size_t)(p - why) >= 11 && strncmp(p - 11, "squall run ", 11) == 0;
        bool word = p == why || (p[-1] == ' ' && !command) || p[-1] == '(';
        const struct sq_scenario_key *key =
            word && strncmp(p, "--", 2) == 0 ? key_at(p, &len) : NULL;
        const struct sq_scenario_setting *setting =
            key ? sq_scenario_setting_for(s, group, key->option) : NULL;
        if (setting && !*ret_setting && holds(own, setting)) {
            *ret_setting = quoted(s, group, setting, why);
        }
        if (key) {
            sq_buf_puts(out, sq_scenario_key_path(key, path));
            p += len;
        } else {
            sq_buf_add(out, p++, 1);
        }
    }
    if (!*ret_setting && is_of_target(why)) {
        const struct sq_scenario_setting *target = sq_scenario_setting_for(s, group, "target");
        *ret_setting = target && target->value == own->target_url ? target : NULL;
    }
}

bool sq_run_file_names(const struct sq_run_options *o, const char *why)
{
    size_t len = o->file ? strlen(o->file) : 0;
    return len > 0 && strncmp(why, o->file, len) == 0 && why[len] == ':';
}

/* An expectation of a file is told with its place where it is read (expect_option.c); this one
 * comes on top of those. */
static bool is_lines_expectation(const char *why)
{
    return strncmp(why, "--expect '", 10) == 0 || strncmp(why, "--abort-on '", 12) == 0;
}

bool sq_run_file_explain(const struct sq_run_options *o, const struct sq_scenario_group *group,
                         char *why, size_t why_room)
{
    const struct sq_scenario *s = o->scenario;
    const struct sq_scenario_setting *setting = NULL;
    struct sq_buf text = {0};
    if (!s || sq_run_file_names(o, why)) {
        return s != NULL; /* done before */
    }
    put_keys(o, group, why, &text, &setting);
    setting = is_lines_expectation(why) ? NULL : setting;
    hide(&s->settings, &text);
    for (size_t i = 0; i < s->groups_len; i++) {
        hide(&s->groups[i].settings, &text);
    }
    if (setting) {
        sq_scenario_put_looked(s, setting, &text);
    }
    const struct sq_yaml_place at = setting ? place_of(s, group, setting)
                                    : group ? group->at
                                            : (struct sq_yaml_place){0};
    if (text.text && !text.err && at.line > 0) {
        sq_run_file_refuse(o, &at, why, why_room, "%s", text.text);
    } else if (text.text && !text.err) {
        struct sq_buf plain = {0};
        sq_buf_puts(&plain, why);
        hide(&s->settings, &plain);
        for (size_t i = 0; i < s->groups_len; i++) {
            hide(&s->groups[i].settings, &plain);
        }
        if (plain.text && !plain.err) {
            snprintf(why, why_room, "%s", plain.text);
        }
        sq_buf_free(&plain);
    }
    sq_buf_free(&text);
    return at.line > 0;
}
