/* The pages and the tables of the program say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "report/prometheus.h"
#include "report/report.h"
#include "report/sample.h"
#include "run/result.h"
#include "stats/metrics.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_page(const char *path)
{
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    char *text = calloc(1, 200000);
    assert_non_null(text);
    size_t n = fread(text, 1, 199999, f);
    assert_true(n > 0 && n < 199999);
    fclose(f);
    return text;
}

static void every_metric_is_told(void **state)
{
    char *page = read_page(SQ_SOURCE_DIR "/docs/metrics.md");
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const struct sq_metric *m = sq_metric_get((enum sq_metric_id)id);
        const char *unit = sq_metric_unit_text(m->unit);
        char row[1024];
        snprintf(row, sizeof(row), "\n| `%s` | %s | %s | %s | %s |\n", m->name,
                 unit[0] ? unit : "count", sq_metric_sampling_text(m->sampling), m->text,
                 m->w3c[0] ? m->w3c : "–");
        if (!strstr(page, row)) {
            fail_msg("docs/metrics.md lacks this row:%s", row);
        }
    }
    free(page);
}

/* What `squall explain` says of it stands on the page, too. */
static void what_is_good_is_told(void **state)
{
    char *page = read_page(SQ_SOURCE_DIR "/docs/metrics.md");
    for (int id = 0; id < SQ_METRIC_COUNT; id++) {
        const struct sq_metric_note *note = sq_metric_note((enum sq_metric_id)id);
        char row[512];
        snprintf(row, sizeof(row), "\n| `%s` | %s | `%s` |\n",
                 sq_metric_get((enum sq_metric_id)id)->name, note->good, note->example);
        if (!strstr(page, row)) {
            fail_msg("docs/metrics.md lacks this row:%s", row);
        }
    }
    free(page);
}

/* And none that is not there. */
static void no_other_metric_is_told(void **state)
{
    char *page = read_page(SQ_SOURCE_DIR "/docs/metrics.md");
    char *table = strstr(page, "\n## The metrics");
    size_t rows = 0;
    assert_non_null(table);
    for (char *at = strstr(table, "\n| `"); at; at = strstr(at + 1, "\n| `")) {
        rows++;
    }
    assert_int_equal(rows, SQ_METRIC_COUNT);
    free(page);
}

static void every_cause_is_told(void **state)
{
    char *page = read_page(SQ_SOURCE_DIR "/docs/exit-codes.md");
    for (int c = 1; c < SQ_FAILURE_COUNT; c++) {
        char row[256];
        snprintf(row, sizeof(row), "\n| `%s` | %s |\n", sq_failure_name((enum sq_failure)c),
                 sq_failure_words((enum sq_failure)c));
        if (!strstr(page, row)) {
            fail_msg("docs/exit-codes.md lacks this row:%s", row);
        }
    }
    free(page);
}

/* A column as the page has it: those that are there for each flow, cause or stage stand once. */
static void told_as(const char *column, char *out, size_t room)
{
    for (int f = 0; f < SQ_FLOW_COUNT; f++) {
        const char *flow = sq_flow_name((enum sq_flow)f);
        size_t len = strlen(flow);
        if (strncmp(column, flow, len) == 0) {
            snprintf(out, room, "`FLOW%s`", column + len);
            return;
        }
    }
    if (strncmp(column, "failed.", 7) == 0) {
        snprintf(out, room, "`failed.CAUSE`");
    } else if (strncmp(column, "setup.", 6) == 0) {
        snprintf(out, room, "`setup.STAGE_ms`");
    } else {
        snprintf(out, room, "`%s`", column);
    }
}

static void every_column_is_told(void **state)
{
    char *page = read_page(SQ_SOURCE_DIR "/docs/reports.md");
    const enum sq_report_kind kinds[] = {SQ_REPORT_TIMELINE, SQ_REPORT_PEERS};
    struct sq_result *r = NULL;
    assert_int_equal(sq_result_create(&r), 0);
    for (size_t k = 0; k < 2; k++) {
        struct sq_buf csv = {0};
        char *rest;
        sq_report_render(r, kinds[k], &csv);
        assert_int_equal(csv.err, 0);
        for (char *c = strtok_r(csv.text, ",\r\n", &rest); c; c = strtok_r(NULL, ",\r\n", &rest)) {
            char plain[96], told[96];
            told_as(c, told, sizeof(told));
            snprintf(plain, sizeof(plain), "`%s`", c);
            if (!strstr(page, told) && !strstr(page, plain)) {
                fail_msg("docs/reports.md lacks the column %s", told);
            }
        }
        sq_buf_free(&csv);
    }
    sq_result_destroy(r);
    free(page);
}

/* All that a scrape or a push can have, and no other. */
static void every_name_for_prometheus_is_told(void **state)
{
    static struct sq_prometheus p;
    char *page = read_page(SQ_SOURCE_DIR "/docs/reports.md");
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 5});
    struct sq_buf text = {0};
    size_t told = 0, rows = 0;
    assert_non_null(r);
    sq_prometheus_begin(&p, r);
    p.result = r;
    p.messages_in = 1;
    p.row.rtt_ms = p.row.rtt_p95_ms = p.row.fps_in = p.row.data.latency_ms = 1;
    p.row.latency[1].p50_ms = 1;
    p.health.lateness_p99_ms = p.health.lateness_max_ms = p.health.cpu_percent = 1;
    sq_prometheus_render(&p, &text);
    assert_int_equal(text.err, 0);
    for (char *at = strstr(text.text, "# TYPE "); at; at = strstr(at + 1, "# TYPE ")) {
        char name[96], type[16], row[128];
        assert_int_equal(sscanf(at, "# TYPE %95s %15s", name, type), 2);
        snprintf(row, sizeof(row), "\n| `%s` | %s |", name, type);
        if (!strstr(page, row)) {
            fail_msg("docs/reports.md lacks this row:%s", row);
        }
        told++;
    }
    for (char *at = strstr(page, "\n| `squall_"); at; at = strstr(at + 1, "\n| `squall_")) {
        rows++;
    }
    assert_int_equal(rows, told);
    sq_buf_free(&text);
    sq_result_destroy(r);
    free(page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_is_told),
        cmocka_unit_test(what_is_good_is_told),
        cmocka_unit_test(no_other_metric_is_told),
        cmocka_unit_test(every_cause_is_told),
        cmocka_unit_test(every_column_is_told),
        cmocka_unit_test(every_name_for_prometheus_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
