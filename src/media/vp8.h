/* VP8 over RTP (RFC 7741): payload descriptor, key frame header, and a frame tracker that says, out
 * of packets in any order, which frames a decoder could have shown and when. It keeps no payload.
 */
#ifndef SQ_MEDIA_VP8_H
#define SQ_MEDIA_VP8_H

#include "base/err.h"
#include "base/time.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_VP8_DESCRIPTOR_MAX 6

/* RFC 7741, section 4.2. -1 stands for "not there". */
struct sq_vp8_descriptor {
    int32_t picture_id;  /* 7 or 15 bits */
    int16_t tl0_pic_idx; /* 0..255 */
    int8_t tid;          /* 0..3 */
    int8_t key_idx;      /* 0..31 */
    uint8_t partition;   /* PID, 0..7 */
    bool start;          /* S: start of a VP8 partition */
    bool non_reference;  /* N */
    bool layer_sync;     /* Y */
    bool wide;           /* M: the PictureID has 15 bits */
    uint8_t len_bytes;   /* of the descriptor */
};

/* SQ_ERR_TRUNCATED if the descriptor does not end before the payload does. */
int sq_vp8_descriptor_parse(const uint8_t *payload, size_t len,
                            struct sq_vp8_descriptor *ret_descriptor) SQ_MUST_USE;
/* Writes d into `out` (its len_bytes is not read); gives the length, 1..6. Numbers are cut to their
 * field's width. */
size_t sq_vp8_descriptor_write(const struct sq_vp8_descriptor *d,
                               uint8_t out[static SQ_VP8_DESCRIPTOR_MAX]);

/* Uncompressed data chunk at the front of a frame (RFC 6386, section 9.1). */
struct sq_vp8_frame_header {
    bool key;
    bool show;
    uint8_t version;
    uint32_t first_partition_bytes;
    uint16_t width, height; /* 0 for a delta frame */
};

/* SQ_ERR_TRUNCATED; SQ_ERR_FORMAT for a key frame without its start code or of size 0. */
int sq_vp8_frame_header_parse(const uint8_t *frame, size_t len,
                              struct sq_vp8_frame_header *ret_header) SQ_MUST_USE;

/* ---- frame tracker ---- */

#define SQ_VP8_WINDOW_FRAMES  32   /* frames waiting for a missing packet */
#define SQ_VP8_WINDOW_PACKETS 1024 /* packets behind the newest that are still told apart */
#define SQ_VP8_FREEZE_FRAMES  30
#define SQ_VP8_PADDING_KEPT   16

/* A frame that became decodable (and so, without a decoder, "was shown"). */
struct sq_vp8_frame {
    uint32_t timestamp; /* RTP */
    uint32_t bytes;     /* without descriptors */
    uint16_t first_seq, last_seq;
    uint16_t packets;
    uint16_t width, height; /* of the latest key frame */
    int32_t picture_id;     /* -1: none */
    bool key;
    uint64_t first_packet_ns; /* arrival of its first packet, to 1 ms */
    uint64_t now_ns;          /* when it became decodable */
};

typedef void (*sq_vp8_on_frame)(void *ctx, const struct sq_vp8_frame *frame);

/* The W3C name stands beside each (inbound-rtp). */
struct sq_vp8_stats {
    uint64_t frames_received;            /* framesReceived: complete */
    uint64_t frames_decoded;             /* framesDecoded: complete and decodable in turn */
    uint64_t key_frames_decoded;         /* keyFramesDecoded */
    uint64_t frames_dropped;             /* framesDropped: begun, and given up or not decodable */
    uint64_t freeze_count;               /* freezeCount */
    uint64_t total_freezes_ns;           /* totalFreezesDuration */
    uint64_t total_inter_frame_ns;       /* totalInterFrameDelay */
    double total_squared_inter_frame_s2; /* totalSquaredInterFrameDelay, s^2 */
    uint64_t bytes;                      /* of decoded frames, without descriptors */
    uint64_t packets;                    /* taken */
    uint64_t packets_duplicate;
    uint64_t packets_late; /* of frames already shown or given up, or too old to tell */
    uint64_t packets_bad;  /* not VP8 */
    uint16_t frame_width;  /* frameWidth, frameHeight: 0 until a key frame came */
    uint16_t frame_height;
};

struct sq_vp8_pending { /* internal: a frame on its way */
    uint32_t timestamp;
    uint32_t first_ms;
    uint32_t bytes;
    uint16_t first_seq, last_seq;
    uint16_t packets;
    uint16_t picture_id;
    uint16_t width, height;
    uint8_t flags, tl0, tid_sync;
};

struct sq_vp8_assembler { /* at most 1.5 KB; internals below `stats` are its own */
    struct sq_vp8_stats stats;
    sq_vp8_on_frame on_frame; /* nullable */
    void *ctx;
    uint64_t blocked_after_ns;
    uint64_t received[SQ_VP8_WINDOW_PACKETS / 64];
    struct sq_vp8_pending pending[SQ_VP8_WINDOW_FRAMES]; /* a ring, in the order of timestamps */
    uint32_t gap_us[SQ_VP8_FREEZE_FRAMES];               /* between the latest frames shown */
    uint64_t gap_sum_us;
    uint64_t shown_ns; /* when the latest frame was */
    uint32_t gap_at, gap_count;
    uint64_t latest_ns;     /* of the latest push */
    uint64_t tenth;         /* fps: the latest tenth of a second, and ... */
    uint16_t per_tenth[11]; /* ... frames shown in each of the latest */
    uint16_t padding[SQ_VP8_PADDING_KEPT];
    uint8_t padding_at, padding_count;
    uint8_t head, count; /* of pending */
    bool have_seq;       /* newest_seq is set */
    bool have_last;      /* last_timestamp is set */
    bool decoding;       /* a key frame was decoded: `last` is set */
    bool have_shown;     /* shown_ns is set */
    uint16_t newest_seq;
    uint32_t last_timestamp; /* of the latest frame shown or given up */
    uint32_t old_in_a_row;
    struct sq_vp8_pending last; /* the latest frame decoded */
};

/* `blocked_after_ns`: how long a frame may wait for what it needs before a key frame is asked for
 * (Chromium: 200 ms or more). on_frame may be NULL; it is called from within push, in decode
 * order. */
void sq_vp8_assembler_init(struct sq_vp8_assembler *a, uint64_t blocked_after_ns,
                           sq_vp8_on_frame on_frame, void *ctx);

/* A packet as it came: the payload with its descriptor. An empty payload is padding. RTX is taken
 * off before. SQ_ERR_FORMAT or SQ_ERR_TRUNCATED for what is not VP8 (counted, and otherwise left
 * alone). */
int sq_vp8_assembler_push(struct sq_vp8_assembler *a, uint64_t now_ns, uint16_t seq,
                          uint32_t timestamp, bool marker, const uint8_t *payload,
                          size_t len) SQ_MUST_USE;

/* When a key frame should be asked for unless something arrives: SQ_NEVER while nothing waits; a
 * time in the past means now. The caller sends PLI and bounds how often. */
uint64_t sq_vp8_assembler_key_due_ns(const struct sq_vp8_assembler *a);
static inline bool sq_vp8_assembler_needs_key(const struct sq_vp8_assembler *a, uint64_t now_ns)
{
    return sq_vp8_assembler_key_due_ns(a) <= now_ns;
}
/* Frames shown in the latest whole second (W3C framesPerSecond). */
double sq_vp8_assembler_fps(const struct sq_vp8_assembler *a, uint64_t now_ns);
/* How long the picture has stood still by now beyond what W3C calls a freeze, and is not yet
 * counted in the stats (W3C counts a freeze when it ends): 0, or the time since the latest frame.
 */
uint64_t sq_vp8_assembler_open_freeze_ns(const struct sq_vp8_assembler *a, uint64_t now_ns);
/* The stream pauses on purpose (muted, direction changed): the interval to the next frame is no
 * freeze. */
void sq_vp8_assembler_pause(struct sq_vp8_assembler *a);
/* Another source begins (a new SSRC, or numbers that began anew): frames under way are given up,
 * the next one to be shown is a key frame. The interval to it counts as any other. */
void sq_vp8_assembler_restart(struct sq_vp8_assembler *a);

/* ---- collecting the bytes, for those who want the bitstream ---- */

struct sq_vp8_collector; /* about 1.6 MB: SQ_VP8_WINDOW_PACKETS payloads */

/* SQ_ERR_NOMEM. Owned by the caller. */
int sq_vp8_collector_new(struct sq_vp8_collector **ret_collector) SQ_MUST_USE;
void sq_vp8_collector_free(struct sq_vp8_collector *c);
/* Keeps a packet's bytes (copied); call it before sq_vp8_assembler_push. What is not VP8 or longer
 * than 1,536 bytes is left out. */
void sq_vp8_collector_push(struct sq_vp8_collector *c, uint16_t seq, const uint8_t *payload,
                           size_t len);
/* The bitstream of a frame that on_frame was just told of. SQ_ERR_NOTFOUND if a packet of it is no
 * longer held, SQ_ERR_NOSPACE. */
int sq_vp8_collector_frame(const struct sq_vp8_collector *c, const struct sq_vp8_frame *frame,
                           uint8_t *out, size_t room, size_t *ret_len) SQ_MUST_USE;

#endif
