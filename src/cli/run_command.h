/* The command line as results tell it. */
#ifndef SQ_CLI_RUN_COMMAND_H
#define SQ_CLI_RUN_COMMAND_H

#include "base/err.h"

/* `command` ("squall run") and what follows it; secrets are left out. `target` (nullable) is the
 * word that is the target. Replaces *ret_text, which is owned. SQ_ERR_NOMEM. */
int sq_run_command(const char *command, const char *target, int argc, char **argv,
                   char **ret_text) SQ_MUST_USE;

#endif
