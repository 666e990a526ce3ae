#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/str.h"
#include "report/escape.h"
#include "report/report.h"
#include "report/report_int.h"
#include "report/sample.h"
#include "report/text.h"
#include "run/expect.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char evil[] =
    "=1+1\"b\\\x01\x1b[2J</script><img src=x onerror=alert(1)>,\r\n&'\xff\x7f";

static struct sq_result *sample(unsigned peers, unsigned seconds, const char *hostile)
{
    struct sq_result *r = sample_result(
        &(struct sample_options){.peers = peers, .seconds = seconds, .hostile = hostile});
    assert_non_null(r);
    return r;
}

static char *render(const struct sq_result *r, enum sq_report_kind kind, size_t *ret_len)
{
    struct sq_buf out = {0};
    sq_report_render(r, kind, &out);
    assert_int_equal(out.err, 0);
    *ret_len = out.len;
    return sq_buf_take(&out);
}

/* A reader of RFC 4180 that counts: every row must have as many fields as the first. */
static size_t check_csv(const char *text, size_t *ret_rows)
{
    size_t fields = 1, expected = 0, rows = 0;
    bool quoted = false;
    for (const char *c = text; *c; c++) {
        if (quoted) {
            if (c[0] == '"' && c[1] == '"') {
                c++;
            } else if (*c == '"') {
                quoted = false;
                assert_true(c[1] == ',' || c[1] == '\r');
            }
        } else if (*c == '"') {
            assert_true(c == text || c[-1] == ',' || c[-1] == '\n');
            quoted = true;
        } else if (*c == ',') {
            fields++;
        } else if (*c == '\r') {
            assert_int_equal(c[1], '\n');
            c++;
            expected = expected ? expected : fields;
            assert_int_equal(fields, expected);
            rows++;
            fields = 1;
        } else {
            assert_int_not_equal(*c, '\n');
        }
    }
    assert_false(quoted);
    *ret_rows = rows;
    return expected;
}

static void csv_is_rfc_4180(void **state)
{
    const char *const hostile[] = {NULL, evil};
    for (size_t i = 0; i < 2; i++) {
        struct sq_result *r = sample(60, 12, hostile[i]);
        size_t len, rows;
        char *peers = render(r, SQ_REPORT_PEERS, &len);
        check_csv(peers, &rows);
        assert_int_equal(rows, 61);
        char *timeline = render(r, SQ_REPORT_TIMELINE, &len);
        check_csv(timeline, &rows);
        assert_int_equal(rows, 13);
        assert_true(strncmp(timeline, "t_s,planned,started,connected,ok,failed,failed.dns", 50) ==
                    0);
        free(peers);
        assert_non_null(strstr(timeline, "arrivals_per_s,score,mos\r\n"));
        free(timeline);
        sq_result_destroy(r);
    }
}

static void escape_json_in_html(struct sq_buf *out, const char *text)
{
    sq_escape_json(out, text, true);
}

static void escape_json_alone(struct sq_buf *out, const char *text)
{
    sq_escape_json(out, text, false);
}

static void escapes(void **state)
{
    static const struct {
        void (*escape)(struct sq_buf *, const char *);
        const char *in, *out;
    } cases[] = {
        {sq_escape_csv, "plain", "plain"},
        {sq_escape_csv, "a,b", "\"a,b\""},
        {sq_escape_csv, "say \"hi\"", "\"say \"\"hi\"\"\""},
        {sq_escape_csv, "=SUM(A1)", "'=SUM(A1)"},
        {sq_escape_csv, "-1,2", "\"'-1,2\""},
        {sq_escape_csv, "two\nlines", "\"two\nlines\""},
        {sq_escape_xml, "<a b='c'>&\"", "&lt;a b=&#39;c&#39;&gt;&amp;&quot;"},
        {sq_escape_xml, "x\x01\x1f\x7fy\n", "x\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbdy&#10;"},
        {sq_escape_xml, "\xef\xbf\xbe\xef\xbf\xbf",
         "\xef\xbf\xbd\xef\xbf\xbd"}, /* U+FFFE, U+FFFF */
        {sq_escape_xml, "caf\xc3\xa9 \xf0\x9f\x98\x80", "caf\xc3\xa9 \xf0\x9f\x98\x80"},
        {sq_escape_xml, "\xc0\xaf", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* overlong */
        {sq_escape_xml, "\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* surrogate */
        {sq_escape_xml, "\xe2\x82", "\xef\xbf\xbd\xef\xbf\xbd"},                 /* cut short */
        {sq_escape_xml, "\xe0\x80\xaf", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* overlong */
        {sq_escape_xml, "\xf0\x82\x82\xac",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* overlong */
        {sq_escape_xml, "\xf4\x90\x80\x80",
         "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"}, /* above U+10FFFF */
        {escape_json_in_html, "</script>", "\\u003c/script>"},
        {escape_json_alone, "a < \"b\"\\\n\x02", "a < \\\"b\\\"\\\\\\n\\u0002"},
        {sq_escape_terminal, "a\x1b[31mb", "a\xef\xbf\xbd[31mb"},
        {sq_escape_terminal, "\xc2\x9b", "\xef\xbf\xbd"}, /* C1: CSI in one character */
        {sq_escape_file_name, "../../etc/passwd", "_.._.._etc_passwd"},
        {sq_escape_file_name, "", "_"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        struct sq_buf out = {0};
        cases[i].escape(&out, cases[i].in);
        assert_string_equal(out.text, cases[i].out);
        sq_buf_free(&out);
    }
}

static size_t count_of(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = strstr(text, what); at; at = strstr(at + 1, what)) {
        n++;
    }
    return n;
}

static void junit_is_well_formed(void **state)
{
    const char *const hostile[] = {NULL, evil};
    for (size_t i = 0; i < 2; i++) {
        struct sq_result *r = sample(60, 5, hostile[i]);
        size_t len;
        char *xml = render(r, SQ_REPORT_JUNIT, &len);
        char head[128];
        size_t cases = count_of(xml, "<testcase "), failed = count_of(xml, "<failure ");
        snprintf(head, sizeof(head), "tests=\"%zu\" failures=\"%zu\" errors=\"0\"", cases, failed);
        assert_int_equal(count_of(xml, head), 2);
        assert_true(cases >= r->expectation_count + 2 && failed > 0);
        /* Cases add up to the suite: its time stands in both heads and in one case. */
        snprintf(head, sizeof(head), " time=\"%g\"", r->duration_s);
        assert_int_equal(count_of(xml, head), 3);
        assert_int_equal(count_of(xml, " time=\"0\""), cases - 1);
        assert_int_equal(count_of(xml, "<img"), 0);
        for (size_t k = 0; k < len; k++) {
            assert_true((unsigned char)xml[k] >= 0x20 || xml[k] == '\n');
        }
        /* An independent parser. */
        FILE *python = popen("python3 -c 'import sys, xml.dom.minidom; "
                             "xml.dom.minidom.parseString(sys.stdin.buffer.read())'",
                             "w");
        assert_non_null(python);
        assert_int_equal(fwrite(xml, 1, len, python), len);
        assert_int_equal(pclose(python), 0);
        free(xml);
        sq_result_destroy(r);
    }
}

/* A test case that fails while the run passes would contradict the exit code. */
static void junit_agrees_with_the_verdict(void **state)
{
    struct sq_result *r = sample(60, 5, NULL);
    size_t len;
    r->verdict = SQ_VERDICT_PASS;
    r->exit_code = 0;
    for (size_t i = 0; i < r->expectation_count; i++) {
        r->expectations[i].ok = true;
    }
    char *xml = render(r, SQ_REPORT_JUNIT, &len);
    assert_int_equal(count_of(xml, "<failure "), 0);
    assert_true(count_of(xml, "no peer fails with ice") > 0);
    free(xml);
    sq_result_destroy(r);
}

/* One that --abort-on ended did not go to its end. */
static void a_run_that_was_ended_did_not_go_to_its_end(void **state)
{
    struct sq_result *r = sample(60, 5, NULL);
    size_t len;
    for (int stopped = 0; stopped < 2; stopped++) {
        r->stop.on = stopped;
        r->stop.after_s = 3;
        assert_int_equal(sq_verdict(r), SQ_EXIT_EXPECTATION);
        char *xml = render(r, SQ_REPORT_JUNIT, &len);
        assert_int_equal(count_of(xml, "<failure type=\"aborted\" message=\"ended after 3 s"),
                         stopped);
        free(xml);
    }
    sq_result_destroy(r);
}

/* Peers did connect where a recording was over before anything could be measured. */
static void an_untested_service_is_not_an_unreached_one(void **state)
{
    struct sq_result *r = sample(60, 5, NULL);
    size_t len;
    SQ_RESULT_SET(r->error, "the recording of 0.3 s was over before a rate could be measured");
    assert_int_equal(sq_verdict(r), SQ_EXIT_UNREACHED);
    char *html = render(r, SQ_REPORT_HTML, &len);
    assert_int_equal(count_of(html, "no peer connected"), 0);
    assert_true(count_of(html, "ERROR: the service was not tested") > 0);
    free(html);
    char *xml = render(r, SQ_REPORT_JUNIT, &len);
    assert_int_equal(count_of(xml, "type=\"unreached\""), 0);
    assert_int_equal(count_of(xml, "type=\"untested\""), 1);
    free(xml);
    sq_result_destroy(r);
}

/* The charts' data, cut out of the page. */
static json_t *chart_data(const char *html)
{
    const char *from = strstr(html, "id=\"data\">");
    assert_non_null(from);
    from += strlen("id=\"data\">");
    const char *to = strstr(from, "</script>");
    assert_non_null(to);
    json_t *data = json_loadb(from, (size_t)(to - from), 0, NULL);
    assert_non_null(data);
    return data;
}

static void html_keeps_hostile_text_out(void **state)
{
    struct sq_result *r = sample(60, 5, evil);
    size_t len;
    char *html = render(r, SQ_REPORT_HTML, &len);
    assert_int_equal(count_of(html, "<img"), 0);
    assert_int_equal(count_of(html, "<script"), 2);
    assert_int_equal(count_of(html, "</script>"), 2);
    assert_int_equal(count_of(html, " src="), count_of(html, "&lt;img src="));
    assert_int_equal(count_of(html, "href=\"http"), 0);
    assert_true(count_of(html, "&lt;img src=x onerror=alert(1)&gt;") > 0);
    for (size_t k = 0; k < len; k++) {
        assert_true((unsigned char)html[k] >= 0x20 || html[k] == '\n');
    }
    json_decref(chart_data(html));
    free(html);
    sq_result_destroy(r);
}

static void html_stays_small(void **state)
{
    struct sq_result *r = sample(10000, 1500, NULL);
    size_t len;
    char *html = render(r, SQ_REPORT_HTML, &len);
    assert_true(len < 250000);
    assert_int_equal(count_of(html, "class=\"peer card\""), 10);
    json_t *data = chart_data(html);
    const json_t *t = json_object_get(data, "t");
    assert_int_equal(json_array_size(t), 500); /* steps of three seconds */
    assert_true(json_number_value(json_array_get(t, 499)) == 1500);
    json_t *column;
    const char *key;
    json_object_foreach(data, key, column)
    {
        if (json_is_array(column)) {
            assert_int_equal(json_array_size(column), 500);
        }
    }
    json_decref(data);
    free(html);
    sq_result_destroy(r);
}

/* What an empty result looks like: nothing may crash or divide by zero. */
static void empty_results_are_written(void **state)
{
    struct sq_result *r = sample(0, 0, NULL);
    static const struct sq_report_text_options plain = {0};
    for (int kind = SQ_REPORT_JSON; kind <= SQ_REPORT_PEERS; kind++) {
        size_t len;
        char *text = render(r, (enum sq_report_kind)kind, &len);
        assert_true(len > 0);
        assert_null(strstr(text, "nan"));
        free(text);
    }
    struct sq_buf out = {0};
    sq_report_text_render(r, &plain, &out);
    assert_non_null(strstr(out.text, "ERROR  no peer was started"));
    sq_buf_free(&out);
    sq_result_destroy(r);
}

static void dump_opens_in_viewers(void **state)
{
    struct sq_result *r = sample(100, 30, NULL);
    size_t with_stats = 0;
    for (size_t i = 0; i < r->trace_count; i++) {
        struct sq_buf out = {0};
        sq_report_render_dump(r, &r->traces[i], &out);
        json_t *dump = json_loads(out.text, JSON_REJECT_DUPLICATES, NULL);
        assert_non_null(dump);
        assert_true(json_is_array(json_object_get(dump, "getUserMedia")));
        assert_true(json_is_string(json_object_get(dump, "UserAgent")));
        json_t *connections = json_object_get(dump, "PeerConnections");
        json_t *connection = json_object_iter_value(json_object_iter(connections));
        assert_true(json_is_object(json_object_get(connection, "rtcConfiguration")));
        json_t *entry;
        size_t k;
        json_array_foreach(json_object_get(connection, "updateLog"), k, entry)
        {
            const char *value = json_string_value(json_object_get(entry, "value"));
            assert_non_null(value);
            struct sq_buf time = {0};
            json_int_t ms = json_integer_value(json_object_get(entry, "timestamp"));
            sq_report_time(&time, (uint64_t)ms * 1000000);
            assert_string_equal(json_string_value(json_object_get(entry, "time")), time.text);
            sq_buf_free(&time);
            if (strcmp(json_string_value(json_object_get(entry, "type")), "icecandidate") == 0) {
                assert_non_null(strstr(value, ", candidate: candidate:1 "));
            }
        }
        const char *key;
        json_t *stat;
        json_object_foreach(json_object_get(connection, "stats"), key, stat)
        {
            json_t *values =
                json_loads(json_string_value(json_object_get(stat, "values")), 0, NULL);
            assert_int_equal(json_array_size(values), 15);
            assert_string_equal(json_string_value(json_object_get(stat, "statsType")),
                                "inbound-rtp");
            assert_non_null(strstr(key, "IT01V3735928559-"));
            json_decref(values);
            with_stats++;
        }
        json_decref(dump);
        sq_buf_free(&out);
    }
    assert_true(with_stats >= 3); /* timestamp, packetsReceived and jitter */
    sq_result_destroy(r);
}

/* The keys of a dump as webrtc-dump-importer takes them apart: what stands before the last dash is
 * an object, which has its "-timestamp"; a key with a bracket is a rate that Chrome has reckoned.
 */
static void dump_is_taken_apart_by_viewers(void **state)
{
    struct sq_result *r = sample(5, 5, NULL);
    struct sq_peer_trace t = {0};
    static const char *const members[] = {"active", "qualityLimitationDurations[none]", "bytesSent",
                                          "qualityLimitationDurations[cpu]"};
    for (int i = 0; i < 12; i++) {
        assert_int_equal(sq_trace_value(&t, "OT01V-1", "outbound-rtp", members[i % 4], 1000, 1000,
                                        i % 4 == 0 ? i > 3 : i),
                         0);
    }
    assert_int_equal(sq_trace_text(&t, "OT01V-1", "outbound-rtp", "rid", 1000, 1000, "a\"]"), 0);
    struct sq_buf out = {0};
    sq_report_render_dump(r, &t, &out);
    json_t *dump = json_loads(out.text, JSON_REJECT_DUPLICATES, NULL);
    assert_non_null(dump);
    json_t *stats = json_object_get(
        json_object_iter_value(json_object_iter(json_object_get(dump, "PeerConnections"))),
        "stats");
    static const struct {
        const char *key, *values;
    } expected[] = {
        {"OT01V-1-timestamp", NULL},
        {"OT01V-1-active", "[false,true,true]"},
        {"OT01V-1-bytesSent", "[2,6,10]"},
        {"OT01V-1-rid", "[\"a\\\"]\"]"},
        {"OT01V-1-qualityLimitationDurations",
         "[{\"none\":1,\"cpu\":3},{\"none\":5,\"cpu\":7},{\"none\":9,\"cpu\":11}]"},
    };
    size_t n = sizeof(expected) / sizeof(expected[0]);
    assert_int_equal(json_object_size(stats), n);
    for (size_t i = 0; i < n; i++) {
        const char *values =
            json_string_value(json_object_get(json_object_get(stats, expected[i].key), "values"));
        assert_non_null(values);
        json_t *parsed = json_loads(values, 0, NULL);
        assert_true(json_array_size(parsed) == 3 || strstr(expected[i].key, "-rid"));
        json_decref(parsed);
        if (expected[i].values) {
            assert_string_equal(values, expected[i].values);
        }
    }
    json_decref(dump);
    sq_buf_free(&out);
    sq_trace_clear(&t);
    sq_result_destroy(r);
}

static size_t files_in(const char *dir)
{
    DIR *d = opendir(dir);
    size_t n = 0;
    assert_non_null(d);
    for (struct dirent *e = readdir(d); e; e = readdir(d)) {
        n += e->d_name[0] != '.';
        assert_null(strstr(e->d_name, ".tmp"));
    }
    closedir(d);
    return n;
}

static void writes_a_directory(void **state)
{
    char root[] = "/tmp/sq-report-XXXXXX";
    char dir[64], dumps[96], command[128];
    struct sq_result *r = sample(60, 5, NULL);
    struct sq_report_error error = {0};
    assert_non_null(mkdtemp(root));
    snprintf(dir, sizeof(dir), "%s/a/b", root);
    snprintf(dumps, sizeof(dumps), "%s/webrtc-internals", dir);
    for (int round = 0; round < 2; round++) { /* over an older one as well */
        assert_int_equal(sq_report_write(r, dir, &error), 0);
        assert_int_equal(files_in(dir), 6);
        assert_int_equal(files_in(dumps), r->trace_count);
    }
    snprintf(command, sizeof(command), "rm -r %s", root);
    assert_int_equal(system(command), 0);
    sq_result_destroy(r);
}

/* 200 peers, left in the build folder to be looked at in a browser. */
static void a_sample_to_look_at(void **state)
{
    struct sq_result *r = sample(200, 30, NULL);
    struct sq_report_error error = {0};
    assert_int_equal(sq_report_write(r, SQ_BINARY_DIR "/report-sample", &error), 0);
    sq_result_destroy(r);
}

static void errors_name_the_file(void **state)
{
    struct sq_result *r = sample(5, 1, NULL);
    struct sq_report_error error = {0};
    assert_int_equal(sq_report_write(r, "/dev/null/x", &error), SQ_ERR_IO);
    assert_non_null(strstr(error.message, "/dev/null"));
    assert_int_equal(sq_report_write_file(r, SQ_REPORT_JSON, "/nowhere/at/all.json", &error),
                     SQ_ERR_IO);
    assert_string_equal(error.message,
                        "cannot write /nowhere/at/all.json: No such file or directory");
    assert_int_equal(sq_report_write_file(r, SQ_REPORT_JSON, "/nowhere/at/all.json", NULL),
                     SQ_ERR_IO);
    assert_int_equal(sq_report_write_file(r, SQ_REPORT_JSON, "/dev/full", &error), SQ_ERR_IO);
    assert_non_null(strstr(error.message, "No space left"));
    /* A device stays a device. */
    struct stat st;
    assert_int_equal(sq_report_write_file(r, SQ_REPORT_JSON, "/dev/null", &error), 0);
    assert_int_equal(stat("/dev/null", &st), 0);
    assert_true(S_ISCHR(st.st_mode));
    sq_result_destroy(r);
}

/* One that cannot be written does not take the others with it, the contract least of all. */
static void the_rest_is_written(void **state)
{
    char root[] = "/tmp/sq-report-XXXXXX";
    char path[128], command[128];
    struct sq_result *r = sample(60, 5, NULL);
    struct sq_report_error error = {0};
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof(path), "%s/webrtc-internals", root);
    assert_int_equal(close(open(path, O_WRONLY | O_CREAT, 0666)),
                     0); /* a file where a folder is to be */
    snprintf(path, sizeof(path), "%s/timeline.csv", root);
    assert_int_equal(mkdir(path, 0777), 0);
    assert_int_equal(sq_report_write(r, root, &error), SQ_ERR_IO);
    assert_non_null(strstr(error.message, "/webrtc-internals: Not a directory"));
    assert_non_null(strstr(error.message, " (and 1 more file)"));
    static const char *const names[] = {"peers.csv", "junit.xml", "report.html", "summary.json"};
    for (size_t i = 0; i < 4; i++) {
        struct stat st;
        snprintf(path, sizeof(path), "%s/%s", root, names[i]);
        assert_int_equal(stat(path, &st), 0);
        assert_true(st.st_size > 100);
    }
    snprintf(command, sizeof(command), "rm -r %s", root);
    assert_int_equal(system(command), 0);
    sq_result_destroy(r);
}

/* A link is followed, a FIFO is written to where somebody reads it, and neither is replaced. */
static void what_is_no_file_stays(void **state)
{
    char root[] = "/tmp/squall-report-XXXXXX";
    char fifo[64], link[64], file[64], command[64];
    struct sq_result *r = sample(5, 1, NULL);
    struct sq_report_error error = {0};
    struct stat st;
    assert_non_null(mkdtemp(root));
    snprintf(fifo, sizeof(fifo), "%s/fifo", root);
    snprintf(link, sizeof(link), "%s/link", root);
    snprintf(file, sizeof(file), "%s/file", root);
    assert_int_equal(mkfifo(fifo, 0666), 0);
    assert_int_equal(symlink("file", link), 0);
    assert_int_equal(sq_report_write_file(r, SQ_REPORT_JUNIT, fifo, &error), SQ_ERR_IO);
    assert_int_equal(error.saved_errno, ENXIO);
    int reader = open(fifo, O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(sq_report_write_file(r, SQ_REPORT_JUNIT, fifo, &error), 0);
    char head[8] = "";
    assert_int_equal(read(reader, head, 5), 5);
    assert_string_equal(head, "<?xml");
    close(reader);
    assert_int_equal(lstat(fifo, &st), 0);
    assert_true(S_ISFIFO(st.st_mode));
    for (int round = 0; round < 2; round++) {
        assert_int_equal(sq_report_write_file(r, SQ_REPORT_JUNIT, link, &error), 0);
        assert_int_equal(lstat(link, &st), 0);
        assert_true(S_ISLNK(st.st_mode));
        assert_int_equal(lstat(file, &st), 0);
        assert_true(S_ISREG(st.st_mode) && st.st_size > 100);
    }
    assert_int_equal(files_in(root), 3);
    snprintf(command, sizeof(command), "rm -r %s", root);
    assert_int_equal(system(command), 0);
    sq_result_destroy(r);
}

static void terminal_text(void **state)
{
    struct sq_result *r = sample(200, 30, evil);
    static const struct sq_report_text_options plain = {0};
    struct sq_buf out = {0};
    SQ_RESULT_SET(r->generator.note, "drops bound the \033throughput");
    sq_report_text_render(r, &plain, &out);
    assert_int_equal(out.err, 0);
    assert_null(strchr(out.text, '\033'));
    assert_non_null(strstr(out.text, "✗ FAIL"));
    assert_non_null(strstr(out.text, "✓ video.in > 0"));
    assert_null(strstr(out.text, "Report:")); /* it is not written yet */
    assert_non_null(strstr(out.text, "\n  ! drops bound the "));
    /* What tells first; the rest for those who ask. */
    assert_non_null(strstr(out.text, "  setup.total "));
    assert_non_null(strstr(out.text, "  video.in.rtt "));
    assert_null(strstr(out.text, "  audio.in.rtt "));
    assert_null(strstr(out.text, "  setup.dtls "));
    sq_buf_free(&out);
    static const struct sq_report_text_options all = {.all = true};
    sq_report_text_render(r, &all, &out);
    assert_non_null(strstr(out.text, "  audio.in.rtt "));
    assert_non_null(strstr(out.text, "  setup.dtls "));
    assert_null(strstr(out.text, "--verbose"));
    sq_buf_free(&out);
    sq_result_destroy(r);
}

/* For those who ask: in columns below those of metrics, however long a name is. */
static void timers_and_counters_in_the_terminal(void **state)
{
    static const struct sq_report_text_options plain = {0}, all = {.all = true};
    struct sq_result *r = sample(5, 10, NULL);
    struct sq_buf out = {0};
    (void)state;
    sq_report_text_render(r, &all, &out);
    assert_null(strstr(out.text, "\nTimers\n"));
    assert_null(strstr(out.text, "\nCounters\n"));
    sq_buf_free(&out);
    sample_add_own(r, "x\033[2J");
    sq_report_text_render(r, &plain, &out);
    assert_null(strstr(out.text, "timer.post"));
    sq_buf_free(&out);
    sq_report_text_render(r, &all, &out);
    assert_int_equal(out.err, 0);
    assert_null(strchr(out.text, '\033'));
    assert_non_null(strstr(out.text, "\nTimers\n"
                                     "                                       avg      min      p50"
                                     "      p95      p99      max    count\n"
                                     "  timer.post            ms               4        2     4.02"
                                     "     5.98     5.98        6      100\n"
                                     "  timer.never-taken     ms               –        –        –"
                                     "        –        –        –        0\n"));
    assert_non_null(strstr(out.text, "\nCounters\n"
                                     "  counter.said                       1,234\n"));
    sq_buf_free(&out);
    sample_add_own(r, "a-name-of-forty-bytes-as-long-as-may-be_");
    sq_report_text_render(r, &all, &out);
    assert_non_null(strstr(out.text, "\n  counter.a-name-of-forty-bytes-as-long-as-may-be_"
                                     "                  0\n"));
    assert_non_null(strstr(out.text, "\n  timer.a-name-of-forty-bytes-as-long-as-may-be_   ms  "));
    sq_buf_free(&out);
    sq_result_destroy(r);
}

/* Of those who came back: a row beside the count, which others have not. */
static void gaps_in_the_media_are_told(void **state)
{
    (void)state;
    static const struct sq_report_text_options plain = {0};
    static const double gaps_ms[] = {100, 200, 250, 900};
    struct sq_result *r = sample(10, 5, NULL);
    struct sq_buf out = {0};
    sq_report_text_render(r, &plain, &out);
    assert_null(strstr(out.text, "peers.reconnect"));
    sq_buf_free(&out);
    struct sq_metric_row *m = sq_result_add_metric(r, SQ_METRIC_PEERS_RECONNECT);
    assert_non_null(m);
    for (size_t i = 0; i < 4; i++) {
        sq_metric_record(m->hist, m->id, gaps_ms[i]);
    }
    sq_report_text_render(r, &plain, &out);
    const char *row = strstr(out.text, "  peers.reconnect ");
    double avg, min, p50, p95, p99, max;
    assert_non_null(row);
    assert_int_equal(sscanf(row, " peers.reconnect ms %lf %lf %lf %lf %lf %lf", &avg, &min, &p50,
                            &p95, &p99, &max),
                     6);
    assert_float_equal(avg, 362.5, 1);
    assert_float_equal(min, 100, 0);
    assert_float_equal(p50, 200, 2);
    assert_float_equal(p95, 900, 8);
    assert_float_equal(max, 900, 0);
    sq_buf_free(&out);
    sq_result_destroy(r);
}

static void the_report_has_its_place(void **state)
{
    (void)state;
    char *text = NULL;
    size_t len = 0;
    FILE *out = open_memstream(&text, &len);
    assert_non_null(out);
    sq_report_text_place("out/\033x", out);
    assert_int_equal(fclose(out), 0);
    assert_non_null(strstr(text, "Report: out/"));
    assert_non_null(strstr(text, "x/report.html"));
    assert_null(strchr(text, '\033'));
    free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(csv_is_rfc_4180),
        cmocka_unit_test(escapes),
        cmocka_unit_test(junit_is_well_formed),
        cmocka_unit_test(junit_agrees_with_the_verdict),
        cmocka_unit_test(a_run_that_was_ended_did_not_go_to_its_end),
        cmocka_unit_test(an_untested_service_is_not_an_unreached_one),
        cmocka_unit_test(html_keeps_hostile_text_out),
        cmocka_unit_test(html_stays_small),
        cmocka_unit_test(empty_results_are_written),
        cmocka_unit_test(dump_opens_in_viewers),
        cmocka_unit_test(dump_is_taken_apart_by_viewers),
        cmocka_unit_test(writes_a_directory),
        cmocka_unit_test(a_sample_to_look_at),
        cmocka_unit_test(the_rest_is_written),
        cmocka_unit_test(errors_name_the_file),
        cmocka_unit_test(what_is_no_file_stays),
        cmocka_unit_test(terminal_text),
        cmocka_unit_test(timers_and_counters_in_the_terminal),
        cmocka_unit_test(gaps_in_the_media_are_told),
        cmocka_unit_test(the_report_has_its_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
