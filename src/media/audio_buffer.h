/* What a listener hears of a stream, without decoding it: a model of libwebrtc's NetEQ. Packets of
 * any codec go in; out comes when each would have been played, what was missing when it was due
 * (concealed), and how play-out was stretched and shortened to keep its delay.
 *
 * NetEQ's rules are followed: a target delay from a histogram of relative arrival delays that
 * forgets, play-out in steps of 10 ms, accelerate and preemptive expand by the filtered buffer
 * level, a time line that waits for packets that are late. What needs the sound itself is taken as
 * usual: a stretch removes or adds 7.5 ms (a pitch period). */
#ifndef SQ_MEDIA_AUDIO_BUFFER_H
#define SQ_MEDIA_AUDIO_BUFFER_H

#include "base/err.h"
#include "media/codec.h"
#include "media/depacket.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_AUDIO_QUANTA_PER_SEC 400 /* 2.5 ms: each packet of each codec lasts a multiple of it */
#define SQ_AUDIO_WINDOW_QUANTA  512 /* 1.28 s: more is thrown away, as a full NetEQ does */
#define SQ_AUDIO_DELAY_BUCKETS  50  /* of 20 ms */
#define SQ_AUDIO_DIGITS_MAX     15

/* W3C names (inbound-rtp) beside them. Samples are those of the codec's sampling rate, one channel.
 */
struct sq_audio_stats {
    uint64_t packets_received;
    uint64_t packets_discarded;        /* packetsDiscarded: came too late or twice */
    uint64_t packets_bad;              /* not of the codec */
    uint64_t total_samples_received;   /* totalSamplesReceived: played, concealed ones included */
    uint64_t concealed_samples;        /* concealedSamples */
    uint64_t silent_concealed_samples; /* silentConcealedSamples: of them, after 130 ms in a row */
    uint64_t concealment_events;       /* concealmentEvents */
    uint64_t inserted_samples;         /* insertedSamplesForDeceleration */
    uint64_t removed_samples;          /* removedSamplesForAcceleration */
    uint64_t silent_samples;           /* of DTX: no sound was sent, none was missing */
    uint64_t restored_samples;         /* out of RED or in-band FEC: they would be concealed else */
    double jitter_buffer_delay_s;      /* jitterBufferDelay: sum over samples */
    double jitter_buffer_target_delay_s;  /* jitterBufferTargetDelay */
    uint64_t jitter_buffer_emitted;       /* jitterBufferEmittedCount */
    double target_delay_ms;               /* now */
    uint32_t events;                      /* telephone-event (RFC 4733): how many, and ... */
    char digits[SQ_AUDIO_DIGITS_MAX + 1]; /* ... the latest of them: 0-9 * # A-D */
    uint32_t sampling_hz;
};

struct sq_audio_buffer {                          /* about 650 bytes; internals are its own */
    uint64_t held[SQ_AUDIO_WINDOW_QUANTA / 64];   /* quanta received and not yet decoded */
    uint64_t starts[SQ_AUDIO_WINDOW_QUANTA / 64]; /* of them, a packet's first */
    uint64_t base_ns;                 /* when play-out began: the first step of 10 ms ends there */
    uint64_t latest_ns;               /* of the latest push or play */
    uint64_t integrated_ns;           /* the delay is summed up to here */
    int64_t steps;                    /* of 10 ms, done since base */
    int64_t next;                     /* the quantum to be decoded next */
    int64_t newest;                   /* one past the newest quantum that came */
    int64_t dtx_end;                  /* the end of the latest packet that announced silence */
    int64_t silence_from, silence_to; /* nothing was sent in between: numbers had no gap */
    int64_t event_from, event_to;     /* the latest telephone-event sounds in between */
    int64_t last_ticks; /* unwrapped time-stamp of the newest packet, from the first one */
    uint32_t last_timestamp;
    uint16_t last_seq;
    uint16_t held_count; /* quanta in `held` */
    uint16_t sync;       /* quanta decoded and not yet played */
    uint16_t concealing; /* steps concealed in a row */
    uint8_t since_stretch;
    uint8_t codec;
    bool started, dtx, have_event, event_ended;
    uint8_t event; /* the latest */

    /* The target delay. */
    float level;  /* filtered, in quanta */
    float target; /* quanta */
    float least_ms, least_before_ms, interval_most_ms;
    uint64_t window_ns, interval_ns; /* when the present ones began */
    uint32_t added;
    float delays[SQ_AUDIO_DELAY_BUCKETS];

    /* Counters, in quanta where they are of time. */
    uint64_t packets, discarded, bad;
    uint64_t played, concealed, silent_concealed, inserted, removed, silent, restored, emitted;
    uint64_t concealment_events;
    double delay_sum, target_sum; /* quanta times seconds */
    uint32_t event_timestamp, events;
    uint8_t digit_count;
    char digits[SQ_AUDIO_DIGITS_MAX + 1];
};

void sq_audio_buffer_init(struct sq_audio_buffer *b);
/* A packet as it came, in any order; with packet->red the blocks of RFC 2198. SQ_ERR_FORMAT,
 * SQ_ERR_TRUNCATED for what is not of the codec (counted), SQ_ERR_UNSUPPORTED for one that is no
 * audio. */
int sq_audio_buffer_push(struct sq_audio_buffer *b,
                         const struct sq_media_packet *packet) SQ_MUST_USE;
/* A telephone-event of the same stream (RFC 4733): it takes the place of sound. Its times are those
 * of the stream whatever the clock of its payload type, as NetEQ takes them: Chromium sends events
 * of 8 kHz beside Opus that way. SQ_ERR_TRUNCATED. */
int sq_audio_buffer_event(struct sq_audio_buffer *b,
                          const struct sq_media_packet *packet) SQ_MUST_USE;
/* Plays up to now. Call it before reading the stats; push does it too. */
void sq_audio_buffer_play(struct sq_audio_buffer *b, uint64_t now_ns);
/* The stream pauses on purpose (muted, direction changed), or another source begins: what follows
 * is a new beginning, and nothing is missing in between. */
void sq_audio_buffer_pause(struct sq_audio_buffer *b);
void sq_audio_buffer_stats(const struct sq_audio_buffer *b, struct sq_audio_stats *ret_stats);

#endif
