#include "run/arrivals.h"

#include <math.h>

void sq_arrivals_init(struct sq_arrivals *a, uint64_t start_ns, double rate_per_s)
{
    *a = (struct sq_arrivals){.since_ns = start_ns, .rate_per_s = rate_per_s};
}

static double count_at(const struct sq_arrivals *a, uint64_t now_ns)
{
    if (now_ns < a->since_ns) {
        return fmax(0, a->before - a->old_rate_per_s * (double)(a->since_ns - now_ns) / 1e9);
    }
    if (a->paused) {
        return a->before;
    }
    return a->before + a->rate_per_s * (double)(now_ns - a->since_ns) / 1e9;
}

static void rebase(struct sq_arrivals *a, uint64_t at_ns)
{
    if (at_ns > a->since_ns) {
        a->before = count_at(a, at_ns);
        a->since_ns = at_ns;
        a->old_rate_per_s = a->paused ? 0 : a->rate_per_s;
    }
}

void sq_arrivals_set_rate(struct sq_arrivals *a, uint64_t at_ns, double rate_per_s)
{
    rebase(a, at_ns);
    a->rate_per_s = rate_per_s;
}

void sq_arrivals_pause(struct sq_arrivals *a, uint64_t at_ns, bool paused)
{
    rebase(a, at_ns);
    a->paused = paused;
}

uint64_t sq_arrivals_due(const struct sq_arrivals *a, uint64_t now_ns)
{
    double count = count_at(a, now_ns);
    /* User 0 begins at the start, user n when n arrivals are over; rounding must not hold one back.
     */
    return now_ns < a->since_ns && a->before == 0 ? 0 : (uint64_t)floor(count + 1e-6) + 1;
}

uint64_t sq_arrivals_before(const struct sq_arrivals *a, uint64_t end_ns)
{
    return (uint64_t)ceil(fmax(0, count_at(a, end_ns) - 1e-6));
}

uint64_t sq_arrivals_time_ns(const struct sq_arrivals *a, uint64_t index)
{
    double ahead = (double)index - a->before;
    if (ahead <= 0) {
        double ago_ns = a->old_rate_per_s > 0 ? -ahead / a->old_rate_per_s * 1e9 : 0;
        return ago_ns < (double)a->since_ns ? a->since_ns - (uint64_t)ago_ns : 0;
    }
    if (a->paused || a->rate_per_s <= 0) {
        return SQ_NEVER;
    }
    double wait_ns = ahead / a->rate_per_s * 1e9;
    return wait_ns < 1e18 ? a->since_ns + (uint64_t)wait_ns : SQ_NEVER;
}
