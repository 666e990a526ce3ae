/* Windows, preconditions, times until something holds, ends of hopeless runs: what is taken, what
 * is refused with its column, and what a plan cannot have. */
#include "base/time.h"
#include "run/expect.h"
#include "run/plan.h"
#include "run/slice.h"
#include "signal/lua/script.h"
#include "signal/target.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEC SQ_NS_PER_SEC

struct wrong {
    const char *text;
    size_t column;
    const char *part;
};

static void refuses(const struct wrong *w, bool abort)
{
    struct sq_expect *e = NULL;
    struct sq_expect_error error = {0};
    int err =
        abort ? sq_expect_parse_abort(w->text, &e, &error) : sq_expect_parse(w->text, &e, &error);
    if ((err != SQ_ERR_FORMAT && err != SQ_ERR_UNSUPPORTED) || error.column != w->column ||
        !strstr(error.message, w->part)) {
        fail_msg("%s: %d, column %zu: %s", w->text, err, error.column, error.message);
    }
    assert_null(e);
}

static void taken(void **state)
{
    static const char *const texts[] = {
        "video.in.bitrate > 1 between 10s and 20s",
        "video.in.bitrate > 1 between 500ms and 1m30s",
        "video.in.bitrate > 1 BETWEEN start AND end",
        "video.in.bitrate > 1 between ramped and draining",
        "video.in.bitrate > 1 between joined and leaving",
        "video.in.bitrate > 1 between up and end",
        "video.in.bitrate > 1 between 10s and leaving",
        "video.in.bitrate > 1 between half-time and whistle_2",
        "video.in.bitrate > 1 where group is viewer",
        "video.in.bitrate > 1 where group is not viewer and network is 'Poor 4G'",
        "video.in.bitrate > 1 where network is \"it's bad\"",
        "video.in.bitrate > 1 where target is sfu-1.example.org:8188 and room is 1234",
        "video.in.bitrate > 1 and video.in.fps > 2 where room is a between 1s and 2s else warn",
        /* in any order */
        "video.in.bitrate > 1 else warn between 1s and 2s where room is a for 90% of peers",
        "video.in.bitrate.p95 > 1 for 90% of peers",
        "video.in.rtt.max < 100ms for 90% of peers between 1s and 2s",
        "bwe.estimate > 500 for 95% of peers",
        "time(video.in.bitrate >= 1M) < 3s",
        "time(video.in.bitrate >= 1M).p95 < 3s for 90% of peers else warn",
        "time ( audio.in.rtt < 30 ms ).p(99.9) <= 2000",
        "time(video.in.fps > 20).count >= 3 where group is viewer",
        "setup.total.p(95) < 2s",
        "video.in.bitrate.95th > 100 and video.in.bitrate.1st > 0",
        "video.in.bitrate.rstddev < 10%",
        "video.in.bitrate.rstddev < 10",
        "video.in.freeze.total < 3s and video.in.nack.total < 100",
        "video.in.track.bitrate > 100",
        "video.in.channel.bitrate == 0 or video.in.channel.bitrate > 30",
        "peers.failed == 0 where group is viewer",
        "peers.failed < 3 and peers.dropped < 1% between ramped and end",
        "generator.lateness.p99 < 5 between ramped and end",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sq_expect *e = NULL;
        struct sq_expect_error error = {0};
        if (sq_expect_parse(texts[i], &e, &error) != 0) {
            fail_msg("%s: column %zu: %s", texts[i], error.column, error.message);
        }
        sq_expect_destroy(e);
    }
}

static void refused_with_a_column(void **state)
{
    static const struct wrong cases[] = {
        {"peers.ok == 101%", 16, "is a share of the peers: expected 0 to 100 %, found 101 %"},
        {"peers.failed > -1%", 18, "is a share of the peers"},
        {"timer. < 3s", 7, "expected the name of a timer of the steps"},
        {"timer.login.p0 < 3s", 13, "'p0' is no aggregate of timer.login"},
        {"timer.login.total < 3s", 13, "a sum of times says nothing"},
        {"timer.login < 3M", 16, "the unit M does not fit timer, which is in ms"},
        {"counter.joined == 3 ms", 21, "the unit ms does not fit"},
        {"time(timer.login < 3s) < 1s", 6, "is not measured each second of a peer"},
        {"video.in > 1 between", 21, "expected an event: a time of the run such as 30s, start"},
        {"video.in > 1 between 10 and 20s", 22, "'10' is no time since the run's start"},
        {"video.in > 1 between 10s20 and end", 22, "'10s20' is no time"},
        {"video.in > 1 between 10x and end", 22, "a number with its unit, such as 500ms, 10s"},
        {"video.in > 1 between 10s or 20s", 26,
         "expected 'and', as in 'between 10s and 20s'; found 'or'"},
        {"video.in > 1 between 20s and 10s", 30, "'10s' comes before '20s': turn them around"},
        {"video.in > 1 between end and start", 30, "'start' comes before 'end'"},
        {"video.in > 1 between end and ramped", 30, "turn them around"},
        {"video.in > 1 between leaving and up", 34, "turn them around"},
        {"video.in > 1 between 10s and start", 30, "turn them around"},
        {"video.in > 1 between end and draining", 30, "is empty"},
        {"video.in > 1 between half and half", 31, "begins and ends with 'half' is empty"},
        {"video.in > 1 between 10s and 10s", 30, "is empty"},
        {"video.in > 1 between a12345678901234567890123456789012 and end", 22, "longer than 31"},
        {"video.in > 1 between 1s and 2s between 3s and 4s", 32, "'between' stands there already"},
        {"video.in > 1 where group is a where room is b", 31, "'where' stands there already"},
        {"video.in > 1 for 9% of peers for 8% of peers", 30, "'for' stands there already"},
        {"video.in > 1 where", 19, "expected group, room, network or target; found the end"},
        {"video.in > 1 where grup is a", 20, "found 'grup'; did you mean group?"},
        {"video.in > 1 where net is a", 20, "did you mean network?"},
        {"video.in > 1 where codec is a", 20, "found 'codec'"},
        {"video.in > 1 where group viewer", 26, "expected 'is' or 'is not'; found 'viewer'"},
        {"video.in > 1 where group == viewer", 26, "expected 'is' or 'is not'; found '='"},
        {"video.in > 1 where group is", 28, "expected a name"},
        {"video.in > 1 where group is 'a", 29, "the quote is not closed"},
        {"video.in > 1 where group is ''", 30, "expected a name"},
        {"video.in > 1 where group is a and", 34, "expected group, room"},
        {"video.in > 1 where group is a or group is b", 31, "or the end; found 'or'"},
        {"time(video.in.bitrate) < 3s", 22, "expected == != < <= > or >="},
        {"time(video.in.bitrate > 1M < 3s", 28, "expected ')'"},
        {"time(video.in.bitrate > 1M)", 28, "expected == != < <= > or >=; found the end"},
        {"time(video.in.bitrate.p95 > 1M) < 3s", 23, "it takes no aggregate in there"},
        {"time(video.in.bitrat > 1M) < 3s", 6, "did you mean video.in.bitrate?"},
        {"time(video.in.loss < 1%) < 3s", 6, "video.in.loss is not measured each second"},
        {"time(peers.ok > 3) < 3s", 6, "peers.ok is not measured each second"},
        {"time(setup.total < 3s) < 3s", 6, "setup.total is not measured each second"},
        {"time(video.in.bitrate > 1 ms) < 3s", 27, "the unit ms does not fit video.in.bitrate"},
        {"time(video.in.bitrate > 1) < 3 fps", 32, "does not fit time(), which is in ms"},
        {"time(video.in.bitrate > 1).p100 < 3", 28, "'p100' is no aggregate of time()"},
        {"time(video.in.bitrate > 1).last < 3", 28, "'last' is no aggregate of time()"},
        {"time(video.in.bitrate > 1) < 3s between 1s and 2s", 1, "it takes no window"},
        {"time(video.in.bitrate > 1).count > 3 for 9% of peers", 1, "there is no .count of one"},
        {"video.in.loss.p95 < 1 for 90% of peers", 1, ".p95 of one peer says nothing more"},
        {"video.in.bitrate.rate < 1 for 90% of peers", 1, ".rate of one peer is not kept"},
        {"generator.cpu < 90 for 90% of peers", 1, "one figure of the whole run"},
        {"generator.cpu < 90 where group is a", 1, "generator.cpu is of no peer"},
        {"generator.cpu < 90 between up and end", 28, "expected an event of the run"},
        {"generator.cpu < 90 between 3s and leaving", 35, "expected an event of the run"},
        {"peers.ok > 3 between 1s and 2s", 1, "peers.ok is counted over the whole run"},
        {"peers.failed > 3 between up and end", 26, "expected an event of the run"},
        {"video.in.bitrate.rate > 3 between 1s and 2s", 1, ".rate is a second of the whole run"},
        {"score > 7 between 1s and 2s", 1, "it takes no window"},
        {"mos.p95 > 3 for 9% of peers", 1, ".p95 of one peer says nothing more"},
        {"video.in.decoded.failed < 3 between 1s and 2s", 1, "it takes no window"},
        {"video.in.bitrate.total > 3", 18, ".total is of what is counted"},
        {"video.in.loss.total > 3", 15, ".total is of what is counted"},
        {"video.in.bitrate.rstddev < 10 k", 31, "the unit k does not fit video.in.bitrate.rstddev"},
        {"video.in.bitrate.p(0) > 3", 18, "'p0' is no aggregate"},
        {"video.in.bitrate.p(x) > 3", 18, "'p' is no aggregate"},
        {"video.in.bitrate.96th > 3", 18, "'96th' is no aggregate"},
        {"video.in.track.loss > 3", 1, "video.in.loss of each track is not kept"},
        {"setup.track.total > 3", 1, "of each track is not kept"},
        {"video.in > 1 @10s", 14, "found '@' (a delay is of --abort-on)"},
    };
    static const struct wrong aborts[] = {
        {"video.in > 1 @", 15, "expected how long to wait before it is judged, such as @10s"},
        {"video.in > 1 @10", 15, "found '10'"},
        {"video.in > 1 @10s more", 19, "or the end; found 'more'"},
        {"video.in > 1 else warn", 19, "a warning does not end a run"},
        {"generator.drops == 0", 1, "is not known before the end"},
        {"video.in.bitrate.last > 3", 1, "is not known before the end"},
        {"video.in.bitrate.rate > 3", 1, "is not known before the end"},
        {"score > 7", 1, "is counted at each peer's end"},
        {"video.in.decoded.failed < 3", 1, "is counted at each peer's end"},
        {"peers.failed > 3 between 1s and 2s", 1, "is counted at the end"},
        {"peers.ok > 3 where group is a", 1, "expected a share, such as peers.ok >= 99%"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        refuses(&cases[i], false);
    }
    for (size_t i = 0; i < sizeof(aborts) / sizeof(aborts[0]); i++) {
        refuses(&aborts[i], true);
    }
}

/* What no figure of the metric reaches would hold always, or never. */
static void what_holds_always_or_never(void **state)
{
    static const struct wrong cases[] = {
        {"score >= 11", 10, "score is from 0 to 10 points: expected a number of these, found 11"},
        {"score >= -1 points", 10, "found -1"},
        {"mos > 9", 7, "mos is from 1 to 4.5 MOS: expected a number of these, found 9"},
        {"mos.p5 >= 0.9 MOS", 11, "mos.p5 is from 1 to 4.5 MOS"},
        {"mos.stddev > 4", 14, "mos.stddev is from 0 to 3.5 MOS"},
        {"peers.failed < -1", 16, "peers.failed is never below 0: expected 0 or more, found -1"},
        {"video.in.loss < 200%", 17, "video.in.loss is from 0 to 100 %"},
        {"video.in.loss.p95 < 100.5", 21, "video.in.loss.p95 is from 0 to 100 %"},
        {"video.in.loss.stddev < 101", 24, "video.in.loss.stddev is from 0 to 100 %"},
        {"video.in > -1 for 90% of peers", 12, "video.in is never below 0"},
        {"setup.total.p95 > -3s", 19, "expected 0 or more, found -3000 ms"},
        {"setup.total.count > -3", 21, "expected 0 or more, found -3"},
        {"video.in.bitrate.rstddev < -1", 28, "found -1 %"},
        {"timer.login.p95 < -1s", 19, "timer.login.p95 is never below 0"},
        {"counter.joined == -1", 19, "counter.joined is never below 0"},
        {"time(video.in.fps > -2) < 3s", 21, "video.in.fps is never below 0"},
        {"time(audio.in.heard > 101) < 3s", 23, "audio.in.heard is from 0 to 100 %"},
        {"time(video.in.fps > 2).p95 < -3s", 30, "time().p95 is never below 0"},
        {"video.in > 0 or (peers.ok > 1 and score > 12)", 43, "score is from 0 to 10 points"},
    };
    static const char *const good[] = {
        "score >= 10 or score <= 0 or setup.total < 0",
        "score == 10 and mos <= 4.5 and mos >= 1",
        "peers.ok == 100% and peers.failed == 0% and peers.failed <= 0",
        "video.in.loss >= 0 and video.in.loss <= 100%",
        "video.in.loss.count > 200 and video.in.loss.rstddev < 300%",
        "generator.cpu < 200%",
        "video.in.bitrate < 500M",
        "time(video.in.fps >= 0) >= 0",
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        refuses(&cases[i], false);
    }
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        struct sq_expect *e = NULL;
        struct sq_expect_error error = {0};
        if (sq_expect_parse(good[i], &e, &error) != 0) {
            fail_msg("%s: column %zu: %s", good[i], error.column, error.message);
        }
        sq_expect_destroy(e);
    }
}

/* Why there is no such metric, and what there is in its place: docs/expectations.md. */
static void what_has_no_metric(void **state)
{
    static const struct wrong cases[] = {
        {"video.in.track.freeze < 3", 1, "'for 95% of peers' judges each peer by all its tracks"},
        {"video.in.track.nack < 3", 1, "such as jitter and fps; leave it out"},
        {"video.out.track.pli < 3", 1, "--dump N has the counters of each"},
        {"data.out.latency.p95 < 3", 1, "data.in.latency, and data.rtt there and back"},
        {"data.out.loss < 3", 1, "data.in.loss"},
        {"audio.out.latency < 3", 1, "audio.in.latency of who hears it"},
        {"video.out.freezes < 3", 1, "video.in.freeze"},
        {"sip.response.200 > 3", 1, "and no SIP"},
        {"connectionDuration > 3", 1, "as long as --hold says; peers.dropped counts"},
        {"performance.browser.cpu < 90", 1, "generator.cpu is that of Squall's own threads"},
        {"performance.probe.cpu < 90", 1, "--server-pid PID' tells the server's"},
        {"audio.out.codec == 111", 1, "--codec video=h264 lets no other be agreed"},
        {"peers.ok > 1 and webrtc/video/bitrate/in/95th > 500", 18,
         "'webrtc/video/bitrate/in/95th' is Loadero's: here it is called video.in.bitrate.p95"},
        {"mos/audio/e-model/avg>3", 1, "here it is called mos.avg"},
        {"time(webrtc/video/fps/in > 3) < 3s", 6, "here it is called video.in.fps"},
        {"webrtc/video/bytes/in/total > 3", 1, "columns of peers.csv, such as video.in.bytes"},
        {"webrtc/audio/packets/out/total > 3", 1, "the share that was lost, video.in.loss"},
        {"webrtc/video/codec/in/percent > 3", 1, "a codec is no number"},
        {"webrtc/video/fps/in/percent > 3", 1, "'for 95% of peers' says of how many"},
        {"video.in.fps.percent > 3", 1, "'for 95% of peers' says of how many"},
        {"webrtc/video/nothing/in > 3", 1, "no metric is called 'webrtc/video/nothing/in'"},
        {"webrtc/ > 3", 1, "no metric is called 'webrtc/'; expected one that begins with"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        refuses(&cases[i], false);
    }
}

/* ---- Against a plan ---- */

static struct sq_target target = {.host = "10.0.0.1", .port = 8188};

static void make_plan(struct sq_plan *plan)
{
    sq_plan_defaults(plan);
    plan->groups[0].target = &target;
    plan->groups[0].networks[0] = (struct sq_plan_network){.name = "Poor 4G@50%", .share = 0.5};
    plan->groups[0].networks[1] = (struct sq_plan_network){.name = "wifi,loss=1%", .share = 0.5};
    plan->groups[0].networks_len = 2;
    plan->peers = 20;
    plan->room_size = 5;
    plan->duration_ns = 30 * SEC;
    sq_plan_split(plan, 2);
}

static int check(const struct sq_plan *plan, const char *text, struct sq_expect_error *error)
{
    struct sq_expect *e = NULL;
    *error = (struct sq_expect_error){.column = 0};
    int err = sq_expect_parse(text, &e, error);
    if (err) {
        fail_msg("%s: column %zu: %s", text, error->column, error->message);
    }
    err = sq_expect_check(e, plan, error);
    sq_expect_destroy(e);
    return err;
}

static void what_a_plan_has(void **state)
{
    static const char *const marks[] = {"muted", "unmuted"};
    static const char *const good[] = {
        "video.in > 0 where group is viewer",
        "video.in > 0 where group is not participant",
        "video.in > 0 where network is 'Poor 4G'",
        "video.in > 0 where network is poor-4g",
        "video.in > 0 where network is 'wifi,loss=1%'",
        "video.in > 0 where room is squall-3",
        "video.in > 0 where target is 10.0.0.1 and target is not 10.0.0.1:8188",
        "video.in > 0 between muted and unmuted",
        "video.in > 0 between ramped and 29s",
        "video.in > 0 between 29s and 100s",
        "timer.login.p95 < 800ms and counter.joined == 10 where group is viewer",
    };
    static const struct wrong wrong[] = {
        {"video.in > 0 where group is viewers", 29,
         "there are participant, viewer; did you mean viewer?"},
        {"video.in > 0 where network is wifi", 31, "there are Poor 4G@50%, wifi,loss=1%"},
        {"video.in > 0 where group is viewer and room is squall-4", 48,
         "expected squall-0 to squall-3"},
        {"video.in > 0 where room is not squall", 32, "expected squall-0 to squall-3"},
        {"video.in > 0 where target is 10.0.0.2", 30, "there is 10.0.0.1; did you mean 10.0.0.1?"},
        {"video.in > 0 where target is 10.0.0.1:80", 30, "no peer of this run has the target"},
        {"video.in > 0 between join and end", 22,
         "no event is called 'join' (did you mean joined?)"},
        {"video.in > 0 between mutd and end", 22, "did you mean muted?"},
        {"video.in > 0 between up and foul", 29,
         "no event is called 'foul'; there are start, ramped"},
        {"timer.logn < 1s", 1,
         "no timer is called 'logn'; the steps of this run have before, login; did you mean "
         "login?"},
        {"peers.ok > 1 and counter.login > 1", 18,
         "no counter is called 'login'; the steps of this run have joined"},
        {"video.in > 0 between 30s and 40s", 22, "the run is over after 30s: it has no 30s"},
    };
    static const struct sq_step_figures figures = {
        .timers = {"before", "login"}, .timers_len = 2, .counters = {"joined"}, .counters_len = 1};
    struct sq_plan plan;
    struct sq_expect_error error;
    (void)state;
    make_plan(&plan);
    plan.tags = marks;
    plan.tags_len = 2;
    plan.figures = &figures;
    for (size_t i = 0; i < sizeof(good) / sizeof(good[0]); i++) {
        if (check(&plan, good[i], &error) != 0) {
            fail_msg("%s: column %zu: %s", good[i], error.column, error.message);
        }
    }
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        int err = check(&plan, wrong[i].text, &error);
        if (err != SQ_ERR_INVALID || error.column != wrong[i].column ||
            !strstr(error.message, wrong[i].part)) {
            fail_msg("%s: %d, column %zu: %s", wrong[i].text, err, error.column, error.message);
        }
    }
    plan.hold_ns = 3 * SEC; /* and they come for as long as it lasts */
    assert_int_equal(check(&plan, "video.in > 0 between ramped and end", &error), SQ_ERR_INVALID);
    assert_non_null(strstr(error.message, "never ramped"));
    plan.duration_ns = 0;
    assert_int_equal(check(&plan, "video.in > 0 between ramped and end", &error), 0);
    plan.groups[0].networks_len = plan.groups[1].networks_len = 0;
    assert_int_equal(check(&plan, "video.in > 0 where network is wifi", &error), SQ_ERR_INVALID);
    assert_non_null(strstr(error.message, "it names none"));
}

/* Who has, or has not, what an expectation asks for: steps, one script or several, or both. */
static void says_who_measures(void **state)
{
    static const struct sq_step wait = {.kind = SQ_STEP_WAIT};
    static const struct sq_steps steps = {.items = (struct sq_step *)&wait, .n = 1};
    static const struct sq_steps no_steps = {.n = 0};
    static const struct sq_step_figures some = {.timers = {"login"}, .timers_len = 1};
    static const struct sq_lua_script scripts[2];
    static const struct {
        const struct sq_steps *steps[2];
        const struct sq_lua_script *scripts[2];
        const char *has, *none;
    } cases[] = {
        {{&steps, &no_steps},
         {NULL, NULL},
         "the steps of this run have login;",
         "the steps of this run have none"},
        {{NULL, NULL},
         {&scripts[0], NULL},
         "the script of this run has login;",
         "the script of this run has none"},
        {{&no_steps, NULL},
         {&scripts[0], &scripts[0]},
         "the script of this run has login;",
         "the script of this run has none"},
        {{NULL, NULL},
         {&scripts[0], &scripts[1]},
         "the scripts of this run have login;",
         "the scripts of this run have none"},
        {{&steps, NULL},
         {NULL, &scripts[0]},
         "the steps and the script of this run have login;",
         "the steps and the script of this run have none"},
        {{&steps, NULL},
         {&scripts[0], &scripts[1]},
         "the steps and scripts of this run have login;",
         "the steps and scripts of this run have none"},
        {{NULL, NULL},
         {NULL, NULL},
         NULL,
         "no counter is called 'login': this run has neither steps nor a script that could measure "
         "it"},
    };
    struct sq_plan plan;
    struct sq_expect_error error;
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        make_plan(&plan);
        for (size_t k = 0; k < 2; k++) {
            plan.groups[k].steps = plan.groups[k].before = cases[i].steps[k];
            plan.groups[k].script = cases[i].scripts[k];
        }
        plan.figures = cases[i].has ? &some : NULL;
        assert_int_equal(check(&plan, "counter.login > 1", &error), SQ_ERR_INVALID);
        assert_non_null(strstr(error.message, cases[i].none));
        if (cases[i].has) {
            assert_int_equal(check(&plan, "timer.logn < 1s", &error), SQ_ERR_INVALID);
            assert_non_null(strstr(error.message, cases[i].has));
        }
    }
}

/* What would be looked at after the end ends nothing: the run has thirty seconds, and no ramp down.
 */
static void what_comes_too_late_to_end_a_run(void **state)
{
    static const struct {
        const char *text;
        int err;
    } cases[] = {{"peers.failed < 5% @29s", 0},
                 {"peers.failed < 5% @30s", SQ_ERR_INVALID},
                 {"peers.failed < 5%", 0}};
    struct sq_plan plan;
    (void)state;
    make_plan(&plan);
    plan.ramp_down_ns = 0;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sq_expect *e = NULL;
        struct sq_expect_error error = {.column = 0};
        assert_int_equal(sq_expect_parse_abort(cases[i].text, &e, NULL), 0);
        assert_int_equal(sq_expect_check(e, &plan, &error), cases[i].err);
        if (cases[i].err) {
            assert_int_equal(error.column, 19);
            assert_string_equal(error.message,
                                "the run is over after 30s: nothing is left to end @30s");
        }
        sq_expect_destroy(e);
    }
}

/* Who of them needs more than a plain result. */
static void what_needs_a_run(void **state)
{
    static const char *const plain[] = {"video.in > 0", "video.in.bitrate.p95 > 3",
                                        "setup.total < 3s for 9% of peers", "peers.ok > 3",
                                        "video.in.bitrate.avg > 3 for 9% of peers"};
    static const char *const more[] = {"video.in > 0 between 1s and 2s",
                                       "peers.ok > 0 where group is a",
                                       "video.in.bitrate.p95 > 3 for 9% of peers",
                                       "time(video.in.fps > 3) < 3s", "video.in.track.bitrate > 3"};
    (void)state;
    for (size_t i = 0; i < 5; i++) {
        struct sq_expect *e = NULL;
        assert_int_equal(sq_expect_parse(plain[i], &e, NULL), 0);
        assert_false(sq_expect_needs_run(e));
        sq_expect_destroy(e);
        assert_int_equal(sq_expect_parse(more[i], &e, NULL), 0);
        assert_true(sq_expect_needs_run(e));
        sq_expect_destroy(e);
    }
}

/* That some may fail says nothing of the others: the implied expectation stays. */
static void some_of_the_peers_are_not_all(void **state)
{
    struct sq_expect *e[2] = {NULL};
    struct sq_result *r = NULL;
    (void)state;
    assert_int_equal(sq_result_create(&r), 0);
    assert_int_equal(sq_expect_parse("peers.failed < 9 where group is a", &e[0], NULL), 0);
    assert_int_equal(sq_expect_parse("peers.failed < 9", &e[1], NULL), 0);
    assert_int_equal(sq_expect_judge(e, 1, r), 0);
    assert_int_equal(r->expectation_count, 2);
    assert_string_equal(r->expectations[1].expr, SQ_EXPECT_DEFAULT);
    assert_int_equal(sq_expect_judge(e, 2, r), 0);
    assert_int_equal(r->expectation_count, 2);
    sq_expect_destroy(e[0]);
    sq_expect_destroy(e[1]);
    sq_result_destroy(r);
}

/* What ended the run fails it, as it was then; a starved generator is INVALID all the same. */
static void an_end_before_its_time(void **state)
{
    struct sq_expect *e = NULL;
    struct sq_result *r = NULL;
    (void)state;
    assert_int_equal(sq_result_create(&r), 0);
    assert_int_equal(sq_expect_parse_abort("peers.ok >= 1@3s", &e, NULL), 0);
    struct sq_peer_row *p = sq_result_add_peer(r);
    assert_non_null(p);
    p->outcome = SQ_OUTCOME_OK;
    p->connected = true;
    assert_int_equal(sq_expect_judge(&e, 1, r), 0);
    assert_int_equal(r->exit_code, SQ_EXIT_HELD);
    r->stop = (struct sq_result_stop){.on = true, .after_s = 7, .expectation = 0, .value = 0};
    SQ_RESULT_SET(r->stop.message, "peers.ok is 0, wanted >= 1");
    assert_int_equal(sq_expect_judge(&e, 1, r), 0);
    assert_int_equal(r->exit_code, SQ_EXIT_EXPECTATION);
    assert_int_equal(r->verdict, SQ_VERDICT_FAIL);
    assert_false(r->expectations[0].ok);
    assert_string_equal(r->verdict_reason, "ended after 7 s, when 'peers.ok >= 1@3s' had become "
                                           "hopeless: peers.ok is 0, wanted >= 1");
    r->generator.ok = false;
    assert_int_equal(sq_verdict(r), SQ_EXIT_INVALID);
    r->generator.ok = true;
    r->interrupted = true;
    assert_int_equal(sq_verdict(r), SQ_EXIT_INTERRUPTED);
    sq_expect_destroy(e);
    sq_result_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(taken),
        cmocka_unit_test(refused_with_a_column),
        cmocka_unit_test(what_holds_always_or_never),
        cmocka_unit_test(what_has_no_metric),
        cmocka_unit_test(what_a_plan_has),
        cmocka_unit_test(what_comes_too_late_to_end_a_run),
        cmocka_unit_test(what_needs_a_run),
        cmocka_unit_test(some_of_the_peers_are_not_all),
        cmocka_unit_test(says_who_measures),
        cmocka_unit_test(an_end_before_its_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
