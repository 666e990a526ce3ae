/* CPU and memory of a server: from files as proc(5) writes them, and from Prometheus' text. */
#include "base/time.h"
#include "run/server_load.h"
#include <math.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
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

static void put_process(const char *root, unsigned pid, const char *command, char state,
                        unsigned parent)
{
    char name[64], text[128];
    snprintf(name, sizeof(name), "%s/%u", root, pid);
    assert_int_equal(mkdir(name, 0700), 0);
    snprintf(name, sizeof(name), "../%u/stat", pid);
    snprintf(text, sizeof(text), "%u (%s) %c %u 7 7 0 -1 4194304 1\n", pid, command, state, parent);
    put(root, name, text);
}

static void clear(const char *root, const unsigned *pids, size_t n)
{
    char path[256];
    for (size_t i = 0; i < n; i++) {
        snprintf(path, sizeof(path), "%s/%u/stat", root, pids[i]);
        unlink(path);
        snprintf(path, sizeof(path), "%s/%u", root, pids[i]);
        rmdir(path);
    }
    assert_int_equal(rmdir(root), 0);
}

static void names_whom_a_process_started(void **state)
{
    (void)state;
    static const unsigned pids[] = {7, 41, 9, 105, 30, 88, 50, 60};
    char root[] = "/tmp/squall-proc-XXXXXX";
    char text[320];
    assert_non_null(mkdtemp(root));
    put_process(root, 7, "sh", 'S', 1);
    assert_false(sq_server_children(root, 7, text, sizeof(text)));
    assert_string_equal(text, "");
    put_process(root, 41, "a) S 8 (b", 'R', 7); /* what else stands between fields */
    put_process(root, 9, "other", 'S', 41);     /* a child's child */
    put_process(root, 105, "gone", 'Z', 7);
    assert_true(sq_server_children(root, 7, text, sizeof(text)));
    assert_string_equal(text, "41 (a) S 8 (b)");
    put_process(root, 30, "node\x1b[1m", 'S', 7);
    put_process(root, 88, "x", 'S', 7);
    put_process(root, 50, "y", 'S', 7);
    put_process(root, 60, "z", 'S', 7);
    assert_true(sq_server_children(root, 7, text, sizeof(text)));
    assert_string_equal(text, "30 (node?[1m), 41 (a) S 8 (b), 50 (y), 60 (z) and 1 more");
    clear(root, pids, sizeof(pids) / sizeof(*pids));
}

/* Against a process that was really started. */
static void finds_an_own_child(void **state)
{
    (void)state;
    char text[320], wanted[128], command[SQ_SERVER_COMMAND_MAX];
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        pause();
        _exit(0);
    }
    sq_server_command("/proc", (uint64_t)getpid(), command);
    assert_non_null(strstr("test_run_server_load", command)); /* 15 bytes of it */
    snprintf(wanted, sizeof(wanted), "%d (%s)", (int)child, command);
    assert_true(sq_server_children("/proc", (uint64_t)getpid(), text, sizeof(text)));
    assert_string_equal(text, wanted);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_false(sq_server_children("/proc", (uint64_t)getpid(), text, sizeof(text)));
    sq_server_command("/proc", (uint64_t)child, command);
    assert_string_equal(command, "");
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
        cmocka_unit_test(reads_proc),         cmocka_unit_test(names_whom_a_process_started),
        cmocka_unit_test(finds_an_own_child), cmocka_unit_test(agrees_with_getrusage),
        cmocka_unit_test(reads_prometheus),   cmocka_unit_test(cpu_is_of_the_window),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
