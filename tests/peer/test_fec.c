/* ULPFEC and FlexFEC on receipt: against parity that GStreamer's rtpulpfecenc made, a FlexFEC
 * packet computed by hand, and what a hostile or an unlucky sender sends. */
#include "base/mem.h"
#include "base/rand.h"
#include "peer/fec_make.h"
#include "peer/rtp/fec.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#define SSRC 0x12345678U

struct bytes {
    size_t len;
    uint8_t at[SQ_FEC_PACKET_MAX];
};

static struct bytes hex(const char *text)
{
    struct bytes b = {.len = strlen(text) / 2};
    for (size_t i = 0; i < b.len; i++) {
        char two[3] = {text[2 * i], text[2 * i + 1], '\0'};
        b.at[i] = (uint8_t)strtoul(two, NULL, 16);
    }
    return b;
}

static void give(struct sq_fec *f, const struct bytes *packet)
{
    assert_non_null(sq_fec_media(f, packet->at, 12, packet->at + 12, packet->len - 12));
}

static void give_ulpfec(struct sq_fec *f, const uint8_t *payload, size_t len)
{
    struct sq_fec_parity parity;
    assert_int_equal(sq_fec_read_ulpfec(payload, len, &parity), 0);
    sq_fec_parity(f, &parity);
}

static void assert_made(struct sq_fec *f, const struct bytes *expected)
{
    const uint8_t *made;
    size_t len;
    assert_true(sq_fec_recover(f, SSRC, &made, &len));
    assert_int_equal(len, expected->len);
    assert_memory_equal(made, expected->at, len);
}

static void assert_nothing(struct sq_fec *f)
{
    const uint8_t *made;
    size_t len;
    assert_false(sq_fec_recover(f, SSRC, &made, &len));
}

/* GStreamer 1.22: rtpulpfecenc pt=120 multipacket=true, of packets that begin at 65534. */
static const char *const gst_three[] = {
    "8060fffe112233441234567801203f5e7d",
    "9060ffff1122334412345678bede0001103a00001231506f8eadcceb0a", /* has an extension */
    "80e000001122334412345678234261",                             /* the marker */
};
static const char gst_three_fec[] =
    "80780001112233441234567810e0fffe1122334400170011e0009cbc5e5f6d3a00001231506f8eadcceb0a";
static const char *const gst_twenty[] = {
    "8060fffe112233441234567801203f5e7d",
    "9060ffff1122334412345678bede0001103a00001231506f8eadcceb0a",
    "806000001122334412345678234261",
    "80600001112233441234567834537291b0cfee0d2c4b6a89",
    "806000021122334412345678456483a2c1e0ff",
    "806000031122334412345678567594b3d2",
    "8060000411223344123456786786a5c4e30221405f",
    "8060000511223344123456787897b6",
    "80600006112233441234567889a8c7e60524436281a0bfde",
    "8060000711223344123456789ab9d8f7163554",
    "806000081122334412345678abcae90827",
    "806000091122334412345678bcdbfa1938577695b4",
    "8060000a1122334412345678cdec0b",
    "8060000b1122334412345678defd1c3b5a7998b7d6f51433",
    "8060000c1122334412345678ef0e2d4c6b8aa9",
    "8060000d1122334412345678001f3e5d7c",
    "8060000e112233441234567811304f6e8daccbea09",
    "8060000f1122334412345678224160",
    "80600010112233441234567833527190afceed0c2b4a6988",
    "80e000111122334412345678446382a1c0dffe",
};
static const char *const gst_twenty_fec[] = {
    "8078001211223344123456781000fffe0000000000180011ffc0b7fe370a3e06272fe0da85388eadcceb0a",
    "80780013112233441234567800800008000000000000000cffc0af51cb64b0199fc440bf7dbb",
};

/* Each packet of the group in turn is the one that is lost; the parity comes last, or in between.
 */
static void gstreamers_parity(void **state)
{
    struct bytes fec = hex(gst_three_fec);
    for (size_t lost = 0; lost < 3; lost++) {
        for (size_t when = 0; when <= 3; when++) {
            struct sq_fec *f = sq_fec_new();
            for (size_t i = 0; i <= 3; i++) {
                if (i == when) {
                    give_ulpfec(f, fec.at + 12, fec.len - 12);
                }
                struct bytes b = hex(gst_three[i < 3 ? i : 0]);
                if (i < 3 && i != lost) {
                    give(f, &b);
                }
            }
            struct bytes b = hex(gst_three[lost]);
            assert_made(f, &b);
            assert_nothing(f);
            assert_int_equal(sq_fec_discarded(f), 0);
            sq_fec_free(f);
        }
    }
}

static void a_loss_in_each_of_two_groups(void **state)
{
    for (size_t a = 0; a < 10; a++) {
        for (size_t b = 10; b < 20; b++) {
            struct sq_fec *f = sq_fec_new();
            for (size_t i = 0; i < 20; i++) {
                struct bytes one = hex(gst_twenty[i]);
                if (i != a && i != b) {
                    give(f, &one);
                }
            }
            for (size_t i = 0; i < 2; i++) {
                struct bytes fec = hex(gst_twenty_fec[i]);
                give_ulpfec(f, fec.at + 12, fec.len - 12);
            }
            struct bytes first = hex(gst_twenty[a]);
            struct bytes second = hex(gst_twenty[b]);
            assert_made(f, &first);
            assert_made(f, &second);
            assert_nothing(f);
            sq_fec_free(f);
        }
    }
}

static void two_of_a_group_are_too_many(void **state)
{
    struct sq_fec *f = sq_fec_new();
    struct bytes fec = hex(gst_three_fec);
    struct bytes b[3] = {hex(gst_three[0]), hex(gst_three[1]), hex(gst_three[2])};
    give(f, &b[0]);
    give_ulpfec(f, fec.at + 12, fec.len - 12);
    assert_nothing(f);
    give(f, &b[2]); /* late */
    assert_made(f, &b[1]);
    /* all there: of no use */
    give_ulpfec(f, fec.at + 12, fec.len - 12);
    assert_nothing(f);
    assert_int_equal(sq_fec_discarded(f), 1);
    sq_fec_free(f);
}

/* Made by hand: packets 7 and 9 of payload types 96, lengths 15 and 14; 9 has the marker.
 *   P X CC 00, M PT: 60 ^ e0 = 80, length 3 ^ 2 = 0001, time 0000000a ^ 0000000c = 00000006,
 *   body 010203 ^ f0f1 = f1f303; mask: bits 0 and 2 behind k = 1: 1 1010000 00000000 = d000 */
static void flexfec_by_hand(void **state)
{
    struct bytes a = hex("806000070000000a12345678010203");
    struct bytes b = hex("80e000090000000c12345678f0f1");
    struct bytes fec = hex("008000010000000601000000123456780007d000f1f303");
    for (int lost = 0; lost < 2; lost++) {
        struct sq_fec *f = sq_fec_new();
        struct sq_fec_parity parity;
        assert_int_equal(sq_fec_read_flexfec(fec.at, fec.len, &parity), 0);
        assert_int_equal(parity.ssrc, SSRC);
        assert_int_equal(parity.base, 7);
        assert_int_equal(parity.mask[0], 5);
        sq_fec_parity(f, &parity);
        give(f, lost ? &a : &b);
        assert_made(f, lost ? &b : &a);
        sq_fec_free(f);
    }
    /* the sender of the tests says the same */
    uint8_t made[64];
    const struct fec_in in[] = {{a.at, a.len}, {b.at, b.len}};
    assert_int_equal(fec_make_flexfec(in, 2, made), fec.len);
    assert_memory_equal(made, fec.at, fec.len);
    struct bytes three[] = {hex(gst_three[0]), hex(gst_three[1]), hex(gst_three[2])};
    const struct fec_in gst[] = {
        {three[0].at, three[0].len}, {three[1].at, three[1].len}, {three[2].at, three[2].len}};
    struct bytes theirs = hex(gst_three_fec);
    assert_int_equal(fec_make_ulpfec(gst, 3, made), theirs.len - 12);
    assert_memory_equal(made, theirs.at + 12, theirs.len - 12);
}

static struct bytes random_packet(struct sq_rand *r, uint16_t seq)
{
    struct bytes b = {.len = 12 + sq_rand_below(r, 1200)};
    for (size_t i = 0; i < b.len; i++) {
        b.at[i] = (uint8_t)sq_rand_u32(r);
    }
    b.at[0] = (uint8_t)(0x80 | (b.at[0] & 0x3f));
    sq_store_u16(b.at + 2, seq);
    sq_store_u32(b.at + 8, SSRC);
    return b;
}

/* Every length of mask, of both kinds, with one loss anywhere, over the wrap of numbers. */
static void masks_of_all_lengths(void **state)
{
    struct sq_rand r;
    sq_rand_seed(&r, 1);
    static struct bytes all[SQ_FEC_MASK_BITS];
    for (size_t span = 2; span <= SQ_FEC_MASK_BITS; span += span < 50 ? 1 : 7) {
        for (int flex = span > 48; flex < 2; flex++) {
            struct sq_fec *f = sq_fec_new();
            struct fec_in in[SQ_FEC_MASK_BITS];
            size_t n = 0;
            size_t lost = sq_rand_below(&r, 2) ? span - 1 : 0;
            for (size_t i = 0; i < span; i++) {
                all[i] = random_packet(&r, (uint16_t)(65500 + i));
                if (i == 0 || i == span - 1 || sq_rand_below(&r, 3)) {
                    in[n++] = (struct fec_in){all[i].at, all[i].len};
                    if (i != lost) {
                        give(f, &all[i]);
                    }
                }
            }
            uint8_t made[1500];
            struct sq_fec_parity parity;
            size_t len = flex ? fec_make_flexfec(in, n, made) : fec_make_ulpfec(in, n, made);
            assert_int_equal((flex ? sq_fec_read_flexfec : sq_fec_read_ulpfec)(made, len, &parity),
                             0);
            sq_fec_parity(f, &parity);
            assert_made(f, &all[lost]);
            assert_nothing(f);
            sq_fec_free(f);
        }
    }
}

/* Rows and columns: what one parity makes again helps another one. */
static void one_recovery_leads_to_the_next(void **state)
{
    struct sq_rand r;
    sq_rand_seed(&r, 2);
    static struct bytes p[4];
    for (size_t i = 0; i < 4; i++) {
        p[i] = random_packet(&r, (uint16_t)(100 + i));
    }
    struct sq_fec *f = sq_fec_new();
    const struct fec_in row[] = {{p[0].at, p[0].len}, {p[1].at, p[1].len}};
    const struct fec_in column[] = {{p[1].at, p[1].len}, {p[3].at, p[3].len}};
    uint8_t made[1500];
    give(f, &p[0]);
    give(f, &p[2]);
    give_ulpfec(f, made, fec_make_ulpfec(column, 2, made));
    assert_nothing(f);
    give_ulpfec(f, made, fec_make_ulpfec(row, 2, made));
    assert_made(f, &p[1]);
    assert_made(f, &p[3]);
    assert_nothing(f);
    sq_fec_free(f);
}

/* Parity that waits is bounded, and let go when its packets have left the window. */
static void what_waits_is_bounded(void **state)
{
    struct sq_rand r;
    sq_rand_seed(&r, 3);
    struct sq_fec *f = sq_fec_new();
    uint8_t made[1500];
    for (uint16_t i = 0; i < 2 * SQ_FEC_PENDING_MAX; i++) {
        struct bytes a = random_packet(&r, (uint16_t)(2 * i));
        struct bytes b = random_packet(&r, (uint16_t)(2 * i + 1));
        const struct fec_in in[] = {{a.at, a.len}, {b.at, b.len}};
        give_ulpfec(f, made, fec_make_ulpfec(in, 2, made));
        assert_nothing(f);
    }
    assert_int_equal(sq_fec_discarded(f), SQ_FEC_PENDING_MAX);
    struct bytes far = random_packet(&r, 4 * SQ_FEC_PENDING_MAX + SQ_FEC_WINDOW);
    give(f, &far);
    assert_nothing(f);
    assert_int_equal(sq_fec_discarded(f), 2 * SQ_FEC_PENDING_MAX);
    /* too old, or of a future that is not ours */
    struct bytes old = random_packet(&r, 1);
    assert_null(sq_fec_media(f, old.at, 12, old.at + 12, old.len - 12));
    struct bytes wild = random_packet(&r, 20000);
    const struct fec_in in[] = {{old.at, old.len}, {wild.at, wild.len}};
    give_ulpfec(f, made, fec_make_ulpfec(in, 1, made));
    give_ulpfec(f, made, fec_make_ulpfec(in + 1, 1, made));
    assert_int_equal(sq_fec_discarded(f), 2 * SQ_FEC_PENDING_MAX + 2);
    assert_nothing(f);
    sq_fec_reset(f);
    give_ulpfec(f, made, fec_make_ulpfec(in + 1, 1, made)); /* a copy of the one packet */
    assert_made(f, &wild);
    sq_fec_free(f);
}

static void what_is_refused(void **state)
{
    struct sq_fec_parity p;
    struct bytes good = hex(gst_three_fec);
    uint8_t *ulp = good.at + 12;
    size_t len = good.len - 12;
    for (size_t cut = 0; cut < len; cut++) {
        assert_int_equal(sq_fec_read_ulpfec(ulp, cut, &p), SQ_ERR_TRUNCATED);
    }
    ulp[0] |= 0x80; /* E */
    assert_int_equal(sq_fec_read_ulpfec(ulp, len, &p), SQ_ERR_UNSUPPORTED);
    ulp[0] &= 0x7f;
    ulp[12] = 0; /* the mask */
    assert_int_equal(sq_fec_read_ulpfec(ulp, len, &p), SQ_ERR_FORMAT);
    struct bytes flex = hex("008000010000000601000000123456780007d000f1f303");
    for (size_t cut = 0; cut < 20; cut++) {
        assert_int_equal(sq_fec_read_flexfec(flex.at, cut, &p), SQ_ERR_TRUNCATED);
    }
    const struct {
        size_t at;
        uint8_t value;
        int err;
    } bad[] = {{0, 0x80, SQ_ERR_UNSUPPORTED},                            /* R */
               {0, 0x40, SQ_ERR_UNSUPPORTED},                            /* F */
               {8, 2, SQ_ERR_UNSUPPORTED},                               /* streams */
               {8, 0, SQ_ERR_UNSUPPORTED},    {18, 0x80, SQ_ERR_FORMAT}, /* an empty mask */
               {18, 0x50, SQ_ERR_TRUNCATED}};                            /* one that goes on */
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct bytes b = flex;
        b.at[bad[i].at] = bad[i].value;
        assert_int_equal(sq_fec_read_flexfec(b.at, b.len, &p), bad[i].err);
    }
    /* The last k bit must be set. */
    uint8_t endless[64] = {[8] = 1, [18] = 0x40};
    assert_int_equal(sq_fec_read_flexfec(endless, sizeof(endless), &p), SQ_ERR_FORMAT);
    uint8_t large[2000] = {[10] = 0x07, [12] = 0xc0};
    assert_int_equal(sq_fec_read_ulpfec(large, sizeof(large), &p), SQ_ERR_FORMAT);
    struct sq_fec *f = sq_fec_new();
    assert_null(sq_fec_media(f, large, 11, large, 10));
    assert_null(sq_fec_media(f, large, 12, large, SQ_FEC_PACKET_MAX - 11));
    sq_fec_free(f);
    /* A length that only more levels would cover. */
    f = sq_fec_new();
    struct bytes lone = hex("8060000a1122334412345678cdec0b");
    uint8_t short_level[] = {0, 0x60, 0, 9, 0, 0, 0, 0, 0, 9, 0, 2, 0xc0, 0, 1, 2};
    give(f, &lone);
    give_ulpfec(f, short_level, sizeof(short_level));
    assert_nothing(f);
    assert_int_equal(sq_fec_discarded(f), 1);
    sq_fec_free(f);
    sq_mem_fail_at(1);
    assert_null(sq_fec_new());
    sq_mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(gstreamers_parity),
        cmocka_unit_test(a_loss_in_each_of_two_groups),
        cmocka_unit_test(two_of_a_group_are_too_many),
        cmocka_unit_test(flexfec_by_hand),
        cmocka_unit_test(masks_of_all_lengths),
        cmocka_unit_test(one_recovery_leads_to_the_next),
        cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(what_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
