#include "cli/pair_call.h"

#include "base/time.h"
#include "report/text.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define SILENT_NS (2 * SQ_NS_PER_SEC) /* audio comes 50 times a second */

struct flow {
    enum sq_flow in, out;
    enum sq_metric_id in_bitrate, in_loss, in_jitter, in_rtt, in_channels;
    enum sq_metric_id out_bitrate, out_loss, out_jitter, out_rtt, out_channels;
};

static const struct flow flows[2] = {
    [SQ_MEDIA_AUDIO] = {SQ_FLOW_AUDIO_IN, SQ_FLOW_AUDIO_OUT, SQ_METRIC_AUDIO_IN_BITRATE,
                        SQ_METRIC_AUDIO_IN_LOSS, SQ_METRIC_AUDIO_IN_JITTER, SQ_METRIC_AUDIO_IN_RTT,
                        SQ_METRIC_AUDIO_IN, SQ_METRIC_AUDIO_OUT_BITRATE, SQ_METRIC_AUDIO_OUT_LOSS,
                        SQ_METRIC_AUDIO_OUT_JITTER, SQ_METRIC_AUDIO_OUT_RTT, SQ_METRIC_AUDIO_OUT},
    [SQ_MEDIA_VIDEO] = {SQ_FLOW_VIDEO_IN, SQ_FLOW_VIDEO_OUT, SQ_METRIC_VIDEO_IN_BITRATE,
                        SQ_METRIC_VIDEO_IN_LOSS, SQ_METRIC_VIDEO_IN_JITTER, SQ_METRIC_VIDEO_IN_RTT,
                        SQ_METRIC_VIDEO_IN, SQ_METRIC_VIDEO_OUT_BITRATE, SQ_METRIC_VIDEO_OUT_LOSS,
                        SQ_METRIC_VIDEO_OUT_JITTER, SQ_METRIC_VIDEO_OUT_RTT, SQ_METRIC_VIDEO_OUT},
};

/* ---- What can be expected of it ---- */

/* Without media, too. The round trip is that of STUN, under both names. */
static const enum sq_metric_id always[] = {
    SQ_METRIC_SETUP_ICE, SQ_METRIC_SETUP_DTLS,   SQ_METRIC_AUDIO_IN_RTT,  SQ_METRIC_VIDEO_IN_RTT,
    SQ_METRIC_PEERS_OK,  SQ_METRIC_PEERS_FAILED, SQ_METRIC_PEERS_DROPPED, SQ_METRIC_GENERATOR_DROPS,
};
static const enum sq_metric_id of_video[] = {SQ_METRIC_VIDEO_IN_FPS, SQ_METRIC_VIDEO_IN_FREEZE,
                                             SQ_METRIC_VIDEO_IN_FREEZES};
/* The call's row has them, and no samples are taken: for N% of peers alone. */
static const enum sq_metric_id of_row[] = {
    SQ_METRIC_AUDIO_IN_NACK,  SQ_METRIC_AUDIO_OUT_NACK,  SQ_METRIC_VIDEO_IN_NACK,
    SQ_METRIC_VIDEO_OUT_NACK, SQ_METRIC_VIDEO_IN_PLI,    SQ_METRIC_VIDEO_OUT_PLI,
    SQ_METRIC_VIDEO_IN_WIDTH, SQ_METRIC_VIDEO_IN_HEIGHT, SQ_METRIC_VIDEO_IN_DROPPED,
};

static void allow(bool *measured, const enum sq_metric_id *ids, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        measured[ids[i]] = true;
    }
}

static void allow_flow(bool *measured, const struct flow *f)
{
    const enum sq_metric_id ids[] = {f->in_bitrate,  f->in_loss,     f->in_jitter, f->in_rtt,
                                     f->in_channels, f->out_bitrate, f->out_loss,  f->out_jitter,
                                     f->out_rtt,     f->out_channels};
    allow(measured, ids, sizeof(ids) / sizeof(*ids));
}

bool sq_pair_call_measures(const struct sq_expect *e, bool media, char *why, size_t why_room)
{
    bool with_media[SQ_METRIC_ALL_COUNT] = {false};
    bool without[SQ_METRIC_ALL_COUNT] = {false};
    size_t column = 1;
    allow(without, always, sizeof(always) / sizeof(*always));
    allow(with_media, always, sizeof(always) / sizeof(*always));
    allow_flow(with_media, &flows[SQ_MEDIA_AUDIO]);
    allow_flow(with_media, &flows[SQ_MEDIA_VIDEO]);
    allow(with_media, of_video, sizeof(of_video) / sizeof(*of_video));
    if (sq_expect_is_by_peer(e)) {
        allow(with_media, of_row, sizeof(of_row) / sizeof(*of_row));
    }
    const char *never = sq_expect_unmeasured(e, with_media, &column);
    if (never) {
        snprintf(why, why_room,
                 "column %zu: squall pair does not measure %s; expected setup.ice, setup.dtls, of "
                 "audio and video .in and .out their bitrate, loss, jitter and rtt, or video.in's "
                 "fps, freeze and freezes",
                 column, never);
        return false;
    }
    never = media ? NULL : sq_expect_unmeasured(e, without, &column);
    if (never) {
        snprintf(why, why_room,
                 "column %zu: without media there is no %s; expected setup.ice, setup.dtls or "
                 "audio.in.rtt",
                 column, never);
    }
    return !never;
}

static bool has_sample(const struct sq_pair_call *call, enum sq_metric_id id)
{
    const struct sq_metric_row *row = sq_result_metric(call->result, id);
    struct sq_metric_figures figures = {0};
    if (row) {
        sq_metric_row_figures(row, &figures);
    }
    return figures.count > 0;
}

const char *sq_pair_call_rtt_bound(const struct sq_pair_call *call)
{
    return has_sample(call, SQ_METRIC_AUDIO_IN_RTT)    ? "audio.in.rtt < 400ms else warn"
           : has_sample(call, SQ_METRIC_AUDIO_OUT_RTT) ? "audio.out.rtt < 400ms else warn"
           : has_sample(call, SQ_METRIC_VIDEO_OUT_RTT) ? "video.out.rtt < 400ms else warn"
                                                       : NULL;
}

/* ---- Measuring ---- */

int sq_pair_call_init(struct sq_pair_call *call, bool media)
{
    *call = (struct sq_pair_call){.media = media, .ice_rtt_s = -1};
    int err = sq_result_create(&call->result);
    if (!err && !sq_result_add_peer(call->result)) {
        err = SQ_ERR_NOMEM;
    }
    if (!err) {
        call->result->counts.planned = 1;
        SQ_RESULT_SET(call->result->peers[0].id, "pair");
    }
    return err;
}

void sq_pair_call_free(struct sq_pair_call *call)
{
    sq_result_destroy(call->result);
    call->result = NULL;
}

/* Without memory the metric misses a sample; the totals are kept elsewhere. */
static void record(struct sq_pair_call *call, enum sq_metric_id id, double value)
{
    struct sq_metric_row *row = isnan(value) ? NULL : sq_result_add_metric(call->result, id);
    if (row) {
        sq_metric_record(row->hist, id, value);
        row->last = value;
    }
}

void sq_pair_call_begin(struct sq_pair_call *call, const struct sq_peer *peer, uint64_t now_ns)
{
    const struct sq_peer_times *times = sq_peer_times(peer);
    struct sq_peer_row *row = &call->result->peers[0];
    call->began_ns = call->sampled_ns = now_ns;
    sq_peer_transport_stats(peer, &call->transport);
    row->connected = true;
    /* Before both sides know both codes, a time says how fast somebody types: the answerer knows
     * them first, and sees by the other side's first check that it knows them, too. */
    uint64_t from_ns = call->known_ns;
    if (!call->offerer && times->first_check > from_ns) {
        from_ns = times->first_check;
    }
    uint64_t ice_ns = sq_max_u64(times->ice_connected, from_ns);
    row->stage_ms[SQ_STAGE_ICE] = (double)(ice_ns - from_ns) / 1e6;
    record(call, SQ_METRIC_SETUP_ICE, row->stage_ms[SQ_STAGE_ICE]);
    row->stage_ms[SQ_STAGE_DTLS] =
        (double)(sq_max_u64(times->dtls_connected, ice_ns) - ice_ns) / 1e6;
    record(call, SQ_METRIC_SETUP_DTLS, row->stage_ms[SQ_STAGE_DTLS]);
}

static void sample_track(struct sq_pair_call *call, const struct sq_track *track, uint64_t now_ns,
                         double seconds)
{
    const struct flow *flow = &flows[sq_track_kind(track)];
    struct sq_pair_mark *mark = &call->marks[sq_track_kind(track)];
    struct sq_inbound_stats in;
    struct sq_outbound_stats out;
    sq_track_inbound_stats(track, now_ns, &in);
    sq_track_outbound_stats(track, now_ns, &out);
    uint64_t got = in.bytes_received - in.retransmitted_bytes_received;
    uint64_t fresh = out.bytes_sent - out.retransmitted_bytes_sent - out.padding_payload_sent;
    if (seconds > 0.5) {
        record(call, flow->in_bitrate, (double)(got - mark->in_bytes) * 8e-3 / seconds);
        record(call, flow->out_bitrate, (double)(fresh - mark->out_bytes) * 8e-3 / seconds);
        if (got > mark->in_bytes) {
            record(call, flow->in_jitter, in.jitter_s * 1e3);
        }
        if (sq_track_kind(track) == SQ_MEDIA_VIDEO && in.frames_decoded > 0 &&
            now_ns >= in.first_packet_ns + SQ_NS_PER_SEC) {
            record(call, SQ_METRIC_VIDEO_IN_FPS, in.frames_per_second);
        }
    }
    if (out.round_trip_time_measurements > mark->rtts) {
        record(call, flow->out_rtt, out.round_trip_time_s * 1e3);
        record(call, flow->out_jitter, out.remote_jitter_s * 1e3);
    }
    *mark = (struct sq_pair_mark){got, fresh, out.round_trip_time_measurements};
}

void sq_pair_call_transport(struct sq_pair_call *call, const struct sq_transport_stats *now)
{
    struct sq_transport_stats before = call->transport;
    call->transport = *now;
    if (!now->local_addr[0]) {
        memcpy(call->transport.local_addr, before.local_addr, sizeof(before.local_addr));
        memcpy(call->transport.remote_addr, before.remote_addr, sizeof(before.remote_addr));
        memcpy(call->transport.local_type, before.local_type, sizeof(before.local_type));
        memcpy(call->transport.remote_type, before.remote_type, sizeof(before.remote_type));
    }
}

static void sample_ice(struct sq_pair_call *call, const struct sq_peer *peer)
{
    struct sq_transport_stats now;
    sq_peer_transport_stats(peer, &now);
    sq_pair_call_transport(call, &now);
    double rtt_s = call->transport.current_round_trip_time_s;
    if (rtt_s >= 0 && rtt_s != call->ice_rtt_s) {
        call->ice_rtt_s = rtt_s;
        record(call, SQ_METRIC_AUDIO_IN_RTT, rtt_s * 1e3);
        record(call, SQ_METRIC_VIDEO_IN_RTT, rtt_s * 1e3);
    }
}

void sq_pair_call_sample(struct sq_pair_call *call, struct sq_peer *peer, uint64_t now_ns)
{
    double seconds = (double)(now_ns - call->sampled_ns) / 1e9;
    for (size_t i = 0; call->media && i < sq_peer_track_count(peer); i++) {
        sample_track(call, sq_peer_track(peer, i), now_ns, seconds);
    }
    sample_ice(call, peer);
    if (call->transport.bytes_received != call->heard_bytes || !call->heard_ns) {
        call->heard_bytes = call->transport.bytes_received;
        call->heard_ns = now_ns;
    }
    call->sampled_ns = now_ns;
}

uint64_t sq_pair_call_silent_ns(const struct sq_pair_call *call, struct sq_peer *peer,
                                uint64_t now_ns)
{
    bool receives = false;
    for (size_t i = 0; call->media && i < sq_peer_track_count(peer); i++) {
        receives =
            receives || (sq_track_current_direction(sq_peer_track(peer, i)) & SQ_DIR_RECVONLY);
    }
    return receives && now_ns > call->heard_ns + SILENT_NS ? now_ns - call->heard_ns : 0;
}

static double average(const struct sq_pair_call *call, enum sq_metric_id id)
{
    const struct sq_metric_row *row = sq_result_metric(call->result, id);
    struct sq_metric_figures figures;
    if (!row) {
        return NAN;
    }
    sq_metric_row_figures(row, &figures);
    return figures.avg;
}

static double percent(int64_t part, uint64_t of)
{
    return of > 0 ? 100.0 * (part > 0 ? (double)part : 0) / (double)of : NAN;
}

static void total_track(struct sq_pair_call *call, const struct sq_track *track, uint64_t now_ns)
{
    const struct flow *flow = &flows[sq_track_kind(track)];
    struct sq_inbound_stats in;
    struct sq_outbound_stats out;
    sq_track_inbound_stats(track, now_ns, &in);
    sq_track_outbound_stats(track, now_ns, &out);
    struct sq_peer_row *row = &call->result->peers[0];
    struct sq_flow_totals *in_totals = &row->flow[flow->in];
    sq_flow_totals_init(in_totals);
    in_totals->tracks = in.packets_received > 0;
    in_totals->agreed = sq_track_current_direction(track) & SQ_DIR_RECVONLY;
    in_totals->packets = in.packets_received;
    in_totals->bytes = in.bytes_received;
    in_totals->lost = in.packets_lost;
    in_totals->bitrate_kbps = average(call, flow->in_bitrate);
    in_totals->loss_percent = percent(in.packets_lost, in.packets_expected);
    in_totals->jitter_ms = average(call, flow->in_jitter);
    in_totals->rtt_ms = average(call, flow->in_rtt);
    in_totals->nack = in.nack_count;
    in_totals->pli = in.pli_count;
    in_totals->frames = in.frames_decoded;
    in_totals->key_frames = in.key_frames_decoded;
    in_totals->fps = average(call, SQ_METRIC_VIDEO_IN_FPS);
    in_totals->freezes = in.freeze_count;
    in_totals->freeze_ms = in.total_freezes_duration_s * 1e3;
    in_totals->dropped = in.frames_dropped;
    in_totals->width = in.frame_width;
    in_totals->height = in.frame_height;
    struct sq_flow_totals *out_totals = &row->flow[flow->out];
    sq_flow_totals_init(out_totals);
    out_totals->tracks = out.packets_sent > 0;
    out_totals->packets = out.packets_sent;
    out_totals->bytes = out.bytes_sent;
    out_totals->lost = out.remote_packets_lost;
    out_totals->bitrate_kbps = average(call, flow->out_bitrate);
    out_totals->loss_percent = percent((int64_t)out.reported_lost, out.reported_expected);
    out_totals->jitter_ms = average(call, flow->out_jitter);
    out_totals->rtt_ms = average(call, flow->out_rtt);
    out_totals->nack = out.nack_count;
    out_totals->pli = out.pli_count + out.fir_count;
    out_totals->frames = out.frames_sent;
    out_totals->key_frames = out.key_frames_sent;
    record(call, flow->in_channels, row->flow[flow->in].tracks);
    record(call, flow->out_channels, row->flow[flow->out].tracks);
    record(call, flow->in_loss, row->flow[flow->in].loss_percent);
    record(call, flow->out_loss, row->flow[flow->out].loss_percent);
    if (sq_track_kind(track) == SQ_MEDIA_VIDEO) {
        record(call, SQ_METRIC_VIDEO_IN_FREEZES, (double)in.freeze_count);
        record(call, SQ_METRIC_VIDEO_IN_FREEZE, in.total_freezes_duration_s * 1e3);
    }
}

int sq_pair_call_finish(struct sq_pair_call *call, struct sq_peer *peer, uint64_t now_ns,
                        enum sq_failure cause, const char *text, struct sq_expect *const *expect,
                        size_t expect_len)
{
    struct sq_result *result = call->result;
    struct sq_peer_row *row = &result->peers[0];
    row->outcome = cause == SQ_FAILURE_NONE ? SQ_OUTCOME_OK : SQ_OUTCOME_FAILED;
    row->cause = cause;
    SQ_RESULT_SET(row->message, text);
    if (call->began_ns) {
        sq_pair_call_sample(call, peer, now_ns);
        for (size_t i = 0; call->media && i < sq_peer_track_count(peer); i++) {
            total_track(call, sq_peer_track(peer, i), now_ns);
        }
        char pair[2 * SQ_ADDR_TEXT_MAX + 16] = "";
        if (call->transport.local_addr[0]) {
            snprintf(pair, sizeof(pair), "udp %s -> %s", call->transport.local_addr,
                     call->transport.remote_addr);
        }
        SQ_RESULT_SET(row->local_candidate, call->transport.local_type);
        SQ_RESULT_SET(row->remote_candidate, call->transport.remote_type);
        SQ_RESULT_SET(row->pair, pair);
        result->duration_s = (double)(now_ns - call->began_ns) / 1e9;
    }
    sq_result_tally(result);
    result->of_a_path = true;
    return sq_expect_judge(expect, expect_len, result);
}

/* ---- Telling ---- */

static void put(FILE *out, double value, const char *fmt, const char *unit)
{
    char text[32] = "-";
    if (!isnan(value)) {
        snprintf(text, sizeof(text), fmt, value);
    }
    fprintf(out, "  %9s %s", text, isnan(value) ? "" : unit);
}

static void print_flow(const struct sq_pair_call *call, enum sq_flow flow, FILE *out)
{
    const struct sq_flow_totals *f = &call->result->peers[0].flow[flow];
    fprintf(out, "  %-10s", sq_flow_name(flow));
    if (f->packets == 0) {
        fputs("  nothing\n", out);
        return;
    }
    put(out, f->bitrate_kbps, "%.1f", "kbit/s");
    put(out, f->loss_percent, "%.2f", "% lost");
    put(out, f->jitter_ms, "%.2f", "ms jitter");
    if (flow == SQ_FLOW_VIDEO_IN) {
        if (!isnan(f->fps)) {
            fprintf(out, "  %.1f fps", f->fps);
        }
        fprintf(out, "  %ux%u  %llu freeze%s", f->width, f->height, (unsigned long long)f->freezes,
                f->freezes == 1 ? "" : "s");
    }
    fputc('\n', out);
}

static void print_rtt(const struct sq_pair_call *call, FILE *out)
{
    static const enum sq_metric_id ids[] = {SQ_METRIC_AUDIO_IN_RTT, SQ_METRIC_AUDIO_OUT_RTT,
                                            SQ_METRIC_VIDEO_OUT_RTT};
    double least = INFINITY, most = -INFINITY;
    double sum = 0;
    uint64_t n = 0;
    for (size_t i = 0; i < sizeof(ids) / sizeof(*ids); i++) {
        const struct sq_metric_row *row = sq_result_metric(call->result, ids[i]);
        struct sq_metric_figures figures;
        if (row && (sq_metric_row_figures(row, &figures), figures.count > 0)) {
            least = fmin(least, figures.min);
            most = fmax(most, figures.max);
            sum += figures.avg * (double)figures.count;
            n += figures.count;
        }
    }
    if (n > 0) {
        fprintf(out, "  round trip  %.2f ms (%.2f to %.2f, %llu measured)\n", sum / (double)n,
                least, most, (unsigned long long)n);
    }
}

static const char *type_words(const char *type)
{
    return strcmp(type, "host") == 0    ? "own address"
           : strcmp(type, "srflx") == 0 ? "behind a NAT, found by STUN"
           : strcmp(type, "prflx") == 0 ? "behind a NAT, found on the way"
                                        : type;
}

void sq_pair_call_print(const struct sq_pair_call *call, FILE *out)
{
    const struct sq_result *r = call->result;
    const struct sq_peer_row *row = &r->peers[0];
    if (call->began_ns) {
        fprintf(out, "\nMeasured for %.1f s\n", r->duration_s);
        if (call->transport.local_addr[0]) {
            fprintf(out, "  path        %s (%s) to %s (%s)\n", call->transport.local_addr,
                    type_words(row->local_candidate), call->transport.remote_addr,
                    type_words(row->remote_candidate));
        }
        fprintf(out, "  security    DTLS %s, %s\n", call->transport.dtls_role,
                call->transport.srtp_profile);
        fprintf(out, "  set up      ICE %.0f ms, DTLS %.0f ms\n", row->stage_ms[SQ_STAGE_ICE],
                row->stage_ms[SQ_STAGE_DTLS]);
        print_rtt(call, out);
        for (int flow = 0; call->media && flow < SQ_FLOW_COUNT; flow++) {
            print_flow(call, (enum sq_flow)flow, out);
        }
        fputs(call->media ? "  (out: loss and jitter as the other side reports them)\n" : "", out);
    }
    fprintf(out, "%s: ", sq_verdict_name(r->verdict));
    sq_report_text_words(r->verdict_reason, out);
    fputc('\n', out);
    if (call->began_ns && r->peers[0].message[0]) {
        fprintf(out, "  %s: ", sq_failure_name(r->peers[0].cause));
        sq_report_text_words(r->peers[0].message, out);
        fputc('\n', out);
    }
    /* Without a call there was nothing that an expectation could be about. */
    for (size_t i = 0; call->began_ns && i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        if (!e->ok) {
            fprintf(out, "  %s ", e->level == SQ_LEVEL_WARN ? "warning:" : "not held:");
            sq_report_text_words(e->message, out);
            fputc('\n', out);
        }
    }
}
