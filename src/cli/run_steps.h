/* Steps of a scenario: into the plan, held against the rows of users, and told. */
#ifndef SQ_CLI_RUN_STEPS_H
#define SQ_CLI_RUN_STEPS_H

#include "cli/run_options.h"
#include <stdio.h>

void sq_run_steps_plan(const struct sq_run_options *o, struct sq_plan *plan);
/* Columns that steps ask for are there, networks are networks, and ICE servers ICE servers.
 * SQ_ERR_INVALID, SQ_ERR_FORMAT with a sentence. */
int sq_run_steps_check(const struct sq_run_options *o, const struct sq_plan *plan, char *why,
                       size_t why_room) SQ_MUST_USE;
/* The group's signalling, with its script where it has one, and its calls can do what the steps ask
 * of them: whoever sends no audio presses no key. */
int sq_run_steps_check_signal(const struct sq_run_options *o, const struct sq_plan_group *group,
                              char *why, size_t why_room) SQ_MUST_USE;
/* A target with something likely in the place of what steps will put into it, to see whether it is
 * one. Owned (sq_free); NULL: no memory. */
char *sq_run_steps_probe(const char *text) SQ_MUST_USE;
/* The text as its file has it: "room+${url}". Owned (sq_free); NULL: no memory. */
char *sq_run_steps_shown(const char *text) SQ_MUST_USE;
/* Steps say where a target is: its host or all of its URL. */
bool sq_run_steps_give_host(const char *text);
/* A step gives ICE servers, so that none need be given otherwise. */
bool sq_run_steps_give_ice(const struct sq_run_options *o);
/* Has anybody steps? */
bool sq_run_steps_any(const struct sq_plan *plan);

#endif
