/* Pictures that a camera took on its side: how a file says so (the display matrix of ISO/IEC
 * 14496-12, section 6.2.2), and turning them. */
#ifndef SQ_PREPARE_TURN_H
#define SQ_PREPARE_TURN_H

#include <stddef.h>
#include <stdint.h>

/* Quarter turns clockwise, 0 to 3, that put the picture upright; what lies between is rounded, and
 * mirroring is left out. Of the matrix in 16.16 fixed point. */
unsigned sq_turns_of(const int32_t matrix[static 9]);
/* A plane of bytes, turned. `width` and `height` are those of what comes out; strides in bytes. */
void sq_turn_plane(const uint8_t *from, ptrdiff_t from_stride, unsigned turns, unsigned width,
                   unsigned height, uint8_t *to, ptrdiff_t to_stride);

#endif
