/* Samples of a user: each second while it is up. What a metric's sample is stands in
 * stats/metrics.h. */
#include "base/mem.h"
#include "base/time.h"
#include "media/clip.h"
#include "net/loop.h"
#include "run/user_sample_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

/* A user comes up and leaves between two samples: a rate over less than this says nothing. What
 * passed counts in the time line all the same. */
#define RATE_LEAST_S 0.5
#define FLOWS_BYTES  1000                /* in a second: media, and not checks alone */
#define ASK_NS       (2 * SQ_NS_PER_SEC) /* of silence after that */

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
    sq_sample_record(s, SQ_METRIC_VIDEO_OUT_TARGET, (double)bwe.video_target_bps / 1e3);
    if (bwe.estimate_bps > 0) {
        sq_sample_record(s, SQ_METRIC_BWE_ESTIMATE, (double)bwe.estimate_bps / 1e3);
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
        if (sq_sample_until(s->user, track, s->now_ns) > s->user->sampled_ns) {
            sq_sample_track(s, track, &peer->marks[i]);
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
                sq_sample_note_rtt(s, (enum sq_flow)flow, rtt_s * 1e3);
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
        sq_sample_record(s, sq_sample_metrics[flow].bitrate, 0);
    }
    if (s->telling && flow == SQ_FLOW_VIDEO_IN && s->now_ns >= s->user->up_ns + SQ_NS_PER_SEC) {
        sq_sample_note_fps_in(s, 0);
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
    const struct flow_metrics *metrics = &sq_sample_metrics[flow];
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
        sq_sample_record(s, sq_sample_metrics[flow].bitrate, bits / s->seconds / 1e3);
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
            sq_sample_mark(&peer->marks[t], sq_peer_track(rtc, t), now_ns);
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
