#include "cli/cli.h"
#include "cli/run_file.h"
#include <stdio.h>

int sq_run_usage(const char *command, const struct sq_run_options *o, int err, char *why,
                 size_t why_room)
{
    if (!why[0]) {
        return sq_usage(command, "%s", sq_err_name(err));
    }
    if (sq_run_file_explain(o, NULL, why, why_room) || sq_run_file_names(o, why)) {
        fprintf(stderr, "%s\n", why); /* as compilers write it: editors find the place */
        return SQ_EXIT_USAGE;
    }
    return sq_usage(command, "%s", why);
}
