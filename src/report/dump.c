/* Per-peer dumps as chrome://webrtc-internals writes them ("Create dump"), so that its viewers open
 * them: PeerConnections by "pid-lid", each with an updateLog and with statistics named
 * "id-member", whose values are a JSON array within a string. */
#include "base/mem.h"
#include "report/escape.h"
#include "report/report_int.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sq_report_dump_name(const struct sq_result *r, size_t peer, struct sq_buf *out)
{
    sq_buf_printf(out, "%05zu-", peer + 1);
    sq_escape_file_name(out, r->peers[peer].id);
    sq_buf_puts(out, ".json");
}

/* The configuration as an object if it is JSON, else as text. */
static void put_configuration(struct sq_json *j, const char *configuration)
{
    json_t *parsed = configuration ? json_loads(configuration, 0, NULL) : NULL;
    char *clean = parsed ? json_dumps(parsed, JSON_COMPACT) : NULL;
    if (clean) {
        sq_json_raw(j, "rtcConfiguration", clean);
    } else {
        sq_json_text(j, "rtcConfiguration", configuration ? configuration : "");
    }
    free(clean); /* jansson's own allocation */
    json_decref(parsed);
}

/* Viewers split the value of a candidate event at ", " and read its third part as the candidate. */
static void put_candidate_value(struct sq_json *j, const char *value)
{
    struct sq_buf text = {0};
    const char *line = strncmp(value, "a=", 2) == 0 ? value + 2 : value;
    const char *prefix = strncmp(line, "candidate:", 10) == 0 ? "" : "candidate:";
    sq_buf_printf(&text, "sdpMid: 0, sdpMLineIndex: 0, candidate: %s%s", prefix, line);
    sq_json_text(j, "value", text.text ? text.text : "");
    j->out->err = j->out->err ? j->out->err : text.err;
    sq_buf_free(&text);
}

static void put_event(struct sq_json *j, const struct sq_result *r, const struct sq_trace_event *e)
{
    struct sq_buf time = {0};
    bool candidate =
        strcmp(e->type, "icecandidate") == 0 || strcmp(e->type, "addIceCandidate") == 0;
    sq_report_time(&time, sq_report_wall_at(r, e->t_ms));
    sq_json_open(j, NULL, '{');
    /* Chromium once wrote a text, and 156 writes a number (ms since 1970): readers ask for either.
     */
    sq_json_text(j, "time", time.text ? time.text : "");
    sq_json_integer(j, "timestamp", sq_report_wall_at(r, e->t_ms) / 1000000);
    sq_json_text(j, "type", e->type);
    if (candidate && e->value[0] && !strstr(e->value, ", candidate: ")) {
        put_candidate_value(j, e->value);
    } else {
        sq_json_text(j, "value", e->value);
    }
    sq_json_close(j, '}');
    j->out->err = j->out->err ? j->out->err : time.err;
    sq_buf_free(&time);
}

/* Members that are booleans (W3C): viewers compare with true. */
static bool is_flag(const char *member)
{
    static const char *const flags[] = {"active", "nominated", "isRemote"};
    for (size_t i = 0; i < sizeof(flags) / sizeof(flags[0]); i++) {
        if (strcmp(member, flags[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void put_values(struct sq_buf *out, const struct sq_trace_series *s)
{
    bool flag = is_flag(s->name);
    sq_buf_puts(out, "[");
    if (s->text) {
        sq_buf_puts(out, "\"");
        sq_escape_json(out, s->text, false);
        sq_buf_puts(out, "\"");
    }
    for (size_t i = 0; !s->text && i < s->n; i++) {
        sq_buf_puts(out, i ? "," : "");
        if (!isfinite(s->values[i])) {
            sq_buf_puts(out, "null");
        } else if (flag) {
            sq_buf_puts(out, s->values[i] != 0 ? "true" : "false");
        } else {
            sq_number_put(out, s->values[i]);
        }
    }
    sq_buf_puts(out, "]");
}

/* One statistic: key is "ID-member". */
static void put_series(struct sq_json *j, const struct sq_result *r,
                       const struct sq_trace_series *s, const char *member,
                       const struct sq_buf *values)
{
    struct sq_buf key = {0}, start = {0}, end = {0};
    double last_ms = s->start_ms + (double)(s->n ? s->n - 1 : 0) * s->interval_ms;
    sq_buf_printf(&key, "%s-%s", s->id, member);
    sq_report_time(&start, sq_report_wall_at(r, s->start_ms));
    sq_report_time(&end, sq_report_wall_at(r, last_ms));
    if (key.err || start.err || end.err || values->err) {
        j->out->err = SQ_ERR_NOMEM;
    } else {
        sq_json_open(j, key.text, '{');
        sq_json_text(j, "statsType", s->type);
        sq_json_text(j, "startTime", start.text);
        sq_json_text(j, "endTime", end.text);
        sq_json_text(j, "values", values->text);
        sq_json_close(j, '}');
    }
    sq_buf_free(&key);
    sq_buf_free(&start);
    sq_buf_free(&end);
}

/* Newer viewers take each object's times from its own "ID-timestamp" series (ms since 1970). */
static void put_timestamps(struct sq_json *j, const struct sq_result *r,
                           const struct sq_trace_series *s)
{
    struct sq_buf values = {0};
    sq_buf_puts(&values, "[");
    for (size_t i = 0; i < s->n; i++) {
        double t_ms = s->start_ms + (double)i * s->interval_ms;
        sq_buf_printf(&values, "%s%llu", i ? "," : "",
                      (unsigned long long)(sq_report_wall_at(r, t_ms) / 1000000));
    }
    sq_buf_puts(&values, "]");
    put_series(j, r, s, "timestamp", &values);
    sq_buf_free(&values);
}

static bool is_first_of_object(const struct sq_peer_trace *t, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (strcmp(t->series[i].id, t->series[index].id) == 0) {
            return false;
        }
    }
    return true;
}

/* Of "qualityLimitationDurations[cpu]" the length of the member's own name; all of a plain one. */
static size_t member_len(const struct sq_trace_series *s)
{
    return strcspn(s->name, "[");
}

static bool is_part_of(const struct sq_trace_series *s, const struct sq_trace_series *first)
{
    size_t len = member_len(first);
    return member_len(s) == len && s->name[len] == '[' && strcmp(s->id, first->id) == 0 &&
           strncmp(s->name, first->name, len) == 0;
}

static bool is_first_part(const struct sq_peer_trace *t, size_t index)
{
    for (size_t i = 0; i < index; i++) {
        if (is_part_of(&t->series[i], &t->series[index])) {
            return false;
        }
    }
    return true;
}

/* A member that is a record (W3C): Chrome writes an object each second. Brackets in a key are
 * Chrome's own for rates that it has reckoned, and viewers take them apart in another way. */
static void put_record(struct sq_json *j, const struct sq_result *r, const struct sq_peer_trace *t,
                       size_t index)
{
    const struct sq_trace_series *first = &t->series[index];
    char member[sizeof(first->name)];
    struct sq_buf values = {0};
    snprintf(member, sizeof(member), "%.*s", (int)member_len(first), first->name);
    for (size_t i = 0; i < first->n; i++) {
        const char *comma = "";
        sq_buf_puts(&values, i ? ",{" : "[{");
        for (size_t k = index; k < t->series_count; k++) {
            const struct sq_trace_series *part = &t->series[k];
            if (is_part_of(part, first) && i < part->n && isfinite(part->values[i])) {
                size_t at = member_len(part) + 1;
                sq_buf_printf(&values, "%s\"%.*s\":", comma, (int)strcspn(&part->name[at], "]"),
                              &part->name[at]);
                sq_number_put(&values, part->values[i]);
                comma = ",";
            }
        }
        sq_buf_puts(&values, "}");
    }
    sq_buf_puts(&values, first->n ? "]" : "[]");
    put_series(j, r, first, member, &values);
    sq_buf_free(&values);
}

static void put_stats(struct sq_json *j, const struct sq_result *r, const struct sq_peer_trace *t)
{
    sq_json_open(j, "stats", '{');
    for (size_t i = 0; i < t->series_count; i++) {
        struct sq_buf values = {0};
        if (is_first_of_object(t, i)) {
            put_timestamps(j, r, &t->series[i]);
        }
        if (t->series[i].name[member_len(&t->series[i])] == '[') {
            if (is_first_part(t, i)) {
                put_record(j, r, t, i);
            }
            continue;
        }
        put_values(&values, &t->series[i]);
        put_series(j, r, &t->series[i], t->series[i].name, &values);
        sq_buf_free(&values);
    }
    sq_json_close(j, '}');
}

void sq_report_render_dump(const struct sq_result *r, const struct sq_peer_trace *t,
                           struct sq_buf *out)
{
    struct sq_json j = {.out = out};
    char id[32], agent[128];
    snprintf(id, sizeof(id), "1-%zu", t->peer + 1);
    snprintf(agent, sizeof(agent), "Squall/%s (%s)", r->tool_version, r->tool_commit);
    sq_json_open(&j, NULL, '{');
    sq_json_open(&j, "getUserMedia", '[');
    sq_json_close(&j, ']');
    sq_json_open(&j, "PeerConnections", '{');
    sq_json_open(&j, id, '{');
    sq_json_integer(&j, "pid", 1);
    sq_json_text(&j, "url", t->url ? t->url : r->target ? r->target : "");
    put_configuration(&j, t->configuration);
    sq_json_text(&j, "constraints", "");
    sq_json_open(&j, "updateLog", '[');
    for (size_t i = 0; i < t->event_count; i++) {
        put_event(&j, r, &t->events[i]);
    }
    sq_json_close(&j, ']');
    put_stats(&j, r, t);
    sq_json_close(&j, '}');
    sq_json_close(&j, '}');
    sq_json_text(&j, "UserAgent", agent);
    sq_json_open(&j, "squall", '{'); /* ours; viewers pass over it */
    sq_json_text(&j, "run", r->run_id);
    sq_json_text(&j, "peer", r->peers[t->peer].id);
    sq_json_text(&j, "room", r->peers[t->peer].room);
    sq_json_text(&j, "outcome", sq_outcome_name(r->peers[t->peer].outcome));
    sq_json_text(&j, "cause", sq_failure_name(r->peers[t->peer].cause));
    sq_json_text(&j, "message", r->peers[t->peer].message);
    sq_json_integer(&j, "events_dropped", t->events_dropped);
    sq_json_close(&j, '}');
    sq_json_close(&j, '}');
    sq_buf_puts(out, "\n");
}
