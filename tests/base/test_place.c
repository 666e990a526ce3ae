/* Where a file is written to: links, FIFOs, devices, what never waits, and folders that are taken.
 */
#include "base/place.h"
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
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

static void link_to(const char *target, const char *name)
{
    assert_int_equal(symlink(target, in(name)), 0);
}

static void is_at(const char *name, enum sq_place_kind kind, const char *path)
{
    struct sq_place place;
    assert_int_equal(sq_place_find(in(name), &place), 0);
    assert_int_equal(place.kind, kind);
    assert_string_equal(place.path, in(path));
}

static void links_are_followed(void **state)
{
    assert_int_equal(mkdir(in("sub"), 0777), 0);
    int fd = open(in("sub/file"), O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    close(fd);
    is_at("nothing", SQ_PLACE_FILE, "nothing");
    is_at("sub/file", SQ_PLACE_FILE, "sub/file");
    is_at("sub", SQ_PLACE_FOLDER, "sub");
    link_to("sub/file", "near");
    is_at("near", SQ_PLACE_FILE, "sub/file");
    link_to(in("near"), "far"); /* an absolute one, and one after the other */
    is_at("far", SQ_PLACE_FILE, "sub/file");
    link_to("sub/none", "dangling");
    is_at("dangling", SQ_PLACE_FILE, "sub/none");
    link_to("../up", "sub/up");
    is_at("sub/up", SQ_PLACE_FILE, "sub/../up");
}

static void what_cannot_be_found(void **state)
{
    struct sq_place place;
    char name[SQ_PLACE_PATH_MAX + 8];
    link_to("loop-b", "loop-a");
    link_to("loop-a", "loop-b");
    assert_int_equal(sq_place_find(in("loop-a"), &place), SQ_ERR_IO);
    assert_int_equal(errno, ELOOP);
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    assert_int_equal(sq_place_find(name, &place), SQ_ERR_IO);
    assert_int_equal(errno, ENAMETOOLONG);
}

static void a_pipe_is_no_file(void **state)
{
    assert_int_equal(mkfifo(in("fifo"), 0666), 0);
    link_to("fifo", "to-fifo");
    is_at("fifo", SQ_PLACE_FIFO, "fifo");
    is_at("to-fifo", SQ_PLACE_FIFO, "to-fifo"); /* opened by the name that was given */
    /* As the shell's >(command): a link that leads to no name. */
    struct sq_place place;
    char path[64];
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    snprintf(path, sizeof(path), "/proc/self/fd/%d", ends[1]);
    assert_int_equal(sq_place_find(path, &place), 0);
    assert_int_equal(place.kind, SQ_PLACE_FIFO);
    assert_string_equal(place.path, path);
    close(ends[0]);
    close(ends[1]);
}

/* Without a reader it is an error at once (without O_NONBLOCK this test would never end). */
static void a_fifo_needs_its_reader(void **state)
{
    char got[8] = "";
    int fd = -1;
    if (access(in("fifo"), F_OK) != 0) {
        assert_int_equal(mkfifo(in("fifo"), 0666), 0);
    }
    assert_int_equal(sq_place_open(in("fifo"), &fd), SQ_ERR_IO);
    assert_int_equal(errno, ENXIO);
    assert_int_equal(fd, -1);
    int reader = open(in("fifo"), O_RDONLY | O_NONBLOCK);
    assert_true(reader >= 0);
    assert_int_equal(sq_place_open(in("fifo"), &fd), 0);
    assert_false(fcntl(fd, F_GETFL) & O_NONBLOCK); /* writing waits for a slow reader */
    assert_int_equal(write(fd, "json", 4), 4);
    assert_int_equal(read(reader, got, sizeof(got)), 4);
    assert_string_equal(got, "json");
    close(fd);
    close(reader);
}

static void folders_are_made(void **state)
{
    char failed[SQ_PLACE_PATH_MAX];
    assert_int_equal(sq_place_make_folders(in("deep/er/still"), failed), 0);
    assert_int_equal(sq_place_make_folders(in("deep/er/still"), failed), 0);
    assert_int_equal(sq_place_make_folders("/", failed), 0);
    is_at("deep/er/still", SQ_PLACE_FOLDER, "deep/er/still");
    int fd = open(in("deep/file"), O_WRONLY | O_CREAT, 0666);
    assert_true(fd >= 0);
    close(fd);
    assert_int_equal(sq_place_make_folders(in("deep/file"), failed), SQ_ERR_IO);
    assert_int_equal(errno, ENOTDIR);
    assert_int_equal(sq_place_make_folders(in("deep/file/x/y"), failed), SQ_ERR_IO);
    assert_int_equal(errno, ENOTDIR);
    assert_string_equal(failed, in("deep/file/x"));
}

static void a_trial_leaves_nothing(void **state)
{
    assert_int_equal(sq_place_make_folders(in("trial"), (char[SQ_PLACE_PATH_MAX]){""}), 0);
    assert_int_equal(sq_place_try(in("trial/file")), 0);
    assert_int_equal(rmdir(in("trial")), 0); /* empty */
    assert_int_equal(sq_place_try(in("trial/file")), SQ_ERR_IO);
    assert_int_equal(errno, ENOENT);
}

static void a_folder_is_locked_once(void **state)
{
    int first = -1, second = -1;
    pid_t holder = 0;
    assert_int_equal(sq_place_make_folders(in("locked"), (char[SQ_PLACE_PATH_MAX]){""}), 0);
    assert_int_equal(sq_place_lock(in("locked"), &first, &holder), 0);
    assert_true(first >= 0);
    assert_int_equal(sq_place_lock(in("locked"), &second, &holder), SQ_ERR_STATE);
    assert_int_equal(second, -1);
    assert_int_equal(holder, getpid());
    assert_int_equal(symlink("locked", in("locked-too")), 0);
    assert_int_equal(sq_place_lock(in("locked-too"), &second, &holder), SQ_ERR_STATE);
    assert_int_equal(sq_place_lock(in("no-such-folder"), &second, &holder), SQ_ERR_IO);
    assert_int_equal(errno, ENOENT);
    close(first);
    assert_int_equal(sq_place_lock(in("locked"), &second, &holder), 0);
    close(second);
    assert_int_equal(rmdir(in("locked")), 0); /* empty */
}

/* By another process, which is killed. */
static void a_lock_ends_with_its_process(void **state)
{
    int lock = -1, told[2], status;
    pid_t holder = 0;
    char byte = 0;
    assert_int_equal(sq_place_make_folders(in("held"), (char[SQ_PLACE_PATH_MAX]){""}), 0);
    assert_int_equal(pipe(told), 0);
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0) {
        alarm(30); /* should the test fail */
        byte = sq_place_lock(in("held"), &lock, &holder) == 0;
        if (write(told[1], &byte, 1) == 1) {
            pause();
        }
        _exit(1);
    }
    assert_int_equal(read(told[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    assert_int_equal(sq_place_lock(in("held"), &lock, &holder), SQ_ERR_STATE);
    assert_int_equal(holder, child);
    assert_int_equal(kill(child, SIGKILL), 0);
    assert_int_equal(waitpid(child, &status, 0), child);
    assert_int_equal(sq_place_lock(in("held"), &lock, &holder), 0);
    close(lock);
    close(told[0]);
    close(told[1]);
    assert_int_equal(rmdir(in("held")), 0); /* nothing is left in it */
}

static void what_a_writer_waits_for(void **state)
{
    assert_true(sq_place_waits("-"));
    assert_true(sq_place_waits("/dev/null"));
    assert_false(sq_place_waits(in("no-such-file")));
    if (access(in("fifo"), F_OK) != 0) {
        assert_int_equal(mkfifo(in("fifo"), 0666), 0);
    }
    assert_true(sq_place_waits(in("fifo")));
}

/* A node of the test's own: never one of /dev. */
static void a_device_is_no_file(void **state)
{
    int fd = -1;
    if (mknod(in("null"), S_IFCHR | 0666, makedev(1, 3)) != 0) {
        skip(); /* not root */
    }
    is_at("null", SQ_PLACE_SPECIAL, "null");
    if (sq_place_open(in("null"), &fd) == 0) { /* not where devices are shut off: nodev */
        assert_int_equal(write(fd, "x", 1), 1);
        close(fd);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(links_are_followed),      cmocka_unit_test(what_cannot_be_found),
        cmocka_unit_test(a_pipe_is_no_file),       cmocka_unit_test(a_fifo_needs_its_reader),
        cmocka_unit_test(folders_are_made),        cmocka_unit_test(a_trial_leaves_nothing),
        cmocka_unit_test(a_folder_is_locked_once), cmocka_unit_test(a_lock_ends_with_its_process),
        cmocka_unit_test(what_a_writer_waits_for), cmocka_unit_test(a_device_is_no_file),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
