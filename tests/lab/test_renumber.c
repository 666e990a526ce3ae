/* Picture numbers of VP8 and VP9, and those of frames in dependency descriptors, over changes of
 * the layer, against descriptors worked by hand. */
#include "lab/renumber.h"
#include "media/depacket.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* What a viewer gets of a packet. */
static size_t pass(struct sq_lab_numbers *n, enum sq_codec codec, const uint8_t *payload,
                   size_t len, bool starts, bool again, uint8_t out[64])
{
    uint8_t head[SQ_LAB_HEAD_MAX];
    size_t head_len = sq_lab_renumber(n, codec, payload, len, starts, again, head);
    memcpy(out, payload, len);
    memcpy(out, head, head_len);
    return head_len;
}

/* RFC 7741: X S, then I L T, PictureID of 15 bits, TL0PICIDX, TID; a key frame's first byte. */
static void vp8_goes_on(void **state)
{
    const uint8_t low[] = {0x90, 0xe0, 0x81, 0x02, 7, 0x20, 0x10};
    const uint8_t high[] = {0x90, 0xe0, 0xff, 0xff, 200, 0x20, 0x10};
    const uint8_t high_next[] = {0x90, 0xe0, 0x80, 0x00, 201, 0x20, 0x11};
    uint8_t out[64];
    struct sq_lab_numbers n = {0};
    (void)state;
    pass(&n, SQ_CODEC_VP8, low, sizeof(low), true, false, out);
    assert_memory_equal(out, low, sizeof(low));
    pass(&n, SQ_CODEC_VP8, high, sizeof(high), true, false, out);
    const uint8_t want[] = {0x90, 0xe0, 0x81, 0x03, 8, 0x20, 0x10};
    assert_memory_equal(out, want, sizeof(want));
    pass(&n, SQ_CODEC_VP8, high_next, sizeof(high_next), false, false, out); /* over 32767 */
    const uint8_t next[] = {0x90, 0xe0, 0x81, 0x04, 9, 0x20, 0x11};
    assert_memory_equal(out, next, sizeof(next));
    pass(&n, SQ_CODEC_VP8, high, sizeof(high), false, true, out); /* asked for again */
    assert_memory_equal(out, want, sizeof(want));
    pass(&n, SQ_CODEC_VP8, high, sizeof(high), false, false, out); /* late */
    assert_memory_equal(out, want, sizeof(want));
    pass(&n, SQ_CODEC_VP8, low, sizeof(low), true, false, out); /* and back */
    const uint8_t back[] = {0x90, 0xe0, 0x81, 0x05, 10, 0x20, 0x10};
    assert_memory_equal(out, back, sizeof(back));
}

/* RFC 9628: I L B E, PictureID of 15 bits, TID and SID, TL0PICIDX; the rest of the payload stays.
 */
static void vp9_goes_on(void **state)
{
    const uint8_t low[] = {0xac, 0x81, 0x02, 0x00, 7, 0x82, 0x49};
    const uint8_t high[] = {0xac, 0xff, 0xfe, 0x00, 255, 0x82, 0x49};
    const uint8_t high_next[] = {0xec, 0xff, 0xff, 0x20, 255, 0x86, 0x00};
    uint8_t out[64];
    struct sq_lab_numbers n = {0};
    struct sq_vp9_descriptor d;
    (void)state;
    pass(&n, SQ_CODEC_VP9, low, sizeof(low), true, false, out);
    assert_memory_equal(out, low, sizeof(low));
    assert_int_equal(pass(&n, SQ_CODEC_VP9, high, sizeof(high), true, false, out), 5);
    const uint8_t want[] = {0xac, 0x81, 0x03, 0x00, 8, 0x82, 0x49};
    assert_memory_equal(out, want, sizeof(want));
    pass(&n, SQ_CODEC_VP9, high_next, sizeof(high_next), false, false, out);
    assert_int_equal(sq_vp9_descriptor_parse(out, sizeof(high_next), &d), 0);
    assert_int_equal(d.picture_id, 0x104);
    assert_int_equal(d.tl0_pic_idx, 8); /* an upper temporal layer has that of its base */
    assert_int_equal(d.tid, 1);
    assert_int_equal(out[5], 0x86);
    pass(&n, SQ_CODEC_VP9, high, sizeof(high), false, true, out);
    assert_memory_equal(out, want, sizeof(want));
}

/* A flexible one has no TL0PICIDX and its P_DIFF stay; one of 7 bits stays one of 7 bits. */
static void other_forms_of_vp9(void **state)
{
    const uint8_t flexible[] = {0xfc, 0x85, 0x00, 0x00, 0x02, 0x86};
    const uint8_t narrow[] = {0x8c, 0x7f, 0x82};
    uint8_t out[64];
    struct sq_lab_numbers n = {.hold = true, .picture_id = 0x17f, .tl0 = 3};
    struct sq_vp9_descriptor d;
    (void)state;
    assert_int_equal(pass(&n, SQ_CODEC_VP9, flexible, sizeof(flexible), true, false, out), 3);
    assert_int_equal(sq_vp9_descriptor_parse(out, sizeof(flexible), &d), 0);
    assert_int_equal(d.picture_id, 0x180);
    assert_int_equal(d.n_diffs, 1);
    assert_int_equal(d.diffs[0], 1);
    assert_int_equal(pass(&n, SQ_CODEC_VP9, narrow, sizeof(narrow), true, false, out), 2);
    assert_int_equal(out[1], 0x01);
    assert_int_equal(out[2], 0x82);
}

/* Two streams, the first over the end of the numbers; then back. */
static void frames_go_on(void **state)
{
    struct sq_lab_numbers n = {.frame_jumps = true};
    static const struct {
        uint16_t in, out;
        bool jumps, again;
    } rows[] = {{65534, 65534, true, false}, {65535, 65535, false, false}, {1, 1, false, false},
                {0, 0, false, false}, /* late */
                {500, 2, true, false},       {500, 2, false, false},       {502, 4, false, false},
                {500, 2, false, true},       {503, 5, false, false},       {40000, 6, true, false},
                {39999, 5, false, true},     {40001, 7, false, false}};
    (void)state;
    for (size_t i = 0; i < sizeof(rows) / sizeof(*rows); i++) {
        uint8_t dd[] = {0xc1, (uint8_t)(rows[i].in >> 8), (uint8_t)rows[i].in, 0x80};
        n.frame_jumps = rows[i].jumps;
        sq_lab_renumber_frame(&n, dd, rows[i].again);
        assert_int_equal(dd[1] << 8 | dd[2], rows[i].out);
        assert_int_equal(dd[0], 0xc1);
        assert_int_equal(dd[3], 0x80);
        assert_false(n.frame_jumps);
    }
}

static void without_numbers_as_it_is(void **state)
{
    const uint8_t bare_vp9[] = {0x0c, 0x82, 0x49};
    const uint8_t bare_vp8[] = {0x10, 0x10, 0x02};
    uint8_t out[64];
    struct sq_lab_numbers n = {.hold = true};
    (void)state;
    assert_int_equal(pass(&n, SQ_CODEC_VP9, bare_vp9, sizeof(bare_vp9), true, false, out), 0);
    assert_int_equal(pass(&n, SQ_CODEC_VP8, bare_vp8, sizeof(bare_vp8), true, false, out), 0);
    assert_int_equal(pass(&n, SQ_CODEC_H264, bare_vp8, sizeof(bare_vp8), true, false, out), 0);
    assert_int_equal(pass(&n, SQ_CODEC_AV1, bare_vp9, sizeof(bare_vp9), true, false, out), 0);
}

/* All first bytes and all lengths: never more than the payload has, nor than the head holds. */
static void any_bytes(void **state)
{
    uint8_t out[64];
    (void)state;
    for (unsigned first = 0; first < 256; first++) {
        for (unsigned second = 0; second < 256; second += 3) {
            for (size_t len = 0; len <= 12; len++) {
                uint8_t *exact = malloc(len + !len); /* so that sanitizers see what lies behind */
                assert_non_null(exact);
                memset(exact, 0xff, len + !len);
                exact[0] = (uint8_t)first;
                if (len > 1) {
                    exact[1] = (uint8_t)second;
                }
                struct sq_lab_numbers n = {.hold = true, .picture_id = 9};
                assert_true(pass(&n, SQ_CODEC_VP8, exact, len, true, false, out) <= len);
                assert_true(pass(&n, SQ_CODEC_VP9, exact, len, true, false, out) <= len);
                free(exact);
            }
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(vp8_goes_on),        cmocka_unit_test(vp9_goes_on),
        cmocka_unit_test(other_forms_of_vp9), cmocka_unit_test(without_numbers_as_it_is),
        cmocka_unit_test(any_bytes),          cmocka_unit_test(frames_go_on),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
