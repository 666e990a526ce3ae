/* What an RTP packet of video says of its frame, for all codecs with one set of words: does it
 * begin one, is it of a key frame, of which layer, which frames does it refer to, how large is the
 * picture. VP8 (RFC 7741), VP9 (RFC 9628), H.264 (RFC 6184), AV1 (AOM's RTP payload format, with
 * the dependency descriptor). It looks at headers alone and keeps no payload.
 *
 * A "picture" is all that has one RTP time-stamp: a frame with all its spatial layers. */
#ifndef SQ_MEDIA_DEPACKET_H
#define SQ_MEDIA_DEPACKET_H

#include "base/err.h"
#include "media/codec.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A packet as it came out of SRTP; an empty payload is padding. RTX and FEC are taken off before.
 */
struct sq_media_packet {
    uint64_t now_ns; /* arrival */
    const uint8_t *payload;
    size_t len;
    const uint8_t *dd; /* AV1 dependency descriptor extension; NULL without one */
    size_t dd_len;
    uint32_t timestamp; /* RTP */
    uint16_t seq;
    bool marker;
    bool red; /* audio: the payload is that of RFC 2198, with `codec` in its blocks */
    enum sq_codec codec;
};

enum sq_part_flag {
    SQ_PART_BEGIN = 1 << 0,     /* the first packet of its picture */
    SQ_PART_MAY_BEGIN = 1 << 1, /* it is, if the packet before it is of another picture */
    SQ_PART_KEY = 1 << 2,       /* of a key picture */
    SQ_PART_SYNC = 1 << 3, /* VP8 Y, VP9 U: of the base layer's pictures the latest is enough */
    SQ_PART_HAS_ID = 1 << 4,
    SQ_PART_HAS_TL0 = 1 << 5,
    SQ_PART_HAS_REFS = 1 << 6, /* refs is all that it refers to */
    SQ_PART_SETS = 1 << 7,     /* H.264: brings a sequence parameter set, or its front */
};

#define SQ_PART_REFS_MAX 32 /* how far back a reference may lie to be followed */

struct sq_part {
    uint8_t flags;
    uint8_t id_bits; /* the width of id: 7, 15 or 16 */
    uint8_t tid, sid;
    uint8_t tl0;            /* TL0PICIDX */
    uint16_t id;            /* PictureID; frame_number of a dependency descriptor */
    uint16_t width, height; /* 0: not told in this packet */
    uint16_t body_at;       /* where in the payload the bitstream begins */
    uint32_t refs;          /* bit n: refers to id - 1 - n */
};

/* What a stream told once and later packets go by: the groups of pictures of VP9, the templates of
 * a dependency descriptor. Made when the stream first tells it. */
struct sq_depacket_state;
void sq_depacket_state_free(struct sq_depacket_state *state);

/* Reads the headers of a packet that is not empty. *state is NULL at first and owned by the caller;
 * without memory for it references are not followed. SQ_ERR_TRUNCATED, SQ_ERR_FORMAT,
 * SQ_ERR_UNSUPPORTED for a kind of packet that no WebRTC sender sends (H.264 STAP-B, MTAP, FU-B) or
 * a codec that is not video. */
int sq_depacket(const struct sq_media_packet *packet, struct sq_depacket_state **state,
                struct sq_part *ret_part) SQ_MUST_USE;

/* ---- the parts of it, by codec ---- */

/* RFC 9628, section 4.2. -1 stands for "not there". */
struct sq_vp9_descriptor {
    int32_t picture_id; /* 7 or 15 bits */
    int16_t tl0_pic_idx;
    int8_t tid, sid;
    bool wide;        /* the PictureID has 15 bits */
    bool inter;       /* P: refers to earlier pictures */
    bool flexible;    /* F */
    bool begins;      /* B: of a frame, that is, of one spatial layer */
    bool ends;        /* E */
    bool up;          /* U: switching up point */
    bool inter_layer; /* D */
    bool discardable; /* Z: no upper layer refers to it */
    uint8_t n_diffs;
    uint8_t diffs[3];             /* P_DIFF */
    uint8_t n_spatial;            /* of the scalability structure, 0 without one */
    uint8_t n_gof;                /* pictures of its group; 0: none told */
    uint16_t width[8], height[8]; /* 0: not told */
    uint8_t len_bytes;            /* of the descriptor */
    uint16_t gof_at;              /* where in the payload the pictures of the group stand */
};
int sq_vp9_descriptor_parse(const uint8_t *payload, size_t len,
                            struct sq_vp9_descriptor *ret_descriptor) SQ_MUST_USE;

/* The front of the uncompressed header of a VP9 frame (VP9 bitstream specification, section 6.2).
 * Width and height are 0 unless it is a key frame. */
struct sq_vp9_frame_header {
    bool key, show;
    uint16_t width, height;
};
int sq_vp9_frame_header_parse(const uint8_t *frame, size_t len,
                              struct sq_vp9_frame_header *ret_header) SQ_MUST_USE;

/* Picture size of a sequence parameter set (ITU-T H.264, section 7.3.2.1.1), cropping taken off.
 * nal begins with the NAL unit's header. */
int sq_h264_sps_size(const uint8_t *nal, size_t len, uint16_t *ret_width,
                     uint16_t *ret_height) SQ_MUST_USE;

/* Largest picture size of a sequence header (AV1 specification, section 5.5); obu without its
 * header. */
int sq_av1_sequence_size(const uint8_t *obu, size_t len, uint16_t *ret_width,
                         uint16_t *ret_height) SQ_MUST_USE;

/* A value of the AV1 specification's leb128(), section 4.10.5: its bytes (1 to 8), 0 if it is cut
 * off or above 32 bits. */
size_t sq_leb128_read(const uint8_t *at, size_t len, uint32_t *ret_value);

/* The elements of an AV1 packet (RTP payload format for AV1, section 4.4), one after the other. */
struct sq_av1_elements {
    const uint8_t *at; /* borrowed */
    size_t left;
    unsigned count;    /* W: how many there are, 0: each has its length */
    unsigned index;    /* of the element given last, from 1 */
    bool continues;    /* Z: the first one continues the packet before */
    bool goes_on;      /* Y: the last one goes on in the next packet */
    bool new_sequence; /* N */
};
int sq_av1_elements_begin(const uint8_t *payload, size_t len,
                          struct sq_av1_elements *ret_elements) SQ_MUST_USE;
/* 1 and an element, 0 at the end, SQ_ERR_TRUNCATED or SQ_ERR_FORMAT. */
int sq_av1_elements_next(struct sq_av1_elements *e, const uint8_t **ret_element, size_t *ret_len);

enum { SQ_OBU_SEQUENCE_HEADER = 1, SQ_OBU_TEMPORAL_DELIMITER = 2 };
/* Header of an OBU (AV1 specification, section 5.3.2): its length, 1 or 2, then 1 to 8 more where
 * it has a size field; 0 if it is cut off. */
size_t sq_obu_header(const uint8_t *obu, size_t len, unsigned *ret_type, bool *ret_has_size,
                     uint32_t *ret_size);

/* Mandatory fields of a dependency descriptor and what its template says (RTP payload format for
 * AV1, appendix A). */
struct sq_dd {
    bool start_of_frame, end_of_frame;
    bool structure; /* it brings templates: the first packet of a key frame */
    uint16_t frame_number;
    uint8_t sid, tid;
    uint16_t width, height; /* of the frame's spatial layer, where resolutions are told; else 0 */
    uint8_t n_fdiffs;
    uint16_t fdiffs[8]; /* those beyond are left out, and `more` is set */
    bool more;
};
/* Takes templates into *state (made where there is none). SQ_ERR_NOTFOUND for a template that is
 * not known, SQ_ERR_NOMEM, SQ_ERR_TRUNCATED, SQ_ERR_FORMAT. */
int sq_dd_parse(const uint8_t *bytes, size_t len, struct sq_depacket_state **state,
                struct sq_dd *ret_dd) SQ_MUST_USE;

#endif
