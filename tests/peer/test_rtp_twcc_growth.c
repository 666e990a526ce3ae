/* Log and recorder of transport-wide feedback that begin small: over outages, and at high rates. */
#include "base/mem.h"
#include "peer/rtp/twcc.h"
#include "peer/twcc_help.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

/* More packets in an interval than the ring holds at first: all of them are told. */
static void recorder_keeps_up(void **state)
{
    struct sq_twcc_recorder r;
    struct sq_rtcp_twcc fb = {0};
    uint8_t out[1500];
    unsigned told = 0;
    assert_int_equal(sq_twcc_recorder_init(&r, 256, 109375 * SQ_NS_PER_US), 0);
    sq_twcc_recorder_let_grow(&r, 4096);
    for (unsigned i = 0; i < 26000; i++) {
        uint64_t now_ns = 1000 * MS + i * (SQ_NS_PER_SEC / 2600);
        sq_twcc_recorder_on_packet(&r, now_ns, (uint16_t)(60000 + i), 5);
        while (sq_twcc_recorder_next_ns(&r) <= (i == 25999 ? SQ_NEVER - 1 : now_ns) &&
               build(&r, now_ns, out, sizeof(out), &fb)) {
            assert_int_equal(fb.base_seq, (uint16_t)(60000 + told));
            told += fb.status_count;
        }
    }
    assert_int_equal(told, 26000);
    assert_int_equal(r.room, 512);
    sq_twcc_recorder_close(&r);
}

static void recorder_tells_of_an_outage(void **state)
{
    struct sq_twcc_recorder r;
    struct sq_rtcp_twcc fb = {0};
    uint8_t out[1500];
    assert_int_equal(sq_twcc_recorder_init(&r, 256, 0), 0);
    sq_twcc_recorder_let_grow(&r, 1024);
    for (unsigned i = 0; i < 300; i++) {
        sq_twcc_recorder_on_packet(&r, 1000 * MS + i * MS, (uint16_t)(65000 + i), 5);
        if (i % 100 == 99) {
            assert_true(build(&r, 1100 * MS + i * MS, out, sizeof(out), &fb));
        }
    }
    sq_twcc_recorder_on_packet(&r, 6000 * MS, (uint16_t)(65000 + 1200), 5);
    assert_true(build(&r, 6100 * MS, out, sizeof(out), &fb));
    assert_int_equal(fb.base_seq, (uint16_t)(65000 + 300));
    assert_int_equal(fb.status_count, 901);
    assert_int_equal(r.room, 1024);
    /* One that came late is told again from there, a copy of one that came before is not. */
    sq_twcc_recorder_on_packet(&r, 6100 * MS, (uint16_t)(65000 + 290), 5);
    assert_int_equal(r.packets_ignored, 1);
    sq_twcc_recorder_on_packet(&r, 6100 * MS, (uint16_t)(65000 + 290 - 256), 5);
    assert_int_equal(r.packets_ignored, 2);
    sq_twcc_recorder_on_packet(&r, 6100 * MS, (uint16_t)(65000 + 400), 5);
    assert_int_equal(r.packets_ignored, 2);
    assert_true(build(&r, 6200 * MS, out, sizeof(out), &fb));
    assert_int_equal(fb.base_seq, (uint16_t)(65000 + 400));
    /* Beyond what it may grow to it begins anew. */
    sq_twcc_recorder_on_packet(&r, 7000 * MS, (uint16_t)(65000 + 1200 + 1030), 5);
    assert_true(build(&r, 7100 * MS, out, sizeof(out), &fb));
    assert_int_equal(fb.status_count, 1);
    sq_twcc_recorder_close(&r);
    /* Nor without memory. */
    assert_int_equal(sq_twcc_recorder_init(&r, 256, 0), 0);
    sq_twcc_recorder_let_grow(&r, 1024);
    sq_twcc_recorder_on_packet(&r, 1000 * MS, 10, 5);
    sq_mem_fail_at(1);
    sq_twcc_recorder_on_packet(&r, 1001 * MS, 10 + 300, 5);
    sq_mem_fail_at(0);
    assert_int_equal(r.room, 256);
    assert_true(build(&r, 1100 * MS, out, sizeof(out), &fb));
    assert_int_equal(fb.base_seq, 310);
    sq_twcc_recorder_close(&r);
}

/* Packet `seq` arrives; the feedback that is due then. */
static size_t tell(struct sq_twcc_log *l, struct sq_twcc_recorder *r, uint64_t now_ns, uint16_t seq,
                   struct sq_twcc_result *results, size_t max, struct sq_twcc_summary *ret_sum)
{
    struct sq_rtcp_twcc fb = {0};
    uint8_t out[1300];
    sq_twcc_recorder_on_packet(r, now_ns, seq, 5);
    assert_true(build(r, now_ns + 100 * MS, out, sizeof(out), &fb));
    return sq_twcc_log_on_feedback(l, now_ns + 100 * MS, &fb, results, max, ret_sum);
}

/* An outage of 2 s at 156 packets a second: the first feedback behind it tells of all, once. */
static void feedback_over_an_outage(void **state)
{
    struct sq_twcc_log l;
    struct sq_twcc_recorder r;
    static struct sq_twcc_result results[2048];
    struct sq_twcc_summary sum;
    uint64_t now_ns = 5000 * MS;
    assert_int_equal(sq_twcc_log_init(&l, 256, 65400), 0);
    assert_int_equal(sq_twcc_recorder_init(&r, 1024, 0), 0);
    sq_twcc_log_let_grow(&l, 2048);
    uint16_t first = sq_twcc_log_take(&l, now_ns, 1000, 0);
    assert_int_equal(tell(&l, &r, now_ns, first, results, 2048, &sum), 1);
    for (unsigned i = 0; i < 312; i++) {
        now_ns += 6410 * SQ_NS_PER_US;
        (void)sq_twcc_log_take(&l, now_ns, 1000, 0);
    }
    assert_int_equal(l.room, 512);
    size_t n = tell(&l, &r, now_ns, (uint16_t)(first + 312), results, 2048, &sum);
    assert_int_equal(n, 312);
    assert_int_equal(sum.lost, 311);
    assert_int_equal(sum.received, 1);
    assert_int_equal(results[0].seq, (uint16_t)(first + 1));
    assert_int_equal(results[311].sent_ns, now_ns / 1000 * 1000);
    /* All of it is settled: the room is enough now, at any rate. */
    for (unsigned i = 0; i < 4000; i++) {
        now_ns += MS;
        uint16_t seq = sq_twcc_log_take(&l, now_ns, 1000, 0);
        if (i % 100 == 99) {
            assert_int_equal(tell(&l, &r, now_ns, seq, results, 2048, &sum), 100);
        }
    }
    assert_int_equal(l.room, 512);
    sq_twcc_log_close(&l);
    sq_twcc_recorder_close(&r);
}

static void log_grows_within_bounds(void **state)
{
    struct sq_twcc_log l;
    struct sq_twcc_recorder r;
    struct sq_twcc_result results[64];
    struct sq_twcc_summary sum;
    assert_int_equal(sq_twcc_recorder_init(&r, 64, 0), 0);
    assert_int_equal(sq_twcc_log_init(&l, 64, 0), 0);
    sq_twcc_log_let_grow(&l, 256);
    for (unsigned i = 0; i < 1000; i++) { /* nobody tells anything */
        (void)sq_twcc_log_take(&l, i * MS, 100, 0);
    }
    assert_int_equal(l.room, 64);
    assert_int_equal(tell(&l, &r, 1000 * MS, 999, results, 64, &sum), 1);
    for (unsigned i = 0; i < 1000; i++) { /* slowly: none is worth waiting for so long */
        (void)sq_twcc_log_take(&l, 2000 * MS + i * 100 * MS, 100, 0);
    }
    assert_int_equal(l.room, 64);
    for (unsigned i = 0; i < 64; i++) {
        (void)sq_twcc_log_take(&l, 200000 * MS, 100, 0);
    }
    sq_mem_fail_at(1); /* no memory: the oldest goes */
    (void)sq_twcc_log_take(&l, 200000 * MS, 100, 0);
    sq_mem_fail_at(0);
    assert_int_equal(l.room, 64);
    for (unsigned i = 0; i < 1000; i++) {
        (void)sq_twcc_log_take(&l, 200000 * MS, 100, 0);
    }
    assert_int_equal(l.room, 256);
    sq_twcc_log_close(&l);
    sq_twcc_recorder_close(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(recorder_keeps_up),
        cmocka_unit_test(recorder_tells_of_an_outage),
        cmocka_unit_test(feedback_over_an_outage),
        cmocka_unit_test(log_grows_within_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
