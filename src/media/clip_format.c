/* The codecs of clips: how a frame is told, and how it is cut. */
#include "media/clip_int.h"
#include "media/opus.h"
#include "media/vp8.h"

static void cut_whole(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags)
{
    sq_cut_take(c, offset, len);
}

static int opus_look(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look)
{
    struct sq_opus_packet p;
    return len > 1275 ? SQ_ERR_FORMAT : sq_opus_parse(bytes, len, &p); /* RFC 6716, section 3.4 */
}

/* Samples of one octet (RFC 3551, sections 4.5.2 and 4.5.14): any byte is one. Up to 60 ms. */
static int samples_look(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look)
{
    return len > 480 ? SQ_ERR_FORMAT : 0;
}

static int vp8_look(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look)
{
    struct sq_vp8_frame_header h;
    int err = sq_vp8_frame_header_parse(bytes, len, &h);
    if (!err) {
        *ret_look = (struct sq_clip_look){.key = h.key, .width = h.width, .height = h.height};
    }
    return err;
}

static void vp8_cut(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags)
{
    sq_cut_even(c, offset, len, c->payload_max_bytes - SQ_CLIP_DESCRIPTOR_ROOM, 0);
}

const struct sq_clip_format *sq_clip_format(enum sq_codec codec)
{
    static const struct sq_clip_format formats[SQ_CODECS] = {
        [SQ_CODEC_OPUS] = {opus_look, cut_whole, false, "an Opus packet"},
        [SQ_CODEC_PCMU] = {samples_look, cut_whole, false, "up to 60 ms of samples"},
        [SQ_CODEC_PCMA] = {samples_look, cut_whole, false, "up to 60 ms of samples"},
        [SQ_CODEC_G722] = {samples_look, cut_whole, false, "up to 60 ms of samples"},
        [SQ_CODEC_VP9] = {sq_vp9_look, sq_vp9_cut, false, "a VP9 frame of profile 0"},
        [SQ_CODEC_H264] = {sq_h264_look, sq_h264_cut, true,
                           "NAL units behind their lengths, with SPS and PPS before an IDR slice"},
        [SQ_CODEC_AV1] =
            {sq_av1_look, sq_av1_cut, true,
             "OBUs of a frame with their sizes, with a sequence header before a key frame"},
        [SQ_CODEC_VP8] = {vp8_look, vp8_cut, false, "a VP8 frame"},
    };
    return codec < SQ_CODECS && formats[codec].look ? &formats[codec] : NULL;
}
