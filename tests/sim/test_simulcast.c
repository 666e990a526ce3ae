/* What Chromium does with the rate of a simulcast sender, and that Squall does it. Its rules are
 * those of libwebrtc: SimulcastRateAllocator
 * (modules/video_coding/utility/simulcast_rate_allocator.cc), PacketRouter::GeneratePadding
 * (modules/pacing/packet_router.cc), and the pacer's probes. */
#include "base/mem.h"
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

struct call {
    struct simnet *net;
    struct simnode *pub, *in;
    struct sq_track *track;
    const struct sq_clip_track *layer[LAYERS];
    uint64_t least[LAYERS], most[LAYERS]; /* of each layer, bit/s of payload */
};

/* A server that takes three layers, and a publisher of them. */
static struct call open_call(uint64_t seed, enum sq_bwe_mode mode, uint64_t start_bps)
{
    static const struct sq_peer_ops none = {0};
    static const struct sq_peer_config server = {.forward_only = true};
    const struct sq_peer_config config = {.simulcast = LAYERS,
                                          .bwe = {.mode = mode, .start_bps = start_bps}};
    struct sq_track *into;
    struct call c = {.net = simnet_new(seed, 2)};
    c.in = simnet_try_add(c.net, &server, &none, NULL, NULL);
    c.pub = simnet_add(c.net, &config, false, NULL, NULL);
    assert_non_null(c.in);
    assert_int_equal(
        sq_peer_add_track(simnode_peer(c.in), SQ_MEDIA_VIDEO, SQ_DIR_RECVONLY, NULL, &into), 0);
    sq_track_receive_simulcast(into, true);
    c.track = add(c.pub, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
    simnode_link(c.pub)->delay_ns = simnode_link(c.in)->delay_ns = 20 * MS;
    simnet_negotiate(c.net, c.in, c.pub, false);
    run_for(c.net, 2 * SEC);
    assert_connected(c.pub);
    assert_int_equal(c.track->tx->n, LAYERS);
    for (size_t i = 0; i < LAYERS; i++) {
        c.layer[i] = sq_choose_layer(c.track->media, i, LAYERS);
        c.least[i] = sq_clip_track_bps(c.layer[i], 0);
        c.most[i] = c.layer[i]->average_bps;
    }
    return c;
}

static unsigned active_layers(const struct call *c)
{
    unsigned active;
    (void)sq_track_layers(c->track, &active);
    for (size_t i = 0; i < LAYERS; i++) { /* those that are off stand above those that are on */
        assert_int_equal(c->track->tx->encodings[i].active, i < active);
    }
    return active;
}

static uint64_t rate_of(const struct call *c, size_t i)
{
    return sq_encoding_sending_bps(c->track, &c->track->tx->encodings[i]);
}

static void give(const struct call *c, uint64_t bps)
{
    sq_track_allocate(c->track, bps, simnet_now(c->net));
    run_for(c->net, SEC); /* a layer that was switched on has sent */
}

/* "Allocate up to the target bitrate for each active simulcast layer", from the smallest to the
 * largest: one gets something when those below have all that they can use. "Always allocate enough
 * bitrate for the minimum bitrate of the first layer": it is never off. The first that has no room
 * for its minimum ends it, and those above get nothing, though they might fit. */
static void layers_are_served_from_the_lowest(void **state)
{
    struct call c = open_call(41, SQ_BWE_OFF, 0);
    (void)state;
    for (uint64_t bps = 20000; bps < 2000000; bps += 20000) {
        give(&c, bps);
        unsigned active = active_layers(&c);
        assert_true(active >= 1);
        uint64_t left = bps;
        for (size_t i = 0; i < active; i++) {
            uint64_t rate = rate_of(&c, i);
            assert_true(i == 0 || rate <= left);
            assert_true(rate >= c.least[i] && rate <= c.most[i]);
            assert_true(i + 1 == active || rate == c.most[i]); /* full before the next begins */
            left -= rate < left ? rate : left;
        }
        for (size_t i = active; i < LAYERS; i++) {
            assert_int_equal(rate_of(&c, i), 0);
        }
        assert_true(active == LAYERS || left < c.most[active]);
    }
    assert_int_equal(active_layers(&c), LAYERS);
    for (uint64_t bps = 2000000; bps > 20000; bps -= 60000) { /* and off from the highest */
        unsigned before = active_layers(&c);
        give(&c, bps);
        assert_true(active_layers(&c) <= before);
    }
    assert_int_equal(active_layers(&c), 1);
    simnet_free(c.net);
}

/* "If there is enough bitrate for the minimum of a layer": one that is on stays with its minimum,
 * one that is off needs 1.2 times as much (the hysteresis factor of video), or its target where
 * that is less. */
static void a_layer_that_is_off_needs_more(void **state)
{
    struct call c = open_call(42, SQ_BWE_OFF, 0);
    (void)state;
    for (unsigned i = 1; i < LAYERS; i++) {
        uint64_t below = 0;
        for (unsigned k = 0; k < i; k++) {
            below += c.most[k];
        }
        uint64_t enters = c.least[i] * 12 / 10;
        give(&c, below / 2);
        give(&c, below + enters - 2000);
        assert_int_equal(active_layers(&c), i);
        give(&c, below + enters + 2000);
        assert_int_equal(active_layers(&c), i + 1);
        give(&c, below + c.least[i] + 2000);
        assert_int_equal(active_layers(&c), i + 1);
        give(&c, below + c.least[i] - 2000);
        assert_int_equal(active_layers(&c), i);
    }
    simnet_free(c.net);
}

static uint64_t padded(const struct call *c, size_t i)
{
    return c->track->tx->encodings[i].pad_packets;
}

/* "First try on the last rtp module to have sent media": padding is a packet of before on the RTX
 * stream of the layer that sent last; that is the highest of those that are on, unless another one
 * alone sent after it. Where that one cannot, another that is on does; one that is off never. */
static void padding_goes_with_what_was_sent_last(void **state)
{
    struct call c = open_call(43, SQ_BWE_OFF, 0);
    struct sq_encoding *e = c.track->tx->encodings;
    (void)state;
    for (unsigned on = LAYERS; on > 0; on--) {
        uint64_t room = 10000;
        for (unsigned k = 0; k < on; k++) {
            room += c.most[k];
        }
        give(&c, room);
        assert_int_equal(active_layers(&c), on);
        run_for(c.net, SEC);
        uint64_t before[LAYERS];
        for (size_t i = 0; i < LAYERS; i++) {
            before[i] = padded(&c, i);
        }
        uint64_t media = e[on - 1].rtp.packets_sent;
        size_t sent = sq_track_send_padding(c.track, simnet_now(c.net), 2000);
        assert_in_range(sent, 2000, 2000 + 1300);
        for (size_t i = 0; i < LAYERS; i++) {
            assert_true((padded(&c, i) > before[i]) == (i + 1 == on));
        }
        assert_int_equal(e[on - 1].rtp.packets_sent, media); /* RTX: the stream's own count stays */
    }
    give(&c, UINT64_MAX);
    run_for(c.net, SEC);
    e[0].rtp.last_packet_sent_ns = simnet_now(c.net) + 1; /* as if the lowest had sent after them */
    uint64_t before = padded(&c, 0);
    assert_true(sq_track_send_padding(c.track, simnet_now(c.net), 100) > 0);
    assert_int_equal(padded(&c, 0), before + 1);
    e[0].rtp.history_used = 0; /* nothing that could be sent again */
    uint64_t other = padded(&c, 2);
    assert_true(sq_track_send_padding(c.track, simnet_now(c.net), 100) > 0);
    assert_int_equal(padded(&c, 0), before + 1);
    assert_int_equal(padded(&c, 2), other + 1);
    simnet_free(c.net);
}

/* A start at 300 kbit/s on a wide way: probes, of media and then of padding, take it to all layers;
 * until then padding stands where the lowest layers are, and once all that is wanted is sent there
 * is none. */
static void probes_lead_to_all_layers(void **state)
{
    struct call c = open_call(44, SQ_BWE_GCC, 300000);
    (void)state;
    run_for(c.net, 8 * SEC);
    assert_int_equal(active_layers(&c), LAYERS);
    uint64_t all = 0;
    for (size_t i = 0; i < LAYERS; i++) {
        assert_int_equal(rate_of(&c, i), c.most[i]);
        all += padded(&c, i);
    }
    assert_true(all > 0);
    run_for(c.net, 5 * SEC);
    uint64_t later = 0;
    for (size_t i = 0; i < LAYERS; i++) {
        later += padded(&c, i);
    }
    assert_int_equal(later, all);
    simnet_free(c.net);
}

/* The whole of it: how many seconds until all layers are on, or until they no longer are. */
static unsigned seconds_until(const struct call *c, bool all, unsigned most)
{
    unsigned s = 0;
    while (s < most && (active_layers(c) == LAYERS) != all) {
        run_for(c->net, SEC);
        s++;
    }
    return (active_layers(c) == LAYERS) == all ? s : most + 1;
}

/* The estimate switches layers off where the way narrows, and on again when it opens. */
static void layers_follow_the_estimate(void **state)
{
    struct call c = open_call(46, SQ_BWE_GCC, 300000);
    struct simlink *link = simnode_link(c.pub);
    const struct sq_rtp_sender *highest = &c.track->tx->encodings[LAYERS - 1].rtp;
    (void)state;
    run_for(c.net, 6 * SEC);
    assert_int_equal(active_layers(&c), LAYERS);
    link->rate_bps = 500000;
    link->queue_bytes = 500000 * 3 / 80; /* 300 ms */
    unsigned off_s = seconds_until(&c, false, 10);
    assert_in_range(off_s, 0, 10);
    run_for(c.net, 10 * SEC);
    uint64_t packets = highest->packets_sent;
    uint64_t bytes = transport_stats(c.pub).bytes_sent;
    for (unsigned i = 0; i < 10; i++) {
        run_for(c.net, SEC);
        assert_in_range(active_layers(&c), 1, LAYERS - 1);
    }
    assert_int_equal(highest->packets_sent, packets); /* off is off */
    double sent_bps = (double)(transport_stats(c.pub).bytes_sent - bytes) * 8 / 10;
    assert_true(sent_bps > 0.5 * 500e3 && sent_bps <= 500e3);
    link->rate_bps = 10000000;
    link->queue_bytes = 10000000 * 3 / 80;
    unsigned on_s = seconds_until(&c, true, 40);
    print_message("           the highest layer off %u s after the way narrowed, %.0f kbit/s sent; "
                  "on %u s after it opened\n",
                  off_s, sent_bps / 1e3, on_s);
    assert_in_range(on_s, 1, 40);
    run_for(c.net, 10 * SEC);
    assert_int_equal(active_layers(&c), LAYERS);
    assert_true(highest->packets_sent > packets + 500);
    simnet_free(c.net);
}

/* The server offers anew, and takes the layers of that list. */
static void ask_for(const struct call *c, const char *list)
{
    char why[SQ_PEER_TEXT_MAX];
    char changed[8192];
    char *offer = NULL;
    char *answer = NULL;
    uint64_t now = simnet_now(c->net);
    assert_int_equal(sq_peer_create_offer(simnode_peer(c->in), now, false, &offer, why), 0);
    const char *at = strstr(offer, "a=simulcast:recv q;h;f");
    assert_non_null(at);
    int n = snprintf(changed, sizeof(changed), "%.*sa=simulcast:recv %s%s", (int)(at - offer),
                     offer, list, at + strlen("a=simulcast:recv q;h;f"));
    assert_in_range(n, 1, sizeof(changed) - 1);
    assert_int_equal(sq_peer_set_remote(simnode_peer(c->pub), now, SQ_SDP_OFFER, changed, why), 0);
    assert_int_equal(sq_peer_create_answer(simnode_peer(c->pub), now, &answer, why), 0);
    assert_int_equal(sq_peer_set_remote(simnode_peer(c->in), now, SQ_SDP_ANSWER, answer, why), 0);
    sq_free(offer);
    sq_free(answer);
}

static void assert_sends_only(const struct call *c, const bool expected[LAYERS])
{
    uint64_t before[LAYERS];
    run_for(c->net, SEC);
    for (size_t i = 0; i < LAYERS; i++) {
        before[i] = c->track->tx->encodings[i].rtp.packets_sent;
    }
    run_for(c->net, 4 * SEC);
    for (size_t i = 0; i < LAYERS; i++) {
        uint64_t sent = c->track->tx->encodings[i].rtp.packets_sent - before[i];
        assert_true(expected[i] ? sent > 50 : sent == 0);
    }
}

/* RFC 8853, section 5.1: a layer with '~' is paused, until a later description has it without; one
 * that is not listed is not sent. Congestion control does not switch them on. */
static void layers_that_are_paused(void **state)
{
    static const struct {
        const char *list;
        bool sent[LAYERS];
    } cases[] = {
        {"q;h;~f", {true, true, false}},   {"q;~h;f", {true, false, true}},
        {"~q;h;f", {false, true, true}},   {"q;h;f", {true, true, true}},
        {"q;h", {true, true, false}},      {"~q;~h;~f", {false, false, false}},
        {"~q;h;~f", {false, true, false}}, {"q;h;f", {true, true, true}},
    };
    (void)state;
    for (int gcc = 0; gcc < 2; gcc++) {
        struct call c = open_call(45, gcc ? SQ_BWE_GCC : SQ_BWE_OFF, gcc ? 5000000 : 0);
        run_for(c.net, 5 * SEC);
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
            ask_for(&c, cases[i].list);
            assert_sends_only(&c, cases[i].sent);
        }
        simnet_free(c.net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_are_served_from_the_lowest),
        cmocka_unit_test(a_layer_that_is_off_needs_more),
        cmocka_unit_test(padding_goes_with_what_was_sent_last),
        cmocka_unit_test(probes_lead_to_all_layers),
        cmocka_unit_test(layers_follow_the_estimate),
        cmocka_unit_test(layers_that_are_paused),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
