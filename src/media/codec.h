/* The codecs of media streams, by the names of their RTP payload formats: one number for each, used
 * by clips, packetizers, frame models and negotiation alike. */
#ifndef SQ_MEDIA_CODEC_H
#define SQ_MEDIA_CODEC_H

#include <stdbool.h>
#include <stdint.h>

enum sq_codec {
    SQ_CODEC_NONE,
    SQ_CODEC_OPUS, /* RFC 7587 */
    SQ_CODEC_PCMU, /* G.711 µ-law, RFC 3551, section 4.5.14 */
    SQ_CODEC_PCMA, /* G.711 A-law, the same */
    SQ_CODEC_G722, /* RFC 3551, section 4.5.2 */
    SQ_CODEC_VP8,  /* RFC 7741 */
    SQ_CODEC_VP9,  /* RFC 9628 */
    SQ_CODEC_H264, /* RFC 6184 */
    SQ_CODEC_AV1,  /* RTP Payload Format For AV1, Alliance for Open Media */
    SQ_CODECS,
};

struct sq_codec_info {
    const char *name; /* as in a=rtpmap: "opus", "PCMU", "VP8"; "" of SQ_CODEC_NONE */
    /* Of RTP time-stamps, Hz. G.722 samples at 16 kHz and counts at 8 (RFC 3551, 4.5.2). */
    uint32_t clock_hz;
    bool video;
};

/* Static storage; SQ_CODEC_NONE's for a number out of range. */
const struct sq_codec_info *sq_codec_info(enum sq_codec codec);
/* By its rtpmap name, in any case; SQ_CODEC_NONE for another. */
enum sq_codec sq_codec_by_name(const char *name);

#endif
