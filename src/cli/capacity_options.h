/* What `squall capacity` takes besides the options of `squall run`. */
#ifndef SQ_CLI_CAPACITY_OPTIONS_H
#define SQ_CLI_CAPACITY_OPTIONS_H

#include "cli/run_options.h"
#include "run/capacity.h"

struct sq_capacity_options {
    struct sq_run_options run; /* of each level */
    const char *grow_text, *resolution_text, *server_metrics;
    enum sq_grow grow[SQ_CAPACITY_SEARCHES];
    size_t grow_len;
    double resolution; /* a share */
    uint64_t from, most, confirms, at_least, server_pid;
    uint64_t hold_ns, hold_most_ns, pause_ns, time_limit_ns;
    bool help, size_given, expectations_given;
    char defaults[4][96]; /* expectations, where none are given */
};

/* Reads the words after "capacity". SQ_ERR_INVALID and the like with a sentence. */
int sq_capacity_options_parse(struct sq_capacity_options *o, int argc, char **argv, char *why,
                              size_t why_room) SQ_MUST_USE;
/* What grows, where it was not said; the plan has its targets. SQ_ERR_INVALID with a sentence:
 * there are no rooms to grow. */
int sq_capacity_options_grow(struct sq_capacity_options *o, const struct sq_plan *plan, char *why,
                             size_t why_room) SQ_MUST_USE;
/* What is expected, where nothing was said; the plan has its targets and clips. */
int sq_capacity_options_expect(struct sq_capacity_options *o, const struct sq_plan *plan, char *why,
                               size_t why_room) SQ_MUST_USE;
void sq_capacity_options_help(void);
void sq_capacity_options_free(struct sq_capacity_options *o);

#endif
