/* Steps of the file: `before` and `steps`. */
#include "scenario/steps.h"

#include "base/mem.h"
#include "scenario/scenario_int.h"
#include <stdio.h>
#include <string.h>

#define WAIT_FOR_DEFAULT_NS (30 * SQ_NS_PER_SEC)

const char *const sq_scenario_scopes[] = {"room", "test", NULL};
const char *const sq_scenario_muted[] = {"audio", "video", "all", NULL};
const char *const sq_scenario_own_events[] = {"start",  "ramped", "draining", "end",
                                              "joined", "up",     "leaving",  NULL};

typedef int read_fn(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                    struct sq_step *step);

/* ---- Pieces ---- */

int sq_scenario_step_duration(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                              uint64_t *ret_ns)
{
    uint64_t ns = 0;
    if (node->kind != SQ_YAML_TEXT || sq_parse_duration(node->text, &ns) != 0 || ns == 0) {
        return sq_scenario_refuse_kind(r, node, "a duration with its unit, such as 500ms or 10s");
    }
    *ret_ns = ns;
    return 0;
}

bool sq_scenario_is_a_step_name(const char *name, size_t len)
{
    static const char letters[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_";
    static const char more[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789";
    return len > 0 && len <= SQ_STEP_NAME_MAX && strchr(letters, name[0]) &&
           strspn(name, more) >= len;
}

int sq_scenario_read_step_name(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                               const char **ret_name)
{
    if (node->kind != SQ_YAML_TEXT || !sq_scenario_is_a_step_name(node->text, strlen(node->text)) ||
        strspn(node->text, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ_0123456789") !=
            strlen(node->text)) {
        char expected[96];
        snprintf(expected, sizeof(expected),
                 "a name of 1 to %d letters, digits and '_', a letter first", SQ_STEP_NAME_MAX);
        return sq_scenario_refuse_kind(r, node, expected);
    }
    *ret_name = sq_scenario_keep(r, node->text);
    return *ret_name ? 0 : SQ_ERR_NOMEM;
}

int sq_scenario_read_parts(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           const char *const *words, const struct sq_yaml_node **ret_parts,
                           const char *expected)
{
    if (node->kind != SQ_YAML_MAP || !node->first) {
        return sq_scenario_refuse_kind(r, node, expected);
    }
    for (const struct sq_yaml_node *item = node->first; item; item = item->next) {
        size_t i = 0;
        int err = sq_scenario_read_word(r, item->key, words, &i);
        if (err) {
            return err;
        }
        ret_parts[i] = item;
    }
    return 0;
}

/* in: room, in: test */
static int read_scope(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                      struct sq_step *step)
{
    size_t i = 0;
    int err = node ? sq_scenario_read_word(r, node, sq_scenario_scopes, &i) : 0;
    step->whole_test = i == 1;
    return err;
}

int sq_scenario_list_name(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          const char **names, size_t *len, size_t max, const char *name,
                          size_t *ret_i)
{
    size_t i = 0;
    while (i < *len && strcmp(names[i], name) != 0) {
        i++;
    }
    if (i == max) {
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, node->at,
                                  "more than %zu names of this kind", max);
    }
    if (i == *len) {
        names[(*len)++] = name;
    }
    *ret_i = i;
    return 0;
}

static int figure_of(struct sq_scenario_reader *r, const struct sq_yaml_node *node, bool timer,
                     struct sq_step *step)
{
    struct sq_step_figures *f = &r->scenario->figures;
    int err = sq_scenario_read_step_name(r, node, &step->name);
    if (!err && timer && strcmp(step->name, f->timers[SQ_STEP_SET_UP_TIMER]) == 0) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "the timer '%s' is Squall's own: how long the steps of before "
                                  "take; expected another name",
                                  step->name);
    }
    return err ? err
               : sq_scenario_list_name(r, node, timer ? f->timers : f->counters,
                                       timer ? &f->timers_len : &f->counters_len,
                                       SQ_STEP_FIGURES_MAX, step->name, &step->figure);
}

/* ---- Kinds ---- */

/* 2s, 1s..3s */
static int read_wait(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                     struct sq_step *step)
{
    char least[32];
    const char *dots = node->kind == SQ_YAML_TEXT ? strstr(node->text, "..") : NULL;
    if (!dots) {
        int err = sq_scenario_step_duration(r, node, &step->least_ns);
        step->most_ns = step->least_ns;
        return err;
    }
    snprintf(least, sizeof(least), "%.*s", (int)(dots - node->text), node->text);
    if (sq_parse_duration(least, &step->least_ns) != 0 ||
        sq_parse_duration(dots + 2, &step->most_ns) != 0 || step->most_ns < step->least_ns) {
        return sq_scenario_refuse_kind(r, node, "a time such as 2s, or a range such as 1s..3s");
    }
    return 0;
}

static int read_wait_for(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                         struct sq_step *step)
{
    static const char *const words[] = {"name", "in", "timeout", NULL};
    static const char expected[] = "a name, or {name: room_url, in: room, timeout: 30s}";
    const struct sq_yaml_node *parts[3] = {node, NULL, NULL};
    step->most_ns = WAIT_FOR_DEFAULT_NS;
    if (node->kind != SQ_YAML_TEXT) {
        parts[0] = NULL;
        int err = sq_scenario_read_parts(r, node, words, parts, expected);
        if (err) {
            return err;
        }
    }
    if (!parts[0]) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "wait_for without a name: expected %s", expected);
    }
    int err = sq_scenario_read_step_name(r, parts[0], &step->name);
    err = err ? err : read_scope(r, parts[1], step);
    return err || !parts[2] ? err : sq_scenario_step_duration(r, parts[2], &step->most_ns);
}

static int read_set(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                    struct sq_step *step)
{
    static const char *const words[] = {"name", "value", "in", NULL};
    const struct sq_yaml_node *parts[3] = {NULL};
    int err =
        sq_scenario_read_parts(r, node, words, parts, "{name: room_url, value: ${url}, in: room}");
    if (!err && (!parts[0] || !parts[1])) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "set without a %s: expected {name: room_url, value: ${url}}",
                                  parts[0] ? "value" : "name");
    }
    err = err ? err : sq_scenario_read_step_name(r, parts[0], &step->name);
    err = err ? err : sq_scenario_need_text(r, parts[1], "a text");
    step->value = err ? NULL : sq_scenario_step_text(r, parts[1], false, &err);
    return err ? err : read_scope(r, parts[2], step);
}

static int read_mute(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                     struct sq_step *step)
{
    size_t i = 0;
    int err = sq_scenario_read_word(r, node, sq_scenario_muted, &i);
    step->audio = i != 1;
    step->video = i != 0;
    return err;
}

static int read_network(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                        struct sq_step *step)
{
    int err = sq_scenario_need_text(r, node, "a network, such as Poor 4G or rate=1M,delay=80ms");
    step->name = err ? NULL : sq_scenario_keep(r, node->text);
    return err ? err : step->name ? 0 : SQ_ERR_NOMEM;
}

/* Nothing is to be said of it: `- leave`, or `- leave: {}`. */
static int read_bare(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                     struct sq_step *step)
{
    (void)step;
    bool bare = !node->key || (node->kind == SQ_YAML_TEXT && node->text[0] == '\0') ||
                (node->kind == SQ_YAML_MAP && !node->first);
    return bare ? 0 : sq_scenario_refuse_kind(r, node, "nothing behind it");
}

static int read_dtmf(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                     struct sq_step *step)
{
    size_t len = node->kind == SQ_YAML_TEXT ? strlen(node->text) : 0;
    if (len == 0 || len > 64 || strspn(node->text, "0123456789ABCDabcd*#,") != len) {
        return sq_scenario_refuse_kind(r, node,
                                       "keys: up to 64 of 0-9, A-D, * and #, ',' for a "
                                       "pause of 2 s; in quotes");
    }
    step->value = sq_scenario_keep(r, node->text);
    return step->value ? 0 : SQ_ERR_NOMEM;
}

static int read_timer(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                      struct sq_step *step)
{
    static const char *const words[] = {"start", "stop", NULL};
    const struct sq_yaml_node *parts[2] = {NULL};
    int err = sq_scenario_read_parts(r, node, words, parts, "{start: NAME} or {stop: NAME}");
    if (!err && parts[0] && parts[1]) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "start and stop in one step: expected one of them");
    }
    step->start = parts[0] != NULL;
    return err ? err : figure_of(r, parts[0] ? parts[0] : parts[1], true, step);
}

static int read_count_step(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           struct sq_step *step)
{
    static const char *const words[] = {"name", "add", NULL};
    const struct sq_yaml_node *parts[2] = {node, NULL};
    int err = 0;
    step->add = 1;
    if (node->kind != SQ_YAML_TEXT) {
        parts[0] = NULL;
        err = sq_scenario_read_parts(r, node, words, parts, "a name, or {name: messages, add: 2}");
        if (!err && !parts[0]) {
            return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                      "count without a name: expected {name: messages, add: 2}");
        }
    }
    err = err ? err : figure_of(r, parts[0], false, step);
    return err || !parts[1] ? err
                            : sq_scenario_read_count(r, parts[1], SQ_STEP_ADD_MAX, &step->add);
}

static int read_event(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                      struct sq_step *step)
{
    struct sq_step_figures *f = &r->scenario->figures;
    int err = sq_scenario_read_step_name(r, node, &step->name);
    for (size_t i = 0; !err && sq_scenario_own_events[i]; i++) {
        if (strcmp(step->name, sq_scenario_own_events[i]) == 0) {
            return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                      "the event '%s' is Squall's own: expected another name",
                                      step->name);
        }
    }
    return err ? err
               : sq_scenario_list_name(r, node, f->events, &f->events_len, SQ_STEP_FIGURES_MAX,
                                       step->name, &step->figure);
}

/* W3C's iceServers: a list, one server, or a text that a step took them in. */
static int read_ice_servers(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                            struct sq_step *step)
{
    static const char expected[] =
        "ICE servers, such as [{urls: \"turn:host:3478\", username: u, credential: c}], or "
        "${servers} that a step took";
    int err = 0;
    bool empty = node->kind == SQ_YAML_TEXT ? !node->text[0] : !node->first;
    if (empty) {
        return sq_scenario_refuse_kind(r, node, expected);
    }
    step->json = node->kind != SQ_YAML_TEXT;
    step->value = step->json ? sq_scenario_step_json(r, node, &err)
                             : sq_scenario_step_text(r, node, false, &err);
    if (!err && !step->json && !sq_step_asks(step->value)) {
        return sq_scenario_refuse_kind(r, node, expected);
    }
    return err;
}

static int read_share(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                      struct sq_step *step)
{
    int err = sq_scenario_need_text(r, node, "a clip, such as screen or talk.sqclip");
    step->name = err ? NULL : sq_scenario_keep(r, node->text);
    return err ? err : step->name ? 0 : SQ_ERR_NOMEM;
}

static int read_by_word(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                        struct sq_step *step)
{
    static read_fn *const readers[] = {
        [SQ_STEP_HTTP] = sq_scenario_read_http,
        [SQ_STEP_WAIT] = read_wait,
        [SQ_STEP_WAIT_FOR] = read_wait_for,
        [SQ_STEP_SET] = read_set,
        [SQ_STEP_MUTE] = read_mute,
        [SQ_STEP_UNMUTE] = read_mute,
        [SQ_STEP_NETWORK] = read_network,
        [SQ_STEP_RESTART_ICE] = read_bare,
        [SQ_STEP_LEAVE] = read_bare,
        [SQ_STEP_REJOIN] = read_bare,
        [SQ_STEP_DTMF] = read_dtmf,
        [SQ_STEP_TIMER] = read_timer,
        [SQ_STEP_COUNT] = read_count_step,
        [SQ_STEP_EVENT] = read_event,
        [SQ_STEP_WEBSOCKET] = sq_scenario_read_websocket,
        [SQ_STEP_DATA] = sq_scenario_read_data,
        [SQ_STEP_ICE_SERVERS] = read_ice_servers,
        [SQ_STEP_SHARE] = read_share,
        [SQ_STEP_UNSHARE] = read_bare,
    };
    return readers[step->kind](r, node, step);
}

/* ---- A step ---- */

void sq_scenario_wait_words(const struct sq_step *step, struct sq_buf *out)
{
    char least[32], most[32];
    sq_format_duration(step->least_ns, least);
    sq_format_duration(step->most_ns, most);
    sq_buf_printf(out, "wait %s%s%s", least, step->most_ns > step->least_ns ? " to " : "",
                  step->most_ns > step->least_ns ? most : "");
}

static void put_words(const struct sq_step *step, const char *written, struct sq_buf *b)
{
    const char *word = sq_scenario_step_words[step->kind];
    char most[32];
    sq_format_duration(step->most_ns, most);
    switch (step->kind) {
    case SQ_STEP_HTTP:
        sq_buf_printf(b, "http %s %s", step->http->method, written);
        break;
    case SQ_STEP_WAIT:
        sq_scenario_wait_words(step, b);
        break;
    case SQ_STEP_WAIT_FOR:
        sq_buf_printf(b, "wait for %s of the %s, %s at most", step->name,
                      step->whole_test ? "test" : "room", most);
        break;
    case SQ_STEP_SET:
        sq_buf_printf(b, "set %s for the %s", step->name, step->whole_test ? "test" : "room");
        break;
    case SQ_STEP_MUTE:
    case SQ_STEP_UNMUTE:
        sq_buf_printf(b, "%s %s", word,
                      step->audio && step->video ? "all"
                      : step->audio              ? "audio"
                                                 : "video");
        break;
    case SQ_STEP_TIMER:
        sq_buf_printf(b, "%s timer %s", step->start ? "start" : "stop", step->name);
        break;
    case SQ_STEP_DTMF:
        sq_buf_printf(b, "press %s", step->value);
        break;
    case SQ_STEP_RESTART_ICE:
        sq_buf_puts(b, "restart ICE");
        break;
    case SQ_STEP_WEBSOCKET:
    case SQ_STEP_DATA:
        sq_buf_printf(b, "%s ", word);
        sq_scenario_put_talk(step->talk, written, b);
        break;
    case SQ_STEP_ICE_SERVERS:
        sq_buf_puts(b, "take ICE servers");
        break;
    case SQ_STEP_UNSHARE:
        sq_buf_puts(b, "share no more");
        break;
    default:
        sq_buf_printf(b, "%s%s%s", word, step->name ? " " : "", step->name ? step->name : "");
        break;
    }
}

/* The URL as it is written, without its query: a key may be in it. */
static void written_url(const struct sq_yaml_node *node, char out[static 120])
{
    const struct sq_yaml_node *url = node;
    for (const struct sq_yaml_node *item = node->first; item; item = item->next) {
        url = item->key && strcmp(item->key->text, "url") == 0 ? item : url;
    }
    const char *text = url->kind == SQ_YAML_TEXT ? url->text : "";
    int len = (int)strcspn(text, "?#");
    snprintf(out, 120, "%.*s", len < 110 ? len : 110, text);
}

bool sq_scenario_is_of_a_call(enum sq_step_kind kind)
{
    return kind == SQ_STEP_MUTE || kind == SQ_STEP_UNMUTE || kind == SQ_STEP_RESTART_ICE ||
           kind == SQ_STEP_LEAVE || kind == SQ_STEP_REJOIN || kind == SQ_STEP_DTMF ||
           kind == SQ_STEP_DATA || kind == SQ_STEP_SHARE || kind == SQ_STEP_UNSHARE;
}

bool sq_scenario_is_bare(enum sq_step_kind kind)
{
    return kind == SQ_STEP_RESTART_ICE || kind == SQ_STEP_LEAVE || kind == SQ_STEP_REJOIN ||
           kind == SQ_STEP_UNSHARE;
}

static int check_phase(struct sq_scenario_reader *r, const struct sq_steps *steps,
                       const struct sq_step *step)
{
    bool before = strcmp(steps->phase, "before") == 0;
    bool of_a_call = sq_scenario_is_of_a_call(step->kind);
    if (before && of_a_call) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, step->at,
                                  "%s before signing in: there is no call yet; expected it in "
                                  "steps",
                                  sq_scenario_step_words[step->kind]);
    }
    bool out = false; /* of the call */
    for (size_t i = 0; i < steps->n; i++) {
        out = steps->items[i].kind == SQ_STEP_LEAVE ||
              (out && steps->items[i].kind != SQ_STEP_REJOIN);
    }
    if ((step->kind == SQ_STEP_REJOIN && !out) ||
        (of_a_call && step->kind != SQ_STEP_REJOIN && out)) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, step->at,
                                  out ? "%s after leave: expected rejoin before it"
                                      : "%s without leave before it",
                                  sq_scenario_step_words[step->kind]);
    }
    return 0;
}

static int read_step(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                     const struct sq_steps *steps, struct sq_step *step)
{
    char url[120];
    size_t kind = 0;
    bool map = node->kind == SQ_YAML_MAP && node->first && !node->first->next;
    const struct sq_yaml_node *value = map ? node->first : node;
    if (!map && node->kind != SQ_YAML_TEXT) {
        return sq_scenario_refuse_kind(r, node,
                                       "one step: a word and what it needs, such as wait: 2s");
    }
    step->at = node->at;
    int err = sq_scenario_read_word(r, map ? value->key : node, sq_scenario_step_words, &kind);
    if (err) {
        return err;
    }
    step->kind = (enum sq_step_kind)kind;
    if (!map && !sq_scenario_is_bare(step->kind)) {
        return sq_scenario_refuse(r, SQ_ERR_FORMAT, node->at,
                                  "'%s' alone: expected what it needs behind it, as in wait: 2s",
                                  node->text);
    }
    err = read_by_word(r, value, step);
    err = err ? err : check_phase(r, steps, step);
    if (!err) {
        struct sq_buf words = {0};
        written_url(value, url);
        put_words(step, url, &words);
        step->words = sq_scenario_keep_buf(r, &words);
        err = step->words ? 0 : SQ_ERR_NOMEM;
    }
    return err;
}

int sq_scenario_read_steps(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                           struct sq_steps *steps)
{
    size_t n = 0;
    for (const struct sq_yaml_node *item = node->first; item; item = item->next) {
        n++;
    }
    if (node->kind != SQ_YAML_LIST || n == 0 || n > SQ_STEPS_MAX) {
        char expected[96];
        snprintf(expected, sizeof(expected),
                 "a list of 1 to %d steps, such as [wait: 2s, mute: audio]", SQ_STEPS_MAX);
        return sq_scenario_refuse_kind(r, node, expected);
    }
    steps->file = r->scenario->file;
    steps->phase = strcmp(node->key->text, "before") == 0 ? "before" : "steps";
    steps->items = sq_calloc(n, sizeof(*steps->items));
    if (!steps->items) {
        return SQ_ERR_NOMEM;
    }
    for (const struct sq_yaml_node *item = node->first; item; item = item->next) {
        struct sq_step step = {0};
        int err = read_step(r, item, steps, &step);
        steps->items[steps->n++] = step; /* what it holds is freed with the others */
        if (err) {
            return err;
        }
    }
    return 0;
}

static void free_http(struct sq_step_http *http)
{
    if (http) {
        sq_scenario_free_takes(http->takes, http->takes_len);
        sq_free(http);
    }
}

void sq_steps_free(struct sq_steps *steps)
{
    for (size_t i = 0; i < steps->n; i++) {
        free_http(steps->items[i].http);
        sq_scenario_free_talk(steps->items[i].talk);
    }
    sq_free(steps->items);
    *steps = (struct sq_steps){0};
}
