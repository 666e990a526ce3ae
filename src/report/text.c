#include "report/text.h"

#include "report/escape.h"
#include "report/report_int.h"
#include <math.h>
#include <string.h>

#define NAME_WIDTH 22
#define CELL_WIDTH 9
#define EXPR_WIDTH 44

struct text {
    struct sq_buf *out;
    const struct sq_result *r;
    bool color, all;
};

/* SGR codes; nothing when colours are off. */
static void paint(struct text *t, const char *code)
{
    if (t->color) {
        sq_buf_printf(t->out, "\033[%sm", code);
    }
}

static size_t width_of(const char *text)
{
    size_t n = 0;
    for (; *text; text++) {
        n += ((unsigned char)*text & 0xc0) != 0x80;
    }
    return n;
}

static void spaces(struct sq_buf *out, size_t n)
{
    sq_buf_printf(out, "%*s", (int)n, "");
}

/* The text, made harmless, and filled up to `width` characters. */
static void put_left(struct sq_buf *out, const char *text, size_t width)
{
    size_t n = width_of(text);
    sq_escape_terminal(out, text);
    spaces(out, n < width ? width - n : 1);
}

static void put_right(struct sq_buf *out, double number, size_t width)
{
    struct sq_buf text = {0};
    sq_report_human(&text, number);
    if (text.text) {
        size_t n = width_of(text.text);
        spaces(out, n < width ? width - n : 1);
        sq_buf_puts(out, text.text);
    }
    out->err = out->err ? out->err : text.err;
    sq_buf_free(&text);
}

static void put_heading(struct text *t, const char *heading)
{
    sq_buf_puts(t->out, "\n");
    paint(t, "1");
    sq_buf_puts(t->out, heading);
    paint(t, "0");
    sq_buf_puts(t->out, "\n");
}

static void put_verdict(struct text *t)
{
    static const char *const marks[] = {"✓ PASS", "✗ FAIL", "? INVALID", "! ERROR"};
    static const char *const colors[] = {"1;32", "1;31", "1;33", "1;31"};
    bool whole = !sq_result_is_incomplete(t->r);
    sq_buf_puts(t->out, "\n");
    paint(t, whole ? colors[t->r->verdict] : "1;31");
    sq_buf_puts(t->out, whole ? marks[t->r->verdict] : "! INCOMPLETE");
    paint(t, "0");
    sq_buf_puts(t->out, "  ");
    sq_escape_terminal(t->out, t->r->verdict_reason);
    sq_buf_printf(t->out, "  (exit code %d)\n", t->r->exit_code);
    struct sq_buf pending = {0};
    sq_report_pending_note(t->r, &pending); /* a run may have passed without them */
    if (pending.text) {
        paint(t, "33");
        sq_buf_puts(t->out, "⚠");
        paint(t, "0");
        sq_buf_printf(t->out, " %s\n", pending.text);
    }
    t->out->err = t->out->err ? t->out->err : pending.err;
    sq_buf_free(&pending);
}

static void put_expectations(struct text *t)
{
    if (t->r->expectation_count == 0) {
        return;
    }
    put_heading(t, "Expectations");
    for (size_t i = 0; i < t->r->expectation_count; i++) {
        const struct sq_expectation *e = &t->r->expectations[i];
        bool warning = !e->ok && e->level == SQ_LEVEL_WARN;
        sq_buf_puts(t->out, "  ");
        paint(t, e->ok ? "32" : warning ? "33" : "31");
        sq_buf_puts(t->out, e->ok ? "✓" : warning ? "!" : "✗");
        paint(t, "0");
        sq_buf_puts(t->out, " ");
        put_left(t->out, e->expr, EXPR_WIDTH);
        if (e->ok && isfinite(e->value) && e->terms <= 1) {
            sq_report_human_unit(t->out, e->value, e->unit);
        } else {
            sq_escape_terminal(t->out, e->message);
        }
        sq_buf_puts(t->out, "\n");
    }
}

/* Peers had media, and none was there long enough for a rate of it. */
static bool without_rates(const struct sq_result *r)
{
    static const enum sq_metric_id rates[] = {
        SQ_METRIC_AUDIO_IN_BITRATE, SQ_METRIC_AUDIO_OUT_BITRATE, SQ_METRIC_VIDEO_IN_BITRATE,
        SQ_METRIC_VIDEO_OUT_BITRATE};
    for (size_t i = 0; i < sizeof(rates) / sizeof(rates[0]); i++) {
        const struct sq_metric_row *m = sq_result_metric(r, rates[i]);
        if (m && m->hist->sums.count > 0) {
            return false;
        }
    }
    for (size_t i = 0; i < r->peer_count; i++) {
        for (int f = 0; r->peers[i].connected && f < SQ_FLOW_COUNT; f++) {
            if (r->peers[i].flow[f].packets > 0) {
                return true;
            }
        }
    }
    return false;
}

static void put_reconnects(struct text *t, const struct sq_reconnects *returns)
{
    if (returns->peers == 0) {
        return;
    }
    sq_buf_printf(t->out, "  %llu were dropped after they had connected: %llu came back",
                  (unsigned long long)returns->peers, (unsigned long long)returns->back);
    if (returns->back == returns->peers) {
        sq_buf_puts(t->out, ", the last one ");
        sq_report_human_unit(t->out, (returns->all_back_ms - returns->first_drop_ms) / 1e3, "s");
        sq_buf_puts(t->out, " after media stopped for the first");
    }
    sq_buf_puts(t->out, "\n");
}

static void put_warning(struct text *t, const char *note)
{
    sq_buf_puts(t->out, "  ");
    paint(t, "33");
    sq_buf_puts(t->out, "!");
    paint(t, "0");
    sq_buf_puts(t->out, " ");
    sq_escape_terminal(t->out, note);
    sq_buf_puts(t->out, "\n");
}

static void put_peers_note(struct text *t,
                           void (*put)(const struct sq_result *r, struct sq_buf *out))
{
    struct sq_buf note = {0};
    put(t->r, &note);
    if (note.text) {
        put_warning(t, note.text);
    }
    t->out->err = t->out->err ? t->out->err : note.err;
    sq_buf_free(&note);
}

static void put_peers(struct text *t)
{
    const struct sq_peer_counts *c = &t->r->counts;
    put_heading(t, "Peers");
    sq_buf_printf(t->out, "  %llu of %llu planned were started: %llu ok, %llu failed",
                  (unsigned long long)c->started, (unsigned long long)c->planned,
                  (unsigned long long)c->ok, (unsigned long long)c->failed);
    struct sq_reconnects returns;
    sq_result_reconnects(t->r, &returns);
    if (c->dropped > 0 && returns.peers == 0) {
        sq_buf_printf(t->out, " (%llu of them dropped after they had connected)",
                      (unsigned long long)c->dropped);
    }
    sq_buf_printf(t->out, ", %llu pending\n", (unsigned long long)c->pending);
    put_reconnects(t, &returns);
    const struct sq_peer_row *waiting = sq_result_waiting(t->r);
    if (waiting) {
        sq_buf_puts(t->out, "  pending is for example ");
        sq_escape_terminal(t->out, waiting->id);
        sq_buf_puts(t->out, ": ");
        sq_escape_terminal(t->out, waiting->message);
        sq_buf_puts(t->out, "\n");
    }
    put_peers_note(t, sq_report_network_note);
    put_peers_note(t, sq_report_arrivals_note);
    put_peers_note(t, sq_report_steps_note);
    put_peers_note(t, sq_report_goodbye_note);
    if (without_rates(t->r)) {
        sq_buf_puts(t->out,
                    "  no rate of media was measured: nobody was up for the half second that "
                    "it takes\n");
    }
    if (t->r->traces_left_out > 0) {
        sq_buf_printf(t->out, "  %llu more had a dump coming: one of %d at most is kept\n",
                      (unsigned long long)t->r->traces_left_out, SQ_RESULT_TRACES_MAX);
    }
}

/* A line of the score, if `put` has anything to say. */
static void put_score_line(struct text *t, const char *label,
                           void (*put)(const struct sq_result *r, struct sq_buf *out))
{
    struct sq_buf note = {0};
    put(t->r, &note);
    if (note.len > 0) {
        sq_buf_printf(t->out, "  %-16s", label);
        sq_escape_terminal(t->out, note.text);
        sq_buf_puts(t->out, "\n");
    }
    t->out->err = t->out->err ? t->out->err : note.err;
    sq_buf_free(&note);
}

static void put_score(struct text *t)
{
    if (!isfinite(t->r->score)) {
        return;
    }
    put_heading(t, "Score");
    put_score_line(t, "score", sq_report_score_note);
    put_score_line(t, "MOS", sq_report_mos_note);
    put_score_line(t, "points lost to", sq_report_lost_points);
}

/* What tells first how it went, in the order of reading. */
static const enum sq_metric_id first_metrics[] = {
    SQ_METRIC_SETUP_TOTAL,
    SQ_METRIC_PEERS_RECONNECT,
    SQ_METRIC_VIDEO_IN_BITRATE,
    SQ_METRIC_VIDEO_IN_LOSS,
    SQ_METRIC_VIDEO_IN_JITTER,
    SQ_METRIC_VIDEO_IN_RTT,
    SQ_METRIC_VIDEO_IN_FPS,
    SQ_METRIC_VIDEO_IN_FREEZES,
    SQ_METRIC_VIDEO_IN_LATENCY,
    SQ_METRIC_AUDIO_IN_BITRATE,
    SQ_METRIC_AUDIO_IN_LOSS,
    SQ_METRIC_AUDIO_IN_JITTER,
    SQ_METRIC_AUDIO_IN_RTT,
    SQ_METRIC_AUDIO_IN_LATENCY,
    SQ_METRIC_VIDEO_OUT_BITRATE,
    SQ_METRIC_VIDEO_OUT_LOSS,
    SQ_METRIC_VIDEO_OUT_RTT,
    SQ_METRIC_AUDIO_OUT_BITRATE,
    SQ_METRIC_AUDIO_OUT_LOSS,
    SQ_METRIC_AUDIO_OUT_RTT,
    SQ_METRIC_AUDIO_IN_CONCEALMENT,
    SQ_METRIC_DATA_IN_THROUGHPUT,
    SQ_METRIC_DATA_IN_LATENCY,
    SQ_METRIC_DATA_IN_LOSS,
    SQ_METRIC_DATA_RTT,
    SQ_METRIC_VIDEO_IN_DECODED_FPS,
    SQ_METRIC_VIDEO_IN_MOVING,
    SQ_METRIC_VIDEO_IN_DECODED_FAILED,
    SQ_METRIC_AUDIO_IN_HEARD,
};

/* The round-trip time is that of the same path for all flows: one is enough. */
static bool is_another_rtt(enum sq_metric_id id, bool *seen)
{
    bool rtt = id == SQ_METRIC_VIDEO_IN_RTT || id == SQ_METRIC_AUDIO_IN_RTT ||
               id == SQ_METRIC_VIDEO_OUT_RTT || id == SQ_METRIC_AUDIO_OUT_RTT;
    bool another = rtt && *seen;
    *seen = *seen || rtt;
    return another;
}

static bool has_samples(const struct sq_metric_row *m)
{
    return m && m->hist->sums.count > 0;
}

/* Width and height say little on a terminal, and the generator has a line of its own. */
static bool is_for_terminals(enum sq_metric_id id)
{
    return sq_metric_get(id)->unit != SQ_UNIT_PIXELS &&
           strncmp(sq_metric_get(id)->name, "generator.", 10) != 0;
}

/* `last` is that of one more column; NULL: there is none. */
static void put_columns(struct text *t, const char *heading, size_t name_width, const char *last)
{
    static const char *const columns[] = {"avg", "min", "p50", "p95", "p99", "max"};
    put_heading(t, heading);
    spaces(t->out, 2 + name_width + CELL_WIDTH);
    for (size_t i = 0; i < sizeof(columns) / sizeof(columns[0]); i++) {
        sq_buf_printf(t->out, "%*s", CELL_WIDTH, columns[i]);
    }
    if (last) {
        sq_buf_printf(t->out, "%*s", CELL_WIDTH, last);
    }
    sq_buf_puts(t->out, "\n");
}

static void put_figures(struct text *t, const struct sq_metric_figures *f)
{
    const double cells[] = {f->avg, f->min, f->p50, f->p95, f->p99, f->max};
    for (size_t i = 0; i < sizeof(cells) / sizeof(cells[0]); i++) {
        put_right(t->out, cells[i], CELL_WIDTH);
    }
}

static void put_metric(struct text *t, const struct sq_metric_row *m)
{
    struct sq_metric_figures f;
    sq_metric_row_figures(m, &f);
    sq_buf_puts(t->out, "  ");
    put_left(t->out, sq_metric_get(m->id)->name, NAME_WIDTH);
    put_left(t->out, sq_metric_unit_text(sq_metric_get(m->id)->unit), CELL_WIDTH);
    put_figures(t, &f);
    sq_buf_puts(t->out, "\n");
}

static void put_metrics(struct text *t)
{
    size_t n = t->all ? SQ_METRIC_COUNT : sizeof(first_metrics) / sizeof(first_metrics[0]);
    size_t shown = 0;
    bool rtt_seen = false;
    for (size_t i = 0; i < n; i++) {
        enum sq_metric_id id = t->all ? (enum sq_metric_id)i : first_metrics[i];
        const struct sq_metric_row *m = sq_result_metric(t->r, id);
        if (!has_samples(m) || !is_for_terminals(id) ||
            (!t->all && is_another_rtt(id, &rtt_seen))) {
            continue;
        }
        if (shown++ == 0) {
            put_columns(t, "Metrics", NAME_WIDTH, NULL);
        }
        put_metric(t, m);
    }
    if (t->r->latency_note[0]) {
        sq_buf_printf(t->out, "  latency: %s\n", t->r->latency_note);
    }
    if (shown > 0 && !t->all) {
        paint(t, "2");
        sq_buf_puts(t->out, "  --verbose shows every metric; the report has them, too");
        paint(t, "0");
        sq_buf_puts(t->out, "\n");
    }
}

/* As expectations name it. */
static void put_own_name(struct text *t, const char *kind, const char *name, size_t width)
{
    char full[16 + sizeof(t->r->timers[0].name)];
    snprintf(full, sizeof(full), "%s.%s", kind, name);
    sq_buf_puts(t->out, "  ");
    put_left(t->out, full, width);
}

/* What steps and scripts time and count. */
static void put_own(struct text *t)
{
    const struct sq_result *r = t->r;
    size_t width = NAME_WIDTH;
    for (size_t i = 0; i < r->timers_len || i < r->counters_len; i++) {
        size_t timer = i < r->timers_len ? strlen("timer. ") + width_of(r->timers[i].name) : 0;
        size_t counter =
            i < r->counters_len ? strlen("counter. ") + width_of(r->counters[i].name) : 0;
        width = timer > width ? timer : width;
        width = counter > width ? counter : width;
    }
    for (size_t i = 0; i < r->timers_len; i++) {
        if (i == 0) {
            put_columns(t, "Timers", width, "count");
        }
        put_own_name(t, "timer", r->timers[i].name, width);
        put_left(t->out, "ms", CELL_WIDTH);
        put_figures(t, &r->timers[i].figures);
        put_right(t->out, (double)r->timers[i].figures.count, CELL_WIDTH);
        sq_buf_puts(t->out, "\n");
    }
    for (size_t i = 0; i < r->counters_len; i++) {
        if (i == 0) {
            put_heading(t, "Counters");
        }
        put_own_name(t, "counter", r->counters[i].name, width);
        put_right(t->out, (double)r->counters[i].count, (size_t)2 * CELL_WIDTH); /* below avg */
        sq_buf_puts(t->out, "\n");
    }
}

static void put_failures(struct text *t)
{
    const struct sq_result *r = t->r;
    if (r->counts.failed == 0) {
        return;
    }
    put_heading(t, "Failures");
    enum sq_failure causes[SQ_FAILURE_COUNT];
    size_t n = sq_report_causes(r, causes);
    for (size_t i = 0; i < n; i++) {
        enum sq_failure c = causes[i];
        const struct sq_peer_row *p = &r->peers[r->failures[c].example];
        sq_buf_printf(t->out, "  %6llu  %-11s  %s\n", (unsigned long long)r->failures[c].count,
                      sq_failure_name(c), sq_failure_words(c));
        sq_buf_puts(t->out, "          for example ");
        sq_escape_terminal(t->out, p->id);
        if (p->room[0]) {
            sq_buf_puts(t->out, " in ");
            sq_escape_terminal(t->out, p->room);
        }
        sq_buf_puts(t->out, ": ");
        sq_escape_terminal(t->out, p->message);
        sq_buf_puts(t->out, "\n");
    }
}

/* A note, if there is one, under a heading that the first one writes; it is freed. */
static void put_noted(struct text *t, const char *heading, struct sq_buf *note, size_t *told)
{
    if (note->text) {
        if ((*told)++ == 0) {
            put_heading(t, heading);
        }
        put_warning(t, note->text);
    }
    t->out->err = t->out->err ? t->out->err : note->err;
    sq_buf_free(note);
}

static void put_media(struct text *t)
{
    struct sq_buf video = {0};
    struct sq_buf data = {0};
    size_t told = 0;
    for (int what = 0; what < SQ_ASKED_COUNT; what++) {
        struct sq_buf asked = {0};
        sq_report_asked_note(t->r, (enum sq_asked)what, &asked);
        put_noted(t, "Negotiation", &asked, &told);
    }
    told = 0;
    sq_report_video_note(t->r, &video);
    put_noted(t, "Video", &video, &told);
    sq_report_still_note(t->r, &video);
    put_noted(t, "Video", &video, &told);
    told = 0;
    sq_report_data_note(t->r, &data);
    put_noted(t, "Data channels", &data, &told);
}

/* Peers may have connected all the same, by other candidates. */
static void put_servers(struct text *t)
{
    size_t told = 0;
    for (size_t i = 0; i < t->r->stun_count; i++) {
        struct sq_buf note = {0};
        sq_report_stun_note(&t->r->stun[i], &note);
        put_noted(t, "STUN", &note, &told);
    }
    told = 0;
    for (size_t i = 0; i < t->r->turn_count; i++) {
        struct sq_buf note = {0};
        sq_report_turn_note(&t->r->turn[i], &note);
        put_noted(t, "TURN", &note, &told);
    }
}

static void put_generator(struct text *t)
{
    const struct sq_generator_health *g = &t->r->generator;
    put_heading(t, "Generator");
    sq_buf_puts(t->out, "  ");
    bool well = g->ok && !sq_report_stood_still(g);
    paint(t, well ? "32" : "33");
    sq_buf_puts(t->out, well ? "✓ " : g->ok ? "! " : "? ");
    sq_report_generator_state(g, t->out);
    paint(t, "0");
    sq_buf_puts(t->out, ": timers late p99 ");
    sq_report_human_unit(t->out, g->lateness_p99_ms, "ms");
    sq_buf_puts(t->out, ", max ");
    sq_report_human_unit(t->out, g->lateness_max_ms, "ms");
    sq_buf_puts(t->out, "; CPU of the busiest of ");
    sq_buf_printf(t->out, "%u thread%s ", g->threads, g->threads == 1 ? "" : "s");
    sq_report_human_unit(t->out, g->cpu_percent, "%");
    sq_buf_printf(t->out, "; %llu send errors, %llu receive drops\n",
                  (unsigned long long)g->send_errors, (unsigned long long)g->receive_drops);
    if (!g->ok) {
        sq_buf_puts(t->out, "  ");
        sq_escape_terminal(t->out, g->reason);
        sq_buf_puts(t->out, "\n");
    }
    if (g->note[0]) {
        put_warning(t, g->note);
    }
}

void sq_report_text_render(const struct sq_result *r, const struct sq_report_text_options *options,
                           struct sq_buf *out)
{
    struct text t = {.out = out, .r = r, .color = options->color, .all = options->all};
    put_verdict(&t);
    put_expectations(&t);
    put_peers(&t);
    put_score(&t);
    put_metrics(&t);
    if (t.all) {
        put_own(&t);
    }
    put_failures(&t);
    put_media(&t);
    put_servers(&t);
    put_generator(&t);
}

void sq_report_text_words(const char *words, FILE *out)
{
    struct sq_buf text = {0};
    sq_escape_terminal(&text, words);
    if (!text.err && text.len > 0) {
        (void)fwrite(text.text, 1, text.len, out);
    }
    sq_buf_free(&text);
}

void sq_report_text_place(const char *dir, FILE *out)
{
    struct sq_buf text = {0};
    sq_buf_puts(&text, "\nReport: ");
    sq_escape_terminal(&text, dir);
    sq_buf_puts(&text, "/report.html  (summary.json, junit.xml and CSV files beside it)\n");
    if (!text.err) {
        (void)fwrite(text.text, 1, text.len, out);
    }
    sq_buf_free(&text);
}

void sq_report_text(const struct sq_result *r, const struct sq_report_text_options *options,
                    FILE *out)
{
    struct sq_buf text = {0};
    sq_report_text_render(r, options, &text);
    if (!text.err) {
        (void)fwrite(text.text, 1, text.len, out);
    }
    sq_buf_free(&text);
}

void sq_report_text_notes(const struct sq_result *r, FILE *out)
{
    void (*const puts[])(const struct sq_result *, struct sq_buf *) = {
        sq_report_pending_note, sq_report_network_note, sq_report_arrivals_note,
        sq_report_steps_note, sq_report_goodbye_note};
    for (size_t i = 0; i < sizeof(puts) / sizeof(*puts); i++) {
        struct sq_buf note = {0};
        puts[i](r, &note);
        if (note.text) {
            fputs("squall: note: ", out);
            sq_report_text_words(note.text, out);
            fputc('\n', out);
        }
        sq_buf_free(&note);
    }
}
