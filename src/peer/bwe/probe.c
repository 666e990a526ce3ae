/* Probes: short clusters of packets at a rate above the estimate, to learn quickly that the link
 * carries more. When to send one (libwebrtc's ProbeController), how it leaves (its BitrateProber),
 * and what its arrivals say (its ProbeBitrateEstimator). */
#include "peer/bwe/bwe_int.h"

#include <string.h>

#define FIRST_SCALE        3.0
#define SECOND_SCALE       6.0
#define FURTHER_SCALE      2.0
#define FURTHER_THRESHOLD  0.7
#define ALR_SCALE          2.0
#define ALR_INTERVAL_MS    5000.0
#define NEEDED_SCALE       2.0
#define LOSS_SCALE         1.5
#define DROP               0.66
#define DROP_FRACTION      0.85
#define DROP_TIMEOUT_MS    5000.0
#define DROP_INTERVAL_MS   5000.0
#define ALR_ENDED_MS       3000.0
#define UNCERTAINTY        0.05
#define WAIT_MS            1000.0
#define PROBE_MAX_BPS      5e6 /* where nothing is known of what is needed */
#define CLUSTER_MS         15.0
#define CLUSTER_PACKETS    5
#define BURST_MS           2.0
#define LATE_MS            20.0
#define CLUSTER_TIMEOUT_MS 5000.0
#define ARRIVED_MIN        0.8
#define SPAN_MAX_MS        1000.0
#define RATIO_MAX          2.0
#define UNSATURATED        0.9
#define UTILIZATION        0.95

void sq_bwe_prober_init(struct sq_bwe_prober *p, double start_bps, double max_bps)
{
    memset(p, 0, sizeof(*p));
    p->start_bps = p->estimate_bps = start_bps;
    p->max_bps = max_bps;
    p->further_bps = SQ_BWE_NO_LIMIT;
    p->initiated_ms = p->alr_from_ms = p->alr_ended_ms = SQ_BWE_LONG_AGO;
    p->dropped_ms = p->drop_probed_ms = SQ_BWE_LONG_AGO;
}

/* ---- When ---- */

static void done(struct sq_bwe_prober *p)
{
    p->state = SQ_BWE_PROBE_DONE;
    p->further_bps = SQ_BWE_NO_LIMIT;
}

/* A free place, else the one made longest ago that is not being sent. */
static struct sq_bwe_cluster *place(struct sq_bwe_prober *p)
{
    struct sq_bwe_cluster *oldest = NULL;
    for (unsigned i = 0; i < SQ_BWE_CLUSTERS; i++) {
        struct sq_bwe_cluster *c = &p->clusters[i];
        if (c->id == 0) {
            return c;
        }
        if (!c->sending && (!oldest || c->made_ms < oldest->made_ms)) {
            oldest = c;
        }
    }
    return oldest;
}

static void make_cluster(struct sq_bwe_prober *p, double now_ms, double bps)
{
    struct sq_bwe_cluster *c = place(p);
    if (!c) {
        return;
    }
    p->last_id = p->last_id == UINT8_MAX ? 1 : (uint8_t)(p->last_id + 1);
    *c = (struct sq_bwe_cluster){
        .id = p->last_id,
        .sending = true,
        .bps = (float)bps,
        .started_ms = SQ_BWE_LONG_AGO,
        .made_ms = now_ms,
    };
    p->made++;
}

static double max_probe_bps(const struct sq_bwe_prober *p)
{
    double most = p->needed_bps > 0 ? NEEDED_SCALE * p->needed_bps : PROBE_MAX_BPS;
    if (p->loss_limited) {
        most = fmin(most, LOSS_SCALE * p->estimate_bps);
    }
    return fmin(most, p->max_bps);
}

static void initiate(struct sq_bwe_prober *p, double now_ms, const double *rates, unsigned n,
                     bool further)
{
    if (p->blocked) {
        return;
    }
    double most = max_probe_bps(p);
    double bps = 0;
    for (unsigned i = 0; i < n; i++) {
        bps = rates[i];
        if (bps >= most) {
            bps = most;
            further = false;
        }
        make_cluster(p, now_ms, bps);
        if (bps >= most) {
            break; /* the next would be the same again */
        }
    }
    p->initiated_ms = now_ms;
    if (further) {
        p->state = SQ_BWE_PROBE_WAITING;
        p->further_bps = bps * FURTHER_THRESHOLD;
    } else {
        done(p);
    }
}

void sq_bwe_prober_start(struct sq_bwe_prober *p, double now_ms)
{
    const double rates[] = {FIRST_SCALE * p->start_bps, SECOND_SCALE * p->start_bps};
    if (p->state == SQ_BWE_PROBE_INIT) {
        initiate(p, now_ms, rates, 2, true);
    }
}

void sq_bwe_prober_set_needed(struct sq_bwe_prober *p, double now_ms, double bps)
{
    bool probe = p->state == SQ_BWE_PROBE_DONE && bps != p->needed_bps && p->estimate_bps < bps &&
                 p->estimate_bps < p->max_bps && p->alr_from_ms != SQ_BWE_LONG_AGO;
    p->needed_bps = bps;
    if (probe) {
        double limit = FURTHER_SCALE * p->estimate_bps;
        const double rates[] = {fmin(bps, limit), fmin(NEEDED_SCALE * bps, limit)};
        initiate(p, now_ms, rates, rates[1] > rates[0] ? 2 : 1, rates[1] == limit);
    }
}

void sq_bwe_prober_set_estimate(struct sq_bwe_prober *p, double now_ms, double bps)
{
    if (bps < DROP * p->estimate_bps) {
        p->dropped_ms = now_ms;
        p->before_drop_bps = p->estimate_bps;
    }
    p->estimate_bps = bps;
    if (p->state == SQ_BWE_PROBE_WAITING && bps > p->further_bps) {
        const double rate = FURTHER_SCALE * bps;
        initiate(p, now_ms, &rate, 1, true);
    }
}

void sq_bwe_prober_recovered(struct sq_bwe_prober *p, double now_ms)
{
    bool alr = p->alr_from_ms != SQ_BWE_LONG_AGO || now_ms - p->alr_ended_ms < ALR_ENDED_MS;
    const double rate = DROP_FRACTION * p->before_drop_bps;
    if (alr && p->state == SQ_BWE_PROBE_DONE && (1 - UNCERTAINTY) * rate > p->estimate_bps &&
        now_ms - p->dropped_ms < DROP_TIMEOUT_MS && now_ms - p->drop_probed_ms > DROP_INTERVAL_MS) {
        p->drop_probed_ms = now_ms;
        initiate(p, now_ms, &rate, 1, false);
    }
}

/* Of the periodic probe of a sender that has less to send than it may. Where the estimate is beyond
 * all that is needed there is nothing to learn. */
static double alr_probe_ms(const struct sq_bwe_prober *p)
{
    if (p->alr_from_ms == SQ_BWE_LONG_AGO || p->state != SQ_BWE_PROBE_DONE ||
        p->estimate_bps >= p->max_bps ||
        (p->needed_bps > 0 && p->estimate_bps >= NEEDED_SCALE * p->needed_bps * UTILIZATION)) {
        return SQ_BWE_NO_LIMIT;
    }
    return fmax(p->alr_from_ms, p->initiated_ms) + ALR_INTERVAL_MS;
}

double sq_bwe_prober_next_ms(const struct sq_bwe_prober *p)
{
    return p->state == SQ_BWE_PROBE_WAITING ? p->initiated_ms + WAIT_MS : alr_probe_ms(p);
}

void sq_bwe_prober_on_timeout(struct sq_bwe_prober *p, double now_ms)
{
    if (p->state == SQ_BWE_PROBE_WAITING && now_ms - p->initiated_ms >= WAIT_MS) {
        done(p);
    }
    if (now_ms >= alr_probe_ms(p)) {
        const double rate = ALR_SCALE * p->estimate_bps;
        initiate(p, now_ms, &rate, 1, true);
        p->initiated_ms = now_ms; /* a blocked one is tried again after the interval, too */
    }
}

/* ---- How ---- */

struct sq_bwe_cluster *sq_bwe_prober_cluster(struct sq_bwe_prober *p)
{
    struct sq_bwe_cluster *first = NULL;
    for (unsigned i = 0; i < SQ_BWE_CLUSTERS; i++) {
        struct sq_bwe_cluster *c = &p->clusters[i];
        if (c->id && c->sending &&
            (!first || c->made_ms < first->made_ms ||
             (c->made_ms == first->made_ms && (uint8_t)(first->id - c->id) < 128))) {
            first = c;
        }
    }
    return first;
}

double sq_bwe_cluster_due_ms(const struct sq_bwe_cluster *c)
{
    return c->started_ms == SQ_BWE_LONG_AGO
               ? c->made_ms
               : c->started_ms + (double)c->sent_bytes * 8000 / (double)c->bps;
}

static struct sq_bwe_cluster *by_id(struct sq_bwe_prober *p, uint8_t id)
{
    for (unsigned i = 0; id && i < SQ_BWE_CLUSTERS; i++) {
        if (p->clusters[i].id == id) {
            return &p->clusters[i];
        }
    }
    return NULL;
}

void sq_bwe_prober_sent(struct sq_bwe_prober *p, double now_ms, uint8_t id, size_t bytes)
{
    struct sq_bwe_cluster *c = by_id(p, id);
    if (!c || !c->sending) {
        return;
    }
    if (c->started_ms == SQ_BWE_LONG_AGO) {
        c->started_ms = now_ms;
    }
    c->sent_bytes += (float)bytes;
    c->sent_packets++;
    if (c->sent_packets >= CLUSTER_PACKETS &&
        (double)c->sent_bytes * 8000 >= (double)c->bps * CLUSTER_MS) {
        c->sending = false;
    }
}

uint64_t sq_bwe_probe_ns(const struct sq_bwe *bwe)
{
    const struct sq_bwe_cluster *c =
        sq_bwe_prober_cluster((struct sq_bwe_prober *)&bwe->prober); /* it changes nothing */
    if (!c) {
        return SQ_NEVER;
    }
    /* One that waited for another to be sent is not late: it is due as soon as it may be. */
    bool begun = c->started_ms != SQ_BWE_LONG_AGO;
    return begun ? (uint64_t)(fmax(sq_bwe_cluster_due_ms(c), 0) * 1e6) : 0;
}

bool sq_bwe_probe_due(struct sq_bwe *bwe, uint64_t now_ns, struct sq_bwe_probe *ret_probe)
{
    double now_ms = (double)now_ns / 1e6;
    struct sq_bwe_cluster *c;
    while ((c = sq_bwe_prober_cluster(&bwe->prober))) {
        bool late = c->started_ms != SQ_BWE_LONG_AGO && now_ms - sq_bwe_cluster_due_ms(c) > LATE_MS;
        if (!late && now_ms - c->made_ms < CLUSTER_TIMEOUT_MS) {
            break;
        }
        c->sending = false; /* sent too slowly: it would measure the sender */
    }
    if (!c || sq_bwe_cluster_due_ms(c) > now_ms + 0.001) {
        return false;
    }
    *ret_probe = (struct sq_bwe_probe){
        .id = c->id,
        .bps = (uint64_t)c->bps,
        .bytes = (uint32_t)fmax((double)c->bps * BURST_MS / 8000, 1),
    };
    return true;
}

void sq_bwe_probe_drop(struct sq_bwe *bwe)
{
    struct sq_bwe_cluster *c = sq_bwe_prober_cluster(&bwe->prober);
    if (c) {
        c->sending = false;
    }
}

/* ---- What it says ---- */

static void gather(struct sq_bwe_cluster *c, double sent_ms, double arrival_ms, float bytes)
{
    bool first = c->packets++ == 0;
    if (first || sent_ms < c->first_sent_ms) {
        c->first_sent_ms = sent_ms;
    }
    if (first || sent_ms >= c->last_sent_ms) {
        c->last_sent_ms = sent_ms;
        c->last_sent_bytes = bytes;
    }
    if (first || arrival_ms < c->first_arrival_ms) {
        c->first_arrival_ms = arrival_ms;
        c->first_arrival_bytes = bytes;
    }
    if (first || arrival_ms > c->last_arrival_ms) {
        c->last_arrival_ms = arrival_ms;
    }
    c->bytes += bytes;
}

double sq_bwe_prober_arrived(struct sq_bwe_prober *p, uint8_t id, double sent_ms, double arrival_ms,
                             unsigned bytes)
{
    struct sq_bwe_cluster *c = by_id(p, id);
    if (!c) {
        return -1;
    }
    gather(c, sent_ms, arrival_ms, (float)bytes);
    if (c->packets < ARRIVED_MIN * CLUSTER_PACKETS ||
        (double)c->bytes * 8000 < ARRIVED_MIN * (double)c->bps * CLUSTER_MS) {
        return -1;
    }
    double sent_span = c->last_sent_ms - c->first_sent_ms;
    double arrival_span = c->last_arrival_ms - c->first_arrival_ms;
    if (!(sent_span > 0 && sent_span <= SPAN_MAX_MS && arrival_span > 0 &&
          arrival_span <= SPAN_MAX_MS)) {
        return -1;
    }
    double sent_bps = (double)(c->bytes - c->last_sent_bytes) * 8000 / sent_span;
    double arrival_bps = (double)(c->bytes - c->first_arrival_bytes) * 8000 / arrival_span;
    if (arrival_bps > RATIO_MAX * sent_bps) {
        return -1; /* it was held up and let go at once */
    }
    /* Where it arrives slower than it left, the link is full, and a little below is right. */
    p->results++;
    return arrival_bps < UNSATURATED * sent_bps ? UTILIZATION * arrival_bps
                                                : fmin(sent_bps, arrival_bps);
}
