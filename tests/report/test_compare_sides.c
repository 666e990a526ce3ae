/* More than two sides: each is compared with the first, by itself. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "report/compare.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define RUNS 6

static char why[SQ_STORE_WHY_MAX];

struct side {
    struct sq_stored_run *runs[RUNS];
};

static void set_metric(struct sq_stored_run *run, enum sq_metric_id id, double value)
{
    run->measured[id] = true;
    run->figures[id] =
        (struct sq_metric_figures){100, value, value, value, value, value, value, value};
}

/* Six runs that differ by 1 % from one to the next; round trips and jitter are so many times as
 * long, and loss is the same in all of them. */
static void make_side(struct side *side, char name, double rtt, double jitter)
{
    for (unsigned i = 0; i < RUNS; i++) {
        struct sq_stored_run *run = calloc(1, sizeof(*run));
        assert_non_null(run);
        run->dir = sq_strdup("made");
        assert_non_null(run->dir);
        snprintf(run->id, sizeof(run->id), "%c-%u", name, i);
        run->verdict = SQ_VERDICT_PASS;
        run->generator_ok = run->has_peers = true;
        run->lateness_p99_ms = run->lateness_max_ms = 1;
        run->counts = (struct sq_peer_counts){.planned = 9, .started = 9, .ok = 9};
        set_metric(run, SQ_METRIC_VIDEO_IN_RTT, (100 + i) * rtt);
        set_metric(run, SQ_METRIC_VIDEO_IN_JITTER, (100 + i) * jitter);
        set_metric(run, SQ_METRIC_VIDEO_IN_LOSS, 1);
        side->runs[i] = run;
    }
}

static void free_side(struct side *side)
{
    for (unsigned i = 0; i < RUNS; i++) {
        sq_store_close(side->runs[i]);
    }
}

static struct sq_compare *compare(const struct side *sides, size_t n)
{
    static const char *const names[] = {"old", "same", "slow", "slower"};
    const struct sq_compare_options usual = {.threshold_percent = NAN};
    struct sq_compare_input inputs[4];
    struct sq_compare *c = NULL;
    for (size_t i = 0; i < n; i++) {
        inputs[i] = (struct sq_compare_input){names[i], sides[i].runs, RUNS};
    }
    if (sq_compare_make(inputs, n, &usual, &c, why) != 0) {
        fail_msg("%s", why);
    }
    return c;
}

static enum sq_compare_call call_of(const struct sq_compare *c, size_t pair, const char *name)
{
    for (size_t i = 0; i < c->pairs[pair].rows_count; i++) {
        if (strcmp(c->pairs[pair].rows[i].name, name) == 0) {
            return c->pairs[pair].rows[i].call;
        }
    }
    fail_msg("there is no row %s", name);
    return SQ_CALL_ABSENT;
}

static void assert_tells(const struct sq_compare *c, const char *const *parts)
{
    struct sq_buf text = {0};
    sq_compare_text(c, &(struct sq_compare_text_options){0}, &text);
    assert_int_equal(text.err, 0);
    for (; *parts; parts++) {
        if (!strstr(text.text, *parts)) {
            fail_msg("no '%s' in:%s", *parts, text.text);
        }
    }
    sq_buf_free(&text);
}

static void the_third_side_is_worse(void **state)
{
    (void)state;
    struct side sides[3];
    make_side(&sides[0], 'a', 1, 1);
    make_side(&sides[1], 'b', 1, 1);
    make_side(&sides[2], 'c', 2, 1);
    struct sq_compare *c = compare(sides, 3);
    assert_int_equal(c->pairs_count, 2);
    assert_int_equal(c->pairs[0].side, 1);
    assert_int_equal(c->pairs[1].side, 2);
    assert_int_equal(c->pairs[0].worse + c->pairs[0].better, 0);
    assert_int_equal(c->pairs[1].worse, 1);
    assert_int_equal(call_of(c, 0, "video.in.rtt"), SQ_CALL_SAME);
    assert_int_equal(call_of(c, 1, "video.in.rtt"), SQ_CALL_WORSE);
    assert_int_equal(c->verdict, SQ_COMPARE_WORSE);
    assert_int_equal(c->exit_code, 1);
    /* Round trip and jitter, of two sides; loss is alike in all runs, and not tested. */
    static const char *const parts[] = {"slow is worse than old: 1 figure by more than noise",
                                        "the first video.in.rtt: +100 %  (exit code 1)",
                                        "old (6 runs) and same (6 runs)",
                                        "old (6 runs) and slow (6 runs)",
                                        "corrected for 2 figures of this side.",
                                        NULL};
    assert_tells(c, parts);
    sq_compare_free(c);
    for (size_t i = 0; i < 3; i++) {
        free_side(&sides[i]);
    }
}

/* What is told of a side is that side's: the figures of others are not among its number. */
static void two_sides_are_worse(void **state)
{
    (void)state;
    struct side sides[4];
    make_side(&sides[0], 'a', 1, 1);
    make_side(&sides[1], 'b', 1, 1);
    make_side(&sides[2], 'c', 2, 1);
    make_side(&sides[3], 'd', 2, 2);
    struct sq_compare *c = compare(sides, 4);
    assert_int_equal(c->pairs_count, 3);
    assert_int_equal(c->pairs[1].worse, 1);
    assert_int_equal(c->pairs[2].worse, 2);
    static const char *const parts[] = {"slow is worse than old: 1 figure by",
                                        "+100 %; so is 1 more", NULL};
    assert_tells(c, parts);
    sq_compare_free(c);
    c = compare(sides, 2);
    assert_int_equal(c->verdict, SQ_COMPARE_NOT_WORSE);
    assert_int_equal(c->exit_code, 0);
    static const char *const two[] = {"corrected for 2 figures.", NULL};
    assert_tells(c, two);
    sq_compare_free(c);
    for (size_t i = 0; i < 4; i++) {
        free_side(&sides[i]);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_third_side_is_worse),
        cmocka_unit_test(two_sides_are_worse),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
