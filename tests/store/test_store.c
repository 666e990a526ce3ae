/* Results read back are what was written; and what is wrong with them is told with file and place.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/mem.h"
#include "base/str.h"
#include "base/temp_dir.h"
#include "report/report.h"
#include "report/sample.h"
#include "store/store.h"
#include <math.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char why[SQ_STORE_WHY_MAX];

static struct sq_result *write_sample(const char *name)
{
    struct sq_report_error error;
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 200, .seconds = 30});
    assert_non_null(r);
    assert_int_equal(sq_result_config_number(r, "peers_config", 200), 0);
    assert_int_equal(sq_report_write(r, in(name), &error), 0);
    return r;
}

static void near(double got, double expected)
{
    if (!(isnan(got) && isnan(expected)) && !(fabs(got - expected) <= 1e-5 * fabs(expected))) {
        fail_msg("%.9g, expected %.9g", got, expected);
    }
}

static void what_was_written_is_read(void **state)
{
    struct sq_stored_run *run = NULL;
    struct sq_result *r = write_sample("one");
    (void)state;
    if (sq_store_open(in("one"), &run, why) != 0) {
        fail_msg("%s", why);
    }
    assert_string_equal(run->id, r->run_id);
    assert_string_equal(run->version, r->tool_version);
    assert_int_equal(run->verdict, r->verdict);
    assert_int_equal(run->exit_code, r->exit_code);
    assert_int_equal(run->counts.failed, r->counts.failed);
    assert_string_equal(sq_store_setting(run, "peers_config"), "200");
    assert_null(sq_store_setting(run, "nothing"));
    for (size_t i = 0; i < r->metric_count; i++) {
        struct sq_metric_figures f;
        enum sq_metric_id id = r->metrics[i].id;
        sq_metric_row_figures(&r->metrics[i], &f);
        assert_int_equal(run->measured[id], f.count > 0);
        near(sq_store_figure(run, id, (struct sq_agg){SQ_AGG_AVG, 0}), f.count ? f.avg : NAN);
        near(sq_store_figure(run, id, (struct sq_agg){SQ_AGG_QUANTILE, 0.95}),
             f.count ? f.p95 : NAN);
    }
    near(sq_store_figure(run, SQ_METRIC_PEERS_FAILED, (struct sq_agg){SQ_AGG_AVG, 0}),
         100.0 * (double)r->counts.failed / (double)r->counts.started);
    assert_false(sq_store_has_agg((struct sq_agg){SQ_AGG_STDDEV, 0}));
    assert_false(sq_store_has_agg((struct sq_agg){SQ_AGG_QUANTILE, 0.42}));
    sq_store_close(run);
    sq_result_destroy(r);
}

/* Peers' figures, by a way of their own: out of the rows. */
static void peers_are_read(void **state)
{
    struct sq_stored_run *run = NULL;
    struct sq_result *r = write_sample("two");
    size_t setups = 0;
    double setup = 0;
    double loss = 0;
    double failed = 0;
    double dropped = 0;
    (void)state;
    assert_int_equal(sq_store_open(in("two"), &run, why), 0);
    if (sq_store_read_peers(run, why) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(sq_store_read_peers(run, why), 0); /* once */
    for (size_t i = 0; i < r->peer_count; i++) {
        const struct sq_peer_row *p = &r->peers[i];
        double ms = p->stage_ms[SQ_STAGE_TOTAL];
        double lost = p->flow[SQ_FLOW_VIDEO_IN].loss_percent;
        setups += !isnan(ms);
        setup += isnan(ms) ? 0 : ms;
        loss += isnan(lost) ? 0 : lost;
        failed += p->outcome == SQ_OUTCOME_FAILED ? 100 : 0;
        dropped += (p->outcome == SQ_OUTCOME_FAILED && p->connected) || p->drops > 0 ? 100 : 0;
    }
    const struct sq_stored_values *v = run->peers;
    assert_int_equal(v[SQ_METRIC_SETUP_TOTAL].n, setups);
    assert_int_equal(v[SQ_METRIC_PEERS_FAILED].n, r->peer_count);
    for (size_t i = 0; i < r->peer_count; i++) {
        setup -= i < setups ? v[SQ_METRIC_SETUP_TOTAL].values[i] : 0;
        loss -= i < v[SQ_METRIC_VIDEO_IN_LOSS].n ? v[SQ_METRIC_VIDEO_IN_LOSS].values[i] : 0;
        failed -= v[SQ_METRIC_PEERS_FAILED].values[i];
        dropped -= v[SQ_METRIC_PEERS_DROPPED].values[i];
    }
    assert_true(fabs(setup) < 0.1 && fabs(loss) < 0.01 && failed == 0 && dropped == 0);
    sq_store_close(run);
    sq_result_destroy(r);
}

static struct sq_buf slurp(const char *path)
{
    struct sq_buf text = {0};
    char part[4096];
    FILE *f = fopen(path, "r");
    assert_non_null(f);
    for (size_t n; (n = fread(part, 1, sizeof(part), f)) > 0;) {
        sq_buf_add(&text, part, n);
    }
    fclose(f);
    assert_int_equal(text.err, 0);
    return text;
}

/* `from` becomes `to`, once; NULL: it ends there. */
static void parse_changed(const struct sq_buf *text, const char *from, const char *to, int expected,
                          const char *words)
{
    struct sq_buf changed = {0};
    struct sq_stored_run *run = NULL;
    char *at = strstr(text->text, from);
    assert_non_null(at);
    sq_buf_add(&changed, text->text, (size_t)(at - text->text));
    if (to) {
        sq_buf_puts(&changed, to);
        sq_buf_puts(&changed, at + strlen(from));
    }
    int err = sq_store_parse("d/summary.json", changed.text, changed.len, &run, why);
    if (err != expected || (words && !strstr(why, words))) {
        fail_msg("'%s' to '%s': %d, %s", from, to ? to : "(end)", err, err ? why : "");
    }
    sq_store_close(err ? NULL : run);
    sq_buf_free(&changed);
}

static void a_wrong_summary_is_told(void **state)
{
    static const struct {
        const char *from, *to;
        int err;
        const char *words;
    } cases[] = {
        {"\"verdict\"", NULL, SQ_ERR_FORMAT, "d/summary.json: line "},
        {"\"schema\": 1", "\"schema\": 2", SQ_ERR_UNSUPPORTED,
         "d/summary.json: key schema: 2, as squall"},
        {"\"schema\": 1", "\"schema\": \"1\"", SQ_ERR_FORMAT,
         "key schema: expected a whole number from 1 on, got a text"},
        {"\"name\": \"squall\"", "\"name\": \"squirrel\"", SQ_ERR_FORMAT,
         "is no summary of squall's"},
        {"\"verdict\": \"fail\"", "\"verdict\": \"maybe\"", SQ_ERR_FORMAT,
         "key verdict: expected pass, fail, invalid or error, got 'maybe'"},
        {"\"started\": 200", "\"started\": -1", SQ_ERR_FORMAT,
         "key peers.started: expected a whole number from 0 on"},
        {"\"lateness_ms\"", "\"x\"", SQ_ERR_FORMAT,
         "key generator.lateness_ms is missing: expected an object"},
        {"\"video.in.loss\": {", "\"video.in.loss\": 3, \"x\": {", SQ_ERR_FORMAT,
         "key metrics.video.in.loss: expected an object, got a number"},
        {"\"setup.total\": {", "\"setup.total\": {\"p95\": \"12\", \"y\": 1}, \"x\": {",
         SQ_ERR_FORMAT, "key metrics.setup.total.count is missing"},
        {"\"metrics\"", "\"metrix\"", SQ_ERR_FORMAT, "key metrics is missing: expected an object"},
        /* Of another version: fewer metrics and keys, and more. */
        {"\"video.in.loss\"", "\"video.in.loss-of-tomorrow\"", 0, NULL},
        {"\"interrupted\"", "\"later\"", 0, NULL},
        {"\"reason\"", "\"why\"", 0, NULL},
    };
    struct sq_result *r = write_sample("three");
    struct sq_buf text = slurp(in("three/summary.json"));
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        parse_changed(&text, cases[i].from, cases[i].to, cases[i].err, cases[i].words);
    }
    struct sq_stored_run *run = NULL;
    assert_int_equal(sq_store_parse("x", "[]", 2, &run, why), SQ_ERR_FORMAT);
    assert_int_equal(sq_store_parse("x", "", 0, &run, why), SQ_ERR_FORMAT);
    sq_buf_free(&text);
    sq_result_destroy(r);
}

static struct sq_stored_run *reopened(const char *name)
{
    struct sq_stored_run *run = NULL;
    if (sq_store_open(in(name), &run, why) != 0) {
        fail_msg("%s", why);
    }
    return run;
}

static void wrong_peers_are_told(void **state)
{
    struct sq_result *r = write_sample("four");
    struct sq_buf text = slurp(in("four/peers.csv"));
    (void)state;
    struct sq_stored_run *run = reopened("four");
    /* Cut short: within a row, and at the end of one. */
    assert_int_equal(sq_store_parse_peers(run, text.text, text.len - 5, why), SQ_ERR_TRUNCATED);
    assert_non_null(strstr(why, ":201: the file ends in the midst of field"));
    char *last = text.text + text.len - 3;
    while (*last != '\n') {
        last--;
    }
    size_t whole = (size_t)(last + 1 - text.text);
    assert_int_equal(sq_store_parse_peers(run, text.text, whole, why), SQ_ERR_TRUNCATED);
    assert_non_null(strstr(why, "after 199 peers; expected 200"));
    assert_int_equal(run->peers[SQ_METRIC_SETUP_TOTAL].n, 0); /* no half of them */
    assert_int_equal(sq_store_parse_peers(run, "id,x\n", 5, why), SQ_ERR_FORMAT);
    assert_non_null(strstr(why, ":1: expected the header of a peers.csv"));
    assert_int_equal(sq_store_parse_peers(run, text.text, 0, why), SQ_ERR_FORMAT);
    static const struct {
        const char *csv, *words;
    } cases[] = {
        {"peer,outcome,setup.total_ms\r\np,ok,12\r\nq,ok\r\n",
         ":3: 2 fields, and the header has 3"},
        {"peer,outcome,setup.total_ms\r\np,ok,12x\r\n",
         ":2: column setup.total_ms: expected a number or nothing, got '12x'"},
        {"peer,outcome,setup.total_ms\r\np,ok,nan\r\n", "got 'nan'"},
        {"peer,outcome,setup.total_ms\r\np,fine,12\r\n",
         ":2: column outcome: expected ok, failed or pending, got 'fine'"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(sq_store_parse_peers(run, cases[i].csv, strlen(cases[i].csv), why),
                         SQ_ERR_FORMAT);
        if (!strstr(why, cases[i].words)) {
            fail_msg("case %zu: %s", i, why);
        }
    }
    sq_buf_free(&text);
    sq_store_close(run);
    sq_result_destroy(r);
}

/* One of another version: without most columns, and with one that nobody knows. */
static void other_versions_are_read(void **state)
{
    static const char csv[] = "peer,outcome,video.in.rtt_ms,mood\r\n"
                              "a,ok,12.5,good\r\nb,failed,,\r\nc,pending,3,\r\n";
    struct sq_result *r = write_sample("five");
    struct sq_stored_run *run = reopened("five");
    (void)state;
    run->counts.started = 3;
    if (sq_store_parse_peers(run, csv, sizeof(csv) - 1, why) != 0) {
        fail_msg("%s", why);
    }
    assert_int_equal(run->peers[SQ_METRIC_VIDEO_IN_RTT].n, 2);
    assert_true(run->peers[SQ_METRIC_VIDEO_IN_RTT].values[1] == 3);
    assert_int_equal(run->peers[SQ_METRIC_SETUP_TOTAL].n, 0);
    assert_true(run->peers[SQ_METRIC_PEERS_FAILED].values[1] == 100);
    sq_store_close(run);
    sq_result_destroy(r);
}

static void find(const char *word, size_t n, const char *first, const char *last)
{
    struct sq_store_dirs dirs;
    if (sq_store_find(word, &dirs, why) != 0) {
        fail_msg("%s: %s", word, why);
    }
    assert_int_equal(dirs.n, n);
    assert_string_equal(dirs.dirs[0], in(first));
    assert_string_equal(dirs.dirs[n - 1], in(last));
    sq_store_dirs_free(&dirs);
}

static void find_refuses(const char *word, const char *words)
{
    struct sq_store_dirs dirs;
    assert_int_equal(sq_store_find(word, &dirs, why), SQ_ERR_INVALID);
    if (!strstr(why, words)) {
        fail_msg("%s: %s", word, why);
    }
}

static void words_name_results(void **state)
{
    char word[600];
    FILE *f;
    (void)state;
    for (int i = 1; i <= 10; i++) {
        char name[32];
        snprintf(name, sizeof(name), "before/%d", i);
        sq_result_destroy(write_sample(name));
    }
    sq_result_destroy(write_sample("a,b"));
    f = fopen(in("before/notes.txt"), "w");
    assert_non_null(f);
    fclose(f);
    find(in("before/3"), 1, "before/3", "before/3");
    find(in("before"), 10, "before/1", "before/10"); /* as one counts */
    find(in("a,b"), 1, "a,b", "a,b");
    snprintf(word, sizeof(word), "%s,%s", in("before/2"), in("before/7"));
    find(word, 2, "before/2", "before/7");
    find_refuses("", "expected a results directory");
    find_refuses(in("nowhere"), "nowhere: No such file or directory: expected a results directory");
    find_refuses(in("before/1/summary.json"), "is a file: expected the results directory");
    assert_int_equal(mkdir(in("empty"), 0777), 0);
    find_refuses(in("empty"), "expected a results directory of squall run, with its summary.json");
    assert_int_equal(mkdir(in("before/11"), 0777), 0); /* a run that was killed */
    find_refuses(in("before"), "11 has no summary.json in it (a run that was killed?)");
    assert_int_equal(rmdir(in("before/11")), 0);
}

static void runs_are_loaded(void **state)
{
    struct sq_store_runs runs = {.n = 0};
    (void)state;
    assert_int_equal(sq_store_load(in("before"), &runs, why), 0);
    assert_int_equal(sq_store_load(in("one"), &runs, why), 0);
    assert_int_equal(runs.n, 11);
    FILE *f = fopen(in("before/4/summary.json"), "w");
    assert_non_null(f);
    fclose(f);
    assert_int_equal(sq_store_load(in("before"), &runs, why), SQ_ERR_FORMAT);
    assert_non_null(strstr(why, "before/4/summary.json: line 1, column 0: expected JSON"));
    assert_int_equal(runs.n, 11); /* what it had */
    struct sq_stored_run *run = NULL;
    assert_int_equal(sq_store_open(in("nowhere"), &run, why), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "nowhere/summary.json: No such file"));
    sq_store_runs_free(&runs);
}

static void survives_want_of_memory(void **state)
{
    struct sq_stored_run *run = NULL;
    struct sq_buf text = slurp(in("one/summary.json"));
    (void)state;
    sq_mem_fail_at(0);
    assert_int_equal(sq_store_parse("x", text.text, text.len, &run, why), 0);
    size_t all = sq_mem_count();
    sq_store_close(run);
    for (size_t nth = 1; nth <= all; nth++) {
        sq_mem_fail_at(nth);
        int err = sq_store_parse("x", text.text, text.len, &run, why);
        sq_mem_fail_at(0);
        assert_int_equal(err, SQ_ERR_NOMEM);
    }
    sq_buf_free(&text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read), cmocka_unit_test(peers_are_read),
        cmocka_unit_test(a_wrong_summary_is_told),  cmocka_unit_test(wrong_peers_are_told),
        cmocka_unit_test(other_versions_are_read),  cmocka_unit_test(words_name_results),
        cmocka_unit_test(runs_are_loaded),          cmocka_unit_test(survives_want_of_memory),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
