/* Forward error correction through whole peers: a puppet sends video with parity to a peer, which
 * gets the packets in the clear, as they come out of SRTP. */
#include "base/mem.h"
#include "peer/fec_make.h"
#include "peer/peer_int.h"
#include "peer/rtp/rtp.h"
#include "sim/simcall.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

enum how { RED, FLEXFEC };

#define MEDIA_SSRC 0x01020304U
#define FEC_SSRC   0x0a0b0c0dU
#define FRAMES     100
#define PER_FRAME  3

struct puppet {
    struct pair p;
    enum how how;
    struct sq_track *track; /* that receives */
    uint8_t vp8, red, ulpfec, flexfec, abs_send_time, transport_cc, timing;
    uint16_t seq, fec_seq;
    uint64_t parity; /* sent */
    uint64_t dropped;
};

static uint8_t pt_of(const struct sq_track *track, enum sq_jsep_codec_id id)
{
    for (size_t i = 0; i < track->jsep->n_codecs; i++) {
        if (track->jsep->codecs[i].id == id) {
            return track->jsep->codecs[i].recv_pt;
        }
    }
    return 0;
}

static struct puppet start(enum how how, const struct sq_peer_config *config)
{
    struct puppet s = {.p = make_puppets(60 + how, config), .how = how, .seq = 65400, .fec_seq = 9};
    s.track = sq_peer_track(simnode_peer(s.p.a), 0);
    s.vp8 = pt_of(s.track, SQ_JSEP_VP8);
    s.red = pt_of(s.track, SQ_JSEP_VIDEO_RED);
    s.ulpfec = pt_of(s.track, SQ_JSEP_ULPFEC);
    s.flexfec = pt_of(s.track, SQ_JSEP_FLEXFEC);
    s.abs_send_time = s.track->jsep->ext.abs_send_time;
    s.transport_cc = s.track->jsep->ext.transport_cc;
    s.timing = s.track->jsep->ext.video_timing;
    return s;
}

static void give(struct puppet *s, uint8_t *bytes, size_t len)
{
    uint8_t copy[1500];
    memcpy(copy, bytes, len);
    sq_peer_on_rtp(simnode_peer(s->p.a), simnet_now(s->p.net), copy, len);
}

/* A packet as it is protected, that is with zeros in what is written on the way out. The first of a
 * frame has a longer header. */
static size_t make_media(struct puppet *s, unsigned frame, unsigned part, uint8_t *out)
{
    static const uint8_t zeros[16];
    uint8_t timing[13] = {1, 2, 3, 4, 5, 6, 7};
    const struct sq_rtp_ext_item items[] = {{s->abs_send_time, 3, zeros},
                                            {s->transport_cc, 2, zeros},
                                            {part == 0 ? s->timing : 0, 13, timing}};
    struct sq_wire w = sq_wire_writer(out, 1400);
    sq_rtp_put_header(&w,
                      &(struct sq_rtp_header){.pt = s->vp8,
                                              .marker = part == PER_FRAME - 1,
                                              .seq = s->seq++,
                                              .ts = frame * 3600,
                                              .ssrc = MEDIA_SSRC},
                      items, 3);
    size_t at = w.pos;
    /* RFC 7741: X, S; I with 15 bits; a key frame of 320x180 first, others refer to it */
    out[at++] = (uint8_t)(0x80 | (part == 0 ? 0x10 : 0));
    out[at++] = 0x80;
    sq_store_u16(out + at, (uint16_t)(0x8000 | frame));
    at += 2;
    if (part == 0) {
        const uint8_t key[] = {0x10, 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00};
        memcpy(out + at, frame == 0 ? key : (const uint8_t *)"\x11\0\0\0\0\0\0\0\0\0", 10);
        at += 10;
    }
    size_t body = 60 + (frame * 37 + part * 191) % 900;
    for (size_t i = 0; i < body; i++) {
        out[at++] = (uint8_t)(frame + 7 * part + 13 * i);
    }
    return at;
}

/* What the sender's pacer writes; and RED where that is agreed. */
static size_t leave(struct puppet *s, const uint8_t *media, size_t len, uint8_t *out)
{
    struct sq_rtp_packet packet;
    assert_int_equal(sq_rtp_parse(media, len, &packet), 0);
    size_t header = packet.header_bytes;
    memcpy(out, media, header);
    memset(out + 12 + 4 + 1, 0x5a, 3);          /* abs-send-time */
    sq_store_u16(out + 12 + 4 + 5, packet.seq); /* transport-cc */
    if (packet.ext_bytes > 12) {
        memset(out + 12 + 4 + 8 + 7, 0xa5, 6); /* video-timing, from the pacer's time on */
    }
    size_t at = header;
    if (s->how == RED) {
        out[1] = (uint8_t)((out[1] & 0x80) | s->red);
        out[at++] = s->vp8;
    }
    memcpy(out + at, media + header, len - header);
    return at + len - header;
}

static void give_parity(struct puppet *s, const struct fec_in *in, size_t n, uint32_t ts)
{
    uint8_t out[1500];
    struct sq_wire w = sq_wire_writer(out, sizeof(out));
    bool red = s->how == RED;
    sq_rtp_put_header(&w,
                      &(struct sq_rtp_header){.pt = red ? s->red : s->flexfec,
                                              .seq = red ? s->seq++ : s->fec_seq++,
                                              .ts = ts,
                                              .ssrc = red ? MEDIA_SSRC : FEC_SSRC},
                      NULL, 0);
    size_t at = w.pos;
    if (red) {
        out[at++] = s->ulpfec;
    }
    at += red ? fec_make_ulpfec(in, n, out + at) : fec_make_flexfec(in, n, out + at);
    give(s, out, at);
    s->parity++;
}

/* Frames of three packets with one of parity, at 25 a second. Of every other frame one packet is
 * lost, first, middle or last; the first two frames are whole. */
static void send_frames(struct puppet *s, unsigned from, unsigned to)
{
    for (unsigned frame = from; frame < to; frame++) {
        uint8_t media[PER_FRAME][1500];
        struct fec_in in[PER_FRAME];
        for (unsigned part = 0; part < PER_FRAME; part++) {
            in[part] = (struct fec_in){media[part], make_media(s, frame, part, media[part])};
            if (frame >= 2 && frame % 2 == 0 && part == frame / 2 % PER_FRAME) {
                s->dropped++;
                continue;
            }
            uint8_t out[1500];
            give(s, out, leave(s, media[part], in[part].len, out));
        }
        give_parity(s, in, PER_FRAME, frame * 3600);
        run_for(s->p.net, 40 * MS);
    }
}

static void assert_all_recovered(struct puppet *s)
{
    struct sq_inbound_stats in = in_stats(s->p.net, s->p.a, 0);
    uint64_t media = FRAMES * PER_FRAME;
    assert_int_equal(s->dropped, (FRAMES - 2) / 2);
    assert_int_equal(in.packets_recovered, s->dropped);
    assert_int_equal(in.packets_repaired, s->dropped);
    assert_int_equal(in.packets_missing, s->dropped);
    assert_int_equal(in.packets_lost, s->dropped); /* RFC 3550 */
    assert_int_equal(in.retransmitted_packets_received, 0);
    assert_int_equal(in.fec_packets_received, FRAMES);
    assert_true(in.fec_bytes_received > FRAMES * 80);
    assert_int_equal(in.fec_packets_discarded, FRAMES - s->dropped);
    assert_int_equal(in.fec_ssrc, s->how == FLEXFEC ? FEC_SSRC : 0);
    /* Parity within RED has numbers of the stream. */
    assert_int_equal(in.packets_received, media - s->dropped + (s->how == RED ? FRAMES : 0));
    assert_int_equal(in.ssrc, MEDIA_SSRC);
    assert_int_equal(in.frames_decoded, FRAMES);
    assert_int_equal(in.key_frames_decoded, 1);
    assert_int_equal(in.frames_dropped, 0);
    assert_int_equal(in.freeze_count, 0);
    assert_int_equal(in.pli_count, 0);
    assert_int_equal(in.frame_width, 320);
    assert_int_equal(in.frame_height, 180);
}

static void red_with_ulpfec(void **state)
{
    struct puppet s = start(RED, NULL);
    assert_true(s.red && s.ulpfec && s.abs_send_time && s.transport_cc && s.timing);
    send_frames(&s, 0, FRAMES);
    assert_all_recovered(&s);
    simnet_free(s.p.net);
}

static void flexfec_on_its_own_stream(void **state)
{
    struct puppet s = start(FLEXFEC, NULL);
    assert_true(s.flexfec);
    send_frames(&s, 0, FRAMES);
    assert_all_recovered(&s);
    simnet_free(s.p.net);
}

/* Without memory for the store media goes on, and nothing comes back. */
static void without_memory(void **state)
{
    struct puppet s = start(RED, NULL);
    uint8_t media[PER_FRAME][1500];
    uint8_t out[1500];
    struct fec_in in[PER_FRAME];
    for (unsigned part = 0; part < PER_FRAME; part++) {
        in[part] = (struct fec_in){media[part], make_media(&s, 0, part, media[part])};
        give(&s, out, leave(&s, media[part], in[part].len, out));
    }
    sq_mem_fail_at(1);
    give_parity(&s, in, PER_FRAME, 0);
    assert_int_equal(sq_mem_count(), 1);
    sq_mem_fail_at(0);
    struct sq_inbound_stats before = in_stats(s.p.net, s.p.a, 0);
    assert_int_equal(before.fec_packets_received, 1);
    assert_int_equal(before.fec_packets_discarded, 1);
    assert_int_equal(before.frames_decoded, 1);
    send_frames(&s, 1, FRAMES); /* the next parity makes it */
    struct sq_inbound_stats after = in_stats(s.p.net, s.p.a, 0);
    assert_int_equal(after.packets_recovered, s.dropped);
    assert_int_equal(after.frames_decoded, FRAMES);
    simnet_free(s.p.net);
}

/* Where FEC is refused, none of it is negotiated. */
static void not_wanted(void **state)
{
    const struct sq_peer_config no = {.video = {.no_fec = true}};
    struct puppet s = start(RED, &no);
    assert_true(s.vp8 != 0);
    assert_int_equal(s.red | s.ulpfec | s.flexfec, 0);
    simnet_free(s.p.net);
    const struct sq_peer_config forwarder = {.forward_only = true};
    s = start(RED, &forwarder);
    assert_true(s.vp8 != 0);
    assert_int_equal(s.red | s.ulpfec | s.flexfec, 0);
    simnet_free(s.p.net);
}

/* RED with nonsense in it is padding, and does no harm. */
static void nonsense_in_red(void **state)
{
    struct puppet s = start(RED, NULL);
    send_frames(&s, 0, 10);
    uint8_t out[64];
    for (unsigned i = 0; i < 200; i++) {
        struct sq_wire w = sq_wire_writer(out, sizeof(out));
        sq_rtp_put_header(
            &w,
            &(struct sq_rtp_header){
                .pt = i % 3 ? s.red : s.ulpfec, .seq = s.seq++, .ts = 36000, .ssrc = MEDIA_SSRC},
            NULL, 0);
        size_t len = 12 + i % 40;
        for (size_t k = 12; k < len; k++) {
            out[k] = (uint8_t)(i * 31 + k * 7);
        }
        if (i % 5 == 0) {
            out[12] = s.ulpfec;
        }
        give(&s, out, len);
        run_for(s.p.net, MS);
    }
    struct sq_inbound_stats before = in_stats(s.p.net, s.p.a, 0);
    assert_int_equal(before.packets_received, 10 * PER_FRAME + 10 - s.dropped + 200);
    simnet_free(s.p.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(red_with_ulpfec), cmocka_unit_test(flexfec_on_its_own_stream),
        cmocka_unit_test(without_memory),  cmocka_unit_test(not_wanted),
        cmocka_unit_test(nonsense_in_red),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
