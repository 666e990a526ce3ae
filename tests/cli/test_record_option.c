/* What is said of recordings once the run is over. */
#include "base/temp_dir.h"
#include "cli/record_option.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

/* The reason why there is no file: by what came, what was sent and what was asked for. */
static void no_file_has_a_reason(void **state)
{
    static const struct {
        const char *formats;
        bool sent;
        unsigned long long audio_in, video_in, out;
        const char *says;
    } cases[] = {
        {NULL, false, 0, 0, 0,
         "Recorded 0 files: the recorded peers received nothing; --record-sent writes what they "
         "send, too.\n"},
        {NULL, true, 0, 0, 0,
         "Recorded 0 files: the recorded peers received nothing and sent nothing.\n"},
        {"ogg", false, 0, 9, 0,
         "Recorded 0 files: no sound came, and a picture is not of the format ogg.\n"},
        {"ogg", true, 0, 0, 9,
         "Recorded 0 files: there was no sound, and a picture is not of the format ogg.\n"},
        {"webm", false, 0, 9, 0,
         "Recorded 0 files: no sound came, and no whole key frame of a picture.\n"},
        {"webm,ogg", true, 0, 9, 9,
         "Recorded 0 files: there was no sound, and no whole key frame of a picture.\n"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct sq_run_options o = {
            .record = 1, .record_sent = cases[i].sent, .record_format = cases[i].formats};
        static struct sq_record_option record;
        char why[256] = "";
        char *told = NULL;
        size_t len = 0;
        record = (struct sq_record_option){.writer = NULL};
        assert_int_equal(sq_record_option_start(&record, &o, in("run"), why, sizeof(why)), 0);
        record.seen.audio_in = cases[i].audio_in;
        record.seen.video_in = cases[i].video_in;
        record.seen.out = cases[i].out;
        FILE *out = open_memstream(&told, &len);
        assert_non_null(out);
        assert_int_equal(sq_record_option_tell(&record, out, why, sizeof(why)), 0);
        assert_int_equal(fclose(out), 0);
        assert_string_equal(told, cases[i].says);
        free(told);
        sq_record_option_free(&record);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(no_file_has_a_reason),
    };
    return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
