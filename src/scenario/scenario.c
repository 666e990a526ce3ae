/* From the tree of a file to what it says: keys, rooms and groups. */
#include "scenario/scenario.h"

#include "base/mem.h"
#include "scenario/scenario_int.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define SHARE_SLACK 1e-9

/* ---- What all use ---- */

int sq_scenario_refuse(struct sq_scenario_reader *r, int err, struct sq_yaml_place at,
                       const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->error->message, sizeof(r->error->message), fmt, args);
    va_end(args);
    r->error->at = at;
    return err;
}

int sq_scenario_refuse_kind(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                            const char *expected)
{
    bool text = node->kind == SQ_YAML_TEXT && node->text[0];
    const char *key = node->key ? node->key->text : "";
    return sq_scenario_refuse(
        r, SQ_ERR_FORMAT, node->at, "%.60s%s%s%.80s%s; expected %s", key, key[0] ? ": " : "",
        text ? "'" : "", text ? node->text : sq_yaml_kind_name(node), text ? "'" : "", expected);
}

const char *sq_scenario_keep(struct sq_scenario_reader *r, const char *text)
{
    size_t len = strlen(text);
    struct sq_scenario_text *kept = sq_malloc(sizeof(*kept) + len + 1);
    if (!kept) {
        return NULL;
    }
    memcpy(kept->text, text, len + 1);
    kept->next = r->scenario->texts;
    r->scenario->texts = kept;
    return kept->text;
}

const char *sq_scenario_keep_buf(struct sq_scenario_reader *r, struct sq_buf *b)
{
    const char *kept = b->err ? NULL : sq_scenario_keep(r, b->text ? b->text : "");
    sq_buf_free(b);
    return kept;
}

int sq_scenario_need_text(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          const char *expected)
{
    bool is = node->kind == SQ_YAML_TEXT && node->text[0];
    return is ? 0 : sq_scenario_refuse_kind(r, node, expected);
}

int sq_scenario_read_share(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           double *ret_share)
{
    char *end = NULL;
    bool text = node->kind == SQ_YAML_TEXT && node->text[0] >= '0' && node->text[0] <= '9';
    double percent = text ? strtod(node->text, &end) : 0;
    while (text && *end == ' ') {
        end++;
    }
    if (!text || strcmp(end, "%") != 0 || !(percent > 0 && percent <= 100)) {
        return sq_scenario_refuse_kind(r, node, "a share above 0 and up to 100 %, such as 30%");
    }
    *ret_share = percent / 100;
    return 0;
}

int sq_scenario_read_count(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           uint64_t max, uint64_t *ret_count)
{
    uint64_t count = 0;
    if (node->kind != SQ_YAML_TEXT || sq_view_u64(sq_view_of(node->text), max, &count) != 0 ||
        count == 0) {
        char expected[64];
        snprintf(expected, sizeof(expected), "a whole number from 1 to %llu",
                 (unsigned long long)max);
        return sq_scenario_refuse_kind(r, node, expected);
    }
    *ret_count = count;
    return 0;
}

const char *sq_scenario_near(const char *word, const char *const *words)
{
    char same[48];
    size_t n = 0;
    for (; word[n] && n < sizeof(same) - 1; n++) { /* options have '-' where keys have '_' */
        same[n] = word[n] == '-' ? '_' : word[n];
    }
    same[n] = '\0';
    const char *best = NULL;
    unsigned least = n < 4 ? 2 : 3; /* more edits than that is another word */
    for (; *words; words++) {
        unsigned edits = sq_edits(sq_view_of(same), *words);
        if (edits < least) {
            least = edits;
            best = *words;
        }
    }
    return best;
}

const char *sq_scenario_did_you_mean(const char *near, char out[static 96])
{
    snprintf(out, 96, near ? "; did you mean %s?" : "%s", near ? near : "");
    return out;
}

/* "a, b or c" */
static void list_words(const char *const *words, struct sq_buf *out)
{
    for (size_t i = 0; words[i]; i++) {
        sq_buf_printf(out, "%s%s", i == 0 ? "" : words[i + 1] ? ", " : " or ", words[i]);
    }
}

int sq_scenario_read_word(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          const char *const *words, size_t *ret_i)
{
    for (size_t i = 0; node->kind == SQ_YAML_TEXT && words[i]; i++) {
        if (strcmp(node->text, words[i]) == 0) {
            *ret_i = i;
            return 0;
        }
    }
    char meant[96];
    struct sq_buf list = {0};
    const char *near = node->kind == SQ_YAML_TEXT ? sq_scenario_near(node->text, words) : NULL;
    list_words(words, &list);
    int err = list.err;
    if (!err) {
        sq_buf_puts(&list, sq_scenario_did_you_mean(near, meant));
        err = sq_scenario_refuse_kind(r, node, list.text ? list.text : "");
    }
    sq_buf_free(&list);
    return err;
}

/* ---- Rooms ---- */

static int read_size(struct sq_scenario_reader *r, const struct sq_yaml_node *node)
{
    struct sq_scenario *s = r->scenario;
    struct sq_scenario_size *size = &s->sizes[s->sizes_len];
    if (s->sizes_len == SQ_SCENARIO_SIZES_MAX) {
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, node->key->at, "more than %d sizes",
                                  SQ_SCENARIO_SIZES_MAX);
    }
    int err = sq_scenario_read_count(r, node->key, SQ_SCENARIO_COUNT_MAX, &size->size);
    err = err ? err : sq_scenario_read_share(r, node, &size->share);
    for (size_t i = 0; !err && i < s->sizes_len; i++) {
        if (s->sizes[i].size == size->size) { /* 2 and 02 */
            return sq_scenario_refuse(r, SQ_ERR_INVALID, node->key->at,
                                      "rooms of %llu stand here twice",
                                      (unsigned long long)size->size);
        }
    }
    s->sizes_len += !err;
    return err;
}

static int read_sizes(struct sq_scenario_reader *r, const struct sq_yaml_node *node)
{
    struct sq_scenario *s = r->scenario;
    double sum = 0;
    s->sizes_at = node->at;
    if (node->kind != SQ_YAML_MAP || !node->first) {
        return sq_scenario_refuse_kind(r, node,
                                       "sizes and their shares of the rooms, such as {2: 70%, 5: "
                                       "30%}");
    }
    for (const struct sq_yaml_node *item = node->first; item; item = item->next) {
        int err = read_size(r, item);
        if (err) {
            return err;
        }
        sum += s->sizes[s->sizes_len - 1].share;
    }
    if (fabs(sum - 1) > SHARE_SLACK) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "rooms.sizes: the shares make %.4g %%; expected 100 %%",
                                  sum * 100);
    }
    return 0;
}

/* ---- Keys ---- */

#define WORDS_MAX 96

static int refuse_key(struct sq_scenario_reader *r, const struct sq_yaml_node *key,
                      const char *section, unsigned where)
{
    const char *words[WORDS_MAX + 1];
    char meant[96], hint[160] = "";
    size_t n, sections_len, words_len = 0;
    const struct sq_scenario_key *keys = sq_scenario_keys(&n);
    const struct sq_scenario_section *sections = sq_scenario_sections(&sections_len);
    for (size_t i = 0; i < n && words_len < WORDS_MAX; i++) {
        if ((keys[i].where & where) && strcmp(keys[i].section, section) == 0) {
            words[words_len++] = keys[i].name;
        }
    }
    for (size_t i = 0; section[0] == '\0' && where == SQ_SCENARIO_TOP && i < sections_len; i++) {
        words[words_len++] = sections[i].name;
    }
    words[words_len] = NULL;
    /* The right word in the wrong place, or the name of the option. */
    for (size_t i = 0; i < n && !hint[0]; i++) {
        char path[48];
        bool option = keys[i].option && strcmp(keys[i].option, key->text) == 0;
        if (option || strcmp(keys[i].name, key->text) == 0) {
            snprintf(hint, sizeof(hint), "; %s is a key of %s",
                     sq_scenario_key_path(&keys[i], path),
                     (keys[i].where & SQ_SCENARIO_TOP) ? "the whole file" : "a group");
        }
    }
    const char *near = hint[0] ? NULL : sq_scenario_near(key->text, words);
    return sq_scenario_refuse(r, SQ_ERR_INVALID, key->at, "unknown key '%.60s' in %s%s%s",
                              key->text,
                              where == SQ_SCENARIO_GROUP ? "a group"
                              : section[0]               ? section
                                                         : "a scenario",
                              sq_scenario_did_you_mean(near, meant), hint);
}

static int read_groups(struct sq_scenario_reader *r, const struct sq_yaml_node *node);

static int read_name(struct sq_scenario_reader *r, const struct sq_yaml_node *node, size_t max,
                     const char **ret_name)
{
    static const char allowed[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                                  "-_ .";
    bool text = node->kind == SQ_YAML_TEXT && node->text[0];
    if (!text || strlen(node->text) > max || node->text[strspn(node->text, allowed)] != '\0') {
        char expected[96];
        snprintf(expected, sizeof(expected),
                 "a name of 1 to %zu letters, digits, '-', '_', '.' or blanks", max);
        return sq_scenario_refuse_kind(r, node, expected);
    }
    const char *kept = sq_scenario_keep(r, node->text);
    if (!kept) {
        return SQ_ERR_NOMEM;
    }
    *ret_name = kept;
    return 0;
}

/* A key that no option of the command line has. */
static int read_own_key(struct sq_scenario_reader *r, const struct sq_scenario_key *key,
                        const struct sq_yaml_node *node)
{
    struct sq_scenario *s = r->scenario;
    switch (key->kind) {
    case SQ_SCENARIO_NAME:
        return read_name(r, node, SQ_SCENARIO_NAME_MAX, &s->name);
    case SQ_SCENARIO_GROUPS:
        return read_groups(r, node);
    case SQ_SCENARIO_SIZES:
        return read_sizes(r, node);
    case SQ_SCENARIO_STEPS:
        return sq_scenario_read_steps(r, node,
                                      strcmp(key->name, "before") == 0 ? &s->before : &s->steps);
    default: /* rooms.count */
        s->rooms_at = node->at;
        return sq_scenario_read_count(r, node, SQ_SCENARIO_COUNT_MAX, &s->rooms);
    }
}

static bool is_section(const char *name)
{
    size_t n;
    const struct sq_scenario_section *sections = sq_scenario_sections(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(sections[i].name, name) == 0) {
            return true;
        }
    }
    return false;
}

static int read_map(struct sq_scenario_reader *r, const struct sq_yaml_node *map,
                    const char *section)
{
    for (const struct sq_yaml_node *node = map->first; node; node = node->next) {
        const char *name = node->key->text;
        const struct sq_scenario_key *key = sq_scenario_key_find(section, name, SQ_SCENARIO_TOP);
        int err;
        if (!key && section[0] == '\0' && is_section(name)) {
            err = node->kind == SQ_YAML_MAP ? read_map(r, node, name)
                                            : sq_scenario_refuse_kind(r, node, "a map of keys");
        } else if (!key) {
            err = refuse_key(r, node->key, section, SQ_SCENARIO_TOP);
        } else if (key->option) {
            err = sq_scenario_read_setting(r, &r->scenario->settings, key, node);
        } else {
            err = read_own_key(r, key, node);
        }
        if (err) {
            return err;
        }
    }
    return 0;
}

/* ---- Groups ---- */

static int read_group_key(struct sq_scenario_reader *r, struct sq_scenario_group *g,
                          const struct sq_yaml_node *node)
{
    const char *name = node->key->text;
    const struct sq_scenario_key *key = sq_scenario_key_find("", name, SQ_SCENARIO_GROUP);
    if (!key) {
        return refuse_key(r, node->key, "", SQ_SCENARIO_GROUP);
    }
    if (key->option) {
        return sq_scenario_read_setting(r, &g->settings, key, node);
    }
    if (key->kind == SQ_SCENARIO_ROLE) {
        size_t i = 0;
        int err = sq_scenario_read_word(r, node, sq_scenario_roles, &i);
        g->role = err ? g->role : (enum sq_scenario_role)i;
        return err;
    }
    if (key->kind == SQ_SCENARIO_SHARE) {
        return sq_scenario_read_share(r, node, &g->share);
    }
    if (key->kind == SQ_SCENARIO_STEPS) {
        return sq_scenario_read_steps(r, node,
                                      strcmp(key->name, "before") == 0 ? &g->before : &g->steps);
    }
    if (key->kind == SQ_SCENARIO_ROOM) {
        int err = sq_scenario_need_text(r, node, "the name of a room");
        g->room = err ? NULL : sq_scenario_step_text(r, node, false, &err);
        return err;
    }
    g->per_room_at = node->at;
    return sq_scenario_read_count(r, node, SQ_SCENARIO_COUNT_MAX, &g->per_room);
}

/* The name stands before the group in a map, and in it in a list. */
static int read_group_name(struct sq_scenario_reader *r, struct sq_scenario_group *g,
                           const struct sq_yaml_node *node)
{
    const struct sq_yaml_node *name = node->key;
    for (const struct sq_yaml_node *item = node->first; !node->key && item; item = item->next) {
        name = strcmp(item->key->text, "name") == 0 ? item : name;
    }
    if (!name) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "a group without a name: expected 'name: …' in it");
    }
    g->at = name->at;
    int err = read_name(r, name, SQ_SCENARIO_GROUP_MAX, &g->name);
    for (size_t i = 0; !err && i < r->scenario->groups_len; i++) {
        if (strcmp(r->scenario->groups[i].name, g->name) == 0) {
            return sq_scenario_refuse(r, SQ_ERR_INVALID, name->at,
                                      "two groups are called '%s': the first is in line %u",
                                      g->name, r->scenario->groups[i].at.line);
        }
    }
    return err;
}

static int read_group(struct sq_scenario_reader *r, const struct sq_yaml_node *node)
{
    struct sq_scenario *s = r->scenario;
    bool empty = node->kind == SQ_YAML_TEXT && node->text[0] == '\0' && node->key;
    if (node->kind != SQ_YAML_MAP && !empty) {
        return sq_scenario_refuse_kind(r, node, "a group: a map of keys, such as {role: watch}");
    }
    if (s->groups_len == SQ_SCENARIO_GROUPS_MAX) {
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, node->at, "more than %d groups",
                                  SQ_SCENARIO_GROUPS_MAX);
    }
    struct sq_scenario_group *g = &s->groups[s->groups_len];
    g->share = NAN;
    int err = read_group_name(r, g, node);
    if (err) {
        return err;
    }
    s->groups_len++; /* from here on it is freed with the others */
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        bool name = !node->key && strcmp(item->key->text, "name") == 0;
        err = name ? 0 : read_group_key(r, g, item);
    }
    if (!err && g->per_room && !isnan(g->share)) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, g->per_room_at,
                                  "group '%s' has per_room and share: expected one of them",
                                  g->name);
    }
    return err;
}

/* Those that said nothing share what is left. */
static int share_out(struct sq_scenario_reader *r)
{
    struct sq_scenario *s = r->scenario;
    double sum = 0;
    size_t said = 0, silent = 0;
    for (size_t i = 0; i < s->groups_len; i++) {
        const struct sq_scenario_group *g = &s->groups[i];
        silent += g->per_room == 0 && isnan(g->share);
        said += !isnan(g->share);
        sum += isnan(g->share) ? 0 : g->share;
    }
    if ((said > 0 && silent == 0 && fabs(sum - 1) > SHARE_SLACK) || sum > 1 + SHARE_SLACK ||
        (silent > 0 && sum > 1 - SHARE_SLACK)) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, s->groups_at,
                                  "the groups' shares make %.4g %%; expected 100 %%%s", sum * 100,
                                  silent > 0 ? ", and something left for those without one" : "");
    }
    for (size_t i = 0; i < s->groups_len; i++) {
        struct sq_scenario_group *g = &s->groups[i];
        g->share = g->per_room ? 0 : isnan(g->share) ? (1 - sum) / (double)silent : g->share;
    }
    return 0;
}

static int read_groups(struct sq_scenario_reader *r, const struct sq_yaml_node *node)
{
    r->scenario->groups_at = node->key->at;
    if (node->kind != SQ_YAML_TEXT && !node->first) {
        return sq_scenario_refuse(r, SQ_ERR_FORMAT, node->at,
                                  "groups: there is nothing in it; expected a group at least: "
                                  "{NAME: {role: watch}}");
    }
    if (node->kind == SQ_YAML_TEXT) {
        return sq_scenario_refuse_kind(r, node, "groups: a map by name, or a list with names");
    }
    for (const struct sq_yaml_node *item = node->first; item; item = item->next) {
        int err = read_group(r, item);
        if (err) {
            return err;
        }
    }
    return share_out(r);
}

/* ---- What belongs together ---- */

static int check_one_way(struct sq_scenario_reader *r, const struct sq_scenario_setting *one,
                         const char *other, struct sq_yaml_place other_at)
{
    char path[48];
    return sq_scenario_refuse(r, SQ_ERR_INVALID, one->at.line > other_at.line ? one->at : other_at,
                              "%s and %s say the same in two ways: expected one of them",
                              sq_scenario_key_path(one->key, path), other);
}

static int check_whole(struct sq_scenario_reader *r)
{
    const struct sq_scenario *s = r->scenario;
    const struct sq_scenario_setting *size = sq_scenario_setting_for(s, NULL, "room-size");
    const struct sq_scenario_setting *publishers = sq_scenario_setting_for(s, NULL, "publishers");
    const struct sq_scenario_setting *listen = sq_scenario_setting_for(s, NULL, "no-listen");
    const struct sq_scenario_setting *split = publishers ? publishers : listen;
    if (size && s->sizes_len > 0) {
        return check_one_way(r, size, "rooms.sizes", s->sizes_at);
    }
    if (split && s->groups_len > 0) {
        return check_one_way(r, split, "groups", s->groups_at);
    }
    return 0;
}

int sq_scenario_parse(const char *file, const char *text, size_t len, sq_scenario_env_fn *env,
                      void *env_ctx, struct sq_scenario **ret_scenario,
                      struct sq_yaml_error *ret_error)
{
    struct sq_yaml yaml;
    int err = sq_yaml_parse(text, len, &yaml, ret_error);
    if (err) {
        return err;
    }
    struct sq_scenario *s = sq_zalloc(sizeof(*s));
    struct sq_scenario_reader r = {
        .scenario = s, .error = ret_error, .env = env, .env_ctx = env_ctx};
    if (!s || !(s->file = sq_strdup(file))) {
        err = SQ_ERR_NOMEM;
    } else if (!yaml.root || yaml.root->kind != SQ_YAML_MAP) {
        const struct sq_yaml_place begin = {1, 1};
        err = sq_scenario_refuse(&r, SQ_ERR_FORMAT, yaml.root ? yaml.root->at : begin,
                                 "%s; expected keys such as target, load and expect",
                                 yaml.root ? sq_yaml_kind_name(yaml.root) : "an empty file");
    } else {
        s->name = "";
        s->figures.timers[SQ_STEP_SET_UP_TIMER] = "before";
        s->figures.timers_len = 1;
        err = sq_scenario_find_names(&r, yaml.root);
        err = err ? err : read_map(&r, yaml.root, "");
        err = err ? err : check_whole(&r);
        err = err ? err : sq_scenario_check_names(&r);
    }
    sq_yaml_free(&yaml);
    if (err) {
        sq_scenario_free(s);
        return err;
    }
    *ret_scenario = s;
    return 0;
}

/* ---- Files ---- */

static const char *process_env(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name);
}

static int read_file(const char *file, struct sq_buf *out)
{
    int fd = open(file, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return SQ_ERR_IO;
    }
    char bytes[4096];
    ssize_t n;
    do {
        n = read(fd, bytes, sizeof(bytes));
        if (n > 0) {
            sq_buf_add(out, bytes, (size_t)n);
        }
    } while ((n > 0 && out->len <= SQ_YAML_SIZE_MAX) || (n < 0 && errno == EINTR));
    int saved = errno;
    close(fd);
    errno = saved;
    return n < 0 ? SQ_ERR_IO : out->err;
}

int sq_scenario_load(const char *file, struct sq_scenario **ret_scenario,
                     struct sq_yaml_error *ret_error)
{
    struct sq_buf text = {0};
    struct sq_scenario *scenario = NULL;
    int err = read_file(file, &text);
    if (err == SQ_ERR_IO) {
        ret_error->at = (struct sq_yaml_place){0};
        snprintf(ret_error->message, sizeof(ret_error->message), "%s", strerror(errno));
    }
    err = err ? err
              : sq_scenario_parse(file, text.text ? text.text : "", text.len, process_env, NULL,
                                  &scenario, ret_error);
    sq_buf_free(&text);
    err = err ? err : sq_scenario_find_files(scenario);
    if (err) {
        sq_scenario_free(scenario);
        return err;
    }
    *ret_scenario = scenario;
    return 0;
}

void sq_scenario_free(struct sq_scenario *scenario)
{
    if (!scenario) {
        return;
    }
    for (size_t i = 0; i < scenario->groups_len; i++) {
        sq_free(scenario->groups[i].settings.items);
        sq_steps_free(&scenario->groups[i].before);
        sq_steps_free(&scenario->groups[i].steps);
    }
    sq_steps_free(&scenario->before);
    sq_steps_free(&scenario->steps);
    while (scenario->texts) {
        struct sq_scenario_text *text = scenario->texts;
        scenario->texts = text->next;
        sq_free(text);
    }
    sq_secrets_free(&scenario->secrets);
    sq_free(scenario->settings.items);
    sq_free(scenario->file);
    sq_free(scenario);
}

/* ---- Asked later ---- */

static const struct sq_scenario_setting *of_value(const struct sq_scenario_settings *settings,
                                                  const char *value)
{
    for (size_t i = 0; i < settings->n; i++) {
        if (settings->items[i].value == value && !settings->items[i].part) {
            return &settings->items[i];
        }
    }
    return NULL;
}

const struct sq_scenario_setting *sq_scenario_setting_of(const struct sq_scenario *scenario,
                                                         const char *value)
{
    const struct sq_scenario_setting *found = of_value(&scenario->settings, value);
    for (size_t i = 0; !found && i < scenario->groups_len; i++) {
        found = of_value(&scenario->groups[i].settings, value);
    }
    return found;
}

static const struct sq_scenario_setting *of_option(const struct sq_scenario_settings *settings,
                                                   const char *option)
{
    for (size_t i = settings->n; i-- > 0;) {
        if (strcmp(settings->items[i].key->option, option) == 0 && !settings->items[i].part) {
            return &settings->items[i];
        }
    }
    return NULL;
}

const struct sq_scenario_setting *sq_scenario_setting_for(const struct sq_scenario *scenario,
                                                          const struct sq_scenario_group *group,
                                                          const char *option)
{
    const struct sq_scenario_setting *found = group ? of_option(&group->settings, option) : NULL;
    return found ? found : of_option(&scenario->settings, option);
}

const char *sq_scenario_shown(const struct sq_scenario *scenario, const char *value)
{
    const struct sq_scenario_setting *s = scenario ? sq_scenario_setting_of(scenario, value) : NULL;
    return s && s->secret ? s->shown : value;
}

bool sq_scenario_role_sends(enum sq_scenario_role role)
{
    return role != SQ_SCENARIO_ROLE_WATCH;
}

bool sq_scenario_role_watches(enum sq_scenario_role role)
{
    return role != SQ_SCENARIO_ROLE_PUBLISH;
}

bool sq_scenario_role_speaks(enum sq_scenario_role role)
{
    return sq_scenario_role_sends(role) && role != SQ_SCENARIO_ROLE_VIDEO &&
           role != SQ_SCENARIO_ROLE_DATA;
}
