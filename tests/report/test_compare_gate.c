/* What a release pipeline with few runs needs: a service that is plainly slower is said to be, the
 * same one is not, and neither hangs on what else is looked at. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/rand.h"
#include "report/compare.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS_MAX 8

static char why[SQ_STORE_WHY_MAX];
static struct sq_rand rand_state;

struct side {
    const char *name;
    struct sq_stored_run *runs[RUNS_MAX];
    size_t n;
};

/* Normal, mean 0, deviation 1 (Box and Muller). */
static double normal(void)
{
    double u = 1 - sq_rand_unit(&rand_state);
    return sqrt(-2 * log(u)) * cos(6.283185307179586 * sq_rand_unit(&rand_state));
}

static void set_metric(struct sq_stored_run *run, enum sq_metric_id id, double value)
{
    run->measured[id] = true;
    run->figures[id] =
        (struct sq_metric_figures){100, value, value, value, value, value, value, value};
}

/* As the figures of a run of a lab on a busy machine are: those of one cause move together (set-up
 * and its p95, loss and score and MOS), rates hardly move, and some are 0 in most runs. */
static struct sq_stored_run *made(const char *name, size_t number)
{
    struct sq_stored_run *run = calloc(1, sizeof(*run));
    assert_non_null(run);
    run->dir = sq_strdup("made");
    assert_non_null(run->dir);
    snprintf(run->id, sizeof(run->id), "%s-%zu", name, number);
    run->verdict = SQ_VERDICT_PASS;
    run->generator_ok = run->has_peers = true;
    run->lateness_p99_ms = run->lateness_max_ms = 1;
    run->counts = (struct sq_peer_counts){.planned = 9, .started = 9, .ok = 9};
    double busy = normal();
    double loss = exp(1.0 * normal() - 1);
    double setup = 60 * exp(0.25 * busy);
    set_metric(run, SQ_METRIC_SETUP_TOTAL, setup);
    run->figures[SQ_METRIC_SETUP_TOTAL].p95 = setup * (1.5 + 0.2 * fabs(normal()));
    set_metric(run, SQ_METRIC_PEERS_FAILED, sq_rand_unit(&rand_state) < 0.1 ? 11.1 : 0);
    set_metric(run, SQ_METRIC_SCORE, 9.9 - 0.9 * loss);
    set_metric(run, SQ_METRIC_MOS, 4.4 - 0.3 * loss);
    set_metric(run, SQ_METRIC_VIDEO_IN_LOSS, loss);
    set_metric(run, SQ_METRIC_AUDIO_IN_LOSS, loss * exp(0.3 * normal()));
    set_metric(run, SQ_METRIC_AUDIO_IN_CONCEALMENT, loss * exp(0.5 * normal()));
    set_metric(run, SQ_METRIC_VIDEO_IN_BITRATE, 3000 * exp(0.02 * normal()));
    set_metric(run, SQ_METRIC_AUDIO_IN_BITRATE, 48 * exp(0.01 * normal()));
    set_metric(run, SQ_METRIC_VIDEO_IN_FPS, 25 - (sq_rand_unit(&rand_state) < 0.5 ? 0.3 : 0));
    set_metric(run, SQ_METRIC_VIDEO_IN_JITTER, 5 * exp(0.5 * busy + 0.3 * normal()));
    set_metric(run, SQ_METRIC_AUDIO_IN_JITTER, 5 * exp(0.5 * busy + 0.3 * normal()));
    set_metric(run, SQ_METRIC_VIDEO_IN_RTT, 20 * exp(0.3 * normal()));
    set_metric(run, SQ_METRIC_VIDEO_IN_LATENCY, 80 * exp(0.15 * busy + 0.05 * normal()));
    run->figures[SQ_METRIC_VIDEO_IN_LATENCY].p95 = 120 * exp(0.2 * busy + 0.05 * normal());
    return run;
}

static struct side make_side(const char *name, size_t n)
{
    struct side side = {.name = name, .n = n};
    for (size_t i = 0; i < n; i++) {
        side.runs[i] = made(name, i);
    }
    return side;
}

static void free_side(struct side *side)
{
    for (size_t i = 0; i < side->n; i++) {
        sq_store_close(side->runs[i]);
    }
}

static void slow_down(struct side *side, double factor)
{
    for (size_t i = 0; i < side->n; i++) {
        struct sq_metric_figures *f = &side->runs[i]->figures[SQ_METRIC_SETUP_TOTAL];
        f->avg *= factor;
        f->p95 *= factor;
    }
}

static struct sq_compare *compare(const struct side *const *sides, size_t n,
                                  const struct sq_compare_options *options)
{
    struct sq_compare_input inputs[3];
    struct sq_compare *c = NULL;
    for (size_t i = 0; i < n; i++) {
        inputs[i] = (struct sq_compare_input){sides[i]->name, sides[i]->runs, sides[i]->n};
    }
    if (sq_compare_make(inputs, n, options, &c, why) != 0) {
        fail_msg("%s", why);
    }
    assert_true(c->pairs[0].repeated);
    return c;
}

struct shares {
    double worse, changed; /* by the usual threshold; and by more than noise at all */
};

static struct shares shares_of(size_t n, double factor, unsigned rounds)
{
    static const struct sq_compare_options usual = {.threshold_percent = NAN};
    unsigned worse = 0;
    unsigned changed = 0;
    for (unsigned round = 0; round < rounds; round++) {
        struct side a = make_side("before", n);
        struct side b = make_side("after", n);
        const struct side *const sides[] = {&a, &b};
        slow_down(&b, factor);
        struct sq_compare *c = compare(sides, 2, &usual);
        bool any = false;
        for (size_t i = 0; i < c->pairs[0].rows_count; i++) {
            any = any || c->pairs[0].rows[i].p_adjusted <= c->alpha;
        }
        worse += c->exit_code == 1;
        changed += any;
        sq_compare_free(c);
        free_side(&a);
        free_side(&b);
    }
    return (struct shares){(double)worse / rounds, (double)changed / rounds};
}

/* At four and four there are 70 ways to deal the runs, and 2 of them may be told: 2.9 %. */
static void the_same_service_is_not_worse(void **state)
{
#ifdef __SANITIZE_ADDRESS__
    enum { ROUNDS = 300 };
#else
    enum { ROUNDS = 10000 };
#endif
    static const double bounds[][2] = {{4, 2.0 / 70}, {6, 0.05}, {8, 0.05}};
    (void)state;
    sq_rand_seed(&rand_state, 41);
    for (size_t i = 0; i < 3; i++) {
        unsigned rounds = bounds[i][0] == 8 ? ROUNDS / 20 : bounds[i][0] == 6 ? ROUNDS / 5 : ROUNDS;
        struct shares s = shares_of((size_t)bounds[i][0], 1, rounds);
        double most = bounds[i][1];
        print_message("%g and %g runs, %u comparisons: %.4f changed, %.4f worse\n", bounds[i][0],
                      bounds[i][0], rounds, s.changed, s.worse);
        if (s.changed > most + 3 * sqrt(most * (1 - most) / rounds)) {
            fail_msg("%g runs: %.4f false alarms, expected %.4f", bounds[i][0], s.changed, most);
        }
        assert_true(s.worse <= s.changed);
        /* It does test: as far as so many comparisons can show that. */
        assert_true(s.changed > most / 4 - 3 * sqrt(most / 4 / rounds));
    }
}

static void a_slower_service_is_worse(void **state)
{
    static const struct {
        size_t n;
        double factor, least;
    } cases[] = {{4, 28, 1}, {4, 5, 0.95}, {6, 2, 0.8}, {8, 2, 0.9}};
    (void)state;
    sq_rand_seed(&rand_state, 42);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct shares s = shares_of(cases[i].n, cases[i].factor, 200);
        print_message("%zu and %zu runs, %g times as slow: %.3f found\n", cases[i].n, cases[i].n,
                      cases[i].factor, s.worse);
        if (s.worse < cases[i].least) {
            fail_msg("%zu runs, %g times: %.3f found", cases[i].n, cases[i].factor, s.worse);
        }
    }
}

static const struct sq_compare_row *setup_of(const struct sq_compare *c)
{
    for (size_t i = 0; i < c->pairs[0].rows_count; i++) {
        if (strcmp(c->pairs[0].rows[i].name, "setup.total") == 0) {
            return &c->pairs[0].rows[i];
        }
    }
    fail_msg("there is no row setup.total");
    return NULL;
}

/* A user's: 28 times as slow was not worse, and worse with a third side or --metric. */
static void nothing_else_decides(void **state)
{
    static const struct sq_compare_figure setup = {.id = SQ_METRIC_SETUP_TOTAL};
    static const struct sq_compare_options options[] = {
        {.threshold_percent = NAN},
        {.threshold_percent = NAN, .all = true},
        {.threshold_percent = NAN, .figures = &setup, .figures_count = 1},
        {.threshold_percent = 50},
    };
    (void)state;
    sq_rand_seed(&rand_state, 43);
    struct side before = make_side("before", 4);
    struct side after = make_side("after", 4);
    struct side other = make_side("other", 7);
    slow_down(&after, 28);
    slow_down(&other, 3);
    set_metric(other.runs[0], SQ_METRIC_DATA_IN_LATENCY, 5); /* none but this side has it */
    const struct side *const sides[] = {&before, &after, &other};
    for (size_t i = 0; i < sizeof(options) / sizeof(*options); i++) {
        for (size_t n = 2; n <= 3; n++) {
            struct sq_compare *c = compare(sides, n, &options[i]);
            assert_int_equal(setup_of(c)->call, SQ_CALL_WORSE);
            assert_true(fabs(setup_of(c)->p_adjusted - 2.0 / 70) < 1e-9);
            assert_int_equal(c->exit_code, 1);
            sq_compare_free(c);
        }
    }
    struct sq_compare *two = compare(sides, 2, &options[0]);
    struct sq_compare *three = compare(sides, 3, &options[0]);
    assert_int_equal(two->pairs[0].rows_count, three->pairs[0].rows_count);
    for (size_t i = 0; i < two->pairs[0].rows_count; i++) {
        const struct sq_compare_row *a = &two->pairs[0].rows[i], *b = &three->pairs[0].rows[i];
        assert_string_equal(a->name, b->name);
        assert_int_equal(a->call, b->call);
        assert_true(a->p_adjusted == b->p_adjusted || (isnan(a->p) && isnan(b->p)));
    }
    sq_compare_free(two);
    sq_compare_free(three);
    free_side(&before);
    free_side(&after);
    free_side(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_same_service_is_not_worse),
        cmocka_unit_test(a_slower_service_is_worse),
        cmocka_unit_test(nothing_else_decides),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
