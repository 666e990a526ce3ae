/* Whole runs over a service of this process: arrivals, outcomes, orders, and that what is told of a
 * run agrees with itself. Real sockets on the loopback, no waiting but for events. */
#include "base/mem.h"
#include "base/time.h"
#include "media/clip.h"
#include "run/expect.h"
#include "run/fake_signal.h"
#include "run/rig.h"
#include "run/run.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define MS       SQ_NS_PER_MS
#define SEC      SQ_NS_PER_SEC
#define LIMIT_MS 30000

struct bench {
    struct sq_loop *loop;
    struct sq_plan plan;
    struct sq_addr addr;
    struct sq_run *run;
    struct sq_result *result;
    unsigned seconds;
    bool done;
    uint64_t missed, started, connected, failed;
    bool draining;
    void (*each_second)(struct bench *b);
};

static void on_second(void *ctx, const struct sq_run_live *live)
{
    struct bench *b = ctx;
    b->seconds++;
    b->missed = live->missed;
    b->started = live->row->started;
    b->connected = live->row->connected;
    b->failed = live->row->failed;
    b->draining = live->draining;
    if (b->each_second) {
        b->each_second(b);
    }
}

static void on_done(void *ctx)
{
    struct bench *b = ctx;
    assert_false(b->done);
    b->done = true;
}

static const struct sq_run_ops ops = {.second = on_second, .done = on_done};

static void make(struct bench *b, enum fake_how (*how)(uint64_t index))
{
    memset(b, 0, sizeof(*b));
    assert_int_equal(sq_loop_new(NULL, &b->loop), 0);
    assert_int_equal(sq_result_create(&b->result), 0);
    assert_int_equal(sq_addr_parse("127.0.0.1", 0, &b->addr), 0);
    sq_plan_defaults(&b->plan);
    b->plan.adapter = &fake_signal;
    b->plan.clip = rig_clip;
    b->plan.threads = 2;
    b->plan.seed = 5;
    b->plan.addrs = &b->addr;
    b->plan.addrs_len = 1;
    b->plan.lateness_p99_max_ms = 1000; /* other work shares this machine */
    b->plan.cpu_max_percent = 1000;
    b->plan.dumps = 1;
    fake_begin(how);
}

static bool is_done(void *ctx)
{
    return ((struct bench *)ctx)->done;
}

static void start(struct bench *b)
{
    assert_int_equal(sq_run_start(&b->plan, b->loop, &ops, b, &b->run), 0);
}

static unsigned index_of(const struct sq_peer_row *row)
{
    unsigned index = 0;
    assert_int_equal(sscanf(row->id, "squall-%u", &index), 1);
    return index;
}

/* What every run must hold, whatever happened in it. */
static void check_sums(struct bench *b)
{
    struct sq_result *r = b->result;
    sq_result_tally(r);
    const struct sq_peer_counts *c = &r->counts;
    assert_int_equal(c->started, r->peer_count);
    assert_int_equal(c->started, c->ok + c->failed + c->pending);
    uint64_t failures = 0;
    for (int i = 0; i < SQ_FAILURE_COUNT; i++) {
        failures += r->failures[i].count;
    }
    assert_int_equal(failures, c->failed);
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        assert_true(i == 0 || index_of(p) > index_of(&r->peers[i - 1]));
        assert_true((p->outcome == SQ_OUTCOME_FAILED) == (p->cause != SQ_FAILURE_NONE));
        assert_true((p->message[0] != '\0') == (p->outcome != SQ_OUTCOME_OK));
        assert_true(p->start_ms >= 0 && p->end_ms >= p->start_ms);
    }
    /* The time line's last word is the rows'. */
    assert_true(r->timeline_count > 0);
    assert_int_equal(r->timeline_count, b->seconds);
    const struct sq_timeline_row *last = &r->timeline[r->timeline_count - 1];
    assert_int_equal(last->started, c->started);
    assert_int_equal(last->ok, c->ok);
    assert_int_equal(last->failed, c->failed);
    assert_int_equal(last->connected, 0);
    for (int i = 0; i < SQ_FAILURE_COUNT; i++) {
        assert_int_equal(last->failed_by_cause[i], r->failures[i].count);
    }
    for (size_t i = 0; i < r->timeline_count; i++) {
        assert_true(r->timeline[i].t_s == (double)(i + 1));
        assert_true(i == 0 || r->timeline[i].started >= r->timeline[i - 1].started);
    }
    assert_true(r->duration_s > 0);
    assert_int_equal(r->generator.threads, b->plan.threads);
}

static void finish(struct bench *b)
{
    if (!rig_until(b->loop, is_done, b, LIMIT_MS)) {
        fail_msg("the run did not end: %u s told, %u sessions", b->seconds, fake_sessions());
    }
    assert_int_equal(sq_run_collect(b->run, b->result), 0);
    check_sums(b);
    sq_run_destroy(b->run);
    b->run = NULL;
    assert_int_equal(fake_sessions(), 0);
}

static void free_bench(struct bench *b)
{
    if (b->run) {
        sq_run_destroy(b->run);
        assert_int_equal(sq_loop_run_once(b->loop, 0), 0); /* reports on their way are freed */
    }
    sq_result_destroy(b->result);
    sq_loop_free(b->loop);
    assert_int_equal(fake_sessions(), 0);
}

static double average(struct bench *b, enum sq_metric_id id)
{
    const struct sq_metric_row *row = sq_result_metric(b->result, id);
    struct sq_metric_figures f = {.avg = NAN};
    if (row) {
        sq_metric_row_figures(row, &f);
    }
    return f.avg;
}

static uint64_t samples(struct bench *b, enum sq_metric_id id)
{
    const struct sq_metric_row *row = sq_result_metric(b->result, id);
    return row ? row->hist->sums.count : 0;
}

/* ---- Arrivals ---- */

static void users_come_when_planned_and_hold(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL);
    b.plan.peers = 20;
    b.plan.rate_per_s = 50;
    b.plan.hold_ns = 300 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.planned, 20);
    assert_int_equal(b.result->counts.ok, 20);
    assert_int_equal(b.missed, 0);
    assert_int_equal(fake_leaves(), 20);
    for (size_t i = 0; i < 20; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_int_equal(index_of(p), i);
        assert_true(fabs(p->start_ms - 20.0 * (double)i) <
                    0.01); /* intended, not when it was done */
        assert_true(p->stage_ms[SQ_STAGE_SIGNALING] >= 3);
        assert_true(p->stage_ms[SQ_STAGE_ICE] > 0 && p->stage_ms[SQ_STAGE_DTLS] > 0);
        assert_true(p->stage_ms[SQ_STAGE_MEDIA] >= 0);
        double parts = p->stage_ms[SQ_STAGE_SIGNALING] + p->stage_ms[SQ_STAGE_ICE] +
                       p->stage_ms[SQ_STAGE_DTLS] + p->stage_ms[SQ_STAGE_MEDIA];
        assert_true(p->stage_ms[SQ_STAGE_TOTAL] > parts - 0.5);
        double held_ms = p->end_ms - p->start_ms - p->stage_ms[SQ_STAGE_TOTAL];
        /* Counted from the loop's clock, which a slow iteration leaves behind the packets. */
        assert_true(held_ms >= 250 && held_ms < 2000);
        assert_true(isnan(p->stage_ms[SQ_STAGE_DNS]));
    }
    assert_int_equal(samples(&b, SQ_METRIC_SETUP_TOTAL), 20);
    assert_int_equal(samples(&b, SQ_METRIC_SETUP_ICE), 20);
    free_bench(&b);
}

static void they_stay_until_the_end(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL);
    b.plan.peers = 6;
    b.plan.rate_per_s = 60;
    b.plan.duration_ns = 3200 * MS;
    b.plan.ramp_down_ns = 300 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 6);
    assert_true(b.result->timeline_count >= 3);
    assert_int_equal(b.result->timeline[1].connected, 6);
    assert_int_equal(b.result->timeline[1].planned, 6);
    assert_true(b.result->timeline[1].bitrate_kbps[SQ_FLOW_VIDEO_IN] > 0);
    const struct sq_clip_track *video = sq_clip_track(rig_clip, SQ_CLIP_VIDEO);
    const struct sq_clip_track *audio = sq_clip_track(rig_clip, SQ_CLIP_AUDIO);
    for (size_t i = 0; i < 6; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_true(p->end_ms >= 3195 && p->end_ms < 6000);
        for (int flow = 0; flow < SQ_FLOW_COUNT; flow++) {
            const struct sq_flow_totals *f = &p->flow[flow];
            bool is_video = flow == SQ_FLOW_VIDEO_IN || flow == SQ_FLOW_VIDEO_OUT;
            double want_kbps = (is_video ? video : audio)->average_bps / 1e3;
            assert_int_equal(f->tracks, 1);
            assert_int_equal(f->lost, 0);
            assert_true(f->loss_percent == 0);
            if (fabs(f->bitrate_kbps / want_kbps - 1) > 0.25) { /* a clip's seconds differ */
                fail_msg("flow %d: %.1f kbit/s, expected about %.1f", flow, f->bitrate_kbps,
                         want_kbps);
            }
        }
        assert_true(p->flow[SQ_FLOW_VIDEO_IN].frames > 3 * 10);
        assert_int_equal(p->flow[SQ_FLOW_VIDEO_IN].width, video->width);
        assert_int_equal(p->flow[SQ_FLOW_VIDEO_IN].freezes, 0);
        assert_string_equal(p->local_candidate, "host");
    }
    assert_true(fabs(average(&b, SQ_METRIC_VIDEO_IN) - 1) < 1e-9);
    assert_true(samples(&b, SQ_METRIC_VIDEO_IN_BITRATE) >= 12);
    assert_true(average(&b, SQ_METRIC_AUDIO_IN_LOSS) == 0);
    assert_true(b.result->generator.ok);
    assert_int_equal(b.result->trace_count, 1); /* plan.dumps */
    assert_true(b.result->traces[0].series_count > 4);
    free_bench(&b);
}

static void what_finds_no_place_is_counted(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL);
    b.plan.peers = 3;
    b.plan.rate_per_s = 40;
    b.plan.hold_ns = 300 * MS;
    b.plan.duration_ns = 1500 * MS;
    start(&b);
    finish(&b);
    assert_true(b.missed > 20);
    assert_true(b.result->counts.started >= 6);
    /* Each arrival was begun or missed; how many there were is known up to the end's rounding. */
    uint64_t arrivals = b.result->counts.started + b.missed;
    assert_in_range(arrivals, 58, 62);
    assert_in_range(b.result->counts.planned, 58, 62);
    assert_int_equal(b.result->counts.failed, 0);
    for (size_t i = 0; i < b.result->timeline_count; i++) {
        assert_true(b.result->timeline[i].connected <= 3);
    }
    free_bench(&b);
}

static enum fake_how empty_room(uint64_t index)
{
    (void)index;
    return FAKE_EMPTY_ROOM;
}

/* Shard 1 has every second user, and one of the three places by itself: its second user comes while
 * the first is there. No media, so that nothing but the clock counts. */
static void places_are_of_all_shards(void **state)
{
    (void)state;
    struct bench b;
    make(&b, empty_room);
    b.plan.threads = 2;
    b.plan.peers = 3;
    b.plan.rate_per_s = 1;
    b.plan.hold_ns = 2100 * MS;
    b.plan.duration_ns = 3200 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.started, 4);
    assert_int_equal(b.missed, 0);
    free_bench(&b);
}

static void rooms_and_viewers(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL);
    b.plan.peers = 8;
    b.plan.rate_per_s = 100;
    b.plan.hold_ns = 200 * MS;
    b.plan.room = "r";
    b.plan.room_size = 4;
    b.plan.publishers = 1;
    b.plan.listen = false;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 8);
    for (size_t i = 0; i < 8; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_string_equal(p->room, i < 4 ? "r-0" : "r-1");
        bool publishes = i % 4 == 0;
        assert_string_equal(p->role, publishes ? "publisher" : "viewer");
        assert_int_equal(p->flow[SQ_FLOW_VIDEO_OUT].tracks, publishes);
        assert_int_equal(p->flow[SQ_FLOW_VIDEO_IN].tracks, !publishes);
    }
    free_bench(&b);
}

/* ---- Outcomes ---- */

static const struct {
    enum fake_how how;
    enum sq_outcome outcome;
    enum sq_failure cause;
    const char *words;
} fates[] = {
    {FAKE_WELL, SQ_OUTCOME_OK, SQ_FAILURE_NONE, ""},
    {FAKE_CANNOT_OPEN, SQ_OUTCOME_FAILED, SQ_FAILURE_PROTOCOL, "could not be made"},
    {FAKE_REFUSED_AT_ONCE, SQ_OUTCOME_FAILED, SQ_FAILURE_AUTH, "token is wrong"},
    {FAKE_REFUSED, SQ_OUTCOME_FAILED, SQ_FAILURE_SIGNALING, "said no"},
    {FAKE_SILENT, SQ_OUTCOME_FAILED, SQ_FAILURE_TIMEOUT, "not signed in"},
    {FAKE_NOBODY_THERE, SQ_OUTCOME_FAILED, SQ_FAILURE_ICE, ""},
    {FAKE_WRONG_CERTIFICATE, SQ_OUTCOME_FAILED, SQ_FAILURE_DTLS, ""},
    {FAKE_NO_MEDIA, SQ_OUTCOME_FAILED, SQ_FAILURE_NO_MEDIA, "no media came within"},
    {FAKE_DROPS, SQ_OUTCOME_FAILED, SQ_FAILURE_CONNECT, "closed the connection"},
    {FAKE_NEVER_LEFT, SQ_OUTCOME_OK, SQ_FAILURE_NONE, ""},
};

#define FATES (sizeof(fates) / sizeof(*fates))

static enum fake_how by_turns(uint64_t index)
{
    return fates[index % FATES].how;
}

static void every_user_ends_in_one_outcome(void **state)
{
    (void)state;
    struct bench b;
    make(&b, by_turns);
    b.plan.peers = 3 * FATES;
    b.plan.rate_per_s = 200;
    b.plan.hold_ns = 1200 * MS;
    b.plan.answer_timeout_ns = 300 * MS;
    b.plan.connect_timeout_ns = 1500 * MS;
    b.plan.media_timeout_ns = 500 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.started, 3 * FATES);
    assert_int_equal(b.result->counts.pending, 0);
    assert_int_equal(b.result->counts.dropped, 3); /* FAKE_DROPS had been up */
    for (size_t i = 0; i < b.result->peer_count; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        size_t fate = i % FATES;
        if (p->outcome != fates[fate].outcome || p->cause != fates[fate].cause ||
            !strstr(p->message, fates[fate].words)) {
            fail_msg("user %zu: %s %s '%s'", i, sq_outcome_name(p->outcome),
                     sq_failure_name(p->cause), p->message);
        }
        assert_true(p->connected ==
                    (fates[fate].how == FAKE_WELL || fates[fate].how == FAKE_DROPS ||
                     fates[fate].how == FAKE_NEVER_LEFT));
    }
    /* A story of each that failed. */
    assert_true(b.result->trace_count >= b.result->counts.failed);
    free_bench(&b);
}

static enum fake_how third_blind(uint64_t index)
{
    return index % 3 == 2 ? FAKE_NO_VIDEO : FAKE_WELL;
}

static void assert_judged(struct bench *b, const char *text, double percent)
{
    struct sq_expect *e = NULL;
    struct sq_expectation out = {0};
    assert_int_equal(sq_expect_parse(text, &e, NULL), 0);
    sq_expect_eval(e, b->result, &out);
    sq_expect_destroy(e);
    if (!(fabs(out.value - percent) < 0.01)) {
        fail_msg("%s: %g: %s", text, out.value, out.message);
    }
}

/* A call with sound and no picture is a call without the picture, and not one left out. */
static void agreed_and_never_came_is_none(void **state)
{
    (void)state;
    struct bench b;
    make(&b, third_blind);
    b.plan.peers = 6;
    b.plan.rate_per_s = 60;
    b.plan.hold_ns = 2500 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 6);
    for (size_t i = 0; i < 6; i++) {
        const struct sq_flow_totals *video = &b.result->peers[i].flow[SQ_FLOW_VIDEO_IN];
        bool blind = i % 3 == 2;
        assert_true(video->agreed);
        assert_int_equal(video->tracks, !blind);
        assert_true(blind ? video->bitrate_kbps == 0 : video->bitrate_kbps > 0);
        assert_true(blind ? video->fps == 0 : video->fps > 0);
    }
    assert_judged(&b, "video.in.fps > 5 for 100% of peers", 100.0 * 4 / 6);
    assert_judged(&b, "video.in.bitrate == 0 for 1% of peers", 100.0 * 2 / 6);
    assert_judged(&b, "video.in.freezes < 5 for 100% of peers", 100.0 * 4 / 6);
    assert_judged(&b, "audio.in.bitrate > 1 for 100% of peers", 100);
    /* The whole run's figures count the same seconds. */
    const struct sq_metric_row *fps = sq_result_metric(b.result, SQ_METRIC_VIDEO_IN_FPS);
    assert_true(sq_metric_aggregate(fps->hist, fps->id, (struct sq_agg){SQ_AGG_MIN, 0}) == 0);
    free_bench(&b);
}

static enum fake_how none_well(uint64_t index)
{
    return index % 2 ? FAKE_REFUSED : FAKE_REFUSED_AT_ONCE;
}

static void a_service_that_takes_nobody(void **state)
{
    (void)state;
    struct bench b;
    make(&b, none_well);
    b.plan.peers = 200;
    b.plan.rate_per_s = 1000;
    b.plan.duration_ns = 700 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.failed, 200);
    assert_int_equal(sq_verdict(b.result), SQ_EXIT_UNREACHED);
    free_bench(&b);
}

static enum fake_how none_gets_media(uint64_t index)
{
    (void)index;
    return FAKE_NO_MEDIA;
}

/* It connects everybody and forwards nothing: it was tested, and fails. */
static void a_service_that_forwards_nothing_fails(void **state)
{
    (void)state;
    struct bench b;
    make(&b, none_gets_media);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    b.plan.hold_ns = 300 * MS;
    b.plan.media_timeout_ns = 300 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->failures[SQ_FAILURE_NO_MEDIA].count, 4);
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_EXPECTATION);
    /* How long ICE and DTLS took is known, although nobody got up. */
    assert_int_equal(samples(&b, SQ_METRIC_SETUP_ICE), 4);
    assert_int_equal(samples(&b, SQ_METRIC_SETUP_DTLS), 4);
    assert_int_equal(samples(&b, SQ_METRIC_SETUP_TOTAL), 0);
    free_bench(&b);
}

/* Viewers of a room in which nobody publishes have tested nothing. */
static void an_empty_room_is_no_pass(void **state)
{
    (void)state;
    struct bench b;
    make(&b, empty_room);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    b.plan.hold_ns = 1300 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 4);
    assert_int_equal(b.result->timeline[0].connected, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_false(b.result->peers[i].connected);
        assert_true(isnan(b.result->peers[i].stage_ms[SQ_STAGE_TOTAL]));
    }
    assert_int_equal(samples(&b, SQ_METRIC_SETUP_TOTAL), 0);
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_UNREACHED);
    assert_non_null(strstr(b.result->verdict_reason, "is the room empty?"));
    free_bench(&b);
}

static enum fake_how no_room_for_two(uint64_t index)
{
    return index == 0 ? FAKE_EMPTY_ROOM : index == 1 ? FAKE_CANNOT_OPEN : FAKE_EXHAUSTED;
}

/* What this machine has no room for is not the service's failure. */
static void an_exhausted_generator_is_invalid(void **state)
{
    (void)state;
    struct bench b;
    make(&b, no_room_for_two);
    b.plan.peers = 3;
    b.plan.rate_per_s = 100;
    b.plan.hold_ns = 100 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.failed, 2);
    assert_int_equal(b.result->peers[2].cause, SQ_FAILURE_CONNECT);
    assert_non_null(strstr(b.result->generator.reason, "for 2 peers: raise its limits"));
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_INVALID);
    free_bench(&b);
}

/* ---- Orders ---- */

static void drain_when_up(struct bench *b)
{
    if (b->connected == b->plan.peers) {
        sq_run_drain(b->run);
        b->each_second = NULL;
    }
}

static void drained_users_are_well(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.plan.ramp_down_ns = 200 * MS;
    b.each_second = drain_when_up; /* there is no other end: neither hold nor duration */
    start(&b);
    finish(&b);
    assert_true(b.draining);
    assert_int_equal(b.result->counts.ok, 10);
    assert_int_equal(fake_leaves(), 10);
    free_bench(&b);
}

static enum fake_how half_silent(uint64_t index)
{
    return index % 2 ? FAKE_SILENT : FAKE_WELL;
}

static void abort_when_half_is_up(struct bench *b)
{
    if (b->connected == b->plan.peers / 2) {
        sq_run_abort(b->run);
        b->each_second = NULL;
    }
}

static void aborted_users_are_ok_or_pending(void **state)
{
    (void)state;
    struct bench b;
    make(&b, half_silent);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.each_second = abort_when_half_is_up;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 5);
    assert_int_equal(b.result->counts.pending, 5);
    assert_int_equal(fake_leaves(), 0); /* at once and without goodbyes */
    free_bench(&b);
}

/* Others were up long ago: who still waits when the run ends was let down, and is no pass. */
static void who_hangs_has_failed(void **state)
{
    (void)state;
    struct bench b;
    make(&b, half_silent);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 1500 * MS;
    b.plan.hung_least_ns = 300 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 5);
    assert_int_equal(b.result->failures[SQ_FAILURE_TIMEOUT].count, 5);
    assert_non_null(strstr(b.result->peers[1].message, "when the run ended: not signed in yet"));
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_EXPECTATION);
    free_bench(&b);
}

static enum fake_how all_silent(uint64_t index)
{
    (void)index;
    return FAKE_SILENT;
}

/* Where nobody got up there is nobody to compare with; and too short a time says nothing. */
static void who_is_early_is_pending(void **state)
{
    (void)state;
    struct bench b;
    make(&b, all_silent);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 1200 * MS;
    b.plan.hung_least_ns = 300 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.pending, 4);
    assert_int_equal(sq_verdict(b.result), SQ_EXIT_UNREACHED);
    free_bench(&b);
    make(&b, half_silent);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 1200 * MS;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.pending, 5);
    free_bench(&b);
}

static void drain_again(struct bench *b)
{
    sq_run_drain(b->run);
}

/* Ctrl-C while people go one after the other over a minute. */
static void a_drain_may_be_hurried(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 500 * MS;
    b.plan.ramp_down_ns = 60 * SEC;
    b.each_second = drain_again;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 10);
    assert_true(b.result->duration_s < 20);
    free_bench(&b);
}

static void drain_twice_then_abort(struct bench *b)
{
    sq_run_drain(b->run);
    sq_run_drain(b->run);
    sq_run_abort(b->run);
}

static enum fake_how never_left(uint64_t index)
{
    (void)index;
    return FAKE_NEVER_LEFT;
}

/* As with Ctrl-C pressed again and again. */
static void orders_in_a_row(void **state)
{
    (void)state;
    struct bench b;
    make(&b, never_left);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    b.each_second = drain_twice_then_abort;
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 4);
    free_bench(&b);
}

static void hurry(struct bench *b)
{
    sq_run_pause(b->run, false);
    sq_run_set_rate(b->run, 200);
    b->each_second = NULL;
}

static void the_rate_may_change(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL);
    b.plan.peers = 20;
    b.plan.rate_per_s = 0.5;
    b.plan.hold_ns = 100 * MS;
    b.each_second = hurry;
    start(&b);
    sq_run_pause(b.run, true);
    assert_true(sq_run_rate(b.run) == 0.5);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 20);
    assert_int_equal(b.result->timeline[0].started, 1); /* the first was due at the start */
    assert_true(b.result->duration_s < 10);
    for (size_t i = 1; i < 20; i++) { /* both shards heard the same: 5 ms apart */
        double step_ms = b.result->peers[i].start_ms - b.result->peers[i - 1].start_ms;
        assert_true(i == 1 || fabs(step_ms - 5) < 0.01);
        assert_true(b.result->peers[i].stage_ms[SQ_STAGE_TOTAL] > 0); /* nobody came too early */
    }
    free_bench(&b);
}

static void faster(struct bench *b)
{
    sq_run_set_rate(b->run, 60);
    b->each_second = NULL;
}

/* What was planned is what came due at the rates that were set, and not at the first one. */
static void planned_goes_with_the_rate(void **state)
{
    (void)state;
    struct bench b;
    make(&b, empty_room);
    b.plan.peers = 1000;
    b.plan.rate_per_s = 5;
    b.plan.hold_ns = 50 * MS;
    b.plan.duration_ns = 3500 * MS;
    b.each_second = faster;
    start(&b);
    finish(&b);
    const struct sq_peer_counts *c = &b.result->counts;
    const struct sq_timeline_row *last = &b.result->timeline[b.result->timeline_count - 1];
    assert_int_equal(b.missed, 0);
    assert_int_equal(last->planned, c->planned);
    assert_true(last->planned >= last->started);
    assert_in_range(last->started, 18, 5 + 150); /* 18 are planned at the first rate */
    free_bench(&b);
}

static void aborted_before_its_start(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    start(&b);
    sq_run_drain(b.run);
    sq_run_abort(b.run);
    assert_true(rig_until(b.loop, is_done, &b, LIMIT_MS));
    assert_int_equal(sq_run_collect(b.run, b.result), 0);
    assert_true(b.result->duration_s >= 0 && b.result->duration_s < 10);
    free_bench(&b);
}

/* ---- Ends that are none ---- */

static bool some_second(void *ctx)
{
    return ((struct bench *)ctx)->seconds > 0;
}

static void destroyed_in_the_middle(void **state)
{
    (void)state;
    struct bench b;
    make(&b, half_silent);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    start(&b);
    assert_true(rig_until(b.loop, some_second, &b, LIMIT_MS));
    sq_run_destroy(b.run);
    b.run = NULL;
    /* What the shards had posted must not reach a run that is gone. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sq_loop_run_once(b.loop, MS), 0);
    }
    assert_false(b.done);
    free_bench(&b);
}

static void every_allocation_of_the_start_may_fail(void **state)
{
    (void)state;
    bool started = false;
    for (size_t nth = 1; !started; nth++) {
        struct bench b;
        assert_true(nth < 2000);
        make(&b, NULL);
        b.plan.peers = 2;
        b.plan.rate_per_s = 1;
        sq_mem_fail_at(nth);
        int err = sq_run_start(&b.plan, b.loop, &ops, &b, &b.run);
        sq_mem_fail_at(0);
        started = err == 0;
        assert_true(started == (b.run != NULL));
        for (int i = 0; i < 2; i++) {
            assert_int_equal(sq_loop_run_once(b.loop, 0), 0);
        }
        free_bench(&b);
    }
}

/* ---- Health ---- */

static void a_starved_generator_is_invalid(void **state)
{
    (void)state;
    struct bench b;
    make(&b, NULL);
    b.plan.peers = 4;
    b.plan.rate_per_s = 50;
    b.plan.hold_ns = 300 * MS;
    b.plan.lateness_p99_max_ms = 1e-6; /* no machine is that good */
    start(&b);
    finish(&b);
    assert_int_equal(b.result->counts.ok, 4);
    assert_true(samples(&b, SQ_METRIC_GENERATOR_LATENESS) > 20);
    assert_false(b.result->generator.ok);
    assert_non_null(strstr(b.result->generator.reason, " late (p99"));
    assert_int_equal(sq_verdict(b.result), SQ_EXIT_INVALID);
    free_bench(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(users_come_when_planned_and_hold),
        cmocka_unit_test(they_stay_until_the_end),
        cmocka_unit_test(what_finds_no_place_is_counted),
        cmocka_unit_test(places_are_of_all_shards),
        cmocka_unit_test(rooms_and_viewers),
        cmocka_unit_test(every_user_ends_in_one_outcome),
        cmocka_unit_test(agreed_and_never_came_is_none),
        cmocka_unit_test(an_empty_room_is_no_pass),
        cmocka_unit_test(an_exhausted_generator_is_invalid),
        cmocka_unit_test(a_service_that_takes_nobody),
        cmocka_unit_test(a_service_that_forwards_nothing_fails),
        cmocka_unit_test(drained_users_are_well),
        cmocka_unit_test(aborted_users_are_ok_or_pending),
        cmocka_unit_test(who_hangs_has_failed),
        cmocka_unit_test(who_is_early_is_pending),
        cmocka_unit_test(a_drain_may_be_hurried),
        cmocka_unit_test(orders_in_a_row),
        cmocka_unit_test(the_rate_may_change),
        cmocka_unit_test(planned_goes_with_the_rate),
        cmocka_unit_test(aborted_before_its_start),
        cmocka_unit_test(destroyed_in_the_middle),
        cmocka_unit_test(every_allocation_of_the_start_may_fail),
        cmocka_unit_test(a_starved_generator_is_invalid),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
