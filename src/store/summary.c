/* summary.json, as share/schema/summary.schema.json describes it. */
#include "base/mem.h"
#include "base/str.h"
#include "store/store.h"
#include <errno.h>
#include <jansson.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The first thing that is wrong is kept. */
struct reading {
    const char *name; /* of the file */
    char *why;
    int err;
};

static void fail(struct reading *r, int err, const char *fmt, ...) SQ_PRINTF(3, 4);

static void fail(struct reading *r, int err, const char *fmt, ...)
{
    if (r->err) {
        return;
    }
    r->err = err;
    int n = snprintf(r->why, SQ_STORE_WHY_MAX, "%.300s: ", r->name);
    va_list args;
    va_start(args, fmt);
    vsnprintf(r->why + n, SQ_STORE_WHY_MAX - (size_t)n, fmt, args);
    va_end(args);
}

static const char *type_words(const json_t *value)
{
    switch (json_typeof(value)) {
    case JSON_OBJECT:
        return "an object";
    case JSON_ARRAY:
        return "an array";
    case JSON_STRING:
        return "a text";
    case JSON_INTEGER:
    case JSON_REAL:
        return "a number";
    case JSON_TRUE:
    case JSON_FALSE:
        return "true or false";
    default:
        return "null";
    }
}

/* A member that has to be there; `in` is the path of the object, "" of the outermost. */
static json_t *member(struct reading *r, const json_t *object, const char *in, const char *key,
                      const char *expected)
{
    json_t *value = json_object_get(object, key);
    if (!value && object) {
        fail(r, SQ_ERR_FORMAT, "key %.80s%s%.80s is missing: expected %s", in, in[0] ? "." : "",
             key, expected);
    }
    return value;
}

static void wrong(struct reading *r, const json_t *value, const char *in, const char *key,
                  const char *expected)
{
    fail(r, SQ_ERR_FORMAT, "key %.80s%s%.80s: expected %s, got %s", in, in[0] ? "." : "", key,
         expected, type_words(value));
}

static json_t *object_in(struct reading *r, const json_t *object, const char *in, const char *key)
{
    json_t *value = member(r, object, in, key, "an object");
    if (value && !json_is_object(value)) {
        wrong(r, value, in, key, "an object");
        return NULL;
    }
    return value;
}

static void text_in(struct reading *r, const json_t *object, const char *in, const char *key,
                    char *field, size_t size)
{
    const json_t *value = member(r, object, in, key, "a text");
    if (value && !json_is_string(value)) {
        wrong(r, value, in, key, "a text");
    } else if (value) {
        sq_result_set_text(field, size, json_string_value(value));
    }
}

/* null is NAN. */
static double number_in(struct reading *r, const json_t *object, const char *in, const char *key)
{
    const json_t *value = member(r, object, in, key, "a number or null");
    if (value && !json_is_number(value) && !json_is_null(value)) {
        wrong(r, value, in, key, "a number or null");
    }
    return json_is_number(value) ? json_number_value(value) : NAN;
}

static uint64_t count_in(struct reading *r, const json_t *object, const char *in, const char *key)
{
    const json_t *value = member(r, object, in, key, "a whole number");
    if (value && (!json_is_integer(value) || json_integer_value(value) < 0)) {
        wrong(r, value, in, key, "a whole number from 0 on");
        return 0;
    }
    return (uint64_t)json_integer_value(value);
}

static bool flag_in(struct reading *r, const json_t *object, const char *in, const char *key)
{
    const json_t *value = member(r, object, in, key, "true or false");
    if (value && !json_is_boolean(value)) {
        wrong(r, value, in, key, "true or false");
    }
    return json_is_true(value);
}

static void read_schema(struct reading *r, const json_t *root, const char *version)
{
    const json_t *tool = json_object_get(root, "tool");
    const char *name = json_string_value(json_object_get(tool, "name"));
    const json_t *schema = json_object_get(root, "schema");
    if (!json_is_object(root) || !name || strcmp(name, "squall") != 0 || !schema) {
        fail(r, SQ_ERR_FORMAT,
             "is no summary of squall's: expected an object with the keys schema and tool.name");
    } else if (!json_is_integer(schema) || json_integer_value(schema) < 1) {
        wrong(r, schema, "", "schema", "a whole number from 1 on");
    } else if (json_integer_value(schema) > SQ_RESULT_SCHEMA) {
        fail(r, SQ_ERR_UNSUPPORTED,
             "key schema: %lld, as squall %.31s writes it; this one reads up to %d",
             (long long)json_integer_value(schema), version, SQ_RESULT_SCHEMA);
    }
}

static void read_run(struct reading *r, const json_t *root, struct sq_stored_run *run)
{
    const json_t *of = object_in(r, root, "", "run");
    const json_t *host = of ? object_in(r, of, "run", "host") : NULL;
    text_in(r, of, "run", "id", run->id, sizeof(run->id));
    text_in(r, of, "run", "started", run->started, sizeof(run->started));
    char cpu[96] = "";
    text_in(r, host, "run.host", "cpu", cpu, sizeof(cpu));
    snprintf(run->host, sizeof(run->host), "%s, %llu cores", cpu,
             (unsigned long long)count_in(r, host, "run.host", "cores"));
    /* Neither was there from the beginning. */
    run->interrupted = json_is_true(json_object_get(of, "interrupted"));
    const char *reason = json_string_value(json_object_get(root, "reason"));
    SQ_RESULT_SET(run->reason, reason);
}

static void read_verdict(struct reading *r, const json_t *root, struct sq_stored_run *run)
{
    char word[32] = "";
    text_in(r, root, "", "verdict", word, sizeof(word));
    int v = SQ_VERDICT_PASS;
    while (v <= SQ_VERDICT_ERROR && strcmp(word, sq_verdict_name((enum sq_run_verdict)v)) != 0) {
        v++;
    }
    if (v > SQ_VERDICT_ERROR) {
        fail(r, SQ_ERR_FORMAT, "key verdict: expected pass, fail, invalid or error, got '%.31s'",
             word);
        return;
    }
    run->verdict = (enum sq_run_verdict)v;
    run->exit_code = (int)count_in(r, root, "", "exit_code");
}

static void read_counts(struct reading *r, const json_t *root, struct sq_peer_counts *c)
{
    const json_t *of = object_in(r, root, "", "peers");
    c->planned = count_in(r, of, "peers", "planned");
    c->started = count_in(r, of, "peers", "started");
    c->ok = count_in(r, of, "peers", "ok");
    c->failed = count_in(r, of, "peers", "failed");
    c->dropped = count_in(r, of, "peers", "dropped");
    c->pending = count_in(r, of, "peers", "pending");
}

/* Metrics that are not in the table are of another version, and are left out. */
static void read_metrics(struct reading *r, const json_t *root, struct sq_stored_run *run)
{
    json_t *of = object_in(r, root, "", "metrics");
    for (unsigned id = 0; id < SQ_METRIC_COUNT; id++) {
        char in[96];
        const char *name = sq_metric_get((enum sq_metric_id)id)->name;
        const json_t *m = json_object_get(of, name);
        snprintf(in, sizeof(in), "metrics.%s", name);
        if (m && !json_is_object(m)) {
            wrong(r, m, "metrics", name, "an object");
        } else if (m) {
            struct sq_metric_figures *f = &run->figures[id];
            f->count = count_in(r, m, in, "count");
            f->min = number_in(r, m, in, "min");
            f->avg = number_in(r, m, in, "avg");
            f->p50 = number_in(r, m, in, "p50");
            f->p90 = number_in(r, m, in, "p90");
            f->p95 = number_in(r, m, in, "p95");
            f->p99 = number_in(r, m, in, "p99");
            f->max = number_in(r, m, in, "max");
            run->measured[id] = f->count > 0;
        }
    }
}

static void read_generator(struct reading *r, const json_t *root, struct sq_stored_run *run)
{
    const json_t *of = object_in(r, root, "", "generator");
    const json_t *lateness = of ? object_in(r, of, "generator", "lateness_ms") : NULL;
    run->generator_ok = flag_in(r, of, "generator", "ok");
    run->lateness_p99_ms = number_in(r, lateness, "generator.lateness_ms", "p99");
    run->lateness_max_ms = number_in(r, lateness, "generator.lateness_ms", "max");
    const char *note = json_string_value(json_object_get(of, "note")); /* came later */
    SQ_RESULT_SET(run->generator_note, note);
}

static void read_config(struct reading *r, const json_t *root, struct sq_stored_run *run)
{
    json_t *of = object_in(r, root, "", "config");
    const char *key;
    json_t *value;
    if (!of || json_object_size(of) == 0) {
        return;
    }
    run->config = sq_calloc(json_object_size(of), sizeof(*run->config));
    if (!run->config) {
        fail(r, SQ_ERR_NOMEM, "no memory");
        return;
    }
    json_object_foreach(of, key, value)
    {
        char *text = json_dumps(value, JSON_ENCODE_ANY | JSON_SORT_KEYS | JSON_COMPACT |
                                           JSON_REAL_PRECISION(6));
        struct sq_stored_setting *setting = &run->config[run->config_count++];
        setting->key = sq_strdup(key);
        setting->value = text ? sq_strdup(text) : NULL;
        free(text); /* jansson's own allocation */
        if (!setting->key || !setting->value) {
            fail(r, SQ_ERR_NOMEM, "no memory");
            return;
        }
    }
}

static void read_all(struct reading *r, const json_t *root, struct sq_stored_run *run)
{
    const json_t *tool = json_object_get(root, "tool");
    const char *version = json_string_value(json_object_get(tool, "version"));
    SQ_RESULT_SET(run->version, version);
    read_schema(r, root, run->version);
    if (r->err) {
        return; /* all else would only follow from that */
    }
    read_run(r, root, run);
    read_verdict(r, root, run);
    read_counts(r, root, &run->counts);
    read_metrics(r, root, run);
    read_generator(r, root, run);
    read_config(r, root, run);
}

/* The figures of the three counters, which stand under "peers". */
static void count_peers(struct sq_stored_run *run)
{
    static const enum sq_metric_id ids[] = {SQ_METRIC_PEERS_OK, SQ_METRIC_PEERS_FAILED,
                                            SQ_METRIC_PEERS_DROPPED};
    const struct sq_peer_counts *c = &run->counts;
    const uint64_t counts[] = {c->ok, c->failed, c->dropped};
    for (size_t i = 0; i < 3; i++) {
        double share = c->started > 0 ? 100.0 * (double)counts[i] / (double)c->started : NAN;
        run->measured[ids[i]] = c->started > 0;
        run->figures[ids[i]] = (struct sq_metric_figures){
            1, share, share, share, share, share, share, share,
        };
    }
}

static int finish(struct reading *r, json_t *root, const json_error_t *error,
                  struct sq_stored_run *run, struct sq_stored_run **ret_run)
{
    if (!root) {
        fail(r, SQ_ERR_FORMAT, "line %d, column %d: expected JSON, but %.150s (was it cut short?)",
             error->line, error->column, error->text);
    } else {
        read_all(r, root, run);
        count_peers(run);
        json_decref(root);
    }
    if (r->err) {
        sq_store_close(run);
        return r->err;
    }
    *ret_run = run;
    return 0;
}

static struct sq_stored_run *make(const char *dir)
{
    struct sq_stored_run *run = sq_zalloc(sizeof(*run));
    if (run) {
        run->dir = sq_strdup(dir);
    }
    if (run && !run->dir) {
        sq_store_close(run);
        return NULL;
    }
    return run;
}

int sq_store_open(const char *dir, struct sq_stored_run **ret_run,
                  char why[static SQ_STORE_WHY_MAX])
{
    struct sq_buf path = {0};
    json_error_t error;
    struct sq_stored_run *run = make(dir);
    sq_buf_printf(&path, "%s/summary.json", dir);
    struct reading r = {.name = path.text, .why = why};
    if (!run || path.err) {
        snprintf(why, SQ_STORE_WHY_MAX, "no memory");
        sq_store_close(run);
        sq_buf_free(&path);
        return SQ_ERR_NOMEM;
    }
    int err;
    FILE *file = fopen(path.text, "re");
    if (!file) {
        fail(&r, errno == ENOENT ? SQ_ERR_INVALID : SQ_ERR_IO,
             "%s: expected the results directory of a run", strerror(errno));
        sq_store_close(run);
        err = r.err;
    } else {
        err = finish(&r, json_loadf(file, JSON_REJECT_DUPLICATES, &error), &error, run, ret_run);
        fclose(file);
    }
    sq_buf_free(&path);
    return err;
}

int sq_store_parse(const char *name, const char *summary, size_t len,
                   struct sq_stored_run **ret_run, char why[static SQ_STORE_WHY_MAX])
{
    json_error_t error;
    struct reading r = {.name = name, .why = why};
    struct sq_stored_run *run = make(name);
    if (!run) {
        snprintf(why, SQ_STORE_WHY_MAX, "no memory");
        return SQ_ERR_NOMEM;
    }
    return finish(&r, json_loadb(summary, len, JSON_REJECT_DUPLICATES, &error), &error, run,
                  ret_run);
}

void sq_store_close(struct sq_stored_run *run)
{
    if (!run) {
        return;
    }
    for (size_t i = 0; i < run->config_count; i++) {
        sq_free(run->config[i].key);
        sq_free(run->config[i].value);
    }
    for (unsigned id = 0; id < SQ_METRIC_COUNT; id++) {
        sq_free(run->peers[id].values);
    }
    sq_free(run->config);
    sq_free(run->dir);
    sq_free(run);
}

/* What summary.json has of a metric. */
static bool pick(const struct sq_metric_figures *f, struct sq_agg agg, double *ret_value)
{
    const struct {
        double q, value;
    } quantiles[] = {{0.5, f->p50}, {0.9, f->p90}, {0.95, f->p95}, {0.99, f->p99}};
    if (agg.kind == SQ_AGG_QUANTILE) {
        for (size_t i = 0; i < sizeof(quantiles) / sizeof(*quantiles); i++) {
            if (fabs(agg.q - quantiles[i].q) < 1e-9) {
                *ret_value = quantiles[i].value;
                return true;
            }
        }
        return false;
    }
    *ret_value = agg.kind == SQ_AGG_AVG ? f->avg : agg.kind == SQ_AGG_MIN ? f->min : f->max;
    return agg.kind == SQ_AGG_AVG || agg.kind == SQ_AGG_MIN || agg.kind == SQ_AGG_MAX;
}

bool sq_store_has_agg(struct sq_agg agg)
{
    static const struct sq_metric_figures none;
    double unused;
    return pick(&none, agg, &unused);
}

double sq_store_figure(const struct sq_stored_run *run, enum sq_metric_id id, struct sq_agg agg)
{
    double value;
    return run->measured[id] && pick(&run->figures[id], agg, &value) ? value : NAN;
}

const char *sq_store_setting(const struct sq_stored_run *run, const char *key)
{
    for (size_t i = 0; i < run->config_count; i++) {
        if (strcmp(run->config[i].key, key) == 0) {
            return run->config[i].value;
        }
    }
    return NULL;
}
