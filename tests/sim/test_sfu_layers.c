/* Layers of simulcast in the lab's forwarding: which one a viewer gets, and what it is told of
 * them. */
#include "media/depacket.h"
#include "peer/peer_int.h"
#include "sim/sfuroom.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void assert_sees(struct room *room, size_t viewer, unsigned width)
{
    struct sq_inbound_stats before = in_stats(room->net, room->viewer[viewer], VIDEO);
    run_for(room->net, 4 * SEC);
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[viewer], VIDEO);
    assert_int_equal(video.frame_width, width);
    assert_true(video.frames_decoded >= before.frames_decoded + 90); /* of 100 */
    assert_int_equal(video.frames_dropped, before.frames_dropped);
    assert_int_equal(video.packets_missing, 0);
}

/* What each layer says of itself, and all of them together; `width` is what the viewer of the
 * highest sees. */
static void assert_encodings(const struct sq_track *track, uint64_t now_ns, uint32_t width)
{
    static const char *const rids[] = {"q", "h", "f"};
    static const uint32_t widths[] = {320, 480, 640};
    struct sq_outbound_stats all;
    uint64_t packets = 0;
    sq_track_outbound_stats(track, now_ns, &all);
    assert_int_equal(all.frame_width, width);
    for (size_t i = 0; i < 3; i++) {
        struct sq_outbound_stats one;
        sq_track_encoding_stats(track, i, now_ns, &one);
        assert_string_equal(one.rid, rids[i]);
        assert_int_equal(one.active, widths[i] <= width);
        assert_int_equal(one.frame_width, one.active ? widths[i] : 0);
        assert_true(one.frames_sent > 50);
        assert_true(i == 0 || one.ssrc != all.ssrc);
        packets += one.packets_sent;
    }
    assert_int_equal(packets, all.packets_sent);
}

/* Three layers come in (RFC 8853), each viewer gets the one it asked for, or the highest; those
 * that the publisher's rate has no room for fall away, the lowest last. */
static void each_viewer_gets_a_layer(void **state)
{
    struct room *room = sfu_open_room(11);
    struct sq_peer *pub;
    unsigned active;
    (void)state;
    sfu_publish_layers(room, 3);
    for (size_t i = 0; i < 3; i++) {
        sfu_watch(room, i);
    }
    room->sub_member[1].layer = 0;
    room->sub_member[2].layer = 1;
    run_for(room->net, 4 * SEC);
    pub = simnode_peer(room->pub);
    struct sq_track *track = sq_peer_track(pub, VIDEO);
    assert_int_equal(sq_track_layers(track, &active), 3);
    assert_int_equal(active, 3);
    assert_sees(room, 0, 640);
    assert_sees(room, 1, 320);
    assert_sees(room, 2, 480);
    assert_encodings(track, simnet_now(room->net), 640);
    /* 152 kbit/s of the lowest fit, and not the least of the next one */
    sq_track_allocate(track, 300000, simnet_now(room->net));
    (void)sq_track_layers(track, &active);
    assert_int_equal(active, 1);
    run_for(room->net, 4 * SEC);
    for (size_t i = 0; i < 3; i++) {
        assert_sees(room, i, 320);
    }
    assert_encodings(track, simnet_now(room->net), 320);
    sq_track_allocate(track, 700000, simnet_now(room->net)); /* two */
    run_for(room->net, 4 * SEC);
    assert_sees(room, 0, 480);
    sq_track_allocate(track, 10000, simnet_now(room->net)); /* the lowest stays all the same */
    (void)sq_track_layers(track, &active);
    assert_int_equal(active, 1);
    sq_track_allocate(track, UINT64_MAX, simnet_now(room->net));
    run_for(room->net, 4 * SEC);
    assert_sees(room, 0, 640);
    sfu_close_room(room);
}

static uint64_t out_port_padding(const struct room *room, size_t viewer)
{
    return room->out_port[viewer][VIDEO].track->tx->encodings[0].pad_packets;
}

/* Viewers whose estimate had room for the middle layer when they began. On a way that has room for
 * all, padding leads the estimate to the highest. Behind 700 kbit/s the middle one stays: it is
 * padded as far as the way goes, and loses nothing by it. */
static void lead_a_middle_start_higher(uint64_t seed)
{
    struct room *room = sfu_open_room(seed);
    sfu_publish_layers(room, 3);
    run_for(room->net, 2 * SEC);
    for (size_t i = 0; i < 2; i++) {
        sfu_watch(room, i);
        struct sq_peer *peer = simnode_peer(room->out[i]);
        assert_int_equal(sq_peer_restart_estimate(peer, simnet_now(room->net), 580000), 0);
        room->sub_member[i].estimated = true;
    }
    simnode_link(room->out[1])->rate_bps = 700000;
    simnode_link(room->out[1])->queue_bytes = 30000;
    struct sq_lab_port *wide = &room->out_port[0][VIDEO];
    struct sq_lab_port *narrow = &room->out_port[1][VIDEO];
    run_for(room->net, SEC);
    assert_int_equal(wide->from->layer, 1);
    uint64_t led_ns = 0;
    uint64_t narrow_padded = 0;
    for (unsigned second = 0; second < 60; second++) {
        run_for(room->net, SEC);
        led_ns += wide->from->layer == 2 ? 0 : SEC;
        assert_int_equal(narrow->from->layer, 1);
        narrow_padded += narrow->wants_bps > 0;
    }
    assert_true(led_ns < 15 * SEC); /* 8 % a second */
    assert_in_range(narrow_padded, 1, 15);
    for (size_t i = 0; i < 2; i++) {
        struct sq_inbound_stats video = in_stats(room->net, room->viewer[i], VIDEO);
        assert_int_equal(video.frame_width, i == 0 ? 640 : 480);
        assert_int_equal(video.packets_missing, 0);
        assert_int_equal(video.frames_dropped, 0);
        assert_int_equal(video.freeze_count, 0);
        assert_int_equal(in_stats(room->net, room->viewer[i], AUDIO).packets_missing, 0);
        struct sq_outbound_stats out = out_stats(room->net, room->out[i], VIDEO);
        assert_int_equal(out.retransmitted_packets_sent, 0); /* padding is none */
        assert_true(out_port_padding(room, i) > 20);
    }
    assert_int_equal(room->lab.counters.nacks_answered, 0);
    sfu_close_room(room);
}

static void a_middle_start_is_led_higher(void **state)
{
    (void)state;
    for (uint64_t seed = 10; seed < 20; seed++) {
        lead_a_middle_start_higher(seed);
    }
}

/* Without RTX there is no padding: it is tried with the highest layer itself after 8 s, and keeps
 * it. */
static void without_rtx_the_layer_is_tried(void **state)
{
    struct room *room = sfu_open_room(17);
    (void)state;
    sfu_publish_layers(room, 3);
    run_for(room->net, 2 * SEC);
    sfu_watch(room, 0);
    struct sq_peer *peer = simnode_peer(room->out[0]);
    struct sq_lab_port *port = &room->out_port[0][VIDEO];
    port->track->rtx_pt = 0;
    assert_int_equal(sq_peer_restart_estimate(peer, simnet_now(room->net), 580000), 0);
    room->sub_member[0].estimated = true;
    run_for(room->net, 2 * SEC);
    assert_int_equal(port->from->layer, 1);
    assert_sees(room, 0, 480);
    run_for(room->net, 6 * SEC);
    assert_int_equal(port->from->layer, 2);
    assert_sees(room, 0, 640);
    assert_int_equal(out_port_padding(room, 0), 0);
    assert_int_equal(in_stats(room->net, room->viewer[0], VIDEO).freeze_count, 0);
    sfu_close_room(room);
}

/* Each layer is repaired by the RTX stream that names it, and answers the PLI for its SSRC alone.
 */
static void layers_are_repaired_one_by_one(void **state)
{
    struct room *room = sfu_open_room(12);
    (void)state;
    sfu_publish_layers(room, 3);
    sfu_watch(room, 0);
    run_for(room->net, 4 * SEC);
    simnode_link(room->pub)->loss = 0.05;
    run_for(room->net, 30 * SEC);
    simnode_link(room->pub)->loss = 0;
    run_for(room->net, 2 * SEC);
    struct sq_peer *in = simnode_peer(room->in);
    unsigned layers = 0;
    for (size_t i = 0; i < sq_peer_track_count(in); i++) {
        struct sq_track *track = sq_peer_track(in, i);
        struct sq_inbound_stats s;
        sq_track_inbound_stats(track, simnet_now(room->net), &s);
        if (sq_track_kind(track) == SQ_MEDIA_VIDEO) {
            layers++;
            assert_true(s.packets_missing > 15);
            assert_true(s.packets_repaired * 100 > s.packets_missing * 95);
        }
    }
    assert_int_equal(layers, 3);
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    assert_true((double)video.frames_decoded > 0.95 * 25 * 34);
    sfu_close_room(room);
}

/* ---- The dependency descriptor ---- */

/* What viewer 0 is told by it. */
static struct descriptors {
    struct sq_depacket_state *known;
    unsigned packets, bare, unknown, structures, frames, jumps, back;
    uint16_t width, number;
} told;

static void read_descriptor(void *ctx, struct sq_track *track, const struct sq_rtp_packet *packet,
                            const struct sq_rtp_exts *exts, uint64_t now_ns)
{
    struct sq_dd dd;
    (void)ctx;
    (void)now_ns;
    if (sq_track_kind(track) != SQ_MEDIA_VIDEO || packet->payload_bytes == 0) {
        return;
    }
    told.packets++;
    if (!sq_rtp_has(exts, SQ_RTP_EXT_DEPENDENCY)) {
        told.bare++;
    } else if (sq_dd_parse((const uint8_t *)exts->dependency.at, exts->dependency.len, &told.known,
                           &dd) != 0) {
        told.unknown++;
    } else {
        int16_t step = (int16_t)(dd.frame_number - told.number);
        bool first = told.frames == 0;
        told.structures += dd.structure;
        told.frames += first || step > 0;
        told.jumps += !first && step > 1;
        told.back += !first && step < 0;
        told.number = first || step > 0 ? dd.frame_number : told.number;
        told.width = dd.width;
    }
}

static struct room *with_descriptors(uint64_t seed, const struct sq_peer_config *publisher)
{
    static const struct sq_peer_ops reads = {.rtp = read_descriptor};
    struct room *room = sfu_open_room(seed);
    sq_depacket_state_free(told.known);
    told = (struct descriptors){0};
    sfu_publish_with(room, publisher);
    run_for(room->net, 5 * SEC + 300 * MS);
    sfu_watch_with(room, 0, &reads);
    return room;
}

/* AV1 in three streams: who is moved from one to another gets one row of frame numbers, and with
 * each key frame the templates of what follows; what is sent again has its descriptor, too. */
static void descriptors_go_on_over_layers(void **state)
{
    static const struct sq_peer_config av1 = {
        .simulcast = 3, .video = {.order = {SQ_CODEC_AV1}, .n = 1}, .bwe = {.mode = SQ_BWE_OFF}};
    static const uint16_t widths[] = {320, 480, 640};
    static const uint8_t turns[] = {2, 0, 1, 2, 1, 0};
    (void)state;
    struct room *room = with_descriptors(14, &av1);
    for (size_t i = 0; i < sizeof(turns); i++) {
        room->sub_member[0].layer = turns[i];
        run_for(room->net, 3 * SEC);
        assert_int_equal(told.width, widths[turns[i]]);
        assert_int_equal(in_stats(room->net, room->viewer[0], VIDEO).frame_width, widths[turns[i]]);
    }
    struct sq_inbound_stats in = in_stats(room->net, room->viewer[0], VIDEO);
    assert_true(in.frames_decoded > 16 * 25);
    assert_int_equal(in.frames_dropped, 0);
    assert_true(told.packets > 500 && told.structures >= sizeof(turns));
    assert_int_equal(told.bare, 0);
    assert_int_equal(told.unknown, 0);
    assert_int_equal(told.jumps, 0);
    assert_int_equal(told.back, 0);
    assert_int_equal(told.frames, in.frames_received);
    simnode_link(room->out[0])->loss = 0.1;
    run_for(room->net, 5 * SEC);
    simnode_link(room->out[0])->loss = 0;
    run_for(room->net, SEC);
    assert_true(in_stats(room->net, room->viewer[0], VIDEO).packets_repaired > 10);
    assert_int_equal(told.bare, 0);
    assert_int_equal(told.unknown, 0);
    sq_depacket_state_free(told.known);
    told.known = NULL;
    sfu_close_room(room);
}

/* Who comes late begins with a key frame, and so with the templates; a viewer of another publisher
 * goes on in its numbers. */
static void late_joiners_know_the_templates(void **state)
{
    static const struct sq_peer_config svc = {
        .video = {.order = {SQ_CODEC_VP9}, .n = 1, .svc = true}, .bwe = {.mode = SQ_BWE_OFF}};
    (void)state;
    struct room *room = with_descriptors(15, &svc);
    run_for(room->net, 4 * SEC);
    assert_true(told.packets > 300 && told.structures >= 2);
    assert_int_equal(told.bare, 0);
    assert_int_equal(told.unknown, 0);
    assert_int_equal(told.jumps, 0);
    simnode_link(room->pub)->cut = true; /* it has gone */
    sq_lab_source_free(room->source[VIDEO]);
    room->in_port[VIDEO].source = NULL;
    sq_lab_source_free(room->source[AUDIO]);
    room->in_port[AUDIO].source = NULL;
    run_for(room->net, SEC);
    sfu_publish_with(room, &svc); /* somebody else */
    for (size_t kind = 0; kind < 2; kind++) {
        sq_lab_attach(&room->out_port[0][kind], room->source[kind]);
        sq_lab_port_ready(&room->out_port[0][kind], simnet_now(room->net));
    }
    unsigned before = told.frames;
    run_for(room->net, 4 * SEC);
    assert_true(told.frames > before + 200); /* three a picture */
    assert_int_equal(told.bare, 0);
    assert_int_equal(told.unknown, 0);
    assert_int_equal(told.jumps, 0);
    assert_int_equal(told.back, 0);
    sq_depacket_state_free(told.known);
    told.known = NULL;
    sfu_close_room(room);
}

/* ---- Narrow ways ---- */

/* A viewer behind 500 kbit/s and a queue of 300 ms from its join on, for 40 s. The lowest layer
 * fits, so that nothing freezes, and nothing is lost by what finds out whether more fits. */
static void watch_narrow(uint64_t seed, bool publisher_too)
{
    struct room *room = sfu_open_room(seed);
    sfu_publish_with(room, &(struct sq_peer_config){.simulcast = 3, .bwe = {.mode = SQ_BWE_GCC}});
    if (publisher_too) {
        simnode_link(room->pub)->rate_bps = 500000;
        simnode_link(room->pub)->queue_bytes = 18750;
    }
    run_for(room->net, 3 * SEC);
    room->narrow_bps = 500000;
    sfu_watch(room, 0);
    run_for(room->net, 40 * SEC);
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    assert_int_equal(video.freeze_count, 0);
    assert_int_equal(video.packets_missing, 0);
    assert_true(video.frames_decoded > 970); /* of 1,000 */
    sfu_close_room(room);
}

static void a_narrow_viewer_freezes_never(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 36; seed++) {
        watch_narrow(seed, false);
    }
}

/* … whose publisher starts and stops the middle layer, since it is near its limit. */
static void nor_that_of_a_narrow_publisher(void **state)
{
    (void)state;
    for (uint64_t seed = 30; seed < 36; seed++) {
        watch_narrow(seed, true);
    }
}

/* A layer that its publisher stops is left for the lowest before its viewer's picture stands. */
static void a_stopped_layer_is_left_at_once(void **state)
{
    (void)state;
    for (uint64_t seed = 40; seed < 45; seed++) {
        struct room *room = sfu_open_room(seed);
        sfu_publish_layers(room, 3);
        sfu_watch(room, 0);
        run_for(room->net, 8 * SEC + (seed - 40) * 90 * MS);
        assert_int_equal(room->out_port[0][VIDEO].from->layer, 2);
        struct sq_track *track = sq_peer_track(simnode_peer(room->pub), VIDEO);
        sq_track_allocate(track, 300000, simnet_now(room->net)); /* the lowest alone */
        run_for(room->net, 3 * SEC);
        struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
        assert_int_equal(room->out_port[0][VIDEO].from->layer, 0);
        assert_true(video.total_freezes_duration_s < 0.35);
        sfu_close_room(room);
    }
}

/* ---- Layers by hand ---- */

struct hand {
    struct room *room;
    struct sq_lab_source *top; /* beside the lowest, which has 25 frames a second */
    unsigned n;                /* of the lowest so far */
    uint16_t seq;              /* of the top */
};

static void hand_in(struct room *room, struct sq_lab_source *to, uint16_t seq, unsigned frame)
{
    /* A descriptor with S, and the front of a frame (RFC 7741, 4.2; RFC 6386, 9.1). */
    uint8_t payload[32] = {0x10, seq % 4 ? 0x01 : 0x00, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0};
    const struct sq_rtp_packet packet = {.payload = payload,
                                         .payload_bytes = sizeof(payload),
                                         .seq = seq,
                                         .ts = 1000 + frame * 3600,
                                         .marker = true,
                                         .pt = 96};
    const struct sq_rtp_exts exts = {0};
    sq_lab_on_rtp(to, &packet, &exts, simnet_now(room->net));
}

/* The next 40 ms, with a frame of the top or without. */
static void hand_on(struct hand *h, bool top)
{
    hand_in(h->room, h->room->source[VIDEO], (uint16_t)h->n, h->n);
    if (top) {
        hand_in(h->room, h->top, h->seq++, h->n);
    }
    h->n++;
    sq_peer_env_flush(simnet_env(h->room->net), simnet_now(h->room->net));
    run_for(h->room->net, 40 * MS);
}

/* A shared screen: its layer has few frames, and is no more stopped between them than any other. */
static void a_slow_layer_is_not_taken_for_stopped(void **state)
{
    (void)state;
    for (unsigned every = 6; every <= 10; every += 2) { /* 4.2, 3.1 and 2.5 frames a second */
        struct room *room = sfu_open_room(50 + every);
        struct hand h = {.room = room};
        sfu_publish(room);
        simnode_link(room->pub)->cut = true; /* never heard */
        sfu_watch(room, 0);
        h.top = sq_lab_source_new(&room->in_port[VIDEO], false);
        assert_non_null(h.top);
        h.top->base = room->source[VIDEO];
        h.top->layer = 2;
        room->source[VIDEO]->above[1] = h.top;
        const struct sq_lab_port *port = &room->out_port[0][VIDEO];
        for (unsigned i = 0; i < 200; i++) { /* 8 s: it is found, and begins with a key frame */
            hand_on(&h, h.n % every == 0);
        }
        for (unsigned i = 0; i < 500; i++) {
            hand_on(&h, h.n % every == 0);
            if (port->from != h.top || port->want) {
                fail_msg("every %u: left after %u frames", every, i);
            }
        }
        unsigned frames = 0;
        for (; port->from == h.top && frames < 100; frames++) {
            hand_on(&h, false);
        }
        assert_ptr_equal(port->from, room->source[VIDEO]);
        assert_true(frames <= 31); /* a second at most, and the next key frame of the lowest */
        sfu_close_room(room);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_viewer_gets_a_layer),
        cmocka_unit_test(a_narrow_viewer_freezes_never),
        cmocka_unit_test(nor_that_of_a_narrow_publisher),
        cmocka_unit_test(a_stopped_layer_is_left_at_once),
        cmocka_unit_test(a_slow_layer_is_not_taken_for_stopped),
        cmocka_unit_test(a_middle_start_is_led_higher),
        cmocka_unit_test(without_rtx_the_layer_is_tried),
        cmocka_unit_test(layers_are_repaired_one_by_one),
        cmocka_unit_test(descriptors_go_on_over_layers),
        cmocka_unit_test(late_joiners_know_the_templates),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
