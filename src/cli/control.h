/* The user's hands on a run: keys of a terminal (SIPp's), Ctrl-C and SIGTERM, as call-backs on a
 * loop. */
#ifndef SQ_CLI_CONTROL_H
#define SQ_CLI_CONTROL_H

#include "base/err.h"
#include "net/loop.h"
#include <stdbool.h>

struct sq_control {
    struct sq_watch keys, signals;
    bool on;  /* started, and not stopped */
    bool raw; /* it changed the terminal's settings */
    void (*key)(void *ctx, char key);
    void (*interrupt)(void *ctx, unsigned count); /* 1 for the first signal */
    unsigned interrupts;
    void *ctx;
};

/* Blocks SIGINT and SIGTERM for this thread and those it starts: before any thread. SQ_ERR_IO. */
int sq_control_block_signals(void) SQ_MUST_USE;
/* Keys are read only where `want_keys` and standard input is a terminal. SQ_ERR_IO with errno. */
int sq_control_start(struct sq_control *control, struct sq_loop *loop, bool want_keys) SQ_MUST_USE;
/* While a run is made ready, which takes as long as a name server takes: a signal ends the process
 * with SQ_EXIT_INTERRUPTED, at once, or at sq_control_stop where the loop did not turn. That before
 * sq_control_start. */
int sq_control_start_early(struct sq_control *control, struct sq_loop *loop) SQ_MUST_USE;
/* From now on a signal ends the process in the same way, even while it waits for the other end of a
 * pipe: before anything was begun, and when all that can be kept is kept. So does one that came
 * before, and that no loop was told. Not between sq_control_start and sq_control_stop. */
void sq_control_let_go(void);
/* Puts the terminal back. A signal that came and was not told to the loop, and one that comes from
 * now on, is kept for the next sq_control_start or sq_control_let_go. Allowed on a zeroed one. */
void sq_control_stop(struct sq_control *control);

#endif
