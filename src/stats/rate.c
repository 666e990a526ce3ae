#include "stats/rate.h"

void sq_rate_init(struct sq_rate *r, uint64_t window_ns)
{
    *r = (struct sq_rate){.window_ns = window_ns > 0 ? window_ns : 1};
}

static uint32_t before(uint32_t at)
{
    return (at + SQ_RATE_POINTS - 1) % SQ_RATE_POINTS;
}

void sq_rate_update(struct sq_rate *r, uint64_t now_ns, uint64_t total)
{
    if (r->points > 0 && (now_ns < r->at_ns[r->head] || total < r->total[r->head])) {
        r->points = 0;
    }
    uint64_t step_ns = r->window_ns / (SQ_RATE_POINTS - 1);
    /* The newest point moves along until it is a step away from the one before it: so the ring
     * spans the window however often this is called. */
    bool move = r->points > 1 && now_ns - r->at_ns[before(r->head)] <= step_ns;
    if (!move) {
        r->head = (r->head + 1) % SQ_RATE_POINTS;
        r->points += r->points < SQ_RATE_POINTS;
    }
    r->at_ns[r->head] = now_ns;
    r->total[r->head] = total;
}

bool sq_rate_get(const struct sq_rate *r, double *ret_per_second)
{
    if (r->points < 2) {
        return false;
    }
    uint64_t now_ns = r->at_ns[r->head];
    uint32_t oldest = before(r->head);
    for (uint32_t i = 2; i < r->points; i++) {
        uint32_t next = before(oldest);
        if (now_ns - r->at_ns[next] > r->window_ns) {
            break;
        }
        oldest = next;
    }
    if (r->at_ns[oldest] == now_ns) {
        return false;
    }
    *ret_per_second =
        (double)(r->total[r->head] - r->total[oldest]) * 1e9 / (double)(now_ns - r->at_ns[oldest]);
    return true;
}
