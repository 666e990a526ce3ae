#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "run/expect.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

static void assert_near(double value, double wanted, double slack)
{
    if (!(fabs(value - wanted) <= slack)) {
        fail_msg("%.9g is not within %.3g of %.9g", value, slack, wanted);
    }
}

/* Ten peers: 0 to 7 are ok and get audio 40 + i kbit/s and video; 8 fails in ICE, 9 is pending.
 * Peers 0 and 1 send. */
static struct sq_result *ten_peers(void)
{
    struct sq_result *r = NULL;
    assert_int_equal(sq_result_create(&r), 0);
    r->duration_s = 10;
    r->counts.planned = 10;
    struct sq_metric_row *rate = sq_result_add_metric(r, SQ_METRIC_AUDIO_IN_BITRATE);
    struct sq_metric_row *total = sq_result_add_metric(r, SQ_METRIC_SETUP_TOTAL);
    assert_non_null(rate);
    assert_non_null(total);
    for (int i = 0; i < 10; i++) {
        struct sq_peer_row *p = sq_result_add_peer(r);
        assert_non_null(p);
        snprintf(p->id, sizeof(p->id), "peer-%d", i);
        if (i >= 8) {
            p->outcome = i == 8 ? SQ_OUTCOME_FAILED : SQ_OUTCOME_PENDING;
            p->cause = i == 8 ? SQ_FAILURE_ICE : SQ_FAILURE_NONE;
            SQ_RESULT_SET(p->message, i == 8 ? "no pair answered" : "");
            continue;
        }
        p->outcome = SQ_OUTCOME_OK;
        p->connected = true;
        p->flow[SQ_FLOW_AUDIO_IN].tracks = 1;
        p->flow[SQ_FLOW_AUDIO_IN].bitrate_kbps = 40 + i;
        p->flow[SQ_FLOW_VIDEO_IN].tracks = i == 7 ? 0 : 2;
        p->flow[SQ_FLOW_AUDIO_OUT].tracks = i < 2;
        p->flow[SQ_FLOW_AUDIO_OUT].bitrate_kbps = i < 2 ? 32 : NAN;
        p->stage_ms[SQ_STAGE_TOTAL] = 100 * (i + 1);
        sq_metric_record(rate->hist, SQ_METRIC_AUDIO_IN_BITRATE, 40 + i);
        sq_metric_record(total->hist, SQ_METRIC_SETUP_TOTAL, 100 * (i + 1));
        rate->last = 40 + i;
    }
    sq_result_tally(r);
    return r;
}

static struct sq_expectation judge(const struct sq_result *r, const char *text)
{
    struct sq_expect *e = NULL;
    struct sq_expect_error error = {0};
    struct sq_expectation out = {0};
    if (sq_expect_parse(text, &e, &error) != 0) {
        fail_msg("%s: column %zu: %s", text, error.column, error.message);
    }
    assert_string_equal(sq_expect_text(e), text);
    sq_expect_eval(e, r, &out);
    sq_expect_destroy(e);
    return out;
}

static void values(void **state)
{
    static const struct {
        const char *text;
        double value;
        const char *unit;
        bool ok;
    } cases[] = {
        {"audio.in.bitrate > 40", 43.5, "kbit/s", true}, /* the average, as testRTC has it */
        {"audio.in.bitrate.avg > 43.5", 43.5, "kbit/s", false},
        {"audio.in.bitrate.min >= 40", 40, "kbit/s", true},
        {"audio.in.bitrate.max <= 47", 47, "kbit/s", true},
        {"audio.in.bitrate.count == 8", 8, "", true},
        {"audio.in.bitrate.last == 47", 47, "kbit/s", true},
        {"audio.in.bitrate>0.04M", 43.5, "kbit/s", true},
        {"audio.in.bitrate > 43k", 43.5, "kbit/s", true},
        {"audio.in.bitrate > 43 kbit/s", 43.5, "kbit/s", true},
        {"setup.total < 1s", 450, "ms", true},
        {"setup.total.max < 0.5s", 800, "ms", false},
        {"setup.total.p50 < 500ms", 400, "ms", true},
        /* worked out by hand: 3600 ms in 10 s; 100 * sqrt((8^2 - 1) / 12); the 8th of 8 */
        {"setup.total.rate < 361", 360, "ms/s", true},
        {"setup.total.stddev < 229", 229.129, "ms", false},
        {"setup.total.p99.9 <= 799ms", 800, "ms", false},
        {"peers.ok == 8", 8, "", true},
        {"peers.ok >= 80%", 80, "%", true},
        {"peers.failed < 10%", 10, "%", false},
        {"peers.failed != 1", 1, "", false},
        {"peers.dropped == 0", 0, "", true},
        /* the number of channels: each connected peer by itself, as testRTC judges each probe */
        {"audio.in > 0", 1, "", true},
        {"video.in > 0", 0, "", false},
        {"video.in <= 2", 2, "", true},
        {"video.in == 2", 0, "", false},
        /* shares of peers: 8 has failed and counts against, 9 is pending and does not count */
        {"audio.in.bitrate >= 42 for 60% of peers", 100.0 * 6 / 9, "% of peers", true},
        {"audio.in.bitrate >= 42 for 70 % of peers", 100.0 * 6 / 9, "% of peers", false},
        {"setup.total < 450 ms for 40% of peers", 100.0 * 4 / 9, "% of peers", true},
        {"audio.out.bitrate > 30 for 60% of peers", 100.0 * 2 / 3, "% of peers", true},
        {"video.in > 0 for 75% of peers", 100.0 * 7 / 9, "% of peers", true},
        {"video.in == 0 or audio.in.bitrate < 42 for 30% of peers", 100.0 * 3 / 9, "% of peers",
         true},
        /* and, or, brackets: the value of the term that decided */
        {"peers.ok == 8 and audio.in.bitrate > 100", 43.5, "kbit/s", false},
        {"peers.ok == 7 or audio.in.bitrate > 40", 43.5, "kbit/s", true},
        {"peers.ok == 7 and audio.in > 0 or peers.failed == 1", 1, "", true},
        {"peers.ok == 7 and (audio.in > 0 or peers.failed == 1)", 8, "", false},
    };
    struct sq_result *r = ten_peers();
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sq_expectation e = judge(r, cases[i].text);
        if (e.ok != cases[i].ok || strcmp(e.unit, cases[i].unit) != 0) {
            fail_msg("%s: ok %d, %g %s: %s", cases[i].text, e.ok, e.value, e.unit, e.message);
        }
        assert_near(e.value, cases[i].value, 0.01 * cases[i].value);
        assert_int_equal(e.level, SQ_LEVEL_ERROR);
    }
    sq_result_destroy(r);
}

/* 1,990 of 2,000 samples are 10 ms, eight are 100 and two are 1,000, so that the aggregates of the
 * upper end lie apart: p99 is the 1,980th, p99.9 the 1,998th. */
static void the_upper_end_of_many(void **state)
{
    (void)state;
    struct sq_result *r = NULL;
    assert_int_equal(sq_result_create(&r), 0);
    r->duration_s = 10;
    struct sq_metric_row *total = sq_result_add_metric(r, SQ_METRIC_SETUP_TOTAL);
    assert_non_null(total);
    for (int i = 0; i < 2000; i++) {
        sq_metric_record(total->hist, SQ_METRIC_SETUP_TOTAL, i < 1990 ? 10 : i < 1998 ? 100 : 1000);
    }
    const struct {
        const char *text;
        double value, slack; /* 0.8 % of a quantile (stats/hist.h); the others are exact */
    } cases[] = {
        {"setup.total.p99 < 1", 10, 0.08},
        {"setup.total.p99.9 < 1", 100, 0.8},
        {"setup.total.p(99.9) < 1", 100, 0.8},
        {"setup.total.max < 1", 1000, 1e-9},
        {"setup.total.avg < 1", 11.35, 1e-9},
        {"setup.total.rate < 1", 2270, 1e-9},
        /* sqrt((1990 * 10^2 + 8 * 100^2 + 2 * 1000^2) / 2000 - 11.35^2) */
        {"setup.total.stddev < 1", 31.7911544301, 1e-6},
        {"setup.total.rstddev < 1", 280.0982769169, 1e-5},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        assert_near(judge(r, cases[i].text).value, cases[i].value, cases[i].slack);
    }
    sq_result_destroy(r);
}

static void no_sample_never_passes(void **state)
{
    static const char *const texts[] = {
        "video.in.loss < 5",
        "video.in.loss >= 0",
        "video.in.loss != 3",
        "video.in.loss == 0",
        "video.in.loss.max < 5",
        "video.in.loss.rate < 5",
        "video.in.loss.last < 5",
        "video.in.rtt < 5 or video.in.loss < 5",
        "peers.ok == 8 and video.in.loss < 5",
        "video.in.loss < 5 for 1% of peers",
        "generator.lateness < 5",
    };
    struct sq_result *r = ten_peers();
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        struct sq_expectation e = judge(r, texts[i]);
        assert_false(e.ok);
        assert_true(isnan(e.value));
        assert_true(strncmp(e.message, "no sample", 9) == 0);
    }
    sq_result_destroy(r);
    assert_int_equal(sq_result_create(&r), 0);
    assert_false(judge(r, "peers.failed == 0").ok); /* nobody was started */
    assert_false(judge(r, "peers.failed < 1%").ok);
    assert_false(judge(r, "video.in > 0").ok);
    assert_false(judge(r, "video.in < 1").ok);
    sq_result_destroy(r);
}

/* A viewer that agreed on video and got none does not see it; one that agreed on none is left out,
 * and told. */
static void nothing_came(void **state)
{
    struct sq_result *r = ten_peers();
    r->peers[7].flow[SQ_FLOW_VIDEO_IN].agreed = true;
    for (int i = 0; i < 7; i++) {
        struct sq_flow_totals *video = &r->peers[i].flow[SQ_FLOW_VIDEO_IN];
        video->agreed = i < 5;
        video->tracks = i < 5;
        video->bitrate_kbps = video->fps = i < 5 ? 30 : NAN;
        video->loss_percent = i < 5 ? 0 : NAN;
    }
    struct sq_expectation e = judge(r, "video.in.fps > 20 for 100% of peers");
    assert_false(e.ok);
    assert_near(e.value, 100.0 * 5 / 7, 0.01);
    assert_string_equal(e.message,
                        "holds for 5 of 7 peers (71.43 %), wanted 100 %; 1 failed before "
                        "they had a value; 2 more had nothing to be judged by");
    assert_near(judge(r, "video.in.bitrate == 0 for 1% of peers").value, 100.0 / 7, 0.01);
    assert_near(judge(r, "video.in.loss < 5 for 100% of peers").value, 100.0 * 5 / 7, 0.01);
    assert_near(judge(r, "video.in.loss < 5 or video.in.bitrate == 0 for 50% of peers").value,
                100.0 * 6 / 7, 0.01);
    sq_result_destroy(r);
}

static void levels(void **state)
{
    struct sq_result *r = ten_peers();
    assert_int_equal(judge(r, "peers.ok > 9 else warn").level, SQ_LEVEL_WARN);
    assert_int_equal(judge(r, "audio.in > 0 for 95% of peers else warn").level, SQ_LEVEL_WARN);
    assert_int_equal(judge(r, "peers.ok > 9 else error").level, SQ_LEVEL_ERROR);
    assert_string_equal(judge(r, "setup.total.max < 500ms").message,
                        "setup.total.max is 800 ms, wanted < 500 ms");
    /* Every term that held, or every one that did not. */
    assert_string_equal(
        judge(r, "peers.ok == 8 and setup.total.max < 2s").message,
        "peers.ok is 8, as wanted: == 8; setup.total.max is 800 ms, as wanted: < 2000 ms");
    assert_string_equal(
        judge(r, "peers.ok > 8 and setup.total.max < 2s and peers.failed < 1").message,
        "peers.ok is 8, wanted > 8; peers.failed is 1, wanted < 1");
    assert_string_equal(judge(r, "peers.ok > 8 or setup.total.max < 2s").message,
                        "setup.total.max is 800 ms, as wanted: < 2000 ms");
    assert_non_null(strstr(judge(r, "setup.total.rate < 0").message, " ms/s, wanted < 0 ms/s"));
    assert_string_equal(judge(r, "setup.total.rate < 0").unit, "ms/s");
    assert_string_equal(judge(r, "peers.ok > 8 or video.in.loss < 2").message,
                        "peers.ok is 8, wanted > 8; no sample: nothing measured video.in.loss");
    assert_int_equal(judge(r, "peers.ok == 8 and peers.failed == 1").terms, 2);
    assert_int_equal(judge(r, "peers.ok == 8").terms, 1);
    struct sq_expectation many =
        judge(r, "setup.total.max < 2s and setup.total.max < 3s and setup.total.max < 4s and "
                 "setup.total.max < 5s and setup.total.max < 6s and setup.total.max < 7s");
    assert_true(strlen(many.message) < sizeof(many.message) - 1); /* cut between two terms */
    assert_string_equal(many.message + strlen(many.message) - strlen("; …"), "; …");
    assert_string_equal(judge(r, "audio.in.bitrate >= 42 for 60% of peers").message,
                        "holds for 6 of 9 peers (66.67 %), wanted 60 %; 1 failed before they had "
                        "a value");
    sq_result_destroy(r);
}

static void errors_have_a_column(void **state)
{
    static const struct {
        const char *text;
        size_t column;
        const char *part;
        int err;
    } cases[] = {
        {"", 1, "expected a metric", SQ_ERR_FORMAT},
        {"   ", 4, "found the end", SQ_ERR_FORMAT},
        {"> 3", 1, "found '>'", SQ_ERR_FORMAT},
        {"video.in.bitrat > 3", 1, "did you mean video.in.bitrate?", SQ_ERR_FORMAT},
        {"peers.ok > 1 and vdeo.in.loss < 1", 18, "did you mean video.in.loss?", SQ_ERR_FORMAT},
        {"setup.total.p100 < 3", 13, "no aggregate of setup.total", SQ_ERR_FORMAT},
        {"video.in.loss.sum < 3", 15, "'sum' is no aggregate of video.in.loss", SQ_ERR_FORMAT},
        {"setup.total.med < 3", 13, "'med' is no aggregate of setup.total", SQ_ERR_FORMAT},
        {"video.in.loss.p0 < 3", 15, "'p0' is no aggregate of video.in.loss", SQ_ERR_FORMAT},
        {"video.in.los < 3", 1, "did you mean video.in.loss?", SQ_ERR_FORMAT},
        {"nonsense < 3", 1, "expected one that begins with one of audio, video", SQ_ERR_FORMAT},
        {"video.in.bitrate", 17, "expected == != < <= > or >=; found the end", SQ_ERR_FORMAT},
        {"video.in.bitrate = 3", 18, "equal is written ==", SQ_ERR_FORMAT},
        {"video.in.bitrate > ", 20, "expected a number", SQ_ERR_FORMAT},
        {"video.in.bitrate > x", 20, "found 'x'", SQ_ERR_FORMAT},
        {"video.in.bitrate > 1.2.3", 20, "found '1.2.3'", SQ_ERR_FORMAT},
        {"video.in.bitrate > nan", 20, "expected a number", SQ_ERR_FORMAT},
        {"video.in.bitrate > 0x10", 21, "is no unit", SQ_ERR_FORMAT},
        {"video.in.bitrate > 3 ms", 22, "does not fit video.in.bitrate, which is in kbit/s",
         SQ_ERR_FORMAT},
        {"setup.total < 3%", 16, "does not fit setup.total, which is in ms", SQ_ERR_FORMAT},
        {"setup.total.count > 3 ms", 23, "a bare number", SQ_ERR_FORMAT},
        {"video.in > 3%", 13, "a bare number", SQ_ERR_FORMAT},
        {"video.in > 3 for", 17, "expected a number", SQ_ERR_FORMAT},
        {"video.in > 3 for 120% of peers", 18, "up to 100", SQ_ERR_FORMAT},
        {"video.in > 3 for 90 of peers", 21, "expected '%'", SQ_ERR_FORMAT},
        {"video.in > 3 for 90% of cats", 25, "expected 'of peers'; found 'cats'", SQ_ERR_FORMAT},
        {"peers.ok > 3 for 90% of peers", 1, "one figure of the whole run", SQ_ERR_FORMAT},
        {"setup.total.p95 > 3 for 90% of peers", 1, ".p95 of one peer", SQ_ERR_UNSUPPORTED},
        {"video.in > 3 between join", 26, "expected 'and', as in 'between 10s and 20s'",
         SQ_ERR_FORMAT},
        {"data.in.los < 1", 1, "did you mean data.in.loss?", SQ_ERR_FORMAT},
        {"data.in.nothing < 1", 1, "no metric is called", SQ_ERR_FORMAT},
        {"peers.ok.rate >= 5", 10, "peers.ok is one number", SQ_ERR_FORMAT},
        {"peers.failed.p95 < 3", 14, "it takes no aggregate", SQ_ERR_FORMAT},
        {"generator.drops.rate < 1", 17, "it takes no aggregate", SQ_ERR_FORMAT},
        {"sip.pdd < 1s", 1, "sip.pdd is not measured by this version", SQ_ERR_UNSUPPORTED},
        {"score > 7 ms", 11, "the unit ms does not fit score, which is in points", SQ_ERR_FORMAT},
        {"video.in.codec == 0", 1, "not measured by this version", SQ_ERR_UNSUPPORTED},
        {"video.in > 3 else cry", 19, "expected 'warn' or 'error'; found 'cry'", SQ_ERR_FORMAT},
        {"video.in > 3 else warn again", 24, "or the end; found 'again'", SQ_ERR_FORMAT},
        {"(video.in > 3", 14, "expected ')'", SQ_ERR_FORMAT},
        {"video.in > 3)", 13, "found ')'", SQ_ERR_FORMAT},
        {"video.in > 3 and", 17, "expected a metric", SQ_ERR_FORMAT},
        {"é > 3", 1, "found 'é'", SQ_ERR_FORMAT},
        {"video.in > é", 12, "found 'é'", SQ_ERR_FORMAT},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sq_expect *e = NULL;
        struct sq_expect_error error = {0};
        int err = sq_expect_parse(cases[i].text, &e, &error);
        if (err != cases[i].err || error.column != cases[i].column ||
            !strstr(error.message, cases[i].part)) {
            fail_msg("%s: %d, column %zu: %s", cases[i].text, err, error.column, error.message);
        }
        assert_null(e);
        assert_int_equal(sq_expect_parse(cases[i].text, &e, NULL), cases[i].err);
    }
}

/* A failed peer has its figures like any other, and one that has none is left out. */
static void score_and_mos(void **state)
{
    struct sq_result *r = ten_peers();
    struct sq_metric_row *score = sq_result_add_metric(r, SQ_METRIC_SCORE);
    struct sq_metric_row *mos = sq_result_add_metric(r, SQ_METRIC_MOS);
    for (int i = 0; i < 9; i++) {
        r->peers[i].score.score = i == 8 ? 0 : 9 - i * 0.25;
        r->peers[i].mos = i == 8 ? 1 : i == 7 ? NAN : 4.25;
        sq_metric_record(score->hist, SQ_METRIC_SCORE, r->peers[i].score.score);
        sq_metric_record(mos->hist, SQ_METRIC_MOS, r->peers[i].mos);
    }
    struct sq_expectation out = judge(r, "score >= 7.2");
    assert_near(out.value, (8 * 9 - 7) / 9.0, 1e-9);
    assert_string_equal(out.unit, "points");
    assert_true(out.ok);
    assert_true(judge(r, "score.min == 0 points and mos.min == 1 MOS").ok);
    out = judge(r, "score >= 8 for 50% of peers");
    assert_near(out.value, 100 * 5 / 9.0, 1e-9);
    assert_true(out.ok);
    out = judge(r, "mos > 4 for 95% of peers");
    assert_near(out.value, 100 * 7 / 8.0, 1e-9);
    assert_false(out.ok);
    sq_result_destroy(r);
    r = ten_peers(); /* video alone */
    out = judge(r, "mos > 1");
    assert_false(out.ok);
    assert_non_null(strstr(out.message, "no sample"));
    sq_result_destroy(r);
}

static void aliases_of_testrtc(void **state)
{
    struct sq_expect *e = NULL;
    assert_int_equal(sq_expect_parse("audio.in.packetloss.max < 2%", &e, NULL), 0);
    assert_true(sq_expect_names(e, "audio.in.loss"));
    assert_false(sq_expect_names(e, "audio.in"));
    sq_expect_destroy(e);
    assert_int_equal(sq_expect_parse("video.out.roundtrip < 200", &e, NULL), 0);
    assert_true(sq_expect_names(e, "video.out.rtt"));
    sq_expect_destroy(e);
}

/* Bounds: very long, very many terms, very deep. */
static void bounds(void **state)
{
    static char text[4096];
    struct sq_expect *e = NULL;
    struct sq_expect_error error;
    size_t n = 0;
    for (int i = 0; i < 40; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%svideo.in > 0", i ? " or " : "");
    }
    assert_int_equal(sq_expect_parse(text, &e, &error), SQ_ERR_FORMAT);
    assert_non_null(strstr(error.message, "more than 32 terms"));
    memset(text, '(', sizeof(text) - 1);
    assert_int_equal(sq_expect_parse(text, &e, &error), SQ_ERR_FORMAT);
    text[500] = '\0';
    assert_int_equal(sq_expect_parse(text, &e, &error), SQ_ERR_FORMAT);
    assert_non_null(strstr(error.message, "more than 16 brackets"));
    n = 0;
    for (int i = 0; i < 32; i++) {
        n += (size_t)snprintf(text + n, sizeof(text) - n, "%svideo.in > 0", i ? " and " : "");
    }
    assert_int_equal(sq_expect_parse(text, &e, &error), 0);
    sq_expect_destroy(e);
}

/* Every text cut short and every byte changed: an answer, never a crash. */
static void mangle(const char *whole)
{
    size_t len = strlen(whole);
    for (size_t i = 0; i < len; i++) {
        for (int c = 0; c < 256; c += 7) {
            char text[128];
            struct sq_expect *e = NULL;
            struct sq_expect_error error = {0};
            assert_true(len < sizeof(text));
            memcpy(text, whole, len + 1);
            text[i] = (char)c;
            int err = sq_expect_parse(text, &e, &error);
            assert_true(err == 0 || (error.column >= 1 && error.message[0]));
            sq_expect_destroy(e);
            e = NULL;
        }
    }
}

static void mangled_texts(void **state)
{
    static const char *const texts[] = {
        "(video.in.bitrate.p95 >= 1.5M or peers.ok > 90%) and setup.total < 2 s for 9% of peers",
        "time(audio.in.rtt < 3ms).p(95) < 2s where group is not 'a b' and room is x else warn",
        "video.in.track.bitrate.95th > 1 for 9% of peers between 1m30s and end where target is h:1",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        mangle(texts[i]);
    }
}

static void judging_without_memory(void **state)
{
    struct sq_result *r = ten_peers();
    struct sq_expect *list[2] = {0};
    assert_int_equal(sq_expect_parse("video.in > 0", &list[0], NULL), 0);
    for (size_t nth = 1;; nth++) {
        sq_mem_fail_at(nth);
        int err = sq_expect_parse("audio.in > 0", &list[1], NULL);
        err = err ? err : sq_expect_judge(list, 2, r);
        bool done = sq_mem_count() < nth;
        sq_mem_fail_at(0);
        assert_int_equal(err, done ? 0 : SQ_ERR_NOMEM);
        sq_expect_destroy(list[1]);
        list[1] = NULL;
        if (done) {
            break;
        }
    }
    assert_int_equal(r->expectation_count, 3);
    sq_expect_destroy(list[0]);
    sq_result_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values),
        cmocka_unit_test(the_upper_end_of_many),
        cmocka_unit_test(no_sample_never_passes),
        cmocka_unit_test(nothing_came),
        cmocka_unit_test(levels),
        cmocka_unit_test(errors_have_a_column),
        cmocka_unit_test(bounds),
        cmocka_unit_test(score_and_mos),
        cmocka_unit_test(aliases_of_testrtc),
        cmocka_unit_test(mangled_texts),
        cmocka_unit_test(judging_without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
