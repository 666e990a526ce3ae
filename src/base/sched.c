#include "base/sched.h"

#include <sched.h>
#include <stdbool.h>

static bool is_realtime(int policy)
{
    policy &= ~SCHED_RESET_ON_FORK;
    return policy == SCHED_FIFO || policy == SCHED_RR || policy == SCHED_DEADLINE;
}

static int set_fifo(int flags)
{
    const struct sched_param param = {.sched_priority = sched_get_priority_min(SCHED_FIFO)};
    return sched_setscheduler(0, SCHED_FIFO | flags, &param) == 0 ? 0 : SQ_ERR_REFUSED;
}

int sq_thread_go_realtime(void)
{
    return is_realtime(sched_getscheduler(0)) ? 0 : set_fifo(SCHED_RESET_ON_FORK);
}

int sq_thread_may_realtime(void)
{
    int policy = sched_getscheduler(0);
    if (is_realtime(policy)) {
        return 0;
    }
    int err = set_fifo(policy & SCHED_RESET_ON_FORK);
    if (!err) {
        const struct sched_param none = {0};
        (void)sched_setscheduler(0, policy, &none);
    }
    return err;
}
