#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "report/prometheus.h"
#include "report/sample.h"
#include "run/plan.h"
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* A strict reader of the text format, version 0.0.4: HELP and TYPE come once and before their
 * samples, samples of a name stand together, names end as their type asks for, values are numbers,
 * and no line is there twice. */
struct reader {
    char family[96], type[16];
    char families[64][96];
    size_t families_len;
    char seen[512][256];
    size_t seen_len;
    double inf, count, last; /* of a histogram */
};

static size_t name_len(const char *at)
{
    size_t n = 0;
    while (isalnum((unsigned char)at[n]) || at[n] == '_') {
        n++;
    }
    return n;
}

static const char *read_labels(const char *at)
{
    while (*at != '}') {
        size_t n = name_len(at);
        assert_true(n > 0 && at[n] == '=' && at[n + 1] == '"');
        at += n + 2;
        for (; *at != '"'; at++) {
            assert_true((unsigned char)*at >= 0x20);
            if (*at == '\\') {
                at++;
                assert_true(*at == '\\' || *at == '"' || *at == 'n');
            }
        }
        at++;
        assert_true(*at == ',' || *at == '}');
        at += *at == ',';
    }
    return at + 1;
}

static void begin_family(struct reader *r, const char *line)
{
    char help[512];
    char name[96];
    assert_int_equal(sscanf(line, "# HELP %95s %511[^\n]", name, help), 2);
    for (size_t i = 0; i < r->families_len; i++) {
        assert_string_not_equal(r->families[i], name);
    }
    assert_true(r->families_len < 64);
    snprintf(r->families[r->families_len++], 96, "%s", name);
    snprintf(r->family, sizeof(r->family), "%s", name);
    r->type[0] = '\0';
    r->last = 0;
}

static bool ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);
    return n >= m && strcmp(text + n - m, end) == 0;
}

static void take_type(struct reader *r, const char *line)
{
    char name[96];
    assert_int_equal(sscanf(line, "# TYPE %95s %15s", name, r->type), 2);
    assert_string_equal(name, r->family);
    bool total = ends_with(name, "_total");
    assert_true(total == (strcmp(r->type, "counter") == 0));
    assert_true(total || strcmp(r->type, "gauge") == 0 || strcmp(r->type, "histogram") == 0);
    assert_null(strstr(name, "_ms"));
    assert_null(strstr(name, "percent_"));
}

static void take_sample(struct reader *r, const char *line)
{
    size_t n = name_len(line);
    size_t family = strlen(r->family);
    const char *at = line + n;
    char *end;
    assert_true(r->type[0] && n >= family && strncmp(line, r->family, family) == 0);
    const char *suffix = line + family;
    bool histogram = strcmp(r->type, "histogram") == 0;
    assert_true(histogram || n == family);
    at = *at == '{' ? read_labels(at + 1) : at;
    assert_true(*at == ' ');
    double value = strtod(at + 1, &end);
    assert_true(end > at + 1 && *end == '\n' && isfinite(value));
    for (size_t i = 0; i < r->seen_len; i++) {
        assert_false(strncmp(r->seen[i], line, (size_t)(at - line)) == 0 &&
                     r->seen[i][at - line] == '\0');
    }
    assert_true(r->seen_len < 512 && (size_t)(at - line) < 256);
    snprintf(r->seen[r->seen_len++], 256, "%.*s", (int)(at - line), line);
    if (histogram && strncmp(suffix, "_bucket{le=\"", 12) == 0) {
        assert_true(value >= r->last);
        r->last = value;
        r->inf = strncmp(suffix + 12, "+Inf", 4) == 0 ? value : r->inf;
    } else if (histogram && strncmp(suffix, "_count ", 7) == 0) {
        r->count = value;
    } else {
        assert_true(!histogram || strncmp(suffix, "_sum ", 5) == 0);
    }
    assert_true(strcmp(r->type, "counter") != 0 || value >= 0);
}

static void check_format(const char *text)
{
    struct reader *r = test_calloc(1, sizeof(*r));
    for (const char *line = text; *line; line = strchr(line, '\n') + 1) {
        assert_non_null(strchr(line, '\n'));
        if (strncmp(line, "# HELP ", 7) == 0) {
            begin_family(r, line);
        } else if (line[0] == '#') {
            take_type(r, line);
        } else {
            take_sample(r, line);
        }
    }
    assert_true(r->families_len > 10 && r->seen_len > 20);
    assert_true(r->inf == r->count);
    test_free(r);
}

static char *render(const struct sq_prometheus *p)
{
    struct sq_buf out = {0};
    sq_prometheus_render(p, &out);
    assert_int_equal(out.err, 0);
    return sq_buf_take(&out);
}

static double value_of(const char *text, const char *sample)
{
    char line[160];
    snprintf(line, sizeof(line), "\n%s ", sample);
    const char *at = strstr(text, line);
    if (!at) {
        fail_msg("no sample %s", sample);
        return NAN;
    }
    return strtod(at + strlen(line), NULL);
}

static struct sq_plan plan = {.peers = 50};

static void feed(struct sq_prometheus *p, const struct sq_timeline_row *row,
                 const struct sq_hist_small *setup)
{
    const struct sq_run_live live = {
        .plan = &plan,
        .row = row,
        .missed = 3,
        .setup_ms = setup,
        .health = {.ok = true, .lateness_p99_ms = 4, .lateness_max_ms = 20, .cpu_percent = 50},
    };
    sq_prometheus_second(p, &live);
}

static struct sq_prometheus *begun(const char *target)
{
    struct sq_prometheus *p = test_malloc(sizeof(*p));
    struct sq_result *r = NULL;
    assert_int_equal(sq_result_create(&r), 0);
    SQ_RESULT_SET(r->tool_version, "1.2.3");
    SQ_RESULT_SET(r->run_id, "20261121-034501-ab12cd");
    assert_int_equal(sq_result_replace_text(&r->target, target), 0);
    sq_prometheus_begin(p, r);
    sq_result_destroy(r);
    return p;
}

/* Before the first second there is little, and it is well-formed. */
static void before_anything(void **state)
{
    struct sq_prometheus *p = begun("lab:");
    char *text = render(p);
    check_format(text);
    assert_null(strstr(text, "nan"));
    assert_true(value_of(text, "squall_peers_connected") == 0);
    free(text);
    test_free(p);
}

/* Base units, and counters that add up what rows have of each second. */
static void seconds_add_up(void **state)
{
    struct sq_prometheus *p = begun("lab:");
    struct sq_timeline_row row;
    struct sq_hist_small *setup = test_calloc(1, sizeof(*setup));
    for (unsigned s = 1; s <= 3; s++) {
        sq_timeline_row_init(&row);
        row.t_s = s;
        row.planned = 20 * s;
        row.started = 10 * s;
        row.connected = 8 * s;
        row.failed = row.failed_by_cause[SQ_FAILURE_ICE] = s;
        row.bitrate_kbps[SQ_FLOW_VIDEO_IN] = 800;
        row.loss_percent[SQ_FLOW_VIDEO_IN] = 2.5;
        row.jitter_ms[SQ_FLOW_AUDIO_IN] = 7;
        row.rtt_ms = 40;
        row.latency[1] = (struct sq_latency_second){30, 60, 90};
        row.freezes = 2;
        row.data.messages_in = 5;
        row.data.in_kbps = 8;
        sq_hist_small_record(setup, 40 * s);
        feed(p, &row, setup);
    }
    char *text = render(p);
    check_format(text);
    assert_true(value_of(text, "squall_run_elapsed_seconds") == 3);
    assert_true(value_of(text, "squall_peers_max") == 50);
    assert_true(value_of(text, "squall_peers_planned_total") == 60);
    assert_true(value_of(text, "squall_peers_connected") == 24);
    assert_true(value_of(text, "squall_peers_missed_total") == 3);
    assert_true(value_of(text, "squall_peers_failed_total{cause=\"ice\"}") == 3);
    assert_true(value_of(text, "squall_peers_failed_total{cause=\"dtls\"}") == 0);
    assert_true(value_of(text, "squall_media_bytes_total{kind=\"video\",direction=\"in\"}") ==
                300000);
    assert_true(value_of(text, "squall_loss_ratio{kind=\"video\",direction=\"in\"}") == 0.025);
    assert_true(value_of(text, "squall_jitter_seconds{kind=\"audio\",direction=\"in\"}") == 0.007);
    assert_true(value_of(text, "squall_round_trip_seconds") == 0.04);
    assert_true(value_of(text, "squall_latency_seconds{kind=\"video\",percentile=\"95\"}") == 0.06);
    assert_true(value_of(text, "squall_video_freezes_total") == 6);
    assert_true(value_of(text, "squall_data_messages_total{direction=\"in\"}") == 15);
    assert_true(value_of(text, "squall_data_bytes_total{direction=\"in\"}") == 3000);
    assert_true(value_of(text, "squall_generator_cpu_ratio") == 0.5);
    assert_true(value_of(text, "squall_setup_seconds_bucket{le=\"0.05\"}") == 1);
    assert_true(value_of(text, "squall_setup_seconds_bucket{le=\"0.1\"}") == 2);
    assert_true(value_of(text, "squall_setup_seconds_bucket{le=\"+Inf\"}") == 3);
    assert_true(fabs(value_of(text, "squall_setup_seconds_sum") - 0.24) < 1e-9);
    free(text);
    test_free(setup);
    test_free(p);
}

/* A target or an expectation with anything in it is a label, and the same twice is one sample. */
static void labels_hold_anything(void **state)
{
    struct sq_prometheus *p = begun("x\"} 1\n# TYPE y\\z\xff{");
    struct sq_result *r =
        sample_result(&(struct sample_options){.peers = 40, .seconds = 5, .hostile = "\"\n\\"});
    assert_non_null(r);
    assert_non_null(sq_result_add_expectation(r, "a == \"b\\\n\""));
    assert_non_null(sq_result_add_expectation(r, "a == \"b\\\n\""));
    p->result = r;
    char *text = render(p);
    check_format(text);
    assert_non_null(strstr(text, "target=\"x\\\"} 1\\n# TYPE y\\\\z\xef\xbf\xbd{\""));
    assert_true(value_of(text, "squall_run_verdict{verdict=\"fail\"}") == 1);
    assert_true(value_of(text, "squall_run_verdict{verdict=\"pass\"}") == 0);
    assert_true(value_of(text, "squall_run_exit_code") == 1);
    free(text);
    sq_result_destroy(r);
    test_free(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(before_anything),
        cmocka_unit_test(seconds_add_up),
        cmocka_unit_test(labels_hold_anything),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
