#include "scenario/yaml.h"

#include "base/mem.h"
#include "base/str.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <yaml.h>

struct reader {
    yaml_parser_t parser;
    const char *text;
    size_t len;
    struct sq_yaml *yaml;
    struct sq_yaml_error *error;
    size_t nodes;
};

static struct sq_yaml_place place_of(yaml_mark_t mark)
{
    return (struct sq_yaml_place){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

static int refuse(struct reader *r, int err, struct sq_yaml_place at, const char *fmt, ...)
    SQ_PRINTF(4, 5);

static int refuse(struct reader *r, int err, struct sq_yaml_place at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->error->message, sizeof(r->error->message), fmt, args);
    va_end(args);
    r->error->at = at;
    return err;
}

/* ---- What libyaml complains of ---- */

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

/* The byte at which a place begins; '\0' behind the end. */
static char byte_at(const struct reader *r, struct sq_yaml_place at)
{
    size_t i = 0;
    for (unsigned line = 1; line < at.line; line++) {
        const char *end = memchr(r->text + i, '\n', r->len - i);
        if (!end) {
            return '\0';
        }
        i = (size_t)(end - r->text) + 1;
    }
    for (unsigned column = 1; i < r->len && column < at.column; column++) {
        i++;
        while (i < r->len && is_continuation(r->text[i])) {
            i++;
        }
    }
    return i < r->len ? r->text[i] : '\0';
}

/* Of a byte, where libyaml tells no more: what is no UTF-8. */
static struct sq_yaml_place place_of_byte(const struct reader *r, size_t offset)
{
    struct sq_yaml_place at = {1, 1};
    for (size_t i = 0; i < offset && i < r->len; i++) {
        if (r->text[i] == '\n') {
            at = (struct sq_yaml_place){at.line + 1, 1};
        } else {
            at.column += !is_continuation(r->text[i]);
        }
    }
    return at;
}

static int complain(struct reader *r)
{
    static const struct {
        const char *said, *words;
    } known[] = {
        {"mapping values are not allowed in this context",
         "a colon that makes a key of what stands before it; expected quotes round a text that "
         "ends "
         "with a colon or has a colon and a blank within, such as \"lab:\""},
        {"could not find expected ':'", "expected a key, a colon and a value"},
        {"did not find expected key", "expected a key, indented as those before it"},
        {"did not find expected '-' indicator",
         "expected an item of the list, '- …', indented as those before it"},
        {"block sequence entries are not allowed in this context",
         "a list that begins within a line; expected its first '- …' on a line of its own"},
        {"did not find expected ',' or '}'", "expected ',' or '}' in the braces"},
        {"did not find expected ',' or ']'", "expected ',' or ']' in the brackets"},
        {"found unexpected end of stream", "the file ends within a quoted text"},
    };
    const yaml_parser_t *p = &r->parser;
    if (p->error == YAML_MEMORY_ERROR) {
        return SQ_ERR_NOMEM;
    }
    const char *said = p->problem ? p->problem : "it cannot be read";
    if (p->error == YAML_READER_ERROR) {
        return refuse(r, SQ_ERR_FORMAT, place_of_byte(r, p->problem_offset),
                      "a byte that is no text in UTF-8 (%s)", said);
    }
    struct sq_yaml_place at = place_of(p->problem_mark);
    if (byte_at(r, at) == '\t') {
        return refuse(r, SQ_ERR_FORMAT, at, "a tab: expected blanks, as YAML has no tabs here");
    }
    for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
        if (strcmp(said, known[i].said) == 0) {
            return refuse(r, SQ_ERR_FORMAT, at, "%s", known[i].words);
        }
    }
    return refuse(r, SQ_ERR_FORMAT, at, "this is no YAML: %s", said);
}

static int next(struct reader *r, yaml_event_t *ret_event)
{
    return yaml_parser_parse(&r->parser, ret_event) ? 0 : complain(r);
}

/* ---- The tree ---- */

static int new_node(struct reader *r, enum sq_yaml_kind kind, yaml_mark_t mark,
                    struct sq_yaml_node **ret_node)
{
    if (r->nodes == SQ_YAML_NODES_MAX) {
        return refuse(r, SQ_ERR_UNSUPPORTED, place_of(mark), "more than %d values in one file",
                      SQ_YAML_NODES_MAX);
    }
    struct sq_yaml_node *node = sq_zalloc(sizeof(*node));
    if (!node) {
        return SQ_ERR_NOMEM;
    }
    r->nodes++;
    node->kind = kind;
    node->at = place_of(mark);
    node->chain = r->yaml->all;
    r->yaml->all = node;
    *ret_node = node;
    return 0;
}

static int read_text(struct reader *r, const yaml_event_t *event, struct sq_yaml_node **ret_node)
{
    const char *value = (const char *)event->data.scalar.value;
    size_t len = event->data.scalar.length;
    size_t chars = 0;
    for (size_t i = 0; i < len; i++) {
        chars += !is_continuation(value[i]);
    }
    if (memchr(value, '\0', len)) {
        return refuse(r, SQ_ERR_FORMAT, place_of(event->start_mark),
                      "a text with a NUL character in it");
    }
    struct sq_yaml_node *node = NULL;
    int err = new_node(r, SQ_YAML_TEXT, event->start_mark, &node);
    if (!node) {
        return err;
    }
    node->text = sq_strndup(value, len);
    if (!node->text) {
        return SQ_ERR_NOMEM;
    }
    node->quoted = event->data.scalar.style != YAML_PLAIN_SCALAR_STYLE;
    size_t quotes = node->quoted ? 2 : 0;
    if (event->start_mark.line == event->end_mark.line &&
        event->end_mark.column - event->start_mark.column == chars + quotes) {
        node->text_column = node->at.column + (node->quoted ? 1 : 0);
    }
    *ret_node = node;
    return 0;
}

static int check_plain(struct reader *r, const yaml_event_t *event)
{
    const yaml_char_t *anchor = NULL;
    const yaml_char_t *tag = NULL;
    struct sq_yaml_place at = place_of(event->start_mark);
    switch (event->type) {
    case YAML_ALIAS_EVENT:
        return refuse(r, SQ_ERR_UNSUPPORTED, at,
                      "the alias *%.60s: anchors and aliases are not taken; write out what it "
                      "stands for",
                      (const char *)event->data.alias.anchor);
    case YAML_SCALAR_EVENT:
        anchor = event->data.scalar.anchor;
        tag = event->data.scalar.tag;
        break;
    case YAML_SEQUENCE_START_EVENT:
        anchor = event->data.sequence_start.anchor;
        tag = event->data.sequence_start.tag;
        break;
    case YAML_MAPPING_START_EVENT:
        anchor = event->data.mapping_start.anchor;
        tag = event->data.mapping_start.tag;
        break;
    default:
        break;
    }
    if (anchor) {
        return refuse(r, SQ_ERR_UNSUPPORTED, at,
                      "the anchor &%.60s: anchors and aliases are not taken; write out what is "
                      "meant",
                      (const char *)anchor);
    }
    return tag ? refuse(r, SQ_ERR_UNSUPPORTED, at,
                        "the tag %.60s: tags are not taken; leave it out, each key knows its type",
                        (const char *)tag)
               : 0;
}

static int read_node(struct reader *r, const yaml_event_t *event, unsigned depth,
                     struct sq_yaml_node **ret_node);

/* The next value; *ret_node is NULL where `end` comes instead. */
static int read_next(struct reader *r, yaml_event_type_t end, unsigned depth,
                     struct sq_yaml_node **ret_node)
{
    yaml_event_t event;
    int err = next(r, &event);
    if (err) {
        return err;
    }
    *ret_node = NULL;
    err = event.type == end ? 0 : read_node(r, &event, depth, ret_node);
    yaml_event_delete(&event);
    return err;
}

static int check_key(struct reader *r, const struct sq_yaml_node *map,
                     const struct sq_yaml_node *key)
{
    if (key->kind != SQ_YAML_TEXT) {
        return refuse(r, SQ_ERR_FORMAT, key->at, "%s as a key: expected a word",
                      sq_yaml_kind_name(key));
    }
    for (const struct sq_yaml_node *node = map->first; node; node = node->next) {
        if (strcmp(node->key->text, key->text) == 0) {
            return refuse(r, SQ_ERR_FORMAT, key->at,
                          "'%.100s' stands here twice: the first is in line %u", key->text,
                          node->key->at.line);
        }
    }
    return 0;
}

static int read_items(struct reader *r, struct sq_yaml_node *into, unsigned depth)
{
    bool map = into->kind == SQ_YAML_MAP;
    yaml_event_type_t end = map ? YAML_MAPPING_END_EVENT : YAML_SEQUENCE_END_EVENT;
    struct sq_yaml_node **tail = &into->first;
    for (;;) {
        struct sq_yaml_node *key = NULL;
        struct sq_yaml_node *node = NULL;
        int err = read_next(r, end, depth, map ? &key : &node);
        if (err || (!key && !node)) {
            return err;
        }
        if (map) {
            err = check_key(r, into, key);
            err = err ? err : read_next(r, end, depth, &node);
            if (err || !node) { /* a key always has a value: libyaml gives an empty one */
                return err;
            }
            node->key = key;
        }
        *tail = node;
        tail = &node->next;
    }
}

static int read_node(struct reader *r, const yaml_event_t *event, unsigned depth,
                     struct sq_yaml_node **ret_node)
{
    int err = check_plain(r, event);
    if (err) {
        return err;
    }
    if (event->type == YAML_SCALAR_EVENT) {
        return read_text(r, event, ret_node);
    }
    if (depth == SQ_YAML_DEPTH_MAX) {
        return refuse(r, SQ_ERR_UNSUPPORTED, place_of(event->start_mark),
                      "more than %d lists and maps within each other", SQ_YAML_DEPTH_MAX);
    }
    struct sq_yaml_node *node = NULL;
    err = new_node(r, event->type == YAML_MAPPING_START_EVENT ? SQ_YAML_MAP : SQ_YAML_LIST,
                   event->start_mark, &node);
    err = node ? read_items(r, node, depth + 1) : err;
    if (!err) {
        *ret_node = node;
    }
    return err;
}

static int read_stream(struct reader *r)
{
    unsigned documents = 0;
    for (;;) {
        yaml_event_t event;
        int err = next(r, &event);
        if (err) {
            return err;
        }
        yaml_event_type_t type = event.type;
        if (type == YAML_DOCUMENT_START_EVENT && documents++ > 0) {
            err = refuse(r, SQ_ERR_UNSUPPORTED, place_of(event.start_mark),
                         "a second document: expected one in a file");
        } else if (type != YAML_STREAM_START_EVENT && type != YAML_STREAM_END_EVENT &&
                   type != YAML_DOCUMENT_START_EVENT && type != YAML_DOCUMENT_END_EVENT) {
            err = read_node(r, &event, 0, &r->yaml->root);
        }
        yaml_event_delete(&event);
        if (err || type == YAML_STREAM_END_EVENT) {
            return err;
        }
    }
}

int sq_yaml_parse(const char *text, size_t len, struct sq_yaml *ret_yaml,
                  struct sq_yaml_error *ret_error)
{
    struct sq_yaml yaml = {0};
    if (len >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0) { /* some editors write one */
        text += 3;
        len -= 3;
    }
    struct reader r = {.text = text, .len = len, .yaml = &yaml, .error = ret_error};
    if (len > SQ_YAML_SIZE_MAX) {
        return refuse(&r, SQ_ERR_UNSUPPORTED, (struct sq_yaml_place){1, 1},
                      "the file has %zu bytes; expected at most %d", len, SQ_YAML_SIZE_MAX);
    }
    if (!yaml_parser_initialize(&r.parser)) {
        return SQ_ERR_NOMEM;
    }
    yaml_parser_set_input_string(&r.parser, (const unsigned char *)text, len);
    yaml_parser_set_encoding(&r.parser, YAML_UTF8_ENCODING);
    int err = read_stream(&r);
    yaml_parser_delete(&r.parser);
    if (err) {
        sq_yaml_free(&yaml);
        return err;
    }
    *ret_yaml = yaml;
    return 0;
}

void sq_yaml_free(struct sq_yaml *yaml)
{
    while (yaml->all) {
        struct sq_yaml_node *node = yaml->all;
        yaml->all = node->chain;
        sq_free(node->text);
        sq_free(node);
    }
    yaml->root = NULL;
}

const char *sq_yaml_kind_name(const struct sq_yaml_node *node)
{
    static const char *const names[] = {"a text", "a list", "a map"};
    return node->kind == SQ_YAML_TEXT && node->text[0] == '\0' ? "nothing" : names[node->kind];
}
