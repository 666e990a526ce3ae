/* WebM, Ogg and WAV: the tree of elements fits into itself, lengths and cues are filled in, and
 * what cannot be written is left out. That players take the files is shown by interop/record-*. */
#include "base/mem.h"
#include "base/str.h"
#include "base/wire.h"
#include "media/mux/codec_private.h"
#include "media/mux/ogg.h"
#include "media/mux/wav.h"
#include "media/mux/webm.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct {
    uint8_t bytes[1 << 20];
    size_t len;
} out;

static void on_append(void *ctx, const void *bytes, size_t len)
{
    (void)ctx;
    assert_true(out.len + len <= sizeof(out.bytes));
    memcpy(out.bytes + out.len, bytes, len);
    out.len += len;
}

static void on_patch(void *ctx, uint64_t at, const void *bytes, size_t len)
{
    (void)ctx;
    assert_true(at + len <= out.len);
    memcpy(out.bytes + at, bytes, len);
}

static const struct sq_mux_sink sink = {.append = on_append, .patch = on_patch};

struct counts {
    uint64_t width, height;
    unsigned clusters, blocks, cues, tracks;
    uint64_t cluster_at[16], cue_at[16];
    double duration;
};

static uint64_t vint(struct sq_wire *w, bool keep_mark)
{
    uint8_t first = sq_wire_u8(w);
    unsigned more = (unsigned)__builtin_clz((unsigned)first << 24 | 1);
    uint64_t n = keep_mark ? first : first & (0x7fU >> more);
    while (more-- > 0) {
        n = n << 8 | sq_wire_u8(w);
    }
    return n;
}

/* Every element ends where its parent does, or before. */
static void walk(const uint8_t *at, size_t len, struct counts *c, const uint8_t *segment)
{
    struct sq_wire w = sq_wire_reader(at, len);
    while (sq_wire_left(&w) > 0) {
        const uint8_t *begin = at + w.pos;
        uint64_t id = vint(&w, true);
        uint64_t size = vint(&w, false);
        const uint8_t *body = sq_wire_read(&w, (size_t)size);
        assert_int_equal(w.err, 0);
        switch (id) {
        case 0x18538067:
            walk(body, (size_t)size, c, body);
            break;
        case 0x1F43B675:
            c->cluster_at[c->clusters++ % 16] = (uint64_t)(begin - segment);
            walk(body, (size_t)size, c, segment);
            break;
        case 0x1A45DFA3:
        case 0x114D9B74:
        case 0x4DBB:
        case 0x1549A966:
        case 0x1654AE6B:
        case 0x1C53BB6B:
        case 0xBB:
        case 0xB7:
        case 0xE0: /* video */
        case 0xE1: /* audio */
            walk(body, (size_t)size, c, segment);
            break;
        case 0xAE:
            c->tracks++;
            walk(body, (size_t)size, c, segment);
            break;
        case 0xA3:
            c->blocks++;
            break;
        case 0xB0:
            c->width = sq_load_u64(body);
            break;
        case 0xBA:
            c->height = sq_load_u64(body);
            break;
        case 0xF1:
            c->cue_at[c->cues++ % 16] = sq_load_u64(body);
            break;
        case 0x4489: {
            uint64_t bits = sq_load_u64(body);
            memcpy(&c->duration, &bits, 8);
            break;
        }
        default:
            break;
        }
    }
}

static void a_whole_file(void **state)
{
    (void)state;
    const struct sq_webm_config config = {.video = SQ_CODEC_VP8,
                                          .audio = SQ_CODEC_OPUS,
                                          .width = 640,
                                          .height = 360,
                                          .channels = 2,
                                          .wall_ns = 1700000000000000000ULL};
    struct sq_webm *webm;
    struct counts c = {0};
    uint8_t frame[700] = {0};
    out.len = 0;
    assert_int_equal(sq_webm_new(&config, &sink, &webm), 0);
    for (unsigned ms = 0; ms < 10000; ms += 20) {
        assert_int_equal(sq_webm_frame(webm, false, ms, true, frame, 80), 0);
        if (ms % 40 == 0) {
            assert_int_equal(sq_webm_frame(webm, true, ms, ms % 2000 == 0, frame, sizeof(frame)),
                             0);
        }
    }
    assert_int_equal(sq_webm_frame(webm, true, 10000, false, frame, 0), SQ_ERR_FORMAT);
    sq_webm_finish(webm);
    walk(out.bytes, out.len, &c, NULL);
    assert_int_equal(c.tracks, 2);
    assert_int_equal(c.blocks, 500 + 250);
    assert_int_equal(c.clusters, 5); /* each key frame begins one */
    assert_int_equal(c.cues, c.clusters);
    for (unsigned i = 0; i < c.cues; i++) {
        assert_int_equal(c.cue_at[i], c.cluster_at[i]);
    }
    assert_true(c.duration == 9980);
}

/* A sender's picture grows and shrinks with its bandwidth. */
static void the_largest_picture(void **state)
{
    (void)state;
    const struct sq_webm_config config = {.video = SQ_CODEC_VP8, .width = 320, .height = 180};
    struct sq_webm *webm;
    struct counts c = {0};
    uint8_t frame[100] = {0};
    out.len = 0;
    assert_int_equal(sq_webm_new(&config, &sink, &webm), 0);
    assert_int_equal(sq_webm_frame(webm, true, 0, true, frame, sizeof(frame)), 0);
    sq_webm_size(webm, 640, 360);
    sq_webm_size(webm, 480, 270);
    sq_webm_finish(webm);
    walk(out.bytes, out.len, &c, NULL);
    assert_int_equal(c.width, 640);
    assert_int_equal(c.height, 360);
}

/* A program that dies leaves sizes "not known", which players take for "to the end". */
static void a_file_that_was_not_finished(void **state)
{
    (void)state;
    const struct sq_webm_config config = {.video = SQ_CODEC_VP9, .width = 320, .height = 180};
    struct sq_webm *webm;
    uint8_t frame[100] = {0};
    out.len = 0;
    assert_int_equal(sq_webm_new(&config, &sink, &webm), 0);
    assert_int_equal(sq_webm_frame(webm, true, 0, true, frame, sizeof(frame)), 0);
    assert_int_equal(sq_webm_frame(webm, false, 0, true, frame, sizeof(frame)), SQ_ERR_INVALID);
    static const uint8_t cluster[] = {0x1F, 0x43, 0xB6, 0x75, 0x01, 0xff,
                                      0xff, 0xff, 0xff, 0xff, 0xff, 0xff};
    assert_non_null(memmem(out.bytes, out.len, cluster, sizeof(cluster)));
    sq_webm_finish(webm);
    assert_null(memmem(out.bytes, out.len, cluster, sizeof(cluster)));
}

static void only_what_it_can_hold(void **state)
{
    (void)state;
    struct sq_webm *webm;
    const struct sq_webm_config none = {0};
    const struct sq_webm_config g711 = {.audio = SQ_CODEC_PCMU};
    const struct sq_webm_config swapped = {.video = SQ_CODEC_OPUS};
    const struct sq_webm_config h264 = {
        .video = SQ_CODEC_H264, .key_frame = (const uint8_t *)"\0\0\1\x65x", .key_frame_len = 5};
    assert_int_equal(sq_webm_new(&none, &sink, &webm), SQ_ERR_UNSUPPORTED);
    assert_int_equal(sq_webm_new(&g711, &sink, &webm), SQ_ERR_UNSUPPORTED);
    assert_int_equal(sq_webm_new(&swapped, &sink, &webm), SQ_ERR_UNSUPPORTED);
    assert_int_equal(sq_webm_new(&h264, &sink, &webm), SQ_ERR_FORMAT);
    assert_string_equal(sq_webm_suffix(SQ_CODEC_H264), "mkv");
    assert_string_equal(sq_webm_suffix(SQ_CODEC_AV1), "webm");
}

static void h264_as_containers_have_it(void **state)
{
    (void)state;
    static const uint8_t unit[] = {0, 0, 0,    1,    0x67, 0x42, 0xe0, 0x1f, 0xaa, 0,
                                   0, 1, 0x68, 0xce, 0,    0,    0,    1,    0x65, 9};
    static const uint8_t sample[] = {0, 0, 0,    5,    0x67, 0x42, 0xe0, 0x1f, 0xaa, 0, 0,
                                     0, 2, 0x68, 0xce, 0,    0,    0,    2,    0x65, 9};
    static const uint8_t private[] = {1,    0x42, 0xe0, 0x1f, 0xff, 0xe1, 0, 5,    0x67,
                                      0x42, 0xe0, 0x1f, 0xaa, 1,    0,    2, 0x68, 0xce};
    uint8_t got[64];
    size_t len;
    assert_int_equal(sq_codec_sample(SQ_CODEC_H264, unit, sizeof(unit), got, sizeof(got)),
                     sizeof(sample));
    assert_memory_equal(got, sample, sizeof(sample));
    assert_int_equal(sq_codec_private(SQ_CODEC_H264, unit, sizeof(unit), got, sizeof(got), &len),
                     0);
    assert_int_equal(len, sizeof(private));
    assert_memory_equal(got, private, sizeof(private));
}

static void av1_as_containers_have_it(void **state)
{
    (void)state;
    /* temporal delimiter, sequence header (profile 0, level 8, tier 0), frame */
    static const uint8_t unit[] = {0x12, 0, 0x0A, 5, 0x00, 0x00, 0x00, 0x40, 0x00, 0x32, 2, 7, 7};
    uint8_t got[64];
    size_t len;
    assert_int_equal(sq_codec_sample(SQ_CODEC_AV1, unit, sizeof(unit), got, sizeof(got)),
                     sizeof(unit) - 2);
    assert_memory_equal(got, unit + 2, sizeof(unit) - 2);
    assert_int_equal(sq_codec_private(SQ_CODEC_AV1, unit, sizeof(unit), got, sizeof(got), &len), 0);
    static const uint8_t private[] = {0x81, 0x08, 0x0C, 0, 0x0A, 5, 0x00, 0x00, 0x00, 0x40, 0x00};
    assert_int_equal(len, sizeof(private));
    assert_memory_equal(got, private, sizeof(private));
}

/* RFC 3533: pages with the right sums; RFC 7845: granule positions, a hole included. */
static void ogg_pages(void **state)
{
    (void)state;
    static const uint8_t packet[] = {0x78, 1, 2, 3}; /* 20 ms */
    struct sq_ogg *ogg;
    out.len = 0;
    assert_int_equal(sq_ogg_new(2, 7, &sink, &ogg), 0);
    for (unsigned i = 0; i < 100; i++) {
        assert_int_equal(sq_ogg_packet(ogg, 960 * (i < 50 ? i : i + 25), packet, sizeof(packet)),
                         0);
    }
    assert_int_equal(sq_ogg_packet(ogg, 0, packet, 0), SQ_ERR_TRUNCATED);
    sq_ogg_finish(ogg);
    unsigned pages = 0;
    unsigned packets = 0;
    uint64_t granule = 0;
    for (size_t at = 0; at < out.len; pages++) {
        const uint8_t *page = out.bytes + at;
        assert_memory_equal(page, "OggS", 4);
        size_t body = 0;
        for (unsigned i = 0; i < page[26]; i++) {
            body += page[27 + i];
            packets += page[27 + i] < 255;
        }
        granule = 0;
        for (int i = 7; i >= 0; i--) {
            granule = granule << 8 | page[6 + i];
        }
        at += 27 + (size_t)page[26] + body;
        assert_int_equal(page[5], pages == 0 ? 2 : at == out.len ? 4 : 0);
    }
    assert_int_equal(packets, 2 + 100);
    assert_int_equal(granule, 960 * 125);
}

static void wav_with_a_hole(void **state)
{
    (void)state;
    uint8_t samples[160];
    struct sq_wav *wav;
    memset(samples, 0x11, sizeof(samples));
    out.len = 0;
    assert_int_equal(sq_wav_new(SQ_CODEC_OPUS, &sink, &wav), SQ_ERR_UNSUPPORTED);
    assert_int_equal(sq_wav_new(SQ_CODEC_PCMA, &sink, &wav), 0);
    sq_wav_bytes(wav, 0, samples, sizeof(samples));
    sq_wav_bytes(wav, 80, samples, sizeof(samples));  /* half of it is known */
    sq_wav_bytes(wav, 400, samples, sizeof(samples)); /* 160 are missing */
    sq_wav_bytes(wav, 0, samples, sizeof(samples));   /* old */
    sq_wav_finish(wav);
    assert_int_equal(out.len, 58 + 560);
    assert_int_equal(out.bytes[58 + 239], 0x11);
    assert_int_equal(out.bytes[58 + 240], 0xD5);
    assert_int_equal(out.bytes[58 + 399], 0xD5);
    assert_int_equal(out.bytes[58 + 400], 0x11);
    assert_memory_equal(out.bytes + 54, "\x30\x02\x00\x00", 4);
}

/* 16 kHz in half as many bytes, whose RTP clock has 8 kHz (RFC 3551, section 4.5.2). */
static void wav_of_g722(void **state)
{
    (void)state;
    uint8_t payload[160];
    struct sq_wav *wav;
    memset(payload, 0x11, sizeof(payload));
    out.len = 0;
    assert_int_equal(sq_wav_new(SQ_CODEC_G722, &sink, &wav), 0);
    sq_wav_bytes(wav, 0, payload, sizeof(payload));
    sq_wav_bytes(wav, 320, payload, sizeof(payload)); /* a packet is missing */
    sq_wav_finish(wav);
    assert_int_equal(out.len, 58 + 480);
    assert_memory_equal(out.bytes + 20, "\x8f\x02\x01\0\x80\x3e\0\0\x40\x1f\0\0\x01\0\x04\0", 16);
    assert_memory_equal(out.bytes + 46, "\xc0\x03\0\0", 4); /* samples */
    assert_memory_equal(out.bytes + 54, "\xe0\x01\0\0", 4); /* bytes */
    assert_int_equal(out.bytes[58 + 159], 0x11);
    assert_int_equal(out.bytes[58 + 160], 0xFF);
    assert_int_equal(out.bytes[58 + 319], 0xFF);
    assert_int_equal(out.bytes[58 + 320], 0x11);
}

static void without_memory(void **state)
{
    (void)state;
    const struct sq_webm_config config = {.video = SQ_CODEC_VP8, .width = 640, .height = 360};
    static const uint8_t packet[] = {0x78, 1, 2, 3};
    uint8_t frame[100] = {0};
    for (size_t nth = 1; nth < 6; nth++) {
        struct sq_webm *webm = NULL;
        struct sq_ogg *ogg = NULL;
        struct sq_wav *wav = NULL;
        out.len = 0;
        sq_mem_fail_at(nth);
        int err = sq_webm_new(&config, &sink, &webm);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        if (!err) {
            err = sq_webm_frame(webm, true, 0, true, frame, sizeof(frame));
            assert_true(err == 0 || err == SQ_ERR_NOMEM);
        }
        if (sq_ogg_new(2, 1, &sink, &ogg) == 0) {
            assert_int_equal(sq_ogg_packet(ogg, 0, packet, sizeof(packet)), 0);
        }
        err = sq_wav_new(SQ_CODEC_PCMU, &sink, &wav);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        sq_mem_fail_at(0);
        sq_webm_finish(webm);
        sq_ogg_finish(ogg);
        sq_wav_finish(wav);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_whole_file),
        cmocka_unit_test(the_largest_picture),
        cmocka_unit_test(a_file_that_was_not_finished),
        cmocka_unit_test(only_what_it_can_hold),
        cmocka_unit_test(h264_as_containers_have_it),
        cmocka_unit_test(av1_as_containers_have_it),
        cmocka_unit_test(ogg_pages),
        cmocka_unit_test(wav_with_a_hole),
        cmocka_unit_test(wav_of_g722),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
