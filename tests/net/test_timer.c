/* The timer wheel in virtual time, against a sorted reference. */
#include "base/mem.h"
#include "base/rand.h"
#include "net/timer.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>

#include <cmocka.h>

#define START_NS (123456789ULL * SQ_NS_PER_MS + 4711)

struct probe {
    struct sq_timer timer;
    struct sq_timer_wheel *wheel;
    uint64_t due_ns;   /* what the reference expects */
    uint64_t fired_ns; /* 0: not yet */
    unsigned times;
};

static void on_probe(void *ctx, uint64_t now_ns)
{
    struct probe *p = ctx;
    p->fired_ns = now_ns;
    p->times++;
}

static uint64_t slot_of(uint64_t ns)
{
    return (ns + SQ_TIMER_SLOT_NS - 1) / SQ_TIMER_SLOT_NS;
}

/* The reference: sorted by slot. */
struct expected {
    uint64_t slot;
    struct probe *probe;
};

static int by_slot(const void *a, const void *b)
{
    const struct expected *x = a;
    const struct expected *y = b;
    return (x->slot > y->slot) - (x->slot < y->slot);
}

/* From tens of us to thousands of hours. */
static uint64_t random_delay(struct sq_rand *r)
{
    unsigned bits = 10 + sq_rand_below(r, 44);
    return sq_rand_u64(r) >> (64 - bits);
}

/* Steps the wheel exactly as a loop does: to the wheel's own next time, which must never lie behind
 * the first deadline's slot. */
static void random_timers_fire_in_their_slot(void **state)
{
    enum { N = 100000 };
    struct sq_rand r;
    sq_rand_seed(&r, 7);
    struct sq_timer_wheel *wheel = sq_malloc(sizeof(*wheel));
    struct probe *probes = sq_calloc(N, sizeof(*probes));
    struct expected *sorted = sq_calloc(N, sizeof(*sorted));
    sq_timer_wheel_init(wheel, START_NS);
    for (size_t i = 0; i < N; i++) {
        sq_timer_init(&probes[i].timer, on_probe, &probes[i]);
        probes[i].due_ns = START_NS + random_delay(&r);
        sq_timer_start(wheel, &probes[i].timer, probes[i].due_ns);
    }
    size_t live = 0;
    for (size_t i = 0; i < N; i++) {
        if (i % 10 == 3) { /* a tenth is stopped, a tenth is moved */
            sq_timer_stop(&probes[i].timer);
            continue;
        }
        if (i % 10 == 7) {
            probes[i].due_ns = START_NS + random_delay(&r);
            sq_timer_start(wheel, &probes[i].timer, probes[i].due_ns);
        }
        sorted[live++] = (struct expected){.slot = slot_of(probes[i].due_ns), .probe = &probes[i]};
    }
    assert_int_equal(wheel->count, live);
    qsort(sorted, live, sizeof(*sorted), by_slot);
    size_t done = 0;
    size_t fired = 0;
    uint64_t now = START_NS;
    while (done < live) {
        uint64_t next = sq_timer_wheel_next_ns(wheel);
        assert_true(next <= sorted[done].slot * SQ_TIMER_SLOT_NS);
        now = sq_max_u64(next, now) + sq_rand_below(&r, 3000000); /* sometimes late */
        fired += sq_timer_wheel_advance(wheel, now, NULL, NULL);
        while (done < live && sorted[done].slot <= now / SQ_TIMER_SLOT_NS) {
            assert_int_equal(sorted[done].probe->fired_ns, now);
            assert_int_equal(sorted[done].probe->times, 1);
            done++;
        }
        assert_int_equal(fired, done);
    }
    assert_int_equal(wheel->count, 0);
    assert_true(sq_timer_wheel_next_ns(wheel) == SQ_NEVER);
    for (size_t i = 3; i < N; i += 10) {
        assert_int_equal(probes[i].times, 0);
    }
    sq_free(sorted);
    sq_free(probes);
    sq_free(wheel);
}

static struct sq_timer_wheel one;

static void fires_never_early_and_once(void **state)
{
    struct probe p = {0};
    sq_timer_wheel_init(&one, 0);
    sq_timer_init(&p.timer, on_probe, &p);
    sq_timer_start(&one, &p.timer, 5 * SQ_NS_PER_MS + 1);
    assert_int_equal(sq_timer_wheel_next_ns(&one), 6 * SQ_NS_PER_MS);
    assert_int_equal(sq_timer_wheel_advance(&one, 6 * SQ_NS_PER_MS - 1, NULL, NULL), 0);
    assert_int_equal(sq_timer_wheel_advance(&one, 6 * SQ_NS_PER_MS, NULL, NULL), 1);
    assert_int_equal(sq_timer_wheel_advance(&one, 60 * SQ_NS_PER_MS, NULL, NULL), 0);
    assert_int_equal(p.times, 1);
    assert_false(sq_timer_active(&p.timer));
    sq_timer_start(&one, &p.timer, SQ_NEVER);
    assert_false(sq_timer_active(&p.timer));
}

/* A callback that starts itself again in the past must not hang the wheel. */
static void restart(void *ctx, uint64_t now_ns)
{
    struct probe *p = ctx;
    p->times++;
    sq_timer_start(p->wheel, &p->timer, now_ns - SQ_NS_PER_MS);
}

static void past_deadlines_wait_for_the_next_advance(void **state)
{
    struct probe p = {.wheel = &one};
    uint64_t now = START_NS;
    sq_timer_wheel_init(&one, now);
    sq_timer_init(&p.timer, restart, &p);
    sq_timer_start(&one, &p.timer, now - SQ_NS_PER_SEC);
    assert_int_equal(sq_timer_wheel_next_ns(&one), 0);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(sq_timer_wheel_advance(&one, now, NULL, NULL), 1);
        assert_int_equal(p.times, i);
    }
    sq_timer_stop(&p.timer);
    assert_int_equal(one.count, 0);
}

/* Catches up: a millisecond after the one that was due before. */
static void go_on(void *ctx, uint64_t now_ns)
{
    struct probe *p = ctx;
    (void)now_ns;
    p->times++;
    sq_timer_start(p->wheel, &p->timer, p->timer.deadline_ns + SQ_NS_PER_MS);
}

/* What is behind goes on a call at a time, so that what came meanwhile is read in between. */
static void who_is_behind_goes_on_in_the_next_advance(void **state)
{
    struct probe p = {.wheel = &one};
    uint64_t now = START_NS + 2 * SQ_NS_PER_SEC;
    sq_timer_wheel_init(&one, START_NS);
    sq_timer_init(&p.timer, go_on, &p);
    sq_timer_start(&one, &p.timer, START_NS + SQ_NS_PER_MS);
    for (unsigned i = 1; i <= 3; i++) {
        assert_int_equal(sq_timer_wheel_advance(&one, now, NULL, NULL), 1);
        assert_int_equal(p.times, i);
        assert_int_equal(sq_timer_wheel_next_ns(&one), 0);
    }
    sq_timer_stop(&p.timer);
    assert_int_equal(one.count, 0);
}

/* The first of a slot stops the second and frees both. */
static void stop_other(void *ctx, uint64_t now_ns)
{
    struct probe *pair = ctx;
    sq_timer_stop(&pair[1].timer);
    sq_free(pair);
}

static void a_callback_may_stop_its_neighbour(void **state)
{
    struct probe *pair = sq_calloc(2, sizeof(*pair));
    sq_timer_wheel_init(&one, 0);
    sq_timer_init(&pair[0].timer, stop_other, pair);
    sq_timer_init(&pair[1].timer, on_probe, &pair[1]);
    sq_timer_start(&one, &pair[0].timer, 300 * SQ_NS_PER_MS); /* comes down from a higher level */
    sq_timer_start(&one, &pair[1].timer, 300 * SQ_NS_PER_MS);
    assert_int_equal(sq_timer_wheel_advance(&one, SQ_NS_PER_SEC, NULL, NULL), 1);
    assert_int_equal(one.count, 0);
    assert_true(sq_timer_wheel_next_ns(&one) == SQ_NEVER);
}

static unsigned order_seen;

static void in_order(void *ctx, uint64_t now_ns)
{
    assert_int_equal(*(const unsigned *)ctx, order_seen);
    order_seen++;
}

static void one_slot_keeps_the_order_of_starting(void **state)
{
    struct sq_timer timers[50];
    unsigned numbers[50];
    sq_timer_wheel_init(&one, 0);
    order_seen = 0;
    for (unsigned i = 0; i < 50; i++) {
        numbers[i] = i;
        sq_timer_init(&timers[i], in_order, &numbers[i]);
        sq_timer_start(&one, &timers[i], 3 * SQ_NS_PER_MS);
    }
    sq_timer_wheel_advance(&one, 3 * SQ_NS_PER_MS, NULL, NULL);
    assert_int_equal(order_seen, 50);
}

/* For one slot, from further and further near: they stand on different levels at first. */
static void a_slot_keeps_the_order_over_the_levels(void **state)
{
    enum { N = 24, TOGETHER = 3 };
    const uint64_t due = START_NS - START_NS % SQ_NS_PER_MS + 70000000 * SQ_NS_PER_MS;
    struct sq_timer timers[N * TOGETHER];
    unsigned numbers[N * TOGETHER];
    unsigned levels = 0;
    sq_timer_wheel_init(&one, START_NS);
    order_seen = 0;
    for (unsigned i = 0; i < N * TOGETHER; i++) {
        numbers[i] = i;
        sq_timer_init(&timers[i], in_order, &numbers[i]);
        if (i % TOGETHER == 0) {
            uint64_t left = 60000000 * SQ_NS_PER_MS >> i / TOGETHER;
            assert_int_equal(sq_timer_wheel_advance(&one, due - left, NULL, NULL), 0);
        }
        sq_timer_start(&one, &timers[i], due);
        for (unsigned level = 0; level < SQ_TIMER_LEVELS; level++) {
            const uint64_t *used = one.used[level];
            levels |= (used[0] | used[1] | used[2] | used[3] ? 1U : 0U) << level;
        }
    }
    assert_int_equal(levels, 0xf);
    assert_int_equal(sq_timer_wheel_advance(&one, due, NULL, NULL), N * TOGETHER);
    assert_int_equal(order_seen, N * TOGETHER);
}

/* Thousands of timers of a few seconds never wait where they would all move down at once, wherever
 * the clock stands. */
static void timers_of_a_minute_move_down_bit_by_bit(void **state)
{
    enum { N = 2000 };
    struct probe *probes = sq_calloc(N, sizeof(*probes));
    uint64_t now = START_NS;
    sq_timer_wheel_init(&one, now);
    for (size_t i = 0; i < N; i++) {
        sq_timer_init(&probes[i].timer, on_probe, &probes[i]);
    }
    for (size_t round = 0; round < 40; round++) { /* over three of level 2's slots of 65.5 s */
        for (size_t i = 0; i < N; i++) {
            sq_timer_start(&one, &probes[i].timer, now + 3 * SQ_NS_PER_SEC + i * SQ_NS_PER_MS);
        }
        size_t most = 0;
        for (size_t level = 1; level < SQ_TIMER_LEVELS; level++) {
            for (size_t slot = 0; slot < SQ_TIMER_SLOTS; slot++) {
                const struct sq_timer_link *head = &one.slots[level][slot];
                size_t n = 0;
                for (const struct sq_timer_link *link = head->next; link != head;
                     link = link->next) {
                    n++;
                }
                most = n > most ? n : most;
            }
        }
        assert_true(most > 0 && most <= SQ_TIMER_SLOTS);
        now += 5 * SQ_NS_PER_SEC;
        assert_int_equal(sq_timer_wheel_advance(&one, now, NULL, NULL), N);
    }
    sq_free(probes);
}

static void remember(void *ctx, uint64_t lateness_ns)
{
    *(uint64_t *)ctx = lateness_ns;
}

static void lateness_is_measured_from_the_deadline(void **state)
{
    struct probe p = {0};
    uint64_t late = 0;
    sq_timer_wheel_init(&one, 0);
    sq_timer_init(&p.timer, on_probe, &p);
    sq_timer_start(&one, &p.timer, 10 * SQ_NS_PER_MS - 300);
    sq_timer_wheel_advance(&one, 12 * SQ_NS_PER_MS, remember, &late);
    assert_int_equal(late, 2 * SQ_NS_PER_MS + 300);
    /* 0 is "at once", which is never late. */
    late = 0;
    sq_timer_start(&one, &p.timer, 0);
    assert_int_equal(sq_timer_wheel_advance(&one, 13 * SQ_NS_PER_MS, remember, &late), 1);
    assert_int_equal(late, 0);
}

static void far_deadlines_stand_and_stop(void **state)
{
    struct probe p = {0};
    sq_timer_wheel_init(&one, START_NS);
    sq_timer_init(&p.timer, on_probe, &p);
    sq_timer_start(&one, &p.timer, SQ_NEVER - 1); /* some 584 years */
    assert_int_equal(sq_timer_wheel_advance(&one, START_NS + 1000 * SQ_NS_PER_SEC, NULL, NULL), 0);
    assert_true(sq_timer_active(&p.timer));
    sq_timer_stop(&p.timer);
    assert_true(sq_timer_wheel_next_ns(&one) == SQ_NEVER);
}

enum { FETCHED = 12 };

struct fetched {
    struct probe probe;
    unsigned next_step, steps;
    struct fetched *stops; /* when it fires; nullable */
};

static struct fetched fetched[FETCHED];

static void on_ahead(const void *reads, unsigned step)
{
    struct fetched *f = &fetched[(const struct fetched *)reads - fetched];
    assert_int_equal(f->probe.times, 0);
    assert_true(sq_timer_active(&f->probe.timer));
    assert_true(step >= f->next_step);
    f->next_step = step + 1;
    f->steps++;
}

static void on_fetched(void *ctx, uint64_t now_ns)
{
    struct fetched *f = ctx;
    on_probe(&f->probe, now_ns);
    if (f->stops) {
        sq_timer_stop(&f->stops->probe.timer);
    }
}

/* Each but the first three of a slot gets its three steps, in order, while it runs and before it
 * fires; one that was stopped meanwhile gets no more. */
static void what_timers_read_is_fetched_before(void **state)
{
    enum { STOPPED = 8 };
    sq_timer_wheel_init(&one, START_NS);
    for (size_t i = 0; i < FETCHED; i++) {
        sq_timer_init(&fetched[i].probe.timer, on_fetched, &fetched[i]);
        fetched[i].probe.timer.reads = &fetched[i];
        fetched[i].probe.timer.ahead = on_ahead;
        sq_timer_start(&one, &fetched[i].probe.timer, START_NS + SQ_NS_PER_MS);
    }
    fetched[STOPPED - 2].stops = &fetched[STOPPED];
    assert_int_equal(sq_timer_wheel_advance(&one, START_NS + 2 * SQ_NS_PER_MS, NULL, NULL),
                     FETCHED - 1);
    for (size_t i = 0; i < FETCHED; i++) {
        assert_int_equal(fetched[i].probe.times, i != STOPPED);
        if (i < STOPPED) {
            assert_int_equal(fetched[i].steps, i < 3 ? i : 3);
        } else { /* the rest moves up by one when one of them is stopped */
            assert_in_range(fetched[i].steps, i == STOPPED ? 1 : 2, i == STOPPED ? 2 : 3);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_timers_fire_in_their_slot),
        cmocka_unit_test(fires_never_early_and_once),
        cmocka_unit_test(past_deadlines_wait_for_the_next_advance),
        cmocka_unit_test(who_is_behind_goes_on_in_the_next_advance),
        cmocka_unit_test(a_callback_may_stop_its_neighbour),
        cmocka_unit_test(one_slot_keeps_the_order_of_starting),
        cmocka_unit_test(a_slot_keeps_the_order_over_the_levels),
        cmocka_unit_test(timers_of_a_minute_move_down_bit_by_bit),
        cmocka_unit_test(lateness_is_measured_from_the_deadline),
        cmocka_unit_test(far_deadlines_stand_and_stop),
        cmocka_unit_test(what_timers_read_is_fetched_before),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
