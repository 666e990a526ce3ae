/* A clip: encoded audio and video, ready to be sent, in a file of Squall's own (.sqclip). The file
 * is mapped read-only once, checked once and cut into RTP payloads once, whatever the number of
 * peers; after that it is constant and may be read from any thread.
 *
 * File format, version 1, numbers big-endian:
 *   0  8 bytes "SQCLIP\r\n"      8  u16 version (1)        10 u16 tracks (1..8)
 *   12 u32 CRC-32 (IEEE 802.3) of bytes 16 to the end      16 u64 length of the file
 *   24 tracks of 64 bytes each:
 *      0 u8 kind (1 audio, 2 video)  1 u8 codec (1 Opus, 2 VP8)  2 u8 channels  3 u8 zero
 *      4 u32 clock rate, Hz          8 u32 frames                12 u32 duration, ticks of the
 * clock 16 u32 average payload, bit/s 20 u16 width  22 u16 height 24 u32 frames a 1000 s 28 u32
 * zero                   32 u64 offset of the index  40 u64 offset of the data 48 u64 length of the
 * data     56 u64 zero then anywhere, inside the file: the index of each track, a row of 16 bytes a
 * frame: 0 u32 offset in the track's data  4 u32 length  8 u32 time, ticks from the beginning 12 u8
 * flags (1 key frame, 2 voice)  13 u8 level in -dBov (RFC 6464, section 3)  14 u16 zero and the
 * data: the frames' bytes, one after the other. The first frame of a video is a key frame. */
#ifndef SQ_MEDIA_CLIP_H
#define SQ_MEDIA_CLIP_H

#include "base/err.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_CLIP_TRACKS_MAX  8
#define SQ_CLIP_FRAMES_MAX  (1U << 20) /* a track */
#define SQ_CLIP_PACKETS_MAX (1U << 20) /* a track: a cookie of sq_source names one in 20 bits */
#define SQ_CLIP_FILE_MAX    (1U << 30)
#define SQ_CLIP_WHY_MAX     320
#define SQ_CLIP_PATH_MAX    4096
#define SQ_CLIP_PAYLOAD_DEFAULT                                                                    \
    1180 /* RTP payload with the VP8 descriptor: 1,252 bytes of IPv4                               \
          */
#define SQ_CLIP_PAYLOAD_MIN     64
#define SQ_CLIP_PAYLOAD_MAX     9000
#define SQ_CLIP_DESCRIPTOR_ROOM 6 /* kept free in each video payload for the VP8 descriptor */

enum sq_clip_kind { SQ_CLIP_AUDIO = 1, SQ_CLIP_VIDEO = 2 };
enum sq_clip_codec { SQ_CLIP_OPUS = 1, SQ_CLIP_VP8 = 2 };

enum {
    SQ_CLIP_KEY = 1,   /* frame is a key frame (each audio frame is) */
    SQ_CLIP_VOICE = 2, /* voice activity (RFC 6464) */
    SQ_CLIP_FIRST = 4, /* packet begins a frame */
    SQ_CLIP_LAST = 8,  /* packet ends a frame */
};

struct sq_clip_frame {
    uint32_t first_packet;
    uint32_t ticks;  /* from the beginning of the clip */
    uint32_t offset; /* in the track's data */
    uint32_t len_bytes;
    uint8_t flags;
    uint8_t level; /* -dBov, 0 is loudest, 127 silence */
    uint16_t packets;
};

/* One RTP payload (without the VP8 descriptor, which each sender writes in front). */
struct sq_clip_packet {
    uint32_t offset; /* in the track's data */
    uint32_t frame;
    uint16_t len_bytes;
    uint8_t flags;
    uint8_t level;
};

struct sq_clip_track {
    enum sq_clip_kind kind;
    enum sq_clip_codec codec;
    uint32_t clock_hz;
    uint32_t frame_count;
    uint32_t packet_count;
    uint32_t key_count;
    uint32_t duration_ticks; /* of one loop */
    uint32_t average_bps;    /* of frame bytes: no RTP header, no descriptor; computed at open */
    uint32_t fps_milli;      /* 25000 is 25 frames/s; video only */
    uint16_t width, height;  /* video only */
    uint8_t channels;        /* audio only */
    const uint8_t *data;
    struct sq_clip_frame *frames;   /* frame_count, and one more that ends the table */
    struct sq_clip_packet *packets; /* packet_count; 12 bytes each */
    uint32_t *keys;                 /* frame numbers of the key frames, rising */
};

struct sq_clip {
    char *path;
    const uint8_t *map; /* the file */
    size_t map_bytes;
    void *mapping; /* the same, to be unmapped; NULL: the bytes are borrowed */
    size_t track_count;
    struct sq_clip_track tracks[SQ_CLIP_TRACKS_MAX];
};

/* Maps the file, checks all of it and cuts it into payloads of at most `payload_max_bytes` (0: the
 * default). Fragments of a frame have one length, the last a little less. On failure `why` holds a
 * sentence with the path, the offset and what was expected there. SQ_ERR_IO, SQ_ERR_FORMAT,
 * SQ_ERR_TRUNCATED, SQ_ERR_UNSUPPORTED (a newer version, an unknown codec), SQ_ERR_INVALID
 * (payload_max_bytes), SQ_ERR_NOMEM. Owned by the caller. */
int sq_clip_open(const char *path, size_t payload_max_bytes, struct sq_clip **ret_clip,
                 char why[static SQ_CLIP_WHY_MAX]) SQ_MUST_USE;
/* The same out of memory that the caller keeps until sq_clip_close. `path` is for messages. */
int sq_clip_open_bytes(const void *bytes, size_t len, const char *path, size_t payload_max_bytes,
                       struct sq_clip **ret_clip, char why[static SQ_CLIP_WHY_MAX]) SQ_MUST_USE;
void sq_clip_close(struct sq_clip *c);

/* The first track of that kind, or NULL. Borrowed from the clip. */
const struct sq_clip_track *sq_clip_track(const struct sq_clip *c, enum sq_clip_kind kind);

/* Where a clip that ships with Squall lies. `name` is "default" or "small" (a name with a '/' or a
 * '.' is taken as a path as it is). Looked for as clips/NAME.sqclip in: $SQUALL_SHARE; and, when
 * that is not set, ../share/squall and ../share beside the program, ./share,
 * /usr/local/share/squall and /usr/share/squall. SQ_ERR_NOTFOUND, and ret_path untouched, if it is
 * in none. */
int sq_clip_builtin(const char *name, char ret_path[static SQ_CLIP_PATH_MAX]) SQ_MUST_USE;

#endif
