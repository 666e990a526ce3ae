/* A clip: encoded audio and video, ready to be sent, in a file of Squall's own (.sqclip). The file
 * is read once, checked once and cut into RTP payloads once, whatever the number of
 * peers; after that it is constant and may be read from any thread.
 *
 * File format, version 2, numbers big-endian:
 *   0  8 bytes "SQCLIP\r\n"      8  u16 version (2)        10 u16 tracks (1..32)
 *   12 u32 CRC-32 (IEEE 802.3) of bytes 16 to the end      16 u64 length of the file
 *   24 tracks of 64 bytes each:
 *      0  u8 kind (1 audio, 2 video)      1  u8 codec (enum sq_codec)   2  u8 channels
 *      3  u8 ladder: tracks that stand one after the other with the same number above 0 are the
 *         same picture or sound at rising rates, frame by frame at the same times
 *      4  u32 clock rate, Hz              8  u32 rows of the index     12 u32 duration, ticks
 *      16 u32 features (enum sq_clip_feature)
 *      20 u16 width  22 u16 height        24 u32 frames a 1000 s
 *      28 u8 temporal layers (1..4)       29 u8 spatial layers (1..4)  30 u16 zero
 *      32 u64 offset of the index         40 u64 offset of the data    48 u64 length of the data
 *      56 u64 zero
 *   then anywhere, inside the file: the index of each track, a row of 16 bytes a frame:
 *      0  u32 offset in the track's data  4  u32 length                8  u32 time, ticks
 *      12 u8 flags (1 key frame, 2 voice, 16 nothing refers to it, 32 refers to the base layer
 * only) 13 u8 level in -dBov (RFC 6464, section 3) 14 u8 temporal layer               15 u8 spatial
 * layer and the data: the frames' bytes, one after the other. The first frame of a video is a key
 * frame. Rows of one time are the spatial layers of one picture, from the lowest up.
 *
 * What a frame's bytes are: Opus, G.711, G.722: the payload of a packet. VP8: a frame. VP9: a frame
 * of one spatial layer, with no superframe index. H.264: NAL units, each behind its length in four
 * bytes; a key frame has its SPS and PPS in it. AV1: OBUs that carry their size, no temporal
 * delimiter; a key frame has its sequence header in it. */
#ifndef SQ_MEDIA_CLIP_H
#define SQ_MEDIA_CLIP_H

#include "base/err.h"
#include "media/codec.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SQ_CLIP_TRACKS_MAX  32
#define SQ_CLIP_STEPS_MAX   8          /* of a ladder */
#define SQ_CLIP_LAYERS_MAX  4          /* temporal; and spatial */
#define SQ_CLIP_FRAMES_MAX  (1U << 20) /* a track */
#define SQ_CLIP_PACKETS_MAX (1U << 20) /* a ladder: a cookie of sq_source names one in 20 bits */
#define SQ_CLIP_FILE_MAX    (1U << 30)
#define SQ_CLIP_WHY_MAX     320
#define SQ_CLIP_PATH_MAX    4096
/* RTP payload with its descriptor: 1,252 bytes of IPv4. */
#define SQ_CLIP_PAYLOAD_DEFAULT 1180
#define SQ_CLIP_TOLD_MAX        40
#define SQ_CLIP_DD_MAX          104 /* L3T3 takes 97 */
#define SQ_CLIP_PAYLOAD_MIN     64
#define SQ_CLIP_PAYLOAD_MAX     9000
#define SQ_CLIP_DESCRIPTOR_ROOM                                                                    \
    6 /* kept free in each video payload for a VP8 or VP9 descriptor                               \
       */

enum sq_clip_kind { SQ_CLIP_AUDIO = 1, SQ_CLIP_VIDEO = 2 };

/* How a track was encoded, where that decides for whom it fits. */
enum sq_clip_feature {
    SQ_CLIP_DTX = 1,        /* Opus: silence has no packets but a refresh now and then */
    SQ_CLIP_FEC = 2,        /* Opus: in-band FEC */
    SQ_CLIP_SINGLE_NAL = 4, /* H.264: each NAL unit fits a packet (packetization-mode 0) */
    SQ_CLIP_KEY_SVC = 8,    /* VP9: a spatial layer refers to the one below in key pictures only */

};

enum sq_clip_flags {
    SQ_CLIP_KEY = 1,          /* frame is a key frame (each audio frame is) */
    SQ_CLIP_VOICE = 2,        /* voice activity (RFC 6464) */
    SQ_CLIP_FIRST = 4,        /* packet begins a frame */
    SQ_CLIP_LAST = 8,         /* packet ends a frame */
    SQ_CLIP_NONREF = 16,      /* no later frame refers to it */
    SQ_CLIP_SYNC = 32,        /* refers to frames of the base layer only: one may begin here to take
                                 the frames of its layer */
    SQ_CLIP_LAYER_FIRST = 64, /* packet begins a frame of a spatial layer */
    SQ_CLIP_LAYER_LAST = 128, /* and ends it */
};

/* A picture (of all its spatial layers) or an audio packet. */
struct sq_clip_frame {
    uint32_t first_packet;
    uint32_t ticks;  /* from the beginning of the clip */
    uint32_t offset; /* in the track's data in the file */
    uint32_t len_bytes;
    uint8_t flags;
    uint8_t level; /* -dBov, 0 is loudest, 127 silence */
    uint16_t packets;
    uint8_t tid; /* temporal layer */
};

/* One RTP payload (without the descriptor that each sender writes in front). */
struct sq_clip_packet {
    uint32_t offset; /* in the track's data */
    uint32_t frame;
    uint16_t len_bytes;
    uint8_t flags;
    uint8_t level;
    uint8_t tid, sid; /* temporal and spatial layer */
};

struct sq_clip_track {
    enum sq_clip_kind kind;
    enum sq_codec codec;
    unsigned features; /* enum sq_clip_feature */
    uint32_t clock_hz;
    uint32_t frame_count;
    uint32_t packet_count;
    uint32_t key_count;
    uint32_t duration_ticks; /* of one loop */
    uint32_t average_bps;    /* of frame bytes: no RTP header, no descriptor; computed at open */
    uint32_t fps_milli;      /* 25000 is 25 frames/s; video only */
    uint16_t width, height;  /* video only: of the highest spatial layer */
    uint8_t channels;        /* audio only */
    uint8_t temporal_layers, spatial_layers;
    bool layered; /* some step of the ladder has temporal layers */
    uint8_t step,
        step_count; /* which step of its ladder, from 0; a track alone is a ladder of one */
    uint32_t tid_bps[SQ_CLIP_LAYERS_MAX];       /* of all temporal layers up to each */
    uint32_t tid_fps_milli[SQ_CLIP_LAYERS_MAX]; /* the same: frames a 1000 s */
    uint32_t sid_permille[SQ_CLIP_LAYERS_MAX];  /* of the bytes: of all spatial layers up to each */
    uint32_t cookie_base; /* number of the first packet within the ladder: see sq_source_repeat */
    uint8_t profile_level_id[3]; /* H.264: of the first key frame's SPS */
    /* What a key frame's first packet tells of the layers. VP9: the scalability structure. AV1 and
     * VP9: the dependency descriptor, to which each sender adds its frame number. */
    uint8_t told[SQ_CLIP_TOLD_MAX];
    uint8_t told_len;
    uint8_t dd_id;    /* template_id_offset */
    uint16_t dd_bits; /* 0: none */
    uint8_t dd[SQ_CLIP_DD_MAX];
    const uint8_t *data;          /* where packets' offsets count from: the file, or `made` */
    uint8_t *made;                /* payloads that are not the file's bytes as they are; or NULL */
    struct sq_clip_frame *frames; /* frame_count, and one more that ends the table */
    struct sq_clip_packet *packets; /* packet_count; 16 bytes each */
    uint32_t *keys;                 /* frame numbers of the key frames, rising */
};

struct sq_clip {
    char *path;
    const uint8_t *map; /* the file */
    size_t map_bytes;
    void *mapping; /* our own copy, to be unmapped; NULL: the bytes are borrowed */
    size_t track_count;
    bool tags;
    uint32_t fps_milli; /* as opened with */
    struct sq_clip_track tracks[SQ_CLIP_TRACKS_MAX];
};

struct sq_clip_opts {
    size_t payload_max_bytes; /* 0: the default */
    bool tags; /* leave room for a time-tag (media/timetag.h) in each frame of VP9, H.264 and AV1 */
    uint32_t fps_milli; /* video: play it at this rate, its frames at even distances, whatever the
                           file says; 0: as the file says. 1 to 1,000 frames a second. */
};

/* Maps the file, checks all of it and cuts it into payloads of at most `payload_max_bytes` (0: the
 * default). Fragments of a frame have one length, the last a little less. On failure `why` holds a
 * sentence with the path, the offset and what was expected there. SQ_ERR_IO, SQ_ERR_FORMAT,
 * SQ_ERR_TRUNCATED, SQ_ERR_UNSUPPORTED (a newer version, an unknown codec), SQ_ERR_INVALID
 * (payload_max_bytes), SQ_ERR_NOMEM. Owned by the caller. */
int sq_clip_open(const char *path, size_t payload_max_bytes, struct sq_clip **ret_clip,
                 char why[static SQ_CLIP_WHY_MAX]) SQ_MUST_USE;
int sq_clip_open_with(const char *path, const struct sq_clip_opts *opts, struct sq_clip **ret_clip,
                      char why[static SQ_CLIP_WHY_MAX]) SQ_MUST_USE;
/* The same out of memory that the caller keeps until sq_clip_close. `path` is for messages. */
int sq_clip_open_bytes(const void *bytes, size_t len, const char *path, size_t payload_max_bytes,
                       struct sq_clip **ret_clip, char why[static SQ_CLIP_WHY_MAX]) SQ_MUST_USE;
int sq_clip_open_bytes_with(const void *bytes, size_t len, const char *path,
                            const struct sq_clip_opts *opts, struct sq_clip **ret_clip,
                            char why[static SQ_CLIP_WHY_MAX]) SQ_MUST_USE;
void sq_clip_close(struct sq_clip *c);
/* Per cent of the seconds of its sound, wherever one begins in the loop, that are heard by their
 * level (media/heard.h): what of it a listener can hear who misses nothing. By the packets' levels,
 * so out of nothing that was decoded. 100 of a clip without sound. */
double sq_clip_heard_percent(const struct sq_clip *clip);

/* The highest step of the first ladder of that kind, or NULL. Borrowed from the clip. */
const struct sq_clip_track *sq_clip_track(const struct sq_clip *c, enum sq_clip_kind kind);

/* The steps of the clip's first ladder of that codec, in rising rate: up to `max` of them, the
 * lowest first. Gives how many; 0: the clip has none. */
size_t sq_clip_ladder(const struct sq_clip *c, enum sq_codec codec,
                      const struct sq_clip_track **ret_tracks, size_t max);
/* The same of a ladder with exactly these features and channels (0: any number) and spatial layers
 * (0: any number). */
struct sq_clip_want {
    enum sq_codec codec;
    unsigned features;
    uint8_t channels;
    uint8_t spatial_layers;
};
size_t sq_clip_ladder_with(const struct sq_clip *c, const struct sq_clip_want *want,
                           const struct sq_clip_track **ret_tracks, size_t max);

/* The lowest step of a track's ladder; the others, step_count of them, stand behind it. */
static inline const struct sq_clip_track *sq_clip_lowest(const struct sq_clip_track *t)
{
    return t - t->step;
}
/* The track of that codec whose picture comes nearest to a size; NULL: there is none. */
const struct sq_clip_track *sq_clip_nearest(const struct sq_clip *c, enum sq_codec codec,
                                            unsigned width, unsigned height);
/* The last step of each picture size of the track's ladder, the smallest first: what simulcast has
 * a layer each of. Gives how many. */
size_t sq_clip_sizes(const struct sq_clip_track *track,
                     const struct sq_clip_track *ret_steps[SQ_CLIP_STEPS_MAX]);
/* Average rate in bit/s of a track's frames with temporal layers above `tid` left out. */
static inline uint32_t sq_clip_track_bps(const struct sq_clip_track *t, unsigned tid)
{
    return t->tid_bps[tid < SQ_CLIP_LAYERS_MAX ? tid : SQ_CLIP_LAYERS_MAX - 1];
}
/* The same of the spatial layers up to `sid`. */
static inline uint64_t sq_clip_track_layers_bps(const struct sq_clip_track *t, unsigned tid,
                                                unsigned sid)
{
    unsigned at = sid < SQ_CLIP_LAYERS_MAX ? sid : SQ_CLIP_LAYERS_MAX - 1;
    return (uint64_t)sq_clip_track_bps(t, tid) * t->sid_permille[at] / 1000;
}
/* And their frames in 1000 s. */
static inline uint32_t sq_clip_track_fps_milli(const struct sq_clip_track *t, unsigned tid)
{
    return t->tid_fps_milli[tid < SQ_CLIP_LAYERS_MAX ? tid : SQ_CLIP_LAYERS_MAX - 1];
}

/* CRC-32 of IEEE 802.3, as it stands in the file. */
uint32_t sq_clip_check_sum(const uint8_t *bytes, size_t len);

/* Where a clip that ships with Squall lies. `name` is "default" or "small" (a name with a '/' or a
 * '.' is taken as a path as it is). Looked for as clips/NAME.sqclip in: $SQUALL_SHARE; and, when
 * that is not set, ../share/squall and ../share beside the program, ./share,
 * /usr/local/share/squall and /usr/share/squall. SQ_ERR_NOTFOUND, and ret_path untouched, if it is
 * in none. */
int sq_clip_builtin(const char *name, char ret_path[static SQ_CLIP_PATH_MAX]) SQ_MUST_USE;

#endif
