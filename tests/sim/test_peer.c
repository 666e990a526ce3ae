/* Whole peers against each other over a simulated network, in virtual time. */
#include "base/mem.h"
#include "peer/peer_int.h"
#include "sim/simcall.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static void two_peers_talk(void **state)
{
    (void)state;
    for (int v6 = 0; v6 < 2; v6++) {
        struct pair p = make_pair(1, NULL, NULL, v6);
        uint64_t t0 = simnet_now(p.net);
        simnet_negotiate(p.net, p.a, p.b, false);
        simnet_run(p.net, t0 + 10 * SEC);
        assert_connected(p.a);
        assert_connected(p.b);
        assert_media_flows(&p, 9);
        /* Round trip: 10 ms of the links; the report's own resolution is 1/65536 s. */
        struct sq_outbound_stats out = out_stats(p.net, p.a, 1);
        assert_true(out.round_trip_time_measurements > 3);
        assert_true(fabs(out.round_trip_time_s - 0.010) < 0.001);
        struct sq_transport_stats transport;
        sq_peer_transport_stats(simnode_peer(p.a), &transport);
        assert_string_equal(transport.srtp_profile, "AEAD_AES_128_GCM");
        assert_string_equal(transport.local_type, "host");
        assert_int_equal(transport.srtp_errors, 0);
        simnet_free(p.net);
    }
}

static void bit_rate_is_the_clips(void **state)
{
    (void)state;
    struct pair p = make_pair(7, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    simnet_run(p.net, simnet_now(p.net) + 5 * SEC);
    struct sq_inbound_stats before = in_stats(p.net, p.b, 1);
    simnet_run(p.net, simnet_now(p.net) + 60 * SEC);
    struct sq_inbound_stats after = in_stats(p.net, p.b, 1);
    double bps = (double)(after.bytes_received - before.bytes_received) * 8 / 60;
    double want = clip_track(SQ_MEDIA_VIDEO)->average_bps;
    assert_true(fabs(bps / want - 1) < 0.02);
    simnet_free(p.net);
}

static void loss_is_true_at_both_ends(void **state)
{
    (void)state;
    struct pair p = make_pair(3, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    simnet_run(p.net, simnet_now(p.net) + 3 * SEC);
    assert_connected(p.a);
    simnode_link(p.a)->loss = 0.05;
    simnet_run(p.net, simnet_now(p.net) + 60 * SEC);
    simnode_link(p.a)->loss = 0;
    simnet_run(p.net, simnet_now(p.net) + 6 * SEC);
    struct sq_inbound_stats audio = in_stats(p.net, p.b, 0);
    struct sq_inbound_stats video = in_stats(p.net, p.b, 1);
    const struct simcounters *link = simnode_counters(p.a);
    /* Each packet that the link lost was a hole at the receiver: a repeated one may have been lost
     * again. */
    struct sq_outbound_stats out = out_stats(p.net, p.a, 1);
    uint64_t missing = audio.packets_missing + video.packets_missing;
    assert_true(missing <= link->rtp_lost);
    assert_true(missing + out.retransmitted_packets_sent / 10 >= link->rtp_lost);
    assert_true(out.retransmitted_packets_sent > 0);
    /* Video is repaired by NACK, audio is not asked for again. */
    assert_true(video.packets_repaired > video.packets_missing * 9 / 10);
    int64_t gone = video.packets_lost - (int64_t)video.packets_repaired;
    assert_true(gone >= 0 && gone < (int64_t)video.packets_missing / 10);
    /* RTX is another stream: it repairs without making RFC 3550's loss less. */
    assert_int_equal(video.packets_lost, video.packets_missing);
    assert_true(llabs(out.remote_packets_lost - video.packets_lost) <= 2);
    assert_true(audio.packets_lost > 0);
    /* What the receiver counts is what it reports to the sender. */
    assert_true(llabs(out_stats(p.net, p.a, 0).remote_packets_lost - audio.packets_lost) <= 2);
    simnet_free(p.net);
}

/* Nothing passes for so long, and the sender keeps nothing of it for NACK. */
static void lose(struct pair *p, uint64_t ns)
{
    simnode_link(p->a)->cut = true;
    run_for(p->net, ns);
    simnode_link(p->a)->cut = false;
    sq_peer_track(simnode_peer(p->a), 1)->tx->encodings[0].rtp.history_used = 0;
}

static void pli_brings_a_key_frame(void **state)
{
    (void)state;
    struct pair p = make_pair(4, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    simnet_run(p.net, simnet_now(p.net) + 5 * SEC);
    lose(&p, 1500 * MS);
    uint64_t keys = out_stats(p.net, p.a, 1).key_frames_sent;
    simnet_run(p.net, simnet_now(p.net) + 2 * SEC);
    struct sq_inbound_stats video = in_stats(p.net, p.b, 1);
    assert_true(video.freeze_count >= 1);
    assert_true(video.pli_count >= 1);
    assert_true(video.total_freezes_duration_s > 1.2 && video.total_freezes_duration_s < 2.5);
    assert_true(out_stats(p.net, p.a, 1).key_frames_sent > keys);
    uint64_t decoded = video.frames_decoded;
    simnet_run(p.net, simnet_now(p.net) + 2 * SEC);
    assert_true(in_stats(p.net, p.b, 1).frames_decoded >= decoded + 45);
    simnet_free(p.net);
}

/* Where only "ccm fir" was agreed (RFC 5104, section 4.3.1). */
static void fir_where_there_is_no_pli(void **state)
{
    (void)state;
    char why[SQ_PEER_TEXT_MAX];
    char *offer;
    char *answer;
    struct pair p = make_pair(4, NULL, NULL, false);
    struct sq_peer *a = simnode_peer(p.a);
    struct sq_peer *b = simnode_peer(p.b);
    simnode_trickle_to(p.a, p.b);
    simnode_trickle_to(p.b, p.a);
    assert_int_equal(sq_peer_create_offer(a, simnet_now(p.net), false, &offer, why), 0);
    without_lines(offer, "nack pli");
    assert_int_equal(sq_peer_set_remote(b, simnet_now(p.net), SQ_SDP_OFFER, offer, why), 0);
    assert_int_equal(sq_peer_create_answer(b, simnet_now(p.net), &answer, why), 0);
    assert_int_equal(sq_peer_set_remote(a, simnet_now(p.net), SQ_SDP_ANSWER, answer, why), 0);
    sq_free(offer);
    sq_free(answer);
    run_for(p.net, 5 * SEC);
    lose(&p, 1500 * MS);
    uint64_t keys = out_stats(p.net, p.a, 1).key_frames_sent;
    uint64_t decoded = in_stats(p.net, p.b, 1).frames_decoded;
    run_for(p.net, 1 * SEC);
    assert_int_equal(in_stats(p.net, p.b, 1).pli_count, 0);
    assert_int_equal(out_stats(p.net, p.a, 1).pli_count, 0);
    assert_true(out_stats(p.net, p.a, 1).fir_count >= 1);
    assert_true(out_stats(p.net, p.a, 1).key_frames_sent > keys);
    assert_true(in_stats(p.net, p.b, 1).frames_decoded >= decoded + 15);
    simnet_free(p.net);
}

static void jitter_is_true(void **state)
{
    (void)state;
    struct pair p = make_pair(5, NULL, NULL, false);
    simnode_link(p.a)->jitter_ns = 20 * MS;
    simnode_link(p.a)->reorder = true;
    simnet_negotiate(p.net, p.a, p.b, false);
    simnet_run(p.net, simnet_now(p.net) + 30 * SEC);
    /* The mean of |a - b| of two uniform numbers from 0 to 20 ms is 20/3 ms; the estimator wanders
     * around it. */
    double jitter_ms = in_stats(p.net, p.b, 0).jitter_s * 1e3;
    assert_true(jitter_ms > 4.5 && jitter_ms < 9.5);
    assert_true(in_stats(p.net, p.a, 0).jitter_s * 1e3 < 0.1);
    simnet_free(p.net);
}

static void survives_a_bad_network(void **state)
{
    (void)state;
    struct pair p = make_pair(6, NULL, NULL, false);
    struct simnode *nodes[] = {p.a, p.b};
    for (int i = 0; i < 2; i++) {
        *simnode_link(nodes[i]) = (struct simlink){.delay_ns = 50 * MS,
                                                   .jitter_ns = 30 * MS,
                                                   .reorder = true,
                                                   .loss = 0.1,
                                                   .duplicate = 0.02};
    }
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 30 * SEC);
    assert_true(in_stats(p.net, p.a, 1).frames_decoded > 300);
    /* Two consent checks in a row may be lost, which says "disconnected"; it does not last. */
    simnode_link(p.a)->loss = simnode_link(p.b)->loss = 0;
    run_for(p.net, 8 * SEC);
    assert_connected(p.a);
    assert_connected(p.b);
    struct sq_transport_stats transport;
    sq_peer_transport_stats(simnode_peer(p.a), &transport);
    assert_int_equal(transport.srtp_errors, 0);
    simnet_free(p.net);
}

static void nothing_answers(void **state)
{
    (void)state;
    const struct sq_peer_config config = {.connect_timeout_ns = 10 * SEC};
    struct pair p = make_pair(8, &config, NULL, false);
    simnode_link(p.a)->cut = true;
    simnode_link(p.b)->cut = true;
    simnet_negotiate(p.net, p.a, p.b, false);
    uint64_t t0 = simnet_now(p.net);
    simnet_run(p.net, t0 + 9900 * MS);
    assert_int_equal(simnode_state(p.a), SQ_PEER_CONNECTING);
    simnet_run(p.net, t0 + 10100 * MS);
    assert_int_equal(simnode_state(p.a), SQ_PEER_FAILED);
    assert_int_equal(simnode_cause(p.a), SQ_PEER_CAUSE_ICE);
    simnet_free(p.net);
}

/* The answer is in no hurry: whoever asked for it waits with a time-out of its own, and ICE and
 * DTLS have their time from when it is there. */
static void a_late_answer_is_not_the_fault_of_ice(void **state)
{
    (void)state;
    const struct sq_peer_config config = {.connect_timeout_ns = 10 * SEC};
    for (int cut = 0; cut < 2; cut++) {
        struct pair p = make_pair(14, &config, &config, false);
        struct sq_peer *a = simnode_peer(p.a), *b = simnode_peer(p.b);
        char why[SQ_PEER_TEXT_MAX];
        char *offer = NULL;
        char *answer = NULL;
        assert_int_equal(sq_peer_create_offer(a, simnet_now(p.net), false, &offer, why), 0);
        run_for(p.net, 60 * SEC);
        assert_int_equal(simnode_state(p.a), SQ_PEER_CONNECTING);
        uint64_t t0 = simnet_now(p.net);
        simnode_link(p.a)->cut = simnode_link(p.b)->cut = cut;
        assert_int_equal(sq_peer_set_remote(b, t0, SQ_SDP_OFFER, offer, why), 0);
        assert_int_equal(sq_peer_create_answer(b, t0, &answer, why), 0);
        assert_int_equal(sq_peer_set_remote(a, t0, SQ_SDP_ANSWER, answer, why), 0);
        simnet_run(p.net, t0 + 9900 * MS);
        assert_int_equal(simnode_state(p.a), cut ? SQ_PEER_CONNECTING : SQ_PEER_CONNECTED);
        simnet_run(p.net, t0 + 10100 * MS);
        assert_int_equal(simnode_state(p.a), cut ? SQ_PEER_FAILED : SQ_PEER_CONNECTED);
        sq_free(offer);
        sq_free(answer);
        simnet_free(p.net);
    }
}

/* Where nobody else would notice that no answer comes, the peer does. */
static void a_clock_from_the_offer_ends_without_an_answer(void **state)
{
    (void)state;
    const struct sq_peer_config config = {.connect_timeout_ns = 10 * SEC, .clock_from_offer = true};
    struct pair p = make_pair(16, &config, &config, false);
    char why[SQ_PEER_TEXT_MAX];
    char *offer = NULL;
    uint64_t t0 = simnet_now(p.net);
    assert_int_equal(sq_peer_create_offer(simnode_peer(p.a), t0, false, &offer, why), 0);
    simnet_run(p.net, t0 + 9900 * MS);
    assert_int_equal(simnode_state(p.a), SQ_PEER_CONNECTING);
    simnet_run(p.net, t0 + 10100 * MS);
    assert_int_equal(simnode_state(p.a), SQ_PEER_FAILED);
    assert_string_equal(simnode_text(p.a),
                        "the other side's session description did not come within 10 s");
    sq_free(offer);
    simnet_free(p.net);
}

/* A relay that never answers is its only way: no offer of it can come to anything. */
static void a_first_candidate_is_not_waited_for_longer(void **state)
{
    (void)state;
    static const struct sq_peer_ops mute = {.event = NULL};
    const struct sq_peer_config config = {.connect_timeout_ns = 10 * SEC};
    struct simnet *net = simnet_new(15, 1);
    struct sq_peer *peer;
    struct sq_track *track;
    char why[SQ_PEER_TEXT_MAX];
    char *offer = NULL;
    uint64_t t0 = simnet_now(net);
    assert_int_equal(sq_peer_create(simnet_env(net), &config, &mute, NULL, &peer), 0);
    assert_int_equal(sq_peer_add_track(peer, SQ_MEDIA_AUDIO, SQ_DIR_RECVONLY, NULL, &track), 0);
    sq_peer_hold_gathering(peer);
    assert_int_equal(sq_peer_create_offer(peer, t0, false, &offer, why), 0);
    sq_peer_on_timeout(peer, t0 + 5 * SEC); /* gathering is to be over, and there is nothing */
    assert_int_equal(sq_peer_next_timeout(peer), t0 + 10 * SEC);
    assert_int_equal(sq_peer_state(peer), SQ_PEER_CONNECTING);
    sq_peer_on_timeout(peer, t0 + 10 * SEC);
    assert_int_equal(sq_peer_state(peer), SQ_PEER_FAILED);
    sq_free(offer);
    sq_peer_destroy(peer);
    simnet_free(net);
}

static void consent_expires(void **state)
{
    (void)state;
    struct pair p = make_pair(9, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    simnet_run(p.net, simnet_now(p.net) + 5 * SEC);
    assert_connected(p.a);
    simnode_link(p.b)->cut = true;
    uint64_t cut_ns = simnet_now(p.net);
    simnet_run(p.net, cut_ns + 20 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_DISCONNECTED);
    simnet_run(p.net, cut_ns + 40 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_FAILED);
    assert_int_equal(simnode_cause(p.a), SQ_PEER_CAUSE_MEDIA_LOST);
    simnet_free(p.net);
}

static void wrong_fingerprint(void **state)
{
    (void)state;
    struct pair p = make_pair(10, NULL, NULL, false);
    char why[SQ_PEER_TEXT_MAX];
    char *offer = NULL;
    char *answer = NULL;
    uint64_t now = simnet_now(p.net);
    assert_int_equal(sq_peer_create_offer(simnode_peer(p.a), now, false, &offer, why), 0);
    assert_int_equal(sq_peer_set_remote(simnode_peer(p.b), now, SQ_SDP_OFFER, offer, why), 0);
    assert_int_equal(sq_peer_create_answer(simnode_peer(p.b), now, &answer, why), 0);
    char *at = answer;
    while ((at = strstr(at, "fingerprint:sha-256 ")) != NULL) {
        at += strlen("fingerprint:sha-256 ");
        *at = *at == 'A' ? 'B' : 'A';
    }
    assert_int_equal(sq_peer_set_remote(simnode_peer(p.a), now, SQ_SDP_ANSWER, answer, why), 0);
    simnet_run(p.net, now + 5 * SEC);
    assert_int_equal(simnode_state(p.a), SQ_PEER_FAILED);
    assert_int_equal(simnode_cause(p.a), SQ_PEER_CAUSE_DTLS);
    assert_non_null(strstr(simnode_text(p.a), "fingerprint"));
    sq_free(offer);
    sq_free(answer);
    simnet_free(p.net);
}

static void ice_lite_and_passive(void **state)
{
    (void)state;
    const struct sq_peer_config lite = {.ice_lite = true, .passive = true};
    struct pair p = make_pair(11, NULL, &lite, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    simnet_run(p.net, simnet_now(p.net) + 5 * SEC);
    assert_connected(p.a);
    assert_connected(p.b);
    assert_media_flows(&p, 4);
    struct sq_transport_stats transport;
    sq_peer_transport_stats(simnode_peer(p.b), &transport);
    assert_string_equal(transport.dtls_role, "server");
    simnet_free(p.net);
    /* And the lite side may offer. */
    p = make_pair(12, &lite, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    simnet_run(p.net, simnet_now(p.net) + 5 * SEC);
    assert_connected(p.a);
    assert_media_flows(&p, 4);
    simnet_free(p.net);
}

static void restart_keeps_media_going(void **state)
{
    (void)state;
    struct pair p = make_pair(13, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    simnet_run(p.net, simnet_now(p.net) + 5 * SEC);
    for (int i = 0; i < 2; i++) {
        const char *ufrag;
        const char *pwd;
        char before[64];
        sq_peer_local_ice(simnode_peer(p.a), &ufrag, &pwd);
        snprintf(before, sizeof(before), "%s", ufrag);
        simnet_negotiate(p.net, i ? p.b : p.a, i ? p.a : p.b, true);
        sq_peer_local_ice(simnode_peer(p.a), &ufrag, &pwd);
        assert_string_not_equal(before, ufrag);
        simnet_run(p.net, simnet_now(p.net) + 5 * SEC);
        assert_connected(p.a);
        assert_connected(p.b);
    }
    assert_media_flows(&p, 14);
    simnet_free(p.net);
}

static void renegotiation_adds_and_pauses(void **state)
{
    (void)state;
    struct simnet *net = simnet_new(14, 2);
    const struct sq_peer_config plain = {0};
    struct pair p = {net, simnet_add(net, &plain, false, NULL, NULL),
                     simnet_add(net, &plain, false, NULL, NULL)};
    add(p.a, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    add(p.b, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    simnet_negotiate(net, p.a, p.b, false);
    simnet_run(net, simnet_now(net) + 3 * SEC);
    struct sq_track *video = add(p.b, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
    simnet_negotiate(net, p.b, p.a, false);
    simnet_run(net, simnet_now(net) + 3 * SEC);
    assert_int_equal(sq_peer_track_count(simnode_peer(p.a)), 2);
    uint64_t frames = in_stats(net, p.a, 1).frames_decoded;
    assert_true(frames > 50);
    assert_int_equal(sq_track_set_direction(video, SQ_DIR_INACTIVE), 0);
    simnet_negotiate(net, p.b, p.a, false);
    simnet_run(net, simnet_now(net) + 3 * SEC);
    assert_true(in_stats(net, p.a, 1).frames_decoded <= frames + 2);
    assert_int_equal(sq_track_set_direction(video, SQ_DIR_SENDONLY), 0);
    simnet_negotiate(net, p.b, p.a, false);
    simnet_run(net, simnet_now(net) + 3 * SEC);
    assert_true(in_stats(net, p.a, 1).frames_decoded > frames + 50);
    assert_int_equal(in_stats(net, p.a, 1).freeze_count, 0);
    simnet_free(net);
}

static void a_thousand_peers(void **state)
{
    (void)state;
    enum { PAIRS = 500 };
    static struct simnode *nodes[2 * PAIRS];
    struct simnet *net = simnet_new(15, 2 * PAIRS);
    const struct sq_peer_config plain = {0};
    for (int i = 0; i < 2 * PAIRS; i++) {
        nodes[i] = simnet_add(net, &plain, i % 4 < 2, NULL, NULL);
        struct simlink *link = simnode_link(nodes[i]);
        link->delay_ns = (uint64_t)(1 + i % 80) * MS;
        link->jitter_ns = (uint64_t)(i % 7) * MS;
        link->reorder = i % 3 == 0;
        link->loss = i % 5 == 0 ? 0.03 : 0;
        if (i % 10 == 9) { /* too narrow for audio and video: 20 s of queueing and loss */
            link->rate_bps = 800000;
            link->queue_bytes = 30000;
        }
        add_both(nodes[i]);
    }
    for (int i = 0; i < PAIRS; i++) {
        simnet_negotiate(net, nodes[2 * i], nodes[2 * i + 1], false);
    }
    simnet_run(net, simnet_now(net) + 5 * SEC);
    for (int i = 0; i < 2 * PAIRS; i++) {
        assert_connected(nodes[i]);
        struct sq_inbound_stats audio = in_stats(net, nodes[i], 0);
        struct sq_inbound_stats video = in_stats(net, nodes[i], 1);
        const struct simlink *link = simnode_link(nodes[i ^ 1]);
        assert_true(audio.packets_received > 100);
        if (!link->rate_bps) {
            assert_true(video.frames_decoded > 60);
        } else {
            assert_true(simnode_counters(nodes[i ^ 1])->dropped_at_queue > 0);
            assert_true(video.packets_missing > 0);
        }
        if (link->loss == 0 && !link->rate_bps) {
            assert_int_equal(audio.packets_lost, 0);
        }
    }
    simnet_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(two_peers_talk),
        cmocka_unit_test(bit_rate_is_the_clips),
        cmocka_unit_test(loss_is_true_at_both_ends),
        cmocka_unit_test(pli_brings_a_key_frame),
        cmocka_unit_test(fir_where_there_is_no_pli),
        cmocka_unit_test(jitter_is_true),
        cmocka_unit_test(survives_a_bad_network),
        cmocka_unit_test(nothing_answers),
        cmocka_unit_test(a_late_answer_is_not_the_fault_of_ice),
        cmocka_unit_test(a_clock_from_the_offer_ends_without_an_answer),
        cmocka_unit_test(a_first_candidate_is_not_waited_for_longer),
        cmocka_unit_test(consent_expires),
        cmocka_unit_test(wrong_fingerprint),
        cmocka_unit_test(ice_lite_and_passive),
        cmocka_unit_test(restart_keeps_media_going),
        cmocka_unit_test(renegotiation_adds_and_pauses),
        cmocka_unit_test(a_thousand_peers),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
