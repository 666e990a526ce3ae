/* The timeline as JSON for the charts, in steps of several seconds where the run was long. */
#include "report/html_int.h"
#include <math.h>
#include <stddef.h>
#include <string.h>

/* How the seconds of a step become one value. */
enum fold {
    FOLD_MEAN, /* rates and gauges */
    FOLD_MAX,  /* what must not be hidden: lateness, percentiles */
    FOLD_LAST, /* running totals */
};

struct column {
    const char *key;
    size_t offset; /* in struct sq_timeline_row */
    bool integer;  /* uint64_t, else double */
    enum fold fold;
};

#define AT(field) offsetof(struct sq_timeline_row, field)

static const struct column columns[] = {
    {"t", AT(t_s), false, FOLD_LAST},
    {"planned", AT(planned), true, FOLD_LAST},
    {"wanted", AT(wanted), false, FOLD_LAST},
    {"started", AT(started), true, FOLD_LAST},
    {"connected", AT(connected), true, FOLD_LAST},
    {"ok", AT(ok), true, FOLD_LAST},
    {"failedAll", AT(failed), true, FOLD_LAST},
    {"rtt", AT(rtt_ms), false, FOLD_MEAN},
    {"rtt95", AT(rtt_p95_ms), false, FOLD_MAX},
    {"audioLatency50", AT(latency[0].p50_ms), false, FOLD_MEAN},
    {"audioLatency95", AT(latency[0].p95_ms), false, FOLD_MAX},
    {"audioLatency99", AT(latency[0].p99_ms), false, FOLD_MAX},
    {"videoLatency50", AT(latency[1].p50_ms), false, FOLD_MEAN},
    {"videoLatency95", AT(latency[1].p95_ms), false, FOLD_MAX},
    {"videoLatency99", AT(latency[1].p99_ms), false, FOLD_MAX},
    {"dataIn", AT(data.in_kbps), false, FOLD_MEAN},
    {"dataOut", AT(data.out_kbps), false, FOLD_MEAN},
    {"dataLatency", AT(data.latency_ms), false, FOLD_MEAN},
    {"dataRtt", AT(data.rtt_ms), false, FOLD_MEAN},
    {"fps", AT(fps_in), false, FOLD_MEAN},
    {"score", AT(score), false, FOLD_MEAN},
    {"mos", AT(mos), false, FOLD_MEAN},
    {"freezes", AT(freezes), true, FOLD_MAX},
    {"setup50", AT(setup_p50_ms), false, FOLD_MEAN},
    {"setup95", AT(setup_p95_ms), false, FOLD_MAX},
    {"late99", AT(lateness_p99_ms), false, FOLD_MAX},
    {"lateMax", AT(lateness_max_ms), false, FOLD_MAX},
    {"cpu", AT(cpu_percent), false, FOLD_MAX},
    {"sendErrors", AT(send_errors), true, FOLD_MAX},
    {"drops", AT(receive_drops), true, FOLD_MAX},
};

static double cell(const struct sq_timeline_row *row, const struct column *c)
{
    const char *at = (const char *)row + c->offset;
    if (c->integer) {
        uint64_t number;
        memcpy(&number, at, sizeof(number));
        return (double)number;
    }
    double number;
    memcpy(&number, at, sizeof(number));
    return number;
}

static double fold(const struct sq_result *r, size_t from, size_t to, const struct column *c)
{
    double sum = 0, most = NAN, last = NAN;
    size_t n = 0;
    for (size_t i = from; i < to; i++) {
        double v = cell(&r->timeline[i], c);
        if (isfinite(v)) {
            sum += v;
            most = n == 0 || v > most ? v : most;
            last = v;
            n++;
        }
    }
    if (n == 0) {
        return NAN;
    }
    return c->fold == FOLD_LAST ? last : c->fold == FOLD_MAX ? most : sum / (double)n;
}

static void put_column(struct sq_json *j, const struct sq_result *r, const struct column *c)
{
    size_t step = (r->timeline_count + SQ_HTML_POINTS_MAX - 1) / SQ_HTML_POINTS_MAX;
    sq_json_open(j, c->key, '[');
    for (size_t i = 0; i < r->timeline_count; i += step) {
        size_t to = i + step < r->timeline_count ? i + step : r->timeline_count;
        double v = fold(r, i, to, c);
        /* Four digits are more than a chart shows; the CSV has them all. */
        sq_json_number(j, NULL, fabs(v) < 1e5 ? round(v * 1000) / 1000 : round(v));
    }
    sq_json_close(j, ']');
}

static void put_flow_columns(struct sq_json *j, const struct sq_result *r, const char *key,
                             size_t offset)
{
    sq_json_open(j, key, '{');
    for (int f = 0; f < SQ_FLOW_COUNT; f++) {
        struct column c = {sq_flow_name((enum sq_flow)f), offset + (size_t)f * sizeof(double),
                           false, FOLD_MEAN};
        put_column(j, r, &c);
    }
    sq_json_close(j, '}');
}

static void put_failure_columns(struct sq_json *j, const struct sq_result *r)
{
    const struct sq_timeline_row *last =
        r->timeline_count ? &r->timeline[r->timeline_count - 1] : NULL;
    sq_json_open(j, "failed", '{');
    for (int f = 1; last && f < SQ_FAILURE_COUNT; f++) {
        if (last->failed_by_cause[f] > 0) {
            struct column c = {sq_failure_name((enum sq_failure)f),
                               AT(failed_by_cause) + (size_t)f * sizeof(uint64_t), true, FOLD_LAST};
            put_column(j, r, &c);
        }
    }
    sq_json_close(j, '}');
}

void sq_html_data(const struct sq_result *r, struct sq_buf *out)
{
    struct sq_json j = {.out = out, .in_html = true};
    sq_json_open(&j, NULL, '{');
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        put_column(&j, r, &columns[i]);
    }
    put_failure_columns(&j, r);
    put_flow_columns(&j, r, "bitrate", AT(bitrate_kbps));
    put_flow_columns(&j, r, "loss", AT(loss_percent));
    put_flow_columns(&j, r, "jitter", AT(jitter_ms));
    sq_json_close(&j, '}');
}
