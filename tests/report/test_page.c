/* What stands in report.html, by its structure and not by its looks. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "report/page.h"
#include "report/report.h"
#include "report/sample.h"
#include "run/worst.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char evil[] = "\"><script>alert(1)</script><img src=http://x/ onerror='alert(2)'>&lt;";

static struct sq_result *sample(unsigned peers, const char *hostile)
{
    struct sq_result *r =
        sample_result(&(struct sample_options){.peers = peers, .seconds = 20, .hostile = hostile});
    assert_non_null(r);
    return r;
}

static char *page_of(const struct sq_result *r)
{
    struct sq_buf out = {0};
    sq_report_render(r, SQ_REPORT_HTML, &out);
    assert_int_equal(out.err, 0);
    return sq_buf_take(&out);
}

/* Stories of all that connected: longer than the drawing has points, with loss and freezes. */
static void add_stories(struct sq_result *r, const char *hostile)
{
    for (size_t i = 0; i < r->peer_count && i < SQ_RESULT_STORIES_MAX; i++) {
        struct sq_peer_trace *t =
            r->peers[i].connected && !sq_result_trace(r, i) ? sq_result_add_story(r, i) : NULL;
        for (unsigned s = 0; t && s < 100; s++) {
            const struct sq_strip_point second = {.in_kbps = s == 50 ? 0 : 1000,
                                                  .out_kbps = NAN,
                                                  .loss_percent = s % 7 ? NAN : 3,
                                                  .freezes = s == 51};
            assert_int_equal(sq_strip_add(&t->strip, 1000.0 * (s + 1), &second), 0);
        }
        if (t) {
            assert_int_equal(sq_trace_event(t, 10, "connectionstatechange", "connected"), 0);
            assert_int_equal(sq_trace_event(t, 20, "candidatepair",
                                            hostile ? hostile
                                                    : "udp host 10.0.0.1:5 -> host "
                                                      "10.0.0.2:6: in use, succeeded"),
                             0);
        }
    }
}

static void the_page_is_html(void **state)
{
    static const unsigned sizes[] = {0, 1, 60, 400};
    for (size_t k = 0; k < 2 * sizeof(sizes) / sizeof(sizes[0]); k++) {
        const char *hostile = k % 2 ? evil : NULL;
        struct sq_result *r = sample(sizes[k / 2], hostile);
        for (size_t i = 0; i < r->peer_count; i++) {
            SQ_RESULT_SET(r->peers[i].network, hostile ? hostile : i % 3 ? "wifi" : "Poor 3G");
            SQ_RESULT_SET(r->peers[i].role, hostile ? hostile : r->peers[i].role);
        }
        add_stories(r, hostile);
        char *page = page_of(r);
        check_html(page);
        assert_int_equal(count_of(page, "<script"), 2);
        assert_int_equal(count_of(page, "<img"), 0);
        free(page);
        sq_result_destroy(r);
    }
}

/* The checker itself: what it is there for does not pass. */
static void the_checker_refuses(void **state)
{
    static const char *const bad[] = {
        "<!doctype html><html><body><h1>x</h1><div></body></html>",
        "<!doctype html><html><body><h1>x</h1><p id=\"a\">x</p><p id=\"a\">x</p></body></html>",
        "<!doctype html><html><body><h1>x</h1><img src=\"http://x/\"></body></html>",
        "<!doctype html><html><body><h1>x</h1><a href=\"//x/\">x</a></body></html>",
        "<!doctype html><html><body><style>a{background:url(x)}</style><h1>x</h1></body></html>",
        "<!doctype html><html><body><h1>x</h1><script>fetch('x')</script></body></html>",
        "<!doctype html><html><body><h1>x</h1><p onclick=\"x()\">x</p></body></html>",
        "<!doctype html><html><body><h1>x</h1><ul><p>x</p></ul></body></html>",
    };
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        FILE *python =
            popen("python3 -B " SQ_SOURCE_DIR "/tests/report/check_html.py 2>/dev/null", "w");
        assert_non_null(python);
        assert_int_equal(fwrite(bad[i], 1, strlen(bad[i]), python), strlen(bad[i]));
        assert_int_not_equal(pclose(python), 0);
    }
}

static void every_metric_has_a_drawing(void **state)
{
    struct sq_result *r = sample(60, NULL);
    struct sq_metric_row *one = sq_result_add_metric(r, SQ_METRIC_DATA_RTT);
    assert_non_null(one);
    sq_metric_record(one->hist, SQ_METRIC_DATA_RTT, 12.5);
    char *page = page_of(r);
    size_t metrics = 0;
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const struct sq_metric_row *row = sq_result_metric(r, (enum sq_metric_id)id);
        char head[128];
        snprintf(head, sizeof(head), "<figure class=\"dist card\"><figcaption><code>%s</code>",
                 sq_metric_get((enum sq_metric_id)id)->name);
        bool varies = row && row->hist->sums.min != row->hist->sums.max;
        assert_int_equal(count_of(page, head), varies ? 1 : 0);
        snprintf(head, sizeof(head), "<code>%s</code> <b>",
                 sq_metric_get((enum sq_metric_id)id)->name);
        assert_int_equal(count_of(page, head), row && row->hist->sums.count && !varies ? 1 : 0);
        metrics += varies;
    }
    assert_true(metrics > 15);
    assert_int_equal(count_of(page, "<dt><i class=\"q99\"></i>p99</dt>"), metrics);
    assert_non_null(strstr(page, "<code>data.rtt</code> <b>12.5 ms</b></li>"));
    free(page);
    sq_result_destroy(r);
}

/* The bars of a drawing hold each sample once: heights of 1, 2 and 4 of the same width. */
static void bars_are_of_the_samples(void **state)
{
    struct sq_result *r = NULL;
    assert_int_equal(sq_result_create(&r), 0);
    struct sq_metric_row *row = sq_result_add_metric(r, SQ_METRIC_VIDEO_IN_FREEZES);
    assert_non_null(row);
    static const double values[] = {0, 0, 0, 0, 1, 1, 3};
    for (size_t i = 0; i < sizeof(values) / sizeof(values[0]); i++) {
        sq_metric_record(row->hist, SQ_METRIC_VIDEO_IN_FREEZES, values[i]);
    }
    char *page = page_of(r);
    assert_non_null(strstr(page, "d=\"M0.0 56v-56.0h54.0v56.0zM60.0 56v-28.0h54.0v28.0z"
                                 "M180.0 56v-14.0h54.0v14.0z\""));
    free(page);
    sq_result_destroy(r);
}

/* The row of a table that begins with that head. */
static void row_of(const char *page, const char *head, char *out, size_t room)
{
    char find[160];
    snprintf(find, sizeof(find), "<tr><th scope=\"row\">%s</th>", head);
    const char *from = strstr(page, find);
    assert_non_null(from);
    const char *to = strstr(from, "</tr>");
    size_t len = (size_t)(to - from) < room ? (size_t)(to - from) : room - 1;
    memcpy(out, from, len);
    out[len] = '\0';
}

/* Counted by hand here: 2 of wifi, one of which failed, and 3 of Poor 3G. */
static void networks_are_told_apart(void **state)
{
    struct sq_result *r = NULL;
    char line[2048];
    assert_int_equal(sq_result_create(&r), 0);
    for (unsigned i = 0; i < 5; i++) {
        struct sq_peer_row *p = sq_result_add_peer(r);
        assert_non_null(p);
        bool failed = i == 1;
        snprintf(p->id, sizeof(p->id), "squall-%u", i);
        SQ_RESULT_SET(p->role, i == 4 ? "publisher" : "viewer");
        SQ_RESULT_SET(p->network, i < 2 ? "wifi" : "Poor 3G");
        p->outcome = failed ? SQ_OUTCOME_FAILED : SQ_OUTCOME_OK;
        p->cause = failed ? SQ_FAILURE_ICE : SQ_FAILURE_NONE;
        p->connected = !failed;
        if (!failed) {
            struct sq_flow_totals *video = &p->flow[SQ_FLOW_VIDEO_IN];
            p->stage_ms[SQ_STAGE_TOTAL] = 100 * (i + 1);
            video->tracks = 1;
            video->loss_percent = i;
            video->bitrate_kbps = 1000 + 10 * i;
        }
    }
    sq_result_tally(r);
    char *page = page_of(r);
    row_of(page, "wifi", line, sizeof(line));
    assert_non_null(strstr(line, "<td class=\"n\">2</td><td class=\"n\">1</td>"
                                 "<td class=\"n bad\">1</td><td class=\"n\">100</td>"
                                 "<td class=\"n\">100</td><td class=\"n\">1,000</td>"
                                 "<td class=\"n\">0</td>"));
    row_of(page, "Poor 3G", line, sizeof(line));
    assert_non_null(strstr(line, "<td class=\"n\">3</td><td class=\"n\">3</td>"
                                 "<td class=\"n\">0</td><td class=\"n\">400</td>"
                                 "<td class=\"n\">500</td><td class=\"n\">1,030</td>"
                                 "<td class=\"n\">3</td>"));
    row_of(page, "viewer", line, sizeof(line));
    assert_non_null(strstr(line, "<td class=\"n\">4</td><td class=\"n\">3</td>"
                                 "<td class=\"n bad\">1</td><td class=\"n\">300</td>"
                                 "<td class=\"n\">400</td>"));
    free(page);
    sq_result_destroy(r);
}

/* Everybody in a group of his own: a table stays a table. */
static void many_groups(void **state)
{
    struct sq_result *r = sample(400, NULL);
    for (size_t i = 0; i < r->peer_count; i++) {
        snprintf(r->peers[i].role, sizeof(r->peers[i].role), "part %u", (unsigned)i % 1000);
    }
    char *page = page_of(r);
    char line[2048];
    row_of(page, "all others", line, sizeof(line));
    assert_non_null(strstr(line, "<td class=\"n\">377</td>"));
    free(page);
    sq_result_destroy(r);
}

static void the_worst_have_their_story(void **state)
{
    struct sq_result *r = sample(200, NULL);
    add_stories(r, NULL);
    char *page = page_of(r);
    assert_int_equal(count_of(page, "<details class=\"peer card\">"), 10);
    assert_true(count_of(page, "<svg class=\"strip\"") >= 5);
    assert_true(count_of(page, "<h3>Candidate pairs</h3>") >= 5);
    assert_true(count_of(page, "10.0.0.2:6: in use, succeeded</code></li>") >= 5);
    assert_true(count_of(page, "freezes<b>1</b>") + count_of(page, "freezes <b>1</b>") >= 5);
    /* 100 seconds in 64 points: each of two, and the last half full. */
    assert_true(count_of(page, "Bit rates, in steps of 2 s") >= 5);
    free(page);
    sq_result_destroy(r);
}

/* Where all fail, the list is of ten all the same; where one did well, it is not left out. */
static void failed_ones_fill_the_list(void **state)
{
    struct sq_result *r = sample(60, NULL);
    for (size_t i = 0; i < r->peer_count; i++) {
        r->peers[i].outcome = i == 30 ? SQ_OUTCOME_OK : SQ_OUTCOME_FAILED;
        r->peers[i].cause = i == 30 ? SQ_FAILURE_NONE : SQ_FAILURE_ICE;
        r->peers[i].connected = i == 30;
    }
    sq_result_tally(r);
    char *page = page_of(r);
    assert_int_equal(count_of(page, "<details class=\"peer card\">"), 10);
    assert_int_equal(count_of(page, "<span class=\"badge is-pass\">ok</span>"), 1);
    free(page);
    sq_result_destroy(r);
}

static void badness_has_the_right_direction(void **state)
{
    struct sq_peer_row good = {.connected = true}, bad;
    for (int f = 0; f < SQ_FLOW_COUNT; f++) {
        sq_flow_totals_init(&good.flow[f]);
    }
    for (int s = 0; s < SQ_STAGE_COUNT; s++) {
        good.stage_ms[s] = NAN;
    }
    good.gap_ms = NAN;
    assert_true(sq_peer_badness(&good) == 0);
    bad = good;
    bad.gap_ms = 2000;
    assert_true(sq_peer_badness(&bad) > sq_peer_badness(&good));
    bad = good;
    bad.flow[SQ_FLOW_AUDIO_IN].loss_percent = 1;
    assert_true(sq_peer_badness(&bad) > sq_peer_badness(&good));
    bad = good;
    bad.flow[SQ_FLOW_VIDEO_IN].freeze_ms = 300;
    assert_true(sq_peer_badness(&bad) > sq_peer_badness(&good));
    bad = good;
    bad.stage_ms[SQ_STAGE_TOTAL] = 300;
    assert_true(sq_peer_badness(&bad) > sq_peer_badness(&good));
}

/* Of steps and scripts: avg, min, p50, p95, p99, max and count; and no section without any. */
static void timers_and_counters_have_a_table(void **state)
{
    struct sq_result *r = sample(5, NULL);
    char *page = page_of(r);
    (void)state;
    assert_int_equal(count_of(page, "Timers and counters"), 0);
    free(page);
    sample_add_own(r, "a-name-of-forty-bytes-as-long-as-may-be_");
    r->counters_len = 0;
    page = page_of(r);
    check_html(page);
    assert_int_equal(count_of(page, "<th scope=\"col\">timer</th>"), 1);
    assert_int_equal(count_of(page, "<th scope=\"col\">counter</th>"), 0);
    free(page);
    r->counters_len = 2;
    page = page_of(r);
    check_html(page);
    assert_int_equal(count_of(page, "<h2 id=\"h-own\">Timers and counters</h2>"), 1);
    assert_int_equal(
        count_of(page, "<tr><th scope=\"row\"><code>timer.post</code></th><td>ms</td>"
                       "<td class=\"n\">4</td><td class=\"n\">2</td><td class=\"n\">4.02</td>"
                       "<td class=\"n\">5.98</td><td class=\"n\">5.98</td><td class=\"n\">6</td>"
                       "<td class=\"n\">100</td></tr>\n"),
        1);
    assert_int_equal(count_of(page, "<code>timer.never-taken</code></th><td>ms</td>"
                                    "<td class=\"n\">–</td>"),
                     1);
    assert_int_equal(count_of(page, "<tr><th scope=\"row\"><code>counter.said</code></th>"
                                    "<td class=\"n\">1,234</td></tr>\n"),
                     1);
    free(page);
    sample_add_own(r, "</code><img src=x>&amp;");
    page = page_of(r);
    check_html(page);
    assert_int_equal(count_of(page, "<img"), 0);
    assert_int_equal(count_of(page, "timer.&lt;/code&gt;&lt;img src=x&gt;&amp;amp;</code>"), 1);
    assert_int_equal(count_of(page, "counter.&lt;/code&gt;&lt;img src=x&gt;&amp;amp;</code>"), 1);
    free(page);
    sq_result_destroy(r);
}

static void failing_allocations(void **state)
{
    struct sq_result *r = sample(40, NULL);
    sample_add_own(r, "last");
    add_stories(r, NULL);
    for (size_t nth = 1;; nth++) {
        struct sq_buf out = {0};
        sq_mem_fail_at(nth);
        sq_report_render(r, SQ_REPORT_HTML, &out);
        sq_mem_fail_at(0);
        int err = out.err;
        assert_true(err == 0 || err == SQ_ERR_NOMEM);
        sq_buf_free(&out);
        if (!err) {
            break;
        }
    }
    sq_result_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_page_is_html),
        cmocka_unit_test(the_checker_refuses),
        cmocka_unit_test(every_metric_has_a_drawing),
        cmocka_unit_test(bars_are_of_the_samples),
        cmocka_unit_test(timers_and_counters_have_a_table),
        cmocka_unit_test(networks_are_told_apart),
        cmocka_unit_test(many_groups),
        cmocka_unit_test(the_worst_have_their_story),
        cmocka_unit_test(failed_ones_fill_the_list),
        cmocka_unit_test(badness_has_the_right_direction),
        cmocka_unit_test(failing_allocations),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
