#include "signal/lua/script.h"

#include "base/mem.h"
#include "base/str.h"
#include "signal/lua/lua_int.h"
#include <ctype.h>
#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

struct why {
    char *text; /* of the caller */
    size_t room;
};

/* ---- Files ---- */

static int read_file(const char *path, struct sq_lua_file *file, const struct why *why)
{
    struct sq_buf b = {0};
    char piece[8192];
    size_t n;
    FILE *f = fopen(path, "rbe");
    if (!f) {
        snprintf(why->text, why->room, "%.200s: %s", path, strerror(errno));
        return SQ_ERR_IO;
    }
    while ((n = fread(piece, 1, sizeof(piece), f)) > 0 && b.len <= SQ_LUA_FILE_MAX) {
        sq_buf_add(&b, piece, n);
    }
    bool bad = ferror(f) != 0;
    int number = errno;
    (void)fclose(f);
    file->len = b.len;
    if (bad || b.len > SQ_LUA_FILE_MAX) {
        sq_buf_free(&b);
        snprintf(why->text, why->room, "%.200s: %s", path,
                 bad ? strerror(number) : "the file is longer than 1 MiB");
        return SQ_ERR_IO;
    }
    file->text = sq_buf_take(&b);
    sq_buf_free(&b);
    return file->text ? 0 : SQ_ERR_NOMEM;
}

/* A module's name is a path below the script's folder, its dots the slashes. */
static bool is_module(struct sq_view name)
{
    bool ok = name.len > 0 && name.len < 64 && name.at[0] != '.' && name.at[name.len - 1] != '.';
    for (size_t i = 0; ok && i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        ok = (isalnum(c) && c < 0x80) || strchr("_-.", c);
        ok = ok && (c != '.' || name.at[i - 1] != '.');
    }
    return ok;
}

const struct sq_lua_file *sq_lua_script_module(const struct sq_lua_script *script,
                                               const char *module)
{
    for (size_t i = 1; i < script->files_len; i++) {
        if (strcmp(script->files[i].module, module) == 0) {
            return &script->files[i];
        }
    }
    return NULL;
}

/* ---- What stands in it ---- */

static unsigned line_of(const struct sq_lua_file *file, const char *at)
{
    unsigned line = 1;
    for (const char *c = file->text; c < at; c++) {
        line += *c == '\n';
    }
    return line;
}

/* The literal that a call has as its first argument: f("x"), f "x". */
static struct sq_view first_literal(const char *at)
{
    at += strspn(at, " \t");
    at += *at == '(';
    at += strspn(at, " \t");
    char quote = *at;
    size_t len = quote == '"' || quote == '\'' ? strcspn(at + 1, "\"'\n\\") : 0;
    bool whole = len > 0 && at[1 + len] == quote;
    return whole ? (struct sq_view){at + 1, len} : (struct sq_view){NULL, 0};
}

/* The word stands alone there, and not as a part or a field. */
static bool is_word(const char *text, const char *at, size_t len)
{
    unsigned char before = at > text ? (unsigned char)at[-1] : ' ';
    unsigned char after = (unsigned char)at[len];
    return !isalnum(before) && !strchr("_.:", before) && !isalnum(after) && after != '_';
}

static int note_name(char **names, size_t *len, struct sq_view name)
{
    for (size_t i = 0; i < *len; i++) {
        if (sq_view_is(name, names[i])) {
            return 0;
        }
    }
    if (*len == SQ_LUA_FIGURES_MAX) {
        return SQ_ERR_NOSPACE;
    }
    names[*len] = sq_strndup(name.at, name.len);
    return names[*len] ? (++*len, 0) : SQ_ERR_NOMEM;
}

static bool is_figure_name(struct sq_view name)
{
    bool ok = name.len < SQ_LUA_NAME_MAX && isalpha((unsigned char)name.at[0]);
    for (size_t i = 0; ok && i < name.len; i++) {
        unsigned char c = (unsigned char)name.at[i];
        ok = c < 0x80 && (isalnum(c) || c == '_' || c == '-');
    }
    return ok;
}

/* Names are known before the run, as those of a scenario's steps: they are figures of results. */
static int find_figures(struct sq_lua_script *s, const struct sq_lua_file *file,
                        const struct why *why)
{
    static const char word[] = "metric.";
    int err = 0;
    for (const char *at = file->text; !err && (at = strstr(at, word)); at++) {
        const char *name = at + strlen(word);
        struct sq_view what = {name, strspn(name, "abcdefghijklmnopqrstuvwxyz")};
        struct sq_view literal = first_literal(name + what.len);
        if (!literal.at || !is_word(file->text, at, strlen("metric"))) {
            continue;
        }
        if (!is_figure_name(literal)) {
            snprintf(why->text, why->room,
                     "%s:%u: metric." SQ_VIEW_FMT " '%.60s': expected a name of letters, digits, "
                     "_ and -, at most %d",
                     file->name, line_of(file, at), SQ_VIEW_ARG(what), literal.at,
                     SQ_LUA_NAME_MAX - 1);
            return SQ_ERR_FORMAT;
        }
        if (sq_view_is(what, "count")) {
            err = note_name(s->counters, &s->counters_len, literal);
        } else if (sq_view_is(what, "event")) {
            err = note_name(s->events, &s->events_len, literal);
        } else {
            err = note_name(s->timers, &s->timers_len, literal);
        }
        if (err == SQ_ERR_NOSPACE) {
            snprintf(why->text, why->room, "%s:%u: more than %d names of one kind of metric",
                     file->name, line_of(file, at), SQ_LUA_FIGURES_MAX);
            err = SQ_ERR_FORMAT;
        }
    }
    return err;
}

static int add_file(struct sq_lua_script *s, const char *path, struct sq_view module,
                    const struct why *why)
{
    struct sq_lua_file *file = &s->files[s->files_len];
    int err = read_file(path, file, why);
    if (err) {
        return err;
    }
    static atomic_uint_fast64_t last_id;
    s->files_len++;
    file->id = atomic_fetch_add(&last_id, 1) + 1;
    const char *slash = strrchr(path, '/');
    file->module = sq_strndup(module.at, module.len);
    file->name = sq_strdup(slash ? slash + 1 : path);
    if (!file->module || !file->name) {
        return SQ_ERR_NOMEM;
    }
    s->restarts_ice = s->restarts_ice || strstr(file->text, SQ_LUA_RESTART_HANDLER);
    err = sl_compile_check(file, why->text, why->room);
    return err ? err : find_figures(s, file, why);
}

static int add_module(struct sq_lua_script *s, const struct sq_lua_file *from, const char *at,
                      struct sq_view name, const struct why *why)
{
    char module[64], path[4096];
    snprintf(module, sizeof(module), SQ_VIEW_FMT, SQ_VIEW_ARG(name));
    if (sq_lua_script_module(s, module)) {
        return 0;
    }
    if (s->files_len == SQ_LUA_FILES_MAX) {
        snprintf(why->text, why->room, "%s:%u: more than %d files", from->name, line_of(from, at),
                 SQ_LUA_FILES_MAX);
        return SQ_ERR_FORMAT;
    }
    for (char *c = module; *c; c++) {
        *c = (char)(*c == '.' ? '/' : *c);
    }
    snprintf(path, sizeof(path), "%.3800s%s.lua", s->folder, module);
    char text[256];
    const struct why inner = {text, sizeof(text)};
    int err = add_file(s, path, name, &inner);
    if (err == SQ_ERR_IO) {
        snprintf(why->text, why->room, "%s:%u: require: %s", from->name, line_of(from, at), text);
    } else if (err == SQ_ERR_FORMAT) {
        snprintf(why->text, why->room, "%s", text);
    }
    return err;
}

static int find_modules(struct sq_lua_script *s, size_t i, const struct why *why)
{
    const struct sq_lua_file *file = &s->files[i];
    int err = 0;
    for (const char *at = file->text; !err && (at = strstr(at, "require")); at++) {
        struct sq_view name = first_literal(at + strlen("require"));
        if (!name.at || !is_word(file->text, at, strlen("require"))) {
            continue;
        }
        if (!is_module(name)) {
            snprintf(
                why->text, why->room,
                "%s:%u: require '%.*s': expected the name of a file beside the script, without "
                "'.lua'",
                file->name, line_of(file, at), (int)(name.len > 60 ? 60 : name.len), name.at);
            return SQ_ERR_FORMAT;
        }
        err = add_module(s, file, at, name, why);
    }
    return err;
}

/* ---- Life ---- */

int sq_lua_script_load(const char *path, struct sq_lua_script **ret_script, char *why,
                       size_t why_room)
{
    const struct why w = {why, why_room};
    const char *slash = strrchr(path, '/');
    struct sq_lua_script *s = sq_zalloc(sizeof(*s));
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    s->folder = sq_strndup(path, slash ? (size_t)(slash - path) + 1 : 0);
    int err = s->folder ? add_file(s, path, sq_view_of(""), &w) : SQ_ERR_NOMEM;
    for (size_t i = 0; !err && i < s->files_len; i++) {
        err = find_modules(s, i, &w);
    }
    if (err) {
        sq_lua_script_free(s);
        return err;
    }
    *ret_script = s;
    return 0;
}

static void free_names(char **names, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        sq_free(names[i]);
    }
}

void sq_lua_script_free(struct sq_lua_script *script)
{
    if (!script) {
        return;
    }
    for (size_t i = 0; i < script->files_len; i++) {
        sq_free(script->files[i].module);
        sq_free(script->files[i].name);
        sq_free(script->files[i].text);
    }
    free_names(script->timers, script->timers_len);
    free_names(script->counters, script->counters_len);
    free_names(script->events, script->events_len);
    sq_free(script->folder);
    sq_free(script);
}
