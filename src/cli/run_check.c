#include "cli/run_check.h"

#include "cli/expect_option.h"
#include "cli/record_option.h"
#include "cli/run_metrics.h"
#include "cli/run_paths.h"
#include "cli/run_places.h"

static int from_sources(struct sq_run_check *c,
                        int (*find)(struct sq_run_sources *sources, const struct sq_run_options *o,
                                    struct sq_plan *plan))
{
    int err = find(&c->sources, &c->options, &c->plan);
    if (err) {
        sq_run_sources_explain(&c->sources, &c->options, c->why, sizeof(c->why));
    }
    return err;
}

int sq_run_check(struct sq_run_check *c)
{
    int err = sq_run_options_plan(&c->options, &c->plan, c->why, sizeof(c->why));
    err = err ? err : sq_record_option_check(&c->options, c->why, sizeof(c->why));
    err = err ? err : sq_run_places_check(&c->options, NULL, c->why, sizeof(c->why));
    err = err ? err
              : sq_run_metrics_check(c->options.prometheus, c->options.prometheus_push, c->why,
                                     sizeof(c->why));
    err = err ? err : from_sources(c, sq_run_sources_open);
    err = err ? err : from_sources(c, sq_run_sources_targets);
    err = err ? err : sq_run_paths_check(&c->options, c->why, sizeof(c->why));
    err = err ? err
              : sq_baseline_load(&c->baseline, &c->options.baselines, c->options.baseline_threshold,
                                 c->why, sizeof(c->why));
    return err ? err : sq_expect_options_plan(&c->options, &c->plan, c->why, sizeof(c->why));
}

void sq_run_check_close(struct sq_run_check *c)
{
    sq_baseline_free(&c->baseline);
    sq_run_sources_close(&c->sources);
    sq_run_options_free(&c->options);
}
