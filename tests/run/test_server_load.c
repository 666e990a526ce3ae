/* CPU and memory of a server: from files as proc(5) writes them, and from Prometheus' text. */
#include "base/time.h"
#include "run/server_load.h"
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static void put(const char *root, const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/7/%s", root, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    fclose(f);
}

static void reads_proc(void **state)
{
    (void)state;
    char root[] = "/tmp/squall-proc-XXXXXX";
    char path[256];
    struct sq_server_sample s;
    assert_non_null(mkdtemp(root));
    snprintf(path, sizeof(path), "%s/7", root);
    assert_int_equal(mkdir(path, 0700), 0);
    /* A name with what else stands between fields. */
    put(root, "stat",
        "7 (a) R (b) S 1 7 7 0 -1 4194304 1 2 3 4 250 150 9 9 20 0 5 0 100 1000 10 11 12\n");
    put(root, "statm", "5000 300 40 5 0 60 0\n");
    assert_int_equal(sq_server_sample_pid(root, 7, &s), 0);
    assert_true(fabs(s.cpu_s - 400.0 / (double)sysconf(_SC_CLK_TCK)) < 1e-9);
    assert_true(fabs(s.rss_bytes - 300.0 * (double)sysconf(_SC_PAGESIZE)) < 1e-9);
    put(root, "stat", "7 (a) Z 1 7 7 0 -1 4194304 1 2 3 4 250 150 9 9 20 0 5 0 100 1000 10 11\n");
    assert_int_equal(sq_server_sample_pid(root, 7, &s), SQ_ERR_NOTFOUND); /* it has ended */
    assert_int_equal(sq_server_sample_pid(root, 8, &s), SQ_ERR_NOTFOUND);
    /* Core 1 alone: user, nice and system of it, and nothing of the line of all. */
    put(root, "../stat",
        "cpu  900 900 900 900 9 9 9 9 0 0\ncpu0 500 1 1 1 1 1 1 1 0 0\n"
        "cpu1 100 20 30 7000 40 50 60 70 0 0\ncpu10 900 9 9 9 9 9 9 9 0 0\nintr 5\n");
    const bool second[4] = {false, true, false, false};
    double busy_s = 0;
    assert_int_equal(sq_server_sample_cores(root, second, 4, &busy_s), 0);
    assert_true(fabs(busy_s - 150.0 / (double)sysconf(_SC_CLK_TCK)) < 1e-9);
    const bool none[4] = {false};
    assert_int_equal(sq_server_sample_cores(root, none, 4, &busy_s), SQ_ERR_NOTFOUND);
    snprintf(path, sizeof(path), "%s/stat", root);
    unlink(path);
    snprintf(path, sizeof(path), "%s/7/stat", root);
    unlink(path);
    snprintf(path, sizeof(path), "%s/7/statm", root);
    unlink(path);
    snprintf(path, sizeof(path), "%s/7", root);
    rmdir(path);
    rmdir(root);
}

/* Against what the kernel says of this very process in another way. */
static void agrees_with_getrusage(void **state)
{
    (void)state;
    struct sq_server_sample s;
    struct rusage used;
    volatile uint64_t sum = 0;
    for (uint64_t i = 0; i < 60000000; i++) {
        sum += i;
    }
    assert_true(sum > 0);
    assert_int_equal(sq_server_sample_pid("/proc", (uint64_t)getpid(), &s), 0);
    assert_int_equal(getrusage(RUSAGE_SELF, &used), 0);
    double cpu_s = (double)(used.ru_utime.tv_sec + used.ru_stime.tv_sec) +
                   (double)(used.ru_utime.tv_usec + used.ru_stime.tv_usec) / 1e6;
    assert_true(fabs(s.cpu_s - cpu_s) < 0.05);
    assert_true(s.rss_bytes > 100000 && s.rss_bytes <= (double)used.ru_maxrss * 1024 * 1.05);
}

static void reads_prometheus(void **state)
{
    (void)state;
    struct sq_server_sample s;
    assert_int_equal(sq_server_sample_metrics("# HELP process_cpu_seconds_total Total time.\n"
                                              "# TYPE process_cpu_seconds_total counter\n"
                                              "process_cpu_seconds_total 12.5\n"
                                              "process_cpu_seconds_total_other 99\n"
                                              "process_resident_memory_bytes 3.5e+07\n",
                                              &s),
                     0);
    assert_true(s.cpu_s == 12.5 && s.rss_bytes == 3.5e7);
    assert_int_equal(sq_server_sample_metrics(
                         "process_cpu_seconds_total{node=\"a}\\\"b\",x=\"1\"} 2 1700000000\n"
                         "process_cpu_seconds_total{node=\"c\"} 3\n",
                         &s),
                     0);
    assert_true(s.cpu_s == 5 && isnan(s.rss_bytes));
    static const char *const wrong[] = {"",
                                        "up 1\n",
                                        "process_cpu_seconds_total\n",
                                        "process_cpu_seconds_total{a=\"b\n",
                                        "process_cpu_seconds_total NaN\n",
                                        "# process_cpu_seconds_total 5\n"};
    for (size_t i = 0; i < sizeof(wrong) / sizeof(*wrong); i++) {
        assert_int_equal(sq_server_sample_metrics(wrong[i], &s), SQ_ERR_FORMAT);
    }
}

static void cpu_is_of_the_window(void **state)
{
    (void)state;
    struct sq_server_load load;
    sq_server_load_begin(&load);
    assert_true(isnan(sq_server_load_percent(&load)) && isnan(load.rss_max_bytes));
    sq_server_load_add(&load, SQ_NS_PER_SEC, &(struct sq_server_sample){100, 7000});
    assert_true(isnan(sq_server_load_percent(&load)));
    sq_server_load_add(&load, 3 * SQ_NS_PER_SEC, &(struct sq_server_sample){101, 9000});
    assert_true(fabs(sq_server_load_percent(&load) - 50) < 1e-9);
    sq_server_load_add(&load, 5 * SQ_NS_PER_SEC, &(struct sq_server_sample){107, 8000});
    assert_true(fabs(sq_server_load_percent(&load) - 175) < 1e-9);
    assert_true(load.rss_max_bytes == 9000);
    sq_server_load_add(&load, 6 * SQ_NS_PER_SEC, &(struct sq_server_sample){1, 8000});
    assert_true(isnan(sq_server_load_percent(&load))); /* another process by now */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(reads_proc),
        cmocka_unit_test(agrees_with_getrusage),
        cmocka_unit_test(reads_prometheus),
        cmocka_unit_test(cpu_is_of_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
