/* The model of NetEQ, worked by hand where that can be done, and by bounds over bad networks. */
#include "base/rand.h"
#include "base/time.h"
#include "media/audio_buffer.h"
#include "media/help.h"
#include "media/red.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS SQ_NS_PER_MS

static const uint8_t voice[480] = {1 << 3, 1, 2, 3};

struct rig {
    struct sq_audio_buffer b;
    enum sq_codec codec;
    uint64_t start_ns;
};

static void rig_init(struct rig *r, enum sq_codec codec)
{
    sq_audio_buffer_init(&r->b);
    r->codec = codec;
    r->start_ns = SQ_NS_PER_SEC;
}

/* Packet n of a stream of 20 ms packets arrives at start + at_ms. */
static void push(struct rig *r, double at_ms, unsigned n)
{
    bool opus = r->codec == SQ_CODEC_OPUS;
    const struct sq_media_packet p = {.now_ns = r->start_ns + (uint64_t)(at_ms * 1e6),
                                      .payload = voice,
                                      .len = opus ? 20 : 160,
                                      .timestamp = 4294960000U + n * (opus ? 960 : 160),
                                      .seq = (uint16_t)(65500 + n),
                                      .codec = r->codec};
    assert_int_equal(sq_audio_buffer_push(&r->b, &p), 0);
}

static struct sq_audio_stats stats(struct rig *r, double at_ms)
{
    struct sq_audio_stats s;
    sq_audio_buffer_play(&r->b, r->start_ns + (uint64_t)(at_ms * 1e6));
    sq_audio_buffer_stats(&r->b, &s);
    return s;
}

static double delay_ms(const struct sq_audio_stats *s)
{
    return 1e3 * s->jitter_buffer_delay_s / (double)s->jitter_buffer_emitted;
}

/* All codecs: nothing concealed, and every sample is accounted for. Play-out begins 5 ms after the
 * first packet: 10 s less that are 1,000 steps of 10 ms. */
static void a_clean_stream_has_no_gap(void **state)
{
    static const struct {
        enum sq_codec codec;
        uint64_t samples; /* of a second */
    } codecs[] = {{SQ_CODEC_OPUS, 48000},
                  {SQ_CODEC_PCMU, 8000},
                  {SQ_CODEC_PCMA, 8000},
                  {SQ_CODEC_G722, 16000}};
    for (size_t i = 0; i < 4; i++) {
        struct rig r;
        rig_init(&r, codecs[i].codec);
        for (unsigned n = 0; n < 500; n++) {
            push(&r, 20.0 * n, n);
        }
        struct sq_audio_stats s = stats(&r, 20.0 * 500);
        assert_int_equal(s.packets_received, 500);
        assert_int_equal(s.packets_discarded, 0);
        assert_int_equal(s.concealed_samples, 0);
        assert_int_equal(s.total_samples_received, 10 * codecs[i].samples);
        assert_int_equal(s.sampling_hz, codecs[i].samples);
        assert_true(s.target_delay_ms == 20);
        /* What came in is what went out, stretches and the rest in the buffer taken into account.
         */
        uint64_t in = 500 * codecs[i].samples / 50;
        uint64_t out = s.total_samples_received - s.inserted_samples + s.removed_samples;
        assert_in_range(in - out, 0, codecs[i].samples / 10);
        /* NetEQ stretches until about the target is there: 20 ms. */
        assert_true(delay_ms(&s) > 5 && delay_ms(&s) < 45);
    }
}

/* Packets lost by themselves, and five in a row: each loss is one event of 20 ms or (five) 100 ms,
 * less what a full buffer lets play-out skip. */
static void lost_packets_are_concealed(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    for (unsigned n = 0; n < 500; n++) {
        if (n != 150 && n != 200 && n != 250 && !(n >= 300 && n < 305)) {
            push(&r, 20.0 * n, n);
        }
    }
    struct sq_audio_stats s = stats(&r, 20.0 * 500);
    assert_int_equal(s.concealment_events, 4);
    assert_in_range(s.concealed_samples, 8 * 960 - 8 * 480, 8 * 960 + 2 * 480);
    assert_int_equal(s.silent_concealed_samples, 0);
    assert_int_equal(s.packets_discarded, 0);
}

static void order_and_copies_do_not_matter(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    for (unsigned n = 0; n < 500; n += 2) {
        push(&r, 20.0 * (n + 1), n + 1); /* each pair the wrong way round */
        push(&r, 20.0 * (n + 1) + 1, n);
        push(&r, 20.0 * (n + 1) + 2, n);
    }
    struct sq_audio_stats s = stats(&r, 20.0 * 500);
    assert_in_range(s.packets_discarded, 250, 252);
    assert_true(s.concealed_samples <= 48 * 60); /* until the delay was learnt */
}

/* Delays of up to 150 ms: the target follows, and once it has, little is concealed. */
static void the_delay_follows_jitter(void **state)
{
    struct rig r;
    struct sq_rand rand;
    double at[3000];
    rig_init(&r, SQ_CODEC_OPUS);
    sq_rand_seed(&rand, 5);
    double before = 0;
    for (unsigned n = 0; n < 3000; n++) { /* jitter without reordering */
        at[n] = fmax(20.0 * n + sq_rand_below(&rand, 150), before);
        before = at[n];
    }
    struct sq_audio_stats half = {0};
    for (unsigned n = 0; n < 3000; n++) {
        push(&r, at[n], n);
        if (n == 1500) {
            half = stats(&r, at[n]);
        }
    }
    struct sq_audio_stats s = stats(&r, at[2999]);
    assert_true(s.target_delay_ms >= 120 && s.target_delay_ms <= 180);
    assert_true(delay_ms(&s) > 40 && delay_ms(&s) < 180);
    double concealed = (double)(s.concealed_samples - half.concealed_samples) /
                       (double)(s.total_samples_received - half.total_samples_received);
    assert_true(concealed < 0.01);
    assert_true(s.inserted_samples > 0);
    assert_int_equal(s.packets_discarded, 0);
}

/* It comes down again by accelerating when the network calms down: the histogram forgets 1.7 % each
 * half second, so that 20 rough seconds weigh less than 5 % after 90 calm ones. */
static void play_out_catches_up(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    for (unsigned n = 0; n < 8000; n++) {
        bool rough = n < 1000;
        push(&r, 20.0 * n + (rough && n % 25 == 24 ? 100 : 0), n);
    }
    struct sq_audio_stats s = stats(&r, 160000);
    assert_true(s.removed_samples > 48 * 50);
    assert_true(s.target_delay_ms <= 40);
    assert_true(r.b.held_count <= 16); /* 40 ms */
}

/* The path becomes longer by 300 ms: a gap of that length, and some more, since after a long one
 * NetEQ waits for half the new target of 320 ms. Nothing is thrown away. */
static void late_is_not_lost(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    for (unsigned n = 0; n < 1000; n++) {
        push(&r, 20.0 * n + (n >= 500 ? 300 : 0), n);
    }
    struct sq_audio_stats s = stats(&r, 20.0 * 1000 + 300);
    assert_int_equal(s.packets_discarded, 0);
    assert_int_equal(s.concealment_events, 1);
    assert_int_equal(s.target_delay_ms, 320);
    assert_in_range(s.concealed_samples, 48 * 280, 48 * (300 + 160));
    /* 130 ms of it are heard as sound that goes on; the rest is silence. */
    assert_in_range(s.concealed_samples - s.silent_concealed_samples, 48 * 120, 48 * 130);
}

static void drift_costs_nothing(void **state)
{
    for (int sign = -1; sign <= 1; sign += 2) {
        struct rig r;
        rig_init(&r, SQ_CODEC_OPUS);
        for (unsigned n = 0; n < 600 * 50; n++) { /* 200 ppm, ten minutes */
            push(&r, 20.0 * n * (1 + sign * 2e-4), n);
        }
        struct sq_audio_stats s = stats(&r, 600e3 * (1 + sign * 2e-4));
        assert_int_equal(s.packets_discarded, 0);
        assert_true(s.concealed_samples <= 48 * 40);
        assert_true(sign < 0 ? s.removed_samples > 48 * 60 : s.inserted_samples > 48 * 60);
    }
}

/* DTX: a packet of one byte each 400 ms, sequence numbers in a row. Nothing is missing. */
static void announced_silence_is_no_gap(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    unsigned seq = 0;
    for (unsigned n = 0; n < 500; n++) {
        bool silent = n >= 100 && n < 300;
        if (!silent || n % 20 == 0) {
            const struct sq_media_packet p = {.now_ns = r.start_ns + n * 20 * MS,
                                              .payload = voice,
                                              .len = silent ? 1 : 20,
                                              .timestamp = n * 960,
                                              .seq = (uint16_t)seq++,
                                              .codec = SQ_CODEC_OPUS};
            assert_int_equal(sq_audio_buffer_push(&r.b, &p), 0);
        }
    }
    struct sq_audio_stats s = stats(&r, 20.0 * 500);
    assert_int_equal(s.concealed_samples, 0);
    /* 4 s of which 10 packets of 20 ms were silence that came. */
    assert_in_range(s.silent_samples, 48 * 3600, 48 * 3860);
    assert_int_equal(s.total_samples_received, 48 * 10000);
}

/* The clip that ships announces its silences as libwebrtc does: by the first packet without sound.
 */
static void silences_of_the_clip_are_no_gaps(void **state)
{
    struct sq_clip *clip = help_open("default", 0);
    unsigned tracks = 0;
    for (size_t t = 0; t < clip->track_count; t++) {
        const struct sq_clip_track *track = &clip->tracks[t];
        if (!(track->features & SQ_CLIP_DTX)) {
            continue;
        }
        struct rig r;
        rig_init(&r, SQ_CODEC_OPUS);
        for (uint32_t n = 0; n < 3 * track->packet_count; n++) {
            const struct sq_clip_packet *packet = &track->packets[n % track->packet_count];
            uint64_t ticks = (uint64_t)(n / track->packet_count) * track->duration_ticks +
                             track->frames[packet->frame].ticks;
            const struct sq_media_packet p = {.now_ns = r.start_ns + ticks * SQ_NS_PER_SEC / 48000,
                                              .payload = track->data + packet->offset,
                                              .len = packet->len_bytes,
                                              .timestamp = (uint32_t)ticks,
                                              .seq = (uint16_t)n,
                                              .codec = SQ_CODEC_OPUS};
            assert_int_equal(sq_audio_buffer_push(&r.b, &p), 0);
        }
        double end_ms = 3.0 * track->duration_ticks / 48;
        struct sq_audio_stats s = stats(&r, end_ms);
        assert_int_equal(s.concealed_samples, 0);
        assert_true((double)s.silent_samples > 0.2 * end_ms * 48);
        tracks++;
    }
    sq_clip_close(clip);
    assert_int_equal(tracks, 2); /* without FEC and with it */
}

static void a_pause_is_no_gap(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    for (unsigned n = 0; n < 100; n++) {
        push(&r, 20.0 * n, n);
    }
    sq_audio_buffer_pause(&r.b);
    for (unsigned n = 1000; n < 1100; n++) {
        push(&r, 20.0 * n, n - 900);
    }
    struct sq_audio_stats s = stats(&r, 20.0 * 1100);
    assert_int_equal(s.concealed_samples, 0);
    /* Without it, what follows the last packet is concealed until the stream goes on. */
    s = stats(&r, 20.0 * 1200);
    assert_in_range(s.concealed_samples, 48 * 1930, 48 * 2000);
    assert_int_equal(s.concealment_events, 1);
}

/* RFC 2198: each packet carries the one before again. */
static void push_red(struct rig *r, double at_ms, unsigned n)
{
    uint8_t payload[64] = {0x80 | 111, (uint8_t)(960 >> 6), (uint8_t)((960 & 0x3f) << 2), 20, 111};
    payload[5] = payload[25] = 1 << 3;
    const struct sq_media_packet p = {.now_ns = r->start_ns + (uint64_t)(at_ms * 1e6),
                                      .payload = payload,
                                      .len = 45,
                                      .timestamp = n * 960,
                                      .seq = (uint16_t)n,
                                      .red = true,
                                      .codec = SQ_CODEC_OPUS};
    assert_int_equal(sq_audio_buffer_push(&r->b, &p), 0);
}

static void redundancy_fills_holes(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    unsigned lost = 0;
    for (unsigned n = 0; n < 2000; n++) {
        double at = 20.0 * n + (n % 5 == 0 ? 39 : 0); /* so that the target leaves 40 ms */
        if (n % 10 == 7) {
            lost++;
        } else {
            push_red(&r, at, n);
        }
    }
    struct sq_audio_stats s = stats(&r, 40000);
    assert_true(s.restored_samples >= 960 * (lost - 30));
    assert_true(s.concealed_samples < s.total_samples_received / 50); /* of 10 % lost */
}

static void red_blocks(void **state)
{
    struct sq_red_block blocks[SQ_RED_BLOCKS_MAX];
    size_t n;
    static const uint8_t two[] = {0x80 | 111, 0x0f, 0x00, 3, 111, 'a', 'b', 'c', 'd', 'e'};
    assert_int_equal(sq_red_parse(two, sizeof(two), blocks, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(blocks[0].offset, 960);
    assert_int_equal(blocks[0].len, 3);
    assert_memory_equal(blocks[0].at, "abc", 3);
    assert_int_equal(blocks[1].len, 2);
    assert_memory_equal(blocks[1].at, "de", 2);
    for (size_t len = 0; len < 8; len++) {
        assert_int_equal(sq_red_parse(two, len, blocks, &n), SQ_ERR_TRUNCATED);
    }
    uint8_t many[64];
    memset(many, 0x80, sizeof(many));
    assert_int_equal(sq_red_parse(many, sizeof(many), blocks, &n), SQ_ERR_FORMAT);
}

/* Opus in-band FEC (RFC 6716, section 4.2.4): the LBRR flag is the second bit of a SILK frame of
 * 20 ms. */
static void in_band_fec_fills_holes(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    uint8_t payload[20] = {1 << 3, 0x40};
    for (unsigned n = 0; n < 1000; n++) {
        double at = 20.0 * n + (n % 5 == 0 ? 39 : 0);
        const struct sq_media_packet p = {.now_ns = r.start_ns + (uint64_t)(at * 1e6),
                                          .payload = payload,
                                          .len = sizeof(payload),
                                          .timestamp = n * 960,
                                          .seq = (uint16_t)n,
                                          .codec = SQ_CODEC_OPUS};
        if (n % 10 != 7) {
            assert_int_equal(sq_audio_buffer_push(&r.b, &p), 0);
        }
    }
    struct sq_audio_stats s = stats(&r, 20000);
    assert_true(s.restored_samples > 960 * 70);
}

/* RFC 4733: three packets of an event, and its end three times: one event. */
static void telephone_events(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    unsigned seq = 0;
    for (unsigned n = 0; n < 300; n++) {
        unsigned into = n % 50; /* a digit each second, 120 ms long, in the place of sound */
        if (into >= 6) {
            const struct sq_media_packet p = {.now_ns = r.start_ns + n * 20 * MS,
                                              .payload = voice,
                                              .len = 20,
                                              .timestamp = n * 960,
                                              .seq = (uint16_t)seq++,
                                              .codec = SQ_CODEC_OPUS};
            assert_int_equal(sq_audio_buffer_push(&r.b, &p), 0);
            continue;
        }
        unsigned duration = (into + 1) * 960;
        const uint8_t event[] = {(uint8_t)(n / 50 + 7), (uint8_t)(into == 5 ? 0x8a : 10),
                                 (uint8_t)(duration >> 8), (uint8_t)duration};
        for (unsigned copy = 0; copy < (into == 5 ? 3 : 1); copy++) {
            const struct sq_media_packet p = {.now_ns = r.start_ns + n * 20 * MS + copy,
                                              .payload = event,
                                              .len = 4,
                                              .timestamp = (n - into) * 960,
                                              .seq = (uint16_t)seq++};
            assert_int_equal(sq_audio_buffer_event(&r.b, &p), 0);
        }
    }
    struct sq_audio_stats s = stats(&r, 6000);
    assert_int_equal(s.events, 6);
    assert_string_equal(s.digits, "789*#A");
    assert_int_equal(s.concealed_samples, 0);
    const struct sq_media_packet cut = {.payload = voice, .len = 3};
    assert_int_equal(sq_audio_buffer_event(&r.b, &cut), SQ_ERR_TRUNCATED);
}

/* Keys as Chromium 156 sends them beside Opus: 8 kHz by their payload type, in the stream's clock
 * all the same, and over after a frame of 20 ms. The frame after that is not sent: only it is
 * missing. */
static struct sq_audio_stats keys_of(bool heard)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    unsigned seq = 0;
    for (unsigned n = 0; n < 700; n++) {
        unsigned into = n >= 300 ? n % 50 : 2; /* eight keys, one a second */
        static const uint8_t event[] = {1, 0x8a, 960 >> 8, (uint8_t)960};
        struct sq_media_packet p = {.now_ns = r.start_ns + n * 20 * MS,
                                    .payload = into == 0 ? event : voice,
                                    .len = into == 0 ? 4 : 20,
                                    .timestamp = n * 960,
                                    .marker = into == 0,
                                    .codec = SQ_CODEC_OPUS};
        for (unsigned copy = 0; copy < (into == 0 ? 3 : 1) && into != 1; copy++) {
            p.seq = (uint16_t)seq++;
            if (into > 0) {
                assert_int_equal(sq_audio_buffer_push(&r.b, &p), 0);
            } else if (heard) {
                assert_int_equal(sq_audio_buffer_event(&r.b, &p), 0);
            }
        }
    }
    return stats(&r, 14000);
}

static void keys_of_chromium(void **state)
{
    struct sq_audio_stats deaf = keys_of(false);
    struct sq_audio_stats s = keys_of(true);
    assert_string_equal(s.digits, "11111111");
    assert_in_range(s.concealed_samples, 1, deaf.concealed_samples / 2);
}

/* Until its end is told a key sounds on, as in NetEQ: for 70 ms beyond what is told. */
static void a_key_sounds_on(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    for (unsigned n = 0; n < 300; n++) {
        push(&r, 20.0 * n, n);
    }
    const uint8_t event[] = {2, 10, 960 >> 8, (uint8_t)960};
    struct sq_media_packet p = {.now_ns = r.start_ns + 6000 * MS,
                                .payload = event,
                                .len = 4,
                                .timestamp = 4294960000U + 300 * 960,
                                .seq = (uint16_t)(65500 + 300)};
    assert_int_equal(sq_audio_buffer_event(&r.b, &p), 0);
    uint64_t before = stats(&r, 6000).concealed_samples;
    uint64_t least = stats(&r, 6090).concealed_samples;
    uint64_t most = stats(&r, 6140).concealed_samples;
    assert_int_equal(least, before);
    assert_true(most > before);

    /* The next packet in time: nothing is missing at all. */
    rig_init(&r, SQ_CODEC_OPUS);
    for (unsigned n = 0; n < 300; n++) {
        push(&r, 20.0 * n, n);
    }
    before = stats(&r, 6000).concealed_samples;
    for (unsigned n = 0; n < 5; n++) { /* one in 80 ms */
        const uint8_t later[] = {2, (uint8_t)(n == 4 ? 0x8a : 10),
                                 (uint8_t)((n * 4 + 1) * 960 >> 8), (uint8_t)((n * 4 + 1) * 960)};
        p.payload = later;
        p.now_ns = r.start_ns + (6000 + 80 * n) * MS;
        p.seq = (uint16_t)(65500 + 300 + n);
        assert_int_equal(sq_audio_buffer_event(&r.b, &p), 0);
    }
    for (unsigned n = 317; n < 400; n++) {
        push(&r, 20.0 * n, n);
    }
    assert_int_equal(stats(&r, 8000).concealed_samples, before);
}

/* Opus with DTX: a packet of silence each 400 ms, and nothing in between. A key in such a pause is
 * heard and changes nothing else: nothing is missing, and the pause after it is silence still. The
 * event comes 20 ms after it began and each 20 ms, `early_ms` before play-out needs it. */
static void keys_in_a_pause(void **state)
{
    static const uint8_t nothing[] = {1 << 3};
    for (unsigned begins = 110; begins < 120; begins++) { /* 100 is silence, and so is 120 */
        struct rig r;
        rig_init(&r, SQ_CODEC_OPUS);
        unsigned seq = 0;
        for (unsigned n = 0; n < 200; n++) {
            bool key = n > begins && n <= begins + 5; /* as the event is told: its end */
            bool sound = n < 100 || n >= 160;
            struct sq_media_packet p = {.now_ns = r.start_ns + n * 20 * MS,
                                        .timestamp = n * 960,
                                        .payload = sound ? voice : nothing,
                                        .len = sound ? 20 : 1,
                                        .seq = (uint16_t)seq,
                                        .codec = SQ_CODEC_OPUS};
            if (key) {
                unsigned duration = (n - begins) * 960;
                const uint8_t event[] = {3, (uint8_t)(n == begins + 5 ? 0x8a : 10),
                                         (uint8_t)(duration >> 8), (uint8_t)duration};
                p.payload = event;
                p.len = sizeof(event);
                p.timestamp = begins * 960;
                p.marker = n == begins + 1;
                p.seq = (uint16_t)seq++;
                assert_int_equal(sq_audio_buffer_event(&r.b, &p), 0);
            } else if (sound || n % 20 == 0) {
                p.seq = (uint16_t)seq++;
                assert_int_equal(sq_audio_buffer_push(&r.b, &p), 0);
            }
        }
        struct sq_audio_stats s = stats(&r, 4000);
        assert_string_equal(s.digits, "3");
        assert_int_equal(s.concealed_samples, 0);
        assert_true(s.silent_samples > 48 * 900); /* of 1,200 ms, less the key and two packets */
    }
}

static void the_codec_may_change(void **state)
{
    struct rig r;
    rig_init(&r, SQ_CODEC_OPUS);
    for (unsigned n = 0; n < 600; n++) {
        r.codec = n / 200 % 2 ? SQ_CODEC_PCMU : SQ_CODEC_OPUS;
        push(&r, 20.0 * n, n);
    }
    struct sq_audio_stats s = stats(&r, 12000);
    assert_int_equal(s.packets_discarded, 0);
    assert_int_equal(s.packets_received, 600);
    assert_int_equal(s.concealed_samples, 0);
}

static void hostile_packets(void **state)
{
    struct sq_rand r;
    struct sq_audio_buffer b;
    sq_rand_seed(&r, 1);
    sq_audio_buffer_init(&b);
    uint64_t now = 0;
    for (unsigned i = 0; i < 200000; i++) {
        static const uint8_t codecs[] = {SQ_CODEC_OPUS, SQ_CODEC_OPUS, SQ_CODEC_PCMA,
                                         SQ_CODEC_G722};
        size_t len = sq_rand_below(&r, 33);
        uint8_t *bytes = malloc(len + (len == 0));
        assert_non_null(bytes);
        for (size_t n = 0; n < len; n++) {
            bytes[n] = (uint8_t)sq_rand_u32(&r);
        }
        now += sq_rand_below(&r, 1000) == 0 ? 100000 * MS : sq_rand_below(&r, 30) * MS;
        const struct sq_media_packet p = {
            .now_ns = now - sq_min_u64(now, sq_rand_below(&r, 100) == 0 ? 50 * MS : 0),
            .payload = bytes,
            .len = len,
            .timestamp = sq_rand_below(&r, 3) ? i * 960 : sq_rand_u32(&r),
            .seq = (uint16_t)sq_rand_u32(&r),
            .red = sq_rand_below(&r, 4) == 0,
            .codec = (enum sq_codec)codecs[i / 50000]};
        int err =
            sq_rand_below(&r, 10) ? sq_audio_buffer_push(&b, &p) : sq_audio_buffer_event(&b, &p);
        free(bytes);
        assert_true(err == 0 || err == SQ_ERR_FORMAT || err == SQ_ERR_TRUNCATED);
        unsigned held = 0;
        for (unsigned n = 0; n < SQ_AUDIO_WINDOW_QUANTA / 64; n++) {
            held += (unsigned)__builtin_popcountll(b.held[n]);
        }
        assert_int_equal(held, b.held_count);
        assert_true(b.newest >= b.next || b.held_count == 0);
        assert_true(b.newest - b.next <= SQ_AUDIO_WINDOW_QUANTA);
    }
    struct sq_audio_stats s;
    sq_audio_buffer_stats(&b, &s);
    assert_true(s.concealed_samples <= s.total_samples_received);
    assert_true(s.silent_concealed_samples <= s.concealed_samples);
    assert_true(s.packets_discarded <= s.packets_received);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_clean_stream_has_no_gap),
        cmocka_unit_test(lost_packets_are_concealed),
        cmocka_unit_test(order_and_copies_do_not_matter),
        cmocka_unit_test(the_delay_follows_jitter),
        cmocka_unit_test(play_out_catches_up),
        cmocka_unit_test(late_is_not_lost),
        cmocka_unit_test(drift_costs_nothing),
        cmocka_unit_test(announced_silence_is_no_gap),
        cmocka_unit_test(silences_of_the_clip_are_no_gaps),
        cmocka_unit_test(a_pause_is_no_gap),
        cmocka_unit_test(redundancy_fills_holes),
        cmocka_unit_test(red_blocks),
        cmocka_unit_test(in_band_fec_fills_holes),
        cmocka_unit_test(telephone_events),
        cmocka_unit_test(keys_in_a_pause),
        cmocka_unit_test(keys_of_chromium),
        cmocka_unit_test(a_key_sounds_on),
        cmocka_unit_test(the_codec_may_change),
        cmocka_unit_test(hostile_packets),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
