/* A summary in Markdown, as job pages show it (GitHub's step summary, GitLab's comments), and
 * GitHub's own lines about what failed. */
#include "report/escape.h"
#include "report/report_int.h"
#include <math.h>
#include <stdio.h>
#include <string.h>

#define ANNOTATIONS_MAX 10 /* GitHub shows so many errors of a step, and as many warnings */

/* ---- Markdown ---- */

/* Text of others in a line or a table cell: nothing of it is markup (CommonMark 0.30, section 2.4),
 * HTML or a mention, and it stays on its line. */
static void put_text(struct sq_buf *out, const char *text)
{
    uint32_t c, before = 0;
    for (; (c = sq_utf8_next(&text)) != 0; before = c) {
        if (c < 0x20 || c == 0x7f || (c >= 0x80 && c < 0xa0)) {
            sq_buf_puts(out, " ");
        } else if (c == '&') {
            sq_buf_puts(out, "&amp;");
        } else if (c == '<') {
            sq_buf_puts(out, "&lt;");
        } else if (c == '@') {
            sq_buf_puts(out, "@<!-- -->"); /* or somebody of that name is told */
        } else if ((c < 0x80 && strchr("\\`*_{}[]()#|>~", (int)c)) ||
                   /* GFM makes links of http://, mailto: and www. */
                   (c == ':' && *text && *text != ' ') || (c == '.' && (before | 0x20) == 'w')) {
            sq_buf_printf(out, "\\%c", (int)c);
        } else {
            sq_utf8_put(out, c);
        }
    }
}

/* As code, with one more backtick around than it has in a row. In a table a bar ends a cell, even
 * within code, where it is escaped. */
static void put_code(struct sq_buf *out, const char *text)
{
    size_t most = 0, run = 0;
    for (const char *c = text; *c; c++) {
        run = *c == '`' ? run + 1 : 0;
        most = run > most ? run : most;
    }
    for (size_t i = 0; i < most + 1; i++) {
        sq_buf_puts(out, "`");
    }
    sq_buf_puts(out, most ? " " : "");
    uint32_t c;
    while ((c = sq_utf8_next(&text)) != 0) {
        sq_buf_puts(out, c == '|' ? "\\" : "");
        sq_utf8_put(out, c < 0x20 || c == 0x7f ? ' ' : c);
    }
    sq_buf_puts(out, most ? " " : "");
    for (size_t i = 0; i < most + 1; i++) {
        sq_buf_puts(out, "`");
    }
}

static const char *verdict_mark(const struct sq_result *r)
{
    static const char *const marks[] = {"✅ PASS", "❌ FAIL", "⚠️ INVALID", "🛑 ERROR"};
    return sq_result_is_incomplete(r) ? "🛑 INCOMPLETE" : marks[r->verdict];
}

static void put_value(struct sq_buf *out, const struct sq_expectation *e)
{
    if (e->terms > 1) {
        sq_buf_puts(out, "–");
    } else if (isfinite(e->value)) {
        sq_report_human_unit(out, e->value, e->unit);
    } else {
        sq_buf_puts(out, "no sample");
    }
}

static void put_expectations(const struct sq_result *r, struct sq_buf *out)
{
    if (r->expectation_count == 0) {
        return;
    }
    sq_buf_puts(out, "| | expected | measured |\n|---|---|---|\n");
    for (size_t i = 0; i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        sq_buf_printf(out, "| %s | ", e->ok ? "✅" : e->level == SQ_LEVEL_WARN ? "⚠️" : "❌");
        put_code(out, e->expr);
        sq_buf_puts(out, " | ");
        put_value(out, e);
        sq_buf_puts(out, " |\n");
    }
    sq_buf_puts(out, "\n");
}

static void put_failures(const struct sq_result *r, struct sq_buf *out)
{
    enum sq_failure causes[SQ_FAILURE_COUNT];
    size_t n = sq_report_causes(r, causes);
    if (n == 0) {
        return;
    }
    sq_buf_puts(out, "| failed | cause | for example |\n|---:|---|---|\n");
    for (size_t i = 0; i < n; i++) {
        const struct sq_failure_row *f = &r->failures[causes[i]];
        const struct sq_peer_row *p = &r->peers[f->example];
        sq_buf_printf(out, "| %llu | `%s`: %s | ", (unsigned long long)f->count,
                      sq_failure_name(causes[i]), sq_failure_words(causes[i]));
        put_text(out, p->id);
        sq_buf_puts(out, p->message[0] ? ": " : "");
        put_text(out, p->message);
        sq_buf_puts(out, " |\n");
    }
    sq_buf_puts(out, "\n");
}

/* The figures that tell first how it went. */
static void put_metrics(const struct sq_result *r, struct sq_buf *out)
{
    static const enum sq_metric_id first[] = {
        SQ_METRIC_SETUP_TOTAL,    SQ_METRIC_VIDEO_IN_BITRATE, SQ_METRIC_VIDEO_IN_LOSS,
        SQ_METRIC_VIDEO_IN_FPS,   SQ_METRIC_VIDEO_IN_FREEZES, SQ_METRIC_VIDEO_IN_LATENCY,
        SQ_METRIC_AUDIO_IN_LOSS,  SQ_METRIC_AUDIO_IN_JITTER,  SQ_METRIC_VIDEO_IN_RTT,
        SQ_METRIC_DATA_IN_LATENCY};
    bool any = false;
    for (size_t i = 0; i < sizeof(first) / sizeof(first[0]); i++) {
        const struct sq_metric_row *row = sq_result_metric(r, first[i]);
        struct sq_metric_figures f;
        if (!row || row->hist->sums.count == 0) {
            continue;
        }
        if (!any) {
            sq_buf_puts(out, "| metric | avg | p50 | p95 | p99 |\n|---|---:|---:|---:|---:|\n");
        }
        any = true;
        const struct sq_metric *m = sq_metric_get(row->id);
        const char *unit = sq_metric_unit_text(m->unit);
        sq_metric_row_figures(row, &f);
        sq_buf_printf(out, "| `%s`%s%s", m->name, unit[0] ? " " : "", unit);
        const double figures[] = {f.avg, f.p50, f.p95, f.p99};
        for (size_t k = 0; k < sizeof(figures) / sizeof(figures[0]); k++) {
            sq_buf_puts(out, " | ");
            sq_report_human(out, figures[k]);
        }
        sq_buf_puts(out, " |\n");
    }
    sq_buf_puts(out, any ? "\n" : "");
}

/* As expectations name it. */
static void put_own_name(struct sq_buf *out, const char *kind, const char *name)
{
    char full[16 + SQ_STEP_NAME_MAX];
    snprintf(full, sizeof(full), "%s.%s", kind, name);
    sq_buf_puts(out, "| ");
    put_code(out, full);
}

/* What steps and scripts time and count. */
static void put_own(const struct sq_result *r, struct sq_buf *out)
{
    for (size_t i = 0; i < r->timers_len; i++) {
        const struct sq_metric_figures *f = &r->timers[i].figures;
        const double figures[] = {f->avg, f->p50, f->p95, f->p99, (double)f->count};
        if (i == 0) {
            sq_buf_puts(out, "| timer | avg | p50 | p95 | p99 | count |\n"
                             "|---|---:|---:|---:|---:|---:|\n");
        }
        put_own_name(out, "timer", r->timers[i].name);
        sq_buf_puts(out, " ms");
        for (size_t k = 0; k < sizeof(figures) / sizeof(figures[0]); k++) {
            sq_buf_puts(out, " | ");
            sq_report_human(out, figures[k]);
        }
        sq_buf_puts(out, " |\n");
    }
    sq_buf_puts(out, r->timers_len ? "\n" : "");
    for (size_t i = 0; i < r->counters_len; i++) {
        if (i == 0) {
            sq_buf_puts(out, "| counter | value |\n|---|---:|\n");
        }
        put_own_name(out, "counter", r->counters[i].name);
        sq_buf_puts(out, " | ");
        sq_report_human(out, (double)r->counters[i].count);
        sq_buf_puts(out, " |\n");
    }
    sq_buf_puts(out, r->counters_len ? "\n" : "");
}

/* A link where it is a URL of the web, and a path in code where it is not. */
static void put_place(const struct sq_result *r, struct sq_buf *out)
{
    if (!r->report) {
        return;
    }
    if (strncmp(r->report, "http://", 7) != 0 && strncmp(r->report, "https://", 8) != 0) {
        sq_buf_puts(out, "Report: ");
        put_code(out, r->report);
        sq_buf_puts(out, "\n");
        return;
    }
    sq_buf_puts(out, "[Report](<");
    for (const char *c = r->report; *c; c++) {
        if ((unsigned char)*c <= ' ' || strchr("<>\\", *c)) {
            sq_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*c);
        } else {
            sq_buf_add(out, c, 1);
        }
    }
    sq_buf_puts(out, ">)\n");
}

/* Those who were dropped and came back are no failures. */
static void put_peers(const struct sq_result *r, struct sq_buf *out)
{
    const struct sq_peer_counts *c = &r->counts;
    struct sq_reconnects returns;
    uint64_t lost = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        lost += r->peers[i].outcome == SQ_OUTCOME_FAILED && r->peers[i].connected;
    }
    sq_result_reconnects(r, &returns);
    sq_buf_printf(out,
                  "**%llu of %llu peers ok**, %llu failed (%llu of them after they had been "
                  "connected), %llu pending, in ",
                  (unsigned long long)c->ok, (unsigned long long)c->started,
                  (unsigned long long)c->failed, (unsigned long long)lost,
                  (unsigned long long)c->pending);
    sq_report_human_unit(out, r->duration_s, "s");
    sq_buf_puts(out, ".");
    if (returns.peers > 0) {
        sq_buf_printf(out, " %llu were dropped, %llu of them came back.",
                      (unsigned long long)returns.peers, (unsigned long long)returns.back);
    }
    sq_buf_puts(out, "\n\n");
    void (*const puts[])(const struct sq_result *,
                         struct sq_buf *) = {sq_report_network_note, sq_report_arrivals_note,
                                             sq_report_steps_note, sq_report_goodbye_note};
    for (size_t i = 0; i < sizeof(puts) / sizeof(*puts); i++) {
        struct sq_buf note = {0};
        puts[i](r, &note);
        if (note.text) {
            put_text(out, note.text);
            sq_buf_puts(out, "\n\n");
        }
        sq_buf_free(&note);
    }
}

/* The run may have passed without them. */
static void put_pending(const struct sq_result *r, struct sq_buf *out)
{
    struct sq_buf note = {0};
    sq_report_pending_note(r, &note);
    if (note.text) {
        sq_buf_puts(out, "⚠ ");
        put_text(out, note.text);
        sq_buf_puts(out, ".\n\n");
    }
    out->err = out->err ? out->err : note.err;
    sq_buf_free(&note);
}

void sq_report_markdown(const struct sq_result *r, struct sq_buf *out)
{
    sq_buf_printf(out, "## %s: Squall", verdict_mark(r));
    if (r->target) {
        sq_buf_puts(out, " against ");
        put_text(out, r->target);
    }
    sq_buf_puts(out, "\n\n");
    put_text(out, r->verdict_reason);
    sq_buf_printf(out, " (exit code %d)\n\n", r->exit_code);
    put_pending(r, out);
    put_expectations(r, out);
    put_peers(r, out);
    put_failures(r, out);
    put_metrics(r, out);
    put_own(r, out);
    sq_buf_puts(out, "Generator: ");
    sq_report_generator_state(&r->generator, out);
    sq_buf_puts(out, r->generator.ok ? "" : ": ");
    put_text(out, r->generator.ok ? "" : r->generator.reason);
    sq_buf_puts(out, ".\n\n");
    put_place(r, out);
    sq_buf_puts(out, "\nRun `");
    sq_buf_puts(out, r->run_id);
    sq_buf_puts(out, "`, Squall ");
    put_text(out, r->tool_version);
    sq_buf_puts(out, ".\n");
}

/* ---- GitHub's annotations ---- */

/* A property of a workflow command: the title. */
static void put_property(struct sq_buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (strchr("%\r\n:,", *c)) {
            sq_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*c);
        } else {
            sq_buf_add(out, c, 1);
        }
    }
}

static void put_data(struct sq_buf *out, const char *text)
{
    for (const char *c = text; *c; c++) {
        if (strchr("%\r\n", *c)) {
            sq_buf_printf(out, "%%%02X", (unsigned)(unsigned char)*c);
        } else {
            sq_buf_add(out, c, 1);
        }
    }
}

static void annotate(struct sq_buf *out, const char *level, const char *title, const char *text)
{
    struct sq_buf clean = {0};
    sq_escape_terminal(&clean, text);
    sq_buf_printf(out, "::%s title=", level);
    put_property(out, title);
    sq_buf_puts(out, "::");
    put_data(out, clean.text ? clean.text : "");
    sq_buf_puts(out, "\n");
    out->err = out->err ? out->err : clean.err;
    sq_buf_free(&clean);
}

static void annotate_causes(const struct sq_result *r, unsigned room, struct sq_buf *out)
{
    enum sq_failure causes[SQ_FAILURE_COUNT];
    size_t n = sq_report_causes(r, causes);
    for (size_t i = 0; i < n && i < room; i++) {
        const struct sq_failure_row *f = &r->failures[causes[i]];
        struct sq_buf title = {0}, text = {0};
        sq_buf_printf(&title, "Squall: %llu %s with %s", (unsigned long long)f->count,
                      f->count == 1 ? "peer failed" : "peers failed", sq_failure_name(causes[i]));
        sq_buf_printf(&text, "%s; for example %s: %s", sq_failure_words(causes[i]),
                      r->peers[f->example].id, r->peers[f->example].message);
        /* What the expectations allowed fails nothing. */
        annotate(out, r->verdict == SQ_VERDICT_PASS ? "warning" : "error",
                 title.text ? title.text : "", text.text ? text.text : "");
        out->err = out->err ? out->err : title.err ? title.err : text.err;
        sq_buf_free(&title);
        sq_buf_free(&text);
    }
}

void sq_report_github(const struct sq_result *r, struct sq_buf *out)
{
    unsigned errors = 0, warnings = 0;
    if (r->verdict == SQ_VERDICT_INVALID || r->verdict == SQ_VERDICT_ERROR) {
        annotate(out, "error",
                 r->verdict == SQ_VERDICT_INVALID ? "Squall: INVALID" : "Squall: ERROR",
                 r->verdict_reason);
        errors++;
    }
    if (r->incomplete[0]) {
        annotate(out, "error", "Squall: not all results could be written", r->incomplete);
    }
    for (size_t i = 0; i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        bool warning = e->level == SQ_LEVEL_WARN;
        unsigned *n = warning ? &warnings : &errors;
        if (!e->ok && *n < ANNOTATIONS_MAX) {
            struct sq_buf title = {0};
            sq_buf_printf(&title, "Squall: %s", e->expr);
            annotate(out, warning ? "warning" : "error", title.text ? title.text : "", e->message);
            out->err = out->err ? out->err : title.err;
            sq_buf_free(&title);
            (*n)++;
        }
    }
    unsigned taken = r->verdict == SQ_VERDICT_PASS ? warnings : errors;
    annotate_causes(r, ANNOTATIONS_MAX - (taken < ANNOTATIONS_MAX ? taken : ANNOTATIONS_MAX), out);
}
