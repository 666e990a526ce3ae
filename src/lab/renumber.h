/* The numbers of pictures in the payload descriptors of VP8 (RFC 7741, section 4.2: PictureID and
 * TL0PICIDX) and VP9 (RFC 9628, section 4.2), which go on without a jump when a viewer is moved to
 * another layer of simulcast. H.264 has none; AV1's stand in the dependency descriptor, which the
 * lab does not pass on. */
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
};

/* Writes the beginning of the payload with the viewer's numbers to `head` and gives its length,
 * which stands for as many bytes of the payload; 0: the payload goes as it is. starts: the first
 * packet of another layer. again: a packet that was sent before, since then. */
size_t sq_lab_renumber(struct sq_lab_numbers *n, enum sq_codec codec, const uint8_t *payload,
                       size_t len, bool starts, bool again, uint8_t head[static SQ_LAB_HEAD_MAX]);

#endif
