/* VP9 in clips, over RTP (RFC 9628) and in files. "The specification" is the VP9 Bitstream &
 * Decoding Process Specification, version 0.6. */
#ifndef SQ_MEDIA_VP9_H
#define SQ_MEDIA_VP9_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_VP9_FRAMES_MAX 8 /* of a superframe */
#define SQ_VP9_INDEX_MAX  (2 + 4 * SQ_VP9_FRAMES_MAX)
#define SQ_VP9_REFS       8

/* The index of a superframe of n frames (1 to 8) of these sizes (the specification, annex B);
 * returns its length. */
size_t sq_vp9_index_write(const uint32_t *sizes, unsigned n, uint8_t out[static SQ_VP9_INDEX_MAX]);

/* The sizes of the pictures that a decoder would hold, for what a header says by reference to them.
 * All zero before the first key frame; plain data. */
struct sq_vp9_refs {
    uint16_t width[SQ_VP9_REFS], height[SQ_VP9_REFS]; /* 0: not known */
};

/* The whole of a frame's uncompressed header (the specification, section 6.2). */
struct sq_vp9_header {
    bool existing; /* shows a frame that was decoded earlier: all below is 0, but for `show` */
    bool key, show, resilient;
    bool intra;             /* key, or intra_only */
    uint8_t refresh;        /* bit n: the frame is kept as reference n */
    uint16_t width, height; /* of the decoded picture */
    uint16_t show_bit;      /* where show_frame stands */
    uint16_t len_bits;      /* without the bits that fill the last byte */
};

/* SQ_ERR_TRUNCATED; SQ_ERR_FORMAT, also where a size is that of a reference which is not known. */
int sq_vp9_header_parse(const uint8_t *frame, size_t len, const struct sq_vp9_refs *refs,
                        struct sq_vp9_header *ret_header) SQ_MUST_USE;

#define SQ_VP9_SHOW_GROWS_MAX (SQ_VP9_FRAMES_MAX + SQ_VP9_INDEX_MAX)

/* A superframe of spatial layers with its uppermost frame alone shown, as files have it: a decoder
 * that shows what it is told to (FFmpeg's, hardware's) makes one picture of it, the one that libvpx
 * makes of either. Frames of one layer, and what cannot be changed without being decoded otherwise,
 * come out as they were. Every frame of a stream has to go through it, from a key frame on: `refs`
 * goes with them. `out` has room for `len` and SQ_VP9_SHOW_GROWS_MAX bytes more; returns the
 * length. The size of what is shown is 0 where it is not known. */
size_t sq_vp9_show_top(struct sq_vp9_refs *refs, const uint8_t *bytes, size_t len, uint8_t *out,
                       uint16_t *ret_width, uint16_t *ret_height);

#endif
