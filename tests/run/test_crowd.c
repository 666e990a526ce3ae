/* Hours of a load in virtual time: who begins when, is replaced after how long, and goes; with
 * users that are nothing but the times at which they leave. */
#include "base/mem.h"
#include "base/time.h"
#include "run/crowd.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define MS    SQ_NS_PER_MS
#define SEC   SQ_NS_PER_SEC
#define START (100 * SEC)

#define SHARDS_MAX 3
#define USERS_MAX  20000

struct user {
    uint64_t place, began_ns, leaves_ns;
    unsigned shard;
    bool again, there, told;
};

struct world {
    struct sq_plan plan;
    struct sq_shape shape;
    struct sq_crowd *shards[SHARDS_MAX];
    unsigned n;
    uint64_t now_ns, hold_ns;
    bool (*fails)(const struct user *user);
    struct user users[USERS_MAX];
    size_t users_len, there, missed;
};

static struct world w;

static void make(const char *text, unsigned shards)
{
    struct sq_shape_error error;
    memset(&w, 0, sizeof(w));
    sq_plan_defaults(&w.plan);
    w.plan.seed = 7;
    w.n = shards;
    w.now_ns = START;
    w.hold_ns = SQ_NEVER;
    if (sq_shape_parse(text, 0, &w.shape, &error) != 0) {
        fail_msg("%s: %s", text, error.message);
    }
    w.plan.shape = &w.shape;
    w.plan.duration_ns = sq_shape_length_ns(&w.shape);
}

static void open_shards(void)
{
    for (unsigned i = 0; i < w.n; i++) {
        const struct sq_crowd_config config = {
            .plan = &w.plan, .start_ns = START, .number = i, .stride = w.n};
        assert_int_equal(sq_crowd_create(&config, &w.shards[i]), 0);
    }
}

static void close_shards(void)
{
    for (unsigned i = 0; i < w.n; i++) {
        sq_crowd_destroy(w.shards[i]);
    }
}

static void leave(struct user *user, bool failed)
{
    assert_true(user->there);
    user->there = false;
    user->leaves_ns = w.now_ns;
    w.there--;
    assert_int_equal(sq_crowd_left(w.shards[user->shard], user->place, failed, w.now_ns), 0);
}

static void look(unsigned shard)
{
    struct sq_arrival a;
    void *who;
    while (sq_crowd_come(w.shards[shard], w.now_ns, &a)) {
        if (a.missed) {
            w.missed++;
            continue;
        }
        assert_true(w.users_len < USERS_MAX);
        assert_true(a.intended_ns <= w.now_ns);
        struct user *user = &w.users[w.users_len++];
        *user = (struct user){.place = a.place,
                              .began_ns = a.intended_ns,
                              .leaves_ns = w.hold_ns == SQ_NEVER ? SQ_NEVER : w.now_ns + w.hold_ns,
                              .shard = shard,
                              .again = a.again,
                              .there = true};
        assert_int_equal(a.place % w.n, shard);
        w.there++;
        sq_crowd_took(w.shards[shard], a.place, user);
        if (w.fails && w.fails(user)) {
            leave(user, true);
        }
    }
    while (sq_crowd_go(w.shards[shard], w.now_ns, &who)) {
        if (who) {
            ((struct user *)who)->told = true;
            leave(who, false);
        }
    }
}

/* All that happens up to until_ns, each at its time. */
static void run_until(uint64_t until_ns)
{
    for (;;) {
        uint64_t next_ns = until_ns;
        for (unsigned i = 0; i < w.n; i++) {
            next_ns = sq_min_u64(next_ns, sq_crowd_next_ns(w.shards[i]));
        }
        for (size_t i = 0; i < w.users_len; i++) {
            next_ns = w.users[i].there ? sq_min_u64(next_ns, w.users[i].leaves_ns) : next_ns;
        }
        w.now_ns = sq_max_u64(w.now_ns, next_ns);
        for (size_t i = 0; i < w.users_len; i++) {
            if (w.users[i].there && w.users[i].leaves_ns <= w.now_ns) {
                leave(&w.users[i], false);
            }
        }
        for (unsigned i = 0; i < w.n; i++) {
            look(i);
        }
        if (w.now_ns >= until_ns) {
            return;
        }
    }
}

static void the_number_is_kept(void **state)
{
    (void)state;
    make("10s:60, 50s:60, 0s:90, 30s:90, 10s:20, 20s:20", 2);
    w.hold_ns = 7 * SEC; /* each is replaced at once: so many are there as the shape says */
    open_shards();
    for (uint64_t t = 1; t < 119; t++) {
        run_until(START + t * SEC + MS / 2);
        double want = sq_arrivals_value(sq_crowd_arrivals(w.shards[0]), w.now_ns);
        if (fabs((double)w.there - want) > 1) {
            fail_msg("%zu there after %d s, expected %.1f", w.there, (int)t, want);
        }
    }
    assert_int_equal(w.missed, 0);
    /* 90 came first, all others in somebody's place. */
    size_t again = 0;
    size_t told = 0;
    for (size_t i = 0; i < w.users_len; i++) {
        again += w.users[i].again;
        told += w.users[i].told;
    }
    assert_int_equal(w.users_len - again, 90);
    assert_true(again > 60 * 7);
    assert_int_equal(told, 70);
    close_shards();
}

static void who_came_first_goes_first(void **state)
{
    (void)state;
    make("10s:10, 10s:10, 10s:0", 3);
    open_shards();
    run_until(START + 30 * SEC - 1);
    assert_int_equal(w.there, 1); /* the last one goes at the very end */
    assert_int_equal(w.users_len, 10);
    for (size_t i = 0; i < 9; i++) {
        assert_int_equal(w.users[i].place, i);
        assert_int_equal(w.users[i].began_ns, START + i * SEC);
        assert_int_equal(w.users[i].leaves_ns, START + (21 + i) * SEC);
    }
    close_shards();
}

static void think_time(void **state)
{
    (void)state;
    make("0s:30, 2h:30", 2);
    w.hold_ns = 20 * SEC;
    w.plan.think_min_ns = 5 * SEC;
    w.plan.think_max_ns = 15 * SEC;
    open_shards();
    double there = 0;
    for (uint64_t t = 200; t < 7000; t += 5) {
        run_until(START + t * SEC);
        there += (double)w.there;
    }
    /* Of 30 places each is taken for 20 s of 30, on average. */
    there /= 6800.0 / 5;
    assert_true(fabs(there - 20) < 0.3);
    double sum_s = 0;
    double least_s = 1e9;
    double most_s = 0;
    size_t n = 0;
    static uint64_t left_ns[30];
    memset(left_ns, 0, sizeof(left_ns));
    for (size_t i = 0; i < w.users_len; i++) {
        const struct user *u = &w.users[i];
        if (u->again) {
            double think_s = (double)(u->began_ns - left_ns[u->place]) / 1e9;
            sum_s += think_s;
            least_s = fmin(least_s, think_s);
            most_s = fmax(most_s, think_s);
            n++;
        }
        left_ns[u->place] = u->leaves_ns;
    }
    assert_true(n > 6000);
    assert_true(least_s >= 5 && least_s < 5.05 && most_s <= 15 && most_s > 14.95);
    assert_true(fabs(sum_s / (double)n - 10) < 0.15); /* 4 standard errors of 2.89 s */
    close_shards();
}

static uint64_t story(uint64_t seed, unsigned shards)
{
    make("10s:30, 600s:30", shards);
    w.hold_ns = 20 * SEC;
    w.plan.think_max_ns = 9 * SEC;
    w.plan.jitter_ns = 3 * SEC;
    w.plan.seed = seed;
    open_shards();
    run_until(START + 600 * SEC);
    close_shards();
    uint64_t sum = w.users_len;
    for (size_t i = 0; i < w.users_len; i++) { /* in no order: shards have none among them */
        sum += (w.users[i].began_ns * 31 + w.users[i].place) * 0x9e3779b97f4a7c15ULL;
    }
    return sum;
}

static void the_seed_says_it_all(void **state)
{
    (void)state;
    uint64_t one = story(1, 2);
    assert_true(story(1, 2) == one);
    assert_true(story(1, 3) == one); /* whatever the threads */
    assert_true(story(2, 2) != one);
}

static bool odd_ones(const struct user *user)
{
    return user->place % 2;
}

/* A service that refuses is asked again once a second for each place, and not stormed. */
static void who_fails_is_replaced_later(void **state)
{
    (void)state;
    make("0s:10, 100s:10", 2);
    w.fails = odd_ones;
    open_shards();
    run_until(START + 60 * SEC + MS);
    assert_int_equal(w.there, 5);
    assert_int_equal(w.users_len, 5 + 5 * 61);
    assert_int_equal(w.missed, 0);
    close_shards();
    /* A longer think time holds for them, too. */
    make("0s:10, 100s:10", 2);
    w.fails = odd_ones;
    w.plan.think_min_ns = w.plan.think_max_ns = 10 * SEC;
    open_shards();
    run_until(START + 60 * SEC + MS);
    assert_int_equal(w.users_len, 5 + 5 * 7);
    close_shards();
}

/* Each start lies in its own time up to the jitter later, evenly, and the whole run's counter says
 * how many are due at any time. */
static void jitter(void **state)
{
    (void)state;
    struct sq_crowd *counter;
    make("0s:50/s, 100s:50/s", 2);
    w.plan.jitter_ns = 4 * SEC;
    open_shards();
    const struct sq_crowd_config config = {
        .plan = &w.plan, .start_ns = START, .stride = 1, .counting = true};
    assert_int_equal(sq_crowd_create(&config, &counter), 0);
    size_t planned = 0;
    for (uint64_t t = 0; t <= 100; t++) {
        struct sq_arrival a;
        run_until(START + t * SEC);
        while (sq_crowd_come(counter, w.now_ns, &a)) {
            planned++;
        }
        assert_int_equal(planned, w.users_len);
    }
    double sum_s = 0;
    uint64_t last_ns = 0;
    for (size_t i = 0; i < w.users_len; i++) {
        const struct user *u = &w.users[i];
        uint64_t base_ns = START + u->place * 20 * MS;
        assert_in_range(u->began_ns, base_ns - 1, base_ns + 4 * SEC);
        sum_s += (double)(u->began_ns - base_ns) / 1e9;
        last_ns = sq_max_u64(last_ns, u->began_ns);
    }
    /* Of 5,000 some 100 fall behind the end, where nobody begins. */
    assert_in_range(w.users_len, 4860, 4940);
    assert_true(last_ns < START + 100 * SEC);
    assert_true(fabs(sum_s / (double)w.users_len - 1.98) < 0.07);
    sq_crowd_destroy(counter);
    close_shards();
    /* In a closed model a place that is given up before its time comes is left empty. */
    make("0s:10, 10s:10, 0s:110, 1s:110, 0s:10, 10s:10", 2);
    w.plan.jitter_ns = 5 * SEC;
    open_shards();
    run_until(START + 20 * SEC);
    assert_int_equal(w.missed, 0);
    for (size_t i = 0; i < w.users_len; i++) {
        assert_true(!w.users[i].told || w.users[i].leaves_ns > w.users[i].began_ns);
    }
    assert_int_equal(w.there, 10);
    close_shards();
}

/* Without a shape, as it ever was. */
static void a_plain_rate(void **state)
{
    (void)state;
    make("1s:1", 2);
    w.plan.shape = NULL;
    w.plan.peers = 30;
    w.plan.rate_per_s = 10;
    w.plan.duration_ns = 0;
    open_shards();
    run_until(START + 2900 * MS - 1);
    assert_int_equal(w.users_len, 29);
    assert_false(sq_crowd_is_over(w.shards[0]) && sq_crowd_is_over(w.shards[1]));
    run_until(START + 9 * SEC);
    assert_int_equal(w.users_len, 30);
    assert_true(sq_crowd_is_over(w.shards[0]) && sq_crowd_is_over(w.shards[1]));
    close_shards();
}

/* Nobody comes before the end who was not counted: rows of users that are unique are for those. */
static void as_many_come_as_were_counted(void **state)
{
    static const uint64_t durations_s[] = {10, 60, 100, 120};
    (void)state;
    for (unsigned i = 0; i < 4 * 100; i++) {
        struct sq_arrival a;
        const unsigned tenths = 1 + i / 4;
        uint64_t came = 0;
        make("1s:1", 1);
        w.plan.shape = NULL;
        w.plan.hold_ns = 5 * SEC;
        w.plan.rate_per_s = 0.1 * tenths;
        w.plan.duration_ns = durations_s[i % 4] * SEC;
        open_shards();
        while (sq_crowd_come(w.shards[0], START + w.plan.duration_ns - 1, &a)) {
            came++;
        }
        if (came != sq_plan_arrivals(&w.plan)) {
            fail_msg("at %g/s in %g s %llu came of %llu", w.plan.rate_per_s,
                     (double)w.plan.duration_ns / 1e9, (unsigned long long)came,
                     (unsigned long long)sq_plan_arrivals(&w.plan));
        }
        close_shards();
    }
}

/* A shard that stood still: who was due begins late, and who had to go by then goes. */
static void a_late_shard(void **state)
{
    (void)state;
    make("0s:100, 1s:100, 0s:40, 10s:40", 1);
    open_shards();
    w.now_ns = START + 5 * SEC;
    look(0);
    assert_int_equal(w.there, 40);
    assert_int_equal(w.missed, 60); /* due, and never begun: told */
    for (size_t i = 0; i < w.users_len; i++) {
        assert_int_equal(w.users[i].began_ns, START);
    }
    close_shards();
}

static void by_hand(void **state)
{
    (void)state;
    make("0s:10, 1000s:10", 2);
    w.hold_ns = 3 * SEC;
    open_shards();
    run_until(START + 10 * SEC);
    for (unsigned i = 0; i < w.n; i++) {
        sq_crowd_set_peers(w.shards[i], w.now_ns + 20 * MS, 35, 5 * SEC);
    }
    run_until(START + 12 * SEC);
    assert_in_range(w.there, 19, 21);
    run_until(START + 300 * SEC);
    assert_int_equal(w.there, 35);
    for (unsigned i = 0; i < w.n; i++) {
        sq_crowd_set_peers(w.shards[i], w.now_ns + 20 * MS, 5, 0);
    }
    run_until(START + 301 * SEC);
    assert_int_equal(w.there, 5);
    run_until(START + 999 * SEC);
    assert_int_equal(w.there, 5);
    close_shards();
}

/* Whichever allocation fails, nothing is lost but told as missed. */
static void without_memory(void **state)
{
    (void)state;
    for (size_t nth = 1; nth <= 3; nth++) {
        make("0s:100, 10s:100", 1);
        w.plan.jitter_ns = SEC;
        open_shards();
        w.now_ns = START + 5 * SEC;
        sq_mem_fail_at(nth);
        look(0);
        sq_mem_fail_at(0);
        assert_int_equal(w.users_len + w.missed, 100);
        assert_true(w.missed >= 1);
        close_shards();
    }
    sq_mem_fail_at(1);
    const struct sq_crowd_config config = {.plan = &w.plan, .stride = 1};
    struct sq_crowd *crowd = NULL;
    assert_int_equal(sq_crowd_create(&config, &crowd), SQ_ERR_NOMEM);
    sq_mem_fail_at(0);
    assert_null(crowd);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_is_kept),
        cmocka_unit_test(who_came_first_goes_first),
        cmocka_unit_test(think_time),
        cmocka_unit_test(the_seed_says_it_all),
        cmocka_unit_test(who_fails_is_replaced_later),
        cmocka_unit_test(jitter),
        cmocka_unit_test(a_plain_rate),
        cmocka_unit_test(as_many_come_as_were_counted),
        cmocka_unit_test(a_late_shard),
        cmocka_unit_test(by_hand),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
