/* Silence lasts as long as what it stands for. */
#include "media/help.h"
#include "media/opus.h"
#include "media/silence.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

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
    assert_int_equal(sq_silence_put(SQ_CODEC_G722, packet, 160, out), 160);
    assert_int_equal(out[0], 0xff);
    assert_true(sq_silence_is_known(SQ_CODEC_G722));
    assert_false(sq_silence_is_known(SQ_CODEC_VP8));
}

static void put_packet(FILE *file, const struct sq_clip_track *t, uint32_t i, bool silent)
{
    uint8_t out[SQ_SILENCE_MAX];
    const uint8_t *payload = t->data + t->packets[i].offset;
    size_t len = t->packets[i].len_bytes;
    if (silent) {
        assert_int_equal(sq_silence_put(SQ_CODEC_G722, payload, len, out), len);
        payload = out;
    }
    assert_int_equal(fwrite(payload, 1, len, file), len);
}

static double level_dbov(const int16_t *pcm, size_t n)
{
    double sum = 0;
    for (size_t i = 0; i < n; i++) {
        sum += (double)pcm[i] * pcm[i];
    }
    return 10 * log10(sum / (double)n / (32768.0 * 32768.0) + 1e-12);
}

/* Two seconds of a voice that is muted at its loudest: ffmpeg hears nothing from 20 ms later on,
 * and then the voice again. */
static void g722_dies_away(void **state)
{
    enum { LOUD = 100, QUIET = 50, EACH = 320 }; /* packets; samples of one */
    (void)state;
    if (access("/usr/bin/ffmpeg", X_OK) != 0) {
        skip();
    }
    char path[] = "/tmp/squall-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "wb");
    assert_non_null(file);
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *t[SQ_CLIP_STEPS_MAX];
    assert_int_equal(sq_clip_ladder(c, SQ_CODEC_G722, t, SQ_CLIP_STEPS_MAX), 1);
    uint32_t from = 0;
    while (from < LOUD || t[0]->packets[from].level > 20) {
        from++;
    }
    for (uint32_t i = 0; i < LOUD + QUIET + LOUD; i++) {
        put_packet(file, t[0], from - LOUD + i, i >= LOUD && i < LOUD + QUIET);
    }
    assert_int_equal(fclose(file), 0);
    char command[256];
    (void)snprintf(command, sizeof(command),
                   "/usr/bin/ffmpeg -nostdin -v error -xerror -f g722 -i %s -f s16le -", path);
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): of this test's own making */
    assert_non_null(pipe);
    static int16_t pcm[(LOUD + QUIET + LOUD) * EACH];
    assert_int_equal(fread(pcm, sizeof(*pcm), sizeof(pcm) / sizeof(*pcm), pipe),
                     sizeof(pcm) / sizeof(*pcm));
    assert_int_equal(pclose(pipe), 0);
    assert_int_equal(unlink(path), 0);
    assert_true(level_dbov(pcm + (size_t)(LOUD - 10) * EACH, 10 * EACH) > -35);
    for (size_t i = LOUD + 1; i < LOUD + QUIET; i++) {
        assert_true(level_dbov(pcm + i * EACH, EACH) < -55);
    }
    assert_true(level_dbov(pcm + (size_t)(LOUD + QUIET) * EACH, (size_t)LOUD * EACH) > -35);
    sq_clip_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(opus_silence_lasts_as_long),
        cmocka_unit_test(other_silence_is_a_level),
        cmocka_unit_test(g722_dies_away),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
