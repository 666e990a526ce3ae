/* A video that is not enabled goes on in black, as Chromium's does: in its size, at its frame rate,
 * under the same SSRCs, and nobody who receives it counts a freeze. */
#include "peer/peer_int.h"
#include "sim/simcall.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LAYERS 3

static struct sq_clip *black;

static int open_clips(void **state)
{
    char why[SQ_CLIP_WHY_MAX];
    const struct sq_clip_opts opts = {.fps_milli = 25000};
    int err = sq_clip_open_with(SQ_SOURCE_DIR "/share/clips/black.sqclip", &opts, &black, why);
    return err ? err : open_clip(state);
}

static int close_clips(void **state)
{
    sq_clip_close(black);
    return close_clip(state);
}

static struct sq_track *video_of(struct simnode *node)
{
    return sq_peer_track(simnode_peer(node), 1);
}

static void set_enabled(struct simnet *net, struct simnode *node, bool enabled)
{
    sq_track_set_enabled(video_of(node), simnet_now(net), enabled);
}

/* From `before` on, over so many seconds: nothing is missing, nothing stands still. */
static void assert_goes_on(struct sq_inbound_stats before, struct sq_inbound_stats after,
                           unsigned seconds, unsigned key_frames)
{
    unsigned frames = (unsigned)(after.frames_decoded - before.frames_decoded);
    assert_int_equal(after.freeze_count, 0);
    assert_int_equal(after.packets_missing, 0);
    assert_int_equal(after.frames_dropped, 0);
    assert_int_equal(after.pli_count, before.pli_count);
    assert_in_range(frames, 25 * seconds - 2, 25 * seconds + 1);
    assert_int_equal(after.key_frames_decoded - before.key_frames_decoded, key_frames);
    assert_int_equal(after.frame_width, before.frame_width);
    assert_int_equal(after.frame_height, before.frame_height);
}

static void of_codec(uint64_t seed, enum sq_codec codec)
{
    const struct sq_peer_config config = {.video = {.order = {(uint8_t)codec}, .n = 1},
                                          .black = black};
    struct pair p = make_pair(seed, &config, &config, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 4 * SEC);
    struct sq_inbound_stats loud = in_stats(p.net, p.b, 1);
    struct sq_outbound_stats out = out_stats(p.net, p.a, 1);
    set_enabled(p.net, p.a, false);
    run_for(p.net, 4 * SEC); /* less than black's loop */
    struct sq_inbound_stats dark = in_stats(p.net, p.b, 1);
    assert_goes_on(loud, dark, 4, 1);
    /* Chromium 156: 13 kbit/s of VP8, 3 of VP9, at 640x360 and 20 frames/s */
    assert_in_range((dark.bytes_received - loud.bytes_received) * 8 / 4, 1000, 25000);
    assert_true(loud.bytes_received > 20 * (dark.bytes_received - loud.bytes_received));
    /* What it could send is what it could before: congestion control has nothing to fill up. */
    assert_true(out_stats(p.net, p.a, 1).target_bps == out.target_bps);

    set_enabled(p.net, p.a, true);
    run_for(p.net, 200 * MS);
    assert_int_equal(in_stats(p.net, p.b, 1).key_frames_decoded, dark.key_frames_decoded + 1);
    run_for(p.net, 3800 * MS);
    struct sq_inbound_stats again = in_stats(p.net, p.b, 1);
    assert_goes_on(dark, again, 4, (unsigned)(again.key_frames_decoded - dark.key_frames_decoded));
    assert_true(again.bytes_received - dark.bytes_received >
                20 * (dark.bytes_received - loud.bytes_received));
    simnet_free(p.net);
}

static void a_muted_video_goes_on_in_black(void **state)
{
    (void)state;
    of_codec(80, SQ_CODEC_VP8);
    of_codec(81, SQ_CODEC_VP9);
    of_codec(82, SQ_CODEC_H264);
    of_codec(83, SQ_CODEC_AV1);
}

/* Before the call is up, and over a negotiation, which begins nothing anew. */
static void who_begins_muted_is_black(void **state)
{
    (void)state;
    const struct sq_peer_config config = {.black = black};
    struct pair p = make_pair(84, &config, &config, false);
    set_enabled(p.net, p.a, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    struct sq_inbound_stats dark = in_stats(p.net, p.b, 1);
    assert_true(dark.frames_decoded > 40);
    assert_int_equal(dark.frame_width, 640);
    assert_true(dark.bytes_received * 8 / 2 < 25000);
    assert_int_equal(dark.key_frames_decoded, 1);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    assert_goes_on(dark, in_stats(p.net, p.b, 1), 2, 0);
    set_enabled(p.net, p.a, true);
    run_for(p.net, 2 * SEC);
    assert_true(in_stats(p.net, p.b, 1).bytes_received > 100000);
    simnet_free(p.net);
}

/* A rate that fell while it was muted decides with which step the picture comes back, and so does
 * another picture that was shared meanwhile. */
static void what_changes_meanwhile_holds(void **state)
{
    (void)state;
    const struct sq_peer_config config = {.black = black,
                                          .bwe = {.mode = SQ_BWE_FIXED, .fixed_bps = 5000000}};
    struct pair p = make_pair(85, &config, &config, false);
    struct sq_clip *small;
    char why[SQ_CLIP_WHY_MAX];
    assert_int_equal(sq_clip_open(SQ_SOURCE_DIR "/share/clips/small.sqclip", 0, &small, why), 0);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    assert_int_equal(in_stats(p.net, p.b, 1).frame_width, 640);
    set_enabled(p.net, p.a, false);
    run_for(p.net, SEC);
    sq_track_allocate(video_of(p.a), 200000, simnet_now(p.net));
    run_for(p.net, SEC);
    assert_int_equal(in_stats(p.net, p.b, 1).frame_width, 640);
    assert_int_equal(sq_encoding_step(&video_of(p.a)->tx->encodings[0])->width, 320);
    set_enabled(p.net, p.a, true);
    run_for(p.net, 500 * MS);
    assert_int_equal(in_stats(p.net, p.b, 1).frame_width, 320);
    set_enabled(p.net, p.a, false);
    run_for(p.net, SEC);
    assert_int_equal(in_stats(p.net, p.b, 1).frame_width, 320);
    assert_int_equal(sq_track_share(video_of(p.a), simnet_now(p.net), small), 0);
    run_for(p.net, SEC);
    uint64_t bytes = in_stats(p.net, p.b, 1).bytes_received;
    run_for(p.net, SEC);
    assert_true((in_stats(p.net, p.b, 1).bytes_received - bytes) * 8 < 25000);
    set_enabled(p.net, p.a, true);
    run_for(p.net, SEC);
    struct sq_inbound_stats in = in_stats(p.net, p.b, 1);
    assert_true(in.frame_width == 320 || in.frame_width == 224);
    assert_true(in.frames_per_second < 17); /* the small clip's 15 */
    simnet_free(p.net);
    sq_clip_close(small);
}

/* Each layer in its own size, and the layers that the rate has no room for stay off. */
static void layers_are_black_each(void **state)
{
    static const struct sq_peer_ops none = {0};
    static const struct sq_peer_config server = {.forward_only = true};
    const struct sq_peer_config config = {
        .simulcast = LAYERS, .black = black, .bwe = {.mode = SQ_BWE_OFF}};
    struct sq_track *into;
    struct simnet *net = simnet_new(86, 2);
    struct simnode *in = simnet_try_add(net, &server, &none, NULL, NULL);
    struct simnode *pub = simnet_add(net, &config, false, NULL, NULL);
    uint64_t frames[LAYERS], keys[LAYERS], bytes[LAYERS];
    (void)state;
    assert_int_equal(
        sq_peer_add_track(simnode_peer(in), SQ_MEDIA_VIDEO, SQ_DIR_RECVONLY, NULL, &into), 0);
    sq_track_receive_simulcast(into, true);
    struct sq_track *track = add(pub, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
    simnet_negotiate(net, in, pub, false);
    run_for(net, 2 * SEC);
    assert_int_equal(track->tx->n, LAYERS);
    for (size_t i = 0; i < LAYERS; i++) {
        frames[i] = track->tx->encodings[i].rtp.frames_sent;
        keys[i] = track->tx->encodings[i].rtp.key_frames_sent;
        bytes[i] = track->tx->encodings[i].rtp.bytes_sent;
    }
    sq_track_set_enabled(track, simnet_now(net), false);
    run_for(net, 4 * SEC);
    for (size_t i = 0; i < LAYERS; i++) {
        const struct sq_encoding *e = &track->tx->encodings[i];
        assert_in_range(e->rtp.frames_sent - frames[i], 98, 101);
        assert_int_equal(e->rtp.key_frames_sent - keys[i], 1);
        assert_true((e->rtp.bytes_sent - bytes[i]) * 8 / 4 < 25000);
        assert_int_equal(e->source.track->width, e->hidden->width);
        assert_int_equal(e->hidden->width, sq_choose_layer(track->media, i, LAYERS)->width);
    }
    sq_track_allocate(track, 300000, simnet_now(net)); /* the lowest alone */
    unsigned active;
    assert_int_equal(sq_track_layers(track, &active), LAYERS);
    assert_int_equal(active, 1);
    sq_track_set_enabled(track, simnet_now(net), true);
    assert_int_equal(sq_track_layers(track, &active), LAYERS);
    assert_int_equal(active, 1);
    run_for(net, SEC);
    assert_null(track->tx->encodings[0].hidden);
    simnet_free(net);
}

/* Who has no black says nothing, as before. */
static void without_black_nothing_is_sent(void **state)
{
    (void)state;
    struct pair p = make_pair(87, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    set_enabled(p.net, p.a, false);
    run_for(p.net, SEC);
    struct sq_inbound_stats before = in_stats(p.net, p.b, 1);
    run_for(p.net, 2 * SEC);
    assert_int_equal(in_stats(p.net, p.b, 1).packets_received, before.packets_received);
    simnet_free(p.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_muted_video_goes_on_in_black),
        cmocka_unit_test(who_begins_muted_is_black),
        cmocka_unit_test(what_changes_meanwhile_holds),
        cmocka_unit_test(layers_are_black_each),
        cmocka_unit_test(without_black_nothing_is_sent),
    };
    return cmocka_run_group_tests(tests, open_clips, close_clips);
}
