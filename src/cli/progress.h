/* The run while it runs: a live view on a terminal, a line every few seconds elsewhere. */
#ifndef SQ_CLI_PROGRESS_H
#define SQ_CLI_PROGRESS_H

#include "base/str.h"
#include "run/run.h"
#include <stdbool.h>

struct sq_progress {
    bool live; /* redraw in place; else plain lines */
    bool quiet;
    const char *target;
    unsigned lines;         /* drawn last time */
    uint64_t seconds_shown; /* plain: lines so far */
};

/* live_wanted: the user did not say --no-tui. The live view needs a terminal on standard error. */
void sq_progress_init(struct sq_progress *p, const char *target, bool live_wanted, bool quiet);
void sq_progress_second(struct sq_progress *p, const struct sq_run_live *live);
/* What the live view shows of this second, in lines of any length, appended to `out`. Its only
 * control characters are its own: colours and line ends. */
void sq_progress_render(const struct sq_progress *p, const struct sq_run_live *live,
                        struct sq_buf *out);
/* A sentence of its own ("draining…"). */
void sq_progress_say(struct sq_progress *p, const char *text);
/* Leaves the terminal as it was. */
void sq_progress_end(struct sq_progress *p);

#endif
