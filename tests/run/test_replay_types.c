/* What payload types of a recording are taken for, and what is said of those that are not sent. */
#include "base/str.h"
#include "base/wire.h"
#include "media/mux/rtpfile.h"
#include "peer/sdp/jsep_pair.h"
#include "run/replay.h"
#include <stdlib.h>
#include <unistd.h>

static char path[64];
static char why[SQ_REPLAY_WHY_MAX];
static struct sq_buf bytes;

static void on_append(void *ctx, const void *more, size_t len)
{
    sq_buf_add(ctx, more, len);
}

static const struct sq_mux_sink sink = {.ctx = &bytes, .append = on_append};

static void begin_file(void)
{
    struct sq_addr from;
    assert_int_equal(sq_addr_parse("192.0.2.1", 5000, &from), 0);
    sq_rtpdump_head(&sink, &from, 0);
}

static void end_file(void)
{
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_int_equal(fwrite(bytes.text, 1, bytes.len, f), bytes.len);
    fclose(f);
    sq_buf_free(&bytes);
}

/* The SSRC is the payload type, so that each type is a stream. */
static void put_as(uint8_t pt, uint16_t seq, uint32_t ssrc, const void *payload, size_t len)
{
    uint8_t rtp[12 + 64] = {0x80, pt};
    sq_store_u16(rtp + 2, seq);
    sq_store_u32(rtp + 4, 960U * seq);
    sq_store_u32(rtp + 8, ssrc);
    memcpy(rtp + 12, payload, len);
    sq_rtpdump_packet(&sink, 20U * seq, rtp, 12 + len);
}

static void put(uint8_t pt, unsigned packets)
{
    for (unsigned i = 0; i < packets; i++) {
        put_as(pt, (uint16_t)i, pt, "\x78\x01\x02\x03", 4);
    }
}

/* RFC 2198, section 3: a block of 20 ms earlier, and the newest one. */
static void put_red(uint8_t red_pt, uint8_t pt, uint16_t seq, uint32_t ssrc, const char newest[4])
{
    uint8_t payload[] = {0x80 | pt, 0, 0, 0, pt, 0x78, 9, 9, 0, 0, 0, 0};
    payload[1] = 960 >> 6;
    payload[2] = (uint8_t)(960 << 2);
    payload[3] = 3;
    memcpy(payload + 8, newest, 4);
    put_as(red_pt, seq, ssrc, payload, sizeof(payload));
}

/* What a file with this type alone is taken for; SQ_CODEC_NONE: refused. */
static enum sq_codec taken_for(uint8_t pt, const char *map)
{
    struct sq_replay *r;
    begin_file();
    put(pt, 3);
    end_file();
    why[0] = '\0';
    if (sq_replay_open(path, map, &r, why) != 0) {
        return SQ_CODEC_NONE;
    }
    enum sq_codec audio = r->streams[SQ_MEDIA_AUDIO].codec;
    enum sq_codec codec = audio ? audio : r->streams[SQ_MEDIA_VIDEO].codec;
    assert_int_equal(r->packets_len, 3);
    assert_int_equal(r->left_out, 0);
    sq_replay_close(r);
    return codec;
}

/* One line "a=rtpmap:PT NAME/CLOCK" of an offer. */
static void try_type(const char *line)
{
    char name[32] = "";
    char told[64];
    unsigned pt = 0;
    assert_int_equal(sscanf(line, "a=rtpmap:%u %31[^/]", &pt, name), 2);
    enum sq_codec codec = sq_codec_by_name(name);
    if (taken_for((uint8_t)pt, NULL) != codec) {
        fail_msg("%u %s: %s", pt, name, why);
    }
    snprintf(told, sizeof(told), "%u (%s, 3 packets)", pt, name);
    if (!codec && !strstr(why, told)) {
        fail_msg("%u %s: %s", pt, name, why);
    }
}

/* Every payload type of Squall's offers, as the offers themselves tell it. */
static void each_type_of_an_offer_is_known(void **state)
{
    (void)state;
    unsigned types = 0;
    for (int watches = 0; watches < 2; watches++) {
        enum sq_sdp_direction way = watches ? SQ_SDP_RECVONLY : SQ_SDP_SENDRECV;
        struct end e;
        end_open(&e, FP_A, (struct sq_jsep_config){0});
        end_add(&e, SQ_JSEP_AUDIO, way, 1);
        end_add(&e, SQ_JSEP_VIDEO, way, 2);
        static char
            offer[16384]; /* copied: GCC takes a walk through the text itself for dangling */
        char *text = local_offer(&e);
        snprintf(offer, sizeof(offer), "%s", text);
        sq_free(text);
        for (const char *at = strstr(offer, "a=rtpmap:"); at; at = strstr(at + 1, "a=rtpmap:")) {
            try_type(at);
            types++;
        }
        end_close(&e);
    }
    assert_int_equal(types, 28 + 29);
    /* What is accepted besides, of Chromium's offers, and what older ones of Chromium had. */
    static const uint8_t h264[] = {112, 43, 106, 127};
    for (size_t i = 0; i < sizeof(h264); i++) {
        assert_int_equal(taken_for(h264[i], NULL), SQ_CODEC_H264);
    }
    assert_int_equal(taken_for(113, NULL), SQ_CODEC_NONE);
    assert_int_equal(taken_for(100, NULL), SQ_CODEC_NONE);
}

/* What is sent is the newest block alone, as Opus by itself would have come. */
static void red_is_opened(void **state)
{
    (void)state;
    struct sq_replay *r;
    begin_file();
    put_as(111, 1, 7, "\x78\x01\x02\x03", 4);
    put_red(63, 111, 2, 7, "\x78\x04\x05\x06");
    put_red(63, 110, 3, 7, "\x01\x02\x03\x04"); /* a telephone event */
    put_red(63, 111, 4, 7, "\x78\x07\x08\x09");
    put_as(63, 5, 7, "\x80", 1); /* broken */
    put_red(118, 96, 1, 8, "\x10\x01\x02\x03");
    put_red(118, 120, 2, 8, "\x01\x02\x03\x04"); /* ULPFEC */
    end_file();
    assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
    const struct sq_replay_stream *audio = &r->streams[SQ_MEDIA_AUDIO];
    assert_int_equal(audio->codec, SQ_CODEC_OPUS);
    assert_int_equal(audio->packets, 3);
    assert_int_equal(audio->in_red, 2);
    assert_int_equal(audio->missing, 1); /* the event's number */
    assert_int_equal(r->streams[SQ_MEDIA_VIDEO].codec, SQ_CODEC_VP8);
    assert_int_equal(r->packets_len, 4);
    assert_int_equal(r->packets[1].len, 4);
    assert_memory_equal(r->packets[1].payload, "\x78\x04\x05\x06", 4);
    assert_int_equal(r->packets[2].ts, 4 * 960);
    assert_memory_equal(r->packets[3].payload, "\x10\x01\x02\x03", 4);
    assert_int_equal(r->unsent[63], 2);
    assert_int_equal(r->unsent[118], 1);
    assert_int_equal(r->left_out, 3);
    sq_replay_close(r);
    begin_file();
    put_red(121, 109, 1, 7, "\x78\x04\x05\x06");
    end_file();
    assert_int_equal(sq_replay_open(path, "121=RED,109=opus", &r, why), 0);
    assert_int_equal(r->streams[SQ_MEDIA_AUDIO].codec, SQ_CODEC_OPUS);
    assert_true(r->streams[SQ_MEDIA_AUDIO].by_hand);
    sq_replay_close(r);
    assert_int_equal(sq_replay_open(path, "121=red,108=opus", &r, why), SQ_ERR_NOTFOUND);
    assert_non_null(strstr(why, "no packet of payload type 108"));
}

static void check_enough_at(int line, bool audio, bool video, const char *sentence)
{
    struct sq_replay *r;
    assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
    int err = sq_replay_is_enough(r, audio, video, why);
    if (err != (sentence ? SQ_ERR_NOTFOUND : 0) || (sentence && strcmp(why, sentence) != 0)) {
        fail_msg("line %d: %d, \"%s\"", line, err, err ? why : "");
    }
    sq_replay_close(r);
}

#define check_enough(...) check_enough_at(__LINE__, __VA_ARGS__)

/* Where a kind is missing, and the larger part of the file is of types that are not sent. */
static void most_of_it_is_not_known(void **state)
{
    (void)state;
    begin_file();
    put(111, 10);
    put(100, 8);
    put(97, 2);
    put(101, 1);
    end_file();
    check_enough(true, true,
                 "most of it would be left out: 11 of 21 packets are of payload types that are not "
                 "sent, and there is no other video (--pt 100=H264 or the like says what they are, "
                 "--no-video leaves it out): 100 (8 packets), 97 (rtx, 2 packets), 101 (1 packet)");
    check_enough(true, false, NULL);
    begin_file();
    put(111, 10);
    put(100, 10);
    end_file();
    check_enough(true, true, NULL); /* not the larger part */
    begin_file();
    put(111, 1);
    put(96, 1);
    put(100, 10);
    end_file();
    check_enough(true, true, NULL); /* both are there */
    begin_file();
    put(96, 2);
    put(97, 10);
    end_file();
    check_enough(true, true, NULL); /* a video's own RTX */
    begin_file();
    put(96, 2);
    put(109, 10);
    end_file();
    check_enough(true, true,
                 "most of it would be left out: 10 of 12 packets are of payload types that are not "
                 "sent, and there is no other audio (--pt 109=opus or the like says what they are, "
                 "--no-audio leaves it out): 109 (rtx, 10 packets)"); /* of another type, or not */
}

static void types_in_a_sentence(void **state)
{
    (void)state;
    struct sq_replay *r;
    char text[SQ_REPLAY_TYPES_MAX];
    begin_file();
    put(111, 1);
    for (uint8_t pt = 83; pt < 90; pt++) {
        put(pt, pt - 80U);
    }
    put(110, 20);
    end_file();
    assert_int_equal(sq_replay_open(path, NULL, &r, why), 0);
    assert_int_equal(sq_replay_unsent_text(r, false, text), 89);
    assert_string_equal(text, "89 (9 packets), 88 (8 packets), 87 (7 packets), 86 (6 packets), 85 "
                              "(5 packets) and 2 more types");
    assert_int_equal(sq_replay_unsent_text(r, true, text), 110);
    assert_memory_equal(text, "110 (telephone-event, 20 packets), 89", 37);
    assert_int_equal(sq_replay_unsent(r, false), 42);
    assert_int_equal(sq_replay_unsent(r, true), 62);
    sq_replay_close(r);
    assert_int_equal(taken_for(83, NULL), SQ_CODEC_NONE);
    assert_non_null(strstr(why, "no RTP of a payload type that is known (3 other packets: 83 (3 "
                                "packets)); say what they are, such as --pt 83=VP8"));
    assert_int_equal(taken_for(83, "83=H264"), SQ_CODEC_H264);
    assert_int_equal(taken_for(97, "97=VP8"), SQ_CODEC_VP8);
}

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/squall-replay-types-%d", (int)getpid());
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
        cmocka_unit_test(each_type_of_an_offer_is_known),
        cmocka_unit_test(red_is_opened),
        cmocka_unit_test(most_of_it_is_not_known),
        cmocka_unit_test(types_in_a_sentence),
    };
    return cmocka_run_group_tests(tests, make_path, remove_file);
}
