#include "base/mem.h"
#include "run/expect_parse_int.h"
#include "run/slice.h"
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int sq_expect_fail(struct sq_expect_parser *p, int err, const char *at, const char *fmt, ...)
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
        p->error->column = sq_expect_column(p->text, at);
    }
    return -1;
}

size_t sq_expect_column(const char *text, const char *at)
{
    size_t column = 1;
    for (const char *c = text; c < at; c++) {
        column += ((unsigned char)*c & 0xc0) != 0x80; /* characters, not bytes */
    }
    return column;
}

void sq_expect_skip_space(struct sq_expect_parser *p)
{
    while (isspace((unsigned char)*p->at)) {
        p->at++;
    }
}

static bool is_word_char(char c)
{
    return isalnum((unsigned char)c) || c == '.' || c == '_' || c == '-';
}

struct sq_view sq_expect_peek_word(struct sq_expect_parser *p)
{
    sq_expect_skip_space(p);
    size_t n = 0;
    while (is_word_char(p->at[n])) {
        n++;
    }
    return (struct sq_view){p->at, n};
}

/* Takes the word if it stands here. */
bool sq_expect_accept(struct sq_expect_parser *p, const char *word)
{
    struct sq_view v = sq_expect_peek_word(p);
    if (!sq_view_is_nocase(v, word)) {
        return false;
    }
    p->at += v.len;
    return true;
}

/* What stands at `at`, for "found ...": a word or a character, or the end. */
const char *sq_expect_found(const char *at, char out[static 48])
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

/* testRTC's word for a track. True where it stood there; it is cut out. */
static bool cut_track(char *name)
{
    static const char *const words[] = {".track.", ".channel."};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        char *hit = strstr(name, words[i]);
        if (hit) {
            const char *rest = hit + strlen(words[i]) - 1;
            memmove(hit, rest, strlen(rest) + 1);
            return true;
        }
    }
    return false;
}

/* The name that stands here, and how many characters of the text are that: k6's p(95) is p95. */
static size_t read_name(struct sq_expect_parser *p, char name[static 96])
{
    struct sq_view word = sq_expect_peek_word(p);
    size_t digits = 0;
    snprintf(name, 96, "%.*s", (int)(word.len < 80 ? word.len : 80), word.at);
    if (word.len < 2 || word.len > 80 || memcmp(word.at + word.len - 2, ".p", 2) != 0 ||
        word.at[word.len] != '(') {
        return word.len;
    }
    const char *inner = word.at + word.len + 1;
    while (isdigit((unsigned char)inner[digits]) || inner[digits] == '.') {
        digits++;
    }
    if (digits == 0 || digits > 8 || inner[digits] != ')') {
        return word.len;
    }
    snprintf(name + word.len, 96 - word.len, "%.*s", (int)digits, inner);
    return word.len + digits + 2;
}

/* A sum of them says something. */
static bool has_total(enum sq_metric_id id)
{
    return sq_slice_is_total(id) && sq_metric_get(id)->unit != SQ_UNIT_PERCENT;
}

static int check_aggregate(struct sq_expect_parser *p, const struct sq_expect_node *node,
                           const char *at)
{
    const char *metric = sq_metric_get(node->metric)->name;
    at += strlen(metric) + 1;
    if (sq_expect_counts_peers(node->metric) || node->metric == SQ_METRIC_GENERATOR_DROPS) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "%s is one number, counted over the run: it takes no aggregate",
                              metric);
    }
    if (node->agg.kind == SQ_AGG_TOTAL && !has_total(node->metric)) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "a sum of %s says nothing: .total is of what is counted, such as "
                              "video.in.freezes",
                              metric);
    }
    return 0;
}

static int check_track(struct sq_expect_parser *p, struct sq_expect_node *node, const char *at)
{
    enum sq_metric_sampling sampling = sq_metric_get(node->metric)->sampling;
    const char *metric = sq_metric_get(node->metric)->name;
    bool flow = strncmp(metric, "audio.", 6) == 0 || strncmp(metric, "video.", 6) == 0;
    if (flow && (sampling == SQ_SAMPLING_TRACK_SECOND || sampling == SQ_SAMPLING_FRAME)) {
        node->track = false; /* it is of each track as it is */
    } else if (!flow || !strstr(metric, ".bitrate")) {
        return sq_expect_fail(p, SQ_ERR_UNSUPPORTED, at,
                              "%s of each track is not kept: .track is of bitrate, and of what is "
                              "sampled each second of each track, such as jitter and fps; %s",
                              metric,
                              flow ? "leave it out, and 'for 95% of peers' judges each peer by all "
                                     "its tracks; --dump N has the counters of each"
                                   : "leave it out");
    }
    return 0;
}

/* timer.NAME[.AGG], counter.NAME[.AGG]; false: it is another metric. Whether the name is one that
 * steps have is for sq_expect_check. */
static bool is_own(const char *name, enum sq_metric_id *ret_id, size_t *ret_head)
{
    bool timer = strncmp(name, "timer.", 6) == 0;
    bool counter = strncmp(name, "counter.", 8) == 0;
    *ret_id = timer ? SQ_METRIC_OWN_TIMER : SQ_METRIC_OWN_COUNTER;
    *ret_head = timer ? 6 : 8;
    return timer || counter;
}

static int parse_own(struct sq_expect_parser *p, struct sq_expect_node *node, const char *name,
                     size_t head, const char *at)
{
    size_t len = strcspn(name + head, ".");
    const char *agg = name[head + len] ? name + head + len + 1 : NULL;
    if (len == 0 || len > SQ_OWN_NAME_MAX) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at + head,
                              "expected the name of a %.*s of the steps, 1 to %d letters, digits "
                              "and '_'",
                              (int)head - 1, name, SQ_OWN_NAME_MAX);
    }
    memcpy(node->own, name + head, len);
    node->own[len] = '\0';
    bool counter = node->metric == SQ_METRIC_OWN_COUNTER;
    node->agg = (struct sq_agg){counter ? SQ_AGG_TOTAL : SQ_AGG_AVG, 0};
    node->has_agg = agg != NULL;
    if (agg && sq_agg_parse(sq_view_of(agg), &node->agg) != 0) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at + head + len + 1,
                              "'%.40s' is no aggregate of %.*s: expected avg, min, max, p1 to p99, "
                              "p99.9, stddev, rstddev, count, total, rate or last",
                              agg, (int)(head + len), name);
    }
    if (!counter && node->agg.kind >= SQ_AGG_RATE && node->agg.kind != SQ_AGG_LAST &&
        node->agg.kind != SQ_AGG_RSTDDEV) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at + head + len + 1,
                              "a sum of times says nothing: .%.20s is of counters", agg);
    }
    SQ_RESULT_SET(node->agg_text, agg ? agg : "");
    return 0;
}

static int parse_metric(struct sq_expect_parser *p, struct sq_expect_node *node)
{
    char shown[48];
    char name[96];
    struct sq_view word = sq_expect_peek_word(p);
    node->at = (size_t)(p->at - p->text);
    if (word.len == 0 || !isalpha((unsigned char)word.at[0])) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at,
                              "expected a metric, for example video.in.bitrate; found %s",
                              sq_expect_found(p->at, shown));
    }
    if (word.at[word.len] == '/' && (sq_view_is(word, "webrtc") || sq_view_is(word, "mos"))) {
        return sq_expect_loadero_path(p, word.at);
    }
    size_t len = read_name(p, name);
    size_t head;
    if (is_own(name, &node->metric, &head)) {
        const char *at = word.at;
        p->at += len;
        return parse_own(p, node, name, head, at);
    }
    translate(name, sizeof(name));
    node->track = cut_track(name);
    if (sq_metric_parse(sq_view_of(name), &node->metric, &node->agg) != 0) {
        return sq_expect_unknown_metric(p, word.at, name);
    }
    const char *metric = sq_metric_get(node->metric)->name;
    node->has_agg = strlen(name) > strlen(metric);
    if ((node->has_agg && check_aggregate(p, node, word.at) != 0) ||
        (node->track && check_track(p, node, word.at) != 0)) {
        return -1;
    }
    SQ_RESULT_SET(node->agg_text, node->has_agg ? name + strlen(metric) + 1 : "");
    p->at += len;
    return 0;
}

static int parse_op(struct sq_expect_parser *p, struct sq_expect_node *node)
{
    static const struct {
        const char *text;
        enum sq_expect_op op;
    } ops[] = {
        {"==", SQ_OP_EQUAL},         {"!=", SQ_OP_UNEQUAL}, {"<=", SQ_OP_LESS_EQUAL},
        {">=", SQ_OP_GREATER_EQUAL}, {"<", SQ_OP_LESS},     {">", SQ_OP_GREATER},
    };
    char shown[48];
    sq_expect_skip_space(p);
    for (size_t i = 0; i < sizeof(ops) / sizeof(ops[0]); i++) {
        if (strncmp(p->at, ops[i].text, strlen(ops[i].text)) == 0) {
            node->op = ops[i].op;
            p->at += strlen(ops[i].text);
            return 0;
        }
    }
    return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "expected == != < <= > or >=; found %s%s",
                          sq_expect_found(p->at, shown),
                          *p->at == '=' ? " (equal is written ==)" : "");
}

/* A plain decimal number: strtod alone would take 0x10, inf and nan. */
int sq_expect_parse_number(struct sq_expect_parser *p, double *ret_number)
{
    char shown[48];
    char digits[40];
    sq_expect_skip_space(p);
    size_t n = *p->at == '-' || *p->at == '+';
    size_t any = 0;
    while (isdigit((unsigned char)p->at[n]) || p->at[n] == '.') {
        any += p->at[n] != '.';
        n++;
    }
    if (any == 0) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "expected a number; found %s",
                              sq_expect_found(p->at, shown));
    }
    if (n >= sizeof(digits)) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "this number is too long");
    }
    memcpy(digits, p->at, n);
    digits[n] = '\0';
    char *end = NULL;
    double number = strtod(digits, &end);
    if (*end != '\0') {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "expected a number; found '%s'", digits);
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
    static const char *const words[] = {"and", "or", "for", "else", "between", "where"};
    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++) {
        if (sq_view_is_nocase(v, words[i])) {
            return true;
        }
    }
    return false;
}

static int parse_unit(struct sq_expect_parser *p, struct sq_expect_node *node)
{
    const struct sq_metric *metric = sq_metric_get(node->metric);
    enum sq_metric_unit unit = sq_expect_unit(node);
    bool plain = node->has_agg && (node->agg.kind == SQ_AGG_COUNT || node->agg.kind == SQ_AGG_RATE);
    sq_expect_skip_space(p);
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
            if (node->number < 0 || node->number > 100) {
                return sq_expect_fail(p, SQ_ERR_FORMAT, p->at,
                                      "%s is a share of the peers: expected 0 to 100 %%, found "
                                      "%.6g %%",
                                      metric->name, node->number);
            }
            node->share = true;
        } else if (units[i].unit != unit || plain) {
            const char *own = plain ? "" : sq_metric_unit_text(unit);
            return sq_expect_fail(p, SQ_ERR_FORMAT, p->at,
                                  "the unit %s does not fit %s%s%s, which is %s%s", units[i].text,
                                  node->timed ? "time()" : metric->name, node->has_agg ? "." : "",
                                  node->agg_text, own[0] ? "in " : "a bare number", own);
        }
        node->number *= units[i].factor;
        p->at += n;
        return 0;
    }
    return sq_expect_fail(
        p, SQ_ERR_FORMAT, p->at,
        "'%.*s' is no unit: expected %%, ms, s, kbit/s, k, M, fps or px, or 'and', 'or', "
        "'for N%% of peers', 'where', 'between', 'else warn'",
        (int)(n < 40 ? n : 40), p->at);
}

/* OP NUMBER [UNIT] */
static int parse_comparison(struct sq_expect_parser *p, struct sq_expect_node *node)
{
    if (parse_op(p, node) != 0) {
        return -1;
    }
    sq_expect_skip_space(p);
    const char *at = p->at;
    if (sq_expect_parse_number(p, &node->number) != 0 || parse_unit(p, node) != 0) {
        return -1;
    }
    return sq_expect_check_range(p, node, at);
}

/* ---- time(METRIC OP NUMBER [UNIT])[.AGG] ---- */

static int parse_time_agg(struct sq_expect_parser *p, struct sq_expect_node *node)
{
    char name[96];
    node->agg = (struct sq_agg){SQ_AGG_AVG, 0};
    if (*p->at != '.') {
        return 0;
    }
    size_t len = read_name(p, name);
    int err = sq_agg_parse(sq_view_of(name + 1), &node->agg);
    if (err || node->agg.kind >= SQ_AGG_RATE) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at + 1,
                              "'%.40s' is no aggregate of time(): expected avg, min, max, p1 to "
                              "p99, p99.9, stddev or count",
                              name + 1);
    }
    node->has_agg = true;
    SQ_RESULT_SET(node->agg_text, name + 1);
    p->at += len;
    return 0;
}

static int parse_time(struct sq_expect_parser *p, struct sq_expect_node *node)
{
    char shown[48];
    struct sq_expect_node inner = {.kind = SQ_EXPECT_TERM};
    node->at = (size_t)(p->at - p->text);
    p->at = strchr(p->at, '(') + 1;
    if (parse_metric(p, &inner) != 0) {
        return -1;
    }
    const char *at = p->text + inner.at;
    if (inner.has_agg) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at + strlen(sq_metric_get(inner.metric)->name) + 1,
                              "time() looks at each second by itself: it takes no aggregate in "
                              "there; expected == != < <= > or >=");
    }
    if (!sq_slice_has_seconds(inner.metric)) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "%s is not measured each second of a peer: expected a metric such as "
                              "video.in.bitrate or video.in.fps",
                              sq_metric_get(inner.metric)->name);
    }
    if (parse_comparison(p, &inner) != 0) {
        return -1;
    }
    sq_expect_skip_space(p);
    if (*p->at != ')') {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "expected ')'; found %s",
                              sq_expect_found(p->at, shown));
    }
    p->at++;
    node->timed = true;
    node->metric = inner.metric;
    memcpy(node->own, inner.own, sizeof(node->own));
    node->track = inner.track;
    node->time_op = inner.op;
    node->time_number = inner.number;
    return parse_time_agg(p, node);
}

static bool is_time(struct sq_expect_parser *p)
{
    struct sq_view word = sq_expect_peek_word(p);
    const char *after = word.at + word.len;
    while (isspace((unsigned char)*after)) {
        after++;
    }
    return sq_view_is(word, "time") && *after == '(';
}

static int add_node(struct sq_expect_parser *p, const struct sq_expect_node *node)
{
    if (p->e->node_count >= SQ_EXPECT_NODES_MAX) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "more than %d terms", SQ_EXPECT_TERMS_MAX);
    }
    p->e->nodes[p->e->node_count] = *node;
    return p->e->node_count++;
}

static int parse_term(struct sq_expect_parser *p)
{
    struct sq_expect_node node = {.kind = SQ_EXPECT_TERM, .left = -1, .right = -1};
    int err = is_time(p) ? parse_time(p, &node) : parse_metric(p, &node);
    if (err != 0 || parse_comparison(p, &node) != 0) {
        return -1;
    }
    if (++p->terms > SQ_EXPECT_TERMS_MAX) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->text + node.at, "more than %d terms",
                              SQ_EXPECT_TERMS_MAX);
    }
    return add_node(p, &node);
}

static int parse_or(struct sq_expect_parser *p);

static int parse_primary(struct sq_expect_parser *p)
{
    char shown[48];
    sq_expect_skip_space(p);
    if (*p->at != '(') {
        return parse_term(p);
    }
    if (++p->depth > SQ_EXPECT_DEPTH_MAX) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "more than %d brackets",
                              SQ_EXPECT_DEPTH_MAX);
    }
    p->at++;
    int node = parse_or(p);
    sq_expect_skip_space(p);
    if (node >= 0 && *p->at != ')') {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "expected ')'; found %s",
                              sq_expect_found(p->at, shown));
    }
    p->at += node >= 0;
    p->depth--;
    return node;
}

/* A chain of one operator, to the left. */
static int parse_chain(struct sq_expect_parser *p, enum sq_expect_kind kind, const char *word,
                       int (*parse_part)(struct sq_expect_parser *))
{
    int left = parse_part(p);
    while (left >= 0 && sq_expect_accept(p, word)) {
        int right = parse_part(p);
        if (right < 0) {
            return -1;
        }
        struct sq_expect_node node = {.kind = kind, .left = left, .right = right};
        left = add_node(p, &node);
    }
    return left;
}

static int parse_and(struct sq_expect_parser *p)
{
    return parse_chain(p, SQ_EXPECT_AND, "and", parse_primary);
}

static int parse_or(struct sq_expect_parser *p)
{
    return parse_chain(p, SQ_EXPECT_OR, "or", parse_and);
}

static int parse(const char *text, bool abort, struct sq_expect **ret_expect,
                 struct sq_expect_error *ret_error)
{
    struct sq_expect *e = sq_zalloc(sizeof(*e));
    if (!e) {
        return SQ_ERR_NOMEM;
    }
    e->abort = abort;
    e->abort_after_ns = abort ? SQ_EXPECT_ABORT_AFTER_NS : 0;
    e->text = sq_strdup(text);
    if (!e->text) {
        sq_expect_destroy(e);
        return SQ_ERR_NOMEM;
    }
    struct sq_expect_parser p = {.e = e, .text = text, .at = text, .error = ret_error};
    if (strlen(text) > SQ_EXPECT_TEXT_MAX) {
        sq_expect_fail(&p, SQ_ERR_FORMAT, text, "longer than %d characters", SQ_EXPECT_TEXT_MAX);
        goto out;
    }
    e->root = parse_or(&p);
    if (e->root >= 0) {
        (void)sq_expect_parse_tail(&p);
    }
out:
    if (p.err) {
        sq_expect_destroy(e);
        return p.err;
    }
    *ret_expect = e;
    return 0;
}

int sq_expect_parse(const char *text, struct sq_expect **ret_expect,
                    struct sq_expect_error *ret_error)
{
    return parse(text, false, ret_expect, ret_error);
}

int sq_expect_parse_abort(const char *text, struct sq_expect **ret_expect,
                          struct sq_expect_error *ret_error)
{
    return parse(text, true, ret_expect, ret_error);
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

bool sq_expect_about_peers(const struct sq_expect *e)
{
    return e->where.n == 0 &&
           (sq_expect_names(e, "peers.ok") || sq_expect_names(e, "peers.failed"));
}

const char *sq_expect_op_text(enum sq_expect_op op)
{
    static const char *const names[] = {"==", "!=", "<", "<=", ">", ">="};
    return names[op];
}
