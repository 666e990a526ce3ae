/* Silence lasts as long as what it stands for. */
#include "media/opus.h"
#include "media/silence.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void opus_silence_lasts_as_long(void **state)
{
    (void)state;
    unsigned seen = 0;
    for (unsigned toc = 0; toc < 256; toc++) {
        const uint8_t packet[] = {(uint8_t)toc, 2, 7, 7, 7, 7}; /* of code 3: two frames */
        size_t len = toc % 4 == 0 || toc % 4 == 3 ? 6 : toc % 4 == 1 ? 5 : 4;
        uint8_t out[SQ_SILENCE_MAX];
        struct sq_opus_packet before, after;
        if (sq_opus_parse(packet, len, &before) != 0) {
            continue;
        }
        size_t out_len = sq_silence_put(SQ_CODEC_OPUS, packet, len, out);
        assert_int_equal(sq_opus_parse(out, out_len, &after), 0);
        assert_int_equal(after.samples, before.samples);
        assert_false(after.dtx); /* it is played as sound, and not made up */
        seen++;
    }
    assert_true(seen > 100);
    /* 20 ms of what libopus makes of zeros, as mono and whole. */
    const uint8_t voice[] = {0x78, 1, 2, 3};
    uint8_t out[SQ_SILENCE_MAX];
    assert_int_equal(sq_silence_put(SQ_CODEC_OPUS, voice, 4, out), 3);
    assert_memory_equal(out, "\xf8\xff\xfe", 3);
}

static void other_silence_is_a_level(void **state)
{
    (void)state;
    const uint8_t packet[160] = {1, 2, 3};
    uint8_t out[SQ_SILENCE_MAX];
    assert_int_equal(sq_silence_put(SQ_CODEC_PCMU, packet, 160, out), 160);
    assert_int_equal(out[159], 0xff);
    assert_int_equal(sq_silence_put(SQ_CODEC_PCMA, packet, 160, out), 160);
    assert_int_equal(out[0], 0xd5);
    assert_false(sq_silence_is_known(SQ_CODEC_VP8));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opus_silence_lasts_as_long),
        cmocka_unit_test(other_silence_is_a_level),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
