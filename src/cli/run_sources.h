/* What a run's groups send, and where: targets, clips and recordings, each opened once. */
#ifndef SQ_CLI_RUN_SOURCES_H
#define SQ_CLI_RUN_SOURCES_H

#include "cli/run_options.h"
#include "cli/script_option.h"
#include "lab/lab.h"
#include "media/clip.h"

struct sq_replay;

struct sq_run_clip {
    const char *name; /* as given */
    struct sq_clip_opts opts;
    struct sq_clip *clip;
};

struct sq_run_replay {
    const char *file, *pt; /* as given; pt nullable */
    struct sq_replay *replay;
};

/* Zeroed to begin with. The plan points into it. */
struct sq_run_sources {
    bool dry; /* nothing is started: `lab:` is a lab that would be */
    struct sq_lab *lab;
    bool has_lab;                          /* a target is `lab:` */
    const char *given[SQ_PLAN_GROUPS_MAX]; /* targets as given, and what they are */
    struct sq_target targets[SQ_PLAN_GROUPS_MAX];
    char lab_urls[SQ_PLAN_GROUPS_MAX][SQ_LAB_URL_MAX + 64];
    size_t targets_len;
    struct sq_run_clip clips[2 * SQ_PLAN_GROUPS_MAX + SQ_PLAN_SHARES_MAX];
    struct sq_plan_share shares[SQ_PLAN_SHARES_MAX]; /* of steps */
    size_t shares_len;
    size_t clips_len;
    struct sq_run_replay replays[SQ_PLAN_GROUPS_MAX];
    size_t replays_len;
    struct sq_users *users;
    const char *users_name;    /* of their file, as it may be shown */
    struct sq_secrets secrets; /* that messages of the run must not show */
    struct sq_run_scripts scripts;
    char *first_urls[2 * SQ_PLAN_GROUPS_MAX]; /* owned: of targets with columns or values of steps,
                                                 those of the first row */
    size_t first_urls_len;
    char why[512];
    size_t at_group; /* whose options were looked at when something was refused */
};

/* Each: on failure sources->why is a sentence. Rows of users, clips, recordings, authorities; then
 * targets, which starts the lab where one is asked for. */
int sq_run_sources_open(struct sq_run_sources *sources, const struct sq_run_options *o,
                        struct sq_plan *plan) SQ_MUST_USE;
int sq_run_sources_targets(struct sq_run_sources *sources, const struct sq_run_options *o,
                           struct sq_plan *plan) SQ_MUST_USE;
/* What was refused; that of a scenario's value by its place in the file. */
void sq_run_sources_explain(const struct sq_run_sources *sources, const struct sq_run_options *o,
                            char *why, size_t why_room);
/* The target is a lab of our own: "lab", "lab:echo". */
bool sq_run_is_lab(const char *url);
/* Nobody uses them any more; the lab is stopped. */
void sq_run_sources_close(struct sq_run_sources *sources);

#endif
