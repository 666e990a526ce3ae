/* Which frames a receiver could have decoded, out of packets in any order, and when it would have
 * shown them: packet buffer and frame buffer of libwebrtc in one model for all video codecs. It
 * keeps no payload (media/frames.h gives the bytes).
 *
 * A frame here is a picture: all layers of one RTP time-stamp. */
#ifndef SQ_MEDIA_FRAME_BUFFER_H
#define SQ_MEDIA_FRAME_BUFFER_H

#include "base/err.h"
#include "base/time.h"
#include "media/depacket.h"
#include "media/video_timing.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_FRAME_WINDOW         32   /* frames waiting for a missing packet */
#define SQ_FRAME_WINDOW_PACKETS 1024 /* packets behind the newest that are still told apart */
#define SQ_FRAME_FREEZE_SAMPLES 30
#define SQ_FRAME_PADDING_KEPT   32 /* and parity */
#define SQ_FRAME_FPS_TENTHS     36 /* a second, what a frame may be held at most, and some */

/* A frame that became decodable. */
struct sq_frame {
    uint32_t timestamp; /* RTP */
    uint32_t bytes;     /* without payload descriptors */
    uint16_t first_seq, last_seq;
    uint16_t packets;
    uint16_t width, height; /* the latest that were told */
    int32_t id;             /* PictureID or frame number; -1: none */
    uint8_t tid, sid;       /* temporal layer; highest spatial layer that came */
    enum sq_codec codec;
    bool key;
    uint64_t first_packet_ns; /* arrival of its first packet, to 1 ms */
    uint64_t now_ns;          /* when it became decodable */
    uint64_t shown_ns;        /* when it leaves the jitter buffer: now_ns, or later */
};

typedef void (*sq_frame_fn)(void *ctx, const struct sq_frame *frame);

/* The W3C name stands beside each (inbound-rtp). */
struct sq_frame_stats {
    uint64_t frames_received;            /* framesReceived: complete */
    uint64_t frames_decoded;             /* framesDecoded: complete and decodable in turn */
    uint64_t key_frames_decoded;         /* keyFramesDecoded */
    uint64_t frames_dropped;             /* framesDropped: begun, and given up or not decodable */
    uint64_t freeze_count;               /* freezeCount */
    uint64_t total_freezes_ns;           /* totalFreezesDuration */
    uint64_t total_inter_frame_ns;       /* totalInterFrameDelay */
    double total_squared_inter_frame_s2; /* totalSquaredInterFrameDelay, s^2 */
    /* jitterBufferDelay, jitterBufferTargetDelay; jitterBufferEmittedCount is frames_decoded. */
    uint64_t jitter_buffer_delay_ns;
    uint64_t jitter_buffer_target_ns;
    uint64_t bytes;   /* of decoded frames, without descriptors */
    uint64_t packets; /* taken */
    uint64_t packets_duplicate;
    uint64_t packets_late; /* of frames already shown or given up, or too old to tell */
    uint64_t packets_bad;  /* not of the codec */
    uint16_t frame_width;  /* frameWidth, frameHeight: 0 until a key frame came */
    uint16_t frame_height;
};

struct sq_frame_pending { /* internal: a frame on its way */
    uint32_t timestamp;
    uint32_t first_ms;
    uint32_t bytes;
    uint32_t refs;
    uint16_t first_seq, last_seq;
    uint16_t packets;
    uint16_t id;
    uint16_t flags;
    uint16_t spread_ms; /* from its first packet to its last */
    uint8_t tl0, tid, sid;
    uint8_t span; /* ids that it takes: one for each spatial layer of a dependency descriptor */
};

struct sq_frame_buffer { /* at most 1.75 KB; internals below `stats` are its own */
    struct sq_frame_stats stats;
    sq_frame_fn on_frame; /* nullable */
    void *ctx;
    struct sq_depacket_state *state; /* owned; NULL for most streams */
    uint64_t blocked_after_ns;
    uint64_t received[SQ_FRAME_WINDOW_PACKETS / 64];
    struct sq_frame_pending pending[SQ_FRAME_WINDOW]; /* a ring, in the order of timestamps */
    uint32_t gap_us[SQ_FRAME_FREEZE_SAMPLES];         /* between the latest frames shown */
    uint64_t gap_sum_us;
    uint64_t shown_ns;    /* when the latest frame was (or will be) */
    uint64_t decoded_ids; /* bit n: the id that lies n before the latest was decoded */
    uint64_t latest_ns;   /* of the latest push */
    uint64_t tenth;       /* fps: the latest tenth of a second, and ... */
    uint8_t per_tenth[SQ_FRAME_FPS_TENTHS]; /* ... frames shown in each of the latest */
    uint16_t padding[SQ_FRAME_PADDING_KEPT];
    uint8_t gap_at, gap_count;
    uint8_t padding_at, padding_count;
    uint8_t head, count; /* of pending */
    uint8_t codec;       /* of the latest packet */
    bool have_seq;       /* newest_seq is set */
    bool have_last;      /* last_timestamp is set */
    bool decoding;       /* a key frame was decoded: `last` is set */
    bool have_shown;     /* shown_ns is set */
    uint16_t newest_seq;
    uint16_t told_width, told_height; /* by the latest packet that did, of the frame ... */
    uint32_t told_timestamp;          /* ... with this time-stamp */
    uint32_t last_timestamp;          /* of the latest frame shown or given up */
    uint32_t old_in_a_row;
    struct sq_frame_pending last; /* the latest frame decoded */
    struct sq_video_timing timing;
};

/* `blocked_after_ns`: how long a frame may wait for what it needs before a key frame is asked for
 * (Chromium: 200 ms or more). on_frame may be NULL; it is called from within push, in decode order.
 */
void sq_frame_buffer_init(struct sq_frame_buffer *b, uint64_t blocked_after_ns,
                          sq_frame_fn on_frame, void *ctx);
/* Frees what it holds; b itself is the caller's. */
void sq_frame_buffer_close(struct sq_frame_buffer *b);

/* A packet. The codec may change from one to the next: that is a restart. `repaired`: it was sent
 * again or recovered. The errors of sq_depacket (counted, and otherwise left alone). */
int sq_frame_buffer_push(struct sq_frame_buffer *b, const struct sq_media_packet *packet,
                         bool repaired) SQ_MUST_USE;

/* When a key frame should be asked for unless something arrives: SQ_NEVER while nothing waits; a
 * time in the past means now. The caller sends PLI and bounds how often. */
uint64_t sq_frame_buffer_key_due_ns(const struct sq_frame_buffer *b);
static inline bool sq_frame_buffer_needs_key(const struct sq_frame_buffer *b, uint64_t now_ns)
{
    return sq_frame_buffer_key_due_ns(b) <= now_ns;
}
/* Frames shown in the latest whole second (W3C framesPerSecond). */
double sq_frame_buffer_fps(const struct sq_frame_buffer *b, uint64_t now_ns);
/* How long the picture has stood still by now beyond what W3C calls a freeze, and is not yet
 * counted in the stats (W3C counts a freeze when it ends): 0, or the time since the latest frame.
 */
uint64_t sq_frame_buffer_open_freeze_ns(const struct sq_frame_buffer *b, uint64_t now_ns);
/* The stream pauses on purpose (muted, direction changed): the interval to the next frame is no
 * freeze. */
void sq_frame_buffer_pause(struct sq_frame_buffer *b);
/* Another source begins (a new SSRC, another codec, or numbers that began anew): frames under way
 * are given up, the next one to be shown is a key frame. The interval to it counts as any other. */
void sq_frame_buffer_restart(struct sq_frame_buffer *b);

#endif
