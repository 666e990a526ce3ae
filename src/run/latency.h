/* By whose clocks one-way latency was measured, and what its figures are worth. */
#ifndef SQ_RUN_LATENCY_H
#define SQ_RUN_LATENCY_H

#include "peer/peer.h"
#include "run/result.h"
#include <stdint.h>

struct sq_latency_clocks {
    uint64_t same;         /* samples where both sides read the same clock */
    uint64_t compared;     /* … of different clocks with a bound for the difference */
    uint64_t unknown;      /* … without one */
    uint64_t error_max_us; /* of the compared ones */
};

/* Of audio and of video, by what told it (enum sq_latency_by). */
struct sq_latency_tally {
    struct sq_latency_clocks clocks[2][2];
    uint64_t negative[2]; /* arrived before they were sent: the clocks differ */
};

void sq_latency_count(struct sq_latency_tally *tally, bool video,
                      const struct sq_latency_sample *sample);
void sq_latency_merge(struct sq_latency_tally *to, const struct sq_latency_tally *from);
/* Fills in `latency_note`, "" where nothing was measured, and `latency`. */
void sq_latency_result(const struct sq_latency_tally *tally, struct sq_result *result);

#endif
