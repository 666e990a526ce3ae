/* A sender's walk: timeline, loops, key frames on request, and packets made again. */
#include "base/time.h"
#include "media/help.h"
#include "media/source.h"
#include "media/vp8.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define START (UINT64_C(1000) * SQ_NS_PER_SEC)

static struct sq_clip *made(struct help_file *f)
{
    struct sq_clip *c = NULL;
    char why[SQ_CLIP_WHY_MAX];
    assert_int_equal(sq_clip_open_bytes(f->bytes, f->len, "made up", 0, &c, why), 0);
    return c;
}

static int32_t picture_id(const struct sq_source_packet *p)
{
    struct sq_vp8_descriptor d;
    uint8_t whole[64];
    memcpy(whole, p->head, p->head_len);
    memcpy(whole + p->head_len, p->fragment, 10);
    assert_int_equal(sq_vp8_descriptor_parse(whole, p->head_len + 10U, &d), 0);
    assert_int_equal(d.len_bytes, p->head_len);
    assert_int_equal(d.start, p->begin);
    assert_true(d.wide && d.partition == 0 && !d.non_reference);
    return d.picture_id;
}

/* Three loops: the frames in turn, timestamps by 3600 each, PictureIDs by one, due when they say.
 */
static void video_loops_without_a_seam(void **state)
{
    struct help_file f = help_make(0, 50, 10);
    struct sq_clip *c = made(&f);
    const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_VIDEO);
    struct sq_rand rand;
    struct sq_source s;
    struct sq_source_packet p;
    sq_rand_seed(&rand, 4);
    sq_source_init(&s, t, 0, START, &rand);
    uint64_t first_due = sq_source_due_ns(&s);
    assert_true(first_due >= START && first_due < START + 40 * SQ_NS_PER_MS);
    assert_false(sq_source_next(&s, first_due - 1, &p));
    uint32_t frame = s.frame;
    assert_int_equal(frame % 10, 0); /* begins at a key frame */
    int32_t id = -1;
    for (uint64_t k = 0; k < 150; k++, frame = (frame + 1) % 50) {
        for (uint32_t n = 0; n < t->frames[frame].packets; n++) {
            uint64_t due = first_due + k * 40 * SQ_NS_PER_MS;
            assert_int_equal(sq_source_due_ns(&s), due);
            assert_false(sq_source_next(&s, due - 1, &p));
            assert_true(sq_source_next(&s, due, &p));
            const struct sq_clip_packet *packet = &t->packets[t->frames[frame].first_packet + n];
            assert_ptr_equal(p.fragment, t->data + packet->offset);
            assert_int_equal(p.fragment_len, packet->len_bytes);
            assert_int_equal(p.ticks, k * 3600);
            assert_int_equal(p.due_ns, due);
            assert_int_equal(p.begin, n == 0);
            assert_int_equal(p.marker, n + 1U == t->frames[frame].packets);
            assert_int_equal(p.key, frame % 10 == 0);
            assert_int_equal(p.head_len, 4);
            if (n == 0) {
                assert_true(id < 0 || picture_id(&p) == ((id + 1) & 0x7fff));
                id = picture_id(&p);
            }
            assert_int_equal(picture_id(&p), id);
        }
    }
    assert_int_equal(s.key_frames, 15);
    sq_clip_close(c);
    free(f.bytes);
}

static void audio_carries_its_level(void **state)
{
    struct help_file f = help_make(100, 0, 1);
    struct sq_clip *c = made(&f);
    const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_AUDIO);
    struct sq_rand rand;
    struct sq_source s;
    struct sq_source_packet p;
    sq_rand_seed(&rand, 5);
    sq_source_init(&s, t, 0, START, &rand);
    uint32_t frame = s.frame;
    sq_source_request_key_frame(&s); /* means nothing here */
    for (unsigned k = 0; k < 250; k++, frame = (frame + 1) % 100) {
        assert_true(sq_source_next(&s, START + 20 * SQ_NS_PER_MS * (k + 1), &p));
        assert_int_equal(p.level, frame % 128);
        assert_int_equal(p.voice, frame % 3 != 0);
        assert_int_equal(p.marker, k == 0);
        assert_int_equal(p.head_len, 0);
        assert_int_equal(p.ticks, k * 960);
        assert_false(p.key);
    }
    assert_int_equal(s.jumps, 0);
    sq_clip_close(c);
    free(f.bytes);
}

/* Senders do not begin at one place, nor at one time. */
static void senders_are_spread(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_VIDEO);
    struct sq_rand rand;
    unsigned at_key[64] = {0};
    unsigned in_ms[40] = {0};
    sq_rand_seed(&rand, 6);
    for (unsigned i = 0; i < 4000; i++) {
        struct sq_source s;
        sq_source_init(&s, t, 0, START, &rand);
        assert_true(t->frames[s.frame].flags & SQ_CLIP_KEY);
        at_key[s.frame % 64]++;
        in_ms[(s.due_ns - START) / SQ_NS_PER_MS]++;
    }
    for (uint32_t k = 0; k < t->key_count; k++) {
        assert_true(at_key[t->keys[k] % 64] > 4000 / t->key_count / 2);
    }
    for (unsigned ms = 0; ms < 40; ms++) {
        assert_true(in_ms[ms] > 50 && in_ms[ms] < 200);
    }
    sq_clip_close(c);
}

/* From each frame of the clip a request gives a key frame in the next slot, the nearest, and
 * neither PictureID nor timestamp jumps. */
static void key_frame_on_request(void **state)
{
    struct help_file f = help_make(0, 50, 10);
    struct sq_clip *c = made(&f);
    const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_VIDEO);
    for (unsigned at = 1; at < 100; at++) {
        struct sq_rand rand;
        struct sq_source s;
        struct sq_source_packet p;
        sq_rand_seed(&rand, 7);
        sq_source_init(&s, t, 0, START, &rand);
        uint32_t first = s.frame;
        unsigned frames = 0;
        uint64_t now = START + SQ_NS_PER_SEC;
        int32_t id = -1;
        while (frames < at) {
            now = s.due_ns;
            assert_true(sq_source_next(&s, now, &p));
            frames += p.marker;
            id = picture_id(&p);
        }
        uint32_t next = (first + at) % 50;
        sq_source_request_key_frame(&s);
        sq_source_request_key_frame(&s);
        assert_true(sq_source_next(&s, s.due_ns, &p));
        assert_true(p.begin && p.key);
        assert_int_equal(p.ticks, (uint64_t)at * 3600);
        assert_int_equal(picture_id(&p), (id + 1) & 0x7fff);
        const struct sq_clip_packet *packet = &t->packets[p.cookie & 0xfffff];
        uint32_t wanted = (next + 5) / 10 * 10 % 50;
        assert_int_equal(packet->frame, wanted);
        assert_int_equal(s.jumps, next % 10 != 0);
        while (!p.marker) { /* and what follows is the frame after that one */
            assert_true(sq_source_next(&s, s.due_ns, &p));
        }
        assert_true(sq_source_next(&s, s.due_ns, &p));
        assert_int_equal(p.key, false);
        assert_int_equal(t->packets[p.cookie & 0xfffff].frame, wanted + 1);
        assert_int_equal(p.ticks, (uint64_t)(at + 1) * 3600);
    }
    sq_clip_close(c);
    free(f.bytes);
}

/* A request in the middle of a frame lets that frame end first. */
static void key_frame_waits_for_the_frame(void **state)
{
    struct sq_clip *c = help_open("small", 64);
    struct sq_rand rand;
    struct sq_source s;
    struct sq_source_packet p;
    sq_rand_seed(&rand, 8);
    sq_source_init(&s, sq_clip_track(c, SQ_CLIP_VIDEO), 0, START, &rand);
    uint64_t late = START + 300 * SQ_NS_PER_MS;
    do {
        assert_true(sq_source_next(&s, late, &p));
    } while (!p.marker);
    assert_true(sq_source_next(&s, late, &p));
    assert_false(p.key || p.marker);
    sq_source_request_key_frame(&s);
    do {
        assert_true(sq_source_next(&s, late, &p));
        assert_false(p.key);
    } while (!p.marker);
    assert_true(sq_source_next(&s, late, &p));
    assert_true(p.key && p.begin);
    sq_clip_close(c);
}

/* A packet made again is the packet, all of it. */
static void packets_are_made_again(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    struct sq_rand rand;
    sq_rand_seed(&rand, 9);
    for (int kind = 0; kind < 3; kind++) {
        enum { KEPT = 1023 };
        static struct sq_source_packet sent[KEPT];
        struct sq_source s;
        sq_source_init(&s, sq_clip_track(c, kind == 2 ? SQ_CLIP_AUDIO : SQ_CLIP_VIDEO),
                       kind == 1 ? SQ_SOURCE_TL0PICIDX : 0, START, &rand);
        for (unsigned n = 0; n < 20000; n++) {
            if (sq_rand_below(&rand, 300) == 0) {
                sq_source_request_key_frame(&s);
            }
            memset(&sent[n % KEPT], 0, sizeof(*sent));
            assert_true(sq_source_next(&s, s.due_ns, &sent[n % KEPT]));
            for (int tries = 0; tries < 4; tries++) {
                unsigned back = sq_rand_below(&rand, n < KEPT ? n + 1 : KEPT);
                struct sq_source_packet was = sent[(n - back) % KEPT];
                struct sq_source_packet again;
                memset(&again, 0, sizeof(again));
                assert_int_equal(sq_source_repeat(&s, was.cookie, was.ticks, &again), 0);
                was.due_ns = 0;
                assert_memory_equal(&was, &again, sizeof(was));
            }
        }
    }
    sq_clip_close(c);
}

static void cookies_that_were_never_given(void **state)
{
    struct help_file f = help_make(0, 50, 10);
    struct sq_clip *c = made(&f);
    struct sq_rand rand;
    struct sq_source s;
    struct sq_source_packet p = {.level = 77};
    sq_rand_seed(&rand, 10);
    sq_source_init(&s, sq_clip_track(c, SQ_CLIP_VIDEO), 0, START, &rand);
    assert_int_equal(sq_source_repeat(&s, s.packet, 0, &p), SQ_ERR_NOTFOUND); /* not sent yet */
    assert_int_equal(sq_source_repeat(&s, 0xfffff, 0, &p), SQ_ERR_NOTFOUND);
    assert_int_equal(sq_source_repeat(&s, 1U << 20, 0, &p), SQ_ERR_NOTFOUND);
    assert_int_equal(p.level, 77);
    for (unsigned n = 0; n < 100000; n++) {
        int err = sq_source_repeat(&s, sq_rand_u32(&rand), 0, &p);
        assert_true(err == 0 || err == SQ_ERR_NOTFOUND);
        (void)sq_source_next(&s, s.due_ns, &p);
    }
    sq_clip_close(c);
    free(f.bytes);
}

static void skipping_keeps_the_timeline(void **state)
{
    struct help_file f = help_make(100, 50, 10);
    struct sq_clip *c = made(&f);
    for (int kind = SQ_CLIP_AUDIO; kind <= SQ_CLIP_VIDEO; kind++) {
        uint64_t step = kind == SQ_CLIP_VIDEO ? 3600 : 960;
        uint64_t frame_ns = kind == SQ_CLIP_VIDEO ? 40 * SQ_NS_PER_MS : 20 * SQ_NS_PER_MS;
        struct sq_rand rand;
        struct sq_source s;
        struct sq_source_packet p;
        sq_rand_seed(&rand, 11);
        sq_source_init(&s, sq_clip_track(c, (enum sq_clip_kind)kind), 0, START, &rand);
        uint64_t zero = s.due_ns;
        for (unsigned n = 0; n < 500; n++) {
            uint64_t now = s.due_ns + sq_rand_u64(&rand) % (20 * SQ_NS_PER_SEC);
            sq_source_skip(&s, now);
            assert_true(s.due_ns > now && s.due_ns <= now + frame_ns + 1);
            assert_int_equal(s.ticks % step, 0);
            assert_int_equal(s.due_ns, zero + s.ticks / step * frame_ns);
            assert_true(sq_source_next(&s, s.due_ns, &p));
            assert_true(p.begin);
            assert_int_equal(p.key, kind == SQ_CLIP_VIDEO);
        }
    }
    sq_clip_close(c);
    free(f.bytes);
}

static void layers_are_written(void **state)
{
    struct help_file f = help_make(0, 50, 10);
    struct sq_clip *c = made(&f);
    struct sq_rand rand;
    struct sq_source s;
    struct sq_source_packet p;
    sq_rand_seed(&rand, 12);
    sq_source_init(&s, sq_clip_track(c, SQ_CLIP_VIDEO), SQ_SOURCE_TL0PICIDX, START, &rand);
    int32_t before = -1;
    for (unsigned n = 0; n < 2000; n++) {
        uint8_t whole[64];
        struct sq_vp8_descriptor d;
        assert_true(sq_source_next(&s, s.due_ns, &p));
        memcpy(whole, p.head, p.head_len);
        memcpy(whole + p.head_len, p.fragment, 1);
        assert_int_equal(sq_vp8_descriptor_parse(whole, p.head_len + 1U, &d), 0);
        assert_int_equal(d.len_bytes, 6);
        assert_int_equal(d.tid, 0);
        assert_true(before < 0 || d.tl0_pic_idx == ((before + p.begin) & 0xff));
        before = d.tl0_pic_idx;
    }
    sq_clip_close(c);
    free(f.bytes);
}

/* The clip's frame that a packet is of. */
static const struct sq_clip_frame *frame_of(const struct sq_clip *c,
                                            const struct sq_source_packet *p,
                                            const struct sq_clip_track **ret_track)
{
    for (size_t i = 0; i < c->track_count; i++) {
        const struct sq_clip_track *t = &c->tracks[i];
        if (t->kind != SQ_CLIP_VIDEO) {
            continue;
        }
        const uint8_t *end = t->data + t->packets[t->packet_count - 1].offset +
                             t->packets[t->packet_count - 1].len_bytes;
        if (p->fragment >= t->data && p->fragment < end) {
            for (uint32_t n = 0; n < t->packet_count; n++) {
                if (t->data + t->packets[n].offset == p->fragment) {
                    *ret_track = t;
                    return &t->frames[t->packets[n].frame];
                }
            }
        }
    }
    fail_msg("a packet of no track");
    return NULL;
}

/* A decoder's view: which frames of which step it holds, and whether the next can be decoded. */
struct follow {
    const struct sq_clip_track *track;
    int64_t have[SQ_CLIP_LAYERS_MAX]; /* the latest frame of each temporal layer */
    uint64_t ticks;
    int32_t id;
    int16_t tl0;
    bool begun;
};

static void follow_frame(struct follow *f, const struct sq_clip *c,
                         const struct sq_source_packet *p)
{
    const struct sq_clip_track *t = NULL;
    const struct sq_clip_frame *frame = frame_of(c, p, &t);
    if (!frame || !t) {
        fail();
        return;
    }
    int64_t number = frame - t->frames;
    struct sq_vp8_descriptor d;
    uint8_t whole[64];
    memcpy(whole, p->head, p->head_len);
    memcpy(whole + p->head_len, p->fragment, 10);
    assert_int_equal(sq_vp8_descriptor_parse(whole, p->head_len + 10U, &d), 0);
    assert_int_equal(d.tid, frame->tid);
    assert_int_equal(p->tid, frame->tid);
    assert_int_equal(d.layer_sync, (frame->flags & SQ_CLIP_SYNC) != 0);
    assert_int_equal(d.non_reference, (frame->flags & SQ_CLIP_NONREF) != 0);
    if (f->begun) {
        assert_int_equal(d.picture_id, (f->id + 1) & 0x7fff);
        assert_int_equal(d.tl0_pic_idx, (f->tl0 + (frame->tid == 0)) & 0xff);
        assert_true(p->ticks > f->ticks && (p->ticks - f->ticks) % 3600 == 0);
    }
    if (p->key) {
        assert_true(frame->flags & SQ_CLIP_KEY);
    } else { /* the layers that it refers to are there, and those of this very turn */
        assert_ptr_equal(t, f->track);
        int64_t turn = number & ~INT64_C(3);
        int64_t base = frame->tid == 0 ? number - 4 : turn;
        assert_int_equal(f->have[0], base < 0 ? base + t->frame_count : base);
        if (frame->tid > 0 && !(frame->flags & SQ_CLIP_SYNC)) {
            assert_int_equal(f->have[1], turn + 2);
        }
    }
    f->track = t;
    f->have[frame->tid] = number;
    f->ticks = p->ticks;
    f->id = d.picture_id;
    f->tl0 = d.tl0_pic_idx;
    f->begun = true;
}

/* Steps and layers change at random in the middle of anything, for ten minutes: every frame can be
 * decoded, the numbers go on, and what was sent can be made again. */
static void steps_and_layers_change(void **state)
{
    enum { KEPT = 400 };
    static struct sq_source_packet sent[KEPT];
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *steps[SQ_CLIP_STEPS_MAX];
    assert_int_equal(sq_clip_ladder(c, SQ_CODEC_VP8, steps, SQ_CLIP_STEPS_MAX), 3);
    struct sq_rand rand;
    struct sq_source s;
    struct sq_source_packet p = {0};
    struct follow f = {0};
    sq_rand_seed(&rand, 14);
    sq_source_init(&s, steps[2], 0, START, &rand);
    unsigned n = 0;
    for (; s.ticks < UINT64_C(600) * 90000; n++) {
        unsigned draw = sq_rand_below(&rand, 200);
        if (draw == 0) {
            sq_source_set_step(&s, steps[sq_rand_below(&rand, 3)]);
        } else if (draw < 4) {
            sq_source_set_max_tid(&s, draw - 1);
        } else if (draw == 4) {
            sq_source_request_key_frame(&s);
        } else if (draw == 5 && sq_rand_below(&rand, 4) == 0) {
            sq_source_skip(&s, s.due_ns + sq_rand_u64(&rand) % SQ_NS_PER_SEC);
        }
        memset(&p, 0, sizeof(p));
        assert_true(sq_source_next(&s, s.due_ns, &p));
        if (p.begin) {
            follow_frame(&f, c, &p);
        }
        sent[n % KEPT] = p;
        struct sq_source_packet was = sent[sq_rand_below(&rand, n < KEPT ? n + 1 : KEPT)];
        struct sq_source_packet again = {0};
        assert_int_equal(sq_source_repeat(&s, was.cookie, was.ticks, &again), 0);
        was.due_ns = 0;
        assert_memory_equal(was.head, again.head, was.head_len);
        assert_ptr_equal(was.fragment, again.fragment);
        assert_true(was.head_len == again.head_len && was.fragment_len == again.fragment_len &&
                    was.marker == again.marker && was.begin == again.begin && was.key == again.key);
    }
    assert_true(s.steps > 25 && n > 10000);
    sq_clip_close(c);
}

/* What is left out is the rate that was promised. */
static void rates_are_as_told(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *steps[SQ_CLIP_STEPS_MAX];
    size_t count = sq_clip_ladder(c, SQ_CODEC_VP8, steps, SQ_CLIP_STEPS_MAX);
    assert_int_equal(count, 3);
    assert_ptr_equal(steps[2], sq_clip_track(c, SQ_CLIP_VIDEO));
    assert_int_equal(sq_clip_ladder(c, SQ_CODEC_VP8, steps, 1), 1);
    for (size_t step = 0; step < count; step++) {
        for (unsigned tid = 0; tid < 3; tid++) {
            struct sq_rand rand;
            struct sq_source s;
            struct sq_source_packet p;
            uint64_t bytes = 0;
            unsigned frames = 0;
            sq_rand_seed(&rand, 15);
            sq_source_init(&s, steps[0] + step, 0, START, &rand);
            sq_source_set_max_tid(&s, tid);
            while (s.ticks < UINT64_C(96) * 90000) { /* ten loops */
                assert_true(sq_source_next(&s, s.due_ns, &p));
                assert_true(p.tid <= tid);
                bytes += p.fragment_len;
                frames += p.begin;
            }
            const struct sq_clip_track *t = steps[0] + step;
            assert_int_equal(bytes * 8 / 96, sq_clip_track_bps(t, tid));
            assert_int_equal(frames, (25U >> (2 - tid)) * 96 + (tid == 0 ? 24 : tid == 1 ? 48 : 0));
            assert_int_equal(sq_clip_track_fps_milli(t, tid), 25000U >> (2 - tid));
        }
        assert_true(step == 0 || steps[0][step].average_bps > steps[0][step - 1].average_bps);
    }
    sq_clip_close(c);
}

/* Simulcast: the same picture at the same times, each with numbers of its own. */
static void encodings_stand_side_by_side(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *steps[SQ_CLIP_STEPS_MAX];
    assert_int_equal(sq_clip_ladder(c, SQ_CODEC_VP8, steps, SQ_CLIP_STEPS_MAX), 3);
    struct sq_rand rand;
    struct sq_source s[3];
    sq_rand_seed(&rand, 16);
    for (unsigned seed = 0; seed < 20; seed++) {
        sq_source_init(&s[0], steps[0], 0, START, &rand);
        sq_source_init_beside(&s[1], steps[1], 0, &s[0], &rand);
        sq_source_init_beside(&s[2], steps[2], 0, &s[0], &rand);
        for (unsigned frame = 0; frame < 300; frame++) {
            for (unsigned i = 1; i < 3; i++) {
                assert_int_equal(s[i].due_ns, s[0].due_ns);
                assert_int_equal(s[i].ticks, s[0].ticks);
                assert_int_equal(s[i].frame, s[0].frame);
            }
            for (unsigned i = 0; i < 3; i++) {
                struct sq_source_packet p;
                do {
                    assert_true(sq_source_next(&s[i], s[i].due_ns, &p));
                } while (!p.marker);
            }
        }
    }
    sq_clip_close(c);
}

/* A step of another ladder, or the one at hand again, changes nothing. */
static void numbers_go_on_with_another_clip(void **state)
{
    struct help_file first_file = help_make(0, 50, 10);
    struct help_file other_file = help_make(0, 30, 5);
    struct sq_clip *first = made(&first_file);
    struct sq_clip *other = made(&other_file);
    struct sq_rand rand;
    struct sq_source before, after;
    struct sq_source_packet p;
    (void)state;
    sq_rand_seed(&rand, 9);
    sq_source_init(&before, sq_clip_track(first, SQ_CLIP_VIDEO), 0, START, &rand);
    int32_t id = -1;
    uint64_t now = START + 400 * SQ_NS_PER_MS;
    while (sq_source_next(&before, now, &p)) {
        id = picture_id(&p);
    }
    sq_source_init(&after, sq_clip_track(other, SQ_CLIP_VIDEO), 0, now, &rand);
    sq_source_go_on_from(&after, &before);
    assert_true(sq_source_next(&after, now + 50 * SQ_NS_PER_MS, &p));
    assert_true(p.key && p.begin);
    assert_int_equal(picture_id(&p), (id + 1) & 0x7fff);
    sq_clip_close(first);
    sq_clip_close(other);
    free(first_file.bytes);
    free(other_file.bytes);
}

static void steps_of_other_ladders_are_ignored(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *steps[SQ_CLIP_STEPS_MAX];
    assert_int_equal(sq_clip_ladder(c, SQ_CODEC_VP8, steps, SQ_CLIP_STEPS_MAX), 3);
    struct sq_rand rand;
    struct sq_source s;
    sq_rand_seed(&rand, 17);
    sq_source_init(&s, steps[1], 0, START, &rand);
    sq_source_set_step(&s, sq_clip_track(c, SQ_CLIP_AUDIO));
    assert_ptr_equal(sq_source_step(&s), steps[1]);
    sq_source_set_step(&s, steps[0]);
    assert_ptr_equal(sq_source_step(&s), steps[0]);
    sq_source_set_step(&s, steps[1]);
    assert_ptr_equal(sq_source_step(&s), steps[1]);
    assert_null(s.want_track);
    sq_clip_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(video_loops_without_a_seam),
        cmocka_unit_test(audio_carries_its_level),
        cmocka_unit_test(senders_are_spread),
        cmocka_unit_test(key_frame_on_request),
        cmocka_unit_test(key_frame_waits_for_the_frame),
        cmocka_unit_test(packets_are_made_again),
        cmocka_unit_test(cookies_that_were_never_given),
        cmocka_unit_test(skipping_keeps_the_timeline),
        cmocka_unit_test(layers_are_written),
        cmocka_unit_test(steps_and_layers_change),
        cmocka_unit_test(rates_are_as_told),
        cmocka_unit_test(encodings_stand_side_by_side),
        cmocka_unit_test(steps_of_other_ladders_are_ignored),
        cmocka_unit_test(numbers_go_on_with_another_clip),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
