/* The comparison for programs (share/schema/compare.schema.json) and for CI. */
#include "report/compare_int.h"
#include "report/escape.h"
#include "report/json.h"
#include "report/report_int.h"
#include "run/result.h"

static void put_sides(struct sq_json *j, const struct sq_compare *c)
{
    sq_json_open(j, "sides", '[');
    for (size_t s = 0; s < c->sides_count; s++) {
        const struct sq_compare_side *side = &c->sides[s];
        sq_json_open(j, NULL, '{');
        sq_json_text(j, "name", side->name);
        sq_json_integer(j, "used", side->used);
        sq_json_open(j, "runs", '[');
        for (size_t i = 0; i < side->n; i++) {
            const struct sq_stored_run *run = side->runs[i].run;
            sq_json_open(j, NULL, '{');
            sq_json_text(j, "dir", run->dir);
            sq_json_text(j, "id", run->id);
            sq_json_text(j, "started", run->started);
            sq_json_text(j, "verdict", sq_verdict_name(run->verdict));
            sq_json_flag(j, "used", side->runs[i].used);
            sq_json_text(j, "why_not", side->runs[i].why_not);
            sq_json_close(j, '}');
        }
        sq_json_close(j, ']');
        sq_json_close(j, '}');
    }
    sq_json_close(j, ']');
}

static void put_figure(struct sq_json *j, const struct sq_compare_row *row)
{
    sq_json_open(j, NULL, '{');
    sq_json_text(j, "figure", row->name);
    sq_json_text(j, "metric", sq_metric_get(row->figure.id)->name);
    sq_json_text(j, "unit", row->unit);
    sq_json_number(j, "before", row->before);
    sq_json_number(j, "after", row->after);
    sq_json_number(j, "change", row->change);
    sq_json_number(j, "change_low", row->low);
    sq_json_number(j, "change_high", row->high);
    sq_json_number(j, "change_percent", row->change_percent);
    sq_json_number(j, "p", row->p);
    sq_json_number(j, "p_adjusted", row->p_adjusted);
    sq_json_text(j, "call", sq_compare_call_name(row->call));
    sq_json_close(j, '}');
}

void sq_compare_json(const struct sq_compare *c, struct sq_buf *out)
{
    struct sq_json j = {.out = out, .pretty = true};
    sq_json_open(&j, NULL, '{');
    sq_json_integer(&j, "schema", 1);
    sq_json_text(&j, "verdict", sq_compare_verdict_name(c->verdict));
    sq_json_text(&j, "reason", c->reason);
    sq_json_integer(&j, "exit_code", (uint64_t)c->exit_code);
    sq_json_number(&j, "alpha", c->alpha);
    put_sides(&j, c);
    sq_json_open(&j, "comparisons", '[');
    for (size_t k = 0; k < c->pairs_count; k++) {
        const struct sq_compare_pair *pair = &c->pairs[k];
        sq_json_open(&j, NULL, '{');
        sq_json_text(&j, "before", c->sides[0].name);
        sq_json_text(&j, "after", c->sides[pair->side].name);
        sq_json_text(&j, "unit_of_test", pair->repeated ? "runs" : "peers");
        sq_json_number(&j, "threshold_percent", pair->threshold_percent);
        sq_json_integer(&j, "worse", pair->worse);
        sq_json_integer(&j, "better", pair->better);
        sq_json_open(&j, "figures", '[');
        for (size_t i = 0; i < pair->rows_count; i++) {
            put_figure(&j, &pair->rows[i]);
        }
        sq_json_close(&j, ']');
        sq_json_close(&j, '}');
    }
    sq_json_close(&j, ']');
    sq_json_open(&j, "notes", '[');
    for (size_t i = 0; i < c->notes_count; i++) {
        sq_json_text(&j, NULL, c->notes[i]);
    }
    sq_json_close(&j, ']');
    sq_json_close(&j, '}');
    sq_buf_puts(out, "\n");
}

enum state { PASSED, FAILED, BROKEN };

static void put_case(struct sq_buf *out, const char *class_name, const char *name, enum state state,
                     const char *message)
{
    static const char *const elements[] = {"system-out", "failure", "error"};
    sq_buf_puts(out, "    <testcase classname=\"squall.compare.");
    sq_escape_xml(out, class_name);
    sq_buf_puts(out, "\" name=\"");
    sq_escape_xml(out, name);
    sq_buf_printf(out, "\" time=\"0\">\n      <%s", elements[state]);
    if (state != PASSED) {
        sq_buf_puts(out, " type=\"compare\" message=\"");
        sq_escape_xml(out, message);
        sq_buf_puts(out, "\"");
    }
    sq_buf_puts(out, ">");
    sq_escape_xml(out, message);
    sq_buf_printf(out, "</%s>\n    </testcase>\n", elements[state]);
}

static void put_row_case(struct sq_buf *out, const struct sq_compare *c,
                         const struct sq_compare_pair *pair, const struct sq_compare_row *row)
{
    struct sq_buf text = {0};
    sq_buf_printf(&text, "%s: ", sq_compare_call_words(pair, row));
    sq_report_human_unit(&text, row->before, row->unit);
    sq_buf_puts(&text, " before, ");
    sq_report_human_unit(&text, row->after, row->unit);
    sq_buf_puts(&text, " after: ");
    sq_compare_put_change(row, &text);
    put_case(out, c->sides[pair->side].name, row->name,
             row->call == SQ_CALL_WORSE ? FAILED : PASSED, text.text ? text.text : "");
    out->err = out->err ? out->err : text.err;
    sq_buf_free(&text);
}

void sq_compare_junit(const struct sq_compare *c, struct sq_buf *out)
{
    struct sq_buf cases = {0};
    size_t tests = 1;
    size_t failures = 0;
    bool broken = c->verdict == SQ_COMPARE_INVALID || c->verdict == SQ_COMPARE_ERROR;
    put_case(&cases, "runs", "the runs can be compared", broken ? BROKEN : PASSED, c->reason);
    for (size_t k = 0; k < c->pairs_count; k++) {
        for (size_t i = 0; i < c->pairs[k].rows_count; i++) {
            put_row_case(&cases, c, &c->pairs[k], &c->pairs[k].rows[i]);
        }
        tests += c->pairs[k].rows_count;
        failures += c->pairs[k].worse;
    }
    sq_buf_puts(out, "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n");
    static const char *const elements[] = {"testsuites", "testsuite"};
    for (size_t i = 0; i < 2; i++) {
        sq_buf_printf(out,
                      "%*s<%s name=\"squall compare\" tests=\"%zu\" failures=\"%zu\" errors=\"%d\" "
                      "time=\"0\">\n",
                      (int)(2 * i), "", elements[i], tests, failures, broken);
    }
    sq_buf_add(out, cases.text, cases.len);
    sq_buf_puts(out, "  </testsuite>\n</testsuites>\n");
    out->err = out->err ? out->err : cases.err;
    sq_buf_free(&cases);
}
