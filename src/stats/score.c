#include "stats/score.h"

#include <math.h>

/* All constants of the score; docs/score.md has where each comes from. */
static const struct {
    double spread;                                 /* of a standard deviation that counts */
    double setup_free_s, setup_points, setup_most; /* points for each tenfold */
    double rating_points;                          /* of the E-model's R for a point */
    double video_loss_percent, video_loss_most;    /* loss that costs 63 % of the most */
    double freeze_per_s, freeze_each, freeze_most; /* in 30 s of a picture */
    double freeze_window_s;
    double bitrate_free, bitrate_points, bitrate_most; /* share; points for each factor of e */
    double bitrate_steady;                             /* a spread that any video has */
} k = {
    .spread = 0.5,
    .setup_free_s = 1,
    .setup_points = 3,
    .setup_most = 5,
    .rating_points = 10,
    .video_loss_percent = 3,
    .video_loss_most = 3,
    .freeze_per_s = 0.15,
    .freeze_each = 0.19,
    .freeze_most = 6,
    .freeze_window_s = 30,
    .bitrate_free = 0.9,
    .bitrate_points = 2,
    .bitrate_most = 5,
    .bitrate_steady = 0.3,
};

static double or_zero(double number)
{
    return number > 0 ? number : 0; /* NAN, too */
}

/* A figure of which more is worse: what is uneven is felt as more than its mean. */
static double felt(struct sq_score_figure f)
{
    return or_zero(f.mean) + k.spread * or_zero(f.stddev);
}

static double setup_penalty(double setup_ms)
{
    double s = or_zero(setup_ms) / 1e3;
    return s > k.setup_free_s ? fmin(k.setup_points * log10(s / k.setup_free_s), k.setup_most) : 0;
}

/* What the codec costs by itself is nothing that a service does to its users. */
static double audio_loss_penalty(const struct sq_score_input *in)
{
    if (!in->audio_codec) {
        return 0;
    }
    double ie =
        sq_mos_loss_impairment(in->audio_codec, felt(in->audio_loss), in->audio_burst_ratio) -
        in->audio_codec->ie;
    return ie / k.rating_points;
}

static double video_loss_penalty(const struct sq_score_input *in)
{
    return k.video_loss_most * (1 - exp(-felt(in->video_loss) / k.video_loss_percent));
}

/* One in a call shorter than the window is one in the window. */
static double freeze_penalty(const struct sq_score_input *in)
{
    double windows = fmax(or_zero(in->watched_s) / k.freeze_window_s, 1);
    double bother = k.freeze_per_s * or_zero(in->freeze_s) + k.freeze_each * or_zero(in->freezes);
    return k.freeze_most * (1 - exp(-bother / windows));
}

static double latency_penalty(const struct sq_score_input *in)
{
    return sq_mos_delay_impairment(felt(in->delay_ms)) / k.rating_points;
}

static double bitrate_penalty(const struct sq_score_input *in)
{
    if (isnan(in->bitrate.mean)) {
        return 0;
    }
    double uneven = or_zero(or_zero(in->bitrate.stddev) - k.bitrate_steady);
    double share = or_zero(in->bitrate.mean - k.spread * uneven);
    if (share >= k.bitrate_free) {
        return 0;
    }
    return fmin(k.bitrate_points * log(k.bitrate_free / share), k.bitrate_most);
}

void sq_score(const struct sq_score_input *in, struct sq_score *ret_score)
{
    *ret_score = (struct sq_score){0};
    if (in->failed) {
        return;
    }
    double *p = ret_score->penalties;
    p[SQ_SCORE_SETUP] = setup_penalty(in->setup_ms);
    p[SQ_SCORE_AUDIO_LOSS] = audio_loss_penalty(in);
    p[SQ_SCORE_VIDEO_LOSS] = video_loss_penalty(in);
    p[SQ_SCORE_FREEZES] = freeze_penalty(in);
    p[SQ_SCORE_LATENCY] = latency_penalty(in);
    p[SQ_SCORE_BITRATE] = bitrate_penalty(in);
    double sum = 0;
    for (int i = 0; i < SQ_SCORE_PARTS; i++) {
        sum += p[i];
    }
    ret_score->score = SQ_SCORE_BEST * exp(-sum / SQ_SCORE_BEST);
}

const char *sq_score_part_name(enum sq_score_part part)
{
    static const char *const names[] = {"setup",   "audio_loss", "video_loss",
                                        "freezes", "latency",    "bitrate"};
    return part < SQ_SCORE_PARTS ? names[part] : "";
}

const char *sq_score_part_words(enum sq_score_part part)
{
    static const char *const words[] = {"set-up time", "gaps in the sound", "loss in the picture",
                                        "freezes",     "latency",           "bit rate"};
    return part < SQ_SCORE_PARTS ? words[part] : "";
}
