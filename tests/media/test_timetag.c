/* Time-tags: their bytes, where they stand in each codec, and what they leave alone. */
#include "media/help.h"
#include "media/opus.h"
#include "media/timetag.h"
#include "media/vp9.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct sq_timetag tag = {.wall_us = 0x0123456789AB, .clock = 0xBEEF, .error_us = 36};
/* The sum by Python's binascii.crc_hqx. */
static const uint8_t bytes[SQ_TIMETAG_BYTES] = {0xFA, 0x01, 0x23, 0x45, 0x67, 0x89,
                                                0xAB, 0xBE, 0xEF, 0x11, 0xBC, 0xC6};

static void same(const struct sq_timetag *got)
{
    assert_int_equal(got->wall_us, tag.wall_us);
    assert_int_equal(got->clock, tag.clock);
    assert_int_equal(got->error_us, tag.error_us);
}

static void known_bytes(void **state)
{
    (void)state;
    uint8_t out[SQ_TIMETAG_BYTES];
    struct sq_timetag back;
    sq_timetag_write(&tag, out);
    assert_memory_equal(out, bytes, sizeof(out));
    assert_true(sq_timetag_read(out, &back));
    same(&back);
}

static void each_bit_counts(void **state)
{
    (void)state;
    for (unsigned bit = 0; bit < 8 * SQ_TIMETAG_BYTES; bit++) {
        uint8_t bent[SQ_TIMETAG_BYTES];
        struct sq_timetag back;
        memcpy(bent, bytes, sizeof(bent));
        bent[bit / 8] ^= (uint8_t)(1 << bit % 8);
        assert_false(sq_timetag_read(bent, &back));
    }
}

static void a_bound_is_never_rounded_down(void **state)
{
    (void)state;
    for (uint64_t us = 0; us < UINT64_C(20000000000); us = us < 40 ? us + 1 : us + us / 7) {
        struct sq_timetag t = {.error_us = us}, back;
        uint8_t out[SQ_TIMETAG_BYTES];
        sq_timetag_write(&t, out);
        assert_true(sq_timetag_read(out, &back));
        assert_true(back.error_us >= us);
        assert_true(us < 8 || back.error_us <= us + us / 8 + 1);
    }
    struct sq_timetag t = {.error_us = SQ_TIMETAG_UNKNOWN}, back;
    uint8_t out[SQ_TIMETAG_BYTES];
    sq_timetag_write(&t, out);
    assert_true(sq_timetag_read(out, &back));
    assert_true(back.error_us == SQ_TIMETAG_UNKNOWN);
    t.error_us = SQ_TIMETAG_UNKNOWN - 1; /* what does not fit is not known */
    sq_timetag_write(&t, out);
    assert_true(sq_timetag_read(out, &back));
    assert_true(back.error_us == SQ_TIMETAG_UNKNOWN);
}

static void ages_over_the_wrap(void **state)
{
    (void)state;
    const struct sq_timetag t = {.wall_us = 0xFFFFFFFFFFF0};
    assert_int_equal(sq_timetag_age_us(&t, UINT64_C(0x1000000000010)), 32);
    assert_int_equal(sq_timetag_age_us(&t, UINT64_C(0x0FFFFFFFFFFE0)), -16);
}

/* Opus packets of each code: what a decoder finds in them stays the same. */
static void opus_of_every_code(void **state)
{
    (void)state;
    static const struct {
        uint8_t in[12];
        size_t len, grows;
        uint8_t head[6]; /* as RFC 6716, section 3.2.5 lays it out */
        size_t head_len, body_at;
    } cases[] = {
        {{0x78, 'a', 'b', 'c'}, 4, 14, {0x7B, 0x41, 12, 'a', 'b', 'c'}, 6, 1},
        {{0x79, 'a', 'b', 'c', 'd'}, 5, 14, {0x7B, 0x42, 12, 'a', 'b', 'c'}, 6, 1},
        {{0x7A, 1, 'a', 'b', 'c'}, 5, 14, {0x7B, 0xC2, 12, 1, 'a', 'b'}, 6, 1},
        {{0x7B, 0x03, 'a', 'b', 'c'}, 5, 13, {0x7B, 0x43, 12, 'a', 'b', 'c'}, 6, 2},
        {{0x7B, 0x83, 1, 1, 'a', 'b', 'c'}, 7, 13, {0x7B, 0xC3, 12, 1, 1, 'a'}, 6, 2},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t buf[12 + SQ_TIMETAG_GROWS_MAX];
        struct sq_opus_packet before, after;
        struct sq_timetag back;
        memcpy(buf, cases[i].in, cases[i].len);
        assert_int_equal(sq_opus_parse(buf, cases[i].len, &before), 0);
        assert_int_equal(sq_timetag_grows(SQ_CODEC_OPUS, false, buf, cases[i].len), cases[i].grows);
        size_t len = sq_timetag_put(SQ_CODEC_OPUS, &tag, buf, cases[i].len);
        assert_int_equal(len, cases[i].len + cases[i].grows);
        assert_memory_equal(buf, cases[i].head, cases[i].head_len);
        assert_memory_equal(buf + 3, cases[i].in + cases[i].body_at,
                            cases[i].len - cases[i].body_at);
        assert_int_equal(sq_opus_parse(buf, len, &after), 0);
        assert_int_equal(after.samples, before.samples);
        assert_int_equal(after.frames, before.frames);
        assert_true(sq_timetag_find(SQ_CODEC_OPUS, false, buf, len, &back));
        same(&back);
        /* It has its padding now, and takes no second tag. */
        assert_int_equal(sq_timetag_grows(SQ_CODEC_OPUS, false, buf, len), 0);
    }
    assert_int_equal(sq_timetag_grows(SQ_CODEC_OPUS, false, cases[0].in, 1), 0);
    assert_int_equal(sq_timetag_grows(SQ_CODEC_OPUS, false, cases[0].in, 0), 0);
}

static void vp8_at_the_end_of_the_frame(void **state)
{
    (void)state;
    uint8_t buf[32 + SQ_TIMETAG_GROWS_MAX] = "descriptor and partition";
    struct sq_timetag back;
    assert_int_equal(sq_timetag_grows(SQ_CODEC_VP8, false, buf, 24), 0);
    assert_int_equal(sq_timetag_grows(SQ_CODEC_VP8, true, buf, 24), SQ_TIMETAG_BYTES);
    assert_int_equal(sq_timetag_put(SQ_CODEC_VP8, &tag, buf, 24), 36);
    assert_memory_equal(buf, "descriptor and partition", 24);
    assert_true(sq_timetag_find(SQ_CODEC_VP8, true, buf, 36, &back));
    same(&back);
    assert_false(sq_timetag_find(SQ_CODEC_VP8, false, buf, 36, &back));
    assert_false(sq_timetag_find(SQ_CODEC_VP8, true, buf, 35, &back));
    assert_false(
        sq_timetag_find(SQ_CODEC_VP8, true, buf + 24, 12, &back)); /* a frame of nothing else */
}

static void other_codecs_carry_none(void **state)
{
    (void)state;
    uint8_t buf[64] = {0};
    struct sq_timetag back;
    assert_int_equal(sq_timetag_grows(SQ_CODEC_PCMU, true, buf, 40), 0);
    assert_int_equal(sq_timetag_put(SQ_CODEC_PCMU, &tag, buf, 40), 40);
    assert_false(sq_timetag_find(SQ_CODEC_PCMU, true, buf, 40, &back));
}

/* ---- Room in clips ---- */

/* ITU-T H.264, section 7.4.1: no 00 00 followed by 03 or less within a NAL unit. */
static void nothing_to_escape(const uint8_t *nal, size_t len)
{
    for (size_t i = 2; i < len; i++) {
        assert_false(nal[i - 2] == 0 && nal[i - 1] == 0 && nal[i] <= 3);
    }
    assert_int_not_equal(nal[len - 1], 0);
}

static void h264_sei(void **state)
{
    (void)state;
    uint8_t nal[SQ_TIMETAG_ROOM_MAX];
    struct sq_timetag back;
    size_t len = sq_timetag_room(SQ_CODEC_H264, nal);
    assert_int_equal(len, 37); /* docs/latency.md */
    assert_int_equal(nal[0], 6);
    assert_int_equal(nal[1], 5);       /* user_data_unregistered */
    assert_int_equal(nal[2], len - 4); /* all between the head and the trailing bits */
    assert_int_equal(nal[len - 1], 0x80);
    nothing_to_escape(nal, len);
    size_t at = sq_timetag_room_at(SQ_CODEC_H264, nal, len);
    assert_int_equal(at, 19);
    assert_false(sq_timetag_find(SQ_CODEC_H264, false, nal, len, &back)); /* not filled yet */
    sq_timetag_fill(SQ_CODEC_H264, &tag, nal + at);
    assert_true(sq_timetag_find(SQ_CODEC_H264, false, nal, len, &back));
    same(&back);
    /* Whatever is in it. */
    for (uint64_t us = 0; us < UINT64_C(1) << 47; us = us * 3 + 1) {
        const struct sq_timetag some = {.wall_us = us << 8, .clock = (uint16_t)(us % 3)};
        sq_timetag_fill(SQ_CODEC_H264, &some, nal + at);
        nothing_to_escape(nal, len);
        assert_true(sq_timetag_find(SQ_CODEC_H264, false, nal, len, &back));
        assert_int_equal(back.wall_us, some.wall_us & ((UINT64_C(1) << 48) - 1));
    }
    /* In a STAP-A behind another unit; cut short it is none. */
    uint8_t stap[64] = {0x78, 0, 2, 0x67, 1, 0, 37};
    memcpy(stap + 7, nal, len);
    assert_true(sq_timetag_find(SQ_CODEC_H264, false, stap, 7 + len, &back));
    for (size_t n = 0; n < 7 + len; n++) {
        assert_false(sq_timetag_find(SQ_CODEC_H264, false, stap, n, &back));
    }
    nal[5] ^= 1; /* somebody else's UUID */
    assert_false(sq_timetag_find(SQ_CODEC_H264, false, nal, len, &back));
}

static void av1_metadata(void **state)
{
    (void)state;
    uint8_t body[SQ_TIMETAG_ROOM_MAX];
    struct sq_timetag back;
    size_t len = sq_timetag_room(SQ_CODEC_AV1, body);
    assert_int_equal(len, 14);
    /* Elements by their count (W 2): the OBU with its length, then the last; and with W 0. */
    uint8_t packet[40] = {0x20, 15, 5 << 3};
    memcpy(packet + 3, body, len);
    packet[17] = 6 << 3;
    size_t at = sq_timetag_room_at(SQ_CODEC_AV1, packet, 20);
    assert_int_equal(at, 4);
    sq_timetag_fill(SQ_CODEC_AV1, &tag, packet + at);
    assert_true(sq_timetag_find(SQ_CODEC_AV1, false, packet, 20, &back));
    same(&back);
    assert_int_equal(sq_timetag_room_at(SQ_CODEC_AV1, packet, 20), 0);
    packet[0] = 0x00;
    assert_true(sq_timetag_find(SQ_CODEC_AV1, false, packet, 17, &back));
    packet[0] = 0x80; /* goes on from the packet before: no OBU begins here */
    assert_false(sq_timetag_find(SQ_CODEC_AV1, false, packet, 17, &back));
    packet[0] = 0x10; /* the only element: the OBU would begin with what was its length */
    assert_false(sq_timetag_find(SQ_CODEC_AV1, false, packet, 17, &back));
    packet[1] = 5 << 3;
    memmove(packet + 2, packet + 3, len);
    assert_true(sq_timetag_find(SQ_CODEC_AV1, false, packet, 16, &back));
    assert_true(sq_timetag_is_obu(packet + 1, 15));
    /* With a size of its own. */
    uint8_t sized[17] = {5 << 3 | 2, 14};
    memcpy(sized + 2, packet + 2, len);
    assert_true(sq_timetag_is_obu(sized, 16));
    assert_false(sq_timetag_is_obu(sized, 15));
    sized[2] = 4; /* T.35 */
    assert_false(sq_timetag_is_obu(sized, 16));
}

static void vp9_before_the_index(void **state)
{
    (void)state;
    static const uint32_t sizes[] = {0x01020304, 5};
    static const uint8_t index[] = {0xd9, 4, 3, 2, 1, 5, 0, 0, 0, 0xd9};
    uint8_t packet[64] = {0x84, 0x80, 1, 0x82}; /* I and E, PictureID, a frame */
    struct sq_timetag back;
    sq_timetag_write(&tag, packet + 10);
    assert_int_equal(sq_vp9_index_write(sizes, 2, packet + 22), sizeof(index));
    assert_memory_equal(packet + 22, index, sizeof(index));
    assert_true(sq_timetag_find(SQ_CODEC_VP9, true, packet, 32, &back));
    same(&back);
    for (size_t n = 0; n < 32; n++) {
        assert_false(sq_timetag_find(SQ_CODEC_VP9, true, packet, n, &back));
    }
    packet[0] = 0x80; /* not the end of the frame */
    assert_false(sq_timetag_find(SQ_CODEC_VP9, true, packet, 32, &back));
}

/* Each picture of a clip with room has it once, in each spatial layer; without, nowhere. */
static void clips_leave_room(void **state)
{
    (void)state;
    struct sq_clip *clips[] = {help_open("default", 0), help_open_tagged("default")};
    for (size_t i = 0; i < clips[0]->track_count; i++) {
        for (unsigned with = 0; with < 2; with++) {
            const struct sq_clip_track *t = &clips[with]->tracks[i];
            uint32_t rooms = 0;
            for (uint32_t k = 0; k < t->packet_count; k++) {
                const struct sq_clip_packet *p = &t->packets[k];
                rooms += sq_timetag_room_at(t->codec, t->data + p->offset, p->len_bytes) > 0;
                assert_true(p->len_bytes <= SQ_CLIP_PAYLOAD_DEFAULT);
            }
            bool has = with && sq_timetag_has_room(t->codec);
            assert_int_equal(rooms, has ? t->frame_count * t->spatial_layers : 0);
        }
    }
    sq_clip_close(clips[0]);
    sq_clip_close(clips[1]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_bytes),
        cmocka_unit_test(each_bit_counts),
        cmocka_unit_test(a_bound_is_never_rounded_down),
        cmocka_unit_test(ages_over_the_wrap),
        cmocka_unit_test(opus_of_every_code),
        cmocka_unit_test(vp8_at_the_end_of_the_frame),
        cmocka_unit_test(other_codecs_carry_none),
        cmocka_unit_test(h264_sei),
        cmocka_unit_test(av1_metadata),
        cmocka_unit_test(vp9_before_the_index),
        cmocka_unit_test(clips_leave_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
