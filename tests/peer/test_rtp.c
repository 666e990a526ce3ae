/* RTP packets: demultiplexing, parsing, header extensions, writing, and hostile bytes. */
#include "base/rand.h"
#include "base/time.h"
#include "peer/rtp/rtp.h"
#include "peer/rtp/schedule.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static void demultiplexing(void **state)
{
    uint8_t p[16] = {0};
    const struct {
        uint8_t b0, b1;
        enum sq_packet_kind kind;
    } cases[] = {
        {0, 1, SQ_PACKET_STUN},
        {3, 0, SQ_PACKET_STUN},
        {4, 0, SQ_PACKET_UNKNOWN},
        {16, 0, SQ_PACKET_UNKNOWN}, /* ZRTP */
        {19, 0, SQ_PACKET_UNKNOWN},
        {20, 254, SQ_PACKET_DTLS},
        {63, 254, SQ_PACKET_DTLS},
        {64, 0, SQ_PACKET_TURN_CHANNEL},
        {79, 0, SQ_PACKET_TURN_CHANNEL},
        {80, 0, SQ_PACKET_UNKNOWN},
        {127, 0, SQ_PACKET_UNKNOWN},
        {128, 96, SQ_PACKET_RTP},
        {0x90, 0x80 | 111, SQ_PACKET_RTP},
        {128, 191, SQ_PACKET_RTP},
        {128, 192, SQ_PACKET_RTCP},
        {128, 200, SQ_PACKET_RTCP},
        {0x81, 206, SQ_PACKET_RTCP},
        {191, 223, SQ_PACKET_RTCP},
        {191, 224, SQ_PACKET_RTP},
        {192, 96, SQ_PACKET_UNKNOWN},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        p[0] = cases[i].b0;
        p[1] = cases[i].b1;
        assert_int_equal(sq_packet_kind(p, sizeof(p)), cases[i].kind);
    }
    p[0] = 128;
    p[1] = 96;
    assert_int_equal(sq_packet_kind(p, 11), SQ_PACKET_UNKNOWN);
    p[1] = 200;
    assert_int_equal(sq_packet_kind(p, 7), SQ_PACKET_UNKNOWN);
    assert_int_equal(sq_packet_kind(p, 8), SQ_PACKET_RTCP);
    assert_int_equal(sq_packet_kind(p, 0), SQ_PACKET_UNKNOWN);
}

/* V=2 P X CC=2, M PT=96, one-byte extension of two words, five bytes of payload, three of padding.
 */
static const uint8_t sample[] = {0xb2, 0xe0, 0x12, 0x34, 0xde, 0xad, 0xbe, 0xef, 0xca, 0xfe,
                                 0xba, 0xbe, 0,    0,    0,    1,    0,    0,    0,    2,
                                 0xbe, 0xde, 0x00, 0x02, 0x10, '0',  0x00, 0x32, 1,    2,
                                 3,    0x00, 'h',  'e',  'l',  'l',  'o',  0,    0,    3};

static void parses_every_field(void **state)
{
    struct sq_rtp_packet p;
    assert_int_equal(sq_rtp_parse(sample, sizeof(sample), &p), 0);
    assert_true(p.marker);
    assert_int_equal(p.pt, 96);
    assert_int_equal(p.seq, 0x1234);
    assert_int_equal(p.ts, 0xdeadbeef);
    assert_int_equal(p.ssrc, 0xcafebabe);
    assert_int_equal(p.csrc_count, 2);
    assert_int_equal(sq_load_u32(p.csrc + 4), 2);
    assert_int_equal(p.ext_profile, 0xbede);
    assert_int_equal(p.ext_bytes, 8);
    assert_int_equal(p.header_bytes, 32);
    assert_int_equal(p.payload_bytes, 5);
    assert_memory_equal(p.payload, "hello", 5);
    assert_int_equal(p.padding_bytes, 3);
    assert_int_equal(sq_rtp_peek_ssrc(sample), 0xcafebabe);
    assert_int_equal(sq_rtp_peek_seq(sample), 0x1234);
    assert_int_equal(sq_rtp_peek_pt(sample), 96);
    struct sq_view v;
    assert_int_equal(sq_rtp_ext_find(&p, 1, &v), 0);
    assert_true(sq_view_is(v, "0"));
    assert_int_equal(sq_rtp_ext_find(&p, 3, &v), 0);
    assert_memory_equal(v.at, "\1\2\3", 3);
    assert_int_equal(sq_rtp_ext_find(&p, 2, &v), SQ_ERR_NOTFOUND);
    assert_int_equal(sq_rtp_ext_find(&p, 0, &v), SQ_ERR_NOTFOUND);
}

static void refuses_what_can_not_be(void **state)
{
    struct sq_rtp_packet p = {.seq = 77};
    uint8_t b[sizeof(sample)];
    /* Shorter than the headers say, at every length; from 32 on padding decides. */
    for (size_t len = 0; len < 32; len++) {
        assert_int_equal(sq_rtp_parse(sample, len, &p), SQ_ERR_TRUNCATED);
    }
    memcpy(b, sample, sizeof(b));
    b[0] = 0x72;
    assert_int_equal(sq_rtp_parse(b, sizeof(b), &p), SQ_ERR_FORMAT);
    memcpy(b, sample, sizeof(b));
    b[sizeof(b) - 1] = 0;
    assert_int_equal(sq_rtp_parse(b, sizeof(b), &p), SQ_ERR_FORMAT);
    b[sizeof(b) - 1] = 9;
    assert_int_equal(sq_rtp_parse(b, sizeof(b), &p), SQ_ERR_FORMAT);
    assert_int_equal(p.seq, 77);
    b[sizeof(b) - 1] = 8; /* nothing but padding: as probes are */
    assert_int_equal(sq_rtp_parse(b, sizeof(b), &p), 0);
    assert_int_equal(p.payload_bytes, 0);
    memcpy(b, sample, sizeof(b));
    b[23] = 0xff;
    assert_int_equal(sq_rtp_parse(b, sizeof(b), &p), SQ_ERR_TRUNCATED);
}

/* The two-byte form, as the figure of RFC 8285, section 4.3 lays it out: lengths 0, 1 and 4. */
static void two_byte_form(void **state)
{
    const uint8_t b[] = {0x90, 96, 0, 1, 0, 0, 0, 0, 0,  0, 0,   9,   0x10, 0x00,
                         0,    3,  1, 0, 2, 1, 7, 0, 20, 4, 'a', 'b', 'c',  'd'};
    struct sq_rtp_packet p;
    struct sq_view v;
    assert_int_equal(sq_rtp_parse(b, sizeof(b), &p), 0);
    assert_int_equal(sq_rtp_ext_find(&p, 1, &v), 0);
    assert_int_equal(v.len, 0);
    assert_int_equal(sq_rtp_ext_find(&p, 2, &v), 0);
    assert_int_equal(v.at[0], 7);
    assert_int_equal(sq_rtp_ext_find(&p, 20, &v), 0);
    assert_true(sq_view_is(v, "abcd"));
    uint8_t other[sizeof(b)];
    memcpy(other, b, sizeof(b));
    other[12] = 0x20; /* neither form */
    assert_int_equal(sq_rtp_parse(other, sizeof(other), &p), 0);
    assert_int_equal(sq_rtp_ext_find(&p, 20, &v), SQ_ERR_NOTFOUND);
    memcpy(other, b, sizeof(b));
    other[23] = 5; /* passes the end of the extension */
    assert_int_equal(sq_rtp_parse(other, sizeof(other), &p), 0);
    assert_int_equal(sq_rtp_ext_find(&p, 20, &v), SQ_ERR_NOTFOUND);
}

static void id_15_ends_the_one_byte_form(void **state)
{
    const uint8_t b[] = {0x90, 96, 0,    1,    0, 0, 0,    0, 0,    0,
                         0,    9,  0xbe, 0xde, 0, 1, 0xf0, 1, 0x10, 2};
    struct sq_rtp_packet p;
    struct sq_view v;
    assert_int_equal(sq_rtp_parse(b, sizeof(b), &p), 0);
    assert_int_equal(sq_rtp_ext_find(&p, 1, &v), SQ_ERR_NOTFOUND);
    assert_int_equal(sq_rtp_ext_find(&p, 15, &v), SQ_ERR_NOTFOUND);
}

static struct sq_rtp_ext_ids ids_of(uint8_t first)
{
    struct sq_rtp_ext_ids ids = {{0}};
    for (unsigned i = 0; i < SQ_RTP_EXT_KINDS; i++) {
        ids.id[i] = (uint8_t)(first + i);
    }
    return ids;
}

static void check_template(const struct sq_rtp_ext_ids *ids, const char *mid, uint16_t profile)
{
    struct sq_rtp_template t;
    struct sq_rtp_template_opts o = {.pt = 96,
                                     .ssrc = 0x11223344,
                                     .mid = sq_view_of(mid),
                                     .rid = sq_view_of("hi"),
                                     .abs_send_time = true,
                                     .transport_cc = true,
                                     .audio_level = true};
    assert_int_equal(sq_rtp_template_init(&t, &o, ids), 0);
    for (unsigned round = 0; round < 3; round++) {
        uint8_t out[SQ_RTP_TEMPLATE_BYTES];
        struct sq_rtp_stamp s = {.ts = 0xfffffff0u + round,
                                 .abs_send_time = 0xabcde0 + round,
                                 .seq = (uint16_t)(65534 + round),
                                 .transport_seq = (uint16_t)(65535 + round),
                                 .audio_level = (uint8_t)(0x80 | (20 + round)),
                                 .marker = round == 1};
        size_t len = sq_rtp_template_write(&t, out, &s);
        struct sq_rtp_packet p;
        struct sq_rtp_exts x;
        assert_int_equal(sq_rtp_parse(out, len, &p), 0);
        assert_int_equal(p.header_bytes, len);
        assert_int_equal(p.ext_profile, profile);
        assert_int_equal(p.seq, s.seq);
        assert_int_equal(p.ts, s.ts);
        assert_int_equal(p.ssrc, 0x11223344);
        assert_int_equal(p.marker, s.marker);
        assert_int_equal(p.pt, 96);
        sq_rtp_exts_read(&p, ids, &x);
        assert_int_equal(x.present, 1u << SQ_RTP_EXT_MID | 1u << SQ_RTP_EXT_RID |
                                        1u << SQ_RTP_EXT_ABS_SEND_TIME |
                                        1u << SQ_RTP_EXT_TRANSPORT_CC |
                                        1u << SQ_RTP_EXT_AUDIO_LEVEL);
        assert_true(sq_view_is(x.mid, mid));
        assert_true(sq_view_is(x.rid, "hi"));
        assert_int_equal(x.abs_send_time, s.abs_send_time);
        assert_int_equal(x.transport_seq, s.transport_seq);
        assert_int_equal(x.audio_level, 20 + round);
        assert_true(x.voice);
        sq_rtp_template_stamp_send(&t, out, 7, 8);
        sq_rtp_exts_read(&p, ids, &x);
        assert_int_equal(x.abs_send_time, 7);
        assert_int_equal(x.transport_seq, 8);
    }
}

static void templates_write_what_is_read(void **state)
{
    struct sq_rtp_ext_ids low = ids_of(1);
    struct sq_rtp_ext_ids high = ids_of(16);
    check_template(&low, "0", SQ_RTP_ONE_BYTE);
    check_template(&low, "a-mid-of-sixteen", SQ_RTP_ONE_BYTE);
    check_template(&low, "a-mid-of-17-chars", SQ_RTP_TWO_BYTE);
    check_template(&high, "video", SQ_RTP_TWO_BYTE);

    struct sq_rtp_template t = {.len = 99};
    struct sq_rtp_ext_ids none = {{0}};
    struct sq_rtp_template_opts o = {
        .pt = 111, .ssrc = 5, .mid = sq_view_of("x"), .abs_send_time = true};
    assert_int_equal(sq_rtp_template_init(&t, &o, &none), 0);
    assert_int_equal(t.len, 12);
    char big[121];
    memset(big, 'm', sizeof(big));
    o.mid = (struct sq_view){.at = big, .len = sizeof(big)};
    assert_int_equal(sq_rtp_template_init(&t, &o, &low), SQ_ERR_NOSPACE);
    assert_int_equal(t.len, 12);
    o.pt = 128;
    assert_int_equal(sq_rtp_template_init(&t, &o, &low), SQ_ERR_INVALID);
    low.id[SQ_RTP_EXT_MID] = 15;
    o = (struct sq_rtp_template_opts){.pt = 1, .mid = sq_view_of("x")};
    assert_int_equal(sq_rtp_template_init(&t, &o, &low), SQ_ERR_INVALID);
}

static void header_fits_exactly_or_fails(void **state)
{
    uint8_t b[32];
    const uint8_t data[4] = {1, 2, 3, 4};
    struct sq_rtp_ext_item items[] = {{.id = 3, .len = 4, .data = data}, {.id = 0, .len = 9}};
    struct sq_rtp_header h = {.pt = 5, .padding = true};
    for (size_t room = 0; room <= 24; room++) {
        struct sq_wire w = sq_wire_writer(b, room);
        sq_rtp_put_header(&w, &h, items, 2);
        assert_int_equal(w.err, room < 24 ? SQ_ERR_NOSPACE : 0);
    }
    const uint8_t want[] = {0xb0, 5,    0, 0, 0,    0, 0, 0, 0, 0, 0, 0,
                            0xbe, 0xde, 0, 2, 0x33, 1, 2, 3, 4, 0, 0, 0};
    assert_memory_equal(b, want, sizeof(want));
}

static void abs_send_time(void **state)
{
    assert_int_equal(sq_rtp_abs_send_time(0), 0);
    assert_int_equal(sq_rtp_abs_send_time(SQ_NS_PER_SEC), 1 << 18);
    assert_int_equal(sq_rtp_abs_send_time(SQ_NS_PER_SEC / 2), 1 << 17);
    assert_int_equal(sq_rtp_abs_send_time(64 * SQ_NS_PER_SEC), 0); /* 6 bits of seconds */
    assert_int_equal(sq_rtp_abs_send_time(64 * SQ_NS_PER_SEC - 1), 0xffffff);
    assert_int_equal(sq_rtp_abs_send_time_diff_ns(1 << 18, 0), SQ_NS_PER_SEC);
    assert_int_equal(sq_rtp_abs_send_time_diff_ns(0, 1 << 18), -(int64_t)SQ_NS_PER_SEC);
    assert_int_equal(sq_rtp_abs_send_time_diff_ns(1 << 17, 0x1000000 - (1 << 17)), SQ_NS_PER_SEC);
}

static void uris_and_kinds(void **state)
{
    for (unsigned i = 0; i < SQ_RTP_EXT_KINDS; i++) {
        enum sq_rtp_ext kind = SQ_RTP_EXT_KINDS;
        assert_int_equal(sq_rtp_ext_of_uri(sq_view_of(sq_rtp_ext_uri((enum sq_rtp_ext)i)), &kind),
                         0);
        assert_int_equal(kind, i);
    }
    enum sq_rtp_ext kind = SQ_RTP_EXT_KINDS;
    assert_int_equal(sq_rtp_ext_of_uri(sq_view_of("urn:x"), &kind), SQ_ERR_NOTFOUND);
    assert_int_equal(kind, SQ_RTP_EXT_KINDS);
}

static void elements_of_a_wrong_length_are_left_out(void **state)
{
    /* abs-send-time with 2 bytes, transport-cc with 3, mid all NUL. */
    const uint8_t b[] = {0x90, 96, 0,    1, 0, 0,    0, 0, 0, 0,    0, 9, 0xbe, 0xde,
                         0,    3,  0x41, 1, 2, 0x52, 1, 2, 3, 0x11, 0, 0, 0,    0};
    struct sq_rtp_ext_ids ids = ids_of(1);
    struct sq_rtp_packet p;
    struct sq_rtp_exts x;
    assert_int_equal(sq_rtp_parse(b, sizeof(b), &p), 0);
    sq_rtp_exts_read(&p, &ids, &x);
    assert_int_equal(x.present, 0);
}

/* Anything goes in; under ASan each packet lies in a block of its own size. */
static void hostile_bytes(void **state)
{
    struct sq_rand rand;
    sq_rand_seed(&rand, 11);
    unsigned parsed = 0;
    for (unsigned round = 0; round < 60000; round++) {
        size_t len = sq_rand_below(&rand, 64);
        uint8_t *b = malloc(len ? len : 1);
        assert_non_null(b);
        for (size_t i = 0; i < len; i++) {
            b[i] = i < sizeof(sample) && sq_rand_below(&rand, 5) ? sample[i]
                                                                 : (uint8_t)sq_rand_u32(&rand);
        }
        struct sq_rtp_packet p;
        struct sq_rtp_exts x;
        (void)sq_packet_kind(b, len);
        if (sq_rtp_parse(b, len, &p) == 0) {
            struct sq_rtp_ext_ids ids = ids_of((uint8_t)(1 + round % 3));
            assert_int_equal(p.header_bytes + p.payload_bytes + p.padding_bytes, len);
            sq_rtp_exts_read(&p, &ids, &x);
            if (sq_rtp_has(&x, SQ_RTP_EXT_MID)) {
                assert_true((const uint8_t *)x.mid.at + x.mid.len <= p.payload);
            }
            parsed++;
        }
        free(b);
    }
    assert_true(parsed > 1000);
}

/* An element that differs from packet to packet, behind those of a template. */
static void headers_are_extended(void **state)
{
    static const uint8_t data[255] = {0x80, 1,  2,  3,  4,  5,  6,  7,  8,
                                      9,    10, 11, 12, 13, 14, 15, 16, 17};
    struct sq_rtp_ext_ids ids = {0};
    (void)state;
    ids.id[SQ_RTP_EXT_MID] = 4;
    ids.id[SQ_RTP_EXT_ABS_SEND_TIME] = 2;
    for (unsigned round = 0; round < 2 * 40; round++) {
        const struct sq_rtp_template_opts opts = {.pt = 45,
                                                  .ssrc = 7,
                                                  .mid = sq_view_of(round < 40 ? "mid" : ""),
                                                  .abs_send_time = round < 40};
        const struct sq_rtp_stamp stamp = {.abs_send_time = 0x123456, .seq = 9, .marker = true};
        struct sq_rtp_template t;
        uint8_t buf[512] = {0};
        size_t n = round % 40;
        uint8_t id = n % 2 ? 12 : 40; /* of one and of two bytes */
        assert_int_equal(sq_rtp_template_init(&t, &opts, &ids), 0);
        size_t len = sq_rtp_template_write(&t, buf, &stamp);
        size_t more = sq_rtp_header_extend(buf, len, id, data, n);
        assert_true(more > len && more <= len + n + SQ_RTP_EXTEND_BYTES);
        struct sq_rtp_packet pkt;
        struct sq_rtp_exts exts;
        struct sq_view found;
        memset(buf + more, 0xaa, 4);
        assert_int_equal(sq_rtp_parse(buf, more + 4, &pkt), 0);
        assert_int_equal(pkt.header_bytes, more);
        assert_int_equal(pkt.seq, 9);
        assert_int_equal(sq_rtp_ext_find(&pkt, id, &found), 0);
        assert_int_equal(found.len, n);
        assert_memory_equal(found.at, data, n);
        sq_rtp_exts_read(&pkt, &ids, &exts);
        assert_int_equal(sq_rtp_has(&exts, SQ_RTP_EXT_MID), round < 40);
        assert_true(round >= 40 || (sq_view_is(exts.mid, "mid") && exts.abs_send_time == 0x123456));
        assert_int_equal(sq_rtp_header_extend(buf, more, 15, data, n), more); /* no id */
        assert_int_equal(sq_rtp_header_extend(buf, more, 0, data, n), more);
    }
}

static void report_intervals(void **state)
{
    struct sq_rand rand;
    sq_rand_seed(&rand, 3);
    assert_int_equal(sq_rtcp_interval_ns(SQ_RTP_AUDIO, true, 0, &rand), 2500 * SQ_NS_PER_MS);
    assert_int_equal(sq_rtcp_interval_ns(SQ_RTP_VIDEO, true, 0, &rand), 500 * SQ_NS_PER_MS);
    const struct {
        enum sq_rtp_kind kind;
        uint64_t bps, mean_ms;
    } cases[] = {{SQ_RTP_AUDIO, 0, 5000},      {SQ_RTP_AUDIO, 64000, 5000},
                 {SQ_RTP_VIDEO, 0, 1000},      {SQ_RTP_VIDEO, 100000, 1000},
                 {SQ_RTP_VIDEO, 1000000, 360}, {SQ_RTP_VIDEO, 1000000000, 50}};
    for (size_t c = 0; c < sizeof(cases) / sizeof(*cases); c++) {
        uint64_t mean = cases[c].mean_ms * SQ_NS_PER_MS;
        uint64_t sum = 0, least = SQ_NEVER, most = 0;
        for (unsigned i = 0; i < 4000; i++) {
            uint64_t ns = sq_rtcp_interval_ns(cases[c].kind, false, cases[c].bps, &rand);
            sum += ns;
            least = sq_min_u64(least, ns);
            most = sq_max_u64(most, ns);
        }
        assert_true(least >= mean / 2 && least < mean * 51 / 100);
        assert_true(most <= mean * 3 / 2 && most > mean * 149 / 100);
        assert_true(sum / 4000 > mean * 97 / 100 && sum / 4000 < mean * 103 / 100);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(demultiplexing),
        cmocka_unit_test(parses_every_field),
        cmocka_unit_test(refuses_what_can_not_be),
        cmocka_unit_test(two_byte_form),
        cmocka_unit_test(id_15_ends_the_one_byte_form),
        cmocka_unit_test(templates_write_what_is_read),
        cmocka_unit_test(header_fits_exactly_or_fails),
        cmocka_unit_test(abs_send_time),
        cmocka_unit_test(uris_and_kinds),
        cmocka_unit_test(elements_of_a_wrong_length_are_left_out),
        cmocka_unit_test(hostile_bytes),
        cmocka_unit_test(headers_are_extended),
        cmocka_unit_test(report_intervals),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
