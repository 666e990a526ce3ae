/* Score and MOS of whole runs: who fails, connects to nothing or gets half of it does not vanish.
 */
#include "run/rig.h"
#include "run/shard_bench.h"
#include "run/user_int.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static enum fake_how each_differs(uint64_t index)
{
    static const enum fake_how how[] = {FAKE_WELL, FAKE_WELL, FAKE_REFUSED, FAKE_EMPTY_ROOM,
                                        FAKE_NO_VIDEO};
    return how[index];
}

static double sum_of(const struct sq_result *r, bool mos, unsigned *ret_n)
{
    double sum = 0;
    *ret_n = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        double value = mos ? r->peers[i].mos : r->peers[i].score.score;
        sum += isnan(value) ? 0 : value;
        *ret_n += !isnan(value);
    }
    return sum;
}

static void nobody_vanishes(void **state)
{
    (void)state;
    struct bench b;
    unsigned n;
    bench_make(&b, each_differs);
    b.plan.peers = 5;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 2600 * MS;
    bench_start(&b);
    bench_finish(&b);
    const struct sq_result *r = b.result;
    const struct sq_peer_row *p = r->peers;
    for (size_t i = 0; i < 2; i++) { /* how good it is, is a matter of what else runs here */
        const struct sq_flow_totals *f = &p[i].flow[SQ_FLOW_AUDIO_IN];
        const struct sq_mos_input in = {.delay_ms = f->rtt_ms / 2 + f->playout_ms,
                                        .loss_percent = f->concealment_percent,
                                        .burst_ratio = f->burst_ratio,
                                        .codec = sq_mos_codec("opus")};
        assert_string_equal(f->codec, "opus");
        assert_float_equal(p[i].mos, sq_mos(&in), 1e-9);
        assert_true(p[i].score.score > 0 && p[i].score.score <= 10);
        assert_true(p[i].flow[SQ_FLOW_VIDEO_IN].watched_s > 1);
    }
    assert_int_equal(p[2].outcome, SQ_OUTCOME_FAILED);
    assert_int_equal(p[3].outcome, SQ_OUTCOME_OK); /* and connected to nothing */
    for (size_t i = 2; i < 4; i++) {
        assert_float_equal(p[i].score.score, 0, 0);
        assert_float_equal(p[i].mos, 1, 0);
    }
    /* Video that was agreed and never came: all of it lost, and none of its bit rate. */
    assert_float_equal(p[4].score.penalties[SQ_SCORE_VIDEO_LOSS], 3, 1e-6);
    assert_float_equal(p[4].score.penalties[SQ_SCORE_BITRATE], 5, 1e-6);
    assert_true(p[4].score.score > 0 && p[4].score.score < 5 && p[4].mos >= 1);
    assert_int_equal(bench_samples(&b, SQ_METRIC_SCORE), 5);
    assert_int_equal(bench_samples(&b, SQ_METRIC_MOS), 5);
    assert_float_equal(r->score, sum_of(r, false, &n) / 5, 0.001);
    assert_float_equal(r->mos, sum_of(r, true, &n) / 5, 0.001);
    assert_int_equal(n, 5);
    bench_free(&b);
}

static enum fake_how half_refused(uint64_t index)
{
    return index % 2 ? FAKE_REFUSED : FAKE_WELL;
}

/* Nobody is told to have a voice that was not asked for. */
static void video_alone_has_no_mos(void **state)
{
    (void)state;
    struct bench b;
    bench_make(&b, half_refused);
    b.plan.peers = 4;
    b.plan.rate_per_s = 100;
    b.plan.duration_ns = 1500 * MS;
    b.plan.groups[0].audio = false;
    bench_start(&b);
    bench_finish(&b);
    assert_int_equal(bench_samples(&b, SQ_METRIC_MOS), 0);
    assert_true(isnan(b.result->mos));
    assert_int_equal(bench_samples(&b, SQ_METRIC_SCORE), 4);
    assert_int_equal(b.result->counts.failed, 2);
    assert_true(b.result->score > 4 && b.result->score <= 5);
    bench_free(&b);
}

#define CALL_S 600.0

/* Ten minutes with one drop of 5 s, and so many pictures all the while. */
static double dropped_once(double pictures)
{
    struct sq_tally tally = {0};
    struct sq_user_env env = {.tally = &tally};
    struct sq_user user = {.env = &env};
    struct sq_peer_row *row = &user.row;
    assert_int_equal(sq_loop_new(NULL, &env.loop), 0);
    for (int flow = 0; flow < SQ_FLOW_COUNT; flow++) {
        sq_flow_totals_init(&row->flow[flow]);
    }
    row->outcome = SQ_OUTCOME_OK;
    row->connected = true;
    row->start_ms = 1000;
    row->stage_ms[SQ_STAGE_TOTAL] = 500;
    row->end_ms = 1500 + CALL_S * 1e3;
    row->drops = row->returns = 1;
    row->gap_ms = row->away_ms = 5000;
    row->flow[SQ_FLOW_VIDEO_IN].freeze_ms = 0;
    user.sums[SQ_FLOW_VIDEO_IN].watched_s = pictures * CALL_S;
    sq_user_finish_score(&user);
    sq_tally_free(&tally);
    sq_loop_free(env.loop);
    return row->score.penalties[SQ_SCORE_FREEZES];
}

/* All of them stand still: it is as bad for who sees nine as for who sees one, and not as bad for
 * who hears for ten minutes as if it had been half a minute. */
static void a_drop_is_held_against_the_whole_call(void **state)
{
    (void)state;
    double one = 6 * (1 - exp(-(0.15 * 5 + 0.19) / (CALL_S / 30)));
    assert_float_equal(dropped_once(1), one, 1e-9);
    assert_float_equal(dropped_once(9), one, 1e-9);
    assert_float_equal(dropped_once(0), one, 1e-9);
}

/* One second of one peer, for the time line; of docs/score.md's worked examples where it names one.
 */
struct moment {
    struct sq_user_second of;
    double delay_ms, share; /* 0: not known */
    bool dropped;
    double score, mos; /* NAN: none */
};

static void check_moment(const struct moment *m)
{
    struct sq_second second = {0};
    struct sq_user_env env = {.second = &second};
    struct sq_user user = {.env = &env, .want.recv_audio = true};
    user.sums[SQ_FLOW_AUDIO_IN].second_delay_ms = m->delay_ms;
    user.sums[SQ_FLOW_AUDIO_IN].codec = "opus";
    user.sums[SQ_FLOW_VIDEO_IN].second_pictures = 2;
    if (m->share > 0) {
        user.sums[SQ_FLOW_VIDEO_IN].second_bits = m->share * 1e6;
        user.sums[SQ_FLOW_VIDEO_IN].second_target_bits = 1e6;
        sq_user_score_second(&user, SQ_FLOW_VIDEO_IN, 0, 0, true);
    }
    if (m->dropped) {
        sq_user_score_away(&user);
    } else {
        sq_user_score_tell(&user, &m->of);
    }
    assert_int_equal(second.score_n, !isnan(m->score));
    assert_int_equal(second.mos_n, !isnan(m->mos));
    if (second.score_n) {
        assert_float_equal(second.score_sum, m->score, 0.005);
    }
    if (second.mos_n) {
        assert_float_equal(second.mos_sum, m->mos, 0.005);
    }
    /* Nothing of it is left for the next one. */
    assert_float_equal(user.sums[SQ_FLOW_AUDIO_IN].second_delay_ms, m->dropped ? m->delay_ms : 0,
                       0);
}

/* G.107, Annex B: a point is 10 of R. */
static double mos_of_points(double lost)
{
    double r = 93.2 - 10 * lost;
    return 1 + 0.035 * r + 7e-6 * r * (r - 60) * (100 - r);
}

static void a_second_by_itself(void **state)
{
    (void)state;
    const struct moment moments[] = {
        /* "steady loss": 2 % of the sound in gaps of a packet, 60 ms */
        {.of.sound =
             {.lost = 20, .all = 1000, .agreed = true, .any = true, .gaps = 2, .played = 98},
         .delay_ms = 60 + 2.5,
         .score = 8.39,
         .mos = mos_of_points(0.17 + 1.58)},
        /* one of two pictures froze for all of it: half a freeze of a second in half a minute */
        {.of.video = {.all = 100, .agreed = true, .any = true, .freezes = 1, .freeze_ms = 1000},
         .share = 1,
         .score = 10 * exp(-0.6 * (1 - exp(-0.15 / 2 - 0.19 / 2))),
         .mos = NAN},
        /* "a third of the bit rate" */
        {.of.video = {.all = 100, .agreed = true, .any = true},
         .share = 0.33,
         .score = 10 * exp(-0.2007),
         .mos = NAN},
        /* agreed, and nothing ever came: sound and picture are all loss, and no bit rate */
        {.of = {.sound.agreed = true, .video.agreed = true},
         .score = 10 * exp(-(95.0 * 100 / (100 + 10) / 10 + 3 + 5) / 10),
         .mos = 1},
        {.dropped = true, .score = 0, .mos = 1},
        /* nothing is known */
        {.score = NAN, .mos = NAN},
    };
    for (size_t i = 0; i < sizeof(moments) / sizeof(*moments); i++) {
        check_moment(&moments[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_vanishes),
        cmocka_unit_test(video_alone_has_no_mos),
        cmocka_unit_test(a_second_by_itself),
        cmocka_unit_test(a_drop_is_held_against_the_whole_call),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
