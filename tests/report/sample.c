#include "report/sample.h"

#include "base/mem.h"
#include "base/rand.h"
#include "run/expect.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

struct sample {
    struct sq_result *r;
    const struct sample_options *o;
    struct sq_rand rand;
};

static double spread(struct sample *s, double middle, double width)
{
    double sum = 0;
    for (int i = 0; i < 4; i++) {
        sum += sq_rand_unit(&s->rand);
    }
    return middle + width * (sum - 2);
}

/* Long-tailed and positive. */
static double tailed(struct sample *s, double middle)
{
    double u = sq_rand_unit(&s->rand);
    return middle * (0.6 + 0.5 * sq_rand_unit(&s->rand) + 0.25 * -log(1 - 0.995 * u));
}

static void record(struct sample *s, enum sq_metric_id id, double value)
{
    struct sq_metric_row *m = sq_result_add_metric(s->r, id);
    if (m && isfinite(value)) {
        sq_metric_record(m->hist, id, value);
        m->last = value;
    }
}

static const struct {
    const char *message;
    enum sq_failure cause;
    bool connected;
} failures[] = {
    {"no candidate pair answered within 15 s (6 pairs tried, 42 checks sent)", SQ_FAILURE_ICE,
     false},
    {"no candidate pair answered within 15 s (4 pairs tried, 28 checks sent)", SQ_FAILURE_ICE,
     false},
    {"the server answered the join with 503 Service Unavailable", SQ_FAILURE_SIGNALING, false},
    {"no candidate pair answered within 15 s (6 pairs tried, 40 checks sent)", SQ_FAILURE_ICE,
     false},
    {"no RTP for 5.0 s after 12.3 s of media; consent had expired", SQ_FAILURE_MEDIA_LOST, true},
    {"the certificate's fingerprint is not the one of the answer", SQ_FAILURE_DTLS, false},
    {"no answer to the offer within 10 s", SQ_FAILURE_TIMEOUT, false},
    {"no RTP for 5.0 s after 17.9 s of media; consent had expired", SQ_FAILURE_MEDIA_LOST, true},
};

static void fill_flow(struct sample *s, struct sq_flow_totals *f, enum sq_flow flow, double life_s)
{
    bool video = flow == SQ_FLOW_VIDEO_IN || flow == SQ_FLOW_VIDEO_OUT;
    unsigned tracks = flow == SQ_FLOW_VIDEO_IN || flow == SQ_FLOW_AUDIO_IN ? 2 : 1;
    double kbps = tracks * (video ? spread(s, 980, 40) : spread(s, 32, 1));
    f->tracks = tracks;
    f->bitrate_kbps = kbps;
    f->packets = (uint64_t)(life_s * tracks * (video ? 106 : 50));
    f->bytes = (uint64_t)(kbps * life_s * 125);
    f->loss_percent = sq_rand_unit(&s->rand) < 0.05 ? tailed(s, 1.5) : tailed(s, 0.12);
    f->lost = (int64_t)((double)f->packets * f->loss_percent / 100);
    f->jitter_ms = tailed(s, video ? 3.5 : 1.8);
    f->rtt_ms = tailed(s, 8);
    f->nack = (uint64_t)f->lost;
    if (video) {
        f->fps = spread(s, 29.8, 0.3);
        f->frames = (uint64_t)(life_s * f->fps * tracks);
        f->key_frames = 2 + f->frames / 300;
        f->pli = sq_rand_below(&s->rand, 3);
        f->width = 640;
        f->height = 360;
        f->freezes = f->loss_percent > 1.2 ? 1 + sq_rand_below(&s->rand, 4) : 0;
        f->freeze_ms = (double)f->freezes * tailed(s, 320);
    }
}

static void record_flow(struct sample *s, const struct sq_flow_totals *f, enum sq_flow flow)
{
    static const enum sq_metric_id first[] = {SQ_METRIC_AUDIO_IN, SQ_METRIC_AUDIO_OUT,
                                              SQ_METRIC_VIDEO_IN, SQ_METRIC_VIDEO_OUT};
    bool video = flow == SQ_FLOW_VIDEO_IN || flow == SQ_FLOW_VIDEO_OUT;
    record(s, first[flow], f->tracks);
    for (int i = 0; i < 5; i++) {
        record(s, first[flow] + 1, spread(s, f->bitrate_kbps, f->bitrate_kbps * 0.03));
        record(s, first[flow] + 3, tailed(s, f->jitter_ms));
        record(s, first[flow] + 4, tailed(s, f->rtt_ms));
        if (video) {
            record(s, flow == SQ_FLOW_VIDEO_IN ? SQ_METRIC_VIDEO_IN_FPS : SQ_METRIC_VIDEO_OUT_FPS,
                   spread(s, f->fps, 1));
        }
    }
    record(s, first[flow] + 2, f->loss_percent);
    if (flow == SQ_FLOW_VIDEO_IN) {
        record(s, SQ_METRIC_VIDEO_IN_FREEZE, f->freeze_ms);
        record(s, SQ_METRIC_VIDEO_IN_FREEZES, (double)f->freezes);
        record(s, SQ_METRIC_VIDEO_IN_NACK, (double)f->nack);
        record(s, SQ_METRIC_VIDEO_IN_PLI, (double)f->pli);
    }
}

static void fill_stages(struct sample *s, struct sq_peer_row *p, bool connected)
{
    static const double middle[] = {NAN, 0.9, NAN, 14, 22, 9, 31};
    double total = 0;
    int last = connected ? SQ_STAGE_TOTAL : SQ_STAGE_ICE;
    for (int i = 0; i < last; i++) {
        p->stage_ms[i] = isnan(middle[i]) ? NAN : tailed(s, middle[i]);
        total += isnan(middle[i]) ? 0 : p->stage_ms[i];
        record(s, SQ_METRIC_SETUP_DNS + (unsigned)i, p->stage_ms[i]);
    }
    if (connected) {
        p->stage_ms[SQ_STAGE_TOTAL] = total + 1;
        record(s, SQ_METRIC_SETUP_TOTAL, total + 1);
    }
}

static void fill_trace(struct sample *s, size_t index)
{
    const struct sq_peer_row *p = &s->r->peers[index];
    struct sq_peer_trace *t = sq_result_add_trace(s->r, index);
    double at = p->start_ms;
    int err = 0;
    if (!t) {
        return;
    }
    err |= sq_result_replace_text(&t->configuration,
                                  "{\"iceServers\":[],\"bundlePolicy\":\"max-bundle\"}");
    err |= sq_result_replace_text(&t->url, "lab:");
    err |= sq_trace_event(t, at, "signaling", "connected to 127.0.0.1:8080");
    err |= sq_trace_event(t, at + 2, "setLocalDescription",
                          "type: offer, sdp: v=0\r\no=- 1 1 IN IP4 0.0.0.0\r\ns=-\r\nt=0 0\r\n");
    err |= sq_trace_event(t, at + 3, "icecandidate",
                          "candidate:1 1 udp 2130706431 127.0.0.1 40123 typ host");
    err |= sq_trace_event(t, at + 15, "iceconnectionstatechange", "checking");
    if (p->connected) {
        err |= sq_trace_event(t, at + 40, "iceconnectionstatechange", "connected");
        err |= sq_trace_event(t, at + 52, "connectionstatechange", "connected");
        for (int i = 0; i < 15; i++) {
            err |= sq_trace_value(t, "IT01V3735928559", "inbound-rtp", "packetsReceived", at + 1000,
                                  1000, 106.0 * i);
            err |= sq_trace_value(t, "IT01V3735928559", "inbound-rtp", "jitter", at + 1000, 1000,
                                  i == 3 ? NAN : 0.0035);
        }
    }
    err |= sq_trace_event(t, p->end_ms - 1, "connectionstatechange", "failed");
    err |= sq_trace_event(t, p->end_ms, "peerFailure", s->o->hostile ? s->o->hostile : p->message);
    if (err) {
        t->events_dropped++;
    }
}

static void fill_peer(struct sample *s, unsigned i)
{
    struct sq_peer_row *p = sq_result_add_peer(s->r);
    if (!p) {
        return;
    }
    size_t n_failures = sizeof(failures) / sizeof(failures[0]);
    bool failed = !s->o->healthy && i % 17 == 11;
    size_t kind = (i / 17) % n_failures;
    bool connected = !failed || failures[kind].connected;
    snprintf(p->id, sizeof(p->id), "peer-%u", i + 1);
    snprintf(p->room, sizeof(p->room), "room-%u", i / 10 + 1);
    SQ_RESULT_SET(p->role, i % 10 < 2 ? "publisher" : "viewer");
    p->start_ms = i * 1000.0 * 8 / s->o->peers + spread(s, 4, 3);
    p->outcome = failed ? SQ_OUTCOME_FAILED : SQ_OUTCOME_OK;
    p->connected = connected;
    fill_stages(s, p, connected);
    if (failed) {
        p->cause = failures[kind].cause;
        SQ_RESULT_SET(p->message, failures[kind].message);
        p->end_ms = p->start_ms + (connected ? 17400 : 15000);
    }
    if (s->o->hostile) {
        SQ_RESULT_SET(p->id, s->o->hostile);
        SQ_RESULT_SET(p->room, s->o->hostile);
        SQ_RESULT_SET(p->message, s->o->hostile);
    }
    if (connected) {
        double life_s = s->o->seconds - p->start_ms / 1000;
        SQ_RESULT_SET(p->local_candidate, "host");
        SQ_RESULT_SET(p->remote_candidate, "host");
        snprintf(p->pair, sizeof(p->pair), "udp 127.0.0.1:%u -> 127.0.0.1:%u", 40000 + i,
                 50000 + i);
        for (int f = 0; f < SQ_FLOW_COUNT; f++) {
            bool out = f == SQ_FLOW_AUDIO_OUT || f == SQ_FLOW_VIDEO_OUT;
            if (!out || i % 10 < 2) {
                fill_flow(s, &p->flow[f], (enum sq_flow)f, life_s);
                record_flow(s, &p->flow[f], (enum sq_flow)f);
            }
        }
    }
    if (failed && s->r->trace_count < 50) {
        fill_trace(s, s->r->peer_count - 1);
    }
}

static void count_second(const struct sq_result *r, double t_ms, struct sq_timeline_row *row)
{
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        bool begun = p->start_ms <= t_ms;
        bool ended = isfinite(p->end_ms) && p->end_ms <= t_ms;
        row->started += begun;
        row->connected +=
            begun && !ended && p->connected && p->start_ms + p->stage_ms[SQ_STAGE_TOTAL] <= t_ms;
        if (ended && p->outcome == SQ_OUTCOME_FAILED) {
            row->failed++;
            row->failed_by_cause[p->cause]++;
        }
    }
}

static void fill_second(struct sample *s, unsigned t)
{
    struct sq_timeline_row *row = sq_result_add_second(s->r);
    if (!row) {
        return;
    }
    row->t_s = t + 1;
    count_second(s->r, (t + 1) * 1000.0, row);
    row->planned = t + 1 >= 8 ? s->o->peers : (uint64_t)(t + 1) * s->o->peers / 8;
    double n = (double)row->connected;
    double trouble = t > 18 && t < 23 && !s->o->healthy ? 6 : 1;
    row->bitrate_kbps[SQ_FLOW_AUDIO_IN] = n * spread(s, 64, 1);
    row->bitrate_kbps[SQ_FLOW_AUDIO_OUT] = n / 5 * spread(s, 32, 0.5);
    row->bitrate_kbps[SQ_FLOW_VIDEO_IN] = n * spread(s, 1950, 60) * (trouble > 1 ? 0.86 : 1);
    row->bitrate_kbps[SQ_FLOW_VIDEO_OUT] = n / 5 * spread(s, 980, 20);
    for (int f = 0; f < SQ_FLOW_COUNT && n > 0; f++) {
        bool video = f == SQ_FLOW_VIDEO_IN || f == SQ_FLOW_VIDEO_OUT;
        row->loss_percent[f] = tailed(s, f % 2 ? 0.05 : 0.12) * trouble;
        row->jitter_ms[f] = spread(s, video ? 3.4 : 1.7, 0.3) * sqrt(trouble);
    }
    row->rtt_ms = spread(s, 8, 0.8) * trouble / 1.5;
    row->rtt_p95_ms = row->rtt_ms * 2.1;
    for (int i = 0; i < 2; i++) {
        double p50 = spread(s, i ? 44 : 38, 1) * sqrt(trouble);
        row->latency[i] = (struct sq_latency_second){p50, p50 * 1.3, p50 * 1.8};
    }
    row->score = trouble > 1 ? 5.5 : 9.4;
    row->mos = trouble > 1 ? 2.9 : 4.3;
    row->fps_in = spread(s, trouble > 1 ? 26 : 29.8, 0.2);
    row->freezes = trouble > 1 ? 3 + sq_rand_below(&s->rand, 9) : 0;
    if (t < 9) {
        row->setup_p50_ms = spread(s, 85, 6);
        row->setup_p95_ms = spread(s, 150, 14);
    }
    row->lateness_p99_ms = tailed(s, s->o->starved ? 30 : 0.4);
    row->lateness_max_ms = row->lateness_p99_ms * 4;
    row->cpu_percent = s->o->starved ? 100 : 4 + n * 0.17 + spread(s, 2, 1);
}

static int fill_config(struct sample *s)
{
    struct sq_result *r = s->r;
    int err = sq_result_config_text(r, "target", "lab:");
    err = err ? err : sq_result_config_number(r, "peers", s->o->peers);
    err = err ? err : sq_result_config_text(r, "rate", "25/s");
    err = err ? err : sq_result_config_text(r, "duration", "30s");
    err = err ? err : sq_result_config_text(r, "media", "vp8-360p-1M + opus");
    err = err ? err : sq_result_config_flag(r, "insecure", false);
    err = err ? err
              : sq_result_replace_text(&r->command, "squall run lab: --peers 200 --duration 30s");
    err = err ? err : sq_result_replace_text(&r->target, "lab:");
    return err;
}

static int judge(struct sq_result *r)
{
    static const char *const texts[] = {
        "video.in > 0",           "video.in.bitrate > 1.5M for 90% of peers",
        "video.in.loss.p95 < 1%", "setup.total.p95 < 500ms",
        "peers.failed < 2%",      "audio.in.jitter.p99 < 4 ms else warn",
    };
    enum { N = sizeof(texts) / sizeof(texts[0]) };
    struct sq_expect *list[N] = {0};
    int err = 0;
    for (size_t i = 0; i < N && !err; i++) {
        err = sq_expect_parse(texts[i], &list[i], NULL);
    }
    err = err ? err : sq_expect_judge(list, N, r);
    for (size_t i = 0; i < N; i++) {
        sq_expect_destroy(list[i]);
    }
    return err;
}

static void fill_host(struct sq_result *r)
{
    SQ_RESULT_SET(r->tool_version, "0.1.0");
    SQ_RESULT_SET(r->tool_commit, "0123456789ab");
    SQ_RESULT_SET(r->host.name, "bench-1");
    SQ_RESULT_SET(r->host.kernel, "Linux 6.18.0");
    SQ_RESULT_SET(r->host.cpu, "Example CPU @ 2.5 GHz");
    r->host.cores = 2;
    r->seed = 42;
    r->started_wall_ns = 1795230301250000000ULL;
    sq_result_make_id(r->started_wall_ns, 0xab12cd, r->run_id);
}

/* One server that gave each peer its relay, and one that did not. */
static void fill_turn(struct sample *s)
{
    struct sq_turn_row good = {.server = "turn:192.0.2.1", .asked = 10, .relays = 10};
    struct sq_turn_row bad = {
        .server = "turn:192.0.2.2", .asked = 10, .failed = 3, .unanswered = 4};
    SQ_RESULT_SET(bad.example, s->o->hostile ? s->o->hostile : "nobody answered for 3 s");
    s->r->turn[0] = good;
    s->r->turn[1] = bad;
    s->r->turn_count = s->r->peer_count > 0 ? 2 : 0;
}

/* A STUN server's name with two addresses: one lives, the other answers nobody. */
static void fill_stun(struct sample *s)
{
    const struct sq_stun_row rows[] = {
        {.address = "192.0.2.3:3478", .asked = 10, .answered = 10},
        {.address = "[2001:db8::3]:3478", .asked = 10, .failed = 1, .unanswered = 6}};
    for (size_t i = 0; i < 2; i++) {
        s->r->stun[i] = rows[i];
        SQ_RESULT_SET(s->r->stun[i].server, s->o->hostile ? s->o->hostile : "stun.example.org");
    }
    s->r->stun_count = s->r->peer_count > 0 ? 2 : 0;
}

struct sq_result *sample_result(const struct sample_options *options)
{
    struct sample s = {.o = options};
    if (sq_result_create(&s.r) != 0) {
        return NULL;
    }
    sq_rand_seed(&s.rand, 7);
    fill_host(s.r);
    s.r->duration_s = options->seconds;
    s.r->counts.planned = options->peers;
    int err = fill_config(&s);
    for (unsigned i = 0; i < options->peers; i++) {
        fill_peer(&s, i);
    }
    for (unsigned t = 0; t < options->seconds; t++) {
        fill_second(&s, t);
    }
    struct sq_generator_health *g = &s.r->generator;
    *g = (struct sq_generator_health){0.06, 0.41, 3.2, 0.41, 41.5, 0, 0, 2, true, "", "", 0};
    if (options->starved) {
        g->ok = false;
        g->lateness_p99_ms = 38;
        g->cpu_percent = 100;
        SQ_RESULT_SET(g->reason, "timers were 38 ms late at p99, above the bound of 10 ms");
    }
    fill_turn(&s);
    fill_stun(&s);
    err = err ? err : judge(s.r);
    if (err) {
        sq_result_destroy(s.r);
        return NULL;
    }
    return s.r;
}

void sample_add_own(struct sq_result *r, const char *name)
{
    struct sq_hist *hist_us = sq_zalloc(sizeof(*hist_us));
    for (uint64_t i = 0; hist_us && i < 100; i++) {
        sq_hist_record(hist_us, 2000 + i % 5 * 1000); /* 2 to 6 ms, 20 times each */
    }
    SQ_RESULT_SET(r->timers[0].name, "post");
    sq_timer_row_set(&r->timers[0], hist_us);
    SQ_RESULT_SET(r->timers[1].name, "never-taken");
    sq_timer_row_set(&r->timers[1], NULL);
    SQ_RESULT_SET(r->timers[2].name, name);
    sq_timer_row_set(&r->timers[2], hist_us);
    r->timers_len = 3;
    SQ_RESULT_SET(r->counters[0].name, "said");
    r->counters[0].count = 1234;
    SQ_RESULT_SET(r->counters[1].name, name);
    r->counters_len = 2;
    sq_free(hist_us);
}
