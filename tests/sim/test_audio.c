/* Audio of whole peers: redundancy (RFC 2198) that is sent. */
#include "peer/peer_int.h"
#include "sim/simcall.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define LOSS 0.1

static struct pair talk(uint64_t seed, const struct sq_peer_config *ca,
                        const struct sq_peer_config *cb)
{
    static const struct sq_peer_config plain = {0};
    struct simnet *net = simnet_new(seed, 2);
    struct pair p = {net, simnet_add(net, ca, false, NULL, NULL),
                     simnet_add(net, cb ? cb : &plain, false, NULL, NULL)};
    add(p.a, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    add(p.b, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    assert_connected(p.a);
    return p;
}

static struct sq_inbound_stats through_loss(const struct sq_peer_config *ca, bool *ret_red)
{
    struct pair p = talk(70, ca, NULL);
    simnode_link(p.a)->loss = LOSS;
    run_for(p.net, 60 * SEC);
    *ret_red = sq_peer_track(simnode_peer(p.a), 0)->red_pt != 0;
    struct sq_inbound_stats in = in_stats(p.net, p.b, 0);
    simnet_free(p.net);
    return in;
}

/* Each packet carries the one before it: of those lost only what is lost twice in a row is gone. */
static void redundancy_fills_holes(void **state)
{
    const struct sq_peer_config plain = {.audio = {.order = {SQ_CODEC_OPUS}, .n = 1}};
    const struct sq_peer_config red = {.audio = {.order = {SQ_CODEC_OPUS}, .n = 1, .red = true}};
    bool is_red;
    struct sq_inbound_stats bare = through_loss(&plain, &is_red);
    assert_false(is_red);
    struct sq_inbound_stats safe = through_loss(&red, &is_red);
    assert_true(is_red);
    double lost = (double)safe.packets_lost / (double)safe.packets_expected;
    print_message(
        "           lost %.1f %%: %.2f %% of samples concealed with RED, %.2f %% without\n",
        100 * lost, 100.0 * (double)safe.concealed_samples / (double)safe.total_samples_received,
        100.0 * (double)bare.concealed_samples / (double)bare.total_samples_received);
    assert_true(lost > 0.07 && lost < 0.13);
    /* 60 s of 960 samples in 20 ms; nine in ten of the lost come back */
    double gone = (double)safe.packets_lost * 960;
    assert_true((double)safe.restored_samples > 0.8 * gone);
    assert_true((double)safe.restored_samples < gone);
    assert_true((double)safe.concealed_samples < 0.25 * (double)bare.concealed_samples);
    assert_int_equal(safe.codec, SQ_CODEC_OPUS);
    /* twice the sound */
    double ratio = (double)safe.bytes_received / (double)bare.bytes_received;
    assert_true(ratio > 1.9 && ratio < 2.2);
}

/* The other side prefers what was preferred here, and a forwarder takes none of it. */
static void only_where_it_is_agreed(void **state)
{
    const struct sq_peer_config red = {.audio = {.order = {SQ_CODEC_OPUS}, .n = 1, .red = true}};
    const struct sq_peer_config forwarder = {.forward_only = true};
    struct pair p = talk(71, &red, &red);
    assert_true(sq_peer_track(simnode_peer(p.b), 0)->red_pt != 0);
    assert_int_equal(in_stats(p.net, p.a, 0).packets_lost, 0);
    assert_true(in_stats(p.net, p.a, 0).packets_received > 80);
    simnet_free(p.net);
    p = talk(72, &red, &forwarder);
    assert_int_equal(sq_peer_track(simnode_peer(p.a), 0)->red_pt, 0);
    assert_true(in_stats(p.net, p.b, 0).packets_received > 80);
    simnet_free(p.net);
    const struct sq_peer_config other = {.audio = {.order = {SQ_CODEC_PCMU}, .n = 1}};
    const struct sq_peer_config both = {
        .audio = {.order = {SQ_CODEC_OPUS, SQ_CODEC_PCMU}, .n = 2, .red = true}};
    p = talk(73, &both, &other);
    assert_int_equal(sq_peer_track(simnode_peer(p.a), 0)->red_pt, 0);
    assert_int_equal(in_stats(p.net, p.b, 0).codec, SQ_CODEC_PCMU);
    simnet_free(p.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redundancy_fills_holes),
        cmocka_unit_test(only_where_it_is_agreed),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
