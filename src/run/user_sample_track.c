/* What a user's tracks did in a second. */
#include "run/user_sample_int.h"

const struct flow_metrics sq_sample_metrics[SQ_FLOW_COUNT] = {
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

void sq_sample_record(struct sampling *s, enum sq_metric_id id, double value)
{
    sq_user_record_since(s->user, id, value, s->user->sampled_ns, s->now_ns);
}

static void note_jitter(struct sampling *s, enum sq_flow flow, double jitter_ms)
{
    struct sq_second *second = s->user->env->second;
    sq_sample_record(s, sq_sample_metrics[flow].jitter, jitter_ms);
    second->jitter_ms_sum[flow] += jitter_ms;
    second->jitter_n[flow]++;
    s->user->sums[flow].jitter_ms += jitter_ms;
    s->user->sums[flow].jitter_n++;
}

void sq_sample_note_rtt(struct sampling *s, enum sq_flow flow, double rtt_ms)
{
    struct sq_second *second = s->user->env->second;
    sq_sample_record(s, sq_sample_metrics[flow].rtt, rtt_ms);
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
    mark->in_lost = sq_sample_lost(in);
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
    sq_sample_record(
        s, flow == SQ_FLOW_VIDEO_IN ? SQ_METRIC_VIDEO_IN_PLAYOUT : SQ_METRIC_AUDIO_IN_PLAYOUT, ms);
    sq_user_score_playout(s->user, flow, ms);
    s->user->sums[flow].playout_ms += ms;
    s->user->sums[flow].playout_n++;
}

void sq_sample_note_fps_in(struct sampling *s, double fps)
{
    struct sq_second *second = s->user->env->second;
    sq_sample_record(s, SQ_METRIC_VIDEO_IN_FPS, fps);
    second->fps_sum += fps;
    second->fps_n++;
    s->user->sums[SQ_FLOW_VIDEO_IN].fps += fps;
    s->user->sums[SQ_FLOW_VIDEO_IN].fps_n++;
}

uint64_t sq_sample_until(const struct sq_user *user, const struct sq_track *track, uint64_t now_ns)
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
        sq_slices_track(s->user->env->slices, s->user->slices, sq_sample_metrics[flow].bitrate,
                        (double)bytes * 8 / s->seconds / 1e3, s->user->sampled_ns, s->now_ns);
    }
}

static void sample_in(struct sampling *s, const struct sq_track *track, struct sq_track_mark *mark)
{
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    enum sq_flow flow = video ? SQ_FLOW_VIDEO_IN : SQ_FLOW_AUDIO_IN;
    struct flow_delta *delta = &s->flows[flow];
    struct sq_inbound_stats in;
    uint64_t now_ns = sq_sample_until(s->user, track, s->now_ns);
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
    delta->lost += (double)(sq_sample_lost(&in) - mark->in_lost);
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
        sq_sample_note_fps_in(s, in.frames_per_second);
        if (in.frame_width) {
            sq_sample_record(s, SQ_METRIC_VIDEO_IN_WIDTH, in.frame_width);
            sq_sample_record(s, SQ_METRIC_VIDEO_IN_HEIGHT, in.frame_height);
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
            sq_sample_record(s, SQ_METRIC_VIDEO_OUT_FPS, fps);
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
        sq_sample_record(s, SQ_METRIC_VIDEO_OUT_WIDTH, out->frame_width);
        sq_sample_record(s, SQ_METRIC_VIDEO_OUT_HEIGHT, out->frame_height);
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
        sq_sample_note_rtt(s, flow, out.round_trip_time_s * 1e3);
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

void sq_sample_track(struct sampling *s, const struct sq_track *track, struct sq_track_mark *mark)
{
    sample_in(s, track, mark);
    sample_out(s, track, mark);
}

void sq_sample_mark(struct sq_track_mark *mark, const struct sq_track *track, uint64_t now_ns)
{
    struct sq_inbound_stats in;
    struct sq_outbound_stats out;
    sq_track_inbound_stats(track, now_ns, &in);
    sq_track_outbound_stats(track, now_ns, &out);
    mark_in(mark, &in);
    mark->in_freezes = 0; /* a count, and no rate: with the first sample */
    mark_out(mark, &out);
    mark_frames(mark, track, now_ns);
}
