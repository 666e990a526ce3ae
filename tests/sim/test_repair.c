/* What a peer asks for of what it misses, and of whom it tells: a puppet's packets come to it in
 * the clear, as they come out of SRTP. */
#include "base/mem.h"
#include "peer/peer_int.h"
#include "peer/rtp/rtp.h"
#include "sim/simcall.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MEDIA_SSRC 0x01020304U

struct puppet {
    struct pair p;
    struct sq_track *track; /* that receives */
    uint16_t seq;
    unsigned frame;
};

static struct puppet start(void)
{
    struct puppet s = {.p = make_puppets(71, NULL), .seq = 65400};
    s.track = sq_peer_track(simnode_peer(s.p.a), 0);
    return s;
}

/* A frame of VP8 in one packet, with that MID where it is not NULL.
 */
static void give_frame(struct puppet *s, const char *mid, bool key)
{
    uint8_t out[256] = {0};
    const struct sq_rtp_ext_item items[] = {
        {s->track->jsep->ext.mid, mid ? (uint8_t)strlen(mid) : 0, (const uint8_t *)mid}};
    struct sq_wire w = sq_wire_writer(out, sizeof(out));
    sq_rtp_put_header(&w,
                      &(struct sq_rtp_header){.pt = s->track->recv_pt,
                                              .marker = true,
                                              .seq = s->seq++,
                                              .ts = s->frame * 3600,
                                              .ssrc = MEDIA_SSRC},
                      items, mid ? 1 : 0);
    uint8_t *at = out + w.pos;
    /* RFC 7741: X, S; I with 15 bits */
    const uint8_t head[] = {0x90, 0x80, (uint8_t)(0x80 | s->frame >> 8), (uint8_t)s->frame};
    const uint8_t picture[] = {
        (uint8_t)(key ? 0x10 : 0x11), 0, 0, 0x9d, 0x01, 0x2a, 0x40, 0x01, 0xb4, 0x00};
    memcpy(at, head, sizeof(head));
    memcpy(at + sizeof(head), picture, sizeof(picture));
    s->frame++;
    sq_peer_on_rtp(simnode_peer(s->p.a), simnet_now(s->p.net), out, w.pos + 60);
}

/* Padding, parity and frames that nothing refers to are lost, and never sent again: they are asked
 * for until a frame behind them could be decoded, and cost no key frame. */
static void what_nothing_needs_costs_no_key_frame(void **state)
{
    (void)state;
    struct puppet s = start();
    for (unsigned n = 0; n < 250; n++) {
        give_frame(&s, NULL, n == 0);
        s.seq++; /* lost */
        run_for(s.p.net, 40 * MS);
    }
    struct sq_inbound_stats in = in_stats(s.p.net, s.p.a, 0);
    assert_int_equal(in.frames_decoded, 250);
    assert_int_equal(in.pli_count, 0);
    assert_int_equal(in.nack_count, 0); /* the frame behind it came in time */
    assert_int_equal(s.track->rx->rtp.missing_count, 0);
    simnet_free(s.p.net);
}

/* A frame is lost that the next one needs: asked for in vain, then a key frame is. */
static void what_is_needed_costs_one(void **state)
{
    (void)state;
    struct puppet s = start();
    for (unsigned n = 0; n < 25; n++) {
        if (n == 10) {
            s.seq++;
            s.frame++;
        }
        give_frame(&s, NULL, n == 0);
        run_for(s.p.net, 40 * MS);
    }
    struct sq_inbound_stats in = in_stats(s.p.net, s.p.a, 0);
    assert_int_equal(in.frames_decoded, 10);
    assert_true(in.nack_count > 3);
    assert_true(in.pli_count >= 1 && in.pli_count <= 2); /* in 600 ms, 300 ms apart */
    simnet_free(s.p.net);
}

/* All of a burst is asked for at once, however many messages that takes. */
static void a_burst_is_asked_for(void **state)
{
    (void)state;
    struct puppet s = start();
    give_frame(&s, NULL, true);
    s.seq = (uint16_t)(s.seq + 600);
    s.frame++;
    give_frame(&s, NULL, false);
    run_for(s.p.net, 15 * MS);
    assert_int_equal(s.track->rx->rtp.nack_packets, 600);
    assert_int_equal(in_stats(s.p.net, s.p.a, 0).nack_count, 3);
    assert_int_equal(in_stats(s.p.net, s.p.a, 0).pli_count, 0);
    simnet_free(s.p.net);
}

/* RFC 8843, section 9.2: what bears the MID of no section that receives is nobody's, whether its
 * SSRC is known or not; what bears none goes by its SSRC or its payload type. */
static void a_mid_that_nobody_has(void **state)
{
    (void)state;
    struct puppet s = start();
    assert_true(s.track->jsep->ext.mid > 0);
    uint64_t before = transport_stats(s.p.a).discarded;
    give_frame(&s, "other", true);
    assert_int_equal(transport_stats(s.p.a).discarded, before + 1);
    assert_null(s.track->rx);
    give_frame(&s, NULL, true);
    give_frame(&s, s.track->jsep->mid, false);
    assert_int_equal(in_stats(s.p.net, s.p.a, 0).frames_decoded, 2);
    give_frame(&s, "other", false);
    assert_int_equal(transport_stats(s.p.a).discarded, before + 2);
    s.frame--;
    s.seq--;
    give_frame(&s, NULL, false);
    assert_int_equal(in_stats(s.p.net, s.p.a, 0).frames_decoded, 3);
    simnet_free(s.p.net);
}

struct timed {
    unsigned all, with;
};

static void note_send_time(void *ctx, struct sq_track *track, const struct sq_rtp_packet *packet,
                           const struct sq_rtp_exts *exts, uint64_t now_ns)
{
    struct timed *t = simnode_ctx(ctx);
    (void)packet;
    (void)now_ns;
    if (sq_track_kind(track) == SQ_MEDIA_AUDIO) {
        t->all++;
        t->with += sq_rtp_has(exts, SQ_RTP_EXT_ABS_SEND_TIME);
    }
}

/* As browsers do, audio has abs-send-time where it was agreed. */
static void audio_tells_when_it_was_sent(void **state)
{
    static const struct sq_peer_config plain = {0};
    static const struct sq_peer_ops ops = {.rtp = note_send_time};
    struct timed t = {0};
    (void)state;
    struct simnet *net = simnet_new(75, 2);
    struct simnode *a = simnet_add(net, &plain, false, NULL, NULL);
    struct simnode *b = simnet_try_add(net, &plain, &ops, NULL, &t);
    assert_non_null(b);
    add_both(a);
    add_both(b);
    simnet_negotiate(net, a, b, false);
    run_for(net, 3 * SEC);
    assert_true(t.all > 80);
    assert_int_equal(t.with, t.all);
    simnet_free(net);
}

static uint32_t reports_of(const struct pair *p, size_t track)
{
    return sq_peer_track(simnode_peer(p->a), track)->tx->encodings[0].rtp.reports_received;
}

/* RFC 3550, section 6.4: of a stream that fell silent nothing is told any more, until it goes on.
 */
static void no_word_of_what_is_silent(void **state)
{
    (void)state;
    struct pair p = make_pair(72, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 10 * SEC);
    sq_peer_stop_sources(simnode_peer(p.a));
    uint32_t before = reports_of(&p, 1);
    run_for(p.net, 7 * SEC);
    assert_true(reports_of(&p, 1) > before + 2);
    run_for(p.net, 2 * SEC);
    uint32_t silent[] = {reports_of(&p, 0), reports_of(&p, 1)};
    run_for(p.net, 30 * SEC);
    assert_int_equal(reports_of(&p, 0), silent[0]);
    assert_int_equal(reports_of(&p, 1), silent[1]);
    sq_peer_start_sources(simnode_peer(p.a));
    run_for(p.net, 10 * SEC);
    assert_true(reports_of(&p, 0) > silent[0]);
    assert_true(reports_of(&p, 1) > silent[1] + 5);
    simnet_free(p.net);
}

/* Nor of one that is not to come any more. */
static void no_word_of_what_is_not_received(void **state)
{
    (void)state;
    struct pair p = make_pair(73, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 5 * SEC);
    assert_int_equal(sq_track_set_direction(sq_peer_track(simnode_peer(p.a), 1), SQ_DIR_RECVONLY),
                     0);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 200 * MS);
    uint32_t before = reports_of(&p, 1);
    run_for(p.net, 7 * SEC);
    assert_int_equal(reports_of(&p, 1), before);
    simnet_free(p.net);
}

/* The latest round trip of any stream counts, and not for ever. */
static void the_round_trip_is_the_latest(void **state)
{
    (void)state;
    struct pair p = make_pair(74, NULL, NULL, false);
    simnode_link(p.a)->delay_ns = simnode_link(p.b)->delay_ns = 20 * MS;
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 12 * SEC);
    struct sq_peer *peer = simnode_peer(p.a);
    struct sq_rtp_sender *first = &sq_peer_track(peer, 0)->tx->encodings[0].rtp;
    struct sq_rtp_sender *second = &sq_peer_track(peer, 1)->tx->encodings[0].rtp;
    uint64_t now = simnet_now(p.net);
    assert_true(first->rtt_measurements > 0 && second->rtt_measurements > 0);
    first->rtt_ns = 7 * SEC;
    first->rtt_at_ns = now - 1000 * MS;
    second->rtt_ns = 3 * MS;
    second->rtt_at_ns = now - 900 * MS;
    assert_int_equal(sq_peer_rtt_ns(peer, now), 3 * MS);
    first->rtt_at_ns = now - 800 * MS;
    assert_int_equal(sq_peer_rtt_ns(peer, now), 7 * SEC);
    /* Both are too old: ICE's. */
    uint64_t ice = sq_peer_rtt_ns(peer, now + 2 * SEC);
    assert_in_range(ice, 39 * MS, 41 * MS);
    assert_int_equal(sq_peer_report_rtt_ns(peer, now + 2 * SEC, 10 * SEC), 7 * SEC);
    simnet_free(p.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_nothing_needs_costs_no_key_frame),
        cmocka_unit_test(what_is_needed_costs_one),
        cmocka_unit_test(a_burst_is_asked_for),
        cmocka_unit_test(a_mid_that_nobody_has),
        cmocka_unit_test(audio_tells_when_it_was_sent),
        cmocka_unit_test(no_word_of_what_is_silent),
        cmocka_unit_test(no_word_of_what_is_not_received),
        cmocka_unit_test(the_round_trip_is_the_latest),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
