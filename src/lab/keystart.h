/* Where a viewer may be started, or moved to another layer: at the first packet of a key frame.
 *
 * With H.264 that is the packet with the sequence parameter set, alone or in a STAP-A, which stands
 * in front of the packets of the IDR picture and has their time-stamp (RFC 6184, sections 5.6 and
 * 5.7.1): without it none of them can be decoded. A stream that has its parameter sets in its
 * description only (section 8.1, sprop-parameter-sets) begins with the IDR picture itself. */
#ifndef SQ_LAB_KEYSTART_H
#define SQ_LAB_KEYSTART_H

#include "media/depacket.h"

/* Of a source. */
struct sq_lab_keys {
    bool sets; /* H.264: parameter sets come with its packets */
    uint32_t sets_ts;
};

enum sq_lab_key {
    SQ_LAB_KEY_START = 1 << 0, /* begin here */
    SQ_LAB_KEY_CAME = 1 << 1,  /* it is a key frame */
    SQ_LAB_KEY_SOON = 1 << 2,  /* of a picture with parameter sets: a packet behind it may tell */
};

/* Flags of enum sq_lab_key for a packet of video. `newest`: no packet behind it came before it.
 * START without CAME is a promise of the parameter sets alone, which may be repeated in front of
 * any picture. */
unsigned sq_lab_key_look(struct sq_lab_keys *keys, const struct sq_media_packet *packet,
                         bool newest);

#endif
