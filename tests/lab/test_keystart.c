/* Where viewers of the lab begin, by packets of H.264 worked by hand. */
#include "lab/keystart.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define START SQ_LAB_KEY_START
#define CAME  SQ_LAB_KEY_CAME
#define SOON  SQ_LAB_KEY_SOON

/* NAL units, and how packets carry them. */
#define SPS       "\x67\x42\xe0\x1f\x8c"
#define PPS       "\x68\xce\x3c"
#define STAP      "\x78\0\5" SPS "\0\3" PPS
#define STAP_IDR  STAP "\0\3\x65\x88\1"
#define IDR       "\x65\x88\1"
#define IDR_FU    "\x7c\x85\x88\1"
#define IDR_FU_ON "\x7c\x05\x88\1"
#define SLICE     "\x41\x9a\1"

#define LOOK(codec, bytes, ts, newest) look(&keys, codec, bytes, sizeof(bytes) - 1, ts, newest)
#define H264(bytes, ts)                LOOK(SQ_CODEC_H264, bytes, ts, true)

static unsigned look(struct sq_lab_keys *keys, enum sq_codec codec, const char *bytes, size_t len,
                     uint32_t ts, bool newest)
{
    const struct sq_media_packet p = {
        .payload = (const uint8_t *)bytes, .len = len, .timestamp = ts, .codec = codec};
    return sq_lab_key_look(keys, &p, newest);
}

static void begins_with_the_stap(void **state)
{
    struct sq_lab_keys keys = {0};
    (void)state;
    assert_int_equal(H264(SLICE, 1), 0);
    assert_int_equal(H264(STAP, 2), START);
    assert_int_equal(H264(IDR_FU, 2), CAME);
    assert_int_equal(H264(IDR_FU_ON, 2), SOON);
    assert_int_equal(H264(SLICE, 3), 0);
    assert_int_equal(H264(STAP_IDR, 4), START | CAME);
}

static void begins_with_a_single_sps(void **state)
{
    struct sq_lab_keys keys = {0};
    (void)state;
    assert_int_equal(H264(SPS, 2), START);
    assert_int_equal(H264(PPS, 2), SOON); /* asks for nothing */
    assert_int_equal(H264(IDR, 2), CAME);
    assert_int_equal(H264(PPS, 3), 0);
}

static void not_at_an_idr_whose_sets_are_lost(void **state)
{
    struct sq_lab_keys keys = {0};
    (void)state;
    assert_int_equal(H264(STAP, 2), START);
    assert_int_equal(H264(IDR, 2), CAME);
    assert_int_equal(H264(IDR_FU, 9), CAME);
    assert_int_equal(LOOK(SQ_CODEC_H264, STAP, 9, false), 0); /* sent again, too late */
    assert_int_equal(H264(IDR_FU_ON, 9), 0);
    assert_int_equal(H264(STAP, 12), START);
}

/* It is no key frame: who asked for one goes on to ask. */
static void sets_before_another_picture(void **state)
{
    struct sq_lab_keys keys = {0};
    (void)state;
    assert_int_equal(H264(STAP, 2), START);
    assert_int_equal(H264(SLICE, 2), SOON);
    assert_int_equal(H264(SLICE, 3), 0);
}

static void without_sets_at_the_idr(void **state)
{
    struct sq_lab_keys keys = {0};
    (void)state;
    assert_int_equal(H264(SLICE, 1), 0);
    assert_int_equal(H264(IDR_FU, 2), START | CAME);
    assert_int_equal(H264(IDR_FU_ON, 2), 0);
    assert_int_equal(LOOK(SQ_CODEC_H264, IDR, 4, false), CAME); /* what follows it has gone */
    assert_int_equal(H264(IDR, 5), START | CAME);
}

/* RFC 7741: S, then a key frame's first byte, or another's. */
static void vp8_as_ever(void **state)
{
    struct sq_lab_keys keys = {.sets = true}; /* of H.264 that came before */
    (void)state;
    assert_int_equal(LOOK(SQ_CODEC_VP8, "\x10\x10\0\0\x9d\1\x2a\1\0\1\0", 1, true), START | CAME);
    assert_int_equal(LOOK(SQ_CODEC_VP8, "\x10\x10\0\0\x9d\1\x2a\1\0\1\0", 1, false), CAME);
    assert_int_equal(LOOK(SQ_CODEC_VP8, "\0\x10\0\0\x9d", 1, true), 0);
    assert_int_equal(LOOK(SQ_CODEC_VP8, "\x10\x11\0\0", 2, true), 0);
    assert_int_equal(LOOK(SQ_CODEC_OPUS, "\1\2\3", 3, true), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(begins_with_the_stap),
        cmocka_unit_test(begins_with_a_single_sps),
        cmocka_unit_test(not_at_an_idr_whose_sets_are_lost),
        cmocka_unit_test(sets_before_another_picture),
        cmocka_unit_test(without_sets_at_the_idr),
        cmocka_unit_test(vp8_as_ever),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
