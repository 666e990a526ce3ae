/* H.264 in clips and over RTP (RFC 6184). */
#ifndef SQ_MEDIA_H264_H
#define SQ_MEDIA_H264_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* profile-level-id (RFC 6184, section 8.1) of a clip's frame: NAL units behind their length in four
 * bytes. False if it has no SPS. */
bool sq_h264_profile_level_id(const uint8_t *bytes, size_t len, uint8_t ret_id[static 3]);

#endif
