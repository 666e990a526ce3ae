/* What loss says of the link: libwebrtc's second loss-based estimator, which Chromium runs. The
 * channel is thought to lose a part of all packets by its nature and all that exceed its rate; of a
 * few candidates for its rate the one that explains best what was seen in the last 15 intervals is
 * taken. So 2 % of random loss costs nothing, and a queue that overflows does. */
#include "peer/bwe/bwe_int.h"

#include <string.h>

#define INTERVAL_MS         250.0
#define OBSERVATIONS_MIN    3
#define WEIGHT              0.9 /* of each older interval */
#define LOSS_INIT           0.01
#define LOSS_MIN            1e-3
#define LOSS_OFFSET         0.05
#define LOSS_BALANCE_BPS    100000.0
#define NEWTON_STEP         0.75
#define BIAS                0.0002
#define LOG_BIAS            0.02
#define BIAS_LOSS           0.2
#define BIAS_SMOOTHING      0.002
#define RAMP_UP             1.5
#define RAMP_UP_IN_HOLD     1.2
#define HOLD_THRESHOLD      1.3
#define INCREASE_MAX        1.3
#define INCREASE_WINDOW_MS  300.0
#define HOLD_INIT_MS        300.0
#define HOLD_MAX_MS         60000.0
#define HOLD_GROWTH         2.0
#define PADDING_MS          2000.0
#define MEDIAN_FACTOR       2.0
#define WINDOW_LIMIT_LEAST  5000.0
#define PROBABILITY_EPSILON 1e-6
#define CANDIDATES_MAX      5

struct channel {
    double bps, loss;
};

void sq_bwe_loss_init(struct sq_bwe_loss *l, double min_bps, double max_bps)
{
    memset(l, 0, sizeof(*l));
    l->min_bps = min_bps;
    l->max_bps = max_bps;
    l->upper_bps = max_bps;
    l->best_loss = LOSS_INIT;
    l->recovering_ms = l->hold_until_ms = l->padding_from_ms = SQ_BWE_LONG_AGO;
    l->window_limit_bps = SQ_BWE_NO_LIMIT;
    l->hold_for_ms = HOLD_INIT_MS;
    l->hold_bps = SQ_BWE_NO_LIMIT;
}

bool sq_bwe_loss_ready(const struct sq_bwe_loss *l)
{
    return l->best_bps > 0 && l->observations >= OBSERVATIONS_MIN;
}

void sq_bwe_loss_set(struct sq_bwe_loss *l, double bps)
{
    l->best_bps = l->result_bps = bps;
    l->state = SQ_BWE_LOSS_NONE;
}

static unsigned held(const struct sq_bwe_loss *l)
{
    return l->observations < SQ_BWE_LOSS_WINDOW ? l->observations : SQ_BWE_LOSS_WINDOW;
}

/* The latest is number 0. */
static const struct sq_bwe_loss_seen *observation(const struct sq_bwe_loss *l, unsigned age)
{
    return &l->seen[(l->observations - 1 - age) % SQ_BWE_LOSS_WINDOW];
}

static double median_bps(const struct sq_bwe_loss *l)
{
    double sorted[SQ_BWE_LOSS_WINDOW];
    unsigned n = 0;
    for (unsigned age = 0; age < held(l); age++) {
        double bps = (double)observation(l, age)->bps;
        if (bps <= 0) {
            continue;
        }
        unsigned at = n++;
        for (; at > 0 && sorted[at - 1] > bps; at--) {
            sorted[at] = sorted[at - 1];
        }
        sorted[at] = bps;
    }
    return n == 0 ? 0 : (sorted[(n - 1) / 2] + sorted[n / 2]) / 2;
}

/* Part of the bytes that were lost; the best and the worst interval are left out, unless the worst
 * was one in which much more was sent than else. */
static void update_average(struct sq_bwe_loss *l)
{
    double bytes = 0;
    double lost = 0;
    double weight = 1;
    double best = 1;
    double worst = 0;
    double best_bytes = 0;
    double best_lost = 0;
    double worst_bytes = 0;
    double worst_lost = 0;
    double worst_bps = 0;
    for (unsigned age = 0; age < held(l); age++, weight *= WEIGHT) {
        const struct sq_bwe_loss_seen *s = observation(l, age);
        double b = (double)s->bytes * weight;
        double x = (double)s->lost_bytes * weight;
        bytes += b;
        lost += x;
        double ratio = s->bytes > 0 ? x / b : 0;
        if (ratio > worst) {
            worst = ratio;
            worst_bytes = b;
            worst_lost = x;
            worst_bps = (double)s->bps;
        }
        if (ratio < best) {
            best = ratio;
            best_bytes = b;
            best_lost = x;
        }
    }
    bool trim = l->observations > 3 && median_bps(l) * MEDIAN_FACTOR > worst_bps &&
                bytes > best_bytes + worst_bytes;
    if (trim) {
        bytes -= best_bytes + worst_bytes;
        lost -= best_lost + worst_lost;
    }
    l->average = bytes > 0 ? sq_bwe_clamp(lost / bytes, 0, 1) : 0;
    l->upper_bps = l->max_bps;
    if (l->average > LOSS_OFFSET) {
        l->upper_bps = LOSS_BALANCE_BPS / (l->average - LOSS_OFFSET);
    }
}

static double probability(const struct channel *c, double bps)
{
    double p = c->loss;
    if (bps > c->bps) {
        p += (1 - c->loss) * (bps - c->bps) / bps;
    }
    return sq_bwe_clamp(p, PROBABILITY_EPSILON, 1 - PROBABILITY_EPSILON);
}

static double feasible_loss(double loss, double bps)
{
    double most = fmin(LOSS_OFFSET + LOSS_BALANCE_BPS / fmax(bps, 1), 1);
    return sq_bwe_clamp(loss, LOSS_MIN, most);
}

/* What was seen in one observation, as a candidate has it. */
struct seen {
    double p; /* that a packet is lost */
    double lost_kb, arrived_kb;
};

static struct seen seen_by(const struct sq_bwe_loss *l, unsigned age, const struct channel *c)
{
    const struct sq_bwe_loss_seen *s = observation(l, age);
    return (struct seen){.p = probability(c, (double)s->bps),
                         .lost_kb = (double)s->lost_bytes / 1000,
                         .arrived_kb = (double)(s->bytes - s->lost_bytes) / 1000};
}

/* One step towards the inherent loss that fits the candidate's rate best. */
static void newton(const struct sq_bwe_loss *l, struct channel *c)
{
    double first = 0;
    double second = 0;
    double weight = 1;
    for (unsigned age = 0; age < held(l); age++, weight *= WEIGHT) {
        struct seen s = seen_by(l, age, c);
        first += weight * (s.lost_kb / s.p - s.arrived_kb / (1 - s.p));
        second -= weight * (s.lost_kb / (s.p * s.p) + s.arrived_kb / ((1 - s.p) * (1 - s.p)));
    }
    if (second < 0) {
        c->loss -= NEWTON_STEP * first / second;
    }
    c->loss = feasible_loss(c->loss, c->bps);
}

static double bias(double loss, double factor)
{
    double distance = BIAS_LOSS - loss;
    return factor * distance / (BIAS_SMOOTHING + fabs(distance));
}

static double objective(const struct sq_bwe_loss *l, const struct channel *c)
{
    double kbps = c->bps / 1000;
    double high = bias(l->average, BIAS) * kbps + bias(l->average, LOG_BIAS) * log(1 + kbps);
    double sum = 0;
    double weight = 1;
    for (unsigned age = 0; age < held(l); age++, weight *= WEIGHT) {
        struct seen s = seen_by(l, age, c);
        sum += weight * (s.lost_kb * log(s.p) + s.arrived_kb * log(1 - s.p) +
                         high * (s.lost_kb + s.arrived_kb));
    }
    return sum;
}

static bool padding_counts(const struct sq_bwe_loss *l)
{
    return l->padding_from_ms + PADDING_MS >= l->last_sent_ms;
}

static struct channel best_candidate(const struct sq_bwe_loss *l, double delay_bps,
                                     double acked_bps, bool in_alr)
{
    double rates[CANDIDATES_MAX] = {1.02 * l->best_bps, l->best_bps, 0.95 * l->best_bps};
    unsigned n = 3;
    if (acked_bps >= 0 && (!in_alr || padding_counts(l))) {
        rates[n++] = acked_bps;
    }
    if (delay_bps > l->best_bps) {
        rates[n++] = delay_bps;
    }
    double most = l->state != SQ_BWE_LOSS_NONE ? l->window_limit_bps : l->max_bps;
    most = fmax(l->best_bps, most);
    struct channel best = {l->best_bps, l->best_loss};
    double best_value = -INFINITY;
    for (unsigned i = 0; i < n; i++) {
        struct channel c = {fmin(rates[i], most), l->best_loss};
        c.loss = feasible_loss(c.loss, c.bps);
        newton(l, &c);
        double value = objective(l, &c);
        if (value > best_value) {
            best_value = value;
            best = c;
        }
    }
    return best;
}

static bool increasing(const struct sq_bwe_loss *l, double before_bps, double bps)
{
    return l->state != SQ_BWE_LOSS_NONE &&
           (before_bps < bps || (before_bps == bps && l->state == SQ_BWE_LOSS_INCREASING));
}

/* While loss limits, the rate rises slowly and not far beyond what arrives. */
static void bound_increase(const struct sq_bwe_loss *l, struct channel *best, double acked_bps)
{
    if (l->average > best->loss && best->bps > l->best_bps) {
        best->bps = l->best_bps;
    }
    if (l->state == SQ_BWE_LOSS_NONE) {
        return;
    }
    if (l->recovering_ms + INCREASE_WINDOW_MS > l->last_sent_ms) {
        best->bps = fmin(best->bps, l->window_limit_bps);
    }
    if (increasing(l, l->best_bps, best->bps) && acked_bps >= 0) {
        double factor = acked_bps < HOLD_THRESHOLD * l->hold_bps && l->hold_bps < SQ_BWE_NO_LIMIT
                            ? RAMP_UP_IN_HOLD
                            : RAMP_UP;
        best->bps = fmax(l->best_bps, fmin(best->bps, factor * acked_bps));
        if (l->state == SQ_BWE_LOSS_DECREASING && best->bps == l->best_bps) {
            best->bps += 1; /* so that the state may change */
        }
    }
}

static void begin_hold(struct sq_bwe_loss *l, double bps)
{
    if (l->state != SQ_BWE_LOSS_DECREASING) {
        l->hold_until_ms = l->last_sent_ms + l->hold_for_ms;
        l->hold_for_ms = fmin(HOLD_MAX_MS, l->hold_for_ms * HOLD_GROWTH);
        l->hold_bps = bps;
    }
    l->padding_from_ms = SQ_BWE_LONG_AGO;
    l->padding_bps = 0;
    l->state = SQ_BWE_LOSS_DECREASING;
}

static void end_limit(struct sq_bwe_loss *l)
{
    l->hold_until_ms = SQ_BWE_LONG_AGO;
    l->hold_for_ms = HOLD_INIT_MS;
    l->hold_bps = SQ_BWE_NO_LIMIT;
    l->padding_from_ms = SQ_BWE_LONG_AGO;
    l->padding_bps = 0;
    l->state = SQ_BWE_LOSS_NONE;
}

static void change_state(struct sq_bwe_loss *l, double bps, double delay_bps)
{
    bool limits = bps < delay_bps && bps < l->max_bps;
    bool keep = l->state != SQ_BWE_LOSS_INCREASING || padding_counts(l) || l->padding_bps < bps;
    if (limits && increasing(l, l->result_bps, bps) && keep) {
        if (bps > l->padding_bps) {
            l->padding_bps = bps;
            l->padding_from_ms = l->last_sent_ms;
        }
        l->state = SQ_BWE_LOSS_INCREASING;
    } else if (limits) {
        begin_hold(l, bps);
    } else {
        end_limit(l);
    }
    l->result_bps = bps;
}

static bool push(struct sq_bwe_loss *l, double first_sent_ms, double last_sent_ms, double bytes,
                 double lost_bytes)
{
    l->part_bytes += bytes;
    l->part_lost_bytes = sq_bwe_clamp(l->part_lost_bytes + lost_bytes, 0, l->part_bytes);
    if (!l->any) {
        l->any = true;
        l->last_sent_ms = first_sent_ms;
    }
    double elapsed = last_sent_ms - l->last_sent_ms;
    if (!(elapsed >= INTERVAL_MS)) {
        return false;
    }
    l->seen[l->observations++ % SQ_BWE_LOSS_WINDOW] = (struct sq_bwe_loss_seen){
        .bytes = (float)l->part_bytes,
        .lost_bytes = (float)l->part_lost_bytes,
        .bps = (float)(l->part_bytes * 8000 / elapsed),
    };
    l->part_bytes = l->part_lost_bytes = 0;
    l->last_sent_ms = last_sent_ms;
    return true;
}

static bool nothing_lost(const struct sq_bwe_loss *l)
{
    for (unsigned age = 0; age < held(l); age++) {
        if (observation(l, age)->lost_bytes > 0) {
            return false;
        }
    }
    return true;
}

void sq_bwe_loss_update(struct sq_bwe_loss *l, double first_sent_ms, double last_sent_ms,
                        double bytes, double lost_bytes, double delay_bps, double acked_bps,
                        bool in_alr)
{
    if (!push(l, first_sent_ms, last_sent_ms, bytes, lost_bytes)) {
        return;
    }
    if (l->best_bps <= 0) {
        sq_bwe_loss_set(l, delay_bps);
    }
    if (l->state == SQ_BWE_LOSS_NONE && nothing_lost(l)) {
        /* What all the candidates would come to, without their logarithms: the delay rules. */
        l->average = 0;
        l->upper_bps = l->max_bps;
        l->best_loss = LOSS_MIN;
        l->best_bps = l->result_bps = delay_bps;
        return;
    }
    update_average(l);
    struct channel best = best_candidate(l, delay_bps, acked_bps, in_alr);
    bound_increase(l, &best, acked_bps);
    double lower = fmax(l->min_bps, fmax(acked_bps, 0));
    double bps = fmax(lower, fmin(fmin(best.bps, l->upper_bps), delay_bps));
    if (bps < best.bps) {
        l->best_bps = bps;
        l->best_loss = 0;
    } else {
        l->best_bps = fmax(best.bps, lower);
        l->best_loss = best.loss;
    }
    if (l->state == SQ_BWE_LOSS_DECREASING && l->hold_until_ms > l->last_sent_ms &&
        bps < delay_bps) {
        l->hold_bps = fmax(lower, l->hold_bps);
        l->result_bps = fmin(l->hold_bps, bps);
        return;
    }
    change_state(l, bps, delay_bps);
    if (l->state != SQ_BWE_LOSS_NONE && l->recovering_ms + INCREASE_WINDOW_MS < l->last_sent_ms) {
        l->window_limit_bps = fmax(WINDOW_LIMIT_LEAST, l->best_bps * INCREASE_MAX);
        l->recovering_ms = l->last_sent_ms;
    }
}
