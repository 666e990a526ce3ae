/* Recorded streams as they are read for being sent again. */
#include "base/mem.h"
#include "base/str.h"
#include "base/time.h"
#include "base/wire.h"
#include "media/mux/rtpfile.h"
#include "run/replay.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];
static char why[SQ_REPLAY_WHY_MAX];

static void on_append(void *ctx, const void *bytes, size_t len)
{
    sq_buf_add(ctx, bytes, len);
}

static void put_long(const struct sq_mux_sink *sink, uint32_t ms, uint8_t pt, uint16_t seq,
                     uint32_t ssrc, size_t payload_len)
{
    uint8_t rtp[12 + 2000] = {0x80, pt};
    sq_store_u16(rtp + 2, seq);
    sq_store_u32(rtp + 4, ms * 48);
    sq_store_u32(rtp + 8, ssrc);
    rtp[15] = (uint8_t)seq;
    sq_rtpdump_packet(sink, ms, rtp, 12 + payload_len);
}

static void put(const struct sq_mux_sink *sink, uint32_t ms, uint8_t pt, uint16_t seq,
                uint32_t ssrc)
{
    put_long(sink, ms, pt, seq, ssrc, 4);
}

static void begin_file(const struct sq_mux_sink *sink)
{
    struct sq_addr from;
    assert_int_equal(sq_addr_parse("192.0.2.1", 5000, &from), 0);
    sq_rtpdump_head(sink, &from, 0);
}

static void end_file(struct sq_buf *b)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(b->text, 1, b->len, f), b->len);
    fclose(f);
    sq_buf_free(b);
}

/* Opus with holes, a number that wraps, and one that came late; VP8; RTX; a second stream of Opus.
 */
static void write_file(void)
{
    struct sq_buf b = {0};
    const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
    begin_file(&sink);
    put(&sink, 100, 111, 65534, 1);
    put(&sink, 110, 96, 7, 2);
    put(&sink, 120, 111, 65535, 1);
    put(&sink, 125, 97, 1, 3);
    put(&sink, 140, 111, 2, 1); /* 0 and 1 are missing */
    put(&sink, 150, 111, 1, 1); /* 1 comes late */
    put(&sink, 160, 111, 1, 9);
    put(&sink, 170, 96, 8, 2);
    end_file(&b);
}

static void streams_and_holes(void **state)
{
    (void)state;
    struct sq_replay *r;
    write_file();
    assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
    const struct sq_replay_stream *audio = &r->streams[SQ_MEDIA_AUDIO];
    const struct sq_replay_stream *video = &r->streams[SQ_MEDIA_VIDEO];
    assert_int_equal(audio->codec, SQ_CODEC_OPUS);
    assert_int_equal(audio->ssrc, 1);
    assert_int_equal(audio->packets, 4);
    assert_int_equal(audio->missing, 1);
    assert_int_equal(video->codec, SQ_CODEC_VP8);
    assert_int_equal(video->packets, 2);
    assert_int_equal(video->missing, 0);
    assert_int_equal(r->packets_len, 6);
    assert_int_equal(r->left_out, 2);
    assert_int_equal(r->packets[0].ns, 0);
    assert_int_equal(r->packets[5].ns, 70000000);
    assert_int_equal(r->duration_ns, 70000000);
    assert_int_equal(r->packets[3].seq, 2);
    assert_int_equal(r->packets[4].seq, 1);
    assert_int_equal(r->packets[4].len, 4);
    assert_int_equal(r->packets[4].payload[3], 1);
    sq_replay_close(r);
}

/* The front of a packet of each codec, written by its RFC: of a key frame, of another one, and of
 * what goes on in either. */
struct fronts {
    uint8_t pt, key[12], other[12], on_key[12], on_other[12];
};

static void put_front(const struct sq_mux_sink *sink, const struct fronts *f,
                      const uint8_t front[static 12], uint32_t ms, uint16_t seq, uint32_t ts)
{
    uint8_t rtp[12 + 40] = {0x80, f->pt};
    sq_store_u16(rtp + 2, seq);
    sq_store_u32(rtp + 4, ts);
    sq_store_u32(rtp + 8, 2);
    memcpy(rtp + 12, front, 12);
    sq_rtpdump_packet(sink, ms, rtp, sizeof(rtp));
}

static void key_frames_are_found(void **state)
{
    (void)state;
    static const struct fronts codecs[] = {
        /* RFC 7741, 4.2 and 4.3: S and partition 0, then P = 0 of a key frame. */
        {96,
         {0x10, 0x00, 0, 0, 0x9d, 0x01, 0x2a, 64, 1, 180, 0},
         {0x10, 0x01},
         {0x00, 0x00},
         {0x00, 0x00}},
        /* RFC 9628, 4.2: P is the second bit, B the fifth; every packet tells it. */
        {98, {0x08, 0x82}, {0x48, 0x86}, {0x00, 0x55}, {0x40, 0x55}},
        /* RFC 6184, 5.8: FU-A of type 5, and of type 1. */
        {102, {0x7c, 0x85, 0x88}, {0x5c, 0x81, 0x9a}, {0x7c, 0x05, 1}, {0x5c, 0x01, 1}},
        /* RTP payload format for AV1, 4.4: W = 1, and N of a new sequence; Z of what goes on. */
        {45, {0x18, 0x0a, 1, 2, 3}, {0x10, 0x32, 1}, {0x90, 1}, {0x90, 1}},
    };
    for (size_t c = 0; c < sizeof(codecs) / sizeof(codecs[0]); c++) {
        const struct fronts *f = &codecs[c];
        struct sq_buf b = {0};
        const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
        struct sq_replay *r;
        /* What tells it comes late (seq 4), behind a packet of the next frame. */
        static const bool is_key[] = {true, true, false, false, true, false, true, true};
        begin_file(&sink);
        put_front(&sink, f, f->key, 0, 1, 3000);
        put_front(&sink, f, f->on_key, 1, 2, 3000);
        put_front(&sink, f, f->other, 40, 3, 6600);
        put_front(&sink, f, f->on_other, 41, 4, 6600);
        put_front(&sink, f, f->on_key, 80, 6, 10200);
        put_front(&sink, f, f->other, 120, 7, 13800);
        put_front(&sink, f, f->key, 121, 5, 10200);
        put_front(&sink, f, f->key, 160, 8, 17400);
        end_file(&b);
        assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
        assert_int_equal(r->packets_len, 8);
        for (size_t i = 0; i < 8; i++) {
            if (r->packets[i].key != is_key[i]) {
                fail_msg("payload type %u, packet %zu", f->pt, i);
            }
        }
        sq_replay_close(r);
    }
}

static void payload_types_are_told(void **state)
{
    (void)state;
    struct sq_replay *r;
    write_file();
    assert_int_equal(sq_replay_open(path, "96=H264,97=vp9,111=PCMU", &r, why), 0);
    assert_int_equal(r->streams[SQ_MEDIA_AUDIO].codec, SQ_CODEC_PCMU);
    assert_int_equal(r->streams[SQ_MEDIA_VIDEO].codec, SQ_CODEC_H264);
    sq_replay_close(r);
    static const char *const wrong[] = {"",        "96",     "96=",     "=VP8",
                                        "128=VP8", "96=MP3", "96=VP8,", "x=VP8"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_int_equal(sq_replay_open(path, wrong[i], &r, why), SQ_ERR_INVALID);
        assert_non_null(strstr(why, "expected payload types"));
    }
    assert_int_equal(sq_replay_open(path, "96=VP8,500=VP8", &r, why), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "'500=VP8': 500 is none; expected payload types from 0 to 127"));
    assert_int_equal(sq_replay_open(path, "500=MP3", &r, why), SQ_ERR_INVALID);
    assert_null(strstr(why, "is none"));
}

static void nothing_to_send(void **state)
{
    (void)state;
    struct sq_replay *r;
    assert_int_equal(sq_replay_open("/nowhere", NULL, &r, why), SQ_ERR_IO);
    assert_string_equal(why, "/nowhere: No such file or directory");
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    fputs("#!rtpplay1.0 1.2.3.4/5\n0123456789abcdef", f);
    fclose(f);
    assert_int_equal(sq_replay_open(path, NULL, &r, why), SQ_ERR_NOTFOUND);
    assert_non_null(strstr(why, "no RTP of a payload type that is known"));
    write_file();
    assert_int_equal(truncate(path, 60), 0); /* within the first record */
    assert_int_equal(sq_replay_open(path, NULL, &r, why), SQ_ERR_FORMAT);
    assert_non_null(strstr(why, "cut off or damaged before its first RTP packet"));
    struct sq_buf b = {0};
    const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
    begin_file(&sink);
    put(&sink, 0, 100, 1, 1);
    put(&sink, 10, 100, 2, 1);
    b.len--; /* cut off as well, but that is not what is wrong with it */
    end_file(&b);
    assert_int_equal(sq_replay_open(path, NULL, &r, why), SQ_ERR_NOTFOUND);
    assert_non_null(strstr(why, "no RTP of a payload type that is known"));
}

/* Jumbo frames of another's wire: told, and no packet of the peer. */
static void packets_longer_than_a_datagram(void **state)
{
    (void)state;
    struct sq_replay *r;
    for (size_t fits = 0; fits < 2; fits++) {
        struct sq_buf b = {0};
        const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
        begin_file(&sink);
        put_long(&sink, 0, 96, 7, 2, SQ_REPLAY_PAYLOAD_MAX + 1);
        put_long(&sink, 10, 96, 8, 2, SQ_REPLAY_PAYLOAD_MAX + 1 - fits);
        end_file(&b);
        assert_int_equal(sq_replay_open(path, NULL, &r, why), fits ? 0 : SQ_ERR_NOTFOUND);
        if (fits) {
            assert_int_equal(r->packets_len, 1);
            assert_int_equal(r->too_long, 1);
            sq_replay_close(r);
        } else {
            assert_non_null(strstr(why, "longer than a datagram holds"));
        }
    }
    struct sq_buf b = {0};
    const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
    begin_file(&sink);
    put(&sink, 0, 111, 1, 1);
    put_long(&sink, 10, 96, 7, 2, SQ_REPLAY_PAYLOAD_MAX + 1);
    end_file(&b);
    assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
    assert_int_equal(r->streams[SQ_MEDIA_AUDIO].codec, SQ_CODEC_OPUS);
    assert_int_equal(r->streams[SQ_MEDIA_VIDEO].codec, SQ_CODEC_NONE); /* nothing of it is sent */
    sq_replay_close(r);
}

/* `n` packets, of which the capture has kept all of the first `whole`, and the header of the rest.
 * The first one is a key frame of VP8 (RFC 7741), to who takes it for that. */
static void put_cut(struct sq_buf *b, uint8_t pt, unsigned n, unsigned whole)
{
    static const uint8_t key[] = {0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0, 0};
    const struct sq_mux_sink sink = {.ctx = b, .append = on_append};
    for (unsigned i = 0; i < n; i++) {
        size_t at = b->len;
        if (i == 0 && whole > 0) {
            uint8_t rtp[12 + sizeof(key)] = {0x80, 0x80 | pt, [11] = pt};
            memcpy(rtp + 12, key, sizeof(key));
            sq_rtpdump_packet(&sink, i, rtp, sizeof(rtp));
            continue;
        }
        put_long(&sink, i, pt, (uint16_t)i, pt, i < whole ? 4 : 0);
        if (i >= whole) {
            sq_store_u16((uint8_t *)b->text + at + 2, 1000);
        }
    }
}

/* Counted apart from what is missing; where most of a stream is cut, nothing is measured. */
static void cut_by_a_snap_length(void **state)
{
    (void)state;
    struct sq_replay *r;
    for (unsigned whole = 0; whole <= 6; whole += 3) {
        struct sq_buf b = {0};
        const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
        begin_file(&sink);
        put_cut(&b, 111, 6, 6);
        put_cut(&b, 96, 6, whole);
        end_file(&b);
        assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
        const struct sq_replay_stream *video = &r->streams[SQ_MEDIA_VIDEO];
        assert_int_equal(video->codec, SQ_CODEC_VP8);
        assert_int_equal(video->packets, whole);
        assert_int_equal(video->cut, 6 - whole);
        assert_int_equal(video->missing, 0);
        assert_int_equal(r->cut, 6 - whole);
        assert_int_equal(r->left_out, 0);
        assert_int_equal(sq_replay_check(r, true, true, why), whole ? 0 : SQ_ERR_NOTFOUND);
        if (!whole) {
            assert_non_null(strstr(why, "6 of 6 packets of the video were cut short by the "));
        }
        assert_int_equal(sq_replay_check(r, true, false, why), 0);
        sq_replay_close(r);
    }
    struct sq_buf b = {0};
    const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
    begin_file(&sink);
    put_cut(&b, 111, 3, 0);
    put_cut(&b, 96, 6, 0);
    end_file(&b);
    assert_int_equal(sq_replay_open(path, NULL, &r, why), SQ_ERR_NOTFOUND);
    assert_non_null(strstr(why, "9 packets were cut short by the capture's snap length"));
}

/* Without a whole key frame nobody shows a picture, however well it is sent. */
static void nothing_to_play(void **state)
{
    (void)state;
    for (int whole = 0; whole < 2; whole++) {
        struct sq_replay *r;
        struct sq_buf b = {0};
        const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
        /* RFC 7741: the first packet of a key frame of 64x64, and the last one. */
        uint8_t begin[] = {0x80, 96, 0, 1, 0,    0,    0,    1,  0, 0,  0, 1,
                           0x10, 0,  0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0, 0};
        uint8_t end[] = {0x80, 0x80 | 96, 0, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0};
        begin_file(&sink);
        sq_rtpdump_packet(&sink, 0, begin, sizeof(begin));
        if (whole) {
            sq_rtpdump_packet(&sink, 1, end, sizeof(end));
        }
        end_file(&b);
        assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
        assert_int_equal(r->frames, whole);
        assert_int_equal(sq_replay_check(r, true, true, why), whole ? 0 : SQ_ERR_NOTFOUND);
        if (!whole) {
            assert_non_null(strstr(why, "a whole key frame of VP8 among its 1 packets"));
        }
        sq_replay_close(r);
    }
}

/* A call whose video has lost the first packet of its key frame, with audio in order. */
static void write_call_without_key(void)
{
    static const uint8_t rest[] = {0x00, 1, 2, 3, 4, 5}, voice[] = {0x78, 1, 2, 3};
    struct sq_buf b = {0};
    const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
    begin_file(&sink);
    for (unsigned i = 0; i <= 60; i++) {
        uint8_t rtp[12 + 16] = {0x80, 111, 0, (uint8_t)i, [11] = 1};
        sq_store_u32(rtp + 4, 960 * i);
        memcpy(rtp + 12, voice, sizeof(voice));
        sq_rtpdump_packet(&sink, 20 * i, rtp, 12 + sizeof(voice));
        rtp[1] = 0x80 | 96;
        rtp[11] = 2;
        sq_store_u32(rtp + 4, 1800 * i);
        memcpy(rtp + 12, rest, sizeof(rest));
        sq_rtpdump_packet(&sink, 20 * i, rtp, 12 + sizeof(rest));
    }
    end_file(&b);
}

/* Its audio plays, but the service would be blamed for its video: each is judged by itself. */
static void video_that_cannot_be_shown(void **state)
{
    (void)state;
    static const struct {
        const char *map, *sentence;
        int err;
    } all[] = {
        {NULL,
         "its video cannot be shown: expected a whole key frame of VP8 among its 61 packets, which "
         "make no picture of it, nor of any other codec; --no-video sends its audio alone",
         SQ_ERR_NOTFOUND},
        {"96=VP9",
         "--pt says that payload type 96 is VP9, but its 61 packets make no picture of VP9, nor of "
         "any other codec; --no-video sends its audio alone",
         SQ_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        struct sq_replay *r;
        write_call_without_key();
        assert_int_equal(sq_replay_open(path, all[i].map, &r, why), 0);
        assert_int_equal(sq_replay_check(r, true, true, why), all[i].err);
        assert_string_equal(why, all[i].sentence);
        assert_int_equal(sq_replay_check(r, false, true, why), all[i].err);
        assert_null(strstr(why, "--no-video"));
        assert_int_equal(sq_replay_check(r, true, false, why), 0);
        sq_replay_close(r);
    }
}

/* A file of 1.2 s of one kind: `payload` every 20 ms, its clock at so many ticks a millisecond. */
static void write_stream(uint8_t pt, unsigned per_ms, const void *payload, size_t len)
{
    struct sq_buf b = {0};
    const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
    begin_file(&sink);
    for (unsigned i = 0; i <= 60; i++) {
        uint8_t rtp[12 + 16] = {0x80, 0x80 | pt, 0, (uint8_t)i};
        sq_store_u32(rtp + 4, 1000 + 20 * per_ms * i);
        memcpy(rtp + 12, payload, len);
        sq_rtpdump_packet(&sink, 20 * i, rtp, 12 + len);
    }
    end_file(&b);
}

/* What is said of payload types by hand and is not so. */
static void types_that_do_not_fit(void **state)
{
    static const uint8_t key[] = {0x10, 0, 0, 0, 0x9d, 0x01, 0x2a, 64, 0, 64, 0, 0};
    static const uint8_t voice[] = {0x78, 1, 2, 3}, none[] = {0x7b, 0, 2, 3};
    static const struct {
        uint8_t pt;
        const uint8_t *payload;
        size_t len;
        unsigned per_ms;
        const char *map, *sentence; /* NULL: it fits */
    } all[] = {
        {100, key, sizeof(key), 90, "100=VP8", NULL},
        {100, key, sizeof(key), 90, "100=H264",
         "payload type 100 is H264, but its 61 packets make no picture of H264, of VP8 they make "
         "61"},
        {100, voice, sizeof(voice), 90, "100=VP9", "of VP9, nor of any other codec"},
        {100, key, sizeof(key), 90, "100=opus",
         "is opus, whose time-stamps count 48000 a second, but those of its packets count about "
         "90000"},
        {111, voice, sizeof(voice), 48, "111=opus", NULL},
        {111, voice, sizeof(voice), 48, "111=PCMU", "count about 48000"},
        {111, none, sizeof(none), 48, "111=opus", "but 61 of its 61 packets are none of opus"},
        {8, voice, sizeof(voice), 8, "8=PCMU", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        struct sq_replay *r;
        write_stream(all[i].pt, all[i].per_ms, all[i].payload, all[i].len);
        assert_int_equal(sq_replay_open(path, all[i].map, &r, why), 0);
        assert_int_equal(sq_replay_check(r, true, true, why), all[i].sentence ? SQ_ERR_FORMAT : 0);
        if (all[i].sentence && !strstr(why, all[i].sentence)) {
            fail_msg("%s", why);
        }
        sq_replay_close(r);
    }
    struct sq_replay *r;
    write_file();
    assert_int_equal(sq_replay_open(path, "96=VP8,100=VP9", &r, why), SQ_ERR_NOTFOUND);
    assert_non_null(strstr(why, "has no packet of payload type 100; expected one that it has: 96 "
                                "(2 packets), 97 (1 packets), 111 (5 packets)"));
    write_stream(100, 90, key, sizeof(key));
    assert_int_equal(sq_replay_open(path, "101=VP8", &r, why), SQ_ERR_NOTFOUND);
    assert_non_null(strstr(why, "no packet of payload type 101"));
}

/* Two seconds of a call, `gap_ms` of hold in which its time-stamps do not go on but jump by `jump`,
 * and two seconds more. */
static void write_held_call(uint8_t pt, unsigned per_ms, const void *payload, size_t len,
                            unsigned gap_ms, uint32_t jump)
{
    struct sq_buf b = {0};
    const struct sq_mux_sink sink = {.ctx = &b, .append = on_append};
    begin_file(&sink);
    for (unsigned i = 0; i < 200; i++) {
        uint8_t rtp[12 + 16] = {0x80, pt, 0, (uint8_t)i};
        sq_store_u32(rtp + 4, 1000 + 20 * per_ms * i + (i < 100 ? 0 : jump));
        memcpy(rtp + 12, payload, len);
        sq_rtpdump_packet(&sink, 20 * i + (i < 100 ? 0 : gap_ms), rtp, 12 + len);
    }
    end_file(&b);
}

/* Neither a hold nor a jump says anything of the clock, and what is wrong is seen all the same. */
static void a_call_on_hold_keeps_its_clock(void **state)
{
    static const uint8_t voice[] = {0x78, 1, 2, 3};
    static const struct {
        unsigned per_ms, gap_ms;
        uint32_t jump;
        const char *map, *sentence; /* NULL: it fits */
    } all[] = {
        {8, 60000, 0, "111=PCMU", NULL},
        {8, 0, 90000000, "111=PCMU", NULL},
        {8, 300, 0xfffff000, "111=G722", NULL},
        {48, 60000, 0, "111=opus", NULL},
        {48, 60000, 0, "111=PCMU", "count about 48000"},
        {8, 60000, 48000 * 60, "111=opus", "count about 8000"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++) {
        struct sq_replay *r;
        write_held_call(111, all[i].per_ms, voice, sizeof(voice), all[i].gap_ms, all[i].jump);
        assert_int_equal(sq_replay_open(path, all[i].map, &r, why), 0);
        int err = sq_replay_check(r, true, true, why);
        if (err != (all[i].sentence ? SQ_ERR_FORMAT : 0) ||
            (err && !strstr(why, all[i].sentence))) {
            fail_msg("case %zu: %d %s", i, err, why);
        }
        sq_replay_close(r);
    }
}

/* Used as far as it goes, and told. */
static void cut_off(void **state)
{
    (void)state;
    struct sq_replay *r;
    struct stat st;
    write_file();
    assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
    assert_false(r->cut_off);
    size_t whole = r->packets_len;
    sq_replay_close(r);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size - 1), 0);
    assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
    assert_true(r->cut_off);
    assert_int_equal(r->packets_len, whole - 1);
    sq_replay_close(r);
}

static void without_memory(void **state)
{
    (void)state;
    write_file();
    for (size_t nth = 1;; nth++) {
        struct sq_replay *r;
        sq_mem_fail_at(nth);
        int err = sq_replay_open(path, NULL, &r, why);
        sq_mem_fail_at(0);
        if (!err) {
            assert_true(nth > 3);
            sq_replay_close(r);
            break;
        }
        assert_int_equal(err, SQ_ERR_NOMEM);
    }
}

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/squall-replay-%d", (int)getpid());
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(streams_and_holes),
        cmocka_unit_test(key_frames_are_found),
        cmocka_unit_test(payload_types_are_told),
        cmocka_unit_test(nothing_to_send),
        cmocka_unit_test(packets_longer_than_a_datagram),
        cmocka_unit_test(cut_off),
        cmocka_unit_test(cut_by_a_snap_length),
        cmocka_unit_test(types_that_do_not_fit),
        cmocka_unit_test(a_call_on_hold_keeps_its_clock),
        cmocka_unit_test(nothing_to_play),
        cmocka_unit_test(video_that_cannot_be_shown),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, make_path, remove_file);
}
