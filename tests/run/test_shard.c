/* Whole runs over a service of this process: arrivals, outcomes, and that what is told of a
 * run agrees with itself. Real sockets on the loopback, no waiting but for events. */
#include "base/mem.h"
#include "media/clip.h"
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

/* ---- Arrivals ---- */

static void users_come_when_planned_and_hold(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, NULL);
    b.plan.peers = 20;
    b.plan.rate_per_s = 50;
    b.plan.hold_ns = 300 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.planned, 20);
    assert_int_equal(b.result->counts.ok, 20);
    assert_int_equal(b.missed, 0);
    assert_int_equal(fake_leaves(), 20);
    for (size_t i = 0; i < 20; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_int_equal(bench_index_of(p), i);
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
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_TOTAL), 20);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_ICE), 20);
    bench_free(&b);
}

static void they_stay_until_the_end(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, NULL);
    b.plan.peers = 6;
    b.plan.rate_per_s = 60;
    b.plan.duration_ns = 3200 * MS;
    b.plan.ramp_down_ns = 300 * MS;
    bench_start(&b);
    bench_finish(&b);
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
    assert_true(fabs(bench_average(&b, SQ_METRIC_VIDEO_IN) - 1) < 1e-9);
    assert_true(bench_samples(&b, SQ_METRIC_VIDEO_IN_BITRATE) >= 12);
    assert_true(bench_average(&b, SQ_METRIC_AUDIO_IN_LOSS) == 0);
    assert_true(b.result->generator.ok);
    assert_int_equal(b.result->trace_count, 1); /* plan.dumps */
    assert_true(b.result->traces[0].series_count > 4);
    bench_free(&b);
}

static void what_finds_no_place_is_counted(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, NULL);
    b.plan.peers = 3;
    b.plan.rate_per_s = 40;
    b.plan.hold_ns = 300 * MS;
    b.plan.duration_ns = 1500 * MS;
    bench_start(&b);
    bench_finish(&b);
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
    bench_free(&b);
}

/* Shard 1 has every second user, and one of the three places by itself: its second user comes while
 * the first is there. No media, so that nothing but the clock counts. */
static void places_are_of_all_shards(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, bench_empty_room);
    b.plan.threads = 2;
    b.plan.peers = 3;
    b.plan.rate_per_s = 1;
    b.plan.hold_ns = 2100 * MS;
    b.plan.duration_ns = 3200 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.started, 4);
    assert_int_equal(b.missed, 0);
    bench_free(&b);
}

static void rooms_and_viewers(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, NULL);
    b.plan.peers = 8;
    b.plan.rate_per_s = 100;
    b.plan.hold_ns = 200 * MS;
    b.plan.room = "r";
    b.plan.room_size = 4;
    b.plan.groups[0].watches = false;
    sq_plan_split(&b.plan, 1);
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 8);
    for (size_t i = 0; i < 8; i++) {
        const struct sq_peer_row *p = &b.result->peers[i];
        assert_string_equal(p->room, i < 4 ? "r-0" : "r-1");
        bool publishes = i % 4 == 0;
        assert_string_equal(p->role, publishes ? "publisher" : "viewer");
        assert_int_equal(p->flow[SQ_FLOW_VIDEO_OUT].tracks, publishes);
        assert_int_equal(p->flow[SQ_FLOW_VIDEO_IN].tracks, !publishes);
    }
    bench_free(&b);
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
    bench_make(&b, by_turns);
    b.plan.peers = 3 * FATES;
    b.plan.rate_per_s = 200;
    b.plan.hold_ns = 1200 * MS;
    b.plan.answer_timeout_ns = 300 * MS;
    b.plan.connect_timeout_ns = 1500 * MS;
    b.plan.media_timeout_ns = 500 * MS;
    bench_start(&b);
    bench_finish(&b);
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
    bench_free(&b);
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
    bench_make(&b, third_blind);
    b.plan.peers = 6;
    b.plan.rate_per_s = 60;
    b.plan.hold_ns = 3200 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 6);
    for (size_t i = 0; i < 6; i++) {
        const struct sq_flow_totals *video = &b.result->peers[i].flow[SQ_FLOW_VIDEO_IN];
        bool blind = i % 3 == 2;
        assert_true(video->agreed);
        assert_int_equal(video->blank, blind);
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
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_HELD); /* most see it: told, and no failure */
    bench_free(&b);
}

static enum fake_how all_blind(uint64_t index)
{
    (void)index;
    return FAKE_NO_VIDEO;
}

/* Nobody has a picture, for seconds, and sound: no pass by itself. Who is about video in an
 * expectation has said what is to come. */
static void nobody_sees_anything_is_no_pass(void **state)
{
    (void)state;
    struct bench b;
    struct sq_expect *e[2] = {NULL, NULL};
    bench_make(&b, all_blind);
    b.plan.peers = 2;
    b.plan.rate_per_s = 60;
    b.plan.hold_ns = 3200 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 2);
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_EXPECTATION);
    assert_int_equal(b.result->expectation_count, 2);
    assert_string_equal(b.result->expectations[1].expr, SQ_EXPECT_VIDEO);
    assert_true(b.result->expectations[1].value == 0);
    assert_int_equal(sq_expect_parse("audio.in.bitrate > 1", &e[0], NULL), 0);
    assert_int_equal(sq_expect_parse("video.in.bitrate == 0", &e[1], NULL), 0);
    assert_int_equal(sq_expect_judge(e, 1, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_EXPECTATION);
    assert_int_equal(sq_expect_judge(e, 2, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_HELD);
    b.result->peers[0].flow[SQ_FLOW_VIDEO_IN].blank = 0; /* too short to tell */
    b.result->peers[1].flow[SQ_FLOW_VIDEO_IN].blank = 0;
    assert_int_equal(sq_expect_judge(e, 1, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_HELD);
    sq_expect_destroy(e[0]);
    sq_expect_destroy(e[1]);
    bench_free(&b);
}

static enum fake_how some_without_red(uint64_t index)
{
    return index % 3 == 0 ? FAKE_NO_RED : index % 3 == 1 ? FAKE_WELL : FAKE_SILENT;
}

/* By what was negotiated, and only with whom it was. */
static void what_is_not_agreed_is_counted(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, some_without_red);
    struct sq_plan_group *group = &b.plan.groups[0];
    group->audio_codecs =
        (struct sq_peer_codecs){.order = {SQ_CODEC_OPUS}, .n = 1, .red = true, .stereo = true};
    group->simulcast = 3;
    b.plan.peers = 8;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 700 * MS;
    bench_start(&b);
    bench_finish(&b);
    const struct sq_asked_row *asked = b.result->asked;
    assert_int_equal(b.result->counts.ok, 6);
    assert_int_equal(asked[SQ_ASKED_RED].peers, 6);
    assert_int_equal(asked[SQ_ASKED_RED].refused, 3);
    assert_int_equal(asked[SQ_ASKED_STEREO].peers, 6);
    assert_int_equal(asked[SQ_ASKED_STEREO].refused, 6); /* the far side's Opus is mono */
    bool stereo = false;
    for (size_t i = 0; i < rig_clip->track_count; i++) {
        stereo = stereo || rig_clip->tracks[i].channels == 2;
    }
    assert_int_equal(asked[SQ_ASKED_STEREO].plain, stereo ? 0 : 6);
    assert_int_equal(asked[SQ_ASKED_RED].plain, 0);
    assert_int_equal(asked[SQ_ASKED_DTX].peers, 0); /* was not asked for */
    assert_int_equal(asked[SQ_ASKED_SIMULCAST].peers, 6);
    assert_int_equal(asked[SQ_ASKED_SIMULCAST].refused, 6); /* it takes one stream */
    bench_free(&b);
}

static enum fake_how some_stand(uint64_t index)
{
    return index % 2 ? FAKE_STANDS : FAKE_WELL;
}

/* A picture that stands still until its sender ends it was seen as a freeze in one second, and is
 * none by W3C, since no frame ends it: the time line tells as many as the peers' totals (that is
 * among the sums of bench_finish). One that still stands when the run ends is one in both. */
static void freezes_are_counted_once(void **state)
{
    (void)state;
    for (int i = 0; i < 3; i++) {
        bool cut_short = i >= 1;
        struct bench b;
        bench_make(&b, some_stand);
        b.plan.peers = 4;
        b.plan.rate_per_s = 100;
        b.plan.duration_ns = i == 2 ? 2150 * MS : cut_short ? 1900 * MS : 3200 * MS;
        bench_start(&b);
        bench_finish(&b);
        assert_int_equal(b.result->counts.ok, 4);
        for (size_t k = 0; k < 4; k++) {
            const struct sq_flow_totals *video = &b.result->peers[k].flow[SQ_FLOW_VIDEO_IN];
            assert_true(video->frames > 5);
            assert_int_equal(video->freezes, cut_short && k % 2);
            assert_int_equal(video->still, i == 2 && k % 2); /* for a second */
        }
        bench_free(&b);
    }
}

static enum fake_how none_well(uint64_t index)
{
    return index % 2 ? FAKE_REFUSED : FAKE_REFUSED_AT_ONCE;
}

static void a_service_that_takes_nobody(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, none_well);
    b.plan.peers = 200;
    b.plan.rate_per_s = 1000;
    b.plan.duration_ns = 700 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.failed, 200);
    assert_int_equal(sq_verdict(b.result), SQ_EXIT_UNREACHED);
    bench_free(&b);
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
    bench_make(&b, none_gets_media);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    b.plan.hold_ns = 300 * MS;
    b.plan.media_timeout_ns = 300 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->failures[SQ_FAILURE_NO_MEDIA].count, 4);
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_EXPECTATION);
    /* How long ICE and DTLS took is known, although nobody got up. */
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_ICE), 4);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_DTLS), 4);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_TOTAL), 0);
    bench_free(&b);
}

/* Viewers of a room in which nobody publishes have tested nothing. */
static void an_empty_room_is_no_pass(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, bench_empty_room);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    b.plan.hold_ns = 1300 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 4);
    assert_int_equal(b.result->timeline[0].connected, 0);
    for (size_t i = 0; i < 4; i++) {
        assert_false(b.result->peers[i].connected);
        assert_true(isnan(b.result->peers[i].stage_ms[SQ_STAGE_TOTAL]));
    }
    assert_int_equal(bench_samples(&b, SQ_METRIC_SETUP_TOTAL), 0);
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_UNREACHED);
    assert_non_null(strstr(b.result->verdict_reason, "is the room empty?"));
    bench_free(&b);
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
    bench_make(&b, no_room_for_two);
    b.plan.peers = 3;
    b.plan.rate_per_s = 100;
    b.plan.hold_ns = 100 * MS;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.failed, 2);
    assert_int_equal(b.result->peers[2].cause, SQ_FAILURE_CONNECT);
    assert_non_null(strstr(b.result->generator.reason, "for 2 peers: raise its limits"));
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->exit_code, SQ_EXIT_INVALID);
    bench_free(&b);
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
    bench_make(&b, bench_half_silent);
    b.plan.peers = 10;
    b.plan.rate_per_s = 100;
    bench_start(&b);
    assert_true(rig_until(b.loop, some_second, &b, LIMIT_MS));
    sq_run_destroy(b.run);
    b.run = NULL;
    /* What the shards had posted must not reach a run that is gone. */
    for (int i = 0; i < 3; i++) {
        assert_int_equal(sq_loop_run_once(b.loop, MS), 0);
    }
    assert_false(b.done);
    bench_free(&b);
}

static void every_allocation_of_the_start_may_fail(void **state)
{
    (void)state;
    bool started = false;
    for (size_t nth = 1; !started; nth++) {
        struct bench b;
        assert_true(nth < 2000);
        bench_make(&b, NULL);
        b.plan.peers = 2;
        b.plan.rate_per_s = 1;
        sq_mem_fail_at(nth);
        int err = sq_run_start(&b.plan, b.loop, &bench_ops, &b, &b.run);
        sq_mem_fail_at(0);
        started = err == 0;
        assert_true(started == (b.run != NULL));
        for (int i = 0; i < 2; i++) {
            assert_int_equal(sq_loop_run_once(b.loop, 0), 0);
        }
        bench_free(&b);
    }
}

/* ---- Health ---- */

static void a_starved_generator_is_invalid(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, NULL);
    b.plan.peers = 4;
    b.plan.rate_per_s = 50;
    b.plan.hold_ns = 300 * MS;
    b.plan.lateness_p99_max_ms = 1e-6; /* no machine is that good */
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(b.result->counts.ok, 4);
    assert_true(bench_samples(&b, SQ_METRIC_GENERATOR_LATENESS) > 20);
    assert_false(b.result->generator.ok);
    assert_non_null(strstr(b.result->generator.reason, " late (p99"));
    assert_int_equal(sq_verdict(b.result), SQ_EXIT_INVALID);
    bench_free(&b);
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
        cmocka_unit_test(nobody_sees_anything_is_no_pass),
        cmocka_unit_test(what_is_not_agreed_is_counted),
        cmocka_unit_test(freezes_are_counted_once),
        cmocka_unit_test(an_empty_room_is_no_pass),
        cmocka_unit_test(an_exhausted_generator_is_invalid),
        cmocka_unit_test(a_service_that_takes_nobody),
        cmocka_unit_test(a_service_that_forwards_nothing_fails),
        cmocka_unit_test(destroyed_in_the_middle),
        cmocka_unit_test(every_allocation_of_the_start_may_fail),
        cmocka_unit_test(a_starved_generator_is_invalid),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
