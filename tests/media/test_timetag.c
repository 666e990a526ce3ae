/* Time-tags: their bytes, where they stand in each codec, and what they leave alone. */
#include "media/opus.h"
#include "media/timetag.h"
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
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
