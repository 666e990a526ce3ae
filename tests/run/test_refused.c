/* Services that turn down what was asked of them, and media that stop in mid-call. */
#include "run/rig.h"
#include "run/shard_bench.h"
#include "scenario/scenario.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#define USERS 2

static enum fake_how current; /* set before a run begins */

static enum fake_how all_so(uint64_t index)
{
    (void)index;
    return current;
}

static void begin(struct bench *b, enum fake_how how)
{
    current = how;
    bench_make(b, all_so);
    b->plan.peers = USERS;
    b->plan.rate_per_s = 100;
    b->plan.threads = 1;
    b->plan.duration_ns = 700 * MS;
}

static void run(struct bench *b)
{
    bench_start(b);
    bench_finish(b);
}

static void all_failed(const struct bench *b, enum sq_failure cause, const char *words)
{
    assert_int_equal(b->result->counts.failed, USERS);
    for (size_t i = 0; i < USERS; i++) {
        const struct sq_peer_row *p = &b->result->peers[i];
        if (p->cause != cause || !strstr(p->message, words)) {
            fail_msg("%s: %s", sq_failure_name(p->cause), p->message);
        }
        assert_true(p->score.score == 0);
    }
}

static void asked_are(const struct bench *b, enum sq_asked what, uint64_t peers, uint64_t refused)
{
    assert_int_equal(b->result->asked[what].peers, peers);
    assert_int_equal(b->result->asked[what].refused, refused);
}

static void a_medium_that_is_refused_fails_who_sends_it(void **state)
{
    static const struct {
        enum fake_how how;
        enum sq_asked medium;
        const char *words;
    } cases[] = {
        {FAKE_TAKES_NO_VIDEO, SQ_ASKED_VIDEO,
         "the server refused video (m=video with port 0, or no codec in common); codecs offered: "
         "VP8"},
        {FAKE_TAKES_NO_AUDIO, SQ_ASKED_AUDIO, "the server refused audio (m=audio with port 0"},
        {FAKE_WANTS_NO_VIDEO, SQ_ASKED_VIDEO, "the server takes no video from us"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b;
        char why[SQ_PEER_TEXT_MAX];
        begin(&b, cases[i].how);
        assert_int_equal(sq_peer_codecs_parse("vp8", true, &b.plan.groups[0].video_codecs, why), 0);
        run(&b);
        all_failed(&b, SQ_FAILURE_SIGNALING, cases[i].words);
        asked_are(&b, cases[i].medium, USERS, USERS);
        bench_free(&b);
    }
}

/* Not "no candidate pair" half a minute later. */
static void refusing_everything_is_told_at_once(void **state)
{
    (void)state;
    struct bench b;
    begin(&b, FAKE_TAKES_NOTHING);
    run(&b);
    all_failed(&b, SQ_FAILURE_SIGNALING, "refused all that was offered");
    asked_are(&b, SQ_ASKED_AUDIO, USERS, USERS);
    asked_are(&b, SQ_ASKED_VIDEO, USERS, USERS);
    bench_free(&b);
}

/* There may be no picture to see: it is a matter of the run, and the user may say otherwise. */
static void who_only_watches_stays_and_the_run_fails(void **state)
{
    (void)state;
    struct bench b;
    struct sq_expect *own;
    begin(&b, FAKE_TAKES_NO_VIDEO);
    sq_plan_split(&b.plan, 0);
    run(&b);
    assert_int_equal(b.result->counts.ok, USERS);
    asked_are(&b, SQ_ASKED_VIDEO, USERS, USERS);
    asked_are(&b, SQ_ASKED_AUDIO, USERS, 0);
    assert_int_equal(sq_expect_judge(NULL, 0, b.result), 0);
    assert_int_equal(b.result->expectation_count, 2);
    assert_string_equal(b.result->expectations[1].expr, SQ_EXPECT_VIDEO);
    assert_false(b.result->expectations[1].ok);
    assert_int_equal(sq_expect_parse("video.in.fps.count == 0", &own, NULL), 0);
    assert_int_equal(sq_expect_judge(&own, 1, b.result), 0);
    assert_int_equal(b.result->expectation_count, 2); /* that one, and about failed peers */
    sq_expect_destroy(own);
    bench_free(&b);
}

/* Sound goes on, and the connection stands. */
static void a_picture_that_stopped_for_good_is_lost(void **state)
{
    (void)state;
    static const struct sq_steps none; /* as of a scenario file without any */
    struct bench b;
    begin(&b, FAKE_LOSES_PICTURE);
    b.plan.duration_ns = 1900 * MS;
    b.plan.silent_ns = 400 * MS;
    b.plan.groups[0].before = b.plan.groups[0].steps = &none;
    run(&b);
    assert_int_equal(b.result->counts.failed, USERS);
    assert_int_equal(b.result->peers[0].cause, SQ_FAILURE_MEDIA_LOST);
    assert_non_null(strstr(b.result->peers[0].message, "no video came for the last"));
    bench_free(&b);
    /* With a hold the senders of a room may have left before. */
    begin(&b, FAKE_LOSES_PICTURE);
    b.plan.duration_ns = 1900 * MS;
    b.plan.hold_ns = 1800 * MS;
    b.plan.silent_ns = 400 * MS;
    run(&b);
    assert_int_equal(b.result->counts.failed, 0);
    bench_free(&b);
}

/* What stands behind the keys is never reached: by --dtmf, and by a step. */
static void keys_that_nobody_agreed_on_fail_who_presses(void **state)
{
    static const char *const told = "no key can be pressed: telephone-event (RFC 4733) was not "
                                    "agreed on for audio that is sent";
    static const char yaml[] = "steps: [{dtmf: \"15#\"}]\n";
    (void)state;
    for (int i = 0; i < 4; i++) {
        struct bench b;
        struct sq_scenario *scenario = NULL;
        struct sq_yaml_error error = {.message = ""};
        bool refused = i < 2, by_step = i % 2;
        assert_int_equal(
            sq_scenario_parse("t.yaml", yaml, strlen(yaml), NULL, NULL, &scenario, &error), 0);
        begin(&b, refused ? FAKE_NO_DTMF : FAKE_WELL);
        b.plan.duration_ns = 1500 * MS;
        if (by_step) {
            b.plan.groups[0].before = &scenario->before;
            b.plan.groups[0].steps = &scenario->steps;
            b.plan.figures = &scenario->figures;
        } else {
            SQ_RESULT_SET(b.plan.groups[0].dtmf, "15#");
        }
        run(&b);
        if (refused) {
            all_failed(&b, SQ_FAILURE_PROTOCOL, told);
        } else {
            assert_int_equal(b.result->counts.ok, USERS);
            assert_int_equal(b.result->peers[0].dtmf_pressed, 3);
        }
        bench_free(&b);
        sq_scenario_free(scenario);
    }
}

/* ---- Messages that the other side does not take (RFC 8841, section 6.1) ---- */

static void send_messages(struct bench *b, double rate_per_s, size_t bytes)
{
    b->plan.groups[0].data = (struct sq_plan_data){.on = true,
                                                   .rate_per_s = rate_per_s,
                                                   .size_bytes = bytes,
                                                   .channel.label = "squall",
                                                   .nonce = 7};
}

/* No pass, and none of the generator's doing. */
static void is_a_fail(struct bench *b)
{
    assert_int_equal(sq_expect_judge(NULL, 0, b->result), 0);
    assert_int_equal(sq_verdict(b->result), SQ_EXIT_EXPECTATION);
    assert_true(b->result->generator.ok);
}

static void messages_above_the_limit_fail_who_sends_them(void **state)
{
    static const struct {
        enum fake_how how;
        size_t bytes;
        double rate_per_s;
        const char *words; /* NULL: they go out */
    } cases[] = {
        {FAKE_TELLS_NO_LIMIT, 65536, 50, NULL},
        {FAKE_TELLS_NO_LIMIT, 65537, 50,
         "the other side takes messages of 65536 bytes at most (it has no a=max-message-size, RFC "
         "8841), and --data asks for 65537"},
        {FAKE_TELLS_NO_LIMIT, 262144, 0,
         "takes messages of 65536 bytes at most (it has no a=max-message-size, RFC 8841), and "
         "--data asks for 262144"},
        {FAKE_TAKES_100000, 100000, 50, NULL},
        {FAKE_TAKES_100000, 100001, 50,
         "takes messages of 100000 bytes at most (its a=max-message-size, RFC 8841), and --data "
         "asks for 100001"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct bench b;
        begin(&b, cases[i].how);
        send_messages(&b, cases[i].rate_per_s, cases[i].bytes);
        run(&b);
        if (cases[i].words) {
            all_failed(&b, SQ_FAILURE_SIGNALING, cases[i].words);
            is_a_fail(&b);
        } else {
            assert_int_equal(b.result->counts.ok, USERS);
            assert_true(b.result->peers[0].data.messages_out > 0);
        }
        bench_free(&b);
    }
}

/* Who only listens, and a channel that only steps send on. */
static void a_limit_is_nothing_to_who_sends_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct bench b;
        begin(&b, FAKE_TELLS_NO_LIMIT);
        send_messages(&b, 50, 70000);
        b.plan.groups[0].data.silent = i == 0;
        if (i == 1) {
            sq_plan_split(&b.plan, 0);
        }
        run(&b);
        assert_int_equal(b.result->counts.ok, USERS);
        bench_free(&b);
    }
}

/* In mid-call: what was sent before stays counted. */
static void a_limit_that_comes_later_fails_them_then(void **state)
{
    (void)state;
    static const double rates[] = {50, 0};
    for (size_t i = 0; i < sizeof(rates) / sizeof(*rates); i++) {
        struct bench b;
        begin(&b, FAKE_LIMITS_LATER);
        b.plan.duration_ns = 1200 * MS;
        send_messages(&b, rates[i], 120000);
        run(&b);
        all_failed(&b, SQ_FAILURE_SIGNALING,
                   "takes messages of 100000 bytes at most (its a=max-message-size, RFC 8841)");
        assert_true(b.result->peers[0].connected && b.result->peers[0].data.messages_out > 0);
        is_a_fail(&b);
        bench_free(&b);
    }
}

static void so_do_messages_of_steps(void **state)
{
    static const char yaml[] = "steps: [{data: {bytes: 65537}}]\n";
    struct sq_scenario *scenario = NULL;
    struct sq_yaml_error error = {.message = ""};
    struct bench b;
    (void)state;
    assert_int_equal(sq_scenario_parse("t.yaml", yaml, strlen(yaml), NULL, NULL, &scenario, &error),
                     0);
    begin(&b, FAKE_TELLS_NO_LIMIT);
    send_messages(&b, 50, 200);
    b.plan.groups[0].data.silent = true;
    b.plan.groups[0].before = &scenario->before;
    b.plan.groups[0].steps = &scenario->steps;
    b.plan.figures = &scenario->figures;
    run(&b);
    all_failed(&b, SQ_FAILURE_SIGNALING,
               "the other side takes messages of 65536 bytes at most (it has no "
               "a=max-message-size, RFC 8841), and this one has 65537");
    is_a_fail(&b);
    bench_free(&b);
    sq_scenario_free(scenario);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_medium_that_is_refused_fails_who_sends_it),
        cmocka_unit_test(refusing_everything_is_told_at_once),
        cmocka_unit_test(who_only_watches_stays_and_the_run_fails),
        cmocka_unit_test(a_picture_that_stopped_for_good_is_lost),
        cmocka_unit_test(keys_that_nobody_agreed_on_fail_who_presses),
        cmocka_unit_test(messages_above_the_limit_fail_who_sends_them),
        cmocka_unit_test(a_limit_is_nothing_to_who_sends_nothing),
        cmocka_unit_test(a_limit_that_comes_later_fails_them_then),
        cmocka_unit_test(so_do_messages_of_steps),
    };
    return cmocka_run_group_tests(tests, rig_open_clip, rig_close_clip);
}
