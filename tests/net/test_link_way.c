/* One direction of a link in virtual time: what comes out against what was set. */
#include "net/link_way.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS         SQ_NS_PER_MS
#define WIRE_BYTES 1228 /* a packet of 1,200 bytes in UDP over IPv4 */

static struct sq_held_pool pool;
static size_t count; /* of the one port there is */

static struct sq_held *packet(uint32_t number, uint32_t wire_bytes)
{
    struct sq_held *held = sq_held_new(&pool, 16);
    assert_non_null(held);
    held->port = NULL;
    held->count = &count;
    held->late_ns = 0;
    held->order_ns = NULL;
    held->wire_bytes = wire_bytes;
    memset(held->data, 0, 16);
    memcpy(held->data, &number, sizeof(number));
    return held;
}

static uint32_t number_of(const struct sq_held *held)
{
    uint32_t number;
    memcpy(&number, held->data, sizeof(number));
    return number;
}

static void done_with(struct sq_held *held)
{
    count--;
    sq_held_free(&pool, held);
}

/* What a stream of packets at even steps met. */
struct seen {
    size_t offered, lost, full, arrived, disordered;
    uint64_t bytes, first_ns, last_ns;
    double delay_sum_ms, delay_min_ms, delay_max_ms;
    uint64_t hash;
};

static void note(struct seen *seen, const struct sq_held *held, uint64_t step_ns, uint32_t *newest)
{
    uint32_t number = number_of(held);
    double delay_ms = (double)(held->due_ns - number * step_ns) / MS;
    seen->first_ns = seen->arrived == 0 ? held->due_ns : seen->first_ns;
    seen->last_ns = held->due_ns;
    seen->delay_min_ms = seen->arrived == 0 ? delay_ms : fmin(seen->delay_min_ms, delay_ms);
    seen->delay_max_ms = fmax(seen->delay_max_ms, delay_ms);
    seen->delay_sum_ms += delay_ms;
    seen->disordered += seen->arrived > 0 && number < *newest;
    *newest = number > *newest ? number : *newest;
    seen->arrived++;
    seen->bytes += held->wire_bytes;
    seen->hash = (seen->hash ^ held->due_ns ^ number) * 0x100000001b3ULL;
}

static struct seen stream(const struct sq_link_way *config, uint64_t seed, uint32_t packets,
                          uint64_t step_ns)
{
    struct sq_way way;
    struct seen seen = {0};
    uint32_t newest = 0;
    sq_way_init(&way, config, seed, &pool);
    for (uint32_t i = 0; i <= packets; i++) {
        /* Everything on its way comes out behind the last one. */
        uint64_t now_ns = i < packets ? i * step_ns : i * step_ns + 100 * SQ_NS_PER_SEC;
        struct sq_held *held;
        while ((held = sq_way_take(&way, now_ns)) != NULL) {
            note(&seen, held, step_ns, &newest);
            done_with(held);
        }
        if (i == packets) {
            break;
        }
        seen.offered++;
        if (sq_way_loses(&way)) {
            seen.lost++;
        } else {
            seen.full += !sq_way_enter(&way, packet(i, WIRE_BYTES), now_ns);
        }
    }
    assert_int_equal(way.held, 0);
    assert_int_equal(way.counters.offered, seen.offered);
    assert_int_equal(way.counters.lost, seen.lost);
    assert_int_equal(way.counters.queue_dropped, seen.full);
    assert_int_equal(way.counters.delivered, seen.arrived);
    assert_int_equal(way.counters.bytes, seen.bytes);
    sq_way_clear(&way);
    return seen;
}

/* Within so many standard deviations of what chance would do. */
static void assert_share(size_t hits, size_t of, double share, double deviations)
{
    double found = (double)hits / (double)of;
    double bound = deviations * sqrt(share * (1 - share) / (double)of);
    if (fabs(found - share) > bound) {
        fail_msg("%zu of %zu is %.5f, not %.5f to within %.5f", hits, of, found, share, bound);
    }
}

static void the_rate_is_what_was_set(void **state)
{
    static const double rates[] = {50e3, 500e3, 4e6, 100e6};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        const struct sq_link_way config = {.rate_bps = rates[i]};
        uint64_t step_ns = (uint64_t)(WIRE_BYTES * 8e9 / rates[i] / 2); /* twice the rate */
        struct seen seen = stream(&config, 1, 20000, step_ns);
        double took_s = (double)(seen.last_ns - seen.first_ns) / 1e9;
        double rate = (double)(seen.bytes - WIRE_BYTES) * 8 / took_s;
        assert_true(fabs(rate / rates[i] - 1) < 0.001);
        assert_true(seen.full > 5000);
        /* The queue of 300 ms, or of six packets where those are more. */
        double queue_ms = fmax(300, 6 * WIRE_BYTES * 8e3 / rates[i]);
        assert_true(seen.delay_max_ms <= queue_ms + 1);
        assert_true(seen.delay_max_ms > queue_ms - 1.1 * WIRE_BYTES * 8e3 / rates[i]);
    }
}

static void a_queue_has_a_size_in_bytes_or_time(void **state)
{
    const struct sq_link_way by_bytes = {.rate_bps = 1e6, .queue_bytes = 10 * WIRE_BYTES};
    const struct sq_link_way by_time = {.rate_bps = 1e6, .queue_ns = 50 * MS};
    double packet_ms = WIRE_BYTES * 8 / 1e3;
    struct seen seen = stream(&by_bytes, 1, 1000, MS);
    assert_true(seen.delay_max_ms <= 10 * packet_ms && seen.delay_max_ms > 9 * packet_ms);
    seen = stream(&by_time, 1, 1000, MS);
    assert_true(seen.delay_max_ms <= 50 && seen.delay_max_ms > 50 - packet_ms);
}

static void a_packet_larger_than_the_queue_passes_alone(void **state)
{
    const struct sq_link_way config = {.rate_bps = 1e6, .queue_bytes = 100};
    struct seen seen = stream(&config, 1, 100, 20 * MS);
    assert_int_equal(seen.arrived, 100);
}

static void the_delay_is_what_was_set(void **state)
{
    const struct sq_link_way config = {.delay_ns = 350 * MS};
    struct seen seen = stream(&config, 1, 1000, 7 * MS);
    assert_int_equal(seen.arrived, 1000);
    assert_true(seen.delay_min_ms == 350 && seen.delay_max_ms == 350);
}

static void jitter_lies_around_the_delay_and_keeps_the_order(void **state)
{
    const struct sq_link_way config = {.delay_ns = 100 * MS, .jitter_ns = 30 * MS};
    struct seen seen = stream(&config, 7, 20000, 70 * MS);
    assert_int_equal(seen.arrived, 20000);
    assert_true(fabs(seen.delay_sum_ms / 20000 - 100) < 1);
    assert_true(seen.delay_min_ms >= 70 && seen.delay_min_ms < 71);
    assert_true(seen.delay_max_ms <= 130 && seen.delay_max_ms > 129);
    seen = stream(&config, 7, 20000, 5 * MS);
    assert_int_equal(seen.disordered, 0);
    assert_true(seen.delay_max_ms <= 130);
}

static void jitter_may_reorder(void **state)
{
    const struct sq_link_way config = {.delay_ns = 100 * MS, .jitter_ns = 30 * MS, .reorder = true};
    struct seen seen = stream(&config, 7, 20000, 5 * MS);
    assert_int_equal(seen.arrived, 20000);
    assert_true(seen.disordered > 5000);
    assert_true(fabs(seen.delay_sum_ms / 20000 - 100) < 1);
}

static void the_share_that_is_lost_is_what_was_set(void **state)
{
    static const double shares[] = {0.002, 0.05, 0.5, 1};
    for (size_t i = 0; i < sizeof(shares) / sizeof(shares[0]); i++) {
        const struct sq_link_way config = {.loss = shares[i]};
        struct seen seen = stream(&config, 11 + i, 200000, MS);
        assert_share(seen.lost, seen.offered, shares[i], 4);
        assert_int_equal(seen.arrived + seen.lost, seen.offered);
    }
}

static void loss_in_bursts_has_their_length_and_share(void **state)
{
    /* Five in a hundred lost, four in a row on average: to_good = 1/4, to_bad = 1/4 * 5/95. */
    const struct sq_link_way config = {
        .bursts = {.to_good = 0.25, .to_bad = 0.25 * 5 / 95, .loss_bad = 1}};
    struct sq_way way;
    size_t lost = 0;
    size_t bursts = 0;
    bool before = false;
    sq_way_init(&way, &config, 5, &pool);
    for (size_t i = 0; i < 1000000; i++) {
        bool now = sq_way_loses(&way);
        lost += now;
        bursts += now && !before;
        before = now;
    }
    /* A chain's losses hang together: its share spreads (1 + r) / (1 - r) times as far, with r the
     * correlation of neighbours, 1 - to_bad - to_good. */
    assert_share(lost, 1000000, 0.05, 4 * sqrt(1.74 / 0.26));
    assert_true(fabs((double)lost / (double)bursts - 4) < 0.1);
}

/* In all of n packets the delays are spread evenly: each tenth of the range has its tenth of them,
 * and the standard deviation is that of an even spread, jitter / sqrt(3). */
static void jitter_is_spread_evenly(void **state)
{
    enum { N = 100000, TENTHS = 10 };
    const struct sq_link_way config = {.delay_ns = 50 * MS, .jitter_ns = 20 * MS, .reorder = true};
    struct sq_way way;
    size_t tenths[TENTHS] = {0};
    double squares = 0;
    sq_way_init(&way, &config, 9, &pool);
    for (uint32_t i = 0; i < N; i++) {
        uint64_t now_ns = i * 100 * MS;
        assert_true(sq_way_enter(&way, packet(i, WIRE_BYTES), now_ns));
        struct sq_held *held = sq_way_take(&way, now_ns + 100 * MS);
        double off_ms = (double)(held->due_ns - now_ns) / MS - 50;
        tenths[(size_t)fmin((off_ms + 20) / 4, TENTHS - 1)]++;
        squares += off_ms * off_ms;
        done_with(held);
    }
    for (size_t i = 0; i < TENTHS; i++) {
        assert_share(tenths[i], N, 0.1, 4);
    }
    assert_true(fabs(sqrt(squares / N) / (20 / sqrt(3)) - 1) < 0.01);
    sq_way_clear(&way);
}

/* Packets in steps shorter than the jitter, in order: one waits for those before it, so that the
 * mean is above the delay, but none is later than delay + jitter. */
static void order_costs_delay_and_not_more(void **state)
{
    const struct sq_link_way config = {.delay_ns = 100 * MS, .jitter_ns = 30 * MS};
    struct seen seen = stream(&config, 7, 20000, 5 * MS);
    double mean_ms = seen.delay_sum_ms / 20000;
    assert_true(mean_ms > 105 && mean_ms < 125 && seen.delay_max_ms <= 130);
    assert_int_equal(seen.disordered, 0);
}

/* Both states lose, each its own share (Elliott 1963): all in all loss_good in the good state's
 * part of the time and loss_bad in the bad one's. */
static void both_states_of_bursts_lose(void **state)
{
    const struct sq_link_way config = {
        .bursts = {.to_bad = 0.01, .to_good = 0.1, .loss_good = 0.01, .loss_bad = 0.6}};
    const double bad = 0.01 / 0.11;
    const double share = bad * 0.6 + (1 - bad) * 0.01;
    struct sq_way way;
    size_t lost = 0;
    size_t again = 0; /* behind a lost one */
    bool before = false;
    sq_way_init(&way, &config, 21, &pool);
    for (size_t i = 0; i < 2000000; i++) {
        bool now = sq_way_loses(&way);
        lost += now;
        again += now && before;
        before = now;
    }
    /* r = 1 - to_bad - to_good is the correlation of the states of neighbours: their losses hang
     * together by less than that. */
    assert_share(lost, 2000000, share, 4 * sqrt(1.89 / 0.11));
    double bad_if_lost = bad * 0.6 / share;
    double bad_next = bad_if_lost * 0.9 + (1 - bad_if_lost) * 0.01;
    double again_share = bad_next * 0.6 + (1 - bad_next) * 0.01;
    assert_share(again, lost, again_share, 4 * sqrt(1.89 / 0.11));
}

/* As the settings say them: of each length on average, with the same share. */
static void bursts_of_any_length_keep_the_share(void **state)
{
    static const double lengths[] = {1.5, 4, 20};
    for (size_t k = 0; k < sizeof(lengths) / sizeof(*lengths); k++) {
        const double to_good = 1 / lengths[k];
        const double to_bad = to_good * 3 / 97;
        const struct sq_link_way config = {
            .bursts = {.to_good = to_good, .to_bad = to_bad, .loss_bad = 1}};
        struct sq_way way;
        size_t lost = 0;
        size_t bursts = 0;
        size_t of_one = 0;
        size_t run = 0;
        sq_way_init(&way, &config, 31 + k, &pool);
        for (size_t i = 0; i < 2000000; i++) {
            bool now = sq_way_loses(&way);
            lost += now;
            bursts += now && run == 0;
            of_one += !now && run == 1;
            run = now ? run + 1 : 0;
        }
        double r = 1 - to_bad - to_good;
        assert_share(lost, 2000000, 0.03, 4 * sqrt((1 + r) / (1 - r)));
        /* Their lengths are geometric: mean 1/p, deviation sqrt(1-p)/p, and p of them are 1. */
        double mean = (double)lost / (double)bursts;
        double bound = 4 * sqrt(1 - to_good) / to_good / sqrt((double)bursts);
        assert_true(fabs(mean - lengths[k]) < bound);
        assert_share(of_one, bursts, to_good, 4);
    }
}

static void some_arrive_twice_or_altered(void **state)
{
    const struct sq_link_way config = {.duplicate = 0.03, .corrupt = 0.02};
    struct sq_way way;
    size_t twice = 0;
    size_t altered = 0;
    sq_way_init(&way, &config, 3, &pool);
    for (uint32_t i = 0; i < 100000; i++) {
        struct sq_held *held;
        assert_true(sq_way_enter(&way, packet(0, 44), i * MS));
        size_t came = 0;
        size_t bits = 0;
        while ((held = sq_way_take(&way, i * MS)) != NULL) {
            for (size_t k = 0; k < 16 && came == 0; k++) {
                bits += (size_t)__builtin_popcount(held->data[k]);
            }
            came++;
            done_with(held);
        }
        assert_true(came == 1 || came == 2);
        assert_true(bits <= 1);
        twice += came == 2;
        altered += bits;
    }
    assert_share(twice, 100000, 0.03, 4);
    assert_share(altered, 100000, 0.02, 4);
    assert_int_equal(way.counters.duplicated, twice);
    assert_int_equal(way.counters.corrupted, altered);
}

static void the_seed_decides(void **state)
{
    const struct sq_link_way config = {.rate_bps = 9e6,
                                       .delay_ns = 20 * MS,
                                       .jitter_ns = 10 * MS,
                                       .reorder = true,
                                       .loss = 0.05,
                                       .duplicate = 0.01,
                                       .corrupt = 0.01};
    struct seen a = stream(&config, 42, 5000, MS);
    struct seen b = stream(&config, 42, 5000, MS);
    struct seen other = stream(&config, 43, 5000, MS);
    assert_true(a.hash == b.hash && a.arrived == b.arrived);
    assert_true(a.hash != other.hash);
}

/* A hundred packets wait for 10 Mbit/s when the link becomes ten times slower. */
static void what_waits_leaves_at_the_new_rate(void **state)
{
    const struct sq_link_way fast = {.rate_bps = 10e6, .queue_ns = 10 * SQ_NS_PER_SEC};
    const struct sq_link_way slow = {.rate_bps = 1e6, .queue_ns = 10 * SQ_NS_PER_SEC};
    const double each_ms = WIRE_BYTES * 8 / 10e3;
    struct sq_way way;
    struct sq_held *held;
    sq_way_init(&way, &fast, 1, &pool);
    for (uint32_t i = 0; i < 100; i++) {
        assert_true(sq_way_enter(&way, packet(i, WIRE_BYTES), 0));
    }
    uint64_t change_ns = (uint64_t)(50.5 * each_ms * MS);
    for (uint32_t i = 0; i < 50; i++) {
        held = sq_way_take(&way, change_ns);
        assert_non_null(held);
        done_with(held);
    }
    assert_null(sq_way_take(&way, change_ns));
    sq_way_set(&way, &slow, change_ns);
    /* Half of the fifty-first has passed. */
    double due_ms = 50.5 * each_ms + 0.5 * 10 * each_ms;
    for (uint32_t i = 50; i < 100; i++) {
        assert_true(fabs((double)sq_way_next_ns(&way) / MS - due_ms) < 0.01);
        held = sq_way_take(&way, sq_way_next_ns(&way));
        assert_int_equal(number_of(held), i);
        assert_true(fabs((double)held->due_ns / MS - due_ms) < 0.01);
        done_with(held);
        due_ms += 10 * each_ms;
    }
    assert_true(sq_way_next_ns(&way) == SQ_NEVER);
}

static void without_a_bottleneck_all_that_waits_leaves(void **state)
{
    const struct sq_link_way slow = {.rate_bps = 1e5, .queue_ns = 10 * SQ_NS_PER_SEC};
    const struct sq_link_way open = {0};
    struct sq_way way;
    sq_way_init(&way, &slow, 1, &pool);
    for (uint32_t i = 0; i < 10; i++) {
        assert_true(sq_way_enter(&way, packet(i, WIRE_BYTES), 0));
    }
    sq_way_set(&way, &open, 10 * MS);
    assert_false(sq_way_is_clear(&way));
    for (uint32_t i = 0; i < 10; i++) {
        struct sq_held *held = sq_way_take(&way, 10 * MS);
        assert_non_null(held);
        done_with(held);
    }
    assert_true(sq_way_is_clear(&way));
}

static void less_delay_does_not_overtake(void **state)
{
    const struct sq_link_way far = {.delay_ns = 500 * MS};
    const struct sq_link_way near = {.delay_ns = 10 * MS};
    struct sq_way way;
    sq_way_init(&way, &far, 1, &pool);
    assert_true(sq_way_enter(&way, packet(0, WIRE_BYTES), 0));
    sq_way_set(&way, &near, 100 * MS);
    assert_true(sq_way_enter(&way, packet(1, WIRE_BYTES), 100 * MS));
    assert_null(sq_way_take(&way, 499 * MS));
    for (uint32_t i = 0; i < 2; i++) {
        struct sq_held *held = sq_way_take(&way, 500 * MS);
        assert_non_null(held);
        assert_int_equal(number_of(held), i);
        done_with(held);
    }
}

/* TCP makes good what it loses; only its own stream waits for that, and not what shares the link.
 */
static void a_lost_segment_holds_nobody_else_up(void **state)
{
    const struct sq_link_way config = {.delay_ns = 100 * MS};
    static const uint64_t due_ms[] = {100, 310, 120, 310, 140, 150};
    uint64_t order_ns = 0;
    bool seen[6] = {false};
    struct sq_way way;
    struct sq_held *held;
    (void)state;
    sq_way_init(&way, &config, 1, &pool);
    for (uint32_t i = 0; i < 6; i++) {
        held = packet(i, WIRE_BYTES);
        held->order_ns = i == 1 || i == 3 ? &order_ns : NULL;
        held->late_ns = i == 1 ? 200 * MS : 0;
        assert_true(sq_way_enter(&way, held, i * 10 * MS));
    }
    for (uint64_t at_ms = 0; at_ms <= 400; at_ms++) {
        while ((held = sq_way_take(&way, at_ms * MS)) != NULL) {
            uint32_t i = number_of(held);
            assert_int_equal(at_ms, due_ms[i]);
            assert_true(i != 3 || seen[1]);
            seen[i] = true;
            done_with(held);
        }
    }
    assert_int_equal(way.held, 0);
    sq_way_clear(&way);
}

static void a_link_holds_so_many_and_no_more(void **state)
{
    const struct sq_link_way config = {.delay_ns = SQ_NS_PER_SEC};
    struct sq_way way;
    sq_way_init(&way, &config, 1, &pool);
    for (uint32_t i = 0; i < SQ_LINK_HELD_MAX; i++) {
        assert_true(sq_way_enter(&way, packet(i, WIRE_BYTES), 0));
    }
    assert_false(sq_way_enter(&way, packet(0, WIRE_BYTES), 0));
    assert_int_equal(way.counters.queue_dropped, 1);
    sq_way_clear(&way);
    assert_int_equal(count, 0);
}

static int after(void **state)
{
    sq_held_pool_clear(&pool);
    return count == 0 ? 0 : -1; /* nothing was forgotten */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_rate_is_what_was_set),
        cmocka_unit_test(a_queue_has_a_size_in_bytes_or_time),
        cmocka_unit_test(a_packet_larger_than_the_queue_passes_alone),
        cmocka_unit_test(the_delay_is_what_was_set),
        cmocka_unit_test(jitter_lies_around_the_delay_and_keeps_the_order),
        cmocka_unit_test(jitter_may_reorder),
        cmocka_unit_test(the_share_that_is_lost_is_what_was_set),
        cmocka_unit_test(loss_in_bursts_has_their_length_and_share),
        cmocka_unit_test(jitter_is_spread_evenly),
        cmocka_unit_test(order_costs_delay_and_not_more),
        cmocka_unit_test(both_states_of_bursts_lose),
        cmocka_unit_test(bursts_of_any_length_keep_the_share),
        cmocka_unit_test(some_arrive_twice_or_altered),
        cmocka_unit_test(the_seed_decides),
        cmocka_unit_test(what_waits_leaves_at_the_new_rate),
        cmocka_unit_test(without_a_bottleneck_all_that_waits_leaves),
        cmocka_unit_test(less_delay_does_not_overtake),
        cmocka_unit_test(a_lost_segment_holds_nobody_else_up),
        cmocka_unit_test(a_link_holds_so_many_and_no_more),
    };
    return cmocka_run_group_tests(tests, NULL, after);
}
