/* What a sender sends and the tracker puts together again is a stream that libvpx decodes, through
 * loops and key frames on request, and the Opus track is one that libopus decodes. ffmpeg is the
 * judge; without it the test is skipped. */
#include "base/rand.h"
#include "base/time.h"
#include "media/frames.h"
#include "media/help.h"
#include "media/source.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define FRAMES 400

struct ivf {
    FILE *file;
    unsigned frames;
};

static void put_le(FILE *file, uint64_t value, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++) {
        assert_int_not_equal(fputc((int)(value >> (8 * i) & 0xff), file), EOF);
    }
}

static void ivf_begin(struct ivf *ivf, const char *path, unsigned width, unsigned height)
{
    ivf->file = fopen(path, "wb");
    assert_non_null(ivf->file);
    assert_int_equal(fwrite("DKIF\0\0\x20\0VP80", 1, 12, ivf->file), 12);
    put_le(ivf->file, width, 2);
    put_le(ivf->file, height, 2);
    put_le(ivf->file, 25, 4);
    put_le(ivf->file, 1, 4);
    put_le(ivf->file, FRAMES, 4);
    put_le(ivf->file, 0, 4);
}

static void ivf_frame(void *ctx, const struct sq_media_frame *frame)
{
    struct ivf *ivf = ctx;
    put_le(ivf->file, frame->len, 4);
    put_le(ivf->file, ivf->frames++, 8);
    assert_int_equal(fwrite(frame->bytes, 1, frame->len, ivf->file), frame->len);
}

/* The last line that the command prints. */
static void run(const char *command, char *out, size_t room)
{
    FILE *pipe = popen(command, "r"); /* NOLINT(cert-env33-c): of this test's own making */
    assert_non_null(pipe);
    out[0] = '\0';
    while (fgets(out, (int)room, pipe)) {
    }
    assert_int_equal(pclose(pipe), 0);
}

static void need_ffmpeg(void)
{
    if (access("/usr/bin/ffmpeg", X_OK) != 0) {
        skip();
    }
}

static void the_picture_decodes(void **state)
{
    need_ffmpeg();
    char path[] = "/tmp/squall-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(close(fd), 0);
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_VIDEO);
    struct ivf ivf = {0};
    struct sq_frames *frames;
    struct sq_source s;
    struct sq_source_packet p;
    struct sq_rand rand;
    sq_rand_seed(&rand, 21);
    ivf_begin(&ivf, path, t->width, t->height);
    assert_int_equal(sq_frames_new(ivf_frame, &ivf, &frames), 0);
    sq_source_init(&s, t, 0, 0, &rand);
    uint16_t seq = 0;
    while (ivf.frames < FRAMES) { /* more than one loop */
        uint8_t payload[1500];
        if (sq_rand_below(&rand, 250) == 0) {
            sq_source_request_key_frame(&s);
        }
        assert_true(sq_source_next(&s, s.due_ns, &p));
        memcpy(payload, p.head, p.head_len);
        memcpy(payload + p.head_len, p.fragment, p.fragment_len);
        size_t len = p.head_len + (size_t)p.fragment_len;
        const struct sq_media_packet packet = {.now_ns = p.due_ns,
                                               .payload = payload,
                                               .len = len,
                                               .timestamp = (uint32_t)p.ticks,
                                               .seq = seq++,
                                               .marker = p.marker,
                                               .codec = SQ_CODEC_VP8};
        assert_int_equal(sq_frames_push(frames, &packet), 0);
    }
    assert_true(s.jumps > 2);
    assert_int_equal(fclose(ivf.file), 0);
    char command[512];
    char line[256];
    (void)snprintf(
        command, sizeof(command),
        "/usr/bin/ffmpeg -nostdin -v error -xerror -c:v libvpx -i %s -f framecrc - 2>&1 | "
        "grep -c ^0,",
        path);
    run(command, line, sizeof(line));
    assert_int_equal(atoi(line), FRAMES);
    assert_int_equal(unlink(path), 0);
    sq_frames_free(frames);
    sq_clip_close(c);
}

/* The check sum of an Ogg page (RFC 3533, section 6). */
static uint32_t ogg_crc(const uint8_t *bytes, size_t len)
{
    uint32_t crc = 0;
    for (size_t i = 0; i < len; i++) {
        crc ^= (uint32_t)bytes[i] << 24;
        for (int bit = 0; bit < 8; bit++) {
            crc = crc & 0x80000000 ? crc << 1 ^ 0x04c11db7 : crc << 1;
        }
    }
    return crc;
}

static void ogg_page(FILE *file, unsigned number, unsigned flags, uint64_t granule,
                     const uint8_t *packet, size_t len)
{
    uint8_t page[4096] = "OggS";
    size_t lacing = len / 255 + 1;
    assert_true(27 + lacing + len <= sizeof(page));
    page[5] = (uint8_t)flags;
    for (unsigned i = 0; i < 8; i++) {
        page[6 + i] = (uint8_t)(granule >> (8 * i));
    }
    page[14] = 1;
    page[18] = (uint8_t)number;
    page[19] = (uint8_t)(number >> 8);
    page[26] = (uint8_t)lacing;
    memset(page + 27, 255, lacing);
    page[26 + lacing] = (uint8_t)(len % 255);
    memcpy(page + 27 + lacing, packet, len);
    uint32_t crc = ogg_crc(page, 27 + lacing + len);
    for (unsigned i = 0; i < 4; i++) {
        page[22 + i] = (uint8_t)(crc >> (8 * i));
    }
    assert_int_equal(fwrite(page, 1, 27 + lacing + len, file), 27 + lacing + len);
}

static void the_voice_decodes(void **state)
{
    need_ffmpeg();
    char path[] = "/tmp/squall-test-XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    FILE *file = fdopen(fd, "wb");
    assert_non_null(file);
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_AUDIO);
    uint8_t head[] = "OpusHead\1\1\0\0\x80\xbb\0\0\0\0\0"; /* mono, 48000 Hz */
    ogg_page(file, 0, 2, 0, head, 19);
    ogg_page(file, 1, 0, 0, (const uint8_t *)"OpusTags\0\0\0\0\0\0\0\0", 16);
    for (uint32_t i = 0; i < t->packet_count; i++) {
        ogg_page(file, i + 2, i + 1 == t->packet_count ? 4 : 0, (i + 1) * 960ULL,
                 t->data + t->packets[i].offset, t->packets[i].len_bytes);
    }
    assert_int_equal(fclose(file), 0);
    char command[512];
    char line[256];
    (void)snprintf(
        command, sizeof(command),
        "/usr/bin/ffmpeg -nostdin -v error -xerror -c:a libopus -i %s -f s16le - | wc -c", path);
    run(command, line, sizeof(line));
    assert_int_equal(atol(line), t->packet_count * 960L * 2);
    assert_int_equal(unlink(path), 0);
    sq_clip_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_decodes),
        cmocka_unit_test(the_voice_decodes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
