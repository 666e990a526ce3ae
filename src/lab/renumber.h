/* The numbers of pictures in the payload descriptors of VP8 (RFC 7741, section 4.2: PictureID and
 * TL0PICIDX) and VP9 (RFC 9628, section 4.2), which go on without a jump when a viewer is moved to
 * another layer of simulcast; H.264 has none. And those of frames in the dependency descriptor
 * ("RTP Payload Format For AV1", section A.8.3), of any codec, which go on from whatever was sent
 * before: a receiver takes what is older than its structure of templates for a late packet. */
#ifndef SQ_LAB_RENUMBER_H
#define SQ_LAB_RENUMBER_H

#include "media/codec.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_LAB_HEAD_MAX 8 /* bytes of a descriptor down to its last number */

/* Of what a viewer is sent; zero-initialise. */
struct sq_lab_numbers {
    bool hold; /* those below are of what was sent last */
    uint16_t picture_id, picture_id_offset;
    uint8_t tl0, tl0_offset;
    bool hold_frame;  /* frame_number is of what was sent last */
    bool frame_jumps; /* the next descriptor is of another stream: its number goes on from there */
    uint16_t frame_number, frame_offset;
};

/* Writes the beginning of the payload with the viewer's numbers to `head` and gives its length,
 * which stands for as many bytes of the payload; 0: the payload goes as it is. starts: the first
 * packet of another layer. again: a packet that was sent before, since then. */
size_t sq_lab_renumber(struct sq_lab_numbers *n, enum sq_codec codec, const uint8_t *payload,
                       size_t len, bool starts, bool again, uint8_t head[static SQ_LAB_HEAD_MAX]);

/* Writes the viewer's frame_number into a copy of a descriptor, of 3 bytes at least. */
void sq_lab_renumber_frame(struct sq_lab_numbers *n, uint8_t *descriptor, bool again);

#endif
