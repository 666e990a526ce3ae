#include "run/worst.h"

#include <math.h>

static double or_zero(double number)
{
    return isfinite(number) ? number : 0;
}

/* A second of frozen picture, or without any media after a drop, weighs as much as 2 % of loss, or
 * as two seconds of set-up. Only an order of looking, not a score. */
double sq_peer_badness(const struct sq_peer_row *peer)
{
    double sum = 0;
    for (int f = 0; f < SQ_FLOW_COUNT; f++) {
        sum += or_zero(peer->flow[f].loss_percent) / 2;
    }
    sum += or_zero(peer->flow[SQ_FLOW_VIDEO_IN].freeze_ms) / 1000;
    sum += or_zero(peer->gap_ms) / 1000;
    sum += or_zero(peer->stage_ms[SQ_STAGE_TOTAL]) / 2000;
    return sum;
}
