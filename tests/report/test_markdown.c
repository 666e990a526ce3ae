/* The summary for job pages, GitHub's lines, and JUnit's link. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "report/report.h"
#include "report/sample.h"
#include "report/text.h"
#include "run/expect.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static struct sq_result *sample(unsigned peers, const char *hostile)
{
    struct sq_result *r =
        sample_result(&(struct sample_options){.peers = peers, .seconds = 5, .hostile = hostile});
    assert_non_null(r);
    return r;
}

static char *render(const struct sq_result *r, enum sq_report_kind kind)
{
    struct sq_buf out = {0};
    sq_report_render(r, kind, &out);
    assert_int_equal(out.err, 0);
    return sq_buf_take(&out);
}

static char *github(const struct sq_result *r)
{
    struct sq_buf out = {0};
    sq_report_github(r, &out);
    assert_int_equal(out.err, 0);
    return sq_buf_take(&out);
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) {
        n++;
    }
    return n;
}

/* Bars of a table's line that are no part of a cell. */
static unsigned bars_in(const char *line, size_t len)
{
    unsigned bars = 0;
    for (size_t i = 0; i < len; i++) {
        bars += line[i] == '|' && (i == 0 || line[i - 1] != '\\');
    }
    return bars;
}

/* Each line of a table has as many cells as its head (GFM 0.29, section 4.10). Gives how many
 * tables there are. */
static unsigned check_tables(const char *text)
{
    unsigned tables = 0, expected = 0;
    for (const char *line = text; *line;) {
        size_t len = strcspn(line, "\n");
        if (line[0] == '|') {
            unsigned bars = bars_in(line, len);
            tables += expected == 0;
            expected = expected ? expected : bars;
            assert_int_equal(bars, expected);
        } else {
            assert_true(expected == 0 || len == 0); /* a blank line ends it */
            expected = 0;
        }
        line += len + (line[len] == '\n');
    }
    return tables;
}

static void tells_what_broke(void **state)
{
    struct sq_result *r = sample(60, NULL);
    assert_int_equal(sq_result_replace_text(&r->report, "https://ci.example/a b/report.html"), 0);
    char *text = render(r, SQ_REPORT_MARKDOWN);
    assert_int_equal(check_tables(text), 3);
    assert_true(strncmp(text, "## ❌ FAIL: Squall against lab:\n\n", 34) == 0);
    for (size_t i = 0; i < r->expectation_count; i++) {
        char line[128];
        snprintf(line, sizeof(line), "| %s | `%s` |", r->expectations[i].ok ? "✅" : "❌",
                 r->expectations[i].expr);
        assert_true(r->expectations[i].level == SQ_LEVEL_WARN || strstr(text, line));
    }
    assert_non_null(strstr(text, "| `ice`: no ICE candidate pair worked | "));
    assert_non_null(strstr(text, "[Report](<https://ci.example/a%20b/report.html>)"));
    free(text);
    assert_int_equal(sq_result_replace_text(&r->report, "out/report.html"), 0);
    text = render(r, SQ_REPORT_MARKDOWN);
    assert_non_null(strstr(text, "Report: `out/report.html`\n"));
    free(text);
    sq_result_destroy(r);
}

/* What a server says is text and nothing else, on its own line. */
static void markup_of_others_is_text(void **state)
{
    static const char evil[] =
        "# x\r\n| a | b |\n<img src=x onerror=alert(1)> [c](http://evil) `d` **e** @team "
        "http://evil www.evil \x1b[2J &amp;";
    struct sq_result *r = sample(60, evil);
    char *text = render(r, SQ_REPORT_MARKDOWN);
    assert_int_equal(check_tables(text), 3);
    assert_int_equal(count_of(text, "<img"), 0);
    assert_int_equal(count_of(text, "](http"), 0);
    assert_int_equal(count_of(text, "http:"), 0);
    assert_int_equal(count_of(text, "www."), 0);
    assert_int_equal(count_of(text, "@team"), 0);
    assert_int_equal(count_of(text, "\n# x"), 0);
    assert_int_equal(count_of(text, "\x1b"), 0);
    assert_true(count_of(text, "\\*\\*e\\*\\*") > 0);
    free(text);
    sq_result_destroy(r);
}

/* An expectation may hold a bar or a backtick, and stays code. */
static void code_stays_code(void **state)
{
    struct sq_result *r = sample(5, NULL);
    assert_non_null(sq_result_add_expectation(r, "a|b `c`` d"));
    char *text = render(r, SQ_REPORT_MARKDOWN);
    (void)check_tables(text);
    assert_non_null(strstr(text, "| ``` a\\|b `c`` d ``` |"));
    free(text);
    sq_result_destroy(r);
}

static void timers_and_counters_have_a_table(void **state)
{
    struct sq_result *r = sample(5, NULL);
    char *text = render(r, SQ_REPORT_MARKDOWN);
    (void)state;
    unsigned tables = check_tables(text);
    assert_int_equal(count_of(text, "| timer |") + count_of(text, "| counter |"), 0);
    free(text);
    sample_add_own(r, "a|b`c");
    text = render(r, SQ_REPORT_MARKDOWN);
    assert_int_equal(check_tables(text), tables + 2);
    assert_non_null(strstr(text, "\n| `timer.post` ms | 4 | 4.02 | 5.98 | 5.98 | 100 |\n"));
    assert_non_null(strstr(text, "\n| `timer.never-taken` ms | – | – | – | – | 0 |\n"));
    assert_non_null(strstr(text, "\n| `` timer.a\\|b`c `` ms | 4 | "));
    assert_non_null(strstr(text, "\n| `counter.said` | 1,234 |\n"));
    assert_non_null(strstr(text, "\n| `` counter.a\\|b`c `` | 0 |\n"));
    free(text);
    sq_result_destroy(r);
}

static void empty_ones(void **state)
{
    struct sq_result *r = sample(0, NULL);
    char *text = render(r, SQ_REPORT_MARKDOWN);
    assert_true(strncmp(text, "## 🛑 ERROR", 11) == 0);
    (void)check_tables(text);
    free(text);
    sq_result_destroy(r);
}

static void github_is_told_of_what_failed(void **state)
{
    struct sq_result *r = sample(60, NULL);
    char *lines = github(r);
    size_t failed = 0, causes = 0;
    for (size_t i = 0; i < r->expectation_count; i++) {
        failed += !r->expectations[i].ok && r->expectations[i].level == SQ_LEVEL_ERROR;
    }
    for (int c = 1; c < SQ_FAILURE_COUNT; c++) {
        causes += r->failures[c].count > 0;
    }
    assert_int_equal(count_of(lines, "::error title=Squall%3A "), failed + causes);
    assert_non_null(strstr(lines, "peers failed with ice::no ICE candidate pair worked; for "));
    free(lines);
    r->verdict = SQ_VERDICT_PASS;
    for (size_t i = 0; i < r->expectation_count; i++) {
        r->expectations[i].ok = true;
    }
    lines = github(r);
    assert_int_equal(count_of(lines, "::error"), 0);
    assert_int_equal(count_of(lines, "::warning"), causes);
    free(lines);
    sq_result_destroy(r);
}

/* Nobody begins a command of his own: a line is ours from its start to its end. */
static void commands_of_others_are_text(void **state)
{
    struct sq_result *r = sample(60, "50% of\r\n::add-mask::x\n::set-env name=a::b");
    for (int i = 0; i < 40; i++) {
        struct sq_expectation *e = sq_result_add_expectation(r, "a: b, c% for 1% of peers");
        assert_non_null(e);
        snprintf(e->message, sizeof(e->message), "was 3%%\nnot 4");
    }
    char *lines = github(r);
    unsigned errors = 0, warnings = 0;
    for (const char *line = lines; *line; line += strcspn(line, "\n") + 1) {
        bool error = strncmp(line, "::error title=Squall", 20) == 0;
        assert_true(error || strncmp(line, "::warning title=Squall", 22) == 0);
        errors += error;
        warnings += !error;
    }
    assert_int_equal(errors, 10);
    assert_true(warnings <= 10);
    assert_non_null(strstr(lines, "title=Squall%3A a%3A b%2C c%25 for 1%25 of peers::was 3%25"));
    free(lines);
    sq_result_destroy(r);
}

/* Elements and attributes as GitLab, GitHub's actions and Jenkins' junit-10.xsd have them. */
static const char junit_rules[] =
    "import sys, xml.etree.ElementTree as E\n"
    "t = E.parse(sys.stdin.buffer).getroot()\n"
    "A = {'testsuites': 'name tests failures errors time', 'testsuite': 'name tests failures "
    "errors "
    "skipped time timestamp hostname id package', 'properties': '', 'property': 'name value', "
    "'testcase': 'name classname time file line', 'failure': 'message type', 'error': 'message "
    "type', 'system-out': ''}\n"
    "C = {'testsuites': ['testsuite'], 'testsuite': ['properties', 'testcase', 'system-out', "
    "'system-err'], 'properties': ['property'], 'testcase': ['error', 'failure', 'system-out']}\n"
    "def check(e):\n"
    "    assert set(e.attrib) <= set(A[e.tag].split()), (e.tag, e.attrib)\n"
    "    order = [C[e.tag].index(c.tag) for c in e]\n"
    "    assert order == sorted(order), (e.tag, [c.tag for c in e])\n"
    "    [check(c) for c in e]\n"
    "check(t)\n"
    "s = t.find('testsuite')\n"
    "n = lambda tag: len(s.findall('testcase/' + tag))\n"
    "assert int(s.get('tests')) == len(s.findall('testcase'))\n"
    "assert int(s.get('failures')) == n('failure') and int(s.get('errors')) == n('error')\n"
    "names = [(c.get('classname'), c.get('name')) for c in s.iter('testcase')]\n"
    "assert len(names) == len(set(names)), names\n"
    "for c in s.iter('testcase'):\n" /* what GitLab makes a row of */
    "    assert c.get('classname') and c.get('name') and float(c.get('time')) >= 0, c.attrib\n"
    "    assert len([f for f in c if f.tag in ('failure', 'error')]) <= 1\n"
    "for f in [*s.iter('failure'), *s.iter('error')]:\n" /* it shows the text, others the message */
    "    assert f.get('type') and f.get('message') and f.text == f.get('message'), f.attrib\n"
    "assert n('failure') >= int(sys.argv[2]) and n('error') >= int(sys.argv[3])\n"
    "assert s.findtext('system-out') == sys.argv[1], s.findtext('system-out')\n";

static void assert_follows_rules(const struct sq_result *r, unsigned failures, unsigned errors)
{
    char command[8192];
    char *xml = render(r, SQ_REPORT_JUNIT);
    int n = snprintf(command, sizeof(command), "python3 -c \"%s\" '%s' %u %u", junit_rules,
                     "Report: https://ci.example/?a=1&b=<2>", failures, errors);
    assert_in_range(n, 1, sizeof(command) - 1);
    FILE *python = popen(command, "w");
    assert_non_null(python);
    assert_int_equal(fwrite(xml, 1, strlen(xml), python), strlen(xml));
    assert_int_equal(pclose(python), 0);
    free(xml);
}

static void junit_is_as_readers_know_it(void **state)
{
    struct sq_result *r = sample(60, NULL);
    assert_int_equal(sq_result_replace_text(&r->report, "https://ci.example/?a=1&b=<2>"), 0);
    assert_follows_rules(r, 1, 0);
    /* The same expression twice, as --expect and --abort-on may have it: two cases, two names. */
    assert_true(r->expectation_count >= 2);
    assert_int_equal(sq_result_replace_text(&r->expectations[1].expr, r->expectations[0].expr), 0);
    assert_follows_rules(r, 1, 0);
    r->verdict = SQ_VERDICT_INVALID;
    r->generator.ok = false;
    SQ_RESULT_SET(r->generator.reason, "timers were <late>");
    assert_follows_rules(r, 0, 1);
    sq_result_destroy(r);
}

/* Who stood still has not kept up, though its bounds be as wide. */
static void a_standstill_within_bounds_is_told(void **state)
{
    static const struct sq_report_text_options plain = {.color = false};
    static const char *const still = "stood still for 12.0 s, which --lateness-max allows";
    (void)state;
    struct sq_result *r = sample(10, NULL);
    for (int told = 0; told < 2; told++) {
        r->generator.lateness_max_ms = told ? 12014 : 999;
        struct sq_buf out = {0};
        sq_report_text_render(r, &plain, &out);
        char *texts[] = {sq_buf_take(&out), render(r, SQ_REPORT_MARKDOWN),
                         render(r, SQ_REPORT_HTML)};
        for (size_t i = 0; i < 3; i++) {
            assert_int_equal(strstr(texts[i], still) != NULL, told);
            assert_int_equal(strstr(texts[i], "kept up:") != NULL, !told && i == 0);
            sq_free(texts[i]);
        }
    }
    sq_result_destroy(r);
}

/* Who came back is told as that, and is no failure. */
static void who_was_dropped_and_came_back_has_not_failed(void **state)
{
    (void)state;
    struct sq_result *r = sample(10, NULL);
    for (size_t i = 0; i < r->peer_count; i++) {
        r->peers[i].outcome = i == 0 ? SQ_OUTCOME_FAILED : SQ_OUTCOME_OK;
        r->peers[i].connected = true;
        r->peers[i].drops = i < 4;
        r->peers[i].returns = i > 0 && i < 4;
    }
    sq_result_tally(r);
    char *text = render(r, SQ_REPORT_MARKDOWN);
    assert_non_null(strstr(text, "1 failed (1 of them after they had been connected)"));
    assert_non_null(strstr(text, "4 were dropped, 3 of them came back."));
    sq_free(text);
    sq_result_destroy(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_standstill_within_bounds_is_told),
        cmocka_unit_test(who_was_dropped_and_came_back_has_not_failed),
        cmocka_unit_test(tells_what_broke),
        cmocka_unit_test(markup_of_others_is_text),
        cmocka_unit_test(code_stays_code),
        cmocka_unit_test(timers_and_counters_have_a_table),
        cmocka_unit_test(empty_ones),
        cmocka_unit_test(github_is_told_of_what_failed),
        cmocka_unit_test(commands_of_others_are_text),
        cmocka_unit_test(junit_is_as_readers_know_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
