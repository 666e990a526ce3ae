/* The rate that arrives: libwebrtc's robust throughput estimator, over at least 20 packets and one
 * second, the longest pause of the arrivals taken for a spike, and never more than was sent. It
 * keeps buckets of 32 ms instead of single packets, so that its size has a bound. */
#include "peer/bwe/bwe_int.h"

#define BUCKET_US        32000
#define WINDOW_US        1000000
#define WINDOW_MOST_US   5000000
#define WINDOW_PACKETS   20
#define PACKETS_REQUIRED 10

static struct sq_bwe_bucket *bucket(struct sq_bwe_throughput *t, unsigned i)
{
    return &t->buckets[(t->first + i) % SQ_BWE_BUCKETS];
}

static uint32_t after(uint32_t us, uint32_t base_us)
{
    int32_t d = (int32_t)(us - base_us);
    return d > 0 ? (uint32_t)d : 0;
}

static void drop_first(struct sq_bwe_throughput *t)
{
    t->packets -= bucket(t, 0)->packets;
    t->first = (t->first + 1) % SQ_BWE_BUCKETS;
    t->len--;
}

static bool first_is_old(struct sq_bwe_throughput *t)
{
    const struct sq_bwe_bucket *last = bucket(t, t->len - 1);
    uint32_t span_us = after(last->arrival_us + last->span_us, bucket(t, 0)->arrival_us);
    return span_us > WINDOW_MOST_US ||
           (span_us > WINDOW_US && t->packets - bucket(t, 0)->packets >= WINDOW_PACKETS);
}

static void join(struct sq_bwe_bucket *b, uint32_t sent_us, uint32_t arrival_us, unsigned bytes)
{
    uint32_t span_us = after(arrival_us, b->arrival_us);
    int32_t sent = (int32_t)(sent_us - b->sent_us);
    if (span_us > b->span_us) {
        b->span_us = (uint16_t)span_us;
    }
    if (sent < 0) {
        b->sent_span_us += b->sent_us - sent_us;
        b->sent_us = sent_us;
    } else if ((uint32_t)sent >= b->sent_span_us) {
        b->sent_span_us = (uint32_t)sent;
        b->last_sent_bytes = (uint16_t)bytes;
    }
    b->bytes += bytes;
    b->packets++;
}

void sq_bwe_throughput_add(struct sq_bwe_throughput *t, double sent_ms, double arrival_ms,
                           unsigned bytes)
{
    uint32_t arrival_us = (uint32_t)(int64_t)(arrival_ms * 1000);
    uint32_t sent_us = (uint32_t)(int64_t)(sent_ms * 1000);
    struct sq_bwe_bucket *b = t->len > 0 ? bucket(t, t->len - 1) : NULL;
    if (b && (int32_t)(arrival_us - b->arrival_us) < -WINDOW_MOST_US) {
        t->len = t->packets = 0; /* the receiver's clock was set anew */
        b = NULL;
    }
    /* One that comes late counts with the latest. */
    if (b && after(arrival_us, b->arrival_us) < BUCKET_US && b->packets < UINT16_MAX) {
        join(b, sent_us, arrival_us, bytes);
    } else {
        if (t->len == SQ_BWE_BUCKETS) {
            drop_first(t);
        }
        *bucket(t, t->len++) = (struct sq_bwe_bucket){
            .arrival_us = arrival_us,
            .sent_us = sent_us,
            .bytes = bytes,
            .first_bytes = (uint16_t)bytes,
            .last_sent_bytes = (uint16_t)bytes,
            .packets = 1,
        };
    }
    t->packets++;
    while (t->len > 1 && first_is_old(t)) {
        drop_first(t);
    }
}

double sq_bwe_throughput_bps(const struct sq_bwe_throughput *t)
{
    if (t->packets < PACKETS_REQUIRED) {
        return -1;
    }
    const struct sq_bwe_bucket *first = &t->buckets[t->first];
    uint32_t zero_us = first->sent_us;
    uint32_t last_arrival = 0; /* after the first bucket's */
    int64_t first_sent = 0;    /* after zero_us */
    int64_t last_sent = 0;
    uint32_t gap = 0;
    uint32_t second_gap = 0;
    unsigned last_sent_bytes = 0;
    double bytes = 0;
    for (unsigned i = 0; i < t->len; i++) {
        const struct sq_bwe_bucket *b = &t->buckets[(t->first + i) % SQ_BWE_BUCKETS];
        uint32_t arrival = after(b->arrival_us, first->arrival_us);
        uint32_t between = after(arrival, last_arrival);
        if (between > gap) {
            second_gap = gap;
            gap = between;
        } else if (between > second_gap) {
            second_gap = between;
        }
        if (arrival + b->span_us > last_arrival) {
            last_arrival = arrival + b->span_us;
        }
        int64_t sent = (int32_t)(b->sent_us - zero_us);
        first_sent = sent < first_sent ? sent : first_sent;
        if (sent + b->sent_span_us >= last_sent) {
            last_sent = sent + b->sent_span_us;
            last_sent_bytes = b->last_sent_bytes;
        }
        bytes += b->bytes;
    }
    double arrival_us = fmax((double)last_arrival - gap + second_gap, 1000);
    double sent_us = fmax((double)(last_sent - first_sent), 1000);
    double arrived_bps = (bytes - first->first_bytes) * 8e6 / arrival_us;
    double sent_bps = (bytes - last_sent_bytes) * 8e6 / sent_us;
    return fmax(fmin(arrived_bps, sent_bps), 0);
}
