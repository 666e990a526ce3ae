/* Files written beside the packet path: whole or ended, never with a hole. */
#include "base/mem.h"
#include "run/filewriter.h"
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <unistd.h>

#include <cmocka.h>

static char path[64];

static int make_path(void **state)
{
    (void)state;
    snprintf(path, sizeof(path), "/tmp/squall-filewriter-%d", (int)getpid());
    return 0;
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static size_t read_file(uint8_t *out, size_t room)
{
    FILE *f = fopen(path, "rb");
    assert_non_null(f);
    size_t n = fread(out, 1, room, f);
    fclose(f);
    return n;
}

static void blocks_and_patches(void **state)
{
    (void)state;
    enum { BYTES = 5 * SQ_FILEWRITER_BLOCK + 123 };
    uint8_t *in = malloc(BYTES), *out = malloc(BYTES + 1);
    struct sq_filewriter *w;
    struct sq_filewriter_stats stats;
    struct sq_file *file;
    for (size_t i = 0; i < BYTES; i++) {
        in[i] = (uint8_t)(i * 7 + i / 251);
    }
    assert_int_equal(sq_filewriter_new(0, &w), 0);
    assert_int_equal(sq_file_new(w, path, &file), 0);
    for (size_t at = 0, n = 1; at < BYTES; at += n, n = n * 3 % 70001 + 1) {
        n = n < BYTES - at ? n : BYTES - at;
        sq_file_append(file, in + at, n);
        if (at % 5 == 0) {
            sq_file_flush(file);
        }
    }
    static const size_t places[] = {0, SQ_FILEWRITER_BLOCK - 3, 3 * SQ_FILEWRITER_BLOCK, BYTES - 8};
    for (size_t i = 0; i < sizeof(places) / sizeof(*places); i++) {
        memcpy(in + places[i], "patched!", 8);
        sq_file_patch(file, places[i], "patched!", 8);
    }
    sq_file_patch(file, BYTES - 4, "beyond!!", 8); /* what is not there yet cannot be patched */
    sq_file_close(file);
    sq_filewriter_drain(w);
    sq_filewriter_get_stats(w, &stats);
    assert_int_equal(stats.files, 1);
    assert_int_equal(stats.broken, 0);
    assert_string_equal(stats.problem, "");
    assert_int_equal(read_file(out, BYTES + 1), BYTES);
    assert_memory_equal(in, out, BYTES);
    sq_filewriter_free(w);
    free(in);
    free(out);
}

static void a_full_disk_ends_the_file(void **state)
{
    (void)state;
    struct sq_filewriter *w;
    struct sq_filewriter_stats stats;
    struct sq_file *file;
    assert_int_equal(sq_filewriter_new(0, &w), 0);
    assert_int_equal(sq_file_new(w, "/dev/full", &file), 0);
    sq_file_append(file, "x", 1);
    sq_file_flush(file);
    sq_filewriter_drain(w);
    sq_file_append(file, "y", 1);
    sq_file_close(file);
    sq_filewriter_drain(w);
    sq_filewriter_get_stats(w, &stats);
    assert_int_equal(stats.broken, 1);
    assert_string_equal(stats.problem, "/dev/full: No space left on device");
    sq_filewriter_free(w);
}

/* More than may wait: the file ends before, and has no hole. */
static void what_waits_is_bounded(void **state)
{
    (void)state;
    struct sq_filewriter *w;
    struct sq_filewriter_stats stats;
    struct sq_file *file;
    static uint8_t block[SQ_FILEWRITER_BLOCK];
    static uint8_t out[4 * SQ_FILEWRITER_BLOCK];
    memset(block, 'b', sizeof(block));
    assert_int_equal(sq_filewriter_new(SQ_FILEWRITER_BLOCK / 2, &w), 0); /* less than one block */
    assert_int_equal(sq_file_new(w, path, &file), 0);
    sq_file_append(file, "small", 5);
    sq_file_flush(file);
    sq_filewriter_drain(w);
    sq_file_append(file, block, sizeof(block));
    sq_file_append(file, "after", 5);
    sq_file_close(file);
    sq_filewriter_drain(w);
    sq_filewriter_get_stats(w, &stats);
    assert_int_equal(stats.broken, 1);
    assert_non_null(strstr(stats.problem, "the disk did not keep up"));
    assert_int_equal(read_file(out, sizeof(out)), 5);
    assert_memory_equal(out, "small", 5);
    sq_filewriter_free(w);
}

/* A file of `head` bytes that are its head, `item` more that are its first item, and 9000 others.
 */
static void write_parts(struct sq_filewriter *w, const char *suffix, size_t head, size_t item)
{
    static const uint8_t bytes[9000];
    char name[80];
    struct sq_file *file;
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    assert_int_equal(sq_file_new(w, name, &file), 0);
    sq_file_append(file, bytes, head);
    sq_file_head(file);
    sq_file_append(file, bytes, item);
    sq_file_item(file);
    sq_file_item(file); /* the first one counts */
    sq_file_append(file, bytes, sizeof(bytes));
    sq_file_item(file);
    sq_file_flush(file);
    sq_filewriter_drain(w); /* they break one after the other */
    sq_file_close(file);
}

static bool is_left(const char *suffix)
{
    char name[80];
    snprintf(name, sizeof(name), "%s%s", path, suffix);
    return access(name, F_OK) == 0;
}

/* Where no file may have more than 4000 bytes: one with a whole item stays, and others go. */
static void what_cannot_be_played_is_removed(void **state)
{
    struct sq_filewriter *w;
    struct sq_filewriter_stats stats;
    struct rlimit limit;
    (void)state;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    const struct rlimit narrow = {4000, limit.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &narrow), 0);
    assert_int_equal(sq_filewriter_new(0, &w), 0);
    write_parts(w, ".webm", 500, 1000);
    write_parts(w, ".half", 500, 5000);
    write_parts(w, ".head", 500, 0);
    write_parts(w, ".pcap", 0, 3000);
    write_parts(w, ".more", 3999, 2);
    write_parts(w, ".last", 4001, 2);
    struct sq_file *file;
    assert_int_equal(sq_file_new(w, path, &file), 0);
    sq_file_append(file, "whole", 5);
    sq_file_close(file);
    sq_filewriter_drain(w);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    sq_filewriter_get_stats(w, &stats);
    sq_filewriter_free(w);
    assert_true(is_left(".webm") && is_left(".pcap"));
    assert_false(is_left(".half") || is_left(".head") || is_left(".more") || is_left(".last"));
    assert_int_equal(stats.files, 7);
    assert_int_equal(stats.broken, 6);
    assert_int_equal(stats.whole, 1);
    assert_non_null(strstr(stats.problem, ".webm: File too large"));
    assert_int_equal(stats.named, SQ_FILEWRITER_NAMED);
    const char *name = strrchr(path, '/') + 1;
    char others[224];
    snprintf(others, sizeof(others), "%s.half, %s.head, %s.pcap", name, name, name);
    assert_string_equal(stats.others, others);
    assert_int_equal(stats.partial, 2);
    assert_int_equal(stats.bytes, 2 * 4000 + 5);
    static const char *const left[] = {".webm", ".pcap"};
    for (size_t i = 0; i < 2; i++) {
        char file_name[80];
        snprintf(file_name, sizeof(file_name), "%s%s", path, left[i]);
        unlink(file_name);
    }
}

static void a_place_that_is_not_there(void **state)
{
    (void)state;
    struct sq_filewriter *w;
    struct sq_file *file;
    struct sq_filewriter_stats stats;
    assert_int_equal(sq_filewriter_new(0, &w), 0);
    assert_int_equal(sq_file_new(w, "/nowhere/at/all", &file), SQ_ERR_IO);
    assert_int_equal(errno, ENOENT);
    sq_filewriter_get_stats(w, &stats); /* it is missed, and told */
    assert_int_equal(stats.files, 0);
    assert_int_equal(stats.broken, 1);
    assert_string_equal(stats.problem, "/nowhere/at/all: No such file or directory");
    sq_filewriter_free(w);
}

/* Somebody removes the results while they are written: that is told, and no file counted as whole.
 */
static void a_file_that_is_removed(void **state)
{
    (void)state;
    struct sq_filewriter *w;
    struct sq_file *file;
    struct sq_filewriter_stats stats;
    char problem[128];
    assert_int_equal(sq_filewriter_new(0, &w), 0);
    assert_int_equal(sq_file_new(w, path, &file), 0);
    sq_file_append(file, "sound", 5);
    assert_int_equal(unlink(path), 0);
    sq_file_close(file);
    sq_filewriter_drain(w);
    sq_filewriter_get_stats(w, &stats);
    assert_int_equal(stats.broken, 1);
    snprintf(problem, sizeof(problem), "%s: it was removed while it was written", path);
    assert_string_equal(stats.problem, problem);
    sq_filewriter_free(w);
}

static void without_memory(void **state)
{
    (void)state;
    for (size_t nth = 1; nth < 8; nth++) {
        struct sq_filewriter *w;
        struct sq_filewriter_stats stats;
        struct sq_file *file;
        assert_int_equal(sq_filewriter_new(0, &w), 0);
        sq_mem_fail_at(nth);
        int err = sq_file_new(w, path, &file);
        if (!err) {
            sq_file_append(file, "bytes", 5);
            sq_file_flush(file);
            sq_file_patch(file, 0, "p", 1);
            sq_file_close(file);
        }
        sq_mem_fail_at(0);
        sq_filewriter_drain(w);
        sq_filewriter_get_stats(w, &stats);
        assert_true(err ? err == SQ_ERR_NOMEM : nth < 5 ? stats.broken == 1 : stats.broken == 0);
        sq_filewriter_free(w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(blocks_and_patches),
        cmocka_unit_test(a_full_disk_ends_the_file),
        cmocka_unit_test(what_waits_is_bounded),
        cmocka_unit_test(a_place_that_is_not_there),
        cmocka_unit_test(what_cannot_be_played_is_removed),
        cmocka_unit_test(a_file_that_is_removed),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, make_path, remove_file);
}
