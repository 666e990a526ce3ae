/* Anything at all as video of each codec, in exact blocks so that a read past the end is seen. The
 * counters must add up. */
#include "base/rand.h"
#include "media/frame_buffer.h"
#include "media/frames.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define PACKETS 100000

/* The front of a payload that begins a key frame, so that chance does not have to find it. */
struct front {
    enum sq_codec codec;
    uint8_t bytes[16];
    size_t len;
};

static const struct front fronts[] = {
    {SQ_CODEC_VP8, {0x10, 0x10, 0, 0, 0x9d, 1, 0x2a, 16, 0, 16, 0}, 11},
    {SQ_CODEC_VP9, {0x88, 0x01, 0x82, 0x49, 0x83, 0x42, 0, 1, 0xf0, 0, 0xf0}, 11},
    {SQ_CODEC_H264, {0x78, 0, 4, 0x67, 0x42, 0xe0, 0x1f, 0, 3, 0x65, 0x88, 0x80}, 12},
    {SQ_CODEC_AV1, {0x18, 0x0a, 1, 2, 3, 4, 5, 6, 7}, 9},
};

static void on_whole(void *ctx, const struct sq_media_frame *frame)
{
    unsigned *count = ctx;
    assert_true(frame->len > 0);
    (*count)++;
}

static size_t make(struct sq_rand *r, const struct front *front, uint8_t *bytes, size_t len)
{
    for (size_t n = 0; n < len; n++) {
        bytes[n] = (uint8_t)sq_rand_u32(r);
    }
    if (len > front->len && sq_rand_below(r, 2)) {
        memcpy(bytes, front->bytes, front->len);
    }
    return len;
}

static void hostile(const struct front *front)
{
    struct sq_rand r;
    struct sq_frame_buffer b;
    struct sq_frames *whole;
    unsigned frames = 0;
    uint64_t now = 1;
    uint64_t empty = 0;
    uint64_t refused = 0;
    sq_rand_seed(&r, 4);
    sq_frame_buffer_init(&b, 200 * SQ_NS_PER_MS, NULL, NULL);
    assert_int_equal(sq_frames_new(on_whole, &frames, &whole), 0);
    for (unsigned i = 0; i < PACKETS; i++) {
        size_t len = sq_rand_below(&r, 24);
        uint8_t *bytes = malloc(len + (len == 0));
        uint8_t *dd = malloc(16);
        assert_non_null(bytes);
        assert_non_null(dd);
        now += sq_rand_below(&r, 20) * SQ_NS_PER_MS;
        struct sq_media_packet p = {
            .now_ns = now,
            .payload = bytes,
            .len = make(&r, front, bytes, len),
            .seq = (uint16_t)(sq_rand_below(&r, 50) ? i + sq_rand_below(&r, 4) : sq_rand_u32(&r)),
            .timestamp = sq_rand_below(&r, 50) ? i / 3 * 3000 : sq_rand_u32(&r),
            .marker = sq_rand_below(&r, 3) == 0,
            .codec = front->codec};
        if (sq_rand_below(&r, 4) == 0) {
            (void)make(&r, front, dd, 16);
            p.dd_len = sq_rand_below(&r, 17);
            p.dd = dd + 16 - p.dd_len;
        }
        assert_int_equal(sq_frames_push(whole, &p), 0);
        int err = sq_frame_buffer_push(&b, &p, sq_rand_below(&r, 9) == 0);
        free(bytes);
        free(dd);
        empty += len == 0;
        refused += err != 0;
        assert_true(b.count <= SQ_FRAME_WINDOW);
        uint64_t due = sq_frame_buffer_key_due_ns(&b);
        assert_true(b.count ? due <= now + 200 * SQ_NS_PER_MS : due == SQ_NEVER);
        (void)sq_frame_buffer_fps(&b, now);
        (void)sq_frame_buffer_open_freeze_ns(&b, now);
    }
    assert_int_equal(b.stats.packets_bad, refused);
    assert_true(b.stats.packets <= PACKETS - empty);
    assert_true(b.stats.frames_decoded <= b.stats.frames_received);
    assert_true(b.stats.frames_decoded > 0);
    sq_frame_buffer_close(&b);
    sq_frames_free(whole);
    sq_frames_free(NULL);
}

static void hostile_payloads(void **state)
{
    for (size_t i = 0; i < sizeof(fronts) / sizeof(*fronts); i++) {
        hostile(&fronts[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(hostile_payloads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
