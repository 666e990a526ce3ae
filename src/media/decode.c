#include "media/decode.h"

#include "media/heard.h"

#ifdef SQ_HAVE_LIBAV

#include "base/mem.h"
#include <libavcodec/avcodec.h>
#include <libavutil/pixdesc.h>
#include <math.h>
#include <string.h>

/* The picture is looked at as a grid of cells, each the mean of some of its luma samples. It moves
 * where a cell is lighter or darker than a second ago by more than an encoder's own noise. */
#define GRID       16
#define CELL_LOOKS 8 /* samples of a cell, each way */
#define MOVES_BY   3 /* of 255 */
#define CLOCK_HZ   90000

struct sq_media_decoder {
    struct sq_decoded told;
    enum sq_codec codec;
    AVCodecContext *av; /* owned */
    AVPacket *packet;
    AVFrame *frame, *shown;
    /* Video. */
    bool have_grid, moved;
    uint32_t grid_timestamp; /* of the picture that later ones are compared with */
    uint8_t grid[GRID * GRID];
    /* Audio: of the present second. */
    double squares;
    uint64_t samples;
};

bool sq_media_decoder_available(void)
{
    return true;
}

static const AVCodec *find(enum sq_codec codec)
{
    static const enum AVCodecID ids[SQ_CODECS] = {
        [SQ_CODEC_OPUS] = AV_CODEC_ID_OPUS,     [SQ_CODEC_PCMU] = AV_CODEC_ID_PCM_MULAW,
        [SQ_CODEC_PCMA] = AV_CODEC_ID_PCM_ALAW, [SQ_CODEC_G722] = AV_CODEC_ID_ADPCM_G722,
        [SQ_CODEC_VP8] = AV_CODEC_ID_VP8,       [SQ_CODEC_VP9] = AV_CODEC_ID_VP9,
        [SQ_CODEC_H264] = AV_CODEC_ID_H264,     [SQ_CODEC_AV1] = AV_CODEC_ID_AV1,
    };
    /* libavcodec's own AV1 decoder needs hardware. */
    const AVCodec *dav1d = codec == SQ_CODEC_AV1 ? avcodec_find_decoder_by_name("libdav1d") : NULL;
    return dav1d ? dav1d : avcodec_find_decoder(ids[codec]);
}

static void set_sound(AVCodecContext *av, enum sq_codec codec)
{
    av->sample_rate = codec == SQ_CODEC_G722 ? 16000 : (int)sq_codec_info(codec)->clock_hz;
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
    av_channel_layout_default(&av->ch_layout, codec == SQ_CODEC_OPUS ? 2 : 1);
#else
    av->channels = codec == SQ_CODEC_OPUS ? 2 : 1;
#endif
}

static bool open_codec(struct sq_media_decoder *d, enum sq_codec codec)
{
    const AVCodec *with = find(codec);
    avcodec_free_context(&d->av);
    d->codec = codec;
    d->have_grid = false;
    d->squares = 0;
    d->samples = 0;
    d->av = with ? avcodec_alloc_context3(with) : NULL;
    if (!d->av) {
        return false;
    }
    d->av->thread_count = 1;
    d->av->flags |= AV_CODEC_FLAG_LOW_DELAY;
    if (!sq_codec_info(codec)->video) {
        set_sound(d->av, codec);
    }
    if (avcodec_open2(d->av, with, NULL) < 0) {
        avcodec_free_context(&d->av);
        return false;
    }
    return true;
}

int sq_media_decoder_new(struct sq_media_decoder **ret_decoder)
{
    struct sq_media_decoder *d = sq_zalloc(sizeof(*d));
    if (!d) {
        return SQ_ERR_NOMEM;
    }
    av_log_set_level(AV_LOG_QUIET); /* what fails is counted */
    d->packet = av_packet_alloc();
    d->frame = av_frame_alloc();
    d->shown = av_frame_alloc();
    if (!d->packet || !d->frame || !d->shown) {
        sq_media_decoder_free(d);
        return SQ_ERR_NOMEM;
    }
    *ret_decoder = d;
    return 0;
}

void sq_media_decoder_free(struct sq_media_decoder *d)
{
    if (d) {
        avcodec_free_context(&d->av);
        av_packet_free(&d->packet);
        av_frame_free(&d->frame);
        av_frame_free(&d->shown);
        sq_free(d);
    }
}

/* ---- picture ---- */

static bool look_at(const AVFrame *f, uint8_t grid[static GRID * GRID])
{
    const AVPixFmtDescriptor *format = av_pix_fmt_desc_get((enum AVPixelFormat)f->format);
    if (!format || f->width < GRID || f->height < GRID ||
        (format->flags & AV_PIX_FMT_FLAG_HWACCEL)) {
        return false;
    }
    const AVComponentDescriptor *luma = &format->comp[0];
    int wide = luma->depth > 8 ? 1 : 0;
    for (int cell = 0; cell < GRID * GRID; cell++) {
        int x0 = f->width * (cell % GRID) / GRID;
        int y0 = f->height * (cell / GRID) / GRID;
        unsigned sum = 0;
        for (int i = 0; i < CELL_LOOKS * CELL_LOOKS; i++) {
            int x = x0 + (i % CELL_LOOKS) * (f->width / GRID) / CELL_LOOKS;
            int y = y0 + (i / CELL_LOOKS) * (f->height / GRID) / CELL_LOOKS;
            const uint8_t *at = f->data[0] + (ptrdiff_t)y * f->linesize[0] + x * luma->step;
            sum += wide ? (unsigned)(at[0] | at[1] << 8) >> (luma->depth - 8) : at[0];
        }
        grid[cell] = (uint8_t)(sum / (CELL_LOOKS * CELL_LOOKS));
    }
    return true;
}

static bool differs(const uint8_t *a, const uint8_t *b)
{
    for (unsigned i = 0; i < GRID * GRID; i++) {
        if (a[i] > b[i] + MOVES_BY || b[i] > a[i] + MOVES_BY) {
            return true;
        }
    }
    return false;
}

static void take_picture(struct sq_media_decoder *d, uint32_t timestamp)
{
    uint8_t grid[GRID * GRID];
    d->told.pictures++;
    d->told.width = (uint32_t)d->frame->width;
    d->told.height = (uint32_t)d->frame->height;
    if (!look_at(d->frame, grid)) {
        return;
    }
    int32_t since = (int32_t)(timestamp - d->grid_timestamp);
    d->moved = d->moved || (d->have_grid && differs(grid, d->grid));
    if (d->have_grid && since >= 0 && since < CLOCK_HZ) {
        return;
    }
    if (d->have_grid) {
        d->told.seconds++;
        d->told.seconds_alive += d->moved;
    }
    memcpy(d->grid, grid, sizeof(grid));
    d->grid_timestamp = timestamp;
    d->have_grid = true;
    d->moved = false;
}

/* ---- sound ---- */

static double sample_at(const AVFrame *f, int channel, int i, int channels)
{
    switch (f->format) {
    case AV_SAMPLE_FMT_FLTP:
        return (double)((const float *)f->extended_data[channel])[i];
    case AV_SAMPLE_FMT_FLT:
        return (double)((const float *)f->data[0])[i * channels + channel];
    case AV_SAMPLE_FMT_S16P:
        return ((const int16_t *)f->extended_data[channel])[i] / 32768.0;
    case AV_SAMPLE_FMT_S16:
        return ((const int16_t *)f->data[0])[i * channels + channel] / 32768.0;
    default:
        return 0;
    }
}

static void take_sound(struct sq_media_decoder *d)
{
    const AVFrame *f = d->frame;
#if LIBAVCODEC_VERSION_INT >= AV_VERSION_INT(59, 24, 100)
    int channels = f->ch_layout.nb_channels;
#else
    int channels = f->channels;
#endif
    for (int i = 0; i < f->nb_samples && channels > 0; i++) {
        double v = sample_at(f, 0, i, channels);
        if (channels > 1) {
            v = (v + sample_at(f, 1, i, channels)) / 2;
        }
        d->squares += v * v;
        if (++d->samples < (uint64_t)f->sample_rate || f->sample_rate <= 0) {
            continue;
        }
        /* A sine at full scale is 0 dBov less 3. */
        d->told.level_dbov = 10 * log10(d->squares / (double)d->samples + 1e-13);
        d->told.seconds++;
        d->told.seconds_alive += d->told.level_dbov > SQ_HEARD_DBOV;
        d->squares = 0;
        d->samples = 0;
    }
}

void sq_media_decoder_push(struct sq_media_decoder *d, const struct sq_media_frame *frame)
{
    if (d->codec != frame->codec && !open_codec(d, frame->codec)) {
        d->told.failed++;
        return;
    }
    if (!d->av || frame->len == 0 || av_new_packet(d->packet, (int)frame->len) < 0) {
        d->told.failed++;
        return;
    }
    memcpy(d->packet->data, frame->bytes, frame->len); /* av_new_packet has padded it */
    d->packet->pts = frame->timestamp;
    d->packet->flags = frame->key ? AV_PKT_FLAG_KEY : 0;
    bool got = false;
    int err = avcodec_send_packet(d->av, d->packet);
    av_packet_unref(d->packet);
    d->told.failed += err < 0;
    while (err >= 0 && avcodec_receive_frame(d->av, d->frame) >= 0) {
        if (sq_codec_info(d->codec)->video) {
            /* libavcodec gives every spatial layer of VP9: a user sees the highest. */
            av_frame_unref(d->shown);
            av_frame_move_ref(d->shown, d->frame);
            got = true;
        } else {
            take_sound(d);
        }
        av_frame_unref(d->frame);
    }
    if (got) {
        av_frame_move_ref(d->frame, d->shown);
        take_picture(d, (uint32_t)d->frame->pts);
        av_frame_unref(d->frame);
    }
}

void sq_media_decoder_figures(const struct sq_media_decoder *d, struct sq_decoded *ret_decoded)
{
    *ret_decoded = d->told;
}

#else

bool sq_media_decoder_available(void)
{
    return false;
}

int sq_media_decoder_new(struct sq_media_decoder **ret_decoder)
{
    (void)ret_decoder;
    return SQ_ERR_UNSUPPORTED;
}

void sq_media_decoder_free(struct sq_media_decoder *d)
{
    (void)d;
}

void sq_media_decoder_push(struct sq_media_decoder *d, const struct sq_media_frame *frame)
{
    (void)d;
    (void)frame;
}

void sq_media_decoder_figures(const struct sq_media_decoder *d, struct sq_decoded *ret_decoded)
{
    (void)d;
    *ret_decoded = (struct sq_decoded){0};
}

#endif
