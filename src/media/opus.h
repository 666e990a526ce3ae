/* Opus over RTP (RFC 7587): packet duration, and a play-out model for one stream that says what a
 * listener would have missed, without decoding. */
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

/* ---- play-out model ---- */

/* W3C names (inbound-rtp) beside them. Samples are of the 48 kHz clock, one channel. */
struct sq_opus_stats {
    uint64_t packets_received;
    uint64_t packets_played;
    uint64_t packets_discarded;      /* packetsDiscarded: came too late or twice */
    uint64_t packets_bad;            /* not Opus */
    uint64_t total_samples_received; /* totalSamplesReceived: played, concealed ones included */
    uint64_t concealed_samples;      /* concealedSamples: nothing was there when they were due */
    uint64_t concealment_events;     /* concealmentEvents */
    uint64_t silent_samples;         /* of DTX: no sound was sent, none was missing */
    uint64_t dtx_packets;
};

#define SQ_OPUS_QUANTUM_SAMPLES 120 /* 2.5 ms: each Opus packet lasts a multiple of it */
#define SQ_OPUS_WINDOW_QUANTA   512 /* 1.28 s */

struct sq_opus_tracker { /* under 300 bytes */
    struct sq_opus_stats stats;
    uint64_t held[SQ_OPUS_WINDOW_QUANTA / 64]; /* quanta received and not yet played */
    uint64_t base_ns;                          /* arrival of the first packet */
    int64_t play_at;                           /* the next quantum to play, counted from base */
    int64_t known_until;                       /* one past the newest quantum that came */
    int64_t transit_min, transit_min_before;   /* least (arrival - timestamp), ticks; two windows */
    uint64_t window_ns;                        /* when the present window of transit_min began */
    int64_t last_ticks;                        /* unwrapped timestamp of the newest packet */
    uint32_t last_timestamp;
    uint32_t delay_ticks; /* play-out delay over the least transit */
    uint16_t last_seq;
    uint8_t late_in_a_row;
    bool started, playing, concealing, dtx, late_in_window;
};

void sq_opus_tracker_init(struct sq_opus_tracker *t);
/* A packet as it came, in any order. SQ_ERR_FORMAT, SQ_ERR_TRUNCATED for what is not Opus
 * (counted). The play-out delay starts at 60 ms above the fastest packet, rises at once when one
 * comes too late (to 400 ms at most) and falls again slowly to 40 ms. */
int sq_opus_tracker_push(struct sq_opus_tracker *t, uint64_t now_ns, uint16_t seq,
                         uint32_t timestamp, const uint8_t *payload, size_t len) SQ_MUST_USE;
/* Plays up to now. Call it before reading the stats; push does it too. */
void sq_opus_tracker_play(struct sq_opus_tracker *t, uint64_t now_ns);
/* The stream pauses on purpose (muted, direction changed): what follows is a new beginning, and
 * nothing is missing in between. */
void sq_opus_tracker_pause(struct sq_opus_tracker *t);

#endif
