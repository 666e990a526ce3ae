/* How the kernel schedules the calling thread (sched(7)). */
#ifndef SQ_BASE_SCHED_H
#define SQ_BASE_SCHED_H

#include "base/err.h"

/* From now on the thread goes before all that is not of real time: SCHED_FIFO, at its lowest
 * priority, or as it is where that is of real time already. Threads that it starts are ordinary
 * ones. SQ_ERR_REFUSED: it takes root, CAP_SYS_NICE or an RLIMIT_RTPRIO above 0. */
int sq_thread_go_realtime(void) SQ_MUST_USE;

/* Would sq_thread_go_realtime succeed? The thread is scheduled as before. SQ_ERR_REFUSED. */
int sq_thread_may_realtime(void) SQ_MUST_USE;

#endif
