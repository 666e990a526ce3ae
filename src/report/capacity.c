/* capacity.json, capacity.csv and the text on the terminal. */
#include "report/capacity.h"

#include "report/escape.h"
#include "report/report_int.h"
#include "report/text.h"
#include <math.h>
#include <string.h>

/* ---- JSON ---- */

static void put_level(struct sq_json *j, const char *key, const struct sq_capacity_level *l)
{
    sq_json_open(j, key, '{');
    sq_json_text(j, "grow", sq_grow_name(l->grow));
    sq_json_integer(j, "peers", l->peers);
    if (l->rooms > 0) {
        sq_json_integer(j, "rooms", l->rooms);
    } else {
        sq_json_null(j, "rooms");
    }
    sq_json_text(j, "outcome", sq_trial_name(l->outcome));
    sq_json_text(j, "reason", l->reason);
    sq_json_flag(j, "confirms", l->confirms);
    sq_json_flag(j, "probes", l->probes);
    sq_json_flag(j, "counted", l->counted);
    sq_json_flag(j, "steady", l->steady);
    sq_json_number(j, "wait_s", l->wait_s);
    sq_json_number(j, "held_s", l->held_s);
    sq_json_integer(j, "ok", l->counts.ok);
    sq_json_integer(j, "failed", l->counts.failed);
    sq_json_integer(j, "pending", l->counts.pending);
    sq_json_integer(j, "connected", l->connected);
    sq_json_number(j, "score", l->score);
    sq_json_number(j, "setup_p95_ms", l->setup_p95_ms);
    sq_json_number(j, "loss_percent", l->loss_percent);
    sq_json_number(j, "fps", l->fps);
    sq_json_number(j, "video_in_kbps", l->in_kbps);
    sq_json_open(j, "generator", '{');
    sq_json_number(j, "lateness_p99_ms", l->lateness_p99_ms);
    sq_json_number(j, "cpu_percent", l->cpu_percent);
    sq_json_close(j, '}');
    sq_json_open(j, "server", '{');
    sq_json_number(j, "cpu_percent", l->server_cpu_percent);
    sq_json_number(j, "memory_bytes", l->server_rss_bytes);
    sq_json_number(j, "others_percent", l->others_percent);
    sq_json_close(j, '}');
    sq_json_open(j, "broke", '[');
    for (size_t i = 0; i < l->broke_len; i++) {
        const struct sq_capacity_broke *b = &l->broke[i];
        sq_json_open(j, NULL, '{');
        sq_json_text(j, "expr", b->expr);
        sq_json_number(j, "value", b->value);
        sq_json_text(j, "unit", b->unit);
        sq_json_text(j, "found", b->found);
        sq_json_text(j, "who", b->who);
        sq_json_close(j, '}');
    }
    sq_json_close(j, ']');
    sq_json_open(j, "failures", '[');
    for (size_t i = 1; i < SQ_FAILURE_COUNT; i++) {
        if (l->failures[i] > 0) {
            sq_json_open(j, NULL, '{');
            sq_json_text(j, "cause", sq_failure_name((enum sq_failure)i));
            sq_json_integer(j, "count", l->failures[i]);
            sq_json_close(j, '}');
        }
    }
    sq_json_close(j, ']');
    sq_json_text(j, "example", l->example);
    sq_json_text(j, "network_note", l->network);
    sq_json_text(j, "results", l->dir);
    sq_json_close(j, '}');
}

static void put_search(struct sq_json *j, const struct sq_capacity *c, size_t i)
{
    const struct sq_search *s = &c->searches[i];
    const struct sq_capacity_level *held = sq_capacity_held(c, i);
    const struct sq_capacity_level *limit = sq_capacity_limit(c, i);
    struct sq_buf answer = {0};
    sq_capacity_answer(c, i, &answer);
    sq_json_open(j, NULL, '{');
    sq_json_text(j, "grow", sq_grow_name(c->grow[i]));
    sq_json_text(j, "answer", answer.text);
    sq_json_flag(j, "confirmed", sq_search_is_confirmed(s));
    sq_json_text(j, "bounded_by",
                 !limit                              ? "nothing"
                 : limit->outcome == SQ_TRIAL_FAILED ? "service"
                                                     : "generator");
    if (held) {
        sq_json_open(j, "held", '{');
        sq_json_integer(j, "peers", held->peers);
        sq_json_integer(j, "rooms", held->rooms);
        sq_json_integer(j, "trials", sq_search_tried(s, held->level));
        sq_json_integer(j, "times", sq_search_count(s, held->level, SQ_TRIAL_HELD));
        sq_json_integer(j, "invalid", sq_search_count(s, held->level, SQ_TRIAL_INVALID));
        sq_json_close(j, '}');
    } else {
        sq_json_null(j, "held");
    }
    if (limit) {
        sq_json_open(j, "limit", '{');
        sq_json_integer(j, "peers", limit->peers);
        sq_json_integer(j, "rooms", limit->rooms);
        sq_json_integer(j, "trials", sq_search_tried(s, limit->level));
        sq_json_integer(j, "times", sq_search_count(s, limit->level, SQ_TRIAL_FAILED));
        sq_json_integer(j, "invalid", sq_search_count(s, limit->level, SQ_TRIAL_INVALID));
        sq_json_close(j, '}');
    } else {
        sq_json_null(j, "limit");
    }
    sq_json_close(j, '}');
    j->out->err = answer.err ? answer.err : j->out->err;
    sq_buf_free(&answer);
}

static void put_head(struct sq_json *j, const struct sq_capacity_report *r)
{
    const struct sq_result *h = r->head;
    struct sq_buf started = {0};
    sq_report_time(&started, h->started_wall_ns);
    sq_json_integer(j, "schema", SQ_CAPACITY_SCHEMA);
    sq_json_open(j, "tool", '{');
    sq_json_text(j, "name", "squall");
    sq_json_text(j, "version", h->tool_version);
    sq_json_text(j, "commit", h->tool_commit);
    sq_json_close(j, '}');
    sq_json_open(j, "run", '{');
    sq_json_text(j, "id", h->run_id);
    sq_json_text(j, "started", started.text);
    sq_json_number(j, "duration_s", r->capacity->duration_s);
    sq_json_integer(j, "seed", h->seed);
    sq_json_text(j, "command", h->command);
    sq_json_text(j, "target", h->target);
    sq_json_text(j, "host", h->host.name);
    sq_json_integer(j, "cores", h->host.cores);
    sq_json_close(j, '}');
    sq_json_integer(j, "exit_code", (uint64_t)r->capacity->exit_code);
    sq_json_text(j, "end", sq_capacity_end_name(r->capacity->end));
    if (r->capacity->died_s > 0) {
        sq_json_number(j, "died_s", r->capacity->died_s);
    } else {
        sq_json_null(j, "died_s");
    }
    sq_json_open(j, "expectations", '[');
    for (size_t i = 0; i < r->expectations_len; i++) {
        sq_json_text(j, NULL, r->expectations[i]);
    }
    sq_json_close(j, ']');
    sq_json_integer(j, "expectations_implied", r->implied_len);
    sq_json_flag(j, "expectations_by_default", !r->expectations_given);
    sq_buf_free(&started);
}

void sq_capacity_json(const struct sq_capacity_report *r, struct sq_buf *out)
{
    const struct sq_capacity *c = r->capacity;
    struct sq_json j = {.out = out, .pretty = true};
    sq_json_open(&j, NULL, '{');
    put_head(&j, r);
    sq_json_open(&j, "searches", '[');
    for (size_t i = 0; i < c->searches_len; i++) {
        put_search(&j, c, i);
    }
    sq_json_close(&j, ']');
    sq_json_open(&j, "levels", '[');
    for (size_t i = 0; i < c->levels_len; i++) {
        put_level(&j, NULL, &c->levels[i]);
    }
    sq_json_close(&j, ']');
    sq_json_open(&j, "notes", '[');
    for (size_t i = 0; i < c->notes_len; i++) {
        sq_json_text(&j, NULL, c->notes[i]);
    }
    sq_json_close(&j, ']');
    sq_json_close(&j, '}');
    sq_buf_puts(out, "\n");
}

/* ---- CSV ---- */

void sq_capacity_csv(const struct sq_capacity_report *r, struct sq_buf *out)
{
    sq_buf_puts(out, "trial,grow,peers,rooms,outcome,confirms,steady,held_s,ok,failed,pending,"
                     "score,setup_p95_ms,loss_percent,fps,video_in_kbps,lateness_p99_ms,"
                     "cpu_percent,server_cpu_percent,server_memory_bytes,broke\r\n");
    for (size_t i = 0; i < r->capacity->levels_len; i++) {
        const struct sq_capacity_level *l = &r->capacity->levels[i];
        const double numbers[] = {l->held_s,
                                  (double)l->counts.ok,
                                  (double)l->counts.failed,
                                  (double)l->counts.pending,
                                  l->score,
                                  l->setup_p95_ms,
                                  l->loss_percent,
                                  l->fps,
                                  l->in_kbps,
                                  l->lateness_p99_ms,
                                  l->cpu_percent,
                                  l->server_cpu_percent,
                                  l->server_rss_bytes};
        sq_buf_printf(out, "%zu,%s,%llu,%llu,%s,%d,%d", i + 1, sq_grow_name(l->grow),
                      (unsigned long long)l->peers, (unsigned long long)l->rooms,
                      sq_trial_name(l->outcome), l->confirms, l->steady);
        for (size_t n = 0; n < sizeof(numbers) / sizeof(*numbers); n++) {
            sq_buf_puts(out, ",");
            sq_number_put(out, numbers[n]);
        }
        sq_buf_puts(out, ",");
        sq_escape_csv(out, l->broke_len > 0 ? l->broke[0].expr : "");
        sq_buf_puts(out, "\r\n");
    }
}

/* ---- Text ---- */

void sq_capacity_text_heads(FILE *out)
{
    fputs("  trial of                  outcome     score  set-up p95     loss    fps   late p99   "
          "CPU   server\n",
          out);
}

static void put_number(FILE *out, double number, int width, const char *unit)
{
    struct sq_buf text = {0};
    sq_report_human(&text, number);
    bool dash = isnan(number);
    fprintf(out, "%*s%s", dash ? width + 2 : width, text.text ? text.text : "",
            dash ? "" : unit); /* the dash is three bytes and one column */
    for (size_t i = 0; dash && i < strlen(unit); i++) {
        fputc(' ', out);
    }
    sq_buf_free(&text);
}

void sq_capacity_text_level(const struct sq_capacity_level *l, FILE *out)
{
    static const char *const marks[] = {"✓ held", "✗ failed", "! invalid"};
    struct sq_buf amount = {0};
    sq_capacity_amount(l, &amount);
    fprintf(out, "  %-24s  %-11s", amount.text ? amount.text : "", marks[l->outcome]);
    fputs("  ", out);
    put_number(out, l->score, 5, "");
    put_number(out, l->setup_p95_ms, 9, " ms");
    put_number(out, l->loss_percent, 7, " %");
    put_number(out, l->fps, 7, "");
    put_number(out, l->lateness_p99_ms, 8, " ms");
    put_number(out, l->cpu_percent, 6, "%");
    put_number(out, l->server_cpu_percent, 7, "%");
    fputs(l->probes ? "  is it there?\n" : l->confirms ? "  again\n" : "\n", out);
    if (l->outcome == SQ_TRIAL_INVALID) { /* by which figure it is, whatever the columns say */
        static const char said[] = "about the service: "; /* that it is invalid: the mark has it */
        const char *at = strstr(l->reason, said);
        fputs("      ", out);
        sq_report_text_words(at ? at + strlen(said) : l->reason, out);
        fputc('\n', out);
    }
    sq_buf_free(&amount);
}

static void put_limit(const struct sq_capacity *c, size_t i, FILE *out)
{
    const struct sq_capacity_level *limit = sq_capacity_limit(c, i);
    struct sq_buf b = {0};
    if (!limit) {
        return;
    }
    if (limit->outcome == SQ_TRIAL_INVALID) {
        fputs("  Squall's own limit, not the service's: ", out);
        sq_report_text_words(limit->reason, out);
        fputc('\n', out);
    }
    for (size_t n = 0; n < limit->broke_len; n++) {
        const struct sq_capacity_broke *broke = &limit->broke[n];
        struct sq_buf value = {0};
        sq_report_human(&value, broke->value);
        fprintf(out, "  %s ✗ %s: %s %s\n", n == 0 ? "What broke first:" : "                 ",
                broke->expr, value.text ? value.text : "", broke->unit);
        sq_buf_free(&value);
        if (broke->who[0]) {
            fputs("      for ", out);
            sq_report_text_words(broke->who, out);
            fputc('\n', out);
        }
    }
    sq_capacity_why(limit, &b);
    if (b.len > 0) {
        fputs("  Why: ", out);
        sq_report_text_words(b.text, out); /* a server's own words may be among them */
        fputc('\n', out);
    }
    sq_buf_free(&b);
}

void sq_capacity_text(const struct sq_capacity_report *r, FILE *out)
{
    const struct sq_capacity *c = r->capacity;
    fputc('\n', out);
    for (size_t i = 0; i < c->searches_len; i++) {
        struct sq_buf answer = {0};
        sq_capacity_answer(c, i, &answer);
        fprintf(out, "%s\n", answer.text ? answer.text : "");
        sq_buf_free(&answer);
        put_limit(c, i, out);
    }
    fputs("\nExpected of each level", out);
    fputs(r->expectations_given ? ":\n" : " (by default; --expect says otherwise):\n", out);
    for (size_t i = 0; i < r->expectations_len; i++) {
        bool implied = i + r->implied_len >= r->expectations_len;
        fprintf(out, "  %s%s\n", r->expectations[i],
                implied ? "  (always, unless peers.ok or peers.failed is expected)" : "");
    }
    for (size_t i = 0; i < c->notes_len; i++) {
        fputs(i == 0 ? "\nTo bear in mind:\n  " : "  ", out);
        sq_report_text_words(c->notes[i], out);
        fputc('\n', out);
    }
}

/* ---- Files ---- */

int sq_capacity_write(const struct sq_capacity_report *r, const char *dir,
                      struct sq_report_error *ret_error)
{
    static const struct {
        const char *name;
        void (*render)(const struct sq_capacity_report *r, struct sq_buf *out);
    } files[] = {
        {"capacity.csv", sq_capacity_csv},
        {"capacity.html", sq_capacity_html},
        {"capacity.json", sq_capacity_json}, /* last: who waits for it finds the others there */
    };
    int err = 0;
    for (size_t i = 0; i < sizeof(files) / sizeof(*files); i++) {
        struct sq_buf content = {0};
        struct sq_report_error error;
        files[i].render(r, &content);
        struct sq_buf path = {0};
        sq_buf_printf(&path, "%s/%s", dir, files[i].name);
        content.err = content.err ? content.err : path.err;
        int failed = sq_report_put(path.err ? dir : path.text, &content, &error);
        sq_buf_free(&path);
        if (failed && !err) {
            err = failed;
            *ret_error = error;
        }
        sq_buf_free(&content);
    }
    return err;
}
