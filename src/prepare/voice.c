/* The voice: brought to 48 kHz and one channel as it is decoded, then judged, then encoded for each
 * codec. */
#include "base/mem.h"
#include "prepare/prepare_int.h"
#include <libavutil/channel_layout.h>
#include <libavutil/opt.h>
#include <libswresample/swresample.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define HZ             48000
#define SILENCE_DBOV   50 /* a voice is louder than -50 dBov ... */
#define VOICE_HANGOVER 5  /* ... or was, in the latest 100 ms */
#define VOICE_SHARE    0.05
#define SILENT_SHARE   0.5 /* of its time, in stretches of a second or more: who speaks pauses */
#define OPUS_BPS       36000
#define PACKETS_PER_S  (1000 / PACKET_MS)
#define CANCELS        0.1 /* of the louder channel's power: two of one voice leave half or more */

struct sq_voice {
    struct sq_prepare_job *job;
    SwrContext *swr;   /* made for frames of this layout, format and rate */
    SwrContext *apart; /* of two channels: the same, each by itself; else NULL */
    AVChannelLayout from;
    int format, hz;
    int16_t *pcm;      /* owned: all channels in one */
    int16_t *sides[2]; /* owned: left and right, where there are two; else as `pcm` */
    size_t len, room;
};

int sq_voice_new(struct sq_prepare_job *job, struct sq_voice **ret_voice)
{
    struct sq_voice *v = sq_zalloc(sizeof(*v));
    if (!v) {
        return SQ_ERR_NOMEM;
    }
    v->job = job;
    v->room = (size_t)sq_prepare_frames(job->want) * HZ / job->want->fps;
    v->pcm = sq_calloc(v->room, sizeof(*v->pcm));
    for (int i = 0; v->pcm && i < 2; i++) {
        v->sides[i] = sq_calloc(v->room, sizeof(*v->pcm));
    }
    if (!v->pcm || !v->sides[0] || !v->sides[1]) {
        sq_voice_free(v);
        return SQ_ERR_NOMEM;
    }
    *ret_voice = v;
    return 0;
}

void sq_voice_free(struct sq_voice *v)
{
    if (v) {
        swr_free(&v->swr);
        swr_free(&v->apart);
        av_channel_layout_uninit(&v->from);
        sq_free(v->pcm);
        sq_free(v->sides[0]);
        sq_free(v->sides[1]);
        sq_free(v);
    }
}

uint32_t sq_voice_packets(const struct sq_voice *v)
{
    return (uint32_t)(v->len / (HZ / 1000 * PACKET_MS));
}

static int open_swr(SwrContext **ret_swr, AVChannelLayout *from, enum AVSampleFormat format,
                    int from_hz, int to_hz)
{
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    int err = swr_alloc_set_opts2(ret_swr, &mono, AV_SAMPLE_FMT_S16, to_hz, from, format, from_hz,
                                  0, NULL);
    return err < 0 ? err : swr_init(*ret_swr);
}

/* The channels as they are, each in a plane of its own. */
static int open_apart(SwrContext **ret_swr, AVChannelLayout *from, enum AVSampleFormat format,
                      int from_hz)
{
    int err =
        swr_alloc_set_opts2(ret_swr, from, AV_SAMPLE_FMT_S16P, HZ, from, format, from_hz, 0, NULL);
    return err < 0 ? err : swr_init(*ret_swr);
}

/* Appends what comes out of the resampler; in NULL: what is left in it. */
static int convert(struct sq_voice *v, const uint8_t **in, int samples)
{
    uint8_t *out = (uint8_t *)(v->pcm + v->len);
    size_t room = v->room - v->len;
    if (room == 0) {
        return 0;
    }
    int n = swr_convert(v->swr, &out, (int)room, in, samples);
    if (n < 0) {
        return sq_prepare_fail_av(v->job, n, "its sound cannot be resampled");
    }
    if (v->apart) { /* as many come out: both have the same rates, and the same samples in */
        uint8_t *planes[2] = {(uint8_t *)(v->sides[0] + v->len), (uint8_t *)(v->sides[1] + v->len)};
        int apart = swr_convert(v->apart, planes, n, in, samples);
        if (apart < 0) {
            return sq_prepare_fail_av(v->job, apart, "its sound cannot be resampled");
        }
    } else {
        memcpy(v->sides[0] + v->len, v->pcm + v->len, (size_t)n * sizeof(*v->pcm));
        memcpy(v->sides[1] + v->len, v->pcm + v->len, (size_t)n * sizeof(*v->pcm));
    }
    v->len += (size_t)n;
    return 0;
}

/* A resampler for such frames. A stream may change in its midst (a broadcast goes from stereo to
 * 5.1): the old one would read planes that the new frames do not have. */
static int fit_swr(struct sq_voice *v, const AVFrame *frame)
{
    if (v->swr && v->format == frame->format && v->hz == frame->sample_rate &&
        av_channel_layout_compare(&v->from, &frame->ch_layout) == 0) {
        return 0;
    }
    int failed = v->swr ? convert(v, NULL, 0) : 0;
    if (failed) {
        return failed;
    }
    AVChannelLayout layout = frame->ch_layout;
    if (layout.order == AV_CHANNEL_ORDER_UNSPEC) {
        av_channel_layout_default(&layout, frame->ch_layout.nb_channels);
    }
    swr_free(&v->swr);
    swr_free(&v->apart);
    int err = av_channel_layout_copy(&v->from, &frame->ch_layout);
    err = err < 0 ? err : open_swr(&v->swr, &layout, frame->format, frame->sample_rate, HZ);
    if (err >= 0 && layout.nb_channels == 2) {
        err = open_apart(&v->apart, &layout, frame->format, frame->sample_rate);
    }
    if (err < 0) {
        return sq_prepare_fail_av(v->job, err, "its sound cannot be resampled");
    }
    v->format = frame->format;
    v->hz = frame->sample_rate;
    return 0;
}

int sq_voice_push(struct sq_voice *v, const AVFrame *frame, int64_t at_ns)
{
    bool first = !v->swr;
    int err = fit_swr(v, frame);
    if (err) {
        return err;
    }
    if (first) {
        /* It may begin after the picture: silence until then. */
        size_t late = at_ns > 0 ? (size_t)(at_ns / 1000 * HZ / 1000000) : 0;
        v->len = late < v->room ? late : v->room;
    }
    return convert(v, (const uint8_t **)frame->extended_data, frame->nb_samples);
}

/* Level of a packet (RFC 6464, section 3). */
static uint8_t level_of(const int16_t *pcm, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)pcm[i] * pcm[i];
    }
    double dbov = sum > 0 ? -10 * log10(sum / (double)n / (32768.0 * 32768.0)) : 127;
    return dbov > 127 ? 127 : (uint8_t)lround(dbov);
}

/* What was judged: one of several tracks, or the only one. */
static const char *track_text(const struct sq_voice *v, char out[static 96])
{
    const struct sq_prepare_job *job = v->job;
    if (job->audio_tracks > 1) {
        (void)snprintf(out, 96, "its audio track %u (of %u, from 0; --audio-track takes another) ",
                       job->audio_track, job->audio_tracks);
    } else {
        (void)snprintf(out, 96, "it ");
    }
    return out;
}

static int judge(const struct sq_voice *v)
{
    char track[96];
    unsigned n = sq_voice_packets(v);
    unsigned voice = 0;
    unsigned loudest = 127;
    unsigned silent = 0; /* in a row; in stretches of a second */
    unsigned silent_in_all = 0;
    for (unsigned i = 0; i < n; i++) {
        unsigned level = level_of(v->pcm + (size_t)i * 960, 960);
        voice += level < SILENCE_DBOV;
        loudest = level < loudest ? level : loudest;
        silent = level < SILENCE_DBOV ? 0 : silent + 1;
        silent_in_all += silent == PACKETS_PER_S ? silent : silent > PACKETS_PER_S;
    }
    if (voice < VOICE_SHARE * n || voice == 0) {
        return sq_prepare_fail(
            v->job, SQ_ERR_INVALID,
            "%sis silent: %.0f %% of it is louder than -%d dBov, expected %.0f %% "
            "(its loudest 20 ms have -%u dBov)",
            track_text(v, track), n ? 100.0 * voice / n : 0, SILENCE_DBOV, 100 * VOICE_SHARE,
            loudest);
    }
    if (silent_in_all > SILENT_SHARE * n) {
        return sq_prepare_fail(v->job, SQ_ERR_INVALID,
                               "%sis silent for %.0f %% of its time, in stretches of a second or "
                               "more without anything louder than -%d dBov; expected %.0f %% at "
                               "most, since a service that loses sound could not be told from that",
                               track_text(v, track), 100.0 * silent_in_all / n, SILENCE_DBOV,
                               100 * SILENT_SHARE);
    }
    return 0;
}

static double power(const int16_t *pcm, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)pcm[i] * pcm[i];
    }
    return sum;
}

/* Two channels of which one is the other upside down (a plug that was wired wrongly, a balanced
 * line taken for stereo) leave nothing in one: the louder of them is the voice. */
static void take_louder_side(struct sq_voice *v)
{
    double sides[2] = {power(v->sides[0], v->len), power(v->sides[1], v->len)};
    int louder = sides[1] > sides[0];
    if (power(v->pcm, v->len) < CANCELS * sides[louder]) {
        memcpy(v->pcm, v->sides[louder], v->len * sizeof(*v->pcm));
        v->job->side = louder ? "right" : "left";
    }
}

/* The voice at another rate; owned by the caller. */
static int16_t *at_rate(const struct sq_voice *v, int hz, size_t *ret_len)
{
    AVChannelLayout mono = AV_CHANNEL_LAYOUT_MONO;
    SwrContext *swr = NULL;
    size_t room = v->len * (size_t)hz / HZ + 1024;
    int16_t *pcm = sq_calloc(room, sizeof(*pcm));
    int n = -1;
    if (pcm && open_swr(&swr, &mono, AV_SAMPLE_FMT_S16, HZ, hz) >= 0) {
        uint8_t *out = (uint8_t *)pcm;
        const uint8_t *in = (const uint8_t *)v->pcm;
        n = swr_convert(swr, &out, (int)room, &in, (int)v->len);
        if (n >= 0) {
            out = (uint8_t *)(pcm + n);
            int more = swr_convert(swr, &out, (int)(room - (size_t)n), NULL, 0);
            n = more < 0 ? more : n + more;
        }
    }
    swr_free(&swr);
    if (n < 0) {
        sq_free(pcm);
        return NULL;
    }
    *ret_len = (size_t)n;
    return pcm;
}

struct maker {
    const char *encoder;
    enum sq_codec codec;
    int hz;   /* it samples at */
    bool fec; /* Opus: each packet with the one before it, more coarsely */
};

static int open_encoder(const struct sq_voice *v, const struct maker *m, AVCodecContext **ret_ctx)
{
    const AVCodec *codec = avcodec_find_encoder_by_name(m->encoder);
    AVCodecContext *ctx = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!ctx) {
        return sq_prepare_fail(v->job, SQ_ERR_UNSUPPORTED, "this libavcodec has no encoder %s",
                               m->encoder);
    }
    ctx->sample_rate = m->hz;
    ctx->sample_fmt = AV_SAMPLE_FMT_S16;
    ctx->ch_layout = (AVChannelLayout)AV_CHANNEL_LAYOUT_MONO;
    ctx->time_base = (AVRational){1, m->hz};
    AVDictionary *options = NULL;
    if (m->codec == SQ_CODEC_OPUS) {
        ctx->bit_rate = OPUS_BPS;
        (void)av_dict_set(&options, "application", "voip", 0);
        (void)av_dict_set(&options, "frame_duration", "20", 0);
        (void)av_dict_set(&options, "vbr", "constrained", 0);
    }
    if (m->fec) { /* as the encoder of default.sqclip is told: it adds none where nothing is lost */
        (void)av_dict_set(&options, "fec", "1", 0);
        (void)av_dict_set(&options, "packet_loss", "10", 0);
    }
    int err = avcodec_open2(ctx, codec, &options);
    av_dict_free(&options);
    if (err < 0) {
        avcodec_free_context(&ctx);
        return sq_prepare_fail_av(v->job, err, m->encoder);
    }
    *ret_ctx = ctx;
    return 0;
}

struct encoding {
    struct sq_voice *v;
    AVCodecContext *ctx;
    struct sq_writer_track *track;
    AVPacket *packet;
    unsigned hangover;
};

/* Packets come in the order of the frames, one for one. */
static int drain(struct encoding *e)
{
    for (;;) {
        int got = avcodec_receive_packet(e->ctx, e->packet);
        if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) {
            return 0;
        }
        if (got < 0) {
            return sq_prepare_fail_av(e->v->job, got, "its sound cannot be encoded");
        }
        uint32_t i = e->track->rows;
        if (i >= sq_voice_packets(e->v)) {
            av_packet_unref(e->packet);
            continue;
        }
        uint8_t level = level_of(e->v->pcm + (size_t)i * 960, 960);
        e->hangover = level < SILENCE_DBOV ? VOICE_HANGOVER : e->hangover - (e->hangover > 0);
        uint32_t step = sq_codec_info(e->track->codec)->clock_hz / 1000 * PACKET_MS;
        const struct sq_writer_row row = {
            .bytes = e->packet->data,
            .len = (size_t)e->packet->size,
            .ticks = i * step,
            .flags = (uint8_t)(SQ_CLIP_KEY | (e->hangover ? SQ_CLIP_VOICE : 0)),
            .level = level};
        int err = sq_writer_row(e->track, &row);
        av_packet_unref(e->packet);
        if (err) {
            return err;
        }
    }
}

static int encode_pcm(struct encoding *e, const int16_t *pcm, size_t len)
{
    size_t each = (size_t)e->ctx->sample_rate / 1000 * PACKET_MS;
    AVFrame *frame = av_frame_alloc();
    int err = frame ? 0 : SQ_ERR_NOMEM;
    for (size_t at = 0; !err && at + each <= len; at += each) {
        frame->nb_samples = (int)each;
        frame->format = AV_SAMPLE_FMT_S16;
        frame->sample_rate = e->ctx->sample_rate;
        frame->ch_layout = e->ctx->ch_layout;
        frame->pts = (int64_t)at;
        int av = av_frame_get_buffer(frame, 0);
        if (av >= 0) {
            memcpy(frame->data[0], pcm + at, each * sizeof(*pcm));
            av = avcodec_send_frame(e->ctx, frame);
        }
        err = av < 0 ? sq_prepare_fail_av(e->v->job, av, "its sound cannot be encoded") : drain(e);
        av_frame_unref(frame);
    }
    if (!err && avcodec_send_frame(e->ctx, NULL) >= 0) {
        err = drain(e);
    }
    av_frame_free(&frame);
    return err;
}

static int encode(struct sq_voice *v, const struct maker *m)
{
    size_t len = v->len;
    struct encoding e = {.v = v, .track = sq_writer_add(&v->job->writer, m->codec)};
    int16_t *other = m->hz == HZ ? NULL : at_rate(v, m->hz, &len);
    int err = !e.track || (m->hz != HZ && !other) ? SQ_ERR_NOMEM : 0;
    e.packet = av_packet_alloc();
    err = err ? err : e.packet ? 0 : SQ_ERR_NOMEM;
    err = err ? err : open_encoder(v, m, &e.ctx);
    if (!err && e.ctx) {
        e.track->channels = 1;
        e.track->features = m->fec ? SQ_CLIP_FEC : 0;
        err = encode_pcm(&e, other ? other : v->pcm, len);
    }
    avcodec_free_context(&e.ctx);
    av_packet_free(&e.packet);
    sq_free(other);
    return err;
}

int sq_voice_end(struct sq_voice *v)
{
    static const struct maker makers[] = {{"libopus", SQ_CODEC_OPUS, HZ, false},
                                          {"libopus", SQ_CODEC_OPUS, HZ, true},
                                          {"pcm_mulaw", SQ_CODEC_PCMU, 8000, false},
                                          {"pcm_alaw", SQ_CODEC_PCMA, 8000, false},
                                          {"g722", SQ_CODEC_G722, 16000, false}};
    take_louder_side(v);
    int err = judge(v);
    for (size_t i = 0; !err && i < sizeof(makers) / sizeof(*makers); i++) {
        if (v->job->want->codecs[makers[i].codec]) {
            err = encode(v, &makers[i]);
        }
    }
    return err;
}
