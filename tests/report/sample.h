/* A plausible result without a run: 200 peers in 20 rooms for 30 s, some of which fail. */
#ifndef TESTS_REPORT_SAMPLE_H
#define TESTS_REPORT_SAMPLE_H

#include "run/result.h"

struct sample_options {
    unsigned peers;
    unsigned seconds;
    bool healthy;        /* nobody fails */
    bool starved;        /* the generator is not ok */
    const char *hostile; /* nullable: put into every text that comes from the network */
};

/* The same options give the same result. Judged already; NULL without memory. */
struct sq_result *sample_result(const struct sample_options *options);

/* Gives the result three timers, one of which nobody took, and two counters. `name` is the last
 * one's of both, as a file of results may have it. */
void sample_add_own(struct sq_result *r, const char *name);

#endif
