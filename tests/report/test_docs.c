/* The pages and the tables of the program say the same. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_metric_is_told),
        cmocka_unit_test(what_is_good_is_told),
        cmocka_unit_test(no_other_metric_is_told),
        cmocka_unit_test(every_cause_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
