/* Opus over RTP (RFC 7587): what a packet says of itself. */
#ifndef SQ_MEDIA_OPUS_H
#define SQ_MEDIA_OPUS_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_OPUS_CLOCK_HZ 48000 /* RFC 7587, section 4.1: whatever the sampling rate */

enum sq_opus_mode { SQ_OPUS_SILK, SQ_OPUS_HYBRID, SQ_OPUS_CELT };

struct sq_opus_packet {
    enum sq_opus_mode mode;
    bool stereo;
    bool dtx; /* carries no sound: each frame in it is at most 1 byte (RFC 6716, section 3.1) */
    uint8_t frames;
    uint16_t frame_samples; /* at 48 kHz */
    uint16_t samples;       /* of the packet: at most 5760 (120 ms) */
};

/* Reads the TOC byte and the frame count (RFC 6716, sections 3.1 and 3.2) and checks the rules R1
 * to R7 of section 3.4. SQ_ERR_TRUNCATED for an empty packet, SQ_ERR_FORMAT. */
int sq_opus_parse(const uint8_t *payload, size_t len,
                  struct sq_opus_packet *ret_packet) SQ_MUST_USE;

#define SQ_OPUS_QUANTUM_SAMPLES 120 /* 2.5 ms: each Opus packet lasts a multiple of it */

#endif
