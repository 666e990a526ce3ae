/* --baseline: a run beside earlier ones, and what its verdict is then. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "base/temp_dir.h"
#include "cli/baseline.h"
#include "cli/compare_options.h"
#include "report/report.h"
#include "run/expect.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#define PEERS 12

static char why[512];

/* A run whose peers were set up in so many ms, each a little otherwise, and failed or not. */
static struct sq_result *run_of(const char *id, double setup_ms, bool starved)
{
    struct sq_result *r = NULL;
    assert_int_equal(sq_result_create(&r), 0);
    SQ_RESULT_SET(r->run_id, id);
    SQ_RESULT_SET(r->tool_version, "0.1.0");
    r->duration_s = 10;
    r->counts.planned = PEERS;
    r->generator = (struct sq_generator_health){.lateness_p50_ms = 0.1,
                                                .lateness_p99_ms = 1,
                                                .lateness_max_ms = 2,
                                                .cpu_percent = 3,
                                                .threads = 1,
                                                .ok = !starved};
    for (unsigned i = 0; i < PEERS; i++) {
        struct sq_peer_row *p = sq_result_add_peer(r);
        assert_non_null(p);
        snprintf(p->id, sizeof(p->id), SQ_RUN_PEER_NAME, (unsigned long long)i);
        p->outcome = SQ_OUTCOME_OK;
        p->connected = p->reached = true;
        p->stage_ms[SQ_STAGE_TOTAL] = setup_ms + i;
        struct sq_metric_row *m = sq_result_add_metric(r, SQ_METRIC_SETUP_TOTAL);
        assert_non_null(m);
        sq_metric_record(m->hist, SQ_METRIC_SETUP_TOTAL, setup_ms + i);
    }
    assert_int_equal(sq_expect_judge(NULL, 0, r), 0);
    return r;
}

static void write_run(const char *name, double setup_ms, bool starved)
{
    struct sq_report_error error;
    struct sq_result *r = run_of(name, setup_ms, starved);
    if (sq_report_write(r, in(name), &error) != 0) {
        fail_msg("%s", error.message);
    }
    sq_result_destroy(r);
}

static int load(struct sq_baseline_option *b, const char *name, const char *threshold)
{
    const struct sq_option_list words = {.items = {in(name)}, .n = 1};
    *b = (struct sq_baseline_option){0};
    return sq_baseline_load(b, &words, threshold, why, sizeof(why));
}

static struct sq_result *judged(struct sq_baseline_option *b, double setup_ms, bool starved)
{
    struct sq_result *r = run_of("mine", setup_ms, starved);
    if (sq_baseline_judge(b, r, why, sizeof(why)) != 0) {
        fail_msg("%s", why);
    }
    return r;
}

static void a_worse_run_fails(void **state)
{
    static const struct {
        double setup_ms;
        bool starved;
        int code;
        enum sq_run_verdict verdict;
        const char *word;
    } cases[] = {
        {101, false, 0, SQ_VERDICT_PASS, "not-worse"},
        {200, false, 1, SQ_VERDICT_FAIL, "worse"},
        {40, false, 0, SQ_VERDICT_PASS, "not-worse"},
        {900, true, 4, SQ_VERDICT_INVALID, "invalid"}, /* the generator's doing */
    };
    (void)state;
    write_run("base", 100, false);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_baseline_option b;
        assert_int_equal(load(&b, "base", NULL), 0);
        struct sq_result *r = judged(&b, cases[i].setup_ms, cases[i].starved);
        assert_int_equal(r->exit_code, cases[i].code);
        assert_int_equal(r->verdict, cases[i].verdict);
        assert_string_equal(r->baseline->verdict, cases[i].word);
        sq_result_destroy(r);
        sq_baseline_free(&b);
    }
}

static void it_stands_in_the_results(void **state)
{
    struct sq_baseline_option b;
    struct sq_buf json = {0};
    struct sq_buf junit = {0};
    (void)state;
    assert_int_equal(load(&b, "base", "30%"), 0);
    struct sq_result *r = judged(&b, 150, false);
    sq_report_render(r, SQ_REPORT_JSON, &json);
    sq_report_render(r, SQ_REPORT_JUNIT, &junit);
    json_t *root = json_loads(json.text, JSON_REJECT_DUPLICATES, NULL);
    const json_t *kept = json_object_get(root, "baseline");
    assert_string_equal(json_string_value(json_object_get(kept, "verdict")), "worse");
    const json_t *figures = json_object_get(kept, "figures");
    assert_int_equal(json_array_size(figures), 4); /* peers' and setup.total's two each */
    const json_t *setup = json_array_get(figures, 2);
    assert_string_equal(json_string_value(json_object_get(setup, "figure")), "setup.total");
    assert_string_equal(json_string_value(json_object_get(setup, "call")), "worse");
    assert_true(fabs(json_number_value(json_object_get(setup, "before")) - 105.5) < 0.01);
    assert_true(fabs(json_number_value(json_object_get(setup, "after")) - 155.5) < 0.01);
    assert_int_equal(json_integer_value(json_object_get(root, "exit_code")), 1);
    assert_non_null(strstr(junit.text, "classname=\"squall.baseline\""));
    assert_non_null(strstr(junit.text, "<failure type=\"baseline\""));
    json_decref(root);
    sq_buf_free(&json);
    sq_buf_free(&junit);
    sq_result_destroy(r);
    sq_baseline_free(&b);
    assert_int_equal(load(&b, "base", "60%"), 0); /* 50 ms of 105 */
    r = judged(&b, 150, false);
    assert_int_equal(r->exit_code, 0);
    sq_result_destroy(r);
    sq_baseline_free(&b);
}

static void a_bad_baseline_is_refused(void **state)
{
    struct sq_baseline_option b;
    (void)state;
    write_run("starved", 100, true);
    assert_int_equal(load(&b, "starved", NULL), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "--baseline: "));
    assert_non_null(strstr(why, "was INVALID: expected runs that went to their end"));
    sq_baseline_free(&b);
    assert_int_equal(load(&b, "nowhere", NULL), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "nowhere: No such file"));
    sq_baseline_free(&b);
    assert_int_equal(load(&b, "base", "fast"), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "--baseline-threshold fast: expected a percentage above 0"));
    sq_baseline_free(&b);
}

static void without_one_nothing_is_judged(void **state)
{
    const struct sq_option_list none = {.n = 0};
    struct sq_baseline_option b = {.compare = NULL};
    (void)state;
    assert_int_equal(sq_baseline_load(&b, &none, NULL, why, sizeof(why)), 0);
    struct sq_result *r = judged(&b, 100, false);
    assert_null(r->baseline);
    assert_int_equal(r->exit_code, 0);
    sq_result_destroy(r);
    sq_baseline_free(&b);
}

static void figures_and_thresholds_are_read(void **state)
{
    struct sq_compare_figure f;
    double percent = 0;
    (void)state;
    assert_int_equal(sq_compare_metric("setup.total.p95", &f, why, sizeof(why)), 0);
    assert_int_equal(f.id, SQ_METRIC_SETUP_TOTAL);
    assert_true(f.agg.kind == SQ_AGG_QUANTILE && f.agg.q == 0.95);
    assert_int_equal(sq_compare_metric("video.in.rtt", &f, why, sizeof(why)), 0);
    assert_int_equal(f.agg.kind, SQ_AGG_AVG);
    static const struct {
        const char *text, *words;
    } bad[] = {{"video.in.ttr", "did you mean video.in.rtt?"},
               {"video.in.rtt.p42", "avg, min, max, p50, p90, p95 and p99"},
               {"video.in.rtt.px", "expected the name of a metric"},
               {"generator.cpu", "is of the generator"}};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(sq_compare_metric(bad[i].text, &f, why, sizeof(why)), SQ_ERR_INVALID);
        assert_non_null(strstr(why, bad[i].words));
    }
    assert_int_equal(sq_compare_threshold("threshold", "7.5%", &percent, why, sizeof(why)), 0);
    assert_true(percent == 7.5);
    static const char *const wrong[] = {"", "%", "0", "-1", "x", "5%%", "nan", "inf", "5 %"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_int_equal(sq_compare_threshold("threshold", wrong[i], &percent, why, sizeof(why)),
                         SQ_ERR_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_worse_run_fails),
        cmocka_unit_test(it_stands_in_the_results),
        cmocka_unit_test(a_bad_baseline_is_refused),
        cmocka_unit_test(without_one_nothing_is_judged),
        cmocka_unit_test(figures_and_thresholds_are_read),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
