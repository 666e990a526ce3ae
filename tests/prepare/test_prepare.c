/* Files into clips: what comes out, and what is refused with which words. ffmpeg makes the files;
 * without it, or in a build without libav, these are skipped. */
#include "base/mem.h"
#include "prepare/prepare.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <cmocka.h>

#define DIR       SQ_BINARY_DIR "/prepare-test"
#define TONE      "-f lavfi -i sine=300:r=44100"
#define SYLLABLES "-f lavfi -i sine=300:r=44100,tremolo=f=4:d=0.9"
#define SILENCE   "-f lavfi -i anullsrc=r=44100"
#define MOVING    "-f lavfi -i testsrc2=s=320x240:r=30"
#define COLOUR(c) "-f lavfi -i color=" c ":s=320x240:r=30"

static int begin(void **state)
{
    (void)mkdir(DIR, 0777);
    return 0;
}

static void need(void)
{
    if (!sq_prepare_can() || access("/usr/bin/ffmpeg", X_OK) != 0) {
        skip();
    }
}

static void make(const char *name, const char *inputs, const char *seconds)
{
    char command[512];
    (void)snprintf(
        command, sizeof(command),
        "/usr/bin/ffmpeg -nostdin -v error -y %s -t %s -c:v mpeg4 -q:v 4 -c:a pcm_s16le " DIR "/%s",
        inputs, seconds, name);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): of this test's own making */
}

static struct sq_prepare usual(const char *input, const char *output)
{
    struct sq_prepare p = {.input = input,
                           .output = output,
                           .steps = {{0, 96, 60000}, {0, 180, 200000}},
                           .n_steps = 2,
                           .audio_track = -1,
                           .seconds = 10,
                           .fps = 25};
    p.codecs[SQ_CODEC_VP8] = p.codecs[SQ_CODEC_OPUS] = true;
    return p;
}

/* How many packets of an Opus track carry the one before: those of SILK and hybrid (RFC 6716, table
 * 2) say so in the second bit of a frame of 20 ms (section 4.2.4). */
static unsigned lbrr_packets(const struct sq_clip *c, unsigned features)
{
    const struct sq_clip_track *t;
    const struct sq_clip_want want = {.codec = SQ_CODEC_OPUS, .features = features, .channels = 1};
    assert_int_equal(sq_clip_ladder_with(c, &want, &t, 1), 1);
    unsigned n = 0;
    for (uint32_t i = 0; i < t->packet_count; i++) {
        const uint8_t *at = t->data + t->packets[i].offset;
        n += t->packets[i].len_bytes > 2 && at[0] >> 3 < 16 && (at[1] & 0x40);
    }
    return n;
}

static void every_codec_comes_out(void **state)
{
    need();
    make("all.mkv", MOVING " " SYLLABLES, "4.2"); /* a tone alone is no speech to SILK */
    struct sq_prepare p = usual(DIR "/all.mkv", DIR "/all.sqclip");
    char why[SQ_PREPARE_WHY_MAX];
    for (unsigned codec = SQ_CODEC_NONE + 1; codec < SQ_CODECS; codec++) {
        p.codecs[codec] = true;
    }
    p.single_nal = true;
    if (sq_prepare_clip(&p, why) != 0) {
        fail_msg("%s", why);
    }
    struct sq_clip *c = NULL;
    assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
    assert_int_equal(c->track_count, 5 * 2 + 5); /* Opus twice */
    for (unsigned codec = SQ_CODEC_NONE + 1; codec < SQ_CODECS; codec++) {
        const struct sq_clip_track *t[SQ_CLIP_STEPS_MAX];
        size_t n = sq_clip_ladder(c, (enum sq_codec)codec, t, SQ_CLIP_STEPS_MAX);
        bool video = sq_codec_info((enum sq_codec)codec)->video;
        assert_int_equal(n, video ? 2 : 1);
        for (size_t i = 0; i < n; i++) {
            /* 4.16 s is the largest multiple of 160 ms in it: 26 turns of 4 frames */
            assert_int_equal((uint64_t)t[i]->duration_ticks * 100 / t[i]->clock_hz, 416);
            assert_int_equal(t[i]->frame_count, video ? 104 : 208);
        }
        if (video) {
            bool layers = codec == SQ_CODEC_VP8 || codec == SQ_CODEC_VP9;
            assert_int_equal(t[0]->width, 128); /* 4:3 */
            assert_int_equal(t[1]->height, 180);
            assert_int_equal(t[0]->key_count, 3); /* at 0, 36 and 64 */
            assert_int_equal(t[0]->temporal_layers, layers ? 3 : 1);
            assert_true(t[1]->average_bps > 120000 && t[1]->average_bps < 280000);
        }
    }
    const struct sq_clip_track *single[SQ_CLIP_STEPS_MAX];
    const struct sq_clip_want want = {.codec = SQ_CODEC_H264, .features = SQ_CLIP_SINGLE_NAL};
    assert_int_equal(sq_clip_ladder_with(c, &want, single, SQ_CLIP_STEPS_MAX), 2);
    assert_int_equal(lbrr_packets(c, 0), 0);
    assert_true(lbrr_packets(c, SQ_CLIP_FEC) > 104);
    sq_clip_close(c);
    assert_int_equal(access(DIR "/all.sqclip.part", F_OK), -1);
}

/* A phone's film, which says that it lies on its side: the clip stands upright. */
static void a_film_on_its_side(void **state)
{
    need();
    make("lying.mov", MOVING " " TONE, "3");
    const char *turn = "/usr/bin/ffmpeg -nostdin -v error -y -i " DIR "/lying.mov -c copy "
                       "-metadata:s:v:0 rotate=90 " DIR "/upright.mov";
    assert_int_equal(system(turn), 0); /* NOLINT(cert-env33-c): of this test's own making */
    struct sq_prepare p = usual(DIR "/upright.mov", DIR "/upright.sqclip");
    char why[SQ_PREPARE_WHY_MAX];
    struct sq_clip *c = NULL;
    if (sq_prepare_clip(&p, why) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
    const struct sq_clip_track *t[SQ_CLIP_STEPS_MAX];
    assert_int_equal(sq_clip_ladder(c, SQ_CODEC_VP8, t, SQ_CLIP_STEPS_MAX), 2);
    assert_int_equal(t[0]->width, 96); /* 3:4, and the step's height on the short side */
    assert_int_equal(t[0]->height, 128);
    sq_clip_close(c);
}

/* A film that stands has the pixels of one that lies: 360 is 360x640, and not 202x360. */
static void a_film_that_stands(void **state)
{
    need();
    make("portrait.mkv", "-f lavfi -i testsrc2=s=360x640:r=25 " TONE, "3");
    struct sq_prepare p = usual(DIR "/portrait.mkv", DIR "/portrait.sqclip");
    char why[SQ_PREPARE_WHY_MAX];
    struct sq_clip *c = NULL;
    p.n_steps = 0;
    if (sq_prepare_clip(&p, why) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
    static const struct sq_prepare_step asked[] = SQ_PREPARE_STEPS;
    const struct sq_clip_track *t[SQ_CLIP_STEPS_MAX];
    assert_int_equal(sq_clip_ladder(c, SQ_CODEC_VP8, t, SQ_CLIP_STEPS_MAX), 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(t[i]->width, asked[i].height);
        assert_int_equal(t[i]->height, asked[i].height * 16 / 9);
    }
    sq_clip_close(c);
    p.steps[0] = (struct sq_prepare_step){90, 160, 60000}; /* and what is said in full is so */
    p.n_steps = 1;
    assert_int_equal(sq_prepare_clip(&p, why), 0);
    assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
    assert_int_equal(sq_clip_track(c, SQ_CLIP_VIDEO)->width, 90);
    sq_clip_close(c);
}

/* `name`.mkv with noise in one of so many packets of one kind ('v' or 'a'), as `out`. */
static void damage(const char *name, char kind, unsigned each, const char *out)
{
    char command[512];
    (void)snprintf(command, sizeof(command),
                   "/usr/bin/ffmpeg -nostdin -v error -y -i " DIR "/%s -c copy "
                   "-bsf:%c \"noise=amount='if(eq(mod(n,%u),10),20,0)'\" " DIR "/%s",
                   name, kind, each, out);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): of this test's own making */
}

/* Pictures that stand for themselves, so that one that is damaged is one that breaks: 10, 50, 90
 * and 130 of 150; 10, 30, … and 130. */
static void a_film_that_is_damaged(void **state)
{
    need();
    char why[SQ_PREPARE_WHY_MAX] = "?";
    assert_int_equal(system("/usr/bin/ffmpeg -nostdin -v error -y -f lavfi -i "
                            "testsrc2=s=320x240:r=25 " TONE " -t 6 -c:v mjpeg -q:v 4 -c:a aac " DIR
                            "/whole.mkv"),
                     0); /* NOLINT(cert-env33-c): of this test's own making */
    struct sq_prepare p = usual(DIR "/whole.mkv", DIR "/damaged.sqclip");
    p.n_steps = 1;
    assert_int_equal(sq_prepare_clip(&p, why), 0);
    assert_string_equal(why, "");

    damage("whole.mkv", 'v', 40, "few.mkv");
    p.input = DIR "/few.mkv";
    if (sq_prepare_clip(&p, why) != 0 ||
        !strstr(why, "few.mkv is damaged: 4 of 150 pictures and 0 of 26")) {
        fail_msg("%s", why);
    }
    damage("whole.mkv", 'v', 15, "many.mkv");
    p.input = DIR "/many.mkv";
    p.output = DIR "/refused.sqclip";
    if (sq_prepare_clip(&p, why) != SQ_ERR_INVALID ||
        !strstr(why, "many.mkv: its picture is damaged: 10 of 150 pictures could not be")) {
        fail_msg("%s", why);
    }
    damage("whole.mkv", 'a', 11, "crackling.mkv"); /* 10, 21, … of 260 */
    p.input = DIR "/crackling.mkv";
    if (sq_prepare_clip(&p, why) != SQ_ERR_INVALID ||
        !strstr(why, "crackling.mkv: its sound is damaged: 2")) {
        fail_msg("%s", why);
    }
    assert_int_equal(access(DIR "/refused.sqclip", F_OK), -1);
}

/* A broadcast that was cut out begins before a key frame: that is no damage. */
static void a_broadcast_that_was_cut_out(void **state)
{
    need();
    char why[SQ_PREPARE_WHY_MAX] = "?";
    assert_int_equal(system("/usr/bin/ffmpeg -nostdin -v error -y -f lavfi -i "
                            "testsrc2=s=320x240:r=25 " TONE " -t 6 -c:v libx264 -g 30 -c:a mp2 " DIR
                            "/air.ts && tail -c +94001 " DIR "/air.ts >" DIR "/cut.ts"),
                     0); /* NOLINT(cert-env33-c): of this test's own making */
    struct sq_prepare p = usual(DIR "/cut.ts", DIR "/cut.sqclip");
    p.n_steps = 1;
    if (sq_prepare_clip(&p, why) != 0 || strstr(why, "pictures")) {
        fail_msg("%s", why);
    }
}

/* Bytes at random, whatever their name says: whoever guesses finds an odd picture in some. */
static void noise_is_no_film(void **state)
{
    need();
    static const char *const names[] = {"noise", "noise.mp4", "noise.mkv", "noise.ts", "noise.mp3"};
    char why[SQ_PREPARE_WHY_MAX];
    char path[256];
    for (uint64_t seed = 1; seed <= 20; seed++) {
        uint8_t bytes[8192];
        uint64_t x = seed;
        for (size_t i = 0; i < sizeof(bytes); i++) {
            x = x * 6364136223846793005U + 1442695040888963407U;
            bytes[i] = (uint8_t)(x >> 32);
        }
        (void)snprintf(path, sizeof(path), DIR "/%s", names[seed % 5]);
        FILE *f = fopen(path, "wb");
        assert_non_null(f);
        assert_int_equal(fwrite(bytes, 1, sizeof(bytes), f), sizeof(bytes));
        (void)fclose(f);
        struct sq_prepare p = usual(path, DIR "/refused.sqclip");
        if (sq_prepare_clip(&p, why) != SQ_ERR_FORMAT ||
            !strstr(why, "expected a media file that libavformat reads: this is none")) {
            fail_msg("%d: %s", (int)seed, why);
        }
    }
}

/* A slow or odd rate, sound that begins late: one frame for each slot, and silence until then. */
static void other_rates(void **state)
{
    need();
    make("slow.mkv", "-f lavfi -i testsrc2=s=320x240:r=12 -itsoffset 1 " TONE, "5");
    struct sq_prepare p = usual(DIR "/slow.mkv", DIR "/slow.sqclip");
    char why[SQ_PREPARE_WHY_MAX];
    p.fps = 30;
    if (sq_prepare_clip(&p, why) != 0) {
        fail_msg("%s", why);
    }
    struct sq_clip *c = NULL;
    assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
    const struct sq_clip_track *v = sq_clip_track(c, SQ_CLIP_VIDEO);
    const struct sq_clip_track *a = sq_clip_track(c, SQ_CLIP_AUDIO);
    assert_int_equal(v->fps_milli, 30000);
    assert_int_equal(v->frame_count % 12, 0); /* 400 ms are a whole number of both */
    assert_int_equal((uint64_t)v->frame_count * 50 / 30, a->frame_count);
    assert_int_equal(a->frames[40].level, 127);
    assert_true(a->frames[60].level < 40);
    sq_clip_close(c);
}

static void make_part(const char *name, const char *sound, const char *from_s)
{
    char command[512];
    (void)snprintf(command, sizeof(command),
                   "/usr/bin/ffmpeg -nostdin -v error -y " MOVING
                   " %s -t 2 -c:v mpeg2video -c:a mp2 "
                   "-output_ts_offset %s -f mpegts " DIR "/%s",
                   sound, from_s, name);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): of this test's own making */
}

/* A broadcast that goes from two channels to one and to another rate in its midst. */
static void sound_that_changes_in_its_midst(void **state)
{
    need();
    make_part("a.ts", "-f lavfi -i sine=300:r=48000 -ac 2", "0");
    make_part("b.ts", "-f lavfi -i sine=300:r=32000 -ac 1", "2");
    assert_int_equal(system("cat " DIR "/a.ts " DIR "/b.ts >" DIR "/ab.ts"), 0); /* NOLINT */
    struct sq_prepare p = usual(DIR "/ab.ts", DIR "/ab.sqclip");
    char why[SQ_PREPARE_WHY_MAX];
    if (sq_prepare_clip(&p, why) != 0) {
        fail_msg("%s", why);
    }
    struct sq_clip *c = NULL;
    assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
    const struct sq_clip_track *a = sq_clip_track(c, SQ_CLIP_AUDIO);
    assert_true(a->frame_count >= 190); /* both parts of 2 s */
    for (size_t i = 10; i < a->frame_count - 10; i++) {
        assert_true(a->frames[i].level < 40); /* and the tone goes on */
    }
    sq_clip_close(c);
}

/* A step has about as many pixels as its rate is meant for, whatever the shape. */
static void odd_shapes(void **state)
{
    need();
    make("wide.mkv", "-f lavfi -i testsrc2=s=3000x16:r=25 " TONE, "3");
    struct sq_prepare p = usual(DIR "/wide.mkv", DIR "/wide.sqclip");
    char why[SQ_PREPARE_WHY_MAX];
    p.n_steps = 0;
    if (sq_prepare_clip(&p, why) != 0) {
        fail_msg("%s", why);
    }
    static const struct sq_prepare_step asked[] = SQ_PREPARE_STEPS;
    struct sq_clip *c = NULL;
    assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
    const struct sq_clip_track *v = sq_clip_lowest(sq_clip_track(c, SQ_CLIP_VIDEO));
    assert_int_equal(v->step_count, 3);
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(v[i].width, 4 * asked[i].height);
        assert_true(v[i].height < asked[i].height);
        assert_true(v[i].average_bps < asked[i].bps + asked[i].bps / 2);
    }
    sq_clip_close(c);
}

/* The input is never replaced, whatever name the output has; and places are tried first. */
static void outputs_that_are_refused(void **state)
{
    need();
    make("input.mkv", MOVING " " TONE, "3");
    (void)unlink(DIR "/alias.sqclip");
    assert_int_equal(symlink("input.mkv", DIR "/alias.sqclip"), 0);
    static const struct {
        const char *output, *says;
    } cases[] = {{DIR "/input.mkv", "is not the input"},
                 {DIR "/../prepare-test/input.mkv", "is not the input"},
                 {DIR "/alias.sqclip", "is not the input"},
                 {DIR "/nowhere/x.sqclip", "cannot be written: No such file"},
                 {"/proc/x.sqclip", "cannot be written"}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char why[SQ_PREPARE_WHY_MAX] = "";
        struct sq_prepare p = usual(DIR "/input.mkv", cases[i].output);
        if (sq_prepare_clip(&p, why) == 0 || !strstr(why, cases[i].says)) {
            fail_msg("%s: \"%s\"", cases[i].output, why);
        }
    }
    struct sq_prepare p = usual(DIR "/input.mkv", DIR "/fine.sqclip");
    char why[SQ_PREPARE_WHY_MAX];
    assert_int_equal(sq_prepare_clip(&p, why), 0); /* it is still what it was */
}

static void what_is_refused(void **state)
{
    need();
    static const struct {
        const char *name, *inputs, *seconds;
        int err;
        const char *says;
    } cases[] = {
        {"silent.mkv", MOVING " " SILENCE, "3", SQ_ERR_INVALID,
         "it is silent: 0 % of it is louder"},
        {"second.mkv", MOVING " -f lavfi -i sine=300:r=44100:d=1,apad", "6", SQ_ERR_INVALID,
         "it is silent for 83 % of its time, in stretches of a second or more"},
        {"frozen.mkv", COLOUR("red") " " TONE, "3", SQ_ERR_INVALID,
         "its picture stands still: 0 of"},
        {"tenth.mkv", MOVING ",trim=0:0.5,tpad=stop=-1:stop_mode=clone " TONE, "5", SQ_ERR_INVALID,
         "its picture stands still for 90 % of its time, in stretches of a second or more"},
        {"black.mkv", COLOUR("black") " " TONE, "3", SQ_ERR_INVALID, "its picture is black"},
        {"mute.mkv", MOVING, "3", SQ_ERR_FORMAT, "it has no voice"},
        {"blind.mkv", TONE, "3", SQ_ERR_FORMAT, "it has no picture"},
        {"short.mkv", MOVING " " TONE, "1", SQ_ERR_INVALID, "expected 2 s or more"},
        {"two.mkv", MOVING " " TONE, "2", SQ_ERR_INVALID, "found 1.92 s: the picture lasts 2.0"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char path[256];
        char why[SQ_PREPARE_WHY_MAX] = "";
        make(cases[i].name, cases[i].inputs, cases[i].seconds);
        (void)snprintf(path, sizeof(path), DIR "/%s", cases[i].name);
        struct sq_prepare p = usual(path, DIR "/refused.sqclip");
        int err = sq_prepare_clip(&p, why);
        if (err != cases[i].err || !strstr(why, cases[i].says) || !strstr(why, cases[i].name)) {
            fail_msg("%s: %d, \"%s\"", cases[i].name, err, why);
        }
        assert_int_equal(access(DIR "/refused.sqclip", F_OK), -1);
    }
}

/* A film that moves does so at any rate, and a still one at none: neither a codec that begins anew
 * each second makes it move nor a little noise. */
static void motion_at_any_rate(void **state)
{
    need();
    static const struct {
        const char *inputs, *codec;
        bool moves;
    } films[] = {
        {"-f lavfi -i testsrc=s=320x240:r=60", "libvpx", true},
        {"-f lavfi -i testsrc2=s=320x240:r=60,trim=end_frame=1,loop=-1:1,setpts=N/60/TB",
         "libvpx -b:v 60k -g 60", false},
        {"-f lavfi -i color=gray:s=320x240:r=60,noise=alls=6:allf=t", "libvpx -b:v 200k", false},
    };
    static const unsigned rates[] = {60, 25};
    char why[SQ_PREPARE_WHY_MAX];
    char command[512];
    for (size_t i = 0; i < sizeof(films) / sizeof(*films); i++) {
        (void)snprintf(command, sizeof(command),
                       "/usr/bin/ffmpeg -nostdin -v error -y %s " TONE
                       " -t 4 -c:v %s -c:a pcm_s16le " DIR "/rate.mkv",
                       films[i].inputs, films[i].codec);
        assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): of this test's own making */
        for (size_t k = 0; k < sizeof(rates) / sizeof(*rates); k++) {
            struct sq_prepare p = usual(DIR "/rate.mkv", DIR "/rate.sqclip");
            p.n_steps = 1;
            p.fps = rates[k];
            int err = sq_prepare_clip(&p, why);
            if (films[i].moves
                    ? err != 0
                    : err != SQ_ERR_INVALID || !strstr(why, "its picture stands still")) {
                fail_msg("%s at %u: %d, \"%s\"", films[i].inputs, rates[k], err, why);
            }
        }
    }
}

static struct sq_clip *prepared(const struct sq_prepare *p)
{
    char why[SQ_PREPARE_WHY_MAX];
    struct sq_clip *c = NULL;
    if (sq_prepare_clip(p, why) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(sq_clip_open(p->output, 0, &c, why), 0);
    return c;
}

/* Beeps of 0.5 s each second: a second of it, heard again and again. */
static void a_voice_of_its_own(void **state)
{
    need();
    make("mute.mkv", MOVING, "5");
    make("quiet.mkv", MOVING " " SILENCE, "5");
    make("beep.wav", "-f lavfi -i sine=300:r=44100,volume=0:enable='gt(mod(t\\,1)\\,0.5)'", "1");
    make("beeps.wav", "-f lavfi -i sine=300:r=44100,volume=0:enable='gt(mod(t\\,1)\\,0.5)'", "20");
    static const char *const films[] = {DIR "/mute.mkv", DIR "/quiet.mkv"};
    static const char *const voices[] = {DIR "/beep.wav", DIR "/beeps.wav"};
    for (size_t i = 0; i < 4; i++) {
        struct sq_prepare p = usual(films[i / 2], DIR "/voiced.sqclip");
        p.n_steps = 1;
        p.voice = voices[i % 2];
        struct sq_clip *c = prepared(&p);
        const struct sq_clip_track *a = sq_clip_track(c, SQ_CLIP_AUDIO);
        assert_int_equal(sq_clip_track(c, SQ_CLIP_VIDEO)->frame_count,
                         124); /* of 125: whole turns */
        assert_int_equal(a->frame_count, 248);
        for (uint32_t k = 0; k < a->frame_count; k++) {
            unsigned place = k % 50;
            if (place > 1 && place < 23) {
                assert_true(a->frames[k].level < 40);
            } else if (place > 26 && place < 48) {
                assert_true(a->frames[k].level > 60);
            }
        }
        sq_clip_close(c);
    }
}

static void a_picture_of_its_own(void **state)
{
    need();
    make("talk.wav", SYLLABLES, "5");
    make("red.mkv", COLOUR("red") " " SYLLABLES, "5");
    make("one.mkv", MOVING, "1");
    make("twenty.mkv", MOVING " " SILENCE, "20");
    static const char *const sounds[] = {DIR "/talk.wav", DIR "/red.mkv"};
    static const char *const films[] = {DIR "/one.mkv", DIR "/twenty.mkv"};
    for (size_t i = 0; i < 4; i++) {
        struct sq_prepare p = usual(sounds[i / 2], DIR "/seen.sqclip");
        p.n_steps = 1;
        p.picture = films[i % 2];
        struct sq_clip *c = prepared(&p);
        assert_int_equal(sq_clip_track(c, SQ_CLIP_VIDEO)->frame_count, 124);
        assert_int_equal(sq_clip_track(c, SQ_CLIP_AUDIO)->frame_count, 248);
        sq_clip_close(c);
    }
}

/* Words name the file that they are of, and the option that helps. */
static void second_files_that_are_refused(void **state)
{
    need();
    make("mute.mkv", MOVING, "3");
    make("talk.wav", SYLLABLES, "3");
    make("quiet.wav", SILENCE, "3");
    make("red.mkv", COLOUR("red"), "3");
    static const struct {
        const char *input, *voice, *picture, *says;
    } cases[] = {
        {DIR "/mute.mkv", NULL, NULL, "it has no voice: give one with --voice FILE"},
        {DIR "/talk.wav", NULL, NULL, "it has no picture: give one with --picture FILE"},
        {DIR "/mute.mkv", DIR "/red.mkv", NULL,
         "red.mkv: expected a file with a voice: it has none"},
        {DIR "/talk.wav", NULL, DIR "/quiet.wav",
         "quiet.wav: expected a file with a picture: it has none"},
        {DIR "/talk.wav", DIR "/quiet.wav", NULL,
         "talk.wav: expected a file with a picture: it has none"},
        {DIR "/mute.mkv", DIR "/quiet.wav", NULL, "quiet.wav: it is silent"},
        {DIR "/talk.wav", NULL, DIR "/red.mkv", "red.mkv: its picture stands still"},
        {DIR "/mute.mkv", DIR "/nowhere", NULL, "nowhere: cannot be opened: No such file"},
        {DIR "/mute.mkv", DIR "/talk.wav", DIR "/red.mkv", "leave nothing to take of it"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char why[SQ_PREPARE_WHY_MAX] = "";
        struct sq_prepare p = usual(cases[i].input, DIR "/refused.sqclip");
        p.n_steps = 1;
        p.voice = cases[i].voice;
        p.picture = cases[i].picture;
        if (sq_prepare_clip(&p, why) == 0 || !strstr(why, cases[i].says)) {
            fail_msg("%d: \"%s\"", (int)i, why);
        }
    }
    char why[SQ_PREPARE_WHY_MAX] = "";
    struct sq_prepare p = usual(DIR "/mute.mkv", DIR "/talk.wav");
    p.voice = DIR "/talk.wav";
    assert_int_equal(sq_prepare_clip(&p, why), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "is not the input"));
}

/* The usual track is silent, and another one speaks: which was judged is told, and it can be
 * chosen. */
static void one_of_several_tracks(void **state)
{
    need();
    make("tracks.mkv", MOVING " " SILENCE " " SYLLABLES " -map 0 -map 1 -map 2", "3");
    make("mute.mkv", MOVING, "3");
    static const struct {
        int track;
        int err;
        const char *says;
    } cases[] = {
        {-1, SQ_ERR_INVALID,
         "tracks.mkv: its audio track 0 (of 2, from 0; --audio-track takes another) is silent: 0 % "
         "of it is louder"},
        {0, SQ_ERR_INVALID, "its audio track 0 (of 2"},
        {1, 0, ""},
        {2, SQ_ERR_FORMAT, "--audio-track 2: expected a track that it has: 2, counted from 0"},
    };
    for (size_t i = 0; i < 2 * sizeof(cases) / sizeof(*cases); i++) {
        size_t k = i / 2;
        char why[SQ_PREPARE_WHY_MAX] = "";
        struct sq_prepare p = usual(DIR "/tracks.mkv", DIR "/tracks.sqclip");
        p.n_steps = 1;
        p.audio_track = cases[k].track;
        if (i % 2) { /* it is of the file that the voice comes from */
            p.input = DIR "/mute.mkv";
            p.voice = DIR "/tracks.mkv";
        }
        int err = sq_prepare_clip(&p, why);
        if (err != cases[k].err || !strstr(why, cases[k].says)) {
            fail_msg("%d: %d, \"%s\"", cases[k].track, err, why);
        }
    }
}

/* Two channels that cancel each other in one: the louder is taken, and that is told. */
static void channels_that_cancel_each_other(void **state)
{
    need();
    static const struct {
        const char *pan, *says; /* "": nothing */
        unsigned level;         /* -dBov: a sine of an eighth of full scale has 21 */
    } cases[] = {{"c0=c0|c1=-0.8*c0", "the clip has the left one alone", 21},
                 {"c0=0.5*c0|c1=-1*c0", "the clip has the right one alone", 21},
                 {"c0=c0|c1=c0", "", 21},
                 {"c0=c0|c1=0*c0", "", 27},
                 {"c0=c0|c1=0.9*c0", "", 21}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char inputs[200];
        char why[SQ_PREPARE_WHY_MAX] = "";
        struct sq_clip *c = NULL;
        (void)snprintf(inputs, sizeof(inputs),
                       MOVING " -f lavfi -i \"sine=300:r=44100,pan=stereo|%s\"", cases[i].pan);
        make("sides.mkv", inputs, "3");
        struct sq_prepare p = usual(DIR "/sides.mkv", DIR "/sides.sqclip");
        p.n_steps = 1;
        if (sq_prepare_clip(&p, why) != 0) {
            fail_msg("%s: %s", cases[i].pan, why);
        }
        assert_true(cases[i].says[0] ? strstr(why, cases[i].says) != NULL : why[0] == '\0');
        assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
        const struct sq_clip_track *a = sq_clip_track(c, SQ_CLIP_AUDIO);
        for (uint32_t k = 2; k < a->frame_count; k++) {
            assert_in_range(a->frames[k].level, cases[i].level - 1, cases[i].level + 1);
        }
        sq_clip_close(c);
    }
}

/* Pauses of less than a second are speech, however many; half of the time may be a longer one. */
static void pauses(void **state)
{
    need();
    static const char *const sounds[] = {
        "sine=300:r=44100:d=3.1,apad", "sine=300:r=44100,volume=0:enable='gt(mod(t\\,1.1)\\,0.2)'"};
    char inputs[200];
    char why[SQ_PREPARE_WHY_MAX];
    for (size_t i = 0; i < sizeof(sounds) / sizeof(*sounds); i++) {
        (void)snprintf(inputs, sizeof(inputs), MOVING " -f lavfi -i \"%s\"", sounds[i]);
        make("pauses.mkv", inputs, "6");
        struct sq_prepare p = usual(DIR "/pauses.mkv", DIR "/pauses.sqclip");
        p.n_steps = 1;
        if (sq_prepare_clip(&p, why) != 0) {
            fail_msg("%s: %s", sounds[i], why);
        }
    }
}

/* The rule for sound, held against the levels of the clips that ship. */
static void what_ships_is_not_silent(void **state)
{
    (void)state;
    static const char *const names[] = {"default", "small", "hd"};
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        char path[256];
        char why[SQ_CLIP_WHY_MAX];
        struct sq_clip *c = NULL;
        (void)snprintf(path, sizeof(path), SQ_SOURCE_DIR "/share/clips/%s.sqclip", names[i]);
        assert_int_equal(sq_clip_open(path, 0, &c, why), 0);
        const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_AUDIO);
        unsigned silent = 0;
        for (uint32_t k = 0, from = 0; k <= t->frame_count; k++) {
            if (k == t->frame_count || t->frames[k].level < 50) {
                silent += k - from >= 50 ? k - from : 0;
                from = k + 1;
            }
        }
        assert_true(2 * silent <= t->frame_count);
        sq_clip_close(c);
    }
}

/* 2 s, the least that may be asked for, are no whole number of turns at 25 frames/s: a little more
 * of the film is taken. */
static void the_least_that_may_be_asked_for(void **state)
{
    need();
    char why[SQ_PREPARE_WHY_MAX] = "";
    make("three.mkv", MOVING " " TONE, "3");
    struct sq_prepare p = usual(DIR "/three.mkv", DIR "/three.sqclip");
    p.seconds = SQ_PREPARE_SECONDS_MIN;
    if (sq_prepare_clip(&p, why) != 0) {
        fail_msg("%s", why);
    }
    struct sq_clip *c = NULL;
    assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
    assert_int_equal(c->tracks[0].duration_ticks * 100ULL / c->tracks[0].clock_hz, 208);
    sq_clip_close(c);
    const struct {
        unsigned fps, frames;
    } cases[] = {{25, 52}, {30, 60}, {10, 20}, {15, 36}, {24, 48}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        p.fps = cases[i].fps;
        p.seconds = SQ_PREPARE_SECONDS_MIN;
        (void)unlink(p.output);
        if (sq_prepare_clip(&p, why) != 0) {
            fail_msg("%u: %s", p.fps, why);
        }
        assert_int_equal(sq_clip_open(p.output, 0, &c, why), 0);
        assert_int_equal(sq_clip_track(c, SQ_CLIP_VIDEO)->frame_count, cases[i].frames);
        sq_clip_close(c);
    }
}

static void files_that_are_none(void **state)
{
    need();
    char why[SQ_PREPARE_WHY_MAX] = "";
    struct sq_prepare p = usual(DIR "/nowhere.mp4", DIR "/refused.sqclip");
    assert_int_equal(sq_prepare_clip(&p, why), SQ_ERR_IO);
    assert_non_null(strstr(why, "nowhere.mp4: cannot be opened: No such file"));
    p.input = SQ_SOURCE_DIR "/LICENSE";
    assert_true(sq_prepare_clip(&p, why) < 0);
    assert_non_null(strstr(why, "LICENSE: expected a"));
    make("good.mkv", MOVING " " TONE, "3");
    p = usual(DIR "/good.mkv", "/nowhere/x.sqclip");
    assert_int_equal(sq_prepare_clip(&p, why), SQ_ERR_IO);
    assert_non_null(strstr(why, "/nowhere/x.sqclip: cannot be written: No such file"));
}

static void each_allocation_may_fail(void **state)
{
    need();
    make("small.mkv", MOVING " " TONE, "2.1");
    struct sq_prepare p = usual(DIR "/small.mkv", DIR "/small.sqclip");
    p.n_steps = 1;
    size_t nth = 1;
    int err;
    do {
        char why[SQ_PREPARE_WHY_MAX] = "";
        sq_mem_fail_at(nth++);
        err = sq_prepare_clip(&p, why);
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        assert_true(err == 0 || why[0] != '\0');
    } while (err);
    assert_true(nth > 8);
}

static void a_build_without_libav_says_so(void **state)
{
    char why[SQ_PREPARE_WHY_MAX] = "";
    struct sq_prepare p = usual("x", "y");
    if (sq_prepare_can()) {
        skip();
    }
    assert_int_equal(sq_prepare_clip(&p, why), SQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "libavformat-dev"));
}

static void only_a_file_is_replaced(void **state)
{
    need();
    make("place.mkv", MOVING " " TONE, "2.6");
    struct sq_prepare p = usual(DIR "/place.mkv", DIR "/pipe");
    char why[SQ_PREPARE_WHY_MAX];
    char leads[64] = "";
    struct stat st;
    (void)unlink(DIR "/pipe");
    (void)unlink(DIR "/node");
    (void)unlink(DIR "/link.sqclip");
    (void)unlink(DIR "/target.sqclip");
    assert_int_equal(mkfifo(p.output, 0666), 0);
    assert_int_equal(sq_prepare_clip(&p, why), SQ_ERR_IO);
    assert_string_equal(why, DIR "/pipe: cannot be written: is a device or a pipe; a clip has to "
                                 "be a file");
    assert_int_equal(lstat(p.output, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    p.output = DIR "/node"; /* of this test's own making */
    if (mknod(p.output, S_IFCHR | 0666, makedev(1, 3)) == 0) {
        assert_int_equal(sq_prepare_clip(&p, why), SQ_ERR_IO);
        assert_int_equal(lstat(p.output, &st), 0);
        assert_true(S_ISCHR(st.st_mode));
        (void)unlink(p.output);
    }
    p.output = DIR "/link.sqclip";
    assert_int_equal(symlink("target.sqclip", p.output), 0);
    for (int round = 0; round < 2; round++) { /* nothing there yet; a file */
        assert_int_equal(sq_prepare_clip(&p, why), 0);
        assert_int_equal(readlink(p.output, leads, sizeof(leads)), (int)strlen("target.sqclip"));
        assert_int_equal(lstat(DIR "/target.sqclip", &st), 0);
        assert_true(S_ISREG(st.st_mode) && st.st_size > 1000);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_a_file_is_replaced),
        cmocka_unit_test(every_codec_comes_out),
        cmocka_unit_test(a_film_on_its_side),
        cmocka_unit_test(a_film_that_stands),
        cmocka_unit_test(other_rates),
        cmocka_unit_test(sound_that_changes_in_its_midst),
        cmocka_unit_test(odd_shapes),
        cmocka_unit_test(outputs_that_are_refused),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(motion_at_any_rate),
        cmocka_unit_test(a_voice_of_its_own),
        cmocka_unit_test(a_picture_of_its_own),
        cmocka_unit_test(second_files_that_are_refused),
        cmocka_unit_test(one_of_several_tracks),
        cmocka_unit_test(channels_that_cancel_each_other),
        cmocka_unit_test(pauses),
        cmocka_unit_test(what_ships_is_not_silent),
        cmocka_unit_test(a_film_that_is_damaged),
        cmocka_unit_test(a_broadcast_that_was_cut_out),
        cmocka_unit_test(noise_is_no_film),
        cmocka_unit_test(the_least_that_may_be_asked_for),
        cmocka_unit_test(files_that_are_none),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(a_build_without_libav_says_so),
    };
    return cmocka_run_group_tests(tests, begin, NULL);
}
