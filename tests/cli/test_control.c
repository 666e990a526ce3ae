/* Ctrl-C while something hangs, and while nothing looks at its loop. Each case is a process of its
 * own: it is to end. */
#include "cli/control.h"

#include "run/result.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#include <cmocka.h>

static void on_interrupt(void *ctx, unsigned count)
{
    *(unsigned *)ctx = count;
}

static unsigned seen;
static struct sq_control control;
static struct sq_loop *loop;

static void begin_with(bool keys)
{
    control = (struct sq_control){.interrupt = on_interrupt, .ctx = &seen};
    if (sq_control_block_signals() != 0 || sq_loop_new(NULL, &loop) != 0 ||
        sq_control_start(&control, loop, keys) != 0) {
        _exit(1);
    }
}

static void begin(void)
{
    begin_with(false);
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

/* ---- Signals that the loop was not told ---- */

static void begin_early(void)
{
    control = (struct sq_control){0};
    if (sq_control_block_signals() != 0 || sq_loop_new(NULL, &loop) != 0 ||
        sq_control_start_early(&control, loop) != 0) {
        _exit(1);
    }
}

/* A run is ready before its loop has turned. */
static void early_and_no_turn(void)
{
    begin_early();
    (void)raise(SIGINT);
    sq_control_stop(&control);
    _exit(3);
}

/* What no loop was told ends it when all is kept. */
static void in_the_last_turn(void)
{
    begin();
    (void)raise(SIGTERM);
    sq_control_stop(&control);
    sq_control_let_go();
    _exit(3);
}

static void after_the_last_turn(void)
{
    begin();
    sq_control_stop(&control);
    (void)raise(SIGTERM);
    sq_control_let_go();
    _exit(3);
}

/* Threads that were begun before signals were blocked have their handler run then. */
static void on_a_thread_that_blocks_none(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    if (sigprocmask(SIG_UNBLOCK, &set, NULL) != 0 || raise(SIGINT) != 0) {
        _exit(2);
    }
}

static void elsewhere_after_the_last_turn(void)
{
    begin();
    sq_control_stop(&control);
    on_a_thread_that_blocks_none();
    sq_control_let_go();
    _exit(3);
}

static void next_is_told(void (*come)(void))
{
    control = (struct sq_control){.interrupt = on_interrupt, .ctx = &seen};
    sq_control_stop(&control); /* a zeroed one */
    if (come) {
        come();
    }
    if (sq_control_start(&control, loop, false) != 0 || sq_loop_run_once(loop, 0) != 0) {
        _exit(4);
    }
    _exit(seen == 1 ? 0 : 5);
}

static void raise_it(void)
{
    (void)raise(SIGINT);
}

static void between_early_and_start(void)
{
    begin_early();
    sq_control_stop(&control);
    next_is_told(raise_it);
}

static void elsewhere_between_early_and_start(void)
{
    begin_early();
    sq_control_stop(&control);
    next_is_told(on_a_thread_that_blocks_none);
}

static void in_the_last_turn_before_another_start(void)
{
    begin();
    (void)raise(SIGINT);
    sq_control_stop(&control);
    next_is_told(NULL);
}

/* Its exit code; what it says on standard error is in `ret_said`. */
static int run_apart(void (*what)(void), char *ret_said, size_t room)
{
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
    ssize_t n = read(ends[0], ret_said, room - 1);
    ret_said[n > 0 ? n : 0] = '\0';
    close(ends[0]);
    assert_true(WIFEXITED(status));
    return WEXITSTATUS(status);
}

static void no_signal_is_lost(void **state)
{
    static void (*const end_it[])(void) = {early_and_no_turn, in_the_last_turn, after_the_last_turn,
                                           elsewhere_after_the_last_turn};
    static void (*const told[])(void) = {between_early_and_start, elsewhere_between_early_and_start,
                                         in_the_last_turn_before_another_start};
    char said[256];
    (void)state;
    for (size_t i = 0; i < sizeof(end_it) / sizeof(*end_it); i++) {
        assert_int_equal(run_apart(end_it[i], said, sizeof(said)), SQ_EXIT_INTERRUPTED);
        assert_string_equal(said, i == 0 ? "squall: interrupted before it began\n" : "");
    }
    for (size_t i = 0; i < sizeof(told) / sizeof(*told); i++) {
        assert_int_equal(run_apart(told[i], said, sizeof(said)), 0);
    }
}

static void assert_ends(void (*what)(void))
{
    char said[256];
    assert_int_equal(run_apart(what, said, sizeof(said)), SQ_EXIT_INTERRUPTED);
    assert_non_null(strstr(said, "squall: interrupted three times: ended without results\n"));
}

static void a_third_signal_ends_whatever_hangs(void **state)
{
    (void)state;
    assert_ends(third_of_three);
    assert_ends(three_at_once);
}

#define LINES (tcflag_t)(ICANON | ECHO) /* what a shell's user sees missing */

static bool has_lines(int tty, bool all)
{
    struct termios now;
    return tcgetattr(tty, &now) == 0 && (now.c_lflag & LINES) == (all ? LINES : 0);
}

/* As a shell does it: a job in the foreground of a terminal, which is there after the job. 0: the
 * job changed it, and it is as it was. */
static int third_in_a_terminal(const char *name)
{
    int status;
    int tty = setsid() < 0 ? -1 : open(name, O_RDWR);
    if (tty < 0 || dup2(tty, STDIN_FILENO) < 0 || !has_lines(tty, true)) {
        return 10;
    }
    pid_t job = fork();
    if (job == 0) {
        (void)alarm(10);
        begin_with(true);
        if (!has_lines(tty, false)) {
            _exit(4);
        }
        for (int i = 0; i < 3; i++) {
            (void)raise(SIGINT);
        }
        _exit(3);
    }
    if (waitpid(job, &status, 0) != job || !WIFEXITED(status)) {
        return 11;
    }
    return WEXITSTATUS(status) != SQ_EXIT_INTERRUPTED ? 20 + WEXITSTATUS(status)
           : has_lines(tty, true)                     ? 0
                                                      : 12;
}

static void a_third_signal_puts_the_terminal_back(void **state)
{
    char name[64];
    int status;
    (void)state;
    int master = posix_openpt(O_RDWR | O_NOCTTY | O_CLOEXEC);
    assert_true(master >= 0);
    assert_int_equal(grantpt(master) | unlockpt(master), 0);
    assert_int_equal(ptsname_r(master, name, sizeof(name)), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        (void)alarm(20);
        _exit(third_in_a_terminal(name));
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    close(master);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_third_signal_ends_whatever_hangs),
        cmocka_unit_test(no_signal_is_lost),
        cmocka_unit_test(a_third_signal_puts_the_terminal_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
