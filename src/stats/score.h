/* The score of a peer's session: 10 less penalties for what its user feels. Each penalty is a
 * function of what was measured and never falls as that gets worse. They add up, and each takes its
 * part of what the others left, so that a bad call is still better than none, which has 0. Formula,
 * sources and worked examples: docs/score.md. Pure functions. */
#ifndef SQ_STATS_SCORE_H
#define SQ_STATS_SCORE_H

#include "stats/mos.h"
#include <stdbool.h>

#define SQ_SCORE_BEST 10.0

/* What is taken away, and for what. */
enum sq_score_part {
    SQ_SCORE_SETUP,
    SQ_SCORE_AUDIO_LOSS,
    SQ_SCORE_VIDEO_LOSS,
    SQ_SCORE_FREEZES,
    SQ_SCORE_LATENCY,
    SQ_SCORE_BITRATE,
    SQ_SCORE_PARTS
};

/* A figure over the seconds of a call. NAN: not measured; of the spread: 0. */
struct sq_score_figure {
    double mean, stddev;
};

struct sq_score_input {
    bool failed;                            /* never connected, or did not keep what it had: 0 */
    double setup_ms;                        /* from the intended start to the first media */
    struct sq_score_figure audio_loss;      /* per cent of the sound played that was made up */
    double audio_burst_ratio;               /* as in struct sq_mos_input */
    const struct sq_mos_codec *audio_codec; /* nullable */
    struct sq_score_figure video_loss;      /* per cent of packets, after repair */
    double freezes, freeze_s;               /* of all video tracks together */
    double watched_s;                       /* the sum of the tracks' times */
    struct sq_score_figure delay_ms;        /* one way, jitter buffer included; the worse of both */
    struct sq_score_figure bitrate;         /* video: share of the target, 1 = all of it; the worse
                                               of what is received and what is sent */
};

struct sq_score {
    double score;                     /* 0 to SQ_SCORE_BEST */
    double penalties[SQ_SCORE_PARTS]; /* points; 0 where nothing was measured, or for who failed */
};

void sq_score(const struct sq_score_input *in, struct sq_score *ret_score);
/* "setup", "audio_loss", … as in peers.csv; and in words. */
const char *sq_score_part_name(enum sq_score_part part);
const char *sq_score_part_words(enum sq_score_part part);

#endif
