/* A sender's walk through a track of a clip, in loops. It holds the place, the timeline and the
 * PictureID of one sender; the bytes belong to the clip and are shared. No allocation. */
#ifndef SQ_MEDIA_SOURCE_H
#define SQ_MEDIA_SOURCE_H

#include "base/rand.h"
#include "media/clip.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_SOURCE_HEAD_MAX 8

enum sq_source_flags {
    /* Adds TL0PICIDX and TID 0, as Chromium does with temporal layers; without it, a 15-bit
     * PictureID only, as Chromium does with one layer. */
    SQ_SOURCE_TL0PICIDX = 1,
};

struct sq_source_packet {
    uint8_t head[SQ_SOURCE_HEAD_MAX]; /* payload descriptor, to be sent in front of the fragment */
    uint8_t head_len;                 /* 0 for audio */
    uint8_t level;                    /* audio: -dBov for RFC 6464 */
    uint16_t fragment_len;
    const uint8_t *fragment; /* borrowed from the clip */
    uint64_t ticks;          /* clock units since the source's beginning; never falls. The RTP
                                timestamp is a random start + (uint32_t)ticks */
    uint64_t due_ns;         /* when it was meant to be sent: lateness counts from here */
    uint32_t cookie;         /* makes the same packet again: sq_source_repeat */
    bool marker;             /* the RTP marker bit */
    bool key;                /* of a key frame (video) */
    bool begin;              /* first packet of its frame */
    bool voice;              /* audio: voice activity */
};

struct sq_source {
    const struct sq_clip_track *track; /* borrowed: outlives the source */
    uint64_t start_ns;                 /* when tick 0 is due */
    uint64_t due_ns;                   /* when the packet at hand is due */
    uint64_t ticks;                    /* of the frame at hand */
    uint64_t skew;                     /* timeline minus the clip's own time, modulo 2^64 */
    uint32_t packet;                   /* number of the packet at hand */
    uint32_t frame;                    /* its frame */
    uint32_t slot;                     /* frames begun so far: PictureID = picture_id0 + slot */
    uint16_t picture_id0;
    uint8_t tl0_0; /* TL0PICIDX = tl0_0 + slot */
    uint8_t flags;
    bool want_key;
    uint32_t key_frames; /* begun */
    uint32_t jumps;      /* key frames that were asked for and came out of turn */
};

/* Starts at a key frame drawn at random and within one frame time after start_ns, so that many
 * senders do not send their key frames together. PictureID and TL0PICIDX start at random (RFC 7741,
 * section 4.2). */
void sq_source_init(struct sq_source *s, const struct sq_clip_track *track, unsigned flags,
                    uint64_t start_ns, struct sq_rand *rand);

/* When the next packet is due. */
static inline uint64_t sq_source_due_ns(const struct sq_source *s)
{
    return s->due_ns;
}

/* Hands out the next packet if it is due by now_ns. All packets of a frame are due at once. Nothing
 * is skipped after a stall: due_ns tells how late each is. */
bool sq_source_next(struct sq_source *s, uint64_t now_ns, struct sq_source_packet *ret_packet);

/* A key frame is sent at the next frame slot (the nearest one in the clip, forward or back);
 * PictureID and timestamps go on without a jump. For audio it does nothing. */
void sq_source_request_key_frame(struct sq_source *s);

/* Moves on to the first frame slot that is due after now_ns without sending what lies between, as
 * after a mute or a stall that nobody wants to hear; a video goes on with a key frame. */
void sq_source_skip(struct sq_source *s, uint64_t now_ns);

/* Makes a packet again that sq_source_next gave, for an answer to NACK: head, fragment, marker,
 * level and flags are the same. `cookie` and `ticks` (modulo 2^32 is enough) are what that packet
 * had; due_ns is not known and comes out 0. True for the latest 4,095 frames; SQ_ERR_NOTFOUND for a
 * cookie that this source never gave. */
int sq_source_repeat(const struct sq_source *s, uint32_t cookie, uint64_t ticks,
                     struct sq_source_packet *ret_packet) SQ_MUST_USE;

#endif
