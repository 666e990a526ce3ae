/* The score: its direction in every input, its bounds, and the examples of docs/score.md. */
#include "stats/score.h"

#include "base/rand.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

static struct sq_score of(const struct sq_score_input *in)
{
    struct sq_score s;
    sq_score(in, &s);
    return s;
}

static struct sq_score_input unmeasured(void)
{
    const struct sq_score_figure none = {NAN, NAN};
    return (struct sq_score_input){.setup_ms = NAN,
                                   .audio_loss = none,
                                   .audio_burst_ratio = NAN,
                                   .audio_codec = sq_mos_codec("opus"),
                                   .video_loss = none,
                                   .freezes = NAN,
                                   .freeze_s = NAN,
                                   .watched_s = NAN,
                                   .delay_ms = none,
                                   .bitrate = none};
}

static void the_best_is_10(void **state)
{
    struct sq_score_input in = unmeasured();
    /* NAN in the loss of the sound is not worth a NAN of the score. */
    assert_float_equal(of(&in).score, 10, 0);
    in.setup_ms = 900;
    in.audio_loss = in.video_loss = (struct sq_score_figure){0, 0};
    in.freezes = in.freeze_s = 0;
    in.watched_s = 60;
    in.delay_ms = (struct sq_score_figure){0, 0};
    in.bitrate = (struct sq_score_figure){1, 0.2};
    assert_float_equal(of(&in).score, 10, 0);
}

static void who_failed_has_0(void **state)
{
    struct sq_score_input in = unmeasured();
    in.failed = true;
    assert_float_equal(of(&in).score, 0, 0);
}

/* Inputs in the direction of worse, each by its place. */
enum { INPUTS = 11 };

static double *input(struct sq_score_input *in, int i)
{
    double *all[INPUTS] = {&in->setup_ms,        &in->audio_loss.mean,   &in->audio_loss.stddev,
                           &in->video_loss.mean, &in->video_loss.stddev, &in->freezes,
                           &in->freeze_s,        &in->delay_ms.mean,     &in->delay_ms.stddev,
                           &in->bitrate.mean,    &in->bitrate.stddev};
    return all[i];
}

static void every_input_has_its_direction(void **state)
{
    static const double most[INPUTS] = {60000, 100, 40, 100, 40, 60, 120, 3000, 500, 1.5, 1};
    struct sq_rand rand;
    sq_rand_seed(&rand, 7);
    for (int round = 0; round < 20000; round++) {
        struct sq_score_input in = unmeasured();
        in.audio_burst_ratio = 1 + 7 * sq_rand_unit(&rand);
        in.watched_s = 200 * sq_rand_unit(&rand);
        for (int i = 0; i < INPUTS; i++) {
            double u = sq_rand_unit(&rand);
            *input(&in, i) = most[i] * u * u; /* more of what calls are like */
        }
        struct sq_score before = of(&in);
        assert_true(before.score >= 0 && before.score <= 10);
        for (int i = 0; i < INPUTS; i++) {
            struct sq_score_input worse = in;
            double step = most[i] * sq_rand_unit(&rand) * 0.2;
            *input(&worse, i) += i == 9 ? -fmin(step, in.bitrate.mean) : step;
            assert_true(of(&worse).score <= before.score + 1e-12);
        }
        struct sq_score_input bursty = in;
        bursty.audio_burst_ratio += 1;
        assert_true(of(&bursty).score <= before.score + 1e-12);
        struct sq_score_input shorter = in;
        shorter.watched_s *= 0.5;
        assert_true(of(&shorter).score <= before.score + 1e-12);
    }
}

/* Each moves it by itself, too. */
static void every_input_counts(void **state)
{
    static const double bad[INPUTS] = {4000, 3, 6, 3, 6, 3, 4, 300, 200, 0.4, 2};
    static const int part[INPUTS] = {SQ_SCORE_SETUP,      SQ_SCORE_AUDIO_LOSS, SQ_SCORE_AUDIO_LOSS,
                                     SQ_SCORE_VIDEO_LOSS, SQ_SCORE_VIDEO_LOSS, SQ_SCORE_FREEZES,
                                     SQ_SCORE_FREEZES,    SQ_SCORE_LATENCY,    SQ_SCORE_LATENCY,
                                     SQ_SCORE_BITRATE,    SQ_SCORE_BITRATE};
    for (int i = 0; i < INPUTS; i++) {
        struct sq_score_input in = unmeasured();
        in.audio_loss.mean = in.video_loss.mean = in.delay_ms.mean = 0;
        in.bitrate.mean = 1;
        *input(&in, i) = bad[i];
        struct sq_score s = of(&in);
        assert_true(s.score < 9.9);
        for (int p = 0; p < SQ_SCORE_PARTS; p++) {
            assert_true(p == part[i] ? s.penalties[p] > 0.1 : s.penalties[p] == 0);
        }
        assert_float_equal(s.score, 10 * exp(-s.penalties[part[i]] / 10), 1e-12);
    }
}

static void penalties_have_a_most(void **state)
{
    struct sq_score_input in = unmeasured();
    in.setup_ms = 1e9;
    assert_float_equal(of(&in).penalties[SQ_SCORE_SETUP], 5, 1e-12);
    in.bitrate.mean = 0;
    assert_float_equal(of(&in).penalties[SQ_SCORE_BITRATE], 5, 1e-12);
    in.freezes = 1e6;
    assert_float_equal(of(&in).penalties[SQ_SCORE_FREEZES], 6, 1e-9);
    in.video_loss.mean = 100;
    assert_float_equal(of(&in).penalties[SQ_SCORE_VIDEO_LOSS], 3, 1e-9);
    in.audio_loss.mean = 100;
    in.delay_ms.mean = 5000;
    /* As bad as a call can be, and still one. */
    assert_true(of(&in).score > 0 && of(&in).score < 1);
}

/* The table of docs/score.md: | label | setup_ms | conceal | sd | loss | sd | freezes | frozen_s |
 * watched_s | delay_ms | sd | share | sd | six penalties | score |, each as the code has it. */
static void examples_of_the_page_hold(void **state)
{
    FILE *f = fopen(SQ_SOURCE_DIR "/docs/score.md", "r");
    char line[1024];
    int rows = 0;
    assert_non_null(f);
    while (fgets(line, sizeof(line), f)) {
        if (strncmp(line, "| e.g. ", 7) != 0) {
            continue;
        }
        double v[19];
        char *at = strchr(line + 2, '|');
        int n = 0;
        for (; at && n < 19; n++) {
            v[n] = strtod(at + 1, NULL);
            at = strchr(at + 1, '|');
        }
        assert_int_equal(n, 19);
        struct sq_score_input in = {.setup_ms = v[0],
                                    .audio_loss = {v[1], v[2]},
                                    .audio_codec = sq_mos_codec("opus"),
                                    .audio_burst_ratio = 1,
                                    .video_loss = {v[3], v[4]},
                                    .freezes = v[5],
                                    .freeze_s = v[6],
                                    .watched_s = v[7],
                                    .delay_ms = {v[8], v[9]},
                                    .bitrate = {v[10], v[11]}};
        struct sq_score s = of(&in);
        for (int p = 0; p < SQ_SCORE_PARTS; p++) {
            if (fabs(s.penalties[p] - v[12 + p]) > 0.0051) {
                fail_msg("%s %s is %.4f", line, sq_score_part_name((enum sq_score_part)p),
                         s.penalties[p]);
            }
        }
        if (fabs(s.score - v[18]) > 0.0051) {
            fail_msg("%s score is %.4f", line, s.score);
        }
        rows++;
    }
    fclose(f);
    assert_true(rows >= 6);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_is_10),
        cmocka_unit_test(who_failed_has_0),
        cmocka_unit_test(every_input_has_its_direction),
        cmocka_unit_test(every_input_counts),
        cmocka_unit_test(penalties_have_a_most),
        cmocka_unit_test(examples_of_the_page_hold),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
