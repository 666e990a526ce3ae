#include "run/expect.h"

#include "base/mem.h"
#include "run/expect_int.h"
#include "run/slice.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define TIME_ID SQ_METRIC_SETUP_TOTAL /* ms: how histograms keep times until something holds */

/* What judging a part of the expression gave. */
struct finding {
    bool holds;
    double value;                      /* NAN: no sample; INFINITY: of a time that never came */
    const struct sq_expect_node *term; /* the one that decided */
    uint64_t never;                    /* peers that never got there */
};

struct judging {
    const struct sq_expect *e;
    const struct sq_result *r;
    const struct sq_expect_live *live; /* NULL: at the end */
};

static const struct sq_slice_row *slice_of(const struct judging *j, const struct sq_expect_node *n)
{
    struct sq_slice slice;
    bool sliced = sq_expect_slice(j->e, n, j->live != NULL, &slice);
    return sliced ? sq_result_slice(j->r, &slice) : NULL;
}

/* ---- Why there is no sample ---- */

/* Of the run's own events; NAN: it did not come. */
static double event_ms(const struct sq_result *r, const struct sq_event *e)
{
    return e->kind == SQ_EVENT_RAMPED     ? r->ramped_ms
           : e->kind == SQ_EVENT_DRAINING ? r->draining_ms
                                          : (double)e->after_ns / 1e6;
}

static void put_where(const struct sq_where *where, char *text, size_t size)
{
    size_t len = 0;
    text[0] = '\0';
    for (size_t i = 0; i < where->n && len + 1 < size; i++) {
        const struct sq_where_term *t = &where->terms[i];
        int n = snprintf(text + len, size - len, "%s%s %s '%s'", i ? " and " : "",
                         sq_where_field_name(t->field), t->is_not ? "is not" : "is", t->text);
        len += n > 0 ? (size_t)n : 0;
    }
}

/* A window that never opened is told by the event that did not come. */
static void put_no_sample(const struct judging *j, const struct sq_expect_node *n, const char *what,
                          char *text, size_t size)
{
    const struct sq_window *window = &j->e->window;
    const struct sq_slice_row *row = slice_of(j, n);
    bool counts = sq_expect_counts_peers(n->metric);
    if (!window->on || (!row && !counts)) {
        snprintf(text, size, "no sample: nothing measured %s", what);
    } else if (counts && isnan(event_ms(j->r, &window->from))) {
        snprintf(text, size, "no sample: '%s' did not come", window->from.name);
    } else if (window->from.kind == SQ_EVENT_TIME &&
               j->r->duration_s * 1e9 <= (double)window->from.after_ns) {
        snprintf(text, size, "no sample: the run was over before %s", window->from.name);
    } else if (row && row->opened == 0 && row->peers > 0) {
        snprintf(text, size, "no sample: '%s' did not come", window->from.name);
    } else {
        snprintf(text, size, "no sample: nothing measured %s between %s and %s", what,
                 window->from.name, window->to.name);
    }
}

/* ---- Each peer by itself ---- */

static void find_values(const struct judging *j, struct sq_expect_values *ret_values)
{
    for (int i = 0; i < j->e->node_count; i++) {
        const struct sq_expect_node *n = &j->e->nodes[i];
        struct sq_slice slice;
        ret_values->sliced[i] =
            n->kind == SQ_EXPECT_TERM && sq_expect_slice(j->e, n, false, &slice);
        const struct sq_slice_row *row =
            ret_values->sliced[i] ? sq_result_slice(j->r, &slice) : NULL;
        ret_values->of[i] = row ? row->values : NULL;
    }
}

static struct sq_expect_live count_answers(const struct judging *j)
{
    struct sq_expect_live n = {.holds = 0};
    struct sq_expect_values values;
    find_values(j, &values);
    for (size_t i = 0; i < j->r->peer_count; i++) {
        const struct sq_peer_row *p = &j->r->peers[i];
        if (p->outcome != SQ_OUTCOME_PENDING && sq_where_matches(&j->e->where, p)) {
            sq_expect_count(&n, p, sq_expect_peer_answer(j->e, p, &values, i));
        }
    }
    return n;
}

void sq_expect_count(struct sq_expect_live *n, const struct sq_peer_row *p,
                     enum sq_peer_answer answer)
{
    if (answer == SQ_PEER_NO_SAMPLE && p->outcome == SQ_OUTCOME_FAILED) {
        n->failed_before++; /* a peer that failed early may not make the share look better */
        n->misses++;
    } else {
        n->holds += answer == SQ_PEER_HOLDS;
        n->misses += answer == SQ_PEER_HOLDS_NOT;
        n->without += answer == SQ_PEER_NO_SAMPLE;
    }
}

static void term_name(const struct sq_expect_node *n, char *out, size_t size);

static void put_none_judged(const struct judging *j, char *text, size_t size)
{
    char name[96];
    const struct sq_expect_node *first = NULL;
    for (int i = j->e->node_count; i-- > 0;) {
        first = j->e->nodes[i].kind == SQ_EXPECT_TERM ? &j->e->nodes[i] : first;
    }
    if (j->e->window.on && first) {
        term_name(first, name, sizeof(name));
        put_no_sample(j, first, name, text, size);
    } else {
        snprintf(text, size, "no sample: no peer had a value of it");
    }
}

static void eval_by_peer(const struct judging *j, struct sq_expectation *out)
{
    const struct sq_expect_live n = j->live ? *j->live : count_answers(j);
    char text[sizeof(out->message)];
    SQ_RESULT_SET(out->unit, "% of peers");
    if (n.holds + n.misses == n.failed_before) {
        out->ok = false;
        out->value = NAN;
        put_none_judged(j, text, sizeof(text));
        SQ_RESULT_SET(out->message, text);
        return;
    }
    unsigned long long judged = n.holds + n.misses;
    out->value = 100.0 * (double)n.holds / (double)judged;
    out->ok = sq_op_holds(out->value, SQ_OP_GREATER_EQUAL, j->e->peers_percent);
    int len = snprintf(text, sizeof(text), "holds for %llu of %llu peers (%.4g %%), wanted %.6g %%",
                       (unsigned long long)n.holds, judged, out->value, j->e->peers_percent);
    if (n.failed_before > 0 && len > 0 && (size_t)len < sizeof(text)) {
        len +=
            snprintf(text + len, sizeof(text) - (size_t)len,
                     "; %llu failed before they had a value", (unsigned long long)n.failed_before);
    }
    if (n.without > 0 && len > 0 && (size_t)len < sizeof(text)) {
        snprintf(text + len, sizeof(text) - (size_t)len, "; %llu more had nothing to be judged by",
                 (unsigned long long)n.without);
    }
    SQ_RESULT_SET(out->message, text);
}

/* ---- The whole run ---- */

void sq_expect_count_outcome(struct sq_peer_counts *c, const struct sq_peer_row *p)
{
    c->started++;
    c->ok += p->outcome == SQ_OUTCOME_OK;
    c->failed += p->outcome == SQ_OUTCOME_FAILED;
    c->dropped += p->drops > 0 || (p->outcome == SQ_OUTCOME_FAILED && p->connected);
}

/* Those who were there in the window, and what became of them in it. */
static void count_in_window(struct sq_peer_counts *c, const struct sq_peer_row *p, double from_ms,
                            double to_ms)
{
    bool failed = p->outcome == SQ_OUTCOME_FAILED;
    double drop_ms = p->drops > 0 ? p->dropped_ms : failed && p->connected ? p->end_ms : NAN;
    c->started += p->start_ms <= to_ms && !(p->end_ms < from_ms);
    c->failed += failed && p->end_ms >= from_ms && p->end_ms <= to_ms;
    c->dropped += drop_ms >= from_ms && drop_ms <= to_ms;
}

/* Of those that the expectation is about. */
static struct sq_peer_counts counts_of(const struct judging *j)
{
    struct sq_peer_counts c = {.started = 0};
    const struct sq_window *window = &j->e->window;
    if (j->live) {
        return j->live->counts;
    }
    if (j->e->where.n == 0 && !window->on) {
        return j->r->counts;
    }
    double from_ms = event_ms(j->r, &window->from);
    double to_ms = event_ms(j->r, &window->to);
    to_ms = isnan(to_ms) ? INFINITY : to_ms; /* until the end */
    for (size_t i = 0; i < j->r->peer_count; i++) {
        const struct sq_peer_row *p = &j->r->peers[i];
        if (!sq_where_matches(&j->e->where, p)) {
            continue;
        }
        if (window->on) {
            count_in_window(&c, p, from_ms, to_ms);
        } else {
            sq_expect_count_outcome(&c, p);
        }
    }
    return c;
}

/* Nobody was there that it is about. */
static bool is_about_nobody(const struct judging *j)
{
    bool any = j->live && j->live->counts.started > 0;
    for (size_t i = 0; !j->live && i < j->r->peer_count && !any; i++) {
        any = sq_where_matches(&j->e->where, &j->r->peers[i]);
    }
    return j->e->where.n > 0 && !any;
}

static double peer_count_value(const struct judging *j, const struct sq_expect_node *n)
{
    const struct sq_peer_counts c = counts_of(j);
    uint64_t count = n->metric == SQ_METRIC_PEERS_OK       ? c.ok
                     : n->metric == SQ_METRIC_PEERS_FAILED ? c.failed
                                                           : c.dropped;
    if (c.started == 0) {
        return NAN;
    }
    if (j->live && n->metric == SQ_METRIC_PEERS_OK && !n->share) {
        count += j->live->to_come; /* who has not begun may be ok yet */
    }
    return n->share ? 100.0 * (double)count / (double)c.started : (double)count;
}

/* Takes the value in where it is further from what was wanted than the one so far. */
static void take_worse(struct finding *f, double value)
{
    const struct sq_expect_node *n = f->term;
    if (isnan(value)) {
        return;
    }
    bool holds = sq_op_holds(value, n->op, n->number);
    bool upward = n->op == SQ_OP_LESS || n->op == SQ_OP_LESS_EQUAL;
    bool worse = isnan(f->value) || (upward ? value > f->value : value < f->value);
    if (isnan(f->value) || (f->holds && !holds) || (f->holds == holds && worse)) {
        f->value = value;
        f->holds = holds;
    }
}

/* Every connected peer by itself: the value of the one that is furthest from what was wanted. */
static struct finding judge_channels(const struct judging *j, const struct sq_expect_node *n)
{
    struct finding f = {.holds = false, .value = NAN, .term = n};
    const struct sq_slice_row *row = slice_of(j, n);
    if (j->live) { /* all that are known of a distribution are its ends */
        if (row && row->hist->sums.count > 0) {
            take_worse(&f, (double)row->hist->sums.min);
            take_worse(&f, (double)row->hist->sums.max);
        }
        return f;
    }
    for (size_t i = 0; i < j->r->peer_count; i++) {
        const struct sq_peer_row *p = &j->r->peers[i];
        if (sq_where_matches(&j->e->where, p)) {
            take_worse(&f, !j->e->window.on     ? sq_expect_peer_value(p, n->metric)
                           : row && row->values ? row->values[i]
                                                : NAN);
        }
    }
    return f;
}

/* Who never got there took for ever. */
static double time_value(const struct sq_slice_row *row, struct sq_agg agg)
{
    const struct sq_hist *h = row->hist;
    bool ends = agg.kind != SQ_AGG_QUANTILE && agg.kind != SQ_AGG_MIN && agg.kind != SQ_AGG_COUNT;
    if (agg.kind == SQ_AGG_COUNT) {
        return (double)(h->sums.count - row->never);
    }
    if (h->sums.count == 0) {
        return NAN;
    }
    bool least = agg.kind == SQ_AGG_MIN && row->never == h->sums.count;
    bool quantile = agg.kind == SQ_AGG_QUANTILE && row->never > 0 &&
                    sq_hist_quantile(h, agg.q) > SQ_HIST_MAX / 2;
    if ((ends && row->never > 0) || least || quantile) {
        return INFINITY;
    }
    return sq_metric_aggregate(h, TIME_ID, agg);
}

static double slice_value(const struct judging *j, const struct sq_expect_node *n,
                          const struct sq_slice_row *row)
{
    if (!row) {
        return n->agg.kind == SQ_AGG_COUNT ? 0 : NAN;
    }
    if (n->timed) {
        return time_value(row, n->agg);
    }
    if (n->agg.kind == SQ_AGG_LAST) {
        return row->last;
    }
    if (n->metric == SQ_METRIC_OWN_COUNTER && n->agg.kind == SQ_AGG_TOTAL &&
        row->hist->sums.count == 0) {
        return 0; /* nobody came to that step */
    }
    double value = sq_metric_aggregate(row->hist, n->metric, n->agg);
    return n->agg.kind != SQ_AGG_RATE  ? value
           : row->hist->sums.count > 0 ? value / j->r->duration_s
                                       : NAN;
}

static double metric_value(const struct judging *j, const struct sq_expect_node *n)
{
    const struct sq_metric_row *m = sq_result_metric(j->r, n->metric);
    if (!m) {
        return n->agg.kind == SQ_AGG_COUNT ? 0 : NAN;
    }
    if (n->agg.kind == SQ_AGG_LAST) {
        return m->last;
    }
    double value = sq_metric_aggregate(m->hist, n->metric, n->agg);
    return n->agg.kind != SQ_AGG_RATE ? value
           : m->hist->sums.count > 0  ? value / j->r->duration_s
                                      : NAN;
}

static struct finding judge_term(const struct judging *j, const struct sq_expect_node *n)
{
    struct finding f = {.value = NAN, .term = n};
    struct sq_slice slice;
    if (sq_expect_counts_peers(n->metric)) {
        f.value = peer_count_value(j, n);
    } else if (n->metric == SQ_METRIC_GENERATOR_DROPS) {
        f.value = (double)(j->r->generator.receive_drops + j->r->generator.send_errors);
    } else if (sq_expect_is_channels(n->metric) && !n->has_agg) {
        return judge_channels(j, n);
    } else if (sq_expect_slice(j->e, n, j->live != NULL, &slice)) {
        const struct sq_slice_row *row = sq_result_slice(j->r, &slice);
        f.value = slice_value(j, n, row);
        f.never = row ? row->never : 0;
    } else {
        f.value = metric_value(j, n);
    }
    f.holds = sq_op_holds(f.value, n->op, n->number);
    return f;
}

static struct finding judge_node(const struct judging *j, int index)
{
    const struct sq_expect_node *n = &j->e->nodes[index];
    if (n->kind == SQ_EXPECT_TERM) {
        return judge_term(j, n);
    }
    struct finding left = judge_node(j, n->left);
    struct finding right = judge_node(j, n->right);
    if (n->kind == SQ_EXPECT_AND) {
        return left.holds ? right : left;
    }
    return left.holds || !right.holds ? left : right;
}

/* ---- In words ---- */

/* The sum over the seconds of the run is no time and no share. */
static const char *term_unit(const struct sq_expect_node *n)
{
    static const char *const rates[][2] = {{"", "/s"},     {"ms", "ms/s"}, {"%", "%/s"},
                                           {"px", "px/s"}, {"s", "s/s"},   {"points", "points/s"}};
    if (n->has_agg && n->agg.kind == SQ_AGG_COUNT) {
        return "";
    }
    const char *unit = n->share ? "%" : sq_metric_unit_text(sq_expect_unit(n));
    for (size_t i = 0;
         n->has_agg && n->agg.kind == SQ_AGG_RATE && i < sizeof(rates) / sizeof(*rates); i++) {
        unit = strcmp(unit, rates[i][0]) == 0 ? rates[i][1] : unit;
    }
    return unit;
}

/* Short, unless that would make a value look like the bound it missed. */
static void format_value(double value, double bound, char out[static 32])
{
    char other[32];
    int digits = fabs(value) >= 10000 ? 9 : 4;
    snprintf(out, 32, "%.*g", digits, value);
    snprintf(other, sizeof(other), "%.*g", digits, bound);
    if (value != bound && strcmp(out, other) == 0) {
        snprintf(out, 32, "%.9g", value);
    }
}

static void term_name(const struct sq_expect_node *n, char *out, size_t size)
{
    const char *name = sq_metric_get(n->metric)->name;
    const char *dot = strrchr(name, '.');
    if (sq_expect_is_own(n->metric)) {
        snprintf(out, size, "%s.%s", name, n->own);
        return;
    }
    if (!n->timed && n->track && dot) {
        snprintf(out, size, "%.*s.track%s", (int)(dot - name), name, dot);
        return;
    }
    const char *unit = sq_metric_unit_text(sq_metric_get(n->metric)->unit);
    if (n->timed) {
        snprintf(out, size, "time(%s %s %.9g%s%s)", name, sq_expect_op_text(n->time_op),
                 n->time_number, unit[0] ? " " : "", unit);
    } else {
        snprintf(out, size, "%s", name);
    }
}

/* What was found of a term: "setup.total.max is 800 ms, wanted < 500 ms". */
static void describe_term(const struct judging *j, const struct finding *f, char *text, size_t size)
{
    const struct sq_expect_node *n = f->term;
    char name[96];
    const char *unit = term_unit(n);
    const char *space = unit[0] ? " " : "";
    term_name(n, name, sizeof(name));
    if (isnan(f->value)) {
        put_no_sample(j, n, name, text, size);
        return;
    }
    bool every = sq_expect_is_channels(n->metric) && !n->has_agg && !n->timed;
    char value[32] = "never";
    char never[64] = "";
    if (!isinf(f->value)) {
        format_value(f->value, n->number, value);
    }
    if (f->never > 0) {
        snprintf(never, sizeof(never), "; %llu peer%s never got there",
                 (unsigned long long)f->never, f->never > 1 ? "s" : "");
    }
    snprintf(text, size, "%s%s%s is %s%s%s%s, %s %s %.9g%s%s%s", name, n->has_agg ? "." : "",
             n->agg_text, value, isinf(f->value) ? "" : space, isinf(f->value) ? "" : unit,
             every ? " at the worst peer" : "", f->holds ? "as wanted:" : "wanted",
             sq_expect_op_text(n->op), n->number, space, unit, never);
}

/* Terms that agree with the outcome: of one that holds those that hold, of one that does not those
 * that do not. As many as there is room for. */
static void describe_terms(const struct judging *j, bool holds, char *text, size_t size)
{
    size_t len = 0;
    for (int i = 0; i < j->e->node_count; i++) {
        char term[240];
        if (j->e->nodes[i].kind != SQ_EXPECT_TERM) {
            continue;
        }
        struct finding f = judge_term(j, &j->e->nodes[i]);
        describe_term(j, &f, term, sizeof(term));
        if (f.holds != holds) {
            continue;
        }
        if (len + strlen(term) + sizeof("; …; …") > size) {
            snprintf(text + len, size - len, "; …");
            return;
        }
        len += (size_t)snprintf(text + len, size - len, "%s%s", len ? "; " : "", term);
    }
}

static unsigned count_terms(const struct sq_expect *e)
{
    unsigned terms = 0;
    for (int i = 0; i < e->node_count; i++) {
        terms += e->nodes[i].kind == SQ_EXPECT_TERM;
    }
    return terms;
}

bool sq_expect_of_figures(const struct sq_expect *e)
{
    for (int i = 0; i < e->node_count; i++) {
        const struct sq_expect_node *n = &e->nodes[i];
        if (n->kind == SQ_EXPECT_TERM && !sq_expect_counts_peers(n->metric)) {
            return true;
        }
    }
    return false;
}

static bool names_decoding(const struct sq_expect *e)
{
    for (int i = 0; i < e->node_count; i++) {
        const struct sq_expect_node *n = &e->nodes[i];
        if (n->kind == SQ_EXPECT_TERM && sq_expect_is_decoding(n->metric)) {
            return true;
        }
    }
    return false;
}

static void eval(const struct judging *j, struct sq_expectation *out)
{
    const struct sq_expect *e = j->e;
    char text[sizeof(out->message)] = "";
    out->level = e->level;
    out->terms = 1;
    out->of_figures = sq_expect_of_figures(e);
    out->of_decoding = names_decoding(e);
    if (is_about_nobody(j)) {
        char where[160];
        put_where(&e->where, where, sizeof(where));
        snprintf(text, sizeof(text), "no peer: %s is true of none that came", where);
        out->ok = false;
        out->value = NAN;
        SQ_RESULT_SET(out->message, text);
        return;
    }
    if (e->by_peer) {
        eval_by_peer(j, out);
        return;
    }
    struct finding f = judge_node(j, e->root);
    out->terms = count_terms(e);
    if (out->terms == 1) {
        describe_term(j, &f, text, sizeof(text));
    } else {
        describe_terms(j, f.holds, text, sizeof(text));
    }
    out->ok = f.holds;
    out->value = f.value;
    SQ_RESULT_SET(out->unit, term_unit(f.term));
    SQ_RESULT_SET(out->message, text);
}

void sq_expect_eval(const struct sq_expect *e, const struct sq_result *r,
                    struct sq_expectation *ret_outcome)
{
    const struct judging j = {.e = e, .r = r};
    eval(&j, ret_outcome);
}

void sq_expect_eval_live(const struct sq_expect *e, const struct sq_result *r,
                         const struct sq_expect_live *live, struct sq_expectation *ret_outcome)
{
    const struct judging j = {.e = e, .r = r, .live = live};
    eval(&j, ret_outcome);
}

/* ---- All of them ---- */

static int judge_one(const struct sq_expect *e, struct sq_result *r)
{
    struct sq_expectation *row = sq_result_add_expectation(r, e->text);
    if (!row) {
        return SQ_ERR_NOMEM;
    }
    sq_expect_eval(e, r, row);
    return 0;
}

/* What ended the run stays as it was then, whatever came in while everybody left. */
static void keep_stop(struct sq_result *r, size_t i)
{
    if (r->stop.on && r->stop.expectation == i) {
        struct sq_expectation *row = &r->expectations[i];
        row->ok = false;
        row->value = r->stop.value;
        SQ_RESULT_SET(row->unit, r->stop.unit);
        SQ_RESULT_SET(row->message, r->stop.message);
    }
}

/* Video was agreed, for seconds, and nobody saw any. */
static bool all_blank(const struct sq_result *r)
{
    uint64_t frames = 0;
    uint64_t blank = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        frames += r->peers[i].flow[SQ_FLOW_VIDEO_IN].frames;
        blank += r->peers[i].flow[SQ_FLOW_VIDEO_IN].blank;
    }
    return blank > 0 && frames == 0;
}

/* Every peer that wanted a medium was refused it, and not all of them have failed for that: those
 * that were to send it have. */
static bool all_refused(const struct sq_result *r, enum sq_asked medium, enum sq_flow flow)
{
    const struct sq_asked_row *row = &r->asked[medium];
    uint64_t packets = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        packets += r->peers[i].flow[flow].packets;
    }
    return row->refused > r->counts.failed && row->refused == row->peers && packets == 0;
}

static int judge_implied(const char *text, struct sq_result *r)
{
    struct sq_expect *implied = NULL;
    int err = sq_expect_parse(text, &implied, NULL);
    err = err ? err : judge_one(implied, r);
    sq_expect_destroy(implied);
    return err;
}

int sq_expect_judge(struct sq_expect *const *list, size_t n, struct sq_result *r)
{
    bool about_peers = false;
    bool about_audio = false;
    bool about_video = false;
    int err = 0;
    for (size_t i = 0; i < r->expectation_count; i++) {
        sq_free(r->expectations[i].expr);
    }
    r->expectation_count = 0;
    sq_result_tally(r);
    for (size_t i = 0; i < n && !err; i++) {
        about_peers = about_peers || sq_expect_about_peers(list[i]);
        about_audio = about_audio || sq_expect_names_any(list[i], "audio.");
        about_video = about_video || sq_expect_names_any(list[i], "video.");
        err = judge_one(list[i], r);
        if (!err) {
            keep_stop(r, i);
        }
    }
    err = err || about_peers ? err : judge_implied(SQ_EXPECT_DEFAULT, r);
    bool no_audio = all_refused(r, SQ_ASKED_AUDIO, SQ_FLOW_AUDIO_IN);
    bool no_video = all_blank(r) || all_refused(r, SQ_ASKED_VIDEO, SQ_FLOW_VIDEO_IN);
    err = err || about_audio || !no_audio ? err : judge_implied(SQ_EXPECT_AUDIO, r);
    err = err || about_video || !no_video ? err : judge_implied(SQ_EXPECT_VIDEO, r);
    (void)sq_verdict(r);
    return err;
}
