#include "cli/run_notes.h"

#include "base/str.h"
#include "base/time.h"
#include "cli/run_file.h"
#include "cli/run_sources.h"
#include "cli/run_tell.h"
#include "media/clip.h"
#include "media/heard.h"
#include "run/replay.h"
#include "scenario/steps.h"
#include <math.h>
#include <stdarg.h>
#include <string.h>

struct noter {
    const struct sq_run_options *o;        /* of the whole run */
    const struct sq_scenario_group *group; /* whom it is about; NULL: all */
    FILE *out;
};

/* A sentence about options: where a scenario has set them, with its place, and called by keys. */
static void note(const struct noter *n, const char *fmt, ...) SQ_PRINTF(2, 3);

static void note(const struct noter *n, const char *fmt, ...)
{
    char text[1024];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)sq_run_file_explain(n->o, n->group, text, sizeof(text));
    fprintf(n->out, "Note: %s\n", text);
}

/* "10 s", and longer than that "1h00m". */
static void seconds_text(double seconds, char out[static 32])
{
    if (seconds < 1000) {
        snprintf(out, 32, "%.3g s", seconds);
    } else {
        sq_format_duration((uint64_t)fmin(seconds * 1e9, 1e18), out);
    }
}

/* A plan that cannot bring all its peers up is allowed, but hardly meant. */
static void note_late_arrivals(const struct sq_plan *plan, const struct noter *n)
{
    char rate[32], needed[32], ends[32];
    double needed_s = (double)plan->peers / plan->rate_per_s;
    double duration_s = (double)plan->duration_ns / 1e9;
    if (!plan->shape && plan->hold_ns == 0 && duration_s > 0 && needed_s > duration_s) {
        seconds_text(needed_s, needed);
        seconds_text(duration_s, ends);
        note(n,
             "%llu peer%s at %s need%s %s to arrive, but the run ends after %s; give --rate or "
             "--ramp, or a longer --duration.",
             (unsigned long long)plan->peers, plan->peers == 1 ? "" : "s",
             sq_run_rate_text(plan->rate_per_s, rate), plan->peers == 1 ? "s" : "", needed, ends);
    }
}

/* A fixed rate that has no room for the least there is: that is sent all the same. */
static void note_small_rate(const struct sq_run_options *o, const struct sq_plan_group *group,
                            const struct noter *n)
{
    const struct sq_clip_track *video =
        group->clip && group->video ? sq_clip_track(group->clip, SQ_CLIP_VIDEO) : NULL;
    const struct sq_clip_track *audio =
        group->clip && group->audio ? sq_clip_track(group->clip, SQ_CLIP_AUDIO) : NULL;
    if (group->bwe.mode != SQ_BWE_FIXED || !video || !group->publishes) {
        return;
    }
    const struct sq_clip_track *least = sq_clip_lowest(video);
    double video_bps = (double)sq_clip_track_bps(least, 0);
    double audio_bps = audio ? (double)audio->average_bps : 0;
    if ((double)group->bwe.fixed_bps < video_bps + audio_bps) {
        note(n,
             "--bwe %s is less than the least that the clip has: its lowest step, %ux%u "
             "with %.3g frames/s, is sent, %.0f kbit/s%s, and the headers.",
             o->bwe, least->width, least->height, sq_clip_track_fps_milli(least, 0) / 1e3,
             (video_bps + audio_bps) / 1e3, audio ? " with the audio" : "");
    }
}

/* What may be asked of Opus, by the bits of `enum sq_clip_feature`, and stereo. */
#define STEREO 0x100U

static unsigned asked_of_opus(const struct sq_peer_codecs *codecs)
{
    return (codecs->stereo ? STEREO : 0U) | (codecs->dtx ? SQ_CLIP_DTX : 0U) |
           (codecs->opus_fec ? SQ_CLIP_FEC : 0U);
}

static unsigned opus_has(const struct sq_clip_track *track)
{
    return !track ? 0U
                  : (track->channels == 2 ? STEREO : 0U) |
                        (track->features & (SQ_CLIP_DTX | SQ_CLIP_FEC));
}

/* Of all the clip's streams of Opus together. */
static unsigned opus_of_clip(const struct sq_clip *clip)
{
    unsigned has = 0;
    for (size_t i = 0; i < clip->track_count; i++) {
        has |= clip->tracks[i].codec == SQ_CODEC_OPUS ? opus_has(&clip->tracks[i]) : 0U;
    }
    return has;
}

/* "stereo with DTX and in-band FEC", "mono" */
static const char *opus_text(unsigned features, char out[static 48])
{
    bool dtx = features & SQ_CLIP_DTX;
    bool fec = features & SQ_CLIP_FEC;
    snprintf(out, 48, "%s%s%s%s%s", features & STEREO ? "stereo" : "mono",
             dtx || fec ? " with " : "", dtx ? "DTX" : "", dtx && fec ? " and " : "",
             fec ? "in-band FEC" : "");
    return out;
}

/* It has each of what was asked for, and no stream with all of it: what goes. */
static void note_apart(const struct sq_run_options *o, unsigned asked, unsigned sent,
                       unsigned missing, const struct noter *n)
{
    char wanted[48];
    char closest[48];
    const char *words[3] = {""};
    size_t goes = 0;
    if (missing & STEREO) {
        words[goes++] = "stereo";
    }
    if (missing & SQ_CLIP_DTX) {
        words[goes++] = "DTX";
    }
    if (missing & SQ_CLIP_FEC) {
        words[goes++] = "in-band FEC";
    }
    note(n, "--media %s has no Opus in %s: %s is sent, without %s%s%s.", o->media,
         opus_text(asked, wanted), opus_text(sent, closest), words[0], goes > 1 ? " and " : "",
         goes > 1 ? words[1] : "");
}

/* What is heard of a clip can be no more than there is in it. */
static void note_silence(const struct sq_run_options *o, const struct sq_plan_group *group,
                         const struct noter *n)
{
    bool sounds = group->clip && group->audio && group->publishes;
    double heard = o->decode && sounds ? sq_clip_heard_percent(group->clip) : 100;
    if (heard < SQ_HEARD_ENOUGH_PERCENT) {
        note(n,
             "--media %s is silent for long: %.0f %% of its seconds can be heard, and "
             "audio.in.heard comes to about that, whatever the service does.",
             o->media, heard);
    }
}

/* Features of Opus that no stream of the clip has, and those that the one that is sent lacks. */
static void note_plain_opus(const struct sq_run_options *o, const struct sq_peer_codecs *codecs,
                            const struct sq_clip *clip, const struct noter *n)
{
    unsigned asked = asked_of_opus(codecs);
    unsigned sent = opus_has(sq_peer_codecs_opus(codecs, clip));
    unsigned nowhere = asked & ~opus_of_clip(clip);
    unsigned missing = asked & ~sent & ~nowhere;
    if (nowhere & STEREO) {
        note(n,
             "--media %s has no stereo: opus+stereo asks the other side for it, and "
             "sends mono.",
             o->media);
    }
    if (nowhere & SQ_CLIP_DTX) {
        note(n,
             "--media %s has no Opus with DTX: opus+dtx asks the other side for it, and "
             "sends silence as it is.",
             o->media);
    }
    if (nowhere & SQ_CLIP_FEC) {
        note(n, "--media %s has no Opus with in-band FEC: opus+fec sends none.", o->media);
    }
    if (missing) {
        note_apart(o, asked & ~nowhere, sent, missing, n);
    }
}

/* A codec's features that the clip or the lab does not have; the rest is sent. */
static void note_plain_codecs(const struct sq_run_options *o, const struct sq_plan_group *group,
                              const struct noter *n)
{
    const struct sq_peer_codecs *codecs = &group->audio_codecs;
    if (!group->publishes || !group->audio) {
        return;
    }
    if (group->clip) {
        note_plain_opus(o, codecs, group->clip, n);
    }
    if (codecs->red && sq_run_is_lab(o->target_url)) {
        note(n, "the lab takes no RED: opus+red is sent as Opus alone.");
    }
}

/* ---- What a clip has no video for ---- */

static const struct sq_clip_track *ladder_of(const struct sq_clip *clip, enum sq_codec codec,
                                             enum sq_h264_modes modes)
{
    const struct sq_clip_track *step = NULL;
    const struct sq_clip_want mode0 = {.codec = codec, .features = SQ_CLIP_SINGLE_NAL};
    if (codec == SQ_CODEC_H264 && modes != SQ_H264_MODES &&
        (sq_clip_ladder_with(clip, &mode0, &step, 1) > 0 || modes == SQ_H264_MODE0)) {
        return step;
    }
    return sq_clip_ladder(clip, codec, &step, 1) > 0 ? step : NULL;
}

/* In the codec that stands first, of those that the clip has. NULL: it has none of them. */
static const struct sq_clip_track *preferred_video(const struct sq_plan_group *group)
{
    static const uint8_t offered[] = {SQ_CODEC_VP8, SQ_CODEC_H264, SQ_CODEC_AV1, SQ_CODEC_VP9};
    const struct sq_peer_codecs *codecs = &group->video_codecs;
    const uint8_t *order = codecs->n > 0 ? codecs->order : offered;
    size_t n = codecs->n > 0 ? codecs->n : sizeof(offered);
    const struct sq_clip_track *step = NULL;
    for (size_t i = 0; i < n && !step; i++) {
        step = ladder_of(group->clip, (enum sq_codec)order[i], codecs->h264_modes);
    }
    return step;
}

unsigned sq_run_notes_layers(const struct sq_plan_group *group)
{
    const struct sq_clip_track *sizes[SQ_CLIP_STEPS_MAX];
    const struct sq_clip_track *video =
        group->clip && group->simulcast ? preferred_video(group) : NULL;
    size_t has = video ? sq_clip_sizes(video, sizes) : group->simulcast;
    return has < group->simulcast ? (unsigned)has : group->simulcast;
}

static void note_plain_video(const struct sq_run_options *o, const struct sq_plan_group *group,
                             const struct noter *n)
{
    if (!group->publishes || !group->video || !group->clip) {
        return;
    }
    unsigned layers = sq_run_notes_layers(group);
    if (layers < group->simulcast) {
        note(n,
             "--simulcast %u: a layer is a picture size, and --media %s has %u step%s of "
             "%s size in %s: only %s sent.",
             group->simulcast, o->media, layers, layers == 1 ? "" : "s",
             layers == 1 ? "one" : "different", sq_codec_info(preferred_video(group)->codec)->name,
             layers == 1 ? "the layer f is" : "the layers h and f are");
    }
    const struct sq_clip_track *steps[SQ_CLIP_STEPS_MAX];
    bool has_vp9 = sq_clip_ladder(group->clip, SQ_CODEC_VP9, steps, 1) > 0;
    bool svc = false;
    for (uint8_t k = 2; k <= SQ_CLIP_LAYERS_MAX && !svc; k++) {
        const struct sq_clip_want joined = {
            .codec = SQ_CODEC_VP9, .features = SQ_CLIP_KEY_SVC, .spatial_layers = k};
        const struct sq_clip_want full = {.codec = SQ_CODEC_VP9, .spatial_layers = k};
        svc = sq_clip_ladder_with(group->clip, &joined, steps, 1) > 0 ||
              sq_clip_ladder_with(group->clip, &full, steps, 1) > 0;
    }
    if (group->video_codecs.svc && has_vp9 && !svc) {
        note(n,
             "--media %s has no VP9 in spatial layers: vp9+svc is sent as VP9 in one "
             "layer.",
             o->media);
    }
}

/* ---- Recordings, peers, times ---- */

/* What of the file is not sent, by what it is; of types that are not known, how to tell them. */
static void tell_left_out(const struct sq_replay *replay, const struct noter *n)
{
    char types[SQ_REPLAY_TYPES_MAX];
    uint64_t of_types = sq_replay_unsent(replay, true);
    uint64_t of_streams = replay->left_out - of_types - replay->not_rtp;
    (void)sq_replay_unsent_text(replay, true, types);
    if (replay->left_out > 0) {
        fprintf(n->out, "%llu other packets of the file are left out: %s%s",
                (unsigned long long)replay->left_out, of_types > 0 ? "payload types " : "", types);
        if (of_streams > 0) {
            fprintf(n->out, "%s%llu of further streams", of_types > 0 ? "; " : "",
                    (unsigned long long)of_streams);
        }
        if (replay->not_rtp > 0) {
            fprintf(n->out, "%s%llu that are no RTP", of_types + of_streams > 0 ? "; " : "",
                    (unsigned long long)replay->not_rtp);
        }
        fputc('\n', n->out);
    }
    uint64_t unknown = sq_replay_unsent(replay, false);
    if (unknown > 0) {
        bool has_video = replay->streams[SQ_MEDIA_VIDEO].codec != SQ_CODEC_NONE;
        bool has_audio = replay->streams[SQ_MEDIA_AUDIO].codec != SQ_CODEC_NONE;
        unsigned most = sq_replay_unsent_text(replay, false, types);
        uint64_t sent = replay->streams[0].packets + replay->streams[1].packets;
        note(n,
             "%llu packets%s are of payload types that are not known, and are not sent: %s%s; say "
             "what they are, such as --pt %u=%s.",
             (unsigned long long)unknown, unknown > sent ? ", more than are sent," : "", types,
             !has_audio   ? "; there is no other audio"
             : !has_video ? "; there is no other video"
                          : "",
             most, has_audio ? "H264" : "opus");
    }
}

static void tell_replay(const struct sq_replay *replay, const struct noter *n)
{
    static const char *const kinds[] = {"audio", "video"};
    for (int kind = 0; kind < 2; kind++) {
        const struct sq_replay_stream *stream = &replay->streams[kind];
        if (stream->codec != SQ_CODEC_NONE) {
            fprintf(n->out, "%s: %s%s, payload type %u, SSRC %08x: %llu packets, %llu missing\n",
                    kinds[kind], sq_codec_info(stream->codec)->name,
                    stream->in_red > 0 ? " (out of RED)" : "", stream->pt, stream->ssrc,
                    (unsigned long long)stream->packets, (unsigned long long)stream->missing);
        }
    }
    double lasts_s = (double)replay->duration_ns / 1e9;
    fprintf(n->out, "It takes %.1f s to send.\n", lasts_s);
    tell_left_out(replay, n);
    if (replay->cut > 0) {
        note(n,
             "%llu packets were cut short by the capture's snap length ('tcpdump -s 0' "
             "keeps them whole): they are left out, as if they had been lost.",
             (unsigned long long)replay->cut);
    }
    if (replay->too_long > 0) {
        note(n,
             "%llu packets are longer than a datagram holds (%d bytes of payload): they "
             "are left out, as if they had been lost.",
             (unsigned long long)replay->too_long, SQ_REPLAY_PAYLOAD_MAX);
    }
    if (replay->cut_off) {
        note(n,
             "the file is cut off or damaged after %.1f s: it ends within a packet. What "
             "comes before is sent.",
             lasts_s);
    }
}

/* More peers wanted for something than there will be. */
static void note_few_peers(const struct sq_run_options *o, const struct sq_plan *plan,
                           const struct noter *n)
{
    uint64_t come = sq_plan_arrivals(plan);
    const struct {
        const char *name;
        uint64_t wanted;
    } options[] = {{"record", o->record},
                   {"decode", o->decode},
                   {"dump", o->dump},
                   {"publishers", o->publishers == UINT64_MAX ? 0 : o->publishers}};
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        if (options[i].wanted > come) {
            note(n, "--%s %llu, but only %llu peer%s: it is all of them.", options[i].name,
                 (unsigned long long)options[i].wanted, (unsigned long long)come,
                 come == 1 ? " comes" : "s come");
        }
    }
}

/* A change of a network for which nobody is there long enough. */
static void note_late_changes(const struct sq_plan *plan, const struct sq_plan_group *group,
                              const struct noter *n)
{
    uint64_t stays_ns = plan->hold_ns ? plan->hold_ns : plan->duration_ns;
    uint64_t whole_ns = plan->duration_ns ? plan->duration_ns + plan->ramp_down_ns : 0;
    for (size_t i = 0; i < group->networks_len; i++) {
        const struct sq_plan_network *net = &group->networks[i];
        uint64_t ends_ns = net->course.of_run ? whole_ns : stays_ns + plan->ramp_down_ns;
        for (size_t k = 0; k < net->course.n && stays_ns > 0 && ends_ns > 0; k++) {
            const struct sq_link_change *change = &group->network_changes[net->changes_at + k];
            char at[32];
            char ends[32];
            if (change->at_ns >= ends_ns) {
                note(n, "--network %.100s: '%s' after %s never comes: %s %s.", net->name,
                     change->text, sq_format_duration(change->at_ns, at),
                     net->course.of_run ? "the run ends after" : "a peer stays for",
                     sq_format_duration(ends_ns, ends));
                break;
            }
        }
    }
}

/* A value of a room and one of the test are two, whatever their names. */
static void find_set(const struct sq_steps *steps, const struct sq_step *wait, bool *ret_set,
                     bool *ret_elsewhere)
{
    for (size_t i = 0; steps && i < steps->n; i++) {
        const struct sq_step *step = &steps->items[i];
        if (step->kind == SQ_STEP_SET && strcmp(step->name, wait->name) == 0) {
            *ret_set = *ret_set || step->whole_test == wait->whole_test;
            *ret_elsewhere = *ret_elsewhere || step->whole_test != wait->whole_test;
        }
    }
}

/* It is waited for in vain, unless a script sets it. */
static void note_never_set(const struct sq_plan *plan, const struct sq_steps *steps,
                           const struct noter *n)
{
    for (size_t i = 0; steps && i < steps->n; i++) {
        const struct sq_step *step = &steps->items[i];
        bool set = step->kind != SQ_STEP_WAIT_FOR;
        bool elsewhere = false;
        for (size_t g = 0; g < plan->groups_len && !set; g++) {
            const struct sq_plan_group *group = &plan->groups[g];
            set = group->script;
            find_set(group->before, step, &set, &elsewhere);
            find_set(group->steps, step, &set, &elsewhere);
        }
        if (!set && elsewhere) {
            const char *here = step->whole_test ? "test" : "room";
            const char *there = step->whole_test ? "room" : "test";
            note(n,
                 "%s:%u: wait_for %s in: %s: steps set it in: %s only, which is another "
                 "value.",
                 steps->file, step->at.line, step->name, here, there);
        } else if (!set) {
            note(n, "%s:%u: wait_for %s: no step sets it.", steps->file, step->at.line, step->name);
        }
    }
}

static bool starts_timer(const struct sq_steps *steps, size_t timer)
{
    for (size_t i = 0; steps && i < steps->n; i++) {
        const struct sq_step *step = &steps->items[i];
        if (step->kind == SQ_STEP_TIMER && step->start && step->figure == timer) {
            return true;
        }
    }
    return false;
}

/* A timer is a peer's own: another group's start is none of it. */
static void note_never_started(const struct sq_plan_group *group, const struct sq_steps *steps,
                               const struct noter *n)
{
    for (size_t i = 0; steps && i < steps->n; i++) {
        const struct sq_step *step = &steps->items[i];
        if (step->kind == SQ_STEP_TIMER && !step->start &&
            !starts_timer(group->before, step->figure) &&
            !starts_timer(group->steps, step->figure)) {
            note(n, "%s:%u: timer stop %s: no step starts it, so it measures nothing.", steps->file,
                 step->at.line, step->name);
        }
    }
}

/* Who watches hears messages, and sends none. */
static void note_unsent_data(const struct sq_run_options *o, const struct sq_plan *plan,
                             const struct noter *n)
{
    const struct sq_plan_group *silent = NULL;
    for (size_t i = 0; i < plan->groups_len; i++) {
        const struct sq_plan_group *group = &plan->groups[i];
        if (group->publishes && group->data.on) {
            return;
        }
        silent = !silent && group->data.on && !group->data.silent ? group : silent;
    }
    if (!silent) {
        return;
    }
    size_t at = (size_t)(silent - plan->groups);
    const struct noter own = {n->o, o->groups_len > 0 ? &o->scenario->groups[at] : NULL, n->out};
    note(&own,
         "--data %s: messages are sent by those who publish, and %s: only messages of others, "
         "where there are any, come and are measured.",
         o->groups_len > 0 ? o->groups[at].data : o->data,
         o->groups_len > 0    ? "no group with data does"
         : o->publishers == 0 ? "with --publishers 0 nobody does"
                              : "nobody does");
}

/* A server that lets anybody in is rare. */
static void note_open_turn(const struct sq_run_options *o, const struct noter *n)
{
    if (o->turn.n > 0 && !o->turn_user && !o->turn_secret) {
        note(n,
             "--turn %s has neither --turn-user and --turn-password nor --turn-secret: a "
             "server that asks for credentials gives no relay.",
             o->turn.items[0]);
    }
}

/* Groups that no peer falls to. */
static void note_empty_groups(const struct sq_plan *plan, const struct noter *n)
{
    bool any[SQ_PLAN_GROUPS_MAX] = {false};
    for (uint64_t i = 0; i < plan->peers; i++) {
        struct sq_plan_place place;
        sq_plan_place(plan, i, &place);
        any[place.group - plan->groups] = true;
    }
    for (size_t g = 0; g < plan->groups_len; g++) {
        if (!any[g] && plan->groups[g].name) {
            const struct noter own = {n->o, n->o->scenario ? &n->o->scenario->groups[g] : NULL,
                                      n->out};
            note(&own, "group %s has none of the %llu peers: its share is too small.",
                 plan->groups[g].name, (unsigned long long)plan->peers);
        }
    }
}

/* Groups share steps that stand at the top of the file: each list is told once. */
static void note_steps(const struct sq_plan *plan, const struct noter *n)
{
    for (size_t g = 0; g < plan->groups_len; g++) {
        const struct sq_plan_group *group = &plan->groups[g];
        bool before = true, steps = true;
        for (size_t k = 0; k < g; k++) {
            before = before && plan->groups[k].before != group->before;
            steps = steps && plan->groups[k].steps != group->steps;
        }
        note_never_set(plan, before ? group->before : NULL, n);
        note_never_set(plan, steps ? group->steps : NULL, n);
        note_never_started(group, before ? group->before : NULL, n);
        note_never_started(group, steps ? group->steps : NULL, n);
    }
}

void sq_run_notes(const struct sq_run_options *o, const struct sq_plan *plan, FILE *out)
{
    struct noter noter = {o, NULL, out};
    const struct noter *n = &noter;
    note_late_arrivals(plan, n);
    note_few_peers(o, plan, n);
    note_empty_groups(plan, n);
    note_steps(plan, n);
    note_open_turn(o, n);
    note_unsent_data(o, plan, n);
    /* Without a scenario's groups the others send the same as the first, or nothing. */
    for (size_t i = 0; i < sq_max_u64(o->groups_len, 1); i++) {
        const struct sq_plan_group *group = &plan->groups[i];
        noter.group = o->groups_len > 0 ? &o->scenario->groups[i] : NULL;
        const struct sq_run_options *own = o->groups_len > 0 ? &o->groups[i] : o;
        if (group->replay) {
            tell_replay(group->replay, n);
        }
        note_small_rate(own, group, n);
        note_plain_codecs(own, group, n);
        note_silence(own, group, n);
        note_plain_video(own, group, n);
        note_late_changes(plan, group, n);
    }
}
