#include "peer/bwe/remote.h"

#include "base/mem.h"
#include "peer/bwe/bwe_int.h"
#include "peer/rtp/rtp.h"
#include <string.h>

#define SETTLE_MS     5000.0 /* libwebrtc's kInitializationTime */
#define TELL_MS       200.0  /* and its RembThrottler's interval; … */
#define TELL_BELOW    0.97   /* … at once below so much of what was told last */
#define REPORT_BITS   (80.0 * 8)
#define REPORT_SHARE  0.05
#define UPDATE_MIN_MS 200.0
#define UPDATE_MAX_MS 1000.0
#define GONE_MS       2000.0
#define BUCKET_MS     50
#define BUCKETS       20 /* a second */

struct sq_bwe_remote {
    struct sq_bwe_delay delay;
    struct sq_bwe_aimd aimd;
    double sent_ms; /* of the latest packet, by the sender's clock from a zero of its own */
    uint32_t sent;  /* the same as it came: abs-send-time or time-stamp */
    uint32_t ssrc;  /* whose time-stamps are followed */
    bool have_sent, by_send_time;
    bool known;
    uint32_t bytes[BUCKETS];
    uint64_t bucket; /* the latest */
    double first_ms, seen_ms, updated_ms, told_ms, told_bps;
};

int sq_bwe_remote_create(struct sq_bwe_remote **ret_remote)
{
    struct sq_bwe_remote *r = sq_zalloc(sizeof(*r));
    if (!r) {
        return SQ_ERR_NOMEM;
    }
    sq_bwe_delay_init(&r->delay);
    sq_bwe_aimd_init(&r->aimd, SQ_BWE_MAX_BPS, SQ_BWE_MIN_BPS, SQ_BWE_MAX_BPS);
    r->first_ms = r->seen_ms = r->updated_ms = r->told_ms = SQ_BWE_LONG_AGO;
    *ret_remote = r;
    return 0;
}

void sq_bwe_remote_destroy(struct sq_bwe_remote *remote)
{
    sq_free(remote);
}

/* What came in the latest second, or since the beginning; -1 in the first half of one. */
static double count(struct sq_bwe_remote *r, double now_ms, size_t bytes)
{
    uint64_t bucket = (uint64_t)(now_ms / BUCKET_MS);
    if (bucket >= r->bucket + BUCKETS) {
        memset(r->bytes, 0, sizeof(r->bytes));
        r->bucket = bucket;
    }
    while (r->bucket < bucket) {
        r->bytes[++r->bucket % BUCKETS] = 0;
    }
    r->bytes[r->bucket % BUCKETS] += (uint32_t)sq_bwe_clamp((double)bytes, 0, 65535);
    double sum = 0;
    for (unsigned i = 0; i < BUCKETS; i++) {
        sum += r->bytes[i];
    }
    double span_ms = (BUCKETS - 1) * BUCKET_MS + fmod(now_ms, BUCKET_MS);
    span_ms = fmin(span_ms, now_ms - r->first_ms);
    return span_ms < BUCKETS * BUCKET_MS / 2.0 ? -1 : sum * 8000 / span_ms;
}

/* When the packet left, by the sender's clock; false where that cannot be told. */
static bool follow(struct sq_bwe_remote *r, const struct sq_bwe_arrival *a)
{
    if (!a->has_send_time && (a->again || (r->have_sent && a->ssrc != r->ssrc))) {
        return false;
    }
    uint32_t sent = a->has_send_time ? a->abs_send_time : a->timestamp;
    if (!r->have_sent || r->by_send_time != a->has_send_time) {
        r->have_sent = true;
        r->by_send_time = a->has_send_time;
        r->ssrc = a->ssrc;
        sq_bwe_delay_init(&r->delay);
    } else if (a->has_send_time) {
        r->sent_ms += (double)sq_rtp_abs_send_time_diff_ns(sent, r->sent) / 1e6;
    } else {
        r->sent_ms += (double)(int32_t)(sent - r->sent) / 90;
    }
    r->sent = sent;
    return true;
}

static bool update_is_due(const struct sq_bwe_remote *r, double now_ms, double bps)
{
    double interval_ms = REPORT_BITS / (REPORT_SHARE * r->aimd.bps) * 1000;
    interval_ms = sq_bwe_clamp(interval_ms, UPDATE_MIN_MS, UPDATE_MAX_MS);
    return now_ms - r->updated_ms > interval_ms ||
           (r->delay.usage == SQ_BWE_OVERUSING && sq_bwe_aimd_may_reduce(&r->aimd, now_ms, bps));
}

static void update(struct sq_bwe_remote *r, double now_ms, double bps)
{
    if (!r->known && now_ms - r->first_ms > SETTLE_MS) {
        r->known = true;
        sq_bwe_aimd_set(&r->aimd, now_ms, bps);
    }
    if (r->known || r->delay.usage == SQ_BWE_OVERUSING) {
        r->known = true;
        sq_bwe_aimd_update(&r->aimd, now_ms, r->delay.usage, bps);
    }
    r->updated_ms = now_ms;
}

bool sq_bwe_remote_on_packet(struct sq_bwe_remote *remote, const struct sq_bwe_arrival *arrival)
{
    struct sq_bwe_remote *r = remote;
    double now_ms = fmax((double)arrival->now_ns / 1e6, r->seen_ms);
    if (now_ms - r->seen_ms > GONE_MS) { /* what was measured before is no measure any more */
        r->have_sent = false;
        r->first_ms = r->known ? r->first_ms : now_ms;
    }
    r->seen_ms = now_ms;
    double bps = count(r, now_ms, arrival->bytes);
    if (follow(r, arrival)) {
        sq_bwe_delay_add(&r->delay, now_ms, r->sent_ms, now_ms);
    }
    if (bps < 0 || !update_is_due(r, now_ms, bps)) {
        return false;
    }
    update(r, now_ms, bps);
    bool tell =
        r->known && (now_ms - r->told_ms >= TELL_MS || r->aimd.bps < TELL_BELOW * r->told_bps);
    if (tell) {
        r->told_ms = now_ms;
        r->told_bps = r->aimd.bps;
    }
    return tell;
}

uint64_t sq_bwe_remote_bps(const struct sq_bwe_remote *remote)
{
    return remote->known ? (uint64_t)remote->aimd.bps : 0;
}
