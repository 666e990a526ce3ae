/* A sender's walk through a track of a clip, in loops, and from step to step of its ladder. It
 * holds the place, the timeline and the PictureID of one sender; the bytes belong to the clip and
 * are shared. No allocation. */
#ifndef SQ_MEDIA_SOURCE_H
#define SQ_MEDIA_SOURCE_H

#include "base/rand.h"
#include "media/clip.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_SOURCE_HEAD_MAX 48
#define SQ_SOURCE_EXT_MAX  SQ_CLIP_DD_MAX
#define SQ_SOURCE_TOPS     4 /* changes of spatial layers after which packets can be made again */
#define SQ_SOURCE_SLOTS    1024 /* frames whose packets can be made again */

enum sq_source_flags {
    /* Adds TL0PICIDX and TID 0 to VP8 that has no temporal layers; a ladder that has them carries
     * them always. Without it, a 15-bit PictureID only, as Chromium does with one layer. */
    SQ_SOURCE_TL0PICIDX = 1,
};

struct sq_source_packet {
    uint8_t head[SQ_SOURCE_HEAD_MAX]; /* payload descriptor, to be sent in front of the fragment */
    /* AV1 and VP9: the dependency descriptor, a header extension. 3 bytes; more with a key frame,
     * and where they are above 16 only the two-byte form can carry them (RFC 8285, section 4.3). */
    uint8_t ext[SQ_SOURCE_EXT_MAX];
    uint8_t head_len; /* 0: none */
    uint8_t ext_len;  /* 0: none */
    uint8_t level;    /* audio: -dBov for RFC 6464 */
    uint8_t tid, sid; /* layers, temporal and spatial (video) */
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
    const struct sq_clip_track *track;      /* borrowed: outlives the source */
    const struct sq_clip_track *want_track; /* another step, from the next frame slot on; or NULL */
    uint64_t start_ns;                      /* when tick 0 is due */
    uint64_t due_ns;                        /* when the packet at hand is due */
    uint64_t ticks;                         /* of the frame at hand */
    uint64_t skew;                          /* timeline minus the clip's own time, modulo 2^64 */
    uint32_t packet;                        /* number of the packet at hand */
    uint32_t frame;                         /* its frame */
    uint32_t slot; /* frames begun so far: PictureID = picture_id0 + slot */
    uint16_t picture_id0;
    uint8_t tl0; /* TL0PICIDX of the latest frame of the base layer that was begun */
    uint8_t flags;
    uint8_t max_tid;           /* temporal layers above it are left out */
    uint8_t want_tid;          /* what max_tid rises to, where a layer can be begun */
    uint8_t max_sid, want_sid; /* the same of spatial layers: less with the next picture */
    struct {
        uint32_t slot;
        uint8_t sid;
    } tops[SQ_SOURCE_TOPS]; /* max_sid since that slot, the latest change first */
    uint8_t red_pt;         /* Opus: payload type in the blocks of RFC 2198; 0: no redundancy */
    bool want_key;
    uint32_t key_frames;                 /* begun */
    uint32_t jumps;                      /* key frames that were asked for and came out of turn */
    uint32_t steps;                      /* changes of the ladder's step */
    uint64_t base[SQ_SOURCE_SLOTS / 64]; /* a bit a slot: its frame was of the base layer */
};

/* Starts at a key frame drawn at random and within one frame time after start_ns, so that many
 * senders do not send their key frames together. PictureID and TL0PICIDX start at random (RFC 7741,
 * section 4.2). All temporal layers are sent. */
void sq_source_init(struct sq_source *s, const struct sq_clip_track *track, unsigned flags,
                    uint64_t start_ns, struct sq_rand *rand);
/* Starts beside another source of the same ladder, as one simulcast encoding beside another: the
 * same picture at the same times, with a PictureID of its own. `other` has sent nothing yet. */
void sq_source_init_beside(struct sq_source *s, const struct sq_clip_track *track, unsigned flags,
                           const struct sq_source *other, struct sq_rand *rand);

/* Goes on with the numbers of another source, which has sent until now, of whatever clip:
 * PictureIDs, frame numbers and TL0PICIDX have no gap. Before it sends. Packets of `before` cannot
 * be made again by it. */
void sq_source_go_on_from(struct sq_source *s, const struct sq_source *before);

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

/* Moves to another step of the ladder: from the next frame slot on, with the key frame nearest to
 * it; PictureIDs and timestamps go on without a jump. The step at hand takes back one that was
 * wanted and has not come yet. A track that is not of the same ladder is ignored. */
void sq_source_set_step(struct sq_source *s, const struct sq_clip_track *step);
/* The step that is sent, or will be from the next frame on. */
static inline const struct sq_clip_track *sq_source_step(const struct sq_source *s)
{
    return s->want_track ? s->want_track : s->track;
}

/* Goes on with another encoding of the same sound, from the next packet on: Opus with in-band FEC
 * or without. Time-stamps go on without a jump. A track that is not of the same codec and channels
 * is ignored. */
void sq_source_set_twin(struct sq_source *s, const struct sq_clip_track *twin);

/* Leaves temporal layers above `tid` out, so that the frame rate falls. Less holds from the next
 * frame; more from where a decoder can follow: a key frame, or a frame of the next layer that
 * refers to the base layer alone. */
void sq_source_set_max_tid(struct sq_source *s, unsigned tid);

/* Leaves spatial layers above `sid` out, so that the picture gets smaller. Less holds from the next
 * picture; more from a key frame, which the next one is then. */
void sq_source_set_max_sid(struct sq_source *s, unsigned sid);
/* Which of `tops` holds for a slot. */
static inline unsigned sq_source_top_index(const struct sq_source *s, uint32_t slot)
{
    unsigned i = 0;
    while (i + 1 < SQ_SOURCE_TOPS && (int32_t)(slot - s->tops[i].slot) < 0) {
        i++;
    }
    return i;
}
/* The highest spatial layer of `t` that was sent in a slot, and of the frame at hand. */
static inline unsigned sq_source_top_at(const struct sq_source *s, const struct sq_clip_track *t,
                                        uint32_t slot)
{
    unsigned top = s->tops[sq_source_top_index(s, slot)].sid;
    return top < t->spatial_layers ? top : t->spatial_layers - 1U;
}
static inline unsigned sq_source_top(const struct sq_source *s)
{
    return s->max_sid < s->track->spatial_layers ? s->max_sid : s->track->spatial_layers - 1U;
}

/* Opus: each packet carries the one before it as well (RFC 2198, as Chromium does it), both as of
 * payload type `opus_pt`; 0 ends that. Such packets are sent with the payload type of red. */
void sq_source_set_red(struct sq_source *s, unsigned opus_pt);

/* Moves on to the first frame slot that is due after now_ns without sending what lies between, as
 * after a mute or a stall that nobody wants to hear; a video goes on with a key frame. */
void sq_source_skip(struct sq_source *s, uint64_t now_ns);

/* Makes a packet again that sq_source_next gave, for an answer to NACK: head, fragment, marker,
 * level and flags are the same. `cookie` and `ticks` (modulo 2^32 is enough) are what that packet
 * had; due_ns is not known and comes out 0. True for the latest 1,023 frames, whatever
 * step they were of; SQ_ERR_NOTFOUND for a cookie that this source never gave, or too long ago. */
int sq_source_repeat(const struct sq_source *s, uint32_t cookie, uint64_t ticks,
                     struct sq_source_packet *ret_packet) SQ_MUST_USE;

#endif
