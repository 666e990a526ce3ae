/* VP8 over RTP (RFC 7741): payload descriptor and key frame header. */
#ifndef SQ_MEDIA_VP8_H
#define SQ_MEDIA_VP8_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_VP8_DESCRIPTOR_MAX 6

/* RFC 7741, section 4.2. -1 stands for "not there". */
struct sq_vp8_descriptor {
    int32_t picture_id;  /* 7 or 15 bits */
    int16_t tl0_pic_idx; /* 0..255 */
    int8_t tid;          /* 0..3 */
    int8_t key_idx;      /* 0..31 */
    uint8_t partition;   /* PID, 0..7 */
    bool start;          /* S: start of a VP8 partition */
    bool non_reference;  /* N */
    bool layer_sync;     /* Y */
    bool wide;           /* M: the PictureID has 15 bits */
    uint8_t len_bytes;   /* of the descriptor */
};

/* SQ_ERR_TRUNCATED if the descriptor does not end before the payload does. */
int sq_vp8_descriptor_parse(const uint8_t *payload, size_t len,
                            struct sq_vp8_descriptor *ret_descriptor) SQ_MUST_USE;
/* Writes d into `out` (its len_bytes is not read); gives the length, 1..6. Numbers are cut to their
 * field's width. */
size_t sq_vp8_descriptor_write(const struct sq_vp8_descriptor *d,
                               uint8_t out[static SQ_VP8_DESCRIPTOR_MAX]);

/* Uncompressed data chunk at the front of a frame (RFC 6386, section 9.1). */
struct sq_vp8_frame_header {
    bool key;
    bool show;
    uint8_t version;
    uint32_t first_partition_bytes;
    uint16_t width, height; /* 0 for a delta frame */
};

/* SQ_ERR_TRUNCATED; SQ_ERR_FORMAT for a key frame without its start code or of size 0. */
int sq_vp8_frame_header_parse(const uint8_t *frame, size_t len,
                              struct sq_vp8_frame_header *ret_header) SQ_MUST_USE;

#endif
