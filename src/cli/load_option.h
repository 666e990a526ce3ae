/* --load, --arrivals, --jitter and --think of `squall run`: shapes of a load beside the even one
 * that
 * --peers, --rate and --ramp make. */
#ifndef SQ_CLI_LOAD_OPTION_H
#define SQ_CLI_LOAD_OPTION_H

#include "base/time.h"
#include "cli/options.h"
#include "run/plan.h"
#include "run/result.h"
#include "scenario/shape.h"

#define SQ_LOAD_DURATION_DEFAULT_NS (30 * SQ_NS_PER_SEC) /* of a run of which nothing is said */

struct sq_load_option {
    const char *load, *arrivals, *think; /* as given; NULL: not */
    uint64_t jitter_ns;
    struct sq_shape shape; /* owned: what load or arrivals say */
    uint64_t think_min_ns, think_max_ns;
};

/* What else was given, for all of them say something of the load. */
struct sq_load_others {
    uint64_t peers; /* 0: not given; so are the others */
    double rate_per_s;
    const char *ramp;
    uint64_t hold_ns, duration_ns;
};

#define SQ_LOAD_OPTIONS 4
/* Their rows for the table of options, which point into *o. */
void sq_load_option_rows(struct sq_load_option *o, struct sq_option ret_rows[SQ_LOAD_OPTIONS]);
/* Reads what they say, and the file. The codes of sq_shape_parse and sq_shape_read: `why` is the
 * sentence. */
int sq_load_option_read(struct sq_load_option *o, const struct sq_load_others *others, char *why,
                        size_t why_room) SQ_MUST_USE;
void sq_load_option_free(struct sq_load_option *o);
/* Jitter and think time, and where there is a shape all else that says how peers arrive, leave and
 * how many there are at most. The plan borrows the shape of *o. Time-outs of the plan are set. */
void sq_load_option_plan(const struct sq_load_option *o, const struct sq_load_others *others,
                         struct sq_plan *plan);
/* The rows of `config` that they have. SQ_ERR_NOMEM. */
int sq_load_option_describe(const struct sq_load_option *o, struct sq_result *result) SQ_MUST_USE;

#endif
