/* Transport-wide feedback: messages laid out by hand from the draft, the recorder and the log
 * against random arrivals, and hostile messages. */
#include "base/mem.h"
#include "base/rand.h"
#include "peer/rtp/twcc.h"
#include "peer/twcc_help.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

/* Base 65534, 17 packets, reference 0x010203, message 9. The chunks: a run of 4 small deltas; the
 * two-bit vector 2 0 1 2 1 0 0; a one-bit vector of which the first six count: 1 0 0 1 1 0. */
static const uint8_t by_hand[] = {
    0xaf, 205,  0,   10,                        /* P, FMT 15, ten words */
    0,    0,    0,   1,    0,    0,    0,    2, /* SSRCs */
    0xff, 0xfe, 0,   17,   0x01, 0x02, 0x03, 9, /* base, count, reference, message */
    0x20, 0x04,                                 /* run: symbol 1, 4 times */
    0xe1, 0x90,                                 /* 11 10 00 01 10 01 00 00 */
    0xa6, 0x00,                                 /* 10 100110 00000000 */
    4,    0,    255, 1,                         /* the run's deltas */
    0x01, 0x00, 8,   0xff, 0xfe, 16,            /* 256; 8; -2; 16 */
    1,    2,    3,                              /* the vector's */
    0,    0,    0,   0,    5};                  /* padding of five (any length is allowed) */

static void message_by_hand(void **state)
{
    struct sq_rtcp_twcc fb = {0};
    uint8_t bytes[sizeof(by_hand)];
    memcpy(bytes, by_hand, sizeof(bytes));
    assert_int_equal(sizeof(by_hand), 44);
    assert_int_equal(parse(bytes, sizeof(bytes), &fb), 0);
    assert_int_equal(fb.sender_ssrc, 1);
    assert_int_equal(fb.media_ssrc, 2);
    assert_int_equal(fb.base_seq, 65534);
    assert_int_equal(fb.status_count, 17);
    assert_int_equal(fb.reference_time, 0x010203);
    assert_int_equal(fb.fb_count, 9);
    assert_int_equal(fb.chunk_bytes, 6);
    assert_int_equal(fb.delta_bytes, 13);
    const int deltas[17] = {4, 0, 255, 1, 256, -1, 8, -2, 16, -1, -1, 1, -1, -1, 2, 3, -1};
    const bool got[17] = {1, 1, 1, 1, 1, 0, 1, 1, 1, 0, 0, 1, 0, 0, 1, 1, 0};
    struct sq_rtcp_twcc_iter it = sq_rtcp_twcc_iter(&fb);
    struct sq_rtcp_twcc_status st;
    int64_t at = 0x010203 * 256LL;
    for (size_t i = 0; i < 17; i++) {
        assert_true(sq_rtcp_twcc_next(&it, &st));
        assert_int_equal(st.seq, (uint16_t)(65534 + i));
        assert_int_equal(st.received, got[i]);
        if (got[i]) {
            at += deltas[i];
            assert_int_equal(st.at_ticks, at);
        }
    }
    assert_false(sq_rtcp_twcc_next(&it, &st));
    bytes[16] = 0x80; /* a reference time below zero */
    assert_int_equal(parse(bytes, sizeof(bytes), &fb), 0);
    assert_int_equal(fb.reference_time, 0x800203 - 0x1000000);
}

static void messages_that_lie(void **state)
{
    struct sq_rtcp_twcc fb = {0};
    const struct {
        size_t at;
        uint8_t to;
        int err;
    } cases[] = {
        {15, 0, SQ_ERR_FORMAT},     /* no status at all */
        {14, 0xff, SQ_ERR_FORMAT},  /* more statuses: deltas are taken for chunks */
        {20, 0x60, SQ_ERR_FORMAT},  /* the reserved symbol in a run */
        {22, 0xf1, SQ_ERR_FORMAT},  /* and in a vector */
        {21, 0, SQ_ERR_FORMAT},     /* a run of none */
        {43, 6, SQ_ERR_TRUNCATED},  /* padding that eats a delta */
        {43, 24, SQ_ERR_TRUNCATED}, /* and all chunks but one */
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        uint8_t bytes[sizeof(by_hand)];
        memcpy(bytes, by_hand, sizeof(bytes));
        bytes[cases[i].at] = cases[i].to;
        fb.fb_count = 77;
        assert_int_equal(parse(bytes, sizeof(bytes), &fb), cases[i].err);
        assert_int_equal(fb.fb_count, 77);
    }
}

/* The builder's bytes: 21 small deltas as a run, then 0 0 1 0 0 0 0 0 0 0 0 0 0 1 in one-bit form,
 * then 2 0 0 1 2 0 in two-bit form. */
static void builder_by_hand(void **state)
{
    const uint8_t want[] = {
        0xaf, 205,  0, 13, 0,    0,    0,    1,    0,    0,  0,    2, /* length: fourteen words */
        0xff, 0xfe, 0, 41, 0xff, 0xff, 0xff, 3,    0x20, 21, 0x88, 0x01, 0xe0, 0x60, 1,
        1,    1,    1, 1,  1,    1,    1,    1,    1,    1,  1,    1,    1,    1,    1,
        1,    1,    1, 1,  1,    1,    1,    0xff, 0xfb, 1,  0xff, 0xfb, 0,    2};
    const struct sq_rtcp_twcc_mark small = {.received = true, .delta_ticks = 1};
    const struct sq_rtcp_twcc_mark large = {.received = true, .delta_ticks = -5};
    struct sq_rtcp_twcc_mark marks[41] = {{0}};
    const struct sq_rtcp_twcc fb = {
        .sender_ssrc = 1, .media_ssrc = 2, .base_seq = 65534, .reference_time = -1, .fb_count = 3};
    uint8_t out[128];
    for (size_t i = 0; i < 21; i++) {
        marks[i] = small;
    }
    marks[23] = marks[34] = marks[38] = small;
    marks[35] = marks[39] = large;
    struct sq_wire w = sq_wire_writer(out, sizeof(out));
    sq_rtcp_put_twcc(&w, &fb, marks, 41);
    assert_int_equal(w.err, 0);
    assert_int_equal(w.pos, sizeof(want));
    assert_memory_equal(out, want, sizeof(want));
}

static void random_messages_come_back(void **state)
{
    struct sq_rand rand;
    sq_rand_seed(&rand, 21);
    static struct sq_rtcp_twcc_mark marks[3000];
    static uint8_t out[16384];
    for (unsigned round = 0; round < 3000; round++) {
        size_t n = 1 + sq_rand_below(&rand, round % 50 ? 100 : 3000);
        unsigned loss = sq_rand_below(&rand, 4) * 33, large = sq_rand_below(&rand, 4) * 30;
        unsigned stay = 1 + sq_rand_below(&rand, 30);
        for (size_t i = 0; i < n; i++) {
            if (i > 0 && sq_rand_below(&rand, stay)) {
                marks[i] = marks[i - 1];
                continue;
            }
            marks[i].received = sq_rand_below(&rand, 100) >= loss;
            marks[i].delta_ticks =
                (int16_t)(sq_rand_below(&rand, 100) < large ? sq_rand_u32(&rand)
                                                            : sq_rand_below(&rand, 256));
        }
        struct sq_rtcp_twcc fb = {.base_seq = (uint16_t)sq_rand_u32(&rand),
                                  .reference_time =
                                      (int32_t)(sq_rand_below(&rand, 1 << 24)) - (1 << 23),
                                  .fb_count = (uint8_t)round};
        struct sq_wire w = sq_wire_writer(out, sizeof(out));
        sq_rtcp_put_twcc(&w, &fb, marks, n);
        assert_int_equal(w.err, 0);
        struct sq_rtcp_twcc back;
        assert_int_equal(parse(out, w.pos, &back), 0);
        assert_int_equal(back.base_seq, fb.base_seq);
        assert_int_equal(back.status_count, n);
        assert_int_equal(back.reference_time, fb.reference_time);
        struct sq_rtcp_twcc_iter it = sq_rtcp_twcc_iter(&back);
        struct sq_rtcp_twcc_status st;
        int64_t at = fb.reference_time * 256LL;
        for (size_t i = 0; i < n; i++) {
            assert_true(sq_rtcp_twcc_next(&it, &st));
            assert_int_equal(st.seq, (uint16_t)(fb.base_seq + i));
            assert_int_equal(st.received, marks[i].received);
            at += marks[i].received ? marks[i].delta_ticks : 0;
            assert_int_equal(st.at_ticks, at);
        }
        assert_false(sq_rtcp_twcc_next(&it, &st));
    }
}

/* Log and recorder over a channel that loses, delays and reorders; feedback itself may be lost. */
struct link {
    struct sq_rand rand;
    struct sq_twcc_log log;
    struct sq_twcc_recorder rec;
    unsigned loss, feedback_loss; /* per cent */
    uint64_t delay_ns, spread_ns, back_ns;
    uint64_t start_ns;
    int64_t clock_off_ns; /* receiver's clock less ours */
    unsigned arrivals, lost, told_received, told_lost, told_recovered;
    uint64_t rtt_least_ns;
};

struct flight {
    uint64_t at_ns;
    uint64_t sent_ns;
    uint16_t seq;
    bool lost;
};

static void take_feedback(struct link *l, uint64_t now_ns, const uint8_t *bytes, size_t len,
                          const struct flight *flights, unsigned sent)
{
    static struct sq_twcc_result results[SQ_TWCC_LOG_DEFAULT];
    struct sq_twcc_summary sum;
    struct sq_rtcp_twcc fb = {0};
    unsigned received = 0, lost = 0;
    assert_int_equal(parse(bytes, len, &fb), 0);
    assert_int_equal(fb.media_ssrc, 5);
    size_t n = sq_twcc_log_on_feedback(&l->log, now_ns, &fb, results, SQ_TWCC_LOG_DEFAULT, &sum);
    static int64_t zero; /* the receiver's zero of time, told by the first arrival */
    for (size_t i = 0; i < n; i++) {
        const struct flight *f =
            &flights[sent - 1 - (uint16_t)(flights[sent - 1].seq - results[i].seq)];
        assert_int_equal(f->seq, results[i].seq);
        assert_int_equal(results[i].sent_ns, f->sent_ns / 1000 * 1000);
        assert_int_equal(results[i].size_bytes, 1000);
        if (!results[i].received) {
            lost++;
            continue;
        }
        assert_false(f->lost);
        received++;
        l->told_recovered += results[i].was_lost;
        /* Within a tick of 250 us, all the way, however often 24 bits wrap. */
        int64_t off = results[i].arrival_ns - (int64_t)f->at_ns;
        zero = l->told_received == 0 && received == 1 ? off : zero;
        assert_true(off - zero <= 250000 && off - zero >= -250000);
    }
    assert_int_equal(sum.received, received);
    assert_int_equal(sum.lost, lost);
    assert_int_equal(sum.received_bytes, received * 1000);
    if (received) {
        l->rtt_least_ns = sq_min_u64(l->rtt_least_ns, sum.rtt_ns);
    }
    l->told_received += received;
    l->told_lost += lost;
}

static void run(struct link *l, uint64_t seed, unsigned packets)
{
    struct flight *flights = calloc(packets, sizeof(*flights));
    bool *landed = calloc(packets, sizeof(*landed));
    assert_true(flights && landed);
    sq_rand_seed(&l->rand, seed);
    l->rtt_least_ns = SQ_NEVER;
    assert_int_equal(sq_twcc_log_init(&l->log, SQ_TWCC_LOG_DEFAULT, (uint16_t)(65536 - 100)), 0);
    assert_int_equal(sq_twcc_recorder_init(&l->rec, 512, 0), 0);
    unsigned sent = 0, low = 0;
    uint64_t end_ns = packets * 6 * MS + 1000 * MS;
    struct {
        uint64_t at_ns;
        size_t len;
        uint8_t bytes[1200];
    } *back = calloc(64, sizeof(*back));
    size_t back_count = 0;
    assert_non_null(back);
    for (uint64_t t = 0; t < end_ns; t += MS) {
        uint64_t now_ns = l->start_ns + t;
        if (t % (6 * MS) == 0 && sent < packets) {
            struct flight *f = &flights[sent++];
            f->sent_ns = now_ns;
            f->seq = sq_twcc_log_take(&l->log, now_ns, 1000, 0);
            f->lost = sq_rand_below(&l->rand, 100) < l->loss && sent > 1;
            f->at_ns =
                now_ns + l->delay_ns + (l->spread_ns ? sq_rand_u64(&l->rand) % l->spread_ns : 0);
            l->lost += f->lost;
        }
        for (unsigned i = low; i < sent; i++) {
            if (!landed[i] && (flights[i].lost || flights[i].at_ns <= now_ns)) {
                landed[i] = true;
                if (!flights[i].lost) {
                    l->arrivals++;
                    sq_twcc_recorder_on_packet(
                        &l->rec, (uint64_t)((int64_t)flights[i].at_ns + l->clock_off_ns),
                        flights[i].seq, 5);
                }
            }
            low += i == low && landed[i];
        }
        uint64_t there_ns = (uint64_t)((int64_t)now_ns + l->clock_off_ns);
        while (sq_twcc_recorder_next_ns(&l->rec) <= there_ns) {
            struct sq_wire w = sq_wire_writer(back[back_count].bytes, sizeof(back->bytes));
            if (!sq_twcc_recorder_build(&l->rec, there_ns, 1, &w)) {
                break;
            }
            assert_int_equal(w.err, 0);
            if (sq_rand_below(&l->rand, 100) >= l->feedback_loss) {
                back[back_count].len = w.pos;
                back[back_count++].at_ns = now_ns + l->back_ns;
            }
        }
        while (back_count && back[0].at_ns <= now_ns) {
            take_feedback(l, now_ns, back[0].bytes, back[0].len, flights, sent);
            memmove(back, back + 1, --back_count * sizeof(*back));
        }
    }
    free(back);
    free(flights);
    free(landed);
}

static void finish(struct link *l)
{
    sq_twcc_log_close(&l->log);
    sq_twcc_recorder_close(&l->rec);
}

static void a_clean_link(void **state)
{
    /* 24 bits of reference time wrap after 12.4 days: start just before that, on the far clock. */
    struct link l = {.delay_ns = 30 * MS,
                     .back_ns = 20 * MS,
                     .start_ns = 1000 * MS,
                     .clock_off_ns = (int64_t)((1ULL << 24) * 64 * MS - 20000 * MS)};
    run(&l, 1, 20000);
    assert_int_equal(l.told_received, 20000);
    assert_int_equal(l.told_lost, 0);
    assert_int_equal(l.log.packets_acked, 20000);
    assert_true(l.rtt_least_ns >= 50 * MS && l.rtt_least_ns <= 57 * MS);
    assert_true(l.rec.feedbacks >= 1100 && l.rec.feedbacks <= 1210); /* one each 100 ms of 120 s */
    finish(&l);
}

static void loss_is_told(void **state)
{
    for (unsigned loss = 5; loss <= 50; loss += 15) {
        struct link l = {.delay_ns = 10 * MS, .back_ns = 10 * MS, .start_ns = MS, .loss = loss};
        run(&l, loss, 20000);
        assert_int_equal(l.arrivals + l.lost, 20000);
        assert_int_equal(l.told_received, l.arrivals);
        /* Those behind the last arrival are told of by nobody. */
        assert_true(l.told_lost <= l.lost && l.told_lost + 10 >= l.lost);
        assert_int_equal(l.log.packets_lost, l.told_lost);
        finish(&l);
    }
}

static void late_packets_are_told_again(void **state)
{
    struct link l = {.delay_ns = 10 * MS,
                     .spread_ns = 90 * MS,
                     .back_ns = 10 * MS,
                     .start_ns = 5 * MS,
                     .loss = 10};
    run(&l, 4, 20000);
    assert_int_equal(l.told_received, l.arrivals);
    assert_true(l.told_recovered > 100);
    assert_true(l.log.packets_lost <= l.lost && l.log.packets_lost + 20 >= l.lost);
    assert_int_equal(l.log.packets_acked, l.arrivals);
    finish(&l);
}

static void lost_feedback_leaves_packets_unknown(void **state)
{
    struct link l = {
        .delay_ns = 10 * MS, .back_ns = 10 * MS, .start_ns = MS, .loss = 10, .feedback_loss = 20};
    run(&l, 5, 20000);
    assert_true(l.told_received < l.arrivals * 9 / 10 && l.told_received > l.arrivals * 7 / 10);
    assert_true(l.told_lost < l.lost);
    finish(&l);
}

static void recorder_bounds(void **state)
{
    struct sq_twcc_recorder r;
    struct sq_rtcp_twcc fb = {0};
    uint8_t out[1500];
    assert_int_equal(sq_twcc_recorder_init(&r, 100, 0), SQ_ERR_INVALID);
    assert_int_equal(sq_twcc_recorder_init(&r, 32768, 0), SQ_ERR_INVALID);
    assert_int_equal(sq_twcc_recorder_init(&r, 512, 49 * MS), SQ_ERR_INVALID);
    assert_int_equal(sq_twcc_recorder_init(&r, 512, 251 * MS), SQ_ERR_INVALID);
    assert_int_equal(sq_twcc_recorder_init(&r, 512, 0), 0);
    assert_int_equal(sq_twcc_recorder_next_ns(&r), SQ_NEVER);
    assert_false(build(&r, 0, out, sizeof(out), &fb));

    sq_twcc_recorder_on_packet(&r, 1000 * MS, 10, 5);
    assert_int_equal(sq_twcc_recorder_next_ns(&r), 1100 * MS);
    sq_twcc_recorder_on_packet(&r, 1001 * MS, 10, 5); /* a duplicate */
    assert_int_equal(r.packets_ignored, 1);
    assert_false(build(&r, 1100 * MS, out, 63, &fb)); /* no room */
    assert_true(build(&r, 1100 * MS, out, 64, &fb));
    assert_int_equal(fb.base_seq, 10);
    assert_int_equal(fb.status_count, 1);
    assert_int_equal(fb.reference_time, 1000 / 64);
    assert_int_equal(sq_twcc_recorder_next_ns(&r), SQ_NEVER);

    /* A gap wider than the ring: what lies before it is forgotten. */
    sq_twcc_recorder_on_packet(&r, 2000 * MS, 11, 5);
    sq_twcc_recorder_on_packet(&r, 2001 * MS, 11 + 600, 5);
    sq_twcc_recorder_on_packet(&r, 2002 * MS, 11 + 601, 5);
    assert_true(build(&r, 2100 * MS, out, sizeof(out), &fb));
    assert_int_equal(fb.base_seq, 611);
    assert_int_equal(fb.status_count, 2);
    assert_false(build(&r, 2100 * MS, out, sizeof(out), &fb));

    /* Older than the ring: two in a row are a new start. */
    sq_twcc_recorder_on_packet(&r, 3000 * MS, 50000, 5);
    assert_int_equal(r.packets_ignored, 2);
    sq_twcc_recorder_on_packet(&r, 3001 * MS, 50001, 5);
    assert_true(build(&r, 3100 * MS, out, sizeof(out), &fb));
    assert_int_equal(fb.base_seq, 50001);
    assert_int_equal(fb.fb_count, 2);

    /* Arrivals further apart than 16 bits of delta (8.19 s): one message each. */
    sq_twcc_recorder_on_packet(&r, 4000 * MS, 50002, 5);
    sq_twcc_recorder_on_packet(&r, 12100 * MS, 50003, 5);
    sq_twcc_recorder_on_packet(&r, 20400 * MS, 50004, 5);
    assert_true(build(&r, 20500 * MS, out, sizeof(out), &fb));
    assert_int_equal(fb.status_count, 2);
    assert_true(sq_twcc_recorder_next_ns(&r) <= 20500 * MS);
    assert_true(build(&r, 20500 * MS, out, sizeof(out), &fb));
    assert_int_equal(fb.base_seq, 50004);
    assert_int_equal(fb.reference_time, 20400 / 64);
    sq_twcc_recorder_close(&r);
    sq_twcc_recorder_close(&r);
    sq_twcc_recorder_close(NULL);
}

static void interval_is_chromiums(void **state)
{
    /* 68 bytes are 5 % of the rate; then up to the next 1/64 s. */
    assert_int_equal(sq_twcc_interval_ns(0), 250 * MS);
    assert_int_equal(sq_twcc_interval_ns(43520), 250 * MS);
    assert_int_equal(sq_twcc_interval_ns(44000), 250 * MS);   /* 247.3 */
    assert_int_equal(sq_twcc_interval_ns(84642), 140625000);  /* 128.5 */
    assert_int_equal(sq_twcc_interval_ns(108800), 109375000); /* 100 */
    assert_int_equal(sq_twcc_interval_ns(158952), 78125000);  /* 68.4 */
    assert_int_equal(sq_twcc_interval_ns(174080), 62500000);  /* 62.5 */
    assert_int_equal(sq_twcc_interval_ns(300000), 62500000);  /* 50 at least */
    assert_int_equal(sq_twcc_interval_ns(UINT64_MAX), 62500000);
}

/* Feedback in a second, with a packet every `gap_ns` and a time-out that comes up to 2 ms late. */
static unsigned feedbacks_of(struct sq_twcc_recorder *r, uint64_t *now_ns, uint64_t gap_ns)
{
    struct sq_rtcp_twcc fb = {0};
    uint8_t out[1500];
    unsigned n = 0;
    uint16_t seq = (uint16_t)r->end_ext;
    uint64_t end_ns = *now_ns + 10000 * MS;
    uint64_t packet_ns = *now_ns;
    for (; *now_ns < end_ns; *now_ns += MS / 4) {
        if (*now_ns >= packet_ns) {
            sq_twcc_recorder_on_packet(r, *now_ns, seq++, 5);
            packet_ns += gap_ns;
        }
        if (sq_twcc_recorder_next_ns(r) <= *now_ns - 2 * MS) {
            assert_true(build(r, *now_ns, out, sizeof(out), &fb));
            n++;
        }
    }
    return n;
}

static void feedback_keeps_its_intervals(void **state)
{
    struct sq_twcc_recorder r;
    uint64_t now_ns = 5000 * MS;
    assert_int_equal(sq_twcc_recorder_init(&r, 256, 0), 0);
    sq_twcc_recorder_set_interval(&r, sq_twcc_interval_ns(300000));
    assert_in_range(feedbacks_of(&r, &now_ns, 6 * MS), 159, 160);
    assert_in_range(feedbacks_of(&r, &now_ns, 20 * MS), 159, 161);
    sq_twcc_recorder_set_interval(&r, sq_twcc_interval_ns(84642));
    assert_in_range(feedbacks_of(&r, &now_ns, 20 * MS), 70, 72);
    /* Less often than the interval: as often as there is something to tell, within an interval. */
    assert_in_range(feedbacks_of(&r, &now_ns, 400 * MS), 24, 26);
    now_ns = 1000000 * MS;
    sq_twcc_recorder_on_packet(&r, now_ns, (uint16_t)r.end_ext, 5);
    assert_true(sq_twcc_recorder_next_ns(&r) > now_ns);
    assert_true(sq_twcc_recorder_next_ns(&r) <= now_ns + sq_twcc_interval_ns(84642));
    sq_twcc_recorder_close(&r);
}

/* A large ring full of news, little room: several messages, and nothing is told twice or left out.
 */
static void many_messages_in_little_room(void **state)
{
    struct sq_twcc_recorder r;
    struct sq_rtcp_twcc fb = {0};
    struct sq_rand rand;
    uint8_t out[1500];
    sq_rand_seed(&rand, 6);
    for (size_t room = 64; room <= 1500; room += 359) {
        assert_int_equal(sq_twcc_recorder_init(&r, 8192, 50 * MS), 0);
        unsigned given = 0, told = 0;
        for (unsigned i = 0; i < 8000; i++) {
            bool hole = i > 2000 && i < 3000; /* within what a message can tell of */
            if (i == 0 || i == 7999 || (!hole && sq_rand_below(&rand, 3))) {
                sq_twcc_recorder_on_packet(&r,
                                           1000 * MS + i * 300000 + sq_rand_below(&rand, 90000000),
                                           (uint16_t)(60000 + i), 5);
                given++;
            }
        }
        uint16_t next = 60000;
        while (build(&r, 9000 * MS, out, room, &fb)) {
            struct sq_rtcp_twcc_iter it = sq_rtcp_twcc_iter(&fb);
            struct sq_rtcp_twcc_status st;
            assert_true(fb.base_seq == next || (uint16_t)(fb.base_seq - 62000) < 1100);
            next = (uint16_t)(fb.base_seq + fb.status_count);
            while (sq_rtcp_twcc_next(&it, &st)) {
                told += st.received;
            }
            assert_true(st.received); /* ends with an arrival */
        }
        assert_int_equal(told, given);
        assert_int_equal(next, (uint16_t)(60000 + 8000));
        sq_twcc_recorder_close(&r);
    }
}

static void log_passes_over_what_it_does_not_hold(void **state)
{
    struct sq_twcc_log l = {0};
    struct sq_twcc_result results[64];
    struct sq_twcc_summary sum;
    assert_int_equal(sq_twcc_log_init(&l, 48, 0), SQ_ERR_INVALID);
    assert_int_equal(sq_twcc_log_init(&l, 64, 0), 0);
    /* A message about packets that were never sent: a run of 8191. */
    uint8_t bytes[] = {0x8f, 205, 0,    5,    0, 0, 0, 1, 0,    0,    0, 2,
                       0,    0,   0x1f, 0xff, 0, 0, 1, 0, 0x1f, 0xff, 0, 0};
    struct sq_rtcp_twcc fb = {0};
    assert_int_equal(parse(bytes, sizeof(bytes), &fb), 0);
    assert_int_equal(sq_twcc_log_on_feedback(&l, 0, &fb, results, 64, &sum), 0);
    for (unsigned i = 0; i < 10; i++) {
        assert_int_equal(sq_twcc_log_take(&l, i * MS, 100, 0), i);
    }
    assert_int_equal(sq_twcc_log_on_feedback(&l, 20 * MS, &fb, results, 64, &sum), 10);
    assert_int_equal(sum.lost, 10);
    assert_int_equal(sum.rtt_ns, 0);
    assert_int_equal(sq_twcc_log_on_feedback(&l, 20 * MS, &fb, results, 64, &sum), 0); /* no news */
    for (unsigned i = 10; i < 1000; i++) { /* of these it holds the last 64 */
        assert_int_equal(sq_twcc_log_take(&l, i * MS, 100, 0), i);
    }
    assert_int_equal(sq_twcc_log_on_feedback(&l, 1000 * MS, &fb, results, 64, &sum), 64);
    assert_int_equal(results[0].seq, 1000 - 64);
    sq_twcc_log_close(&l);
    sq_twcc_log_close(&l);
    sq_twcc_log_close(NULL);
}

/* Gaps at the receiver of 10 and 14 ms for packets sent 12 ms apart: variation 2 ms. */
static void delay_variation(void **state)
{
    struct sq_twcc_log l;
    struct sq_twcc_recorder r;
    struct sq_twcc_result results[64];
    struct sq_twcc_summary sum;
    struct sq_rtcp_twcc fb = {0};
    uint8_t out[256];
    assert_int_equal(sq_twcc_log_init(&l, 64, 9), 0);
    assert_int_equal(sq_twcc_recorder_init(&r, 64, 0), 0);
    for (unsigned i = 0; i < 9; i++) {
        uint16_t seq = sq_twcc_log_take(&l, 100 * MS + i * 12 * MS, 100, 0);
        sq_twcc_recorder_on_packet(&r, 500 * MS + i * 12 * MS + (i % 2 ? 2 : 0) * MS, seq, 5);
    }
    assert_true(build(&r, 700 * MS, out, sizeof(out), &fb));
    assert_int_equal(sq_twcc_log_on_feedback(&l, 300 * MS, &fb, results, 64, &sum), 9);
    assert_int_equal(sum.delay_var_ns, 2 * MS);
    assert_int_equal(sum.rtt_ns, (300 - 100 - 8 * 12) * MS);
    sq_twcc_log_close(&l);
    sq_twcc_recorder_close(&r);
}

/* Feedback that overtook another one: its reference time steps back, also across the wrap of 24
 * bits. */
static void feedback_out_of_order(void **state)
{
    struct sq_twcc_log l;
    struct sq_twcc_result results[4][4];
    struct sq_twcc_summary sum;
    const int32_t references[] = {0x7fffff, -0x800000, 0x7ffffe, -0x7fffff};
    const int64_t want[] = {0, 1, -1, 2};
    assert_int_equal(sq_twcc_log_init(&l, 64, 0), 0);
    for (unsigned i = 0; i < 4; i++) {
        const struct sq_rtcp_twcc_mark mark = {.received = true};
        const struct sq_rtcp_twcc build_fb = {.base_seq = (uint16_t)i,
                                              .reference_time = references[i]};
        struct sq_rtcp_twcc fb = {0};
        uint8_t out[64];
        (void)sq_twcc_log_take(&l, 0, 1, 0);
        struct sq_wire w = sq_wire_writer(out, sizeof(out));
        sq_rtcp_put_twcc(&w, &build_fb, &mark, 1);
        assert_int_equal(parse(out, w.pos, &fb), 0);
        assert_int_equal(sq_twcc_log_on_feedback(&l, 0, &fb, results[i], 4, &sum), 1);
        assert_int_equal(results[i][0].arrival_ns - results[0][0].arrival_ns,
                         want[i] * (int64_t)SQ_TWCC_REF_NS);
    }
    sq_twcc_log_close(&l);
}

static void failed_allocations(void **state)
{
    struct sq_twcc_log l = {.room = 99};
    struct sq_twcc_recorder r = {.room = 99};
    sq_mem_fail_at(1);
    assert_int_equal(sq_twcc_log_init(&l, 64, 0), SQ_ERR_NOMEM);
    sq_mem_fail_at(1);
    assert_int_equal(sq_twcc_recorder_init(&r, 64, 0), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    assert_int_equal(l.room, 99);
    assert_int_equal(r.room, 99);
}

static void hostile_numbers(void **state)
{
    struct sq_twcc_recorder r;
    struct sq_twcc_log l;
    struct sq_rand rand;
    sq_rand_seed(&rand, 13);
    assert_int_equal(sq_twcc_recorder_init(&r, 1024, 0), 0);
    assert_int_equal(sq_twcc_log_init(&l, 1024, 0), 0);
    uint64_t now_ns = 0;
    uint16_t seq = 0;
    unsigned built = 0;
    for (unsigned i = 0; i < 100000; i++) {
        now_ns += sq_rand_below(&rand, 100) ? sq_rand_below(&rand, 9000000)
                                            : sq_rand_u64(&rand) % (20000 * MS);
        seq = (uint16_t)(sq_rand_below(&rand, 50) ? seq + 1 + sq_rand_below(&rand, 8) - 3
                                                  : sq_rand_u32(&rand));
        (void)sq_twcc_log_take(&l, now_ns, 100, 0);
        sq_twcc_recorder_on_packet(&r, now_ns, seq, 5);
        assert_true(r.end_ext - r.start_ext <= 1024);
        while (sq_twcc_recorder_next_ns(&r) <= now_ns) {
            static struct sq_twcc_result results[1024];
            struct sq_twcc_summary sum;
            struct sq_rtcp_twcc fb = {0};
            uint8_t out[1300];
            if (!build(&r, now_ns, out, 64 + sq_rand_below(&rand, 1200), &fb)) {
                break;
            }
            built++;
            size_t n = sq_twcc_log_on_feedback(&l, now_ns, &fb, results, 1024, &sum);
            assert_true(n <= 1024 && n == sum.received + sum.lost);
        }
    }
    assert_true(built > 1000);
    sq_twcc_recorder_close(&r);
    sq_twcc_log_close(&l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(message_by_hand),
        cmocka_unit_test(messages_that_lie),
        cmocka_unit_test(builder_by_hand),
        cmocka_unit_test(random_messages_come_back),
        cmocka_unit_test(a_clean_link),
        cmocka_unit_test(loss_is_told),
        cmocka_unit_test(late_packets_are_told_again),
        cmocka_unit_test(lost_feedback_leaves_packets_unknown),
        cmocka_unit_test(recorder_bounds),
        cmocka_unit_test(interval_is_chromiums),
        cmocka_unit_test(feedback_keeps_its_intervals),
        cmocka_unit_test(many_messages_in_little_room),
        cmocka_unit_test(log_passes_over_what_it_does_not_hold),
        cmocka_unit_test(delay_variation),
        cmocka_unit_test(feedback_out_of_order),
        cmocka_unit_test(failed_allocations),
        cmocka_unit_test(hostile_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
