/* The lab's forwarding (src/lab/sfu.c) between whole peers. */
#include "peer/peer_int.h"
#include "sim/sfuroom.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static void all_that_is_sent_arrives(void **state)
{
    struct room *room = sfu_open_room(1);
    (void)state;
    sfu_publish(room);
    for (size_t i = 0; i < 3; i++) {
        sfu_watch(room, i);
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
    sfu_close_room(room);
}

static void loss_is_repaired_on_both_sides(void **state)
{
    struct room *room = sfu_open_room(2);
    (void)state;
    sfu_publish(room);
    sfu_watch(room, 0);
    sfu_watch(room, 1);
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
    sfu_close_room(room);
}

static void a_viewers_pli_goes_to_the_publisher(void **state)
{
    struct room *room = sfu_open_room(3);
    (void)state;
    sfu_publish(room);
    sfu_watch(room, 0);
    run_for(room->net, 3 * SEC);
    uint64_t plis = out_stats(room->net, room->pub, VIDEO).pli_count;
    uint64_t keys = in_stats(room->net, room->viewer[0], VIDEO).key_frames_decoded;
    sq_track_request_key_frame(sq_peer_track(simnode_peer(room->viewer[0]), VIDEO),
                               simnet_now(room->net));
    run_for(room->net, 200 * MS);
    assert_int_equal(out_stats(room->net, room->pub, VIDEO).pli_count, plis + 1);
    assert_int_equal(in_stats(room->net, room->viewer[0], VIDEO).key_frames_decoded, keys + 1);
    sfu_close_room(room);
}

static void a_lost_pli_is_sent_again(void **state)
{
    struct room *room = sfu_open_room(4);
    (void)state;
    sfu_publish(room);
    run_for(room->net, 2 * SEC);
    simnode_link(room->in)->cut = true; /* nothing of the lab's reaches the publisher */
    sfu_watch(room, 0);
    run_for(room->net, 300 * MS);
    assert_int_equal(in_stats(room->net, room->viewer[0], VIDEO).packets_received, 0);
    simnode_link(room->in)->cut = false;
    run_for(room->net, 500 * MS);
    assert_true(in_stats(room->net, room->viewer[0], VIDEO).frames_decoded > 3);
    sfu_close_room(room);
}

static void viewers_keep_their_numbers_when_the_source_changes(void **state)
{
    struct room *room = sfu_open_room(5);
    (void)state;
    sfu_publish(room);
    sfu_watch(room, 0);
    run_for(room->net, 3 * SEC);
    simnode_link(room->pub)->cut = true; /* it has gone */
    for (size_t kind = 0; kind < 2; kind++) {
        sq_lab_source_free(room->source[kind]);
        room->in_port[kind].source = NULL;
        assert_null(room->out_port[0][kind].from);
    }
    run_for(room->net, SEC);
    uint64_t frames = in_stats(room->net, room->viewer[0], VIDEO).frames_decoded;
    sfu_publish(room); /* somebody else */
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
    sfu_close_room(room);
}

/* The publisher takes another SSRC: viewers see their one stream go on, and no number twice. */
static void viewers_keep_their_numbers_when_the_ssrc_changes(void **state)
{
    struct room *room = sfu_open_room(14);
    (void)state;
    sfu_publish(room);
    sfu_watch(room, 0);
    run_for(room->net, 3 * SEC);
    for (int i = 0; i < 4; i++) {
        uint64_t frames = in_stats(room->net, room->viewer[0], VIDEO).frames_decoded;
        uint64_t sound = in_stats(room->net, room->viewer[0], AUDIO).packets_received;
        change_ssrc(sq_peer_track(simnode_peer(room->pub), VIDEO));
        change_ssrc(sq_peer_track(simnode_peer(room->pub), AUDIO));
        run_for(room->net, 3 * SEC);
        struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
        struct sq_inbound_stats audio = in_stats(room->net, room->viewer[0], AUDIO);
        assert_true(video.frames_decoded > frames + 60);
        assert_true(audio.packets_received > sound + 140);
        assert_int_equal(video.packets_missing, 0);
        assert_int_equal(audio.packets_missing, 0);
        assert_int_equal(video.packets_duplicated + audio.packets_duplicated, 0);
        assert_true(audio.jitter_s < 0.005); /* time-stamps went on as time did */
    }
    assert_int_equal(simnode_peer(room->viewer[0])->transport.replayed, 0);
    sfu_close_room(room);
}

/* ---- Packets made by hand ---- */

static void hand_to(struct room *room, size_t kind, const struct sq_rtp_packet *packet)
{
    const struct sq_rtp_exts exts = {0};
    sq_lab_on_rtp(room->source[kind], packet, &exts, simnet_now(room->net));
    sq_peer_env_flush(simnet_env(room->net), simnet_now(room->net));
    run_for(room->net, 15 * MS); /* it has arrived */
}

static void hand(struct room *room, const struct sq_rtp_packet *packet)
{
    hand_to(room, VIDEO, packet);
}

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
    hand(room, &packet);
}

/* The same of VP9: a frame in one packet (RFC 9628, section 4.2: B and E; P). */
static void hand_in_vp9(struct room *room, uint16_t seq, uint32_t ts, bool key)
{
    uint8_t payload[20] = {(uint8_t)(key ? 0x0c : 0x4c), 0x82, 0x49, 0x83, 0x42};
    const struct sq_rtp_packet packet = {.payload = payload,
                                         .payload_bytes = sizeof(payload),
                                         .seq = seq,
                                         .ts = ts,
                                         .marker = true,
                                         .pt = 98};
    hand(room, &packet);
}

static struct room *by_hand(uint64_t seed)
{
    struct room *room = sfu_open_room(seed);
    sfu_publish(room);
    simnode_link(room->pub)->cut = true; /* never heard */
    sfu_watch(room, 0);
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
    sfu_close_room(room);
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
    sfu_close_room(room);
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
    sfu_close_room(room);
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
            struct sq_rtp_out out = {0};
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
    struct sq_rtp_out out = {0};
    assert_false(sq_lab_on_resend(port, first + 5000, &out));
    assert_false(sq_lab_on_resend(port, first - 1, &out));
    assert_false(sq_lab_on_resend(&room->out_port[0][AUDIO], first + 1999, &out));
    sfu_close_room(room);
}

struct bursts {
    struct room *room;
    uint64_t at_ns;
    unsigned now, most;
};

static void count_burst(void *ctx, struct simnode *from, const struct sq_dgram *dgram)
{
    struct bursts *b = ctx;
    if (from == b->room->out[0] && sq_packet_kind(dgram->buf, dgram->len) == SQ_PACKET_RTP) {
        uint64_t now_ns = simnet_now(b->room->net);
        b->now = now_ns == b->at_ns ? b->now + 1 : 1;
        b->at_ns = now_ns;
        b->most = b->now > b->most ? b->now : b->most;
    }
}

/* A viewer asks for 400 packets at once, and gets them, though not at once. */
static void a_long_outage_is_repaired(void **state)
{
    struct room *room = by_hand(18);
    (void)state;
    hand_in(room, 100, 0, true, 20);
    simnode_link(room->out[0])->cut = true;
    for (uint16_t n = 1; n <= 400; n++) {
        hand_in(room, (uint16_t)(100 + n), n * 3000U, false, 20);
    }
    simnode_link(room->out[0])->cut = false;
    struct bursts bursts = {.room = room};
    simnet_set_tap(room->net, count_burst, &bursts);
    hand_in(room, 501, 401 * 3000, false, 20);
    run_for(room->net, 500 * MS);
    simnet_set_tap(room->net, NULL, NULL);
    assert_in_range(bursts.most, 60, 64);
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    assert_int_equal(video.packets_missing, 400);
    assert_int_equal(video.packets_repaired, 400);
    assert_int_equal(room->lab.counters.nacks_missed, 0);
    sfu_close_room(room);
}

/* A restart of the numbers without another SSRC, and a step that no loss explains. */
static void numbers_that_begin_anew(void **state)
{
    struct room *room = by_hand(15);
    (void)state;
    const uint16_t firsts[] = {30000, 500, 28000, 12000};
    uint32_t ts = 0;
    for (size_t i = 0; i < 4; i++) {
        for (uint16_t n = 0; n < 3; n++, ts += 3000) {
            hand_in(room, (uint16_t)(firsts[i] + n), ts, n == 0, 20);
        }
    }
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    assert_int_equal(video.packets_received, 12);
    assert_int_equal(video.packets_missing, 0);
    assert_int_equal(video.frames_decoded, 12);
    sfu_close_room(room);
}

/* ---- Another codec ---- */

/* Nobody is sent VP9 as VP8. Who cannot be offered another codec sees nothing until VP8 comes back,
 * and asks for no key frames meanwhile. */
static void a_codec_that_was_not_agreed_on(void **state)
{
    struct room *room = by_hand(16);
    (void)state;
    room->sub_member[0].kind = SQ_LAB_WHEP;
    hand_in(room, 10, 0, true, 20);
    hand_in(room, 11, 3000, false, 20);
    hand_in_vp9(room, 12, 6000, true);
    hand_in_vp9(room, 13, 9000, false);
    hand_in(room, 11, 3000, false, 20); /* late */
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    assert_int_equal(video.packets_received, 2);
    assert_int_equal(room->source[VIDEO]->waiting, 0);
    hand_in(room, 14, 12000, false, 20);
    hand_in(room, 15, 15000, true, 20);
    hand_in(room, 16, 18000, false, 20);
    video = in_stats(room->net, room->viewer[0], VIDEO);
    assert_int_equal(video.packets_received, 4);
    assert_int_equal(video.frames_decoded, 4);
    assert_int_equal(video.packets_missing, 0);
    sfu_close_room(room);
}

/* A viewer of a room is offered it. */
static void a_codec_that_is_offered_then(void **state)
{
    struct room *room = by_hand(17);
    struct sq_lab_member *member = &room->sub_member[0];
    struct sq_lab_port *port = &room->out_port[0][VIDEO];
    (void)state;
    room->lab.loop = room->loop;
    sq_lab_negotiate_init(member);
    hand_in(room, 10, 0, true, 20);
    assert_false(member->dirty);
    hand_in_vp9(room, 11, 3000, true);
    assert_true(member->dirty);
    assert_null(port->from);
    sq_timer_stop(&member->timer);
    /* as take_up() does, and the answer */
    const struct sq_peer_codecs codecs = {.n = 1, .order = {SQ_CODEC_VP9}};
    assert_int_equal(sq_track_set_codecs(port->track, &codecs), 0);
    sq_lab_attach(port, room->source[VIDEO]);
    simnet_negotiate(room->net, room->out[0], room->viewer[0], false);
    sq_lab_port_ready(port, simnet_now(room->net));
    hand_in_vp9(room, 12, 6000, false);
    hand_in_vp9(room, 13, 9000, true);
    hand_in_vp9(room, 14, 12000, false);
    struct sq_inbound_stats video = in_stats(room->net, room->viewer[0], VIDEO);
    assert_int_equal(video.packets_received, 3);
    assert_int_equal(video.packets_missing, 0);
    assert_int_equal(video.codec, SQ_CODEC_VP9);
    sfu_close_room(room);
}

/* Time-stamps go on by the clock of the codec: 8 kHz of G.711. */
static void a_pause_by_the_clock_of_the_codec(void **state)
{
    struct room *room = by_hand(19);
    struct sq_lab_port *port = &room->out_port[0][AUDIO];
    const uint8_t payload[160] = {0};
    struct sq_rtp_packet packet = {.payload = payload, .payload_bytes = sizeof(payload)};
    (void)state;
    const struct sq_peer_codecs codecs = {.n = 1, .order = {SQ_CODEC_PCMU}};
    assert_int_equal(sq_track_set_codecs(port->track, &codecs), 0);
    simnet_negotiate(room->net, room->out[0], room->viewer[0], false);
    hand_to(room, AUDIO, &packet);
    assert_true(port->started);
    uint32_t last = packet.ts + port->ts_offset;
    sq_lab_detach(port);
    run_for(room->net, SEC - 15 * MS);
    sq_lab_attach(port, room->source[AUDIO]);
    sq_lab_port_ready(port, simnet_now(room->net));
    packet.seq++;
    packet.ts += 8000;
    hand_to(room, AUDIO, &packet);
    assert_int_equal(packet.ts + port->ts_offset - last, 8 * 1001);
    sfu_close_room(room);
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
    struct room *room = sfu_open_room(13);
    (void)state;
    sfu_publish(room);
    sfu_watch(room, 0);
    sfu_watch(room, 1);
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
    sfu_close_room(room);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(all_that_is_sent_arrives),
        cmocka_unit_test(loss_is_repaired_on_both_sides),
        cmocka_unit_test(a_viewers_pli_goes_to_the_publisher),
        cmocka_unit_test(a_lost_pli_is_sent_again),
        cmocka_unit_test(viewers_keep_their_numbers_when_the_source_changes),
        cmocka_unit_test(viewers_keep_their_numbers_when_the_ssrc_changes),
        cmocka_unit_test(padding_leaves_no_hole),
        cmocka_unit_test(holes_stay_and_are_filled_late),
        cmocka_unit_test(nothing_starts_before_a_key_frame),
        cmocka_unit_test(only_what_is_still_there_is_given_again),
        cmocka_unit_test(a_long_outage_is_repaired),
        cmocka_unit_test(numbers_that_begin_anew),
        cmocka_unit_test(a_codec_that_was_not_agreed_on),
        cmocka_unit_test(a_codec_that_is_offered_then),
        cmocka_unit_test(a_pause_by_the_clock_of_the_codec),
        cmocka_unit_test(keys_go_to_who_takes_them),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
