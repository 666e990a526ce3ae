/* VP9 in clips and over RTP (RFC 9628). */
#ifndef SQ_MEDIA_VP9_H
#define SQ_MEDIA_VP9_H

#include <stddef.h>
#include <stdint.h>

#define SQ_VP9_INDEX_MAX 34

/* The index of a superframe of n frames (1 to 8) of these sizes (VP9 bitstream specification, annex
 * B); returns its length. */
size_t sq_vp9_index_write(const uint32_t *sizes, unsigned n, uint8_t out[static SQ_VP9_INDEX_MAX]);

#endif
