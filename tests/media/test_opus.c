/* Opus packets (RFC 6716, section 3) and the play-out model. */
#include "base/rand.h"
#include "base/time.h"
#include "media/opus.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS SQ_NS_PER_MS

/* RFC 6716, section 3.1, table 2, in tenths of ms. */
static void durations_of_all_configurations(void **state)
{
    static const unsigned tenths[32] = {100, 200, 400, 600, 100, 200, 400, 600, 100, 200, 400,
                                        600, 100, 200, 100, 200, 25,  50,  100, 200, 25,  50,
                                        100, 200, 25,  50,  100, 200, 25,  50,  100, 200};
    for (unsigned config = 0; config < 32; config++) {
        for (unsigned stereo = 0; stereo < 2; stereo++) {
            struct sq_opus_packet p;
            uint8_t one[] = {(uint8_t)(config << 3 | stereo << 2), 7, 8};
            assert_int_equal(sq_opus_parse(one, 3, &p), 0);
            assert_int_equal(p.samples * 10, tenths[config] * 48);
            assert_int_equal(p.stereo, stereo);
            assert_int_equal(p.frames, 1);
            assert_int_equal(p.mode, config < 12   ? SQ_OPUS_SILK
                                     : config < 16 ? SQ_OPUS_HYBRID
                                                   : SQ_OPUS_CELT);
            assert_false(p.dtx);
            uint8_t two[] = {(uint8_t)(config << 3 | 1), 1, 2, 3, 4};
            assert_int_equal(sq_opus_parse(two, 5, &p), 0);
            assert_int_equal(p.frames, 2);
            assert_int_equal(p.samples * 10, tenths[config] * 96);
        }
    }
}

static void frame_counts_and_the_rules(void **state)
{
    static uint8_t big[1400] = {1 << 3};
    static const struct {
        uint8_t bytes[16];
        size_t len;
        int err;
        unsigned frames;
        bool dtx;
    } cases[] = {
        {{0}, 0, SQ_ERR_TRUNCATED, 0, false},                         /* R1 */
        {{0x08}, 1, 0, 1, true},                                      /* the TOC alone: DTX */
        {{0x08, 0}, 2, 0, 1, true},                                   /* a frame of one byte */
        {{0x09, 1, 2, 3}, 4, SQ_ERR_FORMAT, 0, false},                /* R3 */
        {{0x09}, 1, 0, 2, true},                                      /* two empty frames */
        {{0x0a}, 1, SQ_ERR_FORMAT, 0, false},                         /* R4: no length */
        {{0x0a, 3, 1, 2}, 4, SQ_ERR_FORMAT, 0, false},                /* R4: first too long */
        {{0x0a, 3, 1, 2, 3}, 5, 0, 2, false},                         /* second is empty */
        {{0x0a, 252}, 2, SQ_ERR_FORMAT, 0, false},                    /* length cut off */
        {{0x0b}, 1, SQ_ERR_FORMAT, 0, false},                         /* R6: no count */
        {{0x0b, 0}, 2, SQ_ERR_FORMAT, 0, false},                      /* R5: no frame */
        {{0x0b, 7, 1, 2, 3, 4, 5, 6, 7}, 9, SQ_ERR_FORMAT, 0, false}, /* R5: 140 ms */
        {{0x0b, 6, 1, 2, 3, 4, 5, 6}, 8, 0, 6, true},
        {{0x0b, 3, 1, 2, 3, 4, 5, 6}, 8, 0, 3, false},
        {{0x0b, 3, 1, 2, 3, 4, 5}, 7, SQ_ERR_FORMAT, 0, false},       /* R6: not a multiple */
        {{0x0b, 0x42, 2, 1, 2, 3, 4, 0, 0}, 9, 0, 2, false},          /* padding of two */
        {{0x0b, 0x42, 9, 1, 2}, 5, SQ_ERR_FORMAT, 0, false},          /* padding past the end */
        {{0x0b, 0x42, 255}, 3, SQ_ERR_FORMAT, 0, false},              /* padding length cut off */
        {{0x0b, 0x83, 1, 2, 9, 9, 9, 9}, 8, 0, 3, false},             /* VBR: 1, 2 and 1 */
        {{0x0b, 0x83, 1, 6, 9, 9, 9, 9}, 8, SQ_ERR_FORMAT, 0, false}, /* R7 */
        {{0x0b, 0x83, 1}, 3, SQ_ERR_FORMAT, 0, false},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_opus_packet p = {.frames = 99};
        /* An exact copy, so that a read past its end is seen. */
        uint8_t *copy = malloc(cases[i].len + (cases[i].len == 0));
        assert_non_null(copy);
        memcpy(copy, cases[i].bytes, cases[i].len);
        int err = sq_opus_parse(copy, cases[i].len, &p);
        free(copy);
        if (err != cases[i].err || p.frames != (err ? 99 : cases[i].frames) ||
            (!err && p.dtx != cases[i].dtx)) {
            fail_msg("case %zu: %d, %u frames", i, err, p.frames);
        }
    }
    struct sq_opus_packet p;
    assert_int_equal(sq_opus_parse(big, 1276, &p), 0);
    assert_int_equal(sq_opus_parse(big, 1277, &p), SQ_ERR_FORMAT); /* R2 */
}

static void hostile_packets(void **state)
{
    struct sq_rand r;
    struct sq_opus_tracker t;
    sq_rand_seed(&r, 1);
    sq_opus_tracker_init(&t);
    uint64_t now = 0;
    for (unsigned i = 0; i < 200000; i++) {
        uint8_t bytes[32];
        size_t len = sq_rand_below(&r, sizeof(bytes) + 1);
        for (size_t n = 0; n < len; n++) {
            bytes[n] = (uint8_t)sq_rand_u32(&r);
        }
        now += sq_rand_below(&r, 1000) == 0 ? 100000 * MS : sq_rand_below(&r, 30) * MS;
        uint32_t timestamp = sq_rand_below(&r, 3) ? i * 960 : sq_rand_u32(&r);
        int err = sq_opus_tracker_push(&t, now, (uint16_t)sq_rand_u32(&r), timestamp, bytes, len);
        assert_true(err == 0 || err == SQ_ERR_FORMAT || err == SQ_ERR_TRUNCATED);
        assert_true(t.known_until >= t.play_at);
        assert_true(t.delay_ticks <= 400 * 48);
    }
    const struct sq_opus_stats *st = &t.stats;
    assert_int_equal(st->packets_played + st->packets_discarded, st->packets_received);
    assert_true(st->concealed_samples <= st->total_samples_received);
}

static const uint8_t voice[20] = {1 << 3, 1, 2, 3};

static void push(struct sq_opus_tracker *t, uint64_t now_ns, unsigned n, size_t len)
{
    assert_int_equal(
        sq_opus_tracker_push(t, now_ns, (uint16_t)(65500 + n), 4294960000U + n * 960, voice, len),
        0);
}

static void a_clean_stream_has_no_gap(void **state)
{
    struct sq_opus_tracker t;
    sq_opus_tracker_init(&t);
    for (unsigned n = 0; n < 500; n++) {
        push(&t, 20 * MS * n, n, 20);
    }
    sq_opus_tracker_play(&t, 20 * MS * 500);
    assert_int_equal(t.stats.packets_played, 500);
    assert_int_equal(t.stats.concealed_samples, 0);
    /* Ten seconds less the play-out delay of 60 ms. */
    assert_int_equal(t.stats.total_samples_received, 48 * (10000 - 60));
}

/* Three packets lost by themselves, and five in a row: four events, 160 ms. */
static void lost_packets_are_concealed(void **state)
{
    struct sq_opus_tracker t;
    sq_opus_tracker_init(&t);
    for (unsigned n = 0; n < 500; n++) {
        if (n != 50 && n != 100 && n != 150 && !(n >= 200 && n < 205)) {
            push(&t, 20 * MS * n, n, 20);
        }
    }
    sq_opus_tracker_play(&t, 20 * MS * 500);
    assert_int_equal(t.stats.concealed_samples, 8 * 960);
    assert_int_equal(t.stats.concealment_events, 4);
    assert_int_equal(t.stats.packets_played, 492);
    assert_int_equal(t.stats.total_samples_received, 48 * (10000 - 60));
}

static void order_and_copies_do_not_matter(void **state)
{
    struct sq_opus_tracker t;
    sq_opus_tracker_init(&t);
    for (unsigned n = 0; n < 500; n += 2) {
        push(&t, 20 * MS * (n + 1), n + 1, 20); /* each pair the wrong way round */
        push(&t, 20 * MS * (n + 1) + 1, n, 20);
        push(&t, 20 * MS * (n + 1) + 2, n, 20);
    }
    assert_int_equal(t.stats.concealed_samples, 0);
    assert_int_equal(t.stats.packets_played, 500);
    assert_int_equal(t.stats.packets_discarded, 250);
}

/* A late packet raises the delay, so that the next one as late is in time. */
static void the_delay_follows_jitter(void **state)
{
    struct sq_opus_tracker t;
    sq_opus_tracker_init(&t);
    for (unsigned n = 0; n < 3000; n++) {
        if (n % 10 != 9) {
            push(&t, 20 * MS * n, n, 20);
        }
        if (n % 10 == 6 && n > 10) { /* one in ten comes 150 ms late */
            push(&t, 20 * MS * n + 10 * MS, n - 7, 20);
        }
    }
    assert_true(t.stats.packets_discarded >= 1 && t.stats.packets_discarded <= 4);
    assert_true(t.stats.concealed_samples <= 4 * 960);
    assert_true(t.delay_ticks >= 130 * 48);
}

static void a_longer_path_is_followed(void **state)
{
    struct sq_opus_tracker t;
    sq_opus_tracker_init(&t);
    for (unsigned n = 0; n < 2000; n++) {
        push(&t, 20 * MS * n + (n >= 500 ? 900 * MS : 0), n, 20);
    }
    assert_true(t.stats.packets_discarded < 15);
    /* The gap itself, and the few that were too late before play-out fell back. */
    assert_true(t.stats.concealed_samples > 48 * 700 && t.stats.concealed_samples < 48 * 1200);
    assert_int_equal(t.stats.packets_played + t.stats.packets_discarded, 2000);
}

/* The sender's clock runs 200 ppm fast, then slow, for an hour. */
static void drift_costs_nothing(void **state)
{
    for (int sign = -1; sign <= 1; sign += 2) {
        struct sq_opus_tracker t;
        sq_opus_tracker_init(&t);
        for (unsigned n = 0; n < 3600 * 50; n++) {
            int64_t off = sign * (int64_t)n * 4000; /* ns: 200 ppm of 20 ms */
            push(&t, SQ_NS_PER_SEC + (uint64_t)((int64_t)(20 * MS * n) + off), n, 20);
        }
        assert_int_equal(t.stats.packets_discarded, 0);
        assert_int_equal(t.stats.concealed_samples, 0);
    }
}

/* DTX: a packet of one byte each 400 ms, sequence numbers in a row. Nothing is missing. */
static void silence_that_was_announced_is_no_gap(void **state)
{
    struct sq_opus_tracker t;
    sq_opus_tracker_init(&t);
    unsigned seq = 0;
    for (unsigned n = 0; n < 500; n++) {
        bool silent = n >= 100 && n < 300;
        if (!silent || n % 20 == 0) {
            assert_int_equal(sq_opus_tracker_push(&t, 20 * MS * n, (uint16_t)seq++, n * 960, voice,
                                                  silent ? 1 : 20),
                             0);
        }
    }
    sq_opus_tracker_play(&t, 20 * MS * 500);
    assert_int_equal(t.stats.concealed_samples, 0);
    assert_int_equal(t.stats.dtx_packets, 10);
    assert_int_equal(t.stats.silent_samples, 190 * 960);
    assert_int_equal(t.stats.total_samples_received, 48 * (10000 - 60));
}

static void a_pause_is_no_gap(void **state)
{
    struct sq_opus_tracker t;
    sq_opus_tracker_init(&t);
    for (unsigned n = 0; n < 100; n++) {
        push(&t, 20 * MS * n, n, 20);
    }
    sq_opus_tracker_pause(&t);
    for (unsigned n = 1000; n < 1100; n++) {
        push(&t, 20 * MS * n, n - 900, 20);
    }
    assert_int_equal(t.stats.concealed_samples, 0);
    /* Without it, what follows the last packet is concealed until the stream goes on. */
    sq_opus_tracker_play(&t, 20 * MS * 1200);
    assert_int_equal(t.stats.concealed_samples, 48 * (2000 - 60));
    assert_int_equal(t.stats.concealment_events, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(durations_of_all_configurations),
        cmocka_unit_test(frame_counts_and_the_rules),
        cmocka_unit_test(hostile_packets),
        cmocka_unit_test(a_clean_stream_has_no_gap),
        cmocka_unit_test(lost_packets_are_concealed),
        cmocka_unit_test(order_and_copies_do_not_matter),
        cmocka_unit_test(the_delay_follows_jitter),
        cmocka_unit_test(a_longer_path_is_followed),
        cmocka_unit_test(drift_costs_nothing),
        cmocka_unit_test(silence_that_was_announced_is_no_gap),
        cmocka_unit_test(a_pause_is_no_gap),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
