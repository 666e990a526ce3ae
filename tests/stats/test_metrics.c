/* The table of metrics, and names with aggregates. */
#include "stats/metrics.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

static void each_row_is_whole(void **state)
{
    for (unsigned i = 0; i < SQ_METRIC_COUNT; i++) {
        const struct sq_metric *m = sq_metric_get((enum sq_metric_id)i);
        assert_non_null(m->name);
        assert_non_null(m->w3c);
        assert_true(m->scale > 0);
        assert_int_equal(sq_metric_find(sq_view_of(m->name)), (int)i);
        assert_true(m->text[strlen(m->text) - 1] == '.');
        assert_true(strlen(sq_metric_sampling_text(m->sampling)) > 0);
        /* What the name says of the direction is what the row says. */
        enum sq_metric_flow flow = SQ_FLOW_NONE;
        bool data = strncmp(m->name, "data.", 5) == 0;
        flow = strstr(m->name, data ? "a.in" : "o.in") ? SQ_FLOW_IN : flow;
        flow = strstr(m->name, data ? "a.out" : "o.out") ? SQ_FLOW_OUT : flow;
        assert_int_equal(m->flow, flow);
        assert_int_equal(m->kind == SQ_KIND_COUNTER, m->sampling == SQ_SAMPLING_RUN);
        const struct sq_metric_note *note = sq_metric_note((enum sq_metric_id)i);
        if (!note->good || !note->example) {
            fail_msg("%s has no note in src/stats/metric_notes.c", m->name);
        }
    }
    assert_string_equal(sq_metric_get(SQ_METRIC_OWN_TIMER)->name, "timer");
    assert_string_equal(sq_metric_get(SQ_METRIC_OWN_COUNTER)->name, "counter");
    assert_null(sq_metric_get(SQ_METRIC_ALL_COUNT));
}

static void the_contract_is_in_it(void **state)
{
    static const char *const names[] = {
        "audio.in",         "audio.in.bitrate", "audio.out.loss", "audio.in.jitter",
        "audio.out.rtt",    "video.in",         "video.in.fps",   "video.in.freeze",
        "video.in.freezes", "video.in.width",   "video.out.pli",  "video.in.nack",
        "setup.dns",        "setup.connect",    "setup.tls",      "setup.signaling",
        "setup.ice",        "setup.dtls",       "setup.media",    "setup.total",
        "peers.ok",         "peers.failed",     "peers.dropped",  "generator.lateness",
        "generator.cpu",    "generator.drops",
    };
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
        assert_true(sq_metric_find(sq_view_of(names[i])) >= 0);
    }
    assert_int_equal(sq_metric_find(sq_view_of("video.in.bitrat")), SQ_ERR_NOTFOUND);
    assert_int_equal(sq_metric_find(sq_view_of("")), SQ_ERR_NOTFOUND);
    assert_string_equal(sq_metric_unit_text(sq_metric_get(SQ_METRIC_VIDEO_IN_BITRATE)->unit),
                        "kbit/s");
}

static void aggregates(void **state)
{
    static const struct {
        const char *text;
        enum sq_agg_kind kind;
        double q;
    } good[] = {
        {"avg", SQ_AGG_AVG, 0},
        {"min", SQ_AGG_MIN, 0},
        {"max", SQ_AGG_MAX, 0},
        {"p1", SQ_AGG_QUANTILE, 0.01},
        {"p50", SQ_AGG_QUANTILE, 0.5},
        {"p99", SQ_AGG_QUANTILE, 0.99},
        {"p99.9", SQ_AGG_QUANTILE, 0.999},
        {"p99.95", SQ_AGG_QUANTILE, 0.9995},
        {"stddev", SQ_AGG_STDDEV, 0},
        {"count", SQ_AGG_COUNT, 0},
        {"rate", SQ_AGG_RATE, 0},
        {"last", SQ_AGG_LAST, 0},
        {"rstddev", SQ_AGG_RSTDDEV, 0},
        {"total", SQ_AGG_TOTAL, 0},
        {"1st", SQ_AGG_QUANTILE, 0.01},
        {"95th", SQ_AGG_QUANTILE, 0.95},
    };
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        struct sq_agg agg = {SQ_AGG_LAST, 9};
        assert_int_equal(sq_agg_parse(sq_view_of(good[i].text), &agg), 0);
        assert_int_equal(agg.kind, good[i].kind);
        assert_float_equal(agg.q, good[i].q, 1e-12);
    }
    static const char *const bad[] = {"",        "p",   "p0",  "p00",     "p05", "p100", "p99.",
                                      "p99.999", "p-1", "p5x", "average", "P50", "p.5",  "avg "};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        struct sq_agg agg = {SQ_AGG_LAST, 9};
        assert_int_equal(sq_agg_parse(sq_view_of(bad[i]), &agg), SQ_ERR_NOTFOUND);
        assert_true(agg.q == 9);
    }
}

static void names_with_aggregates(void **state)
{
    enum sq_metric_id id = SQ_METRIC_COUNT;
    struct sq_agg agg = {SQ_AGG_LAST, 0};
    assert_int_equal(sq_metric_parse(sq_view_of("video.in"), &id, &agg), 0);
    assert_int_equal(id, SQ_METRIC_VIDEO_IN);
    assert_int_equal(agg.kind, SQ_AGG_AVG);
    assert_int_equal(sq_metric_parse(sq_view_of("video.in.freezes.max"), &id, &agg), 0);
    assert_int_equal(id, SQ_METRIC_VIDEO_IN_FREEZES);
    assert_int_equal(agg.kind, SQ_AGG_MAX);
    assert_int_equal(sq_metric_parse(sq_view_of("setup.ice.p99.9"), &id, &agg), 0);
    assert_int_equal(id, SQ_METRIC_SETUP_ICE);
    assert_float_equal(agg.q, 0.999, 1e-12);
    assert_int_equal(sq_metric_parse(sq_view_of("video.in.min"), &id, &agg), 0);
    assert_int_equal(id, SQ_METRIC_VIDEO_IN);
    static const char *const bad[] = {
        "",          "video",       "video.in.", "video.in.bitrate.", "video.in.foo",
        "video.inn", "setup.ice.p", "xvideo.in", "video.in..avg"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        id = SQ_METRIC_COUNT;
        assert_int_equal(sq_metric_parse(sq_view_of(bad[i]), &id, &agg), SQ_ERR_NOTFOUND);
        assert_int_equal(id, SQ_METRIC_COUNT);
    }
    assert_string_equal(sq_metric_nearest(sq_view_of("video.in.bitrat")), "video.in.bitrate");
    assert_string_equal(sq_metric_nearest(sq_view_of("setup.signalling")), "setup.signaling");
    assert_null(sq_metric_nearest(sq_view_of("bananas and other fruit of the south")));
}

static void samples_keep_their_unit(void **state)
{
    static struct sq_hist h;
    const enum sq_metric_id loss = SQ_METRIC_VIDEO_IN_LOSS;
    struct sq_agg avg = {SQ_AGG_AVG, 0};
    struct sq_agg p50 = {SQ_AGG_QUANTILE, 0.5};
    sq_hist_clear(&h);
    assert_true(isnan(sq_metric_aggregate(&h, loss, avg)));
    assert_true(sq_metric_aggregate(&h, loss, (struct sq_agg){SQ_AGG_COUNT, 0}) == 0);
    sq_metric_record(&h, loss, 0.35);
    sq_metric_record(&h, loss, 0);
    sq_metric_record(&h, loss, 100);
    sq_metric_record(&h, loss, -3);
    sq_metric_record(&h, loss, NAN);
    assert_int_equal(h.sums.count, 4);
    assert_float_equal(sq_metric_aggregate(&h, loss, avg), 100.35 / 4, 1e-9);
    assert_float_equal(sq_metric_aggregate(&h, loss, (struct sq_agg){SQ_AGG_MAX, 0}), 100, 1e-9);
    assert_float_equal(sq_metric_aggregate(&h, loss, (struct sq_agg){SQ_AGG_MIN, 0}), 0, 1e-9);
    assert_float_equal(sq_metric_aggregate(&h, loss, p50), 0, 1e-9);
    assert_float_equal(sq_metric_aggregate(&h, loss, (struct sq_agg){SQ_AGG_TOTAL, 0}), 100.35,
                       1e-9);
    double spread = sq_metric_aggregate(&h, loss, (struct sq_agg){SQ_AGG_STDDEV, 0});
    assert_float_equal(sq_metric_aggregate(&h, loss, (struct sq_agg){SQ_AGG_RSTDDEV, 0}),
                       100 * spread / (100.35 / 4), 1e-9);
    assert_float_equal(sq_metric_aggregate(&h, loss, (struct sq_agg){SQ_AGG_RATE, 0}), 100.35,
                       1e-9);
    sq_metric_record(&h, loss, INFINITY);
    assert_int_equal(h.sums.clamped, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_row_is_whole),
        cmocka_unit_test(the_contract_is_in_it),
        cmocka_unit_test(aggregates),
        cmocka_unit_test(names_with_aggregates),
        cmocka_unit_test(samples_keep_their_unit),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
