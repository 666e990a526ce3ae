/* RTCP: compound walk, every packet type against bytes laid out by hand from the RFCs, and back. */
#include "base/rand.h"
#include "peer/rtcp/rtcp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

static struct sq_rtcp_packet only_packet(const void *bytes, size_t len)
{
    struct sq_rtcp_packet p = {0};
    struct sq_rtcp_packet more;
    struct sq_rtcp_iter it = sq_rtcp_iter(bytes, len);
    assert_true(sq_rtcp_next(&it, &p));
    assert_false(sq_rtcp_next(&it, &more));
    assert_int_equal(it.err, 0);
    return p;
}

static void sender_report(void **state)
{
    const uint8_t bytes[] = {
        0x81, 200,  0,    12,                                       /* RC 1, 13 words */
        0,    0,    0,    1,                                        /* SSRC */
        0xb4, 0x4d, 0xb7, 0x05, 0x20, 0x00, 0x00, 0x00,             /* NTP: .125 s */
        0,    0,    0x10, 0,    0,    0,    0,    9,    0, 0, 1, 0, /* RTP, packets, octets */
        0,    0,    0,    2,    64,   0xff, 0xff, 0xfe,             /* block: 25 %, -2 lost */
        0,    1,    0,    5,    0,    0,    0,    77,               /* highest, jitter */
        0xb7, 0x05, 0x20, 0x00, 0,    5,    0x40, 0};               /* LSR, DLSR */
    struct sq_rtcp_packet p = only_packet(bytes, sizeof(bytes));
    struct sq_rtcp_report r;
    assert_int_equal(p.kind, SQ_RTCP_KIND_SR);
    assert_int_equal(sq_rtcp_parse_report(&p, &r), 0);
    assert_true(r.is_sr);
    assert_int_equal(r.ssrc, 1);
    assert_true(r.ntp == 0xb44db70520000000ULL);
    assert_int_equal(r.rtp_ts, 0x1000);
    assert_int_equal(r.packets, 9);
    assert_int_equal(r.octets, 256);
    assert_int_equal(r.block_count, 1);
    struct sq_rtcp_block b = sq_rtcp_block_at(&r, 0);
    assert_int_equal(b.ssrc, 2);
    assert_int_equal(b.fraction_lost, 64);
    assert_int_equal(b.cumulative_lost, -2);
    assert_int_equal(b.highest_seq, 0x10005);
    assert_int_equal(b.jitter, 77);
    assert_int_equal(b.lsr, 0xb7052000);
    assert_int_equal(b.dlsr, 0x54000);

    uint8_t out[sizeof(bytes)];
    struct sq_wire w = sq_wire_writer(out, sizeof(out));
    sq_rtcp_put_sr(&w, &r, &b, 1);
    assert_int_equal(w.err, 0);
    assert_int_equal(w.pos, sizeof(bytes));
    assert_memory_equal(out, bytes, sizeof(bytes));

    struct sq_rtcp_nack nack;
    assert_int_equal(sq_rtcp_parse_nack(&p, &nack), SQ_ERR_INVALID);
    uint8_t lies[sizeof(bytes)];
    memcpy(lies, bytes, sizeof(bytes));
    lies[0] = 0x82; /* two blocks, room for one */
    p = only_packet(lies, sizeof(lies));
    assert_int_equal(sq_rtcp_parse_report(&p, &r), SQ_ERR_TRUNCATED);
}

static void receiver_report_holds_24_bits(void **state)
{
    struct sq_rtcp_block blocks[SQ_RTCP_BLOCKS_MAX + 1] = {{.cumulative_lost = 0x7fffff},
                                                           {.cumulative_lost = -0x800000},
                                                           {.cumulative_lost = 20000000},
                                                           {.cumulative_lost = -20000000}};
    const int32_t want[] = {0x7fffff, -0x800000, 0x7fffff, -0x800000};
    uint8_t out[1000];
    struct sq_wire w = sq_wire_writer(out, sizeof(out));
    sq_rtcp_put_rr(&w, 7, blocks, SQ_RTCP_BLOCKS_MAX);
    assert_int_equal(w.err, 0);
    struct sq_rtcp_packet p = only_packet(out, w.pos);
    struct sq_rtcp_report r;
    assert_int_equal(sq_rtcp_parse_report(&p, &r), 0);
    assert_false(r.is_sr);
    assert_int_equal(r.ssrc, 7);
    assert_int_equal(r.block_count, 31);
    for (size_t i = 0; i < 4; i++) {
        assert_int_equal(sq_rtcp_block_at(&r, i).cumulative_lost, want[i]);
    }
    sq_rtcp_put_rr(&w, 7, blocks, SQ_RTCP_BLOCKS_MAX + 1);
    assert_int_equal(w.err, SQ_ERR_INVALID);
}

static void source_description(void **state)
{
    /* Two chunks: one with NAME before CNAME, one of PRIV only; padding to 32 bits in each. */
    const uint8_t bytes[] = {0x82, 202, 0, 7, 0, 0, 0, 1, 2, 1, 'n', 1,   3, 'a', '@', 'b',
                             0,    0,   0, 0, 0, 0, 0, 2, 8, 2, 1,   'x', 0, 0,   0,   0};
    struct sq_rtcp_packet p = only_packet(bytes, sizeof(bytes));
    struct sq_rtcp_sdes_chunk chunks[SQ_RTCP_BLOCKS_MAX];
    size_t n = 0;
    assert_int_equal(p.kind, SQ_RTCP_KIND_SDES);
    assert_int_equal(sq_rtcp_parse_sdes(&p, chunks, &n), 0);
    assert_int_equal(n, 2);
    assert_int_equal(chunks[0].ssrc, 1);
    assert_true(sq_view_is(chunks[0].cname, "a@b"));
    assert_int_equal(chunks[1].ssrc, 2);
    assert_int_equal(chunks[1].cname.len, 0);

    char name[256];
    memset(name, 'c', sizeof(name));
    for (size_t len = 1; len <= 255; len++) {
        uint8_t out[300];
        struct sq_wire w = sq_wire_writer(out, sizeof(out));
        sq_rtcp_put_sdes_cname(&w, 0x01020304, (struct sq_view){.at = name, .len = len});
        assert_int_equal(w.err, 0);
        p = only_packet(out, w.pos);
        assert_int_equal(sq_rtcp_parse_sdes(&p, chunks, &n), 0);
        assert_int_equal(n, 1);
        assert_int_equal(chunks[0].ssrc, 0x01020304);
        assert_int_equal(chunks[0].cname.len, len);
    }
    struct sq_wire w = sq_wire_writer(name, sizeof(name));
    sq_rtcp_put_sdes_cname(&w, 1, (struct sq_view){0});
    assert_int_equal(w.err, SQ_ERR_INVALID);
    /* An item that passes the end, and a chunk that never ends. */
    const uint8_t bad[] = {0x81, 202, 0, 2, 0, 0, 0, 1, 1, 3, 'a', 'b'};
    p = only_packet(bad, sizeof(bad));
    n = 42;
    assert_int_equal(sq_rtcp_parse_sdes(&p, chunks, &n), SQ_ERR_TRUNCATED);
    assert_int_equal(n, 42);
}

static void bye(void **state)
{
    const uint8_t bytes[] = {0x82, 203, 0, 4,   0,   0,   0,   1, 0, 0,
                             0,    2,   4, 'g', 'o', 'n', 'e', 0, 0, 0};
    const uint32_t ssrcs[] = {1, 2};
    uint8_t out[64];
    struct sq_wire w = sq_wire_writer(out, sizeof(out));
    sq_rtcp_put_bye(&w, ssrcs, 2, sq_view_of("gone"));
    assert_int_equal(w.err, 0);
    assert_int_equal(w.pos, sizeof(bytes));
    assert_memory_equal(out, bytes, sizeof(bytes));
    struct sq_rtcp_packet p = only_packet(bytes, sizeof(bytes));
    struct sq_rtcp_bye b;
    assert_int_equal(sq_rtcp_parse_bye(&p, &b), 0);
    assert_int_equal(b.count, 2);
    assert_int_equal(sq_load_u32(b.ssrcs + 4), 2);
    assert_true(sq_view_is(b.reason, "gone"));
    w = sq_wire_writer(out, sizeof(out));
    sq_rtcp_put_bye(&w, ssrcs, 1, (struct sq_view){0});
    p = only_packet(out, w.pos);
    assert_int_equal(sq_rtcp_parse_bye(&p, &b), 0);
    assert_int_equal(b.reason.len, 0);
    const uint8_t bad[] = {0x80, 203, 0, 1, 4, 'a', 'b', 'c'};
    p = only_packet(bad, sizeof(bad));
    assert_int_equal(sq_rtcp_parse_bye(&p, &b), SQ_ERR_TRUNCATED);
}

static void nack(void **state)
{
    /* PID 65530 with bits 0 and 15: 65530, 65531 and 65530 + 16 = 10; then PID 27 alone. */
    const uint8_t bytes[] = {0x81, 205, 0,    4,    0,    0,    0, 1,  0, 0,
                             0,    2,   0xff, 0xfa, 0x80, 0x01, 0, 27, 0, 0};
    const uint16_t seqs[] = {65530, 65531, 10, 27};
    uint8_t out[64];
    struct sq_wire w = sq_wire_writer(out, sizeof(out));
    sq_rtcp_put_nack(&w, 1, 2, seqs, 4);
    assert_int_equal(w.err, 0);
    assert_int_equal(w.pos, sizeof(bytes));
    assert_memory_equal(out, bytes, sizeof(bytes));
    struct sq_rtcp_packet p = only_packet(bytes, sizeof(bytes));
    struct sq_rtcp_nack n;
    uint16_t got[34];
    assert_int_equal(sq_rtcp_parse_nack(&p, &n), 0);
    assert_int_equal(n.sender_ssrc, 1);
    assert_int_equal(n.media_ssrc, 2);
    assert_int_equal(sq_rtcp_nack_seqs(&n, got, 34), 4);
    assert_memory_equal(got, seqs, sizeof(seqs));
    assert_int_equal(sq_rtcp_nack_seqs(&n, got, 2), 2);
    sq_rtcp_put_nack(&w, 1, 2, seqs, 0);
    assert_int_equal(w.err, SQ_ERR_INVALID);
}

static void pli_and_fir(void **state)
{
    const uint8_t bytes[] = {0x81, 206, 0, 2, 0,   0, 0, 1, 0, 0, 0, 2, /* PLI */
                             0x84, 206, 0, 4, 0,   0, 0, 1, 0, 0, 0, 0, /* FIR */
                             0,    0,   0, 9, 200, 0, 0, 0};
    const struct sq_rtcp_fir_entry entry = {.ssrc = 9, .seq = 200};
    uint8_t out[64];
    struct sq_wire w = sq_wire_writer(out, sizeof(out));
    sq_rtcp_put_pli(&w, 1, 2);
    sq_rtcp_put_fir(&w, 1, &entry, 1);
    assert_int_equal(w.err, 0);
    assert_int_equal(w.pos, sizeof(bytes));
    assert_memory_equal(out, bytes, sizeof(bytes));
    struct sq_rtcp_iter it = sq_rtcp_iter(bytes, sizeof(bytes));
    struct sq_rtcp_packet p;
    struct sq_rtcp_pli pli;
    struct sq_rtcp_fir fir;
    assert_true(sq_rtcp_next(&it, &p));
    assert_int_equal(sq_rtcp_parse_pli(&p, &pli), 0);
    assert_int_equal(pli.sender_ssrc, 1);
    assert_int_equal(pli.media_ssrc, 2);
    assert_true(sq_rtcp_next(&it, &p));
    assert_int_equal(sq_rtcp_parse_fir(&p, &fir), 0);
    assert_int_equal(fir.entry_count, 1);
    assert_int_equal(sq_rtcp_fir_at(&fir, 0).ssrc, 9);
    assert_int_equal(sq_rtcp_fir_at(&fir, 0).seq, 200);
    assert_false(sq_rtcp_next(&it, &p));
}

static void remb(void **state)
{
    /* Mantissa 0x3fb93 with exponent 2: 1,044,044 bit/s. */
    const uint8_t bytes[] = {0x8f, 206, 0,   5,   0, 0,    0,    1,    0, 0, 0, 0,
                             'R',  'E', 'M', 'B', 1, 0x0b, 0xfb, 0x93, 0, 0, 0, 7};
    const uint32_t ssrc = 7;
    uint8_t out[64];
    struct sq_wire w = sq_wire_writer(out, sizeof(out));
    sq_rtcp_put_remb(&w, 1, 1044044, &ssrc, 1);
    assert_int_equal(w.err, 0);
    assert_int_equal(w.pos, sizeof(bytes));
    assert_memory_equal(out, bytes, sizeof(bytes));
    struct sq_rtcp_packet p = only_packet(bytes, sizeof(bytes));
    struct sq_rtcp_remb r;
    assert_int_equal(p.kind, SQ_RTCP_KIND_REMB);
    assert_int_equal(sq_rtcp_parse_remb(&p, &r), 0);
    assert_true(r.bitrate_bps == 1044044);
    assert_int_equal(r.ssrc_count, 1);
    assert_int_equal(sq_load_u32(r.ssrcs), 7);
    uint8_t other[sizeof(bytes)];
    memcpy(other, bytes, sizeof(bytes));
    other[17] = 0xff; /* exponent 63: past 64 bits */
    p = only_packet(other, sizeof(other));
    assert_int_equal(sq_rtcp_parse_remb(&p, &r), 0);
    assert_true(r.bitrate_bps == UINT64_MAX);
    other[16] = 2; /* an SSRC that is not there */
    p = only_packet(other, sizeof(other));
    assert_int_equal(sq_rtcp_parse_remb(&p, &r), SQ_ERR_TRUNCATED);
    other[12] = 'X'; /* another application's feedback */
    p = only_packet(other, sizeof(other));
    assert_int_equal(p.kind, SQ_RTCP_KIND_OTHER);
    for (uint64_t bps = 1; bps < UINT64_MAX / 3; bps = bps * 3 + 1) {
        w = sq_wire_writer(out, sizeof(out));
        sq_rtcp_put_remb(&w, 1, bps, NULL, 0);
        p = only_packet(out, w.pos);
        assert_int_equal(sq_rtcp_parse_remb(&p, &r), 0);
        assert_true(r.bitrate_bps <= bps && bps - r.bitrate_bps <= bps >> 17);
    }
}

static void compounds(void **state)
{
    /* RR, an XR and an APP to skip, a PLI, and padding on the last. */
    const uint8_t bytes[] = {0x80, 201, 0, 1, 0,    0,   0, 1, 0x80, 207, 0, 2, 0,   0,   0,   1,
                             4,    0,   0, 0, 0x80, 204, 0, 2, 0,    0,   0, 1, 'a', 'b', 'c', 'd',
                             0xa1, 206, 0, 3, 0,    0,   0, 1, 0,    0,   0, 2, 0,   0,   0,   4};
    const enum sq_rtcp_kind want[] = {SQ_RTCP_KIND_RR, SQ_RTCP_KIND_OTHER, SQ_RTCP_KIND_OTHER,
                                      SQ_RTCP_KIND_PLI};
    struct sq_rtcp_iter it = sq_rtcp_iter(bytes, sizeof(bytes));
    struct sq_rtcp_packet p;
    for (size_t i = 0; i < 4; i++) {
        assert_true(sq_rtcp_next(&it, &p));
        assert_int_equal(p.kind, want[i]);
    }
    assert_int_equal(p.body_bytes, 8);
    assert_false(sq_rtcp_next(&it, &p));
    assert_int_equal(it.err, 0);

    /* What came before a broken packet stays good. */
    it = sq_rtcp_iter(bytes, sizeof(bytes) - 1);
    for (size_t i = 0; i < 3; i++) {
        assert_true(sq_rtcp_next(&it, &p));
    }
    assert_false(sq_rtcp_next(&it, &p));
    assert_int_equal(it.err, SQ_ERR_TRUNCATED);
    assert_false(sq_rtcp_next(&it, &p));

    uint8_t bad[8] = {0x40, 201, 0, 1};
    it = sq_rtcp_iter(bad, sizeof(bad));
    assert_false(sq_rtcp_next(&it, &p));
    assert_int_equal(it.err, SQ_ERR_FORMAT);
    const uint8_t paddings[] = {0, 5, 255};
    for (size_t i = 0; i < 3; i++) {
        bad[0] = 0xa0;
        bad[7] = paddings[i];
        it = sq_rtcp_iter(bad, sizeof(bad));
        assert_false(sq_rtcp_next(&it, &p));
        assert_int_equal(it.err, SQ_ERR_FORMAT);
    }
    it = sq_rtcp_iter(bad, 3);
    assert_false(sq_rtcp_next(&it, &p));
    assert_int_equal(it.err, SQ_ERR_TRUNCATED);
    it = sq_rtcp_iter(NULL, 0);
    assert_false(sq_rtcp_next(&it, &p));
    assert_int_equal(it.err, 0);
}

/* Everything that a receiver does with a packet. */
static void read_all(const void *bytes, size_t len, unsigned *typed)
{
    struct sq_rtcp_iter it = sq_rtcp_iter(bytes, len);
    struct sq_rtcp_packet p;
    struct sq_rtcp_report report;
    struct sq_rtcp_sdes_chunk chunks[SQ_RTCP_BLOCKS_MAX];
    struct sq_rtcp_bye b;
    struct sq_rtcp_nack n;
    struct sq_rtcp_fir f;
    struct sq_rtcp_remb r;
    struct sq_rtcp_twcc t;
    struct sq_rtcp_pli pli;
    size_t count;
    uint32_t sum = 0;
    while (sq_rtcp_next(&it, &p)) {
        if (sq_rtcp_parse_report(&p, &report) == 0) {
            for (size_t i = 0; i < report.block_count; i++) {
                sum += sq_rtcp_block_at(&report, i).jitter;
            }
            ++*typed;
        }
        if (sq_rtcp_parse_sdes(&p, chunks, &count) == 0) {
            for (size_t i = 0; i < count; i++) {
                sum +=
                    chunks[i].cname.len ? (uint8_t)chunks[i].cname.at[chunks[i].cname.len - 1] : 0;
            }
            ++*typed;
        }
        if (sq_rtcp_parse_bye(&p, &b) == 0) {
            sum += b.count ? sq_load_u32(b.ssrcs + 4 * (b.count - 1)) : 0;
            ++*typed;
        }
        if (sq_rtcp_parse_nack(&p, &n) == 0) {
            uint16_t seqs[64];
            sum += (uint32_t)sq_rtcp_nack_seqs(&n, seqs, 64);
            ++*typed;
        }
        if (sq_rtcp_parse_fir(&p, &f) == 0) {
            sum += sq_rtcp_fir_at(&f, f.entry_count - 1).ssrc;
            ++*typed;
        }
        if (sq_rtcp_parse_remb(&p, &r) == 0) {
            sum += r.ssrc_count ? sq_load_u32(r.ssrcs + 4 * (r.ssrc_count - 1)) : 0;
            ++*typed;
        }
        if (sq_rtcp_parse_pli(&p, &pli) == 0) {
            ++*typed;
        }
        if (sq_rtcp_parse_twcc(&p, &t) == 0) {
            struct sq_rtcp_twcc_iter ti = sq_rtcp_twcc_iter(&t);
            struct sq_rtcp_twcc_status st;
            while (sq_rtcp_twcc_next(&ti, &st)) {
                sum += st.seq;
            }
            assert_int_equal(ti.done, t.status_count);
            assert_int_equal(ti.delta_pos, t.delta_bytes);
            assert_int_equal(ti.chunk_pos, t.chunk_bytes);
            ++*typed;
        }
    }
    (void)sum;
}

static size_t one_of_each(uint8_t *out, size_t room)
{
    struct sq_rtcp_report sr = {.ssrc = 1, .ntp = 2};
    struct sq_rtcp_block blocks[2] = {{.ssrc = 3}, {.ssrc = 4}};
    const uint16_t seqs[] = {1, 2, 5, 100};
    const uint32_t ssrcs[] = {1, 2};
    const struct sq_rtcp_fir_entry fir[] = {{1, 2}, {3, 4}};
    const struct sq_rtcp_twcc fb = {.base_seq = 65530, .reference_time = -3};
    const struct sq_rtcp_twcc_mark marks[] = {{true, 5},  {false, 0}, {true, 300}, {true, -9},
                                              {true, 10}, {true, 10}, {false, 0},  {true, 255}};
    struct sq_wire w = sq_wire_writer(out, room);
    sq_rtcp_put_sr(&w, &sr, blocks, 2);
    sq_rtcp_put_rr(&w, 5, blocks, 1);
    sq_rtcp_put_sdes_cname(&w, 1, sq_view_of("name"));
    sq_rtcp_put_nack(&w, 1, 2, seqs, 4);
    sq_rtcp_put_pli(&w, 1, 2);
    sq_rtcp_put_fir(&w, 1, fir, 2);
    sq_rtcp_put_remb(&w, 1, 500000, ssrcs, 2);
    sq_rtcp_put_twcc(&w, &fb, marks, 8);
    sq_rtcp_put_bye(&w, ssrcs, 2, sq_view_of("bye"));
    return w.err ? 0 : w.pos;
}

static void hostile_bytes(void **state)
{
    uint8_t good[512];
    size_t len = one_of_each(good, sizeof(good));
    unsigned typed = 0;
    assert_true(len > 0);
    read_all(good, len, &typed);
    assert_int_equal(typed, 9);
    for (size_t room = 0; room < len; room++) { /* builders stay inside their room */
        uint8_t *small = malloc(room ? room : 1);
        assert_non_null(small);
        assert_int_equal(one_of_each(small, room), 0);
        free(small);
    }
    struct sq_rand rand;
    sq_rand_seed(&rand, 5);
    typed = 0;
    for (unsigned round = 0; round < 60000; round++) {
        size_t cut = round % 4 == 0 ? 1 + sq_rand_below(&rand, (uint32_t)len) : len;
        uint8_t *b = malloc(cut ? cut : 1);
        assert_non_null(b);
        memcpy(b, good, cut);
        for (unsigned flips = 1 + sq_rand_below(&rand, 6); flips > 0; flips--) {
            b[sq_rand_below(&rand, (uint32_t)cut)] = (uint8_t)sq_rand_u32(&rand);
        }
        read_all(b, cut, &typed);
        free(b);
    }
    assert_true(typed > 60000);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(sender_report),
        cmocka_unit_test(receiver_report_holds_24_bits),
        cmocka_unit_test(source_description),
        cmocka_unit_test(bye),
        cmocka_unit_test(nack),
        cmocka_unit_test(pli_and_fir),
        cmocka_unit_test(remb),
        cmocka_unit_test(compounds),
        cmocka_unit_test(hostile_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
