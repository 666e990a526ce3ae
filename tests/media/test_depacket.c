/* The depacketizers by hand: descriptors laid out bit by bit from the RFCs, headers as libx264,
 * libaom and libvpx write them; and references that are told, followed through the frame buffer. */
#include "media/bits.h"
#include "media/depacket.h"
#include "media/frame_buffer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS SQ_NS_PER_MS

static struct sq_part read_as(enum sq_codec codec, const void *bytes, size_t len,
                              struct sq_depacket_state **state)
{
    struct sq_part part;
    const struct sq_media_packet p = {.payload = bytes, .len = len, .codec = codec};
    assert_int_equal(sq_depacket(&p, state, &part), 0);
    return part;
}

static void h264_picture_sizes(void **state)
{
    static const struct {
        uint8_t sps[40];
        size_t len;
        uint16_t width, height;
    } cases[] = {
        /* x264: baseline, baseline, baseline and high with cropping */
        {{0x67, 0x42, 0xc0, 0x0a, 0xd9, 0x04, 0x7b, 0x01, 0x10, 0,    0,   3,
          0,    0x10, 0,    0,    3,    3,    0x20, 0xf1, 0x22, 0x64, 0x80},
         23,
         64,
         48},
        {{0x67, 0x42, 0xc0, 0x1e, 0xd9, 0x00, 0xa0, 0x2f, 0xf9, 0x70, 0x11, 0,   0,
          3,    0,    1,    0,    0,    3,    0,    0x32, 0x0f, 0x16, 0x2e, 0x48},
         25,
         640,
         360},
        {{0x67, 0x42, 0xc0, 0x0d, 0xd9, 0x01, 0x51, 0x9e, 0x22, 0x6c, 0x04, 0x40,
          0,    0,    3,    0,    0x40, 0,    0x0c, 0x83, 0xc5, 0x0a, 0x92},
         23,
         322,
         182},
        {{0x67, 0x64, 0x00, 0x0d, 0xac, 0xd9, 0x41, 0x51, 0x9e, 0x22, 0x6c, 0x04, 0x40,
          0,    0,    3,    0,    0x40, 0,    0,    0x0c, 0x83, 0xc5, 0x0a, 0x65, 0x80},
         26,
         322,
         182},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint16_t width = 0;
        uint16_t height = 0;
        assert_int_equal(sq_h264_sps_size(cases[i].sps, cases[i].len, &width, &height), 0);
        assert_int_equal(width, cases[i].width);
        assert_int_equal(height, cases[i].height);
        assert_int_equal(sq_h264_sps_size(cases[i].sps, 6, &width, &height), SQ_ERR_TRUNCATED);
    }
}

static void h264_packets(void **state)
{
    static const struct {
        const char *bytes;
        size_t len;
        unsigned flags, body_at;
    } cases[] = {
        {"\x41\x9a\1", 3, SQ_PART_MAY_BEGIN, 0},                   /* slice, first_mb 0 */
        {"\x41\x50\1", 3, 0, 0},                                   /* a later slice */
        {"\x65\x88\1", 3, SQ_PART_MAY_BEGIN | SQ_PART_KEY, 0},     /* IDR */
        {"\x09\xf0", 2, SQ_PART_BEGIN, 0},                         /* access unit delimiter */
        {"\x68\xce\1", 3, SQ_PART_MAY_BEGIN, 0},                   /* PPS alone */
        {"\x7c\x85\x88\1", 4, SQ_PART_MAY_BEGIN | SQ_PART_KEY, 2}, /* FU-A, start of an IDR */
        {"\x7c\x05\x88\1", 4, SQ_PART_KEY, 2},
        {"\x5c\x41\x9a\1", 4, 0, 2},                            /* FU-A, end of a slice */
        {"\x67\x42\xe0\1", 4, SQ_PART_BEGIN | SQ_PART_SETS, 0}, /* SPS alone */
        {"\x78\0\2\x67\x42\0\2\x68\xce", 9, SQ_PART_BEGIN | SQ_PART_SETS, 0}, /* STAP-A of both */
        {"\x78\0\2\x68\xce\0\3\x65\x88\1", 10, SQ_PART_MAY_BEGIN | SQ_PART_KEY, 0}, /* STAP-A */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_part part = read_as(SQ_CODEC_H264, cases[i].bytes, cases[i].len, NULL);
        assert_int_equal(part.flags, cases[i].flags);
        assert_int_equal(part.body_at, cases[i].body_at);
    }
    static const struct {
        const char *bytes;
        size_t len;
        int err;
    } bad[] = {
        {"\x78\0\5\x68", 4, SQ_ERR_FORMAT},
        {"\x78", 1, SQ_ERR_TRUNCATED},
        {"\x78\0\0", 3, SQ_ERR_FORMAT},
        {"\x7c\x85", 2, SQ_ERR_TRUNCATED},
        {"\x7c\x9c\1", 3, SQ_ERR_FORMAT},
        {"\x79\0\0\1\1", 5, SQ_ERR_UNSUPPORTED},
        {"\x7d\x85\0\0\1", 5, SQ_ERR_UNSUPPORTED},
        {"\0\1", 2, SQ_ERR_UNSUPPORTED},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct sq_part part;
        const struct sq_media_packet p = {
            .payload = (const uint8_t *)bad[i].bytes, .len = bad[i].len, .codec = SQ_CODEC_H264};
        assert_int_equal(sq_depacket(&p, NULL, &part), bad[i].err);
    }
}

static void vp9_descriptors(void **state)
{
    struct sq_depacket_state *s = NULL;
    /* I, B, E, V; 15 bits of id; SS: two layers with sizes and a group of two pictures. */
    static const uint8_t key[] = {0x8e, 0x81, 0x02, 0x38, 0x01, 0x40, 0x00, 0xb4, 0x02, 0x80, 0x01,
                                  0x68, 0x02, 0x04, 0x02, 0x34, 0x01, 0x82, 0x49, 0x83, 0x42};
    struct sq_part part = read_as(SQ_CODEC_VP9, key, sizeof(key), &s);
    assert_int_equal(part.flags, SQ_PART_BEGIN | SQ_PART_KEY | SQ_PART_HAS_ID | SQ_PART_HAS_REFS);
    assert_int_equal(part.id, 0x102);
    assert_int_equal(part.id_bits, 15);
    assert_int_equal(part.width, 640);
    assert_int_equal(part.height, 360);
    assert_int_equal(part.refs, 0);
    assert_int_equal(part.body_at, 17);
    /* The next two pictures of the group: P_DIFF 1, then 2. */
    static const uint8_t second[] = {0xcc, 0x81, 0x03, 0x86};
    part = read_as(SQ_CODEC_VP9, second, sizeof(second), &s);
    assert_int_equal(part.flags & (SQ_PART_HAS_REFS | SQ_PART_KEY), SQ_PART_HAS_REFS);
    assert_int_equal(part.refs, 1);
    static const uint8_t third[] = {0xcc, 0x81, 0x04, 0x86};
    part = read_as(SQ_CODEC_VP9, third, sizeof(third), &s);
    assert_int_equal(part.refs, 2);
    /* Layers: TID 1, U, SID 2, D; TL0PICIDX 7. Not a beginning: it needs the layer below. */
    static const uint8_t layer[] = {0xe8, 0x05, 1 << 5 | 0x10 | 2 << 1 | 1, 7, 0x86};
    part = read_as(SQ_CODEC_VP9, layer, sizeof(layer), &s);
    assert_int_equal(part.tid, 1);
    assert_int_equal(part.sid, 2);
    assert_int_equal(part.tl0, 7);
    assert_int_equal(part.id_bits, 7);
    assert_int_equal(part.flags & (SQ_PART_BEGIN | SQ_PART_MAY_BEGIN | SQ_PART_SYNC), SQ_PART_SYNC);
    /* Flexible mode: P_DIFF 3 and 5. */
    static const uint8_t flexible[] = {0xd8, 0x05, 3 << 1 | 1, 5 << 1, 0x86};
    part = read_as(SQ_CODEC_VP9, flexible, sizeof(flexible), &s);
    assert_int_equal(part.refs, 1 << 2 | 1 << 4);
    static const uint8_t four[] = {0xd8, 5, 3, 3, 3, 2, 0x86};
    struct sq_vp9_descriptor d;
    assert_int_equal(sq_vp9_descriptor_parse(four, sizeof(four), &d), SQ_ERR_FORMAT);
    for (size_t len = 0; len <= 17; len++) {
        assert_int_equal(sq_vp9_descriptor_parse(key, len, &d), SQ_ERR_TRUNCATED);
    }
    sq_depacket_state_free(s);
}

static void vp9_and_av1_picture_sizes(void **state)
{
    /* libvpx-vp9 and libaom, 322x182 */
    static const uint8_t vp9[] = {0xa2, 0x49, 0x83, 0x42, 0xe0, 0x14, 0x10, 0x0b, 0x56, 0x08, 0x38};
    struct sq_vp9_frame_header h;
    int err = sq_vp9_frame_header_parse(vp9, sizeof(vp9), &h);
    assert_int_equal(err, 0);
    assert_true(h.key && h.show);
    assert_int_equal(h.width, 322);
    assert_int_equal(h.height, 182);
    static const uint8_t av1[] = {0x20, 0, 0, 4, 0x3d, 6, 0xd4, 0xda, 0xf9, 0x20, 0x21, 0xa0, 4};
    uint16_t width;
    uint16_t height;
    assert_int_equal(sq_av1_sequence_size(av1, sizeof(av1), &width, &height), 0);
    assert_int_equal(width, 322);
    assert_int_equal(height, 182);
}

static void av1_packets(void **state)
{
    /* N, W = 2: a sequence header with its length, then a frame that goes on (Y). */
    static const uint8_t key[] = {0x68, 0x0e, 0x08, 0x20, 0,    0, 4,    0x3d, 6, 0xd4,
                                  0xda, 0xf9, 0x20, 0x21, 0xa0, 4, 0x30, 1,    2};
    struct sq_part part = read_as(SQ_CODEC_AV1, key, sizeof(key), NULL);
    assert_int_equal(part.flags, SQ_PART_BEGIN | SQ_PART_KEY);
    assert_int_equal(part.width, 322);
    static const uint8_t rest[] = {0x90, 1, 2};
    part = read_as(SQ_CODEC_AV1, rest, sizeof(rest), NULL);
    assert_int_equal(part.flags, 0);
    static const uint8_t delta[] = {0x10, 0x30, 1};
    part = read_as(SQ_CODEC_AV1, delta, sizeof(delta), NULL);
    assert_int_equal(part.flags, SQ_PART_MAY_BEGIN);
    static const uint8_t bad[][4] = {{0x20, 9, 1, 2}, {0x88, 1, 2, 3}, {0x00, 0xff, 0xff, 0xff}};
    for (size_t i = 0; i < 3; i++) {
        const struct sq_media_packet p = {.payload = bad[i], .len = 4, .codec = SQ_CODEC_AV1};
        assert_int_not_equal(sq_depacket(&p, NULL, &part), 0);
    }
}

/* ---- dependency descriptor ---- */

struct writer {
    uint8_t bytes[64];
    size_t pos;
};

static void put(struct writer *w, unsigned n, unsigned value)
{
    for (; n > 0; n--, w->pos++) {
        w->bytes[w->pos / 8] |= (uint8_t)((value >> (n - 1) & 1) << (7 - w->pos % 8));
    }
}

static void put_mandatory(struct writer *w, bool start, bool end, unsigned id, unsigned number)
{
    memset(w, 0, sizeof(*w));
    put(w, 1, start);
    put(w, 1, end);
    put(w, 6, id);
    put(w, 16, number);
}

/* L2T2: templates 0 and 1 of S0 (key, delta), 2 of S0 T1; 3, 4, 5 the same of S1. */
static void put_structure(struct writer *w)
{
    static const struct {
        unsigned fdiffs[2];
        unsigned next;
    } templates[] = {{{0}, 0}, {{4, 0}, 1}, {{2, 0}, 2}, {{1, 0}, 0}, {{4, 1}, 1}, {{2, 1}, 3}};
    put(w, 5, 0x10); /* structure, and no more */
    put(w, 6, 7);    /* template_id_offset */
    put(w, 5, 1);    /* two decode targets */
    for (unsigned i = 0; i < 6; i++) {
        put(w, 2, templates[i].next);
    }
    put(w, 2 * 6 * 2, 0xaaaaaa);
    for (unsigned i = 0; i < 6; i++) {
        for (unsigned f = 0; f < 2 && templates[i].fdiffs[f]; f++) {
            put(w, 1, 1);
            put(w, 4, templates[i].fdiffs[f] - 1);
        }
        put(w, 1, 0);
    }
    put(w, 2, 3); /* chain_cnt = ns(3): two */
    put(w, 2, 1); /* ns(2) of each target */
    put(w, 4 * 6 * 2 > 32 ? 24 : 0, 0);
    put(w, 24, 0);
    put(w, 1, 1); /* resolutions */
    put(w, 16, 319);
    put(w, 16, 179);
    put(w, 16, 639);
    put(w, 16, 359);
}

static void dependency_descriptors(void **state)
{
    struct sq_depacket_state *s = NULL;
    struct sq_dd dd;
    struct writer w;
    put_mandatory(&w, true, false, 7, 100);
    assert_int_equal(sq_dd_parse(w.bytes, 3, &s, &dd), SQ_ERR_NOTFOUND); /* not known yet */
    put_structure(&w);
    assert_int_equal(sq_dd_parse(w.bytes, (w.pos + 7) / 8, &s, &dd), 0);
    assert_true(dd.start_of_frame && !dd.end_of_frame && dd.structure);
    assert_int_equal(dd.frame_number, 100);
    assert_int_equal(dd.n_fdiffs, 0);
    assert_int_equal(dd.width, 320);
    put_mandatory(&w, true, true, 7 + 4, 105);
    assert_int_equal(sq_dd_parse(w.bytes, 3, &s, &dd), 0);
    assert_int_equal(dd.sid, 1);
    assert_int_equal(dd.tid, 0);
    assert_int_equal(dd.n_fdiffs, 2);
    assert_int_equal(dd.fdiffs[0], 4);
    assert_int_equal(dd.fdiffs[1], 1);
    assert_int_equal(dd.width, 640);
    put_mandatory(&w, true, true, 7 + 5, 107);
    put(&w, 5, 0x02); /* custom_fdiffs */
    put(&w, 2, 2);
    put(&w, 8, 99);
    put(&w, 2, 0);
    assert_int_equal(sq_dd_parse(w.bytes, (w.pos + 7) / 8, &s, &dd), 0);
    assert_int_equal(dd.tid, 1);
    assert_int_equal(dd.n_fdiffs, 1);
    assert_int_equal(dd.fdiffs[0], 100);
    put_mandatory(&w, true, true, 30, 107); /* no such template */
    assert_int_equal(sq_dd_parse(w.bytes, 3, &s, &dd), SQ_ERR_NOTFOUND);
    put_mandatory(&w, true, true, 7, 108);
    put_structure(&w);
    for (size_t len = 4; len < 12; len++) { /* cut off: the templates of before stay */
        assert_int_not_equal(sq_dd_parse(w.bytes, len, &s, &dd), 0);
    }
    put_mandatory(&w, true, true, 7 + 4, 109);
    assert_int_equal(sq_dd_parse(w.bytes, 3, &s, &dd), 0);
    sq_depacket_state_free(s);
}

/* ---- references through the frame buffer ---- */

static void svc(struct sq_frame_buffer *b, unsigned n, unsigned layers, unsigned skip_layer)
{
    /* Flexible mode; each layer refers to its own of the picture before, upper ones to the lower.
     */
    for (unsigned sid = 0; sid < layers; sid++) {
        uint8_t bytes[] = {(uint8_t)(n ? 0xfc : 0xbc),
                           (uint8_t)(0x80 | n >> 8),
                           (uint8_t)n,
                           (uint8_t)(sid << 1 | (sid > 0)),
                           1 << 1,
                           0x86};
        const struct sq_media_packet p = {.now_ns = n * 40 * MS,
                                          .payload = bytes,
                                          .len = n ? 6 : 5,
                                          .timestamp = n * 3600,
                                          .seq = (uint16_t)(n * layers + sid),
                                          .marker = sid + 1 == layers,
                                          .codec = SQ_CODEC_VP9};
        if (sid != skip_layer) {
            assert_int_equal(sq_frame_buffer_push(b, &p, false), 0);
        }
    }
}

static void spatial_layers_are_one_picture(void **state)
{
    struct sq_frame_buffer b;
    sq_frame_buffer_init(&b, 200 * MS, NULL, NULL);
    for (unsigned n = 0; n < 50; n++) {
        svc(&b, n, 3, n == 20 ? 1 : 9);
    }
    /* Picture 20 lacks a layer, and those after it refer to it. */
    assert_int_equal(b.stats.frames_decoded, 20);
    assert_int_equal(b.last.sid, 2);
    sq_frame_buffer_close(&b);
}

/* Hierarchy of three temporal layers as told by P_DIFF: T0 every fourth, T1 between, T2 the rest.
 * The loss of a T2 picture costs that one alone, of a T1 picture itself and the T2 behind it. */
static void temporal(struct sq_frame_buffer *b, unsigned n)
{
    static const uint8_t diffs[] = {4, 1, 2, 1};
    uint8_t bytes[] = {(uint8_t)(n ? 0xdc : 0x9c), (uint8_t)(0x80 | n >> 8), (uint8_t)n,
                       (uint8_t)(diffs[n % 4] << 1), 0x86};
    const struct sq_media_packet p = {.now_ns = n * 40 * MS,
                                      .payload = bytes,
                                      .len = n ? 5 : 4,
                                      .timestamp = n * 3600,
                                      .seq = (uint16_t)n,
                                      .marker = true,
                                      .codec = SQ_CODEC_VP9};
    assert_int_equal(sq_frame_buffer_push(b, &p, false), 0);
}

static void a_lost_upper_layer_costs_itself(void **state)
{
    struct sq_frame_buffer b;
    sq_frame_buffer_init(&b, 200 * MS, NULL, NULL);
    for (unsigned n = 0; n < 40; n++) {
        if (n != 9 && n != 18) {
            temporal(&b, n);
        }
    }
    /* 9 is T2; 18 is T1, to which 19 refers. */
    assert_int_equal(b.stats.frames_decoded, 40 - 1 - 2);
    assert_int_equal(b.stats.frames_dropped, 1);
    temporal(&b, 41); /* refers to 40, which is lost */
    temporal(&b, 42);
    temporal(&b, 44);
    temporal(&b, 50);
    assert_int_equal(b.stats.frames_decoded, 37);
    sq_frame_buffer_close(&b);
}

/* A server that leaves out the upper spatial layer of a stream with dependency descriptors: frame
 * numbers have gaps, and nothing is missing. */
static void frame_numbers_with_gaps(void **state)
{
    struct sq_frame_buffer b;
    sq_frame_buffer_init(&b, 200 * MS, NULL, NULL);
    for (unsigned n = 0; n < 20; n++) {
        struct writer w;
        bool key = n == 0;
        put_mandatory(&w, true, true, 7 + (key ? 0 : (n % 2 ? 2 : 1)), 65530 + 2 * n);
        if (key) {
            put_structure(&w);
        }
        const uint8_t payload[] = {(uint8_t)(0x10 | (key ? 8 : 0)), 0x30, 1, 2};
        const struct sq_media_packet p = {.now_ns = n * 40 * MS,
                                          .payload = payload,
                                          .len = 4,
                                          .dd = w.bytes,
                                          .dd_len = key ? (w.pos + 7) / 8 : 3,
                                          .timestamp = n * 3600,
                                          .seq = (uint16_t)n,
                                          .marker = true,
                                          .codec = SQ_CODEC_AV1};
        if (n != 7) { /* of T1: no other refers to it */
            assert_int_equal(sq_frame_buffer_push(&b, &p, false), 0);
        }
    }
    assert_int_equal(b.stats.frames_decoded, 19);
    assert_int_equal(b.stats.frames_dropped, 0);
    assert_int_equal(b.stats.frame_width, 320);
    sq_frame_buffer_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(h264_picture_sizes),
        cmocka_unit_test(h264_packets),
        cmocka_unit_test(vp9_descriptors),
        cmocka_unit_test(vp9_and_av1_picture_sizes),
        cmocka_unit_test(av1_packets),
        cmocka_unit_test(dependency_descriptors),
        cmocka_unit_test(spatial_layers_are_one_picture),
        cmocka_unit_test(a_lost_upper_layer_costs_itself),
        cmocka_unit_test(frame_numbers_with_gaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
