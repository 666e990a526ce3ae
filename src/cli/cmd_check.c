/* squall check: what a run would do, and what is wrong with its scenario, without running it. */
#include "base/mem.h"
#include "cli/cli.h"
#include "cli/network_option.h"
#include "cli/run_check.h"
#include "cli/run_file.h"
#include "cli/run_notes.h"
#include "cli/run_schema.h"
#include "cli/run_tell.h"
#include <stdio.h>
#include <string.h>

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
    sq_run_schema(&schema);
    bool printed = !schema.err && fputs(schema.text, stdout) >= 0 && fflush(stdout) == 0;
    sq_buf_free(&schema);
    return printed ? SQ_EXIT_HELD : sq_usage("check", "the schema cannot be written");
}

int sq_cmd_check(int argc, char **argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--schema") == 0) {
            return argc == 1 ? print_schema() : sq_usage("check", "--schema stands alone");
        }
    }
    struct sq_run_check *c = sq_zalloc(sizeof(*c));
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
        err = err ? err : sq_run_check(c);
        if (err) {
            code = sq_run_usage("check", &c->options, err, c->why, sizeof(c->why));
        } else {
            sq_run_tell(&c->options, &c->plan, stdout);
            fflush(stdout);
            sq_run_notes(&c->options, &c->plan, stderr);
        }
    }
    sq_run_check_close(c);
    sq_free(c);
    return code;
}
