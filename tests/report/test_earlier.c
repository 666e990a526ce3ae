/* A results directory that is used again: what an earlier run has left goes, and nothing else. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/temp_dir.h"
#include "report/report.h"
#include "report/sample.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool there(const char *name)
{
    struct stat st;
    return lstat(in(name), &st) == 0;
}

static void touch(const char *name)
{
    FILE *file = fopen(in(name), "we");
    assert_non_null(file);
    assert_int_equal(fclose(file), 0);
}

/* A run of no length. */
static int begin(const char *folder, const char *keep, struct sq_report_error *error)
{
    int lock = -1;
    int err = sq_report_begin(folder, keep, &lock, error);
    if (lock >= 0) {
        assert_int_equal(close(lock), 0);
    }
    return err;
}

static const char *const ours[] = {
    "summary.json",
    "timeline.csv",
    "peers.csv",
    "junit.xml",
    "report.html",
    "summary.json.0123abcd.tmp", /* of one that was killed */
    "webrtc-internals/00001-squall-0.json",
    "webrtc-internals/123456-squall-123455.json",
    "webrtc-internals/00002-squall-1.json.0123abcd.tmp",
    "record/squall-0.pcap",
    "record/squall-0-echo.pcap",
    "record/squall-0-in-1.webm",
    "record/squall-12-room-out-2.mkv",
    "record/squall-0-in-1.ogg",
    "record/squall-0-pub-out-1.wav",
    "record/squall-0-in-video-1.rtpdump",
};

static const char *const theirs[] = {
    "notes.txt",
    "summary.json.bak",
    "old-summary.json",
    "summary.json.tmp",
    "squall-0.pcap",
    "00001-squall-0.json",
    "webrtc-internals/00001-firefox.json",
    "webrtc-internals/squall-0.json",
    "record/squall-0-in-1.webm.part",
    "record/squall-0-in-1.srt",
    "record/my-squall-0.pcap",
    "record/squall-.pcap",
    "record/in-1.webm",
    "record/squall-0-in-video-1.rtpdump.txt",
};

#define COUNT(list) (sizeof(list) / sizeof(*(list)))

static void make_folders(void)
{
    mkdir(in("record"), 0777);
    mkdir(in("webrtc-internals"), 0777);
}

static void only_what_squall_wrote_goes(void **state)
{
    struct sq_report_error error = {0};
    (void)state;
    make_folders();
    for (size_t i = 0; i < COUNT(ours); i++) {
        touch(ours[i]);
    }
    for (size_t i = 0; i < COUNT(theirs); i++) {
        touch(theirs[i]);
    }
    assert_int_equal(mkdir(in("record/squall-3.pcap"), 0777), 0); /* the name alone is not enough */
    assert_int_equal(symlink("notes.txt", in("record/squall-4.pcap")), 0);
    assert_int_equal(begin(dir, NULL, &error), 0);
    for (size_t i = 0; i < COUNT(ours); i++) {
        if (there(ours[i])) {
            fail_msg("%s is still there", ours[i]);
        }
    }
    for (size_t i = 0; i < COUNT(theirs); i++) {
        if (!there(theirs[i])) {
            fail_msg("%s is gone", theirs[i]);
        }
    }
    assert_true(there("record/squall-3.pcap") && there("record/squall-4.pcap"));
}

/* Names as the writers have them; what is left has no folder. */
static void all_that_is_written_goes(void **state)
{
    struct sq_result *r = sample_result(&(struct sample_options){.peers = 60, .seconds = 5});
    struct sq_report_error error = {0};
    (void)state;
    assert_non_null(r);
    for (size_t i = 0; i < r->peer_count; i++) {
        char id[48];
        snprintf(id, sizeof(id), SQ_RUN_PEER_NAME, (unsigned long long)i);
        SQ_RESULT_SET(r->peers[i].id, id);
    }
    assert_true(r->trace_count > 0);
    assert_int_equal(sq_report_write(r, in("run"), &error), 0);
    assert_true(there("run/webrtc-internals") && there("run/summary.json"));
    assert_int_equal(begin(in("run"), NULL, &error), 0);
    assert_int_equal(rmdir(in("run")), 0); /* empty */
    sq_result_destroy(r);
}

static void folders_are_made(void **state)
{
    struct sq_report_error error = {0};
    (void)state;
    assert_int_equal(begin(in("a/b"), NULL, &error), 0);
    assert_int_equal(begin(in("a/b"), NULL, &error), 0);
    assert_true(there("a/b"));
    touch("file");
    assert_int_equal(begin(in("file"), NULL, &error), SQ_ERR_IO);
    assert_non_null(strstr(error.message, "/file: Not a directory"));
    assert_int_equal(begin(in("file/b"), NULL, NULL), SQ_ERR_IO);
}

/* Empty folders that were there before stay, links stay and are not followed. */
static void links_stay(void **state)
{
    struct sq_report_error error = {0};
    (void)state;
    make_folders();
    touch("elsewhere");
    assert_int_equal(symlink("elsewhere", in("summary.json")), 0);
    assert_int_equal(mkfifo(in("junit.xml"), 0666), 0);
    assert_int_equal(begin(dir, NULL, &error), 0);
    assert_true(there("summary.json") && there("elsewhere") && there("junit.xml"));
    assert_true(there("record") && there("webrtc-internals"));
}

/* What is to be replayed is not deleted, by whatever name it is called; and then nothing is. */
static void what_is_sent_stays(void **state)
{
    struct sq_report_error error = {0};
    (void)state;
    make_folders();
    touch("record/squall-0-in-video-1.rtpdump");
    touch("peers.csv");
    assert_int_equal(symlink("record/squall-0-in-video-1.rtpdump", in("alias")), 0);
    char alias[256];
    snprintf(alias, sizeof(alias), "%s", in("alias"));
    assert_int_equal(begin(dir, alias, &error), SQ_ERR_INVALID);
    assert_non_null(strstr(error.message, "record/squall-0-in-video-1.rtpdump"));
    assert_true(there("record/squall-0-in-video-1.rtpdump") && there("peers.csv"));
    assert_int_equal(begin(dir, "/dev/null", &error), 0);
    assert_false(there("peers.csv"));
}

/* The second of two runs at once is refused, deletes nothing, and leaves nothing. */
static void a_folder_is_one_runs(void **state)
{
    struct sq_report_error error = {0};
    char process[64];
    int lock = -1, second = -1;
    (void)state;
    assert_int_equal(sq_report_begin(in("run"), NULL, &lock, &error), 0);
    assert_true(lock >= 0);
    touch("run/summary.json");
    assert_int_equal(sq_report_begin(in("run"), NULL, &second, &error), SQ_ERR_INVALID);
    assert_int_equal(second, -1);
    assert_non_null(strstr(error.message, in("run")));
    snprintf(process, sizeof(process), "another run, process %d, writes", (int)getpid());
    if (!strstr(error.message, process)) {
        fail_msg("'%s' does not say '%s'", error.message, process);
    }
    assert_int_equal(sq_report_begin(in("run"), NULL, &second, NULL), SQ_ERR_INVALID);
    assert_true(there("run/summary.json"));
    assert_int_equal(begin(in("other"), NULL, &error), 0);
    assert_int_equal(close(lock), 0); /* as at its end, in whatever way */
    assert_int_equal(begin(in("run"), NULL, &error), 0);
    assert_int_equal(rmdir(in("run")), 0);
    /* Who is refused for what it sends does not keep it. */
    touch("peers.csv");
    assert_int_equal(begin(dir, in("peers.csv"), &error), SQ_ERR_INVALID);
    assert_int_equal(begin(dir, NULL, &error), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_squall_wrote_goes, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(all_that_is_written_goes, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(folders_are_made, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(links_stay, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(what_is_sent_stays, make_dir, remove_dir),
        cmocka_unit_test_setup_teardown(a_folder_is_one_runs, make_dir, remove_dir),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
