#include "prepare/prepare.h"

#include "base/place.h"
#include "base/time.h"
#include "prepare/faults.h"
#include "prepare/input.h"
#include "prepare/prepare_int.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOOP_MIN_NS   (2 * SQ_NS_PER_SEC)
#define DAMAGED_SHARE 0.05 /* of its packets: more is no film that shows what a service does */

bool sq_prepare_can(void)
{
    return true;
}

int sq_prepare_fail(const struct sq_prepare_job *job, int err, const char *fmt, ...)
{
    char text[300];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    (void)snprintf(job->why, SQ_PREPARE_WHY_MAX, "%.200s: %s", job->file, text);
    return err;
}

int sq_prepare_fail_av(const struct sq_prepare_job *job, int averr, const char *what)
{
    char text[AV_ERROR_MAX_STRING_SIZE] = "";
    if (averr == AVERROR(ENOMEM)) {
        return sq_prepare_fail(job, SQ_ERR_NOMEM, "no memory");
    }
    (void)av_strerror(averr, text, sizeof(text));
    return sq_prepare_fail(job, SQ_ERR_IO, "%s: %s", what, text);
}

/* ---- Through it ---- */

struct pass {
    struct sq_prepare_job *job;
    struct sq_input first;  /* INPUT */
    struct sq_input second; /* of --voice or --picture; path NULL: none */
    struct sq_picture *picture;
    struct sq_voice *voice;
    int64_t picture_end_ns, voice_at_ns;
    int64_t begun_ns;     /* when the file began that is read: it may be its second time */
    unsigned file_faults; /* that were told before it was opened */
};

/* The file that a medium comes from. */
static const struct sq_input *from(const struct pass *p, bool video)
{
    return (video ? p->first.has_video : p->first.has_audio) ? &p->first : &p->second;
}

static int take_frame(struct pass *p, struct sq_input *in, struct sq_side *side)
{
    const AVFrame *frame = in->frame;
    int64_t at = frame->best_effort_timestamp;
    bool video = side == &in->video;
    int64_t ns = at == AV_NOPTS_VALUE
                     ? (video ? p->picture_end_ns : p->voice_at_ns)
                     : sq_input_ns(at, side->time_base) - in->start_ns + p->begun_ns;
    bool broken = frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT);
    side->concealed_frames += broken;
    side->frames++;
    if (!video) {
        p->voice_at_ns = ns + (int64_t)frame->nb_samples * 1000000000 / frame->sample_rate;
        return sq_voice_push(p->voice, frame, ns);
    }
    int64_t lasts = frame->pkt_duration > 0 ? sq_input_ns(frame->pkt_duration, side->time_base) : 0;
    p->picture_end_ns = ns + (lasts > 0 ? lasts : 40000000);
    return sq_picture_push(p->picture, frame, ns);
}

/* Whatever a decoder says of a packet, it goes on with the next one, as a player does. */
static bool is_damage(int averr)
{
    return averr < 0 && averr != AVERROR(EAGAIN) && averr != AVERROR_EOF &&
           averr != AVERROR(ENOMEM);
}

/* All that comes out just now. */
static int drain(struct pass *p, struct sq_input *in, struct sq_side *side, bool *ret_damaged)
{
    for (;;) {
        int err = avcodec_receive_frame(side->decoder, in->frame);
        *ret_damaged |= is_damage(err);
        if (err == AVERROR(ENOMEM)) {
            return sq_prepare_fail_av(p->job, err, "cannot be decoded");
        }
        if (err < 0) {
            return 0;
        }
        err = take_frame(p, in, side);
        av_frame_unref(in->frame);
        if (err) {
            return err;
        }
    }
}

/* `packet` NULL: what the decoder still holds. */
static int decode(struct pass *p, struct sq_input *in, struct sq_side *side, const AVPacket *packet)
{
    unsigned told = sq_faults_of_decoders();
    unsigned frames = side->frames;
    int err = avcodec_send_packet(side->decoder, packet);
    bool damaged = is_damage(err);
    if (err == AVERROR(ENOMEM)) {
        return sq_prepare_fail_av(p->job, err, "cannot be decoded");
    }
    err = damaged ? 0 : drain(p, in, side, &damaged);
    damaged |= sq_faults_of_decoders() != told;
    if (frames == 0 && side->frames > 0 && side->failed > 0) {
        side->packets = side->failed = 0; /* a cut broadcast begins before its first key frame */
    }
    side->packets += packet != NULL;
    side->failed += damaged;
    return err;
}

/* A packet's error shows when it is decoded, and again on the picture that comes out later. */
static unsigned damaged_of(const struct sq_side *side)
{
    return side->failed > side->concealed_frames ? side->failed : side->concealed_frames;
}

static int check_damage(struct pass *p, bool video)
{
    const struct sq_input *in = from(p, video);
    const struct sq_side *side = video ? &in->video : &in->audio;
    unsigned damaged = damaged_of(side);
    p->job->file = in->path;
    if (damaged <= DAMAGED_SHARE * side->packets) {
        return 0;
    }
    return sq_prepare_fail(p->job, SQ_ERR_INVALID,
                           "its %s is damaged: %u of %u %s could not be decoded whole, expected "
                           "%.0f %% at most; 'ffmpeg -v error -i FILE -f null -' lists what is "
                           "wrong",
                           video ? "picture" : "sound", damaged, side->packets,
                           video ? "pictures" : "packets", 100 * DAMAGED_SHARE);
}

/* What can be used all the same, but not without a word. */
static void note_damage(const struct pass *p)
{
    const struct sq_side *video = &from(p, true)->video;
    const struct sq_side *audio = &from(p, false)->audio;
    unsigned of_file = sq_faults_of_files() - p->file_faults;
    char file[80] = "";
    if (of_file > 0) {
        (void)snprintf(file, sizeof(file), ", and libavformat told of %u error%s in the file",
                       of_file, of_file == 1 ? "" : "s");
    }
    if (damaged_of(video) + damaged_of(audio) + of_file > 0) {
        const struct sq_input *two = p->second.path ? &p->second : NULL;
        (void)snprintf(
            p->job->why, SQ_PREPARE_WHY_MAX,
            "%.140s%s%.140s is damaged: %u of %u pictures and %u of %u packets of sound could "
            "not be decoded whole%s; the clip has what came out",
            p->first.path, two ? " with " : "", two ? two->path : "", damaged_of(video),
            video->packets, damaged_of(audio), audio->packets, file);
    }
}

/* That one channel is all that the clip has of its sound. */
static void note_side(const struct sq_prepare_job *job, const char *voice)
{
    size_t len = strlen(job->why);
    if (job->side && len < SQ_PREPARE_WHY_MAX) {
        (void)snprintf(job->why + len, SQ_PREPARE_WHY_MAX - len,
                       "%s%.100s: the two channels of its sound cancel each other (one is the "
                       "other upside down): the clip has the %s one alone",
                       len > 0 ? "; " : "", voice, job->side);
    }
}

/* How far the media of a file have come. */
static int64_t reached(const struct pass *p, const struct sq_input *in)
{
    if (in->has_video && in->has_audio) {
        return p->picture_end_ns < p->voice_at_ns ? p->picture_end_ns : p->voice_at_ns;
    }
    return in->has_video ? p->picture_end_ns : p->voice_at_ns;
}

/* Once through a file, or up to `most_ns`. */
static int read_once(struct pass *p, struct sq_input *in, int64_t most_ns)
{
    int err = 0;
    p->job->file = in->path;
    p->begun_ns = reached(p, in);
    while (!err && reached(p, in) < most_ns) {
        int read = av_read_frame(in->format, in->packet);
        if (read == AVERROR_EOF) {
            break;
        }
        if (read < 0) {
            return sq_prepare_fail_av(p->job, read, "cannot be read");
        }
        if (in->has_video && in->packet->stream_index == in->video.stream) {
            err = decode(p, in, &in->video, in->packet);
        } else if (in->has_audio && in->packet->stream_index == in->audio.stream) {
            err = decode(p, in, &in->audio, in->packet);
        }
        av_packet_unref(in->packet);
    }
    err = err || !in->has_video ? err : decode(p, in, &in->video, NULL);
    return err || !in->has_audio ? err : decode(p, in, &in->audio, NULL);
}

/* The other medium's file, again and again until it has lasted as long as the first. */
static int read_second(struct pass *p)
{
    int64_t most = reached(p, &p->first);
    most = most < (int64_t)p->job->loop_ns ? most : (int64_t)p->job->loop_ns;
    for (bool again = false;; again = true) {
        int64_t was = reached(p, &p->second);
        int err = again ? sq_input_open(p->job, &p->second) : 0;
        err = err ? err : read_once(p, &p->second, most);
        if (err || reached(p, &p->second) >= most || reached(p, &p->second) <= was) {
            return err;
        }
    }
}

static int run(struct pass *p)
{
    int err = read_once(p, &p->first, (int64_t)p->job->loop_ns);
    err = err || !p->second.path ? err : read_second(p);
    err = err ? err : check_damage(p, true);
    err = err ? err : check_damage(p, false);
    p->job->file = from(p, true)->path;
    err = err ? err : sq_picture_end(p->picture, p->picture_end_ns);
    if (!err) {
        p->job->file = from(p, false)->path;
        err = sq_voice_end(p->voice);
    }
    return err;
}

unsigned sq_prepare_least_frames(unsigned fps)
{
    unsigned frames = TURN;
    while (frames * 1000 % (fps * PACKET_MS) != 0 || frames * SQ_NS_PER_SEC < fps * LOOP_MIN_NS) {
        frames += TURN;
    }
    return frames;
}

/* One loop: a whole number of turns of the temporal layers and of audio packets, so that neither
 * has a seam; as long as both have something. */
static int choose_loop(const struct pass *p)
{
    unsigned fps = p->job->want->fps;
    uint64_t frames = sq_picture_frames(p->picture);
    uint64_t packets = sq_voice_packets(p->voice);
    for (frames -= frames % TURN; frames > 0; frames -= TURN) {
        uint64_t units = frames * 1000;
        if (units % ((uint64_t)fps * PACKET_MS) == 0 &&
            units / ((uint64_t)fps * PACKET_MS) <= packets) {
            break;
        }
    }
    p->job->loop_ns = frames * SQ_NS_PER_SEC / fps;
    p->job->file = p->first.path;
    if (p->job->loop_ns < LOOP_MIN_NS) {
        return sq_prepare_fail(
            p->job, SQ_ERR_INVALID,
            "expected 2 s or more with picture and voice, found %.2f s: the "
            "picture lasts %.2f s and the voice %.2f s, and a clip is a whole "
            "number of turns of %d pictures and of packets of sound: %.2f s "
            "are the least",
            (double)p->job->loop_ns / 1e9, (double)sq_picture_frames(p->picture) / fps,
            (double)packets * PACKET_MS / 1000, TURN, (double)sq_prepare_least_frames(fps) / fps);
    }
    return 0;
}

static int fail_output(const struct sq_prepare_job *job, const char *problem)
{
    (void)snprintf(job->why, SQ_PREPARE_WHY_MAX, "%.200s: cannot be written: %s", job->want->output,
                   problem);
    return SQ_ERR_IO;
}

/* What was written is what a run will open. */
static int save(struct sq_prepare_job *job)
{
    struct sq_clip *clip = NULL;
    char why[SQ_CLIP_WHY_MAX] = "";
    int err = sq_writer_save(&job->writer, job->want->output, job->loop_ns);
    if (err == SQ_ERR_IO) {
        err = fail_output(job, strerror(errno));
    } else if (err) {
        (void)sq_prepare_fail(job, err, "no memory");
    } else {
        err = sq_clip_open(job->want->output, 0, &clip, why);
        if (err) {
            (void)snprintf(job->why, SQ_PREPARE_WHY_MAX, "%s", why);
            (void)remove(job->want->output);
        }
        sq_clip_close(clip);
    }
    return err;
}

static bool is_same_file(const char *one, const char *other)
{
    struct stat a, b;
    return stat(one, &a) == 0 && stat(other, &b) == 0 && a.st_dev == b.st_dev &&
           a.st_ino == b.st_ino;
}

/* Said before the work, not after it. */
static int check_output(struct sq_prepare_job *job)
{
    struct sq_place place;
    if (sq_place_find(job->want->output, &place) != 0) {
        return fail_output(job, strerror(errno));
    }
    if (place.kind != SQ_PLACE_FILE) {
        return fail_output(job, place.kind == SQ_PLACE_FOLDER
                                    ? "is a folder, expected a file"
                                    : "is a device or a pipe; a clip has to be a file");
    }
    const char *const inputs[] = {job->want->input, job->want->voice, job->want->picture};
    for (size_t i = 0; i < sizeof(inputs) / sizeof(*inputs); i++) {
        if (inputs[i] && is_same_file(inputs[i], place.path)) {
            (void)snprintf(job->why, SQ_PREPARE_WHY_MAX,
                           "%.200s: expected an output that is not the input", job->want->output);
            return SQ_ERR_INVALID;
        }
    }
    return sq_place_try(place.path) == 0 ? 0 : fail_output(job, strerror(errno));
}

/* What is taken of which file. */
static int choose_inputs(struct pass *p)
{
    const struct sq_prepare *want = p->job->want;
    p->first = (struct sq_input){
        .path = want->input, .has_video = !want->picture, .has_audio = !want->voice};
    p->second = (struct sq_input){.path = want->picture ? want->picture : want->voice,
                                  .has_video = want->picture != NULL,
                                  .has_audio = want->voice != NULL};
    if (want->picture && want->voice) {
        return sq_prepare_fail(p->job, SQ_ERR_INVALID,
                               "--picture and --voice leave nothing to take of it: give the one "
                               "file in its place and the other with its option");
    }
    return 0;
}

int sq_prepare_clip(const struct sq_prepare *want, char why[static SQ_PREPARE_WHY_MAX])
{
    struct sq_prepare_job job = {.want = want,
                                 .why = why,
                                 .file = want->input,
                                 .loop_ns = sq_prepare_frames(want) * SQ_NS_PER_SEC / want->fps};
    struct pass pass = {.job = &job, .file_faults = sq_faults_of_files()};
    why[0] = '\0';
    sq_faults_watch();
    int err = choose_inputs(&pass);
    err = err ? err : check_output(&job);
    err = err ? err : sq_input_open(&job, &pass.first);
    err = err || !pass.second.path ? err : sq_input_open(&job, &pass.second);
    err = err ? err : sq_picture_new(&job, from(&pass, true)->turns, &pass.picture);
    err = err ? err : sq_voice_new(&job, &pass.voice);
    err = err ? err : run(&pass);
    err = err ? err : choose_loop(&pass);
    err = err ? err : save(&job);
    if (err && why[0] == '\0') {
        (void)sq_prepare_fail(&job, err, "no memory");
    }
    if (!err) {
        note_damage(&pass);
        note_side(&job, from(&pass, false)->path);
    }
    sq_picture_free(pass.picture);
    sq_voice_free(pass.voice);
    sq_input_close(&pass.first);
    sq_input_close(&pass.second);
    sq_writer_free(&job.writer);
    return err;
}
