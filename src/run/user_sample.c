/* Samples of a user: each second while it is up, and once at its end. What a metric's sample is
 * stands in stats/metrics.h. */
#include "base/mem.h"
#include "base/time.h"
#include "media/clip.h"
#include "net/loop.h"
#include "run/user_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A user comes up and leaves between two samples: a rate over less than this says nothing. What
 * passed counts in the time line all the same. */
#define RATE_LEAST_S 0.5
#define FLOWS_BYTES  1000                /* in a second: media, and not checks alone */
#define ASK_NS       (2 * SQ_NS_PER_SEC) /* of silence after that */
/* A video track from which no frame has come for so long is blank: a key frame is asked for at
 * once. */
#define BLANK_NS (3 * SQ_NS_PER_SEC)
#define STILL_S  1.0 /* a picture that stands still so long at the end is told */

/* The metrics of a flow, so that audio and video, in and out, are one piece of code. */
struct flow_metrics {
    enum sq_metric_id channels, bitrate, loss, jitter, rtt, nack, pli;
};

static const struct flow_metrics metrics_of[SQ_FLOW_COUNT] = {
    [SQ_FLOW_AUDIO_IN] = {SQ_METRIC_AUDIO_IN, SQ_METRIC_AUDIO_IN_BITRATE, SQ_METRIC_AUDIO_IN_LOSS,
                          SQ_METRIC_AUDIO_IN_JITTER, SQ_METRIC_AUDIO_IN_RTT,
                          SQ_METRIC_AUDIO_IN_NACK, SQ_METRIC_COUNT},
    [SQ_FLOW_AUDIO_OUT] = {SQ_METRIC_AUDIO_OUT, SQ_METRIC_AUDIO_OUT_BITRATE,
                           SQ_METRIC_AUDIO_OUT_LOSS, SQ_METRIC_AUDIO_OUT_JITTER,
                           SQ_METRIC_AUDIO_OUT_RTT, SQ_METRIC_AUDIO_OUT_NACK, SQ_METRIC_COUNT},
    [SQ_FLOW_VIDEO_IN] = {SQ_METRIC_VIDEO_IN, SQ_METRIC_VIDEO_IN_BITRATE, SQ_METRIC_VIDEO_IN_LOSS,
                          SQ_METRIC_VIDEO_IN_JITTER, SQ_METRIC_VIDEO_IN_RTT,
                          SQ_METRIC_VIDEO_IN_NACK, SQ_METRIC_VIDEO_IN_PLI},
    [SQ_FLOW_VIDEO_OUT] = {SQ_METRIC_VIDEO_OUT, SQ_METRIC_VIDEO_OUT_BITRATE,
                           SQ_METRIC_VIDEO_OUT_LOSS, SQ_METRIC_VIDEO_OUT_JITTER,
                           SQ_METRIC_VIDEO_OUT_RTT, SQ_METRIC_VIDEO_OUT_NACK,
                           SQ_METRIC_VIDEO_OUT_PLI},
};

/* ---- Latency ---- */

void sq_user_on_latency(void *ctx, struct sq_track *track, const struct sq_latency_sample *sample)
{
    struct sq_user_peer *peer = ctx;
    struct sq_user *user = peer->user;
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    struct sq_flow_sums *sums = &user->sums[video ? SQ_FLOW_VIDEO_IN : SQ_FLOW_AUDIO_IN];
    double ms = (double)sample->latency_us / 1e3;
    if (user->state != SQ_USER_UP) {
        return; /* counted from when the user is up, as everything is */
    }
    sq_user_record(user, video ? SQ_METRIC_VIDEO_IN_LATENCY : SQ_METRIC_AUDIO_IN_LATENCY, ms);
    sq_hist_small_record(&user->env->second->latency_us[video],
                         sample->latency_us > 0 ? (uint64_t)sample->latency_us : 0);
    sums->latency_ms += ms;
    sums->latency_n++;
    sq_latency_count(&user->env->tally->latency, video, sample);
}

/* ---- A second ---- */

/* What a user's tracks of one flow did since they were last looked at. */
struct flow_delta {
    uint64_t bytes;
    uint64_t packets;
    double lost;
    double samples, concealed; /* audio in */
    bool carries;              /* its rate is told */
    bool begins;               /* a track of it goes on since a part of this second */
    bool agreed;               /* a track of it is negotiated, whether something comes or not */
    /* For windows of what is told once a peer. */
    bool any;          /* a track of it has carried something so far */
    unsigned channels; /* tracks that carried something in it */
    double nack, pli, freezes, freeze_ms, dropped;
    double gaps, played; /* audio in */
};

struct sampling {
    uint64_t freezes; /* that began */
    struct sq_user *user;
    uint64_t now_ns;
    double seconds;
    bool telling; /* long enough for rates */
    struct flow_delta flows[SQ_FLOW_COUNT];
};

static void record(struct sampling *s, enum sq_metric_id id, double value)
{
    sq_user_record_since(s->user, id, value, s->user->sampled_ns, s->now_ns);
}

static void note_jitter(struct sampling *s, enum sq_flow flow, double jitter_ms)
{
    struct sq_second *second = s->user->env->second;
    record(s, metrics_of[flow].jitter, jitter_ms);
    second->jitter_ms_sum[flow] += jitter_ms;
    second->jitter_n[flow]++;
    s->user->sums[flow].jitter_ms += jitter_ms;
    s->user->sums[flow].jitter_n++;
}

static void note_rtt(struct sampling *s, enum sq_flow flow, double rtt_ms)
{
    struct sq_second *second = s->user->env->second;
    record(s, metrics_of[flow].rtt, rtt_ms);
    second->rtt_ms_sum += rtt_ms;
    second->rtt_n++;
    sq_hist_small_record(&second->rtt_us, (uint64_t)(rtt_ms * 1000));
    s->user->sums[flow].last_rtt_ms = rtt_ms;
    s->user->sums[flow].rtt_ms += rtt_ms;
    s->user->sums[flow].rtt_n++;
}

/* Payload of what was sent for the first time. */
static uint64_t fresh_bytes(const struct sq_outbound_stats *out)
{
    return out->bytes_sent - out->retransmitted_bytes_sent - out->padding_payload_sent;
}

/* What neither a retransmission nor RTX brought. */
static int64_t lost_for_good(const struct sq_inbound_stats *in)
{
    return (int64_t)(in->packets_missing - in->packets_repaired);
}

/* W3C counts a freeze when the next frame ends it; one that its sender leaves open is none. */
static uint64_t ended_freezes(const struct sq_inbound_stats *in)
{
    return in->freeze_count - (in->freezing_s > 0);
}

static uint64_t played_packets(const struct sq_inbound_stats *in)
{
    return in->packets_received - sq_min_u64(in->packets_discarded, in->packets_received);
}

static void mark_in(struct sq_track_mark *mark, const struct sq_inbound_stats *in)
{
    mark->in_bytes = in->bytes_received - in->retransmitted_bytes_received;
    mark->in_packets = in->packets_received;
    mark->in_nack = in->nack_count;
    mark->in_pli = in->pli_count;
    mark->in_dropped = in->frames_dropped;
    mark->in_freeze_s = in->total_freezes_duration_s;
    mark->in_expected = in->packets_expected;
    mark->in_lost = lost_for_good(in);
    mark->in_freezes = ended_freezes(in);
    mark->in_emitted = in->jitter_buffer_emitted_count;
    mark->in_playout_s = in->jitter_buffer_delay_s;
    mark->in_samples = in->total_samples_received;
    mark->in_concealed = in->concealed_samples;
    mark->in_gaps = in->concealment_events;
    mark->in_played = played_packets(in);
}

static void mark_out(struct sq_track_mark *mark, const struct sq_outbound_stats *out)
{
    mark->out_bytes = fresh_bytes(out);
    mark->out_packets = out->packets_sent;
    mark->out_nack = out->nack_count;
    mark->out_pli = out->pli_count + out->fir_count;
    mark->out_expected = out->reported_expected;
    mark->out_lost = out->reported_lost;
    mark->out_rtt_count = out->round_trip_time_measurements;
}

/* Of one encoding; without simulcast it is the track's only one. */
static struct sq_outbound_stats encoding(const struct sq_track *track, unsigned i, uint64_t now_ns)
{
    struct sq_outbound_stats out;
    sq_track_encoding_stats(track, i, now_ns, &out);
    return out;
}

static unsigned encodings(const struct sq_track *track)
{
    unsigned active;
    unsigned n = sq_track_layers(track, &active);
    return n < SQ_LAYERS_MAX ? n : SQ_LAYERS_MAX;
}

static void mark_frames(struct sq_track_mark *mark, const struct sq_track *track, uint64_t now_ns)
{
    for (unsigned i = 0; i < encodings(track); i++) {
        mark->out_frames[i] = encoding(track, i, now_ns).frames_sent;
    }
}

static void note_playout(struct sampling *s, enum sq_flow flow, const struct sq_inbound_stats *in,
                         const struct sq_track_mark *mark)
{
    if (in->jitter_buffer_emitted_count <= mark->in_emitted) {
        return;
    }
    double ms = 1e3 * (in->jitter_buffer_delay_s - mark->in_playout_s) /
                (double)(in->jitter_buffer_emitted_count - mark->in_emitted);
    record(s, flow == SQ_FLOW_VIDEO_IN ? SQ_METRIC_VIDEO_IN_PLAYOUT : SQ_METRIC_AUDIO_IN_PLAYOUT,
           ms);
    sq_user_score_playout(s->user, flow, ms);
    s->user->sums[flow].playout_ms += ms;
    s->user->sums[flow].playout_n++;
}

static void note_fps_in(struct sampling *s, double fps)
{
    struct sq_second *second = s->user->env->second;
    record(s, SQ_METRIC_VIDEO_IN_FPS, fps);
    second->fps_sum += fps;
    second->fps_n++;
    s->user->sums[SQ_FLOW_VIDEO_IN].fps += fps;
    s->user->sums[SQ_FLOW_VIDEO_IN].fps_n++;
}

/* A stream that its sender has ended stands still on purpose: no freeze, and nothing to conceal.
 * It is looked at as it was at its end. */
static uint64_t until(const struct sq_user *user, const struct sq_track *track, uint64_t now_ns)
{
    uint64_t end_ns = user->media_end_ns[sq_track_kind(track)];
    return end_ns ? sq_min_u64(end_ns, now_ns) : now_ns;
}

/* What was counted in this second. */
static void count_in(struct flow_delta *delta, const struct sq_inbound_stats *in,
                     const struct sq_track_mark *mark)
{
    delta->any = true;
    delta->channels += in->packets_received > mark->in_packets;
    delta->nack += (double)in->nack_count - (double)mark->in_nack;
    delta->pli += (double)in->pli_count - (double)mark->in_pli;
    delta->freezes += (double)ended_freezes(in) - (double)mark->in_freezes;
    delta->freeze_ms += 1e3 * (in->total_freezes_duration_s - mark->in_freeze_s);
    delta->dropped += (double)in->frames_dropped - (double)mark->in_dropped;
    delta->gaps += (double)in->concealment_events - (double)mark->in_gaps;
    delta->played += (double)played_packets(in) - (double)mark->in_played;
}

static void count_out(struct flow_delta *delta, const struct sq_outbound_stats *out,
                      const struct sq_track_mark *mark)
{
    delta->any = true;
    delta->channels += out->packets_sent > mark->out_packets;
    delta->nack += (double)out->nack_count - (double)mark->out_nack;
    delta->pli += (double)(out->pli_count + out->fir_count) - (double)mark->out_pli;
}

/* Of this track alone, for those who ask for tracks. */
static void tell_track(struct sampling *s, enum sq_flow flow, uint64_t bytes)
{
    if (s->telling && s->user->slices) {
        sq_slices_track(s->user->env->slices, s->user->slices, metrics_of[flow].bitrate,
                        (double)bytes * 8 / s->seconds / 1e3, s->user->sampled_ns, s->now_ns);
    }
}

static void sample_in(struct sampling *s, const struct sq_track *track, struct sq_track_mark *mark)
{
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    enum sq_flow flow = video ? SQ_FLOW_VIDEO_IN : SQ_FLOW_AUDIO_IN;
    struct flow_delta *delta = &s->flows[flow];
    struct sq_inbound_stats in;
    uint64_t now_ns = until(s->user, track, s->now_ns);
    sq_track_inbound_stats(track, now_ns, &in);
    /* A rate is told of time in which there was somebody to receive from, from its beginning to its
     * end: who has left, or took the place of another meanwhile, was there for a part of it. */
    bool ended = !(sq_track_current_direction(track) & SQ_DIR_RECVONLY);
    bool begins = !ended && in.receiving_since_ns > s->user->sampled_ns;
    delta->agreed = delta->agreed || !ended;
    delta->begins = delta->begins || begins;
    uint64_t in_bytes = in.bytes_received - in.retransmitted_bytes_received;
    if (!ended && !begins) {
        tell_track(s, flow, in_bytes - mark->in_bytes);
    }
    if (in.packets_received == 0) {
        return;
    }
    delta->carries = delta->carries || (!ended && !begins);
    delta->bytes += in_bytes - mark->in_bytes;
    delta->packets += in.packets_expected - mark->in_expected;
    delta->lost += (double)(lost_for_good(&in) - mark->in_lost);
    delta->samples += (double)(in.total_samples_received - mark->in_samples);
    delta->concealed += (double)(in.concealed_samples - mark->in_concealed);
    if (video && !ended && !begins) {
        sq_user_score_video_in(s->user, &in, in_bytes - mark->in_bytes, s->seconds);
    }
    s->user->sums[flow].codec = sq_codec_info(in.codec)->name;
    if (in_bytes > mark->in_bytes) {
        note_jitter(s, flow, in.jitter_s * 1e3);
    }
    uint64_t freezes = ended_freezes(&in) - mark->in_freezes;
    s->user->env->second->freezes += freezes;
    s->freezes += freezes;
    note_playout(s, flow, &in, mark);
    count_in(delta, &in, mark);
    /* A rate of frames needs a whole second of the track. */
    uint64_t from_ns = sq_max_u64(in.first_packet_ns, in.receiving_since_ns);
    if (video && !ended && now_ns >= from_ns + SQ_NS_PER_SEC) {
        note_fps_in(s, in.frames_per_second);
        if (in.frame_width) {
            record(s, SQ_METRIC_VIDEO_IN_WIDTH, in.frame_width);
            record(s, SQ_METRIC_VIDEO_IN_HEIGHT, in.frame_height);
        }
    }
    mark_in(mark, &in);
}

/* Each layer of simulcast that is on has a rate of frames of its own. */
static void sample_fps_out(struct sampling *s, const struct sq_track *track,
                           const struct sq_track_mark *mark)
{
    for (unsigned i = 0; i < encodings(track); i++) {
        struct sq_outbound_stats out = encoding(track, i, s->now_ns);
        double fps = (double)(out.frames_sent - mark->out_frames[i]) / s->seconds;
        if (out.packets_sent > 0 && out.active) {
            record(s, SQ_METRIC_VIDEO_OUT_FPS, fps);
            s->user->sums[SQ_FLOW_VIDEO_OUT].fps += fps;
            s->user->sums[SQ_FLOW_VIDEO_OUT].fps_n++;
        }
    }
}

static void sample_video_out(struct sampling *s, const struct sq_track *track,
                             const struct sq_outbound_stats *out, const struct sq_track_mark *mark)
{
    if (!s->telling) {
        return;
    }
    sample_fps_out(s, track, mark);
    if (out->frame_width) {
        record(s, SQ_METRIC_VIDEO_OUT_WIDTH, out->frame_width);
        record(s, SQ_METRIC_VIDEO_OUT_HEIGHT, out->frame_height);
    }
}

static void sample_out(struct sampling *s, const struct sq_track *track, struct sq_track_mark *mark)
{
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    enum sq_flow flow = video ? SQ_FLOW_VIDEO_OUT : SQ_FLOW_AUDIO_OUT;
    struct flow_delta *delta = &s->flows[flow];
    struct sq_outbound_stats out;
    sq_track_outbound_stats(track, s->now_ns, &out);
    if (out.packets_sent == 0) {
        return;
    }
    delta->carries = true;
    delta->bytes += fresh_bytes(&out) - mark->out_bytes;
    tell_track(s, flow, fresh_bytes(&out) - mark->out_bytes);
    count_out(delta, &out, mark);
    /* A report tells of the time since the one before, not of this second. */
    delta->packets += out.reported_expected - mark->out_expected;
    delta->lost += (double)out.reported_lost - (double)mark->out_lost;
    if (out.round_trip_time_measurements > mark->out_rtt_count) {
        note_rtt(s, flow, out.round_trip_time_s * 1e3);
        note_jitter(s, flow, out.remote_jitter_s * 1e3);
    }
    if (video) {
        if (!sq_user_steps_mute(s->user, SQ_MEDIA_VIDEO)) { /* it sends no less than it is to */
            sq_user_score_video_out(s->user, sq_track_media_codec(track),
                                    fresh_bytes(&out) - mark->out_bytes, s->seconds);
        }
        sample_video_out(s, track, &out, mark);
        mark_frames(mark, track, s->now_ns);
    }
    mark_out(mark, &out);
}

/* Room for the marks of all its tracks. */
static bool mark_tracks(struct sq_user_peer *peer, size_t n)
{
    if (n <= peer->marks_len) {
        return true;
    }
    struct sq_track_mark *grown = sq_realloc(peer->marks, n * sizeof(*grown));
    if (!grown) {
        return false;
    }
    memset(grown + peer->marks_len, 0, (n - peer->marks_len) * sizeof(*grown));
    peer->marks = grown;
    peer->marks_len = n;
    return true;
}

static void sample_bwe(struct sampling *s, const struct sq_peer *rtc)
{
    struct sq_peer_bwe_stats bwe;
    sq_peer_bwe_stats(rtc, s->now_ns, &bwe);
    if (bwe.video_target_bps == 0) {
        return; /* who sends no video probes nothing: the estimate stays where it began */
    }
    record(s, SQ_METRIC_VIDEO_OUT_TARGET, (double)bwe.video_target_bps / 1e3);
    if (bwe.estimate_bps > 0) {
        record(s, SQ_METRIC_BWE_ESTIMATE, (double)bwe.estimate_bps / 1e3);
    }
}

static void sample_peer(struct sampling *s, struct sq_user_peer *peer)
{
    struct sq_peer *rtc = sq_endpoint_peer(peer->endpoint);
    size_t n = sq_peer_track_count(rtc);
    if (!mark_tracks(peer, n)) {
        return;
    }
    bool receives = false;
    for (size_t i = 0; i < n; i++) {
        struct sq_track *track = sq_peer_track(rtc, i);
        if (until(s->user, track, s->now_ns) > s->user->sampled_ns) {
            sample_in(s, track, &peer->marks[i]);
            sample_out(s, track, &peer->marks[i]);
        }
        receives = receives || (sq_track_current_direction(track) & SQ_DIR_RECVONLY);
    }
    struct sq_transport_stats transport;
    sq_peer_transport_stats(rtc, &transport);
    if (transport.bytes_received != peer->heard_bytes || !peer->heard_ns) {
        peer->may_ask |= transport.bytes_received > peer->heard_bytes + FLOWS_BYTES;
        peer->heard_bytes = transport.bytes_received;
        peer->heard_ns = s->now_ns;
    } else if (peer->may_ask && s->now_ns - peer->heard_ns >= ASK_NS) {
        peer->may_ask = false;
        sq_endpoint_ask(peer->endpoint);
    }
    sample_bwe(s, rtc);
    double rtt_s = transport.current_round_trip_time_s;
    sq_user_dump(peer, s->now_ns);
    if (receives && rtt_s >= 0 && rtt_s != s->user->last_ice_rtt_s) {
        for (int flow = SQ_FLOW_AUDIO_IN; flow <= SQ_FLOW_VIDEO_IN; flow += 2) {
            if (s->flows[flow].carries) { /* else it is told once one does */
                s->user->last_ice_rtt_s = rtt_s;
                note_rtt(s, (enum sq_flow)flow, rtt_s * 1e3);
            }
        }
    }
}

/* Silence where media was agreed is a rate of 0, not a missing one. Of frames, too, but for the
 * first second: a rate of frames needs a whole one. */
static void note_silence(struct sampling *s, enum sq_flow flow)
{
    s->user->sums[flow].seconds += s->seconds;
    if (s->telling) {
        record(s, metrics_of[flow].bitrate, 0);
    }
    if (s->telling && flow == SQ_FLOW_VIDEO_IN && s->now_ns >= s->user->up_ns + SQ_NS_PER_SEC) {
        note_fps_in(s, 0);
    }
}

static void tell_part(struct sampling *s, enum sq_metric_id id, double part, double whole)
{
    if (id != SQ_METRIC_COUNT) {
        sq_slices_part(s->user->env->slices, s->user->slices, id, part, whole, s->user->sampled_ns,
                       s->now_ns);
    }
}

/* What this second adds to what is told once a peer. */
static void tell_parts(struct sampling *s, enum sq_flow flow)
{
    const struct flow_metrics *metrics = &metrics_of[flow];
    const struct flow_delta *delta = &s->flows[flow];
    if (!s->user->slices || !s->user->row.connected) {
        return;
    }
    tell_part(s, metrics->channels, delta->channels, 0);
    if (!delta->any) {
        return;
    }
    tell_part(s, metrics->loss, delta->lost, (double)delta->packets);
    tell_part(s, metrics->nack, delta->nack, 0);
    tell_part(s, metrics->pli, delta->pli, 0);
    if (flow == SQ_FLOW_VIDEO_IN) {
        tell_part(s, SQ_METRIC_VIDEO_IN_FREEZE, delta->freeze_ms, 0);
        tell_part(s, SQ_METRIC_VIDEO_IN_FREEZES, delta->freezes, 0);
        tell_part(s, SQ_METRIC_VIDEO_IN_DROPPED, delta->dropped, 0);
    } else if (flow == SQ_FLOW_AUDIO_IN) {
        tell_part(s, SQ_METRIC_AUDIO_IN_CONCEALMENT, delta->concealed, delta->samples);
    }
}

static void close_flow(struct sampling *s, enum sq_flow flow)
{
    const struct flow_delta *delta = &s->flows[flow];
    struct sq_second *second = s->user->env->second;
    s->user->sums[flow].agreed = s->user->sums[flow].agreed || delta->agreed;
    double bits = (double)delta->bytes * 8;
    second->bits[flow] += bits;
    second->packets[flow] += delta->packets;
    second->lost[flow] += delta->lost;
    bool sound = flow == SQ_FLOW_AUDIO_IN;
    sq_user_score_second(s->user, flow, sound ? delta->concealed : delta->lost,
                         sound ? delta->samples : (double)delta->packets, s->telling);
    if (!delta->carries) {
        if (delta->agreed && !delta->begins) { /* what begins may come in a moment */
            note_silence(s, flow);
        }
        return;
    }
    if (s->telling) {
        record(s, metrics_of[flow].bitrate, bits / s->seconds / 1e3);
    }
    s->user->sums[flow].bits += bits;
    s->user->sums[flow].seconds += s->seconds;
}

/* What came before the user was up belongs to no second: marks start where the counters stand. */
void sq_user_begin_samples(struct sq_user *user, uint64_t now_ns)
{
    for (size_t i = 0; i < user->peers_len; i++) {
        struct sq_user_peer *peer = &user->peers[i];
        struct sq_peer *rtc = peer->endpoint ? sq_endpoint_peer(peer->endpoint) : NULL;
        size_t n = rtc ? sq_peer_track_count(rtc) : 0;
        if (!mark_tracks(peer, n)) {
            continue;
        }
        for (size_t t = 0; t < n; t++) {
            struct sq_inbound_stats in;
            struct sq_outbound_stats out;
            sq_track_inbound_stats(sq_peer_track(rtc, t), now_ns, &in);
            sq_track_outbound_stats(sq_peer_track(rtc, t), now_ns, &out);
            mark_in(&peer->marks[t], &in);
            peer->marks[t].in_freezes = 0; /* a count, and no rate: with the first sample */
            mark_out(&peer->marks[t], &out);
            mark_frames(&peer->marks[t], sq_peer_track(rtc, t), now_ns);
        }
    }
    user->sampled_ns = now_ns;
}

/* The second in the user's short history. */
static void note_strip(struct sampling *s)
{
    const struct flow_delta *f = s->flows;
    double in = (double)(f[SQ_FLOW_AUDIO_IN].bytes + f[SQ_FLOW_VIDEO_IN].bytes) * 8;
    double out = (double)(f[SQ_FLOW_AUDIO_OUT].bytes + f[SQ_FLOW_VIDEO_OUT].bytes) * 8;
    uint64_t expected = f[SQ_FLOW_AUDIO_IN].packets + f[SQ_FLOW_VIDEO_IN].packets;
    double lost = f[SQ_FLOW_AUDIO_IN].lost + f[SQ_FLOW_VIDEO_IN].lost;
    if (!s->telling) {
        return;
    }
    const struct sq_strip_point second = {
        .in_kbps = (float)(in / s->seconds / 1e3),
        .out_kbps = (float)(out / s->seconds / 1e3),
        .loss_percent = expected ? (float)fmax(0, 100 * lost / (double)expected) : NAN,
        .freezes = (uint32_t)s->freezes,
    };
    double t_ms = ((double)s->now_ns - (double)s->user->env->start_ns) / 1e6;
    int err = sq_strip_add(&s->user->trace.strip, t_ms, &second);
    (void)err; /* without memory the strip is missing */
}

/* Score and MOS of this second. What begins in it says nothing yet. */
static void tell_score(struct sampling *s)
{
    const struct flow_delta *sound = &s->flows[SQ_FLOW_AUDIO_IN];
    const struct flow_delta *video = &s->flows[SQ_FLOW_VIDEO_IN];
    if (!s->telling || !s->user->row.connected) {
        return;
    }
    const struct sq_user_second second = {
        .sound = {.lost = sound->concealed,
                  .all = sound->samples,
                  .agreed = sound->agreed && (sound->any || !sound->begins),
                  .any = sound->any,
                  .gaps = sound->gaps,
                  .played = sound->played},
        .video = {.lost = video->lost,
                  .all = (double)video->packets,
                  .agreed = video->agreed && (video->any || !video->begins),
                  .any = video->any,
                  .freezes = video->freezes,
                  .freeze_ms = video->freeze_ms},
    };
    sq_user_score_tell(s->user, &second);
}

void sq_user_sample(struct sq_user *user, uint64_t now_ns)
{
    if (user->state != SQ_USER_UP && sq_user_is_dropped(user)) {
        sq_user_score_away(user);
    }
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].endpoint) {
            sq_endpoint_poll(user->peers[i].endpoint);
        }
    }
    now_ns = user->replay_end_ns ? sq_min_u64(user->replay_end_ns, now_ns) : now_ns;
    if (user->state != SQ_USER_UP || now_ns <= user->sampled_ns) {
        return;
    }
    struct sampling s = {
        .user = user, .now_ns = now_ns, .seconds = (double)(now_ns - user->sampled_ns) / 1e9};
    s.telling = s.seconds >= RATE_LEAST_S;
    for (size_t i = 0; i < user->peers_len; i++) {
        if (user->peers[i].recorder) {
            sq_recorder_tick(user->peers[i].recorder);
        }
        if (user->peers[i].endpoint) {
            sample_peer(&s, &user->peers[i]);
            if (s.telling) {
                sq_user_sample_decodes(&user->peers[i], s.seconds);
            }
        }
    }
    for (int flow = 0; flow < SQ_FLOW_COUNT; flow++) {
        close_flow(&s, (enum sq_flow)flow);
        tell_parts(&s, (enum sq_flow)flow);
    }
    tell_score(&s);
    sq_user_data_sample(user, s.seconds, s.telling);
    note_strip(&s);
    sq_user_reconnect_sample(user);
    sq_slices_second(user->env->slices, user->slices, now_ns);
    user->sampled_ns = now_ns;
}

/* ---- The end ---- */

/* `freezes`: so many stand in the time line already. */
/* The other side was to send all the while, and the user was up to see it. */
static bool is_blank(const struct sq_user *user, const struct sq_track *track,
                     const struct sq_inbound_stats *in, uint64_t now_ns)
{
    return sq_track_kind(track) == SQ_MEDIA_VIDEO && user->state == SQ_USER_UP &&
           (sq_track_current_direction(track) & SQ_DIR_RECVONLY) && in->frames_decoded == 0 &&
           now_ns >= sq_max_u64(in->receiving_since_ns, user->up_ns) + BLANK_NS;
}

/* Those of one session: whoever came back by a new one has not got the tracks of both. */
static void count_track(struct sq_user *user, enum sq_flow flow)
{
    struct sq_flow_totals *totals = &user->row.flow[flow];
    if (user->sums[flow].session != user->sessions) {
        user->sums[flow].session = user->sessions;
        totals->tracks = 0;
        totals->still = 0;
    }
    totals->tracks++;
}

static void total_in(struct sq_user *user, const struct sq_track *track, uint64_t freezes,
                     uint64_t now_ns)
{
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    enum sq_flow flow = video ? SQ_FLOW_VIDEO_IN : SQ_FLOW_AUDIO_IN;
    struct sq_flow_totals *totals = &user->row.flow[flow];
    struct sq_inbound_stats in;
    now_ns = until(user, track, now_ns);
    sq_track_inbound_stats(track, now_ns, &in);
    totals->blank += is_blank(user, track, &in, now_ns);
    if (in.packets_received == 0) {
        return;
    }
    count_track(user, flow);
    totals->still += in.freezing_s >= STILL_S;
    totals->packets += in.packets_received;
    totals->bytes += in.bytes_received;
    totals->lost += lost_for_good(&in);
    user->sums[flow].lost += (uint64_t)(lost_for_good(&in) > 0 ? lost_for_good(&in) : 0);
    totals->nack += in.nack_count;
    totals->pli += in.pli_count;
    totals->frames += in.frames_decoded;
    totals->key_frames += in.key_frames_decoded;
    /* One that is open when the peer ends has been seen, and counts. */
    user->env->second->freezes += in.freeze_count - freezes;
    totals->freezes += in.freeze_count;
    totals->freeze_ms += in.total_freezes_duration_s * 1e3;
    user->sums[flow].expected += in.packets_expected;
    user->sums[flow].samples += in.total_samples_received;
    user->sums[flow].concealed += in.concealed_samples;
    totals->dropped += in.frames_dropped;
    sq_user_score_totals(user, track, &in);
    sq_user_dtmf_heard(user, in.dtmf_digits);
    if (in.frame_width) {
        totals->width = in.frame_width;
        totals->height = in.frame_height;
    }
}

static void total_out(struct sq_user *user, const struct sq_track *track, uint64_t now_ns)
{
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    enum sq_flow flow = video ? SQ_FLOW_VIDEO_OUT : SQ_FLOW_AUDIO_OUT;
    struct sq_flow_totals *totals = &user->row.flow[flow];
    struct sq_outbound_stats out;
    sq_track_outbound_stats(track, now_ns, &out);
    if (out.packets_sent == 0) {
        return;
    }
    count_track(user, flow);
    totals->packets += out.packets_sent;
    totals->bytes += out.bytes_sent;
    totals->lost += out.remote_packets_lost;
    totals->nack += out.nack_count;
    totals->pli += out.pli_count + out.fir_count;
    totals->frames += out.frames_sent;
    totals->key_frames += out.key_frames_sent;
    user->row.dtmf_pressed += out.dtmf_events;
    user->sums[flow].expected += out.reported_expected;
    user->sums[flow].lost += out.reported_lost;
    if (out.frame_width) {
        totals->width = out.frame_width;
        totals->height = out.frame_height;
    }
}

void sq_user_finish_peer(struct sq_user_peer *peer, uint64_t now_ns)
{
    sq_user_end_decodes(peer);
    struct sq_user *user = peer->user;
    struct sq_peer *rtc = sq_endpoint_peer(peer->endpoint);
    sq_user_look_at_agreed(user, rtc);
    for (size_t i = 0; i < sq_peer_track_count(rtc); i++) {
        uint64_t freezes = i < peer->marks_len ? peer->marks[i].in_freezes : 0;
        total_in(user, sq_peer_track(rtc, i), freezes, now_ns);
        total_out(user, sq_peer_track(rtc, i), now_ns);
    }
    struct sq_transport_stats transport;
    sq_peer_transport_stats(rtc, &transport);
    if (transport.local_type[0]) {
        char pair[2 * SQ_ADDR_TEXT_MAX + 16];
        SQ_RESULT_SET(user->row.local_candidate, transport.local_type);
        SQ_RESULT_SET(user->row.remote_candidate, transport.remote_type);
        snprintf(pair, sizeof(pair), "%s %s -> %s", transport.protocol, transport.local_addr,
                 transport.remote_addr);
        SQ_RESULT_SET(user->row.pair, pair);
    }
}

static double mean(double sum, uint64_t n)
{
    return n > 0 ? sum / (double)n : NAN;
}

static void finish_flow(struct sq_user *user, enum sq_flow flow)
{
    const struct flow_metrics *metrics = &metrics_of[flow];
    struct sq_flow_totals *totals = &user->row.flow[flow];
    const struct sq_flow_sums *sums = &user->sums[flow];
    totals->jitter_ms = mean(sums->jitter_ms, sums->jitter_n);
    totals->rtt_ms = mean(sums->rtt_ms, sums->rtt_n);
    totals->latency_ms = mean(sums->latency_ms, sums->latency_n);
    totals->fps = mean(sums->fps, sums->fps_n);
    totals->decoded_fps = mean(sums->decoded_fps, sums->decoded_fps_n);
    totals->alive_percent = mean(sums->alive, sums->alive_n);
    totals->playout_ms = mean(sums->playout_ms, sums->playout_n);
    totals->concealment_percent =
        sums->samples > 0 ? 100 * (double)sums->concealed / (double)sums->samples : NAN;
    totals->bitrate_kbps = sums->seconds > 0 ? sums->bits / 1e3 / sums->seconds : NAN;
    totals->loss_percent =
        sums->expected > 0 ? 100 * (double)sums->lost / (double)sums->expected : NAN;
    totals->agreed = sums->agreed;
    if (flow == SQ_FLOW_VIDEO_IN && totals->agreed && totals->tracks == 0) {
        totals->fps = 0;
    }
    if (!user->row.connected) {
        return;
    }
    bool at_last = sums->session >= user->up_session; /* and not only in a session before */
    sq_user_record(user, metrics->channels, at_last ? totals->tracks : 0);
    if (totals->tracks == 0) {
        return;
    }
    sq_user_record(user, metrics->loss, totals->loss_percent);
    sq_user_record(user, metrics->nack, (double)totals->nack);
    if (metrics->pli != SQ_METRIC_COUNT) {
        sq_user_record(user, metrics->pli, (double)totals->pli);
    }
}

void sq_user_finish_row(struct sq_user *user)
{
    for (int flow = 0; flow < SQ_FLOW_COUNT; flow++) {
        finish_flow(user, (enum sq_flow)flow);
    }
    sq_user_tell_agreed(user);
    sq_user_data_finish(user);
    sq_user_finish_decodes(user);
    const struct sq_flow_totals *video = &user->row.flow[SQ_FLOW_VIDEO_IN];
    if (user->row.connected && video->tracks > 0) {
        sq_user_record(user, SQ_METRIC_VIDEO_IN_FREEZE, video->freeze_ms);
        sq_user_record(user, SQ_METRIC_VIDEO_IN_FREEZES, (double)video->freezes);
        sq_user_record(user, SQ_METRIC_VIDEO_IN_DROPPED, (double)video->dropped);
    }
    const struct sq_flow_totals *sound = &user->row.flow[SQ_FLOW_AUDIO_IN];
    if (user->row.connected && sound->tracks > 0) {
        sq_user_record(user, SQ_METRIC_AUDIO_IN_CONCEALMENT, sound->concealment_percent);
    }
    sq_user_finish_score(user);
}
