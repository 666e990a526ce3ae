/* A sender with an ideal encoder, a bottleneck and a receiver that gives transport-wide feedback,
 * for tests of the estimator alone: nothing of a peer in it. Steps of 1 ms. */
#ifndef SQ_TESTS_PEER_BWE_LINK_H
#define SQ_TESTS_PEER_BWE_LINK_H

#include "base/rand.h"
#include "peer/bwe/bwe.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define BWE_LINK_FLOWS   4
#define BWE_LINK_PACKETS 4096 /* of a flow, until they were told of */

struct bwe_packet {
    uint64_t sent_ns, arrival_ns; /* arrival 0: lost */
    uint16_t bytes;
    uint8_t probe;
};

struct bwe_flow {
    struct sq_bwe *bwe; /* NULL: a constant rate */
    double source_bps;  /* the encoder gives no more; 0: all that is allowed */
    double constant_bps;
    bool on;
    double debt_bits, frame_ms, next_frame_ms, frame_bits;
    double pace_bits;
    struct bwe_packet packets[BWE_LINK_PACKETS];
    size_t head, told; /* sent; given in feedback */
    uint64_t bytes_arrived, bytes_sent, lost;
};

struct bwe_link {
    double rate_bps;
    double queue_ms, delay_ms, jitter_ms, loss;
    uint64_t feedback_ms;
    uint64_t now_ms;
    double busy_until_ms; /* of the bottleneck */
    struct sq_rand rand;
    struct bwe_flow *flows[BWE_LINK_FLOWS];
    size_t n;
    double worst_queue_ms;
};

void bwe_link_init(struct bwe_link *link, double rate_bps);
struct bwe_flow *bwe_link_add(struct bwe_link *link, const struct sq_bwe_config *config);
void bwe_link_free(struct bwe_link *link);
/* `each` is called every 100 ms; may be NULL. */
void bwe_link_run(struct bwe_link *link, uint64_t ms, void (*each)(void *ctx), void *ctx);

#endif
