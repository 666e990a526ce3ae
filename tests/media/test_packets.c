/* Packets of every codec: what the depacketizers put together again are the clip's frames, and the
 * descriptors say what the clip knows. */
#include "base/mem.h"
#include "base/time.h"
#include "base/wire.h"
#include "media/depacket.h"
#include "media/frames.h"
#include "media/h264.h"
#include "media/help.h"
#include "media/red.h"
#include "media/source.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START (UINT64_C(1000) * SQ_NS_PER_SEC)

static uint8_t whole[16384];

static size_t join(const struct sq_source_packet *p)
{
    memcpy(whole, p->head, p->head_len);
    memcpy(whole + p->head_len, p->fragment, p->fragment_len);
    return p->head_len + (size_t)p->fragment_len;
}

/* ---- There and back ---- */

struct back {
    const struct sq_clip *clip;
    const struct sq_clip_track *expect[4096]; /* what was sent, in turn */
    uint32_t frame[4096];
    unsigned sent, came;
};

/* Where a frame's bytes lie in the file: made payloads moved `data` elsewhere. */
static const uint8_t *bytes_of(const struct sq_clip *c, const struct sq_clip_track *t,
                               uint32_t frame)
{
    size_t i = (size_t)(t - c->tracks);
    uint64_t data = sq_load_u64(c->map + 24 + 64 * i + 40);
    return c->map + data + t->frames[frame].offset;
}

/* A clip's frame in the form that decoders take: an access unit with start codes, a temporal unit
 * with its delimiter. */
static size_t as_stream(enum sq_codec codec, const uint8_t *at, size_t len, uint8_t *out)
{
    size_t n = 0;
    if (codec == SQ_CODEC_AV1) {
        memcpy(out, "\x12\x00", 2);
        n = 2;
    }
    memcpy(out + n, at, len);
    if (codec == SQ_CODEC_H264) {
        for (size_t pos = 0; pos < len;) {
            uint32_t nal = sq_load_u32(at + pos);
            sq_store_u32(out + pos, 1);
            pos += 4 + nal;
        }
    }
    return n + len;
}

static void on_frame(void *ctx, const struct sq_media_frame *frame)
{
    struct back *b = ctx;
    static uint8_t expected[1 << 20];
    assert_true(b->came < b->sent);
    const struct sq_clip_track *t = b->expect[b->came];
    const struct sq_clip_frame *f = &t->frames[b->frame[b->came]];
    size_t len =
        as_stream(t->codec, bytes_of(b->clip, t, b->frame[b->came]), f->len_bytes, expected);
    assert_int_equal(frame->key, (f->flags & SQ_CLIP_KEY) != 0);
    if (t->spatial_layers > 1) { /* a superframe: its index is behind the frames */
        assert_true(frame->len > len);
        assert_int_equal(frame->sid, t->spatial_layers - 1);
    } else {
        assert_int_equal(frame->len, len);
    }
    assert_memory_equal(frame->bytes, expected, len);
    if (t->kind == SQ_CLIP_VIDEO) {
        assert_int_equal(frame->width, t->width);
        assert_int_equal(frame->height, t->height);
        assert_int_equal(frame->tid, f->tid);
    }
    b->came++;
}

static void send_back(const struct sq_clip *c, const struct sq_clip_track *lowest,
                      size_t payload_max, bool changes)
{
    static struct back b;
    struct sq_frames *frames = NULL;
    struct sq_rand rand;
    struct sq_source s;
    b = (struct back){.clip = c};
    assert_int_equal(sq_frames_new(on_frame, &b, &frames), 0);
    sq_rand_seed(&rand, 21);
    sq_source_init(&s, lowest + (lowest->step_count - 1), 0, START, &rand);
    unsigned loop = lowest->frame_count;
    for (uint16_t seq = 65000; b.sent < 2 * loop + 10;) {
        if (changes && sq_rand_below(&rand, 60) == 0) {
            sq_source_set_step(&s, lowest + sq_rand_below(&rand, lowest->step_count));
        }
        if (changes && sq_rand_below(&rand, 60) == 0) {
            sq_source_set_max_tid(&s, sq_rand_below(&rand, 3));
        }
        struct sq_source_packet p;
        assert_true(sq_source_next(&s, s.due_ns, &p));
        size_t len = join(&p);
        assert_true(len <= payload_max || lowest->kind == SQ_CLIP_AUDIO); /* which is not cut */
        /* Another frame may be on its way by now: ask which one this packet is of. */
        if (p.begin) {
            const struct sq_clip_track *t = s.track;
            uint32_t number = (p.cookie & 0xfffff) - t->cookie_base;
            if (number >= t->packet_count) {
                fail_msg("a cookie of another step");
            }
            b.expect[b.sent] = t;
            b.frame[b.sent++] = t->packets[number].frame;
        }
        const struct sq_media_packet packet = {.now_ns = p.due_ns,
                                               .payload = whole,
                                               .len = len,
                                               .dd = p.ext_len ? p.ext : NULL,
                                               .dd_len = p.ext_len,
                                               .timestamp = (uint32_t)p.ticks,
                                               .seq = seq++,
                                               .marker = p.marker,
                                               .codec = lowest->codec};
        assert_int_equal(sq_frames_push(frames, &packet), 0);
    }
    sq_frames_flush(frames);
    /* The latest may not be whole yet. */
    assert_true(b.came + 1 >= b.sent);
    sq_frames_free(frames);
}

static void frames_come_back(const char *name, size_t payload_max)
{
    struct sq_clip *c = help_open(name, payload_max);
    for (size_t i = 0; i < c->track_count; i++) {
        if (c->tracks[i].step == 0) {
            send_back(c, &c->tracks[i], payload_max, false);
            send_back(c, &c->tracks[i], payload_max, true);
        }
    }
    sq_clip_close(c);
}

static void every_track_comes_back(void **state)
{
    frames_come_back("default", SQ_CLIP_PAYLOAD_DEFAULT);
    frames_come_back("small", SQ_CLIP_PAYLOAD_MIN);
}

/* ---- By hand ---- */

static struct sq_clip *open_built(struct help_file *f, size_t payload_max)
{
    struct sq_clip *c = NULL;
    char why[SQ_CLIP_WHY_MAX];
    if (sq_clip_open_bytes(f->bytes, f->len, "made up", payload_max, &c, why) != 0) {
        fail_msg("%s", why);
    }
    return c;
}

static struct sq_source source_of(const struct sq_clip_track *t)
{
    struct sq_rand rand;
    struct sq_source s;
    sq_rand_seed(&rand, 22);
    sq_source_init(&s, t, 0, START, &rand);
    return s;
}

static const uint8_t sps[] = {0x67, 0x42, 0xc0, 0x1f, 0xd9, 0x00, 0xa0, 0x2f, 0xf9,
                              0x66, 0x10, 0x00, 0x00, 0x03, 0x00, 0x10, 0x00, 0x00,
                              0x03, 0x03, 0x20, 0xf1, 0x83, 0x24, 0x80};
static const uint8_t pps[] = {0x28, 0xcb, 0x83, 0xcb, 0x20};

static size_t put_nal(uint8_t *out, const uint8_t *nal, size_t len)
{
    sq_store_u32(out, (uint32_t)len);
    memcpy(out + 4, nal, len);
    return 4 + len;
}

/* SPS, PPS and an IDR slice of `idr` bytes; then a picture of two slices, and one of one. */
static struct help_file h264_file(uint8_t *key, uint8_t *two, uint8_t *one, size_t idr,
                                  unsigned features)
{
    uint8_t slice[2000];
    for (size_t i = 0; i < sizeof(slice); i++) {
        slice[i] = (uint8_t)(i * 7 + 1);
    }
    slice[0] = 0x65;
    size_t n = put_nal(key, sps, sizeof(sps));
    n += put_nal(key + n, pps, sizeof(pps));
    n += put_nal(key + n, slice, idr);
    slice[0] = 0x41;
    size_t m = put_nal(two, slice, 60);
    m += put_nal(two + m, slice, 50);
    slice[0] = 0x01;
    size_t k = put_nal(one, slice, 101);
    uint16_t width = 0;
    uint16_t height = 0;
    assert_int_equal(sq_h264_sps_size(sps, sizeof(sps), &width, &height), 0);
    const struct help_row rows[] = {{key, (uint32_t)n, 0, SQ_CLIP_KEY, 0, 0, 0},
                                    {two, (uint32_t)m, 3600, 0, 0, 0, 0},
                                    {one, (uint32_t)k, 7200, 0, 0, 0, 0}};
    const struct help_track track = {.kind = SQ_CLIP_VIDEO,
                                     .codec = SQ_CODEC_H264,
                                     .features = features,
                                     .width = width,
                                     .height = height,
                                     .duration = 10800,
                                     .rows = rows,
                                     .count = 3};
    return help_build(&track, 1);
}

/* RFC 6184: sections 5.6 (single), 5.7.1 (STAP-A), 5.8 (FU-A), with payloads of 200 bytes. */
static void h264_packets(void **state)
{
    uint8_t key[4096];
    uint8_t two[512];
    uint8_t one[512];
    struct help_file f = h264_file(key, two, one, 701, 0);
    struct sq_clip *c = open_built(&f, 200);
    const struct sq_clip_track *t = &c->tracks[0];
    static const uint8_t profile[3] = {0x42, 0xc0, 0x1f};
    assert_memory_equal(t->profile_level_id, profile, 3);
    assert_int_equal(t->packet_count, 1 + 4 + 1 + 1);
    const struct sq_clip_packet *p = t->packets;
    const uint8_t *at = t->data;
    /* SPS and PPS in one: NRI is the highest of theirs (3 of 3 and 1) */
    assert_int_equal(at[p[0].offset], 0x60 | 24);
    assert_int_equal(sq_load_u16(at + p[0].offset + 1), sizeof(sps));
    assert_memory_equal(at + p[0].offset + 3, sps, sizeof(sps));
    assert_int_equal(p[0].len_bytes, 1 + 2 + sizeof(sps) + 2 + sizeof(pps));
    /* 700 bytes behind the NAL header in four parts of 175 */
    for (unsigned i = 0; i < 4; i++) {
        assert_int_equal(p[1 + i].len_bytes, 2 + 175);
        assert_int_equal(at[p[1 + i].offset], 0x60 | 28);
        assert_int_equal(at[p[1 + i].offset + 1], 5 | (i == 0 ? 0x80 : 0) | (i == 3 ? 0x40 : 0));
        assert_memory_equal(at + p[1 + i].offset + 2,
                            key + sizeof(sps) + sizeof(pps) + 13 + i * 175, 175);
    }
    /* two slices in one, and one alone */
    assert_int_equal(at[p[5].offset], 0x40 | 24);
    assert_int_equal(p[5].len_bytes, 1 + 2 + 60 + 2 + 50);
    assert_int_equal(at[p[6].offset], 0x01);
    assert_int_equal(p[6].len_bytes, 101);
    assert_true(p[6].flags & SQ_CLIP_FIRST && p[6].flags & SQ_CLIP_LAST);
    assert_true(p[0].flags & SQ_CLIP_FIRST && !(p[0].flags & SQ_CLIP_LAST));
    sq_clip_close(c);
    free(f.bytes);
}

/* packetization-mode 0: each NAL unit by itself, and never one that does not fit. */
static void h264_single_nal_units(void **state)
{
    uint8_t key[4096];
    uint8_t two[512];
    uint8_t one[512];
    char why[SQ_CLIP_WHY_MAX];
    struct help_file f = h264_file(key, two, one, 200, SQ_CLIP_SINGLE_NAL);
    struct sq_clip *c = open_built(&f, 200);
    static const uint16_t lens[] = {sizeof(sps), sizeof(pps), 200, 60, 50, 101};
    assert_int_equal(c->tracks[0].packet_count, 6);
    for (unsigned i = 0; i < 6; i++) {
        assert_int_equal(c->tracks[0].packets[i].len_bytes, lens[i]);
        assert_true((c->tracks[0].data[c->tracks[0].packets[i].offset] & 0x1f) < 24);
    }
    sq_clip_close(c);
    c = NULL;
    assert_int_equal(sq_clip_open_bytes(f.bytes, f.len, "x", 199, &c, why), SQ_ERR_UNSUPPORTED);
    assert_non_null(strstr(why, "byte 40: expected payloads of more than 199 bytes"));
    assert_null(c);
    free(f.bytes);
}

static void h264_that_is_none(void **state)
{
    uint8_t key[4096];
    uint8_t two[512];
    uint8_t one[512];
    struct help_file f = h264_file(key, two, one, 100, 0);
    size_t data = 24 + 64 + 3 * 16;
    static const struct {
        size_t at;
        uint8_t value;
    } cases[] = {
        {0, 1},     /* a length beyond the end */
        {3, 0},     /* of 0 */
        {4, 0xe7},  /* the forbidden bit */
        {4, 0x78},  /* an aggregate within */
        {4, 0x66},  /* no SPS before an IDR slice */
        {33, 0x26}, /* no PPS */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_clip *c = NULL;
        char why[SQ_CLIP_WHY_MAX] = "";
        uint8_t was = f.bytes[data + cases[i].at];
        f.bytes[data + cases[i].at] = cases[i].value;
        help_seal(&f);
        assert_int_equal(sq_clip_open_bytes(f.bytes, f.len, "x", 0, &c, why), SQ_ERR_FORMAT);
        assert_non_null(strstr(why, "expected frame 0 to be NAL units"));
        f.bytes[data + cases[i].at] = was;
    }
    free(f.bytes);
}

static const uint8_t sequence[] = {0x0a, 0x0b, 0x00, 0x00, 0x00, 0x24, 0xcf,
                                   0xbf, 0x3b, 0xd3, 0x5f, 0x30, 0x10};

/* A frame OBU of `len` bytes in all, after a sequence header if it is a key frame. */
static size_t put_obus(uint8_t *out, bool key, size_t len)
{
    size_t n = 0;
    if (key) {
        memcpy(out, sequence, sizeof(sequence));
        n = sizeof(sequence);
    }
    out[n++] = 0x32; /* OBU_FRAME, with its size */
    out[n++] = (uint8_t)(0x80 | ((len - 1) & 0x7f));
    out[n++] = (uint8_t)((len - 1) >> 7);
    for (size_t i = 0; i < len - 1; i++) {
        out[n + i] = (uint8_t)(i * 3);
    }
    out[n] = key ? 0x10 : 0x30;
    return n + len - 1;
}

/* AV1 in three temporal layers, two turns of four pictures. */
static struct help_file av1_file(uint8_t *bytes, size_t len)
{
    static const uint8_t tids[] = {0, 2, 1, 2};
    struct help_row rows[8];
    uint16_t width = 0;
    uint16_t height = 0;
    assert_int_equal(sq_av1_sequence_size(sequence + 2, sizeof(sequence) - 2, &width, &height), 0);
    size_t at = 0;
    for (unsigned i = 0; i < 8; i++) {
        size_t n = put_obus(bytes + at, i == 0, len);
        uint8_t sync = i % 4 == 1 || i % 4 == 2 ? SQ_CLIP_SYNC : 0;
        rows[i] = (struct help_row){.bytes = bytes + at,
                                    .len = (uint32_t)n,
                                    .ticks = i * 3600,
                                    .flags = i == 0 ? SQ_CLIP_KEY : sync,
                                    .tid = tids[i % 4]};
        at += n;
    }
    const struct help_track track = {.kind = SQ_CLIP_VIDEO,
                                     .codec = SQ_CODEC_AV1,
                                     .width = width,
                                     .height = height,
                                     .temporal_layers = 3,
                                     .duration = 8 * 3600,
                                     .rows = rows,
                                     .count = 8};
    return help_build(&track, 1);
}

/* The payload format's section 4.4: Z, Y, W, N; OBUs without sizes; no temporal delimiter. */
static void av1_packets(void **state)
{
    static uint8_t bytes[16384];
    struct help_file f = av1_file(bytes, 500);
    struct sq_clip *c = open_built(&f, 200);
    const struct sq_clip_track *t = &c->tracks[0];
    const uint8_t *at = t->data + t->packets[0].offset;
    /* A sequence header and the first part of the frame, which goes on: Y, W 2, N */
    assert_int_equal(at[0], 0x40 | 2 << 4 | 0x08);
    assert_int_equal(at[1], 12); /* the length of the sequence header, which has none of its own */
    assert_int_equal(at[2], sequence[0] & ~2);
    assert_memory_equal(at + 3, sequence + 2, 11);
    assert_int_equal(at[14], 0x30); /* OBU_FRAME, without its size */
    assert_int_equal(at[15], 0x10);
    uint32_t n = t->frames[0].packets;
    assert_int_equal(n, 3);
    assert_int_equal(t->data[t->packets[1].offset], 0x80 | 0x40 | 1 << 4);
    assert_int_equal(t->data[t->packets[2].offset], 0x80 | 1 << 4);
    uint32_t least = UINT32_MAX;
    uint32_t most = 0;
    for (uint32_t i = 0; i < n; i++) {
        least = t->packets[i].len_bytes < least ? t->packets[i].len_bytes : least;
        most = t->packets[i].len_bytes > most ? t->packets[i].len_bytes : most;
    }
    assert_true(most <= 200 && most - least < 24);
    sq_clip_close(c);
    c = open_built(&f, 1000); /* in one packet: W 2, N */
    assert_int_equal(c->tracks[0].packet_count, 8);
    assert_int_equal(c->tracks[0].data[0], 2 << 4 | 0x08);
    assert_int_equal(c->tracks[0].packets[0].len_bytes, 1 + 1 + 12 + 500);
    assert_int_equal(c->tracks[0].data[c->tracks[0].packets[1].offset], 1 << 4);
    sq_clip_close(c);
    free(f.bytes);
}

/* Appendix A: what each frame refers to, through all that a sender may do. */
static void av1_dependency_descriptor(void **state)
{
    static uint8_t bytes[16384];
    struct help_file f = av1_file(bytes, 300);
    struct sq_clip *c = open_built(&f, 200);
    const struct sq_clip_track *t = &c->tracks[0];
    struct sq_source s = source_of(t);
    struct sq_depacket_state *known = NULL;
    static const uint8_t back[] = {4, 1, 2, 1};
    uint16_t first = 0;
    for (unsigned n = 0; n < 200; n++) {
        struct sq_source_packet p;
        struct sq_dd dd;
        if (n == 100) {
            sq_source_set_max_tid(&s, 1);
        }
        assert_true(sq_source_next(&s, s.due_ns, &p));
        assert_int_equal(sq_dd_parse(p.ext, p.ext_len, &known, &dd), 0);
        unsigned picture = (unsigned)(p.ticks / 3600);
        first = n == 0 ? dd.frame_number : first;
        assert_int_equal(dd.frame_number, (uint16_t)(first + picture));
        assert_int_equal(dd.start_of_frame, p.begin);
        assert_int_equal(dd.end_of_frame, p.marker);
        assert_int_equal(dd.structure, p.key && p.begin);
        assert_int_equal(dd.tid, p.tid);
        assert_true(n < 110 || p.tid < 2);
        assert_int_equal(dd.width, t->width);
        assert_int_equal(dd.height, t->height);
        assert_int_equal(dd.n_fdiffs, p.key ? 0 : 1);
        assert_true(p.key || dd.fdiffs[0] == back[picture % 4]);
        assert_int_equal(p.ext_len, p.key && p.begin ? (t->dd_bits + 7U) / 8 : 3);
    }
    sq_depacket_state_free(known);
    sq_clip_close(c);
    free(f.bytes);
}

/* One layer: the structure fits the one-byte form of header extensions. */
static void av1_of_one_layer(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *steps[SQ_CLIP_STEPS_MAX];
    size_t n = sq_clip_ladder(c, SQ_CODEC_AV1, steps, SQ_CLIP_STEPS_MAX);
    assert_int_equal(n, 3);
    for (size_t i = 0; i < n; i++) {
        assert_true(steps[i]->dd_bits <= 16 * 8);
        for (size_t k = 0; k < i; k++) {
            assert_int_not_equal(steps[i]->dd_id, steps[k]->dd_id);
        }
    }
    sq_clip_close(c);
}

/* ---- Audio ---- */

static const struct sq_clip_track *opus_with(const struct sq_clip *c, unsigned features,
                                             uint8_t channels)
{
    const struct sq_clip_track *t = NULL;
    const struct sq_clip_want want = {
        .codec = SQ_CODEC_OPUS, .features = features, .channels = channels};
    assert_int_equal(sq_clip_ladder_with(c, &want, &t, 1), 1);
    return t;
}

/* RFC 2198: the frame before, with how long ago it was, and then the frame. */
static void red_carries_the_packet_before(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const unsigned features[] = {0, SQ_CLIP_DTX};
    for (unsigned k = 0; k < 2; k++) {
        const struct sq_clip_track *t = opus_with(c, features[k], 1);
        struct sq_source s = source_of(t);
        struct sq_source_packet before = {0};
        unsigned doubled = 0;
        sq_source_set_red(&s, 111);
        for (unsigned n = 0; n < 1200; n++) {
            struct sq_red_block blocks[SQ_RED_BLOCKS_MAX];
            struct sq_source_packet p;
            size_t count = 0;
            const struct sq_clip_frame *f = &t->frames[s.frame];
            assert_true(sq_source_next(&s, s.due_ns, &p));
            size_t len = join(&p);
            assert_int_equal(sq_red_parse(whole, len, blocks, &count), 0);
            const struct sq_red_block *primary = &blocks[count - 1];
            assert_int_equal(primary->pt, 111);
            assert_int_equal(primary->len, f->len_bytes);
            assert_memory_equal(primary->at, t->data + f->offset, f->len_bytes);
            bool first = f == t->frames || n == 0;
            bool fits = p.ticks - before.ticks < 1 << 14;
            assert_int_equal(count, first || !fits ? 1 : 2);
            if (count == 2) {
                doubled++;
                assert_int_equal(blocks[0].offset, p.ticks - before.ticks);
                assert_int_equal(blocks[0].len, f[-1].len_bytes);
                assert_memory_equal(blocks[0].at, t->data + f[-1].offset, f[-1].len_bytes);
            }
            before = p;
        }
        assert_true(doubled > 1000);
    }
    sq_clip_close(c);
}

/* In silence nothing is sent but a packet each 400 ms. */
static void dtx_is_silent(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *full = opus_with(c, 0, 1);
    const struct sq_clip_track *dtx = opus_with(c, SQ_CLIP_DTX, 1);
    unsigned gaps = 0;
    assert_true(dtx->packet_count < full->packet_count && dtx->average_bps < full->average_bps);
    for (uint32_t i = 0; i < dtx->frame_count; i++) {
        uint32_t gap = dtx->frames[i + 1].ticks - dtx->frames[i].ticks;
        assert_int_equal(gap % 960, 0);
        assert_true(gap <= 48 * 400 + 960);
        gaps += gap > 960;
    }
    assert_true(gaps > 0);
    assert_int_equal(opus_with(c, 0, 2)->channels, 2);
    (void)opus_with(c, SQ_CLIP_FEC, 1);
    (void)opus_with(c, SQ_CLIP_DTX | SQ_CLIP_FEC, 1);
    sq_clip_close(c);
}

/* 160 octets each 20 ms at a clock of 8 kHz (RFC 3551, sections 4.5.2 and 4.5.14). */
static void telephony(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const enum sq_codec codecs[] = {SQ_CODEC_PCMU, SQ_CODEC_PCMA, SQ_CODEC_G722};
    for (unsigned k = 0; k < 3; k++) {
        const struct sq_clip_track *t = NULL;
        assert_int_equal(sq_clip_ladder(c, codecs[k], &t, 1), 1);
        assert_int_equal(t->average_bps, 64000);
        struct sq_source s = source_of(t);
        for (unsigned n = 0; n < 1000; n++) {
            struct sq_source_packet p;
            assert_true(sq_source_next(&s, s.due_ns, &p));
            assert_int_equal(p.fragment_len, 160);
            assert_int_equal(p.ticks, n * 160);
            assert_int_equal(p.head_len, 0);
        }
    }
    sq_clip_close(c);
}

/* ---- Memory ---- */

static void each_allocation_may_fail(void **state)
{
    static uint8_t bytes[16384];
    struct help_file f = av1_file(bytes, 300);
    size_t nth = 1;
    int err;
    do {
        struct sq_clip *c = NULL;
        char why[SQ_CLIP_WHY_MAX] = "";
        sq_mem_fail_at(nth++);
        const struct sq_clip_opts opts = {.tags = true};
        err = sq_clip_open_bytes_with(f.bytes, f.len, "made up", &opts, &c, why);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        assert_true(err == 0 || strstr(why, "no memory"));
        sq_clip_close(c);
    } while (err);
    sq_mem_fail_at(0);
    assert_int_equal(nth - 2, 2 + 4); /* clip, path; frames, packets, keys, what is made */
    free(f.bytes);
}

static unsigned mappings_of(const char *path)
{
    char line[512];
    unsigned n = 0;
    FILE *maps = fopen("/proc/self/maps", "r");
    assert_non_null(maps);
    while (fgets(line, sizeof(line), maps)) {
        n += strstr(line, path) != NULL;
    }
    assert_int_equal(fclose(maps), 0);
    return n;
}

/* A thousand senders through all that they do: not a byte is allocated, and none of it is in the
 * file, which somebody may write anew meanwhile. */
static void a_clip_is_in_memory_once(void **state)
{
    enum { SENDERS = 1000 };
    static struct sq_source s[SENDERS];
    struct sq_clip *c = help_open("default", 0);
    struct sq_rand rand;
    sq_rand_seed(&rand, 23);
    assert_int_equal(mappings_of("share/clips/default.sqclip"), 0);
    sq_mem_fail_at(1); /* whoever allocates from here on gets nothing */
    for (unsigned i = 0; i < SENDERS; i++) {
        const struct sq_clip_track *t = &c->tracks[i % c->track_count];
        sq_source_init(&s[i], t, 0, START, &rand);
        for (unsigned n = 0; n < 50; n++) {
            struct sq_source_packet p;
            struct sq_source_packet again;
            sq_source_set_step(&s[i], sq_clip_lowest(t) + n % t->step_count);
            assert_true(sq_source_next(&s[i], s[i].due_ns, &p));
            assert_int_equal(sq_source_repeat(&s[i], p.cookie, p.ticks, &again), 0);
            assert_ptr_equal(p.fragment, again.fragment);
        }
    }
    void *none = sq_malloc(1); /* the first since then */
    assert_null(none);
    sq_mem_fail_at(0);
    assert_true(sizeof(struct sq_source) <= 256);
    sq_clip_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_track_comes_back),
        cmocka_unit_test(h264_packets),
        cmocka_unit_test(h264_single_nal_units),
        cmocka_unit_test(h264_that_is_none),
        cmocka_unit_test(av1_packets),
        cmocka_unit_test(av1_dependency_descriptor),
        cmocka_unit_test(av1_of_one_layer),
        cmocka_unit_test(red_carries_the_packet_before),
        cmocka_unit_test(dtx_is_silent),
        cmocka_unit_test(telephony),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(a_clip_is_in_memory_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
