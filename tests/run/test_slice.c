/* What expectations ask for beyond the figures of every run, in virtual time, against results
 * worked out by hand. */
#include "base/mem.h"
#include "base/time.h"
#include "run/expect.h"
#include "run/slice.h"
#include "run/watch.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#define SEC   SQ_NS_PER_SEC
#define START (1000 * SEC)
#define PEERS 5
#define RATE  SQ_METRIC_VIDEO_IN_BITRATE
#define LOSS  SQ_METRIC_VIDEO_IN_LOSS

/* Peers 0 to 3 are up one second after the start, half a second after they were due, and have
 * 100 (i + 1) + 10 k kbit/s in second k of theirs, of 9; of 100 packets a second i are lost. 0 and
 * 1 are viewers in a room of their own. 4 fails before it is up. */
struct play {
    struct sq_expect *list[8];
    size_t n;
    struct sq_slices slices;
    struct sq_run_events events;
    struct sq_slice_tally tallies[2]; /* of two shards */
    struct sq_watch *watches[2];
    struct sq_slice_user *users[PEERS];
    struct sq_peer_row rows[PEERS];
    struct sq_result *result;
};

static uint64_t at(double seconds)
{
    return START + (uint64_t)llround(seconds * 1e9);
}

static void make_row(struct sq_peer_row *row, int i)
{
    *row = (struct sq_peer_row){.connected = i < 4, .end_ms = NAN};
    snprintf(row->id, sizeof(row->id), "squall-%d", i);
    snprintf(row->role, sizeof(row->role), "%s", i < 2 ? "viewer" : "publisher");
    snprintf(row->room, sizeof(row->room), "r-%d", i / 2);
    snprintf(row->network, sizeof(row->network), "%s", i % 2 ? "Poor 4G" : "wifi");
    snprintf(row->target, sizeof(row->target), "10.0.0.%d:8188", i % 2);
    for (int s = 0; s < SQ_STAGE_COUNT; s++) {
        row->stage_ms[s] = NAN;
    }
}

static void begin(struct play *p, const char *const *texts, size_t n, bool abort)
{
    memset(p, 0, sizeof(*p));
    for (p->n = 0; p->n < n; p->n++) {
        struct sq_expect_error error = {0};
        int err = abort ? sq_expect_parse_abort(texts[p->n], &p->list[p->n], &error)
                        : sq_expect_parse(texts[p->n], &p->list[p->n], &error);
        if (err) {
            fail_msg("%s: column %zu: %s", texts[p->n], error.column, error.message);
        }
    }
    assert_int_equal(sq_expect_slices(p->list, p->n, &p->slices), 0);
    p->events.start_ns = START;
    for (int k = 0; k < 2; k++) {
        assert_int_equal(sq_slice_tally_init(&p->tallies[k], &p->slices, &p->events), 0);
        assert_int_equal(sq_watch_create(p->list, p->n, &p->tallies[k], &p->watches[k]), 0);
    }
    for (int i = 0; i < PEERS; i++) {
        make_row(&p->rows[i], i);
        assert_int_equal(
            sq_slice_user_create(&p->tallies[i % 2], &p->rows[i], at(0.5), &p->users[i]), 0);
    }
}

static void play_second(struct play *p, int i, int k)
{
    struct sq_slice_tally *t = &p->tallies[i % 2];
    uint64_t from = at(1 + k);
    uint64_t to = at(2 + k);
    double rate = 100 * (i + 1) + 10 * k;
    sq_slices_sample(t, p->users[i], RATE, rate, from, to);
    sq_slices_track(t, p->users[i], RATE, rate / 2, from, to);
    sq_slices_track(t, p->users[i], RATE, rate / 2, from, to);
    sq_slices_part(t, p->users[i], LOSS, i, 100, from, to);
    sq_slices_part(t, p->users[i], SQ_METRIC_VIDEO_IN, k < 4 ? 1 : 2, 0, from, to);
    sq_slices_part(t, p->users[i], SQ_METRIC_VIDEO_IN_NACK, k, 0, from, to);
    sq_slices_second(t, p->users[i], to);
}

static void come_up(struct play *p)
{
    for (int i = 0; i < 4; i++) {
        sq_slice_user_event(p->users[i], SQ_EVENT_JOINED, at(0.75));
        sq_slice_user_event(p->users[i], SQ_EVENT_UP, at(1));
        sq_slices_sample(&p->tallies[i % 2], p->users[i], SQ_METRIC_SETUP_TOTAL, 500 + i, at(1),
                         at(1));
    }
}

static void end_all(struct play *p)
{
    for (int i = 0; i < PEERS; i++) {
        p->rows[i].outcome = i < 4 ? SQ_OUTCOME_OK : SQ_OUTCOME_FAILED;
        p->rows[i].cause = i < 4 ? SQ_FAILURE_NONE : SQ_FAILURE_ICE;
        p->rows[i].end_ms = i < 4 ? 1e4 : 7e3;
        sq_slice_user_event(p->users[i], SQ_EVENT_LEAVING, at(10));
        sq_slices_end(&p->tallies[i % 2], p->users[i], (uint64_t)i, &p->rows[i]);
        sq_watch_end(p->watches[i % 2], p->users[i], &p->rows[i], at(10));
    }
}

static void collect(struct play *p)
{
    assert_int_equal(sq_result_create(&p->result), 0);
    p->result->duration_s = 10;
    p->result->ramped_ms = p->events.ramped_ns ? 4e3 : NAN;
    p->result->draining_ms = p->events.draining_ns ? 9e3 : NAN;
    for (int i = 0; i < PEERS; i++) {
        struct sq_peer_row *row = sq_result_add_peer(p->result);
        assert_non_null(row);
        *row = p->rows[i];
    }
    struct sq_slice_tally *tallies[] = {&p->tallies[0], &p->tallies[1]};
    assert_int_equal(sq_slices_collect(&p->slices, tallies, 2, p->result), 0);
    sq_result_tally(p->result);
}

static void end(struct play *p)
{
    for (int i = 0; i < PEERS; i++) {
        sq_slice_user_destroy(p->users[i]);
    }
    for (int k = 0; k < 2; k++) {
        sq_watch_destroy(p->watches[k]);
        sq_slice_tally_free(&p->tallies[k]);
    }
    for (size_t i = 0; i < p->n; i++) {
        sq_expect_destroy(p->list[i]);
    }
    sq_result_destroy(p->result);
}

/* The whole play, with all of its events. */
static void play(struct play *p)
{
    come_up(p);
    for (int k = 0; k < 9; k++) {
        for (int i = 0; i < 4; i++) {
            if (k == 3) {
                p->events.ramped_ns = at(4);
            }
            if (k == 8) {
                p->events.draining_ns = at(9);
            }
            if (k == 2 || k == 6) { /* in the midst of it */
                sq_slice_user_tag(&p->tallies[i % 2], p->users[i], "muted", at(1.5 + k));
            }
            if (k == 4) {
                sq_slice_user_tag(&p->tallies[i % 2], p->users[i], "unmuted", at(5.5));
            }
            play_second(p, i, k);
        }
    }
    end_all(p);
    collect(p);
}

static void assert_near(const char *text, double value, double wanted, double slack,
                        const char *message)
{
    if (!(fabs(value - wanted) <= slack) && !(isinf(value) && value == wanted)) {
        fail_msg("%s: %.9g is not within %.3g of %.9g: %s", text, value, slack, wanted, message);
    }
}

static const struct {
    const char *text;
    double value;
    bool ok;
} worked_out[] = {
    /* 3 s to 6 s holds seconds 2, 3 and 4: of peer i 100 (i + 1) + 20, 30, 40 */
    {"video.in.bitrate > 250 between 3s and 6s", 280, true},
    {"video.in.bitrate.max < 440 between 3s and 6s", 440, false},
    {"video.in.bitrate.min == 120 between 3s and 6s", 120, true},
    {"video.in.bitrate.count == 12 between 3s and 6s", 12, true},
    {"video.in.bitrate.last >= 140 between 3s and 6s where room is r-0", 240, true},
    /* a second that lies in it in part is left out */
    {"video.in.bitrate.count == 8 between 3500ms and 6s", 8, true},
    {"video.in.bitrate.count == 36 between start and 1m40s", 36, true},
    {"video.in.bitrate.count == 36 between joined and leaving", 36, true},
    {"video.in.bitrate.count == 36 between up and 10s", 36, true},
    {"video.in.bitrate.count == 20 between ramped and end", 20, true},
    {"video.in.bitrate.count == 28 between 2s and draining", 28, true},
    /* muted at 3.5 s, unmuted at 5.5 s, muted again at 7.5 s: seconds 3 and then 7 and 8 */
    {"video.in.bitrate.max == 470 between muted and unmuted where room is r-1", 480, false},
    {"video.in.bitrate.count == 12 between muted and unmuted", 12, true},
    {"video.in.bitrate > 0 between unmuted and muted", 300, true},
    {"setup.total == 501.5 between start and 1s", 501.5, true},
    /* where */
    {"video.in.bitrate < 200 where group is viewer", 190, true},
    {"video.in.bitrate > 380 where group is not viewer", 390, true},
    {"video.in.bitrate > 300 where network is poor-4g", 340, true},
    {"video.in.bitrate == 340 where target is 10.0.0.1", 340, true},
    {"video.in.bitrate == 440 where target is '10.0.0.1:8188' and group is publisher", 440, true},
    {"video.in.bitrate > 0 where group is viewer between 3s and 6s", 180, true},
    {"peers.ok == 2 where group is viewer", 2, true},
    {"peers.failed == 1 where group is publisher", 1, true},
    /* 4 failed after 7 s; of those who were there in the window */
    {"peers.failed == 1 between 6s and 11s", 1, true},
    {"peers.failed == 0 between 7500ms and 9900ms", 0, true},
    {"peers.failed < 21% between 6s and end", 20, true},
    {"peers.failed == 0% between 8s and end", 0, true},
    {"peers.failed == 1 between ramped and end where group is publisher", 1, true},
    {"peers.failed > 33% between ramped and end where group is publisher", 100.0 / 3, true},
    {"peers.dropped == 0 between start and end", 0, true},
    {"peers.failed < 34% where group is publisher", 100.0 / 3, true},
    /* told once a peer: of the window alone. Of 300 packets 3 i were lost */
    {"video.in.loss == 1.5 between 3s and 6s", 1.5, true},
    {"video.in.loss.max < 3% between 3s and 6s", 3, false},
    {"video.in.nack == 9 between 3s and 6s", 9, true},
    {"video.in.nack.total == 36 between 3s and 6s", 36, true},
    {"video.in == 1 between 1s and 4s", 1, true},
    {"video.in == 2 between 1s and 7s", 2, true},
    {"video.in.avg == 2 between 1s and 7s where group is viewer", 2, true},
    /* by peer: 130, 230, 330, 430 in the window; 4 failed and counts against */
    {"video.in.bitrate > 300 for 40% of peers between 3s and 6s", 40, true},
    {"video.in.bitrate > 300 for 50% of peers between 3s and 6s where group is publisher",
     200.0 / 3, true},
    {"video.in.bitrate.max >= 280 for 60% of peers", 60, true},
    {"video.in.bitrate.min >= 200 and video.in.loss >= 2 for 40% of peers between 2s and 9s", 40,
     true},
    {"video.in.bitrate.count == 9 for 80% of peers", 80, true},
    {"video.in.bitrate.stddev < 25.9 for 80% of peers", 80, true}, /* 10 * sqrt(60 / 9) */
    {"video.in.bitrate.stddev < 25.8 for 80% of peers", 0, false},
    {"video.in.bitrate.rstddev < 11% for 60% of peers", 60, true}, /* 18.4, 10.8, 7.6, 5.9 */
    {"video.in.bitrate.last == 280 for 20% of peers", 20, true},
    {"video.in.loss < 2 for 40% of peers between 3s and 6s", 40, true},
    /* tracks: half of it each */
    {"video.in.track.bitrate.max == 240", 240, true},
    {"video.in.channel.bitrate.count == 72", 72, true},
    {"video.in.track.bitrate > 110 for 60% of peers", 60, true},
    /* 250 is reached by 1 in second 5, whose end is 6.5 s after it was due; by 2 and 3 at once,
     * 1.5 s after; never by 0 and 4. In order: 1.5, 1.5, 6.5, never, never */
    {"time(video.in.bitrate >= 250).min <= 1.5s", 1500, true},
    {"time(video.in.bitrate >= 250k).p50 < 7s", 6500, true},
    {"time(video.in.bitrate >= 0.25M).p(60) < 6s", 6500, false},
    {"time(video.in.bitrate >= 250).p95 < 100s", INFINITY, false},
    {"time(video.in.bitrate >= 250) < 100s", INFINITY, false},
    {"time(video.in.bitrate >= 250).count == 3", 3, true},
    {"time(video.in.bitrate >= 250).max < 9s where room is r-0", INFINITY, false},
    {"time(video.in.bitrate >= 250).max < 2s where room is r-1", 1500, true},
    {"time(video.in.bitrate >= 250) < 2s for 40% of peers", 40, true},
    {"time(video.in.bitrate >= 250) < 7s for 60% of peers", 60, true},
    {"time(video.in.bitrate >= 250).p95 < 7s for 60% of peers", 60, true},
    {"time(video.in.bitrate >= 250) < 2s and video.in.bitrate.max > 400 for 20% of peers", 20,
     true},
};

static void worked_out_by_hand(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof(worked_out) / sizeof(worked_out[0]); i++) {
        struct play p;
        struct sq_expectation out = {0};
        begin(&p, &worked_out[i].text, 1, false);
        play(&p);
        sq_expect_eval(p.list[0], p.result, &out);
        assert_near(worked_out[i].text, out.value, worked_out[i].value,
                    0.008 * worked_out[i].value + 1e-9, out.message);
        if (out.ok != worked_out[i].ok) {
            fail_msg("%s: ok %d: %g %s: %s", worked_out[i].text, out.ok, out.value, out.unit,
                     out.message);
        }
        end(&p);
    }
}

/* A percentile of one peer: of 100 samples 1 to 100 kbit/s, within the bound of a small histogram.
 */
static void a_percentile_of_each_peer(void **state)
{
    (void)state;
    static const char *const texts[] = {"video.in.bitrate.p95 >= 95 for 20% of peers",
                                        "video.in.bitrate.p50 >= 48 for 20% of peers",
                                        "video.in.bitrate.p50 > 52 for 20% of peers",
                                        "video.in.bitrate.p99.9 == 100 for 20% of peers"};
    static const bool ok[] = {true, true, false, true};
    struct play p;
    begin(&p, texts, 4, false);
    sq_slice_user_event(p.users[2], SQ_EVENT_UP, at(1));
    for (int k = 0; k < 100; k++) {
        sq_slices_sample(&p.tallies[0], p.users[2], RATE, 1 + (k * 37) % 100, at(1 + k), at(2 + k));
    }
    for (int i = 0; i < PEERS; i++) { /* nobody else counts: they failed */
        p.rows[i].outcome = i == 2 ? SQ_OUTCOME_OK : SQ_OUTCOME_FAILED;
        sq_slices_end(&p.tallies[i % 2], p.users[i], (uint64_t)i, &p.rows[i]);
    }
    collect(&p);
    for (size_t i = 0; i < p.n; i++) {
        struct sq_expectation out = {0};
        sq_expect_eval(p.list[i], p.result, &out);
        if (out.ok != ok[i]) {
            fail_msg("%s: %g: %s", texts[i], out.value, out.message);
        }
    }
    end(&p);
}

static void no_sample_says_why(void **state)
{
    static const char *const cases[][2] = {
        {"video.in.bitrate > 0 between 20s and 30s", "no sample: the run was over before 20s"},
        {"video.in.bitrate > 0 between left and end", "no sample: 'left' did not come"},
        {"video.in.bitrate > 0 for 1% of peers between left and end",
         "no sample: 'left' did not come"},
        {"video.in.loss < 1 between left and end", "no sample: 'left' did not come"},
        {"video.in > 0 between left and end", "no sample: 'left' did not come"},
        {"video.in.fps > 0 between 1s and 2s",
         "no sample: nothing measured video.in.fps between 1s and 2s"},
        {"video.in.bitrate > 0 between muted and 4s where room is r-1",
         "no sample: nothing measured video.in.bitrate between muted and 4s"},
        {"time(video.in.fps > 3) < 3s where group is viewer",
         "no sample: nothing measured time(video.in.fps > 3 frames/s)"},
        {"peers.failed == 0 between 20s and 30s", "no sample: the run was over before 20s"},
        {"video.in.bitrate > 0 where group is ghost",
         "no peer: group is 'ghost' is true of none that came"},
        {"peers.failed == 0 where group is ghost",
         "no peer: group is 'ghost' is true of none that came"},
        {"video.in.bitrate > 0 for 1% of peers where room is not r-0 and network is x",
         "no peer: room is not 'r-0' and network is 'x' is true of none that came"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct play p;
        struct sq_expectation out = {0};
        begin(&p, &cases[i][0], 1, false);
        play(&p);
        sq_expect_eval(p.list[0], p.result, &out);
        if (out.ok || !isnan(out.value) || strcmp(out.message, cases[i][1]) != 0) {
            fail_msg("%s: %d %g: %s", cases[i][0], out.ok, out.value, out.message);
        }
        end(&p);
    }
}

static void names_of_figures_stand_in_messages(void **state)
{
    static const char *const texts[] = {
        "time(video.in.bitrate >= 250).p95 < 3s",
        "video.in.track.bitrate.max < 200",
        "time(video.in.bitrate >= 50M) < 3s for 95% of peers",
    };
    static const char *const messages[] = {
        ("time(video.in.bitrate >= 250 kbit/s).p95 is never, wanted < 3000 ms; 2 peers never got "
         "there"),
        "video.in.track.bitrate.max is 240 kbit/s, wanted < 200 kbit/s",
        "holds for 0 of 5 peers (0 %), wanted 95 %",
    };
    struct play p;
    (void)state;
    begin(&p, texts, 3, false);
    play(&p);
    for (size_t i = 0; i < 3; i++) {
        struct sq_expectation out = {0};
        sq_expect_eval(p.list[i], p.result, &out);
        assert_string_equal(out.message, messages[i]);
    }
    end(&p);
}

/* Only what an expectation names is kept, and the same once. */
static void as_little_as_is_asked_for(void **state)
{
    static const char *const texts[] = {
        "video.in.bitrate > 3 and video.in.fps > 20",
        "video.in.loss.p95 < 3 and peers.ok > 3",
        "setup.total < 3s for 95% of peers",
        "video.in > 0",
        "video.in.bitrate > 3 between 1s and 2s",
        "video.in.bitrate.p95 > 3 or video.in.bitrate < 9 between 1s and 2s else warn",
    };
    struct play p;
    (void)state;
    begin(&p, texts, 4, false);
    assert_int_equal(p.slices.n, 0);
    assert_null(p.users[0]); /* nothing is kept of a peer either */
    play_second(&p, 0, 0);
    end(&p);
    begin(&p, texts, 6, false);
    assert_int_equal(p.slices.n, 1);
    assert_int_equal(p.slices.celled, 0);
    end(&p);
}

static void there_are_maxima(void **state)
{
    (void)state;
    struct sq_slices slices = {.n = 0};
    struct sq_slice s = {.metric = RATE, .window = {.on = true, .to.kind = SQ_EVENT_DRAINING}};
    for (uint64_t i = 0; i < SQ_SLICES_MAX; i++) {
        s.window.from.after_ns = i;
        assert_int_equal(sq_slices_add(&slices, &s), 0);
    }
    assert_int_equal(sq_slices_add(&slices, &s), 0); /* the same again */
    s.window.from.after_ns = SQ_SLICES_MAX;
    assert_int_equal(sq_slices_add(&slices, &s), SQ_ERR_NOSPACE);
    slices.n = 0;
    s.window.from.kind = SQ_EVENT_TAG;
    for (int i = 0; i <= SQ_TAGS_MAX; i++) {
        snprintf(s.window.from.name, sizeof(s.window.from.name), "tag%d", i);
        assert_int_equal(sq_slices_add(&slices, &s), i < SQ_TAGS_MAX ? 0 : SQ_ERR_NOSPACE);
    }
}

/* ---- While it runs ---- */

static bool judged(struct play *p, double after_s, struct sq_result_stop *stop)
{
    *stop = (struct sq_result_stop){.on = false};
    for (int i = 0; i < PEERS; i++) {
        if (isnan(p->rows[i].end_ms)) {
            sq_watch_user(p->watches[i % 2], p->users[i], &p->rows[i], at(after_s));
        }
    }
    sq_watch_second(p->watches[0]);
    sq_watch_second(p->watches[1]);
    return sq_watch_judge(p->watches, 2, after_s, 0, stop);
}

/* Judged from its delay on, on what there is by then, peers that are there included. */
static void hopeless_after(const char *text, double wanted_s, double value)
{
    struct play p;
    struct sq_result_stop stop;
    double stopped_s = 0;
    begin(&p, &text, 1, true);
    assert_false(judged(&p, 1, &stop)); /* nothing was measured yet */
    come_up(&p);
    for (int k = 0; k < 9 && stopped_s == 0; k++) {
        for (int i = 0; i < 4; i++) {
            play_second(&p, i, k);
        }
        if (k == 5) {
            p.rows[4].outcome = SQ_OUTCOME_FAILED;
            p.rows[4].end_ms = 6500;
            sq_slice_user_event(p.users[4], SQ_EVENT_LEAVING, at(6.5));
            sq_slices_end(&p.tallies[0], p.users[4], 4, &p.rows[4]);
            sq_watch_end(p.watches[0], p.users[4], &p.rows[4], at(6.5));
        }
        stopped_s = judged(&p, 2 + k, &stop) ? 2 + k : 0;
    }
    if (stopped_s != wanted_s) {
        fail_msg("%s: ended after %g s, expected %g: %s", text, stopped_s, wanted_s, stop.message);
    }
    if (wanted_s > 0) {
        assert_true(stop.on && stop.after_s == wanted_s && stop.expectation == 0);
        assert_near(text, stop.value, value, 0.009 * fabs(value), stop.message);
    }
    end(&p);
}

static void ends_when_hopeless(void **state)
{
    (void)state;
    hopeless_after("video.in.bitrate > 500", 5, 265); /* seconds 0 to 3 */
    hopeless_after("video.in.bitrate > 500@2s", 2, 250);
    hopeless_after("video.in.bitrate > 500@1m", 0, 0);
    hopeless_after("video.in.bitrate > 200", 0, 0);
    hopeless_after("video.in.bitrate.max < 450@1s", 7, 450); /* second 5 of peer 3 */
    hopeless_after("video.in.bitrate > 300 where group is viewer @3s", 3, 155);
    hopeless_after("video.in.bitrate > 500 between 3s and 6s @1s", 4,
                   270);                              /* not before it opens */
    hopeless_after("video.in.loss.p50 < 1@4s", 4, 1); /* of peers that are there */
    hopeless_after("video.in.loss < 5", 0, 0);
    hopeless_after("video.in == 1@2s", 6, 2); /* every peer by itself */
    hopeless_after("video.in.bitrate > 250 for 60% of peers @2s", 2, 50);
    hopeless_after("video.in.bitrate > 250 for 50% of peers @2s", 7, 40); /* one failed */
    hopeless_after("peers.failed == 0@1s", 7, 1);
    hopeless_after("peers.ok == 5@1s", 7, 4);
    hopeless_after("peers.ok >= 90%@1s", 7, 80);
    hopeless_after("peers.failed == 0 where group is viewer @1s", 0, 0);
    /* Who did not get there yet has taken so long at least: 0 alone, and 4 once it failed. */
    hopeless_after("time(video.in.bitrate >= 250).max < 6s@1s", 7, INFINITY);
    hopeless_after("time(video.in.bitrate >= 250) < 6s for 70% of peers @1s", 7, 40);
    hopeless_after("video.in.fps > 3@1s", 0, 0); /* without a sample nothing is known */
    hopeless_after("video.in.bitrate > 100 and video.in.loss.max < 2@3s", 3, 3);
}

/* Who has not begun may be ok yet. */
static void those_to_come_count(void **state)
{
    static const char *const text = "peers.ok >= 9@1s";
    struct play p;
    struct sq_result_stop stop;
    (void)state;
    begin(&p, &text, 1, true);
    assert_true(judged(&p, 2, &stop)); /* 5 of 9 */
    assert_false(sq_watch_judge(p.watches, 2, 2, 4, &stop));
    assert_true(sq_watch_judge(p.watches, 2, 2, 3, &stop));
    end(&p);
}

static void without_memory_nothing_breaks(void **state)
{
    static const char *const texts[] = {"video.in.bitrate.p95 > 500 for 5% of peers",
                                        "video.in.bitrate > 1 between 1s and 2s",
                                        "time(video.in.bitrate > 3) < 3s"};
    (void)state;
    for (size_t nth = 1;; nth++) {
        struct play p;
        struct sq_slice_tally t;
        struct sq_slice_user *user = NULL;
        struct sq_watch *watch = NULL;
        struct sq_result_stop stop = {.on = false};
        begin(&p, texts, 3, true);
        sq_mem_fail_at(nth);
        int err = sq_slice_tally_init(&t, &p.slices, &p.events);
        err = err ? err : sq_slice_user_create(&t, &p.rows[0], at(0), &user);
        err = err ? err : sq_watch_create(p.list, p.n, &t, &watch);
        if (!err) {
            sq_slices_sample(&t, user, RATE, 5, at(1), at(2));
            sq_slices_second(&t, user, at(2));
            sq_watch_user(watch, user, &p.rows[0], at(2));
            sq_watch_second(watch);
            (void)sq_watch_judge(&watch, 1, 9, 0, &stop);
            sq_slices_end(&t, user, 0, &p.rows[0]);
        }
        bool done = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        sq_slice_user_destroy(user);
        sq_watch_destroy(watch);
        sq_slice_tally_free(&t);
        end(&p);
        if (done) {
            assert_true(stop.on);
            break;
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(worked_out_by_hand),
        cmocka_unit_test(a_percentile_of_each_peer),
        cmocka_unit_test(no_sample_says_why),
        cmocka_unit_test(names_of_figures_stand_in_messages),
        cmocka_unit_test(as_little_as_is_asked_for),
        cmocka_unit_test(there_are_maxima),
        cmocka_unit_test(ends_when_hopeless),
        cmocka_unit_test(those_to_come_count),
        cmocka_unit_test(without_memory_nothing_breaks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
