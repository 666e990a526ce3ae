/* One-way latency of frames, held against the delay of the simulated link, which is known exactly;
 * and what is sent again stays the same to the last bit. */
#include "base/mem.h"
#include "peer/rtp/rtp.h"
#include "sim/simcall.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    uint64_t n;
    int64_t min_us, max_us, sum_us;
    bool same_clock;
    uint64_t by[2];    /* SQ_LATENCY_TAG, SQ_LATENCY_CAPTURE */
    uint64_t error_us; /* of the latest */
};

static struct seen heard[2]; /* audio, video */

static void on_latency(void *ctx, struct sq_track *track, const struct sq_latency_sample *sample)
{
    struct seen *s = &heard[sq_track_kind(track)];
    (void)ctx;
    s->min_us = s->n == 0 || sample->latency_us < s->min_us ? sample->latency_us : s->min_us;
    s->max_us = s->n == 0 || sample->latency_us > s->max_us ? sample->latency_us : s->max_us;
    s->sum_us += sample->latency_us;
    s->same_clock = sample->same_clock;
    s->by[sample->by]++;
    s->error_us = sample->error_us;
    s->n++;
}

static double mean_ms(enum sq_media_kind kind)
{
    return (double)heard[kind].sum_us / 1e3 / (double)heard[kind].n;
}

/* An offer whose retransmissions the other side does not know: then packets are sent again as they
 * were, and not in a stream of their own. */
static void negotiate_without_rtx(struct pair *p)
{
    char why[SQ_PEER_TEXT_MAX];
    char *offer, *answer;
    assert_int_equal(
        sq_peer_create_offer(simnode_peer(p->a), simnet_now(p->net), false, &offer, why), 0);
    for (char *at = offer; (at = strstr(at, "rtx/90000"));) {
        memcpy(at, "xyz", 3);
    }
    assert_int_equal(
        sq_peer_set_remote(simnode_peer(p->b), simnet_now(p->net), SQ_SDP_OFFER, offer, why), 0);
    assert_int_equal(sq_peer_create_answer(simnode_peer(p->b), simnet_now(p->net), &answer, why),
                     0);
    assert_int_equal(
        sq_peer_set_remote(simnode_peer(p->a), simnet_now(p->net), SQ_SDP_ANSWER, answer, why), 0);
    sq_free(offer);
    sq_free(answer);
}

static struct pair call(const struct sq_peer_config *sender, const struct sq_peer_config *receiver,
                        uint64_t delay_ns, bool rtx)
{
    static const struct sq_peer_ops ops = {.latency = on_latency};
    struct pair p = {.net = simnet_new(90, 2)};
    memset(heard, 0, sizeof(heard));
    p.a = simnet_add(p.net, sender, false, NULL, NULL);
    p.b = simnet_try_add(p.net, receiver, &ops, NULL, NULL);
    add_both(p.a);
    add_both(p.b);
    simnode_link(p.a)->delay_ns = delay_ns;
    if (rtx) {
        simnet_negotiate(p.net, p.a, p.b, false);
    } else {
        negotiate_without_rtx(&p);
    }
    return p;
}

static const struct sq_peer_config on = {.latency = true};
static const struct sq_peer_config off = {.latency = false};

/* The clip's frames of more than ten packets are sent in bursts 5 ms apart: those take so much
 * longer. */
static void a_known_delay(void **state)
{
    (void)state;
    static const uint64_t delays_ns[] = {0, 40 * MS, 250 * MS};
    for (size_t i = 0; i < sizeof(delays_ns) / sizeof(*delays_ns); i++) {
        struct pair p = call(&on, &on, delays_ns[i], true);
        run_for(p.net, 12 * SEC);
        double delay_ms = (double)delays_ns[i] / 1e6;
        assert_true(heard[SQ_MEDIA_AUDIO].n > 500);
        assert_true(fabs(mean_ms(SQ_MEDIA_AUDIO) - delay_ms) < 0.05);
        assert_true((double)heard[SQ_MEDIA_AUDIO].max_us / 1e3 < delay_ms + 0.05);
        assert_true(heard[SQ_MEDIA_VIDEO].n > 250);
        assert_true(fabs((double)heard[SQ_MEDIA_VIDEO].min_us / 1e3 - delay_ms) < 0.05);
        assert_true((double)heard[SQ_MEDIA_VIDEO].max_us / 1e3 < delay_ms + 30);
        /* Each frame and packet has told it, and is played as before. */
        assert_int_equal(heard[SQ_MEDIA_AUDIO].n, in_stats(p.net, p.b, 0).packets_received);
        assert_int_equal(heard[SQ_MEDIA_VIDEO].n, in_stats(p.net, p.b, 1).frames_decoded);
        assert_int_equal(transport_stats(p.b).srtp_errors, 0);
        simnet_free(p.net);
    }
}

/* A frame that waits for a packet sent again takes a round trip and more. */
static void a_lost_packet_costs_its_frame_time(void **state)
{
    (void)state;
    struct pair p = call(&on, &on, 50 * MS, true);
    simnode_link(p.b)->delay_ns = 50 * MS;
    run_for(p.net, 2 * SEC);
    simnode_link(p.a)->loss = 0.03;
    run_for(p.net, 20 * SEC);
    assert_true(in_stats(p.net, p.b, 1).packets_repaired > 20);
    assert_true((double)heard[SQ_MEDIA_VIDEO].min_us / 1e3 < 50.1);
    assert_true((double)heard[SQ_MEDIA_VIDEO].max_us / 1e3 > 150);
    simnet_free(p.net);
}

static void only_where_it_is_wanted(void **state)
{
    (void)state;
    struct pair p = call(&off, &on, 0, true);
    run_for(p.net, 3 * SEC);
    assert_int_equal(heard[SQ_MEDIA_AUDIO].n + heard[SQ_MEDIA_VIDEO].n, 0);
    double plain = (double)in_stats(p.net, p.b, 0).bytes_received /
                   (double)in_stats(p.net, p.b, 0).packets_received;
    simnet_free(p.net);
    p = call(&on, &off, 0, true);
    run_for(p.net, 3 * SEC);
    assert_int_equal(heard[SQ_MEDIA_AUDIO].n + heard[SQ_MEDIA_VIDEO].n, 0);
    double tagged = (double)in_stats(p.net, p.b, 0).bytes_received /
                    (double)in_stats(p.net, p.b, 0).packets_received;
    /* docs/latency.md: 14 bytes a packet of audio. Clips differ in where they start. */
    assert_true(tagged - plain > 10 && tagged - plain < 18);
    assert_true(in_stats(p.net, p.b, 1).frames_decoded > 60);
    simnet_free(p.net);
}

/* ---- abs-capture-time ---- */

static const struct sq_peer_config capturing = {.latency = true,
                                                .capture_time = true,
                                                .audio = {.order = {SQ_CODEC_PCMU}, .n = 1},
                                                .video = {.order = {SQ_CODEC_VP9}, .n = 1}};

/* G.711, and VP9 of a clip that has no room for tags: each packet and frame is told by the header
 * extension. What the far clock is off is known from its reports to half a round trip, and lies
 * within it even where one way takes four times as long as the other. */
static void capture_time_where_there_is_no_tag(void **state)
{
    (void)state;
    static const uint64_t back_ns[] = {40 * MS, 10 * MS};
    for (size_t i = 0; i < 2; i++) {
        struct pair p = call(&capturing, &capturing, 40 * MS, true);
        simnode_link(p.b)->delay_ns = back_ns[i];
        run_for(p.net, 3 * SEC);
        memset(heard, 0, sizeof(heard));
        run_for(p.net, 12 * SEC);
        double half_ms = (40 + (double)back_ns[i] / 1e6) / 2;
        for (int kind = 0; kind < 2; kind++) {
            const struct seen *s = &heard[kind];
            assert_int_equal(s->by[SQ_LATENCY_TAG], 0);
            assert_true(s->n > (kind == SQ_MEDIA_AUDIO ? 590 : 290));
            assert_false(s->same_clock);
            double error_ms = (double)s->error_us / 1e3;
            assert_true(fabs(error_ms - half_ms) < 0.5);
            assert_true(fabs((double)s->min_us / 1e3 - 40) <= error_ms);
            /* Where both ways are alike, it is exact. */
            assert_true(fabs((double)s->min_us / 1e3 - half_ms) < 0.5);
        }
        assert_int_equal(transport_stats(p.b).srtp_errors, 0);
        simnet_free(p.net);
    }
}

/* A time-tag counts more; and who does not know the extension gets none. */
static void a_tag_counts_more(void **state)
{
    (void)state;
    struct sq_peer_config both = on;
    both.capture_time = true;
    struct pair p = call(&both, &both, 40 * MS, true);
    run_for(p.net, 6 * SEC);
    for (int kind = 0; kind < 2; kind++) {
        assert_true(heard[kind].n > 100);
        assert_int_equal(heard[kind].by[SQ_LATENCY_CAPTURE], 0);
    }
    simnet_free(p.net);
    struct sq_peer_config plain = capturing;
    plain.capture_time = false;
    p = call(&plain, &plain, 40 * MS, true);
    run_for(p.net, 6 * SEC);
    assert_int_equal(heard[SQ_MEDIA_AUDIO].n + heard[SQ_MEDIA_VIDEO].n, 0);
    assert_true(in_stats(p.net, p.b, 1).frames_decoded > 100);
    simnet_free(p.net);
}

/* ---- Sent again ---- */

#define SEQS 65536

static uint8_t *first[SEQS]; /* of the video SSRC: bytes as they were first sent, length in front */
static uint32_t video_ssrc;
static unsigned again;

static void tap(void *ctx, struct simnode *from, const struct sq_dgram *dgram)
{
    struct sq_rtp_packet packet;
    if (from != *(struct simnode **)ctx || dgram->len < 12 || (dgram->buf[0] & 0xC0) != 0x80 ||
        (dgram->buf[1] >= 192 && dgram->buf[1] < 224) ||
        sq_rtp_parse(dgram->buf, dgram->len, &packet) != 0 || packet.ssrc != video_ssrc) {
        return;
    }
    uint8_t *kept = first[packet.seq];
    if (!kept) {
        kept = first[packet.seq] = malloc(2 + dgram->len);
        assert_non_null(kept);
        kept[0] = (uint8_t)(dgram->len >> 8);
        kept[1] = (uint8_t)dgram->len;
        memcpy(kept + 2, dgram->buf, dgram->len);
        return;
    }
    again++;
    assert_int_equal(kept[0] << 8 | kept[1], dgram->len);
    assert_memory_equal(kept + 2, dgram->buf, dgram->len);
}

/* RFC 7714, section 8.4: a sequence number is a nonce of AES-GCM, and never two plain texts go with
 * one. The bytes compared are the encrypted ones. */
static void sent_again_to_the_last_bit(void **state)
{
    (void)state;
    struct sq_peer_config with_capture = on;
    with_capture.capture_time = true;
    struct pair p = call(&with_capture, &with_capture, 20 * MS, false);
    struct simnode *sender = p.a;
    again = 0;
    run_for(p.net, SEC);
    video_ssrc = out_stats(p.net, p.a, 1).ssrc;
    simnet_set_tap(p.net, tap, &sender);
    run_for(p.net, SEC);
    simnode_link(p.a)->loss = 0.05;
    run_for(p.net, 10 * SEC);
    assert_true(again > 40);
    simnet_free(p.net);
    for (size_t i = 0; i < SEQS; i++) {
        free(first[i]);
        first[i] = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_known_delay),
        cmocka_unit_test(a_lost_packet_costs_its_frame_time),
        cmocka_unit_test(only_where_it_is_wanted),
        cmocka_unit_test(capture_time_where_there_is_no_tag),
        cmocka_unit_test(a_tag_counts_more),
        cmocka_unit_test(sent_again_to_the_last_bit),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
