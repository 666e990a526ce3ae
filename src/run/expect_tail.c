/* What follows the terms of an expectation, in any order:
 *   "for" N "%" "of" "peers" | "where" COND { "and" COND } | "between" EVENT "and" EVENT
 *   | "else" ("warn" | "error") | "@" DELAY */
#include "run/expect_parse_int.h"
#include "run/slice.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define DELAY_MAX_CHARS 31

/* ---- for N% of peers ---- */

static int parse_share(struct sq_expect_parser *p)
{
    char shown[48];
    sq_expect_skip_space(p);
    const char *at = p->at;
    if (sq_expect_parse_number(p, &p->e->peers_percent) != 0) {
        return -1;
    }
    if (p->e->peers_percent <= 0 || p->e->peers_percent > 100) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at, "expected a share above 0 %% and up to 100 %%");
    }
    sq_expect_skip_space(p);
    if (*p->at != '%') {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at,
                              "expected '%%', as in 'for 95%% of peers'; found %s",
                              sq_expect_found(p->at, shown));
    }
    p->at++;
    if (!sq_expect_accept(p, "of") || !sq_expect_accept(p, "peers")) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "expected 'of peers'; found %s",
                              sq_expect_found(p->at, shown));
    }
    p->e->by_peer = true;
    return 0;
}

/* ---- where ---- */

static const char *const fields[] = {"group", "room", "network", "target"};

/* A word, or a text between quotes of one kind. */
static int parse_name(struct sq_expect_parser *p, char out[static SQ_WHERE_TEXT_MAX + 1])
{
    sq_expect_skip_space(p);
    const char *begin = p->at;
    size_t n = 0;
    if (*begin == '\'' || *begin == '"') {
        const char *end = strchr(begin + 1, *begin);
        if (!end) {
            return sq_expect_fail(p, SQ_ERR_FORMAT, begin, "the quote is not closed");
        }
        n = (size_t)(end - ++begin);
        p->at = end + 1;
    } else {
        while (isalnum((unsigned char)begin[n]) || (begin[n] && strchr("._-:/", begin[n])) ||
               (begin[n] & 0x80)) {
            n++;
        }
        p->at += n;
    }
    if (n == 0 || n > SQ_WHERE_TEXT_MAX) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, begin,
                              n ? "longer than %d bytes: no name is"
                                : "expected a name, between quotes if it has blanks",
                              SQ_WHERE_TEXT_MAX);
    }
    memcpy(out, begin, n);
    out[n] = '\0';
    return 0;
}

static int parse_condition(struct sq_expect_parser *p)
{
    char shown[48];
    struct sq_where *where = &p->e->where;
    struct sq_view word = sq_expect_peek_word(p);
    size_t field = 0;
    while (field < 4 && !sq_view_is_nocase(word, fields[field])) {
        field++;
    }
    if (field == 4) {
        const char *near = sq_expect_nearest(word, fields, 4);
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at,
                              "expected group, room, network or target; found %s%s%s%s",
                              sq_expect_found(p->at, shown), near ? "; did you mean " : "",
                              near ? near : "", near ? "?" : "");
    }
    if (where->n == SQ_WHERE_MAX) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "more than %d conditions", SQ_WHERE_MAX);
    }
    struct sq_where_term *term = &where->terms[where->n];
    term->field = (enum sq_where_field)field;
    p->at += word.len;
    if (!sq_expect_accept(p, "is")) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "expected 'is' or 'is not'; found %s",
                              sq_expect_found(p->at, shown));
    }
    term->is_not = sq_expect_accept(p, "not");
    sq_expect_skip_space(p);
    p->e->where_at[where->n] = (size_t)(p->at - p->text);
    if (parse_name(p, term->text) != 0) {
        return -1;
    }
    where->n++;
    return 0;
}

static int parse_where(struct sq_expect_parser *p)
{
    int err = parse_condition(p);
    while (err == 0 && sq_expect_accept(p, "and")) {
        err = parse_condition(p);
    }
    return err;
}

/* ---- between ---- */

/* "1m30s": parts with a unit each. */
static int parse_times(struct sq_view word, uint64_t *ret_ns)
{
    uint64_t sum_ns = 0;
    size_t at = 0;
    while (at < word.len) {
        char part[DELAY_MAX_CHARS + 1];
        size_t n = 0;
        uint64_t part_ns = 0;
        while (at + n < word.len &&
               (isdigit((unsigned char)word.at[at + n]) || word.at[at + n] == '.')) {
            n++;
        }
        while (at + n < word.len && isalpha((unsigned char)word.at[at + n])) {
            n++;
        }
        if (n == 0 || n > DELAY_MAX_CHARS) {
            return SQ_ERR_FORMAT;
        }
        memcpy(part, word.at + at, n);
        part[n] = '\0';
        if (sq_parse_duration(part, &part_ns) != 0 || part_ns > UINT64_MAX / 4) {
            return SQ_ERR_FORMAT;
        }
        sum_ns += part_ns;
        if (sum_ns > UINT64_MAX / 4) {
            return SQ_ERR_FORMAT;
        }
        at += n;
    }
    *ret_ns = sum_ns;
    return word.len > 0 ? 0 : SQ_ERR_FORMAT;
}

static int parse_event(struct sq_expect_parser *p, size_t which, struct sq_event *ret_event)
{
    static const struct {
        const char *name;
        enum sq_event_kind kind;
    } events[] = {
        {"start", SQ_EVENT_START},     {"ramped", SQ_EVENT_RAMPED}, {"draining", SQ_EVENT_DRAINING},
        {"end", SQ_EVENT_DRAINING},    {"joined", SQ_EVENT_JOINED}, {"up", SQ_EVENT_UP},
        {"leaving", SQ_EVENT_LEAVING},
    };
    char shown[48];
    struct sq_view word = sq_expect_peek_word(p);
    struct sq_event e = {.kind = SQ_EVENT_TAG};
    p->e->window_at[which] = (size_t)(p->at - p->text);
    if (word.len == 0) {
        return sq_expect_fail(
            p, SQ_ERR_FORMAT, p->at,
            "expected an event: a time of the run such as 30s, start, ramped, "
            "draining, end, joined, up, leaving, or a tag of a scenario; found %s",
            sq_expect_found(p->at, shown));
    }
    if (isdigit((unsigned char)word.at[0]) || word.at[0] == '.') {
        e.kind = SQ_EVENT_TIME;
        if (parse_times(word, &e.after_ns) != 0) {
            return sq_expect_fail(p, SQ_ERR_FORMAT, p->at,
                                  "'%.*s' is no time since the run's start: expected a number with "
                                  "its unit, such as 500ms, 10s or 1m30s",
                                  (int)(word.len < 40 ? word.len : 40), word.at);
        }
    }
    if (word.len > SQ_EVENT_NAME_MAX) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "longer than %d characters: no event is",
                              SQ_EVENT_NAME_MAX);
    }
    for (size_t i = 0; i < sizeof(events) / sizeof(events[0]) && e.kind == SQ_EVENT_TAG; i++) {
        e.kind = sq_view_is_nocase(word, events[i].name) ? events[i].kind : e.kind;
    }
    memcpy(e.name, word.at, word.len);
    p->at += word.len;
    *ret_event = e;
    return 0;
}

static int parse_between(struct sq_expect_parser *p)
{
    char shown[48];
    struct sq_window *window = &p->e->window;
    if (parse_event(p, 0, &window->from) != 0) {
        return -1;
    }
    if (!sq_expect_accept(p, "and")) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at,
                              "expected 'and', as in 'between 10s and 20s'; found %s",
                              sq_expect_found(p->at, shown));
    }
    if (parse_event(p, 1, &window->to) != 0) {
        return -1;
    }
    const char *at = p->text + p->e->window_at[1];
    if (sq_event_same(&window->from, &window->to)) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "a window that begins and ends with '%s' is "
                              "empty",
                              window->to.name);
    }
    if (sq_event_is_after(&window->from, &window->to)) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at, "'%s' comes before '%s': turn them around",
                              window->to.name, window->from.name);
    }
    window->on = true;
    return 0;
}

/* ---- else, @ ---- */

static int parse_else(struct sq_expect_parser *p)
{
    char shown[48];
    sq_expect_skip_space(p);
    const char *at = p->at;
    if (sq_expect_accept(p, "warn") || sq_expect_accept(p, "warning")) {
        p->e->level = SQ_LEVEL_WARN;
    } else if (!sq_expect_accept(p, "error")) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at, "expected 'warn' or 'error'; found %s",
                              sq_expect_found(p->at, shown));
    }
    if (p->e->abort && p->e->level == SQ_LEVEL_WARN) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at, "a warning does not end a run: leave it out");
    }
    return 0;
}

static int parse_delay(struct sq_expect_parser *p)
{
    p->at++;
    struct sq_view word = sq_expect_peek_word(p);
    p->e->abort_after_given = true;
    if (parse_times(word, &p->e->abort_after_ns) != 0) {
        char shown[48];
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at,
                              "expected how long to wait before it is judged, such as @10s; found "
                              "%s",
                              sq_expect_found(p->at, shown));
    }
    p->at += word.len;
    return 0;
}

/* ---- What goes together ---- */

static bool is_of_generator(enum sq_metric_id id)
{
    return id == SQ_METRIC_GENERATOR_LATENESS || id == SQ_METRIC_GENERATOR_CPU ||
           id == SQ_METRIC_GENERATOR_DROPS;
}

/* Each term must be something that a single peer has. */
static int check_by_peer(struct sq_expect_parser *p, const struct sq_expect_node *node)
{
    const char *at = p->text + node->at;
    const char *name = sq_metric_get(node->metric)->name;
    bool once = sq_slice_is_total(node->metric) ||
                sq_metric_get(node->metric)->sampling == SQ_SAMPLING_PEER_END ||
                sq_metric_get(node->metric)->sampling == SQ_SAMPLING_PEER_ONCE;
    if (is_of_generator(node->metric) || sq_expect_counts_peers(node->metric)) {
        return sq_expect_fail(
            p, SQ_ERR_FORMAT, at,
            "%s is one figure of the whole run: it cannot be asked 'for N%% of peers'", name);
    }
    if (!node->has_agg) {
        return 0;
    }
    if (node->timed) {
        bool spread = node->agg.kind == SQ_AGG_COUNT || node->agg.kind == SQ_AGG_STDDEV;
        return spread ? sq_expect_fail(p, SQ_ERR_FORMAT, at,
                                       "each peer has one such time: there is no .%s of one peer",
                                       node->agg_text)
                      : 0; /* each percentile of one time is that time */
    }
    if (once && node->agg.kind != SQ_AGG_AVG) {
        return sq_expect_fail(p, SQ_ERR_UNSUPPORTED, at,
                              "each peer has one %s: .%s of one peer says nothing more; leave it "
                              "out",
                              name, node->agg_text);
    }
    if (node->agg.kind == SQ_AGG_RATE || node->agg.kind == SQ_AGG_TOTAL) {
        return sq_expect_fail(p, SQ_ERR_UNSUPPORTED, at, ".%s of one peer is not kept",
                              node->agg_text);
    }
    return 0;
}

static int check_window(struct sq_expect_parser *p, const struct sq_expect_node *node)
{
    const struct sq_window *window = &p->e->window;
    const char *at = p->text + node->at;
    const char *name = sq_metric_get(node->metric)->name;
    if (node->timed) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "time() counts from each peer's intended start: it takes no window");
    }
    if (node->metric == SQ_METRIC_PEERS_OK || node->metric == SQ_METRIC_GENERATOR_DROPS ||
        sq_metric_get(node->metric)->sampling == SQ_SAMPLING_PEER_END ||
        (sq_slice_is_total(node->metric) && !sq_slice_has_parts(node->metric))) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "%s is counted over the whole run: it takes no window", name);
    }
    if (node->has_agg && node->agg.kind == SQ_AGG_RATE) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              ".rate is a second of the whole run: it takes no window");
    }
    bool of_peer = !sq_event_is_of_run(&window->from) || !sq_event_is_of_run(&window->to);
    bool counts = sq_expect_counts_peers(node->metric);
    if ((is_of_generator(node->metric) || counts) && of_peer) {
        size_t which = sq_event_is_of_run(&window->from);
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->text + p->e->window_at[which],
                              "%s is of no one peer: expected an event of the run, such as 30s, "
                              "ramped or end",
                              name);
    }
    if (counts && p->e->abort) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "how many fail in a window is counted at the end: nothing can be "
                              "ended by it sooner");
    }
    return 0;
}

static int check_term(struct sq_expect_parser *p, const struct sq_expect_node *node)
{
    const struct sq_expect *e = p->e;
    const char *at = p->text + node->at;
    const char *name = sq_metric_get(node->metric)->name;
    if (e->by_peer && check_by_peer(p, node) != 0) {
        return -1;
    }
    if (e->window.on && check_window(p, node) != 0) {
        return -1;
    }
    if (e->where.n > 0 && is_of_generator(node->metric)) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at, "%s is of no peer: it takes no 'where'", name);
    }
    if (e->abort && (sq_metric_get(node->metric)->sampling == SQ_SAMPLING_PEER_END ||
                     (sq_slice_is_total(node->metric) && !sq_slice_has_parts(node->metric)))) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "%s is counted at each peer's end: nothing can be ended by it sooner",
                              name);
    }
    if (e->abort && node->metric == SQ_METRIC_PEERS_OK && !node->share && e->where.n > 0) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "how many such peers come is not known before the end: expected a "
                              "share, such as peers.ok >= 99%%");
    }
    if (e->abort &&
        (node->metric == SQ_METRIC_GENERATOR_DROPS ||
         (node->has_agg && node->agg.kind >= SQ_AGG_RATE && node->agg.kind <= SQ_AGG_LAST))) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, at,
                              "%s%s%s is not known before the end: nothing can be ended by it "
                              "sooner",
                              name, node->has_agg ? "." : "", node->agg_text);
    }
    return 0;
}

static int check_all(struct sq_expect_parser *p)
{
    for (int i = 0; i < p->e->node_count; i++) {
        const struct sq_expect_node *node = &p->e->nodes[i];
        if (node->kind == SQ_EXPECT_TERM && check_term(p, node) != 0) {
            return -1;
        }
    }
    return 0;
}

int sq_expect_parse_tail(struct sq_expect_parser *p)
{
    static const struct {
        const char *word;
        int (*parse)(struct sq_expect_parser *p);
    } parts[] = {{"for", parse_share},
                 {"where", parse_where},
                 {"between", parse_between},
                 {"else", parse_else}};
    enum { PARTS = sizeof(parts) / sizeof(parts[0]) };
    char shown[48];
    bool seen[PARTS] = {false};
    for (;;) {
        size_t i;
        sq_expect_skip_space(p);
        const char *at = p->at;
        for (i = 0; i < PARTS && !sq_expect_accept(p, parts[i].word); i++) {
        }
        if (i == PARTS) {
            break;
        }
        if (seen[i]) {
            return sq_expect_fail(p, SQ_ERR_FORMAT, at, "'%s' stands there already", parts[i].word);
        }
        seen[i] = true;
        if (parts[i].parse(p) != 0) {
            return -1;
        }
    }
    if (*p->at == '@' && p->e->abort && parse_delay(p) != 0) {
        return -1;
    }
    sq_expect_skip_space(p);
    if (*p->at) {
        return sq_expect_fail(p, SQ_ERR_FORMAT, p->at,
                              "expected 'and', 'or', 'for N%% of peers', 'where', 'between', 'else "
                              "warn' or the end; found %s%s",
                              sq_expect_found(p->at, shown),
                              *p->at == '@' ? " (a delay is of --abort-on)" : "");
    }
    return check_all(p);
}
