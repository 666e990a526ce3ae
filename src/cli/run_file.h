/* The scenario file of `squall run`: its values become options, as the command line's do, and what
 * is wrong with one of them is told by its place in the file. */
#ifndef SQ_CLI_RUN_FILE_H
#define SQ_CLI_RUN_FILE_H

#include "cli/run_options.h"

/* The word names a scenario: it ends in .yaml or .yml. */
bool sq_run_file_is(const char *word);
/* Reads the file into o->scenario, and options out of it: into *o, and for each group into
 * o->groups. `argv` is put on top of them: it wins. SQ_ERR_INVALID and the like with a sentence
 * that names the place. */
int sq_run_file_read(struct sq_run_options *o, const char *file, int argc, char **argv, char *why,
                     size_t why_room) SQ_MUST_USE;
/* `why` is of the command line ("--room-size 0: expected …"). Where the file says what it is about,
 * its place is put before it, and options are called by their keys. `group` (nullable): whose
 * options were looked at. Gives whether it did. */
bool sq_run_file_explain(const struct sq_run_options *o, const struct sq_scenario_group *group,
                         char *why, size_t why_room);
/* The same where it is known what is wrong, and where (nullable: nowhere in particular). */
void sq_run_file_refuse(const struct sq_run_options *o, const struct sq_yaml_place *at, char *why,
                        size_t why_room, const char *fmt, ...) SQ_PRINTF(5, 6);

/* The sentence begins with the file's name, and so tells a place in it. */
bool sq_run_file_names(const struct sq_run_options *o, const char *why);
/* A usage or configuration error of `squall COMMAND`: a sentence on standard error, with its place
 * in the file where it has one. Returns SQ_EXIT_USAGE. */
int sq_run_usage(const char *command, const struct sq_run_options *o, int err, char *why,
                 size_t why_room);

#endif
