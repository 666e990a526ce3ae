/* The estimator alone: an ideal encoder, one bottleneck, feedback by hand; and what must hold
 * whatever a receiver says. */
#include "base/mem.h"
#include "base/rand.h"
#include "peer/bwe/bwe.h"
#include "peer/bwe_link.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define MS  SQ_NS_PER_MS
#define SEC SQ_NS_PER_SEC

static const struct sq_bwe_config defaults = {0};

/* Mean rate that arrived, second by second. */
struct watch {
    struct bwe_link *link;
    uint64_t before[BWE_LINK_FLOWS];
    double least[BWE_LINK_FLOWS], most[BWE_LINK_FLOWS], total[BWE_LINK_FLOWS];
    unsigned tenths, seconds;
};

static void watch_each(void *ctx)
{
    struct watch *w = ctx;
    if (++w->tenths % 10 != 0) {
        return;
    }
    w->seconds++;
    for (size_t i = 0; i < w->link->n; i++) {
        uint64_t bytes = w->link->flows[i]->bytes_arrived;
        double bps = (double)(bytes - w->before[i]) * 8;
        w->before[i] = bytes;
        w->total[i] += bps;
        w->least[i] = w->seconds == 1 || bps < w->least[i] ? bps : w->least[i];
        w->most[i] = bps > w->most[i] ? bps : w->most[i];
    }
}

static struct watch run(struct bwe_link *link, unsigned seconds)
{
    struct watch w = {.link = link};
    for (size_t i = 0; i < link->n; i++) {
        w.before[i] = link->flows[i]->bytes_arrived;
    }
    bwe_link_run(link, seconds * 1000, watch_each, &w);
    return w;
}

static double mean(const struct watch *w, size_t flow)
{
    return w->total[flow] / w->seconds;
}

static void settles_in_a_bottleneck_and_leaves_it(void **state)
{
    struct bwe_link link;
    (void)state;
    bwe_link_init(&link, 500e3);
    bwe_link_add(&link, &defaults);
    run(&link, 10);
    link.worst_queue_ms = 0;
    struct watch w = run(&link, 20);
    assert_true(w.least[0] > 0.6 * 500e3);
    assert_true(w.most[0] < 1.05 * 500e3); /* a second may empty what the one before left */
    assert_true(mean(&w, 0) > 0.8 * 500e3);
    assert_true(link.worst_queue_ms < 250); /* before it would overflow */
    assert_int_equal(link.flows[0]->lost, 0);
    link.rate_bps = 3e6;
    run(&link, 30);
    w = run(&link, 10);
    assert_true(mean(&w, 0) > 0.75 * 3e6);
    bwe_link_free(&link);
}

static void begins_with_probes(void **state)
{
    struct bwe_link link;
    (void)state;
    bwe_link_init(&link, 10e6);
    struct bwe_flow *flow = bwe_link_add(&link, &defaults);
    run(&link, 1);
    struct sq_bwe_stats s;
    sq_bwe_stats(flow->bwe, &s);
    assert_true(s.probes >= 3); /* 900 kbit/s, 1.8 Mbit/s, and what follows from it */
    assert_true(s.target_bps > 2500e3);
    bwe_link_free(&link);
}

static void random_loss_is_no_congestion(void **state)
{
    (void)state;
    const double losses[] = {0.005, 0.01};
    for (size_t i = 0; i < 2; i++) {
        struct bwe_link link;
        bwe_link_init(&link, 1e6);
        link.loss = losses[i];
        bwe_link_add(&link, &defaults);
        run(&link, 10);
        struct watch w = run(&link, 50);
        assert_true(mean(&w, 0) > 0.8 * 1e6);
        assert_true(w.least[0] > 0.6 * 1e6);
        bwe_link_free(&link);
    }
}

static void yields_to_heavy_loss(void **state)
{
    (void)state;
    double rate[3];
    const double losses[] = {0, 0.1, 0.2};
    for (size_t i = 0; i < 3; i++) {
        struct bwe_link link;
        bwe_link_init(&link, 5e6);
        link.loss = losses[i];
        bwe_link_add(&link, &defaults);
        run(&link, 20);
        struct watch w = run(&link, 20);
        rate[i] = mean(&w, 0);
        bwe_link_free(&link);
    }
    assert_true(rate[0] > 0.75 * 5e6);
    assert_true(rate[1] < 0.5 * rate[0]);
    assert_true(rate[2] < 0.5 * rate[1]);
    assert_true(rate[2] >= SQ_BWE_MIN_BPS * 0.7);
}

static double jain(double a, double b)
{
    return (a + b) * (a + b) / (2 * (a * a + b * b));
}

static void two_share(void **state)
{
    struct bwe_link link;
    (void)state;
    bwe_link_init(&link, 1e6);
    bwe_link_add(&link, &defaults);
    bwe_link_add(&link, &defaults);
    run(&link, 30);
    struct watch w = run(&link, 30);
    assert_true(jain(mean(&w, 0), mean(&w, 1)) > 0.9);
    assert_true(mean(&w, 0) + mean(&w, 1) > 0.8 * 1e6);
    bwe_link_free(&link);
}

static void jitter_is_no_congestion(void **state)
{
    struct bwe_link link;
    (void)state;
    bwe_link_init(&link, 1e6);
    link.jitter_ms = 20;
    bwe_link_add(&link, &defaults);
    run(&link, 10);
    struct watch w = run(&link, 50);
    assert_true(mean(&w, 0) > 0.75 * 1e6);
    assert_true(w.least[0] > 0.5 * 1e6);
    bwe_link_free(&link);
}

static void gives_way_to_another_flow(void **state)
{
    struct bwe_link link;
    (void)state;
    bwe_link_init(&link, 1e6);
    bwe_link_add(&link, &defaults);
    struct bwe_flow *other = bwe_link_add(&link, NULL);
    other->constant_bps = 500e3;
    for (unsigned i = 0; i < 4; i++) {
        other->on = false;
        run(&link, 12);
        struct watch w = run(&link, 3);
        assert_true(mean(&w, 0) > 0.6 * 1e6);
        other->on = true;
        run(&link, 12);
        w = run(&link, 3);
        assert_true(mean(&w, 0) > 0.6 * 500e3);
        assert_true(mean(&w, 0) < 1.05 * 500e3);
        assert_true(mean(&w, 1) > 0.9 * 500e3);
    }
    bwe_link_free(&link);
}

/* A source of 200 kbit/s on a wide link: probes find that there is more, and end there. */
static void probes_where_the_source_is_the_limit(void **state)
{
    struct bwe_link link;
    (void)state;
    bwe_link_init(&link, 10e6);
    struct bwe_flow *flow = bwe_link_add(&link, &defaults);
    flow->source_bps = 200e3;
    sq_bwe_set_needed(flow->bwe, link.now_ms * MS, 200e3);
    run(&link, 30);
    struct sq_bwe_stats s;
    sq_bwe_stats(flow->bwe, &s);
    assert_true(s.alr);
    assert_true(s.target_bps >= 300e3 && s.target_bps <= 450e3);
    uint32_t probes = s.probes;
    run(&link, 30);
    sq_bwe_stats(flow->bwe, &s);
    assert_true(s.probes <= probes + 6); /* one in five seconds at most */
    /* More is wanted: probed at once, and in steps. */
    sq_bwe_set_needed(flow->bwe, link.now_ms * MS, 2000e3);
    run(&link, 2);
    assert_true(sq_bwe_target_bps(flow->bwe) > 1000e3);
    bwe_link_free(&link);
}

static struct sq_bwe *make(const struct sq_bwe_config *config)
{
    struct sq_bwe *bwe;
    assert_int_equal(sq_bwe_create(config, &bwe), 0);
    return bwe;
}

/* Feedback of ten packets, 5 ms apart at the sender and `gap_ms` at the receiver. */
static void ten_packets(struct sq_bwe *bwe, uint64_t *now, int64_t *arrival_ns, uint64_t gap_ms,
                        unsigned lost)
{
    struct sq_twcc_result r[10];
    for (unsigned i = 0; i < 10; i++) {
        *now += 5 * MS;
        *arrival_ns += (int64_t)(gap_ms * MS);
        sq_bwe_on_sent(bwe, *now, 200, 0);
        r[i] = (struct sq_twcc_result){.received = i >= lost,
                                       .size_bytes = 200,
                                       .sent_ns = *now,
                                       .arrival_ns = i >= lost ? *arrival_ns : 0};
    }
    sq_bwe_on_feedback(bwe, *now + 20 * MS, r, 10);
}

/* The way opens while the delay grows, or while loss takes the rate down: the first probes wait,
 * they are not left out. */
static void first_probes_wait_for_a_calm_link(void **state)
{
    (void)state;
    for (int loss = 0; loss < 2; loss++) {
        struct sq_bwe *bwe = make(&defaults);
        struct sq_bwe_stats s = {0};
        uint64_t now = 10 * SEC;
        int64_t arrival_ns = 3 * (int64_t)SEC;
        /* Sound alone: nobody has started it. */
        for (unsigned i = 0; i < 200; i++) {
            ten_packets(bwe, &now, &arrival_ns, loss ? 5 : 6, loss ? 5 : 0);
        }
        sq_bwe_set_needed(bwe, now, 2000000);
        sq_bwe_start(bwe, now);
        assert_int_equal(sq_bwe_probe_ns(bwe), SQ_NEVER);
        sq_bwe_stats(bwe, &s);
        assert_int_equal(s.probes, 0);
        for (unsigned i = 0; i < 400 && s.probes == 0; i++) {
            ten_packets(bwe, &now, &arrival_ns, 5, 0);
            if (sq_bwe_next_ns(bwe) <= now) {
                sq_bwe_on_timeout(bwe, now);
            }
            sq_bwe_stats(bwe, &s);
        }
        assert_int_not_equal(sq_bwe_probe_ns(bwe), SQ_NEVER);
        assert_in_range(s.probes, 1, 2);
        sq_bwe_destroy(bwe);
    }
}

/* Of two probes the second waits for the first to be sent: no packet of either has a time that was
 * past when it could go first. */
static void a_probe_that_waited_is_not_late(void **state)
{
    (void)state;
    struct sq_bwe *bwe = make(&defaults);
    uint64_t now = 10 * SEC;
    sq_bwe_set_needed(bwe, now, 5000000);
    sq_bwe_start(bwe, now);
    unsigned ids = 0;
    uint8_t last = 0;
    for (unsigned i = 0; i < 400 && sq_bwe_probe_ns(bwe) != SQ_NEVER; i++) {
        uint64_t due = sq_bwe_probe_ns(bwe);
        assert_true(due == 0 || due >= now);
        now = sq_max_u64(now, due);
        struct sq_bwe_probe probe;
        assert_true(sq_bwe_probe_due(bwe, now, &probe));
        assert_true(probe.id == last || due == 0);
        ids += probe.id != last;
        last = probe.id;
        sq_bwe_on_sent(bwe, now, probe.bytes, probe.id);
        now += 10000;
    }
    assert_int_equal(ids, 2);
    sq_bwe_destroy(bwe);
}

static void silence_lowers_the_rate(void **state)
{
    (void)state;
    const struct sq_bwe_config config = {.start_bps = 1000000, .min_bps = 100000};
    struct sq_bwe *bwe = make(&config);
    uint64_t now;
    /* One that never heard anything does not know that anything is missing. */
    for (unsigned i = 0; i < 100; i++) {
        sq_bwe_on_sent(bwe, i * 100 * MS, 1200, 0);
        sq_bwe_on_timeout(bwe, i * 100 * MS);
    }
    assert_int_equal(sq_bwe_target_bps(bwe), 1000000);
    now = 20 * SEC;
    struct sq_twcc_result one = {
        .received = true, .size_bytes = 1200, .sent_ns = now - 50 * MS, .arrival_ns = SEC};
    sq_bwe_on_feedback(bwe, now, &one, 1);
    uint64_t before = sq_bwe_target_bps(bwe);
    for (unsigned i = 0; i < 200; i++, now += 100 * MS) {
        sq_bwe_on_sent(bwe, now, 1200, 0);
        if (sq_bwe_next_ns(bwe) <= now) {
            sq_bwe_on_timeout(bwe, now);
            assert_true(sq_bwe_next_ns(bwe) > now);
        }
        if (now < 23 * SEC) {
            assert_int_equal(sq_bwe_target_bps(bwe), before);
        }
    }
    assert_int_equal(sq_bwe_target_bps(bwe), 100000);
    assert_int_equal(sq_bwe_limited_by(bwe), SQ_BWE_LIMIT_SILENCE);
    sq_bwe_destroy(bwe);
}

static void follows_remb_and_reports(void **state)
{
    (void)state;
    struct sq_bwe *bwe = make(&defaults);
    uint64_t now = SEC;
    sq_bwe_on_remb(bwe, now, 1500000);
    assert_int_equal(sq_bwe_target_bps(bwe), 1500000);
    sq_bwe_on_remb(bwe, now, 400000);
    assert_int_equal(sq_bwe_target_bps(bwe), 400000);
    assert_int_equal(sq_bwe_limited_by(bwe), SQ_BWE_LIMIT_RECEIVER);
    /* Once reports come, a REMB is a limit only. */
    sq_bwe_on_loss_report(bwe, now, 100, 0, 50 * MS);
    sq_bwe_on_remb(bwe, now, 100000000);
    assert_int_equal(sq_bwe_target_bps(bwe), 400000);
    /* 2 % and less: 8 % a second more; up to 10 %: nothing; beyond: half the loss less. */
    uint64_t before = sq_bwe_target_bps(bwe);
    for (unsigned i = 0; i < 5; i++) {
        now += SEC;
        sq_bwe_on_loss_report(bwe, now, 100, 1, 50 * MS);
    }
    double grown = (double)sq_bwe_target_bps(bwe) / (double)before;
    assert_true(grown > 1.3 && grown < 1.6);
    before = sq_bwe_target_bps(bwe);
    now += SEC;
    sq_bwe_on_loss_report(bwe, now, 100, 5, 50 * MS);
    assert_int_equal(sq_bwe_target_bps(bwe), before);
    now += SEC;
    sq_bwe_on_loss_report(bwe, now, 100, 20, 50 * MS);
    assert_in_range(sq_bwe_target_bps(bwe), before * 9 / 10 - 1, before * 9 / 10 + 1);
    assert_int_equal(sq_bwe_limited_by(bwe), SQ_BWE_LIMIT_LOSS);
    sq_bwe_destroy(bwe);
}

/* RFC 3550 lets a receiver of little report each five seconds: the growth goes on meanwhile, but
 * not on a report of long ago. */
static void grows_between_reports(void **state)
{
    (void)state;
    struct sq_bwe *bwe = make(&defaults);
    uint64_t now = SEC;
    sq_bwe_on_loss_report(bwe, now, 100, 0, 50 * MS);
    double before = (double)sq_bwe_target_bps(bwe);
    uint64_t at;
    while ((at = sq_bwe_next_ns(bwe)) < 5 * SEC) {
        sq_bwe_on_timeout(bwe, at);
    }
    double grown = (double)sq_bwe_target_bps(bwe) / before;
    assert_true(grown > 1.08 * 1.08 * 1.08 && grown < 1.08 * 1.08 * 1.08 * 1.08 * 1.08);
    while ((at = sq_bwe_next_ns(bwe)) < 60 * SEC) {
        sq_bwe_on_timeout(bwe, at);
    }
    grown = (double)sq_bwe_target_bps(bwe) / before;
    assert_true(grown < 1.75); /* six seconds' worth */
    sq_bwe_destroy(bwe);
}

static void refuses_bounds_that_cross(void **state)
{
    (void)state;
    struct sq_bwe *bwe = NULL;
    const struct sq_bwe_config bad[] = {
        {.min_bps = 500000, .start_bps = 300000},
        {.max_bps = 200000, .start_bps = 300000},
        {.min_bps = 300000, .max_bps = 200000},
        {.max_bps = 1ull << 40},
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(sq_bwe_create(&bad[i], &bwe), SQ_ERR_INVALID);
        assert_null(bwe);
    }
    const struct sq_bwe_config low = {.max_bps = 200000};
    bwe = make(&low); /* the default start bends to the bounds */
    assert_int_equal(sq_bwe_target_bps(bwe), 200000);
    sq_bwe_destroy(bwe);
    sq_bwe_destroy(NULL);
    sq_mem_fail_at(1);
    bwe = NULL;
    int err = sq_bwe_create(&defaults, &bwe);
    sq_mem_fail_at(0);
    assert_int_equal(err, SQ_ERR_NOMEM);
    assert_null(bwe);
}

/* A receiver that says whatever it likes. */
static void never_leaves_its_bounds(void **state)
{
    (void)state;
    const struct sq_bwe_config config = {.start_bps = 300000, .min_bps = 50000, .max_bps = 4000000};
    for (uint64_t seed = 1; seed <= 40; seed++) {
        struct sq_rand rand;
        sq_rand_seed(&rand, seed);
        struct sq_bwe *bwe = make(&config);
        uint64_t now = SEC;
        sq_bwe_start(bwe, now);
        for (unsigned i = 0; i < 2000; i++) {
            struct sq_twcc_result r[32];
            size_t n = sq_rand_below(&rand, 32);
            now += sq_rand_below(&rand, 300) * MS;
            for (size_t k = 0; k < n; k++) {
                r[k] = (struct sq_twcc_result){
                    .size_bytes = (uint16_t)sq_rand_u32(&rand),
                    .received = sq_rand_below(&rand, 4) > 0,
                    .was_lost = sq_rand_below(&rand, 8) == 0,
                    .probe = (uint8_t)sq_rand_below(&rand, 4),
                    .sent_ns = now - sq_rand_below(&rand, 1000) * MS,
                    .arrival_ns = seed % 2 ? (int64_t)(now - sq_rand_below(&rand, 500) * MS)
                                           : (int64_t)(sq_rand_u64(&rand) >> 2),
                };
            }
            sq_bwe_on_sent(bwe, now, sq_rand_below(&rand, 1500), (uint8_t)sq_rand_below(&rand, 4));
            sq_bwe_on_feedback(bwe, now, r, n);
            if (sq_rand_below(&rand, 10) == 0) {
                sq_bwe_on_remb(bwe, now, sq_rand_u64(&rand) >> sq_rand_below(&rand, 64));
            }
            if (sq_rand_below(&rand, 10) == 0) {
                sq_bwe_set_needed(bwe, now, sq_rand_u32(&rand));
            }
            sq_bwe_on_timeout(bwe, now);
            assert_true(sq_bwe_next_ns(bwe) > now);
            assert_in_range(sq_bwe_target_bps(bwe), 50000, 4000000);
            struct sq_bwe_stats s;
            sq_bwe_stats(bwe, &s);
            assert_in_range(s.delay_bps, 50000, 4000000);
            assert_true(s.loss >= 0 && s.loss <= 1);
            struct sq_bwe_probe probe;
            if (sq_bwe_probe_due(bwe, now, &probe)) {
                assert_in_range(probe.bps, 1, 8000000);
                assert_int_not_equal(probe.id, 0);
            }
        }
        sq_bwe_destroy(bwe);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(settles_in_a_bottleneck_and_leaves_it),
        cmocka_unit_test(begins_with_probes),
        cmocka_unit_test(random_loss_is_no_congestion),
        cmocka_unit_test(yields_to_heavy_loss),
        cmocka_unit_test(two_share),
        cmocka_unit_test(jitter_is_no_congestion),
        cmocka_unit_test(gives_way_to_another_flow),
        cmocka_unit_test(probes_where_the_source_is_the_limit),
        cmocka_unit_test(first_probes_wait_for_a_calm_link),
        cmocka_unit_test(a_probe_that_waited_is_not_late),
        cmocka_unit_test(silence_lowers_the_rate),
        cmocka_unit_test(follows_remb_and_reports),
        cmocka_unit_test(grows_between_reports),
        cmocka_unit_test(refuses_bounds_that_cross),
        cmocka_unit_test(never_leaves_its_bounds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
