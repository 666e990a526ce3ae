/* What a user did in all: the counters of its peers as they end, and its row. */
#include "base/time.h"
#include "net/loop.h"
#include "run/user_sample_int.h"
#include <math.h>
#include <stdio.h>

/* A video track from which no frame has come for so long is blank: a key frame is asked for at
 * once. */
#define BLANK_NS (3 * SQ_NS_PER_SEC)
#define STILL_S  1.0 /* a picture that stands still so long at the end is told */

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

/* `freezes`: so many stand in the time line already. */
static void total_in(struct sq_user *user, const struct sq_track *track, uint64_t freezes,
                     uint64_t now_ns)
{
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    enum sq_flow flow = video ? SQ_FLOW_VIDEO_IN : SQ_FLOW_AUDIO_IN;
    struct sq_flow_totals *totals = &user->row.flow[flow];
    struct sq_inbound_stats in;
    now_ns = sq_sample_until(user, track, now_ns);
    sq_track_inbound_stats(track, now_ns, &in);
    totals->blank += is_blank(user, track, &in, now_ns);
    if (in.packets_received == 0) {
        return;
    }
    count_track(user, flow);
    totals->still += in.freezing_s >= STILL_S;
    totals->packets += in.packets_received;
    totals->bytes += in.bytes_received;
    totals->lost += sq_sample_lost(&in);
    user->sums[flow].lost += (uint64_t)(sq_sample_lost(&in) > 0 ? sq_sample_lost(&in) : 0);
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
    const struct flow_metrics *metrics = &sq_sample_metrics[flow];
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
