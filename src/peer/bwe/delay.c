/* The delay gradient: groups of packets, the trend of their one-way delay, and a threshold that
 * adapts. draft-ietf-rmcat-gcc-02, sections 5.2 to 5.4, with libwebrtc's trendline in the place of
 * the draft's Kalman filter. */
#include "peer/bwe/bwe_int.h"

#include <string.h>

#define GROUP_MS        5.0
#define BURST_GAP_MS    5.0   /* arrivals closer than this may be one burst */
#define BURST_MOST_MS   100.0 /* and a burst is no longer */
#define CLOCK_JUMP_MS   3000.0
#define REORDERED_MOST  3
#define STREAM_GONE_MS  2000.0
#define SMOOTHING       0.9
#define GAIN            4.0
#define DELTAS_FOR_GAIN 60
#define DELTAS_MOST     1000
#define OVERUSE_MS      10.0
#define THRESHOLD       12.5
#define THRESHOLD_MIN   6.0
#define THRESHOLD_MAX   600.0
#define ADAPT_OFFSET    15.0
#define ADAPT_STEP_MS   100.0
#define K_UP            0.0087
#define K_DOWN          0.039

void sq_bwe_delay_init(struct sq_bwe_delay *d)
{
    memset(d, 0, sizeof(*d));
    d->threshold = THRESHOLD;
    d->over_ms = -1;
    d->updated_ms = d->seen_ms = SQ_BWE_LONG_AGO;
}

static void adapt_threshold(struct sq_bwe_delay *d, double trend, double at_ms)
{
    double size = fabs(trend);
    double elapsed = d->updated_ms == SQ_BWE_LONG_AGO ? 0 : at_ms - d->updated_ms;
    d->updated_ms = at_ms;
    if (size > d->threshold + ADAPT_OFFSET) {
        return; /* a spike, as of a route that changed, is no reason to become deaf */
    }
    double k = size < d->threshold ? K_DOWN : K_UP;
    d->threshold += k * (size - d->threshold) * sq_bwe_clamp(elapsed, 0, ADAPT_STEP_MS);
    d->threshold = sq_bwe_clamp(d->threshold, THRESHOLD_MIN, THRESHOLD_MAX);
}

static void detect(struct sq_bwe_delay *d, double trend, double sent_delta_ms, double at_ms)
{
    if (d->deltas < 2) {
        d->usage = SQ_BWE_NORMAL;
        return;
    }
    unsigned weight = d->deltas < DELTAS_FOR_GAIN ? d->deltas : DELTAS_FOR_GAIN;
    double scaled = weight * trend * GAIN;
    if (scaled > d->threshold) {
        /* Assume that the overuse began half-way since the sample before. */
        d->over_ms = d->over_ms < 0 ? sent_delta_ms / 2 : d->over_ms + sent_delta_ms;
        d->overuses++;
        if (d->over_ms > OVERUSE_MS && d->overuses > 1 && trend >= d->trend_before) {
            d->over_ms = 0;
            d->overuses = 0;
            d->usage = SQ_BWE_OVERUSING;
        }
    } else {
        d->over_ms = -1;
        d->overuses = 0;
        d->usage = scaled < -d->threshold ? SQ_BWE_UNDERUSING : SQ_BWE_NORMAL;
    }
    d->trend_before = trend;
    adapt_threshold(d, scaled, at_ms);
}

/* Least squares over the window; `otherwise` where all arrived at once. */
static double slope(const struct sq_bwe_delay *d, double otherwise)
{
    double x = 0;
    double y = 0;
    for (unsigned i = 0; i < SQ_BWE_TREND_WINDOW; i++) {
        x += d->at_ms[i] - d->at_ms[0];
        y += (double)d->delay_ms[i];
    }
    x = x / SQ_BWE_TREND_WINDOW + d->at_ms[0];
    y /= SQ_BWE_TREND_WINDOW;
    double over = 0;
    double under = 0;
    for (unsigned i = 0; i < SQ_BWE_TREND_WINDOW; i++) {
        double dx = d->at_ms[i] - x;
        over += dx * ((double)d->delay_ms[i] - y);
        under += dx * dx;
    }
    return under > 0 ? over / under : otherwise;
}

static void add_delta(struct sq_bwe_delay *d, double arrival_delta_ms, double sent_delta_ms,
                      double at_ms)
{
    d->deltas += d->deltas < DELTAS_MOST;
    d->accumulated_ms += arrival_delta_ms - sent_delta_ms;
    d->smoothed_ms = SMOOTHING * d->smoothed_ms + (1 - SMOOTHING) * d->accumulated_ms;
    d->at_ms[d->next] = at_ms;
    d->delay_ms[d->next] = (float)d->smoothed_ms;
    d->next = (d->next + 1) % SQ_BWE_TREND_WINDOW;
    d->len += d->len < SQ_BWE_TREND_WINDOW;
    double trend = d->trend_before;
    if (d->len == SQ_BWE_TREND_WINDOW) {
        trend = slope(d, trend);
    }
    detect(d, trend, sent_delta_ms, at_ms);
}

static bool of_burst(const struct sq_bwe_group *g, double sent_ms, double arrival_ms)
{
    double arrival_delta = arrival_ms - g->arrival_ms;
    double sent_delta = sent_ms - g->sent_ms;
    return sent_delta == 0 || (arrival_delta - sent_delta < 0 && arrival_delta <= BURST_GAP_MS &&
                               arrival_ms - g->first_arrival_ms < BURST_MOST_MS);
}

static void forget_groups(struct sq_bwe_delay *d)
{
    d->now.set = d->before.set = false;
    d->reordered = 0;
}

/* Two whole groups: what lies between them goes to the filter. False where the groups are of no
 * use and were forgotten. */
static bool compare_groups(struct sq_bwe_delay *d)
{
    double sent_delta = d->now.sent_ms - d->before.sent_ms;
    double arrival_delta = d->now.arrival_ms - d->before.arrival_ms;
    double seen_delta = d->now.seen_ms - d->before.seen_ms;
    if (arrival_delta - seen_delta >= CLOCK_JUMP_MS) {
        forget_groups(d); /* the receiver's clock jumped */
        return false;
    }
    if (arrival_delta < 0) {
        if (++d->reordered >= REORDERED_MOST) {
            forget_groups(d);
        }
        return false;
    }
    d->reordered = 0;
    add_delta(d, arrival_delta, sent_delta, d->now.arrival_ms);
    return true;
}

void sq_bwe_delay_add(struct sq_bwe_delay *d, double now_ms, double sent_ms, double arrival_ms)
{
    if (now_ms - d->seen_ms > STREAM_GONE_MS) {
        sq_bwe_delay_init(d);
    }
    d->seen_ms = now_ms;
    struct sq_bwe_group *g = &d->now;
    if (!g->set) {
        *g = (struct sq_bwe_group){true, sent_ms, sent_ms, arrival_ms, arrival_ms, now_ms};
        return;
    }
    if (sent_ms < g->first_sent_ms) {
        return; /* out of order */
    }
    if (!of_burst(g, sent_ms, arrival_ms) && sent_ms - g->first_sent_ms > GROUP_MS) {
        if (d->before.set && !compare_groups(d) && !d->now.set) {
            sq_bwe_delay_add(d, now_ms, sent_ms, arrival_ms);
            return;
        }
        d->before = *g;
        *g = (struct sq_bwe_group){true, sent_ms, sent_ms, arrival_ms, arrival_ms, now_ms};
        return;
    }
    g->sent_ms = fmax(g->sent_ms, sent_ms);
    g->arrival_ms = arrival_ms;
    g->seen_ms = now_ms;
}
