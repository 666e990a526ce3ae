/* Whole frames, bytes and all, of any codec, out of packets in any order: for decoders, recordings
 * and tests. Video frames come in decode order, and only those that can be decoded; audio packets
 * come in the order of their numbers, each once. (Who only wants to know what a viewer saw uses
 * media/frame_buffer.h, which keeps no bytes.) */
#ifndef SQ_MEDIA_FRAMES_H
#define SQ_MEDIA_FRAMES_H

#include "base/err.h"
#include "media/codec.h"
#include "media/depacket.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_FRAMES_AUDIO_WAIT_MS 100 /* for an audio packet that is missing */

struct sq_media_frame {
    enum sq_codec codec;
    /* A VP8 frame; a VP9 frame, or a superframe where there are spatial layers; an access unit of
     * H.264 as Annex B has it, with start codes; a temporal unit of AV1 as low-overhead OBU stream,
     * its temporal delimiter first; an audio packet's payload. Borrowed for the call. */
    const uint8_t *bytes;
    size_t len;
    uint32_t timestamp;     /* RTP */
    bool key;               /* true for audio */
    bool restored;          /* audio: out of the redundancy of a later packet */
    uint16_t width, height; /* video: the latest that were told */
    uint8_t tid, sid;
    uint16_t first_seq, last_seq;
    uint32_t missing_before;  /* audio: packets given up between the one before and this one */
    uint64_t first_packet_ns; /* arrival of its first packet */
    uint64_t now_ns;          /* arrival of the packet that made it complete and decodable */
};

/* Within it sq_frames may not be called. */
typedef void (*sq_frames_fn)(void *ctx, const struct sq_media_frame *frame);

struct sq_frames;

/* SQ_ERR_NOMEM. One for each track. A packet's bytes are kept until its frame is told, at most
 * those of 1,024 packets. */
int sq_frames_new(sq_frames_fn on_frame, void *ctx, struct sq_frames **ret_frames) SQ_MUST_USE;
void sq_frames_free(struct sq_frames *f);
/* From now on time-tags of AV1 are left out, as for files: dav1d before 1.1 prints a line for each
 * ("Unknown Metadata OBU type") and goes on. */
void sq_frames_strip_tags(struct sq_frames *f);

/* Takes a packet (its bytes are copied), as struct sq_peer_ops's `rtp` tells it; on_frame may come
 * from within. The codec may change from one packet to the next. What cannot be read is left out.
 * SQ_ERR_NOMEM where a frame is lost for want of memory. */
int sq_frames_push(struct sq_frames *f, const struct sq_media_packet *packet) SQ_MUST_USE;
/* Tells the audio packets that wait for a missing one. */
void sq_frames_flush(struct sq_frames *f);

/* What the tracker inside knows of a video stream. */
const struct sq_frame_stats *sq_frames_stats(const struct sq_frames *f);

#endif
