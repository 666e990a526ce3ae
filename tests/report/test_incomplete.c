/* Results of which a part could not be written: nobody who reads the rest takes the run for a pass.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "report/report.h"
#include "report/sample.h"
#include "report/text.h"
#include "run/expect.h"
#include <jansson.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#define MISSING "cannot write out/report.html: No space left on device"

/* Everything held. */
static struct sq_result *passed(void)
{
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 20, .seconds = 5});
    assert_non_null(r);
    r->verdict = SQ_VERDICT_PASS;
    r->exit_code = SQ_EXIT_HELD;
    SQ_RESULT_SET(r->verdict_reason, "every expectation held");
    for (size_t i = 0; i < r->expectation_count; i++) {
        r->expectations[i].ok = true;
    }
    return r;
}

static void expect_in(const struct sq_buf *text, const char *what, bool there)
{
    assert_int_equal(text->err, 0);
    if ((strstr(text->text, what) != NULL) != there) {
        fail_msg("'%s' is %s", what, there ? "missing" : "there");
    }
}

static void no_file_says_pass(void **state)
{
    static const struct sq_report_text_options plain = {0};
    static const struct {
        enum sq_report_kind kind;
        const char *says, *before;
    } kinds[] = {{SQ_REPORT_JUNIT, "name=\"verdict\" value=\"incomplete\"", "value=\"pass\""},
                 {SQ_REPORT_JUNIT, "errors=\"1\"", "errors=\"0\""},
                 {SQ_REPORT_JUNIT, "<error type=\"incomplete\" message=\"" MISSING "\">", "pass"},
                 {SQ_REPORT_HTML, "INCOMPLETE: it held", "PASS: it held"},
                 {SQ_REPORT_HTML, "<title>INCOMPLETE", "<title>PASS"},
                 {SQ_REPORT_HTML, "verdict is-error", "verdict is-pass"},
                 {SQ_REPORT_MARKDOWN, "## 🛑 INCOMPLETE", "PASS"}};
    (void)state;
    struct sq_result *r = passed();
    for (int missing = 0; missing < 2; missing++) {
        struct sq_buf out = {0};
        for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++) {
            sq_report_render(r, kinds[i].kind, &out);
            expect_in(&out, kinds[i].says, missing);
            if (!missing) {
                expect_in(&out, kinds[i].before, true);
            } else if (kinds[i].kind != SQ_REPORT_JUNIT || i < 2) {
                expect_in(&out, kinds[i].before, false);
            }
            sq_buf_free(&out);
        }
        sq_report_text_render(r, &plain, &out);
        expect_in(&out, "! INCOMPLETE  every expectation held, but", missing);
        expect_in(&out, MISSING "  (exit code 2)", missing);
        expect_in(&out, "✓ PASS", !missing);
        sq_buf_free(&out);
        sq_report_github(r, &out);
        sq_buf_puts(&out, "\n");
        expect_in(&out, "::error title=Squall%3A not all results could be written::" MISSING,
                  missing);
        sq_buf_free(&out);
        sq_verdict_incomplete(r, MISSING);
    }
    sq_result_destroy(r);
}

/* What the run said of the service stays in the contract, beside the exit code. */
static void the_verdict_is_about_the_service(void **state)
{
    struct sq_buf out = {0};
    (void)state;
    struct sq_result *r = passed();
    sq_verdict_incomplete(r, "cannot write a");
    sq_verdict_incomplete(r, "cannot write b");
    assert_string_equal(r->incomplete, "cannot write a; cannot write b");
    sq_report_render(r, SQ_REPORT_JSON, &out);
    json_t *summary = json_loads(out.text, 0, NULL);
    assert_non_null(summary);
    assert_string_equal(json_string_value(json_object_get(summary, "verdict")), "pass");
    assert_int_equal(json_integer_value(json_object_get(summary, "exit_code")), 2);
    assert_string_equal(json_string_value(json_object_get(summary, "reason")),
                        "every expectation held, but the results are not whole: cannot write a; "
                        "cannot write b");
    json_decref(summary);
    sq_buf_free(&out);
    sq_result_destroy(r);
}

/* One that failed stays that; its junit.xml tells both. */
static void a_failed_run_stays_failed(void **state)
{
    struct sq_buf out = {0};
    (void)state;
    struct sq_result *r = passed();
    r->verdict = SQ_VERDICT_FAIL;
    r->exit_code = SQ_EXIT_EXPECTATION;
    sq_verdict_incomplete(r, MISSING);
    assert_int_equal(r->exit_code, SQ_EXIT_EXPECTATION);
    assert_string_equal(r->verdict_reason, "every expectation held");
    sq_report_render(r, SQ_REPORT_JUNIT, &out);
    expect_in(&out, "value=\"fail\"", true);
    expect_in(&out, "<error type=\"incomplete\"", true);
    sq_buf_free(&out);
    sq_result_destroy(r);
}

static char *content(const char *path)
{
    static char bytes[1 << 16];
    FILE *f = fopen(path, "rb");
    if (!f) {
        return NULL;
    }
    bytes[fread(bytes, 1, sizeof(bytes) - 1, f)] = '\0';
    fclose(f);
    return bytes;
}

static void limit_files(rlim_t most)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = most;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* What was written first does not know of what came after: it is corrected, or goes. */
static void files_are_kept_true(void **state)
{
    char root[] = "/tmp/squall-incomplete-XXXXXX";
    char dir[64], junit[96], other[96], none[96], command[64];
    struct sq_report_error error;
    (void)state;
    struct sq_result *r = passed();
    assert_non_null(mkdtemp(root));
    snprintf(dir, sizeof(dir), "%s/run", root);
    snprintf(junit, sizeof(junit), "%s/junit.xml", dir);
    snprintf(other, sizeof(other), "%s/other.xml", root);
    snprintf(none, sizeof(none), "%s/none.xml", root);
    assert_int_equal(sq_report_write(r, dir, &error), 0);
    assert_int_equal(sq_report_write_file(r, SQ_REPORT_JUNIT, other, &error), 0);
    assert_non_null(strstr(content(junit), "errors=\"0\""));

    sq_verdict_incomplete(r, MISSING);
    sq_report_rewrite(r, SQ_REPORT_JUNIT, dir);
    sq_report_rewrite_file(r, SQ_REPORT_JUNIT, other);
    sq_report_rewrite_file(r, SQ_REPORT_JUNIT, none);
    assert_non_null(strstr(content(junit), "errors=\"1\""));
    assert_non_null(strstr(content(other), "errors=\"1\""));
    assert_null(content(none)); /* what was never written is not made now */

    signal(SIGXFSZ, SIG_IGN);
    limit_files(100); /* there is no room for it any more */
    sq_report_rewrite(r, SQ_REPORT_JUNIT, dir);
    sq_report_rewrite_file(r, SQ_REPORT_JUNIT, other);
    limit_files(RLIM_INFINITY);
    assert_null(content(junit));
    assert_null(content(other));
    snprintf(command, sizeof(command), "rm -r %s", root);
    assert_int_equal(system(command), 0);
    sq_result_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_file_says_pass),
        cmocka_unit_test(the_verdict_is_about_the_service),
        cmocka_unit_test(a_failed_run_stays_failed),
        cmocka_unit_test(files_are_kept_true),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
