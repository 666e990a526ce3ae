/* The steps `websocket` and `data`: messages that are sent, and one that is expected. */
#include "base/mem.h"
#include "base/time.h"
#include "scenario/scenario_int.h"
#include <string.h>

#define RATE_MAX_PER_S 100000

/* ---- What is expected ---- */

static int read_pattern(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                        struct sq_step_match *match)
{
    char why[120];
    int bad = regcomp(&match->regex, node->text, REG_EXTENDED | REG_NOSUB);
    if (bad) {
        regerror(bad, &match->regex, why, sizeof(why));
        return sq_scenario_refuse(r, SQ_ERR_FORMAT, node->at,
                                  "regex '%.100s': %s; expected a POSIX extended expression",
                                  node->text, why);
    }
    match->pattern = sq_scenario_keep(r, node->text);
    if (!match->pattern) {
        regfree(&match->regex);
    }
    return match->pattern ? 0 : SQ_ERR_NOMEM;
}

static int read_place(struct sq_scenario_reader *r, const struct sq_yaml_node *item,
                      struct sq_step_match *match)
{
    if (!item->key->text[0] || !sq_scenario_is_pointer(item->key->text)) {
        return sq_scenario_refuse(r, SQ_ERR_FORMAT, item->key->at,
                                  "'%.100s': expected a JSON pointer (RFC 6901) such as /type, or "
                                  "regex",
                                  item->key->text);
    }
    if (match->at_len == SQ_STEP_MATCHES_MAX) {
        return sq_scenario_refuse(r, SQ_ERR_UNSUPPORTED, item->key->at,
                                  "more than %d places of one message", SQ_STEP_MATCHES_MAX);
    }
    if (item->kind != SQ_YAML_TEXT) {
        return sq_scenario_refuse_kind(r, item, "what stands there, a text or a number");
    }
    int err = 0;
    match->at[match->at_len].pointer = sq_scenario_keep(r, item->key->text);
    match->at[match->at_len].value = sq_scenario_step_text(r, item, false, &err);
    if (!err && !match->at[match->at_len].pointer) {
        err = SQ_ERR_NOMEM;
    }
    match->at_len += !err;
    return err;
}

/* 'regex', {regex: '…'}, {/type: welcome, …} */
static int read_expect(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                       struct sq_step_talk *t)
{
    static const char expected[] =
        "a regex, or JSON pointers with what stands there: {/type: welcome}";
    t->expects = true;
    if (node->kind == SQ_YAML_TEXT && node->text[0]) {
        return read_pattern(r, node, &t->match);
    }
    if (node->kind != SQ_YAML_MAP || !node->first) {
        return sq_scenario_refuse_kind(r, node, expected);
    }
    int err = 0;
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        bool regex = strcmp(item->key->text, "regex") == 0;
        err = regex ? sq_scenario_need_text(r, item, "a POSIX extended expression") : 0;
        err = err ? err : regex ? read_pattern(r, item, &t->match) : read_place(r, item, &t->match);
    }
    return err;
}

/* ---- What is sent ---- */

static int read_hex(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                    struct sq_step_talk *t)
{
    size_t len = node->kind == SQ_YAML_TEXT ? strlen(node->text) : 0;
    if (len == 0 || len % 2 != 0 || strspn(node->text, "0123456789abcdefABCDEF") != len) {
        return sq_scenario_refuse_kind(r, node, "bytes in hexadecimal digits, such as 00ff10");
    }
    t->hex = true;
    t->send = sq_scenario_keep(r, node->text);
    return t->send ? 0 : SQ_ERR_NOMEM;
}

static int read_bytes(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                      struct sq_step_talk *t)
{
    uint64_t n = 0;
    int err = sq_scenario_read_count(r, node, SQ_STEP_MESSAGE_MAX, &n);
    t->made_bytes = (size_t)n;
    return err;
}

static int read_send(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                     struct sq_step_talk *t)
{
    t->json = node->key && strcmp(node->key->text, "json") == 0;
    return sq_scenario_read_body(r, node, t->json, "the text of a message", &t->send);
}

static int read_message(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                        struct sq_step_talk *t)
{
    const char *key = node->key->text;
    if (t->send || t->made_bytes) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->key->at,
                                  "%s besides another message: expected one of send, json, hex and "
                                  "bytes",
                                  key);
    }
    return strcmp(key, "hex") == 0     ? read_hex(r, node, t)
           : strcmp(key, "bytes") == 0 ? read_bytes(r, node, t)
                                       : read_send(r, node, t);
}

static int read_rate(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                     struct sq_step_talk *t)
{
    if (node->kind != SQ_YAML_TEXT || sq_parse_rate(node->text, &t->rate_per_s) != 0 ||
        t->rate_per_s <= 0 || t->rate_per_s > RATE_MAX_PER_S) {
        return sq_scenario_refuse_kind(r, node, "a rate such as 10/s, up to 100000/s");
    }
    return 0;
}

static int read_close(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                      struct sq_step_talk *t)
{
    static const char *const words[] = {"true", NULL};
    size_t i = 0;
    t->closes = true;
    return sq_scenario_read_word(r, node, words, &i);
}

/* ---- Where to ---- */

static int read_url(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                    struct sq_step_talk *t)
{
    int err = sq_scenario_need_text(r, node, "a URL such as wss://host/chat");
    t->url = err ? NULL : sq_scenario_step_text(r, node, false, &err);
    if (!err && strncmp(t->url, "ws://", 5) != 0 && strncmp(t->url, "wss://", 6) != 0 &&
        t->url[0] != SQ_STEP_MARK) {
        return sq_scenario_refuse_kind(r, node, "a URL that begins with ws:// or wss://");
    }
    return err;
}

static int read_label(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                      const char **ret_text)
{
    int err = sq_scenario_need_text(r, node, "a name");
    *ret_text = err ? NULL : sq_scenario_keep(r, node->text);
    return err ? err : *ret_text ? 0 : SQ_ERR_NOMEM;
}

static struct sq_step_talk *new_talk(struct sq_step *step)
{
    step->talk = sq_zalloc(sizeof(*step->talk));
    return step->talk;
}

/* ---- websocket ---- */

static int read_socket_item(struct sq_scenario_reader *r, const struct sq_yaml_node *item,
                            struct sq_step_talk *t)
{
    static const char *const words[] = {"name",   "url",  "headers", "subprotocol", "send", "json",
                                        "expect", "take", "close",   "timeout",     NULL};
    size_t i = 0;
    int err = sq_scenario_read_word(r, item->key, words, &i);
    if (err) {
        return err;
    }
    switch (i) {
    case 0:
        return sq_scenario_read_step_name(r, item, &t->name);
    case 1:
        return read_url(r, item, t);
    case 2:
        return sq_scenario_read_headers(r, item, t->headers, &t->headers_len);
    case 3:
        return read_label(r, item, &t->subprotocol);
    case 4:
    case 5:
        return read_message(r, item, t);
    case 6:
        return read_expect(r, item, t);
    case 7:
        t->expects = true;
        return sq_scenario_read_takes(r, item, false, t->takes, &t->takes_len);
    case 8:
        return read_close(r, item, t);
    default:
        return sq_scenario_step_duration(r, item, &t->timeout_ns);
    }
}

static int check_socket(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                        struct sq_step_talk *t)
{
    struct sq_step_figures *f = &r->scenario->figures;
    static const char own[] = "websocket";
    if (!t->url && !t->send && !t->expects && !t->closes) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "websocket with nothing to do: expected url, send, json, expect, "
                                  "take or close");
    }
    if (!t->url && (t->headers_len || t->subprotocol)) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "%s without a url: expected it in the step that connects",
                                  t->headers_len ? "headers" : "subprotocol");
    }
    t->name = t->name ? t->name : own;
    bool known = false;
    for (size_t i = 0; i < f->sockets_len; i++) {
        known = known || strcmp(f->sockets[i], t->name) == 0;
    }
    if (!known && !t->url) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "no step before this one connects the WebSocket '%s': expected "
                                  "url: wss://host/path",
                                  t->name);
    }
    return sq_scenario_list_name(r, node, f->sockets, &f->sockets_len, SQ_STEP_SOCKETS_MAX, t->name,
                                 &t->number);
}

int sq_scenario_read_websocket(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                               struct sq_step *step)
{
    struct sq_step_talk *t = new_talk(step);
    if (!t) {
        return SQ_ERR_NOMEM;
    }
    t->times = 1;
    int err = node->kind == SQ_YAML_TEXT ? read_url(r, node, t) : 0;
    if (node->kind == SQ_YAML_LIST) {
        return sq_scenario_refuse_kind(r, node, "{url: wss://host/chat, …}");
    }
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        err = read_socket_item(r, item, t);
    }
    return err ? err : check_socket(r, node, t);
}

/* ---- data ---- */

static int read_data_item(struct sq_scenario_reader *r, const struct sq_yaml_node *item,
                          struct sq_step_talk *t)
{
    static const char *const words[] = {"channel", "send",   "json", "hex",     "bytes", "times",
                                        "rate",    "expect", "take", "timeout", NULL};
    size_t i = 0;
    int err = sq_scenario_read_word(r, item->key, words, &i);
    if (err) {
        return err;
    }
    switch (i) {
    case 0:
        return read_label(r, item, &t->name);
    case 1:
    case 2:
    case 3:
    case 4:
        return read_message(r, item, t);
    case 5:
        return sq_scenario_read_count(r, item, SQ_STEP_TIMES_MAX, &t->times);
    case 6:
        return read_rate(r, item, t);
    case 7:
        return read_expect(r, item, t);
    case 8:
        t->expects = true;
        return sq_scenario_read_takes(r, item, false, t->takes, &t->takes_len);
    default:
        return sq_scenario_step_duration(r, item, &t->timeout_ns);
    }
}

int sq_scenario_read_data(struct sq_scenario_reader *r, const struct sq_yaml_node *node,
                          struct sq_step *step)
{
    struct sq_step_talk *t = new_talk(step);
    if (!t) {
        return SQ_ERR_NOMEM;
    }
    int err = node->kind == SQ_YAML_TEXT ? read_send(r, node, t) : 0;
    if (node->kind == SQ_YAML_LIST) {
        return sq_scenario_refuse_kind(r, node, "a text, or {channel: chat, send: hello}");
    }
    for (const struct sq_yaml_node *item = node->first; !err && item; item = item->next) {
        err = read_data_item(r, item, t);
    }
    bool sends = t->send || t->made_bytes;
    if (!err && !sends && !t->expects) {
        return sq_scenario_refuse(
            r, SQ_ERR_INVALID, node->at,
            "data with nothing to do: expected send, json, hex, bytes, expect "
            "or take");
    }
    if (!err && !sends && (t->times || t->rate_per_s > 0)) {
        return sq_scenario_refuse(r, SQ_ERR_INVALID, node->at,
                                  "%s without a message: expected send, json, hex or bytes",
                                  t->times ? "times" : "rate");
    }
    t->times = t->times ? t->times : 1;
    return err;
}

/* ---- Both ---- */

void sq_scenario_put_talk(const struct sq_step_talk *t, const char *written, struct sq_buf *b)
{
    const char *between = "";
    if (t->url) {
        sq_buf_printf(b, "connect %s", written);
        between = ", ";
    }
    if (t->made_bytes) {
        sq_buf_printf(b, "%ssend %zu bytes", between, t->made_bytes);
        between = ", ";
    } else if (t->send) {
        sq_buf_printf(b, "%ssend", between);
        between = ", ";
    }
    if (t->times > 1) {
        sq_buf_printf(b, " %llu times", (unsigned long long)t->times);
    }
    if (t->rate_per_s > 0) {
        sq_buf_printf(b, " at %g/s", t->rate_per_s);
    }
    if (t->expects) {
        sq_buf_printf(b, "%sexpect%s%.60s", between, t->match.pattern ? " " : "",
                      t->match.pattern ? t->match.pattern : "");
        for (size_t i = 0; i < t->match.at_len; i++) {
            sq_buf_printf(b, " %.60s", t->match.at[i].pointer);
        }
        between = ", ";
    }
    if (t->closes) {
        sq_buf_printf(b, "%sclose", between);
    }
}

void sq_scenario_free_talk(struct sq_step_talk *t)
{
    if (t) {
        if (t->match.pattern) {
            regfree(&t->match.regex);
        }
        sq_scenario_free_takes(t->takes, t->takes_len);
        sq_free(t);
    }
}
