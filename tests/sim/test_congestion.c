/* Whole peers through a bottleneck: what the sender of a clip makes of the estimate. Half a round
 * trip is 50 ms, the queue 300 ms. Two tests write their seconds to files, of which
 * tools/plot-bwe.py draws the picture in docs/congestion-control.md (and sim/plot holds it). */
#include "base/mem.h"
#include "peer/peer_int.h"
#include "sim/simcall.h"
#include <inttypes.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static const struct sq_peer_config gcc = {.bwe = {.mode = SQ_BWE_GCC}};

static void set_link(struct simnode *node, uint64_t bps)
{
    struct simlink *link = simnode_link(node);
    link->delay_ns = 50 * MS;
    link->rate_bps = bps;
    link->queue_bytes = bps * 3 / 80;
}

/* a sends and b answers over a link of its own. */
static struct pair connect_pair(struct simnet *net, uint64_t bps)
{
    struct pair p = pair_on(net, &gcc, &gcc, false);
    simnode_trickle_to(p.a, p.b);
    simnode_trickle_to(p.b, p.a);
    set_link(p.a, bps);
    set_link(p.b, 0);
    simnet_negotiate(net, p.a, p.b, false);
    return p;
}

static struct sq_peer_bwe_stats bwe_of(struct simnet *net, struct simnode *node)
{
    struct sq_peer_bwe_stats s;
    sq_peer_bwe_stats(simnode_peer(node), simnet_now(net), &s);
    return s;
}

/* A second of one sender. */
struct second {
    double estimate, sent, video, frames;
    uint64_t freezes;
};

struct watch {
    struct pair p;
    uint64_t sent, frames;
};

static struct second watch(struct watch *w)
{
    struct simnet *net = w->p.net;
    run_for(net, SEC);
    uint64_t sent = transport_stats(w->p.a).bytes_sent;
    struct sq_inbound_stats in = in_stats(net, w->p.b, 1);
    struct sq_peer_bwe_stats bwe = bwe_of(net, w->p.a);
    const struct second s = {
        .estimate = (double)bwe.estimate_bps,
        .sent = (double)(sent - w->sent) * 8,
        .video = (double)bwe.video_target_bps,
        .frames = (double)(in.frames_decoded - w->frames),
        .freezes = in.freeze_count,
    };
    w->sent = sent;
    w->frames = in.frames_decoded;
    return s;
}

/* Of so many seconds. */
struct span {
    double estimate, estimate_least, estimate_most, sent, frames_least;
    uint64_t freezes;
};

static struct span watch_for(struct watch *w, unsigned seconds, FILE *series, unsigned from)
{
    struct span sum = {.estimate_least = 1e12, .frames_least = 1e12};
    for (unsigned i = 0; i < seconds; i++) {
        struct second s = watch(w);
        sum.estimate += s.estimate / seconds;
        sum.sent += s.sent / seconds;
        sum.estimate_least = s.estimate < sum.estimate_least ? s.estimate : sum.estimate_least;
        sum.estimate_most = s.estimate > sum.estimate_most ? s.estimate : sum.estimate_most;
        sum.frames_least = s.frames < sum.frames_least ? s.frames : sum.frames_least;
        sum.freezes = s.freezes;
        if (series) {
            fprintf(series, "%u,%.0f,%.0f,%.0f,%llu\n", from + i + 1, s.estimate / 1e3,
                    s.sent / 1e3, s.video / 1e3,
                    (unsigned long long)simnode_link(w->p.a)->rate_bps / 1000);
        }
    }
    return sum;
}

static void settles_and_recovers(void **state)
{
    (void)state;
    FILE *series = fopen(SQ_BINARY_DIR "/bwe-squall.csv", "we");
    struct watch w = {.p = connect_pair(simnet_new(1, 2), 500000)};
    assert_non_null(series);
    fprintf(series, "second,estimate,sent,video,link\n");
    watch_for(&w, 10, series, 0);
    struct span s = watch_for(&w, 30, series, 10);
    assert_true(s.estimate_least >= 0.6 * 500e3);
    assert_true(s.estimate_most <= 1.1 * 500e3); /* the overshoot that finds the limit */
    assert_true(s.estimate >= 0.65 * 500e3 && s.estimate <= 500e3);
    assert_true(s.sent >= 0.6 * 500e3 && s.sent <= 500e3);
    assert_true(s.frames_least >= 10);
    assert_int_equal(s.freezes, 0);
    assert_int_equal(simnode_counters(w.p.a)->dropped_at_queue, 0);
    set_link(w.p.a, 3000000);
    unsigned full = 0;
    for (unsigned i = 0; i < 40; i++) {
        watch_for(&w, 1, series, 40 + i);
        full = !full && !bwe_of(w.p.net, w.p.a).limited ? i + 1 : full;
    }
    print_message("           the clip's best rate again %u s after the link opened\n", full);
    assert_in_range(full, 1, 30);
    assert_false(bwe_of(w.p.net, w.p.a).limited);
    fclose(series);
    simnet_free(w.p.net);
}

static void a_wide_link_costs_nothing(void **state)
{
    (void)state;
    struct watch w = {.p = connect_pair(simnet_new(2, 2), 0)};
    watch_for(&w, 3, NULL, 0);
    uint32_t changes = bwe_of(w.p.net, w.p.a).limit_changes;
    assert_false(bwe_of(w.p.net, w.p.a).limited);
    struct span s = watch_for(&w, 20, NULL, 3);
    struct sq_peer_bwe_stats bwe = bwe_of(w.p.net, w.p.a);
    assert_int_equal(bwe.limit_changes, changes);
    assert_true(bwe.limited_s < 3);
    assert_true(s.frames_least >= 24);
    assert_int_equal(s.freezes, 0);
    struct sq_outbound_stats out = out_stats(w.p.net, w.p.a, 1);
    assert_int_equal(out.target_bps, bwe.video_target_bps);
    simnet_free(w.p.net);
}

static void random_loss_is_no_congestion(void **state)
{
    (void)state;
    struct watch w = {.p = connect_pair(simnet_new(3, 2), 3000000)};
    simnode_link(w.p.a)->loss = 0.01;
    watch_for(&w, 10, NULL, 0);
    struct span s = watch_for(&w, 30, NULL, 10);
    assert_false(bwe_of(w.p.net, w.p.a).limited);
    assert_true(s.estimate_least > 1000e3);
    simnet_free(w.p.net);
}

static void yields_to_heavy_loss(void **state)
{
    (void)state;
    double estimate[2];
    for (int i = 0; i < 2; i++) {
        struct watch w = {.p = connect_pair(simnet_new(4, 2), 5000000)};
        simnode_link(w.p.a)->loss = i ? 0.2 : 0;
        watch_for(&w, 20, NULL, 0);
        estimate[i] = watch_for(&w, 20, NULL, 20).estimate;
        simnet_free(w.p.net);
    }
    print_message("           %.0f kbit/s without loss, %.0f with 20 %%\n", estimate[0] / 1e3,
                  estimate[1] / 1e3);
    assert_true(estimate[1] < 0.7 * estimate[0]);
}

/* What both have sent, and their estimates, of each second. The second one may not be there yet. */
static void watch_both(struct simnet *net, struct watch both[2], unsigned from, unsigned to,
                       FILE *series)
{
    for (unsigned i = from; i < to; i++) {
        run_for(net, SEC);
        if (!series) {
            continue;
        }
        fprintf(series, "%u", i + 1);
        for (size_t k = 0; k < 2; k++) {
            if (!both[k].p.a) {
                fputs(",,", series);
                continue;
            }
            uint64_t sent = transport_stats(both[k].p.a).bytes_sent;
            fprintf(series, ",%.0f,%.0f", (double)bwe_of(net, both[k].p.a).estimate_bps / 1e3,
                    (double)(sent - both[k].sent) * 8 / 1e3);
            both[k].sent = sent;
        }
        fprintf(series, ",1000\n");
    }
}

/* Of what two senders get in the last 30 of 60 s when the second one comes `late_s` later. */
static double share(uint64_t seed, unsigned late_s, FILE *series)
{
    uint64_t busy_ns = 0;
    struct simnet *net = simnet_new(seed, 4);
    struct watch both[2] = {{.p = connect_pair(net, 1000000)}};
    simnode_link(both[0].p.a)->shared = &busy_ns;
    watch_both(net, both, 0, late_s, series);
    both[1].p = connect_pair(net, 1000000);
    simnode_link(both[1].p.a)->shared = &busy_ns;
    watch_both(net, both, late_s, 30, series);
    double before[2] = {(double)transport_stats(both[0].p.a).bytes_sent,
                        (double)transport_stats(both[1].p.a).bytes_sent};
    watch_both(net, both, 30, 60, series);
    double x = (double)transport_stats(both[0].p.a).bytes_sent - before[0];
    double y = (double)transport_stats(both[1].p.a).bytes_sent - before[1];
    double jain = (x + y) * (x + y) / (2 * (x * x + y * y));
    print_message("           %.0f and %.0f kbit/s, Jain's index %.3f\n", x * 8 / 30e3,
                  y * 8 / 30e3, jain);
    assert_true((x + y) * 8 / 30 > 0.6 * 1e6);
    assert_true((x + y) * 8 / 30 < 1.05 * 1e6);
    simnet_free(net);
    return jain;
}

#define DRAWN 2 /* the second sender comes 10 s after the first */

static void two_senders_share(void **state)
{
    (void)state;
    double sum = 0;
    double least = 1;
    FILE *series = fopen(SQ_BINARY_DIR "/bwe-share.csv", "we");
    assert_non_null(series);
    fprintf(series, "second,estimate,sent,estimate2,sent2,link\n");
    for (unsigned i = 0; i < 9; i++) {
        double jain = share(20 + i, i % 3 * 5, i == DRAWN ? series : NULL);
        sum += jain;
        least = jain < least ? jain : least;
    }
    fclose(series);
    assert_true(sum / 9 >= 0.9);
    assert_true(least >= 0.8);
}

static void jitter_is_no_congestion(void **state)
{
    (void)state;
    struct watch w = {.p = connect_pair(simnet_new(6, 2), 3000000)};
    simnode_link(w.p.a)->jitter_ns = 20 * MS;
    watch_for(&w, 10, NULL, 0);
    struct span s = watch_for(&w, 30, NULL, 10);
    assert_true(s.estimate > 1000e3);
    assert_true(s.estimate_least > 500e3);
    simnet_free(w.p.net);
}

/* What a flow beside ours leaves: 900 and 400 kbit/s in turns of 15 s. */
static void follows_what_is_left(void **state)
{
    (void)state;
    struct watch w = {.p = connect_pair(simnet_new(7, 2), 900000)};
    for (unsigned i = 0; i < 4; i++) {
        double bps = i % 2 ? 400e3 : 900e3;
        set_link(w.p.a, (uint64_t)bps);
        watch_for(&w, 10, NULL, 0);
        struct span s = watch_for(&w, 5, NULL, 0);
        assert_true(s.estimate < 1.1 * bps);
        assert_true(s.estimate > (i == 2 ? 0.4 : 0.6) * bps); /* it rises by 8 % a second */
    }
    simnet_free(w.p.net);
}

static void a_fixed_rate_is_one_step(void **state)
{
    (void)state;
    const struct sq_peer_config fixed = {.bwe = {.mode = SQ_BWE_FIXED, .fixed_bps = 400000}};
    struct pair p = make_pair(8, &fixed, NULL, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 5 * SEC);
    struct sq_peer_bwe_stats bwe = bwe_of(p.net, p.a);
    uint64_t before = transport_stats(p.a).bytes_sent;
    assert_in_range(bwe.video_target_bps, 150000, 340000);
    assert_int_equal(bwe.estimate_bps, 0);
    run_for(p.net, 20 * SEC);
    double bps = (double)(transport_stats(p.a).bytes_sent - before) * 8 / 20;
    assert_true(bps > 0.5 * 400e3 && bps <= 400e3);
    assert_int_equal(bwe_of(p.net, p.a).video_target_bps, bwe.video_target_bps);
    /* And the other side, which has none, sends its clip's best. */
    assert_int_equal(bwe_of(p.net, p.b).video_target_bps, 0);
    assert_int_equal(in_stats(p.net, p.a, 1).frame_width, 640);
    simnet_free(p.net);
}

/* What of video left for the first time, in bit/s of payload over ten seconds. */
static double media_bps(struct simnet *net, struct simnode *node,
                        struct sq_outbound_stats *ret_last)
{
    struct sq_outbound_stats was = out_stats(net, node, 1);
    run_for(net, 10 * SEC);
    struct sq_outbound_stats is = out_stats(net, node, 1);
    uint64_t again = is.retransmitted_bytes_sent - was.retransmitted_bytes_sent;
    uint64_t filled = is.padding_payload_sent - was.padding_payload_sent;
    is.frames_sent -= was.frames_sent;
    *ret_last = is;
    return (double)(is.bytes_sent - was.bytes_sent - again - filled) * 8 / 10;
}

/* Constant load is constant: half of what is sent is lost in a bottleneck, and as much is sent. */
static void a_constant_load_stays(void **state)
{
    static const struct sq_peer_config configs[] = {
        {.bwe = {.mode = SQ_BWE_OFF}},
        {.bwe = {.mode = SQ_BWE_FIXED, .fixed_bps = 1200000}},
    };
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        double bps[2];
        struct sq_outbound_stats last[2];
        for (int narrow = 0; narrow < 2; narrow++) {
            struct pair p = make_pair(12 + i, &configs[i], NULL, false);
            simnet_negotiate(p.net, p.a, p.b, false);
            set_link(p.a, narrow ? 500000 : 0);
            set_link(p.b, 0);
            run_for(p.net, 5 * SEC);
            bps[narrow] = media_bps(p.net, p.a, &last[narrow]);
            assert_true(narrow == (simnode_counters(p.a)->dropped_at_queue > 0));
            assert_int_equal(last[narrow].frame_width, 640);
            assert_in_range(last[narrow].frames_sent, 248, 252);
            simnet_free(p.net);
        }
        print_message("           %s: %.0f kbit/s of video, %.0f into 500 kbit/s; %llu key frames "
                      "asked for\n",
                      i ? "fixed" : "off", bps[0] / 1e3, bps[1] / 1e3,
                      (unsigned long long)last[1].pli_count);
        assert_true(bps[0] > 900e3 && bps[1] > 0.9 * bps[0]);
    }
}

/* A server without transport-wide feedback: its REMB is the limit. */
static void remb_where_there_is_no_feedback(void **state)
{
    (void)state;
    const struct sq_peer_config says = {.remb_bps = 600000};
    char why[SQ_PEER_TEXT_MAX];
    char *offer;
    char *answer;
    struct pair p = make_pair(9, &gcc, &says, false);
    struct sq_peer *a = simnode_peer(p.a);
    struct sq_peer *b = simnode_peer(p.b);
    simnode_trickle_to(p.a, p.b);
    simnode_trickle_to(p.b, p.a);
    uint64_t now_ns = simnet_now(p.net);
    assert_int_equal(sq_peer_create_offer(a, now_ns, false, &offer, why), 0);
    without_lines(offer, "transport-cc");
    without_lines(offer, "transport-wide-cc");
    assert_int_equal(sq_peer_set_remote(b, now_ns, SQ_SDP_OFFER, offer, why), 0);
    assert_int_equal(sq_peer_create_answer(b, now_ns, &answer, why), 0);
    assert_int_equal(sq_peer_set_remote(a, now_ns, SQ_SDP_ANSWER, answer, why), 0);
    sq_free(offer);
    sq_free(answer);
    run_for(p.net, 20 * SEC);
    assert_connected(p.a);
    struct sq_peer_bwe_stats bwe = bwe_of(p.net, p.a);
    assert_int_equal(bwe.estimate_bps, 600000);
    assert_true(bwe.limited);
    assert_in_range(bwe.video_target_bps, 200000, 540000);
    simnet_free(p.net);
}

/* Puts a line into the section of video. */
static char *with_bandwidth(const char *sdp, const char *line)
{
    const char *video = strstr(sdp, "m=video");
    const char *at = video ? strstr(video, "c=IN") : NULL;
    assert_non_null(at);
    at = strstr(at, "\r\n") + 2;
    size_t room = strlen(sdp) + strlen(line) + 3;
    char *out = malloc(room);
    assert_non_null(out);
    (void)snprintf(out, room, "%.*s%s\r\n%s", (int)(at - sdp), sdp, line, at);
    return out;
}

/* RFC 8866, section 5.8: what the other side wants at most, on a link that carries more. */
static void the_other_sides_bandwidth_is_a_limit(void **state)
{
    (void)state;
    const char *lines[] = {"b=AS:700", "b=TIAS:700000"};
    for (size_t i = 0; i < 2; i++) {
        struct pair p = make_pair(10, &gcc, &gcc, false);
        struct sq_peer *a = simnode_peer(p.a);
        struct sq_peer *b = simnode_peer(p.b);
        char why[SQ_PEER_TEXT_MAX];
        char *offer;
        char *answer;
        set_link(p.a, 10000000);
        uint64_t now_ns = simnet_now(p.net);
        assert_int_equal(sq_peer_create_offer(a, now_ns, false, &offer, why), 0);
        assert_int_equal(sq_peer_set_remote(b, now_ns, SQ_SDP_OFFER, offer, why), 0);
        assert_int_equal(sq_peer_create_answer(b, now_ns, &answer, why), 0);
        char *limited = with_bandwidth(answer, lines[i]);
        assert_int_equal(sq_peer_set_remote(a, now_ns, SQ_SDP_ANSWER, limited, why), 0);
        sq_free(offer);
        sq_free(answer);
        free(limited);
        run_for(p.net, 20 * SEC);
        uint64_t before = transport_stats(p.a).bytes_sent;
        uint64_t back = transport_stats(p.b).bytes_sent;
        uint64_t video = out_stats(p.net, p.a, 1).bytes_sent;
        run_for(p.net, 10 * SEC);
        double sent = (double)(transport_stats(p.a).bytes_sent - before) * 0.8;
        video = out_stats(p.net, p.a, 1).bytes_sent - video;
        print_message("           %s: %.0f kbit/s sent, %.0f of video\n", lines[i], sent / 1e3,
                      (double)video * 0.8 / 1e3);
        assert_in_range(video * 0.8, 200000, 700000);
        assert_true(sent <= 700e3 + 100e3); /* with sound and reports */
        /* It is a limit of one way. */
        assert_true((double)(transport_stats(p.b).bytes_sent - back) * 0.8 > 1000e3);
        simnet_free(p.net);
    }
}

/* Nobody says what the way carries but the receiver: by abs-send-time, or by time-stamps alone. */
static void remb_of_what_is_measured(void **state)
{
    (void)state;
    static const char *const without[] = {"no such line", "abs-send-time"};
    for (size_t i = 0; i < 2; i++) {
        char why[SQ_PEER_TEXT_MAX];
        char *offer;
        char *answer;
        struct pair p = make_pair(20 + i, &gcc, NULL, false);
        struct sq_peer *a = simnode_peer(p.a);
        struct sq_peer *b = simnode_peer(p.b);
        simnode_trickle_to(p.a, p.b);
        simnode_trickle_to(p.b, p.a);
        set_link(p.a, 500000);
        set_link(p.b, 0);
        uint64_t now_ns = simnet_now(p.net);
        assert_int_equal(sq_peer_create_offer(a, now_ns, false, &offer, why), 0);
        without_lines(offer, "transport-cc");
        without_lines(offer, "transport-wide-cc");
        without_lines(offer, without[i]);
        assert_int_equal(sq_peer_set_remote(b, now_ns, SQ_SDP_OFFER, offer, why), 0);
        assert_int_equal(sq_peer_create_answer(b, now_ns, &answer, why), 0);
        assert_int_equal(sq_peer_set_remote(a, now_ns, SQ_SDP_ANSWER, answer, why), 0);
        sq_free(offer);
        sq_free(answer);
        struct watch w = {.p = p};
        watch_for(&w, 15, NULL, 0);
        struct span s = watch_for(&w, 40, NULL, 0);
        print_message("           by REMB: estimate %.0f (%.0f to %.0f), sent %.0f, %llu freezes\n",
                      s.estimate, s.estimate_least, s.estimate_most, s.sent,
                      (unsigned long long)s.freezes);
        assert_true(s.sent >= 0.6 * 500e3 && s.sent <= 500e3);
        assert_true(s.estimate >= 0.6 * 500e3 && s.estimate <= 500e3);
        set_link(p.a, 3000000);
        watch_for(&w, 60, NULL, 0); /* by time-stamps the sender's pacing looks like delay */
        assert_false(bwe_of(p.net, p.a).limited);
        simnet_free(p.net);
    }
}

/* A rate far above what is needed: a frame, key frames too, leaves at one moment, so that it can go
 * in one segmented send. */
struct bursts {
    struct simnet *net;
    struct simnode *from;
    uint64_t at_ns;
    uint32_t timestamp;
    unsigned frames, cut;
};

static void on_dgram(void *ctx, struct simnode *from, const struct sq_dgram *d)
{
    struct bursts *b = ctx;
    bool rtcp = d->len > 1 && d->buf[1] >= 192 && d->buf[1] <= 223; /* RFC 5761, section 4 */
    bool rtp = d->len > 400 && d->buf[0] >> 6 == 2 && !rtcp;
    if (from != b->from || !rtp) {
        return;
    }
    uint32_t timestamp = (uint32_t)d->buf[4] << 24 | (uint32_t)d->buf[5] << 16 |
                         (uint32_t)d->buf[6] << 8 | d->buf[7];
    if (timestamp != b->timestamp) {
        b->frames++;
    } else if (simnet_now(b->net) != b->at_ns) {
        b->cut++;
    }
    b->timestamp = timestamp;
    b->at_ns = simnet_now(b->net);
}

static void frames_leave_whole(void **state)
{
    (void)state;
    struct watch w = {.p = connect_pair(simnet_new(10, 2), 0)};
    struct bursts b = {.net = w.p.net, .from = w.p.a};
    watch_for(&w, 10, NULL, 0);
    simnet_set_tap(w.p.net, on_dgram, &b);
    watch_for(&w, 20, NULL, 10);
    assert_true(b.frames > 400);
    print_message("           %u of %u frames cut\n", b.cut, b.frames);
    assert_true(b.cut * 20 < b.frames);
    simnet_free(w.p.net);
}

/* What left in the last 40 ms, at each packet: all RTP, and its video. */
#define WINDOW_NS    (40 * MS)
#define WINDOW_MOST  1024
#define PACKET_BYTES 1240.0 /* a full one, down to IP */
#define IP_UDP_BYTES 28

struct pace {
    struct simnet *net;
    struct simnode *from;
    uint32_t audio_ssrc;
    uint64_t at_ns[WINDOW_MOST];
    double bytes[WINDOW_MOST], video[WINDOW_MOST], target[WINDOW_MOST];
    unsigned n, first;
    double worst, worst_video; /* of what the target lets through in 40 ms, a packet taken off */
};

static void on_paced(void *ctx, struct simnode *from, const struct sq_dgram *d)
{
    struct pace *p = ctx;
    bool rtcp = d->len > 1 && d->buf[1] >= 192 && d->buf[1] <= 223; /* RFC 5761, section 4 */
    if (from != p->from || d->len < 12 || d->buf[0] >> 6 != 2 || rtcp) {
        return;
    }
    uint32_t ssrc = (uint32_t)d->buf[8] << 24 | (uint32_t)d->buf[9] << 16 |
                    (uint32_t)d->buf[10] << 8 | d->buf[11];
    uint64_t now_ns = simnet_now(p->net);
    unsigned at = p->n++ % WINDOW_MOST;
    p->at_ns[at] = now_ns;
    p->bytes[at] = (double)(d->len + IP_UDP_BYTES);
    p->video[at] = ssrc == p->audio_ssrc ? 0 : p->bytes[at];
    p->target[at] = (double)sq_peer_bwe_estimate(simnode_peer(from));
    while (p->at_ns[p->first % WINDOW_MOST] + WINDOW_NS <= now_ns) {
        p->first++;
    }
    assert_true(p->n - p->first < WINDOW_MOST);
    double all = 0;
    double video = 0;
    double target = 0;
    for (unsigned i = p->first; i < p->n; i++) {
        all += p->bytes[i % WINDOW_MOST];
        video += p->video[i % WINDOW_MOST];
        double t = p->target[i % WINDOW_MOST];
        target = t > target ? t : target;
    }
    double let = target * 0.040 / 8;
    double ratio = (all - PACKET_BYTES) / let;
    p->worst = ratio > p->worst ? ratio : p->worst;
    ratio = (video - PACKET_BYTES) / let;
    p->worst_video = ratio > p->worst_video ? ratio : p->worst_video;
}

/* While the estimate limits, what leaves in any 40 ms is what the pacer lets through: 1.2 times the
 * target, 20 ms ahead, which are 1.8 times in the first 40 ms; with sound, probes and padding, 2.5
 * times, which is libwebrtc's factor. */
static void a_limited_sender_is_paced(void **state)
{
    (void)state;
    for (unsigned i = 0; i < 2; i++) {
        struct watch w = {.p = connect_pair(simnet_new(13 + i, 2), i ? 800000 : 500000)};
        watch_for(&w, 10, NULL, 0);
        assert_true(bwe_of(w.p.net, w.p.a).limited);
        struct pace pace = {
            .net = w.p.net, .from = w.p.a, .audio_ssrc = out_stats(w.p.net, w.p.a, 0).ssrc};
        simnet_set_tap(w.p.net, on_paced, &pace);
        watch_for(&w, 30, NULL, 10);
        simnet_set_tap(w.p.net, NULL, NULL);
        print_message(
            "           of %u packets, at most %.2f times the target in 40 ms and a packet, "
            "%.2f of video\n",
            pace.n, pace.worst, pace.worst_video);
        assert_true(bwe_of(w.p.net, w.p.a).limited);
        assert_true(pace.n > 1000 && pace.worst > 0.5);
        assert_true(pace.worst <= 2.5 && pace.worst_video <= 2);
        simnet_free(w.p.net);
    }
}

/* As the lab does for who watches layers: begun anew, and without memory there is none. */
static void an_estimate_begins_anew(void **state)
{
    (void)state;
    struct simnet *net = simnet_new(11, 2);
    struct pair p = connect_pair(net, 500000);
    struct sq_peer *peer = simnode_peer(p.a);
    run_for(net, 5 * SEC);
    sq_mem_fail_at(1);
    assert_int_equal(sq_peer_restart_estimate(peer, simnet_now(net), 2000000), SQ_ERR_NOMEM);
    sq_mem_fail_at(2);
    assert_int_equal(sq_peer_restart_estimate(peer, simnet_now(net), 2000000), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    assert_int_equal(sq_peer_bwe_estimate(peer), 0);
    run_for(net, SEC);
    assert_int_equal(sq_peer_restart_estimate(peer, simnet_now(net), 2000000), 0);
    assert_int_equal(sq_peer_bwe_estimate(peer), 2000000);
    run_for(net, 8 * SEC);
    assert_in_range(sq_peer_bwe_estimate(peer), 250000, 600000);
    simnet_free(net);
}

/* VP9's scalable stream: the spatial layers fall from the top, and come back with a key frame; what
 * is left is whole. */
static void spatial_layers_follow_the_rate(void **state)
{
    const struct sq_peer_config svc = {.video = {.order = {SQ_CODEC_VP9}, .n = 1, .svc = true},
                                       .bwe = {.mode = SQ_BWE_OFF}};
    struct pair p = make_pair(31, &svc, &svc, false);
    static const struct {
        uint64_t bps;
        unsigned width;
    } rates[] = {{UINT64_MAX, 640}, {500000, 320}, {60000, 160}, {500000, 320}, {2000000, 640}};
    (void)state;
    simnode_link(p.a)->delay_ns = simnode_link(p.b)->delay_ns = 20 * MS;
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    struct sq_track *track = sq_peer_track(simnode_peer(p.a), 1);
    /* Layers are offered with the dependency descriptor, and it is sent. */
    assert_int_not_equal(track->ids.id[SQ_RTP_EXT_DEPENDENCY], 0);
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        sq_track_allocate(track, rates[i].bps, simnet_now(p.net));
        run_for(p.net, SEC);
        struct sq_inbound_stats before = in_stats(p.net, p.b, 1);
        struct sq_outbound_stats out = out_stats(p.net, p.a, 1);
        simnode_link(p.a)->loss = i == 1 ? 0.05 : 0; /* what is sent again ends pictures, too */
        run_for(p.net, 3 * SEC);
        struct sq_inbound_stats in = in_stats(p.net, p.b, 1);
        assert_int_equal(out.frame_width, rates[i].width);
        assert_true(in.frames_decoded >= before.frames_decoded + (i == 2 ? 15 : i == 1 ? 65 : 74));
        assert_true(i == 1 || in.frames_dropped == before.frames_dropped);
        uint64_t bytes = out_stats(p.net, p.a, 1).bytes_sent - out.bytes_sent;
        assert_true(rates[i].bps == UINT64_MAX || bytes * 8 < rates[i].bps * 3 * 13 / 10);
    }
    simnet_free(p.net);
}

/* Transport-wide feedback costs no time-out of its own where a clip sends every 20 ms, and comes as
 * often as it did: 16 times a second. */
static void feedback_leaves_with_the_clip(void **state)
{
    (void)state;
    struct pair p = make_pair(71, &gcc, &gcc, false);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 20 * SEC);
    const struct sq_twcc_recorder *recorder = simnode_peer(p.a)->twcc_recorder;
    uint64_t timeouts = simnode_counters(p.a)->timeouts;
    uint64_t feedbacks = recorder->feedbacks;
    uint64_t sends = out_stats(p.net, p.a, 0).packets_sent + out_stats(p.net, p.a, 1).frames_sent;
    run_for(p.net, 20 * SEC);
    feedbacks = recorder->feedbacks - feedbacks;
    assert_in_range(feedbacks, 16 * 20 - 2, 16 * 20 + 2);
    sends = out_stats(p.net, p.a, 0).packets_sent + out_stats(p.net, p.a, 1).frames_sent - sends;
    timeouts = simnode_counters(p.a)->timeouts - timeouts;
    print_message("           %" PRIu64 " time-outs for %" PRIu64 " packets and frames, %" PRIu64
                  " feedbacks\n",
                  timeouts, sends, feedbacks);
    assert_true(timeouts < sends + feedbacks / 4);
    simnet_free(p.net);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(feedback_leaves_with_the_clip),
        cmocka_unit_test(settles_and_recovers),
        cmocka_unit_test(spatial_layers_follow_the_rate),
        cmocka_unit_test(a_wide_link_costs_nothing),
        cmocka_unit_test(random_loss_is_no_congestion),
        cmocka_unit_test(yields_to_heavy_loss),
        cmocka_unit_test(two_senders_share),
        cmocka_unit_test(jitter_is_no_congestion),
        cmocka_unit_test(follows_what_is_left),
        cmocka_unit_test(a_fixed_rate_is_one_step),
        cmocka_unit_test(a_constant_load_stays),
        cmocka_unit_test(the_other_sides_bandwidth_is_a_limit),
        cmocka_unit_test(remb_where_there_is_no_feedback),
        cmocka_unit_test(remb_of_what_is_measured),
        cmocka_unit_test(frames_leave_whole),
        cmocka_unit_test(a_limited_sender_is_paced),
        cmocka_unit_test(an_estimate_begins_anew),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
