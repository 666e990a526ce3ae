/* The receiver's own estimate, packet by packet. */
#include "base/mem.h"
#include "base/rand.h"
#include "peer/bwe/remote.h"
#include "peer/rtp/rtp.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS SQ_NS_PER_MS

/* Packets of 1,000 bytes every 8 ms: 1 Mbit/s. */
struct flow {
    struct sq_bwe_remote *r;
    uint64_t sent_ns, delay_ns;
    uint64_t told_ns;
    unsigned told;
    bool send_time;
};

static void flow_init(struct flow *f, bool send_time)
{
    *f = (struct flow){.sent_ns = 40000 * MS, .delay_ns = 20 * MS, .send_time = send_time};
    assert_int_equal(sq_bwe_remote_create(&f->r), 0);
}

/* For so many seconds; the delay grows by so many us a packet. */
static void flow_on(struct flow *f, double seconds, int grow_us)
{
    for (unsigned i = 0; i < seconds * 125; i++) {
        f->sent_ns += 8 * MS;
        f->delay_ns += (uint64_t)(grow_us * (int64_t)SQ_NS_PER_US);
        const struct sq_bwe_arrival a = {.now_ns = f->sent_ns + f->delay_ns,
                                         .ssrc = 7,
                                         .timestamp = (uint32_t)(f->sent_ns * 9 / 100000),
                                         .abs_send_time = sq_rtp_abs_send_time(f->sent_ns),
                                         .bytes = 1000,
                                         .has_send_time = f->send_time};
        if (sq_bwe_remote_on_packet(f->r, &a)) {
            f->told++;
            assert_true(sq_bwe_remote_bps(f->r) > 0);
            f->told_ns = a.now_ns;
        }
    }
}

static void nothing_is_said_before_it_is_known(void **state)
{
    for (int send_time = 0; send_time < 2; send_time++) {
        struct flow f;
        flow_init(&f, send_time);
        flow_on(&f, 4.9, 0);
        assert_int_equal(f.told, 0);
        assert_int_equal(sq_bwe_remote_bps(f.r), 0);
        flow_on(&f, 1.2, 0);
        assert_in_range(f.told, 1, 6);
        assert_in_range(sq_bwe_remote_bps(f.r), 950000, 1150000);
        /* A way without limits: up to 1.5 times what comes and 10 kbit/s. */
        flow_on(&f, 20, 0);
        assert_in_range(sq_bwe_remote_bps(f.r), 1450000, 1600000);
        sq_bwe_remote_destroy(f.r);
    }
}

static void a_delay_that_grows_is_told_at_once(void **state)
{
    for (int send_time = 0; send_time < 2; send_time++) {
        struct flow f;
        flow_init(&f, send_time);
        flow_on(&f, 1.5, 0);
        flow_on(&f, 1, 800); /* 10 % more leaves than the way carries */
        assert_true(f.told > 0);
        assert_in_range(sq_bwe_remote_bps(f.r), 600000, 900000); /* 85 % of what came */
        uint64_t low = sq_bwe_remote_bps(f.r);
        flow_on(&f, 10, 0);
        assert_true(sq_bwe_remote_bps(f.r) > low);
        flow_on(&f, 10, 0);
        unsigned told = f.told;
        uint64_t before = sq_bwe_remote_bps(f.r);
        flow_on(&f, 1, 800);
        assert_true(f.told > told);
        assert_true(sq_bwe_remote_bps(f.r) < before);
        sq_bwe_remote_destroy(f.r);
    }
}

/* Silence, a clock that jumps, another stream, time-stamps of what is sent again: no overuse. */
static void what_is_no_measure(void **state)
{
    for (int send_time = 0; send_time < 2; send_time++) {
        struct flow f;
        flow_init(&f, send_time);
        flow_on(&f, 10, 0);
        uint64_t before = sq_bwe_remote_bps(f.r);
        f.sent_ns += 10000 * MS;
        f.delay_ns += 500 * MS;
        flow_on(&f, 3, 0);
        assert_true(sq_bwe_remote_bps(f.r) > before * 9 / 10);
        for (unsigned i = 0; i < 100; i++) {
            struct sq_bwe_arrival a = {.now_ns = f.sent_ns + f.delay_ns,
                                       .ssrc = i % 2 ? 7 : 8,
                                       .timestamp = i * 1000000,
                                       .bytes = 100,
                                       .abs_send_time = sq_rtp_abs_send_time(f.sent_ns),
                                       .has_send_time = send_time,
                                       .again = i % 2};
            (void)sq_bwe_remote_on_packet(f.r, &a);
            flow_on(&f, 0.01, 0);
        }
        assert_true(sq_bwe_remote_bps(f.r) > before * 9 / 10);
        sq_bwe_remote_destroy(f.r);
    }
}

static void hostile_packets(void **state)
{
    struct sq_rand rand;
    sq_rand_seed(&rand, 3);
    struct flow f;
    flow_init(&f, true);
    uint64_t now_ns = 0;
    for (unsigned i = 0; i < 200000; i++) {
        now_ns += sq_rand_below(&rand, 100) == 0 ? sq_rand_u64(&rand) % (100000 * MS)
                                                 : sq_rand_u64(&rand) % (20 * MS);
        const struct sq_bwe_arrival a = {
            .now_ns = sq_rand_below(&rand, 50) ? now_ns : sq_rand_u64(&rand) % (now_ns + 1),
            .ssrc = sq_rand_below(&rand, 3),
            .timestamp = (uint32_t)sq_rand_u64(&rand),
            .abs_send_time = (uint32_t)sq_rand_u64(&rand) & 0xffffff,
            .bytes = sq_rand_below(&rand, 70000),
            .has_send_time = sq_rand_below(&rand, 1000) < 990,
            .again = sq_rand_below(&rand, 10) == 0};
        (void)sq_bwe_remote_on_packet(f.r, &a);
        uint64_t bps = sq_bwe_remote_bps(f.r);
        assert_true(bps == 0 || (bps >= SQ_BWE_MIN_BPS && bps <= SQ_BWE_MAX_BPS));
    }
    sq_bwe_remote_destroy(f.r);
}

static void failed_allocation(void **state)
{
    struct sq_bwe_remote *r = NULL;
    sq_mem_fail_at(1);
    assert_int_equal(sq_bwe_remote_create(&r), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    assert_null(r);
    sq_bwe_remote_destroy(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nothing_is_said_before_it_is_known),
        cmocka_unit_test(a_delay_that_grows_is_told_at_once),
        cmocka_unit_test(what_is_no_measure),
        cmocka_unit_test(hostile_packets),
        cmocka_unit_test(failed_allocation),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
