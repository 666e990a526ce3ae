/* Places of results that cannot be written are told before the run. */
#include "base/temp_dir.h"
#include "cli/places.h"
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char why[512];

static void refuses_file(const char *path, const char *words)
{
    struct sq_places places = {0};
    assert_int_equal(sq_places_check_file(&places, "json", path, why, sizeof(why)), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "--json "));
    if (!strstr(why, words)) {
        fail_msg("'%s' does not say '%s'", why, words);
    }
    assert_int_equal(places.fifos_len, 0);
}

static void takes_file(const char *path)
{
    struct sq_places places = {0};
    if (sq_places_check_file(&places, "json", path, why, sizeof(why)) != 0) {
        fail_msg("%s", why);
    }
    sq_places_close(&places);
}

static void files(void **state)
{
    char name[300];
    (void)state;
    takes_file(NULL);
    takes_file("-");
    takes_file(in("new.json"));
    assert_int_equal(access(in("new.json"), F_OK), -1); /* it only looked */
    refuses_file("", "expected the name of a file");
    refuses_file(dir, "is a folder");
    refuses_file(in("sub/"), "is a folder");
    refuses_file(in("nowhere/new.json"), "its folder is not there");
    assert_int_equal(close(open(in("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)), 0);
    takes_file(in("file"));
    refuses_file(in("file/new.json"), "Not a directory");
    assert_int_equal(symlink("nowhere/x", in("dangling")), 0);
    refuses_file(in("dangling"), "its folder is not there");
    memset(name, 'x', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    refuses_file(in(name), "File name too long");
    name[250] = '\0'; /* it would do, but for what is written beside it at first */
    refuses_file(in(name), "File name too long");
    refuses_file("/proc/squall.json", "cannot write there"); /* to root, too */
}

static void fifos(void **state)
{
    struct sq_places places = {0};
    char fifo[1024], byte;
    (void)state;
    snprintf(fifo, sizeof(fifo), "%s", in("fifo"));
    assert_int_equal(mkfifo(fifo, 0666), 0);
    refuses_file(fifo, "nobody reads this FIFO");
    int reader = open(fifo, O_RDONLY | O_NONBLOCK | O_CLOEXEC);
    assert_true(reader >= 0);
    assert_int_equal(sq_places_check_file(&places, "json", fifo, why, sizeof(why)), 0);
    assert_int_equal(read(reader, &byte, 1), -1); /* held open: no end yet */
    sq_places_close(&places);
    assert_int_equal(read(reader, &byte, 1), 0);
    close(reader);
}

static void folders(void **state)
{
    (void)state;
    assert_int_equal(sq_places_check_folder("out", NULL, why, sizeof(why)), 0);
    assert_int_equal(sq_places_check_folder("out", in("a/b/c"), why, sizeof(why)), 0);
    assert_int_equal(access(in("a"), F_OK), -1);
    assert_int_equal(sq_places_check_folder("out", dir, why, sizeof(why)), 0);
    assert_int_equal(sq_places_check_folder("out", "", why, sizeof(why)), SQ_ERR_INVALID);
    assert_int_equal(close(open(in("file"), O_WRONLY | O_CREAT | O_CLOEXEC, 0666)), 0);
    assert_int_equal(sq_places_check_folder("out", in("file"), why, sizeof(why)), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "is not a folder"));
    assert_int_equal(sq_places_check_folder("out", in("file/x"), why, sizeof(why)), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "/file is not a folder"));
    assert_int_equal(sq_places_check_folder("out", "/proc/x", why, sizeof(why)), SQ_ERR_INVALID);
    assert_non_null(strstr(why, "cannot write to /proc"));
}

static void places_that_are_the_same(void **state)
{
    char a[1024], b[1024];
    (void)state;
    snprintf(a, sizeof(a), "%s", in("a.json"));
    assert_true(sq_places_same("-", "-"));
    assert_false(sq_places_same("/dev/null", "/dev/null"));
    assert_true(sq_places_same(a, a));
    assert_false(sq_places_same(a, NULL));
    assert_false(sq_places_same(a, in("b.json")));
    assert_int_equal(symlink("a.json", in("link")), 0);
    assert_true(sq_places_same(a, in("link"))); /* which leads to nothing yet */
    assert_int_equal(close(open(a, O_WRONLY | O_CREAT | O_CLOEXEC, 0666)), 0);
    assert_true(sq_places_same(in("link"), a));
    snprintf(b, sizeof(b), "%s/./a.json", dir);
    assert_true(sq_places_same(a, b));
}

static void places_that_the_run_makes(void **state)
{
    char out[1024], file[1024];
    (void)state;
    snprintf(out, sizeof(out), "%s/out", dir);
    snprintf(file, sizeof(file), "%s/out/junit.xml", dir);
    assert_true(sq_places_will_be(file, out));
    snprintf(out, sizeof(out), "%s/out//", dir);
    assert_true(sq_places_will_be(file, out));
    assert_false(sq_places_will_be(NULL, out));
    assert_false(sq_places_will_be(file, NULL));
    assert_false(sq_places_will_be("junit.xml", out));
    assert_false(sq_places_will_be(in("out/"), in("out")));
    assert_false(sq_places_will_be(file, in("ou")));
    assert_false(sq_places_will_be(file, dir));
    assert_int_equal(mkdir(out, 0777), 0);
    assert_false(sq_places_will_be(file, out)); /* then it is tried */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(files, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(fifos, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(folders, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(places_that_are_the_same, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(places_that_the_run_makes, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
