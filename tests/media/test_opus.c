/* Opus packets (RFC 6716, section 3). */
#include "base/rand.h"
#include "media/opus.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* RFC 6716, section 3.1, table 2, in tenths of ms. */
static void durations_of_all_configurations(void **state)
{
    static const unsigned tenths[32] = {100, 200, 400, 600, 100, 200, 400, 600, 100, 200, 400,
                                        600, 100, 200, 100, 200, 25,  50,  100, 200, 25,  50,
                                        100, 200, 25,  50,  100, 200, 25,  50,  100, 200};
    for (unsigned config = 0; config < 32; config++) {
        for (unsigned stereo = 0; stereo < 2; stereo++) {
            struct sq_opus_packet p;
            uint8_t one[] = {(uint8_t)(config << 3 | stereo << 2), 7, 8};
            assert_int_equal(sq_opus_parse(one, 3, &p), 0);
            assert_int_equal(p.samples * 10, tenths[config] * 48);
            assert_int_equal(p.stereo, stereo);
            assert_int_equal(p.frames, 1);
            assert_int_equal(p.mode, config < 12   ? SQ_OPUS_SILK
                                     : config < 16 ? SQ_OPUS_HYBRID
                                                   : SQ_OPUS_CELT);
            assert_false(p.dtx);
            uint8_t two[] = {(uint8_t)(config << 3 | 1), 1, 2, 3, 4};
            assert_int_equal(sq_opus_parse(two, 5, &p), 0);
            assert_int_equal(p.frames, 2);
            assert_int_equal(p.samples * 10, tenths[config] * 96);
        }
    }
}

static void frame_counts_and_the_rules(void **state)
{
    static uint8_t big[1400] = {1 << 3};
    static const struct {
        uint8_t bytes[16];
        size_t len;
        int err;
        unsigned frames;
        bool dtx;
    } cases[] = {
        {{0}, 0, SQ_ERR_TRUNCATED, 0, false},                         /* R1 */
        {{0x08}, 1, 0, 1, true},                                      /* the TOC alone: DTX */
        {{0x08, 0}, 2, 0, 1, true},                                   /* a frame of one byte */
        {{0x09, 1, 2, 3}, 4, SQ_ERR_FORMAT, 0, false},                /* R3 */
        {{0x09}, 1, 0, 2, true},                                      /* two empty frames */
        {{0x0a}, 1, SQ_ERR_FORMAT, 0, false},                         /* R4: no length */
        {{0x0a, 3, 1, 2}, 4, SQ_ERR_FORMAT, 0, false},                /* R4: first too long */
        {{0x0a, 3, 1, 2, 3}, 5, 0, 2, false},                         /* second is empty */
        {{0x0a, 252}, 2, SQ_ERR_FORMAT, 0, false},                    /* length cut off */
        {{0x0b}, 1, SQ_ERR_FORMAT, 0, false},                         /* R6: no count */
        {{0x0b, 0}, 2, SQ_ERR_FORMAT, 0, false},                      /* R5: no frame */
        {{0x0b, 7, 1, 2, 3, 4, 5, 6, 7}, 9, SQ_ERR_FORMAT, 0, false}, /* R5: 140 ms */
        {{0x0b, 6, 1, 2, 3, 4, 5, 6}, 8, 0, 6, true},
        {{0x0b, 3, 1, 2, 3, 4, 5, 6}, 8, 0, 3, false},
        {{0x0b, 3, 1, 2, 3, 4, 5}, 7, SQ_ERR_FORMAT, 0, false},       /* R6: not a multiple */
        {{0x0b, 0x42, 2, 1, 2, 3, 4, 0, 0}, 9, 0, 2, false},          /* padding of two */
        {{0x0b, 0x42, 9, 1, 2}, 5, SQ_ERR_FORMAT, 0, false},          /* padding past the end */
        {{0x0b, 0x42, 255}, 3, SQ_ERR_FORMAT, 0, false},              /* padding length cut off */
        {{0x0b, 0x83, 1, 2, 9, 9, 9, 9}, 8, 0, 3, false},             /* VBR: 1, 2 and 1 */
        {{0x0b, 0x83, 1, 6, 9, 9, 9, 9}, 8, SQ_ERR_FORMAT, 0, false}, /* R7 */
        {{0x0b, 0x83, 1}, 3, SQ_ERR_FORMAT, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_opus_packet p = {.frames = 99};
        /* An exact copy, so that a read past its end is seen. */
        uint8_t *copy = malloc(cases[i].len + (cases[i].len == 0));
        assert_non_null(copy);
        memcpy(copy, cases[i].bytes, cases[i].len);
        int err = sq_opus_parse(copy, cases[i].len, &p);
        free(copy);
        if (err != cases[i].err || p.frames != (err ? 99 : cases[i].frames) ||
            (!err && p.dtx != cases[i].dtx)) {
            fail_msg("case %zu: %d, %u frames", i, err, p.frames);
        }
    }
    struct sq_opus_packet p;
    assert_int_equal(sq_opus_parse(big, 1276, &p), 0);
    assert_int_equal(sq_opus_parse(big, 1277, &p), SQ_ERR_FORMAT); /* R2 */
}

static void hostile_packets(void **state)
{
    struct sq_rand r;
    sq_rand_seed(&r, 1);
    for (unsigned i = 0; i < 200000; i++) {
        size_t len = sq_rand_below(&r, 33);
        uint8_t *bytes = malloc(len + (len == 0));
        assert_non_null(bytes);
        for (size_t n = 0; n < len; n++) {
            bytes[n] = (uint8_t)sq_rand_u32(&r);
        }
        struct sq_opus_packet p = {0};
        int err = sq_opus_parse(bytes, len, &p);
        free(bytes);
        assert_true(err == 0 || err == SQ_ERR_FORMAT || err == SQ_ERR_TRUNCATED);
        assert_true(err || (p.samples > 0 && p.samples <= 5760));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_of_all_configurations),
        cmocka_unit_test(frame_counts_and_the_rules),
        cmocka_unit_test(hostile_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
