/* The picture: at a steady rate, at each step of the ladder, through each codec's encoder as it is
 * decoded. Nothing is kept but what was encoded. */
#include "base/mem.h"
#include "base/time.h"
#include "base/wire.h"
#include "prepare/moves.h"
#include "prepare/prepare_int.h"
#include "prepare/turn.h"
#include <libavutil/opt.h>
#include <libswscale/swscale.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define NAL_FIRST_SLICE 1
#define NAL_IDR         5
#define NAL_SPS         7
#define NAL_PPS         8

/* A film whose picture changes each 0.8 s has that, since a change is seen for SQ_MOVES_MS; a still
 * one whose codec begins anew each second has less. */
#define MOVES_SHARE 0.2
#define STILL_SHARE 0.5 /* of its time, in stretches of a second or more: slides stand longer */
#define BLACK_LUMA  32  /* limited range: black is 16 */
#define SLICE_BYTES 1100

struct coder {
    enum sq_codec codec;
    bool single_nal;
    AVCodecContext *ctx;
    struct sq_writer_track *track;
};

#define CODERS_MAX 5 /* of a step */

struct step {
    struct SwsContext *sws;
    AVFrame *frame;
    AVFrame *lying; /* scaled, before it is turned; NULL: it need not be */
    struct coder coders[CODERS_MAX];
    unsigned count;
};

struct sq_picture {
    struct sq_prepare_job *job;
    unsigned turns;
    AVFrame *held; /* what is shown now */
    bool has_held;
    struct step steps[SQ_CLIP_STEPS_MAX];
    size_t n_steps;
    AVPacket *packet;
    struct sq_moves *moves; /* of the lowest step, where grain is gone */
    uint8_t *nals;          /* what Annex B is turned into */
    size_t nals_room;
    uint32_t frames, frames_max;
    uint32_t next_key;
    unsigned keys;
};

int sq_picture_new(struct sq_prepare_job *job, unsigned turns, struct sq_picture **ret_picture)
{
    struct sq_picture *p = sq_zalloc(sizeof(*p));
    if (!p) {
        return SQ_ERR_NOMEM;
    }
    p->job = job;
    p->turns = turns;
    p->frames_max = sq_prepare_frames(job->want);
    p->held = av_frame_alloc();
    p->packet = av_packet_alloc();
    if (!p->held || !p->packet) {
        sq_picture_free(p);
        return SQ_ERR_NOMEM;
    }
    *ret_picture = p;
    return 0;
}

void sq_picture_free(struct sq_picture *p)
{
    if (!p) {
        return;
    }
    for (size_t i = 0; i < p->n_steps; i++) {
        for (unsigned k = 0; k < p->steps[i].count; k++) {
            avcodec_free_context(&p->steps[i].coders[k].ctx);
        }
        sws_freeContext(p->steps[i].sws);
        av_frame_free(&p->steps[i].frame);
        av_frame_free(&p->steps[i].lying);
    }
    av_frame_free(&p->held);
    av_packet_free(&p->packet);
    sq_moves_free(p->moves);
    sq_free(p->nals);
    sq_free(p);
}

uint32_t sq_picture_frames(const struct sq_picture *p)
{
    return p->frames;
}

/* ---- Encoders, as make-clips.sh has ffmpeg set them ---- */

static const struct {
    enum sq_codec codec;
    const char *encoder;
} encoders[] = {{SQ_CODEC_VP8, "libvpx"},
                {SQ_CODEC_VP9, "libvpx-vp9"},
                {SQ_CODEC_H264, "libx264"},
                {SQ_CODEC_AV1, "libaom-av1"}};

static void options_of(const struct coder *c, uint32_t bps, AVDictionary **options)
{
    char text[200];
    unsigned kbps = bps / 1000;
    switch (c->codec) {
    case SQ_CODEC_VP8:
    case SQ_CODEC_VP9:
        (void)snprintf(text, sizeof(text),
                       "ts_number_layers=3:ts_target_bitrate=%u,%u,%u:ts_rate_decimator=4,2,1:"
                       "ts_periodicity=4:ts_layer_id=0,2,1,2:ts_layering_mode=3",
                       kbps * 4 / 10, kbps * 6 / 10, kbps);
        (void)av_dict_set(options, "ts-parameters", text, 0);
        (void)av_dict_set(options, "deadline", "realtime", 0);
        (void)av_dict_set(options, "cpu-used", c->codec == SQ_CODEC_VP8 ? "4" : "6", 0);
        (void)av_dict_set(options, "auto-alt-ref", "0", 0);
        (void)av_dict_set(options, "lag-in-frames", "0", 0);
        (void)av_dict_set(options, "error-resilient", "default", 0);
        (void)av_dict_set(options, "max-intra-rate", "220", 0);
        break;
    case SQ_CODEC_H264:
        (void)av_dict_set(options, "profile", "baseline", 0);
        (void)av_dict_set(options, "preset", "medium", 0);
        (void)av_dict_set(options, "tune", "zerolatency", 0);
        (void)av_dict_set(options, "forced-idr", "1", 0);
        (void)snprintf(text, sizeof(text),
                       c->single_nal
                           ? "scenecut=0:repeat-headers=1:sliced-threads=0:slice-max-size=%d"
                           : "scenecut=0:repeat-headers=1:sliced-threads=0",
                       SLICE_BYTES);
        (void)av_dict_set(options, "x264-params", text, 0);
        break;
    case SQ_CODEC_AV1:
        (void)av_dict_set(options, "usage", "realtime", 0);
        (void)av_dict_set(options, "cpu-used", "8", 0);
        (void)av_dict_set(options, "lag-in-frames", "0", 0);
        (void)av_dict_set(options, "aom-params", "max-intra-rate=250", 0);
        break;
    default:
        break;
    }
}

static int open_coder(struct sq_picture *p, struct coder *c, const struct sq_prepare_step *s)
{
    const char *name = NULL;
    for (size_t i = 0; i < sizeof(encoders) / sizeof(*encoders); i++) {
        name = encoders[i].codec == c->codec ? encoders[i].encoder : name;
    }
    const AVCodec *codec = avcodec_find_encoder_by_name(name);
    c->ctx = codec ? avcodec_alloc_context3(codec) : NULL;
    if (!c->ctx) {
        return sq_prepare_fail(p->job, SQ_ERR_UNSUPPORTED, "this libavcodec has no encoder %s",
                               name);
    }
    int fps = (int)p->job->want->fps;
    c->ctx->width = s->width;
    c->ctx->height = s->height;
    c->ctx->pix_fmt = AV_PIX_FMT_YUV420P;
    c->ctx->time_base = (AVRational){1, fps};
    c->ctx->framerate = (AVRational){fps, 1};
    c->ctx->bit_rate = c->ctx->rc_max_rate = c->ctx->rc_min_rate = s->bps;
    c->ctx->rc_buffer_size = (int)(c->codec == SQ_CODEC_H264 ? s->bps / 2 : s->bps);
    c->ctx->gop_size = 9999;
    c->ctx->max_b_frames = 0;
    c->ctx->thread_count = 1;
    AVDictionary *options = NULL;
    options_of(c, s->bps, &options);
    int err = avcodec_open2(c->ctx, codec, &options);
    av_dict_free(&options);
    return err < 0 ? sq_prepare_fail_av(p->job, err, name) : 0;
}

static int add_coder(struct sq_picture *p, size_t step, const struct sq_prepare_step *s,
                     enum sq_codec codec, bool single_nal)
{
    struct step *st = &p->steps[step];
    struct coder *c = &st->coders[st->count++];
    *c = (struct coder){.codec = codec, .single_nal = single_nal};
    c->track = sq_writer_add(&p->job->writer, codec);
    if (!c->track) {
        return sq_prepare_fail(p->job, SQ_ERR_INVALID, "expected at most %d tracks in a clip",
                               SQ_CLIP_TRACKS_MAX);
    }
    c->track->ladder = (uint8_t)(codec * 2 + single_nal);
    c->track->features = single_nal ? SQ_CLIP_SINGLE_NAL : 0;
    c->track->width = s->width;
    c->track->height = s->height;
    c->track->fps_milli = p->job->want->fps * 1000;
    c->track->temporal_layers = codec == SQ_CODEC_VP8 || codec == SQ_CODEC_VP9 ? 3 : 1;
    return open_coder(p, c, s);
}

/* ---- The ladder ---- */

static uint16_t even(double value)
{
    unsigned whole = (unsigned)(value / 2 + 0.5) * 2;
    return (uint16_t)(whole < 16 ? 16 : whole > 4096 ? 4096 : whole);
}

/* The shape of the picture upright, with pixels that are not square taken into account. */
static double shape(const struct sq_picture *p, const AVFrame *frame)
{
    AVRational pixel = frame->sample_aspect_ratio;
    double wide = pixel.num > 0 && pixel.den > 0 ? (double)pixel.num / pixel.den : 1;
    wide = wide * frame->width / frame->height;
    return p->turns % 2 ? 1 / wide : wide;
}

/* A step that names no width gets the picture's shape, and its height on the short side. */
static void fit(struct sq_prepare_step *step, double wide)
{
    if (step->width > 0) {
        return;
    }
    double shape = wide < 1 ? 1 / wide : wide;
    double longer = step->height * fmin(shape, SQ_PREPARE_WIDE);
    uint16_t shorter = shape > SQ_PREPARE_WIDE ? even(longer / shape) : step->height;
    step->width = wide < 1 ? shorter : even(longer);
    step->height = wide < 1 ? even(longer) : shorter;
}

static AVFrame *new_frame(int width, int height)
{
    AVFrame *frame = av_frame_alloc();
    if (frame) {
        frame->format = AV_PIX_FMT_YUV420P;
        frame->width = width;
        frame->height = height;
        if (av_frame_get_buffer(frame, 0) < 0) {
            av_frame_free(&frame);
        }
    }
    return frame;
}

static int open_step(struct sq_picture *p, size_t i, const struct sq_prepare_step *s)
{
    bool across = p->turns % 2;
    struct step *step = &p->steps[i];
    p->n_steps = i + 1;
    step->frame = new_frame(s->width, s->height);
    step->lying =
        p->turns ? new_frame(across ? s->height : s->width, across ? s->width : s->height) : NULL;
    return step->frame && (step->lying || !p->turns) ? 0 : SQ_ERR_NOMEM;
}

/* Tracks of a ladder stand one after the other: a codec's steps, then the next codec's. */
static int open_ladder(struct sq_picture *p, const AVFrame *frame)
{
    static const struct sq_prepare_step usual[] = SQ_PREPARE_STEPS;
    struct sq_prepare_step steps[SQ_CLIP_STEPS_MAX];
    const struct sq_prepare *want = p->job->want;
    size_t n = want->n_steps ? want->n_steps : sizeof(usual) / sizeof(*usual);
    for (size_t i = 0; i < n; i++) {
        steps[i] = want->n_steps ? want->steps[i] : usual[i];
        fit(&steps[i], shape(p, frame));
        int err = open_step(p, i, &steps[i]);
        if (err) {
            return err;
        }
    }
    for (size_t k = 0; k < sizeof(encoders) / sizeof(*encoders); k++) {
        enum sq_codec codec = encoders[k].codec;
        for (unsigned single = 0; single < 2; single++) {
            bool wanted = single ? codec == SQ_CODEC_H264 && want->single_nal : want->codecs[codec];
            for (size_t i = 0; wanted && i < n; i++) {
                int err = add_coder(p, i, &steps[i], codec, single);
                if (err) {
                    return err;
                }
            }
        }
    }
    return sq_moves_new(steps[0].width, steps[0].height, want->fps, &p->moves);
}

/* ---- What comes out ---- */

static int put_bytes(struct sq_picture *p, size_t *len, const uint8_t *bytes, size_t n)
{
    if (*len + n > p->nals_room) {
        uint8_t *grown = sq_realloc(p->nals, (*len + n) * 2);
        if (!grown) {
            return SQ_ERR_NOMEM;
        }
        p->nals = grown;
        p->nals_room = (*len + n) * 2;
    }
    memcpy(p->nals + *len, bytes, n);
    *len += n;
    return 0;
}

/* The next start code of Annex B (00 00 01) at or behind `at`; `len` if there is none. */
static size_t start_code(const uint8_t *bytes, size_t len, size_t at)
{
    for (; at + 3 <= len; at++) {
        if (bytes[at] == 0 && bytes[at + 1] == 0 && bytes[at + 2] == 1) {
            return at;
        }
    }
    return len;
}

/* Slices and parameter sets, each behind its length; no delimiters, no SEI. */
static int take_nals(struct sq_picture *p, const uint8_t *bytes, size_t len, size_t *ret_len)
{
    *ret_len = 0;
    for (size_t at = start_code(bytes, len, 0); at < len;) {
        size_t begin = at + 3;
        size_t next = start_code(bytes, len, begin);
        size_t end = next;
        while (end > begin && bytes[end - 1] == 0) {
            end--;
        }
        unsigned type = end > begin ? bytes[begin] & 0x1f : 0;
        if (type == NAL_FIRST_SLICE || type == NAL_IDR || type == NAL_SPS || type == NAL_PPS) {
            uint8_t size[4];
            sq_store_u32(size, (uint32_t)(end - begin));
            int err = put_bytes(p, ret_len, size, 4);
            err = err ? err : put_bytes(p, ret_len, bytes + begin, end - begin);
            if (err) {
                return err;
            }
        }
        at = next;
    }
    return 0;
}

/* OBUs but temporal delimiters, which RTP does not carry. */
static int take_obus(struct sq_picture *p, const uint8_t *bytes, size_t len, size_t *ret_len)
{
    *ret_len = 0;
    for (size_t at = 0; at < len;) {
        size_t begin = at;
        unsigned type = bytes[at] >> 3 & 15;
        uint64_t size = 0;
        at += bytes[at] & 4 ? 2 : 1;
        for (unsigned shift = 0; at < len; shift += 7) {
            size |= (uint64_t)(bytes[at] & 0x7f) << shift;
            if (bytes[at++] < 0x80) {
                break;
            }
        }
        if (size > len - at) {
            return SQ_ERR_FORMAT;
        }
        at += (size_t)size;
        int err = type == 2 || type == 15 ? 0 : put_bytes(p, ret_len, bytes + begin, at - begin);
        if (err) {
            return err;
        }
    }
    return 0;
}

static int take_packet(struct sq_picture *p, struct coder *c)
{
    const AVPacket *packet = p->packet;
    uint32_t number = c->track->rows;
    struct sq_writer_row row = {.bytes = packet->data, .len = (size_t)packet->size};
    int err = 0;
    if (c->codec == SQ_CODEC_H264) {
        err = take_nals(p, packet->data, (size_t)packet->size, &row.len);
        row.bytes = p->nals;
    } else if (c->codec == SQ_CODEC_AV1) {
        err = take_obus(p, packet->data, (size_t)packet->size, &row.len);
        row.bytes = p->nals;
    }
    if (packet->pts != (int64_t)number || row.len == 0) {
        return sq_prepare_fail(p->job, SQ_ERR_FORMAT, "its encoder left frame %u out", number);
    }
    row.ticks = (uint32_t)((uint64_t)number * 90000 / p->job->want->fps);
    row.flags = packet->flags & AV_PKT_FLAG_KEY ? SQ_CLIP_KEY : 0;
    if (c->track->temporal_layers > 1) {
        static const uint8_t tids[TURN] = {0, 2, 1, 2};
        static const uint8_t flags[TURN] = {0, SQ_CLIP_SYNC | SQ_CLIP_NONREF, SQ_CLIP_SYNC,
                                            SQ_CLIP_NONREF};
        row.tid = tids[number % TURN];
        row.flags |= flags[number % TURN];
    }
    return err ? err : sq_writer_row(c->track, &row);
}

static int drain(struct sq_picture *p, struct coder *c)
{
    for (;;) {
        int got = avcodec_receive_packet(c->ctx, p->packet);
        if (got == AVERROR(EAGAIN) || got == AVERROR_EOF) {
            return 0;
        }
        if (got < 0) {
            return sq_prepare_fail_av(p->job, got, "its picture cannot be encoded");
        }
        int err = take_packet(p, c);
        av_packet_unref(p->packet);
        if (err) {
            return err;
        }
    }
}

/* ---- What goes in ---- */

/* The held frame into the step's: scaled, and put upright. */
static int scale(struct sq_picture *p, struct step *s)
{
    const AVFrame *from = p->held;
    AVFrame *to = s->lying ? s->lying : s->frame;
    s->sws = sws_getCachedContext(s->sws, from->width, from->height, from->format, to->width,
                                  to->height, AV_PIX_FMT_YUV420P, SWS_AREA, NULL, NULL, NULL);
    if (!s->sws || av_frame_make_writable(s->frame) < 0) {
        return sq_prepare_fail(p->job, SQ_ERR_UNSUPPORTED, "its picture cannot be scaled");
    }
    (void)sws_scale(s->sws, (const uint8_t *const *)from->data, from->linesize, 0, from->height,
                    to->data, to->linesize);
    for (int plane = 0; s->lying && plane < 3; plane++) {
        unsigned half = plane ? 2 : 1; /* of colours, in 4:2:0; both sides are even */
        sq_turn_plane(to->data[plane], to->linesize[plane], p->turns,
                      (unsigned)s->frame->width / half, (unsigned)s->frame->height / half,
                      s->frame->data[plane], s->frame->linesize[plane]);
    }
    return 0;
}

static int encode_step(struct sq_picture *p, struct step *s, bool key)
{
    int scaled = scale(p, s);
    if (scaled) {
        return scaled;
    }
    if (s == p->steps) {
        sq_moves_look(p->moves, s->frame->data[0], s->frame->linesize[0]);
    }
    s->frame->pts = p->frames;
    s->frame->pict_type = key ? AV_PICTURE_TYPE_I : AV_PICTURE_TYPE_NONE;
    for (unsigned k = 0; k < s->count; k++) {
        int sent = avcodec_send_frame(s->coders[k].ctx, s->frame);
        int err = sent < 0 ? sq_prepare_fail_av(p->job, sent, "its picture cannot be encoded")
                           : drain(p, &s->coders[k]);
        if (err) {
            return err;
        }
    }
    return 0;
}

/* Key frames at uneven times, so that senders which begin at different ones do not fall into step;
 * in a turn of temporal layers they are its first. */
static bool is_key(struct sq_picture *p)
{
    static const uint8_t turns[] = {9, 7,  10,
                                    7, 10, 8}; /* of 4 frames: 1.1 to 1.6 s at 25 a second */
    if (p->frames != p->next_key) {
        return false;
    }
    p->next_key += turns[p->keys++ % sizeof(turns)] * (unsigned)TURN;
    return true;
}

static int encode_held(struct sq_picture *p)
{
    bool key = is_key(p);
    for (size_t i = 0; i < p->n_steps; i++) {
        int err = encode_step(p, &p->steps[i], key);
        if (err) {
            return err;
        }
    }
    p->frames++;
    return 0;
}

/* The frame that is held, as often as it is shown until then. */
static int show_until(struct sq_picture *p, int64_t at_ns)
{
    int64_t fps = p->job->want->fps;
    while (p->has_held && p->frames < p->frames_max &&
           (int64_t)p->frames * (int64_t)SQ_NS_PER_SEC / fps < at_ns) {
        int err = encode_held(p);
        if (err) {
            return err;
        }
    }
    return 0;
}

int sq_picture_push(struct sq_picture *p, const AVFrame *frame, int64_t at_ns)
{
    int err = p->n_steps ? 0 : open_ladder(p, frame);
    /* A frame is for the slot that lies nearest. */
    int64_t half = (int64_t)SQ_NS_PER_SEC / (2 * (int64_t)p->job->want->fps);
    err = err ? err : show_until(p, at_ns - half);
    if (err) {
        return err;
    }
    av_frame_unref(p->held);
    p->has_held = av_frame_ref(p->held, frame) >= 0;
    return p->has_held ? 0 : SQ_ERR_NOMEM;
}

/* Whether anything is to be seen, and moves. */
static int judge(const struct sq_picture *p)
{
    const struct sq_moves_seen seen =
        p->moves ? sq_moves_seen(p->moves) : (struct sq_moves_seen){0};
    if (seen.frames > 0 && seen.brightest < BLACK_LUMA) {
        return sq_prepare_fail(p->job, SQ_ERR_INVALID,
                               "its picture is black: no pixel is brighter than %u of 255",
                               seen.brightest);
    }
    if (seen.differ > 0 && seen.standing > STILL_SHARE * seen.frames) {
        return sq_prepare_fail(p->job, SQ_ERR_INVALID,
                               "its picture stands still for %.0f %% of its time, in stretches of "
                               "a second or more; expected %.0f %% at most, since a freeze could "
                               "not be told from that",
                               100.0 * seen.standing / seen.frames, 100 * STILL_SHARE);
    }
    if (seen.frames > 1 && seen.differ < MOVES_SHARE * seen.frames) {
        return sq_prepare_fail(p->job, SQ_ERR_INVALID,
                               "its picture stands still: %u of %u frames differ from what was "
                               "shown in the %d ms before, expected %.0f %%",
                               seen.differ, seen.frames, SQ_MOVES_MS, 100 * MOVES_SHARE);
    }
    return 0;
}

int sq_picture_end(struct sq_picture *p, int64_t end_ns)
{
    int err = show_until(p, end_ns - 1000);
    for (size_t i = 0; !err && i < p->n_steps; i++) {
        for (unsigned k = 0; !err && k < p->steps[i].count; k++) {
            int sent = avcodec_send_frame(p->steps[i].coders[k].ctx, NULL);
            err = sent < 0 ? 0 : drain(p, &p->steps[i].coders[k]);
        }
    }
    return err ? err : judge(p);
}
