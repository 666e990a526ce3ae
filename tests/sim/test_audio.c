/* Audio of whole peers: redundancy (RFC 2198) and telephone events (RFC 4733) that are sent. */
#include "base/mem.h"
#include "media/dtmf.h"
#include "peer/peer_int.h"
#include "peer/rtp/rtp.h"
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
    const struct sq_peer_config plain = {
        .audio = {.order = {SQ_CODEC_OPUS}, .n = 1, .no_fec = true}};
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

/* ---- Telephone events ---- */

#define HEARD_MAX 512

struct heard {
    size_t n, audio; /* packets of events, and of sound between the first and the last of them */
    struct {
        uint64_t now_ns;
        uint32_t ts;
        uint16_t seq;
        uint8_t pt;
        bool marker;
        struct sq_dtmf_event e;
    } packets[HEARD_MAX];
    uint16_t last_seq;
    bool begun, gap;
};

static struct heard heard; /* what `b` was sent, in order */

static void on_sent(void *ctx, struct sq_track *track, const uint8_t *rtp, size_t len,
                    uint64_t now_ns)
{
    struct sq_rtp_packet p;
    assert_int_equal(sq_rtp_parse(rtp, len, &p), 0);
    heard.gap = heard.gap || (heard.begun && p.seq != (uint16_t)(heard.last_seq + 1));
    heard.begun = true;
    heard.last_seq = p.seq;
    if (sq_track_recv_codec(track, p.pt) != SQ_CODEC_NONE || p.pt == track->pt) {
        heard.audio++;
        return;
    }
    assert_true(heard.n < HEARD_MAX);
    heard.packets[heard.n].now_ns = now_ns;
    heard.packets[heard.n].ts = p.ts;
    heard.packets[heard.n].seq = p.seq;
    heard.packets[heard.n].pt = p.pt;
    heard.packets[heard.n].marker = p.marker;
    assert_int_equal(sq_dtmf_parse(p.payload, p.payload_bytes, &heard.packets[heard.n].e), 0);
    heard.n++;
}

static struct pair caller(uint64_t seed, const struct sq_peer_config *config)
{
    static const struct sq_peer_ops ops = {.sent = on_sent};
    heard = (struct heard){0};
    struct simnet *net = simnet_new(seed, 2);
    struct pair p = {net, simnet_try_add(net, config, &ops, NULL, NULL),
                     simnet_add(net, config, false, NULL, NULL)};
    add(p.a, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    add(p.b, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 2 * SEC);
    assert_connected(p.a);
    return p;
}

/* What W3C and RFC 4733 say of the tones "12#", 100 ms each and 70 ms apart. */
static void assert_tones(uint64_t from_ns, uint32_t clock_hz, uint8_t pt)
{
    static const uint8_t events[] = {1, 2, 11};
    assert_int_equal(heard.n, 3 * (5 + 2));
    assert_false(heard.gap); /* one row of sequence numbers, with the sound */
    for (size_t i = 0; i < heard.n; i++) {
        size_t tone = i / 7;
        size_t k = i % 7;
        uint64_t begins_ns = from_ns + tone * 170 * MS;
        assert_int_equal(heard.packets[i].e.event, events[tone]);
        assert_int_equal(heard.packets[i].e.volume, 10);
        assert_int_equal(heard.packets[i].pt, pt);
        assert_int_equal(heard.packets[i].marker, k == 0);
        assert_int_equal(heard.packets[i].e.end, k >= 4); /* three times */
        size_t told = k < 4 ? k + 1 : 5;
        assert_int_equal(heard.packets[i].e.duration, told * clock_hz / 50);
        assert_int_equal(heard.packets[i].now_ns, begins_ns + sq_min_u64(k + 1, 5) * 20 * MS);
        assert_int_equal(heard.packets[i].ts, heard.packets[tone * 7].ts);
        if (k > 0) {
            assert_int_equal(heard.packets[i].seq, (uint16_t)(heard.packets[i - 1].seq + 1));
        }
    }
    /* their time-stamps are as far apart as they are */
    assert_int_equal(heard.packets[7].ts - heard.packets[0].ts, clock_hz * 17 / 100);
    assert_int_equal(heard.packets[14].ts - heard.packets[0].ts, clock_hz * 34 / 100);
}

static void digits_go_through(void **state)
{
    static const struct {
        struct sq_peer_codecs codecs;
        uint32_t clock_hz;
        uint8_t pt;
    } cases[] = {{{.order = {SQ_CODEC_OPUS}, .n = 1}, 48000, 110},
                 {{.order = {SQ_CODEC_OPUS}, .n = 1, .red = true}, 48000, 110},
                 {{.order = {SQ_CODEC_PCMU}, .n = 1}, 8000, 126}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct sq_peer_config config = {.audio = cases[i].codecs};
        struct pair p = caller(80 + i, &config);
        struct sq_track *track = sq_peer_track(simnode_peer(p.a), 0);
        uint64_t from_ns = simnet_now(p.net);
        assert_int_equal(sq_track_send_dtmf(track, from_ns, "12#", 0, 0), 0);
        run_for(p.net, 50 * MS);
        assert_string_equal(sq_track_tone_buffer(track), "2#");
        run_for(p.net, 2 * SEC);
        assert_tones(from_ns, cases[i].clock_hz, cases[i].pt);
        assert_string_equal(sq_track_tone_buffer(track), "");
        struct sq_inbound_stats in = in_stats(p.net, p.b, 0);
        assert_int_equal(in.dtmf_events, 3);
        assert_string_equal(in.dtmf_digits, "12#");
        assert_int_equal(in.packets_lost, 0);
        assert_int_equal(out_stats(p.net, p.a, 0).dtmf_events, 3);
        assert_int_equal(in.packets_received, out_stats(p.net, p.a, 0).packets_sent);
        assert_true(heard.audio > 150); /* sound goes on */
        simnet_free(p.net);
    }
}

/* Keys at all moments of speech and of pauses of DTX, in which a packet each 400 ms is sent: no
 * more is missing than 20 ms a key, also where the packet that tells the pause fell in the key's
 * time. */
static void keys_and_dtx(void **state)
{
    enum { KEYS = 60 };
    for (unsigned red = 0; red < 2; red++) {
        const struct sq_peer_config config = {
            .audio = {.order = {SQ_CODEC_OPUS}, .n = 1, .dtx = true, .red = red}};
        struct pair p = caller(88 + red, &config);
        struct sq_track *track = sq_peer_track(simnode_peer(p.a), 0);
        assert_int_equal(track->red_pt != 0, red);
        uint64_t before = in_stats(p.net, p.b, 0).concealed_samples;
        uint64_t most = 0;
        for (unsigned i = 0; i < KEYS; i++) {
            assert_int_equal(sq_track_send_dtmf(track, simnet_now(p.net), "5", 0, 0), 0);
            run_for(p.net, 270 * MS);
            uint64_t after = in_stats(p.net, p.b, 0).concealed_samples;
            most = sq_max_u64(most, after - before);
            before = after;
        }
        struct sq_inbound_stats in = in_stats(p.net, p.b, 0);
        print_message("           at most %.1f ms concealed of a key; %zu packets of sound\n",
                      (double)most / 48, heard.audio);
        assert_true(most <= 20 * 48);
        assert_int_equal(in.dtmf_events, KEYS);
        assert_int_equal(in.packets_lost, 0);
        assert_int_equal(in.packets_discarded, 0);
        assert_false(heard.gap);
        /* Of 2 s before, and 170 ms for each key: there was DTX. */
        assert_true(heard.audio < (2000 + KEYS * 170) / 20 * 3 / 4);
        simnet_free(p.net);
    }
}

/* The end is told three times: a digit survives what loses two of them. */
static void digits_through_loss(void **state)
{
    static const char digits[] = "0123456789ABCD*";
    const struct sq_peer_config config = {0};
    struct pair p = caller(85, &config);
    simnode_link(p.a)->loss = 0.2;
    struct sq_track *track = sq_peer_track(simnode_peer(p.a), 0);
    assert_int_equal(sq_track_send_dtmf(track, simnet_now(p.net), digits, 100, 100), 0);
    run_for(p.net, 5 * SEC);
    struct sq_inbound_stats in = in_stats(p.net, p.b, 0);
    assert_string_equal(in.dtmf_digits, digits);
    assert_int_equal(in.dtmf_events, 15);
    assert_true(in.packets_lost > 10);
    simnet_free(p.net);
}

static void what_is_played(void **state)
{
    const struct sq_peer_config config = {0};
    struct pair p = caller(86, &config);
    struct sq_track *track = sq_peer_track(simnode_peer(p.a), 0);
    uint64_t now_ns = simnet_now(p.net);
    /* a comma is two seconds; a second order takes the place of what is left of the first */
    assert_int_equal(sq_track_send_dtmf(track, now_ns, "1,a", 0, 0), 0);
    run_for(p.net, 1 * SEC);
    assert_string_equal(in_stats(p.net, p.b, 0).dtmf_digits, "1");
    assert_string_equal(sq_track_tone_buffer(track), "A");
    run_for(p.net, 2 * SEC);
    assert_string_equal(in_stats(p.net, p.b, 0).dtmf_digits, "1A");
    assert_int_equal(heard.packets[7].now_ns, now_ns + (170 + 2000 + 20) * MS);
    assert_int_equal(sq_track_send_dtmf(track, simnet_now(p.net), "999999", 0, 0), 0);
    run_for(p.net, 130 * MS);
    assert_int_equal(sq_track_send_dtmf(track, simnet_now(p.net), "5", 1, 1), 0);
    run_for(p.net, 1 * SEC);
    assert_string_equal(in_stats(p.net, p.b, 0).dtmf_digits, "1A95");
    assert_int_equal(heard.packets[heard.n - 1].e.duration, 40 * 48);
    assert_int_equal(sq_track_send_dtmf(track, simnet_now(p.net), "7,7", 9000, 0), 0);
    run_for(p.net, 3 * SEC);
    assert_int_equal(sq_track_send_dtmf(track, simnet_now(p.net), "", 0, 0), 0);
    run_for(p.net, 6 * SEC);
    /* 6 s at 48 kHz: five segments, which are one key */
    assert_string_equal(in_stats(p.net, p.b, 0).dtmf_digits, "1A957");
    assert_int_equal(heard.packets[heard.n - 1].ts - heard.packets[heard.n - 303].ts, 4 * 65535);
    assert_int_equal(in_stats(p.net, p.b, 0).packets_lost, 0);
    simnet_free(p.net);
}

static void what_is_refused(void **state)
{
    const struct sq_peer_config config = {0};
    struct simnet *net = simnet_new(87, 2);
    struct simnode *a = simnet_add(net, &config, false, NULL, NULL);
    struct simnode *b = simnet_add(net, &config, false, NULL, NULL);
    add_both(a);
    add_both(b);
    struct sq_track *audio = sq_peer_track(simnode_peer(a), 0);
    struct sq_track *video = sq_peer_track(simnode_peer(a), 1);
    char many[SQ_PEER_TONES_MAX + 2] = "";
    memset(many, '1', sizeof(many) - 1);
    assert_int_equal(sq_track_send_dtmf(audio, simnet_now(net), "1", 0, 0), SQ_ERR_STATE);
    assert_string_equal(sq_track_tone_buffer(audio), "");
    simnet_negotiate(net, a, b, false);
    run_for(net, 2 * SEC);
    assert_int_equal(sq_track_send_dtmf(video, simnet_now(net), "1", 0, 0), SQ_ERR_STATE);
    assert_int_equal(sq_track_send_dtmf(audio, simnet_now(net), "1x", 0, 0), SQ_ERR_INVALID);
    assert_int_equal(sq_track_send_dtmf(audio, simnet_now(net), many, 0, 0), SQ_ERR_INVALID);
    sq_mem_fail_at(1);
    assert_int_equal(sq_track_send_dtmf(audio, simnet_now(net), "1", 0, 0), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    assert_int_equal(sq_track_send_dtmf(audio, simnet_now(net), many + 1, 0, 0), 0);
    run_for(net, 12 * SEC);
    assert_int_equal(in_stats(net, b, 0).dtmf_events, SQ_PEER_TONES_MAX);
    simnet_free(net);
}

/* ---- In-band FEC ---- */

static struct {
    unsigned packets, lbrr; /* of Opus; of them with the one before */
    uint32_t ts;
    bool begun, leapt;
} opus_sent;

/* By the letter: 20 ms of SILK or hybrid (RFC 6716, table 2) begin with a bit of voice activity and
 * one that says LBRR (section 4.2.4). */
static void on_opus_sent(void *ctx, struct sq_track *track, const uint8_t *rtp, size_t len,
                         uint64_t now_ns)
{
    struct sq_rtp_packet p;
    assert_int_equal(sq_rtp_parse(rtp, len, &p), 0);
    assert_true(p.payload_bytes > 0);
    unsigned config = p.payload[0] >> 3;
    bool speech = config < 16 && (p.payload[0] & 3) == 0 && p.payload_bytes > 2;
    opus_sent.packets++;
    opus_sent.lbrr += speech && (p.payload[1] & 0x40);
    opus_sent.leapt |= opus_sent.begun && p.ts != opus_sent.ts + 960;
    opus_sent.ts = p.ts;
    opus_sent.begun = true;
}

static struct pair speak(uint64_t seed, const struct sq_peer_config *config)
{
    static const struct sq_peer_ops ops = {.sent = on_opus_sent};
    static const struct sq_peer_config plain = {0};
    memset(&opus_sent, 0, sizeof(opus_sent));
    struct simnet *net = simnet_new(seed, 2);
    struct pair p = {net, simnet_try_add(net, config, &ops, NULL, NULL),
                     simnet_add(net, &plain, false, NULL, NULL)};
    add(p.a, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    add(p.b, SQ_MEDIA_AUDIO, SQ_DIR_SENDRECV);
    simnet_negotiate(p.net, p.a, p.b, false);
    run_for(p.net, 10 * SEC);
    assert_connected(p.a);
    return p;
}

static void run_afresh(struct pair *p, uint64_t ns)
{
    opus_sent.packets = opus_sent.lbrr = 0;
    run_for(p->net, ns);
}

/* As Chromium: none on a sound way, on once a report tells of loss, and off when the smoothed loss
 * is below half a per cent. What is lost alone comes back. */
static void fec_follows_loss(void **state)
{
    const struct sq_peer_config plain = {.audio = {.order = {SQ_CODEC_OPUS}, .n = 1}};
    struct pair p = speak(95, &plain);
    assert_int_equal(opus_sent.lbrr, 0);
    assert_true(opus_sent.packets > 400);
    simnode_link(p.a)->loss = LOSS;
    run_for(p.net, 20 * SEC); /* reports of audio come 5 s apart */
    run_afresh(&p, 20 * SEC);
    print_message("           %u of %u packets with the one before\n", opus_sent.lbrr,
                  opus_sent.packets);
    assert_true(opus_sent.lbrr > opus_sent.packets / 2);
    struct sq_inbound_stats in = in_stats(p.net, p.b, 0);
    assert_true(in.restored_samples > 960 * 40);
    simnode_link(p.a)->loss = 0;
    run_for(p.net, 60 * SEC);
    run_afresh(&p, 10 * SEC);
    assert_int_equal(opus_sent.lbrr, 0);
    assert_false(opus_sent.leapt);
    simnet_free(p.net);
}

static void fec_that_was_asked_for_is_sent_at_once(void **state)
{
    char why[SQ_PEER_TEXT_MAX];
    struct sq_peer_config fec = {0};
    assert_int_equal(sq_peer_codecs_parse("opus+fec", false, &fec.audio, why), 0);
    struct pair p = speak(96, &fec);
    assert_true(opus_sent.packets > 400 && opus_sent.lbrr > opus_sent.packets / 2);
    simnet_free(p.net);
    const struct sq_peer_config none = {
        .audio = {.order = {SQ_CODEC_OPUS}, .n = 1, .no_fec = true}};
    p = speak(97, &none);
    simnode_link(p.a)->loss = LOSS;
    run_for(p.net, 20 * SEC);
    assert_int_equal(opus_sent.lbrr, 0);
    simnet_free(p.net);
}

/* ---- Feedback ---- */

/* Chromium's encoder is set to 32 kbit/s for each channel of Opus, and goes by that: whatever the
 * voice of the clip comes to. Twice with the packets' heads, 5 % of it, reports of 68 bytes, and
 * ticks of 1/64 s. */
static void who_sends_audio_alone_tells_as_often_as_chromium(void **state)
{
    static const struct {
        const char *codecs;
        unsigned ticks;
    } cases[] = {{"opus", 7}, {"opus+dtx", 7}, {"opus+stereo", 5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char why[SQ_PEER_TEXT_MAX];
        struct sq_peer_codecs codecs;
        assert_int_equal(sq_peer_codecs_parse(cases[i].codecs, false, &codecs, why), 0);
        const struct sq_peer_config config = {.audio = codecs, .bwe = {.mode = SQ_BWE_GCC}};
        struct pair p = talk(90 + i, &config, &config);
        run_for(p.net, 2 * SEC);
        uint64_t interval_ns = simnode_peer(p.a)->twcc_recorder->interval_ns;
        if (interval_ns != cases[i].ticks * SEC / 64) {
            fail_msg("%s: every %.1f ms", cases[i].codecs, (double)interval_ns / 1e6);
        }
        simnet_free(p.net);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(redundancy_fills_holes),
        cmocka_unit_test(only_where_it_is_agreed),
        cmocka_unit_test(digits_go_through),
        cmocka_unit_test(keys_and_dtx),
        cmocka_unit_test(digits_through_loss),
        cmocka_unit_test(what_is_played),
        cmocka_unit_test(what_is_refused),
        cmocka_unit_test(fec_follows_loss),
        cmocka_unit_test(fec_that_was_asked_for_is_sent_at_once),
        cmocka_unit_test(who_sends_audio_alone_tells_as_often_as_chromium),
    };
    return cmocka_run_group_tests(tests, open_clip, close_clip);
}
