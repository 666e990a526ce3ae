/* Telephone events (RFC 4733): the packets of one key that is pressed, and what such a packet says.
 */
#ifndef SQ_MEDIA_DTMF_H
#define SQ_MEDIA_DTMF_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_DTMF_BYTES 4
#define SQ_DTMF_ENDS  3 /* how often the end is told (RFC 4733, section 2.5.1.4) */

/* Section 2.3. */
struct sq_dtmf_event {
    uint8_t event;  /* 0..15 are 0 to 9, *, #, A to D (section 3.2) */
    uint8_t volume; /* -dBm0, 0..63 */
    bool end;
    uint16_t duration; /* ticks of the clock, so far */
};

/* SQ_ERR_TRUNCATED. */
int sq_dtmf_parse(const uint8_t *payload, size_t len, struct sq_dtmf_event *ret_event) SQ_MUST_USE;
void sq_dtmf_write(const struct sq_dtmf_event *event, uint8_t out[static SQ_DTMF_BYTES]);
/* The event of a key as written on it, in either case; -1 for another. And the other way round:
 * '\0' for an event that is no key. */
int sq_dtmf_of_key(char key);
char sq_dtmf_key(uint8_t event);

/* A key that is being pressed. */
struct sq_dtmf {
    struct sq_dtmf_event at;
    uint16_t step;      /* ticks between packets */
    uint32_t duration;  /* ticks in all */
    uint32_t due_ticks; /* of the latest packet */
    uint32_t segment;   /* where the present one begins */
    bool begun;
    uint8_t ends_left;
};

struct sq_dtmf_packet {
    uint8_t payload[SQ_DTMF_BYTES];
    bool marker;        /* of the first only */
    uint32_t due_ticks; /* from the key's beginning to when the packet is due */
    /* From the key's beginning to the packet's RTP time-stamp: 0, unless the key is held for longer
     * than 65,535 ticks. It is told in segments then (section 2.5.1.3). */
    uint32_t segment_ticks;
};

/* SQ_ERR_INVALID for a key that is none, or a duration of 0 or above a minute, or a packet interval
 * of 0 or above 65,535 ticks. */
int sq_dtmf_press(struct sq_dtmf *d, char key, uint32_t clock_hz, unsigned duration_ms,
                  unsigned interval_ms) SQ_MUST_USE;
/* The next packet, the first after an interval: one an interval with the duration so far, and the
 * last one three times at once. False when all are given. */
bool sq_dtmf_next(struct sq_dtmf *d, struct sq_dtmf_packet *ret_packet);

#endif
