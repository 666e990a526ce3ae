/* Whole runs whose load has a shape, over a service of this process: what is there and what is told
 * of it follow the shape. */
#include "run/rig.h"
#include "run/shard_bench.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static struct sq_shape shape;

static void make(struct bench *b, enum fake_how (*how)(uint64_t index), const char *text)
{
    struct sq_shape_error error;
    bench_make(b, how);
    if (sq_shape_parse(text, 0, &shape, &error) != 0) {
        fail_msg("%s: %s", text, error.message);
    }
    b->plan.shape = &shape;
    b->plan.duration_ns = sq_shape_length_ns(&shape);
    b->plan.peers = sq_shape_most(&shape, SQ_NEVER);
    b->plan.ramp_down_ns = 100 * MS;
}

/* Those who were there at that time, by the rows: begun, as intended, and not yet over. */
static unsigned there(const struct bench *b, double at_ms)
{
    unsigned n = 0;
    for (size_t i = 0; i < b->result->peer_count; i++) {
        const struct sq_peer_row *p = &b->result->peers[i];
        n += p->start_ms <= at_ms && p->end_ms > at_ms;
    }
    return n;
}

static const struct {
    double t_ms, peers;
} knots[] = {{0, 0}, {1000, 10}, {1500, 10}, {1500, 16}, {2500, 16}, {3500, 4}, {4000, 4}};

static double course(double t_ms)
{
    size_t i = 1;
    while (i + 1 < sizeof(knots) / sizeof(*knots) && t_ms >= knots[i].t_ms) {
        i++;
    }
    double over_ms = knots[i].t_ms - knots[i - 1].t_ms;
    double part = over_ms > 0 ? fmax(0, t_ms - knots[i - 1].t_ms) / over_ms : 0;
    return knots[i - 1].peers + (knots[i].peers - knots[i - 1].peers) * part;
}

/* A ramp, a spike and a fall; and each who leaves after 400 ms is replaced at once. The number that
 * is there is the shape's, of now or of up to 300 ms ago since other work shares this machine, but
 * for 2: one leaves and the next comes, on two threads. */
static void the_number_follows_the_shape(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL, "1s:10, 500ms:10, 0s:16, 1s:16, 1s:4, 500ms:4");
    b.plan.hold_ns = 400 * MS;
    b.plan.room_size = 4;
    bench_start(&b);
    bench_finish(&b);
    for (double at_ms = 50; at_ms < 4000; at_ms += 100) {
        double least = course(at_ms);
        double most = least;
        for (double ago_ms = 10; ago_ms <= 300; ago_ms += 10) {
            least = fmin(least, course(fmax(0, at_ms - ago_ms)));
            most = fmax(most, course(fmax(0, at_ms - ago_ms)));
        }
        unsigned n = there(&b, at_ms);
        if (n + 2 < ceil(least) || n > ceil(most) + 2) {
            fail_msg("%u there after %.0f ms, expected %.1f to %.1f", n, at_ms, least, most);
        }
    }
    const struct sq_peer_counts *c = &b.result->counts;
    assert_int_equal(b.missed, 0);
    assert_int_equal(c->failed, 0);
    assert_true(c->started > 16 + 20);
    assert_int_equal(c->planned, c->started);
    /* What is told each second. */
    static const double wanted[] = {10, 16, 10, 4};
    for (size_t i = 0; i < 4; i++) {
        const struct sq_timeline_row *row = &b.result->timeline[i];
        assert_true(fabs(row->wanted - wanted[i]) < 1e-6);
        assert_true(isnan(row->rate_per_s));
        assert_true(row->planned >= row->started);
    }
    /* Who replaces another comes into the same room: of four rooms' places there are no more. */
    for (size_t i = 0; i < b.result->peer_count; i++) {
        assert_true(strcmp(b.result->peers[i].room, "squall-3") <= 0);
    }
    bench_free(&b);
}

/* From 0 to 20/s within a second and on: as reckoned by hand, both shards together. */
static void a_ramp_of_arrivals(void **state)
{
    (void)state;
    struct bench b;
    make(&b, bench_empty_room, "1s:20/s, 1s:20/s");
    b.plan.hold_ns = 100 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.missed, 0);
    assert_int_equal(b.result->counts.started, 30);
    assert_int_equal(b.result->counts.planned, 30);
    assert_int_equal(b.result->timeline[0].planned, 11); /* the 11th is due at 1 s */
    assert_true(b.result->timeline[0].rate_per_s == 20 && isnan(b.result->timeline[0].wanted));
    for (size_t i = 0; i < 30; i++) {
        double want_ms = i < 10 ? 1e3 * sqrt((double)i / 10) : 1e3 + ((double)i - 10) * 50;
        assert_int_equal(bench_index_of(&b.result->peers[i]), i);
        assert_true(fabs(b.result->peers[i].start_ms - want_ms) < 0.01);
    }
    bench_free(&b);
}

static void arrivals_of_a_file(void **state)
{
    (void)state;
    struct bench b;
    uint64_t times[] = {0, 0, 300 * MS, 700 * MS, 700 * MS, 1100 * MS};
    shape = (struct sq_shape){.kind = SQ_SHAPE_TIMES, .times_ns = times, .times_len = 6};
    bench_make(&b, bench_empty_room);
    b.plan.shape = &shape;
    b.plan.peers = 6;
    b.plan.hold_ns = 200 * MS; /* it ends with the last one */
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.started, 6);
    assert_int_equal(b.result->counts.planned, 6);
    for (size_t i = 0; i < 6; i++) {
        assert_true(fabs(b.result->peers[i].start_ms - (double)times[i] / 1e6) < 0.01);
    }
    assert_int_equal(b.result->timeline[0].planned, 5);
    bench_free(&b);
    /* Two at once, where the second and third of them find no place. */
    bench_make(&b, bench_empty_room);
    b.plan.shape = &shape;
    b.plan.peers = 1;
    b.plan.hold_ns = 200 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.missed, 2);
    assert_int_equal(b.result->counts.started, 4);
    assert_int_equal(b.result->counts.planned, 6);
    bench_free(&b);
}

static enum fake_how refused(uint64_t index)
{
    (void)index;
    return FAKE_REFUSED_AT_ONCE;
}

/* Closed, and the service refuses: each place tries again once a second, and all of it is told. */
static void a_service_that_refuses_is_not_stormed(void **state)
{
    (void)state;
    struct bench b;
    make(&b, refused, "0s:10, 2500ms:10");
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.failed, 30);
    assert_int_equal(b.result->counts.planned, 30);
    bench_free(&b);
}

static enum fake_how odd_refused(uint64_t index)
{
    return index % 2 ? FAKE_REFUSED_AT_ONCE : FAKE_WELL;
}

static struct sq_users *users_of(const char *text)
{
    struct sq_users *users = NULL;
    struct sq_yaml_error error;
    assert_int_equal(sq_users_parse(text, strlen(text), &users, &error), 0);
    return users;
}

/* Three have their rows; who is refused is replaced once by the fourth, and then no row is left:
 * the run ends long before its time, and no row is seen twice. */
static void rows_that_run_out(void **state)
{
    (void)state;
    struct bench b;
    bool seen[4] = {false};
    make(&b, odd_refused, "0s:3, 20s:3");
    struct sq_users *users = users_of("n\n0\n1\n2\n3\n");
    b.plan.users = users;
    b.plan.users_name = "u4.csv";
    b.plan.users_order = SQ_USERS_UNIQUE;
    b.plan.groups[0].room = "row-${user.n}"; /* rooms are in the results */
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.started, 4);
    assert_int_equal(b.result->counts.failed, 2);
    assert_int_equal(b.result->counts.planned, 5);
    assert_int_equal(b.missed, 1);
    assert_true(b.result->duration_s < 10);
    for (size_t i = 0; i < 4; i++) {
        unsigned row = 4;
        assert_int_equal(sscanf(b.result->peers[i].room, "row-%u", &row),
                         1); /* NOLINT(cert-err34-c) */
        assert_true(row < 4 && !seen[row]);
        seen[row] = true;
    }
    assert_int_equal(sq_verdict(b.result), SQ_EXIT_UNREACHED);
    assert_int_equal(b.result->verdict, SQ_VERDICT_ERROR);
    assert_non_null(strstr(b.result->verdict_reason, "the rows of u4.csv ran out after "));
    assert_non_null(strstr(b.result->verdict_reason, "it has 4, each for one peer"));
    bench_free(&b);
    sq_users_free(users);
}

static enum fake_how some_silent(uint64_t index)
{
    return index < 6 && index % 2 ? FAKE_SILENT : FAKE_WELL;
}

/* Whoever is left hanging by a service that serves others has failed when its place is given up. */
static void who_hangs_when_the_number_falls(void **state)
{
    (void)state;
    struct bench b;
    make(&b, some_silent, "0s:6, 2s:6, 0s:1, 200ms:1");
    b.plan.hung_least_ns = 300 * MS;
    b.plan.threads = 1;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.failed, 3);
    assert_int_equal(b.result->failures[SQ_FAILURE_TIMEOUT].count, 3);
    assert_int_equal(b.result->counts.pending, 0);
    bench_free(&b);
}

/* ---- By hand ---- */

static void step_up_and_down(struct bench *b)
{
    if (b->seconds == 1) {
        sq_run_set_peers(b->run, 12, 0);
        sq_run_set_rate(b->run, 1000); /* means nothing here */
        sq_run_pause(b->run, true);
    } else if (b->seconds == 2) {
        sq_run_set_peers(b->run, 1000, 0); /* no more than the plan has */
    } else if (b->seconds == 3) {
        sq_run_set_peers(b->run, 3, 0);
    }
}

static void a_number_from_outside(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL, "0s:4, 4500ms:4");
    b.plan.peers = 15;
    b.plan.hold_ns = 500 * MS;
    b.each_second = step_up_and_down;
    bench_start(&b);
    assert_true(sq_run_peers(b.run) == 0 || sq_run_peers(b.run) == 4);
    assert_true(isnan(sq_run_rate(b.run)));
    bench_finish(&b);
    static const unsigned want[] = {4, 12, 15, 3};
    for (unsigned i = 0; i < 4; i++) {
        unsigned at_ms = 950 + 1000 * i; /* the order came within the second before */
        unsigned n = there(&b, at_ms);
        if (fabs((double)n - want[i]) > 2) {
            fail_msg("%u there after %u ms, expected %u", n, at_ms, want[i]);
        }
        assert_true(b.result->timeline[i].wanted == want[i]);
    }
    assert_int_equal(b.missed, 0);
    assert_int_equal(b.result->counts.failed, 0);
    assert_int_equal(b.result->counts.planned, b.result->counts.started);
    bench_free(&b);
}

static void faster(struct bench *b)
{
    sq_run_set_peers(b->run, 50, 0); /* means nothing here */
    sq_run_set_rate(b->run, 40);
    b->each_second = NULL;
}

/* A rate by hand leaves the rest of the shape. */
static void a_rate_from_outside(void **state)
{
    (void)state;
    struct bench b;
    make(&b, bench_empty_room, "0s:10/s, 1s:10/s, 0s:0/s, 1500ms:0/s");
    b.plan.hold_ns = 50 * MS;
    b.each_second = faster;
    bench_start(&b);
    assert_true(isnan(sq_run_peers(b.run)));
    bench_finish(&b);
    assert_int_equal(b.missed, 0);
    assert_in_range(b.result->counts.started, 30, 10 + 62);
    assert_int_equal(b.result->counts.planned, b.result->counts.started);
    assert_true(b.result->timeline[1].rate_per_s == 40);
    bench_free(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_number_follows_the_shape),
        cmocka_unit_test(a_ramp_of_arrivals),
        cmocka_unit_test(arrivals_of_a_file),
        cmocka_unit_test(a_service_that_refuses_is_not_stormed),
        cmocka_unit_test(rows_that_run_out),
        cmocka_unit_test(who_hangs_when_the_number_falls),
        cmocka_unit_test(a_number_from_outside),
        cmocka_unit_test(a_rate_from_outside),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
