/* Additive increase near the link's capacity, multiplicative elsewhere, and a step back below what
 * arrives when the delay grows. draft-ietf-rmcat-gcc-02, section 5.5, as libwebrtc has it. */
#include "peer/bwe/bwe_int.h"

#define BACK_OFF       0.85
#define GROWTH         1.08 /* a second */
#define GROWTH_LEAST   1000.0
#define DEFAULT_RTT_MS 200.0
#define DEV_INIT       0.4
#define DEV_MAX        2.5
#define CAPACITY_ALPHA 0.05
#define FRAME_RATE     30.0
#define PACKET_BITS    (1200.0 * 8)
#define ADD_LEAST      4000.0 /* bit/s a second */

void sq_bwe_aimd_init(struct sq_bwe_aimd *a, double start_bps, double min_bps, double max_bps)
{
    *a = (struct sq_bwe_aimd){
        .min_bps = min_bps,
        .max_bps = max_bps,
        .bps = start_bps,
        .throughput_bps = start_bps,
        .rtt_ms = DEFAULT_RTT_MS,
        .changed_ms = SQ_BWE_LONG_AGO,
        .capacity_dev = DEV_INIT,
        .state = SQ_BWE_HOLD,
    };
}

static double capacity_margin_bps(const struct sq_bwe_aimd *a)
{
    return 3 * sqrt(a->capacity_dev * a->capacity_kbps) * 1000;
}

/* An overuse happens where the link is full: what arrived then is its capacity. */
static void learn_capacity(struct sq_bwe_aimd *a, double bps)
{
    double sample = bps / 1000;
    if (a->capacity_kbps <= 0) {
        a->capacity_kbps = sample;
    } else {
        a->capacity_kbps = (1 - CAPACITY_ALPHA) * a->capacity_kbps + CAPACITY_ALPHA * sample;
    }
    double error = a->capacity_kbps - sample;
    a->capacity_dev = (1 - CAPACITY_ALPHA) * a->capacity_dev +
                      CAPACITY_ALPHA * error * error / fmax(a->capacity_kbps, 1);
    a->capacity_dev = sq_bwe_clamp(a->capacity_dev, DEV_INIT, DEV_MAX);
}

static double additive_bps_per_s(const struct sq_bwe_aimd *a)
{
    double frame_bits = a->bps / FRAME_RATE;
    double packet_bits = frame_bits / ceil(frame_bits / PACKET_BITS);
    double response_s = (a->rtt_ms + 100) * 2 / 1000;
    return fmax(ADD_LEAST, packet_bits / response_s);
}

static double increased(struct sq_bwe_aimd *a, double now_ms)
{
    double margin = capacity_margin_bps(a);
    if (a->capacity_kbps > 0 && a->throughput_bps > a->capacity_kbps * 1000 + margin) {
        a->capacity_kbps = 0; /* more arrives than the link was thought to carry */
    }
    double limit = 1.5 * a->throughput_bps + 10000;
    double bps = a->bps;
    if (bps < limit) {
        bool first = a->changed_ms == SQ_BWE_LONG_AGO;
        double elapsed_s = first ? 1 : sq_bwe_clamp((now_ms - a->changed_ms) / 1000, 0, 1e6);
        if (a->capacity_kbps > 0) {
            bps += additive_bps_per_s(a) * (first ? 0 : elapsed_s);
        } else {
            bps += fmax(bps * (pow(GROWTH, fmin(elapsed_s, 1)) - 1), GROWTH_LEAST);
        }
        bps = fmin(bps, limit);
    }
    return bps;
}

static double decreased(struct sq_bwe_aimd *a)
{
    double bps = a->throughput_bps * BACK_OFF;
    if (bps > a->bps && a->capacity_kbps > 0) {
        bps = BACK_OFF * a->capacity_kbps * 1000;
    }
    if (a->capacity_kbps > 0 &&
        a->throughput_bps < a->capacity_kbps * 1000 - capacity_margin_bps(a)) {
        a->capacity_kbps = 0;
    }
    learn_capacity(a, a->throughput_bps);
    return fmin(bps, a->bps);
}

void sq_bwe_aimd_update(struct sq_bwe_aimd *a, double now_ms, enum sq_bwe_usage usage,
                        double acked_bps)
{
    if (acked_bps >= 0) {
        a->throughput_bps = acked_bps;
    }
    if (usage == SQ_BWE_UNDERUSING) {
        a->state = SQ_BWE_HOLD; /* the queue empties: wait until it has */
    } else if (usage == SQ_BWE_OVERUSING) {
        a->state = SQ_BWE_DECREASE;
    } else if (a->state == SQ_BWE_HOLD) {
        a->changed_ms = now_ms;
        a->state = SQ_BWE_INCREASE;
    }
    double bps = a->bps;
    if (a->state == SQ_BWE_INCREASE) {
        bps = increased(a, now_ms);
        a->changed_ms = now_ms;
    } else if (a->state == SQ_BWE_DECREASE) {
        bps = decreased(a);
        a->state = SQ_BWE_HOLD;
        a->changed_ms = now_ms;
    }
    a->bps = sq_bwe_clamp(bps, a->min_bps, a->max_bps);
}

void sq_bwe_aimd_set(struct sq_bwe_aimd *a, double now_ms, double bps)
{
    a->bps = sq_bwe_clamp(bps, a->min_bps, a->max_bps);
    a->changed_ms = now_ms;
}

bool sq_bwe_aimd_may_reduce(const struct sq_bwe_aimd *a, double now_ms, double acked_bps)
{
    return now_ms - a->changed_ms >= sq_bwe_clamp(a->rtt_ms, 10, 200) || acked_bps < 0.5 * a->bps;
}
