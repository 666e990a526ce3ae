/* --script: the signalling script of a lua target, and the figures that it adds to a run's. */
#ifndef SQ_CLI_SCRIPT_OPTION_H
#define SQ_CLI_SCRIPT_OPTION_H

#include "run/plan.h"
#include "scenario/steps.h"

struct sq_lua_script;

/* Zeroed to begin with. A plan points into it. */
struct sq_run_scripts {
    const char *files[SQ_PLAN_GROUPS_MAX]; /* as given, and what they are */
    struct sq_lua_script *scripts[SQ_PLAN_GROUPS_MAX];
    size_t len;
    struct sq_step_figures figures; /* of the scenario's steps, and of the scripts */
};

/* Reads and compiles the file for the group; NULL: it has none. `why` is a sentence that names the
 * file and the line. */
int sq_script_option_open(struct sq_run_scripts *scripts, const char *file, struct sq_plan *plan,
                          struct sq_plan_group *group, char *why, size_t why_room) SQ_MUST_USE;
/* A lua target has a script, and no other one has. */
int sq_script_option_check(const struct sq_plan_group *group, const char *file, char *why,
                           size_t why_room) SQ_MUST_USE;
void sq_script_option_close(struct sq_run_scripts *scripts);

#endif
