/* What containers want to know of a codec, and the form in which they hold its frames. */
#ifndef SQ_MEDIA_MUX_CODEC_PRIVATE_H
#define SQ_MEDIA_MUX_CODEC_PRIVATE_H

#include "base/err.h"
#include "media/codec.h"
#include <stddef.h>
#include <stdint.h>

#define SQ_OPUS_HEAD_BYTES 19

/* The identification header of Ogg Opus and WebM (RFC 7845, section 5.1), without pre-skip. */
void sq_opus_head(uint8_t channels, uint8_t out[static SQ_OPUS_HEAD_BYTES]);

/* The decoder's configuration out of a key frame: AVCDecoderConfigurationRecord (ISO/IEC 14496-15)
 * of an access unit with start codes, AV1CodecConfigurationRecord of a temporal unit; none (length
 * 0) for other codecs. SQ_ERR_FORMAT: the frame has no parameter sets; SQ_ERR_NOSPACE. */
int sq_codec_private(enum sq_codec codec, const uint8_t *key_frame, size_t len, uint8_t *out,
                     size_t room, size_t *ret_len) SQ_MUST_USE;

/* A frame as a container has it: NAL units with their length in front instead of start codes,
 * temporal units without temporal delimiters, others as they are. Returns the length, 0 where
 * nothing is left or the room (twice the frame is enough) does not do. */
size_t sq_codec_sample(enum sq_codec codec, const uint8_t *frame, size_t len, uint8_t *out,
                       size_t room);

#endif
