#include "run/result.h"

#include "base/mem.h"
#include "base/time.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

/* Makes room for one more element of a growing array and returns it zeroed. */
static void *grow(void **array, size_t *count, size_t *room, size_t element_bytes, size_t max)
{
    if (*count >= max) {
        return NULL;
    }
    if (*count == *room) {
        size_t wanted = *room ? *room * 2 : 16;
        if (wanted > max) {
            wanted = max;
        }
        void *grown = sq_realloc(*array, wanted * element_bytes);
        if (!grown) {
            return NULL;
        }
        *array = grown;
        *room = wanted;
    }
    void *element = (char *)*array + *count * element_bytes;
    memset(element, 0, element_bytes);
    ++*count;
    return element;
}

#define GROW(owner, field, one, max)                                                               \
    grow((void **)&(owner)->field, &(owner)->one##_count, &(owner)->one##_room,                    \
         sizeof(*(owner)->field), (max))

int sq_result_create(struct sq_result **ret_result)
{
    struct sq_result *r = sq_zalloc(sizeof(*r));
    if (!r) {
        return SQ_ERR_NOMEM;
    }
    r->verdict = SQ_VERDICT_ERROR;
    r->exit_code = SQ_EXIT_UNREACHED;
    r->duration_s = NAN;
    r->score = NAN;
    r->mos = NAN;
    r->ramped_ms = r->draining_ms = NAN;
    r->latency[0].uncertainty_ms = r->latency[1].uncertainty_ms = NAN;
    r->generator.ok = true;
    r->generator.lateness_p50_ms = NAN;
    r->generator.lateness_p99_ms = NAN;
    r->generator.lateness_worst_ms = NAN;
    r->generator.lateness_max_ms = NAN;
    r->generator.cpu_percent = NAN;
    *ret_result = r;
    return 0;
}

void sq_trace_clear(struct sq_peer_trace *t)
{
    for (size_t i = 0; i < t->event_count; i++) {
        sq_free(t->events[i].value);
    }
    for (size_t i = 0; i < t->series_count; i++) {
        sq_free(t->series[i].values);
        sq_free(t->series[i].text);
    }
    sq_strip_clear(&t->strip);
    sq_free(t->events);
    sq_free(t->series);
    sq_free(t->configuration);
    sq_free(t->url);
    memset(t, 0, sizeof(*t));
}

void sq_result_destroy(struct sq_result *r)
{
    if (!r) {
        return;
    }
    for (size_t i = 0; i < r->config_count; i++) {
        sq_free(r->config[i].key);
        sq_free(r->config[i].text);
    }
    for (size_t i = 0; i < r->expectation_count; i++) {
        sq_free(r->expectations[i].expr);
    }
    for (size_t i = 0; i < r->metric_count; i++) {
        sq_free(r->metrics[i].hist);
    }
    for (size_t i = 0; i < r->peer_count; i++) {
        sq_free(r->peers[i].goodbye);
    }
    for (size_t i = 0; i < r->trace_count; i++) {
        sq_trace_clear(&r->traces[i]);
    }
    for (size_t i = 0; i < r->story_count; i++) {
        sq_trace_clear(&r->stories[i]);
    }
    sq_free(r->stories);
    sq_free(r->report);
    for (size_t i = 0; i < r->slice_count; i++) {
        sq_free(r->slices[i].hist);
        sq_free(r->slices[i].values);
    }
    sq_free(r->slices);
    sq_free(r->config);
    sq_free(r->expectations);
    sq_free(r->metrics);
    sq_free(r->timeline);
    sq_free(r->peers);
    sq_free(r->traces);
    sq_free(r->baseline);
    sq_free(r->command);
    sq_free(r->target);
    sq_free(r);
}

void sq_result_make_id(uint64_t wall_ns, uint32_t random, char out[static SQ_RUN_ID_SIZE])
{
    time_t seconds = (time_t)(wall_ns / SQ_NS_PER_SEC);
    struct tm utc;
    if (!gmtime_r(&seconds, &utc)) {
        memset(&utc, 0, sizeof(utc));
    }
    size_t n = strftime(out, SQ_RUN_ID_SIZE, "%Y%m%d-%H%M%S", &utc);
    snprintf(out + n, SQ_RUN_ID_SIZE - n, "-%06x", (unsigned)(random & 0xffffff));
}

void sq_result_set_text(char *field, size_t size, const char *text)
{
    size_t len = text ? strlen(text) : 0;
    if (len >= size) {
        len = size - 1;
        /* A UTF-8 character is not cut in two: step back over continuation bytes. */
        while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80) {
            len--;
        }
    }
    if (len > 0) {
        memcpy(field, text, len);
    }
    field[len] = '\0';
}

int sq_result_replace_text(char **field, const char *text)
{
    char *copy = sq_strdup(text);
    if (!copy) {
        return SQ_ERR_NOMEM;
    }
    sq_free(*field);
    *field = copy;
    return 0;
}

void sq_flow_totals_init(struct sq_flow_totals *f)
{
    *f = (struct sq_flow_totals){
        .bitrate_kbps = NAN,
        .loss_percent = NAN,
        .jitter_ms = NAN,
        .rtt_ms = NAN,
        .latency_ms = NAN,
        .fps = NAN,
        .freeze_ms = NAN,
        .playout_ms = NAN,
        .concealment_percent = NAN,
        .decoded_fps = NAN,
        .alive_percent = NAN,
        .loss_stddev = NAN,
        .delay_stddev_ms = NAN,
        .burst_ratio = NAN,
        .watched_s = NAN,
        .target_share = NAN,
        .target_share_stddev = NAN,
    };
}

struct sq_peer_row *sq_result_add_peer(struct sq_result *r)
{
    struct sq_peer_row *row = GROW(r, peers, peer, SQ_RESULT_PEERS_MAX);
    if (!row) {
        return NULL;
    }
    row->start_ms = NAN;
    row->end_ms = NAN;
    for (size_t i = 0; i < SQ_STAGE_COUNT; i++) {
        row->stage_ms[i] = NAN;
    }
    for (size_t i = 0; i < SQ_FLOW_COUNT; i++) {
        sq_flow_totals_init(&row->flow[i]);
    }
    row->data.in_kbps = row->data.out_kbps = row->data.loss_percent = NAN;
    row->data.latency_ms = row->data.rtt_ms = NAN;
    row->score.score = row->mos = NAN;
    row->dropped_ms = row->back_ms = row->gap_ms = row->away_ms = NAN;
    return row;
}

void sq_timeline_row_init(struct sq_timeline_row *row)
{
    memset(row, 0, sizeof(*row));
    for (size_t i = 0; i < SQ_FLOW_COUNT; i++) {
        row->bitrate_kbps[i] = NAN;
        row->loss_percent[i] = NAN;
        row->jitter_ms[i] = NAN;
    }
    row->t_s = NAN;
    row->wanted = NAN;
    row->rate_per_s = NAN;
    row->rtt_ms = NAN;
    row->rtt_p95_ms = NAN;
    for (size_t i = 0; i < 2; i++) {
        row->latency[i] = (struct sq_latency_second){NAN, NAN, NAN};
    }
    row->data = (struct sq_data_second){0, 0, 0, 0, NAN, NAN};
    row->fps_in = NAN;
    row->score = row->mos = NAN;
    row->setup_p50_ms = NAN;
    row->setup_p95_ms = NAN;
    row->lateness_p99_ms = NAN;
    row->lateness_max_ms = NAN;
    row->cpu_percent = NAN;
}

struct sq_timeline_row *sq_result_add_second(struct sq_result *r)
{
    struct sq_timeline_row *row = GROW(r, timeline, timeline, SQ_RESULT_TIMELINE_MAX);
    if (row) {
        sq_timeline_row_init(row);
    }
    return row;
}

const struct sq_metric_row *sq_result_metric(const struct sq_result *r, enum sq_metric_id id)
{
    for (size_t i = 0; i < r->metric_count; i++) {
        if (r->metrics[i].id == id) {
            return &r->metrics[i];
        }
    }
    return NULL;
}

struct sq_metric_row *sq_result_add_metric(struct sq_result *r, enum sq_metric_id id)
{
    for (size_t i = 0; i < r->metric_count; i++) {
        if (r->metrics[i].id == id) {
            return &r->metrics[i];
        }
    }
    struct sq_hist *hist = sq_zalloc(sizeof(*hist));
    if (!hist) {
        return NULL;
    }
    struct sq_metric_row *row = GROW(r, metrics, metric, SQ_METRIC_COUNT);
    if (!row) {
        sq_free(hist);
        return NULL;
    }
    row->id = id;
    row->hist = hist;
    row->last = NAN;
    return row;
}

const struct sq_slice_row *sq_result_slice(const struct sq_result *r, const struct sq_slice *slice)
{
    for (size_t i = 0; i < r->slice_count; i++) {
        if (sq_slice_same(&r->slices[i].slice, slice)) {
            return &r->slices[i];
        }
    }
    return NULL;
}

struct sq_slice_row *sq_result_add_slice(struct sq_result *r, const struct sq_slice *slice)
{
    for (size_t i = 0; i < r->slice_count; i++) {
        if (sq_slice_same(&r->slices[i].slice, slice)) {
            return &r->slices[i];
        }
    }
    struct sq_hist *hist = sq_zalloc(sizeof(*hist));
    struct sq_slice_row *row = hist ? GROW(r, slices, slice, SQ_RESULT_SLICES_MAX) : NULL;
    if (!row) {
        sq_free(hist);
        return NULL;
    }
    row->slice = *slice;
    row->hist = hist;
    row->last = NAN;
    return row;
}

void sq_metric_row_figures(const struct sq_metric_row *m, struct sq_metric_figures *ret_figures)
{
    struct sq_metric_figures f = {.count = m->hist->sums.count};
    f.min = sq_metric_aggregate(m->hist, m->id, (struct sq_agg){SQ_AGG_MIN, 0});
    f.avg = sq_metric_aggregate(m->hist, m->id, (struct sq_agg){SQ_AGG_AVG, 0});
    f.max = sq_metric_aggregate(m->hist, m->id, (struct sq_agg){SQ_AGG_MAX, 0});
    f.p50 = sq_metric_aggregate(m->hist, m->id, (struct sq_agg){SQ_AGG_QUANTILE, 0.5});
    f.p90 = sq_metric_aggregate(m->hist, m->id, (struct sq_agg){SQ_AGG_QUANTILE, 0.9});
    f.p95 = sq_metric_aggregate(m->hist, m->id, (struct sq_agg){SQ_AGG_QUANTILE, 0.95});
    f.p99 = sq_metric_aggregate(m->hist, m->id, (struct sq_agg){SQ_AGG_QUANTILE, 0.99});
    *ret_figures = f;
}

void sq_timer_row_set(struct sq_timer_row *row, const struct sq_hist *h)
{
    struct sq_metric_figures *f = &row->figures;
    *f = (struct sq_metric_figures){0, NAN, NAN, NAN, NAN, NAN, NAN, NAN};
    if (!h || h->sums.count == 0) {
        return;
    }
    f->count = h->sums.count;
    f->min = (double)h->sums.min / 1e3;
    f->avg = sq_hist_avg(&h->sums) / 1e3;
    f->p50 = (double)sq_hist_quantile(h, 0.5) / 1e3;
    f->p90 = (double)sq_hist_quantile(h, 0.9) / 1e3;
    f->p95 = (double)sq_hist_quantile(h, 0.95) / 1e3;
    f->p99 = (double)sq_hist_quantile(h, 0.99) / 1e3;
    f->max = (double)h->sums.max / 1e3;
}

struct sq_expectation *sq_result_add_expectation(struct sq_result *r, const char *expr)
{
    char *copy = sq_strdup(expr);
    if (!copy) {
        return NULL;
    }
    struct sq_expectation *row = GROW(r, expectations, expectation, SQ_RESULT_EXPECT_MAX);
    if (!row) {
        sq_free(copy);
        return NULL;
    }
    row->expr = copy;
    row->value = NAN;
    return row;
}

static int add_config(struct sq_result *r, const char *key, const char *text,
                      const struct sq_config_row *content)
{
    char *key_copy = sq_strdup(key);
    char *text_copy = text ? sq_strdup(text) : NULL;
    struct sq_config_row *row = NULL;
    if (key_copy && (!text || text_copy)) {
        row = GROW(r, config, config, SQ_RESULT_CONFIG_MAX);
    }
    if (!row) {
        sq_free(key_copy);
        sq_free(text_copy);
        return SQ_ERR_NOMEM;
    }
    *row = *content;
    row->key = key_copy;
    row->text = text_copy;
    return 0;
}

int sq_result_config_text(struct sq_result *r, const char *key, const char *text)
{
    struct sq_config_row row = {.type = SQ_CONFIG_STRING};
    return add_config(r, key, text, &row);
}

int sq_result_config_number(struct sq_result *r, const char *key, double number)
{
    struct sq_config_row row = {.type = SQ_CONFIG_NUMBER, .number = number};
    return add_config(r, key, NULL, &row);
}

int sq_result_config_flag(struct sq_result *r, const char *key, bool flag)
{
    struct sq_config_row row = {.type = SQ_CONFIG_BOOL, .flag = flag};
    return add_config(r, key, NULL, &row);
}

const struct sq_peer_trace *sq_result_trace(const struct sq_result *r, size_t peer)
{
    for (size_t i = 0; i < r->trace_count; i++) {
        if (r->traces[i].peer == peer) {
            return &r->traces[i];
        }
    }
    return NULL;
}

const struct sq_peer_trace *sq_result_story(const struct sq_result *r, size_t peer)
{
    const struct sq_peer_trace *trace = sq_result_trace(r, peer);
    for (size_t i = 0; !trace && i < r->story_count; i++) {
        trace = r->stories[i].peer == peer ? &r->stories[i] : NULL;
    }
    return trace;
}

struct sq_peer_trace *sq_result_add_story(struct sq_result *r, size_t peer)
{
    struct sq_peer_trace *t = GROW(r, stories, story, SQ_RESULT_STORIES_MAX);
    if (t) {
        t->peer = peer;
    }
    return t;
}

struct sq_peer_trace *sq_result_add_trace(struct sq_result *r, size_t peer)
{
    for (size_t i = 0; i < r->trace_count; i++) {
        if (r->traces[i].peer == peer) {
            return &r->traces[i];
        }
    }
    struct sq_peer_trace *t = GROW(r, traces, trace, SQ_RESULT_TRACES_MAX);
    if (t) {
        t->peer = peer;
    }
    return t;
}

int sq_trace_event(struct sq_peer_trace *t, double t_ms, const char *type, const char *value)
{
    if (t->event_count >= SQ_TRACE_EVENTS_MAX) {
        t->events_dropped++;
        return 0;
    }
    char *copy = sq_strdup(value ? value : "");
    if (!copy) {
        return SQ_ERR_NOMEM;
    }
    struct sq_trace_event *e = GROW(t, events, event, SQ_TRACE_EVENTS_MAX);
    if (!e) {
        sq_free(copy);
        return SQ_ERR_NOMEM;
    }
    e->t_ms = t_ms;
    e->value = copy;
    SQ_RESULT_SET(e->type, type);
    return 0;
}

static struct sq_trace_series *find_series(struct sq_peer_trace *t, const char *id,
                                           const char *name)
{
    for (size_t i = 0; i < t->series_count; i++) {
        if (strcmp(t->series[i].name, name) == 0 && strcmp(t->series[i].id, id) == 0) {
            return &t->series[i];
        }
    }
    return NULL;
}

static struct sq_trace_series *series_of(struct sq_peer_trace *t, const char *id, const char *type,
                                         const char *name, double start_ms, double interval_ms)
{
    struct sq_trace_series *s = find_series(t, id, name);
    if (!s) {
        s = GROW(t, series, series, SQ_TRACE_SERIES_MAX);
        if (!s) {
            return NULL;
        }
        SQ_RESULT_SET(s->id, id);
        SQ_RESULT_SET(s->type, type);
        SQ_RESULT_SET(s->name, name);
        s->start_ms = start_ms;
        s->interval_ms = interval_ms;
    }
    return s;
}

int sq_trace_value(struct sq_peer_trace *t, const char *id, const char *type, const char *name,
                   double start_ms, double interval_ms, double value)
{
    struct sq_trace_series *s = series_of(t, id, type, name, start_ms, interval_ms);
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    if (s->n >= SQ_TRACE_POINTS_MAX) {
        return 0;
    }
    double *slot =
        grow((void **)&s->values, &s->n, &s->room, sizeof(*s->values), SQ_TRACE_POINTS_MAX);
    if (!slot) {
        return SQ_ERR_NOMEM;
    }
    *slot = value;
    return 0;
}

int sq_trace_text(struct sq_peer_trace *t, const char *id, const char *type, const char *name,
                  double start_ms, double interval_ms, const char *text)
{
    struct sq_trace_series *s = series_of(t, id, type, name, start_ms, interval_ms);
    if (!s) {
        return SQ_ERR_NOMEM;
    }
    s->n += s->n < SQ_TRACE_POINTS_MAX;
    if (s->text && strcmp(s->text, text) == 0) {
        return 0;
    }
    char *copy = sq_strdup(text);
    if (!copy) {
        return SQ_ERR_NOMEM;
    }
    sq_free(s->text);
    s->text = copy;
    return 0;
}

void sq_result_reconnects(const struct sq_result *r, struct sq_reconnects *ret_reconnects)
{
    struct sq_reconnects all = {.first_drop_ms = NAN, .all_back_ms = NAN};
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        if (p->drops > 0) {
            all.peers++;
            all.back += p->returns == p->drops;
            all.first_drop_ms = fmin(all.first_drop_ms, p->dropped_ms);
            all.all_back_ms = fmax(all.all_back_ms, p->back_ms);
        }
    }
    if (all.back < all.peers) {
        all.all_back_ms = NAN;
    }
    *ret_reconnects = all;
}

void sq_result_tally(struct sq_result *r)
{
    struct sq_peer_counts counts = {.planned = r->counts.planned, .started = r->peer_count};
    memset(r->failures, 0, sizeof(r->failures));
    for (size_t i = 0; i < r->peer_count; i++) {
        struct sq_peer_row *p = &r->peers[i];
        counts.dropped += p->drops > 0 || (p->outcome == SQ_OUTCOME_FAILED && p->connected);
        if (p->outcome == SQ_OUTCOME_OK) {
            counts.ok++;
            p->cause = SQ_FAILURE_NONE;
        } else if (p->outcome == SQ_OUTCOME_PENDING) {
            counts.pending++;
            p->cause = SQ_FAILURE_NONE;
        } else {
            counts.failed++;
            if (p->cause <= SQ_FAILURE_NONE || p->cause >= SQ_FAILURE_COUNT) {
                p->cause = SQ_FAILURE_PROTOCOL;
            }
            struct sq_failure_row *f = &r->failures[p->cause];
            /* The first one that has a sentence is the example. */
            if (f->count++ == 0 || (!r->peers[f->example].message[0] && p->message[0])) {
                f->example = i;
            }
        }
    }
    r->counts = counts;
}

static const char *pick(const char *const *names, size_t n, size_t i)
{
    return i < n ? names[i] : "";
}

#define PICK(names, i) pick((names), sizeof(names) / sizeof((names)[0]), (size_t)(i))

const char *sq_asked_name(enum sq_asked what)
{
    static const char *const names[SQ_ASKED_COUNT] = {
        [SQ_ASKED_RED] = "opus+red",        [SQ_ASKED_STEREO] = "opus+stereo",
        [SQ_ASKED_DTX] = "opus+dtx",        [SQ_ASKED_FEC] = "opus+fec",
        [SQ_ASKED_SIMULCAST] = "simulcast", [SQ_ASKED_AUDIO] = "audio",
        [SQ_ASKED_VIDEO] = "video",         [SQ_ASKED_DATA] = "data",
    };
    return names[what];
}

const char *sq_verdict_name(enum sq_run_verdict v)
{
    static const char *const names[] = {"pass", "fail", "invalid", "error"};
    return PICK(names, v);
}

bool sq_result_is_incomplete(const struct sq_result *r)
{
    return r->incomplete[0] && r->exit_code == SQ_EXIT_USAGE;
}

const char *sq_result_word(const struct sq_result *r)
{
    return sq_result_is_incomplete(r) ? "incomplete" : sq_verdict_name(r->verdict);
}

const char *sq_failure_name(enum sq_failure c)
{
    static const char *const names[] = {"",          "dns",        "connect", "tls",
                                        "signaling", "auth",       "ice",     "dtls",
                                        "no-media",  "media-lost", "timeout", "protocol"};
    _Static_assert(sizeof(names) / sizeof(names[0]) == SQ_FAILURE_COUNT, "a name a cause");
    return PICK(names, c);
}

const char *sq_failure_words(enum sq_failure c)
{
    static const char *const words[] = {
        "",
        "the target's name did not resolve",
        "no connection to the signalling or TURN server",
        "TLS with the signalling or TURN server failed",
        "the signalling server refused, closed the connection, or gave no description",
        "credentials were refused",
        "no ICE candidate pair worked",
        "the DTLS handshake failed",
        "connected, but no media ever came",
        "media had flowed, and then stopped",
        "an answer did not come in time",
        "the other side broke its protocol",
    };
    _Static_assert(sizeof(words) / sizeof(words[0]) == SQ_FAILURE_COUNT, "words a cause");
    return PICK(words, c);
}

const char *sq_outcome_name(enum sq_outcome o)
{
    static const char *const names[] = {"pending", "ok", "failed"};
    return PICK(names, o);
}

const char *sq_stage_name(enum sq_stage p)
{
    static const char *const names[] = {"dns", "connect", "tls",   "signaling",
                                        "ice", "dtls",    "media", "total"};
    return PICK(names, p);
}

const char *sq_flow_name(enum sq_flow f)
{
    static const char *const names[] = {"audio.in", "audio.out", "video.in", "video.out"};
    return PICK(names, f);
}
