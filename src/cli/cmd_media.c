/* squall media: clips made of any file, and what is in one. */
#include "base/str.h"
#include "base/time.h"
#include "cli/cli.h"
#include "cli/ladder_notes.h"
#include "cli/options.h"
#include "media/clip.h"
#include "media/heard.h"
#include "prepare/prepare.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define AUDIO_TRACK_MAX 999 /* files have a few */

/* ---- info ---- */

static void print_features(const struct sq_clip_track *t)
{
    static const struct {
        unsigned feature;
        const char *name;
    } names[] = {{SQ_CLIP_DTX, "DTX"},
                 {SQ_CLIP_FEC, "in-band FEC"},
                 {SQ_CLIP_SINGLE_NAL, "packetization-mode 0"},
                 {SQ_CLIP_KEY_SVC, "layers joined in key pictures"}};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        if (t->features & names[i].feature) {
            printf(", %s", names[i].name);
        }
    }
}

static void print_track(const struct sq_clip_track *t)
{
    const char *name = sq_codec_info(t->codec)->name;
    double seconds = (double)t->duration_ticks / t->clock_hz;
    printf("  %-5s", t->step == 0 ? name : "");
    if (t->kind == SQ_CLIP_AUDIO) {
        unsigned voice = 0;
        for (uint32_t i = 0; i < t->frame_count; i++) {
            voice += (t->frames[i].flags & SQ_CLIP_VOICE) != 0;
        }
        printf(" %-10s %6.1f kbit/s %6.1f packets/s, voice in %.0f %%",
               t->channels == 2 ? "stereo" : "mono", t->average_bps / 1000.0,
               t->packet_count / seconds, 100.0 * voice / t->frame_count);
    } else {
        char size[16];
        uint32_t largest = 0;
        for (uint32_t i = 0; i < t->frame_count; i++) {
            largest = t->frames[i].len_bytes > largest ? t->frames[i].len_bytes : largest;
        }
        snprintf(size, sizeof(size), "%ux%u", t->width, t->height);
        printf(" %-10s %6.1f kbit/s %6.1f packets/s, %.4g frames/s, %u key frames, largest %.1f KB",
               size, t->average_bps / 1000.0, t->packet_count / seconds, t->fps_milli / 1000.0,
               t->key_count, largest / 1000.0);
        if (t->temporal_layers > 1 || t->spatial_layers > 1) {
            printf(", L%uT%u", t->spatial_layers, t->temporal_layers);
        }
        if (t->codec == SQ_CODEC_H264) {
            printf(", profile-level-id %02x%02x%02x", t->profile_level_id[0],
                   t->profile_level_id[1], t->profile_level_id[2]);
        }
    }
    print_features(t);
    printf("\n");
}

static int print_clip(const char *name)
{
    char path[SQ_CLIP_PATH_MAX];
    char why[SQ_CLIP_WHY_MAX];
    struct sq_clip *clip = NULL;
    if (sq_clip_builtin(name, path) != 0) {
        return sq_usage("media",
                        "%s: no such clip; expected a .sqclip file or one that ships: default, "
                        "small, hd",
                        name);
    }
    if (sq_clip_open(path, 0, &clip, why) != 0) {
        return sq_usage("media", "%s", why);
    }
    const struct sq_clip_track *first = &clip->tracks[0];
    printf("%s: %.2f s, %.2f MB\n", path, (double)first->duration_ticks / first->clock_hz,
           (double)clip->map_bytes / 1e6);
    for (size_t i = 0; i < clip->track_count; i++) {
        print_track(&clip->tracks[i]);
    }
    sq_clip_close(clip);
    return SQ_EXIT_HELD;
}

/* ---- prepare ---- */

struct prepare_options {
    bool help, can;
    const char *output, *voice, *picture, *codecs, *ladder;
    uint64_t seconds_ns, fps, audio_track;
};

/* The next word of a list with commas; false at its end. */
static bool next_word(const char **at, char *out, size_t room)
{
    size_t len = strcspn(*at, ",");
    if (**at == '\0' || len >= room) {
        return false;
    }
    memcpy(out, *at, len);
    out[len] = '\0';
    *at += len + ((*at)[len] == ',');
    return true;
}

static int read_codecs(const char *list, struct sq_prepare *p)
{
    char word[32] = "";
    bool video = false;
    bool audio = false;
    for (const char *at = list; at && (*at || at == list);) {
        if (!next_word(&at, word, sizeof(word)) && *at) {
            return sq_usage("media", "--codec %s: a name is too long", list);
        }
        bool mode0 = strcmp(word, "h264-mode0") == 0;
        enum sq_codec codec = mode0 ? SQ_CODEC_H264 : sq_codec_by_name(word);
        if (codec == SQ_CODEC_NONE) {
            return sq_usage("media",
                            "--codec %s: unknown codec '%s'; expected vp8, vp9, h264, h264-mode0, "
                            "av1, opus, pcmu, pcma or g722, with commas between them",
                            list, word);
        }
        p->single_nal |= mode0;
        p->codecs[codec] |= !mode0;
        video |= sq_codec_info(codec)->video;
        audio |= !sq_codec_info(codec)->video;
    }
    if (list && !video) {
        return sq_usage("media",
                        "--codec %s: names no video codec, and a clip has a picture: add vp8, vp9, "
                        "h264, h264-mode0 or av1",
                        list);
    }
    p->codecs[SQ_CODEC_VP8] |= !list;
    if (!audio) {
        p->codecs[SQ_CODEC_OPUS] = p->codecs[SQ_CODEC_PCMU] = p->codecs[SQ_CODEC_PCMA] =
            p->codecs[SQ_CODEC_G722] = true;
    }
    return 0;
}

/* "360@1M" or "640x360@1M". */
static bool read_step(const char *word, struct sq_prepare_step *ret_step)
{
    char *end = NULL;
    unsigned long first = strtoul(word, &end, 10);
    unsigned long second = 0;
    uint64_t bps = 0;
    if (*end == 'x') {
        second = strtoul(end + 1, &end, 10);
    }
    unsigned long height = second ? second : first;
    unsigned long width = second ? first : 0;
    if (*end != '@' || sq_parse_bitrate(end + 1, &bps) != 0 || bps < 10000 || bps > 100000000 ||
        height < 16 || height > 4096 || width > 4096 || (width > 0 && width < 16) || width % 2 ||
        height % 2) {
        return false;
    }
    *ret_step = (struct sq_prepare_step){(uint16_t)width, (uint16_t)height, (uint32_t)bps};
    return true;
}

static int read_ladder(const char *list, struct sq_prepare *p)
{
    char word[64] = "";
    for (const char *at = list; at && (*at || at == list);) {
        struct sq_prepare_step *step = &p->steps[p->n_steps];
        if (p->n_steps == SQ_CLIP_STEPS_MAX || !next_word(&at, word, sizeof(word)) ||
            !read_step(word, step) || (p->n_steps > 0 && step->bps <= step[-1].bps)) {
            return sq_usage("media",
                            "--ladder %s: expected up to %d steps HEIGHT@RATE or WIDTHxHEIGHT@RATE "
                            "at rising rates, such as 180@150k,360@500k,720@1.7M; sizes are even "
                            "and 16 to 4096, rates 10k to 100M",
                            list, SQ_CLIP_STEPS_MAX);
        }
        p->n_steps++;
    }
    return 0;
}

static void note_what_came(const struct sq_prepare *p, const char *path)
{
    static const struct sq_prepare_step usual[] = SQ_PREPARE_STEPS;
    const struct sq_prepare_step *steps = p->n_steps ? p->steps : usual;
    size_t n = p->n_steps ? p->n_steps : sizeof(usual) / sizeof(*usual);
    char why[SQ_CLIP_WHY_MAX];
    struct sq_clip *clip = NULL;
    if (sq_clip_open(path, 0, &clip, why) != 0) {
        return;
    }
    sq_ladder_notes(steps, n, clip, stderr);
    double heard = sq_clip_heard_percent(clip);
    if (heard < SQ_HEARD_ENOUGH_PERCENT) {
        fprintf(stderr,
                "Note: it is silent for long: %.0f %% of its seconds can be heard, and "
                "audio.in.heard of --decode comes to about that.\n",
                heard);
    }
    sq_clip_close(clip);
}

static void default_output(const char *input, char out[static SQ_CLIP_PATH_MAX])
{
    const char *slash = strrchr(input, '/');
    const char *name = slash ? slash + 1 : input;
    const char *dot = strrchr(name, '.');
    size_t len = dot && dot > name ? (size_t)(dot - name) : strlen(name);
    len = len < SQ_CLIP_PATH_MAX - 8 ? len : SQ_CLIP_PATH_MAX - 8;
    snprintf(out, SQ_CLIP_PATH_MAX, "%.*s.sqclip", (int)len, name);
}

static void prepare_help(const struct sq_option *options)
{
    printf("Usage: squall media prepare INPUT [option …]\n\n"
           "Makes a clip of any file that libavformat reads: its picture at each step of a ladder, "
           "its\n"
           "voice for each codec. A file that is silent, frozen, black or damaged is refused.\n\n");
    sq_options_help(options);
    printf("\n  squall media prepare meeting.mp4 --codec vp8,h264 --ladder "
           "180@150k,360@500k,720@1.7M\n"
           "  squall run lab: --media meeting.sqclip\n");
}

static int prepare(int argc, char **argv)
{
    struct prepare_options o = {
        .seconds_ns = 10 * SQ_NS_PER_SEC, .fps = 25, .audio_track = UINT64_MAX};
    const struct sq_option options[] = {
        {"output", SQ_OPTION_TEXT, &o.output, "FILE",
         "the clip, INPUT's name with .sqclip (also -o)", 0, 0},
        {"voice", SQ_OPTION_TEXT, &o.voice, "FILE",
         "the voice, in place of INPUT's: cut, or again from its beginning, to last as long", 0, 0},
        {"picture", SQ_OPTION_TEXT, &o.picture, "FILE", "the picture, in the same way", 0, 0},
        {"audio-track", SQ_OPTION_COUNT, &o.audio_track, "N",
         "which audio track of a file with several the voice is, from 0 (ffmpeg's a:N)", 0,
         AUDIO_TRACK_MAX},
        {"codec", SQ_OPTION_TEXT, &o.codecs, "LIST",
         "vp8 (default), vp9, h264, h264-mode0, av1; opus, pcmu, pcma, g722 (all by default)", 0,
         0},
        {"ladder", SQ_OPTION_TEXT, &o.ladder, "LIST",
         "steps HEIGHT@RATE (the short side) or WIDTHxHEIGHT@RATE, 180@150k,270@400k,360@1M", 0, 0},
        {"seconds", SQ_OPTION_DURATION, &o.seconds_ns, "D", "how much of it, 10s", 0,
         SQ_PREPARE_SECONDS_MAX * SQ_NS_PER_SEC},
        {"fps", SQ_OPTION_COUNT, &o.fps, "N", "frames a second, 25", 5, SQ_PREPARE_FPS_MAX},
        {"can", SQ_OPTION_FLAG, &o.can, NULL,
         "only say by the exit code (0 or 2) whether this build has libav", 0, 0},
        {"help", SQ_OPTION_FLAG, &o.help, NULL, "this text", 0, 0},
        {NULL, SQ_OPTION_FLAG, NULL, NULL, NULL, 0, 0},
    };
    char why[SQ_PREPARE_WHY_MAX];
    char output[SQ_CLIP_PATH_MAX];
    struct sq_option_list rest = {.n = 0};
    for (int i = 0; i < argc; i++) {
        static char output_option[] = "--output";
        argv[i] = strcmp(argv[i], "-o") == 0 ? output_option : argv[i];
    }
    if (sq_options_parse(options, argc, argv, &rest, why, sizeof(why)) != 0) {
        return sq_usage("media", "%s", why);
    }
    if (o.help) {
        prepare_help(options);
        return SQ_EXIT_HELD;
    }
    if (o.can) {
        return sq_prepare_can() ? SQ_EXIT_HELD : SQ_EXIT_USAGE;
    }
    if (rest.n != 1) {
        return sq_usage("media", "prepare: expected one INPUT, found %zu", rest.n);
    }
    struct sq_prepare p = {
        .input = rest.items[0], .voice = o.voice, .picture = o.picture, .fps = (unsigned)o.fps};
    p.audio_track = o.audio_track == UINT64_MAX ? -1 : (int)o.audio_track;
    p.seconds = (unsigned)((o.seconds_ns + SQ_NS_PER_SEC - 1) / SQ_NS_PER_SEC);
    if (p.seconds < SQ_PREPARE_SECONDS_MIN || p.seconds > SQ_PREPARE_SECONDS_MAX) {
        return sq_usage("media", "--seconds: expected %ds to %ds", SQ_PREPARE_SECONDS_MIN,
                        SQ_PREPARE_SECONDS_MAX);
    }
    int code = read_codecs(o.codecs, &p);
    code = code ? code : read_ladder(o.ladder, &p);
    if (code) {
        return code;
    }
    default_output(p.input, output);
    p.output = o.output ? o.output : output;
    if (sq_prepare_clip(&p, why) != 0) {
        return sq_usage("media", "%s", why);
    }
    const char *made = strchr(p.output, '/') || strchr(p.output, '.') ? p.output : output;
    code = print_clip(made);
    if (code == SQ_EXIT_HELD) {
        note_what_came(&p, made);
    }
    if (why[0] != '\0') {
        fprintf(stderr, "Note: %s.\n", why);
    }
    return code;
}

static int info(int argc, char **argv)
{
    if (argc == 0) {
        return sq_usage("media", "info: expected CLIP");
    }
    if (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0) {
        puts("Usage: squall media info CLIP …\n\n"
             "Prints what each clip holds: codecs, picture sizes, rates and lengths. CLIP is "
             "default, "
             "small, hd\nor a .sqclip file.");
        return SQ_EXIT_HELD;
    }
    if (argv[0][0] == '-') {
        return sq_usage("media", "info: unknown option %s", argv[0]);
    }
    int code = SQ_EXIT_HELD;
    for (int i = 0; i < argc && code == SQ_EXIT_HELD; i++) {
        code = print_clip(argv[i]);
    }
    return code;
}

int sq_cmd_media(int argc, char **argv)
{
    if (argc > 0 && strcmp(argv[0], "prepare") == 0) {
        return prepare(argc - 1, argv + 1);
    }
    if (argc > 0 && strcmp(argv[0], "info") == 0) {
        return info(argc - 1, argv + 1);
    }
    if (argc > 0 && strcmp(argv[0], "replay") == 0) {
        return sq_media_replay(argc - 1, argv + 1);
    }
    bool help = argc > 0 && (strcmp(argv[0], "--help") == 0 || strcmp(argv[0], "-h") == 0);
    if (!help) {
        return sq_usage("media", "%s%sexpected prepare, info or replay", argc > 0 ? argv[0] : "",
                        argc > 0 ? ": " : "");
    }
    printf("Usage: squall media prepare INPUT [option …]   a clip of any file\n"
           "       squall media info CLIP …                what is in a clip\n"
           "       squall media replay FILE TARGET         a recorded stream, sent again\n\n"
           "squall media prepare --help tells its options.\n");
    return SQ_EXIT_HELD;
}
