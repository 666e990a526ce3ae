/* What goes wrong around whole peers: memory that is not there, owners who do things in the middle
 * of things, and strangers' datagrams. */
#include "base/mem.h"
#include "peer/peer_int.h"
#include "peer/rtp/rtp.h"
#include "sim/simcall.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* ---- No memory ---- */

static int try_tracks(struct simnode *node)
{
    struct sq_track *track;
    for (int kind = 0; node && kind < 2; kind++) {
        int err = sq_peer_add_track(simnode_peer(node), (enum sq_media_kind)kind, SQ_DIR_SENDRECV,
                                    whole_clip(), &track);
        if (err) {
            return err;
        }
    }
    return node ? 0 : SQ_ERR_NOMEM;
}

static int try_negotiate(struct simnet *net, struct simnode *a, struct simnode *b, bool restart)
{
    char why[SQ_PEER_TEXT_MAX] = "";
    char *offer = NULL;
    char *answer = NULL;
    uint64_t now = simnet_now(net);
    int err = sq_peer_create_offer(simnode_peer(a), now, restart, &offer, why);
    err = err ? err : sq_peer_set_remote(simnode_peer(b), now, SQ_SDP_OFFER, offer, why);
    err = err ? err : sq_peer_create_answer(simnode_peer(b), now, &answer, why);
    err = err ? err : sq_peer_set_remote(simnode_peer(a), now, SQ_SDP_ANSWER, answer, why);
    assert_true(err == 0 || err == SQ_ERR_NOMEM);
    assert_true(err == 0 || why[0] != '\0');
    sq_free(offer);
    sq_free(answer);
    return err;
}

static void assert_ended_well(struct simnet *net, struct simnode *node, struct simnode *other)
{
    if (simnode_state(node) != SQ_PEER_CONNECTED) {
        assert_int_equal(simnode_state(node), SQ_PEER_FAILED);
        assert_true(simnode_text(node)[0] != '\0');
    } else if (simnode_state(other) == SQ_PEER_CONNECTED) {
        assert_true(in_stats(net, node, 0).packets_received > 0);
        assert_true(in_stats(net, node, 1).frames_decoded > 0);
    }
}

/* What could not be made in whole is not kept: a packet would be written into it. */
static void assert_nothing_half_made(struct simnode *node)
{
    const struct sq_peer *peer = node ? simnode_peer(node) : NULL;
    if (peer) {
        assert_true(!peer->twcc_log || peer->twcc_log->room > 0);
        assert_true(!peer->twcc_recorder || peer->twcc_recorder->room > 0);
    }
}

/* True while the allocation was reached. */
static bool call_without(size_t nth)
{
    const struct sq_peer_config config = {
        .connect_timeout_ns = 4 * SEC, .latency = true, .capture_time = true};
    struct simnet *net = simnet_new(70, 2);
    sq_mem_fail_at(nth);
    struct simnode *a = simnet_try_add(net, &config, NULL, NULL, NULL);
    struct simnode *b = simnet_try_add(net, &config, NULL, NULL, NULL);
    int err = try_tracks(a);
    err = err ? err : try_tracks(b);
    err = err ? err : try_negotiate(net, a, b, false);
    if (!err) {
        simnode_link(a)->loss = 0.1;
        run_for(net, 2 * SEC);
        simnode_link(a)->loss = 0;
        err = try_negotiate(net, b, a, true);
        run_for(net, 4 * SEC + MS);
    }
    bool reached = sq_mem_count() >= nth;
    sq_mem_fail_at(0);
    if (!err) {
        assert_ended_well(net, a, b);
        assert_ended_well(net, b, a);
    }
    assert_true(reached || !err);
    assert_nothing_half_made(a);
    assert_nothing_half_made(b);
    simnet_free(net);
    return reached;
}

static void each_allocation_fails(void **state)
{
    size_t nth = 1;
    (void)state;
    while (call_without(nth)) {
        nth++;
    }
    print_message("           %zu allocations in a call with a restart\n", nth - 1);
    assert_true(nth > 100 && nth < 1500);
}

/* The same with simulcast into a forwarder, in any codec of the clip. */
static bool layers_without(size_t nth)
{
    const struct sq_peer_config sends = {.connect_timeout_ns = 2 * SEC, .simulcast = 3};
    const struct sq_peer_config forwards = {.connect_timeout_ns = 2 * SEC, .forward_only = true};
    struct simnet *net = simnet_new(71, 2);
    struct sq_track *track = NULL;
    sq_mem_fail_at(nth);
    struct simnode *a = simnet_try_add(net, &sends, NULL, NULL, NULL);
    struct simnode *b = simnet_try_add(net, &forwards, NULL, NULL, NULL);
    int err = a && b ? sq_peer_add_track(simnode_peer(a), SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY,
                                         whole_clip(), NULL)
                     : SQ_ERR_NOMEM;
    err = err ? err
              : sq_peer_add_track(simnode_peer(b), SQ_MEDIA_VIDEO, SQ_DIR_RECVONLY, NULL, &track);
    if (!err) {
        sq_track_receive_simulcast(track, true);
        err = try_negotiate(net, a, b, false);
    }
    if (!err) {
        run_for(net, 2 * SEC + MS);
    }
    bool reached = sq_mem_count() >= nth;
    sq_mem_fail_at(0);
    if (!reached) { /* nothing failed: three layers came */
        assert_int_equal(err, 0);
        assert_int_equal(sq_peer_track_count(simnode_peer(b)), 3);
        for (size_t i = 0; i < 3; i++) {
            assert_true(in_stats(net, b, i).packets_received > 10);
        }
    }
    simnet_free(net);
    return reached;
}

static void each_allocation_of_layers_fails(void **state)
{
    size_t nth = 1;
    (void)state;
    while (layers_without(nth)) {
        nth++;
    }
    assert_true(nth > 50 && nth < 1500);
}

/* What the two of a whole call hold of their data channel. */
struct holder {
    struct sq_channel *channel; /* NULL: none, or closed */
    uint64_t messages;
};

static void on_channel(void *ctx, struct simnode *node, const struct sq_peer_event *event)
{
    struct holder *h = ctx;
    (void)node;
    if (event->type == SQ_PEER_EV_CHANNEL_OPEN) {
        h->channel = event->channel;
    } else if (event->type == SQ_PEER_EV_CHANNEL_MESSAGE) {
        h->messages++;
    } else if (event->type == SQ_PEER_EV_CHANNEL_CLOSED) {
        h->channel = NULL;
    }
}

static void talk(struct simnet *net, struct holder *h)
{
    static const uint8_t bytes[3000] = {1};
    for (int i = 0; i < 30; i++) {
        if (h->channel) {
            int err = sq_channel_send(h->channel, simnet_now(net), i & 1, bytes, sizeof(bytes));
            assert_true(err == 0 || err == SQ_ERR_NOMEM || err == SQ_ERR_STATE ||
                        err == SQ_ERR_NOSPACE);
        }
        run_for(net, 50 * MS);
    }
}

/* All that a call has: media at a rate that congestion control chooses, through a bottleneck that
 * loses and opens again, messages, an ICE restart, and goodbye in the middle of it. */
static bool everything_without(size_t nth)
{
    const struct sq_peer_config config = {
        .connect_timeout_ns = 4 * SEC, .accept_data = true, .bwe = {.mode = SQ_BWE_GCC}};
    const struct sq_channel_config data = {.label = "all", .protocol = "p"};
    struct holder ha = {0}, hb = {0};
    struct simnet *net = simnet_new(72, 2);
    struct sq_channel *channel = NULL;
    sq_mem_fail_at(nth);
    struct simnode *a = simnet_try_add(net, &config, NULL, on_channel, &ha);
    struct simnode *b = simnet_try_add(net, &config, NULL, on_channel, &hb);
    int err = try_tracks(a);
    err = err ? err : try_tracks(b);
    err = err ? err : sq_peer_add_channel(simnode_peer(a), simnet_now(net), &data, &channel);
    err = err ? err : try_negotiate(net, a, b, false);
    if (!err) {
        simnode_link(a)->rate_bps = 400000;
        simnode_link(a)->queue_bytes = 20000;
        run_for(net, 2 * SEC);
        talk(net, &ha);
        simnode_link(a)->rate_bps = 0;
        err = try_negotiate(net, b, a, true);
        talk(net, &hb);
        run_for(net, 4 * SEC + MS);
        if (ha.channel && nth % 2) {
            sq_channel_close(ha.channel, simnet_now(net));
        }
        run_for(net, 100 * MS);
    }
    bool reached = sq_mem_count() >= nth;
    if (!err) {
        assert_ended_well(net, a, b);
        assert_ended_well(net, b, a);
        sq_peer_close(simnode_peer(a), simnet_now(net));
        run_for(net, SEC);
        sq_peer_close(simnode_peer(b), simnet_now(net));
    }
    sq_mem_fail_at(0);
    if (!reached) {
        assert_int_equal(err, 0);
        assert_int_equal(ha.messages, 30);
        assert_int_equal(hb.messages, 30);
        assert_true(out_stats(net, a, 1).packets_sent > 100);
    }
    simnet_free(net);
    return reached;
}

static void each_allocation_of_everything_fails(void **state)
{
    size_t nth = 1;
    (void)state;
    while (everything_without(nth)) {
        nth++;
    }
    print_message("           %zu allocations in a call with everything\n", nth - 1);
    assert_true(nth > 300 && nth < 4000);
}

/* ---- Owners ---- */

enum deed { CLOSE, OFFER, NEGOTIATE, RESTART, KEY_FRAME, DEEDS };

struct owner {
    struct simnet *net;
    struct simnode *a, *b;
    enum deed deed;
    int at, seen; /* in the event of this number */
    bool busy;
};

static void offer_and_think_again(struct owner *o, struct simnode *node)
{
    char *offer;
    char why[SQ_PEER_TEXT_MAX];
    if (sq_peer_create_offer(simnode_peer(node), simnet_now(o->net), false, &offer, why) == 0) {
        sq_free(offer);
        assert_int_equal(sq_peer_rollback(simnode_peer(node)), 0);
    }
}

static void act(struct owner *o, struct simnode *node)
{
    switch (o->deed) {
    case CLOSE:
        sq_peer_close(simnode_peer(node), simnet_now(o->net));
        break;
    case OFFER:
        offer_and_think_again(o, node);
        break;
    case NEGOTIATE:
    case RESTART:
        if (o->b) { /* in the middle of a negotiation it is refused */
            char why[SQ_PEER_TEXT_MAX];
            char *offer = NULL;
            char *answer = NULL;
            uint64_t now = simnet_now(o->net);
            struct simnode *to = node == o->a ? o->b : o->a;
            if (sq_peer_create_offer(simnode_peer(node), now, o->deed == RESTART, &offer, why) ==
                0) {
                if (sq_peer_set_remote(simnode_peer(to), now, SQ_SDP_OFFER, offer, why) != 0) {
                    assert_int_equal(sq_peer_rollback(simnode_peer(node)), 0);
                } else {
                    assert_int_equal(sq_peer_create_answer(simnode_peer(to), now, &answer, why), 0);
                    assert_int_equal(
                        sq_peer_set_remote(simnode_peer(node), now, SQ_SDP_ANSWER, answer, why), 0);
                }
            }
            sq_free(offer);
            sq_free(answer);
        }
        break;
    default:
        for (size_t i = 0; i < sq_peer_track_count(simnode_peer(node)); i++) {
            struct sq_track *track = sq_peer_track(simnode_peer(node), i);
            const struct sq_rtp_out out = {.payload = (const uint8_t *)"x", .payload_len = 1};
            sq_track_request_key_frame(track, simnet_now(o->net));
            (void)!sq_track_send(track, simnet_now(o->net), &out);
        }
        break;
    }
}

static void meddle(void *ctx, struct simnode *node, const struct sq_peer_event *event)
{
    struct owner *o = ctx;
    (void)event;
    if (!o->busy && o->seen++ == o->at) {
        o->busy = true;
        act(o, node);
        o->busy = false;
    }
}

static void events_are_for_doing_things(void **state)
{
    (void)state;
    const struct sq_peer_config plain = {0};
    for (int deed = 0; deed < DEEDS; deed++) {
        for (int at = 0;; at++) {
            struct owner o = {.net = simnet_new(71, 2), .deed = (enum deed)deed, .at = at};
            o.a = simnet_add(o.net, &plain, false, meddle, &o);
            struct simnode *b = simnet_add(o.net, &plain, false, meddle, &o);
            add_both(o.a);
            add_both(b);
            o.b = b;
            bool closes = deed == CLOSE;
            char why[SQ_PEER_TEXT_MAX];
            char *offer = NULL;
            char *answer = NULL;
            uint64_t now = simnet_now(o.net);
            int err = sq_peer_create_offer(simnode_peer(o.a), now, false, &offer, why);
            err = err ? err : sq_peer_set_remote(simnode_peer(b), now, SQ_SDP_OFFER, offer, why);
            err = err ? err : sq_peer_create_answer(simnode_peer(b), now, &answer, why);
            err =
                err ? err : sq_peer_set_remote(simnode_peer(o.a), now, SQ_SDP_ANSWER, answer, why);
            run_for(o.net, 3 * SEC);
            if (!err && !closes) {
                assert_connected(o.a);
                assert_connected(b);
                assert_true(in_stats(o.net, o.a, 1).frames_decoded > 40);
                assert_true(in_stats(o.net, b, 1).frames_decoded > 40);
            }
            bool more = o.seen > at;
            sq_free(offer);
            sq_free(answer);
            simnet_free(o.net);
            if (!more) {
                assert_true(at > 8); /* there were events */
                break;
            }
        }
    }
}

/* DTLS begins anew, with another peer, from within the call-back that tells of the first one's
 * keys. */
struct change {
    struct simnet *net;
    struct simnode *c;
    bool done;
};

static void change_partner(void *ctx, struct simnode *node, const struct sq_peer_event *event)
{
    struct change *change = ctx;
    if (event->type == SQ_PEER_EV_DTLS_CONNECTED && !change->done) {
        change->done = true;
        simnet_negotiate(change->net, node, change->c, true);
    }
}

static void dtls_anew_within_dtls(void **state)
{
    (void)state;
    struct simnet *net = simnet_new(72, 3);
    const struct sq_peer_config plain = {0};
    struct change change = {.net = net};
    struct simnode *a = simnet_add(net, &plain, false, change_partner, &change);
    struct simnode *b = simnet_add(net, &plain, false, NULL, NULL);
    change.c = simnet_add(net, &plain, false, NULL, NULL);
    add_both(a);
    add_both(b);
    add_both(change.c);
    simnet_negotiate(net, a, b, false);
    run_for(net, 5 * SEC);
    assert_connected(a);
    assert_connected(change.c);
    assert_true(in_stats(net, change.c, 1).frames_decoded > 80);
    assert_true(in_stats(net, a, 1).frames_decoded > 80);
    simnet_free(net);
}

/* From within `send`: more packets than a batch holds, then the end. */
struct sender {
    struct simnet *net;
    struct sq_track *track;
    uint64_t last_ns;
    unsigned sent;
    bool within, closes;
};

static void send_within_send(void *ctx, struct simnode *from, const struct sq_dgram *dgram)
{
    struct sender *s = ctx;
    static const uint8_t payload[40];
    if (s->within || simnet_now(s->net) == s->last_ns ||
        sq_packet_kind(dgram->buf, dgram->len) != SQ_PACKET_RTP) {
        return;
    }
    s->within = true;
    s->last_ns = simnet_now(s->net);
    for (uint32_t i = 0; i < 100 && s->sent < 1000; i++) {
        const struct sq_rtp_out out = {
            .timestamp = s->sent * 960, .payload = payload, .payload_len = sizeof(payload)};
        if (sq_track_send(s->track, simnet_now(s->net), &out) == 0) {
            s->sent++;
        }
    }
    if (s->closes && s->sent >= 300) {
        sq_peer_close(simnode_peer(from), simnet_now(s->net));
    }
    s->within = false;
}

static void sending_within_send(void **state)
{
    (void)state;
    for (int closes = 0; closes < 2; closes++) {
        struct simnet *net = simnet_new(73, 2);
        const struct sq_peer_config plain = {0};
        struct simnode *a = simnet_add(net, &plain, false, NULL, NULL);
        struct simnode *b = simnet_add(net, &plain, false, NULL, NULL);
        add(a, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
        struct sender s = {.net = net, .closes = closes};
        assert_int_equal(
            sq_peer_add_track(simnode_peer(a), SQ_MEDIA_AUDIO, SQ_DIR_SENDONLY, NULL, &s.track), 0);
        simnet_negotiate(net, a, b, false);
        run_for(net, 2 * SEC);
        simnet_set_tap(net, send_within_send, &s);
        run_for(net, 3 * SEC);
        if (closes) {
            const struct sq_rtp_out out = {.payload = (const uint8_t *)"x", .payload_len = 1};
            assert_int_equal(sq_track_send(s.track, simnet_now(net), &out), SQ_ERR_STATE);
            assert_int_equal(sq_peer_state(simnode_peer(a)), SQ_PEER_CLOSED);
        } else {
            assert_int_equal(s.sent, 1000);
            struct sq_inbound_stats in = in_stats(net, b, 1);
            /* What went beyond a batch is lost, and told as lost. */
            assert_true(in.packets_expected > 900 && in.packets_expected <= 1000);
            assert_true(in.packets_received > 500);
            assert_true(in_stats(net, b, 0).frames_decoded > 115);
        }
        simnet_free(net);
    }
}

/* ---- Strangers ---- */

enum { SAMPLES = 64 };

struct sample {
    size_t len;
    uint8_t bytes[1500];
};

struct stranger {
    struct simnet *net;
    struct simnode *nodes[2];
    struct sq_rand rand;
    struct sample samples[6][SAMPLES]; /* by enum sq_packet_kind */
    size_t counts[6];
};

static void overhear(void *ctx, struct simnode *from, const struct sq_dgram *dgram)
{
    struct stranger *s = ctx;
    (void)from;
    enum sq_packet_kind kind = sq_packet_kind(dgram->buf, dgram->len);
    size_t at = s->counts[kind]++;
    if (at >= SAMPLES) {
        at = sq_rand_below(&s->rand, SAMPLES);
    }
    s->samples[kind][at].len = dgram->len;
    memcpy(s->samples[kind][at].bytes, dgram->buf, dgram->len);
}

static size_t mutate(struct stranger *s, uint8_t *bytes, size_t len)
{
    unsigned how = sq_rand_below(&s->rand, 4);
    if (how == 0) {
        return len; /* a replay */
    }
    if (how == 1) {
        len = 1 + sq_rand_below(&s->rand, (uint32_t)len);
    }
    for (unsigned n = 1 + sq_rand_below(&s->rand, 4); n > 0; n--) {
        size_t at = how == 2 ? sq_rand_below(&s->rand, len < 16 ? (uint32_t)len : 16)
                             : sq_rand_below(&s->rand, (uint32_t)len);
        bytes[at] = (uint8_t)sq_rand_u32(&s->rand);
    }
    return len;
}

static const uint8_t fatal_alert[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 9, 0, 2, 2, 40};
static const uint8_t close_notify[] = {21, 0xfe, 0xfd, 0, 0, 0, 0, 0, 0, 0, 8, 0, 2, 1, 0};

static void pour(struct stranger *s)
{
    for (int i = 0; i < 2; i++) {
        struct sq_addr elsewhere;
        assert_int_equal(sq_addr_parse("198.51.100.9", (uint16_t)sq_rand_u32(&s->rand), &elsewhere),
                         0);
        const struct sq_addr *right = simnode_addr(s->nodes[1 - i]);
        const struct sq_addr *from = sq_rand_below(&s->rand, 3) ? right : &elsewhere;
        uint8_t bytes[1500];
        for (int kind = 0; kind < 6; kind++) {
            size_t known = s->counts[kind] < SAMPLES ? s->counts[kind] : SAMPLES;
            if (known) {
                const struct sample *sample =
                    &s->samples[kind][sq_rand_below(&s->rand, (uint32_t)known)];
                memcpy(bytes, sample->bytes, sample->len);
                simnet_inject(s->net, s->nodes[i], from, bytes, mutate(s, bytes, sample->len));
            }
        }
        if (sq_rand_below(&s->rand, 8) == 0) {
            simnet_inject(s->net, s->nodes[i], from, fatal_alert, sizeof(fatal_alert));
            simnet_inject(s->net, s->nodes[i], from, close_notify, sizeof(close_notify));
        }
    }
}

static void strangers_change_nothing(void **state)
{
    (void)state;
    for (int cm = 0; cm < 2; cm++) {
        struct stranger *s = calloc(1, sizeof(*s));
        assert_non_null(s);
        s->net = simnet_new_with(74, 2, cm, false);
        sq_rand_seed(&s->rand, 75);
        simnet_set_tap(s->net, overhear, s);
        struct pair p = pair_on(s->net, NULL, NULL, false);
        s->nodes[0] = p.a;
        s->nodes[1] = p.b;
        simnet_negotiate(s->net, p.a, p.b, false);
        run_for(s->net, SEC);
        struct sq_transport_stats before = transport_stats(p.a);
        for (int i = 0; i < 4000; i++) { /* 20 s: while alerts are listened for, and after */
            pour(s);
            run_for(s->net, 5 * MS);
        }
        assert_connected(p.a);
        assert_connected(p.b);
        assert_media_flows(&p, 20);
        assert_int_equal(in_stats(s->net, p.a, 1).packets_duplicated, 0);
        assert_int_equal(in_stats(s->net, p.a, 1).packets_missing, 0);
        struct sq_transport_stats after = transport_stats(p.a);
        assert_true(after.srtp_errors > before.srtp_errors + 1000);
        assert_true(after.discarded > before.discarded + 1000);
        assert_string_equal(after.remote_addr, before.remote_addr);
        /* They are not amplified: no more is sent than is asked for. */
        assert_true(after.packets_sent - before.packets_sent < 4000 * 4);
        simnet_free(s->net);
        free(s);
    }
}

/* While the handshake is under way, from somebody whom no check vouches for. */
static void strangers_before_the_handshake(void **state)
{
    (void)state;
    struct pair p = make_pair(76, NULL, NULL, false);
    struct sq_addr elsewhere;
    assert_int_equal(sq_addr_parse("198.51.100.9", 9, &elsewhere), 0);
    simnode_link(p.a)->delay_ns = simnode_link(p.b)->delay_ns = 100 * MS;
    simnet_negotiate(p.net, p.a, p.b, false);
    for (int i = 0; i < 400; i++) {
        simnet_inject(p.net, p.a, &elsewhere, fatal_alert, sizeof(fatal_alert));
        simnet_inject(p.net, p.b, &elsewhere, fatal_alert, sizeof(fatal_alert));
        run_for(p.net, 10 * MS);
    }
    assert_connected(p.a);
    assert_connected(p.b);
    assert_media_flows(&p, 2);
    simnet_free(p.net);
}

/* ---- Time ---- */

/* Arrival times fall back by up to 50 ms: far more than several queues of a card do. */
static void time_stamps_fall_back(void **state)
{
    (void)state;
    struct simnet *net = simnet_new(77, 2);
    struct pair p = pair_on(net, NULL, NULL, false);
    simnet_set_stamp_noise(net, 50 * MS);
    simnode_link(p.a)->loss = 0.03;
    simnet_negotiate(net, p.a, p.b, false);
    run_for(net, 30 * SEC);
    simnode_link(p.a)->loss = 0;
    run_for(net, SEC);
    assert_connected(p.a);
    struct sq_inbound_stats video = in_stats(net, p.b, 1);
    assert_true(video.frames_decoded > 720);
    assert_true(video.packets_repaired * 10 > video.packets_missing * 9);
    assert_true(video.total_freezes_duration_s < 2);
    assert_true(video.pli_count < 10);
    assert_true(in_stats(net, p.b, 0).jitter_s < 0.04);
    assert_true(out_stats(net, p.a, 1).round_trip_time_s < 0.06);
    simnet_free(net);
}

static void note_time(void *ctx, struct simnode *node, const struct sq_peer_event *e)
{
    uint64_t *last_ns = ctx;
    assert_true(e->now_ns >= *last_ns);
    *last_ns = e->now_ns;
}

/* A datagram's time may lie before the latest, and the owner's time-out before a datagram's: the
 * clock that states and their events go by does not fall. */
static void clock_does_not_fall(void **state)
{
    (void)state;
    const struct sq_peer_config plain = {.accept_data = true};
    struct simnet *net = simnet_new(80, 1);
    uint64_t last_ns = 0;
    struct simnode *a = simnet_add(net, &plain, false, note_time, &last_ns);
    struct sq_peer *peer = simnode_peer(a);
    struct sq_track *track;
    char *sdp;
    char why[SQ_PEER_TEXT_MAX];
    assert_int_equal(sq_peer_add_track(peer, SQ_MEDIA_AUDIO, SQ_DIR_RECVONLY, NULL, &track), 0);
    assert_int_equal(sq_peer_create_offer(peer, 10 * SEC, false, &sdp, why), 0);
    sq_free(sdp);
    assert_int_equal(last_ns, 10 * SEC);
    sq_peer_on_timeout(peer, 9 * SEC);
    assert_int_equal(sq_peer_rollback(peer), 0);
    assert_int_equal(sq_peer_create_offer(peer, 9 * SEC + 1, true, &sdp, why), 0); /* tells that */
    sq_free(sdp);
    assert_int_equal(last_ns, 10 * SEC);
    simnet_free(net);
}

/* Nothing to do is little to do: time-outs of a peer that talks, and of one that is idle. */
static void time_outs_are_few(void **state)
{
    (void)state;
    struct pair p = make_pair(78, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 10 * SEC);
    uint64_t before = simnode_counters(p.a)->timeouts;
    run_for(p.net, 10 * SEC);
    uint64_t busy = (simnode_counters(p.a)->timeouts - before) / 10;
    /* 50 packets, 25 frames (large ones go out in parts), 10 of feedback, reports. */
    assert_true(busy < 110);
    simnet_free(p.net);
    const struct sq_peer_config plain = {0};
    struct simnet *net = simnet_new(79, 2);
    struct simnode *a = simnet_add(net, &plain, false, NULL, NULL);
    struct simnode *b = simnet_add(net, &plain, false, NULL, NULL);
    struct sq_track *track;
    assert_int_equal(
        sq_peer_add_track(simnode_peer(a), SQ_MEDIA_AUDIO, SQ_DIR_RECVONLY, NULL, &track), 0);
    simnet_negotiate(net, a, b, false);
    run_for(net, 10 * SEC);
    assert_connected(a);
    before = simnode_counters(a)->timeouts;
    run_for(net, 60 * SEC);
    assert_true(simnode_counters(a)->timeouts - before < 60); /* consent and reports */
    print_message("           time-outs a second: %llu while talking\n", (unsigned long long)busy);
    simnet_free(net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_allocation_fails),
        cmocka_unit_test(each_allocation_of_layers_fails),
        cmocka_unit_test(each_allocation_of_everything_fails),
        cmocka_unit_test(events_are_for_doing_things),
        cmocka_unit_test(dtls_anew_within_dtls),
        cmocka_unit_test(sending_within_send),
        cmocka_unit_test(strangers_change_nothing),
        cmocka_unit_test(strangers_before_the_handshake),
        cmocka_unit_test(time_stamps_fall_back),
        cmocka_unit_test(clock_does_not_fall),
        cmocka_unit_test(time_outs_are_few),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
