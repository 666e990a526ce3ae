#include "run/expect.h"

#include "base/mem.h"
#include "run/expect_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* What judging a part of the expression gave. */
struct finding {
    bool holds;
    double value;                      /* NAN: no sample */
    const struct sq_expect_node *term; /* the one that decided */
};

enum peer_answer { PEER_NO_SAMPLE, PEER_HOLDS, PEER_HOLDS_NOT };

bool sq_expect_counts_peers(enum sq_metric_id id)
{
    return id == SQ_METRIC_PEERS_OK || id == SQ_METRIC_PEERS_FAILED ||
           id == SQ_METRIC_PEERS_DROPPED;
}

bool sq_expect_is_channels(enum sq_metric_id id)
{
    return id == SQ_METRIC_AUDIO_IN || id == SQ_METRIC_AUDIO_OUT || id == SQ_METRIC_VIDEO_IN ||
           id == SQ_METRIC_VIDEO_OUT;
}

bool sq_expect_is_decoding(enum sq_metric_id id)
{
    return id == SQ_METRIC_AUDIO_IN_HEARD || id == SQ_METRIC_AUDIO_IN_DECODED_FAILED ||
           id == SQ_METRIC_VIDEO_IN_MOVING || id == SQ_METRIC_VIDEO_IN_DECODED_FPS ||
           id == SQ_METRIC_VIDEO_IN_DECODED_FAILED;
}

static bool compare(double value, enum sq_expect_op op, double number)
{
    double slack = 1e-9 * fmax(1, fabs(number)); /* what decimal fractions lose */
    if (isnan(value)) {
        return false;
    }
    switch (op) {
    case SQ_OP_EQUAL:
        return fabs(value - number) <= slack;
    case SQ_OP_UNEQUAL:
        return fabs(value - number) > slack;
    case SQ_OP_LESS:
        return value < number;
    case SQ_OP_LESS_EQUAL:
        return value <= number + slack;
    case SQ_OP_GREATER:
        return value > number;
    case SQ_OP_GREATER_EQUAL:
        return value >= number - slack;
    }
    return false;
}

/* ---- One peer ---- */

/* Where a metric of media is kept in a peer's row: which flow, and which figure of it. */
enum figure {
    FIGURE_NONE,
    FIGURE_TRACKS,
    FIGURE_BITRATE,
    FIGURE_LOSS,
    FIGURE_JITTER,
    FIGURE_RTT,
    FIGURE_LATENCY,
    FIGURE_NACK,
    FIGURE_PLI,
    FIGURE_FPS,
    FIGURE_FREEZE,
    FIGURE_FREEZES,
    FIGURE_WIDTH,
    FIGURE_HEIGHT,
    FIGURE_DATA, /* the number is the metric's place from SQ_METRIC_DATA_IN_THROUGHPUT on */
    FIGURE_PLAYOUT,
    FIGURE_CONCEALMENT,
    FIGURE_DROPPED,
    FIGURE_DECODED_FPS,
    FIGURE_ALIVE,
    FIGURE_DECODE_FAILED,
    FIGURE_STAGE, /* the number is an enum sq_stage */
    FIGURE_SCORE,
    FIGURE_MOS,
};

struct place {
    enum figure figure;
    int of; /* enum sq_flow or enum sq_stage */
};

static const struct place places[SQ_METRIC_COUNT] = {
    [SQ_METRIC_AUDIO_IN] = {FIGURE_TRACKS, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_BITRATE] = {FIGURE_BITRATE, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_LOSS] = {FIGURE_LOSS, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_JITTER] = {FIGURE_JITTER, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_RTT] = {FIGURE_RTT, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_NACK] = {FIGURE_NACK, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_PLAYOUT] = {FIGURE_PLAYOUT, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_CONCEALMENT] = {FIGURE_CONCEALMENT, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_LATENCY] = {FIGURE_LATENCY, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_HEARD] = {FIGURE_ALIVE, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_IN_DECODED_FAILED] = {FIGURE_DECODE_FAILED, SQ_FLOW_AUDIO_IN},
    [SQ_METRIC_AUDIO_OUT] = {FIGURE_TRACKS, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_BITRATE] = {FIGURE_BITRATE, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_LOSS] = {FIGURE_LOSS, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_JITTER] = {FIGURE_JITTER, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_RTT] = {FIGURE_RTT, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_AUDIO_OUT_NACK] = {FIGURE_NACK, SQ_FLOW_AUDIO_OUT},
    [SQ_METRIC_VIDEO_IN] = {FIGURE_TRACKS, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_BITRATE] = {FIGURE_BITRATE, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_LOSS] = {FIGURE_LOSS, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_JITTER] = {FIGURE_JITTER, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_RTT] = {FIGURE_RTT, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_FPS] = {FIGURE_FPS, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_FREEZE] = {FIGURE_FREEZE, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_FREEZES] = {FIGURE_FREEZES, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_WIDTH] = {FIGURE_WIDTH, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_HEIGHT] = {FIGURE_HEIGHT, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_NACK] = {FIGURE_NACK, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_PLI] = {FIGURE_PLI, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_PLAYOUT] = {FIGURE_PLAYOUT, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_DROPPED] = {FIGURE_DROPPED, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_LATENCY] = {FIGURE_LATENCY, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_MOVING] = {FIGURE_ALIVE, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_DECODED_FPS] = {FIGURE_DECODED_FPS, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_IN_DECODED_FAILED] = {FIGURE_DECODE_FAILED, SQ_FLOW_VIDEO_IN},
    [SQ_METRIC_VIDEO_OUT] = {FIGURE_TRACKS, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_BITRATE] = {FIGURE_BITRATE, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_LOSS] = {FIGURE_LOSS, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_JITTER] = {FIGURE_JITTER, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_RTT] = {FIGURE_RTT, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_FPS] = {FIGURE_FPS, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_WIDTH] = {FIGURE_WIDTH, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_HEIGHT] = {FIGURE_HEIGHT, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_NACK] = {FIGURE_NACK, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_VIDEO_OUT_PLI] = {FIGURE_PLI, SQ_FLOW_VIDEO_OUT},
    [SQ_METRIC_DATA_IN_THROUGHPUT] = {FIGURE_DATA, 0},
    [SQ_METRIC_DATA_IN_LATENCY] = {FIGURE_DATA, 1},
    [SQ_METRIC_DATA_IN_LOSS] = {FIGURE_DATA, 2},
    [SQ_METRIC_DATA_IN_MESSAGES] = {FIGURE_DATA, 3},
    [SQ_METRIC_DATA_OUT_THROUGHPUT] = {FIGURE_DATA, 4},
    [SQ_METRIC_DATA_OUT_MESSAGES] = {FIGURE_DATA, 5},
    [SQ_METRIC_DATA_RTT] = {FIGURE_DATA, 6},
    [SQ_METRIC_SETUP_DNS] = {FIGURE_STAGE, SQ_STAGE_DNS},
    [SQ_METRIC_SETUP_CONNECT] = {FIGURE_STAGE, SQ_STAGE_CONNECT},
    [SQ_METRIC_SETUP_TLS] = {FIGURE_STAGE, SQ_STAGE_TLS},
    [SQ_METRIC_SETUP_SIGNALING] = {FIGURE_STAGE, SQ_STAGE_SIGNALING},
    [SQ_METRIC_SETUP_ICE] = {FIGURE_STAGE, SQ_STAGE_ICE},
    [SQ_METRIC_SETUP_DTLS] = {FIGURE_STAGE, SQ_STAGE_DTLS},
    [SQ_METRIC_SETUP_MEDIA] = {FIGURE_STAGE, SQ_STAGE_MEDIA},
    [SQ_METRIC_SETUP_TOTAL] = {FIGURE_STAGE, SQ_STAGE_TOTAL},
    [SQ_METRIC_SCORE] = {FIGURE_SCORE, 0},
    [SQ_METRIC_MOS] = {FIGURE_MOS, 0},
};

bool sq_expect_has_peer_value(enum sq_metric_id id)
{
    return places[id].figure != FIGURE_NONE;
}

double sq_expect_peer_value(const struct sq_peer_row *p, enum sq_metric_id id)
{
    struct place place = places[id];
    if (place.figure == FIGURE_STAGE) {
        return p->stage_ms[place.of];
    }
    if (place.figure == FIGURE_SCORE || place.figure == FIGURE_MOS) {
        return place.figure == FIGURE_MOS ? p->mos : p->score.score; /* of failed ones, too */
    }
    if (place.figure == FIGURE_NONE || !p->connected) {
        return NAN;
    }
    if (place.figure == FIGURE_DATA) {
        const double figures[] = {p->data.in_kbps,      p->data.latency_ms,
                                  p->data.loss_percent, (double)p->data.messages_in,
                                  p->data.out_kbps,     (double)p->data.messages_out,
                                  p->data.rtt_ms};
        return figures[place.of];
    }
    const struct sq_flow_totals *f = &p->flow[place.of];
    if (place.figure == FIGURE_TRACKS) {
        return f->tracks; /* 0 channels is an answer, all else needs one */
    }
    if (f->tracks == 0) { /* but for rates, where something was to come and nothing did */
        bool rate = place.figure == FIGURE_BITRATE || place.figure == FIGURE_FPS;
        return f->agreed && rate ? 0 : NAN;
    }
    switch (place.figure) {
    case FIGURE_BITRATE:
        return f->bitrate_kbps;
    case FIGURE_LOSS:
        return f->loss_percent;
    case FIGURE_JITTER:
        return f->jitter_ms;
    case FIGURE_RTT:
        return f->rtt_ms;
    case FIGURE_LATENCY:
        return f->latency_ms;
    case FIGURE_NACK:
        return (double)f->nack;
    case FIGURE_PLI:
        return (double)f->pli;
    case FIGURE_FPS:
        return f->fps;
    case FIGURE_FREEZE:
        return f->freeze_ms;
    case FIGURE_FREEZES:
        return (double)f->freezes;
    case FIGURE_WIDTH:
        return f->width ? f->width : NAN;
    case FIGURE_HEIGHT:
        return f->height ? f->height : NAN;
    case FIGURE_PLAYOUT:
        return f->playout_ms;
    case FIGURE_CONCEALMENT:
        return f->concealment_percent;
    case FIGURE_DROPPED:
        return (double)f->dropped;
    case FIGURE_DECODED_FPS:
        return f->decoded_fps;
    case FIGURE_ALIVE:
        return f->alive_percent;
    case FIGURE_DECODE_FAILED:
        return (double)f->decode_failed;
    default:
        return NAN;
    }
}

/* Media that was agreed and never came has no loss, latency or size: none that could hold. */
static bool never_came(const struct sq_peer_row *p, enum sq_metric_id id)
{
    struct place place = places[id];
    bool of_flow =
        place.figure > FIGURE_NONE && place.figure < FIGURE_STAGE && place.figure != FIGURE_DATA;
    return of_flow && p->connected && p->flow[place.of].agreed && p->flow[place.of].tracks == 0;
}

/* Recursion is bounded by the parser's SQ_EXPECT_TERMS_MAX and SQ_EXPECT_DEPTH_MAX. */
static enum peer_answer judge_peer(const struct sq_expect *e, int index,
                                   const struct sq_peer_row *p)
{
    const struct sq_expect_node *n = &e->nodes[index];
    if (n->kind == SQ_EXPECT_TERM) {
        double value = sq_expect_peer_value(p, n->metric);
        if (isnan(value)) {
            return never_came(p, n->metric) ? PEER_HOLDS_NOT : PEER_NO_SAMPLE;
        }
        return compare(value, n->op, n->number) ? PEER_HOLDS : PEER_HOLDS_NOT;
    }
    enum peer_answer left = judge_peer(e, n->left, p);
    enum peer_answer right = judge_peer(e, n->right, p);
    enum peer_answer decides = n->kind == SQ_EXPECT_AND ? PEER_HOLDS_NOT : PEER_HOLDS;
    if (left == decides || right == decides) {
        return decides;
    }
    return left == PEER_NO_SAMPLE || right == PEER_NO_SAMPLE ? PEER_NO_SAMPLE : left;
}

static void eval_by_peer(const struct sq_expect *e, const struct sq_result *r,
                         struct sq_expectation *out)
{
    uint64_t holds = 0, misses = 0, failed_before = 0, without = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        if (p->outcome == SQ_OUTCOME_PENDING) {
            continue;
        }
        enum peer_answer answer = judge_peer(e, e->root, p);
        if (answer == PEER_NO_SAMPLE && p->outcome == SQ_OUTCOME_FAILED) {
            failed_before++; /* a peer that failed early may not make the share look better */
            misses++;
        } else {
            holds += answer == PEER_HOLDS;
            misses += answer == PEER_HOLDS_NOT;
            without += answer == PEER_NO_SAMPLE;
        }
    }
    SQ_RESULT_SET(out->unit, "% of peers");
    if (holds + misses == failed_before) {
        out->ok = false;
        out->value = NAN;
        SQ_RESULT_SET(out->message, "no sample: no peer had a value of it");
        return;
    }
    unsigned long long judged = holds + misses;
    out->value = 100.0 * (double)holds / (double)judged;
    out->ok = compare(out->value, SQ_OP_GREATER_EQUAL, e->peers_percent);
    char text[sizeof(out->message)];
    int n = snprintf(text, sizeof(text), "holds for %llu of %llu peers (%.4g %%), wanted %.6g %%",
                     (unsigned long long)holds, judged, out->value, e->peers_percent);
    if (failed_before > 0 && n > 0 && (size_t)n < sizeof(text)) {
        n += snprintf(text + n, sizeof(text) - (size_t)n, "; %llu failed before they had a value",
                      (unsigned long long)failed_before);
    }
    if (without > 0 && n > 0 && (size_t)n < sizeof(text)) {
        snprintf(text + n, sizeof(text) - (size_t)n, "; %llu more had nothing to be judged by",
                 (unsigned long long)without);
    }
    SQ_RESULT_SET(out->message, text);
}

/* ---- The whole run ---- */

static double peer_count_value(const struct sq_expect_node *n, const struct sq_result *r)
{
    const struct sq_peer_counts *c = &r->counts;
    uint64_t count = n->metric == SQ_METRIC_PEERS_OK       ? c->ok
                     : n->metric == SQ_METRIC_PEERS_FAILED ? c->failed
                                                           : c->dropped;
    if (c->started == 0) {
        return NAN;
    }
    return n->share ? 100.0 * (double)count / (double)c->started : (double)count;
}

/* Every connected peer by itself: the value of the one that is furthest from what was wanted. */
static struct finding judge_channels(const struct sq_expect_node *n, const struct sq_result *r)
{
    struct finding f = {.holds = false, .value = NAN, .term = n};
    for (size_t i = 0; i < r->peer_count; i++) {
        double value = sq_expect_peer_value(&r->peers[i], n->metric);
        if (isnan(value)) {
            continue;
        }
        bool holds = compare(value, n->op, n->number);
        bool upward = n->op == SQ_OP_LESS || n->op == SQ_OP_LESS_EQUAL;
        bool worse = isnan(f.value) || (upward ? value > f.value : value < f.value);
        if (isnan(f.value) || (f.holds && !holds) || (f.holds == holds && worse)) {
            f.value = value;
            f.holds = holds;
        }
    }
    return f;
}

static struct finding judge_term(const struct sq_expect_node *n, const struct sq_result *r)
{
    struct finding f = {.value = NAN, .term = n};
    if (sq_expect_counts_peers(n->metric)) {
        f.value = peer_count_value(n, r);
    } else if (n->metric == SQ_METRIC_GENERATOR_DROPS) {
        f.value = (double)(r->generator.receive_drops + r->generator.send_errors);
    } else if (sq_expect_is_channels(n->metric) && !n->has_agg) {
        return judge_channels(n, r);
    } else {
        const struct sq_metric_row *m = sq_result_metric(r, n->metric);
        if (!m && n->agg.kind == SQ_AGG_COUNT) {
            f.value = 0;
        } else if (m && n->agg.kind == SQ_AGG_LAST) {
            f.value = m->last;
        } else if (m && n->agg.kind == SQ_AGG_RATE) {
            f.value = m->hist->sums.count > 0
                          ? sq_metric_aggregate(m->hist, n->metric, n->agg) / r->duration_s
                          : NAN;
        } else if (m) {
            f.value = sq_metric_aggregate(m->hist, n->metric, n->agg);
        }
    }
    f.holds = compare(f.value, n->op, n->number);
    return f;
}

static struct finding judge_node(const struct sq_expect *e, int index, const struct sq_result *r)
{
    const struct sq_expect_node *n = &e->nodes[index];
    if (n->kind == SQ_EXPECT_TERM) {
        return judge_term(n, r);
    }
    struct finding left = judge_node(e, n->left, r);
    struct finding right = judge_node(e, n->right, r);
    if (n->kind == SQ_EXPECT_AND) {
        return left.holds ? right : left;
    }
    return left.holds || !right.holds ? left : right;
}

static const char *term_unit(const struct sq_expect_node *n)
{
    if (n->has_agg && n->agg.kind == SQ_AGG_COUNT) {
        return "";
    }
    if (n->share) {
        return "%";
    }
    return sq_metric_unit_text(sq_metric_get(n->metric)->unit);
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

/* What was found of a term: "setup.total.max is 800 ms, wanted < 500 ms". */
static void describe_term(const struct finding *f, char *text, size_t size)
{
    const struct sq_expect_node *n = f->term;
    const char *name = sq_metric_get(n->metric)->name;
    const char *unit = term_unit(n);
    const char *space = unit[0] ? " " : "";
    if (isnan(f->value)) {
        snprintf(text, size, "no sample: nothing measured %s", name);
        return;
    }
    bool every = sq_expect_is_channels(n->metric) && !n->has_agg;
    char value[32];
    format_value(f->value, n->number, value);
    snprintf(text, size, "%s%s%s is %s%s%s%s, wanted %s %.9g%s%s", name, n->has_agg ? "." : "",
             n->agg_text, value, space, unit, every ? " at the worst peer" : "",
             sq_expect_op_text(n->op), n->number, space, unit);
}

/* Terms that agree with the outcome: of one that holds those that hold, of one that does not those
 * that do not. As many as there is room for. */
static void describe_terms(const struct sq_expect *e, const struct sq_result *r, bool holds,
                           char *text, size_t size)
{
    size_t len = 0;
    for (int i = 0; i < e->node_count; i++) {
        char term[200];
        if (e->nodes[i].kind != SQ_EXPECT_TERM) {
            continue;
        }
        struct finding f = judge_term(&e->nodes[i], r);
        describe_term(&f, term, sizeof(term));
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

void sq_expect_eval(const struct sq_expect *e, const struct sq_result *r,
                    struct sq_expectation *ret_outcome)
{
    ret_outcome->level = e->level;
    ret_outcome->terms = 1;
    ret_outcome->of_figures = sq_expect_of_figures(e);
    ret_outcome->of_decoding = names_decoding(e);
    if (e->by_peer) {
        eval_by_peer(e, r, ret_outcome);
        return;
    }
    struct finding f = judge_node(e, e->root, r);
    char text[sizeof(ret_outcome->message)] = "";
    ret_outcome->terms = count_terms(e);
    if (ret_outcome->terms == 1) {
        describe_term(&f, text, sizeof(text));
    } else {
        describe_terms(e, r, f.holds, text, sizeof(text));
    }
    ret_outcome->ok = f.holds;
    ret_outcome->value = f.value;
    SQ_RESULT_SET(ret_outcome->unit, term_unit(f.term));
    SQ_RESULT_SET(ret_outcome->message, text);
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
    bool about_video = false;
    int err = 0;
    for (size_t i = 0; i < r->expectation_count; i++) {
        sq_free(r->expectations[i].expr);
    }
    r->expectation_count = 0;
    sq_result_tally(r);
    for (size_t i = 0; i < n && !err; i++) {
        about_peers = about_peers || sq_expect_names(list[i], "peers.ok") ||
                      sq_expect_names(list[i], "peers.failed");
        about_video = about_video || sq_expect_names_any(list[i], "video.");
        err = judge_one(list[i], r);
    }
    err = err || about_peers ? err : judge_implied(SQ_EXPECT_DEFAULT, r);
    err = err || about_video || !all_blank(r) ? err : judge_implied(SQ_EXPECT_VIDEO, r);
    (void)sq_verdict(r);
    return err;
}
