/* The reader of CSV: what RFC 4180 has, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/csv.h"
#include <stdlib.h>
#include <string.h>

static char why[512];

static void begin(struct sq_csv *csv, const char *text, size_t len)
{
    *csv = (struct sq_csv){.file = fmemopen((void *)text, len, "r"),
                           .name = "t.csv",
                           .why = why,
                           .why_room = sizeof(why)};
    assert_non_null(csv->file);
}

static void end(struct sq_csv *csv)
{
    fclose(csv->file);
    sq_csv_free(csv);
}

static void assert_row(struct sq_csv *csv, size_t line, size_t n, const char *const *fields)
{
    if (sq_csv_next(csv) != 1) {
        fail_msg("no row: %s", why);
    }
    assert_int_equal(csv->line, line);
    assert_int_equal(csv->fields, n);
    for (size_t i = 0; i < n; i++) {
        assert_string_equal(sq_csv_field(csv, i), fields[i]);
    }
}

static void rows_and_fields(void **state)
{
    static const char text[] = "a,b,c\r\n1,,\"x,\"\"y\"\"\r\nz\"\r\n,,\n\r\n\"\",é,2\r\n";
    struct sq_csv csv;
    (void)state;
    begin(&csv, text, sizeof(text) - 1);
    assert_row(&csv, 1, 3, (const char *const[]){"a", "b", "c"});
    assert_row(&csv, 2, 3, (const char *const[]){"1", "", "x,\"y\"\r\nz"});
    assert_row(&csv, 4, 3, (const char *const[]){"", "", ""}); /* by LF alone */
    assert_row(&csv, 5, 1, (const char *const[]){""});
    assert_row(&csv, 6, 3, (const char *const[]){"", "é", "2"});
    assert_int_equal(sq_csv_next(&csv), 0);
    assert_int_equal(sq_csv_next(&csv), 0);
    end(&csv);
}

static void what_is_wrong_is_told(void **state)
{
    static const struct {
        const char *text;
        int err;
        const char *words;
    } cases[] = {
        {"a,b\n1,2", SQ_ERR_TRUNCATED, "t.csv:2: the file ends in the midst of field 2 of a row"},
        {"a,b\n1,\"2", SQ_ERR_TRUNCATED, "t.csv:2: the file ends in the midst of field 2"},
        {"a,b\n1,", SQ_ERR_TRUNCATED, "t.csv:2: the file ends in the midst of field 2"},
        {"a\n1\r", SQ_ERR_TRUNCATED, "t.csv:2: "},
        {"a\nx\"y\n", SQ_ERR_FORMAT, "t.csv:2: field 1: a quote in the midst"},
        {"a\n\"x\"y\n", SQ_ERR_FORMAT, "t.csv:2: field 1: expected a comma or the end"},
        {"a\n1\r2\n", SQ_ERR_FORMAT, "t.csv:2: field 1: a CR without an LF"},
        {"a\n\"1\n2\"\n\"", SQ_ERR_TRUNCATED, "t.csv:4: "},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_csv csv;
        int got = 1;
        begin(&csv, cases[i].text, strlen(cases[i].text));
        while (got > 0) {
            got = sq_csv_next(&csv);
        }
        if (got != cases[i].err || strncmp(why, cases[i].words, strlen(cases[i].words)) != 0) {
            fail_msg("case %zu: %d, %s", i, got, why);
        }
        end(&csv);
    }
    struct sq_csv csv;
    begin(&csv, "a\n1\0002\n", 6);
    assert_int_equal(sq_csv_next(&csv), 1);
    assert_int_equal(sq_csv_next(&csv), SQ_ERR_FORMAT);
    assert_non_null(strstr(why, "NUL"));
    end(&csv);
}

static void it_has_an_end(void **state)
{
    enum { LONG = SQ_CSV_ROW_MAX + 100 };
    struct sq_csv csv;
    char *text = malloc(LONG);
    (void)state;
    assert_non_null(text);
    memset(text, 'x', LONG);
    begin(&csv, text, LONG);
    assert_int_equal(sq_csv_next(&csv), SQ_ERR_FORMAT);
    assert_non_null(strstr(why, "longer than 1 MB"));
    end(&csv);
    memset(text, ',', LONG);
    begin(&csv, text, LONG);
    assert_int_equal(sq_csv_next(&csv), SQ_ERR_FORMAT);
    assert_non_null(strstr(why, "more than 1024 fields"));
    end(&csv);
    memset(text, 'x', LONG);
    text[0] = '"';
    begin(&csv, text, LONG);
    assert_int_equal(sq_csv_next(&csv), SQ_ERR_FORMAT);
    end(&csv);
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rows_and_fields),
        cmocka_unit_test(what_is_wrong_is_told),
        cmocka_unit_test(it_has_an_end),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
