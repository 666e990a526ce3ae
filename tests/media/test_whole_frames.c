/* Streams that real encoders made go through packets and come out again as they were, and
 * libavcodec decodes what comes out: it sees whether the picture moves and whether something is
 * heard. The packets are made here, from the RFCs, and not by Squall's own packetizers. ffmpeg is
 * the encoder; without it, or without libavcodec, what needs it is skipped. */
#include "base/mem.h"
#include "base/rand.h"
#include "base/time.h"
#include "base/wire.h"
#include "media/decode.h"
#include "media/frame_buffer.h"
#include "media/frames.h"
#include "media/help.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAMES  75 /* three seconds */
#define MTU     500
#define PACKETS 8000

struct stream {
    enum sq_codec codec;
    uint8_t *file; /* owned */
    size_t frame_at[FRAMES], frame_len[FRAMES];
    unsigned frames;
};

struct packet {
    uint32_t timestamp;
    uint16_t seq;
    bool marker;
    size_t len;
    uint8_t bytes[MTU + 16];
};

static struct packet packets[PACKETS];

/* ---- encoding ---- */

static uint8_t *load(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    uint8_t *bytes = malloc(4 << 20);
    assert_non_null(bytes);
    *ret_len = fread(bytes, 1, 4 << 20, f);
    assert_int_equal(fclose(f), 0);
    return bytes;
}

static uint32_t le32(const uint8_t *p)
{
    return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

static void cut_ivf(struct stream *s, size_t len)
{
    for (size_t at = 32; at + 12 <= len && s->frames < FRAMES; s->frames++) {
        s->frame_at[s->frames] = at + 12;
        s->frame_len[s->frames] = le32(s->file + at);
        at += 12 + s->frame_len[s->frames];
    }
}

/* Start codes of three bytes become those of four, as sq_frames writes them. */
static size_t long_start_codes(struct stream *s, size_t len)
{
    uint8_t *out = malloc(len + len / 3);
    size_t n = 0;
    assert_non_null(out);
    for (size_t at = 0; at < len;) {
        size_t code = at + 3 <= len && memcmp(s->file + at, "\0\0\1", 3) == 0 ? 3 : 0;
        code = at + 4 <= len && memcmp(s->file + at, "\0\0\0\1", 4) == 0 ? 4 : code;
        if (code) {
            memcpy(out + n, "\0\0\0\1", 4);
            n += 4;
            at += code;
        } else {
            out[n++] = s->file[at++];
        }
    }
    free(s->file);
    s->file = out;
    return n;
}

/* Annex B with an access unit delimiter (00 00 00 01 09) before each picture. */
static void cut_h264(struct stream *s, size_t len)
{
    size_t begin = 0;
    for (size_t at = 1; at <= len && s->frames < FRAMES; at++) {
        bool aud = at + 5 <= len && memcmp(s->file + at, "\0\0\0\1\x09", 5) == 0;
        if (aud || at == len) {
            s->frame_at[s->frames] = begin;
            s->frame_len[s->frames++] = at - begin;
            begin = at;
        }
    }
}

static void encode(struct stream *s, enum sq_codec codec, bool moving)
{
    static const char *const how[SQ_CODECS] = {
        [SQ_CODEC_VP8] = "-c:v libvpx -deadline realtime -cpu-used 8 -auto-alt-ref 0 -f ivf",
        [SQ_CODEC_VP9] = "-c:v libvpx-vp9 -deadline realtime -cpu-used 8 -lag-in-frames 0 -f ivf",
        [SQ_CODEC_H264] =
            "-c:v libx264 -preset ultrafast -tune zerolatency -bf 0 -g 50 -aud 1 -slices 1 -f h264",
        [SQ_CODEC_AV1] = "-c:v libaom-av1 -usage realtime -cpu-used 8 -lag-in-frames 0 -f ivf",
    };
    char path[] = "/tmp/squall-test-XXXXXX";
    char command[600];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    (void)snprintf(command, sizeof(command),
                   "/usr/bin/ffmpeg -nostdin -v error -y -f lavfi -i %s=s=320x180:r=25 -frames:v "
                   "%d -pix_fmt yuv420p -g 50 -b:v 300k %s %s",
                   moving ? "testsrc2" : "smptebars", FRAMES, how[codec], path);
    assert_int_equal(system(command), 0); /* NOLINT(cert-env33-c): of this test's own making */
    size_t len;
    *s = (struct stream){.codec = codec};
    s->file = load(path, &len);
    assert_int_equal(unlink(path), 0);
    if (codec == SQ_CODEC_H264) {
        cut_h264(s, long_start_codes(s, len));
    } else {
        cut_ivf(s, len);
    }
    assert_int_equal(s->frames, FRAMES);
}

/* ---- packets ---- */

struct maker {
    size_t n;
    uint16_t seq;
    uint32_t timestamp;
};

static struct sq_wire next_packet(struct maker *m)
{
    assert_true(m->n < PACKETS);
    struct packet *p = &packets[m->n];
    *p = (struct packet){.timestamp = m->timestamp, .seq = m->seq++};
    return sq_wire_writer(p->bytes, sizeof(p->bytes));
}

static void end_packet(struct maker *m, struct sq_wire *w, bool marker)
{
    assert_int_equal(w->err, 0);
    packets[m->n].len = w->pos;
    packets[m->n++].marker = marker;
}

/* VP8 with S, VP9 with B, E, P and a PictureID. */
static void cut_vpx(struct maker *m, enum sq_codec codec, unsigned number, bool key,
                    const uint8_t *at, size_t len)
{
    for (size_t done = 0; done < len;) {
        size_t n = len - done < MTU ? len - done : MTU;
        struct sq_wire w = next_packet(m);
        bool last = done + n == len;
        if (codec == SQ_CODEC_VP8) {
            sq_wire_put_u8(&w, done == 0 ? 0x90 : 0x80);
            sq_wire_put_u8(&w, 0x80);
        } else {
            sq_wire_put_u8(
                &w, (uint8_t)(0x80 | (key ? 0 : 0x40) | (done == 0 ? 8 : 0) | (last ? 4 : 0)));
        }
        sq_wire_put_u16(&w, (uint16_t)(0x8000 | number));
        sq_wire_put(&w, at + done, n);
        end_packet(m, &w, last);
        done += n;
    }
}

/* RFC 6184: parameter sets and the delimiter in a STAP-A, slices by themselves or in FU-As. */
static void cut_nals(struct maker *m, const uint8_t *at, size_t len)
{
    struct sq_wire stap;
    bool open = false;
    for (size_t begin = 0; begin < len;) {
        size_t skip = at[begin + 2] == 1 ? 3 : 4;
        size_t end = begin + skip;
        while (end < len && !(end + 3 <= len && at[end] == 0 && at[end + 1] == 0 &&
                              (at[end + 2] == 1 || (at[end + 2] == 0 && at[end + 3] == 1)))) {
            end++;
        }
        const uint8_t *nal = at + begin + skip;
        size_t n = end - begin - skip;
        unsigned type = nal[0] & 0x1f;
        bool last = end == len;
        if (type >= 6 && n < 60) {
            if (!open) {
                stap = next_packet(m);
                sq_wire_put_u8(&stap, 0x78);
                open = true;
            }
            sq_wire_put_u16(&stap, (uint16_t)n);
            sq_wire_put(&stap, nal, n);
        } else {
            if (open) {
                end_packet(m, &stap, false);
                open = false;
            }
            for (size_t done = n > MTU ? 1 : 0; done < n;) {
                size_t piece = n - done < MTU ? n - done : MTU;
                struct sq_wire w = next_packet(m);
                if (n > MTU) {
                    sq_wire_put_u8(&w, (uint8_t)((nal[0] & 0xe0) | 28));
                    sq_wire_put_u8(&w, (uint8_t)((done == 1 ? 0x80 : 0) |
                                                 (done + piece == n ? 0x40 : 0) | type));
                }
                sq_wire_put(&w, nal + done, piece);
                done += piece;
                end_packet(m, &w, last && done == n);
            }
        }
        begin = end;
    }
    assert_false(open);
}

/* AV1: each OBU without its size field; temporal delimiters stay away; W = 1. */
static void cut_obus(struct maker *m, bool key, const uint8_t *at, size_t len)
{
    bool first = true;
    for (size_t pos = 0; pos < len;) {
        unsigned type;
        bool has_size;
        uint32_t size;
        size_t head = sq_obu_header(at + pos, len - pos, &type, &has_size, &size);
        assert_true(head > 0 && has_size);
        static uint8_t obu[1 << 20];
        size_t plain = at[pos] & 4 ? 2 : 1;
        memcpy(obu, at + pos, plain);
        obu[0] &= (uint8_t)~2;
        memcpy(obu + plain, at + pos + head, size);
        size_t n = plain + size;
        pos += head + size;
        for (size_t done = 0; done < n && type != SQ_OBU_TEMPORAL_DELIMITER;) {
            size_t piece = n - done < MTU ? n - done : MTU;
            struct sq_wire w = next_packet(m);
            sq_wire_put_u8(&w, (uint8_t)((done ? 0x80 : 0) | (done + piece < n ? 0x40 : 0) | 0x10 |
                                         (key && first ? 8 : 0)));
            sq_wire_put(&w, obu + done, piece);
            done += piece;
            first = false;
            end_packet(m, &w, pos == len && done == n);
        }
    }
}

static bool is_key(const struct stream *s, unsigned i)
{
    return i % 50 == 0;
}

static size_t make_packets(const struct stream *s)
{
    struct maker m = {.seq = 65400};
    for (unsigned i = 0; i < s->frames; i++) {
        const uint8_t *at = s->file + s->frame_at[i];
        m.timestamp = i * 3600;
        if (s->codec == SQ_CODEC_H264) {
            cut_nals(&m, at, s->frame_len[i]);
        } else if (s->codec == SQ_CODEC_AV1) {
            cut_obus(&m, is_key(s, i), at, s->frame_len[i]);
        } else {
            cut_vpx(&m, s->codec, i, is_key(s, i), at, s->frame_len[i]);
        }
    }
    return m.n;
}

/* ---- what comes out ---- */

struct check {
    const struct stream *s;
    struct sq_media_decoder *decoder; /* nullable */
    unsigned frames;
};

static void on_frame(void *ctx, const struct sq_media_frame *frame)
{
    struct check *c = ctx;
    const struct stream *s = c->s;
    unsigned i = frame->timestamp / 3600;
    assert_int_equal(frame->len, s->frame_len[i]);
    assert_memory_equal(frame->bytes, s->file + s->frame_at[i], frame->len);
    assert_int_equal(frame->key, is_key(s, i));
    assert_int_equal(frame->width, 320);
    assert_int_equal(frame->height, 180);
    assert_int_equal(i, c->frames);
    c->frames++;
    if (c->decoder) {
        sq_media_decoder_push(c->decoder, frame);
    }
}

static void through_packets(struct check *c)
{
    struct sq_frames *frames;
    struct sq_rand rand;
    size_t n = make_packets(c->s);
    sq_rand_seed(&rand, 9);
    for (size_t i = 0; i + 1 < n; i++) { /* neighbours change places */
        if (sq_rand_below(&rand, 3) == 0) {
            struct packet swap = packets[i];
            packets[i] = packets[i + 1];
            packets[i + 1] = swap;
        }
    }
    assert_int_equal(sq_frames_new(on_frame, c, &frames), 0);
    for (size_t i = 0; i < n; i++) {
        const struct sq_media_packet p = {.now_ns = SQ_NS_PER_SEC + i * SQ_NS_PER_MS,
                                          .payload = packets[i].bytes,
                                          .len = packets[i].len,
                                          .timestamp = packets[i].timestamp,
                                          .seq = packets[i].seq,
                                          .marker = packets[i].marker,
                                          .codec = c->s->codec};
        assert_int_equal(sq_frames_push(frames, &p), 0);
    }
    assert_int_equal(c->frames, FRAMES);
    assert_int_equal(sq_frames_stats(frames)->frames_dropped, 0);
    sq_frames_free(frames);
}

static void one(enum sq_codec codec, bool moving)
{
    struct stream s;
    struct check c = {.s = &s};
    if (access("/usr/bin/ffmpeg", X_OK) != 0) {
        skip();
    }
    encode(&s, codec, moving);
    if (sq_media_decoder_available()) {
        assert_int_equal(sq_media_decoder_new(&c.decoder), 0);
    }
    through_packets(&c);
    if (c.decoder) {
        struct sq_decoded d;
        sq_media_decoder_figures(c.decoder, &d);
        assert_int_equal(d.failed, 0);
        assert_in_range(d.pictures, FRAMES - 2, FRAMES); /* a decoder may hold the last ones */
        assert_int_equal(d.width, 320);
        assert_int_equal(d.seconds, 2);
        assert_int_equal(d.seconds_alive, moving ? 2 : 0);
    }
    sq_media_decoder_free(c.decoder);
    free(s.file);
}

static void vp8(void **state)
{
    one(SQ_CODEC_VP8, true);
    one(SQ_CODEC_VP8, false);
}

static void vp9(void **state)
{
    one(SQ_CODEC_VP9, true);
    one(SQ_CODEC_VP9, false);
}

static void h264(void **state)
{
    one(SQ_CODEC_H264, true);
    one(SQ_CODEC_H264, false);
}

static void av1(void **state)
{
    one(SQ_CODEC_AV1, true);
    one(SQ_CODEC_AV1, false);
}

/* Sound: the clip that ships is speech; G.711 and G.722 of tone and of silence. */
static struct sq_decoded listen(enum sq_codec codec, const uint8_t *bytes, size_t len)
{
    struct sq_media_decoder *d;
    struct sq_decoded told;
    assert_int_equal(sq_media_decoder_new(&d), 0);
    for (unsigned n = 0; n < 150; n++) { /* three seconds of 20 ms */
        const struct sq_media_frame f = {
            .codec = codec, .bytes = bytes, .len = len, .timestamp = n * 160, .key = true};
        sq_media_decoder_push(d, &f);
    }
    sq_media_decoder_figures(d, &told);
    sq_media_decoder_free(d);
    return told;
}

static void what_is_heard(void **state)
{
    uint8_t bytes[160];
    struct sq_decoded d;
    if (!sq_media_decoder_available()) {
        skip();
    }
    memset(bytes, 0xff, sizeof(bytes)); /* µ-law 0 */
    d = listen(SQ_CODEC_PCMU, bytes, 160);
    assert_int_equal(d.seconds, 3);
    assert_int_equal(d.seconds_alive, 0);
    for (unsigned i = 0; i < 160; i++) { /* a square wave of 400 Hz at half scale */
        bytes[i] = i / 10 % 2 ? 0x90 : 0x10;
    }
    d = listen(SQ_CODEC_PCMU, bytes, 160);
    assert_int_equal(d.seconds_alive, 3);
    assert_true(d.level_dbov > -12 && d.level_dbov < 0);
    d = listen(SQ_CODEC_PCMA, bytes, 160);
    assert_int_equal(d.seconds_alive, 3);
    d = listen(SQ_CODEC_G722, bytes, 160);
    assert_int_equal(d.seconds, 3);

    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_AUDIO);
    struct sq_media_decoder *decoder;
    assert_int_equal(sq_media_decoder_new(&decoder), 0);
    for (uint32_t i = 0; i < t->packet_count; i++) {
        const struct sq_media_frame f = {.codec = SQ_CODEC_OPUS,
                                         .bytes = t->data + t->packets[i].offset,
                                         .len = t->packets[i].len_bytes,
                                         .timestamp = i * 960,
                                         .key = true};
        sq_media_decoder_push(decoder, &f);
    }
    sq_media_decoder_figures(decoder, &d);
    assert_int_equal(d.failed, 0);
    assert_true(d.seconds >= 2 && d.seconds_alive == d.seconds);
    sq_media_decoder_free(decoder);
    sq_clip_close(c);
}

static void on_any(void *ctx, const struct sq_media_frame *frame)
{
    unsigned *count = ctx;
    (*count)++;
}

/* Without memory a frame is lost, and told; nothing leaks. */
static void no_memory(void **state)
{
    static const uint8_t key[] = {0x90, 0x80, 0x80, 1, 0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0, 1};
    static const uint8_t voice[] = {1 << 3, 1, 2};
    for (size_t nth = 1; nth < 8; nth++) {
        struct sq_frames *frames = NULL;
        unsigned count = 0;
        struct sq_media_packet p = {
            .payload = key, .len = sizeof(key), .marker = true, .codec = SQ_CODEC_VP8};
        sq_mem_fail_at(nth);
        int err = sq_frames_new(on_any, &count, &frames);
        bool made = !err;
        err = err ? err : sq_frames_push(frames, &p);
        p.codec = SQ_CODEC_OPUS;
        p.payload = voice;
        p.len = sizeof(voice);
        int second = made ? sq_frames_push(frames, &p) : 0;
        sq_mem_fail_at(0);
        assert_int_equal(made, nth > 1);
        /* 2: the packet; 3: the frame; 4: the sound */
        assert_int_equal(count, nth == 1 ? 0 : (nth <= 4 ? 1 : 2));
        assert_true(nth > 4 ? err == 0 && second == 0
                            : err == SQ_ERR_NOMEM || second == SQ_ERR_NOMEM);
        sq_frames_free(frames);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vp8), cmocka_unit_test(vp9),           cmocka_unit_test(h264),
        cmocka_unit_test(av1), cmocka_unit_test(what_is_heard), cmocka_unit_test(no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
