/* The search for the largest load that holds, against services whose limit is known. */
#include "base/rand.h"
#include "run/search.h"
#include "stats/rank.h"
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

/* As the command searches. */
static const struct sq_search_config again = {.from = 10,
                                              .most = 100000,
                                              .growth = 2,
                                              .resolution = 0.05,
                                              .confirms = 1,
                                              .fail_again = 2,
                                              .invalid_again = 1};

/* One hiccup at a low level, each where it hurts in turn: the number is found all the same. */
static void a_hiccup_is_no_limit(void **state)
{
    (void)state;
    for (size_t hiccup = 0; hiccup < 12; hiccup++) {
        struct sq_search s;
        uint64_t level;
        sq_search_init(&s, &again);
        for (size_t i = 0; sq_search_next(&s, &level); i++) {
            sq_search_tell(&s, i == hiccup || level > 100 ? SQ_TRIAL_FAILED : SQ_TRIAL_HELD);
            assert_true(s.trials_len <= 30);
        }
        assert_true(sq_search_is_confirmed(&s));
        assert_true(s.held >= 95 && s.held <= 100 && s.failed > 100);
        assert_true(sq_search_count(&s, s.failed, SQ_TRIAL_FAILED) >= 3);
        assert_true(sq_search_count(&s, s.held, SQ_TRIAL_HELD) >= 2);
    }
}

/* A limit that does not waver costs two trials more than one that is believed at once. */
static void a_clear_limit_costs_two_trials_more(void **state)
{
    (void)state;
    for (uint64_t limit = 1; limit < 90000; limit += 1 + limit / 7) {
        struct sq_search once, thrice;
        search(&once, &usual, limit, UINT64_MAX);
        search(&thrice, &again, limit, UINT64_MAX);
        assert_int_equal(thrice.held, once.held);
        assert_int_equal(thrice.failed, once.failed);
        assert_int_equal(thrice.trials_len, once.trials_len + 2);
    }
}

/* Invalid trials are none of the service's: what held, was invalid and held, held twice of two. */
static void invalid_trials_are_counted_apart(void **state)
{
    (void)state;
    struct sq_search s;
    uint64_t level;
    bool disturbed = false;
    sq_search_init(&s, &again);
    while (sq_search_next(&s, &level)) {
        bool now = !disturbed && sq_search_confirms(&s) && level == 13;
        disturbed = disturbed || now;
        sq_search_tell(&s, now ? SQ_TRIAL_INVALID : level > 13 ? SQ_TRIAL_FAILED : SQ_TRIAL_HELD);
    }
    assert_true(disturbed && sq_search_is_confirmed(&s));
    assert_int_equal(s.held, 13);
    assert_int_equal(sq_search_tried(&s, 13), 2);
    assert_int_equal(sq_search_count(&s, 13, SQ_TRIAL_HELD), 2);
    assert_int_equal(sq_search_count(&s, 13, SQ_TRIAL_INVALID), 1);
}

/* 1,000 searches of a service at which `noise` of the trials fail by chance wherever they are, and
 * half of the rest at 800: how many of the answers are within 5 % of their median (so that any two
 * of them are within 10 %), and how many trials it took on average. */
static unsigned agree(const struct sq_search_config *config, double noise, double *ret_trials)
{
    static double held[1000];
    unsigned within = 0;
    *ret_trials = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        struct sq_search s;
        struct sq_rand rand;
        uint64_t level;
        sq_rand_seed(&rand, seed);
        sq_search_init(&s, config);
        while (sq_search_next(&s, &level)) {
            double limit = 1 / (1 + exp(-((double)level - 800) / 8.7));
            bool fails = sq_rand_unit(&rand) < noise + (1 - noise) * limit;
            sq_search_tell(&s, fails ? SQ_TRIAL_FAILED : SQ_TRIAL_HELD);
        }
        held[seed] = (double)s.held;
        *ret_trials += (double)s.trials_len / 1000;
    }
    double middle = sq_rank_median(held, 1000);
    for (size_t i = 0; i < 1000; i++) {
        within += fabs(held[i] - middle) <= 0.05 * middle;
    }
    return within;
}

/* docs/capacity.md has these figures. */
static void noise_does_not_move_the_answer(void **state)
{
    (void)state;
    static const double noises[] = {0, 0.02, 0.1};
    static const unsigned least[] = {1000, 998, 980}; /* of 1,000 */
    for (size_t i = 0; i < 3; i++) {
        double before, after;
        unsigned once = agree(&usual, noises[i], &before);
        unsigned thrice = agree(&again, noises[i], &after);
        print_message("noise %g: within 10 %%: %u of 1000 in %.1f trials; failing again: %u in "
                      "%.1f\n",
                      noises[i], once, before, thrice, after);
        assert_true(thrice >= least[i] && thrice > once);
        assert_true(after < 28);
    }
}

struct edge {
    double softness;   /* half of the trials fail at the limit, one of a hundred so far below it */
    double drift;      /* by so much the limit lies lower in the last of three searches */
    double resolution; /* of the search */
    unsigned least, most; /* of 1,000 threes agree */
};

/* Of 1,000 threes of searches, of services that hold 170 to 199: how many threes are within 10 % of
 * their median. */
static unsigned threes_agree(const struct edge *edge, double *ret_trials)
{
    unsigned within = 0;
    struct sq_search_config config = again;
    config.from = 100;
    config.resolution = edge->resolution;
    *ret_trials = 0;
    for (uint64_t seed = 0; seed < 1000; seed++) {
        double held[3];
        for (size_t i = 0; i < 3; i++) {
            struct sq_search s;
            struct sq_rand rand;
            uint64_t level;
            double limit = (double)(170 + seed % 30) * (i == 2 ? 1 - edge->drift : 1);
            sq_rand_seed(&rand, 3 * seed + i);
            sq_search_init(&s, &config);
            while (sq_search_next(&s, &level)) {
                double off = ((double)level - limit) / (edge->softness * limit);
                double fails = 1 / (1 + exp(-off * log(99)));
                sq_search_tell(&s, sq_rand_unit(&rand) < fails ? SQ_TRIAL_FAILED : SQ_TRIAL_HELD);
            }
            held[i] = (double)s.held;
            *ret_trials += (double)s.trials_len / 3000;
        }
        double most = fmax(held[0], fmax(held[1], held[2]));
        double least = fmin(held[0], fmin(held[1], held[2]));
        within += most - least <= 0.1 * sq_rank_median(held, 3);
    }
    return within;
}

/* docs/capacity.md has these figures: chance at a soft edge moves the answer little; a service
 * whose machine is slower for a while moves it by as much, and the steps of the search come on top.
 */
static void a_soft_edge_is_found_again(void **state)
{
    (void)state;
    static const struct edge edges[] = {
        {0.05, 0, 0.05, 1000, 1000}, {0.1, 0, 0.05, 985, 1000},     {0.15, 0, 0.05, 950, 1000},
        {0.05, 0.07, 0.05, 0, 920},  {0.05, 0.07, 0.03, 950, 1000}, {0.05, 0.15, 0.03, 0, 50},
    };
    for (size_t i = 0; i < sizeof(edges) / sizeof(*edges); i++) {
        double trials;
        unsigned n = threes_agree(&edges[i], &trials);
        print_message(
            "soft by %g, lower by %g, resolution %g: %u of 1000 threes within 10 %%, %.1f "
            "trials\n",
            edges[i].softness, edges[i].drift, edges[i].resolution, n, trials);
        assert_true(n >= edges[i].least && n <= edges[i].most);
        assert_true(trials < 20);
    }
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
        cmocka_unit_test(a_hiccup_is_no_limit),
        cmocka_unit_test(a_clear_limit_costs_two_trials_more),
        cmocka_unit_test(invalid_trials_are_counted_apart),
        cmocka_unit_test(noise_does_not_move_the_answer),
        cmocka_unit_test(a_soft_edge_is_found_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
