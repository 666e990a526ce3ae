/* What ships is decoded by ffmpeg, out of packets: each codec, each step, and with each number of
 * temporal layers, where the pictures are those of the whole stream, to the last bit; and the same
 * with time-tags in it. */
#include "base/rand.h"
#include "base/time.h"
#include "media/frames.h"
#include "media/help.h"
#include "media/source.h"
#include "media/timetag.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAMES 72U /* with three key frames */

static unsigned tagged; /* packets */

struct sink {
    FILE *file;
    enum sq_codec codec;
    unsigned frames;
};

static void put_le(FILE *file, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        assert_int_not_equal(fputc((int)(value >> (8 * i) & 0xff), file), EOF);
    }
}

static void on_frame(void *ctx, const struct sq_media_frame *frame)
{
    struct sink *s = ctx;
    if (s->codec != SQ_CODEC_H264) {
        put_le(s->file, frame->len, 4);
        put_le(s->file, frame->timestamp / 3600, 8);
    }
    assert_int_equal(fwrite(frame->bytes, 1, frame->len, s->file), frame->len);
    s->frames++;
}

static void begin_file(struct sink *s, const struct sq_clip_track *t)
{
    const char *fourcc = t->codec == SQ_CODEC_VP8   ? "VP80"
                         : t->codec == SQ_CODEC_VP9 ? "VP90"
                                                    : "AV01";
    if (t->codec == SQ_CODEC_H264) {
        return;
    }
    assert_int_equal(fwrite("DKIF\0\0\x20", 1, 8, s->file), 8);
    assert_int_equal(fwrite(fourcc, 1, 4, s->file), 4);
    put_le(s->file, t->width, 2);
    put_le(s->file, t->height, 2);
    put_le(s->file, 25, 4);
    put_le(s->file, 1, 4);
    put_le(s->file, 0, 8);
}

/* As a sender does it (peer/latency.c); the payload has room. Returns its length. */
static size_t put_tag(const struct sq_clip_track *t, const struct sq_source_packet *p,
                      uint8_t *payload, size_t len)
{
    const struct sq_timetag tag = {.wall_us = p->due_ns / 1000, .clock = 7, .error_us = 1000};
    struct sq_timetag back;
    size_t at = sq_timetag_room_at(t->codec, p->fragment, p->fragment_len);
    if (at) {
        sq_timetag_fill(t->codec, &tag, payload + p->head_len + at);
    } else if (sq_timetag_grows(t->codec, p->marker, payload, len)) {
        len = sq_timetag_put(t->codec, &tag, payload, len);
    } else {
        assert_false(sq_timetag_find(t->codec, p->marker, payload, len, &back));
        return len;
    }
    assert_true(sq_timetag_find(t->codec, p->marker, payload, len, &back));
    assert_int_equal(back.wall_us, tag.wall_us);
    assert_int_equal(sq_timetag_room_at(t->codec, payload + p->head_len, len - p->head_len), 0);
    tagged++;
    return len;
}

/* The beginning of the track, with layers up to `tid`, through packets into a file. */
static unsigned send_to_file(const struct sq_clip_track *t, unsigned tid, bool tags,
                             const char *path)
{
    struct sink sink = {.file = fopen(path, "wb"), .codec = t->codec};
    struct sq_frames *frames = NULL;
    struct sq_rand rand;
    struct sq_source s;
    struct sq_source_packet p;
    assert_non_null(sink.file);
    begin_file(&sink, t);
    assert_int_equal(sq_frames_new(on_frame, &sink, &frames), 0);
    sq_rand_seed(&rand, 31);
    do { /* from the clip's beginning, so that pictures can be told apart by their time */
        sq_source_init(&s, t, 0, SQ_NS_PER_SEC, &rand);
    } while (s.frame != 0);
    sq_source_set_max_tid(&s, tid);
    uint16_t seq = 0;
    while (s.ticks < (uint64_t)FRAMES * 3600) {
        uint8_t payload[2048];
        assert_true(sq_source_next(&s, s.due_ns, &p));
        memcpy(payload, p.head, p.head_len);
        memcpy(payload + p.head_len, p.fragment, p.fragment_len);
        size_t len = p.head_len + (size_t)p.fragment_len;
        len = tags ? put_tag(t, &p, payload, len) : len;
        const struct sq_media_packet packet = {.now_ns = p.due_ns,
                                               .payload = payload,
                                               .len = len,
                                               .dd = p.ext_len ? p.ext : NULL,
                                               .dd_len = p.ext_len,
                                               .timestamp = (uint32_t)p.ticks,
                                               .seq = seq++,
                                               .marker = p.marker,
                                               .codec = t->codec};
        assert_int_equal(sq_frames_push(frames, &packet), 0);
    }
    sq_frames_flush(frames);
    sq_frames_free(frames);
    assert_int_equal(fclose(sink.file), 0);
    return sink.frames;
}

/* The decoders that people have; tags are shown to both. H.264 as a byte stream has no times: they
 * are counted. */
static const char *const decoders[SQ_CODECS][2] = {
    [SQ_CODEC_VP8] = {"-c:v vp8", "-c:v libvpx"},
    [SQ_CODEC_VP9] = {"-c:v libvpx-vp9", "-c:v vp9"},
    [SQ_CODEC_H264] = {"-f h264 -r 25"},
    [SQ_CODEC_AV1] = {"-c:v libdav1d", "-c:v libaom-av1"},
};

/* MD5 of each picture that ffmpeg decodes, at its time in frames. */
static unsigned decode(const struct sq_clip_track *t, const char *decoder, const char *path,
                       char md5[FRAMES][40])
{
    char command[512];
    char line[256];
    unsigned n = 0;
    (void)snprintf(command, sizeof(command),
                   "/usr/bin/ffmpeg -nostdin -v error -xerror %s -i %s -vsync 0 -f framemd5 - 2>&1",
                   decoder, path);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): of this test's own making */
    assert_non_null(pipe);
    memset(md5, 0, FRAMES * sizeof(*md5));
    while (fgets(line, sizeof(line), pipe)) {
        unsigned stream;
        long dts;
        long pts;
        long duration;
        long size;
        char sum[40] = "";
        /* dav1d 1.0 says so, and goes on: the type is one that is left to users. */
        if (line[0] == '#' || line[0] == '\n' || strstr(line, "Unknown Metadata OBU type 26") ||
            strstr(line, "Last message repeated")) {
            continue;
        }
        if (sscanf(line, "%u, %ld, %ld, %ld, %ld, %39s", &stream, &dts, &pts, &duration, &size,
                   sum) != 6) {
            fail_msg("%s", line);
        }
        /* A byte stream of H.264 counts in 1/1,200,000 s. */
        long at = t->codec == SQ_CODEC_H264 ? (long)n : pts;
        assert_true(at >= 0 && at < (long)FRAMES);
        memcpy(md5[at], sum, sizeof(sum));
        n++;
    }
    assert_int_equal(pclose(pipe), 0);
    return n;
}

/* A tag in each frame and each of its spatial layers, and the same pictures. */
static void decode_tagged(const struct sq_clip_track *t, const char *path, unsigned sent,
                          char whole[FRAMES][40])
{
    static char some[FRAMES][40];
    tagged = 0;
    assert_int_equal(send_to_file(t, 3, true, path), sent);
    assert_true(tagged >= FRAMES * t->spatial_layers && tagged <= (FRAMES + 1) * t->spatial_layers);
    /* ffmpeg's own VP9 shows each spatial layer as a picture. */
    size_t n = t->spatial_layers > 1 ? 1 : 2;
    for (size_t i = 0; i < n && decoders[t->codec][i]; i++) {
        assert_int_equal(decode(t, decoders[t->codec][i], path, some), sent);
        assert_memory_equal(some, whole, sizeof(some));
    }
}

/* `with` is the same track, cut with room for time-tags. */
static void decode_track(const struct sq_clip_track *t, const struct sq_clip_track *with)
{
    static char whole[FRAMES][40];
    static char some[FRAMES][40];
    char path[] = "/tmp/squall-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    /* The last one may wait for the next, which is not sent. */
    unsigned sent = send_to_file(t, 3, false, path);
    assert_true(sent >= FRAMES - 1);
    assert_int_equal(decode(t, decoders[t->codec][0], path, whole), sent);
    decode_tagged(with, path, sent, whole);
    bool top = t->step + 1U == t->step_count; /* layers are alike in all steps */
    for (unsigned tid = 0; top && tid + 1 < t->temporal_layers; tid++) {
        unsigned part = send_to_file(t, tid, false, path);
        assert_true(part + 1 >= FRAMES >> (t->temporal_layers - 1 - tid));
        assert_int_equal(decode(t, decoders[t->codec][0], path, some), part);
        for (unsigned i = 0; i < FRAMES; i++) {
            if (some[i][0] && memcmp(some[i], whole[i], sizeof(whole[i])) != 0) {
                fail_msg("%s %ux%u, layers up to %u: picture %u is another",
                         sq_codec_info(t->codec)->name, t->width, t->height, tid, i);
            }
        }
    }
    assert_int_equal(unlink(path), 0);
}

static void decode_codec(enum sq_codec codec)
{
    if (access("/usr/bin/ffmpeg", X_OK) != 0) {
        skip();
    }
    struct sq_clip *c = help_open("default", 0);
    struct sq_clip *with = help_open_tagged("default");
    unsigned tracks = 0;
    for (size_t i = 0; i < c->track_count; i++) {
        if (c->tracks[i].codec == codec) {
            decode_track(&c->tracks[i], &with->tracks[i]);
            tracks++;
        }
    }
    assert_true(tracks >= 3);
    sq_clip_close(c);
    sq_clip_close(with);
}

static void vp8_decodes(void **state)
{
    decode_codec(SQ_CODEC_VP8);
}

static void vp9_decodes(void **state)
{
    decode_codec(SQ_CODEC_VP9);
}

static void h264_decodes(void **state)
{
    decode_codec(SQ_CODEC_H264);
}

static void av1_decodes(void **state)
{
    decode_codec(SQ_CODEC_AV1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vp8_decodes),
        cmocka_unit_test(vp9_decodes),
        cmocka_unit_test(h264_decodes),
        cmocka_unit_test(av1_decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
