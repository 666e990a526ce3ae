/* A sender and a receiver over a simulated channel with known loss, delay and jitter, in virtual
 * time: what they report of it must be true. And the sender's history and counters. */
#include "base/mem.h"
#include "base/rand.h"
#include "peer/rtp/receiver.h"
#include "peer/rtp/sender.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define MS        SQ_NS_PER_MS
#define QUEUE_MAX 4096
#define WALL_NS   1700000000123456789ULL /* wall time when our clock stood at 0 */
#define SKEW_NS   987654321098ULL        /* the receiver's clocks run ahead by this */

enum what { MEDIA, SR, RR, NACK };

struct message {
    uint64_t at_ns; /* arrival, the sender's clock */
    uint64_t order;
    enum what what;
    size_t len;
    uint8_t bytes[256];
};

struct channel {
    struct sq_rand rand;
    double loss;
    uint64_t delay_ns;  /* one way */
    uint64_t jitter_ns; /* uniform above it */
    bool keep_order;
    uint64_t last_media_ns;
    uint64_t order;
    size_t count;
    struct message *queue; /* QUEUE_MAX */
    struct sq_rtp_sender sender;
    struct sq_rtp_receiver receiver;
    unsigned lost;        /* originals that the channel took */
    unsigned lost_resent; /* retransmissions that it took */
    unsigned resent;
    uint64_t report_packets_lost; /* of the last RR that was sent */
    double rtt_off_most_ms;
    unsigned rtt_count;
};

static void post(struct channel *c, uint64_t now_ns, enum what what, const void *bytes, size_t len)
{
    uint64_t delay = c->delay_ns;
    if (c->jitter_ns && what == MEDIA) {
        delay += (uint64_t)(sq_rand_unit(&c->rand) * (double)c->jitter_ns);
    }
    uint64_t at_ns = now_ns + delay;
    if (what == MEDIA && c->keep_order) {
        at_ns = sq_max_u64(at_ns, c->last_media_ns);
        c->last_media_ns = at_ns;
    }
    assert_true(c->count < QUEUE_MAX && len <= sizeof(c->queue->bytes));
    struct message *m = &c->queue[c->count++];
    *m = (struct message){.at_ns = at_ns, .order = c->order++, .what = what, .len = len};
    memcpy(m->bytes, bytes, len);
}

/* Takes the next message that has arrived; false if there is none. */
static bool fetch(struct channel *c, uint64_t now_ns, struct message *ret)
{
    size_t best = c->count;
    for (size_t i = 0; i < c->count; i++) {
        const struct message *m = &c->queue[i];
        if (m->at_ns <= now_ns &&
            (best == c->count || m->at_ns < c->queue[best].at_ns ||
             (m->at_ns == c->queue[best].at_ns && m->order < c->queue[best].order))) {
            best = i;
        }
    }
    if (best == c->count) {
        return false;
    }
    *ret = c->queue[best];
    c->queue[best] = c->queue[--c->count];
    return true;
}

static void send_media(struct channel *c, uint64_t now_ns, uint16_t seq, uint32_t ts, bool resent,
                       bool may_lose)
{
    uint8_t bytes[112] = {0};
    struct sq_wire w = sq_wire_writer(bytes, sizeof(bytes));
    struct sq_rtp_header h = {.pt = 96, .seq = seq, .ts = ts, .ssrc = c->sender.ssrc};
    sq_rtp_put_header(&w, &h, NULL, 0);
    if (may_lose && sq_rand_unit(&c->rand) < c->loss) {
        c->lost += !resent;
        c->lost_resent += resent;
        return;
    }
    post(c, now_ns, MEDIA, bytes, sizeof(bytes));
}

static void at_receiver(struct channel *c, const struct message *m)
{
    uint64_t now_ns = m->at_ns + SKEW_NS;
    if (m->what == MEDIA) {
        struct sq_rtp_packet p;
        assert_int_equal(sq_rtp_parse(m->bytes, m->len, &p), 0);
        sq_rtp_receiver_on_packet(&c->receiver, now_ns, &p);
        return;
    }
    struct sq_rtcp_iter it = sq_rtcp_iter(m->bytes, m->len);
    struct sq_rtcp_packet p;
    struct sq_rtcp_report sr;
    assert_true(sq_rtcp_next(&it, &p));
    assert_int_equal(sq_rtcp_parse_report(&p, &sr), 0);
    sq_rtp_receiver_on_sr(&c->receiver, now_ns, &sr);
}

static void at_sender(struct channel *c, const struct message *m)
{
    struct sq_rtcp_iter it = sq_rtcp_iter(m->bytes, m->len);
    struct sq_rtcp_packet p;
    assert_true(sq_rtcp_next(&it, &p));
    if (m->what == RR) {
        struct sq_rtcp_report rr;
        assert_int_equal(sq_rtcp_parse_report(&p, &rr), 0);
        struct sq_rtcp_block b = sq_rtcp_block_at(&rr, 0);
        uint32_t before = c->sender.rtt_measurements;
        sq_rtp_sender_on_block(&c->sender, m->at_ns, sq_ntp_from_wall_ns(WALL_NS + m->at_ns), &b);
        if (c->sender.rtt_measurements > before) {
            double off = fabs((double)c->sender.rtt_ns - 2.0 * (double)c->delay_ns) / 1e6;
            c->rtt_off_most_ms = off > c->rtt_off_most_ms ? off : c->rtt_off_most_ms;
            c->rtt_count++;
        }
        return;
    }
    struct sq_rtcp_nack nack;
    struct sq_rtp_resend again[SQ_RTP_MISSING_MAX];
    assert_int_equal(sq_rtcp_parse_nack(&p, &nack), 0);
    size_t n = sq_rtp_sender_on_nack(&c->sender, m->at_ns, c->sender.rtt_ns, &nack, again,
                                     SQ_RTP_MISSING_MAX);
    for (size_t i = 0; i < n; i++) {
        assert_int_equal(again[i].cookie, again[i].ts / 1800); /* the caller's own mark */
        send_media(c, m->at_ns, again[i].seq, again[i].ts, true, true);
        sq_rtp_sender_resent(&c->sender, m->at_ns, 12, 100);
        c->resent++;
    }
}

static void deliver(struct channel *c, uint64_t now_ns)
{
    struct message m;
    while (fetch(c, now_ns, &m)) {
        if (m.what == MEDIA || m.what == SR) {
            at_receiver(c, &m);
        } else {
            at_sender(c, &m);
        }
    }
}

static void reports(struct channel *c, uint64_t now_ns, bool sender)
{
    uint8_t bytes[256];
    struct sq_wire w = sq_wire_writer(bytes, sizeof(bytes));
    if (sender) {
        struct sq_rtcp_report sr;
        if (sq_rtp_sender_report(&c->sender, now_ns, sq_ntp_from_wall_ns(WALL_NS + now_ns), &sr)) {
            sq_rtcp_put_sr(&w, &sr, NULL, 0);
            post(c, now_ns, SR, bytes, w.pos);
        }
        return;
    }
    struct sq_rtcp_block b;
    if (sq_rtp_receiver_report(&c->receiver, now_ns + SKEW_NS, &b)) {
        sq_rtcp_put_rr(&w, 1, &b, 1);
        c->report_packets_lost = (uint64_t)b.cumulative_lost;
        post(c, now_ns, RR, bytes, w.pos);
    }
}

/* `packets` packets, one each 20 ms, of a 90 kHz clock; the first and the last are never lost, for
 * sequence numbers tell only of what lies between two arrivals. Reports each 500 ms. */
static void run(struct channel *c, uint64_t seed, unsigned packets, bool nack)
{
    c->queue = calloc(QUEUE_MAX, sizeof(*c->queue));
    assert_non_null(c->queue);
    sq_rand_seed(&c->rand, seed);
    assert_int_equal(
        sq_rtp_sender_init(&c->sender, 7, 65000, 0, 90000, SQ_RTP_VIDEO, nack ? 512 : 0), 0);
    sq_rtp_receiver_init(&c->receiver, 7, 90000, SQ_RTP_VIDEO, nack);
    uint64_t end_ns = packets * 20 * MS + 3000 * MS;
    for (uint64_t now_ns = 0; now_ns < end_ns; now_ns += MS) {
        deliver(c, now_ns);
        unsigned n = (unsigned)(now_ns / (20 * MS));
        if (now_ns % (20 * MS) == 0 && n < packets) {
            uint32_t ts = n * 1800;
            uint16_t seq = sq_rtp_sender_take(&c->sender, now_ns, ts, 12, 100, n);
            send_media(c, now_ns, seq, ts, false, n != 0 && n != packets - 1);
        }
        if (now_ns % (500 * MS) == 137 * MS) {
            reports(c, now_ns, true);
        }
        if (now_ns % (500 * MS) == 250 * MS) {
            reports(c, now_ns, false);
        }
        if (nack && sq_rtp_receiver_next_ns(&c->receiver) <= now_ns + SKEW_NS) {
            uint16_t seqs[SQ_RTP_MISSING_MAX];
            uint8_t bytes[256];
            struct sq_wire w = sq_wire_writer(bytes, sizeof(bytes));
            size_t m = sq_rtp_receiver_nacks(&c->receiver, now_ns + SKEW_NS, 2 * c->delay_ns, seqs,
                                             SQ_RTP_MISSING_MAX);
            if (m) {
                sq_rtcp_put_nack(&w, 1, 7, seqs, m);
                assert_int_equal(w.err, 0);
                post(c, now_ns, NACK, bytes, w.pos);
            }
        }
    }
    reports(c, end_ns, false);
    deliver(c, end_ns + 1000 * MS);
    free(c->queue);
}

static void loss_and_round_trip_are_true(void **state)
{
    const struct {
        double loss;
        uint64_t delay_ms;
    } cases[] = {{0, 1}, {0.01, 25}, {0.1, 80}, {0.3, 250}, {0.5, 5}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct channel c = {.loss = cases[i].loss, .delay_ns = cases[i].delay_ms * MS};
        run(&c, 100 + i, 5000, false);
        struct sq_rtp_inbound_stats in;
        struct sq_rtp_remote_inbound_stats remote;
        struct sq_rtp_remote_outbound_stats out;
        sq_rtp_receiver_stats(&c.receiver, &in);
        sq_rtp_sender_remote_stats(&c.sender, &remote);
        sq_rtp_receiver_remote_stats(&c.receiver, &out);
        assert_true(cases[i].loss == 0 || c.lost > 0);
        assert_int_equal(in.packets_expected, 5000);
        assert_int_equal(in.packets_lost, c.lost);
        assert_int_equal(in.packets_lost_network, c.lost);
        assert_int_equal(in.packets_lost_residual, c.lost);
        assert_int_equal(remote.packets_lost, c.lost); /* and the sender knows it */
        assert_int_equal(remote.reported_expected, 5000);
        assert_int_equal(remote.reported_lost, c.lost);
        assert_int_equal(out.packets_sent, 5000);
        assert_int_equal(out.bytes_sent, 5000 * 100);
        assert_true(in.jitter_s < 1e-9); /* a constant delay is no jitter */
        assert_true(c.rtt_count > 190);
        assert_true(c.rtt_off_most_ms < 0.1); /* 1 ms is promised; the format has 15 us */
        assert_int_equal(remote.round_trip_time_measurements, c.rtt_count);
        assert_true(fabs(remote.total_round_trip_time_s / c.rtt_count -
                         2e-3 * (double)cases[i].delay_ms) < 1e-4);
        assert_true(fabs(remote.round_trip_time_min_s - 2e-3 * (double)cases[i].delay_ms) < 1e-4);
        sq_rtp_sender_close(&c.sender);
    }
}

static void repair_is_told_apart_from_loss(void **state)
{
    for (uint64_t seed = 1; seed <= 6; seed++) {
        struct channel c = {.loss = seed % 2 ? 0.05 : 0.3, .delay_ns = (seed < 4 ? 20 : 60) * MS};
        run(&c, seed, 5000, true);
        struct sq_rtp_inbound_stats in;
        struct sq_rtp_outbound_stats out;
        sq_rtp_receiver_stats(&c.receiver, &in);
        sq_rtp_sender_stats(&c.sender, &out);
        assert_int_equal(in.packets_expected, 5000);
        assert_int_equal(in.packets_lost_network, c.lost); /* exact before repair */
        assert_int_equal(in.retransmitted_packets_received, c.lost - in.packets_lost_residual);
        assert_int_equal(in.packets_lost_residual, in.packets_abandoned);
        assert_true(in.packets_lost_residual < c.lost / 20);
        assert_int_equal(out.retransmitted_packets_sent, c.resent);
        assert_int_equal(out.packets_sent, 5000 + c.resent);
        assert_int_equal(out.bytes_sent, (5000 + c.resent) * 100);
        assert_int_equal(out.retransmitted_bytes_sent, c.resent * 100);
        /* Every one sent again was lost, filled its hole, or came twice. */
        assert_int_equal(c.resent,
                         c.lost_resent + in.retransmitted_packets_received + in.packets_duplicated);
        assert_int_equal(out.nack_count, in.nack_count);
        assert_int_equal(in.packets_received,
                         5000 - c.lost + in.retransmitted_packets_received + in.packets_duplicated);
        assert_int_equal(c.sender.nack_misses, 0);
        assert_int_equal(in.packets_duplicated, 0); /* never asked for twice in a round trip */
        sq_rtp_sender_close(&c.sender);
    }
}

/* Reordering of up to 60 ms without loss: nothing is lost, whatever was asked for. */
static void reordering_is_not_loss(void **state)
{
    struct channel c = {.delay_ns = 50 * MS, .jitter_ns = 45 * MS};
    run(&c, 3, 5000, true);
    struct sq_rtp_inbound_stats in;
    sq_rtp_receiver_stats(&c.receiver, &in);
    assert_int_equal(in.packets_lost_residual, 0);
    assert_int_equal(in.packets_lost_network, 0);
    assert_true(in.packets_late > 500);
    assert_true(in.packets_duplicated > 0); /* answers that came behind their originals */
    sq_rtp_sender_close(&c.sender);
}

static void jitter_of_the_channel(void **state)
{
    /* Uniform delay of 0 to J without reordering of packets 20 ms apart: the mean of |u1 - u2| is J
     * / 3. */
    struct channel c = {.delay_ns = 30 * MS, .jitter_ns = 18 * MS};
    run(&c, 8, 5000, false);
    struct sq_rtp_inbound_stats in;
    struct sq_rtp_remote_inbound_stats remote;
    sq_rtp_receiver_stats(&c.receiver, &in);
    sq_rtp_sender_remote_stats(&c.sender, &remote);
    assert_true(fabs(in.jitter_s - 0.006) < 0.003);
    assert_true(fabs(remote.jitter_s - in.jitter_s) < 1.0 / 90000 + 1e-9);
    sq_rtp_sender_close(&c.sender);
}

static void sender_history(void **state)
{
    struct sq_rtp_sender s = {0};
    struct sq_rtp_resend found = {.cookie = 42};
    assert_int_equal(sq_rtp_sender_init(&s, 1, 65530, 5, 90000, SQ_RTP_VIDEO, 500), SQ_ERR_INVALID);
    assert_int_equal(sq_rtp_sender_init(&s, 1, 65530, 5, 90000, SQ_RTP_VIDEO, 65536),
                     SQ_ERR_INVALID);
    assert_int_equal(sq_rtp_sender_init(&s, 1, 65530, 5, 0, SQ_RTP_VIDEO, 16), SQ_ERR_INVALID);
    assert_int_equal(sq_rtp_sender_init(&s, 1, 65530, 5, 90000, SQ_RTP_VIDEO, 16), 0);
    assert_int_equal(sq_rtp_sender_find(&s, 65529, &found), SQ_ERR_NOTFOUND);
    for (uint32_t n = 0; n < 20; n++) {
        uint32_t cookie = n == 18 ? SQ_RTP_NO_COOKIE : n;
        assert_int_equal(sq_rtp_sender_take(&s, n * MS, n * 10, 12, 100, cookie),
                         (uint16_t)(65530 + n));
    }
    for (uint32_t n = 0; n < 30; n++) {
        int err = sq_rtp_sender_find(&s, (uint16_t)(65530 + n), &found);
        if (n < 4 || n >= 20 || n == 18) {
            assert_int_equal(err, SQ_ERR_NOTFOUND);
        } else {
            assert_int_equal(err, 0);
            assert_int_equal(found.cookie, n);
            assert_int_equal(found.ts, n * 10);
            assert_int_equal(found.seq, (uint16_t)(65530 + n));
        }
    }
    /* One NACK that names a packet over and over gets it once. */
    uint8_t pairs[40];
    for (size_t i = 0; i < 10; i++) {
        sq_store_u16(pairs + 4 * i, (uint16_t)(65530 + 10));
        sq_store_u16(pairs + 4 * i + 2, 1);
    }
    struct sq_rtcp_nack nack = {.pairs = pairs, .pair_count = 10};
    struct sq_rtp_resend again[20];
    assert_int_equal(sq_rtp_sender_on_nack(&s, 65536 * MS, 0, &nack, again, 20), 2);
    assert_int_equal(again[0].cookie, 10);
    assert_int_equal(again[1].cookie, 11);
    assert_int_equal(s.nack_suppressed, 18);
    assert_int_equal(sq_rtp_sender_on_nack(&s, 65640 * MS, 100 * MS, &nack, again, 20), 0);
    assert_int_equal(sq_rtp_sender_on_nack(&s, 65642 * MS, 100 * MS, &nack, again, 1), 1);
    assert_int_equal(s.nack_count, 3);
    sq_store_u16(pairs, 30000);
    nack.pair_count = 1;
    assert_int_equal(sq_rtp_sender_on_nack(&s, 65742 * MS, 0, &nack, again, 20), 0);
    assert_int_equal(s.nack_misses, 2);
    sq_rtp_sender_close(&s);
    sq_rtp_sender_close(&s);
    sq_rtp_sender_close(NULL);
}

static void sender_survives_failed_allocations(void **state)
{
    int err = SQ_ERR_NOMEM;
    for (size_t nth = 1; err; nth++) {
        struct sq_rtp_sender s = {.ssrc = 99};
        sq_mem_fail_at(nth);
        err = sq_rtp_sender_init(&s, 1, 0, 0, 90000, SQ_RTP_VIDEO, 512);
        sq_mem_fail_at(0);
        assert_int_equal(err, nth <= 2 ? SQ_ERR_NOMEM : 0);
        assert_int_equal(s.ssrc, err ? 99 : 1);
        if (!err) {
            sq_rtp_sender_close(&s);
        }
    }
}

static void sender_report_clock(void **state)
{
    struct sq_rtp_sender s;
    struct sq_rtcp_report sr = {.ssrc = 99};
    assert_int_equal(sq_rtp_sender_init(&s, 1, 0, 1000, 90000, SQ_RTP_VIDEO, 0), 0);
    assert_false(sq_rtp_sender_report(&s, 0, 0, &sr));
    assert_int_equal(sr.ssrc, 99);
    /* A frame of three packets that leave one after another: its first one ties the clocks. */
    for (unsigned i = 0; i < 3; i++) {
        sq_rtp_sender_take(&s, (5000 + i) * MS, 0xfffffff0u, 12, 200, 0);
    }
    assert_true(sq_rtp_sender_report(&s, 5500 * MS, 0x1122334455667788ULL, &sr));
    assert_int_equal(sr.rtp_ts, 0xfffffff0u + 45000);
    assert_int_equal(sr.packets, 3);
    assert_int_equal(sr.octets, 600);
    assert_true(sr.ntp == 0x1122334455667788ULL);
    assert_int_equal(s.header_bytes_sent, 36);
    sq_rtp_sender_close(&s);
}

/* RFC 3550, section 6.4.1, figure 2: A = 0xb710:8000, DLSR 5.250 s, LSR 0xb705:2000: 6.125 s. */
static void round_trip_of_the_rfc(void **state)
{
    uint64_t rtt = 0;
    assert_true(sq_rtcp_rtt(0x0000b71080000000ULL, 0xb7052000u, 0x00054000u, &rtt));
    assert_int_equal(rtt, 6125 * MS);
    assert_false(sq_rtcp_rtt(0x0000b71080000000ULL, 0, 0, &rtt));          /* no SR had come */
    assert_true(sq_rtcp_rtt(0x0000000000010000ULL, 0xfffffff1u, 0, &rtt)); /* NTP wraps */
    assert_int_equal(rtt, 16 * SQ_NS_PER_SEC >> 16);
    assert_true(sq_rtcp_rtt(0x0000b70520000000ULL, 0xb7052000u, 3, &rtt)); /* rounding */
    assert_int_equal(rtt, 0);
    rtt = 7;
    assert_false(sq_rtcp_rtt(0x0000b70520000000ULL, 0xb7052000u, 1000, &rtt)); /* a lie */
    assert_false(sq_rtcp_rtt(0x0000b80520000000ULL, 0xb7052000u, 0, &rtt));    /* 256 s */
    assert_int_equal(rtt, 7);
}

static void fir_commands_count_once(void **state)
{
    struct sq_rtp_sender s = {0};
    assert_true(sq_rtp_sender_on_fir(&s, 0));
    assert_false(sq_rtp_sender_on_fir(&s, 0));
    assert_true(sq_rtp_sender_on_fir(&s, 1));
    assert_int_equal(s.fir_count, 3);
}

/* What the sender's seconds say of loss when nothing passes for three seconds, either way: never
 * more than all, and in sum what was lost. Sequence numbers wrap within. */
static void loss_of_an_outage_is_at_most_all(void **state)
{
    struct sq_rtp_sender s;
    struct sq_rtp_receiver r;
    uint64_t expected = 0;
    uint64_t lost = 0;
    unsigned told = 0;
    unsigned dropped = 0;
    double most = 0;
    assert_int_equal(sq_rtp_sender_init(&s, 7, 65400, 0, 48000, SQ_RTP_AUDIO, 0), 0);
    sq_rtp_receiver_init(&r, 7, 48000, SQ_RTP_AUDIO, false);
    for (unsigned n = 0; n < 50 * 20; n++) {
        uint64_t now_ns = (uint64_t)(n + 1) * 20 * MS;
        bool cut = n >= 350 && n < 500;
        uint16_t seq = sq_rtp_sender_take(&s, now_ns, n * 960, 12, 80, n);
        if (cut || n % 20 == 7) { /* 5 %, and the outage */
            dropped++;
        } else {
            struct sq_rtp_packet p = {.seq = seq, .ts = n * 960, .ssrc = 7, .payload_bytes = 80};
            sq_rtp_receiver_on_packet(&r, now_ns, &p);
        }
        struct sq_rtcp_block b;
        if (n % 70 == 69 && !cut && sq_rtp_receiver_report(&r, now_ns, &b)) {
            sq_rtp_sender_on_block(&s, now_ns, sq_ntp_from_wall_ns(WALL_NS + now_ns), &b);
        }
        if (n % 50 == 49) { /* a second ends */
            struct sq_rtp_remote_inbound_stats now;
            sq_rtp_sender_remote_stats(&s, &now);
            uint64_t of = now.reported_expected - expected;
            uint64_t gone = now.reported_lost - lost;
            expected = now.reported_expected;
            lost = now.reported_lost;
            told += of > 0;
            assert_true(gone <= of);
            most = of && (double)gone / (double)of > most ? (double)gone / (double)of : most;
            assert_true(cut || of == 0 || of % 70 == 0);
        }
    }
    /* Fourteen reports less the two of the outage; the last of them at packet 980. */
    assert_int_equal(told, 12);
    assert_int_equal(expected, 980);
    assert_int_equal(lost, dropped - 1); /* number 987 came after it */
    /* The one after it covers 210 packets: the outage and three of the rest. */
    assert_true(fabs(most - 153.0 / 210) < 1e-9);
    sq_rtp_sender_close(&s);
}

static struct sq_rtp_remote_inbound_stats after_block(struct sq_rtp_sender *s, uint32_t highest,
                                                      int32_t lost)
{
    struct sq_rtcp_block b = {.ssrc = 7, .highest_seq = highest, .cumulative_lost = lost};
    struct sq_rtp_remote_inbound_stats stats;
    sq_rtp_sender_on_block(s, 1, 1, &b);
    sq_rtp_sender_remote_stats(s, &stats);
    return stats;
}

/* Late, doubled and lying reports, and a receiver that begins anew. */
static void reports_can_not_say_more_than_all(void **state)
{
    struct sq_rtp_sender s;
    assert_int_equal(sq_rtp_sender_init(&s, 7, 100, 0, 90000, SQ_RTP_VIDEO, 0), 0);
    for (unsigned i = 0; i < 1000; i++) {
        sq_rtp_sender_take(&s, i, i, 12, 100, i);
    }
    struct sq_rtp_remote_inbound_stats now = after_block(&s, 299, 20);
    assert_int_equal(now.reported_expected, 200);
    assert_int_equal(now.reported_lost, 20);
    now = after_block(&s, 399, 15); /* five were only late */
    assert_int_equal(now.reported_expected, 300);
    assert_int_equal(now.reported_lost, 15);
    now = after_block(&s, 299, 20); /* an old one */
    assert_int_equal(now.reported_expected, 300);
    now = after_block(&s, 449, 500); /* more lost than there were */
    assert_int_equal(now.reported_expected, 450);
    assert_int_equal(now.reported_lost, 165);
    now = after_block(&s, UINT32_MAX / 3, 500); /* more than was sent */
    assert_int_equal(now.reported_expected, 1000);
    now = after_block(&s, 0, -800000);
    assert_int_equal(now.reported_expected, 1000);
    assert_int_equal(now.reported_lost, 165);
    sq_rtp_sender_close(&s);
    /* It came after the numbers had wrapped: its first interval is not known, the next is. */
    assert_int_equal(sq_rtp_sender_init(&s, 7, 65000, 0, 90000, SQ_RTP_VIDEO, 0), 0);
    for (unsigned i = 0; i < 1000; i++) {
        sq_rtp_sender_take(&s, i, i, 12, 100, i);
    }
    now = after_block(&s, 200, 3);
    assert_int_equal(now.reported_expected, 0);
    now = after_block(&s, 300, 13);
    assert_int_equal(now.reported_expected, 100);
    assert_int_equal(now.reported_lost, 10);
    sq_rtp_sender_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(loss_and_round_trip_are_true),
        cmocka_unit_test(repair_is_told_apart_from_loss),
        cmocka_unit_test(reordering_is_not_loss),
        cmocka_unit_test(jitter_of_the_channel),
        cmocka_unit_test(sender_history),
        cmocka_unit_test(sender_survives_failed_allocations),
        cmocka_unit_test(sender_report_clock),
        cmocka_unit_test(round_trip_of_the_rfc),
        cmocka_unit_test(fir_commands_count_once),
        cmocka_unit_test(loss_of_an_outage_is_at_most_all),
        cmocka_unit_test(reports_can_not_say_more_than_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
