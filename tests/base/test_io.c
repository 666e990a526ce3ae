/* All of it is read and written, or it is told why not. */
#include "base/io.h"
#include "base/temp_dir.h"
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static int open_new(const char *name)
{
    int fd = open(in(name), O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    assert_true(fd >= 0);
    return fd;
}

static void what_was_written_is_read(void **state)
{
    char back[8] = "";
    int fd = open_new("file");
    assert_int_equal(sq_io_write(fd, "0123456789", 10), 0);
    assert_int_equal(sq_io_write_at(fd, "abc", 3, 4), 0);
    assert_int_equal(sq_io_write(fd, "!", 1), 0); /* goes on where it was */
    assert_int_equal(sq_io_read_at(fd, back, 7, 3), 0);
    assert_string_equal(back, "3abc789");
    assert_int_equal(sq_io_read_at(fd, back, 1, 10), 0);
    assert_int_equal(back[0], '!');
    assert_int_equal(sq_io_read_at(fd, back, 0, 11), 0);
    assert_int_equal(sq_io_read_at(fd, back, 3, 9), SQ_ERR_IO); /* two are there */
    assert_int_equal(errno, EIO);
    close(fd);
    assert_int_equal(sq_io_write(fd, "x", 1), SQ_ERR_IO);
    assert_int_equal(errno, EBADF);
    assert_int_equal(sq_io_write(fd, "", 0), 0);
}

/* The first call writes what fits and says so, the next one says why it was no more. */
static void a_part_is_not_all(void **state)
{
    static char bytes[3000];
    struct rlimit before, limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, SIG_IGN);
    limit = (struct rlimit){.rlim_cur = 1000, .rlim_max = before.rlim_max};
    int fd = open_new("limited");
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    int err = sq_io_write(fd, bytes, sizeof(bytes));
    int why = errno;
    int at_err = sq_io_write_at(fd, bytes, sizeof(bytes), 500);
    int at_why = errno;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    assert_int_equal(err, SQ_ERR_IO);
    assert_int_equal(why, EFBIG);
    assert_int_equal(at_err, SQ_ERR_IO);
    assert_int_equal(at_why, EFBIG);
    assert_int_equal(lseek(fd, 0, SEEK_END), 1000);
    close(fd);
}

static void nothing(int signal_number)
{
    (void)signal_number;
}

/* Into a pipe that is full: the call has done a part, or nothing yet. */
static void an_interrupted_write_goes_on(void **state)
{
    static char bytes[200000], back[sizeof(bytes)];
    const struct sigaction once = {.sa_handler = nothing}; /* no SA_RESTART */
    int ends[2], status;
    size_t len = 0;
    for (size_t i = 0; i < sizeof(bytes); i++) {
        bytes[i] = (char)(i * 7 + i / 256);
    }
    assert_int_equal(sigaction(SIGUSR1, &once, NULL), 0);
    assert_int_equal(pipe(ends), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        close(ends[0]);
        _exit(sq_io_write(ends[1], bytes, sizeof(bytes)) != 0);
    }
    close(ends[1]);
    while (len < sizeof(back)) {
        assert_int_equal(kill(child, SIGUSR1), 0);
        ssize_t n = read(ends[0], back + len, sizeof(back) - len);
        assert_true(n > 0);
        len += (size_t)n;
    }
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(status, 0);
    assert_memory_equal(back, bytes, sizeof(bytes));
    close(ends[0]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_was_written_is_read),
        cmocka_unit_test(a_part_is_not_all),
        cmocka_unit_test(an_interrupted_write_goes_on),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
