/* Receiver: sequences with reordering, duplicates, wrap, jumps and restarts; NACK; reports. */
#include "base/rand.h"
#include "peer/rtp/receiver.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define MS     SQ_NS_PER_MS
#define HEADER 20
#define PAY    100

static struct sq_rtp_packet packet(uint16_t seq, uint32_t ts)
{
    return (struct sq_rtp_packet){.seq = seq,
                                  .ts = ts,
                                  .ssrc = 7,
                                  .header_bytes = HEADER,
                                  .payload_bytes = PAY,
                                  .padding_bytes = 2};
}

/* One packet each 20 ms of a 48 kHz clock: `n`-th of the stream, `late_ms` after its time. */
static unsigned give(struct sq_rtp_receiver *r, unsigned n, uint16_t first_seq, uint64_t late_ms)
{
    struct sq_rtp_packet p = packet((uint16_t)(first_seq + n), 1000 + 960 * n);
    return sq_rtp_receiver_on_packet(r, (1000 + 20 * (uint64_t)n + late_ms) * MS, &p);
}

static struct sq_rtp_inbound_stats stats_of(const struct sq_rtp_receiver *r)
{
    struct sq_rtp_inbound_stats s;
    sq_rtp_receiver_stats(r, &s);
    return s;
}

static void counts_from_the_first_packet(void **state)
{
    struct sq_rtp_receiver r;
    struct sq_rtcp_block b = {.ssrc = 99};
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, false);
    assert_false(sq_rtp_receiver_report(&r, 0, &b));
    assert_int_equal(b.ssrc, 99);
    assert_int_equal(sq_rtp_receiver_expected(&r), 0);
    for (unsigned n = 0; n < 100; n++) {
        assert_int_equal(give(&r, n, 65500, 0), SQ_RTP_RX_NEW);
    }
    struct sq_rtp_inbound_stats s = stats_of(&r);
    assert_int_equal(s.packets_expected, 100);
    assert_int_equal(s.packets_received, 100);
    assert_int_equal(s.packets_lost, 0);
    assert_int_equal(s.bytes_received, 100 * PAY);
    assert_int_equal(s.header_bytes_received, 100 * (HEADER + 2));
    assert_true(s.jitter_s == 0);
    assert_int_equal(s.last_packet_received_ns, (1000 + 20 * 99) * MS);
    assert_true(sq_rtp_receiver_report(&r, 0, &b));
    assert_int_equal(b.ssrc, 7);
    assert_int_equal(b.highest_seq, 65536 + 65500 + 99 - 65536); /* one cycle */
    assert_int_equal(b.highest_seq >> 16, 1);
    assert_int_equal(b.lsr, 0);
    assert_int_equal(b.dlsr, 0);
}

static void reordering_and_duplicates(void **state)
{
    struct sq_rtp_receiver r;
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, false);
    const struct {
        unsigned n, flags;
    } steps[] = {
        {5, SQ_RTP_RX_NEW},
        {3, SQ_RTP_RX_NEW | SQ_RTP_RX_LATE}, /* before the first one: the stream began at 3 */
        {5, SQ_RTP_RX_DUPLICATE},
        {8, SQ_RTP_RX_NEW | SQ_RTP_RX_GAP},
        {7, SQ_RTP_RX_NEW | SQ_RTP_RX_LATE},
        {7, SQ_RTP_RX_DUPLICATE},
        {3, SQ_RTP_RX_DUPLICATE},
        {9, SQ_RTP_RX_NEW},
    };
    for (size_t i = 0; i < sizeof(steps) / sizeof(*steps); i++) {
        assert_int_equal(give(&r, steps[i].n, 65530, 0), steps[i].flags);
    }
    struct sq_rtp_inbound_stats s = stats_of(&r);
    assert_int_equal(s.packets_expected, 7); /* 3 to 9 */
    assert_int_equal(s.packets_received, 8);
    assert_int_equal(s.packets_duplicated, 3);
    assert_int_equal(s.packets_late, 2);
    assert_int_equal(s.packets_lost, -1);         /* RFC 3550 counts duplicates as received */
    assert_int_equal(s.packets_lost_residual, 2); /* 4 and 6 */
    assert_int_equal(s.packets_lost_network, 2);
}

static void fraction_is_of_the_interval(void **state)
{
    struct sq_rtp_receiver r;
    struct sq_rtcp_block b;
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, false);
    for (unsigned n = 0; n < 100; n++) {
        if (n % 4 != 1) {
            give(&r, n, 0, 0);
        }
    }
    assert_true(sq_rtp_receiver_report(&r, 0, &b));
    assert_int_equal(b.fraction_lost, 64); /* 25 of 100 */
    assert_int_equal(b.cumulative_lost, 25);
    for (unsigned n = 100; n < 200; n++) {
        give(&r, n, 0, 0);
    }
    assert_true(sq_rtp_receiver_report(&r, 0, &b));
    assert_int_equal(b.fraction_lost, 0);
    assert_int_equal(b.cumulative_lost, 25);
    assert_true(sq_rtp_receiver_report(&r, 0, &b)); /* nothing came: nothing known */
    assert_int_equal(b.fraction_lost, 0);
    give(&r, 1199, 0, 0); /* 999 of 1000 */
    assert_true(sq_rtp_receiver_report(&r, 0, &b));
    assert_int_equal(b.fraction_lost, 255);
    assert_int_equal(b.cumulative_lost, 25 + 999);
}

static void a_wild_packet_is_not_a_restart(void **state)
{
    struct sq_rtp_receiver r;
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, false);
    for (unsigned n = 0; n < 10; n++) {
        give(&r, n, 100, 0);
    }
    struct sq_rtp_packet wild = packet(30000, 77777777);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 2000 * MS, &wild), SQ_RTP_RX_SUSPECT);
    assert_int_equal(give(&r, 10, 100, 0), SQ_RTP_RX_NEW);
    struct sq_rtp_inbound_stats s = stats_of(&r);
    assert_int_equal(s.packets_expected, 11);
    assert_int_equal(s.packets_received, 11);
    assert_int_equal(r.packets_suspect, 1);
    /* Two in a row are one, and both of them count. */
    wild = packet(40000, 5);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 2000 * MS, &wild), SQ_RTP_RX_SUSPECT);
    wild = packet(40001, 965);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 2020 * MS, &wild),
                     SQ_RTP_RX_NEW | SQ_RTP_RX_RESTART);
    wild = packet(40003, 965 + 1920);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 2060 * MS, &wild),
                     SQ_RTP_RX_NEW | SQ_RTP_RX_GAP);
    s = stats_of(&r);
    assert_int_equal(s.restarts, 1);
    assert_int_equal(s.packets_expected, 11 + 4);
    assert_int_equal(s.packets_received, 11 + 3);
    assert_int_equal(s.packets_lost, 1);
    assert_int_equal(s.packets_lost_residual, 1);
    assert_int_equal(s.bytes_received, 14 * PAY);
    assert_int_equal(r.packets_suspect, 1);
    assert_true(s.jitter_s < 1e-3); /* the old clock does not count against the new one */
}

/* A restart close behind the old numbers shows by its time-stamps. */
static void a_restart_close_by(void **state)
{
    struct sq_rtp_receiver r;
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, false);
    for (unsigned n = 0; n < 300; n++) {
        give(&r, n, 1000, 0);
    }
    struct sq_rtp_packet p = packet(1100, 4000000000u);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 9000 * MS, &p), SQ_RTP_RX_SUSPECT);
    p = packet(1101, 4000000960u);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 9020 * MS, &p),
                     SQ_RTP_RX_NEW | SQ_RTP_RX_RESTART);
    assert_int_equal(stats_of(&r).packets_lost, 0);
}

/* Two old packets in a row, behind the window, are no restart. */
static void too_old_is_no_restart(void **state)
{
    struct sq_rtp_receiver r;
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, false);
    for (unsigned n = 0; n < 2500; n++) {
        if (n != 1000 && n != 1001) {
            give(&r, n, 0, 0);
        }
    }
    assert_int_equal(give(&r, 1000, 0, 30000), SQ_RTP_RX_TOO_OLD);
    assert_int_equal(give(&r, 1001, 0, 30000), SQ_RTP_RX_TOO_OLD);
    assert_int_equal(give(&r, 2500, 0, 0), SQ_RTP_RX_NEW);
    struct sq_rtp_inbound_stats s = stats_of(&r);
    assert_int_equal(s.restarts, 0);
    assert_int_equal(s.packets_discarded, 2);
    assert_int_equal(s.packets_lost_residual, 2); /* of no use to anybody */
}

/* An outage longer than RFC 3550's MAX_DROPOUT is loss, where the clock went on. */
static void a_long_outage_is_loss(void **state)
{
    struct sq_rtp_receiver r;
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, true);
    for (unsigned n = 0; n < 100; n++) {
        give(&r, n, 0, 0);
    }
    assert_int_equal(give(&r, 100 + 5000, 0, 30), SQ_RTP_RX_NEW | SQ_RTP_RX_GAP);
    struct sq_rtp_inbound_stats s = stats_of(&r);
    assert_int_equal(s.packets_lost, 5000);
    assert_int_equal(s.restarts, 0);
    assert_int_equal(r.missing_count, 0); /* far too many to ask for */
    assert_int_equal(s.packets_abandoned, 5000);
    assert_false(r.key_frame_needed); /* audio has none */
    /* Such a jump with another clock is a restart, or one that the time does not explain. */
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, true);
    for (unsigned n = 0; n < 100; n++) {
        give(&r, n, 0, 0);
    }
    struct sq_rtp_packet p = packet(100 + 5000, 3000000000u);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 103000 * MS, &p), SQ_RTP_RX_SUSPECT);
    p = packet(30000, 1000 + 960 * 5100);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 103000 * MS, &p), SQ_RTP_RX_SUSPECT);
}

/* 30 % loss with reordering, duplicates and several wraps against a plain list of what came. */
static void heavy_loss_is_counted_exactly(void **state)
{
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct sq_rtp_receiver r;
        struct sq_rand rand;
        sq_rand_seed(&rand, seed);
        sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, false);
        unsigned lost = 0, dup = 0, held[8], held_count = 0;
        const unsigned total = 200000;
        uint16_t first = (uint16_t)sq_rand_u32(&rand);
        for (unsigned n = 0; n < total; n++) {
            bool end = n == 0 || n == total - 1;
            if (!end && sq_rand_below(&rand, 10) < 3) {
                lost++;
                continue;
            }
            if (!end && held_count < 8 && sq_rand_below(&rand, 20) == 0) {
                held[held_count++] = n; /* comes later */
                continue;
            }
            assert_int_equal(give(&r, n, first, 0) & SQ_RTP_RX_NEW, SQ_RTP_RX_NEW);
            if (sq_rand_below(&rand, 50) == 0) {
                assert_int_equal(give(&r, n, first, 1), SQ_RTP_RX_DUPLICATE);
                dup++;
            }
            if (held_count && (sq_rand_below(&rand, 10) == 0 || n - held[0] > 300 || end)) {
                while (held_count) {
                    unsigned late = held[--held_count];
                    assert_int_equal(give(&r, late, first, (n - late) * 20),
                                     SQ_RTP_RX_NEW | SQ_RTP_RX_LATE);
                }
            }
        }
        lost += held_count;
        struct sq_rtp_inbound_stats s = stats_of(&r);
        assert_int_equal(s.packets_expected, total);
        assert_int_equal(s.packets_lost_residual, lost);
        assert_int_equal(s.packets_lost_network, lost);
        assert_int_equal(s.packets_duplicated, dup);
        assert_int_equal(s.packets_lost, (int64_t)lost - dup);
        assert_int_equal(s.packets_received, total - lost + dup);
        assert_int_equal(s.restarts, 0);
    }
}

/* RFC 3550 A.8 in its own integers: written apart from the code under test. */
struct plain_jitter {
    uint32_t transit;
    uint32_t scaled;
    bool started;
};

static void plain_jitter(struct plain_jitter *j, uint64_t now_ns, uint32_t ts, uint32_t rate)
{
    uint32_t arrival =
        (uint32_t)(unsigned __int128)((unsigned __int128)now_ns * rate / SQ_NS_PER_SEC);
    uint32_t transit = arrival - ts;
    int32_t d = (int32_t)(transit - j->transit);
    j->transit = transit;
    if (!j->started) {
        j->started = true;
        return;
    }
    d = d < 0 ? -d : d;
    j->scaled += (uint32_t)d - ((j->scaled + 8) >> 4);
}

static void jitter_agrees_with_a_8(void **state)
{
    const uint32_t rates[] = {8000, 48000, 90000};
    for (size_t c = 0; c < 3; c++) {
        struct sq_rtp_receiver r;
        struct sq_rand rand;
        struct plain_jitter plain = {0};
        sq_rand_seed(&rand, 40 + c);
        sq_rtp_receiver_init(&r, 7, rates[c], SQ_RTP_AUDIO, false);
        uint64_t start_ns = 86400ULL * 365 * SQ_NS_PER_SEC + 12345;
        double seen_most = 0;
        for (unsigned n = 0; n < 20000; n++) {
            uint64_t at_ns = start_ns + n * 20 * MS + sq_rand_below(&rand, 15000000);
            struct sq_rtp_packet p =
                packet((uint16_t)(n + 60000), (uint32_t)(0xfffff000u + n * (rates[c] / 50)));
            sq_rtp_receiver_on_packet(&r, at_ns, &p);
            plain_jitter(&plain, at_ns, p.ts, rates[c]);
            double off = fabs(r.jitter_units - plain.scaled / 16.0);
            seen_most = off > seen_most ? off : seen_most;
        }
        assert_true(seen_most <= 1.5); /* A.8 rounds its arrival times to whole units */
        assert_int_equal(stats_of(&r).jitter_units, (uint32_t)r.jitter_units);
        assert_true(fabs(stats_of(&r).jitter_s - 0.005) < 0.002); /* mean of |u1 - u2|: 15 ms / 3 */
    }
}

static void jitter_worked_by_hand(void **state)
{
    struct sq_rtp_receiver r;
    sq_rtp_receiver_init(&r, 7, 8000, SQ_RTP_AUDIO, false);
    /* Transit changes by 0, +16 ms (128 units), -16 ms: J = 0, 8, 8 + (128 - 8) / 16 = 15.5. */
    const struct {
        uint64_t ms;
        uint32_t ts;
        double jitter;
    } steps[] = {{0, 0, 0}, {20, 160, 0}, {56, 320, 8}, {60, 480, 15.5}};
    for (uint16_t i = 0; i < 4; i++) {
        struct sq_rtp_packet p = packet(i, steps[i].ts);
        sq_rtp_receiver_on_packet(&r, steps[i].ms * MS, &p);
        assert_true(fabs(r.jitter_units - steps[i].jitter) < 1e-6);
    }
    assert_true(fabs(stats_of(&r).jitter_s - 15.5 / 8000) < 1e-9);
}

/* Frames of four packets, 5 ms apart, without jitter: only the first of a frame counts, against the
 * last one of the frame before. */
static void jitter_of_frames(void **state)
{
    struct sq_rtp_receiver video;
    struct sq_rtp_receiver audio;
    sq_rtp_receiver_init(&video, 7, 90000, SQ_RTP_VIDEO, false);
    sq_rtp_receiver_init(&audio, 7, 90000, SQ_RTP_AUDIO, false);
    double expected = 0;
    for (uint16_t n = 0; n < 400; n++) {
        struct sq_rtp_packet p = packet(n, n / 4 * 3600U);
        uint64_t at_ns = (1000 + n / 4 * 40U + n % 4 * 5U) * MS;
        sq_rtp_receiver_on_packet(&video, at_ns, &p);
        sq_rtp_receiver_on_packet(&audio, at_ns, &p);
        if (n > 0 && n % 4 == 0) {
            expected += (15 * 90 - expected) / 16; /* 25 ms after it, for 40 ms of time-stamps */
        }
        assert_true(fabs(video.jitter_units - expected) < 1e-6);
    }
    assert_true(fabs(audio.jitter_units - expected) > 1); /* there each packet counts */
    /* One that fell behind says nothing. */
    struct sq_rtp_packet p = packet(401, 100 * 3600U);
    sq_rtp_receiver_on_packet(&video, 5000 * MS, &p);
    expected = video.jitter_units;
    p = packet(400, 100 * 3600U);
    assert_int_equal(sq_rtp_receiver_on_packet(&video, 5060 * MS, &p),
                     SQ_RTP_RX_NEW | SQ_RTP_RX_LATE);
    p = packet(402, 100 * 3600U);
    sq_rtp_receiver_on_packet(&video, 5060 * MS, &p);
    assert_true(fabs(video.jitter_units - expected) < 1e-9);
}

static size_t nacks_at(struct sq_rtp_receiver *r, uint64_t at_ms, uint64_t rtt_ms, uint16_t *seqs)
{
    return sq_rtp_receiver_nacks(r, at_ms * MS, rtt_ms * MS, seqs, SQ_RTP_MISSING_MAX);
}

static void asks_after_reordering_had_its_chance(void **state)
{
    struct sq_rtp_receiver r;
    uint16_t seqs[SQ_RTP_MISSING_MAX];
    sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
    struct sq_rtp_packet p = packet(65534, 0);
    sq_rtp_receiver_on_packet(&r, 1000 * MS, &p);
    assert_int_equal(sq_rtp_receiver_next_ns(&r), SQ_NEVER);
    p = packet(1, 0); /* 65535 and 0 are missing */
    sq_rtp_receiver_on_packet(&r, 1001 * MS, &p);
    assert_int_equal(sq_rtp_receiver_next_ns(&r), 1011 * MS);
    assert_int_equal(nacks_at(&r, 1001, 0, seqs), 0);
    p = packet(2, 0);
    sq_rtp_receiver_on_packet(&r, 1002 * MS, &p);
    assert_int_equal(nacks_at(&r, 1002, 0, seqs), 0);
    p = packet(0, 0); /* it was only late */
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 1002 * MS, &p), SQ_RTP_RX_NEW | SQ_RTP_RX_LATE);
    p = packet(3, 0); /* the second one newer than what showed the hole */
    sq_rtp_receiver_on_packet(&r, 1003 * MS, &p);
    assert_int_equal(sq_rtp_receiver_next_ns(&r), 1003 * MS);
    assert_int_equal(nacks_at(&r, 1003, 40, seqs), 1);
    assert_int_equal(seqs[0], 65535);
    /* Again after a round trip, not before. */
    assert_int_equal(sq_rtp_receiver_next_ns(&r), 1043 * MS);
    assert_int_equal(nacks_at(&r, 1042, 40, seqs), 0);
    assert_int_equal(nacks_at(&r, 1043, 40, seqs), 1);
    p = packet(65535, 0);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 1080 * MS, &p),
                     SQ_RTP_RX_NEW | SQ_RTP_RX_RETRANSMITTED);
    assert_int_equal(sq_rtp_receiver_next_ns(&r), SQ_NEVER);
    struct sq_rtp_inbound_stats s = stats_of(&r);
    assert_int_equal(s.nack_count, 2);
    assert_int_equal(r.nack_packets, 2);
    assert_int_equal(s.retransmitted_packets_received, 1);
    assert_int_equal(s.retransmitted_bytes_received, PAY);
    assert_int_equal(s.packets_lost_network, 1);
    assert_int_equal(s.packets_lost_residual, 0);
    assert_int_equal(s.packets_lost, 0);
    assert_int_equal(s.packets_late, 1);
    assert_false(r.key_frame_needed);
}

static void asks_by_time_and_gives_up(void **state)
{
    struct sq_rtp_receiver r;
    uint16_t seqs[SQ_RTP_MISSING_MAX];
    sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
    struct sq_rtp_packet p = packet(10, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    p = packet(12, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    unsigned asked = 0;
    uint64_t last_ms = 0;
    while (sq_rtp_receiver_next_ns(&r) != SQ_NEVER) {
        uint64_t at_ms = sq_rtp_receiver_next_ns(&r) / MS;
        assert_true(at_ms <= 600);
        size_t n = nacks_at(&r, at_ms, 5, seqs);
        if (n) {
            assert_true(asked == 0 ? at_ms == 10 : at_ms - last_ms == 20); /* at least 20 ms */
            last_ms = at_ms;
            asked++;
        }
    }
    assert_int_equal(asked, 10);
    assert_false(r.key_frame_needed); /* it may have been padding: who plays it knows */
    assert_int_equal(r.packets_abandoned, 1);
    assert_int_equal(stats_of(&r).packets_lost_residual, 1);

    /* With a long round trip there is time for three of them. */
    p = packet(14, 0);
    sq_rtp_receiver_on_packet(&r, 5000 * MS, &p);
    asked = 0;
    uint64_t end_ms = 0;
    while (sq_rtp_receiver_next_ns(&r) != SQ_NEVER) {
        end_ms = sq_rtp_receiver_next_ns(&r) / MS;
        asked += (unsigned)nacks_at(&r, end_ms, 400, seqs);
    }
    assert_int_equal(asked, 3);
    assert_int_equal(end_ms, 5000 + 1210);
    assert_false(r.key_frame_needed);
    /* It comes when nobody waits any more, and is still told apart. */
    p = packet(13, 0);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 6300 * MS, &p),
                     SQ_RTP_RX_NEW | SQ_RTP_RX_RETRANSMITTED);
}

/* What comes within half a round trip of the request was under way before. */
static void the_original_after_a_request_is_not_a_loss(void **state)
{
    struct sq_rtp_receiver r;
    uint16_t seqs[SQ_RTP_MISSING_MAX];
    sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
    struct sq_rtp_packet p = packet(10, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    p = packet(12, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    assert_int_equal(nacks_at(&r, 10, 100, seqs), 1);
    p = packet(11, 0);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 30 * MS, &p), SQ_RTP_RX_NEW | SQ_RTP_RX_LATE);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 115 * MS, &p), SQ_RTP_RX_DUPLICATE);
    assert_int_equal(stats_of(&r).packets_lost_network, 0);
}

/* After a second request the first one's answer may come at any time. */
static void the_answer_to_the_first_of_two_requests(void **state)
{
    struct sq_rtp_receiver r;
    uint16_t seqs[SQ_RTP_MISSING_MAX];
    sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
    struct sq_rtp_packet p = packet(10, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    p = packet(12, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    assert_int_equal(nacks_at(&r, 10, 50, seqs), 1);
    assert_int_equal(nacks_at(&r, 60, 50, seqs), 1);
    p = packet(11, 0);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 65 * MS, &p),
                     SQ_RTP_RX_NEW | SQ_RTP_RX_RETRANSMITTED);
}

/* A request is remembered for its own packet, not for the one that has its place in the window
 * later. */
static void requests_leave_the_window(void **state)
{
    struct sq_rtp_receiver r;
    uint16_t seqs[SQ_RTP_MISSING_MAX];
    sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
    for (unsigned n = 0; n < 20 + SQ_RTP_WINDOW; n++) {
        if (n == 10 || n == 10 + SQ_RTP_WINDOW) {
            continue;
        }
        struct sq_rtp_packet p = packet((uint16_t)n, 0);
        sq_rtp_receiver_on_packet(&r, n * MS, &p);
        if (n < 100) {
            (void)nacks_at(&r, n, 10, seqs);
        }
    }
    assert_true(r.nack_packets > 0);
    struct sq_rtp_packet p = packet(10 + SQ_RTP_WINDOW, 0);
    assert_int_equal(sq_rtp_receiver_on_packet(&r, 540 * MS, &p), SQ_RTP_RX_NEW | SQ_RTP_RX_LATE);
}

static void key_frames_and_repairs_end_the_asking(void **state)
{
    struct sq_rtp_receiver r;
    uint16_t seqs[SQ_RTP_MISSING_MAX];
    sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
    struct sq_rtp_packet p = packet(65530, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    p = packet(5, 0); /* ten missing */
    sq_rtp_receiver_on_packet(&r, 0, &p);
    assert_int_equal(r.missing_count, 10);
    assert_int_equal(sq_rtp_receiver_on_repair(&r, MS, 65531, 50),
                     SQ_RTP_RX_NEW | SQ_RTP_RX_RETRANSMITTED);
    assert_int_equal(sq_rtp_receiver_on_repair(&r, MS, 65531, 50), SQ_RTP_RX_DUPLICATE);
    assert_int_equal(sq_rtp_receiver_on_repair(&r, MS, 30000, 50), SQ_RTP_RX_TOO_OLD);
    sq_rtp_receiver_forget_before(&r, 2);
    assert_int_equal(sq_rtp_receiver_nacks(&r, 10 * MS, 0, seqs, 2), 2); /* room for two */
    assert_int_equal(seqs[0], 2);
    assert_int_equal(seqs[1], 3);
    assert_int_equal(sq_rtp_receiver_next_ns(&r), 10 * MS);
    assert_int_equal(nacks_at(&r, 10, 0, seqs), 1);
    assert_int_equal(seqs[0], 4);
    struct sq_rtp_inbound_stats s = stats_of(&r);
    assert_int_equal(s.packets_lost_network, 10);
    assert_int_equal(s.packets_lost_residual, 9);
    sq_rtp_receiver_forget_before(&r, 5);
    assert_int_equal(sq_rtp_receiver_next_ns(&r), SQ_NEVER);
}

static void too_many_missing_ask_for_a_key_frame(void **state)
{
    struct sq_rtp_receiver r;
    sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
    struct sq_rtp_packet p = packet(0, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    p = packet(501, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    assert_false(r.key_frame_needed);
    p = packet(1022, 0); /* 500 and 520: the oldest give way */
    sq_rtp_receiver_on_packet(&r, 0, &p);
    assert_int_equal(r.missing_count, SQ_RTP_MISSING_MOST);
    assert_int_equal(r.more[0].seq, 21);
    assert_int_equal(r.packets_abandoned, 20);
    assert_true(r.key_frame_needed);
    p = packet(1022 + 1100, 0); /* further than the window */
    sq_rtp_receiver_on_packet(&r, MS, &p);
    assert_int_equal(r.missing_count, 0);
    assert_null(r.more);
    assert_int_equal(stats_of(&r).packets_lost_residual, 1020 + 1099);
    sq_rtp_receiver_close(&r);
}

/* A burst that is longer than the list of the struct: all of it is asked for, in as many messages
 * as it takes, and the memory for it goes with the last packet. */
static void a_long_burst_is_asked_for(void **state)
{
    struct sq_rtp_receiver r;
    uint16_t seqs[256];
    const unsigned lost = 900;
    sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
    struct sq_rtp_packet p = packet(65000, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    p = packet((uint16_t)(65001 + lost), 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    assert_int_equal(r.missing_count, lost);
    assert_false(r.key_frame_needed);
    unsigned asked = 0;
    while (sq_rtp_receiver_next_ns(&r) <= 10 * MS) {
        size_t n = sq_rtp_receiver_nacks(&r, 10 * MS, 50 * MS, seqs, 256);
        assert_true(n > 0);
        for (size_t i = 0; i < n; i++) {
            assert_int_equal(seqs[i], (uint16_t)(65001 + asked++));
        }
    }
    assert_int_equal(asked, lost);
    for (unsigned i = 0; i < lost; i++) {
        assert_non_null(r.more);
        p = packet((uint16_t)(65001 + i), 0);
        assert_int_equal(sq_rtp_receiver_on_packet(&r, 100 * MS, &p),
                         SQ_RTP_RX_NEW | SQ_RTP_RX_RETRANSMITTED);
    }
    assert_null(r.more);
    assert_int_equal(sq_rtp_receiver_next_ns(&r), SQ_NEVER);
    assert_int_equal(stats_of(&r).packets_lost_residual, 0);
    assert_int_equal(stats_of(&r).packets_lost_network, lost);
    /* and few missing ones need none */
    p = packet((uint16_t)(65001 + lost + SQ_RTP_MISSING_MAX + 1), 0);
    sq_rtp_receiver_on_packet(&r, 200 * MS, &p);
    assert_int_equal(r.missing_count, SQ_RTP_MISSING_MAX);
    assert_null(r.more);
    sq_rtp_receiver_close(&r);
    /* The owner may want less. */
    sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
    r.missing_most = 80;
    p = packet(0, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    p = packet(81, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    assert_int_equal(r.missing_count, 80);
    p = packet(163, 0);
    sq_rtp_receiver_on_packet(&r, 0, &p);
    assert_int_equal(r.missing_count, 0);
    assert_true(r.key_frame_needed);
    sq_rtp_receiver_close(&r);
}

static void sender_reports(void **state)
{
    struct sq_rtp_receiver r;
    struct sq_rtcp_block b;
    struct sq_rtp_remote_outbound_stats o;
    uint64_t ntp = 0;
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, false);
    assert_false(sq_rtp_receiver_ntp_of(&r, 0, &ntp));
    give(&r, 0, 0, 0);
    struct sq_rtcp_report sr = {.is_sr = true,
                                .ssrc = 7,
                                .ntp = 0xb44db70520000000ULL,
                                .rtp_ts = 0xffffff00u,
                                .packets = 0xfffffff0u,
                                .octets = 0xffffff00u};
    sq_rtp_receiver_on_sr(&r, 2000 * MS, &sr);
    /* The example of RFC 3550, 6.4.1: LSR 0xb705:2000, DLSR 5.250 s = 0x0005:4000. */
    assert_true(sq_rtp_receiver_report(&r, 7250 * MS, &b));
    assert_int_equal(b.lsr, 0xb7052000);
    assert_int_equal(b.dlsr, 0x00054000);
    assert_true(sq_rtp_receiver_ntp_of(&r, 0xffffff00u + 24000, &ntp));
    assert_true(ntp == 0xb44db705a0000000ULL);
    assert_true(sq_rtp_receiver_ntp_of(&r, 0xffffff00u - 72000, &ntp));
    assert_true(ntp == 0xb44db703a0000000ULL);
    sr.packets = 0x10; /* both counters wrap */
    sr.octets = 0x100;
    sq_rtp_receiver_on_sr(&r, 3000 * MS, &sr);
    sq_rtp_receiver_remote_stats(&r, &o);
    assert_true(o.packets_sent == 0x100000010ULL);
    assert_true(o.bytes_sent == 0x100000100ULL);
    assert_int_equal(o.reports_sent, 2);
    assert_true(o.remote_ntp == sr.ntp);
}

/* Any sequence of numbers and times leaves the struct whole. */
static void hostile_sequences(void **state)
{
    struct sq_rand rand;
    sq_rand_seed(&rand, 9);
    for (unsigned round = 0; round < 200; round++) {
        struct sq_rtp_receiver r;
        uint16_t seqs[SQ_RTP_MISSING_MAX];
        uint64_t now = 1000 * MS;
        uint16_t seq = (uint16_t)sq_rand_u32(&rand);
        uint64_t new_packets = 0, wild = 0;
        sq_rtp_receiver_init(&r, 7, 90000, SQ_RTP_VIDEO, true);
        for (unsigned i = 0; i < 2000; i++) {
            uint32_t step = sq_rand_below(&rand, 100);
            seq = (uint16_t)(step < 70   ? seq + 1u
                             : step < 90 ? seq + sq_rand_below(&rand, 40) - 15
                             : step < 98 ? seq + sq_rand_below(&rand, 2000) - 900
                                         : sq_rand_u32(&rand));
            now += sq_rand_below(&rand, 20000000);
            struct sq_rtp_packet p =
                packet(seq, step == 99 ? sq_rand_u32(&rand) : (uint32_t)(now / 11111));
            unsigned flags = sq_rtp_receiver_on_packet(&r, now, &p);
            new_packets += (flags & SQ_RTP_RX_NEW) != 0;
            wild += (flags & SQ_RTP_RX_RESTART) != 0;
            assert_true(r.missing_count <= SQ_RTP_MISSING_MOST);
            assert_true(r.more || r.missing_count <= SQ_RTP_MISSING_MAX);
            assert_true(!r.more || r.missing_count > 0);
            assert_true(r.unasked_count <= r.missing_count);
            assert_int_equal(r.missing_count == 0, sq_rtp_receiver_next_ns(&r) == SQ_NEVER);
            size_t n = sq_rtp_receiver_nacks(&r, now, sq_rand_below(&rand, 300000000), seqs,
                                             1 + sq_rand_below(&rand, SQ_RTP_MISSING_MAX));
            for (size_t k = 0; k < n; k++) { /* never asks for what is there */
                uint64_t behind = (uint16_t)((uint16_t)r.highest_ext - seqs[k]);
                uint64_t ext = r.highest_ext - behind;
                assert_true(behind >= SQ_RTP_WINDOW ||
                            !(r.seen[ext % SQ_RTP_WINDOW / 64] >> (ext % 64) & 1));
            }
        }
        struct sq_rtp_inbound_stats s = stats_of(&r);
        /* Distinct packets and holes add up to what was expected. */
        assert_int_equal(s.packets_expected, new_packets + wild + s.packets_lost_residual);
        sq_rtp_receiver_close(&r);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(counts_from_the_first_packet),
        cmocka_unit_test(reordering_and_duplicates),
        cmocka_unit_test(fraction_is_of_the_interval),
        cmocka_unit_test(a_wild_packet_is_not_a_restart),
        cmocka_unit_test(a_restart_close_by),
        cmocka_unit_test(too_old_is_no_restart),
        cmocka_unit_test(a_long_outage_is_loss),
        cmocka_unit_test(heavy_loss_is_counted_exactly),
        cmocka_unit_test(jitter_agrees_with_a_8),
        cmocka_unit_test(jitter_worked_by_hand),
        cmocka_unit_test(jitter_of_frames),
        cmocka_unit_test(asks_after_reordering_had_its_chance),
        cmocka_unit_test(asks_by_time_and_gives_up),
        cmocka_unit_test(the_original_after_a_request_is_not_a_loss),
        cmocka_unit_test(the_answer_to_the_first_of_two_requests),
        cmocka_unit_test(requests_leave_the_window),
        cmocka_unit_test(key_frames_and_repairs_end_the_asking),
        cmocka_unit_test(too_many_missing_ask_for_a_key_frame),
        cmocka_unit_test(a_long_burst_is_asked_for),
        cmocka_unit_test(sender_reports),
        cmocka_unit_test(hostile_sequences),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
