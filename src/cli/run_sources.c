#include "cli/run_sources.h"

#include "base/mem.h"
#include "base/time.h"
#include "cli/run_file.h"
#include "cli/run_steps.h"
#include "media/clip.h"
#include "net/stream.h"
#include "run/replay.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define REPLAY_AFTER_NS (2 * SQ_NS_PER_SEC) /* until the end of one who came a little later */
#define STREAM_MAX      48                  /* bytes of the name behind lab:whip/ */

static int refuse(struct sq_run_sources *s, int err, const char *fmt, ...) SQ_PRINTF(3, 4);

static int refuse(struct sq_run_sources *s, int err, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    vsnprintf(s->why, sizeof(s->why), fmt, args);
    va_end(args);
    return err;
}

/* Options of a group: of a scenario's each has its own. */
static const struct sq_run_options *options_of(const struct sq_run_options *o, size_t i)
{
    return o->groups_len > 0 ? &o->groups[i] : o;
}

/* ---- Targets ---- */

bool sq_run_is_lab(const char *url)
{
    return strcmp(url, "lab") == 0 || strncmp(url, "lab:", 4) == 0;
}

/* lab:whip/NAME is published to, and lab:whep/NAME is watched. */
static bool is_stream(const char *rest)
{
    bool named = strncmp(rest, "whip/", 5) == 0 || strncmp(rest, "whep/", 5) == 0;
    const char *name = rest + 5;
    return named && name[0] && strlen(name) <= STREAM_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_.") ==
               strlen(name);
}

static int start_lab(struct sq_run_sources *s, const struct sq_plan *plan)
{
    const struct sq_lab_config config = {.seed = plan->seed + 1, .prefer_cm = plan->prefer_cm};
    s->has_lab = true;
    return s->lab || s->dry ? 0 : sq_lab_start(&config, &s->lab, s->why, sizeof(s->why));
}

/* `lab:` is a lab of our own, in this process; *ret_url is where it is. */
static int find_lab(struct sq_run_sources *s, const char *url, struct sq_plan *plan,
                    const char **ret_url)
{
    static const char *const schemes[] = {[SQ_LAB_URL_ROOM] = "room+ws://127.0.0.1/room",
                                          [SQ_LAB_URL_ECHO] = "whip+http://127.0.0.1/whip/echo",
                                          [SQ_LAB_URL_WHIP] = "http://127.0.0.1/whip/",
                                          [SQ_LAB_URL_WHEP] = "http://127.0.0.1/whep/"};
    const char *rest = url[3] == ':' ? url + 4 : "";
    enum sq_lab_url which = SQ_LAB_URL_ROOM;
    bool stream = is_stream(rest);
    if (strcmp(rest, "echo") == 0) {
        plan->room = "echo";
    } else if (strcmp(rest, "whip") == 0) {
        which = SQ_LAB_URL_ECHO;
    } else if (stream) {
        which = rest[3] == 'p' && rest[2] == 'i' ? SQ_LAB_URL_WHIP : SQ_LAB_URL_WHEP;
    } else if (rest[0] != '\0') {
        char *shown = sq_target_shown(rest);
        int err = refuse(s, SQ_ERR_INVALID,
                         "target 'lab:%.200s': expected lab:, lab:echo, lab:whip, or lab:whip/NAME "
                         "and lab:whep/NAME",
                         shown ? shown : "***");
        sq_free(shown);
        return err;
    }
    char base[SQ_LAB_URL_MAX];
    char *out = s->lab_urls[s->targets_len];
    int err = start_lab(s, plan);
    if (err) {
        return err;
    }
    if (s->lab) {
        sq_lab_url(s->lab, which, base);
    } else {
        snprintf(base, sizeof(base), "%s", schemes[which]);
    }
    snprintf(out, sizeof(s->lab_urls[0]), "%s%s%s%s",
             stream ? rest[2] == 'i' ? "whip+" : "whep+" : "", base, stream ? rest + 5 : "", "");
    *ret_url = out;
    return 0;
}

/* ---- Users ---- */

static int load_users(struct sq_run_sources *s, const struct sq_run_options *o,
                      struct sq_plan *plan)
{
    struct sq_yaml_error error = {.message = ""};
    const char *order = o->users_order ? o->users_order : "sequential";
    if (!o->users) {
        return o->users_order
                   ? refuse(s, SQ_ERR_INVALID, "--users-order: give the rows with --users")
                   : 0;
    }
    if (sq_users_order_parse(order, &plan->users_order) != 0) {
        return refuse(s, SQ_ERR_INVALID,
                      "--users-order %.40s: expected sequential, random or unique", order);
    }
    int err = sq_users_load(o->users, &s->users, &error);
    if (err && error.at.line > 0) {
        return refuse(s, err, "--users %.200s:%u:%u: %s", o->users, error.at.line, error.at.column,
                      error.message);
    }
    if (err) {
        return refuse(s, err, "--users %.200s: %s", o->users,
                      error.message[0] ? error.message : sq_err_name(err));
    }
    plan->users = s->users;
    plan->users_name = s->users_name = sq_scenario_shown(o->scenario, o->users);
    uint64_t rows = sq_users_rows(s->users);
    if (plan->users_order == SQ_USERS_UNIQUE && sq_plan_arrivals(plan) == UINT64_MAX) {
        return refuse(
            s, SQ_ERR_INVALID,
            "--users %.200s: it has %llu rows, each for one peer, and how many peers come "
            "is open: those that end are replaced; expected --users-order sequential, or "
            "a load whose peers can be counted",
            o->users, (unsigned long long)rows);
    }
    if (plan->users_order == SQ_USERS_UNIQUE && sq_plan_arrivals(plan) > rows) {
        return refuse(s, SQ_ERR_INVALID,
                      "--users %.200s: it has %llu rows, and %llu peers come, each with one of its "
                      "own; expected more rows, or --users-order sequential",
                      o->users, (unsigned long long)rows,
                      (unsigned long long)sq_plan_arrivals(plan));
    }
    return 0;
}

/* A row's target: of the first row's scheme, which `scheme` keeps. */
static int try_target(struct sq_run_sources *s, const char *text, uint64_t row, const char *url,
                      char scheme[static 32])
{
    struct sq_target target;
    char why[sizeof(s->why)] = "";
    int err = sq_target_parse(url, &target, why, sizeof(why));
    if (err) {
        sq_secrets_mask(&s->secrets, why); /* with columns put in it is not the text of the file */
        return refuse(s, err, "%.370s (by the row at %.100s:%u)", why[0] ? why : sq_err_name(err),
                      s->users_name, sq_users_line(s->users, row));
    }
    if (row == 0) {
        snprintf(scheme, 32, "%s", target.scheme);
    } else if (strcmp(target.scheme, scheme) != 0) {
        err = refuse(s, SQ_ERR_INVALID,
                     "target %.100s: row %llu of --users makes %s of it, and the first row %s",
                     text, (unsigned long long)row + 1, target.scheme, scheme);
    }
    sq_target_free(&target);
    return err;
}

/* The text of every row, if only to see that there is one: *ret_first is that of the first. `name`
 * is told, and the text of a target, but no token. */
static int try_rows(struct sq_run_sources *s, const char *name, const char *text, bool is_target,
                    char **ret_first)
{
    char scheme[32] = "";
    char *first = NULL;
    const char *told = is_target ? text : "";
    int err = s->users ? 0
                       : refuse(s, SQ_ERR_INVALID,
                                "%s%.100s asks for a column of users, and there are none: give the "
                                "rows with --users",
                                name, told);
    for (uint64_t row = 0; !err && row < sq_users_rows(s->users); row++) {
        struct sq_buf b = {0};
        char column[64] = "";
        err = sq_users_put(s->users, row, text, &b, column);
        if (err == SQ_ERR_NOTFOUND) {
            err = refuse(s, err, "%s%.100s: the rows of --users have no column '%s'", name, told,
                         column);
        }
        err = err || !is_target ? err : try_target(s, text, row, b.text ? b.text : "", scheme);
        if (!err && !first) {
            first = sq_buf_take(&b);
            err = first ? 0 : SQ_ERR_NOMEM;
        }
        sq_buf_free(&b);
    }
    if (err) {
        sq_free(first);
        return err;
    }
    *ret_first = first;
    return 0;
}

static int try_token(struct sq_run_sources *s, const char *token)
{
    char *first = NULL;
    int err = sq_users_asked(token) ? try_rows(s, "--token", token, false, &first) : 0;
    sq_free(first);
    return err;
}

/* Each user has a target of its own. */
static bool is_own(const char *given)
{
    return sq_users_asked(given) || sq_step_asks(given);
}

/* A target as its file has it, and what is wrong with it. */
static int refuse_target(struct sq_run_sources *s, const char *given, const char *what)
{
    char *text = sq_run_steps_shown(given);
    char *shown = text ? sq_target_shown(text) : NULL;
    (void)refuse(s, SQ_ERR_INVALID, "target '%.300s': %s", shown ? shown : "***", what);
    sq_free(shown);
    sq_free(text);
    return SQ_ERR_INVALID;
}

/* *ret_i is the target's place in s->targets. */
static int find_target(struct sq_run_sources *s, const char *given, struct sq_plan *plan,
                       size_t *ret_i)
{
    for (size_t i = 0; i < s->targets_len; i++) {
        if (strcmp(s->given[i], given) == 0) {
            *ret_i = i;
            return 0;
        }
    }
    const char *url = given;
    if (is_own(given) && sq_run_is_lab(given)) {
        return refuse_target(s, given,
                             "columns of users and values of steps are for other services");
    }
    if (sq_step_asks(given)) {
        if (given[0] == SQ_STEP_MARK) {
            return refuse(
                s, SQ_ERR_INVALID,
                "target '${…}': all of it comes from a step; expected its kind before it, such "
                "as whip+${url}");
        }
        char *probe = sq_run_steps_probe(given);
        if (!probe) {
            return refuse(s, SQ_ERR_NOMEM, "no memory");
        }
        s->first_urls[s->first_urls_len++] = probe;
        url = probe;
    }
    if (sq_users_asked(given)) {
        char **first = &s->first_urls[s->first_urls_len];
        int err = try_rows(s, "target ", url, true, first);
        if (err) {
            return err;
        }
        s->first_urls_len++;
        url = *first;
    }
    int err = sq_run_is_lab(given) ? find_lab(s, given, plan, &url) : 0;
    err = err ? err : sq_target_parse(url, &s->targets[s->targets_len], s->why, sizeof(s->why));
    if (err == SQ_ERR_INVALID && sq_step_asks(given)) {
        /* What stands in for the values is nobody's business. */
        char *why = sq_strdup(s->why);
        const char *said = why ? strstr(why, "': ") : NULL;
        err = refuse_target(s, given, said ? said + 3 : "it is no target");
        sq_free(why);
    }
    if (err) {
        return err;
    }
    s->given[s->targets_len] = given;
    *ret_i = s->targets_len++;
    return 0;
}

static int check_adapter(struct sq_run_sources *s, const char *url, const struct sq_target *target,
                         const struct sq_signal_ops *adapter)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    if (!adapter) {
        return refuse(s, SQ_ERR_UNSUPPORTED, "there is no adapter for %s", target->scheme);
    }
    bool whole = sq_step_asks(url) && !strstr(url, "://"); /* each user's is held against it */
    int err = adapter->check && !whole ? adapter->check(target, why) : 0;
    if (err) {
        (void)refuse_target(s, url, why);
    }
    return err;
}

/* WHIP publishes; only an echo, such as the lab's, sends something back. WHEP only watches. */
static int settle_ways(struct sq_run_sources *s, const struct sq_run_options *o, size_t group,
                       struct sq_plan *plan)
{
    struct sq_plan_group *g = &plan->groups[group];
    const char *url = options_of(o, group)->target_url;
    bool whip = strncmp(g->target->scheme, "whip", 4) == 0;
    bool whep = strncmp(g->target->scheme, "whep", 4) == 0;
    bool scenario = o->groups_len > 0;
    if (options_of(o, group)->echo && !whip) {
        return refuse(s, SQ_ERR_INVALID,
                      "--echo asks a WHIP server to send the media back, and the target is %s; "
                      "lab:echo and Janus' echotest do so by themselves",
                      sq_run_is_lab(url) ? url : g->target->scheme);
    }
    if (scenario && whip && !g->publishes) {
        return refuse(s, SQ_ERR_INVALID,
                      "the target of group '%s' is %s, which publishes, and its role is watch",
                      g->name, g->target->scheme);
    }
    if (scenario && whep && !g->watches) {
        return refuse(s, SQ_ERR_INVALID,
                      "the target of group '%s' is %s, which watches, and its role is publish",
                      g->name, g->target->scheme);
    }
    if (whip && (scenario || group == 0)) {
        bool echo = strcmp(url, "lab:whip") == 0 || options_of(o, group)->echo;
        g->watches = (g->watches && echo) || (!scenario && (echo || !g->publishes));
    } else if (whep) {
        g->publishes = false;
        g->watches = true;
    }
    return 0;
}

int sq_run_sources_targets(struct sq_run_sources *s, const struct sq_run_options *o,
                           struct sq_plan *plan)
{
    const struct sq_target *first = NULL; /* that has rooms, or the first at all */
    for (size_t i = 0; i < plan->groups_len; i++) {
        struct sq_plan_group *g = &plan->groups[i];
        const char *url = options_of(o, i)->target_url;
        size_t at = 0;
        s->at_group = i;
        int err = find_target(s, url, plan, &at);
        if (err) {
            return err;
        }
        g->target = &s->targets[at];
        g->target_text = is_own(url) ? url : NULL;
        g->host_of_user = sq_step_asks(url) && sq_run_steps_give_host(url);
        g->adapter = sq_signal_find(g->target->scheme);
        err = sq_script_option_check(g, options_of(o, i)->script, s->why, sizeof(s->why));
        err = err ? err : settle_ways(s, o, i, plan);
        err = err ? err : check_adapter(s, url, g->target, g->adapter);
        err = err ? err : sq_run_steps_check_signal(o, g, s->why, sizeof(s->why));
        if (err) {
            return err;
        }
        bool rooms = strncmp(g->target->scheme, "wh", 2) != 0;
        bool named = strncmp(g->target->scheme, "room+", 5) == 0 ||
                     strncmp(g->target->scheme, "janus+", 6) == 0;
        g->room_of_target = g->target_text && named && !options_of(o, i)->room && !g->room;
        first = !first || (rooms && strncmp(first->scheme, "wh", 2) == 0) ? g->target : first;
        if (o->groups_len == 0 && strncmp(g->target->scheme, "whep", 4) == 0) {
            sq_plan_split(plan, 0); /* all of them watch */
        }
    }
    return sq_run_options_room(o, first, plan, s->why, sizeof(s->why));
}

/* ---- What is sent ---- */

/* Said once here, and not by each peer that cannot make an offer. */
static int check_codecs(struct sq_run_sources *s, const struct sq_plan_group *g, const char *media)
{
    char text[SQ_PEER_TEXT_MAX];
    if ((g->audio && sq_peer_codecs_check(&g->audio_codecs, false, g->clip, text) != 0) ||
        (g->video && sq_peer_codecs_check(&g->video_codecs, true, g->clip, text) != 0)) {
        return refuse(s, SQ_ERR_UNSUPPORTED, "--media %s: %s", media, text);
    }
    return 0;
}

/* A clip by its name, opened once; `what` is the option or the step, for messages. */
static int named_clip(struct sq_run_sources *s, const char *what, const char *name,
                      const struct sq_clip_opts *opts, const struct sq_clip **ret_clip)
{
    char path[SQ_CLIP_PATH_MAX];
    char why[SQ_CLIP_WHY_MAX];
    for (size_t i = 0; i < s->clips_len; i++) {
        const struct sq_run_clip *has = &s->clips[i];
        if (strcmp(has->name, name) == 0 && has->opts.tags == opts->tags &&
            has->opts.fps_milli == opts->fps_milli) {
            *ret_clip = has->clip;
            return 0;
        }
    }
    if (sq_clip_builtin(name, path) != 0) {
        return refuse(
            s, SQ_ERR_NOTFOUND,
            "%s%s: no such clip; expected default, small, hd or a .sqclip file (looked in "
            "$SQUALL_SHARE, ../share beside the program, ./share and /usr/local/share/squall)",
            what, name);
    }
    struct sq_run_clip *clip = &s->clips[s->clips_len];
    if (sq_clip_open_with(path, opts, &clip->clip, why) != 0) {
        return refuse(s, SQ_ERR_FORMAT, "%.*s: %s", (int)strcspn(what, ": "), what, why);
    }
    clip->name = name;
    clip->opts = *opts;
    *ret_clip = clip->clip;
    s->clips_len++;
    return 0;
}

/* The clip of one step `share`, for whoever has it; its place is told with what is wrong. */
static int open_share(struct sq_run_sources *s, const struct sq_run_options *o,
                      const struct sq_plan_group *g, const struct sq_step *step)
{
    const struct sq_clip *clip = NULL;
    for (size_t i = 0; i < s->shares_len; i++) {
        if (strcmp(s->shares[i].name, step->name) == 0) {
            return 0;
        }
    }
    char why[sizeof(s->why)];
    int err = 0;
    if (s->shares_len == SQ_PLAN_SHARES_MAX) {
        err = refuse(s, SQ_ERR_UNSUPPORTED, "share: more than %d clips", SQ_PLAN_SHARES_MAX);
    }
    const struct sq_clip_opts opts = {.tags = g->latency};
    err = err ? err : named_clip(s, "share ", step->name, &opts, &clip);
    if (err) {
        struct sq_buf looked = {0};
        sq_scenario_put_looked_clip(o->scenario, step->name, &looked);
        snprintf(why, sizeof(why), "%s", s->why);
        sq_run_file_refuse(o, &step->at, s->why, sizeof(s->why), "%s%s", why,
                           looked.text ? looked.text : "");
        sq_buf_free(&looked);
        return err;
    }
    s->shares[s->shares_len++] = (struct sq_plan_share){step->name, clip};
    return 0;
}

/* What is sent of a video that is muted: black, as often as the clip has pictures. */
static int open_black(struct sq_run_sources *s, const struct sq_run_options *o,
                      struct sq_plan_group *g, const struct sq_step *step)
{
    const struct sq_clip_track *video = g->clip ? sq_clip_track(g->clip, SQ_CLIP_VIDEO) : NULL;
    if (!step->video || !video || !g->video) {
        return 0; /* a recording goes on */
    }
    char why[sizeof(s->why)];
    const struct sq_clip_opts opts = {.tags = g->latency, .fps_milli = video->fps_milli};
    int err = named_clip(s, "mute: video needs the clip ", "black", &opts, &g->black);
    if (err) {
        snprintf(why, sizeof(why), "%s", s->why);
        sq_run_file_refuse(o, &step->at, s->why, sizeof(s->why), "%s", why);
    }
    return err;
}

/* The clips that steps need. */
static int open_shares(struct sq_run_sources *s, const struct sq_run_options *o,
                       struct sq_plan *plan)
{
    int err = 0;
    for (size_t i = 0; i < plan->groups_len; i++) {
        struct sq_plan_group *g = &plan->groups[i];
        for (size_t k = 0; !err && g->steps && k < g->steps->n; k++) {
            const struct sq_step *step = &g->steps->items[k];
            err = step->kind == SQ_STEP_SHARE  ? open_share(s, o, g, step)
                  : step->kind == SQ_STEP_MUTE ? open_black(s, o, g, step)
                                               : 0;
        }
    }
    plan->shares = s->shares;
    plan->shares_len = s->shares_len;
    return err;
}

static struct sq_peer_codecs only(enum sq_codec codec)
{
    return (struct sq_peer_codecs){.order = {(uint8_t)codec}, .n = codec != SQ_CODEC_NONE};
}

static int open_recording(struct sq_run_sources *s, const struct sq_run_options *own,
                          const struct sq_replay **ret_replay)
{
    char why[SQ_REPLAY_WHY_MAX];
    for (size_t i = 0; i < s->replays_len; i++) {
        if (strcmp(s->replays[i].file, own->replay) == 0 && s->replays[i].pt == own->replay_pt) {
            *ret_replay = s->replays[i].replay;
            return 0;
        }
    }
    struct sq_run_replay *r = &s->replays[s->replays_len];
    if (sq_replay_open(own->replay, own->replay_pt, &r->replay, why) != 0) {
        return refuse(s, SQ_ERR_FORMAT, why[0] ? "--%s: %s" : "--%s: no memory",
                      strchr(why, '=') == NULL || !own->replay_pt ? "replay" : "pt", why);
    }
    r->file = own->replay;
    r->pt = own->replay_pt;
    s->replays_len++;
    *ret_replay = r->replay;
    return 0;
}

/* A recorded stream is sent in the place of a clip, and the run is as long as it is. */
static int open_replay(struct sq_run_sources *s, const struct sq_run_options *own,
                       struct sq_plan *plan, struct sq_plan_group *g)
{
    char why[SQ_REPLAY_WHY_MAX];
    int err = open_recording(s, own, &g->replay);
    if (err) {
        return err;
    }
    if (sq_replay_is_enough(g->replay, g->audio, g->video, why) != 0) {
        return refuse(s, SQ_ERR_FORMAT, "--replay: %.200s: %s", own->replay, why);
    }
    const struct sq_replay_stream *streams = g->replay->streams;
    g->audio_codecs = only(streams[SQ_MEDIA_AUDIO].codec);
    g->video_codecs = only(streams[SQ_MEDIA_VIDEO].codec);
    g->audio = g->audio && streams[SQ_MEDIA_AUDIO].codec != SQ_CODEC_NONE;
    g->video = g->video && streams[SQ_MEDIA_VIDEO].codec != SQ_CODEC_NONE;
    if (!g->audio && !g->video && !g->data.on) {
        bool video = streams[SQ_MEDIA_VIDEO].codec != SQ_CODEC_NONE;
        return refuse(
            s, SQ_ERR_INVALID,
            "--replay %.200s has %s alone, and --no-%s leaves nothing to send: give it up",
            own->replay, video ? "video" : "audio", video ? "video" : "audio");
    }
    if (sq_replay_check(g->replay, g->audio, g->video, why) != 0) {
        return refuse(s, SQ_ERR_FORMAT, "--replay: %.200s: %s", own->replay, why);
    }
    if (!own->duration_ns && !own->hold_ns) {
        /* Each peer leaves at the end of what it sends; who sends nothing, by this. */
        plan->duration_ns = plan->shape ? plan->duration_ns : 0;
        plan->hold_ns = sq_max_u64(plan->hold_ns, g->replay->duration_ns + REPLAY_AFTER_NS);
    }
    return 0;
}

static int check_ca(struct sq_run_sources *s, const struct sq_run_options *own)
{
    int bad = own->ca_file ? sq_tls_check_ca(own->ca_file) : 0;
    if (bad) {
        return refuse(s, SQ_ERR_INVALID, "--ca %.200s: %s", own->ca_file,
                      bad == SQ_ERR_IO       ? strerror(errno)
                      : bad == SQ_ERR_FORMAT ? "expected a file with certificates in PEM"
                                             : sq_err_name(bad));
    }
    return 0;
}

/* A user's name is none; what has a column or a step's value in it is known later. */
static void know_secrets(struct sq_run_sources *s, const struct sq_run_options *own)
{
    const char *const all[] = {own->token, own->turn_password, own->turn_secret};
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        if (all[i] && !sq_step_asks(all[i]) && !sq_users_asked(all[i])) {
            sq_secrets_add(&s->secrets, all[i]);
        }
    }
}

int sq_run_sources_open(struct sq_run_sources *s, const struct sq_run_options *o,
                        struct sq_plan *plan)
{
    int loaded = load_users(s, o, plan);
    plan->secrets = &s->secrets;
    if (o->scenario) {
        sq_secrets_add_all(&s->secrets, &o->scenario->secrets);
    }
    loaded = loaded ? loaded : sq_run_steps_check(o, plan, s->why, sizeof(s->why));
    if (loaded) {
        return loaded;
    }
    for (size_t i = 0; i < plan->groups_len; i++) {
        struct sq_plan_group *g = &plan->groups[i];
        const struct sq_run_options *own = options_of(o, i);
        s->at_group = i;
        know_secrets(s, own);
        int err = check_ca(s, own);
        err = err ? err : try_token(s, own->token);
        err =
            err ? err
                : sq_script_option_open(&s->scripts, own->script, plan, g, s->why, sizeof(s->why));
        if (!err && own->replay) {
            err = open_replay(s, own, plan, g);
        } else if (!err) {
            const struct sq_clip_opts opts = {.tags = g->latency};
            err = named_clip(s, "--media ", own->media, &opts, &g->clip);
            err = err || !sq_plan_publishes(plan) || (o->groups_len > 0 && !g->publishes)
                      ? err
                      : check_codecs(s, g, own->media);
        }
        if (err) {
            return err;
        }
    }
    return open_shares(s, o, plan);
}

void sq_run_sources_explain(const struct sq_run_sources *s, const struct sq_run_options *o,
                            char *why, size_t why_room)
{
    const struct sq_scenario *file = o->scenario;
    snprintf(why, why_room, "%s", s->why);
    (void)sq_run_file_explain(o, file && file->groups_len > 0 ? &file->groups[s->at_group] : NULL,
                              why, why_room);
}

void sq_run_sources_close(struct sq_run_sources *s)
{
    sq_lab_stop(s->lab);
    sq_users_free(s->users);
    sq_secrets_free(&s->secrets);
    sq_script_option_close(&s->scripts);
    for (size_t i = 0; i < s->first_urls_len; i++) {
        sq_free(s->first_urls[i]);
    }
    for (size_t i = 0; i < s->clips_len; i++) {
        sq_clip_close(s->clips[i].clip);
    }
    for (size_t i = 0; i < s->replays_len; i++) {
        sq_replay_close(s->replays[i].replay);
    }
    for (size_t i = 0; i < s->targets_len; i++) {
        sq_target_free(&s->targets[i]);
    }
    *s = (struct sq_run_sources){.dry = s->dry};
}
