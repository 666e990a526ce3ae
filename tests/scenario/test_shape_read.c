/* Files of arrivals: the forms of times, and every way in which a file can be wrong. */
#include "base/time.h"
#include "scenario/shape.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#define MS  SQ_NS_PER_MS
#define SEC SQ_NS_PER_SEC

static char why[512];
static char path[] = "/tmp/squall-arrivals-XXXXXX";

static int make_path(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    return fd < 0 ? -1 : close(fd);
}

static int drop_path(void **state)
{
    (void)state;
    return unlink(path);
}

static int read_text(const char *text, size_t len, struct sq_shape *ret_shape)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    assert_int_equal(fclose(file), 0);
    why[0] = '\0';
    return sq_shape_read(path, ret_shape, why, sizeof(why));
}

static void assert_times(const char *text, const uint64_t *times_ns, size_t n)
{
    struct sq_shape shape = {.kind = SQ_SHAPE_NONE};
    if (read_text(text, strlen(text), &shape) != 0) {
        fail_msg("'%s': %s", text, why);
    }
    assert_int_equal(shape.kind, SQ_SHAPE_TIMES);
    assert_int_equal(shape.times_len, n);
    for (size_t i = 0; i < n; i++) {
        if (shape.times_ns[i] != times_ns[i]) {
            fail_msg("'%s', time %zu: %llu ns, expected %llu", text, i,
                     (unsigned long long)shape.times_ns[i], (unsigned long long)times_ns[i]);
        }
    }
    sq_shape_free(&shape);
    assert_null(shape.times_ns);
}

static void forms_of_times(void **state)
{
    (void)state;
    const uint64_t times[] = {0, 250 * MS, 250 * MS, 12 * SEC + 1};
    assert_times("0\n0.25\n0.25\n12.000000001\n", times, 4);
    assert_times("5\r\n5.25\r\n5.2500\r\n17.000000001", times, 4); /* from the first one on */
    assert_times("1764188272.1\n1764188272.35\n1764188272.35\n1764188284.100000001\n", times, 4);
    assert_times("\xef\xbb\xbftime\n# two at once\n\n 0 \n0.25\n\"0.25\"\n12.000000001\n", times,
                 4);
    assert_times("user,time,room\n\"a,b\",1,x\nc,1.25,\n,\"1.25\",y\nd , 13.000000001 \n", times,
                 4);
    assert_times("\"Time\"\n0\n0.25\n0.25\n12.000000001\n", times, 4);
    assert_times("2026-12-31T23:59:55Z\n2026-12-31 23:59:55.25Z\n2027-01-01T01:59:55.25+02:00\n"
                 "2026-12-31T20:30:07.000000001-0330\n",
                 times, 4);
    assert_times("2028-02-28T23:59:55\n2028-02-28T23:59:55.25\n2028-02-28T23:59:55.250\n"
                 "2028-02-29T00:00:07.000000001\n", /* a leap year */
                 times, 4);
    const uint64_t day[] = {0, 24 * 3600 * SEC};
    assert_times("2026-02-28T12:00:00Z\n2026-03-01T12:00:00Z\n", day, 2);
    assert_times("2100-02-28T12:00:00Z\n2100-03-01T12:00:00Z\n", day, 2);
}

static void wrong_files(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", ": no arrivals in it: expected seconds such as 12.5, or a time such as 2026-11-26T2"},
        {"time\n", ": no arrivals in it"},
        {"# nothing\n\n", ": no arrivals in it"},
        {"when\n1\n", "line 1: expected seconds such as 12.5, or a time such as 2026-11-26T20:17:5"
                      "2Z, or a header with a column 'time', got 'when'"},
        {"1,2\n", "line 1: expected a time alone, or a header with a column 'time', got '1,2'"},
        {"0\n1\nsoon\n", "line 3: expected seconds such as 12.5, or a time such as 2026-11-26T20:17"
                         ":52Z, got 'soon'"},
        {"0\n\033[2Jx\n", "got '?[2Jx'"}, /* no words to the terminal */
        {"0\n-1\n", "line 2: expected seconds"},
        {"0\n1e3\n", "line 2: expected seconds"},
        {"0\n1.\n", "line 2: expected seconds"},
        {"0\n.5\n", "line 2: expected seconds"},
        {"0\n99999999999999\n", "line 2: expected seconds"},
        {"0\n1 2\n", "line 2: expected seconds"},
        {"0\n2\n\n1.5\n", "line 4: '1.5' is before the line above: expected the times in order"},
        {"time,x\n1,a\n\n0.5,b\n", "line 4: '0.5' is before the line above"},
        {"x,time\na,1\nb\n", "line 3: expected 2 columns at least, as the header has"},
        {"x,time\na,1\nb,\n", "line 3: expected seconds such as 12.5, or a time such as 2026-11-26"
                              "T20:17:52Z, got ''"},
        {"0\n2026-11-26T20:17:52Z\n", "line 2: '2026-11-26T20:17:52Z' is a time with its zone: "
                                      "expected seconds, as in the lines above"},
        {"2026-11-26T20:17:52Z\n2026-11-26T20:17:53\n", "is a time without a zone: expected a time "
                                                        "with its zone, as in the lines above"},
        {"2026-13-01T00:00:00Z\n", "line 1: expected seconds"},
        {"2026-02-29T00:00:00Z\n", "line 1: expected seconds"},
        {"2026-11-26T24:00:00Z\n", "line 1: expected seconds"},
        {"2026-11-26T20:17:52+99:00\n", "line 1: expected seconds"},
        {"2026-11-26\n", "line 1: expected seconds"},
        {"0\n400000000\n", "line 2: more than a year after the first one"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        struct sq_shape shape = {.kind = SQ_SHAPE_RATE};
        int err = read_text(cases[i].text, strlen(cases[i].text), &shape);
        if (err != SQ_ERR_FORMAT || !strstr(why, cases[i].says) ||
            strncmp(why, path, strlen(path)) != 0) {
            fail_msg("'%s': %d: %s", cases[i].text, err, why);
        }
        assert_int_equal(shape.kind, SQ_SHAPE_RATE); /* untouched */
    }
    struct sq_shape shape;
    assert_int_equal(read_text("0\n1\0002\n", 6, &shape), SQ_ERR_FORMAT);
    assert_non_null(strstr(why, "line 2: not a text"));
    assert_int_equal(sq_shape_read("/no/such/file", &shape, why, sizeof(why)), SQ_ERR_IO);
    assert_string_equal(why, "/no/such/file: No such file or directory");
    assert_int_equal(sq_shape_read("/tmp", &shape, why, sizeof(why)), SQ_ERR_IO);
    assert_string_equal(why, "/tmp: a folder: expected a file of arrivals");
}

/* Devices and pipes that never end are left after a bounded part of them. */
static void endless_files(void **state)
{
    (void)state;
    struct sq_shape shape;
    assert_int_equal(sq_shape_read("/dev/zero", &shape, why, sizeof(why)), SQ_ERR_FORMAT);
    assert_string_equal(why, "/dev/zero, line 1: not a text: a byte 0 in it");
    static const struct {
        const char *line, *says;
    } cases[] = {
        {"1\n", "line 2000001: more than 2000000 arrivals: a run keeps the results of no more"},
        {"\n", "line 4000001: more than 4000000 lines: does it ever end?"},
        {"1111", "line 1: longer than 4096 bytes: is it a file of arrivals?"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int ends[2];
        char name[32];
        assert_int_equal(pipe(ends), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            static char block[65536];
            for (size_t k = 0; k < sizeof(block); k++) {
                block[k] = cases[i].line[k % strlen(cases[i].line)];
            }
            close(ends[0]);
            while (write(ends[1], block, sizeof(block)) > 0) {
            }
            _exit(0); /* not reached: SIGPIPE */
        }
        close(ends[1]);
        snprintf(name, sizeof(name), "/dev/fd/%d", ends[0]);
        int err = sq_shape_read(name, &shape, why, sizeof(why));
        close(ends[0]);
        assert_int_equal(waitpid(child, NULL, 0), child);
        if (err != SQ_ERR_FORMAT || !strstr(why, cases[i].says)) {
            fail_msg("'%s' for ever: %d: %s", cases[i].line, err, why);
        }
    }
}

static void sums_over_times(void **state)
{
    (void)state;
    struct sq_shape shape;
    static const char text[] = "0\n1\n1\n1.5\n9\n10\n";
    assert_int_equal(read_text(text, strlen(text), &shape), 0);
    assert_int_equal(sq_shape_length_ns(&shape), 10 * SEC);
    assert_int_equal(sq_shape_arrivals(&shape, SQ_NEVER), 6);
    assert_int_equal(sq_shape_arrivals(&shape, SEC), 1);
    assert_int_equal(sq_shape_arrivals(&shape, SEC + 1), 3);
    assert_int_equal(sq_shape_most(&shape, SQ_NEVER), 6);
    assert_int_equal(sq_shape_most(&shape, 1 * SEC), 3); /* 1, 1 and 1.5 */
    assert_int_equal(sq_shape_most(&shape, 2 * SEC), 4);
    assert_int_equal(sq_shape_most(&shape, 0), 2);
    sq_shape_free(&shape);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forms_of_times),
        cmocka_unit_test(wrong_files),
        cmocka_unit_test(endless_files),
        cmocka_unit_test(sums_over_times),
    };
    return cmocka_run_group_tests(tests, make_path, drop_path);
}
