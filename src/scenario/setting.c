/* Values of keys that are options of `squall run`, into the texts that the command line would have
 * had. */
#include "base/mem.h"
#include "base/secret.h"
#include "scenario/scenario_int.h"
#include <ctype.h>
#include <stdio.h>
#include <string.h>

static int add(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
               const struct sq_scenario_setting *setting)
{
    if (settings->n == SQ_SCENARIO_SETTINGS_MAX) {
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, setting->at, "more than %d values",
                                  SQ_SCENARIO_SETTINGS_MAX);
    }
    if (settings->n == settings->room) {
        size_t room = settings->room ? 2 * settings->room : 16;
        void *items = sq_realloc(settings->items, room * sizeof(*settings->items));
        if (!items) {
            return SQ_ERR_NOMEM;
        }
        settings->items = items;
        settings->room = room;
    }
    settings->items[settings->n++] = *setting;
    return 0;
}

/* ---- ${NAME} ---- */

static const char column[] = "${user.";

static bool is_name(char c, bool first)
{
    return c == '_' || isalpha((unsigned char)c) || (!first && isdigit((unsigned char)c));
}

/* `at` is where "${" begins in the node's text. */
struct sq_yaml_place sq_scenario_place_in(const struct sq_yaml_node *node, const char *at)
{
    struct sq_yaml_place place = node->at;
    if (node->text_column) {
        place.column = node->text_column;
        for (const char *p = node->text; p < at; p++) {
            place.column += ((unsigned char)*p & 0xc0) != 0x80;
        }
    }
    return place;
}

/* One variable, at "${"; *at moves behind it. */
static int put_variable(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                        const char **at, struct sq_buf *out)
{
    char name[128];
    const char *begin = *at + 2;
    size_t len = 0;
    while (is_name(begin[len], len == 0)) {
        len++;
    }
    if (len == 0 || begin[len] != '}' || len >= sizeof(name)) {
        return sq_scenario_refuse(r, SQ_ERR_FORMAT, sq_scenario_place_in(node, *at),
                                  "'${' without a name and a '}': expected a variable of the "
                                  "environment, such as ${TOKEN} ($${ stands for '${' itself)");
    }
    memcpy(name, begin, len);
    name[len] = '\0';
    if (sq_scenario_is_step_name(r, begin, len)) { /* known when a step has taken it */
        sq_buf_printf(out, "%c%s%c", SQ_STEP_MARK, name, SQ_STEP_MARK_END);
        *at = begin + len + 1;
        return 0;
    }
    const char *value = r->env(r->env_ctx, name);
    if (!value) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, sq_scenario_place_in(node, *at),
                                  "${%s}: the variable %s is not set in the environment", name,
                                  name);
    }
    sq_secrets_add(&r->scenario->secrets, value);
    sq_buf_puts(out, value);
    *at = begin + len + 1;
    return 0;
}

/* The node's text with its variables put in. */
static int put_variables(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                         struct sq_scenario_setting *setting)
{
    struct sq_buf out = {0};
    int err = 0;
    for (const char *p = node->text; !err && *p;) {
        if (strncmp(p, "$${", 3) == 0) {
            sq_buf_puts(&out, "${");
            p += 3;
        } else if (strncmp(p, column, sizeof(column) - 1) == 0) {
            sq_buf_puts(&out, column); /* each peer's own; put in when it begins */
            p += sizeof(column) - 1;
        } else if (strncmp(p, "${", 2) == 0) {
            err = put_variable(r, node, &p, &out);
            setting->secret = true;
        } else {
            sq_buf_add(&out, p++, 1);
        }
    }
    setting->value = err ? NULL : sq_scenario_keep_buf(r, &out);
    sq_buf_free(&out);
    return err ? err : setting->value ? 0 : SQ_ERR_NOMEM;
}

/* A text as it stands, or with variables, for this key. */
static int add_text(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                    const struct sq_scenario_key *key, const struct sq_yaml_node *node)
{
    struct sq_scenario_setting setting = {
        .key = key, .at = node->at, .text_column = node->text_column};
    setting.shown = sq_scenario_keep(r, node->text);
    setting.value = setting.shown;
    const char *dollar = strstr(node->text, "${");
    const char *of_user = strstr(node->text, column);
    if (!setting.shown) {
        return SQ_ERR_NOMEM;
    }
    if (dollar && !(key->where & SQ_SCENARIO_VARIABLES)) {
        char path[48];
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, sq_scenario_place_in(node, dollar),
                                  "%s takes no variable of the environment: results tell its "
                                  "value, and they must not tell a secret",
                                  sq_scenario_key_path(key, path));
    }
    if (of_user && !(key->where & SQ_SCENARIO_COLUMNS)) {
        char path[48];
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, sq_scenario_place_in(node, of_user),
                                  "%s takes no column of users: target and token do",
                                  sq_scenario_key_path(key, path));
    }
    int err = dollar ? put_variables(r, node, &setting) : 0;
    if (!err && sq_step_asks(setting.value) && !(key->where & SQ_SCENARIO_COLUMNS)) {
        char path[48];
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, sq_scenario_place_in(node, dollar),
                                  "%s takes no value of a step: target, token and a group's room "
                                  "do",
                                  sq_scenario_key_path(key, path));
    }
    return err ? err : add(r, settings, &setting);
}

/* What was made of several values: told at the place of `node`. */
static int add_made(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                    const struct sq_scenario_key *key, const struct sq_yaml_node *node,
                    struct sq_buf *text, bool part)
{
    const char *kept = sq_scenario_keep_buf(r, text);
    const struct sq_scenario_setting setting = {
        .key = key, .value = kept, .shown = kept, .at = node->at, .part = part};
    return kept ? add(r, settings, &setting) : SQ_ERR_NOMEM;
}

/* ---- Kinds ---- */

static int read_flag(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                     const struct sq_scenario_key *key, const struct sq_yaml_node *node)
{
    if (node->kind != SQ_YAML_TEXT || node->quoted ||
        (strcmp(node->text, "true") != 0 && strcmp(node->text, "false") != 0)) {
        return sq_scenario_refuse_kind(r, node, "true or false");
    }
    return add_text(r, settings, key, node);
}

static int read_texts(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                      const struct sq_scenario_key *key, const struct sq_yaml_node *node)
{
    static const char expected[] = "a text, or a list of texts";
    if (node->kind != SQ_YAML_LIST) {
        int err = sq_scenario_need_text(r, node, expected);
        return err ? err : add_text(r, settings, key, node);
    }
    int err = node->first ? 0 : sq_scenario_refuse_kind(r, node, expected);
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        err = sq_scenario_need_text(r, item, "a text");
        err = err ? err : add_text(r, settings, key, item);
    }
    return err;
}

static int read_codec(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                      const struct sq_scenario_key *key, const struct sq_yaml_node *node)
{
    static const char *const kinds[] = {"video", "audio", NULL};
    if (node->kind != SQ_YAML_MAP) {
        return read_texts(r, settings, key, node);
    }
    int err = node->first ? 0 : sq_scenario_refuse_kind(r, node, "video: or audio: with a list");
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        struct sq_buf text = {0};
        size_t i;
        err = sq_scenario_read_word(r, item->key, kinds, &i);
        if (!err && item->kind == SQ_YAML_LIST) {
            sq_buf_printf(&text, "%s=", kinds[i]);
            for (const struct sq_yaml_node *one = item->first; !err && one; one = one->next) {
                err = sq_scenario_need_text(r, one, "a codec, such as h264");
                sq_buf_printf(&text, "%s%s", one == item->first ? "" : ",", err ? "" : one->text);
            }
        } else if (!err) {
            err = sq_scenario_need_text(r, item, "codecs, such as h264,vp8");
            sq_buf_printf(&text, "%s=%s", kinds[i], err ? "" : item->text);
        }
        err = err ? err : add_made(r, settings, key, item, &text, false);
        sq_buf_free(&text);
    }
    return err;
}

static int read_data(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                     const struct sq_scenario_key *key, const struct sq_yaml_node *node)
{
    static const char *const words[] = {"rate", "size", "mode", NULL};
    const struct sq_yaml_node *found[3] = {NULL};
    if (node->kind != SQ_YAML_MAP) {
        int err = sq_scenario_need_text(r, node, "RATE:SIZE, or a map with rate and size");
        return err ? err : add_text(r, settings, key, node);
    }
    for (const struct sq_yaml_node *item = node->first; item; item = item->next) {
        size_t i;
        int err = sq_scenario_read_word(r, item->key, words, &i);
        err = err ? err : sq_scenario_need_text(r, item, "a text");
        if (err) {
            return err;
        }
        found[i] = item;
    }
    if (!found[0] || !found[1]) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "data without '%s': expected rate and size, such as {rate: 10/s, "
                                  "size: 200}",
                                  found[0] ? "size" : "rate");
    }
    struct sq_buf text = {0};
    sq_buf_printf(&text, "%s:%s", found[0]->text, found[1]->text);
    int err = add_made(r, settings, key, node, &text, false);
    sq_buf_free(&text);
    const struct sq_scenario_key *mode = sq_scenario_key_of("data-mode");
    return err || !found[2] ? err : add_text(r, settings, mode, found[2]);
}

/* ---- Networks ---- */

struct network {
    struct sq_scenario_reader *r;
    struct sq_scenario_settings *settings;
    const struct sq_scenario_key *key;
};

/* "delay=80ms", "up.loss=2%", or a profile's name; each a part for its place, too. */
static int put_network_item(struct network *n, const char *way, const struct sq_yaml_node *item,
                            struct sq_buf *out)
{
    struct sq_buf part = {0};
    size_t i = 0;
    while (strcmp(sq_scenario_network_keys[i], item->key->text) != 0) {
        i++; /* it is one of them */
    }
    const char *name = sq_scenario_network_keys[i];
    int err = sq_scenario_need_text(n->r, item, "a text");
    if (err) {
        return err;
    }
    if (strcspn(item->text, ",@") != strlen(item->text)) {
        return sq_scenario_refuse(n->r, SQ_ERR_FORMAT, item->at,
                                  "'%.60s': expected no ',' and no '@' in a network's %s",
                                  item->text, name);
    }
    if (strcmp(name, "reorder") == 0) {
        if (strcmp(item->text, "true") != 0) {
            return sq_scenario_refuse(n->r, SQ_ERR_FORMAT, item->at,
                                      "reorder: '%.60s'; expected true, or nothing", item->text);
        }
        sq_buf_printf(&part, "%sreorder", way);
    } else if (strcmp(name, "profile") == 0) {
        sq_buf_puts(&part, item->text);
    } else {
        sq_buf_printf(&part, "%s%s=%s", way, name, item->text);
    }
    sq_buf_printf(out, "%s%s", out->len ? "," : "", part.text ? part.text : "");
    out->err = out->err ? out->err : part.err;
    err = add_made(n->r, n->settings, n->key, item, &part, true);
    sq_buf_free(&part);
    return err;
}

static int check_network_key(struct network *n, const struct sq_yaml_node *item, bool top)
{
    size_t i;
    int err = sq_scenario_read_word(n->r, item->key, sq_scenario_network_keys, &i);
    const char *name = err ? "" : sq_scenario_network_keys[i];
    bool only_top = strcmp(name, "profile") == 0 || strcmp(name, "up") == 0 ||
                    strcmp(name, "down") == 0 || strcmp(name, "share") == 0 ||
                    strcmp(name, "firewall") == 0;
    if (!err && !top && only_top) {
        return sq_scenario_refuse(n->r, SQ_ERR_FORMAT, item->key->at,
                                  "'%s' is of both ways: expected it outside of up and down", name);
    }
    return err;
}

static int put_way(struct network *n, const struct sq_yaml_node *node, struct sq_buf *out)
{
    char way[8];
    if (node->kind != SQ_YAML_MAP || !node->first) {
        return sq_scenario_refuse_kind(n->r, node, "a map of settings, such as {rate: 1M}");
    }
    snprintf(way, sizeof(way), "%s.", node->key->text);
    int err = 0;
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        err = check_network_key(n, item, false);
        err = err ? err : put_network_item(n, way, item, out);
    }
    return err;
}

/* {profile: …, rate: …, up: {…}, share: 30%} */
static int read_network_map(struct network *n, const struct sq_yaml_node *node)
{
    struct sq_buf text = {0};
    const struct sq_yaml_node *share = NULL;
    int err = node->first ? 0 : sq_scenario_refuse_kind(n->r, node, "a network's settings");
    /* The profile comes first in the text, wherever it stands in the map. */
    for (int profile = 1; profile >= 0; profile--) {
        for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
            const char *name = item->key->text;
            err = check_network_key(n, item, true);
            if (err || (strcmp(name, "profile") == 0) != profile) {
                continue;
            }
            if (strcmp(name, "share") == 0) {
                share = item;
            } else if (strcmp(name, "up") == 0 || strcmp(name, "down") == 0) {
                err = put_way(n, item, &text);
            } else {
                err = put_network_item(n, "", item, &text);
            }
        }
    }
    if (!err && text.len == 0 && !text.err) {
        err = sq_scenario_refuse(n->r, SQ_ERR_INVALID, node->at,
                                 "a share of no network: expected profile, or settings such as "
                                 "rate and delay");
    }
    double part = 0;
    err = err || !share ? err : sq_scenario_read_share(n->r, share, &part);
    if (!err && share) {
        sq_buf_printf(&text, "@%.10g%%", part * 100);
    }
    err = err ? err : add_made(n->r, n->settings, n->key, node, &text, false);
    sq_buf_free(&text);
    return err;
}

static int read_network(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                        const struct sq_scenario_key *key, const struct sq_yaml_node *node)
{
    struct network n = {r, settings, key};
    static const char expected[] = "a network's name, its settings, or a list of networks with "
                                   "their shares";
    if (node->kind == SQ_YAML_MAP) {
        return read_network_map(&n, node);
    }
    if (node->kind == SQ_YAML_TEXT) {
        int err = sq_scenario_need_text(r, node, expected);
        return err ? err : add_text(r, settings, key, node);
    }
    int err = node->first ? 0 : sq_scenario_refuse_kind(r, node, expected);
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        if (item->kind == SQ_YAML_MAP) {
            err = read_network_map(&n, item);
        } else {
            err = sq_scenario_need_text(r, item, "a network");
            err = err ? err : add_text(r, settings, key, item);
        }
    }
    return err;
}

/* ---- Expectations ---- */

static int read_expectation(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                            const struct sq_scenario_key *key, const struct sq_yaml_node *node)
{
    static const char *const words[] = {"expr", "level", NULL};
    const struct sq_yaml_node *expr = node;
    const struct sq_yaml_node *level = NULL;
    if (node->kind == SQ_YAML_MAP) {
        expr = NULL;
        for (const struct sq_yaml_node *item = node->first; item; item = item->next) {
            size_t i;
            int err = sq_scenario_read_word(r, item->key, words, &i);
            if (err) {
                return err;
            }
            *(i == 0 ? &expr : &level) = item;
        }
        if (!expr) {
            return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                      "an expectation without 'expr': expected {expr: …, level: "
                                      "warn}");
        }
    }
    int err = sq_scenario_need_text(r, expr, "an expectation, such as video.in.loss.p95 < 1%");
    err = err ? err : add_text(r, settings, key, expr);
    size_t i = 0;
    err = err || !level ? err : sq_scenario_read_word(r, level, sq_scenario_levels, &i);
    if (!err && i > 0) {
        struct sq_scenario_setting *setting = &settings->items[settings->n - 1];
        struct sq_buf text = {0};
        sq_buf_printf(&text, "%s else %s", setting->value, sq_scenario_levels[i]);
        setting->value = sq_scenario_keep_buf(r, &text);
        setting->shown = setting->value;
        sq_buf_free(&text);
        err = setting->value ? 0 : SQ_ERR_NOMEM;
    }
    return err;
}

static int read_expectations(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                             const struct sq_scenario_key *key, const struct sq_yaml_node *node)
{
    if (node->kind != SQ_YAML_LIST) {
        return read_expectation(r, settings, key, node);
    }
    int err = node->first ? 0 : sq_scenario_refuse_kind(r, node, "expectations");
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        err = read_expectation(r, settings, key, item);
    }
    return err;
}

/* ---- All of them ---- */

static const char *expected_of(enum sq_scenario_kind kind)
{
    switch (kind) {
    case SQ_SCENARIO_COUNT:
        return "a whole number";
    case SQ_SCENARIO_NUMBER:
        return "a number";
    case SQ_SCENARIO_DURATION:
        return "a duration with its unit, such as 500ms, 10s or 5m";
    case SQ_SCENARIO_RATE:
        return "a rate with its unit, such as 20/s or 90/m";
    default:
        return "a text";
    }
}

int sq_scenario_read_setting(struct sq_scenario_reader *r, struct sq_scenario_settings *settings,
                             const struct sq_scenario_key *key, const struct sq_yaml_node *node)
{
    switch (key->kind) {
    case SQ_SCENARIO_FLAG:
        return read_flag(r, settings, key, node);
    case SQ_SCENARIO_TEXTS:
        return read_texts(r, settings, key, node);
    case SQ_SCENARIO_CODEC:
        return read_codec(r, settings, key, node);
    case SQ_SCENARIO_DATA:
        return read_data(r, settings, key, node);
    case SQ_SCENARIO_NETWORK:
        return read_network(r, settings, key, node);
    case SQ_SCENARIO_EXPECT:
        return read_expectations(r, settings, key, node);
    default: {
        int err = sq_scenario_need_text(r, node, expected_of(key->kind));
        return err ? err : add_text(r, settings, key, node);
    }
    }
}
