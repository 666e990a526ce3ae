/* Media of whole peers: many tracks, sections used again, forwarding, bottlenecks, and figures of
 * both ends that agree. */
#include "base/mem.h"
#include "media/vp8.h"
#include "peer/peer_int.h"
#include "peer/rtcp/rtcp.h"
#include "peer/rtp/rtp.h"
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

#define MEMORY_MAX 22000 /* bytes of a peer with audio and video, without DTLS */

static struct pair bare_pair(uint64_t seed, const struct sq_peer_config *ca,
                             const struct sq_peer_config *cb)
{
    static const struct sq_peer_config plain = {0};
    struct simnet *net = simnet_new(seed, 2);
    return (struct pair){net, simnet_add(net, ca ? ca : &plain, false, NULL, NULL),
                         simnet_add(net, cb ? cb : &plain, false, NULL, NULL)};
}

/* ---- Figures ---- */

static void assert_agree(struct sq_outbound_stats out, struct sq_inbound_stats in, bool video)
{
    assert_int_equal(in.ssrc, out.ssrc);
    assert_int_equal(in.packets_received, out.packets_sent);
    assert_int_equal(in.packets_lost, 0);
    assert_int_equal(in.bytes_received, out.bytes_sent);
    assert_int_equal(in.header_bytes_received, out.header_bytes_sent);
    if (video) {
        assert_int_equal(in.frames_received, out.frames_sent);
        assert_int_equal(in.frames_decoded, out.frames_sent);
        assert_int_equal(in.key_frames_decoded, out.key_frames_sent);
        assert_int_equal(in.frames_dropped, 0);
        assert_true(fabs(in.frames_per_second - 25) < 1.1);
    }
}

/* What one side has sent by now is what the other has received when the link's delay is over. */
static void ends_agree(const struct sq_peer_config *config)
{
    struct pair p = make_pair(50, config, config, false);
    simnode_link(p.a)->delay_ns = 30 * MS;
    simnode_link(p.b)->delay_ns = 70 * MS;
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 30 * SEC);
    for (int way = 0; way < 2; way++) {
        struct simnode *from = way ? p.b : p.a;
        struct simnode *to = way ? p.a : p.b;
        struct sq_outbound_stats audio = out_stats(p.net, from, 0);
        struct sq_outbound_stats video = out_stats(p.net, from, 1);
        struct sq_transport_stats transport = transport_stats(from);
        run_for(p.net, simnode_link(from)->delay_ns);
        assert_agree(audio, in_stats(p.net, to, 0), false);
        assert_agree(video, in_stats(p.net, to, 1), true);
        assert_int_equal(transport.packets_sent, transport_stats(to).packets_received);
        assert_int_equal(transport.bytes_sent, transport_stats(to).bytes_received);
        assert_true(fabs(audio.round_trip_time_s - 0.1) < 0.001);
        assert_true(fabs(video.round_trip_time_s - 0.1) < 0.001);
        assert_true(fabs(transport.current_round_trip_time_s - 0.1) < 1e-6);
        assert_int_equal(transport.srtp_errors + transport.discarded, 0);
    }
    simnet_free(p.net);
}

static void both_ends_agree(void **state)
{
    (void)state;
    ends_agree(NULL);
}

/* The same with extensions that only some packets have: abs-capture-time. */
static void both_ends_agree_on_larger_headers(void **state)
{
    (void)state;
    const struct sq_peer_config config = {.latency = true, .capture_time = true};
    ends_agree(&config);
}

/* Audio is not repaired: what the link loses is what both ends tell. */
static void loss_is_exact(void **state)
{
    (void)state;
    struct pair p = bare_pair(51, NULL, NULL);
    add(p.a, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    add(p.b, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 3 * SEC);
    simnode_link(p.a)->loss = 0.1;
    run_for(p.net, 60 * SEC);
    simnode_link(p.a)->loss = 0;
    run_for(p.net, 15 * SEC); /* two reports */
    struct sq_inbound_stats in = in_stats(p.net, p.b, 0);
    assert_int_equal(in.packets_lost, simnode_counters(p.a)->rtp_lost);
    assert_true(in.packets_lost > 200 && in.packets_lost < 400);
    assert_int_equal(in.packets_missing, in.packets_lost);
    assert_int_equal(out_stats(p.net, p.a, 0).remote_packets_lost, in.packets_lost);
    assert_true(out_stats(p.net, p.a, 0).remote_fraction_lost == 0);
    simnet_free(p.net);
}

/* 20 ms of audio at 70 bytes and more through 10 kbit/s: the queue fills, then each packet waits
 * as long as the queue is deep, and the rest is lost. */
static void a_bottleneck_shows(void **state)
{
    (void)state;
    struct pair p = bare_pair(52, NULL, NULL);
    add(p.a, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    add(p.b, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 3 * SEC);
    struct sq_inbound_stats before = in_stats(p.net, p.b, 0);
    struct simcounters link = *simnode_counters(p.a);
    simnode_link(p.a)->rate_bps = 16000;
    simnode_link(p.a)->queue_bytes = 2000; /* one second */
    run_for(p.net, 60 * SEC);
    struct sq_inbound_stats after = in_stats(p.net, p.b, 0);
    uint64_t got = after.packets_received - before.packets_received;
    uint64_t lost = simnode_counters(p.a)->rtp_lost - link.rtp_lost;
    /* The bottleneck is full: RTP with headers and tag, and some feedback, is its rate. */
    double bytes = (double)(after.bytes_received - before.bytes_received) +
                   (double)(after.header_bytes_received - before.header_bytes_received) +
                   16.0 * (double)got;
    assert_true(bytes * 8 / 60 > 0.7 * 16000 && bytes * 8 / 60 < 16000);
    assert_true(lost > 1000);
    /* Round trip: the queue's second and the links. */
    double rtt = out_stats(p.net, p.a, 0).round_trip_time_s;
    assert_true(rtt > 0.85 && rtt < 1.06);
    simnode_link(p.a)->rate_bps = 0;
    run_for(p.net, 2 * SEC);
    lost = simnode_counters(p.a)->rtp_lost - link.rtp_lost;
    assert_int_equal(in_stats(p.net, p.b, 0).packets_lost, lost);
    simnet_free(p.net);
}

static void same_seed_same_run(void **state)
{
    (void)state;
    struct sq_inbound_stats in[2];
    struct sq_outbound_stats out[2];
    struct simcounters links[2];
    for (int i = 0; i < 2; i++) {
        struct pair p = make_pair(53, NULL, NULL, false);
        simnet_negotiate(p.net, p.a, p.b, false);
        run_for(p.net, 3 * SEC);
        *simnode_link(p.a) = (struct simlink){
            .delay_ns = 20 * MS, .jitter_ns = 20 * MS, .reorder = true, .loss = 0.05};
        run_for(p.net, 20 * SEC);
        in[i] = in_stats(p.net, p.b, 1);
        out[i] = out_stats(p.net, p.a, 1);
        links[i] = *simnode_counters(p.a);
        simnet_free(p.net);
    }
    assert_memory_equal(&in[0], &in[1], sizeof(in[0]));
    assert_memory_equal(&out[0], &out[1], sizeof(out[0]));
    assert_memory_equal(&links[0], &links[1], sizeof(links[0]));
}

/* ---- Tracks ---- */

static void many_tracks(void **state)
{
    (void)state;
    enum { TRACKS = 40 };
    struct pair p = bare_pair(54, NULL, NULL);
    for (int i = 0; i < TRACKS; i++) {
        add(p.a, i % 4 ? SQ_MEDIA_AUDIO : SQ_MEDIA_VIDEO, SQ_DIR_SENDRECV);
        add(p.b, i % 4 ? SQ_MEDIA_AUDIO : SQ_MEDIA_VIDEO, SQ_DIR_SENDRECV);
    }
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 10 * SEC);
    assert_connected(p.a);
    for (size_t i = 0; i < TRACKS; i++) {
        struct sq_inbound_stats in = in_stats(p.net, p.b, i);
        assert_true(in.packets_received > 400);
        assert_int_equal(in.packets_lost, 0);
        assert_int_equal(in.ssrc, out_stats(p.net, p.a, i).ssrc);
        /* More than 31 blocks and more SRs than a compound holds: none is left out. */
        assert_true(in.remote_packets_sent > 0);
        assert_true(out_stats(p.net, p.a, i).round_trip_time_measurements > 2);
    }
    simnet_free(p.net);
}

static size_t count(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)) != NULL; at++) {
        n++;
    }
    return n;
}

static void sections_are_used_again(void **state)
{
    (void)state;
    struct pair p = make_pair(55, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    struct sq_track *last = sq_peer_track(simnode_peer(p.a), 1);
    for (int i = 0; i < 70; i++) { /* more often than a peer has places */
        assert_int_equal(sq_track_stop(last), 0);
        simnet_negotiate(p.net, p.a, p.b, false);
        run_for(p.net, 10 * MS);
        last = add(p.a, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
        simnet_negotiate(p.net, p.a, p.b, false);
        run_for(p.net, 10 * MS);
    }
    char why[SQ_PEER_TEXT_MAX];
    char *offer;
    assert_int_equal(sq_peer_create_offer(simnode_peer(p.a), simnet_now(p.net), false, &offer, why),
                     0);
    assert_int_equal(count(offer, "m=video"), 1);
    assert_int_equal(sq_peer_rollback(simnode_peer(p.a)), 0);
    sq_free(offer);
    run_for(p.net, 3 * SEC);
    struct sq_inbound_stats in;
    struct sq_track *track = sq_peer_track_by_mid(simnode_peer(p.b), sq_track_mid(last));
    sq_track_inbound_stats(track, simnet_now(p.net), &in);
    assert_true(in.frames_decoded > 60);
    assert_int_equal(in.freeze_count, 0);
    assert_true(in_stats(p.net, p.b, 0).packets_received > 200);
    simnet_free(p.net);
}

/* A description with lines of one kind left out. */
static char *without(const char *sdp, const char *start)
{
    char *out = calloc(1, strlen(sdp) + 1);
    assert_non_null(out);
    for (const char *at = sdp; *at;) {
        const char *end = strchr(at, '\n') + 1;
        if (strncmp(at, start, strlen(start)) != 0) {
            strncat(out, at, (size_t)(end - at));
        }
        at = end;
    }
    return out;
}

static void negotiate_without(struct pair *p, const char *start)
{
    char why[SQ_PEER_TEXT_MAX];
    char *offer = NULL;
    char *answer = NULL;
    uint64_t now = simnet_now(p->net);
    assert_int_equal(sq_peer_create_offer(simnode_peer(p->a), now, false, &offer, why), 0);
    char *less = without(offer, start);
    assert_int_equal(sq_peer_set_remote(simnode_peer(p->b), now, SQ_SDP_OFFER, less, why), 0);
    free(less);
    assert_int_equal(sq_peer_create_answer(simnode_peer(p->b), now, &answer, why), 0);
    less = without(answer, start);
    assert_int_equal(sq_peer_set_remote(simnode_peer(p->a), now, SQ_SDP_ANSWER, less, why), 0);
    free(less);
    sq_free(offer);
    sq_free(answer);
}

/* Streams without a=ssrc are told apart by MID; without that, by payload type. */
static void streams_that_no_sdp_names(void **state)
{
    (void)state;
    struct pair p = make_pair(56, NULL, NULL, false);
    add_both(p.a);
    add_both(p.b);
    negotiate_without(&p, "a=ssrc");
    run_for(p.net, 4 * SEC);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(in_stats(p.net, p.b, i).ssrc, out_stats(p.net, p.a, i).ssrc);
        assert_true(in_stats(p.net, p.b, i).packets_received > 120);
        assert_int_equal(in_stats(p.net, p.b, i).packets_lost, 0);
    }
    /* A renegotiation forgets nothing. */
    negotiate_without(&p, "a=ssrc");
    run_for(p.net, SEC);
    assert_int_equal(transport_stats(p.b).discarded, 0);
    simnet_free(p.net);
}

/* ---- A forwarder ---- */

enum { VIEWERS = 3, RING = 1024 };

struct kept {
    uint32_t number;
    bool marker;
    size_t len;
    uint8_t bytes[1300];
};

struct forwarder {
    struct simnet *net;
    struct simnode *in, *out[VIEWERS];
    struct sq_track *to[VIEWERS];
    struct kept ring[RING];
    uint32_t next;
    unsigned resent[VIEWERS], keys_asked;
};

static void forward(void *ctx, struct sq_track *track, const struct sq_rtp_packet *packet,
                    const struct sq_rtp_exts *exts, uint64_t now_ns)
{
    struct forwarder *f = simnode_ctx(ctx);
    (void)track;
    (void)exts;
    uint32_t number = f->next++;
    struct kept *kept = &f->ring[number % RING];
    assert_true(packet->payload_bytes <= sizeof(kept->bytes));
    *kept = (struct kept){.number = number, .marker = packet->marker, .len = packet->payload_bytes};
    memcpy(kept->bytes, packet->payload, packet->payload_bytes);
    for (size_t i = 0; i < VIEWERS; i++) {
        const struct sq_rtp_out out = {.timestamp = packet->ts,
                                       .marker = packet->marker,
                                       .explicit_seq = true,
                                       .seq = packet->seq,
                                       .cookie = number,
                                       .payload = packet->payload,
                                       .payload_len = packet->payload_bytes};
        (void)!sq_track_send(f->to[i], now_ns, &out); /* before it is connected: nothing */
    }
}

static bool send_again(void *ctx, struct sq_track *track, uint32_t cookie,
                       struct sq_rtp_out *ret_out)
{
    struct forwarder *f = simnode_ctx(ctx);
    const struct kept *kept = &f->ring[cookie % RING];
    if (kept->number != cookie) {
        return false;
    }
    unsigned *resent = sq_track_user(track);
    (*resent)++;
    *ret_out = (struct sq_rtp_out){
        .marker = kept->marker, .payload = kept->bytes, .payload_len = kept->len};
    return true;
}

static void pass_key_frame_request(void *ctx, struct simnode *node,
                                   const struct sq_peer_event *event)
{
    struct forwarder *f = ctx;
    (void)node;
    if (event->type == SQ_PEER_EV_KEY_FRAME_REQUEST) {
        f->keys_asked++;
        sq_track_request_key_frame(sq_peer_track(simnode_peer(f->in), 0), event->now_ns);
    }
}

static uint64_t timeouts_in(struct simnet *net, struct simnode *node, uint64_t ns)
{
    uint64_t before = simnode_counters(node)->timeouts;
    run_for(net, ns);
    return simnode_counters(node)->timeouts - before;
}

static void forwarding(void **state)
{
    (void)state;
    struct forwarder *f = calloc(1, sizeof(*f));
    assert_non_null(f);
    const struct sq_peer_config plain = {0};
    const struct sq_peer_config server = {.forward_only = true};
    const struct sq_peer_ops in_ops = {.rtp = forward};
    const struct sq_peer_ops out_ops = {.resend = send_again};
    struct simnode *viewers[VIEWERS];
    f->net = simnet_new(60, 2 + 2 * VIEWERS);
    struct simnode *publisher = simnet_add(f->net, &plain, false, NULL, NULL);
    add(publisher, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
    f->in = simnet_try_add(f->net, &server, &in_ops, NULL, f);
    for (size_t i = 0; i < VIEWERS; i++) {
        f->out[i] = simnet_try_add(f->net, &server, &out_ops, pass_key_frame_request, f);
        assert_int_equal(sq_peer_add_track(simnode_peer(f->out[i]), SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY,
                                           NULL, &f->to[i]),
                         0);
        sq_track_set_user(f->to[i], &f->resent[i]);
        viewers[i] = simnet_add(f->net, &plain, false, NULL, NULL);
        simnet_negotiate(f->net, f->out[i], viewers[i], false);
    }
    run_for(f->net, SEC);
    simnet_negotiate(f->net, publisher, f->in, false);
    run_for(f->net, 3 * SEC);
    simnode_link(f->out[2])->loss = 0.08;
    run_for(f->net, 20 * SEC);
    simnode_link(f->out[2])->loss = 0;
    run_for(f->net, 2 * SEC);
    struct sq_inbound_stats good = in_stats(f->net, viewers[0], 0);
    struct sq_inbound_stats bad = in_stats(f->net, viewers[2], 0);
    assert_int_equal(good.packets_missing, 0);
    assert_int_equal(f->resent[0] + f->resent[1], 0);
    /* The lossy leg is repaired from the ring, and loses what no one could mend. */
    assert_true(bad.packets_missing > 100);
    assert_true(bad.packets_repaired + 5 >= bad.packets_missing);
    assert_int_equal(out_stats(f->net, f->out[2], 0).retransmitted_packets_sent, f->resent[2]);
    assert_int_equal(good.frames_decoded, good.frames_received);
    assert_true(bad.frames_decoded + 3 >= good.frames_decoded);
    /* Nothing is played or asked for by the forwarder itself. */
    assert_int_equal(in_stats(f->net, f->in, 0).frames_decoded, 0);
    assert_true(in_stats(f->net, f->in, 0).packets_received > 1000);
    unsigned asked = f->keys_asked;
    simnode_link(f->out[1])->cut = true; /* longer than NACK bridges */
    run_for(f->net, 12 * SEC);
    simnode_link(f->out[1])->cut = false;
    uint64_t keys = out_stats(f->net, publisher, 0).key_frames_sent;
    run_for(f->net, 2 * SEC);
    assert_true(f->keys_asked > asked);
    assert_true(out_stats(f->net, publisher, 0).key_frames_sent > keys);
    uint64_t frames = in_stats(f->net, viewers[1], 0).frames_decoded;
    run_for(f->net, 2 * SEC);
    assert_true(in_stats(f->net, viewers[1], 0).frames_decoded >= frames + 45);
    assert_int_equal(in_stats(f->net, viewers[0], 0).freeze_count, 0);
    /* More is lost on the way in than can be asked for: the forwarder is not busy with it after. */
    uint64_t calm = timeouts_in(f->net, f->in, 10 * SEC);
    simnode_link(publisher)->cut = true;
    run_for(f->net, 15 * SEC);
    simnode_link(publisher)->cut = false;
    run_for(f->net, 5 * SEC);
    assert_true(timeouts_in(f->net, f->in, 10 * SEC) <= calm + 10);
    simnet_free(f->net);
    free(f);
}

/* ---- Sent again ---- */

struct wiretap {
    struct simnode *from;
    size_t len[65536];
    uint64_t sum[65536];
    unsigned twice, differ;
};

static void compare(void *ctx, struct simnode *from, const struct sq_dgram *dgram)
{
    struct wiretap *w = ctx;
    if (from != w->from || sq_packet_kind(dgram->buf, dgram->len) != SQ_PACKET_RTP) {
        return;
    }
    uint16_t seq = sq_rtp_peek_seq(dgram->buf);
    uint64_t sum = 14695981039346656037U; /* FNV-1a */
    for (size_t i = 0; i < dgram->len; i++) {
        sum = (sum ^ dgram->buf[i]) * 1099511628211U;
    }
    if (w->len[seq]) {
        w->twice++;
        w->differ += w->len[seq] != dgram->len || w->sum[seq] != sum;
    }
    w->len[seq] = dgram->len;
    w->sum[seq] = sum;
}

/* RFC 7714, section 8.4: one nonce, one text. */
static void sent_again_to_the_last_bit(void **state)
{
    (void)state;
    struct simnet *net = simnet_new(62, 2);
    struct wiretap *w = calloc(1, sizeof(*w));
    assert_non_null(w);
    const struct sq_peer_config plain = {0};
    w->from = simnet_add(net, &plain, false, NULL, NULL);
    struct simnode *b = simnet_add(net, &plain, false, NULL, NULL);
    struct sq_track *track = add(w->from, SQ_MEDIA_VIDEO, SQ_DIR_SENDONLY);
    /* Without RTX, which sends again with numbers of its own. */
    assert_int_equal(
        sq_jsep_set_codecs(track->peer->jsep, track->jsep, SQ_JSEP_ROW(SQ_JSEP_VP8), NULL, 0), 0);
    simnet_set_tap(net, compare, w);
    simnet_negotiate(net, w->from, b, false);
    simnode_link(w->from)->loss = 0.1;
    run_for(net, 30 * SEC);
    assert_true(w->twice > 100);
    assert_int_equal(w->twice, out_stats(net, w->from, 0).retransmitted_packets_sent);
    assert_int_equal(w->differ, 0);
    free(w);
    simnet_free(net);
}

/* ---- Memory ---- */

static size_t sum_of_senders(const struct sq_peer *peer)
{
    size_t bytes = 0;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        const struct sq_track_tx *tx = peer->tracks[i]->tx;
        bytes += sq_track_tx_bytes(tx->n);
        for (size_t k = 0; k < tx->n; k++) {
            const struct sq_encoding *e = &tx->encodings[k];
            bytes += e->rtp.history_room * (sizeof(struct sq_rtp_history_entry) + 2) +
                     (e->sent_exts ? e->rtp.history_room * sizeof(struct sq_sent_exts) : 0);
        }
    }
    return bytes;
}

static size_t sum_of_peer(const struct sq_peer *peer)
{
    size_t small = sizeof(*peer) + peer->tracks_room * sizeof(void *) +
                   peer->tracks_len * sizeof(struct sq_track) +
                   peer->ssrcs_room * sizeof(struct sq_ssrc_entry);
    size_t ice = sq_ice_memory_bytes(peer->ice);
    size_t jsep = sq_jsep_memory_bytes(peer->jsep);
    size_t srtp = sq_srtp_memory_bytes(peer->srtp);
    size_t tx = sum_of_senders(peer);
    size_t rx = 0;
    for (size_t i = 0; i < peer->tracks_len; i++) {
        rx += sq_track_rx_bytes(peer->tracks[i]);
    }
    size_t twcc = sizeof(*peer->twcc_log) + (size_t)peer->twcc_log->room * 8 +
                  sizeof(*peer->twcc_recorder) + peer->twcc_recorder->room * sizeof(uint32_t);
    print_message("           peer %zu, ICE %zu, JSEP %zu, SRTP %zu, senders %zu, receivers %zu, "
                  "transport-cc %zu\n",
                  small, ice, jsep, srtp, tx, rx, twcc);
    return small + ice + jsep + srtp + tx + rx + twcc;
}

static void memory_of_a_peer(void **state)
{
    (void)state;
    struct pair p = make_pair(63, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 10 * SEC);
    size_t bytes = sum_of_peer(simnode_peer(p.a));
    print_message("           audio and video both ways: %zu bytes a peer without DTLS\n", bytes);
    assert_true(bytes < MEMORY_MAX);
    simnet_free(p.net);
}

/* ---- A source that changes ---- */

static void ssrc_changes(void **state)
{
    (void)state;
    struct pair p = make_pair(61, NULL, NULL, false);
    simnode_link(p.a)->jitter_ns = 60 * MS; /* old and new packets overtake each other */
    simnode_link(p.a)->reorder = true;
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 5 * SEC);
    uint64_t early = transport_stats(p.b).discarded; /* media that overtook the handshake */
    for (int i = 0; i < 5; i++) {
        struct sq_inbound_stats before = in_stats(p.net, p.b, 1);
        change_ssrc(sq_peer_track(simnode_peer(p.a), 0));
        change_ssrc(sq_peer_track(simnode_peer(p.a), 1));
        run_for(p.net, 5 * SEC);
        struct sq_inbound_stats video = in_stats(p.net, p.b, 1);
        assert_int_equal(video.ssrc, out_stats(p.net, p.a, 1).ssrc);
        /* A PLI brings a key frame at once: what lies between is not much. */
        assert_true(video.frames_decoded > before.frames_decoded + 105);
        /* Those still under way at the report: 60 ms, with a burst of a key frame. */
        assert_true(out_stats(p.net, p.a, 1).remote_packets_lost <= 20);
    }
    for (size_t i = 0; i < 2; i++) {
        struct sq_inbound_stats in = in_stats(p.net, p.b, i);
        struct sq_outbound_stats out = out_stats(p.net, p.a, i);
        uint64_t leftover = transport_stats(p.b).discarded - early;
        assert_true(leftover > 0 && leftover < 60);
        /* What overtook others was asked for again, and came by RTX or as a duplicate. */
        uint64_t sent = out.packets_sent - out.retransmitted_packets_sent;
        uint64_t received = in.packets_received - in.retransmitted_packets_received;
        assert_true(received + leftover + 25 >= sent);
        assert_true(received <= sent);
        int64_t gone = in.packets_lost - (int64_t)in.packets_repaired;
        assert_true(gone <= (int64_t)leftover);
    }
    simnet_free(p.net);
}

/* A total never falls. (SRTP's replay check stands before the window of the stream: what comes
 * behind that is put into the books by hand.) */
static void discarded_over_a_change_of_ssrc(void **state)
{
    (void)state;
    struct pair p = make_pair(64, NULL, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    sq_peer_track(simnode_peer(p.b), 0)->rx->rtp.packets_too_old += 3;
    uint64_t before = in_stats(p.net, p.b, 0).packets_discarded;
    assert_true(before >= 3);
    for (int i = 0; i < 2; i++) {
        change_ssrc(sq_peer_track(simnode_peer(p.a), 0));
        run_for(p.net, SEC);
        assert_true(in_stats(p.net, p.b, 0).packets_discarded >= before);
    }
    simnet_free(p.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(both_ends_agree),
        cmocka_unit_test(both_ends_agree_on_larger_headers),
        cmocka_unit_test(loss_is_exact),
        cmocka_unit_test(a_bottleneck_shows),
        cmocka_unit_test(same_seed_same_run),
        cmocka_unit_test(many_tracks),
        cmocka_unit_test(sections_are_used_again),
        cmocka_unit_test(streams_that_no_sdp_names),
        cmocka_unit_test(forwarding),
        cmocka_unit_test(sent_again_to_the_last_bit),
        cmocka_unit_test(memory_of_a_peer),
        cmocka_unit_test(ssrc_changes),
        cmocka_unit_test(discarded_over_a_change_of_ssrc),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
