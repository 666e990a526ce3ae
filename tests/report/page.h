/* What tests of pages share. */
#ifndef TESTS_REPORT_PAGE_H
#define TESTS_REPORT_PAGE_H

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

/* A reader of its own: tests/report/check_html.py. */
static inline void check_html(const char *page)
{
    FILE *python = popen("python3 -B " SQ_SOURCE_DIR "/tests/report/check_html.py", "w");
    assert_non_null(python);
    assert_int_equal(fwrite(page, 1, strlen(page), python), strlen(page));
    assert_int_equal(pclose(python), 0);
}

static inline size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) {
        n++;
    }
    return n;
}

#endif
