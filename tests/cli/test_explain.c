/* squall explain: every metric is told whole, its example is an expectation that holds water, and a
 * wrong name is refused with a hint. */
#include "base/mem.h"
#include "cli/explain.h"
#include "run/expect.h"
#include "stats/metric_old.h"
#include "stats/metrics.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

/* Without line breaks and indents. */
static char *told(const char *name)
{
    struct sq_buf out = {0};
    char why[SQ_EXPLAIN_WHY_MAX] = "";
    if (sq_explain(name, &out, why) != 0) {
        fail_msg("%s: %s", name, why);
    }
    char *text = sq_buf_take(&out);
    char *to = text;
    for (const char *c = text; *c; c++) {
        char plain = *c == '\n' ? ' ' : *c;
        if (plain != ' ' || to == text || to[-1] != ' ') {
            *to++ = plain;
        }
    }
    *to = '\0';
    return text;
}

static void each_metric_is_told_whole(void **state)
{
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const struct sq_metric *m = sq_metric_get((enum sq_metric_id)id);
        const struct sq_metric_note *note = sq_metric_note((enum sq_metric_id)id);
        const char *unit = sq_metric_unit_text(m->unit);
        char *text = told(m->name);
        const char *const parts[] = {m->name,
                                     m->text,
                                     unit[0] ? unit : "a bare number",
                                     sq_metric_sampling_text(m->sampling),
                                     m->w3c[0] ? m->w3c : "has none",
                                     note->good,
                                     note->example};
        for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++) {
            if (!strstr(text, parts[i])) {
                fail_msg("%s lacks '%s': %s", m->name, parts[i], text);
            }
        }
        sq_free(text);
    }
}

static void each_example_is_an_expectation(void **state)
{
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const struct sq_metric_note *note = sq_metric_note((enum sq_metric_id)id);
        struct sq_expect *e = NULL;
        struct sq_expect_error error = {0};
        if (sq_expect_parse(note->example, &e, &error) != 0) {
            fail_msg("%s: %s", note->example, error.message);
        }
        assert_true(sq_expect_names(e, sq_metric_get((enum sq_metric_id)id)->name));
        sq_expect_destroy(e);
    }
    assert_null(sq_metric_note(SQ_METRIC_COUNT));
}

static void aggregates_are_told(void **state)
{
    static const char *const cases[][2] = {
        {"video.in.loss.p95", ".p95 95 % of the samples are at or below it"},
        {"video.in.loss.p99.9", "99.9 % of the samples"},
        {"video.in.loss.count", "unit a bare number"},
        {"video.in.bitrate.rate", "unit kbit/s, for each second"},
        {"score.min", "the least of all samples"},
        {"peers.ok", "counted once for the run; with % it is the share"},
        {"video.in", "the value is the worst peer's"},
        {"generator.lateness", "the aggregate over all samples (avg"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        char *text = told(cases[i][0]);
        if (!strstr(text, cases[i][1])) {
            fail_msg("%s lacks '%s': %s", cases[i][0], cases[i][1], text);
        }
        sq_free(text);
    }
}

static void wrong_names_are_refused(void **state)
{
    static const char *const cases[][2] = {
        {"video.in.bitrat", "did you mean video.in.bitrate?"},
        {"scor", "no metric is called 'scor'"},
        {"video.in.loss.p0", "'p0' is no aggregate of video.in.loss"},
        {"peers.ok.p95", "it takes no aggregate"},
        {"video.in > 0", "expected the name of a metric"},
        {"", "expected the name of a metric, for example video.in.loss.p95; found ''"},
        {"webrtc/video/packetsLost/in/100th", "'p100' is no aggregate"},
        {"webrtc/video/packetsLost/sideways", "no metric is called"},
        {"concealment", "with it in their names: audio.in.concealment"},
        {"nonsense", "peers, generator, timer, counter; 'squall explain' lists all"},
        {"timer.", "expected the name of a timer"},
        {"webrtc/video/bytes/in/total", "columns of peers.csv, such as video.in.bytes"},
        {"connectionDuration", "a peer stays as long as --hold says"},
        {"data.out.latency", "data.in.latency, and data.rtt there and back"},
        {"nothing.like.it", "expected one that begins with one of audio, video"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sq_buf out = {0};
        char why[SQ_EXPLAIN_WHY_MAX] = "";
        assert_int_equal(sq_explain(cases[i][0], &out, why), SQ_ERR_NOTFOUND);
        if (!strstr(why, cases[i][1])) {
            fail_msg("%s: %s", cases[i][0], why);
        }
        assert_int_equal(out.len, 0);
        sq_buf_free(&out);
    }
}

/* They are of a scenario's own making: what kind of thing they are. */
static void timers_and_counters_are_told(void **state)
{
    char *timer = told("timer.x");
    char *counter = told("counter.x");
    (void)state;
    assert_non_null(strstr(timer, "timer.x what A timer of a scenario's steps"));
    assert_non_null(strstr(timer, "unit ms"));
    assert_non_null(strstr(counter, "counter.x what A counter of a scenario's steps"));
    assert_non_null(strstr(counter, "unit a bare number"));
    sq_free(timer);
    sq_free(counter);
}

static void old_names_lead_to_ours(void **state)
{
    static const char *const cases[][2] = {
        {"video.in.packetloss", "video.in.loss"},
        {"audio.out.roundtrip.p95", "audio.out.rtt.p95"},
        {"webrtc/audio/bitrate/in/avg", "audio.in.bitrate.avg"},
        {"webrtc/video/packetsLost/out/95th", "video.out.loss.p95"},
        {"webrtc/video/frameWidth/in/max", "video.in.width.max"},
        {"webrtc/video/fps/in/5th", "video.in.fps.p5"},
        {"webrtc/audio/connections/in", "audio.in"},
        {"webrtc/audio/rtt/avg", "audio.in.rtt.avg"},
        {"webrtc/audio/jitterBuffer/max", "audio.in.playout.max"},
        {"mos/audio/e-model/avg", "mos.avg"},
    };
    struct sq_metric_old old;
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_int_equal(sq_metric_from_old(sq_view_of(cases[i][0]), &old), 0);
        assert_string_equal(old.name, cases[i][1]);
        char *text = told(cases[i][0]);
        assert_non_null(strstr(text, cases[i][0]));
        assert_non_null(strstr(text, old.whose));
        sq_free(text);
    }
    static const char *const none[] = {"",
                                       "/",
                                       "video.in.loss",
                                       "webrtc/video/bytes/in/avg",
                                       "webrtc/text/bitrate/in/avg",
                                       "packetloss"};
    for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++) {
        assert_int_equal(sq_metric_from_old(sq_view_of(none[i]), &old), SQ_ERR_NOTFOUND);
    }
}

static void all_are_listed(void **state)
{
    struct sq_buf out = {0};
    size_t lines = 0;
    sq_explain_all(&out);
    assert_int_equal(out.err, 0);
    for (size_t i = 0; i < out.len; i++) {
        lines += out.text[i] == '\n';
    }
    assert_int_equal(lines, SQ_METRIC_COUNT);
    /* Whole sentences: neither a bracket nor a colon ends one. */
    assert_non_null(strstr(out.text,
                           " From the first TCP SYN (or equivalent) towards the signalling "
                           "server to the open connection\n"));
    assert_non_null(
        strstr(out.text, " With --reconnect: how long a dropped peer was without media"));
    assert_null(strstr(out.text, " \n"));
    sq_buf_free(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_metric_is_told_whole),
        cmocka_unit_test(each_example_is_an_expectation),
        cmocka_unit_test(aggregates_are_told),
        cmocka_unit_test(wrong_names_are_refused),
        cmocka_unit_test(timers_and_counters_are_told),
        cmocka_unit_test(old_names_lead_to_ours),
        cmocka_unit_test(all_are_listed),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
