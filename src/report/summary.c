/* summary.json: share/schema/summary.schema.json describes it. */
#include "report/report_int.h"
#include <math.h>

static void put_run(struct sq_json *j, const struct sq_result *r)
{
    struct sq_buf time = {0};
    sq_report_time(&time, r->started_wall_ns);
    if (time.err) {
        j->out->err = time.err;
    }
    sq_json_open(j, "run", '{');
    sq_json_text(j, "id", r->run_id);
    sq_json_text(j, "started", time.text ? time.text : "");
    sq_json_number(j, "duration_s", r->duration_s);
    sq_json_integer(j, "seed", r->seed);
    sq_json_text(j, "command", r->command ? r->command : "");
    sq_json_text(j, "target", r->target);
    sq_json_flag(j, "interrupted", r->interrupted);
    sq_json_open(j, "host", '{');
    sq_json_text(j, "name", r->host.name);
    sq_json_text(j, "kernel", r->host.kernel);
    sq_json_text(j, "cpu", r->host.cpu);
    sq_json_integer(j, "cores", r->host.cores);
    sq_json_close(j, '}');
    sq_json_close(j, '}');
    sq_buf_free(&time);
}

static void put_config(struct sq_json *j, const struct sq_result *r)
{
    sq_json_open(j, "config", '{');
    for (size_t i = 0; i < r->config_count; i++) {
        const struct sq_config_row *c = &r->config[i];
        if (c->type == SQ_CONFIG_NUMBER) {
            sq_json_number(j, c->key, c->number);
        } else if (c->type == SQ_CONFIG_BOOL) {
            sq_json_flag(j, c->key, c->flag);
        } else {
            sq_json_text(j, c->key, c->text);
        }
    }
    sq_json_close(j, '}');
}

static void put_expectations(struct sq_json *j, const struct sq_result *r)
{
    sq_json_open(j, "expectations", '[');
    for (size_t i = 0; i < r->expectation_count; i++) {
        const struct sq_expectation *e = &r->expectations[i];
        sq_json_open(j, NULL, '{');
        sq_json_text(j, "expr", e->expr);
        sq_json_number(j, "value", e->value);
        sq_json_text(j, "unit", e->unit);
        sq_json_flag(j, "ok", e->ok);
        sq_json_text(j, "level", e->level == SQ_LEVEL_WARN ? "warn" : "error");
        sq_json_text(j, "message", e->message);
        sq_json_close(j, '}');
    }
    sq_json_close(j, ']');
}

static void put_peers(struct sq_json *j, const struct sq_peer_counts *c)
{
    sq_json_open(j, "peers", '{');
    sq_json_integer(j, "planned", c->planned);
    sq_json_integer(j, "started", c->started);
    sq_json_integer(j, "ok", c->ok);
    sq_json_integer(j, "failed", c->failed);
    sq_json_integer(j, "dropped", c->dropped);
    sq_json_integer(j, "pending", c->pending);
    sq_json_close(j, '}');
}

static void put_reconnects(struct sq_json *j, const struct sq_result *r)
{
    struct sq_reconnects all;
    sq_result_reconnects(r, &all);
    sq_json_open(j, "reconnects", '{');
    sq_json_integer(j, "peers", all.peers);
    sq_json_integer(j, "back", all.back);
    sq_json_number(j, "first_drop_ms", all.first_drop_ms);
    sq_json_number(j, "all_back_ms", all.all_back_ms);
    sq_json_close(j, '}');
}

static void put_worth(struct sq_json *j, const struct sq_latency_worth *worth)
{
    sq_json_number(j, "uncertainty", worth->uncertainty_ms);
    sq_json_integer(j, "by_time_tag", worth->tags);
    sq_json_integer(j, "by_abs_capture_time", worth->captures);
}

static void put_figures(struct sq_json *j, const struct sq_metric_figures *f)
{
    sq_json_integer(j, "count", f->count);
    sq_json_number(j, "min", f->min);
    sq_json_number(j, "avg", f->avg);
    sq_json_number(j, "p50", f->p50);
    sq_json_number(j, "p90", f->p90);
    sq_json_number(j, "p95", f->p95);
    sq_json_number(j, "p99", f->p99);
    sq_json_number(j, "max", f->max);
}

static void put_metrics(struct sq_json *j, const struct sq_result *r)
{
    sq_json_open(j, "metrics", '{');
    for (size_t i = 0; i < r->metric_count; i++) {
        const struct sq_metric *m = sq_metric_get(r->metrics[i].id);
        struct sq_metric_figures f;
        sq_metric_row_figures(&r->metrics[i], &f);
        sq_json_open(j, m->name, '{');
        sq_json_text(j, "unit", sq_metric_unit_text(m->unit));
        put_figures(j, &f);
        if (r->metrics[i].id == SQ_METRIC_AUDIO_IN_LATENCY ||
            r->metrics[i].id == SQ_METRIC_VIDEO_IN_LATENCY) {
            put_worth(j, &r->latency[r->metrics[i].id == SQ_METRIC_VIDEO_IN_LATENCY]);
        }
        sq_json_close(j, '}');
    }
    sq_json_close(j, '}');
}

/* Of steps. Nothing where the scenario has none. */
static void put_steps(struct sq_json *j, const struct sq_result *r)
{
    if (r->timers_len > 0) {
        sq_json_open(j, "timers", '{');
        for (size_t i = 0; i < r->timers_len; i++) {
            const struct sq_metric_figures *f = &r->timers[i].figures;
            sq_json_open(j, r->timers[i].name, '{');
            sq_json_text(j, "unit", "ms");
            put_figures(j, f);
            sq_json_close(j, '}');
        }
        sq_json_close(j, '}');
    }
    if (r->counters_len > 0) {
        sq_json_open(j, "counters", '{');
        for (size_t i = 0; i < r->counters_len; i++) {
            sq_json_integer(j, r->counters[i].name, r->counters[i].count);
        }
        sq_json_close(j, '}');
    }
}

static void put_failures(struct sq_json *j, const struct sq_result *r)
{
    sq_json_open(j, "failures", '[');
    for (int c = 1; c < SQ_FAILURE_COUNT; c++) {
        if (r->failures[c].count == 0) {
            continue;
        }
        const struct sq_peer_row *p = &r->peers[r->failures[c].example];
        sq_json_open(j, NULL, '{');
        sq_json_text(j, "cause", sq_failure_name((enum sq_failure)c));
        sq_json_integer(j, "count", r->failures[c].count);
        sq_json_open(j, "example", '{');
        sq_json_text(j, "peer", p->id);
        sq_json_text(j, "room", p->room);
        sq_json_text(j, "message", p->message);
        sq_json_close(j, '}');
        sq_json_close(j, '}');
    }
    sq_json_close(j, ']');
}

/* Where there is something to note; it is freed. */
static void put_note(struct sq_json *j, const char *key, struct sq_buf *note)
{
    if (note->text) {
        sq_json_text(j, key, note->text);
    }
    j->out->err = j->out->err ? j->out->err : note->err;
    sq_buf_free(note);
}

static void put_media_notes(struct sq_json *j, const struct sq_result *r)
{
    struct sq_buf video = {0};
    struct sq_buf data = {0};
    sq_report_video_note(r, &video);
    put_note(j, "video_note", &video);
    sq_report_still_note(r, &video);
    put_note(j, "still_note", &video);
    sq_report_data_note(r, &data);
    put_note(j, "data_note", &data);
}

/* Only where there is something to tell. */
static void put_peer_notes(struct sq_json *j, const struct sq_result *r)
{
    struct sq_buf note = {0};
    const struct sq_peer_row *example = NULL;
    uint64_t peers = 0;
    for (size_t i = 0; i < r->peer_count; i++) {
        example = example || !r->peers[i].unfinished ? example : &r->peers[i];
        peers += r->peers[i].unfinished;
    }
    if (example) {
        sq_json_open(j, "unfinished_steps", '{');
        sq_json_integer(j, "peers", peers);
        sq_json_open(j, "example", '{');
        sq_json_text(j, "peer", example->id);
        sq_json_text(j, "message", example->message);
        sq_json_close(j, '}');
        sq_json_close(j, '}');
    }
    sq_report_arrivals_note(r, &note);
    put_note(j, "arrivals_note", &note);
    sq_report_pending_note(r, &note);
    put_note(j, "pending_note", &note);
    sq_report_network_note(r, &note);
    put_note(j, "network_note", &note);
    sq_report_goodbye_note(r, &note);
    put_note(j, "goodbye_note", &note);
}

static void put_turn(struct sq_json *j, const struct sq_result *r)
{
    sq_json_open(j, "turn", '[');
    for (size_t i = 0; i < r->turn_count; i++) {
        const struct sq_turn_row *row = &r->turn[i];
        struct sq_buf note = {0};
        sq_report_turn_note(row, &note);
        sq_json_open(j, NULL, '{');
        sq_json_text(j, "server", row->server);
        sq_json_integer(j, "asked", row->asked);
        sq_json_integer(j, "relays", row->relays);
        sq_json_integer(j, "failed", row->failed);
        sq_json_integer(j, "unanswered", row->unanswered);
        sq_json_integer(j, "lost", row->lost);
        sq_json_text(j, "note", note.text ? note.text : "");
        sq_json_close(j, '}');
        j->out->err = j->out->err ? j->out->err : note.err;
        sq_buf_free(&note);
    }
    sq_json_close(j, ']');
}

static void put_negotiation(struct sq_json *j, const struct sq_result *r)
{
    sq_json_open(j, "negotiation", '[');
    for (int what = 0; what < SQ_ASKED_COUNT; what++) {
        const struct sq_asked_row *row = &r->asked[what];
        struct sq_buf note = {0};
        if (row->peers == 0 || (what >= SQ_ASKED_AUDIO && row->refused == 0)) {
            continue; /* that media are agreed on is no news */
        }
        sq_report_asked_note(r, (enum sq_asked)what, &note);
        sq_json_open(j, NULL, '{');
        sq_json_text(j, "asked", sq_asked_name((enum sq_asked)what));
        sq_json_integer(j, "peers", row->peers);
        sq_json_integer(j, "refused", row->refused);
        sq_json_text(j, "note", note.text ? note.text : "");
        sq_json_close(j, '}');
        j->out->err = j->out->err ? j->out->err : note.err;
        sq_buf_free(&note);
    }
    sq_json_close(j, ']');
}

static void put_stun(struct sq_json *j, const struct sq_result *r)
{
    sq_json_open(j, "stun", '[');
    for (size_t i = 0; i < r->stun_count; i++) {
        const struct sq_stun_row *row = &r->stun[i];
        struct sq_buf note = {0};
        sq_report_stun_note(row, &note);
        sq_json_open(j, NULL, '{');
        sq_json_text(j, "server", row->server);
        sq_json_text(j, "address", row->address);
        sq_json_integer(j, "asked", row->asked);
        sq_json_integer(j, "answered", row->answered);
        sq_json_integer(j, "failed", row->failed);
        sq_json_integer(j, "unanswered", row->unanswered);
        sq_json_text(j, "note", note.text ? note.text : "");
        sq_json_close(j, '}');
        j->out->err = j->out->err ? j->out->err : note.err;
        sq_buf_free(&note);
    }
    sq_json_close(j, ']');
}

static void put_generator(struct sq_json *j, const struct sq_generator_health *g)
{
    sq_json_open(j, "generator", '{');
    sq_json_open(j, "lateness_ms", '{');
    sq_json_number(j, "p50", g->lateness_p50_ms);
    sq_json_number(j, "p99", g->lateness_p99_ms);
    sq_json_number(j, "max", g->lateness_max_ms);
    sq_json_close(j, '}');
    sq_json_number(j, "cpu_percent", g->cpu_percent);
    sq_json_integer(j, "send_errors", g->send_errors);
    sq_json_integer(j, "receive_drops", g->receive_drops);
    sq_json_integer(j, "threads", g->threads);
    sq_json_flag(j, "ok", g->ok);
    sq_json_text(j, "reason", g->reason);
    sq_json_text(j, "note", g->note);
    sq_json_close(j, '}');
}

/* Only where there is one. */
static void put_baseline(struct sq_json *j, const struct sq_baseline *b)
{
    if (!b) {
        return;
    }
    sq_json_open(j, "baseline", '{');
    sq_json_text(j, "name", b->name);
    sq_json_integer(j, "runs", b->runs);
    sq_json_text(j, "verdict", b->verdict);
    sq_json_text(j, "reason", b->reason);
    sq_json_open(j, "figures", '[');
    for (size_t i = 0; i < b->rows_count; i++) {
        const struct sq_baseline_row *row = &b->rows[i];
        sq_json_open(j, NULL, '{');
        sq_json_text(j, "figure", row->figure);
        sq_json_text(j, "unit", row->unit);
        sq_json_number(j, "before", row->before);
        sq_json_number(j, "after", row->after);
        sq_json_number(j, "change_percent", row->change_percent);
        sq_json_number(j, "p_adjusted", row->p_adjusted);
        sq_json_text(j, "call", row->call);
        sq_json_close(j, '}');
    }
    sq_json_close(j, ']');
    sq_json_close(j, '}');
}

void sq_report_summary(const struct sq_result *r, struct sq_buf *out)
{
    struct sq_json j = {.out = out, .pretty = true};
    sq_json_open(&j, NULL, '{');
    sq_json_integer(&j, "schema", SQ_RESULT_SCHEMA);
    sq_json_open(&j, "tool", '{');
    sq_json_text(&j, "name", "squall");
    sq_json_text(&j, "version", r->tool_version);
    sq_json_text(&j, "commit", r->tool_commit);
    sq_json_close(&j, '}');
    put_run(&j, r);
    put_config(&j, r);
    sq_json_text(&j, "verdict", sq_verdict_name(r->verdict));
    sq_json_text(&j, "reason", r->verdict_reason);
    sq_json_integer(&j, "exit_code", (uint64_t)r->exit_code);
    put_expectations(&j, r);
    put_peers(&j, &r->counts);
    put_reconnects(&j, r);
    put_metrics(&j, r);
    put_steps(&j, r);
    put_failures(&j, r);
    put_negotiation(&j, r);
    put_stun(&j, r);
    put_turn(&j, r);
    put_peer_notes(&j, r);
    put_media_notes(&j, r);
    put_generator(&j, &r->generator);
    put_baseline(&j, r->baseline);
    sq_json_number(&j, "score", r->score);
    sq_json_number(&j, "mos", r->mos);
    sq_json_close(&j, '}');
    sq_buf_puts(out, "\n");
}
