/* Digital silence as encoders write it: what a browser sends of a microphone that is off
 * (MediaStreamTrack.enabled = false), at the pace of the packets in whose place it goes. */
#ifndef SQ_MEDIA_SILENCE_H
#define SQ_MEDIA_SILENCE_H

#include "media/codec.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_SILENCE_MAX 1500 /* bytes */

/* There is one for this codec of sound. */
bool sq_silence_is_known(enum sq_codec codec);
/* Writes silence that lasts as long as the payload does; returns its length. */
size_t sq_silence_put(enum sq_codec codec, const uint8_t *payload, size_t len,
                      uint8_t out[static SQ_SILENCE_MAX]);

#endif
