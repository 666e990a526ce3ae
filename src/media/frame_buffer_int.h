/* Shared by frame_buffer.c and frame_shown.c. */
#ifndef SQ_MEDIA_FRAME_BUFFER_INT_H
#define SQ_MEDIA_FRAME_BUFFER_INT_H

#include "media/frame_buffer.h"

/* A frame leaves the buffer at shown_ns. */
void sq_frame_count_shown(struct sq_frame_buffer *b, uint64_t shown_ns);

#endif
