/* The .sqclip file: opened, checked, and found. Its format stands in clip.h. */
#include "media/clip.h"

#include "base/mem.h"
#include "base/wire.h"
#include "media/clip_int.h"
#include "media/opus.h"
#include "media/vp8.h"
#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#define HEAD_BYTES  24
#define TRACK_BYTES 64
#define INDEX_BYTES 16

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

/* CRC-32 of IEEE 802.3, four bits at a time. */
static uint32_t crc32_of(const uint8_t *bytes, size_t len)
{
    static const uint32_t table[16] = {0x00000000, 0x1db71064, 0x3b6e20c8, 0x26d930ac,
                                       0x76dc4190, 0x6b6b51f4, 0x4db26158, 0x5005713c,
                                       0xedb88320, 0xf00f9344, 0xd6d6a3e8, 0xcb61b38c,
                                       0x9b64c2b0, 0x86d3d2d4, 0xa00ae278, 0xbdbdf21c};
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len; i++) {
        crc ^= bytes[i];
        crc = crc >> 4 ^ table[crc & 15];
        crc = crc >> 4 ^ table[crc & 15];
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
    if (version != 1) {
        return bad(k, SQ_ERR_UNSUPPORTED, 8, "expected version 1, found %u", version);
    }
    if (tracks == 0 || tracks > SQ_CLIP_TRACKS_MAX) {
        return bad(k, SQ_ERR_FORMAT, 10, "expected 1 to %d tracks, found %u", SQ_CLIP_TRACKS_MAX,
                   tracks);
    }
    if (len != c->map_bytes) {
        return bad(k, len > c->map_bytes ? SQ_ERR_TRUNCATED : SQ_ERR_FORMAT, 16,
                   "expected %llu bytes in all, found %zu", (unsigned long long)len, c->map_bytes);
    }
    uint32_t found = crc32_of(c->map + 16, c->map_bytes - 16);
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

/* Where a track's tables lie in the file. */
struct place {
    uint64_t at; /* of the track's head */
    uint64_t index, data, data_bytes;
};

static int check_track_head(const struct check *k, const struct sq_clip_track *t,
                            const struct place *p)
{
    if (t->kind == SQ_CLIP_AUDIO) {
        if (t->codec != SQ_CLIP_OPUS || t->clock_hz != SQ_OPUS_CLOCK_HZ) {
            return bad(k, SQ_ERR_UNSUPPORTED, p->at + 1, "expected Opus at 48000 Hz");
        }
        if (t->channels < 1 || t->channels > 2) {
            return bad(k, SQ_ERR_FORMAT, p->at + 2, "expected 1 or 2 channels, found %u",
                       t->channels);
        }
    } else if (t->kind == SQ_CLIP_VIDEO) {
        if (t->codec != SQ_CLIP_VP8 || t->clock_hz != 90000) {
            return bad(k, SQ_ERR_UNSUPPORTED, p->at + 1, "expected VP8 at 90000 Hz");
        }
        if (t->width == 0 || t->height == 0 || t->fps_milli == 0) {
            return bad(k, SQ_ERR_FORMAT, p->at + 20, "expected a width, height and frame rate");
        }
    } else {
        return bad(k, SQ_ERR_FORMAT, p->at, "expected kind 1 (audio) or 2 (video), found %d",
                   (int)t->kind);
    }
    if (t->frame_count == 0 || t->frame_count > SQ_CLIP_FRAMES_MAX) {
        return bad(k, SQ_ERR_FORMAT, p->at + 8, "expected 1 to %u frames, found %u",
                   SQ_CLIP_FRAMES_MAX, t->frame_count);
    }
    uint64_t index_bytes = (uint64_t)INDEX_BYTES * t->frame_count;
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

/* A frame must be what the track says it is: a sender hands these bytes to somebody's decoder. */
static int check_frame(const struct check *k, const struct sq_clip_track *t, uint32_t i,
                       uint64_t at)
{
    const struct sq_clip_frame *f = &t->frames[i];
    bool key = (f->flags & SQ_CLIP_KEY) != 0;
    if (t->kind == SQ_CLIP_AUDIO) {
        struct sq_opus_packet p;
        if (f->len_bytes > 1275 || sq_opus_parse(t->data + f->offset, f->len_bytes, &p) != 0) {
            return bad(k, SQ_ERR_FORMAT, at, "expected frame %u to be an Opus packet", i);
        }
        if (!key) {
            return bad(k, SQ_ERR_FORMAT, at + 12, "expected the key flag on an audio frame");
        }
        return 0;
    }
    struct sq_vp8_frame_header h;
    if (sq_vp8_frame_header_parse(t->data + f->offset, f->len_bytes, &h) != 0) {
        return bad(k, SQ_ERR_FORMAT, at, "expected frame %u to be a VP8 frame", i);
    }
    if (h.key != key) {
        return bad(k, SQ_ERR_FORMAT, at + 12, "expected the key flag of frame %u as in its data",
                   i);
    }
    if (h.key && (h.width != t->width || h.height != t->height)) {
        return bad(k, SQ_ERR_FORMAT, at, "expected frame %u to be %ux%u, found %ux%u", i, t->width,
                   t->height, h.width, h.height);
    }
    return 0;
}

static int read_index(const struct check *k, struct sq_clip_track *t, const struct place *p)
{
    t->frames = sq_calloc((size_t)t->frame_count + 1, sizeof(*t->frames));
    if (!t->frames) {
        return SQ_ERR_NOMEM;
    }
    struct sq_wire w =
        sq_wire_reader(k->clip->map + p->index, (size_t)INDEX_BYTES * t->frame_count);
    uint64_t total = 0;
    for (uint32_t i = 0; i < t->frame_count; i++) {
        uint64_t at = p->index + w.pos;
        struct sq_clip_frame *f = &t->frames[i];
        f->offset = sq_wire_u32(&w);
        f->len_bytes = sq_wire_u32(&w);
        f->ticks = sq_wire_u32(&w);
        f->flags = sq_wire_u8(&w);
        f->level = sq_wire_u8(&w);
        uint16_t zero = sq_wire_u16(&w);
        if (f->len_bytes == 0 || f->offset > p->data_bytes ||
            f->len_bytes > p->data_bytes - f->offset) {
            return bad(k, SQ_ERR_FORMAT, at, "expected frame %u inside the %llu bytes of data", i,
                       (unsigned long long)p->data_bytes);
        }
        if (i == 0 ? f->ticks != 0 : f->ticks <= f[-1].ticks || f->ticks >= t->duration_ticks) {
            return bad(k, SQ_ERR_FORMAT, at + 8, "expected the times to begin at 0 and to rise");
        }
        if ((f->flags & ~(SQ_CLIP_KEY | SQ_CLIP_VOICE)) || f->level > 127 || zero) {
            return bad(k, SQ_ERR_FORMAT, at + 12, "expected flags 0 to 3, a level up to 127, zero");
        }
        int err = check_frame(k, t, i, at);
        if (err) {
            return err;
        }
        total += f->len_bytes;
    }
    if (!(t->frames[0].flags & SQ_CLIP_KEY)) {
        return bad(k, SQ_ERR_FORMAT, p->index + 12, "expected the first frame to be a key frame");
    }
    double bps = (double)total * 8 * t->clock_hz / t->duration_ticks;
    t->average_bps = bps < UINT32_MAX ? (uint32_t)bps : UINT32_MAX;
    return 0;
}

static int read_track(const struct check *k, struct sq_clip_track *t, size_t at,
                      size_t payload_max_bytes)
{
    struct sq_wire w = sq_wire_reader(k->clip->map + at, TRACK_BYTES);
    struct place p = {.at = at};
    t->kind = (enum sq_clip_kind)sq_wire_u8(&w);
    t->codec = (enum sq_clip_codec)sq_wire_u8(&w);
    t->channels = sq_wire_u8(&w);
    sq_wire_skip(&w, 1);
    t->clock_hz = sq_wire_u32(&w);
    t->frame_count = sq_wire_u32(&w);
    t->duration_ticks = sq_wire_u32(&w);
    sq_wire_skip(&w, 4); /* the average rate is computed anew, for this is what is sent */
    t->width = sq_wire_u16(&w);
    t->height = sq_wire_u16(&w);
    t->fps_milli = sq_wire_u32(&w);
    sq_wire_skip(&w, 4);
    p.index = sq_wire_u64(&w);
    p.data = sq_wire_u64(&w);
    p.data_bytes = sq_wire_u64(&w);
    int err = check_track_head(k, t, &p);
    if (err) {
        return err;
    }
    if (t->duration_ticks == 0) {
        return bad(k, SQ_ERR_FORMAT, at + 12, "expected a duration");
    }
    t->data = k->clip->map + p.data;
    err = read_index(k, t, &p);
    if (err) {
        return err;
    }
    err = sq_clip_cut(t, payload_max_bytes);
    if (err == SQ_ERR_UNSUPPORTED) {
        return bad(k, err, p.index, "expected at most %u packets in a track", SQ_CLIP_PACKETS_MAX);
    }
    return err;
}

/* Checks and cuts what c->map holds. */
static int clip_read(struct sq_clip *c, size_t payload_max_bytes, char *why)
{
    struct check k = {c, why};
    payload_max_bytes = payload_max_bytes ? payload_max_bytes : SQ_CLIP_PAYLOAD_DEFAULT;
    if (payload_max_bytes < SQ_CLIP_PAYLOAD_MIN || payload_max_bytes > SQ_CLIP_PAYLOAD_MAX) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX, "payloads of %zu bytes: expected %d to %d",
                       payload_max_bytes, SQ_CLIP_PAYLOAD_MIN, SQ_CLIP_PAYLOAD_MAX);
        return SQ_ERR_INVALID;
    }
    uint16_t tracks = 0;
    int err = check_head(&k, &tracks);
    for (size_t i = 0; !err && i < tracks; i++) {
        c->track_count = i + 1; /* so that what is half-built is freed */
        err = read_track(&k, &c->tracks[i], HEAD_BYTES + TRACK_BYTES * i, payload_max_bytes);
    }
    if (err == SQ_ERR_NOMEM) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX, "no memory for a clip");
    }
    return err;
}

static struct sq_clip *clip_new(const char *path, char *why)
{
    struct sq_clip *c = sq_zalloc(sizeof(*c));
    if (c) {
        c->path = sq_strdup(path);
    }
    if (!c || !c->path) {
        (void)snprintf(why, SQ_CLIP_WHY_MAX, "no memory for a clip");
        sq_free(c);
        return NULL;
    }
    return c;
}

static int map_file(struct sq_clip *c, char *why)
{
    struct check k = {c, why};
    int err = SQ_ERR_IO;
    struct stat st;
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 || fstat(fd, &st) != 0) {
        (void)bad(&k, err, 0, "%s", strerror(errno));
        goto out;
    }
    if (!S_ISREG(st.st_mode)) {
        (void)bad(&k, err, 0, "expected a regular file");
        goto out;
    }
    if (st.st_size < HEAD_BYTES || st.st_size > SQ_CLIP_FILE_MAX) {
        err = bad(&k, st.st_size < HEAD_BYTES ? SQ_ERR_TRUNCATED : SQ_ERR_FORMAT, 0,
                  "expected %d to %u bytes, found %lld", HEAD_BYTES, SQ_CLIP_FILE_MAX,
                  (long long)st.st_size);
        goto out;
    }
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
    if (map == MAP_FAILED) {
        (void)bad(&k, err, 0, "%s", strerror(errno));
        goto out;
    }
    c->map = c->mapping = map;
    c->map_bytes = (size_t)st.st_size;
    err = 0;
out:
    if (fd >= 0) {
        (void)close(fd);
    }
    return err;
}

int sq_clip_open(const char *path, size_t payload_max_bytes, struct sq_clip **ret_clip,
                 char why[static SQ_CLIP_WHY_MAX])
{
    struct sq_clip *c = clip_new(path, why);
    if (!c) {
        return SQ_ERR_NOMEM;
    }
    int err = map_file(c, why);
    if (!err) {
        err = clip_read(c, payload_max_bytes, why);
    }
    if (err) {
        sq_clip_close(c);
        return err;
    }
    *ret_clip = c;
    return 0;
}

int sq_clip_open_bytes(const void *bytes, size_t len, const char *path, size_t payload_max_bytes,
                       struct sq_clip **ret_clip, char why[static SQ_CLIP_WHY_MAX])
{
    struct sq_clip *c = clip_new(path, why);
    if (!c) {
        return SQ_ERR_NOMEM;
    }
    c->map = bytes;
    c->map_bytes = len;
    int err = clip_read(c, payload_max_bytes, why);
    if (err) {
        sq_clip_close(c);
        return err;
    }
    *ret_clip = c;
    return 0;
}

void sq_clip_close(struct sq_clip *c)
{
    if (!c) {
        return;
    }
    for (size_t i = 0; i < c->track_count; i++) {
        sq_free(c->tracks[i].frames);
        sq_free(c->tracks[i].packets);
        sq_free(c->tracks[i].keys);
    }
    if (c->mapping) {
        (void)munmap(c->mapping, c->map_bytes);
    }
    sq_free(c->path);
    sq_free(c);
}

const struct sq_clip_track *sq_clip_track(const struct sq_clip *c, enum sq_clip_kind kind)
{
    for (size_t i = 0; i < c->track_count; i++) {
        if (c->tracks[i].kind == kind) {
            return &c->tracks[i];
        }
    }
    return NULL;
}
