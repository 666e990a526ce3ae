/* Comparisons of runs that were made up: with shifts and noise that are known. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"
#include "report/compare.h"
#include "report/page.h"
#include "report/report.h"
#include "report/sample.h"
#include "report/schema.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SIDE_MAX 16
#define PEERS    20

static char why[SQ_STORE_WHY_MAX];
static struct sq_rand rand_state;

/* Normal, mean 0, deviation 1 (Box and Muller). */
static double normal(void)
{
    double u = 1 - sq_rand_unit(&rand_state);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * sq_rand_unit(&rand_state));
}

static const enum sq_metric_id ids[] = {
    SQ_METRIC_SETUP_TOTAL,       SQ_METRIC_VIDEO_IN_BITRATE, SQ_METRIC_VIDEO_IN_LOSS,
    SQ_METRIC_VIDEO_IN_JITTER,   SQ_METRIC_VIDEO_IN_RTT,     SQ_METRIC_VIDEO_IN_FPS,
    SQ_METRIC_VIDEO_IN_LATENCY,  SQ_METRIC_AUDIO_IN_BITRATE, SQ_METRIC_AUDIO_IN_LOSS,
    SQ_METRIC_AUDIO_IN_JITTER,   SQ_METRIC_AUDIO_IN_LATENCY, SQ_METRIC_AUDIO_IN_CONCEALMENT,
    SQ_METRIC_VIDEO_OUT_BITRATE, SQ_METRIC_DATA_IN_LATENCY,
};
enum { IDS = sizeof(ids) / sizeof(*ids) };

static void set_metric(struct sq_stored_run *run, enum sq_metric_id id, double value)
{
    run->measured[id] = true;
    run->figures[id] =
        (struct sq_metric_figures){100, value, value, value, value, value, value, value};
}

/* Each metric about 100 times its factor; `together` is the share of the noise that all metrics of
 * a run have in common. */
static struct sq_stored_run *made(unsigned number, double noise, double together)
{
    struct sq_stored_run *run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->dir = sq_strdup("made");
    assert_non_null(run->dir);
    snprintf(run->id, sizeof(run->id), "run-%u", number);
    run->verdict = SQ_VERDICT_PASS;
    run->generator_ok = run->has_peers = true;
    run->lateness_p99_ms = run->lateness_max_ms = 1;
    run->counts = (struct sq_peer_counts){.planned = PEERS, .started = PEERS, .ok = PEERS};
    set_metric(run, SQ_METRIC_PEERS_FAILED, 0);
    double common = normal();
    for (size_t i = 0; i < IDS; i++) {
        double own = sqrt(together) * common + sqrt(1 - together) * normal();
        set_metric(run, ids[i], 100 * exp(noise * own));
    }
    return run;
}

struct sides {
    struct sq_stored_run *a[SIDE_MAX], *b[SIDE_MAX];
    size_t n, m;
};

static void make_sides(struct sides *s, size_t n, size_t m, double noise, double together)
{
    s->n = n;
    s->m = m;
    for (size_t i = 0; i < n + m; i++) {
        struct sq_stored_run *run = made((unsigned)i, noise, together);
        if (i < n) {
            s->a[i] = run;
        } else {
            s->b[i - n] = run;
        }
    }
}

static void free_sides(struct sides *s)
{
    for (size_t i = 0; i < s->n; i++) {
        sq_store_close(s->a[i]);
    }
    for (size_t i = 0; i < s->m; i++) {
        sq_store_close(s->b[i]);
    }
}

static const struct sq_compare_options usual = {.threshold_percent = NAN};

static struct sq_compare *compare(const struct sides *s, const struct sq_compare_options *options)
{
    struct sq_compare *c = NULL;
    const struct sq_compare_input inputs[] = {{"before", s->a, s->n}, {"after/", s->b, s->m}};
    if (sq_compare_make(inputs, 2, options, &c, why) != 0) {
        fail_msg("%s", why);
    }
    return c;
}

static const struct sq_compare_row *row_of(const struct sq_compare *c, const char *name)
{
    for (size_t i = 0; i < c->pairs[0].rows_count; i++) {
        if (strcmp(c->pairs[0].rows[i].name, name) == 0) {
            return &c->pairs[0].rows[i];
        }
    }
    fail_msg("there is no row %s", name);
    return NULL;
}

/* Nothing changed: how often something is said to have, with no threshold that would hide it. */
static double alarms(size_t n, size_t m, double together, unsigned rounds)
{
    const struct sq_compare_options bare = {.threshold_percent = 1e-9};
    unsigned said = 0;
    for (unsigned round = 0; round < rounds; round++) {
        struct sides s;
        make_sides(&s, n, m, 0.3, together);
        struct sq_compare *c = compare(&s, &bare);
        assert_true(c->pairs[0].repeated);
        said += c->pairs[0].worse + c->pairs[0].better > 0;
        sq_compare_free(c);
        free_sides(&s);
    }
    return (double)said / rounds;
}

/* Five in a hundred at most, by whatever the figures of a run have in common; three deviations of
 * so many rounds are allowed for. */
static void false_alarms_are_within_their_bound(void **state)
{
#ifdef __SANITIZE_ADDRESS__
    enum { ROUNDS = 150 }; /* five times as slow */
#else
    enum { ROUNDS = 1500 };
#endif
    static const size_t sizes[][2] = {{4, 4}, {5, 5}, {6, 6}, {5, 10}, {12, 12}};
    static const double together[] = {0, 0.7, 1};
    double most = 0;
    (void)state;
    sq_rand_seed(&rand_state, 1);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++) {
        for (size_t k = 0; k < 3; k++) {
            unsigned rounds = sizes[i][0] > 6 ? ROUNDS / 5 : ROUNDS;
            double bound = 0.05 + 3 * sqrt(0.05 * 0.95 / rounds);
            double share = alarms(sizes[i][0], sizes[i][1], together[k], rounds);
            most = fmax(most, share);
            print_message("%zu and %zu runs, %g of the noise in common: %.4f false alarms\n",
                          sizes[i][0], sizes[i][1], together[k], share);
            if (share > bound) {
                fail_msg("%zu and %zu runs, %g in common: %.4f false alarms", sizes[i][0],
                         sizes[i][1], together[k], share);
            }
        }
    }
    assert_true(most > 0.01); /* it does test */
}

static void shift_by(struct sides *s, enum sq_metric_id id, double factor)
{
    for (size_t i = 0; i < s->m; i++) {
        set_metric(s->b[i], id, s->b[i]->figures[id].avg * factor);
    }
}

/* A known shift is found, and told as what it is, in one figure among all with six runs of a side,
 * and nothing else is. */
static void a_known_shift_is_found(void **state)
{
    enum { ROUNDS = 300 };
    unsigned found = 0;
    unsigned inside = 0;
    unsigned others = 0;
    (void)state;
    sq_rand_seed(&rand_state, 2);
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct sides s;
        make_sides(&s, 6, 6, 0.03, 0.3);
        shift_by(&s, SQ_METRIC_VIDEO_IN_RTT, 1.3);
        struct sq_compare *c = compare(&s, &usual);
        const struct sq_compare_row *row = row_of(c, "video.in.rtt");
        found += row->call == SQ_CALL_WORSE && c->exit_code == 1;
        inside += row->low <= 30 && 30 <= row->high;
        others += c->pairs[0].worse > (row->call == SQ_CALL_WORSE);
        assert_true(row->low <= row->change && row->change <= row->high);
        sq_compare_free(c);
        free_sides(&s);
    }
    assert_true(found >= ROUNDS * 97 / 100);
    assert_true(inside >= ROUNDS * 93 / 100);
    assert_true(others <= ROUNDS * 8 / 100);
}

/* What is shown fits together: a change has the sign of the two medians beside it, its interval
 * holds it, and what cannot be below 0 falls by 100 % at most, whatever the noise. */
static void changes_are_possible(void **state)
{
    static const enum sq_metric_id noisy[] = {SQ_METRIC_VIDEO_IN_RTT, SQ_METRIC_VIDEO_IN_JITTER,
                                              SQ_METRIC_VIDEO_IN_LOSS};
    (void)state;
    sq_rand_seed(&rand_state, 11);
    for (unsigned round = 0; round < 300; round++) {
        struct sides s;
        make_sides(&s, 6, 6, 0.03, 0);
        for (size_t k = 0; k < 3; k++) {
            for (size_t i = 0; i < 12; i++) {
                struct sq_stored_run *run = i < 6 ? s.a[i] : s.b[i - 6];
                double u = sq_rand_unit(&rand_state);
                /* From next to nothing to a lot; of the last some are 0. */
                set_metric(run, noisy[k], k == 2 && u < 0.3 ? 0 : 0.03 * exp(6 * u));
            }
        }
        struct sq_compare *c = compare(&s, &usual);
        for (size_t i = 0; i < c->pairs[0].rows_count; i++) {
            const struct sq_compare_row *row = &c->pairs[0].rows[i];
            assert_true(row->change * (row->after - row->before) >= 0);
            assert_true(fabs(row->change - (row->after - row->before)) < 1e-9);
            assert_true(row->low <= row->change && row->change <= row->high);
            assert_true(row->low >= -row->before - 1e-9);
        }
        sq_compare_free(c);
        free_sides(&s);
    }
    /* A tester's: the round trip of 0.032 to 0.041 ms was a change of -20.8 %. */
    static const double before[] = {0.030, 0.031, 0.032, 0.032, 0.060, 0.065};
    static const double after[] = {0.020, 0.022, 0.040, 0.042, 0.043, 0.044};
    struct sides s;
    make_sides(&s, 6, 6, 0.03, 0);
    for (size_t i = 0; i < 6; i++) {
        set_metric(s.a[i], SQ_METRIC_VIDEO_IN_RTT, before[i]);
        set_metric(s.b[i], SQ_METRIC_VIDEO_IN_RTT, after[i]);
    }
    struct sq_compare *c = compare(&s, &usual);
    const struct sq_compare_row *row = row_of(c, "video.in.rtt");
    assert_true(fabs(row->change_percent - 28.125) < 0.001);
    assert_int_equal(row->call, SQ_CALL_SAME);
    sq_compare_free(c);
    free_sides(&s);
}

/* The direction is the metric's own, and what is below the threshold does not count. */
static void the_direction_and_the_threshold(void **state)
{
    static const struct {
        enum sq_metric_id id;
        const char *name;
        double factor;
        enum sq_compare_call call;
    } cases[] = {
        {SQ_METRIC_VIDEO_IN_RTT, "video.in.rtt", 1.3, SQ_CALL_WORSE},
        {SQ_METRIC_VIDEO_IN_RTT, "video.in.rtt", 0.7, SQ_CALL_BETTER},
        {SQ_METRIC_VIDEO_IN_FPS, "video.in.fps", 0.7, SQ_CALL_WORSE},
        {SQ_METRIC_VIDEO_IN_FPS, "video.in.fps", 1.3, SQ_CALL_BETTER},
        {SQ_METRIC_VIDEO_IN_RTT, "video.in.rtt", 1.04, SQ_CALL_SMALL},
        {SQ_METRIC_VIDEO_IN_RTT, "video.in.rtt", 1, SQ_CALL_SAME},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sides s;
        sq_rand_seed(&rand_state, 77);
        make_sides(&s, 6, 6, 0.001, 0);
        shift_by(&s, cases[i].id, cases[i].factor);
        struct sq_compare *c = compare(&s, &usual);
        assert_int_equal(row_of(c, cases[i].name)->call, cases[i].call);
        assert_int_equal(c->exit_code, cases[i].call == SQ_CALL_WORSE);
        sq_compare_free(c);
        const struct sq_compare_options strict = {.threshold_percent = 40};
        c = compare(&s, &strict);
        assert_int_equal(c->exit_code, 0);
        sq_compare_free(c);
        free_sides(&s);
    }
}

/* Twice next to nothing is next to nothing. */
static void what_is_tiny_does_not_count(void **state)
{
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 5);
    make_sides(&s, 6, 6, 0.01, 0);
    for (size_t i = 0; i < 6; i++) {
        set_metric(s.a[i], SQ_METRIC_VIDEO_IN_RTT, 0.1 + (double)i / 1000);
        set_metric(s.b[i], SQ_METRIC_VIDEO_IN_RTT, 0.9 + (double)i / 1000);
        set_metric(s.a[i], SQ_METRIC_VIDEO_IN_LOSS, 0);
        set_metric(s.b[i], SQ_METRIC_VIDEO_IN_LOSS, 2 + (double)i / 10); /* of nothing: infinite */
    }
    struct sq_compare *c = compare(&s, &usual);
    assert_int_equal(row_of(c, "video.in.rtt")->call, SQ_CALL_SMALL);
    assert_int_equal(row_of(c, "video.in.loss")->call, SQ_CALL_WORSE);
    assert_true(isnan(row_of(c, "video.in.loss")->change_percent));
    assert_true(isnan(row_of(c, "peers.failed")->p)); /* all alike: none of the family */
    assert_int_equal(row_of(c, "peers.failed")->call, SQ_CALL_SAME);
    sq_compare_free(c);
    free_sides(&s);
}

/* Runs of the two sides that lie just beyond each other are no 'same' and no 'worse': some of so
 * many figures do by chance. Looked at alone, the figure is told. */
static void it_says_what_it_cannot_tell(void **state)
{
    static const double before[] = {100, 130, 160, 190, 220}, after[] = {225, 260, 290, 320, 350};
    const struct sq_compare_figure rtt = {SQ_METRIC_VIDEO_IN_RTT, {SQ_AGG_AVG, 0}};
    const struct sq_compare_options one = {
        .threshold_percent = NAN, .figures = &rtt, .figures_count = 1};
    struct sq_buf text = {0};
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 6);
    make_sides(&s, 5, 5, 0.5, 0);
    for (size_t i = 0; i < 5; i++) {
        set_metric(s.a[i], SQ_METRIC_VIDEO_IN_RTT, before[i]);
        set_metric(s.b[i], SQ_METRIC_VIDEO_IN_RTT, after[i]);
    }
    struct sq_compare *c = compare(&s, &usual);
    assert_int_equal(row_of(c, "video.in.rtt")->call, SQ_CALL_UNKNOWN);
    assert_non_null(strstr(c->reason, "1 figure changed that much, and there is too little"));
    sq_compare_text(c, &(struct sq_compare_text_options){0}, &text);
    assert_non_null(strstr(text.text, "more runs of each side tell it, or fewer figures"));
    sq_buf_free(&text);
    sq_compare_free(c);
    sq_store_close(s.a[--s.n]);
    sq_store_close(s.b[--s.m]);
    c = compare(&s, &one);
    assert_true(c->pairs[0].repeated && c->pairs[0].rows_count == 1);
    assert_int_equal(c->pairs[0].rows[0].call, SQ_CALL_WORSE);
    sq_compare_free(c);
    free_sides(&s);
}

/* ---- One run of each side: the peers ---- */

static void give_peers(struct sq_stored_run *run, enum sq_metric_id id, size_t n, double mean,
                       double noise)
{
    struct sq_stored_values *v = &run->peers[id];
    double sum = 0;
    free(v->values);
    v->values = calloc(n, sizeof(*v->values));
    assert_non_null(v->values);
    for (v->n = 0; v->n < n; v->n++) {
        v->values[v->n] = mean + noise * normal();
        sum += v->values[v->n];
    }
    set_metric(run, id, sum / (double)n);
}

static void one_run_each_is_of_peers(void **state)
{
    struct sq_buf text = {0};
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 8);
    make_sides(&s, 1, 1, 0, 0);
    give_peers(s.a[0], SQ_METRIC_VIDEO_IN_RTT, PEERS, 50, 3);
    give_peers(s.b[0], SQ_METRIC_VIDEO_IN_RTT, PEERS, 90, 3);
    give_peers(s.a[0], SQ_METRIC_SETUP_TOTAL, PEERS, 300, 3);
    give_peers(s.b[0], SQ_METRIC_SETUP_TOTAL, PEERS, 330, 3); /* 10 %: it may be the run's own */
    give_peers(s.a[0], SQ_METRIC_VIDEO_IN_JITTER, PEERS, 20, 30);
    give_peers(s.b[0], SQ_METRIC_VIDEO_IN_JITTER, PEERS, 20, 30);
    set_metric(s.b[0], SQ_METRIC_VIDEO_IN_FPS, 50); /* no peer has it */
    struct sq_compare *c = compare(&s, &usual);
    assert_false(c->pairs[0].repeated);
    assert_int_equal(row_of(c, "video.in.rtt")->call, SQ_CALL_WORSE);
    assert_int_equal(row_of(c, "setup.total")->call, SQ_CALL_SMALL);
    assert_int_equal(row_of(c, "video.in.jitter")->call, SQ_CALL_SAME);
    assert_int_equal(row_of(c, "video.in.fps")->call, SQ_CALL_UNKNOWN);
    assert_true(isnan(row_of(c, "video.in.rtt")->low)); /* nothing is known of it */
    assert_int_equal(c->exit_code, 1);
    assert_non_null(strstr(c->reason, "in these runs"));
    sq_compare_text(c, &(struct sq_compare_text_options){0}, &text);
    assert_non_null(strstr(text.text, "how much runs differ by themselves is not known"));
    sq_buf_free(&text);
    sq_compare_free(c);
    free_sides(&s);
}

/* The same few runs, one of which lies among those of the other side: that is noise of runs. */
static void few_runs_have_to_lie_apart(void **state)
{
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 9);
    make_sides(&s, 3, 1, 0, 0);
    for (size_t i = 0; i < 3; i++) {
        give_peers(s.a[i], SQ_METRIC_VIDEO_IN_RTT, PEERS, i == 2 ? 95 : 50, 1);
    }
    give_peers(s.b[0], SQ_METRIC_VIDEO_IN_RTT, PEERS, 90, 1);
    struct sq_compare *c = compare(&s, &usual);
    assert_int_equal(row_of(c, "video.in.rtt")->call, SQ_CALL_SAME);
    sq_compare_free(c);
    give_peers(s.a[2], SQ_METRIC_VIDEO_IN_RTT, PEERS, 52, 1);
    c = compare(&s, &usual);
    assert_int_equal(row_of(c, "video.in.rtt")->call, SQ_CALL_WORSE);
    sq_compare_free(c);
    free_sides(&s);
}

/* ---- Runs that say nothing ---- */

/* What the generator did to itself is never the service's fault. */
static void invalid_runs_are_not_slower(void **state)
{
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 12);
    make_sides(&s, 5, 6, 0.01, 0);
    for (size_t i = 0; i < s.m; i++) {
        set_metric(s.b[i], SQ_METRIC_VIDEO_IN_RTT, i == 0 ? 9000 : 100 + (double)i / 10);
    }
    s.b[0]->verdict = SQ_VERDICT_INVALID;
    SQ_RESULT_SET(s.b[0]->reason, "timers were late");
    struct sq_compare *c = compare(&s, &usual);
    assert_int_equal(c->exit_code, 0);
    assert_int_equal(c->sides[1].used, 5);
    assert_non_null(strstr(c->notes[0], "was INVALID: timers were late: it is left out"));
    sq_compare_free(c);
    for (size_t i = 0; i < 4; i++) {
        s.b[i]->verdict = SQ_VERDICT_INVALID;
    }
    c = compare(&s, &usual);
    assert_int_equal(c->exit_code, 4);
    assert_int_equal(c->verdict, SQ_COMPARE_INVALID);
    assert_int_equal(c->pairs_count, 0);
    assert_non_null(strstr(c->reason, "of after 4 of 6 runs say nothing"));
    sq_compare_free(c);
    for (size_t i = 0; i < 6; i++) {
        s.b[i]->verdict = SQ_VERDICT_ERROR;
    }
    c = compare(&s, &usual);
    assert_int_equal(c->exit_code, 3);
    sq_compare_free(c);
    s.b[3]->interrupted = true;
    c = compare(&s, &usual);
    assert_int_equal(c->exit_code, 4);
    sq_compare_free(c);
    free_sides(&s);
}

static void a_late_generator_is_not_a_slow_service(void **state)
{
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 13);
    make_sides(&s, 6, 6, 0.001, 0);
    shift_by(&s, SQ_METRIC_VIDEO_IN_RTT, 1.12);
    for (size_t i = 0; i < 6; i++) {
        s.b[i]->lateness_p99_ms = 9; /* 8 more, and the round trips are 12 longer */
    }
    struct sq_compare *c = compare(&s, &usual);
    assert_int_equal(row_of(c, "video.in.rtt")->call, SQ_CALL_GENERATOR);
    assert_int_equal(c->exit_code, 0);
    sq_compare_free(c);
    shift_by(&s, SQ_METRIC_VIDEO_IN_RTT, 1.2);
    c = compare(&s, &usual);
    assert_int_equal(row_of(c, "video.in.rtt")->call, SQ_CALL_WORSE);
    sq_compare_free(c);
    /* Nor is it a better one where the generator was late before. */
    shift_by(&s, SQ_METRIC_VIDEO_IN_RTT, 0.65);
    for (size_t i = 0; i < 6; i++) {
        s.a[i]->lateness_p99_ms = 19;
    }
    c = compare(&s, &usual);
    assert_int_equal(row_of(c, "video.in.rtt")->call, SQ_CALL_GENERATOR);
    sq_compare_free(c);
    free_sides(&s);
}

/* Of one run each, a stall is told from the service by its length. */
static void a_stall_is_not_a_slow_service(void **state)
{
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 16);
    make_sides(&s, 1, 1, 0, 0);
    give_peers(s.a[0], SQ_METRIC_SETUP_TOTAL, PEERS, 100, 3);
    give_peers(s.b[0], SQ_METRIC_SETUP_TOTAL, PEERS, 160, 3);
    give_peers(s.a[0], SQ_METRIC_AUDIO_IN_CONCEALMENT, PEERS, 0.1, 0.03);
    give_peers(s.b[0], SQ_METRIC_AUDIO_IN_CONCEALMENT, PEERS, 2.4, 0.3);
    give_peers(s.a[0], SQ_METRIC_AUDIO_IN_LOSS, PEERS, 0.1, 0.03);
    give_peers(s.b[0], SQ_METRIC_AUDIO_IN_LOSS, PEERS, 2.4, 0.3);
    for (unsigned stalled = 0; stalled < 2; stalled++) {
        s.b[0]->lateness_max_ms = stalled ? 80 : 40;
        struct sq_compare *c = compare(&s, &usual);
        enum sq_compare_call call = stalled ? SQ_CALL_GENERATOR : SQ_CALL_WORSE;
        assert_int_equal(row_of(c, "setup.total")->call, call);
        assert_int_equal(row_of(c, "audio.in.concealment")->call, call);
        assert_int_equal(row_of(c, "audio.in.loss")->call, SQ_CALL_WORSE);
        sq_compare_free(c);
    }
    free_sides(&s);
}

static void set_setting(struct sq_stored_run *run, const char *key, const char *value)
{
    run->config = calloc(1, sizeof(*run->config));
    assert_non_null(run->config);
    run->config_count = 1;
    run->config[0] = (struct sq_stored_setting){sq_strdup(key), sq_strdup(value)};
}

static int make_error(const struct sides *s, const struct sq_compare_options *options)
{
    struct sq_compare *c = NULL;
    const struct sq_compare_input inputs[] = {{"before", s->a, s->n}, {"after", s->b, s->m}};
    return sq_compare_make(inputs, 2, options, &c, why);
}

/* Apples and pears are told, and refused where that is asked for. */
static void unlike_runs_are_told(void **state)
{
    const struct sq_compare_options strict = {.threshold_percent = NAN, .strict = true};
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 14);
    make_sides(&s, 1, 1, 0, 0);
    set_setting(s.a[0], "peers", "10");
    set_setting(s.b[0], "peers", "20");
    struct sq_compare *c = compare(&s, &usual);
    assert_int_equal(c->differences, 1);
    assert_string_equal(c->notes[0], "peers differs: 10 in made, 20 in made");
    sq_compare_free(c);
    assert_int_equal(make_error(&s, &strict), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "--strict: the runs are not alike: peers differs"));
    strcpy(s.b[0]->config[0].key, "dump"); /* changes nothing that is measured; peers is gone */
    assert_int_equal(make_error(&s, &strict), SQ_ERR_INVALID);
    strcpy(s.b[0]->config[0].key, "peer");
    SQ_RESULT_SET(s.b[0]->version, "0.2.0");
    c = compare(&s, &usual);
    assert_int_equal(c->differences, 1); /* a setting of another version is none */
    assert_non_null(strstr(c->notes[0], "the version of squall differs"));
    sq_compare_free(c);
    free_sides(&s);
}

static void what_cannot_be_compared_is_refused(void **state)
{
    const struct sq_compare_figure rtt = {SQ_METRIC_DATA_RTT, {SQ_AGG_AVG, 0}};
    const struct sq_compare_options one = {
        .threshold_percent = NAN, .figures = &rtt, .figures_count = 1};
    struct sides s;
    (void)state;
    make_sides(&s, 2, 2, 0.1, 0);
    assert_int_equal(make_error(&s, &one), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "made/summary.json: key metrics.data.rtt is missing or empty"));
    SQ_RESULT_SET(s.b[1]->id, s.b[0]->id);
    assert_int_equal(make_error(&s, &usual), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "are the same run"));
    free_sides(&s);
    struct sq_compare *c = NULL;
    const struct sq_compare_input alone = {"a", s.a, 1};
    assert_int_equal(sq_compare_make(&alone, 1, &usual, &c, why), SQ_ERR_INVALID);
}

/* Of long settings, such as the steps of a scenario, it is told where they begin to differ. */
static void long_settings_are_told_from_where_they_differ(void **state)
{
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 21);
    make_sides(&s, 1, 1, 0.01, 0);
#define WAITS "wait 1s; wait 10s; wait 100s; wait 1000s; wait 1s; wait 10s; wait 100s; wait 1000s; "
    set_setting(s.a[0], "steps", WAITS WAITS WAITS "press 1; wait 1s");
    set_setting(s.b[0], "steps", WAITS WAITS WAITS "press 1; wait 2s; mute audio");
    struct sq_compare *c = compare(&s, &usual);
    bool told = false;
    for (size_t i = 0; i < c->notes_count; i++) {
        told = told || (strstr(c->notes[i], "steps differs: … wait 1s in ") &&
                        strstr(c->notes[i], ", … wait 2s; mute audio in "));
    }
    assert_true(told);
    sq_compare_free(c);
    free_sides(&s);
}

/* ---- What is written ---- */

static void the_json_follows_its_schema(void **state)
{
    json_error_t error;
    struct sides s;
    (void)state;
    sq_rand_seed(&rand_state, 15);
    make_sides(&s, 6, 6, 0.1, 0);
    shift_by(&s, SQ_METRIC_VIDEO_IN_RTT, 3);
    json_t *schema = json_load_file(SQ_SOURCE_DIR "/share/schema/compare.schema.json", 0, &error);
    assert_non_null(schema);
    for (unsigned invalid = 0; invalid < 2; invalid++) {
        struct sq_buf text = {0};
        struct sq_buf junit = {0};
        struct sq_buf markdown = {0};
        for (size_t i = 0; invalid && i < 6; i++) {
            s.b[i]->verdict = SQ_VERDICT_INVALID;
        }
        struct sq_compare *c = compare(&s, &usual);
        sq_compare_json(c, &text);
        json_t *value = json_loads(text.text, JSON_REJECT_DUPLICATES, &error);
        assert_non_null(value);
        if (!schema_check(schema, value, "", why, sizeof(why))) {
            fail_msg("%s", why);
        }
        assert_int_equal(json_integer_value(json_object_get(value, "exit_code")), invalid ? 4 : 1);
        sq_compare_junit(c, &junit);
        assert_non_null(
            strstr(junit.text, invalid ? "errors=\"1\"" : "failures=\"1\" errors=\"0\""));
        assert_int_equal(strstr(junit.text, "<failure") == NULL, invalid);
        sq_compare_markdown(c, &markdown);
        assert_non_null(strstr(markdown.text, invalid ? "### ? INVALID" : "| ✗ | `video.in.rtt`"));
        assert_int_equal(text.err | junit.err | markdown.err, 0);
        json_decref(value);
        sq_buf_free(&text);
        sq_buf_free(&junit);
        sq_buf_free(&markdown);
        sq_compare_free(c);
    }
    json_decref(schema);
    free_sides(&s);
}

/* What a run keeps of it, by the schema of summary.json. */
static void a_baseline_follows_the_schema(void **state)
{
    json_error_t error;
    struct sq_buf text = {0};
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 2});
    (void)state;
    assert_non_null(r);
    r->baseline = sq_zalloc(sizeof(*r->baseline) + sizeof(r->baseline->rows[0]));
    assert_non_null(r->baseline);
    *r->baseline = (struct sq_baseline){
        .name = "the baseline", .runs = 2, .verdict = "worse", .worse = true, .rows_count = 1};
    r->baseline->rows[0] = (struct sq_baseline_row){.figure = "setup.total",
                                                    .unit = "ms",
                                                    .before = 0,
                                                    .after = 3,
                                                    .change_percent = NAN,
                                                    .p_adjusted = 0.01,
                                                    .call = "worse"};
    sq_report_render(r, SQ_REPORT_JSON, &text);
    json_t *schema = json_load_file(SQ_SOURCE_DIR "/share/schema/summary.schema.json", 0, &error);
    json_t *value = json_loads(text.text, JSON_REJECT_DUPLICATES, &error);
    assert_true(schema && value && json_object_get(value, "baseline"));
    if (!schema_check(schema, value, "", why, sizeof(why))) {
        fail_msg("%s", why);
    }
    json_decref(schema);
    json_decref(value);
    sq_buf_free(&text);
    sq_result_destroy(r);
}

static void names_are_harmless(void **state)
{
    struct sides s;
    struct sq_compare *c = NULL;
    struct sq_buf out = {0};
    (void)state;
    make_sides(&s, 1, 1, 0.1, 0);
    const struct sq_compare_input inputs[] = {{"a\033[2J|b", s.a, 1}, {"<b>&\"\n", s.b, 1}};
    assert_int_equal(sq_compare_make(inputs, 2, &usual, &c, why), 0);
    sq_compare_text(c, &(struct sq_compare_text_options){0}, &out);
    assert_null(strchr(out.text, '\033'));
    sq_buf_free(&out);
    sq_compare_markdown(c, &out);
    assert_non_null(strstr(out.text, "\\|b"));
    assert_null(strstr(out.text, " <b>"));
    sq_buf_free(&out);
    sq_compare_junit(c, &out);
    assert_null(strstr(out.text, "<b>"));
    sq_buf_free(&out);
    sq_compare_free(c);
    free_sides(&s);
}

static void the_page_has_what_was_compared(void **state)
{
    struct sides s;
    struct sq_buf page = {0};
    (void)state;
    sq_rand_seed(&rand_state, 18);
    make_sides(&s, 6, 5, 0.05, 0);
    shift_by(&s, SQ_METRIC_VIDEO_IN_RTT, 3);
    shift_by(&s, SQ_METRIC_AUDIO_IN_LOSS, 0.2);
    set_setting(s.a[0], "network", "\"wifi\"");
    struct sq_compare *c = compare(&s, &usual);
    sq_compare_html(c, &page);
    assert_int_equal(page.err, 0);
    check_html(page.text);
    assert_non_null(strstr(page.text, "<h1 id=\"h-verdict\">WORSE</h1>"));
    assert_non_null(strstr(page.text, "<dt>Exit code</dt><dd>1</dd>"));
    assert_non_null(strstr(page.text, "<h2>What is worse</h2>\n<ul>\n<li><code>video.in.rtt"));
    assert_non_null(strstr(page.text, "<h2>What is better</h2>\n<ul>\n<li><code>audio.in.loss"));
    /* A dot a run for each figure, where it belongs: the slower runs lie to the right. */
    size_t rows = c->pairs[0].rows_count;
    assert_int_equal(count_of(page.text, "<circle class=\"before\""), 6 * rows);
    assert_int_equal(count_of(page.text, "<circle class=\"after\""), 5 * rows);
    const char *at = strstr(page.text, "aria-label=\"video.in.rtt of both sides: before 6 from ");
    assert_non_null(at);
    for (unsigned i = 0; i < 11; i++) {
        at = strstr(at, "cx=\"") + 4;
        assert_true((strtod(at, NULL) > 120) == (i >= 6));
    }
    /* What differs, of both sides. */
    assert_non_null(strstr(page.text, "<code>network</code></th><td class=\"text wide\"><small "
                                      "class=\"what\">before </small>&quot;wifi&quot;"));
    assert_non_null(strstr(page.text, "after </small>not set</td></tr>"));
    assert_int_equal(count_of(page.text, ">compared</td>"), 11);
    sq_compare_free(c);
    sq_buf_free(&page);
    free_sides(&s);
}

/* Few runs: a dot a peer; names of others are text. */
static void the_page_of_few_runs_has_their_peers(void **state)
{
    struct sides s;
    struct sq_compare *c = NULL;
    struct sq_buf page = {0};
    (void)state;
    make_sides(&s, 1, 2, 0, 0);
    give_peers(s.a[0], SQ_METRIC_VIDEO_IN_RTT, 300, 100, 0.01);
    give_peers(s.b[0], SQ_METRIC_VIDEO_IN_RTT, 7, 300, 0.01);
    s.b[1]->verdict = SQ_VERDICT_INVALID;
    SQ_RESULT_SET(s.b[1]->reason, "timers came <late>");
    const struct sq_compare_input inputs[] = {{"a\033[2J|b", s.a, 1}, {"<b>&\"\n", s.b, 2}};
    const struct sq_compare_figure rtt = {SQ_METRIC_VIDEO_IN_RTT, {SQ_AGG_AVG, 0}};
    const struct sq_compare_options one = {
        .threshold_percent = NAN, .figures = &rtt, .figures_count = 1};
    assert_int_equal(sq_compare_make(inputs, 2, &one, &c, why), 0);
    sq_compare_html(c, &page);
    check_html(page.text);
    assert_null(strstr(page.text, "<b>&"));
    assert_null(strstr(page.text, "<late>"));
    assert_int_equal(count_of(page.text, "<circle class=\"before\""), 120); /* thinned out */
    assert_int_equal(count_of(page.text, "<circle class=\"after\""), 7);
    assert_int_equal(count_of(page.text, "left out: it was INVALID: timers came &lt;late&gt;"), 1);
    sq_compare_free(c);
    sq_buf_free(&page);
    free_sides(&s);
}

static void survives_want_of_memory(void **state)
{
    struct sides s;
    struct sq_compare *c = NULL;
    (void)state;
    make_sides(&s, 4, 4, 0.1, 0);
    const struct sq_compare_input inputs[] = {{"before", s.a, 4}, {"after", s.b, 4}};
    sq_mem_fail_at(0);
    assert_int_equal(sq_compare_make(inputs, 2, &usual, &c, why), 0);
    size_t all = sq_mem_count();
    sq_compare_free(c);
    assert_true(all > 10);
    for (size_t nth = 1; nth <= all; nth++) {
        sq_mem_fail_at(nth);
        assert_int_equal(sq_compare_make(inputs, 2, &usual, &c, why), SQ_ERR_NOMEM);
        sq_mem_fail_at(0);
    }
    free_sides(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(false_alarms_are_within_their_bound),
        cmocka_unit_test(a_known_shift_is_found),
        cmocka_unit_test(changes_are_possible),
        cmocka_unit_test(the_direction_and_the_threshold),
        cmocka_unit_test(what_is_tiny_does_not_count),
        cmocka_unit_test(it_says_what_it_cannot_tell),
        cmocka_unit_test(one_run_each_is_of_peers),
        cmocka_unit_test(few_runs_have_to_lie_apart),
        cmocka_unit_test(invalid_runs_are_not_slower),
        cmocka_unit_test(a_late_generator_is_not_a_slow_service),
        cmocka_unit_test(a_stall_is_not_a_slow_service),
        cmocka_unit_test(unlike_runs_are_told),
        cmocka_unit_test(what_cannot_be_compared_is_refused),
        cmocka_unit_test(long_settings_are_told_from_where_they_differ),
        cmocka_unit_test(the_json_follows_its_schema),
        cmocka_unit_test(a_baseline_follows_the_schema),
        cmocka_unit_test(names_are_harmless),
        cmocka_unit_test(the_page_has_what_was_compared),
        cmocka_unit_test(the_page_of_few_runs_has_their_peers),
        cmocka_unit_test(survives_want_of_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
