#include "prepare/input.h"

#include "prepare/turn.h"
#include <string.h>

#define SCORE_OF_GUESS 25 /* of libavformat's 100: it would read more before it believes that */

#define NO_MEDIA                                                                                   \
    "expected a media file that libavformat reads: this is none that it knows, or one that is "    \
    "cut off"

void sq_input_close(struct sq_input *in)
{
    avcodec_free_context(&in->video.decoder);
    avcodec_free_context(&in->audio.decoder);
    av_packet_free(&in->packet);
    av_frame_free(&in->frame);
    avformat_close_input(&in->format);
}

/* A cover that stands in a file of music is no picture of a film. */
static bool is_cover(const struct sq_input *in, int stream)
{
    return stream >= 0 && (in->format->streams[stream]->disposition & AV_DISPOSITION_ATTACHED_PIC);
}

static int lacks(const struct sq_prepare_job *job, const struct sq_input *in, bool video,
                 bool undecoded)
{
    const char *kind = video ? "picture" : "voice";
    const char *decodes = undecoded ? " that this libavcodec decodes" : "";
    if (in->format->probe_score <= SCORE_OF_GUESS && !undecoded) {
        return sq_prepare_fail(job, SQ_ERR_FORMAT, NO_MEDIA " (at best it could be %s)",
                               in->format->iformat->name);
    }
    if (!in->has_video || !in->has_audio) {
        return sq_prepare_fail(job, SQ_ERR_FORMAT, "expected a file with a %s: it has none%s", kind,
                               decodes);
    }
    return sq_prepare_fail(
        job, SQ_ERR_FORMAT,
        "expected a file with a picture and a voice: it has no %s%s: give one with --%s FILE", kind,
        decodes, kind);
}

/* The stream of the n-th audio track, or -1; and how many there are. */
static int audio_stream(const AVFormatContext *format, int number, unsigned *ret_tracks)
{
    int stream = -1;
    *ret_tracks = 0;
    for (unsigned i = 0; i < format->nb_streams; i++) {
        if (format->streams[i]->codecpar->codec_type == AVMEDIA_TYPE_AUDIO) {
            stream = *ret_tracks == (unsigned)number ? (int)i : stream;
            ++*ret_tracks;
        }
    }
    return stream;
}

/* Which track the voice is taken of: the one that was asked for, or else libavformat's choice. */
static int choose_audio(struct sq_prepare_job *job, const struct sq_input *in, int *ret_wanted)
{
    int number = job->want->audio_track;
    *ret_wanted = audio_stream(in->format, number, &job->audio_tracks);
    if (number >= 0 && *ret_wanted < 0 && job->audio_tracks > 0) {
        return sq_prepare_fail(job, SQ_ERR_FORMAT,
                               "--audio-track %d: expected a track that it has: %u, counted from 0",
                               number, job->audio_tracks);
    }
    return 0;
}

static int open_side(struct sq_prepare_job *job, struct sq_input *in, bool video)
{
    struct sq_side *side = video ? &in->video : &in->audio;
    const AVCodec *codec = NULL;
    int wanted = -1;
    int refused = video ? 0 : choose_audio(job, in, &wanted);
    if (refused) {
        return refused;
    }
    side->stream = av_find_best_stream(in->format, video ? AVMEDIA_TYPE_VIDEO : AVMEDIA_TYPE_AUDIO,
                                       wanted, -1, &codec, 0);
    if (side->stream < 0 || !codec || is_cover(in, side->stream)) {
        return lacks(job, in, video, side->stream == AVERROR_DECODER_NOT_FOUND);
    }
    for (unsigned track = 0, tracks; !video && track < job->audio_tracks; track++) {
        bool its = audio_stream(in->format, (int)track, &tracks) == side->stream;
        job->audio_track = its ? track : job->audio_track;
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
static unsigned turns_of(const struct sq_input *in)
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

/* What the times of a file count from: of one medium that is taken alone, where that begins. */
static int64_t start_of(const struct sq_input *in)
{
    if (in->has_video != in->has_audio) {
        int at = in->has_video ? in->video.stream : in->audio.stream;
        const AVStream *stream = in->format->streams[at];
        if (stream->start_time != AV_NOPTS_VALUE) {
            return sq_input_ns(stream->start_time, stream->time_base);
        }
    }
    int64_t start = in->format->start_time;
    return start == AV_NOPTS_VALUE ? 0 : sq_input_ns(start, AV_TIME_BASE_Q);
}

int sq_input_open(struct sq_prepare_job *job, struct sq_input *in)
{
    job->file = in->path;
    sq_input_close(in);
    int err = avformat_open_input(&in->format, in->path, NULL, NULL);
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
    err = in->has_video ? open_side(job, in, true) : 0;
    err = err || !in->has_audio ? err : open_side(job, in, false);
    if (!err) {
        in->turns = in->has_video ? turns_of(in) : 0;
        in->start_ns = start_of(in);
    }
    return err;
}
