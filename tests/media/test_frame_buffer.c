/* The frame buffer against a plain model that knows which frame each packet is of, and by hand. */
#include "base/rand.h"
#include "base/wire.h"
#include "media/frame_buffer_int.h"
#include "media/frames.h"
#include "media/help.h"
#include "media/source.h"
#include "media/vp8.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS SQ_NS_PER_MS

static int push_as(struct sq_frame_buffer *b, enum sq_codec codec, uint64_t now_ns, uint16_t seq,
                   uint32_t timestamp, bool marker, const uint8_t *payload, size_t len)
{
    const struct sq_media_packet p = {.now_ns = now_ns,
                                      .payload = payload,
                                      .len = len,
                                      .timestamp = timestamp,
                                      .seq = seq,
                                      .marker = marker,
                                      .codec = codec};
    return sq_frame_buffer_push(b, &p, false);
}

static int push(struct sq_frame_buffer *b, uint64_t now_ns, uint16_t seq, uint32_t timestamp,
                bool marker, const uint8_t *payload, size_t len)
{
    return push_as(b, SQ_CODEC_VP8, now_ns, seq, timestamp, marker, payload, len);
}

/* ---- a stream through a bad network ---- */

struct packet {
    uint64_t at_ns; /* arrives */
    uint32_t frame; /* counted from the stream's beginning */
    uint16_t seq;
    uint32_t timestamp;
    bool marker, key;
    uint8_t payload[1200];
    size_t len;
};

struct network {
    unsigned loss_percent, copy_percent, jitter_ms;
};

static int by_arrival(const void *a, const void *b)
{
    const struct packet *x = a;
    const struct packet *y = b;
    return x->at_ns < y->at_ns ? -1 : x->at_ns > y->at_ns;
}

/* `frames` frames of the clip as they arrive. frame_packets[] gets the number of packets of each
 * frame, clip_frames[] the frame of the clip. */
static size_t stream(const struct sq_clip_track *t, uint32_t frames, struct network net,
                     uint64_t seed, struct packet *out, size_t room, unsigned *frame_packets,
                     uint32_t *clip_frames)
{
    struct sq_rand rand;
    struct sq_source s;
    struct sq_source_packet p;
    size_t count = 0;
    uint16_t seq = (uint16_t)(65000 + seed);
    uint32_t frame = 0;
    sq_rand_seed(&rand, seed);
    sq_source_init(&s, t, 0, SQ_NS_PER_SEC, &rand);
    while (frame < frames) {
        clip_frames[frame] = s.frame;
        frame_packets[frame] = 0;
        do {
            assert_true(sq_source_next(&s, s.due_ns, &p));
            unsigned copies = 1 + (sq_rand_below(&rand, 100) < net.copy_percent);
            if (sq_rand_below(&rand, 100) < net.loss_percent) {
                copies = 0;
            }
            for (; copies > 0; copies--) {
                assert_true(count < room);
                struct packet *o = &out[count++];
                o->at_ns = p.due_ns + sq_rand_below(&rand, net.jitter_ms * 1000 + 1) * 1000 + count;
                o->frame = frame;
                o->seq = seq;
                o->timestamp = 0xffff0000 + (uint32_t)p.ticks;
                o->marker = p.marker;
                o->key = p.key;
                o->len = p.head_len + (size_t)p.fragment_len;
                memcpy(o->payload, p.head, p.head_len);
                memcpy(o->payload + p.head_len, p.fragment, p.fragment_len);
            }
            seq++;
            frame_packets[frame]++;
        } while (!p.marker);
        frame++;
    }
    qsort(out, count, sizeof(*out), by_arrival);
    return count;
}

/* ---- the same of other codecs, with made-up frames ---- */

#define KEY_EVERY 60

/* The payload of packet `at` of `n` of frame `frame`; nothing but its headers means something. */
static size_t payload_of(enum sq_codec codec, uint32_t frame, unsigned at, unsigned n,
                         uint8_t out[64])
{
    bool key = frame % KEY_EVERY == 0;
    bool first = at == 0;
    bool last = at + 1 == n;
    struct sq_wire w = sq_wire_writer(out, 64);
    if (codec == SQ_CODEC_VP9) { /* RFC 9628, section 4.2: I, P, F, B, E; 15 bits of PictureID */
        sq_wire_put_u8(&w, (uint8_t)(0x90 | (key ? 0 : 0x40) | (first ? 8 : 0) | (last ? 4 : 0)));
        sq_wire_put_u16(&w, (uint16_t)(0x8000 | (0x7ff0 + frame) % 0x8000));
        if (!key) {
            sq_wire_put_u8(&w, 1 << 1);
        }
        sq_wire_put(&w, "\x82\x49\x83\x42\0\1\xf0\0\xf0\0", 10); /* 32x16 where it is a key frame */
    } else if (codec == SQ_CODEC_H264 && key && first) {         /* STAP-A: SPS, PPS */
        sq_wire_put(
            &w,
            "\x78\0\x17\x67\x42\xc0\x0a\xd9\x04\x7b\x01\x10\0\0\x03\0\x10\0\0\x03\x03\x20\xf1"
            "\x22\x64\x80\0\4\x68\xcb\x83\xcb",
            32);
    } else if (codec == SQ_CODEC_H264 && n - (key ? 1 : 0) == 1) { /* a slice by itself */
        sq_wire_put(&w, key ? "\x65\x88\1\2\3" : "\x41\x9a\1\2\3", 5);
    } else if (codec == SQ_CODEC_H264) { /* FU-A */
        bool start = at == (key ? 1U : 0U);
        sq_wire_put_u8(&w, 0x7c);
        sq_wire_put_u8(&w, (uint8_t)((start ? 0x80 : 0) | (last ? 0x40 : 0) | (key ? 5 : 1)));
        sq_wire_put(&w, "\x88\1\2\3", 4);
    } else { /* AV1: one OBU through all packets; Z, Y, W = 1, N */
        sq_wire_put_u8(
            &w, (uint8_t)((first ? 0 : 0x80) | (last ? 0 : 0x40) | 0x10 | (key && first ? 8 : 0)));
        sq_wire_put(&w, "\x30\1\2\3", 4);
    }
    assert_int_equal(w.err, 0);
    return w.pos;
}

static size_t made_up_stream(enum sq_codec codec, uint32_t frames, struct network net,
                             uint64_t seed, struct packet *out, size_t room,
                             unsigned *packets_of_frame)
{
    struct sq_rand rand;
    size_t count = 0;
    uint16_t seq = (uint16_t)(65000 + seed);
    sq_rand_seed(&rand, seed);
    for (uint32_t frame = 0; frame < frames; frame++) {
        unsigned n = 1 + sq_rand_below(&rand, 6) + (frame % KEY_EVERY == 0);
        packets_of_frame[frame] = n;
        for (unsigned at = 0; at < n; at++, seq++) {
            unsigned copies = 1 + (sq_rand_below(&rand, 100) < net.copy_percent);
            copies = sq_rand_below(&rand, 100) < net.loss_percent ? 0 : copies;
            for (; copies > 0; copies--) {
                assert_true(count < room);
                struct packet *o = &out[count++];
                o->at_ns = SQ_NS_PER_SEC + frame * 40 * MS +
                           sq_rand_below(&rand, net.jitter_ms * 1000 + 1) * 1000 + count;
                o->frame = frame;
                o->seq = seq;
                o->timestamp = 0xffff0000 + 3600 * frame;
                o->marker = at + 1 == n;
                o->key = frame % KEY_EVERY == 0;
                o->len = payload_of(codec, frame, at, n, o->payload);
            }
        }
    }
    qsort(out, count, sizeof(*out), by_arrival);
    return count;
}

/* ---- the model: frames by their true number, everything kept ---- */

#define FRAMES_MAX 2000

struct model {
    unsigned need[FRAMES_MAX], have[FRAMES_MAX];
    uint64_t first_ms[FRAMES_MAX];
    bool key[FRAMES_MAX], got[FRAMES_MAX][64];
    int last;   /* decoded, -1 none */
    int passed; /* decoded or given up up to here */
    int newest;
    unsigned decoded, keys, dropped;
    int shown[FRAMES_MAX];
};

static bool model_ready(const struct model *m, int i)
{
    return m->have[i] == m->need[i] && (m->key[i] || (m->last >= 0 && i == m->last + 1));
}

static void model_pass(struct model *m, int until)
{
    for (int i = m->passed + 1; i < until; i++) {
        m->dropped += m->have[i] > 0;
    }
    m->passed = until > m->passed + 1 ? until - 1 : m->passed;
}

static void model_release(struct model *m, uint64_t now_ns)
{
    for (;;) {
        int oldest = m->passed + 1;
        while (oldest <= m->newest && m->have[oldest] == 0) {
            oldest++;
        }
        if (oldest > m->newest) {
            return;
        }
        int i = oldest;
        if (!model_ready(m, i)) {
            if (m->last >= 0 && now_ns / MS - m->first_ms[oldest] < 100) {
                return;
            }
            while (i <= m->newest && !model_ready(m, i)) {
                i++;
            }
            if (i > m->newest) {
                return;
            }
        }
        model_pass(m, i);
        m->passed = m->last = i;
        m->keys += m->key[i];
        m->shown[m->decoded++] = i;
    }
}

static void model_push(struct model *m, const struct packet *p, uint16_t first_seq)
{
    int i = (int)p->frame;
    unsigned index = (uint16_t)(p->seq - first_seq);
    if (i <= m->passed || m->got[i][index]) {
        return;
    }
    if (m->have[i] == 0) {
        int waiting = 0;
        int oldest = -1;
        for (int k = m->passed + 1; k <= m->newest; k++) {
            if (m->have[k] > 0) {
                waiting++;
                oldest = oldest < 0 ? k : oldest;
            }
        }
        if (waiting == SQ_FRAME_WINDOW) {
            if (i < oldest) {
                return;
            }
            model_pass(m, oldest + 1);
        }
        m->first_ms[i] = p->at_ns / MS;
    }
    m->got[i][index] = true;
    m->have[i]++;
    m->key[i] = m->key[i] || p->key;
    m->newest = i > m->newest ? i : m->newest;
    if (m->have[i] == m->need[i]) {
        model_release(m, p->at_ns);
    }
}

struct shown {
    uint32_t timestamps[FRAMES_MAX];
    uint64_t at_ns[FRAMES_MAX];
    unsigned count;
};

static void on_frame(void *ctx, const struct sq_frame *frame)
{
    struct shown *s = ctx;
    s->at_ns[s->count % FRAMES_MAX] = frame->shown_ns;
    s->timestamps[s->count++ % FRAMES_MAX] = frame->timestamp;
}

#define PACKETS_MAX 20000
static struct packet packets[PACKETS_MAX];
static unsigned frame_packets[FRAMES_MAX];
static uint32_t clip_frames[FRAMES_MAX];

static const struct network nets[] = {{0, 0, 0},   {0, 10, 30}, {1, 0, 0},   {1, 5, 60},
                                      {0, 0, 150}, {5, 5, 200}, {30, 0, 20}, {0, 0, 400}};
#define NETS (sizeof(nets) / sizeof(*nets))

/* 1,000 frames whose packets are in packets[] and frame_packets[]. */
static void compare(enum sq_codec codec, unsigned run, size_t n, const struct network *net)
{
    static struct model m;
    static struct shown shown;
    struct sq_frame_buffer a;
    uint16_t first_seq[1000];
    uint16_t seq = (uint16_t)(65000 + run);
    memset(&m, 0, sizeof(m));
    memset(&shown, 0, sizeof(shown));
    m.last = m.passed = m.newest = -1;
    for (unsigned i = 0; i < 1000; i++) {
        first_seq[i] = seq;
        seq = (uint16_t)(seq + frame_packets[i]);
        m.need[i] = frame_packets[i];
    }
    sq_frame_buffer_init(&a, 200 * MS, on_frame, &shown);
    for (size_t i = 0; i < n; i++) {
        struct packet *p = &packets[i];
        assert_int_equal(
            push_as(&a, codec, p->at_ns, p->seq, p->timestamp, p->marker, p->payload, p->len), 0);
        model_push(&m, p, first_seq[p->frame]);
        if (a.stats.frames_decoded != m.decoded || a.stats.frames_dropped != m.dropped) {
            fail_msg("codec %d, run %u, packet %zu of %zu: %llu decoded and %llu dropped, model "
                     "%u, %u",
                     codec, run, i, n, (unsigned long long)a.stats.frames_decoded,
                     (unsigned long long)a.stats.frames_dropped, m.decoded, m.dropped);
        }
    }
    assert_int_equal(a.stats.key_frames_decoded, m.keys);
    for (unsigned i = 0; i < m.decoded; i++) {
        assert_int_equal(shown.timestamps[i], 0xffff0000 + 3600 * (uint32_t)m.shown[i]);
        assert_true(i == 0 || shown.at_ns[i] >= shown.at_ns[i - 1]);
    }
    if (net->loss_percent == 0 && net->jitter_ms <= 60) {
        assert_int_equal(m.decoded, 1000);
    }
    assert_true(m.decoded > 10 || net->loss_percent >= 30);
    assert_int_equal(a.stats.packets, n);
    assert_true(m.decoded == 0 || a.stats.frame_width > 0 || codec == SQ_CODEC_AV1);
    sq_frame_buffer_close(&a);
}

static void loss_and_reordering_as_the_model_has_it(void **state)
{
    /* One temporal layer: each frame refers to the one before it, as the model has it. */
    struct help_file file = help_make(0, 240, 35);
    struct sq_clip *c = NULL;
    char why[SQ_CLIP_WHY_MAX];
    assert_int_equal(sq_clip_open_bytes(file.bytes, file.len, "made up", 0, &c, why), 0);
    const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_VIDEO);
    for (unsigned k = 0; k < 40; k++) {
        size_t n =
            stream(t, 1000, nets[k % NETS], k, packets, PACKETS_MAX, frame_packets, clip_frames);
        compare(SQ_CODEC_VP8, k, n, &nets[k % NETS]);
    }
    sq_clip_close(c);
    free(file.bytes);
}

static void other_codecs_as_the_model_has_them(void **state)
{
    static const enum sq_codec codecs[] = {SQ_CODEC_VP9, SQ_CODEC_H264, SQ_CODEC_AV1};
    for (unsigned k = 0; k < 24 * 3; k++) {
        size_t n = made_up_stream(codecs[k % 3], 1000, nets[k / 3 % NETS], k, packets, PACKETS_MAX,
                                  frame_packets);
        compare(codecs[k % 3], k, n, &nets[k / 3 % NETS]);
    }
}

/* ---- the bytes ---- */

struct bytes {
    const struct sq_clip_track *track;
    unsigned frames;
};

static void compare_frame(void *ctx, const struct sq_media_frame *frame)
{
    struct bytes *b = ctx;
    uint32_t number = (frame->timestamp - 0xffff0000) / 3600;
    const struct sq_clip_frame *f = &b->track->frames[clip_frames[number]];
    assert_int_equal(frame->len, f->len_bytes);
    assert_memory_equal(frame->bytes, b->track->data + f->offset, frame->len);
    assert_int_equal((uint16_t)(frame->last_seq - frame->first_seq + 1), f->packets);
    assert_int_equal(frame->key, f->flags & SQ_CLIP_KEY);
    assert_int_equal(frame->width, b->track->width);
    b->frames++;
}

static void frames_come_out_bit_for_bit(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    struct bytes b = {.track = sq_clip_track(c, SQ_CLIP_VIDEO)};
    struct sq_frames *frames;
    assert_int_equal(sq_frames_new(compare_frame, &b, &frames), 0);
    size_t n = stream(b.track, 500, (struct network){0, 10, 80}, 77, packets, PACKETS_MAX,
                      frame_packets, clip_frames);
    for (size_t i = 0; i < n; i++) {
        const struct sq_media_packet p = {.now_ns = packets[i].at_ns,
                                          .payload = packets[i].payload,
                                          .len = packets[i].len,
                                          .timestamp = packets[i].timestamp,
                                          .seq = packets[i].seq,
                                          .marker = packets[i].marker,
                                          .codec = SQ_CODEC_VP8};
        assert_int_equal(sq_frames_push(frames, &p), 0);
    }
    assert_int_equal(b.frames, 500);
    assert_int_equal(sq_frames_stats(frames)->frames_dropped, 0);
    sq_frames_free(frames);
    sq_clip_close(c);
}

/* ---- by hand: frames of one packet ---- */

struct hand {
    struct sq_frame_buffer a;
    uint16_t seq;
    int picture_id; /* -1: none */
    struct shown shown;
};

static void hand_init(struct hand *h)
{
    memset(h, 0, sizeof(*h));
    h->seq = 65530;
    h->picture_id = 0x7ffa;
    sq_frame_buffer_init(&h->a, 200 * MS, on_frame, &h->shown);
}

/* The whole of a small frame; its length. */
static size_t vp8_frame(const struct sq_vp8_descriptor *d, bool key, uint8_t out[static 32])
{
    static const uint8_t key_bytes[] = {0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 48, 0};
    static const uint8_t delta_bytes[] = {0x11, 0, 0, 1, 2, 3, 4, 5, 6, 7};
    size_t len = sq_vp8_descriptor_write(d, out);
    memcpy(out + len, key ? key_bytes : delta_bytes, 10);
    return len + 10;
}

/* Frame number n arrives at now, in one packet, with numbers as a sender without loss gives them.
 */
static void frame_at_ticks(struct hand *h, unsigned n, bool key, uint64_t now_ns, uint32_t ticks)
{
    struct sq_vp8_descriptor d = {.picture_id =
                                      h->picture_id < 0 ? -1 : (h->picture_id + (int)n) & 0x7fff,
                                  .wide = true,
                                  .tl0_pic_idx = -1,
                                  .tid = -1,
                                  .key_idx = -1,
                                  .start = true};
    uint8_t payload[32];
    size_t len = vp8_frame(&d, key, payload);
    assert_int_equal(push(&h->a, now_ns, (uint16_t)(h->seq + n), ticks, true, payload, len), 0);
}

static void frame_at(struct hand *h, unsigned n, bool key, uint64_t now_ns)
{
    frame_at_ticks(h, n, key, now_ns, n * 3600);
}

/* Without jitter a frame leaves the buffer 11 ms after it came (10 ms for the operating system's
 * jitter and 1 ms at the least), but for one that is late by more, which leaves at once: g ms after
 * the one before it came, that is g - 11 after that one left.
 *
 * Intervals of 40 ms: d = 40, the bound is d + 150, where d holds the long interval G, too:
 * d = (29 * 40 + G) / 30, so G is a freeze from G >= 38.67 + G / 30 + 150, that is G >= 195.2 ms,
 * and g >= 206.2 ms. */
static void freezes_by_hand(void **state)
{
    for (unsigned gap_ms = 201; gap_ms <= 211; gap_ms++) {
        struct hand h;
        hand_init(&h);
        uint64_t now = SQ_NS_PER_SEC;
        frame_at(&h, 0, true, now);
        for (unsigned n = 1; n <= 40; n++) {
            now += 40 * MS;
            frame_at(&h, n, false, now);
            assert_in_range(h.shown.at_ns[n] - now, 11 * MS, 11 * MS + MS / 50);
        }
        assert_int_equal(h.a.stats.freeze_count, 0);
        bool freeze = gap_ms >= 207;
        now += gap_ms * MS;
        uint64_t gap_ns = now - h.shown.at_ns[40];
        assert_int_equal(sq_frame_buffer_open_freeze_ns(&h.a, now), freeze ? gap_ns : 0);
        frame_at(&h, 41, false, now);
        assert_int_equal(h.shown.at_ns[41], now);
        assert_int_equal(h.a.stats.freeze_count, freeze);
        assert_int_equal(h.a.stats.total_freezes_ns, freeze ? gap_ns : 0);
        assert_int_equal(sq_frame_buffer_open_freeze_ns(&h.a, now), 0);
        assert_int_equal(h.a.stats.total_inter_frame_ns, (1600 + gap_ms) * MS);
        double squared = 0;
        for (unsigned n = 1; n <= 41; n++) {
            double gap_s = (double)(h.shown.at_ns[n] - h.shown.at_ns[n - 1]) * 1e-9;
            squared += gap_s * gap_s;
        }
        assert_true(fabs(h.a.stats.total_squared_inter_frame_s2 - squared) < 1e-9);
        /* 40 frames at 11 ms, the first and the last at 0. */
        assert_in_range(h.a.stats.jitter_buffer_delay_ns, 440 * MS, 441 * MS);
    }
    /* 10 frames a second: 3 d is the greater. d = (29 * 100 + G) / 30; G >= 290 + G / 10: 322.2 ms,
     * g: 333.2 ms */
    for (unsigned gap_ms = 329; gap_ms <= 338; gap_ms++) {
        struct hand h;
        hand_init(&h);
        uint64_t now = SQ_NS_PER_SEC;
        for (unsigned n = 0; n <= 40; n++, now += 100 * MS) {
            frame_at_ticks(&h, n, n == 0, now, n * 9000);
        }
        frame_at_ticks(&h, 41, false, now - 100 * MS + gap_ms * MS, 41 * 9000);
        assert_int_equal(h.a.stats.freeze_count, gap_ms >= 334);
    }
}

/* The average has the outage in it, as libwebrtc's: what follows at once is not held against the
 * usual 40 ms. */
static void a_long_outage_is_one_freeze(void **state)
{
    for (unsigned outage_ms = 500; outage_ms <= 8000; outage_ms += 2500) {
        struct hand h;
        hand_init(&h);
        uint64_t now = SQ_NS_PER_SEC;
        for (unsigned n = 0; n <= 40; n++, now += 40 * MS) {
            frame_at(&h, n, n == 0, now);
        }
        now += outage_ms * MS;
        frame_at(&h, 41, true, now);
        assert_int_equal(h.a.stats.freeze_count, 1);
        assert_in_range(h.a.stats.total_freezes_ns, (outage_ms + 20) * MS, (outage_ms + 40) * MS);
        now += (150 + 40 + outage_ms / 30) * MS; /* short of d + 150 */
        frame_at(&h, 42, false, now);
        assert_int_equal(h.a.stats.freeze_count, 1);
        for (unsigned n = 43; n <= 80; n++) {
            now += 40 * MS;
            frame_at(&h, n, false, now);
        }
        now += 220 * MS;
        frame_at(&h, 81, false, now);
        assert_int_equal(h.a.stats.freeze_count, 2);
    }
}

static void too_few_frames_and_pauses_are_no_freeze(void **state)
{
    struct hand h;
    hand_init(&h);
    for (unsigned n = 0; n < 4; n++) { /* four intervals: nothing is usual yet */
        frame_at(&h, n, n == 0, n * 40 * MS);
    }
    frame_at(&h, 4, false, 2000 * MS);
    assert_int_equal(h.a.stats.freeze_count, 0);
    for (unsigned n = 5; n < 50; n++) {
        frame_at(&h, n, false, (2000 + (n - 4) * 40) * MS);
    }
    sq_frame_buffer_pause(&h.a);
    assert_int_equal(sq_frame_buffer_open_freeze_ns(&h.a, 60000 * MS), 0);
    frame_at(&h, 50, false, 60000 * MS);
    assert_int_equal(h.a.stats.freeze_count, 0);
    frame_at(&h, 51, false, 61000 * MS);
    assert_int_equal(h.a.stats.freeze_count, 1);
    assert_int_equal(h.a.stats.total_freezes_ns, 1000 * MS);
}

/* A lost frame stops the picture until it comes again, or until a key frame. */
static void a_gap_stops_the_picture(void **state)
{
    for (int with_id = 0; with_id < 2; with_id++) {
        struct hand h;
        hand_init(&h);
        h.picture_id = with_id ? h.picture_id : -1;
        frame_at(&h, 0, true, 0);
        frame_at(&h, 1, false, 40 * MS);
        assert_int_equal(sq_frame_buffer_key_due_ns(&h.a), SQ_NEVER);
        for (unsigned n = 3; n < 8; n++) {
            frame_at(&h, n, false, n * 40 * MS);
        }
        assert_int_equal(h.a.stats.frames_decoded, 2);
        assert_int_equal(h.a.stats.frames_received, 7);
        assert_int_equal(sq_frame_buffer_key_due_ns(&h.a), 120 * MS + 200 * MS);
        assert_false(sq_frame_buffer_needs_key(&h.a, 319 * MS));
        assert_true(sq_frame_buffer_needs_key(&h.a, 320 * MS));
        frame_at(&h, 2, false, 330 * MS); /* the answer to a NACK */
        assert_int_equal(h.a.stats.frames_decoded, 8);
        assert_int_equal(h.a.stats.frames_dropped, 0);
        assert_int_equal(sq_frame_buffer_key_due_ns(&h.a), SQ_NEVER);
        /* And now one that never comes again. */
        for (unsigned n = 9; n < 15; n++) {
            frame_at(&h, n, n == 14, n * 40 * MS);
        }
        assert_int_equal(h.a.stats.frames_decoded, 9);
        assert_int_equal(h.a.stats.key_frames_decoded, 2);
        assert_int_equal(h.a.stats.frames_dropped, 5);
        assert_int_equal(sq_frame_buffer_key_due_ns(&h.a), SQ_NEVER);
        frame_at(&h, 8, false, 600 * MS);
        assert_int_equal(h.a.stats.packets_late, 1);
        assert_int_equal(h.a.stats.frames_decoded, 9);
        for (unsigned n = 1; n < h.shown.count; n++) {
            assert_true((int32_t)(h.shown.timestamps[n] - h.shown.timestamps[n - 1]) > 0);
        }
    }
}

static void a_key_frame_is_asked_for_at_once_without_one(void **state)
{
    struct hand h;
    hand_init(&h);
    assert_false(sq_frame_buffer_needs_key(&h.a, SQ_NS_PER_SEC));
    frame_at(&h, 5, false, 1000 * MS);
    assert_true(sq_frame_buffer_needs_key(&h.a, 1000 * MS));
    for (unsigned n = 6; n < 100; n++) { /* longer than the window */
        frame_at(&h, n, false, (1000 + n * 10) * MS);
        assert_true(sq_frame_buffer_needs_key(&h.a, (1000 + n * 10) * MS));
    }
    assert_int_equal(h.a.stats.frames_decoded, 0);
    frame_at(&h, 100, true, 2500 * MS);
    assert_int_equal(h.a.stats.frames_decoded, 1);
    assert_int_equal(h.a.stats.frames_dropped, 95);
    assert_int_equal(h.a.stats.frame_width, 64);
    assert_int_equal(h.a.stats.frame_height, 48);
    assert_false(sq_frame_buffer_needs_key(&h.a, 2500 * MS));
}

/* Who comes into an H.264 stream cannot tell whether its first frame has all its packets, but the
 * second one: it is whole, and no key frame. */
static void a_key_frame_of_h264_is_asked_for_soon(void **state)
{
    struct sq_frame_buffer b;
    sq_frame_buffer_init(&b, 200 * MS, NULL, NULL);
    static const uint8_t slice[] = {0x41, 0x9a, 1, 2};
    assert_int_equal(push_as(&b, SQ_CODEC_H264, 1000 * MS, 7, 0, true, slice, 4), 0);
    assert_int_equal(sq_frame_buffer_key_due_ns(&b), 1200 * MS);
    assert_int_equal(push_as(&b, SQ_CODEC_H264, 1040 * MS, 8, 3600, true, slice, 4), 0);
    assert_true(sq_frame_buffer_needs_key(&b, 1040 * MS));
    sq_frame_buffer_close(&b);
}

/* Padding takes sequence numbers; without a PictureID they are all there is to go by. */
static void padding_is_no_gap(void **state)
{
    struct hand h;
    hand_init(&h);
    h.picture_id = -1;
    frame_at(&h, 0, true, 0);
    h.seq = (uint16_t)(h.seq + 3);
    frame_at(&h, 1, false, 40 * MS);
    assert_int_equal(h.a.stats.frames_decoded, 1);
    for (unsigned n = 1; n <= 3; n++) {
        assert_int_equal(h.a.stats.frames_decoded, 1);
        assert_int_equal(push(&h.a, 41 * MS, (uint16_t)(65530 + n), 0, false, NULL, 0), 0);
    }
    assert_int_equal(h.a.stats.frames_decoded, 2);
    frame_at(&h, 2, false, 80 * MS);
    assert_int_equal(h.a.stats.frames_decoded, 3);
}

static void a_sender_that_begins_anew_is_followed(void **state)
{
    struct hand h;
    hand_init(&h);
    for (unsigned n = 1000; n < 1100; n++) {
        frame_at(&h, n, n == 1000, n * 40 * MS);
    }
    for (unsigned n = 0; n < 200; n++) { /* timestamps and numbers from far below */
        frame_at(&h, n, n % 10 == 0, (5000 + n * 40) * MS);
    }
    assert_true(h.a.stats.frames_decoded > 100 + 80);
    assert_true(h.a.stats.packets_late <= 101);
}

static void frames_a_second(void **state)
{
    struct hand h;
    hand_init(&h);
    for (unsigned n = 0; n < 100; n++) {
        frame_at(&h, n, n == 0, (5000 + n * 40) * MS);
    }
    assert_true(sq_frame_buffer_fps(&h.a, 8960 * MS) == 25);
    assert_true(sq_frame_buffer_fps(&h.a, 9500 * MS) < 15);
    assert_true(sq_frame_buffer_fps(&h.a, 11000 * MS) == 0);
    assert_true(sq_frame_buffer_fps(&h.a, 1000000 * MS) == 0);
}

/* Frames are counted when they leave the buffer, for the time at which they will be shown. */
static void frames_a_second_that_are_held(void **state)
{
    struct hand h;
    for (unsigned held_ms = 0; held_ms <= 2000; held_ms += 200) {
        hand_init(&h);
        for (unsigned n = 0; n < 100; n++) {
            sq_frame_count_shown(&h.a, (5000 + n * 40 + held_ms) * MS);
        }
        assert_true(sq_frame_buffer_fps(&h.a, 8960 * MS) == 25);
    }
}

/* ---- temporal layers ---- */

static void layer_at(struct hand *h, unsigned n, unsigned id, unsigned tl0, unsigned tid, bool sync,
                     bool key, uint64_t now_ns)
{
    struct sq_vp8_descriptor d = {.picture_id = (int32_t)id,
                                  .wide = true,
                                  .tl0_pic_idx = (int16_t)(tl0 & 0xff),
                                  .tid = (int8_t)tid,
                                  .layer_sync = sync,
                                  .key_idx = -1,
                                  .start = true};
    uint8_t payload[32];
    size_t len = vp8_frame(&d, key, payload);
    assert_int_equal(push(&h->a, now_ns, (uint16_t)n, n * 3600, true, payload, len), 0);
}

/* A server leaves out the upper layer: the base layer goes on, though PictureIDs jump. And a lost
 * frame of the upper layer costs that frame alone. */
static void base_layer_goes_on_without_the_upper(void **state)
{
    struct hand h;
    hand_init(&h);
    layer_at(&h, 0, 100, 250, 0, false, true, 0);
    for (unsigned n = 1; n < 20; n++) { /* every second PictureID, TL0PICIDX in a row past 255 */
        layer_at(&h, n, 100 + 2 * n, 250 + n, 0, false, false, n * 80 * MS);
    }
    assert_int_equal(h.a.stats.frames_decoded, 20);
    layer_at(&h, 20, 150, 250 + 19, 1, true, false, 1600 * MS); /* Y: its base frame is enough */
    assert_int_equal(h.a.stats.frames_decoded, 21);
    layer_at(&h, 21, 155, 250 + 19, 1, false, false, 1640 * MS); /* without: not */
    assert_int_equal(h.a.stats.frames_decoded, 21);
    layer_at(&h, 22, 156, 250 + 20, 0, false, false, 1800 * MS);
    assert_int_equal(h.a.stats.frames_decoded, 22);
    assert_int_equal(h.a.stats.frames_dropped, 1);
    layer_at(&h, 23, 158, 250 + 22, 0, false, false, 1900 * MS); /* a base frame is missing */
    assert_int_equal(h.a.stats.frames_decoded, 22);
}

/* Packets that contradict each other about where a frame begins and ends. */
static void contradictions_are_refused(void **state)
{
    struct sq_frame_buffer a;
    const uint8_t first[] = {0x10, 0x11, 0, 0};
    const uint8_t more[] = {0x00, 0x11, 0, 0};
    sq_frame_buffer_init(&a, 200 * MS, NULL, NULL);
    assert_int_equal(push(&a, 0, 10, 1, false, first, 4), 0);
    assert_int_equal(push(&a, 0, 9, 1, false, more, 4), SQ_ERR_FORMAT);
    assert_int_equal(push(&a, 0, 12, 1, true, more, 4), 0);
    assert_int_equal(push(&a, 0, 13, 1, false, more, 4), SQ_ERR_FORMAT);
    assert_int_equal(push(&a, 0, 11, 1, true, more, 4), SQ_ERR_FORMAT);
    assert_int_equal(a.stats.frames_received, 0);
    assert_int_equal(a.stats.packets_bad, 3);
    assert_int_equal(push(&a, 0, 11, 1, false, more, 0), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_reordering_as_the_model_has_it),
        cmocka_unit_test(other_codecs_as_the_model_has_them),
        cmocka_unit_test(frames_come_out_bit_for_bit),
        cmocka_unit_test(freezes_by_hand),
        cmocka_unit_test(a_long_outage_is_one_freeze),
        cmocka_unit_test(too_few_frames_and_pauses_are_no_freeze),
        cmocka_unit_test(a_gap_stops_the_picture),
        cmocka_unit_test(a_key_frame_is_asked_for_at_once_without_one),
        cmocka_unit_test(a_key_frame_of_h264_is_asked_for_soon),
        cmocka_unit_test(padding_is_no_gap),
        cmocka_unit_test(a_sender_that_begins_anew_is_followed),
        cmocka_unit_test(frames_a_second),
        cmocka_unit_test(frames_a_second_that_are_held),
        cmocka_unit_test(base_layer_goes_on_without_the_upper),
        cmocka_unit_test(contradictions_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
