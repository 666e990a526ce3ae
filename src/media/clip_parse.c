/* The .sqclip file: read and checked. Its format stands in clip.h. */
#include "base/mem.h"
#include "base/wire.h"
#include "media/clip_int.h"
#include "media/h264.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#define HEAD_BYTES    24
#define TRACK_BYTES   64
#define FEATURES_ALL  (SQ_CLIP_DTX | SQ_CLIP_FEC | SQ_CLIP_SINGLE_NAL | SQ_CLIP_KEY_SVC)
#define ROW_FLAGS     (SQ_CLIP_KEY | SQ_CLIP_VOICE | SQ_CLIP_NONREF | SQ_CLIP_SYNC)
#define FPS_MILLI_MIN 1000 /* of what may be asked for */
#define FPS_MILLI_MAX 1000000

/* What is being checked, for messages. */
struct check {
    const struct sq_clip *clip;
    char *why;
};

static int bad(const struct check *k, int err, uint64_t offset, const char *fmt, ...)
    SQ_PRINTF(4, 5);

static int bad(const struct check *k, int err, uint64_t offset, const char *fmt, ...)
{
    char text[160];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    /* The end of a long path is the part that tells files apart. */
    const char *path = k->clip->path;
    size_t len = strlen(path);
    (void)snprintf(k->why, SQ_CLIP_WHY_MAX, "%s: byte %llu: %s",
                   len > 100 ? path + len - 100 : path, (unsigned long long)offset, text);
    return err;
}

/* What a byte does to a CRC-32 of IEEE 802.3 that is n bytes further on. */
static void check_sum_tables(uint32_t tables[8][256])
{
    for (uint32_t i = 0; i < 256; i++) {
        uint32_t crc = i;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc >> 1 ^ (0xedb88320 & -(crc & 1));
        }
        tables[0][i] = crc;
    }
    for (int n = 1; n < 8; n++) {
        for (uint32_t i = 0; i < 256; i++) {
            uint32_t crc = tables[n - 1][i];
            tables[n][i] = crc >> 8 ^ tables[0][crc & 255];
        }
    }
}

/* Eight bytes at a time: the clip that ships has ten million, and every run checks them. */
uint32_t sq_clip_check_sum(const uint8_t *bytes, size_t len)
{
    uint32_t t[8][256];
    uint32_t crc = UINT32_MAX;
    check_sum_tables(t);
    for (; len >= 8; len -= 8, bytes += 8) {
        crc ^= (uint32_t)bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 |
               (uint32_t)bytes[3] << 24;
        crc = t[7][crc & 255] ^ t[6][crc >> 8 & 255] ^ t[5][crc >> 16 & 255] ^ t[4][crc >> 24] ^
              t[3][bytes[4]] ^ t[2][bytes[5]] ^ t[1][bytes[6]] ^ t[0][bytes[7]];
    }
    for (; len > 0; len--, bytes++) {
        crc = crc >> 8 ^ t[0][(crc ^ *bytes) & 255];
    }
    return ~crc;
}

static int check_head(const struct check *k, uint16_t *ret_tracks)
{
    const struct sq_clip *c = k->clip;
    struct sq_wire w = sq_wire_reader(c->map, c->map_bytes);
    const uint8_t *magic = sq_wire_read(&w, 8);
    uint16_t version = sq_wire_u16(&w);
    uint16_t tracks = sq_wire_u16(&w);
    uint32_t crc = sq_wire_u32(&w);
    uint64_t len = sq_wire_u64(&w);
    if (!magic || memcmp(magic, "SQCLIP\r\n", 8) != 0) {
        return bad(k, SQ_ERR_FORMAT, 0, "expected \"SQCLIP\": this is not a clip");
    }
    if (w.err) {
        return bad(k, SQ_ERR_TRUNCATED, c->map_bytes, "expected a header of %d bytes", HEAD_BYTES);
    }
    if (version != 2) {
        return bad(k, SQ_ERR_UNSUPPORTED, 8, "expected version 2, found %u", version);
    }
    if (tracks == 0 || tracks > SQ_CLIP_TRACKS_MAX) {
        return bad(k, SQ_ERR_FORMAT, 10, "expected 1 to %d tracks, found %u", SQ_CLIP_TRACKS_MAX,
                   tracks);
    }
    if (len != c->map_bytes) {
        return bad(k, len > c->map_bytes ? SQ_ERR_TRUNCATED : SQ_ERR_FORMAT, 16,
                   "expected %llu bytes in all, found %zu", (unsigned long long)len, c->map_bytes);
    }
    uint32_t found = sq_clip_check_sum(c->map + 16, c->map_bytes - 16);
    if (found != crc) {
        return bad(k, SQ_ERR_FORMAT, 12, "expected check sum %08x, found %08x: the file is damaged",
                   (unsigned)crc, (unsigned)found);
    }
    if (c->map_bytes < HEAD_BYTES + (size_t)TRACK_BYTES * tracks) {
        return bad(k, SQ_ERR_TRUNCATED, HEAD_BYTES, "expected %u tracks of %d bytes", tracks,
                   TRACK_BYTES);
    }
    *ret_tracks = tracks;
    return 0;
}

/* Where a track's tables lie in the file, and what its head says that is not kept. */
struct place {
    uint64_t at; /* of the track's head */
    uint64_t index, data, data_bytes;
    uint32_t rows;
    uint8_t ladder;
};

static int check_codec(const struct check *k, const struct sq_clip_track *t, uint64_t at)
{
    if (t->kind != SQ_CLIP_AUDIO && t->kind != SQ_CLIP_VIDEO) {
        return bad(k, SQ_ERR_FORMAT, at, "expected kind 1 (audio) or 2 (video), found %d",
                   (int)t->kind);
    }
    const struct sq_codec_info *info = sq_codec_info(t->codec);
    if (!sq_clip_format(t->codec)) {
        return bad(k, SQ_ERR_UNSUPPORTED, at + 1,
                   "expected a codec that this version knows, found %d", (int)t->codec);
    }
    if (info->video != (t->kind == SQ_CLIP_VIDEO) || t->clock_hz != info->clock_hz) {
        return bad(k, SQ_ERR_UNSUPPORTED, at + 1, "expected %s to be %s at %u Hz", info->name,
                   info->video ? "video" : "audio", info->clock_hz);
    }
    if (t->features & ~(unsigned)FEATURES_ALL) {
        return bad(k, SQ_ERR_UNSUPPORTED, at + 16, "expected features of the known ones, found %x",
                   t->features);
    }
    return 0;
}

static int check_track_head(const struct check *k, const struct sq_clip_track *t,
                            const struct place *p)
{
    int err = check_codec(k, t, p->at);
    if (err) {
        return err;
    }
    if (t->kind == SQ_CLIP_AUDIO) {
        if (t->channels < 1 || t->channels > (t->codec == SQ_CODEC_OPUS ? 2 : 1)) {
            return bad(k, SQ_ERR_FORMAT, p->at + 2, "expected 1 channel, or 2 of Opus, found %u",
                       t->channels);
        }
    } else if (t->width == 0 || t->height == 0 || t->fps_milli == 0) {
        return bad(k, SQ_ERR_FORMAT, p->at + 20, "expected a width, height and frame rate");
    }
    bool one = t->spatial_layers == 1 || (t->codec == SQ_CODEC_VP9 && t->spatial_layers >= 1);
    if (t->temporal_layers < 1 || t->temporal_layers > SQ_CLIP_LAYERS_MAX || !one ||
        t->spatial_layers > SQ_CLIP_LAYERS_MAX) {
        return bad(k, SQ_ERR_FORMAT, p->at + 28, "expected 1 to %d layers, and spatial ones of VP9",
                   SQ_CLIP_LAYERS_MAX);
    }
    if (p->rows == 0 || p->rows > SQ_CLIP_FRAMES_MAX) {
        return bad(k, SQ_ERR_FORMAT, p->at + 8, "expected 1 to %u frames, found %u",
                   SQ_CLIP_FRAMES_MAX, p->rows);
    }
    if (t->duration_ticks == 0) {
        return bad(k, SQ_ERR_FORMAT, p->at + 12, "expected a duration");
    }
    uint64_t index_bytes = (uint64_t)SQ_CLIP_ROW_BYTES * p->rows;
    uint64_t end = k->clip->map_bytes;
    if (p->index > end || index_bytes > end - p->index) {
        return bad(k, SQ_ERR_TRUNCATED, p->at + 32, "expected an index of %llu bytes in the file",
                   (unsigned long long)index_bytes);
    }
    if (p->data > end || p->data_bytes > end - p->data) {
        return bad(k, SQ_ERR_TRUNCATED, p->at + 40, "expected %llu bytes of data in the file",
                   (unsigned long long)p->data_bytes);
    }
    return 0;
}

struct sq_clip_row sq_clip_row(const uint8_t *index, uint32_t i)
{
    const uint8_t *at = index + (size_t)i * SQ_CLIP_ROW_BYTES;
    return (struct sq_clip_row){.offset = sq_load_u32(at),
                                .len_bytes = sq_load_u32(at + 4),
                                .ticks = sq_load_u32(at + 8),
                                .flags = at[12],
                                .level = at[13],
                                .tid = at[14],
                                .sid = at[15]};
}

/* A frame must be what the track says it is: a sender hands these bytes to somebody's decoder. */
static int check_bytes(const struct check *k, const struct sq_clip_track *t, uint32_t i,
                       const struct sq_clip_row *r, uint64_t at)
{
    const struct sq_clip_format *format = sq_clip_format(t->codec);
    struct sq_clip_look look = {.key = t->kind == SQ_CLIP_AUDIO};
    if (format->look(t->data + r->offset, r->len_bytes, &look) != 0) {
        return bad(k, SQ_ERR_FORMAT, at, "expected frame %u to be %s", i, format->frame_is);
    }
    bool key = (r->flags & SQ_CLIP_KEY) != 0;
    /* Of several spatial layers only the lowest says by itself that it begins anew. */
    if (r->sid == 0 && look.key != key) {
        return bad(k, SQ_ERR_FORMAT, at + 12, "expected the key flag of frame %u as in its data",
                   i);
    }
    if (look.width && t->spatial_layers == 1 &&
        (look.width != t->width || look.height != t->height)) {
        return bad(k, SQ_ERR_FORMAT, at, "expected frame %u to be %ux%u, found %ux%u", i, t->width,
                   t->height, look.width, look.height);
    }
    return 0;
}

/* `before` is the row before it, or NULL. */
static int check_row(const struct check *k, const struct sq_clip_track *t, const struct place *p,
                     uint32_t i, const struct sq_clip_row *r, const struct sq_clip_row *before)
{
    uint64_t at = p->index + (uint64_t)i * SQ_CLIP_ROW_BYTES;
    if (r->len_bytes == 0 || r->offset > p->data_bytes ||
        r->len_bytes > p->data_bytes - r->offset) {
        return bad(k, SQ_ERR_FORMAT, at, "expected frame %u inside the %llu bytes of data", i,
                   (unsigned long long)p->data_bytes);
    }
    bool upper = before && r->ticks == before->ticks && r->sid > before->sid;
    if (before ? !upper && (r->ticks <= before->ticks || r->ticks >= t->duration_ticks)
               : r->ticks != 0) {
        return bad(k, SQ_ERR_FORMAT, at + 8, "expected the times to begin at 0 and to rise");
    }
    if ((r->flags & ~ROW_FLAGS) || r->level > 127) {
        return bad(k, SQ_ERR_FORMAT, at + 12, "expected known flags and a level up to 127");
    }
    if (r->tid >= t->temporal_layers || r->sid >= t->spatial_layers || (!upper && r->sid > 0) ||
        (upper && (r->tid != before->tid || ((r->flags ^ before->flags) & SQ_CLIP_KEY))) ||
        ((r->flags & SQ_CLIP_KEY) && r->tid > 0)) {
        return bad(k, SQ_ERR_FORMAT, at + 14,
                   "expected layers below the track's, spatial ones from 0 up, key frames in "
                   "temporal layer 0");
    }
    if (upper && r->offset != before->offset + before->len_bytes) {
        return bad(k, SQ_ERR_FORMAT, at, "expected the layers of a picture one after the other");
    }
    return check_bytes(k, t, i, r, at);
}

/* Frames at even distances, so many in 1000 s; of a track that is cut, which goes by the file's
 * times. */
static void retime(struct sq_clip_track *t, uint32_t fps_milli)
{
    uint64_t fps = fps_milli < FPS_MILLI_MIN   ? FPS_MILLI_MIN
                   : fps_milli > FPS_MILLI_MAX ? FPS_MILLI_MAX
                                               : fps_milli;
    uint64_t end = UINT64_C(1000) * t->clock_hz * t->frame_count / fps;
    if (end > UINT32_MAX) {
        return; /* hours at this rate: as the file says */
    }
    for (uint32_t i = 0; i <= t->frame_count; i++) {
        t->frames[i].ticks = (uint32_t)(UINT64_C(1000) * t->clock_hz * i / fps);
    }
    t->duration_ticks = (uint32_t)end;
    t->fps_milli = (uint32_t)fps;
}

/* Rates and frame rates of the temporal layers, each with those below it. */
static void measure(struct sq_clip_track *t)
{
    uint64_t bytes[SQ_CLIP_LAYERS_MAX] = {0};
    uint64_t frames[SQ_CLIP_LAYERS_MAX] = {0};
    for (uint32_t i = 0; i < t->frame_count; i++) {
        for (unsigned tid = t->frames[i].tid; tid < SQ_CLIP_LAYERS_MAX; tid++) {
            bytes[tid] += t->frames[i].len_bytes;
            frames[tid]++;
        }
    }
    double loops = (double)t->clock_hz / t->duration_ticks; /* a second */
    for (unsigned tid = 0; tid < SQ_CLIP_LAYERS_MAX; tid++) {
        double bps = (double)bytes[tid] * 8 * loops;
        double fps = (double)frames[tid] * 1000 * loops;
        t->tid_bps[tid] = bps < UINT32_MAX ? (uint32_t)bps : UINT32_MAX;
        t->tid_fps_milli[tid] = fps < UINT32_MAX ? (uint32_t)(fps + 0.5) : UINT32_MAX;
    }
    t->average_bps = t->tid_bps[SQ_CLIP_LAYERS_MAX - 1];
}

static int read_index(const struct check *k, struct sq_clip_track *t, const struct place *p)
{
    const uint8_t *index = k->clip->map + p->index;
    t->frames = sq_calloc((size_t)p->rows + 1, sizeof(*t->frames));
    if (!t->frames) {
        return SQ_ERR_NOMEM;
    }
    struct sq_clip_row before = {0};
    for (uint32_t i = 0; i < p->rows; i++) {
        struct sq_clip_row r = sq_clip_row(index, i);
        int err = check_row(k, t, p, i, &r, i ? &before : NULL);
        if (err) {
            return err;
        }
        if (i > 0 && r.ticks == before.ticks) {
            t->frames[t->frame_count - 1].len_bytes += r.len_bytes;
        } else {
            t->frames[t->frame_count++] = (struct sq_clip_frame){.ticks = r.ticks,
                                                                 .offset = r.offset,
                                                                 .len_bytes = r.len_bytes,
                                                                 .flags = r.flags,
                                                                 .level = r.level,
                                                                 .tid = r.tid};
        }
        before = r;
    }
    if (!(t->frames[0].flags & SQ_CLIP_KEY)) {
        return bad(k, SQ_ERR_FORMAT, p->index + 12, "expected the first frame to be a key frame");
    }
    measure(t);
    return 0;
}

static int read_track(const struct check *k, struct sq_clip_track *t, struct place *p,
                      size_t payload_max_bytes)
{
    struct sq_wire w = sq_wire_reader(k->clip->map + p->at, TRACK_BYTES);
    t->kind = (enum sq_clip_kind)sq_wire_u8(&w);
    t->codec = (enum sq_codec)sq_wire_u8(&w);
    t->channels = sq_wire_u8(&w);
    p->ladder = sq_wire_u8(&w);
    t->clock_hz = sq_wire_u32(&w);
    p->rows = sq_wire_u32(&w);
    t->duration_ticks = sq_wire_u32(&w);
    t->features = sq_wire_u32(&w);
    t->width = sq_wire_u16(&w);
    t->height = sq_wire_u16(&w);
    t->fps_milli = sq_wire_u32(&w);
    t->temporal_layers = sq_wire_u8(&w);
    t->spatial_layers = sq_wire_u8(&w);
    sq_wire_skip(&w, 2);
    p->index = sq_wire_u64(&w);
    p->data = sq_wire_u64(&w);
    p->data_bytes = sq_wire_u64(&w);
    int err = check_track_head(k, t, p);
    if (err) {
        return err;
    }
    t->data = k->clip->map + p->data;
    err = read_index(k, t, p);
    if (err) {
        return err;
    }
    if (t->codec == SQ_CODEC_VP9) {
        sq_vp9_tell(t);
        sq_dd_tell(t, 0); /* its length is the same in each step */
    } else if (t->codec == SQ_CODEC_H264) {
        (void)sq_h264_profile_level_id(t->data, t->frames[0].len_bytes, t->profile_level_id);
    }
    err = sq_clip_cut(t, k->clip->map + p->index, p->rows, payload_max_bytes, k->clip->tags);
    if (!err && k->clip->fps_milli && t->kind == SQ_CLIP_VIDEO) {
        retime(t, k->clip->fps_milli);
        measure(t);
    }
    if (err == SQ_ERR_UNSUPPORTED) {
        return bad(k, err, p->index, "expected at most %u packets in a track", SQ_CLIP_PACKETS_MAX);
    }
    if (err == SQ_ERR_NOSPACE) {
        return bad(k, SQ_ERR_UNSUPPORTED, p->at + 16,
                   "expected payloads of more than %zu bytes: a NAL unit fits none",
                   payload_max_bytes);
    }
    return err;
}

/* A track that belongs to the ladder of the one before it. */
static int join_ladder(const struct check *k, struct sq_clip_track *t, uint64_t at)
{
    const struct sq_clip_track *below = t - 1;
    if (t->codec != below->codec || t->duration_ticks != below->duration_ticks ||
        t->features != below->features || t->channels != below->channels) {
        return bad(k, SQ_ERR_FORMAT, at + 3,
                   "expected the steps of a ladder to be alike in codec, features and duration");
    }
    if (t->average_bps < below->average_bps) {
        return bad(k, SQ_ERR_FORMAT, at + 3, "expected the steps of a ladder at rising rates");
    }
    t->step = below->step + 1;
    t->cookie_base = below->cookie_base + below->packet_count;
    if (t->step >= SQ_CLIP_STEPS_MAX ||
        t->cookie_base + (uint64_t)t->packet_count > SQ_CLIP_PACKETS_MAX) {
        return bad(k, SQ_ERR_UNSUPPORTED, at + 3, "expected at most %d steps of %u packets in all",
                   SQ_CLIP_STEPS_MAX, SQ_CLIP_PACKETS_MAX);
    }
    return 0;
}

/* What each step says of its whole ladder. */
static void finish_ladders(struct sq_clip *c)
{
    size_t first = 0;
    for (size_t i = 0; i < c->track_count; i++) {
        bool ends = i + 1 == c->track_count || c->tracks[i + 1].step == 0;
        if (!ends) {
            continue;
        }
        bool layered = false;
        for (size_t n = first; n <= i; n++) {
            layered = layered || c->tracks[n].temporal_layers > 1;
        }
        for (size_t n = first; n <= i; n++) {
            c->tracks[n].layered = layered;
            if (c->tracks[n].codec == SQ_CODEC_AV1 || c->tracks[n].codec == SQ_CODEC_VP9) {
                sq_dd_tell(&c->tracks[n], c->tracks[n].step);
            }
            c->tracks[n].step_count = (uint8_t)(i + 1 - first);
        }
        first = i + 1;
    }
}

int sq_clip_parse(struct sq_clip *c, size_t payload_max_bytes, char *why)
{
    struct check k = {c, why};
    payload_max_bytes = payload_max_bytes ? payload_max_bytes : SQ_CLIP_PAYLOAD_DEFAULT;
    if (payload_max_bytes < SQ_CLIP_PAYLOAD_MIN || payload_max_bytes > SQ_CLIP_PAYLOAD_MAX) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX, "payloads of %zu bytes: expected %d to %d",
                       payload_max_bytes, SQ_CLIP_PAYLOAD_MIN, SQ_CLIP_PAYLOAD_MAX);
        return SQ_ERR_INVALID;
    }
    uint16_t tracks = 0;
    uint8_t ladder = 0;
    int err = check_head(&k, &tracks);
    for (size_t i = 0; !err && i < tracks; i++) {
        struct place p = {.at = HEAD_BYTES + TRACK_BYTES * i};
        c->track_count = i + 1; /* so that what is half-built is freed */
        err = read_track(&k, &c->tracks[i], &p, payload_max_bytes);
        if (!err && i > 0 && p.ladder && p.ladder == ladder) {
            err = join_ladder(&k, &c->tracks[i], p.at);
        }
        ladder = p.ladder;
    }
    if (err == SQ_ERR_NOMEM) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX, "no memory for a clip");
    }
    if (!err) {
        finish_ladders(c);
    }
    return err;
}
