#include "cli/control.h"

#include "run/result.h"

#include <errno.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/eventfd.h>
#include <termios.h>
#include <unistd.h>

#define INTERRUPTS_MAX 3 /* with so many it ends at once, whatever hangs */

static const int signals[] = {SIGINT, SIGTERM, SIGHUP};

/* Of the handler, of which a process has one. Signals that nobody has dealt with wait in the
 * eventfd, from one loop to the next: it is never closed. A thread that was begun before signals
 * were blocked may run the handler at any time. */
static atomic_uint interrupts;
static atomic_int told_fd = -1;
static atomic_bool ending; /* sq_control_let_go */
/* The terminal as it was, while keys are read from it. Written before `changed` is set. */
static struct termios before;
static atomic_bool changed;

static void signal_set(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGTERM);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) != 0 || hangup.sa_handler != SIG_IGN) {
        sigaddset(set, SIGHUP); /* the terminal went away: results are kept all the same */
    } /* else it is to go on: nohup. A blocked signal would come although it is ignored. */
}

int sq_control_block_signals(void)
{
    sigset_t set;
    signal_set(&set);
    return sigprocmask(SIG_BLOCK, &set, NULL) == 0 ? 0 : SQ_ERR_IO;
}

/* Takes signals on this thread from now on. */
static void handle(const sigset_t *set, void (*handler)(int number))
{
    struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
    for (size_t i = 0; i < sizeof(signals) / sizeof(*signals); i++) {
        if (sigismember(set, signals[i]) == 1) {
            sigaction(signals[i], &action, NULL);
        }
    }
    sigprocmask(SIG_UNBLOCK, set, NULL);
}

static void end_now(int number)
{
    (void)number;
    _exit(SQ_EXIT_INTERRUPTED);
}

/* How many signals came that nobody has dealt with; they are the caller's. */
static uint64_t take(void)
{
    uint64_t count = 0;
    int fd = atomic_load(&told_fd);
    return fd >= 0 && read(fd, &count, sizeof(count)) == (ssize_t)sizeof(count) ? count : 0;
}

void sq_control_let_go(void)
{
    sigset_t set;
    signal_set(&set);
    atomic_store(&ending, true);
    handle(&set, end_now);
    if (take() > 0) {
        end_now(0);
    }
}

/* Nothing is lost yet. */
static void on_early(void *ctx, unsigned count)
{
    (void)ctx;
    (void)count;
    static const char said[] = "squall: interrupted before it began\n";
    ssize_t n = write(STDERR_FILENO, said, sizeof(said) - 1);
    (void)n;
    _exit(SQ_EXIT_INTERRUPTED);
}

int sq_control_start_early(struct sq_control *control, struct sq_loop *loop)
{
    control->interrupt = on_early;
    return sq_control_start(control, loop, false);
}

/* Of what a signal's handler may call (POSIX.1-2017, XSH 2.4.3). A job in the background may not
 * change the terminal: the call would stop it. */
static void put_terminal_back(void)
{
    if (atomic_load(&changed) && tcgetpgrp(STDIN_FILENO) == getpgrp()) {
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
    }
}

/* The handler: the loop is told, which may hang. */
static void count_up(int number)
{
    static const char said[] = "\nsquall: interrupted three times: ended without results\n";
    int error = errno;
    (void)number;
    bool enough = atomic_fetch_add(&interrupts, 1) + 1 >= INTERRUPTS_MAX;
    const uint64_t one = 1;
    ssize_t n = enough ? write(STDERR_FILENO, said, sizeof(said) - 1)
                       : write(atomic_load(&told_fd), &one, sizeof(one));
    (void)n;
    if (enough || atomic_load(&ending)) {
        put_terminal_back();
        _exit(SQ_EXIT_INTERRUPTED);
    }
    errno = error;
}

static void on_signal(void *ctx, unsigned ready)
{
    struct sq_control *control = ctx;
    (void)ready;
    for (uint64_t count = take(); count > 0; count--) {
        control->interrupt(control->ctx, ++control->interrupts);
    }
}

static void on_keys(void *ctx, unsigned ready)
{
    struct sq_control *control = ctx;
    char keys[16];
    (void)ready;
    ssize_t n = read(STDIN_FILENO, keys, sizeof(keys));
    if (n <= 0) {
        sq_watch_stop(&control->keys);
    }
    for (ssize_t i = 0; i < n; i++) {
        control->key(control->ctx, keys[i]);
    }
}

static int start_keys(struct sq_control *control, struct sq_loop *loop)
{
    /* See put_terminal_back. */
    if (!isatty(STDIN_FILENO) || tcgetpgrp(STDIN_FILENO) != getpgrp() ||
        tcgetattr(STDIN_FILENO, &before) != 0) {
        return 0;
    }
    struct termios raw = before;
    raw.c_lflag &= ~(tcflag_t)(ICANON | ECHO);
    atomic_store(&changed, true);
    if (tcsetattr(STDIN_FILENO, TCSANOW, &raw) != 0) {
        atomic_store(&changed, false);
        return 0;
    }
    control->raw = true;
    return sq_watch_start(loop, &control->keys, STDIN_FILENO, SQ_READ, on_keys, control);
}

int sq_control_start(struct sq_control *control, struct sq_loop *loop, bool want_keys)
{
    int fd = atomic_load(&told_fd);
    if (fd < 0) {
        fd = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
        if (fd < 0) {
            return SQ_ERR_IO;
        }
        atomic_store(&told_fd, fd);
    }
    sigset_t set;
    signal_set(&set);
    control->on = true;
    atomic_store(&ending, false);
    handle(&set, count_up);
    int err = sq_watch_start(loop, &control->signals, fd, SQ_READ, on_signal, control);
    if (!err && want_keys) {
        err = start_keys(control, loop);
    }
    return err;
}

void sq_control_stop(struct sq_control *control)
{
    sq_watch_stop(&control->keys);
    sq_watch_stop(&control->signals);
    if (control->on) {
        sigset_t set;
        signal_set(&set);
        if (atomic_load(&interrupts) + 1 < INTERRUPTS_MAX) { /* else the next one ends it */
            sigprocmask(SIG_BLOCK, &set, NULL);
        }
        control->on = false;
        if (control->interrupt == on_early) { /* the loop may not have turned */
            on_signal(control, SQ_READ);
        } /* else whoever is next has them: a loop, or sq_control_let_go */
    }
    if (control->raw) {
        tcsetattr(STDIN_FILENO, TCSANOW, &before);
        atomic_store(&changed, false);
        control->raw = false;
    }
}
