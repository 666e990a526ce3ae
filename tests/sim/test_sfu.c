/* The lab's forwarding (src/lab/sfu.c) between whole peers over a simulated network: a publisher,
 * the lab's side of it, the lab's side of each viewer, and the viewers. */
#include "lab/lab_int.h"
#include "media/depacket.h"
#include "peer/peer_int.h"
#include "sim/simcall.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define VIEWERS_MAX 4
#define AUDIO       0
#define VIDEO       1

struct room {
    struct simnet *net;
    struct sq_loop *loop;
    struct sq_lab lab;
    struct sq_lab_member pub_member, sub_member[VIEWERS_MAX];
    struct simnode *pub, *in; /* the publisher and the lab's side of it */
    struct simnode *out[VIEWERS_MAX], *viewer[VIEWERS_MAX];
    struct sq_lab_port in_port[2], out_port[VIEWERS_MAX][2];
    struct sq_lab_source *source[2];
};

static void on_rtp(void *ctx, struct sq_track *track, const struct sq_rtp_packet *packet,
                   const struct sq_rtp_exts *exts, uint64_t now_ns)
{
    struct sq_lab_port *port = sq_track_user(sq_track_main(track));
    struct sq_lab_source *source = port && port->source ? sq_lab_layer(port->source, track) : NULL;
    (void)ctx;
    if (source) {
        sq_lab_on_rtp(source, packet, exts, now_ns);
    }
}

static bool on_resend(void *ctx, struct sq_track *track, uint32_t cookie,
                      struct sq_rtp_out *ret_out)
{
    struct sq_lab_port *port = sq_track_user(track);
    (void)ctx;
    return port && sq_lab_on_resend(port, cookie, ret_out);
}

static void on_event(void *ctx, struct simnode *node, const struct sq_peer_event *event)
{
    struct sq_lab_port *port = event->track ? sq_track_user(sq_track_main(event->track)) : NULL;
    (void)ctx;
    (void)node;
    if (port && event->type == SQ_PEER_EV_FIRST_MEDIA && port->source) {
        port->source->live = true;
    } else if (port && event->type == SQ_PEER_EV_KEY_FRAME_REQUEST && port->from) {
        sq_lab_want_key(port->from, event->now_ns);
    }
}

static const struct sq_peer_ops lab_ops = {.rtp = on_rtp, .resend = on_resend};
static const struct sq_peer_config lab_config = {.forward_only = true, .dependency = true};

static struct room *open_room(uint64_t seed)
{
    static struct room room;
    struct sq_addr local;
    memset(&room, 0, sizeof(room));
    room.net = simnet_new(seed, 2 + 2 * VIEWERS_MAX);
    assert_int_equal(sq_loop_new(NULL, &room.loop), 0);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &local), 0);
    const struct sq_carrier_config carrier = {.seed = seed, .addrs = &local, .addrs_len = 1};
    assert_int_equal(sq_carrier_create(room.loop, &carrier, &room.lab.carrier), 0);
    room.pub_member.lab = &room.lab;
    return &room;
}

static void close_room(struct room *room)
{
    for (size_t i = 0; i < 2; i++) {
        sq_lab_source_free(room->source[i]);
    }
    simnet_free(room->net);
    sq_carrier_destroy(room->lab.carrier);
    sq_loop_free(room->loop);
}

static void set_delay(struct simnode *node, uint64_t delay_ns)
{
    simnode_link(node)->delay_ns = delay_ns;
}

static void make_port(struct sq_lab_port *port, struct sq_lab_member *member, struct simnode *node,
                      size_t kind, enum sq_direction direction)
{
    *port = (struct sq_lab_port){.member = member, .video = kind == VIDEO};
    assert_int_equal(sq_peer_add_track(simnode_peer(node),
                                       kind == VIDEO ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO, direction,
                                       NULL, &port->track),
                     0);
    sq_track_set_user(port->track, port);
}

/* Without a publisher's node packets are handed to the sources by the test. */
static void publish_with(struct room *room, const struct sq_peer_config *config)
{
    room->in = simnet_try_add(room->net, &lab_config, &lab_ops, on_event, room);
    room->pub = simnet_add(room->net, config, false, NULL, NULL);
    assert_non_null(room->in);
    for (size_t kind = 0; kind < 2; kind++) {
        make_port(&room->in_port[kind], &room->pub_member, room->in, kind, SQ_DIR_RECVONLY);
        room->source[kind] = room->in_port[kind].source =
            sq_lab_source_new(&room->in_port[kind], false);
        assert_non_null(room->source[kind]);
        sq_track_receive_simulcast(room->in_port[kind].track, config->simulcast > 1);
        add(room->pub, kind == VIDEO ? SQ_MEDIA_VIDEO : SQ_MEDIA_AUDIO, SQ_DIR_SENDONLY);
    }
    set_delay(room->in, 10 * MS);
    set_delay(room->pub, 10 * MS);
    simnet_negotiate(room->net, room->in, room->pub, false);
}

static void publish_layers(struct room *room, unsigned layers)
{
    publish_with(room, &(struct sq_peer_config){.simulcast = layers});
}

static void publish(struct room *room)
{
    publish_layers(room, 0);
}

static void watch_with(struct room *room, size_t i, const struct sq_peer_ops *ops)
{
    room->sub_member[i].lab = &room->lab;
    room->sub_member[i].layer = -1;
    room->out[i] = simnet_try_add(room->net, &lab_config, &lab_ops, on_event, room);
    room->viewer[i] = simnet_try_add(room->net, &(struct sq_peer_config){0}, ops, NULL, NULL);
    assert_non_null(room->out[i]);
    assert_non_null(room->viewer[i]);
    room->sub_member[i].peer = simnode_peer(room->out[i]);
    for (size_t kind = 0; kind < 2; kind++) {
        make_port(&room->out_port[i][kind], &room->sub_member[i], room->out[i], kind,
                  SQ_DIR_SENDONLY);
        if (kind == VIDEO && room->source[kind]->codec != SQ_CODEC_NONE) { /* as take_up() does */
            const struct sq_peer_codecs codecs = {.n = 1, .order = {room->source[kind]->codec}};
            assert_int_equal(sq_track_set_codecs(room->out_port[i][kind].track, &codecs), 0);
        }
        sq_lab_attach(&room->out_port[i][kind], room->source[kind]);
    }
    set_delay(room->out[i], 10 * MS);
    set_delay(room->viewer[i], 10 * MS);
    simnet_negotiate(room->net, room->out[i], room->viewer[i], false);
    for (int ms = 0; simnode_state(room->out[i]) != SQ_PEER_CONNECTED; ms++) {
        assert_true(ms < 5000);
        run_for(room->net, MS);
    }
    for (size_t kind = 0; kind < 2; kind++) {
        sq_lab_port_ready(&room->out_port[i][kind], simnet_now(room->net));
    }
}

static void watch(struct room *room, size_t i)
{
    static const struct sq_peer_ops none = {0};
    watch_with(room, i, &none);
}

static void all_that_is_sent_arrives(void **state)
{
    struct room *room = open_room(1);
    (void)state;
    publish(room);
    for (size_t i = 0; i < 3; i++) {
        watch(room, i);
    }
    run_for(room->net, 10 * SEC);
    for (size_t i = 0; i < 3; i++) {
        struct sq_inbound_stats video = in_stats(room->net, room->viewer[i], VIDEO);
        struct sq_inbound_stats audio = in_stats(room->net, room->viewer[i], AUDIO);
        assert_true(video.frames_decoded > 24 * 10);
        assert_true(audio.packets_received > 49 * 10);
        assert_int_equal(video.packets_missing, 0);
        assert_int_equal(audio.packets_missing, 0);
        assert_int_equal(video.frames_dropped, 0);
        assert_int_equal(video.freeze_count, 0);
        assert_true(video.jitter_s < 0.005); /* time-stamps are spaced as they were */
        assert_true(audio.jitter_s < 0.002);
    }
    /* A key frame for each who came unless one came by itself just then, and none else. */
    struct sq_outbound_stats out = out_stats(room->net, room->pub, VIDEO);
    assert_in_range(out.pli_count, 1, 3);
    close_room(room);
}

static void loss_is_repaired_on_both_sides(void **state)
{
    struct room *room = open_room(2);
    (void)state;
    publish(room);
    watch(room, 0);
    watch(room, 1);
    run_for(room->net, SEC);
    simnode_link(room->pub)->loss = 0.05;
    simnode_link(room->out[0])->loss = 0.05; /* viewer 1 has a good link */
    run_for(room->net, 30 * SEC);
    simnode_link(room->pub)->loss = 0;
    simnode_link(room->out[0])->loss = 0;
    run_for(room->net, 2 * SEC);
    struct sq_inbound_stats in = in_stats(room->net, room->in, VIDEO);
    struct sq_inbound_stats bad = in_stats(room->net, room->viewer[0], VIDEO);
    struct sq_inbound_stats good = in_stats(room->net, room->viewer[1], VIDEO);
    assert_true(in.packets_repaired > 100);
    assert_true(bad.packets_repaired > good.packets_repaired + 100);
    /* What the lab got, the one with the good link got, too; and the frames are whole. */
    assert_true(good.packets_lost <= in.packets_lost + 1);
    assert_true((double)good.frames_decoded > 0.97 * 25 * 33);
    assert_true((double)bad.frames_decoded > 0.95 * 25 * 33);
    assert_true(bad.packets_lost - (int64_t)bad.packets_repaired < 12);
    assert_true(room->lab.counters.nacks_answered > 100);
    assert_true((double)room->lab.counters.nacks_missed <
                0.1 * (double)room->lab.counters.nacks_answered);
    close_room(room);
}

static void a_viewers_pli_goes_to_the_publisher(void **state)
{
    struct room *room = open_room(3);
    (void)state;
    publish(room);
    watch(room, 0);
    run_for(room->net, 3 * SEC);
    uint64_t plis = out_stats(room->net, room->pub, VIDEO).pli_count;
    uint64_t keys = in_stats(room->net, room->viewer[0], VIDEO).key_frames_decoded;
    sq_track_request_key_frame(sq_peer_track(simnode_peer(room->viewer[0]), VIDEO),
                               simnet_now(room->net));
    run_for(room->net, 200 * MS);
    assert_int_equal(out_stats(room->net, room->pub, VIDEO).pli_count, plis + 1);
    assert_int_equal(in_stats(room->net, room->viewer[0], VIDEO).key_frames_decoded, keys + 1);
    close_room(room);
}

static void a_lost_pli_is_sent_again(void **state)
{
    struct room *room = open_room(4);
    (void)state;
    publish(room);
    run_for(room->net, 2 * SEC);
    simnode_link(room->in)->cut = true; /* nothing of the lab's reaches the publisher */
    watch(room, 0);
    run_for(room->net, 300 * MS);
    assert_int_equal(in_stats(room->net, room->viewer[0], VIDEO).packets_received, 0);
    simnode_link(room->in)->cut = false;
    run_for(room->net, 500 * MS);
    assert_true(in_stats(room->net, room->viewer[0], VIDEO).frames_decoded > 3);
    close_room(room);
}

static void viewers_keep_their_numbers_when_the_source_changes(void **state)
{
    struct room *room = open_room(5);
    (void)state;
    publish(room);
    watch(room, 0);
    run_for(room->net, 3 * SEC);
    for (size_t kind = 0; kind < 2; kind++) {
        sq_lab_source_free(room->source[kind]);
        room->in_port[kind].source = NULL;
        assert_null(room->out_port[0][kind].from);
    }
    run_for(room->net, SEC);
    uint64_t frames = in_stats(room->net, room->viewer[0], VIDEO).frames_decoded;
    publish(room); /* somebody else */
    for (size_t kind = 0; kind < 2; kind++) {
        sq_lab_attach(&room->out_port[0][kind], room->source[kind]);
        sq_lab_port_ready(&room->out_port[0][kind], simnet_now(room->net));
    }
    run_for(room->net, 300 * MS);
    assert_true(in_stats(room->net, room->viewer[0], AUDIO).jitter_s < 0.005);
    run_for(room->net, 3 * SEC);
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    struct sq_inbound_stats audio = in_stats(room->net, room->viewer[0], AUDIO);
    assert_true(video.frames_decoded > frames + 60);
    assert_int_equal(video.packets_missing, 0);
    assert_int_equal(audio.packets_missing, 0);
    assert_true(video.jitter_s < 0.005); /* time-stamps went on as time did */
    assert_true(audio.jitter_s < 0.005);
    close_room(room);
}

/* ---- Packets made by hand ---- */

static void hand_in(struct room *room, uint16_t seq, uint32_t ts, bool key, size_t len)
{
    /* A descriptor with S, and the front of a frame (RFC 7741, 4.2; RFC 6386, 9.1). */
    uint8_t payload[32] = {0x10, key ? 0x00 : 0x01, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0};
    const struct sq_rtp_packet packet = {.payload = payload,
                                         .payload_bytes = (uint16_t)len,
                                         .seq = seq,
                                         .ts = ts,
                                         .marker = true,
                                         .pt = 96};
    const struct sq_rtp_exts exts = {0};
    sq_lab_on_rtp(room->source[VIDEO], &packet, &exts, simnet_now(room->net));
    sq_peer_env_flush(simnet_env(room->net), simnet_now(room->net));
    run_for(room->net, 15 * MS); /* it has arrived */
}

static struct room *by_hand(uint64_t seed)
{
    struct room *room = open_room(seed);
    publish(room);
    simnode_link(room->pub)->cut = true; /* never heard */
    watch(room, 0);
    return room;
}

static void padding_leaves_no_hole(void **state)
{
    struct room *room = by_hand(6);
    (void)state;
    uint16_t seq = 65530; /* over the end of the numbers */
    uint32_t ts = UINT32_MAX - 4000;
    hand_in(room, seq++, ts, true, 20);
    for (int i = 0; i < 40; i++) {
        hand_in(room, seq++, ts, false, 0);
        if (i % 3 == 0) {
            hand_in(room, seq++, ts += 3000, false, 20);
        }
    }
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    assert_int_equal(video.packets_received, 15);
    assert_int_equal(video.packets_missing, 0);
    assert_int_equal(video.frames_decoded, 15);
    close_room(room);
}

static void holes_stay_and_are_filled_late(void **state)
{
    struct room *room = by_hand(7);
    (void)state;
    hand_in(room, 100, 0, true, 20);
    hand_in(room, 101, 3000, false, 0); /* padding */
    hand_in(room, 102, 3000, false, 20);
    hand_in(room, 104, 9000, false, 20);
    assert_int_equal(in_stats(room->net, room->viewer[0], VIDEO).packets_missing, 1);
    hand_in(room, 105, 9000, false, 0); /* padding again, before the hole is filled */
    hand_in(room, 106, 9000, false, 0);
    hand_in(room, 107, 12000, false, 20);
    hand_in(room, 103, 6000, false, 20);
    run_for(room->net, 100 * MS);
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    /* asked for again meanwhile, it may come first by RTX */
    assert_in_range(video.packets_received - video.retransmitted_packets_received, 5,
                    5 + video.packets_duplicated);
    assert_true(video.packets_lost <= 0);
    assert_int_equal(video.frames_decoded, 5);
    close_room(room);
}

static void nothing_starts_before_a_key_frame(void **state)
{
    struct room *room = by_hand(8);
    (void)state;
    hand_in(room, 10, 0, false, 20);
    hand_in(room, 11, 3000, false, 20);
    assert_int_equal(in_stats(room->net, room->viewer[0], VIDEO).packets_received, 0);
    hand_in(room, 12, 6000, true, 20);
    hand_in(room, 11, 3000, false, 20); /* late, from before the beginning */
    hand_in(room, 13, 9000, false, 20);
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    assert_int_equal(video.packets_received, 2);
    assert_int_equal(video.packets_missing, 0);
    assert_int_equal(video.frames_decoded, 2);
    close_room(room);
}

static void only_what_is_still_there_is_given_again(void **state)
{
    struct room *room = by_hand(9);
    struct sq_lab_port *port = &room->out_port[0][VIDEO];
    struct sq_lab_ring *ring = room->source[VIDEO]->ring;
    uint8_t payload[1200] = {0x10};
    struct sq_rtp_packet packet = {.payload = payload, .payload_bytes = sizeof(payload)};
    const struct sq_rtp_exts exts = {0};
    (void)state;
    uint32_t first = ring->next;
    for (uint32_t i = 0; i < 2000; i++) {
        packet.seq = (uint16_t)i;
        packet.marker = i % 2;
        packet.payload_bytes = (uint16_t)(i < 400 ? 1200 : 60); /* bytes end first, then places */
        memcpy(payload + 10, &i, sizeof(i));
        sq_lab_on_rtp(room->source[VIDEO], &packet, &exts, simnet_now(room->net));
        sq_peer_env_flush(simnet_env(room->net), simnet_now(room->net));
        uint32_t found = 0;
        for (uint32_t back = 0; back <= i && back < 600; back++) {
            struct sq_rtp_out out;
            uint32_t told;
            if (!sq_lab_on_resend(port, first + i - back, &out)) {
                continue;
            }
            memcpy(&told, out.payload + 10, sizeof(told));
            assert_int_equal(told, i - back);
            assert_int_equal(out.marker, (i - back) % 2);
            assert_int_equal(out.payload_len, i - back < 400 ? 1200 : 60);
            found++;
        }
        uint32_t room_for = i < 400 ? 215 : 512;
        assert_true(found >= (i < 215 ? i + 1 : i < 400 || i > 1000 ? room_for : 100));
        assert_true(found <= 512);
    }
    struct sq_rtp_out out;
    assert_false(sq_lab_on_resend(port, first + 5000, &out));
    assert_false(sq_lab_on_resend(port, first - 1, &out));
    assert_false(sq_lab_on_resend(&room->out_port[0][AUDIO], first + 1999, &out));
    close_room(room);
}

/* ---- Simulcast ---- */

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
    struct room *room = open_room(11);
    struct sq_peer *pub;
    unsigned active;
    (void)state;
    publish_layers(room, 3);
    for (size_t i = 0; i < 3; i++) {
        watch(room, i);
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
    close_room(room);
}

static uint64_t out_port_padding(const struct room *room, size_t viewer)
{
    return room->out_port[viewer][VIDEO].track->tx->encodings[0].pad_packets;
}

/* Viewers whose estimate had room for the middle layer when they began. On a way that has room for
 * all, padding leads the estimate to the highest. Behind 700 kbit/s the middle one stays: it is
 * padded as far as the way goes, and loses nothing by it. */
static void a_middle_start_is_led_higher(void **state)
{
    struct room *room = open_room(16);
    (void)state;
    publish_layers(room, 3);
    run_for(room->net, 2 * SEC);
    for (size_t i = 0; i < 2; i++) {
        watch(room, i);
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
    close_room(room);
}

/* Each layer is repaired by the RTX stream that names it, and answers the PLI for its SSRC alone.
 */
static void layers_are_repaired_one_by_one(void **state)
{
    struct room *room = open_room(12);
    (void)state;
    publish_layers(room, 3);
    watch(room, 0);
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
    close_room(room);
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
    struct room *room = open_room(seed);
    sq_depacket_state_free(told.known);
    told = (struct descriptors){0};
    publish_with(room, publisher);
    run_for(room->net, 5 * SEC + 300 * MS);
    watch_with(room, 0, &reads);
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
    close_room(room);
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
    sq_lab_source_free(room->source[VIDEO]);
    room->in_port[VIDEO].source = NULL;
    sq_lab_source_free(room->source[AUDIO]);
    room->in_port[AUDIO].source = NULL;
    run_for(room->net, SEC);
    publish_with(room, &svc); /* somebody else */
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
    close_room(room);
}

/* ---- Telephone events ---- */

/* As if the viewer had agreed on telephone-event with another clock in the place of this one. */
static void change_event_clock(struct sq_track *track, uint32_t clock_hz)
{
    for (size_t i = 0; i < track->jsep->n_codecs; i++) {
        struct sq_jsep_codec *codec = (struct sq_jsep_codec *)&track->jsep->codecs[i];
        if (sq_jsep_codec_is_event(codec) && codec->clock_rate_hz == clock_hz) {
            codec->clock_rate_hz = 16000;
        }
    }
    assert_false(sq_track_takes_events(track, clock_hz));
}

/* Keys go to who agreed on them, and whoever did not hears no hole in their place; what comes late
 * or not at all is counted as ever. */
static void keys_go_to_who_takes_them(void **state)
{
    struct room *room = open_room(13);
    (void)state;
    publish(room);
    watch(room, 0);
    watch(room, 1);
    change_event_clock(room->out_port[1][AUDIO].track, 48000);
    run_for(room->net, SEC);
    struct sq_track *track = sq_peer_track(simnode_peer(room->pub), AUDIO);
    assert_int_equal(sq_track_send_dtmf(track, simnet_now(room->net), "0123456789*#ABC", 100, 100),
                     0);
    run_for(room->net, 5 * SEC);
    struct sq_outbound_stats out = out_stats(room->net, room->pub, AUDIO);
    struct sq_inbound_stats takes = in_stats(room->net, room->viewer[0], AUDIO);
    struct sq_inbound_stats other = in_stats(room->net, room->viewer[1], AUDIO);
    assert_int_equal(takes.dtmf_events, 15);
    assert_string_equal(takes.dtmf_digits, "0123456789*#ABC");
    assert_int_equal(other.dtmf_events, 0);
    assert_int_equal(takes.packets_missing, 0);
    assert_int_equal(other.packets_missing, 0);
    /* A key is told 20 ms after it began, in the place of what was to be heard by then. */
    assert_true(takes.concealed_samples <= 15 * 48 * 20);
    /* Each of 15 is told by 5 updates and its end twice more. */
    assert_true(other.packets_received + 15 * 5 <= takes.packets_received);
    assert_true(takes.packets_received <= out.packets_sent);
    /* The same with numbers that go on over another source. */
    for (size_t i = 0; i < 2; i++) {
        struct sq_lab_port *port = &room->out_port[i][AUDIO];
        sq_lab_detach(port);
        sq_lab_attach(port, room->source[AUDIO]);
        sq_lab_port_ready(port, simnet_now(room->net));
    }
    simnode_link(room->pub)->loss = 0.2;
    assert_int_equal(sq_track_send_dtmf(track, simnet_now(room->net), "147", 300, 100), 0);
    run_for(room->net, 5 * SEC);
    simnode_link(room->pub)->loss = 0;
    run_for(room->net, SEC);
    takes = in_stats(room->net, room->viewer[0], AUDIO);
    other = in_stats(room->net, room->viewer[1], AUDIO);
    assert_int_equal(takes.dtmf_events, 18);
    assert_true(takes.packets_missing > 20);
    assert_int_equal(other.packets_missing, takes.packets_missing);
    /* One that comes behind what is newer is a hole, and no number is given twice. */
    simnode_link(room->pub)->jitter_ns = 50 * MS;
    simnode_link(room->pub)->reorder = true;
    assert_int_equal(sq_track_send_dtmf(track, simnet_now(room->net), "147", 300, 100), 0);
    run_for(room->net, 5 * SEC);
    uint64_t late =
        in_stats(room->net, room->viewer[1], AUDIO).packets_missing - other.packets_missing;
    assert_in_range(late, 1, 3 * (300 / 20 + 2));
    assert_int_equal(in_stats(room->net, room->viewer[1], AUDIO).packets_duplicated, 0);
    close_room(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_viewer_gets_a_layer),
        cmocka_unit_test(layers_are_repaired_one_by_one),
        cmocka_unit_test(a_middle_start_is_led_higher),
        cmocka_unit_test(all_that_is_sent_arrives),
        cmocka_unit_test(loss_is_repaired_on_both_sides),
        cmocka_unit_test(a_viewers_pli_goes_to_the_publisher),
        cmocka_unit_test(a_lost_pli_is_sent_again),
        cmocka_unit_test(viewers_keep_their_numbers_when_the_source_changes),
        cmocka_unit_test(padding_leaves_no_hole),
        cmocka_unit_test(holes_stay_and_are_filled_late),
        cmocka_unit_test(nothing_starts_before_a_key_frame),
        cmocka_unit_test(only_what_is_still_there_is_given_again),
        cmocka_unit_test(keys_go_to_who_takes_them),
        cmocka_unit_test(descriptors_go_on_over_layers),
        cmocka_unit_test(late_joiners_know_the_templates),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
