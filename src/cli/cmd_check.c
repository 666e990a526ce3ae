/* squall check: what a run would do, and what is wrong with its scenario, without running it. */
#include "base/mem.h"
#include "cli/baseline.h"
#include "cli/cli.h"
#include "cli/expect_option.h"
#include "cli/network_option.h"
#include "cli/record_option.h"
#include "cli/run_file.h"
#include "cli/run_metrics.h"
#include "cli/run_notes.h"
#include "cli/run_options.h"
#include "cli/run_paths.h"
#include "cli/run_places.h"
#include "cli/run_sources.h"
#include "cli/run_tell.h"
#include "scenario/keys.h"
#include <stdio.h>
#include <string.h>

#define WHY_MAX 512

struct check {
    struct sq_run_options options;
    struct sq_plan plan;
    struct sq_run_sources sources;
    struct sq_baseline_option baseline;
    char why[WHY_MAX];
};

static int print_help(void)
{
    puts("Usage: squall check FILE.yaml [OPTION…]\n"
         "       squall check --schema\n\n"
         "Says what 'squall run' would do with the scenario and the options (those of 'squall "
         "run', which\n"
         "win over the file), and what is wrong with it: exit code 2, and FILE:LINE:COLUMN. "
         "Nothing is\n"
         "run, and no network is used.\n\n"
         "  --schema   the JSON schema of scenario files, for editors\n"
         "  --help     this text");
    return SQ_EXIT_HELD;
}

static int print_schema(void)
{
    struct sq_buf schema = {0};
    sq_scenario_schema(&schema);
    bool printed = !schema.err && fputs(schema.text, stdout) >= 0 && fflush(stdout) == 0;
    sq_buf_free(&schema);
    return printed ? SQ_EXIT_HELD : sq_usage("check", "the schema cannot be written");
}

static int from_sources(struct check *c,
                        int (*find)(struct sq_run_sources *sources, const struct sq_run_options *o,
                                    struct sq_plan *plan))
{
    int err = find(&c->sources, &c->options, &c->plan);
    if (err) {
        sq_run_sources_explain(&c->sources, &c->options, c->why, sizeof(c->why));
    }
    return err;
}

static int check(struct check *c)
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

int sq_cmd_check(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--schema") == 0) {
            return argc == 1 ? print_schema() : sq_usage("check", "--schema stands alone");
        }
    }
    struct check *c = sq_zalloc(sizeof(*c));
    if (!c) {
        return sq_usage("check", "no memory");
    }
    int code = SQ_EXIT_HELD;
    c->sources.dry = true;
    int err = sq_run_options_parse(&c->options, argc, argv, c->why, sizeof(c->why));
    if (!err && c->options.help) {
        code = print_help();
    } else if (!err && sq_network_option_asks(&c->options.networks)) {
        sq_network_option_list(stdout);
    } else {
        err = err ? err : check(c);
        if (err) {
            code = sq_run_usage("check", &c->options, err, c->why, sizeof(c->why));
        } else {
            sq_run_tell(&c->options, &c->plan, stdout);
            fflush(stdout);
            sq_run_notes(&c->options, &c->plan, stderr);
        }
    }
    sq_baseline_free(&c->baseline);
    sq_run_sources_close(&c->sources);
    sq_run_options_free(&c->options);
    sq_free(c);
    return code;
}
