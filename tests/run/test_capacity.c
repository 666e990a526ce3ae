/* A search for capacity: trials of a service whose limit is known, what they show, and what follows
 * of it in words and exit codes. */
#include "base/mem.h"
#include "run/capacity.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* A service that holds up to `limit`; a generator that does up to `own`. */
struct fake {
    struct sq_capacity *c;
    uint64_t limit, own, disturbed; /* the generator, at that level alone; 0: nowhere */
    size_t stop_at;                 /* trials; 0: never */
    size_t last_at;                 /* the same, and that one is kept */
    enum sq_capacity_end end;
    size_t dies_in;  /* the trial within which it dies: peers had connected; 0: never */
    size_t away_for; /* so many trials; 0: it never comes back */
    size_t trials;
};

static int fake_trial(void *ctx, struct sq_capacity_level *level)
{
    struct fake *f = ctx;
    if (f->stop_at > 0 && f->c->levels_len + 1 == f->stop_at) {
        f->c->end = f->end;
        return SQ_TRIAL_STOP;
    }
    level->rooms = level->grow == SQ_GROW_ROOMS ? level->level : 0;
    level->peers = level->grow == SQ_GROW_ROOMS ? level->level * 10 : level->level;
    level->outcome = level->level > f->own || level->level == f->disturbed ? SQ_TRIAL_INVALID
                     : level->level > f->limit                             ? SQ_TRIAL_FAILED
                                                                           : SQ_TRIAL_HELD;
    f->trials++;
    bool dead = f->dies_in > 0 && f->trials > f->dies_in &&
                (f->away_for == 0 || f->trials <= f->dies_in + f->away_for);
    level->connected = dead ? 0 : level->peers;
    if (dead || f->trials == f->dies_in) {
        level->outcome = SQ_TRIAL_FAILED;
    }
    if (f->last_at > 0 && f->trials == f->last_at) {
        f->c->end = f->end;
        return SQ_TRIAL_LAST;
    }
    return SQ_TRIAL_TOLD;
}

static const struct sq_search_config usual = {
    .from = 10, .most = 10000, .growth = 2, .resolution = 0.05, .confirms = 1};

static struct sq_capacity *searched(struct fake *f, enum sq_grow grow)
{
    f->c = sq_zalloc(sizeof(*f->c));
    assert_non_null(f->c);
    assert_int_equal(sq_capacity_search(f->c, grow, &usual, fake_trial, f), 0);
    sq_capacity_close(f->c);
    return f->c;
}

static void assert_answer(const struct sq_capacity *c, size_t search, const char *expected)
{
    struct sq_buf b = {0};
    sq_capacity_answer(c, search, &b);
    assert_string_equal(b.text, expected);
    sq_buf_free(&b);
}

static void says_what_holds_and_from_where_on_not(void **state)
{
    (void)state;
    struct fake f = {.limit = 13, .own = UINT64_MAX};
    struct sq_capacity *c = searched(&f, SQ_GROW_ROOM);
    assert_int_equal(c->exit_code, SQ_EXIT_HELD);
    assert_answer(c, 0,
                  "One room holds 13 peers (2 of 2 trials); it failed from 14 peers on (1 of 1 "
                  "trial).");
    assert_int_equal(sq_capacity_limit(c, 0)->level, 14);
    assert_int_equal(sq_capacity_held(c, 0)->level, 13);
    c->at_least = 14;
    sq_capacity_close(c);
    assert_int_equal(c->exit_code, SQ_EXIT_EXPECTATION);
    c->at_least = 13;
    sq_capacity_close(c);
    assert_int_equal(c->exit_code, SQ_EXIT_HELD);
    sq_free(c);
}

static void rooms_are_told_with_their_users(void **state)
{
    (void)state;
    struct fake f = {.limit = 15, .own = UINT64_MAX};
    struct sq_capacity *c = searched(&f, SQ_GROW_ROOMS);
    assert_answer(c, 0,
                  "The service holds 15 rooms, 150 peers (2 of 2 trials); it failed from 16 rooms, "
                  "160 peers on (1 of 1 trial).");
    c->at_least = 150; /* peers, and not rooms */
    sq_capacity_close(c);
    assert_int_equal(c->exit_code, SQ_EXIT_HELD);
    sq_free(c);
}

/* First one room, then many: both answers, and the exit code is of the second. */
static void two_searches_in_a_row(void **state)
{
    (void)state;
    struct fake f = {.limit = 20, .own = UINT64_MAX};
    struct sq_capacity *c = searched(&f, SQ_GROW_ROOM);
    f.limit = 12;
    assert_int_equal(sq_capacity_search(c, SQ_GROW_ROOMS, &usual, fake_trial, &f), 0);
    sq_capacity_close(c);
    assert_int_equal(sq_capacity_held(c, 0)->peers, 20);
    assert_int_equal(sq_capacity_held(c, 1)->peers, 120);
    assert_int_equal(sq_capacity_limit(c, 1)->rooms, 13);
    assert_int_equal(sq_capacity_search(c, SQ_GROW_PEERS, &usual, fake_trial, &f), SQ_ERR_INVALID);
    sq_free(c);
}

/* Its own limit is told as that, and is no number of the service's. */
static void the_generators_limit_is_told_as_its_own(void **state)
{
    (void)state;
    struct fake f = {.limit = UINT64_MAX - 1, .own = 40};
    struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
    assert_int_equal(c->exit_code, SQ_EXIT_INVALID);
    assert_answer(c, 0,
                  "The service holds 40 peers (2 of 2 trials); from 42 peers on Squall itself was "
                  "at its limit, so what the service can do beyond is not known.");
    assert_int_equal(sq_capacity_limit(c, 0)->outcome, SQ_TRIAL_INVALID);
    c->at_least = 40; /* enough was asked for, however much more there may be */
    sq_capacity_close(c);
    assert_int_equal(c->exit_code, SQ_EXIT_HELD);
    c->at_least = 41; /* it may well hold more: nobody knows */
    sq_capacity_close(c);
    assert_int_equal(c->exit_code, SQ_EXIT_INVALID);
    sq_free(c);
}

/* Something is known beyond the level at which it was disturbed: the service failed there. */
static void a_failure_beyond_its_own_limit_is_told(void **state)
{
    (void)state;
    struct fake f = {.limit = 13, .own = UINT64_MAX, .disturbed = 14};
    struct sq_capacity *c = searched(&f, SQ_GROW_ROOM);
    assert_int_equal(c->exit_code, SQ_EXIT_HELD);
    assert_answer(c, 0,
                  "One room holds 13 peers (2 of 2 trials); it failed from 15 peers on (1 of 1 "
                  "trial); between them, at 14 peers, Squall itself was at its limit.");
    assert_int_equal(sq_capacity_limit(c, 0)->outcome, SQ_TRIAL_FAILED);
    sq_free(c);
    f = (struct fake){.limit = 0, .own = UINT64_MAX, .disturbed = 1};
    c = searched(&f, SQ_GROW_ROOM); /* nothing is known to hold, and that is Squall's doing */
    assert_int_equal(c->exit_code, SQ_EXIT_INVALID);
    sq_free(c);
}

static void nothing_holds(void **state)
{
    (void)state;
    struct fake f = {.limit = 0, .own = UINT64_MAX};
    struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
    assert_int_equal(c->exit_code, SQ_EXIT_EXPECTATION);
    assert_answer(c, 0, "No level held; it failed from 1 peer on (1 of 1 trial).");
    assert_null(sq_capacity_held(c, 0));
    sq_free(c);
}

static void a_search_that_is_ended_tells_what_it_has(void **state)
{
    (void)state;
    static const struct {
        enum sq_capacity_end end;
        int code;
        const char *answer;
    } cases[] = {
        {SQ_CAPACITY_TIME, SQ_EXIT_HELD,
         "So far: the service held 20 peers (1 of 1 trial); it failed from 40 peers on (1 of 1 "
         "trial). The search did not end: time ran out (--time-limit)."},
        {SQ_CAPACITY_INTERRUPTED, SQ_EXIT_INTERRUPTED,
         "So far: the service held 20 peers (1 of 1 trial); it failed from 40 peers on (1 of 1 "
         "trial). The search did not end: interrupted."},
        {SQ_CAPACITY_GONE, SQ_EXIT_EXPECTATION,
         "So far: the service held 20 peers (1 of 1 trial); it failed from 40 peers on (1 of 1 "
         "trial). The server's process is gone: it ended at or after the trial of 40 peers."},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct fake f = {.limit = 30, .own = UINT64_MAX, .stop_at = 4, .end = cases[i].end};
        struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
        assert_int_equal(c->levels_len, 3); /* the one that was cut does not count */
        assert_int_equal(c->exit_code, cases[i].code);
        assert_answer(c, 0, cases[i].answer);
        sq_free(c);
    }
    struct fake f = {.limit = 30, .own = UINT64_MAX, .stop_at = 1, .end = SQ_CAPACITY_UNREACHED};
    struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
    assert_int_equal(c->exit_code, SQ_EXIT_UNREACHED);
    assert_answer(
        c, 0,
        "No level was tried to its end; its limit was not met. The search did not end: no "
        "peer connected.");
    sq_free(c);
}

static void add_peer(struct sq_result *r, const char *role, const char *network, const char *room,
                     bool ok);

/* Nobody connects any more, nor where peers did before: that is no limit, it is a death. */
static void a_service_that_died_is_told(void **state)
{
    (void)state;
    struct fake f = {.limit = 100, .own = UINT64_MAX, .dies_in = 3};
    struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
    assert_int_equal(c->end, SQ_CAPACITY_DIED);
    assert_int_equal(c->exit_code, SQ_EXIT_EXPECTATION);
    /* 10 and 20 held, it died at 40; 30 met nobody, and 10 neither. */
    assert_int_equal(c->levels_len, 5);
    assert_int_equal(c->levels[4].level, 10);
    assert_true(c->levels[4].probes);
    assert_int_equal(sq_capacity_held(c, 0)->level, 20); /* what is known is kept */
    assert_int_equal(sq_capacity_died_at(c)->level, 40);
    c->died_s = 9;
    assert_answer(c, 0,
                  "So far: the service held 20 peers (1 of 1 trial); its limit was not met. The "
                  "service died: nobody could connect any more after the trial of 40 peers, "
                  "noticed 9 s after the search began.");
    assert_null(sq_capacity_limit(c, 0)); /* so nothing "broke first", and nothing is a limit */
    sq_free(c);
    /* Within the least level: the next one is the same, and so is the last. */
    f = (struct fake){.limit = 100, .own = UINT64_MAX, .dies_in = 1};
    struct sq_search_config config = usual;
    config.from = config.least = 2;
    config.fail_again = 2;
    f.c = c = sq_zalloc(sizeof(*c));
    assert_non_null(c);
    assert_int_equal(sq_capacity_search(c, SQ_GROW_PEERS, &config, fake_trial, &f), 0);
    assert_int_equal(c->end, SQ_CAPACITY_DIED);
    assert_int_equal(c->levels_len, 3);
    assert_answer(c, 0,
                  "No level was tried to its end; its limit was not met. The service died: nobody "
                  "could connect any more after the trial of 2 peers.");
    sq_free(c);
}

/* The process ended within a trial, which failed by that. */
static void a_trial_in_which_the_process_ended_is_no_limit(void **state)
{
    (void)state;
    struct fake f = {.limit = 30, .own = UINT64_MAX, .last_at = 3, .end = SQ_CAPACITY_GONE};
    struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
    assert_int_equal(c->levels[2].outcome, SQ_TRIAL_FAILED);
    assert_null(sq_capacity_limit(c, 0));
    assert_answer(c, 0,
                  "So far: the service held 20 peers (1 of 1 trial); its limit was not met. The "
                  "server's process is gone: it ended at or after the trial of 40 peers.");
    sq_free(c);
}

#define OTHERS_PERCENT 197.0 /* of a core, while trials that count failed */

/* A room that lets three in: a fourth is told that it is full, or gets no answer to its checks
 * (`quiet`). Where the service dies all are cut off, and others have stopped. */
struct room_of_three {
    struct fake fake;
    bool quiet;
};

static int trial_of_room(void *ctx, struct sq_capacity_level *level)
{
    struct room_of_three *r = ctx;
    int told = fake_trial(&r->fake, level);
    size_t died_in = r->fake.dies_in ? r->fake.dies_in : r->fake.last_at;
    bool cut_off = died_in > 0 && r->fake.trials >= died_in;
    bool failed = level->outcome == SQ_TRIAL_FAILED;
    enum sq_failure cause = r->quiet && !cut_off ? SQ_FAILURE_ICE : SQ_FAILURE_SIGNALING;
    level->counts.started = level->peers;
    level->counts.failed = !failed ? 0 : cut_off ? level->peers : 1;
    level->counts.ok = level->peers - level->counts.failed;
    level->failures[cause] = level->counts.failed;
    level->others_percent = cut_off ? 0 : OTHERS_PERCENT;
    if (failed) {
        struct sq_capacity_broke *b = &level->broke[level->broke_len++];
        SQ_RESULT_SET(b->expr, "peers.ok == 100%");
        b->value = cut_off ? 0 : 75;
        SQ_RESULT_SET(level->example, cut_off    ? "the other side closed the connection"
                                      : r->quiet ? "no pair worked"
                                                 : "the server says \"full\"");
    }
    return told;
}

static struct sq_capacity *searched_room(struct room_of_three *r)
{
    struct sq_search_config config = usual;
    config.from = config.least = 2;
    config.fail_again = 2;
    r->fake.limit = 3;
    r->fake.own = UINT64_MAX;
    r->fake.c = sq_zalloc(sizeof(*r->fake.c));
    assert_non_null(r->fake.c);
    assert_int_equal(sq_capacity_search(r->fake.c, SQ_GROW_ROOM, &config, trial_of_room, r), 0);
    sq_capacity_note_others(r->fake.c);
    return r->fake.c;
}

static void assert_limit(const struct sq_capacity *c, size_t trial, const char *expected_why)
{
    struct sq_buf why = {0};
    const struct sq_capacity_level *limit = sq_capacity_limit(c, 0);
    assert_ptr_equal(limit, &c->levels[trial]);
    assert_true(limit->counted);
    assert_float_equal(limit->broke[0].value, 75, 0);
    sq_capacity_why(limit, &why);
    assert_string_equal(why.text, expected_why);
    sq_buf_free(&why);
}

/* Two trials of four peers failed and count; it died in a third one, and what that showed is of the
 * death. */
static void a_limit_is_explained_by_a_trial_that_counts(void **state)
{
    (void)state;
    struct room_of_three r = {.fake = {.dies_in = 5}};
    struct sq_capacity *c = searched_room(&r);
    assert_int_equal(c->end, SQ_CAPACITY_DIED);
    /* 2 held, 4 failed, 3 held, 4 failed and was cut off; 3 met nobody, and 2 neither. */
    assert_int_equal(c->levels_len, 7);
    assert_int_equal(c->levels[4].level, 4);
    assert_false(c->levels[4].counted || c->levels[5].counted || c->levels[6].counted);
    assert_answer(c, 0,
                  "So far: one room held 3 peers (1 of 1 trial); it failed from 4 peers on (2 of 2 "
                  "trials). The service died: nobody could connect any more after the trial of 4 "
                  "peers.");
    assert_limit(c, 3, "signaling: 1 of 4 peers (the server says \"full\")");
    assert_int_equal(c->notes_len, 0); /* it was told no: no other program's doing */
    sq_free(c);
    /* Dead when the next trial of four began: nobody knows whether the last one was whole. */
    r = (struct room_of_three){.fake = {.dies_in = 4}};
    c = searched_room(&r);
    assert_int_equal(c->end, SQ_CAPACITY_DIED);
    assert_int_equal(c->levels[4].level, 4);
    assert_limit(c, 1, "signaling: 1 of 4 peers (the server says \"full\")");
    sq_free(c);
    /* Its process ended within the third. */
    r = (struct room_of_three){.fake = {.last_at = 5, .end = SQ_CAPACITY_GONE}, .quiet = true};
    c = searched_room(&r);
    assert_int_equal(c->levels_len, 5);
    assert_limit(c, 3, "ice: 1 of 4 peers (no pair worked)");
    assert_int_equal(c->notes_len, 1); /* of that trial as well */
    assert_string_equal(c->notes[0],
                        "While 4 peers failed, other programs used 197 % of a core on the server's "
                        "cores: on a quiet machine the number may be higher.");
    sq_free(c);
}

/* The user's own choice of a network stands in the answer; a server's no is its own. */
static void the_network_of_those_that_failed_is_told(void **state)
{
    (void)state;
    struct fake f = {.limit = 0, .own = UINT64_MAX};
    struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
    for (size_t i = 0; i < c->levels_len; i++) {
        SQ_RESULT_SET(c->levels[i].network, "its peers were in network 50packet, which lost a lot");
    }
    assert_answer(c, 0,
                  "No level held; it failed from 1 peer on (1 of 1 trial), where its peers were in "
                  "network 50packet, which lost a lot.");
    sq_free(c);
    struct sq_capacity_level level = {.counts = {.started = 4, .failed = 2}};
    level.failures[SQ_FAILURE_ICE] = 2;
    assert_false(sq_capacity_is_refused(&level));
    level.failures[SQ_FAILURE_ICE] = 0;
    level.failures[SQ_FAILURE_SIGNALING] = 2;
    assert_true(sq_capacity_is_refused(&level));
    level.counts.pending = 1;
    assert_false(sq_capacity_is_refused(&level));
}

/* It was away for a moment, or lets none of so many in: the search goes on. */
static void a_service_that_is_there_again_is_searched_on(void **state)
{
    (void)state;
    struct fake f = {.limit = 100, .own = UINT64_MAX, .dies_in = 3, .away_for = 1};
    struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
    assert_int_equal(c->end, SQ_CAPACITY_FOUND);
    assert_true(c->levels[4].probes && c->levels[4].outcome == SQ_TRIAL_HELD);
    assert_false(c->levels[5].probes);
    assert_non_null(sq_capacity_held(c, 0));
    assert_int_equal(c->exit_code, SQ_EXIT_HELD);
    sq_free(c);
}

static void the_servers_process_that_ended_is_told(void **state)
{
    (void)state;
    struct fake f = {.limit = 100, .own = UINT64_MAX, .stop_at = 4, .end = SQ_CAPACITY_GONE};
    struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
    c->died_s = 12;
    assert_answer(c, 0,
                  "So far: the service held 40 peers (1 of 1 trial); its limit was not met. The "
                  "server's process is gone: it ended at or after the trial of 40 peers, noticed "
                  "12 s after the search began.");
    sq_free(c);
}

/* What is expected is not measured here: that is the search's mistake, and no failure. */
static void what_has_no_sample_is_not_the_services(void **state)
{
    (void)state;
    for (size_t i = 0; i < 2; i++) {
        struct sq_result *r = NULL;
        struct sq_expect *e = NULL;
        struct sq_capacity_level level = {.grow = SQ_GROW_PEERS};
        bool all_came = i == 0;
        assert_int_equal(sq_result_create(&r), 0);
        add_peer(r, "participant", "", "squall", true);
        add_peer(r, "participant", "", "squall", all_came);
        assert_int_equal(sq_expect_parse("video.in.fps > 20", &e, NULL), 0);
        sq_result_tally(r);
        assert_int_equal(sq_expect_judge(&e, 1, r), 0);
        assert_int_equal(sq_capacity_read(&level, &e, 1, r), 0);
        assert_int_equal(level.connected, all_came ? 2 : 1);
        assert_int_equal(level.no_sample, all_came);
        if (all_came) {
            assert_int_equal(level.outcome, SQ_TRIAL_INVALID);
            assert_non_null(strstr(level.reason, "video.in.fps > 20: no sample"));
        }
        sq_expect_destroy(e);
        sq_result_destroy(r);
    }
    struct fake f = {.limit = 100, .own = UINT64_MAX, .stop_at = 1, .end = SQ_CAPACITY_NO_SAMPLE};
    struct sq_capacity *c = searched(&f, SQ_GROW_PEERS);
    assert_int_equal(c->exit_code, SQ_EXIT_USAGE);
    sq_free(c);
}

static int disturbed_once(void *ctx, struct sq_capacity_level *level)
{
    int told = fake_trial(ctx, level);
    struct fake *f = ctx;
    if (level->confirms && f->disturbed == 0) {
        f->disturbed = 1;
        level->outcome = SQ_TRIAL_INVALID;
    }
    return told;
}

/* Held, invalid, held: that is twice of two. */
static void invalid_trials_are_not_among_those_that_count(void **state)
{
    (void)state;
    struct fake f = {.limit = 13, .own = UINT64_MAX};
    struct sq_search_config config = usual;
    config.invalid_again = 1;
    f.c = sq_zalloc(sizeof(*f.c));
    assert_non_null(f.c);
    assert_int_equal(sq_capacity_search(f.c, SQ_GROW_ROOM, &config, disturbed_once, &f), 0);
    assert_answer(
        f.c, 0,
        "One room holds 13 peers (2 of 2 trials; 1 more at Squall's own limit); it failed "
        "from 14 peers on (1 of 1 trial).");
    sq_free(f.c);
}

static void an_error_of_a_trial_ends_the_search(void **state)
{
    (void)state;
    struct fake f = {.limit = 30, .own = UINT64_MAX};
    f.c = sq_zalloc(sizeof(*f.c));
    assert_non_null(f.c);
    f.c->searches_len = SQ_CAPACITY_SEARCHES;
    assert_int_equal(sq_capacity_search(f.c, SQ_GROW_PEERS, &usual, fake_trial, &f),
                     SQ_ERR_INVALID);
    sq_free(f.c);
}

/* ---- What a level's result shows ---- */

static void add_peer(struct sq_result *r, const char *role, const char *network, const char *room,
                     bool ok)
{
    struct sq_peer_row *p = sq_result_add_peer(r);
    assert_non_null(p);
    snprintf(p->id, sizeof(p->id), "squall-%zu", r->peer_count - 1);
    SQ_RESULT_SET(p->role, role);
    SQ_RESULT_SET(p->network, network);
    SQ_RESULT_SET(p->room, room);
    p->outcome = ok ? SQ_OUTCOME_OK : SQ_OUTCOME_FAILED;
    p->cause = ok ? SQ_FAILURE_NONE : SQ_FAILURE_ICE;
    p->connected = p->reached = ok;
    SQ_RESULT_SET(p->message, ok ? "" : "no pair worked");
}

static void names_what_broke_for_whom_and_why(void **state)
{
    (void)state;
    struct sq_result *r = NULL;
    struct sq_expect *e[2] = {NULL, NULL};
    struct sq_capacity_level level = {.grow = SQ_GROW_ROOMS};
    struct sq_buf why = {0};
    assert_int_equal(sq_result_create(&r), 0);
    for (size_t i = 0; i < 12; i++) {
        char room[16];
        snprintf(room, sizeof(room), "room-%zu", i / 4);
        /* One in four publishes; two viewers of the last room, in a bad network, fail. */
        add_peer(r, i % 4 == 0 ? "publisher" : "viewer", i >= 10 ? "Poor 4G" : "", room, i < 10);
    }
    assert_int_equal(sq_expect_parse("peers.ok == 100%", &e[0], NULL), 0);
    assert_int_equal(sq_expect_parse("peers.failed < 3", &e[1], NULL), 0);
    r->counts.planned = 12;
    sq_result_tally(r);
    assert_int_equal(sq_expect_judge(e, 2, r), 0);
    assert_int_equal(sq_capacity_read(&level, e, 2, r), 0);
    assert_int_equal(level.outcome, SQ_TRIAL_FAILED);
    assert_string_equal(level.network,
                        "2 of its 12 peers were in network Poor 4G, which lost nothing");
    assert_int_equal(level.broke_len, 1);
    assert_string_equal(level.broke[0].expr, "peers.ok == 100%");
    assert_true(fabs(level.broke[0].value - 100.0 * 10 / 12) < 0.01);
    /* 7 of 9 viewers, no peer of that network, half of that room. */
    assert_string_equal(level.broke[0].who,
                        "role viewer (77.8 %), 1 of 2 roles; network Poor 4G (0 %), 1 of 2 "
                        "networks; room room-2 (50 %), 1 of 3 rooms");
    sq_capacity_why(&level, &why);
    assert_string_equal(why.text, "ice: 2 of 12 peers (no pair worked)");
    sq_buf_free(&why);
    sq_expect_destroy(e[0]);
    sq_expect_destroy(e[1]);
    sq_result_destroy(r);
}

static void outcomes_follow_the_verdict(void **state)
{
    (void)state;
    static const struct {
        bool generator_ok, peer_ok;
        enum sq_trial_outcome outcome;
    } cases[] = {{true, true, SQ_TRIAL_HELD},
                 {true, false, SQ_TRIAL_FAILED},
                 {false, true, SQ_TRIAL_INVALID}};
    for (size_t i = 0; i < 3; i++) {
        struct sq_result *r = NULL;
        struct sq_expect *e = NULL;
        struct sq_capacity_level level = {.grow = SQ_GROW_PEERS};
        assert_int_equal(sq_result_create(&r), 0);
        add_peer(r, "participant", "", "squall", true);
        add_peer(r, "participant", "", "squall", cases[i].peer_ok);
        r->generator.ok = cases[i].generator_ok;
        assert_int_equal(sq_expect_parse("peers.ok == 100%", &e, NULL), 0);
        sq_result_tally(r);
        assert_int_equal(sq_expect_judge(&e, 1, r), 0);
        assert_int_equal(sq_capacity_read(&level, &e, 1, r), 0);
        assert_int_equal(level.outcome, cases[i].outcome);
        assert_int_equal(level.broke_len, cases[i].outcome == SQ_TRIAL_FAILED);
        assert_string_equal(level.broke_len ? level.broke[0].who : "", ""); /* all are alike */
        sq_expect_destroy(e);
        sq_result_destroy(r);
    }
}

/* ---- Steady ---- */

static bool second(struct sq_steady *s, uint64_t connected, double kbps, double fps, double loss)
{
    struct sq_timeline_row row;
    sq_timeline_row_init(&row);
    row.connected = connected;
    row.bitrate_kbps[SQ_FLOW_VIDEO_IN] = kbps;
    row.fps_in = fps;
    row.loss_percent[SQ_FLOW_VIDEO_IN] = loss;
    return sq_steady_second(s, &row);
}

static void waits_until_figures_are_steady(void **state)
{
    (void)state;
    struct sq_steady s = {.seen = 0};
    const double rising[] = {100, 200, 400, 800, 1000, 1010};
    for (size_t i = 0; i < 6; i++) {
        assert_false(second(&s, 10, rising[i], 25, 0));
    }
    assert_false(second(&s, 10, 990, 25, 0)); /* 800 is still among the last four */
    assert_true(second(&s, 10, 1000, 25, 0));
    assert_false(second(&s, 9, 1000, 25, 0)); /* one has gone */
    for (size_t i = 0; i < 2; i++) {
        assert_false(second(&s, 9, 1000, 25, 0));
    }
    assert_true(second(&s, 9, 1000, 25, 0));
    assert_false(second(&s, 9, 1000, 25, 5)); /* loss comes */
    assert_false(second(&s, 9, 1000, 20, 5));
}

/* Sound alone has no frames: what is not there is steady. */
static void what_there_is_none_of_does_not_matter(void **state)
{
    (void)state;
    struct sq_steady s = {.seen = 0};
    for (size_t i = 0; i + 1 < SQ_STEADY_SECONDS; i++) {
        assert_false(second(&s, 3, 50, NAN, NAN));
    }
    assert_true(second(&s, 3, 50, NAN, NAN));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(says_what_holds_and_from_where_on_not),
        cmocka_unit_test(rooms_are_told_with_their_users),
        cmocka_unit_test(two_searches_in_a_row),
        cmocka_unit_test(the_generators_limit_is_told_as_its_own),
        cmocka_unit_test(a_failure_beyond_its_own_limit_is_told),
        cmocka_unit_test(nothing_holds),
        cmocka_unit_test(a_search_that_is_ended_tells_what_it_has),
        cmocka_unit_test(an_error_of_a_trial_ends_the_search),
        cmocka_unit_test(a_service_that_died_is_told),
        cmocka_unit_test(a_trial_in_which_the_process_ended_is_no_limit),
        cmocka_unit_test(a_limit_is_explained_by_a_trial_that_counts),
        cmocka_unit_test(the_network_of_those_that_failed_is_told),
        cmocka_unit_test(a_service_that_is_there_again_is_searched_on),
        cmocka_unit_test(the_servers_process_that_ended_is_told),
        cmocka_unit_test(what_has_no_sample_is_not_the_services),
        cmocka_unit_test(invalid_trials_are_not_among_those_that_count),
        cmocka_unit_test(names_what_broke_for_whom_and_why),
        cmocka_unit_test(outcomes_follow_the_verdict),
        cmocka_unit_test(waits_until_figures_are_steady),
        cmocka_unit_test(what_there_is_none_of_does_not_matter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
