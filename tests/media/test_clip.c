/* The clip file: what ships, what is refused and how it is said, and the cut into payloads. */
#include "base/mem.h"
#include "base/wire.h"
#include "media/clip.h"
#include "media/help.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static int open_file(const struct help_file *f, struct sq_clip **ret_clip, char *why)
{
    return sq_clip_open_bytes(f->bytes, f->len, "made up", 0, ret_clip, why);
}

/* Against the definition, bit by bit, and the check value that catalogues of CRCs give. */
static void check_sum_is_crc32(void **state)
{
    uint8_t bytes[100];
    assert_int_equal(sq_clip_check_sum((const uint8_t *)"123456789", 9), 0xcbf43926);
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (uint8_t)(i * i + 7 * i + 200);
    }
    for (size_t from = 0; from < 9; from++) {
        for (size_t to = from; to <= sizeof(bytes); to++) {
            uint32_t crc = UINT32_MAX;
            for (size_t bit = 8 * from; bit < 8 * to; bit++) {
                uint32_t low = (crc ^ bytes[bit / 8] >> bit % 8) & 1;
                crc = crc >> 1 ^ (low ? 0xedb88320 : 0);
            }
            assert_int_equal(sq_clip_check_sum(bytes + from, to - from), ~crc);
        }
    }
}

static void what_ships_is_as_promised(void **state)
{
    struct sq_clip *c = help_open("default", 0);
    const struct sq_clip_track *v = sq_clip_track(c, SQ_CLIP_VIDEO);
    assert_true(v->step == 2 && v->step_count == 3 && v->temporal_layers == 3);
    const struct sq_clip_track *a = sq_clip_track(c, SQ_CLIP_AUDIO);
    assert_int_equal(v->width, 640);
    assert_int_equal(v->height, 360);
    assert_int_equal(v->fps_milli, 25000);
    assert_true(v->average_bps > 950000 && v->average_bps < 1050000);
    assert_true(v->key_count >= 4);
    double seconds = v->duration_ticks / 90000.0;
    assert_true(seconds >= 8 && seconds <= 10);
    assert_true(v->packet_count / seconds > 100 && v->packet_count / seconds < 120);
    assert_true(a->duration_ticks / 48000.0 == seconds);
    assert_int_equal(a->packet_count, (unsigned)(seconds * 50 + 0.5));
    assert_true(a->average_bps > 30000 && a->average_bps < 42000);
    /* Speech: words and pauses, not one level. */
    unsigned voice = 0;
    for (uint32_t i = 0; i < a->frame_count; i++) {
        voice += (a->frames[i].flags & SQ_CLIP_VOICE) != 0;
    }
    assert_true(voice > a->frame_count / 2 && voice < a->frame_count);
    sq_clip_close(c);
    c = help_open("small", 0);
    v = sq_clip_track(c, SQ_CLIP_VIDEO);
    assert_int_equal(v->width, 320);
    assert_true(v->average_bps > 150000 && v->average_bps < 220000);
    sq_clip_close(c);
}

/* Each video has three resolutions and rates, whatever the codec: a ladder of three, or a scalable
 * stream of three layers. */
static void what_ships_has_three_steps(void **state)
{
    static const char *const names[] = {"default", "small", "hd"};
    (void)state;
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        struct sq_clip *c = help_open(names[i], 0);
        unsigned videos = 0;
        for (size_t k = 0; k < c->track_count; k++) {
            const struct sq_clip_track *t = &c->tracks[k];
            if (t->kind != SQ_CLIP_VIDEO) {
                continue;
            }
            videos++;
            if (t->features & SQ_CLIP_KEY_SVC) {
                assert_int_equal(t->spatial_layers, 3);
                assert_true(t->sid_permille[0] > 0 && t->sid_permille[1] > t->sid_permille[0] &&
                            t->sid_permille[2] > t->sid_permille[1]);
                continue;
            }
            assert_int_equal(t->step_count, 3);
            assert_true(t->step == 0 ||
                        (t->width > t[-1].width && t->height > t[-1].height &&
                         t->codec == t[-1].codec && t->average_bps > 3 * t[-1].average_bps / 2));
            assert_true(t->step < 2 || i == 1 || t->average_bps > 500000);
        }
        assert_int_equal(videos, i == 0 ? 16 : 3);
        sq_clip_close(c);
    }
    /* What hides a muted video has one picture of each size, and no ladder. */
    struct sq_clip *black = help_open("black", 0);
    for (size_t k = 0; k < black->track_count; k++) {
        assert_int_equal(black->tracks[k].step_count, 1);
    }
    assert_int_equal(black->track_count, 4 * 8);
    sq_clip_close(black);
}

/* Put together again, the fragments are the frames, and no one is longer than it may be or than its
 * fellows. */
static void cut_is_whole_and_even(void **state)
{
    const size_t sizes[] = {SQ_CLIP_PAYLOAD_MIN, 500, 1180, SQ_CLIP_PAYLOAD_MAX};
    for (size_t k = 0; k < sizeof(sizes) / sizeof(*sizes); k++) {
        struct sq_clip *c = help_open("small", sizes[k]);
        const struct sq_clip_track *t = sq_clip_track(c, SQ_CLIP_VIDEO);
        uint32_t next = 0;
        for (uint32_t i = 0; i < t->frame_count; i++) {
            const struct sq_clip_frame *f = &t->frames[i];
            uint32_t at = f->offset;
            uint32_t least = UINT32_MAX;
            uint32_t most = 0;
            assert_int_equal(f->first_packet, next);
            for (uint32_t n = 0; n < f->packets; n++, next++) {
                const struct sq_clip_packet *p = &t->packets[next];
                assert_int_equal(p->offset, at);
                assert_int_equal(p->frame, i);
                assert_int_equal((p->flags & SQ_CLIP_FIRST) != 0, n == 0);
                assert_int_equal((p->flags & SQ_CLIP_LAST) != 0, n + 1 == f->packets);
                at += p->len_bytes;
                least = p->len_bytes < least ? p->len_bytes : least;
                most = p->len_bytes > most ? p->len_bytes : most;
            }
            assert_int_equal(at, f->offset + f->len_bytes);
            /* All but the last have one length, and the last lacks at most a byte for each of them.
             */
            assert_true(most <= sizes[k] - SQ_CLIP_DESCRIPTOR_ROOM && most - least < f->packets);
            assert_int_equal(t->packets[f->first_packet].len_bytes, most);
            assert_true(f->packets < 3 ||
                        t->packets[next - 2].len_bytes >= most - (most < f->packets));
            assert_int_equal(f->packets, (f->len_bytes + sizes[k] - 7) / (sizes[k] - 6));
        }
        assert_int_equal(next, t->packet_count);
        assert_int_equal(t->frames[t->frame_count].ticks, t->duration_ticks);
        sq_clip_close(c);
    }
}

static void payload_sizes_out_of_range(void **state)
{
    struct help_file f = help_make(5, 5, 2);
    struct sq_clip *c = NULL;
    char why[SQ_CLIP_WHY_MAX];
    assert_int_equal(sq_clip_open_bytes(f.bytes, f.len, "x", 63, &c, why), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "expected 64 to 9000"));
    assert_int_equal(sq_clip_open_bytes(f.bytes, f.len, "x", 9001, &c, why), SQ_ERR_INVALID);
    assert_null(c);
    free(f.bytes);
}

/* Every byte of the file, damaged: found by the check sum or before it. */
static void damage_is_found(void **state)
{
    struct help_file f = help_make(4, 4, 2);
    for (size_t i = 0; i < f.len; i++) {
        for (unsigned bit = 0; bit < 8; bit += 3) {
            struct sq_clip *c = NULL;
            char why[SQ_CLIP_WHY_MAX] = "";
            f.bytes[i] ^= (uint8_t)(1U << bit);
            assert_true(open_file(&f, &c, why) < 0);
            assert_null(c);
            assert_non_null(strstr(why, "made up: byte "));
            assert_non_null(strstr(why, "expected"));
            f.bytes[i] ^= (uint8_t)(1U << bit);
        }
    }
    free(f.bytes);
}

static void a_short_file_is_refused(void **state)
{
    struct help_file f = help_make(4, 4, 2);
    for (size_t len = 0; len < f.len; len++) {
        /* A block of exactly that length, so that a read past it is seen by the sanitizer. */
        uint8_t *cut = malloc(len + 1);
        struct sq_clip *c = NULL;
        char why[SQ_CLIP_WHY_MAX] = "";
        assert_non_null(cut);
        memcpy(cut, f.bytes, len);
        assert_true(sq_clip_open_bytes(cut, len, "made up", 0, &c, why) < 0);
        assert_true(why[0] != '\0');
        free(cut);
    }
    free(f.bytes);
}

/* The same with a check sum that is right: nothing but the parser stands between a hostile file and
 * the sender. What opens must be sound. */
static void a_hostile_file_is_refused_or_sound(void **state)
{
    struct help_file f = help_make(3, 3, 2);
    size_t head = 24 + 2 * 64 + 3 * 21 + 3 * 16; /* all tables */
    const uint8_t values[] = {0x00, 0x01, 0x7f, 0x80, 0xff};
    unsigned opened = 0;
    for (size_t i = 0; i < head; i++) {
        for (size_t k = 0; k < sizeof(values); k++) {
            struct help_file g = {malloc(f.len), f.len};
            struct sq_clip *c = NULL;
            char why[SQ_CLIP_WHY_MAX] = "";
            assert_non_null(g.bytes);
            memcpy(g.bytes, f.bytes, f.len);
            help_seal(&g);
            g.bytes[i] = values[k];
            sq_store_u32(g.bytes + 12, help_crc32(g.bytes + 16, g.len - 16));
            if (open_file(&g, &c, why) == 0) {
                opened++;
                unsigned sum = 0; /* every byte that would be sent is there to be read */
                for (size_t n = 0; n < c->track_count; n++) {
                    const struct sq_clip_track *t = &c->tracks[n];
                    for (uint32_t p = 0; p < t->packet_count; p++) {
                        sum += t->data[t->packets[p].offset];
                        sum += t->data[t->packets[p].offset + t->packets[p].len_bytes - 1];
                    }
                }
                assert_true(sum != 1);
            } else {
                assert_non_null(strstr(why, "expected"));
            }
            sq_clip_close(c);
            free(g.bytes);
        }
    }
    assert_true(opened > 0); /* the level of a frame, say, may be anything */
    free(f.bytes);
}

/* What is wrong is said, with the place. Offsets are those of help_make(3, 3, 2). */
static void messages_name_the_place(void **state)
{
    static const struct {
        size_t at;
        uint8_t value;
        int err;
        const char *says;
    } cases[] = {
        {0, 'X', SQ_ERR_FORMAT, "byte 0: expected \"SQCLIP\""},
        {9, 1, SQ_ERR_UNSUPPORTED, "byte 8: expected version 2, found 1"},
        {11, 33, SQ_ERR_FORMAT, "byte 10: expected 1 to 32 tracks, found 33"},
        {24, 3, SQ_ERR_FORMAT, "byte 24: expected kind 1 (audio) or 2 (video), found 3"},
        {25, 0, SQ_ERR_UNSUPPORTED, "byte 25: expected a codec"},
        {25, 99, SQ_ERR_UNSUPPORTED, "byte 25: expected a codec"},
        {25, 5, SQ_ERR_UNSUPPORTED, "byte 25: expected VP8 to be video at 90000 Hz"},
        {40, 1, SQ_ERR_UNSUPPORTED, "byte 40: expected features"},
        {52, 0, SQ_ERR_FORMAT, "byte 52: expected 1 to 4 layers"},
        {53, 2, SQ_ERR_FORMAT, "byte 52: expected 1 to 4 layers"},
        {26, 3, SQ_ERR_FORMAT, "byte 26: expected 1 channel, or 2 of Opus, found 3"},
        {35, 0, SQ_ERR_FORMAT, "byte 32: expected 1 to 1048576 frames, found 0"},
        {32, 1, SQ_ERR_FORMAT, "byte 32: expected 1 to"},
        {35, 127, SQ_ERR_TRUNCATED, "byte 56: expected an index"},
        {59, 1, SQ_ERR_TRUNCATED, "byte 56: expected an index"},
        {67, 1, SQ_ERR_TRUNCATED, "byte 64: expected 15 bytes of data"},
        {88 + 1, 1, SQ_ERR_UNSUPPORTED, "byte 89: expected opus to be audio"},
        {88 + 21, 0, SQ_ERR_FORMAT, "byte 108: expected a width"},
        {88 + 21, 17, SQ_ERR_FORMAT, "expected frame 0 to be 17x16, found 16x16"},
        {152 + 16 + 10, 0x20, SQ_ERR_FORMAT, "byte 176: expected the times"},
        {152 + 12, 5, SQ_ERR_FORMAT, "byte 164: expected known flags"},
        {152 + 13, 128, SQ_ERR_FORMAT, "byte 164: expected known flags"},
        {152 + 14, 1, SQ_ERR_FORMAT, "byte 166: expected layers"},
        {152 + 15, 1, SQ_ERR_FORMAT, "byte 166: expected layers"},
        {152 + 5, 1, SQ_ERR_FORMAT, "byte 152: expected frame 0 inside"},
        {152 + 63 + 12, 0, SQ_ERR_FORMAT, "expected the key flag of frame 0 as in its data"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct help_file f = help_make(3, 3, 2);
        struct sq_clip *c = NULL;
        char why[SQ_CLIP_WHY_MAX] = "";
        f.bytes[cases[i].at] = cases[i].value;
        help_seal(&f);
        int err = open_file(&f, &c, why);
        if (err != cases[i].err || !strstr(why, cases[i].says)) {
            fail_msg("case %zu: %d, \"%s\"", i, err, why);
        }
        free(f.bytes);
    }
}

static void files_that_are_no_files(void **state)
{
    struct sq_clip *c = NULL;
    char why[SQ_CLIP_WHY_MAX] = "";
    assert_int_equal(sq_clip_open("/nowhere/x.sqclip", 0, &c, why), SQ_ERR_IO);
    assert_non_null(strstr(why, "/nowhere/x.sqclip"));
    assert_non_null(strstr(why, "No such file"));
    assert_int_equal(sq_clip_open("/", 0, &c, why), SQ_ERR_IO);
    assert_non_null(strstr(why, "expected a regular file"));
    assert_int_equal(sq_clip_open("/dev/null", 0, &c, why), SQ_ERR_IO);
    assert_null(c);
    sq_clip_close(NULL);
}

static void each_allocation_may_fail(void **state)
{
    struct help_file f = help_make(20, 20, 4);
    size_t nth = 1;
    int err;
    do {
        struct sq_clip *c = NULL;
        char why[SQ_CLIP_WHY_MAX] = "";
        sq_mem_fail_at(nth++);
        err = open_file(&f, &c, why);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        assert_true(err == 0 || strstr(why, "no memory"));
        sq_clip_close(c);
    } while (err);
    sq_mem_fail_at(0);
    assert_true(nth >= 8);
    free(f.bytes);
}

static void clips_are_found(void **state)
{
    char path[SQ_CLIP_PATH_MAX] = "untouched";
    char why[SQ_CLIP_WHY_MAX];
    struct sq_clip *c = NULL;
    assert_int_equal(setenv("SQUALL_SHARE", "/nowhere", 1), 0);
    assert_int_equal(sq_clip_builtin("default", path), SQ_ERR_NOTFOUND);
    assert_int_equal(sq_clip_builtin("", path), SQ_ERR_NOTFOUND);
    assert_string_equal(path, "untouched");
    assert_int_equal(setenv("SQUALL_SHARE", SQ_SOURCE_DIR "/share", 1), 0);
    assert_int_equal(sq_clip_builtin("default", path), 0);
    assert_string_equal(path, SQ_SOURCE_DIR "/share/clips/default.sqclip");
    assert_int_equal(sq_clip_builtin("nonesuch", path), SQ_ERR_NOTFOUND);
    assert_int_equal(sq_clip_builtin("./nonesuch.sqclip", path), SQ_ERR_NOTFOUND);
    assert_int_equal(sq_clip_builtin(SQ_SOURCE_DIR "/share/clips/small.sqclip", path), 0);
    assert_int_equal(sq_clip_open(path, 0, &c, why), 0);
    sq_clip_close(c);
    assert_int_equal(unsetenv("SQUALL_SHARE"), 0);
    assert_int_equal(chdir(SQ_SOURCE_DIR), 0);
    assert_int_equal(sq_clip_builtin("small", path), 0);
}

/* Written anew by somebody while a run sends it: what was opened stays as it was. */
static void a_clip_that_shrinks_is_still_whole(void **state)
{
    char path[] = "/tmp/squall-clip-XXXXXX";
    char why[SQ_CLIP_WHY_MAX];
    struct help_file f = help_read(SQ_SOURCE_DIR "/share/clips/small.sqclip");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, f.bytes, f.len), (ssize_t)f.len);
    struct sq_clip *c = NULL;
    assert_int_equal(sq_clip_open(path, 0, &c, why), 0);
    assert_int_equal(ftruncate(fd, 0), 0);
    assert_int_equal(c->map_bytes, f.len);
    assert_memory_equal(c->map, f.bytes, f.len);
    sq_clip_close(c);
    assert_int_equal(close(fd), 0);
    assert_int_equal(unlink(path), 0);
    free(f.bytes);
}

/* The clip that goes in the place of others has their frame rate, and the size nearest to theirs.
 */
static void black_is_as_the_clip_it_hides(void **state)
{
    static const enum sq_codec codecs[] = {SQ_CODEC_VP8, SQ_CODEC_VP9, SQ_CODEC_H264, SQ_CODEC_AV1};
    char why[SQ_CLIP_WHY_MAX];
    const struct sq_clip_opts opts = {.fps_milli = 15000};
    struct sq_clip *c;
    (void)state;
    assert_int_equal(sq_clip_open_with(SQ_SOURCE_DIR "/share/clips/black.sqclip", &opts, &c, why),
                     0);
    for (size_t i = 0; i < sizeof(codecs) / sizeof(*codecs); i++) {
        const struct sq_clip_track *t = sq_clip_nearest(c, codecs[i], 640, 360);
        assert_non_null(t);
        assert_int_equal(t->width, 640);
        assert_int_equal(t->height, 360);
        assert_int_equal(t->fps_milli, 15000);
        assert_int_equal(t->tid_fps_milli[SQ_CLIP_LAYERS_MAX - 1], 15000);
        assert_int_equal(t->frames[1].ticks, 6000);
        assert_int_equal(t->frames[t->frame_count].ticks, t->duration_ticks);
        assert_int_equal(t->duration_ticks, 6000 * t->frame_count);
        assert_int_equal(t->key_count, 1);
        assert_int_equal(sq_clip_nearest(c, codecs[i], 320, 240)->width, 320);
        assert_int_equal(sq_clip_nearest(c, codecs[i], 3840, 2160)->width, 1920);
        assert_int_equal(sq_clip_nearest(c, codecs[i], 1, 1)->width, 160);
    }
    assert_null(sq_clip_nearest(c, SQ_CODEC_OPUS, 640, 360));
    sq_clip_close(c);
}

/* Four seconds of sound whose packets of 20 ms have these levels in turn. */
static double heard_of(uint8_t loud_level, unsigned loud, unsigned quiet)
{
    enum { PACKETS = 200 };
    static const uint8_t voice[] = {0x78, 1, 2, 3};
    struct help_row rows[PACKETS];
    char why[SQ_CLIP_WHY_MAX];
    for (unsigned i = 0; i < PACKETS; i++) {
        bool sounds = i % (loud + quiet) < loud;
        rows[i] = (struct help_row){.bytes = voice,
                                    .len = sizeof(voice),
                                    .ticks = i * 960,
                                    .flags = SQ_CLIP_KEY,
                                    .level = sounds ? loud_level : 127};
    }
    const struct help_track track = {.kind = SQ_CLIP_AUDIO,
                                     .codec = SQ_CODEC_OPUS,
                                     .channels = 1,
                                     .temporal_layers = 1,
                                     .spatial_layers = 1,
                                     .duration = PACKETS * 960,
                                     .rows = rows,
                                     .count = PACKETS};
    struct help_file f = help_build(&track, 1);
    struct sq_clip *c;
    assert_int_equal(sq_clip_open_bytes(f.bytes, f.len, "made up", 0, &c, why), 0);
    double heard = sq_clip_heard_percent(c);
    sq_clip_close(c);
    free(f.bytes);
    return heard;
}

/* A second with a short loud sound in it is heard: what counts is the second, not the packet. */
static void how_much_can_be_heard(void **state)
{
    (void)state;
    assert_true(heard_of(20, 1, 0) > 99.9);
    assert_true(heard_of(127, 1, 0) < 0.1);
    assert_true(heard_of(51, 1, 0) < 0.1);
    assert_true(heard_of(20, 5, 45) > 99.9); /* 100 ms of each second */
    assert_true(heard_of(45, 5, 45) < 0.1);  /* -55 dBov over the second */
    /* A second of each four, and the seconds that begin before its end and end after its beginning:
     * 99 of 200. */
    double half = heard_of(20, 50, 150);
    assert_true(half > 49.4 && half < 49.6);
    struct sq_clip *c = help_open("default", 0);
    assert_true(sq_clip_heard_percent(c) > 95);
    sq_clip_close(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(how_much_can_be_heard),
        cmocka_unit_test(black_is_as_the_clip_it_hides),
        cmocka_unit_test(check_sum_is_crc32),
        cmocka_unit_test(what_ships_is_as_promised),
        cmocka_unit_test(what_ships_has_three_steps),
        cmocka_unit_test(cut_is_whole_and_even),
        cmocka_unit_test(payload_sizes_out_of_range),
        cmocka_unit_test(damage_is_found),
        cmocka_unit_test(a_short_file_is_refused),
        cmocka_unit_test(a_hostile_file_is_refused_or_sound),
        cmocka_unit_test(messages_name_the_place),
        cmocka_unit_test(files_that_are_no_files),
        cmocka_unit_test(each_allocation_may_fail),
        cmocka_unit_test(clips_are_found),
        cmocka_unit_test(a_clip_that_shrinks_is_still_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
