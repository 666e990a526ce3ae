#include "media/help.h"

#include "base/wire.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sq_clip *open_with(const char *name, const struct sq_clip_opts *opts)
{
    char path[SQ_CLIP_PATH_MAX];
    char why[SQ_CLIP_WHY_MAX] = "";
    struct sq_clip *c = NULL;
    (void)snprintf(path, sizeof(path), "%s/share/clips/%s.sqclip", SQ_SOURCE_DIR, name);
    if (sq_clip_open_with(path, opts, &c, why) != 0) {
        fail_msg("%s", why);
    }
    return c;
}

struct sq_clip *help_open(const char *name, size_t payload_max_bytes)
{
    const struct sq_clip_opts opts = {.payload_max_bytes = payload_max_bytes};
    return open_with(name, &opts);
}

struct sq_clip *help_open_tagged(const char *name)
{
    const struct sq_clip_opts opts = {.tags = true};
    return open_with(name, &opts);
}

uint32_t help_crc32(const uint8_t *bytes, size_t len)
{
    uint32_t crc = UINT32_MAX;
    for (size_t i = 0; i < len * 8; i++) {
        uint32_t bit = (crc ^ (uint32_t)(bytes[i / 8] >> (i % 8))) & 1;
        crc = crc >> 1 ^ (bit ? 0xedb88320 : 0);
    }
    return ~crc;
}

void help_seal(struct help_file *f)
{
    sq_store_u64(f->bytes + 16, f->len);
    sq_store_u32(f->bytes + 12, help_crc32(f->bytes + 16, f->len - 16));
}

static size_t video_len(unsigned i)
{
    return 10 + i * 37 % 5000;
}

static void put_track(struct sq_wire *w, bool video, unsigned frames, size_t index, size_t data,
                      size_t data_bytes)
{
    sq_wire_put_u8(w, video ? 2 : 1);
    sq_wire_put_u8(w, video ? SQ_CODEC_VP8 : SQ_CODEC_OPUS);
    sq_wire_put_u8(w, video ? 0 : 1);
    sq_wire_put_u8(w, 0);
    sq_wire_put_u32(w, video ? 90000 : 48000);
    sq_wire_put_u32(w, frames);
    sq_wire_put_u32(w, frames * (video ? 3600 : 960));
    sq_wire_put_u32(w, 0);
    sq_wire_put_u16(w, video ? 16 : 0);
    sq_wire_put_u16(w, video ? 16 : 0);
    sq_wire_put_u32(w, video ? 25000 : 0);
    sq_wire_put_u8(w, 1);
    sq_wire_put_u8(w, 1);
    sq_wire_put_u16(w, 0);
    sq_wire_put_u64(w, index);
    sq_wire_put_u64(w, data);
    sq_wire_put_u64(w, data_bytes);
    sq_wire_put_u64(w, 0);
}

static void put_audio(struct sq_wire *w, unsigned frames)
{
    for (unsigned i = 0; i < frames; i++) {
        sq_wire_put_u32(w, i * 5);
        sq_wire_put_u32(w, 5);
        sq_wire_put_u32(w, i * 960);
        sq_wire_put_u8(w, (uint8_t)(1 | (i % 3 ? 2 : 0)));
        sq_wire_put_u8(w, (uint8_t)(i % 128));
        sq_wire_put_u16(w, 0);
    }
    for (unsigned i = 0; i < frames; i++) {
        sq_wire_put_u8(w, 9 << 3); /* SILK, 20 ms, one frame */
        sq_wire_put_u32(w, i);
    }
}

static void put_video(struct sq_wire *w, unsigned frames, unsigned key_every)
{
    size_t offset = 0;
    for (unsigned i = 0; i < frames; i++) {
        sq_wire_put_u32(w, (uint32_t)offset);
        sq_wire_put_u32(w, (uint32_t)video_len(i));
        sq_wire_put_u32(w, i * 3600);
        sq_wire_put_u8(w, i % key_every == 0);
        sq_wire_put_u8(w, 0);
        sq_wire_put_u16(w, 0);
        offset += video_len(i);
    }
    for (unsigned i = 0; i < frames; i++) {
        static const uint8_t key[10] = {0x10, 0, 0, 0x9d, 0x01, 0x2a, 16, 0, 16, 0};
        static const uint8_t delta[10] = {0x11, 0, 0};
        sq_wire_put(w, i % key_every == 0 ? key : delta, 10);
        for (size_t n = 10; n < video_len(i); n++) {
            sq_wire_put_u8(w, (uint8_t)(i + n));
        }
    }
}

struct help_file help_make(unsigned audio, unsigned video, unsigned key_every)
{
    unsigned tracks = (audio > 0) + (video > 0);
    size_t video_bytes = 0;
    for (unsigned i = 0; i < video; i++) {
        video_bytes += video_len(i);
    }
    size_t audio_at = 24 + 64 * (size_t)tracks;
    size_t video_at = audio_at + audio * 21;
    struct help_file f = {NULL, video_at + (size_t)video * 16 + video_bytes};
    f.bytes = malloc(f.len);
    assert_non_null(f.bytes);
    struct sq_wire w = sq_wire_writer(f.bytes, f.len);
    sq_wire_put(&w, "SQCLIP\r\n", 8);
    sq_wire_put_u16(&w, 2);
    sq_wire_put_u16(&w, (uint16_t)tracks);
    sq_wire_put_u32(&w, 0);
    sq_wire_put_u64(&w, f.len);
    if (audio) {
        put_track(&w, false, audio, audio_at, audio_at + 16 * (size_t)audio, (size_t)audio * 5);
    }
    if (video) {
        put_track(&w, true, video, video_at, video_at + 16 * (size_t)video, video_bytes);
    }
    put_audio(&w, audio);
    put_video(&w, video, key_every);
    assert_int_equal(w.err, 0);
    assert_int_equal(w.pos, f.len);
    help_seal(&f);
    return f;
}

struct help_file help_build(const struct help_track *tracks, unsigned count)
{
    struct help_file f = {NULL, 24 + 64 * (size_t)count};
    for (unsigned i = 0; i < count; i++) {
        for (unsigned n = 0; n < tracks[i].count; n++) {
            f.len += 16 + (size_t)tracks[i].rows[n].len;
        }
    }
    f.bytes = malloc(f.len);
    assert_non_null(f.bytes);
    struct sq_wire heads = sq_wire_writer(f.bytes, f.len);
    struct sq_wire rest = heads;
    rest.pos = 24 + 64 * (size_t)count;
    sq_wire_put(&heads, "SQCLIP\r\n", 8);
    sq_wire_put_u16(&heads, 2);
    sq_wire_put_u16(&heads, (uint16_t)count);
    sq_wire_put_u32(&heads, 0);
    sq_wire_put_u64(&heads, f.len);
    for (unsigned i = 0; i < count; i++) {
        const struct help_track *t = &tracks[i];
        bool video = t->kind == SQ_CLIP_VIDEO;
        uint32_t bytes = 0;
        for (unsigned n = 0; n < t->count; n++) {
            bytes += t->rows[n].len;
        }
        sq_wire_put_u8(&heads, (uint8_t)t->kind);
        sq_wire_put_u8(&heads, (uint8_t)t->codec);
        sq_wire_put_u8(&heads, t->channels);
        sq_wire_put_u8(&heads, t->ladder);
        sq_wire_put_u32(&heads, sq_codec_info(t->codec)->clock_hz);
        sq_wire_put_u32(&heads, t->count);
        sq_wire_put_u32(&heads, t->duration);
        sq_wire_put_u32(&heads, t->features);
        sq_wire_put_u16(&heads, t->width);
        sq_wire_put_u16(&heads, t->height);
        sq_wire_put_u32(&heads, video ? 25000 : 0);
        sq_wire_put_u8(&heads, t->temporal_layers ? t->temporal_layers : 1);
        sq_wire_put_u8(&heads, t->spatial_layers ? t->spatial_layers : 1);
        sq_wire_put_u16(&heads, 0);
        sq_wire_put_u64(&heads, rest.pos);
        sq_wire_put_u64(&heads, rest.pos + 16 * (size_t)t->count);
        sq_wire_put_u64(&heads, bytes);
        sq_wire_put_u64(&heads, 0);
        uint32_t offset = 0;
        for (unsigned n = 0; n < t->count; n++) {
            const struct help_row *r = &t->rows[n];
            sq_wire_put_u32(&rest, offset);
            sq_wire_put_u32(&rest, r->len);
            sq_wire_put_u32(&rest, r->ticks);
            sq_wire_put_u8(&rest, r->flags);
            sq_wire_put_u8(&rest, r->level);
            sq_wire_put_u8(&rest, r->tid);
            sq_wire_put_u8(&rest, r->sid);
            offset += r->len;
        }
        for (unsigned n = 0; n < t->count; n++) {
            sq_wire_put(&rest, t->rows[n].bytes, t->rows[n].len);
        }
    }
    assert_int_equal(heads.err | rest.err, 0);
    help_seal(&f);
    return f;
}

struct help_file help_read(const char *path)
{
    struct help_file f = {NULL, 0};
    FILE *in = fopen(path, "rb");
    assert_non_null(in);
    assert_int_equal(fseek(in, 0, SEEK_END), 0);
    f.len = (size_t)ftell(in);
    rewind(in);
    f.bytes = malloc(f.len + 1);
    assert_non_null(f.bytes);
    assert_int_equal(fread(f.bytes, 1, f.len, in), f.len);
    assert_int_equal(fclose(in), 0);
    return f;
}
