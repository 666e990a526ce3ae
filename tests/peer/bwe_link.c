#include "peer/bwe_link.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define NS(ms)       ((uint64_t)((ms)*1e6))
#define PACKET_BYTES 1200
#define FRAME_MS     (1000.0 / 30)
#define PACE         2.5

void bwe_link_init(struct bwe_link *link, double rate_bps)
{
    *link = (struct bwe_link){
        .rate_bps = rate_bps, .queue_ms = 300, .delay_ms = 50, .feedback_ms = 100, .now_ms = 1000};
    sq_rand_seed(&link->rand, 7);
}

struct bwe_flow *bwe_link_add(struct bwe_link *link, const struct sq_bwe_config *config)
{
    struct bwe_flow *flow = calloc(1, sizeof(*flow));
    if (config && sq_bwe_create(config, &flow->bwe) != 0) {
        free(flow);
        return NULL;
    }
    flow->on = true;
    flow->next_frame_ms = (double)link->now_ms + 7.0 * (double)link->n;
    link->flows[link->n++] = flow;
    return flow;
}

void bwe_link_free(struct bwe_link *link)
{
    for (size_t i = 0; i < link->n; i++) {
        sq_bwe_destroy(link->flows[i]->bwe);
        free(link->flows[i]);
    }
}

static void send_one(struct bwe_link *link, struct bwe_flow *flow, unsigned bytes, uint8_t probe)
{
    double now = (double)link->now_ms;
    struct bwe_packet *p = &flow->packets[flow->head++ % BWE_LINK_PACKETS];
    *p = (struct bwe_packet){.sent_ns = NS(now), .bytes = (uint16_t)bytes, .probe = probe};
    flow->bytes_sent += bytes;
    if (flow->bwe) {
        sq_bwe_on_sent(flow->bwe, NS(now), bytes, probe);
    }
    double begin = fmax(now, link->busy_until_ms);
    bool lost = link->loss > 0 && (double)sq_rand_below(&link->rand, 1000000) < link->loss * 1e6;
    if (begin - now > link->queue_ms || lost) {
        flow->lost++;
        return;
    }
    link->worst_queue_ms = fmax(link->worst_queue_ms, begin - now);
    link->busy_until_ms = begin + bytes * 8000.0 / link->rate_bps;
    double jitter = link->jitter_ms * (double)sq_rand_below(&link->rand, 1000) / 1000;
    p->arrival_ns = NS(link->busy_until_ms + link->delay_ms + jitter);
    flow->bytes_arrived += bytes;
}

static void step_flow(struct bwe_link *link, struct bwe_flow *flow)
{
    double now = (double)link->now_ms;
    double target = flow->bwe ? (double)sq_bwe_target_bps(flow->bwe) : flow->constant_bps;
    double media = flow->source_bps > 0 ? fmin(flow->source_bps, target) : target;
    if (!flow->on) {
        flow->next_frame_ms = now;
        return;
    }
    if (flow->bwe) {
        sq_bwe_start(flow->bwe, NS(now));
    }
    if (now >= flow->next_frame_ms) {
        flow->next_frame_ms += FRAME_MS;
        flow->frame_bits += media * FRAME_MS / 1000;
    }
    flow->pace_bits = fmax(0, flow->pace_bits - PACE * target / 1000);
    struct sq_bwe_probe probe;
    if (flow->bwe && sq_bwe_probe_due(flow->bwe, NS(now), &probe)) {
        for (int left = (int)probe.bytes; left > 0; left -= PACKET_BYTES) {
            flow->frame_bits = fmax(0, flow->frame_bits - PACKET_BYTES * 8);
            send_one(link, flow, PACKET_BYTES, probe.id);
        }
    }
    while (flow->frame_bits >= 800 && flow->pace_bits <= PACE * target * 0.04) {
        unsigned bytes = (unsigned)fmin(PACKET_BYTES, flow->frame_bits / 8);
        send_one(link, flow, bytes, 0);
        flow->frame_bits -= bytes * 8.0;
        flow->pace_bits += bytes * 8.0;
    }
}

/* All that arrived half a round trip ago; a hole before it is a loss. */
static void give_feedback(struct bwe_link *link, struct bwe_flow *flow)
{
    static struct sq_twcc_result results[BWE_LINK_PACKETS];
    uint64_t then = NS((double)link->now_ms - link->delay_ms);
    size_t end = flow->told;
    for (size_t i = flow->told; i < flow->head; i++) {
        const struct bwe_packet *p = &flow->packets[i % BWE_LINK_PACKETS];
        if (p->arrival_ns && p->arrival_ns <= then) {
            end = i + 1;
        }
    }
    size_t n = 0;
    for (; flow->told < end; flow->told++) {
        const struct bwe_packet *p = &flow->packets[flow->told % BWE_LINK_PACKETS];
        bool received = p->arrival_ns && p->arrival_ns <= then;
        results[n++] = (struct sq_twcc_result){
            .seq = (uint16_t)flow->told,
            .size_bytes = p->bytes,
            .received = received,
            .probe = p->probe,
            .sent_ns = p->sent_ns,
            .arrival_ns = received ? (int64_t)(p->arrival_ns / 250000 * 250000) : 0,
        };
    }
    sq_bwe_on_feedback(flow->bwe, NS(link->now_ms), results, n);
}

void bwe_link_run(struct bwe_link *link, uint64_t ms, void (*each)(void *ctx), void *ctx)
{
    for (uint64_t until = link->now_ms + ms; link->now_ms < until; link->now_ms++) {
        for (size_t i = 0; i < link->n; i++) {
            struct bwe_flow *flow = link->flows[i];
            if (flow->bwe && (link->now_ms + i * 17) % link->feedback_ms == 0) {
                give_feedback(link, flow);
            }
            if (flow->bwe && sq_bwe_next_ns(flow->bwe) <= NS(link->now_ms)) {
                sq_bwe_on_timeout(flow->bwe, NS(link->now_ms));
            }
            step_flow(link, flow);
        }
        if (each && link->now_ms % 100 == 0) {
            each(ctx);
        }
    }
}
