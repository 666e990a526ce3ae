/* Inside of the bandwidth estimator: its parts, each in a file of its own. Times are milliseconds
 * as double (our clock, or the receiver's from a zero of its own), rates bits a second. */
#ifndef SQ_PEER_BWE_BWE_INT_H
#define SQ_PEER_BWE_BWE_INT_H

#include "peer/bwe/bwe.h"
#include <math.h>

#define SQ_BWE_LONG_AGO (-1e15) /* finite, so that differences are */
#define SQ_BWE_NO_LIMIT 1e15

static inline double sq_bwe_clamp(double x, double lo, double hi)
{
    return x < lo ? lo : x > hi ? hi : x; /* lo for no number */
}

/* ---- delay.c: does the one-way delay grow? ---- */

#define SQ_BWE_TREND_WINDOW 20

enum sq_bwe_usage { SQ_BWE_NORMAL, SQ_BWE_OVERUSING, SQ_BWE_UNDERUSING };

struct sq_bwe_group { /* packets that left within 5 ms, or arrived in one burst */
    bool set;
    double first_sent_ms, sent_ms, first_arrival_ms, arrival_ms, seen_ms;
};

struct sq_bwe_delay {
    struct sq_bwe_group now, before;
    unsigned reordered;
    enum sq_bwe_usage usage;
    unsigned deltas, overuses;
    double accumulated_ms, smoothed_ms;
    double threshold, trend_before, over_ms, updated_ms, seen_ms;
    double at_ms[SQ_BWE_TREND_WINDOW];
    float delay_ms[SQ_BWE_TREND_WINDOW];
    unsigned len, next;
};

void sq_bwe_delay_init(struct sq_bwe_delay *d);
/* One packet that arrived, in order of arrival; now_ms is when its feedback came. */
void sq_bwe_delay_add(struct sq_bwe_delay *d, double now_ms, double sent_ms, double arrival_ms);

/* ---- aimd.c: what follows from it for the rate ---- */

struct sq_bwe_aimd {
    double min_bps, max_bps, bps, throughput_bps, rtt_ms;
    double changed_ms;
    double capacity_kbps, capacity_dev; /* of the link; capacity 0: not known */
    enum { SQ_BWE_HOLD, SQ_BWE_INCREASE, SQ_BWE_DECREASE } state;
};

void sq_bwe_aimd_init(struct sq_bwe_aimd *a, double start_bps, double min_bps, double max_bps);
/* acked_bps < 0: not known. */
void sq_bwe_aimd_update(struct sq_bwe_aimd *a, double now_ms, enum sq_bwe_usage usage,
                        double acked_bps);
void sq_bwe_aimd_set(struct sq_bwe_aimd *a, double now_ms, double bps);
/* May the rate fall again already? */
bool sq_bwe_aimd_may_reduce(const struct sq_bwe_aimd *a, double now_ms, double acked_bps);

/* ---- throughput.c: what arrives ---- */

#define SQ_BWE_BUCKETS 40

struct sq_bwe_bucket {   /* packets that arrived within 32 ms; times modulo 2^32 us */
    uint32_t arrival_us; /* of the first */
    uint32_t sent_us;    /* of the one that left first */
    uint32_t sent_span_us;
    uint32_t bytes;
    uint16_t span_us; /* to the last arrival */
    uint16_t first_bytes, last_sent_bytes;
    uint16_t packets;
};

struct sq_bwe_throughput {
    struct sq_bwe_bucket buckets[SQ_BWE_BUCKETS];
    unsigned first, len, packets;
};

void sq_bwe_throughput_add(struct sq_bwe_throughput *t, double sent_ms, double arrival_ms,
                           unsigned bytes);
double sq_bwe_throughput_bps(const struct sq_bwe_throughput *t); /* < 0: not known yet */

/* ---- loss.c: what loss says ---- */

#define SQ_BWE_LOSS_WINDOW 15

enum sq_bwe_loss_state { SQ_BWE_LOSS_NONE, SQ_BWE_LOSS_INCREASING, SQ_BWE_LOSS_DECREASING };

struct sq_bwe_loss_seen {
    float bytes, lost_bytes, bps;
};

struct sq_bwe_loss {
    double min_bps, max_bps;
    struct sq_bwe_loss_seen seen[SQ_BWE_LOSS_WINDOW];
    unsigned observations; /* so far */
    double part_bytes, part_lost_bytes;
    double last_sent_ms; /* of the latest observation */
    bool any;
    double average;             /* loss, weighted, without the best and the worst */
    double best_bps, best_loss; /* the channel that explains best what was seen; 0: not known */
    double result_bps;
    enum sq_bwe_loss_state state;
    double upper_bps;
    double recovering_ms, window_limit_bps;
    double hold_until_ms, hold_for_ms, hold_bps;
    double padding_from_ms, padding_bps;
};

void sq_bwe_loss_init(struct sq_bwe_loss *l, double min_bps, double max_bps);
bool sq_bwe_loss_ready(const struct sq_bwe_loss *l);
/* Feedback was worked off: these bytes were told of, so many of them lost; the last packet left at
 * sent_ms. delay_bps: the other estimate; acked_bps < 0: not known. */
void sq_bwe_loss_update(struct sq_bwe_loss *l, double first_sent_ms, double last_sent_ms,
                        double bytes, double lost_bytes, double delay_bps, double acked_bps,
                        bool in_alr);
void sq_bwe_loss_set(struct sq_bwe_loss *l, double bps);

/* ---- probe.c: when to probe, how it is sent, and what it says ---- */

#define SQ_BWE_CLUSTERS 5

struct sq_bwe_cluster {
    uint8_t id; /* 0: free */
    bool sending;
    uint16_t sent_packets;
    float bps, sent_bytes;
    double started_ms, made_ms;
    /* What arrived of it. */
    double first_sent_ms, last_sent_ms, first_arrival_ms, last_arrival_ms;
    float last_sent_bytes, first_arrival_bytes, bytes;
    unsigned packets;
};

struct sq_bwe_prober {
    enum { SQ_BWE_PROBE_INIT, SQ_BWE_PROBE_WAITING, SQ_BWE_PROBE_DONE } state;
    double start_bps, max_bps, needed_bps, estimate_bps;
    double further_bps; /* a result above asks for another probe */
    double initiated_ms;
    double alr_from_ms, alr_ended_ms; /* SQ_BWE_LONG_AGO: not */
    double dropped_ms, before_drop_bps, drop_probed_ms;
    bool blocked; /* the delay grew or loss limits: a probe would make it worse */
    bool loss_limited;
    uint8_t last_id;
    struct sq_bwe_cluster clusters[SQ_BWE_CLUSTERS];
    uint32_t made, results;
};

void sq_bwe_prober_init(struct sq_bwe_prober *p, double start_bps, double max_bps);
void sq_bwe_prober_start(struct sq_bwe_prober *p, double now_ms);
void sq_bwe_prober_set_needed(struct sq_bwe_prober *p, double now_ms, double bps);
void sq_bwe_prober_set_estimate(struct sq_bwe_prober *p, double now_ms, double bps);
/* The delay is back to normal after an overuse. */
void sq_bwe_prober_recovered(struct sq_bwe_prober *p, double now_ms);
void sq_bwe_prober_on_timeout(struct sq_bwe_prober *p, double now_ms);
double sq_bwe_prober_next_ms(const struct sq_bwe_prober *p);
/* A packet of a cluster arrived; the measured rate, or < 0. */
double sq_bwe_prober_arrived(struct sq_bwe_prober *p, uint8_t id, double sent_ms, double arrival_ms,
                             unsigned bytes);
void sq_bwe_prober_sent(struct sq_bwe_prober *p, double now_ms, uint8_t id, size_t bytes);
struct sq_bwe_cluster *sq_bwe_prober_cluster(struct sq_bwe_prober *p); /* being sent, or NULL */
double sq_bwe_cluster_due_ms(const struct sq_bwe_cluster *c);

/* ---- bwe.c ---- */

struct sq_bwe_alr { /* libwebrtc's budget: 65 % of the estimate, over 500 ms */
    double level_bytes, target_bps, at_ms;
    bool on;
};

struct sq_bwe {
    double start_bps, min_bps, max_bps;
    double target_bps, delay_bps, receiver_bps;
    struct sq_bwe_delay delay;
    struct sq_bwe_aimd aimd;
    struct sq_bwe_throughput throughput;
    struct sq_bwe_loss loss;
    struct sq_bwe_prober prober;
    struct sq_bwe_alr alr;
    double sent_ms, feedback_ms, first_feedback_ms; /* the last that was sent, that came */
    double rtt_ms, dropped_ms;
    bool started, any_loss, silent;
    uint32_t overuses;
    /* Where receiver reports are all there is. */
    double min_target_bps, min_since_ms, report_packets, report_lost, decreased_ms, report_ms;
};

#endif
