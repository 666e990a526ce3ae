/* The table of metrics: the names that expectations, results and documentation share, each with its
 * unit, how its samples are taken, and the W3C webrtc-stats identifier it comes from.
 * docs/metrics.md is checked against this table. */
#ifndef SQ_STATS_METRICS_H
#define SQ_STATS_METRICS_H

#include "base/err.h"
#include "base/str.h"
#include "stats/hist.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum sq_metric_id {
    SQ_METRIC_AUDIO_IN,
    SQ_METRIC_AUDIO_IN_BITRATE,
    SQ_METRIC_AUDIO_IN_LOSS,
    SQ_METRIC_AUDIO_IN_JITTER,
    SQ_METRIC_AUDIO_IN_RTT,
    SQ_METRIC_AUDIO_IN_NACK,
    SQ_METRIC_AUDIO_IN_PLAYOUT,
    SQ_METRIC_AUDIO_IN_CONCEALMENT,
    SQ_METRIC_AUDIO_IN_LATENCY,
    SQ_METRIC_AUDIO_IN_HEARD,
    SQ_METRIC_AUDIO_IN_DECODED_FAILED,
    SQ_METRIC_AUDIO_IN_DECODED_DROPPED,
    SQ_METRIC_AUDIO_OUT,
    SQ_METRIC_AUDIO_OUT_BITRATE,
    SQ_METRIC_AUDIO_OUT_LOSS,
    SQ_METRIC_AUDIO_OUT_JITTER,
    SQ_METRIC_AUDIO_OUT_RTT,
    SQ_METRIC_AUDIO_OUT_NACK,
    SQ_METRIC_VIDEO_IN,
    SQ_METRIC_VIDEO_IN_BITRATE,
    SQ_METRIC_VIDEO_IN_LOSS,
    SQ_METRIC_VIDEO_IN_JITTER,
    SQ_METRIC_VIDEO_IN_RTT,
    SQ_METRIC_VIDEO_IN_FPS,
    SQ_METRIC_VIDEO_IN_FREEZE,
    SQ_METRIC_VIDEO_IN_FREEZES,
    SQ_METRIC_VIDEO_IN_WIDTH,
    SQ_METRIC_VIDEO_IN_HEIGHT,
    SQ_METRIC_VIDEO_IN_NACK,
    SQ_METRIC_VIDEO_IN_PLI,
    SQ_METRIC_VIDEO_IN_PLAYOUT,
    SQ_METRIC_VIDEO_IN_DROPPED,
    SQ_METRIC_VIDEO_IN_LATENCY,
    SQ_METRIC_VIDEO_IN_MOVING,
    SQ_METRIC_VIDEO_IN_DECODED_FPS,
    SQ_METRIC_VIDEO_IN_DECODED_FAILED,
    SQ_METRIC_VIDEO_IN_DECODED_DROPPED,
    SQ_METRIC_VIDEO_OUT,
    SQ_METRIC_VIDEO_OUT_BITRATE,
    SQ_METRIC_VIDEO_OUT_LOSS,
    SQ_METRIC_VIDEO_OUT_JITTER,
    SQ_METRIC_VIDEO_OUT_RTT,
    SQ_METRIC_VIDEO_OUT_FPS,
    SQ_METRIC_VIDEO_OUT_WIDTH,
    SQ_METRIC_VIDEO_OUT_HEIGHT,
    SQ_METRIC_VIDEO_OUT_NACK,
    SQ_METRIC_VIDEO_OUT_PLI,
    SQ_METRIC_VIDEO_OUT_TARGET,
    SQ_METRIC_BWE_ESTIMATE,
    SQ_METRIC_DATA_IN_THROUGHPUT,
    SQ_METRIC_DATA_IN_LATENCY,
    SQ_METRIC_DATA_IN_LOSS,
    SQ_METRIC_DATA_IN_MESSAGES,
    SQ_METRIC_DATA_OUT_THROUGHPUT,
    SQ_METRIC_DATA_OUT_MESSAGES,
    SQ_METRIC_DATA_RTT,
    SQ_METRIC_SETUP_DNS,
    SQ_METRIC_SETUP_CONNECT,
    SQ_METRIC_SETUP_TLS,
    SQ_METRIC_SETUP_SIGNALING,
    SQ_METRIC_SETUP_ICE,
    SQ_METRIC_SETUP_DTLS,
    SQ_METRIC_SETUP_MEDIA,
    SQ_METRIC_SETUP_TOTAL,
    SQ_METRIC_ICE_SWITCH_TIME,
    SQ_METRIC_ICE_SWITCH_GAP,
    SQ_METRIC_SCORE,
    SQ_METRIC_MOS,
    SQ_METRIC_PEERS_OK,
    SQ_METRIC_PEERS_FAILED,
    SQ_METRIC_PEERS_DROPPED,
    SQ_METRIC_PEERS_RECONNECT,
    SQ_METRIC_GENERATOR_LATENESS,
    SQ_METRIC_GENERATOR_CPU,
    SQ_METRIC_GENERATOR_DROPS,
    SQ_METRIC_COUNT,
    /* Not of the table: what users of Squall name themselves, any number of each. Their names are
     * kept beside. */
    SQ_METRIC_OWN_TIMER = SQ_METRIC_COUNT, /* timer.NAME */
    SQ_METRIC_OWN_COUNTER,                 /* counter.NAME */
    SQ_METRIC_ALL_COUNT
};

enum sq_metric_unit {
    SQ_UNIT_COUNT,   /* a bare number; written as "" */
    SQ_UNIT_KBPS,    /* kbit/s, 1 kbit = 1000 bit */
    SQ_UNIT_PERCENT, /* % */
    SQ_UNIT_MS,
    SQ_UNIT_FPS,    /* frames/s */
    SQ_UNIT_PIXELS, /* px */
    SQ_UNIT_POINTS, /* score: 0 to 10 */
    SQ_UNIT_MOS,    /* 1 to 5 */
};

enum sq_metric_kind {
    SQ_KIND_DISTRIBUTION, /* many samples: avg, min, max, percentiles */
    SQ_KIND_COUNTER,      /* one number for the whole run; each aggregate is that number */
};

enum sq_metric_flow { SQ_FLOW_NONE, SQ_FLOW_IN, SQ_FLOW_OUT }; /* as seen by the peer */

enum sq_metric_better { SQ_BETTER_NEITHER, SQ_BETTER_LOW, SQ_BETTER_HIGH };

/* When a sample is taken, that is, what one count in the distribution stands for. */
enum sq_metric_sampling {
    SQ_SAMPLING_PEER_SECOND,  /* each second of each connected peer, its tracks summed */
    SQ_SAMPLING_TRACK_SECOND, /* each second of each track that carries media */
    SQ_SAMPLING_REPORT,       /* each report that came in (RTCP) or check that was answered (ICE) */
    SQ_SAMPLING_PEER_TOTAL, /* once a peer, at its end, over its whole call, all tracks together */
    SQ_SAMPLING_PEER_ONCE,  /* once a peer, when the phase ends */
    SQ_SAMPLING_MESSAGE,    /* each message on a data channel */
    SQ_SAMPLING_PEER_END,   /* once a peer, at its end; who failed or never connected, too */
    SQ_SAMPLING_RUN,        /* once, over all peers */
    SQ_SAMPLING_TIMER,      /* each timer of the generator that fires */
    SQ_SAMPLING_FRAME,      /* each frame (video) or packet (audio) that carries a time-tag */
    SQ_SAMPLING_RETURN,     /* each time that a dropped peer came back */
    SQ_SAMPLING_STEP,       /* each time that a peer comes to a step of its scenario */
    SQ_SAMPLING_THREAD_SECOND, /* each second of each generator thread */
};

struct sq_metric {
    const char *name; /* "video.in.bitrate" */
    enum sq_metric_unit unit;
    enum sq_metric_kind kind;
    enum sq_metric_flow flow;
    enum sq_metric_better better;
    enum sq_metric_sampling sampling;
    uint32_t scale;   /* histogram steps a unit: 1000 keeps ms as us */
    const char *text; /* one English sentence */
    const char *w3c;  /* "inbound-rtp.bytesReceived"; "" where W3C has nothing */
};

/* Borrowed, static; NULL for an id that is not one. */
const struct sq_metric *sq_metric_get(enum sq_metric_id id);

/* What is said of a metric besides: metric_notes.c. */
struct sq_metric_note {
    const char *good;    /* what is good: a phrase */
    const char *example; /* an expectation to start from */
};
/* Borrowed, static; NULL for an id that is not one. */
const struct sq_metric_note *sq_metric_note(enum sq_metric_id id);
/* By the exact name; the id, or SQ_ERR_NOTFOUND. */
int sq_metric_find(struct sq_view name);
/* The name in the table that is nearest to a misspelt one, for "did you mean"; NULL if none is
 * near. */
const char *sq_metric_nearest(struct sq_view name);
/* "kbit/s", "%", "ms", "frames/s", "px", "points", "MOS" or "". */
const char *sq_metric_unit_text(enum sq_metric_unit unit);
/* One phrase: "each second of each connected peer, its tracks summed". */
const char *sq_metric_sampling_text(enum sq_metric_sampling sampling);

/* A sample in the metric's unit into a histogram of that metric (value * scale, rounded; below 0
 * counts as 0, NaN is left out), and a histogram's figure back into the metric's unit. */
void sq_metric_record(struct sq_hist *h, enum sq_metric_id id, double value);
double sq_metric_value(enum sq_metric_id id, double steps);

/* Aggregates of product expectations: "avg" "min" "max" "p1".."p99" "p99.9" "stddev" "rstddev"
 * "count" "total" "rate" "last", and Loadero's "1st" "5th" "25th" "50th" "75th" "95th" "99th". */
enum sq_agg_kind {
    SQ_AGG_AVG,
    SQ_AGG_MIN,
    SQ_AGG_MAX,
    SQ_AGG_QUANTILE,
    SQ_AGG_STDDEV,
    SQ_AGG_COUNT,
    SQ_AGG_RATE,    /* per second of the run: the caller divides */
    SQ_AGG_LAST,    /* the caller keeps it */
    SQ_AGG_RSTDDEV, /* the standard deviation in per cent of the average */
    SQ_AGG_TOTAL,   /* the sum */
};

struct sq_agg {
    enum sq_agg_kind kind;
    double q; /* of SQ_AGG_QUANTILE: 0.95 */
};

/* SQ_ERR_NOTFOUND for text that is no aggregate. */
int sq_agg_parse(struct sq_view text, struct sq_agg *ret_agg) SQ_MUST_USE;
/* Splits "video.in.bitrate.p95" into metric and aggregate (the default is avg). The longest metric
 * name wins. SQ_ERR_NOTFOUND if no metric begins the text, or what follows is no aggregate. */
int sq_metric_parse(struct sq_view text, enum sq_metric_id *ret_id,
                    struct sq_agg *ret_agg) SQ_MUST_USE;
/* The aggregate of a histogram in the metric's unit (count without one). For RATE the sum, for LAST
 * NaN; NaN for all but COUNT and RATE when there is no sample. */
double sq_metric_aggregate(const struct sq_hist *h, enum sq_metric_id id, struct sq_agg agg);

#endif
