#include "prepare/prepare.h"

#include "base/place.h"
#include "base/time.h"
#include "prepare/faults.h"
#include "prepare/prepare_int.h"
#include "prepare/turn.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#define LOOP_MIN_NS    (2 * SQ_NS_PER_SEC)
#define DAMAGED_SHARE  0.05 /* of its packets: more is no film that shows what a service does */
#define SCORE_OF_GUESS 25   /* of libavformat's 100: it would read more before it believes that */

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
    (void)snprintf(job->why, SQ_PREPARE_WHY_MAX, "%.200s: %s", job->want->input, text);
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

/* ---- The input ---- */

#define NO_MEDIA                                                                                   \
    "expected a media file that libavformat reads: this is none that it knows, or one that is "    \
    "cut off"

struct side {
    int stream; /* -1: none */
    AVCodecContext *decoder;
    AVRational time_base;
    unsigned packets;          /* from the first one that something came out of */
    unsigned failed, frames;   /* of these: packets with errors, and what came out of them all */
    unsigned concealed_frames; /* that were told to be broken */
};

struct input {
    AVFormatContext *format;
    struct side video, audio;
    AVPacket *packet;
    AVFrame *frame;
    int64_t start_ns; /* of what begins first */
};

static void close_input(struct input *in)
{
    avcodec_free_context(&in->video.decoder);
    avcodec_free_context(&in->audio.decoder);
    av_packet_free(&in->packet);
    av_frame_free(&in->frame);
    avformat_close_input(&in->format);
}

static int64_t to_ns(int64_t ticks, AVRational time_base)
{
    return av_rescale_q(ticks, time_base, (AVRational){1, 1000000000});
}

static int open_side(const struct sq_prepare_job *job, struct input *in, enum AVMediaType type,
                     struct side *side)
{
    const AVCodec *codec = NULL;
    side->stream = av_find_best_stream(in->format, type, -1, -1, &codec, 0);
    const char *kind = type == AVMEDIA_TYPE_VIDEO ? "picture" : "voice";
    if (side->stream < 0 && in->format->probe_score <= SCORE_OF_GUESS) {
        return sq_prepare_fail(job, SQ_ERR_FORMAT, NO_MEDIA " (at best it could be %s)",
                               in->format->iformat->name);
    }
    if (side->stream < 0 || !codec) {
        return sq_prepare_fail(
            job, SQ_ERR_FORMAT, "expected a file with a picture and a voice: it has no %s%s", kind,
            side->stream == AVERROR_DECODER_NOT_FOUND ? " that this libavcodec decodes" : "");
    }
    const AVStream *stream = in->format->streams[side->stream];
    side->time_base = stream->time_base;
    side->decoder = avcodec_alloc_context3(codec);
    if (!side->decoder) {
        return sq_prepare_fail(job, SQ_ERR_NOMEM, "no memory");
    }
    int err = avcodec_parameters_to_context(side->decoder, stream->codecpar);
    side->decoder->pkt_timebase = stream->time_base;
    err = err < 0 ? err : avcodec_open2(side->decoder, codec, NULL);
    return err < 0 ? sq_prepare_fail_av(job, err, "its decoder does not start") : 0;
}

/* How the camera was held. */
static unsigned turns_of(const struct input *in)
{
    const AVStream *stream = in->format->streams[in->video.stream];
    size_t size = 0;
    const uint8_t *bytes = av_stream_get_side_data(stream, AV_PKT_DATA_DISPLAYMATRIX, &size);
    int32_t matrix[9];
    if (!bytes || size < sizeof(matrix)) {
        return 0;
    }
    memcpy(matrix, bytes, sizeof(matrix));
    return sq_turns_of(matrix);
}

static int open_input(const struct sq_prepare_job *job, struct input *in)
{
    int err = avformat_open_input(&in->format, job->want->input, NULL, NULL);
    if (err == AVERROR_INVALIDDATA || err == AVERROR(EINVAL)) { /* the latter of a wrong guess */
        return sq_prepare_fail(job, SQ_ERR_FORMAT, NO_MEDIA);
    }
    if (err < 0) {
        return sq_prepare_fail_av(job, err, "cannot be opened");
    }
    err = avformat_find_stream_info(in->format, NULL);
    if (err < 0) {
        return sq_prepare_fail_av(job, err, "expected a media file that libavformat reads");
    }
    in->packet = av_packet_alloc();
    in->frame = av_frame_alloc();
    if (!in->packet || !in->frame) {
        return sq_prepare_fail(job, SQ_ERR_NOMEM, "no memory");
    }
    err = open_side(job, in, AVMEDIA_TYPE_VIDEO, &in->video);
    err = err ? err : open_side(job, in, AVMEDIA_TYPE_AUDIO, &in->audio);
    if (!err && in->format->start_time != AV_NOPTS_VALUE) {
        in->start_ns = to_ns(in->format->start_time, AV_TIME_BASE_Q);
    }
    return err;
}

/* ---- Through it ---- */

struct pass {
    struct sq_prepare_job *job;
    struct input *in;
    struct sq_picture *picture;
    struct sq_voice *voice;
    int64_t picture_end_ns, voice_at_ns;
    unsigned file_faults; /* that were told before it was opened */
};

static int take_frame(struct pass *p, struct side *side)
{
    const AVFrame *frame = p->in->frame;
    int64_t at = frame->best_effort_timestamp;
    bool video = side == &p->in->video;
    int64_t ns = at == AV_NOPTS_VALUE ? (video ? p->picture_end_ns : p->voice_at_ns)
                                      : to_ns(at, side->time_base) - p->in->start_ns;
    bool broken = frame->decode_error_flags || (frame->flags & AV_FRAME_FLAG_CORRUPT);
    side->concealed_frames += broken;
    side->frames++;
    if (!video) {
        p->voice_at_ns = ns + (int64_t)frame->nb_samples * 1000000000 / frame->sample_rate;
        return sq_voice_push(p->voice, frame, ns);
    }
    int64_t lasts = frame->pkt_duration > 0 ? to_ns(frame->pkt_duration, side->time_base) : 0;
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
static int drain(struct pass *p, struct side *side, bool *ret_damaged)
{
    for (;;) {
        int err = avcodec_receive_frame(side->decoder, p->in->frame);
        *ret_damaged |= is_damage(err);
        if (err == AVERROR(ENOMEM)) {
            return sq_prepare_fail_av(p->job, err, "cannot be decoded");
        }
        if (err < 0) {
            return 0;
        }
        err = take_frame(p, side);
        av_frame_unref(p->in->frame);
        if (err) {
            return err;
        }
    }
}

/* `packet` NULL: what the decoder still holds. */
static int decode(struct pass *p, struct side *side, const AVPacket *packet)
{
    unsigned told = sq_faults_of_decoders();
    unsigned frames = side->frames;
    int err = avcodec_send_packet(side->decoder, packet);
    bool damaged = is_damage(err);
    if (err == AVERROR(ENOMEM)) {
        return sq_prepare_fail_av(p->job, err, "cannot be decoded");
    }
    err = damaged ? 0 : drain(p, side, &damaged);
    damaged |= sq_faults_of_decoders() != told;
    if (frames == 0 && side->frames > 0 && side->failed > 0) {
        side->packets = side->failed = 0; /* a cut broadcast begins before its first key frame */
    }
    side->packets += packet != NULL;
    side->failed += damaged;
    return err;
}

/* A packet's error shows when it is decoded, and again on the picture that comes out later. */
static unsigned damaged_of(const struct side *side)
{
    return side->failed > side->concealed_frames ? side->failed : side->concealed_frames;
}

static int check_damage(const struct pass *p, const struct side *side, const char *what,
                        const char *units)
{
    unsigned damaged = damaged_of(side);
    if (damaged <= DAMAGED_SHARE * side->packets) {
        return 0;
    }
    return sq_prepare_fail(p->job, SQ_ERR_INVALID,
                           "its %s is damaged: %u of %u %s could not be decoded whole, expected "
                           "%.0f %% at most; 'ffmpeg -v error -i FILE -f null -' lists what is "
                           "wrong",
                           what, damaged, side->packets, units, 100 * DAMAGED_SHARE);
}

/* What can be used all the same, but not without a word. */
static void note_damage(const struct pass *p)
{
    const struct side *video = &p->in->video;
    const struct side *audio = &p->in->audio;
    unsigned of_file = sq_faults_of_files() - p->file_faults;
    char file[80] = "";
    if (of_file > 0) {
        (void)snprintf(file, sizeof(file), ", and libavformat told of %u error%s in the file",
                       of_file, of_file == 1 ? "" : "s");
    }
    if (damaged_of(video) + damaged_of(audio) + of_file > 0) {
        (void)snprintf(p->job->why, SQ_PREPARE_WHY_MAX,
                       "%.200s is damaged: %u of %u pictures and %u of %u packets of sound could "
                       "not be decoded whole%s; the clip has what came out",
                       p->job->want->input, damaged_of(video), video->packets, damaged_of(audio),
                       audio->packets, file);
    }
}

static int run(struct pass *p)
{
    int64_t most = (int64_t)p->job->loop_ns;
    int err = 0;
    while (!err && (p->picture_end_ns < most || p->voice_at_ns < most)) {
        int read = av_read_frame(p->in->format, p->in->packet);
        if (read == AVERROR_EOF) {
            break;
        }
        if (read < 0) {
            return sq_prepare_fail_av(p->job, read, "cannot be read");
        }
        if (p->in->packet->stream_index == p->in->video.stream) {
            err = decode(p, &p->in->video, p->in->packet);
        } else if (p->in->packet->stream_index == p->in->audio.stream) {
            err = decode(p, &p->in->audio, p->in->packet);
        }
        av_packet_unref(p->in->packet);
    }
    err = err ? err : decode(p, &p->in->video, NULL);
    err = err ? err : decode(p, &p->in->audio, NULL);
    err = err ? err : check_damage(p, &p->in->video, "picture", "pictures");
    err = err ? err : check_damage(p, &p->in->audio, "sound", "packets");
    err = err ? err : sq_picture_end(p->picture, p->picture_end_ns);
    return err ? err : sq_voice_end(p->voice);
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
    struct stat in, out;
    if (stat(job->want->input, &in) == 0 && stat(place.path, &out) == 0 &&
        in.st_dev == out.st_dev && in.st_ino == out.st_ino) {
        (void)snprintf(job->why, SQ_PREPARE_WHY_MAX,
                       "%.200s: expected an output that is not the input", job->want->output);
        return SQ_ERR_INVALID;
    }
    return sq_place_try(place.path) == 0 ? 0 : fail_output(job, strerror(errno));
}

int sq_prepare_clip(const struct sq_prepare *want, char why[static SQ_PREPARE_WHY_MAX])
{
    struct sq_prepare_job job = {
        .want = want, .why = why, .loop_ns = sq_prepare_frames(want) * SQ_NS_PER_SEC / want->fps};
    struct input in = {.video.stream = -1, .audio.stream = -1};
    struct pass pass = {.job = &job, .in = &in, .file_faults = sq_faults_of_files()};
    why[0] = '\0';
    sq_faults_watch();
    int err = check_output(&job);
    err = err ? err : open_input(&job, &in);
    err = err ? err : sq_picture_new(&job, turns_of(&in), &pass.picture);
    err = err ? err : sq_voice_new(&job, &pass.voice);
    err = err ? err : run(&pass);
    err = err ? err : choose_loop(&pass);
    err = err ? err : save(&job);
    if (err && why[0] == '\0') {
        (void)sq_prepare_fail(&job, err, "no memory");
    }
    if (!err) {
        note_damage(&pass);
    }
    sq_picture_free(pass.picture);
    sq_voice_free(pass.voice);
    close_input(&in);
    sq_writer_free(&job.writer);
    return err;
}
