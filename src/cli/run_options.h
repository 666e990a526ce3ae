/* What `squall run` takes, as given, and the plan that is made of it. */
#ifndef SQ_CLI_RUN_OPTIONS_H
#define SQ_CLI_RUN_OPTIONS_H

#include "cli/load_option.h"
#include "cli/options.h"
#include "run/expect.h"
#include "run/plan.h"
#include "run/result.h"
#include "scenario/scenario.h"
#include "signal/target.h"

#define SQ_RUN_EXPECT_MAX (2 * SQ_OPTION_LIST_MAX)

struct sq_run_options {
    bool help;
    const char *target_url;
    uint64_t peers, threads, room_size, publishers, seed, dump, simulcast, decode, record;
    double rate_per_s;
    uint64_t hold_ns, duration_ns;
    struct sq_load_option load; /* owns a shape */
    const char *data, *data_mode, *dtmf, *users, *users_order;
    const char *ramp, *room, *media, *token, *ca_file, *out, *json, *junit, *html, *markdown, *srtp,
        *record_format, *replay, *replay_pt, *bwe;
    const char *script;
    const char *report_url, *prometheus, *prometheus_push;
    bool github;
    bool audio, video, listen, echo, insecure, trickle, quiet, verbose, tui, latency, record_sent,
        realtime;
    const char *ice, *reconnect, *turn_user, *turn_password, *turn_secret;
    const char *baseline_threshold;
    struct sq_option_list baselines;
    struct sq_option_list expect, abort_on, stun, turn, local_ips, codecs, networks;
    uint64_t answer_timeout_ns, connect_timeout_ns, media_timeout_ns;
    double lateness_max_ms;

    struct sq_expect *expectations[SQ_RUN_EXPECT_MAX]; /* owned */
    size_t expectations_len;

    const char *scale;             /* as it was given; NULL: the file holds as it is */
    double scale_factor;           /* ... of what the file says; 0: as it is */
    const char *file;              /* of the scenario; NULL: there is none */
    struct sq_scenario *scenario;  /* owned; what is in it */
    bool line_target;              /* the command line names a target, too */
    bool seed_drawn;               /* nobody gave one */
    bool in_group;                 /* these are what a group of the file says */
    struct sq_run_options *groups; /* owned: what holds for each of the file's groups */
    size_t groups_len;
};

/* What --ice and --srtp may be: the one in the order of enum sq_ice_policy, the other with the
 * default first. NULL ends each. */
extern const char *const sq_run_ice_words[];
extern const char *const sq_run_srtp_words[];

/* Reads the words after "run". On failure `why` says what is wrong. */
int sq_run_options_parse(struct sq_run_options *o, int argc, char **argv, char *why,
                         size_t why_room) SQ_MUST_USE;
/* What else than --load and its like says of the load. */
struct sq_load_others sq_run_options_load_others(const struct sq_run_options *o);
/* Do the options make sense together? Of those of a group, for what it does. */
int sq_run_options_check(const struct sq_run_options *o, char *why, size_t why_room) SQ_MUST_USE;
/* Why latency is not measured with a replay, behind what asks for it. */
#define SQ_RUN_UNTAGGED                                                                            \
    "a replay sends its recording as it is, and no time-tags of its own to measure by; leave it "  \
    "out"
/* All audio and video that the run sends comes out of recordings: there is no one-way latency to
 * measure. Its groups have been read. */
bool sq_run_options_untagged(const struct sq_run_options *o);
/* What nobody said: from the environment, or by default. */
void sq_run_options_finish(struct sq_run_options *o);
void sq_run_options_free(struct sq_run_options *o);
void sq_run_options_help(void);
/* Everything but target, adapter, clip, addresses, STUN and TURN servers, which take looking up. */
int sq_run_options_plan(const struct sq_run_options *o, struct sq_plan *ret_plan, char *why,
                        size_t why_room) SQ_MUST_USE;
/* The room of a room+ws target's URL, where --room names none; refuses a name that is too long. */
int sq_run_options_room(const struct sq_run_options *o, const struct sq_target *target,
                        struct sq_plan *plan, char *why, size_t why_room) SQ_MUST_USE;
/* The configuration as rows of the result; secrets are left out. */
int sq_run_options_describe(const struct sq_run_options *o, const struct sq_plan *plan,
                            struct sq_result *result) SQ_MUST_USE;

#endif
