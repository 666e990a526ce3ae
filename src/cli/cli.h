/* The commands. Each takes what follows its name and returns the exit code (docs/exit-codes.md). */
#ifndef SQ_CLI_CLI_H
#define SQ_CLI_CLI_H

#include "base/err.h"
#include "run/result.h"

int sq_cmd_run(int argc, char **argv);
int sq_cmd_check(int argc, char **argv);
int sq_cmd_capacity(int argc, char **argv);
int sq_cmd_compare(int argc, char **argv);
int sq_cmd_lab(int argc, char **argv);
int sq_cmd_pair(int argc, char **argv);
int sq_cmd_media(int argc, char **argv);
int sq_cmd_explain(int argc, char **argv);
int sq_media_replay(int argc, char **argv); /* squall media replay */

/* A usage or configuration error: a sentence on standard error, and where help is. Returns
 * SQ_EXIT_USAGE. */
int sq_usage(const char *command, const char *fmt, ...) SQ_PRINTF(2, 3);
/* What a command ends with that came as far as `code`: an error is told (`why`, or the error's own
 * name where that is empty), and what would be SQ_EXIT_HELD is SQ_EXIT_USAGE then. */
int sq_exit_code(int code, int err, const char *why);

#endif
