#include "run/pace.h"

#include <math.h>

void sq_pace_init(struct sq_pace *p, uint64_t first_ns, double rate_per_s)
{
    p->next_ns = (double)first_ns;
    p->gap_ns = fmax(1, 1e9 / rate_per_s);
}

uint64_t sq_pace_due(struct sq_pace *p, uint64_t now_ns, uint64_t *ret_skipped)
{
    *ret_skipped = 0;
    if ((double)now_ns < p->next_ns) {
        return 0;
    }
    double due = floor(((double)now_ns - p->next_ns) / p->gap_ns) + 1;
    double most = fmax(1, ceil((double)SQ_PACE_LATE_MAX_NS / p->gap_ns));
    p->next_ns += due * p->gap_ns;
    *ret_skipped = (uint64_t)fmax(0, due - most);
    return (uint64_t)fmin(due, most);
}

uint64_t sq_pace_next_ns(const struct sq_pace *p)
{
    return (uint64_t)ceil(p->next_ns);
}
