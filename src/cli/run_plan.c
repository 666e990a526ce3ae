/* The plan that is made of what `squall run` is given. */
#include "base/str.h"
#include "base/time.h"
#include "cli/data_options.h"
#include "cli/dtmf_option.h"
#include "cli/network_option.h"
#include "cli/reconnect_option.h"
#include "cli/run_file.h"
#include "cli/run_groups.h"
#include "cli/run_options.h"
#include "cli/run_steps.h"
#include "peer/turn/turn.h"
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define RAMP_DEFAULT_S     10.0
#define RAMP_DEFAULT_SHARE (1.0 / 3) /* of the duration at most */
#define RATE_DEFAULT_MAX   100.0
#define RAMP_DOWN_MAX_NS   (2 * SQ_NS_PER_SEC)

static int parse_ramp(const char *text, uint64_t *ret_up_ns, uint64_t *ret_down_ns)
{
    char buf[64];
    if (strlen(text) >= sizeof(buf)) {
        return SQ_ERR_FORMAT;
    }
    memcpy(buf, text, strlen(text) + 1);
    char *down = strchr(buf, ':');
    if (down) {
        *down++ = '\0';
        int err = sq_parse_duration(down, ret_down_ns);
        if (err) {
            return err;
        }
    }
    return sq_parse_duration(buf, ret_up_ns);
}

static double ramp_rate(uint64_t peers, uint64_t up_ns)
{
    return up_ns ? fmax((double)peers / ((double)up_ns / 1e9), 1e-6) : SQ_PLAN_AT_ONCE_PER_S;
}

static double default_rate(const struct sq_plan *plan)
{
    double over_s = RAMP_DEFAULT_S;
    if (plan->duration_ns) {
        over_s = fmin(over_s, (double)plan->duration_ns / 1e9 * RAMP_DEFAULT_SHARE);
    }
    return fmin(fmax((double)plan->peers / over_s, 1), RATE_DEFAULT_MAX);
}

/* Peers at once: those asked for, or as many as the rooms and groups that were asked for take. */
static uint64_t peers_of(const struct sq_run_options *o, const struct sq_plan *plan)
{
    uint64_t rooms = o->scenario && o->scenario->rooms ? o->scenario->rooms : 1;
    if (o->peers || !o->scenario) {
        return o->peers ? o->peers : 1;
    }
    return sq_plan_has_rooms(plan) ? sq_plan_users(plan, rooms) : 1;
}

static int plan_load(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                     size_t why_room)
{
    uint64_t up_ns = 0;
    uint64_t down_ns = SQ_NEVER;
    const struct sq_load_others others = sq_run_options_load_others(o);
    sq_load_option_plan(&o->load, &others, plan);
    if (plan->shape) {
        return 0; /* what it asks for is checked */
    }
    if (o->ramp && parse_ramp(o->ramp, &up_ns, &down_ns) != 0) {
        snprintf(why, why_room, "--ramp %s: expected UP or UP:DOWN, each a duration such as 10s",
                 o->ramp);
        return SQ_ERR_INVALID;
    }
    if (o->ramp && o->rate_per_s > 0) {
        snprintf(why, why_room, "--ramp and --rate say the same in two ways: give one of them");
        return SQ_ERR_INVALID;
    }
    if (o->ramp && up_ns == 0 && o->hold_ns && o->duration_ns) {
        snprintf(why, why_room,
                 "--ramp %s brings all peers at once, but with --hold and --duration others come "
                 "as long as the run lasts: expected an UP above 0s, --rate, or --load N for a "
                 "number of peers that is kept",
                 o->ramp);
        return SQ_ERR_INVALID;
    }
    plan->peers = peers_of(o, plan);
    plan->hold_ns = o->hold_ns;
    plan->duration_ns = o->duration_ns || o->hold_ns ? o->duration_ns : SQ_LOAD_DURATION_DEFAULT_NS;
    plan->rate_per_s = o->rate_per_s > 0 ? o->rate_per_s
                       : o->ramp         ? ramp_rate(plan->peers, up_ns)
                                         : default_rate(plan);
    plan->ramp_down_ns = down_ns;
    if (down_ns == SQ_NEVER) {
        bool at_once = plan->rate_per_s >= SQ_PLAN_AT_ONCE_PER_S;
        double seconds = at_once ? 0 : (double)plan->peers / (4 * plan->rate_per_s);
        plan->ramp_down_ns = (uint64_t)fmin(seconds * 1e9, (double)RAMP_DOWN_MAX_NS);
    }
    if (sq_plan_arrivals(plan) > SQ_RESULT_PEERS_MAX) {
        snprintf(
            why, why_room,
            "%.4g arrivals a second for %.4g s are %llu; a run keeps the results of %d at most",
            plan->rate_per_s, (double)plan->duration_ns / 1e9,
            (unsigned long long)sq_plan_arrivals(plan), SQ_RESULT_PEERS_MAX);
        return SQ_ERR_INVALID;
    }
    return 0;
}

/* --codec video=h264,vp8 */
static int parse_codecs(const struct sq_run_options *o, struct sq_plan_group *group, char *why,
                        size_t why_room)
{
    for (size_t i = 0; i < o->codecs.n; i++) {
        char text[SQ_PEER_TEXT_MAX] = "";
        const char *item = o->codecs.items[i];
        bool video = strncmp(item, "video=", 6) == 0;
        if (!video && strncmp(item, "audio=", 6) != 0) {
            snprintf(why, why_room, "--codec %s: expected audio=LIST or video=LIST", item);
            return SQ_ERR_INVALID;
        }
        if (sq_peer_codecs_parse(item + 6, video,
                                 video ? &group->video_codecs : &group->audio_codecs, text) != 0) {
            snprintf(why, why_room, "--codec %s", text);
            return SQ_ERR_INVALID;
        }
    }
    return 0;
}

const char *const sq_run_ice_words[] = {"all", "relay", "relay-first", NULL};
const char *const sq_run_srtp_words[] = {"gcm", "cm", NULL};

static int plan_ice(const struct sq_run_options *o, struct sq_plan_group *group, char *why,
                    size_t why_room)
{
    size_t i = 0;
    while (sq_run_ice_words[i] && strcmp(o->ice, sq_run_ice_words[i]) != 0) {
        i++;
    }
    if (!sq_run_ice_words[i]) {
        snprintf(why, why_room, "--ice %s: expected all, relay or relay-first", o->ice);
        return SQ_ERR_INVALID;
    }
    if (i > 0 && o->turn.n == 0 && !sq_run_steps_give_ice(o)) {
        snprintf(why, why_room, "--ice %s: give the TURN server with --turn", o->ice);
        return SQ_ERR_INVALID;
    }
    if (o->turn_password && o->turn_secret) {
        snprintf(why, why_room,
                 "--turn-password and --turn-secret are two ways to authenticate: "
                 "give one of them");
        return SQ_ERR_INVALID;
    }
    if (o->turn_password && !o->turn_user) {
        snprintf(why, why_room, "--turn-password: give the user, too, with --turn-user");
        return SQ_ERR_INVALID;
    }
    if (o->turn.n > 0 && o->turn_user && !o->turn_password && !o->turn_secret) {
        snprintf(why, why_room,
                 "--turn-user: give --turn-password or --turn-secret, too (better: the variable "
                 "SQUALL_TURN_PASSWORD or SQUALL_TURN_SECRET)");
        return SQ_ERR_INVALID;
    }
    group->ice_policy = (enum sq_ice_policy)i;
    return 0;
}

#define TURN_TIME_MAX 16 /* "1790000000:" before the user, with --turn-secret */

/* What no service could take: a line's end that came along from a file, or more than fits. The
 * values themselves are not told. */
static int check_credentials(const struct sq_run_options *o, char *why, size_t why_room)
{
    const struct {
        const char *name, *value;
        size_t most; /* bytes */
    } all[] = {
        {"--token (or SQUALL_TOKEN)", o->token, 16384},
        {"--turn-user (or SQUALL_TURN_USER)", o->turn_user, SQ_TURN_CRED_MAX - TURN_TIME_MAX},
        {"--turn-password (or SQUALL_TURN_PASSWORD)", o->turn_password, SQ_TURN_CRED_MAX},
        {"--turn-secret (or SQUALL_TURN_SECRET)", o->turn_secret, 16384}};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        const char *value = all[i].value ? all[i].value : "";
        for (size_t k = 0; value[k]; k++) {
            const char *mark =
                value + k; /* of a step's value, which is looked at when it is there */
            char name[SQ_STEP_NAME_MAX + 8];
            if (value[k] == SQ_STEP_MARK && sq_step_next_mark(&mark, name) == 0) {
                k = (size_t)(mark - value) - 1;
                continue;
            }
            if ((unsigned char)value[k] < ' ' || value[k] == 0x7f) {
                snprintf(why, why_room,
                         "%s: character %zu is a control character (0x%02x): expected text without "
                         "line ends",
                         all[i].name, k + 1, (unsigned)(unsigned char)value[k]);
                return SQ_ERR_INVALID;
            }
        }
        if (strlen(value) > all[i].most) {
            snprintf(why, why_room, "%s: %zu bytes; expected at most %zu", all[i].name,
                     strlen(value), all[i].most);
            return SQ_ERR_INVALID;
        }
    }
    return 0;
}

#define BWE_FIXED_MIN_BPS 10000                 /* speech with its headers takes more */
#define BWE_FIXED_MAX_BPS UINT64_C(10000000000) /* ten times what any clip has */

/* --bwe gcc, off, fixed:1.2M */
static int parse_bwe(const char *text, struct sq_peer_bwe *ret_bwe, char *why, size_t why_room)
{
    struct sq_peer_bwe bwe = {.mode = SQ_BWE_GCC};
    bool known = strcmp(text, "gcc") == 0;
    if (strcmp(text, "off") == 0) {
        known = true;
        bwe.mode = SQ_BWE_OFF;
    } else if (strncmp(text, "fixed:", 6) == 0) {
        known = sq_parse_bitrate(text + 6, &bwe.fixed_bps) == 0;
        bwe.mode = SQ_BWE_FIXED;
    }
    if (known && bwe.mode == SQ_BWE_FIXED && bwe.fixed_bps < BWE_FIXED_MIN_BPS) {
        snprintf(why, why_room,
                 "--bwe %s is %llu bit/s: expected 10k at least, with its unit, such as fixed:600k "
                 "or fixed:1.2M",
                 text, (unsigned long long)bwe.fixed_bps);
        return SQ_ERR_INVALID;
    }
    if (known && bwe.mode == SQ_BWE_FIXED && bwe.fixed_bps > BWE_FIXED_MAX_BPS) {
        snprintf(
            why, why_room,
            "--bwe %s: expected 10G at most, such as fixed:600k or fixed:1.2M; --bwe off sends "
            "the most that the clip has",
            text);
        return SQ_ERR_INVALID;
    }
    if (!known) {
        snprintf(why, why_room,
                 "--bwe %s: expected gcc, off, or fixed: with a bit rate such as fixed:1.2M", text);
        return SQ_ERR_INVALID;
    }
    *ret_bwe = bwe;
    return 0;
}

/* What one group of users does; of what the command line says, all of them. */
static int plan_group(const struct sq_run_options *o, struct sq_plan_group *group, char *why,
                      size_t why_room)
{
    int err = plan_ice(o, group, why, why_room);
    err = err ? err : check_credentials(o, why, why_room);
    err = err ? err : sq_data_options_parse(o->data, o->data_mode, &group->data, why, why_room);
    err = err ? err : sq_dtmf_option_parse(o->dtmf, group, why, why_room);
    err = err ? err : sq_network_option_parse(&o->networks, group, why, why_room);
    err = err ? err : sq_reconnect_option_parse(o->reconnect, &group->reconnect, why, why_room);
    if (err) {
        return err;
    }
    if (!o->audio && !o->video && !group->data.on) {
        snprintf(why, why_room,
                 "--no-audio and --no-video together leave nothing to send: give --data");
        return SQ_ERR_INVALID;
    }
    if (o->latency && !o->audio && !o->video) {
        snprintf(why, why_room,
                 "--latency measures frames of audio and video, and there are none; messages' "
                 "latency is told by --data itself");
        return SQ_ERR_INVALID;
    }
    if ((o->decode || o->record) && !o->in_group && !o->audio && !o->video) {
        snprintf(why, why_room, "--%s is of audio and video, and there are none: leave it out",
                 o->decode ? "decode" : "record");
        return SQ_ERR_INVALID;
    }
    if (o->replay_pt && !o->replay) {
        snprintf(why, why_room, "--pt: expected --replay FILE with it");
        return SQ_ERR_INVALID;
    }
    group->simulcast = (unsigned)o->simulcast;
    err = parse_codecs(o, group, why, why_room);
    if (!err && group->simulcast && group->video_codecs.svc) {
        snprintf(why, why_room,
                 "--simulcast: vp9+svc has its layers in one stream, and simulcast has a stream a "
                 "layer; leave one of them out");
        err = SQ_ERR_INVALID;
    }
    group->audio = o->audio;
    group->video = o->video;
    group->watches = o->listen;
    group->token = o->token;
    group->insecure = o->insecure;
    group->ca_file = o->ca_file;
    group->trickle = o->trickle;
    group->latency = o->latency;
    return err ? err : parse_bwe(o->bwe, &group->bwe, why, why_room);
}

/* What is of the whole run. */
static int plan_whole(const struct sq_run_options *o, struct sq_plan *plan, char *why,
                      size_t why_room)
{
    bool cm = strcmp(o->srtp, sq_run_srtp_words[1]) == 0;
    if (!cm && strcmp(o->srtp, sq_run_srtp_words[0]) != 0) {
        snprintf(why, why_room, "--srtp %s: expected gcm or cm", o->srtp);
        return SQ_ERR_INVALID;
    }
    if (o->lateness_max_ms <= 0) {
        snprintf(why, why_room, "--lateness-max: expected a number of milliseconds above 0");
        return SQ_ERR_INVALID;
    }
    long cores = sysconf(_SC_NPROCESSORS_ONLN);
    plan->threads = o->threads ? (unsigned)o->threads : (unsigned)(cores > 0 ? cores : 1);
    if (plan->threads > plan->peers) {
        plan->threads = (unsigned)plan->peers;
    }
    if (plan->threads > SQ_PLAN_THREADS_MAX) {
        plan->threads = SQ_PLAN_THREADS_MAX;
    }
    plan->realtime = o->realtime;
    plan->room = o->room ? o->room : plan->room;
    plan->seed = o->seed;
    plan->prefer_cm = cm;
    plan->dumps = o->dump;
    plan->decode = o->decode;
    plan->lateness_p99_max_ms = o->lateness_max_ms;
    return 0;
}

int sq_run_options_plan(const struct sq_run_options *o, struct sq_plan *ret_plan, char *why,
                        size_t why_room)
{
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    plan.answer_timeout_ns = o->answer_timeout_ns;
    plan.connect_timeout_ns = o->connect_timeout_ns;
    plan.media_timeout_ns = o->media_timeout_ns;
    int err = sq_run_rooms_plan(o, &plan, why, why_room);
    err = err ? err : plan_load(o, &plan, why, why_room);
    err = err ? err : plan_whole(o, &plan, why, why_room);
    if (err) {
        (void)sq_run_file_explain(o, NULL, why, why_room);
        return err;
    }
    const struct sq_plan_group nothing_said = plan.groups[0];
    for (size_t i = 0; !err && i < sq_max_u64(o->groups_len, 1); i++) {
        const struct sq_run_options *own = o->groups_len > 0 ? &o->groups[i] : o;
        plan.groups[i] = nothing_said;
        err = plan_group(own, &plan.groups[i], why, why_room);
        if (err) {
            (void)sq_run_file_explain(o, o->groups_len > 0 ? &o->scenario->groups[i] : NULL, why,
                                      why_room);
        }
    }
    err = err || o->groups_len == 0 ? err : sq_run_groups_plan(o, &plan, why, why_room);
    if (err) {
        return err;
    }
    if (o->groups_len == 0) {
        sq_plan_split(&plan, o->publishers);
    }
    sq_run_steps_plan(o, &plan);
    *ret_plan = plan;
    return 0;
}

int sq_run_options_room(const struct sq_run_options *o, const struct sq_target *target,
                        struct sq_plan *plan, char *why, size_t why_room)
{
    bool janus = strncmp(target->scheme, "janus+", 6) == 0;
    bool rooms = janus || strncmp(target->scheme, "room+", 5) == 0;
    const char *named = rooms ? sq_target_param(target, "room") : NULL;
    for (size_t i = 0; i < plan->groups_len; i++) {
        if (plan->groups[i].target == target && plan->groups[i].room_of_target) {
            named = NULL; /* another one for each user */
        }
    }
    if (!o->room && named && named[0]) {
        plan->room = named;
    }
    plan->room_counts = janus;
    bool numbered = sq_plan_has_rooms(plan);
    size_t max = numbered ? SQ_PLAN_ROOM_PREFIX_MAX : SQ_PLAN_ROOM_MAX;
    if (!plan->room[0] || strlen(plan->room) > max) {
        snprintf(why, why_room, "%s '%.80s': expected a name of 1 to %zu bytes%s",
                 o->room ? "--room" : "room", plan->room, max,
                 numbered ? ", as --room-size puts a number behind it" : "");
        return SQ_ERR_INVALID;
    }
    return 0;
}
