/* The time-tag: when a frame was meant to be sent, written where a server that forwards media
 * leaves it alone and a decoder does not look. It tells the one-way latency of a frame through a
 * server that knows nothing of it. docs/latency.md.
 *
 * 12 bytes:
 *   0  magic 0xFA
 *   1  wall clock, microseconds, 48 bits (of UTC; wraps in 8.9 years)
 *   7  clock: 16 bits that are the same for programs that read the same clock; 0: not known
 *   9  bound of that clock's error, (8 + low three bits) << (high five bits) microseconds; 0xFF:
 * not known 10  CRC-16 (CCITT, initial value 0xFFFF) of all before
 *
 * Where it stands:
 *   Opus   in the padding of the packet (RFC 6716, section 3.2.5), which is made one of code 3 for
 *          it. Decoders accept any value there; encoders are told to write zeros.
 *   VP8    after the last partition, at the end of the frame's last packet: the last partition
 *          reaches to the end of the frame (RFC 6386, section 9.5), and its decoder stops where its
 *          symbols end.
 *   VP9    behind the last tile, which reaches to the end of the frame, and before the index of a
 *          superframe (VP9 bitstream specification, annex B), which the frame gets for it: without
 *          one libvpx takes what is left for another frame. The index of an upper spatial layer
 *          tells of the layers below as well, for who puts them one behind the other.
 *   H.264  a SEI message "user data unregistered" (ITU-T H.264, section D.1.7) with a UUID of
 *          Squall's own, before the first slice of the access unit.
 *   AV1    a metadata OBU of a type that is left to users (AV1 specification, section 6.7.1),
 * before the frame. The last three are cut into the clip's payloads as if its encoder had written
 * them (sq_clip_open_with), with room for the tag that each sender fills in. */
#ifndef SQ_MEDIA_TIMETAG_H
#define SQ_MEDIA_TIMETAG_H

#include "media/codec.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_TIMETAG_BYTES     12
#define SQ_TIMETAG_GROWS_MAX 16 /* bytes that a packet may grow by */
#define SQ_TIMETAG_UNKNOWN   UINT64_MAX

struct sq_timetag {
    uint64_t wall_us;  /* 48 bits */
    uint16_t clock;    /* 0: not known */
    uint64_t error_us; /* bound of the clock's error, rounded up; SQ_TIMETAG_UNKNOWN */
};

void sq_timetag_write(const struct sq_timetag *tag, uint8_t out[static SQ_TIMETAG_BYTES]);
/* False if there is none in these 12 bytes. */
bool sq_timetag_read(const uint8_t in[static SQ_TIMETAG_BYTES], struct sq_timetag *ret_tag);

/* By how much an RTP payload of this codec grows to carry a tag; 0: this one carries none (not the
 * frame's last packet, a codec without a place, a packet whose padding is taken). `payload` may
 * begin with a payload descriptor, which is left alone. */
size_t sq_timetag_grows(enum sq_codec codec, bool last, const uint8_t *payload, size_t len);
/* Puts the tag into a payload for which sq_timetag_grows was not 0; the buffer has room for so much
 * more. Returns the new length. The same tag and payload make the same bytes. */
size_t sq_timetag_put(enum sq_codec codec, const struct sq_timetag *tag, uint8_t *payload,
                      size_t len);
/* Looks for a tag in a payload as it came. `last`: the RTP marker (video). */
bool sq_timetag_find(enum sq_codec codec, bool last, const uint8_t *payload, size_t len,
                     struct sq_timetag *ret_tag);

/* ---- Room that a clip leaves ---- */

#define SQ_TIMETAG_ROOM_MAX 48

/* Whether clips leave room for tags of this codec. */
bool sq_timetag_has_room(enum sq_codec codec);
/* What the clip has in each frame: of H.264 a NAL unit, of AV1 a metadata OBU without its header,
 * of VP9 the bytes of the tag. Returns their number; 0 for another codec. */
size_t sq_timetag_room(enum sq_codec codec, uint8_t out[static SQ_TIMETAG_ROOM_MAX]);
/* Where in a payload out of the clip (of VP9 without descriptor) that room is, still empty; 0: it
 * has none. */
size_t sq_timetag_room_at(enum sq_codec codec, const uint8_t *payload, size_t len);
/* Whether an OBU (with or without its size) is that room, filled or not. */
bool sq_timetag_is_obu(const uint8_t *obu, size_t len);
/* Fills it; `at` is where it begins. */
void sq_timetag_fill(enum sq_codec codec, const struct sq_timetag *tag, uint8_t *at);

/* From the tag's time until `wall_us`, microseconds, the shorter way round 48 bits. */
int64_t sq_timetag_age_us(const struct sq_timetag *tag, uint64_t wall_us);

#endif
