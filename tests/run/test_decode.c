/* The decoding thread: what is pushed comes out decoded, the queue is bounded, streams may be
 * closed while their packets wait. */
#include "base/mem.h"
#include "base/rand.h"
#include "base/time.h"
#include "media/clip.h"
#include "media/depacket.h"
#include "media/frames.h"
#include "media/source.h"
#include "run/decode.h"
#include <sched.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static struct sq_clip *clip;

static int open_clip(void **state)
{
    char why[SQ_CLIP_WHY_MAX];
    return sq_clip_open(SQ_SOURCE_DIR "/share/clips/default.sqclip", 0, &clip, why);
}

static int close_clip(void **state)
{
    sq_clip_close(clip);
    return 0;
}

/* Pushes what a sender sends in `seconds`; packets that found room. */
static unsigned push_clip(struct sq_decode_stream *stream, enum sq_codec codec, unsigned seconds)
{
    struct sq_source s;
    struct sq_source_packet p;
    struct sq_rand rand;
    unsigned taken = 0;
    uint16_t seq = 1;
    bool video = codec == SQ_CODEC_VP8;
    sq_rand_seed(&rand, 3);
    sq_source_init(&s, sq_clip_track(clip, video ? SQ_CLIP_VIDEO : SQ_CLIP_AUDIO), 0, 0, &rand);
    while (s.due_ns < seconds * SQ_NS_PER_SEC) {
        uint8_t payload[1500];
        assert_true(sq_source_next(&s, s.due_ns, &p));
        memcpy(payload, p.head, p.head_len);
        memcpy(payload + p.head_len, p.fragment, p.fragment_len);
        const struct sq_media_packet packet = {.now_ns = p.due_ns,
                                               .payload = payload,
                                               .len = p.head_len + (size_t)p.fragment_len,
                                               .timestamp = (uint32_t)p.ticks,
                                               .seq = seq++,
                                               .marker = p.marker,
                                               .codec = codec};
        taken += sq_decode_stream_push(stream, &packet);
    }
    return taken;
}

static void the_picture_moves_and_the_voice_is_heard(void **state)
{
    struct sq_decode_thread *t;
    int err = sq_decode_thread_create(&t);
    if (err == SQ_ERR_UNSUPPORTED) {
        skip();
    }
    assert_int_equal(err, 0);
    for (int video = 0; video < 2; video++) {
        struct sq_decode_stream *stream;
        struct sq_decode_figures f = {0};
        assert_int_equal(sq_decode_stream_open(t, &stream), 0);
        assert_true(push_clip(stream, video ? SQ_CODEC_VP8 : SQ_CODEC_OPUS, 4) > 100);
        while (f.decoded.seconds < 3) { /* ctest ends it if that never comes */
            sched_yield();
            sq_decode_stream_figures(stream, &f);
        }
        assert_int_equal(f.decoded.failed, 0);
        assert_int_equal(f.dropped, 0);
        assert_int_equal(f.decoded.seconds_alive, f.decoded.seconds);
        assert_true(!video || f.decoded.pictures >= 70);
        sq_decode_stream_close(stream);
    }
    sq_decode_thread_destroy(t);
    sq_decode_thread_destroy(NULL);
}

static void a_full_queue_drops_and_tells(void **state)
{
    struct sq_decode_thread *t;
    struct sq_decode_stream *stream;
    struct sq_decode_figures f;
    if (sq_decode_thread_create(&t) == SQ_ERR_UNSUPPORTED) {
        skip();
    }
    assert_int_equal(sq_decode_stream_open(t, &stream), 0);
    unsigned pushed = 0;
    do { /* faster than anybody decodes */
        (void)push_clip(stream, SQ_CODEC_VP8, 10);
        sq_decode_stream_figures(stream, &f);
        pushed++;
    } while (f.dropped == 0 && pushed < 200);
    assert_true(f.dropped > 0);
    const struct sq_media_packet huge = {.payload = (const uint8_t *)"", .len = 1501};
    assert_false(sq_decode_stream_push(stream, &huge));
    sq_decode_stream_close(stream); /* its packets still wait */
    sq_decode_thread_destroy(t);
}

/* ---- No memory ---- */

static void creation_fails_and_says_so(void **state)
{
    struct sq_decode_thread *t = NULL;
    struct sq_decode_stream *stream = NULL;
    size_t nth = 0;
    int err;
    if (!sq_media_decoder_available()) {
        skip();
    }
    do {
        sq_mem_fail_at(++nth);
        err = sq_decode_thread_create(&t);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        if (!err) {
            err = sq_decode_stream_open(t, &stream);
            assert_true(err == 0 || err == SQ_ERR_NOMEM);
            sq_decode_stream_close(err ? NULL : stream);
            sq_decode_thread_destroy(t);
        }
    } while (err && nth < 100);
    sq_mem_fail_at(0);
    assert_int_equal(err, 0);
    assert_int_equal(nth - 1, 4); /* thread; stream, frames, decoder */
}

static void on_frame(void *ctx, const struct sq_media_frame *frame)
{
    sq_media_decoder_push(ctx, frame);
}

/* What the thread does with a stream, in this one; each packet goes past the depacketizer on its
 * own, too. Allocations that were made are returned. */
static size_t decode_without(const struct sq_clip_track *track, size_t nth,
                             struct sq_decoded *ret_decoded)
{
    struct sq_media_decoder *decoder = NULL;
    struct sq_frames *frames = NULL;
    struct sq_depacket_state *depacket = NULL;
    struct sq_source s;
    struct sq_source_packet p;
    struct sq_rand rand;
    uint16_t seq = 1;
    unsigned keys = 0;
    sq_rand_seed(&rand, 3);
    sq_source_init(&s, track, 0, 0, &rand);
    assert_int_equal(sq_media_decoder_new(&decoder), 0);
    assert_int_equal(sq_frames_new(on_frame, decoder, &frames), 0);
    sq_mem_fail_at(nth);
    while (s.due_ns < 3 * SQ_NS_PER_SEC) {
        uint8_t payload[1500];
        struct sq_part part = {0};
        assert_true(sq_source_next(&s, s.due_ns, &p));
        memcpy(payload, p.head, p.head_len);
        memcpy(payload + p.head_len, p.fragment, p.fragment_len);
        const struct sq_media_packet packet = {.now_ns = p.due_ns,
                                               .payload = payload,
                                               .len = p.head_len + (size_t)p.fragment_len,
                                               .dd = p.ext_len ? p.ext : NULL,
                                               .dd_len = p.ext_len,
                                               .timestamp = (uint32_t)p.ticks,
                                               .seq = seq++,
                                               .marker = p.marker,
                                               .codec = track->codec};
        int err = sq_frames_push(frames, &packet);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        if (track->kind == SQ_CLIP_VIDEO) {
            err = sq_depacket(&packet, &depacket, &part);
            assert_true(err == 0 || err == SQ_ERR_NOMEM || err == SQ_ERR_NOTFOUND);
            keys += err == 0 && (part.flags & SQ_PART_KEY);
        }
    }
    size_t made = sq_mem_count();
    sq_mem_fail_at(0);
    sq_media_decoder_figures(decoder, ret_decoded);
    assert_true(track->kind != SQ_CLIP_VIDEO || keys >= 1); /* the stream is understood again */
    sq_depacket_state_free(depacket);
    sq_frames_free(frames);
    sq_media_decoder_free(decoder);
    return made;
}

/* Each allocation on the way from a packet to a picture fails in turn: a frame is lost, and from
 * the next key frame on all is as before. */
static void each_allocation_on_the_way_fails(void **state)
{
    static const enum sq_codec codecs[] = {SQ_CODEC_VP8, SQ_CODEC_VP9, SQ_CODEC_H264, SQ_CODEC_AV1,
                                           SQ_CODEC_OPUS};
    if (!sq_media_decoder_available()) {
        skip();
    }
    for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++) {
        const struct sq_clip_track *track;
        struct sq_decoded whole, torn;
        assert_true(sq_clip_ladder(clip, codecs[i], &track, 1) > 0);
        size_t made = decode_without(track, 0, &whole);
        assert_true(made > 10 && whole.failed == 0);
        /* The first ones set everything up; then each frame is as the other. */
        for (size_t nth = 1; nth <= made; nth += nth < 40 ? 1 : made / 8) {
            (void)decode_without(track, nth, &torn);
            assert_true(torn.pictures <= whole.pictures);
            assert_true(codecs[i] == SQ_CODEC_OPUS || torn.pictures + 40 > whole.pictures);
            assert_true(torn.seconds + 2 > whole.seconds);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_picture_moves_and_the_voice_is_heard),
        cmocka_unit_test(a_full_queue_drops_and_tells),
        cmocka_unit_test(creation_fails_and_says_so),
        cmocka_unit_test(each_allocation_on_the_way_fails),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
