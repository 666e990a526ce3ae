/* What the score and MOS of a user are made of: figures by the second, and the two at its end. The
 * formulas stand in stats/mos.h and stats/score.h, and in docs/score.md. */
#include "media/clip.h"
#include "run/user_int.h"
#include <math.h>
#include <string.h>

#define RECENT_KEPT 0.9 /* of the bit rate so far: a clip's own seconds differ */

static void spread_add(struct sq_user_spread *s, double value)
{
    /* Welford's: the sum of squares alone loses what a small spread of large figures is. */
    double before = value - s->mean;
    s->n++;
    s->mean += before / (double)s->n;
    s->squares += before * (value - s->mean);
}

static double spread_stddev(const struct sq_user_spread *s)
{
    return s->n > 0 ? sqrt(fmax(s->squares, 0) / (double)s->n) : NAN;
}

/* The rate of one video stream when nothing holds its sender back; 0: not known. */
static double clip_bps(const struct sq_plan_group *group, enum sq_codec codec, bool all_layers)
{
    const struct sq_clip_track *steps[SQ_CLIP_TRACKS_MAX];
    bool chosen = group->bwe.mode == SQ_BWE_FIXED || group->bwe.max_bps > 0;
    if (!group->clip || group->replay || !group->publishes || !group->video || chosen) {
        return 0; /* who was told a lower rate keeps to it */
    }
    size_t n = sq_clip_ladder(group->clip, codec, steps, SQ_CLIP_TRACKS_MAX);
    size_t layers = all_layers && group->simulcast > 1 ? group->simulcast : 1;
    double bps = 0;
    for (size_t i = 0; i < n && i < layers; i++) {
        bps += steps[n - 1 - i]->average_bps;
    }
    return bps;
}

/* What comes is of this run's own publishers, as far as it knows: the least that any of them sends.
 */
static double received_bps(const struct sq_user *user, enum sq_codec codec)
{
    const struct sq_plan *plan = user->env->plan;
    double least = 0;
    for (size_t i = 0; i < plan->groups_len; i++) {
        double bps = clip_bps(&plan->groups[i], codec, false);
        bool unknown = bps == 0 || plan->groups[i].black; /* black takes next to nothing */
        if (plan->groups[i].publishes && plan->groups[i].video && unknown) {
            return 0;
        }
        least = bps > 0 && (least == 0 || bps < least) ? bps : least;
    }
    return least;
}

void sq_user_score_video_in(struct sq_user *user, const struct sq_inbound_stats *in, uint64_t bytes,
                            double seconds)
{
    struct sq_flow_sums *sums = &user->sums[SQ_FLOW_VIDEO_IN];
    double bps = received_bps(user, in->codec);
    sums->watched_s += seconds;
    sums->second_pictures++;
    if (bps > 0) {
        sums->second_target_bits += bps * seconds;
        sums->second_bits += (double)bytes * 8;
    }
}

void sq_user_score_video_out(struct sq_user *user, enum sq_codec codec, uint64_t bytes,
                             double seconds)
{
    struct sq_flow_sums *sums = &user->sums[SQ_FLOW_VIDEO_OUT];
    double bps = clip_bps(user->group, codec, true);
    if (bps > 0) {
        sums->second_target_bits += bps * seconds;
        sums->second_bits += (double)bytes * 8;
    }
}

void sq_user_score_playout(struct sq_user *user, enum sq_flow flow, double playout_ms)
{
    struct sq_flow_sums *sums = &user->sums[flow];
    bool known = sums->rtt_n > 0;
    double path_ms = sums->last_rtt_ms / 2;
    if (sums->latency_n > sums->seen_latency_n) {
        path_ms = (sums->latency_ms - sums->seen_latency_ms) /
                  (double)(sums->latency_n - sums->seen_latency_n);
        sums->seen_latency_ms = sums->latency_ms;
        sums->seen_latency_n = sums->latency_n;
        known = true;
    }
    if (known) {
        spread_add(&sums->delay_ms, path_ms + playout_ms);
        sums->second_delay_ms = fmax(sums->second_delay_ms, path_ms + playout_ms);
    }
}

void sq_user_score_second(struct sq_user *user, enum sq_flow flow, double lost, double all,
                          bool telling)
{
    struct sq_flow_sums *sums = &user->sums[flow];
    if (telling && all > 0) {
        spread_add(&sums->loss, 100 * fmin(fmax(lost / all, 0), 1));
    }
    if (telling && sums->second_target_bits > 0) {
        spread_add(&sums->share, sums->second_bits / sums->second_target_bits);
    }
    if (telling) {
        sums->recent_bits = RECENT_KEPT * sums->recent_bits + sums->second_bits;
        sums->recent_target_bits =
            RECENT_KEPT * sums->recent_target_bits + sums->second_target_bits;
    }
    sums->share_bits += sums->second_bits;
    sums->target_bits += sums->second_target_bits;
    sums->second_bits = sums->second_target_bits = 0;
}

static double percent_of(double part, double all)
{
    return all > 0 ? 100 * fmin(fmax(part / all, 0), 1) : NAN;
}

static double recent_share(const struct sq_flow_sums *sums)
{
    return sums->recent_target_bits > 0 ? sums->recent_bits / sums->recent_target_bits : NAN;
}

static void add_mos(struct sq_second *to, const struct sq_mos_input *in)
{
    double mos = in->loss_percent >= 100 ? SQ_MOS_LEAST : sq_mos(in);
    if (!isnan(mos)) {
        to->mos_sum += mos;
        to->mos_n++;
    }
}

/* A second of which nothing is known is no good one. */
static bool tells_something(const struct sq_score_input *in)
{
    return !isnan(in->audio_loss.mean) || !isnan(in->video_loss.mean) || !isnan(in->bitrate.mean) ||
           in->delay_ms.mean > 0;
}

/* The call's formula over one second: what is agreed and never came is all loss, a spread within it
 * is none, and the set-up is no second's. */
void sq_user_score_tell(struct sq_user *user, const struct sq_user_second *second)
{
    struct sq_flow_sums *sound = &user->sums[SQ_FLOW_AUDIO_IN];
    struct sq_flow_sums *video = &user->sums[SQ_FLOW_VIDEO_IN];
    const bool deaf = second->sound.agreed && !second->sound.any;
    const bool blind = second->video.agreed && !second->video.any;
    double pictures = fmax(video->second_pictures, 1);
    double packet = (second->sound.all - second->sound.lost) / second->sound.played;
    double sent = recent_share(&user->sums[SQ_FLOW_VIDEO_OUT]);
    double came = blind ? 0 : recent_share(video);
    const struct sq_mos_input heard = {
        .delay_ms = sound->second_delay_ms,
        .loss_percent = deaf ? 100 : percent_of(second->sound.lost, second->sound.all),
        .burst_ratio = second->sound.all > 0
                           ? sq_mos_burst_ratio(second->sound.gaps, second->sound.lost,
                                                second->sound.all, packet)
                           : NAN,
        .codec = sq_mos_codec(sound->codec ? sound->codec : "opus")};
    const struct sq_score_input in = {
        .audio_loss = {heard.loss_percent, 0},
        .audio_burst_ratio = heard.burst_ratio,
        .audio_codec = heard.codec,
        .video_loss = {blind ? 100 : percent_of(second->video.lost, second->video.all), 0},
        .freezes = second->video.freezes / pictures,
        .freeze_s = second->video.freeze_ms / 1e3 / pictures,
        .watched_s = 1,
        .delay_ms = {fmax(sound->second_delay_ms, video->second_delay_ms), 0},
        .bitrate = {isnan(came) || sent < came ? sent : came, 0},
    };
    if (tells_something(&in)) {
        struct sq_score score;
        sq_score(&in, &score);
        user->env->second->score_sum += score.score;
        user->env->second->score_n++;
    }
    if (second->sound.agreed) {
        add_mos(user->env->second, &heard);
    }
    sound->second_delay_ms = video->second_delay_ms = 0;
    video->second_pictures = 0;
}

void sq_user_score_away(struct sq_user *user)
{
    user->env->second->score_n++;
    if (user->want.recv_audio) {
        user->env->second->mos_sum += SQ_MOS_LEAST;
        user->env->second->mos_n++;
    }
}

void sq_user_score_totals(struct sq_user *user, const struct sq_track *track,
                          const struct sq_inbound_stats *in)
{
    bool video = sq_track_kind(track) == SQ_MEDIA_VIDEO;
    struct sq_flow_sums *sums = &user->sums[video ? SQ_FLOW_VIDEO_IN : SQ_FLOW_AUDIO_IN];
    sums->gaps += in->concealment_events;
    sums->played_packets += in->packets_received > in->packets_discarded
                                ? in->packets_received - in->packets_discarded
                                : 0;
    sums->codec = sq_codec_info(in->codec)->name;
}

static void finish_flow(struct sq_flow_totals *totals, const struct sq_flow_sums *sums)
{
    double made_up = (double)sums->concealed;
    double all = (double)sums->samples;
    double packet = sums->played_packets > 0 ? (all - made_up) / (double)sums->played_packets : NAN;
    totals->loss_stddev = spread_stddev(&sums->loss);
    totals->delay_stddev_ms = spread_stddev(&sums->delay_ms);
    totals->target_share = sums->target_bits > 0 ? sums->share_bits / sums->target_bits : NAN;
    totals->target_share_stddev = spread_stddev(&sums->share);
    totals->watched_s = sums->watched_s > 0 ? sums->watched_s : NAN;
    totals->burst_ratio =
        all > 0 ? sq_mos_burst_ratio((double)sums->gaps, made_up, all, packet) : NAN;
    SQ_RESULT_SET(totals->codec, sums->codec);
}

/* One way, from mouth to ear: measured, or half of a round trip, and the play-out delay. A path
 * whose checks were all answered late has no round trip, and a call that broke off early no
 * play-out: what is known is the least that it can be, and a peer that vanishes would make the
 * others look better. */
static double delay_of(const struct sq_flow_totals *f)
{
    double path_ms = isnan(f->latency_ms) ? f->rtt_ms / 2 : f->latency_ms;
    return (isnan(path_ms) ? 0 : path_ms) + (isnan(f->playout_ms) ? 0 : f->playout_ms);
}

/* Media that was agreed and never came is all loss. */
static double loss_of(const struct sq_flow_totals *f, double percent)
{
    return f->tracks == 0 && f->agreed ? 100 : percent;
}

static double mos_of(const struct sq_user *user, bool failed)
{
    const struct sq_flow_totals *f = &user->row.flow[SQ_FLOW_AUDIO_IN];
    if (failed) {
        return user->want.recv_audio ? SQ_MOS_LEAST : NAN;
    }
    if (f->tracks == 0) {
        return f->agreed ? SQ_MOS_LEAST : NAN;
    }
    const struct sq_mos_input in = {.delay_ms = delay_of(f),
                                    .loss_percent = f->concealment_percent,
                                    .burst_ratio = f->burst_ratio,
                                    .codec = sq_mos_codec(f->codec)};
    return sq_mos(&in);
}

/* From getting up to the end; NAN: it never was up. */
static double call_s(const struct sq_peer_row *row)
{
    double s = (row->end_ms - row->start_ms - row->stage_ms[SQ_STAGE_TOTAL]) / 1e3;
    return s > 0 ? s : NAN;
}

/* Whoever was dropped and came back (--reconnect) stood still meanwhile: a freeze each time, of all
 * its pictures, for as long as it was away; and where it has none, of the call. */
static void put_freezes(const struct sq_peer_row *row, struct sq_score_input *in)
{
    const struct sq_flow_totals *video = &row->flow[SQ_FLOW_VIDEO_IN];
    double call = call_s(row);
    double pictures = video->watched_s > call ? video->watched_s / call : 1;
    double away_ms = row->returns > 0 ? row->away_ms : 0;
    in->freezes = (double)video->freezes + row->drops * pictures;
    in->freeze_s = (video->freeze_ms + away_ms * pictures) / 1e3;
    in->watched_s = isnan(video->watched_s) ? call : video->watched_s;
}

static struct sq_score_input inputs_of(const struct sq_peer_row *row)
{
    const struct sq_flow_totals *sound = &row->flow[SQ_FLOW_AUDIO_IN];
    const struct sq_flow_totals *video = &row->flow[SQ_FLOW_VIDEO_IN];
    const struct sq_flow_totals *sent = &row->flow[SQ_FLOW_VIDEO_OUT];
    double heard_ms = delay_of(sound);
    double seen_ms = delay_of(video);
    bool later = seen_ms > heard_ms;
    double came = video->tracks == 0 && video->agreed ? 0 : video->target_share;
    bool less = isnan(came) || sent->target_share < came;
    struct sq_score_input in = {
        .setup_ms = row->stage_ms[SQ_STAGE_TOTAL],
        .audio_loss = {loss_of(sound, sound->concealment_percent), sound->loss_stddev},
        .audio_burst_ratio = sound->burst_ratio,
        .audio_codec = sq_mos_codec(sound->codec[0] ? sound->codec : "opus"),
        .video_loss = {loss_of(video, video->loss_percent), video->loss_stddev},
        .delay_ms = {later ? seen_ms : heard_ms,
                     later ? video->delay_stddev_ms : sound->delay_stddev_ms},
        .bitrate = {less ? sent->target_share : came,
                    less ? sent->target_share_stddev : video->target_share_stddev},
    };
    put_freezes(row, &in);
    return in;
}

/* Who never connected is counted with the worst there is, so that it does not vanish; who was still
 * setting up when the run ended is neither here nor there. */
void sq_user_finish_score(struct sq_user *user)
{
    struct sq_peer_row *row = &user->row;
    bool failed = row->outcome == SQ_OUTCOME_FAILED || !row->connected;
    for (int flow = 0; flow < SQ_FLOW_COUNT; flow++) {
        finish_flow(&row->flow[flow], &user->sums[flow]);
    }
    row->mos = NAN;
    row->score = (struct sq_score){.score = NAN};
    if (row->outcome == SQ_OUTCOME_PENDING) {
        return;
    }
    struct sq_score_input in = inputs_of(row);
    in.failed = failed;
    sq_score(&in, &row->score);
    row->mos = mos_of(user, failed);
    sq_user_record(user, SQ_METRIC_SCORE, row->score.score);
    sq_user_record(user, SQ_METRIC_MOS, row->mos);
}
