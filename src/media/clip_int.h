/* Between the file's parser and what is built from it. */
#ifndef SQ_MEDIA_CLIP_INT_H
#define SQ_MEDIA_CLIP_INT_H

#include "base/err.h"
#include "media/clip.h"

/* Cuts all frames of a track, whose frames table is filled, into payloads of at most
 * `payload_max_bytes`; fills first_packet and packets of each frame, the packets and the key table.
 * SQ_ERR_UNSUPPORTED past SQ_CLIP_PACKETS_MAX, SQ_ERR_NOMEM. */
int sq_clip_cut(struct sq_clip_track *t, size_t payload_max_bytes) SQ_MUST_USE;

#endif
