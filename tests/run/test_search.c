/* The search for the largest load that holds, against services whose limit is known. */
#include "base/rand.h"
#include "run/search.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static const struct sq_search_config usual = {
    .from = 10, .most = 100000, .growth = 2, .resolution = 0.05, .confirms = 1};

/* Holds up to `limit`; the generator up to `own`. Returns how many trials it took. */
static size_t search(struct sq_search *s, const struct sq_search_config *config, uint64_t limit,
                     uint64_t own)
{
    uint64_t level;
    sq_search_init(s, config);
    while (sq_search_next(s, &level)) {
        assert_true(level >= 1 && level <= config->most);
        sq_search_tell(s, level > own     ? SQ_TRIAL_INVALID
                          : level > limit ? SQ_TRIAL_FAILED
                                          : SQ_TRIAL_HELD);
        assert_true(s->trials_len < 60);
    }
    return s->trials_len;
}

static void finds_the_limit_of_a_service(void **state)
{
    (void)state;
    for (uint64_t limit = 1; limit < 90000; limit += 1 + limit / 7) {
        struct sq_search s;
        size_t trials = search(&s, &usual, limit, UINT64_MAX);
        assert_true(sq_search_is_confirmed(&s));
        assert_true(s.held <= limit && s.failed > limit);
        assert_true(s.failed - s.held <= 1 || (double)(s.failed - s.held) <= 0.05 * (double)s.held);
        assert_int_equal(s.invalid, UINT64_MAX);
        assert_true(trials <= 25);
        /* The last trial is the one that confirms. */
        assert_true(s.trials[trials - 1].confirms && s.trials[trials - 1].level == s.held);
    }
}

static void nothing_holds(void **state)
{
    (void)state;
    struct sq_search s;
    search(&s, &usual, 0, UINT64_MAX);
    assert_false(sq_search_is_confirmed(&s));
    assert_int_equal(s.held, 0);
    assert_int_equal(s.failed, 1); /* one peer is too many */
}

static void all_that_may_be_tried_holds(void **state)
{
    (void)state;
    struct sq_search s;
    struct sq_search_config config = usual;
    config.most = 300;
    search(&s, &config, 5000, UINT64_MAX);
    assert_true(sq_search_is_confirmed(&s));
    assert_int_equal(s.held, 300);
    assert_int_equal(s.failed, UINT64_MAX);
}

/* The generator's own limit is no failure of the service, and the search does not go beyond it. */
static void the_generator_ends_first(void **state)
{
    (void)state;
    struct sq_search s;
    search(&s, &usual, 100000, 700);
    assert_true(sq_search_is_confirmed(&s));
    assert_int_equal(s.failed, UINT64_MAX);
    assert_true(s.held <= 700 && s.invalid > 700 && (double)s.held > 700 / 1.06);
    search(&s, &usual, 400, 700); /* and where it does not, it has no say */
    assert_true(s.held <= 400 && s.failed > 400 && s.failed < s.held * 1.06 + 1);
    search(&s, &usual, 100000, 0);
    assert_false(sq_search_is_confirmed(&s));
    assert_int_equal(s.invalid, 1);
}

/* A level that held by luck and does not hold again: the search goes back below it. */
static void backs_off_from_what_does_not_hold_again(void **state)
{
    (void)state;
    struct sq_search s;
    uint64_t level;
    const uint64_t limit = 500;
    uint64_t lucky = 0;
    sq_search_init(&s, &usual);
    while (sq_search_next(&s, &level)) {
        bool luck = lucky == 0 && level > limit && level < 1.2 * (double)limit;
        lucky = luck ? level : lucky;
        sq_search_tell(&s, luck || level <= limit ? SQ_TRIAL_HELD : SQ_TRIAL_FAILED);
        assert_true(s.trials_len < 60);
    }
    assert_true(lucky > limit);
    assert_true(sq_search_is_confirmed(&s));
    assert_true(s.held <= limit && (double)s.held > limit / 1.06);
    assert_true(s.failed > limit && s.failed <= lucky);
}

/* Nobody is alone in a call: one peer is not tried, and says nothing. */
static void nothing_below_the_least_is_tried(void **state)
{
    (void)state;
    struct sq_search s;
    struct sq_search_config config = usual;
    uint64_t level;
    config.least = 2;
    sq_search_init(&s, &config);
    while (sq_search_next(&s, &level)) {
        assert_true(level >= 2);
        sq_search_tell(&s, SQ_TRIAL_FAILED);
    }
    assert_int_equal(s.held, 0);
    assert_int_equal(s.failed, 2);
    assert_int_equal(sq_search_tried(&s, 2), 1);
}

static void counts_how_often_a_level_was_tried(void **state)
{
    (void)state;
    struct sq_search s;
    struct sq_search_config config = usual;
    config.confirms = 2;
    search(&s, &config, 13, UINT64_MAX);
    assert_int_equal(sq_search_tried(&s, 13), 3);
    assert_int_equal(sq_search_count(&s, 13, SQ_TRIAL_HELD), 3);
    assert_int_equal(sq_search_count(&s, 13, SQ_TRIAL_FAILED), 0);
    assert_int_equal(sq_search_count(&s, 14, SQ_TRIAL_FAILED), 1);
    assert_int_equal(sq_search_tried(&s, 1000), 0);
}

/* The generator was disturbed for a moment: the level is tried again, and the number is found. */
static void a_disturbed_generator_is_tried_again(void **state)
{
    (void)state;
    struct sq_search s;
    struct sq_search_config config = usual;
    uint64_t level;
    config.invalid_again = 1;
    sq_search_init(&s, &config);
    for (size_t i = 0; sq_search_next(&s, &level); i++) {
        bool disturbed = i % 4 == 1; /* also while it confirms */
        sq_search_tell(&s, disturbed     ? SQ_TRIAL_INVALID
                           : level > 100 ? SQ_TRIAL_FAILED
                                         : SQ_TRIAL_HELD);
        assert_true(s.trials_len < 60);
    }
    assert_true(sq_search_is_confirmed(&s));
    assert_true(s.held <= 100 && s.held >= 95 && s.failed > 100);
    assert_int_equal(s.invalid, UINT64_MAX);
    /* One that is at its limit each time is believed. */
    search(&s, &config, 100000, 700);
    assert_true(sq_search_is_confirmed(&s) && s.held <= 700 && s.invalid > 700);
    assert_int_equal(sq_search_count(&s, s.invalid, SQ_TRIAL_INVALID), 2);
}

/* A service that fails more often the nearer it is to its limit: searches of it agree. */
static void noisy_services_are_found_again(void **state)
{
    (void)state;
    double least = INFINITY;
    double most = 0;
    for (uint64_t seed = 0; seed < 200; seed++) {
        struct sq_search s;
        struct sq_rand rand;
        uint64_t level;
        sq_rand_seed(&rand, seed);
        sq_search_init(&s, &usual);
        while (sq_search_next(&s, &level)) {
            /* Half of the trials at 800 fail, one of a hundred at 760 and 99 at 840. */
            double fails = 1 / (1 + exp(-((double)level - 800) / 8.7));
            sq_search_tell(&s, sq_rand_unit(&rand) < fails ? SQ_TRIAL_FAILED : SQ_TRIAL_HELD);
            assert_true(s.trials_len < 60);
        }
        assert_true(sq_search_is_confirmed(&s));
        least = fmin(least, (double)s.held);
        most = fmax(most, (double)s.held);
    }
    assert_true(least > 700 && most < 840);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_the_limit_of_a_service),
        cmocka_unit_test(nothing_holds),
        cmocka_unit_test(all_that_may_be_tried_holds),
        cmocka_unit_test(the_generator_ends_first),
        cmocka_unit_test(backs_off_from_what_does_not_hold_again),
        cmocka_unit_test(nothing_below_the_least_is_tried),
        cmocka_unit_test(counts_how_often_a_level_was_tried),
        cmocka_unit_test(a_disturbed_generator_is_tried_again),
        cmocka_unit_test(noisy_services_are_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
