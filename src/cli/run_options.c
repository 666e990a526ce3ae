#include "cli/run_options.h"

#include "base/mem.h"
#include "base/rand.h"
#include "cli/expect_option.h"
#include "cli/network_option.h"
#include "cli/run_file.h"
#include "cli/run_table.h"
#include "scenario/scale.h"
#include "signal/target.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* As a URL says it, or the lab's own name for one. */
static bool is_whep(const char *url)
{
    return strncmp(url, "whep", 4) == 0 || strncmp(url, "lab:whep/", 9) == 0;
}

/* Options of what is sent, where none is: for want of that kind, of a publisher, or of room. */
static int check_senders(const struct sq_run_options *o, char *why, size_t why_room)
{
    const char *silent =
        o->in_group ? "role: watch sends nothing" : "with --publishers 0 nobody sends";
    bool watches = is_whep(o->target_url);
    bool fixed = o->bwe && strncmp(o->bwe, "fixed:", 6) == 0;
    const char *sent = o->simulcast     ? "--simulcast"
                       : o->record_sent ? "--record-sent"
                       : o->dtmf        ? "--dtmf"
                       : o->media       ? "--media"
                       : o->replay      ? "--replay"
                       : fixed          ? "--bwe"
                                        : NULL;
    for (size_t i = 0; i < o->codecs.n; i++) {
        bool audio = strncmp(o->codecs.items[i], "audio=", 6) == 0;
        bool video = strncmp(o->codecs.items[i], "video=", 6) == 0;
        if ((audio && !o->audio) || (video && !o->video)) {
            snprintf(why, why_room, "--codec %s: --no-%.5s leaves none: give one of them",
                     o->codecs.items[i], o->codecs.items[i]);
            return SQ_ERR_INVALID;
        }
    }
    if (!o->video && (o->simulcast || fixed)) {
        snprintf(why, why_room, "%s is of video, and --no-video leaves none: give one",
                 o->simulcast ? "--simulcast" : "--bwe fixed:RATE");
        return SQ_ERR_INVALID;
    }
    if (o->dtmf && !o->audio) {
        snprintf(why, why_room,
                 "--dtmf: keys are pressed in audio, and there is none: leave it out");
        return SQ_ERR_INVALID;
    }
    if (sent && (watches || o->publishers == 0)) {
        snprintf(why, why_room, "%s is of what is sent, and %s: leave it out", sent,
                 watches ? "WHEP only watches" : silent);
        return SQ_ERR_INVALID;
    }
    if (!o->listen && (watches || o->publishers == 0)) {
        snprintf(why, why_room, "--no-listen: who does not publish watches, and %s: leave it out",
                 watches ? "by WHEP nobody does" : "with --publishers 0 nobody does");
        return SQ_ERR_INVALID;
    }
    if (o->room_size && o->publishers != UINT64_MAX && o->publishers > o->room_size) {
        snprintf(why, why_room,
                 "--publishers %llu: a room of --room-size %llu has no more than %llu",
                 (unsigned long long)o->publishers, (unsigned long long)o->room_size,
                 (unsigned long long)o->room_size);
        return SQ_ERR_INVALID;
    }
    return 0;
}

/* What would be taken without a word, and change nothing. */
int sq_run_options_check(const struct sq_run_options *o, char *why, size_t why_room)
{
    const char *turn = o->turn_user       ? "--turn-user"
                       : o->turn_password ? "--turn-password"
                       : o->turn_secret   ? "--turn-secret"
                                          : NULL;
    const char *clip = o->media          ? "--media"
                       : o->codecs.n > 0 ? "--codec"
                       : o->simulcast    ? "--simulcast"
                       : o->bwe          ? "--bwe"
                                         : NULL;
    if (turn && o->turn.n == 0) {
        snprintf(why, why_room, "%s: there is no TURN server to use it; give one with --turn",
                 turn);
        return SQ_ERR_INVALID;
    }
    if (clip && o->replay) {
        snprintf(why, why_room,
                 "%s: a replay sends its recording as it is, in the place of a clip; leave it out",
                 clip);
        return SQ_ERR_INVALID;
    }
    if (o->latency && o->replay) {
        snprintf(why, why_room, "--latency: " SQ_RUN_UNTAGGED);
        return SQ_ERR_INVALID;
    }
    if (o->baseline_threshold && o->baselines.n == 0) {
        snprintf(why, why_room, "--baseline-threshold: there is no --baseline to use it on");
        return SQ_ERR_INVALID;
    }
    return check_senders(o, why, why_room);
}

bool sq_run_options_untagged(const struct sq_run_options *o)
{
    bool replays = o->groups_len == 0 && o->replay;
    for (size_t i = 0; i < o->groups_len; i++) {
        const struct sq_run_options *g = &o->groups[i];
        enum sq_scenario_role role = o->scenario->groups[i].role;
        bool sends = (g->audio || g->video) && role != SQ_SCENARIO_ROLE_DATA &&
                     sq_scenario_role_sends(role) && !is_whep(g->target_url);
        if (sends && !g->replay) {
            return false;
        }
        replays = replays || sends;
    }
    return replays;
}

struct sq_load_others sq_run_options_load_others(const struct sq_run_options *o)
{
    return (struct sq_load_others){.peers = o->peers,
                                   .rate_per_s = o->rate_per_s,
                                   .ramp = o->ramp,
                                   .hold_ns = o->hold_ns,
                                   .duration_ns = o->duration_ns};
}

/* One target, and one file at most. */
static int take_words(struct sq_run_options *o, const struct sq_option_list *rest,
                      const char **ret_file, char *why, size_t why_room)
{
    for (size_t i = 0; i < rest->n; i++) {
        const char **place = sq_run_file_is(rest->items[i]) ? ret_file : &o->target_url;
        if (*place) {
            char *shown = sq_target_shown(rest->items[i]);
            snprintf(why, why_room, "run: expected one %s, got another: '%.200s'",
                     place == ret_file ? "scenario" : "target", shown ? shown : "***");
            sq_free(shown);
            return SQ_ERR_INVALID;
        }
        *place = rest->items[i];
    }
    if (rest->n == 0) {
        snprintf(why, why_room,
                 "run: expected a target, such as lab: or whip+https://host/path, or a scenario, "
                 "FILE.yaml");
        return SQ_ERR_INVALID;
    }
    return 0;
}

void sq_run_options_finish(struct sq_run_options *o)
{
    o->media = o->media ? o->media : "default";
    o->bwe = o->bwe ? o->bwe : "gcc";
    o->token = o->token ? o->token : getenv("SQUALL_TOKEN");
    o->turn_user = o->turn_user ? o->turn_user : getenv("SQUALL_TURN_USER");
    if (!o->turn_secret) {
        o->turn_password = o->turn_password ? o->turn_password : getenv("SQUALL_TURN_PASSWORD");
    }
    if (!o->turn_password) {
        o->turn_secret = o->turn_secret ? o->turn_secret : getenv("SQUALL_TURN_SECRET");
    }
    if (o->seed == UINT64_MAX) {
        sq_rand_secret(&o->seed, sizeof(o->seed));
        o->seed &= SQ_RUN_SEED_MAX;
        o->seed_drawn = true;
    }
}

/* Of groups each of which may make sense by itself. */
static int check_latency(const struct sq_run_options *o, char *why, size_t why_room)
{
    for (size_t i = 0; i < o->groups_len; i++) {
        if (o->groups[i].latency && sq_run_options_untagged(o)) {
            snprintf(why, why_room, "--latency: " SQ_RUN_UNTAGGED);
            const struct sq_scenario_group *own = o->latency ? NULL : &o->scenario->groups[i];
            (void)sq_run_file_explain(o, own, why, why_room);
            return SQ_ERR_INVALID;
        }
    }
    return 0;
}

/* Where groups say what is sent, the rest is asked for the first of them that sends anything. */
static int check(const struct sq_run_options *o, char *why, size_t why_room)
{
    struct sq_run_options whole = *o;
    const struct sq_scenario *s = o->scenario;
    bool sends = !s || s->groups_len == 0;
    bool speaks = sends;
    for (size_t i = 0; s && i < s->groups_len; i++) {
        bool watches = is_whep(o->groups[i].target_url);
        if (!watches && sq_scenario_role_sends(s->groups[i].role)) {
            sends = true;
            whole.target_url = o->groups[i].target_url;
            speaks |= o->groups[i].audio && sq_scenario_role_speaks(s->groups[i].role);
        }
    }
    whole.publishers = sends ? whole.publishers : 0;
    whole.in_group = s && s->groups_len > 0;
    if (o->dtmf && sends && !speaks) {
        snprintf(why, why_room,
                 "--dtmf: keys are pressed in audio, and no group sends any: leave it out");
        return SQ_ERR_INVALID;
    }
    int err = sq_run_options_check(&whole, why, why_room);
    return err ? err : check_latency(o, why, why_room);
}

/* --scale 0.1, or 10% */
static int read_scale(struct sq_run_options *o, const char *file, char *why, size_t why_room)
{
    if (!o->scale) {
        return 0;
    }
    char *end;
    double factor = strtod(o->scale, &end);
    bool percent = end != o->scale && strcmp(end, "%") == 0;
    factor = percent ? factor / 100 : factor;
    if (end == o->scale || (*end && !percent) || !(factor >= SQ_SCENARIO_SCALE_MIN) ||
        !(factor <= SQ_SCENARIO_SCALE_MAX)) {
        snprintf(why, why_room,
                 "--scale %.60s: expected a factor from %g to %g, such as 0.1 or 10%%", o->scale,
                 SQ_SCENARIO_SCALE_MIN, SQ_SCENARIO_SCALE_MAX);
        return SQ_ERR_INVALID;
    }
    if (!file) {
        snprintf(why, why_room,
                 "--scale is of what a scenario says, and there is none; expected FILE.yaml, or "
                 "--peers and --duration");
        return SQ_ERR_INVALID;
    }
    o->scale_factor = factor;
    return 0;
}

int sq_run_options_parse(struct sq_run_options *o, int argc, char **argv, char *why,
                         size_t why_room)
{
    struct sq_run_table table;
    struct sq_option_list rest = {0};
    const char *file = NULL;
    sq_run_table_defaults(o);
    sq_run_table_make(o, &table);
    int err = sq_options_parse(table.rows, argc, argv, &rest, why, why_room);
    if (err || o->help || sq_network_option_asks(&o->networks)) {
        return err;
    }
    err = take_words(o, &rest, &file, why, why_room);
    err = err ? err : read_scale(o, file, why, why_room);
    err = err || !file ? err : sq_run_file_read(o, file, argc, argv, why, why_room);
    err = err ? err : check(o, why, why_room);
    const struct sq_load_others others = sq_run_options_load_others(o);
    err = err ? err : sq_load_option_read(&o->load, &others, why, why_room);
    if (err) {
        (void)sq_run_file_explain(o, NULL, why, why_room);
        return err;
    }
    sq_run_options_finish(o);
    return sq_expect_options_parse(o, why, why_room);
}

void sq_run_options_free(struct sq_run_options *o)
{
    for (size_t i = 0; i < o->expectations_len; i++) {
        sq_expect_destroy(o->expectations[i]);
    }
    o->expectations_len = 0;
    sq_load_option_free(&o->load);
    sq_free(o->groups);
    o->groups = NULL;
    sq_scenario_free(o->scenario);
    o->scenario = NULL;
}
