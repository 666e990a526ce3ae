/* Payloads of one frame, in order, into its bitstream. */
#ifndef SQ_MEDIA_FRAMES_INT_H
#define SQ_MEDIA_FRAMES_INT_H

#include "media/codec.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_FRAMES_BYTES_MAX (16U << 20) /* of one frame */

struct sq_frames_out {
    uint8_t *bytes; /* owned; kept from frame to frame */
    size_t len, room;
    enum sq_codec codec;
    bool failed;   /* no memory */
    size_t obu_at; /* AV1: where an OBU that goes on in the next packet begins */
    bool obu_open;
    bool strip_tags;    /* AV1 */
    size_t layer_at;    /* VP9: where the present layer's frame begins */
    uint32_t layers[8]; /* sizes */
    unsigned n_layers;
};

void sq_frames_begin(struct sq_frames_out *out, enum sq_codec codec);
/* The next payload. SQ_ERR_FORMAT, SQ_ERR_TRUNCATED, SQ_ERR_NOMEM. */
int sq_frames_add(struct sq_frames_out *out, const uint8_t *payload, size_t len);
int sq_frames_end(struct sq_frames_out *out);

#endif
