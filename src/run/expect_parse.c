#include "base/mem.h"
#include "base/str.h"
#include "run/expect_int.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct parser {
    struct sq_expect *e;
    const char *text;
    const char *at;
    int depth;
    int terms;
    int err;
    struct sq_expect_error *error; /* nullable */
};

/* The first error stands; `at` is where it is. Returns -1, an index that is no node. */
static int fail(struct parser *p, int err, const char *at, const char *fmt, ...) SQ_PRINTF(4, 5);

static int fail(struct parser *p, int err, const char *at, const char *fmt, ...)
{
    if (p->err) {
        return -1;
    }
    p->err = err;
    if (p->error) {
        char text[sizeof(p->error->message)];
        va_list args;
        va_start(args, fmt);
        vsnprintf(text, sizeof(text), fmt, args);
        va_end(args);
        SQ_RESULT_SET(p->error->message, text);
        p->error->column = 1;
        for (const char *c = p->text; c < at; c++) {
            p->error->column += ((unsigned char)*c & 0xc0) != 0x80; /* characters, not bytes */
        }
    }
    return -1;
}

static void skip_space(struct parser *p)
{
    while (isspace((unsigned char)*p->at)) {
        p->at++;
    }
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

static struct sq_view peek_word(struct parser *p)
{
    skip_space(p);
    size_t n = 0;
    while (is_word_char(p->at[n])) {
        n++;
    }
    return (struct sq_view){p->at, n};
}

/* Takes the word if it stands here. */
static bool accept_word(struct parser *p, const char *word)
{
    struct sq_view v = peek_word(p);
    if (!sq_view_is_nocase(v, word)) {
        return false;
    }
    p->at += v.len;
    return true;
}

/* What stands at `at`, for "found ...": a word or a character, or the end. */
static const char *found(const char *at, char out[static 48])
{
    size_t n = 0;
    while (n < 40 && is_word_char(at[n])) {
        n++;
    }
    if (*at == '\0') {
        snprintf(out, 48, "the end");
        return out;
    }
    if (n == 0) {
        n = 1;
        while (n < 4 && ((unsigned char)at[n] & 0xc0) == 0x80) {
            n++;
        }
    }
    snprintf(out, 48, "'%.*s'", (int)n, at);
    return out;
}

/* testRTC's names for what has another name here. */
static void translate(char *name, size_t size)
{
    static const char *const words[][2] = {{".packetloss", ".loss"}, {".roundtrip", ".rtt"}};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char *hit = strstr(name, words[i][0]);
        size_t old_len = strlen(words[i][0]);
        if (hit && (hit[old_len] == '\0' || hit[old_len] == '.')) {
            char rest[128];
            snprintf(rest, sizeof(rest), "%s", hit + old_len);
            snprintf(hit, size - (size_t)(hit - name), "%s%s", words[i][1], rest);
        }
    }
}

/* Names of the contract that are not measured yet. */
static bool is_future_metric(const char *name)
{
    static const char *const heads[] = {"sip.", "performance.", "connectionDuration"};
    static const char *const parts[] = {".track", ".channel", ".codec"};
    for (size_t i = 0; i < sizeof(heads) / sizeof(heads[0]); i++) {
        if (strncmp(name, heads[i], strlen(heads[i])) == 0) {
            return true;
        }
    }
    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
        if (strstr(name, parts[i])) {
            return true;
        }
    }
    return false;
}

/* Names of the table that begin with the first `len` characters of name, with commas. */
static void list_like(const char *name, size_t len, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const char *candidate = sq_metric_get((enum sq_metric_id)id)->name;
        if (strncmp(candidate, name, len) == 0 && n + strlen(candidate) + 3 < size) {
            n += (size_t)snprintf(out + n, size - n, "%s%s", n ? ", " : "", candidate);
        }
    }
}

/* What names begin with, up to the first dot, each once and with commas. */
static void list_heads(char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const char *name = sq_metric_get((enum sq_metric_id)id)->name;
        size_t len = strcspn(name, ".");
        bool known = false;
        for (int before = 0; before < id && !known; before++) {
            const char *other = sq_metric_get((enum sq_metric_id)before)->name;
            known = strcspn(other, ".") == len && strncmp(other, name, len) == 0;
        }
        if (!known && n + len + 3 < size) {
            n += (size_t)snprintf(out + n, size - n, "%s%.*s", n ? ", " : "", (int)len, name);
        }
    }
}

/* The longest part of it, up to a dot, that is a metric; 0: none. */
static size_t metric_part(const char *name)
{
    for (size_t len = strlen(name); len > 0; len--) {
        if (name[len] == '.' && sq_metric_find((struct sq_view){name, len}) >= 0) {
            return len;
        }
    }
    return 0;
}

/* Other metrics go on where this one ends: video.in.loss after video.in. */
static bool has_parts(const char *name, size_t len)
{
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const char *other = sq_metric_get((enum sq_metric_id)id)->name;
        if (strncmp(other, name, len) == 0 && other[len] == '.') {
            return true;
        }
    }
    return false;
}

/* What follows a whole metric is a wrong aggregate; what is near another one is that, misspelt. */
static int unknown_metric(struct parser *p, const char *at, const char *name)
{
    char list[200];
    const char *near = sq_metric_nearest(sq_view_of(name));
    if (is_future_metric(name)) {
        return fail(p, SQ_ERR_UNSUPPORTED, at, "%.60s is not measured by this version", name);
    }
    size_t len = metric_part(name);
    if (len > 0 && (!near || !has_parts(name, len) || strlen(near) == len)) {
        return fail(p, SQ_ERR_FORMAT, at + len + 1,
                    "'%.40s' is no aggregate of %.*s: expected avg, min, max, p1 to p99, "
                    "p99.9, stddev, count, rate or last",
                    name + len + 1, (int)len, name);
    }
    if (near) {
        return fail(p, SQ_ERR_FORMAT, at, "no metric is called '%.60s'; did you mean %s?", name,
                    near);
    }
    const char *dot = strchr(name, '.');
    list_like(name, dot ? (size_t)(dot - name) + 1 : strlen(name), list, sizeof(list));
    if (list[0]) {
        return fail(p, SQ_ERR_FORMAT, at, "no metric is called '%.60s'; there are %s", name, list);
    }
    list_heads(list, sizeof(list));
    return fail(p, SQ_ERR_FORMAT, at,
                "no metric is called '%.60s'; expected one that begins with one of %s", name, list);
}

static int parse_metric(struct parser *p, struct sq_expect_node *node)
{
    char shown[48];
    char name[96];
    struct sq_view word = peek_word(p);
    node->at = (size_t)(p->at - p->text);
    if (word.len == 0 || !isalpha((unsigned char)word.at[0])) {
        return fail(p, SQ_ERR_FORMAT, p->at,
                    "expected a metric, for example video.in.bitrate; found %s",
                    found(p->at, shown));
    }
    snprintf(name, sizeof(name), "%.*s", (int)(word.len < 80 ? word.len : 80), word.at);
    translate(name, sizeof(name));
    if (sq_metric_parse(sq_view_of(name), &node->metric, &node->agg) != 0) {
        return unknown_metric(p, word.at, name);
    }
    const char *metric = sq_metric_get(node->metric)->name;
    node->has_agg = strlen(name) > strlen(metric);
    if (node->has_agg &&
        (sq_expect_counts_peers(node->metric) || node->metric == SQ_METRIC_GENERATOR_DROPS)) {
        return fail(p, SQ_ERR_FORMAT, word.at + strlen(metric) + 1,
                    "%s is one number, counted over the run: it takes no aggregate", metric);
    }
    SQ_RESULT_SET(node->agg_text, node->has_agg ? name + strlen(metric) + 1 : "");
    p->at += word.len;
    return 0;
}

static int parse_op(struct parser *p, struct sq_expect_node *node)
{
    static const struct {
        const char *text;
        enum sq_expect_op op;
    } ops[] = {
        {"==", SQ_OP_EQUAL},         {"!=", SQ_OP_UNEQUAL}, {"<=", SQ_OP_LESS_EQUAL},
        {">=", SQ_OP_GREATER_EQUAL}, {"<", SQ_OP_LESS},     {">", SQ_OP_GREATER},
    };
    char shown[48];
    skip_space(p);
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (strncmp(p->at, ops[i].text, strlen(ops[i].text)) == 0) {
            node->op = ops[i].op;
            p->at += strlen(ops[i].text);
            return 0;
        }
    }
    return fail(p, SQ_ERR_FORMAT, p->at, "expected == != < <= > or >=; found %s%s",
                found(p->at, shown), *p->at == '=' ? " (equal is written ==)" : "");
}

/* A plain decimal number: strtod alone would take 0x10, inf and nan. */
static int parse_number(struct parser *p, double *ret_number)
{
    char shown[48];
    char digits[40];
    skip_space(p);
    size_t n = *p->at == '-' || *p->at == '+';
    size_t any = 0;
    while (isdigit((unsigned char)p->at[n]) || p->at[n] == '.') {
        any += p->at[n] != '.';
        n++;
    }
    if (any == 0) {
        return fail(p, SQ_ERR_FORMAT, p->at, "expected a number; found %s", found(p->at, shown));
    }
    if (n >= sizeof(digits)) {
        return fail(p, SQ_ERR_FORMAT, p->at, "this number is too long");
    }
    memcpy(digits, p->at, n);
    digits[n] = '\0';
    char *end = NULL;
    double number = strtod(digits, &end);
    if (*end != '\0') {
        return fail(p, SQ_ERR_FORMAT, p->at, "expected a number; found '%s'", digits);
    }
    p->at += n;
    *ret_number = number;
    return 0;
}

static const struct {
    const char *text;
    enum sq_metric_unit unit;
    double factor;
} units[] = {
    {"%", SQ_UNIT_PERCENT, 1},     {"ms", SQ_UNIT_MS, 1},          {"s", SQ_UNIT_MS, 1000},
    {"k", SQ_UNIT_KBPS, 1},        {"kbit/s", SQ_UNIT_KBPS, 1},    {"kbps", SQ_UNIT_KBPS, 1},
    {"M", SQ_UNIT_KBPS, 1000},     {"Mbit/s", SQ_UNIT_KBPS, 1000}, {"Mbps", SQ_UNIT_KBPS, 1000},
    {"bit/s", SQ_UNIT_KBPS, 1e-3}, {"fps", SQ_UNIT_FPS, 1},        {"frames/s", SQ_UNIT_FPS, 1},
    {"px", SQ_UNIT_PIXELS, 1},     {"points", SQ_UNIT_POINTS, 1},  {"MOS", SQ_UNIT_MOS, 1},
};

static bool is_keyword(struct sq_view v)
{
    static const char *const words[] = {"and", "or", "for", "else", "between"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (sq_view_is_nocase(v, words[i])) {
            return true;
        }
    }
    return false;
}

static int parse_unit(struct parser *p, struct sq_expect_node *node)
{
    const struct sq_metric *metric = sq_metric_get(node->metric);
    bool plain = node->has_agg && (node->agg.kind == SQ_AGG_COUNT || node->agg.kind == SQ_AGG_RATE);
    skip_space(p);
    size_t n = 0;
    while (isalpha((unsigned char)p->at[n]) || p->at[n] == '/' || p->at[n] == '%') {
        n++;
    }
    struct sq_view word = {p->at, n};
    if (n == 0 || is_keyword(word)) {
        return 0;
    }
    for (size_t i = 0; i < sizeof(units) / sizeof(units[0]); i++) {
        if (!sq_view_is(word, units[i].text)) {
            continue;
        }
        if (units[i].unit == SQ_UNIT_PERCENT && sq_expect_counts_peers(node->metric) && !plain) {
            node->share = true;
        } else if (units[i].unit != metric->unit || plain) {
            const char *own = plain ? "" : sq_metric_unit_text(metric->unit);
            return fail(p, SQ_ERR_FORMAT, p->at, "the unit %s does not fit %s%s%s, which is %s%s",
                        units[i].text, metric->name, node->has_agg ? "." : "", node->agg_text,
                        own[0] ? "in " : "a bare number", own);
        }
        node->number *= units[i].factor;
        p->at += n;
        return 0;
    }
    return fail(p, SQ_ERR_FORMAT, p->at,
                "'%.*s' is no unit: expected %%, ms, s, kbit/s, k, M, fps or px, or 'and', 'or', "
                "'for N%% of peers', 'else warn'",
                (int)(n < 40 ? n : 40), p->at);
}

static int add_node(struct parser *p, const struct sq_expect_node *node)
{
    if (p->e->node_count >= SQ_EXPECT_NODES_MAX) {
        return fail(p, SQ_ERR_FORMAT, p->at, "more than %d terms", SQ_EXPECT_TERMS_MAX);
    }
    p->e->nodes[p->e->node_count] = *node;
    return p->e->node_count++;
}

static int parse_term(struct parser *p)
{
    struct sq_expect_node node = {.kind = SQ_EXPECT_TERM, .left = -1, .right = -1};
    if (parse_metric(p, &node) != 0 || parse_op(p, &node) != 0 ||
        parse_number(p, &node.number) != 0 || parse_unit(p, &node) != 0) {
        return -1;
    }
    if (++p->terms > SQ_EXPECT_TERMS_MAX) {
        return fail(p, SQ_ERR_FORMAT, p->text + node.at, "more than %d terms", SQ_EXPECT_TERMS_MAX);
    }
    return add_node(p, &node);
}

static int parse_or(struct parser *p);

static int parse_primary(struct parser *p)
{
    char shown[48];
    skip_space(p);
    if (*p->at != '(') {
        return parse_term(p);
    }
    if (++p->depth > SQ_EXPECT_DEPTH_MAX) {
        return fail(p, SQ_ERR_FORMAT, p->at, "more than %d brackets", SQ_EXPECT_DEPTH_MAX);
    }
    p->at++;
    int node = parse_or(p);
    skip_space(p);
    if (node >= 0 && *p->at != ')') {
        return fail(p, SQ_ERR_FORMAT, p->at, "expected ')'; found %s", found(p->at, shown));
    }
    p->at += node >= 0;
    p->depth--;
    return node;
}

/* A chain of one operator, to the left. */
static int parse_chain(struct parser *p, enum sq_expect_kind kind, const char *word,
                       int (*parse_part)(struct parser *))
{
    int left = parse_part(p);
    while (left >= 0 && accept_word(p, word)) {
        int right = parse_part(p);
        if (right < 0) {
            return -1;
        }
        struct sq_expect_node node = {.kind = kind, .left = left, .right = right};
        left = add_node(p, &node);
    }
    return left;
}

static int parse_and(struct parser *p)
{
    return parse_chain(p, SQ_EXPECT_AND, "and", parse_primary);
}

static int parse_or(struct parser *p)
{
    return parse_chain(p, SQ_EXPECT_OR, "or", parse_and);
}

/* Each term must be something that a single peer has. */
static int check_by_peer(struct parser *p)
{
    for (int i = 0; i < p->e->node_count; i++) {
        const struct sq_expect_node *node = &p->e->nodes[i];
        if (node->kind != SQ_EXPECT_TERM) {
            continue;
        }
        const char *at = p->text + node->at;
        if (!sq_expect_has_peer_value(node->metric)) {
            return fail(p, SQ_ERR_FORMAT, at,
                        "%s is one figure of the whole run: it cannot be asked 'for N%% of peers'",
                        sq_metric_get(node->metric)->name);
        }
        if (node->has_agg && node->agg.kind != SQ_AGG_AVG) {
            return fail(p, SQ_ERR_UNSUPPORTED, at,
                        "'for N%% of peers' judges each peer by its own average; .%s of one peer "
                        "is not kept",
                        node->agg_text);
        }
    }
    return 0;
}

static int parse_share(struct parser *p)
{
    char shown[48];
    if (!accept_word(p, "for")) {
        return 0;
    }
    skip_space(p);
    const char *at = p->at;
    if (parse_number(p, &p->e->peers_percent) != 0) {
        return -1;
    }
    if (p->e->peers_percent <= 0 || p->e->peers_percent > 100) {
        return fail(p, SQ_ERR_FORMAT, at, "expected a share above 0 %% and up to 100 %%");
    }
    skip_space(p);
    if (*p->at != '%') {
        return fail(p, SQ_ERR_FORMAT, p->at, "expected '%%', as in 'for 95%% of peers'; found %s",
                    found(p->at, shown));
    }
    p->at++;
    if (!accept_word(p, "of") || !accept_word(p, "peers")) {
        return fail(p, SQ_ERR_FORMAT, p->at, "expected 'of peers'; found %s", found(p->at, shown));
    }
    p->e->by_peer = true;
    return check_by_peer(p);
}

static int parse_tail(struct parser *p)
{
    char shown[48];
    if (parse_share(p) != 0) {
        return -1;
    }
    skip_space(p);
    const char *at = p->at;
    if (accept_word(p, "between")) {
        return fail(p, SQ_ERR_UNSUPPORTED, at, "'between EVENT and EVENT' is not supported yet");
    }
    if (accept_word(p, "else")) {
        if (accept_word(p, "warn") || accept_word(p, "warning")) {
            p->e->level = SQ_LEVEL_WARN;
        } else if (!accept_word(p, "error")) {
            return fail(p, SQ_ERR_FORMAT, p->at, "expected 'warn' or 'error'; found %s",
                        found(p->at, shown));
        }
    }
    skip_space(p);
    if (*p->at) {
        return fail(p, SQ_ERR_FORMAT, p->at,
                    "expected 'and', 'or', 'for N%% of peers', 'else warn' or the end; found %s",
                    found(p->at, shown));
    }
    return 0;
}

int sq_expect_parse(const char *text, struct sq_expect **ret_expect,
                    struct sq_expect_error *ret_error)
{
    struct sq_expect *e = sq_zalloc(sizeof(*e));
    if (!e) {
        return SQ_ERR_NOMEM;
    }
    e->text = sq_strdup(text);
    if (!e->text) {
        sq_expect_destroy(e);
        return SQ_ERR_NOMEM;
    }
    struct parser p = {.e = e, .text = text, .at = text, .error = ret_error};
    if (strlen(text) > SQ_EXPECT_TEXT_MAX) {
        fail(&p, SQ_ERR_FORMAT, text, "longer than %d characters", SQ_EXPECT_TEXT_MAX);
        goto out;
    }
    e->root = parse_or(&p);
    if (e->root >= 0) {
        (void)parse_tail(&p);
    }
out:
    if (p.err) {
        sq_expect_destroy(e);
        return p.err;
    }
    *ret_expect = e;
    return 0;
}

void sq_expect_destroy(struct sq_expect *e)
{
    if (e) {
        sq_free(e->text);
        sq_free(e);
    }
}

const char *sq_expect_text(const struct sq_expect *e)
{
    return e->text;
}

bool sq_expect_names_any(const struct sq_expect *e, const char *prefix)
{
    for (int i = 0; i < e->node_count; i++) {
        if (e->nodes[i].kind == SQ_EXPECT_TERM &&
            strncmp(sq_metric_get(e->nodes[i].metric)->name, prefix, strlen(prefix)) == 0) {
            return true;
        }
    }
    return false;
}

bool sq_expect_names(const struct sq_expect *e, const char *metric)
{
    for (int i = 0; i < e->node_count; i++) {
        if (e->nodes[i].kind == SQ_EXPECT_TERM &&
            strcmp(sq_metric_get(e->nodes[i].metric)->name, metric) == 0) {
            return true;
        }
    }
    return false;
}

const char *sq_expect_op_text(enum sq_expect_op op)
{
    static const char *const names[] = {"==", "!=", "<", "<=", ">", ">="};
    return names[op];
}
