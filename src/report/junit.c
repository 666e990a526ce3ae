/* junit.xml as GitLab, GitHub and Jenkins read it: a test case an expectation, one for the
 * generator, one for reaching the target, and one a cause of failure. */
#include "report/escape.h"
#include "report/report_int.h"
#include <math.h>
#include <string.h>

struct junit {
    struct sq_buf *out;
    const struct sq_result *r;
    unsigned tests, failures, errors;
};

enum junit_state { JUNIT_OK, JUNIT_FAILURE, JUNIT_ERROR };

/* The time is the run's, and spent once: readers add up the cases. */
static double run_s(const struct junit *j)
{
    return isfinite(j->r->duration_s) ? j->r->duration_s : 0;
}

/* One test case; the message of one that passed goes to system-out. */
static void put_case(struct junit *j, const char *class_name, const char *name, double took_s,
                     enum junit_state state, const char *type, const char *message)
{
    struct sq_buf *out = j->out;
    j->tests++;
    j->failures += state == JUNIT_FAILURE;
    j->errors += state == JUNIT_ERROR;
    sq_buf_printf(out, "    <testcase classname=\"%s\" name=\"", class_name);
    sq_escape_xml(out, name);
    sq_buf_puts(out, "\" time=\"");
    sq_number_put(out, took_s);
    sq_buf_puts(out, "\">\n");
    if (state == JUNIT_OK) {
        sq_buf_puts(out, "      <system-out>");
        sq_escape_xml(out, message);
        sq_buf_puts(out, "</system-out>\n");
    } else {
        const char *element = state == JUNIT_ERROR ? "error" : "failure";
        sq_buf_printf(out, "      <%s type=\"%s\" message=\"", element, type);
        sq_escape_xml(out, message);
        sq_buf_puts(out, "\">");
        sq_escape_xml(out, message);
        sq_buf_printf(out, "</%s>\n", element);
        if (j->r->report) { /* where readers show a case alone */
            sq_buf_puts(out, "      <system-out>Report: ");
            sq_escape_xml(out, j->r->report);
            sq_buf_puts(out, "</system-out>\n");
        }
    }
    sq_buf_puts(out, "    </testcase>\n");
}

/* Not all peers came, whatever was expected of them: it is told, and fails nothing. */
static void put_pending_case(struct junit *j)
{
    struct sq_buf note = {0};
    struct sq_buf text = {0};
    sq_report_pending_note(j->r, &note);
    if (note.text) {
        sq_buf_printf(&text, "⚠ warning: %s", note.text);
        put_case(j, "squall.peers", "every peer's set-up ends within the run", 0, JUNIT_OK, "",
                 text.text ? text.text : "");
    }
    j->out->err = j->out->err ? j->out->err : note.err ? note.err : text.err;
    sq_buf_free(&text);
    sq_buf_free(&note);
}

/* What bounds the figures of expectations that failed: see sq_report_network_note. */
static void put_network_case(struct junit *j)
{
    struct sq_buf note = {0};
    sq_report_network_note(j->r, &note);
    if (note.text) {
        put_case(j, "squall.run", "networks of the run", 0, JUNIT_OK, "", note.text);
    }
    j->out->err = j->out->err ? j->out->err : note.err;
    sq_buf_free(&note);
}

static void put_run_cases(struct junit *j)
{
    const struct sq_result *r = j->r;
    bool invalid = r->verdict == SQ_VERDICT_INVALID;
    bool reached = r->exit_code != SQ_EXIT_UNREACHED && !r->interrupted && !r->cut[0];
    enum junit_state state = reached || invalid ? JUNIT_OK : JUNIT_ERROR;
    if (r->stop.on &&
        r->exit_code == SQ_EXIT_EXPECTATION) { /* of --abort-on: it had an end early */
        state = JUNIT_FAILURE;
    }
    put_case(j, "squall.run", "the target was reached and the run went to its end", run_s(j), state,
             r->interrupted           ? "interrupted"
             : state == JUNIT_FAILURE ? "aborted"
             : r->error[0]            ? "untested"
             : r->cut[0]              ? "ended-early"
                                      : "unreached",
             r->verdict_reason);
    put_case(j, "squall.run", "the generator was not the bottleneck", 0,
             r->generator.ok ? JUNIT_OK : JUNIT_ERROR, "invalid",
             !r->generator.ok       ? r->generator.reason
             : r->generator.note[0] ? r->generator.note
                                    : "timers, sockets and CPU stayed within bounds");
}

/* Who reads this file alone must not take the run for a pass. */
static void put_incomplete_case(struct junit *j)
{
    if (j->r->incomplete[0]) {
        put_case(j, "squall.run", "all results could be written", 0, JUNIT_ERROR, "incomplete",
                 j->r->incomplete);
    }
}

/* How often the expression stood there before. Of several cases with one name GitLab takes the
 * first, and no other. */
static size_t same_before(const struct sq_result *r, size_t index)
{
    size_t n = 0;
    for (size_t i = 0; i < index; i++) {
        n += strcmp(r->expectations[i].expr, r->expectations[index].expr) == 0;
    }
    return n;
}

static void put_expectation_cases(struct junit *j)
{
    for (size_t i = 0; i < j->r->expectation_count; i++) {
        const struct sq_expectation *e = &j->r->expectations[i];
        bool failed = !e->ok && e->level == SQ_LEVEL_ERROR;
        struct sq_buf name = {0}, text = {0};
        size_t before = same_before(j->r, i);
        sq_buf_puts(&name, e->expr);
        if (before > 0) {
            sq_buf_printf(&name, " (%zu)", before + 1);
        }
        sq_buf_printf(&text, "%s%s", e->ok || failed ? "" : "warning: ", e->message);
        put_case(j, "squall.expectations", name.text ? name.text : "", 0,
                 failed ? JUNIT_FAILURE : JUNIT_OK, "expectation", text.text ? text.text : "");
        if (name.err || text.err) {
            j->out->err = SQ_ERR_NOMEM;
        }
        sq_buf_free(&name);
        sq_buf_free(&text);
    }
}

/* Causes of failure. When the run passed, the expectations allowed them: then they are told, but
 * fail nothing, so that the file and the exit code agree. */
static void put_cause_cases(struct junit *j)
{
    const struct sq_result *r = j->r;
    for (int c = 1; c < SQ_FAILURE_COUNT; c++) {
        if (r->failures[c].count == 0) {
            continue;
        }
        const struct sq_peer_row *p = &r->peers[r->failures[c].example];
        struct sq_buf name = {0}, text = {0};
        sq_buf_printf(&name, "no peer fails with %s", sq_failure_name((enum sq_failure)c));
        sq_buf_printf(&text, "%llu of %llu peers failed with %s, for example %s: %s",
                      (unsigned long long)r->failures[c].count,
                      (unsigned long long)r->counts.started, sq_failure_name((enum sq_failure)c),
                      p->id, p->message);
        put_case(j, "squall.peers", name.text ? name.text : "", 0,
                 r->verdict == SQ_VERDICT_PASS ? JUNIT_OK : JUNIT_FAILURE,
                 sq_failure_name((enum sq_failure)c), text.text ? text.text : "");
        if (name.err || text.err) {
            j->out->err = SQ_ERR_NOMEM;
        }
        sq_buf_free(&name);
        sq_buf_free(&text);
    }
}

static void put_baseline_case(struct junit *j)
{
    const struct sq_baseline *b = j->r->baseline;
    if (b) {
        put_case(j, "squall.baseline", "the run is no worse than the baseline", 0,
                 b->worse ? JUNIT_FAILURE : JUNIT_OK, "baseline", b->reason);
    }
}

static void put_head(const struct junit *j, struct sq_buf *out, const char *element)
{
    sq_buf_printf(out, "<%s name=\"squall\" tests=\"%u\" failures=\"%u\" errors=\"%u\" time=\"",
                  element, j->tests, j->failures, j->errors);
    sq_number_put(out, run_s(j));
    sq_buf_puts(out, "\"");
}

static void put_property(struct sq_buf *out, const char *name, const char *value)
{
    sq_buf_printf(out, "      <property name=\"%s\" value=\"", name);
    sq_escape_xml(out, value);
    sq_buf_puts(out, "\"/>\n");
}

void sq_report_junit(const struct sq_result *r, struct sq_buf *out)
{
    struct sq_buf cases = {0};
    struct junit j = {.out = &cases, .r = r};
    put_run_cases(&j);
    put_incomplete_case(&j);
    put_network_case(&j);
    put_expectation_cases(&j);
    put_cause_cases(&j);
    put_pending_case(&j);
    put_baseline_case(&j);

    sq_buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    put_head(&j, out, "testsuites");
    sq_buf_puts(out, ">\n  ");
    put_head(&j, out, "testsuite");
    sq_buf_puts(out, " timestamp=\"");
    sq_report_time(out, r->started_wall_ns);
    sq_buf_puts(out, "\" hostname=\"");
    sq_escape_xml(out, r->host.name);
    sq_buf_puts(out, "\">\n    <properties>\n");
    put_property(out, "run", r->run_id);
    put_property(out, "verdict", sq_result_word(r));
    put_property(out, "command", r->command ? r->command : "");
    if (r->report) {
        put_property(out, "report", r->report);
    }
    sq_buf_puts(out, "    </properties>\n");
    sq_buf_add(out, cases.text, cases.len);
    if (r->report) {
        sq_buf_puts(out, "    <system-out>Report: ");
        sq_escape_xml(out, r->report);
        sq_buf_puts(out, "</system-out>\n");
    }
    sq_buf_puts(out, "  </testsuite>\n</testsuites>\n");
    out->err = out->err ? out->err : cases.err;
    sq_buf_free(&cases);
}
