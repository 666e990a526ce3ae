/* The parts put together, as libwebrtc's GoogCcNetworkController and SendSideBandwidthEstimation
 * do. */
#include "peer/bwe/bwe.h"

#include "base/mem.h"
#include "peer/bwe/bwe_int.h"

#define ALR_PART            0.65
#define ALR_WINDOW_MS       500.0
#define ALR_ON              0.8
#define ALR_OFF             0.5
#define PROBE_DROP          0.85
#define START_PHASE_MS      2000.0
#define SILENCE_MS          3000.0 /* libwebrtc's RttBasedBackoff */
#define SILENCE_INTERVAL_MS 1000.0
#define SILENCE_FACTOR      0.8
#define REPORT_PACKETS      20
#define REPORT_LOW          0.02
#define REPORT_HIGH         0.10
#define REPORT_GROWTH       1.08
#define REPORT_GROWTH_LEAST 1000.0
#define REPORT_DECREASE_MS  300.0
#define REPORT_INTERVAL_MS  1000.0 /* of a growth */
#define REPORT_VALID_MS     6000.0 /* as long a report stands for what has come since */

static double ms(uint64_t ns)
{
    return (double)ns / 1e6;
}

int sq_bwe_create(const struct sq_bwe_config *config, struct sq_bwe **ret_bwe)
{
    uint64_t min = config->min_bps ? config->min_bps : SQ_BWE_MIN_BPS;
    uint64_t max = config->max_bps ? config->max_bps : SQ_BWE_MAX_BPS;
    uint64_t start = config->start_bps ? config->start_bps : SQ_BWE_START_BPS;
    if (!config->start_bps) {
        start = sq_max_u64(min, sq_min_u64(start, max));
    }
    if (min > start || start > max || max > UINT32_MAX) {
        return SQ_ERR_INVALID;
    }
    struct sq_bwe *bwe = sq_zalloc(sizeof(*bwe));
    if (!bwe) {
        return SQ_ERR_NOMEM;
    }
    bwe->start_bps = bwe->target_bps = bwe->delay_bps = bwe->min_target_bps = (double)start;
    bwe->min_bps = (double)min;
    bwe->max_bps = (double)max;
    bwe->receiver_bps = SQ_BWE_NO_LIMIT;
    bwe->sent_ms = bwe->feedback_ms = bwe->first_feedback_ms = SQ_BWE_LONG_AGO;
    bwe->dropped_ms = bwe->decreased_ms = bwe->min_since_ms = bwe->report_ms = SQ_BWE_LONG_AGO;
    sq_bwe_delay_init(&bwe->delay);
    sq_bwe_aimd_init(&bwe->aimd, bwe->start_bps, bwe->min_bps, bwe->max_bps);
    sq_bwe_loss_init(&bwe->loss, bwe->min_bps, bwe->max_bps);
    sq_bwe_prober_init(&bwe->prober, bwe->start_bps, bwe->max_bps);
    bwe->alr.target_bps = ALR_PART * bwe->start_bps;
    bwe->alr.at_ms = SQ_BWE_LONG_AGO;
    *ret_bwe = bwe;
    return 0;
}

void sq_bwe_destroy(struct sq_bwe *bwe)
{
    sq_free(bwe);
}

void sq_bwe_start(struct sq_bwe *bwe, uint64_t now_ns)
{
    if (!bwe->started) {
        bwe->started = true;
        sq_bwe_prober_start(&bwe->prober, ms(now_ns));
    }
}

void sq_bwe_set_needed(struct sq_bwe *bwe, uint64_t now_ns, uint64_t bps)
{
    sq_bwe_prober_set_needed(&bwe->prober, ms(now_ns), (double)bps);
}

/* ---- The application-limited region ---- */

static double alr_room_bytes(const struct sq_bwe_alr *alr)
{
    return alr->target_bps * ALR_WINDOW_MS / 8000;
}

static void alr_sent(struct sq_bwe *bwe, double now_ms, size_t bytes)
{
    struct sq_bwe_alr *alr = &bwe->alr;
    double room = alr_room_bytes(alr);
    double elapsed = alr->at_ms == SQ_BWE_LONG_AGO ? 0 : sq_bwe_clamp(now_ms - alr->at_ms, 0, 1e6);
    alr->at_ms = now_ms;
    alr->level_bytes = fmax(alr->level_bytes - (double)bytes, -room);
    alr->level_bytes = fmin(alr->level_bytes + alr->target_bps * elapsed / 8000, room);
    double level = alr->level_bytes / room;
    if (!alr->on && level > ALR_ON) {
        alr->on = true;
        bwe->prober.alr_from_ms = now_ms;
    } else if (alr->on && level < ALR_OFF) {
        alr->on = false;
        bwe->prober.alr_from_ms = SQ_BWE_LONG_AGO;
        bwe->prober.alr_ended_ms = now_ms;
    }
}

static void alr_set_estimate(struct sq_bwe_alr *alr, double bps)
{
    alr->target_bps = ALR_PART * bps;
    double room = alr_room_bytes(alr);
    alr->level_bytes = sq_bwe_clamp(alr->level_bytes, -room, room);
}

void sq_bwe_on_sent(struct sq_bwe *bwe, uint64_t now_ns, size_t bytes, uint8_t probe)
{
    double now_ms = ms(now_ns);
    bwe->sent_ms = now_ms;
    alr_sent(bwe, now_ms, bytes);
    if (probe) {
        sq_bwe_prober_sent(&bwe->prober, now_ms, probe, bytes);
    }
}

/* ---- The target ---- */

static void set_target(struct sq_bwe *bwe, double now_ms, double bps)
{
    bps = fmin(fmin(bps, bwe->delay_bps), fmin(bwe->receiver_bps, bwe->max_bps));
    bps = sq_bwe_clamp(bps, bwe->min_bps, bwe->max_bps);
    bool limited = bwe->loss.state != SQ_BWE_LOSS_NONE;
    bwe->prober.blocked = bwe->delay.usage != SQ_BWE_NORMAL || bwe->silent ||
                          bwe->loss.state == SQ_BWE_LOSS_DECREASING;
    bwe->prober.loss_limited = limited;
    if (bps != bwe->target_bps) {
        bwe->target_bps = bps;
        alr_set_estimate(&bwe->alr, bps);
    }
    sq_bwe_prober_set_estimate(&bwe->prober, now_ms, bps);
    if (bwe->started) {
        sq_bwe_prober_start(&bwe->prober, now_ms); /* where it was blocked at the start */
    }
}

/* What feedback told, summed up. */
struct told {
    double bytes, lost_bytes, first_sent_ms, last_sent_ms, probe_bps;
    double newest_arrival_ms, rtt_ms;
    bool recovered;
};

static void sort_by_arrival(struct sq_twcc_result *r, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        struct sq_twcc_result one = r[i];
        size_t at = i;
        for (; at > 0 && r[at - 1].arrival_ns > one.arrival_ns; at--) {
            r[at] = r[at - 1];
        }
        r[at] = one;
    }
}

static void take_arrived(struct sq_bwe *bwe, double now_ms, const struct sq_twcc_result *r,
                         struct told *told)
{
    double sent_ms = ms(r->sent_ns);
    double arrival_ms = (double)r->arrival_ns / 1e6;
    enum sq_bwe_usage before = bwe->delay.usage;
    sq_bwe_throughput_add(&bwe->throughput, sent_ms, arrival_ms, r->size_bytes);
    sq_bwe_delay_add(&bwe->delay, now_ms, sent_ms, arrival_ms);
    bwe->overuses += before != SQ_BWE_OVERUSING && bwe->delay.usage == SQ_BWE_OVERUSING;
    told->recovered |= before == SQ_BWE_UNDERUSING && bwe->delay.usage == SQ_BWE_NORMAL;
    if (r->probe) {
        double bps =
            sq_bwe_prober_arrived(&bwe->prober, r->probe, sent_ms, arrival_ms, r->size_bytes);
        told->probe_bps = bps >= 0 ? bps : told->probe_bps;
    }
    double pending = told->newest_arrival_ms - arrival_ms;
    told->rtt_ms = fmin(told->rtt_ms, fmax(now_ms - sent_ms - pending, 0));
}

static struct told take_results(struct sq_bwe *bwe, double now_ms,
                                const struct sq_twcc_result *results, size_t n)
{
    struct told told = {.first_sent_ms = 1e18,
                        .last_sent_ms = SQ_BWE_LONG_AGO,
                        .probe_bps = -1,
                        .newest_arrival_ms = SQ_BWE_LONG_AGO,
                        .rtt_ms = 1e9};
    for (size_t i = 0; i < n; i++) {
        const struct sq_twcc_result *r = &results[i];
        if (r->received) {
            told.newest_arrival_ms = fmax(told.newest_arrival_ms, (double)r->arrival_ns / 1e6);
        }
    }
    for (size_t i = 0; i < n; i++) {
        const struct sq_twcc_result *r = &results[i];
        if (r->received && r->was_lost) {
            told.lost_bytes -= r->size_bytes;
        } else {
            told.bytes += r->size_bytes;
            told.lost_bytes += r->received ? 0 : r->size_bytes;
        }
        told.first_sent_ms = fmin(told.first_sent_ms, ms(r->sent_ns));
        told.last_sent_ms = fmax(told.last_sent_ms, ms(r->sent_ns));
        if (r->received) {
            take_arrived(bwe, now_ms, r, &told);
        }
        bwe->any_loss |= !r->received;
    }
    return told;
}

/* The delay-based estimate. True where a probe set it. */
static bool update_delay(struct sq_bwe *bwe, double now_ms, double acked_bps, double probe_bps)
{
    struct sq_bwe_aimd *aimd = &bwe->aimd;
    bool probed = false;
    if (bwe->delay.usage == SQ_BWE_OVERUSING) {
        if (acked_bps >= 0 && sq_bwe_aimd_may_reduce(aimd, now_ms, acked_bps)) {
            sq_bwe_aimd_update(aimd, now_ms, SQ_BWE_OVERUSING, acked_bps);
        } else if (acked_bps < 0 && sq_bwe_aimd_may_reduce(aimd, now_ms, aimd->bps)) {
            sq_bwe_aimd_set(aimd, now_ms, aimd->bps / 2); /* nothing is measured yet */
        }
    } else if (probe_bps >= 0) {
        sq_bwe_aimd_set(aimd, now_ms, probe_bps);
        probed = true;
    } else {
        sq_bwe_aimd_update(aimd, now_ms, bwe->delay.usage, acked_bps);
    }
    bwe->delay_bps = aimd->bps;
    return probed;
}

static double next_target(struct sq_bwe *bwe, double now_ms)
{
    if (sq_bwe_loss_ready(&bwe->loss)) {
        return bwe->loss.result_bps;
    }
    bool start = now_ms - bwe->first_feedback_ms < START_PHASE_MS && !bwe->any_loss;
    return start ? fmax(bwe->delay_bps, bwe->target_bps) : bwe->target_bps;
}

void sq_bwe_on_feedback(struct sq_bwe *bwe, uint64_t now_ns, struct sq_twcc_result *results,
                        size_t n)
{
    double now_ms = ms(now_ns);
    if (n == 0) {
        return;
    }
    bwe->feedback_ms = now_ms;
    bwe->silent = false;
    if (bwe->first_feedback_ms == SQ_BWE_LONG_AGO) {
        bwe->first_feedback_ms = now_ms;
    }
    sort_by_arrival(results, n);
    struct told told = take_results(bwe, now_ms, results, n);
    double acked_bps = sq_bwe_throughput_bps(&bwe->throughput);
    if (told.rtt_ms < 1e9) {
        bwe->rtt_ms = told.rtt_ms;
        bwe->aimd.rtt_ms = fmin(told.rtt_ms, 10000);
        double probe_bps = told.probe_bps;
        if (probe_bps >= 0 && acked_bps >= 0) {
            /* A probe may take the rate down, but not below what got through. */
            probe_bps = fmax(probe_bps, fmin(bwe->aimd.bps, acked_bps * PROBE_DROP));
        }
        if (update_delay(bwe, now_ms, acked_bps, probe_bps)) {
            bwe->target_bps = bwe->delay_bps;
        }
    }
    sq_bwe_loss_update(&bwe->loss, told.first_sent_ms, told.last_sent_ms, told.bytes,
                       told.lost_bytes, bwe->delay_bps, acked_bps, bwe->alr.on);
    set_target(bwe, now_ms, next_target(bwe, now_ms));
    if (told.recovered && bwe->delay.usage == SQ_BWE_NORMAL) {
        sq_bwe_prober_recovered(&bwe->prober, now_ms);
    }
}

/* ---- Without transport-wide feedback ---- */

void sq_bwe_on_remb(struct sq_bwe *bwe, uint64_t now_ns, uint64_t bps)
{
    double now_ms = ms(now_ns);
    bwe->receiver_bps = bps ? (double)sq_min_u64(bps, UINT32_MAX) : SQ_BWE_NO_LIMIT;
    double target = bwe->target_bps;
    if (bwe->first_feedback_ms == SQ_BWE_LONG_AGO) {
        /* REMB is all there is: its estimate is trusted as long as nothing is lost. */
        bwe->delay_bps = bwe->max_bps;
        if (bps && !bwe->any_loss && bwe->report_ms == SQ_BWE_LONG_AGO) {
            target = bwe->receiver_bps;
        }
    }
    set_target(bwe, now_ms, target);
}

static void lowest_of_second(struct sq_bwe *bwe, double now_ms)
{
    if (now_ms - bwe->min_since_ms >= 999 || bwe->target_bps < bwe->min_target_bps) {
        bwe->min_since_ms = now_ms;
        bwe->min_target_bps = bwe->target_bps;
    }
}

/* By 8 % a second: also between reports, of which some receivers send one in five seconds. */
static void grow_by_report(struct sq_bwe *bwe, double now_ms)
{
    lowest_of_second(bwe, now_ms);
    double least = bwe->min_target_bps * REPORT_GROWTH + REPORT_GROWTH_LEAST;
    set_target(bwe, now_ms, fmax(bwe->target_bps, least));
}

/* When the next growth is due, or SQ_BWE_NO_LIMIT. */
static double growth_ms(const struct sq_bwe *bwe)
{
    double at_ms = bwe->min_since_ms + REPORT_INTERVAL_MS;
    bool grows = bwe->report_ms != SQ_BWE_LONG_AGO && bwe->loss.average <= REPORT_LOW &&
                 bwe->first_feedback_ms == SQ_BWE_LONG_AGO && bwe->target_bps < bwe->max_bps &&
                 bwe->target_bps < bwe->receiver_bps;
    return grows && at_ms <= bwe->report_ms + REPORT_VALID_MS ? at_ms : SQ_BWE_NO_LIMIT;
}

void sq_bwe_on_loss_report(struct sq_bwe *bwe, uint64_t now_ns, uint64_t packets, uint64_t lost,
                           uint64_t rtt_ns)
{
    double now_ms = ms(now_ns);
    if (bwe->first_feedback_ms != SQ_BWE_LONG_AGO) {
        return; /* feedback of packets says it better */
    }
    bwe->delay_bps = bwe->max_bps;
    if (rtt_ns) {
        bwe->rtt_ms = ms(rtt_ns);
    }
    bwe->report_packets += (double)packets;
    bwe->report_lost += (double)sq_min_u64(lost, packets);
    if (bwe->report_packets < REPORT_PACKETS) {
        return;
    }
    double loss = bwe->report_lost / bwe->report_packets;
    bwe->report_packets = bwe->report_lost = 0;
    bwe->report_ms = now_ms;
    bwe->any_loss |= loss > REPORT_LOW;
    bwe->loss.average = loss;
    if (loss <= REPORT_LOW) {
        grow_by_report(bwe, now_ms);
        return;
    }
    lowest_of_second(bwe, now_ms);
    double target = bwe->target_bps;
    if (loss > REPORT_HIGH && now_ms - bwe->decreased_ms >= REPORT_DECREASE_MS + bwe->rtt_ms) {
        bwe->decreased_ms = now_ms;
        target *= 1 - 0.5 * loss;
    }
    set_target(bwe, now_ms, target);
}

/* ---- Time ---- */

static bool silent_since(const struct sq_bwe *bwe, double now_ms)
{
    return bwe->feedback_ms != SQ_BWE_LONG_AGO && bwe->sent_ms - bwe->feedback_ms > SILENCE_MS &&
           now_ms - bwe->dropped_ms >= SILENCE_INTERVAL_MS;
}

uint64_t sq_bwe_next_ns(const struct sq_bwe *bwe)
{
    double at = sq_bwe_prober_next_ms(&bwe->prober);
    if (bwe->feedback_ms != SQ_BWE_LONG_AGO) {
        at = fmin(at, fmax(bwe->feedback_ms + SILENCE_MS, bwe->dropped_ms) + SILENCE_INTERVAL_MS);
    }
    at = fmin(at, growth_ms(bwe));
    return at >= SQ_BWE_NO_LIMIT ? SQ_NEVER : (uint64_t)(fmax(at, 0) * 1e6) + 1;
}

void sq_bwe_on_timeout(struct sq_bwe *bwe, uint64_t now_ns)
{
    double now_ms = ms(now_ns);
    if (silent_since(bwe, now_ms)) {
        bwe->silent = true;
        bwe->aimd.bps = sq_bwe_clamp(bwe->target_bps * SILENCE_FACTOR, bwe->min_bps, bwe->max_bps);
        bwe->delay_bps = bwe->aimd.bps;
        set_target(bwe, now_ms, bwe->delay_bps);
    }
    /* Asked again each second even where nothing was sent meanwhile. */
    if (now_ms - fmax(bwe->feedback_ms + SILENCE_MS, bwe->dropped_ms) >= SILENCE_INTERVAL_MS) {
        bwe->dropped_ms = now_ms;
    }
    if (growth_ms(bwe) <= now_ms) {
        grow_by_report(bwe, now_ms);
    }
    sq_bwe_prober_on_timeout(&bwe->prober, now_ms);
}

/* ---- Plain questions ---- */

uint64_t sq_bwe_target_bps(const struct sq_bwe *bwe)
{
    return (uint64_t)bwe->target_bps;
}

enum sq_bwe_limit sq_bwe_limited_by(const struct sq_bwe *bwe)
{
    if (bwe->silent) {
        return SQ_BWE_LIMIT_SILENCE;
    }
    if (bwe->receiver_bps <= bwe->target_bps) {
        return SQ_BWE_LIMIT_RECEIVER;
    }
    bool loss = bwe->loss.state != SQ_BWE_LOSS_NONE || bwe->report_ms != SQ_BWE_LONG_AGO;
    return loss ? SQ_BWE_LIMIT_LOSS : SQ_BWE_LIMIT_DELAY;
}

void sq_bwe_stats(const struct sq_bwe *bwe, struct sq_bwe_stats *ret_stats)
{
    double acked = sq_bwe_throughput_bps(&bwe->throughput);
    *ret_stats = (struct sq_bwe_stats){
        .target_bps = (uint64_t)bwe->target_bps,
        .delay_bps = (uint64_t)bwe->delay_bps,
        .loss_bps = (uint64_t)bwe->loss.result_bps,
        .acked_bps = acked > 0 ? (uint64_t)acked : 0,
        .rtt_ns = (uint64_t)(bwe->rtt_ms * 1e6),
        .overuses = bwe->overuses,
        .probes = bwe->prober.made,
        .probe_results = bwe->prober.results,
        .loss = bwe->loss.average,
        .alr = bwe->alr.on,
    };
}
