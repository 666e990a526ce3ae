/* Ctrl-C while something hangs. Each case is a process of its own: it is to end. */
#include "cli/control.h"

#include "run/result.h"
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void on_interrupt(void *ctx, unsigned count)
{
    *(unsigned *)ctx = count;
}

static unsigned seen;
static struct sq_control control;
static struct sq_loop *loop;

static void begin(void)
{
    control = (struct sq_control){.interrupt = on_interrupt, .ctx = &seen};
    if (sq_control_block_signals() != 0 || sq_loop_new(NULL, &loop) != 0 ||
        sq_control_start(&control, loop, false) != 0) {
        _exit(1);
    }
}

/* Two are told to the loop, one by one; the third finds a thread that never looks at its loop. */
static void third_of_three(void)
{
    begin();
    for (unsigned i = 1; i <= 2; i++) {
        if (raise(i == 1 ? SIGINT : SIGTERM) != 0 || sq_loop_run_once(loop, 0) != 0 || seen != i) {
            _exit(2);
        }
    }
    (void)raise(SIGINT);
    for (;;) {
    }
}

/* A loop that hangs from the start on. */
static void three_at_once(void)
{
    begin();
    for (int i = 0; i < 3; i++) {
        (void)raise(SIGINT);
    }
    _exit(3);
}

static void assert_ends(void (*what)(void))
{
    char said[256] = "";
    int ends[2];
    int status;
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(10); /* of its own time: it would hang for ever */
        (void)dup2(ends[1], STDERR_FILENO);
        what();
    }
    close(ends[1]);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(read(ends[0], said, sizeof(said) - 1) > 0);
    close(ends[0]);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), SQ_EXIT_INTERRUPTED);
    assert_non_null(strstr(said, "squall: interrupted three times: ended without results\n"));
}

static void a_third_signal_ends_whatever_hangs(void **state)
{
    (void)state;
    assert_ends(third_of_three);
    assert_ends(three_at_once);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_third_signal_ends_whatever_hangs)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
