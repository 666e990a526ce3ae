/* The generator's own bounds: each reason for INVALID by itself, at its bound and past it, and that
 * INVALID stands before every other verdict. */
#include "base/mem.h"
#include "run/expect.h"
#include "run/health.h"
#include "stats/metrics.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SECONDS 20

struct bench {
    struct sq_plan plan;
    struct sq_hist *lateness;
    struct sq_timeline_row timeline[SECONDS];
    struct sq_health_input input;
    struct sq_generator_health health;
};

/* A quiet generator: 1,000 timers 0.4 ms late, half a core, no drops. */
static void make(struct bench *b)
{
    memset(b, 0, sizeof(*b));
    sq_plan_defaults(&b->plan);
    b->lateness = sq_zalloc(sizeof(*b->lateness));
    assert_non_null(b->lateness);
    for (int i = 0; i < 1000; i++) {
        sq_metric_record(b->lateness, SQ_METRIC_GENERATOR_LATENESS, 0.4);
    }
    for (int i = 0; i < SECONDS; i++) {
        b->timeline[i].cpu_percent = 50;
    }
    b->input = (struct sq_health_input){.plan = &b->plan,
                                        .threads = 2,
                                        .datagrams_sent = 100000,
                                        .datagrams_received = 100000,
                                        .lateness = b->lateness,
                                        .timeline = b->timeline,
                                        .timeline_count = SECONDS};
}

static void judge(struct bench *b)
{
    sq_health_judge(&b->input, &b->health);
}

static void assert_blamed(struct bench *b, const char *word)
{
    judge(b);
    assert_false(b->health.ok);
    if (!strstr(b->health.reason, word)) {
        fail_msg("'%s' does not say '%s'", b->health.reason, word);
    }
}

static void assert_well(struct bench *b)
{
    judge(b);
    if (!b->health.ok) {
        fail_msg("blamed: %s", b->health.reason);
    }
    assert_string_equal(b->health.reason, "");
}

static void a_quiet_one_is_well(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    assert_well(&b);
    assert_int_equal(b.health.threads, 2);
    assert_true(fabs(b.health.lateness_p99_ms - 0.4) < 0.05);
    assert_true(fabs(b.health.lateness_p50_ms - 0.4) < 0.05);
    assert_true(b.health.cpu_percent == 50);
    sq_free(b.lateness);
}

static void nothing_measured(void **state)
{
    (void)state;
    struct sq_plan plan;
    struct sq_generator_health health;
    sq_plan_defaults(&plan);
    const struct sq_health_input input = {.plan = &plan, .threads = 1};
    sq_health_judge(&input, &health);
    assert_true(health.ok); /* a run that was over at once did not fail by its generator */
    assert_true(isnan(health.lateness_p99_ms) && isnan(health.lateness_max_ms));
}

static void late_timers(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    for (int i = 0; i < 9; i++) { /* 9 of 1,009: below the 99th percentile */
        sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 80);
    }
    assert_well(&b);
    assert_true(b.health.lateness_max_ms > 75);
    for (int i = 0; i < 9; i++) {
        sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 80);
    }
    assert_blamed(&b, "timers were");
    b.plan.lateness_p99_max_ms = 100; /* the bound is the plan's */
    assert_well(&b);
    sq_free(b.lateness);
}

/* Who held up the thread is named: what scripts took in CPU time is much of the lateness. */
static void late_by_scripts(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    for (int i = 0; i < 18; i++) {
        sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 220);
    }
    b.input.script_ms = 20;
    b.input.script_place = "loop.lua:1";
    assert_blamed(&b, "other programs had the CPU (--realtime goes before them)");
    b.input.script_ms = 100;
    assert_blamed(&b, "timers were");
    assert_blamed(&b, ": scripts took 100 ms at a stretch (loop.lua:1)");
    assert_null(strstr(b.health.reason, "other programs"));
    b.input.script_place = "";
    assert_blamed(&b, ": scripts took 100 ms at a stretch");
    b.plan.lateness_p99_max_ms = 400; /* not late: no matter how long they took */
    assert_well(&b);
    sq_free(b.lateness);

    make(&b);
    sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 4000);
    b.input.script_ms = 3900;
    b.input.script_place = "loop.lua:1";
    assert_blamed(&b, "stood still for 4.0 s (the bound is 1.0 s): scripts took 3900 ms");
    sq_free(b.lateness);
}

/* One moment in which nothing ran, among thousands of timers in time. */
static void a_standstill(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 990);
    assert_well(&b);
    sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 4000);
    assert_blamed(&b, "stood still for 4.0 s (the bound is 1.0 s)");
    b.plan.lateness_p99_max_ms = 100; /* who can live with late timers: 50 times that */
    assert_well(&b);
    sq_free(b.lateness);
}

static void a_busy_thread(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    b.timeline[3].cpu_percent = 99;
    assert_well(&b); /* 1 of 20 seconds */
    assert_true(b.health.cpu_percent == 99);
    b.timeline[4].cpu_percent = 95; /* at the bound, not past it */
    assert_well(&b);
    b.timeline[5].cpu_percent = 95.5; /* 2 of 20: a tenth */
    assert_blamed(&b, "2 of 20 seconds");
    sq_free(b.lateness);
}

/* As late timers: who filled the core is named, where it was scripts in most of those seconds. */
static void a_thread_busy_with_scripts(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    for (int i = 0; i < 6; i++) {
        b.timeline[i].cpu_percent = 99;
    }
    b.input.script_ms = 100;
    b.input.script_place = "loop.lua:1";
    assert_blamed(&b, "in 6 of 20 seconds: use fewer peers or more --threads");
    b.input.script_seconds = 2;
    assert_blamed(&b, "use fewer peers or more --threads");
    b.input.script_seconds = 3;
    assert_blamed(&b, "in 6 of 20 seconds: scripts took most of it (loop.lua:1)");
    assert_null(strstr(b.health.reason, "fewer peers"));
    b.input.script_place = NULL;
    assert_blamed(&b, "in 6 of 20 seconds: scripts took most of it");
    sq_free(b.lateness);
}

static void dropped_datagrams(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    b.input.datagrams_received = 99900;
    b.input.receive_drops = 100; /* 0.1 % of all that came is the bound */
    assert_well(&b);
    assert_int_equal(b.health.receive_drops, 100);
    b.input.receive_drops = 101;
    assert_blamed(&b, "dropped 101 of 100001 datagrams");
    sq_free(b.lateness);
}

/* A service that stood still sends all at once: where nothing of ours was late, the buffers were
 * just too small for it, and what failed in that second was the service's doing. */
static void bursts_of_the_service(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    b.input.receive_drops = 1000;
    b.timeline[5].receive_drops = 1000;
    assert_well(&b);
    assert_int_equal(b.health.receive_drops, 1000); /* told all the same */
    b.timeline[4].lateness_max_ms = 60;             /* we were not there to read */
    assert_blamed(&b, "dropped 1000 of 101000 datagrams");
    b.timeline[4].lateness_max_ms = 0;
    b.timeline[3].cpu_percent = 60;
    assert_blamed(&b, "dropped 1000 of 101000 datagrams");
    b.timeline[3].cpu_percent = 50;
    b.input.receive_drops = 2000; /* nobody knows when the others were */
    assert_blamed(&b, "dropped 1000 of 102000 datagrams");
    sq_free(b.lateness);
}

/* As many messages as go through, and nothing else. */
static void fill(struct bench *b, int seconds)
{
    b->plan.groups[0].data.on = true;
    b->plan.groups[0].audio = b->plan.groups[0].video = false;
    for (int i = 0; i < seconds; i++) {
        b->timeline[i].cpu_percent = 98;
        b->timeline[i].data.messages_out = 3000;
    }
}

/* What asks for as much as goes fills a core: a note. */
static void a_core_full_of_data_alone(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    fill(&b, 6);
    assert_well(&b);
    assert_non_null(strstr(b.health.note, "over 95 % of its core in 6 of 20 seconds"));
    assert_non_null(strstr(b.health.note, "lower bound"));
    assert_true(sq_health_of_second(&b.plan, &b.timeline[0]));
    b.input.receive_drops = 1000; /* both are told */
    assert_well(&b);
    assert_non_null(strstr(b.health.note, "6 of 20 seconds, and the kernel dropped 1000 of"));
    assert_non_null(strstr(b.health.note, "sent again): the throughput that was measured is"));
    b.input.receive_drops = 0;
    b.plan.groups[0].audio = true; /* media beside is late by it */
    assert_blamed(&b, "6 of 20 seconds");
    assert_string_equal(b.health.note, "");
    assert_false(sq_health_of_second(&b.plan, &b.timeline[0]));
    b.plan.groups[0].audio = false;
    b.plan.groups[0].data.rate_per_s = 1000; /* what was asked for was not held */
    assert_blamed(&b, "6 of 20 seconds");
    b.plan.groups[0].data.rate_per_s = 0;
    for (int i = 0; i < 3; i++) { /* full of something else: nobody has a channel yet */
        b.timeline[i].data.messages_out = 0;
    }
    assert_blamed(&b, "3 of 20 seconds");
    assert_false(sq_health_of_second(&b.plan, &b.timeline[0]));
    fill(&b, 6);
    for (int i = 0; i < 100; i++) {
        sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 80);
    }
    assert_blamed(&b, "timers were"); /* latency and round trips would be told wrong */
    sq_free(b.lateness);
}

/* The note holds its longest text. */
static void a_note_is_whole(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    fill(&b, SECONDS);
    b.input.receive_drops = UINT64_MAX / 4;
    b.input.datagrams_received = UINT64_MAX / 2;
    assert_well(&b);
    assert_non_null(strstr(b.health.note, "a lower bound of the service's"));
    sq_free(b.lateness);
}

/* A run whose generator was at its limit: what held, held; what failed is not the service's. */
static void bounded_figures_that_fail_are_invalid(void **state)
{
    (void)state;
    static const struct {
        bool cpu, drops, warn;
        const char *expectation;
        int exit;
    } cases[] = {
        {1, 0, 0, "data.in.throughput > 300M", SQ_EXIT_HELD},
        {1, 0, 0, "data.in.throughput > 1000M", SQ_EXIT_INVALID},
        {0, 1, 0, "data.in.throughput > 300M", SQ_EXIT_HELD},
        {0, 1, 0, "data.in.throughput > 1000M", SQ_EXIT_INVALID},
        {1, 1, 0, "peers.failed == 0 and data.in.throughput > 1000M", SQ_EXIT_INVALID},
        {1, 1, 0, "data.rtt < 1ms", SQ_EXIT_INVALID},
        {1, 1, 0, "data.in.throughput > 1000M for 90% of peers", SQ_EXIT_INVALID},
        {1, 1, 1, "data.in.throughput > 1000M else warn", SQ_EXIT_HELD},
        {1, 1, 0, "peers.ok > 5", SQ_EXIT_EXPECTATION},
        {0, 0, 0, "data.in.throughput > 1000M", SQ_EXIT_EXPECTATION},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bench b;
        struct sq_result *r;
        struct sq_expect *e = NULL;
        make(&b);
        fill(&b, cases[i].cpu ? 10 : 0);
        b.input.receive_drops = cases[i].drops ? 1000 : 0;
        assert_int_equal(sq_result_create(&r), 0);
        struct sq_peer_row *peer = sq_result_add_peer(r);
        assert_non_null(peer);
        peer->connected = true;
        peer->outcome = SQ_OUTCOME_OK;
        peer->data.in_kbps = 408000;
        struct sq_metric_row *in = sq_result_add_metric(r, SQ_METRIC_DATA_IN_THROUGHPUT);
        struct sq_metric_row *rtt = sq_result_add_metric(r, SQ_METRIC_DATA_RTT);
        assert_true(in && rtt);
        sq_metric_record(in->hist, SQ_METRIC_DATA_IN_THROUGHPUT, 408000);
        sq_metric_record(rtt->hist, SQ_METRIC_DATA_RTT, 20);
        assert_int_equal(sq_expect_parse(cases[i].expectation, &e, NULL), 0);
        sq_health_judge(&b.input, &r->generator);
        assert_int_equal(sq_expect_judge(&e, 1, r), 0);
        if (r->exit_code != cases[i].exit) {
            fail_msg("%s: %d, %s", cases[i].expectation, r->exit_code, r->verdict_reason);
        }
        bool invalid = cases[i].exit == SQ_EXIT_INVALID;
        assert_int_equal(r->generator.ok, !invalid); /* junit.xml and summary.json go by it */
        if (invalid) {                               /* why, and what: the whole sentence */
            assert_non_null(strstr(r->verdict_reason, "lower bound of the service's; so this"));
            assert_non_null(strstr(r->verdict_reason, r->expectations[0].message));
            assert_string_equal(r->generator.note, "");
        }
        sq_expect_destroy(e);
        sq_result_destroy(r);
        sq_free(b.lateness);
    }
}

/* SCTP fills whatever buffer there is, and sends again what it lost. */
static void drops_of_data_channels_alone(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    b.input.datagrams_received = 64674;
    b.input.receive_drops = 153;
    b.plan.groups[0].data.on = true;
    assert_blamed(&b, "(--data max)"); /* the losses of media beside are told as the service's */
    b.plan.groups[0].video = false;
    assert_blamed(&b, "dropped 153 of 64827 datagrams");
    b.plan.groups[0].audio = false;
    b.plan.groups[0].data.rate_per_s =
        10; /* messages that were not meant to fill anything come late */
    assert_blamed(&b, "socket buffers of the generator");
    assert_null(strstr(b.health.reason, "--data max"));
    b.plan.groups[0].data.rate_per_s = 0;
    b.plan.groups[0].data.channel.limit_lifetime =
        true; /* not sent again for ever: messages are lost */
    assert_blamed(&b, "socket buffers of the generator");
    b.plan.groups[0].data.channel.limit_lifetime = false;
    b.plan.groups[0].data.channel.limit_retransmits = true;
    assert_blamed(&b, "socket buffers of the generator");
    assert_string_equal(b.health.note, "");
    b.plan.groups[0].data.channel.limit_retransmits = false;
    assert_well(&b);
    assert_non_null(strstr(b.health.note, "dropped 153 of 64827 datagrams"));
    assert_non_null(strstr(b.health.note, "throughput"));
    b.input.timeline_count = 6; /* and no less where nothing of ours was late */
    b.timeline[4].receive_drops = 153;
    assert_well(&b);
    assert_non_null(strstr(b.health.note, "dropped 153 of 64827 datagrams"));
    b.timeline[4].receive_drops = 0;
    b.input.send_errors = 5000; /* what does not even leave is another matter */
    assert_blamed(&b, "could not be sent");
    b.input.send_errors = 0;
    b.input.receive_drops = 50; /* few */
    assert_well(&b);
    assert_string_equal(b.health.note, "");
    sq_free(b.lateness);
}

static void sends_that_failed(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    b.input.send_errors = 100;
    assert_well(&b);
    b.input.send_errors = 101;
    assert_blamed(&b, "101 of 100101 datagrams could not be sent");
    /* Not one got out: that is no reason to call it healthy. */
    b.input.datagrams_sent = 0;
    assert_blamed(&b, "could not be sent");
    sq_free(b.lateness);
}

/* One thread's peers are late although the timers of all the others outweigh its own. */
static void one_late_thread_among_many(void **state)
{
    (void)state;
    struct bench b;
    struct sq_hist *late = sq_zalloc(sizeof(*late));
    assert_non_null(late);
    make(&b);
    for (int i = 0; i < 500; i++) {
        sq_metric_record(late, SQ_METRIC_GENERATOR_LATENESS, 80);
    }
    b.input.worst_lateness = late;
    assert_blamed(&b, "timers of a generator thread were 80");
    assert_true(b.health.lateness_p99_ms < 1); /* the figure is of all */
    assert_true(b.health.lateness_worst_ms >= 80 && b.health.lateness_worst_ms < 84);
    sq_free(late);
    sq_free(b.lateness);
}

static void messages_that_were_not_sent(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    b.input.sent_messages = 99900;
    b.input.skipped_messages = 99;
    assert_well(&b);
    b.input.skipped_messages = 101;
    assert_blamed(&b, "101 of 100001 messages were not sent");
    sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 420); /* that moment */
    assert_blamed(&b, "the generator was too late for them (by 420 ms): other programs had the CPU"
                      " (--realtime goes before them)");
    b.plan.realtime = true; /* which was of no help then */
    assert_blamed(&b, "(by 420 ms): other programs had the CPU");
    assert_null(strstr(b.health.reason, "--realtime"));
    b.input.script_ms = 400;
    b.input.script_place = "room.lua:7";
    assert_blamed(&b, "(by 420 ms): scripts took 400 ms at a stretch (room.lua:7)");
    sq_free(b.lateness);
}

/* What a decoder that dropped packets makes of the picture is not the service's doing; the rest is.
 */
static void a_decoder_with_holes(void **state)
{
    (void)state;
    static const struct {
        const char *expectation;
        uint64_t dropped;
        int exit;
    } cases[] = {
        {"video.in.moving > 90", 7, SQ_EXIT_INVALID},
        {"video.in.moving > 90", 0, SQ_EXIT_EXPECTATION},
        {"video.in.moving > 10", 7, SQ_EXIT_HELD},
        {"video.in.loss < 1", 7, SQ_EXIT_EXPECTATION},
        {"video.in.moving > 90 else warn", 7, SQ_EXIT_HELD},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct bench b;
        struct sq_result *r;
        struct sq_expect *e = NULL;
        make(&b);
        assert_int_equal(sq_result_create(&r), 0);
        struct sq_peer_row *peer = sq_result_add_peer(r);
        assert_non_null(peer);
        peer->connected = true;
        peer->outcome = SQ_OUTCOME_OK;
        struct sq_metric_row *moving = sq_result_add_metric(r, SQ_METRIC_VIDEO_IN_MOVING);
        struct sq_metric_row *loss = sq_result_add_metric(r, SQ_METRIC_VIDEO_IN_LOSS);
        assert_true(moving && loss);
        sq_metric_record(moving->hist, SQ_METRIC_VIDEO_IN_MOVING, 50);
        sq_metric_record(loss->hist, SQ_METRIC_VIDEO_IN_LOSS, 5);
        assert_int_equal(sq_expect_parse(cases[i].expectation, &e, NULL), 0);
        sq_health_judge(&b.input, &r->generator);
        r->generator.decode_dropped = cases[i].dropped;
        assert_int_equal(sq_expect_judge(&e, 1, r), 0);
        if (r->exit_code != cases[i].exit) {
            fail_msg("%s: %d, %s", cases[i].expectation, r->exit_code, r->verdict_reason);
        }
        sq_expect_destroy(e);
        sq_result_destroy(r);
        sq_free(b.lateness);
    }
}

static void a_handful_of_late_timers_is_no_verdict(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    sq_hist_clear(b.lateness);
    for (int i = 0; i < SQ_HEALTH_TIMERS_MIN - 1; i++) {
        sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 80);
    }
    assert_well(&b);
    assert_true(b.health.lateness_p99_ms > 75); /* told all the same */
    sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 80);
    assert_blamed(&b, "timers were");
    /* A starved generator fires few timers, but those very late. */
    sq_hist_clear(b.lateness);
    for (int i = 0; i < 10; i++) {
        sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 2000);
    }
    assert_blamed(&b, "timers were");
    sq_free(b.lateness);
}

static void the_first_reason_stands(void **state)
{
    (void)state;
    struct bench b;
    make(&b);
    for (int i = 0; i < 100; i++) {
        sq_metric_record(b.lateness, SQ_METRIC_GENERATOR_LATENESS, 80);
    }
    b.input.receive_drops = 50000;
    assert_blamed(&b, "timers were");
    sq_free(b.lateness);
}

static void the_live_view_judges_a_second(void **state)
{
    (void)state;
    struct sq_plan plan;
    sq_plan_defaults(&plan);
    struct sq_timeline_row row = {.lateness_p99_ms = 1, .cpu_percent = 60};
    assert_true(sq_health_of_second(&plan, &row));
    row.cpu_percent = 96;
    assert_false(sq_health_of_second(&plan, &row));
    row = (struct sq_timeline_row){.lateness_p99_ms = 21, .cpu_percent = 60};
    assert_false(sq_health_of_second(&plan, &row));
}

/* Whatever the service did, a starved generator gives INVALID and exit code 4: never a pass, and
 * never "the server failed". */
static void invalid_before_every_verdict(void **state)
{
    (void)state;
    static const struct {
        bool connected, expectation_ok;
        int healthy_exit;
    } cases[] = {{true, true, SQ_EXIT_HELD},
                 {true, false, SQ_EXIT_EXPECTATION},
                 {false, true, SQ_EXIT_UNREACHED}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        for (int starved = 0; starved < 2; starved++) {
            struct bench b;
            struct sq_result *r;
            make(&b);
            assert_int_equal(sq_result_create(&r), 0);
            struct sq_peer_row *peer = sq_result_add_peer(r);
            assert_non_null(peer);
            peer->connected = cases[i].connected;
            peer->outcome = cases[i].connected ? SQ_OUTCOME_OK : SQ_OUTCOME_FAILED;
            peer->cause = cases[i].connected ? SQ_FAILURE_NONE : SQ_FAILURE_ICE;
            struct sq_expectation *e = sq_result_add_expectation(r, "video.in > 0");
            assert_non_null(e);
            e->ok = cases[i].expectation_ok;
            b.input.send_errors = starved ? 5000 : 0;
            sq_health_judge(&b.input, &r->generator);
            int code = sq_verdict(r);
            assert_int_equal(code, starved ? SQ_EXIT_INVALID : cases[i].healthy_exit);
            assert_int_equal(r->verdict == SQ_VERDICT_INVALID, starved);
            if (starved) {
                assert_non_null(strstr(r->verdict_reason, "could not be sent"));
            }
            sq_result_destroy(r);
            sq_free(b.lateness);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_quiet_one_is_well),
        cmocka_unit_test(nothing_measured),
        cmocka_unit_test(late_timers),
        cmocka_unit_test(late_by_scripts),
        cmocka_unit_test(a_standstill),
        cmocka_unit_test(a_busy_thread),
        cmocka_unit_test(a_thread_busy_with_scripts),
        cmocka_unit_test(dropped_datagrams),
        cmocka_unit_test(bursts_of_the_service),
        cmocka_unit_test(a_core_full_of_data_alone),
        cmocka_unit_test(a_note_is_whole),
        cmocka_unit_test(bounded_figures_that_fail_are_invalid),
        cmocka_unit_test(drops_of_data_channels_alone),
        cmocka_unit_test(sends_that_failed),
        cmocka_unit_test(a_handful_of_late_timers_is_no_verdict),
        cmocka_unit_test(one_late_thread_among_many),
        cmocka_unit_test(messages_that_were_not_sent),
        cmocka_unit_test(a_decoder_with_holes),
        cmocka_unit_test(the_first_reason_stands),
        cmocka_unit_test(the_live_view_judges_a_second),
        cmocka_unit_test(invalid_before_every_verdict),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
