/* VP8 descriptors and frame headers: examples of RFC 7741, round trips, hostile bytes. */
#include "base/rand.h"
#include "media/help.h"
#include "media/vp8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 7741, section 4.6: the four examples, with a byte of VP8 behind each. */
static void examples_of_the_rfc(void **state)
{
    struct sq_vp8_descriptor d;
    /* Key frame in one packet, no extension: S = 1, PID = 0. */
    const uint8_t a[] = {0x10, 0xaa};
    assert_int_equal(sq_vp8_descriptor_parse(a, sizeof(a), &d), 0);
    assert_true(d.start && d.partition == 0 && d.picture_id == -1 && d.tid == -1);
    assert_int_equal(d.len_bytes, 1);
    /* With PictureID 17. */
    const uint8_t b[] = {0x90, 0x80, 0x11, 0xaa};
    assert_int_equal(sq_vp8_descriptor_parse(b, sizeof(b), &d), 0);
    assert_true(d.start && d.picture_id == 17 && !d.wide);
    /* A later fragment of the first partition: S = 0. */
    const uint8_t c[] = {0x80, 0x80, 0x11, 0xaa};
    assert_int_equal(sq_vp8_descriptor_parse(c, sizeof(c), &d), 0);
    assert_true(!d.start && d.picture_id == 17);
    /* The second partition begins: PID = 1. */
    const uint8_t e[] = {0x91, 0x80, 0x11, 0xaa};
    assert_int_equal(sq_vp8_descriptor_parse(e, sizeof(e), &d), 0);
    assert_true(d.start && d.partition == 1);
    /* Everything, and a long PictureID of 4711. */
    const uint8_t f[] = {0xb3, 0xf0, 0x92, 0x67, 0x05, 0xa7, 0xaa};
    assert_int_equal(sq_vp8_descriptor_parse(f, sizeof(f), &d), 0);
    assert_true(d.wide && d.picture_id == 4711 && d.tl0_pic_idx == 5 && d.tid == 2);
    assert_true(d.layer_sync && d.key_idx == 7 && d.non_reference && d.partition == 3);
    assert_int_equal(d.len_bytes, 6);
}

static void what_is_written_is_read(void **state)
{
    struct sq_rand r;
    sq_rand_seed(&r, 3);
    for (unsigned i = 0; i < 100000; i++) {
        struct sq_vp8_descriptor d = {
            .picture_id = -1, .tl0_pic_idx = -1, .tid = -1, .key_idx = -1};
        struct sq_vp8_descriptor back;
        uint8_t bytes[SQ_VP8_DESCRIPTOR_MAX + 1];
        uint32_t bits = sq_rand_u32(&r);
        d.start = bits & 1;
        d.non_reference = bits & 2;
        d.partition = bits >> 2 & 7;
        if (bits & 0x100) {
            d.wide = bits & 0x200;
            d.picture_id = (int32_t)sq_rand_below(&r, d.wide ? 0x8000 : 0x80);
        }
        d.tl0_pic_idx = bits & 0x400 ? (int16_t)sq_rand_below(&r, 256) : -1;
        if (bits & 0x800) {
            d.tid = (int8_t)sq_rand_below(&r, 4);
            d.layer_sync = bits & 0x1000;
        }
        d.key_idx = bits & 0x2000 ? (int8_t)sq_rand_below(&r, 32) : -1;
        size_t len = sq_vp8_descriptor_write(&d, bytes);
        assert_int_equal(sq_vp8_descriptor_parse(bytes, len, &back), SQ_ERR_TRUNCATED);
        bytes[len] = 0xff;
        assert_int_equal(sq_vp8_descriptor_parse(bytes, len + 1, &back), 0);
        assert_int_equal(back.len_bytes, len);
        assert_int_equal(back.picture_id, d.picture_id);
        assert_int_equal(back.wide, d.wide);
        assert_int_equal(back.tl0_pic_idx, d.tl0_pic_idx);
        assert_int_equal(back.tid, d.tid);
        assert_int_equal(back.layer_sync, d.layer_sync);
        assert_int_equal(back.key_idx, d.key_idx);
        assert_int_equal(back.partition, d.partition);
        assert_true(back.start == d.start && back.non_reference == d.non_reference);
    }
}

static void frame_headers(void **state)
{
    struct sq_vp8_frame_header h;
    /* 640x360 with scales of 1 and 3 in the upper bits, first partition of 0x1234 bytes. */
    uint8_t key[] = {0x10 | (0x1234 << 5 & 0xe0),
                     0x1234 >> 3 & 0xff,
                     0x1234 >> 11,
                     0x9d,
                     0x01,
                     0x2a,
                     0x80,
                     0x42,
                     0x68,
                     0xc1};
    assert_int_equal(sq_vp8_frame_header_parse(key, sizeof(key), &h), 0);
    assert_true(h.key && h.show && h.version == 0);
    assert_int_equal(h.first_partition_bytes, 0x1234);
    assert_int_equal(h.width, 640);
    assert_int_equal(h.height, 360);
    for (size_t len = 0; len < sizeof(key); len++) {
        assert_int_equal(sq_vp8_frame_header_parse(key, len, &h), SQ_ERR_TRUNCATED);
    }
    for (size_t i = 3; i < 6; i++) {
        key[i] ^= 1;
        assert_int_equal(sq_vp8_frame_header_parse(key, sizeof(key), &h), SQ_ERR_FORMAT);
        key[i] ^= 1;
    }
    key[6] = 0;
    key[7] = 0x40;
    assert_int_equal(sq_vp8_frame_header_parse(key, sizeof(key), &h), SQ_ERR_FORMAT);
    const uint8_t delta[] = {0x07, 0, 0};
    assert_int_equal(sq_vp8_frame_header_parse(delta, 3, &h), 0);
    assert_true(!h.key && !h.show && h.version == 3 && h.width == 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(examples_of_the_rfc),
        cmocka_unit_test(what_is_written_is_read),
        cmocka_unit_test(frame_headers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
