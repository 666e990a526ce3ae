/* Between the file's parser and what is built from it. */
#ifndef SQ_MEDIA_CLIP_INT_H
#define SQ_MEDIA_CLIP_INT_H

#include "base/err.h"
#include "media/clip.h"

/* What a codec says of a frame's bytes. */
struct sq_clip_look {
    bool key;
    uint16_t width, height; /* 0: the frame does not tell */
};

/* Cuts a track: once to count, and once to fill in what was counted. */
struct sq_cutter {
    struct sq_clip_track *track;
    const uint8_t *bytes; /* the track's data in the file */
    size_t payload_max_bytes;
    uint32_t packets;    /* so far */
    uint64_t made_bytes; /* so far */
    uint64_t begun_at;   /* in `made`: where the payload at hand begins */
    bool fill;           /* the tables are there, and are filled */
    bool unfit;          /* something that cannot be cut is longer than a payload may be */
    uint8_t sid;         /* of the row at hand */
    uint32_t frame;      /* the picture at hand */
    bool tags;           /* leave room for time-tags */
    uint8_t layers_len;  /* of the picture at hand, VP9: its layers so far, with the tags' room */
    uint32_t layers[SQ_CLIP_LAYERS_MAX];
};

/* A codec of clips. */
struct sq_clip_format {
    /* SQ_ERR_FORMAT if the bytes are no frame of the codec. */
    int (*look)(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look);
    /* Cuts one row of the index into payloads, by the functions below. */
    void (*cut)(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags);
    bool makes;           /* payloads are written anew, into the track's `made` */
    const char *frame_is; /* "a VP8 frame" */
};
/* NULL for a codec that clips do not hold. */
const struct sq_clip_format *sq_clip_format(enum sq_codec codec);

/* A payload that is `len` bytes of the file, at `offset` of the track's data. */
void sq_cut_take(struct sq_cutter *c, uint32_t offset, uint32_t len);
/* Row into fragments of one length, the last a little shorter: nearly equal, as libwebrtc cuts
 * them, and in the shape that the kernel segments by itself (UDP_SEGMENT). The first is shorter by
 * `first_less`. */
void sq_cut_even(struct sq_cutter *c, uint32_t offset, uint32_t len, size_t most_bytes,
                 size_t first_less);
/* A payload that is made: put its bytes, then end it. */
void sq_cut_put(struct sq_cutter *c, const void *bytes, size_t len);
void sq_cut_end(struct sq_cutter *c);
/* The bytes that were put since, cut as sq_cut_even does it. */
void sq_cut_end_even(struct sq_cutter *c, size_t most_bytes, size_t first_less);

/* A row of the index, as it stands in the file. */
struct sq_clip_row {
    uint32_t offset, len_bytes, ticks;
    uint8_t flags, level, tid, sid;
};
#define SQ_CLIP_ROW_BYTES 16
struct sq_clip_row sq_clip_row(const uint8_t *index, uint32_t i);

/* Cuts all rows of a track, whose frames table is filled, into payloads of at most
 * `payload_max_bytes`, with room for time-tags where asked; fills first_packet and packets of each
 * frame, the packets and the key table. SQ_ERR_UNSUPPORTED past SQ_CLIP_PACKETS_MAX, SQ_ERR_NOSPACE
 * where a NAL unit fits no packet, SQ_ERR_NOMEM. */
int sq_clip_cut(struct sq_clip_track *t, const uint8_t *index, uint32_t rows,
                size_t payload_max_bytes, bool tags) SQ_MUST_USE;

/* The codecs: see struct sq_clip_format. `tell` fills in what a key frame tells of its layers, once
 * the track's head is known; `step` counts within the ladder. */
int sq_h264_look(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look);
void sq_h264_cut(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags);
int sq_vp9_look(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look);
void sq_vp9_cut(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags);
void sq_vp9_tell(struct sq_clip_track *t);
int sq_av1_look(const uint8_t *bytes, size_t len, struct sq_clip_look *ret_look);
void sq_av1_cut(struct sq_cutter *c, uint32_t offset, uint32_t len, unsigned flags);

/* The dependency descriptor (dd_write.c). The structure of a track; `step` counts within its
 * ladder: another step has other template ids, so that they cannot be taken for these. Nothing for
 * layers that it cannot describe. */
void sq_dd_tell(struct sq_clip_track *t, unsigned step);
struct sq_dd_frame {
    const struct sq_clip_frame *frame;
    unsigned sid;
    uint16_t number; /* frame_number */
    unsigned
        active_layers; /* spatial ones that are sent, told in this packet; 0: nothing is told */
    bool begins, ends;
    bool structure; /* of the first packet of a key picture */
};
/* Of a packet of a track whose dd_bits is not 0; its length. */
size_t sq_dd_write(const struct sq_clip_track *t, const struct sq_dd_frame *f,
                   uint8_t out[static SQ_CLIP_DD_MAX]);

/* Width or height of a spatial layer: each is twice the one below. */
static inline unsigned sq_clip_layer_size(const struct sq_clip_track *t, unsigned sid,
                                          unsigned size)
{
    unsigned shift = t->spatial_layers - 1U - sid;
    return (size + (1U << shift) - 1) >> shift;
}

/* Reads and checks all of c->map; `c` is freed by the caller in any case. */
int sq_clip_parse(struct sq_clip *c, size_t payload_max_bytes, char *why) SQ_MUST_USE;

#endif
