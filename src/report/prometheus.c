#include "report/prometheus.h"

#include "report/escape.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define NAME_MAX_BYTES 64

/* ---- Gathering ---- */

void sq_prometheus_begin(struct sq_prometheus *p, const struct sq_result *head)
{
    memset(p, 0, sizeof(*p));
    sq_timeline_row_init(&p->row);
    SQ_RESULT_SET(p->version, head->tool_version);
    SQ_RESULT_SET(p->run_id, head->run_id);
    SQ_RESULT_SET(p->target, head->target);
    p->health.lateness_p99_ms = p->health.lateness_max_ms = p->health.cpu_percent = NAN;
    p->health.ok = true;
}

void sq_prometheus_second(struct sq_prometheus *p, const struct sq_run_live *live)
{
    const struct sq_timeline_row *row = live->row;
    p->row = *row;
    p->health = live->health;
    p->peers_max = live->plan->peers;
    p->missed = live->missed;
    if (live->setup_ms) {
        p->setup_ms = *live->setup_ms;
    }
    for (int f = 0; f < SQ_FLOW_COUNT; f++) {
        /* The rates of a row are of what came in its second. */
        p->bytes[f] += isfinite(row->bitrate_kbps[f]) ? row->bitrate_kbps[f] * 125 : 0;
    }
    p->freezes += row->freezes;
    p->messages_in += row->data.messages_in;
    p->messages_out += row->data.messages_out;
    p->data_bytes_in += isfinite(row->data.in_kbps) ? row->data.in_kbps * 125 : 0;
    p->data_bytes_out += isfinite(row->data.out_kbps) ? row->data.out_kbps * 125 : 0;
}

/* ---- Writing ---- */

static void head(struct sq_buf *out, const char *name, const char *type, const char *help)
{
    sq_buf_printf(out, "# HELP squall_%s %s\n# TYPE squall_%s %s\n", name, help, name, type);
}

/* Text of a label: backslash, quote and line end are escaped, the rest is UTF-8. */
static void put_label(struct sq_buf *out, const char *text)
{
    uint32_t c;
    while ((c = sq_utf8_next(&text)) != 0) {
        if (c == '\n') {
            sq_buf_puts(out, "\\n");
        } else {
            sq_buf_puts(out, c == '\\' || c == '"' ? "\\" : "");
            sq_utf8_put(out, c < 0x20 ? ' ' : c);
        }
    }
}

/* `labels`: "" or what stands in braces. Not known: no sample at all. */
static void sample(struct sq_buf *out, const char *name, const char *labels, double value)
{
    if (isfinite(value)) {
        sq_buf_printf(out, "squall_%s%s%s%s %.15g\n", name, labels[0] ? "{" : "", labels,
                      labels[0] ? "}" : "", value);
    }
}

static void single(struct sq_buf *out, const char *name, const char *type, const char *help,
                   double value)
{
    if (isfinite(value)) {
        head(out, name, type, help);
        sample(out, name, "", value);
    }
}

static void put_run(const struct sq_prometheus *p, struct sq_buf *out)
{
    head(out, "run_info", "gauge", "The run: always 1.");
    sq_buf_puts(out, "squall_run_info{run=\"");
    put_label(out, p->run_id);
    sq_buf_puts(out, "\",target=\"");
    put_label(out, p->target);
    sq_buf_puts(out, "\",version=\"");
    put_label(out, p->version);
    sq_buf_puts(out, "\"} 1\n");
    single(out, "run_elapsed_seconds", "gauge", "Time since the run began.",
           isfinite(p->row.t_s) ? p->row.t_s : 0);
}

static void put_peers(const struct sq_prometheus *p, struct sq_buf *out)
{
    const struct sq_timeline_row *r = &p->row;
    single(out, "peers_max", "gauge", "Peers that are there at once, at most.",
           (double)p->peers_max);
    single(out, "peers_connected", "gauge", "Peers that are connected.", (double)r->connected);
    single(out, "peers_planned_total", "counter", "Arrivals that were due by now.",
           (double)r->planned);
    single(out, "peers_started_total", "counter", "Peers that have begun.", (double)r->started);
    single(out, "peers_missed_total", "counter",
           "Arrivals that were due and found no place, as too many were there.", (double)p->missed);
    single(out, "peers_ok_total", "counter", "Peers that left in good order.", (double)r->ok);
    head(out, "peers_failed_total", "counter", "Peers that failed, by cause.");
    for (int c = 1; c < SQ_FAILURE_COUNT; c++) {
        char labels[NAME_MAX_BYTES];
        snprintf(labels, sizeof(labels), "cause=\"%s\"", sq_failure_name((enum sq_failure)c));
        sample(out, "peers_failed_total", labels, (double)r->failed_by_cause[c]);
    }
}

/* setup.total of all that connected. */
static void put_setup(const struct sq_prometheus *p, struct sq_buf *out)
{
    static const uint32_t bounds_ms[] = {25,   50,   100,   250,   500,  1000,
                                         2500, 5000, 10000, 15000, 30000};
    const struct sq_hist_small *h = &p->setup_ms;
    head(out, "setup_seconds", "histogram",
         "Time from when a peer was due to its first media (who found nobody: to its "
         "connection), of those that connected.");
    for (size_t i = 0; i < sizeof(bounds_ms) / sizeof(bounds_ms[0]); i++) {
        sq_buf_printf(out, "squall_setup_seconds_bucket{le=\"%g\"} %llu\n", bounds_ms[i] / 1e3,
                      (unsigned long long)sq_hist_small_count_to(h, bounds_ms[i]));
    }
    sq_buf_printf(out,
                  "squall_setup_seconds_bucket{le=\"+Inf\"} %llu\nsquall_setup_seconds_sum %.15g\n"
                  "squall_setup_seconds_count %llu\n",
                  (unsigned long long)h->sums.count, sq_hist_sum(&h->sums) / 1e3,
                  (unsigned long long)h->sums.count);
}

/* One sample a kind of media and direction. */
static void put_flows(struct sq_buf *out, const char *name, const char *type, const char *help,
                      const double values[SQ_FLOW_COUNT], double factor)
{
    static const char *const labels[] = {
        [SQ_FLOW_AUDIO_IN] = "kind=\"audio\",direction=\"in\"",
        [SQ_FLOW_AUDIO_OUT] = "kind=\"audio\",direction=\"out\"",
        [SQ_FLOW_VIDEO_IN] = "kind=\"video\",direction=\"in\"",
        [SQ_FLOW_VIDEO_OUT] = "kind=\"video\",direction=\"out\"",
    };
    head(out, name, type, help);
    for (int f = 0; f < SQ_FLOW_COUNT; f++) {
        sample(out, name, labels[f], values[f] * factor);
    }
}

static void put_latency(const struct sq_prometheus *p, struct sq_buf *out)
{
    static const char *const kinds[] = {"audio", "video"};
    if (!isfinite(p->row.latency[0].p50_ms) && !isfinite(p->row.latency[1].p50_ms)) {
        return;
    }
    head(out, "latency_seconds", "gauge",
         "One-way latency of what came in the latest second, at percentiles.");
    for (int k = 0; k < 2; k++) {
        const struct sq_latency_second *s = &p->row.latency[k];
        const struct {
            const char *name;
            double ms;
        } all[] = {{"50", s->p50_ms}, {"95", s->p95_ms}, {"99", s->p99_ms}};
        for (size_t i = 0; i < 3; i++) {
            char labels[NAME_MAX_BYTES];
            snprintf(labels, sizeof(labels), "kind=\"%s\",percentile=\"%s\"", kinds[k],
                     all[i].name);
            sample(out, "latency_seconds", labels, all[i].ms / 1e3);
        }
    }
}

static void put_media(const struct sq_prometheus *p, struct sq_buf *out)
{
    const struct sq_timeline_row *r = &p->row;
    put_flows(out, "media_bytes_total", "counter", "RTP payload of all peers.", p->bytes, 1);
    put_flows(out, "loss_ratio", "gauge", "Packets lost of those expected, in the latest second.",
              r->loss_percent, 0.01);
    put_flows(out, "jitter_seconds", "gauge", "Mean over peers, in the latest second.",
              r->jitter_ms, 1e-3);
    single(out, "round_trip_seconds", "gauge", "Mean over peers, in the latest second.",
           r->rtt_ms / 1e3);
    single(out, "round_trip_p95_seconds", "gauge", "95th percentile, in the latest second.",
           r->rtt_p95_ms / 1e3);
    put_latency(p, out);
    single(out, "video_frames_per_second", "gauge",
           "Mean over incoming tracks, in the latest second.", r->fps_in);
    single(out, "video_freezes_total", "counter", "Pictures that stood still.", (double)p->freezes);
}

static void put_data(const struct sq_prometheus *p, struct sq_buf *out)
{
    if (p->messages_in + p->messages_out == 0) {
        return;
    }
    head(out, "data_messages_total", "counter", "Messages on data channels.");
    sample(out, "data_messages_total", "direction=\"in\"", (double)p->messages_in);
    sample(out, "data_messages_total", "direction=\"out\"", (double)p->messages_out);
    head(out, "data_bytes_total", "counter", "Bytes of messages on data channels.");
    sample(out, "data_bytes_total", "direction=\"in\"", p->data_bytes_in);
    sample(out, "data_bytes_total", "direction=\"out\"", p->data_bytes_out);
    single(out, "data_latency_seconds", "gauge",
           "One way, mean over messages of the latest second.", p->row.data.latency_ms / 1e3);
}

static void put_generator(const struct sq_prometheus *p, struct sq_buf *out)
{
    const struct sq_generator_health *g = &p->health;
    single(out, "generator_healthy", "gauge", "Whether Squall kept up in the latest second.",
           g->ok ? 1 : 0);
    single(out, "generator_lateness_p99_seconds", "gauge",
           "Timers: how late, 99th percentile of the latest second.", g->lateness_p99_ms / 1e3);
    single(out, "generator_lateness_max_seconds", "gauge",
           "Timers: how late, the latest second's most.", g->lateness_max_ms / 1e3);
    single(out, "generator_cpu_ratio", "gauge", "Of the busiest thread: 1 is a whole core.",
           g->cpu_percent / 100);
    single(out, "generator_send_errors_total", "counter", "Datagrams that could not be sent.",
           (double)g->send_errors);
    single(out, "generator_receive_drops_total", "counter",
           "Datagrams that the kernel dropped at full sockets.", (double)g->receive_drops);
}

/* What is known once the run is over. */
static void put_verdict(const struct sq_result *r, struct sq_buf *out)
{
    head(out, "run_verdict", "gauge", "1 for the verdict of the run.");
    for (int v = SQ_VERDICT_PASS; v <= SQ_VERDICT_ERROR; v++) {
        char labels[NAME_MAX_BYTES];
        snprintf(labels, sizeof(labels), "verdict=\"%s\"", sq_verdict_name((enum sq_run_verdict)v));
        sample(out, "run_verdict", labels, r->verdict == (enum sq_run_verdict)v);
    }
    single(out, "run_exit_code", "gauge", "Exit code of squall run.", r->exit_code);
    if (r->expectation_count == 0) {
        return;
    }
    head(out, "expectation_held", "gauge", "Whether an expectation held.");
    for (size_t i = 0; i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        bool again = false; /* a sample's labels are its name: twice is none */
        for (size_t k = 0; k < i; k++) {
            again = again || strcmp(r->expectations[k].expr, e->expr) == 0;
        }
        if (!again) {
            sq_buf_puts(out, "squall_expectation_held{expectation=\"");
            put_label(out, e->expr);
            sq_buf_printf(out, "\"} %d\n", e->ok);
        }
    }
}

void sq_prometheus_render(const struct sq_prometheus *p, struct sq_buf *out)
{
    put_run(p, out);
    put_peers(p, out);
    put_setup(p, out);
    put_media(p, out);
    put_data(p, out);
    put_generator(p, out);
    if (p->result) {
        put_verdict(p->result, out);
    }
}
