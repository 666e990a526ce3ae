/* RTCP of whole peers: who says what, how often, and where it may stand alone. */
#include "base/mem.h"
#include "base/wire.h"
#include "peer/peer_int.h"
#include "peer/rtcp/rtcp.h"
#include "peer/rtp/rtp.h"
#include "sim/simcall.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

/* ---- RTCP that only one side knows ---- */

static void remb_without_transport_cc(void **state)
{
    (void)state;
    const struct sq_peer_config teller = {.remb_bps = 1500000};
    struct simnet *net = simnet_new(57, 2);
    struct pair p = pair_on(net, NULL, &teller, false);
    char why[SQ_PEER_TEXT_MAX];
    char *offer = NULL;
    char *answer = NULL;
    uint64_t now = simnet_now(net);
    assert_int_equal(sq_peer_create_offer(simnode_peer(p.a), now, false, &offer, why), 0);
    assert_true(transport_stats(p.a).available_outgoing_bps < 0);
    /* The other side does not know the extension, the feedback message is left in. */
    char *at;
    while ((at = strstr(offer, "transport-wide-cc-extensions-01")) != NULL) {
        at[0] = 'T';
    }
    assert_int_equal(sq_peer_set_remote(simnode_peer(p.b), now, SQ_SDP_OFFER, offer, why), 0);
    assert_int_equal(sq_peer_create_answer(simnode_peer(p.b), now, &answer, why), 0);
    assert_null(strstr(answer, "transport-wide-cc-extensions-01"));
    assert_int_equal(sq_peer_set_remote(simnode_peer(p.a), now, SQ_SDP_ANSWER, answer, why), 0);
    run_for(net, 5 * SEC);
    assert_media_flows(&p, 4);
    double told = transport_stats(p.a).available_outgoing_bps;
    assert_true(fabs(told / 1500000 - 1) < 0.001);
    assert_true(transport_stats(p.b).available_outgoing_bps < 0);
    sq_free(offer);
    sq_free(answer);
    simnet_free(net);
}

/* ---- RTCP ---- */

struct heads {
    unsigned sent, received;    /* datagrams that begin with SR; with RR */
    unsigned reports, feedback; /* datagrams that begin with SR or RR; with NACK, PLI or FIR */
};

/* The header of the first packet is not encrypted (RFC 3711, section 3.4). */
static void count_heads(void *ctx, struct simnode *from, const struct sq_dgram *dgram)
{
    struct heads *h = ctx;
    (void)from;
    if (sq_packet_kind(dgram->buf, dgram->len) != SQ_PACKET_RTCP) {
        return;
    }
    uint8_t pt = dgram->buf[1];
    bool transport_cc = pt == 205 && (dgram->buf[0] & 0x1f) == 15;
    h->sent += pt == 200;
    h->received += pt == 201;
    h->reports += pt == 200 || pt == 201;
    h->feedback += (pt == 205 || pt == 206) && !transport_cc;
}

/* One sends video, the other only receives it. */
static void sender_reports_follow_the_rate(void **state)
{
    (void)state;
    struct heads h = {0};
    const struct sq_peer_config plain = {0};
    struct simnet *net = simnet_new(65, 2);
    struct pair p = {net, simnet_add(net, &plain, false, NULL, NULL),
                     simnet_add(net, &plain, false, NULL, NULL)};
    add(p.a, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 5 * SEC);
    uint64_t bytes = out_stats(p.net, p.a, 0).bytes_sent;
    simnet_set_tap(p.net, count_heads, &h);
    run_for(p.net, 60 * SEC);
    double bps = (double)(out_stats(p.net, p.a, 0).bytes_sent - bytes) * 8 / 60;
    double wanted = 60 * bps / 360e3;
    print_message("           %u sender reports at %.0f kbit/s, %u receiver reports\n", h.sent,
                  bps / 1e3, h.received);
    assert_true(bps > 720e3);
    /* Those on everything, one a second, stand between. */
    assert_true(h.sent > 0.9 * wanted && h.sent < 1.1 * wanted + 60);
    assert_in_range(h.received, 52, 68);
    simnet_free(p.net);
}

/* RFC 5506: NACK and PLI stand alone only where both sides have a=rtcp-rsize. */
static void feedback_alone_only_where_agreed(void **state)
{
    (void)state;
    for (int agreed = 0; agreed < 2; agreed++) {
        struct heads h = {0};
        struct pair p = make_pair(59, NULL, NULL, false);
        struct sq_peer *a = simnode_peer(p.a);
        struct sq_peer *b = simnode_peer(p.b);
        char why[SQ_PEER_TEXT_MAX];
        char *offer;
        char *answer;
        uint64_t now = simnet_now(p.net);
        simnet_set_tap(p.net, count_heads, &h);
        assert_int_equal(sq_peer_create_offer(a, now, false, &offer, why), 0);
        if (!agreed) {
            without_lines(offer, "rtcp-rsize");
        }
        assert_int_equal(sq_peer_set_remote(b, now, SQ_SDP_OFFER, offer, why), 0);
        assert_int_equal(sq_peer_create_answer(b, now, &answer, why), 0);
        assert_int_equal(sq_peer_set_remote(a, now, SQ_SDP_ANSWER, answer, why), 0);
        run_for(p.net, 2 * SEC);
        simnode_link(p.a)->loss = simnode_link(p.b)->loss = 0.05;
        unsigned reports = h.reports;
        run_for(p.net, 10 * SEC);
        uint64_t nacks = in_stats(p.net, p.a, 1).nack_count + in_stats(p.net, p.b, 1).nack_count;
        assert_true(nacks > 50);
        if (agreed) {
            assert_true(h.feedback >= nacks);
        } else {
            assert_int_equal(h.feedback, 0);
            assert_true(h.reports - reports > nacks);
            assert_true(out_stats(p.net, p.a, 1).nack_count > 20); /* and it is understood */
        }
        sq_free(offer);
        sq_free(answer);
        simnet_free(p.net);
    }
}

struct speakers {
    struct simnode *of;
    uint32_t video;            /* SSRC */
    unsigned feedback, others; /* NACK and PLI at the head, as video's sender; as another */
    unsigned reports[2];       /* SR and RR at the head, as another's sender and as video's */
    unsigned told[2];          /* of those, with a block */
};

/* The SSRC of a packet's sender is not encrypted either. */
static void count_speakers(void *ctx, struct simnode *from, const struct sq_dgram *dgram)
{
    struct speakers *s = ctx;
    if (from != s->of || sq_packet_kind(dgram->buf, dgram->len) != SQ_PACKET_RTCP) {
        return;
    }
    uint8_t pt = dgram->buf[1], count = dgram->buf[0] & 0x1f;
    bool video = sq_load_u32(dgram->buf + 4) == s->video;
    if (pt == 200 || pt == 201) {
        s->reports[video]++;
        s->told[video] += count == 1;
    } else if ((pt == 205 && count == 1) || pt == 206) {
        s->feedback += video;
        s->others += !video;
    }
}

/* A server may tell by the sender of RTCP which section it is about: Janus does, and where that
 * sends nothing, by the first report block. */
static void feedback_is_of_its_own_track(void **state)
{
    (void)state;
    for (int agreed = 0; agreed < 2; agreed++) {
        struct pair p = make_pair(66, NULL, NULL, false);
        char why[SQ_PEER_TEXT_MAX];
        char *offer;
        char *answer;
        uint64_t now = simnet_now(p.net);
        assert_int_equal(sq_peer_create_offer(simnode_peer(p.a), now, false, &offer, why), 0);
        if (!agreed) {
            without_lines(offer, "rtcp-rsize");
        }
        assert_int_equal(sq_peer_set_remote(simnode_peer(p.b), now, SQ_SDP_OFFER, offer, why), 0);
        assert_int_equal(sq_peer_create_answer(simnode_peer(p.b), now, &answer, why), 0);
        assert_int_equal(sq_peer_set_remote(simnode_peer(p.a), now, SQ_SDP_ANSWER, answer, why), 0);
        run_for(p.net, 3 * SEC);
        struct speakers s = {.of = p.b, .video = out_stats(p.net, p.b, 1).ssrc};
        simnet_set_tap(p.net, count_speakers, &s);
        simnode_link(p.a)->loss = 0.05;
        uint64_t nacks = in_stats(p.net, p.b, 1).nack_count;
        run_for(p.net, 10 * SEC);
        nacks = in_stats(p.net, p.b, 1).nack_count - nacks;
        assert_true(nacks > 25);
        assert_int_equal(s.others, 0);
        assert_in_range(s.reports[0], 8, 14); /* audio's, one a second */
        assert_int_equal(s.told[0], s.reports[0]);
        if (agreed) {
            assert_true(s.feedback > 15);
            assert_in_range(s.told[1], 8, 14);
        } else {
            assert_int_equal(s.feedback, 0);
            assert_true(s.told[1] > 8 + 15);
        }
        sq_free(offer);
        sq_free(answer);
        simnet_free(p.net);
    }
}

/* PLI in every compound: a key frame four times a second, not each frame. */
static void pli_is_bounded(void **state)
{
    (void)state;
    struct pair p = make_pair(58, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 3 * SEC);
    uint64_t keys = out_stats(p.net, p.a, 1).key_frames_sent;
    uint64_t plis = out_stats(p.net, p.a, 1).pli_count;
    struct sq_track *track = sq_peer_track(simnode_peer(p.b), 1);
    for (int i = 0; i < 500; i++) {
        sq_track_request_key_frame(track, simnet_now(p.net));
        run_for(p.net, 10 * MS);
    }
    plis = out_stats(p.net, p.a, 1).pli_count - plis;
    keys = out_stats(p.net, p.a, 1).key_frames_sent - keys;
    assert_true(plis >= 16 && plis <= 17);
    assert_true(keys >= 15 && keys <= 18 + 2);
    /* One who knows no bounds gets no more. */
    keys = out_stats(p.net, p.a, 1).key_frames_sent;
    plis = out_stats(p.net, p.a, 1).pli_count;
    for (int i = 0; i < 500; i++) {
        track->rx->pli_sent_ns = 0;
        sq_track_request_key_frame(track, simnet_now(p.net));
        run_for(p.net, 10 * MS);
    }
    assert_true(out_stats(p.net, p.a, 1).pli_count - plis > 490);
    assert_true(out_stats(p.net, p.a, 1).key_frames_sent - keys <= 20 + 2);
    assert_int_equal(in_stats(p.net, p.b, 1).freeze_count, 0);
    simnet_free(p.net);
}

/* A key frame's packets are lost for good: another one is asked for. */
static void lost_key_frame(void **state)
{
    (void)state;
    struct pair p = make_pair(65, NULL, NULL, false);
    simnode_link(p.a)->drop_rtp = true; /* the first key frame among it */
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 1200 * MS);
    assert_int_equal(in_stats(p.net, p.b, 1).packets_received, 0);
    simnode_link(p.a)->drop_rtp = false;
    run_for(p.net, 600 * MS);
    struct sq_inbound_stats in = in_stats(p.net, p.b, 1);
    assert_true(in.pli_count >= 1 && in.pli_count <= 3);
    assert_true(in.frames_decoded >= 8);
    assert_true(sq_peer_times(simnode_peer(p.b))->first_frame > 0);
    simnet_free(p.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(remb_without_transport_cc),
        cmocka_unit_test(feedback_alone_only_where_agreed),
        cmocka_unit_test(feedback_is_of_its_own_track),
        cmocka_unit_test(sender_reports_follow_the_rate),
        cmocka_unit_test(pli_is_bounded),
        cmocka_unit_test(lost_key_frame),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
