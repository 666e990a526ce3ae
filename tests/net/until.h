/* Real sockets without sleeping: run the loop until something has happened, or give up. */
#ifndef TESTS_NET_UNTIL_H
#define TESTS_NET_UNTIL_H

#include "net/loop.h"

#define UNTIL_MAX_NS (20 * SQ_NS_PER_SEC)

/* Runs the loop while `cond` is false; fails the test after UNTIL_MAX_NS. */
#define RUN_UNTIL(loop, cond)                                                                      \
    do {                                                                                           \
        uint64_t give_up_ = sq_clock_ns() + UNTIL_MAX_NS;                                          \
        while (!(cond)) {                                                                          \
            if (sq_clock_ns() > give_up_) {                                                        \
                fail_msg("never came true: %s", #cond);                                            \
            }                                                                                      \
            assert_int_equal(sq_loop_run_once((loop), 20 * SQ_NS_PER_MS), 0);                      \
        }                                                                                          \
    } while (0)

#endif
